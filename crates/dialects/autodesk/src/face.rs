//! How the vendor's signed URLs answer.

use crate::errors::{self, Place};
use crate::translate::{attachment_name, declared_sha1, etag_of, object_body};
use crate::wire::ObjectBody;
use http::header::{ETAG, HeaderMap};
use http::{Response, StatusCode};
use std::sync::Arc;
use valetkey_dataplane::Face;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::precondition;
use valetkey_http_common::public_url::PublicUrl;
use valetkey_http_common::query::Query;
use valetkey_model::{Dialect, Refusal};
use valetkey_service::{ObjectRow, Published};

/// The shape of answers to URLs of native form that this dialect issued: those that `signeds3download` gives.
pub fn issuer_face(public_url: PublicUrl) -> Arc<dyn Face> {
    Arc::new(TransferFace { public_url })
}

/// The shape of answers to one request; entity tags are SHA-1.
pub(crate) struct AutodeskFace<'a> {
    pub(crate) public_url: &'a PublicUrl,
    /// Who asks: one that reads or one that writes.
    pub(crate) place: Place,
}

impl Face for AutodeskFace<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Autodesk
    }

    fn refusal(&self, refusal: Refusal, _: &HeaderMap) -> Response<ResponseBody> {
        errors::refused(refusal, self.place)
    }

    fn etag(&self, object: &ObjectRow) -> String {
        etag_of(object)
    }

    fn needs_digests(&self) -> bool {
        true
    }

    fn declared_sha1(&self, headers: &HeaderMap) -> Result<Option<[u8; 20]>, &'static str> {
        declared_sha1(headers)
    }

    fn broken_off(&self) -> Response<ResponseBody> {
        crate::errors::unreadable(StatusCode::BAD_REQUEST, "the upload broke off")
    }

    fn partial_upload(&self) -> Response<ResponseBody> {
        errors::reason(StatusCode::BAD_REQUEST, errors::PARTIAL)
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let object = &published.object;
        let mut answer = errors::json(StatusCode::OK, &object_body(object, self.public_url));
        if let Some(etag) = precondition::etag(&etag_of(object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        errors::refused(Refusal::Exists, self.place)
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        errors::reason(StatusCode::RANGE_NOT_SATISFIABLE, "Requested range not satisfiable")
    }

    /// `response-content-disposition`, where it is an attachment's.
    fn file_name_asked(&self, query: Query<'_>) -> Option<String> {
        attachment_name(&query.last_form_value("response-content-disposition").ok()??)
    }
}

/// A resumable upload's: the vendor's answer to the last range is without the SHA-1.
pub(crate) struct RangeFace<'a>(pub(crate) AutodeskFace<'a>);

impl Face for RangeFace<'_> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    fn refusal(&self, refusal: Refusal, request: &HeaderMap) -> Response<ResponseBody> {
        self.0.refusal(refusal, request)
    }

    fn etag(&self, object: &ObjectRow) -> String {
        self.0.etag(object)
    }

    fn needs_digests(&self) -> bool {
        self.0.needs_digests()
    }

    fn declared_sha1(&self, headers: &HeaderMap) -> Result<Option<[u8; 20]>, &'static str> {
        self.0.declared_sha1(headers)
    }

    fn broken_off(&self) -> Response<ResponseBody> {
        self.0.broken_off()
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let body = ObjectBody { sha1: None, ..object_body(&published.object, self.0.public_url) };
        let mut answer = errors::json(StatusCode::OK, &body);
        if let Some(etag) = precondition::etag(&etag_of(&published.object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }
}

/// A direct transfer's: refused as the URL of a part is, and what it is saved as was said when it was issued.
struct TransferFace {
    public_url: PublicUrl,
}

impl TransferFace {
    fn face(&self) -> AutodeskFace<'_> {
        AutodeskFace { public_url: &self.public_url, place: Place::Transfer }
    }
}

impl Face for TransferFace {
    fn refusal(&self, refusal: Refusal, request: &HeaderMap) -> Response<ResponseBody> {
        self.face().refusal(refusal, request)
    }

    fn etag(&self, object: &ObjectRow) -> String {
        self.face().etag(object)
    }

    fn needs_digests(&self) -> bool {
        self.face().needs_digests()
    }

    fn broken_off(&self) -> Response<ResponseBody> {
        self.face().broken_off()
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        self.face().published(published)
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        self.face().precondition_failed()
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        self.face().unsatisfiable()
    }

    fn kept_as(&self) -> Option<Dialect> {
        Some(Dialect::Autodesk)
    }
}
