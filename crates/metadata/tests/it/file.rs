//! The file: its mode, whose it is, how large its log becomes.

use crate::SqliteDirectory;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_metadata::{FileRef, FileRow, LinkRow, MetadataError, MetadataStore as _, TenantRow};
use valetkey_model::{Entropy as _, LinkId, Permission, SecretDigest, Terms, Timestamp};
use valetkey_testkit::{FixedClock, SeededEntropy};

fn open(file: &Path) -> Result<SqliteStore, MetadataError> {
    SqliteStore::open(file, Arc::new(FixedClock::default()), SqliteOptions::default())
}

fn tenant(name: &str) -> TenantRow {
    TenantRow { name: name.parse().unwrap(), created_at: Timestamp::MIN }
}

fn link(entropy: &SeededEntropy) -> LinkRow {
    let mut secret = [0; 32];
    entropy.fill(&mut secret);
    LinkRow {
        link_id: LinkId::random(entropy),
        tenant: "acme".parse().unwrap(),
        secret: SecretDigest::from_bytes(secret),
        bucket: "reports".parse().unwrap(),
        key: "x".repeat(1_000).parse().unwrap(),
        file_id: None,
        terms: Terms::new(Permission::Read),
        issued_at: Timestamp::MIN,
        not_before: None,
        expires_at: Timestamp::MAX,
    }
}

#[tokio::test]
async fn nobody_else_can_read_it() {
    for umask in [0o000, 0o777] {
        let directory = SqliteDirectory::new();
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
        let store = open(&directory.file()).unwrap();
        store.create_tenant(tenant("acme")).await.unwrap();
        rustix::process::umask(before);
        let mut n_files = 0;
        for entry in directory.0.path().read_dir().unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600, "{:?} under umask {umask:o}", entry.file_name());
            n_files += 1;
        }
        assert_eq!(n_files, 3, "the database, its log, the log's index");
    }
}

#[tokio::test]
async fn a_file_that_others_could_read_is_closed_to_them() {
    let directory = SqliteDirectory::new();
    drop(open(&directory.file()).unwrap());
    std::fs::set_permissions(directory.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&directory.file()).unwrap());
    assert_eq!(directory.file().metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let directory = SqliteDirectory::new();
    let stores: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&directory.file()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in stores {
        store.unwrap();
    }
}

