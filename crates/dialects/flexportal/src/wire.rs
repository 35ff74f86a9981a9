//! The JSON of the vendor's API.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;

/// `POST /v1/files/url`, as far as it can be read: every field that is there, whatever it holds, so that all that is wrong can be
/// told at once. Fields that the vendor does not name are ignored, as its schema has it; one that stands twice is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlBody {
    #[serde(default, deserialize_with = "present")]
    pub(crate) action: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) file_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) file_name: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) content_type: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) expires_in_minutes: Option<Value>,
}

/// A field that may be absent; `null` is a value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What it answers: the fields of the vendor's schema, of its examples, and the instant in both spellings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::SignedUrl)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlAnswer {
    /// Always `true`.
    pub(crate) success: bool,
    /// The URL: whoever has it may do what it is for.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// The file's id.
    #[schema(pattern = "^file_[-_A-Za-z0-9]{22}$")]
    pub(crate) file_id: String,
    /// Its name.
    #[schema(min_length = 1)]
    pub(crate) filename: String,
    /// Its media type.
    #[schema(min_length = 1)]
    pub(crate) content_type: String,
    /// How many bytes it has; 0 for an upload.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) file_size: u64,
    /// Until when the URL works.
    pub(crate) expires_at: ExpiresAt,
    /// The same, as ISO 8601 has it.
    #[schema(value_type = schemas::Instant)]
    pub(crate) expires_at_iso: String,
}

/// The schema has a number; the example of an upload, which the schema does not know, a text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::ExpiresAt)]
#[serde(untagged)]
pub(crate) enum ExpiresAt {
    /// Milliseconds since the epoch.
    Millis(i64),
    /// As ISO 8601 has it.
    Iso(String),
}

/// What an upload to a signed URL is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadedAnswer {
    pub(crate) success: bool,
    pub(crate) file_id: String,
    pub(crate) file_size: u64,
    pub(crate) content_type: String,
}

/// Every failure.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::Error)]
pub(crate) struct ErrorBody<'a> {
    /// What is wrong.
    pub(crate) error: ErrorFields<'a>,
}

/// Why, for programs and for their authors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::ErrorFields)]
pub(crate) struct ErrorFields<'a> {
    /// The code, for programs.
    pub(crate) code: &'a str,
    /// A sentence.
    pub(crate) message: &'a str,
    /// Everything that is wrong with the request, where the code is `VALIDATION_ERROR`.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    pub(crate) details: &'a [Detail],
}

/// One thing that is wrong in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = flexportal::Detail)]
pub(crate) struct Detail {
    /// The field; empty for the body as a whole.
    pub(crate) path: &'static str,
    /// A sentence.
    #[schema(value_type = String)]
    pub(crate) message: Cow<'static, str>,
    /// The code, for programs.
    pub(crate) code: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let body: UrlBody = serde_json::from_str(r#"{"fileId": null, "action": [1], "other": {"fileId": 1}}"#).unwrap();
        assert_eq!((body.file_id, body.action), (Some(Value::Null), Some(serde_json::json!([1]))));
        assert_eq!((body.file_name, body.content_type, body.expires_in_minutes), (None, None, None));
        for text in
            [r#"{"fileId": "a", "fileId": "a"}"#, r#"{"expiresInMinutes": 1e400}"#, r#"{"expiresInMinutes": NaN}"#, "{} {}", ""]
        {
            assert!(serde_json::from_str::<UrlBody>(text).is_err(), "{text}");
        }
    }
}
