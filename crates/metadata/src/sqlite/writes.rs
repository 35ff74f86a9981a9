//! What the writer does: each function is one caller's part of a transaction.

use super::fault::Fault;
use super::{reads, rows, urls};
use crate::ledger::{Denied, Ledger, Reserved};
use crate::{
    ApiKeyChange, ApiKeyRow, AuditEntry, BucketRow, Confirmation, FileRef, FileRow, GrantKey, Guard, LinkRow, MetadataError,
    ObjectRow, PieceRow, Publication, PublishCondition, PublishError, Published, RangePut, ReservationRow, SigningKeyRow,
    SigningKeyState, Spend, Swept, TenantRow, UploadLayout, UploadRanges, UploadRow, faults, statements,
};
use crate::{COMPLETED_KEPT, MAX_PIECES, MAX_UPLOADS_OF_URL};
use rusqlite::{Connection, Row, params};
use valetkey_model::{
    ApiKeyId, BlobId, BucketName, FileId, FileNumber, LinkId, ObjectKey, Outcome, PutMode, Refusal, Scope, SecretDigest,
    SigningKeyId, TenantName, Timestamp, UploadId,
};

pub(super) fn create_tenant(connection: &Connection, tenant: &TenantRow) -> Result<(), Fault> {
    rows::insert_tenant(connection, statements::INSERT_TENANT, tenant).map_err(|fault| fault.if_taken("tenant"))
}

pub(super) fn create_api_key(connection: &Connection, key: &ApiKeyRow) -> Result<(), Fault> {
    const WHAT: &str = "API key";
    for credential in [Some(key.secret), key.bearer].into_iter().flatten() {
        if rows::exists(connection, statements::CREDENTIAL_TAKEN, [credential.as_bytes()])? {
            return Err(MetadataError::AlreadyExists { what: "credential" }.into());
        }
    }
    rows::insert_api_key(connection, statements::INSERT_API_KEY, key).map_err(|fault| fault.if_taken(WHAT).if_orphan("tenant"))
}

pub(super) fn update_api_key(
    connection: &Connection,
    tenant: &TenantName,
    id: &ApiKeyId,
    change: ApiKeyChange,
    now: Timestamp,
) -> Result<ApiKeyRow, Fault> {
    const WHAT: &str = "API key";
    let row = rows::first(connection, statements::API_KEY, [id.as_str(), tenant.as_str()], rows::api_key)?;
    let row = row.filter(|row| row.deleted_at.is_none()).ok_or(MetadataError::NotFound { what: WHAT })?;
    if let Some(secret) = &change.secret
        && rows::exists(connection, statements::CREDENTIAL_TAKEN, [secret.as_bytes()])?
    {
        return Err(MetadataError::AlreadyExists { what: "credential" }.into());
    }
    let changed = change.applied(row.clone(), now);
    if row.is_administrator(now) && !changed.is_administrator(now) {
        let others = rows::all(connection, statements::OTHER_API_KEYS, [tenant.as_str(), id.as_str()], rows::api_key)?;
        if !others.iter().any(|other| other.is_administrator(now)) {
            return Err(MetadataError::Conflict { reason: "the tenant would be left without an administrator" }.into());
        }
    }
    rows::update_api_key(connection, statements::UPDATE_API_KEY, &changed)?;
    Ok(changed)
}

pub(super) fn set_signing_key_state(
    connection: &Connection,
    tenant: &TenantName,
    id: &SigningKeyId,
    state: SigningKeyState,
) -> Result<SigningKeyRow, Fault> {
    let row = rows::first(connection, statements::SIGNING_KEY, [id.as_str(), tenant.as_str()], rows::signing_key)?;
    let row = row.ok_or(MetadataError::NotFound { what: "signing key" })?;
    if row.state == SigningKeyState::Revoked && state != SigningKeyState::Revoked {
        return Err(MetadataError::Conflict { reason: "a signing key is revoked for good" }.into());
    }
    rows::execute(connection, statements::SET_SIGNING_KEY_STATE, params![state.as_str(), id.as_str()])?;
    Ok(SigningKeyRow { state, ..row })
}

