//! Between the wire and the use cases.

pub(crate) mod audit;
pub(crate) mod explain;
pub(crate) mod keys;
pub(crate) mod uploads;
pub(crate) mod urls;

use crate::wire::{
    AccessTokenBody, BucketBody, DigestBody, FormBody, IssuedBody, NewBucketBody, ObjectBody, SignedUrlBody, UploadBody,
    from_hex, hex,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderName;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;
use valetkey_http_common::problem::Problem;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_model::{Counting, DigestRule, MediaTypeRule, Permission, PutMode, Terms, Timestamp, UploadRules};
use valetkey_service::{
    AccessToken, BucketRow, Credential, Form, IssueRequest, Issued, Lifetime, NewBucket, ObjectRow, ServiceError, Target,
    raw_file_id,
};

/// The longest file name and label.
const MAX_TEXT_BYTES: usize = 255;

/// The header in which a token may stand instead of the query.
pub(crate) static TOKEN_HEADER: HeaderName = HeaderName::from_static("cta-common-access-token");

/// The opaque part of an object's entity tag: its SHA-256.
pub(crate) fn etag_of(object: &ObjectRow) -> String {
    URL_SAFE_NO_PAD.encode(object.sha256)
}

/// An instant as RFC 3339 has it.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros()).map(|at| at.to_string()).unwrap_or_else(|_| at.to_string())
}

pub(crate) fn new_bucket(body: NewBucketBody) -> NewBucket {
    NewBucket { name: body.name, region: body.region, retention: body.retention, public: body.public }
}

pub(crate) fn bucket_body(bucket: &BucketRow) -> BucketBody {
    BucketBody {
        name: bucket.name.clone(),
        region: bucket.region.clone(),
        retention: bucket.retention,
        public: bucket.public,
        created_at: rfc3339(bucket.created_at),
    }
}

pub(crate) fn object_body(object: &ObjectRow) -> ObjectBody {
    ObjectBody {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        file_id: object.file_id,
        file_number: object.file_number,
        raw_file_id: raw_file_id(object.file_id),
        size_bytes: object.size_bytes,
        content_type: object.content_type.clone(),
        etag: etag_of(object),
        sha256: hex(&object.sha256),
        created_at: rfc3339(object.created_at),
        modified_at: rfc3339(object.modified_at),
    }
}

/// A cursor: what comes after it is the next page.
pub(crate) fn cursor(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

pub(crate) fn after_cursor(cursor: &str) -> Result<String, ServiceError> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| !text.is_empty()).ok_or_else(|| invalid("next", format!("`{cursor}`"), "the `next` of an earlier page"))
}

pub(crate) fn invalid(field: &'static str, found: impl Into<String>, expected: impl Into<String>) -> ServiceError {
    ServiceError::Invalid { field, found: found.into(), expected: expected.into() }
}

/// What is asked for, as the use case takes it.
pub(crate) fn issue_request(body: SignedUrlBody) -> Result<IssueRequest, ServiceError> {
    let target = match (body.key, body.prefix) {
        (Some(key), None) => Target::Object(key),
        (None, Some(prefix)) => Target::Prefix(prefix),
        _ => return Err(invalid("key", "missing or beside `prefix`", "either `key` or `prefix`")),
    };
    let lifetime = match (body.expires_in_seconds, body.expires_at) {
        (None, None) => Lifetime::Default,
        (Some(seconds), None) if seconds > 0 => Lifetime::For(Duration::from_secs(seconds)),
        (None, Some(at)) => Lifetime::Until(Timestamp::from_micros(at.as_microsecond())),
        (Some(_), None) => return Err(invalid("expires_in_seconds", "0", "at least 1")),
        _ => return Err(invalid("expires_at", "beside `expires_in_seconds`", "one of them")),
    };
    let lifetime = match (body.stable_window_seconds, lifetime) {
        (None, lifetime) => lifetime,
        (Some(_), Lifetime::Until(_)) => {
            return Err(invalid("expires_at", "beside `stable_window_seconds`", "`expires_in_seconds` with it"));
        }
        (Some(seconds), Lifetime::For(lifetime)) => stable(Some(lifetime), seconds),
        (Some(seconds), _) => stable(None, seconds),
    };
    if body.permission == Permission::ReadWrite {
        return Err(invalid("permission", "`readwrite`", "`read` or `write`"));
    }
    let mut terms = Terms::new(body.permission);
    // An upload URL is for one upload, unless more is said.
    terms.uses = body.uses.or((body.permission == Permission::Write).then_some(NonZeroU32::MIN));
    if body.count == Counting::Started && (body.permission != Permission::Read || body.uses.is_none()) {
        return Err(invalid(
            "count",
            "`started` without `uses`, or for writing",
            "`completed`, or a number of `uses` for reading",
        ));
    }
    terms.counting = body.count;
    terms.disposition = body.disposition;
    if body.filename.as_deref() == Some("") {
        return Err(invalid("filename", "empty", "a name, or nothing at all"));
    }
    terms.file_name = short("filename", body.filename)?;
    terms.content_type = media_type(body.content_type)?;
    terms.addresses = body.addresses;
    terms.upload = upload_rules(body.upload)?;
    terms.label = short("label", body.label)?;
    Ok(IssueRequest {
        bucket: body.bucket,
        must_exist: matches!(target, Target::Object(_)) && body.permission == Permission::Read,
        target,
        form: match body.form {
            FormBody::Token => Form::Token,
            FormBody::Link => Form::Link,
        },
        terms,
        lifetime,
        not_before: body.not_before_at.map(|at| Timestamp::from_micros(at.as_microsecond())),
        pin: body.pin,
    })
}

