//! The JSON of the vendor's API.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU32;
use utoipa::ToSchema;
use valetkey_http_common::json::{self, Object};
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::schema;
use valetkey_model::{BucketName, ObjectKey, Retention};

/// A signed URL to be issued. Fields that are not named here are ignored, as the vendor's schema has it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = autodesk::NewSignedUrl)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignBody {
    /// For how many minutes it works; at most seven days, if the operator has not set another limit. More is refused.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_080, default = 60, nullable = false)]
    #[serde(default, deserialize_with = "present_integer")]
    pub(crate) minutes_expiration: Option<NonZeroU32>,
    /// Whether it works once: until the download, or the upload, is complete.
    #[schema(default = false, nullable = false)]
    #[serde(default, deserialize_with = "present")]
    pub(crate) single_use: Option<bool>,
    /// The media type to answer with: at most 255 bytes without control characters.
    #[schema(max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub(crate) content_type: Option<String>,
    /// `Content-Disposition` to answer with: at most 255 bytes.
    #[schema(value_type = Option<ContentDisposition>)]
    pub(crate) content_disposition: Option<String>,
    /// The only client addresses it works from: addresses and CIDR blocks, separated by commas.
    #[schema(value_type = Option<Addresses>)]
    pub(crate) allowed_ip_addresses: Option<String>,
}

schema!(
    /// `attachment` or `inline`, and a file name (RFC 6266).
    pub(crate) ContentDisposition = String {
        examples: ["attachment; filename=\"q3.pdf\""],
        max_length: Some(255),
        pattern: Some(r"^ *([Aa][Tt][Tt][Aa][Cc][Hh][Mm][Ee][Nn][Tt]|[Ii][Nn][Ll][Ii][Nn][Ee]) *(;[^\u0000-\u001f\u007f-\u009f]*)?$"),
    }
);
schema!(
    /// Addresses and CIDR blocks, separated by commas.
    pub(crate) Addresses = String { examples: ["192.0.2.7, 2001:db8::/32"] }
);

/// A field that may be absent, but not `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The same, of an integer.
fn present_integer<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    json::integer(deserializer).map(Some)
}

/// An issued URL: shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::SignedUrl)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedBody {
    /// The URL: whoever has it may do what it permits.
    #[schema(value_type = schemas::Url)]
    pub(crate) signed_url: String,
    /// Until when it works, in milliseconds since the epoch.
    #[schema(value_type = schemas::EpochMillis)]
    pub(crate) expiration: i64,
    /// Whether it works once.
    pub(crate) single_use: bool,
}

/// A bucket to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::NewBucket)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewBucketBody {
    /// Its name, which nobody has yet.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket_key: String,
    /// How long it keeps its objects.
    #[schema(value_type = schemas::Retention)]
    pub(crate) policy_key: Retention,
    /// Applications that are to have access. A bucket is for its owner alone: anybody else is refused.
    #[schema(value_type = Option<Vec<AllowBody>>)]
    #[serde(default)]
    pub(crate) allow: Option<Vec<Object<AllowBody>>>,
}

/// An application that is to have access.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::Allow)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllowBody {
    /// The caller's `client_id`.
    pub(crate) auth_id: String,
}

/// An application that has access.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Permission)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionBody {
    /// Its `client_id`.
    pub(crate) auth_id: String,
    /// Always `full`.
    pub(crate) access: &'static str,
}

/// A bucket.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Bucket)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketBody {
    /// Its name.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket_key: BucketName,
    /// The `client_id` that made it.
    pub(crate) bucket_owner: String,
    /// When it was made, in milliseconds since the epoch.
    #[schema(value_type = schemas::EpochMillis)]
    pub(crate) created_date: i64,
    /// Who has access: its owner.
    #[schema(value_type = Vec<PermissionBody>, min_items = 1, max_items = 1)]
    pub(crate) permissions: [PermissionBody; 1],
    /// How long it keeps its objects.
    #[schema(value_type = schemas::Retention)]
    pub(crate) policy_key: Retention,
}

