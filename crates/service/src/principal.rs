//! Who calls: API keys in memory, and what they may do now.

use crate::{Service, ServiceError};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use valetkey_metadata::{ApiKeyRow, BucketRow};
use valetkey_model::{ApiKeyId, BucketName, Scope, Scopes, SecretDigest, SecretText, TenantName, Timestamp};

/// Who calls, proved by a credential.
#[derive(Clone, Debug)]
pub struct Principal {
    tenant: TenantName,
    api_key: ApiKeyId,
    scopes: Scopes,
    buckets: Arc<[BucketName]>,
    /// When the credential ends by itself: an access token's end.
    ends_at: Option<Timestamp>,
}

impl Principal {
    pub(crate) fn of(row: &ApiKeyRow, scopes: Scopes) -> Self {
        let buckets = row.buckets.clone().into();
        Self { tenant: row.tenant.clone(), api_key: row.id.clone(), scopes, buckets, ends_at: None }
    }

    pub(crate) fn until(self, at: Timestamp) -> Self {
        Self { ends_at: Some(at), ..self }
    }

    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// Whose data it works on.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// The API key behind the credential.
    pub fn api_key(&self) -> &ApiKeyId {
        &self.api_key
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Proves that it has a scope.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`].
    pub fn require(&self, scope: Scope) -> Result<(), ServiceError> {
        if self.scopes.has(scope) { Ok(()) } else { Err(ServiceError::MissingScope { scope }) }
    }

    /// Whether the bucket is its tenant's and among those it may use.
    pub(crate) fn may_use(&self, bucket: &BucketRow) -> bool {
        bucket.tenant == self.tenant && (self.buckets.is_empty() || self.buckets.contains(&bucket.name))
    }
}

/// The SHA-256 under which a secret is known.
pub(crate) fn digest_of(secret: &[u8]) -> SecretDigest {
    SecretDigest::from_bytes(Sha256::digest(secret).into())
}

/// Every API key, found by id or by the digest of a secret or bearer value.
#[derive(Default)]
pub(crate) struct ApiKeys {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    by_id: HashMap<ApiKeyId, Arc<ApiKeyRow>>,
    by_digest: HashMap<SecretDigest, ApiKeyId>,
}

impl ApiKeys {
    pub(crate) fn insert(&self, row: ApiKeyRow) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for digest in [Some(row.secret), row.bearer].into_iter().flatten() {
            tables.by_digest.insert(digest, row.id.clone());
        }
        tables.by_id.insert(row.id.clone(), Arc::new(row));
    }

    /// The key of this id, if it works at `now`.
    pub(crate) fn live(&self, id: &ApiKeyId, now: Timestamp) -> Option<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.by_id.get(id).filter(|row| is_live(row, now)).cloned()
    }

    pub(crate) fn contains(&self, id: &ApiKeyId) -> bool {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).by_id.contains_key(id)
    }

    fn by_secret(&self, secret: &str, now: Timestamp) -> Option<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let id = tables.by_digest.get(&digest_of(secret.as_bytes()))?;
        tables.by_id.get(id).filter(|row| is_live(row, now)).cloned()
    }
}

fn is_live(row: &ApiKeyRow, now: Timestamp) -> bool {
    row.disabled_at.is_none_or(|at| now < at) && row.expires_at.is_none_or(|at| now < at)
}

impl Service {
    /// Who presents this secret, bearer value or access token.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if it is unknown, disabled or expired.
    pub fn authenticate(&self, credential: &SecretText) -> Result<Principal, ServiceError> {
        let now = self.now();
        if let Some(row) = self.inner().api_keys.by_secret(credential.expose(), now) {
            return Ok(Principal::of(&row, row.scopes));
        }
        self.open_access_token(credential, now).ok_or(ServiceError::Unauthenticated)
    }

    /// The principal with one more scope, which the API key behind it must have: for a protocol in which one scope of a token
    /// permits what takes several of ours. The caller has proved that the protocol's scope is there.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if the API key works no longer; [`ServiceError::MissingScope`] if it lacks the scope.
    pub fn with_scope_of_api_key(&self, principal: &Principal, scope: Scope) -> Result<Principal, ServiceError> {
        let row = self.inner().api_keys.live(principal.api_key(), self.now()).ok_or(ServiceError::Unauthenticated)?;
        if !row.scopes.has(scope) {
            return Err(ServiceError::MissingScope { scope });
        }
        Ok(Principal { scopes: principal.scopes.with(scope), ..principal.clone() })
    }

    /// Who presents this id together with its secret.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if they do not belong together or do not work at present.
    pub fn authenticate_client(&self, id: &str, secret: &SecretText) -> Result<Principal, ServiceError> {
        let found = self.inner().api_keys.by_secret(secret.expose(), self.now());
        let row = found.filter(|row| row.id.as_str() == id && row.secret == digest_of(secret.expose().as_bytes()));
        row.map(|row| Principal::of(&row, row.scopes)).ok_or(ServiceError::Unauthenticated)
    }
}
