use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};

fn key(kid: &str) -> Value {
    json!({ "kid": kid, "algorithm": "HS256", "owner": "backend", "state": "active", "max_lifetime_seconds": 3600,
        "buckets": null, "prefixes": null, "permission": null, "created_at": "2024-02-03T04:05:06Z" })
}

fn issued(secret: Value) -> Answer {
    let mut key = key("app-1");
    key["secret"] = secret;
    Answer::json(201, key)
}

#[test]
fn create() {
    let check = |arguments: &[&str], expected: Value| {
        let fake = Fake::giving([issued("c2VjcmV0".into())]);
        let shell = Shell::with(&fake);
        shell.write("key", [7; 32]);
        let mut all = vec!["signing-key", "create"];
        all.extend(arguments);
        let ended = shell.run(&all);
        assert_eq!((ended.code, ended.stdout.as_slice()), (0, &b"c2VjcmV0\n"[..]), "the secret alone");
        assert!(ended.stderr.contains("signing key `app-1`") && !ended.stderr.contains("c2VjcmV0"), "{}", ended.stderr);
        assert_eq!((fake.request().line(), fake.request().json()), ("POST /vk/v1/signing-keys".to_owned(), expected));
    };
    check(&[], json!({ "algorithm": "HS256", "owner": "server" }));
    check(
        &[
            "app-1",
            "--owner",
            "backend",
            "--secret-file",
            "key",
            "--max-lifetime",
            "1h",
            "--bucket",
            "abc,def",
            "--prefix",
            "a/",
            "--prefix",
            "b,c/",
            "--permission",
            "read",
        ],
        json!({ "kid": "app-1", "algorithm": "HS256", "owner": "backend", "secret": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            "max_lifetime_seconds": 3600, "buckets": ["abc", "def"], "prefixes": ["a/", "b,c/"], "permission": "read" }),
    );
}

#[test]
fn create_without_a_secret_to_show() {
    let fake = Fake::giving([issued(Value::Null)]);
    let shell = Shell::with(&fake);
    shell.run(&["signing-key", "create"]).printed("app-1\n");
    let ended = shell.run(&["signing-key", "create", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&ended.stdout).unwrap()["secret"], Value::Null);
    shell.run(&["signing-key", "create", "--secret-file", "missing"]).failed(1, &["cannot read the secret file `missing`"]);
    shell.run(&["signing-key", "create", "--permission", "all"]).failed(2, &["read, write, readwrite"]);
}

#[test]
fn list() {
    let fake = Fake::giving([Answer::json(200, json!({ "signing_keys": [key("app-1"), key("app-2")], "next": null }))]);
    let shell = Shell::with(&fake);
    shell.run(&["signing-key", "list"]).printed("app-1\napp-2\n");
    shell.run(&["signing-key", "ls", "--long"]).printed(
        "2024-02-03T04:05:06Z  active           3600 s  backend               app-1\n\
         2024-02-03T04:05:06Z  active           3600 s  backend               app-2\n",
    );
    assert_eq!(fake.lines()[0], "GET /vk/v1/signing-keys");
}

#[test]
fn states() {
    let fake = Fake::giving([
        Answer::json(200, key("a")),
        Answer::json(200, key("a")),
        Answer::json(200, key("a")),
        Answer::problem(409, "conflict", "a signing key is revoked for good"),
    ]);
    let shell = Shell::with(&fake);
    shell.run(&["signing-key", "retire", "a"]).printed("");
    shell.run(&["signing-key", "activate", "a"]).printed("");
    shell.run(&["signing-key", "revoke", "a"]).printed("");
    shell.run(&["signing-key", "activate", "a"]).failed(1, &["`a`: a signing key is revoked for good", "hint: make another one"]);
    let asked: Vec<_> = fake.requests().iter().map(|request| (request.line(), request.json())).collect();
    let states = ["verify-only", "active", "revoked", "active"];
    let expected = states.map(|state| ("PATCH /vk/v1/signing-keys/a".to_owned(), json!({ "state": state })));
    assert_eq!(asked, expected);
}
