//! What only files can get wrong: locks, links, modes, directories.

use super::{FsStand, names_beneath};
use bytes::Bytes;
use std::collections::HashSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;
use valetkey_model::{BlobId, Timestamp};
use valetkey_objects::{DigestSet, FsOptions, FsStore, ObjectError, PendingBlob};
use valetkey_testkit::SeededEntropy;
use valetkey_testkit::objects::Stand as _;

fn both() -> [FsStand; 2] {
    [FsStand::new(FsOptions::default()), FsStand::new(FsOptions::default().without_openat2())]
}

fn blob_of_hour(hour: i64) -> BlobId {
    BlobId::new(Timestamp::from_seconds(hour * 3600), &SeededEntropy::from_environment())
}

async fn put(stand: &FsStand, blob: BlobId) -> PendingBlob {
    let mut writer = stand.store().create(blob, DigestSet::NONE, None).await.unwrap();
    writer.write(Bytes::from_static(b"content")).await.unwrap();
    writer.finish().await.unwrap()
}

#[tokio::test]
async fn a_store_is_for_one_process() {
    let mut stand = FsStand::new(FsOptions::default());
    let second = FsStore::open(stand.root(), &FsOptions::default()).map(drop);
    assert!(matches!(&second, Err(ObjectError::InUse { root }) if *root == stand.root()), "{second:?}");
    let pending = put(&stand, blob_of_hour(1)).await;
    stand.close();
    let second = FsStore::open(stand.root(), &FsOptions::default()).map(drop);
    assert!(matches!(second, Err(ObjectError::InUse { .. })), "a pending blob still has it");
    drop(pending);
    stand.open();
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let stand = FsStand::new(FsOptions::default());
    put(&stand, blob_of_hour(1)).await.released();
    let half = blob_of_hour(1);
    let mut writer = stand.store().create(half, DigestSet::NONE, None).await.unwrap();
    writer.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
    assert!(stand.incoming(half).exists());
    for name in names_beneath(stand.directory.path()) {
        let metadata = std::fs::metadata(stand.directory.path().join(&name)).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{name}");
    }
}

