//! API keys: made, changed and ended by the administrators of their tenant.
//!
//! An administrator is a principal with the scope `admin` whose key is not limited to some buckets. It may give any scope within
//! its tenant, and learns nothing of the keys of others. What changes is durable, and in force on the next request, when the
//! call returns: a URL is worth what its issuer is worth now.

use crate::audit::About as _;
use crate::principal::digest_of;
use crate::provision::new_api_secret;
use crate::{Principal, Service, ServiceError};
use std::net::IpAddr;
use std::sync::Arc;
use valetkey_metadata::{ApiKeyChange, ApiKeyRow, AuditEntry, MetadataError};
use valetkey_model::{Action, ApiKeyId, BucketName, Refusal, Scopes, SecretText, Timestamp};

/// A bearer value has at least so many bytes: a shorter one can be guessed.
const SHORTEST_BEARER: usize = 16;
/// And at most so many.
const LONGEST_BEARER: usize = 512;
/// How the server is called where it stands among API keys.
const SERVER: &str = "server";
/// How many buckets a key can be limited to.
pub(crate) const MAX_NAMES: usize = 1000;

/// An API key to be made; its secret is made with it.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Its id; `None` is a random one.
    pub id: Option<ApiKeyId>,
    /// What it may do.
    pub scopes: Scopes,
    /// The only buckets it may use; empty is every bucket of its tenant.
    pub buckets: Vec<BucketName>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// A fixed bearer value beside the secret.
    pub bearer: Option<SecretText>,
}

/// What is to become of an API key; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyUpdate {
    /// What it may do.
    pub scopes: Option<Scopes>,
    /// The only buckets it may use; empty is every bucket of its tenant.
    pub buckets: Option<Vec<BucketName>>,
    /// When it stops working by itself, or that it does not.
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
}

/// An API key and the secret that was made for it: shown once.
#[derive(Clone, Debug)]
pub struct IssuedApiKey {
    /// The key.
    pub api_key: Arc<ApiKeyRow>,
    /// Its secret.
    pub secret: SecretText,
}

/// A page of API keys.
#[derive(Clone, Debug)]
pub struct ApiKeyPage {
    /// The keys, by id.
    pub api_keys: Vec<Arc<ApiKeyRow>>,
    /// The id after which the next page begins; `None` on the last one.
    pub next: Option<ApiKeyId>,
}

impl Service {
    /// Makes an API key of the principal's tenant. Administrators only. `client` is from where they call: a bearer value that
    /// somebody has already counts as a failed authentication, because it tells that somebody has it.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::Invalid`] for a key that cannot be;
    /// [`ServiceError::AlreadyExists`] if id or bearer value are taken, whoever has them; [`Refusal::TooManyRequests`].
    pub async fn create_api_key(
        &self,
        principal: &Principal,
        new: NewApiKey,
        client: IpAddr,
    ) -> Result<IssuedApiKey, ServiceError> {
        principal.require_administrator()?;
        let now = self.now();
        if new.id.as_ref().is_some_and(|id| id.as_str() == SERVER) {
            return Err(ServiceError::invalid("id", format!("`{SERVER}`"), "another id: so the server is called as an owner"));
        }
        check_scopes(new.scopes)?;
        check_buckets(&new.buckets)?;
        new.expires_at.map_or(Ok(()), |at| check_expiry(at, now))?;
        if let Some(bearer) = &new.bearer {
            check_bearer(bearer.expose())?;
            if !self.inner().failed_attempts.may_try(client, now) {
                return Err(Refusal::TooManyRequests.into());
            }
        }
        let secret = new_api_secret(self.entropy());
        let row = ApiKeyRow {
            id: new.id.map_or_else(|| self.random_api_key_id(), Ok)?,
            tenant: principal.tenant().clone(),
            secret: digest_of(secret.expose().as_bytes()),
            bearer: new.bearer.map(|bearer| digest_of(bearer.expose().as_bytes())),
            scopes: new.scopes,
            buckets: new.buckets,
            created_at: now,
            expires_at: new.expires_at,
            disabled_at: None,
            deleted_at: None,
        };
        let entry = self.act(principal, Action::ApiKeyCreate).of(&row.id).saying(row.scopes.to_string());
        let service = self.clone();
        let made = self.to_the_end(async move {
            let _alone = service.inner().administration.lock().await;
            match service.recording(vec![entry]).create_api_key(row.clone()).await {
                // By an earlier try of the same call: nobody else's key has this secret.
                Err(error @ MetadataError::AlreadyExists { .. }) => service.api_key_with_secret(&row).ok_or(error),
                made => made.map(|()| service.inner().api_keys.put(row)),
            }
        });
        let api_key = made.await.inspect_err(|error| {
            if matches!(error, MetadataError::AlreadyExists { what: "credential" }) {
                self.inner().failed_attempts.failed(client, now);
            }
        })?;
        tracing::info!(api_key = %api_key.id, tenant = %api_key.tenant, scopes = %api_key.scopes, "an API key was made");
        Ok(IssuedApiKey { api_key, secret })
    }

