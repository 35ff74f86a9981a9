//! Resumable uploads to a write URL, in the protocol of
//! [Cloud Storage](https://cloud.google.com/storage/docs/performing-resumable-uploads): a POST with `x-goog-resumable: start` begins one
//! and tells its URL, which is the write URL with `upload_id`; PUTs with `Content-Range` send it range by range.

use crate::body::ResponseBody;
use crate::face::{Face, status};
use crate::http1::request_body::RequestBody;
use crate::listener::{ConnectionInfo, closing};
use crate::ranges::RangeAnswer;
use crate::signed::{SignedUrls, presented, sessions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use std::borrow::Cow;
use valetkey_http_common::content_range::{self, ContentRange};
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::query::Query;
use valetkey_model::{Outcome, Refusal};
use valetkey_service::redeem::{Admission, PresentedCredential};
use valetkey_service::{RangeError, RangeOrder, RangeRequest, ServiceError, UploadOptions};

/// The parameter that names an upload.
const UPLOAD_ID: &str = "upload_id";

static RESUMABLE: HeaderName = HeaderName::from_static("x-goog-resumable");
static UPLOAD_CONTENT_TYPE: HeaderName = HeaderName::from_static("x-upload-content-type");
static UPLOAD_CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-upload-content-length");

/// What a request to a write URL has to do with a resumable upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// It begins one.
    Start,
    /// It is for the one of this name.
    GoOn(Cow<'a, str>),
    /// It names more than one, or what cannot be a name.
    Malformed,
}

impl<'a> Step<'a> {
    /// The step that this request is, if it is one.
    pub fn of(parts: &'a Parts) -> Option<Self> {
        let starts = parts.headers.get(&RESUMABLE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"start"));
        match Query::new(parts.uri.query()).single(UPLOAD_ID) {
            _ if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) => None,
            Ok(None) => (starts && parts.method == Method::POST).then_some(Self::Start),
            Ok(Some(id)) => Some(Self::GoOn(id)),
            Err(_) => Some(Self::Malformed),
        }
    }
}

/// A signed URL's request: how its dialect answers, its credential, and where its URL is.
pub struct SignedRequest<'a> {
    /// The dialect whose path it has.
    pub face: &'a dyn Face,
    /// What was found in the URL.
    pub credential: PresentedCredential<'a>,
    /// Its head.
    pub parts: &'a Parts,
    /// Its raw path, without the base path.
    pub path: &'a str,
    /// Its connection.
    pub connection: &'a ConnectionInfo,
}

