//! `POST /vk/v1/explain`.

use crate::world::*;
use serde_json::{Value, json};

impl World {
    fn explained_to(&self, id: &str, question: &Value) -> Value {
        let got = self.api_as(id, "POST", "/explain", &question.to_string());
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.header("cache-control"), Some("no-store"));
        got.json()
    }

    fn explained(&self, question: &Value) -> Value {
        self.explained_to("app", question)
    }
}

fn outcomes(explained: &Value) -> String {
    let mark = |check: &Value| match check["outcome"].as_str().unwrap() {
        "passed" => '+',
        "failed" => '!',
        _ => '?',
    };
    let checks = explained["checks"].as_array().unwrap();
    checks.iter().map(|check| format!("{}{}", mark(check), check["check"].as_str().unwrap())).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_url_that_works() {
    let world = world();
    world.put("q3%20final.pdf", "x");
    let fields = json!({ "label": "Q3", "uses": 3, "addresses": ["127.0.0.0/8"] });
    let issued = world.issue("q3 final.pdf", fields);
    let explained = world.explained(&json!({ "url": issued["url"] }));
    assert_eq!((&explained["works"], &explained["refusal"], &explained["mend"]), (&json!(true), &json!(null), &json!(null)));
    assert_eq!(explained["tried_as"], json!({ "method": "GET", "client_address": "127.0.0.1", "at": NOW }));
    let facts = &explained["facts"];
    for (name, expected) in [
        ("form", json!("token")),
        ("dialect", json!("native")),
        ("link_id", issued["link_id"].clone()),
        ("bucket", json!("reports")),
        ("key", json!("q3 final.pdf")),
        ("path", json!("/o/reports/q3%20final.pdf")),
        ("permission", json!("read")),
        ("issued_at", json!(NOW)),
        ("expires_at", issued["expires_at"].clone()),
        ("uses", json!(3)),
        ("uses_spent", json!(0)),
        ("uses_left", json!(3)),
        ("addresses", json!(["127.0.0.0/8"])),
        ("issuer", json!("app")),
        ("label", json!("Q3")),
        ("pin", json!(false)),
    ] {
        assert_eq!(facts[name], expected, "{name}");
    }
    let text = explained.to_string();
    assert!(!text.contains("cat="), "the URL is not repeated");
}

#[test]
fn what_fails_and_what_would_mend_it() {
    let world = world();
    world.put("a", "x");
    let url = world.sign("a", json!({ "form": "link", "addresses": ["198.51.100.0/24"] }));
    let check = |more: Value, refusal: &str, detail: &str, expected: &str| {
        let mut question = json!({ "url": url });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let explained = world.explained(&question);
        assert_eq!((&explained["works"], &explained["refusal"]), (&json!(false), &json!(refusal)), "{explained}");
        assert_eq!(explained["detail"], detail);
        assert!(explained["mend"].as_str().unwrap().len() > 20);
        assert_eq!(outcomes(&explained), expected);
    };
    check(
        json!({}),
        "wrong_address",
        "it works from `198.51.100.0/24`, and was tried from `127.0.0.1`",
        "+unknown_link +not_yet_valid +expired +wrong_method !wrong_address ?issuer_disabled ?revoked ?object_gone",
    );
    check(
        json!({ "method": "PUT" }),
        "wrong_method",
        "it is for reading, and was tried with PUT",
        "+unknown_link +not_yet_valid +expired !wrong_method ?wrong_address ?issuer_disabled ?revoked ?object_gone ?exists",
    );
    check(
        json!({ "client_address": "198.51.100.7", "at": "2027-01-15T09:00:00Z" }),
        "expired",
        "it worked until 2027-01-15T09:00:00Z, and was tried as of 2027-01-15T09:00:00Z",
        "+unknown_link +not_yet_valid !expired ?wrong_method ?wrong_address ?issuer_disabled ?revoked ?object_gone",
    );
    let good = json!({ "url": url, "client_address": "198.51.100.7" });
    assert_eq!(world.explained(&good)["works"], true);
}

#[test]
fn nothing_is_used_up_by_asking() {
    let world = world();
    world.put("a", "x");
    for form in ["token", "link"] {
        let url = world.sign("a", json!({ "form": form, "uses": 1 }));
        for _ in 0..10 {
            assert_eq!(world.explained(&json!({ "url": url }))["works"], true);
        }
        assert_eq!(world.get(&url).status, 200, "{form}");
        let explained = world.explained(&json!({ "url": url }));
        assert_eq!(explained["refusal"], "used_up");
        assert_eq!(explained["detail"], "of 1 uses, 1 are spent and 0 are held by downloads under way");
    }
}

/// Byte by byte, but for what the caller sent.
#[test]
fn strangers_are_all_told_the_same() {
    let world = world();
    world.put("a", "x");
    let (token, link) = (world.sign("a", json!({})), world.sign("a", json!({ "form": "link" })));
    let (front, back) = token.split_at(token.len() - 4);
    let changed = format!("{front}{}", if back == "AAAA" { "BBBB" } else { "AAAA" });
    let told = |id: &str, url: &str| {
        let got = world.api_as(id, "POST", "/explain", &json!({ "url": url }).to_string());
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    };
    let gibberish = told("stranger", "https://files.example.org/o/reports/a?cat=gibberish");
    let cut = format!("{BASE}/l/x");
    let unknown = format!("{BASE}/l/3q2-7wAAQACAAAAAAAAAAA");
    let revoked = world.issue("a", json!({}));
    let body = json!({ "link_ids": [revoked["link_id"]] }).to_string();
    world.api("POST", "/revocations", &body);
    for url in [
        token.as_str(),
        &link,
        &changed,
        &cut,
        &unknown,
        revoked["url"].as_str().unwrap(),
        "https://files.example.org/o/reports/a",
        "https://files.example.org/o/nowhere/a",
        "https://files.example.org/vk/v1/buckets",
        "https://files.example.org/",
        "/o/reports/a?cat=x",
        &token.replace("reports", "strange"),
    ] {
        assert_eq!(told("stranger", url), gibberish, "{url}");
    }
    assert_eq!(told("app", &unknown), gibberish, "the owner of another");
    assert_ne!(told("app", &token), gibberish);
    let told: Value = serde_json::from_slice(&gibberish).unwrap();
    assert_eq!((&told["refusal"], &told["facts"]), (&json!("invalid_signature"), &json!(null)));
}

#[test]
fn hosts_and_base_paths() {
    let world = world_at("https://files.example.org/files");
    world.put("a", "x");
    let url = world.sign("a", json!({}));
    let rest = url.strip_prefix("https://files.example.org").unwrap();
    assert!(rest.starts_with("/files/o/"));
    for (begin, own) in [
        ("https://files.example.org", true),
        ("HTTPS://Files.Example.ORG:443", true),
        ("", true),
        ("https://cdn.example.net", false),
        ("http://files.example.org", false),
        ("https://files.example.org:8443", false),
    ] {
        let explained = world.explained(&json!({ "url": format!("{begin}{rest}") }));
        assert_eq!((&explained["own_host"], &explained["works"]), (&json!(own), &json!(true)), "{begin}");
    }
    // As behind a proxy that has taken the base path away.
    let below = rest.strip_prefix("/files").unwrap();
    assert_eq!(world.explained(&json!({ "url": below }))["works"], true);
    assert_eq!(world.explained(&json!({ "url": format!("{url}#page=2") }))["works"], true);
}

#[test]
fn a_url_with_two_credentials() {
    let world = world();
    world.put("a", "x");
    let url = world.sign("a", json!({}));
    let explained = world.explained(&json!({ "url": format!("{url}&cat=x") }));
    assert_eq!(explained["refusal"], "ambiguous");
    assert_eq!(world.get(&format!("{url}&cat=x")).status, 400);
}

#[test]
fn refused() {
    let world = world();
    for body in [
        json!({}),
        json!([]),
        json!({ "url": 1 }),
        json!({ "url": "not a URL" }),
        json!({ "url": "ftp://h/o/reports/a" }),
        json!({ "url": "/o/reports/a", "method": "POST" }),
        json!({ "url": "/o/reports/a", "method": "get" }),
        json!({ "url": "/o/reports/a", "client_address": "nowhere" }),
        json!({ "url": "/o/reports/a", "at": "yesterday" }),
        json!({ "url": "/o/reports/a", "user_agent": "x".repeat(1025) }),
        json!({ "url": format!("/o/reports/{}", "x".repeat(16 << 10)) }),
        json!({ "url": "/o/reports/a", "other": 1 }),
    ] {
        world.api("POST", "/explain", &body.to_string()).problem(400, "invalid");
    }
    let body = json!({ "url": "/o/reports/a" }).to_string();
    world.api_as("reader", "POST", "/explain", &body).problem(403, "missing_scope");
    world.call("POST", "/vk/v1/explain", &[], body.as_bytes()).problem(401, "unauthenticated");
    world.api("GET", "/explain", "").problem(405, "method_not_allowed");
}
