//! How each failure is told, in the vendor's words where it has some.
//!
//! The vendor has two layers: a gateway that checks credentials and answers with codes (`AUTH-006`), and the storage service
//! behind it, which answers `{"reason": …}`.

use crate::wire::{BatchItem, FailedBody, GatewayBody, IncompleteBody, ReasonBody};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use valetkey_dataplane::ReceiveError;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::credential::CredentialError;
use valetkey_http_common::security;
use valetkey_model::Refusal;
use valetkey_service::ServiceError;

/// What every JSON answer is.
pub(crate) static JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What is told of a signed URL that does not work, whatever the cause.
const NOT_THERE: &str = "The specified resource does not exist";

/// A failure of a call.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// A use case failed.
    Service(ServiceError),
    /// What a signed URL or an upload is refused for.
    Refused(Refusal, Place),
    /// The request is not one, or not possible.
    Reason(StatusCode, Cow<'static, str>),
    /// The gateway's.
    Gateway(Gateway),
    /// An upload in parts is not complete.
    Incomplete(Box<IncompleteBody>),
}

/// Where a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a signed URL, to who reads.
    Reading,
    /// On a signed URL, to who writes.
    Writing,
    /// On the URL of a direct transfer, of a part of an upload or of a download: clients take 403, and only that, as a reason to ask
    /// for fresh URLs.
    Transfer,
    /// To the owner, by an API call.
    Api,
}

/// What the gateway refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// The client's secret is not this.
    BadSecret,
    /// None of the scopes can be had.
    BadScope,
    /// The access token is unknown or has expired.
    BadToken,
    /// A token request must be a form.
    NotForm,
    /// A token request without `grant_type`.
    NoGrant,
    /// A token request for a grant that there is not.
    BadGrant,
    /// The token's scopes do not permit this.
    NoPrivilege,
    /// There is no credential that can be read.
    NoCredential,
    /// Too many credentials from this address were wrong.
    TooManyFailures,
}

impl Gateway {
    fn status(self) -> StatusCode {
        match self {
            Self::BadSecret | Self::BadToken | Self::NoCredential => StatusCode::UNAUTHORIZED,
            Self::NoPrivilege => StatusCode::FORBIDDEN,
            Self::BadScope | Self::NotForm | Self::NoGrant | Self::BadGrant => StatusCode::BAD_REQUEST,
            Self::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::BadSecret => "AUTH-003",
            Self::BadScope => "AUTH-004",
            Self::BadToken => "AUTH-006",
            Self::NotForm => "AUTH-007",
            Self::NoGrant => "AUTH-008",
            Self::BadGrant => "AUTH-009",
            Self::NoPrivilege => "AUTH-010",
            Self::NoCredential => "AUTH-012",
            // The vendor documents none for it.
            Self::TooManyFailures => "AUTH-429",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::BadSecret => "The client_id and client_secret specified do not belong together.",
            Self::BadScope => "None of the scopes specified is granted to the client_id.",
            // Published clients search for exactly this text, to fetch another token.
            Self::BadToken => "Access token provided is invalid or expired.",
            Self::NotForm => "The Content-Type must be application/x-www-form-urlencoded.",
            Self::NoGrant => "The required parameter grant_type is missing, or stands more than once.",
            Self::BadGrant => "The grant_type specified is not supported: it must be client_credentials.",
            Self::NoPrivilege => "Token does not have the privilege for this request.",
            Self::NoCredential => "The Authorization header is missing or invalid.",
            Self::TooManyFailures => "Too many credentials from this address were wrong. Try again later.",
        }
    }

