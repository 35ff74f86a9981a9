//! Between the wire and the use cases.

use crate::errors::{ApiError, Gateway, bad};
use crate::transfers::DownloadAsked;
use crate::wire::{
    AccessTokenBody, BucketBody, BucketItem, DownloadBody, DownloadParams, IncompleteBody, NewBucketBody, ObjectBody, PartBody,
    PermissionBody, SignBody, SignedBody, SizeBody, UploadBody, from_hex, hex,
};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;
use valetkey_http_common::content_type::OCTET_STREAM;
use valetkey_http_common::disposition::{self, content_disposition};
use valetkey_http_common::json::Object;
use valetkey_http_common::path::{decode, encode_segment};
use valetkey_http_common::public_url::PublicUrl;
use valetkey_http_common::query::Query;
use valetkey_http_common::view;
use valetkey_model::{
    BucketName, Dialect, Disposition, Network, ObjectKey, Permission, PutMode, Region, Scope, Scopes, Terms, Timestamp, UploadId,
};
use valetkey_service::{
    AccessToken, BucketRow, CompletedPart, Credential, Form, IssueRequest, Issued, Lifetime, NewBucket, ObjectRow, PartsMismatch,
    Principal, Target, UploadTicket,
};

/// Where an uploader says the SHA-1 of the bytes.
pub(crate) const CONTENT_SHA1: &str = "x-ads-content-sha1";
/// Where an uploader says what is to be kept with an object.
pub(crate) const USER_METADATA: &str = "x-ads-user-defined-metadata";
/// How long that may be.
const MAX_USER_METADATA_BYTES: usize = 100;
/// How long a signed URL lives if nothing is said.
const DEFAULT_MINUTES: u32 = 60;
/// The longest media type and `Content-Disposition` that a signed URL keeps.
const MAX_TEXT_BYTES: usize = 255;
/// How many bytes the vendor wants in each part but the last.
const MIN_PART_BYTES: u64 = 5 << 20;
/// The regions of the vendor.
const REGIONS: [&str; 9] = ["US", "EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR", "APAC"];

/// The vendor's scopes, and what they permit here. All others are ignored: clients ask for those of the vendor's other services.
const SCOPES: [(&str, &[Scope]); 7] = [
    ("data:read", &[Scope::ObjectRead]),
    ("viewables:read", &[Scope::ObjectRead]),
    ("data:write", &[Scope::ObjectWrite, Scope::LinkIssue, Scope::LinkRevoke]),
    ("data:create", &[Scope::ObjectCreate]),
    ("bucket:create", &[Scope::BucketCreate]),
    ("bucket:read", &[Scope::BucketRead]),
    ("bucket:delete", &[Scope::BucketDelete]),
];

/// Our scopes of the vendor's, separated by spaces.
pub(crate) fn scopes_of(text: &str) -> Scopes {
    let known = text.split_ascii_whitespace().filter_map(|word| SCOPES.iter().find(|(name, _)| *name == word));
    known.flat_map(|(_, scopes)| scopes.iter().copied()).collect()
}

/// The vendor's scopes that are wholly granted by ours, of those asked for if any were.
fn words_of(granted: Scopes, asked: Option<&str>) -> String {
    let is_asked = |name: &str| asked.is_none_or(|asked| asked.split_ascii_whitespace().any(|word| word == name));
    let is_granted = |scopes: &[Scope]| scopes.iter().all(|scope| granted.has(*scope));
    let words = SCOPES.iter().filter(|(name, scopes)| is_asked(name) && is_granted(scopes));
    words.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

pub(crate) fn access_token_body(token: &AccessToken, asked: Option<&str>) -> AccessTokenBody {
    AccessTokenBody {
        access_token: token.token.expose().to_owned(),
        token_type: "Bearer",
        // One second less, so that who counts from the answer's arrival does not come too late.
        expires_in: token.lifetime.as_secs().saturating_sub(1),
        scope: words_of(token.scopes, asked),
    }
}

pub(crate) fn bucket_name(raw: &str) -> Result<BucketName, ApiError> {
    decode(raw).ok().and_then(|decoded| decoded.parse().ok()).ok_or_else(not_a_bucket_key)
}

fn not_a_bucket_key() -> ApiError {
    bad("Valid field 'bucketKey' must be of the form  [-_.a-z0-9]{3,128}")
}

/// An object key: one raw path segment, decoded once.
pub(crate) fn object_key(raw: &str) -> Result<ObjectKey, ApiError> {
    let decoded = decode(raw).map_err(|error| bad(format!("The objectKey is not URL-encoded: {error}")))?;
    parse_object_key(&decoded)
}

/// An object key as it is.
pub(crate) fn parse_object_key(text: &str) -> Result<ObjectKey, ApiError> {
    text.parse().map_err(|error: valetkey_model::NameError| bad(format!("The objectKey must be {}", error.expected())))
}

/// The value of a query parameter that may stand once.
pub(crate) fn text<'a>(query: Query<'a>, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
    query.form_value(name).map_err(|error| bad(format!("Invalid query parameter '{name}': {error}")))
}

