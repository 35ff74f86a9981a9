//! The audit's rows: appended by the writer at the end of a batch, read in pages, sealed, erased from, dropped.

use super::fault::Fault;
use super::rows;
use crate::audit::{GENESIS, ROWS_PER_CHECKPOINT, row_hash, unwritable};
use crate::{
    AuditChain, AuditCheckpoint, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditRow, AuditSealer, AuditState,
    AuditStretch, Erased, Erasure, Personal, faults, statements,
};
use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use valetkey_model::{Action, ApiKeyId, BucketName, LinkId, ObjectKey, TenantName, Timestamp};

/// How many rows a page of a query passes over that do not fit, where no index leads to those that do.
const MAX_PASSED_OVER: u64 = 20_000;
/// References are kept apart for so many rows: 2 to the power of this.
const PART_BITS: u32 = 16;
/// How many parts a page of a query looks into.
const MAX_PARTS: u64 = 1_000;
/// How many chains one call seals.
const CHAINS_AT_ONCE: u32 = 1_000;

/// Where a chain ends.
struct Head {
    seq: u64,
    hash: [u8; 32],
    sealed_seq: u64,
}

/// Appends these, each to its chain, and seals chains that have grown long enough; gives the checkpoints. The instant is that of
/// the batch, which never goes back.
pub(super) fn append(
    connection: &Connection,
    sealer: Option<&dyn AuditSealer>,
    entries: &[AuditEntry],
    at: Timestamp,
) -> Result<Vec<AuditCheckpoint>, Fault> {
    let mut heads: BTreeMap<AuditChain, Head> = BTreeMap::new();
    let mut checkpoints = Vec::new();
    for entry in entries {
        if faults::sabotaged("audit-skipped") {
            continue;
        }
        let (chain, head) = match heads.entry(AuditChain::of(entry.tenant.as_ref())) {
            Entry::Occupied(found) => (found.key().clone(), found.into_mut()),
            Entry::Vacant(place) => {
                let chain = place.key().clone();
                let head = head(connection, &chain)?;
                (chain, place.insert(head))
            }
        };
        insert(connection, &chain, head, entry, at)?;
        if let Some(sealer) = sealer.filter(|_| head.seq - head.sealed_seq >= ROWS_PER_CHECKPOINT) {
            let checkpoint = AuditCheckpoint::made_by(sealer, chain, head.seq, head.hash, at);
            insert_checkpoint(connection, &checkpoint)?;
            head.sealed_seq = head.seq;
            checkpoints.push(checkpoint);
        }
    }
    for (chain, head) in heads {
        let values = params![chain.as_str(), head.seq, head.hash, head.sealed_seq];
        rows::execute(connection, statements::PUT_AUDIT_HEAD, values)?;
    }
    Ok(checkpoints)
}

fn head(connection: &Connection, chain: &AuditChain) -> Result<Head, Fault> {
    let found = rows::first(connection, statements::AUDIT_HEAD, [chain.as_str()], |row| {
        Ok(Head { seq: row.get(0)?, hash: row.get(1)?, sealed_seq: row.get(2)? })
    })?;
    Ok(found.unwrap_or(Head { seq: 0, hash: GENESIS, sealed_seq: 0 }))
}

