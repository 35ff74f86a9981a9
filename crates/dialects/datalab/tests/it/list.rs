//! `GET /api/v1/files`.

use crate::world::*;
use serde_json::{Value, json};
use std::time::Duration;

/// The ids on a page, and what is said of it.
fn page(world: &World, query: &str) -> (Vec<u64>, Value) {
    let mut body = world.api("GET", query).ok();
    let files = body["files"].as_array().unwrap().iter().map(|file| file["file_id"].as_u64().unwrap()).collect();
    body["files"].take();
    (files, body)
}

fn begin_later(world: &World, name: &str) -> Begun {
    world.clock.advance(Duration::from_secs(1));
    world.begin(name)
}

#[test]
fn nothing_is_there_at_first() {
    let world = world();
    let empty = json!({ "files": [], "total": 0, "limit": 50, "offset": 0 });
    assert_eq!(world.api("GET", "").ok(), empty);
    // As the vendor's client asks.
    let fields = [("X-Api-Key", "secret-of-app"), ("Cache-Control", "no-cache, no-store, must-revalidate")];
    assert_eq!(world.call("GET", "/api/v1/files?limit=50&offset=0", &fields, b"").ok(), empty);
}

#[test]
fn the_newest_first_and_each_as_it_is_by_itself() {
    let world = world();
    let pending = begin_later(&world, "pending.pdf");
    let uploaded = begin_later(&world, "uploaded.pdf");
    let confirmed = begin_later(&world, "confirmed.pdf");
    for begun in [&uploaded, &confirmed] {
        assert_eq!(world.put(&begun.upload_url, b"content").status, 200);
    }
    world.api("GET", &format!("/{}/confirm", confirmed.number)).ok();
    world.clock.advance(Duration::from_secs(1));
    // From another API, into the bucket of files and elsewhere.
    let object = world.object("app", "files-acme", "by hand.txt");
    world.object("app", "reports", "elsewhere.txt");

    let body = world.api("GET", "").ok();
    let expected = [object.file_number.get(), confirmed.number, uploaded.number, pending.number];
    let files: Vec<Value> = expected.iter().map(|number| world.api("GET", &format!("/{number}")).ok()).collect();
    assert_eq!(body, json!({ "files": files, "total": 4, "limit": 50, "offset": 0 }));
    let statuses = files.iter().map(|file| file["upload_status"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(statuses, ["completed", "completed", "pending", "pending"]);
    for file in &files {
        assert_eq!(file["file_size"].is_u64(), file["upload_status"] == "completed", "{file}");
    }

    world.api("DELETE", &format!("/{}", uploaded.number)).ok();
    assert_eq!(page(&world, "?limit=2").0, expected[..2]);
    assert_eq!(page(&world, "?limit=2&offset=2").0, [pending.number]);
    // What nobody confirms is forgotten.
    world.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(page(&world, ""), (expected[..2].to_vec(), json!({ "files": null, "total": 2, "limit": 50, "offset": 0 })));
}

#[test]
fn page_by_page() {
    let world = world();
    let mut expected: Vec<u64> = (0..7).map(|number| begin_later(&world, &format!("{number}.pdf")).number).collect();
    expected.reverse();
    for limit in [1, 2, 3, 7, 100] {
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let (ids, said) = page(&world, &format!("?limit={limit}&offset={}", found.len()));
            assert!(!ids.is_empty() && ids.len() <= limit);
            assert_eq!(said, json!({ "files": null, "total": 7, "limit": limit, "offset": found.len() }));
            found.extend(ids);
        }
        assert_eq!(found, expected, "by {limit}");
    }
    for offset in ["7", "8", "9007199254740991"] {
        assert_eq!(page(&world, &format!("?offset={offset}")).0, [0; 0], "{offset}");
    }
    assert_eq!(page(&world, "?limit=x&offset=&limit=+2&offset=%2B05.0").0, expected[5..]);
}

#[test]
fn limits() {
    let world = world();
    let faults = |query: &str| world.api("GET", query).faults();
    let ge = |name: &str, input: &str, limit: i64| {
        let msg = format!("Input should be greater than or equal to {limit}");
        json!({ "type": "greater_than_equal", "loc": ["query", name], "msg": msg, "input": input, "ctx": { "ge": limit } })
    };
    let le = |name: &str, input: &str, limit: i64| {
        let msg = format!("Input should be less than or equal to {limit}");
        json!({ "type": "less_than_equal", "loc": ["query", name], "msg": msg, "input": input, "ctx": { "le": limit } })
    };
    let text = |name: &str, input: &str| {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        json!({ "type": "int_parsing", "loc": ["query", name], "msg": msg, "input": input })
    };
    assert_eq!(faults("?limit=0"), json!([ge("limit", "0", 1)]));
    assert_eq!(faults("?limit=101"), json!([le("limit", "101", 100)]));
    assert_eq!(faults("?offset=-1"), json!([ge("offset", "-1", 0)]));
    assert_eq!(faults("?offset=9007199254740992"), json!([le("offset", "9007199254740992", (1 << 53) - 1)]));
    assert_eq!(faults("?limit=ten&offset=1.5"), json!([text("limit", "ten"), text("offset", "1.5")]));
    assert_eq!(faults("?limit=")[0], text("limit", ""));
}

#[test]
fn who_may_list() {
    let world = world();
    let own = world.file("own.pdf", b"x");
    for key in ["app", "reader", "unsigning"] {
        assert_eq!(world.api_as(key, "GET", "").ok()["total"], 1, "{key}");
    }
    world.api_as("creator", "GET", "").refused(403, "Your API key lacks the scope `object:read`");
    world.api_as("fenced", "GET", "").refused(403, "Your API key is limited to other buckets");
    let refused = world.call("GET", "/api/v1/files?limit=0", &[], b"");
    refused.refused(401, "Invalid API key provided. Set the X-API-Key header to your API key.");
    // Another tenant sees its own.
    assert_eq!(world.api_as("stranger", "GET", "").ok(), json!({ "files": [], "total": 0, "limit": 50, "offset": 0 }));
    let theirs = world.object("stranger", "open-to-all", "public.txt");
    assert_eq!(world.api_as("stranger", "GET", "").ok()["total"], 0, "it is in a bucket of theirs that is not for files");
    assert!(page(&world, "").0 == [own.number] && theirs.file_number.get() != own.number);
}

#[test]
fn methods() {
    let world = world();
    for method in ["POST", "DELETE", "PUT", "PATCH"] {
        let got = world.api(method, "");
        got.refused(405, "Method Not Allowed");
        assert_eq!(got.header("allow"), Some("GET"));
    }
    world.api("GET", "/").refused(404, "Not Found");
}
