//! Objects: find, list, delete, digests at first need.

use crate::audit::About as _;
use crate::service::Place;
use crate::{Principal, Service, ServiceError};
use std::sync::Arc;
use valetkey_metadata::{ObjectPage, ObjectRow};
use valetkey_model::{Action, BucketName, ObjectKey, Scope};
use valetkey_objects::{DigestSet, OpenBlob};

impl Service {
    /// The object at this key, in a bucket that the principal may use, with scope `object:read`; or in anybody's public bucket.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`], [`ServiceError::NotFound`].
    pub async fn object(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectRow>, ServiceError> {
        self.readable_bucket(principal, bucket).await?;
        self.live_object(bucket, key).await?.ok_or(ServiceError::NotFound { what: "object" })
    }

    /// The object at this key for who shows no credential: in a public bucket.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] if there is no such bucket, or it is not public; [`ServiceError::NotFound`].
    pub async fn public_object(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Arc<ObjectRow>, ServiceError> {
        self.public_bucket(bucket).await?.ok_or(ServiceError::Unauthenticated)?;
        self.live_object(bucket, key).await?.ok_or(ServiceError::NotFound { what: "object" })
    }

    /// The object that an upload by the principal would replace: what a conditional write is compared with. Scope
    /// `object:write` or `object:create`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::NotFound`] for the bucket.
    pub async fn object_to_replace(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<Arc<ObjectRow>>, ServiceError> {
        self.writable_bucket(principal, bucket).await?;
        self.live_object(bucket, key).await
    }

    /// A page of a bucket's objects, by key. Scope `object:read`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::NotFound`] for the bucket.
    pub async fn objects(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ObjectPage, ServiceError> {
        principal.require(Scope::ObjectRead)?;
        self.own_bucket(principal, bucket).await?;
        Ok(self.metadata().objects(bucket, prefix, after, limit, self.now()).await?)
    }

    /// Deletes an object; its URLs die with it. Scope `object:write`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::NotFound`].
    pub async fn delete_object(&self, principal: &Principal, bucket: &BucketName, key: &ObjectKey) -> Result<(), ServiceError> {
        principal.require(Scope::ObjectWrite)?;
        self.own_bucket(principal, bucket).await?;
        let now = self.now();
        let entry = self.act(principal, Action::ObjectDelete).of_object(bucket, key);
        let (service, tenant, bucket, key) = (self.clone(), principal.tenant().clone(), bucket.clone(), key.clone());
        let deleted = self.to_the_end(async move {
            let deleted = service.recording(vec![entry]).delete_object(&tenant, &bucket, &key, None, now).await;
            service.forget_object(&bucket, &key);
            deleted
        });
        let deleted = deleted.await?;
        let live = deleted.filter(|object| object.expires_at.is_none_or(|at| now < at));
        live.map(|_| ()).ok_or(ServiceError::NotFound { what: "object" })
    }

    /// Opens an object's bytes for its owner.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`].
    pub async fn open_object(&self, object: &ObjectRow) -> Result<OpenBlob, ServiceError> {
        let blob = match self.object_store().open_now(object.blob) {
            Ok(Some(blob)) => blob,
            _ => self.object_store().open(object.blob).await?,
        };
        if blob.size_bytes() != object.size_bytes {
            let detail = format!("a blob has {} bytes, its row says {}", blob.size_bytes(), object.size_bytes);
            tracing::error!(detail, "the object store is damaged");
            return Err(ServiceError::Unavailable { source: detail.into() });
        }
        Ok(blob)
    }

    /// The object with its SHA-1 and MD5, made now if they were not needed before.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`].
    pub async fn with_digests(&self, object: Arc<ObjectRow>) -> Result<Arc<ObjectRow>, ServiceError> {
        if object.sha1.is_some() && object.md5.is_some() {
            return Ok(object);
        }
        let digests = self.object_store().digest(object.blob, DigestSet::SHA1 | DigestSet::MD5).await?;
        if let (Some(sha1), Some(md5)) = (digests.sha1, digests.md5) {
            self.metadata().record_digests(object.blob, sha1, md5).await?;
        }
        self.forget_object(&object.bucket, &object.key);
        Ok(Arc::new(ObjectRow { sha1: digests.sha1, md5: digests.md5, ..(*object).clone() }))
    }

    /// The row, from memory where it is there; `None` if there is none or its retention has ended.
    pub(crate) async fn live_object(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<Arc<ObjectRow>>, ServiceError> {
        self.live_object_at(&Place { bucket: bucket.clone(), key: key.clone() }).await
    }

    /// The same for a place that is at hand.
    pub(crate) async fn live_object_at(&self, place: &Place) -> Result<Option<Arc<ObjectRow>>, ServiceError> {
        let rows = &self.inner().object_rows;
        let row = match rows.find(place) {
            Some(row) => row,
            None => {
                let before = rows.before_read(place);
                let Some(row) = self.metadata().object(&place.bucket, &place.key).await? else { return Ok(None) };
                let row = Arc::new(row);
                rows.keep(place.clone(), row.clone(), before);
                row
            }
        };
        Ok(Some(row).filter(|row| row.expires_at.is_none_or(|at| self.now() < at)))
    }

    pub(crate) fn forget_object(&self, bucket: &BucketName, key: &ObjectKey) {
        let place = Place { bucket: bucket.clone(), key: key.clone() };
        self.inner().object_rows.forget(&place);
        self.inner().changes.changed(&place, self.now());
    }
}
