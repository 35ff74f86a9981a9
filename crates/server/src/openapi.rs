//! The OpenAPI document of everything that is served: the pieces of the dialects, and the server's own paths.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, License, OpenApi, Server};
use valetkey_dialect_autodesk as autodesk;
use valetkey_dialect_datalab as datalab;
use valetkey_dialect_flexportal as flexportal;
use valetkey_dialect_native as native;
use valetkey_dialect_redivis as redivis;
use valetkey_http_common::openapi::schemas::{ETag, Text};
use valetkey_http_common::openapi::{API_KEY, Answer, BASIC, BEARER, JSON, Operation, Piece, header, prose, retry_after};
use valetkey_http_common::public_url::PublicUrls;

/// What `servers` says where nothing is known of one: the address that `valetkey serve` listens on by default.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

const ABOUT: &str = "\
    Signed URLs: hand a file to somebody without an account, for a while, once, and take it back. One store, reached by the native \
    API and by those of other vendors, for programs that were written for them.

    Every answer carries `X-Content-Type-Options: nosniff`, `X-Robots-Tag: noindex` and `Referrer-Policy`. Where there is nothing, a \
    path is 404; a method that a path does not have is 405 with `Allow`. What is no HTTP/1.1 request with one `Host` is 400, a head of \
    more than 16 KiB or 100 fields is 431, an `Expect` of anything but `100-continue` is 417, a version other than HTTP/1.0 and 1.1 is \
    505, and a fault of the server's own is 500 without a body; these are not listed again.";

/// The document, for clients that reach the server under these URLs.
pub(crate) fn served(public_urls: &PublicUrls) -> OpenApi {
    let mut document = document();
    let of_regions = public_urls.of_regions().map(|(region, url)| {
        let mut server = Server::new(url.as_str());
        server.description = Some(format!("The buckets of the region `{region}`."));
        server
    });
    document.servers = Some(std::iter::once(Server::new(public_urls.default_url().as_str())).chain(of_regions).collect());
    document
}

/// The document as it is committed: of a server of which nothing is known.
pub fn document() -> OpenApi {
    let mut info = Info::new("valetkey", env!("CARGO_PKG_VERSION"));
    info.description = Some(prose(ABOUT));
    let mut license = License::new("MIT or Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    info.license = Some(license);
    let mut document = OpenApi::new(info, utoipa::openapi::Paths::new());
    document.servers = Some(vec![Server::new(DEFAULT_URL)]);
    for piece in pieces() {
        debug_assert!(agree(&document, &piece), "a component's name stands for two things");
        document.merge(piece);
    }
    let components = document.components.get_or_insert_default();
    for (name, scheme) in credentials() {
        components.add_security_scheme(name, scheme);
    }
    document
}

/// The document as text: what is served, and committed as `openapi.json`.
pub fn json(document: &OpenApi) -> String {
    // Only maps with keys that are no text make this fail.
    document.to_pretty_json().unwrap_or_default() + "\n"
}

/// What is put together, in the order of the document.
pub(crate) fn pieces() -> Vec<OpenApi> {
    let others = [autodesk::status_of, redivis::status_of, datalab::status_of, flexportal::status_of];
    vec![native::openapi(&others), autodesk::openapi(), redivis::openapi(), datalab::openapi(), flexportal::openapi(), own()]
}

/// Whether what two pieces call by the same name is the same: merging keeps the first.
fn agree(one: &OpenApi, other: &OpenApi) -> bool {
    let (Some(one), Some(other)) = (&one.components, &other.components) else { return true };
    let schemas = one.schemas.iter().all(|(name, schema)| other.schemas.get(name).is_none_or(|found| found == schema));
    let responses = one.responses.iter().all(|(name, answer)| other.responses.get(name).is_none_or(|found| found == answer));
    schemas && responses
}

fn credentials() -> [(&'static str, SecurityScheme); 3] {
    let http =
        |scheme, description| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build());
    let secret = "The secret of an API key, its fixed bearer value, or an access token.";
    [
        (BEARER, http(HttpAuthScheme::Bearer, secret)),
        (API_KEY, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", secret)))),
        (BASIC, http(HttpAuthScheme::Basic, "The id and the secret of an API key.")),
    ]
}

/// The paths of the server itself.
fn own() -> OpenApi {
    let text = |description: &str| Answer::of("text/plain", description);
    let health = Operation::new("health", "Whether the process answers", "").answer(200, text("`ok`"));
    let ready = Operation::new("readiness", "Whether the stores answer", "").answer(200, text("`ready`"));
    let robots = Operation::new("robots", "What search engines may visit", "").answer(200, text("Nothing."));
    let metrics = Operation::new(
        "metrics",
        "What was measured",
        "As Prometheus reads it. From the server's own machine without a credential.",
    )
    .for_holders_of(&[BEARER, API_KEY], &["audit:read"])
    .also_for_anybody()
    .answer(200, text("The metrics."))
    .answers(not_for_everybody());
    let json = document_of(JSON, Operation::new("openapi", "This document", "With the URLs of this server."));
    let html = document_of("text/html", Operation::new("docs", "This document as a page", ""));
    Piece::new("Server", "The server itself. None of these needs a credential, but for metrics.")
        .get_and_head("/healthz", health.answers([starting()]))
        .get_and_head("/readyz", ready.answers([unready()]))
        .get_and_head("/metrics", metrics.answers([starting()]))
        .get_and_head("/robots.txt", robots.answers([starting()]))
        .get_and_head("/openapi.json", json.answers([starting()]))
        .get_and_head("/docs", html.answers([starting()]))
        .finish()
}

fn document_of(media_type: &str, operation: Operation) -> Operation {
    let tagged = |answer: Answer| {
        let answer = answer.with_header::<ETag>("ETag", "Another for each version and configuration of the server.");
        answer.with_header::<Text>("Cache-Control", "`public, no-cache`: keep it, and ask whether it is still so.")
    };
    operation
        .parameters([header::<Text>("If-None-Match", "Entity tags; 304 if the document has one of them.")])
        .answer(200, tagged(Answer::of(media_type, "The document.")))
        .answer(304, tagged(Answer::empty("The document is the one that the client has.")))
}

fn starting() -> (u16, Answer) {
    (503, retry_after(Answer::problem("* `unavailable`: the server is starting")).shared_as("Starting"))
}

fn not_for_everybody() -> [(u16, Answer); 3] {
    let unauthenticated = Answer::problem("* `unauthenticated`: there is no credential, or it does not work (any more)");
    let too_many = Answer::problem("* `too_many_requests`: too many credentials failed from this address");
    [
        (401, unauthenticated.with_header::<Text>("WWW-Authenticate", "The scheme to use.")),
        (403, Answer::problem("* `missing_scope`: the credential lacks the `scope`")),
        (429, too_many),
    ]
}

fn unready() -> (u16, Answer) {
    (
        503,
        retry_after(Answer::problem(
            "* `unavailable`: a store does not answer, the audit cannot be written, or the server is starting",
        )),
    )
}
