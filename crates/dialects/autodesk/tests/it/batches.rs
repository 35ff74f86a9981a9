//! `/oss/v2/buckets/:bucketKey/objects/batch…`.

use crate::world::*;
use serde_json::{Value, json};

const OBJECTS: &str = "/oss/v2/buckets/apptestbucket/objects";

fn batch(world: &World, token: &str, name: &str, requests: &Value) -> Got {
    world.api_as(token, "POST", &format!("{OBJECTS}/{name}"), &json!({ "requests": requests }).to_string())
}

/// Begins uploads of these keys and puts each key as its content; gives their handles.
fn uploaded(world: &World, keys: &[&str]) -> Vec<String> {
    let requests: Value = keys.iter().map(|key| json!({ "objectKey": key })).collect();
    let begun = batch(world, "tok-1", "batchsigneds3upload?minutesExpiration=10&useAcceleration=false", &requests).json();
    let put = |key: &&str| {
        let upload = &begun["results"][*key];
        let put = world.call("PUT", upload["urls"][0].as_str().unwrap(), &[], key.as_bytes());
        assert_eq!(put.header("etag"), Some(format!("\"{}\"", md5(key.as_bytes())).as_str()));
        upload["uploadKey"].as_str().unwrap().to_owned()
    };
    keys.iter().map(put).collect()
}

#[test]
fn up_and_down() {
    let world = world();
    let keys = ["dir/a b.txt", "ü%2F.txt"];
    let handles = uploaded(&world, &keys);
    let complete = json!([
        {
            "objectKey": keys[0], "uploadKey": handles[0], "size": keys[0].len(), "eTags": [md5(keys[0].as_bytes())],
            "x-ads-meta-Content-Type": "text/x-a", "x-ads-meta-Content-Disposition": "attachment; filename=\"saved.txt\"",
            "x-ads-user-defined-metadata": "{}",
        },
        { "objectKey": keys[1], "uploadKey": handles[1] },
        { "objectKey": "none", "uploadKey": "upl_none" },
        { "objectKey": "kept", "uploadKey": handles[1], "x-ads-user-defined-metadata": "[]" },
    ]);
    let done = batch(&world, "tok-1", "batchcompleteupload", &complete).json();
    assert_eq!(done["results"].as_object().unwrap().len(), 4);
    assert_eq!(
        done["results"][keys[0]],
        json!({
            "bucketKey": "apptestbucket",
            "objectId": "urn:adsk.objects:os.object:apptestbucket/dir/a b.txt",
            "objectKey": keys[0],
            "sha1": sha1(keys[0].as_bytes()),
            "size": keys[0].len(),
            "contentType": "text/x-a",
            "location": "https://developer.api.autodesk.com/oss/v2/buckets/apptestbucket/objects/dir%2Fa%20b.txt",
        })
    );
    assert_eq!(done["results"][keys[1]]["sha1"], sha1(keys[1].as_bytes()));
    assert_eq!(done["results"]["none"], json!({ "uploadKey": "upl_none", "status": "error", "reason": "InvalidUploadKey" }));
    assert_eq!(done["results"]["kept"]["status"], "error");

    let asked = json!([
        { "objectKey": keys[0], "response-content-type": "text/x-b", "response-content-disposition": "attachment; filename=\"b\"" },
        { "objectKey": keys[1], "If-None-Match": sha1(keys[1].as_bytes()) },
        { "objectKey": "none" },
    ]);
    let found = batch(&world, "tok-1", "batchsigneds3download?useCdn=true&public-resource-fallback=false", &asked).json();
    let download = &found["results"][keys[0]];
    assert_eq!((&download["status"], &download["size"]), (&json!("complete"), &json!(keys[0].len())));
    assert_eq!(download["params"], json!({ "content-type": "text/x-b", "content-disposition": "attachment; filename=\"b\"" }));
    assert!(download["url"].as_str().unwrap().starts_with(CDN));
    assert_eq!(world.get(download["url"].as_str().unwrap()).text(), keys[0]);
    assert_eq!(found["results"][keys[1]], json!({ "status": "skipped", "reason": "Not modified" }));
    assert_eq!(found["results"]["none"], json!({ "status": "error", "reason": "Object not found" }));
}

#[test]
fn parts_of_one_upload() {
    let world = world();
    let begun = batch(&world, "tok-1", "batchsigneds3upload", &json!([{ "objectKey": "a", "parts": 2, "firstPart": 1 }])).json();
    let upload = &begun["results"]["a"];
    assert_eq!(upload["urls"].as_array().unwrap().len(), 2);
    let more = json!([{ "objectKey": "a", "uploadKey": upload["uploadKey"], "firstPart": 2.0, "parts": null }]);
    let more = batch(&world, "tok-1", "batchsigneds3upload", &more).json();
    assert_eq!(more["results"]["a"]["uploadKey"], upload["uploadKey"]);
    for (url, part) in [(&more["results"]["a"]["urls"][0], b"two"), (&upload["urls"][0], b"one")] {
        assert_eq!(world.call("PUT", url.as_str().unwrap(), &[], part).status, 200);
    }
    // A part that is smaller than the vendor's is said to be, where something else is wrong.
    let wrong = json!([{ "objectKey": "a", "uploadKey": upload["uploadKey"], "size": 7 }]);
    let failed = batch(&world, "tok-1", "batchcompleteupload", &wrong).json();
    let expected = json!({
        "uploadKey": upload["uploadKey"],
        "status": "error",
        "reason": "MissingOrInvalidParts",
        "size": { "expected": 7, "detected": 6 },
        "parts": [
            { "part": 1, "size": 3, "eTag": md5(b"one"), "status": "TooSmall" },
            { "part": 2, "size": 3, "eTag": md5(b"two"), "status": "Ok" },
        ],
    });
    assert_eq!(failed["results"]["a"], expected);
    let right = json!([{ "objectKey": "a", "uploadKey": upload["uploadKey"] }]);
    assert_eq!(batch(&world, "tok-1", "batchcompleteupload", &right).json()["results"]["a"]["sha1"], sha1(b"onetwo"));
}

