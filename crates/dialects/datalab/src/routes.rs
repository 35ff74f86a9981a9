//! What is where.

use crate::errors::{self, ApiError, no_such_file, no_such_path};
use crate::translate::{
    confirm_body, deleted_body, download_body, download_request, file_body, file_ref, files_query, lifetime, list_body, new_file,
    upload_body, upload_request,
};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{SignedUrls, receive_whole};
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::query::Query;
use valetkey_model::{Refusal, Scope};
use valetkey_service::{FileRef, IssueRequest, Issued, Principal, Service, ServiceError};

/// The largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// What the vendor's API is made of.
#[derive(Clone)]
pub struct DatalabContext {
    /// The use cases.
    pub service: Service,
    /// The data plane: who calls is its to say.
    pub signed_urls: SignedUrls,
    /// What URLs given out begin with.
    pub public_urls: Arc<PublicUrls>,
}

/// The vendor's API. Cheap to clone.
#[derive(Clone)]
pub struct Datalab {
    context: DatalabContext,
}

impl Datalab {
    /// The vendor's API over these.
    pub fn new(context: DatalabContext) -> Self {
        Self { context }
    }

    /// Whether this path (without base path, leading slashes collapsed) is the vendor's API's.
    pub fn owns(path: &str) -> bool {
        path.strip_prefix("/api/v1/files").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers one request; `path` is its raw path without the base path.
    pub async fn call(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let unread = !matches!(parts.method, Method::GET | Method::HEAD);
        let segments: Vec<&str> = path.strip_prefix("/api/v1/files").unwrap_or(path).split('/').skip(1).collect();
        match self.api(&parts, body, &segments, connection).await {
            Ok(answer) => answer,
            Err(error) if unread => closing(error.answer()),
            Err(error) => error.answer(),
        }
    }

    async fn api(
        &self,
        parts: &Parts,
        body: RequestBody,
        segments: &[&str],
        connection: &ConnectionInfo,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let route = Route::of(&parts.method, segments)?;
        // Before all else: without a key nothing is learnt, not even whether a file id could be one.
        let principal = self.principal(parts, connection)?;
        match route {
            Route::List => self.list(&principal, Query::new(parts.uri.query())).await,
            Route::Upload => self.upload(&principal, parts, body).await,
            Route::Confirm(id) => self.confirm(&principal, id).await,
            Route::Download(id) => self.download(&principal, id, Query::new(parts.uri.query())).await,
            Route::Show(id) => self.show(&principal, id).await,
            Route::Delete(id) => self.delete(&principal, id).await,
        }
    }

    fn service(&self) -> &Service {
        &self.context.service
    }

    /// Who calls. Cookies are no credential here, whatever they hold.
    fn principal(&self, parts: &Parts, connection: &ConnectionInfo) -> Result<Principal, ApiError> {
        match credential(&parts.headers)? {
            Some(Credential::ApiKey(secret) | Credential::Bearer(secret)) => {
                let client = self.context.signed_urls.client_of(parts, connection);
                Ok(self.service().authenticate(&secret, client)?)
            }
            Some(Credential::Basic { .. }) | None => Err(ServiceError::Unauthenticated.into()),
        }
    }

    /// `GET /api/v1/files`: a page of the files, those that are pending among them.
    async fn list(&self, principal: &Principal, query: Query<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let query = files_query(query)?;
        let page = self.service().files(principal, query).await?;
        let total = self.service().n_files(principal, query.with_pending).await?;
        Ok(errors::json(StatusCode::OK, &list_body(&page, query, total)))
    }

    /// `POST /api/v1/files/upload`: a file that has its ids, and a URL for its bytes.
    async fn upload(&self, principal: &Principal, parts: &Parts, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let new = new_file(&parts.headers, &whole(body).await?)?;
        // Before anything is kept: without the URL it would be of no use.
        principal.require(Scope::LinkIssue)?;
        let file = self.service().reserve_file(principal, new).await?;
        let issued = self.issue(principal, upload_request(&file)).await?;
        let base = self.context.public_urls.of(&file.bucket.region);
        Ok(errors::json(StatusCode::OK, &upload_body(&file, &issued, base)))
    }

    /// `GET …/confirm`: from now on the file is as it is. Again and again, if it is asked for.
    async fn confirm(&self, principal: &Principal, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let file = self.service().confirm_file(principal, known(id)?, None).await?;
        Ok(errors::json(StatusCode::OK, &confirm_body(&file)))
    }

    /// `GET …/download`: a URL for the bytes.
    async fn download(&self, principal: &Principal, id: &str, query: Query<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let (asked, lifetime) = match (file_ref(id), lifetime(query)) {
            (Ok(asked), Ok(lifetime)) => (asked, lifetime),
            (id, lifetime) => return Err(ApiError::Faults([id.err(), lifetime.err()].into_iter().flatten().collect())),
        };
        let file = self.service().file(principal, asked.ok_or_else(no_such_file)?).await?;
        if file.ready().is_none() {
            return Err(no_such_file());
        }
        let issued = self.issue(principal, download_request(&file, lifetime)).await?;
        let base = self.context.public_urls.of(&file.bucket.region);
        Ok(errors::json(StatusCode::OK, &download_body(&file, &issued, lifetime, base)))
    }

    /// `GET /api/v1/files/{file_id}`.
    async fn show(&self, principal: &Principal, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let file = self.service().file(principal, known(id)?).await?;
        Ok(errors::json(StatusCode::OK, &file_body(&file)))
    }

    /// `DELETE /api/v1/files/{file_id}`: the file, and every URL to it.
    async fn delete(&self, principal: &Principal, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let file = self.service().delete_file(principal, known(id)?).await?;
        Ok(errors::json(StatusCode::OK, &deleted_body(&file)))
    }

    async fn issue(&self, principal: &Principal, request: IssueRequest) -> Result<Issued, ApiError> {
        let issued = self.service().issue(principal, vec![request]).await?.pop();
        // One was asked for, and all or none are issued.
        issued.ok_or(ApiError::Service(ServiceError::Refused(Refusal::Unavailable)))
    }
}

/// A call, with the raw file id that its path has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    List,
    Upload,
    Confirm(&'a str),
    Download(&'a str),
    Show(&'a str),
    Delete(&'a str),
}

impl<'a> Route<'a> {
    /// The call that a method and the raw segments below `/api/v1/files` are.
    fn of(method: &Method, segments: &[&'a str]) -> Result<Self, ApiError> {
        match (method, segments) {
            (&Method::GET, []) => Ok(Self::List),
            (_, []) => Err(ApiError::Method("GET")),
            (&Method::POST, ["upload"]) => Ok(Self::Upload),
            (_, ["upload"]) => Err(ApiError::Method("POST")),
            (_, [""] | ["", ..]) => Err(no_such_path()),
            (&Method::GET, [id]) => Ok(Self::Show(id)),
            (&Method::DELETE, [id]) => Ok(Self::Delete(id)),
            (_, [_]) => Err(ApiError::Method("GET, DELETE")),
            (&Method::GET, [id, "confirm"]) => Ok(Self::Confirm(id)),
            (&Method::GET, [id, "download"]) => Ok(Self::Download(id)),
            (_, [_, "confirm" | "download"]) => Err(ApiError::Method("GET")),
            _ => Err(no_such_path()),
        }
    }
}

/// The file that a path segment asks for, if it could be one.
fn known(id: &str) -> Result<FileRef, ApiError> {
    file_ref(id)?.ok_or_else(no_such_file)
}

async fn whole(body: RequestBody) -> Result<Bytes, ApiError> {
    Ok(receive_whole(body, MAX_BODY_BYTES).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, owned) in [
            ("/api/v1/files", true),
            ("/api/v1/files/", true),
            ("/api/v1/files/upload", true),
            ("/api/v1/files/5/download", true),
            ("/api/v1/filesystem", false),
            ("/api/v1/Files/5", false),
            ("/api/v1/rawFiles/5", false),
            ("/api/v1", false),
            ("/api/v2/files/5", false),
            ("/v1/files/5", false),
            ("/o/api/v1/files", false),
            ("/", false),
        ] {
            assert_eq!(Datalab::owns(path), owned, "{path}");
        }
    }

    #[test]
    fn calls() {
        let check = |method: &str, segments: &[&str], expected: Result<Route<'_>, &str>| {
            let found = Route::of(&method.parse().unwrap(), segments).map_err(|error| match error {
                ApiError::Method(allow) => allow,
                ApiError::Detail(StatusCode::NOT_FOUND, _) => "404",
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected, "{method} {segments:?}");
        };
        check("GET", &[], Ok(Route::List));
        for method in ["HEAD", "POST", "DELETE", "OPTIONS"] {
            check(method, &[], Err("GET"));
        }
        check("POST", &["upload"], Ok(Route::Upload));
        check("GET", &["5"], Ok(Route::Show("5")));
        check("DELETE", &["5"], Ok(Route::Delete("5")));
        check("GET", &["5", "confirm"], Ok(Route::Confirm("5")));
        check("GET", &["5", "download"], Ok(Route::Download("5")));
        check("GET", &["upload", "download"], Ok(Route::Download("upload")));
        for method in ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"] {
            check(method, &["upload"], Err("POST"));
        }
        for method in ["HEAD", "POST", "PUT", "PATCH", "OPTIONS", "get"] {
            check(method, &["5"], Err("GET, DELETE"));
            check(method, &["5", "confirm"], Err("GET"));
            check(method, &["5", "download"], Err("GET"));
        }
        for segments in
            [&[""][..], &["", "download"], &["5", ""], &["5", "Download"], &["5", "download", ""], &["5", "download", "x"]]
        {
            check("GET", segments, Err("404"));
        }
    }
}
