//! `PUT …/signedresources/:id/resumable`, `PUT …/objects/:objectKey/resumable` and `GET …/status/:sessionId`.

use crate::world::*;
use serde_json::json;

/// Where ranges are sent to.
fn resumable(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}/resumable?{query}"),
        None => format!("{url}/resumable"),
    }
}

fn send(world: &World, url: &str, session: &str, range: &str, body: &[u8]) -> Got {
    let headers = [("Session-Id", session), ("Content-Range", range), ("Content-Type", "image/png")];
    world.call("PUT", &resumable(url), &headers, body)
}

#[test]
fn a_signed_resource_takes_ranges_in_any_order() {
    let world = world();
    world.put("a.png", b"old");
    let url = world.sign("a.png?access=write", r#"{"singleUse": true}"#);
    let last = send(&world, &url, "s", "bytes 6-9/10", b"6789");
    assert_eq!((last.status, last.text()), (202, ""));
    assert_eq!(last.header("x-ads-chunk-sha1"), Some(sha1(b"6789").as_str()));
    assert_eq!(send(&world, &url, "s", "bytes 0-0/10", b"0").status, 202);
    assert_eq!(send(&world, &url, "other", "bytes 1-5/10", b"xxxxx").status, 202);
    // Nothing of it is seen before the last one.
    let reading = world.sign("a.png", "{}");
    assert_eq!(world.get(&reading).text(), "old");
    let done = send(&world, &url, "s", "bytes 1-5/10", b"12345");
    let expected = json!({
        "bucketKey": "apptestbucket",
        "objectId": "urn:adsk.objects:os.object:apptestbucket/a.png",
        "objectKey": "a.png",
        "size": 10,
        "contentType": "image/png",
        "location": "https://developer.api.autodesk.com/oss/v2/buckets/apptestbucket/objects/a.png",
    });
    assert_eq!((done.status, done.json()), (200, expected));
    assert_eq!(world.get(&reading).text(), "0123456789");
    // The session was its one use.
    send(&world, &url, "s", "bytes 0-0/10", b"0").refused(404, "The specified resource does not exist");
}

#[test]
fn what_is_no_range_is_told_in_the_vendors_words() {
    let world = world();
    world.put("a", b"old");
    let url = world.sign("a?access=readwrite", "{}");
    assert_eq!(send(&world, &url, "s", "bytes 4-7/20", b"4567").status, 202);
    for (range, body, status, reason) in [
        ("bytes 0-4/20", "01234", 416, "Overlapping Ranges"),
        ("bytes 5-6/20", "56", 416, "Overlapping Ranges"),
        ("bytes 8-23/24", "0123456789012345", 416, "Total-Length mismatch (found: 24, required:20)"),
        ("bytes 0-15/20", "012345678901234", 416, "Chunk-Length mismatch (found: 15, required:16)"),
        ("bytes 0-20/20", "0", 400, "Invalid header 'Content-Range': expected 'bytes FIRST-LAST/TOTAL', once"),
        ("bytes */20", "", 400, "Invalid header 'Content-Range': expected 'bytes FIRST-LAST/TOTAL', once"),
    ] {
        send(&world, &url, "s", range, body.as_bytes()).refused(status, reason);
    }
    let wrong = [("Session-Id", "s"), ("Content-Range", "bytes 0-0/20"), ("x-ads-chunk-sha1", &sha1(b"1"))];
    let got = world.call("PUT", &resumable(&url), &wrong, b"0");
    got.refused(400, "Mismatched checksums");
    assert_eq!(got.header("x-ads-chunk-sha1"), Some(sha1(b"0").as_str()));
    for (headers, status, text) in [
        (vec![("Content-Range", "bytes 0-0/20")], 400, "Session-Id header is missed"),
        (vec![("Session-Id", "s")], 416, "Missing Content-Range header"),
    ] {
        let got = world.call("PUT", &resumable(&url), &headers, b"0");
        assert_eq!((got.status, got.text()), (status, text));
        assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    // After all of this, the upload goes on.
    assert_eq!(send(&world, &url, "s", "bytes 0-3/20", b"0123").status, 202);
    assert_eq!(send(&world, &url, "s", "bytes 8-19/20", b"89abcdefghij").status, 200);
    assert_eq!(world.get(&url).text(), "0123456789abcdefghij");
}

#[test]
fn a_url_that_does_not_work_takes_no_range() {
    let world = world();
    world.put("a", b"old");
    let reads = world.sign("a", "{}");
    send(&world, &reads, "s", "bytes 0-0/1", b"0").refused(403, "Signed Resource does not grant write permissions");
    let unknown = "/oss/v2/signedresources/f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff";
    send(&world, unknown, "s", "bytes 0-0/1", b"0").refused(404, "The specified resource does not exist");
    let got = world.call("GET", &resumable(&reads), &[], b"");
    assert_eq!((got.status, got.header("allow")), (405, Some("PUT, OPTIONS")));
    let preflight = world.call("OPTIONS", &resumable(&reads), &[("Origin", "https://a.example")], b"");
    assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, Some("PUT, OPTIONS")));
}

#[test]
fn a_token_takes_ranges_too_and_says_what_is_there() {
    let world = world();
    let path = "/oss/v2/buckets/apptestbucket/objects/new%2Fa";
    let put = |token: &str, range: &str, body: &[u8]| {
        let bearer = format!("Bearer {token}");
        let session = if range.ends_with("/1") { "another" } else { "s/1" };
        let headers = [("Authorization", bearer.as_str()), ("Session-Id", session), ("Content-Range", range)];
        world.call("PUT", &format!("{path}/resumable"), &headers, body)
    };
    let creates = world.token("data:create");
    assert_eq!(put(&creates, "bytes 5-9/10", b"56789").status, 202);
    let status = world.api("GET", &format!("{path}/status/s%2F1"), "");
    assert_eq!((status.status, status.header("range")), (202, Some("bytes=5-9")));
    // Clients ask with the scope for reading; what a key may not write it does not ask about.
    let asked = |token: &str| world.api_as(token, "GET", &format!("{path}/status/s%2F1"), "");
    assert_eq!(asked(&world.token("data:read")).header("range"), Some("bytes=5-9"));
    asked("reads").gateway(403, "AUTH-010");
    assert_eq!(put(&creates, "bytes 0-1/10", b"01").status, 202);
    let status = world.api("GET", &format!("{path}/status/s%2F1"), "");
    assert_eq!(status.header("range"), Some("bytes=0-1,5-9"));
    world.api("GET", &format!("{path}/status/other"), "").refused(404, "The specified session does not exist");
    let done = put(&creates, "bytes 2-4/10", b"234");
    assert_eq!((done.status, done.json().get("sha1"), &done.json()["size"]), (200, None, &json!(10)));
    assert_eq!(done.header("etag"), Some(format!("\"{}\"", sha1(b"0123456789")).as_str()));
    assert_eq!(done.header("x-ads-chunk-sha1"), Some(sha1(b"234").as_str()));
    // What is there now a token that only creates may not replace, and one that only reads not at all.
    put(&creates, "bytes 0-0/1", b"0").gateway(403, "AUTH-010");
    put(&world.token("data:read"), "bytes 0-0/1", b"0").gateway(403, "AUTH-010");
    let missing = world.call("PUT", &format!("{path}/resumable"), &[("Authorization", &format!("Bearer {creates}"))], b"0");
    assert_eq!((missing.status, missing.text()), (400, "Session-ID header is missing"));
}
