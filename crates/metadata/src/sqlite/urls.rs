//! Issued URLs, and revocations: rows, reads and writes.

use super::fault::Fault;
use super::{reads, rows};
use crate::{
    GrantKey, Guard, RevocationRow, Taken, UrlCursor, UrlEntry, UrlMarks, UrlRow, UrlTarget, UrlTouch, UrlsOf, prefixes_of,
    statements,
};
use rusqlite::{Connection, Row, params};
use valetkey_model::{BucketName, LinkId, ObjectKey, Permission, TenantName, Timestamp};

/// How a revocation's kind is called in the table.
const LABEL: &str = "label";
const OBJECT: &str = "object";
const PREFIX: &str = "prefix";
const API_KEY: &str = "api-key";
const SIGNING_KEY: &str = "signing-key";
const TENANT: &str = "tenant";

pub(super) fn create_urls(connection: &Connection, urls: &[UrlRow]) -> Result<(), Fault> {
    urls.iter().try_for_each(|url| insert(connection, statements::INSERT_URL_IF_NEW, url).map_err(|fault| fault.if_taken("link")))
}

fn insert(connection: &Connection, text: &str, row: &UrlRow) -> Result<(), Fault> {
    let values = params![
        row.tenant.as_str(),
        row.link_id.as_bytes(),
        row.signing_key.as_ref().map(AsRef::<str>::as_ref),
        row.bucket.as_str(),
        row.target.as_str(),
        matches!(row.target, UrlTarget::Prefix(_)),
        row.permission.as_str(),
        row.uses,
        row.label,
        row.issuer.as_ref().map(AsRef::<str>::as_ref),
        row.issued_at.as_micros(),
        row.not_before.map(Timestamp::as_micros),
        row.expires_at.as_micros(),
        row.n_requests,
        row.last_used_at.map(Timestamp::as_micros),
    ];
    rows::execute(connection, text, values).map(drop)
}

fn url_row(row: &Row<'_>) -> Result<UrlRow, Fault> {
    const PERMISSIONS: [Permission; 3] = [Permission::Read, Permission::Write, Permission::ReadWrite];
    let permission = rows::text(row, 6)?;
    Ok(UrlRow {
        tenant: rows::parsed(row, 0)?,
        link_id: LinkId::from_bytes(row.get(1)?),
        signing_key: rows::optional(row, 2)?,
        bucket: rows::parsed(row, 3)?,
        target: if row.get(5)? { UrlTarget::Prefix(row.get(4)?) } else { UrlTarget::Object(rows::parsed(row, 4)?) },
        permission: PERMISSIONS
            .into_iter()
            .find(|known| known.as_str() == permission)
            .ok_or_else(|| Fault::corrupt(format!("`{permission}` is not a permission")))?,
        uses: row.get(7)?,
        label: row.get(8)?,
        issuer: rows::optional(row, 9)?,
        issued_at: rows::instant(row, 10)?,
        not_before: rows::optional_instant(row, 11)?,
        expires_at: rows::instant(row, 12)?,
        n_requests: row.get(13)?,
        last_used_at: rows::optional_instant(row, 14)?,
    })
}

/// A URL with its ledger, both in one state of the database: the caller sees to that.
fn entry(connection: &Connection, row: &Row<'_>) -> Result<UrlEntry, Fault> {
    let url = url_row(row)?;
    let cursor = UrlCursor { issued_at: url.issued_at, number: row.get(15)?, target: url.target.as_str().to_owned() };
    let ledger = match url.uses {
        Some(_) => {
            let (tenant, signing_key) = (url.tenant.clone(), url.signing_key.clone());
            let state = reads::ledger_state(connection, &GrantKey { tenant, signing_key, link_id: url.link_id })?;
            state.map(|state| rows::from_json("ledger", &state)).transpose()?
        }
        None => None,
    };
    Ok(UrlEntry { url, ledger, cursor })
}

pub(super) fn url(connection: &Connection, tenant: &TenantName, link_id: &LinkId) -> Result<Option<UrlEntry>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let key = params![tenant.as_str(), link_id.as_bytes()];
    rows::first(&snapshot, statements::URL, key, |row| entry(&snapshot, row))
}

