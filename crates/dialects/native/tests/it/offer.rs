//! The page that people get of a URL with a number of uses, and its button.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

const BROWSER: [(&str, &str); 2] = [("Sec-Fetch-Mode", "navigate"), ("User-Agent", "browser")];
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

impl World {
    fn visit(&self, url: &str) -> Got {
        self.call("GET", url, &BROWSER, b"")
    }

    /// Presses the button of this page, with these fields besides.
    fn press(&self, url: &str, nonce: &str, fields: &[(&str, &str)]) -> Got {
        self.call("POST", url, &[&BROWSER[..], &[FORM], fields].concat(), format!("nonce={nonce}").as_bytes())
    }
}

fn text(page: &Got) -> String {
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{page:?}");
    String::from_utf8(page.body.clone()).unwrap()
}

/// The nonce of a page, and what else must be true of every such page.
fn nonce_of(page: &Got) -> String {
    let html = text(page);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("vary", "Accept, Cookie, Sec-Fetch-Mode"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = page.header("content-security-policy").unwrap();
    let (before, after) = policy.split_once("style-src 'sha256-").unwrap();
    assert_eq!(before, "default-src 'none'; ");
    let after = after.split_once("'; ").unwrap().1;
    assert_eq!(after, "form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    assert!(page.header("set-cookie").is_none() && page.header("valetkey-session").is_none());
    assert!(!html.contains("<script") && html.contains("<form method=\"post\">"), "{html}");
    html.split_once("name=\"nonce\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_person_presses_a_button() {
    let world = world();
    world.put("dir/q3.bin", "0123456789");
    for form in ["token", "link"] {
        let url = world.sign("dir/q3.bin", json!({ "form": form, "uses": 1, "filename": "Bericht ä.pdf" }));
        let page = world.visit(&url);
        assert_eq!(page.status, 200);
        let html = text(&page);
        for said in ["Bericht ä.pdf", "10 bytes", "<dt>Downloads left</dt>\n<dd>1</dd>", "15 Jan 2027, 09:00 UTC", ">Download<"]
        {
            assert!(html.contains(said), "{said}: {html}");
        }
        let pressed = world.press(&url, &nonce_of(&page), &[]);
        let seen = url.strip_prefix(BASE).unwrap();
        assert_eq!((pressed.status, pressed.header("location")), (303, Some(seen)));
        assert_eq!((pressed.header("cache-control"), pressed.header("referrer-policy")), (Some("no-store"), Some("same-origin")));
        let cookie = pressed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let another = world.call("GET", &url, &[("Sec-Fetch-Mode", "navigate"), ("User-Agent", "another")], b"");
        assert_eq!((another.status, another.header("retry-after")), (409, Some("2")), "somebody else has to wait");
        let with_cookie = [&BROWSER[..], &[("Cookie", &*cookie)]].concat();
        let file = world.call("GET", seen, &with_cookie, b"");
        assert_eq!((file.status, file.body.as_slice()), (200, &b"0123456789"[..]));
        assert_eq!((file.header("set-cookie"), file.header("valetkey-session")), (None, None));
        let used_up = world.visit(&url);
        assert_eq!(used_up.status, 410);
        assert!(text(&used_up).contains("used as often as it may be"));
    }
}

#[test]
fn what_is_left_is_said() {
    let world = world();
    world.put("a", "0123456789");
    let url = world.sign("a", json!({ "uses": 7, "disposition": "inline", "content_type": "text/plain", "count": "started" }));
    assert!(text(&world.visit(&url)).contains("<dt>Views left</dt>\n<dd>7 of 7</dd>"));
    for agent in ["one", "two"] {
        assert_eq!(world.call("GET", &url, &[("User-Agent", agent)], b"").status, 200);
    }
    let html = text(&world.visit(&url));
    assert!(html.contains("<dd>5 of 7</dd>") && html.contains(">Open<") && html.contains("as soon as you press"), "{html}");
}

#[test]
fn looking_uses_nothing() {
    let world = world();
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        let url = world.sign("a", json!({ "form": form, "uses": 1 }));
        for _ in 0..3 {
            assert_eq!(world.visit(&url).status, 200);
        }
        let head = world.call("HEAD", &url, &BROWSER, b"");
        assert_eq!((head.status, head.header("content-length")), (200, Some("10")), "HEAD describes the file");
        assert!(head.header("content-disposition").is_some() && head.header("content-security-policy").is_none());
        let prefetch = world.call("GET", &url, &[&BROWSER[..], &[("Sec-Purpose", "prefetch;prerender")]].concat(), b"");
        assert_eq!(prefetch.status, 403);
        assert!(text(&prefetch).contains("not for prefetching"));
        assert_eq!(world.get(&url).body, b"0123456789", "a program passes straight through");
    }
}

#[test]
fn programs_and_players_pass_straight_through() {
    let world = world();
    world.put("a", "0123456789");
    for headers in [
        vec![],
        vec![("Accept", "*/*")],
        vec![("Sec-Fetch-Mode", "cors"), ("Accept", "text/html")],
        vec![("Sec-Fetch-Mode", "no-cors")],
        vec![("Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2")],
        vec![("Sec-Fetch-Mode", "navigate"), ("Range", "bytes=0-")],
    ] {
        let got = world.call("GET", &world.sign("a", json!({ "uses": 1 })), &headers, b"");
        assert_eq!(got.body, b"0123456789", "{headers:?}");
    }
    let unlimited = world.call("GET", &world.sign("a", json!({})), &BROWSER, b"");
    assert_eq!(unlimited.body, b"0123456789");
}

#[test]
fn a_button_of_another_page_or_of_an_hour_ago_uses_nothing() {
    let world = world();
    world.put("a", "x");
    for form in ["token", "link"] {
        let fields = json!({ "form": form, "uses": 1, "expires_in_seconds": 86_400 });
        let (url, other) = (world.sign("a", fields.clone()), world.sign("a", fields));
        let (nonce, foreign) = (nonce_of(&world.visit(&url)), nonce_of(&world.visit(&other)));
        world.clock.advance(Duration::from_secs(3600));
        let fresh = nonce_of(&world.visit(&url));
        for wrong in ["", "1", "%00", "%zz", &fresh[1..], &foreign, &nonce, &format!("{fresh}&nonce={fresh}")] {
            let page = world.press(&url, wrong, &[]);
            assert_eq!(page.status, 403, "{wrong}");
            assert!(text(&page).contains("role=\"alert\"") && text(&page).contains("Nothing has been used"));
            nonce_of(&page);
        }
        let again = nonce_of(&world.press(&url, &nonce, &[]));
        assert_eq!(world.press(&url, &again, &[]).status, 303, "the page that says so has a button that works");
    }
}

#[test]
fn what_is_posted_besides() {
    let world = world();
    world.put("a", "x");
    let url = world.sign("a", json!({ "uses": 1, "form": "link" }));
    let nonce = nonce_of(&world.visit(&url));
    let form = format!("nonce={nonce}");
    for content_type in ["multipart/form-data; boundary=x", "text/plain", "application/json"] {
        assert_eq!(world.call("POST", &url, &[("Content-Type", content_type)], form.as_bytes()).status, 405);
    }
    assert_eq!(world.call("POST", &url, &[], form.as_bytes()).status, 405);
    assert_eq!(world.press(&world.sign("a", json!({})), &nonce, &[]).status, 405, "nothing is counted");
    let write = world.sign("b", json!({ "permission": "write", "form": "link" }));
    assert_eq!(world.press(&write, &nonce, &[]).status, 405, "a write URL");
    assert_eq!(world.press(&url, &"x".repeat(5000), &[]).status, 413);
    assert_eq!(world.press(&url, &nonce, &[("Sec-Purpose", "prefetch")]).status, 403);
    assert_eq!(world.press("/l/AAAAAAAAQACAAAAAAAAAAA", &nonce, &[]).status, 404);
    assert_eq!(world.press("/o/reports/a", &nonce, &[]).status, 403, "there is no token");
    assert_eq!(world.press("/o/reports/a?cat=x", &nonce, &[]).status, 403);
    world.api("DELETE", "/buckets/reports/objects/a", "");
    assert_eq!(world.press(&url, &nonce, &[]).status, 404);
}

#[test]
fn whoever_holds_a_session_opens_no_other() {
    let world = world();
    world.put("a", "0123456789");
    let url = world.sign("a", json!({ "uses": 2, "form": "link" }));
    let nonce = nonce_of(&world.visit(&url));
    let first = world.press(&url, &nonce, &[]);
    let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap();
    for _ in 0..3 {
        let again = world.press(&url, &nonce, &[("Cookie", cookie)]);
        assert_eq!((again.status, again.header("set-cookie")), (303, None));
    }
    let page = world.call("GET", &url, &[("Sec-Fetch-Mode", "navigate"), ("User-Agent", "another")], b"");
    assert!(text(&page).contains("<dd>1 of 2</dd>"));
}

#[test]
fn hostile_names() {
    let world = world();
    world.put("a", "x");
    let emoji = "\u{1f468}\u{200d}\u{1f469}".repeat(23);
    for (name, shown) in [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;_script&gt;"),
        ("\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("annex\u{202e}fdp.exe", "annexfdp.exe"),
        ("&amp;</title>", "&amp;amp;&lt;_title&gt;"),
        (&*emoji, &*emoji),
        ("\u{200f}\u{2066}", "file"),
        ("../../etc/passwd", ".._.._etc_passwd"),
    ] {
        let url = world.sign("a", json!({ "uses": 1, "filename": name, "form": "link" }));
        let page = world.visit(&url);
        let html = text(&page);
        assert!(html.contains(&format!("<title>{shown}</title>")), "{html}");
        assert!(html.contains(&format!("<h1 dir=\"auto\">{shown}</h1>")), "{html}");
        nonce_of(&page);
    }
}

#[test]
fn behind_a_proxy_that_takes_the_base_path_away() {
    let world = world_at("https://files.example.org/files");
    world.put("a", "x");
    for form in ["token", "link"] {
        for taken in ["https://files.example.org", "https://files.example.org/files"] {
            let url = world.sign("a", json!({ "form": form, "uses": 1 }));
            let seen = url.strip_prefix("https://files.example.org").unwrap();
            let asked = url.strip_prefix(taken).unwrap();
            let pressed = world.press(asked, &nonce_of(&world.visit(asked)), &[]);
            assert_eq!((pressed.status, pressed.header("location")), (303, Some(seen)));
            let path = format!("; Path={};", seen.split('?').next().unwrap());
            assert!(pressed.header("set-cookie").unwrap().contains(&path));
        }
    }
}
