//! The store of a single machine: one SQLite file.
//!
//! One thread writes (see [`SqliteStore::open`] for what it promises), a few read. The file is an ordinary SQLite database: any
//! tool from 3.37 on can read it, open it read-only while the server runs.

mod audit;
mod connection;
mod fault;
mod idempotency;
mod log;
mod migrations;
mod readers;
mod reads;
mod rows;
mod urls;
mod writer;
mod writes;

use self::fault::Fault;
use self::readers::Readers;
use self::writer::{Recorder, Writer};
use crate::ledger::{Advance, Ask, Denied, Ledger, Reserved, Settled, Settlement};
use crate::{
    ApiKeyChange, ApiKeyRow, AuditChain, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditSealer, AuditState, AuditStretch,
    BucketPage, BucketRow, Confirmation, Erased, Erasure, FileRef, FileRow, FileRowPage, FilesQuery, GrantKey, IdempotentCallKey,
    IdempotentCallRow, IdempotentCalls, LinkRow, MetadataError, MetadataStore, ObjectPage, ObjectRow, PieceRow, Publication,
    PublishError, Published, RangePut, ReservationRow, RevocationRow, SigningKeyRow, SigningKeyState, Swept, Taken, TenantRow,
    UploadCursor, UploadEntry, UploadRow, UrlCursor, UrlEntry, UrlRow, UrlTouch, UrlsOf, faults, statements,
};
use async_trait::async_trait;
use rusqlite::params;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use valetkey_model::{
    ApiKeyId, BlobId, BucketName, Clock, FileId, FileNumber, LinkId, ObjectKey, Outcome, Region, SecretDigest, SigningKeyId,
    TenantName, Timestamp, UploadId,
};

/// How a [`SqliteStore`] works; the defaults suit one server on one machine.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// How many threads read, each with a connection of its own.
    pub n_readers: NonZeroUsize,
    /// How many reads, and how many writes, may wait; further callers are held back until there is room.
    pub queue_depth: NonZeroUsize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();
        const THOUSAND: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
        let cores = std::thread::available_parallelism().unwrap_or(FOUR);
        Self { n_readers: cores.min(FOUR), queue_depth: THOUSAND }
    }
}

/// Metadata in one SQLite file. Dropping it finishes what was queued, which may wait for the disk.
pub struct SqliteStore {
    // Readers go first: the last connection to close, the writer's, puts the WAL away.
    readers: Arc<Readers>,
    writer: Recorder,
}

impl SqliteStore {
    /// Opens the database file at `path`, making it (mode 0600) and bringing its schema forward where needed. Blocks.
    ///
    /// A write is answered when it is synced to the disk (WAL, `synchronous=FULL`); what is queued together is synced together,
    /// and of those, one that fails takes back none but itself. `clock` gives the instant that each batch saves as the
    /// [time floor](MetadataStore::time_floor).
    ///
    /// # Errors
    ///
    /// [`MetadataError::Corrupt`] if the file belongs to another program, was changed by a migration that this binary knows with
    /// another text, or needs a newer binary; also if the SQLite linked in is one that can lose commits.
    /// [`MetadataError::NoSpace`] and [`MetadataError::Unavailable`] as everywhere.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, options: SqliteOptions) -> Result<Self, MetadataError> {
        let mut write_connection = connection::open_writer(path)?;
        migrations::migrate(&mut write_connection, migrations::MIGRATIONS, env!("CARGO_PKG_VERSION"), clock.now())?;
        let read_connections =
            (0..options.n_readers.get()).map(|_| connection::open_reader(path)).collect::<Result<Vec<_>, Fault>>()?;
        let depth = options.queue_depth.get();
        let writer = Writer::start(write_connection, clock, depth)?;
        let writer = Recorder { writer: Arc::new(writer), record: Vec::new() };
        Ok(Self { readers: Arc::new(Readers::start(read_connections, depth)?), writer })
    }

    /// What is wrong with the file, one sentence each; empty if it is sound. Reads the whole file.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Unavailable`], and [`MetadataError::Corrupt`] where it cannot even be read.
    pub async fn integrity_faults(&self) -> Result<Vec<String>, MetadataError> {
        self.readers.read(reads::integrity_faults).await
    }
}

