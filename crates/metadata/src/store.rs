//! The trait every metadata store implements, and what its larger calls take and give.

use crate::ledger::{Advance, Ask, Denied, Ledger, Reserved, Settled, Settlement};
use crate::{
    ApiKeyChange, ApiKeyRow, AuditChain, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditSealer, AuditState, AuditStretch,
    BucketRow, Erased, Erasure, GrantKey, IdempotentCallKey, IdempotentCallRow, IdempotentCalls, LinkRow, MetadataError,
    ObjectRow, PieceRow, RangePut, ReservationRow, RevocationRow, SigningKeyRow, SigningKeyState, Taken, TenantRow, UploadCursor,
    UploadEntry, UploadRow, UrlCursor, UrlEntry, UrlMarks, UrlRow, UrlTouch, UrlsOf,
};
use async_trait::async_trait;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use valetkey_model::{
    ApiKeyId, BlobId, BucketName, FileId, FileNumber, LinkId, ObjectKey, PutMode, Refusal, Region, SecretDigest, SigningKeyId,
    TenantName, Timestamp, UploadId,
};

/// How many pieces an upload in ranges has at most.
pub const MAX_PIECES: u64 = 10_000;

/// How long it is remembered what an upload in ranges has become.
pub const COMPLETED_KEPT: Duration = Duration::from_secs(3600);

/// How many uploads in ranges are under way by one URL at most: what its holder can make the server keep is so many times the
/// largest upload that it permits.
pub const MAX_UPLOADS_OF_URL: u32 = 4;

/// How long a link is kept after it has expired: until then its holder is told that it has, later that there is no such link.
pub const EXPIRED_LINKS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A page of buckets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BucketPage {
    /// The buckets, by name.
    pub buckets: Vec<BucketRow>,
    /// The name after which the next page begins; `None` on the last one.
    pub next: Option<BucketName>,
}

/// A page of objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, by key (bytewise).
    pub objects: Vec<ObjectRow>,
    /// The key after which the next page begins; `None` on the last one.
    pub next: Option<ObjectKey>,
}

/// The link under which something is published: checked again in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Whose link it is.
    pub tenant: TenantName,
    /// The URL; refused as [`Refusal::Revoked`] if it was taken back meanwhile, in whatever way. `None` for a publication by API
    /// key.
    pub url: Option<UrlMarks>,
    /// The principal; refused as [`Refusal::IssuerDisabled`] if it is disabled or expired meanwhile, or may no longer write this
    /// to this bucket.
    pub api_key: Option<ApiKeyId>,
}

/// The use that a publication spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// The limited grant.
    pub grant: GrantKey,
    /// How many uses it has in all.
    pub uses: NonZeroU32,
    /// When its row need not be kept any longer.
    pub forget_at: Timestamp,
}

/// What must hold for a publication to happen; otherwise it is refused as [`Refusal::Exists`] (or [`Refusal::ObjectGone`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishCondition {
    /// Whether it may replace an object. [`PutMode::Reserved`] needs a reservation of the place; without one it is
    /// [`Refusal::Exists`] where an object is, else [`Refusal::ObjectGone`].
    pub mode: PutMode,
    /// Whether nothing may be there, whatever the mode.
    pub absent: bool,
    /// The generation it may replace, and only this one.
    pub replaces: Option<BlobId>,
    /// The incarnation that must still be there.
    pub incarnation: Option<FileId>,
}

/// One new generation, to be made visible atomically.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The bucket, which must exist and be the guard's tenant's.
    pub bucket: BucketName,
    /// The object key.
    pub key: ObjectKey,
    /// The file id of the new incarnation, if there is none and the place is not reserved.
    pub new_file_id: FileId,
    /// Its number; where that is taken, the next free one.
    pub new_file_number: FileNumber,
    /// The bytes, already durable.
    pub blob: BlobId,
    /// Their length.
    pub size_bytes: u64,
    /// Their media type.
    pub content_type: Option<String>,
    /// The name to save them under.
    pub file_name: Option<String>,
    /// What the uploader wrote down with them: text that nothing here reads.
    pub user_metadata: Option<String>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// Their SHA-1, if it was made.
    pub sha1: Option<[u8; 20]>,
    /// Their MD5, if it was made.
    pub md5: Option<[u8; 16]>,
    /// The instant of publication.
    pub now: Timestamp,
    /// When retention ends the object.
    pub expires_at: Option<Timestamp>,
    /// What must hold.
    pub condition: PublishCondition,
    /// Who publishes.
    pub guard: Guard,
    /// The use it spends.
    pub spend: Option<Spend>,
    /// The upload it completes: its rows go, and its parts' blobs are doomed but for `blob`.
    pub completes: Option<UploadId>,
}