#[test]
fn another_programs_file_is_refused_and_left_alone() {
    let directory = SqliteDirectory::new();
    let theirs = Connection::open(directory.file()).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    let before = std::fs::metadata(directory.file()).unwrap();
    let error = open(&directory.file()).err().unwrap();
    assert!(matches!(&error, MetadataError::Corrupt { detail } if detail.contains("another program")), "{error}");
    let after = std::fs::metadata(directory.file()).unwrap();
    assert_eq!(
        (before.modified().unwrap(), before.permissions().mode()),
        (after.modified().unwrap(), after.permissions().mode())
    );
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = SqliteDirectory::new();
    std::fs::copy("/proc/self/exe", directory.file()).unwrap();
    let error = open(&directory.file()).err().unwrap();
    assert!(matches!(error, MetadataError::Corrupt { .. }), "{error}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let directory = SqliteDirectory::new();
    let error = open(&directory.0.path().join("nothing/metadata.db")).err().unwrap();
    assert!(matches!(&error, MetadataError::Unavailable { source } if source.to_string().contains("nothing/metadata.db")));
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let directory = SqliteDirectory::new();
    drop(open(&directory.file()).unwrap());
    let by_hand = Connection::open(directory.file()).unwrap();
    by_hand.execute("UPDATE migrations SET sha256 = zeroblob(32)", []).unwrap();
    drop(by_hand);
    let error = open(&directory.file()).err().unwrap();
    assert!(matches!(&error, MetadataError::Corrupt { detail } if detail.contains("another text")), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = SqliteDirectory::new();
    drop(open(&directory.file()).unwrap());
    let by_hand = Connection::open(directory.file()).unwrap();
    let newer = "INSERT INTO migrations VALUES ('20991231T2359_newer', zeroblob(32), '77.0.0', '77.1.0', 0)";
    by_hand.execute(newer, []).unwrap();
    drop(by_hand);
    let error = open(&directory.file()).err().unwrap().to_string();
    for part in ["20991231T2359_newer", "`77.0.0` or newer", env!("CARGO_PKG_VERSION"), "20261121T2230_files_listed"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_and_hides_no_other() {
    let directory = SqliteDirectory::new();
    let store = open(&directory.file()).unwrap();
    store.create_tenant(tenant("acme")).await.unwrap();
    let by_hand = Connection::open(directory.file()).unwrap();
    by_hand.execute("INSERT INTO buckets VALUES ('no good name', 'acme', 'US', 'persistent', 0, NULL, 0)", []).unwrap();
    let found = store.buckets(&"acme".parse().unwrap(), None, None, 10).await;
    assert!(matches!(found, Err(MetadataError::Corrupt { .. })), "{found:?}");
    assert_eq!(store.tenants().await.unwrap().len(), 1);
}

/// A binary that knows nothing of file numbers may go on with the database.
#[tokio::test]
async fn what_an_older_binary_writes_has_a_file_number() {
    let directory = SqliteDirectory::new();
    let store = open(&directory.file()).unwrap();
    store.create_tenant(tenant("acme")).await.unwrap();
    let by_hand = Connection::open(directory.file()).unwrap();
    by_hand.execute("INSERT INTO buckets VALUES ('reports', 'acme', 'US', 'persistent', 0, NULL, 0)", []).unwrap();
    let insert = "INSERT INTO objects (bucket, object_key, file_id, blob_id, size_bytes, sha256, created_at, modified_at) \
        VALUES ('reports', 'a', randomblob(16), randomblob(16), 0, zeroblob(32), 0, 0)";
    by_hand.execute(insert, []).unwrap();
    let object = store.object(&"reports".parse().unwrap(), &"a".parse().unwrap()).await.unwrap().unwrap();
    let found = store.file(FileRef::Number(object.file_number)).await.unwrap();
    assert_eq!(found, FileRow { reservation: None, object: Some(object) });
}

#[tokio::test]
async fn damage_is_found() {
    let directory = SqliteDirectory::new();
    let store = open(&directory.file()).unwrap();
    assert_eq!(store.integrity_faults().await.unwrap(), [""; 0]);
    let by_hand = Connection::open(directory.file()).unwrap();
    by_hand
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO buckets VALUES ('reports', 'nobody', 'US', 'persistent', 0, NULL, 0)",
        )
        .unwrap();
    let faults = store.integrity_faults().await.unwrap();
    assert_eq!(faults, ["a row of `buckets` refers to a row of `tenants` that is not there"]);
}

#[tokio::test]
async fn the_log_stays_bounded_while_it_is_read() {
    let directory = SqliteDirectory::new();
    let store = Arc::new(open(&directory.file()).unwrap());
    let reading = Arc::clone(&store);
    let reader = tokio::spawn(async move {
        loop {
            reading.tenants().await.unwrap();
        }
    });
    // In all some 300 MiB of changed pages.
    let entropy = SeededEntropy::from_environment();
    for _ in 0..150 {
        store.create_links((0..100).map(|_| link(&entropy)).collect()).await.unwrap();
    }
    reader.abort();
    let log = directory.0.path().join("metadata.db-wal").metadata().unwrap().len();
    assert!(log < 80 << 20, "{log} bytes");
}

#[tokio::test]
async fn a_reader_that_stays_does_not_hold_up_writes() {
    let directory = SqliteDirectory::new();
    let (store, entropy) = (open(&directory.file()).unwrap(), SeededEntropy::from_environment());
    let log_bytes = || directory.0.path().join("metadata.db-wal").metadata().unwrap().len();
    let by_hand = Connection::open(directory.file()).unwrap();
    by_hand.execute_batch("BEGIN; SELECT count(*) FROM links").unwrap();
    let (start, mut n_batches) = (Instant::now(), 0);
    while log_bytes() < 130 << 20 {
        store.create_links((0..20).map(|_| link(&entropy)).collect()).await.unwrap();
        n_batches += 1;
    }
    // Two vain waits of a tenth of a second, not one per batch.
    assert!(start.elapsed() < Duration::from_millis(100) * n_batches, "{:?}", start.elapsed());
    drop(by_hand);
    for _ in 0..100 {
        store.create_links((0..100).map(|_| link(&entropy)).collect()).await.unwrap();
    }
    let log = log_bytes();
    assert!(log < 80 << 20, "{log} bytes after the reader has gone");
}