/// A whole number in a range.
pub(crate) fn number(query: Query<'_>, name: &str, default: u32, range: RangeInclusive<u32>) -> Result<u32, ApiError> {
    let Some(text) = text(query, name)? else { return Ok(default) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| bad(format!("Invalid query parameter '{name}': expected {} to {}", range.start(), range.end())))
}

/// `true` or `false`; some clients write `True`.
pub(crate) fn boolean(query: Query<'_>, name: &str) -> Result<bool, ApiError> {
    match text(query, name)? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(bad(format!("Invalid query parameter '{name}': expected true or false"))),
    }
}

/// `access`; published clients write `Read` and `ReadWrite`.
pub(crate) fn access(query: Query<'_>) -> Result<Permission, ApiError> {
    let Some(value) = text(query, "access")? else { return Ok(Permission::Read) };
    let all = [Permission::Read, Permission::Write, Permission::ReadWrite];
    let found = all.into_iter().find(|permission| value.eq_ignore_ascii_case(permission.as_str()));
    found.ok_or_else(|| bad("Invalid query parameter 'access': expected read, write or readwrite"))
}

/// The region that a request names: in `x-ads-region`, `region`, or the query.
pub(crate) fn region(headers: &HeaderMap, query: Query<'_>) -> Result<Option<Region>, ApiError> {
    let header = |name: &str| headers.get(name).map(|value| Cow::Owned(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let named = match header("x-ads-region").or_else(|| header("region")) {
        Some(named) => Some(named),
        None => text(query, "region")?,
    };
    named.map(|named| named.trim().parse().map_err(|_| not_a_region())).transpose()
}

fn not_a_region() -> ApiError {
    bad(format!("Invalid region: expected one of {}", REGIONS.join(", ")))
}

/// A JSON object.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // An array would do for a struct, too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("The body is not a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| bad(format!("The body is not the JSON expected: {error}")))
}

/// What is to be kept with an object.
///
/// # Errors
///
/// 400 for what is no JSON object, or too long.
pub(crate) fn user_metadata(text: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    if is_object && text.len() <= MAX_USER_METADATA_BYTES {
        return Ok(Some(text.to_owned()));
    }
    Err(bad(format!("Invalid header '{USER_METADATA}': expected a JSON object of at most {MAX_USER_METADATA_BYTES} bytes")))
}

/// Whether `Content-Type` is this media type, whatever its parameters.
pub(crate) fn is_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

/// The body of `POST …/signed`: nothing is `{}`; anything else must be said to be JSON.
pub(crate) fn sign_body(headers: &HeaderMap, bytes: &[u8]) -> Result<SignBody, ApiError> {
    match bytes {
        [] => Ok(SignBody::default()),
        _ if is_type(headers, "application/json") => parse(bytes),
        _ => Err(bad("Content-Type must be application/json")),
    }
}

/// A signed URL to be issued: in link form, for an object that is there.
pub(crate) fn issue_request(
    bucket: BucketName,
    key: ObjectKey,
    permission: Permission,
    body: SignBody,
    longest: Duration,
) -> Result<IssueRequest, ApiError> {
    let minutes = body.minutes_expiration.map_or(DEFAULT_MINUTES, NonZeroU32::get);
    let lifetime = Duration::from_secs(u64::from(minutes) * 60);
    if lifetime > longest {
        return Err(bad(format!("Invalid field 'minutesExpiration': expected 1 to {}", longest.as_secs() / 60)));
    }
    let mut terms = Terms::new(permission);
    terms.dialect = Dialect::Autodesk;
    terms.uses = body.single_use.unwrap_or_default().then_some(NonZeroU32::MIN);
    terms.upload.mode = PutMode::Replace;
    terms.content_type = short("contentType", body.content_type)?;
    if let Some(field) = short("contentDisposition", body.content_disposition)? {
        terms.file_name = disposition::file_name(field.as_bytes());
        terms.disposition = Some(
            kind_of(&field)
                .ok_or_else(|| bad("Invalid field 'contentDisposition': expected attachment or inline, and a file name"))?,
        );
    }
    terms.addresses = addresses(body.allowed_ip_addresses.as_deref())?;
    Ok(IssueRequest {
        bucket,
        target: Target::Object(key),
        form: Form::Link,
        terms,
        lifetime: Lifetime::For(lifetime),
        not_before: None,
        must_exist: true,
        pin: false,
    })
}

fn short(field: &'static str, text: Option<String>) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if text.len() > MAX_TEXT_BYTES || text.contains(char::is_control) => {
            Err(bad(format!("Invalid field '{field}': expected at most {MAX_TEXT_BYTES} bytes without control characters")))
        }
        text => Ok(text),
    }
}