    /// The code of RFC 6749 §5.2, where a token was asked for.
    fn oauth(self) -> Option<&'static str> {
        match self {
            Self::BadSecret => Some("invalid_client"),
            Self::BadScope => Some("invalid_scope"),
            Self::NotForm | Self::NoGrant => Some("invalid_request"),
            Self::BadGrant => Some("unsupported_grant_type"),
            Self::BadToken | Self::NoPrivilege | Self::NoCredential | Self::TooManyFailures => None,
        }
    }

    fn answer(self) -> Response<ResponseBody> {
        let url = format!("https://developer.api.autodesk.com/documentation/v1/errors/{}", self.code());
        let body = GatewayBody {
            developer_message: self.message(),
            user_message: " ",
            error_code: self.code(),
            more_info_spaced: &url,
            more_info: &url,
            error: self.oauth(),
            error_description: self.oauth().map(|_| self.message()),
        };
        let mut answer = json(self.status(), &body);
        if let (Self::TooManyFailures, Some(seconds)) = (self, Refusal::TooManyRequests.retry_after_seconds()) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let scheme = if self == Self::BadSecret { "Basic realm=\"valetkey\"" } else { "Bearer realm=\"valetkey\"" };
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        answer
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<Gateway> for ApiError {
    fn from(refused: Gateway) -> Self {
        Self::Gateway(refused)
    }
}

impl From<CredentialError> for ApiError {
    fn from(_: CredentialError) -> Self {
        Self::Gateway(Gateway::NoCredential)
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Service(error) => Self::Service(error),
            ReceiveError::BrokenOff => bad("The body broke off"),
        }
    }
}

/// An upload of only a part of an object, which would destroy the rest of it.
pub(crate) const PARTIAL: &str = "Content-Range is not supported here: send the whole object";

/// 400 with a reason.
pub(crate) fn bad(reason: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::Reason(StatusCode::BAD_REQUEST, reason.into())
}

impl ApiError {
    /// The same failure, told on the URL of a part.
    pub(crate) fn on_part(self) -> Self {
        match self {
            Self::Service(error) => Self::Refused(error.as_refusal(), Place::Transfer),
            other => other,
        }
    }

    /// The answer. What is ours to mend is logged as an error, what is the client's once at `info`.
    pub(crate) fn answer(self) -> Response<ResponseBody> {
        let answer = match self.told() {
            Told::Refused(refusal, place) => refused(refusal, place),
            Told::Reason(status, text) => reason(status, &text),
            Told::Gateway(refused) => refused.answer(),
            Told::Incomplete(body) => json(StatusCode::BAD_REQUEST, &body),
        };
        tracing::info!(status = answer.status().as_u16(), "an API call failed");
        answer
    }

    /// The failure of one of several requests.
    pub(crate) fn into_item<T>(self) -> BatchItem<T> {
        let reason = match self.told() {
            Told::Refused(refusal, place) => told(refusal, place).1.into(),
            Told::Reason(_, text) => text,
            Told::Gateway(refused) => refused.message().into(),
            Told::Incomplete(body) => return BatchItem::Incomplete(body),
        };
        BatchItem::Failed(FailedBody { status: "error", reason })
    }

    /// Whether every other request of the caller's to this bucket would fail alike.
    pub(crate) fn is_of_all(&self) -> bool {
        match self {
            Self::Service(error) => matches!(
                error,
                ServiceError::Unauthenticated
                    | ServiceError::MissingScope { .. }
                    | ServiceError::NotOwner
                    | ServiceError::OutsideBuckets
                    | ServiceError::NotFound { what: "bucket" }
                    | ServiceError::Unavailable { .. }
            ),
            Self::Refused(..) | Self::Reason(..) | Self::Gateway(_) | Self::Incomplete(_) => false,
        }
    }

    /// The failure in the vendor's words.
    fn told(self) -> Told {
        match self {
            Self::Service(error) => of_service(error),
            Self::Refused(refusal, place) => Told::Refused(refusal, place),
            Self::Reason(status, text) => Told::Reason(status, text),
            Self::Gateway(refused) => Told::Gateway(refused),
            Self::Incomplete(body) => Told::Incomplete(body),
        }
    }
}

/// A failure as it is told.
enum Told {
    Refused(Refusal, Place),
    Reason(StatusCode, Cow<'static, str>),
    Gateway(Gateway),
    Incomplete(Box<IncompleteBody>),
}

fn of_service(error: ServiceError) -> Told {
    let reason = |status, text: &'static str| Told::Reason(status, text.into());
    match error {
        ServiceError::Unauthenticated => Told::Gateway(Gateway::BadToken),
        ServiceError::MissingScope { .. } => Told::Gateway(Gateway::NoPrivilege),
        ServiceError::NotOwner => reason(StatusCode::FORBIDDEN, "The bucket belongs to another owner"),
        ServiceError::OutsideBuckets => reason(StatusCode::FORBIDDEN, "The credential is limited to other buckets"),
        ServiceError::NotFound { what: "bucket" } => reason(StatusCode::NOT_FOUND, "Bucket not found"),
        ServiceError::NotFound { what: "link" } => reason(StatusCode::NOT_FOUND, "Hash does not exist"),
        ServiceError::NotFound { .. } | ServiceError::NotUploaded => reason(StatusCode::NOT_FOUND, "Object not found"),
        ServiceError::AlreadyExists { .. } => reason(StatusCode::CONFLICT, "Bucket already exists"),
        ServiceError::NotEmpty { .. } => reason(StatusCode::CONFLICT, "Bucket is not empty"),
        ServiceError::Invalid { .. } => Told::Reason(StatusCode::BAD_REQUEST, error.to_string().into()),
        ServiceError::Refused(Refusal::TooManyRequests) => Told::Gateway(Gateway::TooManyFailures),
        ServiceError::Refused(refusal) => Told::Refused(refusal, Place::Api),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "an API call failed for want of a store");
            Told::Refused(Refusal::Unavailable, Place::Api)
        }
    }
}

