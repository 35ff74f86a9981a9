//! The client of the native API: where the server is, who is asking, and what went wrong.

use crate::error::CliError;
use crate::object_path::{ObjectPath, PrefixPath};
use crate::problem::{About, Problem};
use anyhow::Context as _;
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::{HeaderValue, Method, Request, Response, Uri, header};
use ureq::{Agent, AsSendBody, Body, SendBody};
use valetkey_http_common::path::encode_segment;
use valetkey_model::{ApiKeyId, BucketName, LinkId, SecretText, SigningKeyId};

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const USER_AGENT: &str = concat!("valetkey/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent before it counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for uploads: the server answers when the bytes are on stable storage.
const UPLOAD_SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// Bodies from this size on wait for `100 Continue`, so that a refusal comes before the bytes.
const EXPECT_FROM_BYTES: u64 = 64 * 1024;
/// The longest JSON answer that is read.
const MAX_JSON_BYTES: u64 = 32 * 1024 * 1024;

/// How to reach the server.
#[derive(Args, Debug)]
pub(crate) struct Connection {
    /// The server's URL
    ///
    /// Only http. The path of a base URL is kept.
    #[arg(long, value_name = "URL", env = "VALETKEY_URL", default_value = DEFAULT_URL, help_heading = "Connection")]
    url: String,

    /// Read the API key from FILE instead of VALETKEY_API_KEY
    ///
    /// The first line of the file is the key. It cannot be given on the command line, where every process of the machine
    /// could read it.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    api_key_file: Option<PathBuf>,
}

impl Connection {
    /// The client for this server.
    ///
    /// # Errors
    ///
    /// A URL that is none or is not http, a key file that cannot be read, a key that cannot stand in a header.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let url = if self.url.trim().is_empty() { DEFAULT_URL } else { self.url.trim() };
        let base =
            Url::parse(url, "set VALETKEY_URL or `--url` to the http address it listens on, such as `http://127.0.0.1:8080`")?;
        let api_key = match &self.api_key_file {
            Some(file) => {
                let text = SecretText::new(
                    std::fs::read_to_string(file)
                        .with_context(|| format!("cannot read the API key file `{}`", file.display()))?,
                );
                let key = text.expose().lines().next().unwrap_or_default().trim();
                if key.is_empty() {
                    return Err(CliError::usage(format!("the API key file `{}` is empty: expected a key", file.display())).into());
                }
                Some(SecretText::new(key))
            }
            None => {
                let text = SecretText::new(std::env::var("VALETKEY_API_KEY").unwrap_or_default());
                Some(SecretText::new(text.expose().trim())).filter(|key| !key.expose().is_empty())
            }
        };
        let authorization = api_key.map(|key| authorization(&key)).transpose()?;
        Ok(Client { agent: agent(&base.host), base: base.without_query().trim_end_matches('/').to_owned(), authorization })
    }
}

fn authorization(api_key: &SecretText) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", api_key.expose())).map_err(|_| {
        CliError::usage("the API key holds characters that no key has")
            .with_hint("set VALETKEY_API_KEY to the key that the first start printed")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// An http URL.
pub(crate) struct Url {
    text: String,
    host: String,
    authority: String,
    path: String,
}

impl Url {
    /// Parses `http://host[:port][/path][?query]`. The failure shows no more of the URL than its scheme and host, and ends with
    /// `hint`.
    pub(crate) fn parse(text: &str, hint: &str) -> Result<Self, CliError> {
        let shown: String =
            text.split(['?', '#']).next().unwrap_or_default().splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let found = |what: &str| CliError::usage(format!("{what}, found `{shown}`"));
        let uri: Uri = text.parse().map_err(|_| found("expected a URL such as `http://host:8080`").with_hint(hint))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(found("expected a URL that begins with `http://`").with_hint(hint));
        };
        match scheme {
            "http" => {}
            "https" => {
                return Err(found("this build speaks http only: it has no TLS")
                    .with_hint(format!("{hint}; for https use `curl`, or run this on the server's own machine")));
            }
            _ => return Err(found("this build speaks http only").with_hint(hint)),
        }
        Ok(Self {
            text: text.to_owned(),
            host: authority.host().to_owned(),
            authority: authority.to_string(),
            path: uri.path().to_owned(),
        })
    }

    /// Its path, percent-encoded as it was given.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn without_query(&self) -> &str {
        self.text.split(['?', '#']).next().unwrap_or_default()
    }
}

