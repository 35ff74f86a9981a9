//! `GET /v1/files`, `GET` and `DELETE /v1/files/{fileId}`.

use crate::world::*;
use serde_json::{Value, json};
use std::time::Duration;

const DELETE: &str = "DELETE";

fn call_as(world: &World, key: &str, method: &str, path: &str, body: &str) -> Got {
    let bearer = format!("Bearer bearer-of-{key}");
    let mut headers = vec![("Authorization", bearer.as_str()), ("Tenant-ID", tenant_of(key))];
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json"));
    }
    world.call(method, path, &headers, body.as_bytes())
}

fn call(world: &World, method: &str, path: &str) -> Got {
    call_as(world, "app", method, path, "")
}

#[track_caller]
fn ok(got: &Got) -> Value {
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!((got.header("cache-control"), got.header("access-control-allow-origin")), (Some("no-store"), Some("*")));
    got.json()
}

/// A page, and the ids on it.
#[track_caller]
fn page(world: &World, query: &str) -> (Vec<String>, Value) {
    let body = ok(&call(world, "GET", &format!("/v1/files{query}")));
    let ids: Vec<String> = body["files"].as_array().unwrap().iter().map(|file| text(file, "fileId")).collect();
    assert_eq!((&body["count"], &body["hasMore"]), (&json!(ids.len()), &json!(body["nextCursor"].is_string())), "{body}");
    (ids, body)
}

fn upload_later(world: &World, name: &str) -> String {
    world.clock.advance(Duration::from_secs(1));
    world.upload(name, "text/plain", b"content")
}

#[test]
fn a_file_has_all_its_names() {
    let world = world();
    let id = world.upload("contract-order-123.pdf", "application/pdf", b"a contract");
    let file = ok(&call(&world, "GET", &format!("/v1/files/{id}")));
    let key = id.strip_prefix("file_").unwrap();
    let expected = json!({
        "fileId": id,
        "tenantId": "acme",
        "orderId": "",
        "customerId": "",
        "type": "document",
        "fileType": "document",
        "category": "uploaded",
        "filename": "contract-order-123.pdf",
        "fileName": "contract-order-123.pdf",
        "originalFilename": "contract-order-123.pdf",
        "contentType": "application/pdf",
        "mimeType": "application/pdf",
        "fileSize": 10,
        "size": 10,
        "storagePath": format!("files-acme/{key}/contract-order-123.pdf"),
        "uploadedBy": "",
        "createdAt": "2027-01-15T08:00:00.400Z",
        "updatedAt": "2027-01-15T08:00:00.400Z",
        "metadata": {},
    });
    assert_eq!(file, expected);
    assert_eq!(ok(&call(&world, "GET", &format!("/v1/files/{}", id.replace('_', "%5F")))), expected);
    let listed = json!({
        "files": [expected],
        "count": 1,
        "limit": 50,
        "offset": 0,
        "filters": {},
        "hasMore": false,
        "nextCursor": null,
    });
    assert_eq!(ok(&call(&world, "GET", "/v1/files")), listed);
    // Of another bucket, and of an upload that said nothing.
    let bare = world.put("reports", "q3", None, b"");
    let file = ok(&call(&world, "GET", &format!("/v1/files/{bare}")));
    assert_eq!((&file["mimeType"], &file["size"]), (&json!("application/octet-stream"), &json!(0)));
    assert_eq!((&file["storagePath"], &file["fileName"]), (&json!("reports/q3"), &json!("q3")));
    assert_eq!(ok(&call(&world, "GET", "/v1/files")), listed);
}

