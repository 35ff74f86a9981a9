//! Downloads whose connection breaks.

use crate::fake::{Answer, Fake, Request};
use crate::terminal::Shell;

fn body() -> Vec<u8> {
    (0..1_000_000_u32).map(|at| (at / 251) as u8).collect()
}

/// The object from where it is asked for, cut after `n_bytes` more.
fn from(request: &Request, n_bytes: usize) -> Answer {
    let body = body();
    let etag = |answer: Answer| answer.with("ETag", "\"v1\"").with("Valetkey-Session", "session-secret");
    match request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')) {
        None => etag(Answer::new(200, body)).cut_after(n_bytes),
        Some(start) => {
            let start: usize = start.parse().unwrap();
            let rest = body[start..].to_vec();
            let n_sent = n_bytes.min(rest.len());
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            etag(Answer::new(206, rest)).with("Content-Range", range).cut_after(n_sent)
        }
    }
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let fake = Fake::start(|_, request| from(request, 400_000));
    let shell = Shell::with(&fake);
    shell.run(&["get", &format!("{}/l/secret", fake.url()), "a"]).printed("a\n");
    assert!(shell.read("a") == body());
    assert_eq!(shell.names(), ["a"]);
    let requests = fake.requests();
    let asked: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
    assert_eq!(asked, [None, Some("bytes=400000-"), Some("bytes=800000-")]);
    assert_eq!((requests[0].header("if-range"), requests[0].header("valetkey-session")), (None, None));
    for later in &requests[1..] {
        assert_eq!((later.header("if-range"), later.header("valetkey-session")), (Some("\"v1\""), Some("session-secret")));
    }
}

#[test]
fn the_api_and_standard_output_resume_too() {
    let fake = Fake::start(|_, request| from(request, 600_000));
    let shell = Shell::with(&fake);
    let ended = shell.run(&["get", "reports/a", "-"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout == body());
    assert!(fake.requests().iter().all(|request| request.header("authorization") == Some("Bearer vk_test")));
}

#[test]
fn an_object_that_changed_is_fetched_anew_and_never_mixed() {
    let other = vec![9; 500];
    let answers =
        [Answer::new(200, body()).with("ETag", "\"v1\"").cut_after(1000), Answer::new(200, other.clone()).with("ETag", "\"v2\"")];
    let fake = Fake::giving(answers.clone());
    let shell = Shell::with(&fake);
    shell.run(&["get", "reports/a"]).printed("a\n");
    assert_eq!(shell.read("a"), other);

    let fake = Fake::giving(answers);
    let ended = Shell::with(&fake).run(&["get", "reports/a", "-"]);
    assert_eq!((ended.code, ended.stdout.as_slice()), (1, &body()[..1000]));
    assert!(ended.stderr.contains("hint: download it to a file"), "{}", ended.stderr);
}

#[test]
fn without_a_strong_validator_it_begins_anew() {
    for etag in [None, Some("W/\"v1\"")] {
        let whole = etag.iter().fold(Answer::new(200, body()), |answer, etag| answer.with("ETag", *etag));
        let fake = Fake::giving([whole.clone().cut_after(1000), whole]);
        let shell = Shell::with(&fake);
        shell.run(&["get", "reports/a"]).printed("a\n");
        assert!(shell.read("a") == body());
        assert!(fake.requests().iter().all(|request| request.header("range").is_none() && request.header("if-range").is_none()));
    }
}

#[test]
fn it_waits_until_the_broken_connection_is_settled() {
    let fake = Fake::start(|n, request| match n {
        1 => Answer::problem(409, "in_use", "the URL is being used by somebody else").with("Retry-After", "0"),
        2 => Answer::problem(503, "unavailable", "the server cannot answer at present").with("Retry-After", "0"),
        _ => from(request, 700_000),
    });
    let shell = Shell::with(&fake);
    shell.run(&["get", &format!("{}/l/secret", fake.url()), "a"]).printed("a\n");
    assert!(shell.read("a") == body());
    assert_eq!(fake.lines().len(), 4);
}

#[test]
fn it_gives_up_and_leaves_nothing() {
    let fake = Fake::start(|_, request| from(request, if request.header("range").is_some() { 0 } else { 1000 }));
    let shell = Shell::with(&fake);
    let ended = shell.run(&["get", "reports/a", "--retries", "1"]);
    ended.failed(1, &["the connection broke after 1000 of 1000000 bytes", "hint: try again"]);
    assert_eq!((shell.names(), fake.lines().len()), (vec![], 2));
}

#[test]
fn a_refusal_on_the_way_is_final() {
    let fake = Fake::start(|n, request| match n {
        0 => from(request, 1000),
        _ => Answer::problem(410, "revoked", "the URL was taken back"),
    });
    let shell = Shell::with(&fake);
    shell.run(&["get", &format!("{}/l/secret", fake.url()), "a"]).failed(1, &["the URL was taken back"]);
    assert_eq!((shell.names(), fake.lines().len()), (vec![], 2));
}

#[test]
fn bytes_from_elsewhere_are_refused() {
    for range in ["bytes 999-999999/1000000", "bytes 1000-999999/999999", "bytes 1000-1999/1000000", "nonsense"] {
        let wrong = Answer::new(206, &body()[1000..]).with("ETag", "\"v1\"").with("Content-Range", range);
        let fake = Fake::giving([Answer::new(200, body()).with("ETag", "\"v1\"").cut_after(1000), wrong]);
        let shell = Shell::with(&fake);
        shell.run(&["get", "reports/a"]).failed(1, &["expected the bytes from 1000 on", range]);
        assert_eq!(shell.names(), [""; 0]);
    }
}
