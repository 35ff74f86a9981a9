//! Every failure as an RFC 9457 problem.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::credential::CredentialError;
use valetkey_http_common::problem::{self, Problem};
use valetkey_http_common::security;
use valetkey_service::ServiceError;

/// The code of a call that is being done.
const IDEMPOTENCY_KEY_IN_USE: &str = "idempotency_key_in_use";

/// A failure of a native API call.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// A use case failed.
    Service(ServiceError),
    /// The request is not one.
    Problem(Problem),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        Self::Problem(match error {
            CredentialError::Ambiguous => invalid("ambiguous", error.to_string()),
            _ => unauthenticated().detail(error.to_string()),
        })
    }
}

/// 400 with a code and what was found and expected.
pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, "the request makes no sense").detail(detail)
}

/// A range that is none of the upload it is for, or an upload that is not there.
pub(crate) fn bad_range(status: StatusCode, detail: &str) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(status, "not_found", "there is no such upload"),
        StatusCode::CONFLICT => Problem::new(status, "conflict", "another request is sending these bytes"),
        _ => invalid("invalid_range", detail),
    }
}

/// 401.
pub(crate) fn unauthenticated() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a valid credential is needed")
}

/// 404 for a path that nothing is at.
pub(crate) fn no_such_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

/// 405.
pub(crate) fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the method is not for this path")
}

/// 500 for a kept answer that cannot be read.
pub(crate) fn unkept() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer that was kept cannot be read")
}

/// 409: the same call is being done at this moment.
pub(crate) fn idempotency_key_in_use() -> Problem {
    let title = "a call with this `Idempotency-Key` is being done at this moment";
    Problem::new(StatusCode::CONFLICT, IDEMPOTENCY_KEY_IN_USE, title).detail("send it again in a second, and get its answer")
}

/// 422: the key stands for another call.
pub(crate) fn idempotency_key_reused() -> Problem {
    let title = "the `Idempotency-Key` was used for another call";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", title)
        .detail("within the last 24 hours, with another path or body; use a new key for a new call")
}

impl ApiError {
    /// The answer. What is ours to mend is logged as an error, what is the client's once at `info`.
    pub(crate) fn answer(self) -> Response<ResponseBody> {
        let problem = match self {
            Self::Problem(problem) => problem,
            Self::Service(error) => told(error),
        };
        tracing::info!(code = problem.code(), status = problem.status().as_u16(), "an API call failed");
        answer(&problem)
    }
}

fn told(error: ServiceError) -> Problem {
    let text = error.to_string();
    let not_found = |what: &str| {
        let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing");
        problem.detail(format!("there is no such {what}")).with("what", what)
    };
    match error {
        ServiceError::Unauthenticated => unauthenticated(),
        ServiceError::MissingScope { scope } => {
            Problem::new(StatusCode::FORBIDDEN, "missing_scope", "the credential may not do this")
                .detail(text)
                .with("scope", scope.as_str())
        }
        // Whether another tenant has a bucket of this name is not told.
        ServiceError::NotOwner => not_found("bucket"),
        ServiceError::OutsideBuckets => {
            Problem::new(StatusCode::FORBIDDEN, "outside_buckets", "the credential is limited to certain buckets").detail(text)
        }
        ServiceError::NotFound { what } => not_found(what),
        ServiceError::NotUploaded => {
            Problem::new(StatusCode::CONFLICT, "not_uploaded", "the file was not uploaded yet").detail(text)
        }
        ServiceError::AlreadyExists { .. } => {
            Problem::new(StatusCode::CONFLICT, "already_exists", "the name is taken").detail(text)
        }
        ServiceError::Conflict { .. } => {
            Problem::new(StatusCode::CONFLICT, "conflict", "what is there does not permit it").detail(text)
        }
        ServiceError::NotEmpty { .. } => Problem::new(StatusCode::CONFLICT, "not_empty", "it still holds something").detail(text),
        ServiceError::Invalid { field, found, expected } => {
            invalid("invalid", text).with("field", field).with("found", found).with("expected", expected)
        }
        ServiceError::Refused(refusal) => Problem::refusal(refusal),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "an API call failed for want of a store");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server cannot answer at present; try again later")
        }
    }
}

/// A problem as an answer.
pub(crate) fn answer(problem: &Problem) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::bytes(problem.body()));
    *answer.status_mut() = problem.status();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, problem::CONTENT_TYPE.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security::apply(headers);
    match problem.status() {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"valetkey\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::CONFLICT if problem.code() == IDEMPOTENCY_KEY_IN_USE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    answer
}

/// The answer to what is no request that can be handled.
pub fn unreadable(status: StatusCode, why: &str) -> Response<ResponseBody> {
    answer(&Problem::new(status, "malformed_request", "the request cannot be read").detail(why))
}