#[test]
fn both_ways_to_page() {
    let world = world();
    let mut newest: Vec<String> = (0..7).map(|number| upload_later(&world, &format!("{number}.txt"))).collect();
    let oldest = newest.clone();
    newest.reverse();
    for (direction, expected) in [("", &newest), ("&sortBy=createdAt&sortDir=desc", &newest), ("&sortDir=asc", &oldest)] {
        for limit in [1, 2, 3, 7, 100] {
            // By cursor, as the vendor's overview has it; and by the last id.
            for by_id in [false, true] {
                let (mut found, mut after) = (Vec::new(), String::new());
                loop {
                    let (ids, body) = page(&world, &format!("?limit={limit}{direction}{after}"));
                    assert_eq!((&body["limit"], &body["offset"]), (&json!(limit), &json!(0)));
                    found.extend(ids.clone());
                    let Some(next) = body["nextCursor"].as_str() else { break };
                    after = format!("&startAfter={}", if by_id { ids.last().unwrap() } else { next });
                }
                assert_eq!(&found, expected, "{direction} by {limit}, by id {by_id}");
            }
            let mut found = Vec::new();
            while found.len() < expected.len() {
                let (ids, body) = page(&world, &format!("?limit={limit}{direction}&offset={}", found.len()));
                assert_eq!(body["offset"], found.len());
                found.extend(ids);
            }
            assert_eq!(&found, expected, "{direction} by {limit}");
        }
    }
    assert_eq!(page(&world, "?offset=7").0, [""; 0]);
    // A cursor outlives its file; an id does not.
    let (ids, body) = page(&world, "?limit=3");
    let cursor = text(&body, "nextCursor");
    assert_eq!(call(&world, DELETE, &format!("/v1/files/{}", ids[2])).status, 200);
    upload_later(&world, "newer.txt");
    assert_eq!(page(&world, &format!("?startAfter={cursor}")).0, newest[3..]);
    assert_eq!(page(&world, &format!("?startAfter={cursor}&offset=1&limit=2")).0, newest[4..6]);
    call(&world, "GET", &format!("/v1/files?startAfter={}", ids[2])).invalid(&[("startAfter", "invalid_string")]);
}

#[test]
fn filters() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    for (query, filters, matches) in [
        ("?type=document", json!({ "type": "document" }), true),
        ("?orderId=&type=&customerId=", json!({}), true),
        ("?type=contract", json!({ "type": "contract" }), false),
        ("?orderId=ord_abc123", json!({ "orderId": "ord_abc123" }), false),
        ("?customerId=cust_1&type=document", json!({ "customerId": "cust_1", "type": "document" }), false),
    ] {
        let (ids, body) = page(&world, query);
        assert_eq!(body["filters"], filters, "{query}");
        assert_eq!(ids, if matches { vec![id.clone()] } else { Vec::new() }, "{query}");
    }
}

#[test]
fn what_is_wrong_with_a_page_is_told_at_once() {
    let world = world();
    let wrong = "?limit=0&offset=-1&startAfter=x&sortBy=size&sortDir=up";
    call(&world, "GET", &format!("/v1/files{wrong}")).invalid(&[
        ("limit", "too_small"),
        ("offset", "too_small"),
        ("startAfter", "invalid_string"),
        ("sortBy", "invalid_enum_value"),
        ("sortDir", "invalid_enum_value"),
    ]);
    call(&world, "GET", "/v1/files?limit=101").invalid(&[("limit", "too_big")]);
    call(&world, "GET", "/v1/files?limit=ten").invalid(&[("limit", "invalid_type")]);
}

#[test]
fn what_is_pending_is_not_there_yet() {
    let world = world();
    let given = world.given(json!({ "action": "upload", "fileName": "a.txt", "contentType": "text/plain" }));
    let path = format!("/v1/files/{}", text(&given, "fileId"));
    call(&world, "GET", &path).refused(404, "NOT_FOUND");
    assert_eq!(page(&world, "").0, [""; 0]);
    // It can be called off.
    ok(&call(&world, DELETE, &path));
    let put = world.call("PUT", &text(&given, "url"), &[("Content-Type", "text/plain")], b"x");
    put.refused(404, "NOT_FOUND");
}

