//! The JSON of the vendor's API.

use serde::{Deserialize, Deserializer, Serialize};
use std::num::NonZeroU32;
use valetkey_model::{BucketName, ObjectKey, Retention};

/// `POST …/objects/:objectKey/signed`. Fields that the vendor does not name are ignored, as its schema has it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignBody {
    #[serde(default, deserialize_with = "present")]
    pub(crate) minutes_expiration: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) single_use: Option<bool>,
    /// The media type to answer with.
    pub(crate) content_type: Option<String>,
    /// `Content-Disposition` to answer with.
    pub(crate) content_disposition: Option<String>,
    /// Addresses and CIDR blocks, separated by commas.
    pub(crate) allowed_ip_addresses: Option<String>,
}

/// A field that may be absent, but not `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What `POST …/signed` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedBody {
    pub(crate) signed_url: String,
    /// Milliseconds since the epoch.
    pub(crate) expiration: i64,
    pub(crate) single_use: bool,
}

/// `POST /oss/v2/buckets`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewBucketBody {
    pub(crate) bucket_key: String,
    pub(crate) policy_key: Retention,
    #[serde(default)]
    pub(crate) allow: Option<Vec<AllowBody>>,
}

/// An application that is to have access.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllowBody {
    pub(crate) auth_id: String,
}

/// An application that has access.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionBody {
    pub(crate) auth_id: String,
    pub(crate) access: &'static str,
}

/// A bucket.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketBody {
    pub(crate) bucket_key: BucketName,
    pub(crate) bucket_owner: String,
    /// Milliseconds since the epoch.
    pub(crate) created_date: i64,
    pub(crate) permissions: [PermissionBody; 1],
    pub(crate) policy_key: Retention,
}

/// A bucket in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketItem {
    pub(crate) bucket_key: BucketName,
    /// Milliseconds since the epoch.
    pub(crate) created_date: i64,
    pub(crate) policy_key: Retention,
}

/// A page of a list.
#[derive(Serialize)]
pub(crate) struct PageBody<T> {
    pub(crate) items: Vec<T>,
    /// The URL of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// An object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectBody {
    pub(crate) bucket_key: BucketName,
    pub(crate) object_id: String,
    pub(crate) object_key: ObjectKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha1: Option<String>,
    pub(crate) size: u64,
    pub(crate) content_type: String,
    pub(crate) location: String,
    /// Milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_date: Option<i64>,
    /// Milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified_date: Option<i64>,
}

/// `GET …/signeds3upload`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadBody {
    pub(crate) upload_key: String,
    pub(crate) urls: Vec<String>,
    pub(crate) url_expiration: String,
    pub(crate) upload_expiration: String,
}

/// `POST …/signeds3upload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompleteBody {
    pub(crate) upload_key: String,
    pub(crate) size: Option<u64>,
    pub(crate) e_tags: Option<Vec<String>>,
}

/// Why an upload in parts is not complete.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IncompleteBody {
    pub(crate) upload_key: String,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<SizeBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<PartBody>,
}

/// What was expected, and what is there.
#[derive(Debug, Serialize)]
pub(crate) struct SizeBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<u64>,
    pub(crate) detected: u64,
}

/// One part of an upload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartBody {
    pub(crate) part: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) e_tag: Option<String>,
    pub(crate) status: &'static str,
}

/// `GET …/signeds3download`.
#[derive(Serialize)]
pub(crate) struct DownloadBody {
    pub(crate) status: &'static str,
    pub(crate) url: String,
    pub(crate) params: DownloadParams,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha1: Option<String>,
}

/// The headers that the URL will answer with.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DownloadParams {
    pub(crate) content_type: String,
    pub(crate) content_disposition: String,
}

/// `POST /authentication/v2/token`.
#[derive(Serialize)]
pub(crate) struct AccessTokenBody {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
    pub(crate) scope: String,
}

/// What the gateway in front of the vendor's API answers, which checks credentials; with the fields of RFC 6749 §5.2 where a
/// token was asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayBody<'a> {
    pub(crate) developer_message: &'a str,
    pub(crate) user_message: &'a str,
    pub(crate) error_code: &'a str,
    #[serde(rename = "more info")]
    pub(crate) more_info_spaced: &'a str,
    pub(crate) more_info: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
    #[serde(rename = "error_description", skip_serializing_if = "Option::is_none")]
    pub(crate) error_description: Option<&'a str>,
}

/// Why a call was refused.
#[derive(Serialize)]
pub(crate) struct ReasonBody<'a> {
    pub(crate) reason: &'a str,
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of an entity tag, quoted or not.
pub(crate) fn md5_of_etag(etag: &str) -> Option<[u8; 16]> {
    let quoted = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"'));
    let digits = quoted.unwrap_or(etag);
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_bodies() {
        let check = |text: &str, minutes: Option<u32>, single_use: Option<bool>| {
            let body: SignBody = serde_json::from_str(text).unwrap();
            assert_eq!((body.minutes_expiration.map(NonZeroU32::get), body.single_use), (minutes, single_use), "{text}");
        };
        check("{ }", None, None);
        check(r#"{"minutesExpiration" : 30}"#, Some(30), None);
        check(r#"{"minutesExpiration" : 45, "singleUse" : true}"#, Some(45), Some(true));
        check(r#"{"other": [1], "contentType": null}"#, None, None);
    }

    #[test]
    fn sign_bodies_refused() {
        for text in [
            "",
            "{",
            r#"{"minutesExpiration" : 45 "singleUse" : true}"#,
            r#"{"minutesExpiration": 0}"#,
            r#"{"minutesExpiration": -1}"#,
            r#"{"minutesExpiration": 1.5}"#,
            r#"{"minutesExpiration": 30.0}"#,
            r#"{"minutesExpiration": 99999999999999999999}"#,
            r#"{"minutesExpiration": "30"}"#,
            r#"{"minutesExpiration": null}"#,
            r#"{"minutesExpiration": 1, "minutesExpiration": 2}"#,
            r#"{"singleUse": "true"}"#,
            r#"{"singleUse": 1}"#,
            r#"{"singleUse": null}"#,
            r"{} {}",
            r"{,}",
        ] {
            assert!(serde_json::from_str::<SignBody>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn etags() {
        let md5 = "00000000000000000000000000000a0B";
        for text in [md5.to_owned(), format!("\"{md5}\"")] {
            assert_eq!(md5_of_etag(&text).map(|md5| hex(&md5)), Some(md5.to_ascii_lowercase()), "{text}");
        }
        for text in ["", "\"", "0", "+0000000000000000000000000000a0b", "\"\"00000000000000000000000000000a\"\"", "W/\"0\""] {
            assert_eq!(md5_of_etag(text), None, "{text}");
        }
    }
}
