//! The URLs given out, in their holders' hands.

use crate::world::*;
use serde_json::Value;

const FORGED: &str = "the URL is not one that was issued here, or it was changed";

#[test]
fn get_and_head() {
    let world = world();
    let url = world.download_url(world.file("test.pdf", b"0123456789").number, "?expires_in=60");
    for method in ["GET", "HEAD"] {
        // A stray credential, garbage cookies and a validator that is none are ignored.
        let headers = [
            ("Authorization", "Bearer nonsense"),
            ("X-API-Key", "nonsense"),
            ("Cookie", "wos-session=\"; datalab_active_team=%00; =;;"),
            ("If-None-Match", "nonsense"),
        ];
        let got = world.call(method, &url, &headers, b"");
        assert_eq!((got.status, got.header("content-length")), (200, Some("10")), "{method}");
        assert_eq!(got.header("etag"), Some(etag(b"0123456789").as_str()));
        assert_eq!(got.header("content-type"), Some("application/pdf"));
        assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"test.pdf\""));
        assert_eq!(got.header("accept-ranges"), Some("bytes"));
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        // Until the URL expires; the clock is four tenths into the first second, and the last one counts whole.
        assert_eq!(got.header("cache-control"), Some("private, max-age=60"));
        assert_eq!(got.body.len(), if method == "GET" { 10 } else { 0 });
    }
}

#[test]
fn ranges_and_preconditions() {
    let world = world();
    let url = world.download_url(world.file("a", b"0123456789").number, "");
    let get = |headers: &[(&str, &str)]| world.call("GET", &url, headers, b"");
    for (range, sent, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=5-5242880", "56789", "bytes 5-9/10"),
    ] {
        let got = get(&[("Range", range)]);
        assert_eq!((got.status, got.text(), got.header("content-range")), (206, sent, Some(content_range)), "{range}");
    }
    let several = get(&[("Range", "bytes=0-0,9-9")]);
    assert!(several.status == 206 && several.header("content-type").unwrap().starts_with("multipart/byteranges"));
    let got = get(&[("Range", "bytes=10-")]);
    got.refused(416, "the file has no such range");
    assert_eq!(got.header("content-range"), Some("bytes */10"));
    let tag = etag(b"0123456789");
    assert_eq!(get(&[("If-None-Match", &tag)]).status, 304);
    assert_eq!(get(&[("If-Match", &tag)]).status, 200);
    get(&[("If-Match", "\"other\"")]).refused(412, "the file is not as you expect it");
    assert_eq!(get(&[("If-Range", &tag), ("Range", "bytes=1-1")]).text(), "1");
    assert_eq!(get(&[("If-Range", "\"other\""), ("Range", "bytes=1-1")]).status, 200);
}

#[test]
fn the_other_direction() {
    let world = world();
    let begun = world.begin("a");
    world.put(&begun.upload_url, b"content");
    let get = world.get(&begun.upload_url);
    get.refused(405, "the URL is not for this method");
    assert_eq!(get.header("allow"), Some("PUT, OPTIONS"));
    world.api("GET", &format!("/{}/confirm", begun.number)).ok();
    let url = world.download_url(begun.number, "");
    let put = world.put(&url, b"other");
    put.refused(405, "the URL is not for this method");
    assert_eq!(put.header("allow"), Some("GET, HEAD, OPTIONS"));
    for method in ["POST", "DELETE", "PATCH"] {
        assert_eq!(world.call(method, &url, &[], b"").status, 405, "{method}");
    }
    assert_eq!(world.get(&url).text(), "content");
}

