use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};
use std::io::Read as _;
use std::process::Stdio;

fn object(key: &str) -> Value {
    json!({
        "bucket": "reports", "key": key, "size_bytes": 5, "content_type": "application/pdf", "etag": "\"v1\"", "sha256": "00",
        "created_at": "2024-01-01T00:00:00Z", "modified_at": "2024-02-03T04:05:06Z",
    })
}

#[test]
fn every_page_is_listed() {
    let fake = Fake::start(|n, _| match n {
        0 => Answer::json(200, json!({ "objects": [object("a"), object("تقرير 😀")], "next": "a/b+c=" })),
        _ => Answer::json(200, json!({ "objects": [object("z")], "next": null })),
    });
    Shell::with(&fake).run(&["ls", "reports"]).printed("reports/a\nreports/تقرير 😀\nreports/z\n");
    let path = "GET /vk/v1/buckets/reports/objects";
    assert_eq!(fake.lines(), [path.to_owned(), format!("{path}?next=a%2Fb%2Bc%3D")]);
}

#[test]
fn prefixes_are_encoded() {
    let fake = Fake::giving([Answer::json(200, json!({ "objects": [], "next": null }))]);
    Shell::with(&fake).run(&["ls", "reports/2024/a b&c"]).printed("");
    assert_eq!(fake.request().target, "/vk/v1/buckets/reports/objects?prefix=2024%2Fa%20b%26c");
}

#[test]
fn long_and_json() {
    let untyped = json!({ "bucket": "reports", "key": "b\nc", "size_bytes": 12_345, "content_type": null });
    let fake = Fake::giving([Answer::json(200, json!({ "objects": [object("a"), untyped], "next": null }))]);
    let shell = Shell::with(&fake);
    let ended = shell.run(&["ls", "--json", "reports/"]);
    let lines: Vec<Value> =
        String::from_utf8(ended.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [object("a"), untyped.clone()]);
    let ended = shell.run(&["ls", "--long", "reports/"]);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(text.contains("5  2024-02-03T04:05:06Z  application/pdf"), "{text}");
    assert!(text.contains("12345") && text.contains("reports/b\nc"), "{text}");
    shell.run(&["ls", "--json", "--long"]).failed(2, &["cannot be used with"]);
}

#[test]
fn without_a_path_the_buckets() {
    let bucket = |name: &str| json!({ "name": name, "region": "US", "retention": "persistent", "public": false });
    let fake = Fake::start(move |n, _| match n {
        0 => Answer::json(200, json!({ "buckets": [bucket("inbox")], "next": "x" })),
        _ => Answer::json(200, json!({ "buckets": [bucket("reports")], "next": null })),
    });
    Shell::with(&fake).run(&["ls"]).printed("inbox/\nreports/\n");
    assert_eq!(fake.lines(), ["GET /vk/v1/buckets", "GET /vk/v1/buckets?next=x"]);
}

#[test]
fn a_missing_bucket() {
    let fake = Fake::giving([Answer::problem(404, "not_found", "there is no such bucket")]);
    Shell::with(&fake).run(&["ls", "reports/x"]).failed(
        1,
        &["error: `reports/x`: there is no such bucket (404 `not_found`)\n", "hint: `valetkey bucket create reports`"],
    );
}

#[test]
fn a_list_without_end_is_noticed() {
    let fake = Fake::giving([Answer::json(200, json!({ "objects": [], "next": "same" }))]);
    Shell::with(&fake).run(&["ls", "reports"]).failed(1, &["the same `next` twice"]);
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let objects: Vec<Value> = (0..20_000).map(|n| object(&format!("{n:0>30}"))).collect();
    let fake = Fake::giving([Answer::json(200, json!({ "objects": objects, "next": null }))]);
    let shell = Shell::with(&fake);
    let mut child = shell.command(&["ls", "reports"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
