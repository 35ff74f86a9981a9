//! `/openapi.json` and `/docs`: made once, told apart by their entity tags.

use crate::{docs, openapi};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use sha2::{Digest as _, Sha256};
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::precondition::{self, Access, Outcome, Validators};
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::{page, security};
use valetkey_model::Timestamp;

/// Keep it, and ask each time whether it is still so: another version of the server has another document.
static CACHING: HeaderValue = HeaderValue::from_static("public, no-cache");
static JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What describes the API.
pub(crate) struct Documents {
    /// The OpenAPI document.
    pub(crate) openapi: Document,
    /// The same as a page.
    pub(crate) docs: Document,
}

impl Documents {
    /// The documents of a server that clients reach under these URLs.
    pub(crate) fn of(public_urls: &PublicUrls) -> Self {
        let document = openapi::served(public_urls);
        let docs = docs::page(&document, public_urls.default_url());
        Self {
            openapi: Document::new(openapi::json(&document), JSON.clone(), None),
            docs: Document::new(docs, page::CONTENT_TYPE.clone(), HeaderValue::try_from(docs::content_security_policy()).ok()),
        }
    }
}

/// A document that does not change.
pub(crate) struct Document {
    body: Bytes,
    etag: String,
    content_type: HeaderValue,
    content_security_policy: Option<HeaderValue>,
}

impl Document {
    fn new(body: String, content_type: HeaderValue, content_security_policy: Option<HeaderValue>) -> Self {
        let etag = URL_SAFE_NO_PAD.encode(Sha256::digest(&body));
        Self { body: body.into(), etag, content_type, content_security_policy }
    }

    /// The answer to GET and HEAD with these headers.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response<ResponseBody> {
        // It has no date that could be compared. Only 304 is worth having: whoever wants another document gets this one.
        let validators = Validators { etag: &self.etag, last_modified: Timestamp::MAX };
        let is_known = precondition::evaluate(request, Access::Read, Some(&validators)) == Outcome::NotModified;
        let mut answer = Response::new(if is_known { ResponseBody::empty() } else { ResponseBody::bytes(self.body.clone()) });
        let headers = answer.headers_mut();
        if let Some(etag) = precondition::etag(&self.etag) {
            headers.insert(ETAG, etag);
        }
        headers.insert(CACHE_CONTROL, CACHING.clone());
        security::apply(headers);
        if is_known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            return answer;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if let Some(policy) = &self.content_security_policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

    #[test]
    fn conditional_requests() {
        let document = Document::new("x".to_owned(), JSON.clone(), None);
        let tag = document.answer(&HeaderMap::new()).headers()[ETAG].clone();
        let check = |name: http::HeaderName, value: &HeaderValue, status: u16| {
            let answer = document.answer(&[(name.clone(), value.clone())].into_iter().collect());
            assert_eq!(answer.status().as_u16(), status, "{name} {value:?}");
            assert_eq!((&answer.headers()[ETAG], &answer.headers()[CACHE_CONTROL]), (&tag, &CACHING));
        };
        let (other, date) = (HeaderValue::from_static("\"x\""), HeaderValue::from_static("Sat, 01 Jan 2050 00:00:00 GMT"));
        check(IF_NONE_MATCH, &tag, 304);
        check(IF_NONE_MATCH, &HeaderValue::from_static("*"), 304);
        check(IF_NONE_MATCH, &other, 200);
        check(IF_MODIFIED_SINCE, &date, 200);
        check(IF_UNMODIFIED_SINCE, &date, 200);
        check(IF_MATCH, &other, 200);
        assert_ne!(Document::new("y".to_owned(), JSON.clone(), None).etag, document.etag);
    }
}
