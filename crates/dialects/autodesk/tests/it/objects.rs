//! `/oss/v2/buckets/:bucketKey/objects`.

use crate::world::*;
use serde_json::json;

const OBJECTS: &str = "/oss/v2/buckets/apptestbucket/objects";

#[test]
fn put_get_delete() {
    let world = world();
    let details = world.put("dir%2Fa.txt", b"content");
    let expected = json!({
        "bucketKey": "apptestbucket",
        "objectId": "urn:adsk.objects:os.object:apptestbucket/dir/a.txt",
        "objectKey": "dir/a.txt",
        "sha1": sha1(b"content"),
        "size": 7,
        "contentType": "text/plain",
        "location": "https://developer.api.autodesk.com/oss/v2/buckets/apptestbucket/objects/dir%2Fa.txt",
    });
    assert_eq!(details, expected);
    let path = format!("{OBJECTS}/dir%2Fa.txt");
    let got = world.api("GET", &path, "");
    assert_eq!((got.text(), got.header("content-type")), ("content", Some("text/plain")));
    assert_eq!(got.header("etag"), Some(format!("\"{}\"", sha1(b"content")).as_str()));
    let head = world.api("HEAD", &path, "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
    let range = world.call("GET", &path, &[("Authorization", "Bearer tok-1"), ("Range", "bytes=1-2")], b"");
    assert_eq!((range.status, range.text()), (206, "on"));
    assert_eq!(world.api("GET", &format!("{path}/details"), "").json(), expected);
    let got = world.api("DELETE", &path, "");
    assert_eq!((got.status, got.body.len()), (200, 0));
    for (method, path) in [("DELETE", path.clone()), ("GET", path.clone()), ("GET", format!("{path}/details"))] {
        world.api(method, &path, "").refused(404, "Object not found");
    }
}

#[test]
fn details() {
    let world = world();
    world.put("a", b"one");
    let path = format!("{OBJECTS}/a/details");
    world.clock.advance(std::time::Duration::from_secs(10));
    world.put("a", b"two");
    // Clients write a list in three ways.
    for query in [
        "with=createdDate&with=lastModifiedDate&with=lastAccessedDate&with=userDefinedMetadata&with=other",
        "with[]=createdDate&with%5B%5D=lastModifiedDate&with[]=lastAccessedDate",
        "with=createdDate,lastModifiedDate,lastAccessedDate",
    ] {
        let got = world.api("GET", &format!("{path}?{query}"), "").json();
        let [created, modified, accessed] = ["createdDate", "lastModifiedDate", "lastAccessedDate"].map(|name| &got[name]);
        let expected = [NOW_MS + 400, NOW_MS + 10_400, NOW_MS + 10_400].map(serde_json::Value::from);
        assert_eq!([created, modified, accessed], expected.each_ref(), "{query}");
    }
    let conditional =
        |name, value: &str| world.call("GET", &path, &[("Authorization", "Bearer tok-1"), (name, value)], b"").status;
    assert_eq!(conditional("If-Modified-Since", "Fri, 15 Jan 2027 08:00:10 GMT"), 304);
    assert_eq!(conditional("If-Modified-Since", "Fri, 15 Jan 2027 08:00:09 GMT"), 200);
    assert_eq!(conditional("If-None-Match", &sha1(b"two")), 304);
}

#[test]
fn conditional_and_creating_puts() {
    let world = world();
    let put = |token: &str, header: Option<(&str, &str)>, body: &[u8]| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(header);
        world.call("PUT", &format!("{OBJECTS}/a"), &headers, body)
    };
    assert_eq!(put("creates", None, b"one").status, 200);
    // `data:create` does not overwrite.
    put("creates", None, b"two").gateway(403, "AUTH-010");
    put("reads", None, b"two").gateway(403, "AUTH-010");
    put("tok-1", Some(("If-Match", &sha1(b"two"))), b"two").refused(412, "ETag Not Matched");
    put("tok-1", Some(("If-None-Match", "*")), b"two").refused(412, "ETag Not Matched");
    put("tok-1", Some(("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")), b"two").refused(400, "Mismatched checksums");
    assert_eq!(put("tok-1", Some(("If-Match", &sha1(b"one"))), b"two").json()["sha1"], sha1(b"two"));
    // No media type was named.
    assert_eq!(put("tok-1", None, b"").json()["contentType"], "application/octet-stream");
}

