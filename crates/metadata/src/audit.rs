//! What the audit holds: entries as they are handed in, rows as they lie in a chain, checkpoints that seal them.
//!
//! Each tenant has a chain of its own, and one more is the installation's. A row is hashed with the hash of the row before it:
//!
//! ```text
//! hash = SHA-256 of the canonical JSON (RFC 8785) of {"chain", "prev", "row", "seq", "v": 1}
//! ```
//!
//! so that whoever has the rows can tell that none was removed, changed or moved. What tells of a person (address, user agent,
//! label) stands in the row as a salted digest; the values lie beside it, and can be erased without touching the chain.

use crate::MetadataError;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use valetkey_model::{Action, ApiKeyId, BucketName, LinkId, NameError, ObjectKey, Outcome, SessionId, TenantName, Timestamp};

/// How rows and checkpoints are written; part of what is hashed and signed.
const VERSION: u8 = 1;
/// The hash before the first row.
pub const GENESIS: [u8; 32] = [0; 32];
/// After so many rows of a chain a checkpoint is made, without being asked for.
pub const ROWS_PER_CHECKPOINT: u64 = 1_000;

/// A chain of rows: a tenant's, or the installation's, as one writer makes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuditChain(String);

impl AuditChain {
    /// The one of a tenant; of `None`, the installation's own.
    pub fn of(tenant: Option<&TenantName>) -> Self {
        // No tenant's name is empty or holds `/`. Behind it stands the writer, of which SQLite has one.
        Self(format!("{}/1", tenant.map_or("", TenantName::as_str)))
    }

    /// The chain of this name.
    pub fn parse(text: &str) -> Option<Self> {
        let chain = Self(text.to_owned());
        let is_one = text.ends_with("/1") && chain.tenant().is_ok();
        is_one.then_some(chain)
    }

    /// Whose it is; `None` is the installation's.
    pub(crate) fn tenant(&self) -> Result<Option<TenantName>, NameError> {
        match self.0.rsplit_once('/').map_or("", |(tenant, _)| tenant) {
            "" => Ok(None),
            tenant => tenant.parse().map(Some),
        }
    }

    /// As it stands in rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text about a person, and the salt with which its digest stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// Random.
    pub salt: [u8; 16],
    /// The text.
    pub value: String,
}

impl Personal {
    /// What stands in the chain: SHA-256 of salt and text, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex(&Sha256::new().chain_update(self.salt).chain_update(self.value.as_bytes()).finalize())
    }
}

/// What is said of an act. The store adds when it was recorded, and, where the act's own outcome decides, what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose act it was, or on whose behalf; `None` goes to the installation's chain.
    pub tenant: Option<TenantName>,
    /// What was done.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// The API key that did it, or in whose name the URL was issued.
    pub principal: Option<ApiKeyId>,
    /// The bucket it was done to or in.
    pub bucket: Option<BucketName>,
    /// The object it was done to.
    pub key: Option<ObjectKey>,
    /// The URL it was done with or to.
    pub link_id: Option<LinkId>,
    /// The session of a limited grant.
    pub session: Option<SessionId>,
    /// What else it was done to: the id of an API key or a signing key, a tenant's name.
    pub subject: Option<String>,
    /// What else there is to say, for people.
    pub detail: Option<String>,
    /// How many requests the row stands for.
    pub n_requests: u64,
    /// How many bytes of objects were sent, or stored.
    pub bytes: u64,
    /// When the first and the last of several requests came.
    pub between: Option<(Timestamp, Timestamp)>,
    /// From where it was done.
    pub address: Option<Personal>,
    /// With which program.
    pub user_agent: Option<Personal>,
    /// The label of the URL.
    pub label: Option<Personal>,
}

impl AuditEntry {
    /// An act that was done, of which nothing else is said yet.
    pub fn new(tenant: Option<TenantName>, action: Action) -> Self {
        Self {
            tenant,
            action,
            outcome: Outcome::Done,
            principal: None,
            bucket: None,
            key: None,
            link_id: None,
            session: None,
            subject: None,
            detail: None,
            n_requests: 0,
            bytes: 0,
            between: None,
            address: None,
            user_agent: None,
            label: None,
        }
    }

