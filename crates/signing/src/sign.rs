//! Claims to a token.

use crate::{Claims, KeyState, MAX_TOKEN_CHARS, PathRule, SignError, SigningKey, cose, path};
use valetkey_model::SecretText;

/// Makes the token of these claims. The same claims and key give the same token; `link_id` is what makes tokens differ.
///
/// # Errors
///
/// * [`SignError::KeyNotActive`]
/// * [`SignError::InvalidClaims`] if an instant is not a whole second of the years 1970 to 9999, a path is not canonical, a
///   prefix does not end in `/` or permits more than unlimited reading, a file name has control characters, a content type is
///   not printable ASCII, or the times leave no moment of validity.
/// * [`SignError::WrongTenant`], [`SignError::LifetimeTooLong`], [`SignError::NotPermitted`] if the key may not sign this.
/// * [`SignError::TooLong`]: the token would have more than [`MAX_TOKEN_CHARS`].
pub fn sign(claims: &Claims, key: &SigningKey) -> Result<SecretText, SignError> {
    if key.state() != KeyState::Active {
        return Err(SignError::KeyNotActive { key_id: key.id().clone(), state: key.state() });
    }
    let invalid = |reason| SignError::InvalidClaims { reason };
    if !claims.has_whole_seconds() {
        return Err(invalid("an instant that is not a whole second of the years 1970 to 9999"));
    }
    if let Some(reason) = claims.contradiction() {
        return Err(invalid(reason));
    }
    let path = match &claims.path {
        PathRule::Exact(path) => path.as_str(),
        PathRule::Prefix(prefix) => prefix.strip_suffix('/').unwrap_or(prefix),
    };
    if !path::is_canonical(path) {
        return Err(invalid("a path that is not canonical"));
    }
    key.permits(claims, None)?;
    let token = SecretText::new(cose::seal(&claims.to_payload(), key));
    let found_chars = token.expose().len();
    if found_chars > MAX_TOKEN_CHARS {
        return Err(SignError::TooLong { found_chars, maximum_chars: MAX_TOKEN_CHARS });
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, KeyLimits, KeyOwner, KeyReach};
    use std::num::NonZeroU32;
    use std::time::Duration;
    use valetkey_model::{LinkId, Permission, Secret, Terms, Timestamp};

    fn key() -> SigningKey {
        let (kid, tenant) = ("k".parse().unwrap(), "acme".parse().unwrap());
        SigningKey::new(kid, tenant, Algorithm::Hs256, KeyOwner::Server, &Secret::new([1; 32])).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            tenant: "acme".parse().unwrap(),
            link_id: LinkId::from_bytes([1; 16]),
            issued_at: Timestamp::from_seconds(1_000),
            not_before: None,
            expires_at: Timestamp::from_seconds(2_000),
            path: PathRule::Exact("/o/reports/x".to_owned()),
            terms: Terms::new(Permission::Read),
        }
    }

    fn refused(edit: impl FnOnce(&mut Claims)) -> SignError {
        let mut claims = claims();
        edit(&mut claims);
        sign(&claims, &key()).unwrap_err()
    }

    /// The layout that the crate's documentation promises, byte by byte.
    #[test]
    fn a_token_to_the_byte() {
        let token = sign(&claims(), &key()).unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, token.expose()).unwrap();
        let header = b"\xd8\x3d\xd1\x84\x46\xa2\x01\x05\x04\x41k\xa0\x58\x42";
        let claims = b"\xa6\x01\x64acme\x04\x19\x07\xd0\x06\x19\x03\xe8\x07\x50";
        let rest = b"\x19\x01\x38\xa1\x03\xa1\x00\x6c/o/reports/x\x19\x01\x39\x82\x63GET\x64HEAD\x58\x20";
        let expected = [&header[..], claims, &[1; 16], rest].concat();
        assert_eq!(bytes.get(..expected.len()), Some(&expected[..]), "{bytes:02x?}");
        assert_eq!(bytes.len(), expected.len() + 32);
    }

    #[test]
    fn keys_that_do_not_sign() {
        for state in [KeyState::VerifyOnly, KeyState::Revoked] {
            let error = sign(&claims(), &key().with_state(state)).unwrap_err();
            assert_eq!(error, SignError::KeyNotActive { key_id: "k".parse().unwrap(), state });
        }
        let shared = key().with_limits(KeyLimits::default().with_reach(KeyReach::Shared));
        assert!(sign(&claims(), &shared).is_ok());
        let mut limited = claims();
        limited.terms.uses = NonZeroU32::new(1);
        assert!(matches!(sign(&limited, &shared), Err(SignError::NotPermitted { .. })));
        let elsewhere = key().with_limits(KeyLimits::default().with_buckets(["scans".parse().unwrap()]));
        assert!(matches!(sign(&claims(), &elsewhere), Err(SignError::NotPermitted { .. })));
    }

    #[test]
    fn claims_that_are_not_signed() {
        assert!(matches!(refused(|claims| claims.tenant = "globex".parse().unwrap()), SignError::WrongTenant { .. }));
        let later = Timestamp::from_seconds(1_000 + 7 * 86_400 + 1);
        assert!(matches!(refused(|claims| claims.expires_at = later), SignError::LifetimeTooLong { .. }));
        let long = format!("/o/reports/{}", "x".repeat(1500));
        assert!(matches!(refused(|claims| claims.path = PathRule::Exact(long)), SignError::TooLong { .. }));
        let invalid = |edit: &dyn Fn(&mut Claims)| assert!(matches!(refused(edit), SignError::InvalidClaims { .. }));
        invalid(&|claims| claims.expires_at = claims.issued_at);
        invalid(&|claims| claims.not_before = Some(claims.expires_at));
        invalid(&|claims| claims.issued_at = Timestamp::from_micros(1));
        invalid(&|claims| claims.issued_at = Timestamp::from_seconds(-1));
        invalid(&|claims| claims.expires_at = claims.expires_at.plus(Duration::from_millis(500)));
        for path in
            ["", "/", "o/reports/x", "/o/reports/", "/o//x", "/o/reports/%78", "/o/reports/%c3%bc", "/o/reports/../x", "/o/a b"]
        {
            invalid(&|claims| claims.path = PathRule::Exact(path.to_owned()));
        }
        for prefix in ["", "/", "/o/reports", "/o/reports//", "/o/../"] {
            invalid(&|claims| claims.path = PathRule::Prefix(prefix.to_owned()));
        }
        let prefix = || PathRule::Prefix("/o/reports/".to_owned());
        invalid(&|claims| (claims.path, claims.terms.permission) = (prefix(), Permission::ReadWrite));
        invalid(&|claims| (claims.path, claims.terms.uses) = (prefix(), NonZeroU32::new(2)));
        invalid(&|claims| claims.terms.file_name = Some("a\nb".to_owned()));
        invalid(&|claims| claims.terms.content_type = Some("text/plain\r\n".to_owned()));
    }
}
