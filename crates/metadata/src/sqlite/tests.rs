//! What only the inside can be asked: the statements' plans, and writes that fail where no caller can make them.

use super::*;
use rusqlite::Connection;
use std::sync::mpsc;
use std::time::Duration;
use valetkey_model::{Action, LinkId};
use valetkey_testkit::FixedClock;

fn open() -> (tempfile::TempDir, SqliteStore) {
    open_with(SqliteOptions::default())
}

fn open_with(options: SqliteOptions) -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("metadata.db"), Arc::new(FixedClock::default()), options).unwrap();
    (directory, store)
}

fn tenant(name: &str) -> TenantRow {
    TenantRow { name: name.parse().unwrap(), created_at: Timestamp::MIN }
}

async fn names(store: &SqliteStore) -> Vec<String> {
    store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name.to_string()).collect()
}

/// A write that does what a test wants.
async fn write(store: &SqliteStore, work: impl FnOnce(&Connection) + Send + 'static) -> Result<(), MetadataError> {
    let work = move |connection: &Connection| {
        work(connection);
        Ok(())
    };
    store.writer.write(work).await
}

/// Holds the writer until the sender is dropped, so that what is queued meanwhile becomes one batch.
async fn hold(store: &Arc<SqliteStore>) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (started, starts) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let hold = move |_: &Connection| {
            let _ = started.send(());
            let _ = held.recv();
        };
        write(&store, hold).await
    });
    starts.await.unwrap();
    release
}

#[test]
fn every_statement_prepares_and_its_parameters_are_in_order() {
    let (directory, _store) = open();
    let connection = Connection::open(directory.path().join("metadata.db")).unwrap();
    for (name, text) in statements::ALL {
        let statement = connection.prepare(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for position in 1..=statement.parameter_count() {
            assert_eq!(statement.parameter_name(position), Some(format!("${position}").as_str()), "{name}");
        }
    }
}

#[test]
fn no_statement_reads_a_whole_table() {
    // Those that are asked for all of it, or of a table with one row, or one for each tenant.
    const ALL_OF_IT: [&str; 12] = [
        "TENANTS",
        "API_KEYS",
        "SIGNING_KEYS",
        "TIME_FLOOR",
        "RAISE_TIME_FLOOR",
        "IDEMPOTENT_CALLS",
        "UNSEALED_AUDIT_CHAINS",
        "UNINDEXED_AUDIT_CHAINS",
        "AUDIT_CHAINS_KEPT",
        "AUDIT_STATE",
        "AUDIT_KEYS",
        "N_REVOCATIONS",
    ];
    let (directory, _store) = open();
    let connection = Connection::open(directory.path().join("metadata.db")).unwrap();
    for (name, text) in statements::ALL.iter().filter(|(name, _)| !ALL_OF_IT.contains(name)) {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let mut rows = explained.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            let harmless = ["CONSTANT ROW", "SUBQUERY", "EXISTS"].iter().any(|word| step.contains(word));
            assert!(harmless || !(step.starts_with("SCAN") || step.contains("TEMP B-TREE")), "{name}: {step}");
        }
    }
}

#[test]
fn what_a_page_of_files_steps_over_is_not_read() {
    let (directory, _store) = open();
    let connection = Connection::open(directory.path().join("metadata.db")).unwrap();
    let of_files = statements::ALL.iter().filter(|(name, _)| name.contains("FILES_") || name.ends_with("_FILES"));
    let mut n_searches = 0;
    for (name, text) in of_files {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let mut rows = explained.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            if ["SEARCH objects ", "SEARCH reservations "].iter().any(|search| step.starts_with(search)) {
                assert!(step.contains("USING COVERING INDEX"), "{name}: {step}");
                n_searches += 1;
            }
        }
    }
    assert_eq!(n_searches, 9, "two for all files, one for those that are ready");
}

