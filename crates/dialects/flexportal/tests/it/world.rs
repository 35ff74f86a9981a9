//! A server over a fresh directory, and a client that writes and reads bytes.

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, Face, SignedUrls};
use valetkey_dialect_flexportal::{ExpiresAtForm, FlexPortal, FlexPortalContext, issuer_face};
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{BucketName, Dialect, ObjectKey, Refusal, SecretText, Timestamp};
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{
    GivenApiKey, GivenBucket, LinkSecret, MasterKey, NewBucket, ObjectRow, Principal, Provisioning, Published, Service,
    ServiceConfig, UploadOptions,
};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// What URLs given out begin with: the vendor's own addresses.
pub(crate) const BASE: &str = "https://api-us.flexportal.io";
/// The same for the buckets of the region `EU`.
pub(crate) const EU: &str = "https://api-eu.flexportal.io";
/// The clock's first instant, in whole seconds; it is 400 ms later.
pub(crate) const NOW_SECONDS: i64 = 1_800_000_000;
pub(crate) const NOW_MS: i64 = NOW_SECONDS * 1000;
/// Where URLs are asked for.
pub(crate) const PATH: &str = "/v1/files/url";
/// Long enough for the slowest machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server under test.
pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) service: Service,
    pub(crate) runtime: tokio::runtime::Runtime,
    server: Server,
    _directory: tempfile::TempDir,
}

/// The dialect, and native URLs, which it gives out.
#[derive(Clone)]
struct Routes {
    flexportal: FlexPortal,
    signed_urls: SignedUrls,
}

/// The face of the path that tokens stand in, which is not the dialect's.
struct BareFace;

impl Face for BareFace {
    fn refusal(&self, refusal: Refusal, _: &http::HeaderMap) -> Response<ResponseBody> {
        let mut answer = Response::new(ResponseBody::empty());
        *answer.status_mut() = StatusCode::from_u16(refusal.native_status()).unwrap();
        answer
    }

    fn etag(&self, _: &ObjectRow) -> String {
        "x".to_owned()
    }

    fn published(&self, _: &Published) -> Response<ResponseBody> {
        Response::new(ResponseBody::empty())
    }
}

impl Handler for Routes {
    async fn call(&self, request: Request<RequestBody>, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let uri = request.uri().clone();
        let path = collapse_leading_slashes(uri.path());
        if FlexPortal::owns(path) {
            return self.flexportal.call(request, path, connection).await;
        }
        let (parts, body) = request.into_parts();
        if let Some(secret) = path.strip_prefix("/l/").and_then(LinkSecret::parse) {
            return self.signed_urls.call(&BareFace, PresentedCredential::Link(secret), &parts, body, connection).await;
        }
        let token = uri.query().and_then(|query| query.strip_prefix("cat=")).unwrap_or_default();
        let credential = PresentedCredential::Token { token, raw_path: path };
        self.signed_urls.call(&BareFace, credential, &parts, body, connection).await
    }
}

/// Tenant `acme` with keys for everything, for reading, for creating, and without URLs; tenant `europe`, whose files are in the
/// region `EU`; and a stranger.
pub(crate) fn world() -> World {
    world_that_tells(ExpiresAtForm::ByAction)
}

/// The same, with `expiresAt` in this form.
pub(crate) fn world_that_tells(expires_at: ExpiresAtForm) -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(Timestamp::from_micros(NOW_MS * 1000 + 400_000));
    let entropy: Arc<SeededEntropy> = Arc::new(SeededEntropy::from_environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let service = runtime.block_on(async {
        let path = directory.path().join("metadata.sqlite3");
        let metadata = SqliteStore::open(&path, Arc::new(clock.clone()), SqliteOptions::default()).unwrap();
        let objects = FsStore::open(directory.path().join("objects"), &FsOptions::default()).unwrap();
        let config = ServiceConfig { max_failed_authentications: 20, ..ServiceConfig::default() };
        let (clock, key) = (Arc::new(clock.clone()), MasterKey::new([7; 32]));
        let service = Service::start(Arc::new(metadata), Arc::new(objects), clock, entropy.clone(), key, config).await.unwrap();
        service.provision(provisioning()).await.unwrap();
        service
    });
    let clients = ClientAddressPolicy { trusted_proxies: Arc::new([]), from: ClientAddressFrom::XForwardedFor };
    let signed_urls =
        SignedUrls::new(service.clone(), clients, entropy, true).with_issuer_face(Dialect::FlexPortal, issuer_face());
    let regions = [("EU".parse().unwrap(), EU.parse().unwrap())];
    let flexportal = FlexPortal::new(FlexPortalContext {
        service: service.clone(),
        signed_urls: signed_urls.clone(),
        public_urls: Arc::new(PublicUrls::new(BASE.parse().unwrap(), regions).unwrap()),
        expires_at,
    });
    let mut options = Options::default();
    options.workers = 1;
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, Routes { flexportal, signed_urls }).unwrap();
    World { clock, service, runtime, server, _directory: directory }
}

