//! The promises that only a crash or a look at the system calls can break, on a child process: the example `acknowledge`. Needs
//! the feature `faults`, and `strace`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tests look at the store's files")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use valetkey_metadata::MetadataStore as _;
use valetkey_metadata::faults::POINTS;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{BucketName, ObjectKey};
use valetkey_testkit::FixedClock;

/// How many writes the child is to do.
const COUNT: u64 = 40;

#[tokio::test]
async fn a_crash_at_a_named_point_loses_nothing_acknowledged() {
    for point in POINTS {
        for (callers, arrival) in [(1, 1), (1, 3), (1, 20), (8, 3), (8, 6)] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("metadata.db");
            let output = Command::new(acknowledge())
                .arg(&file)
                .args(["0".to_owned(), COUNT.to_string(), callers.to_string()])
                .env("VALETKEY_CRASH_AT", format!("{point}:{arrival}"))
                .output()
                .unwrap();
            assert_eq!(output.status.signal(), Some(9), "it was to die at {point}, arrival {arrival}");
            let acknowledged = numbers(&output.stdout);
            let there = objects(&file).await;
            assert!(acknowledged.is_subset(&there), "{point}: {acknowledged:?}, there: {there:?}");
            if callers == 1 {
                // The tenant's and the bucket's batches come first; at most one write is under way.
                let told = arrival.max(3) - 3;
                let n_there = if point == "after_commit" && arrival > 2 { told + 1 } else { told };
                assert_eq!((acknowledged.len(), there.len()), (told, n_there), "{point}:{arrival}");
            }
        }
    }
}

/// Each acknowledgement comes after a sync of the write-ahead log, with nothing written to the log in between; the first one
/// after a sync of the directory too, without which the log's name could be lost.
#[test]
fn nothing_is_acknowledged_before_it_is_synced() {
    let directory = tempfile::tempdir().unwrap();
    // As the kernel names it: the temporary directory may be behind a symbolic link.
    let root = directory.path().canonicalize().unwrap();
    let (file, trace) = (root.join("metadata.db"), root.join("trace"));
    let status = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o"])
        .arg(&trace)
        .arg(acknowledge())
        .arg(&file)
        .args(["0".to_owned(), COUNT.to_string(), "1".to_owned()])
        .status()
        .expect("`strace` is needed: apt-get install strace");
    assert!(status.success());

    let log = format!("<{}-wal>", file.display());
    let here = format!("<{}>", root.display());
    let (mut unsynced, mut synced_since, mut directory_synced, mut n_acknowledged) = (false, false, false, 0);
    let mut under_way: Option<(String, String)> = None;
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        // A call that other threads' calls interrupt comes in two lines; it counts as done at the second.
        let call = if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            under_way = Some((thread.to_owned(), begun.to_owned()));
            if begun.contains("sync(") { continue } else { begun.to_owned() }
        } else if call.starts_with("<... ") {
            match under_way.take() {
                Some((begun_by, begun)) if begun_by == thread && begun.contains("sync(") => format!("{begun}{call}"),
                _ => continue,
            }
        } else {
            call.to_owned()
        };
        if call.starts_with("pwrite64(") && call.contains(&log) {
            unsynced = true;
        } else if call.contains("sync(") && call.contains(&log) && call.ends_with("= 0") {
            (unsynced, synced_since) = (false, true);
        } else if call.contains("sync(") && call.contains(&here) && call.ends_with("= 0") {
            directory_synced = true;
        } else if call.starts_with("write(1<") {
            assert!(!unsynced && synced_since && directory_synced, "acknowledged before it was synced: {call}");
            n_acknowledged += 1;
            synced_since = false;
        }
    }
    assert_eq!(n_acknowledged, COUNT);
}

/// The objects there, after a start on what a crash left.
async fn objects(file: &Path) -> BTreeSet<u64> {
    let store = SqliteStore::open(file, Arc::new(FixedClock::default()), SqliteOptions::default()).unwrap();
    assert_eq!(store.integrity_faults().await.unwrap(), [""; 0]);
    let bucket: BucketName = "reports".parse().unwrap();
    let mut there = BTreeSet::new();
    for number in 0..COUNT {
        if store.object(&bucket, &number.to_string().parse::<ObjectKey>().unwrap()).await.unwrap().is_some() {
            there.insert(number);
        }
    }
    there
}

fn numbers(output: &[u8]) -> BTreeSet<u64> {
    String::from_utf8_lossy(output).lines().map(|line| line.parse().unwrap()).collect()
}

/// The example, which cargo builds with the tests.
fn acknowledge() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().unwrap().parent().unwrap().join("examples/acknowledge")
}
