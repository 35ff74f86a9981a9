//! `/api/v1/tables/:ref/tempUploads` and `…/rawFiles`: how a file gets there.

use crate::world::*;
use serde_json::json;
use std::time::Duration;
use valetkey_testkit::seeded_bytes;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn post_temp_uploads(world: &World, key: &str, body: &str) -> Got {
    world.post(key, &format!("{TABLE}/tempUploads"), body)
}

fn post_raw_files(world: &World, key: &str, body: &str) -> Got {
    world.post(key, &format!("{TABLE}/rawFiles"), body)
}

#[test]
fn a_file_comes_in() {
    let world = world();
    let content = seeded_bytes(1, 300_000);
    let body = json!({ "tempUploads": [{ "size": content.len(), "name": "dir/data 1.csv", "resumable": false }] });
    let got = post_temp_uploads(&world, "edit", &body.to_string());
    let mut list = got.ok(200);
    let item = &mut list["results"][0];
    let (id, url) = (item["id"].as_str().unwrap().to_owned(), item["url"].take().as_str().unwrap().to_owned());
    assert!(url.starts_with(&format!("{BASE}/o/files-acme/")) && url.contains("?cat="), "{url}");
    let item =
        json!({ "kind": "tempUpload", "id": id, "url": null, "name": "dir/data 1.csv", "size": 300_000, "resumable": false });
    assert_eq!(list, json!({ "kind": "tempUploadList", "results": [item] }));

    let put = world.put(&url, &content);
    assert_eq!((put.status, put.body.len(), put.header("etag")), (200, 0, Some(etag(&content).as_str())));
    assert_eq!(put.header("access-control-allow-origin"), Some("*"));

    let body = json!({ "files": [{ "name": "dir/data 2.csv", "tempUploadId": id }] });
    let list = post_raw_files(&world, "edit", &body.to_string()).ok(201);
    let item = json!({
        "kind": "rawFile",
        "id": id,
        "uri": format!("/rawFiles/{id}"),
        "url": format!("{BASE}/api/v1/rawFiles/{id}"),
        "name": "dir/data 2.csv",
        "md5Hash": md5(&content),
        "size": 300_000,
    });
    assert_eq!(list, json!({ "kind": "rawFileList", "results": [item] }));
    // Once more is the same.
    assert_eq!(post_raw_files(&world, "edit", &body.to_string()).ok(201), list);

    let got = world.read_as("data", "GET", &path_of(&id));
    assert!(got.body == content);
    assert_eq!(got.header("x-redivis-filename"), Some("dir%2Fdata%202.csv"));
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"dir_data 2.csv\""));
}

#[test]
fn many_come_in_the_order_asked_for() {
    let world = world();
    let names: Vec<String> = (0..1000).map(|number| format!("file {number}.txt")).collect();
    let files: Vec<_> = names.iter().enumerate().map(|(size, name)| (name.as_str(), size % 7)).collect();
    let places = world.temp_uploads("app", &files);
    assert_eq!(places.len(), 1000);
    let chosen = [999, 3, 500];
    for number in chosen {
        assert_eq!(world.put(&places[number].1, &b"0123456"[..number % 7]).status, 200);
    }
    let named = chosen.map(|number| json!({ "name": names[number], "tempUploadId": places[number].0 }));
    let list = post_raw_files(&world, "app", &json!({ "files": named }).to_string()).ok(201);
    for (item, number) in list["results"].as_array().unwrap().iter().zip(chosen) {
        assert_eq!((&item["id"], &item["name"]), (&json!(places[number].0), &json!(names[number])));
        assert_eq!(item["size"], number % 7);
    }
    let one_more = json!({ "tempUploads": vec![json!({ "size": 1, "name": "a" }); 1001] });
    post_temp_uploads(&world, "app", &one_more.to_string()).refused(400, "invalid_request");
    let one_more = json!({ "files": vec![json!({ "tempUploadId": places[0].0 }); 1001] });
    post_raw_files(&world, "app", &one_more.to_string()).refused(400, "invalid_request");
}

