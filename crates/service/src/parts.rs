//! Uploads in parts: begun and completed by a principal, their parts written by whoever has a part secret.

use crate::audit::About as _;
use crate::issue::LinkSecret;
use crate::transfers::{Transfer, facts_of_upload};
use crate::upload::{Condition, UploadOptions};
use crate::{Principal, Service, ServiceError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{BucketRow, Guard, MetadataError, PartRow, Publication, PublishCondition, Published, UploadRow};
use valetkey_model::{Action, BlobId, BucketName, FileId, FileNumber, ObjectKey, PutMode, Refusal, Timestamp, UploadId};
use valetkey_objects::{BlobWriter, DigestSet, PendingBlob};

/// A secret with which parts of an upload can be written.
#[derive(Debug)]
pub struct UploadTicket {
    /// The secret.
    pub secret: LinkSecret,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// Until when the upload can be completed.
    pub upload_expires_at: Timestamp,
    /// The bucket it is for.
    pub bucket: Arc<BucketRow>,
}

/// One part being written. Dropped, it leaves nothing behind.
pub struct PartUpload {
    service: Service,
    writer: Box<dyn BlobWriter>,
    upload: UploadRow,
    number: u32,
    transfer: Option<Transfer>,
}

/// A part that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenPart {
    /// Its MD5.
    pub md5: [u8; 16],
    /// Its length.
    pub size_bytes: u64,
}

/// What was received of one part, or that nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number, from 1.
    pub number: u32,
    /// What was received; `None` if nothing was.
    pub received: Option<WrittenPart>,
    /// Whether it is as the caller expected it.
    pub as_expected: bool,
}

