//! Whose request it is: the socket's address, or the one that trusted proxies vouch for.

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use valetkey_model::{Network, sabotaged};

/// Which field trusted proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAddressFrom {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239.html)).
    Forwarded,
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the socket's unless it is trusted, then the right-most hop that is not.
///
/// Every hop to the left of an untrusted one is hearsay and not read. A hop that is no address (`unknown`, an obfuscated name,
/// garbage) ends the search: the nearest trusted hop is all that is known. If all are trusted, it is the left-most. IPv4
/// mapped into IPv6 is IPv4.
pub fn client_address(socket: IpAddr, headers: &HeaderMap, trusted: &[Network], from: ClientAddressFrom) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address)) || sabotaged("address-from-header");
    let mut nearest = socket.to_canonical();
    if !is_trusted(nearest) {
        return nearest;
    }
    let (name, address): (_, fn(&str) -> Option<IpAddr>) = match from {
        ClientAddressFrom::XForwardedFor => (&X_FORWARDED_FOR, node),
        ClientAddressFrom::Forwarded => (&FORWARDED, forwarded_for),
    };
    for line in headers.get_all(name).iter().rev() {
        for hop in hops(line) {
            match hop.and_then(address) {
                Some(address) => nearest = address,
                None => return nearest,
            }
            if !is_trusted(nearest) {
                return nearest;
            }
        }
    }
    nearest
}

/// The list elements of a line from right to left, empty ones left out. From the right, because a proxy appends: whatever the
/// client wrote before, an open quote for one, cannot swallow what the proxy wrote after it. `None`: not text.
fn hops(line: &HeaderValue) -> impl Iterator<Item = Option<&str>> {
    let mut rest = Some(line.as_bytes());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (left, hop) = match last_unquoted(bytes, b',') {
            Some(comma) => (bytes.get(..comma), bytes.get(comma + 1..)),
            None => (None, Some(bytes)),
        };
        rest = left;
        hop
    })
    .map(<[u8]>::trim_ascii)
    .filter(|hop| !hop.is_empty())
    .map(|hop| std::str::from_utf8(hop).ok())
}

/// Where the last `separator` outside quotes stands, seen from the right.
fn last_unquoted(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    for (position, byte) in bytes.iter().enumerate().rev() {
        if *byte == b'"' {
            let before = bytes.get(..position).unwrap_or_default();
            let n_backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted ^= n_backslashes % 2 == 0;
        } else if *byte == separator && !quoted {
            return Some(position);
        }
    }
    None
}

