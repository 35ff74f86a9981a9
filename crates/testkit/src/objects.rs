//! The behaviour suite of object stores: what each of them must do, and the trace of what one asked of the kernel.
//!
//! A store passes it with a [`Stand`] and one line, which makes a test of every behaviour:
//!
//! ```text
//! valetkey_testkit::object_store_suite!(MyStand::new());
//! ```
#![allow(clippy::unwrap_used, reason = "it runs in tests, where a panic is the verdict")]

mod trace;

pub use self::trace::{Call, Trace};

use crate::{FixedClock, SeededEntropy, seeded_bytes};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::{JoinSet, spawn_blocking};
use valetkey_model::BlobId;
use valetkey_objects::{DigestSet, Digests, KnownBlobs, ObjectError, ObjectStore, OpenBlob, PendingBlob};

/// An empty store for one test, on a medium the test can look at.
#[async_trait]
pub trait Stand: Send + Sync + Sized {
    /// The store.
    fn store(&self) -> Arc<dyn ObjectStore>;

    /// Every name under which the medium holds anything of `blob`, wherever it is.
    fn traces_of(&self, blob: BlobId) -> Vec<String>;

    /// The same medium after the store was closed and opened again, with nothing recovered yet. No clone of the store may be left.
    async fn restarted(self) -> Self;
}

/// Makes a `#[tokio::test]` of each behaviour, for the [`Stand`](crate::objects::Stand) that the expression gives.
#[macro_export]
macro_rules! object_store_suite {
    ($stand:expr) => {
        $crate::object_store_suite! { @each $stand =>
            contents_of_every_size_read_back
            digests_are_the_published_ones
            nothing_is_visible_before_finish
            a_dropped_writer_leaves_nothing
            a_pending_blob_that_is_dropped_or_refused_is_gone
            a_released_blob_stays
            what_was_unresolved_is_asked_after_a_restart
            nothing_is_removed_while_the_rows_cannot_be_asked
            an_id_is_taken_once
            what_cannot_fit_is_refused_at_once
            uploads_at_once_do_not_mix
            a_deleted_blob_reads_on_for_who_has_it_open
            a_deleted_blob_is_never_opened_again
            a_copy_outlives_its_source
            parts_become_one_blob
            a_concatenation_that_fails_leaves_nothing
        }
    };
    (@each $stand:expr => $($behaviour:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                $crate::objects::$behaviour($stand).await;
            }
        )*
    };
}

/// Blobs are made from this: a store and ids that follow from the seed.
struct Maker {
    store: Arc<dyn ObjectStore>,
    clock: FixedClock,
    entropy: SeededEntropy,
}

impl Maker {
    fn new(stand: &impl Stand) -> Self {
        Self { store: stand.store(), clock: FixedClock::default(), entropy: SeededEntropy::from_environment() }
    }

    fn id(&self) -> BlobId {
        BlobId::new(valetkey_model::Clock::now(&self.clock), &self.entropy)
    }

    /// A finished blob with this content, written in pieces of `piece_bytes`.
    async fn finished(&self, content: &[u8], piece_bytes: usize) -> PendingBlob {
        let mut writer = self.store.create(self.id(), DigestSet::ALL, Some(content.len() as u64)).await.unwrap();
        for piece in content.chunks(piece_bytes) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(writer.written(), content.len() as u64);
        writer.finish().await.unwrap()
    }

    /// The same as if a row were committed.
    async fn kept(&self, content: &[u8]) -> BlobId {
        let pending = self.finished(content, 60_000).await;
        let blob = pending.blob;
        pending.released();
        blob
    }
}

async fn content_of(open: OpenBlob) -> Vec<u8> {
    spawn_blocking(move || {
        let mut content = vec![0; usize::try_from(open.size_bytes()).unwrap() + 1];
        let n_read = open.read_at(0, &mut content).unwrap();
        content.truncate(n_read);
        content
    })
    .await
    .unwrap()
}

