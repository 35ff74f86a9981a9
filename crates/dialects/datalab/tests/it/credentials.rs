//! Who calls.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

const BAD_KEY: &str = "Invalid API key provided. Set the X-API-Key header to your API key.";

fn unauthenticated(got: &Got) {
    got.refused(401, BAD_KEY);
    assert!(got.header("www-authenticate").is_some());
}

#[test]
fn the_key_comes_before_all_else() {
    let world = world();
    let number = world.file("a", b"content").number;
    let calls = [
        ("GET", format!("/{number}/download")),
        // Nothing of this could be.
        ("GET", "/x/download?expires_in=y".to_owned()),
        ("GET", "/x/confirm".to_owned()),
        ("GET", "/x".to_owned()),
        ("DELETE", format!("/{number}")),
        ("POST", "/upload".to_owned()),
    ];
    for (method, path) in &calls {
        let path = format!("/api/v1/files{path}");
        for headers in [
            &[][..],
            &[("X-API-Key", "unknown")],
            &[("X-API-Key", "")],
            &[("X-API-Key", "Bearer secret-of-app")],
            &[("Authorization", "secret-of-app")],
            &[("Authorization", "Basic YXBwOnNlY3JldC1vZi1hcHA=")],
            &[("X-API-Key", "secret-of-app"), ("Authorization", "Bearer secret-of-app")],
            &[("X-API-Key", "secret-of-app"), ("X-API-Key", "secret-of-app")],
            &[("Cookie", "wos-session=secret-of-app; datalab_active_team=acme; access_token=secret-of-app")],
        ] {
            unauthenticated(&world.call(method, &path, headers, b""));
        }
    }
    assert_eq!(world.api("GET", &format!("/{number}")).status, 200);
}

#[test]
fn what_is_a_credential_and_what_is_not() {
    let world = world();
    let number = world.file("a", b"content").number;
    let path = format!("/api/v1/files/{number}/download");
    for headers in [
        [("X-Api-Key", "secret-of-app"), ("Accept", "*/*")],
        [("x-api-key", "secret-of-app"), ("Cookie", "wos-session=nonsense; datalab_active_team=another")],
        [("X-API-KEY", "secret-of-app"), ("Cookie", ";=;\"\u{ff}; ;wos-session")],
        [("Authorization", "Bearer secret-of-app"), ("Cookie", "wos-session=")],
    ] {
        assert_eq!(world.call("GET", &path, &headers, b"").ok()["file_id"], number, "{headers:?}");
    }
}

#[test]
fn a_key_that_is_switched_off_is_none() {
    let world = world();
    let number = world.file("a", b"content").number;
    assert_eq!(world.api_as("brief", "GET", &format!("/{number}")).status, 200);
    world.clock.set(NOW.plus(BRIEF_ENDS_AFTER));
    unauthenticated(&world.api_as("brief", "GET", &format!("/{number}")));
}

#[test]
fn scopes() {
    let world = world();
    let number = world.file("a", b"content").number;
    let body = br#"{"filename": "b", "content_type": "x/y"}"#;
    let lacks = |got: Got, scope: &str| got.refused(403, &format!("Your API key lacks the scope `{scope}`"));
    // Who reads does not write.
    assert_eq!(world.api_as("reader", "GET", &format!("/{number}")).status, 200);
    let url = world.api_as("reader", "GET", &format!("/{number}/download")).ok()["download_url"].clone();
    assert_eq!(world.get(url.as_str().unwrap()).text(), "content");
    lacks(world.post_upload("reader", body), "object:write");
    lacks(world.api_as("reader", "GET", &format!("/{number}/confirm")), "object:write");
    lacks(world.api_as("reader", "DELETE", &format!("/{number}")), "object:write");
    // Who creates does not read.
    let begun = Begun::of(&world.post_upload("creator", body).ok());
    assert_eq!(world.put(&begun.upload_url, b"content").status, 200);
    assert_eq!(world.api_as("creator", "GET", &format!("/{}/confirm", begun.number)).ok()["success"], true);
    lacks(world.api_as("creator", "GET", &format!("/{number}")), "object:read");
    lacks(world.api_as("creator", "GET", &format!("/{number}/download")), "object:read");
    lacks(world.api_as("creator", "DELETE", &format!("/{number}")), "object:write");
    // Who does not issue gets no URL.
    lacks(world.api_as("unsigning", "GET", &format!("/{number}/download")), "link:issue");
    lacks(world.post_upload("unsigning", body), "link:issue");
    assert_eq!(world.api_as("unsigning", "DELETE", &format!("/{number}")).status, 200);
    world.post_upload("fenced", body).refused(403, "Your API key is limited to other buckets");
}

#[test]
fn who_guesses_too_often_waits() {
    let world = world();
    let number = world.file("a", b"content").number;
    let show = || world.api("GET", &format!("/{number}"));
    for _ in 0..100 {
        assert_eq!(world.api_as("nobody", "GET", "/1").status, 401);
    }
    let got = show();
    got.refused(429, "too many requests; try again later");
    assert_eq!(got.header("retry-after"), Some("1"));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(show().ok()["file_id"], json!(number));
}
