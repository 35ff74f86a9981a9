//! `POST /api/v1/rawFiles/:fileId/signedUrl`: the vendor's page, line by line.

use crate::world::*;
use std::time::Duration;

fn signing_path(id: &str) -> String {
    format!("{}/signedUrl", path_of(id))
}

/// Whether a text is shaped like `av6k-679w7swaw.5WpGkDlIcXiojRwXzfMLHQ`.
fn is_file_id(text: &str) -> bool {
    let is_base_36 = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_base_64 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let Some((front, id)) = text.split_once('.') else { return false };
    let Some((first, second)) = front.split_once('-') else { return false };
    first.len() == 4 && second.len() == 9 && id.len() == 22 && is_base_36(first) && is_base_36(second) && is_base_64(id)
}

#[test]
fn the_example() {
    let world = world();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let id = world.file("data.csv", &content);
    assert!(is_file_id(&id), "{id}");
    let got = world.post("app", &signing_path(&id), r#"{"duration": 3600}"#);
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!((got.header("cache-control"), got.header("access-control-allow-origin")), (Some("no-store"), None));
    let url = got.text();
    let token = url.strip_prefix(&format!("https://redivis.com/api/v1/rawFiles/{id}?token=")).unwrap();
    assert!(token.len() > 80 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{url}");
    // From an unauthenticated context.
    let downloaded = world.get(url);
    assert_eq!(downloaded.status, 200);
    assert!(downloaded.body == content);
    // Another one each time.
    assert_ne!(world.sign(&id, "3600"), url);
}

#[test]
fn durations() {
    let world = world();
    let id = world.file("a.txt", b"content");
    let sign = |duration: &str| world.post("app", &signing_path(&id), &format!("{{\"duration\": {duration}}}"));
    // For how many seconds each works, and to the end of the last: the clock stands 0.4 s past a second.
    for (duration, seconds) in
        [("1", 1), ("60", 60), ("86400", 86_400), ("86400.0", 86_400), ("8.64e4", 86_400), ("0.5", 1), ("1.5", 2), ("1e-300", 1)]
    {
        let got = sign(duration);
        assert_eq!(got.status, 200, "{duration}: {got:?}");
        let begin = world.service.now();
        world.clock.advance(Duration::from_millis(seconds * 1000 + 599));
        assert_eq!(world.get(got.text()).status, 200, "{duration}");
        world.clock.set(begin.plus(Duration::from_millis(seconds * 1000 + 600)));
        world.get(got.text()).refused(401, "invalid_token");
        world.clock.set(begin.plus(Duration::from_secs(seconds + 1)));
    }
    for duration in [
        "0",
        "0.0",
        "-0",
        "-1",
        "-0.5",
        "1e-400",
        "86401",
        "86400.0001",
        "864000",
        "1e308",
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "\"3600\"",
        "\"\"",
        "null",
        "true",
        "[]",
        "[3600]",
        "{}",
        "3600.",
        ".5",
        "+1",
        "01",
        "0x10",
        "3600, \"duration\": 3600",
    ] {
        sign(duration).refused(400, "invalid_request");
    }
}

#[test]
fn bodies() {
    let world = world();
    let id = world.file("a.txt", b"content");
    let path = signing_path(&id);
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let mut all = vec![("Authorization", "Bearer app")];
        all.extend(headers);
        world.call("POST", &path, &all, body)
    };
    for body in ["", " ", "{}", "{", "{]", "[]", "null", "3600", "\"x\"", r#"{"Duration": 3600}"#, r#"{"duration": 3600} x"#] {
        send(&[("Content-Type", "application/json")], body.as_bytes()).refused(400, "invalid_request");
    }
    send(&[], b"{\"duration\": 3600, \"x\": \"\xff\"}").refused(400, "invalid_request");
    let body = br#" {"duration" : 3600, "more": {"is": ["ignored"]}} "#;
    for content_type in ["application/json", "application/json;charset=UTF-8", "Application/Json; charset=utf-8"] {
        assert_eq!(send(&[("Content-Type", content_type)], body).status, 200, "{content_type}");
    }
    assert_eq!(send(&[], body).status, 200);
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let got = send(&[("Content-Type", content_type)], body);
        assert_eq!(got.refused(400, "invalid_request"), "The Content-Type must be application/json");
    }
    let long = format!("{{\"duration\": 3600, \"x\": \"{}\"}}", "x".repeat(1 << 20));
    send(&[], long.as_bytes()).refused(413, "too_large");
    let most = format!("{{\"duration\": 3600, \"x\": \"{}\"}}", "x".repeat((1 << 20) - 27));
    assert_eq!(most.len(), 1 << 20);
    assert_eq!(send(&[], most.as_bytes()).status, 200);
    // What is wrong is said, and at no length.
    let wrong = format!("{{\"duration\": \"{}\"}}", "x".repeat(100_000));
    assert!(send(&[], wrong.as_bytes()).refused(400, "invalid_request").len() < 300);
    world.call_cut_short(&path, "app", body).refused(400, "invalid_request");
}

