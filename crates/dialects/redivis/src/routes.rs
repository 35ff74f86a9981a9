//! What is where.

use crate::errors::{self, ApiError, no_such_path};
use crate::face::{FILE_METHODS, RedivisFace};
use crate::listing;
use crate::translate::{
    Reference, dataset_item, download_request, etag_of, file_id, lifetime, new_file, new_name, new_table, raw_file_item,
    raw_files, signed_url, table_item, temp_uploads, temp_uploads_body, upload_request, user_item, user_name,
};
use crate::wire::ListBody;
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LAST_MODIFIED};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, closing};
use valetkey_dataplane::{Representation, Selected, SignedUrls, receive_whole, select, send};
use valetkey_http_common::cors;
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::precondition::http_date;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::query::{Query, QueryError};
use valetkey_http_common::security::{self, Caching};
use valetkey_model::{Dialect, Disposition, Entropy, FileId, Refusal, Scope};
use valetkey_service::redeem::{Delivery, PresentedCredential, PublicPlace, UrlCredential};
use valetkey_service::{Collection, CollectionFiles, File, FileRef, ObjectRow, Principal, Service, ServiceError};

/// What the paths of the API begin with. Of the last ones nothing is there, which clients are told in the vendor's shape.
const KINDS: [&str; 7] = ["rawFiles", "tables", "datasets", "users", "organizations", "workflows", "queries"];
/// The methods of a path with something to describe.
const READ_METHODS: &str = "GET, HEAD";
/// The methods of the files of a table.
const TABLE_FILES_METHODS: &str = "GET, HEAD, POST";

/// The largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;

static RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// What the vendor's API is made of.
#[derive(Clone)]
pub struct RedivisContext {
    /// The use cases.
    pub service: Service,
    /// The data plane, without faces for tokens of other dialects: a file's URL answers as this vendor's, whatever stands in it.
    pub signed_urls: SignedUrls,
    /// What URLs given out begin with.
    pub public_urls: Arc<PublicUrls>,
    /// For multipart boundaries.
    pub entropy: Arc<dyn Entropy>,
}

/// A call of the API: its head, and where it comes from.
#[derive(Clone, Copy)]
struct Call<'a> {
    parts: &'a Parts,
    client: IpAddr,
}

/// The vendor's API. Cheap to clone.
#[derive(Clone)]
pub struct Redivis {
    context: RedivisContext,
}

impl Redivis {
    /// The vendor's API over these.
    pub fn new(context: RedivisContext) -> Self {
        Self { context }
    }

    /// Whether this path (without base path, leading slashes collapsed) is the vendor's API's.
    pub fn owns(path: &str) -> bool {
        let below = |kind: &str| path.strip_prefix("/api/v1/").and_then(|rest| rest.strip_prefix(kind));
        let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        KINDS.iter().any(|kind| below(kind).is_some_and(is_below))
    }