pub(super) fn set_bucket_public(
    connection: &Connection,
    tenant: &TenantName,
    name: &BucketName,
    public: bool,
) -> Result<BucketRow, Fault> {
    rows::execute(connection, statements::SET_BUCKET_PUBLIC, params![public, name.as_str(), tenant.as_str()])?;
    let row = rows::first(connection, statements::BUCKET_OF_TENANT, [name.as_str(), tenant.as_str()], rows::bucket)?;
    Ok(row.ok_or(MetadataError::NotFound { what: "bucket" })?)
}

pub(super) fn create_signing_key(connection: &Connection, key: &SigningKeyRow) -> Result<(), Fault> {
    rows::insert_signing_key(connection, statements::INSERT_SIGNING_KEY, key)
        .map_err(|fault| fault.if_taken("signing key").if_orphan("tenant"))
}

pub(super) fn create_bucket(connection: &Connection, bucket: &BucketRow) -> Result<(), Fault> {
    rows::insert_bucket(connection, statements::INSERT_BUCKET, bucket)
        .map_err(|fault| fault.if_taken("bucket").if_orphan("tenant"))
}

pub(super) fn delete_bucket(
    connection: &Connection,
    tenant: &TenantName,
    name: &BucketName,
    now: Timestamp,
) -> Result<(), Fault> {
    const WHAT: &str = "bucket";
    if !belongs_to(connection, name, tenant)? {
        return Err(MetadataError::NotFound { what: WHAT }.into());
    }
    if rows::exists(connection, statements::BUCKET_HOLDS_LIVE_OBJECT, params![name.as_str(), now.as_micros()])? {
        return Err(MetadataError::NotEmpty { what: WHAT }.into());
    }
    let ended = rows::all(connection, statements::DELETE_OBJECTS_OF_BUCKET, [name.as_str()], |row| rows::blob_id(row, 0))?;
    for blob in ended {
        doom(connection, blob, now)?;
    }
    for upload in rows::all(connection, statements::UPLOADS_OF_BUCKET, [name.as_str()], rows::upload_id)? {
        delete_upload(connection, &upload)?;
    }
    match rows::execute(connection, statements::DELETE_BUCKET, [name.as_str()])? {
        0 => Err(MetadataError::NotFound { what: WHAT }.into()),
        _ => Ok(()),
    }
}

/// Guard, use, condition, then the changes: in this order, so that a holder learns nothing of an object by a link that was
/// taken back.
pub(super) fn publish(
    connection: &Connection,
    publication: Publication,
    record: &mut Vec<AuditEntry>,
) -> Result<Published, PublishError> {
    let now = publication.now;
    let place = params![publication.bucket.as_str(), publication.key.as_str()];
    let stored = rows::first(connection, statements::OBJECT, place, rows::object)?;
    if let Some(object) = stored.as_ref().filter(|object| object.blob == publication.blob) {
        // A try whose answer was lost had happened: to say so again is all that is left, and to doom its blob would lose it.
        record.clear();
        return Ok(Published { object: object.clone(), replaced: object.created_at < object.modified_at });
    }
    check_guard(connection, &publication.guard, (&publication.bucket, &publication.key), publication.condition.mode, now)?;
    if let Some(spend) = &publication.spend {
        spend_use(connection, spend)?;
    }
    let live = stored.as_ref().filter(|object| is_live(object, now));
    let reservation = rows::first(connection, statements::RESERVATION, place, rows::reservation)?;
    let reservation = reservation.filter(|reservation| reservation.expires_at > now);
    check_condition(&publication.condition, live, reservation.is_some())?;
    if rows::exists(connection, statements::BLOB_IS_DOOMED, [publication.blob.as_bytes()]).map_err(PublishError::from)? {
        // It may be deleted at any moment: the upload it came from was thrown away, or its part replaced.
        return Err(MetadataError::NotFound { what: "blob" }.into());
    }
    let replaced = live.is_some();
    let (file_id, file_number, created_at) = match (live, &reservation) {
        (Some(object), _) => (object.file_id, object.file_number, object.created_at),
        (None, Some(reservation)) => (reservation.file_id, reservation.file_number, reservation.created_at),
        (None, None) => (publication.new_file_id, free_number(connection, publication.new_file_number)?, now),
    };
    let mut object = ObjectRow {
        bucket: publication.bucket,
        key: publication.key,
        file_id,
        file_number,
        blob: publication.blob,
        size_bytes: publication.size_bytes,
        content_type: publication.content_type,
        file_name: publication.file_name,
        user_metadata: publication.user_metadata,
        sha256: publication.sha256,
        sha1: publication.sha1,
        md5: publication.md5,
        created_at,
        modified_at: now,
        expires_at: publication.expires_at,
    };
    if let Some(reservation) = reservation {
        fill_reservation(connection, reservation, &mut object)?;
    }
    rows::upsert_object(connection, statements::UPSERT_OBJECT, &object)
        .map_err(|fault| fault.if_taken("blob").if_orphan("bucket"))?;
    if let Some(stored) = &stored {
        doom(connection, stored.blob, now)?;
    }
    if let Some(upload) = &publication.completes
        && !complete_upload(connection, upload, object.blob, now)?
    {
        return Err(MetadataError::NotFound { what: "upload" }.into());
    }
    let detail = if replaced { "replaced" } else { "created" };
    record.iter_mut().for_each(|entry| entry.detail = Some(detail.to_owned()));
    Ok(Published { object, replaced })
}

