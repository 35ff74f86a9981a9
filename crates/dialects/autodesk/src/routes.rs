//! What is where.

use crate::errors::{self, ApiError, Gateway, PARTIAL, Place, bad, json};
use crate::face::AutodeskFace;
use crate::transfers::{BATCHES, DownloadAsked, PartsAsked};
use crate::translate::{
    USER_METADATA, access, access_token_body, boolean, bucket_body, bucket_item, bucket_name, declared_sha1, etag_of, form_field,
    is_type, issue_request, new_bucket, next_page, number, object_body, object_body_with, object_key, parse, quote_validators,
    region, scopes_of, sign_body, signed_body, text, user_metadata,
};
use crate::wire::{CompleteBody, PageBody};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LOCATION,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{
    ReceiveError, Representation, Selected, SignedUrls, WriteHeaders, receive, receive_whole, select, send, write_condition,
};
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::disposition;
use valetkey_http_common::precondition::{self, Access, Outcome, Validators};
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_http_common::query::Query;
use valetkey_http_common::security::{self, Caching};
use valetkey_model::{BucketName, Disposition, Entropy, ObjectKey, Refusal, Scope, SecretText};
use valetkey_service::redeem::{Delivery, UrlCredential};
use valetkey_service::{
    BucketRow, Condition, DigestSet, IssueRequest, Issued, LinkSecret, ObjectRow, Principal, Published, Service, ServiceError,
    UploadOptions,
};

/// The largest JSON body or form.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The longest life of a signed URL if nothing is configured.
const MAX_LINK_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many entries a page has if nothing is said, and at most.
const PAGE: (u32, u32) = (10, 100);
/// How many bytes of objects are read for one page, at most, to tell digests that nobody has needed before.
const MAX_READ_FOR_LIST: u64 = 16 << 20;
/// How many parts an upload has at most. The vendor gives out 25 URLs a call; published clients ask for all at once.
pub(crate) const MAX_PARTS: u32 = 10_000;
/// For how many minutes URLs of direct transfers live if nothing is said, and at most.
const TRANSFER_MINUTES: (u32, u32) = (2, 60);
/// Path segments below `/oss/v2` that are no bucket's.
const OWN_SEGMENTS: [&str; 3] = ["buckets", "signedresources", "uploads"];

/// What the vendor's API is made of.
#[derive(Clone)]
pub struct AutodeskContext {
    /// The use cases.
    pub service: Service,
    /// The data plane.
    pub signed_urls: SignedUrls,
    /// What URLs given out begin with.
    pub public_urls: Arc<PublicUrls>,
    /// What URLs given out with `useCdn` begin with; `None` is the public URL of the bucket's region.
    pub cdn_url: Option<Arc<PublicUrl>>,
    /// For multipart boundaries.
    pub entropy: Arc<dyn Entropy>,
}

/// A call of the API: its head, and where it comes from.
pub(crate) struct Call {
    pub(crate) parts: Parts,
    client: IpAddr,
}

/// The vendor's API. Cheap to clone.
#[derive(Clone)]
pub struct Autodesk {
    pub(crate) context: AutodeskContext,
    max_link_lifetime: Duration,
}

impl Autodesk {
    /// The vendor's API over these.
    pub fn new(context: AutodeskContext) -> Self {
        Self { context, max_link_lifetime: MAX_LINK_LIFETIME }
    }

    /// The same with another longest life of a signed URL than seven days; more is refused.
    #[must_use]
    pub fn with_max_link_lifetime(self, max_link_lifetime: Duration) -> Self {
        Self { max_link_lifetime, ..self }
    }

    /// Whether this path (without base path, leading slashes collapsed) is the vendor's API's.
    pub fn owns(path: &str) -> bool {
        path == "/oss/v2"
            || path.starts_with("/oss/v2/")
            || path.starts_with("/authentication/v1/")
            || path.starts_with("/authentication/v2/")
    }

