//! How each failure is told: in one shape, `{"error": {"code", "message", "details"}}`, with the vendor's codes, its statuses
//! where it has some, and HTTP's otherwise.

use crate::wire::{Detail, ErrorBody, ErrorFields};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
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

/// The codes: the vendor's, and after them those for which it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// There is no credential.
    AuthRequired,
    /// There is one, and it is not valid.
    InvalidToken,
    /// `Tenant-ID` is not the tenant of the credential.
    NoTenantAccess,
    /// The credential, or the URL, does not permit this.
    InsufficientPermissions,
    /// There is no such file.
    NotFound,
    /// The request, or the upload, is not as it should be: the details say how.
    ValidationError,
    /// The URL was not issued here, or was changed.
    InvalidSignature,
    /// The URL works no longer, or not yet.
    UrlExpired,
    /// The file could not be deleted, for want of a store.
    DeleteFailed,
    /// The method is not for this path or URL.
    MethodNotAllowed,
    /// The client asks too often.
    TooManyRequests,
    /// The server cannot answer at present.
    Unavailable,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::AuthRequired => "AUTH_REQUIRED",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::NoTenantAccess => "NO_TENANT_ACCESS",
            Self::InsufficientPermissions => "INSUFFICIENT_PERMISSIONS",
            Self::NotFound => "NOT_FOUND",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::UrlExpired => "URL_EXPIRED",
            Self::DeleteFailed => "DELETE_FAILED",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// A failure of a call.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// A use case failed.
    Service(ServiceError),
    /// The same, of a deletion.
    Deletion(ServiceError),
    /// There is no credential, or none that can be read.
    Credential(Code, Cow<'static, str>),
    /// `Tenant-ID` is missing, or not the tenant of the credential.
    Tenant,
    /// The body is not as it should be.
    Invalid(Vec<Detail>),
    /// The body was not taken whole: it is too large, or comes too slowly.
    Body(Refusal, &'static str),
    /// There is nothing at this path.
    NoSuchPath,
    /// The path has other methods.
    Method(&'static str),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        Self::Credential(Code::InvalidToken, error.to_string().into())
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Service(ServiceError::Refused(refusal @ Refusal::TooLarge)) => {
                Self::Body(refusal, "the body is too large")
            }
            ReceiveError::Service(ServiceError::Refused(refusal @ Refusal::TooSlow)) => {
                Self::Body(refusal, "the body came too slowly")
            }
            ReceiveError::Service(error) => Self::Service(error),
            ReceiveError::BrokenOff => Self::body("broken_off", "the body broke off"),
        }
    }
}

impl ApiError {
    /// The body as a whole is wrong.
    pub(crate) fn body(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![Detail { path: "", message: message.into(), code }])
    }

    /// The answer. What is ours to mend is logged as an error, what is the client's once at `info`.
    pub(crate) fn answer(self) -> Response<ResponseBody> {
        let answer = match self {
            Self::Service(error) => service(error),
            Self::Deletion(error) => match error.as_refusal() {
                refusal @ (Refusal::Unavailable | Refusal::NoSpace) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a file could not be deleted for want of a store");
                    refused_as(refusal, Code::DeleteFailed)
                }
                _ => service(error),
            },
            Self::Credential(code, message) => unauthenticated(code, &message),
            Self::Tenant => {
                let message = "the header `Tenant-ID` must be there once and name the tenant of the credential";
                told(StatusCode::FORBIDDEN, Code::NoTenantAccess, message, &[])
            }
            Self::Invalid(details) => invalid(&details),
            Self::Body(refusal, message) => fault(row(refusal).0, message, refusal.told_as()),
            Self::NoSuchPath => told(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing at this path", &[]),
            Self::Method(allow) => {
                let message = "the method is not for this path";
                let mut answer = told(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, message, &[]);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                answer
            }
        };
        tracing::info!(status = answer.status().as_u16(), "an API call failed");
        answer
    }
}

fn service(error: ServiceError) -> Response<ResponseBody> {
    match error {
        ServiceError::Unauthenticated => unauthenticated(Code::InvalidToken, "the token is unknown or has expired"),
        ServiceError::MissingScope { .. } | ServiceError::OutsideBuckets => {
            told(StatusCode::FORBIDDEN, Code::InsufficientPermissions, &error.to_string(), &[])
        }
        // Whether another tenant has such a file is not told.
        ServiceError::NotFound { .. } | ServiceError::NotOwner => {
            told(StatusCode::NOT_FOUND, Code::NotFound, "there is no such file", &[])
        }
        ServiceError::Invalid { field, found, expected } => {
            let message = format!("{found}: expected {expected}");
            invalid(&[Detail { path: field, message: message.into(), code: "invalid" }])
        }
        ServiceError::Refused(refusal) => refused(refusal),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "an API call failed for want of a store");
            refused(Refusal::Unavailable)
        }
    }
}

