//! A server over a fresh directory, and a client that writes and reads bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, Face, SignedRequest, SignedUrls, Step};
use valetkey_dialect_redivis::{Redivis, RedivisContext, issuer_face};
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{BucketName, Dialect, FileId, Refusal, SecretText, Timestamp};
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{
    ApiKeyUpdate, GivenApiKey, GivenBucket, MasterKey, NewBucket, ObjectRow, Principal, Provisioning, Published, Service,
    ServiceConfig, UploadOptions, raw_file_id,
};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// What URLs given out begin with: the vendor's own address, so that the page's example holds as it is.
pub(crate) const BASE: &str = "https://redivis.com";
/// The same for the buckets of one region.
pub(crate) const EMEA: &str = "https://emea.example.org";
/// The clock's first instant: 2027-01-15T08:00:00.4Z.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_400_000);
/// Some table.
pub(crate) const TABLE: &str = "/api/v1/tables/demo.files%3Acurrent.docs";
/// A file id of the right shape that nobody has.
pub(crate) const UNKNOWN: [u8; 16] = [0x5a; 16];
/// Long enough for the slowest machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server under test.
pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) service: Service,
    pub(crate) metadata: Arc<SqliteStore>,
    pub(crate) runtime: tokio::runtime::Runtime,
    server: Server,
    _directory: tempfile::TempDir,
}

/// The dialect, and the URLs of its uploads, which are native tokens.
#[derive(Clone)]
struct Routes {
    redivis: Redivis,
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
        if Redivis::owns(path) {
            return self.redivis.call(request, path, connection).await;
        }
        let (parts, body) = request.into_parts();
        let token = uri.query().and_then(|query| query.strip_prefix("cat=")).unwrap_or_default();
        let token = token.split('&').next().unwrap_or_default();
        let credential = PresentedCredential::Token { token, raw_path };
        if let Some(step) = Step::of(&parts) {
            let request = SignedRequest { face: &BareFace, credential, parts: &parts, path, connection };
            return self.signed_urls.resume(request, body, step, &PublicUrls::new(self.public_url.clone(), None).unwrap()).await;
        }
        self.signed_urls.call(&BareFace, credential, &parts, body, connection).await
    }
}

/// Tenant `acme` with several keys, and strangers. A key's bearer value is its id.
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
    let path = directory.path().join("metadata.sqlite3");
    let metadata = Arc::new(SqliteStore::open(&path, Arc::new(clock.clone()), SqliteOptions::default()).unwrap());
    let service = runtime.block_on(async {
        let objects = FsStore::open(directory.path().join("objects"), &FsOptions::default()).unwrap();
        let config = ServiceConfig { base_path: public_url.base_path().to_owned(), ..ServiceConfig::default() };
        let (clock, key) = (Arc::new(clock.clone()), MasterKey::new([7; 32]));
        let service = Service::start(metadata.clone(), Arc::new(objects), clock, entropy.clone(), key, config).await.unwrap();
        service.provision(provisioning()).await.unwrap();
        service
    });
    let clients = ClientAddressPolicy { trusted_proxies: Arc::new([]), from: ClientAddressFrom::XForwardedFor };
    let signed_urls = SignedUrls::new(service.clone(), clients, entropy.clone(), true);
    let regions = base.eq(BASE).then(|| ("EMEA".parse().unwrap(), EMEA.parse().unwrap()));
    let redivis = Redivis::new(RedivisContext {
        service: service.clone(),
        signed_urls: signed_urls.clone(),
        public_urls: Arc::new(PublicUrls::new(public_url.clone(), regions).unwrap()),
        entropy,
    });
    let mut options = Options::default();
    options.workers = 1;
    let signed_urls = signed_urls.with_issuer_face(Dialect::Redivis, issuer_face());
    let routes = Routes { redivis, signed_urls, public_url };
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, routes).unwrap();
    World { clock, service, metadata, runtime, server, _directory: directory }
}

