//! `POST /authentication/v2/token`.

use crate::world::*;
use base64::Engine as _;
use serde_json::json;

fn ask(world: &World, authorization: Option<&str>, form: &str) -> Got {
    let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
    headers.extend(authorization.map(|value| ("Authorization", value)));
    world.call("POST", "/authentication/v2/token", &headers, form.as_bytes())
}

fn basic(user_and_password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user_and_password))
}

#[test]
fn known_scopes_are_granted() {
    let world = world();
    let form = "grant_type=client_credentials&scope=code:all+data:read%20data:write+account:read";
    let got = ask(&world, Some(&basic("cid:secret of cid")), form);
    assert_eq!((got.status, got.header("cache-control")), (200, Some("no-store")));
    let body = got.json();
    let token = body["access_token"].as_str().unwrap();
    let expected = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3599, "scope": "data:read data:write" });
    assert_eq!(body, expected);
    world.put("test.txt", b"content");
    assert_eq!(world.api_as(token, "GET", "/oss/v2/buckets/apptestbucket/objects/test.txt", "").status, 200);
    world.api_as(token, "GET", "/oss/v2/buckets", "").gateway(403, "AUTH-010");
}

#[test]
fn the_client_in_the_form() {
    let world = world();
    let form = "client_id=reader&client_secret=secret%20of%20reader&grant_type=client_credentials";
    let got = ask(&world, None, &format!("{form}&scope=data:read+data:write"));
    assert_eq!(got.json()["scope"], "data:read");
    assert_eq!(ask(&world, None, form).json()["scope"], "data:read viewables:read", "all it has");
}

#[test]
fn whoever_guesses_is_made_to_wait() {
    let world = world();
    let form = "grant_type=client_credentials&scope=data:read";
    let list = |token: &str| world.api_as(token, "GET", "/oss/v2/buckets", "");
    for number in 0..100 {
        match number % 2 {
            0 => list("guess").gateway(401, "AUTH-006"),
            _ => ask(&world, Some(&basic("cid:guess")), form).gateway(401, "AUTH-003"),
        }
    }
    for refused in [list("guess"), list("tok-1"), ask(&world, Some(&basic("cid:secret of cid")), form)] {
        refused.gateway(429, "AUTH-429");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    world.call("GET", "/oss/v2/buckets", &[], b"").gateway(401, "AUTH-012");
    world.clock.advance(std::time::Duration::from_millis(600));
    assert_eq!(list("tok-1").status, 200);
}

#[test]
fn errors() {
    let world = world();
    let refused = |authorization: Option<&str>, form: &str, status: u16, code: &str, error: &str| {
        let got = ask(&world, authorization, form);
        got.gateway(status, code);
        assert_eq!(got.json()["error"], error, "{form}");
        assert!(got.json()["error_description"].is_string());
    };
    let good = basic("cid:secret of cid");
    let form = "grant_type=client_credentials&scope=data:read";
    for wrong in ["cid:secret of reader", "reader:secret of cid", "cid:", "nobody:x", "cid:tok-1"] {
        refused(Some(&basic(wrong)), form, 401, "AUTH-003", "invalid_client");
    }
    refused(None, form, 401, "AUTH-003", "invalid_client");
    refused(None, &format!("{form}&client_id=cid"), 401, "AUTH-003", "invalid_client");
    refused(Some(&good), "scope=data:read", 400, "AUTH-008", "invalid_request");
    refused(Some(&good), &format!("{form}&grant_type=client_credentials"), 400, "AUTH-008", "invalid_request");
    refused(Some(&good), "grant_type=password&scope=data:read", 400, "AUTH-009", "unsupported_grant_type");
    refused(Some(&good), "grant_type=client_credentials&scope=code:all", 400, "AUTH-004", "invalid_scope");
    let reader = basic("reader:secret of reader");
    refused(Some(&reader), "grant_type=client_credentials&scope=data:write", 400, "AUTH-004", "invalid_scope");
    let headers = [("Authorization", good.as_str()), ("Content-Type", "application/json")];
    world.call("POST", "/authentication/v2/token", &headers, b"{}").gateway(400, "AUTH-007");
    assert_eq!(world.call("GET", "/authentication/v2/token", &[], b"").status, 405);
}

#[test]
fn the_first_version() {
    let world = world();
    let form = "client_id=reader&client_secret=secret%20of%20reader&grant_type=client_credentials&scope=data:read";
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let got = world.call("POST", "/authentication/v1/authenticate", &headers, form.as_bytes());
    assert_eq!((got.status, got.json()["scope"].as_str()), (200, Some("data:read")));
    let got = world.call("GET", "/authentication/v1/authenticate", &[], b"");
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
}