fn unauthenticated(code: Code, message: &str) -> Response<ResponseBody> {
    let mut answer = told(StatusCode::UNAUTHORIZED, code, message, &[]);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"valetkey\""));
    answer
}

fn invalid(details: &[Detail]) -> Response<ResponseBody> {
    let message = match details {
        [Detail { path: "", message, .. }] => message.as_ref(),
        [Detail { path, message, .. }] => &format!("`{path}`: {message}"),
        _ => "several fields are not as they should be",
    };
    told(StatusCode::BAD_REQUEST, Code::ValidationError, message, details)
}

/// The answer to a refused request: on a signed URL, and where a call meets a refusal.
pub(crate) fn refused(refusal: Refusal) -> Response<ResponseBody> {
    refused_as(refusal, row(refusal).1)
}

fn refused_as(refusal: Refusal, code: Code) -> Response<ResponseBody> {
    let status = row(refusal).0;
    let mut answer = match code {
        Code::ValidationError => fault(status, refusal.sentence(), refusal.told_as()),
        _ => told(status, code, refusal.sentence(), &[]),
    };
    if let Some(seconds) = refusal.retry_after_seconds() {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// One row for each refusal: the table in `docs/flexportal.md`.
pub(crate) fn row(refusal: Refusal) -> (StatusCode, Code) {
    match refusal {
        Refusal::Malformed | Refusal::UnknownKey | Refusal::BadSignature => (StatusCode::FORBIDDEN, Code::InvalidSignature),
        Refusal::UnknownLink | Refusal::ObjectGone => (StatusCode::NOT_FOUND, Code::NotFound),
        Refusal::NotYetValid | Refusal::Expired | Refusal::Revoked | Refusal::UsedUp | Refusal::InUse => {
            (StatusCode::FORBIDDEN, Code::UrlExpired)
        }
        Refusal::WrongPath | Refusal::WrongAddress | Refusal::IssuerDisabled | Refusal::Prefetch => {
            (StatusCode::FORBIDDEN, Code::InsufficientPermissions)
        }
        Refusal::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed),
        Refusal::Ambiguous | Refusal::TooSmall | Refusal::DigestMismatch => (StatusCode::BAD_REQUEST, Code::ValidationError),
        Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, Code::ValidationError),
        Refusal::Exists => (StatusCode::PRECONDITION_FAILED, Code::ValidationError),
        Refusal::TooLarge | Refusal::QuotaExceeded => (StatusCode::PAYLOAD_TOO_LARGE, Code::ValidationError),
        Refusal::TypeNotAllowed => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::ValidationError),
        Refusal::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        Refusal::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, Code::Unavailable),
    }
}