#[test]
fn credentials() {
    let world = world();
    let id = world.file("a.txt", b"content");
    let path = signing_path(&id);
    let call = |headers: &[(&str, &str)]| world.call("POST", &path, headers, br#"{"duration": 60}"#);
    assert_eq!(call(&[("X-API-Key", "app")]).status, 200);
    assert_eq!(call(&[("authorization", "bearer secret-of-app")]).status, 200);
    call(&[]).refused(401, "invalid_token");
    for value in ["Bearer wrong", "Bearer", "Bearer a b", "app", "Basic YXBwOmFwcA==", "Token app"] {
        call(&[("Authorization", value)]).refused(401, "invalid_token");
    }
    call(&[("Authorization", "Bearer app"), ("X-API-Key", "app")]).refused(400, "invalid_request");
    // The credential comes before all else.
    world.call("POST", &format!("{}/signedUrl", path_of("none")), &[], b"{").refused(401, "invalid_token");
    // A token is no credential of the API.
    let url = world.sign(&id, "60");
    let signing = url.replace("?token", "/signedUrl?token");
    world.call("POST", &signing, &[], br#"{"duration": 60}"#).refused(401, "invalid_token");
}

#[test]
fn scopes() {
    let world = world();
    let id = world.file("a.txt", b"content");
    for key in ["app", "data", "edit", "creator"] {
        assert_eq!(world.get(&world.sign_as(key, &id, "60")).text(), "content", "{key}");
    }
    let sign = |key: &str| world.post(key, &signing_path(&id), r#"{"duration": 60}"#);
    for key in ["reader", "issuer", "unsigning", "nothing"] {
        sign(key).lacks("data.data");
    }
    sign("fenced").refused(403, "access_denied");
}

#[test]
fn public_files() {
    let world = world();
    let id = world.object("open", "a.txt", b"content");
    // Whoever has a credential, whatever it is for.
    for key in ["nothing", "stranger", "nobody", "fenced"] {
        assert_eq!(world.get(&world.sign_as(key, &id, "60")).text(), "content", "{key}");
    }
    world.call("POST", &signing_path(&id), &[], br#"{"duration": 60}"#).refused(401, "invalid_token");
    world.post("nobody", &signing_path(&id), r#"{"duration": 86401}"#).refused(400, "invalid_request");
}

#[test]
fn files_that_there_are_not() {
    let world = world();
    let id = world.file("a.txt", b"content");
    let (pending, url) = world.temp_uploads("app", &[("b.txt", 1)]).remove(0);
    let theirs = world.file_of("stranger", "c.txt", b"content");
    let kept = world.object("reports", "d.txt", b"content");
    world.delete_object(&"reports".parse().unwrap(), "d.txt");
    let sign = |path: &str| world.post("app", path, r#"{"duration": 60}"#).refused(404, "not_found");
    let said = sign(&format!("{}/signedUrl", unknown_path()));
    for other in [&pending, &theirs, &kept, "none", &id.to_uppercase(), id.split_once('.').unwrap().1, "%zz"] {
        assert_eq!(sign(&signing_path(other)), said, "{other}");
    }
    // Without its being confirmed, what was uploaded is no file.
    assert_eq!(world.put(&url, b"x").status, 200);
    assert_eq!(sign(&signing_path(&pending)), said);
    assert_eq!(world.get(&world.sign(&id.replace('.', "%2E").replace('-', "%2D"), "60")).text(), "content");
    sign("/api/v1/rawFiles//signedUrl");
}

#[test]
fn other_methods_and_paths() {
    let world = world();
    let id = world.file("a.txt", b"content");
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let got = world.read_as("app", method, &signing_path(&id));
        assert_eq!((got.status, got.header("allow"), got.header("access-control-allow-origin")), (405, Some("POST"), None));
    }
    for path in ["/api/v1/rawFiles", "/api/v1/rawFiles/", "/api/v1/tables", "/api/v1/tables/t/uploads"] {
        for method in ["GET", "POST"] {
            world.read_as("app", method, path).refused(404, "not_found");
        }
    }
    for rest in ["", "/", "/signedUrl/", "/signedUrl/x", "/signedurl"] {
        let got = world.post("app", &format!("{}{rest}", path_of(&id)), r#"{"duration": 60}"#);
        assert_eq!(got.status, if rest.is_empty() { 405 } else { 404 }, "{rest}");
    }
}

#[test]
fn urls_begin_as_configured() {
    let world = world_at("https://files.example.org:8443/deep/er");
    let (id, url) = world.temp_uploads_below("/deep/er", "app", &[("a.txt", 7)]).remove(0);
    assert!(url.starts_with("https://files.example.org:8443/deep/er/o/files-acme/"), "{url}");
    let local = |url: &str| url.strip_prefix("https://files.example.org:8443").unwrap().to_owned();
    assert_eq!(world.put(&local(&url), b"content").status, 200);
    let body = format!("{{\"files\": [{{\"tempUploadId\": \"{id}\"}}]}}");
    let list = world.post("app", &format!("/deep/er{TABLE}/rawFiles"), &body).ok(201);
    assert_eq!(list["results"][0]["url"], format!("https://files.example.org:8443/deep/er/api/v1/rawFiles/{id}"));
    let signed = world.post("app", &format!("/deep/er{}", signing_path(&id)), r#"{"duration": 60}"#);
    let url = signed.text();
    assert!(url.starts_with(&format!("https://files.example.org:8443/deep/er/api/v1/rawFiles/{id}?token=")), "{url}");
    assert_eq!(world.get(&local(url)).text(), "content");
    // A proxy may have taken the base path away.
    assert_eq!(world.get(local(url).strip_prefix("/deep/er").unwrap()).text(), "content");
}

#[test]
fn urls_begin_as_their_region_has_it() {
    let world = world();
    let (id, url) = world.temp_uploads("emea", &[("a.txt", 7)]).remove(0);
    assert!(url.starts_with(&format!("{EMEA}/o/files-emea-1/")), "{url}");
    assert_eq!(world.put(&url, b"content").status, 200);
    assert_eq!(world.confirm("emea", &id, "a.txt").ok(201)["results"][0]["url"], format!("{EMEA}{}", path_of(&id)));
    let url = world.sign_as("emea", &id, "60");
    assert!(url.starts_with(&format!("{EMEA}{}?token=", path_of(&id))), "{url}");
    assert_eq!(world.get(&url).text(), "content");
}