#[test]
fn what_is_declared_must_come() {
    let world = world();
    let (id, url) = world.temp_uploads("app", &[("a.txt", 5)]).remove(0);
    for (content, status, error) in
        [(&b"1234"[..], 400, "invalid_request"), (b"", 400, "invalid_request"), (b"123456", 413, "too_large")]
    {
        let got = world.put(&url, content);
        got.refused(status, error);
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
    }
    // The same without saying beforehand how much there is.
    for (body, status) in [("4\r\n1234\r\n0\r\n\r\n", 400), ("6\r\n123456\r\n0\r\n\r\n", 413)] {
        let mut stream = world.connect();
        let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", url.strip_prefix(BASE).unwrap());
        std::io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
        assert_eq!(read(&mut stream, false).status, status);
    }
    world.confirm("app", &id, "a.txt").refused(400, "invalid_request");
    let empty = world.temp_uploads("app", &[("empty", 0)]).remove(0);
    world.put(&empty.1, b"x").refused(413, "too_large");
    assert_eq!(world.put(&empty.1, b"").status, 200);
    assert_eq!(world.put(&url, b"12345").status, 200);
    assert_eq!(world.confirm("app", &id, "a.txt").ok(201)["results"][0]["size"], 5);
}

#[test]
fn an_upload_may_be_sent_again_until_it_is_a_file() {
    let world = world();
    let (id, url) = world.temp_uploads("app", &[("a.txt", 3)]).remove(0);
    for content in [b"one", b"two"] {
        // Whatever type it is said to be, and whoever is said to send it.
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", "Bearer wrong")];
        assert_eq!(world.call("PUT", &url, &headers, content).status, 200);
    }
    world.call("PUT", &url, &[("Content-MD5", &md5(b"two"))], b"six").refused(400, "invalid_request");
    assert_eq!(world.confirm("app", &id, "a.txt").ok(201)["results"][0]["md5Hash"], md5(b"two"));
    let got = world.put(&url, b"six");
    assert!(matches!(got.status, 404 | 412), "{got:?}");
    assert_eq!(world.read_as("app", "GET", &path_of(&id)).text(), "two");
}

#[test]
fn the_url_of_an_upload_is_for_that_alone() {
    let world = world();
    let places = world.temp_uploads("app", &[("a.txt", 3), ("b.txt", 3)]);
    let url = &places[0].1;
    assert_eq!(world.put(url, b"one").status, 200);
    let got = world.get(url);
    got.refused(405, "method_not_allowed");
    assert_eq!(got.header("allow"), Some("PUT, OPTIONS"));
    world.call("HEAD", url, &[], b"").head_refused(405, "method_not_allowed");
    let token = url.split_once('?').unwrap().1;
    let other = places[1].1.split_once('?').unwrap().0;
    world.put(&format!("{other}?{token}"), b"one").refused(403, "access_denied");
    // The token of an upload reads nothing.
    world.confirm("app", &places[0].0, "a.txt").ok(201);
    let reading = format!("{}?{}", path_of(&places[0].0), token.replace("cat=", "token="));
    world.get(&reading).refused(403, "access_denied");
}

#[test]
fn what_is_not_a_file_in_time_is_gone() {
    let world = world();
    let places = world.temp_uploads("app", &[("a.txt", 3), ("b.txt", 3)]);
    assert_eq!(world.put(&places[0].1, b"one").status, 200);
    world.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(world.put(&places[1].1, b"one").status, 200);
    world.clock.advance(Duration::from_secs(2));
    world.put(&places[1].1, b"two").refused(401, "invalid_token");
    for (id, _) in &places {
        world.confirm("app", id, "a.txt").refused(404, "not_found");
    }
}