#[tokio::test]
async fn a_page_costs_the_same_wherever_it_begins() {
    let (directory, store) = open();
    store.create_tenant(tenant("acme")).await.unwrap();
    let name: BucketName = "big".parse().unwrap();
    let (tenant, region, retention) = ("acme".parse().unwrap(), Region::default(), valetkey_model::Retention::default());
    let bucket =
        BucketRow { name: name.clone(), tenant, region, retention, public: false, created_by: None, created_at: Timestamp::MIN };
    store.create_bucket(bucket).await.unwrap();
    let connection = Connection::open(directory.path().join("metadata.db")).unwrap();
    let filled = "INSERT INTO objects (bucket, object_key, file_id, blob_id, size_bytes, sha256, created_at, modified_at, file_number) \
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
        SELECT 'big', printf('dir/%05d', i), randomblob(16), randomblob(16), 1, randomblob(32), 0, 0, i + 1 FROM n";
    assert_eq!(connection.execute(filled, []).unwrap(), 10_000);
    // What the engine has done for one page of a hundred, in steps of its own.
    let check = |prefix: &str, after: Option<&str>, statement: &str| {
        let page = reads::objects(&connection, &name, prefix, after, 100, Timestamp::MIN).unwrap();
        assert_eq!((page.objects.len(), page.next.is_some()), (100, true), "{prefix} {after:?}");
        connection.prepare_cached(statement).unwrap().reset_status(rusqlite::StatementStatus::VmStep)
    };
    for (prefix, statement) in [("", statements::OBJECTS_FROM), ("dir/", statements::OBJECTS_BETWEEN)] {
        let first = check(prefix, None, statement);
        for after in ["dir/00100", "dir/04999", "dir/09800"] {
            let further = check(prefix, Some(after), statement);
            assert!(
                first > 100 && (further - first).abs() <= first / 10,
                "{prefix}: {first} steps for the first page, {further} after {after}"
            );
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_write_fails_alone() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let release = hold(&store).await;
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create_tenant(tenant("before")).await }
    });
    let panics = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let work = |connection: &Connection| {
                connection.execute("INSERT INTO tenants VALUES ('lost', 0)", []).unwrap();
                panic!("as wanted");
            };
            write(&store, work).await
        }
    });
    tokio::task::yield_now().await;
    drop(release);
    store.create_tenant(tenant("after")).await.unwrap();
    first.await.unwrap().unwrap();
    assert!(matches!(panics.await.unwrap(), Err(MetadataError::Unavailable { .. })));
    assert_eq!(names(&store).await, ["after", "before"]);
}

#[tokio::test]
async fn a_panic_in_a_read_fails_alone() {
    let (_directory, store) = open_with(SqliteOptions { n_readers: NonZeroUsize::MIN, ..SqliteOptions::default() });
    let read = store.readers.read(|connection| -> Result<(), Fault> {
        let _snapshot = connection.unchecked_transaction()?;
        panic!("as wanted");
    });
    assert!(matches!(read.await, Err(MetadataError::Unavailable { .. })));
    store.create_tenant(tenant("a")).await.unwrap();
    assert_eq!(names(&store).await, ["a"]);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_directory, store) = open();
    let written = store.readers.read(|connection| Ok(connection.execute("INSERT INTO tenants VALUES ('a', 0)", [])?)).await;
    assert!(written.is_err());
    assert_eq!(names(&store).await, [""; 0]);
}

#[tokio::test]
async fn a_lost_commit_is_told_to_every_caller() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let release = hold(&store).await;
    let innocent = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create_tenant(tenant("innocent")).await }
    });
    let culprit = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            // A violation that shows only at COMMIT.
            let work = |connection: &Connection| {
                connection.execute_batch("PRAGMA defer_foreign_keys = ON").unwrap();
                connection
                    .execute("INSERT INTO buckets VALUES ('orphan', 'nobody', 'US', 'persistent', 0, NULL, 0)", [])
                    .unwrap();
            };
            write(&store, work).await
        }
    });
    tokio::task::yield_now().await;
    drop(release);
    assert!(innocent.await.unwrap().is_err());
    assert!(culprit.await.unwrap().is_err());
    assert_eq!(names(&store).await, [""; 0]);
    store.create_tenant(tenant("later")).await.unwrap();
    assert_eq!(names(&store).await, ["later"]);
}

#[tokio::test]
async fn a_transaction_that_ends_early_is_told_to_every_caller() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let release = hold(&store).await;
    let innocent = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create_tenant(tenant("innocent")).await }
    });
    let culprit = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let work = |connection: &Connection| -> Result<(), MetadataError> {
                // As a full disk does by itself.
                connection.execute_batch("ROLLBACK").unwrap();
                Err(MetadataError::NoSpace)
            };
            store.writer.write(work).await
        }
    });
    tokio::task::yield_now().await;
    drop(release);
    assert!(matches!(innocent.await.unwrap(), Err(MetadataError::NoSpace)));
    assert!(matches!(culprit.await.unwrap(), Err(MetadataError::NoSpace)));
    assert_eq!(names(&store).await, [""; 0]);
    store.create_tenant(tenant("later")).await.unwrap();
}