/// A publication that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The object as it is now.
    pub object: ObjectRow,
    /// Whether an object was replaced.
    pub replaced: bool,
}

/// By which id a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileRef {
    /// Its incarnation's id.
    Id(FileId),
    /// Its number.
    Number(FileNumber),
}

/// What there is of a file at one instant, expired or not: the caller compares each `expires_at`. Without either there is no
/// such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRow {
    /// Its reservation, until it ends: by a confirmation, or by the publication where none is needed.
    pub reservation: Option<ReservationRow>,
    /// Its bytes, once they are there.
    pub object: Option<ObjectRow>,
}

/// A file's place in the listing of its bucket's files, the same as long as it is there: when it began and, of those that began at
/// once, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileCursor {
    /// When its ids were first told.
    pub created_at: Timestamp,
    /// Its number.
    pub number: FileNumber,
}

/// Which of a bucket's files a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesQuery {
    /// Also those whose bytes are not there, or not confirmed.
    pub with_pending: bool,
    /// The oldest first, instead of the newest.
    pub oldest_first: bool,
    /// Those after this place; it need not be a file's any more.
    pub after: Option<FileCursor>,
    /// How many of them to step over.
    pub skip: u64,
    /// How many at most.
    pub limit: u32,
}

/// A page of files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileRowPage {
    /// The files.
    pub files: Vec<FileRow>,
    /// After what the next page begins; `None` on the last one.
    pub next: Option<FileCursor>,
}

/// A file whose bytes are no longer to be provisional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The file.
    pub file_id: FileId,
    /// Another name to save it under.
    pub name: Option<String>,
    /// Another media type.
    pub content_type: Option<String>,
    /// How long its bucket keeps an object, counted from its publication; `None` is for ever.
    pub retention: Option<Duration>,
    /// The instant of confirmation.
    pub now: Timestamp,
}

/// Why a publication did not happen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It may not.
    #[error("{0}")]
    Refused(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] MetadataError),
}

/// What one sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects whose retention ended, to be dropped from caches.
    pub expired_objects: Vec<(BucketName, ObjectKey)>,
    /// How many other rows went: links, URLs, ledgers, revocations, reservations.
    pub n_rows: u64,
}

