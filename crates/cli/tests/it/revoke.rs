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
