use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::json;

const LINK_ID: &str = "lnk_BwcHBwcHBwcHBwcHBwcHBw";

#[test]
fn link_ids_are_revoked_in_one_request() {
    let fake = Fake::giving([Answer::json(200, json!({}))]);
    Shell::with(&fake).run(&["revoke", LINK_ID, "lnk_AAAAAAAAAAAAAAAAAAAAAA"]).printed("");
    assert_eq!(fake.request().line(), "POST /vk/v1/revocations");
    assert_eq!(fake.request().json(), json!({ "link_ids": [LINK_ID, "lnk_AAAAAAAAAAAAAAAAAAAAAA"] }));
}

#[test]
fn what_is_no_link_id_is_not_sent_and_not_repeated() {
    let fake = Fake::giving([Answer::json(200, json!({}))]);
    let ended = Shell::with(&fake).run(&["revoke", LINK_ID, "http://host/o/reports/a?cat=verysecret"]);
    ended.failed(2, &["expected a link id, `lnk_` and 22 characters, found a URL", "hint: ", "`valetkey sign --json`"]);
    assert!(!ended.stderr.contains("verysecret"));
    assert_eq!(fake.lines(), [""; 0]);
}

#[test]
fn what_urls_have_in_common_is_said_once() {
    let check = |arguments: &[&str], expected: serde_json::Value| {
        let fake = Fake::giving([Answer::json(200, json!({ "revoked": 1, "n_cut": 2 }))]);
        let mut all = vec!["revoke"];
        all.extend(arguments);
        let ended = Shell::with(&fake).run(&all);
        let noted = if arguments.contains(&"--cut") { "transfers under way that were ended: 2\n" } else { "" };
        assert_eq!((ended.code, ended.stdout.as_slice(), ended.stderr.as_str()), (0, b"".as_slice(), noted));
        assert_eq!((fake.request().line(), fake.request().json()), ("POST /vk/v1/revocations".to_owned(), expected));
    };
    check(&["--label", "q3 mailing"], json!({ "label": "q3 mailing" }));
    check(&["--object", "reports/2026/q3.pdf", "--cut"], json!({ "bucket": "reports", "key": "2026/q3.pdf", "cut": true }));
    check(&["--prefix", "reports/2026/"], json!({ "bucket": "reports", "prefix": "2026/" }));
    check(&["--prefix", "reports"], json!({ "bucket": "reports", "prefix": "" }));
    check(&["--api-key", "backend"], json!({ "api_key": "backend" }));
    let until = "2026-07-01T00:00:00Z";
    check(&["--signing-key", "app-1", "--issued-before", until], json!({ "signing_key": "app-1", "issued_before": until }));
    check(&["--all"], json!({ "all": true }));
    let shell = Shell::bare();
    shell.run(&["revoke"]).failed(2, &["--label", "--all"]);
    shell.run(&["revoke", "--all", "--label", "x"]).failed(2, &["cannot be used with"]);
    shell.run(&["revoke", LINK_ID, "--issued-before", until]).failed(2, &["cannot be used with"]);
}
