//! What is where.

mod audit;
mod explain;
mod idempotency;
mod keys;
mod uploads;
mod urls;

use crate::errors::{self, ApiError};
use crate::face::NativeFace;
use crate::translate::{
    TOKEN_HEADER, access_token_body, after_cursor, bucket_body, cursor, etag_of, invalid, issue_request, issued_body, new_bucket,
    not_json, object_body,
};
use crate::wire::{BucketUpdateBody, BucketsBody, NewBucketBody, ObjectsBody, SignedUrlBody, TokenBody};
use bytes::Bytes;
pub use explain::CredentialOf;
use explain::Explained;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{
    ReceiveError, Representation, Selected, SignedRequest, SignedUrls, Step, WriteHeaders, receive, receive_whole, select, send,
};
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::json::Object;
use valetkey_http_common::path::{collapse_leading_slashes, decode};
use valetkey_http_common::problem::Problem;
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_http_common::query::{Query, QueryError};
use valetkey_http_common::security::{self, Caching};
use valetkey_http_common::{content_type, precondition};
use valetkey_model::{BucketName, Disposition, Entropy, LinkId, NameError, ObjectKey, Refusal, Scopes};
use valetkey_service::redeem::{Delivery, PresentedCredential, PublicPlace};
use valetkey_service::{Condition, DigestSet, LinkSecret, ObjectRow, Principal, Service, ServiceError};

/// The largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;
/// How many entries a page has if nothing is said, and at most.
const PAGE: (u32, u32) = (100, 1000);
/// How many URLs one call issues at most.
const MAX_URLS: usize = 1000;

/// What the native API is made of.
#[derive(Clone)]
pub struct NativeContext {
    /// The use cases.
    pub service: Service,
    /// The data plane.
    pub signed_urls: SignedUrls,
    /// What URLs given out begin with.
    pub public_urls: Arc<PublicUrls>,
    /// For multipart boundaries.
    pub entropy: Arc<dyn Entropy>,
}

/// A call of the API: its head, and where it comes from.
#[derive(Clone, Copy)]
struct Call<'a> {
    parts: &'a Parts,
    client: IpAddr,
}

impl Call<'_> {
    /// HEAD is GET, whose body the connection leaves out.
    fn method(&self) -> &Method {
        if self.parts.method == Method::HEAD { &Method::GET } else { &self.parts.method }
    }
}

/// The native API. Cheap to clone.
#[derive(Clone)]
pub struct Native {
    context: NativeContext,
    explained: Explained,
}

impl Native {
    /// The native API over these.
    pub fn new(context: NativeContext) -> Self {
        Self { context, explained: Explained::default() }
    }

    /// The same, which also explains the signed URLs of these other APIs, and says of those that begin with `cdn_url` that they are
    /// its own.
    #[must_use]
    pub fn explaining(self, others: &[CredentialOf], cdn_url: Option<Arc<PublicUrl>>) -> Self {
        Self { explained: Explained { others: others.into(), cdn_url }, ..self }
    }

    /// Whether this path (without base path, leading slashes collapsed) is the native API's.
    pub fn owns(path: &str) -> bool {
        path.starts_with("/o/") || path.starts_with("/l/") || path == "/vk/v1" || path.starts_with("/vk/v1/")
    }

    /// Answers one request; `path` is its raw path without the base path.
    pub async fn call(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        if path.starts_with("/o/") {
            return self.token_url(&parts, body, path, connection).await;
        }
        if let Some(rest) = path.strip_prefix("/l/") {
            return self.link_url(&parts, body, rest, connection).await;
        }
        let rest = path.strip_prefix("/vk/v1").unwrap_or_default();
        let unread = !matches!(parts.method, Method::GET | Method::HEAD);
        let client = self.context.signed_urls.client_of(&parts, connection);
        // In a box: every request's future is as large as its largest part, and most are for signed URLs.
        match Box::pin(self.api(Call { parts: &parts, client }, body, rest)).await {
            Ok(mut answer) => {
                security::apply(answer.headers_mut());
                answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
                answer
            }
            Err(error) if unread => closing(error.answer()),
            Err(error) => error.answer(),
        }
    }

