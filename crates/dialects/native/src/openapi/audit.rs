//! The audit.

use super::{Cursor, Limit, api, too_large, too_slow, writing_api};
use crate::wire::audit::{AuditKeysBody, AuditRowsBody, ErasedBody, ErasureBody, OutcomeCode};
use crate::wire::keys::ApiKeyIdText;
use serde_json::json;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use valetkey_http_common::openapi::schemas::{BucketName, Instant, LinkId, ObjectKey};
use valetkey_http_common::openapi::{Answer, HttpMethod, Piece, query};
use valetkey_http_common::schema;

const READ: &[&str] = &["audit:read"];

schema!(
    /// The number of a row.
    Seq = Integer { minimum: Some(0), maximum: Some((1_usize << 53) - 1) }
);

impl PartialSchema for ErasureBody {
    fn schema() -> RefOr<Schema> {
        let one = |field: &str| {
            let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
            let object = ObjectBuilder::new().property(field, text).required(field);
            object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let either = OneOfBuilder::new().item(one("address")).item(one("user_agent")).item(one("label"));
        either.description(Some("What is to be erased of a person: one of the three, whole.")).into()
    }
}

impl ToSchema for ErasureBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("native.Erasure")
    }
}

/// The paths of the audit.
pub(super) fn describe(piece: Piece) -> Piece {
    let list = api(
        "listAudit",
        "Search the audit",
        READ,
        "\
        The tenant's rows, the newest first. Downloads by URLs whose uses are not counted, and refusals, are added up: a row says how \
        many requests it stands for. Not for API keys that are limited to some buckets.",
    )
    .parameters([
        query::<BucketName>("bucket", "Only what was done in this bucket."),
        query::<ObjectKey>("key", "Only what was done to objects of this key."),
        query::<LinkId>("link_id", "Only what was done to or with this URL."),
        query::<ApiKeyIdText>("principal", "Only what this API key did, or what was done with URLs that it issued."),
        query::<OutcomeCode>("outcome", "Only what came to this."),
        query::<Instant>("since", "Only what was recorded then or later."),
        query::<Instant>("until", "Only what was recorded before."),
        query::<Limit>("limit", "How many entries the page has at most."),
        query::<Cursor>("next", "The `next` of an earlier page."),
    ])
    .answer(200, Answer::json::<AuditRowsBody>("A page."));
    let export = api(
        "exportAudit",
        "Export the audit",
        READ,
        "\
        The tenant's chain in its order, as JSON lines of a `type`: `head`, `row`, `checkpoint`, and `end`, without which it is cut off. \
        Enough to prove that no row was removed, changed or moved; `valetkey audit verify` does.",
    )
    .parameters([query::<Seq>("after", "Begin after this row.")])
    .answer(200, Answer::of("application/jsonl", "The lines."));
    let keys = api("listAuditKeys", "List the keys that seal the audit", &[], "Their public halves. No scope is needed.")
        .answer(200, Answer::json::<AuditKeysBody>("The keys."));
    let erase = writing_api(
        "eraseFromAudit",
        "Erase a person from the audit",
        &["admin"],
        "\
        An address, a user agent or a label is forgotten, with its salts, in all rows of the tenant, for good. Digests stay, from which \
        it cannot be found out again, and the chain stays whole.",
    )
    .json::<ErasureBody>("What is to be erased.", true, json!({"address": "192.0.2.1"}))
    .answer(200, Answer::json::<ErasedBody>("It is forgotten."))
    .answers([too_large(), too_slow()]);
    piece
        .get_and_head("/vk/v1/audit", list)
        .get_and_head("/vk/v1/audit/export", export)
        .get_and_head("/vk/v1/audit/keys", keys)
        .operation(HttpMethod::Post, "/vk/v1/audit/erasures", erase)
}
