//! A whole server: started, asked, stopped, started again.

use crate::client::{ask, connect, read, send};
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_metadata::{MetadataStore as _, TenantRow};
use valetkey_model::Timestamp;
use valetkey_server::{RunningServer, ServeConfig, ServeError};
use valetkey_testkit::FixedClock;

fn config(data: &Path) -> ServeConfig {
    ServeConfig {
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        workers: Some(1),
        stop_grace: Duration::from_secs(5),
        ..ServeConfig::default()
    }
}

fn started() -> (RunningServer, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (RunningServer::start(config(&data.path().join("data"))).unwrap(), data)
}

fn refused(config: ServeConfig) -> ServeError {
    RunningServer::start(config).map(|server| server.address()).unwrap_err()
}

#[test]
fn its_own_paths() {
    let (server, _data) = started();
    for (target, content_type, body) in [
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", "text/plain; charset=utf-8", "ready\n"),
        ("//readyz", "text/plain; charset=utf-8", "ready\n"),
        ("/healthz?verbose", "text/plain; charset=utf-8", "ok\n"),
        ("/robots.txt", "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n"),
    ] {
        let answer = ask(server.address(), "GET", target);
        assert_eq!((answer.status, answer.body.as_str(), answer.field("content-type")), (200, body, content_type), "{target}");
        assert_eq!((answer.field("cache-control"), answer.field("x-content-type-options")), ("no-store", "nosniff"), "{target}");
        assert_eq!((answer.field("x-robots-tag"), answer.field("referrer-policy")), ("noindex", "no-referrer"), "{target}");
        let head = ask(server.address(), "HEAD", target);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{target}");
        assert_eq!(head.field("content-length"), body.len().to_string(), "{target}");
        let other = ask(server.address(), "DELETE", target);
        assert_eq!((other.status, other.field("allow")), (405, "GET, HEAD"), "{target}");
    }
    server.stop().unwrap();
}

