//! Rows as types: the columns of each, in the order of `statements`.

use super::fault::Fault;
use crate::{
    ApiKeyRow, BucketRow, FileCursor, LinkRow, ObjectRow, PieceRow, ReservationRow, SigningKeyRow, SigningKeyState, TenantRow,
    UploadLayout, UploadRanges, UploadRow,
};
use rusqlite::{Connection, Params, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;
use valetkey_model::{ApiKeyId, BlobId, FileId, FileNumber, LinkId, Retention, SecretDigest, Timestamp, UploadId};

/// Runs a statement that gives no rows; how many it changed.
pub(super) fn execute(connection: &Connection, text: &str, params: impl Params) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(text)?.execute(params)?)
}

/// The first row, if there is one.
pub(super) fn first<T>(
    connection: &Connection,
    text: &str,
    params: impl Params,
    decode: impl FnOnce(&Row<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut statement = connection.prepare_cached(text)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(decode).transpose()
}

/// Whether there is a row.
pub(super) fn exists(connection: &Connection, text: &str, params: impl Params) -> Result<bool, Fault> {
    Ok(first(connection, text, params, |_| Ok(()))?.is_some())
}

/// Every row.
pub(super) fn all<T>(
    connection: &Connection,
    text: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(text)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

/// A value as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::corrupt(format!("a value cannot be written as JSON: {error}")))
}

/// JSON text as a value.
pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::corrupt(format!("the stored {what} cannot be read: {error}")))
}

pub(super) fn tenant(row: &Row<'_>) -> Result<TenantRow, Fault> {
    Ok(TenantRow { name: parsed(row, 0)?, created_at: instant(row, 1)? })
}

pub(super) fn insert_tenant(connection: &Connection, text: &str, row: &TenantRow) -> Result<(), Fault> {
    execute(connection, text, params![row.name.as_str(), row.created_at.as_micros()]).map(drop)
}

pub(super) fn api_key(row: &Row<'_>) -> Result<ApiKeyRow, Fault> {
    Ok(ApiKeyRow {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        secret: SecretDigest::from_bytes(row.get(2)?),
        bearer: row.get::<_, Option<[u8; 32]>>(3)?.map(SecretDigest::from_bytes),
        scopes: parsed(row, 4)?,
        buckets: from_json("bucket list of an API key", text(row, 5)?)?,
        created_at: instant(row, 6)?,
        expires_at: optional_instant(row, 7)?,
        disabled_at: optional_instant(row, 8)?,
        deleted_at: optional_instant(row, 9)?,
    })
}

