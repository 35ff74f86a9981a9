//! When something last changed: bounded, and never too early, so that who asks whether anything has changed since is told the truth
//! or that it may have.

use crate::collection::folder_of;
use crate::service::Place;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use valetkey_model::{BucketName, Timestamp, sabotaged};

/// What falls on the same slot is told as changed together.
const N_SLOTS: usize = 4096;

/// The latest change in each bucket, and in each folder of it: the first segment of keys.
pub(crate) struct Changes {
    hasher: RandomState,
    slots: Box<[AtomicI64]>,
}

impl Changes {
    /// Nothing is known of what was before `now`.
    pub(crate) fn since(now: Timestamp) -> Self {
        Self { hasher: RandomState::new(), slots: (0..N_SLOTS).map(|_| AtomicI64::new(now.as_micros())).collect() }
    }

    /// Something at this place has changed, and is committed.
    pub(crate) fn changed(&self, place: &Place, now: Timestamp) {
        self.mark(&place.bucket, now);
        if let Some(folder) = folder_of(place) {
            self.mark(&(&place.bucket, folder), now);
        }
    }

    /// A bucket was made, deleted or made public or private.
    pub(crate) fn bucket_changed(&self, bucket: &BucketName, now: Timestamp) {
        self.mark(bucket, now);
    }

    /// When something in the bucket changed last, or later.
    pub(crate) fn of_bucket(&self, bucket: &BucketName) -> Timestamp {
        self.latest(bucket)
    }

    /// When something in the folder changed last, or later.
    pub(crate) fn of_folder(&self, bucket: &BucketName, folder: &str) -> Timestamp {
        self.latest(&(bucket, folder))
    }

    fn mark(&self, what: &impl Hash, now: Timestamp) {
        if let Some(slot) = self.slot(what).filter(|_| !sabotaged("change-unmarked")) {
            slot.fetch_max(now.as_micros(), Ordering::AcqRel);
        }
    }

    fn latest(&self, what: &impl Hash) -> Timestamp {
        Timestamp::from_micros(self.slot(what).map_or(i64::MAX, |slot| slot.load(Ordering::Acquire)))
    }

    fn slot(&self, what: &impl Hash) -> Option<&AtomicI64> {
        let hash = self.hasher.hash_one(what) % N_SLOTS as u64;
        usize::try_from(hash).ok().and_then(|position| self.slots.get(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_never_told_too_early() {
        let at = Timestamp::from_seconds;
        let changes = Changes::since(at(10));
        let bucket = |name: &str| name.parse::<BucketName>().unwrap();
        let place = |key: &str| Place { bucket: bucket("reports"), key: key.parse().unwrap() };
        assert_eq!((changes.of_bucket(&bucket("reports")), changes.of_folder(&bucket("reports"), "a")), (at(10), at(10)));
        changes.changed(&place("a/b/c"), at(20));
        changes.changed(&place("a/b/c"), at(15));
        assert_eq!((changes.of_bucket(&bucket("reports")), changes.of_folder(&bucket("reports"), "a")), (at(20), at(20)));
        changes.changed(&place("no-folder"), at(30));
        assert_eq!(changes.of_bucket(&bucket("reports")), at(30));
        for number in 0..1000 {
            changes.changed(&place(&format!("{number}/x")), at(40 + number));
        }
        for number in 0..1000 {
            assert!(changes.of_folder(&bucket("reports"), &number.to_string()) >= at(40 + number));
        }
        changes.bucket_changed(&bucket("other"), at(5000));
        assert_eq!(changes.of_bucket(&bucket("other")), at(5000));
    }
}
