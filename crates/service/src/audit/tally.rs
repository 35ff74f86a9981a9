//! Requests that are counted instead of written down one by one: what a core has counted becomes rows about once a second.
//!
//! Each core counts in a shard of its own, so that its lock is free but for the moment in which it is emptied. A request that is
//! like one before it costs a look-up and two additions, and no memory.

use crate::attempts::network_of;
use foldhash::fast::RandomState;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use valetkey_metadata::AuditEntry;
use valetkey_model::{Action, ApiKeyId, BucketName, Dialect, LinkId, Method, ObjectKey, Outcome, TenantName, Timestamp};

/// More than there are cores.
const N_SHARDS: usize = 64;
/// How many rows a core keeps apart between two emptyings. What goes beyond is counted together, without address and URL.
const MAX_ROWS: usize = 2_048;
/// What stands behind a request whose URL was proved: everything that a row says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proved<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) link_id: Option<LinkId>,
    /// The object, where it is known.
    pub(crate) place: Option<(&'a BucketName, &'a ObjectKey)>,
    pub(crate) issuer: Option<&'a ApiKeyId>,
    pub(crate) label: Option<&'a str>,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) dialect: Dialect,
    pub(crate) method: Method,
    pub(crate) outcome: Outcome,
    pub(crate) bytes: u64,
    pub(crate) client: IpAddr,
    pub(crate) at: Timestamp,
}

/// The counts of all cores.
pub(crate) struct Tallies(Box<[Arc<Shard>]>);

/// The counts of a core.
pub(crate) struct Shard(Mutex<State>);

struct State {
    rows: HashMap<Key, Row, RandomState>,
    totals: Box<Totals>,
}

/// Since the start: what metrics tell.
#[derive(Clone)]
pub(crate) struct Totals {
    pub(crate) n_requests: [[[u64; Outcome::N]; Method::ALL.len()]; Dialect::ALL.len()],
    pub(crate) sent_bytes: [u64; Dialect::ALL.len()],
}

impl Default for Totals {
    fn default() -> Self {
        Self { n_requests: [[[0; Outcome::N]; Method::ALL.len()]; Dialect::ALL.len()], sent_bytes: [0; Dialect::ALL.len()] }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    link_id: Option<LinkId>,
    client: IpAddr,
    outcome: Outcome,
    /// A hash of tenant, bucket and object key.
    place: u64,
    /// Which one of those that are alike in all of this; seldom another than the first.
    twin: u32,
}

/// What is added up.
struct Row {
    tenant: Option<TenantName>,
    place: Option<(BucketName, ObjectKey)>,
    issuer: Option<ApiKeyId>,
    label: Option<String>,
    /// Whether the requests are from more addresses than are kept apart.
    overflowed: bool,
    n_requests: u64,
    bytes: u64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// Requests that were alike.
pub(crate) struct Tally {
    pub(crate) entry: AuditEntry,
    /// From where they came, as a row says it.
    pub(crate) address: Option<String>,
    pub(crate) label: Option<String>,
}

impl Tallies {
    pub(crate) fn new() -> Self {
        let shard = |_| {
            let rows = HashMap::with_hasher(RandomState::default());
            Arc::new(Shard(Mutex::new(State { rows, totals: Box::default() })))
        };
        Self((0..N_SHARDS).map(shard).collect())
    }

    /// This thread's own, but where there are more threads than shards.
    pub(crate) fn own(&self) -> &Arc<Shard> {
        // Taken modulo the number of shards.
        &self.0[thread_number() % N_SHARDS]
    }

    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Vec<Tally> {
        self.0.iter().flat_map(|shard| shard.take()).collect()
    }

    /// How many rows would be taken.
    pub(crate) fn n_waiting(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().rows.len()).sum()
    }

    /// What was counted since the start.
    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for shard in &self.0 {
            let state = shard.lock();
            let (all, some) = (sum.n_requests.as_flattened_mut(), state.totals.n_requests.as_flattened());
            let pairs = all.as_flattened_mut().iter_mut().zip(some.as_flattened());
            pairs.chain(sum.sent_bytes.iter_mut().zip(&state.totals.sent_bytes)).for_each(|(all, some)| *all += some);
        }
        sum
    }
}

impl Shard {
    /// Counts a request, for the audit and for metrics.
    pub(crate) fn count(&self, over: &Over, proved: Option<&Proved<'_>>) {
        let mut state = self.lock();
        state.totals.add(over);
        state.add(over, proved);
    }

    /// Counts a request for metrics alone: the audit has, or will have, a row of its own for it.
    pub(crate) fn count_recorded(&self, over: &Over) {
        self.lock().totals.add(over);
    }

    /// Counts bytes of a request that was counted before.
    pub(crate) fn count_bytes(&self, dialect: Dialect, bytes: u64) {
        self.lock().totals.sent_bytes[dialect as usize] += bytes;
    }