fn agent(host: &str) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_per_read(Some(SILENCE_TIMEOUT))
        .timeout_per_write(Some(SILENCE_TIMEOUT));
    // As everywhere, a proxy of the environment is not for this machine itself.
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    let config = if is_loopback { config.proxy(None) } else { config };
    config.build().into()
}

/// Requests to one server: with an API key to the native API, or without any credential for a signed URL.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorization: Option<HeaderValue>,
}

/// An object as the API describes it; what is not named here is kept for `--json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) size_bytes: u64,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) modified_at: String,
}

/// A bucket as the API describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) region: String,
    #[serde(default)]
    pub(crate) retention: String,
    #[serde(default)]
    pub(crate) public: bool,
    #[serde(default)]
    pub(crate) created_at: String,
}

/// A bucket to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewBucket<'a> {
    pub(crate) name: &'a BucketName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) public: bool,
}

/// A signed URL as the API describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedUrl {
    pub(crate) link_id: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) permission: String,
    #[serde(default)]
    pub(crate) bucket: String,
    pub(crate) key: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) uses: Option<u64>,
    pub(crate) uses_left: Option<u64>,
    #[serde(default)]
    pub(crate) n_requests: u64,
    pub(crate) last_used_at: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: String,
}

/// An API key as the API describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) buckets: Vec<String>,
    #[serde(default)]
    pub(crate) created_at: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) disabled_at: Option<String>,
}

/// An API key whose secret was just made.
#[derive(Deserialize)]
pub(crate) struct IssuedApiKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A signing key as the API describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    #[serde(default)]
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) max_lifetime_seconds: u64,
    #[serde(default)]
    pub(crate) created_at: String,
}

/// A signing key that was just made.
#[derive(Deserialize)]
pub(crate) struct IssuedSigningKey {
    pub(crate) kid: String,
    pub(crate) secret: Option<String>,
}

/// A signed URL as it was issued.
#[derive(Debug, Deserialize)]
pub(crate) struct SignedUrl {
    pub(crate) url: String,
}

/// What is stored, and how.
pub(crate) struct Upload<'a> {
    pub(crate) path: &'a ObjectPath,
    pub(crate) content_type: &'a str,
    /// `None` if it is not known before the end.
    pub(crate) size_bytes: Option<u64>,
    /// Only where there is no object yet.
    pub(crate) create: bool,
}

impl Client {
    /// A client for the holder of a signed URL: it sends no key.
    pub(crate) fn for_holder_of(url: &Url) -> Self {
        Self { agent: agent(&url.host), base: format!("http://{}", url.authority), authorization: None }
    }

    pub(crate) fn create_bucket(&self, bucket: &NewBucket<'_>) -> anyhow::Result<Value> {
        self.post("/vk/v1/buckets", bucket, About::NewBucket(bucket.name.as_str()))
    }

    pub(crate) fn delete_bucket(&self, name: &BucketName) -> anyhow::Result<()> {
        let path = format!("/vk/v1/buckets/{}", encode_segment(name.as_str()));
        self.send(self.request(Method::DELETE, &path, ())?, About::Bucket(name))?;
        Ok(())
    }

    pub(crate) fn update_bucket(&self, name: &BucketName, public: bool) -> anyhow::Result<Value> {
        let path = format!("/vk/v1/buckets/{}", encode_segment(name.as_str()));
        self.patch(&path, &object!({ "public": public }), About::Bucket(name))
    }

    pub(crate) fn create_api_key(&self, new: &impl Serialize, id: Option<&ApiKeyId>) -> anyhow::Result<Value> {
        self.post("/vk/v1/api-keys", new, About::NewApiKey(id))
    }

    /// Every API key there is, page by page.
    pub(crate) fn each_api_key(&self, act: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.each_of("/vk/v1/api-keys?", "api_keys", About::Server, act)
    }

    pub(crate) fn update_api_key(&self, id: &ApiKeyId, change: &Value) -> anyhow::Result<Value> {
        self.patch(&api_key_path(id), change, About::ApiKey(id))
    }

    pub(crate) fn rotate_api_key(&self, id: &ApiKeyId) -> anyhow::Result<Value> {
        self.post(&format!("{}/secret", api_key_path(id)), &object!({}), About::ApiKey(id))
    }

