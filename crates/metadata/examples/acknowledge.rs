//! Writes on and on, and says on standard output what is durable: for tests that kill it or watch its system calls.
//!
//! `acknowledge FILE FIRST COUNT CALLERS`: for each number from FIRST on, CALLERS at a time, publishes an object that spends a
//! use, then prints the number. Writes that must fail stand between them. Each number gives its own ids.

#![allow(clippy::print_stdout, reason = "standard output is how it acknowledges")]

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_metadata::{
    BucketRow, GrantKey, Guard, MetadataError, MetadataStore, Publication, PublishCondition, PublishError, Spend, TenantRow,
    UrlMarks,
};
use valetkey_model::{BlobId, Clock as _, FileId, FileNumber, LinkId, PutMode, Refusal, Region, Retention, TenantName};
use valetkey_testkit::FixedClock;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, first, count, callers] = arguments.as_slice() else {
        return Err("usage: acknowledge FILE FIRST COUNT CALLERS".into());
    };
    let (first, count, callers): (u64, u64, usize) = (first.parse()?, count.parse()?, callers.parse()?);
    let clock = FixedClock::default();
    let store = Arc::new(SqliteStore::open(Path::new(file), Arc::new(clock.clone()), SqliteOptions::default())?);
    let tenant: TenantName = "acme".parse()?;
    let bucket = BucketRow {
        name: "reports".parse()?,
        tenant: tenant.clone(),
        region: Region::default(),
        retention: Retention::Persistent,
        public: false,
        created_by: None,
        created_at: clock.now(),
    };
    there_already(store.create_tenant(TenantRow { name: tenant, created_at: clock.now() }).await)?;
    there_already(store.create_bucket(bucket).await)?;

    let next = Arc::new(AtomicU64::new(first));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (store, next, clock) = (Arc::clone(&store), Arc::clone(&next), clock.clone());
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= first + count {
                    return Ok::<(), Failure>(());
                }
                store.publish(publication(number, &clock)?).await?;
                println!("{number}");
                if number % 5 == 0 {
                    let again = Publication { blob: blob(number + (1 << 60)), ..publication(number, &clock)? };
                    match store.publish(again).await {
                        Err(PublishError::Refused(Refusal::UsedUp)) => {}
                        other => return Err(format!("a use was spent twice: {other:?}").into()),
                    }
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

fn there_already(answer: Result<(), MetadataError>) -> Result<(), MetadataError> {
    match answer {
        Err(MetadataError::AlreadyExists { .. }) => Ok(()),
        answer => answer,
    }
}

fn blob(number: u64) -> BlobId {
    BlobId::from_bytes(u128::from(number).to_be_bytes())
}

fn publication(number: u64, clock: &FixedClock) -> Result<Publication, Failure> {
    let tenant: TenantName = "acme".parse()?;
    let link_id = LinkId::from_bytes(u128::from(number).to_be_bytes());
    Ok(Publication {
        bucket: "reports".parse()?,
        key: format!("{number}").parse()?,
        new_file_id: FileId::from_bytes(u128::from(number).to_be_bytes()),
        new_file_number: FileNumber::new(number + 1).ok_or("too large a number")?,
        blob: blob(number),
        size_bytes: number,
        content_type: None,
        file_name: None,
        user_metadata: None,
        sha256: [0; 32],
        sha1: None,
        md5: None,
        now: clock.now(),
        expires_at: None,
        condition: PublishCondition { mode: PutMode::Replace, absent: false, replaces: None, incarnation: None },
        guard: Guard { tenant: tenant.clone(), url: Some(UrlMarks::of_link(link_id, clock.now())), api_key: None },
        spend: Some(Spend {
            grant: GrantKey { tenant, signing_key: None, link_id },
            uses: NonZeroU32::MIN,
            forget_at: valetkey_model::Timestamp::MAX,
        }),
        completes: None,
    })
}
