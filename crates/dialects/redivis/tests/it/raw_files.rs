//! `GET` and `HEAD /api/v1/rawFiles/:fileId`: with a token, with a credential, and without either.

use crate::world::*;
use std::time::Duration;
use valetkey_model::{Dialect, Permission, Terms};
use valetkey_service::{ApiKeyUpdate, Credential, FileRef, Form, IssueRequest, Lifetime, Target, parse_raw_file_id};

const CONTENT: &[u8] = b"0123456789";

/// The same URL with another file's id in it.
fn moved(url: &str, from: &str, to: &str) -> String {
    assert!(url.contains(from));
    url.replace(from, to)
}

#[test]
fn get_and_head() {
    let world = world();
    let id = world.file("dir/Größe 1.csv", CONTENT);
    let (path, url) = (path_of(&id), world.sign(&id, "60"));
    let token = [("Authorization", "Bearer nonsense"), ("If-None-Match", "0.83:bucket%2Fkey")];
    let ways: [(&str, &[(&str, &str)]); 3] =
        [(&url, &token), (&path, &[("Authorization", "Bearer reader")]), (&path, &[("X-API-Key", "app")])];
    for (url, headers) in ways {
        // Several times: answers are kept ready.
        for method in ["GET", "GET", "HEAD", "GET", "GET", "GET", "GET", "HEAD"] {
            let got = world.call(method, url, headers, b"");
            assert_eq!((got.status, got.header("content-length")), (200, Some("10")), "{got:?}");
            assert_eq!(got.body, if method == "GET" { CONTENT } else { b"" });
            assert_eq!(got.header("content-type"), Some("text/csv"));
            let disposition = "attachment; filename=\"dir_Gr__e 1.csv\"; filename*=UTF-8''dir_Gr%C3%B6%C3%9Fe%201.csv";
            assert_eq!(got.header("content-disposition"), Some(disposition));
            assert_eq!(got.header("etag"), Some(etag(CONTENT).as_str()));
            assert_eq!(got.header("accept-ranges"), Some("bytes"));
            assert_eq!(got.header("content-digest"), Some(format!("md5=:{}:", md5(CONTENT)).as_str()));
            assert_eq!(got.header("digest"), Some(format!("md5={}", md5(CONTENT)).as_str()));
            assert_eq!(got.header("x-redivis-filename"), Some("dir%2FGr%C3%B6%C3%9Fe%201.csv"));
            assert_eq!(got.header("x-redivis-error-payload"), None);
            assert_eq!(got.header("access-control-allow-origin"), Some("*"));
            assert_eq!(got.header("access-control-allow-credentials"), None);
            assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(got.header("set-cookie"), None);
        }
    }
    assert_eq!(world.get(&url).header("cache-control"), Some("private, max-age=60"));
    assert_eq!(world.read_as("app", "GET", &path).header("cache-control"), Some("no-store"));
}

#[test]
fn other_parameters_are_ignored() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let url = world.sign(&id, "60");
    for more in ["&workflow=1&table=demo.files", "&version=v1.0&version=2", "&x", "&cat=y", "&%zz=%zz"] {
        assert_eq!(world.get(&format!("{url}{more}")).body, CONTENT, "{more}");
        let path = format!("{}?{}", path_of(&id), &more[1..]);
        assert_eq!(world.read_as("app", "GET", &path).body, CONTENT, "{more}");
    }
}

