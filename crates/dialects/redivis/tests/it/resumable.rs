//! Uploads that are sent range by range, as Cloud Storage has them, to the URLs of `tempUploads`.

use crate::world::*;
use serde_json::json;
use std::io::Write as _;
use std::net::Shutdown;

/// A place for so many bytes: its id and URL.
fn place(world: &World, size: usize) -> (String, String) {
    let body = json!({ "tempUploads": [{ "name": "a.csv", "size": size, "resumable": true }] }).to_string();
    let list = world.post("app", &format!("{TABLE}/tempUploads"), &body).ok(200);
    let item = &list["results"][0];
    assert_eq!(item["resumable"], true);
    (item["id"].as_str().unwrap().to_owned(), item["url"].as_str().unwrap().to_owned())
}

/// Begins, as the published client does; gives where to go on.
fn begun(world: &World, url: &str, size: usize) -> String {
    let (size, token) = (size.to_string(), "Bearer of something else");
    let headers = [("x-goog-resumable", "start"), ("x-upload-content-length", size.as_str()), ("Authorization", token)];
    let got = world.call("POST", url, &headers, b"");
    assert_eq!((got.status, got.body.len()), (201, 0), "{got:?}");
    got.header("location").unwrap().to_owned()
}

fn put(world: &World, location: &str, range: &str, body: &[u8]) -> Got {
    world.call("PUT", location, &[("Content-Range", range), ("Authorization", "Bearer of something else")], body)
}

/// More is missing: up to where it is there.
fn waits(got: &Got, range: Option<&str>) {
    assert_eq!((got.status, got.header("range"), got.body.len()), (308, range, 0), "{got:?}");
}

/// The bytes of a range that never come whole.
fn put_cut_short(world: &World, location: &str, range: &str, length: usize, body: &[u8]) {
    let target = location.strip_prefix(BASE).unwrap();
    let mut stream = world.connect();
    let head = format!("PUT {target} HTTP/1.1\r\nHost: h\r\nContent-Range: {range}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read(&mut stream, false).refused(400, "invalid_request");
}

#[test]
fn at_once() {
    let world = world();
    let (id, url) = place(&world, 10);
    let location = begun(&world, &url, 10);
    assert!(location.starts_with(&format!("{url}&upload_id=")), "{location}");
    waits(&put(&world, &location, "bytes */10", b""), None);
    let done = put(&world, &location, "bytes 0-9/10", b"0123456789");
    assert_eq!((done.status, done.header("etag")), (200, Some(etag(b"0123456789").as_str())));
    // Who has not heard may ask again; but nobody is told that bytes were taken which were not.
    let again = put(&world, &location, "bytes */10", b"");
    assert_eq!((again.status, again.header("etag")), (200, done.header("etag")));
    assert_eq!(put(&world, &location, "bytes 0-9/10", b"abcdefghij").status, 409);
    assert_eq!(put(&world, &format!("{url}&upload_id=unknown"), "bytes */10", b"").status, 404);
    world.read_as("app", "GET", &path_of(&id)).refused(404, "not_found");
    let file = world.confirm("app", &id, "a.csv").ok(201);
    assert_eq!((&file["results"][0]["md5Hash"], &file["results"][0]["size"]), (&json!(md5(b"0123456789")), &json!(10)));
    assert_eq!(world.read_as("app", "GET", &path_of(&id)).text(), "0123456789");
    assert_eq!(put(&world, &location, "bytes */10", b"").status, 200);
}

#[test]
fn range_by_range() {
    let world = world();
    let (id, url) = place(&world, 10);
    let location = begun(&world, &url, 10);
    waits(&put(&world, &location, "bytes 0-3/10", b"0123"), Some("bytes=0-3"));
    waits(&put(&world, &location, "bytes */10", b""), Some("bytes=0-3"));
    // What is sent again is not taken again, and what comes too early not yet.
    waits(&put(&world, &location, "bytes 2-5/10", b"xx45"), Some("bytes=0-5"));
    waits(&put(&world, &location, "bytes 8-9/10", b"89"), Some("bytes=0-5"));
    put_cut_short(&world, &location, "bytes 6-9/10", 4, b"67");
    waits(&put(&world, &location, "bytes */10", b""), Some("bytes=0-7"));
    assert_eq!(world.names_listed(), [""; 0]);
    assert_eq!(put(&world, &location, "bytes 8-9/10", b"89").status, 200);
    world.confirm("app", &id, "a.csv").ok(201);
    assert_eq!(world.read_as("app", "GET", &path_of(&id)).text(), "0123456789");
}

#[test]
fn what_is_no_range_of_it() {
    let world = world();
    let (id, url) = place(&world, 10);
    let location = begun(&world, &url, 10);
    for (range, body) in [
        ("bytes 0-3/9", &b"0123"[..]),
        ("bytes 0-3/10", b"012"),
        ("bytes 8-12/10", b"89abc"),
        ("bytes 3-0/10", b"0"),
        ("bytes 0-3/*", b"0123"),
        ("bytes", b""),
        ("items 0-3/10", b"0123"),
    ] {
        put(&world, &location, range, body).refused(400, "invalid_request");
    }
    put(&world, &location, "bytes 0-3/11", b"0123").refused(413, "too_large");
    for other in [&format!("{url}&upload_id=AAAAAAAAAAAAAAAAAAAAAA"), &format!("{url}&upload_id=")] {
        for (range, body) in [("bytes */10", &b""[..]), ("bytes 0-9/10", b"0123456789")] {
            put(&world, other, range, body).refused(404, "not_found");
        }
    }
    put(&world, &format!("{location}&upload_id=x"), "bytes */10", b"").refused(400, "invalid_request");
    // Of another length than was declared for the file.
    let wrong = world.call("POST", &url, &[("x-goog-resumable", "start"), ("x-upload-content-length", "11")], b"");
    wrong.refused(413, "too_large");
    let wrong = world.call("POST", &url, &[("x-goog-resumable", "start"), ("x-upload-content-length", "ten")], b"");
    wrong.refused(400, "invalid_request");
    // A token that was changed, and one for another place.
    world.call("POST", &format!("{url}x"), &[("x-goog-resumable", "start")], b"").refused(401, "invalid_token");
    let (_, elsewhere) = place(&world, 10);
    let query = location.split_once("&upload_id=").unwrap().1;
    put(&world, &format!("{elsewhere}&upload_id={query}"), "bytes */10", b"").refused(404, "not_found");
    waits(&put(&world, &location, "bytes */10", b""), None);
    world.confirm("app", &id, "a.csv").refused(400, "invalid_request");
    // It may be sent at once all the same.
    assert_eq!(world.put(&url, b"0123456789").status, 200);
    world.confirm("app", &id, "a.csv").ok(201);
}
