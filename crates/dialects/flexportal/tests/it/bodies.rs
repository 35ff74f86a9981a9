//! Bodies of `POST /v1/files/url` that are not as they should be.

use crate::world::*;
use serde_json::json;
use std::io::Write as _;
use std::net::Shutdown;

#[test]
fn limits_one_past_and_one_short() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    for (minutes, code) in [
        ("0.99", "too_small"),
        ("0", "too_small"),
        ("-0", "too_small"),
        ("-1", "too_small"),
        ("1440.0001", "too_big"),
        ("1441", "too_big"),
        ("1e300", "too_big"),
        (r#""60""#, "invalid_type"),
        ("null", "invalid_type"),
        ("true", "invalid_type"),
        ("[60]", "invalid_type"),
    ] {
        for action in ["view", "download"] {
            let body = format!(r#"{{"fileId": "{id}", "action": "{action}", "expiresInMinutes": {minutes}}}"#);
            world.ask(&body).invalid(&[("expiresInMinutes", code)]);
        }
        let body = format!(r#"{{"action": "upload", "fileName": "a", "contentType": "a/b", "expiresInMinutes": {minutes}}}"#);
        world.ask(&body).invalid(&[("expiresInMinutes", code)]);
    }
    for minutes in ["NaN", "Infinity", "1e400", "-1e400", "01", "1.", ".5"] {
        let body = format!(r#"{{"fileId": "{id}", "expiresInMinutes": {minutes}}}"#);
        world.ask(&body).invalid(&[("", "invalid_json")]);
    }
}

#[test]
fn fields() {
    let world = world();
    let check = |body: &str, expected: &[(&str, &str)]| world.ask(body).invalid(expected);
    check("{}", &[("fileId", "required")]);
    check(r#"{"action": "download"}"#, &[("fileId", "required")]);
    check(r#"{"fileId": ""}"#, &[("fileId", "too_small")]);
    check(r#"{"fileId": 7}"#, &[("fileId", "invalid_type")]);
    check(r#"{"fileId": null}"#, &[("fileId", "invalid_type")]);
    for action in [r#""delete""#, r#""VIEW""#, r#""""#] {
        check(&format!(r#"{{"fileId": "a", "action": {action}}}"#), &[("action", "invalid_enum_value")]);
    }
    check(r#"{"fileId": "a", "action": null}"#, &[("action", "invalid_type")]);
    check(r#"{"action": "upload"}"#, &[("fileName", "required"), ("contentType", "required")]);
    check(r#"{"action": "upload", "fileName": "", "contentType": "a/b"}"#, &[("fileName", "too_small")]);
    check(r#"{"action": "upload", "fileName": "a", "contentType": "pdf"}"#, &[("contentType", "invalid_string")]);
    let split = r#"{"action": "upload", "fileName": "a", "contentType": "a/b\r\nSet-Cookie: x=1"}"#;
    check(split, &[("contentType", "invalid_string")]);
    check(r#"{"action": "upload", "fileName": "a", "contentType": " "}"#, &[("contentType", "invalid_string")]);
    let long = json!({ "action": "upload", "fileName": "é".repeat(256), "contentType": "a/b" }).to_string();
    check(&long, &[("fileName", "too_big")]);
    let longest = json!({ "action": "upload", "fileName": "😀".repeat(255), "contentType": "a/b", "unknown": { "x": 1 } });
    assert_eq!(world.given(longest)["filename"], "😀".repeat(255));
    check(
        r#"{"action": "upload", "contentType": 5, "expiresInMinutes": 0.5}"#,
        &[("expiresInMinutes", "too_small"), ("fileName", "required"), ("contentType", "invalid_type")],
    );
}

#[test]
fn what_is_no_json_object() {
    let world = world();
    for body in ["", "[]", "null", r#""x""#, "5"] {
        world.ask(body).invalid(&[("", "invalid_type")]);
    }
    let twice = r#"{"fileId": "a", "fileId": "b"}"#;
    let deep = format!(r#"{{"fileId": {}"#, "[".repeat(100_000));
    for body in ["{", r#"{"fileId": "a" "action": "view"}"#, r#"{"fileId": "a"} x"#, r#"{'fileId': 'a'}"#, twice, &deep] {
        world.ask(body).invalid(&[("", "invalid_json")]);
    }
    let headers = [("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "acme"), ("Content-Type", "application/json")];
    // Also where nobody would look at it.
    for body in [
        &b"{\"fileId\": \"\xff\"}"[..],
        b"{\"fileId\": \"a\", \"x\": \"\xff\"}",
        b"{\"fileId\": \"a\", \"\xc3\": 1}",
        br#"{"fileId": "a", "x": {"y": ["\ud800"]}}"#,
        br#"{"fileId": "a", "\udc00": 1}"#,
    ] {
        world.call("POST", PATH, &headers, body).invalid(&[("", "invalid_json")]);
    }
}

#[test]
fn types_of_bodies() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    let body = json!({ "fileId": id }).to_string();
    let ask = |content_type: &[&str]| {
        let mut headers = vec![("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "acme")];
        headers.extend(content_type.iter().map(|value| ("Content-Type", *value)));
        world.call("POST", PATH, &headers, body.as_bytes())
    };
    for content_type in ["application/json", "application/json;charset=UTF-8", "Application/JSON ; charset=\"utf-8\""] {
        assert_eq!(ask(&[content_type]).status, 200, "{content_type}");
    }
    for content_type in
        [&[][..], &["text/plain"], &["application/x-www-form-urlencoded"], &["application/json", "application/json"]]
    {
        ask(content_type).invalid(&[("", "invalid_content_type")]);
    }
}

#[test]
fn a_body_that_is_too_large_or_ends_early() {
    let world = world();
    let fits = format!(r#"{{"fileId": "file_x", "padding": "{}"}}"#, "x".repeat((1 << 20) - 35));
    assert_eq!(fits.len(), 1 << 20);
    world.ask(&fits).refused(404, "NOT_FOUND");
    let error = world.ask(&format!("{fits} ")).refused(413, "VALIDATION_ERROR");
    assert_eq!(error["details"][0]["code"], "too_large");
    let head = "POST /v1/files/url HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer bearer-of-app\r\nTenant-ID: acme\r\n\
                Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"fileId\"";
    let mut stream = world.connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read(&mut stream, false).invalid(&[("", "broken_off")]);
}