    /// `/o/{bucket}/{object key}?cat={token}`; without a token it is for what is public.
    async fn token_url(
        &self,
        parts: &Parts,
        body: RequestBody,
        path: &str,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        let signed = &self.context.signed_urls;
        let step = Step::of(parts);
        if is_partial_upload(parts) && step.is_none() {
            return signed.refuse_partial_upload(&NativeFace, tokens(parts), parts, connection);
        }
        match token_of(parts) {
            Ok(None) => match place_of(path) {
                Some((bucket, key)) => {
                    let credential = PresentedCredential::Public(PublicPlace::Object { bucket: &bucket, key: &key });
                    signed.call(&NativeFace, credential, parts, body, connection).await
                }
                None => signed.refuse(&NativeFace, Refusal::Malformed, parts, connection),
            },
            Ok(Some(token)) => {
                let raw_path = with_base_path(self.context.public_urls.default_url().base_path(), path);
                let credential = PresentedCredential::Token { token: &token, raw_path: &raw_path };
                self.signed_url(SignedRequest { face: &NativeFace, credential, parts, path, connection }, body, step).await
            }
            Err(refusal) => signed.refuse_tokens(&NativeFace, refusal, tokens(parts), parts, connection),
        }
    }

    /// `/l/{secret}` and `/l/{secret}/{decorative file name}`.
    async fn link_url(
        &self,
        parts: &Parts,
        body: RequestBody,
        rest: &str,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        let signed = &self.context.signed_urls;
        let step = Step::of(parts);
        if is_partial_upload(parts) && step.is_none() {
            return signed.refuse_partial_upload(&NativeFace, [], parts, connection);
        }
        match link_secret(rest) {
            Some(secret) => {
                let (credential, path) = (PresentedCredential::Link(secret), format!("/l/{rest}"));
                self.signed_url(SignedRequest { face: &NativeFace, credential, parts, path: &path, connection }, body, step).await
            }
            None => signed.refuse(&NativeFace, Refusal::UnknownLink, parts, connection),
        }
    }

    /// A request whose credential was found: a step of a resumable upload, or whatever else its method says.
    async fn signed_url(&self, request: SignedRequest<'_>, body: RequestBody, step: Option<Step<'_>>) -> Response<ResponseBody> {
        let signed = &self.context.signed_urls;
        match step {
            Some(step) => Box::pin(signed.resume(request, body, step, &self.context.public_urls)).await,
            None => signed.call(request.face, request.credential, request.parts, body, request.connection).await,
        }
    }

    async fn api(&self, call: Call<'_>, body: RequestBody, path: &str) -> Result<Response<ResponseBody>, ApiError> {
        match idempotency::key_of(call, path)? {
            Some(key) => Box::pin(self.once(call, body, path, &key)).await,
            None => self.routed(call, body, path).await,
        }
    }