/// Why an upload in parts cannot be completed as asked.
#[derive(Debug, thiserror::Error)]
pub enum PartsMismatch {
    /// The parts are not what was expected.
    #[error("the parts are not as expected")]
    Parts {
        /// What was expected in all.
        expected_bytes: Option<u64>,
        /// What is there in all.
        received_bytes: u64,
        /// Part by part.
        parts: Vec<CompletedPart>,
    },
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Service {
    /// Begins an upload in parts. Scope `object:write`, or `object:create` for what does not exist.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::NotFound`] for the bucket;
    /// [`ServiceError::Refused`] while too much is taken back and begun anew.
    pub async fn begin_parts(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<UploadId, ServiceError> {
        self.writable_bucket(principal, bucket).await?;
        let now = self.now();
        // As what is issued: not hit by what was taken back a moment ago.
        let created_at = now.max(self.earliest_issue(principal.tenant())?);
        let upload = UploadRow {
            id: UploadId::random(self.entropy()),
            tenant: principal.tenant().clone(),
            bucket: bucket.clone(),
            key: key.clone(),
            created_by: principal.api_key().clone(),
            created_at,
            expires_at: now.plus(self.config().upload_lifetime),
        };
        self.metadata().create_upload(upload.clone()).await?;
        Ok(upload.id)
    }

    /// Gives a secret with which parts of the upload can be written for a while.
    ///
    /// # Errors
    ///
    /// As [`Service::begin_parts`]; [`ServiceError::NotFound`] if there is no such upload of this object.
    pub async fn part_secret(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
        id: &UploadId,
        lifetime: Duration,
    ) -> Result<UploadTicket, ServiceError> {
        let (upload, _) = self.own_upload(principal, bucket, key, id).await?;
        let bucket = self.own_bucket(principal, bucket).await?;
        let secret = LinkSecret::random(self.entropy());
        let expires_at = self.now().plus(lifetime).min(upload.expires_at);
        self.metadata().create_upload_secret(id, secret.digest(), expires_at).await?;
        Ok(UploadTicket { secret, expires_at, upload_expires_at: upload.expires_at, bucket })
    }

    /// Begins writing a part.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownLink`], [`Refusal::Expired`], [`Refusal::IssuerDisabled`], [`Refusal::TooLarge`]; [`Refusal::Revoked`] if the
    /// URLs of its place, API key or tenant were taken back since the upload was begun.
    pub async fn write_part(
        &self,
        secret: LinkSecret,
        number: u32,
        declared_bytes: Option<u64>,
    ) -> Result<PartUpload, ServiceError> {
        let now = self.now();
        let (upload, expires_at) = self.metadata().upload_by_secret(&secret.digest()).await?.ok_or(Refusal::UnknownLink)?;
        if now >= expires_at || now >= upload.expires_at {
            return Err(Refusal::Expired.into());
        }
        if self.inner().api_keys.live(&upload.created_by, now).is_none() {
            return Err(Refusal::IssuerDisabled.into());
        }
        let n_cuts = self.inner().transfers.n_cuts();
        if self.is_revoked(&facts_of_upload(&upload)) {
            return Err(Refusal::Revoked.into());
        }
        if declared_bytes.is_some_and(|bytes| bytes > self.config().max_object_bytes) {
            return Err(Refusal::TooLarge.into());
        }
        let blob = BlobId::new(now, self.entropy());
        let writer = self.object_store().create(blob, DigestSet::MD5, declared_bytes).await?;
        let transfer = Some(Transfer::of_part(self, upload.clone(), n_cuts));
        Ok(PartUpload { service: self.clone(), writer, upload, number, transfer })
    }

    /// Makes the parts, 1 to the last without a gap, one object. `expected_bytes` and `expected_md5s` (by part, from 1) are
    /// what the caller thinks was received.
    ///
    /// # Errors
    ///
    /// [`PartsMismatch::Parts`] leaves everything as it was. [`ServiceError::NotFound`] if there is no such upload of this
    /// object; otherwise as [`Upload::finish`](crate::Upload::finish).
    pub async fn complete_parts(
        &self,
        principal: &Principal,
        place: (&BucketName, &ObjectKey),
        id: &UploadId,
        expected_bytes: Option<u64>,
        expected_md5s: &[[u8; 16]],
        options: UploadOptions,
    ) -> Result<Published, PartsMismatch> {
        let (bucket, mode) = self.writable_bucket(principal, place.0).await?;
        let (_, parts) = self.own_upload(principal, place.0, place.1, id).await?;
        let blobs = in_order(&parts, expected_bytes, expected_md5s)?;
        let now = self.now();
        let (pending, blob, size_bytes, digests) = self.join(&blobs, &parts, options.digests).await?;
        let publication = Publication {
            bucket: bucket.name.clone(),
            key: place.1.clone(),
            new_file_id: FileId::random(self.entropy()),
            new_file_number: FileNumber::random(self.entropy()),
            blob,
            size_bytes,
            content_type: options.content_type,
            file_name: options.file_name,
            user_metadata: options.user_metadata,
            sha256: digests.sha256,
            sha1: digests.sha1,
            md5: digests.md5,
            now,
            expires_at: bucket.retention.lifetime().map(|lifetime| now.plus(lifetime)),
            condition: match options.condition {
                Condition::None => PublishCondition { mode, absent: false, replaces: None, incarnation: None },
                Condition::Absent => PublishCondition { mode: PutMode::Create, absent: true, replaces: None, incarnation: None },
                Condition::Replaces(blob) => PublishCondition { mode, absent: false, replaces: Some(blob), incarnation: None },
            },
            guard: Guard { tenant: principal.tenant().clone(), url: None, api_key: Some(principal.api_key().clone()) },
            spend: None,
            completes: Some(*id),
        };
        let record = self.act(principal, Action::ObjectPublish).of_object(place.0, place.1);
        Ok(self.publish(publication, pending, record).await?)
    }

    /// One blob of the parts; that of a single part is taken as it is.
    async fn join(
        &self,
        blobs: &[BlobId],
        parts: &[PartRow],
        wanted: DigestSet,
    ) -> Result<(Option<PendingBlob>, BlobId, u64, valetkey_objects::Digests), ServiceError> {
        if let ([blob], [part]) = (blobs, parts) {
            let digests = self.object_store().digest(*blob, wanted).await?;
            return Ok((None, *blob, part.size_bytes, digests));
        }
        let joined = BlobId::new(self.now(), self.entropy());
        let pending = self.object_store().concatenate(blobs, joined, wanted).await?;
        let (size_bytes, digests) = (pending.size_bytes, pending.digests);
        Ok((Some(pending), joined, size_bytes, digests))
    }

    /// The upload, proved to be of this object and of the principal's tenant, and alive.
    async fn own_upload(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
        id: &UploadId,
    ) -> Result<(UploadRow, Vec<PartRow>), ServiceError> {
        self.writable_bucket(principal, bucket).await?;
        let found = self.metadata().upload(id).await?;
        let live = found.filter(|(upload, _)| upload.bucket == *bucket && upload.key == *key && self.now() < upload.expires_at);
        live.ok_or(ServiceError::NotFound { what: "upload" })
    }
}

/// The parts' blobs, if they are 1 to n without a gap and as the caller expects them.
fn in_order(parts: &[PartRow], expected_bytes: Option<u64>, expected_md5s: &[[u8; 16]]) -> Result<Vec<BlobId>, PartsMismatch> {
    let last = parts.iter().map(|part| part.number).max().unwrap_or(0);
    let n_expected = u32::try_from(expected_md5s.len()).unwrap_or(u32::MAX);
    let checked: Vec<CompletedPart> = (1..=last.max(n_expected))
        .map(|number| {
            let received = parts.iter().find(|part| part.number == number);
            let received = received.map(|part| WrittenPart { md5: part.md5, size_bytes: part.size_bytes });
            let index = usize::try_from(number).unwrap_or(usize::MAX) - 1;
            let expected = expected_md5s.get(index);
            let listed = expected_md5s.is_empty() || expected.is_some();
            let as_expected = listed && received.is_some_and(|part| expected.is_none_or(|md5| *md5 == part.md5));
            CompletedPart { number, received, as_expected }
        })
        .collect();
    let received_bytes = parts.iter().map(|part| part.size_bytes).sum();
    let wrong_size = expected_bytes.is_some_and(|expected| expected != received_bytes);
    if checked.is_empty() || wrong_size || !checked.iter().all(|part| part.as_expected) {
        return Err(PartsMismatch::Parts { expected_bytes, received_bytes, parts: checked });
    }
    let mut ordered: Vec<&PartRow> = parts.iter().collect();
    ordered.sort_by_key(|part| part.number);
    Ok(ordered.into_iter().map(|part| part.blob).collect())
}

impl PartUpload {
    /// As [`Upload::transfer`](crate::Upload::transfer).
    pub fn transfer(&mut self) -> Option<Transfer> {
        self.transfer.take()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`], [`Refusal::NoSpace`], [`ServiceError::Unavailable`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.writer.written().saturating_add(length) > self.service.config().max_object_bytes {
            return Err(Refusal::TooLarge.into());
        }
        Ok(self.writer.write(bytes).await?)
    }

    /// Makes the part durable; a part of the same number is replaced.
    ///
    /// # Errors
    ///
    /// [`Refusal::Revoked`]; [`Refusal::ObjectGone`] if the upload was completed or thrown away meanwhile; [`Refusal::NoSpace`];
    /// [`ServiceError::Unavailable`].
    pub async fn finish(self) -> Result<WrittenPart, ServiceError> {
        if self.service.is_revoked(&facts_of_upload(&self.upload)) {
            return Err(Refusal::Revoked.into());
        }
        let mut pending = self.writer.finish().await?;
        let md5 = pending.digests.md5.unwrap_or_default();
        let size_bytes = pending.size_bytes;
        let part = PartRow { upload: self.upload.id, number: self.number, blob: pending.blob, size_bytes, md5 };
        let (service, now) = (self.service.clone(), self.service.now());
        let written = self.service.to_the_end(async move {
            pending.committing();
            match service.metadata().put_part(part, now).await {
                Ok(()) => {
                    pending.released();
                    Ok(())
                }
                Err(error @ MetadataError::Unavailable { .. }) => Err(error.into()),
                Err(error) => {
                    pending.refused();
                    Err(match error {
                        MetadataError::NotFound { .. } => Refusal::ObjectGone.into(),
                        error => error.into(),
                    })
                }
            }
        });
        written.await.map(|()| WrittenPart { md5, size_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, md5: u8) -> PartRow {
        let upload = UploadId::from_bytes([0; 16]);
        PartRow { upload, number, blob: BlobId::from_bytes([md5; 16]), size_bytes: 10, md5: [md5; 16] }
    }

    #[test]
    fn parts_are_joined_only_as_expected() {
        let check = |numbers: &[u32], bytes: Option<u64>, md5s: &[u8], fine: bool| {
            let parts: Vec<PartRow> = numbers.iter().map(|&number| part(number, u8::try_from(number).unwrap())).collect();
            let md5s: Vec<[u8; 16]> = md5s.iter().map(|&md5| [md5; 16]).collect();
            assert_eq!(in_order(&parts, bytes, &md5s).is_ok(), fine, "{numbers:?} {bytes:?} {md5s:?}");
        };
        check(&[1], None, &[], true);
        check(&[2, 1], Some(20), &[1, 2], true);
        check(&[], None, &[], false);
        check(&[1, 3], None, &[], false);
        check(&[2], None, &[], false);
        check(&[1, 2], Some(19), &[], false);
        check(&[1, 2], None, &[1], false);
        check(&[1, 2], None, &[2, 1], false);
        check(&[1], None, &[1, 2], false);
    }
}