async fn assert_not_found(store: &dyn ObjectStore, blob: BlobId) {
    let now = store.open_now(blob);
    assert!(matches!(now, Ok(None) | Err(ObjectError::NotFound { .. })), "{now:?}");
    let opened = store.open(blob).await;
    assert!(matches!(opened, Err(ObjectError::NotFound { .. })), "{opened:?}");
}

/// What was written is what is read, around every limit at which a store may do something else.
pub async fn contents_of_every_size_read_back(stand: impl Stand) {
    let maker = Maker::new(&stand);
    const KIB: usize = 1 << 10;
    for (size, piece_bytes) in [
        (0, 1),
        (1, 1),
        (100, 7),
        (4 * KIB, 4 * KIB),
        (64 * KIB - 1, 64 * KIB),
        (64 * KIB, 10_000),
        (64 * KIB + 1, 64 * KIB),
        (128 * KIB, 128 * KIB),
        (128 * KIB, 64 * KIB),
        (128 * KIB + 1, 1 << 20),
        (256 * KIB, 256 * KIB),
        (256 * KIB + 1, 128 * KIB),
        (5 << 20, 99_999),
        (20 << 20, 5 << 20),
    ] {
        let content = seeded_bytes(maker.entropy.seed(), size);
        let pending = maker.finished(&content, piece_bytes).await;
        let expected = Digests::of(&content, DigestSet::ALL);
        assert_eq!((pending.size_bytes, pending.digests), (size as u64, expected), "{size} bytes by {piece_bytes}");
        let blob = pending.blob;
        pending.released();
        let open = maker.store.open(blob).await.unwrap();
        assert_eq!(open.size_bytes(), size as u64);
        assert!(content_of(open).await == content, "{size} bytes by {piece_bytes}");
        assert_eq!(maker.store.digest(blob, DigestSet::ALL).await.unwrap(), expected);

        // Read before, it may be had now, and then as much of it as is said.
        if let Some(open) = maker.store.open_now(blob).unwrap() {
            let mut out = [0; 1000];
            if let Some(n_read) = open.read_now(size as u64 / 2, &mut out).unwrap() {
                assert_eq!(out[..n_read], content[size / 2..size / 2 + n_read]);
            }
            assert!(matches!(open.read_now(size as u64, &mut out).unwrap(), None | Some(0)));
        }
    }
}

/// SHA-256, SHA-1 (FIPS 180-4), MD5 (RFC 1321) and CRC-32C (RFC 3720) of published examples.
pub async fn digests_are_the_published_ones(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (content, expected) in [
        (
            Vec::new(),
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "d41d8cd98f00b204e9800998ecf8427e",
                "00000000",
            ],
        ),
        (
            b"123456789".to_vec(),
            [
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
                "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
                "25f9e794323b453885f5181f1b624d0b",
                "e3069283",
            ],
        ),
        (
            vec![b'a'; 1_000_000],
            [
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
                "7707d6ae4e027c70eea2a935c2296f21",
                "436fe240",
            ],
        ),
    ] {
        let digests = maker.finished(&content, 99_999).await.digests;
        let found =
            [hex(&digests.sha256), hex(&digests.sha1.unwrap()), hex(&digests.md5.unwrap()), hex(&digests.crc32c.unwrap())];
        assert_eq!(found, expected);
    }
    let only_sha256 = maker.store.create(maker.id(), DigestSet::NONE, None).await.unwrap().finish().await.unwrap().digests;
    assert_eq!((only_sha256.sha1, only_sha256.md5, only_sha256.crc32c), (None, None, None));
}

/// Half a blob is no blob.
pub async fn nothing_is_visible_before_finish(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let blob = maker.id();
    let mut writer = maker.store.create(blob, DigestSet::NONE, None).await.unwrap();
    assert_not_found(&*maker.store, blob).await;
    for _ in 0..10 {
        writer.write(Bytes::from(vec![7; 100_000])).await.unwrap();
        assert_not_found(&*maker.store, blob).await;
    }
    let pending = writer.finish().await.unwrap();
    assert_eq!(content_of(maker.store.open(blob).await.unwrap()).await, vec![7; 1_000_000]);
    pending.released();
}

