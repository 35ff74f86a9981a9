//! Resumable uploads: ranges of an object in any order, which the client's `Session-Id` holds together; by a signed resource, or by the
//! older call with an access token.

use crate::errors::{self, ApiError, Place};
use crate::face::{AutodeskFace, RangeFace};
use crate::routes::{Autodesk, Call, RawPlace, method_not_allowed, not_to_be_replaced, nothing, require_writing};
use crate::translate::{is_type, quote_validators};
use crate::wire::{from_hex, hex};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use std::borrow::Cow;
use std::ops::Range;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{Face as _, RangeAnswer, ReceiveError, RequestBody, receive};
use valetkey_http_common::content_range::{self, ContentRange};
use valetkey_http_common::cors;
use valetkey_http_common::path::decode;
use valetkey_model::{Refusal, Scope};
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{Condition, RangeError, RangeOrder, RangeOutcome, RangeRequest, ServiceError};

/// The longest name of a session.
const MAX_SESSION_BYTES: usize = 1024;

static SESSION_ID: HeaderName = HeaderName::from_static("session-id");
static CHUNK_SHA1: HeaderName = HeaderName::from_static("x-ads-chunk-sha1");

/// Why a request is no range of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoRange {
    NoSession,
    NoContentRange,
    NotASession,
    NotAContentRange,
    NotASha1,
}

impl Autodesk {
    /// `PUT /oss/v2/signedresources/{id}/resumable`.
    pub(crate) async fn put_signed_range(
        &self,
        mut parts: Parts,
        body: RequestBody,
        credential: Option<PresentedCredential<'_>>,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        quote_validators(&mut parts.headers);
        let face = RangeFace(AutodeskFace { public_url: self.public_url(), place: Place::Writing });
        let signed = &self.context.signed_urls;
        let Some(credential) = credential else {
            return signed.refuse(&face, Refusal::UnknownLink, &parts, connection);
        };
        let request = match requested(&parts.headers) {
            Ok(request) => request,
            Err(no_range) => {
                signed.count_unproved(valetkey_model::Dialect::Autodesk, Refusal::Malformed, &parts, connection);
                return signed.finished(closing(no_range.answer("Session-Id header is missed")));
            }
        };
        let answer = match signed.put_range(&face, credential, &parts, body, connection, request).await {
            RangeAnswer::Answer(answer) => answer,
            RangeAnswer::Published { answer, sha1 } => with_sha1(answer, sha1),
            RangeAnswer::Waiting { sha1, .. } => signed.finished(accepted(sha1)),
            RangeAnswer::NotKept(error, _) => signed.finished(closing(not_kept(error))),
        };
        // A published client declares fewer bytes than it sends with this type: what is left over would be the next request.
        if is_type(&parts.headers, "application/x-www-form-urlencoded") { closing(answer) } else { answer }
    }

    /// Any other method there.
    pub(crate) fn preflight_of_range(&self, parts: &Parts) -> Response<ResponseBody> {
        if parts.method != Method::OPTIONS {
            return self.context.signed_urls.finished(method_not_allowed("PUT, OPTIONS"));
        }
        let mut answer = nothing(StatusCode::NO_CONTENT);
        cors::preflight(&parts.headers, &[valetkey_model::Method::Put], answer.headers_mut());
        self.context.signed_urls.finished(answer)
    }

    /// `PUT …/objects/{objectKey}/resumable`.
    pub(crate) async fn put_range(
        &self,
        call: &Call,
        body: RequestBody,
        place: RawPlace<'_>,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let (bucket, key) = place.parse()?;
        let headers = &call.parts.headers;
        let request = match requested(headers) {
            Ok(request) => request,
            Err(no_range) => return Ok(closing(no_range.answer("Session-ID header is missing"))),
        };
        let mut options = self.write_options(call, &principal, (&bucket, &key)).await?;
        // What the headers say of the content they say of this range, and not of the whole.
        options.expected.clear();
        let conditional = options.condition != Condition::None;
        let failed = |error: RangeError| match error {
            RangeError::Service(error) => Err(not_to_be_replaced(error, conditional)),
            error => Ok(closing(not_kept(error))),
        };
        let mut upload = match self.service().write_range(&principal, (&bucket, &key), request, options).await {
            Ok(upload) => upload,
            Err(error) => return failed(error),
        };
        match receive(body, &mut upload).await {
            Ok(()) => {}
            Err(ReceiveError::Service(error)) => return failed(upload.failed(error)),
            Err(error @ ReceiveError::BrokenOff) => return Err(error.into()),
        }
        match upload.finish().await {
            Ok(RangeOutcome::Waiting { sha1, .. }) => Ok(accepted(sha1)),
            Ok(RangeOutcome::Published { published, sha1 }) => {
                let face = RangeFace(AutodeskFace { public_url: self.public_url(), place: Place::Api });
                Ok(with_sha1(face.published(&published), sha1))
            }
            Err(error) => failed(error),
        }
    }