/// A bucket in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::BucketItem)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketItem {
    /// Its name.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket_key: BucketName,
    /// When it was made, in milliseconds since the epoch.
    #[schema(value_type = schemas::EpochMillis)]
    pub(crate) created_date: i64,
    /// How long it keeps its objects.
    #[schema(value_type = schemas::Retention)]
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
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Object)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectBody {
    /// The bucket it is in.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket_key: BucketName,
    /// `urn:adsk.objects:os.object:`, the bucket, `/` and the key as it is.
    pub(crate) object_id: String,
    /// Its key.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) object_key: ObjectKey,
    /// The SHA-1 of its bytes, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{40}$", nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha1: Option<String>,
    /// How many bytes it has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size: u64,
    /// Its media type.
    pub(crate) content_type: String,
    /// Where it is, for who has a token.
    #[schema(value_type = schemas::Url)]
    pub(crate) location: String,
    /// When it was first stored, in milliseconds since the epoch; if it was asked for.
    #[schema(value_type = schemas::EpochMillis, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_date: Option<i64>,
    /// When these bytes were stored, in milliseconds since the epoch; if it was asked for.
    #[schema(value_type = schemas::EpochMillis, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified_date: Option<i64>,
    /// The same: who reads it is not recorded with it; if it was asked for.
    #[schema(value_type = schemas::EpochMillis, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_accessed_date: Option<i64>,
    /// What was kept with it, as it was sent: a JSON object; if it was asked for and there is any.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_defined_metadata: Option<String>,
}

/// Where the parts of an upload go.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Upload)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadBody {
    /// The upload's handle: for more URLs, and to complete it.
    pub(crate) upload_key: String,
    /// One URL for each part asked for, in their order, each for a PUT.
    #[schema(value_type = Vec<schemas::Url>)]
    pub(crate) urls: Vec<String>,
    /// Until when the URLs work.
    #[schema(value_type = schemas::Instant)]
    pub(crate) url_expiration: String,
    /// Until when the upload can be completed; then its parts are dropped.
    #[schema(value_type = schemas::Instant)]
    pub(crate) upload_expiration: String,
}

/// An upload to be completed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::CompleteUpload)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompleteBody {
    /// The upload's handle.
    pub(crate) upload_key: String,
    /// How many bytes all parts have together; compared, if it is there.
    #[schema(value_type = Option<schemas::Bytes>)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) size: Option<u64>,
    /// The entity tags of the parts, which are their MD5s, in their order; compared, if they are there.
    pub(crate) e_tags: Option<Vec<String>>,
}

/// Why an upload in parts is not complete.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = autodesk::Incomplete)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IncompleteBody {
    /// As it was sent.
    pub(crate) upload_key: String,
    /// Always `error`.
    pub(crate) status: &'static str,
    /// `MissingOrInvalidParts` or `InvalidUploadKey`.
    pub(crate) reason: &'static str,
    /// How many bytes were expected, and are there.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<SizeBody>,
    /// What is wrong with which part.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Vec<PartBody>>,
}

/// What was expected, and what is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = autodesk::IncompleteSize)]
pub(crate) struct SizeBody {
    /// Bytes, as the request has them; where it has none, those that were received.
    #[schema(minimum = 0)]
    pub(crate) expected: u64,
    /// Bytes that were received.
    #[schema(minimum = 0)]
    pub(crate) detected: u64,
}

/// Several requests in one.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestsBody<T> {
    /// 1 to 25, each of another object.
    pub(crate) requests: Vec<Object<T>>,
}

/// An upload to be begun, or parts of it to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::UploadItem)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadItem {
    /// The object's key, as it is.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) object_key: String,
    /// How many URLs; 1 if nothing is said.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) parts: Option<u32>,
    /// The number of the first part; 1 if nothing is said.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) first_part: Option<u32>,
    /// The upload that the parts are of; without it, a new one begins.
    pub(crate) upload_key: Option<String>,
}

/// An upload to be completed, one of several.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::CompleteItem)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompleteItem {
    /// The object's key, as it is.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) object_key: String,
    /// The upload's handle.
    pub(crate) upload_key: String,
    /// How many bytes all parts have together; compared, if it is there.
    #[schema(value_type = Option<schemas::Bytes>)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) size: Option<u64>,
    /// The entity tags of the parts, which are their MD5s, in their order; compared, if they are there.
    pub(crate) e_tags: Option<Vec<String>>,
    /// The object's media type.
    #[serde(rename = "x-ads-meta-Content-Type")]
    pub(crate) content_type: Option<String>,
    /// Its `filename` becomes the name that downloads are saved under.
    #[serde(rename = "x-ads-meta-Content-Disposition")]
    pub(crate) content_disposition: Option<String>,
    /// A JSON object of at most 100 bytes, to be kept with the object.
    #[serde(rename = "x-ads-user-defined-metadata")]
    pub(crate) user_metadata: Option<String>,
}

/// An object to be downloaded, one of several.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = autodesk::DownloadItem)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadItem {
    /// Its key, as it is.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) object_key: String,
    /// The media type to answer with. What could run scripts becomes plain text.
    #[serde(rename = "response-content-type")]
    pub(crate) content_type: Option<String>,
    /// `attachment` and the file name to save under; others are ignored.
    #[serde(rename = "response-content-disposition")]
    pub(crate) content_disposition: Option<String>,
    /// Entity tags; `skipped` if the object has one of them.
    #[serde(rename = "If-None-Match")]
    pub(crate) if_none_match: Option<String>,
    /// An HTTP date; `skipped` if the object has not changed since.
    #[serde(rename = "If-Modified-Since")]
    pub(crate) if_modified_since: Option<String>,
}