    pub(crate) fn delete_api_key(&self, id: &ApiKeyId) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, &api_key_path(id), ())?, About::ApiKey(id))?;
        Ok(())
    }

    pub(crate) fn create_signing_key(&self, new: &impl Serialize, kid: Option<&SigningKeyId>) -> anyhow::Result<Value> {
        self.post("/vk/v1/signing-keys", new, About::NewSigningKey(kid))
    }

    /// Every signing key there is, page by page.
    pub(crate) fn each_signing_key(&self, act: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.each_of("/vk/v1/signing-keys?", "signing_keys", About::Server, act)
    }

    pub(crate) fn set_signing_key_state(&self, kid: &SigningKeyId, state: &str) -> anyhow::Result<()> {
        let path = format!("/vk/v1/signing-keys/{}", encode_segment(kid.as_str()));
        self.patch(&path, &object!({ "state": state }), About::SigningKey(kid)).map(drop)
    }

    /// Every bucket there is, page by page.
    pub(crate) fn each_bucket(&self, act: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.each_of("/vk/v1/buckets?", "buckets", About::Server, act)
    }

    /// Every object whose key begins so, page by page.
    pub(crate) fn each_object(&self, path: &PrefixPath, act: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let (bucket, prefix) = (encode_segment(path.bucket.as_str()), encode_segment(&path.prefix));
        let target = match path.prefix.as_str() {
            "" => format!("/vk/v1/buckets/{bucket}/objects?"),
            _ => format!("/vk/v1/buckets/{bucket}/objects?prefix={prefix}&"),
        };
        self.each_of(&target, "objects", About::Listing(path), act)
    }

    /// Stores what `body` gives, and tells the object as the API describes it.
    ///
    /// # Errors
    ///
    /// The server's refusal, a connection that broke, or `body`'s own failure, which is told by whoever made it.
    pub(crate) fn put_object(&self, upload: &Upload<'_>, body: &mut dyn Read) -> anyhow::Result<Value> {
        let about = About::Upload(upload.path, upload.create);
        let mut request = self.request(Method::PUT, &upload.path.api_path(), SendBody::from_reader(body))?;
        let headers = request.headers_mut();
        let content_type = HeaderValue::from_str(upload.content_type).map_err(|_| {
            CliError::usage(format!("expected a content type such as `text/plain`, found `{}`", upload.content_type))
        })?;
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(size_bytes) = upload.size_bytes {
            headers.insert(header::CONTENT_LENGTH, size_bytes.into());
        }
        if upload.size_bytes.is_none_or(|size_bytes| size_bytes >= EXPECT_FROM_BYTES) {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        if upload.create {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let request = self
            .agent
            .configure_request(request)
            .timeout_per_read(Some(UPLOAD_SILENCE_TIMEOUT))
            .timeout_per_write(Some(UPLOAD_SILENCE_TIMEOUT))
            .build();
        json(self.send(request, about)?)
    }

    pub(crate) fn delete_object(&self, path: &ObjectPath) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, &path.api_path(), ())?, About::Object(path))?;
        Ok(())
    }

    /// Issues a signed URL as `terms` says.
    pub(crate) fn sign(&self, terms: &impl Serialize, path: &ObjectPath) -> anyhow::Result<Value> {
        self.post("/vk/v1/signed-urls", terms, About::Object(path))
    }

    pub(crate) fn explain(&self, question: &impl Serialize) -> anyhow::Result<Value> {
        self.post("/vk/v1/explain", question, About::Server)
    }

    pub(crate) fn revoke(&self, what: &Value) -> anyhow::Result<Value> {
        self.post("/vk/v1/revocations", what, About::Server)
    }

    /// Each signed URL that `query` asks for, which is empty or ends in `&`.
    pub(crate) fn each_signed_url(&self, query: &str, act: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.each_of(&format!("/vk/v1/signed-urls?{query}"), "signed_urls", About::Server, act)
    }

    pub(crate) fn signed_url(&self, link_id: &LinkId) -> anyhow::Result<Value> {
        json(self.send(self.request(Method::GET, &format!("/vk/v1/signed-urls/{link_id}"), ())?, About::Server)?)
    }

    pub(crate) fn reset_uses(&self, link_id: &LinkId) -> anyhow::Result<()> {
        let path = format!("/vk/v1/signed-urls/{link_id}/reset");
        self.send(self.request(Method::POST, &path, ())?, About::Server)?;
        Ok(())
    }

    /// The audit's newest rows, at most `limit`, the newest first.
    pub(crate) fn audit_rows(&self, limit: u32) -> anyhow::Result<Vec<Value>> {
        let page = json(self.send(self.request(Method::GET, &format!("/vk/v1/audit?limit={limit}"), ())?, About::Server)?)?;
        Ok(page.get("rows").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// The audit's chain after the row `after`, as JSON lines.
    pub(crate) fn audit_export(&self, after: u64) -> anyhow::Result<impl Read + use<>> {
        let target = format!("/vk/v1/audit/export?after={after}");
        Ok(self.send(self.request(Method::GET, &target, ())?, About::Server)?.into_body().into_reader())
    }

    /// The public halves of the keys that seal the audit, the newest last.
    pub(crate) fn audit_keys(&self) -> anyhow::Result<Vec<Value>> {
        let keys = json(self.send(self.request(Method::GET, "/vk/v1/audit/keys", ())?, About::Server)?)?;
        Ok(keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Erases what tells of a person from the audit; from how many rows.
    pub(crate) fn erase_from_audit(&self, erasure: &Value) -> anyhow::Result<u64> {
        let erased = self.post("/vk/v1/audit/erasures", erasure, About::Server)?;
        Ok(erased.get("erased").and_then(Value::as_u64).unwrap_or(0))
    }

    /// A request for `target`: a path with its query beneath the server's URL, or a whole URL of the same holder's.
    pub(crate) fn request<B>(&self, method: Method, target: &str, body: B) -> anyhow::Result<Request<B>> {
        let url = if target.starts_with('/') { format!("{}{target}", self.base) } else { target.to_owned() };
        let mut request = Request::builder().method(method).uri(url).body(body).context("cannot make the request")?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// The answer to `request`, if it is a success.
    pub(crate) fn send(&self, request: Request<impl AsSendBody>, about: About<'_>) -> anyhow::Result<Response<Body>> {
        let response = self.agent.run(request).map_err(|error| self.unreachable(&error, about))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(Problem::read(response), about).into())
    }

    /// Whatever the answer to `request` is. Redirections of signed URLs are followed where `follow` says so: never with a
    /// session secret, which is for the server that gave it.
    ///
    /// # Errors
    ///
    /// Only if there was no answer.
    pub(crate) fn try_send(&self, request: Request<()>, about: About<'_>, follow: bool) -> Result<Response<Body>, CliError> {
        let max_redirects = if follow && matches!(about, About::SignedUrl) { 5 } else { 0 };
        let request = self.agent.configure_request(request).max_redirects(max_redirects).build();
        self.agent.run(request).map_err(|error| self.unreachable(&error, about))
    }

    /// The failure that a refusal is.
    pub(crate) fn refused(&self, problem: Problem, about: About<'_>) -> CliError {
        problem.into_error(about, &self.base, self.authorization.is_some())
    }

    fn unreachable(&self, error: &ureq::Error, about: About<'_>) -> CliError {
        let base = &self.base;
        let is_owner = !matches!(about, About::SignedUrl);
        let told = |reason: &str| CliError::unreachable(format!("cannot reach `{base}`: {reason}"));
        match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let hint = "start it with `valetkey serve`, or set VALETKEY_URL to where it listens";
                told("connection refused").with_hint_if_any(is_owner.then(|| hint.to_owned()))
            }
            ureq::Error::Io(error) if !is_broken(error) => {
                let hint = is_owner.then(|| "set VALETKEY_URL to the server's address".to_owned());
                told(&io_reason(error)).with_hint_if_any(hint)
            }
            ureq::Error::Io(error) => {
                let lost = format!("the connection to `{base}` broke: {}", io_reason(error));
                let hint = matches!(about, About::Upload(..)).then(|| {
                    "the server may have refused the upload half-way; its log says why, and nothing of it was stored".to_owned()
                });
                CliError::failed(lost).with_hint_if_any(hint)
            }
            ureq::Error::HostNotFound => {
                let hint = is_owner.then(|| "set VALETKEY_URL to the server's address".to_owned());
                told("there is no such host").with_hint_if_any(hint)
            }
            ureq::Error::Timeout(ureq::Timeout::Connect) => told(&format!("no answer for {} s", CONNECT_TIMEOUT.as_secs())),
            ureq::Error::Timeout(_) => CliError::failed(format!("the connection to `{base}` broke: it was silent too long")),
            ureq::Error::TlsRequired => {
                CliError::failed(format!("`{base}` points to an https URL, and this build speaks http only"))
                    .with_hint("fetch it with `curl --location`")
            }
            ureq::Error::TooManyRedirects => CliError::failed(format!("`{base}` redirects without end")),
            ureq::Error::Protocol(_) => CliError::failed(format!("`{base}` does not answer in HTTP"))
                .with_hint_if_any(is_owner.then(|| "set VALETKEY_URL to the address of a valetkey server".to_owned())),
            other => CliError::failed(format!("the request to `{base}` failed: {other}")),
        }
    }

    fn post(&self, target: &str, body: &impl Serialize, about: About<'_>) -> anyhow::Result<Value> {
        let body = encoded(body)?;
        json(self.send(self.json_request(Method::POST, target, &body)?, about)?)
    }

    fn patch(&self, target: &str, body: &impl Serialize, about: About<'_>) -> anyhow::Result<Value> {
        let body = encoded(body)?;
        json(self.send(self.json_request(Method::PATCH, target, &body)?, about)?)
    }

    fn json_request<'a>(&self, method: Method, target: &str, body: &'a [u8]) -> anyhow::Result<Request<&'a [u8]>> {
        let mut request = self.request(method, target, body)?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }

    /// `target` ends where `next=` can be added.
    fn each_of(
        &self,
        target: &str,
        field: &str,
        about: About<'_>,
        mut act: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut next: Option<String> = None;
        loop {
            let url = match &next {
                Some(cursor) => format!("{target}next={}", encode_segment(cursor)),
                None => target.trim_end_matches(['?', '&']).to_owned(),
            };
            let mut page: Value = json(self.send(self.request(Method::GET, &url, ())?, about)?)?;
            let Some(Value::Array(items)) = page.get_mut(field).map(Value::take) else {
                return Err(CliError::failed(format!("expected a list `{field}` in the server's answer, found none")).into());
            };
            items.into_iter().try_for_each(&mut act)?;
            let cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(());
            }
            if cursor == next {
                return Err(CliError::failed("the server's list does not go on: it gave the same `next` twice").into());
            }
            next = cursor;
        }
    }
}

