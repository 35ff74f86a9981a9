//! How each failure is told: `{"status", "error", "error_description"}`, and the `scope` that was missing.

use crate::wire::ErrorBody;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use valetkey_dataplane::ReceiveError;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::credential::CredentialError;
use valetkey_http_common::path::encode_segment;
use valetkey_http_common::security;
use valetkey_model::{Refusal, Scope};
use valetkey_service::ServiceError;

/// Scopes of the vendor's.
const DATA: &str = "data.data";
const EDIT: &str = "data.edit";
const METADATA: &str = "data.metadata";

/// What is told of a file that there is not, or that this caller may not know of.
const NO_FILE: &str = "The file does not exist, or you do not have access to it";

/// The body of an error as a header: an answer to HEAD has no other way to say it.
static ERROR_PAYLOAD: HeaderName = HeaderName::from_static("x-redivis-error-payload");

/// A failure of a request, as it is told.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// The vendor's code.
    error: &'static str,
    text: Cow<'static, str>,
    /// The scope of the vendor's that would permit it.
    scope: Option<&'static str>,
    /// The methods that there are instead.
    allow: Option<&'static str>,
    retry_after_seconds: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, error: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, error, text: text.into(), scope: None, allow: None, retry_after_seconds: None }
    }

    /// The answer to a call, which is logged once at `info`.
    pub(crate) fn answer(self) -> Response<ResponseBody> {
        self.log();
        self.response()
    }

    /// The same on the URL of a file.
    pub(crate) fn answer_on_file(self) -> Response<ResponseBody> {
        self.log();
        self.response_on_file()
    }

    fn log(&self) {
        tracing::info!(status = self.status.as_u16(), error = self.error, "a call failed");
    }

    fn response(&self) -> Response<ResponseBody> {
        let mut answer = json(self.status, &self.body());
        let headers = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"valetkey\""));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }

    /// What is answered on the URL of a file, which HEAD is for, too: it has the body in its head as well. Nothing is logged.
    pub(crate) fn response_on_file(&self) -> Response<ResponseBody> {
        let payload = serde_json::to_string(&self.body()).ok();
        let payload = payload.and_then(|payload| HeaderValue::from_str(&encode_segment(&payload)).ok());
        let mut answer = self.response();
        if let Some(payload) = payload {
            answer.headers_mut().insert(ERROR_PAYLOAD.clone(), payload);
        }
        answer
    }

    fn body(&self) -> ErrorBody<'_> {
        ErrorBody { status: self.status.as_u16(), error: self.error, error_description: &self.text, scope: self.scope }
    }
}

/// 400.
pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", text)
}

/// 401.
pub(crate) fn unauthenticated(text: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "invalid_token", text)
}

/// 401 for a request without any credential, of what is not public.
pub(crate) fn no_credential() -> ApiError {
    unauthenticated("No access token was provided, and what was asked for is not public")
}

/// 404 for a file.
pub(crate) fn no_such_file() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", NO_FILE)
}

/// 404 for a resumable upload that was never begun, or is over.
pub(crate) fn no_such_upload() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is no such upload: begin again")
}

/// 404 for a path that nothing is at.
pub(crate) fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "The requested resource does not exist")
}

/// 405.
pub(crate) fn method_not_allowed(allow: &'static str) -> ApiError {
    let text = format!("The method is not for this path: expected one of {allow}");
    ApiError { allow: Some(allow), ..ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text) }
}

/// 412.
pub(crate) fn precondition_failed() -> ApiError {
    ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", "The file is not as you expect it")
}

/// 416.
pub(crate) fn unsatisfiable() -> ApiError {
    ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "The file has no such range")
}

/// A refused request.
pub(crate) fn refused(refusal: Refusal) -> ApiError {
    let (status, error) = told(refusal);
    ApiError { retry_after_seconds: refusal.retry_after_seconds(), ..ApiError::new(status, error, refusal.sentence()) }
}