    /// Answers one request; `path` is its raw path without the base path.
    pub async fn call(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments.as_slice() {
            ["oss", "v2", "signedresources", id, "resumable"] if parts.method == Method::PUT => {
                let credential = signed_resource(&["oss", "v2", "signedresources", id]).and_then(Result::ok);
                let credential = credential.as_ref().map(UrlCredential::presented);
                return self.put_signed_range(parts, body, credential, connection).await;
            }
            ["oss", "v2", "signedresources", _, "resumable"] => return self.preflight_of_range(&parts),
            ["oss", "v2", "uploads", secret, number] => return self.part_url(&parts, body, secret, number).await,
            segments if parts.method != Method::DELETE => {
                if let Some(credential) = signed_resource(segments) {
                    let credential = credential.as_ref().ok().map(UrlCredential::presented);
                    return self.signed_url(parts, body, credential, connection).await;
                }
            }
            _ => {}
        }
        let unread = !matches!(parts.method, Method::GET | Method::HEAD);
        let client = self.context.signed_urls.client_of(&parts, connection);
        match self.api(Call { parts, client }, body, &segments).await {
            Ok(mut answer) => {
                security::apply(answer.headers_mut());
                answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
                answer
            }
            Err(error) if unread => closing(error.answer()),
            Err(error) => error.answer(),
        }
    }

    async fn api(&self, call: Call, body: RequestBody, segments: &[&str]) -> Result<Response<ResponseBody>, ApiError> {
        match (&call.parts.method, segments) {
            // Older clients ask as the first version of the API has it, with the same fields.
            (&Method::POST, ["authentication", "v2", "token"] | ["authentication", "v1", "authenticate"]) => {
                self.token(&call, body).await
            }
            (_, ["authentication", "v2", "token"] | ["authentication", "v1", "authenticate"]) => Ok(method_not_allowed("POST")),
            (&Method::DELETE, ["oss", "v2", "signedresources", id]) => self.revoke(&call, id).await,
            (method, ["oss", "v2", "buckets"]) => match *method {
                Method::POST => self.create_bucket(&call, body).await,
                Method::GET => self.list_buckets(&call).await,
                _ => Ok(method_not_allowed("GET, POST")),
            },
            (&Method::DELETE, ["oss", "v2", "buckets", bucket]) => self.delete_bucket(&call, bucket).await,
            (_, ["oss", "v2", "buckets", _]) => Ok(method_not_allowed("DELETE")),
            (&Method::GET, ["oss", "v2", "buckets", bucket, "details"]) => self.show_bucket(&call, bucket).await,
            (_, ["oss", "v2", "buckets", _, "details"]) => Ok(method_not_allowed("GET")),
            (&Method::GET, ["oss", "v2", "buckets", bucket, "objects"]) => self.list_objects(&call, bucket).await,
            (_, ["oss", "v2", "buckets", _, "objects"]) => Ok(method_not_allowed("GET")),
            (method, ["oss", "v2", "buckets", bucket, "objects", batch]) if BATCHES.contains(batch) => match (method, *batch) {
                (&Method::POST, "batchsigneds3upload") => self.batch_uploads(&call, body, bucket).await,
                (&Method::POST, "batchcompleteupload") => self.batch_completions(&call, body, bucket).await,
                (&Method::POST, "batchsigneds3download") => self.batch_downloads(&call, body, bucket).await,
                _ => Ok(method_not_allowed("POST")),
            },
            (_, ["oss", "v2", "buckets", bucket, "objects", key, rest @ ..]) => {
                let place = RawPlace { bucket, key };
                self.object(call, body, place, rest).await
            }
            _ => Err(no_such_path()),
        }
    }