fn insert(connection: &Connection, chain: &AuditChain, head: &mut Head, entry: &AuditEntry, at: Timestamp) -> Result<(), Fault> {
    let body = entry.to_json(at).map_err(|error| unwritable(&error))?;
    let (seq, prev) = (head.seq + 1, head.hash);
    let linked = if faults::sabotaged("chain-unlinked") { GENESIS } else { prev };
    let hash = row_hash(chain.as_str(), seq, &linked, &body);
    let values = params![
        chain.as_str(),
        seq,
        at.as_micros(),
        entry.outcome.code(),
        entry.principal.as_ref().map(ApiKeyId::as_str),
        entry.bucket.as_ref().map(BucketName::as_str),
        entry.key.as_ref().map(ObjectKey::as_str),
        entry.link_id.as_ref().map(LinkId::as_bytes),
        body,
        linked,
        hash,
    ];
    rows::execute(connection, statements::INSERT_AUDIT_ROW, values)?;
    if entry.address.is_some() || entry.user_agent.is_some() || entry.label.is_some() {
        let (address, address_salt) = value_and_salt(entry.address.as_ref());
        let (user_agent, user_agent_salt) = value_and_salt(entry.user_agent.as_ref());
        let (label, label_salt) = value_and_salt(entry.label.as_ref());
        let values = params![chain.as_str(), seq, address, address_salt, user_agent, user_agent_salt, label, label_salt];
        rows::execute(connection, statements::INSERT_AUDIT_PERSONAL, values)?;
    }
    (head.seq, head.hash) = (seq, hash);
    Ok(())
}

fn value_and_salt(personal: Option<&Personal>) -> (Option<&str>, Option<[u8; 16]>) {
    personal.map(|personal| (personal.value.as_str(), personal.salt)).unzip()
}

/// Seals every chain that has grown since its last checkpoint, as many as one call may.
pub(super) fn seal(connection: &Connection, sealer: &dyn AuditSealer, at: Timestamp) -> Result<Vec<AuditCheckpoint>, Fault> {
    let unsealed = rows::all(connection, statements::UNSEALED_AUDIT_CHAINS, [CHAINS_AT_ONCE], |row| {
        Ok((chain_in(row, 0)?, row.get(1)?, row.get(2)?))
    })?;
    let made = unsealed.into_iter().map(|(chain, seq, hash)| AuditCheckpoint::made_by(sealer, chain, seq, hash, at));
    let checkpoints: Vec<_> = made.collect();
    for checkpoint in &checkpoints {
        insert_checkpoint(connection, checkpoint)?;
        rows::execute(connection, statements::SET_AUDIT_SEALED, params![checkpoint.seq, checkpoint.chain.as_str()])?;
    }
    Ok(checkpoints)
}

fn insert_checkpoint(connection: &Connection, checkpoint: &AuditCheckpoint) -> Result<(), Fault> {
    let AuditCheckpoint { chain, seq, at, hash, key_id, signature } = checkpoint;
    let values = params![chain.as_str(), seq, at.as_micros(), hash, key_id, signature.as_slice()];
    rows::execute(connection, statements::INSERT_AUDIT_CHECKPOINT, values).map(drop)
}

/// A page of a chain's rows before the row `before`, the newest first.
pub(super) fn page(
    connection: &Connection,
    chain: &AuditChain,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<AuditPage, Fault> {
    let connection = connection.unchecked_transaction()?;
    let Some(Bounds { last, dropped, indexed }) = bounds(&connection, chain)? else { return Ok(AuditPage::default()) };
    let end = match filter.until {
        Some(until) => first_at(&connection, chain, until, dropped, last)?,
        None => last + 1,
    };
    let end = before.map_or(end, |before| before.min(end));
    let start = match filter.since {
        Some(since) => first_at(&connection, chain, since, dropped, last)?,
        None => dropped + 1,
    };
    let target = match (&filter.link_id, &filter.bucket, &filter.key) {
        (Some(link_id), _, _) => Some(target_of_link(link_id.as_bytes())),
        (None, Some(bucket), Some(key)) => Some(target_of_object(bucket.as_str(), key.as_str())),
        _ => None,
    };
    let one_more = u64::from(limit) + 1;
    // What the references know is found by them; the newest rows, and all of them if nothing leads to those that fit, are looked at.
    let looked_at_from = if target.is_some() { start.max(indexed + 1) } else { start };
    let mut from = looked_at_from.max(end.saturating_sub(MAX_PASSED_OVER));
    let mut rows = found(&connection, chain, filter, from..end, None, one_more)?;
    if let Some(target) = target
        && from == looked_at_from
        && (rows.len() as u64) < one_more
    {
        let known = end.min(indexed + 1);
        from = start.max(known.saturating_sub(MAX_PARTS << PART_BITS));
        for part in (part(from)..=part(known)).rev() {
            let left = one_more - rows.len() as u64;
            if left == 0 {
                break;
            }
            rows.append(&mut found(&connection, chain, filter, from..known, Some((part, target)), left)?);
        }
    }
    let more = rows.len() as u64 == one_more;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(|row| row.seq) } else { Some(from).filter(|from| *from > start) };
    Ok(AuditPage { rows, next })
}