/// Gives the object what its reservation says of it, and ends the reservation or the object with it.
fn fill_reservation(connection: &Connection, reservation: ReservationRow, object: &mut ObjectRow) -> Result<(), Fault> {
    object.file_name = Some(reservation.name);
    // Of what both say, the word of whoever reserved it counts more than that of whoever holds a URL.
    object.content_type = reservation.content_type.or(object.content_type.take());
    if reservation.needs_confirmation {
        let ends_at = object.expires_at.map_or(reservation.expires_at, |at| at.min(reservation.expires_at));
        object.expires_at = Some(ends_at);
        return Ok(());
    }
    rows::execute(connection, statements::DELETE_RESERVATION, [reservation.file_id.as_bytes()]).map(drop)
}

/// The number, or the first after it that no file has.
fn free_number(connection: &Connection, mut number: FileNumber) -> Result<FileNumber, Fault> {
    while rows::exists(connection, statements::FILE_NUMBER_IS_TAKEN, [number.get()])? {
        number = number.following();
    }
    Ok(number)
}

fn is_live(object: &ObjectRow, now: Timestamp) -> bool {
    object.expires_at.is_none_or(|expires_at| expires_at > now)
}

fn check_guard(
    connection: &Connection,
    guard: &Guard,
    (bucket, key): (&BucketName, &ObjectKey),
    mode: PutMode,
    now: Timestamp,
) -> Result<(), PublishError> {
    if let Some(url) = &guard.url
        && !faults::sabotaged("revocation-ignored")
        && urls::is_revoked(connection, guard, url, bucket, key)?
    {
        return Err(PublishError::Refused(Refusal::Revoked));
    }
    if let Some(api_key) = &guard.api_key {
        let row = rows::first(connection, statements::API_KEY, [api_key.as_str(), guard.tenant.as_str()], rows::api_key)?;
        let may = |row: &ApiKeyRow| {
            let writes = row.scopes.has(Scope::ObjectWrite) || row.scopes.has(Scope::ObjectCreate) && mode != PutMode::Replace;
            row.is_live(now) && writes && (row.buckets.is_empty() || row.buckets.contains(bucket))
        };
        if !row.as_ref().is_some_and(may) {
            return Err(PublishError::Refused(Refusal::IssuerDisabled));
        }
    }
    if !belongs_to(connection, bucket, &guard.tenant)? {
        return Err(MetadataError::NotFound { what: "bucket" }.into());
    }
    Ok(())
}

/// Whether the bucket is there and the tenant's: since that was last known, it may have been deleted, and made by somebody else.
fn belongs_to(connection: &Connection, bucket: &BucketName, tenant: &TenantName) -> Result<bool, Fault> {
    rows::exists(connection, statements::BUCKET_OF_TENANT, [bucket.as_str(), tenant.as_str()])
}

