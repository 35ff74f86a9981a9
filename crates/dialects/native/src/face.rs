//! How native signed URLs answer.

use crate::errors;
use crate::routes::{json, partial_upload};
use crate::translate::etag_of;
use crate::wire::{StoredBody, hex};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, VARY};
use http::{HeaderValue, Response, StatusCode};
use valetkey_dataplane::Face;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::page::{self, Page, is_navigation};
use valetkey_http_common::precondition;
use valetkey_http_common::problem::Problem;
use valetkey_model::{Dialect, Refusal};
use valetkey_service::{ObjectRow, Published};

/// Problems for programs, a plain page for people; entity tags are SHA-256.
pub(crate) struct NativeFace;

impl Face for NativeFace {
    fn refusal(&self, refusal: Refusal, request: &HeaderMap) -> Response<ResponseBody> {
        let problem = Problem::refusal(refusal);
        let mut answer = if is_navigation(request) { page(refusal, problem.status()) } else { errors::answer(&problem) };
        answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Cookie, Sec-Fetch-Mode"));
        answer
    }

    fn etag(&self, object: &ObjectRow) -> String {
        etag_of(object)
    }

    fn offers(&self) -> bool {
        true
    }

    fn kept_as(&self) -> Option<Dialect> {
        Some(Dialect::Native)
    }

    fn broken_off(&self) -> Response<ResponseBody> {
        crate::errors::unreadable(StatusCode::BAD_REQUEST, "the upload broke off")
    }

    fn partial_upload(&self) -> Response<ResponseBody> {
        errors::answer(&partial_upload())
    }

    fn bad_range(&self, status: StatusCode, detail: &str) -> Response<ResponseBody> {
        errors::answer(&errors::bad_range(status, detail))
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let object = &published.object;
        let body = StoredBody { size_bytes: object.size_bytes, sha256: hex(&object.sha256), etag: etag_of(object) };
        let mut answer = json(if published.replaced { StatusCode::OK } else { StatusCode::CREATED }, &body);
        if let Some(etag) = precondition::etag(&etag_of(object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        errors::answer(&Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            "the object is not as you expect it",
        ))
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        errors::answer(&Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "the object has no such range"))
    }
}

fn page(refusal: Refusal, status: StatusCode) -> Response<ResponseBody> {
    let page = Page::refusal(refusal);
    let mut answer = Response::new(ResponseBody::bytes(page.body()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, page::CONTENT_TYPE.clone());
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, page.content_security_policy());
    answer
}
