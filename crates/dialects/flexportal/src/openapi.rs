//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::row;
use crate::wire::{ErrorBody, UrlAnswer};
use serde_json::json;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas::{Problem, Text};
use valetkey_http_common::openapi::{
    Answer, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, preflight, required_header, retry_after,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    FlexPortal's secure file URLs: to view, download or upload a file. Pages of any origin may call. URLs that it gives out are native \
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
    let unauthenticated = error("* `AUTH_REQUIRED`: there is no token\n* `INVALID_TOKEN`: it does not work (any more)");
    let forbidden =
        "* `NO_TENANT_ACCESS`: `Tenant-ID` is not the token's tenant\n* `INSUFFICIENT_PERMISSIONS`: the token may not do this";
    let sign = Operation::new("flexportalGetFileUrl", "Get a secure file URL", "")
        .for_holders_of(&[BEARER], &["link:issue"])
        .parameters([required_header::<Tenant>("Tenant-ID", "The tenant of the token.")])
        .json::<UrlRequest>(
            "For which file, or upload.",
            true,
            json!({"fileId": "file_5WpGkDlIcXiojRwXzfMLHQ", "action": "view", "expiresInMinutes": 60}),
        )
        .answer(200, Answer::json::<UrlAnswer>("The URL. Shown once."))
        .answers([
            (400, error("`VALIDATION_ERROR`: the body is not as documented, or broke off")),
            (401, unauthenticated.with_header::<Text>("WWW-Authenticate", "The scheme to use.")),
            (403, error(forbidden)),
            (404, error("`NOT_FOUND`: there is no such file, or it is another tenant's")),
            (408, error("`VALIDATION_ERROR`: the body came too slowly")),
            (413, error("`VALIDATION_ERROR`: the body has more than 1 MiB")),
            (429, retry_after(error("`TOO_MANY_REQUESTS`: too many tokens failed from this address"))),
            (503, retry_after(error("`UNAVAILABLE`: a store does not answer").also::<Problem>(PROBLEM))),
            (507, error("`UNAVAILABLE`: the server's disk is full")),
        ]);
    Piece::new("FlexPortal", ABOUT)
        .operation(HttpMethod::Post, "/v1/files/url", sign)
        .operation(HttpMethod::Options, "/v1/files/url", preflight("flexportalOptions", "`POST, OPTIONS`"))
        .finish()
}

fn error(text: &str) -> Answer {
    Answer::json::<ErrorBody<'_>>(text)
}