fn stable(lifetime: Option<Duration>, window_seconds: u64) -> Lifetime {
    Lifetime::Stable { lifetime, window: Duration::from_secs(window_seconds) }
}

fn short(field: &'static str, text: Option<String>) -> Result<Option<String>, ServiceError> {
    match text {
        Some(text) if text.len() > MAX_TEXT_BYTES || text.contains(char::is_control) => {
            let found = format!("{} bytes, or with control characters", text.len());
            Err(invalid(field, found, format!("at most {MAX_TEXT_BYTES} bytes without control characters")))
        }
        text => Ok(text),
    }
}

/// A media type, or what passes for one: it becomes a field of an answer.
fn media_type(text: Option<String>) -> Result<Option<String>, ServiceError> {
    match text {
        Some(text) if !(1..=MAX_TEXT_BYTES).contains(&text.len()) || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            let found = format!("{} bytes, or not printable ASCII", text.len());
            Err(invalid("content_type", found, format!("1 to {MAX_TEXT_BYTES} characters of printable ASCII")))
        }
        text => Ok(text),
    }
}

fn upload_rules(body: UploadBody) -> Result<UploadRules, ServiceError> {
    if body.mode == PutMode::Reserved {
        return Err(invalid("upload.mode", "`reserved`", "`create` or `replace`"));
    }
    if body.max_bytes.is_some_and(|max| max < body.min_bytes) {
        return Err(invalid("upload.max_bytes", "less than `min_bytes`", "at least `min_bytes`"));
    }
    let parse = |text: String| {
        MediaTypeRule::parse(&text)
            .ok_or_else(|| invalid("upload.types", format!("`{text}`"), "media types such as `image/png` or `image/*`"))
    };
    Ok(UploadRules {
        min_bytes: body.min_bytes,
        max_bytes: body.max_bytes,
        types: body.types.into_iter().map(parse).collect::<Result<_, _>>()?,
        digest: body.digest.map(digest_rule).transpose()?,
        mode: body.mode,
    })
}

fn digest_rule(body: DigestBody) -> Result<DigestRule, ServiceError> {
    let (rule, n_digits) = match &body {
        DigestBody::Sha256(text) => (from_hex(text).map(DigestRule::Sha256), 64),
        DigestBody::Md5(text) => (from_hex(text).map(DigestRule::Md5), 32),
        DigestBody::Crc32c(text) => (from_hex(text).map(DigestRule::Crc32c), 8),
    };
    rule.ok_or_else(|| invalid("upload.digest", "something else", format!("{n_digits} hexadecimal digits")))
}

/// An issued URL in the native spelling.
pub(crate) fn issued_body(issued: Issued, urls: &PublicUrls) -> IssuedBody {
    let base = urls.of(&issued.bucket.region);
    let url = match &issued.credential {
        Credential::Token { token, path } => format!("{}{path}?cat={}", base.origin(), token.expose()),
        Credential::Link(secret) => base.join(&format!("/l/{}", secret.text().expose())),
    };
    let mut required_headers = BTreeMap::new();
    if let (true, [only]) = (issued.terms.permission.writes(), issued.terms.upload.types.as_slice())
        && !only.as_str().ends_with("/*")
    {
        required_headers.insert("Content-Type", only.as_str().to_owned());
    }
    IssuedBody {
        url,
        link_id: issued.link_id,
        expires_at: rfc3339(issued.expires_at),
        permission: issued.terms.permission,
        uses: issued.terms.uses,
        required_headers,
    }
}

pub(crate) fn access_token_body(token: AccessToken) -> AccessTokenBody {
    AccessTokenBody {
        access_token: token.token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: token.lifetime.as_secs(),
        scope: token.scopes.to_string(),
    }
}

/// What is wrong with a JSON body, as serde says it.
pub(crate) fn not_json(error: &serde_json::Error) -> Problem {
    crate::errors::invalid("invalid", format!("the body is not the JSON expected: {error}"))
}
