//! A server over a fresh directory, and a client that writes and reads bytes.

use http::{Request, Response, StatusCode};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, Face, SignedUrls};
use valetkey_dialect_autodesk::{Autodesk, AutodeskContext, issuer_face};
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{Dialect, Entropy, Refusal, SecretText, Timestamp};
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{
    GivenApiKey, GivenBucket, LinkSecret, MasterKey, NewBucket, ObjectRow, Provisioning, Published, Service, ServiceConfig,
};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// What URLs given out begin with: the vendor's own addresses, so that the page's examples hold as they are.
pub(crate) const BASE: &str = "https://developer.api.autodesk.com";
pub(crate) const CDN: &str = "https://cdn.oss.api.autodesk.com";
/// The same for the buckets of one region.
pub(crate) const EMEA: &str = "https://emea.example.org";
/// The clock's first instant.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
/// The whole second after it, from which lifetimes count.
pub(crate) const NEXT_SECOND_MS: i64 = NOW_MS + 1000;
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

/// The dialect, and native token URLs, which `signeds3download` gives out.
#[derive(Clone)]
struct Routes {
    autodesk: Autodesk,
    signed_urls: SignedUrls,
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
        let path = collapse_leading_slashes(uri.path());
        if Autodesk::owns(path) {
            return self.autodesk.call(request, path, connection).await;
        }
        let (parts, body) = request.into_parts();
        let token = uri.query().and_then(|query| query.strip_prefix("cat=")).unwrap_or_default();
        let credential = match path.strip_prefix("/l/").and_then(LinkSecret::parse) {
            Some(secret) => PresentedCredential::Link(secret),
            None => PresentedCredential::Token { token, raw_path: path },
        };
        self.signed_urls.call(&BareFace, credential, &parts, body, connection).await
    }
}

/// Tenant `acme` with the client `cid`, its bucket `apptestbucket`, and a stranger with a bucket of his own.
pub(crate) fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(Timestamp::from_micros(NOW_MS * 1000 + 400_000));
    let entropy: Arc<SeededEntropy> = Arc::new(SeededEntropy::from_environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let service = runtime.block_on(async {
        let path = directory.path().join("metadata.sqlite3");
        let metadata = SqliteStore::open(&path, Arc::new(clock.clone()), SqliteOptions::default()).unwrap();
        let objects = FsStore::open(directory.path().join("objects"), &FsOptions::default()).unwrap();
        let config = ServiceConfig { settle_wait: Duration::from_millis(200), ..ServiceConfig::default() };
        let (clock, key) = (Arc::new(clock.clone()), MasterKey::new([7; 32]));
        let service = Service::start(Arc::new(metadata), Arc::new(objects), clock, entropy.clone(), key, config).await.unwrap();
        service.provision(provisioning()).await.unwrap();
        service
    });
    let clients = ClientAddressPolicy { trusted_proxies: Arc::new([]), from: ClientAddressFrom::XForwardedFor };
    let signed_urls = SignedUrls::new(service.clone(), clients, entropy.clone(), true);
    let regions = [("EMEA".parse().unwrap(), EMEA.parse().unwrap())];
    let autodesk = Autodesk::new(AutodeskContext {
        service: service.clone(),
        signed_urls: signed_urls.clone(),
        public_urls: Arc::new(PublicUrls::new(BASE.parse().unwrap(), regions).unwrap()),
        cdn_url: Some(Arc::new(CDN.parse().unwrap())),
        entropy: entropy as Arc<dyn Entropy>,
    });
    let signed_urls = signed_urls.with_issuer_face(Dialect::Autodesk, issuer_face(BASE.parse().unwrap()));
    let mut options = Options::default();
    options.workers = 1;
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, Routes { autodesk, signed_urls }).unwrap();
    World { clock, service, runtime, server, _directory: directory }
}

