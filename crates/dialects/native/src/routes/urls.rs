//! `/vk/v1/revocations`, and what was issued under `/vk/v1/signed-urls`.

use super::{Call, Native, json, limit, parse, text, whole};
use crate::errors::ApiError;
use crate::translate::invalid;
use crate::translate::urls::{
    checked_label, listed_url_body, listed_urls_body, new_revocation, revoked_body, url_cursor, url_state,
};
use crate::wire::urls::RevocationsBody;
use http::{Response, StatusCode};
use std::str::FromStr;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::path::decode;
use valetkey_http_common::query::Query;
use valetkey_model::{LinkId, NameError};
use valetkey_service::{ServiceError, UrlQuery};

impl Native {
    pub(super) async fn revoke(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let body: RevocationsBody = parse(&whole(body).await?)?;
        let revoked = self.service().take_back(&principal, new_revocation(body)?).await?;
        Ok(json(StatusCode::OK, &revoked_body(&revoked)))
    }

    pub(super) async fn list_urls(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let asked = UrlQuery {
            bucket: named(query, "bucket")?,
            key: named(query, "key")?,
            label: text(query, "label")?.map(|label| checked_label(label.into_owned())).transpose()?,
            state: text(query, "state")?.map(|state| url_state(&state)).transpose()?,
        };
        let after = text(query, "next")?.map(|next| url_cursor(&next)).transpose()?;
        let page = self.service().urls(&principal, &asked, after, limit(query)?).await?;
        Ok(json(StatusCode::OK, &listed_urls_body(&page)))
    }

    pub(super) async fn show_url(&self, call: Call<'_>, link_id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let listed = self.service().url(&principal, &link_id_of(link_id)?).await?;
        Ok(json(StatusCode::OK, &listed_url_body(&listed)))
    }
}

/// The link id in a path. What is none is not repeated: it may be a secret.
fn link_id_of(raw: &str) -> Result<LinkId, ServiceError> {
    let parsed = decode(raw).ok().and_then(|decoded| decoded.parse().ok());
    parsed.ok_or_else(|| invalid("link_id", "something else", "a link id: `lnk_` and 22 characters of base64url"))
}

/// A name in the query.
fn named<T: FromStr<Err = NameError>>(query: Query<'_>, field: &'static str) -> Result<Option<T>, ServiceError> {
    let Some(value) = text(query, field)? else { return Ok(None) };
    let parsed = value.parse().map_err(|error: NameError| invalid(field, format!("{} bytes", value.len()), error.expected()));
    parsed.map(Some)
}