#[async_trait]
impl MetadataStore for SqliteStore {
    async fn create_tenant(&self, tenant: TenantRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::create_tenant(connection, &tenant)?)).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRow>, MetadataError> {
        self.readers.read(|connection| rows::all(connection, statements::TENANTS, [], rows::tenant)).await
    }

    async fn create_api_key(&self, key: ApiKeyRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::create_api_key(connection, &key)?)).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, MetadataError> {
        self.readers.read(|connection| rows::all(connection, statements::API_KEYS, [], rows::api_key)).await
    }

    async fn update_api_key(
        &self,
        tenant: &TenantName,
        id: &ApiKeyId,
        change: ApiKeyChange,
        now: Timestamp,
    ) -> Result<ApiKeyRow, MetadataError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.writer.write(move |connection| Ok(writes::update_api_key(connection, &tenant, &id, change, now)?)).await
    }

    async fn create_signing_key(&self, key: SigningKeyRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::create_signing_key(connection, &key)?)).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, MetadataError> {
        self.readers.read(|connection| rows::all(connection, statements::SIGNING_KEYS, [], rows::signing_key)).await
    }

    async fn set_signing_key_state(
        &self,
        tenant: &TenantName,
        id: &SigningKeyId,
        state: SigningKeyState,
    ) -> Result<SigningKeyRow, MetadataError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.writer.write(move |connection| Ok(writes::set_signing_key_state(connection, &tenant, &id, state)?)).await
    }

    async fn create_bucket(&self, bucket: BucketRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::create_bucket(connection, &bucket)?)).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRow>, MetadataError> {
        let name = name.clone();
        self.readers.read(move |connection| rows::first(connection, statements::BUCKET, [name.as_str()], rows::bucket)).await
    }

    async fn buckets(
        &self,
        tenant: &TenantName,
        region: Option<&Region>,
        after: Option<&BucketName>,
        limit: u32,
    ) -> Result<BucketPage, MetadataError> {
        let (tenant, region, after) = (tenant.clone(), region.cloned(), after.cloned());
        self.readers.read(move |connection| reads::buckets(connection, &tenant, region.as_ref(), after.as_ref(), limit)).await
    }

    async fn set_bucket_public(&self, tenant: &TenantName, name: &BucketName, public: bool) -> Result<BucketRow, MetadataError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.writer.write(move |connection| Ok(writes::set_bucket_public(connection, &tenant, &name, public)?)).await
    }

    async fn delete_bucket(&self, tenant: &TenantName, name: &BucketName, now: Timestamp) -> Result<(), MetadataError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.writer.write(move |connection| Ok(writes::delete_bucket(connection, &tenant, &name, now)?)).await
    }

    async fn object(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<ObjectRow>, MetadataError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.readers
            .read(move |connection| rows::first(connection, statements::OBJECT, [bucket.as_str(), key.as_str()], rows::object))
            .await
    }

    async fn objects(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<ObjectPage, MetadataError> {
        let (bucket, prefix, after) = (bucket.clone(), prefix.to_owned(), after.map(str::to_owned));
        self.readers.read(move |connection| reads::objects(connection, &bucket, &prefix, after.as_deref(), limit, now)).await
    }

    async fn ready_objects(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<ObjectPage, MetadataError> {
        let (bucket, prefix, after) = (bucket.clone(), prefix.to_owned(), after.map(str::to_owned));
        self.readers
            .read(move |connection| reads::ready_objects(connection, &bucket, &prefix, after.as_deref(), limit, now))
            .await
    }

    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        self.writer.write_and_record(move |connection, record| writes::publish(connection, publication, record)).await
    }

    async fn delete_object(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        key: &ObjectKey,
        incarnation: Option<FileId>,
        now: Timestamp,
    ) -> Result<Option<ObjectRow>, MetadataError> {
        let (tenant, bucket, key) = (tenant.clone(), bucket.clone(), key.clone());
        self.writer
            .write_and_record(move |connection, record| {
                let deleted = writes::delete_object(connection, &tenant, &bucket, &key, incarnation, now)?;
                record.retain(|_| deleted.is_some());
                Ok(deleted)
            })
            .await
    }

    async fn record_digests(&self, blob: BlobId, sha1: [u8; 20], md5: [u8; 16]) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::record_digests(connection, blob, &sha1, &md5)?)).await
    }

    async fn reserve_file(&self, reservation: ReservationRow) -> Result<ReservationRow, MetadataError> {
        self.writer.write(move |connection| Ok(writes::reserve_file(connection, reservation)?)).await
    }

    async fn reservation(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<ReservationRow>, MetadataError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.readers
            .read(move |connection| {
                rows::first(connection, statements::RESERVATION, [bucket.as_str(), key.as_str()], rows::reservation)
            })
            .await
    }

    async fn file(&self, file: FileRef) -> Result<FileRow, MetadataError> {
        self.readers.read(move |connection| reads::file(&*connection.unchecked_transaction()?, file)).await
    }

    async fn files(&self, bucket: &BucketName, query: FilesQuery, now: Timestamp) -> Result<FileRowPage, MetadataError> {
        let bucket = bucket.clone();
        self.readers.read(move |connection| reads::files(connection, &bucket, query, now)).await
    }

    async fn n_files(&self, bucket: &BucketName, with_pending: bool, now: Timestamp) -> Result<u64, MetadataError> {
        let bucket = bucket.clone();
        self.readers.read(move |connection| reads::n_files(connection, &bucket, with_pending, now)).await
    }

    async fn confirm_file(&self, confirmation: Confirmation) -> Result<FileRow, MetadataError> {
        self.writer
            .write_and_record(move |connection, record| {
                let file = writes::confirm_file(connection, confirmation)?;
                record.retain(|_| file.reservation.is_none() && file.object.is_some());
                Ok(file)
            })
            .await
    }

    async fn delete_file(&self, file: FileId, now: Timestamp) -> Result<FileRow, MetadataError> {
        self.writer
            .write_and_record(move |connection, record| {
                let deleted = writes::delete_file(connection, file, now)?;
                record.retain(|_| deleted != FileRow::default());
                Ok(deleted)
            })
            .await
    }

    async fn detach_file(&self, file: FileId, left: (FileId, FileNumber)) -> Result<FileRow, MetadataError> {
        self.writer
            .write_and_record(move |connection, record| {
                let detached = writes::detach_file(connection, file, left)?;
                record.retain(|_| detached != FileRow::default());
                Ok(detached)
            })
            .await
    }

    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, MetadataError> {
        let blobs = blobs.to_vec();
        self.readers.read(move |connection| reads::known_blobs(connection, &blobs)).await
    }

    async fn doomed_blobs(&self, before: Timestamp, limit: u32) -> Result<Vec<BlobId>, MetadataError> {
        self.readers.read(move |connection| reads::doomed_blobs(connection, before, limit)).await
    }

    async fn forget_blobs(&self, blobs: &[BlobId]) -> Result<(), MetadataError> {
        let blobs = blobs.to_vec();
        self.writer.write(move |connection| Ok(writes::forget_blobs(connection, &blobs)?)).await
    }

    async fn create_urls(&self, urls: Vec<UrlRow>, links: Vec<LinkRow>) -> Result<(), MetadataError> {
        let write = move |connection: &_| {
            urls::create_urls(connection, &urls)?;
            Ok(writes::create_links(connection, &links)?)
        };
        self.writer.write(write).await
    }

    async fn url(&self, tenant: &TenantName, link_id: &LinkId) -> Result<Option<UrlEntry>, MetadataError> {
        let (tenant, link_id) = (tenant.clone(), *link_id);
        self.readers.read(move |connection| urls::url(connection, &tenant, &link_id)).await
    }

    async fn urls(
        &self,
        tenant: &TenantName,
        of: &UrlsOf,
        after: Option<&UrlCursor>,
        limit: u32,
    ) -> Result<Vec<UrlEntry>, MetadataError> {
        let (tenant, of, after) = (tenant.clone(), of.clone(), after.cloned());
        self.readers.read(move |connection| urls::urls(connection, &tenant, &of, after.as_ref(), limit)).await
    }

    async fn touch_urls(&self, touches: Vec<UrlTouch>) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(urls::touch_urls(connection, touches)?)).await
    }

    async fn latest_issue(&self, tenant: &TenantName, until: Timestamp) -> Result<Option<Timestamp>, MetadataError> {
        let tenant = tenant.clone();
        self.readers
            .read(move |connection| {
                let bound = params![tenant.as_str(), until.as_micros()];
                let url = rows::first(connection, statements::LATEST_ISSUE, bound, |row| rows::instant(row, 0))?;
                let upload = rows::first(connection, statements::LATEST_UPLOAD, bound, |row| rows::optional_instant(row, 0))?;
                Ok(url.max(upload.flatten()))
            })
            .await
    }

    async fn link_by_secret(&self, secret: &SecretDigest) -> Result<Option<LinkRow>, MetadataError> {
        let secret = *secret;
        self.readers
            .read(move |connection| rows::first(connection, statements::LINK_BY_SECRET, [secret.as_bytes()], rows::link))
            .await
    }

    async fn link(&self, tenant: &TenantName, link_id: &LinkId) -> Result<Option<LinkRow>, MetadataError> {
        let (tenant, link_id) = (tenant.clone(), *link_id);
        self.readers
            .read(move |connection| {
                rows::first(connection, statements::LINK, params![tenant.as_str(), link_id.as_bytes()], rows::link)
            })
            .await
    }

    async fn revoke(&self, revocations: Vec<RevocationRow>) -> Result<Vec<RevocationRow>, MetadataError> {
        self.writer.write(move |connection| Ok(urls::revoke(connection, &revocations)?)).await
    }

    async fn revocations(
        &self,
        now: Timestamp,
        after: Option<(&TenantName, &Taken)>,
        limit: u32,
    ) -> Result<Vec<RevocationRow>, MetadataError> {
        let after = after.map(|(tenant, taken)| (tenant.clone(), taken.clone()));
        self.readers.read(move |connection| urls::revocations(connection, now, after.as_ref(), limit)).await
    }

    async fn n_revocations(&self) -> Result<u64, MetadataError> {
        let counted = self
            .readers
            .read(|connection| rows::first(connection, statements::N_REVOCATIONS, [], |row| Ok(row.get::<_, i64>(0)?)))
            .await?;
        Ok(counted.and_then(|n_rows| u64::try_from(n_rows).ok()).unwrap_or(0))
    }

    async fn reserve(&self, grant: &GrantKey, forget_at: Timestamp, ask: Ask) -> Result<Result<Reserved, Denied>, MetadataError> {
        let grant = grant.clone();
        self.writer
            .write_and_record(move |connection, record| {
                if faults::sabotaged("no-reservation") {
                    let state = reads::ledger_state(connection, &grant)?;
                    let ledger = state.map(|state| rows::from_json::<Ledger>("ledger", &state)).transpose()?;
                    return Ok(ledger.unwrap_or_default().reserve(&ask));
                }
                let answer = writes::with_ledger(connection, &grant, Some(forget_at), |ledger| ledger.reserve(&ask))?;
                writes::record_reservation(record, &answer, ask.may_wait);
                Ok(answer)
            })
            .await
    }

    async fn advance(&self, grant: &GrantKey, advance: Advance) -> Result<Result<u64, Denied>, MetadataError> {
        let grant = grant.clone();
        self.writer
            .write(move |connection| Ok(writes::with_ledger(connection, &grant, None, |ledger| ledger.advance(&advance))?))
            .await
    }

    async fn settle(&self, grant: &GrantKey, settlement: Settlement) -> Result<Settled, MetadataError> {
        let grant = grant.clone();
        self.writer
            .write_and_record(move |connection, record| {
                let settled = writes::with_ledger(connection, &grant, None, |ledger| ledger.settle(&settlement))?;
                let outcome = if settled.completed { Outcome::Completed } else { Outcome::Incomplete };
                record.iter_mut().for_each(|entry| entry.outcome = outcome);
                Ok(settled)
            })
            .await
    }

    async fn open_session(
        &self,
        grant: &GrantKey,
        forget_at: Timestamp,
        ask: Ask,
    ) -> Result<Result<bool, Denied>, MetadataError> {
        let grant = grant.clone();
        self.writer
            .write_and_record(move |connection, record| {
                let opened = writes::with_ledger(connection, &grant, Some(forget_at), |ledger| ledger.open(&ask))?;
                writes::record_opening(record, opened);
                Ok(opened)
            })
            .await
    }

    async fn reset_uses(&self, tenant: &TenantName, link_id: &LinkId) -> Result<bool, MetadataError> {
        let (tenant, link_id) = (tenant.clone(), *link_id);
        self.writer.write(move |connection| Ok(writes::reset_uses(connection, &tenant, &link_id)?)).await
    }

    async fn ledger(&self, grant: &GrantKey) -> Result<Option<Ledger>, MetadataError> {
        let grant = grant.clone();
        self.readers
            .read(move |connection| {
                let state = reads::ledger_state(connection, &grant)?;
                state.map(|state| rows::from_json("ledger", &state)).transpose()
            })
            .await
    }

    async fn begin_idempotent(&self, call: IdempotentCallRow) -> Result<Option<IdempotentCallRow>, MetadataError> {
        self.writer.write(move |connection| Ok(idempotency::begin(connection, &call)?)).await
    }

    async fn answer_idempotent(&self, key: &IdempotentCallKey, answer: Vec<u8>) -> Result<(), MetadataError> {
        let key = key.clone();
        self.writer.write(move |connection| Ok(idempotency::answer(connection, &key, &answer)?)).await
    }

    async fn idempotent_calls(&self) -> Result<Vec<IdempotentCalls>, MetadataError> {
        self.readers.read(idempotency::per_tenant).await
    }

    async fn create_upload(&self, upload: UploadRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::create_upload(connection, &upload)?)).await
    }

    async fn upload(&self, id: &UploadId) -> Result<Option<(UploadRow, Vec<PieceRow>)>, MetadataError> {
        let id = *id;
        self.readers.read(move |connection| reads::upload(connection, &id)).await
    }

    async fn upload_by_name(&self, name: &SecretDigest) -> Result<Option<UploadEntry>, MetadataError> {
        let name = *name;
        self.readers.read(move |connection| reads::upload_by_name(connection, &name)).await
    }

    async fn uploads(
        &self,
        tenant: &TenantName,
        after: Option<UploadCursor>,
        limit: u32,
    ) -> Result<Vec<UploadEntry>, MetadataError> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| reads::uploads(connection, &tenant, after, limit)).await
    }

    async fn create_upload_secret(
        &self,
        upload: &UploadId,
        secret: SecretDigest,
        expires_at: Timestamp,
    ) -> Result<(), MetadataError> {
        let upload = *upload;
        self.writer.write(move |connection| Ok(writes::create_upload_secret(connection, &upload, &secret, expires_at)?)).await
    }

    async fn upload_by_secret(&self, secret: &SecretDigest) -> Result<Option<(UploadRow, Timestamp)>, MetadataError> {
        let secret = *secret;
        self.readers
            .read(move |connection| {
                rows::first(connection, statements::UPLOAD_BY_SECRET, [secret.as_bytes()], rows::upload_and_secret_expiry)
            })
            .await
    }

    async fn put_part(&self, part: PieceRow, now: Timestamp) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(writes::put_part(connection, &part, now)?)).await
    }

    async fn put_range(&self, piece: PieceRow, total_bytes: u64, expires_at: Timestamp) -> Result<RangePut, MetadataError> {
        self.writer.write(move |connection| Ok(writes::put_range(connection, &piece, total_bytes, expires_at)?)).await
    }

    async fn delete_upload(&self, id: &UploadId) -> Result<bool, MetadataError> {
        let id = *id;
        self.writer
            .write_and_record(move |connection, record| {
                let deleted = writes::delete_upload(connection, &id)?;
                record.retain(|_| deleted);
                Ok(deleted)
            })
            .await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> Result<Swept, MetadataError> {
        self.writer.write(move |connection| Ok(writes::sweep(connection, now, limit)?)).await
    }

    async fn sweep_uploads(&self, now: Timestamp, limit: u32) -> Result<u64, MetadataError> {
        self.writer.write(move |connection| Ok(writes::sweep_uploads(connection, now, limit)?)).await
    }

    fn recording(&self, record: Vec<AuditEntry>) -> Arc<dyn MetadataStore> {
        let writer = Recorder { writer: Arc::clone(&self.writer.writer), record };
        Arc::new(Self { readers: Arc::clone(&self.readers), writer })
    }

    async fn append_audit(&self, entries: Vec<AuditEntry>) -> Result<(), MetadataError> {
        self.writer
            .write_and_record(move |_, record| {
                record.extend(entries);
                Ok(())
            })
            .await
    }

    fn seal_audit_with(&self, sealer: Arc<dyn AuditSealer>) {
        // The first one stays.
        let _ = self.writer.writer.sealer().set(sealer);
    }

    async fn seal_audit(&self, now: Timestamp) -> Result<u64, MetadataError> {
        let Some(sealer) = self.writer.writer.sealer().get().cloned() else { return Ok(0) };
        let sealed: Result<_, MetadataError> =
            self.writer.write(move |connection| Ok(audit::seal(connection, &*sealer, now)?)).await;
        let checkpoints = sealed?;
        checkpoints.iter().for_each(writer::tell);
        Ok(checkpoints.len() as u64)
    }

    async fn index_audit(&self, limit: u32) -> Result<u64, MetadataError> {
        self.writer.write(move |connection| Ok(audit::index(connection, limit)?)).await
    }

    async fn create_audit_key(&self, key: AuditKeyRow) -> Result<(), MetadataError> {
        self.writer.write(move |connection| Ok(audit::create_key(connection, &key)?)).await
    }

    async fn audit_keys(&self) -> Result<Vec<AuditKeyRow>, MetadataError> {
        self.readers.read(|connection| rows::all(connection, statements::AUDIT_KEYS, [], audit::key)).await
    }

    async fn audit_page(
        &self,
        chain: &AuditChain,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, MetadataError> {
        let chain = chain.clone();
        self.readers.read(move |connection| audit::page(connection, &chain, &filter, before, limit)).await
    }

    async fn audit_stretch(&self, chain: &AuditChain, after: u64, limit: u32) -> Result<AuditStretch, MetadataError> {
        let chain = chain.clone();
        self.readers.read(move |connection| audit::stretch(connection, &chain, after, limit)).await
    }

    async fn erase_from_audit(
        &self,
        chain: &AuditChain,
        erasure: &Erasure,
        after: u64,
        limit: u32,
    ) -> Result<Erased, MetadataError> {
        let (chain, erasure) = (chain.clone(), erasure.clone());
        self.writer.write(move |connection| Ok(audit::erase(connection, &chain, &erasure, after, limit)?)).await
    }

    async fn drop_audit(&self, before: Timestamp, limit: u32) -> Result<u64, MetadataError> {
        self.writer.write_and_record(move |connection, record| Ok(audit::drop_before(connection, record, before, limit)?)).await
    }

    async fn audit_state(&self) -> Result<AuditState, MetadataError> {
        self.readers.read(audit::state).await
    }

    async fn time_floor(&self) -> Result<Option<Timestamp>, MetadataError> {
        self.readers.read(|connection| rows::first(connection, statements::TIME_FLOOR, [], |row| rows::instant(row, 0))).await
    }

    async fn ping(&self) -> Result<(), MetadataError> {
        self.readers.read(|connection| rows::exists(connection, statements::TIME_FLOOR, []).map(drop)).await
    }
}

#[cfg(test)]
mod tests;
