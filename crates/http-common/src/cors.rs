//! Cross-origin access to blob URLs: anybody who holds the URL, from any page, never with credentials.
//!
//! The URL is the permission, so a literal `*` gives a page nothing that the URL itself does not; and with `*` a browser neither
//! sends cookies nor lets a page read an answer to a request that had them
//! ([Fetch §3.2](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use crate::value;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use valetkey_model::Method;

/// At most this many requested header names are allowed in a preflight answer, …
const MAX_REQUESTED: usize = 64;
/// … of at most this many bytes together.
const MAX_REQUESTED_BYTES: usize = 2048;

static ANY: HeaderValue = HeaderValue::from_static("*");
static EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Content-Length, Content-Range, Accept-Ranges, Content-Disposition, Repr-Digest, Location, Range, Retry-After, \
     Valetkey-Session, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, \
     Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Expires, Upload-Concat, Upload-Checksum, Upload-Complete, \
     Upload-Limit",
);
static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");
static MAX_AGE: HeaderValue = HeaderValue::from_static("600");
static VARY_REQUESTED: HeaderValue = HeaderValue::from_static("Access-Control-Request-Headers");

/// Sets what every answer of a blob URL carries, refusals too.
pub fn apply(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED.clone());
    headers.insert(RESOURCE_POLICY.clone(), CROSS_ORIGIN.clone());
}

/// Sets what the 204 to an OPTIONS request carries: these methods and OPTIONS, and the requested headers if they are well-formed and
/// few enough; otherwise none.
pub fn preflight(request: &HeaderMap, methods: &[Method], headers: &mut HeaderMap) {
    apply(headers);
    let allowed = allow(methods);
    headers.insert(ALLOW, allowed.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE.clone());
    headers.append(VARY, VARY_REQUESTED.clone());
    if let Some(requested) = requested(request) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested);
    }
}

/// The `Allow` field for these methods and OPTIONS; a 405 must carry it.
pub fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(|method| method.as_str()).chain(["OPTIONS"]).collect();
    value(names.join(", "))
}

/// The requested header names; `None` if there are none, too many, or anything that is no name.
fn requested(request: &HeaderMap) -> Option<HeaderValue> {
    let mut names = String::new();
    let mut n_names = 0;
    for line in request.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        for name in line.to_str().ok()?.split(',').map(|name| name.trim_matches([' ', '\t'])).filter(|name| !name.is_empty()) {
            let name = HeaderName::try_from(name).ok()?;
            if n_names > 0 {
                names.push_str(", ");
            }
            names.push_str(name.as_str());
            n_names += 1;
            if n_names > MAX_REQUESTED || names.len() > MAX_REQUESTED_BYTES {
                return None;
            }
        }
    }
    (n_names > 0).then(|| value(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(lines: &[&str], expected: Option<&str>) {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_str(line).unwrap());
        }
        let mut headers = HeaderMap::new();
        preflight(&request, &[Method::Get, Method::Head], &mut headers);
        let allowed = headers.get(ACCESS_CONTROL_ALLOW_HEADERS).map(|value| value.to_str().unwrap());
        assert_eq!(allowed, expected, "{lines:?}");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-methods"], "GET, HEAD, OPTIONS");
        assert_eq!(headers["access-control-max-age"], "600");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn requested_headers_are_echoed_if_well_formed() {
        check(&[], None);
        check(&["range"], Some("range"));
        check(&["Authorization,X-Foo , range,"], Some("authorization, x-foo, range"));
        check(&["a", "b"], Some("a, b"));
        check(&[""], None);
        check(&["a b"], None);
        check(&["a, b:c"], None);
        check(&["a", "é"], None);
        check(&[vec!["x"; 64].join(",").as_str()], Some(&vec!["x"; 64].join(", ")));
        check(&[vec!["x"; 65].join(",").as_str()], None);
        check(&["x".repeat(2049).as_str()], None);
    }

    #[test]
    fn every_answer_carries_them_once() {
        let mut headers = HeaderMap::new();
        apply(&mut headers);
        apply(&mut headers);
        assert_eq!(headers.len(), 3);
        let exposed = headers["access-control-expose-headers"].to_str().unwrap();
        for name in exposed.split(", ") {
            assert!(HeaderName::try_from(name).is_ok(), "{name}");
        }
        assert!(exposed.contains("Valetkey-Session"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(field in crate::values("[a-zA-Z, -]{0,60}")) {
            let request = [(ACCESS_CONTROL_REQUEST_HEADERS, field)].into_iter().collect();
            if let Some(echo) = requested(&request) {
                prop_assert!(echo.to_str().unwrap().split(", ").all(|name| HeaderName::try_from(name).is_ok()));
            }
        }
    }
}
