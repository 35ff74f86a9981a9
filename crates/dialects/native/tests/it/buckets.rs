//! `/vk/v1/buckets`.

use crate::world::*;
use serde_json::json;

#[test]
fn create_show_list_delete() {
    let world = world();
    let created = world.api("POST", "/buckets", r#"{"name": "photos", "region": "EMEA", "retention": "temporary"}"#);
    let photos = json!({ "name": "photos", "region": "EMEA", "retention": "temporary", "public": false, "created_at": NOW });
    assert_eq!((created.status, created.json()), (201, photos.clone()));
    assert_eq!(created.header("location"), Some("https://files.example.org/vk/v1/buckets/photos"));
    assert_eq!(world.api("GET", "/buckets/photos", "").json(), photos);
    let names = |got: Got| got.json()["buckets"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(world.api("GET", "/buckets", "")), ["photos", "reports"]);
    assert_eq!(names(world.api_as("stranger", "GET", "/buckets", "")), ["strange"]);
    let deleted = world.api("DELETE", "/buckets/photos", "");
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    world.api("GET", "/buckets/photos", "").problem(404, "not_found");
    world.api("DELETE", "/buckets/photos", "").problem(404, "not_found");
}

#[test]
fn pages() {
    let world = world();
    for name in ["aaa", "bbb", "ccc"] {
        assert_eq!(world.api("POST", "/buckets", &json!({ "name": name }).to_string()).status, 201);
    }
    let (mut names, mut next) = (Vec::new(), String::new());
    loop {
        let page = world.api("GET", &format!("/buckets?limit=2{next}"), "").json();
        names.extend(page["buckets"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["aaa", "bbb", "ccc", "reports"]);
    // The last is a cursor of `a%2fb`, which is no name, and decoded once more would be another.
    let cursors = ["next=!", "next=AAAA", "next=", "next=YSUyZmI"];
    for query in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "limit=%zz"].into_iter().chain(cursors) {
        let problem = world.api("GET", &format!("/buckets?{query}"), "").problem(400, "invalid");
        assert_eq!(problem["field"], query.split('=').next().unwrap(), "{query}");
    }
}

#[test]
fn refused() {
    let world = world();
    for body in [
        "",
        "{",
        "null",
        "{}",
        r#"{"name": "ab"}"#,
        r#"{"name": "Upper"}"#,
        r#"{"name": "a/b"}"#,
        r#"{"name": "fine", "colour": "red"}"#,
        r#"{"name": "fine", "name": "twice"}"#,
        r#"{"name": "fine", "retention": "forever"}"#,
        r#"["fine"]"#,
    ] {
        world.api("POST", "/buckets", body).problem(400, "invalid");
    }
    for id in ["app", "stranger"] {
        world.api_as(id, "POST", "/buckets", r#"{"name": "reports"}"#).problem(409, "already_exists");
    }
    let missing = world.api_as("reader", "POST", "/buckets", r#"{"name": "photos"}"#).problem(403, "missing_scope");
    assert_eq!(missing["scope"], "bucket:create");
    world.put("a", "x");
    world.api("DELETE", "/buckets/reports", "").problem(409, "not_empty");
    // Another's bucket is told as one that is not there.
    let others = world.api("GET", "/buckets/strange", "").problem(404, "not_found");
    assert_eq!(others, world.api("GET", "/buckets/nobodys", "").problem(404, "not_found"));
    world.api("DELETE", "/buckets/strange", "").problem(404, "not_found");
}

#[test]
fn other_methods_and_paths() {
    let world = world();
    for (method, path, allow) in [
        ("PATCH", "/buckets", "GET, HEAD, POST"),
        ("POST", "/buckets/reports", "GET, HEAD, PATCH, DELETE"),
        ("PATCH", "/buckets/reports/objects", "GET, HEAD"),
        ("PATCH", "/buckets/reports/objects/a", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/signed-urls", "GET, HEAD, POST"),
        ("PATCH", "/signed-urls/lnk_x", "GET, HEAD"),
        ("PATCH", "/explain", "POST"),
        ("PATCH", "/revocations", "POST"),
        ("PATCH", "/token", "POST"),
    ] {
        let got = world.api(method, path, "");
        got.problem(405, "method_not_allowed");
        assert_eq!(got.header("allow"), Some(allow), "{path}");
    }
    for path in ["", "/", "/nothing", "/buckets/reports/nothing", "/signed-urls/x/y"] {
        world.api("GET", path, "").problem(404, "not_found");
    }
    for path in ["/buckets", "/buckets/reports", "/buckets/reports/objects"] {
        let (get, head) = (world.api("GET", path, ""), world.api("HEAD", path, ""));
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(get.header("content-length"), head.header("content-length"), "{path}");
    }
}