    /// `/oss/v2/buckets/{bucketKey}/objects/{objectKey}` and what is below it.
    async fn object(
        &self,
        mut call: Call,
        body: RequestBody,
        place: RawPlace<'_>,
        rest: &[&str],
    ) -> Result<Response<ResponseBody>, ApiError> {
        quote_validators(&mut call.parts.headers);
        match (&call.parts.method, rest) {
            (&Method::PUT, []) => self.put_object(&call, body, place).await,
            (&Method::GET | &Method::HEAD, []) => self.get_object(&call, place).await,
            (&Method::DELETE, []) => self.delete_object(&call, place).await,
            (&Method::GET, ["details"]) => self.show_object(&call, place).await,
            (&Method::POST, ["signed"]) => self.sign(&call, body, place).await,
            (&Method::GET, ["signeds3upload"]) => self.begin_upload(&call, place).await,
            (&Method::POST, ["signeds3upload"]) => self.complete_upload(&call, body, place).await,
            (&Method::GET, ["signeds3download"]) => self.sign_download(&call, place).await,
            (&Method::PUT, ["copyto", to]) => self.copy_object(&call, place, to).await,
            (&Method::PUT, ["resumable"]) => self.put_range(&call, body, place).await,
            (&Method::GET, ["status", session]) => self.show_ranges(&call, place, session).await,
            (_, ["status", _]) => Ok(method_not_allowed("GET")),
            (_, ["copyto", _] | ["resumable"]) => Ok(method_not_allowed("PUT")),
            (_, []) => Ok(method_not_allowed("GET, HEAD, PUT, DELETE")),
            (_, ["details" | "signeds3download"]) => Ok(method_not_allowed("GET")),
            (_, ["signed"]) => Ok(method_not_allowed("POST")),
            (_, ["signeds3upload"]) => Ok(method_not_allowed("GET, POST")),
            _ => Err(no_such_path()),
        }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.context.service
    }

