//! The open-file cache: which blobs are open already.

use crate::OpenBlob;
use quick_cache::sync::Cache;
use rustix::process::Resource;
use std::sync::atomic::{AtomicU64, Ordering};
use valetkey_model::BlobId;

/// At most this many, however many files the process may have open.
const DEFAULT_CAPACITY: usize = 10_000;

/// Open blobs, bounded in number, in shards.
pub(super) struct OpenFiles {
    cache: Cache<BlobId, OpenBlob>,
    n_forgotten: AtomicU64,
}

/// From before a file was opened: proof that what is kept afterwards was not removed meanwhile.
pub(super) struct Before(u64);

impl OpenFiles {
    /// For at most `capacity` blobs; by default 10,000, or half of the files that the process may have open.
    pub(super) fn new(capacity: Option<usize>) -> Self {
        let capacity = capacity.unwrap_or_else(|| {
            let allowed = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            usize::try_from(allowed / 2).unwrap_or(usize::MAX).min(DEFAULT_CAPACITY)
        });
        Self { cache: Cache::new(capacity), n_forgotten: AtomicU64::new(0) }
    }

    /// The blob if it is open. Allocates nothing.
    pub(super) fn get(&self, blob: BlobId) -> Option<OpenBlob> {
        self.cache.get(&blob)
    }

    /// To be called before a file is opened that is then to be kept.
    pub(super) fn before(&self) -> Before {
        Before(self.n_forgotten.load(Ordering::SeqCst))
    }

    /// Keeps the blob, unless any was forgotten since `before`: it may have been this one.
    pub(super) fn keep(&self, before: &Before, blob: BlobId, open: OpenBlob) {
        self.cache.insert(blob, open);
        // After the insertion: a `forget` that came before it has counted already, one that comes later finds the entry.
        if self.n_forgotten.load(Ordering::SeqCst) != before.0 {
            self.cache.remove(&blob);
        }
    }

    /// To be called after the blob's name was removed.
    pub(super) fn forget(&self, blob: BlobId) {
        self.n_forgotten.fetch_add(1, Ordering::SeqCst);
        self.cache.remove(&blob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::Arc;

    fn open() -> OpenBlob {
        let fd = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
        OpenBlob::new(Arc::new(File::from(fd.unwrap())), 0)
    }

    #[test]
    fn keeps_none_that_may_have_been_removed_while_it_was_opened() {
        let (files, blob) = (OpenFiles::new(Some(10)), BlobId::from_bytes([1; 16]));
        let before = files.before();
        files.keep(&before, blob, open());
        assert!(files.get(blob).is_some());
        files.forget(blob);
        assert!(files.get(blob).is_none());
        files.keep(&before, blob, open());
        assert!(files.get(blob).is_none());
    }

    #[test]
    fn is_bounded() {
        let files = OpenFiles::new(Some(10));
        let before = files.before();
        let blobs = || (0..100).map(|n| BlobId::from_bytes([n; 16]));
        blobs().for_each(|blob| files.keep(&before, blob, open()));
        assert!(blobs().filter(|blob| files.get(*blob).is_some()).count() <= 10);
    }
}