#[test]
fn a_deletion_with_and_without_a_body() {
    let world = world();
    for body in ["", "{}", "{\n  \"deleteFromStorage\": true\n}"] {
        let id = world.upload("a.txt", "text/plain", b"content");
        let url = world.url(json!({ "fileId": id }));
        let path = format!("/v1/files/{id}");
        let told = ok(&call_as(&world, "app", DELETE, &path, body));
        assert_eq!(told, json!({ "success": true, "message": "The file was deleted", "fileId": id }), "{body}");
        call(&world, "GET", &path).refused(404, "NOT_FOUND");
        call_as(&world, "app", DELETE, &path, body).refused(404, "NOT_FOUND");
        world.get(&url).refused(404, "NOT_FOUND");
        world.ask(&json!({ "fileId": id }).to_string()).refused(404, "NOT_FOUND");
    }
    assert_eq!(page(&world, "").0, [""; 0]);
    let buckets = ["files-acme".parse().unwrap()];
    let left = world.runtime.block_on(world.service.objects(&world.principal("app"), &buckets[0], "", None, 10)).unwrap();
    assert_eq!(left.objects.len(), 0);
    // With a type and no body, as many programs send it.
    let id = world.upload("a.txt", "text/plain", b"content");
    let fields = [("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "acme"), ("Content-Type", "application/json")];
    ok(&world.call(DELETE, &format!("/v1/files/{id}"), &fields, b""));
}

#[test]
fn a_deletion_may_leave_the_bytes() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"content");
    let url = world.url(json!({ "fileId": id }));
    let path = format!("/v1/files/{id}");
    let storage_path = text(&ok(&call(&world, "GET", &path)), "storagePath");
    let told = ok(&call_as(&world, "app", DELETE, &path, r#"{"deleteFromStorage": false}"#));
    let message = format!("The file was deleted; its bytes stay in storage at {storage_path}");
    assert_eq!(told, json!({ "success": true, "message": message, "fileId": id }));
    call(&world, "GET", &path).refused(404, "NOT_FOUND");
    assert_eq!(page(&world, "").0, [""; 0]);
    world.get(&url).refused(404, "NOT_FOUND");
    let (bucket, key) = storage_path.split_once('/').unwrap();
    let (bucket, key) = (bucket.parse().unwrap(), key.parse().unwrap());
    let object = world.runtime.block_on(world.service.object(&world.principal("app"), &bucket, &key)).unwrap();
    assert_eq!(object.size_bytes, 7);
}

#[test]
fn a_deletion_that_is_none_deletes_nothing() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"content");
    let path = format!("/v1/files/{id}");
    for (body, at, code) in [
        ("{", "", "invalid_json"),
        ("null", "", "invalid_type"),
        (r#"{"deleteFromStorage": null}"#, "deleteFromStorage", "invalid_type"),
        (r#"{"deleteFromStorage": "false"}"#, "deleteFromStorage", "invalid_type"),
    ] {
        call_as(&world, "app", DELETE, &path, body).invalid(&[(at, code)]);
    }
    let fields = [("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "acme"), ("Content-Type", "text/plain")];
    world.call(DELETE, &path, &fields, b"{}").invalid(&[("", "invalid_content_type")]);
    for key in ["reader", "creator"] {
        call_as(&world, key, DELETE, &path, "").refused(403, "INSUFFICIENT_PERMISSIONS");
        call_as(&world, key, DELETE, &path, r#"{"deleteFromStorage": false}"#).refused(403, "INSUFFICIENT_PERMISSIONS");
    }
    ok(&call(&world, "GET", &path));
}

#[test]
fn who_may_look_and_list() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    let path = format!("/v1/files/{id}");
    for key in ["app", "reader", "signless"] {
        ok(&call_as(&world, key, "GET", &path, ""));
        ok(&call_as(&world, key, "GET", "/v1/files", ""));
    }
    for path in [path.as_str(), "/v1/files", "/v1/files?orderId=x"] {
        call_as(&world, "creator", "GET", path, "").refused(403, "INSUFFICIENT_PERMISSIONS");
        world.get(path).refused(401, "AUTH_REQUIRED");
        let fields = [("Authorization", "Bearer bearer-of-app"), ("Tenant-ID", "other")];
        world.call("GET", path, &fields, b"").refused(403, "NO_TENANT_ACCESS");
    }
    // Another tenant's is not there.
    assert_eq!(ok(&call_as(&world, "stranger", "GET", "/v1/files", ""))["files"], json!([]));
    let unknown = "/v1/files/file_AAAAAAAAAAAAAAAAAAAAAA";
    for method in ["GET", DELETE] {
        let told = call_as(&world, "stranger", method, &path, "").refused(404, "NOT_FOUND");
        assert_eq!(told, call_as(&world, "stranger", method, unknown, "").refused(404, "NOT_FOUND"));
    }
    let start = format!("/v1/files?startAfter={id}");
    call_as(&world, "stranger", "GET", &start, "").invalid(&[("startAfter", "invalid_string")]);
    for none in ["file_abc123", "x", "%ff", "file_"] {
        call(&world, "GET", &format!("/v1/files/{none}")).refused(404, "NOT_FOUND");
        call(&world, DELETE, &format!("/v1/files/{none}")).refused(404, "NOT_FOUND");
    }
}

#[test]
fn methods_and_paths() {
    let world = world();
    for (path, allow) in
        [("/v1/files", "GET, OPTIONS"), ("/v1/files/url", "POST, OPTIONS"), ("/v1/files/file_abc123", "GET, DELETE, OPTIONS")]
    {
        for method in ["HEAD", "PUT", "PATCH", "TRACE"] {
            let got = call(&world, method, path);
            assert_eq!((got.status, got.header("allow")), (405, Some(allow)), "{method} {path}");
        }
    }
    for path in ["/v1/files/", "/v1/files/a/b", "/v1/files/url/"] {
        call(&world, "GET", path).refused(404, "NOT_FOUND");
    }
}