fn spend_use(connection: &Connection, spend: &Spend) -> Result<(), PublishError> {
    if with_ledger(connection, &spend.grant, Some(spend.forget_at), |ledger| ledger.spend(spend.uses.get()))? {
        Ok(())
    } else {
        Err(PublishError::Refused(Refusal::UsedUp))
    }
}

fn check_condition(condition: &PublishCondition, live: Option<&ObjectRow>, reserved: bool) -> Result<(), PublishError> {
    let ended = condition.mode == PutMode::Reserved && !reserved && !faults::sabotaged("confirmation-ignored");
    let other = condition.incarnation.is_some_and(|file_id| live.is_none_or(|object| object.file_id != file_id));
    let gone = other || ended && live.is_none();
    let taken = (condition.absent || condition.mode == PutMode::Create || ended) && live.is_some();
    let changed = condition.replaces.is_some_and(|blob| live.is_none_or(|object| object.blob != blob));
    match (gone, taken || changed) {
        (true, _) => Err(PublishError::Refused(Refusal::ObjectGone)),
        (false, true) => Err(PublishError::Refused(Refusal::Exists)),
        (false, false) => Ok(()),
    }
}

pub(super) fn delete_object(
    connection: &Connection,
    tenant: &TenantName,
    bucket: &BucketName,
    key: &ObjectKey,
    incarnation: Option<FileId>,
    now: Timestamp,
) -> Result<Option<ObjectRow>, Fault> {
    if !belongs_to(connection, bucket, tenant)? {
        return Ok(None);
    }
    let place = [bucket.as_str(), key.as_str()];
    let stored = rows::first(connection, statements::OBJECT, place, rows::object)?;
    let Some(object) = stored.filter(|object| incarnation.is_none_or(|file_id| object.file_id == file_id)) else {
        return Ok(None);
    };
    rows::execute(connection, statements::DELETE_OBJECT, place)?;
    rows::execute(connection, statements::DELETE_RESERVATION, [object.file_id.as_bytes()])?;
    doom(connection, object.blob, now)?;
    Ok(Some(object))
}

pub(super) fn reserve_file(connection: &Connection, mut reservation: ReservationRow) -> Result<ReservationRow, Fault> {
    const WHAT: &str = "file";
    let bucket = [reservation.bucket.as_str(), reservation.tenant.as_str()];
    if !rows::exists(connection, statements::BUCKET_OF_TENANT, bucket)? {
        return Err(MetadataError::NotFound { what: "bucket" }.into());
    }
    let file_and_place = params![reservation.file_id.as_bytes(), reservation.bucket.as_str(), reservation.key.as_str()];
    if rows::exists(connection, statements::FILE_OR_PLACE_IS_TAKEN, file_and_place)? {
        return Err(MetadataError::AlreadyExists { what: WHAT }.into());
    }
    reservation.file_number = free_number(connection, reservation.file_number)?;
    rows::insert_reservation(connection, statements::INSERT_RESERVATION, &reservation).map_err(|fault| fault.if_taken(WHAT))?;
    Ok(reservation)
}

pub(super) fn confirm_file(connection: &Connection, confirmation: Confirmation) -> Result<FileRow, Fault> {
    let mut file = reads::file(connection, FileRef::Id(confirmation.file_id))?;
    let live = file.reservation.as_ref().is_some_and(|reservation| reservation.expires_at > confirmation.now);
    let Some(object) = file.object.as_mut().filter(|object| live && is_live(object, confirmation.now)) else {
        return Ok(file);
    };
    object.file_name = confirmation.name.or(object.file_name.take());
    object.content_type = confirmation.content_type.or(object.content_type.take());
    object.expires_at = confirmation.retention.map(|retention| object.modified_at.plus(retention));
    rows::upsert_object(connection, statements::UPSERT_OBJECT, object)?;
    rows::execute(connection, statements::DELETE_RESERVATION, [confirmation.file_id.as_bytes()])?;
    Ok(FileRow { reservation: None, ..file })
}

pub(super) fn delete_file(connection: &Connection, file: FileId, now: Timestamp) -> Result<FileRow, Fault> {
    let deleted = reads::file(connection, FileRef::Id(file))?;
    if let Some(object) = &deleted.object {
        rows::execute(connection, statements::DELETE_OBJECT, [object.bucket.as_str(), object.key.as_str()])?;
        doom(connection, object.blob, now)?;
    }
    rows::execute(connection, statements::DELETE_RESERVATION, [file.as_bytes()])?;
    Ok(deleted)
}

