//! `GET /vk/v1/signed-urls` and `GET /vk/v1/signed-urls/{link_id}`.

use crate::world::*;
use serde_json::{Value, json};
use std::time::Instant;

/// The listing that `query` asks for, page by page.
fn list(world: &World, id: &str, query: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = world.api_as(id, "GET", &format!("/signed-urls?limit={limit}{query}{next}"), "");
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let urls = page["signed_urls"].as_array().unwrap();
        assert!(urls.len() <= limit);
        found.extend(urls.iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => return found,
        }
    }
}

#[test]
fn what_is_told_of_a_url() {
    let world = world();
    world.put("dir/a", "the report");
    for form in ["token", "link"] {
        let asked = json!({ "form": form, "uses": 2, "label": "Q3", "not_before_at": "2027-01-15T07:00:00Z" });
        let issued = world.issue("dir/a", asked);
        let path = format!("/signed-urls/{}", issued["link_id"].as_str().unwrap());
        let mut told = world.api("GET", &path, "").json();
        let kid = told["signing_key"].take();
        assert_eq!(kid.is_string(), form == "token");
        let expected = json!({
            "link_id": issued["link_id"], "state": "active", "form": form, "permission": "read", "bucket": "reports",
            "key": "dir/a", "prefix": null, "label": "Q3", "issuer": "app", "signing_key": null, "uses": 2, "uses_left": 2,
            "n_requests": 0, "last_used_at": null, "issued_at": NOW, "not_before_at": "2027-01-15T07:00:00Z",
            "expires_at": "2027-01-15T09:00:00Z",
        });
        assert_eq!(told, expected);
        assert_eq!(world.get(issued["url"].as_str().unwrap()).status, 200);
        // Uses are settled, and counted, beside the answer.
        let began = Instant::now();
        loop {
            let told = world.api("GET", &path, "").json();
            if (&told["n_requests"], &told["uses_left"]) == (&json!(1), &json!(1)) {
                assert_eq!(told["last_used_at"], NOW);
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{told}");
            std::thread::yield_now();
        }
        let text = world.api("GET", &path, "").body;
        let secret = issued["url"].as_str().unwrap().rsplit(['=', '/']).next().unwrap();
        assert!(!String::from_utf8(text).unwrap().contains(secret));
        world.api_as("stranger", "GET", &path, "").problem(404, "not_found");
        world.api("DELETE", &path, "").problem(405, "method_not_allowed");
    }
    let body = json!({ "bucket": "reports", "prefix": "dir/", "permission": "read" });
    let issued = world.api("POST", "/signed-urls", &body.to_string()).json();
    let told = world.api("GET", &format!("/signed-urls/{}", issued["link_id"].as_str().unwrap()), "").json();
    assert_eq!((&told["key"], &told["prefix"]), (&Value::Null, &json!("dir/")));
    world.api("GET", "/signed-urls/lnk_AAAAAAAAAAAAAAAAAAAAAA", "").problem(404, "not_found");
    let refused = world.api("GET", "/signed-urls/averysecret", "").problem(400, "invalid");
    assert!(!refused.to_string().contains("averysecret"));
}

#[test]
fn a_long_list_in_pages() {
    let world = world();
    world.put("a", "x");
    world.put("b", "x");
    let mut expected = Vec::new();
    for (key, label) in [("a", "q3"), ("b", "q4"), ("a", "q4")] {
        let one = json!({ "bucket": "reports", "key": key, "permission": "read", "label": label });
        let issued = world.api("POST", "/signed-urls", &json!(vec![&one; 200]).to_string());
        expected.extend(issued.json().as_array().unwrap().iter().map(|url| url["link_id"].clone()));
    }
    expected.reverse();
    let ids = |query: &str, limit| list(&world, "app", query, limit).iter().map(|url| url["link_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("", 100), expected);
    assert_eq!(ids("", 1000), expected);
    let (newest, middle, oldest) = (&expected[..200], &expected[200..400], &expected[400..]);
    assert_eq!(ids("&label=q4", 150), [newest, middle].concat());
    assert_eq!(ids("&bucket=reports&key=a", 150), [newest, oldest].concat());
    assert_eq!(ids("&bucket=reports&key=a&label=q4", 150), newest);
    assert_eq!(ids("&bucket=reports", 150).len(), 600);
    assert_eq!(ids("&state=active", 150), expected);
    assert_eq!(ids("&state=expired", 150).len(), 0);
    assert_eq!(list(&world, "stranger", "", 100).len(), 0);
    // Beyond the end of an object they are listed all the same.
    world.api("DELETE", "/buckets/reports/objects/b", "");
    assert_eq!(ids("&bucket=reports&key=b", 150), middle);
}

#[test]
fn refused() {
    let world = world();
    for query in ["state=dead", "key=a", "bucket=X", "limit=0", "limit=1001", "next=x", "next=", "label=a&label=b"] {
        world.api("GET", &format!("/signed-urls?{query}"), "").problem(400, "invalid");
    }
    world.api("PUT", "/signed-urls", "").problem(405, "method_not_allowed");
    let scope = &world.api("POST", "/token", r#"{"scope": "object:read"}"#).json()["access_token"];
    let bearer = format!("Bearer {}", scope.as_str().unwrap());
    world.call("GET", "/vk/v1/signed-urls", &[("Authorization", &bearer)], b"").problem(403, "missing_scope");
    world.call("GET", "/vk/v1/signed-urls", &[], b"").problem(401, "unauthenticated");
}
