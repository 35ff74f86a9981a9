//! Signed URLs that do not work, and paths that nothing is at.

use crate::world::*;
use serde_json::json;
use valetkey_service::ApiKeyUpdate;

const UPLOAD: &str = r#"{"action": "upload", "fileName": "a.txt", "contentType": "text/plain"}"#;

/// The URL with another character so far from its end: in the token's signature.
fn tampered(url: &str, from_end: usize) -> String {
    let at = url.len() - from_end;
    let other = if url.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut changed = url.to_owned();
    changed.replace_range(at..=at, other);
    changed
}

#[test]
fn tampered_tokens() {
    let world = world();
    let read = world.url(json!({ "fileId": world.upload("a.txt", "text/plain", b"x") }));
    let write = world.url(serde_json::from_str(UPLOAD).unwrap());
    for from_end in [2, 10, 40] {
        world.get(&tampered(&read, from_end)).refused(403, "INVALID_SIGNATURE");
        world.call("PUT", &tampered(&write, from_end), &[], b"x").refused(403, "INVALID_SIGNATURE");
    }
    // Cut, mistyped, with something that stood behind it.
    for url in [&read, &write] {
        let (path, token) = url.split_once("?cat=").unwrap();
        for damaged in [&token[1..], &token[..token.len() - 1], &token[..token.len() - 50], &format!("{token}%22%3E")] {
            world.get(&format!("{path}?cat={damaged}")).refused(403, "INVALID_SIGNATURE");
        }
    }
    assert_eq!((world.get(&read).status, world.call("PUT", &write, &[], b"x").status), (200, 200));
}

#[test]
fn another_path_than_the_token_s() {
    let world = world();
    let [first, second] = ["a.txt", "b.txt"].map(|name| world.url(json!({ "fileId": world.upload(name, "text/plain", b"x") })));
    let (path, _) = first.split_once('?').unwrap();
    let (_, query) = second.split_once('?').unwrap();
    world.get(&format!("{path}?{query}")).refused(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn the_wrong_method() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    for action in ["view", "download"] {
        let read = world.url(json!({ "fileId": id, "action": action }));
        let got = world.call("PUT", &read, &[("Content-Type", "text/plain")], b"y");
        got.refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(got.header("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(world.get(&read).text(), "x");
    }
    let write = world.url(serde_json::from_str(UPLOAD).unwrap());
    let got = world.get(&write);
    got.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(got.header("allow"), Some("PUT, OPTIONS"));
    for method in ["POST", "DELETE", "PATCH"] {
        let got = world.call(method, &write, &[], b"");
        assert_eq!((got.status, got.header("allow")), (405, Some("PUT, OPTIONS")));
    }
}

#[test]
fn an_issuer_that_may_no_longer() {
    let world = world();
    let read = world.url(json!({ "fileId": world.upload("a.txt", "text/plain", b"x") }));
    let write = world.url(serde_json::from_str(UPLOAD).unwrap());
    let change = |update: ApiKeyUpdate| {
        let (administrator, app) = (world.principal("administrator"), "app".parse().unwrap());
        world.runtime.block_on(world.service.update_api_key(&administrator, &app, update)).unwrap();
    };
    change(ApiKeyUpdate { scopes: Some("object:read link:issue".parse().unwrap()), ..ApiKeyUpdate::default() });
    world.call("PUT", &write, &[], b"x").refused(403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(world.get(&read).status, 200);
    change(ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() });
    world.get(&read).refused(403, "INSUFFICIENT_PERMISSIONS");
    world.ask("{}").refused(401, "INVALID_TOKEN");
    change(ApiKeyUpdate { disabled: Some(false), scopes: Some("*".parse().unwrap()), ..ApiKeyUpdate::default() });
    assert_eq!((world.get(&read).status, world.call("PUT", &write, &[], b"x").status), (200, 200));
}

#[test]
fn preconditions_and_ranges() {
    let world = world();
    let url = world.url(json!({ "fileId": world.upload("a.txt", "text/plain", b"content") }));
    let etag = world.get(&url).header("etag").unwrap().to_owned();
    assert_eq!(world.call("GET", &url, &[("If-None-Match", &etag)], b"").status, 304);
    world.call("GET", &url, &[("If-Match", "\"other\"")], b"").refused(412, "VALIDATION_ERROR");
    let beyond = world.call("GET", &url, &[("Range", "bytes=7-")], b"");
    assert_eq!(beyond.refused(416, "VALIDATION_ERROR")["details"][0]["code"], "range_not_satisfiable");
    assert_eq!(beyond.header("content-range"), Some("bytes */7"));
}

#[test]
fn paths_and_methods_of_the_api() {
    let world = world();
    let headers = [("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "acme")];
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let got = world.call(method, PATH, &headers, b"");
        got.refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(got.header("allow"), Some("POST, OPTIONS"));
    }
    assert_eq!(world.call("HEAD", PATH, &headers, b"").status, 405);
    for path in ["/v1/files/", "/v1/files/url/", "/v1/files/a/b", "/v1/files//url"] {
        for method in ["GET", "POST", "DELETE"] {
            world.call(method, path, &headers, b"").refused(404, "NOT_FOUND");
        }
    }
    // A client that joins its base and the path with two slashes.
    world.call("POST", "//v1/files/url", &[], b"").refused(401, "AUTH_REQUIRED");
    // The query plays no part.
    world.call("POST", "/v1/files/url?fileId=x", &[], b"").refused(401, "AUTH_REQUIRED");
}