#[test]
fn ranges() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let url = world.sign(&id, "60");
    let path = path_of(&id);
    for (url, bearer) in [(&url, "Bearer nonsense"), (&path, "Bearer app")] {
        let get = |range: &str| world.call("GET", url, &[("Authorization", bearer), ("Range", range)], b"");
        for (range, sent, content_range) in [
            ("bytes=0-5242880", "0123456789", "bytes 0-9/10"),
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-3", "789", "bytes 7-9/10"),
        ] {
            let got = get(range);
            assert_eq!((got.status, got.text(), got.header("content-range")), (206, sent, Some(content_range)), "{range}");
            // The digest of the content sent is not that of the file, which is said all the same.
            assert_eq!(got.header("content-digest"), None);
            assert_eq!(got.header("digest"), Some(format!("md5={}", md5(CONTENT)).as_str()));
        }
        let got = get("bytes=0-1,8-");
        assert_eq!(got.status, 206);
        assert!(got.header("content-type").unwrap().starts_with("multipart/byteranges; boundary="), "{got:?}");
        assert!(got.text().contains("\r\n01\r\n") && got.text().contains("\r\n89\r\n"));
        let got = get("bytes=10-");
        got.refused(416, "range_not_satisfiable");
        assert_eq!(got.header("content-range"), Some("bytes */10"));
        assert_eq!(get("lines=1-2").status, 200);
        let stale = [("Authorization", bearer), ("Range", "bytes=2-4"), ("If-Range", "\"other\"")];
        assert_eq!(world.call("GET", url, &stale, b"").status, 200);
    }
}

#[test]
fn preconditions() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let (url, path, tag) = (world.sign(&id, "60"), path_of(&id), etag(CONTENT));
    for (url, bearer) in [(&url, "Bearer nonsense"), (&path, "Bearer app")] {
        let call =
            |method: &str, name: &str, value: &str| world.call(method, url, &[("Authorization", bearer), (name, value)], b"");
        let got = call("GET", "If-None-Match", &tag);
        assert_eq!((got.status, got.header("etag"), got.body.len()), (304, Some(tag.as_str()), 0));
        assert_eq!(call("GET", "If-Modified-Since", "Fri, 15 Jan 2027 08:00:00 GMT").status, 304);
        assert_eq!(call("GET", "If-Match", &tag).status, 200);
        call("GET", "If-Match", "\"other\"").refused(412, "precondition_failed");
        call("HEAD", "If-Match", "\"other\"").head_refused(412, "precondition_failed");
    }
}

