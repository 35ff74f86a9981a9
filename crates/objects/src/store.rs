//! What every object store can do.

use crate::{DigestSet, Digests, ObjectError, OpenBlob, PendingBlob};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::error::Error;
use valetkey_model::BlobId;

/// A place for blobs.
///
/// Blobs are immutable: an id has one content for ever, so what was read may be cached without asking again. Every future here
/// may be dropped at any point: what it had begun is then either done or cleared away.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Begins a blob. Nothing is visible before [`BlobWriter::finish`].
    ///
    /// `expected_bytes` is what the sender announced; it binds nobody and reserves nothing, but lets a blob that cannot fit be
    /// refused before its bytes are sent.
    ///
    /// # Errors
    /// [`NoSpace`](ObjectError::NoSpace) if `expected_bytes` are more than there is room for;
    /// [`Unavailable`](ObjectError::Unavailable). That the id is taken may show only in `write` or `finish`.
    async fn create(
        &self,
        blob: BlobId,
        digests: DigestSet,
        expected_bytes: Option<u64>,
    ) -> Result<Box<dyn BlobWriter>, ObjectError>;

    /// The blob, if it can be had without waiting for the disk. `None`: only [`ObjectStore::open`] can tell. Never blocks.
    ///
    /// # Errors
    /// As [`ObjectStore::open`].
    fn open_now(&self, blob: BlobId) -> Result<Option<OpenBlob>, ObjectError>;

    /// Opens a finished blob for reading.
    ///
    /// # Errors
    /// [`NotFound`](ObjectError::NotFound), [`Corrupt`](ObjectError::Corrupt), [`Unavailable`](ObjectError::Unavailable).
    async fn open(&self, blob: BlobId) -> Result<OpenBlob, ObjectError>;

    /// Removes a finished blob; durable when it returns. Idempotent: a blob that is not there is no error. Who has it open
    /// reads on; who opens it afterwards gets [`NotFound`](ObjectError::NotFound).
    ///
    /// # Errors
    /// [`Unavailable`](ObjectError::Unavailable): it may be gone or not; delete it again.
    async fn delete(&self, blob: BlobId) -> Result<(), ObjectError>;

    /// Gives the content of `from` a second id, independent of the first. It is read once for its SHA-256, but not written again
    /// where the store can share it.
    ///
    /// # Errors
    /// [`NotFound`](ObjectError::NotFound) for `from`; [`AlreadyExists`](ObjectError::AlreadyExists) for `to`;
    /// [`NoSpace`](ObjectError::NoSpace), [`Corrupt`](ObjectError::Corrupt), [`Unavailable`](ObjectError::Unavailable).
    async fn copy(&self, from: BlobId, to: BlobId) -> Result<PendingBlob, ObjectError>;

    /// Makes one blob of several finished ones, in this order; they stay. The same may come twice; none gives an empty blob.
    ///
    /// # Errors
    /// As [`ObjectStore::copy`].
    async fn concatenate(&self, parts: &[BlobId], to: BlobId, digests: DigestSet) -> Result<PendingBlob, ObjectError>;

    /// Digests of a finished blob, by reading it.
    ///
    /// # Errors
    /// As [`ObjectStore::open`].
    async fn digest(&self, blob: BlobId, digests: DigestSet) -> Result<Digests, ObjectError>;

    /// Settles what was pending when the store was last closed or killed, and what was left unresolved since: asks `known` which
    /// of these blobs have a row, keeps those, removes the others. Durable when it returns, idempotent, and safe beside uploads.
    ///
    /// # Errors
    /// [`Unavailable`](ObjectError::Unavailable), also with the error of `known`. What was not settled stays pending: call again.
    async fn recover(&self, known: &dyn KnownBlobs) -> Result<Recovered, ObjectError>;

    /// Waits until whatever was dropped, released or refused before this call is cleared away: for an orderly end, and for tests.
    async fn settled(&self);
}

/// Takes the bytes of one blob. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends `bytes`. They are copied or written before the future that takes the next ones is ready: a writer holds at most a
    /// fixed amount of memory, whatever it is given.
    ///
    /// # Errors
    /// [`NoSpace`](ObjectError::NoSpace), [`AlreadyExists`](ObjectError::AlreadyExists),
    /// [`Unavailable`](ObjectError::Unavailable). Each may belong to bytes appended before; after one, the writer only fails.
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError>;

    /// How many bytes were appended.
    fn written(&self) -> u64;

    /// Makes the blob durable and visible. Dropping the future on the way removes the blob.
    ///
    /// # Errors
    /// As [`BlobWriter::write`]; nothing is left behind.
    async fn finish(self: Box<Self>) -> Result<PendingBlob, ObjectError>;
}

/// Which blobs have a metadata row: what [`ObjectStore::recover`] asks.
#[async_trait]
pub trait KnownBlobs: Send + Sync {
    /// Those of `blobs` (at most a thousand) that a row names, an upload session's parts included. May run while uploads do, so
    /// it must see every row committed before it was called.
    ///
    /// # Errors
    /// Any: nothing is removed on the word of a metadata store that does not answer.
    async fn known(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, Box<dyn Error + Send + Sync>>;
}

#[async_trait]
impl KnownBlobs for HashSet<BlobId> {
    async fn known(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, Box<dyn Error + Send + Sync>> {
        Ok(blobs.iter().filter(|blob| self.contains(blob)).copied().collect())
    }
}

/// What [`ObjectStore::recover`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Blobs with a row: kept.
    pub n_kept: u64,
    /// Blobs without one: removed.
    pub n_removed: u64,
}