    /// What URLs of the API begin with.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        self.context.public_urls.default_url()
    }

    /// What signed URLs of a bucket begin with.
    pub(crate) fn base_for(&self, bucket: &BucketRow, use_cdn: bool) -> &PublicUrl {
        let cdn = self.context.cdn_url.as_deref().filter(|_| use_cdn);
        cdn.unwrap_or_else(|| self.context.public_urls.of(&bucket.region))
    }

    pub(crate) fn principal(&self, call: &Call) -> Result<Principal, ApiError> {
        match credential(&call.parts.headers)? {
            Some(Credential::Bearer(secret) | Credential::ApiKey(secret)) => {
                Ok(self.service().authenticate(&secret, call.client)?)
            }
            Some(Credential::Basic { .. }) | None => Err(Gateway::NoCredential.into()),
        }
    }

    /// `POST /authentication/v2/token`: the client in `Authorization: Basic` or in the form.
    async fn token(&self, call: &Call, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        if !is_type(&call.parts.headers, "application/x-www-form-urlencoded") {
            return Err(Gateway::NotForm.into());
        }
        let bytes = whole(body).await?;
        let form = Query::new(Some(std::str::from_utf8(&bytes).map_err(|_| Gateway::NotForm)?));
        let principal = match credential(&call.parts.headers)? {
            Some(Credential::Basic { user, password }) => self.client(&user, &password, call.client)?,
            _ => match (form_field(form, "client_id")?, form_field(form, "client_secret")?) {
                (Some(id), Some(secret)) => self.client(&id, &SecretText::new(secret.into_owned()), call.client)?,
                _ => return Err(Gateway::BadSecret.into()),
            },
        };
        match form_field(form, "grant_type")?.as_deref() {
            Some("client_credentials") => {}
            Some(_) => return Err(Gateway::BadGrant.into()),
            None => return Err(Gateway::NoGrant.into()),
        }
        let asked = form_field(form, "scope")?;
        let token =
            self.service().issue_access_token(&principal, asked.as_deref().map(scopes_of)).map_err(|error| match error {
                ServiceError::Invalid { .. } => Gateway::BadScope.into(),
                error => ApiError::from(error),
            })?;
        Ok(json(StatusCode::OK, &access_token_body(&token, asked.as_deref())))
    }

    fn client(&self, id: &str, secret: &SecretText, client: IpAddr) -> Result<Principal, ApiError> {
        self.service().authenticate_client(id, secret, client).map_err(|error| match error {
            ServiceError::Unauthenticated => Gateway::BadSecret.into(),
            error => error.into(),
        })
    }

    async fn create_bucket(&self, call: &Call, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::BucketCreate)?;
        let region = region(&call.parts.headers, Query::new(call.parts.uri.query()))?;
        let new = new_bucket(parse(&whole(body).await?)?, region, &principal)?;
        let bucket = self.service().create_bucket(&principal, new).await?;
        Ok(json(StatusCode::OK, &bucket_body(&bucket)))
    }

    async fn list_buckets(&self, call: &Call) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::BucketRead)?;
        let query = Query::new(call.parts.uri.query());
        let limit = number(query, "limit", PAGE.0, 1..=PAGE.1)?;
        let after: Option<BucketName> = match text(query, "startAt")? {
            Some(start_at) => Some(start_at.parse().map_err(|_| bad("Invalid query parameter 'startAt': expected a bucketKey"))?),
            None => None,
        };
        let region = region(&call.parts.headers, query)?;
        let page = self.service().buckets(&principal, region.as_ref(), after.as_ref(), limit).await?;
        let also: Vec<_> = region.iter().map(|region| ("region", region.as_str())).collect();
        let next = page.next.map(|last| next_page(self.public_url(), "/oss/v2/buckets", last.as_str(), limit, &also));
        let items = page.buckets.iter().map(bucket_item).collect();
        Ok(json(StatusCode::OK, &PageBody { items, next }))
    }

    async fn show_bucket(&self, call: &Call, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        // The vendor's `viewables:read` does, too; it is `data:read` here.
        principal.require(Scope::ObjectRead).or_else(|_| principal.require(Scope::BucketRead))?;
        let principal = self.with_scope(principal, Scope::BucketRead)?;
        principal.require(Scope::BucketRead)?;
        let bucket = self.service().bucket(&principal, &bucket_name(bucket)?).await?;
        Ok(json(StatusCode::OK, &bucket_body(&bucket)))
    }

    async fn delete_bucket(&self, call: &Call, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::BucketDelete)?;
        self.service().delete_bucket(&principal, &bucket_name(bucket)?).await?;
        Ok(nothing(StatusCode::OK))
    }

    async fn list_objects(&self, call: &Call, bucket: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::ObjectRead)?;
        let bucket = bucket_name(bucket)?;
        let query = Query::new(call.parts.uri.query());
        let limit = number(query, "limit", PAGE.0, 1..=PAGE.1)?;
        let (begins_with, start_at) = (text(query, "beginsWith")?, text(query, "startAt")?);
        let prefix = begins_with.as_deref().unwrap_or_default();
        let page = self.service().objects(&principal, &bucket, prefix, start_at.as_deref(), limit).await?;
        let (mut items, mut left) = (Vec::with_capacity(page.objects.len()), MAX_READ_FOR_LIST);
        for object in page.objects {
            let object = match left.checked_sub(object.size_bytes) {
                Some(rest) if object.sha1.is_none() => {
                    left = rest;
                    self.service().with_digests(Arc::new(object)).await?
                }
                _ => Arc::new(object),
            };
            items.push(object_body(&object, self.public_url()));
        }
        let path = format!("/oss/v2/buckets/{bucket}/objects");
        let also: Vec<_> = begins_with.iter().map(|prefix| ("beginsWith", prefix.as_ref())).collect();
        let next = page.next.map(|last| next_page(self.public_url(), &path, last.as_str(), limit, &also));
        Ok(json(StatusCode::OK, &PageBody { items, next }))
    }

    async fn show_object(&self, call: &Call, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let (principal, (bucket, key)) = (self.principal(call)?, place.parse()?);
        let object = self.readable(&principal, &bucket, &key).await?;
        if let Some(answer) = unmodified(&call.parts.headers, &object) {
            return Ok(answer);
        }
        let body = object_body_with(&object, self.public_url(), Query::new(call.parts.uri.query()));
        Ok(json(StatusCode::OK, &body))
    }

    async fn get_object(&self, call: &Call, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let (principal, (bucket, key)) = (self.principal(call)?, place.parse()?);
        let object = self.readable(&principal, &bucket, &key).await?;
        let face = AutodeskFace { public_url: self.public_url(), place: Place::Api };
        let shown = Representation {
            object: &object,
            etag: etag_of(&object),
            disposition: Disposition::Attachment,
            file_name: None,
            content_type: None,
            caching: Caching::Never,
            now: self.service().now(),
        };
        let mut boundary = [0; 16];
        self.context.entropy.fill(&mut boundary);
        match select(&face, &call.parts.headers, &shown, boundary) {
            Selected::Answer(answer) => Ok(*answer),
            Selected::Send { head, .. } if call.parts.method == Method::HEAD => Ok(head.map(|()| ResponseBody::empty())),
            Selected::Send { head, ranges, framing } => {
                let blob = self.service().open_object(&object).await?;
                let delivery = Delivery { blob, ranges, usage: None, session_secret: None, transfer: None, counting: None };
                Ok(head.map(|()| send(delivery, framing)))
            }
        }
    }

    async fn put_object(&self, call: &Call, body: RequestBody, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let (bucket, key) = place.parse()?;
        if is_partial(&call.parts) {
            return Err(bad(PARTIAL));
        }
        let options = self.write_options(call, &principal, (&bucket, &key)).await?;
        let conditional = options.condition != Condition::None;
        let failed = |error| not_to_be_replaced(error, conditional);
        let mut upload = self.service().upload(&principal, &bucket, &key, options).await.map_err(failed)?;
        receive(body, &mut upload).await?;
        Ok(self.stored(&upload.finish().await.map_err(failed)?))
    }

    /// What the headers of an upload say, with its preconditions compared with what is there.
    pub(crate) async fn write_options(
        &self,
        call: &Call,
        principal: &Principal,
        (bucket, key): (&BucketName, &ObjectKey),
    ) -> Result<UploadOptions, ApiError> {
        let unread = |_| ServiceError::Refused(Refusal::DigestMismatch);
        let declared_sha1 = declared_sha1(&call.parts.headers).map_err(unread)?;
        let headers = WriteHeaders::read(&call.parts.headers).map_err(unread)?.with_sha1(declared_sha1);
        let present = self.present(call, principal, bucket, key).await?;
        let etag = present.as_deref().map(|object| (object, etag_of(object)));
        Ok(headers.options(&call.parts.headers, etag, digests()).map_err(ServiceError::Refused)?)
    }

    /// The answer to a call by which an object was stored.
    pub(crate) fn stored(&self, published: &Published) -> Response<ResponseBody> {
        let mut answer = json(StatusCode::OK, &object_body(&published.object, self.public_url()));
        if let Some(etag) = precondition::etag(&etag_of(&published.object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    async fn delete_object(&self, call: &Call, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::ObjectWrite)?;
        let (bucket, key) = place.parse()?;
        self.service().delete_object(&principal, &bucket, &key).await?;
        Ok(nothing(StatusCode::OK))
    }

    /// `POST …/signed`.
    async fn sign(&self, call: &Call, body: RequestBody, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::LinkIssue)?;
        let query = Query::new(call.parts.uri.query());
        let (permission, use_cdn) = (access(query)?, boolean(query, "useCdn")?);
        let (bucket, key) = place.parse()?;
        let body = sign_body(&call.parts.headers, &whole(body).await?)?;
        let request = issue_request(bucket, key, permission, body, self.max_link_lifetime)?;
        let principal = match permission.reads() && !principal.scopes().has(Scope::ObjectRead) {
            // The vendor's `data:write` signs for reading, too.
            true => {
                principal.require(Scope::ObjectWrite)?;
                self.with_scope(principal, Scope::ObjectRead)?
            }
            false => principal,
        };
        let issued = self.issue(&principal, request).await?;
        let mut answer = json(StatusCode::OK, &signed_body(&issued, self.base_for(&issued.bucket, use_cdn)));
        // Verbatim as the vendor's page shows them, and on this answer alone: the origin is never the caller's.
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Accept-Encoding, Range, Content-Type"),
            (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ] {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(answer)
    }

    /// The principal with one more scope of its API key. A key without it goes as it is: what is public needs none, and all else
    /// the use case refuses.
    pub(crate) fn with_scope(&self, principal: Principal, scope: Scope) -> Result<Principal, ServiceError> {
        match self.service().with_scope_of_api_key(&principal, scope) {
            Err(ServiceError::MissingScope { .. }) => Ok(principal),
            widened => widened,
        }
    }

    pub(crate) async fn issue(&self, principal: &Principal, request: IssueRequest) -> Result<Issued, ApiError> {
        let issued = self.service().issue(principal, vec![request]).await?.pop();
        // One was asked for, and all or none are issued.
        issued.ok_or(ApiError::Refused(Refusal::Unavailable, Place::Api))
    }

    /// `DELETE /oss/v2/signedresources/{id}`: the URL dies, the object stays.
    async fn revoke(&self, call: &Call, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::LinkRevoke)?;
        let secret = LinkSecret::parse_uuid(id).ok_or(ServiceError::NotFound { what: "link" })?;
        let link_id = self.service().link_of(&principal, secret).await?;
        self.service().revoke(&principal, &[link_id]).await?;
        let text = format!("Signed resource deleted successfully: {}", secret.uuid().expose());
        let mut answer = Response::new(ResponseBody::bytes(text));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        Ok(answer)
    }

    async fn begin_upload(&self, call: &Call, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let (bucket, key) = place.parse()?;
        let query = Query::new(call.parts.uri.query());
        let asked = PartsAsked {
            n_parts: number(query, "parts", 1, 1..=MAX_PARTS)?,
            first: number(query, "firstPart", 1, 1..=MAX_PARTS)?,
            upload_key: text(query, "uploadKey")?.map(Cow::into_owned),
        };
        let lifetime = transfer_lifetime(query)?;
        boolean(query, "useAcceleration")?;
        let urls = self.upload_urls(&principal, (&bucket, &key), asked, lifetime).await?;
        Ok(json(StatusCode::OK, &urls))
    }

    async fn complete_upload(
        &self,
        call: &Call,
        body: RequestBody,
        place: RawPlace<'_>,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let (bucket, key) = place.parse()?;
        let asked: CompleteBody = parse(&whole(body).await?)?;
        let meta = |name: &str| call.parts.headers.get(name);
        let options = UploadOptions {
            content_type: meta("x-ads-meta-content-type").and_then(|value| value.to_str().ok()).map(str::to_owned),
            file_name: meta("x-ads-meta-content-disposition").and_then(|value| disposition::file_name(value.as_bytes())),
            user_metadata: user_metadata(meta(USER_METADATA).map(|value| value.to_str().unwrap_or_default()))?,
            digests: digests(),
            ..UploadOptions::default()
        };
        Ok(json(StatusCode::OK, &self.completed(&principal, (&bucket, &key), asked, options).await?))
    }

    async fn sign_download(&self, call: &Call, place: RawPlace<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let (bucket, key) = place.parse()?;
        let object = self.readable(&principal, &bucket, &key).await?;
        let query = Query::new(call.parts.uri.query());
        let (lifetime, use_cdn, redirect) = (transfer_lifetime(query)?, boolean(query, "useCdn")?, boolean(query, "redirect")?);
        boolean(query, "public-resource-fallback")?;
        if let Some(answer) = unmodified(&call.parts.headers, &object) {
            return Ok(answer);
        }
        let asked = DownloadAsked {
            content_type: text(query, "response-content-type")?.map(Cow::into_owned),
            disposition: text(query, "response-content-disposition")?.map(Cow::into_owned),
        };
        let found = self.download(&principal, &object, asked, lifetime, use_cdn).await?;
        match HeaderValue::from_str(&found.url) {
            Ok(url) if redirect => {
                let mut answer = nothing(StatusCode::TEMPORARY_REDIRECT);
                answer.headers_mut().insert(LOCATION, url);
                Ok(answer)
            }
            _ => Ok(json(StatusCode::OK, &found)),
        }
    }

    /// `PUT …/objects/{objectKey}/copyto/{newObjectKey}`. Preconditions are those of the new place.
    async fn copy_object(&self, call: &Call, place: RawPlace<'_>, to: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let ((bucket, key), to) = (place.parse()?, object_key(to)?);
        // The vendor's `data:write` and `data:create` copy what their key may read.
        let principal = self.with_scope(principal, Scope::ObjectRead)?;
        let headers = &call.parts.headers;
        let present = self.present(call, &principal, &bucket, &to).await?;
        let etag = present.as_deref().map(|object| (object, etag_of(object)));
        let condition = write_condition(headers, etag).map_err(ServiceError::Refused)?;
        let failed = |error| not_to_be_replaced(error, condition != Condition::None);
        let copied = self.service().copy_object(&principal, &bucket, &key, &to, condition).await.map_err(failed)?;
        let object = self.service().with_digests(Arc::new(copied.object)).await?;
        Ok(json(StatusCode::OK, &object_body(&object, self.public_url())))
    }

    /// What an upload to a place would replace: with its digests, where preconditions are compared with it.
    async fn present(
        &self,
        call: &Call,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<Arc<ObjectRow>>, ApiError> {
        match self.service().object_to_replace(principal, bucket, key).await? {
            Some(object) if is_conditional(&call.parts) => Ok(Some(self.service().with_digests(object).await?)),
            present => Ok(present),
        }
    }
}

/// The credential in a URL of the vendor's: a signed resource, or its alias below a bucket.
pub fn credential_of(_base_path: &str, path: &str, _query: Option<&str>) -> Option<Result<UrlCredential, Refusal>> {
    signed_resource(&path.split('/').skip(1).collect::<Vec<_>>())
}

/// The same by the segments of its path.
fn signed_resource(segments: &[&str]) -> Option<Result<UrlCredential, Refusal>> {
    match segments {
        ["oss", "v2", "signedresources", id] => {
            Some(LinkSecret::parse_uuid(id).map(UrlCredential::Link).ok_or(Refusal::UnknownLink))
        }
        ["oss", "v2", bucket, id] if !OWN_SEGMENTS.contains(bucket) => {
            let (secret, bucket) = (LinkSecret::parse_uuid(id)?, bucket_name(bucket).ok()?);
            Some(Ok(UrlCredential::LinkInBucket { secret, bucket }))
        }
        _ => None,
    }
}

/// An object's place as the path has it.
#[derive(Clone, Copy)]
pub(crate) struct RawPlace<'a> {
    bucket: &'a str,
    key: &'a str,
}