#[test]
fn media_types() {
    let world = world();
    for (name, expected) in [
        ("a.csv", "text/csv"),
        ("a.PDF", "application/pdf"),
        ("dir.csv/a", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ] {
        let id = world.object("reports", name, CONTENT);
        assert_eq!(world.get(&world.sign(&id, "60")).header("content-type"), Some(expected), "{name}");
        assert_eq!(world.read_as("app", "HEAD", &path_of(&id)).header("content-type"), Some(expected), "{name}");
    }
    // What a client's HTTP library says of an upload plays no part.
    for (name, expected) in [("a.csv", "text/csv"), ("a.unknown", "application/octet-stream")] {
        let (id, url) = world.temp_uploads("app", &[(name, 10)]).remove(0);
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        assert_eq!(world.call("PUT", &url, &headers, CONTENT).status, 200);
        world.confirm("app", &id, name).ok(201);
        assert_eq!(world.get(&world.sign(&id, "60")).header("content-type"), Some(expected), "{name}");
    }
}

#[test]
fn an_empty_file() {
    let world = world();
    let id = world.file("empty", b"");
    let got = world.get(&world.sign(&id, "60"));
    assert_eq!((got.status, got.header("content-length"), got.body.len()), (200, Some("0"), 0));
    assert_eq!(got.header("content-digest"), Some("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"));
}

#[test]
fn the_token_counts_before_the_credential() {
    let world = world();
    let (id, theirs) = (world.file("a.txt", CONTENT), world.file_of("stranger", "b.txt", b"theirs"));
    let url = world.sign(&id, "60");
    assert_eq!(world.read_as("stranger", "GET", &url).body, CONTENT);
    world.read_as("stranger", "GET", &path_of(&id)).refused(404, "not_found");
    // A token that does not work is not made up for.
    world.clock.advance(Duration::from_secs(61));
    world.read_as("app", "GET", &url).refused(401, "invalid_token");
    for query in ["token=", "token", "token=x", "token=%zz", "%74oken=x", "token=%00"] {
        world.read_as("app", "GET", &format!("{}?{query}", path_of(&id))).refused(401, "invalid_token");
    }
    let url = world.sign(&id, "60");
    let token = url.split_once("token=").unwrap().1;
    for second in ["token=", "token=x", &format!("token={token}"), &format!("%74oken={token}")] {
        let url = format!("{url}&{second}");
        world.read_as("app", "GET", &url).refused(400, "invalid_request");
        world.call("HEAD", &url, &[], b"").head_refused(400, "invalid_request");
    }
    world.get(&moved(&url, &id, &theirs)).refused(403, "access_denied");
}

#[test]
fn a_token_is_for_its_file_alone() {
    let world = world();
    let (id, other) = (world.file("a.txt", CONTENT), world.file("b.txt", b"other"));
    let url = world.sign(&id, "60");
    for path in [path_of(&other), unknown_path(), path_of("none"), path_of(&id.to_uppercase()), path_of(&format!("{id}%2F"))] {
        let (moved, head) = (url.replace(&path_of(&id), &path), [("Authorization", "Bearer app")]);
        world.call("GET", &moved, &head, b"").refused(403, "access_denied");
        world.call("HEAD", &moved, &head, b"").head_refused(403, "access_denied");
    }
    for rest in ["/", "/signedUrl", "/x"] {
        let url = url.replace("?token", &format!("{rest}?token"));
        assert!(matches!(world.get(&url).status, 404 | 405), "{rest}");
    }
    let spelt_otherwise = url.replace(&id, &id.replace('.', "%2e"));
    assert_eq!(world.get(&spelt_otherwise).body, CONTENT);
    assert_eq!(world.get(&url.replace(BASE, "//")).body, CONTENT);
    // Nor is it a token for the object's own address.
    let key = world.runtime.block_on(async {
        let file = FileRef::Id(parse_raw_file_id(&id).unwrap());
        world.service.file(&world.principal("app"), file).await.unwrap().key
    });
    let native = format!("/o/files-acme/{key}?cat={}", url.split_once("token=").unwrap().1);
    world.get(&native).refused(403, "access_denied");
}

#[test]
fn tokens_that_were_changed() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let url = world.sign(&id, "60");
    let (front, token) = url.split_once("token=").unwrap();
    let told = world.get(&format!("{front}token=x")).refused(401, "invalid_token");
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut changed = token.to_owned();
        changed.replace_range(at..=at, other);
        assert_eq!(world.get(&format!("{front}token={changed}")).refused(401, "invalid_token"), told, "{at}");
    }
    for changed in [&token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}="), &format!(" {token}")] {
        let got = world.get(&format!("{front}token={}", changed.replace(' ', "%20")));
        assert_eq!(got.refused(401, "invalid_token"), told);
        world.call("HEAD", &format!("{front}token={}", changed.replace(' ', "+")), &[], b"").head_refused(401, "invalid_token");
    }
    assert_eq!(world.get(&url).body, CONTENT);
}

#[test]
fn expires_to_the_second() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let url = world.sign(&id, "3600");
    let end = NOW.plus(Duration::from_secs(3600)).next_whole_second();
    world.clock.set(end.minus(Duration::from_micros(1)));
    assert_eq!(world.get(&url).body, CONTENT);
    world.clock.set(end);
    let got = world.get(&url);
    assert_eq!(got.refused(401, "invalid_token"), "the URL has expired");
    assert_eq!(got.header("access-control-allow-origin"), Some("*"));
    world.call("HEAD", &url, &[], b"").head_refused(401, "invalid_token");
}

#[test]
fn deletion_kills_for_good_and_overwriting_does_not() {
    let world = world();
    let id = world.object("reports", "a.txt", CONTENT);
    let url = world.sign(&id, "60");
    assert_eq!(world.object("reports", "a.txt", b"newer"), id);
    let got = world.get(&url);
    assert_eq!((got.text(), got.header("etag")), ("newer", Some(etag(b"newer").as_str())));
    world.delete_object(&"reports".parse().unwrap(), "a.txt");
    let gone = |url: &str| {
        world.get(url).refused(404, "not_found");
        world.call("HEAD", url, &[], b"").head_refused(404, "not_found");
    };
    gone(&url);
    world.read_as("app", "GET", &path_of(&id)).refused(404, "not_found");
    let again = world.object("reports", "a.txt", b"again");
    assert_ne!(again, id);
    gone(&url);
    assert_eq!(world.get(&world.sign(&again, "60")).text(), "again");
    // The same for a file that came in by this API.
    let id = world.file("b.txt", CONTENT);
    let url = world.sign(&id, "60");
    let file = FileRef::Id(parse_raw_file_id(&id).unwrap());
    world.runtime.block_on(world.service.delete_file(&world.principal("app"), file)).unwrap();
    gone(&url);
}

