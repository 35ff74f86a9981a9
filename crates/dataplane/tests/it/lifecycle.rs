//! Connections: refusals that reach a client that is still sending, deadlines, caps, panics, the end of the server.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use valetkey_dataplane::body::FileBody;
use valetkey_dataplane::listener::{Options, Server};

use crate::rig::{Client, Event, Noise, PATIENCE, Record, Watcher, digest, ok, options, plan, site, start};

/// What is tested with short times must not be cut by them elsewhere.
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_refused_upload_reads_its_answer() {
    let noise = Noise::new(40, 500_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.send("PUT /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
    // The server does not read the body; whether all of this can be written is its affair.
    let piece = vec![7; 100_000];
    for _ in 0..20 {
        if client.stream.write_all(&piece).is_err() {
            break;
        }
    }
    let got = client.read(false);
    assert_eq!((got.status, &got.body[..]), (413, &b"too large"[..]));
    assert!(got.head.contains("connection: close"), "{}", got.head);
    drop(client);
    assert_eq!(Client::new(&server).get("/chunked").status, 200);
}

#[test]
fn curl_reads_the_refusal_of_a_large_put() {
    let noise = Noise::new(41, 32 << 20);
    let server = site(&noise, options());
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(&noise.bytes).unwrap();
    for expect in ["Expect:", "Expect: 100-continue"] {
        let output = Command::new("curl")
            .args(["-sS", "-w", "|%{http_code}", "-H", expect, "-T"])
            .arg(file.path())
            .arg(format!("http://{}/refuse", server.local_addr()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text, "too large|413", "{expect} {output:?}");
    }
}

#[test]
fn a_slow_head_is_cut() {
    let noise = Noise::new(42, 500_000);
    let mut options = options();
    options.header_read_timeout = SHORT;
    let server = site(&noise, options);
    let begun = Instant::now();
    let silent = Client::new(&server);
    let mut slow = Client::new(&server);
    slow.send("GET /file HTT");
    let mut second = Client::new(&server);
    assert_eq!(second.get("/chunked").status, 200);
    second.send("GET");
    assert!(slow.rest().is_empty());
    assert!(silent.rest().is_empty());
    assert!(second.rest().is_empty());
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let noise = Noise::new(43, 500_000);
    let mut options = options();
    options.keep_alive_timeout = SHORT;
    let server = site(&noise, options);
    let mut idle = Client::new(&server);
    assert_eq!(idle.get("/chunked").status, 200);
    let begun = Instant::now();
    let mut busy = Client::new(&server);
    while begun.elapsed() < 2 * SHORT {
        assert_eq!(busy.get("/chunked").status, 200);
    }
    assert!(idle.ends());
}

#[test]
fn a_reader_below_the_rate_is_cut_and_one_above_is_not() {
    let noise = Noise::new(44, 64 << 20);
    let record = Arc::new(Record::default());
    let shared = Arc::clone(&record);
    let file = Arc::clone(&noise.file);
    let mut options = options();
    options.send_rate_window = SHORT;
    let server = start(options, move |_| {
        let plan = plan(&file, &[(b"".as_slice(), 0, 64 << 20); 16], b"");
        let watcher = Box::new(Watcher(Arc::clone(&shared)));
        std::future::ready(ok(FileBody::observed(plan, watcher)))
    });
    let mut reads = Client::new(&server);
    let begun = Instant::now();
    reads.ask("/");
    reads.read_head();
    while begun.elapsed() < 4 * SHORT {
        reads.take(64 << 10);
        // The pace of a slow reader.
        std::thread::sleep(SHORT / 100);
    }
    assert_eq!(record.now(), []);
    // From here on it does not read.
    let [Event::Ended { sent, whole: false }] = record.at_end()[..] else { panic!("{:?}", record.now()) };
    assert!(sent < 1 << 30);
    // What the kernel still held was dropped with a reset.
    let mut piece = vec![0; 1 << 20];
    let end = loop {
        match reads.stream.read(&mut piece) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn a_transfer_ends_at_its_longest() {
    let noise = Noise::new(45, 64 << 20);
    let mut options = options();
    options.max_transfer = SHORT;
    let server = site(&noise, options);
    let begun = Instant::now();
    let mut client = Client::new(&server);
    client.ask("/file");
    client.read_head();
    while server.n_connections() > 0 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn connections_are_capped() {
    let noise = Noise::new(46, 500_000);
    for per_address in [true, false] {
        let mut options = options();
        if per_address {
            options.max_connections_per_address = 2;
        } else {
            options.max_connections = 2;
        }
        let server = site(&noise, options);
        let mut first = Client::new(&server);
        let mut second = Client::new(&server);
        assert_eq!(first.get("/chunked").status, 200);
        assert_eq!(second.get("/chunked").status, 200);
        assert!(Client::new(&server).rest().is_empty());
        assert_eq!(first.get("/chunked").status, 200);
        drop(first);
        let begun = Instant::now();
        while server.n_connections() > 1 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        assert_eq!(Client::new(&server).get("/chunked").status, 200);
    }
}

#[test]
fn a_panic_is_a_500_and_costs_one_connection() {
    let noise = Noise::new(47, 500_000);
    let server = site(&noise, options());
    let mut other = Client::new(&server);
    assert_eq!(other.get("/chunked").status, 200);
    let mut client = Client::new(&server);
    let got = client.get("/panic");
    assert_eq!(got.status, 500);
    assert!(got.head.contains("connection: close"), "{}", got.head);
    assert!(client.ends());
    assert_eq!(other.get("/chunked").status, 200);
}

#[test]
fn a_graceful_end_lets_a_transfer_finish() {
    let noise = Noise::new(48, 32 << 20);
    let server = site(&noise, options());
    let address = server.local_addr();
    let mut idle = Client::new(&server);
    assert_eq!(idle.get("/chunked").status, 200);
    let fresh = Client::new(&server);
    let mut client = Client::new(&server);
    client.ask("/file");
    client.read_head();
    let stopping = std::thread::spawn(move || server.shutdown(PATIENCE));
    assert!(idle.ends(), "an idle connection is closed at once");
    assert!(fresh.rest().is_empty());
    let body = client.take(32 << 20);
    assert_eq!(digest(&body), digest(&noise.bytes));
    assert!(client.ends());
    stopping.join().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_graceful_end_has_a_deadline() {
    let noise = Noise::new(49, 64 << 20);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.ask("/file");
    client.read_head();
    let begun = Instant::now();
    server.shutdown(SHORT);
    assert!((SHORT..PATIENCE).contains(&begun.elapsed()));
}

#[test]
fn an_address_in_use_is_said_to_be() {
    // Two workers share their port with each other, and with nobody else.
    for n_workers in [1, 2] {
        let mut options = options();
        options.workers = n_workers;
        let noise = Noise::new(50, 500_000);
        let server = site(&noise, options.clone());
        let address = server.local_addr();
        let error = start_at(address, options).err().unwrap();
        assert_eq!(error.to_string(), format!("address `{address}` is in use"), "{n_workers} workers");
    }
}

fn start_at(address: std::net::SocketAddr, options: Options) -> Result<Server, valetkey_dataplane::Error> {
    #[derive(Clone)]
    struct Nothing;
    impl valetkey_dataplane::listener::Handler for Nothing {
        async fn call(
            &self,
            _: http::Request<valetkey_dataplane::RequestBody>,
            _: &valetkey_dataplane::listener::ConnectionInfo,
        ) -> http::Response<valetkey_dataplane::body::ResponseBody> {
            crate::rig::status(404)
        }
    }
    Server::start(address, options, Nothing)
}
