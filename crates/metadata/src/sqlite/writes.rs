//! What the writer does: each function is one caller's part of a transaction.

use super::fault::Fault;
use super::{reads, rows};
use crate::ledger::Ledger;
use crate::{
    ApiKeyRow, BucketRow, GrantKey, Guard, LinkRow, MetadataError, ObjectRow, PartRow, Publication, PublishCondition,
    PublishError, Published, RevocationRow, SigningKeyRow, Spend, Swept, TenantRow, UploadRow, faults, statements,
};
use rusqlite::{Connection, params};
use valetkey_model::{BlobId, BucketName, FileId, ObjectKey, PutMode, Refusal, SecretDigest, Timestamp, UploadId};

pub(super) fn create_tenant(connection: &Connection, tenant: &TenantRow) -> Result<(), Fault> {
    rows::insert_tenant(connection, statements::INSERT_TENANT, tenant).map_err(|fault| fault.if_taken("tenant"))
}

pub(super) fn create_api_key(connection: &Connection, key: &ApiKeyRow) -> Result<(), Fault> {
    const WHAT: &str = "API key";
    for credential in [Some(key.secret), key.bearer].into_iter().flatten() {
        if rows::exists(connection, statements::CREDENTIAL_TAKEN, [credential.as_bytes()])? {
            return Err(MetadataError::AlreadyExists { what: WHAT }.into());
        }
    }
    rows::insert_api_key(connection, statements::INSERT_API_KEY, key).map_err(|fault| fault.if_taken(WHAT).if_orphan("tenant"))
}

pub(super) fn create_signing_key(connection: &Connection, key: &SigningKeyRow) -> Result<(), Fault> {
    rows::insert_signing_key(connection, statements::INSERT_SIGNING_KEY, key)
        .map_err(|fault| fault.if_taken("signing key").if_orphan("tenant"))
}

pub(super) fn create_bucket(connection: &Connection, bucket: &BucketRow) -> Result<(), Fault> {
    rows::insert_bucket(connection, statements::INSERT_BUCKET, bucket)
        .map_err(|fault| fault.if_taken("bucket").if_orphan("tenant"))
}

pub(super) fn delete_bucket(connection: &Connection, name: &BucketName, now: Timestamp) -> Result<(), Fault> {
    const WHAT: &str = "bucket";
    if rows::exists(connection, statements::BUCKET_HOLDS_LIVE_OBJECT, params![name.as_str(), now.as_micros()])? {
        return Err(MetadataError::NotEmpty { what: WHAT }.into());
    }
    let ended = rows::all(connection, statements::DELETE_OBJECTS_OF_BUCKET, [name.as_str()], |row| rows::blob_id(row, 0))?;
    for blob in ended {
        doom(connection, blob, now)?;
    }
    for upload in rows::all(connection, statements::UPLOADS_OF_BUCKET, [name.as_str()], rows::upload_id)? {
        delete_upload(connection, &upload, None, now)?;
    }
    match rows::execute(connection, statements::DELETE_BUCKET, [name.as_str()])? {
        0 => Err(MetadataError::NotFound { what: WHAT }.into()),
        _ => Ok(()),
    }
}

/// Guard, use, condition, then the changes: in this order, so that a holder learns nothing of an object by a link that was
/// taken back.
pub(super) fn publish(connection: &Connection, publication: Publication) -> Result<Published, PublishError> {
    let now = publication.now;
    let place = params![publication.bucket.as_str(), publication.key.as_str()];
    let stored = rows::first(connection, statements::OBJECT, place, rows::object)?;
    if let Some(object) = stored.as_ref().filter(|object| object.blob == publication.blob) {
        // A try whose answer was lost had happened: to say so again is all that is left, and to doom its blob would lose it.
        return Ok(Published { object: object.clone(), replaced: object.created_at < object.modified_at });
    }
    check_guard(connection, &publication.guard, now)?;
    if let Some(spend) = &publication.spend {
        spend_use(connection, spend)?;
    }
    let live = stored.as_ref().filter(|object| object.expires_at.is_none_or(|expires_at| expires_at > now));
    check_condition(&publication.condition, live)?;
    if rows::exists(connection, statements::BLOB_IS_DOOMED, [publication.blob.as_bytes()]).map_err(PublishError::from)? {
        // It may be deleted at any moment: the upload it came from was thrown away, or its part replaced.
        return Err(MetadataError::NotFound { what: "blob" }.into());
    }
    let replaced = live.is_some();
    let (file_id, created_at) = live.map_or((publication.new_file_id, now), |object| (object.file_id, object.created_at));
    let object = ObjectRow {
        bucket: publication.bucket,
        key: publication.key,
        file_id,
        blob: publication.blob,
        size_bytes: publication.size_bytes,
        content_type: publication.content_type,
        file_name: publication.file_name,
        sha256: publication.sha256,
        sha1: publication.sha1,
        md5: publication.md5,
        created_at,
        modified_at: now,
        expires_at: publication.expires_at,
    };
    rows::upsert_object(connection, statements::UPSERT_OBJECT, &object)
        .map_err(|fault| fault.if_taken("blob").if_orphan("bucket"))?;
    if let Some(stored) = &stored {
        doom(connection, stored.blob, now)?;
    }
    if let Some(upload) = &publication.completes
        && !delete_upload(connection, upload, Some(object.blob), now)?
    {
        return Err(MetadataError::NotFound { what: "upload" }.into());
    }
    Ok(Published { object, replaced })
}

