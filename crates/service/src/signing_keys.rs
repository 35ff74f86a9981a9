//! Signing keys: made and retired by the administrators of their tenant.
//!
//! A tenant rotates by making a second key, which signs from then on, putting the first to `verify-only`, and revoking it once
//! what it signed has expired. What was revoked stays revoked, and with it every token it signed.

use crate::api_keys::MAX_NAMES;
use crate::audit::About as _;
use crate::provision::DEFAULT_TOKEN_LIFETIME;
use crate::{Principal, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{MetadataError, SigningKeyLimits, SigningKeyRow, SigningKeyState};
use valetkey_model::{Action, ApiKeyId, Secret, SigningKeyId, TenantName};
use valetkey_signing::{Algorithm, KeyLimits};

/// The longest secret that is taken.
const LONGEST_SECRET: usize = 1024;

/// A signing key to be made.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    /// Its `kid`; `None` is a random one.
    pub id: Option<SigningKeyId>,
    /// How it signs: `HS256`.
    pub algorithm: String,
    /// The API key in whose name it signs; `None` is the server.
    pub owner: Option<ApiKeyId>,
    /// Its secret; `None` is a random one.
    pub secret: Option<Secret>,
    /// The longest life of its tokens; `None` is seven days.
    pub max_lifetime: Option<Duration>,
    /// What else it may not sign.
    pub limits: SigningKeyLimits,
}

/// A signing key that was made.
#[derive(Clone, Debug)]
pub struct IssuedSigningKey {
    /// The key.
    pub signing_key: Arc<SigningKeyRow>,
    /// Its secret, if it was made here for somebody else than the server: shown once.
    pub secret: Option<Secret>,
}

/// A page of signing keys.
#[derive(Clone, Debug)]
pub struct SigningKeyPage {
    /// The keys, by `kid`.
    pub signing_keys: Vec<Arc<SigningKeyRow>>,
    /// The `kid` after which the next page begins; `None` on the last one.
    pub next: Option<SigningKeyId>,
}

impl Service {
    /// Makes a signing key of the principal's tenant, active from now on: the newest one of the server's signs what the server
    /// issues. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::Invalid`] for a key that cannot be, or
    /// an owner that is no API key of the tenant; [`ServiceError::AlreadyExists`] if the `kid` is taken, whoever has it.
    pub async fn create_signing_key(&self, principal: &Principal, new: NewSigningKey) -> Result<IssuedSigningKey, ServiceError> {
        principal.require_administrator()?;
        let algorithm = Algorithm::parse(&new.algorithm).ok_or_else(|| {
            let found = format!("`{}`", new.algorithm.chars().take(64).collect::<String>().escape_debug());
            ServiceError::invalid("algorithm", found, "`HS256`")
        })?;
        if let Some(owner) = &new.owner
            && self.inner().api_keys.find(principal.tenant(), owner).is_none()
        {
            return Err(ServiceError::invalid("owner", format!("`{owner}`"), "`server`, or the id of an API key"));
        }
        let given = new.secret.is_some();
        let secret = new.secret.unwrap_or_else(|| self.random_signing_secret());
        let permitted = algorithm.minimum_secret_bytes()..=LONGEST_SECRET;
        if !permitted.contains(&secret.expose().len()) {
            let expected = format!("{} to {} bytes", permitted.start(), permitted.end());
            return Err(ServiceError::invalid("secret", format!("{} bytes", secret.expose().len()), expected));
        }
        let max_lifetime = new.max_lifetime.unwrap_or(DEFAULT_TOKEN_LIFETIME);
        key_limits(max_lifetime, &new.limits)?;
        let id = new.id.map_or_else(|| self.random_signing_key_id("key"), Ok)?;
        let tenant = principal.tenant().clone();
        let row = SigningKeyRow {
            sealed_secret: self.seal(&tenant, &id, &secret)?,
            id,
            tenant,
            algorithm: algorithm.as_str().to_owned(),
            state: SigningKeyState::Active,
            owner: new.owner,
            max_lifetime_seconds: max_lifetime.as_secs(),
            limits: new.limits,
            created_at: self.now(),
        };
        let owner = row.owner.as_ref().map_or("server", ApiKeyId::as_str);
        let entry = self.act(principal, Action::SigningKeyCreate).of(&row.id).saying(format!("{}, owner {owner}", row.algorithm));
        let service = self.clone();
        let made = self.to_the_end(async move {
            let _alone = service.inner().administration.lock().await;
            match service.recording(vec![entry]).create_signing_key(row.clone()).await {
                Err(error @ MetadataError::AlreadyExists { .. }) => service.done_before(&row).ok_or_else(|| error.into()),
                made => {
                    made?;
                    service.inner().keys.put(row, &service.inner().master_key)
                }
            }
        });
        let signing_key = made.await?;
        tracing::info!(kid = %signing_key.id, tenant = %signing_key.tenant, "a signing key was made");
        let shown = !given && signing_key.owner.is_some();
        Ok(IssuedSigningKey { signing_key, secret: shown.then_some(secret) })
    }

