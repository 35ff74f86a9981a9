//! `POST /v1/files/url` with `view` and `download`: the forms of the page.

use crate::world::*;
use serde_json::{Value, json};
use valetkey_dialect_flexportal::ExpiresAtForm;
use valetkey_service::{FileRef, NewFile};

#[test]
fn the_schema_s_form_has_all_its_fields() {
    let world = world();
    let id = world.upload("contract.pdf", "application/pdf", b"a contract");
    // The page's own call; its values are the defaults.
    let example = format!("\n{{\n  \"fileId\": \"{id}\",\n  \"action\": \"view\",\n  \"expiresInMinutes\": 60\n}}\n");
    for body in [example, json!({ "fileId": id }).to_string()] {
        let got = world.ask(&body);
        assert_eq!((got.status, got.header("cache-control")), (200, Some("no-store")));
        let body = got.json();
        let url = text(&body, "url");
        assert!(url.starts_with(&format!("{BASE}/o/files-acme/")) && url.contains("contract.pdf?cat="), "{url}");
        let expected = json!({
            "success": true,
            "url": url,
            "filename": "contract.pdf",
            "contentType": "application/pdf",
            "fileSize": 10,
            "expiresAt": NOW_MS + 3_601_000,
            "fileId": id,
            "expiresAtIso": "2027-01-15T09:00:01Z",
        });
        assert_eq!(body, expected);
        let shown = world.get(&url);
        assert_eq!((shown.status, shown.text()), (200, "a contract"));
        assert_eq!(shown.header("content-type"), Some("application/pdf"));
        assert_eq!(shown.header("content-disposition"), Some("inline; filename=\"contract.pdf\""));
        assert_eq!(shown.header("access-control-allow-origin"), Some("*"));
        assert_eq!(world.call("HEAD", &url, &[], b"").header("content-length"), Some("10"));
        let part = world.call("GET", &url, &[("Range", "bytes=2-4"), ("Authorization", "Bearer stray")], b"");
        assert_eq!((part.status, part.text()), (206, "con"));
    }
}

#[test]
fn the_prose_s_download() {
    let world = world();
    let id = world.upload("Vertrag – Größe.pdf", "application/pdf", b"a contract");
    let given = world.given(json!({ "action": "download", "fileId": id }));
    assert_eq!((&given["expiresAt"], &given["expiresAtIso"]), (&json!(NOW_MS + 3_601_000), &json!("2027-01-15T09:00:01Z")));
    assert_eq!((&given["filename"], &given["fileSize"]), (&json!("Vertrag – Größe.pdf"), &json!(10)));
    let got = world.get(&text(&given, "url"));
    let name = "attachment; filename=\"Vertrag _ Gr__e.pdf\"; filename*=UTF-8''Vertrag%20%E2%80%93%20Gr%C3%B6%C3%9Fe.pdf";
    assert_eq!((got.text(), got.header("content-disposition")), ("a contract", Some(name)));
    // For as often as one likes.
    assert_eq!(world.get(&text(&given, "url")).status, 200);
}

#[test]
fn what_is_unknown_is_told_as_nothing_in_particular() {
    let world = world();
    for content_type in [None, Some(""), Some("no type at all")] {
        let id = world.put("reports", "2026/q3", content_type, b"x");
        let given = world.given(json!({ "fileId": id }));
        assert_eq!((&given["contentType"], &given["filename"]), (&json!("application/octet-stream"), &json!("q3")));
        assert_eq!(world.get(&text(&given, "url")).header("content-type"), Some("application/octet-stream"));
    }
    let empty = world.put("reports", "empty", None, b"");
    assert_eq!(world.given(json!({ "fileId": empty }))["fileSize"], 0);
}

#[test]
fn any_object_of_the_tenant_is_a_file() {
    let world = world();
    // The last ones cannot stand in a token's path, or not in any token.
    let long = "é".repeat(512);
    for (key, form) in [
        ("2026/q3 (final).pdf", "/o/reports/2026/q3%20%28final%29.pdf?cat="),
        (&long[..116], &format!("/o/reports/{}?cat=", "%C3%A9".repeat(58))),
        ("a/../b//c", "/l/"),
        (&long, "/l/"),
    ] {
        let id = world.put("reports", key, Some("text/plain"), b"the report");
        let url = world.url(json!({ "fileId": id, "action": "download" }));
        assert!(url.starts_with(&format!("{BASE}{form}")), "{url}");
        assert_eq!(world.get(&url).text(), "the report");
        // Either form is refused in the vendor's words.
        world.call("PUT", &url, &[], b"other").refused(405, "METHOD_NOT_ALLOWED");
        let (bucket, key) = ("reports".parse().unwrap(), key.parse().unwrap());
        world.runtime.block_on(world.service.delete_object(&world.principal("app"), &bucket, &key)).unwrap();
        world.get(&url).refused(404, "NOT_FOUND");
    }
}

