//! Calls that are to be done once.

use super::fault::Fault;
use super::rows;
use crate::{IdempotentCallKey, IdempotentCallRow, IdempotentCalls, statements};
use rusqlite::{Connection, Row, params};
use valetkey_model::{SecretDigest, Timestamp};

/// Records a call, unless one of this key is remembered at the instant it begins at: then that one.
pub(super) fn begin(connection: &Connection, call: &IdempotentCallRow) -> Result<Option<IdempotentCallRow>, Fault> {
    let IdempotentCallKey { tenant, api_key, digest } = &call.key;
    let key = params![tenant.as_str(), api_key.as_str(), digest.as_bytes()];
    let found = rows::first(connection, statements::IDEMPOTENT_CALL, key, row)?;
    if let Some(found) = found {
        if found.forget_at > call.began_at {
            return Ok(Some(found));
        }
        rows::execute(connection, statements::FORGET_IDEMPOTENT_CALL, key)?;
    }
    let values = params![
        tenant.as_str(),
        api_key.as_str(),
        digest.as_bytes(),
        call.request.as_bytes(),
        call.began_at.as_micros(),
        call.forget_at.as_micros(),
        call.answer,
        n_bytes(call.answer.as_deref()),
    ];
    rows::execute(connection, statements::INSERT_IDEMPOTENT_CALL, values)?;
    Ok(None)
}

/// Keeps the answer to a call; no effect if it is not remembered any more.
pub(super) fn answer(connection: &Connection, key: &IdempotentCallKey, answer: &[u8]) -> Result<(), Fault> {
    let IdempotentCallKey { tenant, api_key, digest } = key;
    let values = params![answer, n_bytes(Some(answer)), tenant.as_str(), api_key.as_str(), digest.as_bytes()];
    rows::execute(connection, statements::ANSWER_IDEMPOTENT_CALL, values).map(drop)
}

pub(super) fn per_tenant(connection: &Connection) -> Result<Vec<IdempotentCalls>, Fault> {
    rows::all(connection, statements::IDEMPOTENT_CALLS, [], |row| {
        Ok(IdempotentCalls { tenant: rows::parsed(row, 0)?, n_calls: row.get(1)?, n_bytes: row.get(2)? })
    })
}

fn n_bytes(answer: Option<&[u8]>) -> i64 {
    i64::try_from(answer.map_or(0, <[u8]>::len)).unwrap_or(i64::MAX)
}

fn row(row: &Row<'_>) -> Result<IdempotentCallRow, Fault> {
    Ok(IdempotentCallRow {
        key: IdempotentCallKey {
            tenant: rows::parsed(row, 0)?,
            api_key: rows::parsed(row, 1)?,
            digest: SecretDigest::from_bytes(row.get(2)?),
        },
        request: SecretDigest::from_bytes(row.get(3)?),
        began_at: Timestamp::from_micros(row.get(4)?),
        forget_at: Timestamp::from_micros(row.get(5)?),
        answer: row.get(6)?,
    })
}
