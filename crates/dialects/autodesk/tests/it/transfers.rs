//! `signeds3upload` and `signeds3download`: how modern clients move bytes.

use crate::world::*;
use serde_json::{Value, json};
use std::time::Duration;
use valetkey_model::Refusal;

const UPLOAD: &str = "/oss/v2/buckets/apptestbucket/objects/dir%2Fbig.bin/signeds3upload";

fn begin(world: &World, query: &str) -> Value {
    let got = world.api("GET", &format!("{UPLOAD}?{query}"), "");
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

fn url(begun: &Value, index: usize) -> String {
    begun["urls"][index].as_str().unwrap().to_owned()
}

#[test]
fn parts_in_any_order() {
    let world = world();
    let begun = begin(&world, "parts=2&minutesExpiration=10");
    assert_eq!(begun["urlExpiration"], "2027-01-15T08:10:00Z");
    assert_eq!(begun["uploadExpiration"], "2027-01-16T08:00:00Z");
    let upload_key = begun["uploadKey"].as_str().unwrap();
    // More URLs for the same upload.
    let more = begin(&world, &format!("parts=1&firstPart=3&uploadKey={upload_key}"));
    assert_eq!(more["uploadKey"], upload_key);
    assert!(url(&more, 0).ends_with("/3"), "{more}");
    let contents: [&[u8]; 3] = [b"hello ", b"wide ", b"world"];
    for (number, target) in [(1, url(&begun, 1)), (0, url(&begun, 0)), (2, url(&more, 0))] {
        let put = world.call("PUT", &target, &[("Content-Type", "application/x-www-form-urlencoded")], contents[number]);
        assert_eq!((put.status, put.header("etag")), (200, Some(format!("\"{}\"", md5(contents[number])).as_str())));
        assert_eq!(put.header("access-control-allow-origin"), Some("*"));
    }
    let object = "/oss/v2/buckets/apptestbucket/objects/dir%2Fbig.bin";
    assert_eq!(world.api("GET", object, "").status, 404, "not before completion");
    let etags = [md5(contents[0]), format!("\"{}\"", md5(contents[1])), md5(contents[2]).to_ascii_uppercase()];
    let body = json!({ "uploadKey": upload_key, "size": 16, "eTags": etags }).to_string();
    let headers = [
        ("Authorization", "Bearer tok-1"),
        ("Content-Type", "application/json"),
        ("x-ads-meta-Content-Type", "application/x-big"),
        ("x-ads-meta-Content-Disposition", "attachment; filename=\"name.bin\""),
    ];
    let done = world.call("POST", UPLOAD, &headers, body.as_bytes());
    let expected = json!({
        "bucketKey": "apptestbucket",
        "objectId": "urn:adsk.objects:os.object:apptestbucket/dir/big.bin",
        "objectKey": "dir/big.bin",
        "sha1": sha1(b"hello wide world"),
        "size": 16,
        "contentType": "application/x-big",
        "location": "https://developer.api.autodesk.com/oss/v2/buckets/apptestbucket/objects/dir%2Fbig.bin",
    });
    assert_eq!((done.status, done.json()), (200, expected));
    let got = world.api("GET", object, "");
    assert_eq!((got.text(), got.header("content-disposition")), ("hello wide world", Some("attachment; filename=\"name.bin\"")));
    // It is over.
    let again = world.call("POST", UPLOAD, &headers, body.as_bytes());
    let expected = json!({ "uploadKey": upload_key, "status": "error", "reason": "InvalidUploadKey" });
    assert_eq!((again.status, again.json()), (400, expected));
}

#[test]
fn incomplete() {
    let world = world();
    let begun = begin(&world, "parts=3");
    let upload_key = begun["uploadKey"].as_str().unwrap();
    let complete = |body: Value| world.api("POST", UPLOAD, &body.to_string());
    world.call("PUT", &url(&begun, 0), &[], b"one");
    world.call("PUT", &url(&begun, 2), &[], b"three");
    let got = complete(json!({ "uploadKey": upload_key, "size": 11, "eTags": [md5(b"one"), md5(b"two"), md5(b"x")] }));
    let expected = json!({
        "uploadKey": upload_key,
        "status": "error",
        "reason": "MissingOrInvalidParts",
        "size": { "expected": 11, "detected": 8 },
        "parts": [
            { "part": 1, "size": 3, "eTag": md5(b"one"), "status": "TooSmall" },
            { "part": 2, "status": "Pending" },
            { "part": 3, "size": 5, "eTag": md5(b"three"), "status": "Unexpected" },
        ],
    });
    assert_eq!((got.status, got.json()), (400, expected));
    let got = complete(json!({ "uploadKey": upload_key, "eTags": ["no-md5"] }));
    assert_eq!((got.status, &got.json()["reason"]), (400, &json!("MissingOrInvalidParts")));
    // A part sent again replaces the one before; then all is well.
    world.call("PUT", &url(&begun, 1), &[], b"nope");
    world.call("PUT", &url(&begun, 1), &[], b"two");
    assert_eq!(complete(json!({ "uploadKey": upload_key })).json()["size"], 11);
}

#[test]
fn upload_refused() {
    let world = world();
    for query in [
        "parts=0",
        "parts=10001",
        "parts=2&firstPart=10000",
        "firstPart=0",
        "minutesExpiration=0",
        "minutesExpiration=61",
        "useAcceleration=maybe",
    ] {
        let got = world.api("GET", &format!("{UPLOAD}?{query}"), "");
        assert!(got.status == 400 && got.json()["reason"].is_string(), "{query}");
    }
    for upload_key in ["none", "upl_AAAAAAAAAAAAAAAAAAAAAA"] {
        let got = world.api("GET", &format!("{UPLOAD}?uploadKey={upload_key}"), "");
        assert_eq!((got.status, &got.json()["reason"]), (400, &json!("InvalidUploadKey")));
        let got = world.api("POST", UPLOAD, &json!({ "uploadKey": upload_key }).to_string());
        assert_eq!((got.status, &got.json()["reason"]), (400, &json!("InvalidUploadKey")));
    }
    world.api_as("reads", "GET", UPLOAD, "").gateway(403, "AUTH-010");
    world.api_as("strange", "GET", UPLOAD, "").refused(403, "The bucket belongs to another owner");
    world.api("GET", "/oss/v2/buckets/no-such-bucket/objects/a/signeds3upload", "").refused(404, "Bucket not found");
    assert_eq!(world.api("POST", UPLOAD, "[]").status, 400);
    assert_eq!(begin(&world, "parts=40")["urls"].as_array().map(Vec::len), Some(40));
    // `data:create` may create and not overwrite.
    for (expected, content) in [(200, b"one"), (403, b"two")] {
        let begun = world.api_as("creates", "GET", UPLOAD, "").json();
        assert_eq!(world.call("PUT", &url(&begun, 0), &[], content).status, 200);
        let done = world.api_as("creates", "POST", UPLOAD, &json!({ "uploadKey": begun["uploadKey"] }).to_string());
        assert_eq!(done.status, expected, "{done:?}");
    }
}

#[test]
fn part_urls_refused() {
    let world = world();
    let target = url(&begin(&world, ""), 0);
    let (stem, _) = target.rsplit_once('/').unwrap();
    let preflight = world.call("OPTIONS", &target, &[], b"");
    assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, Some("PUT, OPTIONS")));
    assert_eq!(world.get(&target).status, 405);
    for (path, status) in [
        (format!("{stem}/0"), 403),
        (format!("{stem}/10001"), 403),
        (format!("{stem}/x"), 403),
        ("/oss/v2/uploads/short/1".into(), 403),
        ("/oss/v2/uploads/AAAAAAAAAAAAAAAAAAAAAA/1".into(), 404),
    ] {
        let got = world.call("PUT", &path, &[], b"x");
        assert_eq!((got.status, got.header("access-control-allow-origin")), (status, Some("*")), "{path}");
        assert!(got.json()["reason"].is_string());
    }
    // Clients take 403 as a reason to ask for fresh URLs.
    world.clock.advance(Duration::from_secs(120));
    world.call("PUT", &target, &[], b"x").refused(403, "the URL has expired");
}

