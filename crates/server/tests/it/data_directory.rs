//! The data directory: private, and one process's.

use std::os::unix::fs::PermissionsExt as _;
use valetkey_server::data_directory::{DataDirectory, DataDirectoryError};

#[test]
fn is_made_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let directory = DataDirectory::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(directory.metadata(), path.join("metadata.sqlite3"));
    assert_eq!(directory.objects(), path.join("objects"));
    assert_eq!(directory.master_key(), path.join("master.key"));
}

#[test]
fn is_held_by_one_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let held = DataDirectory::open(&path).unwrap();
    let error = DataDirectory::open(&path).unwrap_err();
    assert!(matches!(error, DataDirectoryError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    let message = error.to_string();
    assert!(message.contains("in use by another process") && message.contains(&path.display().to_string()), "{message}");
    drop(held);
    DataDirectory::open(&path).unwrap();
}

#[test]
fn what_cannot_be_one_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let check = |path: &str, expected: &str| {
        let message = DataDirectory::open(&parent.path().join(path)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    std::fs::write(parent.path().join("file"), "").unwrap();
    check("file", "is not a directory");
    check("none/data", "does not exist");
    check("file/data", "failed to make it");
}
