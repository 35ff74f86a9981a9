//! Uploads in ranges of bytes. The upload only collects: who may write there each request proves anew, and by the last one it is
//! published.

use crate::redeem::Admission;
use crate::transfers::Transfer;
use crate::turns::{Turn, WAIT};
use crate::upload::{Plan, UploadOptions};
use crate::{Principal, Service, ServiceError};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use valetkey_metadata::{
    MetadataError, ObjectRow, PieceRow, Published, RangePut, UploadEntry, UploadLayout, UploadRanges, UploadRow,
};
use valetkey_model::{ApiKeyId, BlobId, BucketName, ObjectKey, PutMode, Refusal, SecretDigest, UploadId};
use valetkey_objects::{BlobWriter, DigestSet};

/// After how many bytes what was received of a long range is kept, whatever becomes of the rest.
const KEEP_EVERY: u64 = 64 << 20;

/// A range of an upload, as its client describes it.
#[derive(Clone, Debug)]
pub struct RangeRequest<'a> {
    /// What the client calls the upload. The same name is another upload for another object, another tenant, or another URL.
    pub session: &'a str,
    /// Which bytes are to come, at least one. `None`: none are, what is there may be all.
    pub range: Option<Range<u64>>,
    /// The length of the whole.
    pub total_bytes: u64,
    /// How many bytes the body is said to have.
    pub declared_bytes: Option<u64>,
    /// SHA-1 that the range is said to have.
    pub expected_sha1: Option<[u8; 20]>,
    /// How ranges follow each other.
    pub order: RangeOrder,
}

/// How the ranges of an upload follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOrder {
    /// In any order. The first range begins the upload; each is kept whole or not at all, and none may overlap another.
    Any,
    /// One after the other. The upload was begun before; of what comes again nothing is kept, and what came of a range that breaks off is.
    Sequential,
}

/// What there is of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The bytes that are there, in order, neighbours as one.
    pub ranges: Vec<Range<u64>>,
    /// The length of the whole, if it is known.
    pub total_bytes: Option<u64>,
}

/// What became of a range.
#[derive(Debug)]
pub enum RangeOutcome {
    /// More are missing.
    Waiting {
        /// How many bytes are there.
        received_bytes: u64,
        /// SHA-1 of the range that was received, in an upload of any order.
        sha1: Option<[u8; 20]>,
    },
    /// It was the last one.
    Published(Box<Published>),
}

/// Why a range is not kept.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// Some of its bytes are there already.
    #[error("the range overlaps one that was received")]
    Overlaps,
    /// It does not follow what is there.
    #[error("the range begins after the next byte, {received_bytes}")]
    Gap {
        /// How many bytes are there.
        received_bytes: u64,
    },
    /// It ends after the whole does, or has no byte.
    #[error("the range has no byte of the whole, or one beyond it")]
    Outside,
    /// The upload was begun with another length.
    #[error("the upload has {expected} bytes, not {found}")]
    OtherTotal {
        /// What this range says.
        found: u64,
        /// What was said before.
        expected: u64,
    },
    /// The body is longer or shorter than the range.
    #[error("the body has {found} bytes, the range {expected}")]
    Length {
        /// How many bytes came, or were announced.
        found: u64,
        /// How many the range has.
        expected: u64,
    },
    /// The bytes are not those expected.
    #[error("the range has another SHA-1 than expected")]
    Mismatch {
        /// Their SHA-1.
        found: Option<[u8; 20]>,
    },
    /// There are too many ranges.
    #[error("an upload has at most {} ranges", valetkey_metadata::MAX_PIECES)]
    TooMany,
    /// There is no such upload.
    #[error("there is no such upload")]
    Unknown,
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<Refusal> for RangeError {
    fn from(refusal: Refusal) -> Self {
        Self::Service(refusal.into())
    }
}

impl From<MetadataError> for RangeError {
    fn from(error: MetadataError) -> Self {
        Self::Service(error.into())
    }
}

