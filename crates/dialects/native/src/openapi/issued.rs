//! URLs that were issued: listed, looked at, taken back.

use super::{api, no_link, once, page, too_large, too_slow, writing_api};
use crate::wire::urls::{Label, ListedUrlBody, ListedUrlsBody, NewRevocationsBody, RevokedBody, SignedUrlState};
use serde_json::json;
use valetkey_http_common::openapi::schemas::{BucketName, LinkId, ObjectKey};
use valetkey_http_common::openapi::{Answer, HttpMethod, Piece, path, query};

/// The paths of issued URLs.
pub(super) fn describe(piece: Piece) -> Piece {
    const SCOPES: &[&str] = &["link:issue"];
    let list = api("listSignedUrls", "List signed URLs", SCOPES, "\
        Those that were issued here, in either form and through whichever API, and those signed offline from their first use on, until \
        a month after their end. All of the tenant's, but for an API key that is limited to buckets: for those, and its own. \
        `link:revoke` will do, too. Never the URLs themselves.")
        .parameters([
            query::<BucketName>("bucket", "Only those for this bucket."),
            query::<ObjectKey>("key", "Only those for this object, not for a folder it is in. With `bucket`."),
            query::<Label>("label", "Only those with this label."),
            query::<SignedUrlState>("state", "Only those in this state."),
        ])
        .parameters(page())
        .answer(200, Answer::json::<ListedUrlsBody>("A page."));
    let show = api("getSignedUrl", "Look at a signed URL", SCOPES, "`link:revoke` will do, too. Never the URL itself.")
        .parameters([path::<LinkId>("link_id", "Its public handle.")])
        .answer(200, Answer::json::<ListedUrlBody>("What is known of it."))
        .answers([no_link()]);
    let revoke = writing_api("revoke", "Take signed URLs back", &["link:revoke"], "\
        Single ones by their ids, whether or not they are known here; or all that have something in common and were issued until an \
        instant. Tokens signed offline are taken back, too. Durable and effective on the next request when this is answered. Remembered \
        for as long as such URLs could have lived. `api_key`, `signing_key` and `all` take `admin`.")
        .json::<NewRevocationsBody>("One of these.", true, json!({"label": "q3-mailing", "cut": true}))
        .answer(200, Answer::json::<RevokedBody>("They are dead."))
        .answers([no_bucket_or_key(), too_large(), too_slow()]);
    piece.get_and_head("/vk/v1/signed-urls", list).get_and_head("/vk/v1/signed-urls/{link_id}", show).operation(
        HttpMethod::Post,
        "/vk/v1/revocations",
        once(revoke),
    )
}

fn no_bucket_or_key() -> (u16, Answer) {
    let text = "* `not_found`: there is none, or it is another tenant's; `what` is `bucket`, `API key` or `signing key`";
    (404, Answer::problem(text).shared_as("native.NothingToTakeBack"))
}
