//! How many durable uploads a second this store takes on this machine.
//!
//! `put_rate DIRECTORY SIZE CONCURRENCY SECONDS`, on a directory of the disk in question.
#![allow(clippy::print_stdout, reason = "it is a measurement")]
#![allow(clippy::disallowed_methods, reason = "it reads its own memory use")]

use bytes::Bytes;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use valetkey_model::{BlobId, Clock as _};
use valetkey_objects::{DigestSet, FsOptions, FsStore, ObjectStore as _};
use valetkey_testkit::{FixedClock, SeededEntropy, seeded_bytes};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("`{name}` is missing: put_rate DIRECTORY SIZE CONCURRENCY SECONDS"));
    let directory = PathBuf::from(argument("DIRECTORY")?);
    let size: usize = argument("SIZE")?.parse()?;
    let concurrency: u64 = argument("CONCURRENCY")?.parse()?;
    let seconds = Duration::from_secs(argument("SECONDS")?.parse()?);

    let store = FsStore::open(directory, &FsOptions::default())?;
    let body = Bytes::from(seeded_bytes(1, size));
    let (clock, seed) = (FixedClock::default(), u64::from(std::process::id()));
    let begun = Instant::now();
    let uploads: Vec<_> = (0..concurrency)
        .map(|n| {
            let (store, body, clock) = (store.clone(), body.clone(), clock.clone());
            tokio::spawn(async move {
                let entropy = SeededEntropy::new((n << 32) | seed);
                let (mut n_done, mut blobs) = (0_u64, Vec::new());
                while begun.elapsed() < seconds {
                    let blob = BlobId::new(clock.now(), &entropy);
                    let mut writer = store.create(blob, DigestSet::NONE, Some(size as u64)).await?;
                    // As a server hands it on: in pieces of what a socket gives at once.
                    for at in (0..body.len()).step_by(64 << 10) {
                        writer.write(body.slice(at..body.len().min(at + (64 << 10)))).await?;
                    }
                    writer.finish().await?.released();
                    n_done += 1;
                    if size > 1 << 20 {
                        // Large ones at once: a machine that has to find fresh memory for every page measures its own memory.
                        store.delete(blob).await?;
                    } else {
                        blobs.push(blob);
                    }
                }
                Ok::<_, valetkey_objects::ObjectError>((n_done, blobs))
            })
        })
        .collect();
    let mut n_done = 0;
    let mut blobs = Vec::new();
    for upload in uploads {
        let (n, of_this) = upload.await??;
        n_done += n;
        blobs.extend(of_this);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let per_second = n_done as f64 / elapsed;
    let mib_per_second = per_second * size as f64 / f64::from(1 << 20);
    let peak = std::fs::read_to_string("/proc/self/status")?
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:").map(|rest| rest.trim().to_owned()))
        .unwrap_or_default();
    println!("{size} bytes, {concurrency} at once: {per_second:.0} uploads/s, {mib_per_second:.0} MiB/s, peak memory {peak}");

    let begun = Instant::now();
    store.settled().await;
    let deletions: Vec<_> = blobs
        .chunks(blobs.len().div_ceil(64).max(1))
        .map(|blobs| {
            let (store, blobs) = (store.clone(), blobs.to_vec());
            tokio::spawn(async move {
                for blob in blobs {
                    store.delete(blob).await?;
                }
                Ok::<_, valetkey_objects::ObjectError>(())
            })
        })
        .collect();
    for deletion in deletions {
        deletion.await??;
    }
    if !blobs.is_empty() {
        println!("{:.0} deletions/s", blobs.len() as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(())
}
