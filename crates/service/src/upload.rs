//! Uploads: checked as early as can be, streamed, hashed on the way, published atomically.

use crate::audit::About as _;
use crate::audit::tally::Over;
use crate::redeem::Admission;
use crate::transfers::Transfer;
use crate::{Principal, Service, ServiceError};
use bytes::Bytes;
use std::sync::Arc;
use valetkey_metadata::{
    AuditEntry, BucketRow, Guard, MetadataError, ObjectRow, Publication, PublishCondition, PublishError, Published, Spend,
};
use valetkey_model::{
    Action, BlobId, BucketName, DigestRule, FileId, FileNumber, ObjectKey, Outcome, PutMode, Refusal, Scope, UploadId,
    UploadRules, sabotaged,
};
use valetkey_objects::{BlobWriter, DigestSet, Digests, PendingBlob};

/// What an uploader says of the bytes to come.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// How many there will be, if that is known.
    pub declared_bytes: Option<u64>,
    /// Their media type.
    pub content_type: Option<String>,
    /// The name to save them under.
    pub file_name: Option<String>,
    /// Text to be kept with them, which nothing here reads.
    pub user_metadata: Option<String>,
    /// What must be there now.
    pub condition: Condition,
    /// Digests to make besides SHA-256.
    pub digests: DigestSet,
    /// Digests that the bytes are said to have.
    pub expected: Vec<DigestRule>,
    /// The SHA-1 that the bytes are said to have: a protocol's, never a rule of a URL.
    pub expected_sha1: Option<[u8; 20]>,
}

/// What must be there for an upload to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Whatever the permission allows.
    #[default]
    None,
    /// This generation.
    Replaces(BlobId),
    /// Nothing.
    Absent,
}

/// An upload under way. Dropped, it leaves nothing behind.
pub struct Upload {
    service: Service,
    writer: Box<dyn BlobWriter>,
    plan: Plan,
    transfer: Option<Transfer>,
}

/// Where an upload goes and what must hold: made anew with each request that writes.
pub(crate) struct Plan {
    pub(crate) bucket: Arc<BucketRow>,
    pub(crate) key: ObjectKey,
    rules: UploadRules,
    max_bytes: u64,
    condition: PublishCondition,
    pub(crate) guard: Guard,
    spend: Option<Spend>,
    pub(crate) options: UploadOptions,
    /// What the audit is to record of the publication.
    record: AuditEntry,
    /// Under a grant: the request that it will have been.
    over: Option<Over>,
}

/// Bytes that are durable, and no object yet.
pub(crate) struct Content {
    /// `None` for a blob that a row names already.
    pub(crate) pending: Option<PendingBlob>,
    pub(crate) blob: BlobId,
    pub(crate) size_bytes: u64,
    pub(crate) digests: Digests,
}

impl From<PendingBlob> for Content {
    fn from(pending: PendingBlob) -> Self {
        let (blob, size_bytes, digests) = (pending.blob, pending.size_bytes, pending.digests);
        Self { pending: Some(pending), blob, size_bytes, digests }
    }
}

impl Service {
    /// Begins an upload by a principal. Scope `object:write`, or `object:create` for what does not exist.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::NotFound`] for the bucket, and as
    /// [`Upload::write`].
    pub async fn upload(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
        options: UploadOptions,
    ) -> Result<Upload, ServiceError> {
        let plan = self.plan(principal, bucket, key, options).await?;
        self.begin(plan).await
    }

    /// Begins an upload under an admitted grant.
    ///
    /// # Errors
    ///
    /// The refusal, as early as it can be told.
    pub async fn upload_granted(&self, admission: Admission, options: UploadOptions) -> Result<Upload, ServiceError> {
        let plan = self.plan_granted(&admission, options).await?;
        let upload = self.begin(plan).await?;
        self.inner().redemptions.count(admission.grant(), 1, &self.config().base_path);
        Ok(Upload { transfer: admission.into_transfer(self), ..upload })
    }

    /// What a principal's upload needs.
    ///
    /// # Errors
    ///
    /// As [`Service::upload`], before anything is looked at that is in the place.
    pub(crate) async fn plan(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
        options: UploadOptions,
    ) -> Result<Plan, ServiceError> {
        let (bucket, mode) = self.writable_bucket(principal, bucket).await?;
        let guard = Guard { tenant: principal.tenant().clone(), url: None, api_key: Some(principal.api_key().clone()) };
        let condition = publish_condition(mode, None, options.condition)?;
        let rules = UploadRules { mode, ..UploadRules::default() };
        let (record, over) = (self.act(principal, Action::ObjectPublish).of_object(&bucket.name, key), None);
        Ok(Plan { bucket, key: key.clone(), rules, max_bytes: 0, condition, guard, spend: None, options, record, over })
    }

