use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};

const URL: &str = "http://127.0.0.1:8080/o/reports/q3.pdf?cat=2D3RhEOh";

fn issued() -> Value {
    json!({
        "url": URL, "link_id": "lnk_BwcHBwcHBwcHBwcHBwcHBw", "expires_at": "2024-02-03T04:05:06Z", "permission": "read",
        "uses": null, "required_headers": {},
    })
}

#[track_caller]
fn check(arguments: &[&str], expected: Value) {
    let fake = Fake::giving([Answer::json(201, issued())]);
    let mut all = vec!["sign"];
    all.extend(arguments);
    Shell::with(&fake).run(&all).printed(&format!("{URL}\n"));
    assert_eq!(fake.request().line(), "POST /vk/v1/signed-urls");
    assert_eq!(fake.request().header("content-type"), Some("application/json"));
    assert_eq!(fake.request().json(), expected);
}

#[test]
fn the_url_and_nothing_else() {
    check(&["reports/q3.pdf"], json!({ "bucket": "reports", "key": "q3.pdf", "permission": "read", "form": "token" }));
}

#[test]
fn every_option_of_a_read_url() {
    let arguments = [
        "reports/ت/it's \"q3\".pdf",
        "--expires=1h30m",
        "--uses=1",
        "--link",
        "--view",
        "--filename=تقرير.pdf",
        "--content-type=application/pdf",
        "--address=192.0.2.0/24,2001:db8::/32",
        "--address=198.51.100.7",
        "--label=for legal",
    ];
    check(
        &arguments,
        json!({
            "bucket": "reports", "key": "ت/it's \"q3\".pdf", "permission": "read", "form": "link", "expires_in_seconds": 5400,
            "uses": 1, "disposition": "inline", "filename": "تقرير.pdf", "content_type": "application/pdf",
            "addresses": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"], "label": "for legal",
        }),
    );
}

#[test]
fn every_option_of_a_write_url() {
    check(&["inbox/scan", "--write"], json!({ "bucket": "inbox", "key": "scan", "permission": "write", "form": "token" }));
    check(
        &["inbox/scan", "--write", "--max-bytes", "1000", "--content-type", "image/*", "--replace", "--uses", "3"],
        json!({
            "bucket": "inbox", "key": "scan", "permission": "write", "form": "token", "uses": 3,
            "upload": { "max_bytes": 1000, "types": ["image/*"], "mode": "replace" },
        }),
    );
}

#[test]
fn json_is_the_servers_answer() {
    let fake = Fake::giving([Answer::json(201, issued())]);
    let ended = Shell::with(&fake).run(&["sign", "reports/q3.pdf", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(serde_json::from_slice::<Value>(&ended.stdout).unwrap(), issued());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let fake = Fake::giving([Answer::json(201, issued())]);
    let shell = Shell::with(&fake);
    let check = |arguments: &[&str], words: &[&str]| {
        let mut all = vec!["sign", "reports/a"];
        all.extend(arguments);
        shell.run(&all).failed(2, words);
    };
    check(&["--expires", "90"], &["--expires", "`90s`, `15m`, `1h` or `7d`"]);
    check(&["--uses", "0"], &["--uses"]);
    check(&["--address", "192.0.2.0/33"], &["`192.0.2.0/33` is not an address or CIDR block"]);
    check(&["--max-bytes", "5"], &["--write"]);
    check(&["--replace"], &["--write"]);
    check(&["--write", "--view"], &["cannot be used with"]);
    assert_eq!(fake.lines(), [""; 0]);
}

#[test]
fn a_missing_object() {
    let fake = Fake::giving([Answer::problem(404, "not_found", "there is no such object")]);
    Shell::with(&fake)
        .run(&["sign", "reports/a"])
        .failed(1, &["`reports/a`: there is no such object", "hint: `valetkey ls reports/`"]);
}