    /// The row in canonical JSON, recorded at this instant.
    pub(crate) fn to_json(&self, at: Timestamp) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Row {
            action: self.action.as_str(),
            address: self.address.as_ref().map(Personal::digest),
            at: at.rfc3339(),
            bucket: self.bucket.as_ref().map(BucketName::as_str),
            bytes: (self.bytes > 0).then_some(self.bytes),
            detail: self.detail.as_deref(),
            first_at: self.between.map(|(first, _)| first.rfc3339()),
            key: self.key.as_ref().map(ObjectKey::as_str),
            label: self.label.as_ref().map(Personal::digest),
            last_at: self.between.map(|(_, last)| last.rfc3339()),
            link_id: self.link_id,
            n_requests: (self.n_requests > 0).then_some(self.n_requests),
            outcome: self.outcome.code(),
            principal: self.principal.as_ref().map(ApiKeyId::as_str),
            session: self.session,
            subject: self.subject.as_deref(),
            user_agent: self.user_agent.as_ref().map(Personal::digest),
        })
    }
}

/// A row's own fields, in the order of canonical JSON: by name. Absent is what there is nothing to say of; nought is left out.
#[derive(Serialize)]
struct Row<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_id: Option<LinkId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_requests: Option<u64>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// The hash of a row: `row` is its canonical JSON.
pub fn row_hash(chain: &str, seq: u64, prev: &[u8; 32], row: &str) -> [u8; 32] {
    // A chain's name needs no escapes: names of tenants are letters, digits, `-`, `_` and `.`.
    let text = format!(r#"{{"chain":"{chain}","prev":"{}","row":{row},"seq":{seq},"v":{VERSION}}}"#, hex(prev));
    Sha256::digest(text.as_bytes()).into()
}

/// A row as it lies in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place in the chain, from 1, without gaps.
    pub seq: u64,
    /// The hash of the row before it; of the first, [`GENESIS`].
    pub prev: [u8; 32],
    /// Its own, by [`row_hash`].
    pub hash: [u8; 32],
    /// What is said, as canonical JSON.
    pub json: String,
    /// What was not erased of what tells of a person, by the field's name: `address`, `user_agent`, `label`.
    pub personal: BTreeMap<&'static str, Personal>,
}

/// What seals a chain up to a row: signed with the audit key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// The chain.
    pub chain: AuditChain,
    /// The row.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The row's hash.
    pub hash: [u8; 32],
    /// The audit key.
    pub key_id: String,
    /// Its signature over [`AuditCheckpoint::message`].
    pub signature: [u8; 64],
}

impl AuditCheckpoint {
    /// What is signed: the canonical JSON of `{"at", "chain", "hash", "key_id", "seq", "v": 1}`.
    pub fn message(chain: &str, seq: u64, at: &str, hash: &str, key_id: &str) -> String {
        format!(r#"{{"at":"{at}","chain":"{chain}","hash":"{hash}","key_id":"{key_id}","seq":{seq},"v":{VERSION}}}"#)
    }

    /// One made by this sealer.
    pub(crate) fn made_by(sealer: &dyn AuditSealer, chain: AuditChain, seq: u64, hash: [u8; 32], at: Timestamp) -> Self {
        let key_id = sealer.key_id().to_owned();
        let message = Self::message(chain.as_str(), seq, &at.rfc3339(), &hex(&hash), &key_id);
        Self { signature: sealer.seal(message.as_bytes()), chain, seq, at, hash, key_id }
    }
}

/// Signs checkpoints.
pub trait AuditSealer: Send + Sync {
    /// The id of its key: letters, digits and `-`.
    fn key_id(&self) -> &str;
    /// The Ed25519 signature of this message.
    fn seal(&self, message: &[u8]) -> [u8; 64];
}

/// A key that signs checkpoints, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKeyRow {
    /// Its id.
    pub id: String,
    /// The public half.
    pub public: [u8; 32],
    /// The private half, sealed under the master key.
    pub sealed_secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which rows are asked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// In this bucket.
    pub bucket: Option<BucketName>,
    /// Of objects of this key; quick together with its bucket.
    pub key: Option<ObjectKey>,
    /// Of this URL.
    pub link_id: Option<LinkId>,
    /// By this API key, or in its name.
    pub principal: Option<ApiKeyId>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Recorded at this instant or later.
    pub since: Option<Timestamp>,
    /// Recorded before this instant.
    pub until: Option<Timestamp>,
}