#[tokio::test]
async fn symbolic_links_are_not_followed() {
    for stand in both() {
        let outside = stand.directory.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let (kept, blob, of_other_hour) = (blob_of_hour(1), blob_of_hour(1), blob_of_hour(2));
        put(&stand, kept).await.released();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        std::fs::write(outside.join(of_other_hour.to_string()), "secret").unwrap();
        symlink(outside.join("secret"), stand.finished(blob)).unwrap();
        symlink(&outside, stand.hour(of_other_hour)).unwrap();
        // Nor one that stays within the store.
        let other_name = blob_of_hour(1);
        symlink(kept.to_string(), stand.finished(other_name)).unwrap();
        for planted in [blob, of_other_hour, other_name] {
            let opened = stand.store().open(planted).await;
            assert!(matches!(opened, Err(ObjectError::Corrupt { .. })), "{opened:?}");
            let opened = stand.store().open_now(planted);
            assert!(matches!(opened, Ok(None) | Err(ObjectError::Corrupt { .. })), "{opened:?}");
            let digest = stand.store().digest(planted, DigestSet::NONE).await;
            assert!(matches!(digest, Err(ObjectError::Corrupt { .. })), "{digest:?}");
        }
        // Nor is one written through, or removed what it leads to.
        let mut writer = stand.store().create(blob_of_hour(2), DigestSet::NONE, None).await.unwrap();
        writer.write(Bytes::from_static(b"content")).await.unwrap();
        let finished = writer.finish().await;
        assert!(matches!(finished, Err(ObjectError::Unavailable { .. })), "{finished:?}");
        assert!(stand.store().delete(of_other_hour).await.is_err());
        stand.store().delete(blob).await.unwrap();
        assert_eq!(names_beneath(&outside).len(), 2);
        stand.store().settled().await;
        assert_eq!(names_beneath(&stand.root().join("incoming")), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_no_file_is_no_blob() {
    for stand in both() {
        let (directory, fifo) = (blob_of_hour(1), blob_of_hour(1));
        put(&stand, blob_of_hour(1)).await.released();
        std::fs::create_dir(stand.finished(directory)).unwrap();
        let made = std::process::Command::new("mkfifo").arg(stand.finished(fifo)).status().unwrap();
        assert!(made.success());
        for planted in [directory, fifo] {
            let opened = tokio::time::timeout(Duration::from_secs(60), stand.store().open(planted)).await.unwrap();
            assert!(matches!(opened, Err(ObjectError::Corrupt { .. })), "{opened:?}");
        }
    }
}

#[tokio::test]
async fn a_shortened_blob_is_told_apart() {
    let stand = FsStand::new(FsOptions::default());
    let blob = blob_of_hour(1);
    put(&stand, blob).await.released();
    let open = stand.store().open(blob).await.unwrap();
    std::fs::OpenOptions::new().write(true).open(stand.finished(blob)).unwrap().set_len(3).unwrap();
    let digest = stand.store().digest(blob, DigestSet::NONE).await;
    assert!(matches!(digest, Err(ObjectError::Corrupt { .. })), "{digest:?}");
    let joined = stand.store().concatenate(&[blob], blob_of_hour(1), DigestSet::NONE).await;
    assert!(matches!(joined, Err(ObjectError::Corrupt { .. })), "{joined:?}");
    assert_eq!(open.size_bytes(), 7);
}

#[tokio::test]
async fn a_blob_with_a_row_is_put_back_in_its_place() {
    let mut stand = FsStand::new(FsOptions::default());
    let blob = blob_of_hour(1);
    let mut pending = put(&stand, blob).await;
    pending.committing();
    drop(pending);
    stand.close();
    std::fs::remove_file(stand.finished(blob)).unwrap();
    std::fs::write(stand.root().join("incoming").join("not a blob id"), "").unwrap();
    stand.open();
    let recovered = stand.store().recover(&HashSet::from([blob])).await.unwrap();
    assert_eq!((recovered.n_kept, recovered.n_removed), (1, 0));
    assert_eq!(std::fs::read(stand.finished(blob)).unwrap(), b"content");
    assert_eq!(names_beneath(&stand.root().join("incoming")), ["not a blob id"]);
}

#[tokio::test]
async fn more_blobs_than_are_asked_about_at_once_are_recovered() {
    let mut stand = FsStand::new(FsOptions::default());
    stand.close();
    let blobs: Vec<BlobId> = (0..2_500).map(|n| blob_of_hour(n % 3)).collect();
    for blob in &blobs {
        std::fs::write(stand.incoming(*blob), "").unwrap();
    }
    stand.open();
    let recovered = stand.store().recover(&blobs.iter().copied().take(7).collect::<HashSet<_>>()).await.unwrap();
    assert_eq!((recovered.n_kept, recovered.n_removed), (7, 2_493));
    assert_eq!(names_beneath(&stand.root().join("incoming")), Vec::<String>::new());
}

#[tokio::test]
async fn an_hour_that_is_empty_and_past_goes_and_may_come_back() {
    let stand = FsStand::new(FsOptions::default());
    let (past, present) = (blob_of_hour(1), blob_of_hour(2));
    put(&stand, past).await.released();
    put(&stand, present).await.released();
    stand.store().settled().await;
    for blob in [past, present] {
        stand.store().delete(blob).await.unwrap();
    }
    assert_eq!(names_beneath(&stand.root().join("blobs")), ["2"]);
    put(&stand, past).await.released();
    assert!(stand.finished(past).exists());
}

#[tokio::test]
async fn uploads_that_take_very_long_find_their_hour() {
    let stand = FsStand::new(FsOptions::default());
    for hour in (1..200).chain([1, 100]) {
        let blob = blob_of_hour(hour);
        put(&stand, blob).await.released();
        assert!(stand.finished(blob).exists());
    }
}

#[tokio::test]
async fn no_more_files_are_kept_open_than_allowed() {
    let stand = FsStand::new(FsOptions::default().max_open_files(8));
    for _ in 0..50 {
        let blob = blob_of_hour(1);
        put(&stand, blob).await.released();
        drop(stand.store().open(blob).await.unwrap());
    }
    let root = stand.root();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        let target = entry.as_ref().ok().and_then(|entry| std::fs::read_link(entry.path()).ok());
        target.is_some_and(|target| target.starts_with(root.join("blobs")) && target.is_file())
    });
    assert!(open.count() <= 8);
}

/// Whoever waits for `finish`, `copy` or `concatenate` may go: what they had begun goes too.
#[test]
fn a_dropped_future_leaves_nothing() {
    let stand = FsStand::new(FsOptions::default());
    let (part, finishing, copying, joining) = (blob_of_hour(1), blob_of_hour(1), blob_of_hour(1), blob_of_hour(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let parts = [part];
    runtime.block_on(async {
        let store = stand.store();
        put(&stand, part).await.released();
        store.settled().await;
        let mut writer = store.create(finishing, DigestSet::NONE, None).await.unwrap();
        writer.write(Bytes::from(vec![7; 1_000_000])).await.unwrap();
        let mut finish = writer.finish();
        let mut copy = store.copy(part, copying);
        let mut join = store.concatenate(&parts, joining, DigestSet::NONE);
        for future in [&mut finish, &mut copy, &mut join] {
            // Polled once: what waits for the disk has begun.
            let _ = futures_poll_once(future).await;
        }
    });
    // Waits for what has begun on threads that may wait.
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(stand.store().settled());
    for blob in [finishing, copying, joining] {
        assert_eq!(stand.traces_of(blob), Vec::<String>::new());
    }
    assert_eq!(stand.traces_of(part).len(), 1);
}

async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