/// A range being received. Dropped, it leaves nothing behind but what was kept of it on the way.
pub struct RangeUpload {
    service: Service,
    plan: Plan,
    upload: UploadId,
    order: RangeOrder,
    total_bytes: u64,
    /// How many bytes of the upload are there.
    received_bytes: u64,
    expected_sha1: Option<[u8; 20]>,
    /// How many bytes the range has, and how many of it came.
    length: u64,
    n_taken: u64,
    /// How many of its first bytes are there already.
    n_known: u64,
    /// Where the piece begins that is being written.
    position: u64,
    writer: Option<Box<dyn BlobWriter>>,
    /// Why what came is not kept.
    refused: Option<RangeError>,
    transfer: Option<Transfer>,
    /// Of a sequential one that has bytes to come.
    turn: Option<Turn>,
}

impl Service {
    /// Begins to receive a range by a principal. Scope `object:write`, or `object:create` for what does not exist.
    ///
    /// # Errors
    ///
    /// As [`Service::upload`], and [`RangeError`].
    pub async fn write_range(
        &self,
        principal: &Principal,
        place: (&BucketName, &ObjectKey),
        request: RangeRequest<'_>,
        options: UploadOptions,
    ) -> Result<RangeUpload, RangeError> {
        let options = UploadOptions { declared_bytes: Some(request.total_bytes), ..options };
        let plan = self.plan(principal, place.0, place.1, options).await?;
        let name = name_for(principal, place, request.session);
        self.begin_range(plan, name, Some(principal.api_key()), request).await
    }

    /// Begins to receive a range under an admitted grant.
    ///
    /// # Errors
    ///
    /// As [`Service::upload_granted`], and [`RangeError`].
    pub async fn write_range_granted(
        &self,
        admission: Admission,
        request: RangeRequest<'_>,
        options: UploadOptions,
    ) -> Result<RangeUpload, RangeError> {
        let options = UploadOptions { declared_bytes: Some(request.total_bytes), ..options };
        let plan = self.plan_granted(&admission, options).await?;
        let name = name_under(&admission, request.session)?;
        let upload = self.begin_range(plan, name, admission.issuer(), request).await?;
        self.inner().redemptions.count(admission.grant(), 1, &self.config().base_path);
        Ok(RangeUpload { transfer: admission.into_transfer(self), ..upload })
    }

    /// Begins an upload in sequential ranges under an admitted grant. Its length is `options.declared_bytes`, if that is known.
    ///
    /// # Errors
    ///
    /// As [`Service::upload_granted`].
    pub async fn begin_ranges_granted(
        &self,
        admission: &Admission,
        session: &str,
        options: UploadOptions,
    ) -> Result<(), ServiceError> {
        let mut plan = self.plan_granted(admission, options).await?;
        self.check(&mut plan).await?;
        let name = name_under(admission, session)?;
        let created = self.create_ranges(&plan, name, admission.issuer(), plan.options.declared_bytes).await?;
        self.inner().redemptions.count(admission.grant(), 1, &self.config().base_path);
        // Names of sessions are random: one that is taken is somebody's guess.
        created.map(drop).ok_or(ServiceError::NotFound { what: "upload" })
    }

    /// What there is of a principal's upload. Scopes as for [`Service::write_range`].
    ///
    /// # Errors
    ///
    /// As there; [`ServiceError::NotFound`] if there is no such upload.
    pub async fn received(
        &self,
        principal: &Principal,
        place: (&BucketName, &ObjectKey),
        session: &str,
    ) -> Result<Received, ServiceError> {
        self.writable_bucket(principal, place.0).await?;
        let found = self.live_ranges(&name_for(principal, place, session)).await?;
        let upload = found.ok_or(ServiceError::NotFound { what: "upload" })?.upload.id;
        let (row, pieces) = self.metadata().upload(&upload).await?.ok_or(ServiceError::NotFound { what: "upload" })?;
        Ok(Received { ranges: merged(&pieces), total_bytes: total_of(&row) })
    }

