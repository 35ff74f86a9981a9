use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};

fn key(id: &str) -> Value {
    json!({ "id": id, "scopes": ["object:read", "link:issue"], "buckets": ["reports"], "created_at": "2024-02-03T04:05:06Z",
        "expires_at": null, "disabled_at": null, "has_bearer": false })
}

fn issued(id: &str) -> Value {
    let mut key = key(id);
    key["secret"] = "vk_secret".into();
    key
}

#[test]
fn create() {
    let check = |arguments: &[&str], expected: Value| {
        let fake = Fake::giving([Answer::json(201, issued("backend"))]);
        let shell = Shell::with(&fake);
        shell.write("bearer", "a-value-of-clients\n");
        let mut all = vec!["api-key", "create"];
        all.extend(arguments);
        let ended = shell.run(&all);
        assert_eq!((ended.code, String::from_utf8(ended.stdout).unwrap().as_str()), (0, "vk_secret\n"), "the secret alone");
        assert!(ended.stderr.contains("API key `backend`") && !ended.stderr.contains("vk_secret"), "{}", ended.stderr);
        assert_eq!((fake.request().line(), fake.request().json()), ("POST /vk/v1/api-keys".to_owned(), expected));
    };
    check(&["--scope", "object:read"], json!({ "scopes": ["object:read"] }));
    check(
        &[
            "backend",
            "--scope",
            "link:issue,object:read",
            "--scope",
            "admin",
            "--bucket",
            "reports,inbox",
            "--expires-at",
            "2027-01-31T00:00:00Z",
            "--bearer-file",
            "bearer",
        ],
        json!({ "id": "backend", "scopes": ["object:read", "link:issue", "admin"], "buckets": ["reports", "inbox"],
            "expires_at": "2027-01-31T00:00:00Z", "bearer": "a-value-of-clients" }),
    );
}

#[test]
fn create_as_json() {
    let fake = Fake::giving([Answer::json(201, issued("backend"))]);
    let ended = Shell::with(&fake).run(&["api-key", "create", "--scope", "*", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(serde_json::from_slice::<Value>(&ended.stdout).unwrap(), issued("backend"));
    assert_eq!(fake.request().json()["scopes"].as_array().unwrap().len(), 9);
}

#[test]
fn create_what_cannot_be() {
    let fake = Fake::giving([Answer::problem(409, "already_exists", "this API key exists already")]);
    let shell = Shell::with(&fake);
    shell.write("empty", "\n");
    shell
        .run(&["api-key", "create", "backend", "--scope", "*"])
        .failed(1, &["`backend`: this API key exists already", "hint: choose another id"]);
    shell.run(&["api-key", "create", "backend"]).failed(2, &["--scope"]);
    shell.run(&["api-key", "create", "--scope", "read"]).failed(2, &["`read` is not a scope"]);
    shell.run(&["api-key", "create", "a/b", "--scope", "*"]).failed(2, &["an API key id: 1 to 128 letters"]);
    shell.run(&["api-key", "create", "--scope", "*", "--bearer-file", "empty"]).failed(2, &["`empty` is empty"]);
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn list() {
    let mut off = key("old");
    off["disabled_at"] = "2024-02-03T04:05:07Z".into();
    off["expires_at"] = "2025-02-03T04:05:06Z".into();
    off["buckets"] = json!([]);
    let page = json!({ "api_keys": [key("backend"), off], "next": null });
    let fake = Fake::giving([Answer::json(200, page)]);
    let shell = Shell::with(&fake);
    shell.run(&["api-key", "list"]).printed("backend\nold\n");
    shell.run(&["api-key", "ls", "--long"]).printed(
        "2024-02-03T04:05:06Z  enabled   never                 backend               object:read,link:issue  reports\n\
         2024-02-03T04:05:06Z  disabled  2025-02-03T04:05:06Z  old                   object:read,link:issue  *\n",
    );
    let ended = shell.run(&["api-key", "list", "--json"]);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap(), key("backend"));
    assert_eq!(fake.lines()[0], "GET /vk/v1/api-keys");
}

#[test]
fn update() {
    let check = |arguments: &[&str], expected: Value| {
        let fake = Fake::giving([Answer::json(200, key("backend"))]);
        let mut all = vec!["api-key", "update", "backend"];
        all.extend(arguments);
        Shell::with(&fake).run(&all).printed("");
        assert_eq!((fake.request().line(), fake.request().json()), ("PATCH /vk/v1/api-keys/backend".to_owned(), expected));
    };
    check(&["--scope", "object:read"], json!({ "scopes": ["object:read"] }));
    check(&["--bucket", "a-1,b-2"], json!({ "buckets": ["a-1", "b-2"] }));
    check(&["--all-buckets"], json!({ "buckets": [] }));
    check(&["--never-expires"], json!({ "expires_at": null }));
    check(&["--expires-at", "2027-01-31T00:00:00Z"], json!({ "expires_at": "2027-01-31T00:00:00Z" }));
    let shell = Shell::bare();
    shell.run(&["api-key", "update", "backend"]).failed(2, &["expected something to change", "hint: "]);
    shell.run(&["api-key", "update", "backend", "--all-buckets", "--bucket", "abc"]).failed(2, &["cannot be used with"]);
    shell.run(&["api-key", "update", "backend", "--never-expires", "--expires-at", "x"]).failed(2, &["cannot be used with"]);
}

#[test]
fn rotate() {
    let fake = Fake::giving([Answer::json(200, issued("backend"))]);
    let ended = Shell::with(&fake).run(&["api-key", "rotate", "backend"]);
    assert_eq!((ended.code, ended.stdout.as_slice()), (0, &b"vk_secret\n"[..]));
    assert_eq!(fake.request().line(), "POST /vk/v1/api-keys/backend/secret");
}

#[test]
fn disable_enable_delete() {
    let conflict = Answer::problem(409, "conflict", "the tenant would be left without an administrator");
    let fake = Fake::giving([
        Answer::json(200, key("a")),
        conflict,
        Answer::json(200, key("a")),
        Answer::new(204, ""),
        Answer::problem(404, "not_found", "there is no such API key"),
    ]);
    let shell = Shell::with(&fake);
    let ended = shell.run(&["api-key", "disable", "a", "chief"]);
    ended
        .failed(1, &["`chief`: the tenant would be left without an administrator", "hint: make another administrator", "1 of 2"]);
    shell.run(&["api-key", "enable", "a"]).printed("");
    shell.run(&["api-key", "delete", "a"]).printed("");
    shell.run(&["api-key", "rm", "a"]).failed(1, &["there is no such API key", "hint: `valetkey api-key list`"]);
    let lines = ["PATCH /vk/v1/api-keys/a", "PATCH /vk/v1/api-keys/chief", "PATCH /vk/v1/api-keys/a"];
    assert_eq!(fake.lines()[..3], lines);
    assert_eq!(fake.lines()[3..], ["DELETE /vk/v1/api-keys/a", "DELETE /vk/v1/api-keys/a"]);
    let bodies: Vec<_> = fake.requests()[..3].iter().map(|request| request.json()).collect();
    assert_eq!(bodies, [json!({ "disabled": true }), json!({ "disabled": true }), json!({ "disabled": false })]);
}
