//! The credential of an API request: who calls, as they say.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use valetkey_model::SecretText;

/// The field that carries an API key by itself.
pub static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A credential as presented; nothing is proved.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer` ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750.html)).
    Bearer(SecretText),
    /// `Authorization: Basic` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617.html)).
    Basic {
        /// Before the first colon.
        user: String,
        /// After the first colon; may be empty.
        password: SecretText,
    },
    /// `X-API-Key`.
    ApiKey(SecretText),
}

/// Why a request's credential cannot be used. Never repeats what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// More than one was sent.
    #[error("more than one credential was sent; send one of `Authorization` and `X-API-Key`, once")]
    Ambiguous,
    /// `Authorization` with another scheme.
    #[error("the scheme of `Authorization` is neither `Bearer` nor `Basic`")]
    Scheme,
    /// `Authorization: Bearer` without a usable token.
    #[error("`Authorization: Bearer` must be followed by one space and a token of visible ASCII characters")]
    Bearer,
    /// `Authorization: Basic` without a usable user and password.
    #[error("`Authorization: Basic` must be followed by one space and the base64 of `user:password` in UTF-8")]
    Basic,
    /// `X-API-Key` without a usable key.
    #[error("`X-API-Key` must be a key of visible ASCII characters")]
    ApiKey,
}

/// The request's credential; `None` if it has none.
///
/// # Errors
///
/// `Ambiguous` if there is more than one, whatever they are; otherwise the field that cannot be read.
pub fn credential(headers: &HeaderMap) -> Result<Option<Credential>, CredentialError> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let mut api_keys = headers.get_all(&X_API_KEY).iter();
    match (authorizations.next(), authorizations.next(), api_keys.next(), api_keys.next()) {
        (None, _, None, _) => Ok(None),
        (Some(value), None, None, _) => authorization(value).map(Some),
        (None, _, Some(value), None) => {
            visible(value.as_bytes()).map(Credential::ApiKey).map(Some).ok_or(CredentialError::ApiKey)
        }
        _ => Err(CredentialError::Ambiguous),
    }
}

fn authorization(value: &HeaderValue) -> Result<Credential, CredentialError> {
    let bytes = value.as_bytes().trim_ascii();
    let scheme_length = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at_checked(scheme_length).unwrap_or((bytes, b""));
    let rest = rest.trim_ascii_start();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        visible(rest).map(Credential::Bearer).ok_or(CredentialError::Bearer)
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        basic(rest).ok_or(CredentialError::Basic)
    } else {
        Err(CredentialError::Scheme)
    }
}

/// Lenient about padding, which clients forget; strict about the rest.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

fn basic(encoded: &[u8]) -> Option<Credential> {
    // Held as a secret, so that the whole is wiped too.
    let decoded = SecretText::new(String::from_utf8(BASE64.decode(encoded).ok()?).ok()?);
    let (user, password) = decoded.expose().split_once(':')?;
    if decoded.expose().contains(char::is_control) {
        return None;
    }
    Some(Credential::Basic { user: user.to_owned(), password: SecretText::new(password) })
}

fn visible(bytes: &[u8]) -> Option<SecretText> {
    let bytes = bytes.trim_ascii();
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| SecretText::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(fields: &[(&'static str, &str)], expected: Result<&str, CredentialError>) {
        let mut headers = HeaderMap::new();
        for (name, text) in fields {
            headers.append(*name, HeaderValue::from_str(text).unwrap());
        }
        let found = credential(&headers).map(|found| match found {
            None => "none".to_owned(),
            Some(Credential::Bearer(token)) => format!("bearer {}", token.expose()),
            Some(Credential::Basic { user, password }) => format!("basic {user} {}", password.expose()),
            Some(Credential::ApiKey(key)) => format!("key {}", key.expose()),
        });
        assert_eq!(found, expected.map(str::to_owned), "{fields:?}");
    }

    #[test]
    fn found() {
        check(&[], Ok("none"));
        check(&[("authorization", "Bearer tok-1")], Ok("bearer tok-1"));
        check(&[("authorization", "bearer  a.b_c~d+e/f=:!")], Ok("bearer a.b_c~d+e/f=:!"));
        check(&[("x-api-key", "tok-1")], Ok("key tok-1"));
        check(&[("authorization", "Basic Y2lkOnNlYw==")], Ok("basic cid sec"));
        check(&[("authorization", "BASIC Y2lkOnNlYw")], Ok("basic cid sec"));
        check(&[("authorization", "Basic Y2lkOg==")], Ok("basic cid "));
        check(&[("authorization", "Basic Y2lkOmE6Yg==")], Ok("basic cid a:b"));
        check(&[("authorization", "Basic w6k6w6k=")], Ok("basic é é"));
    }

    #[test]
    fn malformed() {
        for text in ["Bearer", "Bearer ", "Bearer a b", "Bearer é"] {
            check(&[("authorization", text)], Err(CredentialError::Bearer));
        }
        // No base64; no colon; not UTF-8; a control character; the other alphabet; spare bits.
        for text in
            ["Basic", "Basic !!!", "Basic Y2lk", "Basic /zo=", "Basic Y2lkOgA=", "Basic _zo=", "Basic Y2lkOh==", "Basic a:b"]
        {
            check(&[("authorization", text)], Err(CredentialError::Basic));
        }
        for text in ["", "Digest x", "tok-1", "Bearer\ttok-1", "Bearer,tok"] {
            check(&[("authorization", text)], Err(CredentialError::Scheme));
        }
        for text in ["", " ", "a b"] {
            check(&[("x-api-key", text)], Err(CredentialError::ApiKey));
        }
    }

    #[test]
    fn ambiguous() {
        check(&[("authorization", "Bearer a"), ("x-api-key", "a")], Err(CredentialError::Ambiguous));
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], Err(CredentialError::Ambiguous));
        check(&[("x-api-key", "a"), ("x-api-key", "a")], Err(CredentialError::Ambiguous));
        check(&[("authorization", ""), ("x-api-key", "a")], Err(CredentialError::Ambiguous));
    }

    #[test]
    fn never_printed() {
        let headers = [(AUTHORIZATION, HeaderValue::from_static("Basic Y2lkOnNlYw=="))].into_iter().collect();
        let printed = format!("{:?}", credential(&headers));
        assert!(printed.contains("[redacted]") && !printed.contains("sec"), "{printed}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(field in crate::values("(bearer|basic) [ -~]{0,40}"), key in proptest::option::of("[ -~]{0,10}")) {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, field);
            if let Some(key) = &key {
                headers.insert(&X_API_KEY, HeaderValue::from_str(key).unwrap());
            }
            let found = credential(&headers);
            prop_assert_eq!(matches!(found, Err(CredentialError::Ambiguous)), key.is_some());
        }
    }
}
