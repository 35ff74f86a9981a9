//! What uploads of several pieces have in common: how a piece is kept, and how pieces become one.

use crate::upload::Content;
use crate::{Service, ServiceError};
use std::future::Future;
use valetkey_metadata::{MetadataError, PieceRow};
use valetkey_model::{BlobId, Refusal};
use valetkey_objects::{DigestSet, PendingBlob};

impl Service {
    /// Has `put` name the blob in a row, and says what becomes of the blob: it is discarded unless `is_kept`. Goes on when the caller is
    /// gone.
    ///
    /// # Errors
    ///
    /// [`Refusal::ObjectGone`] if the upload was completed or thrown away meanwhile; [`ServiceError::Unavailable`].
    pub(crate) async fn record_piece<T: Send + 'static>(
        &self,
        mut pending: PendingBlob,
        put: impl Future<Output = Result<T, MetadataError>> + Send + 'static,
        is_kept: fn(&T) -> bool,
    ) -> Result<T, ServiceError> {
        self.to_the_end(async move {
            pending.committing();
            match put.await {
                Ok(put) if is_kept(&put) => {
                    pending.released();
                    Ok(put)
                }
                Ok(put) => {
                    pending.refused();
                    Ok(put)
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
        })
        .await
    }

    /// One blob of the pieces, which are in their order; that of a single piece is taken as it is. None give an empty one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSpace`], [`ServiceError::Unavailable`].
    pub(crate) async fn joined(&self, pieces: &[PieceRow], wanted: DigestSet) -> Result<Content, ServiceError> {
        if let [piece] = pieces {
            let digests = self.object_store().digest(piece.blob, wanted).await?;
            return Ok(Content { pending: None, blob: piece.blob, size_bytes: piece.size_bytes, digests });
        }
        let blobs: Vec<BlobId> = pieces.iter().map(|piece| piece.blob).collect();
        let joined = BlobId::new(self.now(), self.entropy());
        Ok(self.object_store().concatenate(&blobs, joined, wanted).await?.into())
    }
}
