//! `/vk/v1/signing-keys`.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

impl World {
    fn admin(&self, method: &str, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.api_as("chief", method, path, &body)
    }
}

#[test]
fn create_show_list_retire_revoke() {
    let world = world();
    let asked = json!({ "kid": "app-1", "algorithm": "HS256", "owner": "app", "max_lifetime_seconds": 60, "buckets": ["reports"],
        "prefixes": ["2026/"], "permission": "read" });
    let created = world.admin("POST", "/signing-keys", asked);
    assert_eq!(created.header("location"), Some("https://files.example.org/vk/v1/signing-keys/app-1"));
    let mut shown = created.json();
    let secret = shown.as_object_mut().unwrap().remove("secret").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(secret.as_str().unwrap()).unwrap().len(), 32);
    let mut expected = json!({ "kid": "app-1", "algorithm": "HS256", "owner": "app", "state": "active", "max_lifetime_seconds": 60,
        "buckets": ["reports"], "prefixes": ["2026/"], "permission": "read", "created_at": NOW });
    assert_eq!((created.status, &shown), (201, &expected));
    assert_eq!(world.admin("GET", "/signing-keys/app-1", Value::Null).json(), expected, "without the secret");
    for state in ["verify-only", "active", "revoked", "revoked"] {
        expected["state"] = state.into();
        let changed = world.admin("PATCH", "/signing-keys/app-1", json!({ "state": state }));
        assert_eq!((changed.status, changed.json()), (200, expected.clone()));
    }
    for state in ["verify-only", "active"] {
        world.admin("PATCH", "/signing-keys/app-1", json!({ "state": state })).problem(409, "conflict");
    }
    let plain = world.admin("POST", "/signing-keys", json!({ "algorithm": "HS256", "owner": "server" })).json();
    let kid = plain["kid"].as_str().unwrap();
    let expected = json!({ "kid": kid, "algorithm": "HS256", "owner": "server", "state": "active", "max_lifetime_seconds": 604_800,
        "buckets": null, "prefixes": null, "permission": null, "created_at": NOW, "secret": null });
    assert_eq!(plain, expected, "the server keeps its secret to itself");
    let given = json!({ "kid": "given", "algorithm": "HS256", "owner": "app", "secret": URL_SAFE_NO_PAD.encode([7; 32]) });
    assert_eq!(world.admin("POST", "/signing-keys", given).json()["secret"], Value::Null, "whoever gave it has it");
    let page = world.admin("GET", "/signing-keys", Value::Null);
    assert!(!String::from_utf8(page.body.clone()).unwrap().contains("secret"));
    let kids = page.json()["signing_keys"].as_array().unwrap().iter().map(|one| one["kid"].clone()).collect::<Vec<_>>();
    assert!(kids.len() == 4 && kids.contains(&"app-1".into()) && kids.contains(&"given".into()), "{kids:?}");
    let first = world.admin("GET", "/signing-keys?limit=1", Value::Null).json();
    let rest = world.admin("GET", &format!("/signing-keys?next={}", first["next"].as_str().unwrap()), Value::Null).json();
    assert_eq!((rest["signing_keys"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
}

#[test]
fn a_revoked_key_takes_its_tokens_along() {
    let world = world();
    world.put("a", "x");
    let old = world.sign("a", json!({}));
    let first = world.admin("GET", "/signing-keys", Value::Null).json()["signing_keys"][0]["kid"].as_str().unwrap().to_owned();
    world.clock.advance(std::time::Duration::from_secs(1));
    let second = world.admin("POST", "/signing-keys", json!({ "algorithm": "HS256", "owner": "server" })).json();
    let new = world.sign("a", json!({}));
    let path = format!("/signing-keys/{first}");
    world.admin("PATCH", &path, json!({ "state": "verify-only" }));
    assert_eq!((world.get(&old).status, world.get(&new).status), (200, 200));
    world.admin("PATCH", &path, json!({ "state": "revoked" }));
    world.get(&old).problem(410, "revoked");
    assert_eq!(world.get(&new).status, 200);
    let path = format!("/signing-keys/{}", second["kid"].as_str().unwrap());
    world.admin("PATCH", &path, json!({ "state": "revoked" }));
    world.get(&new).problem(410, "revoked");
    let body = json!({ "bucket": "reports", "key": "a", "permission": "read" }).to_string();
    world.api("POST", "/signed-urls", &body).problem(400, "invalid");
}

#[test]
fn refused() {
    let world = world();
    let secret = |n_bytes: usize| URL_SAFE_NO_PAD.encode(vec![7; n_bytes]);
    let with = |name: &str, value: Value| {
        let mut body = json!({ "algorithm": "HS256", "owner": "app" });
        body[name] = value;
        body
    };
    for body in [
        json!({}),
        json!({ "algorithm": "HS256" }),
        json!({ "owner": "app" }),
        with("algorithm", "none".into()),
        with("owner", "nobody".into()),
        with("owner", "stranger".into()),
        with("owner", "a/b".into()),
        with("kid", "x".repeat(65).into()),
        with("secret", secret(31).into()),
        with("secret", secret(1025).into()),
        with("secret", format!("{}==", secret(32)).into()),
        with("max_lifetime_seconds", 0.into()),
        with("max_lifetime_seconds", 34_560_001.into()),
        with("max_lifetime_seconds", (-1).into()),
        with("buckets", json!([])),
        with("buckets", json!(["Upper"])),
        with("prefixes", json!([])),
        with("prefixes", json!(["a"])),
        with("permission", "admin".into()),
        with("colour", "red".into()),
        with("state", "revoked".into()),
    ] {
        let problem = world.admin("POST", "/signing-keys", body.clone()).problem(400, "invalid");
        assert!(!problem.to_string().contains("BwcHBwcH"), "a secret is not repeated");
    }
    for body in [
        with("kid", "x".repeat(64).into()),
        with("secret", secret(32).into()),
        with("secret", secret(1024).into()),
        with("max_lifetime_seconds", 1.into()),
        with("max_lifetime_seconds", 34_560_000.into()),
    ] {
        assert_eq!(world.admin("POST", "/signing-keys", body.clone()).status, 201, "{body}");
    }
    let theirs = json!({ "kid": "theirs", "algorithm": "HS256", "owner": "server" });
    assert_eq!(world.api_as("boss", "POST", "/signing-keys", &theirs.to_string()).status, 201);
    let taken = world.admin("POST", "/signing-keys", theirs).problem(409, "already_exists");
    let mine = json!({ "kid": "x".repeat(64), "algorithm": "HS256", "owner": "server" });
    assert_eq!(taken, world.admin("POST", "/signing-keys", mine).problem(409, "already_exists"), "whoever has it");
    let hidden = world.admin("GET", "/signing-keys/theirs", Value::Null).problem(404, "not_found");
    assert_eq!(hidden, world.admin("GET", "/signing-keys/nothing", Value::Null).problem(404, "not_found"));
    let revoke = json!({ "state": "revoked" });
    let hidden = world.admin("PATCH", "/signing-keys/theirs", revoke.clone()).problem(404, "not_found");
    assert_eq!(hidden, world.admin("PATCH", "/signing-keys/nothing", revoke.clone()).problem(404, "not_found"));
    assert_eq!(world.api_as("boss", "GET", "/signing-keys/theirs", "").json()["state"], "active");
    for body in [json!({}), json!({ "state": "retired" }), json!({ "state": "active", "kid": "other" }), json!({ "state": null })]
    {
        world.admin("PATCH", &format!("/signing-keys/{}", "x".repeat(64)), body).problem(400, "invalid");
    }
    for (method, path, body) in [
        ("POST", "/signing-keys", r#"{"algorithm": "HS256", "owner": "app"}"#),
        ("GET", "/signing-keys", ""),
        ("GET", "/signing-keys/theirs", ""),
        ("PATCH", "/signing-keys/theirs", r#"{"state": "revoked"}"#),
    ] {
        let missing = world.api_as("app", method, path, body).problem(403, "missing_scope");
        assert_eq!(missing["scope"], "admin");
    }
}
