//! `/vk/v1/api-keys`.

use crate::world::*;
use serde_json::{Value, json};

impl World {
    fn chief(&self, method: &str, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.api_as("chief", method, path, &body)
    }

    /// A call with this secret.
    fn with(&self, secret: &str, path: &str) -> Got {
        self.call("GET", &format!("/vk/v1{path}"), &[("Authorization", &format!("Bearer {secret}"))], b"")
    }
}

#[test]
fn create_show_list_change_rotate_delete() {
    let world = world();
    let created = world.chief(
        "POST",
        "/api-keys",
        json!({ "id": "made", "scopes": ["object:read", "bucket:read"], "buckets": ["reports"], "expires_at": "2027-01-15T09:00:00+01:00",
            "bearer": "a-bearer-of-16-b" }),
    );
    // An hour with an offset of an hour is now.
    created.problem(400, "invalid");
    let created = world.chief(
        "POST",
        "/api-keys",
        json!({ "id": "made", "scopes": ["object:read", "bucket:read"], "buckets": ["reports"], "expires_at": "2027-01-15T10:00:00+01:00",
            "bearer": "a-bearer-of-16-b" }),
    );
    let mut shown = created.json();
    let secret = shown["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() == 51 && secret.starts_with("vk_"));
    assert_eq!(created.header("location"), Some("https://files.example.org/vk/v1/api-keys/made"));
    shown.as_object_mut().unwrap().remove("secret");
    let expected = json!({ "id": "made", "scopes": ["bucket:read", "object:read"], "buckets": ["reports"], "created_at": NOW,
        "expires_at": "2027-01-15T09:00:00Z", "disabled_at": null, "has_bearer": true });
    assert_eq!((created.status, &shown), (201, &expected));
    assert_eq!(world.chief("GET", "/api-keys/made", Value::Null).json(), expected, "without the secret");
    for credential in [secret.as_str(), "a-bearer-of-16-b"] {
        assert_eq!(world.with(credential, "/buckets/reports").status, 200);
        world.with(credential, "/buckets/elsewhere").problem(404, "not_found");
    }

    let changed = world.chief("PATCH", "/api-keys/made", json!({ "buckets": [], "expires_at": null, "scopes": ["*"] }));
    let all = json!([
        "bucket:create",
        "bucket:read",
        "bucket:delete",
        "object:read",
        "object:write",
        "object:create",
        "link:issue",
        "link:revoke",
        "audit:read"
    ]);
    let expected = json!({ "id": "made", "scopes": all, "buckets": [], "created_at": NOW, "expires_at": null,
        "disabled_at": null, "has_bearer": true });
    assert_eq!((changed.status, changed.json()), (200, expected.clone()));
    assert_eq!(world.chief("PATCH", "/api-keys/made", json!({})).json(), expected, "nothing said, nothing changed");
    let off = world.chief("PATCH", "/api-keys/made", json!({ "disabled": true })).json();
    assert_eq!(off["disabled_at"], NOW);
    world.with(&secret, "/buckets").problem(401, "unauthenticated");
    assert_eq!(world.chief("PATCH", "/api-keys/made", json!({ "disabled": false })).json(), expected);
    assert_eq!(world.with(&secret, "/buckets").status, 200);

    for body in [Value::Null, json!({})] {
        let rotated = world.chief("POST", "/api-keys/made/secret", body);
        let other = rotated.json()["secret"].as_str().unwrap().to_owned();
        assert_eq!((rotated.status, other.len()), (200, 51));
        world.with(&secret, "/buckets").problem(401, "unauthenticated");
        assert_eq!(world.with(&other, "/buckets").status, 200);
        assert_eq!(rotated.json()["id"], "made");
    }
    let deleted = world.chief("DELETE", "/api-keys/made", Value::Null);
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    for (method, path) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret")] {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        let gone = world.chief(method, &format!("/api-keys/made{path}"), body).problem(404, "not_found");
        assert_eq!(gone["what"], "API key");
    }
    world.with("a-bearer-of-16-b", "/buckets").problem(401, "unauthenticated");
    world.chief("POST", "/api-keys", json!({ "id": "made", "scopes": ["*"] })).problem(409, "already_exists");
    let random = world.chief("POST", "/api-keys", json!({ "scopes": ["* admin"] }));
    random.problem(400, "invalid");
    let random = world.chief("POST", "/api-keys", json!({ "scopes": ["*", "admin"] })).json();
    assert!(random["id"].as_str().unwrap().starts_with("key-"), "{random}");
}