    /// Answers one request; `path` is its raw path without the base path.
    pub async fn call(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let mut answer = self.answer(request, path, connection).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            // What is limited is wrong credentials, by the minute.
            let limit = self.service().config().max_failed_authentications;
            answer.headers_mut().insert(RATE_LIMIT.clone(), limit.into());
            answer.headers_mut().insert(RATE_REMAINING.clone(), 0.into());
        }
        answer
    }

    async fn answer(&self, request: Request<RequestBody>, path: &str, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let call = Call { parts: &parts, client: self.context.signed_urls.client_of(&parts, connection) };
        let segments: Vec<&str> = path.strip_prefix("/api/v1/").unwrap_or(path).split('/').collect();
        if let ["rawFiles", id] = segments.as_slice()
            && !id.is_empty()
        {
            return self.file_url(call, body, path, id, connection).await;
        }
        let unread = !matches!(parts.method, Method::GET | Method::HEAD);
        match self.api(call, body, &segments).await {
            Ok(answer) => answer,
            Err(error) if unread => closing(error.answer()),
            // HEAD has no other way to be told why.
            Err(error) if parts.method == Method::HEAD => error.answer_on_file(),
            Err(error) => error.answer(),
        }
    }

    /// `/api/v1/rawFiles/{fileId}`: with a token in the query, with a credential, or without either.
    async fn file_url(
        &self,
        call: Call<'_>,
        body: RequestBody,
        path: &str,
        id: &str,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        match call.parts.method {
            Method::GET | Method::HEAD => {
                let answer = self.read_file(call, body, path, id, connection).await;
                answer.unwrap_or_else(|error| on_file(error.answer_on_file()))
            }
            Method::OPTIONS => on_file(preflight(call.parts)),
            _ => {
                // Without a token it is no signed URL, but a call that is not there.
                if !matches!(token_in(call.parts.uri.query()), Ok(None)) {
                    self.count(Refusal::WrongMethod, call.parts, connection);
                }
                on_file(closing(errors::method_not_allowed(FILE_METHODS).answer_on_file()))
            }
        }
    }

    fn count(&self, refusal: Refusal, parts: &Parts, connection: &ConnectionInfo) {
        self.context.signed_urls.count_unproved(Dialect::Redivis, refusal, parts, connection);
    }

    async fn read_file(
        &self,
        call: Call<'_>,
        body: RequestBody,
        path: &str,
        id: &str,
        connection: &ConnectionInfo,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let (signed, parts) = (&self.context.signed_urls, call.parts);
        let token = token_in(parts.uri.query()).map_err(|refusal| {
            self.count(refusal, parts, connection);
            errors::refused(refusal)
        })?;
        if let Some(token) = token {
            let raw_path = format!("{}{path}", self.context.public_urls.default_url().base_path());
            let credential = PresentedCredential::Token { token: &token, raw_path: &raw_path };
            return Ok(signed.call(&RedivisFace::File, credential, parts, body, connection).await);
        }
        if credential(&parts.headers)?.is_none() {
            // What is no id of ours is told as what is private, or not there.
            let id = file_id(id).map_err(|_| ServiceError::Unauthenticated)?;
            let credential = PresentedCredential::Public(PublicPlace::File(id));
            return Ok(signed.call(&RedivisFace::PublicFile, credential, parts, body, connection).await);
        }
        let principal = self.principal(call)?;
        self.send_file(call, &principal, file_id(id)?).await.map(on_file)
    }

    /// A file, to who may read it by a credential.
    async fn send_file(&self, call: Call<'_>, principal: &Principal, id: FileId) -> Result<Response<ResponseBody>, ApiError> {
        let file = FileRef::Id(id);
        let file = match call.parts.method {
            Method::HEAD => self.service().file_to_describe(principal, file).await?,
            _ => self.service().file(principal, file).await?,
        };
        let object = file.ready().cloned().ok_or_else(errors::no_such_file)?;
        let object = self.service().with_digests(object).await?;
        let shown = Representation {
            object: &object,
            etag: etag_of(&object),
            disposition: Disposition::Attachment,
            file_name: Some(&file.name),
            content_type: None,
            caching: Caching::Never,
            now: self.service().now(),
        };
        let mut boundary = [0; 16];
        self.context.entropy.fill(&mut boundary);
        match select(&RedivisFace::File, &call.parts.headers, &shown, boundary) {
            Selected::Answer(answer) => Ok(*answer),
            Selected::Send { head, .. } if call.parts.method == Method::HEAD => Ok(head.map(|()| ResponseBody::empty())),
            Selected::Send { head, ranges, framing } => {
                let blob = self.service().open_object(&object).await?;
                let delivery = Delivery { blob, ranges, usage: None, session_secret: None, transfer: None, counting: None };
                Ok(head.map(|()| send(delivery, framing)))
            }
        }
    }

    async fn api(&self, call: Call<'_>, body: RequestBody, segments: &[&str]) -> Result<Response<ResponseBody>, ApiError> {
        match (&call.parts.method, segments) {
            (&Method::POST, ["rawFiles", id, "signedUrl"]) => self.sign(call, body, id).await,
            (&Method::POST, ["tables", table, "tempUploads"]) => self.create_temp_uploads(call, body, table).await,
            (&Method::POST, ["tables", table, "rawFiles"]) => self.create_raw_files(call, body, table).await,
            (&Method::GET | &Method::HEAD, ["tables", table, "rawFiles"]) => self.list_raw_files(call, table).await,
            (&Method::GET | &Method::HEAD, ["tables", table]) => self.table(call, table).await,
            (&Method::GET | &Method::HEAD, ["datasets", dataset]) => self.dataset(call, dataset),
            (&Method::GET | &Method::HEAD, ["users", user]) => self.user(call, user),
            (&Method::POST, ["datasets", dataset, "tables"]) => self.create_table(call, body, dataset).await,
            (_, ["tables", _, "rawFiles"]) => Err(errors::method_not_allowed(TABLE_FILES_METHODS)),
            (_, ["tables" | "datasets" | "users", named]) if !named.is_empty() => Err(errors::method_not_allowed(READ_METHODS)),
            (_, ["rawFiles", _, "signedUrl"] | ["tables", _, "tempUploads"] | ["datasets", _, "tables"]) => {
                Err(errors::method_not_allowed("POST"))
            }
            _ => Err(no_such_path()),
        }
    }

    fn service(&self) -> &Service {
        &self.context.service
    }

    fn principal(&self, call: Call<'_>) -> Result<Principal, ApiError> {
        self.principal_if_any(call)?.ok_or_else(errors::no_credential)
    }

    /// Who calls; `None` for who shows no credential.
    fn principal_if_any(&self, call: Call<'_>) -> Result<Option<Principal>, ApiError> {
        match credential(&call.parts.headers)? {
            Some(Credential::Bearer(secret) | Credential::ApiKey(secret)) => {
                Ok(Some(self.service().authenticate(&secret, call.client)?))
            }
            Some(Credential::Basic { .. }) => Err(errors::unauthenticated("The access token must be sent as a Bearer token")),
            None => Ok(None),
        }
    }

    /// The file and its bytes, for who may read it.
    async fn readable(&self, principal: &Principal, id: FileId) -> Result<(File, Arc<ObjectRow>), ApiError> {
        let file = self.service().file(principal, FileRef::Id(id)).await?;
        let object = file.ready().cloned().ok_or_else(errors::no_such_file)?;
        Ok((file, object))
    }

    /// `POST …/rawFiles/{fileId}/signedUrl`: the URL and nothing else, as text.
    async fn sign(&self, call: Call<'_>, body: RequestBody, id: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let id = file_id(id)?;
        let lifetime = lifetime(&call.parts.headers, &whole(body).await?)?;
        let (file, _) = self.readable(&principal, id).await?;
        let issued = self.service().issue(&principal, vec![download_request(&file, lifetime)]).await?;
        let url = issued.first().and_then(|issued| signed_url(issued, self.context.public_urls.of(&issued.bucket.region)));
        Ok(text(url.ok_or_else(unissued)?))
    }

    /// `POST …/tables/{ref}/tempUploads`: files that have their ids, and URLs for their bytes.
    async fn create_temp_uploads(
        &self,
        call: Call<'_>,
        body: RequestBody,
        table: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::ObjectWrite)?;
        principal.require(Scope::LinkIssue)?;
        let collection = Reference::parse(table)?.collection();
        let uploads = temp_uploads(&call.parts.headers, &whole(body).await?)?;
        // At once, so that they are one transaction or few.
        let reserved = uploads.iter().map(|upload| self.service().reserve_file_in(&principal, new_file(upload), &collection));
        let files = try_join_all(reserved).await?;
        let requests = uploads.iter().zip(&files).map(|(upload, file)| upload_request(file, upload.size));
        let issued = self.service().issue(&principal, requests.collect()).await?;
        let all = uploads.iter().zip(&files).zip(&issued).map(|((upload, file), issued)| (upload, file, issued));
        let body = temp_uploads_body(all, |file| self.context.public_urls.of(&file.bucket.region));
        Ok(errors::json(StatusCode::OK, &body.ok_or_else(unissued)?))
    }

    /// `POST …/tables/{ref}/rawFiles`: what was uploaded is files from now on, all of it or, as far as can be told beforehand, none.
    async fn create_raw_files(&self, call: Call<'_>, body: RequestBody, table: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::ObjectWrite)?;
        principal.require(Scope::ObjectRead)?;
        Reference::parse(table)?;
        let uploads = raw_files(&call.parts.headers, &whole(body).await?)?;
        let may = uploads.iter().map(|(id, name)| self.service().may_confirm_file(&principal, FileRef::Id(*id), name.as_deref()));
        try_join_all(may).await?;
        let confirmed = uploads.into_iter().map(|(id, name)| self.confirm(&principal, id, name));
        let results = try_join_all(confirmed).await?;
        let results =
            results.iter().map(|(file, object)| raw_file_item(file, object, self.context.public_urls.of(&file.bucket.region)));
        Ok(errors::json(StatusCode::CREATED, &ListBody { kind: "rawFileList", results: results.collect() }))
    }

    /// `GET …/tables/{ref}/rawFiles?format=arrow`: the table's files, to who may read them.
    async fn list_raw_files(&self, call: Call<'_>, table: &str) -> Result<Response<ResponseBody>, ApiError> {
        let (principal, parts) = (self.principal_if_any(call)?, call.parts);
        let collection = Reference::parse(table)?.collection();
        let files = self.files_of(principal.as_ref(), &collection).await?;
        // After the credential: whoever has none learns nothing of what can be asked.
        listing::asked(parts.uri.query())?;
        let (changed_at, now) = (files.changed_at(), self.service().now());
        let mut answer = if listing::is_unchanged(&parts.headers, changed_at, now) {
            let mut answer = Response::new(ResponseBody::empty());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            let mut answer = Response::new(listing::body(files).await?);
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(listing::MEDIA_TYPE));
            answer
        };
        let headers = answer.headers_mut();
        if let Some(since) = listing::last_modified(changed_at, now) {
            headers.insert(LAST_MODIFIED, http_date(since));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        security::apply(headers);
        Ok(answer)
    }

    async fn files_of(&self, principal: Option<&Principal>, collection: &Collection) -> Result<CollectionFiles, ApiError> {
        match self.service().collection_files(principal, collection).await {
            Err(ServiceError::Unauthenticated) if principal.is_none() => Err(errors::no_credential()),
            files => Ok(files?),
        }
    }

    /// `GET …/tables/{ref}`, to who may list its files.
    async fn table(&self, call: Call<'_>, table: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal_if_any(call)?;
        let reference = Reference::parse(table)?;
        self.files_of(principal.as_ref(), &reference.collection()).await?;
        Ok(errors::json(StatusCode::OK, &table_item(&reference, self.context.public_urls.default_url())))
    }

    /// `POST …/datasets/{ref}/tables`: nothing is made, a table is there as soon as it is named.
    async fn create_table(&self, call: Call<'_>, body: RequestBody, dataset: &str) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        principal.require(Scope::ObjectWrite)?;
        let dataset = Reference::parse(dataset)?;
        let reference = dataset.of_table(&new_table(&call.parts.headers, &whole(body).await?)?);
        Ok(errors::json(StatusCode::CREATED, &table_item(&reference, self.context.public_urls.default_url())))
    }

    /// `GET …/datasets/{ref}`.
    fn dataset(&self, call: Call<'_>, dataset: &str) -> Result<Response<ResponseBody>, ApiError> {
        self.principal(call)?;
        let reference = Reference::parse(dataset)?;
        Ok(errors::json(StatusCode::OK, &dataset_item(&reference, self.context.public_urls.default_url())))
    }

    /// `GET …/users/{name}`.
    fn user(&self, call: Call<'_>, user: &str) -> Result<Response<ResponseBody>, ApiError> {
        let name = user_name(user, self.principal(call)?.tenant())?;
        Ok(errors::json(StatusCode::OK, &user_item(&name, self.context.public_urls.default_url())))
    }

    async fn confirm(&self, principal: &Principal, id: FileId, name: Option<String>) -> Result<(File, Arc<ObjectRow>), ApiError> {
        let file = self.service().confirm_file(principal, FileRef::Id(id), name.map(new_name)).await?;
        let object = file.ready().cloned().ok_or(ServiceError::NotUploaded)?;
        Ok((file, self.service().with_digests(object).await?))
    }
}

