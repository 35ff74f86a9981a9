//! Stores one blob the way a server does, saying on standard output what is done: the child process of the crash and trace tests.
//!
//! `put_one DIRECTORY BLOB_ID SIZE [keep|refuse|delete]` uses `DIRECTORY/store`, and `DIRECTORY/rows` for a metadata store: a line for
//! each row. It keeps the blob unless told that the row is refused, or to delete the blob in the end.
#![allow(clippy::print_stdout, reason = "the tests read it")]
#![allow(clippy::disallowed_methods, reason = "it plays the metadata store on plain files")]

use std::collections::HashSet;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use valetkey_model::BlobId;
use valetkey_objects::{DigestSet, FsOptions, FsStore, ObjectStore as _, faults};
use valetkey_testkit::seeded_bytes;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("`{name}` is missing: put_one DIRECTORY BLOB_ID SIZE"));
    let directory = PathBuf::from(argument("DIRECTORY")?);
    let blob: BlobId = argument("BLOB_ID")?.parse()?;
    let size: usize = argument("SIZE")?.parse()?;
    let fate = argument("FATE").unwrap_or_else(|_| "keep".to_owned());

    let store = FsStore::open(directory.join("store"), &FsOptions::default())?;
    let recovered = store.recover(&rows(&directory)?).await?;
    say(&format!("recovered {} {}", recovered.n_kept, recovered.n_removed))?;

    let mut writer = store.create(blob, DigestSet::ALL, Some(size as u64)).await?;
    for piece in seeded_bytes(1, size).chunks(100_000) {
        writer.write(piece.to_vec().into()).await?;
    }
    let mut pending = writer.finish().await?;
    say(&format!("finished {blob}"))?;

    if fate == "refuse" {
        pending.refused();
        store.settled().await;
        return Ok(say("refused")?);
    }
    pending.committing();
    faults::point("committing");
    commit(&directory, blob)?;
    say("committed")?;
    faults::point("committed");

    pending.released();
    store.settled().await;
    say("released")?;
    if fate == "delete" {
        store.delete(blob).await?;
        say("deleted")?;
    }
    Ok(())
}

fn rows(directory: &Path) -> Result<HashSet<BlobId>, Box<dyn Error>> {
    match std::fs::read_to_string(directory.join("rows")) {
        Ok(rows) => Ok(rows.lines().map(str::parse).collect::<Result<_, _>>()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error.into()),
    }
}

fn commit(directory: &Path, blob: BlobId) -> Result<(), Box<dyn Error>> {
    let mut rows = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("rows"))?;
    rows.write_all(format!("{blob}\n").as_bytes())?;
    Ok(rows.sync_data()?)
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}