#[test]
fn pages() {
    let world = world();
    for id in ["k1", "k2"] {
        assert_eq!(world.chief("POST", "/api-keys", json!({ "id": id, "scopes": ["*"] })).status, 201);
    }
    let (mut ids, mut next) = (Vec::new(), String::new());
    loop {
        let page = world.chief("GET", &format!("/api-keys?limit=2{next}"), Value::Null).json();
        ids.extend(page["api_keys"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    assert_eq!(ids, ["app", "chief", "creator", "k1", "k2", "reader"]);
    for query in ["limit=0", "limit=1001", "next=!", "next=Lw", "next=_w"] {
        world.chief("GET", &format!("/api-keys?{query}"), Value::Null).problem(400, "invalid");
    }
    assert_eq!(world.chief("GET", "/api-keys?limit=1000", Value::Null).status, 200);
}

#[test]
fn refused() {
    let world = world();
    for body in [
        json!({}),
        json!({ "scopes": [] }),
        json!({ "scopes": "object:read" }),
        json!({ "scopes": ["object:read admin"] }),
        json!({ "scopes": ["read"] }),
        json!({ "scopes": ["*"], "id": "a/b" }),
        json!({ "scopes": ["*"], "id": "server" }),
        json!({ "scopes": ["*"], "id": "x".repeat(129) }),
        json!({ "scopes": ["*"], "colour": "red" }),
        json!({ "scopes": ["*"], "buckets": ["Upper"] }),
        json!({ "scopes": ["*"], "expires_at": "tomorrow" }),
        json!({ "scopes": ["*"], "expires_at": NOW }),
        json!({ "scopes": ["*"], "bearer": "b".repeat(15) }),
        json!({ "scopes": ["*"], "bearer": "b".repeat(513) }),
        json!({ "scopes": ["*"], "tenant": "other" }),
    ] {
        let problem = world.chief("POST", "/api-keys", body).problem(400, "invalid");
        assert!(!problem.to_string().contains("bbbb"), "a secret is not repeated");
    }
    let longest = json!({ "scopes": ["*"], "id": "x".repeat(128), "bearer": "b".repeat(512) });
    assert_eq!(world.chief("POST", "/api-keys", longest).status, 201);
    for body in
        [json!({ "scopes": [] }), json!({ "disabled": "yes" }), json!({ "id": "x" }), json!({ "expires_at": NOW }), json!([])]
    {
        world.chief("PATCH", "/api-keys/app", body).problem(400, "invalid");
    }
    for body in [json!({ "secret": "mine" }), json!([])] {
        world.chief("POST", "/api-keys/app/secret", body).problem(400, "invalid");
    }
    for path in ["/api-keys/%ff", "/api-keys/a%2Fb", "/api-keys/"] {
        world.chief("GET", path, Value::Null).problem(400, "invalid");
    }
    // Another tenant's is not told from one that is not there.
    let theirs = world.chief("GET", "/api-keys/stranger", Value::Null).problem(404, "not_found");
    assert_eq!(theirs, world.chief("GET", "/api-keys/nobody", Value::Null).problem(404, "not_found"));
    world.chief("POST", "/api-keys", json!({ "id": "stranger", "scopes": ["*"] })).problem(409, "already_exists");
    // Administrators only, and the last one stays.
    for (method, path, body) in [
        ("POST", "/api-keys", r#"{"scopes": ["*"]}"#),
        ("GET", "/api-keys", ""),
        ("GET", "/api-keys/app", ""),
        ("PATCH", "/api-keys/app", "{}"),
        ("POST", "/api-keys/app/secret", ""),
        ("DELETE", "/api-keys/app", ""),
    ] {
        let missing = world.api_as("app", method, path, body).problem(403, "missing_scope");
        assert_eq!(missing["scope"], "admin");
        world.call(method, &format!("/vk/v1{path}"), &[], body.as_bytes()).problem(401, "unauthenticated");
    }
    let fenced = json!({ "id": "fenced", "scopes": ["admin"], "buckets": ["reports"], "bearer": "bearer-of-fenced" });
    assert_eq!(world.chief("POST", "/api-keys", fenced).status, 201);
    world.api_as("fenced", "GET", "/api-keys", "").problem(403, "outside_buckets");
    for body in [json!({ "disabled": true }), json!({ "scopes": ["*"] }), json!({ "buckets": ["reports"] })] {
        world.chief("PATCH", "/api-keys/chief", body).problem(409, "conflict");
    }
    world.chief("DELETE", "/api-keys/chief", Value::Null).problem(409, "conflict");
}

#[test]
fn other_methods_and_paths() {
    let world = world();
    for (method, path, allow) in [
        ("DELETE", "/api-keys", "GET, HEAD, POST"),
        ("POST", "/api-keys/app", "GET, HEAD, PATCH, DELETE"),
        ("GET", "/api-keys/app/secret", "POST"),
        ("PATCH", "/signing-keys", "GET, HEAD, POST"),
        ("DELETE", "/signing-keys/k", "GET, HEAD, PATCH"),
    ] {
        let got = world.chief(method, path, Value::Null);
        got.problem(405, "method_not_allowed");
        assert_eq!(got.header("allow"), Some(allow), "{path}");
    }
    for path in ["/api-keys/app/nothing", "/api-keys/app/secret/x", "/signing-keys/k/x"] {
        world.chief("GET", path, Value::Null).problem(404, "not_found");
    }
    for path in ["/api-keys", "/api-keys/app", "/signing-keys"] {
        let (get, head) = (world.chief("GET", path, Value::Null), world.chief("HEAD", path, Value::Null));
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(get.header("content-length"), head.header("content-length"), "{path}");
    }
}

#[test]
fn urls_follow_their_issuer() {
    let world = world();
    world.put("a", "x");
    let urls = [world.sign("a", json!({})), world.sign("a", json!({ "form": "link" }))];
    let check = |status: u16, code: &str| {
        for url in &urls {
            match code {
                "" => assert_eq!(world.get(url).status, status),
                code => drop(world.get(url).problem(status, code)),
            }
        }
    };
    check(200, "");
    world.chief("PATCH", "/api-keys/app", json!({ "scopes": ["link:issue", "object:write"] }));
    check(403, "issuer_disabled");
    world.chief("PATCH", "/api-keys/app", json!({ "scopes": ["object:read"], "disabled": false }));
    check(200, "");
    world.chief("DELETE", "/api-keys/app", Value::Null);
    check(403, "issuer_disabled");
}
