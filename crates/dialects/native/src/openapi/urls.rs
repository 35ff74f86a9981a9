//! Signed URLs.

use super::{SLASHES, precondition_failed, unsatisfiable};
use crate::wire::StoredBody;
use std::iter::once;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{BucketName, ETag, Ignored, ObjectKey, Text};
use valetkey_http_common::openapi::{
    Answer, HttpMethod, JSON, Operation, Piece, an_object, code_and_sentence, header, in_example, path, preflight, query,
    reading, refusals, refusals_of_reading, refusals_of_writing, writing,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

schema!(
    /// A link secret: 22 characters of base64url.
    Secret = String { examples: ["3q2-7wAAQACAAAAAAAAAAA"] }
);
schema!(
    /// A Common Access Token, in base64url.
    Token = String { examples: ["2D3RhEOhAQWhBEVhcHAtMV"] }
);

/// What of a token's URL is by another API's table: the status of each refusal.
pub type StatusOf = fn(Refusal) -> u16;

/// A kind of signed URL: how its answers are called among the components, and by whose tables else it refuses.
#[derive(Clone, Copy)]
struct Kind<'a> {
    name: &'static str,
    others: &'a [StatusOf],
}

/// The paths of signed URLs. `others` are the tables of the APIs that give out URLs of native form.
pub(super) fn describe(piece: Piece, others: &[StatusOf]) -> Piece {
    let (by_token, by_link) = (Kind { name: "Token", others }, Kind { name: "Link", others });
    let methods = "`GET, HEAD, PUT, OPTIONS`";
    let of_a_token = "`GET, HEAD, PUT, OPTIONS`; with a token in the query, those of them that it is for.";
    let of_token = || {
        let cat =
            "The token. It stands here or in `CTA-Common-Access-Token`, not in both. Not needed to read from public buckets.";
        [
            path::<BucketName>("bucket", "The bucket."),
            path::<ObjectKey>("key", SLASHES),
            in_example(query::<Token>("cat", cat)),
            header::<Token>("CTA-Common-Access-Token", "The token, where it is not in the query."),
        ]
    };
    let secret = || path::<Secret>("secret", "The link secret.");
    let named = || [secret(), path::<Ignored>("name", "A name for people to see. It plays no part.")];
    piece
        .get_and_head("/o/{bucket}/{key}", download(by_token, "getByToken", "Download with a token", of_token()))
        .operation(HttpMethod::Put, "/o/{bucket}/{key}", upload(by_token, "putByToken", "Upload with a token", of_token()))
        .operation(
            HttpMethod::Options,
            "/o/{bucket}/{key}",
            preflight("optionsOfToken", of_a_token).parameters(any(&["bucket", "key"])),
        )
        .get_and_head("/l/{secret}", download(by_link, "getByLink", "Download with a link", [secret()]))
        .operation(HttpMethod::Put, "/l/{secret}", upload(by_link, "putByLink", "Upload with a link", [secret()]))
        .operation(HttpMethod::Options, "/l/{secret}", preflight("optionsOfLink", methods).parameters(any(&["secret"])))
        .get_and_head("/l/{secret}/{name}", download(by_link, "getByNamedLink", "Download with a link that has a name", named()))
        .operation(
            HttpMethod::Put,
            "/l/{secret}/{name}",
            upload(by_link, "putByNamedLink", "Upload with a link that has a name", named()),
        )
        .operation(
            HttpMethod::Options,
            "/l/{secret}/{name}",
            preflight("optionsOfNamedLink", methods).parameters(any(&["secret", "name"])),
        )
}

/// Parts of a path that play no part.
fn any(names: &[&str]) -> Vec<Parameter> {
    names.iter().map(|name| path::<Ignored>(name, "Any.")).collect()
}