fn api_key_path(id: &ApiKeyId) -> String {
    format!("/vk/v1/api-keys/{}", encode_segment(id.as_str()))
}

fn encoded(body: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    serde_json::to_vec(body).context("cannot write the request as JSON")
}

fn json(response: Response<Body>) -> anyhow::Result<Value> {
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(MAX_JSON_BYTES);
    reader.read_to_end(&mut body).map_err(|error| CliError::failed(format!("the answer broke off: {}", io_reason(&error))))?;
    let unexpected = || {
        CliError::failed("expected JSON in the server's answer, found something else")
            .with_hint("set VALETKEY_URL to the address of a valetkey server")
    };
    Ok(serde_json::from_slice(&body).map_err(|_| unexpected())?)
}

/// What the API says of a thing, in the type it is said in.
pub(crate) fn described<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    T::deserialize(value).map_err(|error| CliError::failed(format!("unexpected answer of the server: {error}")).into())
}

/// Whether there was a connection.
fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof)
}

/// An I/O error in words.
pub(crate) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it was closed too early".to_owned(),
        io::ErrorKind::ConnectionReset => "it was reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = Url::parse("http://host:8080/base/o/a%2Fb?cat=secret", "").unwrap();
        assert_eq!(
            (url.host.as_str(), url.path(), url.without_query()),
            ("host", "/base/o/a%2Fb", "http://host:8080/base/o/a%2Fb")
        );
    }

    #[test]
    fn a_refused_url_shows_no_more_than_its_host() {
        for text in ["https://host/o/reports/q3.pdf?cat=secret", "http://host/o/\u{1}?cat=secret", "ftp://host/l/secret"] {
            let message = Url::parse(text, "hint").err().unwrap().to_string();
            assert!(!message.contains("secret") && message.contains("://host`"), "{message}");
        }
        assert!(Url::parse("https://host", "").err().unwrap().to_string().contains("this build speaks http only"));
        assert!(Url::parse("host:8080", "").is_err() && Url::parse("/o/x", "").is_err());
    }
}
