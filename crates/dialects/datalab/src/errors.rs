//! How each failure is told: `{"detail": …}`, where the detail is a sentence, or the list of what is wrong with the request.

use crate::wire::{DetailBody, FaultBody, FaultsBody, Loc};
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

/// What the vendor says of every credential that is none.
const BAD_KEY: &str = "Invalid API key provided. Set the X-API-Key header to your API key.";
/// What is told of a file that there is not, or not for this caller.
const NO_FILE: &str = "File not found";

/// A failure of a call.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// A use case failed.
    Service(ServiceError),
    /// The request is not possible.
    Detail(StatusCode, Cow<'static, str>),
    /// The request is not one: all that is wrong with it.
    Faults(Vec<FaultBody>),
    /// The path is for these methods only.
    Method(&'static str),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<CredentialError> for ApiError {
    fn from(_: CredentialError) -> Self {
        Self::Service(ServiceError::Unauthenticated)
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Service(ServiceError::Refused(Refusal::TooLarge)) => {
                Self::Detail(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large".into())
            }
            ReceiveError::Service(ServiceError::Refused(Refusal::TooSlow)) => {
                Self::Detail(StatusCode::REQUEST_TIMEOUT, "The body came too slowly".into())
            }
            ReceiveError::Service(error) => Self::Service(error),
            ReceiveError::BrokenOff => unreadable_body(),
        }
    }
}

impl From<FaultBody> for ApiError {
    fn from(fault: FaultBody) -> Self {
        Self::Faults(vec![fault])
    }
}

/// 404 for a file that there is not.
pub(crate) fn no_such_file() -> ApiError {
    ServiceError::NotFound { what: "file" }.into()
}

/// 404 for a path that nothing is at.
pub(crate) fn no_such_path() -> ApiError {
    ApiError::Detail(StatusCode::NOT_FOUND, "Not Found".into())
}

/// 400 for a body that ended early or is no text.
pub(crate) fn unreadable_body() -> ApiError {
    ApiError::Detail(StatusCode::BAD_REQUEST, "There was an error parsing the body".into())
}

impl ApiError {
    /// The answer. What is ours to mend is logged as an error, what is the client's once at `info`.
    pub(crate) fn answer(self) -> Response<ResponseBody> {
        let answer = match self {
            Self::Service(error) => service(error),
            Self::Detail(status, text) => detail(status, &text),
            Self::Faults(faults) => invalid(faults),
            Self::Method(allow) => {
                let mut answer = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
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
        ServiceError::Unauthenticated => {
            let mut answer = detail(StatusCode::UNAUTHORIZED, BAD_KEY);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"valetkey\""));
            answer
        }
        ServiceError::MissingScope { scope } => detail(StatusCode::FORBIDDEN, &format!("Your API key lacks the scope `{scope}`")),
        ServiceError::OutsideBuckets => detail(StatusCode::FORBIDDEN, "Your API key is limited to other buckets"),
        // Whether another tenant has such a file is not told.
        ServiceError::NotOwner | ServiceError::NotFound { .. } => detail(StatusCode::NOT_FOUND, NO_FILE),
        ServiceError::NotUploaded => detail(StatusCode::BAD_REQUEST, "The file has not been uploaded yet"),
        ServiceError::AlreadyExists { .. } | ServiceError::NotEmpty { .. } => detail(StatusCode::CONFLICT, &error.to_string()),
        ServiceError::Invalid { field, found, expected } => {
            let msg = format!("Value error, {found}: expected {expected}");
            let loc: &[Loc] = match field {
                "name" => &[Loc::Name("body"), Loc::Name("filename")],
                "content_type" => &[Loc::Name("body"), Loc::Name("content_type")],
                _ => &[Loc::Name("body")],
            };
            invalid(vec![FaultBody::new("value_error", loc, msg)])
        }
        ServiceError::Refused(refusal) => refused(refusal),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "an API call failed for want of a store");
            refused(Refusal::Unavailable)
        }
    }
}

