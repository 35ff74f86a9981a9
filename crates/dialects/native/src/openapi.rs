//! What is described of the native API. Statuses of refusals come from the table that answers them.

mod audit;
mod explain;
mod issued;
mod keys;
mod uploads;
mod urls;

pub use urls::StatusOf;

use crate::wire::{
    AccessTokenBody, BucketBody, BucketUpdateBody, BucketsBody, DigestBody, IssuedUrlsBody, NewBucketBody, ObjectBody,
    ObjectsBody, SignedUrlsBody, TokenBody,
};
use serde_json::json;
use std::borrow::Cow;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use valetkey_http_common::openapi::schemas::{BucketName, ETag, LinkId, ObjectKey, PlainObjectKey, Text, Url};
use valetkey_http_common::openapi::{
    API_KEY, Answer, BASIC, BEARER, HttpMethod, OpenApi, Operation, Piece, an_object, code_and_sentence, header, path, query,
    reading, refusals, refusals_of_writing, retry_after, writing,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    Signed URLs (`/o/…` and `/l/…`), and the API by which they, buckets and objects are made (`/vk/v1`).

    Failures are problems (RFC 9457), whose `code` is stable. Times are RFC 3339. Lists come in pages: pass `next` on until it is \
    `null`. HEAD answers as GET does, without the body.";

const SLASHES: &str =
    "One key, of which `/` may stand as it is or as `%2F`; all else that is not unreserved is percent-encoded, once.";

schema!(
    /// How many entries a page has at most.
    Limit = Integer { minimum: Some(1), maximum: Some(1000), default: Some(100.into()) }
);
schema!(
    /// The `next` of an earlier page.
    Cursor = String { examples: ["cmVwb3J0cw"], pattern: Some("^[-_A-Za-z0-9]+$") }
);
impl PartialSchema for DigestBody {
    fn schema() -> RefOr<Schema> {
        let digits =
            |n_digits: u32| ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^[0-9A-Fa-f]{{{n_digits}}}$")));
        let one = |algorithm: &str, n_digits| {
            let object = ObjectBuilder::new().property(algorithm, digits(n_digits)).required(algorithm);
            object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let digests = OneOfBuilder::new().item(one("sha256", 64)).item(one("md5", 32)).item(one("crc32c", 8));
        digests.description(Some("One digest, as hexadecimal digits.")).into()
    }
}

impl ToSchema for DigestBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("native.Digest")
    }
}

/// The native API's piece of the OpenAPI document. `others` are the tables of the APIs whose tokens stand in native URLs.
pub fn openapi(others: &[StatusOf]) -> OpenApi {
    let piece = Piece::new("Native", ABOUT);
    let piece = urls::describe(piece, others);
    let piece = explain::describe(issuing(piece));
    let piece = issued::describe(piece);
    let piece = buckets(piece);
    let piece = objects(piece);
    let piece = uploads::describe(piece);
    let piece = audit::describe(piece);
    keys::describe(piece).finish()
}

fn issuing(piece: Piece) -> Piece {
    let example = json!({"bucket": "reports", "key": "2026/q3.pdf", "permission": "read", "expires_in_seconds": 3600, "uses": 1});
    let issue = writing_api("issueSignedUrls", "Issue signed URLs", &["link:issue"], "\
        Several, in an array, are issued all or none. A URL permits no more than its issuer may do, at the time it is used: reading \
        takes `object:read`, writing `object:write`, or `object:create` for what is not there yet. Reading from public buckets takes \
        no scope.")
        .json::<SignedUrlsBody>("One URL, or an array of 1 to 1000.", true, example)
        .answer(201, Answer::json::<IssuedUrlsBody>("The URL, or an array of them in the order of the request. Shown once."))
        .answers([no_object(), too_large(), too_slow()]);
    let reset = writing_api("resetUses", "Make all uses available again", &["link:issue"], "\
        Downloads under way go on and take none of them. It takes what issuing such a URL takes, and a key that may use its bucket or \
        has issued it. A token that was signed offline is known here from its first use on.")
        .parameters([path::<LinkId>("link_id", "The URL's handle.")])
        .answer(204, Answer::empty("They are there on the next request."))
        .answers([no_link(), conflict(), dead()]);
    let token = Operation::new(
        "createToken",
        "Get an access token",
        "\
        A short-lived token with some scopes of an API key, for its id and secret in `Basic`, or for what any call takes.",
    )
    .for_holders_of(&[BASIC, BEARER, API_KEY], &[])
    .json::<TokenBody>(
        "What it is to be good for. Nothing, or `{}`: everything.",
        false,
        json!({"scope": "object:read link:issue"}),
    )
    .answer(200, Answer::json::<AccessTokenBody>("The token."))
    .answers([invalid(), unauthenticated(), too_large(), too_slow()])
    .answers(anywhere());
    piece
        .operation(HttpMethod::Post, "/vk/v1/signed-urls", once(issue))
        .operation(HttpMethod::Post, "/vk/v1/signed-urls/{link_id}/reset", once(reset))
        .operation(HttpMethod::Post, "/vk/v1/token", token)
}