    async fn routed(&self, call: Call<'_>, body: RequestBody, path: &str) -> Result<Response<ResponseBody>, ApiError> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (call.method(), segments.as_slice()) {
            (&Method::POST, ["token"]) => self.token(call, body).await,
            (&Method::POST, ["buckets"]) => self.create_bucket(call, body).await,
            (&Method::GET, ["buckets"]) => self.list_buckets(call).await,
            (&Method::GET, ["buckets", bucket]) => self.show_bucket(call, bucket).await,
            (&Method::PATCH, ["buckets", bucket]) => self.update_bucket(call, body, bucket).await,
            (&Method::DELETE, ["buckets", bucket]) => self.delete_bucket(call, bucket).await,
            (&Method::GET, ["buckets", bucket, "objects"]) => self.list_objects(call, bucket).await,
            (method, ["buckets", bucket, "objects", key @ ..]) if !key.is_empty() => {
                let (bucket, key) = (bucket_name(bucket)?, object_key(&key.join("/"))?);
                match *method {
                    Method::PUT => self.put_object(call, body, &bucket, &key).await,
                    Method::GET => self.get_object(call, &bucket, &key).await,
                    Method::DELETE => self.delete_object(call, &bucket, &key).await,
                    _ => Ok(method_not_allowed("GET, HEAD, PUT, DELETE")),
                }
            }
            (&Method::POST, ["signed-urls"]) => self.issue(call, body).await,
            (&Method::GET, ["signed-urls"]) => self.list_urls(call).await,
            (&Method::GET, ["signed-urls", link_id]) => self.show_url(call, link_id).await,
            (&Method::POST, ["signed-urls", link_id, "reset"]) => self.reset_uses(call, link_id).await,
            (&Method::POST, ["revocations"]) => self.revoke(call, body).await,
            (&Method::POST, ["explain"]) => self.explain(call, body).await,
            (_, ["uploads", rest @ ..]) => self.uploads(call, rest).await,
            (_, ["audit", rest @ ..]) => self.audit(call, body, rest).await,
            (_, ["api-keys", rest @ ..]) => self.api_keys(call, body, rest).await,
            (_, ["signing-keys", rest @ ..]) => self.signing_keys(call, body, rest).await,
            (_, ["token" | "revocations" | "explain"] | ["signed-urls", _, "reset"]) => Ok(method_not_allowed("POST")),
            (_, ["signed-urls", _]) => Ok(method_not_allowed("GET, HEAD")),
            (_, ["buckets" | "signed-urls"]) => Ok(method_not_allowed("GET, HEAD, POST")),
            (_, ["buckets", _]) => Ok(method_not_allowed("GET, HEAD, PATCH, DELETE")),
            (_, ["buckets", _, "objects"]) => Ok(method_not_allowed("GET, HEAD")),
            _ => Err(errors::no_such_path().into()),
        }
    }

    fn service(&self) -> &Service {
        &self.context.service
    }

    fn principal(&self, call: Call<'_>) -> Result<Principal, ApiError> {
        match credential(&call.parts.headers)? {
            Some(Credential::Bearer(secret) | Credential::ApiKey(secret)) => {
                Ok(self.service().authenticate(&secret, call.client)?)
            }
            Some(Credential::Basic { .. }) => {
                Err(errors::unauthenticated().detail("`Basic` is only for `/vk/v1/token`; send `Bearer` or `X-API-Key`").into())
            }
            None => Err(no_credential().into()),
        }
    }

    async fn token(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = match credential(&call.parts.headers)? {
            Some(Credential::Basic { user, password }) => self.service().authenticate_client(&user, &password, call.client)?,
            _ => self.principal(call)?,
        };
        let bytes = whole(body).await?;
        let asked: TokenBody = if bytes.is_empty() { TokenBody::default() } else { parse(&bytes)? };
        let scopes =
            asked.scope.map(|scope| scope.parse::<Scopes>().map_err(|error| invalid("scope", error.to_string(), "scopes")));
        let token = self.service().issue_access_token(&principal, scopes.transpose()?)?;
        Ok(json(StatusCode::OK, &access_token_body(token)))
    }

    async fn create_bucket(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let new: NewBucketBody = parse(&whole(body).await?)?;
        let bucket = self.service().create_bucket(&principal, new_bucket(new)).await?;
        Ok(self.created(&format!("/vk/v1/buckets/{}", bucket.name), &bucket_body(&bucket)))
    }

    /// What was made, and where it is.
    fn created(&self, path: &str, body: &impl Serialize) -> Response<ResponseBody> {
        let mut answer = json(StatusCode::CREATED, body);
        if let Ok(location) = HeaderValue::from_str(&self.context.public_urls.default_url().join(path)) {
            answer.headers_mut().insert(LOCATION, location);
        }
        answer
    }

    async fn list_buckets(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let page = self.service().buckets(&principal, None, after(query)?.as_ref(), limit(query)?).await?;
        let buckets = page.buckets.iter().map(bucket_body).collect();
        Ok(json(StatusCode::OK, &BucketsBody { buckets, next: page.next.map(|name| cursor(name.as_str())) }))
    }

    async fn show_bucket(&self, call: Call<'_>, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let bucket = self.service().bucket(&self.principal(call)?, &bucket_name(bucket)?).await?;
        Ok(json(StatusCode::OK, &bucket_body(&bucket)))
    }

    async fn update_bucket(&self, call: Call<'_>, body: RequestBody, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let name = bucket_name(bucket)?;
        let BucketUpdateBody { public } = parse(&whole(body).await?)?;
        let bucket = self.service().set_bucket_public(&principal, &name, public).await?;
        Ok(json(StatusCode::OK, &bucket_body(&bucket)))
    }

    async fn delete_bucket(&self, call: Call<'_>, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        self.service().delete_bucket(&self.principal(call)?, &bucket_name(bucket)?).await?;
        Ok(nothing())
    }

    async fn list_objects(&self, call: Call<'_>, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let after = text(query, "next")?.map(|next| after_cursor(&next)).transpose()?;
        let prefix = text(query, "prefix")?.unwrap_or_default();
        let bucket = bucket_name(bucket)?;
        let page = self.service().objects(&principal, &bucket, &prefix, after.as_deref(), limit(query)?).await?;
        let objects = page.objects.iter().map(object_body).collect();
        Ok(json(StatusCode::OK, &ObjectsBody { objects, next: page.next.map(|key| cursor(key.as_str())) }))
    }

    async fn put_object(
        &self,
        call: Call<'_>,
        body: RequestBody,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        if !key.is_plain_path() {
            let expected = "no empty, `.` or `..` segment and no control character";
            return Err(invalid("key", format!("`{}`", key.as_str().escape_debug()), expected).into());
        }
        if is_partial_upload(call.parts) {
            return Err(partial_upload().into());
        }
        let headers = WriteHeaders::read(&call.parts.headers)
            .map_err(|name| invalid(name, "not a digest", "a digest in base64 as RFC 9530 or RFC 1864 has it"))?;
        // Preconditions compare with what is there; whether it may be read plays no part in writing.
        let present = self.service().object_to_replace(&principal, bucket, key).await?;
        let etag = present.as_deref().map(|object| (object, etag_of(object)));
        let mut options = headers.options(&call.parts.headers, etag, DigestSet::default()).map_err(|_| precondition_failed())?;
        options.content_type.get_or_insert_with(|| content_type::guess(key.file_name()).to_owned());
        let conditional = options.condition != Condition::None;
        let mut upload = self.service().upload(&principal, bucket, key, options).await?;
        match receive(body, &mut upload).await {
            Ok(()) => {}
            Err(ReceiveError::Service(error)) => return Err(error.into()),
            Err(ReceiveError::BrokenOff) => return Err(errors::invalid("broken_off", "the upload broke off").into()),
        }
        let published = upload.finish().await.map_err(|error| match error {
            ServiceError::Refused(Refusal::Exists) if conditional => ApiError::from(precondition_failed()),
            error => error.into(),
        })?;
        let status = if published.replaced { StatusCode::OK } else { StatusCode::CREATED };
        let mut answer = json(status, &object_body(&published.object));
        if let Some(etag) = precondition::etag(&etag_of(&published.object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        Ok(answer)
    }

    async fn get_object(&self, call: Call<'_>, bucket: &BucketName, key: &ObjectKey) -> Result<Response<ResponseBody>, ApiError> {
        let (object, caching) = match credential(&call.parts.headers)? {
            Some(_) => (self.service().object(&self.principal(call)?, bucket, key).await?, Caching::Never),
            None => (self.public_object(bucket, key).await?, Caching::Public),
        };
        let shown = Representation {
            object: &object,
            etag: etag_of(&object),
            disposition: Disposition::Attachment,
            file_name: None,
            content_type: None,
            caching,
            now: self.service().now(),
        };
        let mut boundary = [0; 16];
        self.context.entropy.fill(&mut boundary);
        match select(&NativeFace, &call.parts.headers, &shown, boundary) {
            Selected::Answer(answer) => Ok(*answer),
            Selected::Send { head, .. } if call.parts.method == Method::HEAD => Ok(head.map(|()| ResponseBody::empty())),
            Selected::Send { head, ranges, framing } => {
                let blob = self.service().open_object(&object).await?;
                let delivery = Delivery { blob, ranges, usage: None, session_secret: None, transfer: None, counting: None };
                Ok(head.map(|()| send(delivery, framing)))
            }
        }
    }

    /// The object for who shows no credential, which only what is public needs none of.
    async fn public_object(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Arc<ObjectRow>, ApiError> {
        self.service().public_object(bucket, key).await.map_err(|error| match error {
            ServiceError::Unauthenticated => no_credential().into(),
            error => error.into(),
        })
    }

    async fn delete_object(
        &self,
        call: Call<'_>,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Response<ResponseBody>, ApiError> {
        self.service().delete_object(&self.principal(call)?, bucket, key).await?;
        Ok(nothing())
    }

    async fn issue(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let bytes = whole(body).await?;
        // Read as what it is to be, not by way of a map: there a name that stands twice would count the last time.
        let many = bytes.trim_ascii_start().starts_with(b"[");
        let bodies: Vec<Object<SignedUrlBody>> = if many { read(&bytes)? } else { vec![read(&bytes)?] };
        if bodies.is_empty() || bodies.len() > MAX_URLS {
            let found = format!("an array of {}", bodies.len());
            return Err(invalid("body", found, format!("one object, or an array of 1 to {MAX_URLS}")).into());
        }
        let requests = bodies.into_iter().map(|Object(body)| issue_request(body)).collect::<Result<_, _>>()?;
        let issued = self.service().issue(&principal, requests).await?;
        let urls = &self.context.public_urls;
        let mut bodies: Vec<_> = issued.into_iter().map(|issued| issued_body(issued, urls)).collect();
        Ok(match (many, bodies.pop()) {
            (false, Some(only)) => json(StatusCode::CREATED, &only),
            (_, last) => {
                bodies.extend(last);
                json(StatusCode::CREATED, &bodies)
            }
        })
    }

    async fn reset_uses(&self, call: Call<'_>, link_id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let parsed = decode(link_id).ok().and_then(|link_id| link_id.parse::<LinkId>().ok());
        let link_id = parsed.ok_or_else(|| invalid("link_id", "something else", "`lnk_` and 22 characters"))?;
        self.service().reset_uses(&principal, &link_id).await?;
        Ok(nothing())
    }
}

/// The secret in a path below `/l/`.
fn link_secret(rest: &str) -> Option<LinkSecret> {
    LinkSecret::parse(rest.split('/').next().unwrap_or_default())
}

/// The bucket and object key in a path that begins with `/o/`, decoded once.
fn place_of(path: &str) -> Option<(BucketName, ObjectKey)> {
    let (bucket, key) = path.strip_prefix("/o/")?.split_once('/')?;
    let key = decode(key).ok()?.parse().ok().filter(ObjectKey::is_plain_path)?;
    Some((decode(bucket).ok()?.parse().ok()?, key))
}

/// The token, from the query or the header; `None` if there is none.
fn token_of(parts: &Parts) -> Result<Option<Cow<'_, str>>, Refusal> {
    let in_query = token_in(parts.uri.query())?;
    let mut in_headers = parts.headers.get_all(&TOKEN_HEADER).iter();
    match (in_query, in_headers.next(), in_headers.next()) {
        (Some(token), None, None) => Ok(Some(token)),
        (None, Some(value), None) => value.to_str().map(Cow::Borrowed).map(Some).map_err(|_| Refusal::Malformed),
        (None, None, None) => Ok(None),
        _ => Err(Refusal::Ambiguous),
    }
}

/// Everything that stands where a token may stand, as it was sent.
fn tokens(parts: &Parts) -> impl Iterator<Item = &[u8]> {
    let in_query = Query::new(parts.uri.query()).raw_values("cat").map(str::as_bytes);
    in_query.chain(parts.headers.get_all(&TOKEN_HEADER).iter().map(HeaderValue::as_bytes))
}

/// The token in a raw query; `None` if there is none.
fn token_in(query: Option<&str>) -> Result<Option<Cow<'_, str>>, Refusal> {
    Query::new(query).single("cat").map_err(|error| match error {
        QueryError::Duplicate => Refusal::Ambiguous,
        QueryError::Value(_) => Refusal::Malformed,
    })
}

