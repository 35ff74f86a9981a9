//! How many requests were answered, whatever they were for. Each core counts for itself: no cache line goes from one to the other.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More than there are cores; threads beyond share.
const N_SHARDS: usize = 64;

/// The count of all cores.
pub(crate) struct RequestCount([Shard; N_SHARDS]);

/// As long as two cache lines, which processors fetch together.
#[derive(Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

impl RequestCount {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Shard::default()))
    }

    /// One more.
    pub(crate) fn add(&self) {
        thread_local! {
            static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.get();
        let number = if number == usize::MAX { NEXT.fetch_add(1, Ordering::Relaxed) % N_SHARDS } else { number };
        NUMBER.set(number);
        if let Some(shard) = self.0.get(number) {
            shard.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_counted() {
        let count = RequestCount::new();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..5).for_each(|_| count.add()));
            }
        });
        assert_eq!(count.total(), 15);
    }
}