    /// `GET …/objects/{objectKey}/status/{sessionId}`.
    pub(crate) async fn show_ranges(
        &self,
        call: &Call,
        place: RawPlace<'_>,
        session: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let mut principal = self.principal(call)?;
        if principal.scopes().has(Scope::ObjectRead) && require_writing(&principal).is_err() {
            // The vendor's `data:read` asks what has come of what its key may write.
            principal = self.with_scope(principal, Scope::ObjectWrite)?;
        }
        require_writing(&principal)?;
        let (bucket, key) = place.parse()?;
        let session = decode(session).map_err(|_| errors::bad("Invalid sessionId"))?;
        let received = self.service().received(&principal, (&bucket, &key), &session).await.map_err(|error| match error {
            ServiceError::NotFound { what: "upload" } => {
                ApiError::Reason(StatusCode::NOT_FOUND, "The specified session does not exist".into())
            }
            error => error.into(),
        })?;
        let mut answer = nothing(StatusCode::ACCEPTED);
        if let Some(ranges) = range_field(&received.ranges) {
            answer.headers_mut().insert(RANGE, ranges);
        }
        Ok(answer)
    }
}

impl NoRange {
    /// As the vendor tells it; the one without a session in the words of the call.
    fn answer(self, without_session: &'static str) -> Response<ResponseBody> {
        match self {
            Self::NoSession => plain(StatusCode::BAD_REQUEST, without_session),
            Self::NoContentRange => plain(StatusCode::RANGE_NOT_SATISFIABLE, "Missing Content-Range header"),
            Self::NotASession => {
                let text = format!("Invalid header 'Session-Id': expected 1 to {MAX_SESSION_BYTES} printable characters, once");
                errors::reason(StatusCode::BAD_REQUEST, &text)
            }
            Self::NotAContentRange => {
                let expected = "Invalid header 'Content-Range': expected 'bytes FIRST-LAST/TOTAL', once";
                errors::reason(StatusCode::BAD_REQUEST, expected)
            }
            Self::NotASha1 => {
                errors::reason(StatusCode::BAD_REQUEST, "Invalid header 'x-ads-chunk-sha1': expected a SHA-1 in hex")
            }
        }
    }
}

/// The range that a request's headers describe.
fn requested(headers: &HeaderMap) -> Result<RangeRequest<'_>, NoRange> {
    let session = only(headers, &SESSION_ID).map_err(|()| NoRange::NotASession)?.ok_or(NoRange::NoSession)?;
    if session.is_empty() || session.len() > MAX_SESSION_BYTES {
        return Err(NoRange::NotASession);
    }
    let found = content_range::of_request(headers).map_err(|_| NoRange::NotAContentRange)?;
    let Some(ContentRange { range: Some(range), total_bytes: Some(total_bytes) }) = found else {
        return Err(if headers.contains_key(CONTENT_RANGE) { NoRange::NotAContentRange } else { NoRange::NoContentRange });
    };
    let expected_sha1 = match only(headers, &CHUNK_SHA1).map_err(|()| NoRange::NotASha1)? {
        None => None,
        Some(text) => Some(from_hex(text).ok_or(NoRange::NotASha1)?),
    };
    let declared_bytes = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(RangeRequest {
        session,
        range: Some(range.start()..range.end()),
        total_bytes,
        declared_bytes,
        expected_sha1,
        order: RangeOrder::Any,
    })
}