fn provisioning() -> Provisioning {
    let key = |tenant: &str, id: &str, scopes: &str, buckets: &[&str]| GivenApiKey {
        tenant: tenant.parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret-of-{id}")),
        bearer: Some(SecretText::new(id)),
        scopes: scopes.parse().unwrap(),
        buckets: buckets.iter().map(|name| name.parse().unwrap()).collect(),
        expires_at: None,
    };
    let bucket = |tenant: &str, name: &str| (tenant.parse().unwrap(), NewBucket::new(name.parse().unwrap()));
    let (acme, reports) = bucket("acme", "reports");
    let (_, open) = bucket("acme", "open");
    let (emea_1, emea) = bucket("emea-1", "files-emea-1");
    let given = |tenant, bucket| GivenBucket { tenant, bucket };
    Provisioning {
        tenants: ["acme", "other", "emea-1"].map(|name| name.parse().unwrap()).to_vec(),
        api_keys: vec![
            key("acme", "app", "*", &[]),
            key("acme", "administrator", "* admin", &[]),
            key("acme", "data", "object:read link:issue", &[]),
            key("acme", "edit", "object:read object:write link:issue", &[]),
            key("acme", "reader", "object:read", &[]),
            key("acme", "issuer", "link:issue", &[]),
            key("acme", "creator", "object:read object:create link:issue", &[]),
            key("acme", "unsigning", "object:read object:write object:create", &[]),
            key("acme", "nothing", "bucket:read", &[]),
            key("acme", "fenced", "*", &["reports"]),
            key("other", "stranger", "*", &[]),
            key("other", "nobody", "audit:read", &[]),
            key("emea-1", "emea", "*", &[]),
        ],
        buckets: vec![
            given(acme, reports),
            given("acme".parse().unwrap(), NewBucket { public: true, ..open }),
            given(emea_1, NewBucket { region: "EMEA".parse().unwrap(), ..emea }),
        ],
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
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts the status, and gives what it says.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Asserts status and code, and gives the description.
    pub(crate) fn refused(&self, status: u16, error: &str) -> String {
        refused(&self.json(), self, status, error, None)
    }

    /// Asserts a missing scope.
    pub(crate) fn lacks(&self, scope: &str) {
        refused(&self.json(), self, 403, "insufficient_scope", Some(scope));
    }

    /// Asserts status and code of an answer to HEAD.
    pub(crate) fn head_refused(&self, status: u16, error: &str) {
        refused(&self.payload(), self, status, error, None);
    }

    /// Asserts a missing scope in an answer to HEAD.
    pub(crate) fn head_lacks(&self, scope: &str) {
        refused(&self.payload(), self, 403, "insufficient_scope", Some(scope));
    }

    fn payload(&self) -> Value {
        let payload = percent_encoding::percent_decode_str(self.header("x-redivis-error-payload").unwrap());
        assert!(self.body.is_empty());
        serde_json::from_slice(&payload.collect::<Vec<_>>()).unwrap()
    }
}

fn refused(body: &Value, got: &Got, status: u16, error: &str, scope: Option<&str>) -> String {
    let text = body["error_description"].as_str().unwrap().to_owned();
    let mut expected = json!({ "status": status, "error": error, "error_description": text });
    if let Some(scope) = scope {
        expected["scope"] = scope.into();
    }
    assert_eq!((got.status, body), (status, &expected), "{got:?}");
    assert_eq!(got.header("www-authenticate").is_some(), status == 401, "{got:?}");
    assert_eq!(got.header("allow").is_some(), status == 405, "{got:?}");
    text
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
        if !matches!(method, "GET" | "HEAD" | "OPTIONS") || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused body may be cut off.
        let _ = stream.write_all(body);
        read(&mut stream, method == "HEAD")
    }

    /// A request whose body ends before it should.
    pub(crate) fn call_cut_short(&self, target: &str, bearer: &str, body: &[u8]) -> Got {
        let mut stream = self.connect();
        let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {bearer}\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read(&mut stream, false)
    }

    /// A POST of JSON by a key.
    pub(crate) fn post(&self, key: &str, path: &str, body: &str) -> Got {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.call("POST", path, &headers, body.as_bytes())
    }

    pub(crate) fn get(&self, url: &str) -> Got {
        self.call("GET", url, &[], b"")
    }

    /// A GET or HEAD by a key.
    pub(crate) fn read_as(&self, key: &str, method: &str, url: &str) -> Got {
        self.call(method, url, &[("Authorization", &format!("Bearer {key}"))], b"")
    }

    pub(crate) fn put(&self, url: &str, content: &[u8]) -> Got {
        self.call("PUT", url, &[("Authorization", "Bearer of something else")], content)
    }

    /// The places of uploads: id and URL of each.
    pub(crate) fn temp_uploads(&self, key: &str, files: &[(&str, usize)]) -> Vec<(String, String)> {
        self.temp_uploads_below("", key, files)
    }

    /// The same, where the API is below a base path.
    pub(crate) fn temp_uploads_below(&self, base_path: &str, key: &str, files: &[(&str, usize)]) -> Vec<(String, String)> {
        let files: Vec<_> = files.iter().map(|(name, size)| json!({ "name": name, "size": size, "resumable": false })).collect();
        let body = json!({ "tempUploads": files }).to_string();
        let list = self.post(key, &format!("{base_path}{TABLE}/tempUploads"), &body).ok(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list["results"].as_array().unwrap().iter().map(|item| (text(&item["id"]), text(&item["url"]))).collect()
    }

    /// Makes an upload a file.
    pub(crate) fn confirm(&self, key: &str, id: &str, name: &str) -> Got {
        let body = json!({ "files": [{ "name": name, "tempUploadId": id }] });
        self.post(key, &format!("{TABLE}/rawFiles"), &body.to_string())
    }

    /// A file of `acme`; gives its id.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        self.file_of("app", name, content)
    }

    pub(crate) fn file_of(&self, key: &str, name: &str, content: &[u8]) -> String {
        let (id, url) = self.temp_uploads(key, &[(name, content.len())]).remove(0);
        let put = self.put(&url, content);
        assert_eq!(put.status, 200, "{put:?}");
        self.confirm(key, &id, name).ok(201);
        id
    }

    /// An object of a bucket of `acme`, put there by another API that named neither type nor file name; gives its id.
    pub(crate) fn object(&self, bucket: &str, key: &str, content: &[u8]) -> String {
        let (bucket, key) = (bucket.parse().unwrap(), key.parse().unwrap());
        self.runtime.block_on(async {
            let begun = self.service.upload(&self.principal("app"), &bucket, &key, UploadOptions::default()).await;
            let mut upload = begun.unwrap();
            upload.write(bytes::Bytes::copy_from_slice(content)).await.unwrap();
            raw_file_id(upload.finish().await.unwrap().object.file_id)
        })
    }

    /// A bucket of `acme`, as a collection of files may have one.
    pub(crate) fn bucket(&self, name: &str, public: bool) {
        let new = NewBucket { public, ..NewBucket::new(name.parse().unwrap()) };
        self.runtime.block_on(self.service.create_bucket(&self.principal("app"), new)).unwrap();
    }

    /// Deletes an object of `acme`.
    pub(crate) fn delete_object(&self, bucket: &BucketName, key: &str) {
        let key = key.parse().unwrap();
        self.runtime.block_on(self.service.delete_object(&self.principal("app"), bucket, &key)).unwrap();
    }

    /// Changes a key of `acme`.
    pub(crate) fn update_key(&self, key: &str, update: ApiKeyUpdate) {
        let (administrator, key) = (self.principal("administrator"), key.parse().unwrap());
        self.runtime.block_on(self.service.update_api_key(&administrator, &key, update)).unwrap();
    }

    /// Signs a file for so long as this JSON says.
    pub(crate) fn sign(&self, id: &str, duration: &str) -> String {
        self.sign_as("app", id, duration)
    }

    pub(crate) fn sign_as(&self, key: &str, id: &str, duration: &str) -> String {
        let got = self.post(key, &format!("{}/signedUrl", path_of(id)), &format!("{{\"duration\": {duration}}}"));
        assert_eq!(got.status, 200, "{got:?}");
        got.text().to_owned()
    }

    pub(crate) fn principal(&self, key: &str) -> Principal {
        self.service.authenticate(&SecretText::new(key), [127, 0, 0, 1].into()).unwrap()
    }
}