/// An upload that breaks off, wherever it is.
pub async fn a_dropped_writer_leaves_nothing(stand: impl Stand) {
    let maker = Maker::new(&stand);
    for n_pieces in [0, 1, 3, 50] {
        let blob = maker.id();
        let mut writer = maker.store.create(blob, DigestSet::NONE, None).await.unwrap();
        for _ in 0..n_pieces {
            writer.write(Bytes::from(vec![7; 100_000])).await.unwrap();
        }
        if n_pieces > 0 {
            // More than is held back: a piece is being written when the writer goes.
            writer.write(Bytes::from(vec![7; 300_000])).await.unwrap();
        }
        drop(writer);
        let traces = traces_in_the_end(&stand, &*maker.store, blob).await;
        assert_eq!(traces, Vec::<String>::new(), "after {n_pieces} pieces");
        assert_not_found(&*maker.store, blob).await;
    }
}

/// A writer that is dropped while a piece is being written goes when that piece is: the first traces seen may be of that instant.
/// What stays for a minute is there to stay.
async fn traces_in_the_end(stand: &impl Stand, store: &dyn ObjectStore, blob: BlobId) -> Vec<String> {
    let begun = tokio::time::Instant::now();
    loop {
        store.settled().await;
        let traces = stand.traces_of(blob);
        if traces.is_empty() || begun.elapsed().as_secs() > 60 {
            return traces;
        }
        tokio::task::yield_now().await;
    }
}

/// No row names it, so nobody could ever remove it.
pub async fn a_pending_blob_that_is_dropped_or_refused_is_gone(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let dropped = maker.finished(b"dropped", 100).await;
    let mut refused = maker.finished(b"refused", 100).await;
    let blobs = [dropped.blob, refused.blob];
    // As a reader would find it, whoever told it the id: it must not stay open for others.
    drop(maker.store.open(refused.blob).await.unwrap());
    refused.committing();
    refused.refused();
    drop(dropped);
    maker.store.settled().await;
    for blob in blobs {
        assert_eq!(stand.traces_of(blob), Vec::<String>::new());
        assert_not_found(&*maker.store, blob).await;
    }
}

/// Its row is durable: so is the blob, whatever comes.
pub async fn a_released_blob_stays(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let blob = maker.kept(b"kept").await;
    maker.store.settled().await;
    assert_eq!(stand.traces_of(blob).len(), 1);
    drop(maker);
    let stand = stand.restarted().await;
    let recovered = stand.store().recover(&HashSet::new()).await.unwrap();
    assert_eq!((recovered.n_kept, recovered.n_removed), (0, 0));
    assert_eq!(content_of(stand.store().open(blob).await.unwrap()).await, b"kept");
}

/// A commit whose answer was lost: the rows know.
pub async fn what_was_unresolved_is_asked_after_a_restart(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let mut blobs = Vec::new();
    for content in [b"with a row".as_slice(), b"without one"] {
        let mut pending = maker.finished(content, 100).await;
        blobs.push(pending.blob);
        pending.committing();
    }
    let (with_row, without) = (blobs[0], blobs[1]);
    maker.store.settled().await;
    assert!(blobs.iter().all(|blob| !stand.traces_of(*blob).is_empty()));
    drop(maker);
    let stand = stand.restarted().await;
    let store = stand.store();
    let recovered = store.recover(&HashSet::from([with_row])).await.unwrap();
    assert_eq!((recovered.n_kept, recovered.n_removed), (1, 1));
    assert_eq!(stand.traces_of(with_row).len(), 1);
    assert_eq!(stand.traces_of(without), Vec::<String>::new());
    assert_eq!(content_of(store.open(with_row).await.unwrap()).await, b"with a row");
    assert_not_found(&*store, without).await;
    let again = store.recover(&HashSet::new()).await.unwrap();
    assert_eq!((again.n_kept, again.n_removed), (0, 0));
}

