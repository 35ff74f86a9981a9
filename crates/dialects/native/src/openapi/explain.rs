//! Explaining.

use super::{api, too_large, too_slow};
use crate::wire::explain::{ExplanationBody, QuestionBody};
use serde_json::json;
use valetkey_http_common::openapi::{Answer, HttpMethod, Piece};

/// The path of explanations.
pub(super) fn describe(piece: Piece) -> Piece {
    let explain = api(
        "explain",
        "Explain why a signed URL works or does not",
        &[],
        "\
        Tries a URL of any of the APIs without using it: nothing is spent, and no download begins. Takes one of the scopes `link:issue`, \
        `link:revoke` and `audit:read`, and the URL must be the tenant's: issued by it, or signed with a key of its own, for a bucket of \
        its own that the API key may use, or for reading from a public one. Of every other URL, and of what is none, the same is told.",
    )
    .json::<QuestionBody>("The URL.", true, json!({"url": "https://files.example.org/o/reports/q3.pdf?cat=2D3RhEOhAQWhBEVhcHAtMV"}))
    .answer(200, Answer::json::<ExplanationBody>("What would come of it."))
    .answers([too_large(), too_slow()]);
    piece.operation(HttpMethod::Post, "/vk/v1/explain", explain)
}
