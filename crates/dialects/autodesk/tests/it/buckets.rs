//! `/oss/v2/buckets`.

use crate::world::*;
use serde_json::json;

#[test]
fn create_show_delete() {
    let world = world();
    let body = r#"{"bucketKey": "my-bucket_1.x", "policyKey": "transient", "allow": []}"#;
    let headers = [("Authorization", "Bearer tok-1"), ("Content-Type", "application/json"), ("x-ads-region", "EMEA")];
    let got = world.call("POST", "//oss/v2/buckets", &headers, body.as_bytes());
    let expected = json!({
        "bucketKey": "my-bucket_1.x",
        "bucketOwner": "cid",
        "createdDate": NOW_MS + 400,
        "permissions": [{ "authId": "cid", "access": "full" }],
        "policyKey": "transient",
    });
    assert_eq!((got.status, got.json()), (200, expected.clone()));
    let details = "/oss/v2/buckets/my-bucket_1.x/details";
    assert_eq!(world.api("GET", details, "").json(), expected);
    world.api("POST", "/oss/v2/buckets", body).refused(409, "Bucket already exists");
    world.api_as("strange", "POST", "/oss/v2/buckets", body).refused(409, "Bucket already exists");
    world.api_as("strange", "GET", details, "").refused(403, "The bucket belongs to another owner");
    let put = world.call("PUT", "/oss/v2/buckets/my-bucket_1.x/objects/a", &[("Authorization", "Bearer tok-1")], b"x");
    assert_eq!(put.status, 200);
    let url = {
        let signed = world.api("POST", "/oss/v2/buckets/my-bucket_1.x/objects/a/signed", "{}").json();
        signed["signedUrl"].as_str().unwrap().to_owned()
    };
    assert!(url.ends_with("?region=EMEA"), "{url}");
    world.api("DELETE", "/oss/v2/buckets/my-bucket_1.x", "").refused(409, "Bucket is not empty");
    // Retention ends the object, and its links.
    world.clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(world.get(&url).status, 404);
    let got = world.api("DELETE", "/oss/v2/buckets/my-bucket_1.x", "");
    assert_eq!((got.status, got.body.len()), (200, 0));
    world.api("DELETE", "/oss/v2/buckets/my-bucket_1.x", "").refused(404, "Bucket not found");
    world.api("GET", details, "").refused(404, "Bucket not found");
}

#[test]
fn refused() {
    let world = world();
    let form = "Valid field 'bucketKey' must be of the form  [-_.a-z0-9]{3,128}";
    for key in ["ab", "Upper", "a/b", "x y z", ""] {
        let body = json!({ "bucketKey": key, "policyKey": "persistent" }).to_string();
        world.api("POST", "/oss/v2/buckets", &body).refused(400, form);
    }
    for body in [
        "",
        "{",
        r#"{"bucketKey": "abc"}"#,
        r#"{"bucketKey": "abc", "policyKey": "eternal"}"#,
        r#"{"bucketKey": "abc", "policyKey": "persistent", "allow": [{"authId": "other", "access": "read"}]}"#,
        r#"{"bucketKey": "abc", "policyKey": "persistent", "allow": [["app"]]}"#,
    ] {
        let got = world.api("POST", "/oss/v2/buckets", body);
        assert!(got.status == 400 && got.json()["reason"].is_string(), "{body}");
    }
    let headers = [("Authorization", "Bearer tok-1"), ("region", "MOON")];
    let got = world.call("POST", "/oss/v2/buckets", &headers, br#"{"bucketKey": "abc", "policyKey": "persistent"}"#);
    assert!(got.status == 400 && got.json()["reason"].as_str().unwrap().contains("region"));
    world.api_as("reads", "POST", "/oss/v2/buckets", "{").gateway(403, "AUTH-010");
    world.api_as("reads", "GET", "/oss/v2/buckets/NONE/details", "").gateway(403, "AUTH-010");
    world.api_as("reads", "DELETE", "/oss/v2/buckets/none", "").gateway(403, "AUTH-010");
}

#[test]
fn pages() {
    let world = world();
    for name in ["b-1", "b-2", "b-3"].map(|name| name.to_owned() + "x") {
        let body = json!({ "bucketKey": name, "policyKey": "persistent" }).to_string();
        assert_eq!(world.api("POST", "/oss/v2/buckets", &body).status, 200);
    }
    let first = world.api("GET", "/oss/v2/buckets?limit=3", "").json();
    let keys = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["bucketKey"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&first), ["apptestbucket", "b-1x", "b-2x"]);
    let item = json!({ "bucketKey": "b-1x", "createdDate": NOW_MS + 400, "policyKey": "persistent" });
    assert_eq!(first["items"][1], item);
    let next = first["next"].as_str().unwrap();
    assert_eq!(next, format!("{BASE}/oss/v2/buckets?startAt=b-2x&limit=3"));
    let last = world.api("GET", next, "").json();
    assert_eq!((keys(&last), last.get("next")), (vec!["b-3x".to_owned()], None));
    assert!(keys(&world.api("GET", "/oss/v2/buckets?region=EMEA", "").json()).is_empty());
    assert_eq!(keys(&world.api_as("strange", "GET", "/oss/v2/buckets", "").json()), ["strange-bucket"]);
    for query in ["limit=0", "limit=101", "limit=x", "startAt=NO"] {
        assert_eq!(world.api("GET", &format!("/oss/v2/buckets?{query}"), "").status, 400, "{query}");
    }
}