    /// What an upload under an admitted grant needs.
    ///
    /// # Errors
    ///
    /// As [`Service::spend`]; [`Refusal::Exists`].
    pub(crate) async fn plan_granted(&self, admission: &Admission, options: UploadOptions) -> Result<Plan, ServiceError> {
        let spend = self.spend(admission).await?;
        let grant = admission.grant();
        let guard = Guard { tenant: admission.tenant().clone(), url: grant.marks(), api_key: admission.issuer().cloned() };
        let condition = publish_condition(admission.put_mode(), admission.incarnation(), options.condition)?;
        let record = AuditEntry { n_requests: 1, ..self.entry_of_grant(grant, Action::ObjectPublish) };
        let over = Some(grant.over(Outcome::Done, 0));
        Ok(Plan {
            bucket: admission.bucket().clone(),
            key: grant.key().clone(),
            rules: grant.terms().upload.clone(),
            max_bytes: 0,
            condition,
            guard,
            spend,
            options,
            record,
            over,
        })
    }

    /// The use that an upload under an admitted grant spends, if its uses are counted.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongMethod`] for a grant that does not write, [`Refusal::UsedUp`].
    pub(crate) async fn spend(&self, admission: &Admission) -> Result<Option<Spend>, ServiceError> {
        if !admission.permission().writes() {
            return Err(Refusal::WrongMethod.into());
        }
        let grant = admission.grant();
        let Some((uses, key)) = grant.terms().uses.zip(admission.ledger_key()) else { return Ok(None) };
        if self.metadata().ledger(&key).await?.is_some_and(|ledger| ledger.n_spent() >= uses.get()) {
            return Err(Refusal::UsedUp.into());
        }
        Ok(Some(Spend { grant: key, uses, forget_at: self.forget_at(grant.expires_at()) }))
    }

    /// Proves that an unconditional upload under an admitted grant finds its place as it must be: free, replaceable, or reserved.
    ///
    /// # Errors
    ///
    /// [`Refusal::ObjectGone`], [`Refusal::Exists`].
    pub(crate) async fn has_place(&self, admission: &Admission) -> Result<(), ServiceError> {
        let condition = publish_condition(admission.put_mode(), admission.incarnation(), Condition::None)?;
        self.place_holds(&condition, admission.grant().bucket(), admission.grant().key()).await
    }

    /// Proves that the principal may store something in the bucket, before anything is. Scope `object:write` or `object:create`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`], [`ServiceError::NotFound`].
    pub async fn require_writable(&self, principal: &Principal, bucket: &BucketName) -> Result<(), ServiceError> {
        self.writable_bucket(principal, bucket).await.map(drop)
    }

    /// The bucket, and whether the principal may replace what is in it.
    pub(crate) async fn writable_bucket(
        &self,
        principal: &Principal,
        bucket: &BucketName,
    ) -> Result<(Arc<BucketRow>, PutMode), ServiceError> {
        let replaces = principal.scopes().has(Scope::ObjectWrite);
        if !replaces && !principal.scopes().has(Scope::ObjectCreate) {
            return Err(ServiceError::MissingScope { scope: Scope::ObjectWrite });
        }
        let bucket = self.own_bucket(principal, bucket).await?;
        Ok((bucket, if replaces { PutMode::Replace } else { PutMode::Create }))
    }

    async fn begin(&self, mut plan: Plan) -> Result<Upload, ServiceError> {
        self.check(&mut plan).await?;
        let blob = BlobId::new(self.now(), self.entropy());
        let writer = self.object_store().create(blob, plan.digests(), plan.options.declared_bytes).await?;
        Ok(Upload { service: self.clone(), writer, plan, transfer: None })
    }