/// Nor is an upload that began after the start.
pub async fn nothing_is_removed_while_the_rows_cannot_be_asked(stand: impl Stand) {
    struct Down;
    #[async_trait]
    impl KnownBlobs for Down {
        async fn known(&self, _: &[BlobId]) -> Result<HashSet<BlobId>, Box<dyn Error + Send + Sync>> {
            Err("the database is down".into())
        }
    }

    let maker = Maker::new(&stand);
    let mut pending = maker.finished(b"unresolved", 100).await;
    let blob = pending.blob;
    pending.committing();
    drop((pending, maker));
    let stand = stand.restarted().await;
    let maker = Maker { clock: FixedClock::default(), entropy: SeededEntropy::new(1), store: stand.store() };
    let new = maker.finished(b"new", 100).await;
    let refused = maker.store.recover(&Down).await;
    assert!(matches!(refused, Err(ObjectError::Unavailable { .. })), "{refused:?}");
    assert!(!stand.traces_of(blob).is_empty());
    let recovered = maker.store.recover(&HashSet::new()).await.unwrap();
    assert_eq!((recovered.n_kept, recovered.n_removed), (0, 1));
    assert_eq!(stand.traces_of(blob), Vec::<String>::new());
    assert_eq!(content_of(maker.store.open(new.blob).await.unwrap()).await, b"new");
}

/// An id has one content for ever.
pub async fn an_id_is_taken_once(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let pending = maker.finished(b"first", 100).await;
    let blob = pending.blob;
    let second = || async {
        let mut writer = maker.store.create(blob, DigestSet::NONE, None).await?;
        writer.write(Bytes::from_static(b"second")).await?;
        writer.finish().await
    };
    assert!(matches!(second().await, Err(ObjectError::AlreadyExists { .. })), "pending");
    pending.released();
    maker.store.settled().await;
    assert!(matches!(second().await, Err(ObjectError::AlreadyExists { .. })), "released");
    maker.store.settled().await;
    assert_eq!(stand.traces_of(blob).len(), 1);
    assert_eq!(content_of(maker.store.open(blob).await.unwrap()).await, b"first");
}

/// Before its sender is told to go on.
pub async fn what_cannot_fit_is_refused_at_once(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let refused = maker.store.create(maker.id(), DigestSet::NONE, Some(u64::MAX)).await.map(drop);
    assert!(matches!(refused, Err(ObjectError::NoSpace { .. })), "{refused:?}");
}

/// 64 at once, of sizes that take every path.
pub async fn uploads_at_once_do_not_mix(stand: impl Stand) {
    let maker = Arc::new(Maker::new(&stand));
    let mut uploads = JoinSet::new();
    for n in 0..64_u64 {
        let maker = maker.clone();
        uploads.spawn(async move {
            let content = seeded_bytes(n, 1 << (n % 20));
            let blob = maker.kept(&content).await;
            assert!(content_of(maker.store.open(blob).await.unwrap()).await == content, "upload {n}");
            blob
        });
    }
    let blobs = uploads.join_all().await;
    maker.store.settled().await;
    assert!(blobs.iter().all(|blob| stand.traces_of(*blob).len() == 1));
}

/// A download under way is not cut.
pub async fn a_deleted_blob_reads_on_for_who_has_it_open(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let content = seeded_bytes(1, 1 << 20);
    let blob = maker.kept(&content).await;
    let open = maker.store.open(blob).await.unwrap();
    maker.store.delete(blob).await.unwrap();
    assert_not_found(&*maker.store, blob).await;
    maker.store.settled().await;
    assert_eq!(stand.traces_of(blob), Vec::<String>::new());
    assert!(content_of(open).await == content);
    maker.store.delete(blob).await.unwrap();
    maker.store.delete(maker.id()).await.unwrap();
}

