//! How a dialect looks on its signed URLs: the shape of answers, never what is allowed.

use crate::answer::Representation;
use crate::body::ResponseBody;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use valetkey_http_common::query::Query;
use valetkey_model::{Dialect, Refusal};
use valetkey_service::{ObjectRow, Published};

/// The shape of a dialect's answers. The data plane adds what every answer carries: CORS, security headers, caching.
pub trait Face: Send + Sync {
    /// Whose face it is, where no token says otherwise.
    fn dialect(&self) -> Dialect {
        Dialect::Native
    }

    /// The answer to a refused request. `Retry-After` is added, and `Allow` to a 405 that has none.
    fn refusal(&self, refusal: Refusal, request: &HeaderMap) -> Response<ResponseBody>;

    /// The opaque part of an object's entity tag, which must be strong: another for each generation.
    fn etag(&self, object: &ObjectRow) -> String;

    /// Whether [`Face::etag`] needs SHA-1 and MD5 of the object.
    fn needs_digests(&self) -> bool {
        false
    }

    /// The SHA-1 that an upload's bytes are said to have, where the dialect has a header for it; `Err` is the name of one that cannot
    /// be read.
    fn declared_sha1(&self, _headers: &HeaderMap) -> Result<Option<[u8; 20]>, &'static str> {
        Ok(None)
    }

    /// Adds to the head of an answer with content, whole or in part, what this dialect says of it besides.
    fn describe(&self, _shown: &Representation<'_>, _head: &mut Response<()>) {}

    /// Whether a person who navigates to a URL with a number of uses is shown a page with a button first.
    fn offers(&self) -> bool {
        false
    }

    /// The answer to an upload whose body ended early, or broke the protocol.
    fn broken_off(&self) -> Response<ResponseBody> {
        status(StatusCode::BAD_REQUEST)
    }

    /// The answer to an upload of only a part of an object, which would destroy the rest of it (RFC 9110 §14.5).
    fn partial_upload(&self) -> Response<ResponseBody> {
        status(StatusCode::BAD_REQUEST)
    }

    /// The answer to a range that is none of the upload it is for.
    fn bad_range(&self, status_code: StatusCode, _: &str) -> Response<ResponseBody> {
        status(status_code)
    }

    /// The answer to an upload that was published.
    fn published(&self, published: &Published) -> Response<ResponseBody>;

    /// The answer where a precondition failed.
    fn precondition_failed(&self) -> Response<ResponseBody> {
        status(StatusCode::PRECONDITION_FAILED)
    }

    /// The answer where no range asked for can be had; `Content-Range` is added.
    fn unsatisfiable(&self) -> Response<ResponseBody> {
        status(StatusCode::RANGE_NOT_SATISFIABLE)
    }

    /// As whose the head of an answer with all of an object may be kept and given again: it must then depend on nothing but the
    /// object, its disposition and this. `None` keeps nothing.
    fn kept_as(&self) -> Option<Dialect> {
        None
    }

    /// The file name that the query asks to save under, where the dialect lets it. It never makes a saved file a shown one.
    fn file_name_asked(&self, _query: Query<'_>) -> Option<String> {
        None
    }
}

/// An answer without a body.
pub(crate) fn status(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response.headers_mut().remove(CONTENT_TYPE);
    response
}
