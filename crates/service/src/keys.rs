//! Signing keys in memory: the ring that verifies, and each tenant's own key of the server that signs.

use crate::ServiceError;
use crate::issue::Unsigned;
use crate::sealing::MasterKey;
use crate::signing_keys::key_limits;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use valetkey_metadata::{SigningKeyRow, SigningKeyState};
use valetkey_model::{SecretText, SigningKeyId, TenantName};
use valetkey_signing::{Algorithm, Claims, KeyOwner, KeyRing, KeyState, SignError, SigningKey};

/// The keys. The ring is replaced whole when a key is added or changed.
pub(crate) struct Keys {
    ring: RwLock<Arc<KeyRing>>,
    all: RwLock<BTreeMap<SigningKeyId, Held>>,
}

/// A key, and the row it was opened from.
#[derive(Clone)]
struct Held {
    row: Arc<SigningKeyRow>,
    key: SigningKey,
}

impl Keys {
    pub(crate) fn load(rows: Vec<SigningKeyRow>, master_key: &MasterKey) -> Result<Self, ServiceError> {
        let held = |row: SigningKeyRow| {
            let key = opened(&row, master_key)?;
            Ok::<_, ServiceError>((row.id.clone(), Held { row: Arc::new(row), key }))
        };
        let all = rows.into_iter().map(held).collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self { ring: RwLock::new(Arc::new(ring_of(&all)?)), all: RwLock::new(all) })
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a key that is new, or has changed.
    pub(crate) fn put(&self, row: SigningKeyRow, master_key: &MasterKey) -> Result<Arc<SigningKeyRow>, ServiceError> {
        let (key, row) = (opened(&row, master_key)?, Arc::new(row));
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(row.id.clone(), Held { row: row.clone(), key });
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring_of(&all)?);
        Ok(row)
    }

    /// The key of this id, if it is the tenant's.
    pub(crate) fn find(&self, tenant: &TenantName, id: &SigningKeyId) -> Option<Arc<SigningKeyRow>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(id).map(|held| held.row.clone()).filter(|row| row.tenant == *tenant)
    }

    /// The tenant's keys after this id, by id.
    pub(crate) fn of_tenant(&self, tenant: &TenantName, after: Option<&SigningKeyId>) -> Vec<Arc<SigningKeyRow>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let rows = all.values().map(|held| &held.row).filter(|row| row.tenant == *tenant);
        rows.filter(|row| after.is_none_or(|after| row.id > *after)).cloned().collect()
    }

    /// Whether the server has an active key of its own for this tenant.
    pub(crate) fn can_sign_for(&self, tenant: &TenantName) -> bool {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().any(|held| signs_for(&held.key, tenant))
    }

    /// Signs with the newest active key that the server owns for the claims' tenant; where its limits do not permit these claims,
    /// with the newest one whose do. Gives the key's id, too.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<(SecretText, SigningKeyId), Unsigned> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let mut active: Vec<_> = all.values().filter(|held| signs_for(&held.key, &claims.tenant)).collect();
        active.sort_by_key(|held| std::cmp::Reverse((held.row.created_at, &held.row.id)));
        let with = |held: &Held| Ok((valetkey_signing::sign(claims, &held.key)?, held.row.id.clone()));
        let mut signed = active.into_iter().map(with);
        let newest = signed.next();
        let no_token = |found: &str| Unsigned::NoToken(ServiceError::invalid("form", format!("`token`, but {found}"), "`link`"));
        let newest = newest.ok_or_else(|| no_token("the tenant has no active server key"))?;
        newest.or_else(|error| signed.find_map(Result::ok).ok_or(error)).map_err(|error: SignError| match error {
            SignError::LifetimeTooLong { found, permitted } => Unsigned::Refused(ServiceError::invalid(
                "expires_at",
                format!("{} s from now", found.as_secs()),
                format!("at most {} s with this signing key, or `form` `link`", permitted.as_secs()),
            )),
            SignError::TooLong { .. } => no_token(&error.to_string()),
            other => {
                let found = format!("not to be signed ({other})");
                Unsigned::Refused(ServiceError::invalid("terms", found, "terms that the signing key permits"))
            }
        })
    }
}

fn ring_of(all: &BTreeMap<SigningKeyId, Held>) -> Result<KeyRing, ServiceError> {
    KeyRing::new(all.values().map(|held| held.key.clone()))
        .map_err(|source| ServiceError::Unavailable { source: Box::new(source) })
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
    let limits = key_limits(Duration::from_secs(row.max_lifetime_seconds), &row.limits)?;
    let key = SigningKey::new(row.id.clone(), row.tenant.clone(), algorithm, owner, &secret);
    Ok(key.map_err(|error| unavailable(Box::new(error)))?.with_state(state).with_limits(limits))
}
