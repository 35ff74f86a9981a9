//! The URLs under which clients reach the server, and every URL given out begins.

use crate::path;
use http::uri::Authority;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use valetkey_model::Region;

/// An absolute `http` or `https` URL of host, optional port and base path: canonical, without trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    text: String,
    /// How long scheme and authority are: what follows is the base path.
    origin_length: usize,
    is_https: bool,
}

/// A text that is not a public URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a public URL such as `https://files.example.org` or `https://example.org/files`: {reason}")]
pub struct PublicUrlError {
    found: String,
    reason: &'static str,
}

impl PublicUrl {
    /// The whole URL, without trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme and authority, as a browser's `Origin` field has them.
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_length).unwrap_or_default()
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The path that all others begin with: empty, or canonical with a leading and without a trailing slash.
    pub fn base_path(&self) -> &str {
        self.text.get(self.origin_length..).unwrap_or_default()
    }

    /// Whether cookies may be `Secure`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The URL of a raw path, which is already encoded, and optional query below this one.
    pub fn join(&self, path_and_query: &str) -> String {
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        [self.text.as_str(), slash, path_and_query].concat()
    }

    /// The raw path of a request without the base path; `None` if it is not below it.
    pub fn strip_base_path<'a>(&self, raw_path: &'a str) -> Option<&'a str> {
        raw_path.strip_prefix(self.base_path()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let wrong = |reason| PublicUrlError { found: text.chars().take(256).collect(), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(wrong("its scheme is neither `http` nor `https`"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("it has a query or a fragment"));
        }
        let (authority, path) = rest.find('/').and_then(|slash| rest.split_at_checked(slash)).unwrap_or((rest, ""));
        let authority = authority.to_ascii_lowercase();
        check_authority(&authority).map_err(wrong)?;

        let mut url = format!("{scheme}://{authority}");
        let origin_length = url.len();
        let path = path.trim_end_matches('/');
        for segment in path.split('/').skip(1) {
            let decoded = path::decode(segment).map_err(|_| wrong("its path has an escape that cannot be read"))?;
            if matches!(decoded.as_ref(), "" | "." | "..") || decoded.contains('/') || decoded.contains(char::is_control) {
                return Err(wrong("its path has an empty, `.` or `..` segment, a slash or a control character"));
            }
            url.push('/');
            url.push_str(&path::encode_segment(&decoded));
        }
        Ok(Self { text: url, origin_length, is_https: scheme == "https" })
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("it has a user name or password");
    }
    let parsed: Authority = authority.parse().map_err(|_| "its host is missing or malformed")?;
    let host = parsed.host();
    let valid_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    if !valid_host {
        return Err("its host is missing or malformed; write an international name as `xn--…`");
    }
    match authority.strip_prefix(host) {
        Some("") => Ok(()),
        Some(port) if port.strip_prefix(':').is_some_and(is_port) => Ok(()),
        _ => Err("its port is not a number from 1 to 65535"),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The public URLs of a server: one by default, and others for the buckets of some regions. They have one base path: tokens are
/// bound to it, and whichever of them a client calls, the request is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrls {
    default: PublicUrl,
    by_region: BTreeMap<Region, PublicUrl>,
}

/// Public URLs that cannot stand beside each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicUrlsError {
    /// A region has more than one.
    #[error("the region `{region}` has more than one public URL")]
    Twice {
        /// The region.
        region: Region,
    },
    /// One has another base path than the default.
    #[error("`{url}` of the region `{region}` must have the path of the default public URL, which is `{expected}`")]
    BasePath {
        /// The region.
        region: Region,
        /// Its URL.
        url: PublicUrl,
        /// The default's base path, `/` if it is empty.
        expected: String,
    },
}

impl PublicUrls {
    /// A default, and the URLs of regions.
    ///
    /// # Errors
    ///
    /// [`PublicUrlsError::Twice`] and [`PublicUrlsError::BasePath`], whichever comes first.
    pub fn new(default: PublicUrl, of_regions: impl IntoIterator<Item = (Region, PublicUrl)>) -> Result<Self, PublicUrlsError> {
        let mut by_region = BTreeMap::new();
        for (region, url) in of_regions {
            if url.base_path() != default.base_path() {
                let expected = if default.base_path().is_empty() { "/" } else { default.base_path() };
                return Err(PublicUrlsError::BasePath { region, url, expected: expected.to_owned() });
            }
            if by_region.insert(region.clone(), url).is_some() {
                return Err(PublicUrlsError::Twice { region });
            }
        }
        Ok(Self { default, by_region })
    }

    /// The URL for what is no bucket's, and for the buckets of regions without one of their own.
    pub fn default_url(&self) -> &PublicUrl {
        &self.default
    }

    /// The URL for the buckets of a region.
    pub fn of(&self, region: &Region) -> &PublicUrl {
        self.by_region.get(region).unwrap_or(&self.default)
    }

    /// The regions that have a URL of their own, and it.
    pub fn of_regions(&self) -> impl Iterator<Item = (&Region, &PublicUrl)> {
        self.by_region.iter()
    }

