//! What the holders of URLs are answered: of signed resources, and of the parts of an upload.

use crate::errors::{ApiError, Place};
use crate::face::AutodeskFace;
use crate::routes::{Autodesk, MAX_PARTS, is_partial, method_not_allowed, nothing};
use crate::translate::{is_type, quote_validators};
use crate::wire::hex;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::receive;
use valetkey_http_common::query::Query;
use valetkey_http_common::{cors, precondition, security, view};
use valetkey_model::Refusal;
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::{LinkSecret, ServiceError};

impl Autodesk {
    /// `/oss/v2/signedresources/{id}` and `/oss/v2/{bucketKey}/{id}`.
    pub(crate) async fn signed_url(
        &self,
        mut parts: Parts,
        body: RequestBody,
        credential: Option<PresentedCredential<'_>>,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        quote_validators(&mut parts.headers);
        let writes = parts.method == Method::PUT;
        let place = if writes { Place::Writing } else { Place::Reading };
        let face = AutodeskFace { public_url: self.public_url(), place };
        let signed = &self.context.signed_urls;
        // Only at its own path is a URL taken back.
        let is_revocable = !matches!(credential, Some(PresentedCredential::LinkInBucket { .. }));
        let mut answer = match credential {
            _ if is_partial(&parts) => signed.refuse_partial_upload(&face, [], &parts, connection),
            Some(credential) => signed.call(&face, credential, &parts, body, connection).await,
            None => signed.refuse(&face, Refusal::UnknownLink, &parts, connection),
        };
        if answer.status() == StatusCode::NOT_FOUND {
            // Whether the link is in use or was never there is not told apart.
            answer.headers_mut().remove(RETRY_AFTER);
        }
        if is_revocable && answer.headers().contains_key(ALLOW) {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, DELETE, OPTIONS"));
        }
        if answer.status().is_success() && !writes {
            answer_as_asked(Query::new(parts.uri.query()), &mut answer);
        }
        // A published client declares fewer bytes than it sends with this type: what is left over would be the next request.
        if writes && is_type(&parts.headers, "application/x-www-form-urlencoded") { closing(answer) } else { answer }
    }

    /// `/oss/v2/uploads/{secret}/{part}`.
    pub(crate) async fn part_url(&self, parts: &Parts, body: RequestBody, secret: &str, number: &str) -> Response<ResponseBody> {
        let mut answer = match parts.method {
            Method::PUT => match self.put_part(parts, body, secret, number).await {
                Ok(answer) => answer,
                Err(error) => closing(error.on_part().answer()),
            },
            Method::OPTIONS => {
                let mut answer = nothing(StatusCode::NO_CONTENT);
                cors::preflight(&parts.headers, &[valetkey_model::Method::Put], answer.headers_mut());
                answer
            }
            _ => method_not_allowed("PUT, OPTIONS"),
        };
        cors::apply(answer.headers_mut());
        security::apply(answer.headers_mut());
        answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    async fn put_part(
        &self,
        parts: &Parts,
        body: RequestBody,
        secret: &str,
        number: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let secret = LinkSecret::parse(secret).ok_or(ServiceError::Refused(Refusal::Malformed))?;
        let number = number.parse().ok().filter(|number| (1..=MAX_PARTS).contains(number));
        let number = number.ok_or(ServiceError::Refused(Refusal::WrongPath))?;
        let declared_bytes = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut part = self.service().write_part(secret, number, declared_bytes).await?;
        receive(body, &mut part).await?;
        let written = part.finish().await?;
        let mut answer = nothing(StatusCode::OK);
        if let Some(etag) = precondition::etag(&hex(&written.md5)) {
            answer.headers_mut().insert(ETAG, etag);
        }
        Ok(answer)
    }
}

/// `response-content-type`, of a file that is saved and not shown.
fn answer_as_asked(query: Query<'_>, answer: &mut Response<ResponseBody>) {
    let is = |name, beginning: &[u8]| {
        answer.headers().get(name).is_some_and(|value: &HeaderValue| value.as_bytes().starts_with(beginning))
    };
    if !is(CONTENT_DISPOSITION, b"attachment") || is(CONTENT_TYPE, b"multipart/byteranges") {
        return;
    }
    if let Ok(Some(asked)) = query.last_form_value("response-content-type") {
        answer.headers_mut().insert(CONTENT_TYPE, view::sanitised(&asked));
    }
}
