//! Signed URLs: a request with its credential in, an answer in the dialect's shape out.

use crate::answer::{Representation, Selected, select, send};
use crate::body::ResponseBody;
use crate::face::{Face, status};
use crate::listener::{ConnectionInfo, closing};
use crate::receive::{ReceiveError, WriteHeaders, receive};
use http::header::{ALLOW, CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use valetkey_http_common::client_address::{ClientAddressFrom, client_address};
use valetkey_http_common::query::Query;
use valetkey_http_common::security::Caching;
use valetkey_http_common::{cors, security};
use valetkey_model::{Disposition, Entropy, Method, Network, Refusal};
use valetkey_service::redeem::{Found, Grant, Presented, PresentedCredential, Sessions, session_name};
use valetkey_service::{DigestSet, Service, ServiceError};

/// The methods of signed URLs.
const METHODS: [Method; 3] = [Method::Get, Method::Head, Method::Put];
/// The longest a client keeps an answer.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

static SESSION: HeaderName = HeaderName::from_static("valetkey-session");
static SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
static PURPOSE: HeaderName = HeaderName::from_static("purpose");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static BAD_DIGEST: &str = "a digest header that is not one";

/// Whom to believe about the client's address.
#[derive(Clone, Debug)]
pub struct ClientAddressPolicy {
    /// The proxies that may name it; nobody by default.
    pub trusted_proxies: Arc<[Network]>,
    /// In which header they do.
    pub from: ClientAddressFrom,
}

/// Answers signed URLs, whatever dialect they were issued by. Cheap to clone.
#[derive(Clone)]
pub struct SignedUrls {
    service: Service,
    clients: ClientAddressPolicy,
    entropy: Arc<dyn Entropy>,
    /// Whether cookies may travel over HTTPS only.
    secure_cookies: bool,
}

impl SignedUrls {
    /// Answers from `service`, over HTTPS as far as clients see if `secure_cookies`.
    pub fn new(service: Service, clients: ClientAddressPolicy, entropy: Arc<dyn Entropy>, secure_cookies: bool) -> Self {
        Self { service, clients, entropy, secure_cookies }
    }

    /// Answers one request, whose credential the dialect has found in its URL.
    pub async fn call(
        &self,
        face: &dyn Face,
        credential: PresentedCredential<'_>,
        parts: &Parts,
        body: Incoming,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        if parts.method == http::Method::OPTIONS {
            return self.finished(preflight(&parts.headers));
        }
        let method = Method::parse(parts.method.as_str()).filter(|method| METHODS.contains(method));
        let Some(method) = method else {
            let mut answer = status(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(ALLOW, cors::allow(&METHODS));
            return self.finished(closing(answer));
        };
        let client = client_address(connection.peer().ip(), &parts.headers, &self.clients.trusted_proxies, self.clients.from);
        let sessions = sessions(&parts.headers);
        let presented = Presented {
            credential,
            method,
            client,
            user_agent: parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default(),
            sessions: &sessions,
            prefetch: is_prefetch(&parts.headers),
        };
        let answer = match method {
            Method::Put => self.put(face, &presented, parts, body).await.map_err(|refusal| (refusal, true)),
            _ => self.get(face, &presented, parts).await.map_err(|refusal| (refusal, false)),
        };
        self.finished(answer.unwrap_or_else(|(refusal, unread)| {
            let answer = self.refused(face, refusal, &parts.headers, client);
            if unread { closing(answer) } else { answer }
        }))
    }

    /// The refusal of a request that has no credential to be verified.
    pub fn refuse(&self, face: &dyn Face, refusal: Refusal, parts: &Parts) -> Response<ResponseBody> {
        if parts.method == http::Method::OPTIONS {
            return self.finished(preflight(&parts.headers));
        }
        self.finished(closing(with_retry(refusal, face.refusal(refusal, &parts.headers))))
    }

    /// A signed GET or HEAD: one function whose lines are the phases.
    async fn get(&self, face: &dyn Face, presented: &Presented<'_>, parts: &Parts) -> Result<Response<ResponseBody>, Refusal> {
        let grant = self.service.verify(presented).await?;
        let admission = self.service.admit(grant).await?;
        let found = self.found(face, self.service.find(admission).await?).await?;
        let (head, ranges, framing) = match self.select(face, &found, parts) {
            Selected::Send { head, ranges, framing } if presented.method == Method::Get => (head, ranges, framing),
            uncounted => {
                self.service.has_uses_left(&found).await?;
                return Ok(match uncounted {
                    Selected::Answer(answer) => *answer,
                    Selected::Send { head, .. } => head.map(|()| ResponseBody::empty()),
                });
            }
        };
        let link_id = found.grant().link_id();
        let reservation = self.service.reserve(found.select(ranges)).await?;
        let mut delivery = self.service.open(reservation).await?;
        let secret = delivery.session_secret.take();
        let mut answer = head.map(|()| send(delivery, framing));
        if let Some(secret) = secret {
            self.give_session(answer.headers_mut(), &session_name(&link_id), secret.expose(), parts.uri.path());
        }
        Ok(answer)
    }

    async fn found(&self, face: &dyn Face, found: Found) -> Result<Found, Refusal> {
        if !face.needs_digests() {
            return Ok(found);
        }
        let object = self.service.with_digests(found.object().clone()).await.map_err(|error| error.as_refusal())?;
        Ok(found.with_object(object))
    }

    fn select(&self, face: &dyn Face, found: &Found, parts: &Parts) -> Selected {
        let (grant, object) = (found.grant(), found.object());
        let terms = grant.terms();
        let asked = face.file_name_asked(Query::new(parts.uri.query()));
        let shown = Representation {
            object,
            etag: face.etag(object),
            disposition: if asked.is_some() { Disposition::Attachment } else { terms.disposition.unwrap_or_default() },
            file_name: asked.as_deref().or(terms.file_name.as_deref()),
            content_type: terms.content_type.as_deref(),
            caching: caching(grant),
            now: self.service.now(),
        };
        let mut boundary = [0; 16];
        if parts.headers.contains_key(http::header::RANGE) {
            self.entropy.fill(&mut boundary);
        }
        select(face, &parts.headers, &shown, boundary)
    }

    /// A signed PUT.
    async fn put(
        &self,
        face: &dyn Face,
        presented: &Presented<'_>,
        parts: &Parts,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let grant = self.service.verify(presented).await?;
        let admission = self.service.admit(grant).await?;
        let headers = WriteHeaders::read(&parts.headers).map_err(|name| {
            tracing::info!(name, "an upload has {BAD_DIGEST}");
            Refusal::DigestMismatch
        })?;
        let present = match self.service.granted_object(&admission).await? {
            Some(object) if face.needs_digests() => {
                Some(self.service.with_digests(object).await.map_err(|error| error.as_refusal())?)
            }
            present => present,
        };
        let present = present.as_deref().map(|object| (object, face.etag(object)));
        let digests = if face.needs_digests() { DigestSet::SHA1 | DigestSet::MD5 } else { DigestSet::default() };
        let options = headers.options(&parts.headers, present, digests)?;
        let failed = |error: ServiceError| error.as_refusal();
        let mut upload = self.service.upload_granted(admission, options).await.map_err(failed)?;
        match receive(body, &mut upload).await {
            Ok(()) => Ok(face.published(&upload.finish().await.map_err(failed)?)),
            Err(ReceiveError::Service(error)) => Err(failed(error)),
            Err(ReceiveError::BrokenOff) => Ok(closing(status(StatusCode::BAD_REQUEST))),
        }
    }

    fn refused(&self, face: &dyn Face, refusal: Refusal, request: &HeaderMap, client: IpAddr) -> Response<ResponseBody> {
        tracing::info!(code = refusal.code(), %client, "a signed URL was refused");
        with_retry(refusal, face.refusal(refusal, request))
    }

    /// Adds what every answer on a blob URL carries.
    fn finished(&self, mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
        let headers = answer.headers_mut();
        cors::apply(headers);
        security::apply(headers);
        headers.entry(CACHE_CONTROL).or_insert_with(|| NO_STORE.clone());
        answer
    }

    fn give_session(&self, headers: &mut HeaderMap, name: &str, secret: &str, path: &str) {
        if let Ok(value) = HeaderValue::from_str(secret) {
            headers.insert(SESSION.clone(), value);
        }
        let path = self.seen_path(path);
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        let cookie = format!("vk_{name}={secret}; Path={path}; HttpOnly; SameSite=Lax{secure}");
        // A path with `;` cannot be said in a cookie: such a client has the header.
        if let Ok(value) = HeaderValue::from_str(&cookie)
            && !path.contains(';')
        {
            headers.insert(SET_COOKIE, value);
        }
    }

    /// The path that the client sees: a proxy may have taken the base path away.
    fn seen_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let base = self.service.config().base_path.as_str();
        match path.strip_prefix(base) {
            Some(rest) if rest.starts_with('/') => Cow::Borrowed(path),
            _ => Cow::Owned(format!("{base}{path}")),
        }
    }
}

fn preflight(request: &HeaderMap) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::NO_CONTENT);
    cors::preflight(request, &METHODS, answer.headers_mut());
    answer
}

fn with_retry(refusal: Refusal, mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
    if let Some(seconds) = refusal.retry_after_seconds() {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn caching(grant: &Grant) -> Caching {
    match grant.is_limited() {
        true => Caching::Never,
        false => Caching::UntilExpiry { expires_at: grant.expires_at(), at_most: MAX_AGE },
    }
}

/// The session secrets in `Valetkey-Session` and in cookies named `vk_…`.
fn sessions(headers: &HeaderMap) -> Sessions<'_> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let kept = cookies.filter_map(|cookie| cookie.trim().strip_prefix("vk_")?.split_once('='));
    Sessions { explicit: headers.get(&SESSION).and_then(|value| value.to_str().ok()), kept: kept.take(16).collect() }
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName| headers.get(name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch"));
    says(&SEC_PURPOSE) || says(&PURPOSE)
}
