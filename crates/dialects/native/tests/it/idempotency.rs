//! `Idempotency-Key`.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

impl World {
    fn once(&self, id: &str, path: &str, key: &str, body: &str) -> Got {
        let bearer = format!("Bearer bearer-of-{id}");
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        self.call("POST", &format!("/vk/v1{path}"), &headers, body.as_bytes())
    }
}

#[test]
fn each_post_is_done_once() {
    let world = world();
    world.put("a", "x");
    let url = json!({ "bucket": "reports", "key": "a", "permission": "read" });
    for (path, body) in [
        ("/buckets", json!({ "name": "scans" })),
        ("/signed-urls", url.clone()),
        ("/signed-urls", json!([url, { "bucket": "reports", "key": "a", "permission": "read", "form": "link" }])),
        ("/revocations", json!({ "link_ids": ["lnk_AAAAAAAAAAAAAAAAAAAAAA"] })),
        ("/api-keys", json!({ "scopes": ["object:read"] })),
        ("/api-keys/creator/secret", json!({})),
        ("/signing-keys", json!({ "algorithm": "HS256", "owner": "app" })),
    ] {
        let key = format!("key of {path} {body}");
        let first = world.once("chief", path, &key, &body.to_string());
        assert!(matches!(first.status, 200 | 201), "{first:?}");
        assert_eq!(first.header("idempotency-replayed"), None);
        world.clock.advance(Duration::from_secs(1));
        for _ in 0..2 {
            let again = world.once("chief", path, &key, &body.to_string());
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
            for name in ["content-type", "location", "cache-control", "x-content-type-options"] {
                assert_eq!(again.header(name), first.header(name), "{name} of {path}");
            }
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{path}");
        }
        world.once("chief", path, &key, "{}   ").problem(422, "idempotency_key_reused");
    }
    assert_eq!(world.api_as("chief", "GET", "/api-keys", "").json()["api_keys"].as_array().unwrap().len(), 5);
}

#[test]
fn a_failure_is_told_again() {
    let world = world();
    let taken = world.once("app", "/buckets", "k", &json!({ "name": "reports" }).to_string());
    taken.problem(409, "already_exists");
    let again = world.once("app", "/buckets", "k", &json!({ "name": "reports" }).to_string());
    again.problem(409, "already_exists");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("retry-after"), None);
}

#[test]
fn a_key_is_its_principals() {
    let world = world();
    let body = json!({ "name": "scans" }).to_string();
    let first = world.once("app", "/buckets", "k", &body);
    assert_eq!(first.status, 201);
    for id in ["chief", "stranger"] {
        world.once(id, "/buckets", "k", &body).problem(409, "already_exists");
    }
    world.once("reader", "/buckets", "k", &body).problem(403, "missing_scope");
    assert_eq!(world.once("app", "/buckets", "\"k\"", &body).body, first.body, "quoted, it is the same key");
}

#[test]
fn after_a_day_it_is_a_new_call() {
    let world = world();
    world.put("a", "x");
    let body = json!({ "bucket": "reports", "key": "a", "permission": "read", "form": "link" }).to_string();
    let first = world.once("app", "/signed-urls", "k", &body);
    world.clock.advance(Duration::from_secs(24 * 3600));
    let second = world.once("app", "/signed-urls", "k", &body);
    assert_eq!((second.status, second.header("idempotency-replayed")), (201, None));
    assert_ne!(first.body, second.body);
    assert_eq!(world.get(second.json()["url"].as_str().unwrap()).status, 200);
}

/// Where it would change nothing, it plays no part.
#[test]
fn where_it_plays_no_part() {
    let world = world();
    let first = world.once("app", "/token", "k", "");
    world.clock.advance(Duration::from_secs(1));
    let second = world.once("app", "/token", "k", "{}");
    assert_eq!((first.status, second.status), (200, 200));
    assert_ne!(first.body, second.body);
    assert_eq!(world.once("app", "/explain", "k", &json!({ "url": "/o/reports/a?cat=x" }).to_string()).status, 200);
    let bearer = ("Authorization", "Bearer bearer-of-app");
    let get = world.call("GET", "/vk/v1/buckets", &[bearer, ("Idempotency-Key", "")], b"");
    assert_eq!(get.status, 200);
}

#[test]
fn refused() {
    let world = world();
    let body = json!({ "name": "scans" }).to_string();
    for key in ["", "ü", &"x".repeat(256)] {
        let problem = world.once("app", "/buckets", key, &body).problem(400, "invalid");
        assert_eq!(problem["field"], "Idempotency-Key", "{key:?}");
    }
    let bearer = ("Authorization", "Bearer bearer-of-app");
    let twice = [bearer, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    world.call("POST", "/vk/v1/buckets", &twice, body.as_bytes()).problem(400, "ambiguous");
    world.call("POST", "/vk/v1/buckets", &[("Idempotency-Key", "k")], body.as_bytes()).problem(401, "unauthenticated");
    assert_eq!(world.api("GET", "/buckets/scans", "").status, 404);
}
