use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};

const LINK_ID: &str = "lnk_BwcHBwcHBwcHBwcHBwcHBw";

fn url() -> Value {
    json!({ "link_id": LINK_ID, "state": "active", "form": "token", "permission": "read", "bucket": "reports", "key": "q3.pdf",
        "prefix": null, "label": "q3", "issuer": "app", "signing_key": "app-1", "uses": 3, "uses_left": 2, "n_requests": 5,
        "last_used_at": "2026-01-02T03:04:05.678901Z", "issued_at": "2026-01-01T00:00:00Z", "not_before_at": null,
        "expires_at": "2026-02-01T00:00:00Z" })
}

#[test]
fn list() {
    let mut folder = url();
    for (field, value) in [
        ("key", Value::Null),
        ("prefix", json!("a b/")),
        ("label", Value::Null),
        ("uses", Value::Null),
        ("uses_left", Value::Null),
        ("last_used_at", Value::Null),
        ("state", json!("not_yet_valid")),
    ] {
        folder[field] = value;
    }
    let pages = [json!({ "signed_urls": [url()], "next": "x" }), json!({ "signed_urls": [folder], "next": null })];
    let fake = Fake::giving(pages.map(|page| Answer::json(200, page)));
    Shell::with(&fake).run(&["links"]).printed(&format!(
        "{LINK_ID}  active         read       2/3      5         2026-01-02T03:04:05Z  2026-02-01T00:00:00Z  reports/q3.pdf            q3\n\
         {LINK_ID}  not_yet_valid  read       -        5         never                 2026-02-01T00:00:00Z  reports/a b/*\n"
    ));
    assert_eq!(fake.lines(), ["GET /vk/v1/signed-urls", "GET /vk/v1/signed-urls?next=x"]);
}

#[test]
fn filters() {
    let check = |arguments: &[&str], query: &str| {
        let fake = Fake::giving([Answer::json(200, json!({ "signed_urls": [url()], "next": null }))]);
        let mut all = vec!["links", "--json"];
        all.extend(arguments);
        let ended = Shell::with(&fake).run(&all);
        assert_eq!(serde_json::from_slice::<Value>(&ended.stdout).unwrap(), url());
        assert_eq!(fake.request().line(), format!("GET /vk/v1/signed-urls{query}"));
    };
    check(&[], "");
    check(&["--bucket", "reports", "--state", "used_up"], "?bucket=reports&state=used_up");
    check(&["--object", "reports/2026/a b.pdf"], "?bucket=reports&key=2026%2Fa%20b.pdf");
    check(&["--label", "a&b"], "?label=a%26b");
    Shell::bare().run(&["links", "--state", "dead"]).failed(2, &["possible values"]);
    Shell::bare().run(&["links", LINK_ID, "--label", "x"]).failed(2, &["cannot be used with"]);
}

#[test]
fn one() {
    let fake = Fake::giving([Answer::json(200, url())]);
    let ended = Shell::with(&fake).run(&["links", LINK_ID]);
    assert!(String::from_utf8(ended.stdout).unwrap().starts_with(&format!("{LINK_ID}  active")));
    assert_eq!(fake.request().line(), format!("GET /vk/v1/signed-urls/{LINK_ID}"));
    let ended = Shell::with(&fake).run(&["links", "http://host/l/verysecret"]);
    ended.failed(2, &["expected a link id", "found a URL"]);
    assert!(!ended.stderr.contains("verysecret"));
}
