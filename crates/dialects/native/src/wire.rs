//! The JSON of the native API.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use valetkey_model::{BucketName, Disposition, LinkId, Network, ObjectKey, Permission, PutMode, Region, Retention};

/// `POST /vk/v1/buckets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBucketBody {
    pub(crate) name: BucketName,
    #[serde(default)]
    pub(crate) region: Region,
    #[serde(default)]
    pub(crate) retention: Retention,
    #[serde(default)]
    pub(crate) public: bool,
}

/// A bucket.
#[derive(Debug, Serialize)]
pub(crate) struct BucketBody {
    pub(crate) name: BucketName,
    pub(crate) region: Region,
    pub(crate) retention: Retention,
    pub(crate) public: bool,
    pub(crate) created_at: String,
}

/// A page of buckets.
#[derive(Debug, Serialize)]
pub(crate) struct BucketsBody {
    pub(crate) buckets: Vec<BucketBody>,
    pub(crate) next: Option<String>,
}

/// An object.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectBody {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) size_bytes: u64,
    pub(crate) content_type: Option<String>,
    pub(crate) etag: String,
    pub(crate) sha256: String,
    pub(crate) created_at: String,
    pub(crate) modified_at: String,
}

/// A page of objects.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectsBody {
    pub(crate) objects: Vec<ObjectBody>,
    pub(crate) next: Option<String>,
}

/// `POST /vk/v1/signed-urls`: one URL to be issued; several stand in an array.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedUrlBody {
    pub(crate) bucket: BucketName,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) prefix: Option<String>,
    pub(crate) permission: Permission,
    #[serde(default)]
    pub(crate) form: FormBody,
    pub(crate) expires_in_seconds: Option<u64>,
    pub(crate) expires_at: Option<jiff::Timestamp>,
    pub(crate) not_before_at: Option<jiff::Timestamp>,
    pub(crate) uses: Option<NonZeroU32>,
    pub(crate) disposition: Option<Disposition>,
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) addresses: Vec<Network>,
    #[serde(default)]
    pub(crate) upload: UploadBody,
    pub(crate) label: Option<String>,
    #[serde(default)]
    pub(crate) pin: bool,
}

/// Token or link.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormBody {
    #[default]
    Token,
    Link,
}

/// What an upload must be like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadBody {
    #[serde(default)]
    pub(crate) min_bytes: u64,
    pub(crate) max_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) types: Vec<String>,
    pub(crate) digest: Option<DigestBody>,
    #[serde(default)]
    pub(crate) mode: PutMode,
}

/// One digest, as hexadecimal digits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum DigestBody {
    Sha256(String),
    Md5(String),
    Crc32c(String),
}

/// An issued URL: shown once.
#[derive(Serialize)]
pub(crate) struct IssuedBody {
    pub(crate) url: String,
    pub(crate) link_id: LinkId,
    pub(crate) expires_at: String,
    pub(crate) permission: Permission,
    pub(crate) uses: Option<NonZeroU32>,
    pub(crate) required_headers: std::collections::BTreeMap<&'static str, String>,
}

/// `POST /vk/v1/revocations`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationsBody {
    pub(crate) link_ids: Vec<LinkId>,
}

/// `POST /vk/v1/token`, where the credential is not in a header.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    pub(crate) scope: Option<String>,
}

/// An access token.
#[derive(Serialize)]
pub(crate) struct AccessTokenBody {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
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