/// Where metadata is kept.
///
/// Every write is durable and atomic when its future resolves to `Ok`: it survives kill -9 and power loss. A future that is
/// dropped may or may not have taken effect. Listings are in constant time per page and never load a whole bucket. Every
/// store passes the same behaviour suite, in the crate `testkit`.
///
/// # Errors
///
/// Every method may give [`MetadataError::Unavailable`], [`MetadataError::Corrupt`] and, if it writes,
/// [`MetadataError::NoSpace`]; the further ones are named at each method.
#[async_trait]
pub trait MetadataStore: Send + Sync + 'static {
    /// Makes a tenant. [`MetadataError::AlreadyExists`] if the name is taken.
    async fn create_tenant(&self, tenant: TenantRow) -> Result<(), MetadataError>;
    /// Every tenant.
    async fn tenants(&self) -> Result<Vec<TenantRow>, MetadataError>;
    /// Makes an API key. [`MetadataError::AlreadyExists`] if its id, secret or bearer value is taken; `NotFound` without its tenant.
    async fn create_api_key(&self, key: ApiKeyRow) -> Result<(), MetadataError>;
    /// Every API key, deleted ones included.
    async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, MetadataError>;
    /// Changes an API key of a tenant, and gives it as it is now. [`MetadataError::NotFound`] if there is none, or it was
    /// deleted; [`MetadataError::AlreadyExists`] if the secret is taken; [`MetadataError::Conflict`] if the tenant had an
    /// [administrator](ApiKeyRow::is_administrator) at `now` and would have none after it.
    async fn update_api_key(
        &self,
        tenant: &TenantName,
        id: &ApiKeyId,
        change: ApiKeyChange,
        now: Timestamp,
    ) -> Result<ApiKeyRow, MetadataError>;
    /// Makes a signing key. [`MetadataError::AlreadyExists`] if the `kid` is taken in the installation; `NotFound` without its tenant.
    async fn create_signing_key(&self, key: SigningKeyRow) -> Result<(), MetadataError>;
    /// Every signing key.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, MetadataError>;
    /// Puts a signing key of a tenant into a state, and gives it as it is now. [`MetadataError::NotFound`];
    /// [`MetadataError::Conflict`] if it was revoked and is to be anything else.
    async fn set_signing_key_state(
        &self,
        tenant: &TenantName,
        id: &SigningKeyId,
        state: SigningKeyState,
    ) -> Result<SigningKeyRow, MetadataError>;

    /// Makes a bucket. [`MetadataError::AlreadyExists`] if the name is taken in the installation.
    async fn create_bucket(&self, bucket: BucketRow) -> Result<(), MetadataError>;
    /// The bucket of this name.
    async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRow>, MetadataError>;
    /// A page of a tenant's buckets after `after`, at most `limit`, of one region if `region` is given.
    async fn buckets(
        &self,
        tenant: &TenantName,
        region: Option<&Region>,
        after: Option<&BucketName>,
        limit: u32,
    ) -> Result<BucketPage, MetadataError>;
    /// Makes a tenant's bucket public or private, and gives it as it is now. [`MetadataError::NotFound`], also if it is another's.
    async fn set_bucket_public(&self, tenant: &TenantName, name: &BucketName, public: bool) -> Result<BucketRow, MetadataError>;
    /// Deletes a tenant's bucket. [`MetadataError::NotFound`], also if it is another's; [`MetadataError::NotEmpty`] while it holds live objects (at `now`); its
    /// uploads under way go with it.
    async fn delete_bucket(&self, tenant: &TenantName, name: &BucketName, now: Timestamp) -> Result<(), MetadataError>;

    /// The object at this key, expired or not: the caller compares `expires_at`.
    async fn object(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<ObjectRow>, MetadataError>;
    /// A page of a bucket's objects that are live at `now`, whose keys begin with `prefix` and come after `after` (which need
    /// not exist), at most `limit`. Where retention has just ended many objects, a page may be shorter and still have a `next`.
    async fn objects(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<ObjectPage, MetadataError>;
    /// The same of what is a file for good: without what is provisional, because it was not confirmed yet, and what was
    /// [detached](MetadataStore::detach_file).
    async fn ready_objects(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<ObjectPage, MetadataError>;
    /// Makes a new generation visible; the one replaced is doomed. An object whose retention has ended counts as absent: a new
    /// incarnation begins. What is already published is told again, without a second use.
    ///
    /// At a place that is reserved (at `now`) the incarnation takes the reservation's ids and beginning, and the object its name
    /// and, where it has one, its media type. If it needs no confirmation that is its end; if it does, the object ends with the
    /// reservation unless [`MetadataStore::confirm_file`] comes before.
    ///
    /// Checked in this order: [`Guard`], [`Spend`], [`PublishCondition`]. `PublishError::Store(NotFound)` without the bucket, if
    /// the upload that it completes is gone, or if the blob is doomed; `PublishError::Store(AlreadyExists)` if the blob is
    /// another object's.
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError>;
    /// Deletes the object, if it is there, in a bucket of the tenant's, and (where given) of this incarnation; its blob is doomed,
    /// and a reservation of the same incarnation goes with it. Gives what was deleted, expired or not: the caller compares `expires_at`.
    async fn delete_object(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        key: &ObjectKey,
        incarnation: Option<FileId>,
        now: Timestamp,
    ) -> Result<Option<ObjectRow>, MetadataError>;
    /// Records digests made at first need; no effect if the blob is no object's any more.
    async fn record_digests(&self, blob: BlobId, sha1: [u8; 20], md5: [u8; 16]) -> Result<(), MetadataError>;

    /// Reserves a place for a file, and gives the reservation as it was recorded: with the next free number, where its own is
    /// taken. [`MetadataError::AlreadyExists`] if its file id or place is taken; `NotFound` if the bucket is not there
    /// or not its tenant's.
    async fn reserve_file(&self, reservation: ReservationRow) -> Result<ReservationRow, MetadataError>;
    /// The reservation of this place, expired or not.
    async fn reservation(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<ReservationRow>, MetadataError>;
    /// What there is of a file.
    async fn file(&self, file: FileRef) -> Result<FileRow, MetadataError>;
    /// A page of a bucket's files that are live at `now`: its objects, but for those that were detached, and reservations. No more
    /// rows are read than the page has, and what is stepped over is stepped over in an index.
    async fn files(&self, bucket: &BucketName, query: FilesQuery, now: Timestamp) -> Result<FileRowPage, MetadataError>;
    /// How many files a bucket has that are live at `now`; without `with_pending`, of those that are there for good.
    async fn n_files(&self, bucket: &BucketName, with_pending: bool, now: Timestamp) -> Result<u64, MetadataError>;
    /// Ends a file's reservation, if its bytes are there and neither has expired: they stay as long as the bucket keeps them, and
    /// nothing is published there any more under [`PutMode::Reserved`]. Gives the file as it is afterwards: one that has its
    /// reservation still was not confirmed, for want of bytes. A file without a reservation stays as it is.
    async fn confirm_file(&self, confirmation: Confirmation) -> Result<FileRow, MetadataError>;
    /// Deletes a file, its reservation and its object; the blob is doomed. Gives what was deleted, expired or not.
    async fn delete_file(&self, file: FileId, now: Timestamp) -> Result<FileRow, MetadataError>;
    /// Ends a file and keeps its bytes: its reservation is deleted, and its object becomes another incarnation, of these ids (the
    /// next free number, where it is taken), which is not listed among the bucket's files. Gives what the file was, expired or not.
    async fn detach_file(&self, file: FileId, left: (FileId, FileNumber)) -> Result<FileRow, MetadataError>;

    /// Of these blobs, the ones some row names (objects, pieces, doomed).
    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, MetadataError>;
    /// Blobs that no object or piece names since `before` or longer, at most `limit`.
    async fn doomed_blobs(&self, before: Timestamp, limit: u32) -> Result<Vec<BlobId>, MetadataError>;
    /// Forgets a doomed blob after it was deleted.
    async fn forget_blobs(&self, blobs: &[BlobId]) -> Result<(), MetadataError>;

    /// Records issued URLs, and of those in link form the links, all or none. A URL that is there already stays as it is;
    /// [`MetadataError::AlreadyExists`] if a link's id or secret is taken.
    async fn create_urls(&self, urls: Vec<UrlRow>, links: Vec<LinkRow>) -> Result<(), MetadataError>;
    /// Records links and their URLs: see [`MetadataStore::create_urls`].
    async fn create_links(&self, links: Vec<LinkRow>) -> Result<(), MetadataError> {
        self.create_urls(links.iter().map(UrlRow::of_link).collect(), links).await
    }
    /// The URL with this id.
    async fn url(&self, tenant: &TenantName, link_id: &LinkId) -> Result<Option<UrlEntry>, MetadataError>;
    /// A page of a tenant's URLs after `after`, at most `limit`; it is the last one if there are fewer.
    async fn urls(
        &self,
        tenant: &TenantName,
        of: &UrlsOf,
        after: Option<&UrlCursor>,
        limit: u32,
    ) -> Result<Vec<UrlEntry>, MetadataError>;
    /// Adds to what is known of URLs' uses, and records URLs that are not known. One that is known keeps its other fields.
    async fn touch_urls(&self, touches: Vec<UrlTouch>) -> Result<(), MetadataError>;
    /// The latest instant, not after `until`, at which a URL of this tenant was issued, or an upload in parts begun.
    async fn latest_issue(&self, tenant: &TenantName, until: Timestamp) -> Result<Option<Timestamp>, MetadataError>;
    /// The link with this secret.
    async fn link_by_secret(&self, secret: &SecretDigest) -> Result<Option<LinkRow>, MetadataError>;
    /// The link with this id.
    async fn link(&self, tenant: &TenantName, link_id: &LinkId) -> Result<Option<LinkRow>, MetadataError>;
    /// Takes URLs back, and gives each revocation as it is now. What is taken back already stays so since it was, and up to the
    /// later `issued_until`, and is remembered until the later `forget_at`.
    async fn revoke(&self, revocations: Vec<RevocationRow>) -> Result<Vec<RevocationRow>, MetadataError>;
    /// At most `limit` of the revocations to be remembered at `now`, in a fixed order, after the one of this tenant and subject;
    /// they are the last ones if there are fewer.
    async fn revocations(
        &self,
        now: Timestamp,
        after: Option<(&TenantName, &Taken)>,
        limit: u32,
    ) -> Result<Vec<RevocationRow>, MetadataError>;
    /// How many revocations of single URLs there are, forgotten ones that were not swept yet included: who reads them all makes room.
    async fn n_revocations(&self) -> Result<u64, MetadataError>;

    /// Asks the ledger for a session and a reservation; see [`Ledger::reserve`]. `forget_at` is when the row need not be kept.
    async fn reserve(&self, grant: &GrantKey, forget_at: Timestamp, ask: Ask) -> Result<Result<Reserved, Denied>, MetadataError>;
    /// Settles what was sent of a reservation and reserves its next window; see [`Ledger::advance`].
    async fn advance(&self, grant: &GrantKey, advance: Advance) -> Result<Result<u64, Denied>, MetadataError>;
    /// Ends a reservation; see [`Ledger::settle`].
    async fn settle(&self, grant: &GrantKey, settlement: Settlement) -> Result<Settled, MetadataError>;
    /// Opens a session and reserves nothing; see [`Ledger::open`]. `forget_at` is when the row need not be kept.
    async fn open_session(&self, grant: &GrantKey, forget_at: Timestamp, ask: Ask)
    -> Result<Result<bool, Denied>, MetadataError>;
    /// Makes every use of a tenant's URL available again, whichever of its signing keys it is counted under; see
    /// [`Ledger::reset`]. Whether there was any record of its uses.
    async fn reset_uses(&self, tenant: &TenantName, link_id: &LinkId) -> Result<bool, MetadataError>;
    /// A limited grant's ledger as it is; `None` before its first use.
    async fn ledger(&self, grant: &GrantKey) -> Result<Option<Ledger>, MetadataError>;

    /// Records a call that is to be done once, unless one of its key is remembered at the instant this one begins at: then gives that
    /// one, and changes nothing.
    async fn begin_idempotent(&self, call: IdempotentCallRow) -> Result<Option<IdempotentCallRow>, MetadataError>;
    /// Keeps the answer to such a call; no effect if it is not remembered any more.
    async fn answer_idempotent(&self, key: &IdempotentCallKey, answer: Vec<u8>) -> Result<(), MetadataError>;
    /// How much is remembered of such calls, of each tenant that has some.
    async fn idempotent_calls(&self) -> Result<Vec<IdempotentCalls>, MetadataError>;

    /// Begins an upload; of others by the same URL, all but the latest are thrown away. [`MetadataError::NotFound`] without its bucket; [`MetadataError::AlreadyExists`] if its id or name is taken.
    async fn create_upload(&self, upload: UploadRow) -> Result<(), MetadataError>;
    /// The upload with this id, with its pieces by position.
    async fn upload(&self, id: &UploadId) -> Result<Option<(UploadRow, Vec<PieceRow>)>, MetadataError>;
    /// The upload in ranges of this name.
    async fn upload_by_name(&self, name: &SecretDigest) -> Result<Option<UploadEntry>, MetadataError>;
    /// A page of a tenant's uploads under way after `after`, at most `limit`, the oldest first; it is the last one if there are fewer.
    async fn uploads(
        &self,
        tenant: &TenantName,
        after: Option<UploadCursor>,
        limit: u32,
    ) -> Result<Vec<UploadEntry>, MetadataError>;
    /// Records a secret that lets its holder write parts of an upload until `expires_at`. [`MetadataError::NotFound`] without the upload.
    async fn create_upload_secret(
        &self,
        upload: &UploadId,
        secret: SecretDigest,
        expires_at: Timestamp,
    ) -> Result<(), MetadataError>;
    /// The upload that this secret is for, and when the secret expires (or has expired).
    async fn upload_by_secret(&self, secret: &SecretDigest) -> Result<Option<(UploadRow, Timestamp)>, MetadataError>;
    /// Records a part; the blob of a part it replaces is doomed. [`MetadataError::NotFound`] if there is no such upload in parts (the caller then discards the blob).
    async fn put_part(&self, part: PieceRow, now: Timestamp) -> Result<(), MetadataError>;
    /// Records a range of a whole of `total_bytes`, and lets the upload live until `expires_at` at least. Of ranges that overlap the first
    /// one is kept. [`MetadataError::NotFound`] if there is no such upload in ranges. Where it is not kept, the caller discards the blob.
    async fn put_range(&self, piece: PieceRow, total_bytes: u64, expires_at: Timestamp) -> Result<RangePut, MetadataError>;
    /// Throws an upload away, dooming its pieces, which may go at once; whether there was one.
    async fn delete_upload(&self, id: &UploadId) -> Result<bool, MetadataError>;

    /// Removes what `now` has outlived, at most `limit` rows of each kind: objects (dooming their blobs), links and URLs (after
    /// [`EXPIRED_LINKS_KEPT`]), ledgers, revocations, reservations (their provisional objects
    /// end with them), idempotent calls.
    async fn sweep(&self, now: Timestamp, limit: u32) -> Result<Swept, MetadataError>;
    /// Throws away uploads that have expired at `now`, dooming their pieces, at most `limit`; how many.
    async fn sweep_uploads(&self, now: Timestamp, limit: u32) -> Result<u64, MetadataError>;
    /// The same store, each of whose writes also appends these entries to the audit, in its own transaction: both happen, or
    /// neither. Where the outcome decides what there is to say, the write says it: what was already so, or not there, is not
    /// recorded; what [`MetadataStore::reserve`] and [`MetadataStore::settle`] answer becomes the outcome.
    fn recording(&self, record: Vec<AuditEntry>) -> Arc<dyn MetadataStore>;
    /// Appends to the audit alone.
    async fn append_audit(&self, entries: Vec<AuditEntry>) -> Result<(), MetadataError>;
    /// Signs with this from now on, if it is the first: a chain is sealed whenever [`ROWS_PER_CHECKPOINT`](crate::audit::ROWS_PER_CHECKPOINT)
    /// rows have come to it, and by [`MetadataStore::seal_audit`].
    fn seal_audit_with(&self, sealer: Arc<dyn AuditSealer>);
    /// Seals every chain that has grown since its last checkpoint, and logs each; how many. Nothing without a sealer.
    async fn seal_audit(&self, now: Timestamp) -> Result<u64, MetadataError>;
    /// Lets rows be found by link and object faster than by looking at the newest of them, which [`MetadataStore::audit_page`] does
    /// until then; at most `limit` of the oldest that are not. Gives how many: fewer than `limit` if that were all.
    async fn index_audit(&self, limit: u32) -> Result<u64, MetadataError>;
    /// Records a key that signs checkpoints. [`MetadataError::AlreadyExists`] if its id is taken.
    async fn create_audit_key(&self, key: AuditKeyRow) -> Result<(), MetadataError>;
    /// Every key that signed checkpoints, the newest last.
    async fn audit_keys(&self) -> Result<Vec<AuditKeyRow>, MetadataError>;
    /// A page of a chain's rows before `before`, the newest first, at most `limit`. Where few of many rows fit, a page may be
    /// shorter and still have a `next`.
    async fn audit_page(
        &self,
        chain: &AuditChain,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, MetadataError>;
    /// The part of a chain after the row `after`, at most `limit` rows and as many checkpoints.
    async fn audit_stretch(&self, chain: &AuditChain, after: u64, limit: u32) -> Result<AuditStretch, MetadataError>;
    /// Erases from some of a chain's rows, beginning after the row `after`; looks at no more than `limit`.
    async fn erase_from_audit(
        &self,
        chain: &AuditChain,
        erasure: &Erasure,
        after: u64,
        limit: u32,
    ) -> Result<Erased, MetadataError>;
    /// Drops rows whose checkpoint was made before `before`, at most `limit` whole segments between checkpoints, which stay; each
    /// chain says so in a row. Gives how many rows went.
    async fn drop_audit(&self, before: Timestamp, limit: u32) -> Result<u64, MetadataError>;
    /// How the audit stands.
    async fn audit_state(&self) -> Result<AuditState, MetadataError>;
    /// The latest instant that any write carried: the clock may not start before it.
    async fn time_floor(&self) -> Result<Option<Timestamp>, MetadataError>;
    /// Whether the store answers: one read that touches it.
    async fn ping(&self) -> Result<(), MetadataError>;
}
