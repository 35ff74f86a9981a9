//! `/vk/v1/buckets/{bucket}/objects`.

use crate::world::*;
use serde_json::json;

const SHA256_OF_X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
const ETAG_OF_X: &str = "LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE";

#[test]
fn put_get_list_delete() {
    let world = world();
    let put = world.put("a%20b%2Fc.txt", "x");
    let expected = json!({
        "bucket": "reports", "key": "a b/c.txt", "size_bytes": 1, "content_type": "text/plain", "sha256": SHA256_OF_X,
        "etag": ETAG_OF_X, "created_at": NOW, "modified_at": NOW,
    });
    let mut told = put.json();
    let ids = ["file_id", "file_number", "raw_file_id"].map(|field| told.as_object_mut().unwrap().remove(field).unwrap());
    let file_id = ids[0].as_str().unwrap().parse().unwrap();
    assert!((1..1 << 53).contains(&ids[1].as_u64().unwrap()), "{}", ids[1]);
    assert_eq!(ids[2], json!(valetkey_service::raw_file_id(file_id)));
    // A charset may stand beside the type that the name suggests.
    told["content_type"] = told["content_type"].as_str().unwrap().split(';').next().into();
    assert_eq!((put.status, told), (201, expected));
    assert_eq!(put.header("etag"), Some(format!("\"{ETAG_OF_X}\"").as_str()));
    let again = world.put("a%20b/c.txt", "x");
    assert_eq!((again.status, &again.json()["file_id"], &again.json()["file_number"]), (200, &ids[0], &ids[1]));
    let got = world.api_as("reader", "GET", "/buckets/reports/objects/a%20b/c.txt", "");
    assert_eq!((got.status, got.body.as_slice(), got.header("cache-control")), (200, &b"x"[..], Some("no-store")));
    let head = world.api("HEAD", "/buckets/reports/objects/a%20b/c.txt", "");
    assert_eq!((head.status, head.header("content-length"), head.header("etag")), (200, Some("1"), got.header("etag")));
    let keys = |query: &str| {
        let page = world.api("GET", &format!("/buckets/reports/objects?{query}"), "").json();
        page["objects"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect::<Vec<_>>()
    };
    world.put("b", "x");
    assert_eq!(keys(""), ["a b/c.txt", "b"]);
    assert_eq!(keys("prefix=a%20b%2F"), ["a b/c.txt"]);
    assert_eq!(keys("limit=1&next=YSBiL2MudHh0"), ["b"]);
    assert_eq!(world.api("DELETE", "/buckets/reports/objects/b", "").status, 204);
    for method in ["GET", "DELETE"] {
        world.api(method, "/buckets/reports/objects/b", "").problem(404, "not_found");
    }
}

#[test]
fn ranges_and_preconditions() {
    let world = world();
    world.put("a", "hello");
    let call = |method: &str, headers: &[(&str, &str)]| {
        let headers = [&[("Authorization", "Bearer bearer-of-app")], headers].concat();
        world.call(method, "/vk/v1/buckets/reports/objects/a", &headers, if method == "PUT" { b"hello" } else { b"" })
    };
    let got = call("GET", &[("Range", "bytes=1-2")]);
    assert_eq!((got.status, got.body.as_slice(), got.header("content-range")), (206, &b"el"[..], Some("bytes 1-2/5")));
    call("GET", &[("Range", "bytes=5-")]).problem(416, "range_not_satisfiable");
    let etag = call("HEAD", &[]).header("etag").unwrap().to_owned();
    assert_eq!(call("GET", &[("If-None-Match", &etag)]).status, 304);
    call("GET", &[("If-Match", "\"other\"")]).problem(412, "precondition_failed");
    assert_eq!(call("PUT", &[("If-Match", &etag)]).status, 200);
    for (name, value) in [("If-Match", "\"other\""), ("If-None-Match", "*"), ("If-None-Match", &etag)] {
        call("PUT", &[(name, value)]).problem(412, "precondition_failed");
    }
}

#[test]
fn refused() {
    let world = world();
    world.put("a", "old");
    for key in ["", "x%00y", "%ff", "%zz", "a//b", "./a", "../a", "a/..", "a%2F..%2Fb", "a%0Ab"] {
        world.api("PUT", &format!("/buckets/reports/objects/{key}"), "x").problem(400, "invalid");
    }
    world.api("PUT", &format!("/buckets/reports/objects/{}", "k".repeat(1025)), "x").problem(400, "invalid");
    world.api_as("reader", "PUT", "/buckets/reports/objects/b", "x").problem(403, "missing_scope");
    world.api_as("creator", "PUT", "/buckets/reports/objects/a", "x").problem(412, "exists");
    assert_eq!(world.api_as("creator", "PUT", "/buckets/reports/objects/b", "x").status, 201);
    world.api_as("creator", "GET", "/buckets/reports/objects/b", "").problem(403, "missing_scope");
    for method in ["GET", "PUT", "DELETE"] {
        world.api_as("stranger", method, "/buckets/reports/objects/a", "").problem(404, "not_found");
    }
    world.api_as("stranger", "GET", "/buckets/reports/objects", "").problem(404, "not_found");
    let put = |name: &str, value: &str| {
        let headers = [("Authorization", "Bearer bearer-of-app"), (name, value)];
        world.call("PUT", "/vk/v1/buckets/reports/objects/a", &headers, b"new")
    };
    put("Content-MD5", "AAAA").problem(400, "invalid");
    put("Content-Digest", "sha-256=:AAAA:").problem(400, "invalid");
    put("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==").problem(400, "digest_mismatch");
    assert_eq!(world.api("GET", "/buckets/reports/objects/a", "").body, b"old");
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    let world = world();
    world.put("a", "the whole");
    let put = |url: &str, credential: (&str, &str)| {
        let got = world.call("PUT", url, &[credential, ("Content-Range", "bytes 4-8/9")], b"whole");
        got.problem(400, "partial_upload");
        assert_eq!(got.header("connection"), Some("close"));
        got
    };
    put("/vk/v1/buckets/reports/objects/a", ("Authorization", "Bearer bearer-of-app"));
    for form in ["token", "link"] {
        let fields = json!({ "permission": "write", "form": form, "upload": { "mode": "replace" } });
        let got = put(&world.sign("a", fields), ("X", "y"));
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(world.api("GET", "/buckets/reports/objects/a", "").body, b"the whole");
}
