//! What is public needs no credential; and `PATCH /vk/v1/buckets/{bucket}`.

use crate::world::*;
use serde_json::json;

const URLS: [&str; 2] = ["/o/reports/a%20b.txt", "/vk/v1/buckets/reports/objects/a%20b.txt"];

impl World {
    fn set_public(&self, public: bool) -> Got {
        self.api_as("chief", "PATCH", "/buckets/reports", &json!({ "public": public }).to_string())
    }
}

#[test]
fn a_bucket_becomes_public_and_private_again() {
    let world = world();
    let expected =
        |public| json!({ "name": "reports", "region": "US", "retention": "persistent", "public": public, "created_at": NOW });
    for public in [true, false, true] {
        let changed = world.set_public(public);
        assert_eq!((changed.status, changed.json()), (200, expected(public)));
        assert_eq!(world.api("GET", "/buckets/reports", "").json(), expected(public));
    }
    for body in ["", "{}", r#"{"public": null}"#, r#"{"public": "yes"}"#, r#"{"public": true, "name": "x"}"#] {
        world.api_as("chief", "PATCH", "/buckets/reports", body).problem(400, "invalid");
    }
    let body = r#"{"public": false}"#;
    let missing = world.api("PATCH", "/buckets/reports", body).problem(403, "missing_scope");
    assert_eq!(missing["scope"], "admin");
    world.call("PATCH", "/vk/v1/buckets/reports", &[], body.as_bytes()).problem(401, "unauthenticated");
    let theirs = world.api_as("boss", "PATCH", "/buckets/reports", body).problem(404, "not_found");
    assert_eq!(theirs, world.api_as("boss", "PATCH", "/buckets/nothing", body).problem(404, "not_found"));
    assert_eq!(world.api("GET", "/buckets/reports", "").json(), expected(true));
}

#[test]
fn get_without_a_credential() {
    let world = world();
    world.put("a%20b.txt", "hello");
    for public in [false, true, false] {
        world.set_public(public);
        for url in URLS {
            let got = world.get(url);
            if !public {
                match url.starts_with("/o/") {
                    true => drop(got.problem(403, "invalid_signature")),
                    false => drop(got.problem(401, "unauthenticated")),
                }
                continue;
            }
            assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]), "{url}");
            assert_eq!(got.header("cache-control"), Some("public, no-cache"), "{url}");
            assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"a b.txt\""), "{url}");
            assert_eq!((got.header("set-cookie"), got.header("valetkey-session")), (None, None));
            let head = world.call("HEAD", url, &[], b"");
            assert_eq!((head.status, head.header("content-length"), head.header("etag")), (200, Some("5"), got.header("etag")));
            let etag = got.header("etag").unwrap();
            let unchanged = world.call("GET", url, &[("If-None-Match", etag)], b"");
            assert_eq!((unchanged.status, unchanged.header("cache-control")), (304, Some("public, no-cache")));
            let part = world.call("GET", url, &[("Range", "bytes=1-2")], b"");
            assert_eq!((part.status, part.body.as_slice()), (206, &b"el"[..]));
        }
    }
}

#[test]
fn what_is_not_public_is_told_as_what_is_not_there() {
    let world = world();
    world.put("a", "hello");
    world.api_as("stranger", "PUT", "/buckets/strange/objects/a", "x");
    let private = world.get("/o/strange/a").problem(403, "invalid_signature");
    for path in ["/o/strange/missing", "/o/nothing/a", "/o/reports/a", "/o/Upper/a", "/o/x", "/o/reports/", "/o/reports/a/../b"] {
        assert_eq!(world.get(path).problem(403, "invalid_signature"), private, "{path}");
    }
    let private = world.get("/vk/v1/buckets/strange/objects/a").problem(401, "unauthenticated");
    for path in ["strange/objects/missing", "nothing/objects/a", "reports/objects/a"] {
        assert_eq!(world.get(&format!("/vk/v1/buckets/{path}")).problem(401, "unauthenticated"), private, "{path}");
    }
    world.set_public(true);
    world.get("/o/reports/missing").problem(404, "object_gone");
    world.get("/vk/v1/buckets/reports/objects/missing").problem(404, "not_found");
    // Reading is all that is public; and a credential that is no good does not become none.
    for path in ["", "/objects"] {
        world.get(&format!("/vk/v1/buckets/reports{path}")).problem(401, "unauthenticated");
    }
    for (method, body) in [("PUT", "x"), ("DELETE", "")] {
        world.call(method, "/vk/v1/buckets/reports/objects/a", &[], body.as_bytes()).problem(401, "unauthenticated");
    }
    world.call("PUT", "/o/reports/a", &[], b"x").problem(403, "invalid_signature");
    world.get("/o/reports/a?cat=nonsense").problem(403, "invalid_signature");
    let wrong = [("Authorization", "Bearer wrong")];
    world.call("GET", "/vk/v1/buckets/reports/objects/a", &wrong, b"").problem(401, "unauthenticated");
    assert_eq!(world.call("GET", "/o/reports/a", &wrong, b"").body, b"hello", "on a signed URL it is ignored");
    assert_eq!(world.api("GET", "/buckets/reports/objects/a", "").body, b"hello");
}

#[test]
fn any_principal_reads_and_signs_for_reading() {
    let world = world();
    world.put("a", "hello");
    let body = |permission: &str| json!({ "bucket": "reports", "key": "a", "permission": permission }).to_string();
    let private = world.api_as("stranger", "POST", "/signed-urls", &body("read")).problem(404, "not_found");
    assert_eq!(private["what"], "bucket");
    world.set_public(true);
    for id in ["stranger", "creator", "reader"] {
        let got = world.api_as(id, "GET", "/buckets/reports/objects/a", "");
        assert_eq!(
            (got.status, got.body.as_slice(), got.header("cache-control")),
            (200, &b"hello"[..], Some("no-store")),
            "{id}"
        );
        let issued = world.api_as(id, "POST", "/signed-urls", &body("read"));
        assert_eq!(issued.status, 201, "{id}");
        let url = issued.json()["url"].as_str().unwrap().to_owned();
        assert_eq!(world.get(&url).body, b"hello", "{id}");
        if id == "stranger" {
            world.set_public(false);
            world.get(&url).problem(403, "invalid_signature");
            world.set_public(true);
            assert_eq!(world.get(&url).status, 200);
        }
    }
    world.api_as("stranger", "POST", "/signed-urls", &body("write")).problem(404, "not_found");
    world.api_as("reader", "POST", "/signed-urls", &body("write")).problem(403, "missing_scope");
    for (method, path) in [("GET", ""), ("GET", "/objects"), ("PUT", "/objects/a"), ("DELETE", "/objects/a"), ("DELETE", "")] {
        let got = world.api_as("stranger", method, &format!("/buckets/reports{path}"), "");
        assert_eq!(got.problem(404, "not_found")["what"], "bucket", "{method} {path}");
    }
}
