//! `GET /api/v1/tables/:ref/rawFiles?format=arrow`, and what clients ask of tables, datasets and users.

use crate::world::*;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::StreamReader;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use valetkey_metadata::{Guard, MetadataStore as _, Publication, PublishCondition};
use valetkey_model::{BlobId, FileId, FileNumber, PutMode};
use valetkey_service::raw_file_id;

const LIST: &str = "rawFiles?format=arrow";
const SECOND: Duration = Duration::from_secs(1);

/// A row: id, name, size, digest, instant in microseconds.
type Row = (String, String, i64, Option<String>, i64);

impl World {
    fn list(&self, key: &str, table: &str, headers: &[(&str, &str)]) -> Got {
        let bearer = format!("Bearer {key}");
        let headers: Vec<_> = [("Authorization", bearer.as_str())].into_iter().chain(headers.iter().copied()).collect();
        self.call("GET", &format!("/api/v1/tables/{table}/{LIST}"), &headers, b"")
    }

    /// Of the table that other tests use.
    pub(crate) fn names_listed(&self) -> Vec<String> {
        self.names("app", "demo.files.docs")
    }

    fn names(&self, key: &str, table: &str) -> Vec<String> {
        names(&self.list(key, table, &[]))
    }
}

fn batches(got: &Got) -> Vec<RecordBatch> {
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    let reader = StreamReader::try_new(&got.body[..], None).unwrap();
    let schema: Vec<_> = reader.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(schema, ["file_id Utf8", "file_name Utf8", "size Int64", "md5_hash Utf8", "added_at Timestamp(µs, \"UTC\")"]);
    reader.map(Result::unwrap).collect()
}

fn rows(got: &Got) -> Vec<Row> {
    let rows_of = |batch: RecordBatch| {
        let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
        let row = |row| {
            let size = batch.column(2).as_primitive::<Int64Type>().value(row);
            let digest = (!batch.column(3).is_null(row)).then(|| text(3, row));
            (text(0, row), text(1, row), size, digest, batch.column(4).as_primitive::<TimestampMicrosecondType>().value(row))
        };
        (0..batch.num_rows()).map(row).collect::<Vec<_>>()
    };
    batches(got).into_iter().flat_map(rows_of).collect()
}

fn names(got: &Got) -> Vec<String> {
    rows(got).into_iter().map(|row| row.1).collect()
}

