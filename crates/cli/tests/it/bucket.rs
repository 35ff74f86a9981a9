use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::{Value, json};

fn bucket(name: &str) -> Value {
    json!({ "name": name, "region": "EU", "retention": "transient", "public": true, "created_at": "2024-02-03T04:05:06Z" })
}

#[test]
fn create() {
    let check = |arguments: &[&str], expected: Value| {
        let fake = Fake::giving([Answer::json(201, bucket("reports"))]);
        let mut all = vec!["bucket", "create", "reports"];
        all.extend(arguments);
        Shell::with(&fake).run(&all).printed("reports\n");
        assert_eq!((fake.request().line(), fake.request().json()), ("POST /vk/v1/buckets".to_owned(), expected));
    };
    check(&[], json!({ "name": "reports" }));
    check(
        &["--region", "EU", "--retention", "transient", "--public"],
        json!({ "name": "reports", "region": "EU", "retention": "transient", "public": true }),
    );
}

#[test]
fn create_what_exists_or_cannot_be() {
    let fake = Fake::giving([Answer::problem(409, "exists", "this bucket exists already")]);
    let shell = Shell::with(&fake);
    shell
        .run(&["bucket", "create", "reports"])
        .failed(1, &["`reports`: this bucket exists already", "hint: choose another name"]);
    shell.run(&["bucket", "create", "Re"]).failed(2, &["a bucket name: 3 to 128 lower-case letters"]);
    shell.run(&["bucket", "create", "reports", "--retention", "some"]).failed(2, &["persistent, transient, temporary"]);
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn ls() {
    let fake = Fake::giving([Answer::json(200, json!({ "buckets": [bucket("inbox"), bucket("reports")], "next": null }))]);
    let shell = Shell::with(&fake);
    shell.run(&["bucket", "ls"]).printed("inbox\nreports\n");
    shell.run(&["bucket", "ls", "--long"]).printed(
        "2024-02-03T04:05:06Z  transient   public   EU      inbox\n2024-02-03T04:05:06Z  transient   public   EU      reports\n",
    );
    let ended = shell.run(&["bucket", "ls", "--json"]);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap(), bucket("inbox"));
}

#[test]
fn update() {
    for (flag, public) in [("--public", true), ("--private", false)] {
        let fake = Fake::giving([Answer::json(200, bucket("reports"))]);
        let shell = Shell::with(&fake);
        shell.run(&["bucket", "update", "reports", flag]).printed("");
        let asked = (fake.request().line(), fake.request().json());
        assert_eq!(asked, ("PATCH /vk/v1/buckets/reports".to_owned(), json!({ "public": public })));
        let ended = shell.run(&["bucket", "update", "reports", flag, "--json"]);
        assert_eq!(serde_json::from_slice::<Value>(&ended.stdout).unwrap(), bucket("reports"));
    }
    let shell = Shell::bare();
    shell.run(&["bucket", "update", "reports"]).failed(2, &["--public"]);
    shell.run(&["bucket", "update", "reports", "--public", "--private"]).failed(2, &["cannot be used with"]);
}

#[test]
fn other_words_for_the_same() {
    let fake = Fake::giving([Answer::json(200, json!({ "buckets": [], "next": null })), Answer::new(204, "")]);
    let shell = Shell::with(&fake);
    shell.run(&["bucket", "list"]).printed("");
    shell.run(&["bucket", "delete", "reports"]).printed("");
    assert_eq!(fake.lines(), ["GET /vk/v1/buckets", "DELETE /vk/v1/buckets/reports"]);
}

#[test]
fn rm() {
    let fake = Fake::giving([Answer::new(204, ""), Answer::problem(409, "not_empty", "this bucket is not empty")]);
    let ended = Shell::with(&fake).run(&["bucket", "rm", "inbox", "reports"]);
    ended.failed(
        1,
        &["`reports`: this bucket is not empty", "hint: delete its objects first: `valetkey ls reports/`", "1 of 2 failed"],
    );
    assert_eq!(fake.lines(), ["DELETE /vk/v1/buckets/inbox", "DELETE /vk/v1/buckets/reports"]);
}
