use crate::fake::{Answer, Fake};
use crate::terminal::Shell;
use std::io::Read as _;
use std::process::Stdio;

fn bytes() -> Answer {
    Answer::new(200, "the bytes").with("ETag", "\"v1\"")
}

#[test]
fn an_object_becomes_a_file_of_its_name() {
    let fake = Fake::giving([bytes()]);
    let shell = Shell::with(&fake);
    shell.run(&["get", "reports/2024/تقرير \"نهائي\" 😀.pdf"]).printed("تقرير \"نهائي\" 😀.pdf\n");
    assert_eq!(shell.names(), ["تقرير \"نهائي\" 😀.pdf"]);
    assert_eq!(shell.read("تقرير \"نهائي\" 😀.pdf"), b"the bytes");
    let request = fake.request();
    assert!(request.line().starts_with("GET /vk/v1/buckets/reports/objects/2024/%D8%AA"), "{}", request.line());
    assert_eq!(request.header("authorization"), Some("Bearer vk_test"));
    assert_eq!(request.header("range"), None);
    assert_eq!(request.header("accept-encoding"), None);
}

#[cfg(unix)]
#[test]
fn the_file_has_the_rights_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let fake = Fake::giving([bytes()]);
    let shell = Shell::with(&fake);
    shell.write("other", "");
    shell.run(&["get", "reports/a"]).printed("a\n");
    let mode = |name: &str| shell.path(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("a"), mode("other"));
}

#[test]
fn where_it_is_put() {
    let check = |file: &str, expected: &str| {
        let fake = Fake::giving([bytes()]);
        let shell = Shell::with(&fake);
        std::fs::create_dir(shell.path("directory")).unwrap();
        shell.run(&["get", "reports/a.txt", file]).printed(&format!("{expected}\n"));
        assert_eq!(shell.read(expected), b"the bytes");
    };
    check("b.txt", "b.txt");
    check("directory", "directory/a.txt");
    check("directory/", "directory/a.txt");
    check("directory/b", "directory/b");
}

#[test]
fn an_existing_file_is_left_alone() {
    let fake = Fake::giving([bytes()]);
    let shell = Shell::with(&fake);
    shell.write("a", "mine");
    shell.run(&["get", "reports/a"]).failed(1, &["error: `a` exists already\n", "hint: `--force` replaces it"]);
    assert_eq!((shell.read("a"), fake.lines().len()), (b"mine".to_vec(), 0));
    shell.run(&["get", "--force", "reports/a"]).printed("a\n");
    assert_eq!((shell.read("a"), shell.names()), (b"the bytes".to_vec(), vec!["a".to_owned()]));
}

#[test]
fn a_file_that_appears_meanwhile_is_left_alone() {
    let directory = std::sync::Arc::new(std::sync::OnceLock::<std::path::PathBuf>::new());
    let seen = std::sync::Arc::clone(&directory);
    let fake = Fake::start(move |_, _| {
        std::fs::write(seen.get().unwrap().join("a"), "mine").unwrap();
        bytes()
    });
    let shell = Shell::with(&fake);
    directory.set(shell.directory.path().to_owned()).unwrap();
    shell.run(&["get", "reports/a"]).failed(1, &["`a` exists already"]);
    assert_eq!((shell.read("a"), shell.names()), (b"mine".to_vec(), vec!["a".to_owned()]));
}