pub(super) fn urls(
    connection: &Connection,
    tenant: &TenantName,
    of: &UrlsOf,
    after: Option<&UrlCursor>,
    limit: u32,
) -> Result<Vec<UrlEntry>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let tenant = tenant.as_str();
    let before = after.map_or(i64::MAX, |after| after.number);
    let decode = |row: &Row<'_>| entry(&snapshot, row);
    match of {
        UrlsOf::Tenant => {
            let issued_at = after.map_or(i64::MAX, |after| after.issued_at.as_micros());
            rows::all(&snapshot, statements::URLS_OF_TENANT, params![tenant, issued_at, before, limit], decode)
        }
        UrlsOf::Label(label) => rows::all(&snapshot, statements::URLS_OF_LABEL, params![tenant, label, before, limit], decode),
        UrlsOf::Bucket(bucket) => {
            let (target, number) = after.map_or(("", i64::MIN), |after| (&after.target, after.number));
            let bound = params![tenant, bucket.as_str(), target, number, limit];
            rows::all(&snapshot, statements::URLS_OF_BUCKET, bound, decode)
        }
        UrlsOf::Object(bucket, key) => {
            let bound = params![tenant, bucket.as_str(), key.as_str(), before, limit];
            rows::all(&snapshot, statements::URLS_OF_OBJECT, bound, decode)
        }
    }
}

pub(super) fn touch_urls(connection: &Connection, touches: Vec<UrlTouch>) -> Result<(), Fault> {
    for UrlTouch { tenant, link_id, used_at, n_requests, row } in touches {
        let values = params![n_requests, used_at.as_micros(), tenant.as_str(), link_id.as_bytes()];
        if rows::execute(connection, statements::TOUCH_URL, values)? == 0
            && let Some(row) = row
        {
            let row = UrlRow { n_requests, last_used_at: Some(used_at), ..row };
            insert(connection, statements::INSERT_URL_IF_NEW, &row)?;
        }
    }
    Ok(())
}

/// What names a revocation of more than one URL: kind, bucket and value.
fn named(taken: &Taken) -> Option<(&'static str, &str, &str)> {
    Some(match taken {
        Taken::Link(_) => return None,
        Taken::Label(label) => (LABEL, "", label),
        Taken::Object { bucket, key } => (OBJECT, bucket.as_str(), key.as_str()),
        Taken::Prefix { bucket, prefix } => (PREFIX, bucket.as_str(), prefix),
        Taken::ApiKey(id) => (API_KEY, "", id.as_str()),
        Taken::SigningKey(id) => (SIGNING_KEY, "", id.as_str()),
        Taken::Tenant => (TENANT, "", ""),
    })
}

pub(super) fn revoke(connection: &Connection, revocations: &[RevocationRow]) -> Result<Vec<RevocationRow>, Fault> {
    revocations.iter().map(|row| revoke_one(connection, row)).collect()
}

fn revoke_one(connection: &Connection, row: &RevocationRow) -> Result<RevocationRow, Fault> {
    let tenant = row.tenant.as_str();
    let (revoked_at, forget_at) = (row.revoked_at.as_micros(), row.forget_at.as_micros());
    let now = match (&row.taken, named(&row.taken)) {
        (Taken::Link(link_id), _) => {
            let key = params![tenant, link_id.as_bytes()];
            rows::execute(connection, statements::REVOKE, params![tenant, link_id.as_bytes(), revoked_at, forget_at])?;
            rows::first(connection, statements::REVOCATION, key, revocation)?
        }
        (_, Some((kind, bucket, value))) => {
            let issued_until = row.issued_until.as_micros();
            let values = params![tenant, kind, bucket, value, issued_until, revoked_at, forget_at];
            rows::execute(connection, statements::REVOKE_BROADLY, values)?;
            rows::first(connection, statements::BROAD_REVOCATION, params![tenant, kind, bucket, value], broad_revocation)?
        }
        (_, None) => None,
    };
    now.ok_or_else(|| Fault::corrupt("a revocation that was just recorded is not there".to_owned()))
}

