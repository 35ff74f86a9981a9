//! What is described of the vendor's API. Statuses of refusals come from the table that answers them.

use crate::errors::{Place, told};
use crate::translate::{CONTENT_SHA1, USER_METADATA};
use crate::wire::{
    AccessTokenBody, BucketBody, BucketsBody, CompleteBody, CompletionResults, CompletionsBody, DownloadBody, DownloadResults,
    DownloadsBody, ErrorBody, GatewayBody, NewBucketBody, NewTokenForm, ObjectBody, ObjectsBody, ReasonBody, SignBody,
    SignedBody, UploadBody, UploadErrorBody, UploadResults, UploadsBody,
};
use serde_json::json;
use utoipa::openapi::path::Parameter;
use valetkey_http_common::openapi::schemas::{self, AnyText, BucketName, ETag, Ignored, ObjectKey, Problem, Region, Text};
use valetkey_http_common::openapi::{
    API_KEY, Answer, BASIC, BEARER, HttpMethod, OpenApi, Operation, PROBLEM, Piece, an_object, header, path, preflight, queries,
    query, reading, refusals, refusals_of_reading, refusals_of_writing, required_header, retry_after, writing,
};
use valetkey_http_common::schema;
use valetkey_model::Refusal;

const ABOUT: &str = "\
    Autodesk's Object Storage Service, v2 (`/oss/v2`), and its token endpoint, as far as signed URLs need them. Scopes are the vendor's \
    words. Calls are refused by a gateway (`errorCode`) or by the service (`reason`); times are milliseconds since the epoch. \
    `docs/autodesk.md` says what differs.";

const KEY: &str = "One path segment: `/` stands as `%2F`. Any key can be used.";

