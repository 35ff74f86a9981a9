//! The promises that only a crash, a failing disk or a look at the system calls can break, on a child process: the example
//! `put_one`. Needs the feature `faults`, and `strace`.
#![allow(clippy::disallowed_methods, reason = "the tests look at the store's files")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod crashes;
mod failures;
mod order;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use valetkey_model::{BlobId, Timestamp};
use valetkey_objects::{FsOptions, FsStore, ObjectStore as _};
use valetkey_testkit::{SeededEntropy, seeded_bytes};

/// A directory in which `put_one` runs.
struct Ground {
    directory: TempDir,
    entropy: SeededEntropy,
}

impl Ground {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), entropy: SeededEntropy::from_environment() }
    }

    fn path(&self) -> PathBuf {
        // As the kernel names it: the temporary directory may be behind a symbolic link.
        self.directory.path().canonicalize().unwrap()
    }

    fn root(&self) -> PathBuf {
        self.path().join("store")
    }

    fn blob(&self) -> BlobId {
        BlobId::new(Timestamp::from_seconds(1_893_456_000), &self.entropy)
    }

    /// `put_one` on this ground, with no faults but those the environment of the whole test names.
    fn put(&self, blob: BlobId, size: usize) -> Command {
        let mut command = Command::new(put_one());
        command.args([self.path().display().to_string(), blob.to_string(), size.to_string()]);
        command
    }

    fn rows(&self) -> BTreeSet<BlobId> {
        let rows = std::fs::read_to_string(self.path().join("rows")).unwrap_or_default();
        rows.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// The names in a directory of the store; none if it is not there.
    fn names(&self, directory: impl AsRef<Path>) -> BTreeSet<String> {
        let Ok(entries) = std::fs::read_dir(self.root().join(directory)) else { return BTreeSet::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn finished(&self) -> BTreeSet<BlobId> {
        let hours = self.names("blobs");
        hours.iter().flat_map(|hour| self.names(Path::new("blobs").join(hour))).map(|name| name.parse().unwrap()).collect()
    }

    /// Starts on what a crash left, and asserts what a start promises: nothing pending, no blob without a row, no row
    /// without its whole blob.
    fn assert_recovers(&self, size: usize, after: &str) {
        let rows = self.rows();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = FsStore::open(self.root(), &FsOptions::default()).unwrap();
            store.recover(&rows.iter().copied().collect::<std::collections::HashSet<_>>()).await.unwrap();
            for blob in &rows {
                let open = store.open(*blob).await.unwrap();
                let mut content = vec![0; size + 1];
                let n_read = open.read_at(0, &mut content).unwrap();
                assert!(content[..n_read] == seeded_bytes(1, size), "{blob} after {after}");
            }
        });
        assert_eq!(self.names("incoming"), BTreeSet::new(), "in `incoming/` after {after}");
        assert_eq!(self.finished(), rows, "in `blobs/` after {after}");
    }
}

/// The example, which is built along with the tests.
fn put_one() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().and_then(Path::parent).unwrap().join("examples/put_one");
    assert!(built.exists(), "`{}` is missing: build the example `put_one` with the feature `faults`", built.display());
    built
}