    /// What an upload of so many bytes under an admitted grant has made, for who has not heard that it was the last range: at a place
    /// that was reserved for it. Elsewhere a write URL tells nothing of what is there.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn published_granted(&self, admission: &Admission, total_bytes: u64) -> Result<Option<Published>, Refusal> {
        if !admission.permission().writes() || admission.put_mode() != PutMode::Reserved {
            return Ok(None);
        }
        let object = self.granted_object(admission).await?.filter(|object| object.size_bytes == total_bytes);
        let object = match object {
            Some(object) => self.with_digests(object).await.map_err(|error| error.as_refusal())?,
            None => return Ok(None),
        };
        Ok(Some(Published { object: ObjectRow::clone(&object), replaced: true }))
    }

    /// Throws away an upload under an admitted grant; whether there was one.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongMethod`] for a grant that does not write; [`ServiceError::Unavailable`].
    pub async fn abort_ranges_granted(&self, admission: &Admission, session: &str) -> Result<bool, ServiceError> {
        if !admission.permission().writes() {
            return Err(Refusal::WrongMethod.into());
        }
        let Some(found) = self.live_ranges(&name_under(admission, session)?).await? else { return Ok(false) };
        Ok(self.metadata().delete_upload(&found.upload.id, self.now()).await?)
    }

    async fn begin_range(
        &self,
        mut plan: Plan,
        name: SecretDigest,
        by: Option<&ApiKeyId>,
        request: RangeRequest<'_>,
    ) -> Result<RangeUpload, RangeError> {
        let RangeRequest { range, total_bytes, declared_bytes, expected_sha1, order, .. } = request;
        let length = range.as_ref().map_or(0, |range| range.end.saturating_sub(range.start));
        if range.as_ref().is_some_and(|range| length == 0 || range.end > total_bytes) {
            return Err(RangeError::Outside);
        }
        if let Some(found) = declared_bytes.filter(|found| *found != length) {
            return Err(RangeError::Length { found, expected: length });
        }
        let known = self.live_ranges(&name).await?;
        if known.is_none() && order == RangeOrder::Sequential {
            return Err(RangeError::Unknown);
        }
        if let Some(UploadLayout::Ranges(ranges)) = known.as_ref().map(|known| &known.upload.layout) {
            // What was told at the beginning holds where this request tells nothing.
            plan.options.content_type = plan.options.content_type.or_else(|| ranges.content_type.clone());
            plan.options.file_name = plan.options.file_name.or_else(|| ranges.file_name.clone());
        }
        self.check(&mut plan).await?;
        let mut turn = None;
        let UploadEntry { upload, received_bytes, .. } = match known {
            Some(known) if order == RangeOrder::Sequential && range.is_some() => {
                turn = Some(self.inner().turns.take(known.upload.id, WAIT).await.ok_or(RangeError::Overlaps)?);
                // The request before has kept what it had.
                self.live_ranges(&name).await?.ok_or(RangeError::Unknown)?
            }
            Some(known) => known,
            None => self.begun_ranges(&plan, name, by, total_bytes).await?,
        };
        if let Some(expected) = total_of(&upload).filter(|expected| *expected != total_bytes) {
            return Err(RangeError::OtherTotal { found: total_bytes, expected });
        }
        let start = range.map_or(received_bytes, |range| range.start);
        if order == RangeOrder::Sequential && start > received_bytes {
            return Err(RangeError::Gap { received_bytes });
        }
        let is_all_there = received_bytes == total_bytes;
        let n_known = match order {
            _ if is_all_there => length,
            RangeOrder::Any => 0,
            RangeOrder::Sequential => (received_bytes - start).min(length),
        };
        let mut begun = RangeUpload {
            service: self.clone(),
            plan,
            upload: upload.id,
            order,
            total_bytes,
            received_bytes,
            expected_sha1,
            length,
            n_taken: 0,
            n_known,
            position: start + n_known,
            writer: None,
            refused: None,
            transfer: None,
            turn,
        };
        if n_known < length {
            begun.writer = Some(self.writer_of_range(order, length - n_known).await?);
        }
        Ok(begun)
    }

    /// The upload of this name, begun now or by another of its ranges a moment ago.
    async fn begun_ranges(
        &self,
        plan: &Plan,
        name: SecretDigest,
        by: Option<&ApiKeyId>,
        total_bytes: u64,
    ) -> Result<UploadEntry, RangeError> {
        match self.create_ranges(plan, name, by, Some(total_bytes)).await? {
            Some(upload) => Ok(UploadEntry { upload, n_pieces: 0, received_bytes: 0 }),
            None => self.live_ranges(&name).await?.ok_or(RangeError::Unknown),
        }
    }

    /// A new upload in ranges; `None` if its name is taken.
    async fn create_ranges(
        &self,
        plan: &Plan,
        name: SecretDigest,
        by: Option<&ApiKeyId>,
        total_bytes: Option<u64>,
    ) -> Result<Option<UploadRow>, ServiceError> {
        let now = self.now();
        let (content_type, file_name) = (plan.options.content_type.clone(), plan.options.file_name.clone());
        let upload = UploadRow {
            id: UploadId::random(self.entropy()),
            tenant: plan.guard.tenant.clone(),
            bucket: plan.bucket.name.clone(),
            key: plan.key.clone(),
            created_by: by.cloned(),
            created_at: now,
            expires_at: now.plus(self.config().upload_lifetime),
            layout: UploadLayout::Ranges(UploadRanges { name, total_bytes, content_type, file_name }),
        };
        match self.metadata().create_upload(upload.clone()).await {
            Ok(()) => Ok(Some(upload)),
            Err(MetadataError::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn writer_of_range(&self, order: RangeOrder, expected_bytes: u64) -> Result<Box<dyn BlobWriter>, ServiceError> {
        let digests = match order {
            RangeOrder::Any => DigestSet::SHA1,
            RangeOrder::Sequential => DigestSet::NONE,
        };
        let blob = BlobId::new(self.now(), self.entropy());
        Ok(self.object_store().create(blob, digests, Some(expected_bytes)).await?)
    }

    /// The upload of this name, if it has not expired; one that has is cleared away, so that its name can be used again.
    async fn live_ranges(&self, name: &SecretDigest) -> Result<Option<UploadEntry>, ServiceError> {
        let found = self.metadata().upload_by_name(name).await?;
        match found {
            Some(entry) if self.now() >= entry.upload.expires_at => {
                self.metadata().delete_upload(&entry.upload.id, self.now()).await?;
                Ok(None)
            }
            found => Ok(found),
        }
    }
}

impl RangeUpload {
    /// As [`Upload::transfer`](crate::Upload::transfer).
    pub fn transfer(&mut self) -> Option<Transfer> {
        self.transfer.take()
    }

    /// Takes out what tells that another request goes on in this one's place, of sequential ranges; `None` the second time. Ready, the
    /// rest of the body is not waited for: [`RangeUpload::keep`].
    pub fn superseded(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let ended = self.turn.as_mut()?.ended()?;
        Some(async { drop(ended.await) })
    }

    /// Takes the next bytes. What makes the range one that cannot be kept is told by [`RangeUpload::finish`], and meanwhile
    /// nothing is kept of it.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`] if more come than the range has; [`Refusal::NoSpace`]; [`ServiceError::Unavailable`].
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), ServiceError> {
        let n_bytes = bytes.len() as u64;
        if n_bytes > self.length - self.n_taken {
            return Err(Refusal::TooLarge.into());
        }
        let n_passed_over = self.n_known.saturating_sub(self.n_taken).min(n_bytes);
        self.n_taken += n_bytes;
        // No more than the bytes themselves.
        let mut bytes = bytes.split_off(usize::try_from(n_passed_over).unwrap_or(bytes.len()));
        while !bytes.is_empty() && self.refused.is_none() {
            let Some(writer) = &mut self.writer else { return Ok(()) };
            let room = match self.order {
                RangeOrder::Any => u64::MAX,
                RangeOrder::Sequential => KEEP_EVERY - writer.written(),
            };
            let n_now = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            writer.write(bytes.split_to(n_now)).await?;
            if self.order == RangeOrder::Sequential && writer.written() >= KEEP_EVERY {
                match self.keep_piece().await {
                    Ok(_) => {
                        let (service, n_left) = (self.service.clone(), self.length - self.n_known);
                        self.writer = Some(service.writer_of_range(self.order, n_left).await?);
                    }
                    Err(RangeError::Service(error)) => return Err(error),
                    Err(error) => self.refused = Some(error),
                }
            }
        }
        Ok(())
    }

    /// Keeps the range, and if it was the last one that was missing, makes the whole visible.
    ///
    /// # Errors
    ///
    /// [`RangeError`]; of the last one also as [`Upload::finish`](crate::Upload::finish), and then the ranges stay: the same range
    /// sent again, or none, tries again.
    pub async fn finish(mut self) -> Result<RangeOutcome, RangeError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        if self.n_taken != self.length {
            let error = RangeError::Length { found: self.n_taken, expected: self.length };
            self.keep().await?;
            return Err(error);
        }
        let sha1 = self.keep_piece().await?;
        if self.received_bytes < self.total_bytes {
            return Ok(RangeOutcome::Waiting { received_bytes: self.received_bytes, sha1 });
        }
        let Self { service, plan, upload, .. } = self;
        let gone = ServiceError::NotFound { what: "upload" };
        let (_, pieces) = service.metadata().upload(&upload).await?.ok_or(gone)?;
        let content = service.joined(&pieces, plan.digests()).await?;
        let published = plan.publish(&service, content, Some(upload)).await?;
        Ok(RangeOutcome::Published(Box::new(published)))
    }

    /// Keeps what came of a sequential range that broke off.
    ///
    /// # Errors
    ///
    /// As [`RangeUpload::finish`].
    pub async fn keep(mut self) -> Result<(), RangeError> {
        match (self.order, &self.refused) {
            (RangeOrder::Sequential, None) => self.keep_piece().await.map(drop),
            _ => Ok(()),
        }
    }

    /// Makes what was written durable. Its SHA-1, where it was asked for.
    async fn keep_piece(&mut self) -> Result<Option<[u8; 20]>, RangeError> {
        let Some(writer) = self.writer.take() else { return Ok(None) };
        if writer.written() == 0 {
            return Ok(None);
        }
        let pending = writer.finish().await.map_err(ServiceError::from)?;
        let sha1 = pending.digests.sha1;
        if self.expected_sha1.is_some_and(|expected| sha1 != Some(expected)) {
            pending.refused();
            return Err(RangeError::Mismatch { found: sha1 });
        }
        let (service, total_bytes) = (self.service.clone(), self.total_bytes);
        let (position, size_bytes) = (self.position, pending.size_bytes);
        let piece = PieceRow { upload: self.upload, position, blob: pending.blob, size_bytes, md5: None };
        let expires_at = service.now().plus(service.config().upload_lifetime);
        let put = async move { service.metadata().put_range(piece, total_bytes, expires_at).await };
        match self.service.record_piece(pending, put, |put| matches!(put, RangePut::Kept { .. })).await? {
            RangePut::Kept { received_bytes } => {
                (self.received_bytes, self.position) = (received_bytes, position + size_bytes);
                Ok(sha1)
            }
            RangePut::Overlaps => Err(RangeError::Overlaps),
            RangePut::OtherTotal { total_bytes } => {
                Err(RangeError::OtherTotal { found: self.total_bytes, expected: total_bytes })
            }
            RangePut::TooMany => Err(RangeError::TooMany),
        }
    }
}

