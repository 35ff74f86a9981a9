//! Writes a database of the present schema, with rows of every kind, to be kept in `testdata/`: run it once when a migration has
//! landed, and never overwrite what is there.
//!
//! `cargo run -p valetkey-metadata --example write_testdata -- crates/metadata/testdata/NAME_OF_THE_MIGRATION.db`

use std::path::PathBuf;
use std::sync::Arc;
use valetkey_metadata::MetadataStore;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::Clock;
use valetkey_testkit::metadata::{MetadataBackend, Opening, kept};

struct File(PathBuf);

impl MetadataBackend for File {
    fn open(&self, clock: Arc<dyn Clock>) -> Opening<'_> {
        #[allow(clippy::expect_used, reason = "whoever runs this reads the panic")]
        let store = SqliteStore::open(&self.0, clock, SqliteOptions::default()).expect("the file can be opened");
        Box::pin(async { Arc::new(store) as Arc<dyn MetadataStore> })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = PathBuf::from(std::env::args().nth(1).ok_or("usage: write_testdata FILE")?);
    if file.exists() {
        return Err(format!("`{}` exists; a kept database is never overwritten", file.display()).into());
    }
    kept::write(File(file)).await;
    Ok(())
}
