//! `POST /api/v1/files/upload`, the URL it gives, and `GET …/confirm`.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

const NOT_UPLOADED: &str = "The file has not been uploaded yet";
const NO_FILE: &str = "File not found";

#[test]
fn from_upload_to_download() {
    let world = world();
    let content = valetkey_testkit::seeded_bytes(1, 100_000);
    let begun = world.begin("Report 2027.pdf");
    let Begun { number, hash_id, .. } = &begun;
    let prefix = format!("{BASE}/o/files-acme/{hash_id}/Report%202027.pdf?cat=");
    assert!(begun.upload_url.starts_with(&prefix), "{}", begun.upload_url);

    let created = "2027-01-15T08:00:00.400000Z";
    let pending = json!({
        "file_id": number,
        "original_filename": "Report 2027.pdf",
        "content_type": "application/pdf",
        "reference": begun.reference(),
        "upload_status": "pending",
        "created": created,
    });
    let [show, confirm, download] = ["", "/confirm", "/download"].map(|call| format!("/{number}{call}"));
    assert_eq!(world.api("GET", &show).ok(), pending);
    world.api("GET", &download).refused(404, NO_FILE);
    world.api("GET", &confirm).refused(400, NOT_UPLOADED);

    let put = world.put(&begun.upload_url, &content);
    assert_eq!((put.status, put.header("etag"), put.body.len()), (200, Some(etag(&content).as_str()), 0));
    assert_eq!(put.header("access-control-allow-origin"), Some("*"));
    // It is there, and nobody has said that it is all.
    assert_eq!(world.api("GET", &show).ok(), pending);
    world.api("GET", &download).refused(404, NO_FILE);

    world.clock.advance(Duration::from_secs(5));
    let confirmed = json!({
        "success": true,
        "file_id": number,
        "reference": begun.reference(),
        "message": "File upload confirmed",
        "created": created,
    });
    for id in [number.to_string(), hash_id.clone(), number.to_string()] {
        assert_eq!(world.api("GET", &format!("/{id}/confirm")).ok(), confirmed, "{id}");
    }
    let mut completed = pending;
    completed["upload_status"] = "completed".into();
    completed["file_size"] = content.len().into();
    for id in [&number.to_string(), hash_id] {
        assert_eq!(world.api("GET", &format!("/{id}")).ok(), completed, "{id}");
    }
    assert_eq!(world.get(&world.download_url(*number, "")).body, content);
}

#[test]
fn until_it_is_confirmed_it_can_be_replaced() {
    let world = world();
    let begun = world.begin("a.txt");
    for content in [&b"first"[..], b"", b"third"] {
        assert_eq!(world.put(&begun.upload_url, content).status, 200);
    }
    let confirm = format!("/{}/confirm", begun.number);
    world.api("GET", &confirm).ok();
    let again = world.put(&begun.upload_url, b"fourth");
    again.refused(412, "there is an object already, or it is not the one expected");
    assert_eq!(again.header("connection"), Some("close"));
    world.api("GET", &confirm).ok();
    assert_eq!(world.get(&world.download_url(begun.number, "")).text(), "third");
}

#[test]
fn preconditions_and_digests_of_an_upload() {
    let world = world();
    let begun = world.begin("a.txt");
    let put = |headers: &[(&str, &str)], content: &[u8]| world.call("PUT", &begun.upload_url, headers, content);
    put(&[("If-Match", &etag(b"one"))], b"two").refused(412, "there is an object already, or it is not the one expected");
    put(&[("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")], b"one")
        .refused(400, "the bytes received do not have the digest demanded");
    assert_eq!(put(&[("If-None-Match", "*")], b"one").status, 200);
    assert_eq!(put(&[("If-None-Match", "*")], b"two").status, 412);
    assert_eq!(put(&[("If-Match", &etag(b"one"))], b"two").status, 200);
    world.api("GET", &format!("/{}/confirm", begun.number)).ok();
    assert_eq!(world.get(&world.download_url(begun.number, "")).text(), "two");
}

#[test]
fn any_type_and_no_bytes() {
    let world = world();
    for content_type in [None, Some("application/x-www-form-urlencoded"), Some("text/plain;charset=UTF-8"), Some("nonsense")] {
        let begun = world.begin("a.pdf");
        let headers: Vec<_> = content_type.iter().map(|content_type| ("Content-Type", *content_type)).collect();
        // A stray credential is no reason to refuse.
        let headers = [headers, vec![("Authorization", "Bearer nonsense"), ("X-Api-Key", "nonsense")]].concat();
        assert_eq!(world.call("PUT", &begun.upload_url, &headers, b"a=b+c").status, 200, "{content_type:?}");
        world.api("GET", &format!("/{}/confirm", begun.number)).ok();
        let shown = world.api("GET", &format!("/{}", begun.number)).ok();
        let got = world.get(&world.download_url(begun.number, ""));
        assert_eq!(got.text(), "a=b+c");
        // What the file was said to be when it was begun holds, whatever the one who sent the bytes says.
        assert_eq!((&shown["content_type"], got.header("content-type")), (&json!("application/pdf"), Some("application/pdf")));
    }
    let empty = world.file("empty", b"");
    assert_eq!(world.api("GET", &format!("/{}", empty.number)).ok()["file_size"], 0);
    let got = world.get(&world.download_url(empty.number, ""));
    assert_eq!((got.status, got.header("content-length")), (200, Some("0")));
}