/// The text of a header that stands once at most.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    match (line.to_str(), lines.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(()),
    }
}

/// 202: more is missing.
fn accepted(sha1: Option<[u8; 20]>) -> Response<ResponseBody> {
    with_sha1(nothing(StatusCode::ACCEPTED), sha1)
}

fn with_sha1(mut answer: Response<ResponseBody>, sha1: Option<[u8; 20]>) -> Response<ResponseBody> {
    if let Some(sha1) = sha1.and_then(|sha1| HeaderValue::from_str(&hex(&sha1)).ok()) {
        answer.headers_mut().insert(CHUNK_SHA1.clone(), sha1);
    }
    answer
}

/// A range that is not kept, in the vendor's words where it has some.
fn not_kept(error: RangeError) -> Response<ResponseBody> {
    let (status, text): (_, Cow<'_, str>) = match error {
        RangeError::Overlaps => (StatusCode::RANGE_NOT_SATISFIABLE, "Overlapping Ranges".into()),
        RangeError::Length { found, expected } => {
            let text = format!("Chunk-Length mismatch (found: {found}, required:{expected})");
            (StatusCode::RANGE_NOT_SATISFIABLE, text.into())
        }
        RangeError::OtherTotal { found, expected } => {
            let text = format!("Total-Length mismatch (found: {found}, required:{expected})");
            (StatusCode::RANGE_NOT_SATISFIABLE, text.into())
        }
        RangeError::Mismatch { found } => {
            return with_sha1(errors::reason(StatusCode::BAD_REQUEST, "Mismatched checksums"), found);
        }
        RangeError::Unknown => (StatusCode::NOT_FOUND, "The specified session does not exist".into()),
        RangeError::Service(error) => return errors::refused(error.as_refusal(), Place::Api),
        other @ (RangeError::Gap { .. } | RangeError::Outside | RangeError::TooMany) => {
            (StatusCode::BAD_REQUEST, other.to_string().into())
        }
    };
    errors::reason(status, &text)
}

/// What is there, as the vendor tells it: `bytes=0-99,200-299`. Nothing where nothing is.
fn range_field(ranges: &[Range<u64>]) -> Option<HeaderValue> {
    let ranges: Vec<_> = ranges.iter().map(|range| format!("{}-{}", range.start, range.end.saturating_sub(1))).collect();
    if ranges.is_empty() { None } else { HeaderValue::from_str(&format!("bytes={}", ranges.join(","))).ok() }
}

/// Some failures the vendor tells without JSON.
fn plain(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::bytes(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let check = |lines: &[(&str, &str)], expected: Result<(&str, Range<u64>, u64), NoRange>| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let found = requested(&headers).map(|found| (found.session.to_owned(), found.range.unwrap(), found.total_bytes));
            assert_eq!(found, expected.map(|(session, range, total)| (session.to_owned(), range, total)), "{lines:?}");
        };
        let (session, range) = (("session-id", "a b"), ("content-range", "bytes 0-9/20"));
        check(&[session, range], Ok(("a b", 0..10, 20)));
        check(&[session, range, ("x-ads-chunk-sha1", &"0a".repeat(20))], Ok(("a b", 0..10, 20)));
        check(&[range], Err(NoRange::NoSession));
        check(&[session], Err(NoRange::NoContentRange));
        check(&[session, ("content-range", "bytes */20")], Err(NoRange::NotAContentRange));
        check(&[session, ("content-range", "bytes 0-9/*")], Err(NoRange::NotAContentRange));
        check(&[session, range, range], Err(NoRange::NotAContentRange));
        check(&[session, session, range], Err(NoRange::NotASession));
        check(&[("session-id", ""), range], Err(NoRange::NotASession));
        check(&[("session-id", &"a".repeat(1025)), range], Err(NoRange::NotASession));
        check(&[session, range, ("x-ads-chunk-sha1", "0a")], Err(NoRange::NotASha1));
    }

    #[test]
    fn ranges_are_told() {
        assert_eq!(range_field(&[]), None);
        assert_eq!(range_field(&[0..100, 200..201]).unwrap(), "bytes=0-99,200-200");
    }
}