    fn take(&self) -> Vec<Tally> {
        let rows = {
            let mut state = self.lock();
            let empty = HashMap::with_capacity_and_hasher(state.rows.len(), state.rows.hasher().clone());
            std::mem::replace(&mut state.rows, empty)
        };
        rows.into_iter().map(|(key, row)| row.into_tally(&key)).collect()
    }

    /// Only additions are done under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn add(&mut self, over: &Over) {
        // Each index is below its array's length: these are the places in the lists that the arrays are as long as.
        let (dialect, method) = (over.dialect as usize, over.method as usize);
        self.n_requests[dialect][method][over.outcome.index()] += 1;
        self.sent_bytes[dialect] += over.bytes;
    }
}

impl State {
    fn add(&mut self, over: &Over, proved: Option<&Proved<'_>>) {
        let hasher = self.rows.hasher();
        let place = proved.map_or(0, |proved| hasher.hash_one((proved.tenant, proved.place)));
        // Before a signature is proved, a network is all that is told apart: addresses cost nothing there.
        let client = if proved.is_some() { over.client } else { network_of(over.client) };
        let mut key = Key { link_id: proved.and_then(|proved| proved.link_id), client, outcome: over.outcome, place, twin: 0 };
        if proved.is_none()
            && let IpAddr::V4(v4) = key.client
        {
            key.client = IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00));
        }
        let is_full = self.rows.len() >= MAX_ROWS;
        loop {
            match self.rows.get_mut(&key) {
                Some(row) if row.is_of(proved) => return row.add(over),
                Some(_) => key.twin += 1,
                None if !is_full || key.client.is_unspecified() => {
                    let row = Row::new(over, if is_full { None } else { proved }, proved.map(|proved| proved.tenant), is_full);
                    self.rows.insert(key, row);
                    return;
                }
                None => {
                    let place = proved.map_or(0, |proved| self.rows.hasher().hash_one(proved.tenant));
                    key = Key { link_id: None, client: Ipv4Addr::UNSPECIFIED.into(), place, twin: 0, ..key };
                }
            }
        }
    }
}

impl Row {
    fn new(over: &Over, proved: Option<&Proved<'_>>, tenant: Option<&TenantName>, overflowed: bool) -> Self {
        Self {
            tenant: tenant.cloned(),
            place: proved.and_then(|proved| proved.place).map(|(bucket, key)| (bucket.clone(), key.clone())),
            issuer: proved.and_then(|proved| proved.issuer.cloned()),
            label: proved.and_then(|proved| proved.label.map(str::to_owned)),
            overflowed,
            n_requests: 1,
            bytes: over.bytes,
            first_at: over.at,
            last_at: over.at,
        }
    }

    /// Whether it is about the same, which equal hashes do not prove.
    fn is_of(&self, proved: Option<&Proved<'_>>) -> bool {
        let same_place =
            |proved: &Proved<'_>| self.overflowed || self.place.as_ref().map(|(bucket, key)| (bucket, key)) == proved.place;
        self.tenant.as_ref() == proved.map(|proved| proved.tenant) && proved.is_none_or(same_place)
    }

    fn add(&mut self, over: &Over) {
        self.n_requests += 1;
        self.bytes += over.bytes;
        // A long transfer may be over after a shorter one that began later.
        self.first_at = self.first_at.min(over.at);
        self.last_at = self.last_at.max(over.at);
    }

    fn into_tally(self, key: &Key) -> Tally {
        let mut entry = AuditEntry::new(self.tenant, Action::UrlRedeem);
        entry.outcome = key.outcome;
        entry.link_id = key.link_id;
        entry.principal = self.issuer;
        (entry.bucket, entry.key) = self.place.unzip();
        (entry.n_requests, entry.bytes) = (self.n_requests, self.bytes);
        entry.between = Some((self.first_at, self.last_at));
        entry.detail = self.overflowed.then(|| "from more addresses than are kept apart".to_owned());
        let address = match (self.overflowed, entry.tenant.is_some(), key.client) {
            (true, ..) => None,
            (false, true, client) => Some(client.to_string()),
            (false, false, IpAddr::V4(network)) => Some(format!("{network}/24")),
            (false, false, IpAddr::V6(network)) => Some(format!("{network}/64")),
        };
        Tally { entry, address, label: self.label }
    }
}

