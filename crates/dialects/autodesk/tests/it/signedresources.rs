//! `/oss/v2/signedresources/:id`, and its other address `/oss/v2/:bucketKey/:id`.

use crate::world::*;
use serde_json::json;
use std::io::Write as _;
use std::time::Duration;

const GONE: &str = "The specified resource does not exist";

fn id_of(url: &str) -> String {
    url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

#[test]
fn get_and_head() {
    let world = world();
    world.put("dir%2Ftest.txt", b"0123456789");
    let url = world.sign("dir%2Ftest.txt", "{}");
    let etag = format!("\"{}\"", sha1(b"0123456789"));
    for method in ["GET", "HEAD"] {
        // A stray credential, and a request id as a validator, are ignored.
        let headers = [("Authorization", "Bearer nonsense"), ("If-None-Match", "0.83:bucket%2Fkey")];
        let got = world.call(method, &url, &headers, b"");
        assert_eq!((got.status, got.header("content-length")), (200, Some("10")), "{method}");
        assert_eq!(got.header("etag"), Some(etag.as_str()));
        assert_eq!(got.header("content-type"), Some("text/plain"));
        assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"test.txt\""));
        assert_eq!(got.header("accept-ranges"), Some("bytes"));
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
        assert_eq!(got.header("access-control-allow-credentials"), None);
        assert_eq!(got.body.len(), if method == "GET" { 10 } else { 0 });
    }
}

#[test]
fn ranges_and_preconditions() {
    let world = world();
    world.put("test.txt", b"0123456789");
    let url = world.sign("test.txt", "{}");
    let sha1 = sha1(b"0123456789");
    let get = |headers: &[(&str, &str)]| world.call("GET", &url, headers, b"");
    let got = get(&[("Range", "bytes=0-5242880")]);
    assert_eq!((got.status, got.header("content-range")), (206, Some("bytes 0-9/10")));
    assert_eq!(get(&[("Range", "bytes=7-")]).text(), "789");
    let got = get(&[("Range", "bytes=10-")]);
    got.refused(416, "Requested range not satisfiable");
    assert_eq!(got.header("content-range"), Some("bytes */10"));
    for etag in [sha1.clone(), sha1.to_ascii_uppercase(), format!("\"{sha1}\"")] {
        assert_eq!(get(&[("If-None-Match", &etag)]).status, 304, "{etag}");
        assert_eq!(get(&[("If-Match", &etag)]).status, 200, "{etag}");
    }
    get(&[("If-Match", &"0".repeat(40))]).refused(412, "ETag Not Matched");
    assert_eq!(get(&[("If-None-Match", "0123")]).status, 200);
}

#[test]
fn put_replaces() {
    let world = world();
    world.put("a%20b.txt", b"old");
    let url = world.sign("a%20b.txt?access=write", "{}");
    let headers = [("Content-Type", "image/png"), ("Content-Disposition", "attachment; filename=\"x.png\"")];
    let put = world.call("PUT", &url, &headers, b"new");
    let expected = json!({
        "bucketKey": "apptestbucket",
        "objectId": "urn:adsk.objects:os.object:apptestbucket/a b.txt",
        "objectKey": "a b.txt",
        "sha1": sha1(b"new"),
        "size": 3,
        "contentType": "image/png",
        "location": "https://developer.api.autodesk.com/oss/v2/buckets/apptestbucket/objects/a%20b.txt",
    });
    assert_eq!((put.status, put.json()), (200, expected));
    assert_eq!(put.header("etag"), Some(format!("\"{}\"", sha1(b"new")).as_str()));
    // As often as wanted, and only for writing.
    assert_eq!(world.call("PUT", &url, &[], b"").status, 200);
    for method in ["GET", "HEAD"] {
        assert_eq!(world.call(method, &url, &[], b"").status, 403, "{method}");
    }
    world.get(&url).refused(403, "Signed Resource does not grant read permissions");
    // Links for reading outlive the overwriting.
    let read = world.sign("a%20b.txt", "{}");
    world.call("PUT", &url, &headers, b"newer");
    let got = world.get(&read);
    assert_eq!((got.text(), got.header("content-type")), ("newer", Some("image/png")));
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"x.png\""));
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    let world = world();
    world.put("a.txt", b"0123456789");
    let id = world.sign("a.txt?access=readwrite", "{}");
    let object = "/oss/v2/buckets/apptestbucket/objects/a.txt";
    for range in ["bytes 5-9/10", "bytes 0-4/10", "bytes 0-4/5", "bytes */10", ""] {
        let headers = [("Authorization", "Bearer tok-1"), ("Content-Range", range)];
        for url in [id.as_str(), object] {
            let put = world.call("PUT", url, &headers, b"56789");
            put.refused(400, "Content-Range is not supported here: send the whole object");
            assert_eq!(put.header("connection"), Some("close"), "{url} {range}");
        }
    }
    assert_eq!(world.get(&id).text(), "0123456789");
}