fn with_base_path<'a>(base_path: &str, path: &'a str) -> Cow<'a, str> {
    if base_path.is_empty() { Cow::Borrowed(path) } else { Cow::Owned(format!("{base_path}{}", collapse_leading_slashes(path))) }
}

fn bucket_name(raw: &str) -> Result<BucketName, ApiError> {
    name("bucket", raw)
}

/// A name in the path.
fn name<T: FromStr<Err = NameError>>(field: &'static str, raw: &str) -> Result<T, ApiError> {
    let decoded = decode(raw).map_err(|error| invalid(field, error.to_string(), "a percent-encoded name"))?;
    Ok(decoded.parse().map_err(|error: NameError| invalid(field, format!("`{decoded}`"), error.expected()))?)
}

fn object_key(raw: &str) -> Result<ObjectKey, ApiError> {
    let decoded = decode(raw).map_err(|error| invalid("key", error.to_string(), "a percent-encoded object key"))?;
    let found = || format!("{} bytes", decoded.len());
    Ok(decoded.parse().map_err(|error: NameError| invalid("key", found(), error.expected()))?)
}

fn text<'a>(query: Query<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, ServiceError> {
    query.form_value(name).map_err(|error| invalid(name, error.to_string(), "one percent-encoded value"))
}

/// The name after which a page begins.
fn after<T: FromStr<Err = NameError>>(query: Query<'_>) -> Result<Option<T>, ApiError> {
    let Some(next) = text(query, "next")? else { return Ok(None) };
    let parsed = after_cursor(&next)?.parse();
    Ok(Some(parsed.map_err(|_| invalid("next", format!("`{next}`"), "the `next` of an earlier page"))?))
}