#[test]
fn downloads() {
    let world = world();
    world.put("a%20b.txt", b"content");
    let path = "/oss/v2/buckets/apptestbucket/objects/a%20b.txt/signeds3download";
    let got = world.api("GET", path, "").json();
    let target = got["url"].as_str().unwrap();
    assert!(target.starts_with(&format!("{BASE}/o/apptestbucket/a%20b.txt?cat=")), "{target}");
    let expected = json!({
        "status": "complete",
        "url": target,
        "params": { "content-type": "text/plain", "content-disposition": "attachment; filename=\"a b.txt\"" },
        "size": 7,
        "sha1": sha1(b"content"),
    });
    assert_eq!(got, expected);
    assert_eq!(world.get(target).text(), "content");
    let sent = world.api("GET", &format!("{path}?redirect=true&public-resource-fallback=false"), "");
    assert_eq!((sent.status, sent.body.len(), sent.header("cache-control")), (307, 0, Some("no-store")));
    assert_eq!(world.get(sent.header("location").unwrap()).text(), "content");
    let asked = "minutesExpiration=60&useCdn=true&response-content-type=text/csv\
                 &response-content-disposition=attachment%3B+filename%3Dx.csv";
    // `data:read` is enough.
    let got = world.api_as(&world.token("data:read"), "GET", &format!("{path}?{asked}"), "").json();
    let longer = got["url"].as_str().unwrap();
    assert!(longer.starts_with(&format!("{CDN}/o/apptestbucket/a%20b.txt?cat=")), "{longer}");
    assert_eq!(got["params"], json!({ "content-type": "text/csv", "content-disposition": "attachment; filename=\"x.csv\"" }));
    world.clock.advance(Duration::from_secs(121));
    assert!(world.get(target).status >= 400);
    let saved = world.get(longer);
    assert_eq!((saved.text(), saved.header("content-type")), ("content", Some("text/csv")));
    assert_eq!(saved.header("content-disposition"), Some("attachment; filename=\"x.csv\""));
}