/// One row for each refusal: the table in `docs/redivis.md`.
pub(crate) fn told(refusal: Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Malformed
        | Refusal::UnknownKey
        | Refusal::BadSignature
        | Refusal::NotYetValid
        | Refusal::Expired
        | Refusal::Revoked
        | Refusal::UsedUp
        | Refusal::InUse => (StatusCode::UNAUTHORIZED, "invalid_token"),
        Refusal::UnknownLink | Refusal::ObjectGone => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::IssuerDisabled => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Refusal::WrongPath | Refusal::WrongAddress | Refusal::Prefetch => (StatusCode::FORBIDDEN, "access_denied"),
        Refusal::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Refusal::Ambiguous | Refusal::TooSmall | Refusal::DigestMismatch => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::Exists => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::QuotaExceeded => (StatusCode::PAYLOAD_TOO_LARGE, "quota_exceeded"),
        Refusal::TypeNotAllowed => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "type_not_allowed"),
        Refusal::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Refusal::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no_space"),
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Unauthenticated => unauthenticated("The access token is invalid or has expired"),
            ServiceError::MissingScope { scope } => {
                let scope = vendor_scope(scope);
                let text = format!("The access token must have the scope {scope}");
                Self { scope: Some(scope), ..Self::new(StatusCode::FORBIDDEN, "insufficient_scope", text) }
            }
            ServiceError::OutsideBuckets => {
                Self::new(StatusCode::FORBIDDEN, "access_denied", "The access token is limited to other files")
            }
            // Whether another tenant has such a file is not told.
            ServiceError::NotOwner | ServiceError::NotFound { .. } => no_such_file(),
            ServiceError::NotUploaded => invalid("The tempUpload has not been uploaded yet"),
            ServiceError::AlreadyExists { .. } | ServiceError::NotEmpty { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
            }
            ServiceError::Conflict { .. } => invalid("The tempUpload is a rawFile of another name already"),
            ServiceError::Invalid { .. } => invalid(error.to_string()),
            ServiceError::Refused(refusal) => refused(refusal),
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "a call failed for want of a store");
                refused(Refusal::Unavailable)
            }
        }
    }
}

