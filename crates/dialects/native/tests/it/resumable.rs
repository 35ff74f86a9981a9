//! Resumable uploads to write URLs, and `/vk/v1/uploads`.

use crate::world::*;
use serde_json::{Value, json};

/// A write URL, and the URL of an upload to it.
fn begun(world: &World, fields: Value, headers: &[(&str, &str)]) -> (String, String) {
    let mut fields = fields;
    fields["permission"] = json!("write");
    let url = world.sign("big/ü.bin", fields);
    let started: Vec<_> = headers.iter().copied().chain([("x-goog-resumable", "start")]).collect();
    let got = world.call("POST", &url, &started, b"");
    assert_eq!((got.status, got.header("content-length")), (201, Some("0")));
    let location = got.header("location").unwrap().to_owned();
    assert!(location.starts_with(&url) && location.contains("upload_id="), "{location}");
    (url, location)
}

fn send(world: &World, location: &str, range: &str, body: &[u8]) -> Got {
    world.call("PUT", location, &[("Content-Range", range)], body)
}

/// 308 with what is there.
fn incomplete(got: &Got, range: Option<&str>) {
    assert_eq!((got.status, got.header("range")), (308, range));
    assert_eq!(got.header("location"), None);
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    let world = world();
    for form in ["token", "link"] {
        let headers = [("X-Upload-Content-Type", "text/x-big"), ("X-Upload-Content-Length", "10")];
        let (url, location) = begun(&world, json!({"form": form, "uses": 5, "upload": {"mode": "replace"}}), &headers);
        incomplete(&send(&world, &location, "bytes */10", b""), None);
        incomplete(&send(&world, &location, "bytes 0-3/10", b"0123"), Some("bytes=0-3"));
        // What is there already may come again; a gap may not.
        incomplete(&send(&world, &location, "bytes 2-5/10", b"2345"), Some("bytes=0-5"));
        incomplete(&send(&world, &location, "bytes 8-9/10", b"89"), Some("bytes=0-5"));
        incomplete(&send(&world, &location, "bytes */10", b""), Some("bytes=0-5"));
        send(&world, &location, "bytes 6-9/11", b"6789").problem(400, "invalid_range");
        let done = send(&world, &location, "bytes 6-9/10", b"6789");
        assert!(matches!(done.status, 200 | 201) && done.json()["size_bytes"] == 10, "{form}");
        let read = world.get(&world.sign("big/ü.bin", json!({"permission": "read"})));
        assert_eq!((read.header("content-type"), read.body.as_slice()), (Some("text/x-big"), b"0123456789".as_slice()));
        // Who has not heard asks again; nobody is told that bytes were taken which were not.
        assert_eq!(send(&world, &location, "bytes */10", b"").json()["etag"], done.json()["etag"]);
        send(&world, &location, "bytes 6-9/10", b"abcd").problem(409, "conflict");
        assert_eq!(world.call("DELETE", &location, &[], b"").status, 404, "there is nothing to be thrown away");
        assert_eq!(world.call("PUT", &url, &[], b"whole").status, 200, "the URL itself works as ever");
    }
}

#[test]
fn one_request_may_have_all_of_it() {
    let world = world();
    let (_, location) = begun(&world, json!({"uses": 1}), &[]);
    assert_eq!(world.call("PUT", &location, &[], b"all").status, 201);
    let (_, location) = begun(&world, json!({"upload": {"mode": "replace"}}), &[]);
    let empty = send(&world, &location, "bytes */0", b"");
    assert_eq!((empty.status, empty.json()["size_bytes"].as_u64()), (200, Some(0)));
}

#[test]
fn what_the_url_demands_is_demanded_of_ranges() {
    let world = world();
    let url = world.sign("a", json!({"permission": "write", "uses": 1, "upload": {"max_bytes": 5, "types": ["text/*"]}}));
    let start = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([("x-goog-resumable", "start")]).collect();
        world.call("POST", &url, &headers, b"")
    };
    let text = ("X-Upload-Content-Type", "text/plain");
    start(&[text, ("X-Upload-Content-Length", "6")]).problem(413, "too_large");
    start(&[]).problem(415, "type_not_allowed");
    start(&[text, ("X-Upload-Content-Length", "six")]).problem(400, "invalid_range");
    let location = start(&[text]).header("location").unwrap().to_owned();
    send(&world, &location, "bytes 0-2/6", b"012").problem(413, "too_large");
    for (headers, body) in [
        (vec![("Content-Range", "bytes 0-2/*")], b"012".as_slice()),
        (vec![("Content-Range", "items 0-2/3")], b"012"),
        (vec![("Content-Range", "bytes 0-2/5")], b"01"),
    ] {
        world.call("PUT", &location, &headers, body).problem(400, "invalid_range");
    }
    let twice = format!("{location}&upload_id=x");
    send(&world, &twice, "bytes 0-2/5", b"012").problem(400, "invalid_range");
    let got = world.call("POST", &location, &[], b"");
    assert_eq!((got.status, got.header("allow")), (405, Some("PUT, DELETE, OPTIONS")));
    assert_eq!(send(&world, &location, "bytes 0-4/5", b"01234").status, 201);
    start(&[text]).problem(410, "used_up");
    // A URL that only reads begins nothing.
    let reads = world.sign("a", json!({"permission": "read"}));
    world.call("POST", &reads, &[("x-goog-resumable", "start")], b"").problem(403, "wrong_method");
}

#[test]
fn an_upload_is_thrown_away_by_its_client_and_by_its_owner() {
    let world = world();
    let (url, location) = begun(&world, json!({}), &[("X-Upload-Content-Length", "10")]);
    incomplete(&send(&world, &location, "bytes 0-3/10", b"0123"), Some("bytes=0-3"));
    let listed = world.api("GET", "/uploads", "").json();
    let upload = &listed["uploads"][0];
    let told = (&upload["key"], &upload["layout"], &upload["total_bytes"], &upload["received_bytes"], &upload["n_pieces"]);
    assert_eq!(told, (&json!("big/ü.bin"), &json!("ranges"), &json!(10), &json!(4), &json!(1)));
    assert_eq!((listed["uploads"].as_array().map(Vec::len), &listed["next"]), (Some(1), &Value::Null));
    let path = format!("/uploads/{}", upload["upload_id"].as_str().unwrap());
    assert_eq!(&world.api("GET", &path, "").json(), upload);
    assert_eq!(world.api("DELETE", &path, "").status, 204);
    world.api("DELETE", &path, "").problem(404, "not_found");
    send(&world, &location, "bytes 4-9/10", b"456789").problem(404, "not_found");
    world.api("GET", "/uploads/lnk_x", "").problem(400, "invalid");

    let again = world.call("POST", &url, &[("x-goog-resumable", "start")], b"");
    let location = again.header("location").unwrap().to_owned();
    assert_eq!(world.call("DELETE", &location, &[], b"").status, 204);
    world.call("DELETE", &location, &[], b"").problem(404, "not_found");
}
