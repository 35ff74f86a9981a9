//! `POST /vk/v1/signed-urls`.

use crate::world::*;
use serde_json::{Value, json};

#[test]
fn one_or_an_array() {
    let world = world();
    world.put("q3.txt", "the report");
    // An integer is one in every spelling.
    for (form, uses, seconds) in [("token", json!(2), json!(60)), ("link", json!(2.0), json!(6e1))] {
        let issued = world.issue("q3.txt", json!({ "form": form, "uses": uses, "expires_in_seconds": seconds }));
        let url = issued["url"].as_str().unwrap();
        let begins =
            if form == "token" { "https://files.example.org/o/reports/q3.txt?cat=" } else { "https://files.example.org/l/" };
        assert!(url.starts_with(begins), "{url}");
        let link_id = issued["link_id"].as_str().unwrap();
        assert!(link_id.starts_with("lnk_") && link_id.len() == 26, "{link_id}");
        let expected = json!({
            "url": url, "link_id": link_id, "expires_at": "2027-01-15T08:01:00Z", "permission": "read", "uses": 2,
            "required_headers": {},
        });
        assert_eq!(issued, expected);
        assert_eq!(world.get(url).body, b"the report");
    }
    let one = json!({ "bucket": "reports", "key": "q3.txt", "permission": "read" });
    let many = world.api("POST", "/signed-urls", &json!([one, one, one]).to_string());
    assert_eq!((many.status, many.json().as_array().unwrap().len()), (201, 3));
    let write = world.issue("new", json!({ "permission": "write", "upload": { "types": ["image/png"] } }));
    assert_eq!((&write["uses"], &write["required_headers"]), (&json!(1), &json!({ "Content-Type": "image/png" })));
}

#[test]
fn names_of_every_kind() {
    let world = world();
    for (key, path) in [
        ("a b+c.txt", "a%20b%2Bc.txt"),
        ("50%.txt", "50%25.txt"),
        ("a%2Fb", "a%252Fb"),
        ("تقرير.pdf", "%D8%AA%D9%82%D8%B1%D9%8A%D8%B1.pdf"),
        ("\"quoted\".txt", "%22quoted%22.txt"),
        ("dir/sub/f", "dir/sub/f"),
    ] {
        world.put(path, key);
        let url = world.sign(key, json!({}));
        assert!(url.starts_with(&format!("https://files.example.org/o/reports/{path}?cat=")), "{url}");
        assert_eq!(world.get(&url).body, key.as_bytes());
        assert_eq!(world.get(&world.sign(key, json!({ "form": "link" }))).body, key.as_bytes());
    }
}

#[test]
fn urls_begin_as_the_bucket_s_region_has_it() {
    let regions = [("EMEA".parse().unwrap(), "https://emea.example.org".parse().unwrap())];
    let world = world_of(valetkey_http_common::public_url::PublicUrls::new(BASE.parse().unwrap(), regions).unwrap());
    for (name, region, base) in [("one", "EMEA", "https://emea.example.org"), ("two", "US", BASE), ("three", "emea", BASE)] {
        let bucket = world.api("POST", "/buckets", &json!({ "name": name, "region": region }).to_string());
        assert_eq!(bucket.status, 201, "{bucket:?}");
        // What is no signed URL stays where the API is.
        assert_eq!(bucket.header("location"), Some(format!("{BASE}/vk/v1/buckets/{name}").as_str()));
        assert_eq!(world.api("PUT", &format!("/buckets/{name}/objects/a"), "content").status, 201);
        for form in ["token", "link"] {
            let url = world.sign("a", json!({ "bucket": name, "form": form }));
            let target = url.strip_prefix(base).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(world.get(target).body, b"content");
        }
    }
}