    /// A page of the tenant's API keys after `after`. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub fn api_keys(&self, principal: &Principal, after: Option<&ApiKeyId>, limit: u32) -> Result<ApiKeyPage, ServiceError> {
        principal.require_administrator()?;
        let limit = limit as usize;
        let mut api_keys = self.inner().api_keys.of_tenant(principal.tenant(), after, limit + 1);
        let more = api_keys.len() > limit;
        api_keys.truncate(limit);
        let next = api_keys.last().filter(|_| more).map(|row| row.id.clone());
        Ok(ApiKeyPage { api_keys, next })
    }

    /// An API key of the tenant. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`], also for another tenant's
    /// and for one that was deleted.
    pub fn api_key(&self, principal: &Principal, id: &ApiKeyId) -> Result<Arc<ApiKeyRow>, ServiceError> {
        principal.require_administrator()?;
        let row = self.inner().api_keys.find(principal.tenant(), id);
        row.ok_or(ServiceError::NotFound { what: "API key" })
    }

    /// Changes an API key, and with it what its URLs are worth. Administrators only.
    ///
    /// # Errors
    ///
    /// As [`Service::api_key`]; [`ServiceError::Invalid`] for a key that cannot be; [`ServiceError::Conflict`] if the tenant
    /// would be left without an administrator.
    pub async fn update_api_key(
        &self,
        principal: &Principal,
        id: &ApiKeyId,
        update: ApiKeyUpdate,
    ) -> Result<Arc<ApiKeyRow>, ServiceError> {
        principal.require_administrator()?;
        update.scopes.map_or(Ok(()), check_scopes)?;
        update.buckets.as_deref().map_or(Ok(()), check_buckets)?;
        update.expires_at.flatten().map_or(Ok(()), |at| check_expiry(at, self.now()))?;
        let ApiKeyUpdate { scopes, buckets, expires_at, disabled } = update;
        let change = ApiKeyChange { scopes, buckets, expires_at, disabled, ..ApiKeyChange::default() };
        let entry = self.act(principal, Action::ApiKeyUpdate).of(id).saying(said_of(&change));
        let row = self.change_api_key(principal, id, change, entry).await?;
        tracing::info!(api_key = %row.id, scopes = %row.scopes, disabled = row.disabled_at.is_some(), "an API key was changed");
        Ok(row)
    }

    /// Gives an API key another secret; the old one stops, and so do the access tokens that were given for the key. A fixed
    /// bearer value stays. Administrators only.
    ///
    /// # Errors
    ///
    /// As [`Service::api_key`].
    pub async fn rotate_api_key(&self, principal: &Principal, id: &ApiKeyId) -> Result<IssuedApiKey, ServiceError> {
        principal.require_administrator()?;
        let secret = new_api_secret(self.entropy());
        let digest = digest_of(secret.expose().as_bytes());
        let change = ApiKeyChange { secret: Some(digest), ..ApiKeyChange::default() };
        let entry = self.act(principal, Action::ApiKeyRotate).of(id);
        let api_key = self.change_api_key(principal, id, change, entry).await?;
        tracing::info!(api_key = %api_key.id, "an API key got another secret");
        Ok(IssuedApiKey { api_key, secret })
    }

    /// Ends an API key for good. Its URLs stay dead: nobody gets its id again. Administrators only.
    ///
    /// # Errors
    ///
    /// As [`Service::update_api_key`].
    pub async fn delete_api_key(&self, principal: &Principal, id: &ApiKeyId) -> Result<(), ServiceError> {
        principal.require_administrator()?;
        let change = ApiKeyChange { deleted: true, ..ApiKeyChange::default() };
        let entry = self.act(principal, Action::ApiKeyDelete).of(id);
        let row = self.change_api_key(principal, id, change, entry).await?;
        tracing::info!(api_key = %row.id, "an API key was deleted");
        Ok(())
    }

    async fn change_api_key(
        &self,
        principal: &Principal,
        id: &ApiKeyId,
        change: ApiKeyChange,
        entry: AuditEntry,
    ) -> Result<Arc<ApiKeyRow>, ServiceError> {
        let (service, tenant, id, now) = (self.clone(), principal.tenant().clone(), id.clone(), self.now());
        let changed = self.to_the_end(async move {
            // Of two changes the later one must also be the later one in memory.
            let _alone = service.inner().administration.lock().await;
            let secret = change.secret;
            let changed = service.recording(vec![entry]).update_api_key(&tenant, &id, change, now).await;
            if let (Err(MetadataError::AlreadyExists { .. }), Some(secret)) = (&changed, secret)
                && let Some(row) = service.inner().api_keys.find(&tenant, &id).filter(|row| row.secret == secret)
            {
                // By an earlier try of the same call.
                return Ok(row);
            }
            if let Err(MetadataError::Unavailable { .. }) = &changed {
                // Whether it happened is unknown: what is there counts, as far as it can be read.
                let rows = service.metadata().api_keys().await.unwrap_or_default();
                rows.into_iter().filter(|row| row.id == id).for_each(|row| drop(service.inner().api_keys.put(row)));
            }
            Ok::<_, MetadataError>(service.inner().api_keys.put(changed?))
        });
        Ok(changed.await?)
    }

    /// The tenant's key of the same id and secret.
    fn api_key_with_secret(&self, row: &ApiKeyRow) -> Option<Arc<ApiKeyRow>> {
        self.inner().api_keys.find(&row.tenant, &row.id).filter(|found| found.secret == row.secret)
    }

    fn random_api_key_id(&self) -> Result<ApiKeyId, ServiceError> {
        let mut bytes = [0; 8];
        self.entropy().fill(&mut bytes);
        let id = format!("key-{:016x}", u64::from_be_bytes(bytes));
        id.parse().map_err(|_| ServiceError::invalid("id", "unnamable", "an API key id"))
    }
}