pub(super) fn detach_file(
    connection: &Connection,
    file: FileId,
    (left_id, left_number): (FileId, FileNumber),
) -> Result<FileRow, Fault> {
    let ended = reads::file(connection, FileRef::Id(file))?;
    rows::execute(connection, statements::DELETE_RESERVATION, [file.as_bytes()])?;
    if let Some(object) = &ended.object {
        let left_number = free_number(connection, left_number)?;
        let values = params![left_id.as_bytes(), left_number.get(), object.bucket.as_str(), object.key.as_str()];
        rows::execute(connection, statements::DETACH_OBJECT, values).map_err(|fault| fault.if_taken("file"))?;
    }
    Ok(ended)
}

pub(super) fn record_digests(connection: &Connection, blob: BlobId, sha1: &[u8; 20], md5: &[u8; 16]) -> Result<(), Fault> {
    rows::execute(connection, statements::RECORD_DIGESTS, params![sha1, md5, blob.as_bytes()]).map(drop)
}

pub(super) fn forget_blobs(connection: &Connection, blobs: &[BlobId]) -> Result<(), Fault> {
    blobs.iter().try_for_each(|blob| rows::execute(connection, statements::FORGET_BLOB, [blob.as_bytes()]).map(drop))
}

pub(super) fn create_links(connection: &Connection, links: &[LinkRow]) -> Result<(), Fault> {
    links
        .iter()
        .try_for_each(|link| rows::insert_link(connection, statements::INSERT_LINK, link).map_err(|fault| fault.if_taken("link")))
}

/// Loads a grant's ledger, acts on it, and saves it if that changed it. A new one is made only if `forget_at` says how long it
/// is to be kept.
pub(super) fn with_ledger<T>(
    connection: &Connection,
    grant: &GrantKey,
    forget_at: Option<Timestamp>,
    act: impl FnOnce(&mut Ledger) -> T,
) -> Result<T, Fault> {
    let stored = reads::ledger_state(connection, grant)?;
    let mut ledger: Ledger = match &stored {
        Some(state) => rows::from_json("ledger", state)?,
        None => Ledger::default(),
    };
    let before = match stored {
        Some(state) => state,
        None => rows::to_json(&ledger)?,
    };
    let answer = act(&mut ledger);
    let after = rows::to_json(&ledger)?;
    if after != before {
        let (tenant, signing_key, link_id) = (grant.tenant.as_str(), reads::signing_key(grant), grant.link_id.as_bytes());
        match forget_at {
            Some(forget_at) => rows::execute(
                connection,
                statements::UPSERT_LEDGER,
                params![tenant, signing_key, link_id, after, forget_at.as_micros()],
            )?,
            None => rows::execute(connection, statements::UPDATE_LEDGER, params![after, tenant, signing_key, link_id])?,
        };
    }
    Ok(answer)
}

/// Resets the ledgers of a URL, one for each of the tenant's signing keys that it was used with; whether there were any.
pub(super) fn reset_uses(connection: &Connection, tenant: &TenantName, link_id: &LinkId) -> Result<bool, Fault> {
    let keys = rows::all(connection, statements::SIGNING_KEYS, [], rows::signing_key)?;
    let own = keys.into_iter().filter(|key| key.tenant == *tenant).map(|key| Some(key.id));
    let mut were_any = false;
    for signing_key in std::iter::once(None).chain(own) {
        let grant = GrantKey { tenant: tenant.clone(), signing_key, link_id: *link_id };
        if reads::ledger_state(connection, &grant)?.is_some() {
            with_ledger(connection, &grant, None, Ledger::reset)?;
            were_any = true;
        }
    }
    Ok(were_any)
}

/// What came of asking the ledger, for the audit. Who is told to wait has not been told yet.
pub(super) fn record_reservation(record: &mut Vec<AuditEntry>, answer: &Result<Reserved, Denied>, may_wait: bool) {
    record.retain(|_| !(matches!(answer, Err(Denied::Busy)) && may_wait));
    record.iter_mut().for_each(|entry| entry.session = answer.as_ref().ok().map(|reserved| reserved.session));
    let opened = answer.as_ref().map(|reserved| reserved.opened).map_err(|denied| *denied);
    record_opening(record, opened);
}

