//! A server over a fresh directory, and a client that writes and reads bytes.

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, Face, SignedUrls};
use valetkey_dialect_datalab::{Datalab, DatalabContext, issuer_face};
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_metadata::{ApiKeyRow, MetadataStore as _};
use valetkey_model::{Dialect, Refusal, SecretDigest, SecretText, TenantName, Timestamp};
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{
    GivenApiKey, GivenBucket, LinkSecret, MasterKey, NewBucket, ObjectRow, Principal, Provisioning, Published, Service,
    ServiceConfig, UploadOptions,
};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// What URLs given out begin with: the vendor's own address.
pub(crate) const BASE: &str = "https://www.datalab.to";
/// The same for the buckets of one region.
pub(crate) const EMEA: &str = "https://emea.example.org";
/// The clock's first instant: 2027-01-15T08:00:00.4Z.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_400_000);
/// When the key `brief` is switched off.
pub(crate) const BRIEF_ENDS_AFTER: Duration = Duration::from_secs(1800);
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

/// The dialect, and what stands at its URLs, which belong to no dialect here.
#[derive(Clone)]
struct Routes {
    datalab: Datalab,
    signed_urls: SignedUrls,
    public_url: PublicUrl,
}

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
        let raw_path = collapse_leading_slashes(uri.path());
        let path = self.public_url.strip_base_path(raw_path).unwrap_or(raw_path);
        if Datalab::owns(path) {
            return self.datalab.call(request, path, connection).await;
        }
        let (parts, body) = request.into_parts();
        let token = uri.query().and_then(|query| query.strip_prefix("cat=")).unwrap_or_default();
        let credential = match path.strip_prefix("/l/").and_then(LinkSecret::parse) {
            Some(secret) => PresentedCredential::Link(secret),
            None => PresentedCredential::Token { token, raw_path },
        };
        self.signed_urls.call(&BareFace, credential, &parts, body, connection).await
    }
}

/// Tenant `acme` with several keys, and a stranger. All keys' secrets are `secret-of-` and their names.
pub(crate) fn world() -> World {
    world_at(BASE)
}

/// The same, where URLs begin with something else.
pub(crate) fn world_at(base: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW);
    let entropy: Arc<SeededEntropy> = Arc::new(SeededEntropy::from_environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let public_url: PublicUrl = base.parse().unwrap();
    let service = runtime.block_on(async {
        let path = directory.path().join("metadata.sqlite3");
        let metadata = SqliteStore::open(&path, Arc::new(clock.clone()), SqliteOptions::default()).unwrap();
        let objects = FsStore::open(directory.path().join("objects"), &FsOptions::default()).unwrap();
        let metadata = Arc::new(metadata);
        let config = ServiceConfig { base_path: public_url.base_path().to_owned(), ..ServiceConfig::default() };
        let begin = || {
            let (clock, key) = (Arc::new(clock.clone()), MasterKey::new([7; 32]));
            Service::start(metadata.clone(), Arc::new(objects.clone()), clock, entropy.clone(), key, config.clone())
        };
        begin().await.unwrap().provision(provisioning()).await.unwrap();
        metadata.create_api_key(brief()).await.unwrap();
        begin().await.unwrap()
    });
    let clients = ClientAddressPolicy { trusted_proxies: Arc::new([]), from: ClientAddressFrom::XForwardedFor };
    let signed_urls = SignedUrls::new(service.clone(), clients, entropy, true).with_issuer_face(Dialect::Datalab, issuer_face());
    let regions = base.eq(BASE).then(|| ("EMEA".parse().unwrap(), EMEA.parse().unwrap()));
    let datalab = Datalab::new(DatalabContext {
        service: service.clone(),
        signed_urls: signed_urls.clone(),
        public_urls: Arc::new(PublicUrls::new(public_url.clone(), regions).unwrap()),
    });
    let mut options = Options::default();
    options.workers = 1;
    let routes = Routes { datalab, signed_urls, public_url };
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, routes).unwrap();
    World { clock, service, runtime, server, _directory: directory }
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn provisioning() -> Provisioning {
    let key = |of: &str, id: &str, scopes: &str, buckets: &[&str]| GivenApiKey {
        tenant: tenant(of),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret-of-{id}")),
        bearer: None,
        scopes: scopes.parse().unwrap(),
        buckets: buckets.iter().map(|name| name.parse().unwrap()).collect(),
        expires_at: None,
    };
    let emea = NewBucket { region: "EMEA".parse().unwrap(), ..NewBucket::new("files-emea-1".parse().unwrap()) };
    let public = NewBucket { public: true, ..NewBucket::new("open-to-all".parse().unwrap()) };
    Provisioning {
        tenants: vec![tenant("acme"), tenant("other"), tenant("emea-1")],
        api_keys: vec![
            key("acme", "app", "*", &[]),
            key("acme", "reader", "object:read link:issue", &[]),
            key("acme", "creator", "object:create link:issue", &[]),
            key("acme", "unsigning", "object:read object:write object:create", &[]),
            key("acme", "fenced", "*", &["reports"]),
            key("other", "stranger", "*", &[]),
            key("emea-1", "emea", "*", &[]),
        ],
        buckets: vec![
            GivenBucket { tenant: tenant("acme"), bucket: NewBucket::new("reports".parse().unwrap()) },
            GivenBucket { tenant: tenant("other"), bucket: public },
            GivenBucket { tenant: tenant("emea-1"), bucket: emea },
        ],
        signing_keys: Vec::new(),
    }
}

