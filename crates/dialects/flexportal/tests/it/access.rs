//! Who may ask: the token, the tenant, the scopes.

use crate::world::*;
use serde_json::json;

const UPLOAD: &str = r#"{"action": "upload", "fileName": "a.txt", "contentType": "text/plain"}"#;

#[test]
fn the_token() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    let body = json!({ "fileId": id }).to_string();
    let ask = |credentials: &[(&str, &str)]| {
        let headers = [&[("Tenant-ID", "acme"), ("Content-Type", "application/json")], credentials].concat();
        world.call("POST", PATH, &headers, body.as_bytes())
    };
    let good = ("Authorization", "Bearer bearer-of-app");
    assert_eq!(ask(&[good]).status, 200);
    assert_eq!(ask(&[("authorization", "bearer bearer-of-app")]).status, 200);
    for none in [&[][..], &[("X-API-Key", "bearer-of-app")], &[("Cookie", "Authorization=Bearer bearer-of-app")]] {
        ask(none).refused(401, "AUTH_REQUIRED");
    }
    for wrong in [
        &[("Authorization", "Bearer wrong")][..],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Bearer bearer-of-app x")],
        &[("Authorization", "bearer-of-app")],
        &[("Authorization", "Basic YXBwOnNlY3JldCBvZiBhcHA=")],
        &[("Authorization", "")],
        &[good, good],
        &[good, ("X-API-Key", "bearer-of-app")],
    ] {
        let error = ask(wrong).refused(401, "INVALID_TOKEN");
        assert!(!error["message"].as_str().unwrap().contains("bearer-of-app"), "{error}");
    }
}

#[test]
fn whoever_guesses_is_made_to_wait() {
    let world = world();
    let guess = || {
        let headers = [("Tenant-ID", "acme"), ("Content-Type", "application/json"), ("Authorization", "Bearer guess")];
        world.call("POST", PATH, &headers, b"{}")
    };
    let guesses: Vec<Got> = (0..21).map(|_| guess()).collect();
    let (limited, told) = guesses.split_last().unwrap();
    for guess in told {
        guess.refused(401, "INVALID_TOKEN");
    }
    limited.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(limited.header("retry-after"), Some("1"));
    // Whatever it presents.
    assert_eq!(world.ask("{}").refused(429, "TOO_MANY_REQUESTS")["details"], json!(null));
}

#[test]
fn the_tenant() {
    let world = world();
    let ask = |id: &str, tenants: &[&str]| {
        let bearer = format!("Bearer bearer-of-{id}");
        let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        headers.extend(tenants.iter().map(|tenant| ("Tenant-ID", *tenant)));
        world.call("POST", PATH, &headers, b"not even JSON")
    };
    let oversized = "acme".repeat(1000);
    for tenants in [
        &[][..],
        &[""],
        &["other"],
        &["Acme"],
        &["acme, acme"],
        &["acme", "acme"],
        &["acme", "other"],
        &[&oversized],
        &["acm\u{e9}"],
    ] {
        ask("app", tenants).refused(403, "NO_TENANT_ACCESS");
    }
    ask("stranger", &["acme"]).refused(403, "NO_TENANT_ACCESS");
    // The token comes first.
    ask("nobody", &["other"]).refused(401, "INVALID_TOKEN");
    // White space around it is not its.
    ask("app", &["  acme "]).invalid(&[("", "invalid_type")]);
}

#[test]
fn scopes() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    let read = json!({ "fileId": id }).to_string();
    for (key, reads, uploads) in
        [("app", true, true), ("reader", true, false), ("creator", false, true), ("signless", false, false)]
    {
        for (body, may) in [(read.as_str(), reads), (UPLOAD, uploads)] {
            let got = world.ask_as(key, body);
            match may {
                true => assert_eq!(got.status, 200, "{key} {body}"),
                false => drop(got.refused(403, "INSUFFICIENT_PERMISSIONS")),
            }
        }
    }
    // What was asked for comes before who may ask for it.
    world.ask_as("signless", "{}").invalid(&[("fileId", "required")]);
}

#[test]
fn who_only_creates_can_try_again_and_not_replace() {
    let world = world();
    let given = world.ask_as("creator", UPLOAD).json();
    let put = |content: &[u8]| world.call("PUT", &text(&given, "url"), &[], content);
    let wrong = world.call("PUT", &text(&given, "url"), &[("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")], b"x");
    wrong.refused(400, "VALIDATION_ERROR");
    assert_eq!(put(b"content").status, 200);
    put(b"other").refused(412, "VALIDATION_ERROR");
}

#[test]
fn another_tenant_s_files_are_not_there() {
    let world = world();
    let id = world.upload("a.txt", "text/plain", b"x");
    let pending = text(&world.given(serde_json::from_str(UPLOAD).unwrap()), "fileId");
    for id in [&id, &pending] {
        let got = world.ask_as("stranger", &json!({ "fileId": id }).to_string());
        let nowhere = world.ask_as("stranger", r#"{"fileId": "file_AAAAAAAAAAAAAAAAAAAAAA"}"#);
        assert_eq!(got.refused(404, "NOT_FOUND"), nowhere.refused(404, "NOT_FOUND"));
    }
}

#[test]
fn what_is_public_is_everybody_s_to_read() {
    let world = world();
    let id = world.put("press", "a.txt", Some("text/plain"), b"news");
    let body = json!({ "fileId": id }).to_string();
    for key in ["app", "creator", "stranger"] {
        let got = world.ask_as(key, &body);
        assert_eq!(got.status, 200, "{key} {got:?}");
        assert_eq!(world.get(&text(&got.json(), "url")).text(), "news", "{key}");
    }
}
