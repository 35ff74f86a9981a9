//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::told;
use crate::wire::{ConfirmBody, DeletedBody, DetailBody, DownloadBody, FaultsBody, FileBody, ListBody, UploadBody};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{FileNumber, Problem, Text};
use valetkey_http_common::openapi::{
    API_KEY, Answer, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, path, query, retry_after,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    Datalab's URLs to download files, and what it takes to upload, list and delete them. Numbers in paths and queries are read as the vendor's framework \
    reads them; `docs/datalab.md` says what differs. URLs that it gives out are native ones, which refuse in this API's words.";

schema!(
    /// Seconds, of which a day has 86400.
    Lifetime = Integer { minimum: Some(1), maximum: Some(86_400), default: Some(3600.into()) }
);

schema!(
    /// How many.
    Limit = Integer { minimum: Some(1), maximum: Some(100), default: Some(50.into()) }
);
schema!(
    /// How many.
    Offset = Integer { minimum: Some(0), maximum: Some((1_usize << 53) - 1), default: Some(0.into()) }
);

/// A file to be.
#[derive(ToSchema)]
#[schema(as = datalab::NewFile)]
#[allow(dead_code, reason = "the schema of a body whose fields are read one by one, so that all faults can be told")]
struct NewFileBody {
    /// Its name, of 1 to 1024 bytes.
    #[schema(min_length = 1, max_length = 1024)]
    filename: String,
    /// Its media type, of at most 255 characters of printable ASCII; empty if it is not known.
    #[schema(max_length = 255, pattern = "^[ -~]*$")]
    content_type: String,
}

/// The status that a refusal is told with, also where a token of this vendor's stands in a native URL.
pub fn status_of(refusal: Refusal) -> u16 {
    told(refusal).0.as_u16()
}

/// The vendor's API's piece of the OpenAPI document.
pub fn openapi() -> OpenApi {
    let new = json!({"filename": "scan.pdf", "content_type": "application/pdf"});
    let list = api("datalabListFiles", "List files", "object:read")
        .parameters([
            query::<Limit>("limit", "How many files at most. Of several, the last counts."),
            query::<Offset>("offset", "How many files to leave out, from the newest on. Of several, the last counts."),
        ])
        .answer(200, Answer::json::<ListBody>("The files, the newest first."));
    let upload = api("datalabUpload", "Get a URL to upload a file", "object:create")
        .json::<NewFileBody>("The file.", true, new)
        .answer(200, Answer::json::<UploadBody>("Its ids, and the URL."))
        .answers([unreadable(), too_slow(), too_large(), no_space()]);
    let confirm = api("datalabConfirm", "Say that a file was uploaded", "object:create")
        .parameters([file()])
        .answer(200, Answer::json::<ConfirmBody>("The file is as it is, from now on. Asked again, the answer is the same."))
        .answers([(400, detail("The file has not been uploaded yet").shared_as("datalab.NotUploaded")), not_found(), no_space()]);
    let download = api("datalabDownload", "Get a URL to download a file", "link:issue")
        .parameters([file(), query::<Lifetime>("expires_in", "For how many seconds it works. Of several, the last counts.")])
        .answer(200, Answer::json::<DownloadBody>("The URL. Shown once."))
        .answers([not_found()]);
    let show = api("datalabGetFile", "Look at a file", "object:read")
        .parameters([file()])
        .answer(200, Answer::json::<FileBody>("The file."))
        .answers([not_found()]);
    let delete = api("datalabDeleteFile", "Delete a file", "object:write")
        .parameters([file()])
        .answer(200, Answer::json::<DeletedBody>("It is gone, and every URL to it is dead."))
        .answers([not_found(), no_space()]);
    Piece::new("Datalab", ABOUT)
        .operation(HttpMethod::Get, "/api/v1/files", list)
        .operation(HttpMethod::Post, "/api/v1/files/upload", upload)
        .operation(HttpMethod::Get, "/api/v1/files/{file_id}/confirm", confirm)
        .operation(HttpMethod::Get, "/api/v1/files/{file_id}/download", download)
        .operation(HttpMethod::Get, "/api/v1/files/{file_id}", show)
        .operation(HttpMethod::Delete, "/api/v1/files/{file_id}", delete)
        .finish()
}

fn file() -> Parameter {
    path::<FileNumber>("file_id", "The file's id. The last part of its `reference` will do, too.")
}

/// A call by an API key with this scope.
fn api(id: &str, summary: &str, scope: &str) -> Operation {
    let unauthenticated = detail("There is no API key, or it does not work (any more)");
    Operation::new(id, summary, "").for_holders_of(&[API_KEY, BEARER], &[scope]).answers([
        (401, unauthenticated.with_header::<Text>("WWW-Authenticate", "A scheme to use.").shared_as("datalab.Unauthenticated")),
        (403, detail("The API key may not do this").shared_as("datalab.Forbidden")),
        (422, Answer::json::<FaultsBody>("The request is not as documented").shared_as("datalab.Invalid")),
        (429, retry_after(detail("Too many API keys failed from this address")).shared_as("datalab.TooManyRequests")),
        (503, retry_after(detail("A store does not answer").also::<Problem>(PROBLEM)).shared_as("datalab.Unavailable")),
    ])
}

fn detail(text: &str) -> Answer {
    Answer::json::<DetailBody<'_>>(text)
}

fn not_found() -> (u16, Answer) {
    (404, detail("There is no such file, or none that was confirmed, or it is another tenant's").shared_as("datalab.NotFound"))
}

fn unreadable() -> (u16, Answer) {
    (400, detail("The body is no text, or broke off").shared_as("datalab.Unreadable"))
}

fn too_slow() -> (u16, Answer) {
    (408, detail("The body came too slowly").shared_as("datalab.TooSlow"))
}

fn too_large() -> (u16, Answer) {
    (413, detail("The body has more than 1 MiB").shared_as("datalab.TooLarge"))
}

fn no_space() -> (u16, Answer) {
    (507, detail("The server's disk is full").shared_as("datalab.NoSpace"))
}
