//! A blob that was finished but is not yet named by a row, and a blob open for reading.

use crate::Digests;
use rustix::io::{Errno, ReadWriteFlags};
use std::fmt;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use valetkey_model::BlobId;

/// A finished blob: whole, durable, and not yet named by a metadata row.
///
/// Dropped, it takes the blob with it, since no row names it. That ends where the row is handed to a database: a commit whose
/// answer was lost may have happened, and a future that is dropped while it waits does not stop the commit. So:
///
/// ```text
/// pending.committing();                // from here a drop leaves the question to `recover`
/// match rows.commit(row).await {
///     Ok(()) => pending.released(),    // the row is durable
///     Err(Refused) => pending.refused(), // the row is certainly not there
///     Err(Unknown) => drop(pending),
/// }
/// ```
///
/// None of these waits for the disk.
#[must_use = "dropped, it takes the blob with it"]
pub struct PendingBlob {
    /// The blob.
    pub blob: BlobId,
    /// How long it is.
    pub size_bytes: u64,
    /// Its digests: SHA-256 and those that were wanted.
    pub digests: Digests,
    links: Option<Box<dyn PendingLinks>>,
    if_dropped: Outcome,
}

/// What became of the row that was to name a pending blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable: the blob stays.
    Released,
    /// There is none: the blob goes.
    Refused,
    /// Nobody knows: the blob stays until [`ObjectStore::recover`](crate::ObjectStore::recover) has asked.
    Unresolved,
}

/// What a store does once it is known what became of a blob's row. Called once; must not wait for the disk.
pub trait PendingLinks: Send + Sync {
    /// Does it. Failures are logged; what could not be done is left to [`ObjectStore::recover`](crate::ObjectStore::recover).
    fn settle(self: Box<Self>, outcome: Outcome);
}

impl PendingBlob {
    /// For stores: a blob of which everything but the marking as pending is done.
    pub fn new(blob: BlobId, size_bytes: u64, digests: Digests, links: Box<dyn PendingLinks>) -> Self {
        Self { blob, size_bytes, digests, links: Some(links), if_dropped: Outcome::Refused }
    }

    /// Says that a row naming the blob is about to be handed to the database. From here on a drop removes nothing: whether there
    /// is a row is asked by [`ObjectStore::recover`](crate::ObjectStore::recover).
    pub fn committing(&mut self) {
        self.if_dropped = Outcome::Unresolved;
    }

    /// Says that the row naming the blob is durable.
    pub fn released(mut self) {
        self.settle(Outcome::Released);
    }

    /// Says that no row names the blob or ever will: it is removed.
    pub fn refused(mut self) {
        self.settle(Outcome::Refused);
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(links) = self.links.take() {
            links.settle(outcome);
        }
    }
}

impl Drop for PendingBlob {
    fn drop(&mut self) {
        self.settle(self.if_dropped);
    }
}

impl fmt::Debug for PendingBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingBlob")
            .field("blob", &self.blob)
            .field("size_bytes", &self.size_bytes)
            .field("if_dropped", &self.if_dropped)
            .finish_non_exhaustive()
    }
}

/// A blob open for reading. Stays readable after the blob was deleted. A clone is a reference count.
#[derive(Clone, Debug)]
pub struct OpenBlob {
    file: Arc<File>,
    size_bytes: u64,
}

impl OpenBlob {
    /// For stores: an open regular file of this length.
    pub fn new(file: Arc<File>, size_bytes: u64) -> Self {
        Self { file, size_bytes }
    }

    /// How long the blob is.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The file, for `sendfile` and the like. Its position is shared by all clones: use explicit offsets.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Reads at `offset` (bytes from the start) what is in memory already: the count is short where the page cache or the blob
    /// ends, and 0 only at its end or for an empty `out`. `None`: it would have to wait for the disk, or the file system cannot
    /// tell; read on a thread that may wait, with [`OpenBlob::read_at`].
    ///
    /// # Errors
    /// What the system says, such as a medium error.
    pub fn read_now(&self, offset: u64, out: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::preadv2(&self.file, &mut [IoSliceMut::new(out)], offset, ReadWriteFlags::NOWAIT) {
            Ok(n_read) => Ok(Some(n_read)),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads at `offset` (bytes from the start) until `out` is full or the blob ends; waits for the disk.
    ///
    /// # Errors
    /// What the system says, such as a medium error.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut n_read = 0;
        while let Some(rest) = out.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + n_read as u64) {
                Ok(0) => break,
                Ok(n) => n_read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(n_read)
    }
}

impl AsFd for OpenBlob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