/// A failure in the vendor's shape.
pub(crate) fn told(status: StatusCode, code: Code, message: &str, details: &[Detail]) -> Response<ResponseBody> {
    json(status, &ErrorBody { error: ErrorFields { code: code.as_str(), message, details } })
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<ResponseBody> {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(_) => {
            let body = br#"{"error":{"code":"UNAVAILABLE","message":"the answer cannot be written"}}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, body.to_vec())
        }
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
    fault(status, why, "malformed_request")
}

/// One thing that is wrong with the request as a whole.
pub(crate) fn fault(status: StatusCode, message: &str, code: &'static str) -> Response<ResponseBody> {
    told(status, Code::ValidationError, message, &[Detail { path: "", message: message.to_owned().into(), code }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    fn body(answer: Response<ResponseBody>) -> Value {
        let mut body = std::pin::pin!(answer.into_body().collect());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(collected) = body.as_mut().poll(&mut context) else { panic!("the body waits") };
        serde_json::from_slice(&collected.unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn refusals_of_signed_urls() {
        use Refusal::*;
        for refusal in Refusal::ALL {
            let (status, code) = match refusal {
                Malformed | UnknownKey | BadSignature => (403, "INVALID_SIGNATURE"),
                UnknownLink | ObjectGone => (404, "NOT_FOUND"),
                Expired | NotYetValid | Revoked | UsedUp | InUse => (403, "URL_EXPIRED"),
                IssuerDisabled | WrongAddress | WrongPath | Prefetch => (403, "INSUFFICIENT_PERMISSIONS"),
                WrongMethod => (405, "METHOD_NOT_ALLOWED"),
                Ambiguous | TooSmall | DigestMismatch => (400, "VALIDATION_ERROR"),
                TooSlow => (408, "VALIDATION_ERROR"),
                Exists => (412, "VALIDATION_ERROR"),
                TooLarge | QuotaExceeded => (413, "VALIDATION_ERROR"),
                TypeNotAllowed => (415, "VALIDATION_ERROR"),
                TooManyRequests => (429, "TOO_MANY_REQUESTS"),
                Unavailable => (503, "UNAVAILABLE"),
                NoSpace => (507, "UNAVAILABLE"),
            };
            let answer = refused(refusal);
            assert_eq!(answer.status().as_u16(), status, "{refusal:?}");
            assert_eq!(answer.headers().contains_key(RETRY_AFTER), refusal.retry_after_seconds().is_some(), "{refusal:?}");
            let error = body(answer)["error"].clone();
            assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(refusal.sentence())), "{refusal:?}");
            // What shares a code is told apart in the details.
            let details = error.get("details").map(|details| details[0]["code"].clone());
            assert_eq!(details, (code == "VALIDATION_ERROR").then(|| json!(refusal.told_as())), "{refusal:?}");
        }
    }

    #[test]
    fn service_errors() {
        let check = |error: ServiceError, status: u16, code: &str, message: &str| {
            let answer = ApiError::from(error).answer();
            assert_eq!((answer.status().as_u16(), answer.headers().contains_key(WWW_AUTHENTICATE)), (status, status == 401));
            let error = body(answer)["error"].clone();
            assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)));
        };
        check(ServiceError::Unauthenticated, 401, "INVALID_TOKEN", "the token is unknown or has expired");
        let missing = ServiceError::MissingScope { scope: valetkey_model::Scope::LinkIssue };
        check(missing, 403, "INSUFFICIENT_PERMISSIONS", "the credential lacks the scope `link:issue`");
        for error in [ServiceError::NotOwner, ServiceError::NotFound { what: "bucket" }, ServiceError::NotFound { what: "file" }]
        {
            check(error, 404, "NOT_FOUND", "there is no such file");
        }
        let hidden = ServiceError::Unavailable { source: "/secret/path".into() };
        check(hidden, 503, "UNAVAILABLE", "the server cannot answer at present; try again later");
    }

    #[test]
    fn a_deletion_that_fails_has_a_code_of_its_own() {
        let check = |error: ServiceError, status: u16, code: &str| {
            let answer = ApiError::Deletion(error).answer();
            assert_eq!((answer.status().as_u16(), answer.headers().contains_key(RETRY_AFTER)), (status, status == 503));
            assert_eq!(body(answer)["error"]["code"], code);
        };
        check(ServiceError::Unavailable { source: "/secret/path".into() }, 503, "DELETE_FAILED");
        check(ServiceError::Refused(Refusal::NoSpace), 507, "DELETE_FAILED");
        check(ServiceError::NotFound { what: "file" }, 404, "NOT_FOUND");
        check(ServiceError::MissingScope { scope: valetkey_model::Scope::ObjectWrite }, 403, "INSUFFICIENT_PERMISSIONS");
    }

    #[test]
    fn every_fault_is_a_detail() {
        let detail = |path, code| Detail { path, message: "wrong".into(), code };
        let answer = ApiError::Invalid(vec![detail("fileId", "required"), detail("action", "invalid_type")]).answer();
        let expected = json!({ "error": {
            "code": "VALIDATION_ERROR",
            "message": "several fields are not as they should be",
            "details": [
                { "path": "fileId", "message": "wrong", "code": "required" },
                { "path": "action", "message": "wrong", "code": "invalid_type" },
            ],
        } });
        assert_eq!((answer.status().as_u16(), body(answer)), (400, expected));
        let one = body(ApiError::Invalid(vec![detail("fileId", "required")]).answer());
        assert_eq!(one["error"]["message"], "`fileId`: wrong");
    }

    #[test]
    fn bodies_that_do_not_come_whole() {
        let check = |error: ReceiveError, status: u16, message: &str, code: &str| {
            let answer = ApiError::from(error).answer();
            assert_eq!(answer.status(), status);
            let error = body(answer)["error"].clone();
            assert_eq!((&error["code"], &error["message"]), (&json!("VALIDATION_ERROR"), &json!(message)));
            assert_eq!(error["details"], json!([{ "path": "", "message": message, "code": code }]));
        };
        check(ReceiveError::BrokenOff, 400, "the body broke off", "broken_off");
        // It is a call and not an upload.
        check(ServiceError::Refused(Refusal::TooLarge).into(), 413, "the body is too large", "too_large");
        check(ServiceError::Refused(Refusal::TooSlow).into(), 408, "the body came too slowly", "too_slow");
    }
}
