//! How the URLs of files answer.

use crate::errors::{self, ApiError};
use crate::translate::{etag_of, file_name_of, md5_of};
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::sync::Arc;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::{Face, Representation};
use valetkey_http_common::path::encode_segment;
use valetkey_http_common::{content_type, precondition};
use valetkey_model::{Dialect, Refusal};
use valetkey_service::{ObjectRow, Published};

/// The methods of a file's URL.
pub(crate) const FILE_METHODS: &str = "GET, HEAD, OPTIONS";
/// The methods of an upload's URL.
const UPLOAD_METHODS: &str = "PUT, OPTIONS";

static CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
static DIGEST: HeaderName = HeaderName::from_static("digest");
static FILE_NAME: HeaderName = HeaderName::from_static("x-redivis-filename");

/// The shape of answers to URLs of native form that this dialect issued: those of its uploads.
pub fn issuer_face() -> Arc<dyn Face> {
    Arc::new(RedivisFace::Upload)
}

/// The shape of answers, by what a URL is for; entity tags are MD5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedivisFace {
    /// A file, with a credential.
    File,
    /// A file, without any credential.
    PublicFile,
    /// The place of an upload.
    Upload,
}

impl RedivisFace {
    fn told(self, refusal: Refusal) -> ApiError {
        match (self, refusal) {
            // Whether there is such a file is not told who has no credential, nor whether there was.
            (Self::PublicFile, Refusal::Malformed | Refusal::ObjectGone) => errors::no_credential(),
            (Self::File | Self::PublicFile, Refusal::WrongMethod) => errors::method_not_allowed(FILE_METHODS),
            (Self::Upload, Refusal::WrongMethod) => errors::method_not_allowed(UPLOAD_METHODS),
            _ => errors::refused(refusal),
        }
    }
}

impl Face for RedivisFace {
    fn dialect(&self) -> Dialect {
        Dialect::Redivis
    }

    fn refusal(&self, refusal: Refusal, _: &HeaderMap) -> Response<ResponseBody> {
        self.told(refusal).response_on_file()
    }

    fn etag(&self, object: &ObjectRow) -> String {
        etag_of(object)
    }

    fn needs_digests(&self) -> bool {
        true
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

    fn bad_range(&self, status: StatusCode, detail: &str) -> Response<ResponseBody> {
        if status == StatusCode::NOT_FOUND {
            return errors::no_such_upload().response_on_file();
        }
        errors::unreadable(status, detail)
    }

    fn published(&self, published: &Published) -> Response<ResponseBody> {
        let mut answer = Response::new(ResponseBody::empty());
        if let Some(etag) = precondition::etag(&etag_of(&published.object)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }

    fn precondition_failed(&self) -> Response<ResponseBody> {
        errors::precondition_failed().response_on_file()
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        errors::unsatisfiable().response_on_file()
    }

    fn kept_as(&self) -> Option<Dialect> {
        (*self != Self::Upload).then_some(Dialect::Redivis)
    }

    fn describe(&self, shown: &Representation<'_>, head: &mut Response<()>) {
        let (object, is_whole) = (shown.object, head.status() == StatusCode::OK);
        let file_name = shown.file_name.unwrap_or_else(|| file_name_of(object));
        let headers = head.headers_mut();
        if shown.content_type.is_none() && object.content_type.is_none() && headers.get(CONTENT_TYPE).is_some_and(is_unknown) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type::guess(file_name)));
        }
        if let Ok(value) = HeaderValue::from_str(&encode_segment(file_name)) {
            headers.insert(FILE_NAME.clone(), value);
        }
        let Some(md5) = md5_of(object) else { return };
        insert(headers, &DIGEST, format!("md5={md5}"));
        if is_whole {
            // Of a part it would be the part's own (RFC 9530 §2), whereas `Digest` is the file's (RFC 3230 §4.2).
            insert(headers, &CONTENT_DIGEST, format!("md5=:{md5}:"));
        }
    }
}

fn is_unknown(content_type: &HeaderValue) -> bool {
    content_type == content_type::OCTET_STREAM
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name.clone(), value);
    }
}