fn addresses(text: Option<&str>) -> Result<Vec<Network>, ApiError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    // What cannot be read is refused: left out, it would let everybody in.
    let parsed: Result<Vec<Network>, _> = text.split(',').map(|address| address.trim().parse()).collect();
    parsed.map_err(|error| bad(format!("Invalid field 'allowedIpAddresses': {error}")))
}

fn kind_of(field: &str) -> Option<Disposition> {
    let kind = field.split(';').next().unwrap_or_default().trim();
    match kind {
        _ if kind.eq_ignore_ascii_case("attachment") => Some(Disposition::Attachment),
        _ if kind.eq_ignore_ascii_case("inline") => Some(Disposition::Inline),
        _ => None,
    }
}

/// The file name of a `Content-Disposition`, if it is an attachment's.
pub(crate) fn attachment_name(field: &str) -> Option<String> {
    (kind_of(field)? == Disposition::Attachment).then(|| disposition::file_name(field.as_bytes())).flatten()
}

/// An issued URL in the vendor's spelling. The secret is the whole last path segment, which is all that some clients keep.
pub(crate) fn signed_body(issued: &Issued, base: &PublicUrl) -> SignedBody {
    SignedBody {
        signed_url: match &issued.credential {
            Credential::Link(secret) => {
                let region = encode_segment(issued.bucket.region.as_str());
                base.join(&format!("/oss/v2/signedresources/{}?region={region}", secret.uuid().expose()))
            }
            // Never asked for.
            Credential::Token { .. } => native_url(issued, base, base),
        },
        expiration: issued.expires_at.as_millis(),
        single_use: issued.terms.uses.is_some(),
    }
}

/// The URL of an issued link or token in native form, below `base`, which is the public URL or stands for it.
fn native_url(issued: &Issued, public_url: &PublicUrl, base: &PublicUrl) -> String {
    match &issued.credential {
        Credential::Link(secret) => base.join(&format!("/l/{}", secret.text().expose())),
        Credential::Token { token, path } => {
            let path = public_url.strip_base_path(path).unwrap_or(path);
            base.join(&format!("{path}?cat={}", token.expose()))
        }
    }
}

/// What `GET …/signeds3download` issues: a native token; for a key that cannot stand in one, a link.
pub(crate) fn download_request(bucket: BucketName, key: ObjectKey, lifetime: Duration, asked: DownloadAsked) -> IssueRequest {
    let mut terms = Terms::new(Permission::Read);
    terms.dialect = Dialect::Autodesk;
    terms.content_type = asked.content_type.map(|asked| view::sanitised(&asked).to_str().unwrap_or(OCTET_STREAM).to_owned());
    terms.file_name = asked.disposition.and_then(|asked| attachment_name(&asked));
    IssueRequest {
        bucket,
        form: Form::TokenOrLink,
        target: Target::Object(key),
        terms,
        lifetime: Lifetime::For(lifetime),
        not_before: None,
        must_exist: true,
        pin: false,
    }
}

