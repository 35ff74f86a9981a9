//! What is where.

use crate::errors::{ApiError, Code, json};
use crate::translate::files::{StartAfter, deleted_answer, file_body, files_query, keeps_bytes, list_answer, list_request};
use crate::translate::{
    Action, ExpiresAtForm, UrlRequest, file_id, json_body, new_file, read_request, url_answer, url_request, write_request,
};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{SignedUrls, receive_whole};
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::path::decode;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::query::Query;
use valetkey_http_common::{cors, security};
use valetkey_model::{Disposition, Refusal, Scope};
use valetkey_service::{File, FileRef, IssueRequest, Issued, Principal, Service, ServiceError};

/// The largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Which tenant the caller means to work for.
static TENANT_ID: HeaderName = HeaderName::from_static("tenant-id");

/// What the vendor's API is made of.
#[derive(Clone)]
pub struct FlexPortalContext {
    /// The use cases.
    pub service: Service,
    /// The data plane: who knows the client's address.
    pub signed_urls: SignedUrls,
    /// What URLs given out begin with.
    pub public_urls: Arc<PublicUrls>,
    /// How answers spell `expiresAt`.
    pub expires_at: ExpiresAtForm,
}

/// The vendor's API. Cheap to clone.
#[derive(Clone)]
pub struct FlexPortal {
    context: FlexPortalContext,
}

impl FlexPortal {
    /// The vendor's API over these.
    pub fn new(context: FlexPortalContext) -> Self {
        Self { context }
    }

    /// Whether this path (without base path, leading slashes collapsed) is the vendor's API's.
    pub fn owns(path: &str) -> bool {
        path == "/v1/files" || path.starts_with("/v1/files/")
    }

    /// Answers one request; `path` is its raw path without the base path.
    ///
    /// Pages of any origin may call: they need the token for it, which no browser adds by itself.
    pub async fn call(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let unread = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let mut answer = match self.api(&parts, body, path, connection).await {
            Ok(answer) => answer,
            Err(error) if unread => closing(error.answer()),
            Err(error) => error.answer(),
        };
        let headers = answer.headers_mut();
        cors::apply(headers);
        security::apply(headers);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    async fn api(
        &self,
        parts: &Parts,
        body: RequestBody,
        path: &str,
        connection: &ConnectionInfo,
    ) -> Result<Response<ResponseBody>, ApiError> {
        match (Route::of(path), &parts.method) {
            (route, &Method::OPTIONS) => Ok(preflight(parts, route)),
            (Some(Route::Files), &Method::GET) => self.list(parts, connection).await,
            (Some(Route::Url), &Method::POST) => self.sign(parts, body, connection).await,
            (Some(Route::File(id)), &Method::GET) => self.show(parts, id, connection).await,
            (Some(Route::File(id)), &Method::DELETE) => self.delete(parts, id, body, connection).await,
            (Some(route), _) => Err(ApiError::Method(route.methods())),
            (None, _) => Err(ApiError::NoSuchPath),
        }
    }

    fn service(&self) -> &Service {
        &self.context.service
    }

    /// Who calls, for the tenant that they say.
    fn principal(&self, parts: &Parts, connection: &ConnectionInfo) -> Result<Principal, ApiError> {
        let principal = match credential(&parts.headers)? {
            Some(Credential::Bearer(secret)) => {
                let client = self.context.signed_urls.client_of(parts, connection);
                self.service().authenticate(&secret, client)?
            }
            Some(Credential::Basic { .. }) => {
                return Err(ApiError::Credential(Code::InvalidToken, "the scheme of `Authorization` must be `Bearer`".into()));
            }
            Some(Credential::ApiKey(_)) | None => {
                return Err(ApiError::Credential(Code::AuthRequired, "the header `Authorization: Bearer` is missing".into()));
            }
        };
        let mut tenants = parts.headers.get_all(&TENANT_ID).iter();
        match (tenants.next(), tenants.next()) {
            (Some(tenant), None) if tenant.as_bytes() == principal.tenant().as_str().as_bytes() => Ok(principal),
            _ => Err(ApiError::Tenant),
        }
    }

    /// `POST /v1/files/url`.
    async fn sign(
        &self,
        parts: &Parts,
        body: RequestBody,
        connection: &ConnectionInfo,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(parts, connection)?;
        let UrlRequest { action, lifetime } = url_request(json_body(&parts.headers, &whole(body).await?)?)?;
        let (file, issued) = match action {
            Action::Read { file_id, disposition } => self.sign_read(&principal, &file_id, disposition, lifetime).await?,
            Action::Upload { file_name, content_type } => {
                // Before anything is reserved.
                principal.require(Scope::LinkIssue)?;
                let file = self.service().reserve_file(&principal, new_file(file_name, content_type, lifetime)).await?;
                let issued = self.issue(&principal, write_request(&file, lifetime)).await?;
                (file, issued)
            }
        };
        let FlexPortalContext { public_urls, expires_at, .. } = &self.context;
        Ok(json(StatusCode::OK, &url_answer(&file, &issued, public_urls, *expires_at)))
    }

    /// `GET /v1/files`: a page of the files that are there.
    async fn list(&self, parts: &Parts, connection: &ConnectionInfo) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(parts, connection)?;
        let asked = list_request(Query::new(parts.uri.query()))?;
        let after = match &asked.start_after {
            None => None,
            Some(StartAfter::Cursor(cursor)) => Some(*cursor),
            Some(StartAfter::File(id)) => match self.service().file(&principal, FileRef::Id(*id)).await {
                Ok(file) => Some(file.cursor()),
                Err(ServiceError::NotFound { .. }) => return Err(asked.no_such_start()),
                Err(error) => return Err(error.into()),
            },
        };
        let page = self.service().files(&principal, files_query(&asked, after)).await?;
        Ok(json(StatusCode::OK, &list_answer(&page, asked)))
    }

