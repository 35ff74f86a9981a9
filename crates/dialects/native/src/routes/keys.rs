//! `/vk/v1/api-keys` and `/vk/v1/signing-keys`.

use super::{Call, Native, after, json, limit, method_not_allowed, name, nothing, parse, whole};
use crate::errors::{self, ApiError};
use crate::translate::cursor;
use crate::translate::keys::{
    api_key_body, api_key_update, issued_api_key_body, issued_signing_key_body, new_api_key, new_signing_key, signing_key_body,
};
use crate::wire::keys::{
    ApiKeyUpdateBody, ApiKeysBody, NewApiKeyBody, NewSigningKeyBody, NothingBody, SigningKeyUpdateBody, SigningKeysBody,
};
use http::{Method, Response, StatusCode};
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::query::Query;

impl Native {
    /// What is beneath `/vk/v1/api-keys`.
    pub(super) async fn api_keys(
        &self,
        call: Call<'_>,
        body: RequestBody,
        rest: &[&str],
    ) -> Result<Response<ResponseBody>, ApiError> {
        match (call.method(), rest) {
            (&Method::POST, []) => self.create_api_key(call, body).await,
            (&Method::GET, []) => self.list_api_keys(call),
            (&Method::GET, [id]) => self.show_api_key(call, id),
            (&Method::PATCH, [id]) => self.update_api_key(call, body, id).await,
            (&Method::DELETE, [id]) => self.delete_api_key(call, id).await,
            (&Method::POST, [id, "secret"]) => self.rotate_api_key(call, body, id).await,
            (_, []) => Ok(method_not_allowed("GET, HEAD, POST")),
            (_, [_]) => Ok(method_not_allowed("GET, HEAD, PATCH, DELETE")),
            (_, [_, "secret"]) => Ok(method_not_allowed("POST")),
            _ => Err(errors::no_such_path().into()),
        }
    }

    async fn create_api_key(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let new: NewApiKeyBody = parse(&whole(body).await?)?;
        let issued = self.service().create_api_key(&principal, new_api_key(new), call.client).await?;
        Ok(self.created(&format!("/vk/v1/api-keys/{}", issued.api_key.id), &issued_api_key_body(&issued)))
    }

    fn list_api_keys(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let page = self.service().api_keys(&principal, after(query)?.as_ref(), limit(query)?)?;
        let api_keys = page.api_keys.iter().map(|row| api_key_body(row)).collect();
        Ok(json(StatusCode::OK, &ApiKeysBody { api_keys, next: page.next.map(|id| cursor(id.as_str())) }))
    }

    fn show_api_key(&self, call: Call<'_>, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let row = self.service().api_key(&self.principal(call)?, &name("id", id)?)?;
        Ok(json(StatusCode::OK, &api_key_body(&row)))
    }

    async fn update_api_key(&self, call: Call<'_>, body: RequestBody, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let id = name("id", id)?;
        let update: ApiKeyUpdateBody = parse(&whole(body).await?)?;
        let row = self.service().update_api_key(&principal, &id, api_key_update(update)).await?;
        Ok(json(StatusCode::OK, &api_key_body(&row)))
    }

    async fn rotate_api_key(&self, call: Call<'_>, body: RequestBody, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let id = name("id", id)?;
        let bytes = whole(body).await?;
        if !bytes.is_empty() {
            parse::<NothingBody>(&bytes)?;
        }
        let issued = self.service().rotate_api_key(&principal, &id).await?;
        Ok(json(StatusCode::OK, &issued_api_key_body(&issued)))
    }

    async fn delete_api_key(&self, call: Call<'_>, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        self.service().delete_api_key(&self.principal(call)?, &name("id", id)?).await?;
        Ok(nothing())
    }

    /// What is beneath `/vk/v1/signing-keys`.
    pub(super) async fn signing_keys(
        &self,
        call: Call<'_>,
        body: RequestBody,
        rest: &[&str],
    ) -> Result<Response<ResponseBody>, ApiError> {
        match (call.method(), rest) {
            (&Method::POST, []) => self.create_signing_key(call, body).await,
            (&Method::GET, []) => self.list_signing_keys(call),
            (&Method::GET, [kid]) => self.show_signing_key(call, kid),
            (&Method::PATCH, [kid]) => self.update_signing_key(call, body, kid).await,
            (_, []) => Ok(method_not_allowed("GET, HEAD, POST")),
            (_, [_]) => Ok(method_not_allowed("GET, HEAD, PATCH")),
            _ => Err(errors::no_such_path().into()),
        }
    }

    async fn create_signing_key(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let new: NewSigningKeyBody = parse(&whole(body).await?)?;
        let issued = self.service().create_signing_key(&principal, new_signing_key(new)?).await?;
        Ok(self.created(&format!("/vk/v1/signing-keys/{}", issued.signing_key.id), &issued_signing_key_body(&issued)))
    }

    fn list_signing_keys(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let page = self.service().signing_keys(&principal, after(query)?.as_ref(), limit(query)?)?;
        let signing_keys = page.signing_keys.iter().map(|row| signing_key_body(row)).collect();
        Ok(json(StatusCode::OK, &SigningKeysBody { signing_keys, next: page.next.map(|kid| cursor(kid.as_str())) }))
    }

    fn show_signing_key(&self, call: Call<'_>, kid: &str) -> Result<Response<ResponseBody>, ApiError> {
        let row = self.service().signing_key(&self.principal(call)?, &name("kid", kid)?)?;
        Ok(json(StatusCode::OK, &signing_key_body(&row)))
    }

    async fn update_signing_key(&self, call: Call<'_>, body: RequestBody, kid: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let kid = name("kid", kid)?;
        let update: SigningKeyUpdateBody = parse(&whole(body).await?)?;
        let row = self.service().set_signing_key_state(&principal, &kid, update.state).await?;
        Ok(json(StatusCode::OK, &signing_key_body(&row)))
    }
}
