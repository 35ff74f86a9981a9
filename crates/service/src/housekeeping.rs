//! What has to be cleared away: orphans of a crash, blobs of replaced and deleted objects, rows that time has outlived.

use crate::{Service, ServiceError};
use async_trait::async_trait;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::MetadataStore;
use valetkey_model::BlobId;
use valetkey_objects::KnownBlobs;

/// How long a blob stays after its last row is gone: a reader may still be about to open it.
const DOOM: Duration = Duration::from_secs(600);
/// How long rows stay after they have ended, so that their holders are told why.
const REMEMBER: Duration = Duration::from_secs(24 * 3600);
/// How many rows of a kind one round removes.
const ROUND: u32 = 1000;

/// What the metadata store knows, as the object store asks it.
struct Rows(Arc<dyn MetadataStore>);

#[async_trait]
impl KnownBlobs for Rows {
    async fn known(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.known_blobs(blobs).await?)
    }
}

impl Service {
    /// Removes from the object store what a crash left there without a row.
    pub(crate) async fn remove_orphans(&self) -> Result<(), ServiceError> {
        let recovered = self.object_store().recover(&Rows(self.inner().metadata.clone())).await?;
        if recovered.n_removed + recovered.n_kept > 0 {
            tracing::info!(
                n_removed = recovered.n_removed,
                n_kept = recovered.n_kept,
                "uploads cut off by the last end were settled"
            );
        }
        Ok(())
    }

    /// One round of housekeeping; whether there may be more to do at once.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`]: the next round tries again.
    pub async fn housekeeping(&self) -> Result<bool, ServiceError> {
        let now = self.now();
        let swept = self.metadata().sweep(now.minus(REMEMBER), ROUND).await?;
        let n_uploads = self.metadata().sweep_uploads(now, ROUND).await?;
        self.inner().revocations.forget(now.minus(REMEMBER));
        for (bucket, key) in &swept.expired_objects {
            self.forget_object(bucket, key);
        }
        let doomed = self.metadata().doomed_blobs(now.minus(DOOM), ROUND).await?;
        for blob in &doomed {
            self.object_store().delete(*blob).await?;
        }
        if !doomed.is_empty() {
            self.metadata().forget_blobs(&doomed).await?;
        }
        self.remove_orphans().await?;
        self.count_idempotent_calls().await?;
        let dropped = self.drop_old_audit().await?;
        tracing::debug!(n_rows = swept.n_rows, n_uploads, n_blobs = doomed.len(), "housekeeping");
        Ok(dropped || swept.n_rows.max(n_uploads) >= u64::from(ROUND) || doomed.len() >= ROUND as usize)
    }
}
