//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::told;
use crate::wire::{ErrorBody, NewRawFilesBody, NewTempUploadsBody, RawFilesBody, SignBody, TempUploadsBody};
use serde_json::json;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{Ignored, Problem, RawFileId, Text};
use valetkey_http_common::openapi::{
    API_KEY, Answer, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, an_object, in_example, path, preflight, query,
    reading, refusals, refusals_of_reading, retry_after,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    Redivis' signed URLs of files, and as much of its tables as it takes to have a file. Scopes are the vendor's words: `data.data` \
    reads and signs, `data.edit` writes, too. `docs/redivis.md` says what differs.";

schema!(
    /// A token that this vendor's API gave out.
    Token = String { examples: ["2D3RhEOhAQWhBEVhcHAtMV"] }
);
schema!(
    /// A table: 1 to 512 bytes. Which one plays no part.
    TableReference = String { examples: ["demo.files:current.docs"], min_length: Some(1), max_length: Some(512), pattern: Some(r"^[^\u0000]+$") }
);

/// The status that a refusal is told with, also where a token of this vendor's stands in a native URL.
pub fn status_of(refusal: Refusal) -> u16 {
    told(refusal).0.as_u16()
}

/// The vendor's API's piece of the OpenAPI document.
pub fn openapi() -> OpenApi {
    let piece = Piece::new("Redivis", ABOUT);
    let piece = files(piece);
    tables(piece).finish()
}

fn files(piece: Piece) -> Piece {
    let token = || {
        in_example(query::<Token>(
            "token",
            "The token. With it, credentials are ignored; without either, only public files are read.",
        ))
    };
    let refused = |status, text: &str| {
        let answer = error(text)
            .with_header::<Text>("X-Redivis-Error-Payload", "The body, percent-encoded: HEAD has no other way to say it.");
        let answer = if status == 503 { answer.also::<Problem>(PROBLEM) } else { answer };
        let answer = if status == 401 { challenge(answer) } else { answer };
        answer.shared_as(&format!("redivis.Download{status}"))
    };
    let told = refusals_of_reading().map(|refusal| {
        let (status, code) = told(refusal);
        (refusal, status.as_u16(), format!("`{code}`: {}", refusal.sentence()))
    });
    let failed = error("`precondition_failed`").shared_as("redivis.PreconditionFailed");
    let unsatisfiable = error("`range_not_satisfiable`").shared_as("redivis.RangeNotSatisfiable");
    let download = Operation::new("redivisGetFile", "Download a file", "\
        With a token the URL is the credential; it reads what its issuer may read, now. Otherwise an access token with `data.data`, \
        or nothing at all for a public file.")
        .for_holders_of(&[BEARER, API_KEY], &["data.data"])
        .also_for_anybody()
        .parameters([file(), token()])
        .parameters(reading())
        .answers(an_object(failed, unsatisfiable))
        .answers(refusals(told, refused));
    let sign = api(
        "redivisSign",
        "Issue a signed URL",
        "data.data",
        "For a public file, no scope is needed. The answer is the URL and nothing else.",
    )
    .parameters([file()])
    .json::<SignBody>("How long it works.", true, json!({"duration": 3600}))
    .answer(200, Answer::of("text/plain", "The URL, as text. Shown once."))
    .answers([not_found()]);
    let allowed = preflight("redivisOptionsOfFile", "`GET, HEAD, OPTIONS`").parameters([path::<Ignored>("fileId", "Any.")]);
    piece
        .get_and_head("/api/v1/rawFiles/{fileId}", download)
        .operation(HttpMethod::Options, "/api/v1/rawFiles/{fileId}", allowed)
        .operation(HttpMethod::Post, "/api/v1/rawFiles/{fileId}/signedUrl", sign)
}

fn tables(piece: Piece) -> Piece {
    let table = || [path::<TableReference>("table", "The table. Any will do.")];
    let reserve = api(
        "redivisCreateTempUploads",
        "Get URLs to upload files",
        "data.edit",
        "\
        The files have their ids from now on, and wait a day for their bytes and for being confirmed.",
    )
    .parameters(table())
    .json::<NewTempUploadsBody>("The files.", true, json!({"tempUploads": [{"size": 7, "name": "a.txt"}]}))
    .answer(200, Answer::json::<TempUploadsBody>("Where they go."))
    .answers([not_found()]);
    let confirm = api("redivisCreateRawFiles", "Make files of uploads", "data.edit", "Asked again, the answer is the same.")
        .parameters(table())
        .json::<NewRawFilesBody>(
            "The uploads.",
            true,
            json!({"files": [{"tempUploadId": "av6k-679w7swaw.5WpGkDlIcXiojRwXzfMLHQ"}]}),
        )
        .answer(201, Answer::json::<RawFilesBody>("The files."))
        .answers([not_found()]);
    piece.operation(HttpMethod::Post, "/api/v1/tables/{table}/tempUploads", reserve).operation(
        HttpMethod::Post,
        "/api/v1/tables/{table}/rawFiles",
        confirm,
    )
}

fn file() -> Parameter {
    path::<RawFileId>("fileId", "The file's id, as this vendor's API has it.")
}

/// A call with a body, by an access token with this scope.
fn api(id: &str, summary: &str, scope: &str, description: &str) -> Operation {
    Operation::new(id, summary, description).for_holders_of(&[BEARER, API_KEY], &[scope]).answers([
        (400, error("`invalid_request`: something is not as documented, or was not uploaded yet").shared_as("redivis.Invalid")),
        (
            401,
            challenge(error("`invalid_token`: there is no access token, or it does not work (any more)"))
                .shared_as("redivis.Unauthenticated"),
        ),
        (
            403,
            error("* `insufficient_scope`: the access token lacks the `scope`\n* `access_denied`: it is limited to other files")
                .shared_as("redivis.Forbidden"),
        ),
        (408, error("`too_slow`").shared_as("redivis.TooSlow")),
        (413, error("`too_large`: the body has more than 1 MiB").shared_as("redivis.TooLarge")),
        (
            429,
            retry_after(error("`too_many_requests`: too many credentials failed from this address"))
                .shared_as("redivis.TooManyRequests"),
        ),
        (
            503,
            retry_after(error("`unavailable`: a store does not answer").also::<Problem>(PROBLEM))
                .shared_as("redivis.Unavailable"),
        ),
        (507, error("`no_space`: the server's disk is full").shared_as("redivis.NoSpace")),
    ])
}

fn error(text: &str) -> Answer {
    Answer::json::<ErrorBody<'_>>(text)
}

fn challenge(answer: Answer) -> Answer {
    answer.with_header::<Text>("WWW-Authenticate", "The scheme to use.")
}

fn not_found() -> (u16, Answer) {
    (404, error("`not_found`: there is no such file, or it is another tenant's").shared_as("redivis.NotFound"))
}
