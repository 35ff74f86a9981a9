//! `/vk/v1/audit`.

use crate::world::*;
use serde_json::{Value, json};

fn actions(got: &Got) -> Vec<String> {
    let body = got.json();
    body["rows"].as_array().unwrap().iter().map(|row| row["row"]["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_are_searched() {
    let world = world();
    world.put("a", "x");
    world.put("b", "y");
    let link_id = world.issue("a", json!({ "label": "Q3" }))["link_id"].as_str().unwrap().to_owned();
    let all = world.api("GET", "/audit", "");
    assert_eq!(actions(&all)[..3], ["url.issue", "object.publish", "object.publish"], "the newest first");
    let newest = &all.json()["rows"][0];
    assert_eq!((&newest["row"]["link_id"], &newest["row"]["key"]), (&json!(link_id), &json!("a")));
    assert_eq!(newest["personal"]["label"]["value"], "Q3");
    assert_eq!(newest["personal"]["address"]["value"], "127.0.0.1");
    assert_eq!(newest["row"]["at"], "2027-01-15T08:00:00.000000Z");
    for (query, expected) in [
        ("bucket=reports&key=a".to_owned(), vec!["url.issue", "object.publish"]),
        (format!("link_id={link_id}"), vec!["url.issue"]),
        ("principal=app&limit=2".to_owned(), vec!["url.issue", "object.publish"]),
        ("outcome=expired".to_owned(), vec![]),
        ("since=2027-01-15T08%3A00%3A01Z".to_owned(), vec![]),
        ("until=2027-01-15T08%3A00%3A00Z".to_owned(), vec![]),
    ] {
        assert_eq!(actions(&world.api("GET", &format!("/audit?{query}"), "")), expected, "{query}");
    }
    let (mut next, mut found) = (String::new(), Vec::new());
    loop {
        let page = world.api("GET", &format!("/audit?limit=2{next}"), "");
        found.extend(actions(&page));
        match &page.json()["next"] {
            Value::String(cursor) => next = format!("&next={cursor}"),
            _ => break,
        }
    }
    assert_eq!(found, actions(&all));
}

#[test]
fn bad_questions() {
    let world = world();
    for query in ["outcome=great", "since=yesterday", "link_id=x", "bucket=x", "next=x", "next=eHh4", "limit=0", "principal=%20"]
    {
        world.api("GET", &format!("/audit?{query}"), "").problem(400, "invalid");
    }
    world.api("GET", "/audit/export?after=x", "").problem(400, "invalid");
    let chief = |body: &str| world.api_as("chief", "POST", "/audit/erasures", body);
    for body in ["", "{}", r#"{"address":""}"#, r#"{"address":"a","label":"b"}"#, r#"{"name":"x"}"#] {
        chief(body).problem(400, "invalid");
    }
    world.api("POST", "/audit/erasures", r#"{"label":"x"}"#).problem(403, "missing_scope");
    world.api_as("reader", "GET", "/audit", "").problem(403, "missing_scope");
    world.get("/vk/v1/audit/keys").problem(401, "unauthenticated");
    world.api("POST", "/audit", "").problem(405, "method_not_allowed");
    world.api("GET", "/audit/else", "").problem(404, "not_found");
    assert_eq!(chief(r#"{"address":"::ffff:127.0.0.1"}"#).json(), json!({ "erased": 0 }));
}

#[test]
fn a_tenant_reads_its_own() {
    let world = world();
    world.put("a", "x");
    let theirs = world.api_as("stranger", "GET", "/audit", "").json();
    assert_eq!(theirs["chain"], "other/1");
    assert!(!theirs.to_string().contains("reports"));
    assert_eq!(world.api_as("reader", "GET", "/audit/keys", "").json()["keys"].as_array().unwrap().len(), 1);
}