/// What came of several requests.
#[derive(Serialize)]
pub(crate) struct BatchBody<T: Serialize> {
    /// By the object's key, as it was sent.
    #[serde(serialize_with = "as_map")]
    pub(crate) results: Vec<(String, BatchItem<T>)>,
}

fn as_map<T: Serialize, S: Serializer>(results: &[(String, BatchItem<T>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(results.iter().map(|(key, item)| (key, item)))
}

/// What came of one of several requests.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum BatchItem<T> {
    /// What the request would have been answered by itself.
    Done(T),
    /// An upload in parts is not complete.
    Incomplete(Box<IncompleteBody>),
    /// Nothing was done.
    Failed(FailedBody),
}

/// Why nothing was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = autodesk::Failed)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailedBody {
    /// `error`; or `skipped`, where the client has the object already.
    pub(crate) status: &'static str,
    /// A sentence; in the vendor's words where it has some.
    #[schema(value_type = String)]
    pub(crate) reason: Cow<'static, str>,
}

/// One part of an upload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = autodesk::Part)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartBody {
    /// Its number; the first is 1.
    #[schema(minimum = 1)]
    pub(crate) part: u32,
    /// How many bytes it has.
    #[schema(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Its MD5, in hexadecimal digits.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) e_tag: Option<String>,
    /// `Ok`, `Pending`, `Unexpected`, `TooSmall` or `Unexpected+TooSmall`.
    pub(crate) status: &'static str,
}

/// A URL to download an object, and what it will answer.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Download)]
pub(crate) struct DownloadBody {
    /// Always `complete`.
    pub(crate) status: &'static str,
    /// The URL, for a GET.
    #[schema(value_type = schemas::Url)]
    pub(crate) url: String,
    /// The fields that the URL will answer with.
    pub(crate) params: DownloadParams,
    /// How many bytes the object has.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) size: u64,
    /// The SHA-1 of its bytes, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{40}$", nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha1: Option<String>,
}

/// The fields that the URL will answer with.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::DownloadParams)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DownloadParams {
    /// The media type.
    pub(crate) content_type: String,
    /// Save, and the file name.
    pub(crate) content_disposition: String,
}

/// A token request.
#[derive(ToSchema)]
#[schema(as = autodesk::NewToken)]
#[allow(dead_code, reason = "the schema of a form whose fields are read one by one")]
pub(crate) struct NewTokenForm {
    /// `client_credentials`
    pub(crate) grant_type: GrantType,
    /// The vendor's scopes, separated by spaces. Unknown ones are ignored; without any, the token gets all that the client has.
    #[schema(nullable = false)]
    pub(crate) scope: Option<String>,
    /// The id of an API key, where it is not in `Authorization: Basic`.
    #[schema(nullable = false)]
    pub(crate) client_id: Option<String>,
    /// Its secret.
    #[schema(nullable = false)]
    pub(crate) client_secret: Option<String>,
}

/// What a token is asked for with.
#[derive(ToSchema)]
#[schema(as = autodesk::GrantType)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema of a form whose fields are read one by one")]
pub(crate) enum GrantType {
    /// The client's id and secret.
    ClientCredentials,
}

/// An access token.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Token)]
pub(crate) struct AccessTokenBody {
    /// The token, for `Authorization: Bearer`.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// For how many seconds it works.
    #[schema(minimum = 0)]
    pub(crate) expires_in: u64,
    /// What it is good for: the vendor's scopes, separated by spaces.
    pub(crate) scope: String,
}

/// What the gateway in front of the vendor's API answers, which checks credentials; with the fields of RFC 6749 §5.2 where a
/// token was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::GatewayError)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayBody<'a> {
    /// What is wrong, in the vendor's words; clients search it.
    pub(crate) developer_message: &'a str,
    /// One space.
    pub(crate) user_message: &'a str,
    /// `AUTH-` and three digits.
    #[schema(pattern = "^AUTH-[0-9]{3}$")]
    pub(crate) error_code: &'a str,
    /// The vendor's page of the code.
    #[serde(rename = "more info")]
    pub(crate) more_info_spaced: &'a str,
    /// The same.
    pub(crate) more_info: &'a str,
    /// The code of RFC 6749.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
    /// What is wrong.
    #[schema(nullable = false)]
    #[serde(rename = "error_description", skip_serializing_if = "Option::is_none")]
    pub(crate) error_description: Option<&'a str>,
}

/// Why a call was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = autodesk::Reason)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody<'a> {
    /// A sentence; in the vendor's words where it has some.
    pub(crate) reason: &'a str,
}