    /// Proves that the upload may be worth its bytes: all that can be told without them.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`], [`Refusal::TooSmall`], [`Refusal::TypeNotAllowed`], [`Refusal::ObjectGone`], [`Refusal::Exists`].
    pub(crate) async fn check(&self, plan: &mut Plan) -> Result<(), ServiceError> {
        plan.max_bytes = plan.rules.max_bytes.unwrap_or(u64::MAX).min(self.config().max_object_bytes);
        if plan.options.declared_bytes.is_some_and(|bytes| bytes > plan.max_bytes) {
            return Err(Refusal::TooLarge.into());
        }
        if plan.options.declared_bytes.is_some_and(|bytes| bytes < plan.rules.min_bytes) {
            return Err(Refusal::TooSmall.into());
        }
        let content_type = plan.options.content_type.as_deref().unwrap_or_default();
        if !plan.rules.types.is_empty() && !plan.rules.types.iter().any(|rule| rule.matches(content_type)) {
            return Err(Refusal::TypeNotAllowed.into());
        }
        self.place_holds(&plan.condition, &plan.bucket.name, &plan.key).await?;
        plan.options.expected.extend(plan.rules.digest.clone());
        Ok(())
    }

    async fn place_holds(&self, condition: &PublishCondition, bucket: &BucketName, key: &ObjectKey) -> Result<(), ServiceError> {
        let present = self.live_object(bucket, key).await?;
        let reserved = condition.mode == PutMode::Reserved && self.is_reserved(bucket, key).await?;
        Ok(holds(condition, present.as_deref(), reserved)?)
    }

    async fn is_reserved(&self, bucket: &BucketName, key: &ObjectKey) -> Result<bool, ServiceError> {
        let reservation = self.metadata().reservation(bucket, key).await?;
        Ok(reservation.is_some_and(|reservation| self.now() < reservation.expires_at))
    }

    /// Publishes a blob that is durable, tells the caches, and says what becomes of the blob. `pending` is `None` for one that a
    /// row names already. Goes on when the caller is gone.
    pub(crate) async fn publish(
        &self,
        publication: Publication,
        pending: Option<PendingBlob>,
        record: AuditEntry,
    ) -> Result<Published, ServiceError> {
        let service = self.clone();
        let record = AuditEntry { bytes: publication.size_bytes, ..record };
        self.to_the_end(async move { service.publish_now(publication, pending, record).await }).await
    }

    async fn publish_now(
        &self,
        publication: Publication,
        mut pending: Option<PendingBlob>,
        record: AuditEntry,
    ) -> Result<Published, ServiceError> {
        if let Some(pending) = &mut pending {
            pending.committing();
        }
        let (bucket, key) = (publication.bucket.clone(), publication.key.clone());
        let published = self.recording(vec![record]).publish(publication).await;
        self.forget_object(&bucket, &key);
        match published {
            Ok(published) => {
                if let Some(pending) = pending {
                    pending.released();
                }
                Ok(published)
            }
            Err(PublishError::Store(error @ MetadataError::Unavailable { .. })) => Err(error.into()),
            Err(error) => {
                if let Some(pending) = pending {
                    pending.refused();
                }
                Err(match error {
                    PublishError::Refused(refusal) => refusal.into(),
                    PublishError::Store(error) => error.into(),
                })
            }
        }
    }
}

impl Upload {
    /// Takes out what tells when an upload by a URL is to end early; `None` for one by a principal, and the second time.
    pub fn transfer(&mut self) -> Option<Transfer> {
        self.transfer.take()
    }

    /// How many bytes may still come at most.
    pub fn room_bytes(&self) -> u64 {
        self.plan.max_bytes.saturating_sub(self.writer.written())
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`] at the first byte over; [`Refusal::NoSpace`]; [`ServiceError::Unavailable`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > self.room_bytes() {
            return Err(Refusal::TooLarge.into());
        }
        Ok(self.writer.write(bytes).await?)
    }

    /// Makes the bytes durable and visible, if everything still holds.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooSmall`], [`Refusal::DigestMismatch`]; and, checked again in the publishing transaction,
    /// [`Refusal::Revoked`], [`Refusal::IssuerDisabled`], [`Refusal::UsedUp`], [`Refusal::Exists`], [`Refusal::ObjectGone`].
    /// [`ServiceError::Unavailable`]: whether it was published is unknown.
    pub async fn finish(self) -> Result<Published, ServiceError> {
        let Self { service, writer, plan, .. } = self;
        if writer.written() < plan.rules.min_bytes {
            return Err(Refusal::TooSmall.into());
        }
        plan.publish(&service, writer.finish().await?.into(), None).await
    }
}