    /// A page of the tenant's signing keys after `after`. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub fn signing_keys(
        &self,
        principal: &Principal,
        after: Option<&SigningKeyId>,
        limit: u32,
    ) -> Result<SigningKeyPage, ServiceError> {
        principal.require_administrator()?;
        let limit = limit as usize;
        let mut signing_keys = self.inner().keys.of_tenant(principal.tenant(), after);
        let more = signing_keys.len() > limit;
        signing_keys.truncate(limit);
        let next = signing_keys.last().filter(|_| more).map(|row| row.id.clone());
        Ok(SigningKeyPage { signing_keys, next })
    }

    /// A signing key of the tenant. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`], also for another tenant's.
    pub fn signing_key(&self, principal: &Principal, id: &SigningKeyId) -> Result<Arc<SigningKeyRow>, ServiceError> {
        principal.require_administrator()?;
        let row = self.inner().keys.find(principal.tenant(), id);
        row.ok_or(ServiceError::NotFound { what: "signing key" })
    }

    /// Puts a signing key into another state. One that only verifies signs nothing new; one that was revoked takes all that it
    /// signed with it, at once and for good. Administrators only.
    ///
    /// # Errors
    ///
    /// As [`Service::signing_key`]; [`ServiceError::Conflict`] for a revoked key.
    pub async fn set_signing_key_state(
        &self,
        principal: &Principal,
        id: &SigningKeyId,
        state: SigningKeyState,
    ) -> Result<Arc<SigningKeyRow>, ServiceError> {
        principal.require_administrator()?;
        let entry = self.act(principal, Action::SigningKeyUpdate).of(id).saying(state.as_str());
        let (service, tenant, id) = (self.clone(), principal.tenant().clone(), id.clone());
        let changed = self.to_the_end(async move {
            // Of two changes the later one must also be the later one in memory.
            let _alone = service.inner().administration.lock().await;
            let changed = service.recording(vec![entry]).set_signing_key_state(&tenant, &id, state).await;
            let (keys, master_key) = (&service.inner().keys, &service.inner().master_key);
            if let Err(MetadataError::Unavailable { .. }) = &changed {
                // Whether it happened is unknown: what is there counts, as far as it can be read.
                let rows = service.metadata().signing_keys().await.unwrap_or_default();
                rows.into_iter().filter(|row| row.id == id).try_for_each(|row| keys.put(row, master_key).map(drop))?;
            }
            keys.put(changed?, master_key)
        });
        let row = changed.await?;
        tracing::info!(kid = %row.id, state = row.state.as_str(), "a signing key was put into a state");
        Ok(row)
    }

    /// The key that an earlier try of the same call has made: with the same secret, which comes from where ids come from or stands
    /// in the call.
    fn done_before(&self, row: &SigningKeyRow) -> Option<Arc<SigningKeyRow>> {
        let since = self.may_be_done_since()?;
        let found = self.inner().keys.find(&row.tenant, &row.id)?;
        let of_now = SigningKeyRow { sealed_secret: row.sealed_secret.clone(), created_at: row.created_at, ..(*found).clone() };
        (of_now == *row && found.created_at >= since).then_some(found)
    }

    pub(crate) fn random_signing_secret(&self) -> Secret {
        let mut secret = [0; 32];
        self.entropy().fill(&mut secret);
        Secret::new(secret.as_slice())
    }

    pub(crate) fn random_signing_key_id(&self, kind: &str) -> Result<SigningKeyId, ServiceError> {
        let mut name = [0; 9];
        self.entropy().fill(&mut name);
        let id = format!("{kind}-{}", URL_SAFE_NO_PAD.encode(name));
        id.parse().map_err(|_| ServiceError::invalid("kid", "unnamable", "a signing key id"))
    }

    pub(crate) fn seal(&self, tenant: &TenantName, id: &SigningKeyId, secret: &Secret) -> Result<Vec<u8>, ServiceError> {
        let sealed = self.inner().master_key.seal(tenant, id, secret.expose(), &*self.inner().entropy);
        sealed.ok_or_else(|| ServiceError::Unavailable { source: "a signing key cannot be sealed".into() })
    }
}

/// Whether a text can limit a signing key to the object keys that begin with it: whole segments, ending in `/`.
pub fn is_key_prefix(text: &str) -> bool {
    KeyLimits::default().with_prefixes([text]).is_ok()
}

/// A key's limits as signing takes them.
///
/// # Errors
///
/// [`ServiceError::Invalid`] with the field that cannot be.
pub(crate) fn key_limits(max_lifetime: Duration, limits: &SigningKeyLimits) -> Result<KeyLimits, ServiceError> {
    for (field, n_names) in
        [("buckets", limits.buckets.as_ref().map(Vec::len)), ("prefixes", limits.prefixes.as_ref().map(Vec::len))]
    {
        if let Some(n_names) = n_names.filter(|n_names| !(1..=MAX_NAMES).contains(n_names)) {
            return Err(ServiceError::invalid(field, format!("{n_names} of them"), format!("1 to {MAX_NAMES}, or none at all")));
        }
    }
    let mut permitted = KeyLimits::default().with_max_lifetime(max_lifetime).map_err(|_| {
        let expected = format!("1 to {}", KeyLimits::LIFETIME_CAP.as_secs());
        ServiceError::invalid("max_lifetime_seconds", max_lifetime.as_secs().to_string(), expected)
    })?;
    if let Some(buckets) = &limits.buckets {
        permitted = permitted.with_buckets(buckets.iter().cloned());
    }
    if let Some(prefixes) = &limits.prefixes {
        permitted = permitted.with_prefixes(prefixes.iter().map(String::as_str)).map_err(|_| {
            ServiceError::invalid("prefixes", "one of no whole segments", "beginnings of object keys that end in `/`")
        })?;
    }
    Ok(match limits.permission {
        Some(permission) => permitted.with_permission(permission),
        None => permitted,
    })
}
