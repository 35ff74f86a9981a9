//! `GET /api/v1/files/{file_id}/download`: the vendor's page.

use crate::world::*;
use serde_json::{Value, json};
use std::time::Duration;

const BAD_KEY: &str = "Invalid API key provided. Set the X-API-Key header to your API key.";
const NO_FILE: &str = "File not found";

fn int_parsing(place: &str, name: &str, input: &str) -> Value {
    let msg = "Input should be a valid integer, unable to parse string as an integer";
    json!({ "type": "int_parsing", "loc": [place, name], "msg": msg, "input": input })
}

#[test]
fn the_page_s_answer() {
    let world = world();
    let begun = world.file("report.pdf", b"content");
    for (query, seconds) in
        [("", 3600), ("?expires_in=60", 60), ("?expires_in=1", 1), ("?expires_in=86400", 86_400), ("?other=1", 3600)]
    {
        let body = world.api("GET", &format!("/{}/download{query}", begun.number)).ok();
        let url = body["download_url"].as_str().unwrap();
        let expected = json!({
            "download_url": url,
            "expires_in": seconds,
            "file_id": begun.number,
            "original_filename": "report.pdf",
        });
        assert_eq!(body, expected, "{query}");
        assert!(url.starts_with(&format!("{BASE}/o/files-acme/{}/report.pdf?cat=", begun.hash_id)), "{url}");
        assert_eq!(world.get(url).text(), "content");
    }
    let by_hash_id = world.api("GET", &format!("/{}/download", begun.hash_id)).ok();
    assert_eq!(by_hash_id["file_id"], begun.number);
}

#[test]
fn limits_of_expires_in() {
    let world = world();
    let number = world.file("a", b"content").number;
    let get = |query: &str| world.api("GET", &format!("/{number}/download?{query}"));
    for (query, seconds) in [
        ("expires_in=1", 1),
        ("expires_in=59", 59),
        ("expires_in=86400", 86_400),
        // Of several the last counts.
        ("expires_in=x&expires_in=0&expires_in=5", 5),
        ("expires_in=%2B5", 5),
        ("expires_in=+5+", 5),
        ("expires_in=005.00", 5),
        ("expires_in=3_600", 3600),
    ] {
        assert_eq!(get(query).ok()["expires_in"], seconds, "{query}");
    }
    let limit = |r#type: &str, msg: &str, input: &str, ctx: Value| json!([{ "type": r#type, "loc": ["query", "expires_in"], "msg": msg, "input": input, "ctx": ctx }]);
    for input in ["0", "-1", "-99999999999999999999"] {
        let msg = "Input should be greater than or equal to 1";
        let expected = limit("greater_than_equal", msg, input, json!({ "ge": 1 }));
        assert_eq!(get(&format!("expires_in=5&expires_in={input}")).faults(), expected);
    }
    for input in ["86401", "86401.0", "99999999999999999999"] {
        let msg = "Input should be less than or equal to 86400";
        let expected = limit("less_than_equal", msg, input, json!({ "le": 86400 }));
        assert_eq!(get(&format!("expires_in={input}")).faults(), expected);
    }
    for input in ["", "abc", "1.5", "1e3", "0x10", "1__0", "null"] {
        assert_eq!(get(&format!("expires_in={input}")).faults(), json!([int_parsing("query", "expires_in", input)]));
    }
}

#[test]
fn ids() {
    let world = world();
    let Begun { number, hash_id, .. } = world.file("a", b"content");
    let digits = number.to_string();
    let (first, rest) = digits.split_at(digits.len() / 2);
    for id in [
        digits.clone(),
        format!("0{number}"),
        format!("+{number}"),
        format!("%2B{number}"),
        format!("%20{number}%0A"),
        format!("{number}.0"),
        format!("{first}_{rest}"),
        hash_id.clone(),
        format!("%{:02x}{}", hash_id.as_bytes()[0], &hash_id[1..]),
    ] {
        assert_eq!(world.api("GET", &format!("/{id}/download")).ok()["file_id"], number, "{id}");
    }
    // Integers that no file has, and a hash id that nobody was given.
    for id in ["0", "-1", "1", "9007199254740991", "9007199254740992", "99999999999999999999999999", "5WpGkDlIcXiojRwXzfMLHQ"] {
        world.api("GET", &format!("/{id}/download")).refused(404, NO_FILE);
        world.api("GET", &format!("/{id}")).refused(404, NO_FILE);
        world.api("GET", &format!("/{id}/confirm")).refused(404, NO_FILE);
        world.api("DELETE", &format!("/{id}")).refused(404, NO_FILE);
    }
    let not_canonical = format!("{}_", &hash_id[..21]);
    for (id, input) in [
        ("abc", "abc"),
        ("1.5", "1.5"),
        ("%20", " "),
        ("1%2F2", "1/2"),
        ("1%002", "1%002"),
        ("file-1", "file-1"),
        (&hash_id[1..], &hash_id[1..]),
        (&not_canonical, &not_canonical),
    ] {
        let expected = json!([int_parsing("path", "file_id", input)]);
        for (method, path) in [("GET", ""), ("GET", "/confirm"), ("GET", "/download"), ("DELETE", "")] {
            assert_eq!(world.api(method, &format!("/{id}{path}")).faults(), expected, "{method} {path}");
        }
    }
    // All faults at once.
    let expected = json!([int_parsing("path", "file_id", "x"), int_parsing("query", "expires_in", "y")]);
    assert_eq!(world.api("GET", "/x/download?expires_in=y").faults(), expected);
}

