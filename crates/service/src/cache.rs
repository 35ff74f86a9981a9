//! Rows in memory: bounded, and correct because every change goes through this process.

use crate::audit::tally::thread_number;
use quick_cache::sync::Cache;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const N_SHARDS: usize = 64;

/// A cache of rows whose every change is announced by [`RowCache::forget`] after its commit.
///
/// A row that was read before a change and arrives after it is not kept: each shard counts its changes, and a reader's row is
/// kept only if the count is still the one from before its read.
pub(crate) struct RowCache<K, V> {
    rows: Cache<K, V>,
    hasher: RandomState,
    changes: [Mutex<u64>; N_SHARDS],
    n_found: [Count; N_SHARDS],
    n_missed: AtomicU64,
}

/// A count that a thread has for itself, in a line of memory of its own.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// The state of a shard before a read.
#[derive(Clone, Copy)]
pub(crate) struct BeforeRead(u64);

impl<K: Hash + Eq + Clone, V: Clone> RowCache<K, V> {
    pub(crate) fn new(n_rows: usize) -> Self {
        Self {
            rows: Cache::new(n_rows),
            hasher: RandomState::new(),
            changes: std::array::from_fn(|_| Mutex::default()),
            n_found: std::array::from_fn(|_| Count::default()),
            n_missed: AtomicU64::new(0),
        }
    }

    pub(crate) fn find<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let found = self.rows.get(key);
        if found.is_some() {
            // Taken modulo the array's length. Not one step, because no other thread writes it (or few do, of very many: the
            // count is then a little low).
            let count = &self.n_found[thread_number() % N_SHARDS].0;
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        found
    }

    /// How often a row was found.
    pub(crate) fn n_found(&self) -> u64 {
        self.n_found.iter().map(|count| count.0.load(Ordering::Relaxed)).sum()
    }

    /// How often it had to be read.
    pub(crate) fn n_missed(&self) -> u64 {
        self.n_missed.load(Ordering::Relaxed)
    }

    pub(crate) fn before_read(&self, key: &K) -> BeforeRead {
        self.n_missed.fetch_add(1, Ordering::Relaxed);
        BeforeRead(self.with_shard(key, |changes| *changes))
    }

    pub(crate) fn keep(&self, key: K, row: V, before: BeforeRead) {
        self.with_shard(&key, |changes| {
            if *changes == before.0 {
                self.rows.insert(key.clone(), row);
            }
        });
    }

    pub(crate) fn forget(&self, key: &K) {
        self.with_shard(key, |changes| {
            *changes += 1;
            self.rows.remove(key);
        });
    }

    fn with_shard<T>(&self, key: &K, act: impl FnOnce(&mut u64) -> T) -> T {
        let shard = usize::try_from(self.hasher.hash_one(key) % N_SHARDS as u64).unwrap_or(0);
        // The hash is taken modulo the array's length.
        let changes = &self.changes[shard % N_SHARDS];
        act(&mut changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_read_before_a_change_is_not_kept_after_it() {
        let cache: RowCache<u8, &str> = RowCache::new(10);
        let before = cache.before_read(&1);
        cache.forget(&1);
        cache.keep(1, "old", before);
        assert_eq!(cache.find(&1), None);
        cache.keep(1, "new", cache.before_read(&1));
        assert_eq!(cache.find(&1), Some("new"));
    }
}
