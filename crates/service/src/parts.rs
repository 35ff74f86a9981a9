//! Uploads in parts: begun and completed by a principal, their parts written by whoever has a part secret.

use crate::issue::LinkSecret;
use crate::transfers::{Transfer, facts_of_upload};
use crate::upload::UploadOptions;
use crate::{Principal, Service, ServiceError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{BucketRow, PieceRow, Published, UploadLayout, UploadRow};
use valetkey_model::{BlobId, BucketName, ObjectKey, Refusal, Scope, Timestamp, UploadId};
use valetkey_objects::{BlobWriter, DigestSet};

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
            created_by: Some(principal.api_key().clone()),
            created_at,
            expires_at: now.plus(self.config().upload_lifetime),
            layout: UploadLayout::Parts,
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
        if !self.may_still_write(&upload) {
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
        let plan = self.plan(principal, place.0, place.1, options).await?;
        let (_, parts) = self.own_upload(principal, place.0, place.1, id).await?;
        in_order(&parts, expected_bytes, expected_md5s)?;
        let content = self.joined(&parts, plan.digests()).await?;
        Ok(plan.publish(self, content, Some(*id)).await?)
    }

    /// Whether the API key that began an upload may write there now: a URL is worth no more than its key.
    fn may_still_write(&self, upload: &UploadRow) -> bool {
        let issuer = upload.created_by.as_ref().and_then(|issuer| self.inner().api_keys.live(issuer, self.now()));
        issuer.is_some_and(|row| {
            let within = row.buckets.is_empty() || row.buckets.contains(&upload.bucket);
            within && (row.scopes.has(Scope::ObjectWrite) || row.scopes.has(Scope::ObjectCreate))
        })
    }

    /// The upload, proved to be of this object and of the principal's tenant, and alive.
    async fn own_upload(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
        id: &UploadId,
    ) -> Result<(UploadRow, Vec<PieceRow>), ServiceError> {
        self.writable_bucket(principal, bucket).await?;
        let found = self.metadata().upload(id).await?;
        let live = found.filter(|(upload, _)| {
            let is_of_object = upload.bucket == *bucket && upload.key == *key && upload.layout == UploadLayout::Parts;
            is_of_object && self.now() < upload.expires_at
        });
        live.ok_or(ServiceError::NotFound { what: "upload" })
    }
}

/// Proves that the parts are 1 to n without a gap and as the caller expects them.
fn in_order(parts: &[PieceRow], expected_bytes: Option<u64>, expected_md5s: &[[u8; 16]]) -> Result<(), PartsMismatch> {
    let last = parts.iter().map(number_of).max().unwrap_or(0);
    let n_expected = u32::try_from(expected_md5s.len()).unwrap_or(u32::MAX);
    let checked: Vec<CompletedPart> = (1..=last.max(n_expected))
        .map(|number| {
            let received = parts.iter().find(|part| number_of(part) == number);
            let received = received.map(|part| WrittenPart { md5: part.md5.unwrap_or_default(), size_bytes: part.size_bytes });
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
    Ok(())
}

fn number_of(part: &PieceRow) -> u32 {
    u32::try_from(part.position).unwrap_or(u32::MAX)
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
        if !self.service.may_still_write(&self.upload) {
            return Err(Refusal::IssuerDisabled.into());
        }
        if self.service.is_revoked(&facts_of_upload(&self.upload)) {
            return Err(Refusal::Revoked.into());
        }
        let pending = self.writer.finish().await?;
        let (size_bytes, md5) = (pending.size_bytes, pending.digests.md5);
        let part = PieceRow { upload: self.upload.id, position: self.number.into(), blob: pending.blob, size_bytes, md5 };
        let (service, now) = (self.service.clone(), self.service.now());
        let put = async move { service.metadata().put_part(part, now).await };
        self.service.record_piece(pending, put, |()| true).await?;
        Ok(WrittenPart { md5: md5.unwrap_or_default(), size_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, md5: u8) -> PieceRow {
        let upload = UploadId::from_bytes([0; 16]);
        PieceRow { upload, position: number.into(), blob: BlobId::from_bytes([md5; 16]), size_bytes: 10, md5: Some([md5; 16]) }
    }

    #[test]
    fn parts_are_joined_only_as_expected() {
        let check = |numbers: &[u32], bytes: Option<u64>, md5s: &[u8], fine: bool| {
            let parts: Vec<PieceRow> = numbers.iter().map(|&number| part(number, u8::try_from(number).unwrap())).collect();
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