#[test]
fn put_with_preconditions() {
    let world = world();
    world.put("test.txt", b"one");
    let url = world.sign("test.txt?access=readwrite", "{\"singleUse\": true}");
    let put = |headers: &[(&str, &str)], body: &[u8]| world.call("PUT", &url, headers, body);
    put(&[("If-Match", &sha1(b"two"))], b"three").refused(412, "ETag Not Matched");
    put(&[("If-Match", "nonsense")], b"three").refused(412, "ETag Not Matched");
    put(&[("Content-MD5", "nonsense")], b"three").refused(400, "Mismatched checksums");
    // None of these was the one use.
    assert_eq!(put(&[("If-Match", &sha1(b"one"))], b"three").json()["sha1"], sha1(b"three"));
    put(&[], b"four").refused(404, GONE);
}

#[test]
fn a_form_is_bytes_and_the_last_request() {
    let world = world();
    world.put("test.txt", b"old");
    let url = world.sign("test.txt?access=readwrite", "{}");
    let target = url.strip_prefix(BASE).unwrap();
    let mut stream = world.connect();
    // A published client says 10 bytes and sends 15.
    let head = format!("PUT {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    stream.write_all(format!("{head}Content-Length: 10\r\n\r\nbody=plain+text").as_bytes()).unwrap();
    let put = read(&mut stream, false);
    assert_eq!((put.status, put.header("connection")), (200, Some("close")));
    let got = world.get(&url);
    assert_eq!((got.text(), got.header("content-type")), ("body=plain", Some("application/x-www-form-urlencoded")));
    assert_eq!(world.call("PUT", &url, &[("Content-Type", "text/plain;charset=UTF-8")], b"x").header("connection"), None);
}

#[test]
fn what_does_not_work_is_told_alike() {
    let world = world();
    world.put("test.txt", b"content");
    let used = world.sign("test.txt?access=readwrite", "{\"singleUse\": true}");
    let revoked = world.sign("test.txt?access=readwrite", "{}");
    let short = world.sign("test.txt?access=readwrite", "{\"minutesExpiration\": 1}");
    assert_eq!(world.get(&used).text(), "content");
    assert_eq!(world.api("DELETE", &revoked, "").status, 200);
    world.clock.advance(Duration::from_secs(61));
    let unknown = "/oss/v2/signedresources/00000000-0000-4000-8000-000000000000?region=US";
    for url in [used.as_str(), &revoked, &short, unknown, "/oss/v2/signedresources/none"] {
        for method in ["GET", "PUT"] {
            let got = world.call(method, url, &[], b"");
            got.refused(404, GONE);
            assert_eq!((got.header("retry-after"), got.header("cache-control")), (None, Some("no-store")), "{url}");
            assert_eq!(got.header("access-control-allow-origin"), Some("*"));
        }
    }
    for url in [revoked.as_str(), &short, unknown] {
        assert_eq!(world.call("HEAD", url, &[], b"").status, 404, "{url}");
    }
}

#[test]
fn one_use_is_one_holders() {
    let world = world();
    let content = valetkey_testkit::seeded_bytes(1, 64 << 20);
    world.put("big", &content);
    let url = world.sign("big", "{\"singleUse\": true}");
    // What is not the content does not count.
    assert_eq!(world.call("HEAD", &url, &[], b"").status, 200);
    assert_eq!(world.call("GET", &url, &[("If-None-Match", &sha1(&content))], b"").status, 304);
    assert_eq!(world.call("GET", &url, &[("Range", "bytes=999999999-")], b"").status, 416);
    let mut holder = world.connect();
    let target = url.strip_prefix(BASE).unwrap();
    holder.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    // The first bytes of the answer say that the holder has the use.
    let mut first = [0; 1];
    std::io::Read::read_exact(&mut holder, &mut first).unwrap();
    let another = world.call("GET", &url, &[("User-Agent", "another")], b"");
    another.refused(404, GONE);
    assert_eq!(another.header("retry-after"), None);
    let mut rest = Vec::new();
    let mut piece = vec![0; 1 << 20];
    while !rest.ends_with(content.get(content.len() - 64..).unwrap()) {
        let n_read = std::io::Read::read(&mut holder, &mut piece).unwrap();
        assert!(n_read > 0, "the transfer ended early");
        rest.extend_from_slice(piece.get(..n_read).unwrap());
    }
    assert!(rest.ends_with(&content));
    world.get(&url).refused(404, GONE);
}

#[test]
fn the_other_address_is_for_its_bucket_alone() {
    let world = world();
    assert_eq!(world.api("POST", "/oss/v2/buckets", r#"{"bucketKey": "second", "policyKey": "persistent"}"#).status, 200);
    world.put("test.txt", b"content");
    let id = id_of(&world.sign("test.txt?access=readwrite", "{}"));
    let own = format!("/oss/v2/apptestbucket/{id}");
    assert_eq!(world.get(&format!("{own}?region=EMEA")).text(), "content");
    assert_eq!(world.call("HEAD", &own, &[], b"").status, 200);
    assert_eq!(world.call("PUT", &own, &[], b"new").status, 200);
    assert_eq!(world.get(&own.to_ascii_uppercase().replace("/OSS/V2/APPTESTBUCKET", "/oss/v2/apptestbucket")).text(), "new");
    for bucket in ["second", "strange-bucket", "no-such-bucket"] {
        for method in ["GET", "PUT"] {
            world.call(method, &format!("/oss/v2/{bucket}/{id}"), &[], b"").refused(404, GONE);
        }
    }
    for path in [format!("/oss/v2/Upper/{id}"), "/oss/v2/apptestbucket/test.txt".into(), format!("/oss/v2/uploads/{id}")] {
        assert_eq!(world.get(&path).status, 404, "{path}");
    }
    // A bucket has precedence over it.
    assert_eq!(world.call("GET", &format!("/oss/v2/buckets/{id}"), &[], b"").status, 405);
}

#[test]
fn deletion_kills_for_good() {
    let world = world();
    world.put("test.txt", b"content");
    let urls = [world.sign("test.txt", "{}"), world.sign("test.txt?access=write", "{}")];
    let object = "/oss/v2/buckets/apptestbucket/objects/test.txt";
    assert_eq!(world.api("DELETE", object, "").status, 200);
    world.put("test.txt", b"another");
    world.get(&urls[0]).refused(404, GONE);
    world.call("PUT", &urls[1], &[], b"x").refused(404, GONE);
}

#[test]
fn delete_revokes_the_link_alone() {
    let world = world();
    world.put("test.txt", b"content");
    let (url, other) = (world.sign("test.txt", "{}"), world.sign("test.txt", "{}"));
    world.call("DELETE", &url, &[], b"").gateway(401, "AUTH-012");
    world.api_as("reads", "DELETE", &url, "").gateway(403, "AUTH-010");
    world.api_as("strange", "DELETE", &url, "").refused(403, "The bucket belongs to another owner");
    assert_eq!(world.get(&url).status, 200);
    let got = world.api("DELETE", &url, "");
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(got.text(), format!("Signed resource deleted successfully: {}", id_of(&url)));
    world.get(&url).refused(404, GONE);
    world.api("DELETE", &url, "").refused(404, "Hash does not exist");
    world.api("DELETE", "/oss/v2/signedresources/none", "").refused(404, "Hash does not exist");
    assert_eq!(world.get(&other).text(), "content", "the object stays");
}

#[test]
fn overrides_lead_to_attachments_only() {
    let world = world();
    world.put("test.txt", b"content");
    let url = world.sign("test.txt", "{}");
    let get = |query: &str| world.get(&format!("{url}&{query}"));
    let got =
        get("response-content-disposition=attachment%3B%20filename%3D%22..%2Fb%0D%0A.csv%22&response-content-type=text%2Fcsv");
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"b.csv\""));
    assert_eq!(got.header("content-type"), Some("text/csv"));
    let got = get("response-content-disposition=inline%3B%20filename%3Da.html&response-content-type=nonsense");
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"test.txt\""));
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    // What the owner has made to be shown keeps its type.
    let url = world.sign("test.txt", "{\"contentDisposition\": \"inline\"}");
    let got = world.get(&format!("{url}&response-content-type=text%2Fhtml"));
    assert_eq!(got.header("content-disposition"), Some("inline; filename=\"test.txt\""));
    assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn preflight_and_other_methods() {
    let world = world();
    for path in ["/oss/v2/signedresources/none", "/oss/v2/apptestbucket/00000000-0000-4000-8000-000000000000"] {
        let got = world.call("OPTIONS", path, &[("Access-Control-Request-Headers", "content-type, if-match")], b"");
        assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some("*")), "{path}");
        assert_eq!(got.header("access-control-allow-headers"), Some("content-type, if-match"));
        assert!(got.header("access-control-allow-methods").unwrap().contains("PUT"));
    }
    world.put("test.txt", b"content");
    let got = world.call("POST", &world.sign("test.txt", "{}"), &[], b"");
    assert_eq!((got.status, got.header("allow")), (405, Some("GET, HEAD, PUT, DELETE, OPTIONS")));
}
