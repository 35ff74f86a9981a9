//! Metadata stores: who owns what, which links exist, how often they were used.
//!
//! [`MetadataStore`] is the trait; [`sqlite`] is the store of a single machine. Blobs, signatures and HTTP are unknown here.
//! The [`ledger`] is a pure state machine: a store loads a grant's [`Ledger`](ledger::Ledger), asks it, and saves it, all in
//! one transaction.

pub mod audit;
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
pub mod ledger;
mod record;
pub mod sqlite;
mod statements;
mod store;
mod url;

pub use audit::{
    AuditChain, AuditCheckpoint, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditRow, AuditSealer, AuditState,
    AuditStretch, Erased, Erasure, Personal,
};
pub use error::MetadataError;
pub use record::{
    ApiKeyChange, ApiKeyRow, BucketRow, GrantKey, IdempotentCallKey, IdempotentCallRow, IdempotentCalls, LinkRow, ObjectRow,
    PieceRow, RangePut, ReservationRow, SigningKeyLimits, SigningKeyRow, SigningKeyState, TenantRow, UploadCursor, UploadEntry,
    UploadLayout, UploadRanges, UploadRow,
};
pub use store::{
    BucketPage, COMPLETED_KEPT, Confirmation, EXPIRED_LINKS_KEPT, FileCursor, FileRef, FileRow, FileRowPage, FilesQuery, Guard,
    MAX_PIECES, MAX_UPLOADS_OF_URL, MetadataStore, ObjectPage, Publication, PublishCondition, PublishError, Published, Spend,
    Swept,
};
pub use url::{RevocationRow, Taken, UrlCursor, UrlEntry, UrlMarks, UrlRow, UrlTarget, UrlTouch, UrlsOf, prefixes_of};