fn limit(query: Query<'_>) -> Result<u32, ServiceError> {
    let Some(value) = text(query, "limit")? else { return Ok(PAGE.0) };
    let limit = value.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
    limit.ok_or_else(|| invalid("limit", format!("`{value}`"), format!("1 to {}", PAGE.1)))
}

async fn whole(body: RequestBody) -> Result<Bytes, ApiError> {
    receive_whole(body, MAX_BODY_BYTES).await.map_err(|error| match error {
        ReceiveError::Service(ServiceError::Refused(Refusal::TooLarge)) => {
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large");
            problem.detail(format!("more than {MAX_BODY_BYTES} bytes")).into()
        }
        ReceiveError::Service(error) => error.into(),
        ReceiveError::BrokenOff => errors::invalid("broken_off", "the body broke off").into(),
    })
}

/// A JSON object.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    read(bytes).map(|Object(body)| body)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| not_json(&error).into())
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<ResponseBody> {
    let Ok(body) = serde_json::to_vec(body) else {
        return errors::answer(&Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer cannot be written"));
    };
    let mut answer = Response::new(ResponseBody::bytes(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn nothing() -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn method_not_allowed(allow: &'static str) -> Response<ResponseBody> {
    let mut answer = closing(errors::answer(&errors::wrong_method()));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// Whether only a part of an object is being sent, as by `curl -C - -T`: stored as if it were the whole, it would destroy what is
/// there (RFC 9110 §14.5).
fn is_partial_upload(parts: &Parts) -> bool {
    parts.method == Method::PUT && parts.headers.contains_key(CONTENT_RANGE)
}

pub(crate) fn partial_upload() -> Problem {
    errors::invalid("partial_upload", "`Content-Range` with PUT: expected the whole object")
}

fn no_credential() -> Problem {
    errors::unauthenticated().detail("there is neither `Authorization: Bearer` nor `X-API-Key`")
}

fn precondition_failed() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", "the object is not as you expect it")
}
