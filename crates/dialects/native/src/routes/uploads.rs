//! `/vk/v1/uploads`: uploads of several pieces under way, whichever API they came by.

use super::{Call, Native, json, limit, method_not_allowed, nothing, text};
use crate::errors::{self, ApiError};
use crate::translate::invalid;
use crate::translate::uploads::{upload_body, upload_cursor, uploads_body};
use http::{Method, Response, StatusCode};
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::path::decode;
use valetkey_http_common::query::Query;
use valetkey_model::UploadId;
use valetkey_service::ServiceError;

impl Native {
    pub(super) async fn uploads(&self, call: Call<'_>, rest: &[&str]) -> Result<Response<ResponseBody>, ApiError> {
        match (call.method(), rest) {
            (&Method::GET, []) => self.list_uploads(call).await,
            (&Method::GET, [id]) => self.show_upload(call, id).await,
            (&Method::DELETE, [id]) => self.abort_upload(call, id).await,
            (_, []) => Ok(method_not_allowed("GET, HEAD")),
            (_, [_]) => Ok(method_not_allowed("GET, HEAD, DELETE")),
            _ => Err(errors::no_such_path().into()),
        }
    }

    async fn list_uploads(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let after = text(query, "next")?.map(|next| upload_cursor(&next)).transpose()?;
        let page = self.service().uploads(&principal, after, limit(query)?).await?;
        Ok(json(StatusCode::OK, &uploads_body(&page)))
    }

    async fn show_upload(&self, call: Call<'_>, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let upload = self.service().upload_of(&principal, &upload_id(id)?).await?;
        Ok(json(StatusCode::OK, &upload_body(&upload)))
    }

    async fn abort_upload(&self, call: Call<'_>, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        self.service().abort_upload(&principal, &upload_id(id)?).await?;
        Ok(nothing())
    }
}

fn upload_id(raw: &str) -> Result<UploadId, ServiceError> {
    let parsed = decode(raw).ok().and_then(|decoded| decoded.parse().ok());
    parsed.ok_or_else(|| invalid("upload_id", "something else", "an upload id: `upl_` and 22 characters of base64url"))
}