/// The answer to a refused request.
pub(crate) fn refused(refusal: Refusal, place: Place) -> Response<ResponseBody> {
    let (status, text) = told(refusal, place);
    let mut answer = reason(status, text);
    // Whether a link is in use or was never there is not told apart.
    if let (Some(seconds), true) = (refusal.retry_after_seconds(), status != StatusCode::NOT_FOUND) {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// One row for each refusal: the table in `docs/autodesk.md`.
pub(crate) fn told(refusal: Refusal, place: Place) -> (StatusCode, &'static str) {
    let gone = match place {
        Place::Reading | Place::Writing => (StatusCode::NOT_FOUND, NOT_THERE),
        Place::Transfer | Place::Api => (StatusCode::FORBIDDEN, refusal.sentence()),
    };
    let missing = match place {
        Place::Api => (StatusCode::NOT_FOUND, "Object not found"),
        _ => (StatusCode::NOT_FOUND, NOT_THERE),
    };
    match refusal {
        Refusal::Malformed
        | Refusal::UnknownKey
        | Refusal::BadSignature
        | Refusal::NotYetValid
        | Refusal::Expired
        | Refusal::Revoked
        | Refusal::UsedUp
        | Refusal::InUse => gone,
        Refusal::UnknownLink | Refusal::ObjectGone => missing,
        Refusal::WrongMethod => (
            StatusCode::FORBIDDEN,
            match place {
                Place::Reading => "Signed Resource does not grant read permissions",
                Place::Writing => "Signed Resource does not grant write permissions",
                Place::Transfer | Place::Api => refusal.sentence(),
            },
        ),
        Refusal::WrongPath | Refusal::WrongAddress | Refusal::IssuerDisabled | Refusal::Prefetch => {
            (StatusCode::FORBIDDEN, refusal.sentence())
        }
        Refusal::Ambiguous | Refusal::TooSmall => (StatusCode::BAD_REQUEST, refusal.sentence()),
        Refusal::DigestMismatch => (StatusCode::BAD_REQUEST, "Mismatched checksums"),
        Refusal::Exists => (StatusCode::PRECONDITION_FAILED, "ETag Not Matched"),
        Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, refusal.sentence()),
        Refusal::TooLarge | Refusal::QuotaExceeded => (StatusCode::PAYLOAD_TOO_LARGE, refusal.sentence()),
        Refusal::TypeNotAllowed => (StatusCode::UNSUPPORTED_MEDIA_TYPE, refusal.sentence()),
        Refusal::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, refusal.sentence()),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, refusal.sentence()),
        Refusal::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, refusal.sentence()),
    }
}

