//! `/oss/v2/buckets/:bucketKey/objects/:objectKey/copyto/:newObjectKey`.

use crate::world::*;

const OBJECTS: &str = "/oss/v2/buckets/apptestbucket/objects";

fn copy(world: &World, token: &str, from: &str, to: &str, header: Option<(&str, &str)>) -> Got {
    let bearer = format!("Bearer {token}");
    // As published clients send it.
    let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    headers.extend(header);
    world.call("PUT", &format!("{OBJECTS}/{from}/copyto/{to}"), &headers, b"")
}

#[test]
fn copies() {
    let world = world();
    let original = world.put("dir%2Fa.txt", b"content");
    let copied = copy(&world, "tok-1", "dir%2Fa.txt", "b%2F%C3%BC.txt", None);
    let mut expected = original.clone();
    expected["objectKey"] = "b/ü.txt".into();
    expected["objectId"] = "urn:adsk.objects:os.object:apptestbucket/b/ü.txt".into();
    expected["location"] = format!("{BASE}{OBJECTS}/b%2F%C3%BC.txt").into();
    assert_eq!((copied.status, copied.json()), (200, expected));
    assert_eq!(world.api("GET", &format!("{OBJECTS}/b%2F%C3%BC.txt"), "").text(), "content");
    // The original is as it was, and a copy may replace.
    assert_eq!(world.api("GET", &format!("{OBJECTS}/dir%2Fa.txt/details"), "").json(), original);
    world.put("c", b"other");
    let url = world.sign("c", "{}");
    assert_eq!(copy(&world, "tok-1", "dir%2Fa.txt", "c", None).status, 200);
    assert_eq!(world.get(&url).text(), "content");
    assert_eq!(copy(&world, "tok-1", "c", "c", None).json()["sha1"], sha1(b"content"));
}

#[test]
fn what_was_kept_with_an_object_goes_along() {
    let world = world();
    let details = |key: &str| world.api("GET", &format!("{OBJECTS}/{key}/details?with=userDefinedMetadata"), "").json();
    let kept = |key: &str| details(key)["userDefinedMetadata"].clone();
    assert_eq!(store(&world, "a", "{\"colour\": \"red\"}").status, 200);
    assert_eq!(kept("a"), "{\"colour\": \"red\"}");
    assert!(world.api("GET", &format!("{OBJECTS}/a/details"), "").json().get("userDefinedMetadata").is_none());
    assert_eq!(copy(&world, "tok-1", "a", "b", None).status, 200);
    assert_eq!(kept("b"), "{\"colour\": \"red\"}");
    // It belongs to the bytes, and goes with them.
    world.put("a", b"other");
    assert!(details("a").get("userDefinedMetadata").is_none());
    let refusal = "Invalid header 'x-ads-user-defined-metadata': expected a JSON object of at most 100 bytes";
    for wrong in ["", "[]", "red", "{\"a\": 1", &format!("{{\"a\": \"{}\"}}", "x".repeat(92))] {
        store(&world, "a", wrong).refused(400, refusal);
    }
    assert_eq!(store(&world, "a", &format!("{{\"a\":\"{}\"}}", "x".repeat(92))).status, 200);
}

/// Stores an object in one part, with what is to be kept with it.
fn store(world: &World, key: &str, metadata: &str) -> Got {
    let path = format!("{OBJECTS}/{key}/signeds3upload");
    let upload = world.api("GET", &path, "").json();
    assert_eq!(world.call("PUT", upload["urls"][0].as_str().unwrap(), &[], b"content").status, 200);
    let body = serde_json::json!({ "uploadKey": upload["uploadKey"] }).to_string();
    let headers =
        [("Authorization", "Bearer tok-1"), ("Content-Type", "application/json"), ("x-ads-user-defined-metadata", metadata)];
    world.call("POST", &path, &headers, body.as_bytes())
}

#[test]
fn refusals() {
    let world = world();
    world.put("a", b"content");
    world.put("b", b"other");
    copy(&world, "tok-1", "none", "c", None).refused(404, "Object not found");
    copy(&world, "none", "a", "c", None).gateway(401, "AUTH-006");
    copy(&world, "reads", "a", "c", None).gateway(403, "AUTH-010");
    copy(&world, "creates", "a", "c", None).gateway(403, "AUTH-010");
    copy(&world, "strange", "a", "c", None).refused(403, "The bucket belongs to another owner");
    let got = world.api("PUT", "/oss/v2/buckets/no-such-bucket/objects/a/copyto/c", "");
    got.refused(404, "Bucket not found");
    for header in [("If-None-Match", "*"), ("If-Match", &sha1(b"content"))] {
        copy(&world, "tok-1", "a", "b", Some(header)).refused(412, "ETag Not Matched");
    }
    assert_eq!(copy(&world, "tok-1", "a", "b", Some(("If-Match", &sha1(b"other")))).status, 200);
    let got = world.api("GET", &format!("{OBJECTS}/a/copyto/c"), "");
    assert_eq!((got.status, got.header("allow")), (405, Some("PUT")));
    assert_eq!(world.api("PUT", &format!("{OBJECTS}/a/copyto/"), "").status, 400);
}

#[test]
fn by_scopes_of_the_vendor() {
    let world = world();
    world.put("a", b"content");
    // Writing is what the vendor asks for; that its key may read is enough.
    assert_eq!(copy(&world, &world.token("data:write"), "a", "b", None).status, 200);
    assert_eq!(copy(&world, &world.token("data:create"), "a", "c", None).status, 200);
    copy(&world, &world.token("data:create"), "a", "c", None).gateway(403, "AUTH-010");
    copy(&world, &world.token("data:read"), "a", "d", None).gateway(403, "AUTH-010");
}
