//! Signed URLs: a request with its credential in, an answer in the dialect's shape out.

use crate::answer::{Representation, Selected, counted, select, send};
use crate::body::{ReadyHead, ResponseBody};
use crate::face::{Face, status};
use crate::http1::request_body::RequestBody;
use crate::kept::{Kept, Key, Ready, asks_for_all};
use crate::listener::{ConnectionInfo, closing};
use crate::offer;
use crate::receive::{ReceiveError, WriteHeaders, receive};
use http::header::{ALLOW, CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{Response, StatusCode};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use valetkey_http_common::client_address::{ClientAddressFrom, client_address};
use valetkey_http_common::query::Query;
use valetkey_http_common::security::Caching;
use valetkey_http_common::{cors, security};
use valetkey_model::{Dialect, Disposition, Entropy, Method, Network, Outcome, Refusal, sabotaged};
use valetkey_service::redeem::{
    Admission, Found, Grant, Presented, PresentedCredential, Pressed, Sessions, claimed_dialect, session_name,
};
use valetkey_service::{DigestSet, Service, ServiceError, UploadOptions};

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

impl ClientAddressPolicy {
    /// The client's address, of a request with these headers from this peer.
    pub fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_address(peer, headers, &self.trusted_proxies, self.from)
    }
}

/// Answers signed URLs, whatever dialect they were issued by. Cheap to clone.
#[derive(Clone)]
pub struct SignedUrls {
    pub(crate) service: Service,
    clients: ClientAddressPolicy,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Whether cookies may travel over HTTPS only.
    secure_cookies: bool,
    issuer_faces: Arc<[(Dialect, Arc<dyn Face>)]>,
    kept: Arc<Kept>,
}

impl SignedUrls {
    /// Answers from `service`, over HTTPS as far as clients see if `secure_cookies`.
    pub fn new(service: Service, clients: ClientAddressPolicy, entropy: Arc<dyn Entropy>, secure_cookies: bool) -> Self {
        Self { service, clients, entropy, secure_cookies, issuer_faces: Arc::new([]), kept: Arc::new(Kept::new()) }
    }

    /// The same, where URLs that this dialect issued are answered with this face, whoever's path they have: tokens, and links as
    /// far as they are known.
    #[must_use]
    pub fn with_issuer_face(self, dialect: Dialect, face: Arc<dyn Face>) -> Self {
        let faces = self.issuer_faces.iter().cloned().chain([(dialect, face)]);
        Self { issuer_faces: faces.collect(), ..self }
    }

    /// The client's address, as the operator's trust in proxies makes it out.
    pub fn client_of(&self, parts: &Parts, connection: &ConnectionInfo) -> IpAddr {
        self.clients.client_of(connection.peer().ip(), &parts.headers)
    }

    /// Answers one request, whose credential the dialect has found in its URL.
    pub async fn call(
        &self,
        face: &dyn Face,
        credential: PresentedCredential<'_>,
        parts: &Parts,
        body: RequestBody,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        if parts.method == http::Method::OPTIONS {
            return self.finished(preflight(&parts.headers, &methods_of(credential)));
        }
        // Whoever presses the button of the page wants what a GET gives.
        let pressed = face.offers() && offer::is_pressed(parts);
        let method = if pressed { Some(Method::Get) } else { method_of(parts) };
        let Some(method) = method else {
            let dialect = credential.claimed_dialect().unwrap_or(face.dialect());
            self.count_unproved(dialect, Refusal::WrongMethod, parts, connection);
            return self.finished(method_not_allowed(&methods_of(credential)));
        };
        let client = self.client_of(parts, connection);
        let sessions = sessions(&parts.headers);
        let presented = presented(credential, method, client, parts, &sessions, face.dialect());
        let answer = match method {
            _ if pressed => {
                let answer = Box::pin(self.press(face, &presented, parts, body)).await;
                answer.map(|answer| self.finished(answer)).map_err(|refusal| (refusal, true))
            }
            Method::Put => {
                let answer = Box::pin(self.put(face, &presented, parts, body)).await;
                answer.map(|answer| self.finished(answer)).map_err(|refusal| (refusal, true))
            }
            _ => self.get(face, &presented, parts).await.map_err(|refusal| (refusal, false)),
        };
        match answer {
            Ok(answer) => answer,
            Err((refusal, unread)) => {
                let answer = Box::pin(self.refused(face, refusal, credential, &parts.headers, client)).await;
                if unread { closing(answer) } else { answer }
            }
        }
    }

