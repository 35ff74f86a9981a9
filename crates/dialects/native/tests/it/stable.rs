//! `stable_window_seconds`.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

#[test]
fn the_same_url_until_the_window_ends() {
    let world = world();
    world.put("a", "x");
    for form in ["token", "link"] {
        let fields = || json!({ "form": form, "stable_window_seconds": 3600, "expires_in_seconds": 600 });
        let first = world.issue("a", fields());
        assert_eq!(world.issue("a", fields()), first, "{form}");
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.issue("a", fields()), first, "{form}");
        assert_ne!(world.issue("a", json!({ "form": form }))["url"], first["url"]);
        let got = world.get(first["url"].as_str().unwrap());
        assert_eq!(got.status, 200);
        let cache_control = got.header("cache-control").unwrap();
        let max_age: u64 = cache_control.strip_prefix("private, max-age=").unwrap().parse().unwrap();
        assert!((600..=4200).contains(&max_age), "{cache_control}");
        world.clock.advance(Duration::from_secs(3600));
        assert_ne!(world.issue("a", fields())["url"], first["url"], "{form}");
    }
}

#[test]
fn taken_back_within_its_window() {
    let world = world();
    world.put("a", "x");
    let fields = || json!({ "stable_window_seconds": 86400 });
    let first = world.issue("a", fields());
    world.api("POST", "/revocations", &json!({ "link_ids": [first["link_id"]] }).to_string());
    world.get(first["url"].as_str().unwrap()).problem(410, "revoked");
    let second = world.issue("a", fields());
    assert_ne!(second["url"], first["url"]);
    assert_eq!(world.get(second["url"].as_str().unwrap()).status, 200);
}

#[test]
fn refused() {
    let world = world();
    world.put("a", "x");
    for (fields, field) in [
        (json!({ "stable_window_seconds": 59 }), "stable_window_seconds"),
        (json!({ "stable_window_seconds": 86401 }), "stable_window_seconds"),
        (json!({ "stable_window_seconds": 3600, "uses": 1 }), "stable_window_seconds"),
        (json!({ "stable_window_seconds": 3600, "permission": "write" }), "stable_window_seconds"),
        (json!({ "stable_window_seconds": 3600, "expires_at": "2027-01-16T08:00:00Z" }), "expires_at"),
        (json!({ "stable_window_seconds": 3600, "expires_in_seconds": 604800 }), "expires_at"),
    ] {
        let mut body = json!({ "bucket": "reports", "key": "a", "permission": "read" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let problem = world.api("POST", "/signed-urls", &body.to_string()).problem(400, "invalid");
        assert_eq!(problem["field"], field, "{fields}");
    }
}
