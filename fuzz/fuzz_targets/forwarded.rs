//! Any bytes before a proxy's own `Forwarded` and `X-Forwarded-For` elements: the client address is the one the proxy wrote.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use valetkey_http_common::client_address::{ClientAddressFrom, client_address};

fuzz_target!(|line: &[u8]| {
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let client = IpAddr::from([198, 51, 100, 1]);
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    for (from, name, own) in [
        (ClientAddressFrom::XForwardedFor, "x-forwarded-for", &b", 198.51.100.1:80, 10.9.9.9"[..]),
        (ClientAddressFrom::Forwarded, "forwarded", &b", for=\"198.51.100.1:80\";by=\"a,b\", for=10.9.9.9"[..]),
    ] {
        let headers = |line: &[u8]| -> Option<HeaderMap> {
            Some([(HeaderName::from_static(name), HeaderValue::from_bytes(line).ok()?)].into_iter().collect())
        };
        if let Some(headers) = headers(line) {
            client_address(proxy, &headers, &trusted, from);
            assert_eq!(client_address(client, &headers, &trusted, from), client);
        }
        if let Some(headers) = headers(&[line, own].concat()) {
            assert_eq!(client_address(proxy, &headers, &trusted, from), client);
        }
    }
});