/// The address of the one `for` of a `Forwarded` element.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let (mut found, mut rest) = (None, Some(element));
    while let Some(text) = rest {
        let (left, pair) = match last_unquoted(text.as_bytes(), b';') {
            Some(semicolon) => (text.get(..semicolon), text.get(semicolon + 1..)?),
            None => (None, text),
        };
        rest = left;
        let pair = pair.trim_matches([' ', '\t']);
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        // No address needs an escape, so none is undone.
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

/// An address with or without port, IPv6 with or without brackets; a bracketless one has no port.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || match text.parse::<SocketAddr>().ok()? {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => None,
        address => Some(address.ip()),
    };
    with_port().or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRUSTED: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"];

    fn check(from: ClientAddressFrom, socket: &str, lines: &[&str], expected: &str) {
        let trusted: Vec<Network> = TRUSTED.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            headers.append(FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        let found = client_address(socket.parse().unwrap(), &headers, &trusted, from);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{socket} {lines:?}");
    }

    #[test]
    fn the_socket_unless_it_is_trusted() {
        for from in [ClientAddressFrom::XForwardedFor, ClientAddressFrom::Forwarded] {
            check(from, "203.0.113.9", &[], "203.0.113.9");
            check(from, "203.0.113.9", &["for=198.51.100.1"], "203.0.113.9");
            check(from, "203.0.113.9", &["198.51.100.1"], "203.0.113.9");
            check(from, "::ffff:203.0.113.9", &[], "203.0.113.9");
            check(from, "10.1.1.1", &[], "10.1.1.1");
            check(from, "10.1.1.1", &[""], "10.1.1.1");
            check(from, "10.1.1.1", &[",, ,"], "10.1.1.1");
        }
        assert_eq!(
            client_address([10, 1, 1, 1].into(), &HeaderMap::new(), &[], ClientAddressFrom::Forwarded),
            IpAddr::from([10, 1, 1, 1])
        );
    }

    #[test]
    fn x_forwarded_for() {
        let check = |lines: &[&str], expected| check(ClientAddressFrom::XForwardedFor, "10.1.1.1", lines, expected);
        check(&["198.51.100.1"], "198.51.100.1");
        check(&["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check(&["1.1.1.1, 198.51.100.1, 10.2.2.2,192.0.2.1"], "198.51.100.1");
        check(&["1.1.1.1", "198.51.100.1, 10.2.2.2"], "198.51.100.1");
        check(&["198.51.100.1", "10.2.2.2"], "198.51.100.1");
        check(&["10.3.3.3, 10.2.2.2"], "10.3.3.3");
        check(&["198.51.100.1, ,"], "198.51.100.1");
        check(&["198.51.100.1:4711"], "198.51.100.1");
        check(&["2001:db8::7"], "2001:db8::7");
        check(&["[2001:db8::7]:443"], "2001:db8::7");
        check(&["[2001:db8::7]"], "2001:db8::7");
        check(&["::ffff:198.51.100.1"], "198.51.100.1");
        check(&["198.51.100.1, ::ffff:10.2.2.2, fd00::1"], "198.51.100.1");
        // Garbage ends the search.
        check(&["198.51.100.1, unknown"], "10.1.1.1");
        check(&["198.51.100.1, unknown, 10.2.2.2"], "10.2.2.2");
        check(&["198.51.100.1, 10.2.2.256"], "10.1.1.1");
        check(&["198.51.100.01"], "10.1.1.1");
        check(&["fe80::1%eth0"], "10.1.1.1");
        check(&["[fe80::1%3]:80"], "10.1.1.1");
        check(&["198.51.100.1:99999"], "10.1.1.1");
        check(&["\"198.51.100.1\""], "10.1.1.1");
        check(&["198.51.100.1 10.2.2.2"], "10.1.1.1");
    }

    #[test]
    fn forwarded() {
        let check = |lines: &[&str], expected| check(ClientAddressFrom::Forwarded, "10.1.1.1", lines, expected);
        check(&["for=198.51.100.1"], "198.51.100.1");
        check(&["For=198.51.100.1;proto=https;by=203.0.113.43"], "198.51.100.1");
        check(&["proto=https; FOR=\"198.51.100.1:47\" ;host=\"a,b;for=1.1.1.1\""], "198.51.100.1");
        check(&["for=1.1.1.1, for=\"[2001:db8::7]:4711\", for=10.2.2.2"], "2001:db8::7");
        check(&["for=1.1.1.1", "for=\"[2001:db8::7]\""], "2001:db8::7");
        check(&["for=198.51.100.1;;"], "198.51.100.1");
        // What a client wrote before the proxy's element cannot change it.
        check(&["for=\"1.1.1.1, for=198.51.100.1"], "198.51.100.1");
        check(&["for=6.6.6.6;x=\", for=\"198.51.100.1\""], "198.51.100.1");
        check(&["x=\"\\, for=\"198.51.100.1\";by=\"a\\\"b\""], "198.51.100.1");
        // Garbage ends the search.
        check(&["for=1.1.1.1, for=unknown"], "10.1.1.1");
        check(&["for=1.1.1.1, for=_hidden, for=10.2.2.2"], "10.2.2.2");
        check(&["for=1.1.1.1, proto=https"], "10.1.1.1");
        check(&["for=1.1.1.1;for=2.2.2.2"], "10.1.1.1");
        check(&["for=\"198.51.100.1"], "10.1.1.1");
        check(&["198.51.100.1"], "10.1.1.1");
        check(&["for = 198.51.100.1"], "10.1.1.1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_an_untrusted_socket_stays(value in crate::values("([fFor=\"\\\\,;:\\[\\]]|10[.]1[.]1[.]1|::1){0,16}")) {
            let headers: HeaderMap = [(FORWARDED, value.clone()), (X_FORWARDED_FOR.clone(), value)].into_iter().collect();
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            for from in [ClientAddressFrom::XForwardedFor, ClientAddressFrom::Forwarded] {
                client_address([10, 1, 1, 1].into(), &headers, &trusted, from);
                let untrusted = IpAddr::from([203, 0, 113, 9]);
                prop_assert_eq!(client_address(untrusted, &headers, &trusted, from), untrusted);
            }
        }

        #[test]
        fn what_stands_left_of_an_untrusted_hop_is_not_read(left in "[ -~]{0,40}", v6: bool) {
            let (plain, quoted) = if v6 { ("2001:db8::7", "\"[2001:db8::7]:1\"") } else { ("198.51.100.1", "198.51.100.1") };
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            for (from, name, line) in [
                (ClientAddressFrom::XForwardedFor, X_FORWARDED_FOR.clone(), format!("{left}, {plain}, 10.2.2.2")),
                (ClientAddressFrom::Forwarded, FORWARDED, format!("{left}, for={quoted}, for=10.2.2.2")),
            ] {
                let headers = [(name, HeaderValue::from_str(&line).unwrap())].into_iter().collect();
                let found = client_address([10, 1, 1, 1].into(), &headers, &trusted, from);
                prop_assert_eq!(found, plain.parse::<IpAddr>().unwrap(), "{}", line);
            }
        }
    }
}