pub(crate) fn download_body(issued: &Issued, object: &ObjectRow, public_url: &PublicUrl, base: &PublicUrl) -> DownloadBody {
    let file_name = issued.terms.file_name.as_deref().or(object.file_name.as_deref()).unwrap_or_else(|| object.key.file_name());
    let disposition = content_disposition(Disposition::Attachment, file_name);
    DownloadBody {
        status: "complete",
        url: native_url(issued, public_url, base),
        params: DownloadParams {
            content_type: issued.terms.content_type.clone().unwrap_or_else(|| content_type_of(object)),
            content_disposition: disposition.to_str().unwrap_or("attachment").to_owned(),
        },
        size: object.size_bytes,
        sha1: object.sha1.map(|sha1| hex(&sha1)),
    }
}

/// The opaque part of an object's entity tag: its SHA-1. Whoever shows one has it made before.
pub(crate) fn etag_of(object: &ObjectRow) -> String {
    object.sha1.map_or_else(|| hex(&object.sha256), |sha1| hex(&sha1))
}

fn content_type_of(object: &ObjectRow) -> String {
    object.content_type.clone().unwrap_or_else(|| OCTET_STREAM.to_owned())
}

pub(crate) fn object_body(object: &ObjectRow, public_url: &PublicUrl) -> ObjectBody {
    let location = format!("/oss/v2/buckets/{}/objects/{}", object.bucket, encode_segment(object.key.as_str()));
    ObjectBody {
        bucket_key: object.bucket.clone(),
        object_id: format!("urn:adsk.objects:os.object:{}/{}", object.bucket, object.key),
        object_key: object.key.clone(),
        sha1: object.sha1.map(|sha1| hex(&sha1)),
        size: object.size_bytes,
        content_type: content_type_of(object),
        location: public_url.join(&location),
        created_date: None,
        last_modified_date: None,
        last_accessed_date: None,
        user_defined_metadata: None,
    }
}

/// An object with what `with` asks for besides.
pub(crate) fn object_body_with(object: &ObjectRow, public_url: &PublicUrl, query: Query<'_>) -> ObjectBody {
    let mut body = object_body(object, public_url);
    // Published clients repeat `with`, or `with[]`, or put commas between.
    let asked = ["with", "with[]"].into_iter().flat_map(|name| query.form_values(name).flatten());
    for name in asked.flat_map(|names| names.split(',').map(str::to_owned).collect::<Vec<_>>()) {
        match name.as_str() {
            "createdDate" => body.created_date = Some(object.created_at.as_millis()),
            "lastModifiedDate" => body.last_modified_date = Some(object.modified_at.as_millis()),
            // Who reads is recorded in the audit, and not with the object.
            "lastAccessedDate" => body.last_accessed_date = Some(object.modified_at.as_millis()),
            "userDefinedMetadata" => body.user_defined_metadata = object.user_metadata.clone(),
            _ => {}
        }
    }
    body
}

pub(crate) fn new_bucket(body: NewBucketBody, region: Option<Region>, principal: &Principal) -> Result<NewBucket, ApiError> {
    let region = region.unwrap_or_default();
    if !REGIONS.contains(&region.as_str()) {
        return Err(not_a_region());
    }
    let own = principal.api_key().as_str();
    if body.allow.unwrap_or_default().iter().any(|Object(allow)| allow.auth_id != own) {
        return Err(bad("Invalid field 'allow': a bucket is for its owner alone"));
    }
    let name = body.bucket_key.parse().map_err(|_| not_a_bucket_key())?;
    Ok(NewBucket { name, region, retention: body.policy_key, public: false })
}

pub(crate) fn bucket_body(bucket: &BucketRow) -> BucketBody {
    let owner = bucket.created_by.as_ref().map_or_else(|| bucket.tenant.to_string(), |api_key| api_key.to_string());
    BucketBody {
        bucket_key: bucket.name.clone(),
        bucket_owner: owner.clone(),
        created_date: bucket.created_at.as_millis(),
        permissions: [PermissionBody { auth_id: owner, access: "full" }],
        policy_key: bucket.retention,
    }
}

