//! Ambiguous framing is refused, and the connection with it.

use crate::rig::{Client, Noise, options, site};

/// The statuses of all responses to `raw`, and that the connection ended after them.
fn statuses(raw: &str) -> Vec<u16> {
    let noise = Noise::new(30, 500_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.send(raw);
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let text = String::from_utf8(client.rest()).unwrap();
    text.match_indices("HTTP/1.1 ").map(|(at, found)| text[at + found.len()..][..3].parse().unwrap()).collect()
}

/// A request that must not be taken for one.
const SMUGGLED: &str = "GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn ambiguous_requests_are_refused() {
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        "X: y\r\n Transfer-Encoding: chunked",
    ] {
        let raw = format!("POST /count HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        assert_eq!(statuses(&raw), [400], "{head:?}");
    }
    let raw = format!("POST /count HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}");
    assert_eq!(statuses(&raw), [400]);
}

#[test]
fn plain_requests_are_not() {
    let noise = Noise::new(31, 500_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    for _ in 0..2 {
        let body = "Content-Length: 1\r\n\r\n";
        client.send(format!("POST /count HTTP/1.1\r\nHost: h\r\ncontent-length: {}\r\n\r\n{body}{SMUGGLED}", body.len()));
        assert_eq!(client.read(false).body, body.len().to_string().as_bytes());
        assert_eq!(client.read(false).body, b"something...");
    }
    client.send("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n");
    let got = client.read(false);
    assert_eq!(got.body, b"5");
    assert!(got.head.contains("connection: close"), "{}", got.head);
    assert!(client.ends());
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let noise = Noise::new(32, 500_000);
    let mut options = options();
    options.max_header_bytes = 8 << 10;
    let server = site(&noise, options);
    let mut client = Client::new(&server);
    client.send(format!("GET /chunked HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(10 << 10)));
    assert_eq!(client.read_head().0, 431);
    let mut client = Client::new(&server);
    client.send(format!("GET /chunked HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(101)));
    assert_eq!(client.read_head().0, 431);
}

#[test]
fn a_small_body_that_nobody_reads_is_passed_over() {
    let noise = Noise::new(33, 500_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    for n in [1, 1000, 60_000] {
        client.send(format!("PUT /chunked HTTP/1.1\r\nHost: h\r\nContent-Length: {n}\r\n\r\n"));
        assert_eq!(client.read(false).body, b"something...", "before it came");
        client.send("x".repeat(n));
    }
    client.send(format!("PUT /chunked HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 1 << 20));
    assert!(client.read(false).head.contains("connection: close"));
    assert!(client.rest().is_empty());
}

#[test]
fn the_client_is_told_to_go_on_when_somebody_reads() {
    let noise = Noise::new(34, 500_000);
    let server = site(&noise, options());
    let expecting = |path| format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let mut client = Client::new(&server);
    client.send(expecting("/count"));
    assert_eq!(client.read_head().0, 100);
    client.send("12345");
    assert_eq!(client.read(false).body, b"5");
    client.send(expecting("/chunked"));
    let got = client.read(false);
    assert_eq!((got.status, &got.body[..]), (200, &b"something..."[..]));
    assert!(got.head.contains("connection: close"), "whether the body comes is not known: {}", got.head);
    assert!(client.rest().is_empty());
    assert_eq!(statuses("PUT /count HTTP/1.1\r\nHost: h\r\nExpect: wonders\r\n\r\n"), [417]);
}

#[test]
fn lines_end_with_cr_lf() {
    for raw in [
        "GET /chunked HTTP/1.1\nHost: h\n\n",
        "GET /chunked HTTP/1.1\r\nHost: h\n\r\n",
        "GET /chunked HTTP/1.1\r\nX: a\rb\r\n\r\n",
    ] {
        assert_eq!(statuses(&format!("{raw}{SMUGGLED}")), [400], "{raw:?}");
    }
    for chunks in
        ["5\n12345\r\n0\r\n\r\n", "5 \r\n12345\r\n0\r\n\r\n", "5\r\n123456\r\n0\r\n\r\n", "-5\r\n12345\r\n0\r\n\r\n", "5\r\n123"]
    {
        let raw = format!("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(statuses(&raw), [400], "{chunks:?}");
    }
}

#[test]
fn other_protocols_are_refused_at_once() {
    let noise = Noise::new(35, 500_000);
    let server = site(&noise, options());
    for (raw, status) in
        [(&b"\x16\x03\x01"[..], 400), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), (b"CONNECT h:80 HTTP/1.1\r\n\r\n", 400)]
    {
        let mut client = Client::new(&server);
        client.send(raw);
        let (got, head) = client.read_head();
        assert_eq!(got, status, "{}", raw.escape_ascii());
        assert!(head.contains("connection: close"));
    }
}

#[test]
fn http_1_0_goes_on_where_it_asks_to() {
    let noise = Noise::new(36, 500_000);
    let server = site(&noise, options());
    let mut client = Client::new(&server);
    client.send("GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let got = client.read(false);
    assert!(got.head.contains("connection: keep-alive"), "{}", got.head);
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let (_, head) = client.read_head();
    assert!(head.contains("connection: close") && !head.contains("chunked"), "{head}");
    assert_eq!(client.rest(), b"something...");
}