#[test]
fn what_is_nowhere_is_a_problem() {
    let (server, _data) = started();
    for (method, target) in [("GET", "/"), ("POST", "/o"), ("GET", "/healthz/x"), ("GET", "/vk/v2"), ("OPTIONS", "*")] {
        let answer = ask(server.address(), method, target);
        assert_eq!((answer.status, answer.field("content-type")), (404, "application/problem+json"), "{method} {target}");
        assert!(answer.body.contains(r#""code":"not_found""#), "{}", answer.body);
    }
}

#[test]
fn each_dialect_answers_on_its_own_paths() {
    let (server, _data) = started();
    // Each refuses in its own words a caller without a credential.
    let native = ask(server.address(), "GET", "/vk/v1/buckets");
    assert_eq!((native.status, native.field("content-type")), (401, "application/problem+json"));
    for target in ["/oss/v2/buckets", "//oss/v2/buckets"] {
        let autodesk = ask(server.address(), "GET", target);
        assert_eq!(autodesk.status, 401, "{target}");
        assert!(autodesk.body.contains("developerMessage"), "{target}: {}", autodesk.body);
    }
}

#[test]
fn the_first_start_makes_one_administrator() {
    let data = tempfile::tempdir().unwrap();
    let server = RunningServer::start(config(data.path())).unwrap();
    let key = server.first_administrator_key().unwrap().expose().to_owned();
    let bearer = format!("Bearer {key}");
    let fields = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    assert_eq!(send(server.address(), "POST", "/vk/v1/buckets", &fields, r#"{"name":"demo"}"#).status, 201);
    assert_eq!(ask(server.address(), "GET", "/vk/v1/buckets").status, 401);
    server.stop().unwrap();

    let server = RunningServer::start(config(data.path())).unwrap();
    assert!(server.first_administrator_key().is_none());
    let answer = send(server.address(), "GET", "/vk/v1/buckets/demo", &fields, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_start_that_fails_does_not_use_up_the_first() {
    let data = tempfile::tempdir().unwrap();
    let (other, _data) = started();
    let error = refused(ServeConfig { listen: other.address(), ..config(data.path()) });
    assert!(matches!(error, ServeError::Listener(_)), "{error}");
    let server = RunningServer::start(config(data.path())).unwrap();
    assert!(server.first_administrator_key().is_some());
}

#[test]
fn a_stopped_server_leaves_the_database_closed_and_the_directory_free() {
    let (server, data) = started();
    let (address, data) = (server.address(), data.path().join("data"));
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert!(matches!(refused(config(&data)), ServeError::DataDirectory(_)));
    server.stop().unwrap();
    assert!(TcpStream::connect(address).is_err());
    // Neither a write-ahead log nor its index: they are put away by whoever closes the database last.
    assert_eq!(names(), ["lock", "master.key", "metadata.sqlite3", "objects"]);
    RunningServer::start(config(&data)).unwrap();
}

#[test]
fn stopping_lets_an_upload_finish() {
    let (server, _data) = started();
    let (address, key) = with_bucket(&server);
    let mut stream = connect(address);
    let head = "PUT /vk/v1/buckets/demo/objects/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n";
    write!(stream, "{head}X-API-Key: {key}\r\n\r\n").unwrap();
    // The server asks for the body: the request is under way.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stopping = stopping(server);
    stream.write_all(b"0123456789").unwrap();
    let answer = read(stream);
    assert_eq!(answer.status, 201, "{}", answer.body);
    stopping.join().unwrap();
}

#[test]
fn a_use_that_ends_while_stopping_is_recorded() {
    let (server, data) = started();
    let (target, mut stream) = with_download_under_way(&server);
    let stopping = stopping(server);
    let mut body = String::new();
    stream.read_to_string(&mut body).unwrap();
    assert!(body.ends_with("xxx"));
    stopping.join().unwrap();

    let server = RunningServer::start(config(&data.path().join("data"))).unwrap();
    let again = ask(server.address(), "GET", &target);
    assert_eq!(again.status, 410, "{}", again.body);
    assert!(again.body.contains(r#""code":"used_up""#), "{}", again.body);
}

#[test]
fn a_use_that_is_cut_by_stopping_is_recorded() {
    let data = tempfile::tempdir().unwrap();
    let config = ServeConfig { stop_grace: Duration::ZERO, ..config(data.path()) };
    for _ in 0..5 {
        let server = RunningServer::start(ServeConfig { data: data.path().join("data"), ..config.clone() }).unwrap();
        let (_, stream) = with_download_under_way(&server);
        server.stop().unwrap();
        drop(stream);
        std::fs::remove_dir_all(data.path().join("data")).unwrap();
    }
}

/// A URL for one use, and a connection on which it is being used: of more than the kernel takes for a client that does not read,
/// the first bytes have come.
fn with_download_under_way(server: &RunningServer) -> (String, TcpStream) {
    let (address, key) = with_bucket(server);
    let body = "x".repeat(16 << 20);
    let fields = [("X-API-Key", key.as_str()), ("Content-Type", "application/json")];
    assert_eq!(send(address, "PUT", "/vk/v1/buckets/demo/objects/a", &fields, &body).status, 201);
    let wish = r#"{"bucket":"demo","key":"a","permission":"read","form":"link","uses":1}"#;
    let issued = send(address, "POST", "/vk/v1/signed-urls", &fields, wish);
    assert_eq!(issued.status, 201, "{}", issued.body);
    let (_, url) = issued.body.split_once(r#""url":""#).unwrap();
    let (url, _) = url.split_once('"').unwrap();
    let target = url.strip_prefix(server.public_url().as_str()).unwrap().to_owned();

    let mut stream = connect(address);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    (target, stream)
}

#[test]
fn a_clock_far_behind_the_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    write_at(data.path(), now().plus(Duration::from_secs(600)));
    let error = refused(config(data.path()));
    assert!(matches!(error, ServeError::Clock(_)), "{error}");
}

#[test]
fn a_clock_a_little_behind_the_data_is_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let floor = now().plus(Duration::from_secs(1));
    write_at(data.path(), floor);
    let server = RunningServer::start(config(data.path())).unwrap();
    assert!(now() >= floor);
    assert_eq!(ask(server.address(), "GET", "/readyz").status, 200);
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// Writes to a new database as a server would whose clock shows `now`.
fn write_at(data: &Path, now: Timestamp) {
    std::fs::write(data.join("master.key"), [7; 32]).unwrap();
    std::fs::set_permissions(data.join("master.key"), Permissions::from_mode(0o600)).unwrap();
    let clock = Arc::new(FixedClock::new(now));
    let store = SqliteStore::open(&data.join("metadata.sqlite3"), clock, SqliteOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.create_tenant(TenantRow { name: "t".parse().unwrap(), created_at: now })).unwrap();
}

/// A bucket `demo`, and who may use it.
fn with_bucket(server: &RunningServer) -> (SocketAddr, String) {
    let key = server.first_administrator_key().unwrap().expose().to_owned();
    let fields = [("X-API-Key", key.as_str()), ("Content-Type", "application/json")];
    assert_eq!(send(server.address(), "POST", "/vk/v1/buckets", &fields, r#"{"name":"demo"}"#).status, 201);
    (server.address(), key)
}

/// Stops the server on a thread of its own; it accepts nothing more when this returns.
fn stopping(server: RunningServer) -> JoinHandle<()> {
    let address = server.address();
    let stopping = std::thread::spawn(move || server.stop().unwrap());
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    stopping
}

#[test]
fn the_public_url_is_what_it_listens_on_unless_it_is_set() {
    let (server, _data) = started();
    assert_eq!(server.public_url().as_str(), format!("http://{}", server.address()));
    let data = tempfile::tempdir().unwrap();
    let public_url = Some("https://files.example.org/deep/".to_owned());
    let server = RunningServer::start(ServeConfig { public_url, ..config(data.path()) }).unwrap();
    assert_eq!(server.public_url().as_str(), "https://files.example.org/deep");
    // A proxy may pass the base path on, or not.
    for target in ["/deep/readyz", "/readyz", "//deep/readyz"] {
        assert_eq!(ask(server.address(), "GET", target).status, 200, "{target}");
    }
    assert_eq!(ask(server.address(), "GET", "/deeper/readyz").status, 404);
}

#[test]
fn a_bootstrap_file_instead_of_an_administrator() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("bootstrap.toml");
    let text = "[[tenant]]\nname = \"t\"\n[[api_key]]\ntenant = \"t\"\nid = \"a\"\nsecret = \"sec\"\nscopes = [\"*\"]\n\
                [[bucket]]\ntenant = \"t\"\nname = \"reports\"\n";
    std::fs::write(&file, text).unwrap();
    let config = ServeConfig { bootstrap: Some(file.clone()), ..config(&data.path().join("data")) };
    for _ in 0..2 {
        let server = RunningServer::start(config.clone()).unwrap();
        assert!(server.first_administrator_key().is_none());
        let answer = send(server.address(), "GET", "/vk/v1/buckets/reports", &[("Authorization", "Bearer sec")], "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        server.stop().unwrap();
    }
    // A later difference is left as it is.
    std::fs::write(&file, text.replace("\"sec\"", "\"other\"")).unwrap();
    let server = RunningServer::start(config.clone()).unwrap();
    assert_eq!(send(server.address(), "GET", "/vk/v1/buckets", &[("Authorization", "Bearer sec")], "").status, 200);
    assert_eq!(send(server.address(), "GET", "/vk/v1/buckets", &[("Authorization", "Bearer other")], "").status, 401);
    server.stop().unwrap();

    let listen = "0.0.0.0:0".parse().unwrap();
    let error = refused(ServeConfig { listen, ..config });
    assert!(matches!(error, ServeError::Bootstrap(_)) && error.to_string().contains("loopback"), "{error}");
}

#[test]
fn faults_come_before_anything_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    let config = || config(&data);
    assert!(matches!(refused(ServeConfig { workers: Some(0), ..config() }), ServeError::Config(_)));
    let bootstrap = Some(parent.path().join("none.toml"));
    assert!(matches!(refused(ServeConfig { bootstrap, ..config() }), ServeError::Bootstrap(_)));
    assert!(!data.exists());
    let master_key_file = Some(parent.path().join("none.key"));
    assert!(matches!(refused(ServeConfig { master_key_file, ..config() }), ServeError::MasterKey(_)));
    assert!(!data.join("metadata.sqlite3").exists());
}

#[test]
fn another_master_key_is_refused() {
    let (server, data) = started();
    let data = data.path().join("data");
    server.stop().unwrap();
    std::fs::write(data.join("master.key"), [7; 32]).unwrap();
    let error = refused(config(&data));
    let cause = std::error::Error::source(&error).and_then(std::error::Error::source).unwrap().to_string();
    assert!(cause.contains("does not open with this master key"), "{error}: {cause}");
}
