//! Copies of objects within a bucket. No byte is copied where the object store can share them.

use crate::upload::{Condition, Content, UploadOptions};
use crate::{Principal, Service, ServiceError};
use valetkey_metadata::Published;
use valetkey_model::{BlobId, BucketName, ObjectKey, Scope};

impl Service {
    /// Makes the bytes of one object of a bucket those of another place in it, with their media type, the name to save them under
    /// and what was written down with them. What is at that place is replaced, as an upload would; the retention of the bucket
    /// begins anew. A copy onto itself is a new generation of the same bytes. Atomic, and durable when it returns. Scope
    /// `object:read`; and `object:write`, or `object:create` for a place where nothing is.
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
        self.writable_bucket(principal, bucket).await?;
        let source = self.live_object(bucket, from).await?.ok_or(ServiceError::NotFound { what: "object" })?;
        let options = UploadOptions {
            content_type: source.content_type.clone(),
            file_name: source.file_name.clone(),
            user_metadata: source.user_metadata.clone(),
            condition,
            ..UploadOptions::default()
        };
        let mut plan = self.plan(principal, bucket, to, options).await?;
        self.check(&mut plan).await?;
        let pending = self.object_store().copy(source.blob, BlobId::new(self.now(), self.entropy())).await?;
        if pending.digests.sha256 != source.sha256 || pending.size_bytes != source.size_bytes {
            pending.refused();
            let detail = "the bytes to be copied are not those that were stored";
            tracing::error!(%bucket, detail, "the object store is damaged");
            return Err(ServiceError::Unavailable { source: detail.into() });
        }
        let mut content = Content::from(pending);
        (content.digests.sha1, content.digests.md5) = (source.sha1, source.md5);
        plan.publish(self, content, None).await
    }
}