impl SignedUrls {
    /// Answers a step of a resumable upload; `urls` is what URLs begin with.
    pub async fn resume(
        &self,
        request: SignedRequest<'_>,
        body: RequestBody,
        step: Step<'_>,
        urls: &PublicUrls,
    ) -> Response<ResponseBody> {
        match (step, &request.parts.method) {
            (Step::Start, _) => self.begin(&request, urls).await,
            (Step::GoOn(id), &Method::PUT) => self.go_on(&request, body, &id).await,
            (Step::GoOn(id), &Method::DELETE) => self.abort(&request, &id).await,
            (Step::GoOn(_), _) => {
                let mut answer = status(StatusCode::METHOD_NOT_ALLOWED);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("PUT, DELETE, OPTIONS"));
                self.finished(closing(answer))
            }
            (Step::Malformed, _) => {
                let answer = self.shape(&request).bad_range(StatusCode::BAD_REQUEST, "`upload_id` in the query: expected one");
                self.finished(closing(answer))
            }
        }
    }

    async fn begin(&self, request: &SignedRequest<'_>, urls: &PublicUrls) -> Response<ResponseBody> {
        let Ok(options) = announced(&request.parts.headers) else {
            let detail = "`X-Upload-Content-Length`: expected a number of bytes";
            let answer = self.shape(request).bad_range(StatusCode::BAD_REQUEST, detail);
            return self.finished(closing(answer));
        };
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let id = URL_SAFE_NO_PAD.encode(id);
        let begun = self.admitted(request, async |admission| {
            self.service.begin_ranges_granted(&admission, &id, options).await?;
            let query = request.parts.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
            Ok(urls.of(&admission.bucket().region).join(&format!("{}?{query}{UPLOAD_ID}={id}", request.path)))
        });
        let location = match begun.await {
            Ok(location) => location,
            Err(refused) => return refused,
        };
        let mut answer = status(StatusCode::CREATED);
        if let Ok(location) = HeaderValue::from_str(&location) {
            answer.headers_mut().insert(LOCATION, location);
        }
        self.finished(answer)
    }

    async fn go_on(&self, request: &SignedRequest<'_>, body: RequestBody, id: &str) -> Response<ResponseBody> {
        let SignedRequest { face, credential, parts, connection, .. } = *request;
        let bad = |detail: &str| self.finished(closing(self.shape(request).bad_range(StatusCode::BAD_REQUEST, detail)));
        let declared_bytes = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let (range, total_bytes) = match content_range::of_request(&parts.headers) {
            Ok(Some(ContentRange { range, total_bytes: Some(total_bytes) })) => (range, total_bytes),
            Ok(Some(ContentRange { total_bytes: None, .. })) => {
                return bad("`Content-Range`: expected the length of the whole, not `*`");
            }
            // Without the field the body is all of it.
            Ok(None) => match declared_bytes {
                Some(length) => (valetkey_http_common::range::ByteRange::new(0, length), length),
                None => return bad("expected `Content-Range` or `Content-Length`"),
            },
            Err(error) => return bad(&format!("`Content-Range`: {error}")),
        };
        let asked = RangeRequest {
            session: id,
            range: range.map(|range| range.start()..range.end()),
            total_bytes,
            declared_bytes,
            expected_sha1: None,
            order: RangeOrder::Sequential,
        };
        match self.put_range(face, credential, parts, body, connection, asked).await {
            RangeAnswer::Answer(answer) | RangeAnswer::Published { answer, .. } => answer,
            RangeAnswer::Waiting { received_bytes, .. } => self.finished(incomplete(received_bytes)),
            // Where to go on is all that its client needs to know.
            RangeAnswer::NotKept(RangeError::Gap { received_bytes }, _) => self.finished(closing(incomplete(received_bytes))),
            RangeAnswer::NotKept(error, dialect) => {
                let status = match error {
                    RangeError::Unknown => StatusCode::NOT_FOUND,
                    RangeError::Overlaps => StatusCode::CONFLICT,
                    _ => StatusCode::BAD_REQUEST,
                };
                self.finished(closing(self.face_for(face, dialect).bad_range(status, &error.to_string())))
            }
        }
    }

    async fn abort(&self, request: &SignedRequest<'_>, id: &str) -> Response<ResponseBody> {
        let aborted = self.admitted(request, async |admission| self.service.abort_ranges_granted(&admission, id).await);
        let answer = match aborted.await {
            Ok(true) => status(StatusCode::NO_CONTENT),
            Ok(false) => self.shape(request).bad_range(StatusCode::NOT_FOUND, &RangeError::Unknown.to_string()),
            Err(refused) => return refused,
        };
        self.finished(answer)
    }

    /// How it is answered as far as its credential says by whom it was issued.
    fn shape<'a>(&'a self, request: &SignedRequest<'a>) -> &'a dyn Face {
        request.credential.claimed_dialect().map_or(request.face, |dialect| self.face_for(request.face, dialect))
    }

    /// What `work` gives for the admission of a request that writes; the error is the answer to one that is refused.
    async fn admitted<T>(
        &self,
        request: &SignedRequest<'_>,
        work: impl AsyncFnOnce(Admission) -> Result<T, ServiceError>,
    ) -> Result<T, Response<ResponseBody>> {
        let SignedRequest { face, credential, parts, connection, .. } = *request;
        let client = self.client_of(parts, connection);
        let sessions = sessions(&parts.headers);
        let presented = presented(credential, valetkey_model::Method::Put, client, parts, &sessions, face.dialect());
        let worked = async {
            let grant = self.service.verify(&presented).await?;
            let admission = self.service.admit(grant).await?;
            let attempt = self.service.attempt_of(&admission);
            let worked = work(admission).await.map_err(|error| error.as_refusal());
            attempt.ended(&self.service, worked.as_ref().err().map_or(Outcome::Done, |refusal| Outcome::Refused(*refusal)));
            worked
        };
        match Box::pin(worked).await {
            Ok(worked) => Ok(worked),
            Err::<_, Refusal>(refusal) => Err(closing(self.refused(face, refusal, credential, &parts.headers, client).await)),
        }
    }
}

/// What a POST says of the bytes to come.
fn announced(headers: &HeaderMap) -> Result<UploadOptions, std::num::ParseIntError> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let declared_bytes = text(&UPLOAD_CONTENT_LENGTH).map(str::parse).transpose()?;
    let content_type = text(&UPLOAD_CONTENT_TYPE).map(str::to_owned);
    Ok(UploadOptions { declared_bytes, content_type, ..UploadOptions::default() })
}

/// 308, which is no redirection here: what is there already. Nothing is said of an upload without a byte.
fn incomplete(received_bytes: u64) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::PERMANENT_REDIRECT);
    if let Some(last) = received_bytes.checked_sub(1)
        && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{last}"))
    {
        answer.headers_mut().insert(RANGE, range);
    }
    answer
}
