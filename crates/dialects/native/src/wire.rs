//! The JSON of the native API.

pub(crate) mod audit;
pub(crate) mod explain;
pub(crate) mod keys;
pub(crate) mod uploads;
pub(crate) mod urls;

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::{json, schema};
use valetkey_model::{
    BucketName, Counting, Disposition, FileId, FileNumber, LinkId, Network, ObjectKey, Permission, PutMode, Region, Retention,
};

/// A bucket to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::NewBucket)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBucketBody {
    /// Its name, which nobody in the installation has yet.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) name: BucketName,
    /// Where it is said to be. Chooses the public URL, where the operator has set one for the region.
    #[schema(value_type = schemas::Region, default = "US")]
    #[serde(default)]
    pub(crate) region: Region,
    /// How long it keeps its objects.
    #[schema(value_type = schemas::Retention, default = "persistent")]
    #[serde(default)]
    pub(crate) retention: Retention,
    /// Whether anybody may read its objects, without any credential.
    #[schema(default = false)]
    #[serde(default)]
    pub(crate) public: bool,
}

/// What is to become of a bucket.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::BucketUpdate)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketUpdateBody {
    /// Whether anybody may read its objects, without any credential.
    pub(crate) public: bool,
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Bucket)]
pub(crate) struct BucketBody {
    /// Its name.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) name: BucketName,
    /// Where it is said to be.
    #[schema(value_type = schemas::Region)]
    pub(crate) region: Region,
    /// How long it keeps its objects.
    #[schema(value_type = schemas::Retention)]
    pub(crate) retention: Retention,
    /// Whether anybody may read its objects, without any credential.
    pub(crate) public: bool,
    /// When it was made.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
}

