//! Short-lived access tokens: what `POST /vk/v1/token` exchanges an API key's secret for.
//!
//! `vkt_` + base64url(claims) + `.` + base64url(HMAC-SHA256). Stateless: any node with the master key verifies it; the API key
//! behind it must still work and have the same secret, and its scopes limit the token's.

use crate::sealing::hmac_sha256;
use crate::{Principal, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use valetkey_metadata::ApiKeyRow;
use valetkey_model::{ApiKeyId, Scopes, SecretText, Timestamp};

const PREFIX: &str = "vkt_";
const LIFETIME: Duration = Duration::from_secs(3600);

/// An access token, and what it is worth.
#[derive(Debug)]
pub struct AccessToken {
    /// The token, to be sent as a bearer credential.
    pub token: SecretText,
    /// How long it works.
    pub lifetime: Duration,
    /// What it may do.
    pub scopes: Scopes,
}

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    key: ApiKeyId,
    scopes: Scopes,
    expires_at: Timestamp,
}

impl Service {
    /// Gives the principal an access token with those of its scopes that are asked for, or all of them. A token given for a token
    /// lives no longer than that one.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Invalid`] if none of the scopes asked for is its own; [`ServiceError::Unauthenticated`] if its API key works
    /// no longer.
    pub fn issue_access_token(&self, principal: &Principal, asked: Option<Scopes>) -> Result<AccessToken, ServiceError> {
        let scopes = asked.map_or(principal.scopes(), |asked| asked.intersection(principal.scopes()));
        if scopes == Scopes::NONE {
            return Err(ServiceError::invalid("scope", "none of the credential's", format!("some of `{}`", principal.scopes())));
        }
        let now = self.now();
        let row = self.inner().api_keys.live(principal.api_key(), now).ok_or(ServiceError::Unauthenticated)?;
        let expires_at = principal.ends_at().map_or(now.plus(LIFETIME), |end| end.min(now.plus(LIFETIME)));
        let claims = AccessClaims { key: principal.api_key().clone(), scopes, expires_at };
        let body = serde_json::to_vec(&claims).map_err(|source| ServiceError::Unavailable { source: Box::new(source) })?;
        let body = URL_SAFE_NO_PAD.encode(body);
        let tag = URL_SAFE_NO_PAD.encode(self.access_token_tag(&body, &row));
        Ok(AccessToken { token: SecretText::new(format!("{PREFIX}{body}.{tag}")), lifetime: expires_at.since(now), scopes })
    }

    /// Who an access token speaks for; `None` if it is not one of ours, or has expired, or its API key works no longer.
    pub(crate) fn open_access_token(&self, token: &SecretText, now: Timestamp) -> Option<Principal> {
        let (body, tag) = token.expose().strip_prefix(PREFIX)?.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        // Unproved until the tag is: it only says whose secret is in it.
        let claims: AccessClaims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let row = self.inner().api_keys.live(&claims.key, now).filter(|_| now < claims.expires_at)?;
        if !bool::from(self.access_token_tag(body, &row).as_slice().ct_eq(&tag)) {
            return None;
        }
        Some(Principal::of(&row, claims.scopes.intersection(row.scopes)).until(claims.expires_at))
    }

    /// Over the claims and the digest of the API key's secret, so that another secret ends the tokens given for the one before.
    fn access_token_tag(&self, body: &str, api_key: &ApiKeyRow) -> [u8; 32] {
        hmac_sha256(&self.inner().access_token_key, &[body.as_bytes(), b"\n", api_key.secret.as_bytes()].concat())
    }
}