/// The rows of a chain that fit, the newest first: of all in the stretch, or of those with this target.
fn found(
    connection: &Connection,
    chain: &AuditChain,
    filter: &AuditFilter,
    stretch: Range<u64>,
    target: Option<(u64, Target)>,
    limit: u64,
) -> Result<Vec<AuditRow>, Fault> {
    let (name, Range { start, end }) = (chain.as_str(), stretch);
    let (outcome, principal) = (filter.outcome.map(|outcome| outcome.code()), filter.principal.as_ref().map(ApiKeyId::as_str));
    let (bucket, key) = (filter.bucket.as_ref().map(BucketName::as_str), filter.key.as_ref().map(ObjectKey::as_str));
    let link_id = filter.link_id.as_ref().map(LinkId::as_bytes);
    match target {
        Some((part, target)) => {
            let values = params![name, end, start, outcome, principal, bucket, key, link_id, part, target, limit];
            rows::all(connection, statements::AUDIT_ROWS_OF_TARGET, values, audit_row)
        }
        None => {
            let values = params![name, end, start, outcome, principal, bucket, key, link_id, limit];
            rows::all(connection, statements::AUDIT_ROWS, values, audit_row)
        }
    }
}

/// What there is of a chain.
struct Bounds {
    /// The last row.
    last: u64,
    /// The last one that was dropped.
    dropped: u64,
    /// The last one that the references know.
    indexed: u64,
}

/// `None` if nothing was ever appended.
fn bounds(connection: &Connection, chain: &AuditChain) -> Result<Option<Bounds>, Fault> {
    rows::first(connection, statements::AUDIT_HEAD, [chain.as_str()], |row| {
        Ok(Bounds { last: row.get(0)?, dropped: row.get(3)?, indexed: row.get(4)? })
    })
}

/// Which part of the references a row's are in.
fn part(seq: u64) -> u64 {
    seq >> PART_BITS
}

/// By what rows are found: a link, or an object.
type Target = [u8; 17];

fn target(kind: u8, value: &[u8]) -> Target {
    let mut target = [kind; 17];
    // Both have 16 bytes.
    target[1..].copy_from_slice(&value[..16]);
    target
}

fn target_of_link(link_id: &[u8; 16]) -> Target {
    target(b'l', link_id)
}

fn target_of_object(bucket: &str, key: &str) -> Target {
    // No bucket's name has a slash. Rows of another object with the same digest are told apart by their columns.
    target(b'o', &Sha256::digest(format!("{bucket}/{key}")))
}

/// A row, and by what it is found.
struct Found {
    seq: u64,
    targets: [Option<Target>; 2],
}