/// `{"reason": …}`.
pub(crate) fn reason(status: StatusCode, reason: &str) -> Response<ResponseBody> {
    json(status, &ReasonBody { reason })
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<ResponseBody> {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, b"{\"reason\":\"The answer cannot be written\"}".to_vec()),
    };
    let mut answer = Response::new(ResponseBody::bytes(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, JSON.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security::apply(headers);
    answer
}

/// The answer to what is no request that can be handled.
pub fn unreadable(status: StatusCode, why: &str) -> Response<ResponseBody> {
    reason(status, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn body(answer: Response<ResponseBody>) -> serde_json::Value {
        let mut body = std::pin::pin!(answer.into_body().collect());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(collected) = body.as_mut().poll(&mut context) else { panic!("the body waits") };
        serde_json::from_slice(&collected.unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn refusals_of_signed_urls() {
        use Refusal::*;
        for refusal in Refusal::ALL {
            let status = match refusal {
                Malformed | UnknownKey | BadSignature | UnknownLink | NotYetValid | Expired | Revoked | ObjectGone | UsedUp
                | InUse => 404,
                WrongPath | WrongMethod | WrongAddress | IssuerDisabled | Prefetch => 403,
                Ambiguous | TooSmall | DigestMismatch => 400,
                Exists => 412,
                TooSlow => 408,
                TooLarge | QuotaExceeded => 413,
                TypeNotAllowed => 415,
                TooManyRequests => 429,
                Unavailable => 503,
                NoSpace => 507,
            };
            for place in [Place::Reading, Place::Writing] {
                assert_eq!(told(refusal, place).0, status, "{refusal:?}");
            }
            // Nothing tells a link that does not work from one that never was.
            if status == 404 {
                let answer = refused(refusal, Place::Reading);
                assert!(!answer.headers().contains_key(RETRY_AFTER));
                assert_eq!(body(answer), serde_json::json!({ "reason": NOT_THERE }));
            }
        }
    }

    #[test]
    fn refusals_of_parts_are_403_where_fresh_urls_help() {
        for refusal in Refusal::ALL {
            let fresh = told(refusal, Place::Reading).0 == 404 && !matches!(refusal, Refusal::UnknownLink | Refusal::ObjectGone);
            assert!(!fresh || told(refusal, Place::Transfer).0 == 403, "{refusal:?}");
        }
    }

    #[test]
    fn documented_reasons() {
        let check = |refusal, place, status: u16, text: &str| {
            let answer = refused(refusal, place);
            assert_eq!((answer.status().as_u16(), body(answer)), (status, serde_json::json!({ "reason": text })));
        };
        check(Refusal::WrongMethod, Place::Writing, 403, "Signed Resource does not grant write permissions");
        check(Refusal::WrongMethod, Place::Reading, 403, "Signed Resource does not grant read permissions");
        check(Refusal::Exists, Place::Api, 412, "ETag Not Matched");
        check(Refusal::DigestMismatch, Place::Api, 400, "Mismatched checksums");
        check(Refusal::ObjectGone, Place::Api, 404, "Object not found");
    }

    #[test]
    fn gateway_bodies() {
        let found = body(Gateway::BadToken.answer());
        let url = "https://developer.api.autodesk.com/documentation/v1/errors/AUTH-006";
        let expected = serde_json::json!({
            "developerMessage": "Access token provided is invalid or expired.",
            "userMessage": " ",
            "errorCode": "AUTH-006",
            "more info": url,
            "moreInfo": url,
        });
        assert_eq!(found, expected);
        let found = body(Gateway::BadSecret.answer());
        assert_eq!((&found["errorCode"], &found["error"]), (&"AUTH-003".into(), &"invalid_client".into()));
    }

    #[test]
    fn service_errors() {
        let check = |error: ServiceError, status: u16, text: &str| {
            let answer = ApiError::from(error).answer();
            let found = answer.status().as_u16();
            let body = body(answer);
            let said = body.get("reason").or(body.get("errorCode")).and_then(|text| text.as_str()).unwrap().to_owned();
            assert_eq!((found, said.as_str()), (status, text));
        };
        check(ServiceError::Unauthenticated, 401, "AUTH-006");
        check(ServiceError::MissingScope { scope: valetkey_model::Scope::LinkIssue }, 403, "AUTH-010");
        check(ServiceError::NotOwner, 403, "The bucket belongs to another owner");
        check(ServiceError::OutsideBuckets, 403, "The credential is limited to other buckets");
        check(ServiceError::Refused(Refusal::TooManyRequests), 429, "AUTH-429");
        check(ServiceError::NotFound { what: "bucket" }, 404, "Bucket not found");
        check(ServiceError::NotFound { what: "object" }, 404, "Object not found");
        check(ServiceError::NotFound { what: "link" }, 404, "Hash does not exist");
        check(ServiceError::AlreadyExists { what: "bucket" }, 409, "Bucket already exists");
        check(ServiceError::NotEmpty { what: "bucket" }, 409, "Bucket is not empty");
        let hidden = ServiceError::Unavailable { source: "/secret/path".into() };
        check(hidden, 503, "the server cannot answer at present; try again later");
    }
}