    /// The refusal of a request that has no credential to be verified.
    pub fn refuse(
        &self,
        face: &dyn Face,
        refusal: Refusal,
        parts: &Parts,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        if parts.method == http::Method::OPTIONS {
            return self.finished(preflight(&parts.headers, &METHODS));
        }
        if method_of(parts).is_none() {
            self.count_unproved(face.dialect(), Refusal::WrongMethod, parts, connection);
            return self.finished(method_not_allowed(&METHODS));
        }
        self.count_unproved(face.dialect(), refusal, parts, connection);
        self.finished(closing(with_retry(refusal, face.refusal(refusal, &parts.headers))))
    }

    /// Counts a request to a signed URL that a dialect refuses by itself, before anything was proved. One with a method that no
    /// URL of any kind is for is not counted.
    pub fn count_unproved(&self, dialect: Dialect, refusal: Refusal, parts: &Parts, connection: &ConnectionInfo) {
        if let Some(method) = Method::parse(parts.method.as_str()) {
            self.service.count_unproved(dialect, method, self.client_of(parts, connection), refusal);
        }
    }

    /// The same where there are several tokens, or one that is no text: in the shape of the dialect that they claim.
    pub fn refuse_tokens<'t>(
        &self,
        face: &dyn Face,
        refusal: Refusal,
        tokens: impl IntoIterator<Item = &'t [u8]>,
        parts: &Parts,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        self.refuse(self.face_of_tokens(face, tokens), refusal, parts, connection)
    }

    /// The refusal of an upload of only a part of an object, in the shape of the dialect that its tokens claim.
    pub fn refuse_partial_upload<'t>(
        &self,
        face: &dyn Face,
        tokens: impl IntoIterator<Item = &'t [u8]>,
        parts: &Parts,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        let face = self.face_of_tokens(face, tokens);
        self.count_unproved(face.dialect(), Refusal::Malformed, parts, connection);
        self.finished(closing(face.partial_upload()))
    }

    fn face_of_tokens<'a, 't>(&'a self, face: &'a dyn Face, tokens: impl IntoIterator<Item = &'t [u8]>) -> &'a dyn Face {
        claimed_dialect(tokens).map_or(face, |dialect| self.face_for(face, dialect))
    }

    /// A signed GET or HEAD: one function whose lines are the phases, the last of them by how much is asked for. What is seldom
    /// needed is in a box: every request's future is moved about, and is as large as its largest part.
    async fn get(&self, face: &dyn Face, presented: &Presented<'_>, parts: &Parts) -> Result<Response<ResponseBody>, Refusal> {
        let grant = self.service.verify(presented).await?;
        let face = self.face_for(face, grant.terms().dialect);
        let admission = self.service.admit(grant).await?;
        let mut found = self.service.find(admission).await?;
        if face.offers() && found.grant().is_limited() && offer::is_wanted(parts) {
            let offer = Box::pin(self.service.offer(&found)).await?;
            if let Some(offer) = offer.filter(|_| !sabotaged("offer-skipped")) {
                return Ok(self.finished(offer::page(&found, &offer, false)));
            }
        }
        if face.needs_digests() {
            found = Box::pin(self.with_digests(found)).await?;
        }
        match kept_key(face, &found, parts) {
            Some(key) => self.whole(face, key, found, parts).await,
            None => Box::pin(self.selected(face, found, presented, parts)).await,
        }
    }

    /// A signed POST: the button of the page was pressed. It is a GET until there is a session, which the GET that follows has.
    async fn press(
        &self,
        face: &dyn Face,
        presented: &Presented<'_>,
        parts: &Parts,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let grant = match self.service.verify(presented).await {
            Err(Refusal::WrongMethod) => return Ok(method_not_allowed(&methods_of(presented.credential))),
            verified => verified?,
        };
        let face = self.face_for(face, grant.terms().dialect);
        if !grant.is_limited() || !face.offers() {
            self.service.refused(&grant, Refusal::WrongMethod);
            return Ok(method_not_allowed(&methods_of(presented.credential)));
        }
        let admission = self.service.admit(grant).await?;
        let found = self.service.find(admission).await?;
        let Some(nonce) = offer::nonce_in(body).await.map_err(|refusal| self.service.count_refusal(&found, refusal))? else {
            self.service.count_answer(&found, Outcome::BrokenOff);
            return Ok(closing(face.broken_off()));
        };
        let pressed = self.service.press(&found, &nonce).await?;
        if let Pressed::NotOffered = pressed
            && let Some(offer) = self.service.offer(&found).await?
        {
            return Ok(offer::page(&found, &offer, true));
        }
        let path = parts.uri.path();
        let mut answer = offer::see_other(&self.seen_path(path), parts.uri.query());
        if let (Pressed::Opened(secret), Some(link_id)) = (pressed, found.grant().link_id()) {
            self.give_session(answer.headers_mut(), &session_name(&link_id), secret.expose(), path);
        }
        Ok(answer)
    }

    /// What the request selects of an object.
    async fn selected(
        &self,
        face: &dyn Face,
        found: Found,
        presented: &Presented<'_>,
        parts: &Parts,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (head, ranges, framing) = match self.select(face, &found, parts) {
            Selected::Send { head, ranges, framing } if presented.method == Method::Get => (head, ranges, framing),
            uncounted => {
                self.service.has_uses_left(&found).await?;
                let (outcome, answer) = match uncounted {
                    Selected::Answer(answer) => (outcome_of(answer.status()), *answer),
                    Selected::Send { head, .. } => (Outcome::Described, head.map(|()| ResponseBody::empty())),
                };
                self.service.count_answer(&found, outcome);
                return Ok(self.finished(answer));
            }
        };
        let link_id = found.grant().link_id();
        let reservation = self.service.reserve(found.select(ranges)).await?;
        let mut delivery = self.service.open(reservation).await?;
        let secret = delivery.session_secret.take();
        let mut answer = head.map(|()| send(delivery, framing));
        if let (Some(secret), Some(link_id)) = (secret, link_id) {
            self.give_session(answer.headers_mut(), &session_name(&link_id), secret.expose(), parts.uri.path());
        }
        Ok(self.finished(answer))
    }

    /// All of an object, under an unlimited grant: by a ready answer if there is one.
    #[allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    async fn whole(&self, face: &dyn Face, key: Key, found: Found, parts: &Parts) -> Result<Response<ResponseBody>, Refusal> {
        let cache_control = caching(found.grant()).cache_control(found.grant().at());
        let kept = self.kept.find(&key, found.object());
        let head = match &kept {
            Some(ready) => ready.head.clone(),
            None => self.whole_head(face, &found, parts),
        };
        let body = match kept.as_deref() {
            _ if parts.method == http::Method::HEAD => {
                self.service.count_answer(&found, Outcome::Described);
                ResponseBody::empty()
            }
            Some(Ready { bytes: Some(bytes), .. }) => {
                counted(ResponseBody::bytes(bytes.clone()), Some(self.service.counting(&found)))
            }
            ready => {
                let object = found.object().clone();
                let reservation = self.service.reserve(found.select(vec![0..object.size_bytes])).await?;
                let delivery = self.service.open(reservation).await?;
                if ready.is_none() && Kept::is_due() {
                    self.kept.keep(key, object, head.clone(), &delivery.blob);
                }
                send(delivery, None)
            }
        };
        Ok(Response::new(body.with_head(head.with(CACHE_CONTROL, cache_control))))
    }

    /// The head of an answer with all of an object, but for how long it may be kept.
    fn whole_head(&self, face: &dyn Face, found: &Found, parts: &Parts) -> ReadyHead {
        let head = match self.select(face, found, parts) {
            Selected::Send { head, .. } => head.map(|()| ResponseBody::empty()),
            Selected::Answer(answer) => *answer,
        };
        let mut head = self.finished(head);
        head.headers_mut().remove(CACHE_CONTROL);
        ReadyHead::new(head.headers())
    }

    async fn with_digests(&self, found: Found) -> Result<Found, Refusal> {
        match self.service.with_digests(found.object().clone()).await {
            Ok(object) => Ok(found.with_object(object)),
            Err(error) => Err(self.service.count_refusal(&found, error.as_refusal())),
        }
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
            now: grant.at(),
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
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let grant = self.service.verify(presented).await?;
        let face = self.face_for(face, grant.terms().dialect);
        let admission = self.service.admit(grant).await?;
        let attempt = self.service.attempt_of(&admission);
        match self.stored(face, admission, parts, body).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                attempt.ended(&self.service, Outcome::BrokenOff);
                Ok(closing(face.broken_off()))
            }
            Err(refusal) => {
                attempt.ended(&self.service, Outcome::Refused(refusal));
                Err(refusal)
            }
        }
    }

    /// The answer to an upload under an admitted grant; `None` if its body ended early.
    async fn stored(
        &self,
        face: &dyn Face,
        admission: Admission,
        parts: &Parts,
        body: RequestBody,
    ) -> Result<Option<Response<ResponseBody>>, Refusal> {
        let options = self.options_of(face, &admission, parts).await?;
        let failed = |error: ServiceError| error.as_refusal();
        let mut upload = self.service.upload_granted(admission, options).await.map_err(failed)?;
        match receive(body, &mut upload).await {
            Ok(()) => Ok(Some(face.published(&upload.finish().await.map_err(failed)?))),
            Err(ReceiveError::Service(error)) => Err(failed(error)),
            Err(ReceiveError::BrokenOff) => Ok(None),
        }
    }

    /// What the headers of a write request say, with its preconditions compared with what is there.
    pub(crate) async fn options_of(
        &self,
        face: &dyn Face,
        admission: &Admission,
        parts: &Parts,
    ) -> Result<UploadOptions, Refusal> {
        let unread = |name| {
            tracing::info!(name, "an upload has {BAD_DIGEST}");
            Refusal::DigestMismatch
        };
        let declared_sha1 = face.declared_sha1(&parts.headers).map_err(unread)?;
        let headers = WriteHeaders::read(&parts.headers).map_err(unread)?.with_sha1(declared_sha1);
        let present = match self.service.granted_object(admission).await? {
            Some(object) if face.needs_digests() => {
                Some(self.service.with_digests(object).await.map_err(|error| error.as_refusal())?)
            }
            present => present,
        };
        let present = present.as_deref().map(|object| (object, face.etag(object)));
        let digests = if face.needs_digests() { DigestSet::SHA1 | DigestSet::MD5 } else { DigestSet::default() };
        headers.options(&parts.headers, present, digests)
    }

    /// The face for a URL that this dialect issued: it may be another than the path's.
    pub(crate) fn face_for<'a>(&'a self, face: &'a dyn Face, issued_by: Dialect) -> &'a dyn Face {
        self.issuer_faces.iter().find(|(of, _)| *of == issued_by).map_or(face, |(_, face)| &**face)
    }

    pub(crate) async fn refused(
        &self,
        face: &dyn Face,
        refusal: Refusal,
        credential: PresentedCredential<'_>,
        request: &HeaderMap,
        client: IpAddr,
    ) -> Response<ResponseBody> {
        tracing::info!(code = refusal.code(), %client, "a signed URL was refused");
        // What no store knows, and what it cannot tell at present, is not asked for again.
        let may_be_known = !matches!(refusal, Refusal::UnknownLink | Refusal::Unavailable) && !self.issuer_faces.is_empty();
        let issued_by = if may_be_known { self.service.claimed_dialect(credential).await } else { credential.claimed_dialect() };
        let face = issued_by.map_or(face, |dialect| self.face_for(face, dialect));
        let mut answer = with_retry(refusal, face.refusal(refusal, request));
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            let methods = served(self.service.claimed_methods(credential).await);
            answer.headers_mut().entry(ALLOW).or_insert_with(|| cors::allow(&methods));
        }
        self.finished(answer)
    }

    /// Adds what every answer on a blob URL carries.
    pub fn finished(&self, mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
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

/// Under what the ready answer to this request is kept; `None` if there can be none.
fn kept_key(face: &dyn Face, found: &Found, parts: &Parts) -> Option<Key> {
    let (terms, object) = (found.grant().terms(), found.object());
    let is_plain = !found.grant().is_limited() && terms.file_name.is_none() && terms.content_type.is_none();
    let face = face.kept_as().filter(|_| is_plain && asks_for_all(&parts.headers))?;
    Some(Key { blob: object.blob, face, disposition: terms.disposition.unwrap_or_default() })
}

/// The credential of a request, with what the request says besides.
pub(crate) fn presented<'a>(
    credential: PresentedCredential<'a>,
    method: Method,
    client: IpAddr,
    parts: &'a Parts,
    sessions: &'a Sessions<'a>,
    dialect: Dialect,
) -> Presented<'a> {
    let user_agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    Presented { credential, method, client, user_agent, sessions, prefetch: is_prefetch(&parts.headers), dialect }
}

