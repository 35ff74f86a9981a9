//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::told;
use crate::listing::MEDIA_TYPE;
use crate::wire::{
    DatasetItem, ErrorBody, NewRawFilesBody, NewTableBody, NewTempUploadsBody, RawFilesBody, SignBody, TableItem,
    TempUploadsBody, UserItem,
};
use serde_json::json;
use utoipa::openapi::Required;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{Ignored, Problem, RawFileId, Text};
use valetkey_http_common::openapi::{
    API_KEY, Answer, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, an_object, header, in_example, path, preflight,
    query, reading, refusals, refusals_of_reading, retry_after,
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
    /// A table, dataset or user: 1 to 512 bytes. Versions and reference ids play no part, nor does case.
    TableReference = String { examples: ["demo.files:current.docs"], min_length: Some(1), max_length: Some(512), pattern: Some(r"^[^\u0000]+$") }
);

schema!(
    /// The format of a listing.
    Format = String { enum_values: Some(["arrow"]) }
);
schema!(
    /// The name of a column.
    FileIdVariable = String { enum_values: Some(["file_id"]) }
);
schema!(
    /// The name of a column.
    FileNameVariable = String { enum_values: Some(["file_name"]) }
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
    let table = || [path::<TableReference>("table", "The table. It is there as soon as it is named.")];
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
    let list = reading_api("redivisListRawFiles", "List a table's files", "data.data", "\
        As an [Arrow IPC stream](https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format) with the columns `file_id`, \
        `file_name` (both utf8), `size` (int64), `md5_hash` (utf8: base64) and `added_at` (timestamp in microseconds, UTC), in the order \
        in which they were added. A table in a public bucket anybody may list.")
        .also_for_anybody()
        .parameters(table())
        .parameters([
            required(query::<Format>("format", "The only one there is.")),
            query::<FileIdVariable>("fileIdVariable", "The column with the files' ids: there is one."),
            query::<FileNameVariable>("fileNameVariable", "The column with the files' names: there is one."),
            header::<Text>("If-Modified-Since", "The files are sent only if something has changed since that second, or in it."),
        ])
        .answer(200, since(Answer::of(MEDIA_TYPE, "The files.")))
        .answer(304, since(Answer::empty("Nothing has changed.")));
    let described = "Clients ask for it before they do anything with it.";
    let get_table = reading_api("redivisGetTable", "Get a table", "data.data", described)
        .also_for_anybody()
        .parameters(table())
        .answer(200, Answer::json::<TableItem>("The table."));
    let get_dataset = reading_api("redivisGetDataset", "Get a dataset", "data.metadata", described)
        .parameters([path::<TableReference>("dataset", "The dataset. It is there as soon as it is named.")])
        .answer(200, Answer::json::<DatasetItem>("The dataset."));
    let get_user = reading_api("redivisGetUser", "Get a user", "data.metadata", described)
        .parameters([path::<TableReference>("user", "The user, or `me`.")])
        .answer(200, Answer::json::<UserItem>("The user."));
    let create =
        api("redivisCreateTable", "Create a table", "data.edit", "Nothing is made: a table is there as soon as it is named.")
            .parameters([path::<TableReference>("dataset", "The dataset.")])
            .json::<NewTableBody>("The table.", true, json!({"name": "docs"}))
            .answer(201, Answer::json::<TableItem>("The table."))
            .answers([not_found()]);
    piece
        .operation(HttpMethod::Post, "/api/v1/tables/{table}/tempUploads", reserve)
        .get_and_head("/api/v1/tables/{table}/rawFiles", list)
        .operation(HttpMethod::Post, "/api/v1/tables/{table}/rawFiles", confirm)
        .get_and_head("/api/v1/tables/{table}", get_table)
        .get_and_head("/api/v1/datasets/{dataset}", get_dataset)
        .operation(HttpMethod::Post, "/api/v1/datasets/{dataset}/tables", create)
        .get_and_head("/api/v1/users/{user}", get_user)
}

fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

fn since(answer: Answer) -> Answer {
    answer.may_have_header::<Text>("Last-Modified", "Since when nothing has changed, where that can be told.")
}

fn file() -> Parameter {
    path::<RawFileId>("fileId", "The file's id, as this vendor's API has it.")
}

/// A call without a body, by an access token with this scope. An error that answers HEAD is in its head.
fn reading_api(id: &str, summary: &str, scope: &str, description: &str) -> Operation {
    let told = |answer: Answer| {
        answer.may_have_header::<Text>("X-Redivis-Error-Payload", "The body, percent-encoded: HEAD has no other way to say it.")
    };
    Operation::new(id, summary, description).for_holders_of(&[BEARER, API_KEY], &[scope]).answers([
        (400, told(error("`invalid_request`: something is not as documented")).shared_as("redivis.InvalidReading")),
        (
            401,
            told(challenge(error("`invalid_token`: there is no access token, or it does not work (any more)")))
                .shared_as("redivis.UnauthenticatedReading"),
        ),
        (
            403,
            told(error(
                "* `insufficient_scope`: the access token lacks the `scope`\n* `access_denied`: it is limited to other files",
            ))
            .shared_as("redivis.ForbiddenReading"),
        ),
        (404, told(error("`not_found`: there is nothing of that name")).shared_as("redivis.NotFoundReading")),
        (
            429,
            told(retry_after(error("`too_many_requests`: too many credentials failed from this address")))
                .shared_as("redivis.TooManyReadings"),
        ),
        (
            503,
            told(retry_after(error("`unavailable`: a store does not answer").also::<Problem>(PROBLEM)))
                .shared_as("redivis.UnavailableReading"),
        ),
    ])
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
