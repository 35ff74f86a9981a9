//! `POST /v1/files/url` with `upload`, and what can be done with the URL.

use crate::world::*;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::Shutdown;

const EXAMPLE: &str = r#"{
  "action": "upload",
  "fileName": "contract-order-123.pdf",
  "contentType": "application/pdf"
}"#;

fn put(world: &World, given: &Value, content_type: &str, content: &[u8]) -> Got {
    world.call("PUT", &text(given, "url"), &[("Content-Type", content_type)], content)
}

#[test]
fn the_prose_s_upload() {
    let world = world();
    let got = world.ask(EXAMPLE);
    assert_eq!(got.status, 200, "{got:?}");
    let given = got.json();
    let (url, id) = (text(&given, "url"), text(&given, "fileId"));
    assert!(url.starts_with(&format!("{BASE}/o/files-acme/")) && url.contains("/contract-order-123.pdf?cat="), "{url}");
    assert!(id.len() == 27 && id.starts_with("file_"), "{id}");
    let expected = json!({
        "success": true,
        "url": url,
        "fileId": id,
        "filename": "contract-order-123.pdf",
        "contentType": "application/pdf",
        "fileSize": 0,
        "expiresAt": "2027-01-15T09:00:01Z",
        "expiresAtIso": "2027-01-15T09:00:01Z",
    });
    assert_eq!(given, expected);
    // Not before its bytes are there.
    world.ask(&json!({ "fileId": id }).to_string()).refused(404, "NOT_FOUND");
    world.get(&url).refused(405, "METHOD_NOT_ALLOWED");

    let stored = put(&world, &given, "application/pdf", b"a contract");
    assert_eq!(stored.status, 200, "{stored:?}");
    let etag = stored.header("etag").unwrap().to_owned();
    assert_eq!(stored.json(), json!({ "success": true, "fileId": id, "fileSize": 10, "contentType": "application/pdf" }));

    let given = world.given(json!({ "action": "download", "fileId": id }));
    assert_eq!((&given["fileId"], &given["filename"]), (&json!(id), &json!("contract-order-123.pdf")));
    assert_eq!((&given["contentType"], &given["fileSize"]), (&json!("application/pdf"), &json!(10)));
    let got = world.get(&text(&given, "url"));
    assert_eq!((got.text(), got.header("etag")), ("a contract", Some(etag.as_str())));
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"contract-order-123.pdf\""));
}

#[test]
fn the_first_upload_that_is_complete_is_the_file() {
    let world = world();
    let given = world.given(serde_json::from_str(EXAMPLE).unwrap());
    let url = text(&given, "url");
    // Broken off, in the middle and before the first byte.
    for body in [&b"half a con"[..], b""] {
        let target = url.strip_prefix(BASE).unwrap();
        let mut stream = world.connect();
        let head = format!("PUT {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/pdf\r\nContent-Length: 20\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read(&mut stream, false).status, 400);
        world.ask(&json!({ "fileId": given["fileId"] }).to_string()).refused(404, "NOT_FOUND");
    }
    // Refused for its digest.
    let wrong = world.call("PUT", &url, &[("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")], b"a contract");
    let details = wrong.refused(400, "VALIDATION_ERROR")["details"].clone();
    assert_eq!(details[0]["code"], "digest_mismatch");

    assert_eq!(put(&world, &given, "application/pdf", b"a contract").status, 200);
    for content in [&b"another"[..], b"a contract", b""] {
        let again = put(&world, &given, "application/pdf", content).refused(412, "VALIDATION_ERROR");
        assert_eq!(again["details"][0]["code"], "exists");
    }
    assert_eq!(world.get(&world.url(json!({ "fileId": given["fileId"] }))).text(), "a contract");
}

#[test]
fn an_empty_file_is_a_file() {
    let world = world();
    let id = world.upload("empty", "text/plain", b"");
    let given = world.given(json!({ "fileId": id }));
    assert_eq!((&given["fileSize"], world.get(&text(&given, "url")).text()), (&json!(0), ""));
}

#[test]
fn the_type_asked_for_is_the_file_s() {
    let world = world();
    for (asked, sent, stored) in [
        ("application/pdf", "application/pdf", "application/pdf"),
        // As programs add it without being asked.
        ("application/pdf", "application/x-www-form-urlencoded", "application/pdf"),
        ("application/pdf", "", "application/pdf"),
        ("text/csv; charset=utf-8", "text/plain;charset=UTF-8", "text/csv; charset=utf-8"),
        // A browser knows no type for every file.
        ("", "", "application/octet-stream"),
        ("", "text/csv", "text/csv"),
    ] {
        let given = world.given(json!({ "action": "upload", "fileName": "a", "contentType": asked }));
        let expected = if asked.is_empty() { "application/octet-stream" } else { asked };
        assert_eq!(given["contentType"], expected);
        assert_eq!(put(&world, &given, sent, b"x").json()["contentType"], stored, "{asked:?} {sent:?}");
        let given = world.given(json!({ "fileId": given["fileId"], "action": "download" }));
        assert_eq!(given["contentType"], stored, "{asked:?} {sent:?}");
        assert_eq!(world.get(&text(&given, "url")).header("content-type"), Some(stored), "{asked:?} {sent:?}");
    }
}

#[test]
fn names_of_every_kind() {
    let world = world();
    for (name, saved) in [
        ("a b+c.txt", "attachment; filename=\"a b+c.txt\""),
        ("../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""),
        ("..", "attachment; filename=\"file\""),
        (".hidden", "attachment; filename=\".hidden\""),
        ("50%41.txt", "attachment; filename=\"50_41.txt\"; filename*=UTF-8''50%2541.txt"),
        ("\u{202e}fdp.exe", "attachment; filename=\"fdp.exe\""),
        ("a\r\nb\0c", "attachment; filename=\"abc\""),
    ] {
        let id = world.upload(name, "text/plain", name.as_bytes());
        let given = world.given(json!({ "fileId": id, "action": "download" }));
        assert_eq!(given["filename"], name);
        let got = world.get(&text(&given, "url"));
        assert_eq!((got.text(), got.header("content-disposition")), (name, Some(saved)), "{name:?}");
    }
    // Two files of one name are two files.
    let ids = ["a.txt", "a.txt"].map(|name| world.upload(name, "text/plain", b"x"));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_minutes_are_the_upload_s_too() {
    let world = world();
    let mut body: Value = serde_json::from_str(EXAMPLE).unwrap();
    body["expiresInMinutes"] = json!(1.5);
    let given = world.given(body);
    assert_eq!((&given["expiresAt"], &given["expiresAtIso"]), (&json!("2027-01-15T08:01:31Z"), &json!("2027-01-15T08:01:31Z")));
    // Which upload came in time is decided when it begins.
    world.at(91, -1);
    assert_eq!(put(&world, &given, "application/pdf", b"x").status, 200);
    world.at(91, 0);
    put(&world, &given, "application/pdf", b"x").refused(403, "URL_EXPIRED");
}

#[test]
fn a_file_that_is_deleted_before_its_bytes_came_stays_deleted() {
    let world = world();
    let given = world.given(serde_json::from_str(EXAMPLE).unwrap());
    let id = text(&given, "fileId").strip_prefix("file_").unwrap().parse().unwrap();
    let principal = world.principal("app");
    world.runtime.block_on(world.service.delete_file(&principal, valetkey_service::FileRef::Id(id))).unwrap();
    put(&world, &given, "application/pdf", b"x").refused(404, "NOT_FOUND");
    world.ask(&json!({ "fileId": given["fileId"] }).to_string()).refused(404, "NOT_FOUND");
}
