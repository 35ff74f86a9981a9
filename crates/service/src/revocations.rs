//! The revocations in memory: one flat table, asked by every request.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use valetkey_metadata::{RevocationRow, Taken, UrlTarget, prefixes_of};
use valetkey_model::{ApiKeyId, BucketName, LinkId, ObjectKey, SigningKeyId, TenantName, Timestamp};

const N_SHARDS: usize = 64;

/// What of a URL a revocation can name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UrlFacts<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) link_id: Option<&'a LinkId>,
    pub(crate) label: Option<&'a str>,
    /// What it is used for; for a URL that is only looked at, what it is for.
    pub(crate) place: Option<(&'a BucketName, Place<'a>)>,
    pub(crate) issuer: Option<&'a ApiKeyId>,
    pub(crate) signing_key: Option<&'a SigningKeyId>,
    pub(crate) issued_at: Timestamp,
}

impl<'a> UrlFacts<'a> {
    /// Of a URL of which nothing but its id counts.
    pub(crate) fn of_id(tenant: &'a TenantName, link_id: &'a LinkId) -> Self {
        Self {
            tenant,
            link_id: Some(link_id),
            label: None,
            place: None,
            issuer: None,
            signing_key: None,
            issued_at: Timestamp::MAX,
        }
    }
}

/// What of a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Object(&'a ObjectKey),
    Prefix(&'a str),
}

impl<'a> From<&'a UrlTarget> for Place<'a> {
    fn from(target: &'a UrlTarget) -> Self {
        match target {
            UrlTarget::Object(key) => Self::Object(key),
            UrlTarget::Prefix(prefix) => Self::Prefix(prefix),
        }
    }
}

/// The revocations that may still hit a URL.
///
/// An entry is 24 bytes and one of the table's own, and a table is never less than seven sixteenths full once it has grown: at
/// most 58 bytes for each, or a little more where room was made for more than came. It is found by two keyed hashes of what it names, so that nobody can choose names that meet another
/// tenant's, or crowd the table.
pub(crate) struct Revocations {
    hashers: [RandomState; 2],
    shards: Box<[RwLock<Shard>]>,
    /// Whether there ever was one of more than one URL.
    has_broad: AtomicBool,
}

type Shard = HashMap<Digest, Entry, BuildHasherDefault<FirstHalf>>;

/// 128 bits that stand for a tenant, a kind and a value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest([u64; 2]);

impl std::hash::Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A digest's first half is a hash already; its second chooses the shard.
#[derive(Default)]
struct FirstHalf(u64);

impl Hasher for FirstHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

/// In seconds since 1970, which is all that an instant of issue has.
#[derive(Clone, Copy)]
struct Entry {
    issued_until: u32,
    forget_at: u32,
}

/// What an entry is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Link,
    Label,
    Object,
    Prefix,
    ApiKey,
    SigningKey,
    Tenant,
    /// That the tenant has any of more than one URL, and the latest instant until which one reaches.
    AnyBroad,
    /// That the tenant has any of a prefix.
    AnyPrefix,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            shards: (0..N_SHARDS).map(|_| RwLock::default()).collect(),
            has_broad: AtomicBool::new(false),
        }
    }
}