/// The vendor's scope that includes one of ours.
fn vendor_scope(scope: Scope) -> &'static str {
    match scope {
        Scope::ObjectRead | Scope::LinkIssue => DATA,
        Scope::BucketRead => METADATA,
        Scope::ObjectWrite
        | Scope::ObjectCreate
        | Scope::BucketCreate
        | Scope::BucketDelete
        | Scope::LinkRevoke
        | Scope::AuditRead
        | Scope::Admin => EDIT,
    }
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Ambiguous => invalid(error.to_string()),
            _ => unauthenticated(error.to_string()),
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            // The sentences of these two are about uploads.
            ReceiveError::Service(ServiceError::Refused(Refusal::TooLarge)) => {
                Self { text: "The body is too large".into(), ..refused(Refusal::TooLarge) }
            }
            ReceiveError::Service(ServiceError::Refused(Refusal::TooSlow)) => {
                Self { text: "The body came too slowly".into(), ..refused(Refusal::TooSlow) }
            }
            ReceiveError::Service(error) => error.into(),
            ReceiveError::BrokenOff => invalid("The body broke off"),
        }
    }
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<ResponseBody> {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(_) => {
            let body = br#"{"status":500,"error":"internal","error_description":"The answer cannot be written"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, body.to_vec())
        }
    };
    let mut answer = Response::new(ResponseBody::bytes(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security::apply(headers);
    answer
}

/// The answer to what is no request that can be handled.
pub fn unreadable(status: StatusCode, why: &str) -> Response<ResponseBody> {
    ApiError::new(status, "invalid_request", why.to_owned()).answer_on_file()
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
    fn refusals_of_urls() {
        use Refusal::*;
        for refusal in Refusal::ALL {
            let (status, error) = match refusal {
                Malformed | UnknownKey | BadSignature | NotYetValid | Expired | Revoked | UsedUp | InUse => {
                    (401, "invalid_token")
                }
                UnknownLink | ObjectGone => (404, "not_found"),
                IssuerDisabled => (403, "insufficient_scope"),
                WrongPath | WrongAddress | Prefetch => (403, "access_denied"),
                WrongMethod => (405, "method_not_allowed"),
                Ambiguous | TooSmall | DigestMismatch => (400, "invalid_request"),
                Exists => (412, "precondition_failed"),
                TooSlow => (408, "too_slow"),
                TooLarge => (413, "too_large"),
                QuotaExceeded => (413, "quota_exceeded"),
                TypeNotAllowed => (415, "type_not_allowed"),
                TooManyRequests => (429, "too_many_requests"),
                Unavailable => (503, "unavailable"),
                NoSpace => (507, "no_space"),
            };
            let answer = refused(refusal).answer_on_file();
            let headers = answer.headers();
            assert_eq!(answer.status().as_u16(), status, "{refusal:?}");
            assert_eq!(headers[CONTENT_TYPE], "application/json; charset=utf-8");
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401, "{refusal:?}");
            assert_eq!(headers.contains_key(RETRY_AFTER), refusal.retry_after_seconds().is_some(), "{refusal:?}");
            let payload =
                percent_encoding::percent_decode(headers[&ERROR_PAYLOAD].as_bytes()).decode_utf8().unwrap().into_owned();
            let expected = json!({ "status": status, "error": error, "error_description": refusal.sentence() });
            assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), expected);
            assert_eq!(body(answer), expected);
        }
    }

    #[test]
    fn service_errors() {
        let check = |error: ServiceError, status: u16, code: &str, scope: Option<&str>| {
            let answer = ApiError::from(error).answer();
            assert_eq!(answer.status().as_u16(), status);
            assert!(!answer.headers().contains_key(&ERROR_PAYLOAD));
            let body = body(answer);
            assert_eq!((&body["status"], &body["error"]), (&json!(status), &json!(code)));
            assert_eq!(body.get("scope").and_then(Value::as_str), scope);
            let text = body["error_description"].as_str().unwrap();
            assert!(!text.contains("secret"), "{text}");
        };
        check(ServiceError::Unauthenticated, 401, "invalid_token", None);
        for (scope, vendors) in [
            (Scope::ObjectRead, "data.data"),
            (Scope::LinkIssue, "data.data"),
            (Scope::BucketRead, "data.metadata"),
            (Scope::ObjectWrite, "data.edit"),
            (Scope::ObjectCreate, "data.edit"),
        ] {
            check(ServiceError::MissingScope { scope }, 403, "insufficient_scope", Some(vendors));
        }
        check(ServiceError::OutsideBuckets, 403, "access_denied", None);
        for error in [ServiceError::NotOwner, ServiceError::NotFound { what: "bucket" }, ServiceError::NotFound { what: "file" }]
        {
            let body = body(ApiError::from(error).answer());
            assert_eq!(body, json!({ "status": 404, "error": "not_found", "error_description": NO_FILE }));
        }
        check(ServiceError::NotUploaded, 400, "invalid_request", None);
        check(ServiceError::Conflict { reason: "the file was confirmed under another name" }, 400, "invalid_request", None);
        check(ServiceError::AlreadyExists { what: "bucket" }, 409, "conflict", None);
        let invalid = ServiceError::Invalid { field: "name", found: "empty".to_owned(), expected: "a name".to_owned() };
        check(invalid, 400, "invalid_request", None);
        check(ServiceError::Refused(Refusal::TooManyRequests), 429, "too_many_requests", None);
        check(ServiceError::Unavailable { source: "/secret/path".into() }, 503, "unavailable", None);
    }

    #[test]
    fn other_failures() {
        let check = |error: ApiError, status: u16, allow: Option<&str>| {
            let answer = error.answer();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers().get(ALLOW).map(|allow| allow.to_str().unwrap()), allow);
            assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), status == 401);
        };
        check(method_not_allowed("POST"), 405, Some("POST"));
        check(CredentialError::Ambiguous.into(), 400, None);
        check(CredentialError::Bearer.into(), 401, None);
        check(no_credential(), 401, None);
        check(ReceiveError::BrokenOff.into(), 400, None);
        check(ReceiveError::Service(Refusal::TooLarge.into()).into(), 413, None);
        check(ReceiveError::Service(Refusal::TooSlow.into()).into(), 408, None);
        check(ReceiveError::Service(Refusal::NoSpace.into()).into(), 507, None);
    }
}