/// A page of buckets, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Buckets)]
pub(crate) struct BucketsBody {
    /// At most `limit` of them.
    pub(crate) buckets: Vec<BucketBody>,
    /// The `next` of the request for the page after this one; `null` on the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// An object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Object)]
pub(crate) struct ObjectBody {
    /// The bucket it is in.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket: BucketName,
    /// Its key.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) key: ObjectKey,
    /// Its id from its creation to its deletion.
    #[schema(value_type = schemas::FileId)]
    pub(crate) file_id: FileId,
    /// The same as a number.
    #[schema(value_type = schemas::FileNumber)]
    pub(crate) file_number: FileNumber,
    /// The same as it stands in the paths of raw files.
    #[schema(value_type = schemas::RawFileId)]
    pub(crate) raw_file_id: String,
    /// How many bytes it has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size_bytes: u64,
    /// Its media type.
    #[schema(required)]
    pub(crate) content_type: Option<String>,
    /// Its entity tag, without quotes: another for each content.
    pub(crate) etag: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    #[schema(value_type = schemas::Sha256Hex)]
    pub(crate) sha256: String,
    /// When an object of this key was first stored, since the last deletion.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
    /// When these bytes were stored.
    #[schema(value_type = schemas::Instant)]
    pub(crate) modified_at: String,
}

/// What was stored by a signed URL.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Stored)]
pub(crate) struct StoredBody {
    /// How many bytes it has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size_bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    #[schema(value_type = schemas::Sha256Hex)]
    pub(crate) sha256: String,
    /// The entity tag, without quotes.
    pub(crate) etag: String,
}

/// A page of objects, by key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::Objects)]
pub(crate) struct ObjectsBody {
    /// At most `limit` of them.
    pub(crate) objects: Vec<ObjectBody>,
    /// The `next` of the request for the page after this one; `null` on the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// One URL to be issued: for an object, or, for reading, for all objects below a prefix.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::NewSignedUrl)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedUrlBody {
    /// The bucket.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket: BucketName,
    /// The object. For reading it must exist. Either this or `prefix`.
    #[schema(value_type = Option<schemas::ObjectKey>)]
    pub(crate) key: Option<ObjectKey>,
    /// Every object whose key begins with this: a folder, which ends in `/`; or empty, which needs the scope `admin`. Only with
    /// `permission` `read`, `form` `token`, and without `uses`. Either this or `key`.
    pub(crate) prefix: Option<String>,
    /// To download (`read`), or to upload (`write`).
    #[schema(value_type = OneWay)]
    pub(crate) permission: Permission,
    /// A token carries its own limits; a link is short, and can be for any key.
    #[schema(default = "token")]
    #[serde(default)]
    pub(crate) form: FormBody,
    /// For how many seconds it works, and then to the end of the second. Without this and `expires_at`: an hour. At most 7 days for
    /// a token signed by the server's own key, 400 days for a link, or what the operator has set.
    #[schema(minimum = 1, maximum = 34_560_000)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) expires_in_seconds: Option<u64>,
    /// Until when it works, to the second; in the future. Not beside `expires_in_seconds`.
    #[schema(value_type = Option<schemas::Instant>)]
    pub(crate) expires_at: Option<jiff::Timestamp>,
    /// From when on it works.
    #[schema(value_type = Option<schemas::Instant>)]
    pub(crate) not_before_at: Option<jiff::Timestamp>,
    /// How often it works. Without it: without limit for reading, once for writing.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u32)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) uses: Option<NonZeroU32>,
    /// When a use is spent. `started` only for reading, and with `uses`.
    #[schema(value_type = schemas::Counting, default = "completed")]
    #[serde(default)]
    pub(crate) count: Counting,
    /// Whether a browser saves or shows the file. Without it: saves.
    #[schema(value_type = Option<schemas::Disposition>)]
    pub(crate) disposition: Option<Disposition>,
    /// The name to save it under: 1 to 255 bytes without control characters. Without it: the object's own.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub(crate) filename: Option<String>,
    /// The media type to answer with: 1 to 255 characters of printable ASCII. Without it: the object's own.
    #[schema(min_length = 1, max_length = 255, pattern = "^[ -~]*$")]
    pub(crate) content_type: Option<String>,
    /// The only client addresses it works from; none is any.
    #[schema(value_type = Vec<schemas::Network>)]
    #[serde(default)]
    pub(crate) addresses: Vec<Network>,
    /// What an upload must be like.
    #[serde(default, deserialize_with = "json::object")]
    pub(crate) upload: UploadBody,
    /// Your word for a set of URLs: at most 255 bytes without control characters.
    #[schema(max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub(crate) label: Option<String>,
    /// Only for the bytes that the object has now: an overwrite ends the URL.
    #[schema(default = false)]
    #[serde(default)]
    pub(crate) pin: bool,
    /// Gives every such request of the same API key the same URL throughout a window of this many seconds, so that browsers and
    /// caches know what they have. The URL lives from the beginning of the window until `expires_in_seconds` after its end. One that
    /// was taken back is replaced by another. Only for reading, without `uses` and `expires_at`.
    #[schema(minimum = 60, maximum = 86_400)]
    pub(crate) stable_window_seconds: Option<u64>,
}

/// One URL to be issued, or 1 to 1000 of them, all or none.
#[derive(ToSchema)]
#[schema(as = native::NewSignedUrls)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "the schema of a body that is read as one of the two")]
pub(crate) enum SignedUrlsBody {
    One(SignedUrlBody),
    Several(SeveralSignedUrlsBody),
}

/// URLs to be issued, all or none.
#[derive(ToSchema)]
#[schema(as = native::SeveralNewSignedUrls, min_items = 1, max_items = 1000)]
#[allow(dead_code, reason = "the schema of a body that is read as an array")]
pub(crate) struct SeveralSignedUrlsBody(Vec<SignedUrlBody>);

schema!(
    /// Download or upload.
    pub(crate) OneWay = String { enum_values: Some(["read", "write"]) }
);

/// Token or link.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[schema(as = native::Form)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormBody {
    #[default]
    Token,
    Link,
}

