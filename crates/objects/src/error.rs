//! Why a store did not do what it was asked.

use std::io;
use std::path::PathBuf;
use valetkey_model::BlobId;

/// Why a store did not do what it was asked; variants by what the caller can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// There is no such blob, or it is not finished. Retrying does not help.
    #[error("blob `{blob}` is not in the object store")]
    NotFound {
        /// The blob asked for.
        blob: BlobId,
    },
    /// There is a blob of this id already. Make a new id.
    #[error("blob `{blob}` is in the object store already")]
    AlreadyExists {
        /// The id that is taken.
        blob: BlobId,
    },
    /// The disk is full, or a quota or the process's file size limit is reached. What was begun has been removed; reading goes on.
    #[error("the object store has no space left")]
    NoSpace {
        /// What the system said.
        source: io::Error,
    },
    /// The blob cannot be what was once stored: not a file, or shorter than it was. Restore it from a backup.
    #[error("blob `{blob}` is damaged: {found}")]
    Corrupt {
        /// The damaged blob.
        blob: BlobId,
        /// What was found.
        found: &'static str,
    },
    /// The store failed or does not answer. A retry may help.
    #[error("the object store failed to {attempt}")]
    Unavailable {
        /// What it was doing: a verb and its object.
        attempt: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the store open: one store is for one process.
    #[error("the object store `{}` is in use by another process", root.display())]
    InUse {
        /// The store's directory.
        root: PathBuf,
    },
}

impl ObjectError {
    /// The variant for what the system said while the store tried to do this.
    pub(crate) fn system(attempt: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::NoSpace { source },
            _ => Self::Unavailable { attempt, source },
        }
    }
}
