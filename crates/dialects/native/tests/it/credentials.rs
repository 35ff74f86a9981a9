//! Who may call, and `/vk/v1/token`.

use crate::world::*;
use base64::Engine as _;
use serde_json::json;

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn one_credential_that_is_good() {
    let world = world();
    let list = |headers: &[(&str, &str)]| world.call("GET", "/vk/v1/buckets", headers, b"");
    for good in ["Bearer bearer-of-app", "bearer bearer-of-app", "Bearer secret-of-app"] {
        assert_eq!(list(&[("Authorization", good)]).status, 200, "{good}");
    }
    assert_eq!(list(&[("X-API-Key", "secret-of-app")]).status, 200);
    list(&[]).problem(401, "unauthenticated");
    list(&[("Cookie", "vk=bearer-of-app")]).problem(401, "unauthenticated");
    world.get("/vk/v1/buckets?access_token=bearer-of-app").problem(401, "unauthenticated");
    let client = basic("app", "secret-of-app");
    for bad in ["Bearer wrong", "Bearer ", "Bearer", "Digest x", "Bearer vkt_e30.AA", client.as_str()] {
        list(&[("Authorization", bad)]).problem(401, "unauthenticated");
    }
    for (second, value) in [("X-API-Key", "bearer-of-app"), ("Authorization", "Bearer bearer-of-app")] {
        list(&[("Authorization", "Bearer bearer-of-app"), (second, value)]).problem(400, "ambiguous");
    }
}

#[test]
fn whoever_guesses_is_made_to_wait() {
    let world = world();
    world.put("a", "x");
    let url = world.sign("a", json!({}));
    let list = |credential: &str| world.call("GET", "/vk/v1/buckets", &[("Authorization", credential)], b"");
    let exchange = |credential: &str| world.call("POST", "/vk/v1/token", &[("Authorization", credential)], b"");
    for number in 0..100 {
        let got = if number % 2 == 0 { list("Bearer guess") } else { exchange(&basic("app", "guess")) };
        got.problem(401, "unauthenticated");
    }
    for refused in [list("Bearer guess"), list("Bearer bearer-of-app"), exchange(&basic("app", "secret-of-app"))] {
        refused.problem(429, "too_many_requests");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // What shows no credential of an API key guesses none.
    world.call("GET", "/vk/v1/buckets", &[], b"").problem(401, "unauthenticated");
    list("Bearer").problem(401, "unauthenticated");
    assert_eq!(world.get(&url).status, 200);
    world.clock.advance(std::time::Duration::from_millis(599));
    list("Bearer bearer-of-app").problem(429, "too_many_requests");
    world.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(list("Bearer bearer-of-app").status, 200);
}

#[test]
fn tokens() {
    let world = world();
    let exchange =
        |credential: &str, body: &str| world.call("POST", "/vk/v1/token", &[("Authorization", credential)], body.as_bytes());
    let client = basic("app", "secret-of-app");
    let got = exchange(&client, r#"{"scope": "object:read admin"}"#).json();
    let token = got["access_token"].as_str().unwrap();
    let expected = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "object:read" });
    assert_eq!(got, expected);
    let bearer = format!("Bearer {token}");
    let call =
        |method: &str, body: &[u8]| world.call(method, "/vk/v1/buckets/reports/objects/a", &[("Authorization", &bearer)], body);
    world.put("a", "x");
    assert_eq!(call("GET", b"").body, b"x");
    call("PUT", b"y").problem(403, "missing_scope");
    // It prolongs and widens nothing, itself included.
    world.clock.advance(std::time::Duration::from_secs(600));
    let second = exchange(&bearer, r#"{"scope": "object:read object:write"}"#).json();
    assert_eq!((&second["expires_in"], &second["scope"]), (&json!(3000), &json!("object:read")));
    world.clock.advance(std::time::Duration::from_secs(3000));
    call("GET", b"").problem(401, "unauthenticated");
    for bad in [basic("app", "bearer-of-app"), basic("stranger", "secret-of-app"), "Basic %".into(), "Basic".into()] {
        exchange(&bad, "").problem(401, "unauthenticated");
    }
    for body in ["grant_type=client_credentials", r#"{"scope": "everything"}"#, r#"{"scope": "admin"}"#, r#"{"scopes": "*"}"#] {
        exchange(&client, body).problem(400, "invalid");
    }
}
