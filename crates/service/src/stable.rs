//! URLs that stay the same for a while, so that browsers and caches know what they have.
//!
//! Time is cut into windows. Within one, the same request of the same API key is answered with the same bytes: the handle, and for
//! a link its secret, are made by HMAC-SHA256 from the request and the number of the window. The key for that is derived from
//! the master key: it is there before any signing key, links need it too, and a rotation of signing keys must not have to wait for
//! it. Who had it could find out link secrets; who has the master key has every signing key besides.

use crate::issue::LinkSecret;
use crate::revocations::UrlFacts;
use crate::sealing::hmac_sha256;
use crate::{IssueRequest, Principal, Service, ServiceError, Target};
use serde::Serialize;
use std::time::Duration;
use valetkey_model::{ApiKeyId, BucketName, FileId, LinkId, Secret, TenantName, Terms, Timestamp};

/// The shortest window: clocks are forgiven as much, and nothing is kept for less.
pub(crate) const SHORTEST_WINDOW: Duration = Duration::from_secs(60);
/// The longest window: no URL outlives by more than a day what was asked for, and caches keep nothing longer.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How often a URL that was taken back is replaced within one window.
const MAX_REPLACEMENTS: u32 = 16;

/// What makes a URL of a window the one it is.
#[derive(Serialize)]
struct Canonical<'a> {
    tenant: &'a TenantName,
    api_key: &'a ApiKeyId,
    form: u8,
    bucket: &'a BucketName,
    key: Option<&'a str>,
    prefix: Option<&'a str>,
    file: Option<FileId>,
    /// The object's, so that one that was deleted and stored again has another URL.
    incarnation: Option<FileId>,
    terms: &'a Terms,
    not_before: Option<i64>,
    lifetime_seconds: u64,
    window_seconds: u64,
    window: i64,
    /// How many URLs before this one were taken back within the window.
    replacement: u32,
}

/// The window that an instant is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    number: i64,
    length: Duration,
}

impl Window {
    /// The window of this length; windows are counted from the epoch.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Invalid`] for a length that is not of whole seconds between the shortest and the longest.
    pub(crate) fn of(now: Timestamp, length: Duration) -> Result<Self, ServiceError> {
        let seconds = length.as_secs();
        if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&length) || length.subsec_nanos() > 0 {
            let expected = format!("{} to {}", SHORTEST_WINDOW.as_secs(), LONGEST_WINDOW.as_secs());
            return Err(ServiceError::invalid("stable_window_seconds", format!("{} s", length.as_secs_f64()), expected));
        }
        // At most a day: it fits.
        let length_seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Ok(Self { number: now.as_seconds().div_euclid(length_seconds), length })
    }

    /// Its first instant.
    pub(crate) fn starts_at(self) -> Timestamp {
        let seconds = i64::try_from(self.length.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_seconds(self.number.saturating_mul(seconds))
    }

    /// The first instant after it.
    pub(crate) fn ends_at(self) -> Timestamp {
        self.starts_at().plus(self.length)
    }
}

impl Service {
    /// Handle and link secret of the URL that this request has in this window: the first one that was not taken back.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Invalid`] for what is not to be shared: limited and writing URLs; [`ServiceError::Conflict`] if too many were
    /// taken back within the window.
    pub(crate) fn stable_ids(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        (window, lifetime): (Window, Duration),
        incarnation: Option<FileId>,
    ) -> Result<(LinkId, LinkSecret), ServiceError> {
        if request.terms.uses.is_some() || request.terms.permission.writes() {
            let found = "with `uses`, or for writing";
            return Err(ServiceError::invalid("stable_window_seconds", found, "an unlimited URL for reading"));
        }
        let (key, prefix, file) = match &request.target {
            Target::Object(key) => (Some(key.as_str()), None, None),
            Target::Prefix(prefix) => (None, Some(prefix.as_str()), None),
            Target::File(file_id) => (None, None, Some(*file_id)),
        };
        for replacement in 0..=MAX_REPLACEMENTS {
            let canonical = Canonical {
                tenant: principal.tenant(),
                api_key: principal.api_key(),
                form: request.form as u8,
                bucket: &request.bucket,
                key,
                prefix,
                file,
                incarnation,
                terms: &request.terms,
                not_before: request.not_before.map(Timestamp::as_micros),
                lifetime_seconds: lifetime.as_secs(),
                window_seconds: window.length.as_secs(),
                window: window.number,
                replacement,
            };
            let (link_id, secret) = ids(&self.inner().stable_url_key, &canonical)?;
            if !self.is_revoked(&UrlFacts::of_id(principal.tenant(), &link_id)) {
                return Ok((link_id, secret));
            }
        }
        Err(ServiceError::Conflict { reason: "this URL was taken back too often; another one can be issued in the next window" })
    }
}

