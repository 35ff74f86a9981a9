//! The JSON of the vendor's API. Fields that it does not name are ignored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use valetkey_http_common::json;
use valetkey_http_common::openapi::schemas;

/// A signed URL to be issued.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewSignedUrl)]
pub(crate) struct SignBody {
    /// For how many seconds it works: more than none, and at most a day. A fraction is rounded up.
    #[schema(exclusive_minimum = 0, maximum = 86_400)]
    pub(crate) duration: f64,
}

/// Files to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewTempUploads)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTempUploadsBody {
    /// 1 to 1000 of them.
    #[schema(min_items = 1, max_items = 1000)]
    #[serde(deserialize_with = "json::objects")]
    pub(crate) temp_uploads: Vec<NewTempUploadBody>,
}

/// A file to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewTempUpload)]
pub(crate) struct NewTempUploadBody {
    /// How many bytes it has: exactly so many must come.
    #[schema(value_type = schemas::Bytes)]
    #[serde(deserialize_with = "json::integer")]
    pub(crate) size: u64,
    /// Its name, of 1 to 1024 bytes; its media type follows from it.
    #[schema(min_length = 1, max_length = 1024)]
    pub(crate) name: String,
    /// Whether it is to be sent in parts: a POST with `x-goog-resumable: start` to the URL begins, and tells where to `PUT` them. It
    /// may be sent at once all the same, as any may be in parts.
    #[serde(default)]
    pub(crate) resumable: bool,
}

/// Uploads that are to be files.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewRawFiles)]
pub(crate) struct NewRawFilesBody {
    /// 1 to 1000 of them.
    #[schema(min_items = 1, max_items = 1000)]
    #[serde(deserialize_with = "json::objects")]
    pub(crate) files: Vec<NewRawFileBody>,
}

/// An upload that is to be a file.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewRawFile)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewRawFileBody {
    /// Its name, of 1 to 1024 bytes; that of the upload if there is none.
    #[schema(min_length = 1, max_length = 1024)]
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The upload's id; each stands once.
    #[schema(value_type = schemas::RawFileId)]
    pub(crate) temp_upload_id: String,
}

/// A table to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = redivis::NewTable)]
pub(crate) struct NewTableBody {
    /// Its name, of 1 to 512 bytes.
    #[schema(min_length = 1, max_length = 512)]
    pub(crate) name: String,
}

/// A table. It is there as soon as it is named.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::Table)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableItem {
    /// Always `table`.
    pub(crate) kind: &'static str,
    /// Its path below the API's root.
    pub(crate) uri: String,
    /// Where it is.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// Its name.
    pub(crate) name: String,
    /// What it was referred to by.
    pub(crate) qualified_reference: String,
    /// The same within its dataset.
    pub(crate) scoped_reference: String,
    /// Its dataset, if the reference has one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<DatasetItem>,
}

/// A dataset. It is there as soon as it is named.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::Dataset)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatasetItem {
    /// Always `dataset`.
    pub(crate) kind: &'static str,
    /// Its path below the API's root.
    pub(crate) uri: String,
    /// Where it is.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// Its name.
    pub(crate) name: String,
    /// What it was referred to by.
    pub(crate) qualified_reference: String,
    /// The same among its owner's.
    pub(crate) scoped_reference: String,
    /// Whose it is said to be, if the reference says it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<UserItem>,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::User)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserItem {
    /// Always `user`.
    pub(crate) kind: &'static str,
    /// Its path below the API's root.
    pub(crate) uri: String,
    /// Where it is.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// The name.
    pub(crate) name: String,
    /// The same.
    pub(crate) user_name: String,
}

/// A list.
#[derive(Serialize)]
pub(crate) struct ListBody<T> {
    pub(crate) kind: &'static str,
    pub(crate) results: Vec<T>,
}