/// Each thread's own number, in the order of their first questions.
pub(crate) fn thread_number() -> usize {
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    static N_THREADS: AtomicUsize = AtomicUsize::new(0);
    NUMBER.get().unwrap_or_else(|| {
        let number = N_THREADS.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use valetkey_model::Refusal;

    fn over(outcome: Outcome, bytes: u64, client: &str, second: i64) -> Over {
        let (dialect, method) = (Dialect::Redivis, Method::Get);
        Over { dialect, method, outcome, bytes, client: client.parse().unwrap(), at: Timestamp::from_seconds(second) }
    }

    struct Named {
        tenant: TenantName,
        bucket: BucketName,
        key: ObjectKey,
    }

    impl Named {
        fn new(tenant: &str, key: &str) -> Self {
            Self { tenant: tenant.parse().unwrap(), bucket: "reports".parse().unwrap(), key: key.parse().unwrap() }
        }

        fn proved(&self, link: u8) -> Proved<'_> {
            let link_id = Some(LinkId::from_bytes([link; 16]));
            Proved { tenant: &self.tenant, link_id, place: Some((&self.bucket, &self.key)), issuer: None, label: Some("Q3") }
        }
    }

    fn taken(tallies: &Tallies) -> Vec<(String, u64, u64)> {
        let mut all: Vec<_> = tallies
            .take()
            .into_iter()
            .map(|tally| {
                let tenant = tally.entry.tenant.map_or(String::new(), |tenant| tenant.to_string());
                let key = tally.entry.key.map_or(String::new(), |key| key.to_string());
                let address = tally.address.unwrap_or_default();
                let text = format!("{tenant} {key} {address} {}", tally.entry.outcome);
                (text, tally.entry.n_requests, tally.entry.bytes)
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn requests_that_are_alike_become_one_row() {
        let tallies = Tallies::new();
        let (a, b, other) = (Named::new("acme", "a"), Named::new("acme", "b"), Named::new("other", "a"));
        let delivered = |client, second| over(Outcome::Delivered, 10, client, second);
        for (over, named, link) in [
            (delivered("192.0.2.1", 5), &a, 1),
            (delivered("192.0.2.1", 3), &a, 1),
            (delivered("192.0.2.1", 9), &a, 1),
            (delivered("192.0.2.2", 5), &a, 1),
            (delivered("192.0.2.1", 5), &b, 1),
            (delivered("192.0.2.1", 5), &other, 1),
            (over(Outcome::Refused(Refusal::Revoked), 0, "192.0.2.1", 5), &a, 1),
        ] {
            tallies.own().count(&over, Some(&named.proved(link)));
        }
        let totals = tallies.totals();
        assert_eq!((totals.n_requests[2][0][Outcome::Delivered.index()], totals.sent_bytes[2]), (6, 60));
        assert_eq!(tallies.n_waiting(), 5);
        let rows = taken(&tallies);
        let expected = [
            ("acme a 192.0.2.1 delivered", 3, 30),
            ("acme a 192.0.2.1 revoked", 1, 0),
            ("acme a 192.0.2.2 delivered", 1, 10),
            ("acme b 192.0.2.1 delivered", 1, 10),
            ("other a 192.0.2.1 delivered", 1, 10),
        ];
        assert_eq!(rows, expected.map(|(text, n_requests, bytes)| (text.to_owned(), n_requests, bytes)));
        assert_eq!(tallies.n_waiting(), 0);
        assert_eq!(tallies.totals().n_requests, totals.n_requests, "since the start");
    }

    #[test]
    fn the_first_and_the_last_are_told() {
        let (tallies, named) = (Tallies::new(), Named::new("acme", "a"));
        for second in [5, 3, 9] {
            tallies.own().count(&over(Outcome::Delivered, 1, "::1", second), Some(&named.proved(1)));
        }
        let between = tallies.take().into_iter().map(|tally| tally.entry.between).collect::<Vec<_>>();
        assert_eq!(between, [Some((Timestamp::from_seconds(3), Timestamp::from_seconds(9)))]);
    }

    #[test]
    fn without_a_proof_a_network_is_told() {
        let tallies = Tallies::new();
        for client in ["192.0.2.1", "192.0.2.200", "192.0.3.1", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"] {
            tallies.own().count(&over(Outcome::Refused(Refusal::BadSignature), 0, client, 1), None);
        }
        let expected = [
            ("  192.0.2.0/24 bad_signature", 2),
            ("  192.0.3.0/24 bad_signature", 1),
            ("  2001:db8:0:1::/64 bad_signature", 1),
            ("  2001:db8::/64 bad_signature", 2),
        ];
        assert_eq!(taken(&tallies), expected.map(|(text, n_requests)| (text.to_owned(), n_requests, 0)));
    }

    #[test]
    fn a_flood_is_counted_and_takes_no_more_room() {
        let (tallies, named) = (Tallies::new(), Named::new("acme", "a"));
        let n_requests = MAX_ROWS as u64 + 5_000;
        for number in 0..n_requests {
            let client = format!("2001:db8::{number:x}");
            tallies.own().count(&over(Outcome::Delivered, 1, &client, 1), Some(&named.proved(1)));
        }
        assert_eq!(tallies.n_waiting(), MAX_ROWS + 1);
        let rows = tallies.take();
        assert_eq!(rows.iter().map(|tally| tally.entry.n_requests).sum::<u64>(), n_requests);
        let overflow: Vec<_> = rows.iter().filter(|tally| tally.address.is_none()).collect();
        assert_eq!(overflow.len(), 1);
        assert_eq!((overflow[0].entry.n_requests, overflow[0].entry.link_id), (5_000, None));
    }
}