#[test]
fn what_fails_for_all_fails_the_call() {
    let world = world();
    let one = json!([{ "objectKey": "a", "uploadKey": "upl_a" }]);
    for name in ["batchsigneds3upload", "batchcompleteupload", "batchsigneds3download"] {
        batch(&world, "none", name, &one).gateway(401, "AUTH-006");
        batch(&world, "strange", name, &one).refused(403, "The bucket belongs to another owner");
        let path = format!("/oss/v2/buckets/no-such-bucket/objects/{name}");
        world.api("POST", &path, &json!({ "requests": one }).to_string()).refused(404, "Bucket not found");
        let many: Value = (0..26).map(|number| json!({ "objectKey": number.to_string(), "uploadKey": "upl_a" })).collect();
        batch(&world, "tok-1", name, &many).refused(400, "Invalid field 'requests': expected 1 to 25, found 26");
        batch(&world, "tok-1", name, &json!([])).refused(400, "Invalid field 'requests': expected 1 to 25, found 0");
        let twice = json!([one[0], one[0]]);
        batch(&world, "tok-1", name, &twice).refused(400, "Invalid field 'requests': an objectKey stands more than once");
        let empty = json!([{ "objectKey": "", "uploadKey": "upl_a" }]);
        batch(&world, "tok-1", name, &empty)
            .refused(400, "The objectKey must be an object key: 1 to 1024 bytes of UTF-8 without NUL");
        for body in ["", "[]", "{}", r#"{"requests": {}}"#, r#"{"requests": [[]]}"#, r#"{"requests": [{}]}"#] {
            assert_eq!(world.api("POST", &format!("{OBJECTS}/{name}"), body).status, 400, "{name}: {body}");
        }
        let got = world.api("GET", &format!("{OBJECTS}/{name}"), "");
        assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    }
    batch(&world, "reads", "batchsigneds3upload", &one).gateway(403, "AUTH-010");
    batch(&world, "creates", "batchsigneds3download", &one).gateway(403, "AUTH-010");
    batch(&world, "tok-1", "batchsigneds3upload?minutesExpiration=61", &one)
        .refused(400, "Invalid query parameter 'minutesExpiration': expected 1 to 60");
    let parts = json!([{ "objectKey": "a", "parts": 5_000 }, { "objectKey": "b", "parts": 5_001 }]);
    batch(&world, "tok-1", "batchsigneds3upload", &parts)
        .refused(400, "Invalid field 'requests': expected at most 10000 parts in all");
    let parts = json!([{ "objectKey": "a", "parts": 0 }]);
    batch(&world, "tok-1", "batchsigneds3upload", &parts).refused(400, "Invalid field 'parts': expected 1 to 10000");
    let parts = json!([{ "objectKey": "a" }, { "objectKey": "b", "parts": 2, "firstPart": 10_000 }]);
    let got = batch(&world, "tok-1", "batchsigneds3upload", &parts).json();
    assert_eq!(got["results"]["a"]["urls"].as_array().unwrap().len(), 1);
    assert_eq!(got["results"]["b"]["status"], "error");
}

#[test]
fn creators_do_not_replace() {
    let world = world();
    world.put("a", b"content");
    let begun = batch(&world, "creates", "batchsigneds3upload", &json!([{ "objectKey": "a" }, { "objectKey": "b" }])).json();
    let upload = |key: &str| begun["results"][key].clone();
    for key in ["a", "b"] {
        world.call("PUT", upload(key)["urls"][0].as_str().unwrap(), &[], b"other");
    }
    let complete: Value =
        ["a", "b"].map(|key| json!({ "objectKey": key, "uploadKey": upload(key)["uploadKey"] })).into_iter().collect();
    let done = batch(&world, "creates", "batchcompleteupload", &complete).json();
    let reason = "Token does not have the privilege for this request.";
    assert_eq!(done["results"]["a"], json!({ "status": "error", "reason": reason }));
    assert_eq!(done["results"]["b"]["size"], 5);
}

#[test]
fn objects_may_be_named_as_a_batch_is() {
    let world = world();
    world.put("%62atchcompleteupload", b"content");
    assert_eq!(world.api("GET", &format!("{OBJECTS}/%62atchcompleteupload"), "").text(), "content");
}
