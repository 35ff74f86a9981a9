//! Between the wire and the audit.

use crate::wire::audit::{AuditEventBody, AuditKeyBody, AuditRowBody, ErasureBody, PersonalBody};
use serde_json::json;
use std::fmt::Write as _;
use std::net::IpAddr;
use valetkey_service::audit::{AuditKey, hex, verify};
use valetkey_service::{AuditChain, AuditRow, AuditStretch, Erasure, ServiceError};

pub(crate) fn row_body(row: &AuditRow) -> Result<AuditRowBody, ServiceError> {
    let event: AuditEventBody =
        serde_json::from_str(&row.json).map_err(|error| ServiceError::Unavailable { source: Box::new(error) })?;
    let personal = row.personal.iter().map(|(field, personal)| {
        let salt = hex(&personal.salt);
        (*field, PersonalBody { salt, value: personal.value.clone() })
    });
    Ok(AuditRowBody { seq: row.seq, prev: hex(&row.prev), hash: hex(&row.hash), row: event, personal: personal.collect() })
}

pub(crate) fn key_body(key: AuditKey) -> AuditKeyBody {
    AuditKeyBody { id: key.id, public: key.public, created_at: key.created_at.rfc3339() }
}

/// As rows have it: an address in its shortest spelling.
pub(crate) fn erasure(body: ErasureBody) -> Erasure {
    match body {
        ErasureBody::Address(text) => {
            Erasure::Address(text.parse::<IpAddr>().map(|address| address.to_canonical().to_string()).unwrap_or(text))
        }
        ErasureBody::UserAgent(text) => Erasure::UserAgent(text),
        ErasureBody::Label(text) => Erasure::Label(text),
    }
}

/// The first line of an export.
pub(crate) fn head_line(chain: &AuditChain, keys: &[AuditKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| json!({"id": key.id, "public": key.public})).collect();
    format!("{}\n", json!({"type": "head", "format": verify::FORMAT, "chain": chain.as_str(), "keys": keys}))
}

/// The last one.
pub(crate) const END_LINE: &str = "{\"type\":\"end\"}\n";

/// The lines of part of a chain: each checkpoint behind the row that it seals.
pub(crate) fn lines(chain: &AuditChain, stretch: &AuditStretch) -> String {
    let mut text = String::new();
    let mut checkpoints = stretch.checkpoints.iter().peekable();
    let mut seal = |text: &mut String, up_to: u64| {
        while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.seq <= up_to) {
            let line = json!({
                "type": "checkpoint", "chain": chain.as_str(), "seq": checkpoint.seq, "at": checkpoint.at.rfc3339(),
                "hash": hex(&checkpoint.hash), "key_id": checkpoint.key_id, "signature": hex(&checkpoint.signature),
            });
            let _ = writeln!(text, "{line}");
        }
    };
    for row in &stretch.rows {
        seal(&mut text, row.seq - 1);
        let personal: serde_json::Map<_, _> = row
            .personal
            .iter()
            .map(|(field, personal)| ((*field).to_owned(), json!({"salt": hex(&personal.salt), "value": personal.value})))
            .collect();
        // The row is JSON as it lies in the store. Writing to a text does not fail.
        let _ = writeln!(
            text,
            r#"{{"type":"row","chain":"{}","seq":{},"prev":"{}","hash":"{}","row":{},"personal":{}}}"#,
            chain.as_str(),
            row.seq,
            hex(&row.prev),
            hex(&row.hash),
            row.json,
            serde_json::Value::Object(personal),
        );
        seal(&mut text, row.seq);
    }
    seal(&mut text, u64::MAX);
    text
}