fn check_guard(connection: &Connection, guard: &Guard, now: Timestamp) -> Result<(), PublishError> {
    if let Some(link_id) = &guard.link_id
        && !faults::sabotaged("revocation-ignored")
        && rows::exists(connection, statements::IS_REVOKED, params![guard.tenant.as_str(), link_id.as_bytes()])?
    {
        return Err(PublishError::Refused(Refusal::Revoked));
    }
    if let Some(api_key) = &guard.api_key {
        let values = params![api_key.as_str(), guard.tenant.as_str()];
        let works = rows::first(connection, statements::API_KEY_STATE, values, |row| {
            let (expires_at, disabled_at) = (rows::optional_instant(row, 0)?, rows::optional_instant(row, 1)?);
            Ok(disabled_at.is_none() && expires_at.is_none_or(|expires_at| expires_at > now))
        })?;
        if works != Some(true) {
            return Err(PublishError::Refused(Refusal::IssuerDisabled));
        }
    }
    Ok(())
}

fn spend_use(connection: &Connection, spend: &Spend) -> Result<(), PublishError> {
    if with_ledger(connection, &spend.grant, Some(spend.forget_at), |ledger| ledger.spend(spend.uses.get()))? {
        Ok(())
    } else {
        Err(PublishError::Refused(Refusal::UsedUp))
    }
}

fn check_condition(condition: &PublishCondition, live: Option<&ObjectRow>) -> Result<(), PublishError> {
    let gone = condition.incarnation.is_some_and(|file_id| live.is_none_or(|object| object.file_id != file_id));
    let taken = condition.mode == PutMode::Create && live.is_some();
    let changed = condition.replaces.is_some_and(|blob| live.is_none_or(|object| object.blob != blob));
    match (gone, taken || changed) {
        (true, _) => Err(PublishError::Refused(Refusal::ObjectGone)),
        (false, true) => Err(PublishError::Refused(Refusal::Exists)),
        (false, false) => Ok(()),
    }
}

pub(super) fn delete_object(
    connection: &Connection,
    bucket: &BucketName,
    key: &ObjectKey,
    incarnation: Option<FileId>,
    now: Timestamp,
) -> Result<Option<ObjectRow>, Fault> {
    let place = [bucket.as_str(), key.as_str()];
    let stored = rows::first(connection, statements::OBJECT, place, rows::object)?;
    let Some(object) = stored.filter(|object| incarnation.is_none_or(|file_id| object.file_id == file_id)) else {
        return Ok(None);
    };
    rows::execute(connection, statements::DELETE_OBJECT, place)?;
    doom(connection, object.blob, now)?;
    Ok(Some(object))
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

pub(super) fn revoke(connection: &Connection, revocations: &[RevocationRow]) -> Result<(), Fault> {
    revocations.iter().try_for_each(|row| rows::insert_revocation(connection, statements::REVOKE, row))
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

pub(super) fn create_upload(connection: &Connection, upload: &UploadRow) -> Result<(), Fault> {
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

pub(super) fn put_part(connection: &Connection, part: &PartRow, now: Timestamp) -> Result<(), Fault> {
    if !rows::exists(connection, statements::UPLOAD_EXISTS, [part.upload.as_bytes()])? {
        return Err(MetadataError::NotFound { what: "upload" }.into());
    }
    let place = params![part.upload.as_bytes(), part.number];
    let replaced = rows::first(connection, statements::BLOB_OF_PART, place, |row| rows::blob_id(row, 0))?;
    rows::upsert_part(connection, statements::UPSERT_PART, part).map_err(|fault| fault.if_taken("blob"))?;
    match replaced.filter(|blob| *blob != part.blob) {
        Some(blob) => doom(connection, blob, now),
        None => Ok(()),
    }
}

/// Deletes an upload with its secrets and parts, and dooms the parts' blobs but for `kept`; whether there was one.
pub(super) fn delete_upload(connection: &Connection, id: &UploadId, kept: Option<BlobId>, now: Timestamp) -> Result<bool, Fault> {
    let blobs = rows::all(connection, statements::DELETE_PARTS, [id.as_bytes()], |row| rows::blob_id(row, 0))?;
    for blob in blobs.into_iter().filter(|blob| Some(*blob) != kept) {
        doom(connection, blob, now)?;
    }
    Ok(rows::execute(connection, statements::DELETE_UPLOAD, [id.as_bytes()])? > 0)
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
    n_rows += rows::execute(connection, statements::SWEEP_LEDGERS, bound)?;
    n_rows += rows::execute(connection, statements::SWEEP_REVOCATIONS, bound)?;
    for upload in rows::all(connection, statements::EXPIRED_UPLOADS, bound, rows::upload_id)? {
        n_rows += usize::from(delete_upload(connection, &upload, None, now)?);
    }
    swept.n_rows = n_rows as u64;
    Ok(swept)
}

fn doom(connection: &Connection, blob: BlobId, now: Timestamp) -> Result<(), Fault> {
    rows::execute(connection, statements::DOOM_BLOB, params![blob.as_bytes(), now.as_micros()]).map(drop)
}
