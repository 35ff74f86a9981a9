//! What readers answer.

use super::fault::Fault;
use super::rows;
use crate::{
    BucketPage, FileRef, FileRow, FileRowPage, FilesQuery, GrantKey, ObjectPage, PieceRow, UploadCursor, UploadEntry, UploadRow,
    statements,
};
use rusqlite::{Connection, Row, params};
use std::collections::HashSet;
use valetkey_model::{BlobId, BucketName, Region, SecretDigest, TenantName, Timestamp, UploadId};

/// How many objects whose retention has ended, or that are withheld, a page passes over before it ends early: a page's time
/// stays bounded even where the sweep is behind.
const MAX_PASSED_OVER: u32 = 10_000;

pub(super) fn buckets(
    connection: &Connection,
    tenant: &TenantName,
    region: Option<&Region>,
    after: Option<&BucketName>,
    limit: u32,
) -> Result<BucketPage, Fault> {
    let after = after.map_or("", BucketName::as_str);
    let one_more = i64::from(limit) + 1;
    let tenant = tenant.as_str();
    let mut buckets = match region {
        None => rows::all(connection, statements::BUCKETS, params![tenant, after, one_more], rows::bucket)?,
        Some(region) => {
            let values = params![tenant, region.as_str(), after, one_more];
            rows::all(connection, statements::BUCKETS_OF_REGION, values, rows::bucket)?
        }
    };
    let more = buckets.len() > limit as usize;
    buckets.truncate(limit as usize);
    let next = buckets.last().filter(|_| more).map(|bucket| bucket.name.clone());
    Ok(BucketPage { buckets, next })
}

