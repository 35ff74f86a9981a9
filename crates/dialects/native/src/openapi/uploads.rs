//! Uploads of several pieces under way.

use super::{api, not_found, page};
use crate::wire::uploads::{UploadBody, UploadIdText, UploadsBody};
use valetkey_http_common::openapi::{Answer, HttpMethod, Piece, path};

/// The paths of uploads.
pub(super) fn describe(piece: Piece) -> Piece {
    const SCOPES: &[&str] = &["object:write"];
    let id = || path::<UploadIdText>("upload_id", "Its id.");
    let list = api(
        "listUploads",
        "List uploads under way",
        SCOPES,
        "\
        Those of several pieces, by whichever API they come, into buckets that the API key may use.",
    )
    .parameters(page())
    .answer(200, Answer::json::<UploadsBody>("A page."));
    let show = api("getUpload", "Look at an upload under way", SCOPES, "One of those that are listed.")
        .parameters([id()])
        .answer(200, Answer::json::<UploadBody>("What there is of it."))
        .answers([(404, not_found("upload").shared_as("native.NoUpload"))]);
    let abort = api("abortUpload", "Throw an upload away", SCOPES, "\
        With everything that was received of it. Who uploads is told with the next piece. What was not touched for a day goes by itself.")
        .parameters([id()])
        .answer(204, Answer::empty("It is gone."))
        .answers([(404, not_found("upload").shared_as("native.NoUpload"))]);
    piece.get_and_head("/vk/v1/uploads", list).get_and_head("/vk/v1/uploads/{upload_id}", show).operation(
        HttpMethod::Delete,
        "/vk/v1/uploads/{upload_id}",
        abort,
    )
}
