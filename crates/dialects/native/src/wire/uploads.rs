//! The JSON of uploads under way.

use super::keys::ApiKeyIdText;
use serde::Serialize;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::schema;
use valetkey_model::{ApiKeyId, BucketName, ObjectKey, UploadId};

schema!(
    /// The id of an upload.
    pub(crate) UploadIdText = String {
        examples: ["upl_BwcHBwcHBwcHBwcHBwcHBw"], pattern: Some("^upl_[-_A-Za-z0-9]{21}[AQgw]$")
    }
);
schema!(
    /// Parts that are numbered, or ranges of bytes.
    pub(crate) Layout = String { enum_values: Some(["parts", "ranges"]) }
);

/// Uploads under way.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Uploads)]
pub(crate) struct UploadsBody {
    /// The uploads, the oldest first.
    pub(crate) uploads: Vec<UploadBody>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// An upload of several pieces that is under way.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Upload)]
pub(crate) struct UploadBody {
    /// Its id.
    #[schema(value_type = UploadIdText)]
    pub(crate) upload_id: UploadId,
    /// The bucket it is for.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket: BucketName,
    /// The object it is for.
    #[schema(value_type = schemas::ObjectKey)]
    pub(crate) key: ObjectKey,
    /// What its pieces are.
    #[schema(value_type = Layout)]
    pub(crate) layout: &'static str,
    /// The API key that began it, or that issued the URL by which it was begun.
    #[schema(value_type = Option<ApiKeyIdText>, required)]
    pub(crate) api_key: Option<ApiKeyId>,
    /// How many bytes the whole has, where that is known.
    #[schema(value_type = Option<schemas::Bytes>, required)]
    pub(crate) total_bytes: Option<u64>,
    /// How many bytes were received.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) received_bytes: u64,
    /// In how many pieces.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) n_pieces: u64,
    /// When it was begun.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
    /// When it is thrown away, if nothing comes before.
    #[schema(value_type = schemas::Instant)]
    pub(crate) expires_at: String,
}