/// A page of rows, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The rows.
    pub rows: Vec<AuditRow>,
    /// Before which row the next page begins; `None` on the last one.
    pub next: Option<u64>,
}

/// Part of a chain, in its order, for whoever checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditStretch {
    /// The rows.
    pub rows: Vec<AuditRow>,
    /// The checkpoints after where it begins and up to its last row, or, if it is the last stretch, all that come.
    pub checkpoints: Vec<AuditCheckpoint>,
    /// Whether there is more.
    pub more: bool,
}

/// What is to be erased of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// This client address, as rows have it.
    Address(String),
    /// This user agent.
    UserAgent(String),
    /// This label.
    Label(String),
}

impl Erasure {
    /// The name of the field.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::UserAgent(_) => "user_agent",
            Self::Label(_) => "label",
        }
    }

    /// The text.
    pub fn value(&self) -> &str {
        match self {
            Self::Address(value) | Self::UserAgent(value) | Self::Label(value) => value,
        }
    }
}

/// What one step of an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many rows it was erased from.
    pub n_rows: u64,
    /// After which row to go on; `None` at the end of the chain.
    pub next: Option<u64>,
}

/// How the audit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditState {
    /// How many rows were appended, in all chains.
    pub n_rows: u64,
    /// How many of them no checkpoint seals yet.
    pub n_unsealed: u64,
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Four bits are below sixteen.
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A row cannot be written as JSON: never, of what it is made of.
pub(crate) fn unwritable(error: &serde_json::Error) -> MetadataError {
    MetadataError::Corrupt { detail: format!("an audit row cannot be written as JSON: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_canonical_json() {
        let personal = |value: &str| Some(Personal { salt: [7; 16], value: value.to_owned() });
        let at = Timestamp::from_seconds(1_800_000_000);
        let entry = AuditEntry {
            principal: Some("cid".parse().unwrap()),
            bucket: Some("reports".parse().unwrap()),
            key: Some("q3/ü\"\u{7f}\n\u{1}😀".parse().unwrap()),
            link_id: Some(LinkId::from_bytes([1; 16])),
            session: Some(SessionId::from_bytes([2; 16])),
            subject: Some("key-1".to_owned()),
            detail: Some("disabled".to_owned()),
            n_requests: 3,
            bytes: 1 << 40,
            between: Some((at, at)),
            address: personal("192.0.2.1"),
            user_agent: personal("curl/8"),
            label: personal("Q3"),
            ..AuditEntry::new(Some("acme".parse().unwrap()), Action::UrlRedeem)
        };
        let json = entry.to_json(at).unwrap();
        // A map of serde_json sorts by name, and its writer escapes as RFC 8785 does; numbers are whole.
        let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&sorted).unwrap(), json);
        assert_eq!(sorted.len(), 17);
        assert!(json.contains(r#""key":"q3/ü\""#) && json.contains(r"\n\u0001😀"), "{json}");
        let bare = AuditEntry::new(None, Action::AuditDrop).to_json(at).unwrap();
        assert_eq!(bare, r#"{"action":"audit.drop","at":"2027-01-15T08:00:00.000000Z","outcome":"done"}"#);
    }

    #[test]
    fn a_hash_is_of_everything() {
        // The same as by `sha256sum`.
        let text = r#"{"chain":"acme/1","prev":"0000000000000000000000000000000000000000000000000000000000000000","row":{},"seq":1,"v":1}"#;
        let hash = row_hash("acme/1", 1, &GENESIS, "{}");
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
        for other in [
            row_hash("other/1", 1, &GENESIS, "{}"),
            row_hash("acme/1", 2, &GENESIS, "{}"),
            row_hash("acme/1", 1, &[1; 32], "{}"),
            row_hash("acme/1", 1, &GENESIS, r#"{"a":1}"#),
        ] {
            assert_ne!(hash, other);
        }
    }
}