    /// `GET /v1/files/{fileId}`.
    async fn show(&self, parts: &Parts, id: &str, connection: &ConnectionInfo) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(parts, connection)?;
        let file = self.service().file(&principal, file_at(id)?).await?;
        let body = file_body(&file).ok_or(ServiceError::NotFound { what: "file" })?;
        Ok(json(StatusCode::OK, &body))
    }

    /// `DELETE /v1/files/{fileId}`: the file, and its bytes if nothing else is said.
    async fn delete(
        &self,
        parts: &Parts,
        id: &str,
        body: RequestBody,
        connection: &ConnectionInfo,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(parts, connection)?;
        let keeps_bytes = keeps_bytes(&parts.headers, &whole(body).await?)?;
        let file = file_at(id)?;
        let deleted = match keeps_bytes {
            true => self.service().detach_file(&principal, file).await,
            false => self.service().delete_file(&principal, file).await,
        };
        Ok(json(StatusCode::OK, &deleted_answer(&deleted.map_err(ApiError::Deletion)?, keeps_bytes)))
    }

    async fn sign_read(
        &self,
        principal: &Principal,
        file: &str,
        disposition: Disposition,
        lifetime: Duration,
    ) -> Result<(File, Issued), ApiError> {
        let not_found = || ServiceError::NotFound { what: "file" };
        let file = self.service().file(principal, FileRef::Id(file_id(file)?)).await?;
        file.ready().ok_or_else(not_found)?;
        let issued = self.issue(principal, read_request(&file, disposition, lifetime)).await?;
        // Meanwhile its key may have become another's.
        let same = issued.object.as_ref().is_some_and(|object| object.file_id == file.id);
        if same { Ok((file, issued)) } else { Err(not_found().into()) }
    }

    async fn issue(&self, principal: &Principal, request: IssueRequest) -> Result<Issued, ApiError> {
        let issued = self.service().issue(principal, vec![request]).await?.pop();
        // One was asked for, and all or none are issued.
        issued.ok_or(ApiError::Service(ServiceError::Refused(Refusal::Unavailable)))
    }
}

/// The file that a raw segment of a path names.
fn file_at(segment: &str) -> Result<FileRef, ServiceError> {
    let id = decode(segment).map_err(|_| ServiceError::NotFound { what: "file" })?;
    Ok(FileRef::Id(file_id(&id)?))
}

/// What a path is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Files,
    Url,
    /// With the raw id.
    File(&'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path.strip_prefix("/v1/files")? {
            "" => Some(Self::Files),
            "/url" => Some(Self::Url),
            rest => rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/')).map(Self::File),
        }
    }

    /// As `Allow` has them.
    fn methods(self) -> &'static str {
        match self {
            Self::Files => "GET, OPTIONS",
            Self::Url => "POST, OPTIONS",
            Self::File(_) => "GET, DELETE, OPTIONS",
        }
    }
}

/// What a page may do; where there is nothing, it may ask and be told so.
fn preflight(parts: &Parts, route: Option<Route<'_>>) -> Response<ResponseBody> {
    use valetkey_model::Method::{Delete, Get, Post};
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let methods: &[_] = match route {
        Some(Route::Files) => &[Get],
        Some(Route::Url) => &[Post],
        Some(Route::File(_)) => &[Get, Delete],
        None => &[Get, Post, Delete],
    };
    cors::preflight(&parts.headers, methods, answer.headers_mut());
    answer
}

async fn whole(body: RequestBody) -> Result<Bytes, ApiError> {
    Ok(receive_whole(body, MAX_BODY_BYTES).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_are_of() {
        for (path, expected) in [
            ("/v1/files", Some(Route::Files)),
            ("/v1/files/url", Some(Route::Url)),
            ("/v1/files/file_abc123", Some(Route::File("file_abc123"))),
            ("/v1/files/Url", Some(Route::File("Url"))),
            ("/v1/files/a%2Fb", Some(Route::File("a%2Fb"))),
            ("/v1/files/", None),
            ("/v1/files//", None),
            ("/v1/files/url/", None),
            ("/v1/files/a/b", None),
            ("/v1/filesystem", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
        for route in [Route::Files, Route::Url, Route::File("x")] {
            let parts = Request::builder().body(()).unwrap().into_parts().0;
            assert_eq!(preflight(&parts, Some(route)).headers()["allow"], route.methods());
        }
    }

    #[test]
    fn paths() {
        for (path, owned) in [
            ("/v1/files", true),
            ("/v1/files/", true),
            ("/v1/files/url", true),
            ("/v1/files/file_abc123", true),
            ("/v1/filesystem", false),
            ("/v1", false),
            ("/v1/orders", false),
            ("/v10/files/url", false),
            ("/api/v1/files/url", false),
            ("/V1/files", false),
            ("/", false),
        ] {
            assert_eq!(FlexPortal::owns(path), owned, "{path}");
        }
    }
}