/// A page of buckets, by name.
#[derive(ToSchema)]
#[schema(as = autodesk::Buckets)]
#[allow(dead_code, reason = "the schema of what is written as a page of anything")]
pub(crate) struct BucketsBody {
    /// At most `limit` of them.
    items: Vec<BucketItem>,
    /// The URL of the next page; absent on the last one.
    #[schema(value_type = schemas::Url, required = false)]
    next: String,
}

/// A page of objects, by key.
#[derive(ToSchema)]
#[schema(as = autodesk::Objects)]
#[allow(dead_code, reason = "the schema of what is written as a page of anything")]
pub(crate) struct ObjectsBody {
    /// At most `limit` of them.
    items: Vec<ObjectBody>,
    /// The URL of the next page; absent on the last one.
    #[schema(value_type = schemas::Url, required = false)]
    next: String,
}

/// Several uploads to be begun, or parts of them to be uploaded.
#[derive(ToSchema)]
#[schema(as = autodesk::NewUploads)]
#[allow(dead_code, reason = "the schema of what is read as requests of any kind")]
pub(crate) struct UploadsBody {
    /// Each of another object.
    #[schema(min_items = 1, max_items = 25)]
    requests: Vec<UploadItem>,
}

/// Several uploads to be completed.
#[derive(ToSchema)]
#[schema(as = autodesk::CompleteUploads)]
#[allow(dead_code, reason = "the schema of what is read as requests of any kind")]
pub(crate) struct CompletionsBody {
    /// Each of another object.
    #[schema(min_items = 1, max_items = 25)]
    requests: Vec<CompleteItem>,
}

/// Several objects to be downloaded.
#[derive(ToSchema)]
#[schema(as = autodesk::NewDownloads)]
#[allow(dead_code, reason = "the schema of what is read as requests of any kind")]
pub(crate) struct DownloadsBody {
    /// Each another one.
    #[schema(min_items = 1, max_items = 25)]
    requests: Vec<DownloadItem>,
}

/// What came of several uploads that were to begin.
#[derive(ToSchema)]
#[schema(as = autodesk::Uploads)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) struct UploadResults {
    /// By the object's key, as it was sent.
    results: HashMap<String, UploadResult>,
}

/// The URLs, or why there are none.
#[derive(ToSchema)]
#[schema(as = autodesk::UploadResult)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) enum UploadResult {
    Done(UploadBody),
    Incomplete(IncompleteBody),
    Failed(FailedBody),
}

/// What came of several uploads that were to be completed.
#[derive(ToSchema)]
#[schema(as = autodesk::Completions)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) struct CompletionResults {
    /// By the object's key, as it was sent.
    results: HashMap<String, CompletionResult>,
}

/// The object, or why there is none.
#[derive(ToSchema)]
#[schema(as = autodesk::CompletionResult)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) enum CompletionResult {
    Done(ObjectBody),
    Incomplete(IncompleteBody),
    Failed(FailedBody),
}

/// What came of several objects that were to be downloaded.
#[derive(ToSchema)]
#[schema(as = autodesk::Downloads)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) struct DownloadResults {
    /// By the object's key, as it was sent.
    results: HashMap<String, DownloadResult>,
}

/// The URL, or why there is none.
#[derive(ToSchema)]
#[schema(as = autodesk::DownloadResult)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of what is written as results of any kind")]
pub(crate) enum DownloadResult {
    Done(DownloadBody),
    Failed(FailedBody),
}

/// A refusal of the gateway's, or of the service behind it.
#[derive(ToSchema)]
#[schema(as = autodesk::Error)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of an answer that is written as one of the two")]
pub(crate) enum ErrorBody<'a> {
    Gateway(GatewayBody<'a>),
    Reason(ReasonBody<'a>),
}

/// Why an upload cannot be begun or completed.
#[derive(ToSchema)]
#[schema(as = autodesk::UploadError)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of an answer that is written as one of the two")]
pub(crate) enum UploadErrorBody<'a> {
    Incomplete(IncompleteBody),
    Reason(ReasonBody<'a>),
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of an entity tag, quoted or not.
pub(crate) fn md5_of_etag(etag: &str) -> Option<[u8; 16]> {
    let quoted = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"'));
    from_hex(quoted.unwrap_or(etag))
}

/// As many bytes in hexadecimal digits of either case.
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
    fn sign_bodies() {
        let check = |text: &str, minutes: Option<u32>, single_use: Option<bool>| {
            let body: SignBody = serde_json::from_str(text).unwrap();
            assert_eq!((body.minutes_expiration.map(NonZeroU32::get), body.single_use), (minutes, single_use), "{text}");
        };
        check("{ }", None, None);
        check(r#"{"minutesExpiration" : 30}"#, Some(30), None);
        check(r#"{"minutesExpiration" : 30.0}"#, Some(30), None);
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