    /// Whether cookies may be `Secure`: every one of them is `https`.
    pub fn are_https(&self) -> bool {
        self.default.is_https() && self.by_region.values().all(PublicUrl::is_https)
    }
}

impl From<PublicUrl> for PublicUrls {
    fn from(default: PublicUrl) -> Self {
        Self { default, by_region: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn urls(default: &str, of_regions: &[(&str, &str)]) -> Result<PublicUrls, PublicUrlsError> {
        let of_regions = of_regions.iter().map(|(region, url)| (region.parse().unwrap(), url.parse().unwrap()));
        PublicUrls::new(default.parse().unwrap(), of_regions)
    }

    #[test]
    fn the_url_of_a_region() {
        let urls =
            urls("https://example.org/x", &[("EMEA", "https://eu.example.org:8443/x/"), ("qatar", "https://q.example.org/x")]);
        let urls = urls.unwrap();
        for (region, expected) in [
            ("EMEA", "https://eu.example.org:8443/x"),
            ("qatar", "https://q.example.org/x"),
            ("QATAR", "https://example.org/x"),
            ("US", "https://example.org/x"),
        ] {
            assert_eq!(urls.of(&region.parse().unwrap()).as_str(), expected, "{region}");
        }
        assert_eq!(urls.default_url().as_str(), "https://example.org/x");
        let only: PublicUrls = urls.default_url().clone().into();
        assert_eq!(only.of(&Region::default()), only.default_url());
    }

    #[test]
    fn urls_that_cannot_stand_beside_each_other() {
        let check = |default: &str, of_regions: &[(&str, &str)], expected: &str| {
            assert_eq!(urls(default, of_regions).unwrap_err().to_string(), expected);
        };
        let (a, b) = (("US", "https://a.example.org"), ("US", "https://b.example.org"));
        check("https://example.org", &[a, b], "the region `US` has more than one public URL");
        check("https://example.org", &[a, a], "the region `US` has more than one public URL");
        let deeper = "`https://a.example.org/x` of the region `US` must have the path of the default public URL, which is `/`";
        check("https://example.org", &[("US", "https://a.example.org/x")], deeper);
        let higher = "`https://a.example.org` of the region `US` must have the path of the default public URL, which is `/x`";
        check("https://example.org/x", &[a], higher);
    }

    #[test]
    fn secure_cookies_need_https_everywhere() {
        assert!(urls("https://example.org", &[("US", "https://a.example.org")]).unwrap().are_https());
        assert!(!urls("https://example.org", &[("US", "http://a.example.org")]).unwrap().are_https());
        assert!(!urls("http://example.org", &[("US", "https://a.example.org")]).unwrap().are_https());
    }

    #[test]
    fn accepted() {
        let check = |text: &str, expected: &str, base_path: &str| {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.base_path()), (expected, base_path), "{text}");
            assert_eq!([url.origin(), url.base_path()].concat(), expected);
        };
        check("https://files.example.org", "https://files.example.org", "");
        check("HTTPS://Files.Example.org/", "https://files.example.org", "");
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080", "");
        check("http://[::1]:8080/a/B//", "http://[::1]:8080/a/B", "/a/B");
        check("https://example.org/my%20files/%c3%a9+", "https://example.org/my%20files/%C3%A9%2B", "/my%20files/%C3%A9%2B");
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "files.example.org",
            "ftp://example.org",
            "https://",
            "https:///a",
            "https://u:p@example.org",
            "https://example.org?x",
            "https://example.org/#x",
            "https://example.org:",
            "https://example.org:0",
            "https://example.org:65536",
            "https://example.org:+1",
            "https://exa mple.org",
            "https://exämple.org",
            "https://[::1",
            "https://[::g]",
            "https://example.org/a//b",
            "https://example.org/a/../b",
            "https://example.org/%2e%2E/b",
            "https://example.org/a%2Fb",
            "https://example.org/%zz",
            "https://example.org/%0a",
            " https://example.org",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn joins_and_strips() {
        let url: PublicUrl = "https://example.org:8443/files".parse().unwrap();
        assert_eq!(url.join("/o/b/k?cat=x"), "https://example.org:8443/files/o/b/k?cat=x");
        assert_eq!(url.join("o/b"), "https://example.org:8443/files/o/b");
        assert_eq!((url.authority(), url.is_https()), ("example.org:8443", true));
        assert_eq!(url.strip_base_path("/files/o/b"), Some("/o/b"));
        assert_eq!(url.strip_base_path("/files"), Some(""));
        assert_eq!(url.strip_base_path("/filesystem"), None);
        assert_eq!(url.strip_base_path("/o"), None);
        let root: PublicUrl = "https://example.org".parse().unwrap();
        assert_eq!(root.strip_base_path("/o"), Some("/o"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_is_accepted_is_canonical(text in ".*|https?://[a-z:@\\[\\]0-9./%]{0,24}") {
            if let Ok(url) = text.parse::<PublicUrl>() {
                prop_assert_eq!(url.as_str().parse::<PublicUrl>().unwrap(), url.clone());
                prop_assert!(url.join("/x").parse::<http::Uri>().is_ok());
                prop_assert!(!url.as_str().ends_with('/'));
            }
        }
    }
}
