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

/// `DELETE /v1/files/{fileId}`, where it has a body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteBody {
    #[serde(default, deserialize_with = "present")]
    pub(crate) delete_from_storage: Option<Value>,
}

/// A file, under the names of the vendor's schema and under those of its prose. What is not known of a file is the empty text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::File)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileBody {
    /// Its id.
    #[schema(pattern = "^file_[-_A-Za-z0-9]{22}$")]
    pub(crate) file_id: String,
    /// Whose it is.
    pub(crate) tenant_id: String,
    /// Always empty: there are no orders here.
    pub(crate) order_id: &'static str,
    /// Always empty: there are no customers here.
    pub(crate) customer_id: &'static str,
    /// Always `document`: what was uploaded.
    pub(crate) r#type: &'static str,
    /// The same as `type`.
    pub(crate) file_type: &'static str,
    /// Always `uploaded`.
    pub(crate) category: &'static str,
    /// Its name.
    #[schema(min_length = 1)]
    pub(crate) filename: String,
    /// The same as `filename`.
    #[schema(min_length = 1)]
    pub(crate) file_name: String,
    /// The same as `filename`.
    #[schema(min_length = 1)]
    pub(crate) original_filename: String,
    /// Its media type.
    #[schema(min_length = 1)]
    pub(crate) content_type: String,
    /// The same as `contentType`.
    #[schema(min_length = 1)]
    pub(crate) mime_type: String,
    /// How many bytes it has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) file_size: u64,
    /// The same as `fileSize`.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size: u64,
    /// Bucket and object key.
    pub(crate) storage_path: String,
    /// Always empty.
    pub(crate) uploaded_by: &'static str,
    /// When the upload was asked for.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
    /// When its bytes came.
    #[schema(value_type = schemas::Instant)]
    pub(crate) updated_at: String,
    /// Always empty.
    pub(crate) metadata: NoMetadata,
}

/// An empty object.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = flexportal::Metadata)]
pub(crate) struct NoMetadata {}

/// A page of files, by cursor as by offset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::Files)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAnswer {
    /// The files whose bytes are there.
    pub(crate) files: Vec<FileBody>,
    /// How many these are.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) count: usize,
    /// How many a page has at most.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) limit: u32,
    /// How many were left out before the first of these.
    #[schema(minimum = 0)]
    pub(crate) offset: u64,
    /// What was asked for.
    pub(crate) filters: Filters,
    /// Whether there are more.
    pub(crate) has_more: bool,
    /// The `startAfter` of the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// Which files are asked for: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = flexportal::Filters)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filters {
    /// Of this order.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<String>,
    /// Of this type.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<String>,
    /// Of this customer.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_id: Option<String>,
}

/// That a file is gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = flexportal::Deleted)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletedAnswer {
    /// Always `true`.
    pub(crate) success: bool,
    /// A sentence; where the bytes stay, it says where.
    #[schema(min_length = 1)]
    pub(crate) message: String,
    /// The id that it had.
    #[schema(pattern = "^file_[-_A-Za-z0-9]{22}$")]
    pub(crate) file_id: String,
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
