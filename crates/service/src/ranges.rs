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
use valetkey_model::{Action, ApiKeyId, BlobId, BucketName, ObjectKey, Refusal, SecretDigest, UploadId};
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
    Published {
        /// The object.
        published: Box<Published>,
        /// SHA-1 of the range, in an upload of any order.
        sha1: Option<[u8; 20]>,
    },
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
    /// The piece that it must be, where nothing is missing any more.
    repeats: Option<BlobId>,
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
        self.begin_range(plan, Session::of_principal(principal, place, request.session), request).await
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
        let session = Session::under(&admission, request.session)?;
        let upload = self.begin_range(plan, session, request).await?;
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
        let session = Session::under(admission, session)?;
        let created = self.create_ranges(&plan, session, plan.options.declared_bytes).await?;
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
        let found = self.live_ranges(&Session::of_principal(principal, place, session).name).await?;
        let found = found.filter(|found| completed_as(&found.upload).is_none());
        let upload = found.ok_or(ServiceError::NotFound { what: "upload" })?.upload.id;
        let (row, pieces) = self.metadata().upload(&upload).await?.ok_or(ServiceError::NotFound { what: "upload" })?;
        Ok(Received { ranges: merged(&pieces), total_bytes: total_of(&row) })
    }

    /// What a complete upload under an admitted grant has become, for who asks because the answer to the last range was lost; `None` for
    /// one that is not complete.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongMethod`] for a grant that does not write; [`RangeError::Overlaps`] where bytes are to come: they would be
    /// thrown away; [`RangeError::OtherTotal`]; [`RangeError::Unknown`] if something else is there by now.
    pub async fn completed_granted(
        &self,
        admission: &Admission,
        request: &RangeRequest<'_>,
    ) -> Result<Option<Published>, RangeError> {
        if !admission.permission().writes() {
            return Err(Refusal::WrongMethod.into());
        }
        let known = self.live_ranges(&Session::under(admission, request.session)?.name).await?;
        let Some(UploadLayout::Ranges(UploadRanges { completed_as: Some(blob), total_bytes, .. })) =
            known.map(|known| known.upload.layout)
        else {
            return Ok(None);
        };
        if let Some(expected) = total_bytes.filter(|expected| *expected != request.total_bytes) {
            return Err(RangeError::OtherTotal { found: request.total_bytes, expected });
        }
        if request.range.is_some() {
            return Err(RangeError::Overlaps);
        }
        let object = self.granted_object(admission).await?.filter(|object| object.blob == blob);
        let object = self.with_digests(object.ok_or(RangeError::Unknown)?).await?;
        Ok(Some(Published { object: ObjectRow::clone(&object), replaced: false }))
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
        let Some(found) = self.live_ranges(&Session::under(admission, session)?.name).await? else { return Ok(false) };
        if completed_as(&found.upload).is_some() {
            return Ok(false);
        }
        let entry = self.entry_of_grant(admission.grant(), Action::UploadAbort);
        let (service, id) = (self.clone(), found.upload.id);
        Ok(self.to_the_end(async move { service.recording(vec![entry]).delete_upload(&id).await }).await?)
    }

    async fn begin_range(&self, mut plan: Plan, session: Session, request: RangeRequest<'_>) -> Result<RangeUpload, RangeError> {
        let RangeRequest { range, total_bytes, declared_bytes, expected_sha1, order, .. } = request;
        let length = range.as_ref().map_or(0, |range| range.end.saturating_sub(range.start));
        if range.as_ref().is_some_and(|range| length == 0 || range.end > total_bytes) {
            return Err(RangeError::Outside);
        }
        if let Some(found) = declared_bytes.filter(|found| *found != length) {
            return Err(RangeError::Length { found, expected: length });
        }
        let known = self.live_ranges(&session.name).await?;
        if known.is_none() && order == RangeOrder::Sequential {
            return Err(RangeError::Unknown);
        }
        if known.as_ref().is_some_and(|known| completed_as(&known.upload).is_some()) {
            return Err(RangeError::Overlaps);
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
                self.live_ranges(&session.name).await?.ok_or(RangeError::Unknown)?
            }
            Some(known) => known,
            None => self.begun_ranges(&plan, session, total_bytes).await?,
        };
        if let Some(expected) = total_of(&upload).filter(|expected| *expected != total_bytes) {
            return Err(RangeError::OtherTotal { found: total_bytes, expected });
        }
        let start = range.map_or(received_bytes, |range| range.start);
        if order == RangeOrder::Sequential && start > received_bytes {
            return Err(RangeError::Gap { received_bytes });
        }
        // Where all is there already, a range can only be one of those, sent again.
        let repeats = match (order, received_bytes == total_bytes && length > 0) {
            (RangeOrder::Any, true) => Some(self.piece_at(&upload.id, start, length).await?),
            _ => None,
        };
        let n_known = match order {
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
            repeats,
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
    async fn begun_ranges(&self, plan: &Plan, session: Session, total_bytes: u64) -> Result<UploadEntry, RangeError> {
        match self.create_ranges(plan, session.clone(), Some(total_bytes)).await? {
            Some(upload) => Ok(UploadEntry { upload, n_pieces: 0, received_bytes: 0 }),
            None => self.live_ranges(&session.name).await?.ok_or(RangeError::Unknown),
        }
    }

    /// A new upload in ranges; `None` if its name is taken.
    async fn create_ranges(
        &self,
        plan: &Plan,
        session: Session,
        total_bytes: Option<u64>,
    ) -> Result<Option<UploadRow>, ServiceError> {
        let now = self.now();
        let Session { name, holder, by } = session;
        let (content_type, file_name) = (plan.options.content_type.clone(), plan.options.file_name.clone());
        let upload = UploadRow {
            id: UploadId::random(self.entropy()),
            tenant: plan.guard.tenant.clone(),
            bucket: plan.bucket.name.clone(),
            key: plan.key.clone(),
            created_by: by,
            created_at: now,
            expires_at: now.plus(self.config().upload_lifetime),
            layout: UploadLayout::Ranges(UploadRanges { name, holder, total_bytes, content_type, file_name, completed_as: None }),
        };
        match self.metadata().create_upload(upload.clone()).await {
            Ok(()) => Ok(Some(upload)),
            Err(MetadataError::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The piece of an upload that is just this range.
    async fn piece_at(&self, id: &UploadId, start: u64, length: u64) -> Result<BlobId, RangeError> {
        let (_, pieces) = self.metadata().upload(id).await?.ok_or(RangeError::Unknown)?;
        let found = pieces.iter().find(|piece| piece.position == start && piece.size_bytes == length);
        found.map(|piece| piece.blob).ok_or(RangeError::Overlaps)
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
                self.metadata().delete_upload(&entry.upload.id).await?;
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
            self.refused = Some(RangeError::Length { found: self.n_taken + n_bytes, expected: self.length });
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
        let Self { service, plan, upload, turn, .. } = self;
        // Of many that ask for it one joins the pieces.
        let joins = service.inner().joins.take(upload, WAIT).await.ok_or(Refusal::InUse)?;
        let (row, pieces) = service.metadata().upload(&upload).await?.ok_or(RangeError::Unknown)?;
        if let Some(blob) = completed_as(&row) {
            // By one of the others, a moment ago.
            let object = service.live_object(&row.bucket, &row.key).await?.filter(|object| object.blob == blob);
            let object = service.with_digests(object.ok_or(RangeError::Unknown)?).await?;
            let published = Box::new(Published { object: ObjectRow::clone(&object), replaced: false });
            return Ok(RangeOutcome::Published { published, sha1 });
        }
        let published = match service.joined(&pieces, plan.digests()).await {
            Ok(content) => plan.publish(&service, content, Some(upload)).await,
            Err(error) => Err(error),
        };
        if let Err(ServiceError::Refused(Refusal::DigestMismatch | Refusal::TooSmall | Refusal::TooLarge)) = &published {
            // It can never become what it must be: whoever sends it begins again.
            service.metadata().delete_upload(&upload).await?;
        }
        drop((joins, turn));
        let published = published?;
        Ok(RangeOutcome::Published { published: Box::new(published), sha1 })
    }

    /// Why it failed, where [`RangeUpload::write`] did.
    pub fn failed(self, error: ServiceError) -> RangeError {
        self.refused.unwrap_or(RangeError::Service(error))
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
        if let Some(repeated) = self.repeats {
            let stored = self.service.object_store().digest(repeated, DigestSet::NONE).await.map_err(ServiceError::from)?;
            let is_same = stored.sha256 == pending.digests.sha256;
            pending.refused();
            return if is_same { Ok(sha1) } else { Err(RangeError::Overlaps) };
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

/// How an upload in ranges is known, and whose it is.
#[derive(Clone)]
struct Session {
    name: SecretDigest,
    /// What the URL is known by that it is for; `None` without one.
    holder: Option<SecretDigest>,
    /// The API key behind it.
    by: Option<ApiKeyId>,
}

impl Session {
    /// A principal's: its tenant's, whichever API key begins or ends it.
    fn of_principal(principal: &Principal, (bucket, key): (&BucketName, &ObjectKey), session: &str) -> Self {
        let owner = [principal.tenant().as_str(), bucket.as_str(), key.as_str(), session].map(str::as_bytes);
        let name = name_of(&[&[b"principal".as_slice()], owner.as_slice()].concat());
        Self { name, holder: None, by: Some(principal.api_key().clone()) }
    }

    /// One by a URL: that URL's alone.
    fn under(admission: &Admission, session: &str) -> Result<Self, Refusal> {
        let facts = admission.grant().facts().ok_or(Refusal::WrongMethod)?;
        let link_id = facts.link_id.ok_or(Refusal::WrongMethod)?;
        let signing_key = facts.signing_key.map(ToString::to_string).unwrap_or_default();
        let holder = name_of(&[b"url", facts.tenant.as_str().as_bytes(), signing_key.as_bytes(), link_id.as_bytes()]);
        let name = name_of(&[b"session", holder.as_bytes(), session.as_bytes()]);
        Ok(Self { name, holder: Some(holder), by: admission.issuer().cloned() })
    }
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

/// The generation that a complete upload has become.
fn completed_as(upload: &UploadRow) -> Option<BlobId> {
    match &upload.layout {
        UploadLayout::Parts => None,
        UploadLayout::Ranges(ranges) => ranges.completed_as,
    }
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