#[test]
fn refused() {
    let world = world();
    world.put("a", "x");
    let one = json!({ "bucket": "reports", "key": "a", "permission": "read" });
    let with = |changes: Value| {
        let mut body = one.clone();
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        world.api("POST", "/signed-urls", &body.to_string())
    };
    for changes in [
        json!({ "usess": 1 }),
        json!({ "uses": 0 }),
        json!({ "uses": -1 }),
        json!({ "uses": "1" }),
        json!({ "bucket": "../x" }),
        json!({ "key": "" }),
        json!({ "key": "a/../b", "permission": "write" }),
        json!({ "prefix": "a/" }),
        json!({ "permission": "readwrite" }),
        json!({ "permission": "delete" }),
        json!({ "form": "short" }),
        json!({ "expires_in_seconds": 0 }),
        json!({ "expires_in_seconds": u64::MAX }),
        json!({ "expires_in_seconds": 8 * 24 * 3600 }),
        json!({ "expires_in_seconds": 401 * 24 * 3600, "form": "link" }),
        json!({ "expires_at": "2020-01-01T00:00:00Z" }),
        json!({ "expires_at": "tomorrow" }),
        json!({ "expires_at": "2027-01-15T09:00:00Z", "expires_in_seconds": 1 }),
        json!({ "not_before_at": "2028-01-01T00:00:00Z" }),
        json!({ "filename": "a\r\nSet-Cookie: x" }),
        json!({ "filename": "n".repeat(256) }),
        json!({ "filename": "" }),
        json!({ "filename": "", "form": "link" }),
        json!({ "content_type": "text/html\r\nX: y" }),
        json!({ "content_type": "" }),
        json!({ "content_type": "text/é", "form": "link" }),
        json!({ "label": "l".repeat(256) }),
        json!({ "addresses": ["300.1.1.1"] }),
        json!({ "upload": { "min_bytes": 2, "max_bytes": 1 } }),
        json!({ "upload": { "digest": { "sha256": "00" } } }),
        json!({ "upload": { "types": ["x"] } }),
    ] {
        with(changes).problem(400, "invalid");
    }
    for body in [
        "",
        "{",
        "null",
        "1",
        "[]",
        "{}",
        "[[]]",
        r#"[["reports", "a", null, "read"]]"#,
        r#"{"bucket": "reports", "key": "a", "permission": "read", "upload": []}"#,
        r#"{"bucket": "reports", "bucket": "strange", "key": "a", "permission": "read"}"#,
    ] {
        world.api("POST", "/signed-urls", body).problem(400, "invalid");
    }
    world.api("POST", "/signed-urls", &json!(vec![&one; 1001]).to_string()).problem(400, "invalid");
    world.api("POST", "/signed-urls", &" ".repeat((1 << 20) + 1)).problem(413, "too_large");
    for changes in [json!({ "key": "nothing" }), json!({ "bucket": "nothing" }), json!({ "bucket": "strange" })] {
        with(changes).problem(404, "not_found");
    }
    let missing = world.api_as("reader", "POST", "/signed-urls", &one.to_string()).problem(403, "missing_scope");
    assert_eq!(missing["scope"], "link:issue");
    let missing = world.api_as("creator", "POST", "/signed-urls", &one.to_string()).problem(403, "missing_scope");
    assert_eq!(missing["scope"], "object:read");
}

#[test]
fn prefixes() {
    let world = world();
    world.put("dir/a", "in");
    world.put("dirx", "out");
    let issue = |fields: Value| {
        let mut body = json!({ "bucket": "reports", "permission": "read" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.api("POST", "/signed-urls", &body.to_string())
    };
    let issued = issue(json!({ "prefix": "dir/" })).json();
    let token = issued["url"].as_str().unwrap().split_once("?cat=").unwrap().1;
    let get = |path: &str| world.get(&format!("/o/reports/{path}?cat={token}"));
    assert_eq!(get("dir/a").body, b"in");
    get("dir/b").problem(404, "object_gone");
    for path in ["dirx", "dir", "dir/", "dir/../dirx", "dir/%2e%2e/dirx", "dir/..%2fdirx"] {
        get(path).problem(403, "wrong_path");
    }
    issue(json!({ "prefix": "" })).problem(403, "missing_scope");
    for fields in [
        json!({ "prefix": "dir" }),
        json!({ "prefix": "../" }),
        json!({ "prefix": "dir/", "uses": 1 }),
        json!({ "prefix": "dir/", "form": "link" }),
        json!({ "prefix": "dir/", "permission": "write" }),
    ] {
        issue(fields).problem(400, "invalid");
    }
}
