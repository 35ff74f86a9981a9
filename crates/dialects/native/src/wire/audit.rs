//! The JSON of the audit.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::schema;

schema!(
    /// SHA-256, in 64 lower-case hexadecimal digits.
    pub(crate) Hash = String { pattern: Some("^[0-9a-f]{64}$") }
);
schema!(
    /// An outcome, or the code of a refusal.
    pub(crate) OutcomeCode = String { examples: ["delivered"], enum_values: Some(outcomes()) }
);

/// The codes of all outcomes.
fn outcomes() -> Vec<&'static str> {
    valetkey_model::Outcome::all().map(valetkey_model::Outcome::code).collect()
}

/// A page of rows, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::AuditRows)]
pub(crate) struct AuditRowsBody {
    /// The chain that they lie in.
    pub(crate) chain: String,
    /// At most `limit` of them.
    pub(crate) rows: Vec<AuditRowBody>,
    /// The `next` of the request for the page after this one; `null` on the last. Where few rows fit, a page may be empty and not
    /// be the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::AuditRow)]
pub(crate) struct AuditRowBody {
    /// Its place in the chain, from 1, without gaps.
    #[schema(minimum = 1)]
    pub(crate) seq: u64,
    /// The `hash` of the row before it; of the first, zeros.
    #[schema(value_type = Hash)]
    pub(crate) prev: String,
    /// SHA-256 of the canonical JSON (RFC 8785) of `chain`, `prev`, `row`, `seq` and `v`, which is 1.
    #[schema(value_type = Hash)]
    pub(crate) hash: String,
    /// What is said.
    pub(crate) row: AuditEventBody,
    /// What the digests of `address`, `user_agent` and `label` are of, by the field's name, as long as it was not erased.
    pub(crate) personal: BTreeMap<&'static str, PersonalBody>,
}

/// What is said of an act, or of requests that were alike. What there is nothing to say of is left out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = native::AuditEvent)]
pub(crate) struct AuditEventBody {
    /// What was done, such as `url.redeem`.
    pub(crate) action: String,
    /// From where: SHA-256 of salt and text.
    #[schema(value_type = Option<Hash>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// When it was recorded: requests that were counted, at most about a second after the last of them.
    #[schema(value_type = schemas::Instant)]
    pub(crate) at: String,
    /// The bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<String>,
    /// How many bytes of objects were sent, or stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// When the first of the requests came.
    #[schema(value_type = Option<schemas::Instant>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_at: Option<String>,
    /// The object key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The URL's label: SHA-256 of salt and text.
    #[schema(value_type = Option<Hash>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// When the last of the requests came.
    #[schema(value_type = Option<schemas::Instant>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_at: Option<String>,
    /// The URL.
    #[schema(value_type = Option<schemas::LinkId>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_id: Option<String>,
    /// How many requests the row stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n_requests: Option<u64>,
    /// What came of it.
    #[schema(value_type = OutcomeCode)]
    pub(crate) outcome: String,
    /// The API key that did it, or in whose name the URL was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<String>,
    /// The session of a URL whose uses are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// What else it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// With which program: SHA-256 of salt and text.
    #[schema(value_type = Option<Hash>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
}

/// What a digest is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Personal)]
pub(crate) struct PersonalBody {
    /// What comes before it, in hexadecimal digits.
    pub(crate) salt: String,
    /// The text.
    pub(crate) value: String,
}

/// The public halves of the keys that seal the audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::AuditKeys)]
pub(crate) struct AuditKeysBody {
    /// The newest last.
    pub(crate) keys: Vec<AuditKeyBody>,
}

/// The public half of a key that seals the audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::AuditKey)]
pub(crate) struct AuditKeyBody {
    /// Its id, as checkpoints name it.
    pub(crate) id: String,
    /// Its 32 bytes (Ed25519), in hexadecimal digits.
    #[schema(value_type = Hash)]
    pub(crate) public: String,
    /// When it was made.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
}

/// What is to be erased of a person: one of the three.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureBody {
    /// A client address.
    Address(String),
    /// A user agent, whole.
    UserAgent(String),
    /// A label, whole.
    Label(String),
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Erased)]
pub(crate) struct ErasedBody {
    /// From how many rows.
    pub(crate) erased: u64,
}
