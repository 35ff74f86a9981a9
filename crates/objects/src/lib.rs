//! Object stores: where the bytes are.
//!
//! A store keeps *blobs*: immutable contents named by a random [`BlobId`](valetkey_model::BlobId). What a blob is called, whose
//! it is and who may read it is unknown here; a metadata row elsewhere names the blob. The two are made to agree by an order of
//! steps which a crash may interrupt anywhere:
//!
//! 1. [`ObjectStore::create`], [`BlobWriter::write`] …, [`BlobWriter::finish`]: the blob is durable, and *pending*.
//! 2. [`PendingBlob::committing`], then the caller commits the row that names the blob.
//! 3. [`PendingBlob::released`]: the blob is pending no more.
//!
//! What is still pending after a crash is looked up by [`ObjectStore::recover`]: with a row it stays, without one it goes. So there is never
//! a row without its whole blob, and never a blob without a row that a restart does not clear.

mod blob;
mod digest;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(not(feature = "faults"))]
mod faults {
    //! Nothing: the test-only build has the other one.

    pub(crate) fn point(_name: &str) {}

    pub(crate) fn sabotaged(_guarantee: &str) -> bool {
        false
    }
}
mod fs;
mod store;

pub use blob::{OpenBlob, Outcome, PendingBlob, PendingLinks};
pub use digest::{DigestSet, Digests};
pub use error::ObjectError;
pub use fs::{FsOptions, FsStore};
pub use store::{BlobWriter, KnownBlobs, ObjectStore, Recovered};
