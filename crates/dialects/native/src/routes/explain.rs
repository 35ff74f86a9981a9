//! `POST /vk/v1/explain`, and how other APIs' URLs get there.

use super::{Call, Native, json, link_secret, parse, place_of, token_in, whole, with_base_path};
use crate::errors::ApiError;
use crate::translate::explain::{UrlParts, explanation_body, method_of, not_told, url_parts};
use crate::translate::invalid;
use crate::wire::explain::QuestionBody;
use http::{Response, StatusCode};
use std::sync::Arc;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::public_url::PublicUrl;
use valetkey_model::{Refusal, Timestamp};
use valetkey_service::redeem::{Question, UrlCredential};

/// The longest URL.
const MAX_URL_BYTES: usize = 16 << 10;
/// The longest `User-Agent`.
const MAX_USER_AGENT_BYTES: usize = 1024;

/// How an API finds the credential in one of its signed URLs: from the base path of the public URL, the raw path without it
/// (leading slashes collapsed), and the raw query. `None` if the URL is not one of its own, or no signed one; the refusal, if there
/// is no telling which credential it has.
pub type CredentialOf = fn(base_path: &str, path: &str, query: Option<&str>) -> Option<Result<UrlCredential, Refusal>>;

/// What else is explained than the native API's URLs.
#[derive(Clone, Default)]
pub(super) struct Explained {
    pub(super) others: Arc<[CredentialOf]>,
    pub(super) cdn_url: Option<Arc<PublicUrl>>,
}

impl Native {
    pub(super) async fn explain(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let body: QuestionBody = parse(&whole(body).await?)?;
        let user_agent = body.user_agent.unwrap_or_default();
        for (field, found, most) in
            [("url", body.url.len(), MAX_URL_BYTES), ("user_agent", user_agent.len(), MAX_USER_AGENT_BYTES)]
        {
            if found > most {
                return Err(invalid(field, format!("{found} bytes"), format!("at most {most} bytes")).into());
            }
        }
        let url = url_parts(&body.url)?;
        let method = body.method.as_deref().map(method_of).transpose()?;
        let own_host = self.is_own_host(&url);
        let credential = match self.credential_in(&url) {
            Some(Ok(credential)) => credential,
            // What is wrong stands in the URL alone.
            Some(Err(Refusal::Ambiguous)) => return Ok(json(StatusCode::OK, &not_told(Some(Refusal::Ambiguous), own_host))),
            // For the scopes: who lacks them is told so whatever they ask.
            Some(Err(_)) | None => UrlCredential::Token { token: String::new(), raw_path: String::new() },
        };
        let question = Question {
            credential: &credential,
            method,
            client: body.client_address.unwrap_or(call.client),
            user_agent: user_agent.as_bytes(),
            at: body.at.map(|at| Timestamp::from_micros(at.as_microsecond())),
        };
        let explained = self.service().explain(&principal, &question).await?;
        Ok(match explained {
            Some(explanation) => json(StatusCode::OK, &explanation_body(&explanation, own_host)),
            None => json(StatusCode::OK, &not_told(None, own_host)),
        })
    }

    /// The credential in a URL of whatever API.
    fn credential_in(&self, url: &UrlParts<'_>) -> Option<Result<UrlCredential, Refusal>> {
        let base = self.context.public_urls.default_url();
        let path = collapse_leading_slashes(url.path);
        // As where requests come in: a proxy may have taken the base path away already.
        let path = base.strip_base_path(path).unwrap_or(path);
        let others = self.explained.others.iter().copied();
        std::iter::once(credential_of as CredentialOf).chain(others).find_map(|of| of(base.base_path(), path, url.query))
    }

    /// Whether a URL begins with one that this server gives out; one without a host does.
    fn is_own_host(&self, url: &UrlParts<'_>) -> bool {
        let Some(origin) = &url.origin else { return true };
        let urls = &self.context.public_urls;
        let own = urls.of_regions().map(|(_, url)| url).chain(self.explained.cdn_url.as_deref()).chain([urls.default_url()]);
        own.map(PublicUrl::origin).any(|own| own == origin)
    }
}

/// The credential in a native URL, by either form.
fn credential_of(base_path: &str, path: &str, query: Option<&str>) -> Option<Result<UrlCredential, Refusal>> {
    if let Some(rest) = path.strip_prefix("/l/") {
        return Some(link_secret(rest).map(UrlCredential::Link).ok_or(Refusal::UnknownLink));
    }
    if !path.starts_with("/o/") {
        return None;
    }
    Some(match token_in(query) {
        Ok(Some(token)) => {
            let raw_path = with_base_path(base_path, path).into_owned();
            Ok(UrlCredential::Token { token: token.into_owned(), raw_path })
        }
        Ok(None) => place_of(path).map(|(bucket, key)| UrlCredential::Object { bucket, key }).ok_or(Refusal::Malformed),
        Err(refusal) => Err(refusal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let check = |path: &str, query: Option<&str>, expected: Option<Result<UrlCredential, Refusal>>| {
            assert_eq!(credential_of("/files", path, query), expected, "{path} {query:?}");
        };
        let token = |raw_path: &str| Some(Ok(UrlCredential::Token { token: "abc".to_owned(), raw_path: raw_path.to_owned() }));
        check("/o/reports/a%20b", Some("x=1&cat=abc"), token("/files/o/reports/a%20b"));
        check("/o/reports/a", Some("c%61t=abc"), token("/files/o/reports/a"));
        check("/o/reports/a", Some("cat=abc&cat=abc"), Some(Err(Refusal::Ambiguous)));
        check("/o/reports/a", Some("cat=%zz"), Some(Err(Refusal::Malformed)));
        let (bucket, key) = ("reports".parse().unwrap(), "a b".parse().unwrap());
        check("/o/reports/a%20b", None, Some(Ok(UrlCredential::Object { bucket, key })));
        check("/o/reports/", None, Some(Err(Refusal::Malformed)));
        let secret = valetkey_service::LinkSecret::parse("3q2-7wAAQACAAAAAAAAAAA").unwrap();
        check("/l/3q2-7wAAQACAAAAAAAAAAA", None, Some(Ok(UrlCredential::Link(secret))));
        check("/l/3q2-7wAAQACAAAAAAAAAAA/q3.pdf", Some("x"), Some(Ok(UrlCredential::Link(secret))));
        check("/l/3q2", None, Some(Err(Refusal::UnknownLink)));
        for path in ["/vk/v1/buckets", "/oss/v2/signedresources/x", "/", ""] {
            check(path, Some("cat=abc"), None);
        }
    }
}
