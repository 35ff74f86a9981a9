//! PUT of signed URLs.

use crate::world::*;
use serde_json::json;

#[test]
fn creates_once() {
    let world = world();
    for form in ["token", "link"] {
        let url = world.sign(form, json!({ "permission": "write", "form": form }));
        world.get(&url).problem(403, "wrong_method");
        let put = world.call("PUT", &url, &[("Content-Type", "text/csv")], b"x");
        let told = put.json();
        assert_eq!((put.status, &told["size_bytes"], put.header("cache-control")), (201, &json!(1), Some("no-store")));
        let refused = world.call("PUT", &url, &[], b"y");
        refused.problem(410, "used_up");
        assert_eq!(refused.header("connection"), Some("close"));
        let got = world.api("GET", &format!("/buckets/reports/objects/{form}"), "");
        assert_eq!((got.body.as_slice(), got.header("content-type")), (&b"x"[..], Some("text/csv")));
        let again = world.sign(form, json!({ "permission": "write" }));
        world.call("PUT", &again, &[], b"y").problem(412, "exists");
    }
}

#[test]
fn replaces_if_it_may() {
    let world = world();
    let etag = world.put("a", "old").header("etag").unwrap().to_owned();
    let url = || world.sign("a", json!({ "permission": "write", "upload": { "mode": "replace" } }));
    world.call("PUT", &url(), &[("If-Match", "\"other\"")], b"new").problem(412, "exists");
    world.call("PUT", &url(), &[("If-None-Match", "*")], b"new").problem(412, "exists");
    assert_eq!(world.call("PUT", &url(), &[("If-Match", &etag)], b"new").status, 200);
    let creators = json!({ "bucket": "reports", "key": "a", "permission": "write", "upload": { "mode": "replace" } });
    let issued = world.api_as("creator", "POST", "/signed-urls", &creators.to_string()).json();
    world.call("PUT", issued["url"].as_str().unwrap(), &[], b"evil").problem(412, "exists");
    assert_eq!(world.api("GET", "/buckets/reports/objects/a", "").body, b"new");
}

#[test]
fn is_held_to_its_rules() {
    let world = world();
    let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let rules = json!({ "min_bytes": 2, "max_bytes": 3, "types": ["text/*"], "digest": { "sha256": sha256_of_abc } });
    let url = world.sign("a", json!({ "permission": "write", "upload": rules }));
    let put = |content_type: &str, body: &[u8]| world.call("PUT", &url, &[("Content-Type", content_type)], body);
    put("text/plain", b"abcd").problem(413, "too_large");
    put("text/plain", b"a").problem(400, "too_small");
    put("image/png", b"abc").problem(415, "type_not_allowed");
    put("text/plain", b"xyz").problem(400, "digest_mismatch");
    world.api("GET", "/buckets/reports/objects/a", "").problem(404, "not_found");
    assert_eq!(put("text/plain; charset=utf-8", b"abc").status, 201);
}

#[test]
fn ends_with_its_url() {
    let world = world();
    for form in ["token", "link"] {
        let fields = json!({ "permission": "write", "form": form, "expires_in_seconds": 60 });
        let (expired, revoked) = (world.sign("a", fields.clone()), world.issue("a", fields));
        world.api("POST", "/revocations", &json!({ "link_ids": [revoked["link_id"]] }).to_string());
        world.call("PUT", revoked["url"].as_str().unwrap(), &[], b"x").problem(410, "revoked");
        world.clock.advance(std::time::Duration::from_secs(60));
        for session in ["", "AAAAAAAAAAAAAAAAAAAAAA"] {
            world.call("PUT", &expired, &[("Valetkey-Session", session)], b"x").problem(410, "expired");
        }
    }
    world.api("GET", "/buckets/reports/objects/a", "").problem(404, "not_found");
}
