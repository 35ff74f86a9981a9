//! How uses are counted, and `POST /vk/v1/signed-urls/{link_id}/reset`.

use crate::world::*;
use serde_json::json;

#[test]
fn starts_are_counted_where_that_is_said() {
    let world = world();
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        let url = world.sign("a", json!({ "form": form, "uses": 1, "count": "started" }));
        let first = world.call("GET", &url, &[("Range", "bytes=0-3"), ("User-Agent", "one")], b"");
        let secret = first.header("valetkey-session").unwrap();
        world.call("GET", &url, &[("User-Agent", "two")], b"").problem(410, "used_up");
        world.call("GET", &url, &[("User-Agent", "one")], b"").problem(410, "used_up");
        let rest = [("Range", "bytes=4-"), ("User-Agent", "two"), ("Valetkey-Session", secret)];
        assert_eq!(world.call("GET", &url, &rest, b"").body, b"456789");
    }
    let completed = world.sign("a", json!({ "uses": 1, "count": "completed" }));
    assert_eq!(world.call("GET", &completed, &[("Range", "bytes=0-3")], b"").status, 206);
    assert_eq!(world.get(&completed).status, 200, "afresh");
}

#[test]
fn what_cannot_be_counted() {
    let world = world();
    world.put("a", "x");
    let issue = |fields: serde_json::Value| {
        let mut body = json!({ "bucket": "reports", "key": "a" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.api("POST", "/signed-urls", &body.to_string())
    };
    for fields in [
        json!({ "permission": "read", "count": "started" }),
        json!({ "permission": "write", "uses": 2, "count": "started" }),
        json!({ "permission": "read", "uses": 2, "count": "Started" }),
        json!({ "permission": "read", "uses": 2, "count": "begun" }),
        json!({ "permission": "read", "uses": 2, "count": null }),
        json!({ "permission": "read", "uses": 2, "count": 1 }),
    ] {
        issue(fields).problem(400, "invalid");
    }
    assert_eq!(issue(json!({ "permission": "write", "count": "completed" })).status, 201);
}

#[test]
fn a_reset_is_effective_on_the_next_request() {
    let world = world();
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        let issued = world.issue("a", json!({ "form": form, "uses": 1 }));
        let (url, path) =
            (issued["url"].as_str().unwrap(), format!("/signed-urls/{}/reset", issued["link_id"].as_str().unwrap()));
        for _ in 0..3 {
            assert_eq!(world.get(url).status, 200);
            world.get(url).problem(410, "used_up");
            let reset = world.api("POST", &path, "");
            assert_eq!((reset.status, reset.body.len()), (204, 0));
        }
        world.api_as("stranger", "POST", &path, "").problem(404, "not_found");
        assert_eq!(world.api("GET", &path, "").header("allow"), Some("POST"));
    }
}

#[test]
fn resets_refused() {
    let world = world();
    world.put("a", "x");
    let reset = |id: &str, link_id: &str| world.api_as(id, "POST", &format!("/signed-urls/{link_id}/reset"), "");
    for wrong in ["lnk_x", "lnk_AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAA", "%00", "..", "%zz"] {
        assert!(matches!(reset("app", wrong).status, 400 | 404), "{wrong}");
    }
    assert_eq!(reset("app", "lnk_AAAAAAAAAAAAAAAAAAAAAA").problem(404, "not_found")["what"], "link");
    let issued = world.issue("a", json!({ "form": "link", "uses": 1 }));
    let link_id = issued["link_id"].as_str().unwrap();
    assert_eq!(reset("reader", link_id).problem(403, "missing_scope")["scope"], "link:issue");
    let unlimited = world.issue("a", json!({ "form": "link" }));
    reset("app", unlimited["link_id"].as_str().unwrap()).problem(409, "conflict");
    world.api("POST", "/revocations", &json!({ "link_ids": [link_id] }).to_string());
    reset("app", link_id).problem(410, "revoked");
}