/// Where to upload a file to.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::TempUpload)]
pub(crate) struct TempUploadItem {
    /// Always `tempUpload`.
    pub(crate) kind: &'static str,
    /// Its id, which the file will have.
    #[schema(value_type = schemas::RawFileId)]
    pub(crate) id: String,
    /// The URL, for a PUT of the bytes or a POST that begins a resumable upload; it works for a day.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// The file's name.
    pub(crate) name: String,
    /// How many bytes it must have.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size: u64,
    /// As asked for.
    pub(crate) resumable: bool,
}

/// A file.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::RawFile)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawFileItem {
    /// Always `rawFile`.
    pub(crate) kind: &'static str,
    /// Its id.
    #[schema(value_type = schemas::RawFileId)]
    pub(crate) id: String,
    /// Its path below the API's root.
    pub(crate) uri: String,
    /// Where it is, for who may read it.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// Its name.
    pub(crate) name: String,
    /// The MD5 of its bytes, in base64.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) md5_hash: Option<String>,
    /// How many bytes it has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size: u64,
}

/// Where to upload files to, in the order of the request.
#[derive(ToSchema)]
#[schema(as = redivis::TempUploads)]
#[allow(dead_code, reason = "the schema of what is written as a list of anything")]
pub(crate) struct TempUploadsBody {
    /// Always `tempUploadList`.
    kind: String,
    /// One for each file.
    results: Vec<TempUploadItem>,
}

/// Files, in the order of the request.
#[derive(ToSchema)]
#[schema(as = redivis::RawFiles)]
#[allow(dead_code, reason = "the schema of what is written as a list of anything")]
pub(crate) struct RawFilesBody {
    /// Always `rawFileList`.
    kind: String,
    /// One for each upload.
    results: Vec<RawFileItem>,
}

/// Why a request was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = redivis::Error)]
pub(crate) struct ErrorBody<'a> {
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// The code, for programs.
    pub(crate) error: &'a str,
    /// What is wrong.
    pub(crate) error_description: &'a str,
    /// The scopes that would permit it, separated by spaces.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<f64>| {
            let found = serde_json::from_str::<SignBody>(text).map(|body| body.duration).ok();
            assert_eq!(found, expected, "{text}");
        };
        check(r#"{"duration": 3600}"#, Some(3600.0));
        check(r#"{"other": [{}], "duration": 0.5}"#, Some(0.5));
        check(r#"{"duration": -1e0}"#, Some(-1.0));
        check(r#"{"duration": 18446744073709551616}"#, Some(18_446_744_073_709_551_616.0));
        for text in [
            "",
            "{",
            "{}",
            "{} {}",
            r#"{"duration": "3600"}"#,
            r#"{"duration": null}"#,
            r#"{"duration": true}"#,
            r#"{"duration": [60]}"#,
            r#"{"duration": {}}"#,
            r#"{"duration": NaN}"#,
            r#"{"duration": Infinity}"#,
            r#"{"duration": 1e400}"#,
            r#"{"duration": -1e400}"#,
            r#"{"duration": 060}"#,
            r#"{"duration": +60}"#,
            r#"{"duration": 60.}"#,
            r#"{"duration": 0x3c}"#,
            r#"{"duration": 60, "duration": 60}"#,
            r#"{"Duration": 60}"#,
        ] {
            check(text, None);
        }
    }

    #[test]
    fn sizes() {
        let check = |size: &str, expected: Option<u64>| {
            let text = format!("{{\"tempUploads\": [{{\"size\": {size}, \"name\": \"a\"}}]}}");
            let found = serde_json::from_str::<NewTempUploadsBody>(&text).ok();
            assert_eq!(found.map(|body| body.temp_uploads[0].size), expected, "{size}");
        };
        check("0", Some(0));
        check("1e+05", Some(100_000));
        check("7.0", Some(7));
        check("-0.0", Some(0));
        check("18446744073709551615", Some(u64::MAX));
        for size in ["-1", "0.5", "1e16", "18446744073709551616", "1e400", "\"7\"", "null", "true"] {
            check(size, None);
        }
    }
}
