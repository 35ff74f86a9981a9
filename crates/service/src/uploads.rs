//! Uploads of several pieces under way, listed and thrown away by their owner.

use crate::audit::About as _;
use crate::{Principal, Service, ServiceError};
use valetkey_metadata::{UploadCursor, UploadEntry, UploadLayout, UploadRow};
use valetkey_model::{Action, Scope, UploadId};

/// A page of uploads, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<UploadEntry>,
    /// After what the next page begins; `None` on the last one. A page may be shorter than asked for and still have one.
    pub next: Option<UploadCursor>,
}

/// Of one in ranges it is remembered for a while.
fn is_complete(upload: &UploadRow) -> bool {
    matches!(&upload.layout, UploadLayout::Ranges(ranges) if ranges.completed_as.is_some())
}

impl Service {
    /// A page of the uploads under way in the principal's buckets, after `after`. Scope `object:write`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`].
    pub async fn uploads(
        &self,
        principal: &Principal,
        after: Option<UploadCursor>,
        limit: u32,
    ) -> Result<UploadPage, ServiceError> {
        principal.require(Scope::ObjectWrite)?;
        let mut uploads = self.metadata().uploads(principal.tenant(), after, limit).await?;
        let is_full = uploads.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let last = uploads.last().map(|last| UploadCursor { created_at: last.upload.created_at, id: last.upload.id });
        let now = self.now();
        uploads.retain(|entry| now < entry.upload.expires_at && principal.is_within(&entry.upload.bucket));
        Ok(UploadPage { uploads, next: last.filter(|_| is_full) })
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::NotFound`], for another tenant's too.
    pub async fn upload_of(&self, principal: &Principal, id: &UploadId) -> Result<UploadEntry, ServiceError> {
        principal.require(Scope::ObjectWrite)?;
        let found = self.metadata().upload(id).await?.filter(|(upload, _)| {
            upload.tenant == *principal.tenant()
                && principal.is_within(&upload.bucket)
                && self.now() < upload.expires_at
                && !is_complete(upload)
        });
        let (upload, pieces) = found.ok_or(ServiceError::NotFound { what: "upload" })?;
        let received_bytes = pieces.iter().map(|piece| piece.size_bytes).sum();
        Ok(UploadEntry { upload, n_pieces: pieces.len() as u64, received_bytes })
    }

    /// Throws one of them away, with all that was received of it.
    ///
    /// # Errors
    ///
    /// As [`Service::upload_of`].
    pub async fn abort_upload(&self, principal: &Principal, id: &UploadId) -> Result<(), ServiceError> {
        let UploadEntry { upload, .. } = self.upload_of(principal, id).await?;
        let entry = self.act(principal, Action::UploadAbort).of_object(&upload.bucket, &upload.key);
        let (service, id) = (self.clone(), *id);
        let deleted = self.to_the_end(async move { service.recording(vec![entry]).delete_upload(&id).await });
        if deleted.await? { Ok(()) } else { Err(ServiceError::NotFound { what: "upload" }) }
    }
}