impl RawPlace<'_> {
    pub(crate) fn parse(self) -> Result<(BucketName, ObjectKey), ApiError> {
        Ok((bucket_name(self.bucket)?, object_key(self.key)?))
    }
}

/// The digests that answers need.
pub(crate) fn digests() -> DigestSet {
    DigestSet::SHA1 | DigestSet::MD5
}

pub(crate) fn require_writing(principal: &Principal) -> Result<(), ServiceError> {
    principal.require(Scope::ObjectWrite).or_else(|error| principal.require(Scope::ObjectCreate).map_err(|_| error))
}

/// Without a precondition there is one reason not to replace an object: the token's scope only creates.
pub(crate) fn not_to_be_replaced(error: ServiceError, conditional: bool) -> ApiError {
    match error {
        ServiceError::Refused(Refusal::Exists) if !conditional => Gateway::NoPrivilege.into(),
        error => error.into(),
    }
}

/// Whether only a part of an object is being sent: stored as if it were the whole, it would destroy what is there (RFC 9110 §14.5).
pub(crate) fn is_partial(parts: &Parts) -> bool {
    parts.method == Method::PUT && parts.headers.contains_key(CONTENT_RANGE)
}

fn is_conditional(parts: &Parts) -> bool {
    parts.headers.contains_key(http::header::IF_MATCH) || parts.headers.contains_key(http::header::IF_NONE_MATCH)
}

