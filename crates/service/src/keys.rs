//! Signing keys in memory: the ring that verifies, and each tenant's own key of the server that signs.

use crate::ServiceError;
use crate::sealing::MasterKey;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use valetkey_metadata::{SigningKeyRow, SigningKeyState};
use valetkey_model::{SecretText, TenantName};
use valetkey_signing::{Algorithm, Claims, KeyLimits, KeyOwner, KeyRing, KeyState, SignError, SigningKey};

/// The keys. The ring is replaced whole when a key is added.
pub(crate) struct Keys {
    ring: RwLock<Arc<KeyRing>>,
    all: RwLock<Vec<SigningKey>>,
}

impl Keys {
    pub(crate) fn load(rows: Vec<SigningKeyRow>, master_key: &MasterKey) -> Result<Self, ServiceError> {
        let all = rows.iter().map(|row| opened(row, master_key)).collect::<Result<Vec<_>, _>>()?;
        let ring = KeyRing::new(all.clone()).map_err(|source| ServiceError::Unavailable { source: Box::new(source) })?;
        Ok(Self { ring: RwLock::new(Arc::new(ring)), all: RwLock::new(all) })
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, row: &SigningKeyRow, master_key: &MasterKey) -> Result<(), ServiceError> {
        let key = opened(row, master_key)?;
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let mut more = all.clone();
        more.push(key);
        let ring = KeyRing::new(more.clone()).map_err(|source| ServiceError::Unavailable { source: Box::new(source) })?;
        *all = more;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Whether the server has an active key of its own for this tenant.
    pub(crate) fn can_sign_for(&self, tenant: &TenantName) -> bool {
        self.all.read().unwrap_or_else(PoisonError::into_inner).iter().any(|key| signs_for(key, tenant))
    }

    /// Signs with the newest active key that the server owns for the claims' tenant.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<SecretText, ServiceError> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let key = all.iter().rev().find(|key| signs_for(key, &claims.tenant));
        let key =
            key.ok_or_else(|| ServiceError::invalid("form", "`token`, but the tenant has no active server key", "`link`"))?;
        valetkey_signing::sign(claims, key).map_err(|error| match error {
            SignError::LifetimeTooLong { found, permitted } => ServiceError::invalid(
                "expires_at",
                format!("{} s from now", found.as_secs()),
                format!("at most {} s with this signing key, or `form` `link`", permitted.as_secs()),
            ),
            other => ServiceError::invalid("terms", format!("not to be signed ({other})"), "terms that the signing key permits"),
        })
    }
}

fn signs_for(key: &SigningKey, tenant: &TenantName) -> bool {
    key.tenant() == tenant && *key.owner() == KeyOwner::Server && key.state() == KeyState::Active
}

fn opened(row: &SigningKeyRow, master_key: &MasterKey) -> Result<SigningKey, ServiceError> {
    let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| ServiceError::Unavailable { source };
    let Some(algorithm) = Algorithm::parse(&row.algorithm) else {
        return Err(unavailable(format!("the signing key `{}` has the unknown algorithm `{}`", row.id, row.algorithm).into()));
    };
    let secret = master_key.open(&row.tenant, &row.id, &row.sealed_secret).map_err(|error| unavailable(Box::new(error)))?;
    let state = match row.state {
        SigningKeyState::Active => KeyState::Active,
        SigningKeyState::VerifyOnly => KeyState::VerifyOnly,
        SigningKeyState::Revoked => KeyState::Revoked,
    };
    let owner = row.owner.clone().map_or(KeyOwner::Server, KeyOwner::ApiKey);
    let limits = KeyLimits::default().with_max_lifetime(Duration::from_secs(row.max_lifetime_seconds));
    let key = SigningKey::new(row.id.clone(), row.tenant.clone(), algorithm, owner, &secret);
    match (key, limits) {
        (Ok(key), Ok(limits)) => Ok(key.with_state(state).with_limits(limits)),
        (Err(error), _) | (_, Err(error)) => Err(unavailable(Box::new(error))),
    }
}