#[test]
fn any_changed_byte_is_a_refusal() {
    let world = world();
    let url = world.download_url(world.file("a", b"content").number, "");
    let (path, token) = url.split_once("?cat=").unwrap();
    let mut n_bare = 0;
    for position in 0..token.len() {
        let other = if token.as_bytes()[position] == b'A' { 'B' } else { 'A' };
        let mut changed = token.to_owned();
        changed.replace_range(position..=position, &other.to_string());
        let got = world.get(&format!("{path}?cat={changed}"));
        // Whose shape it is refused in depends on the few characters that say it, which may be what was changed.
        assert_eq!(got.status, 403, "{position}");
        match got.header("content-type") {
            Some(_) => got.refused(403, FORGED),
            None => n_bare += 1,
        }
    }
    assert!(n_bare <= 12, "{n_bare} of {}", token.len());
    // Cut, mistyped, with something that stood behind it.
    for damaged in
        [&token[1..], &token[..token.len() - 1], &token[..token.len() - 40], &format!("{token}."), &format!("{token}%0A")]
    {
        world.get(&format!("{path}?cat={damaged}")).refused(403, FORGED);
    }
    // The claims are whole, and the signature is another's.
    let shorter = world.get(&format!("{path}?cat={}AAAA", &token[..token.len() - 4]));
    shorter.refused(403, FORGED);
    assert_eq!((shorter.header("cache-control"), shorter.header("access-control-allow-origin")), (Some("no-store"), Some("*")));
}

#[test]
fn a_token_is_for_its_path() {
    let world = world();
    let (one, two) = (world.file("a", b"one"), world.file("a", b"two"));
    let [one, two] = [one, two].map(|begun| world.download_url(begun.number, ""));
    let (path, token) = (one.split('?').next().unwrap(), two.split('=').nth(1).unwrap());
    world.get(&format!("{path}?cat={token}")).refused(403, "the URL is for another path");
}

#[test]
fn whoever_deletes_a_file_ends_its_urls() {
    let world = world();
    let (done, pending) = (world.file("a", b"content"), world.begin("b"));
    let url = world.download_url(done.number, "");
    assert_eq!(world.get(&url).status, 200);
    for (begun, id) in [(&done, done.number.to_string()), (&pending, pending.hash_id.clone())] {
        let deleted = world.api("DELETE", &format!("/{id}")).ok();
        let message = format!("File {} deleted successfully", begun.number);
        assert_eq!(deleted, serde_json::json!({ "success": true, "message": message }));
        for (method, path) in [("DELETE", ""), ("GET", ""), ("GET", "/confirm"), ("GET", "/download")] {
            world.api(method, &format!("/{id}{path}")).refused(404, "File not found");
        }
        world.put(&begun.upload_url, b"again").refused(404, "File not found");
    }
    world.get(&url).refused(404, "File not found");
    assert_eq!(world.call("HEAD", &url, &[], b"").status, 404);
}

#[test]
fn a_url_is_worth_no_more_than_its_key() {
    let world = world();
    let begun = world.file("a", b"content");
    let body = world.api_as("brief", "GET", &format!("/{}/download", begun.number)).ok();
    let read = body["download_url"].as_str().unwrap().to_owned();
    let write = Begun::of(&world.post_upload("brief", br#"{"filename": "b", "content_type": "x/y"}"#).ok()).upload_url;
    assert_eq!(world.get(&read).status, 200);
    world.clock.set(NOW.plus(BRIEF_ENDS_AFTER));
    let disabled = "whoever issued the URL may not do this any more";
    world.get(&read).refused(403, disabled);
    world.put(&write, b"content").refused(403, disabled);
}

#[test]
fn preflight() {
    let world = world();
    let begun = world.begin("a");
    let headers = [("Origin", "https://app.example.org"), ("Access-Control-Request-Headers", "content-type")];
    let got = world.call("OPTIONS", &begun.upload_url, &headers, b"");
    assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(got.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(got.header("access-control-allow-methods"), Some("PUT, OPTIONS"));
    assert_eq!(got.header("access-control-allow-credentials"), None);
    // The API itself is for no page.
    let api = world.call("GET", "/api/v1/files/1", &[("X-API-Key", "secret-of-app"), headers[0]], b"");
    assert_eq!((api.status, api.header("access-control-allow-origin")), (404, None));
    assert_ne!(api.json(), Value::Null);
}
