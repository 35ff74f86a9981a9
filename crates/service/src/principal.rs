//! Who calls: API keys in memory, and what they may do now.

use crate::{Service, ServiceError};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use valetkey_metadata::{ApiKeyRow, BucketRow};
use valetkey_model::{ApiKeyId, BucketName, Refusal, Scope, Scopes, SecretDigest, SecretText, TenantName, Timestamp, sabotaged};

/// Who calls, proved by a credential.
#[derive(Clone, Debug)]
pub struct Principal {
    tenant: TenantName,
    api_key: ApiKeyId,
    scopes: Scopes,
    buckets: Arc<[BucketName]>,
    /// When the credential ends by itself: an access token's end.
    ends_at: Option<Timestamp>,
    /// From where the credential was presented.
    client: Option<IpAddr>,
}

impl Principal {
    pub(crate) fn of(row: &ApiKeyRow, scopes: Scopes) -> Self {
        let buckets = row.buckets.clone().into();
        Self { tenant: row.tenant.clone(), api_key: row.id.clone(), scopes, buckets, ends_at: None, client: None }
    }

    pub(crate) fn until(self, at: Timestamp) -> Self {
        Self { ends_at: Some(at), ..self }
    }

    fn from(self, client: IpAddr) -> Self {
        Self { client: Some(client), ..self }
    }

    /// From where the credential was presented, if somebody presented one.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
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

    /// Proves that it administers its tenant: the scope `admin`, and a key that is not limited to some buckets.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub(crate) fn require_administrator(&self) -> Result<(), ServiceError> {
        self.require(Scope::Admin)?;
        self.require_every_bucket()
    }

    /// Proves that its key is not limited to some buckets.
    ///
    /// # Errors
    ///
    /// [`ServiceError::OutsideBuckets`].
    pub(crate) fn require_every_bucket(&self) -> Result<(), ServiceError> {
        if self.is_limited() { Err(ServiceError::OutsideBuckets) } else { Ok(()) }
    }

    /// Whether its key is limited to some buckets.
    pub(crate) fn is_limited(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// Proves that the bucket is its tenant's and among those it may use.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`].
    pub(crate) fn require_bucket(&self, bucket: &BucketRow) -> Result<(), ServiceError> {
        match (bucket.tenant == self.tenant || sabotaged("tenant-ignored"), self.is_within(&bucket.name)) {
            (false, _) => Err(ServiceError::NotOwner),
            (true, false) => Err(ServiceError::OutsideBuckets),
            (true, true) => Ok(()),
        }
    }

    /// Whether its key is not limited to other buckets than this.
    pub(crate) fn is_within(&self, bucket: &BucketName) -> bool {
        !self.is_limited() || self.buckets.contains(bucket)
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
    by_tenant: HashMap<TenantName, BTreeSet<ApiKeyId>>,
}

impl ApiKeys {
    /// Takes a key that is new, or has changed.
    pub(crate) fn put(&self, row: ApiKeyRow) -> Arc<ApiKeyRow> {
        let row = Arc::new(row);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = tables.by_id.insert(row.id.clone(), row.clone()) {
            for digest in [Some(former.secret), former.bearer].into_iter().flatten() {
                tables.by_digest.remove(&digest);
            }
        }
        for digest in [Some(row.secret), row.bearer].into_iter().flatten() {
            tables.by_digest.insert(digest, row.id.clone());
        }
        tables.by_tenant.entry(row.tenant.clone()).or_default().insert(row.id.clone());
        row
    }

    /// The key of this id, if it works at `now`.
    pub(crate) fn live(&self, id: &ApiKeyId, now: Timestamp) -> Option<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.by_id.get(id).filter(|row| row.is_live(now) || sabotaged("disabled-ignored")).cloned()
    }

    /// The key of this id, if it is the tenant's and was not deleted.
    pub(crate) fn find(&self, tenant: &TenantName, id: &ApiKeyId) -> Option<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.by_id.get(id).filter(|row| row.tenant == *tenant && row.deleted_at.is_none()).cloned()
    }

    /// At most `limit` of the tenant's keys that were not deleted, after this id, by id.
    pub(crate) fn of_tenant(&self, tenant: &TenantName, after: Option<&ApiKeyId>, limit: usize) -> Vec<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let Some(ids) = tables.by_tenant.get(tenant) else { return Vec::new() };
        let ids = ids.range::<ApiKeyId, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let rows = ids.filter_map(|id| tables.by_id.get(id)).filter(|row| row.deleted_at.is_none());
        rows.take(limit).cloned().collect()
    }

    pub(crate) fn contains(&self, id: &ApiKeyId) -> bool {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).by_id.contains_key(id)
    }

    fn by_secret(&self, secret: &str, now: Timestamp) -> Option<Arc<ApiKeyRow>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let id = tables.by_digest.get(&digest_of(secret.as_bytes()))?;
        tables.by_id.get(id).filter(|row| row.is_live(now)).cloned()
    }
}

impl Service {
    /// Who presents this secret, bearer value or access token from the address `client`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if it is unknown, disabled or expired; [`Refusal::TooManyRequests`], whatever is
    /// presented, to a client that failed too often.
    pub fn authenticate(&self, credential: &SecretText, client: IpAddr) -> Result<Principal, ServiceError> {
        self.attempt(client, |now| {
            let row = self.inner().api_keys.by_secret(credential.expose(), now);
            row.map(|row| Principal::of(&row, row.scopes)).or_else(|| self.open_access_token(credential, now))
        })
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

    /// Who presents this id together with its secret from the address `client`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if they do not belong together or do not work at present; [`Refusal::TooManyRequests`]
    /// as for [`Service::authenticate`].
    pub fn authenticate_client(&self, id: &str, secret: &SecretText, client: IpAddr) -> Result<Principal, ServiceError> {
        self.attempt(client, |now| {
            let found = self.inner().api_keys.by_secret(secret.expose(), now);
            let row = found.filter(|row| row.id.as_str() == id && row.secret == digest_of(secret.expose().as_bytes()));
            row.map(|row| Principal::of(&row, row.scopes))
        })
    }

    /// Tries a credential, unless the client failed too often.
    fn attempt(&self, client: IpAddr, find: impl FnOnce(Timestamp) -> Option<Principal>) -> Result<Principal, ServiceError> {
        let (attempts, now) = (&self.inner().failed_attempts, self.now());
        if !attempts.may_try(client, now) {
            return Err(Refusal::TooManyRequests.into());
        }
        find(now).map(|principal| principal.from(client)).ok_or_else(|| {
            attempts.failed(client, now);
            ServiceError::Unauthenticated
        })
    }
}
