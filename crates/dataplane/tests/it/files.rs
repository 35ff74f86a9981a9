//! Content: what arrives is what is in the file, however it is sent.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use valetkey_dataplane::SendMode;
use valetkey_dataplane::body::FileBody;
use valetkey_dataplane::listener::{AcceptMode, Options};

use crate::rig::{Client, Event, Noise, Record, Watcher, digest, ok, options, plan, site, start};

const MODES: [SendMode; 2] = [SendMode::Sendfile, SendMode::Copy];

fn with(mode: SendMode) -> Options {
    let mut options = options();
    options.send = mode;
    options
}

#[test]
fn a_whole_file_arrives() {
    let noise = Noise::new(1, 5_000_001);
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        for _ in 0..3 {
            let got = client.get("/file");
            assert_eq!(got.status, 200);
            assert_eq!(digest(&got.body), digest(&noise.bytes), "{mode:?}");
        }
    }
}

#[test]
fn ranges_of_every_size_arrive() {
    let noise = Noise::new(2, 900_000);
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        for (start, end) in [(0, 1), (899_999, 900_000), (4095, 4097), (1, 262_145), (0, 262_144), (17, 900_000), (5, 5)] {
            let got = client.get(&format!("/range?{start}-{end}"));
            assert!(got.body == noise.bytes[start..end], "{mode:?} {start}..{end}");
        }
    }
}

#[test]
fn several_ranges_are_interleaved_with_literal_bytes() {
    let noise = Noise::new(3, 900_000);
    let mut expected = b"first:".to_vec();
    expected.extend(&noise.bytes[100..70_000]);
    expected.extend(b"second:");
    expected.extend(&noise.bytes[..1]);
    expected.extend(b"none:");
    expected.extend(&noise.bytes[500_000..]);
    expected.extend(b":end");
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        for _ in 0..3 {
            let got = client.get("/parts");
            assert!(got.body == expected, "{mode:?}");
        }
    }
}

#[test]
fn mixed_responses_share_a_connection() {
    let noise = Noise::new(4, 700_000);
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        for _ in 0..3 {
            assert!(client.get("/file").body == *noise.bytes);
            assert!(client.get("/small").body == noise.bytes[..4096]);
            assert_eq!(client.get("/chunked").body, b"something...");
            assert_eq!(client.get("/missing").status, 404);
            assert_eq!(client.get("/empty").body, b"");
            client.send("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
            let got = client.read(true);
            assert!(got.head.contains("content-length: 700000"), "{}", got.head);
            client.send("HEAD /file-with-body HTTP/1.1\r\nHost: h\r\n\r\n");
            let got = client.read(true);
            assert!(got.head.contains("content-length: 700000"), "{}", got.head);
            client.send("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345");
            assert_eq!(client.read(false).body, b"5");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let noise = Noise::new(5, 700_000);
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        let paths = ["/file", "/small", "/empty", "/range?7-300000", "/parts", "/file"];
        let raw: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
        client.send(raw);
        assert!(client.read(false).body == *noise.bytes);
        assert!(client.read(false).body == noise.bytes[..4096]);
        assert!(client.read(false).body.is_empty());
        assert!(client.read(false).body == noise.bytes[7..300_000]);
        assert!(client.read(false).body.ends_with(b":end"));
        assert!(client.read(false).body == *noise.bytes);
    }
}

#[test]
fn a_slow_reader_gets_every_byte() {
    // More than the socket's buffers hold, so that writes wait for the reader.
    let noise = Noise::new(6, 24 << 20);
    for mode in MODES {
        let server = site(&noise, with(mode));
        let mut client = Client::new(&server);
        socket2::SockRef::from(&client.stream).set_recv_buffer_size(128 << 10).unwrap();
        client.ask("/file");
        let (_, _) = client.read_head();
        let mut other = Client::new(&server);
        let mut body = Vec::with_capacity(noise.bytes.len());
        while body.len() < noise.bytes.len() {
            let n = (noise.bytes.len() - body.len()).min(1 << 20);
            body.extend(client.take(n));
            assert!(other.get("/small").body == noise.bytes[..4096]);
        }
        assert_eq!(digest(&body), digest(&noise.bytes), "{mode:?}");
        assert!(client.get("/small").body == noise.bytes[..4096]);
    }
}

#[test]
fn http_1_0_gets_the_file_and_the_end() {
    let noise = Noise::new(7, 300_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.send("GET /file HTTP/1.0\r\n\r\n");
    let (status, _) = client.read_head();
    assert_eq!(status, 200);
    assert!(client.rest() == *noise.bytes);
}

#[test]
fn workers_share_a_port_or_an_acceptor() {
    let noise = Noise::new(8, 300_000);
    for accept in [AcceptMode::ReusePort, AcceptMode::OneAcceptor] {
        let mut options = options();
        options.workers = 3;
        options.accept = accept;
        let server = site(&noise, options);
        let mut clients: Vec<_> = (0..12).map(|_| Client::new(&server)).collect();
        for client in &mut clients {
            client.ask("/file");
        }
        for client in &mut clients {
            assert!(client.read(false).body == *noise.bytes, "{accept:?}");
        }
        assert_eq!(server.n_connections(), 12);
    }
}

#[test]
fn a_truncated_file_is_an_error_and_never_filler() {
    for mode in MODES {
        let noise = Noise::new(9, 600_000);
        let record = Arc::new(Record::default());
        let server = {
            let (file, record) = (Arc::clone(&noise.file), Arc::clone(&record));
            start(with(mode), move |_| {
                let plan = plan(&file, &[(b"", 0, 600_000)], b"");
                let body = FileBody::observed(plan, Box::new(Watcher(Arc::clone(&record))));
                std::future::ready(ok(body))
            })
        };
        noise.file.set_len(400_000).unwrap();
        let mut client = Client::new(&server);
        client.ask("/");
        let (_, head) = client.read_head();
        assert!(head.contains("content-length: 600000"), "{head}");
        let body = client.rest();
        assert!(body.len() <= 400_000 && body == noise.bytes[..body.len()]);
        let sent = 400_000;
        assert_eq!(record.at_end(), [Event::Ended { sent, whole: false }], "{mode:?}");
        // Others are served.
        noise.file.set_len(600_000).unwrap();
        Client::new(&server).get("/");
    }
}

#[test]
fn a_file_body_that_no_connection_knows_is_cut() {
    let noise = Noise::new(10, 300_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.ask("/file-as-other-body");
    assert!(client.rest().is_empty());
}

#[test]
fn a_cold_file_is_read_while_others_are_served() {
    use std::io::Write as _;
    // On a disk: what tests write elsewhere may be memory, which has no cold pages.
    let bytes = crate::rig::noise(11, 16 << 20);
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    let noise = Noise { bytes: Arc::new(bytes), file: Arc::new(file) };
    for mode in MODES {
        let server = site(&noise, with(mode));
        rustix::fs::fadvise(noise.file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let mut cold = Client::new(&server);
        let mut warm = Client::new(&server);
        cold.ask("/file");
        for _ in 0..100 {
            assert_eq!(warm.get("/chunked").body, b"something...");
        }
        let got = cold.read(false);
        assert_eq!(digest(&got.body), digest(&noise.bytes), "{mode:?}");
    }
}
