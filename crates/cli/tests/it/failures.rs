//! What is the same for every command: the connection, the key, help and exit codes.

use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::json;

fn no_buckets() -> Answer {
    Answer::json(200, json!({ "buckets": [], "next": null }))
}

/// An address that nobody listens on.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn nobody_listens() {
    let shell = Shell::bare().set("VALETKEY_URL", closed());
    let ended = shell.run(&["rm", "reports/a", "reports/b"]);
    ended.failed(
        1,
        &[
            "cannot reach `http://127.0.0.1:",
            ": connection refused\n",
            "hint: start it with `valetkey serve`, or set VALETKEY_URL",
        ],
    );
    assert_eq!(ended.stderr.matches("error:").count(), 1, "{}", ended.stderr);
    let ended = Shell::bare().run(&["get", &format!("{}/l/verysecret", closed()), "a"]);
    ended.failed(1, &["connection refused"]);
    assert!(!ended.stderr.contains("valetkey serve") && !ended.stderr.contains("verysecret"), "{}", ended.stderr);
}

#[test]
fn there_is_no_such_host() {
    let shell = Shell::bare().set("VALETKEY_URL", "http://nobody.invalid:8080");
    shell.run(&["ls"]).failed(1, &["`http://nobody.invalid:8080`", "hint: set VALETKEY_URL"]);
}

#[test]
fn the_key_is_missing_or_wrong() {
    let fake = Fake::giving([Answer::problem(401, "unauthenticated", "a valid credential is needed")]);
    let hint = "set VALETKEY_API_KEY to the key that the first start printed";
    Shell::bare().set("VALETKEY_URL", fake.url()).run(&["ls"]).failed(1, &["a valid credential is needed (401", hint]);
    assert_eq!(fake.request().header("authorization"), None);
    Shell::with(&fake).run(&["ls"]).failed(1, &[hint, "does not know this key"]);
    let ended = Shell::with(&fake).set("VALETKEY_API_KEY", "se\u{1}cret").run(&["ls"]);
    ended.failed(2, &["the API key holds characters that no key has", hint]);
    assert!(!ended.stderr.contains("cret\n"), "{}", ended.stderr);
}

#[test]
fn flags_are_over_the_environment() {
    let fake = Fake::giving([no_buckets()]);
    let shell = Shell::bare().set("VALETKEY_URL", closed()).set("VALETKEY_API_KEY", "vk_environment");
    shell.write("key", "vk_file\n# more\n");
    shell.run(&["ls", "--url", &fake.url(), "--api-key-file", "key"]).printed("");
    assert_eq!(fake.request().header("authorization"), Some("Bearer vk_file"));
    shell.write("empty", "\n");
    shell.run(&["ls", "--api-key-file", "empty"]).failed(2, &["is empty"]);
    shell.run(&["ls", "--api-key-file", "missing"]).failed(1, &["cannot read the API key file `missing`"]);
}

#[test]
fn the_path_of_a_base_url_is_kept() {
    let fake = Fake::giving([no_buckets()]);
    for url in [format!("{}/base/", fake.url()), format!("{}/base", fake.url())] {
        Shell::bare().set("VALETKEY_URL", url).run(&["ls"]).printed("");
    }
    assert_eq!(fake.lines(), ["GET /base/vk/v1/buckets"; 2]);
}

#[test]
fn a_proxy_is_not_for_this_machine() {
    let fake = Fake::giving([no_buckets()]);
    Shell::with(&fake).set("http_proxy", closed()).set("ALL_PROXY", closed()).run(&["ls"]).printed("");
}

#[test]
fn urls_that_are_none() {
    for (url, words) in [
        ("https://host", "this build speaks http only"),
        ("host:8080", "expected a URL"),
        ("http://", "expected a URL"),
        ("ftp://host", "this build speaks http only"),
    ] {
        Shell::bare().set("VALETKEY_URL", url).run(&["ls"]).failed(2, &[words, "hint: set VALETKEY_URL"]);
    }
}

#[test]
fn a_server_of_another_kind() {
    let check = |answer: Answer, words: &[&str]| {
        let fake = Fake::giving([answer]);
        Shell::with(&fake).run(&["ls"]).failed(1, words);
    };
    check(
        Answer::new(404, "<h1>no</h1>").with("Content-Type", "text/html"),
        &["the server answered 404 Not Found", "hint: ", "VALETKEY_URL"],
    );
    check(Answer::new(200, "<h1>hello</h1>"), &["expected JSON in the server's answer", "hint: set VALETKEY_URL"]);
    check(Answer::json(200, json!({ "things": [] })), &["expected a list `buckets`"]);
    check(Answer::new(308, "").with("Location", "https://new.example/x"), &["308", "hint: ", "`https://new.example/x`"]);
    check(Answer::json(200, json!({ "buckets": [] })).cut_after(3), &["the answer broke off"]);
}

#[test]
fn words_of_a_server_cannot_move_the_cursor() {
    let fake = Fake::giving([Answer::problem(500, "internal", "\u{1b}[2Jgone\u{202e}")]);
    let ended = Shell::with(&fake).run(&["ls"]);
    ended.failed(1, &["\\u{1b}[2Jgone\\u{202e}"]);
    assert!(!ended.stderr.contains('\u{1b}'));
}

#[test]
fn help_is_no_failure_and_nonsense_is() {
    let shell = Shell::bare();
    for arguments in
        [&["--help"] as &[&str], &["--version"], &["put", "--help"], &["bucket", "create", "-h"], &["serve", "--help"]]
    {
        let ended = shell.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.is_empty()), (0, "", false), "{arguments:?}");
    }
    for arguments in [&[] as &[&str], &["nonsense"], &["ls", "--nonsense"], &["bucket"], &["rm"], &["sign"], &["revoke"]] {
        let ended = shell.run(arguments);
        assert_eq!((ended.code, ended.stdout.is_empty(), ended.stderr.is_empty()), (2, true, false), "{arguments:?}");
    }
}

#[test]
fn a_key_never_appears_in_help() {
    let ended = Shell::bare().set("VALETKEY_API_KEY", "vk_verysecret").run(&["ls", "--help"]);
    assert!(!String::from_utf8(ended.stdout).unwrap().contains("vk_verysecret"));
}