#[test]
fn bodies() {
    let world = world();
    for body in [
        "",
        "{}",
        "[]",
        "{",
        r#"{"tempUploads": []}"#,
        r#"{"tempUploads": {}}"#,
        r#"{"tempUploads": [{}]}"#,
        r#"{"tempUploads": [{"size": 1}]}"#,
        r#"{"tempUploads": [{"size": -1, "name": "a"}]}"#,
        r#"{"tempUploads": [{"size": 0.5, "name": "a"}]}"#,
        r#"{"tempUploads": [{"size": "1", "name": "a"}]}"#,
        r#"{"tempUploads": [{"size": 1, "name": ""}]}"#,
        r#"{"tempUploads": [{"size": 1, "name": 1}]}"#,
        r#"{"tempUploads": [{"size": 1, "name": "a", "resumable": 1}]}"#,
    ] {
        post_temp_uploads(&world, "app", body).refused(400, "invalid_request");
    }
    for body in [
        "",
        "{}",
        r#"{"files": []}"#,
        r#"{"files": [{"name": "a"}]}"#,
        r#"{"files": [{"name": 1, "tempUploadId": "x"}]}"#,
        r#"{"files": [{"name": "a", "tempUploadId": 1}]}"#,
    ] {
        post_raw_files(&world, "app", body).refused(400, "invalid_request");
    }
    for path in ["tempUploads", "rawFiles"] {
        let path = format!("{TABLE}/{path}");
        let call = |headers: &[(&str, &str)], body: &[u8]| world.call("POST", &path, headers, body);
        let text = [("Authorization", "Bearer app"), ("Content-Type", "text/plain")];
        call(&text, b"{}").refused(400, "invalid_request");
        call(&text[..1], &vec![b' '; (1 << 20) + 1]).refused(413, "too_large");
        world.call_cut_short(&path, "app", b"{").refused(400, "invalid_request");
    }
    // As clients write it whose numbers are doubles.
    let list = post_temp_uploads(&world, "app", r#"{"tempUploads": [{"size": 1e+05, "name": "a"}]}"#).ok(200);
    assert_eq!((&list["results"][0]["size"], &list["results"][0]["resumable"]), (&json!(100_000), &json!(false)));
}

#[test]
fn all_are_files_or_none() {
    let world = world();
    let places = world.temp_uploads("app", &[("a.txt", 3), ("b.txt", 3)]);
    let theirs = world.temp_uploads("stranger", &[("c.txt", 3)]).remove(0);
    assert_eq!(world.put(&places[0].1, b"one").status, 200);
    assert_eq!(world.put(&theirs.1, b"one").status, 200);
    let both = |second: &str| {
        json!({ "files": [{ "name": "a", "tempUploadId": places[0].0 }, { "name": "b", "tempUploadId": second }] }).to_string()
    };
    let said = post_raw_files(&world, "app", &both(&places[1].0)).refused(400, "invalid_request");
    assert_eq!(said, "The tempUpload has not been uploaded yet");
    let unknown = post_raw_files(&world, "app", &both("none")).refused(404, "not_found");
    assert_eq!(post_raw_files(&world, "app", &both(&theirs.0)).refused(404, "not_found"), unknown);
    post_raw_files(&world, "app", &both(&places[0].0)).refused(400, "invalid_request");
    assert_eq!(world.put(&places[1].1, b"two").status, 200);
    post_raw_files(&world, "app", &both(&places[1].0).replace("\"b\"", "\"\"")).refused(400, "invalid_request");
    world.read_as("app", "GET", &path_of(&places[0].0)).refused(404, "not_found");
    post_raw_files(&world, "app", &both(&places[1].0)).ok(201);
    // Without a name it keeps the one it has.
    let body = json!({ "files": [{ "tempUploadId": places[0].0 }] });
    assert_eq!(post_raw_files(&world, "app", &body.to_string()).ok(201)["results"][0]["name"], "a");
}

#[test]
fn the_last_name_before_it_is_a_file_counts() {
    let world = world();
    let types = |name: &str, more: &[(&str, &str)]| {
        let (id, url) = world.temp_uploads("app", &[("a.csv", 3)]).remove(0);
        assert_eq!(world.call("PUT", &url, more, b"one").status, 200);
        let body = json!({ "files": [{ "name": name, "tempUploadId": id }] });
        post_raw_files(&world, "app", &body.to_string()).ok(201);
        let got = world.get(&world.sign(&id, "60"));
        (id, got.header("content-type").unwrap().to_owned())
    };
    // Of that name is the media type, whatever the upload said.
    for (name, expected) in [("b.png", "image/png"), ("a.csv", "text/csv"), ("b", "application/octet-stream")] {
        assert_eq!(types(name, &[("Content-Type", "text/html")]).1, expected, "{name}");
    }
    let (id, _) = types("b.png", &[]);
    let (other, url) = world.temp_uploads("app", &[("c.csv", 3)]).remove(0);
    assert_eq!(world.put(&url, b"two").status, 200);
    let again = json!({ "files": [{ "tempUploadId": other }, { "name": "c.png", "tempUploadId": id }] });
    let said = post_raw_files(&world, "app", &again.to_string()).refused(400, "invalid_request");
    assert_eq!(said, "The tempUpload is a rawFile of another name already");
    world.read_as("app", "GET", &path_of(&other)).refused(404, "not_found");
    let again = again.to_string().replace("c.png", "b.png");
    assert_eq!(post_raw_files(&world, "app", &again).ok(201)["results"][1]["name"], "b.png");
}

#[test]
fn credentials_and_scopes() {
    let world = world();
    let body = r#"{"tempUploads": [{"size": 1, "name": "a"}]}"#;
    for key in ["app", "edit"] {
        post_temp_uploads(&world, key, body).ok(200);
    }
    for key in ["data", "reader", "nothing", "creator"] {
        post_temp_uploads(&world, key, body).lacks("data.edit");
        post_raw_files(&world, key, body).lacks("data.edit");
    }
    post_temp_uploads(&world, "unsigning", body).lacks("data.data");
    post_temp_uploads(&world, "fenced", body).refused(403, "access_denied");
    for path in ["tempUploads", "rawFiles"] {
        let path = format!("{TABLE}/{path}");
        world.call("POST", &path, &[], body.as_bytes()).refused(401, "invalid_token");
        world.post("wrong", &path, body).refused(401, "invalid_token");
        for method in ["PUT", "DELETE"] {
            let got = world.read_as("app", method, &path);
            got.refused(405, "method_not_allowed");
            assert_eq!(got.header("allow"), Some(if path.ends_with("rawFiles") { "GET, HEAD, POST" } else { "POST" }));
        }
    }
}

#[test]
fn an_upload_is_its_issuers() {
    let world = world();
    let (id, url) = world.temp_uploads("edit", &[("a.txt", 1)]).remove(0);
    world.update_key("edit", scopes("object:read link:issue"));
    world.put(&url, b"x").refused(403, "insufficient_scope");
    world.confirm("edit", &id, "a.txt").lacks("data.edit");
    world.update_key("edit", scopes("object:write"));
    assert_eq!(world.put(&url, b"x").status, 200);
    // What it takes to see the file is lacking.
    world.confirm("edit", &id, "a.txt").lacks("data.data");
    // Another key of the tenant may go on with it.
    world.confirm("app", &id, "a.txt").ok(201);
}

#[test]
fn any_reference_of_a_table() {
    let world = world();
    let body = r#"{"tempUploads": [{"size": 1, "name": "a"}]}"#;
    let post = |reference: &str| world.post("app", &format!("/api/v1/tables/{reference}/tempUploads"), body);
    for reference in ["t", "demo.files%3Acurrent.docs%3Aab12", "%2F..%2F", "%C3%A9", &"a".repeat(512)] {
        post(reference).ok(200);
    }
    post(&"a".repeat(513)).refused(400, "invalid_request");
    for reference in ["%zz", "%00", "%ff"] {
        post(reference).refused(400, "invalid_request");
    }
    post("").refused(404, "not_found");
    post("a/b").refused(404, "not_found");
}

#[test]
fn names() {
    let world = world();
    for name in ["..", "a/../../b", "/", "\\", "تقرير نهائي.pdf", "a\u{202e}b.txt", "%2F", "?#&", "a\tb"] {
        let id = world.file(name, b"content");
        let got = world.get(&world.sign(&id, "60"));
        assert_eq!((got.status, got.text()), (200, "content"), "{name}");
        let told = percent_encoding::percent_decode_str(got.header("x-redivis-filename").unwrap());
        assert_eq!(told.decode_utf8().unwrap(), name);
    }
}
