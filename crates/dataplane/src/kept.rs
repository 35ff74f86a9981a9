//! Answers kept ready: the head of an object that is asked for whole, and its bytes where it is small.
//!
//! What is kept holds the very row it was made from, and is good only for a request that found that same row: a change of the
//! object is another row. Whether a request may have the answer is decided before, each time.

use crate::body::ReadyHead;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use quick_cache::sync::Cache;
use std::cell::Cell;
use std::sync::Arc;
use valetkey_model::{BlobId, Dialect, Disposition};
use valetkey_service::{ObjectRow, OpenBlob};

/// Up to this size an object's bytes are kept with its head.
pub(crate) const SMALL_BYTES: u64 = 16 << 10;

/// What all kept answers may take together, about.
const CAPACITY_BYTES: u64 = 12 << 20;

/// What a kept head takes, about.
const HEAD_BYTES: u64 = 2 << 10;

/// How many answers are made for each one that is kept: those asked for often are soon there, those asked for once cost little.
const MADE_FOR_ONE_KEPT: u32 = 4;

static WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// The ready answers of a process.
pub(crate) struct Kept(Cache<Key, Arc<Ready>, Weight>);

/// Under what an answer is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) blob: BlobId,
    /// Whose head it is.
    pub(crate) face: Dialect,
    pub(crate) disposition: Disposition,
}

/// An answer to whoever asks for all of an object, but for how long it may be kept.
pub(crate) struct Ready {
    pub(crate) object: Arc<ObjectRow>,
    /// Every field but `Cache-Control`.
    pub(crate) head: ReadyHead,
    /// The object's bytes, if it is small.
    pub(crate) bytes: Option<Bytes>,
}

#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<Key, Arc<Ready>> for Weight {
    fn weight(&self, _: &Key, ready: &Arc<Ready>) -> u64 {
        HEAD_BYTES + ready.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }
}

impl Kept {
    pub(crate) fn new() -> Self {
        let n_expected = usize::try_from(CAPACITY_BYTES / HEAD_BYTES).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(n_expected, CAPACITY_BYTES, Weight))
    }

    /// The answer made from this very row.
    pub(crate) fn find(&self, key: &Key, object: &Arc<ObjectRow>) -> Option<Arc<Ready>> {
        self.0.get(key).filter(|ready| Arc::ptr_eq(&ready.object, object))
    }

    /// Whether an answer that is made now is to be kept.
    pub(crate) fn is_due() -> bool {
        thread_local! {
            static N_MADE: Cell<u32> = const { Cell::new(0) };
        }
        let n_made = N_MADE.get();
        N_MADE.set(n_made.wrapping_add(1));
        n_made.is_multiple_of(MADE_FOR_ONE_KEPT)
    }

    /// Keeps the head, and with it the bytes if they are few and can be had without waiting for the disk.
    pub(crate) fn keep(&self, key: Key, object: Arc<ObjectRow>, head: ReadyHead, blob: &OpenBlob) {
        let bytes = match object.size_bytes {
            size if size <= SMALL_BYTES => match read_all(blob, size) {
                Some(bytes) => Some(bytes),
                None => return,
            },
            _ => None,
        };
        self.0.insert(key, Arc::new(Ready { object, head, bytes }));
    }
}

fn read_all(blob: &OpenBlob, size: u64) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    let n_read = if size == 0 { 0 } else { blob.read_now(0, &mut bytes).ok()?? };
    (n_read == bytes.len()).then(|| bytes.into())
}

/// Whether the request asks for a representation as it is: no range, no precondition, no digest.
pub(crate) fn asks_for_all(request: &HeaderMap) -> bool {
    const SPECIAL: [HeaderName; 6] = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE];
    !SPECIAL.iter().chain([&WANT_REPR_DIGEST]).any(|name| request.contains_key(name))
}