#[test]
fn downloads_of_keys_that_are_no_path() {
    let world = world();
    world.put("..%2Fx", b"content");
    let got = world.api("GET", "/oss/v2/buckets/apptestbucket/objects/..%2Fx/signeds3download", "").json();
    let url = got["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{BASE}/l/")), "{url}");
    assert_eq!(world.get(url).text(), "content");
}

#[test]
fn downloads_are_refused_as_parts_are() {
    let world = world();
    let [expired, gone, method] = [Refusal::Expired, Refusal::ObjectGone, Refusal::WrongMethod].map(|refusal| match refusal {
        Refusal::ObjectGone => (404, "The specified resource does not exist"),
        refusal => (403, refusal.sentence()),
    });
    for key in ["a", "..%2Fa"] {
        let path = format!("/oss/v2/buckets/apptestbucket/objects/{key}");
        let sign = || {
            world.put(key, b"content");
            world.api("GET", &format!("{path}/signeds3download"), "").json()["url"].as_str().unwrap().to_owned()
        };
        let url = sign();
        assert_eq!(world.get(&url).header("etag"), Some(format!("\"{}\"", sha1(b"content")).as_str()), "{key}");
        world.call("PUT", &url, &[], b"x").refused(method.0, method.1);
        world.clock.advance(Duration::from_secs(121));
        world.get(&url).refused(expired.0, expired.1);
        let url = sign();
        assert_eq!(world.api("DELETE", &path, "").status, 200);
        world.get(&url).refused(gone.0, gone.1);
    }
    // A signed resource says the same in the words of its own path.
    world.put("a", b"content");
    let url = world.sign("a", "{\"minutesExpiration\": 1}");
    world.clock.advance(Duration::from_secs(61));
    world.get(&url).refused(404, "The specified resource does not exist");
}

#[test]
fn a_declared_sha1_is_checked() {
    let world = world();
    world.put("a", b"content");
    let object = "/oss/v2/buckets/apptestbucket/objects/a";
    let url = {
        let body = world.api("POST", &format!("{object}/signed?access=write"), "{}").json();
        body["signedUrl"].as_str().unwrap().to_owned()
    };
    let put = |target: &str, body: &[u8], sha1: &str| {
        world.call("PUT", target, &[("Authorization", "Bearer tok-1"), ("x-ads-content-sha1", sha1)], body)
    };
    for target in [url.as_str(), object] {
        for (n, sha1) in [sha1(b"other"), String::new(), "x".repeat(40), sha1(b"content")[..39].to_owned()].iter().enumerate() {
            put(target, b"new", sha1).refused(400, "Mismatched checksums");
            assert_eq!(world.api("GET", object, "").text(), "content", "{target} {n}");
        }
        let got = put(target, b"new", &sha1(b"new").to_uppercase());
        assert_eq!((got.status, got.json()["sha1"].as_str()), (200, Some(sha1(b"new").as_str())), "{target}");
        assert_eq!(put(target, b"content", &sha1(b"content")).status, 200);
    }
}

#[test]
fn downloads_refused() {
    let world = world();
    world.put("a", b"content");
    let path = "/oss/v2/buckets/apptestbucket/objects/a/signeds3download";
    let with = |name, value: &str| world.call("GET", path, &[("Authorization", "Bearer tok-1"), (name, value)], b"").status;
    assert_eq!(with("If-None-Match", &sha1(b"content")), 304);
    assert_eq!(with("If-None-Match", "0.83:bucket%2Fkey"), 200);
    assert_eq!(world.api("GET", &format!("{path}?minutesExpiration=61"), "").status, 400);
    world.api_as("creates", "GET", path, "").gateway(403, "AUTH-010");
    let none = "/oss/v2/buckets/apptestbucket/objects/none/signeds3download";
    world.api("GET", none, "").refused(404, "Object not found");
}