pub(crate) fn bucket_item(bucket: &BucketRow) -> BucketItem {
    BucketItem { bucket_key: bucket.name.clone(), created_date: bucket.created_at.as_millis(), policy_key: bucket.retention }
}

/// The URL of the page after this one: the same query, beginning elsewhere.
pub(crate) fn next_page(base: &PublicUrl, path: &str, start_at: &str, limit: u32, also: &[(&str, &str)]) -> String {
    let mut url = base.join(&format!("{path}?startAt={}&limit={limit}", encode_segment(start_at)));
    for (name, value) in also {
        url.push_str(&format!("&{name}={}", encode_segment(value)));
    }
    url
}

/// An instant as ISO 8601 has it, in whole seconds.
pub(crate) fn iso(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_seconds()).map(|at| at.to_string()).unwrap_or_else(|_| at.to_string())
}

pub(crate) fn upload_body(upload: UploadId, ticket: &UploadTicket, parts: RangeInclusive<u32>, base: &PublicUrl) -> UploadBody {
    let secret = ticket.secret.text();
    UploadBody {
        upload_key: upload.to_string(),
        urls: parts.map(|part| base.join(&format!("/oss/v2/uploads/{}/{part}", secret.expose()))).collect(),
        url_expiration: iso(ticket.expires_at),
        upload_expiration: iso(ticket.upload_expires_at),
    }
}

/// Why an upload in parts is not complete.
pub(crate) fn incomplete(upload_key: String, mismatch: PartsMismatch) -> ApiError {
    let body = |reason, size, parts| {
        ApiError::Incomplete(Box::new(IncompleteBody { upload_key: upload_key.clone(), status: "error", reason, size, parts }))
    };
    match mismatch {
        PartsMismatch::Parts { expected_bytes, received_bytes, parts } => {
            let size = SizeBody { expected: expected_bytes.unwrap_or(received_bytes), detected: received_bytes };
            let last = parts.iter().map(|part| part.number).max();
            let told = parts.iter().map(|part| part_body(part, Some(part.number) == last));
            body("MissingOrInvalidParts", Some(size), Some(told.collect()))
        }
        PartsMismatch::Service(valetkey_service::ServiceError::NotFound { what: "upload" }) => {
            body("InvalidUploadKey", None, None)
        }
        PartsMismatch::Service(error) => error.into(),
    }
}

/// An `uploadKey` that is none of ours.
pub(crate) fn no_such_upload(upload_key: &str) -> ApiError {
    let not_found = valetkey_service::ServiceError::NotFound { what: "upload" };
    incomplete(upload_key.to_owned(), PartsMismatch::Service(not_found))
}

/// An entity tag that no part can have.
pub(crate) fn no_such_etag(upload_key: String) -> ApiError {
    let body = IncompleteBody { upload_key, status: "error", reason: "MissingOrInvalidParts", size: None, parts: None };
    ApiError::Incomplete(Box::new(body))
}

/// One part of an upload that is not complete. That it is smaller than the vendor's is said, but is no reason not to complete it.
fn part_body(part: &CompletedPart, is_last: bool) -> PartBody {
    let too_small = !is_last && part.received.is_some_and(|received| received.size_bytes < MIN_PART_BYTES);
    PartBody {
        part: part.number,
        size: part.received.map(|received| received.size_bytes),
        e_tag: part.received.map(|received| hex(&received.md5)),
        status: match (part.received, part.as_expected, too_small) {
            (None, _, _) => "Pending",
            (Some(_), true, false) => "Ok",
            (Some(_), true, true) => "TooSmall",
            (Some(_), false, false) => "Unexpected",
            (Some(_), false, true) => "Unexpected+TooSmall",
        },
    }
}