#[test]
fn whose_file_it_is() {
    let world = world();
    let begun = world.file("a", b"content");
    let pending = world.begin("b");
    for id in [begun.number.to_string(), begun.hash_id, pending.number.to_string(), pending.hash_id] {
        for (method, path) in [("GET", ""), ("GET", "/confirm"), ("GET", "/download"), ("DELETE", "")] {
            world.api_as("stranger", method, &format!("/{id}{path}")).refused(404, NO_FILE);
        }
    }
    assert_eq!(world.api("GET", &format!("/{}", begun.number)).ok()["upload_status"], "completed");
    world.api_as("fenced", "GET", &format!("/{}", begun.number)).refused(403, "Your API key is limited to other buckets");
}

#[test]
fn until_when_it_works() {
    let world = world();
    let number = world.file("a", b"content").number;
    for seconds in [1, 3600, 86_400] {
        let began = world.service.now();
        let url = world.download_url(number, &format!("?expires_in={seconds}"));
        // Tokens end with whole seconds: with the next one, so that none of those asked for is missing.
        let asked = began.plus(Duration::from_secs(seconds));
        let end = asked.next_whole_second();
        assert!(seconds > 1 || end > asked, "the first one begins within a second");
        world.clock.set(end.minus(Duration::from_micros(1)));
        assert_eq!(world.get(&url).status, 200, "{seconds}");
        world.clock.set(end);
        for method in ["GET", "HEAD"] {
            let got = world.call(method, &url, &[], b"");
            assert_eq!((got.status, got.header("cache-control")), (403, Some("no-store")), "{seconds}");
        }
        world.get(&url).refused(403, "the URL has expired");
    }
}

#[test]
fn files_that_came_in_elsewhere() {
    let world = world();
    // A key that cannot stand in a path, or not in any token, has a URL in link form.
    let long = format!("{}/q3.txt", "é".repeat(508));
    for (key, prefix) in [
        ("2027/q3.txt", format!("{BASE}/o/reports/2027/q3.txt?cat=")),
        ("a/../q3.txt", format!("{BASE}/l/")),
        (&long, format!("{BASE}/l/")),
    ] {
        let object = world.object("app", "reports", key);
        let number = object.file_number.get();
        let shown = world.api("GET", &format!("/{number}")).ok();
        let expected = json!({
            "file_id": number,
            "original_filename": "q3.txt",
            "content_type": "text/plain",
            "reference": format!("datalab://file-{}", object.file_id),
            "upload_status": "completed",
            "file_size": 7,
            "created": "2027-01-15T08:00:00.400000Z",
        });
        assert_eq!(shown, expected);
        assert_eq!(world.api("GET", &format!("/{number}/confirm")).ok()["success"], true);
        let url = world.download_url(number, "");
        assert!(url.starts_with(&prefix), "{url}");
        let got = world.get(&url);
        assert_eq!((got.text(), got.header("content-disposition")), ("content", Some("attachment; filename=\"q3.txt\"")));
        // Either form is refused in the vendor's words.
        let put = world.put(&url, b"other");
        put.refused(405, "the URL is not for this method");
        assert_eq!(put.header("allow"), Some("GET, HEAD, OPTIONS"));
        world.api("DELETE", &format!("/{number}")).ok();
        world.get(&url).refused(404, "File not found");
    }
}

#[test]
fn what_is_public_is_everybody_s_to_read() {
    let world = world();
    let number = world.object("stranger", "open-to-all", "a.txt").file_number.get();
    // No scope of the reader's is needed for it; to write it takes its owner.
    for key in ["stranger", "app", "creator", "unsigning", "fenced"] {
        let url = world.api_as(key, "GET", &format!("/{number}/download")).ok()["download_url"].clone();
        assert_eq!(world.get(url.as_str().unwrap()).text(), "content", "{key}");
        assert_eq!(world.api_as(key, "GET", &format!("/{number}")).ok()["file_id"], number, "{key}");
    }
    for (method, path) in [("GET", "/confirm"), ("DELETE", "")] {
        world.api(method, &format!("/{number}{path}")).refused(404, NO_FILE);
    }
    world.call("GET", &format!("/api/v1/files/{number}/download"), &[], b"").refused(401, BAD_KEY);
}
