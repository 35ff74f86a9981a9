//! Copies of objects within a bucket. No byte is copied where the object store can share them.

use crate::audit::About as _;
use crate::upload::{Condition, publish_condition};
use crate::{Principal, Service, ServiceError};
use valetkey_metadata::{Guard, Publication, Published};
use valetkey_model::{Action, BlobId, BucketName, FileId, FileNumber, ObjectKey, Scope};

impl Service {
    /// Makes the bytes of one object of a bucket those of another place in it, with their media type, the name to save them under and what was written
    /// down with them.
    /// What is at that place is replaced, as an upload would; the retention of the bucket begins anew. A copy onto itself is a new
    /// generation of the same bytes. Atomic, and durable when it returns. Scope `object:read`; and `object:write`, or `object:create`
    /// for a place where nothing is.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`] for the
    /// bucket or the object; [`ServiceError::Refused`] as [`Upload::finish`](crate::Upload::finish) has it, and for want of space;
    /// [`ServiceError::Unavailable`], also if the bytes are damaged.
    pub async fn copy_object(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        from: &ObjectKey,
        to: &ObjectKey,
        condition: Condition,
    ) -> Result<Published, ServiceError> {
        principal.require(Scope::ObjectRead)?;
        let (bucket, mode) = self.writable_bucket(principal, bucket).await?;
        let source = self.live_object(&bucket.name, from).await?.ok_or(ServiceError::NotFound { what: "object" })?;
        let condition = publish_condition(mode, None, condition)?;
        self.place_holds(&condition, &bucket.name, to).await?;
        let now = self.now();
        let pending = self.object_store().copy(source.blob, BlobId::new(now, self.entropy())).await?;
        if pending.digests.sha256 != source.sha256 || pending.size_bytes != source.size_bytes {
            pending.refused();
            let detail = "the bytes to be copied are not those that were stored";
            tracing::error!(bucket = %bucket.name, detail, "the object store is damaged");
            return Err(ServiceError::Unavailable { source: detail.into() });
        }
        let publication = Publication {
            bucket: bucket.name.clone(),
            key: to.clone(),
            new_file_id: FileId::random(self.entropy()),
            new_file_number: FileNumber::random(self.entropy()),
            blob: pending.blob,
            size_bytes: source.size_bytes,
            content_type: source.content_type.clone(),
            file_name: source.file_name.clone(),
            user_metadata: source.user_metadata.clone(),
            sha256: source.sha256,
            sha1: source.sha1,
            md5: source.md5,
            now,
            expires_at: bucket.retention.lifetime().map(|lifetime| now.plus(lifetime)),
            condition,
            guard: Guard { tenant: principal.tenant().clone(), url: None, api_key: Some(principal.api_key().clone()) },
            spend: None,
            completes: None,
        };
        let record = self.act(principal, Action::ObjectPublish).of_object(&bucket.name, to);
        self.publish(publication, Some(pending), record).await
    }
}