/// Published clients send the SHA-1 without the quotes of an entity tag: they are added. All else stays as it is.
pub(crate) fn quote_validators(headers: &mut HeaderMap) {
    for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE] {
        let mut lines = headers.get_all(&name).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { continue };
        let digits = line.as_bytes().trim_ascii();
        let (quoted, tag) = match digits.strip_prefix(b"\"").and_then(|digits| digits.strip_suffix(b"\"")) {
            Some(tag) => (true, tag),
            None => (false, digits),
        };
        let is_sha1 = tag.len() == 40 && tag.iter().all(u8::is_ascii_hexdigit);
        if is_sha1
            && (!quoted || tag.iter().any(u8::is_ascii_uppercase))
            && let Ok(value) = HeaderValue::from_bytes(&[b"\"", tag.to_ascii_lowercase().as_slice(), b"\""].concat())
        {
            headers.insert(name, value);
        }
    }
}

/// The SHA-1 that an upload's bytes are said to have, by the vendor's own header.
///
/// # Errors
///
/// The header's name, where it stands more than once or is not 40 hexadecimal digits.
pub(crate) fn declared_sha1(headers: &HeaderMap) -> Result<Option<[u8; 20]>, &'static str> {
    let mut lines = headers.get_all(CONTENT_SHA1).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let sha1 = line.to_str().ok().filter(|_| lines.next().is_none()).and_then(from_hex);
    sha1.map(Some).ok_or(CONTENT_SHA1)
}