/// A key of `acme` that is switched off before long.
fn brief() -> ApiKeyRow {
    ApiKeyRow {
        id: "brief".parse().unwrap(),
        tenant: tenant("acme"),
        secret: SecretDigest::from_bytes(sha2::Sha256::digest("secret-of-brief").into()),
        bearer: None,
        scopes: "*".parse().unwrap(),
        buckets: Vec::new(),
        created_at: NOW,
        expires_at: None,
        disabled_at: Some(NOW.plus(BRIEF_ENDS_AFTER)),
        deleted_at: None,
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
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts a success, and gives what it says.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// Asserts status and detail.
    pub(crate) fn refused(&self, status: u16, detail: &str) {
        assert_eq!((self.status, self.json()), (status, json!({ "detail": detail })), "{self:?}");
    }

    /// Asserts that the request is not one, in the vendor's `HTTPValidationError`, and gives its `detail`.
    pub(crate) fn faults(&self) -> Value {
        let body = self.json();
        assert_eq!((self.status, body.as_object().map(|body| body.len())), (422, Some(1)), "{self:?}");
        let faults = body["detail"].as_array().unwrap();
        assert!(!faults.is_empty());
        for fault in faults {
            let steps = fault["loc"].as_array().unwrap();
            assert!(!steps.is_empty() && steps.iter().all(|step| step.is_string() || step.is_u64()), "{fault}");
            assert!(fault["msg"].is_string() && fault["type"].is_string(), "{fault}");
            let known = ["loc", "msg", "type", "input", "ctx"];
            assert!(fault.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{fault}");
        }
        body["detail"].clone()
    }
}

impl World {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One request without credential.
    pub(crate) fn call(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let target = [BASE, EMEA].iter().find_map(|base| url.strip_prefix(base)).unwrap_or(url);
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused body may be cut off.
        let _ = stream.write_all(body);
        read(&mut stream, method == "HEAD")
    }

    /// One request of `app`, by a path below `/api/v1/files`.
    pub(crate) fn api(&self, method: &str, path: &str) -> Got {
        self.api_as("app", method, path)
    }

    pub(crate) fn api_as(&self, key: &str, method: &str, path: &str) -> Got {
        let secret = format!("secret-of-{key}");
        self.call(method, &format!("/api/v1/files{path}"), &[("X-Api-Key", &secret)], b"")
    }

    /// `POST /api/v1/files/upload` with this body.
    pub(crate) fn post_upload(&self, key: &str, body: &[u8]) -> Got {
        let secret = format!("secret-of-{key}");
        let headers = [("X-Api-Key", secret.as_str()), ("Content-Type", "application/json")];
        self.call("POST", "/api/v1/files/upload", &headers, body)
    }

    /// A file that has its ids and no bytes.
    pub(crate) fn begin(&self, name: &str) -> Begun {
        let body = json!({ "filename": name, "content_type": "application/pdf" });
        Begun::of(&self.post_upload("app", body.to_string().as_bytes()).ok())
    }

    pub(crate) fn put(&self, url: &str, content: &[u8]) -> Got {
        self.call("PUT", url, &[("Content-Type", "application/pdf")], content)
    }

    /// A file that can be downloaded.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> Begun {
        let begun = self.begin(name);
        assert_eq!(self.put(&begun.upload_url, content).status, 200);
        self.api("GET", &format!("/{}/confirm", begun.number)).ok();
        begun
    }

    /// The URL to download a file.
    pub(crate) fn download_url(&self, number: u64, query: &str) -> String {
        let body = self.api("GET", &format!("/{number}/download{query}")).ok();
        body["download_url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn get(&self, url: &str) -> Got {
        self.call("GET", url, &[], b"")
    }

    /// An object put in by another API.
    pub(crate) fn object(&self, by: &str, bucket: &str, key: &str) -> ObjectRow {
        let principal = self.principal(by);
        self.runtime.block_on(async {
            let (bucket, key) = (bucket.parse().unwrap(), key.parse().unwrap());
            let options = UploadOptions { content_type: Some("text/plain".to_owned()), ..UploadOptions::default() };
            let mut upload = self.service.upload(&principal, &bucket, &key, options).await.unwrap();
            upload.write(b"content".as_slice().into()).await.unwrap();
            upload.finish().await.unwrap().object
        })
    }

    fn principal(&self, key: &str) -> Principal {
        self.service.authenticate(&SecretText::new(format!("secret-of-{key}")), [127, 0, 0, 1].into()).unwrap()
    }
}

/// What an upload was answered.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) number: u64,
    pub(crate) hash_id: String,
    pub(crate) upload_url: String,
}

impl Begun {
    /// What this says, after checking that it says nothing else.
    pub(crate) fn of(body: &Value) -> Self {
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
        assert_eq!(body["expires_in"], 3600);
        let number = body["file_id"].as_u64().unwrap();
        assert!((1..1 << 53).contains(&number), "{number}");
        let hash_id = body["reference"].as_str().unwrap().strip_prefix("datalab://file-").unwrap();
        assert_eq!(hash_id.len(), 22, "{hash_id}");
        Self { number, hash_id: hash_id.to_owned(), upload_url: body["upload_url"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn reference(&self) -> String {
        format!("datalab://file-{}", self.hash_id)
    }
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

/// The entity tag of an object with this content.
pub(crate) fn etag(content: &[u8]) -> String {
    use base64::Engine as _;
    format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(content)))
}
