//! The file-system store: the behaviour of every store, and what only files can get wrong.
#![allow(clippy::disallowed_methods, reason = "the tests look at the store's files")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod files;

use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use valetkey_model::BlobId;
use valetkey_objects::{FsOptions, FsStore, ObjectStore};
use valetkey_testkit::objects::Stand;

mod kernel_resolves_paths {
    use super::FsStand;
    use valetkey_objects::FsOptions;

    valetkey_testkit::object_store_suite!(FsStand::new(FsOptions::default()));
}

mod paths_are_walked {
    use super::FsStand;
    use valetkey_objects::FsOptions;

    valetkey_testkit::object_store_suite!(FsStand::new(FsOptions::default().without_openat2()));
}

/// A store in a directory of its own.
struct FsStand {
    store: Option<FsStore>,
    options: FsOptions,
    directory: TempDir,
}

impl FsStand {
    fn new(options: FsOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(FsStore::open(directory.path().join("store"), &options).unwrap());
        Self { store, options, directory }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn incoming(&self, blob: BlobId) -> PathBuf {
        self.root().join("incoming").join(blob.to_string())
    }

    fn finished(&self, blob: BlobId) -> PathBuf {
        self.hour(blob).join(blob.to_string())
    }

    fn hour(&self, blob: BlobId) -> PathBuf {
        self.root().join("blobs").join(blob.hour().to_string())
    }

    fn close(&mut self) {
        self.store = None;
    }

    fn open(&mut self) {
        self.store = Some(FsStore::open(self.root(), &self.options).unwrap());
    }
}

#[async_trait]
impl Stand for FsStand {
    fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.store.clone().unwrap())
    }

    fn traces_of(&self, blob: BlobId) -> Vec<String> {
        let mut traces = names_beneath(&self.root());
        traces.retain(|name| name.contains(&blob.to_string()));
        traces
    }

    async fn restarted(mut self) -> Self {
        self.close();
        self.open();
        self
    }
}

/// Every path beneath, relative.
fn names_beneath(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            names.push(entry.path().strip_prefix(root).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
        }
    }
    names.sort();
    names
}