/// The answer to a refused request.
pub(crate) fn refused(refusal: Refusal) -> Response<ResponseBody> {
    let (status, text) = told(refusal);
    let mut answer = detail(status, text);
    if let Some(seconds) = refusal.retry_after_seconds() {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// One row for each refusal: the table in `docs/datalab.md`.
pub(crate) fn told(refusal: Refusal) -> (StatusCode, &'static str) {
    let status = match refusal {
        Refusal::Malformed
        | Refusal::UnknownKey
        | Refusal::BadSignature
        | Refusal::NotYetValid
        | Refusal::Expired
        | Refusal::WrongPath
        | Refusal::WrongAddress
        | Refusal::IssuerDisabled
        | Refusal::Revoked
        | Refusal::UsedUp
        | Refusal::InUse
        | Refusal::Prefetch => StatusCode::FORBIDDEN,
        Refusal::UnknownLink | Refusal::ObjectGone => return (StatusCode::NOT_FOUND, NO_FILE),
        Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::Ambiguous | Refusal::TooSmall | Refusal::DigestMismatch => StatusCode::BAD_REQUEST,
        Refusal::Exists => StatusCode::PRECONDITION_FAILED,
        Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::TooLarge | Refusal::QuotaExceeded => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::TypeNotAllowed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
    };
    (status, refusal.sentence())
}

/// `{"detail": "…"}`.
pub(crate) fn detail(status: StatusCode, detail: &str) -> Response<ResponseBody> {
    json(status, &DetailBody { detail })
}

/// 422 with all that is wrong.
fn invalid(detail: Vec<FaultBody>) -> Response<ResponseBody> {
    json(StatusCode::UNPROCESSABLE_ENTITY, &FaultsBody { detail })
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<ResponseBody> {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, b"{\"detail\":\"Internal Server Error\"}".to_vec()),
    };
    let mut answer = Response::new(ResponseBody::bytes(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security::apply(headers);
    answer
}

/// The answer to what is no request that can be handled.
pub fn unreadable(status: StatusCode, why: &str) -> Response<ResponseBody> {
    detail(status, why)
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
            let status = match refusal {
                Malformed | UnknownKey | BadSignature | NotYetValid | Expired | WrongPath | WrongAddress | IssuerDisabled
                | Revoked | UsedUp | InUse | Prefetch => 403,
                UnknownLink | ObjectGone => 404,
                WrongMethod => 405,
                Ambiguous | TooSmall | DigestMismatch => 400,
                Exists => 412,
                TooSlow => 408,
                TooLarge | QuotaExceeded => 413,
                TypeNotAllowed => 415,
                TooManyRequests => 429,
                Unavailable => 503,
                NoSpace => 507,
            };
            let answer = refused(refusal);
            assert_eq!(answer.status(), status, "{refusal:?}");
            assert_eq!(answer.headers().contains_key(RETRY_AFTER), refusal.retry_after_seconds().is_some(), "{refusal:?}");
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
            let body = body(answer);
            assert!(body["detail"].is_string() && body.as_object().unwrap().len() == 1, "{body}");
        }
    }

    #[test]
    fn forged_tokens_are_told_alike() {
        let told = [Refusal::Malformed, Refusal::UnknownKey, Refusal::BadSignature].map(|refusal| body(refused(refusal)));
        assert!(told[0] == told[1] && told[1] == told[2], "{told:?}");
    }

    #[test]
    fn service_errors() {
        let check = |error: ServiceError, status: u16, detail: Value| {
            let answer = ApiError::from(error).answer();
            assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), status == 401);
            assert_eq!((answer.status().as_u16(), body(answer)), (status, json!({ "detail": detail })));
        };
        check(ServiceError::Unauthenticated, 401, BAD_KEY.into());
        let scope = valetkey_model::Scope::LinkIssue;
        check(ServiceError::MissingScope { scope }, 403, "Your API key lacks the scope `link:issue`".into());
        check(ServiceError::OutsideBuckets, 403, "Your API key is limited to other buckets".into());
        for error in [ServiceError::NotOwner, ServiceError::NotFound { what: "bucket" }, ServiceError::NotFound { what: "file" }]
        {
            check(error, 404, NO_FILE.into());
        }
        check(ServiceError::NotUploaded, 400, "The file has not been uploaded yet".into());
        let invalid = |field| ServiceError::Invalid { field, found: "300 bytes".to_owned(), expected: "at most 255".to_owned() };
        for (field, loc) in [("name", json!(["body", "filename"])), ("key", json!(["body"]))] {
            let msg = "Value error, 300 bytes: expected at most 255";
            check(invalid(field), 422, json!([{ "type": "value_error", "loc": loc, "msg": msg }]));
        }
        let hidden = ServiceError::Unavailable { source: "/secret/path".into() };
        check(hidden, 503, "the server cannot answer at present; try again later".into());
    }

    #[test]
    fn bodies_that_do_not_come_whole() {
        let check = |error: ReceiveError, status: u16| assert_eq!(ApiError::from(error).answer().status(), status);
        check(ReceiveError::BrokenOff, 400);
        check(ServiceError::Refused(Refusal::TooLarge).into(), 413);
        check(ServiceError::Refused(Refusal::TooSlow).into(), 408);
        check(ServiceError::Refused(Refusal::NoSpace).into(), 507);
    }
}
