//! The audit: what is said of acts, what is counted, who may read it, how it is sealed, and how a person is erased from it.
//!
//! Acts are recorded in their own transaction (`Service::recording`). Unlimited downloads and refusals are counted
//! (`tally`) and become rows about once a second ([`Service::flush_audit`]). While those cannot be written, limited grants are
//! refused: what cannot be recorded does not happen.

pub(crate) mod tally;
pub mod verify;

use self::tally::{Over, Proved, Tally};
use crate::sealing::MasterKey;
use crate::{Principal, Service, ServiceError};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
pub use valetkey_metadata::audit::hex;
use valetkey_metadata::{
    AuditChain, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditSealer, AuditState, AuditStretch, Erasure, MetadataStore,
    Personal,
};
use valetkey_model::{Action, BucketName, Dialect, Entropy, Method, ObjectKey, Outcome, Refusal, Scope, TenantName, Timestamp};

/// How many rows one write appends.
const ROWS_AT_ONCE: usize = 1_000;
/// How many rows may wait to be written before nothing more is taken from where it is counted.
const MAX_PENDING: usize = 200_000;
/// How many rows one step of an erasure looks at: the writer has others to serve.
const ERASED_AT_ONCE: u32 = 10_000;
/// How many rows one step lets be found by link and object, and how many all steps together between two writes of what was counted.
const INDEXED_AT_ONCE: u32 = 2_000;
const INDEXED_AT_MOST: u32 = 40_000;
/// How many segments one round of housekeeping drops.
const SEGMENTS_AT_ONCE: u32 = 10;
/// Rows are dropped a day at a time, so that dropping them does not fill the audit.
const DROPPED_BY: i64 = 24 * 3600;

/// What the audit keeps in memory.
pub(crate) struct Audit {
    pub(crate) tallies: tally::Tallies,
    /// Rows that are to be written.
    pending: tokio::sync::Mutex<Vec<AuditEntry>>,
    n_pending: AtomicU64,
    fails: AtomicBool,
    pub(crate) n_issued: AtomicU64,
    pub(crate) n_revoked: AtomicU64,
    pub(crate) n_completed: AtomicU64,
}

impl Audit {
    pub(crate) fn new() -> Self {
        Self {
            tallies: tally::Tallies::new(),
            pending: tokio::sync::Mutex::default(),
            n_pending: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            n_issued: AtomicU64::new(0),
            n_revoked: AtomicU64::new(0),
            n_completed: AtomicU64::new(0),
        }
    }
}

/// The public half of a key that seals the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKey {
    /// Its id.
    pub id: String,
    /// Its 32 bytes, in hexadecimal digits.
    pub public: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How much the service did since it was started, and how it stands: for metrics.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// How many requests to signed URLs there were, where there were any.
    pub n_requests: Vec<(Dialect, Method, Outcome, u64)>,
    /// How many bytes of objects were sent under signed URLs.
    pub sent_bytes: Vec<(Dialect, u64)>,
    /// How many URLs were issued.
    pub n_issued: u64,
    /// How many revocations were made: of single URLs, and of what URLs have in common.
    pub n_revoked: u64,
    /// How many uses of limited URLs were completed.
    pub n_completed: u64,
    /// How many revocations are remembered now.
    pub n_revocations: u64,
    /// How often a row was found in memory, and how often not, by what it is of.
    pub cached: Vec<(&'static str, u64, u64)>,
    /// How the audit stands; `None` if the store does not say.
    pub audit: Option<AuditState>,
    /// How many rows of the audit wait to be written.
    pub n_pending: u64,
    /// Whether the audit can be written.
    pub audit_is_written: bool,
}

/// The key that seals, at work.
struct Sealer {
    id: String,
    key: SigningKey,
}

impl AuditSealer for Sealer {
    fn key_id(&self) -> &str {
        &self.id
    }