#[test]
fn what_was_taken_back() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let file_id = parse_raw_file_id(&id).unwrap();
    let (url, link_id) = world.runtime.block_on(async {
        let principal = world.principal("app");
        let bucket = world.service.file(&principal, FileRef::Id(file_id)).await.unwrap().bucket.name.clone();
        let request = IssueRequest {
            bucket,
            target: Target::File(file_id),
            form: Form::Token,
            terms: Terms { dialect: Dialect::Redivis, ..Terms::new(Permission::Read) },
            lifetime: Lifetime::For(Duration::from_secs(60)),
            not_before: None,
            must_exist: true,
            pin: false,
        };
        let issued = world.service.issue(&principal, vec![request]).await.unwrap().remove(0);
        let Credential::Token { token, path } = issued.credential else { panic!("a token") };
        (format!("{path}?token={}", token.expose()), issued.link_id)
    });
    let other = world.sign(&id, "60");
    assert_eq!(world.get(&url).body, CONTENT);
    world.runtime.block_on(world.service.revoke(&world.principal("app"), &[link_id])).unwrap();
    world.get(&url).refused(401, "invalid_token");
    world.call("HEAD", &url, &[], b"").head_refused(401, "invalid_token");
    assert_eq!(world.get(&other).body, CONTENT);
}

#[test]
fn a_url_acts_as_its_issuer_may_now() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let (url, other) = (world.sign_as("data", &id, "60"), world.sign_as("edit", &id, "60"));
    for (worse, better) in [
        (scopes("object:write link:issue"), scopes("object:read")),
        (
            ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() },
            ApiKeyUpdate { disabled: Some(false), ..ApiKeyUpdate::default() },
        ),
        (
            ApiKeyUpdate { buckets: Some(vec!["reports".parse().unwrap()]), ..ApiKeyUpdate::default() },
            ApiKeyUpdate { buckets: Some(Vec::new()), ..ApiKeyUpdate::default() },
        ),
    ] {
        assert_eq!(world.get(&url).body, CONTENT);
        world.update_key("data", worse);
        world.get(&url).refused(403, "insufficient_scope");
        world.call("HEAD", &url, &[], b"").head_refused(403, "insufficient_scope");
        assert_eq!(world.get(&other).body, CONTENT);
        world.update_key("data", better);
    }
    assert_eq!(world.get(&url).body, CONTENT);
}

#[test]
fn by_credential() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    let path = path_of(&id);
    for key in ["app", "data", "reader", "edit"] {
        assert_eq!(world.read_as(key, "GET", &path).body, CONTENT, "{key}");
    }
    for key in ["nothing", "issuer"] {
        world.read_as(key, "GET", &path).lacks("data.data");
    }
    let unknown = world.read_as("app", "GET", &unknown_path()).refused(404, "not_found");
    assert_eq!(world.read_as("stranger", "GET", &path).refused(404, "not_found"), unknown);
    world.read_as("stranger", "HEAD", &path).head_refused(404, "not_found");
    world.read_as("app", "GET", &path_of("none")).refused(404, "not_found");
    world.read_as("fenced", "GET", &path).refused(403, "access_denied");
    world.read_as("wrong", "GET", &path).refused(401, "invalid_token");
    world.read_as("wrong", "HEAD", &path).head_refused(401, "invalid_token");
    world.call("GET", &path, &[("Authorization", "Basic YXBwOmFwcA==")], b"").refused(401, "invalid_token");
    world.call("GET", &path, &[("Authorization", "Bearer app"), ("X-API-Key", "app")], b"").refused(400, "invalid_request");
    // Not before it is confirmed.
    let (pending, url) = world.temp_uploads("app", &[("b.txt", 1)]).remove(0);
    assert_eq!(world.put(&url, b"x").status, 200);
    world.read_as("app", "GET", &path_of(&pending)).refused(404, "not_found");
}