#[test]
fn standard_output() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 3) as u8).collect();
    let fake = Fake::giving([Answer::new(200, body.clone())]);
    let shell = Shell::with(&fake);
    let ended = shell.run(&["get", "reports/a", "-"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout == body && shell.names().is_empty());
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let fake = Fake::giving([Answer::new(200, vec![b'x'; 5_000_000])]);
    let shell = Shell::with(&fake);
    let mut command = shell.command(&["get", "reports/a", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let fake = Fake::giving([bytes()]);
    let shell = Shell::with(&fake);
    let pipe = shell.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    shell.run(&["get", "reports/a", "pipe"]).printed("");
    assert_eq!(reader.join().unwrap(), b"the bytes");
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
}

#[test]
fn refusals_leave_nothing() {
    let fake = Fake::giving([Answer::problem(404, "not_found", "there is no such object")]);
    let shell = Shell::with(&fake);
    let ended = shell.run(&["get", "reports/a"]);
    ended.failed(1, &["error: `reports/a`: there is no such object (404 `not_found`)\n", "hint: `valetkey ls reports/`"]);
    assert_eq!(shell.names(), [""; 0]);
}

#[test]
fn object_keys_that_give_no_file_name() {
    let fake = Fake::giving([bytes()]);
    let shell = Shell::with(&fake);
    for key in ["a/", "a/..", "a/.", &"x".repeat(256)] {
        shell.run(&["get", &format!("reports/{key}")]).failed(2, &["gives no file name", "hint: name the file"]);
    }
    shell.run(&["get", &format!("reports/{}", "x".repeat(256)), "short"]).printed("short\n");
    let longest = format!("{}.pdf", "é".repeat(125) + "x");
    shell.run(&["get", &format!("reports/{longest}")]).printed(&format!("{longest}\n"));
}

#[test]
fn a_signed_url_needs_no_key_and_gets_none() {
    let fake =
        Fake::giving([bytes().with("Content-Disposition", "attachment; filename=\"q3.pdf\"; filename*=UTF-8''%D8%AA.pdf")]);
    let shell = Shell::with(&fake);
    shell.run(&["get", &format!("{}/o/reports/a%2Fb?cat=token", fake.url())]).printed("ت.pdf\n");
    assert_eq!(shell.read("ت.pdf"), b"the bytes");
    assert_eq!(fake.lines(), ["HEAD /o/reports/a%2Fb?cat=token", "GET /o/reports/a%2Fb?cat=token"]);
    let requests = fake.requests();
    assert!(requests.iter().all(|request| request.header("authorization").is_none()));
    assert_eq!(requests[0].header("user-agent"), requests[1].header("user-agent"));
}

#[test]
fn names_from_a_server_are_made_harmless() {
    let check = |disposition: &str, expected: &str| {
        let fake = Fake::giving([bytes().with("Content-Disposition", disposition)]);
        let shell = Shell::with(&fake);
        shell.run(&["get", &format!("{}/l/secret", fake.url())]).printed(&format!("{expected}\n"));
        assert_eq!(shell.names(), [expected]);
    };
    check("attachment; filename=\"../../../etc/passwd\"", "passwd");
    check("attachment; filename=\".bashrc\"", "_bashrc");
    check("attachment; filename*=UTF-8''..%2F..%2Fx%1B%E2%80%AEfdp.exe", "xfdp.exe");
    check("attachment; filename=\"..\"", "download");
    check("attachment", "download");
}

#[test]
fn a_file_that_exists_costs_no_use_of_a_signed_url() {
    let fake = Fake::giving([bytes().with("Content-Disposition", "attachment; filename=a")]);
    let shell = Shell::with(&fake);
    shell.write("a", "mine");
    shell.run(&["get", &format!("{}/l/secret", fake.url())]).failed(1, &["`a` exists already"]);
    assert_eq!(fake.lines(), ["HEAD /l/secret"]);
}

#[test]
fn a_refused_signed_url_says_why_and_is_not_repeated() {
    let check = |status: u16, code: &str, hint: &str| {
        let fake = Fake::giving([Answer::problem(status, code, "the reason").with("Retry-After", "2")]);
        let shell = Shell::with(&fake);
        let ended = shell.run(&["get", &format!("{}/o/reports/a?cat=verysecret", fake.url())]);
        ended.failed(1, &["error: the signed URL was refused: the reason", code, hint]);
        assert!(!ended.stderr.contains("verysecret"), "{}", ended.stderr);
        assert_eq!(shell.names(), [""; 0]);
    };
    check(403, "invalid_signature", "hint: copy the whole URL");
    check(410, "expired", "hint: ask whoever gave it to you");
    check(410, "used_up", "hint: ask whoever gave it to you");
    check(409, "in_use", "hint: try again in 2 s");
}

#[test]
fn a_redirected_signed_url_is_followed() {
    let fake = Fake::start(|_, request| match request.target.as_str() {
        "/moved/a" => bytes(),
        _ => Answer::new(302, "").with("Location", "/moved/a"),
    });
    let shell = Shell::with(&fake);
    shell.run(&["get", &format!("{}/l/secret", fake.url()), "a"]).printed("a\n");
    assert_eq!(
        (shell.read("a"), fake.lines()),
        (b"the bytes".to_vec(), vec!["GET /l/secret".to_owned(), "GET /moved/a".to_owned()])
    );
}

#[test]
fn https_is_refused_in_words() {
    let ended = Shell::bare().run(&["get", "https://host/o/reports/a?cat=verysecret"]);
    ended.failed(2, &["this build speaks http only", "`https://host`", "hint: "]);
    assert!(!ended.stderr.contains("verysecret"), "{}", ended.stderr);
}

#[test]
fn what_makes_no_sense() {
    let shell = Shell::bare();
    shell.run(&["get", "reports"]).failed(2, &["expected `BUCKET/OBJECT KEY`", "hint: "]);
    shell.run(&["get"]).failed(2, &["BUCKET/KEY|URL"]);
}
