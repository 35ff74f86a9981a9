//! The SQLite store: the suite that every store must pass, and what is its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod file;
mod kill;
mod model;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;
use valetkey_metadata::MetadataStore;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::Clock;
use valetkey_testkit::metadata::{MetadataBackend, Opening};

valetkey_testkit::metadata_store_suite!(SqliteDirectory::new());

/// A directory for one store.
struct SqliteDirectory(tempfile::TempDir);

impl SqliteDirectory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("metadata.db")
    }

    fn open_here(&self, clock: impl Clock) -> SqliteStore {
        SqliteStore::open(&self.file(), Arc::new(clock), SqliteOptions::default()).unwrap()
    }
}

impl MetadataBackend for SqliteDirectory {
    fn open(&self, clock: Arc<dyn Clock>) -> Opening<'_> {
        let store = SqliteStore::open(&self.file(), clock, SqliteOptions::default()).unwrap();
        Box::pin(async { Arc::new(store) as Arc<dyn MetadataStore> })
    }
}