/// What the audit says of a change: what the key is to be from now on.
fn said_of(change: &ApiKeyChange) -> String {
    let disabled = change.disabled.map(|disabled| if disabled { "disabled" } else { "enabled" }.to_owned());
    let scopes = change.scopes.map(|scopes| format!("scopes {scopes}"));
    let buckets = change.buckets.as_ref().map(|buckets| match buckets.len() {
        0 => "every bucket".to_owned(),
        n_buckets => format!("{n_buckets} buckets"),
    });
    let expires =
        change.expires_at.map(|at| at.map_or_else(|| "never expires".to_owned(), |at| format!("expires {}", at.rfc3339())));
    [disabled, scopes, buckets, expires].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn check_scopes(scopes: Scopes) -> Result<(), ServiceError> {
    match scopes == Scopes::NONE {
        true => Err(ServiceError::invalid("scopes", "empty", "at least one scope")),
        false => Ok(()),
    }
}

fn check_buckets(buckets: &[BucketName]) -> Result<(), ServiceError> {
    match buckets.len() > MAX_NAMES {
        true => Err(ServiceError::invalid("buckets", format!("{} names", buckets.len()), format!("at most {MAX_NAMES}"))),
        false => Ok(()),
    }
}

fn check_expiry(at: Timestamp, now: Timestamp) -> Result<(), ServiceError> {
    match at <= now {
        true => Err(ServiceError::invalid("expires_at", format!("{at} (Unix time)"), "an instant in the future")),
        false => Ok(()),
    }
}

/// What is found is not repeated: it may be a secret all the same.
fn check_bearer(bearer: &str) -> Result<(), ServiceError> {
    let fits = (SHORTEST_BEARER..=LONGEST_BEARER).contains(&bearer.len()) && bearer.bytes().all(|byte| byte.is_ascii_graphic());
    let expected = || format!("{SHORTEST_BEARER} to {LONGEST_BEARER} visible ASCII characters without spaces");
    if fits { Ok(()) } else { Err(ServiceError::invalid("bearer", format!("{} bytes", bearer.len()), expected())) }
}