/// The same of asking it for a session alone.
pub(super) fn record_opening(record: &mut [AuditEntry], opened: Result<bool, Denied>) {
    let outcome = match opened {
        Ok(true) => Outcome::Opened,
        Ok(false) => Outcome::Resumed,
        Err(denied) => Outcome::Refused(denied.refusal()),
    };
    record.iter_mut().for_each(|entry| entry.outcome = outcome);
}

pub(super) fn create_upload(connection: &Connection, upload: &UploadRow) -> Result<(), Fault> {
    if let UploadLayout::Ranges(UploadRanges { holder: Some(holder), .. }) = &upload.layout {
        let all_but = params![holder.as_bytes(), MAX_UPLOADS_OF_URL - 1];
        for older in rows::all(connection, statements::UPLOADS_OF_URL_BUT_LATEST, all_but, rows::upload_id)? {
            delete_upload(connection, &older)?;
        }
    }
    rows::insert_upload(connection, statements::INSERT_UPLOAD, upload)
        .map_err(|fault| fault.if_taken("upload").if_orphan("bucket"))
}

pub(super) fn create_upload_secret(
    connection: &Connection,
    upload: &UploadId,
    secret: &SecretDigest,
    expires_at: Timestamp,
) -> Result<(), Fault> {
    let values = params![secret.as_bytes(), upload.as_bytes(), expires_at.as_micros()];
    rows::execute(connection, statements::INSERT_UPLOAD_SECRET, values)
        .map(drop)
        .map_err(|fault| fault.if_taken("upload secret").if_orphan("upload"))
}

pub(super) fn put_part(connection: &Connection, part: &PieceRow, now: Timestamp) -> Result<(), Fault> {
    if !rows::exists(connection, statements::UPLOAD_IN_PARTS_EXISTS, [part.upload.as_bytes()])? {
        return Err(MetadataError::NotFound { what: "upload" }.into());
    }
    let place = params![part.upload.as_bytes(), part.position];
    let replaced = rows::first(connection, statements::BLOB_OF_PIECE, place, |row| rows::blob_id(row, 0))?;
    rows::put_piece(connection, statements::UPSERT_PIECE, part).map_err(|fault| fault.if_taken("blob"))?;
    match replaced.filter(|blob| *blob != part.blob) {
        Some(blob) => doom(connection, blob, now),
        None => Ok(()),
    }
}

pub(super) fn put_range(
    connection: &Connection,
    piece: &PieceRow,
    total_bytes: u64,
    expires_at: Timestamp,
) -> Result<RangePut, Fault> {
    let upload = rows::first(connection, statements::UPLOAD, [piece.upload.as_bytes()], rows::upload)?;
    let Some(UploadLayout::Ranges(ranges @ UploadRanges { completed_as: None, .. })) = upload.map(|upload| upload.layout) else {
        return Err(MetadataError::NotFound { what: "upload" }.into());
    };
    if let Some(told) = ranges.total_bytes.filter(|told| *told != total_bytes) {
        return Ok(RangePut::OtherTotal { total_bytes: told });
    }
    // None overlaps another, so that the last one to begin before this one's end is the last one to end, too.
    let bound = params![piece.upload.as_bytes(), piece.position.saturating_add(piece.size_bytes)];
    let end_of = |row: &Row<'_>| Ok(row.get::<_, u64>(0)?.saturating_add(row.get(1)?));
    let before = rows::first(connection, statements::LAST_PIECE_BEFORE, bound, end_of)?;
    if before.is_some_and(|end| end > piece.position) {
        return Ok(RangePut::Overlaps);
    }
    let (n_pieces, received_bytes) = reads::received(connection, &piece.upload)?;
    if n_pieces >= MAX_PIECES {
        return Ok(RangePut::TooMany);
    }
    rows::put_piece(connection, statements::INSERT_PIECE, piece).map_err(|fault| fault.if_taken("blob"))?;
    let values = params![total_bytes, expires_at.as_micros(), piece.upload.as_bytes()];
    rows::execute(connection, statements::RANGE_RECEIVED, values)?;
    Ok(RangePut::Kept { received_bytes: received_bytes + piece.size_bytes })
}