#[test]
fn a_url_lives_no_less_than_is_asked_for() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    // Four tenths into a second, and into none.
    for (begun, seconds, end) in [(400_000, 60.0, 61), (400_000, 60.6, 61), (400_000, 60.7, 62), (1_000_000, 60.5, 62)] {
        world.at(0, begun);
        let given = world.given(json!({ "fileId": id, "expiresInMinutes": seconds / 60.0 }));
        assert_eq!(given["expiresAt"], NOW_MS + end * 1000, "{seconds} s");
    }
}

#[test]
fn the_instant_is_told_as_the_operator_wants_it() {
    for (form, read, upload) in [
        (ExpiresAtForm::ByAction, json!(NOW_MS + 61_000), json!("2027-01-15T08:01:01Z")),
        (ExpiresAtForm::Number, json!(NOW_MS + 61_000), json!(NOW_MS + 61_000)),
        (ExpiresAtForm::Text, json!("2027-01-15T08:01:01Z"), json!("2027-01-15T08:01:01Z")),
    ] {
        let world = world_that_tells(form);
        let id = world.upload("a.txt", "text/plain", b"x");
        for (mut body, expected) in [
            (json!({ "fileId": id }), &read),
            (json!({ "fileId": id, "action": "download" }), &read),
            (json!({ "action": "upload", "fileName": "a", "contentType": "a/b" }), &upload),
        ] {
            body["expiresInMinutes"] = json!(1);
            let given = world.given(body);
            assert_eq!((&given["expiresAt"], &given["expiresAtIso"]), (expected, &json!("2027-01-15T08:01:01Z")), "{form}");
        }
    }
}

#[test]
fn minutes_are_exact_to_the_second() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    // From a whole second on. The clock never goes back.
    let mut begun = 1;
    world.at(begun, 0);
    for (minutes, seconds) in [("1", 60), ("1.5", 90), ("2.05", 123), ("144e1", 86_400), ("1440.0", 86_400), ("1440", 86_400)] {
        for action in ["view", "download"] {
            let got = world.ask(&format!(r#"{{"fileId": "{id}", "action": "{action}", "expiresInMinutes": {minutes}}}"#));
            assert_eq!(got.json()["expiresAt"], NOW_MS + (begun + seconds) * 1000, "{minutes}");
            let url = text(&got.json(), "url");
            begun += seconds;
            world.at(begun, -1);
            assert_eq!(world.get(&url).status, 200, "{minutes}");
            world.at(begun, 0);
            world.get(&url).refused(403, "URL_EXPIRED");
        }
    }
}

#[test]
fn an_overwritten_file_keeps_its_urls() {
    let world = world();
    let id = world.put("reports", "a.txt", Some("text/plain"), b"first");
    let url = world.url(json!({ "fileId": id }));
    assert_eq!(world.put("reports", "a.txt", Some("text/plain"), b"second"), id);
    assert_eq!(world.get(&url).text(), "second");
    assert_eq!(world.given(json!({ "fileId": id }))["fileSize"], 6);
}

#[test]
fn a_deleted_file_is_gone_with_its_urls() {
    let world = world();
    let id = world.put("reports", "a.txt", Some("text/plain"), b"first");
    let url = world.url(json!({ "fileId": id }));
    let (bucket, key) = ("reports".parse().unwrap(), "a.txt".parse().unwrap());
    world.runtime.block_on(world.service.delete_object(&world.principal("app"), &bucket, &key)).unwrap();
    for _ in 0..2 {
        world.get(&url).refused(404, "NOT_FOUND");
        world.ask(&json!({ "fileId": id }).to_string()).refused(404, "NOT_FOUND");
        // What is created under the same key is another file.
        assert_ne!(world.put("reports", "a.txt", Some("text/plain"), b"second"), id);
    }
}

#[test]
fn a_file_of_another_api_is_there_once_it_is_confirmed() {
    let world = world();
    let principal = world.principal("app");
    let keep_for = std::time::Duration::from_secs(3600);
    let new = NewFile { name: "scan.pdf".to_owned(), content_type: None, needs_confirmation: true, keep_for };
    let file = world.runtime.block_on(world.service.reserve_file(&principal, new)).unwrap();
    let id = world.put(file.bucket.name.as_str(), file.key.as_str(), Some("application/pdf"), b"a scan");
    assert_eq!(id, format!("file_{}", file.id));
    world.ask(&json!({ "fileId": id }).to_string()).refused(404, "NOT_FOUND");
    world.runtime.block_on(world.service.confirm_file(&principal, FileRef::Id(file.id), None)).unwrap();
    let given = world.given(json!({ "fileId": id }));
    assert_eq!((&given["filename"], &given["contentType"]), (&json!("scan.pdf"), &json!("application/pdf")));
    assert_eq!(world.get(&text(&given, "url")).text(), "a scan");
}

#[test]
fn files_that_are_not_there() {
    let world = world();
    let pending: Value = world.given(json!({ "action": "upload", "fileName": "a", "contentType": "a/b" }));
    let pending = text(&pending, "fileId");
    for id in ["file_abc123", "file_AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", " ", "\0", &"x".repeat(100_000), &pending]
    {
        for action in ["view", "download"] {
            world.ask(&json!({ "fileId": id, "action": action }).to_string()).refused(404, "NOT_FOUND");
        }
    }
}
