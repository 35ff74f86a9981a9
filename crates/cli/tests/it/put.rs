use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use serde_json::json;

fn stored() -> Answer {
    Answer::json(201, json!({ "bucket": "reports", "key": "q3.pdf", "size_bytes": 5 }))
}

#[test]
fn a_file_becomes_an_object() {
    let fake = Fake::giving([stored()]);
    let shell = Shell::with(&fake);
    shell.write("final.bin", "bytes");
    shell.run(&["put", "final.bin", "reports/2024/q3.pdf"]).printed("reports/2024/q3.pdf\n");
    let request = fake.request();
    assert_eq!(request.line(), "PUT /vk/v1/buckets/reports/objects/2024/q3.pdf");
    assert_eq!(request.body, b"bytes");
    assert_eq!(request.header("authorization"), Some("Bearer vk_test"));
    assert_eq!(request.header("content-type"), Some("application/pdf"));
    assert_eq!(request.header("content-length"), Some("5"));
    assert_eq!(request.header("if-none-match"), None);
}

#[test]
fn the_media_type_is_guessed_from_the_key_then_from_the_file() {
    let check = |arguments: &[&str], expected: &str| {
        let fake = Fake::giving([stored()]);
        let shell = Shell::with(&fake);
        shell.write("a.png", "");
        assert_eq!(shell.run(arguments).code, 0);
        assert_eq!(fake.request().header("content-type"), Some(expected), "{arguments:?}");
    };
    check(&["put", "a.png", "reports/a.jpg"], "image/jpeg");
    check(&["put", "a.png", "reports/a"], "image/png");
    check(&["put", "a.png", "reports/a.jpg", "--content-type", "text/x-own; charset=utf-8"], "text/x-own; charset=utf-8");
    check(&["put", "-", "reports/a"], "application/octet-stream");
    check(&["put", "-", "reports/a.csv"], "text/csv");
}

#[test]
fn names_of_every_kind_are_kept() {
    let longest = format!("{}.pdf", "é".repeat(125) + "x");
    let names = ["تقرير نهائي.pdf", "😀.png", "it's \"q3\".txt", "a+b%20c?d#e&f=g.txt", " -x .txt", longest.as_str()];
    let fake = Fake::giving([stored()]);
    let shell = Shell::with(&fake);
    for name in names {
        shell.write(name, name);
    }
    let mut arguments = vec!["put", "--"];
    arguments.extend(names);
    arguments.push("reports/2024/");
    let expected: String = names.iter().map(|name| format!("reports/2024/{name}\n")).collect();
    shell.run(&arguments).printed(&expected);
    for (name, request) in names.iter().zip(fake.requests()) {
        assert_eq!(request.body, name.as_bytes());
        let encoded = request.target.strip_prefix("/vk/v1/buckets/reports/objects/2024/").unwrap();
        assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{encoded}");
        assert_eq!(percent_decoded(encoded), *name);
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn standard_input_is_streamed() {
    let fake = Fake::giving([stored()]);
    let shell = Shell::with(&fake);
    let input = vec![7; 300_000];
    let ended = shell.run_with_input(&["put", "-", "backups/shop.sql"], &input);
    ended.printed("backups/shop.sql\n");
    let request = fake.request();
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    assert_eq!(request.header("content-length"), None);
    assert_eq!(request.body, input);
}

#[test]
fn large_and_empty_files() {
    for size in [0, 1, 65_535, 65_536, 5_000_000] {
        let fake = Fake::giving([stored()]);
        let shell = Shell::with(&fake);
        let bytes: Vec<u8> = (0..size).map(|at: u32| (at / 7) as u8).collect();
        shell.write("file", &bytes);
        shell.run(&["put", "file", "reports/file"]).printed("reports/file\n");
        assert!(fake.request().body == bytes, "{size}");
        assert_eq!(fake.request().header("content-length"), Some(size.to_string().as_str()));
    }
}

#[test]
fn a_large_body_is_not_sent_if_it_is_refused() {
    let fake = Fake::giving([Answer::problem(413, "quota_exceeded", "there is no room left for this upload")]);
    let shell = Shell::with(&fake);
    shell.write("file", vec![0; 20_000_000]);
    shell.run(&["put", "file", "reports/file"]).failed(1, &["`reports/file`: there is no room left for this upload (413"]);
    assert_eq!(fake.request().header("expect"), Some("100-continue"));
    assert!(fake.request().body.is_empty());
}

#[test]
fn create_does_not_replace() {
    let fake = Fake::giving([Answer::problem(412, "exists", "there is an object already")]);
    let shell = Shell::with(&fake);
    shell.write("a", "a");
    let ended = shell.run(&["put", "--create", "a", "reports/a"]);
    ended.failed(1, &["error: `reports/a`: there is an object already (412 `exists`)\n", "hint: leave out `--create`"]);
    assert_eq!(fake.request().header("if-none-match"), Some("*"));
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let fake = Fake::start(|_, request| match request.target.ends_with("/b") {
        true => Answer::problem(507, "no_space", "the server's disk is full"),
        false => stored(),
    });
    let shell = Shell::with(&fake);
    for name in ["a", "b", "c"] {
        shell.write(name, name);
    }
    let ended = shell.run(&["put", "a", "b", "missing", "c", "reports/"]);
    assert_eq!((ended.code, ended.stdout.as_slice()), (1, b"reports/a\nreports/c\n".as_slice()));
    for word in ["`reports/b`: the server's disk is full", "cannot read `missing`", "error: 2 of 4 failed\n"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[test]
fn json_is_the_servers_answer() {
    let fake = Fake::giving([stored()]);
    let shell = Shell::with(&fake);
    shell.write("a", "a");
    let ended = shell.run(&["put", "--json", "a", "reports/q3.pdf"]);
    let found: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(found, json!({ "bucket": "reports", "key": "q3.pdf", "size_bytes": 5 }));
}

#[test]
fn a_missing_bucket_is_named_with_the_command_that_makes_it() {
    let fake = Fake::giving([Answer::problem(404, "not_found", "there is no such bucket")]);
    let shell = Shell::with(&fake);
    shell.write("a", "a");
    shell.run(&["put", "a", "reports/a"]).failed(1, &["there is no such bucket", "hint: `valetkey bucket create reports`"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let fake = Fake::giving([stored()]);
    let shell = Shell::with(&fake);
    shell.write("a", "a");
    shell.write("b", "b");
    std::fs::create_dir(shell.path("directory")).unwrap();
    let check = |arguments: &[&str], code: i32, words: &[&str]| shell.run(arguments).failed(code, words);
    check(&["put", "a"], 2, &["BUCKET/[KEY]"]);
    check(&["put", "a", "b"], 2, &["`b` is no destination", "hint: write `b/`"]);
    check(&["put", "a", "b", "reports/c"], 2, &["expected one file, found 2", "hint: write `reports/c/`"]);
    check(&["put", "-", "reports/"], 2, &["gives no name to keep", "hint: "]);
    check(&["put", "a", "Reports/a"], 2, &["a bucket name: 3 to 128 lower-case letters"]);
    check(&["put", "missing", "reports/"], 1, &["cannot read `missing`"]);
    check(&["put", "directory", "reports/a"], 1, &["is a directory", "hint: name its files"]);
    check(&["put", "a", "reports/a", "--content-type", "a\nb"], 2, &["expected a content type"]);
    assert_eq!(fake.lines(), [""; 0]);
}