schema!(
    /// How many entries a page has at most.
    Limit = Integer { minimum: Some(1), maximum: Some(100), default: Some(10.into()) }
);
schema!(
    /// A link secret as a UUID.
    LinkUuid = String { examples: ["42231c8b-0132-4218-86b2-30c68150697d"] }
);
schema!(
    /// The secret of an upload.
    PartSecret = String { examples: ["3q2-7wAAQACAAAAAAAAAAA"] }
);
schema!(
    /// The number of a part.
    PartNumber = Integer { minimum: Some(1), maximum: Some(10_000) }
);
schema!(
    /// A number of parts, or the first.
    Parts = Integer { minimum: Some(1), maximum: Some(10_000), default: Some(1.into()) }
);
schema!(
    /// Minutes.
    Minutes = Integer { minimum: Some(1), maximum: Some(60), default: Some(2.into()) }
);
schema!(
    /// What a signed URL permits.
    Access = String { enum_values: Some(["read", "write", "readwrite"]), default: Some("read".into()) }
);
schema!(
    /// Yes or no; clients also write `True`.
    Flag = Boolean { default: Some(false.into()) }
);
schema!(
    /// An upload's handle.
    UploadKey = String { examples: ["upl_BwcHBwcHBwcHBwcHBwcHBw"] }
);
schema!(
    /// A JSON object of at most 100 bytes.
    UserMetadata = String { examples: [r#"{"colour":"red"}"#], max_length: Some(100) }
);
schema!(
    /// 40 hexadecimal digits.
    Sha1Hex = String { examples: ["0a0a9f2a6772942557ab5355d76af442f8f65e01"], pattern: Some("^[0-9A-Fa-f]{40}$") }
);
schema!(
    /// A region of the vendor's.
    VendorRegion = String {
        enum_values: Some(["US", "EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR", "APAC"]), default: Some("US".into())
    }
);

/// The status that a refusal is told with where a URL of this vendor's has native form.
pub fn status_of(refusal: Refusal) -> u16 {
    told(refusal, Place::Transfer).0.as_u16()
}

/// The vendor's API's piece of the OpenAPI document.
pub fn openapi() -> OpenApi {
    let piece = Piece::new("Autodesk", ABOUT);
    let piece = token(piece);
    let piece = buckets(piece);
    let piece = objects(piece);
    let piece = transfers(piece);
    let piece = batches(piece);
    let piece = ranges(piece);
    signed_urls(piece).finish()
}

fn token(piece: Piece) -> Piece {
    let invalid = Answer::json::<ErrorBody<'_>>(
        "\
        * `AUTH-004`, `invalid_scope`: none of the scopes can be had
        * `AUTH-007`, `invalid_request`: the body is no form
        * `AUTH-008`, `invalid_request`: `grant_type` is missing, or a field stands twice
        * `AUTH-009`, `unsupported_grant_type`: `grant_type` is not `client_credentials`
        * `reason`: the body broke off",
    );
    let unknown = Answer::json::<GatewayBody<'_>>("* `AUTH-003`, `invalid_client`: id and secret do not belong together");
    let token = |id: &str, summary: &str| {
        Operation::new(id, summary, "For the id and secret of an API key, in `Basic` or in the form.")
            .for_holders_of(&[BASIC], &[])
            .also_for_anybody()
            .fields::<NewTokenForm>(
                "application/x-www-form-urlencoded",
                "What the token is to be good for.",
                true,
                json!({"grant_type": "client_credentials", "scope": "data:read data:write"}),
            )
            .answer(200, Answer::json::<AccessTokenBody>("The token."))
            .answers([(400, invalid.clone()), (401, unauthenticated(unknown.clone())), too_large(), too_slow()])
            .answers(anywhere())
    };
    let first = token("autodeskCreateTokenOfVersion1", "Get an access token as older clients do");
    piece.operation(HttpMethod::Post, "/authentication/v2/token", token("autodeskCreateToken", "Get an access token")).operation(
        HttpMethod::Post,
        "/authentication/v1/authenticate",
        first,
    )
}

fn buckets(piece: Piece) -> Piece {
    let new = json!({"bucketKey": "apptestbucket", "policyKey": "persistent"});
    let create = writing_api("autodeskCreateBucket", "Make a bucket", &["bucket:create"], "")
        .parameters(region_of::<VendorRegion>())
        .json::<NewBucketBody>("The bucket.", true, new)
        .answer(
            200,
            Answer::json::<BucketBody>("It is there.").link("autodeskGetBucket", &[("bucketKey", "$response.body#/bucketKey")]),
        )
        .answers([conflict(), too_large(), too_slow()]);
    let list = api(
        "autodeskListBuckets",
        "List buckets",
        &["bucket:read"],
        "The caller's, by name; without a region, those of all regions.",
    )
    .parameters(region_of::<Region>())
    .parameters([
        query::<Limit>("limit", "How many entries the page has at most."),
        query::<BucketName>("startAt", "The name that the page begins after, as `next` has it."),
    ])
    .answer(200, Answer::json::<BucketsBody>("A page."));
    let show = api("autodeskGetBucket", "Look at a bucket", &["bucket:read"], "")
        .parameters([bucket()])
        .answer(200, Answer::json::<BucketBody>("The bucket."))
        .answers([not_found()]);
    let delete = writing_api("autodeskDeleteBucket", "Delete a bucket", &["bucket:delete"], "It must be empty.")
        .parameters([bucket()])
        .answer(200, Answer::empty("It is gone."))
        .answers([not_found(), conflict()]);
    piece
        .operation(HttpMethod::Post, "/oss/v2/buckets", create)
        .operation(HttpMethod::Get, "/oss/v2/buckets", list)
        .operation(HttpMethod::Get, "/oss/v2/buckets/{bucketKey}/details", show)
        .operation(HttpMethod::Delete, "/oss/v2/buckets/{bucketKey}", delete)
}

fn objects(piece: Piece) -> Piece {
    let list = api("autodeskListObjects", "List objects", &["data:read"], "By key, in the order of its bytes.")
        .parameters([
            bucket(),
            query::<Limit>("limit", "How many entries the page has at most."),
            query::<Text>("beginsWith", "Only those whose key begins with this."),
            query::<Text>("startAt", "The key that the page begins after, as `next` has it."),
        ])
        .answer(200, Answer::json::<ObjectsBody>("A page."))
        .answers([not_found()]);
    let put = api(
        "autodeskPutObject",
        "Store an object",
        &["data:write"],
        "\
        On stable storage when it is answered. With `data:create` alone, only where there is no object yet.",
    )
    .parameters(place())
    .parameters(writing())
    .parameters([content_sha1()])
    .bytes("The bytes. Any `Content-Type` is kept as it is.")
    .answer(200, Answer::json::<ObjectBody>("The object.").with_header::<ETag>("ETag", "The SHA-1 of the bytes."))
    .answers(storing())
    .answers([not_found()]);
    let get = api("autodeskGetObject", "Get an object", &["data:read"], "")
        .parameters(place())
        .parameters(reading())
        .answers(an_object(precondition_failed(), unsatisfiable()))
        .answers([not_found()]);
    let delete = writing_api(
        "autodeskDeleteObject",
        "Delete an object",
        &["data:write"],
        "Its URLs are dead for good, also if the key is used again.",
    )
    .parameters(place())
    .answer(200, Answer::empty("It is gone."))
    .answers([not_found()]);
    let details = api("autodeskGetObjectDetails", "Look at an object", &["data:read"], "")
        .parameters(place())
        .parameters([queries::<Text>(
            "with",
            "\
            `createdDate`, `lastModifiedDate`, `lastAccessedDate`, `userDefinedMetadata`: what to tell besides, also as `with[]` or with \
            commas. Others are ignored.",
        )])
        .parameters(validators())
        .answer(200, Answer::json::<ObjectBody>("The object."))
        .answers([not_found(), unmodified(), (412, precondition_failed())]);
    let copy = writing_api(
        "autodeskCopyObject",
        "Copy an object",
        &["data:write"],
        "\
        Within its bucket, with its media type and file name. What is at the new place is replaced; with `data:create` alone, nothing may be \
        there. The key behind the token must have `object:read`.",
    )
    .parameters(place())
    .parameters([path::<ObjectKey>("newObjectKey", KEY)])
    .parameters([
        header::<Text>("If-Match", "Entity tags, one of which the object at the new place must have."),
        header::<Text>("If-None-Match", "Entity tags that it must not have; `*`: nothing may be there."),
    ])
    .answer(200, Answer::json::<ObjectBody>("The copy, on stable storage."))
    .answers([not_found(), (412, precondition_failed())]);
    piece
        .operation(HttpMethod::Put, "/oss/v2/buckets/{bucketKey}/objects/{objectKey}/copyto/{newObjectKey}", copy)
        .operation(HttpMethod::Get, "/oss/v2/buckets/{bucketKey}/objects", list)
        .operation(HttpMethod::Put, "/oss/v2/buckets/{bucketKey}/objects/{objectKey}", put)
        .get_and_head("/oss/v2/buckets/{bucketKey}/objects/{objectKey}", get)
        .operation(HttpMethod::Delete, "/oss/v2/buckets/{bucketKey}/objects/{objectKey}", delete)
        .operation(HttpMethod::Get, "/oss/v2/buckets/{bucketKey}/objects/{objectKey}/details", details)
}

/// The paths of resumable uploads.
fn ranges(piece: Piece) -> Piece {
    let about = "\
        Ranges of an object in any order, which the `Session-Id` holds together; the last one that was missing makes the object. Each is kept \
        whole or not at all. What was not touched for a day is thrown away.";
    let of_range = || {
        [
            required_header::<SessionId>("Session-Id", "What the client calls the upload."),
            header::<ContentRange>("Content-Range", "Which bytes of how many these are."),
            header::<Sha1Hex>("x-ads-chunk-sha1", "The SHA-1 that the range must have, in hexadecimal digits."),
        ]
    };
    let accepted = || Answer::empty("More is missing.").with_header::<Sha1Hex>("x-ads-chunk-sha1", "The SHA-1 of the range.");
    let mistaken = || {
        let text = "\
            * `reason`: `Overlapping Ranges`, `Chunk-Length mismatch …` or `Total-Length mismatch …`
            * as text: `Missing Content-Range header`";
        (416, Answer::json::<ReasonBody<'_>>(text).or("text/plain").shared_as("autodesk.NoRange"))
    };
    let unreadable = || {
        let text = "* `reason`: a header cannot be read, or `Mismatched checksums`\n* as text: there is no `Session-Id`";
        (400, Answer::json::<ReasonBody<'_>>(text).or("text/plain"))
    };
    let put = writing_api("autodeskPutRange", "Upload a range of an object", &["data:write"], about)
        .parameters(place())
        .parameters(of_range())
        .bytes("The range. Any `Content-Type` is kept as it is.")
        .answer(
            200,
            Answer::json::<ObjectBody>("The object, on stable storage.").with_header::<ETag>("ETag", "The SHA-1 of the bytes."),
        )
        .answer(202, accepted())
        .answers(storing())
        .answers([not_found(), (412, precondition_failed()), mistaken(), unreadable()]);
    let shown = "\
        Of an upload that is under way. `data:write` and `data:create` do as well; the key behind the token must have one of them.";
    let show = api("autodeskShowRanges", "Ask which bytes are there", &["data:read"], shown)
        .parameters(place())
        .parameters([path::<SessionId>("sessionId", "What the client calls the upload.")])
        .answer(
            202,
            Answer::empty("It is under way.").with_header::<Text>("Range", "The bytes that are there: `bytes=0-99,200-299`."),
        )
        .answers([not_found()]);
    let by_url = Operation::new("autodeskPutResourceRange", "Upload a range with a signed URL", about)
        .parameters([path::<LinkUuid>("id", "The link secret. It is the whole credential.")])
        .parameters(of_range())
        .parameters([query::<Ignored>("region", "Plays no part.")])
        .bytes("The range. Any `Content-Type` is kept as it is.")
        .answer(200, Answer::json::<ObjectBody>("The object, without its SHA-1."))
        .answer(202, accepted())
        .answers(refusals_at(Place::Writing, refusals_of_writing(), |_, text| Answer::json::<ReasonBody<'_>>(text)))
        .answers([mistaken(), unreadable()]);
    let objects = "/oss/v2/buckets/{bucketKey}/objects/{objectKey}";
    let by_url_path = "/oss/v2/signedresources/{id}/resumable";
    let any = [path::<Ignored>("id", "Any.")];
    piece
        .operation(HttpMethod::Put, &format!("{objects}/resumable"), put)
        .operation(HttpMethod::Get, &format!("{objects}/status/{{sessionId}}"), show)
        .operation(HttpMethod::Put, by_url_path, by_url)
        .operation(
            HttpMethod::Options,
            by_url_path,
            preflight("autodeskOptionsOfResourceRange", "`PUT, OPTIONS`").parameters(any),
        )
}

schema!(
    /// The name of an upload: 1 to 1024 printable characters.
    SessionId = String { examples: ["-4f0a3e"], min_length: Some(1), max_length: Some(1024) }
);
schema!(
    /// A range of a whole.
    ContentRange = String { examples: ["bytes 0-5242879/10485760"], pattern: Some("^bytes [0-9]{1,15}-[0-9]{1,15}/[0-9]{1,15}$") }
);

fn transfers(piece: Piece) -> Piece {
    let minutes = || query::<Minutes>("minutesExpiration", "For how many minutes the URLs work.");
    let use_cdn = || query::<Flag>("useCdn", "A URL of the CDN's host, where the operator has set one; otherwise as without.");
    let incomplete = || {
        Answer::json::<UploadErrorBody<'_>>(
            "\
            * `MissingOrInvalidParts`: parts are missing, too many, or not as you say
            * `InvalidUploadKey`: there is no such upload
            * others: something is not as documented",
        )
    };
    let begin = writing_api(
        "autodeskBeginUpload",
        "Get URLs to upload parts",
        &["data:write"],
        "\
        `data:create` will do. The object need not exist, and does not change before the upload is completed.",
    )
    .parameters(place())
    .parameters([
        query::<Parts>("parts", "How many URLs. No part comes after 10,000."),
        query::<Parts>("firstPart", "The number of the first part."),
        query::<UploadKey>("uploadKey", "The upload that the parts are of; without it, a new one begins."),
        minutes(),
        query::<Flag>("useAcceleration", "Plays no part."),
    ])
    .answer(200, Answer::json::<UploadBody>("The URLs."))
    .answers([(400, incomplete()), not_found()]);
    let complete = api(
        "autodeskCompleteUpload",
        "Complete an upload",
        &["data:write"],
        "\
        The object is on stable storage when it is answered. `data:create` will do where there is no object yet.",
    )
    .parameters(place())
    .parameters([
        header::<Text>("x-ads-meta-Content-Type", "The object's media type."),
        header::<Text>("x-ads-meta-Content-Disposition", "Its `filename` becomes the name that downloads are saved under."),
        header::<UserMetadata>(USER_METADATA, "What is to be kept with the object; `details` tells it."),
    ])
    .json::<CompleteBody>("Which upload.", true, json!({"uploadKey": "upl_BwcHBwcHBwcHBwcHBwcHBw"}))
    .answer(200, Answer::json::<ObjectBody>("The object."))
    .answers(storing())
    .answers([(400, incomplete()), not_found()]);
    let download = api(
        "autodeskSignDownload",
        "Get a URL to download an object",
        &["data:read"],
        "\
        A native URL: `/o/…`; for a key that cannot stand in its path, `/l/…`.",
    )
    .parameters(place())
    .parameters([
        minutes(),
        use_cdn(),
        query::<Text>("response-content-type", "The media type to answer with. What could run scripts becomes plain text."),
        query::<Text>("response-content-disposition", "`attachment` and the file name to save under; others are ignored."),
        query::<Flag>("redirect", "Answer with 307 and the URL in `Location`."),
        query::<Flag>("public-resource-fallback", "Plays no part."),
    ])
    .parameters(validators())
    .answer(200, Answer::json::<DownloadBody>("The URL."))
    .answer(307, Answer::empty("The URL is in `Location`.").with_header::<schemas::Url>("Location", "The URL."))
    .answers([not_found(), unmodified(), (412, precondition_failed())]);
    let signed = Answer::json::<SignedBody>("The URL. Shown once.")
        .with_header::<Text>("Access-Control-Allow-Origin", "`*`")
        .with_header::<Text>("Access-Control-Allow-Methods", "`GET`")
        .with_header::<Text>("Access-Control-Allow-Headers", "`Authorization, Accept-Encoding, Range, Content-Type`")
        .with_header::<Text>(
            "Access-Control-Allow-Credentials",
            "`true`, as the vendor's page shows it; the origin is never the caller's.",
        );
    let sign = writing_api("autodeskSign", "Issue a signed URL", &["data:write"], "\
        The object must exist, for writing too. The URL dies when it is deleted; overwriting keeps it alive. It permits no more than \
        its issuer may do, at the time it is used.")
        .parameters(place())
        .parameters([query::<Access>("access", "What it permits, in any case."), use_cdn()])
        .json::<SignBody>("Its limits. Nothing, or `{}`: an hour.", false, json!({"minutesExpiration": 30, "singleUse": true}))
        .answer(200, signed)
        .answers([not_found(), too_large(), too_slow()]);
    let object = "/oss/v2/buckets/{bucketKey}/objects/{objectKey}";
    piece
        .operation(HttpMethod::Get, &format!("{object}/signeds3upload"), begin)
        .operation(HttpMethod::Post, &format!("{object}/signeds3upload"), complete)
        .operation(HttpMethod::Get, &format!("{object}/signeds3download"), download)
        .operation(HttpMethod::Post, &format!("{object}/signed"), sign)
}

fn batches(piece: Piece) -> Piece {
    let minutes = || query::<Minutes>("minutesExpiration", "For how many minutes the URLs work.");
    let about = "\
        Up to 25 objects in one call. What came of each stands under its key, as it was sent: what its own call would be answered, or \
        `status`, which is `error`, and `reason`. What all would fail with fails the call.";
    let upload = writing_api("autodeskBeginUploads", "Get URLs to upload parts of several objects", &["data:write"], about)
        .parameters([bucket(), minutes(), query::<Flag>("useAcceleration", "Plays no part.")])
        .json::<UploadsBody>("The uploads.", true, json!({"requests": [{"objectKey": "dir/a.bin", "parts": 2}]}))
        .answer(200, Answer::json::<UploadResults>("What came of each."))
        .answers([not_found(), too_large(), too_slow()]);
    let complete = writing_api("autodeskCompleteUploads", "Complete several uploads", &["data:write"], about)
        .parameters([bucket()])
        .json::<CompletionsBody>(
            "The uploads.",
            true,
            json!({"requests": [{"objectKey": "dir/a.bin", "uploadKey": "upl_BwcHBwcHBwcHBwcHBwcHBw"}]}),
        )
        .answer(200, Answer::json::<CompletionResults>("What came of each."))
        .answers([not_found(), too_large(), too_slow()]);
    let download = writing_api("autodeskSignDownloads", "Get URLs to download several objects", &["data:read"], about)
        .parameters([
            bucket(),
            minutes(),
            query::<Flag>("useCdn", "A URL of the CDN's host, where the operator has set one; otherwise as without."),
            query::<Flag>("public-resource-fallback", "Plays no part."),
        ])
        .json::<DownloadsBody>("The objects.", true, json!({"requests": [{"objectKey": "dir/a.bin"}]}))
        .answer(200, Answer::json::<DownloadResults>("What came of each."))
        .answers([not_found(), too_large(), too_slow()]);
    let objects = "/oss/v2/buckets/{bucketKey}/objects";
    piece
        .operation(HttpMethod::Post, &format!("{objects}/batchsigneds3upload"), upload)
        .operation(HttpMethod::Post, &format!("{objects}/batchcompleteupload"), complete)
        .operation(HttpMethod::Post, &format!("{objects}/batchsigneds3download"), download)
}

fn signed_urls(piece: Piece) -> Piece {
    let id = || path::<LinkUuid>("id", "The link secret. It is the whole credential.");
    let revoke = writing_api("autodeskRevoke", "Take a signed URL back", &["data:write"], "The object stays.")
        .parameters([id()])
        .answer(200, Answer::of("text/plain", "`Signed resource deleted successfully:` and the id."))
        .answers([not_found()]);
    let refused = |status, text: &str| Answer::json::<ReasonBody<'_>>(text).shared_as(&format!("autodesk.Part{status}"));
    let part = Operation::new(
        "autodeskPutPart",
        "Upload a part",
        "\
        The URL is the credential. Parts may come in any order, at once, and again. 403 says to get fresh URLs.",
    )
    .parameters([path::<PartSecret>("secret", "The upload's secret."), path::<PartNumber>("part", "The part's number.")])
    .bytes("The part.")
    .answer(200, Answer::empty("It is stored.").with_header::<ETag>("ETag", "The MD5 of the part, in hexadecimal digits."))
    .answers(refusals_at(Place::Transfer, refusals_of_writing(), refused));
    let part_path = "/oss/v2/uploads/{secret}/{part}";
    let of_part = [path::<Ignored>("secret", "Any."), path::<Ignored>("part", "Any.")];
    let mut piece = piece;
    for (path, suffix, of) in [
        ("/oss/v2/signedresources/{id}", "Resource", vec![id()]),
        ("/oss/v2/{bucketKey}/{id}", "ResourceOfBucket", vec![bucket(), id()]),
    ] {
        let any = of.iter().map(|part| valetkey_http_common::openapi::path::<Ignored>(&part.name, "Any."));
        let allowed = preflight(&format!("autodeskOptionsOf{suffix}"), "`GET, HEAD, PUT, OPTIONS`").parameters(any);
        let not_there = (404, Answer::json::<ReasonBody<'_>>("The `id` is no UUID, or the bucket has no name."));
        let allowed = if of.len() > 1 { allowed.answers([not_there]) } else { allowed };
        piece = piece
            .get_and_head(path, download_by_url(&format!("autodeskGet{suffix}")).parameters(of.clone()))
            .operation(HttpMethod::Put, path, upload_by_url(&format!("autodeskPut{suffix}")).parameters(of))
            .operation(HttpMethod::Options, path, allowed);
    }
    piece
        .operation(HttpMethod::Delete, "/oss/v2/signedresources/{id}", revoke)
        .operation(HttpMethod::Put, part_path, part)
        .operation(HttpMethod::Options, part_path, preflight("autodeskOptionsOfPart", "`PUT, OPTIONS`").parameters(of_part))
}

fn download_by_url(id: &str) -> Operation {
    let description = "\
        The URL is the credential. What works once can be resumed by whoever began it; to everybody else, and afterwards, it is as if it \
        had never been. HEAD, 304, 412, 416 and refusals count nothing.";
    let refused = |status, text: &str| Answer::json::<ReasonBody<'_>>(text).shared_as(&format!("autodesk.Download{status}"));
    Operation::new(id, "Download with a signed URL", description)
        .parameters(reading())
        .parameters([
            query::<AnyText>("response-content-type", "The media type to answer with, of what is saved and not shown."),
            query::<AnyText>("response-content-disposition", "`attachment` and the file name to save under; others are ignored."),
            query::<Ignored>("region", "Plays no part."),
        ])
        .answers(an_object(precondition_failed(), unsatisfiable()))
        .answers(refusals_at(Place::Reading, refusals_of_reading(), refused))
}

fn upload_by_url(id: &str) -> Operation {
    let refused = |status, text: &str| match status {
        400 => Answer::json::<ReasonBody<'_>>(&format!("{text}\n* without a body: the upload broke off")),
        _ => Answer::json::<ReasonBody<'_>>(text),
    };
    let stored = Answer::json::<ObjectBody>("The object.").with_header::<ETag>("ETag", "The SHA-1 of the bytes.");
    Operation::new(
        id,
        "Upload with a signed URL",
        "The URL is the credential. Overwrites the object. A failed upload has used nothing up.",
    )
    .parameters(writing())
    .parameters([content_sha1()])
    .parameters([query::<Ignored>("region", "Plays no part.")])
    .bytes("The bytes. Any `Content-Type` is kept as it is.")
    .answer(200, stored)
    .answers(refusals_at(Place::Writing, refusals_of_writing(), |status, text| {
        refused(status, text).shared_as(&format!("autodesk.Upload{status}"))
    }))
}

fn content_sha1() -> Parameter {
    header::<Sha1Hex>(CONTENT_SHA1, "The SHA-1 that the bytes must have, in hexadecimal digits.")
}

/// The refusals at a place. Their texts are the vendor's `reason`.
fn refusals_at(place: Place, of: impl Iterator<Item = Refusal>, answer: impl Fn(u16, &str) -> Answer) -> Vec<(u16, Answer)> {
    let told = of.map(|refusal| {
        let (status, reason) = told(refusal, place);
        (refusal, status.as_u16(), format!("`{reason}`"))
    });
    refusals(told, |status, text| match status {
        503 => starting(answer(status, text)),
        _ => answer(status, text),
    })
}

/// A call by a token with these scopes.
fn api(id: &str, summary: &str, scopes: &[&str], description: &str) -> Operation {
    let unauthenticated = unauthenticated(Answer::json::<GatewayBody<'_>>(
        "\
        * `AUTH-012`: there is no credential that can be read
        * `AUTH-006`: it is unknown, or has expired",
    ));
    Operation::new(id, summary, description)
        .for_holders_of(&[BEARER, API_KEY], scopes)
        .answers([invalid(), (401, unauthenticated.shared_as("autodesk.Unauthenticated")), forbidden()])
        .answers(anywhere())
}

/// The same for a call that changes something.
fn writing_api(id: &str, summary: &str, scopes: &[&str], description: &str) -> Operation {
    let no_space = Answer::json::<ReasonBody<'_>>(&format!("`{}`", Refusal::NoSpace.sentence()));
    api(id, summary, scopes, description).answer(507, no_space.shared_as("autodesk.NoSpace"))
}

fn bucket() -> Parameter {
    path::<BucketName>("bucketKey", "The bucket.")
}

fn place() -> [Parameter; 2] {
    [bucket(), path::<ObjectKey>("objectKey", KEY)]
}

fn region_of<T: utoipa::ToSchema>() -> [Parameter; 3] {
    [
        header::<T>("x-ads-region", "The region."),
        header::<T>("region", "The region, if `x-ads-region` is not there."),
        query::<T>("region", "The region, if no field has it."),
    ]
}

fn validators() -> [Parameter; 2] {
    [
        header::<Text>("If-None-Match", "Entity tags, with or without quotes; 304 if the object has one of them."),
        header::<Text>("If-Modified-Since", "An HTTP date; 304 if the object has not changed since."),
    ]
}

/// What any call can be answered.
fn anywhere() -> [(u16, Answer); 2] {
    let too_many = Answer::json::<ReasonBody<'_>>("Too many credentials failed from this address.");
    let unavailable = Answer::json::<ReasonBody<'_>>("A store does not answer.");
    [
        (429, retry_after(too_many).shared_as("autodesk.TooManyRequests")),
        (503, starting(retry_after(unavailable)).shared_as("autodesk.Unavailable")),
    ]
}

/// The answer, or, while the server starts, a problem.
fn starting(answer: Answer) -> Answer {
    answer.also::<Problem>(PROBLEM)
}

/// What an upload by the API can be refused with.
fn storing() -> Vec<(u16, Answer)> {
    let of = refusals_of_writing().filter(|refusal| *refusal >= Refusal::TooLarge);
    let answer = |status, text: &str| Answer::json::<ReasonBody<'_>>(text).shared_as(&format!("autodesk.Put{status}"));
    let mut answers = refusals_at(Place::Api, of, answer);
    answers.retain(|(status, _)| !matches!(status, 400 | 415));
    answers
}

fn invalid() -> (u16, Answer) {
    (400, Answer::json::<ReasonBody<'_>>("Something is not as documented.").shared_as("autodesk.Invalid"))
}

fn unauthenticated(answer: Answer) -> Answer {
    answer.with_header::<Text>("WWW-Authenticate", "The scheme to use.")
}

fn forbidden() -> (u16, Answer) {
    let text = "\
        * `AUTH-010`: the token's scopes do not permit this
        * `reason`: the bucket belongs to another owner, or is none of those that the API key is limited to";
    (403, Answer::json::<ErrorBody<'_>>(text).shared_as("autodesk.Forbidden"))
}

fn not_found() -> (u16, Answer) {
    let text = "`Bucket not found`, `Object not found` or `Hash does not exist`";
    (404, Answer::json::<ReasonBody<'_>>(text).shared_as("autodesk.NotFound"))
}

fn conflict() -> (u16, Answer) {
    let text = "`Bucket already exists` or `Bucket is not empty`";
    (409, Answer::json::<ReasonBody<'_>>(text).shared_as("autodesk.Conflict"))
}

fn too_large() -> (u16, Answer) {
    (413, Answer::json::<ReasonBody<'_>>("The body has more than 1 MiB.").shared_as("autodesk.TooLarge"))
}

fn too_slow() -> (u16, Answer) {
    (408, Answer::json::<ReasonBody<'_>>("The body came too slowly.").shared_as("autodesk.TooSlow"))
}

fn unmodified() -> (u16, Answer) {
    (304, Answer::empty("The object is the one that the client has.").with_header::<ETag>("ETag", "The SHA-1 of the bytes."))
}

fn precondition_failed() -> Answer {
    Answer::json::<ReasonBody<'_>>("`ETag Not Matched`").shared_as("autodesk.PreconditionFailed")
}

fn unsatisfiable() -> Answer {
    Answer::json::<ReasonBody<'_>>("The object has no such range.").shared_as("autodesk.RangeNotSatisfiable")
}
