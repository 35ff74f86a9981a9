//! Whose request it is: a few paths of the server itself, then the dialects, by path.

use crate::documents::Documents;
use crate::metrics;
use crate::request_count::RequestCount;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode, Version};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tracing::Level;
use valetkey_dataplane::body::ResponseBody;
use valetkey_dataplane::listener::{ConnectionInfo, Handler, closing};
use valetkey_dataplane::{ClientAddressPolicy, RequestBody};
use valetkey_dialect_autodesk::Autodesk;
use valetkey_dialect_datalab::Datalab;
use valetkey_dialect_flexportal::FlexPortal;
use valetkey_dialect_native::Native;
use valetkey_dialect_redivis::Redivis;
use valetkey_http_common::path::collapse_leading_slashes;
use valetkey_http_common::problem::{self, Problem};
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::security;
use valetkey_service::Service;

/// How long a store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

static PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The handler of every request. It exists before what it dispatches to: that needs the port, which listening gives.
#[derive(Clone, Default)]
pub(crate) struct Dispatch(Arc<OnceLock<Targets>>);

/// What requests are dispatched to.
pub(crate) struct Targets {
    pub(crate) service: Service,
    /// Whom to believe about the client's address.
    pub(crate) clients: ClientAddressPolicy,
    pub(crate) public_urls: Arc<PublicUrls>,
    pub(crate) documents: Arc<Documents>,
    /// How many connections are open now.
    pub(crate) n_connections: Arc<AtomicUsize>,
    /// How many requests there were.
    pub(crate) n_requests: RequestCount,
    pub(crate) native: Native,
    pub(crate) autodesk: Autodesk,
    pub(crate) redivis: Redivis,
    pub(crate) datalab: Datalab,
    pub(crate) flexportal: FlexPortal,
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Health,
    Ready,
    Metrics,
    Robots,
    OpenApi,
    Docs,
    Native,
    Autodesk,
    Redivis,
    Datalab,
    FlexPortal,
    Nothing,
}

impl Route {
    /// The route of a raw path, without base path, its leading slashes collapsed.
    fn of(path: &str) -> Self {
        match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/robots.txt" => Self::Robots,
            "/openapi.json" => Self::OpenApi,
            "/docs" => Self::Docs,
            _ if Native::owns(path) => Self::Native,
            _ if Autodesk::owns(path) => Self::Autodesk,
            _ if Redivis::owns(path) => Self::Redivis,
            _ if Datalab::owns(path) => Self::Datalab,
            _ if FlexPortal::owns(path) => Self::FlexPortal,
            _ => Self::Nothing,
        }
    }
}

/// Where the paths of all routes begin.
const ROOTS: [&str; 21] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/robots.txt",
    "/openapi.json",
    "/docs",
    "/o",
    "/l",
    "/vk/v1",
    "/oss/v2",
    "/authentication/v1",
    "/authentication/v2",
    "/api/v1/rawFiles",
    "/api/v1/tables",
    "/api/v1/datasets",
    "/api/v1/users",
    "/api/v1/organizations",
    "/api/v1/workflows",
    "/api/v1/queries",
    "/api/v1/files",
    "/v1/files",
];

/// The paths of the server's own that a base path could be taken for. A proxy may have taken it away or not, so that of a path that
/// begins with it must follow whether it stands there.
pub(crate) fn taken_for(base_path: &str) -> Option<&'static str> {
    ROOTS.into_iter().find(|root| !base_path.is_empty() && (is_within(root, base_path) || is_within(base_path, root)))
}

fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Dispatch {
    /// Requests are answered from now on; until then they were told to come again.
    pub(crate) fn begin(&self, targets: Targets) {
        // Called once: a second call would change nothing.
        let _ = self.0.set(targets);
    }
}

impl Handler for Dispatch {
    async fn call(&self, request: Request<RequestBody>, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let began = tracing::enabled!(Level::DEBUG).then(Instant::now);
        let (uri, method) = (request.uri().clone(), request.method().clone());
        let path = collapse_leading_slashes(uri.path());
        let (route, answer) = match self.0.get() {
            None => (Route::Nothing, closing(starting())),
            Some(_) if !names_one_host(&request) => {
                let why = "no `Host` field, or several: expected one";
                (Route::Nothing, closing(self.refused(StatusCode::BAD_REQUEST, why, Some(path))))
            }
            Some(targets) => {
                targets.n_requests.add();
                // A proxy may have taken the base path away already. It is the same in every public URL.
                let path = targets.public_urls.default_url().strip_base_path(path).unwrap_or(path);
                let route = Route::of(path);
                (route, targets.answer(route, request, path, connection).await)
            }
        };
        if let Some(began) = began {
            let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            // The route and not the URL, which is a credential.
            tracing::debug!(%method, ?route, status = answer.status().as_u16(), duration_ms, "a request was answered");
        }
        answer
    }

