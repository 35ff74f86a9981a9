//! How the vendor's signed URLs answer.

use crate::errors;
use crate::translate::{content_type_of, etag_of, file_id_text};
use crate::wire::UploadedAnswer;
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
    Arc::new(FlexPortalFace)
}

/// The vendor's errors; entity tags are SHA-256.
struct FlexPortalFace;

impl Face for FlexPortalFace {
    fn dialect(&self) -> Dialect {
        Dialect::FlexPortal
    }

    fn refusal(&self, refusal: Refusal, _: &HeaderMap) -> Response<ResponseBody> {
        errors::refused(refusal)
    }

    fn etag(&self, object: &ObjectRow) -> String {
        etag_of(object)
    }

    fn broken_off(&self) -> Response<ResponseBody> {
        errors::fault(StatusCode::BAD_REQUEST, "the upload broke off", "broken_off")
    }

    fn partial_upload(&self) -> Response<ResponseBody> {
        let message = "the upload is only a part, by its `Content-Range`; send the whole file";
        errors::fault(StatusCode::BAD_REQUEST, message, "partial_upload")
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let object = &published.object;
        let body = UploadedAnswer {
            success: true,
            file_id: file_id_text(&object.file_id),
            file_size: object.size_bytes,
            content_type: content_type_of(object.content_type.as_deref()),
        };
        let mut answer = errors::json(StatusCode::OK, &body);
        if let Some(etag) = precondition::etag(&etag_of(object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        errors::refused(Refusal::Exists)
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        errors::fault(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such range", "range_not_satisfiable")
    }
}