#[test]
fn what_is_public_is_read_by_any_principal() {
    let world = world();
    world.put("test.txt", b"content");
    const OBJECT: &str = "/oss/v2/buckets/apptestbucket/objects/test.txt";
    let owner = "The bucket belongs to another owner";
    world.api_as("strange", "GET", OBJECT, "").refused(403, owner);
    world.make_public("apptestbucket", true);
    for token in ["strange", "creates"] {
        let got = world.api_as(token, "GET", OBJECT, "");
        assert_eq!((got.status, got.body.as_slice()), (200, &b"content"[..]), "{token}");
        assert_eq!(world.api_as(token, "GET", &format!("{OBJECT}/details"), "").json()["size"], 7, "{token}");
        let url = world.api_as(token, "GET", &format!("{OBJECT}/signeds3download"), "").json()["url"].clone();
        assert!(url.as_str().unwrap().contains("/o/apptestbucket/test.txt?cat="), "{token} {url}");
    }
    let signed = world.api_as("strange", "POST", &format!("{OBJECT}/signed"), "{}").json();
    let url = signed["signedUrl"].as_str().unwrap();
    assert_eq!(world.get(url).body, b"content");
    // For reading, and nothing else.
    world.api_as("strange", "POST", &format!("{OBJECT}/signed?access=write"), "{}").refused(403, owner);
    world.api_as("strange", "DELETE", OBJECT, "").refused(403, owner);
    world.api_as("strange", "PUT", OBJECT, "x").refused(403, owner);
    world.api_as("strange", "GET", "/oss/v2/buckets/apptestbucket/objects", "").refused(403, owner);
    world.api_as("strange", "GET", "/oss/v2/buckets/apptestbucket/details", "").refused(403, owner);
    world.make_public("apptestbucket", false);
    world.api_as("strange", "GET", OBJECT, "").refused(403, owner);
    assert_eq!(world.get(url).status, 404);
    let id = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let deleted = world.api_as("strange", "DELETE", &format!("/oss/v2/signedresources/{id}"), "");
    assert_eq!(deleted.status, 200, "its own URL is its own to take back");
}

#[test]
fn pages() {
    let world = world();
    for key in ["a%2F1", "a%2F2", "a%2F3", "b"] {
        world.put(key, b"");
    }
    let page = world.api("GET", &format!("{OBJECTS}?beginsWith=a%2F&limit=2"), "").json();
    let keys = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["objectKey"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&page), ["a/1", "a/2"]);
    assert_eq!(page["items"][0]["sha1"], sha1(b""));
    let next = page["next"].as_str().unwrap();
    assert_eq!(next, format!("{BASE}{OBJECTS}?startAt=a%2F2&limit=2&beginsWith=a%2F"));
    let last = world.api("GET", next, "").json();
    assert_eq!((keys(&last), last.get("next")), (vec!["a/3".to_owned()], None));
    assert_eq!(keys(&world.api("GET", OBJECTS, "").json()).len(), 4);
    world.api("GET", "/oss/v2/buckets/no-such-bucket/objects", "").refused(404, "Bucket not found");
    world.api_as("strange", "GET", OBJECTS, "").refused(403, "The bucket belongs to another owner");
    world.api_as("creates", "GET", OBJECTS, "").gateway(403, "AUTH-010");
}

#[test]
fn objects_put_in_elsewhere_get_their_digest() {
    let world = world();
    let service = &world.service;
    let principal = service.authenticate(&valetkey_model::SecretText::new("tok-1"), [127, 0, 0, 1].into()).unwrap();
    world.runtime.block_on(async {
        let (bucket, key) = ("apptestbucket".parse().unwrap(), "a".parse().unwrap());
        let mut upload = service.upload(&principal, &bucket, &key, valetkey_service::UploadOptions::default()).await.unwrap();
        upload.write(bytes::Bytes::from_static(b"content")).await.unwrap();
        assert_eq!(upload.finish().await.unwrap().object.sha1, None);
    });
    assert_eq!(world.api("GET", OBJECTS, "").json()["items"][0]["sha1"], sha1(b"content"));
    let url = world.sign("a?access=readwrite", "{}");
    assert_eq!(world.get(&url).header("etag"), Some(format!("\"{}\"", sha1(b"content")).as_str()));
}