impl Kind<'_> {
    /// The refusals by every table.
    fn refusals(self, of: impl Iterator<Item = Refusal>, answer: impl Fn(u16, &str) -> Answer) -> Vec<(u16, Answer)> {
        let told = of.flat_map(|refusal| {
            let own = (refusal, refusal.native_status(), code_and_sentence(refusal));
            let others = self.others.iter().map(move |status_of| status_of(refusal)).filter(move |status| *status != own.1);
            let sentence = refusal.sentence();
            once(own).chain(others.map(move |status| (refusal, status, format!("with another API's URL: {sentence}"))))
        });
        refusals(told, |status, text| self.refused(answer(status, text)))
    }

    /// A refusal, as a page for people, or in the shape of the API that gave the token out.
    fn refused(self, answer: Answer) -> Answer {
        let answer = answer.or("text/html");
        if self.others.is_empty() { answer } else { answer.or(JSON) }
    }
}

fn download(kind: Kind<'_>, id: &str, summary: &str, of: impl IntoIterator<Item = Parameter>) -> Operation {
    let description = "\
        The URL is the credential: `Authorization` and `X-API-Key` are ignored. Where uses are counted, a download that broke off goes \
        on from the same client, or from anywhere with the `Valetkey-Session` that the first answer gave. HEAD, 304, 412, 416 and \
        refusals count nothing. A browser that navigates here gets refusals as a page, and, where uses are counted, first a page with a \
        button, which uses nothing; the button's POST opens the session and leads back here. URLs that another API gave out are \
        refused in its shape.";
    let named = |answer: Answer, status: u16| answer.shared_as(&format!("native.{}Download{status}", kind.name));
    let of_object = an_object(kind.refused(precondition_failed()), kind.refused(unsatisfiable()));
    let of_object = of_object.map(|(status, answer)| (status, if status >= 400 { named(answer, status) } else { answer }));
    Operation::new(id, summary, description)
        .parameters(of)
        .parameters(reading())
        .parameters([header::<Text>("Valetkey-Session", "The session secret of an earlier answer, where uses are counted.")])
        .answers(of_object)
        .answers(kind.refusals(refusals_of_reading(), |status, text| named(Answer::problem(text), status)))
}

fn upload(kind: Kind<'_>, id: &str, summary: &str, of: impl IntoIterator<Item = Parameter>) -> Operation {
    let description = "\
        The URL is the credential. It says how many bytes of which media types may come, and whether they may replace an object. \
        A success says that they are on stable storage. What was refused or broke off has used nothing up. With a URL that another \
        API gave out, everything is answered in its shape, and a success with 200.\n\n\
        The bytes may also come in ranges, one after the other, and what broke off goes on: a POST to the URL with `x-goog-resumable: start`, and \
        `x-upload-content-length` and `x-upload-content-type` where they are known, gives the URL of the upload in `Location`. PUTs to that have \
        `Content-Range: bytes FIRST-LAST/TOTAL`, or `bytes */TOTAL` to ask what is there; a DELETE throws it away.";
    let tagged = |answer: Answer| answer.with_header::<ETag>("ETag", "The entity tag of what was stored.");
    let replaced = "The object was replaced.";
    let replaced = match kind.others {
        [] => Answer::json::<StoredBody>(replaced),
        // What stands in it is another API's to say, or nothing does.
        _ => Answer::of(JSON, replaced),
    };
    Operation::new(id, summary, description)
        .parameters(of)
        .parameters(writing())
        .bytes("The bytes. Any `Content-Type` is kept as it is; the body is never read as a form.")
        .answer(200, tagged(replaced).shared_as(&format!("native.{}Replaced", kind.name)))
        .answer(201, tagged(Answer::json::<StoredBody>("The object was created.")).shared_as("native.Created"))
        .answer(308, Answer::empty("Of an upload in ranges: more is missing.").with_header::<Text>("Range", "What is there; absent if nothing is."))
        .answer(409, kind.refused(Answer::problem("* `conflict`: another request is sending these bytes")))
        .answers(kind.refusals(refusals_of_writing(), |status, text| {
            let text = match status {
                // Not only refusals of the table.
                404 => format!("{text}\n* `not_found`: there is no such upload: begin again"),
                400 => format!("{text}\n* `partial_upload`: `Content-Range` with PUT\n* `invalid_range`: that is no range of the upload\n* without a body: the upload broke off"),
                412 => format!("{text}\n* `precondition_failed`: the object is not as you expect it"),
                _ => text.to_owned(),
            };
            Answer::problem(&text).shared_as(&format!("native.{}Upload{status}", kind.name))
        }))
}
