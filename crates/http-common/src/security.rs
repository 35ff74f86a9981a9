//! The fields that every answer carries, and how long an answer may be kept.

use crate::value;
use http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use valetkey_model::Timestamp;

static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
static NOINDEX: HeaderValue = HeaderValue::from_static("noindex");
static NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static PUBLIC: HeaderValue = HeaderValue::from_static("public, no-cache");

/// Sets what every answer carries: no sniffing, no indexing, no referrer. A `Referrer-Policy` that is there stays: the page with
/// a form needs `same-origin`.
pub fn apply(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
    headers.insert(X_ROBOTS_TAG.clone(), NOINDEX.clone());
    headers.entry(REFERRER_POLICY).or_insert_with(|| NO_REFERRER.clone());
}

/// How long an answer may be kept, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Not at all: refusals, and everything under a limited grant.
    Never,
    /// By the client alone, until the URL expires, and no longer than `at_most`.
    UntilExpiry {
        /// When the URL expires.
        expires_at: Timestamp,
        /// The longest an answer is kept.
        at_most: Duration,
    },
    /// By anybody, who asks each time whether it is still so: what was public may not be any more.
    Public,
}

impl Caching {
    /// The `Cache-Control` field at `now`; whole seconds, rounded down, so that it never outlives the URL.
    pub fn cache_control(self, now: Timestamp) -> HeaderValue {
        match self {
            Self::Never => NO_STORE.clone(),
            Self::Public => PUBLIC.clone(),
            Self::UntilExpiry { expires_at, at_most } => {
                value(["private, max-age=", &expires_at.since(now).min(at_most).as_secs().to_string()].concat())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control() {
        let check = |remaining_micros: i64, at_most_seconds: u64, expected: &str| {
            let now = Timestamp::from_seconds(1_000);
            let expires_at = Timestamp::from_micros(now.as_micros() + remaining_micros);
            let caching = Caching::UntilExpiry { expires_at, at_most: Duration::from_secs(at_most_seconds) };
            assert_eq!(caching.cache_control(now), expected);
        };
        check(60_000_000, 3600, "private, max-age=60");
        check(60_999_999, 3600, "private, max-age=60");
        check(7_200_000_000, 3600, "private, max-age=3600");
        check(999_999, 3600, "private, max-age=0");
        check(-1, 3600, "private, max-age=0");
        assert_eq!(Caching::Never.cache_control(Timestamp::MAX), "no-store");
        assert_eq!(Caching::Public.cache_control(Timestamp::MAX), "public, no-cache");
        let far = Caching::UntilExpiry { expires_at: Timestamp::MAX, at_most: Duration::MAX };
        assert_eq!(far.cache_control(Timestamp::from_micros(0)), "private, max-age=9223372036854");
    }

    #[test]
    fn every_answer_carries_them_once() {
        let mut headers = HeaderMap::new();
        apply(&mut headers);
        apply(&mut headers);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["referrer-policy"], "no-referrer");
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        apply(&mut headers);
        assert_eq!(headers["referrer-policy"], "same-origin");
    }
}