fn buckets(piece: Piece) -> Piece {
    let name = || [path::<BucketName>("bucket", "The bucket.")];
    let create = writing_api("createBucket", "Make a bucket", &["bucket:create"], "")
        .json::<NewBucketBody>("The bucket.", true, json!({"name": "reports", "retention": "persistent"}))
        .answer(
            201,
            Answer::json::<BucketBody>("It is there.")
                .with_header::<Url>("Location", "Where it is.")
                .link("getBucket", &[("bucket", "$response.body#/name")])
                .link("deleteBucket", &[("bucket", "$response.body#/name")])
                .link("listObjects", &[("bucket", "$response.body#/name")]),
        )
        .answers([conflict(), too_large(), too_slow()]);
    let list = api("listBuckets", "List buckets", &["bucket:read"], "The caller's, by name.")
        .parameters(page())
        .answer(200, Answer::json::<BucketsBody>("A page."));
    let show = api("getBucket", "Look at a bucket", &["bucket:read"], "")
        .parameters(name())
        .answer(200, Answer::json::<BucketBody>("The bucket."))
        .answers([no_bucket()]);
    let update = writing_api("updateBucket", "Change a bucket", &["admin"], "Effective on the next request.")
        .parameters(name())
        .json::<BucketUpdateBody>("What changes.", true, json!({"public": true}))
        .answer(200, Answer::json::<BucketBody>("The bucket."))
        .answers([no_bucket(), too_large(), too_slow()]);
    let delete = writing_api("deleteBucket", "Delete a bucket", &["bucket:delete"], "It must be empty.")
        .parameters(name())
        .answer(204, Answer::empty("It is gone."))
        .answers([no_bucket(), conflict()]);
    piece
        .operation(HttpMethod::Post, "/vk/v1/buckets", once(create))
        .get_and_head("/vk/v1/buckets", list)
        .get_and_head("/vk/v1/buckets/{bucket}", show)
        .operation(HttpMethod::Patch, "/vk/v1/buckets/{bucket}", update)
        .operation(HttpMethod::Delete, "/vk/v1/buckets/{bucket}", delete)
}

fn objects(piece: Piece) -> Piece {
    let bucket = || path::<BucketName>("bucket", "The bucket.");
    let place = || [bucket(), path::<ObjectKey>("key", SLASHES)];
    let plain_place = || [bucket(), path::<PlainObjectKey>("key", SLASHES)];
    let list = api("listObjects", "List objects", &["object:read"], "By key, in the order of its bytes.")
        .parameters([bucket(), query::<Text>("prefix", "Only those whose key begins with this.")])
        .parameters(page())
        .answer(200, Answer::json::<ObjectsBody>("A page."))
        .answers([no_bucket()]);
    let stored = |description: &str| {
        let link = [("bucket", "$response.body#/bucket"), ("key", "$response.body#/key")];
        let stored = Answer::json::<ObjectBody>(description).with_header::<ETag>("ETag", "The entity tag of what was stored.");
        stored.link("getObject", &link).link("deleteObject", &link)
    };
    let put = api(
        "putObject",
        "Store an object",
        &["object:write"],
        "\
        On stable storage when it is answered. `object:create` will do where there is no object yet. Who may not replace gets \
        `exists`.",
    )
    .parameters(plain_place())
    .parameters(writing())
    .bytes("The bytes. Without `Content-Type`, the key's ending tells the media type.")
    .answer(200, stored("The object was replaced."))
    .answer(201, stored("The object was created."))
    .answers(storing());
    let get = api("getObject", "Get an object", &["object:read"], "From a public bucket without any credential, too.")
        .also_for_anybody()
        .parameters(place())
        .parameters(reading())
        .answers(an_object(precondition_failed(), unsatisfiable()))
        .answers([no_object()]);
    let delete = writing_api(
        "deleteObject",
        "Delete an object",
        &["object:write"],
        "Its URLs are dead for good, also if the key is used again.",
    )
    .parameters(place())
    .answer(204, Answer::empty("It is gone."))
    .answers([no_object()]);
    piece
        .get_and_head("/vk/v1/buckets/{bucket}/objects", list)
        .operation(HttpMethod::Put, "/vk/v1/buckets/{bucket}/objects/{key}", put)
        .get_and_head("/vk/v1/buckets/{bucket}/objects/{key}", get)
        .operation(HttpMethod::Delete, "/vk/v1/buckets/{bucket}/objects/{key}", delete)
}

/// A call of the API by an API key with these scopes.
fn api(id: &str, summary: &str, scopes: &[&str], description: &str) -> Operation {
    Operation::new(id, summary, description)
        .for_holders_of(&[BEARER, API_KEY], scopes)
        .answers([invalid(), unauthenticated(), forbidden()])
        .answers(anywhere())
}

/// The same for a call that changes something.
fn writing_api(id: &str, summary: &str, scopes: &[&str], description: &str) -> Operation {
    let no_space = Answer::problem(&format!("* {}", code_and_sentence(Refusal::NoSpace)));
    api(id, summary, scopes, description).answer(507, no_space.shared_as("native.NoSpace"))
}