/// Deletes an upload with its secrets and pieces; whether there was one.
pub(super) fn delete_upload(connection: &Connection, id: &UploadId) -> Result<bool, Fault> {
    delete_pieces(connection, id, None)?;
    Ok(rows::execute(connection, statements::DELETE_UPLOAD, [id.as_bytes()])? > 0)
}

/// Ends an upload that has become this blob; whether it was under way. Of one in ranges it is remembered.
fn complete_upload(connection: &Connection, id: &UploadId, blob: BlobId, now: Timestamp) -> Result<bool, Fault> {
    let upload = rows::first(connection, statements::UPLOAD, [id.as_bytes()], rows::upload)?;
    delete_pieces(connection, id, Some(blob))?;
    match upload.map(|upload| upload.layout) {
        Some(UploadLayout::Ranges(UploadRanges { completed_as: None, .. })) => {
            let values = params![blob.as_bytes(), now.plus(COMPLETED_KEPT).as_micros(), id.as_bytes()];
            Ok(rows::execute(connection, statements::COMPLETE_UPLOAD, values)? > 0)
        }
        Some(UploadLayout::Ranges(_)) | None => Ok(false),
        Some(UploadLayout::Parts) => Ok(rows::execute(connection, statements::DELETE_UPLOAD, [id.as_bytes()])? > 0),
    }
}

/// Dooms an upload's pieces, but for one that became the object. Nobody reads them any more: they may go at once.
fn delete_pieces(connection: &Connection, id: &UploadId, kept: Option<BlobId>) -> Result<(), Fault> {
    let blobs = rows::all(connection, statements::DELETE_PIECES, [id.as_bytes()], |row| rows::blob_id(row, 0))?;
    blobs.into_iter().filter(|blob| Some(*blob) != kept).try_for_each(|blob| doom(connection, blob, Timestamp::MIN))
}

pub(super) fn sweep(connection: &Connection, now: Timestamp, limit: u32) -> Result<Swept, Fault> {
    let bound = params![now.as_micros(), limit];
    let mut swept = Swept::default();
    let ended = rows::all(connection, statements::SWEEP_OBJECTS, bound, |row| {
        Ok((rows::blob_id(row, 0)?, rows::parsed(row, 1)?, rows::parsed(row, 2)?))
    })?;
    for (blob, bucket, key) in ended {
        doom(connection, blob, now)?;
        swept.expired_objects.push((bucket, key));
    }
    let links_end = now.minus(crate::store::EXPIRED_LINKS_KEPT);
    let mut n_rows = rows::execute(connection, statements::SWEEP_LINKS, params![links_end.as_micros(), limit])?;
    n_rows += rows::execute(connection, statements::SWEEP_URLS, params![links_end.as_micros(), limit])?;
    n_rows += rows::execute(connection, statements::SWEEP_LEDGERS, bound)?;
    n_rows += rows::execute(connection, statements::SWEEP_REVOCATIONS, bound)?;
    n_rows += rows::execute(connection, statements::SWEEP_BROAD_REVOCATIONS, bound)?;
    n_rows += rows::execute(connection, statements::SWEEP_RESERVATIONS, bound)?;
    n_rows += rows::execute(connection, statements::SWEEP_IDEMPOTENT_CALLS, bound)?;
    swept.n_rows = n_rows as u64;
    Ok(swept)
}

pub(super) fn sweep_uploads(connection: &Connection, now: Timestamp, limit: u32) -> Result<u64, Fault> {
    let ended = rows::all(connection, statements::EXPIRED_UPLOADS, params![now.as_micros(), limit], rows::upload_id)?;
    for upload in &ended {
        delete_upload(connection, upload)?;
    }
    Ok(ended.len() as u64)
}

fn doom(connection: &Connection, blob: BlobId, now: Timestamp) -> Result<(), Fault> {
    rows::execute(connection, statements::DOOM_BLOB, params![blob.as_bytes(), now.as_micros()]).map(drop)
}
