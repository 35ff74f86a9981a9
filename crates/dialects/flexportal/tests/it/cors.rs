//! Pages of other origins.

use crate::world::*;
use serde_json::json;

#[test]
fn a_page_may_call() {
    let world = world();
    let asked = [("Origin", "https://app.example.org"), ("Access-Control-Request-Method", "POST")];
    let preflight = |path: &str, headers: &str, methods: &str| {
        let fields = [&asked[..], &[("Access-Control-Request-Headers", headers)]].concat();
        let got = world.call("OPTIONS", path, &fields, b"");
        assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some("*")), "{got:?}");
        assert_eq!(got.header("access-control-allow-methods"), Some(methods));
        assert_eq!(got.header("access-control-max-age"), Some("600"));
        assert_eq!(got.header("access-control-allow-credentials"), None);
        got.header("access-control-allow-headers").map(str::to_owned)
    };
    let names = "authorization, content-type, tenant-id";
    let sign = "POST, OPTIONS";
    assert_eq!(preflight(PATH, "authorization,content-type,tenant-id", sign).as_deref(), Some(names));
    assert_eq!(preflight(PATH, "Tenant-ID", sign).as_deref(), Some("tenant-id"));
    assert_eq!(preflight(PATH, "not a name", sign), None);
    assert_eq!(preflight("/v1/files", "tenant-id", "GET, OPTIONS").as_deref(), Some("tenant-id"));
    assert_eq!(preflight("/v1/files/file_abc123", names, "GET, DELETE, OPTIONS").as_deref(), Some(names));
    // Where nothing is, a page may ask and be told so.
    preflight("/v1/files/a/b", "authorization", "GET, POST, DELETE, OPTIONS");
    let id = world.upload("a.txt", "text/plain", b"x");
    let fields = [
        ("Origin", "https://app.example.org"),
        ("Authorization", "Bearer bearer-of-app"),
        ("Tenant-ID", "acme"),
        ("Content-Type", "application/json"),
    ];
    let got = world.call("POST", PATH, &fields, json!({ "fileId": id }).to_string().as_bytes());
    assert_eq!((got.status, got.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(got.header("access-control-allow-credentials"), None);
}

#[test]
fn a_page_may_use_the_urls() {
    let world = world();
    let given = world.given(json!({ "action": "upload", "fileName": "a", "contentType": "text/plain" }));
    let fields = [
        ("Origin", "https://app.example.org"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let got = world.call("OPTIONS", &text(&given, "url"), &fields, b"");
    assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(got.header("access-control-allow-headers"), Some("content-type"));
    assert!(got.header("access-control-allow-methods").unwrap().contains("PUT"));
}