#[test]
fn what_a_table_holds() {
    let world = world();
    assert_eq!(world.names("app", "demo.files.docs"), [""; 0]);
    let first = world.file("dir/Größe 1.csv", b"0123456789");
    world.clock.advance(SECOND);
    let second = world.file("empty", b"");
    let got = world.list("reader", "demo.files.docs", &[]);
    let now = NOW.as_micros();
    assert_eq!(
        rows(&got),
        [
            (first, "dir/Größe 1.csv".to_owned(), 10, Some(md5(b"0123456789")), now),
            (second.clone(), "empty".to_owned(), 0, Some(md5(b"")), now + 1_000_000),
        ]
    );
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    // One table, however it is referred to.
    for table in ["demo.files%3Acurrent.docs", "demo.files:next.docs", "Demo.FILES:ab12:v1.0.docs:cd34", "demo.files%3Av2_0.docs"]
    {
        assert_eq!(world.names("app", table).len(), 2, "{table}");
    }
    for table in ["demo.files.doc", "demo.docs", "docs", "demo.files.docs.x", "demo.files_docs"] {
        assert_eq!(world.names("app", table), [""; 0], "{table}");
    }
    // Of a name that comes again, clients take the last.
    world.file("empty", b"not any more");
    assert_eq!(world.names("app", "demo.files.docs"), ["dir/Größe 1.csv", "empty", "empty"]);
    let id = valetkey_service::FileRef::Id(valetkey_service::parse_raw_file_id(&second).unwrap());
    world.runtime.block_on(world.service.delete_file(&world.principal("app"), id)).unwrap();
    assert_eq!(world.names("app", "demo.files.docs"), ["dir/Größe 1.csv", "empty"]);
    let head = world.read_as("app", "HEAD", &format!("{TABLE}/{LIST}"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    assert_eq!(head.header("content-length"), None);
}

#[test]
fn what_is_not_there_for_good_is_not_listed() {
    let world = world();
    let (id, url) = world.temp_uploads("app", &[("a.txt", 3)]).remove(0);
    assert_eq!(world.names("app", "demo.files.docs"), [""; 0]);
    assert_eq!(world.put(&url, b"one").status, 200);
    assert_eq!(world.names("app", "demo.files.docs"), [""; 0]);
    world.confirm("app", &id, "b.txt").ok(201);
    assert_eq!(world.names("app", "demo.files.docs"), ["b.txt"]);
    // Of other APIs' files, those in a bucket of the table's name.
    let loose = world.object("reports", "c.txt", b"three");
    assert_eq!(world.names("app", "demo.files.docs"), ["b.txt"]);
    let listed = rows(&world.list("app", "reports", &[]));
    assert_eq!(listed, [(loose, "c.txt".to_owned(), 5, Some(md5(b"three")), NOW.as_micros())]);
    assert_eq!(world.names("app", "files-acme"), ["b.txt"]);
}

#[test]
fn names_lead_clients_nowhere_else() {
    let world = world();
    for name in ["../../a.txt", "/etc/passwd", ".", "x/../y", "..\\b"] {
        world.file(name, b"x");
        world.clock.advance(SECOND);
    }
    assert_eq!(world.names("app", "demo.files.docs"), ["a.txt", "etc/passwd", "file", "x/y", "b"]);
}

#[test]
fn ten_thousand_files_come_batch_by_batch() {
    const N_FILES: usize = 10_000;
    let world = world();
    world.bucket("demo.files.many", false);
    world.runtime.block_on(async {
        let rows = (0..N_FILES).map(|number| world.metadata.publish(row(number)));
        stream::iter(rows).for_each_concurrent(1000, async |published| drop(published.await.unwrap())).await;
    });
    let got = world.list("app", "demo.files.many", &[]);
    let sizes: Vec<_> = batches(&got).iter().map(RecordBatch::num_rows).collect();
    assert!(sizes.len() >= N_FILES / 1000 && sizes.iter().all(|n_rows| (1..=1000).contains(n_rows)), "{sizes:?}");
    let listed = rows(&got);
    assert_eq!(listed.len(), N_FILES);
    for (number, (id, name, size, digest, _)) in listed.iter().enumerate() {
        let Publication { new_file_id, size_bytes, md5, .. } = row(number);
        let expected = (format!("{number:05}.txt"), i64::try_from(size_bytes).unwrap(), md5.map(|md5| STANDARD.encode(md5)));
        assert_eq!((name.clone(), *size, digest.clone()), expected);
        assert_eq!(*id, raw_file_id(new_file_id));
    }
}

/// An object whose digests are known; nobody reads its bytes.
fn row(number: usize) -> Publication {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let half = *bytes.first_chunk().unwrap();
    Publication {
        bucket: "demo.files.many".parse().unwrap(),
        key: format!("{number:05}.txt").parse().unwrap(),
        new_file_id: FileId::from_bytes(half),
        new_file_number: FileNumber::new(number as u64 + 1).unwrap(),
        blob: BlobId::from_bytes(half),
        size_bytes: number as u64,
        content_type: None,
        file_name: None,
        user_metadata: None,
        sha256: bytes,
        sha1: Some(*bytes.first_chunk().unwrap()),
        md5: Some(half),
        now: NOW,
        expires_at: None,
        condition: PublishCondition { mode: PutMode::Create, absent: false, replaces: None, incarnation: None },
        guard: Guard { tenant: "acme".parse().unwrap(), url: None, api_key: None },
        spend: None,
        completes: None,
    }
}

#[test]
fn what_has_not_changed_is_not_sent() {
    let world = world();
    // NOW is 08:00:00.4, when the server began.
    let list = |since: &str| world.list("app", "demo.files.docs", &[("If-Modified-Since", since)]);
    let date = |second: u32| format!("Fri, 15 Jan 2027 08:00:{second:02} GMT");
    assert_eq!(list(&date(0)).status, 200);
    assert_eq!(list(&date(0)).header("last-modified"), None, "something may yet happen in this second");
    world.clock.advance(2 * SECOND);
    let unchanged = list(&date(1));
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("last-modified"), Some(date(1).as_str()));
    assert_eq!(list(&date(2)).status, 304);
    // From a clock that is ahead, and what is no date.
    for other in [&date(3), "Sat, 16 Jan 2027 08:00:00 GMT", "yesterday", ""] {
        assert_eq!(list(other).status, 200, "{other}");
    }
    let id = world.file("a.txt", b"x");
    for second in [0, 1, 2] {
        assert_eq!(list(&date(second)).status, 200, "{second}");
    }
    world.clock.advance(2 * SECOND);
    assert_eq!(list(&date(2)).status, 200);
    assert_eq!(list(&date(3)).status, 304);
    assert_eq!(world.list("app", "demo.files.other", &[("If-Modified-Since", &date(3))]).status, 304);
    let got = list(&date(2));
    assert_eq!(got.header("last-modified"), Some(date(3).as_str()));
    world.read_as("app", "GET", &path_of(&id));
    assert_eq!(list(&date(4)).status, 304, "reading changes nothing");
    // It is asked for by who may list it.
    let stranger = world.list("nothing", "demo.files.docs", &[("If-Modified-Since", &date(3))]);
    stranger.lacks("data.data");
}

#[test]
fn what_is_asked_for() {
    let world = world();
    let get = |query: &str| world.read_as("app", "GET", &format!("{TABLE}/rawFiles{query}"));
    for query in ["?format=arrow&fileIdVariable=file_id&fileNameVariable=file_name", "?x=1&format=arrow&maxResults=5"] {
        assert_eq!(get(query).status, 200, "{query}");
    }
    for query in ["", "?format=json", "?format=arrow&format=arrow", "?format=arrow&fileNameVariable=path", "?format=%zz"] {
        get(query).refused(400, "invalid_request");
        let head = world.read_as("app", "HEAD", &format!("{TABLE}/rawFiles{query}"));
        head.head_refused(400, "invalid_request");
    }
    world.read_as("app", "GET", &format!("/api/v1/tables/%00/{LIST}")).refused(400, "invalid_request");
    world.read_as("app", "GET", &format!("/api/v1/tables//{LIST}")).refused(404, "not_found");
}

#[test]
fn who_may_list() {
    let world = world();
    world.file("a.txt", b"x");
    for key in ["app", "data", "edit", "reader", "creator", "unsigning"] {
        assert_eq!(world.names(key, "demo.files.docs"), ["a.txt"], "{key}");
    }
    for key in ["issuer", "nothing"] {
        world.list(key, "demo.files.docs", &[]).lacks("data.data");
    }
    world.list("fenced", "demo.files.docs", &[]).refused(403, "access_denied");
    assert_eq!(world.names("fenced", "reports"), [""; 0]);
    assert_eq!(world.names("stranger", "demo.files.docs"), [""; 0]);
    let path = format!("{TABLE}/{LIST}");
    for path in [path.as_str(), "/api/v1/tables/reports/rawFiles?format=arrow", "/api/v1/tables/x/rawFiles?format=arrow"] {
        let said = world.get(path).refused(401, "invalid_token");
        assert_eq!(said, "No access token was provided, and what was asked for is not public");
        world.call("HEAD", path, &[], b"").head_refused(401, "invalid_token");
    }
    world.list("wrong", "demo.files.docs", &[]).refused(401, "invalid_token");
}

#[test]
fn a_public_bucket_is_a_public_table() {
    let world = world();
    let id = world.object("open", "dir/a.txt", b"x");
    world.bucket("demo.files.docs", true);
    let added = world.file("b.txt", b"y");
    for (table, expected, id) in [("open", "dir/a.txt", id), ("demo.files:current.docs", "b.txt", added)] {
        let got = world.get(&format!("/api/v1/tables/{table}/{LIST}"));
        assert_eq!(rows(&got)[0], (id.clone(), names(&got)[0].clone(), 1, rows(&got)[0].3.clone(), NOW.as_micros()));
        assert!(names(&got)[0].ends_with(expected.rsplit('/').next().unwrap()));
        for key in ["nothing", "stranger", "fenced", "nobody"] {
            assert_eq!(names(&world.list(key, table, &[])), names(&got), "{key}");
        }
        assert_eq!(world.get(&path_of(&id)).status, 200);
        assert_eq!(world.get(&format!("/api/v1/tables/{table}")).status, 200);
    }
    // It does not take the place of another tenant's own table.
    let own = world.file_of("stranger", "own.txt", b"z");
    assert_eq!(rows(&world.list("stranger", "demo.files.docs", &[]))[0].0, own);
    assert_eq!(world.names("app", "demo.files.docs"), ["b.txt"]);
}

#[test]
fn tables_datasets_and_users() {
    let world = world();
    let get = |key: &str, path: &str| world.read_as(key, "GET", &format!("/api/v1/{path}"));
    let user = |name: &str| json!({ "kind": "user", "uri": format!("/users/{name}"), "url": format!("{BASE}/api/v1/users/{name}"), "name": name, "userName": name });
    let dataset = json!({
        "kind": "dataset", "uri": "/datasets/demo.files%3Anext", "url": format!("{BASE}/api/v1/datasets/demo.files%3Anext"),
        "name": "files", "qualifiedReference": "demo.files:next", "scopedReference": "files:next", "owner": user("demo"),
    });
    let table = json!({
        "kind": "table", "uri": "/tables/demo.files%3Anext.my%20docs", "url": format!("{BASE}/api/v1/tables/demo.files%3Anext.my%20docs"),
        "name": "my docs", "qualifiedReference": "demo.files:next.my docs", "scopedReference": "my docs", "container": dataset,
    });
    assert_eq!(get("reader", "tables/demo.files%3Anext.my%20docs").ok(200), table);
    assert_eq!(get("reader", "datasets/demo.files:next").ok(200), dataset);
    assert_eq!(get("nothing", "users/demo").ok(200), user("demo"));
    assert_eq!(get("app", "users/me").ok(200), user("acme"));
    assert_eq!(get("stranger", "users/me").ok(200), user("other"));
    let created = world.post("app", "/api/v1/datasets/demo.files%3Anext/tables", r#"{"name": "my docs", "isFileIndex": false}"#);
    assert_eq!(created.ok(201), table);
    world.post("reader", "/api/v1/datasets/demo.files/tables", r#"{"name": "a"}"#).lacks("data.edit");
    for body in ["", "{}", r#"{"name": ""}"#, r#"{"name": 1}"#] {
        world.post("app", "/api/v1/datasets/demo.files/tables", body).refused(400, "invalid_request");
    }
    for path in ["tables/demo.files.docs", "datasets/demo.files", "users/me"] {
        let path = format!("/api/v1/{path}");
        let head = world.read_as("app", "HEAD", &path);
        assert_eq!((head.status, head.body.len()), (200, 0));
        world.get(&path).refused(401, "invalid_token");
        world.call("HEAD", &path, &[], b"").head_refused(401, "invalid_token");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let got = world.read_as("app", method, &path);
            got.refused(405, "method_not_allowed");
            assert_eq!(got.header("allow"), Some("GET, HEAD"));
        }
        world.read_as("app", "GET", &format!("{path}/uploads/x")).refused(404, "not_found");
    }
    get("issuer", "tables/demo.files.docs").lacks("data.data");
    for path in [
        "tables",
        "tables/",
        "datasets/",
        "users/",
        "datasets/demo.files/tables/x",
        "queries",
        "workflows/x",
        "organizations/x/datasets",
    ] {
        get("app", path).refused(404, "not_found");
    }
    get("app", &format!("datasets/{}", "a".repeat(513))).refused(400, "invalid_request");
}

#[test]
fn to_know_of_a_file_needs_metadata_alone() {
    let world = world();
    let path = path_of(&world.file("a.txt", b"x"));
    for key in ["nothing", "reader", "app"] {
        let got = world.read_as(key, "HEAD", &path);
        assert_eq!((got.status, got.header("x-redivis-filename")), (200, Some("a.txt")), "{key}");
        assert_eq!(got.header("digest"), Some(format!("md5={}", md5(b"x")).as_str()));
    }
    world.read_as("nothing", "GET", &path).lacks("data.data");
    world.read_as("issuer", "HEAD", &path).head_lacks("data.metadata");
    world.read_as("stranger", "HEAD", &path).head_refused(404, "not_found");
    world.read_as("fenced", "HEAD", &path).head_refused(403, "access_denied");
}