/// What an upload must be like.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = native::UploadRules)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadBody {
    /// At least this many bytes.
    #[schema(value_type = schemas::Bytes, default = 0)]
    #[serde(default, deserialize_with = "json::integer")]
    pub(crate) min_bytes: u64,
    /// At most this many bytes, and not less than `min_bytes`. Without it: the server's limit.
    #[schema(value_type = Option<schemas::Bytes>)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) max_bytes: Option<u64>,
    /// Only these media types, such as `image/png` or `image/*`; none is any.
    #[schema(value_type = Vec<MediaRange>)]
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// Only bytes with this digest.
    pub(crate) digest: Option<DigestBody>,
    /// Whether it may replace an object. An API key that has only `object:create` issues `create`, whatever is said here.
    #[schema(value_type = schemas::PutMode, default = "create")]
    #[serde(default)]
    pub(crate) mode: PutMode,
}

schema!(
    /// A media type without parameters, or all of a top-level type.
    pub(crate) MediaRange = String { pattern: Some(r"^[-A-Za-z0-9!#$&^_.+]+/(\*|[-A-Za-z0-9!#$&^_.+]+)$") }
);

/// One digest, as hexadecimal digits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum DigestBody {
    Sha256(String),
    Md5(String),
    Crc32c(String),
}

/// An issued URL: shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = native::SignedUrl)]
pub(crate) struct IssuedBody {
    /// The URL: whoever has it may do what it permits. Nothing of it may be changed. For a `prefix`, its path goes on with the
    /// rest of a key, before the `?`.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// Its public handle, by which it can be taken back.
    #[schema(value_type = schemas::LinkId)]
    pub(crate) link_id: LinkId,
    /// Until when it works.
    #[schema(value_type = schemas::Instant)]
    pub(crate) expires_at: String,
    /// To download, or to upload.
    #[schema(value_type = OneWay)]
    pub(crate) permission: Permission,
    /// How often it works; `null` is without limit.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u32, required)]
    pub(crate) uses: Option<NonZeroU32>,
    /// The fields that a request with it must have.
    pub(crate) required_headers: std::collections::BTreeMap<&'static str, String>,
}

/// A list of several issued URLs, in the order of the request, or one.
#[derive(ToSchema)]
#[schema(as = native::SignedUrls)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of an answer that is written as one of the two")]
pub(crate) enum IssuedUrlsBody {
    One(IssuedBody),
    Several(Vec<IssuedBody>),
}

/// What an access token is to be good for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = native::NewToken)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// Scopes, separated by spaces; `*` is all but `admin`. It gets those of them that the API key has. Without it: all that
    /// the API key has.
    #[schema(value_type = Option<ScopeList>)]
    pub(crate) scope: Option<String>,
}

schema!(
    /// One or more scopes, separated by spaces.
    pub(crate) ScopeList = String { examples: ["object:read link:issue"], pattern: Some(SCOPES) }
);

const SCOPES: &str = concat!(
    r"^ *(\*|bucket:(create|read|delete)|object:(read|write|create)|link:(issue|revoke)|audit:read|admin)",
    r"( +(\*|bucket:(create|read|delete)|object:(read|write|create)|link:(issue|revoke)|audit:read|admin))* *$"
);

/// An access token.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Token)]
pub(crate) struct AccessTokenBody {
    /// The token, for `Authorization: Bearer` or `X-API-Key`.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// For how many seconds it works.
    pub(crate) expires_in: u64,
    /// What it is good for: scopes, separated by spaces.
    pub(crate) scope: String,
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits; `None` if they are not, or not that many.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_back() {
        assert_eq!(from_hex(&hex(&[0, 0x7f, 0xff])), Some([0, 0x7f, 0xff]));
        for text in ["", "0", "zz", "+1", "é"] {
            assert_eq!(from_hex::<1>(text), None, "{text}");
        }
    }
}