impl Revocations {
    /// How many entries there are.
    pub(crate) fn n_entries(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len() as u64).sum()
    }

    /// Makes room for so many entries at once: a table that grows leaves those that it grew out of behind.
    pub(crate) fn reserve(&self, n_entries: u64) {
        let of_each = n_entries.div_ceil(N_SHARDS as u64);
        // Three times the deviation that hashes have.
        let of_each = usize::try_from(of_each + 3 * of_each.isqrt()).unwrap_or(0);
        if n_entries > 0 {
            self.shards.iter().for_each(|shard| write(shard).reserve(of_each));
        }
    }

    /// Takes one that is new or has changed.
    pub(crate) fn add(&self, row: &RevocationRow) {
        let tenant = &row.tenant;
        let entry = Entry { issued_until: seconds(row.issued_until), forget_at: seconds(row.forget_at) };
        let digest = match &row.taken {
            Taken::Link(link_id) => return self.put(self.of_link(tenant, link_id), entry),
            Taken::Label(label) => self.digest(tenant, Kind::Label, "", label),
            Taken::Object { bucket, key } => self.digest(tenant, Kind::Object, bucket.as_str(), key.as_str()),
            Taken::Prefix { bucket, prefix } => {
                self.put(self.digest(tenant, Kind::AnyPrefix, "", ""), entry);
                self.digest(tenant, Kind::Prefix, bucket.as_str(), prefix)
            }
            Taken::ApiKey(id) => self.digest(tenant, Kind::ApiKey, "", id.as_str()),
            Taken::SigningKey(id) => self.digest(tenant, Kind::SigningKey, "", id.as_str()),
            Taken::Tenant => self.digest(tenant, Kind::Tenant, "", ""),
        };
        self.put(digest, entry);
        self.put(self.digest(tenant, Kind::AnyBroad, "", ""), entry);
        self.has_broad.store(true, Ordering::Release);
    }

    /// Whether a URL was taken back, in whatever way.
    pub(crate) fn hit(&self, url: &UrlFacts<'_>) -> bool {
        url.link_id.is_some_and(|link_id| self.find(self.of_link(url.tenant, link_id)).is_some())
            || self.has_broad.load(Ordering::Acquire) && self.hit_broadly(url)
    }

    fn hit_broadly(&self, url: &UrlFacts<'_>) -> bool {
        let issued_at = seconds(url.issued_at);
        let reaches = |kind, bucket: &str, value: &str| {
            self.find(self.digest(url.tenant, kind, bucket, value)).is_some_and(|entry| issued_at <= entry.issued_until)
        };
        if !reaches(Kind::AnyBroad, "", "") {
            return false;
        }
        reaches(Kind::Tenant, "", "")
            || url.label.is_some_and(|label| reaches(Kind::Label, "", label))
            || url.issuer.is_some_and(|id| reaches(Kind::ApiKey, "", id.as_str()))
            || url.signing_key.is_some_and(|id| reaches(Kind::SigningKey, "", id.as_str()))
            || url.place.is_some_and(|(bucket, place)| {
                let bucket = bucket.as_str();
                let (text, itself) = match place {
                    Place::Object(key) => (key.as_str(), reaches(Kind::Object, bucket, key.as_str())),
                    Place::Prefix(prefix) => (prefix, false),
                };
                itself
                    || reaches(Kind::AnyPrefix, "", "") && prefixes_of(text).any(|prefix| reaches(Kind::Prefix, bucket, prefix))
            })
    }

    /// The first instant, in whole seconds and not before `now`, at which a URL of this tenant can be issued that none of the
    /// revocations there are can hit.
    pub(crate) fn earliest_issue(&self, tenant: &TenantName, now: Timestamp) -> Timestamp {
        let now = now.whole_seconds();
        if !self.has_broad.load(Ordering::Acquire) {
            return now;
        }
        let reached = self.find(self.digest(tenant, Kind::AnyBroad, "", ""));
        reached.map_or(now, |entry| now.max(Timestamp::from_seconds(i64::from(entry.issued_until) + 1)))
    }

    /// Drops what need not be remembered at `now`.
    pub(crate) fn forget(&self, now: Timestamp) {
        let now = seconds(now);
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.retain(|_, entry| entry.forget_at > now);
            if shard.capacity() > 4 * shard.len().max(64) {
                shard.shrink_to_fit();
            }
        }
    }

    fn put(&self, digest: Digest, new: Entry) {
        let mut shard = write(self.shard(digest));
        let entry = shard.entry(digest).or_insert(new);
        entry.issued_until = entry.issued_until.max(new.issued_until);
        entry.forget_at = entry.forget_at.max(new.forget_at);
    }

    fn find(&self, digest: Digest) -> Option<Entry> {
        read(self.shard(digest)).get(&digest).copied()
    }

    fn shard(&self, digest: Digest) -> &RwLock<Shard> {
        // A remainder of the number of shards is below it.
        &self.shards[usize::try_from(digest.0[1] % N_SHARDS as u64).unwrap_or(0) % N_SHARDS]
    }

    fn of_link(&self, tenant: &TenantName, link_id: &LinkId) -> Digest {
        Digest(std::array::from_fn(|half| self.hashers[half].hash_one((Kind::Link, tenant.as_str(), link_id.as_bytes()))))
    }

    fn digest(&self, tenant: &TenantName, kind: Kind, bucket: &str, value: &str) -> Digest {
        Digest(std::array::from_fn(|half| self.hashers[half].hash_one((kind, tenant.as_str(), bucket, value))))
    }

    /// How many bytes the table takes, and for how many entries.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let mut size = (0, 0);
        for shard in &self.shards {
            let shard = read(shard);
            // Of a table's slots, of which there are a power of two, one in eight stays free; each has a byte beside it.
            let n_slots = (shard.capacity() * 8 / 7).next_power_of_two();
            size.0 += n_slots * (size_of::<(Digest, Entry)>() + 1);
            size.1 += shard.len();
        }
        size
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_seconds().max(0)).unwrap_or(u32::MAX)
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn revocation(name: &str, taken: Taken, issued_until: i64) -> RevocationRow {
        let issued_until = if matches!(taken, Taken::Link(_)) { Timestamp::MAX } else { at(issued_until) };
        RevocationRow { tenant: tenant(name), taken, issued_until, revoked_at: at(100), forget_at: at(1_000) }
    }

    #[test]
    fn what_each_kind_hits() {
        let (acme, other) = (tenant("acme"), tenant("other"));
        let (bucket, key): (BucketName, ObjectKey) = ("reports".parse().unwrap(), "a/b/c".parse().unwrap());
        let (elsewhere, sibling): (BucketName, ObjectKey) = ("others".parse().unwrap(), "a/bc".parse().unwrap());
        let (link_id, issuer, kid) = (LinkId::from_bytes([1; 16]), "app".parse().unwrap(), "app-1".parse().unwrap());
        let (another_issuer, another_kid) = ("app-1".parse().unwrap(), "app".parse().unwrap());
        let url = UrlFacts {
            tenant: &acme,
            link_id: Some(&link_id),
            label: Some("Q3"),
            place: Some((&bucket, Place::Object(&key))),
            issuer: Some(&issuer),
            signing_key: Some(&kid),
            issued_at: at(100),
        };
        let of = |prefix: &str| Taken::Prefix { bucket: bucket.clone(), prefix: prefix.to_owned() };
        let check = |taken: Taken, misses: &[UrlFacts<'_>]| {
            let revocations = Revocations::default();
            revocations.add(&revocation("acme", taken.clone(), 100));
            assert!(revocations.hit(&url), "{taken:?}");
            let late = UrlFacts { issued_at: at(101), ..url };
            assert_eq!(revocations.hit(&late), matches!(taken, Taken::Link(_)), "{taken:?}");
            for miss in misses.iter().chain([&UrlFacts { tenant: &other, ..url }]) {
                assert!(!revocations.hit(miss), "{taken:?} {miss:?}");
            }
        };
        check(Taken::Link(link_id), &[UrlFacts { link_id: Some(&LinkId::from_bytes([2; 16])), ..url }]);
        check(Taken::Label("Q3".to_owned()), &[UrlFacts { label: Some("q3"), ..url }, UrlFacts { label: None, ..url }]);
        let elsewhere = UrlFacts { place: Some((&elsewhere, Place::Object(&key))), ..url };
        let sibling = UrlFacts { place: Some((&bucket, Place::Object(&sibling))), ..url };
        let folder = UrlFacts { place: Some((&bucket, Place::Prefix("a/"))), ..url };
        check(Taken::Object { bucket: bucket.clone(), key: key.clone() }, &[elsewhere, sibling, folder]);
        check(of("a/b/"), &[elsewhere, sibling, folder]);
        check(of("a/"), &[elsewhere]);
        check(of(""), &[elsewhere]);
        check(
            Taken::ApiKey(issuer.clone()),
            &[UrlFacts { issuer: Some(&another_issuer), ..url }, UrlFacts { issuer: None, ..url }],
        );
        check(Taken::SigningKey(kid.clone()), &[UrlFacts { signing_key: Some(&another_kid), ..url }]);
        check(Taken::Tenant, &[]);
    }

    #[test]
    fn a_folder_is_hit_by_what_it_lies_in() {
        let (acme, bucket): (_, BucketName) = (tenant("acme"), "reports".parse().unwrap());
        let hit = |taken: &str, prefix: &str| {
            let revocations = Revocations::default();
            revocations.add(&revocation("acme", Taken::Prefix { bucket: bucket.clone(), prefix: taken.to_owned() }, 100));
            let place = Some((&bucket, Place::Prefix(prefix)));
            let url = UrlFacts {
                tenant: &acme,
                link_id: None,
                label: None,
                place,
                issuer: None,
                signing_key: None,
                issued_at: at(100),
            };
            revocations.hit(&url)
        };
        for (taken, prefix, expected) in
            [("", "", true), ("a/", "a/", true), ("a/", "a/b/", true), ("a/b/", "a/", false), ("a/", "ab/", false)]
        {
            assert_eq!(hit(taken, prefix), expected, "{taken} {prefix}");
        }
    }

    #[test]
    fn the_widest_of_two_counts() {
        let (acme, revocations) = (tenant("acme"), Revocations::default());
        assert_eq!(revocations.earliest_issue(&acme, Timestamp::from_micros(100_500_000)), at(100));
        for until in [100, 90] {
            revocations.add(&revocation("acme", Taken::Tenant, until));
        }
        assert_eq!(revocations.earliest_issue(&acme, at(90)), at(101));
        assert_eq!(revocations.earliest_issue(&acme, at(200)), at(200));
        assert_eq!(revocations.earliest_issue(&tenant("other"), at(90)), at(90));
    }

    /// However many there are: a table that has just grown is the emptiest.
    #[test]
    fn each_takes_at_most_64_bytes_and_none_once_it_is_forgotten() {
        let revocations = Revocations::default();
        let mut worst = 0.0_f64;
        for number in 1..=130_000_u128 {
            let mut row = revocation("acme", Taken::Link(LinkId::from_bytes(number.to_be_bytes())), 0);
            row.forget_at = at(if number % 10 == 0 { 2_000 } else { 1_000 });
            revocations.add(&row);
            if number > 20_000 && number % 1_000 == 0 {
                let (n_bytes, n_entries) = revocations.size();
                assert_eq!(n_entries as u128, number);
                worst = worst.max(n_bytes as f64 / n_entries as f64);
            }
        }
        assert!(worst <= 64.0, "{worst} bytes each");
        revocations.forget(at(1_000));
        let (n_bytes, n_entries) = revocations.size();
        assert_eq!(n_entries, 13_000);
        assert!(n_bytes <= 13_000 * 64, "{n_bytes} bytes");
        revocations.forget(at(2_000));
        assert_eq!(revocations.size().1, 0);
    }

    #[test]
    fn where_room_was_made_nothing_grows() {
        for n_entries in [5_000, 100_000, 130_000] {
            let revocations = Revocations::default();
            revocations.reserve(n_entries);
            let before = revocations.size().0;
            for number in 1..=u128::from(n_entries) {
                revocations.add(&revocation("acme", Taken::Link(LinkId::from_bytes(number.to_be_bytes())), 0));
            }
            let grown = revocations.size().0 as f64 / before as f64;
            // One of the shards may have to, by chance.
            assert!(grown <= 1.02, "{n_entries}: {grown}");
            assert!(n_entries < 100_000 || before as u64 <= 64 * n_entries, "{n_entries}: {before} bytes");
        }
    }
}