/// The change of a key to these scopes.
pub(crate) fn scopes(scopes: &str) -> ApiKeyUpdate {
    ApiKeyUpdate { scopes: Some(scopes.parse().unwrap()), ..ApiKeyUpdate::default() }
}

/// Where a file is.
pub(crate) fn path_of(id: &str) -> String {
    format!("/api/v1/rawFiles/{id}")
}

/// Where a file would be that there is not.
pub(crate) fn unknown_path() -> String {
    path_of(&raw_file_id(FileId::from_bytes(UNKNOWN)))
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
            let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked\r\n") && !of_head;
            if is_chunked && let Some(body) = unchunked(&bytes[end..]) {
                return Got { status, head, body };
            }
            if !is_chunked && bytes.len() >= end + length {
                return Got { status, head, body: bytes[end..end + length].to_vec() };
            }
        }
        let n_read = stream.read(&mut piece).unwrap();
        assert!(n_read > 0, "the answer ended early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..n_read]);
    }
}

/// The content of a chunked body; `None` before its end.
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let line_end = body.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&body[..line_end]).unwrap(), 16).unwrap();
        let chunk = body.get(line_end + 2..line_end + 2 + length)?;
        body = body.get(line_end + 2 + length + 2..)?;
        if length == 0 {
            return Some(content);
        }
        content.extend_from_slice(chunk);
    }
}

/// MD5 in base64.
pub(crate) fn md5(content: &[u8]) -> String {
    use md5::Digest as _;
    STANDARD.encode(md5::Md5::digest(content))
}

/// The entity tag of these bytes.
pub(crate) fn etag(content: &[u8]) -> String {
    use md5::Digest as _;
    let hex: String = md5::Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
