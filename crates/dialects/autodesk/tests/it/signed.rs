//! `POST /oss/v2/buckets/:bucketKey/objects/:objectKey/signed`: the vendor's page, example by example, error by error.

use crate::world::*;
use serde_json::{Value, json};

const SIGNED: &str = "/oss/v2/buckets/apptestbucket/objects/test.txt/signed";

/// Signs with the page's headers and gives URL, expiration and `singleUse`, after checking that nothing else is said.
fn signed(world: &World, path: &str, body: &str) -> (String, i64, bool) {
    let headers = [
        ("Authorization", "Bearer tok-1"),
        ("Content-Type", "application/json;charset=UTF-8"),
        ("Origin", "https://app.example.org"),
    ];
    let got = world.call("POST", path, &headers, body.as_bytes());
    assert_eq!(got.status, 200, "{got:?}");
    // Verbatim from the page. The origin is a literal, whoever asks: this answer alone allows credentials with it.
    assert_eq!(got.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(got.header("access-control-allow-headers"), Some("Authorization, Accept-Encoding, Range, Content-Type"));
    assert_eq!(got.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(got.header("access-control-allow-origin"), Some("*"));
    assert_eq!(got.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert!(got.header("date").is_some());
    let body = got.json();
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 3, "{body}");
    (body["signedUrl"].as_str().unwrap().into(), body["expiration"].as_i64().unwrap(), body["singleUse"].as_bool().unwrap())
}

/// The UUID in a URL of this host.
fn uuid_below<'a>(host: &str, url: &'a str) -> &'a str {
    let prefix = format!("{host}/oss/v2/signedresources/");
    let uuid = url.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix("?region=US")).unwrap_or_else(|| panic!("{url}"));
    let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
    assert!(uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')) && uuid.as_bytes()[14] == b'4', "{uuid}");
    uuid
}

#[test]
fn example_1_an_hour_for_reading() {
    let world = world();
    world.put("objectKeyFoo", b"content");
    let path = "/oss/v2/buckets/apptestbucket/objects/objectKeyFoo/signed";
    let (url, expiration, single_use) = signed(&world, path, "{ }");
    let uuid = uuid_below(BASE, &url);
    assert_eq!((expiration, single_use), (NEXT_SECOND_MS + 60 * 60_000, false));
    assert_eq!(world.get(&url).text(), "content");
    // The address as this example shows it.
    assert_eq!(world.get(&format!("{BASE}/oss/v2/apptestbucket/{uuid}?region=US")).text(), "content");
    world.clock.set(valetkey_model::Timestamp::from_micros((NEXT_SECOND_MS + 60 * 60_000) * 1000 - 1));
    assert_eq!(world.get(&url).status, 200);
    world.clock.set(valetkey_model::Timestamp::from_micros((NEXT_SECOND_MS + 60 * 60_000) * 1000));
    world.get(&url).refused(404, "The specified resource does not exist");
}

#[test]
fn example_2_half_an_hour_for_reading() {
    let world = world();
    world.put("test.txt", b"content");
    let body = "\n{\n\"minutesExpiration\" : 30\n}";
    let (url, expiration, single_use) = signed(&world, &format!("{SIGNED}?access=read"), body);
    uuid_below(BASE, &url);
    assert_eq!((expiration, single_use), (NEXT_SECOND_MS + 30 * 60_000, false));
    assert_eq!(world.get(&url).text(), "content");
    assert_eq!(world.get(&url).text(), "content");
    let put = world.call("PUT", &url, &[], b"other");
    put.refused(403, "Signed Resource does not grant write permissions");
}

#[test]
fn example_3_once_for_reading_or_writing() {
    let world = world();
    world.put("test.txt", b"content");
    let body = "\n{\n\"minutesExpiration\" : 45,\n\"singleUse\" : true\n}";
    let once = || signed(&world, &format!("{SIGNED}?access=readwrite"), body);
    let (url, expiration, single_use) = once();
    uuid_below(BASE, &url);
    assert_eq!((expiration, single_use), (NEXT_SECOND_MS + 45 * 60_000, true));
    // Whichever completes first is the use.
    assert_eq!(world.call("PUT", &url, &[], b"other").status, 200);
    for method in ["GET", "PUT"] {
        world.call(method, &url, &[], b"").refused(404, "The specified resource does not exist");
    }
    let (url, ..) = once();
    let got = world.get(&url);
    assert_eq!((got.text(), got.header("cache-control")), ("other", Some("no-store")));
    for method in ["GET", "PUT"] {
        world.call(method, &url, &[], b"").refused(404, "The specified resource does not exist");
    }
}

#[test]
fn example_4_once_through_the_cdn() {
    let world = world();
    world.put("test.txt", b"content");
    let body = "\n{\n\"minutesExpiration\" : 45,\n\"singleUse\" : true\n}";
    let (url, expiration, single_use) = signed(&world, &format!("{SIGNED}?useCdn=true"), body);
    uuid_below(CDN, &url);
    assert_eq!((expiration, single_use), (NEXT_SECOND_MS + 45 * 60_000, true));
    // The same path under either host.
    let got = world.get(&url.replace(CDN, BASE));
    assert_eq!((got.status, got.text()), (200, "content"));
    world.get(&url).refused(404, "The specified resource does not exist");
}

