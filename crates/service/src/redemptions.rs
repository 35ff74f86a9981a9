//! What URLs are used for, gathered in memory and recorded once a second. Unlimited downloads come from the audit's counts.
//!
//! What is lost by a crash is a second's counts; uses that are limited are the ledger's affair, and durable.

use crate::redeem::Grant;
use crate::service::{Inner, Service};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use valetkey_metadata::{UrlRow, UrlTouch};
use valetkey_model::{LinkId, TenantName, Timestamp};

/// How often they are recorded.
const PERIOD: Duration = Duration::from_secs(1);
const N_SHARDS: usize = 16;
/// How many URLs are gathered at most in a shard; uses of further ones are not counted.
const MAX_IN_SHARD: usize = 8_192;
/// How many are recorded in one write, and in one second: more wait.
const IN_ONE_WRITE: usize = 500;
const IN_ONE_SECOND: usize = 2_000;

/// The uses not yet recorded.
#[derive(Default)]
pub(crate) struct Redemptions {
    /// The shard that is taken from first, so that each has its turn.
    first: AtomicUsize,
    shards: [Mutex<HashMap<(LinkId, TenantName), UrlTouch>>; N_SHARDS],
}

impl Redemptions {
    /// Counts uses of a URL, and makes sure that there is a row of it; a grant that is by none is passed over.
    pub(crate) fn count(&self, grant: &Grant, n_requests: u64, base_path: &str) {
        let Some(link_id) = grant.link_id() else { return };
        self.add(grant.tenant(), link_id, n_requests, grant.at(), || grant.url_row(base_path));
    }

    /// Adds up uses of a URL; `row` is the one to be made if there is none.
    pub(crate) fn add(
        &self,
        tenant: &TenantName,
        link_id: LinkId,
        n_requests: u64,
        used_at: Timestamp,
        row: impl FnOnce() -> Option<UrlRow>,
    ) {
        let mut shard = lock(self.shard(&link_id));
        let is_full = shard.len() >= MAX_IN_SHARD;
        match shard.entry((link_id, tenant.clone())) {
            Entry::Occupied(mut counted) => {
                let touch = counted.get_mut();
                touch.n_requests += n_requests;
                touch.used_at = touch.used_at.max(used_at);
                touch.row = touch.row.take().or_else(row);
            }
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(first) => {
                first.insert(UrlTouch { tenant: tenant.clone(), link_id, used_at, n_requests, row: row() });
            }
        }
    }

    /// Takes at most `most` out.
    fn take(&self, most: usize) -> Vec<UrlTouch> {
        let mut taken = Vec::new();
        let first = self.first.load(Ordering::Relaxed);
        for number in (first..first + N_SHARDS).map(|number| number % N_SHARDS) {
            // A remainder of the number of shards is below it.
            let mut shard = lock(&self.shards[number % N_SHARDS]);
            let room = most - taken.len();
            if shard.len() <= room {
                taken.extend(shard.drain().map(|(_, touch)| touch));
                continue;
            }
            let mut n_taken = 0;
            let some = shard.extract_if(|_, _| {
                n_taken += 1;
                n_taken <= room
            });
            taken.extend(some.map(|(_, touch)| touch));
            self.first.store(number, Ordering::Relaxed);
            break;
        }
        taken
    }

    fn shard(&self, link_id: &LinkId) -> &Mutex<HashMap<(LinkId, TenantName), UrlTouch>> {
        let [first, ..] = *link_id.as_bytes();
        // A remainder of the number of shards is below it.
        &self.shards[usize::from(first) % N_SHARDS]
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Records the uses that were counted so far: for an orderly end, and for whoever wants to see them at once.
    pub async fn redemptions_recorded(&self) {
        // What cannot be written stays, and is tried again by whoever writes it once a second.
        let _ = self.flush_audit().await;
        while self.record_redemptions(IN_ONE_SECOND).await == IN_ONE_SECOND {}
    }

    /// Records at most `most` URLs' uses; how many it took out.
    async fn record_redemptions(&self, most: usize) -> usize {
        let mut touches = self.inner().redemptions.take(most);
        let n_taken = touches.len();
        while !touches.is_empty() {
            let rest = touches.split_off(touches.len().min(IN_ONE_WRITE));
            if let Err(error) = self.metadata().touch_urls(touches).await {
                tracing::warn!(%error, "uses of URLs were not recorded; their counts are too low");
            }
            touches = rest;
        }
        n_taken
    }
}

/// Records uses once a second, for as long as there is a service.
pub(crate) async fn record(service: Weak<Inner>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(service) = service.upgrade().map(Service::of) else { return };
        service.record_redemptions(IN_ONE_SECOND).await;
    }
}