/// The client that asks for a token, by the form's fields.
pub(crate) fn form_field<'a>(form: Query<'a>, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
    form.form_value(name).map_err(|_| Gateway::NoGrant.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(raw: &str) -> Query<'_> {
        Query::new(Some(raw))
    }

    #[test]
    fn scopes_are_the_known_ones() {
        assert_eq!(scopes_of("code:all data:read  account:read"), [Scope::ObjectRead].into_iter().collect());
        assert_eq!(scopes_of("DATA:READ code:all"), Scopes::NONE);
        let write = scopes_of("data:write bucket:read");
        assert_eq!(words_of(write, Some("bucket:read data:write data:read")), "data:write bucket:read");
        assert_eq!(words_of(write, None), "data:write bucket:read");
        assert_eq!(words_of([Scope::ObjectWrite].into_iter().collect(), None), "", "half a scope is none");
    }

    #[test]
    fn queries() {
        let all = |raw: &str| access(query(raw)).map_err(|_| ());
        assert_eq!(all(""), Ok(Permission::Read));
        assert_eq!(all("access=Read"), Ok(Permission::Read));
        assert_eq!(all("useCdn=true&access=WRITE"), Ok(Permission::Write));
        assert_eq!(all("access=ReadWrite"), Ok(Permission::ReadWrite));
        for raw in ["access", "access=", "access=reed", "access=read&access=read", "access=read%20"] {
            assert_eq!(all(raw), Err(()), "{raw}");
        }
        let flag = |raw: &str| boolean(query(raw), "useCdn").map_err(|_| ());
        assert_eq!([flag(""), flag("useCdn=false"), flag("useCdn=True")], [Ok(false), Ok(false), Ok(true)]);
        for raw in ["useCdn", "useCdn=1", "useCdn=yes", "useCdn=true&useCdn=true"] {
            assert_eq!(flag(raw), Err(()), "{raw}");
        }
        let limit = |raw: &str| number(query(raw), "limit", 10, 1..=100).map_err(|_| ());
        assert_eq!([limit(""), limit("limit=1"), limit("limit=100")], [Ok(10), Ok(1), Ok(100)]);
        for raw in ["limit=0", "limit=101", "limit=", "limit=+5", "limit=%2B5", "limit=-1", "limit=1.0", "limit=99999999999"] {
            assert_eq!(limit(raw), Err(()), "{raw}");
        }
    }

    #[test]
    fn content_types_of_sign_bodies() {
        let check = |content_type: Option<&str>, body: &str, fine: bool| {
            let mut headers = HeaderMap::new();
            if let Some(text) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            }
            assert_eq!(sign_body(&headers, body.as_bytes()).is_ok(), fine, "{content_type:?} {body}");
        };
        for text in ["application/json", "application/json;charset=UTF-8", "Application/JSON ; charset=\"utf-8\""] {
            check(Some(text), "{ }", true);
            check(Some(text), " \r\n{\"minutesExpiration\" : 30}\n", true);
            check(Some(text), "[]", false);
            check(Some(text), "null", false);
            check(Some(text), " ", false);
        }
        check(None, "", true);
        check(Some("text/plain"), "", true);
        check(None, "{}", false);
        check(Some("text/plain"), "{}", false);
        check(Some("application/jsonp"), "{}", false);
    }

    fn terms(body: &str) -> Result<Terms, ()> {
        let body = parse(body.as_bytes()).map_err(|_| ())?;
        let (bucket, key) = ("apptestbucket".parse().unwrap(), "../a//b".parse().unwrap());
        let request = issue_request(bucket, key, Permission::ReadWrite, body, Duration::from_secs(600 * 60)).map_err(|_| ())?;
        assert!(request.must_exist && request.form == Form::Link && !request.pin);
        Ok(request.terms)
    }

    #[test]
    fn what_is_issued() {
        let plain = terms("{}").unwrap();
        assert_eq!((plain.dialect, plain.uses, plain.upload.mode), (Dialect::Autodesk, None, PutMode::Replace));
        assert_eq!(terms("{\"singleUse\": true}").unwrap().uses, Some(NonZeroU32::MIN));
        assert!(terms("{\"minutesExpiration\": 600}").is_ok() && terms("{\"minutesExpiration\": 601}").is_err());
        let rich = terms(
            "{\"contentDisposition\": \"inline; filename=a.pdf\", \"contentType\": \"application/pdf\", \
             \"allowedIpAddresses\": \"192.0.2.1, 2001:db8::/32\"}",
        )
        .unwrap();
        assert_eq!((rich.disposition, rich.file_name.as_deref()), (Some(Disposition::Inline), Some("a.pdf")));
        assert_eq!((rich.content_type.as_deref(), rich.addresses.len()), (Some("application/pdf"), 2));
        for body in
            ["{\"allowedIpAddresses\": \"\"}", "{\"allowedIpAddresses\": \"1.2.3.4,\"}", "{\"contentDisposition\": \"x\"}"]
        {
            assert_eq!(terms(body), Err(()), "{body}");
        }
    }

    #[test]
    fn only_attachments_are_asked_for() {
        assert_eq!(attachment_name("attachment; filename=\"a/b.pdf\"").as_deref(), Some("b.pdf"));
        assert_eq!(attachment_name("Attachment;filename*=UTF-8''%C3%A9.txt").as_deref(), Some("é.txt"));
        for field in ["inline; filename=a.html", "filename=a.html", "attachment", "attachmentx; filename=a", ""] {
            assert_eq!(attachment_name(field), None, "{field}");
        }
    }

    #[test]
    fn validators_get_their_quotes() {
        let sha1 = "CDBF71bfc07cbc18372a5dd4b6e161463cb7fd35";
        let check = |sent: &str, expected: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_str(sent).unwrap());
            quote_validators(&mut headers);
            assert_eq!(headers[IF_MATCH], expected);
        };
        let quoted = format!("\"{}\"", sha1.to_ascii_lowercase());
        check(sha1, &quoted);
        check(&quoted, &quoted);
        check(&format!("\"{sha1}\""), &quoted);
        for other in ["0.83:bucket%2Fkey", "*", "", "\"a\", \"b\"", "W/\"cdbf71bfc07cbc18372a5dd4b6e161463cb7fd35\""] {
            check(other, other);
        }
    }

    #[test]
    fn keys_and_pages() {
        assert_eq!(object_key("dir%2Fa%20b.txt").unwrap().as_str(), "dir/a b.txt");
        assert_eq!(object_key("..").unwrap().as_str(), "..");
        assert!(object_key("").is_err() && object_key("%00").is_err() && object_key("%zz").is_err());
        assert!(bucket_name("Upper").is_err() && bucket_name("ab").is_err() && bucket_name("app%74est").is_ok());
        let base = "https://files.example.org/x".parse().unwrap();
        let url = next_page(&base, "/oss/v2/buckets/b-1/objects", "a/ü&", 2, &[("beginsWith", "a/")]);
        let expected = "https://files.example.org/x/oss/v2/buckets/b-1/objects?startAt=a%2F%C3%BC%26&limit=2&beginsWith=a%2F";
        assert_eq!(url, expected);
        assert_eq!(iso(Timestamp::from_micros(1_893_456_000_999_999)), "2030-01-01T00:00:00Z");
    }
}