/// The 304 or 412 that the request's preconditions lead to.
pub(crate) fn unmodified(headers: &HeaderMap, object: &ObjectRow) -> Option<Response<ResponseBody>> {
    let etag = etag_of(object);
    let validators = Validators { etag: &etag, last_modified: object.modified_at };
    match precondition::evaluate(headers, Access::Read, Some(&validators)) {
        Outcome::Proceed => None,
        Outcome::NotModified => {
            let mut answer = nothing(StatusCode::NOT_MODIFIED);
            if let Some(etag) = precondition::etag(&etag) {
                answer.headers_mut().insert(ETAG, etag);
            }
            Some(answer)
        }
        Outcome::Failed => Some(errors::refused(Refusal::Exists, Place::Api)),
    }
}

pub(crate) fn transfer_lifetime(query: Query<'_>) -> Result<Duration, ApiError> {
    let minutes = number(query, "minutesExpiration", TRANSFER_MINUTES.0, 1..=TRANSFER_MINUTES.1)?;
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

pub(crate) async fn whole(body: RequestBody) -> Result<Bytes, ApiError> {
    receive_whole(body, MAX_BODY_BYTES).await.map_err(|error| match error {
        ReceiveError::Service(ServiceError::Refused(Refusal::TooLarge)) => {
            ApiError::Reason(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large".into())
        }
        ReceiveError::Service(error) => error.into(),
        ReceiveError::BrokenOff => bad("The body broke off"),
    })
}

/// An answer without a body.
pub(crate) fn nothing(status: StatusCode) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = status;
    answer
}

fn no_such_path() -> ApiError {
    ApiError::Reason(StatusCode::NOT_FOUND, "The requested resource does not exist".into())
}

/// 405.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<ResponseBody> {
    let mut answer = closing(errors::reason(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        const UUID: &str = "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff";
        let secret = LinkSecret::parse_uuid(UUID).unwrap();
        let bucket = || "demo".parse().unwrap();
        for (path, expected) in [
            (format!("/oss/v2/signedresources/{UUID}"), Some(Ok(UrlCredential::Link(secret)))),
            (format!("/oss/v2/demo/{UUID}"), Some(Ok(UrlCredential::LinkInBucket { secret, bucket: bucket() }))),
            ("/oss/v2/signedresources/x".to_owned(), Some(Err(Refusal::UnknownLink))),
            ("/oss/v2/demo/x".to_owned(), None),
            (format!("/oss/v2/buckets/{UUID}"), None),
            (format!("/oss/v2/uploads/{UUID}/1"), None),
            (format!("/o/demo/{UUID}"), None),
        ] {
            assert_eq!(credential_of("", &path, Some("region=US")), expected, "{path}");
        }
    }

    #[test]
    fn paths() {
        for (path, owned) in [
            ("/oss/v2", true),
            ("/oss/v2/buckets", true),
            ("/oss/v2/signedresources/x", true),
            ("/authentication/v2/token", true),
            ("/oss/v20/x", false),
            ("/oss/v1/x", false),
            ("/authentication/v1/authenticate", true),
            ("/authentication/v3/token", false),
            ("/o/b/k", false),
            ("/", false),
        ] {
            assert_eq!(Autodesk::owns(path), owned, "{path}");
        }
    }
}