schema!(
    /// A client's key for a call: 1 to 255 characters of printable ASCII.
    IdempotencyKey = String {
        examples: ["8e03978e-40d5-43dd-bc93-6894a57f9324"], min_length: Some(1), max_length: Some(255), pattern: Some("^[!-~]([ -~]*[!-~])?$")
    }
);

/// The same for a call that can be made to be done once.
fn once(operation: Operation) -> Operation {
    let key = "\
        Names the call: sent again within 24 hours by the same API key with the same scopes, it is answered as it was, with \
        `Idempotency-Replayed: true`, and not done again.";
    let reused = Answer::problem("* `idempotency_key_reused`: the `Idempotency-Key` was used for another path or body");
    operation
        .parameters([header::<IdempotencyKey>("Idempotency-Key", key)])
        .answers([conflict(), (422, reused.shared_as("native.KeyReused"))])
}

fn page() -> [Parameter; 2] {
    [query::<Limit>("limit", "How many entries the page has at most."), query::<Cursor>("next", "The `next` of an earlier page.")]
}

/// What any call can be answered.
fn anywhere() -> [(u16, Answer); 2] {
    let too_many = Answer::problem("* `too_many_requests`: too many credentials failed from this address");
    let unavailable = Answer::problem("* `unavailable`: a store does not answer, or the server is starting");
    [
        (429, retry_after(too_many).shared_as("native.TooManyRequests")),
        (503, retry_after(unavailable).shared_as("native.Unavailable")),
    ]
}

/// What an upload by the API can be refused with.
fn storing() -> Vec<(u16, Answer)> {
    let of = refusals_of_writing().filter(|refusal| *refusal >= Refusal::TooLarge);
    let told = of.map(|refusal| (refusal, refusal.native_status(), code_and_sentence(refusal)));
    let mut answers = refusals(told, |status, text| Answer::problem(text).shared_as(&format!("native.Put{status}")));
    answers.retain(|(status, _)| !matches!(status, 400 | 412));
    answers.extend([no_bucket(), (412, precondition_failed())]);
    answers
}

fn invalid() -> (u16, Answer) {
    let text = "\
        * `invalid`: something is not as documented; `field`, `found` and `expected` say what
        * `ambiguous`: more than one credential
        * `partial_upload`: `Content-Range` with PUT
        * `digest_mismatch`: the bytes received do not have the digest demanded
        * `broken_off`: the body ended early";
    (400, Answer::problem(text).shared_as("native.Invalid"))
}

fn unauthenticated() -> (u16, Answer) {
    let answer = Answer::problem("* `unauthenticated`: there is no credential, or it does not work (any more)");
    (401, answer.with_header::<Text>("WWW-Authenticate", "The scheme to use.").shared_as("native.Unauthenticated"))
}

fn forbidden() -> (u16, Answer) {
    let text = "\
        * `missing_scope`: the credential lacks the `scope`
        * `outside_buckets`: the credential is limited to other buckets";
    (403, Answer::problem(text).shared_as("native.Forbidden"))
}

fn no_bucket() -> (u16, Answer) {
    (404, not_found("bucket").shared_as("native.NoBucket"))
}

fn no_object() -> (u16, Answer) {
    (404, not_found("bucket` or `object").shared_as("native.NoObject"))
}

fn no_link() -> (u16, Answer) {
    (404, not_found("link").shared_as("native.NoLink"))
}

fn dead() -> (u16, Answer) {
    let told = [Refusal::Expired, Refusal::Revoked].map(|refusal| format!("* {}", code_and_sentence(refusal)));
    (410, Answer::problem(&told.join("\n")).shared_as("native.Dead"))
}

fn no_key() -> (u16, Answer) {
    (404, not_found("API key` or `signing key").shared_as("native.NoKey"))
}

fn not_found(what: &str) -> Answer {
    Answer::problem(&format!("* `not_found`: there is none, or it is another tenant's; `what` is `{what}`"))
}

fn conflict() -> (u16, Answer) {
    let text = "\
        * `already_exists`: the name is taken
        * `not_empty`: it still holds something
        * `conflict`: what is there does not permit it; `detail` says why
        * `idempotency_key_in_use`: a call with this `Idempotency-Key` is being done at this moment";
    let conflict = Answer::problem(text).may_have_header::<Text>("Retry-After", "Seconds until another try can help.");
    (409, conflict.shared_as("native.Conflict"))
}

fn too_large() -> (u16, Answer) {
    (413, Answer::problem("* `too_large`: the body has more than 1 MiB").shared_as("native.TooLarge"))
}

fn too_slow() -> (u16, Answer) {
    (408, Answer::problem("* `too_slow`: the body came too slowly").shared_as("native.TooSlow"))
}

fn precondition_failed() -> Answer {
    Answer::problem("* `precondition_failed`: the object is not as you expect it").shared_as("native.PreconditionFailed")
}

fn unsatisfiable() -> Answer {
    Answer::problem("* `range_not_satisfiable`: the object has no such range").shared_as("native.RangeNotSatisfiable")
}
