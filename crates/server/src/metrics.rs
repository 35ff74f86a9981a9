//! `/metrics`: what the service has measured, as Prometheus reads it
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4).
//!
//! For whoever is on this machine, or shows a credential with the scope `audit:read`. A request that a proxy has passed on is not
//! from this machine, wherever the proxy is; in doubt it was passed on.

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, VIA, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode, Version};
use std::fmt::Write as _;
use std::net::IpAddr;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::credential::{Credential, credential};
use valetkey_http_common::problem::Problem;
use valetkey_model::{Network, Refusal, Scope};
use valetkey_service::{Measurements, Service, ServiceError};

pub(crate) static CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Fields that proxies write, beside those that begin with `x-forwarded-`.
static PASSED_ON: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// Whether a request is from this machine itself: its peer is, which is no trusted proxy; it says so in `Host`, which a page in a
/// browser here cannot make up; and nothing tells of a proxy. Some tell by little: nginx, if nobody says otherwise, by HTTP/1.0 alone.
pub(crate) fn is_local<B>(request: &Request<B>, peer: IpAddr, trusted_proxies: &[Network]) -> bool {
    let (peer, headers) = (peer.to_canonical(), request.headers());
    let is_passed_on = |name: &HeaderName| PASSED_ON.contains(name) || name.as_str().starts_with("x-forwarded-");
    peer.is_loopback()
        && !trusted_proxies.iter().any(|network| network.contains(peer))
        && request.version() >= Version::HTTP_11
        && headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(is_loopback)
        && !headers.keys().any(is_passed_on)
}

/// Whether a `Host` is this machine's name for itself.
fn is_loopback(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Proves that the request has a credential that may read the audit. Wrong ones count for the client's address.
pub(crate) fn authorize(service: &Service, headers: &HeaderMap, client: IpAddr) -> Result<(), Problem> {
    let unauthenticated = || Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a valid credential is needed");
    let Ok(Some(Credential::Bearer(secret) | Credential::ApiKey(secret))) = credential(headers) else {
        return Err(unauthenticated());
    };
    let principal = service.authenticate(&secret, client).map_err(|error| match error {
        ServiceError::Refused(refusal @ Refusal::TooManyRequests) => Problem::refusal(refusal),
        _ => unauthenticated(),
    })?;
    principal.require(Scope::AuditRead).map_err(|_| {
        let problem = Problem::new(StatusCode::FORBIDDEN, "missing_scope", "the credential may not do this");
        problem.with("scope", Scope::AuditRead.as_str())
    })
}

/// The answer to who may not.
pub(crate) fn refused(mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"valetkey\""));
    }
    answer
}

/// All of it.
pub(crate) fn text(measured: &Measurements, n_connections: usize, n_requests: u64) -> String {
    let mut page = Page(String::new());
    page.family("valetkey_requests_total", "counter", "Requests to signed URLs, by what came of them.");
    for (dialect, method, outcome, n) in &measured.n_requests {
        let labels = [("dialect", dialect.as_str()), ("method", method.as_str()), ("outcome", outcome.code())];
        page.sample("valetkey_requests_total", &labels, *n);
    }
    page.family("valetkey_sent_bytes_total", "counter", "Bytes of objects sent under signed URLs.");
    for (dialect, n) in &measured.sent_bytes {
        page.sample("valetkey_sent_bytes_total", &[("dialect", dialect.as_str())], *n);
    }
    page.one("valetkey_http_requests_total", "counter", "Requests that could be read, whatever they were for.", n_requests);
    page.one("valetkey_connections", "gauge", "Connections that are open.", n_connections as u64);
    page.one("valetkey_urls_issued_total", "counter", "Signed URLs that were issued.", measured.n_issued);
    page.one(
        "valetkey_revocations_made_total",
        "counter",
        "Revocations that were made, of one URL or of many.",
        measured.n_revoked,
    );
    page.one("valetkey_uses_completed_total", "counter", "Uses of limited URLs that were completed.", measured.n_completed);
    page.one("valetkey_revocations", "gauge", "Revocations that are remembered.", measured.n_revocations);
    page.family("valetkey_row_cache_requests_total", "counter", "Rows looked for in memory.");
    for (rows, n_found, n_missed) in &measured.cached {
        page.sample("valetkey_row_cache_requests_total", &[("rows", rows), ("result", "hit")], *n_found);
        page.sample("valetkey_row_cache_requests_total", &[("rows", rows), ("result", "miss")], *n_missed);
    }
    if let Some(audit) = measured.audit {
        page.one("valetkey_audit_rows_total", "counter", "Rows that were ever appended to the audit.", audit.n_rows);
        page.one("valetkey_audit_unsealed_rows", "gauge", "Rows that no checkpoint seals yet.", audit.n_unsealed);
    }
    page.one("valetkey_audit_pending_rows", "gauge", "Rows that wait to be written, at most a second.", measured.n_pending);
    let writable = u64::from(measured.audit_is_written);
    page.one("valetkey_audit_writable", "gauge", "1 if the audit can be written; limited URLs work only then.", writable);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Labels are words of ours: nothing in them needs an escape.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use valetkey_model::{Dialect, Method, Outcome};

    #[test]
    fn who_is_on_this_machine() {
        let check = |peer: &str, host: &str, field: Option<&'static str>, local: bool| {
            let mut request = Request::new(());
            request.headers_mut().insert(HOST, HeaderValue::from_str(host).unwrap());
            request
                .headers_mut()
                .extend(field.map(|field| (HeaderName::from_static(field), HeaderValue::from_static("127.0.0.1"))));
            let proxies = ["127.0.0.7".parse().unwrap()];
            assert_eq!(is_local(&request, peer.parse().unwrap(), &proxies), local, "{peer} {host} {field:?}");
            *request.version_mut() = Version::HTTP_10;
            assert!(!is_local(&request, peer.parse().unwrap(), &proxies));
        };
        for (peer, local) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("127.0.0.7", false),
            ("::ffff:127.0.0.7", false),
        ] {
            check(peer, "localhost:8080", None, local);
        }
        for host in ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            check("127.0.0.1", host, None, true);
        }
        for host in
            ["files.example.org", "localhost.example.org", "192.0.2.1:8080", "[2001:db8::1]", "", ":80", "127.0.0.1.nip.io"]
        {
            check("127.0.0.1", host, None, false);
        }
        for field in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip"] {
            check("127.0.0.1", "localhost", Some(field), false);
        }
    }

    #[test]
    fn a_page() {
        let measured = Measurements {
            n_requests: vec![(Dialect::Native, Method::Get, Outcome::Refused(Refusal::Expired), 3)],
            sent_bytes: vec![(Dialect::Native, 1 << 40)],
            ..Measurements::default()
        };
        let page = text(&measured, 7, 5);
        for line in [
            "# TYPE valetkey_requests_total counter",
            "valetkey_requests_total{dialect=\"native\",method=\"GET\",outcome=\"expired\"} 3",
            "valetkey_sent_bytes_total{dialect=\"native\"} 1099511627776",
            "valetkey_http_requests_total 5",
            "valetkey_connections 7",
            "valetkey_audit_writable 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
        assert!(page.ends_with('\n'));
    }
}