#[test]
fn the_cdn_changes_only_the_host() {
    let world = world();
    world.put("test.txt", b"content");
    let (url, ..) = signed(&world, &format!("{SIGNED}?useCdn=True&access=ReadWrite"), "");
    uuid_below(CDN, &url);
    assert_eq!(world.call("PUT", &url, &[], b"x").status, 200);
    let (url, ..) = signed(&world, &format!("{SIGNED}?useCdn=false"), "{}");
    uuid_below(BASE, &url);
}

#[test]
fn urls_begin_as_the_bucket_s_region_has_it() {
    let world = world();
    let new = r#"{"bucketKey": "emea-bucket", "policyKey": "persistent"}"#;
    let headers = [("Authorization", "Bearer tok-1"), ("Content-Type", "application/json"), ("region", "EMEA")];
    assert_eq!(world.call("POST", "/oss/v2/buckets", &headers, new.as_bytes()).status, 200);
    let object = "/oss/v2/buckets/emea-bucket/objects/test.txt";
    assert_eq!(world.call("PUT", object, &[("Authorization", "Bearer tok-1")], b"content").status, 200);
    let field = |method: &str, path: &str, body: &str, pointer: &str| {
        let got = world.api(method, &format!("{object}/{path}"), body);
        assert_eq!(got.status, 200, "{got:?}");
        got.json().pointer(pointer).and_then(|url| url.as_str()).unwrap().to_owned()
    };
    let signed = field("POST", "signed", "{}", "/signedUrl");
    assert!(signed.starts_with(&format!("{EMEA}/oss/v2/signedresources/")) && signed.ends_with("?region=EMEA"), "{signed}");
    let download = field("GET", "signeds3download", "", "/url");
    assert!(download.starts_with(&format!("{EMEA}/o/emea-bucket/test.txt?cat=")), "{download}");
    for url in [signed, download] {
        assert_eq!(world.get(&url).text(), "content");
    }
    let part = field("GET", "signeds3upload", "", "/urls/0");
    assert!(part.starts_with(&format!("{EMEA}/oss/v2/uploads/")), "{part}");
    assert_eq!(world.call("PUT", &part, &[], b"other").status, 200);
    // A CDN is a CDN, and what is no signed URL stays where the API is.
    assert!(field("POST", "signed?useCdn=true", "{}", "/signedUrl").starts_with(CDN));
    let location = world.api("GET", &format!("{object}/details"), "").json()["location"].clone();
    assert_eq!(location, format!("{BASE}{object}"));
}

