//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::row;
use crate::wire::{DeletedAnswer, ErrorBody, FileBody, ListAnswer, UrlAnswer};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{Ignored, Problem, Text};
use valetkey_http_common::openapi::{
    Answer, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, path, preflight, query, required_header, retry_after,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    FlexPortal's secure file URLs, to view, download or upload a file; and its list of files, each to be looked at and deleted. Pages of any origin may call. URLs that it gives out are native \
    ones, which refuse in this API's words. `docs/flexportal.md` says what differs.";

schema!(
    /// A tenant's name.
    Tenant = String { examples: ["tenant-1"] }
);
schema!(
    /// Show or save.
    ReadAction = String { enum_values: Some(["view", "download"]), default: Some("view".into()) }
);
schema!(
    /// Upload.
    UploadAction = String { enum_values: Some(["upload"]) }
);
schema!(
    /// A media type; empty where it is not known.
    MediaType = String {
        examples: ["application/pdf"],
        max_length: Some(255),
        pattern: Some("^([A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+)?$"),
    }
);

schema!(
    /// A file's id.
    FileId = String { examples: ["file_BwcHBwcHBwcHBwcHBwcHBw"], pattern: Some("^file_[-_A-Za-z0-9]{21}[AQgw]$") }
);
schema!(
    /// How many.
    Limit = Integer { minimum: Some(1), maximum: Some(100), default: Some(50.into()) }
);
schema!(
    /// How many.
    Offset = Integer { minimum: Some(0), maximum: Some((1_usize << 53) - 1), default: Some(0.into()) }
);
schema!(
    /// The `nextCursor` of an earlier page, or the id of a file that is there.
    StartAfter = String {
        examples: ["AAZlFyiemoAAAAAAAAAABQ"],
        pattern: Some("^([-_A-Za-z0-9]{10}[AEIMQUYcgkosw048]A[A-H][-_A-Za-z0-9]{8}[AQgw]|file_[-_A-Za-z0-9]{21}[AQgw])$"),
    }
);
schema!(
    /// When the upload was asked for.
    SortBy = String { enum_values: Some(["createdAt"]), default: Some("createdAt".into()) }
);
schema!(
    /// The newest or the oldest first.
    SortDir = String { enum_values: Some(["desc", "asc"]), default: Some("desc".into()) }
);

/// What is to become of the bytes.
#[derive(ToSchema)]
#[schema(as = flexportal::DeleteRequest)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema of a body whose fields are read one by one, so that all faults can be told")]
struct DeleteRequest {
    /// Whether they are deleted. Otherwise the file ends and its URLs die all the same, and its bytes stay as an object, where the
    /// file's `storagePath` said.
    #[schema(default = true, required = false)]
    delete_from_storage: bool,
}

/// A URL to view or download a file.
#[derive(ToSchema)]
#[schema(as = flexportal::ReadRequest)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema of a body whose fields are read one by one, so that all faults can be told")]
struct ReadRequest {
    /// The file's id.
    #[schema(min_length = 1)]
    file_id: String,
    /// Show or save.
    #[schema(value_type = ReadAction, required = false)]
    action: String,
    /// For how many minutes it works. Fractions count to the second.
    #[schema(minimum = 1, maximum = 1440, default = 60, required = false)]
    expires_in_minutes: f64,
}

/// A URL to upload a file.
#[derive(ToSchema)]
#[schema(as = flexportal::UploadRequest)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema of a body whose fields are read one by one, so that all faults can be told")]
struct UploadRequest {
    /// Upload.
    #[schema(value_type = UploadAction)]
    action: String,
    /// The file's name, of at most 255 characters.
    #[schema(min_length = 1, max_length = 255)]
    file_name: String,
    /// Its media type. Parameters are taken, too.
    #[schema(value_type = MediaType)]
    content_type: String,
    /// For how many minutes it works. Fractions count to the second.
    #[schema(minimum = 1, maximum = 1440, default = 60, required = false)]
    expires_in_minutes: f64,
}

/// A URL to view, download or upload a file.
#[derive(ToSchema)]
#[schema(as = flexportal::UrlRequest)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of a body whose fields are read one by one, so that all faults can be told")]
enum UrlRequest {
    Read(ReadRequest),
    Upload(UploadRequest),
}

/// The status that a refusal is told with where a token of this vendor's stands in a native URL.
pub fn status_of(refusal: Refusal) -> u16 {
    row(refusal).0.as_u16()
}

/// The vendor's API's piece of the OpenAPI document.
pub fn openapi() -> OpenApi {
    let sign = api("flexportalGetFileUrl", "Get a secure file URL", "link:issue")
        .json::<UrlRequest>(
            "For which file, or upload.",
            true,
            json!({"fileId": "file_5WpGkDlIcXiojRwXzfMLHQ", "action": "view", "expiresInMinutes": 60}),
        )
        .answer(200, Answer::json::<UrlAnswer>("The URL. Shown once."))
        .answers([not_found(), no_space()])
        .answers(of_a_body());
    let list = api("flexportalListFiles", "List files", "object:read")
        .parameters([
            query::<Text>("orderId", "Only files of this order: there are none."),
            query::<Text>("type", "Only files of this type: those that were uploaded are of the type `document`."),
            query::<Text>("customerId", "Only files of this customer: there are none."),
            query::<Limit>("limit", "How many files at most."),
            query::<Offset>("offset", "How many files to leave out, after `startAfter` or from the first on."),
            query::<StartAfter>("startAfter", "The files after this place."),
            query::<SortBy>("sortBy", "In which order."),
            query::<SortDir>("sortDir", "In which direction."),
        ])
        .answer(200, Answer::json::<ListAnswer>("The files whose bytes are there."))
        .answers([(400, error("`VALIDATION_ERROR`: a parameter is not as documented"))]);
    let show = api("flexportalGetFile", "Look at a file", "object:read")
        .parameters([file()])
        .answer(200, Answer::json::<FileBody>("The file."))
        .answers([not_found()]);
    let failed = "`DELETE_FAILED`: a store does not answer";
    let delete = api("flexportalDeleteFile", "Delete a file", "object:write")
        .parameters([file()])
        .json::<DeleteRequest>("What is to become of the bytes.", false, json!({"deleteFromStorage": true}))
        .answer(200, Answer::json::<DeletedAnswer>("It is gone, and every URL to it is dead."))
        .answers([not_found()])
        .answers(of_a_body())
        .answer(503, retry_after(error(failed).also::<Problem>(PROBLEM)))
        .answer(507, error("`DELETE_FAILED`: the server's disk is full"));
    Piece::new("FlexPortal", ABOUT)
        .operation(HttpMethod::Get, "/v1/files", list)
        .operation(HttpMethod::Options, "/v1/files", preflight("flexportalOptionsOfFiles", "`GET, OPTIONS`"))
        .operation(HttpMethod::Post, "/v1/files/url", sign)
        .operation(HttpMethod::Options, "/v1/files/url", preflight("flexportalOptions", "`POST, OPTIONS`"))
        .operation(HttpMethod::Get, "/v1/files/{fileId}", show)
        .operation(HttpMethod::Delete, "/v1/files/{fileId}", delete)
        .operation(
            HttpMethod::Options,
            "/v1/files/{fileId}",
            preflight("flexportalOptionsOfFile", "`GET, DELETE, OPTIONS`").parameters([path::<Ignored>("fileId", "Any.")]),
        )
        .finish()
}

fn file() -> Parameter {
    path::<FileId>("fileId", "The file's id.")
}

/// A call by a token with this scope, for its tenant.
fn api(id: &str, summary: &str, scope: &str) -> Operation {
    let unauthenticated = error("* `AUTH_REQUIRED`: there is no token\n* `INVALID_TOKEN`: it does not work (any more)");
    let forbidden =
        "* `NO_TENANT_ACCESS`: `Tenant-ID` is not the token's tenant\n* `INSUFFICIENT_PERMISSIONS`: the token may not do this";
    Operation::new(id, summary, "")
        .for_holders_of(&[BEARER], &[scope])
        .parameters([required_header::<Tenant>("Tenant-ID", "The tenant of the token.")])
        .answers([
            (401, unauthenticated.with_header::<Text>("WWW-Authenticate", "The scheme to use.")),
            (403, error(forbidden)),
            (429, retry_after(error("`TOO_MANY_REQUESTS`: too many tokens failed from this address"))),
            (503, retry_after(error("`UNAVAILABLE`: a store does not answer").also::<Problem>(PROBLEM))),
        ])
}

fn not_found() -> (u16, Answer) {
    (404, error("`NOT_FOUND`: there is no such file, or it is another tenant's"))
}

fn no_space() -> (u16, Answer) {
    (507, error("`UNAVAILABLE`: the server's disk is full"))
}

/// What can be wrong with a body.
fn of_a_body() -> [(u16, Answer); 3] {
    [
        (400, error("`VALIDATION_ERROR`: the body is not as documented, or broke off")),
        (408, error("`VALIDATION_ERROR`: the body came too slowly")),
        (413, error("`VALIDATION_ERROR`: the body has more than 1 MiB")),
    ]
}

fn error(text: &str) -> Answer {
    Answer::json::<ErrorBody<'_>>(text)
}