pub(super) fn insert_api_key(connection: &Connection, text: &str, row: &ApiKeyRow) -> Result<(), Fault> {
    let values = params![
        row.id.as_str(),
        row.tenant.as_str(),
        row.secret.as_bytes(),
        row.bearer.as_ref().map(SecretDigest::as_bytes),
        row.scopes.to_string(),
        to_json(&row.buckets)?,
        row.created_at.as_micros(),
        row.expires_at.map(Timestamp::as_micros),
        row.disabled_at.map(Timestamp::as_micros),
        row.deleted_at.map(Timestamp::as_micros),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn signing_key(row: &Row<'_>) -> Result<SigningKeyRow, Fault> {
    Ok(SigningKeyRow {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        algorithm: row.get(2)?,
        sealed_secret: row.get(3)?,
        state: {
            let state = text(row, 4)?;
            SigningKeyState::parse(state).ok_or_else(|| Fault::corrupt(format!("`{state}` is not a signing key's state")))?
        },
        owner: optional(row, 5)?,
        max_lifetime_seconds: row.get(6)?,
        created_at: instant(row, 7)?,
        limits: from_json("limits of a signing key", text(row, 8)?)?,
    })
}

pub(super) fn insert_signing_key(connection: &Connection, text: &str, row: &SigningKeyRow) -> Result<(), Fault> {
    let values = params![
        row.id.as_str(),
        row.tenant.as_str(),
        row.algorithm,
        row.sealed_secret,
        row.state.as_str(),
        row.owner.as_ref().map(AsRef::<str>::as_ref),
        row.max_lifetime_seconds,
        row.created_at.as_micros(),
        to_json(&row.limits)?,
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn update_api_key(connection: &Connection, text: &str, row: &ApiKeyRow) -> Result<(), Fault> {
    let values = params![
        row.secret.as_bytes(),
        row.scopes.to_string(),
        to_json(&row.buckets)?,
        row.expires_at.map(Timestamp::as_micros),
        row.disabled_at.map(Timestamp::as_micros),
        row.deleted_at.map(Timestamp::as_micros),
        row.id.as_str(),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn bucket(row: &Row<'_>) -> Result<BucketRow, Fault> {
    const RETENTIONS: [Retention; 3] = [Retention::Persistent, Retention::Transient, Retention::Temporary];
    let retention = text(row, 3)?;
    Ok(BucketRow {
        name: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        region: parsed(row, 2)?,
        retention: RETENTIONS
            .into_iter()
            .find(|known| known.as_str() == retention)
            .ok_or_else(|| Fault::corrupt(format!("`{retention}` is not a retention")))?,
        public: row.get(4)?,
        created_by: optional(row, 5)?,
        created_at: instant(row, 6)?,
    })
}

pub(super) fn insert_bucket(connection: &Connection, text: &str, row: &BucketRow) -> Result<(), Fault> {
    let values = params![
        row.name.as_str(),
        row.tenant.as_str(),
        row.region.as_str(),
        row.retention.as_str(),
        row.public,
        row.created_by.as_ref().map(AsRef::<str>::as_ref),
        row.created_at.as_micros(),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn object(row: &Row<'_>) -> Result<ObjectRow, Fault> {
    Ok(ObjectRow {
        bucket: parsed(row, 0)?,
        key: parsed(row, 1)?,
        file_id: FileId::from_bytes(row.get(2)?),
        blob: blob_id(row, 3)?,
        size_bytes: row.get(4)?,
        content_type: row.get(5)?,
        file_name: row.get(6)?,
        sha256: row.get(7)?,
        sha1: row.get(8)?,
        md5: row.get(9)?,
        created_at: instant(row, 10)?,
        modified_at: instant(row, 11)?,
        expires_at: optional_instant(row, 12)?,
        file_number: file_number(row, 13)?,
        user_metadata: row.get(14)?,
    })
}

pub(super) fn upsert_object(connection: &Connection, text: &str, row: &ObjectRow) -> Result<(), Fault> {
    let values = params![
        row.bucket.as_str(),
        row.key.as_str(),
        row.file_id.as_bytes(),
        row.blob.as_bytes(),
        row.size_bytes,
        row.content_type,
        row.file_name,
        row.sha256,
        row.sha1,
        row.md5,
        row.created_at.as_micros(),
        row.modified_at.as_micros(),
        row.expires_at.map(Timestamp::as_micros),
        row.file_number.get(),
        row.user_metadata,
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn reservation(row: &Row<'_>) -> Result<ReservationRow, Fault> {
    Ok(ReservationRow {
        file_id: FileId::from_bytes(row.get(0)?),
        file_number: file_number(row, 1)?,
        tenant: parsed(row, 2)?,
        bucket: parsed(row, 3)?,
        key: parsed(row, 4)?,
        name: row.get(5)?,
        content_type: row.get(6)?,
        needs_confirmation: row.get(7)?,
        created_by: parsed(row, 8)?,
        created_at: instant(row, 9)?,
        expires_at: instant(row, 10)?,
    })
}

pub(super) fn file_cursor(row: &Row<'_>) -> Result<FileCursor, Fault> {
    Ok(FileCursor { created_at: instant(row, 0)?, number: file_number(row, 1)? })
}

pub(super) fn insert_reservation(connection: &Connection, text: &str, row: &ReservationRow) -> Result<(), Fault> {
    let values = params![
        row.file_id.as_bytes(),
        row.file_number.get(),
        row.tenant.as_str(),
        row.bucket.as_str(),
        row.key.as_str(),
        row.name,
        row.content_type,
        row.needs_confirmation,
        row.created_by.as_str(),
        row.created_at.as_micros(),
        row.expires_at.as_micros(),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn link(row: &Row<'_>) -> Result<LinkRow, Fault> {
    Ok(LinkRow {
        secret: SecretDigest::from_bytes(row.get(0)?),
        tenant: parsed(row, 1)?,
        link_id: LinkId::from_bytes(row.get(2)?),
        bucket: parsed(row, 3)?,
        key: parsed(row, 4)?,
        file_id: row.get::<_, Option<[u8; 16]>>(5)?.map(FileId::from_bytes),
        terms: from_json("terms of a link", text(row, 6)?)?,
        issued_at: instant(row, 7)?,
        not_before: optional_instant(row, 8)?,
        expires_at: instant(row, 9)?,
    })
}

pub(super) fn insert_link(connection: &Connection, text: &str, row: &LinkRow) -> Result<(), Fault> {
    let values = params![
        row.secret.as_bytes(),
        row.tenant.as_str(),
        row.link_id.as_bytes(),
        row.bucket.as_str(),
        row.key.as_str(),
        row.file_id.as_ref().map(FileId::as_bytes),
        to_json(&row.terms)?,
        row.issued_at.as_micros(),
        row.not_before.map(Timestamp::as_micros),
        row.expires_at.as_micros(),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn upload(row: &Row<'_>) -> Result<UploadRow, Fault> {
    Ok(UploadRow {
        id: upload_id(row)?,
        tenant: parsed(row, 1)?,
        bucket: parsed(row, 2)?,
        key: parsed(row, 3)?,
        created_by: optional(row, 4)?,
        created_at: instant(row, 5)?,
        expires_at: instant(row, 6)?,
        layout: match row.get(7)? {
            None => UploadLayout::Parts,
            Some(name) => UploadLayout::Ranges(UploadRanges {
                name: SecretDigest::from_bytes(name),
                holder: row.get::<_, Option<_>>(8)?.map(SecretDigest::from_bytes),
                total_bytes: row.get(9)?,
                content_type: row.get(10)?,
                file_name: row.get(11)?,
                completed_as: row.get::<_, Option<_>>(12)?.map(BlobId::from_bytes),
            }),
        },
    })
}

pub(super) fn upload_and_secret_expiry(row: &Row<'_>) -> Result<(UploadRow, Timestamp), Fault> {
    Ok((upload(row)?, instant(row, 13)?))
}

pub(super) fn insert_upload(connection: &Connection, text: &str, row: &UploadRow) -> Result<(), Fault> {
    let ranges = match &row.layout {
        UploadLayout::Parts => None,
        UploadLayout::Ranges(ranges) => Some(ranges),
    };
    let values = params![
        row.id.as_bytes(),
        row.tenant.as_str(),
        row.bucket.as_str(),
        row.key.as_str(),
        row.created_by.as_ref().map(ApiKeyId::as_str),
        row.created_at.as_micros(),
        row.expires_at.as_micros(),
        ranges.map(|ranges| ranges.name.as_bytes()),
        ranges.and_then(|ranges| ranges.holder.as_ref()).map(SecretDigest::as_bytes),
        ranges.and_then(|ranges| ranges.total_bytes),
        ranges.and_then(|ranges| ranges.content_type.as_deref()),
        ranges.and_then(|ranges| ranges.file_name.as_deref()),
        ranges.and_then(|ranges| ranges.completed_as.as_ref()).map(BlobId::as_bytes),
    ];
    execute(connection, text, values).map(drop)
}

pub(super) fn piece(row: &Row<'_>) -> Result<PieceRow, Fault> {
    Ok(PieceRow {
        upload: upload_id(row)?,
        position: row.get(1)?,
        blob: blob_id(row, 2)?,
        size_bytes: row.get(3)?,
        md5: row.get(4)?,
    })
}

/// Of `INSERT_PIECE` or `UPSERT_PIECE`.
pub(super) fn put_piece(connection: &Connection, text: &str, row: &PieceRow) -> Result<(), Fault> {
    let values = params![row.upload.as_bytes(), row.position, row.blob.as_bytes(), row.size_bytes, row.md5];
    execute(connection, text, values).map(drop)
}

/// The blob id in this column.
pub(super) fn blob_id(row: &Row<'_>, column: usize) -> Result<BlobId, Fault> {
    Ok(BlobId::from_bytes(row.get(column)?))
}

fn file_number(row: &Row<'_>, column: usize) -> Result<FileNumber, Fault> {
    let number = row.get(column)?;
    FileNumber::new(number).ok_or_else(|| Fault::corrupt(format!("`{number}` is not a file's number")))
}

/// The upload id in the first column.
pub(super) fn upload_id(row: &Row<'_>) -> Result<UploadId, Fault> {
    Ok(UploadId::from_bytes(row.get(0)?))
}

/// The instant in this column.
pub(super) fn instant(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_micros(row.get(column)?))
}

/// The instant in this column, if there is one.
pub(super) fn optional_instant(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// The text in this column, parsed as a name.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    text(row, column)?.parse().map_err(|error: T::Err| Fault::corrupt(error.to_string()))
}

/// The text in this column, parsed as a name, if there is one.
pub(super) fn optional<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> Result<Option<T>, Fault> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error: T::Err| Fault::corrupt(error.to_string()))).transpose()
}

/// The text in this column, as it lies in the page.
pub(super) fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str, Fault> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|error| Fault::corrupt(format!("column {column}: {error}")))
}