#[test]
fn guessing_credentials_is_slowed_down() {
    let world = world();
    let path = path_of(&world.file("a.txt", CONTENT));
    let refused = (0..10_000).map(|number| world.read_as(&format!("guess-{number}"), "GET", &path)).find(|got| got.status != 401);
    let got = refused.unwrap();
    got.refused(429, "too_many_requests");
    assert_eq!((got.header("x-ratelimit-limit"), got.header("x-ratelimit-remaining")), (Some("100"), Some("0")));
    assert_eq!(got.header("retry-after"), Some("1"));
    let head = world.read_as("guess", "HEAD", &path);
    head.head_refused(429, "too_many_requests");
    assert_eq!(head.header("retry-after"), Some("1"));
}

#[test]
fn public_files() {
    let world = world();
    let (id, private) = (world.object("open", "a.csv", CONTENT), world.file("a.txt", CONTENT));
    let path = path_of(&id);
    for method in ["GET", "HEAD"] {
        let got = world.call(method, &path, &[], b"");
        assert_eq!((got.status, got.header("content-length")), (200, Some("10")), "{got:?}");
        assert_eq!(got.header("content-type"), Some("text/csv"));
        assert_eq!(got.header("content-digest"), Some(format!("md5=:{}:", md5(CONTENT)).as_str()));
        assert_eq!(got.header("cache-control"), Some("public, no-cache"));
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(world.call("GET", &path, &[("Range", "bytes=8-")], b"").text(), "89");
    for key in ["nothing", "stranger", "nobody"] {
        assert_eq!(world.read_as(key, "GET", &path).body, CONTENT, "{key}");
    }
    // What is not public is told as what there is not.
    let said = world.get(&unknown_path()).refused(401, "invalid_token");
    assert!(said.contains("No access token"), "{said}");
    let theirs = world.file_of("stranger", "b.txt", b"theirs");
    for private in [path_of(&private), path_of(&theirs)] {
        assert_eq!(world.get(&private).refused(401, "invalid_token"), said);
        world.call("HEAD", &private, &[], b"").head_refused(401, "invalid_token");
    }
    world.get(&path_of("none")).refused(401, "invalid_token");
    // A token that does not work is not made up for, nor is a credential.
    world.get(&format!("{path}?token=x")).refused(401, "invalid_token");
    world.read_as("wrong", "GET", &path).refused(401, "invalid_token");
    world.delete_object(&"open".parse().unwrap(), "a.csv");
    assert_eq!(world.get(&path).refused(401, "invalid_token"), said);
}

#[test]
fn other_methods() {
    let world = world();
    let id = world.file("a.txt", CONTENT);
    for url in [world.sign(&id, "60"), path_of(&id), unknown_path()] {
        for method in ["PUT", "POST", "PATCH", "DELETE", "FETCH"] {
            let got = world.call(method, &url, &[("Authorization", "Bearer app")], b"content");
            got.refused(405, "method_not_allowed");
            assert_eq!((got.header("allow"), got.header("connection")), (Some("GET, HEAD, OPTIONS"), Some("close")));
            assert_eq!(got.header("access-control-allow-origin"), Some("*"));
        }
        let headers = [("Access-Control-Request-Headers", "range, authorization"), ("Origin", "https://example.org")];
        let got = world.call("OPTIONS", &url, &headers, b"");
        assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some("*")));
        assert_eq!(got.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(got.header("access-control-allow-headers"), Some("range, authorization"));
        assert_eq!(got.header("access-control-allow-credentials"), None);
        assert_eq!(got.header("access-control-max-age"), Some("600"));
    }
    assert_eq!(world.get(&world.sign(&id, "60")).body, CONTENT);
}
