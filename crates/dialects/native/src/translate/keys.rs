//! API keys and signing keys between the wire and the use cases.

use super::{invalid, rfc3339};
use crate::wire::keys::{
    ApiKeyBody, ApiKeyUpdateBody, IssuedApiKeyBody, IssuedSigningKeyBody, NewApiKeyBody, NewSigningKeyBody, SigningKeyBody,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use valetkey_model::{ApiKeyId, NameError, Secret, Timestamp};
use valetkey_service::{
    ApiKeyRow, ApiKeyUpdate, IssuedApiKey, IssuedSigningKey, NewApiKey, NewSigningKey, ServiceError, SigningKeyLimits,
    SigningKeyRow,
};

/// How the owner is called that is no API key.
const SERVER: &str = "server";

pub(crate) fn new_api_key(body: NewApiKeyBody) -> NewApiKey {
    let NewApiKeyBody { id, scopes, buckets, expires_at, bearer } = body;
    NewApiKey { id, scopes, buckets, expires_at: expires_at.map(instant), bearer }
}

pub(crate) fn api_key_update(body: ApiKeyUpdateBody) -> ApiKeyUpdate {
    let ApiKeyUpdateBody { scopes, buckets, expires_at, disabled } = body;
    ApiKeyUpdate { scopes, buckets, expires_at: expires_at.map(|at| at.map(instant)), disabled }
}

fn instant(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_microsecond())
}

pub(crate) fn api_key_body(row: &ApiKeyRow) -> ApiKeyBody {
    ApiKeyBody {
        id: row.id.clone(),
        scopes: row.scopes,
        buckets: row.buckets.clone(),
        created_at: rfc3339(row.created_at),
        expires_at: row.expires_at.map(rfc3339),
        disabled_at: row.disabled_at.map(rfc3339),
        has_bearer: row.bearer.is_some(),
    }
}

pub(crate) fn issued_api_key_body(issued: &IssuedApiKey) -> IssuedApiKeyBody {
    IssuedApiKeyBody { api_key: api_key_body(&issued.api_key), secret: issued.secret.expose().to_owned() }
}

pub(crate) fn new_signing_key(body: NewSigningKeyBody) -> Result<NewSigningKey, ServiceError> {
    let not_an_id = |error: NameError| invalid("owner", error.to_string(), "`server`, or the id of an API key");
    let owner = match body.owner.as_str() {
        SERVER => None,
        id => Some(id.parse::<ApiKeyId>().map_err(not_an_id)?),
    };
    let secret = body.secret.map(|secret| {
        let bytes = URL_SAFE_NO_PAD.decode(secret.expose());
        bytes.map(Secret::new).map_err(|_| invalid("secret", "not base64url", "base64url without padding"))
    });
    Ok(NewSigningKey {
        id: body.kid,
        algorithm: body.algorithm,
        owner,
        secret: secret.transpose()?,
        max_lifetime: body.max_lifetime_seconds.map(Duration::from_secs),
        limits: SigningKeyLimits { buckets: body.buckets, prefixes: body.prefixes, permission: body.permission },
    })
}

pub(crate) fn signing_key_body(row: &SigningKeyRow) -> SigningKeyBody {
    SigningKeyBody {
        kid: row.id.clone(),
        algorithm: row.algorithm.clone(),
        owner: row.owner.as_ref().map_or_else(|| SERVER.to_owned(), ToString::to_string),
        state: row.state,
        max_lifetime_seconds: row.max_lifetime_seconds,
        buckets: row.limits.buckets.clone(),
        prefixes: row.limits.prefixes.clone(),
        permission: row.limits.permission,
        created_at: rfc3339(row.created_at),
    }
}

pub(crate) fn issued_signing_key_body(issued: &IssuedSigningKey) -> IssuedSigningKeyBody {
    let secret = issued.secret.as_ref().map(|secret| URL_SAFE_NO_PAD.encode(secret.expose()));
    IssuedSigningKeyBody { signing_key: signing_key_body(&issued.signing_key), secret }
}