fn provisioning() -> Provisioning {
    let key = |tenant: &str, id: &str, bearer: Option<&str>, scopes: &str| GivenApiKey {
        tenant: tenant.parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret of {id}")),
        bearer: bearer.map(SecretText::new),
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
    };
    let bucket =
        |tenant: &str, name: &str| GivenBucket { tenant: tenant.parse().unwrap(), bucket: NewBucket::new(name.parse().unwrap()) };
    Provisioning {
        tenants: vec!["acme".parse().unwrap(), "other".parse().unwrap()],
        api_keys: vec![
            key("acme", "cid", Some("tok-1"), "*"),
            key("acme", "reader", Some("reads"), "object:read"),
            key("acme", "creator", Some("creates"), "object:create"),
            key("other", "stranger", Some("strange"), "*"),
        ],
        buckets: vec![bucket("acme", "apptestbucket"), bucket("other", "strange-bucket")],
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

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts status and `reason`.
    pub(crate) fn refused(&self, status: u16, reason: &str) {
        assert_eq!((self.status, self.json()), (status, serde_json::json!({ "reason": reason })));
    }

    /// Asserts the gateway's status and code.
    pub(crate) fn gateway(&self, status: u16, code: &str) {
        let body = self.json();
        assert_eq!((self.status, &body["errorCode"]), (status, &Value::from(code)), "{body}");
        assert_eq!(body["more info"], body["moreInfo"]);
        assert_eq!(self.header("www-authenticate").is_some(), status == 401);
    }
}

impl World {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Makes a bucket of `acme` public or private, by an administrator who is made for it.
    pub(crate) fn make_public(&self, bucket: &str, public: bool) {
        let key = GivenApiKey {
            tenant: "acme".parse().unwrap(),
            id: "chief".parse().unwrap(),
            secret: SecretText::new("secret of chief"),
            bearer: None,
            scopes: "admin".parse().unwrap(),
            buckets: Vec::new(),
            expires_at: None,
        };
        self.runtime.block_on(async {
            let given = Provisioning { api_keys: vec![key], ..Provisioning::default() };
            self.service.provision(given).await.unwrap();
            let chief = self.service.authenticate(&SecretText::new("secret of chief"), [127, 0, 0, 1].into()).unwrap();
            self.service.set_bucket_public(&chief, &bucket.parse().unwrap(), public).await.unwrap();
        });
    }

    /// One request without credential.
    pub(crate) fn call(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let target = [BASE, CDN, EMEA].iter().find_map(|base| url.strip_prefix(base)).unwrap_or(url);
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

    /// One request as `cid`, with a JSON body where there is one.
    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> Got {
        self.api_as("tok-1", method, path, body)
    }

    pub(crate) fn api_as(&self, token: &str, method: &str, path: &str, body: &str) -> Got {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json;charset=UTF-8")];
        self.call(method, path, headers.get(..if body.is_empty() { 1 } else { 2 }).unwrap(), body.as_bytes())
    }

    pub(crate) fn get(&self, url: &str) -> Got {
        self.call("GET", url, &[], b"")
    }

    /// Uploads an object of `apptestbucket` directly; the key is already encoded.
    pub(crate) fn put(&self, key: &str, content: &[u8]) -> Value {
        let path = format!("/oss/v2/buckets/apptestbucket/objects/{key}");
        let headers = [("Authorization", "Bearer tok-1"), ("Content-Type", "text/plain")];
        let put = self.call("PUT", &path, &headers, content);
        assert_eq!(put.status, 200, "{put:?}");
        put.json()
    }

    /// Signs an object of `apptestbucket`; gives the URL.
    pub(crate) fn sign(&self, key_and_query: &str, body: &str) -> String {
        let (key, query) = key_and_query.split_once('?').unwrap_or((key_and_query, ""));
        let signed = self.api("POST", &format!("/oss/v2/buckets/apptestbucket/objects/{key}/signed?{query}"), body);
        assert_eq!(signed.status, 200, "{signed:?}");
        signed.json()["signedUrl"].as_str().unwrap().to_owned()
    }

    /// An access token of `cid` with these scopes of the vendor's.
    pub(crate) fn token(&self, scopes: &str) -> String {
        let form = format!("grant_type=client_credentials&client_id=cid&client_secret=secret+of+cid&scope={scopes}");
        let got = self.call(
            "POST",
            "/authentication/v2/token",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            form.as_bytes(),
        );
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["access_token"].as_str().unwrap().to_owned()
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

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha1(content: &[u8]) -> String {
    use sha1::Digest as _;
    hex(&sha1::Sha1::digest(content))
}

pub(crate) fn md5(content: &[u8]) -> String {
    use md5::Digest as _;
    hex(&md5::Md5::digest(content))
}