impl Plan {
    /// The digests that are asked for, or needed to compare.
    pub(crate) fn digests(&self) -> DigestSet {
        let asked = self.options.expected_sha1.map_or(self.options.digests, |_| self.options.digests | DigestSet::SHA1);
        self.options.expected.iter().fold(asked, |set, rule| match rule {
            DigestRule::Sha256(_) => set,
            DigestRule::Md5(_) => set | DigestSet::MD5,
            DigestRule::Crc32c(_) => set | DigestSet::CRC32C,
        })
    }

    /// Makes the bytes the object, if everything still holds; with it ends the upload `completes`.
    ///
    /// # Errors
    ///
    /// As [`Upload::finish`]; [`ServiceError::NotFound`] if that upload is gone.
    pub(crate) async fn publish(
        self,
        service: &Service,
        content: Content,
        completes: Option<UploadId>,
    ) -> Result<Published, ServiceError> {
        if let Err(refusal) = self.takes(&content) {
            if let Some(pending) = content.pending {
                pending.refused();
            }
            return Err(refusal.into());
        }
        let now = service.now();
        let publication = Publication {
            bucket: self.bucket.name.clone(),
            key: self.key,
            new_file_id: FileId::random(service.entropy()),
            new_file_number: FileNumber::random(service.entropy()),
            blob: content.blob,
            size_bytes: content.size_bytes,
            content_type: self.options.content_type,
            file_name: self.options.file_name,
            user_metadata: self.options.user_metadata,
            sha256: content.digests.sha256,
            sha1: content.digests.sha1,
            md5: content.digests.md5,
            now,
            expires_at: self.bucket.retention.lifetime().map(|lifetime| now.plus(lifetime)),
            condition: self.condition,
            guard: self.guard,
            spend: self.spend,
            completes,
        };
        let published = service.publish(publication, content.pending, self.record).await?;
        if let Some(over) = &self.over {
            service.inner().audit.tallies.own().count_recorded(over);
        }
        Ok(published)
    }

    fn takes(&self, content: &Content) -> Result<(), Refusal> {
        if content.size_bytes < self.rules.min_bytes {
            return Err(Refusal::TooSmall);
        }
        if content.size_bytes > self.rules.max_bytes.unwrap_or(u64::MAX) {
            return Err(Refusal::TooLarge);
        }
        let has_sha1 = self.options.expected_sha1.is_none_or(|expected| content.digests.sha1 == Some(expected));
        if !has_sha1 || !self.options.expected.iter().all(|rule| has_digest(&content.digests, rule)) {
            return Err(Refusal::DigestMismatch);
        }
        Ok(())
    }
}

fn publish_condition(mode: PutMode, incarnation: Option<FileId>, condition: Condition) -> Result<PublishCondition, Refusal> {
    Ok(match condition {
        Condition::None => PublishCondition { mode, absent: false, replaces: None, incarnation },
        Condition::Absent => {
            let mode = if mode == PutMode::Reserved { mode } else { PutMode::Create };
            PublishCondition { mode, absent: true, replaces: None, incarnation }
        }
        Condition::Replaces(_) if mode == PutMode::Create => return Err(Refusal::Exists),
        Condition::Replaces(blob) => PublishCondition { mode, absent: false, replaces: Some(blob), incarnation },
    })
}

/// What the publishing transaction will check, told before the bytes are sent.
fn holds(condition: &PublishCondition, present: Option<&ObjectRow>, reserved: bool) -> Result<(), Refusal> {
    let ended = condition.mode == PutMode::Reserved && !reserved && !sabotaged("confirmation-ignored");
    let another = condition.incarnation.is_some_and(|file_id| present.is_none_or(|object| object.file_id != file_id));
    if another || (ended && present.is_none()) {
        return Err(Refusal::ObjectGone);
    }
    let replaced = condition.replaces.is_some_and(|blob| present.is_none_or(|object| object.blob != blob));
    let creates = condition.absent || condition.mode == PutMode::Create || ended;
    if replaced || (creates && present.is_some()) {
        return Err(Refusal::Exists);
    }
    Ok(())
}

fn has_digest(digests: &Digests, rule: &DigestRule) -> bool {
    match rule {
        DigestRule::Sha256(expected) => digests.sha256 == *expected,
        DigestRule::Md5(expected) => digests.md5 == Some(*expected),
        DigestRule::Crc32c(expected) => digests.crc32c == Some(*expected),
    }
}