    /// In the shape of the dialect whose path it is.
    fn refused(&self, status: StatusCode, why: &str, path: Option<&str>) -> Response<ResponseBody> {
        let path = collapse_leading_slashes(path.unwrap_or_default());
        let base = self.0.get().map(|targets| targets.public_urls.default_url());
        let path = base.and_then(|base| base.strip_base_path(path)).unwrap_or(path);
        let mut answer = match Route::of(path) {
            Route::Autodesk => valetkey_dialect_autodesk::unreadable(status, why),
            Route::Redivis => valetkey_dialect_redivis::unreadable(status, why),
            Route::Datalab => valetkey_dialect_datalab::unreadable(status, why),
            Route::FlexPortal => valetkey_dialect_flexportal::unreadable(status, why),
            _ => valetkey_dialect_native::unreadable(status, why),
        };
        security::apply(answer.headers_mut());
        answer.headers_mut().insert(CACHE_CONTROL, NO_STORE.clone());
        answer
    }
}

impl Targets {
    async fn answer(
        &self,
        route: Route,
        request: Request<RequestBody>,
        path: &str,
        connection: &ConnectionInfo,
    ) -> Response<ResponseBody> {
        match route {
            Route::Native => self.native.call(request, path, connection).await,
            Route::Autodesk => Box::pin(self.autodesk.call(request, path, connection)).await,
            Route::Redivis => Box::pin(self.redivis.call(request, path, connection)).await,
            Route::Datalab => Box::pin(self.datalab.call(request, path, connection)).await,
            Route::FlexPortal => Box::pin(self.flexportal.call(request, path, connection)).await,
            Route::Health => fixed(request.method(), || text("ok\n")),
            Route::Robots => fixed(request.method(), || text(ROBOTS)),
            Route::OpenApi => fixed(request.method(), || self.documents.openapi.answer(request.headers())),
            Route::Docs => fixed(request.method(), || self.documents.docs.answer(request.headers())),
            Route::Ready => {
                let readiness = Box::pin(self.readiness()).await;
                fixed(request.method(), || readiness)
            }
            Route::Metrics => Box::pin(self.metrics(&request, connection)).await,
            Route::Nothing => closing(told(&Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))),
        }
    }

    /// The metrics, for who is on this machine or may read the audit.
    async fn metrics(&self, request: &Request<RequestBody>, connection: &ConnectionInfo) -> Response<ResponseBody> {
        let peer = connection.peer().ip();
        if !metrics::is_local(request, peer, &self.clients.trusted_proxies)
            && let Err(problem) =
                metrics::authorize(&self.service, request.headers(), self.clients.client_of(peer, request.headers()))
        {
            return metrics::refused(told(&problem));
        }
        let measured = self.service.measurements().await;
        let text = metrics::text(&measured, self.n_connections.load(Ordering::Relaxed), self.n_requests.total());
        let answer = finished(Response::new(ResponseBody::bytes(text)), metrics::CONTENT_TYPE.clone());
        fixed(request.method(), || answer)
    }

    /// Whether the stores answer, and the audit can be written. Which one does not, and why, is for the log.
    async fn readiness(&self) -> Response<ResponseBody> {
        match tokio::time::timeout(PATIENCE, self.service.ping()).await {
            Ok(Ok(())) if self.service.audit_is_written() => return text("ready\n"),
            Ok(Ok(())) => tracing::error!("not ready: the audit cannot be written"),
            Ok(Err(error)) => tracing::error!(error = &error as &dyn Error, "not ready: the metadata store fails"),
            Err(_) => tracing::error!(waited_ms = PATIENCE.as_millis(), "not ready: the metadata store does not answer"),
        }
        unavailable("a store does not answer")
    }
}

/// Whether a request of HTTP/1.1 says once which host it is for (RFC 9112 §3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1
}
/// The answer to GET and HEAD, of which the connection sends the head alone; other methods are refused.
fn fixed(method: &Method, answer: impl FnOnce() -> Response<ResponseBody>) -> Response<ResponseBody> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return answer();
    }
    let title = "the method is not for this path";
    let mut answer = told(&Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    closing(answer)
}

