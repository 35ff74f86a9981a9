//! Requests that are none.

use crate::world::*;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::Shutdown;

const GOOD: &str = r#"{"filename": "a", "content_type": "b"}"#;

#[test]
fn bodies() {
    let world = world();
    let check = |body: &[u8], expected: Value| {
        let got = world.post_upload("app", body);
        assert_eq!(got.faults(), expected, "{}", String::from_utf8_lossy(body));
        assert_eq!(got.header("connection"), Some("close"));
    };
    let missing = |loc: Value, input: Value| json!({ "type": "missing", "loc": loc, "msg": "Field required", "input": input });
    check(b"", json!([missing(json!(["body"]), Value::Null)]));
    check(b"{}", json!([missing(json!(["body", "filename"]), json!({})), missing(json!(["body", "content_type"]), json!({}))]));
    check(br#"{"content_type": "b"}"#, json!([missing(json!(["body", "filename"]), json!({ "content_type": "b" }))]));
    let text = |name: &str, input: Value| json!({ "type": "string_type", "loc": ["body", name], "msg": "Input should be a valid string", "input": input });
    check(br#"{"filename": ["a"], "content_type": 5}"#, json!([text("filename", json!(["a"])), text("content_type", json!(5))]));
    let no_object = "Input should be a valid dictionary or object to extract fields from";
    check(b"[]", json!([{ "type": "model_attributes_type", "loc": ["body"], "msg": no_object, "input": [] }]));
    for (body, offset) in [("{", 1), ("nope", 1), ("{\"filename\": \"a\",}", 16)] {
        let faults = world.post_upload("app", body.as_bytes()).faults();
        assert_eq!((&faults[0]["type"], &faults[0]["loc"][0]), (&json!("json_invalid"), &json!("body")), "{body}");
        assert!(faults[0]["loc"][1].as_u64().unwrap().abs_diff(offset) <= 1, "{faults}");
    }
    for body in [&b"\xff"[..], b"{\"filename\": \"\xc3\x28\"}"] {
        world.post_upload("app", body).refused(400, "There was an error parsing the body");
    }
}

#[test]
fn types_of_bodies() {
    let world = world();
    let post = |content_type: &str| {
        let headers = [("X-API-Key", "secret-of-app"), ("Content-Type", content_type)];
        world.call("POST", "/api/v1/files/upload", &headers, GOOD.as_bytes())
    };
    for content_type in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"] {
        Begun::of(&post(content_type).ok());
    }
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"]
    {
        let faults = post(content_type).faults();
        assert_eq!((&faults[0]["type"], &faults[0]["input"]), (&json!("model_attributes_type"), &json!(GOOD)), "{content_type}");
    }
}

#[test]
fn the_largest_body() {
    let world = world();
    let padded = |n_bytes: usize| [GOOD.as_bytes(), vec![b' '; n_bytes - GOOD.len()].as_slice()].concat();
    Begun::of(&world.post_upload("app", &padded(1 << 20)).ok());
    let got = world.post_upload("app", &padded((1 << 20) + 1));
    got.refused(413, "The body is too large");
    assert_eq!(got.header("connection"), Some("close"));
}

#[test]
fn a_body_that_ends_early() {
    let world = world();
    let head = "POST /api/v1/files/upload HTTP/1.1\r\nHost: h\r\nX-API-Key: secret-of-app\r\nContent-Type: application/json\r\n";
    // All that is needed is there, and more was announced.
    for rest in [format!("Content-Length: 100\r\n\r\n{GOOD}"), format!("Transfer-Encoding: chunked\r\n\r\n26\r\n{GOOD}\r\n")] {
        let mut stream = world.connect();
        stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read(&mut stream, false).refused(400, "There was an error parsing the body");
    }
}

#[test]
fn other_methods_and_paths() {
    let world = world();
    let number = world.file("a", b"content").number;
    for (path, allow) in [
        ("/upload".to_owned(), "POST"),
        (format!("/{number}"), "GET, DELETE"),
        (format!("/{number}/confirm"), "GET"),
        (format!("/{number}/download"), "GET"),
    ] {
        for method in ["HEAD", "PUT", "PATCH", "OPTIONS"] {
            let got = world.api(method, &path);
            assert_eq!((got.status, got.header("allow")), (405, Some(allow)), "{method} {path}");
            if method != "HEAD" {
                got.refused(405, "Method Not Allowed");
            }
        }
    }
    for path in ["/", "/?limit=50&offset=0", "//download", "/1/", "/1/download/", "/1/download/2", "/1/share", "/upload/1"] {
        world.api("GET", path).refused(404, "Not Found");
    }
    // Nothing is learnt of them without a key that could not be read in the manual.
    world.call("GET", "/api/v1/files/", &[], b"").refused(404, "Not Found");
}

#[test]
fn leading_slashes_are_one() {
    let world = world();
    let number = world.file("a", b"content").number;
    let headers = [("X-API-Key", "secret-of-app")];
    assert_eq!(world.call("GET", &format!("//api/v1/files/{number}"), &headers, b"").ok()["file_id"], number);
}