#[test]
fn names_of_every_kind() {
    let world = world();
    for (name, disposition) in [
        ("a.pdf", "attachment; filename=\"a.pdf\""),
        ("تقرير.pdf", "attachment; filename=\"_____.pdf\"; filename*=UTF-8''%D8%AA%D9%82%D8%B1%D9%8A%D8%B1.pdf"),
        ("100% \"it\".txt", "attachment; filename=\"100_ _it_.txt\"; filename*=UTF-8''100%25%20%22it%22.txt"),
        ("../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""),
        ("..", "attachment; filename=\"file\""),
    ] {
        let begun = world.file(name, name.as_bytes());
        let body = world.api("GET", &format!("/{}/download", begun.number)).ok();
        assert_eq!(body["original_filename"], name);
        assert_eq!(world.api("GET", &format!("/{}", begun.number)).ok()["original_filename"], name);
        let got = world.get(body["download_url"].as_str().unwrap());
        assert_eq!((got.text(), got.header("content-disposition")), (name, Some(disposition)), "{name}");
    }
    let long = "ä".repeat(512);
    assert_eq!(world.get(&world.download_url(world.file(&long, b"x").number, "")).status, 200);
}

#[test]
fn what_no_file_can_be() {
    let world = world();
    let longer = "a".repeat(1025);
    for (name, content_type, field) in [
        ("", "x/y", "filename"),
        (&longer, "x/y", "filename"),
        ("a", "text/plain\n", "content_type"),
        ("a", "é/x", "content_type"),
        ("a", &longer[..256], "content_type"),
    ] {
        let body = json!({ "filename": name, "content_type": content_type }).to_string();
        let faults = world.post_upload("app", body.as_bytes()).faults();
        assert_eq!((&faults[0]["type"], &faults[0]["loc"]), (&json!("value_error"), &json!(["body", field])), "{faults}");
    }
}

#[test]
fn nothing_is_a_type_too() {
    let world = world();
    let begun = Begun::of(&world.post_upload("app", br#"{"filename": "a.bin", "content_type": ""}"#).ok());
    assert_eq!(world.api("GET", &format!("/{}", begun.number)).ok()["content_type"], "application/octet-stream");
}

#[test]
fn the_longest_names() {
    let world = world();
    for name in ["é".repeat(512), "a".repeat(1024), "\"".repeat(1024)] {
        // A key has a shorter name, so that there is a token for it.
        let prefix = format!("{BASE}/o/");
        let begun = world.file(&name, b"content");
        assert!(begun.upload_url.starts_with(&prefix), "{begun:?}");
        let url = world.download_url(begun.number, "");
        assert!(url.starts_with(&prefix), "{url}");
        assert_eq!(world.get(&url).text(), "content");
        assert_eq!(world.api("GET", &format!("/{}", begun.number)).ok()["original_filename"], name);
    }
}

#[test]
fn an_upload_url_lives_for_an_hour() {
    let world = world();
    let (kept, late) = (world.begin("a"), world.begin("b"));
    // And to the end of the second.
    let end = NOW.plus(Duration::from_secs(3600)).next_whole_second();
    world.clock.set(end.minus(Duration::from_micros(1)));
    assert_eq!(world.put(&kept.upload_url, b"content").status, 200);
    world.clock.set(end);
    for begun in [&kept, &late] {
        world.put(&begun.upload_url, b"content").refused(403, "the URL has expired");
    }
    // The bytes that came in time can be confirmed later, for a day.
    world.clock.set(NOW.plus(Duration::from_secs(24 * 3600 - 1)));
    world.api("GET", &format!("/{}/confirm", kept.number)).ok();
    world.api("GET", &format!("/{}/confirm", late.number)).refused(400, NOT_UPLOADED);
    world.clock.set(NOW.plus(Duration::from_secs(24 * 3600)));
    world.api("GET", &format!("/{}/confirm", late.number)).refused(404, NO_FILE);
    world.api("GET", &format!("/{}", late.number)).refused(404, NO_FILE);
    assert_eq!(world.get(&world.download_url(kept.number, "")).text(), "content");
}

#[test]
fn urls_begin_as_the_bucket_s_region_has_it() {
    let world = world();
    let begun = Begun::of(&world.post_upload("emea", br#"{"filename": "a.pdf", "content_type": "x/y"}"#).ok());
    assert!(begun.upload_url.starts_with(&format!("{EMEA}/o/files-emea-1/{}/a.pdf?cat=", begun.hash_id)), "{begun:?}");
    assert_eq!(world.put(&begun.upload_url, b"content").status, 200);
    world.api_as("emea", "GET", &format!("/{}/confirm", begun.number)).ok();
    let url = world.api_as("emea", "GET", &format!("/{}/download", begun.number)).ok()["download_url"].clone();
    assert!(url.as_str().unwrap().starts_with(&format!("{EMEA}/o/")), "{url}");
    assert_eq!(world.get(url.as_str().unwrap()).text(), "content");
}

#[test]
fn below_a_base_path() {
    let base = "https://example.org/some%20where";
    let world = world_at(base);
    let begun = world.begin("a.pdf");
    let target = |url: &str| url.strip_prefix("https://example.org").unwrap().to_owned();
    assert!(begun.upload_url.starts_with(&format!("{base}/o/files-acme/")), "{begun:?}");
    assert_eq!(world.put(&target(&begun.upload_url), b"content").status, 200);
    let headers = [("X-API-KEY", "secret-of-app")];
    let confirmed = world.call("GET", &format!("/some%20where/api/v1/files/{}/confirm", begun.number), &headers, b"");
    assert_eq!(confirmed.status, 200);
    assert_eq!(world.get(&target(&world.download_url(begun.number, ""))).text(), "content");
}