fn ids(key: &Secret, canonical: &Canonical<'_>) -> Result<(LinkId, LinkSecret), ServiceError> {
    let request = serde_json::to_vec(canonical).map_err(|source| ServiceError::Unavailable { source: Box::new(source) })?;
    let derived = |what: &[u8]| {
        let digest = hmac_sha256(key, &[what, &request].concat());
        let (first, _) = digest.split_at(16);
        // The first 16 of 32 bytes.
        <[u8; 16]>::try_from(first).unwrap_or_default()
    };
    Ok((LinkId::from_bytes(derived(b"link id\n")), LinkSecret::of(derived(b"link secret\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use valetkey_model::Permission;

    #[test]
    fn windows() {
        let check = |now: i64, seconds: u64, starts_at: i64, ends_at: i64| {
            let window = Window::of(Timestamp::from_seconds(now), Duration::from_secs(seconds)).unwrap();
            assert_eq!((window.starts_at().as_seconds(), window.ends_at().as_seconds()), (starts_at, ends_at), "{now} {seconds}");
        };
        check(0, 60, 0, 60);
        check(59, 60, 0, 60);
        check(60, 60, 60, 120);
        check(-1, 60, -60, 0);
        check(1_800_000_123, 86_400, 1_799_971_200, 1_800_057_600);
        for length in [0, 59, 86_401, u64::MAX] {
            assert!(Window::of(Timestamp::from_seconds(0), Duration::from_secs(length)).is_err(), "{length}");
        }
        assert!(Window::of(Timestamp::from_seconds(0), Duration::from_millis(60_500)).is_err());
    }

    /// Whatever differs makes another URL; secret and handle are not to be had from each other.
    #[test]
    fn every_part_counts() {
        let (tenants, keys): ([TenantName; 2], [ApiKeyId; 2]) =
            (["a".parse().unwrap(), "b".parse().unwrap()], ["k".parse().unwrap(), "l".parse().unwrap()]);
        let buckets: [BucketName; 2] = ["reports".parse().unwrap(), "scans".parse().unwrap()];
        let terms = [Terms::new(Permission::Read), Terms { label: Some("x".to_owned()), ..Terms::new(Permission::Read) }];
        let file = |byte| FileId::from_bytes([byte; 16]);
        let derived = |changed: usize| {
            let one = |part: usize| usize::from(part == changed);
            let canonical = Canonical {
                tenant: &tenants[one(1)],
                api_key: &keys[one(2)],
                form: u8::from(changed == 3),
                bucket: &buckets[one(4)],
                key: Some(["a", "b"][one(5)]),
                prefix: [None, Some("a")][one(6)],
                file: [None, Some(file(1))][one(7)],
                incarnation: [None, Some(file(1))][one(8)],
                terms: &terms[one(9)],
                not_before: [None, Some(0)][one(10)],
                lifetime_seconds: [60, 61][one(11)],
                window_seconds: [60, 61][one(12)],
                window: [0, 1][one(13)],
                replacement: [0, 1][one(14)],
            };
            let (link_id, secret) = ids(&Secret::new([7; 32]), &canonical).unwrap();
            (link_id.to_string(), secret.text().expose().to_owned())
        };
        let all: Vec<_> = (0..=14).map(derived).collect();
        for (position, (link_id, secret)) in all.iter().enumerate() {
            assert!(all[..position].iter().all(|(id, other)| id != link_id && other != secret), "{position}");
            assert!(!link_id.ends_with(secret.as_str()));
        }
        assert_eq!(derived(0), all[0]);
    }
}
