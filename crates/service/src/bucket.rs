//! Buckets.

use crate::audit::About as _;
use crate::{Principal, Service, ServiceError};
use std::sync::Arc;
use valetkey_metadata::{BucketPage, BucketRow, MetadataError};
use valetkey_model::{Action, BucketName, Region, Retention, Scope, sabotaged};

/// A bucket to be made.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// Its name, unique in the installation.
    pub name: BucketName,
    /// Where it is said to be.
    pub region: Region,
    /// How long it keeps its objects.
    pub retention: Retention,
    /// Whether any authenticated principal may read it.
    pub public: bool,
}

impl Service {
    /// Makes a bucket of the principal's tenant. Scope `bucket:create`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::AlreadyExists`] whoever has the name; [`ServiceError::OutsideBuckets`] for a
    /// principal that is limited to certain buckets and not to this one; [`ServiceError::Invalid`] for a name that is set apart for
    /// another tenant's files.
    pub async fn create_bucket(&self, principal: &Principal, new: NewBucket) -> Result<BucketRow, ServiceError> {
        principal.require(Scope::BucketCreate)?;
        let row = BucketRow {
            name: new.name,
            tenant: principal.tenant().clone(),
            region: new.region,
            retention: new.retention,
            public: new.public,
            created_by: Some(principal.api_key().clone()),
            created_at: self.now(),
        };
        principal.require_bucket(&row)?;
        self.require_free_name(&row)?;
        let entry = self.act(principal, Action::BucketCreate).of_bucket(&row.name).saying(kind_of(&row));
        match self.recording(vec![entry]).create_bucket(row.clone()).await {
            Err(error @ MetadataError::AlreadyExists { .. }) => return self.bucket_made_before(row).await?.ok_or(error.into()),
            made => made?,
        }
        self.forget_bucket(&row.name);
        tracing::info!(bucket = %row.name, "a bucket was made");
        Ok(row)
    }

    /// The bucket that an earlier try of the same call has made.
    async fn bucket_made_before(&self, row: BucketRow) -> Result<Option<BucketRow>, ServiceError> {
        let Some(since) = self.may_be_done_since() else { return Ok(None) };
        let found = self.metadata().bucket(&row.name).await?;
        Ok(found.filter(|found| found.created_at >= since && BucketRow { created_at: found.created_at, ..row } == *found))
    }

    /// The bucket of this name, if it is one that the principal may use. Scope `bucket:read`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotFound`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`].
    pub async fn bucket(&self, principal: &Principal, name: &BucketName) -> Result<Arc<BucketRow>, ServiceError> {
        principal.require(Scope::BucketRead)?;
        self.own_bucket(principal, name).await
    }

    /// A page of the tenant's buckets after `after`. Scope `bucket:read`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`].
    pub async fn buckets(
        &self,
        principal: &Principal,
        region: Option<&Region>,
        after: Option<&BucketName>,
        limit: u32,
    ) -> Result<BucketPage, ServiceError> {
        principal.require(Scope::BucketRead)?;
        let mut page = self.metadata().buckets(principal.tenant(), region, after, limit).await?;
        page.buckets.retain(|bucket| principal.require_bucket(bucket).is_ok());
        Ok(page)
    }

    /// Makes a bucket public, or private again. Scope `admin`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotFound`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`].
    pub async fn set_bucket_public(
        &self,
        principal: &Principal,
        name: &BucketName,
        public: bool,
    ) -> Result<BucketRow, ServiceError> {
        principal.require(Scope::Admin)?;
        self.own_bucket(principal, name).await?;
        let entry = self.act(principal, Action::BucketUpdate).of_bucket(name).saying(if public { "public" } else { "private" });
        let (service, tenant, bucket) = (self.clone(), principal.tenant().clone(), name.clone());
        let changed = self.to_the_end(async move {
            let changed = service.recording(vec![entry]).set_bucket_public(&tenant, &bucket, public).await;
            service.forget_bucket(&bucket);
            changed
        });
        let row = changed.await?;
        tracing::info!(bucket = %name, public, "a bucket was changed");
        Ok(row)
    }

    /// Deletes an empty bucket. Scope `bucket:delete`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotFound`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`],
    /// [`ServiceError::NotEmpty`].
    pub async fn delete_bucket(&self, principal: &Principal, name: &BucketName) -> Result<(), ServiceError> {
        principal.require(Scope::BucketDelete)?;
        self.own_bucket(principal, name).await?;
        let entry = self.act(principal, Action::BucketDelete).of_bucket(name);
        let (service, tenant, bucket, now) = (self.clone(), principal.tenant().clone(), name.clone(), self.now());
        let deleted = self.to_the_end(async move {
            let deleted = service.recording(vec![entry]).delete_bucket(&tenant, &bucket, now).await;
            service.forget_bucket(&bucket);
            deleted
        });
        deleted.await?;
        tracing::info!(bucket = %name, "a bucket was deleted");
        Ok(())
    }

    /// Proves that the bucket's name is not set apart for another tenant's files.
    pub(crate) fn require_free_name(&self, bucket: &BucketRow) -> Result<(), ServiceError> {
        let own = self.files_bucket_name(&bucket.tenant);
        if bucket.name.is_of_files() && bucket.name != own {
            let expected = format!("a name that does not begin with `files-`, or `{own}`");
            return Err(ServiceError::invalid("name", format!("`{}`", bucket.name), expected));
        }
        Ok(())
    }

    /// The bucket, proved to be one that the principal may use.
    pub(crate) async fn own_bucket(&self, principal: &Principal, name: &BucketName) -> Result<Arc<BucketRow>, ServiceError> {
        let bucket = self.bucket_row(name).await?.ok_or(ServiceError::NotFound { what: "bucket" })?;
        principal.require_bucket(&bucket)?;
        Ok(bucket)
    }

    /// The bucket, proved to be one whose objects the principal may read: a public one, whoever's, or its own. Scope
    /// `object:read`, but for public ones.
    pub(crate) async fn readable_bucket(&self, principal: &Principal, name: &BucketName) -> Result<Arc<BucketRow>, ServiceError> {
        if let Some(bucket) = self.public_bucket(name).await? {
            return Ok(bucket);
        }
        // Before the bucket is looked for: without the scope nothing is learnt of it.
        principal.require(Scope::ObjectRead)?;
        self.own_bucket(principal, name).await
    }

    /// The bucket, if it is there and public.
    pub(crate) async fn public_bucket(&self, name: &BucketName) -> Result<Option<Arc<BucketRow>>, ServiceError> {
        Ok(self.bucket_row(name).await?.filter(|bucket| bucket.public || sabotaged("privacy-ignored")))
    }

    pub(crate) fn forget_bucket(&self, name: &BucketName) {
        self.inner().bucket_rows.forget(name);
        self.inner().changes.bucket_changed(name, self.now());
    }

    /// The row, from memory where it is there.
    pub(crate) async fn bucket_row(&self, name: &BucketName) -> Result<Option<Arc<BucketRow>>, ServiceError> {
        let rows = &self.inner().bucket_rows;
        if let Some(row) = rows.find(name) {
            return Ok(Some(row));
        }
        let before = rows.before_read(name);
        let Some(row) = self.metadata().bucket(name).await? else { return Ok(None) };
        let row = Arc::new(row);
        rows.keep(name.clone(), row.clone(), before);
        Ok(Some(row))
    }
}

/// What the audit says of a new bucket.
pub(crate) fn kind_of(bucket: &BucketRow) -> String {
    let privacy = if bucket.public { "public" } else { "private" };
    format!("{privacy}, {}, {}", bucket.region, bucket.retention.as_str())
}
