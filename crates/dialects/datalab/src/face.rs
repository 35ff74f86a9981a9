//! How the vendor's signed URLs answer, which have native form.

use crate::errors;
use crate::translate::etag_of;
use http::header::{ETAG, HeaderMap};
use http::{Response, StatusCode};
use std::sync::Arc;
use valetkey_dataplane::Face;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::precondition;
use valetkey_model::{Dialect, Refusal};
use valetkey_service::{ObjectRow, Published};

/// The shape of answers to URLs that this dialect issued.
pub fn issuer_face() -> Arc<dyn Face> {
    Arc::new(DatalabFace)
}

/// `{"detail": …}` for refusals; entity tags are SHA-256.
struct DatalabFace;

impl Face for DatalabFace {
    fn dialect(&self) -> Dialect {
        Dialect::Datalab
    }

    fn refusal(&self, refusal: Refusal, _: &HeaderMap) -> Response<ResponseBody> {
        errors::refused(refusal)
    }

    fn etag(&self, object: &ObjectRow) -> String {
        etag_of(object)
    }

    /// As an object store answers, which the vendor's own URLs lead to: nothing but the entity tag.
    fn broken_off(&self) -> Response<ResponseBody> {
        crate::errors::unreadable(StatusCode::BAD_REQUEST, "the upload broke off")
    }

    fn partial_upload(&self) -> Response<ResponseBody> {
        crate::errors::unreadable(
            StatusCode::BAD_REQUEST,
            "the upload is only a part, by its `Content-Range`; send the whole file",
        )
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let mut answer = Response::new(ResponseBody::empty());
        if let Some(etag) = precondition::etag(&etag_of(&published.object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        errors::detail(StatusCode::PRECONDITION_FAILED, "the file is not as you expect it")
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        errors::detail(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such range")
    }
}