/// Also if others open it just then: none of them leaves it in a cache.
pub async fn a_deleted_blob_is_never_opened_again(stand: impl Stand) {
    let maker = Maker::new(&stand);
    for _ in 0..50 {
        let blob = maker.kept(b"soon gone").await;
        let deleted = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for _ in 0..4 {
            let (store, deleted) = (maker.store.clone(), deleted.clone());
            readers.spawn(async move {
                while !deleted.load(Ordering::SeqCst) {
                    drop(store.open_now(blob));
                    drop(store.open(blob).await);
                }
            });
        }
        maker.store.delete(blob).await.unwrap();
        let found = maker.store.open(blob).await.is_ok();
        deleted.store(true, Ordering::SeqCst);
        readers.join_all().await;
        assert!(!found, "opened after it was deleted");
        assert_not_found(&*maker.store, blob).await;
    }
}

/// The two have nothing in common that either could lose.
pub async fn a_copy_outlives_its_source(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let content = seeded_bytes(1, 300_000);
    let source = maker.kept(&content).await;
    let pending = maker.store.copy(source, maker.id()).await.unwrap();
    let copy = pending.blob;
    assert_eq!((pending.size_bytes, pending.digests), (300_000, Digests::of(&content, DigestSet::NONE)));
    let taken = maker.store.copy(source, copy).await;
    assert!(matches!(taken, Err(ObjectError::AlreadyExists { .. })), "{taken:?}");
    pending.released();
    maker.store.delete(source).await.unwrap();
    maker.store.settled().await;
    assert_eq!(stand.traces_of(copy).len(), 1);
    assert!(content_of(maker.store.open(copy).await.unwrap()).await == content);

    let (missing, to) = (maker.id(), maker.id());
    let refused = maker.store.copy(missing, to).await;
    assert!(matches!(refused, Err(ObjectError::NotFound { blob }) if blob == missing), "{refused:?}");
    maker.store.settled().await;
    assert_eq!(stand.traces_of(to), Vec::<String>::new());
}

/// In order, whatever their lengths; they stay.
pub async fn parts_become_one_blob(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let contents = [0_usize, 1, 100_000, 128 << 10, (2 << 20) + 1, 5 << 20].map(|size| seeded_bytes(size as u64, size));
    let mut parts = Vec::new();
    for content in &contents {
        parts.push(maker.kept(content).await);
    }
    for order in [vec![], vec![1], vec![0, 1, 2, 3, 4, 5], vec![5, 4, 4, 0, 1]] {
        let expected: Vec<u8> = order.iter().flat_map(|n: &usize| contents[*n].iter().copied()).collect();
        let chosen: Vec<BlobId> = order.iter().map(|n| parts[*n]).collect();
        let pending = maker.store.concatenate(&chosen, maker.id(), DigestSet::ALL).await.unwrap();
        assert_eq!(pending.size_bytes, expected.len() as u64);
        assert_eq!(pending.digests, Digests::of(&expected, DigestSet::ALL), "{order:?}");
        assert!(content_of(maker.store.open(pending.blob).await.unwrap()).await == expected, "{order:?}");
        pending.released();
    }
    for (part, content) in parts.iter().zip(&contents) {
        assert!(content_of(maker.store.open(*part).await.unwrap()).await == *content);
    }
}

/// A part that is not there, an id that is taken.
pub async fn a_concatenation_that_fails_leaves_nothing(stand: impl Stand) {
    let maker = Maker::new(&stand);
    let part = maker.kept(b"part").await;
    let (missing, to) = (maker.id(), maker.id());
    let refused = maker.store.concatenate(&[part, missing], to, DigestSet::NONE).await;
    assert!(matches!(refused, Err(ObjectError::NotFound { blob }) if blob == missing), "{refused:?}");
    maker.store.settled().await;
    assert_eq!(stand.traces_of(to), Vec::<String>::new());
    let refused = maker.store.concatenate(&[part], part, DigestSet::NONE).await;
    assert!(matches!(refused, Err(ObjectError::AlreadyExists { .. })), "{refused:?}");
    maker.store.settled().await;
    assert_eq!(content_of(maker.store.open(part).await.unwrap()).await, b"part");
}