/// The credential in a file's URL: a token, or none.
pub fn credential_of(base_path: &str, path: &str, query: Option<&str>) -> Option<Result<UrlCredential, Refusal>> {
    let id = path.strip_prefix("/api/v1/rawFiles/").filter(|id| !id.is_empty() && !id.contains('/'))?;
    Some(match token_in(query) {
        Ok(Some(token)) => Ok(UrlCredential::Token { token: token.into_owned(), raw_path: format!("{base_path}{path}") }),
        Ok(None) => file_id(id).map(UrlCredential::File).map_err(|_| Refusal::Malformed),
        Err(refusal) => Err(refusal),
    })
}

/// The token in a raw query; `None` if there is none.
fn token_in(query: Option<&str>) -> Result<Option<Cow<'_, str>>, Refusal> {
    Query::new(query).single("token").map_err(|error| match error {
        QueryError::Duplicate => Refusal::Ambiguous,
        QueryError::Value(_) => Refusal::Malformed,
    })
}

/// What never happens: fewer URLs than were asked for, or of another form.
fn unissued() -> ApiError {
    errors::refused(Refusal::Unavailable)
}

/// Adds what every answer on a file's URL carries; those of the data plane have it.
fn on_file(mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
    let headers = answer.headers_mut();
    cors::apply(headers);
    security::apply(headers);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// The answer to OPTIONS on a file's URL, which takes no more than GET and HEAD whatever stands in it.
fn preflight(parts: &Parts) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    cors::preflight(&parts.headers, &[valetkey_model::Method::Get, valetkey_model::Method::Head], answer.headers_mut());
    answer
}