fn targets(row: &Row<'_>) -> Result<Found, Fault> {
    let place: (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
    let link_id: Option<[u8; 16]> = row.get(3)?;
    let object = place.0.zip(place.1).map(|(bucket, key)| target_of_object(&bucket, &key));
    Ok(Found { seq: row.get(0)?, targets: [link_id.as_ref().map(target_of_link), object] })
}

/// Lets rows be found by link and object, which they are not in their own transactions: at most `limit`, the oldest of each
/// chain; how many.
pub(super) fn index(connection: &Connection, limit: u32) -> Result<u64, Fault> {
    let chains = rows::all(connection, statements::UNINDEXED_AUDIT_CHAINS, [CHAINS_AT_ONCE], |row| {
        Ok((chain_in(row, 0)?, row.get::<_, u64>(1)?))
    })?;
    let mut left = limit;
    for (chain, after) in chains {
        let name = chain.as_str();
        let found = rows::all(connection, statements::AUDIT_TARGETS, params![name, after, left], targets)?;
        let Some(last) = found.last().map(|found| found.seq) else { continue };
        left -= found.len() as u32;
        let of_row = |found: &Found| found.targets.map(|target| target.map(|target| (part(found.seq), target, found.seq)));
        let mut references: Vec<_> = found.iter().flat_map(of_row).flatten().collect();
        // In the order of their pages.
        references.sort_unstable();
        for (part, target, seq) in references {
            rows::execute(connection, statements::INSERT_AUDIT_REF, params![name, part, target, seq])?;
        }
        rows::execute(connection, statements::SET_AUDIT_INDEXED, params![last, name])?;
        if left == 0 {
            break;
        }
    }
    Ok(u64::from(limit - left))
}

/// The first row that was recorded at this instant or later; one more than the last if there is none. Rows lie in the order in
/// which they were recorded, without gaps.
fn first_at(connection: &Connection, chain: &AuditChain, at: Timestamp, dropped: u64, last: u64) -> Result<u64, Fault> {
    let (mut from, mut to) = (dropped + 1, last + 1);
    while from < to {
        let middle = from + (to - from) / 2;
        let place = params![chain.as_str(), middle];
        let recorded_at = rows::first(connection, statements::AUDIT_ROW_AT, place, |row| rows::instant(row, 0))?;
        // A row that somebody removed is for the check of the chain to tell.
        if recorded_at.is_some_and(|recorded_at| recorded_at < at) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}

/// The part of a chain after the row `after`.
pub(super) fn stretch(connection: &Connection, chain: &AuditChain, after: u64, limit: u32) -> Result<AuditStretch, Fault> {
    let connection = connection.unchecked_transaction()?;
    let name = chain.as_str();
    let one_more = i64::from(limit) + 1;
    let mut found = rows::all(&connection, statements::AUDIT_STRETCH, params![name, after, one_more], audit_row)?;
    let mut more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let end = match found.last() {
        Some(last) if more => last.seq,
        _ => i64::MAX.unsigned_abs(),
    };
    let values = params![name, after, end, one_more];
    let mut checkpoints = rows::all(&connection, statements::AUDIT_CHECKPOINTS, values, checkpoint)?;
    if checkpoints.len() > limit as usize {
        // Of dropped rows only the checkpoints are left: these alone can be more than fit.
        checkpoints.truncate(limit as usize);
        let end = checkpoints.last().map_or(after, |last| last.seq);
        found.retain(|row| row.seq <= end);
        more = true;
    }
    Ok(AuditStretch { rows: found, checkpoints, more })
}

/// Erases from some of a chain's rows after `after`.
pub(super) fn erase(
    connection: &Connection,
    chain: &AuditChain,
    erasure: &Erasure,
    after: u64,
    limit: u32,
) -> Result<Erased, Fault> {
    let end = rows::first(connection, statements::AUDIT_PERSONAL_END, params![chain.as_str(), after, limit], |row| {
        Ok(row.get::<_, Option<u64>>(0)?)
    })?;
    let Some(end) = end.flatten() else { return Ok(Erased::default()) };
    let text = match erasure {
        Erasure::Address(_) => statements::ERASE_ADDRESS,
        Erasure::UserAgent(_) => statements::ERASE_USER_AGENT,
        Erasure::Label(_) => statements::ERASE_LABEL,
    };
    // What is erased is also overwritten in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    let erased = rows::execute(connection, text, params![chain.as_str(), after, end, erasure.value()]);
    connection.pragma_update(None, "secure_delete", false)?;
    Ok(Erased { n_rows: erased? as u64, next: Some(end) })
}

/// Drops whole segments between checkpoints that were sealed before `before`, at most `limit` of them, and says so in each chain.
pub(super) fn drop_before(
    connection: &Connection,
    record: &mut Vec<AuditEntry>,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Fault> {
    let chains = rows::all(connection, statements::AUDIT_CHAINS_KEPT, [], |row| Ok((chain_in(row, 0)?, row.get::<_, u64>(1)?)))?;
    let (mut n_left, mut n_rows) = (limit, 0);
    for (chain, dropped) in chains {
        let mut end = dropped;
        while n_left > 0 {
            let segment = rows::first(connection, statements::AUDIT_SEGMENT_END, params![chain.as_str(), end], |row| {
                Ok((row.get::<_, u64>(0)?, rows::instant(row, 1)?))
            })?;
            let Some((seq, _)) = segment.filter(|(_, at)| *at < before) else { break };
            (end, n_left) = (seq, n_left - 1);
        }
        if end > dropped {
            let name = chain.as_str();
            n_rows += rows::execute(connection, statements::DROP_AUDIT_ROWS, params![name, end])? as u64;
            rows::execute(connection, statements::DROP_AUDIT_PERSONAL, params![name, end])?;
            // Those of rows beside others that stay lead to nothing.
            rows::execute(connection, statements::DROP_AUDIT_REFS, params![name, part(end + 1)])?;
            rows::execute(connection, statements::SET_AUDIT_DROPPED, params![end, name])?;
            record.push(AuditEntry { subject: Some(end.to_string()), ..AuditEntry::new(tenant_of(&chain)?, Action::AuditDrop) });
        }
    }
    Ok(n_rows)
}

pub(super) fn state(connection: &Connection) -> Result<AuditState, Fault> {
    let state = rows::first(connection, statements::AUDIT_STATE, [], |row| {
        Ok(AuditState { n_rows: row.get(0)?, n_unsealed: row.get(1)? })
    })?;
    Ok(state.unwrap_or_default())
}

pub(super) fn create_key(connection: &Connection, key: &AuditKeyRow) -> Result<(), Fault> {
    let values = params![key.id, key.public, key.sealed_secret, key.created_at.as_micros()];
    rows::execute(connection, statements::INSERT_AUDIT_KEY, values).map(drop).map_err(|fault| fault.if_taken("audit key"))
}

pub(super) fn key(row: &Row<'_>) -> Result<AuditKeyRow, Fault> {
    Ok(AuditKeyRow { id: row.get(0)?, public: row.get(1)?, sealed_secret: row.get(2)?, created_at: rows::instant(row, 3)? })
}

fn audit_row(row: &Row<'_>) -> Result<AuditRow, Fault> {
    let mut personal = BTreeMap::new();
    for (field, value, salt) in [("address", 4, 5), ("user_agent", 6, 7), ("label", 8, 9)] {
        if let (Some(value), Some(salt)) = (row.get(value)?, row.get(salt)?) {
            personal.insert(field, Personal { salt, value });
        }
    }
    Ok(AuditRow { seq: row.get(0)?, prev: row.get(1)?, hash: row.get(2)?, json: row.get(3)?, personal })
}

fn checkpoint(row: &Row<'_>) -> Result<AuditCheckpoint, Fault> {
    Ok(AuditCheckpoint {
        chain: chain_in(row, 0)?,
        seq: row.get(1)?,
        at: rows::instant(row, 2)?,
        hash: row.get(3)?,
        key_id: row.get(4)?,
        signature: row.get(5)?,
    })
}

fn chain_in(row: &Row<'_>, column: usize) -> Result<AuditChain, Fault> {
    let text = rows::text(row, column)?;
    AuditChain::parse(text).ok_or_else(|| Fault::corrupt(format!("`{text}` is not an audit chain")))
}

fn tenant_of(chain: &AuditChain) -> Result<Option<TenantName>, Fault> {
    chain.tenant().map_err(|error| Fault::corrupt(error.to_string()))
}