#[test]
fn spellings_that_published_clients_send() {
    let world = world();
    world.put("test.txt", b"content");
    let double_slash = format!("/{SIGNED}?access=Read");
    assert!(!signed(&world, &double_slash, "{}").2);
    for access in ["access=Write", "access=ReadWrite", "access=WRITE"] {
        let (url, ..) = signed(&world, &format!("{SIGNED}?{access}"), "{}");
        assert_eq!(world.call("PUT", &url, &[], b"new").status, 200, "{access}");
    }
    // No body, and no `Content-Type`.
    let bare = world.call("POST", SIGNED, &[("Authorization", "Bearer tok-1")], b"");
    assert_eq!(bare.json()["expiration"], NEXT_SECOND_MS + 60 * 60_000);
    // The longest there is.
    assert_eq!(signed(&world, SIGNED, r#"{"minutesExpiration": 10080}"#).1, NEXT_SECOND_MS + 7 * 24 * 3_600_000);
}

#[test]
fn error_400() {
    let world = world();
    world.put("test.txt", b"content");
    for body in [
        // The page's own example, a comma short.
        "\n{\n\"minutesExpiration\" : 45\n\"singleUse\" : true\n}",
        "{",
        "[]",
        "null",
        "true",
        " ",
        r#"{"minutesExpiration": 0}"#,
        r#"{"minutesExpiration": -5}"#,
        r#"{"minutesExpiration": 1.5}"#,
        r#"{"minutesExpiration": 10081}"#,
        r#"{"minutesExpiration": 4294967296}"#,
        r#"{"minutesExpiration": "30"}"#,
        r#"{"minutesExpiration": null}"#,
        r#"{"singleUse": "true"}"#,
        r#"{"singleUse": 0}"#,
        r#"{"allowedIpAddresses": "everywhere"}"#,
    ] {
        let got = world.api("POST", SIGNED, body);
        assert_eq!(got.status, 400, "{body}");
        assert!(got.json()["reason"].is_string());
        assert_eq!(got.header("access-control-allow-origin"), None);
    }
    for query in ["access=reed", "access=", "access=read&access=write", "useCdn=1", "useCdn=", "access=%zz"] {
        let got = world.api("POST", &format!("{SIGNED}?{query}"), "{}");
        assert!(got.status == 400 && got.json()["reason"].is_string(), "{query}");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let headers = [("Authorization", "Bearer tok-1"), ("Content-Type", content_type)];
        world.call("POST", SIGNED, &headers, b"{}").refused(400, "Content-Type must be application/json");
    }
    world.call("POST", SIGNED, &[("Authorization", "Bearer tok-1")], b"{}").refused(400, "Content-Type must be application/json");
    let wrong = world.api("POST", "/oss/v2/buckets/AppTestBucket/objects/test.txt/signed", "{}");
    wrong.refused(400, "Valid field 'bucketKey' must be of the form  [-_.a-z0-9]{3,128}");
}

#[test]
fn error_401() {
    let world = world();
    // The credential comes before all else: nothing of this exists, and the body is none.
    let path = "/oss/v2/buckets/NONE/objects/none/signed?access=none";
    let unknown = world.api_as("unknown", "POST", path, "{");
    unknown.gateway(401, "AUTH-006");
    assert_eq!(unknown.json()["developerMessage"], "Access token provided is invalid or expired.");
    world.call("POST", path, &[], b"{}").gateway(401, "AUTH-012");
    for value in ["Bearer", "Bearer a b", "tok-1", "Basic Y2lkOnNlYw=="] {
        world.call("POST", path, &[("Authorization", value)], b"{}").gateway(401, "AUTH-012");
    }
    let token = world.token("data:write");
    world.clock.advance(std::time::Duration::from_secs(3600));
    world.api_as(&token, "POST", path, "{}").gateway(401, "AUTH-006");
}

#[test]
fn error_403() {
    let world = world();
    world.put("test.txt", b"content");
    // The scope comes before the bucket.
    let nowhere = "/oss/v2/buckets/no-such-bucket/objects/none/signed";
    for token in ["reads".to_owned(), world.token("data:read+data:create+bucket:read")] {
        let got = world.api_as(&token, "POST", nowhere, "{}");
        got.gateway(403, "AUTH-010");
        assert_eq!(got.json()["developerMessage"], "Token does not have the privilege for this request.");
    }
    world.api_as("strange", "POST", SIGNED, "{}").refused(403, "The bucket belongs to another owner");
    // The owner comes before the object.
    let none = "/oss/v2/buckets/apptestbucket/objects/none/signed";
    world.api_as("strange", "POST", none, "{}").refused(403, "The bucket belongs to another owner");
}

#[test]
fn error_404() {
    let world = world();
    for access in ["read", "write", "readwrite"] {
        let path = format!("/oss/v2/buckets/apptestbucket/objects/none/signed?access={access}");
        world.api("POST", &path, "{}").refused(404, "Object not found");
        let path = format!("/oss/v2/buckets/no-such-bucket/objects/none/signed?access={access}");
        world.api("POST", &path, "{}").refused(404, "Bucket not found");
        world.api_as("strange", "POST", &path, "{}").refused(404, "Bucket not found");
    }
}

#[test]
fn other_methods_and_paths() {
    let world = world();
    let got = world.api("GET", SIGNED, "");
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    for path in [
        "/oss/v2/buckets/apptestbucket/objects/test.txt/copyto/other",
        "/oss/v2/buckets/apptestbucket/objects/batchsigneds3upload/x",
        "/oss/v2/nowhere",
        "/oss/v2",
        "/authentication/v2/userinfo",
    ] {
        assert_eq!(world.api("PUT", path, "{}").status, 404, "{path}");
    }
}

#[test]
fn data_write_alone_signs_for_reading() {
    let world = world();
    world.put("test.txt", b"content");
    let token = world.token("data:write");
    let got = world.api_as(&token, "POST", SIGNED, "{}");
    assert_eq!(world.get(got.json()["signedUrl"].as_str().unwrap()).text(), "content");
    // It is no right to read without such a URL.
    world.api_as(&token, "GET", "/oss/v2/buckets/apptestbucket/objects/test.txt", "").gateway(403, "AUTH-010");
}

#[test]
fn keys_of_any_characters() {
    let world = world();
    for key in
        ["..", "a%2F..%2F..%2Fetc", "%2F%2F", "dir%2Fa%20b+c.txt", "%D8%AA%D9%82.pdf", "%252F", "a;b=c", "details", "signed"]
    {
        world.put(key, key.as_bytes());
        assert_eq!(world.get(&world.sign(key, "{}")).text(), key);
    }
    let listed = world.api("GET", "/oss/v2/buckets/apptestbucket/objects", "").json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(9));
}

#[test]
fn fields_beyond_the_page() {
    let world = world();
    world.put("test.txt", b"<p>");
    let body = json!({
        "contentType": "text/html",
        "contentDisposition": "attachment; filename=\"page.html\"",
        "allowedIpAddresses": "127.0.0.0/8, 192.0.2.1",
        "somethingElse": Value::Null,
    });
    let got = world.get(&world.sign("test.txt", &body.to_string()));
    assert_eq!(got.header("content-type"), Some("text/html"));
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"page.html\""));
    let url = world.sign("test.txt", r#"{"allowedIpAddresses": "192.0.2.1"}"#);
    // What the client says of its address is not believed.
    let got = world.call("GET", &url, &[("X-Forwarded-For", "192.0.2.1")], b"");
    got.refused(403, "the URL is not for this client address");
}