fn revocation(row: &Row<'_>) -> Result<RevocationRow, Fault> {
    Ok(RevocationRow {
        tenant: rows::parsed(row, 0)?,
        taken: Taken::Link(LinkId::from_bytes(row.get(1)?)),
        issued_until: Timestamp::MAX,
        revoked_at: rows::instant(row, 2)?,
        forget_at: rows::instant(row, 3)?,
    })
}

fn broad_revocation(row: &Row<'_>) -> Result<RevocationRow, Fault> {
    let bucket = || rows::parsed(row, 2);
    let taken = match rows::text(row, 1)? {
        LABEL => Taken::Label(row.get(3)?),
        OBJECT => Taken::Object { bucket: bucket()?, key: rows::parsed(row, 3)? },
        PREFIX => Taken::Prefix { bucket: bucket()?, prefix: row.get(3)? },
        API_KEY => Taken::ApiKey(rows::parsed(row, 3)?),
        SIGNING_KEY => Taken::SigningKey(rows::parsed(row, 3)?),
        TENANT => Taken::Tenant,
        // To pass over it would bring URLs back.
        other => return Err(Fault::corrupt(format!("`{other}` is not a kind of revocation"))),
    };
    Ok(RevocationRow {
        tenant: rows::parsed(row, 0)?,
        taken,
        issued_until: rows::instant(row, 4)?,
        revoked_at: rows::instant(row, 5)?,
        forget_at: rows::instant(row, 6)?,
    })
}

/// Those of single URLs come first.
pub(super) fn revocations(
    connection: &Connection,
    now: Timestamp,
    after: Option<&(TenantName, Taken)>,
    limit: u32,
) -> Result<Vec<RevocationRow>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let now = now.as_micros();
    let mut found = match after {
        None => rows::all(&snapshot, statements::REVOCATIONS, params!["", &[][..] as &[u8], now, limit], revocation)?,
        Some((tenant, Taken::Link(link_id))) => {
            let bound = params![tenant.as_str(), link_id.as_bytes(), now, limit];
            rows::all(&snapshot, statements::REVOCATIONS, bound, revocation)?
        }
        Some(_) => Vec::new(),
    };
    let (tenant, (kind, bucket, value)) = match after {
        Some((tenant, taken)) => (named(taken).map_or("", |_| tenant.as_str()), named(taken).unwrap_or_default()),
        None => ("", ("", "", "")),
    };
    let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let bound = params![tenant, kind, bucket, value, now, left];
    found.extend(rows::all(&snapshot, statements::BROAD_REVOCATIONS, bound, broad_revocation)?);
    Ok(found)
}

/// Whether a URL was taken back, in whatever way, as far as it is used for this object.
pub(super) fn is_revoked(
    connection: &Connection,
    guard: &Guard,
    url: &UrlMarks,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Result<bool, Fault> {
    let tenant = guard.tenant.as_str();
    if rows::exists(connection, statements::IS_REVOKED, params![tenant, url.link_id.as_bytes()])? {
        return Ok(true);
    }
    if !rows::exists(connection, statements::HAS_BROAD_REVOCATIONS, [tenant])? {
        return Ok(false);
    }
    let (bucket, key) = (bucket.as_str(), key.as_str());
    let marks = [
        url.label.as_deref().map(|label| (LABEL, "", label)),
        Some((OBJECT, bucket, key)),
        guard.api_key.as_ref().map(|id| (API_KEY, "", id.as_str())),
        url.signing_key.as_ref().map(|id| (SIGNING_KEY, "", id.as_str())),
        Some((TENANT, "", "")),
    ];
    let prefixes = prefixes_of(key).map(|prefix| (PREFIX, bucket, prefix));
    for (kind, bucket, value) in marks.into_iter().flatten().chain(prefixes) {
        let asked = params![tenant, kind, bucket, value, url.issued_at.as_micros()];
        if rows::exists(connection, statements::IS_REVOKED_BROADLY, asked)? {
            return Ok(true);
        }
    }
    Ok(false)
}
