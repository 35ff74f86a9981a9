//! Provisioning: what a bootstrap file names is created where it is missing, and nothing is ever widened or reset.

use crate::audit::About as _;
use crate::principal::digest_of;
use crate::signing_keys::key_limits;
use crate::{NewBucket, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use valetkey_metadata::{ApiKeyRow, BucketRow, MetadataError, SigningKeyLimits, SigningKeyRow, SigningKeyState, TenantRow};
use valetkey_model::{
    Action, ApiKeyId, BucketName, Entropy, Region, Retention, Scopes, Secret, SecretText, SigningKeyId, TenantName, Timestamp,
};
use valetkey_signing::Algorithm;

/// How long a token may live if its signing key says nothing.
pub(crate) const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is to exist.
#[derive(Debug, Default)]
pub struct Provisioning {
    /// Tenants.
    pub tenants: Vec<TenantName>,
    /// API keys.
    pub api_keys: Vec<GivenApiKey>,
    /// Buckets, with their tenants.
    pub buckets: Vec<GivenBucket>,
    /// Signing keys.
    pub signing_keys: Vec<GivenSigningKey>,
}

/// An API key whose secret is given.
#[derive(Debug)]
pub struct GivenApiKey {
    /// Whose it is.
    pub tenant: TenantName,
    /// Its id.
    pub id: ApiKeyId,
    /// Its secret.
    pub secret: SecretText,
    /// A fixed bearer value.
    pub bearer: Option<SecretText>,
    /// What it may do.
    pub scopes: Scopes,
    /// The only buckets it may use; empty is every bucket of its tenant.
    pub buckets: Vec<BucketName>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

/// A bucket of a tenant.
#[derive(Debug)]
pub struct GivenBucket {
    /// Whose it is.
    pub tenant: TenantName,
    /// The bucket.
    pub bucket: NewBucket,
}

/// A signing key whose secret is given.
#[derive(Debug)]
pub struct GivenSigningKey {
    /// Whose it is.
    pub tenant: TenantName,
    /// `kid`.
    pub id: SigningKeyId,
    /// Its secret.
    pub secret: Secret,
    /// The API key that owns it; `None` is the server.
    pub owner: Option<ApiKeyId>,
    /// The longest life of its tokens.
    pub max_lifetime: Option<Duration>,
    /// What else it may not sign.
    pub limits: SigningKeyLimits,
}

/// What provisioning did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// What was created, for the log.
    pub created: Vec<String>,
    /// What exists and is not as given; it was left as it is.
    pub differences: Vec<String>,
}

impl Provisioned {
    fn note(&mut self, what: String, done: Result<(), MetadataError>) -> Result<bool, ServiceError> {
        match done {
            Ok(()) => self.created.push(what),
            Err(MetadataError::AlreadyExists { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

impl Service {
    /// Creates what is missing. Every tenant also gets a signing key of the server.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NotFound`] for a tenant that is named and does not exist; [`ServiceError::Invalid`] for a signing key
    /// that is too short, or a new bucket whose name is set apart for another tenant's files; [`ServiceError::Unavailable`].
    pub async fn provision(&self, given: Provisioning) -> Result<Provisioned, ServiceError> {
        let mut done = Provisioned::default();
        let now = self.now();
        for name in given.tenants {
            let made = self
                .recording(vec![self.operators_act(&name, Action::TenantCreate).of(&name)])
                .create_tenant(TenantRow { name: name.clone(), created_at: now })
                .await;
            done.note(format!("tenant `{name}`"), made)?;
            self.ensure_server_key(&name, &mut done).await?;
        }
        for key in given.api_keys {
            self.provision_api_key(key, &mut done).await?;
        }
        for GivenBucket { tenant, bucket } in given.buckets {
            self.provision_bucket(tenant, bucket, &mut done).await?;
        }
        for key in given.signing_keys {
            self.provision_signing_key(key, &mut done).await?;
        }
        Ok(done)
    }

    /// Whether nobody was ever given access: a first start.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`].
    pub async fn is_new(&self) -> Result<bool, ServiceError> {
        Ok(self.metadata().api_keys().await?.is_empty())
    }

    /// Makes tenant `default` with one administrator key, whose secret is given once.
    ///
    /// # Errors
    ///
    /// [`ServiceError::AlreadyExists`] if they exist; [`ServiceError::Unavailable`].
    pub async fn provision_first_administrator(&self) -> Result<SecretText, ServiceError> {
        let invalid = |_| ServiceError::invalid("tenant", "`default`", "a name");
        let (tenant, id): (TenantName, ApiKeyId) =
            ("default".parse().map_err(invalid)?, "administrator".parse().map_err(invalid)?);
        let secret = new_api_secret(self.entropy());
        let key = GivenApiKey {
            tenant: tenant.clone(),
            id: id.clone(),
            secret: secret.clone(),
            bearer: None,
            scopes: Scopes::EVERYTHING,
            buckets: Vec::new(),
            expires_at: None,
        };
        if self.inner().api_keys.contains(&id) {
            return Err(ServiceError::AlreadyExists { what: "API key" });
        }
        self.provision(Provisioning { tenants: vec![tenant], api_keys: vec![key], ..Provisioning::default() }).await?;
        Ok(secret)
    }

    async fn provision_api_key(&self, key: GivenApiKey, done: &mut Provisioned) -> Result<(), ServiceError> {
        let row = ApiKeyRow {
            id: key.id,
            tenant: key.tenant,
            secret: digest_of(key.secret.expose().as_bytes()),
            bearer: key.bearer.map(|bearer| digest_of(bearer.expose().as_bytes())),
            scopes: key.scopes,
            buckets: key.buckets,
            created_at: self.now(),
            expires_at: key.expires_at,
            disabled_at: None,
            deleted_at: None,
        };
        let what = format!("API key `{}`", row.id);
        let existing = self.metadata().api_keys().await?.into_iter().find(|other| other.id == row.id);
        if let Some(other) = existing {
            // Whether it is switched off is the administrators' affair; that it was deleted, no file can mend.
            if other != (ApiKeyRow { created_at: other.created_at, disabled_at: other.disabled_at, ..row }) {
                done.differences.push(what);
            }
            return Ok(());
        }
        let entry = self.operators_act(&row.tenant, Action::ApiKeyCreate).of(&row.id);
        if done.note(what.clone(), self.recording(vec![entry]).create_api_key(row.clone()).await)? {
            self.inner().api_keys.put(row);
        } else {
            done.differences.push(format!("{what}: another key has its secret"));
        }
        Ok(())
    }

    async fn provision_bucket(&self, tenant: TenantName, new: NewBucket, done: &mut Provisioned) -> Result<(), ServiceError> {
        let row = bucket_row(tenant, new, self.now());
        if self.bucket_row(&row.name).await?.is_none() {
            self.require_free_name(&row)?;
        }
        let what = format!("bucket `{}`", row.name);
        let entry = self.operators_act(&row.tenant, Action::BucketCreate).of_bucket(&row.name);
        if !done.note(what.clone(), self.recording(vec![entry]).create_bucket(row.clone()).await)? {
            let other = self.bucket_row(&row.name).await?;
            let key = |row: &BucketRow| (row.tenant.clone(), row.region.clone(), row.retention, row.public);
            if other.is_none_or(|other| key(&other) != key(&row)) {
                done.differences.push(what);
            }
        }
        Ok(())
    }

    async fn provision_signing_key(&self, key: GivenSigningKey, done: &mut Provisioned) -> Result<(), ServiceError> {
        if key.secret.expose().len() < 32 {
            let found = format!("{} bytes for `{}`", key.secret.expose().len(), key.id);
            return Err(ServiceError::invalid("secret", found, "a signing key of at least 32 bytes"));
        }
        key_limits(key.max_lifetime.unwrap_or(DEFAULT_TOKEN_LIFETIME), &key.limits)?;
        let (what, id) = (format!("signing key `{}`", key.id), key.id.clone());
        let row = self.sealed(key)?;
        let entry = self.operators_act(&row.tenant, Action::SigningKeyCreate).of(&row.id);
        if done.note(what.clone(), self.recording(vec![entry]).create_signing_key(row.clone()).await)? {
            return self.inner().keys.put(row, &self.inner().master_key).map(drop);
        }
        let other = self.metadata().signing_keys().await?.into_iter().find(|other| other.id == id);
        let master_key = &self.inner().master_key;
        let secret = |row: &SigningKeyRow| master_key.open(&row.tenant, &row.id, &row.sealed_secret).ok();
        let same = |other: &SigningKeyRow| {
            other.tenant == row.tenant
                && other.owner == row.owner
                && (other.max_lifetime_seconds, &other.limits) == (row.max_lifetime_seconds, &row.limits)
                && secret(other) == secret(&row)
        };
        if !other.as_ref().is_some_and(same) {
            done.differences.push(what);
        }
        Ok(())
    }

    async fn ensure_server_key(&self, tenant: &TenantName, done: &mut Provisioned) -> Result<(), ServiceError> {
        if self.inner().keys.can_sign_for(tenant) {
            return Ok(());
        }
        let given = GivenSigningKey {
            tenant: tenant.clone(),
            id: self.random_signing_key_id("server")?,
            secret: self.random_signing_secret(),
            owner: None,
            max_lifetime: None,
            limits: SigningKeyLimits::default(),
        };
        self.provision_signing_key(given, done).await
    }

    fn sealed(&self, key: GivenSigningKey) -> Result<SigningKeyRow, ServiceError> {
        Ok(SigningKeyRow {
            sealed_secret: self.seal(&key.tenant, &key.id, &key.secret)?,
            id: key.id,
            tenant: key.tenant,
            algorithm: Algorithm::Hs256.as_str().to_owned(),
            state: SigningKeyState::Active,
            owner: key.owner,
            max_lifetime_seconds: key.max_lifetime.unwrap_or(DEFAULT_TOKEN_LIFETIME).as_secs(),
            limits: key.limits,
            created_at: self.now(),
        })
    }
}

fn bucket_row(tenant: TenantName, new: NewBucket, now: valetkey_model::Timestamp) -> BucketRow {
    BucketRow {
        name: new.name,
        tenant,
        region: new.region,
        retention: new.retention,
        public: new.public,
        created_by: None,
        created_at: now,
    }
}

/// `vk_`, 32 random bytes and a checksum of 4 bytes, so that what looks like a secret can be told from one.
pub(crate) fn new_api_secret(entropy: &dyn Entropy) -> SecretText {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let checksum = Sha256::digest(bytes);
    let checksum = checksum.get(..4).unwrap_or_default();
    SecretText::new(format!("vk_{}", URL_SAFE_NO_PAD.encode([bytes.as_slice(), checksum].concat())))
}

impl NewBucket {
    /// A private, persistent bucket in the default region.
    pub fn new(name: BucketName) -> Self {
        Self { name, region: Region::default(), retention: Retention::default(), public: false }
    }
}
