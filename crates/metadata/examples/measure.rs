//! How fast the store is here: durable writes by 1, 16 and 128 callers at once, reads by primary key, and issued URLs.
//!
//! `cargo run --release -p valetkey-metadata --example measure [-- DIRECTORY]`: the directory should be on the disk that counts.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_metadata::{BucketRow, Guard, LinkRow, MetadataStore, Publication, PublishCondition, TenantRow};
use valetkey_model::{
    BlobId, BucketName, Clock as _, FileId, FileNumber, LinkId, ObjectKey, Permission, PutMode, Region, Retention, SecretDigest,
    TenantName, Terms, Timestamp,
};
use valetkey_testkit::FixedClock;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long each figure is measured.
const TIME: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let directory = match std::env::args().nth(1) {
        Some(directory) => tempfile::tempdir_in(PathBuf::from(directory))?,
        None => tempfile::tempdir()?,
    };
    let clock = FixedClock::default();
    let file = directory.path().join("metadata.db");
    let store = Arc::new(SqliteStore::open(&file, Arc::new(clock.clone()), SqliteOptions::default())?);
    let (tenant, bucket): (TenantName, BucketName) = ("acme".parse()?, "reports".parse()?);
    store.create_tenant(TenantRow { name: tenant.clone(), created_at: clock.now() }).await?;
    let row = BucketRow {
        name: bucket.clone(),
        tenant,
        region: Region::default(),
        retention: Retention::Persistent,
        public: false,
        created_by: None,
        created_at: clock.now(),
    };
    store.create_bucket(row).await?;

    let n_objects = Arc::new(AtomicU32::new(0));
    for callers in [1, 16, 128] {
        let (store, next, now) = (Arc::clone(&store), Arc::clone(&n_objects), clock.now());
        report("durable publications", callers, async move || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            store.publish(publication(number, now)?).await?;
            Ok(())
        })
        .await?;
    }
    let n_objects = n_objects.load(Ordering::Relaxed);
    for callers in [1, 16, 128] {
        let (store, next, bucket) = (Arc::clone(&store), Arc::new(AtomicU32::new(0)), bucket.clone());
        report("reads by primary key", callers, async move || {
            let number = next.fetch_add(1, Ordering::Relaxed).wrapping_mul(2_654_435_761) % n_objects;
            let found = store.object(&bucket, &key(number)?).await?;
            found.map(drop).ok_or_else(|| format!("object {number} is not there").into())
        })
        .await?;
    }
    for (what, n_urls, callers) in [("arrays of 100 issued links", 100, 8), ("single issued links", 1, 64)] {
        let (store, next) = (Arc::clone(&store), Arc::new(AtomicU32::new(n_urls)));
        let now = clock.now();
        report(what, callers, async move || {
            let first = next.fetch_add(n_urls, Ordering::Relaxed);
            let links = (first..first + n_urls).map(|number| link(number, n_urls, now)).collect::<Result<_, _>>()?;
            Ok(store.create_links(links).await?)
        })
        .await?;
    }
    Ok(())
}

/// Does `work` over and over by so many callers, and prints how often a second and how long it took.
async fn report<W>(what: &str, callers: usize, work: W) -> Result<(), Failure>
where
    W: AsyncFn() -> Result<(), Failure> + 'static,
{
    let (work, local) = (std::rc::Rc::new(work), tokio::task::LocalSet::new());
    let start = Instant::now();
    let took = local
        .run_until(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..callers {
                let work = std::rc::Rc::clone(&work);
                tasks.spawn_local(async move {
                    let mut took = Vec::new();
                    while start.elapsed() < TIME {
                        let begin = Instant::now();
                        work().await?;
                        took.push(begin.elapsed());
                    }
                    Ok::<_, Failure>(took)
                });
            }
            let mut all = Vec::new();
            while let Some(took) = tasks.join_next().await {
                all.extend(took??);
            }
            Ok::<_, Failure>(all)
        })
        .await;
    let mut took = took?;
    took.sort();
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("{what}, {callers:3} callers: {rate:9.0}/s, median {:?}, 99 % {:?}", at(0.5), at(0.99));
    Ok(())
}

fn key(number: u32) -> Result<ObjectKey, Failure> {
    Ok(format!("reports/{:08x}.pdf", number.wrapping_mul(2_654_435_761)).parse()?)
}

/// A link whose id and secret lie anywhere in their indexes; another one for each `series`.
fn link(number: u32, series: u32, now: Timestamp) -> Result<LinkRow, Failure> {
    let scattered = (u128::from(number) << 32 | u128::from(series)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut secret = [0; 32];
    for (byte, value) in secret.iter_mut().zip(scattered.to_le_bytes()) {
        *byte = value;
    }
    Ok(LinkRow {
        link_id: LinkId::from_bytes(scattered.to_be_bytes()),
        tenant: "acme".parse()?,
        secret: SecretDigest::from_bytes(secret),
        bucket: "reports".parse()?,
        key: key(number)?,
        file_id: None,
        terms: Terms { label: Some("q3".to_owned()), ..Terms::new(Permission::Read) },
        issued_at: now,
        not_before: None,
        expires_at: now.plus(Duration::from_secs(3600)),
    })
}

fn publication(number: u32, now: Timestamp) -> Result<Publication, Failure> {
    let scattered = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Ok(Publication {
        bucket: "reports".parse()?,
        key: key(number)?,
        new_file_id: FileId::from_bytes(scattered.to_be_bytes()),
        new_file_number: FileNumber::new(u64::from(number) + 1).ok_or("too large a number")?,
        blob: BlobId::from_bytes(scattered.to_be_bytes()),
        size_bytes: 100_000,
        content_type: Some("application/pdf".to_owned()),
        file_name: None,
        user_metadata: None,
        sha256: [7; 32],
        sha1: None,
        md5: None,
        now,
        expires_at: None,
        condition: PublishCondition { mode: PutMode::Create, absent: false, replaces: None, incarnation: None },
        guard: Guard { tenant: "acme".parse()?, url: None, api_key: None },
        spend: None,
        completes: None,
    })
}