/// The method, if it is one of signed URLs.
fn method_of(parts: &Parts) -> Option<Method> {
    Method::parse(parts.method.as_str()).filter(|method| METHODS.contains(method))
}

/// The methods of signed URLs that a credential says it is for, which is told and never relied on. All of them where it says
/// nothing: what a link is for the store alone knows, which OPTIONS never asks; and a token may be coming in a header, which a
/// preflight request is without.
fn methods_of(credential: PresentedCredential<'_>) -> Vec<Method> {
    served(credential.claimed_methods())
}

/// Those of the methods that a URL is for that are served; all of them where that is not known. HEAD stands beside GET alone: an object
/// is not described to who only writes it.
fn served(claimed: Option<Vec<Method>>) -> Vec<Method> {
    let claimed = claimed.unwrap_or_default();
    let reads = claimed.contains(&Method::Get);
    let is_served = |method: &Method| claimed.contains(method) && (*method != Method::Head || reads || claimed.len() == 1);
    let some: Vec<_> = METHODS.into_iter().filter(is_served).collect();
    if some.is_empty() { METHODS.to_vec() } else { some }
}

/// What an answer that sends nothing of an object comes to.
fn outcome_of(status: StatusCode) -> Outcome {
    match status {
        StatusCode::NOT_MODIFIED => Outcome::NotModified,
        StatusCode::RANGE_NOT_SATISFIABLE => Outcome::RangeNotSatisfiable,
        _ => Outcome::PreconditionFailed,
    }
}

fn method_not_allowed(methods: &[Method]) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, cors::allow(methods));
    closing(answer)
}

fn preflight(request: &HeaderMap, methods: &[Method]) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::NO_CONTENT);
    cors::preflight(request, methods, answer.headers_mut());
    answer
}

fn with_retry(refusal: Refusal, mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
    if let Some(seconds) = refusal.retry_after_seconds() {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn caching(grant: &Grant) -> Caching {
    match (grant.is_limited(), grant.is_public()) {
        (true, _) => Caching::Never,
        (false, true) => Caching::Public,
        (false, false) => Caching::UntilExpiry { expires_at: grant.expires_at(), at_most: MAX_AGE },
    }
}

/// The session secrets in `Valetkey-Session` and in cookies named `vk_…`: as many as the head of a request can hold.
pub(crate) fn sessions(headers: &HeaderMap) -> Sessions<'_> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let kept = cookies.filter_map(|cookie| cookie.trim().strip_prefix("vk_")?.split_once('='));
    Sessions { explicit: headers.get(&SESSION).and_then(|value| value.to_str().ok()), kept: kept.collect() }
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName| headers.get(name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch"));
    says(&SEC_PURPOSE) || says(&PURPOSE)
}