    fn seal(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// Has the store seal with the newest audit key, which is made if there is none.
pub(crate) async fn start_sealing(
    metadata: &dyn MetadataStore,
    master_key: &MasterKey,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let newest = metadata.audit_keys().await?.pop();
    let (row, secret) = match newest {
        Some(row) => {
            let secret =
                master_key.open_audit_key(&row.id, &row.sealed_secret).and_then(|secret| secret.expose().try_into().ok());
            let unopened = || format!("the sealed audit key `{}` does not open with this master key", row.id);
            let secret: [u8; 32] = secret.ok_or_else(|| ServiceError::Unavailable { source: unopened().into() })?;
            (row, secret)
        }
        None => {
            let mut secret = [0; 32];
            entropy.fill(&mut secret);
            (new_key(metadata, master_key, entropy, &secret, now).await?, secret)
        }
    };
    metadata.seal_audit_with(Arc::new(Sealer { id: row.id, key: SigningKey::from_bytes(&secret) }));
    Ok(())
}

async fn new_key(
    metadata: &dyn MetadataStore,
    master_key: &MasterKey,
    entropy: &dyn Entropy,
    secret: &[u8; 32],
    now: Timestamp,
) -> Result<AuditKeyRow, ServiceError> {
    let public = SigningKey::from_bytes(secret).verifying_key().to_bytes();
    let id = format!("audit-{}", hex(Sha256::digest(public).get(..4).unwrap_or_default()));
    let sealed_secret = master_key.seal_audit_key(&id, secret, entropy);
    let sealed_secret =
        sealed_secret.ok_or_else(|| ServiceError::Unavailable { source: "the audit key cannot be sealed".into() })?;
    let row = AuditKeyRow { id: id.clone(), public, sealed_secret, created_at: now };
    let detail = Some(hex(&public));
    let entry = AuditEntry { subject: Some(id), detail, ..AuditEntry::new(None, Action::AuditKeyCreate) };
    metadata.recording(vec![entry]).create_audit_key(row.clone()).await?;
    tracing::info!(key_id = row.id, public = hex(&public), "the key that seals the audit was made");
    Ok(row)
}

/// What an entry says besides, one after the other.
pub(crate) trait About: Sized {
    /// Of a bucket.
    fn of_bucket(self, bucket: &BucketName) -> Self;
    /// Of an object.
    fn of_object(self, bucket: &BucketName, key: &ObjectKey) -> Self;
    /// Of something with this name.
    fn of(self, subject: impl ToString) -> Self;
    /// With these words.
    fn saying(self, detail: impl Into<String>) -> Self;
}

impl About for AuditEntry {
    fn of_bucket(self, bucket: &BucketName) -> Self {
        Self { bucket: Some(bucket.clone()), ..self }
    }

    fn of_object(self, bucket: &BucketName, key: &ObjectKey) -> Self {
        Self { bucket: Some(bucket.clone()), key: Some(key.clone()), ..self }
    }

    fn of(self, subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

impl Service {
    /// The metadata store for one act, which the audit records with it.
    pub(crate) fn recording(&self, record: Vec<AuditEntry>) -> Arc<dyn MetadataStore> {
        self.metadata().recording(record)
    }

    /// An act of a principal.
    pub(crate) fn act(&self, principal: &Principal, action: Action) -> AuditEntry {
        AuditEntry {
            principal: Some(principal.api_key().clone()),
            address: principal.client().map(|client| self.personal(client.to_string())),
            ..AuditEntry::new(Some(principal.tenant().clone()), action)
        }
    }

    /// An act of the operator, by the bootstrap file or the first start.
    pub(crate) fn operators_act(&self, tenant: &TenantName, action: Action) -> AuditEntry {
        AuditEntry::new(Some(tenant.clone()), action).saying("by the operator")
    }

    /// A text about a person, with a salt of its own.
    pub(crate) fn personal(&self, value: String) -> Personal {
        let mut salt = [0; 16];
        self.entropy().fill(&mut salt);
        Personal { salt, value }
    }

    /// A request whose URL was proved is over.
    pub(crate) fn count(&self, over: &Over, proved: &Proved<'_>) {
        self.inner().audit.tallies.own().count(over, Some(proved));
    }

    /// A request was refused before anything was proved.
    pub fn count_unproved(&self, dialect: Dialect, method: Method, client: IpAddr, refusal: Refusal) {
        let over = Over { dialect, method, outcome: Outcome::Refused(refusal), bytes: 0, client, at: self.now() };
        self.inner().audit.tallies.own().count(&over, None);
    }

    /// Whether the audit can be written. While it cannot, limited grants are refused.
    pub fn audit_is_written(&self) -> bool {
        !self.inner().audit.fails.load(Ordering::Relaxed)
    }

    /// Writes down what was counted since the last time. To be called about once a second: what is not written yet is lost by a
    /// crash.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`]: nothing is lost, the next call tries again, and [`Service::audit_is_written`] is `false`
    /// until one succeeds.
    pub async fn flush_audit(&self) -> Result<(), ServiceError> {
        let audit = &self.inner().audit;
        let mut pending = audit.pending.lock().await;
        if pending.len() < MAX_PENDING {
            let tallies = audit.tallies.take();
            tallies.iter().for_each(|tally| self.count_for_url(&tally.entry));
            pending.extend(tallies.into_iter().map(|tally| self.entry_of(tally)));
        }
        let mut written = Ok(());
        while written.is_ok() && !pending.is_empty() {
            let n_rows = pending.len().min(ROWS_AT_ONCE);
            let rows = pending.get(..n_rows).unwrap_or_default().to_vec();
            written = self.metadata().append_audit(rows).await.map_err(ServiceError::from);
            if written.is_ok() {
                pending.drain(..n_rows);
            }
        }
        if written.is_ok() {
            written = self.index_audit().await;
        }
        audit.n_pending.store(pending.len() as u64, Ordering::Relaxed);
        if audit.fails.swap(written.is_err(), Ordering::Relaxed) && written.is_ok() {
            tracing::info!("the audit can be written again");
        }
        written
    }

    /// Lets what was recorded be found by link and object: a few rows at a time, so that acts come in between.
    async fn index_audit(&self) -> Result<(), ServiceError> {
        let mut n_left = INDEXED_AT_MOST;
        while n_left > 0 && self.metadata().index_audit(INDEXED_AT_ONCE).await? == u64::from(INDEXED_AT_ONCE) {
            n_left = n_left.saturating_sub(INDEXED_AT_ONCE);
        }
        Ok(())
    }

    /// Downloads that were added up are uses of their URL.
    fn count_for_url(&self, entry: &AuditEntry) {
        if let (Outcome::Delivered | Outcome::Cut, Some(tenant), Some(link_id), Some((_, last_at))) =
            (entry.outcome, &entry.tenant, entry.link_id, entry.between)
        {
            self.inner().redemptions.add(tenant, link_id, entry.n_requests, last_at, || None);
        }
    }

    fn entry_of(&self, tally: Tally) -> AuditEntry {
        let Tally { entry, address, label } = tally;
        let personal = |text: Option<String>| text.map(|text| self.personal(text));
        AuditEntry { address: personal(address), label: personal(label), ..entry }
    }

    /// Seals what was recorded since the last checkpoint. To be called every ten seconds; a chain that grows fast is sealed
    /// sooner by itself.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`]: the next call tries again.
    pub async fn seal_audit(&self) -> Result<(), ServiceError> {
        self.metadata().seal_audit(self.now()).await?;
        Ok(())
    }

    /// Drops what has been kept long enough; whether there may be more.
    pub(crate) async fn drop_old_audit(&self) -> Result<bool, ServiceError> {
        let before = self.now().minus(self.config().audit_retention);
        let before = Timestamp::from_seconds(before.as_seconds().div_euclid(DROPPED_BY).saturating_mul(DROPPED_BY));
        let n_rows = self.metadata().drop_audit(before, SEGMENTS_AT_ONCE).await?;
        if n_rows > 0 {
            tracing::info!(n_rows, "audit rows were dropped: they were kept as long as is configured");
        }
        Ok(n_rows > 0)
    }

    /// A page of the rows of the principal's tenant before the row `before`, the newest first. Scope `audit:read`, and a key that
    /// is not limited to some buckets.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub async fn audit_page(
        &self,
        principal: &Principal,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, ServiceError> {
        Ok(self.metadata().audit_page(&readable_chain(principal)?, filter, before, limit).await?)
    }

    /// The part of the tenant's chain after the row `after`, in its order, for whoever checks it. As [`Service::audit_page`].
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub async fn audit_stretch(&self, principal: &Principal, after: u64, limit: u32) -> Result<AuditStretch, ServiceError> {
        Ok(self.metadata().audit_stretch(&readable_chain(principal)?, after, limit).await?)
    }

    /// The name of the tenant's chain. As [`Service::audit_page`].
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub fn audit_chain(&self, principal: &Principal) -> Result<AuditChain, ServiceError> {
        readable_chain(principal)
    }

    /// The public halves of the keys that seal the audit, the newest last. They are no secret.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`].
    pub async fn audit_keys(&self) -> Result<Vec<AuditKey>, ServiceError> {
        let keys = self.metadata().audit_keys().await?.into_iter();
        Ok(keys.map(|row| AuditKey { id: row.id, public: hex(&row.public), created_at: row.created_at }).collect())
    }

    /// Erases what tells of a person from the rows of the principal's tenant, for good; the chain stays as it is. How many rows
    /// it was erased from. Administrators only.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::Invalid`] for an empty text.
    pub async fn erase_from_audit(&self, principal: &Principal, erasure: Erasure) -> Result<u64, ServiceError> {
        principal.require_administrator()?;
        if erasure.value().is_empty() {
            return Err(ServiceError::invalid(erasure.field(), "empty", "what is to be erased"));
        }
        // What was counted before this must not be written down after it.
        self.flush_audit().await?;
        let chain = AuditChain::of(Some(principal.tenant()));
        // Which address it was is not told: it is to be forgotten.
        let entry = self.act(principal, Action::AuditErase).of(erasure.field());
        let entry = match &erasure {
            Erasure::Address(erased) if entry.address.as_ref().is_some_and(|address| address.value == *erased) => {
                AuditEntry { address: None, ..entry }
            }
            _ => entry,
        };
        let service = self.clone();
        self.to_the_end(async move {
            service.metadata().append_audit(vec![entry]).await?;
            let (mut n_rows, mut after) = (0, Some(0));
            while let Some(from) = after {
                let erased = service.metadata().erase_from_audit(&chain, &erasure, from, ERASED_AT_ONCE).await?;
                (n_rows, after) = (n_rows + erased.n_rows, erased.next);
            }
            tracing::info!(field = erasure.field(), n_rows, "something was erased from the audit");
            Ok(n_rows)
        })
        .await
    }

    /// How much was done since the start, and how things stand. Asks the store how the audit stands, and waits for it no longer
    /// than a second.
    pub async fn measurements(&self) -> Measurements {
        let (inner, audit) = (self.inner(), &self.inner().audit);
        let totals = audit.tallies.totals();
        let mut n_requests = Vec::new();
        for (dialect, methods) in Dialect::ALL.into_iter().zip(&totals.n_requests) {
            for (method, outcomes) in Method::ALL.into_iter().zip(methods) {
                let counted = Outcome::all().zip(outcomes).filter(|(_, n)| **n > 0);
                n_requests.extend(counted.map(|(outcome, n)| (dialect, method, outcome, *n)));
            }
        }
        let state = tokio::time::timeout(Duration::from_secs(1), self.metadata().audit_state()).await;
        // Under the lock nothing is between where it is counted and where it waits.
        let pending = audit.pending.try_lock();
        let n_waiting = audit.tallies.n_waiting() as u64;
        let n_pending =
            n_waiting + pending.map_or_else(|_| audit.n_pending.load(Ordering::Relaxed).max(1), |rows| rows.len() as u64);
        let counted = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Measurements {
            n_requests,
            sent_bytes: Dialect::ALL.into_iter().zip(totals.sent_bytes).collect(),
            n_issued: counted(&audit.n_issued),
            n_revoked: counted(&audit.n_revoked),
            n_completed: counted(&audit.n_completed),
            n_revocations: inner.revocations.n_entries(),
            cached: vec![
                ("bucket", inner.bucket_rows.n_found(), inner.bucket_rows.n_missed()),
                ("object", inner.object_rows.n_found(), inner.object_rows.n_missed()),
                ("link", inner.link_rows.n_found(), inner.link_rows.n_missed()),
            ],
            audit: state.ok().and_then(Result::ok),
            n_pending,
            audit_is_written: self.audit_is_written(),
        }
    }
}

/// The chain that the principal may read: its tenant's, whole.
fn readable_chain(principal: &Principal) -> Result<AuditChain, ServiceError> {
    principal.require(Scope::AuditRead)?;
    principal.require_every_bucket()?;
    Ok(AuditChain::of(Some(principal.tenant())))
}
