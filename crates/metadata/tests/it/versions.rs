//! Databases of every schema version there was, as they lie in `testdata/`: each can be opened, and everything in it is read.

use crate::SqliteDirectory;
use std::path::Path;
use valetkey_testkit::FixedClock;
use valetkey_testkit::metadata::kept;

#[tokio::test]
async fn every_version_can_be_opened() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str, extension: &str| {
        let paths = here.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
        // A tool that looked into a database leaves files beside it.
        let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
        let mut names: Vec<_> = paths.map(|path| path.file_stem().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let versions = names("testdata", "db");
    assert_eq!(versions, names("src/migrations/sqlite", "sql"), "`examples/write_testdata.rs` makes the one that is missing");
    for version in versions {
        let directory = SqliteDirectory::new();
        std::fs::copy(here.join("testdata").join(&version).with_extension("db"), directory.file()).unwrap();
        let store = directory.open_here(FixedClock::default());
        assert_eq!(store.integrity_faults().await.unwrap(), [""; 0], "{version:?}");
        drop(store);
        kept::assert_there(directory, &version.to_string_lossy()).await;
    }
}