fn provisioning() -> Provisioning {
    let key = |tenant: &str, id: &str, scopes: &str| GivenApiKey {
        tenant: tenant.parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret of {id}")),
        bearer: Some(SecretText::new(format!("bearer-of-{id}"))),
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
    };
    let bucket = |tenant: &str, name: &str, region: &str, public: bool| {
        let bucket = NewBucket { region: region.parse().unwrap(), public, ..NewBucket::new(name.parse().unwrap()) };
        GivenBucket { tenant: tenant.parse().unwrap(), bucket }
    };
    Provisioning {
        tenants: ["acme", "europe", "other"].map(|tenant| tenant.parse().unwrap()).to_vec(),
        api_keys: vec![
            key("acme", "app", "*"),
            key("acme", "reader", "object:read link:issue"),
            key("acme", "creator", "object:create link:issue"),
            key("acme", "signless", "object:read object:write"),
            key("acme", "administrator", "admin"),
            key("europe", "european", "*"),
            key("other", "stranger", "*"),
        ],
        buckets: vec![
            bucket("acme", "reports", "US", false),
            bucket("acme", "press", "US", true),
            bucket("europe", "files-europe", "EU", false),
        ],
        signing_keys: Vec::new(),
    }
}

/// The tenant of an API key.
pub(crate) fn tenant_of(id: &str) -> &'static str {
    match id {
        "european" => "europe",
        "stranger" => "other",
        _ => "acme",
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

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts a failure in the vendor's shape, and gives what it says.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        let error = &body["error"];
        assert_eq!((self.status, &error["code"]), (status, &Value::from(code)), "{body}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("access-control-allow-origin"), Some("*"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("www-authenticate").is_some(), status == 401);
        error.clone()
    }

    /// Asserts a request that is not as it should be: the paths and codes of what is wrong with it.
    #[track_caller]
    pub(crate) fn invalid(&self, expected: &[(&str, &str)]) {
        let error = self.refused(400, "VALIDATION_ERROR");
        let details = error["details"].as_array().unwrap_or_else(|| panic!("{error}"));
        let field = |detail: &Value, name: &str| detail[name].as_str().unwrap_or_else(|| panic!("{detail}")).to_owned();
        let found: Vec<_> = details.iter().map(|detail| (field(detail, "path"), field(detail, "code"))).collect();
        let expected: Vec<_> = expected.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect();
        assert_eq!(found, expected, "{error}");
        assert!(details.iter().all(|detail| !field(detail, "message").is_empty()), "{error}");
    }
}

impl World {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The instant so many seconds after the first one, and a little before it if `micros` is negative.
    pub(crate) fn at(&self, seconds: i64, micros: i64) {
        self.clock.set(Timestamp::from_micros((NOW_SECONDS + seconds) * 1_000_000 + micros));
    }

    /// One request without credential.
    pub(crate) fn call(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let target = [BASE, EU].iter().find_map(|base| url.strip_prefix(base)).unwrap_or(url);
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(method, "GET" | "HEAD" | "OPTIONS") || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused body may be cut off.
        let _ = stream.write_all(body);
        read(&mut stream, method == "HEAD")
    }

    /// Asks for a URL as this key, for its tenant.
    pub(crate) fn ask_as(&self, id: &str, body: &str) -> Got {
        let bearer = format!("Bearer bearer-of-{id}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Tenant-ID", tenant_of(id))];
        self.call("POST", PATH, &headers, body.as_bytes())
    }

    pub(crate) fn ask(&self, body: &str) -> Got {
        self.ask_as("app", body)
    }

    /// Asks for a URL and wants it.
    #[track_caller]
    pub(crate) fn given(&self, body: Value) -> Value {
        let got = self.ask(&body.to_string());
        assert_eq!(got.status, 200, "{got:?}");
        got.json()
    }

    /// The same; gives the URL.
    #[track_caller]
    pub(crate) fn url(&self, body: Value) -> String {
        text(&self.given(body), "url")
    }

    /// Uploads a file as the page shows it; gives its id.
    #[track_caller]
    pub(crate) fn upload(&self, name: &str, content_type: &str, content: &[u8]) -> String {
        let given = self.given(json!({ "action": "upload", "fileName": name, "contentType": content_type }));
        let put = self.call("PUT", &text(&given, "url"), &[("Content-Type", content_type)], content);
        assert_eq!(put.status, 200, "{put:?}");
        text(&given, "fileId")
    }

    /// Puts an object into a bucket, past the dialect; gives its id as the dialect spells it.
    pub(crate) fn put(&self, bucket: &str, key: &str, content_type: Option<&str>, content: &'static [u8]) -> String {
        self.runtime.block_on(async {
            let options = UploadOptions { content_type: content_type.map(str::to_owned), ..UploadOptions::default() };
            let (bucket, key): (BucketName, ObjectKey) = (bucket.parse().unwrap(), key.parse().unwrap());
            let mut upload = self.service.upload(&self.principal("app"), &bucket, &key, options).await.unwrap();
            upload.write(content.into()).await.unwrap();
            format!("file_{}", upload.finish().await.unwrap().object.file_id)
        })
    }

    pub(crate) fn principal(&self, id: &str) -> Principal {
        let bearer = SecretText::new(format!("bearer-of-{id}"));
        self.service.authenticate(&bearer, [127, 0, 0, 1].into()).unwrap()
    }

    pub(crate) fn get(&self, url: &str) -> Got {
        self.call("GET", url, &[], b"")
    }
}

/// A field that is a text.
#[track_caller]
pub(crate) fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {body}")).to_owned()
}

/// Reads one response.
pub(crate) fn read(stream: &mut TcpStream, of_head: bool) -> Got {
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
