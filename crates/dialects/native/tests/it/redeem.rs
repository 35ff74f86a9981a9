//! GET, HEAD and OPTIONS of signed URLs.

use crate::world::*;
use serde_json::json;
use std::time::Duration;

#[test]
fn what_an_answer_carries() {
    let world = world();
    world.put("dir/q3.bin", "the report");
    for form in ["token", "link"] {
        let url = world.sign("dir/q3.bin", json!({ "form": form, "content_type": "text/csv", "filename": "Bericht ä.csv" }));
        let (get, head) = (world.get(&url), world.call("HEAD", &url, &[], b""));
        assert_eq!((get.status, get.body.as_slice(), head.body.len()), (200, &b"the report"[..], 0));
        for (name, value) in [
            ("content-type", "text/csv"),
            ("content-disposition", "attachment; filename=\"Bericht _.csv\"; filename*=UTF-8''Bericht%20%C3%A4.csv"),
            ("content-length", "10"),
            ("accept-ranges", "bytes"),
            ("cache-control", "private, max-age=3600"),
            ("x-content-type-options", "nosniff"),
            ("x-robots-tag", "noindex"),
            ("referrer-policy", "no-referrer"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
        ] {
            assert_eq!((get.header(name), head.header(name)), (Some(value), Some(value)), "{name}");
        }
        assert_eq!((get.header("valetkey-session"), get.header("set-cookie")), (None, None));
    }
}

#[test]
fn html_is_shown_in_a_sandbox() {
    let world = world();
    world.put("a.html", "<script>alert(1)</script>");
    let shown = world.get(&world.sign("a.html", json!({ "disposition": "inline" })));
    assert_eq!(shown.header("content-disposition"), Some("inline; filename=\"a.html\""));
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    assert_eq!(shown.header("content-security-policy"), Some(policy));
    let saved = world.get(&format!("{}&disposition=inline", world.sign("a.html", json!({}))));
    assert_eq!(saved.header("content-disposition"), Some("attachment; filename=\"a.html\""));
}

#[test]
fn refusals() {
    let world = world();
    world.put("a", "x");
    let url = world.sign("a", json!({}));
    let (path, token) = url.split_once("?cat=").unwrap();
    for bad in ["?cat=", "?cat=x", "?CAT=x", "", &format!("?cat={token}x"), &format!("?cat={token}%00"), "?cat=%zz"] {
        world.get(&format!("{path}{bad}")).problem(403, "invalid_signature");
    }
    world.get(&format!("{url}&cat={token}")).problem(400, "ambiguous");
    world.call("GET", &url, &[("CTA-Common-Access-Token", token)], b"").problem(400, "ambiguous");
    assert_eq!(world.call("GET", path, &[("CTA-Common-Access-Token", token)], b"").body, b"x");
    world.get(&format!("/o/reports/b?cat={token}")).problem(403, "wrong_path");
    for unknown in ["/l/", "/l/x", "/l/AAAAAAAAQACAAAAAAAAAAA"] {
        world.get(unknown).problem(404, "unknown_link");
    }
    world.call("PUT", &url, &[], b"y").problem(403, "wrong_method");
    let elsewhere = world.sign("a", json!({ "addresses": ["192.0.2.0/24"] }));
    world.call("GET", &elsewhere, &[("X-Forwarded-For", "192.0.2.1")], b"").problem(403, "wrong_address");
    let later = world.sign("a", json!({ "not_before_at": "2027-01-15T08:30:00Z" }));
    world.get(&later).problem(403, "not_yet_valid");
    let single = world.sign("a", json!({ "uses": 1 }));
    world.call("GET", &single, &[("Sec-Purpose", "prefetch")], b"").problem(403, "prefetch");
    world.clock.advance(std::time::Duration::from_secs(3600));
    world.get(&url).problem(410, "expired");
    let gone = world.sign("a", json!({}));
    world.api("DELETE", "/buckets/reports/objects/a", "");
    let refused = world.get(&gone);
    refused.problem(404, "object_gone");
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn people_are_told_in_a_page() {
    let world = world();
    for headers in [[("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")], [("Accept", "text/html,*/*;q=0.8"), ("X", "y")]] {
        let page = world.call("GET", "/l/x", &headers, b"");
        assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn preflight() {
    let world = world();
    let headers = [("Origin", "https://elsewhere.example"), ("Access-Control-Request-Headers", "content-type, x-mine")];
    for url in ["/o/reports/a?cat=x", "/l/AAAAAAAAQACAAAAAAAAAAA"] {
        let got = world.call("OPTIONS", url, &headers, b"");
        assert_eq!((got.status, got.header("access-control-allow-methods")), (204, Some("GET, HEAD, PUT, OPTIONS")));
        assert_eq!(got.header("access-control-allow-headers"), Some("content-type, x-mine"));
        assert_eq!((got.header("access-control-allow-credentials"), got.header("access-control-max-age")), (None, Some("600")));
        let other = world.call("DELETE", url, &[], b"");
        assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, PUT, OPTIONS")));
    }
    assert_eq!(world.api("OPTIONS", "/buckets", "").header("access-control-allow-origin"), None);
}

#[test]
fn a_tokens_methods_are_told_and_a_links_are_not() {
    let world = world();
    world.put("a", "content");
    let all = "GET, HEAD, PUT, OPTIONS";
    let write = json!({ "permission": "write", "upload": { "mode": "replace" } });
    for (more, form, told, refused) in [
        (json!({}), "token", "GET, HEAD, OPTIONS", "PUT"),
        (write.clone(), "token", "PUT, OPTIONS", "GET"),
        (json!({}), "link", all, "PUT"),
        (write, "link", all, "GET"),
    ] {
        let mut asked = more.clone();
        asked["form"] = form.into();
        let url = world.sign("a", asked);
        let methods = |url: &str| {
            let got = world.call("OPTIONS", url, &[("Access-Control-Request-Method", "PUT")], b"");
            assert_eq!((got.status, got.header("allow")), (204, got.header("access-control-allow-methods")));
            let other = world.call("POST", url, &[], b"");
            assert_eq!((other.status, other.header("allow")), (405, got.header("allow")));
            got.header("allow").unwrap().to_owned()
        };
        assert_eq!(methods(&url), told, "{more} {form}");
        // One that a signed URL can have and this one has not is refused as ever.
        world.call(refused, &url, &[], b"").problem(403, "wrong_method");
        // Nothing is proved, and nothing taken back or expired is told.
        let changed = format!("{}{}", &url[..url.len() - 1], if url.ends_with('A') { 'B' } else { 'A' });
        assert!([told, all].contains(&methods(&changed).as_str()), "{changed}");
        world.clock.advance(Duration::from_secs(3600));
        assert_eq!(methods(&url), told);
    }
    // A page may send the token in a header, which a preflight request is without.
    for url in ["/o/reports/a", "/o/reports/a?cat=", "/o/reports/a?cat=x&cat=y"] {
        assert_eq!(world.call("OPTIONS", url, &[], b"").header("allow"), Some(all), "{url}");
    }
}

#[test]
fn a_session_is_found_among_many() {
    let world = world();
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        let url = world.sign("a", json!({ "form": form, "uses": 1 }));
        let first = world.call("GET", &url, &[("Range", "bytes=0-3"), ("User-Agent", "one")], b"");
        let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let others: Vec<_> = (0..100).map(|n| format!("vk_{n:08}=AAAAAAAAQACAAAAAAAAAAA")).collect();
        let cookies = format!("a=b; {}; {cookie}", others.join("; "));
        let rest = world.call("GET", &url, &[("Range", "bytes=4-"), ("User-Agent", "two"), ("Cookie", &cookies)], b"");
        assert_eq!((rest.status, rest.body.as_slice()), (206, &b"456789"[..]), "{form}");
    }
}

#[test]
fn one_use_is_one_holders() {
    let world = world();
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        let url = world.sign("a", json!({ "form": form, "uses": 1 }));
        let first = world.call("GET", &url, &[("Range", "bytes=0-3"), ("User-Agent", "one")], b"");
        assert_eq!((first.status, first.header("cache-control")), (206, Some("no-store")));
        let secret = first.header("valetkey-session").unwrap();
        let cookie = first.header("set-cookie").unwrap().to_owned();
        assert!(
            cookie.contains(&format!("={secret}; Path=/")) && cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"),
            "{cookie}"
        );
        let other = world.call("GET", &url, &[("User-Agent", "two")], b"");
        other.problem(409, "in_use");
        assert!(other.header("retry-after").is_some());
        let by_header = [("Range", "bytes=4-6"), ("User-Agent", "two"), ("Valetkey-Session", secret)];
        assert_eq!(world.call("GET", &url, &by_header, b"").body, b"456");
        let cookie = cookie.split(';').next().unwrap();
        let by_cookie = [("Range", "bytes=7-"), ("User-Agent", "three"), ("Cookie", cookie)];
        assert_eq!(world.call("GET", &url, &by_cookie, b"").body, b"789");
        world.call("GET", &url, &[("User-Agent", "two")], b"").problem(410, "used_up");
    }
}

#[test]
fn behind_a_proxy_that_takes_the_base_path_away() {
    let world = world_at("https://files.example.org/files");
    world.put("a", "0123456789");
    for form in ["token", "link"] {
        for taken in ["https://files.example.org", "https://files.example.org/files"] {
            let url = world.sign("a", json!({ "form": form, "uses": 1 }));
            let seen = url.strip_prefix("https://files.example.org").unwrap();
            let seen = seen.split('?').next().unwrap();
            let got = world.get(url.strip_prefix(taken).unwrap());
            assert_eq!(got.body, b"0123456789");
            // What the browser will send back, it must be told for the path that the browser sees.
            let cookie = got.header("set-cookie").unwrap();
            assert!(cookie.contains(&format!("; Path={seen};")), "{cookie}");
        }
    }
}