#[tokio::test]
async fn without_room_nothing_is_changed_and_the_rest_goes_on() {
    let (_directory, store) = open();
    store.create_tenant(tenant("before")).await.unwrap();
    let limit = |pages: i64| move |connection: &Connection| connection.pragma_update(None, "max_page_count", pages).unwrap();
    write(&store, limit(1)).await.unwrap();
    let mut told = Ok(());
    for number in 0..100 {
        let name = format!("{number:0100}");
        told = store.create_tenant(tenant(&name)).await;
        if told.is_err() {
            break;
        }
    }
    assert!(matches!(told, Err(MetadataError::NoSpace)), "{told:?}");
    assert!(names(&store).await.contains(&"before".to_owned()));
    write(&store, limit(1_000_000)).await.unwrap();
    store.create_tenant(tenant("later")).await.unwrap();
    assert_eq!(store.integrity_faults().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn callers_beyond_the_queue_are_held_back() {
    let (_directory, store) = open_with(SqliteOptions { queue_depth: NonZeroUsize::MIN, ..SqliteOptions::default() });
    let store = Arc::new(store);
    let release = hold(&store).await;
    let n_told = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (store, n_told) = (Arc::clone(&store), Arc::clone(&n_told));
        callers.spawn(async move {
            store.create_tenant(tenant(&number.to_string())).await.unwrap();
            n_told.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(n_told.load(std::sync::atomic::Ordering::SeqCst), 0);
    drop(release);
    callers.join_all().await;
    assert_eq!(names(&store).await.len(), 50);
}

#[tokio::test]
async fn a_caller_that_is_gone_disturbs_nobody() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let release = hold(&store).await;
    let gone = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create_tenant(tenant("gone")).await }
    });
    tokio::task::yield_now().await;
    gone.abort();
    drop(release);
    store.create_tenant(tenant("here")).await.unwrap();
    assert!(names(&store).await.contains(&"here".to_owned()));
}

#[tokio::test]
async fn what_is_queued_is_committed_when_the_store_is_dropped() {
    let (directory, store) = open();
    let store = Arc::new(store);
    let (release, writing) = (hold(&store).await, Arc::clone(&store));
    let queued = tokio::spawn(async move { writing.create_tenant(tenant("queued")).await });
    tokio::task::yield_now().await;
    drop(release);
    queued.await.unwrap().unwrap();
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
    drop(store);
    let files: Vec<_> = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["metadata.db"], "the log was put away");
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_waited_for() {
    let (directory, store) = open();
    let other = Connection::open(directory.path().join("metadata.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = Arc::new(store);
    let writing = Arc::clone(&store);
    let write = tokio::spawn(async move { writing.create_tenant(tenant("a")).await });
    assert_eq!(names(&store).await, [""; 0], "reads go on");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), async {
            while !write.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_err()
    );
    other.execute_batch("COMMIT").unwrap();
    write.await.unwrap().unwrap();
}

#[tokio::test]
async fn rows_are_found_in_every_part_of_the_references() {
    let (_directory, store) = open();
    let (link_id, chain) = (LinkId::from_bytes([7; 16]), AuditChain::of(None));
    let plain = AuditEntry::new(None, Action::UrlRedeem);
    let sought = AuditEntry { link_id: Some(link_id), ..plain.clone() };
    // More than two parts of 65,536.
    for _ in 0..3 {
        store.append_audit(vec![sought.clone()]).await.unwrap();
        store.append_audit(vec![plain.clone(); 45_000]).await.unwrap();
    }
    let expected = [90_003, 45_002, 1];
    for n_indexed in [0, 80_000, 60_000] {
        assert_eq!(store.index_audit(n_indexed).await.unwrap(), if n_indexed == 60_000 { 55_003 } else { u64::from(n_indexed) });
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let filter = AuditFilter { link_id: Some(link_id), ..AuditFilter::default() };
            let page = store.audit_page(&chain, filter, next, 2).await.unwrap();
            found.extend(page.rows.iter().map(|row| row.seq));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{n_indexed}");
    }
}