pub(super) fn objects(
    connection: &Connection,
    bucket: &BucketName,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<ObjectPage, Fault> {
    let texts = [statements::OBJECTS_FROM, statements::OBJECTS_BETWEEN];
    listed(connection, texts, bucket, prefix, after, limit, |row| is_live(row, now))
}

pub(super) fn ready_objects(
    connection: &Connection,
    bucket: &BucketName,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<ObjectPage, Fault> {
    let texts = [statements::READY_OBJECTS_FROM, statements::READY_OBJECTS_BETWEEN];
    let is_ready = |row: &Row<'_>| Ok(is_live(row, now)? && !row.get::<_, bool>("is_withheld")?);
    listed(connection, texts, bucket, prefix, after, limit, is_ready)
}

fn is_live(row: &Row<'_>, now: Timestamp) -> Result<bool, Fault> {
    Ok(rows::optional_instant(row, 12)?.is_none_or(|expires_at| expires_at > now))
}

/// A page of the objects that `belongs` says yes to; the statements are one without an end and one with.
fn listed(
    connection: &Connection,
    [from, between]: [&str; 2],
    bucket: &BucketName,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
    belongs: impl Fn(&Row<'_>) -> Result<bool, Fault>,
) -> Result<ObjectPage, Fault> {
    if limit == 0 {
        return Ok(ObjectPage::default());
    }
    let (bucket, start, end) = (bucket.as_str(), statements::listing_start(prefix, after), statements::prefix_end(prefix));
    // Rows are stepped one by one: this limit only bounds how many.
    let at_most = i64::from(limit) + i64::from(MAX_PASSED_OVER) + 1;
    let mut statement = connection.prepare_cached(if end.is_some() { between } else { from })?;
    let mut found = match end {
        Some(end) => statement.query(params![bucket, start, end, at_most])?,
        None => statement.query(params![bucket, start, at_most])?,
    };
    let mut page = ObjectPage::default();
    let mut passed_over = 0;
    while let Some(row) = found.next()? {
        if !belongs(row)? {
            passed_over += 1;
            if passed_over == MAX_PASSED_OVER {
                page.next = Some(rows::parsed(row, 1)?);
                break;
            }
        } else if page.objects.len() == limit as usize {
            page.next = page.objects.last().map(|object| object.key.clone());
            break;
        } else {
            page.objects.push(rows::object(row)?);
        }
    }
    Ok(page)
}

/// What there is of a file, both in one state of the database: the reader or writer sees to that.
pub(super) fn file(connection: &Connection, file: FileRef) -> Result<FileRow, Fault> {
    Ok(match file {
        FileRef::Id(id) => FileRow {
            reservation: rows::first(connection, statements::RESERVATION_BY_FILE_ID, [id.as_bytes()], rows::reservation)?,
            object: rows::first(connection, statements::OBJECT_BY_FILE_ID, [id.as_bytes()], rows::object)?,
        },
        FileRef::Number(number) => FileRow {
            reservation: rows::first(connection, statements::RESERVATION_BY_FILE_NUMBER, [number.get()], rows::reservation)?,
            object: rows::first(connection, statements::OBJECT_BY_FILE_NUMBER, [number.get()], rows::object)?,
        },
    })
}

/// A page of a bucket's files: their places from the indexes alone, then what there is of each.
pub(super) fn files(
    connection: &Connection,
    bucket: &BucketName,
    query: FilesQuery,
    now: Timestamp,
) -> Result<FileRowPage, Fault> {
    let text = match (query.with_pending, query.oldest_first) {
        (true, false) => statements::FILES_NEWEST_FIRST,
        (true, true) => statements::FILES_OLDEST_FIRST,
        (false, false) => statements::READY_FILES_NEWEST_FIRST,
        (false, true) => statements::READY_FILES_OLDEST_FIRST,
    };
    let (created_at, number) = match (query.after, query.oldest_first) {
        (Some(after), _) => (after.created_at.as_micros(), i64::try_from(after.number.get()).unwrap_or(i64::MAX)),
        (None, false) => (i64::MAX, i64::MAX),
        (None, true) => (i64::MIN, i64::MIN),
    };
    let (one_more, skip) = (i64::from(query.limit) + 1, i64::try_from(query.skip).unwrap_or(i64::MAX));
    let values = params![bucket.as_str(), now.as_micros(), created_at, number, one_more, skip];
    let snapshot = connection.unchecked_transaction()?;
    let mut places = rows::all(&snapshot, text, values, rows::file_cursor)?;
    let more = places.len() > query.limit as usize;
    places.truncate(query.limit as usize);
    let files = places.iter().map(|place| file(&snapshot, FileRef::Number(place.number))).collect::<Result<_, Fault>>()?;
    Ok(FileRowPage { files, next: places.last().copied().filter(|_| more) })
}

pub(super) fn n_files(connection: &Connection, bucket: &BucketName, with_pending: bool, now: Timestamp) -> Result<u64, Fault> {
    let text = if with_pending { statements::N_FILES } else { statements::N_READY_FILES };
    Ok(rows::first(connection, text, params![bucket.as_str(), now.as_micros()], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

pub(super) fn known_blobs(connection: &Connection, blobs: &[BlobId]) -> Result<HashSet<BlobId>, Fault> {
    // One state of the database for all of them: a blob must not be missed while it goes from part to object.
    let snapshot = connection.unchecked_transaction()?;
    let mut known = HashSet::new();
    for blob in blobs {
        if rows::exists(&snapshot, statements::BLOB_IS_KNOWN, [blob.as_bytes()])? {
            known.insert(*blob);
        }
    }
    Ok(known)
}

pub(super) fn doomed_blobs(connection: &Connection, before: Timestamp, limit: u32) -> Result<Vec<BlobId>, Fault> {
    rows::all(connection, statements::DOOMED_BLOBS, params![before.as_micros(), limit], |row| rows::blob_id(row, 0))
}

pub(super) fn upload(connection: &Connection, id: &UploadId) -> Result<Option<(UploadRow, Vec<PieceRow>)>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(upload) = rows::first(&snapshot, statements::UPLOAD, [id.as_bytes()], rows::upload)? else { return Ok(None) };
    let pieces = rows::all(&snapshot, statements::PIECES, [id.as_bytes()], rows::piece)?;
    Ok(Some((upload, pieces)))
}

pub(super) fn upload_by_name(connection: &Connection, name: &SecretDigest) -> Result<Option<UploadEntry>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let upload = rows::first(&snapshot, statements::UPLOAD_BY_NAME, [name.as_bytes()], rows::upload)?;
    upload.map(|upload| entry_of(&snapshot, upload)).transpose()
}

pub(super) fn uploads(
    connection: &Connection,
    tenant: &TenantName,
    after: Option<UploadCursor>,
    limit: u32,
) -> Result<Vec<UploadEntry>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let (created_at, id) = after.map_or((i64::MIN, [0; 16]), |after| (after.created_at.as_micros(), *after.id.as_bytes()));
    let values = params![tenant.as_str(), created_at, id, limit];
    let uploads = rows::all(&snapshot, statements::UPLOADS, values, rows::upload)?;
    uploads.into_iter().map(|upload| entry_of(&snapshot, upload)).collect()
}

fn entry_of(snapshot: &Connection, upload: UploadRow) -> Result<UploadEntry, Fault> {
    let (n_pieces, received_bytes) = received(snapshot, &upload.id)?;
    Ok(UploadEntry { upload, n_pieces, received_bytes })
}

/// How many pieces of an upload are there, and how many bytes they have.
pub(super) fn received(connection: &Connection, id: &UploadId) -> Result<(u64, u64), Fault> {
    let counted = rows::first(connection, statements::RECEIVED, [id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(counted.unwrap_or_default())
}

/// The state of a grant's ledger, as JSON.
pub(super) fn ledger_state(connection: &Connection, grant: &GrantKey) -> Result<Option<String>, Fault> {
    let values = params![grant.tenant.as_str(), signing_key(grant), grant.link_id.as_bytes()];
    rows::first(connection, statements::LEDGER, values, |row| Ok(row.get(0)?))
}

/// The link form has no signing key; a primary key has no room for nothing.
pub(super) fn signing_key(grant: &GrantKey) -> &str {
    grant.signing_key.as_ref().map_or("", |key| key.as_str())
}

/// What is wrong with the file: nothing, where it is sound.
pub(super) fn integrity_faults(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut faults = rows::all(connection, "PRAGMA integrity_check", [], |row| Ok(row.get::<_, String>(0)?))?;
    faults.retain(|line| line != "ok");
    let orphans = rows::all(connection, "PRAGMA foreign_key_check", [], |row| {
        Ok(format!("a row of `{}` refers to a row of `{}` that is not there", rows::text(row, 0)?, rows::text(row, 2)?))
    })?;
    faults.extend(orphans);
    Ok(faults)
}