/// Under which a principal's upload is known: its tenant's, whichever API key begins or ends it.
fn name_for(principal: &Principal, (bucket, key): (&BucketName, &ObjectKey), session: &str) -> SecretDigest {
    name_of(&[
        b"principal",
        principal.tenant().as_str().as_bytes(),
        bucket.as_str().as_bytes(),
        key.as_str().as_bytes(),
        session.as_bytes(),
    ])
}

/// Under which an upload by a URL is known: that URL's alone.
fn name_under(admission: &Admission, session: &str) -> Result<SecretDigest, Refusal> {
    let grant = admission.grant();
    let facts = grant.facts().ok_or(Refusal::WrongMethod)?;
    let link_id = facts.link_id.ok_or(Refusal::WrongMethod)?;
    let signing_key = facts.signing_key.map(ToString::to_string).unwrap_or_default();
    Ok(name_of(&[b"grant", facts.tenant.as_str().as_bytes(), signing_key.as_bytes(), link_id.as_bytes(), session.as_bytes()]))
}

/// SHA-256 of the fields, each with its length.
fn name_of(fields: &[&[u8]]) -> SecretDigest {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    SecretDigest::from_bytes(digest.finalize().into())
}

fn total_of(upload: &UploadRow) -> Option<u64> {
    match &upload.layout {
        UploadLayout::Parts => None,
        UploadLayout::Ranges(ranges) => ranges.total_bytes,
    }
}

/// The bytes of pieces in their order, neighbours as one.
fn merged(pieces: &[PieceRow]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for piece in pieces {
        let range = piece.position..piece.position + piece.size_bytes;
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}