/// A text that nobody keeps.
fn text(text: String) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::bytes(text));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    security::apply(headers);
    answer
}

async fn whole(body: RequestBody) -> Result<Bytes, ApiError> {
    Ok(receive_whole(body, MAX_BODY_BYTES).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let file = FileId::from_bytes([1; 16]);
        let raw = valetkey_service::raw_file_id(file);
        let path = format!("/api/v1/rawFiles/{raw}");
        let token = |path: &str| UrlCredential::Token { token: "abc".to_owned(), raw_path: format!("/files{path}") };
        for (path, query, expected) in [
            (path.as_str(), Some("token=abc&x"), Some(Ok(token(&path)))),
            (&path, None, Some(Ok(UrlCredential::File(file)))),
            (&path, Some("token=a&token=a"), Some(Err(Refusal::Ambiguous))),
            ("/api/v1/rawFiles/x", None, Some(Err(Refusal::Malformed))),
            ("/api/v1/rawFiles/x", Some("token=abc"), Some(Ok(token("/api/v1/rawFiles/x")))),
            ("/api/v1/rawFiles/", Some("token=abc"), None),
            ("/api/v1/rawFiles/x/signedUrl", Some("token=abc"), None),
            ("/api/v1/files/x", Some("token=abc"), None),
        ] {
            assert_eq!(credential_of("/files", path, query), expected, "{path} {query:?}");
        }
    }

    #[test]
    fn paths() {
        for (path, owned) in [
            ("/api/v1/rawFiles", true),
            ("/api/v1/rawFiles/", true),
            ("/api/v1/rawFiles/x", true),
            ("/api/v1/rawFiles/x/signedUrl", true),
            ("/api/v1/tables/demo.files%3Acurrent.docs/tempUploads", true),
            ("/api/v1/tables", true),
            ("/api/v1/datasets/demo.files", true),
            ("/api/v1/users/me", true),
            ("/api/v1/organizations/demo/datasets", true),
            ("/api/v1/workflows/x", true),
            ("/api/v1/queries", true),
            ("/api/v1/rawFilesystem", false),
            ("/api/v1/rawfiles/x", false),
            ("/api/v1/files/x", false),
            ("/api/v1/tablespaces", false),
            ("/api/v1", false),
            ("/api/v2/rawFiles/x", false),
            ("/rawFiles/x", false),
            ("/", false),
        ] {
            assert_eq!(Redivis::owns(path), owned, "{path}");
        }
    }
}