fn text(body: &'static str) -> Response<ResponseBody> {
    finished(Response::new(ResponseBody::bytes(body)), PLAIN_TEXT.clone())
}

fn starting() -> Response<ResponseBody> {
    unavailable("the server is starting")
}

fn unavailable(detail: &str) -> Response<ResponseBody> {
    let title = "the server cannot answer at present; try again later";
    let mut answer = told(&Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title).detail(detail));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}

fn told(problem: &Problem) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::bytes(problem.body()));
    *answer.status_mut() = problem.status();
    finished(answer, problem::CONTENT_TYPE.clone())
}

fn finished(mut answer: Response<ResponseBody>, content_type: HeaderValue) -> Response<ResponseBody> {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE.clone());
    security::apply(headers);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_that_are_no_others() {
        for (base_path, expected) in [
            ("/vk", Some("/vk/v1")),
            ("/vk/v1", Some("/vk/v1")),
            ("/vk/v1/files", Some("/vk/v1")),
            ("/o", Some("/o")),
            ("/o/files", Some("/o")),
            ("/api", Some("/api/v1/rawFiles")),
            ("/api/v1", Some("/api/v1/rawFiles")),
            ("/v1", Some("/v1/files")),
            ("/docs", Some("/docs")),
            ("", None),
            ("/files", None),
            ("/files/o", None),
            ("/vks", None),
            ("/vk/v2", None),
            ("/api/files", None),
            ("/O", None),
        ] {
            assert_eq!(taken_for(base_path), expected, "{base_path}");
        }
    }

    #[test]
    fn every_route_has_its_root() {
        let document = crate::openapi::document();
        for path in document.paths.paths.keys() {
            assert!(ROOTS.iter().any(|root| is_within(path, root)), "{path}");
        }
        for root in ROOTS {
            assert!([root, &format!("{root}/x")].into_iter().any(|path| Route::of(path) != Route::Nothing), "{root}");
        }
    }

    #[test]
    fn one_host() {
        let check = |version, hosts: &[&str], fine: bool| {
            let mut request = Request::new(());
            *request.version_mut() = version;
            for host in hosts {
                request.headers_mut().append(HOST, HeaderValue::from_str(host).unwrap());
            }
            assert_eq!(names_one_host(&request), fine, "{version:?} {hosts:?}");
        };
        check(Version::HTTP_11, &["a"], true);
        check(Version::HTTP_11, &[], false);
        check(Version::HTTP_11, &["a", "a"], false);
        check(Version::HTTP_10, &[], true);
    }

    #[test]
    fn paths() {
        for (path, route) in [
            ("/healthz", Route::Health),
            ("/readyz", Route::Ready),
            ("/metrics", Route::Metrics),
            ("/robots.txt", Route::Robots),
            ("/openapi.json", Route::OpenApi),
            ("/docs", Route::Docs),
            ("/docs/", Route::Nothing),
            ("/o/reports/q3.pdf", Route::Native),
            ("/l/secret/name.pdf", Route::Native),
            ("/vk/v1", Route::Native),
            ("/vk/v1/buckets", Route::Native),
            ("/vk/v10", Route::Nothing),
            ("/oss/v2/buckets", Route::Autodesk),
            ("/authentication/v2/token", Route::Autodesk),
            ("/oss/v3/buckets", Route::Nothing),
            ("/api/v1/rawFiles/x/signedUrl", Route::Redivis),
            ("/api/v1/tables/x/tempUploads", Route::Redivis),
            ("/api/v1/datasets/x", Route::Redivis),
            ("/api/v1/users/me", Route::Redivis),
            ("/api/v1/uploads/x", Route::Nothing),
            ("/api/v1/files", Route::Datalab),
            ("/api/v1/files/5/download", Route::Datalab),
            ("/api/v1/filesystem", Route::Nothing),
            ("/api/v1", Route::Nothing),
            ("/v1/files", Route::FlexPortal),
            ("/v1/files/url", Route::FlexPortal),
            ("/v1/files/file_abc123", Route::FlexPortal),
            ("/v1/filesystem", Route::Nothing),
            ("/v1/orders", Route::Nothing),
            ("/healthz/", Route::Nothing),
            ("/", Route::Nothing),
            ("", Route::Nothing),
            ("*", Route::Nothing),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
