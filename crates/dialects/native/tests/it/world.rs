//! A server over a fresh directory, and a client that writes and reads bytes.

use http::{Request, Response};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, SignedUrls};
use valetkey_dialect_native::{Native, NativeContext};
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{Entropy, SecretText, Timestamp};
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::{GivenApiKey, GivenBucket, MasterKey, NewBucket, Provisioning, Service, ServiceConfig};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// What URLs given out begin with.
pub(crate) const BASE: &str = "https://files.example.org";
/// The clock's first instant, in RFC 3339.
pub(crate) const NOW: &str = "2027-01-15T08:00:00Z";
/// Long enough for the slowest machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The server under test.
pub(crate) struct World {
    pub(crate) clock: FixedClock,
    server: Server,
    _runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

#[derive(Clone)]
struct Routes {
    native: Native,
    public_url: Arc<PublicUrl>,
}

impl Handler for Routes {
    async fn call(&self, request: Request<RequestBody>, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let uri = request.uri().clone();
        let path = collapse_leading_slashes(uri.path());
        let path = self.public_url.strip_base_path(path).unwrap_or(path);
        self.native.call(request, path, connection).await
    }
}

/// Tenant `acme` with the bucket `reports` and keys that may do everything, read, or create; and a stranger with the bucket
/// `strange`.
pub(crate) fn world() -> World {
    world_at(BASE)
}

/// The same, where URLs begin with something else.
pub(crate) fn world_at(base: &str) -> World {
    world_of(base.parse::<PublicUrl>().unwrap().into())
}

/// The same, where the buckets of some regions have URLs of their own.
pub(crate) fn world_of(public_urls: PublicUrls) -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(Timestamp::from_seconds(1_800_000_000));
    let entropy: Arc<SeededEntropy> = Arc::new(SeededEntropy::from_environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let public_url = Arc::new(public_urls.default_url().clone());
    let base_path = public_url.base_path().to_owned();
    let service = runtime.block_on(async {
        let path = directory.path().join("metadata.sqlite3");
        let metadata = SqliteStore::open(&path, Arc::new(clock.clone()), SqliteOptions::default()).unwrap();
        let objects = FsStore::open(directory.path().join("objects"), &FsOptions::default()).unwrap();
        let config = ServiceConfig { base_path, settle_wait: Duration::from_millis(200), ..ServiceConfig::default() };
        let (clock, key) = (Arc::new(clock.clone()), MasterKey::new([7; 32]));
        let service = Service::start(Arc::new(metadata), Arc::new(objects), clock, entropy.clone(), key, config).await.unwrap();
        service.provision(provisioning()).await.unwrap();
        service
    });
    let clients = ClientAddressPolicy { trusted_proxies: Arc::new([]), from: ClientAddressFrom::XForwardedFor };
    let signed_urls = SignedUrls::new(service.clone(), clients, entropy.clone(), true);
    let entropy: Arc<dyn Entropy> = entropy;
    let native = Native::new(NativeContext { service, signed_urls, public_urls: Arc::new(public_urls), entropy });
    let mut options = Options::default();
    options.workers = 1;
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, Routes { native, public_url }).unwrap();
    World { clock, server, _runtime: runtime, _directory: directory }
}

fn provisioning() -> Provisioning {
    let key = |tenant: &str, id: &str, scopes: &str| GivenApiKey {
        tenant: tenant.parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret-of-{id}")),
        bearer: Some(SecretText::new(format!("bearer-of-{id}"))),
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
    };
    let bucket =
        |tenant: &str, name: &str| GivenBucket { tenant: tenant.parse().unwrap(), bucket: NewBucket::new(name.parse().unwrap()) };
    Provisioning {
        tenants: vec!["acme".parse().unwrap(), "other".parse().unwrap()],
        api_keys: vec![
            key("acme", "app", "*"),
            key("acme", "reader", "object:read"),
            key("acme", "creator", "object:create link:issue"),
            key("acme", "chief", "* admin"),
            key("other", "stranger", "*"),
            key("other", "boss", "* admin"),
        ],
        buckets: vec![bucket("acme", "reports"), bucket("other", "strange")],
        signing_keys: Vec::new(),
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// A header that stands at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        let mut lines = self.head.lines().filter(|line| named(line));
        let line = lines.next()?;
        assert!(lines.next().is_none(), "{name} stands twice: {}", self.head);
        line.split_once(':').map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts a problem (RFC 9457) of this status and code, and gives it.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((self.status, &body["code"]), (status, &Value::from(code)), "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:valetkey:problem:{code}"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("www-authenticate").is_some(), status == 401);
        body
    }
}

impl World {
    /// One request without credential.
    pub(crate) fn call(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let target = url.strip_prefix(BASE).unwrap_or(url);
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(method, "GET" | "HEAD" | "OPTIONS") || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut stream = TcpStream::connect(self.server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused body may be cut off.
        let _ = stream.write_all(body);
        read(&mut stream, method == "HEAD")
    }

    /// One call of the API as this key.
    pub(crate) fn api_as(&self, id: &str, method: &str, path: &str, body: &str) -> Got {
        let bearer = format!("Bearer bearer-of-{id}");
        self.call(method, &format!("/vk/v1{path}"), &[("Authorization", &bearer)], body.as_bytes())
    }

    /// One call of the API as `app`.
    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> Got {
        self.api_as("app", method, path, body)
    }

    pub(crate) fn get(&self, url: &str) -> Got {
        self.call("GET", url, &[], b"")
    }

    /// Uploads an object of `reports`; the key is already encoded.
    pub(crate) fn put(&self, key: &str, content: &str) -> Got {
        let put = self.api("PUT", &format!("/buckets/reports/objects/{key}"), content);
        assert!(matches!(put.status, 200 | 201), "{put:?}");
        put
    }

    /// Issues a URL; `fields` are added to bucket and key.
    pub(crate) fn issue(&self, key: &str, fields: Value) -> Value {
        let mut body = serde_json::json!({ "bucket": "reports", "key": key, "permission": "read" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let issued = self.api("POST", "/signed-urls", &body.to_string());
        assert_eq!(issued.status, 201, "{issued:?}");
        issued.json()
    }

    /// The same; gives the URL.
    pub(crate) fn sign(&self, key: &str, fields: Value) -> String {
        self.issue(key, fields)["url"].as_str().unwrap().to_owned()
    }
}

/// Reads one response.
fn read(stream: &mut TcpStream, of_head: bool) -> Got {
    let mut bytes = Vec::new();
    let mut piece = [0; 64 << 10];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = if of_head || matches!(status, 204 | 304) { 0 } else { length.unwrap_or(0) };
            if bytes.len() >= end + length {
                return Got { status, head, body: bytes[end..end + length].to_vec() };
            }
        }
        let n_read = stream.read(&mut piece).unwrap();
        assert!(n_read > 0, "the answer ended early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..n_read]);
    }
}
