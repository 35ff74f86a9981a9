//! Buckets.

use super::sample::DAY;
use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{BucketRow, MetadataError, MetadataStore, Publication};
use valetkey_model::{BucketName, Region, Retention};

/// In each retention, with and without its maker.
pub async fn a_bucket_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    for (position, retention) in [Retention::Persistent, Retention::Transient, Retention::Temporary].into_iter().enumerate() {
        let bucket = BucketRow {
            region: name("EMEA"),
            retention,
            public: position % 2 == 1,
            created_by: (position > 0).then(|| name("cid")),
            ..trial.bucket(&format!("bucket-{position}"), "acme")
        };
        store.create_bucket(bucket.clone()).await.unwrap();
        assert_eq!(store.bucket(&bucket.name).await.unwrap(), Some(bucket));
    }
    assert_eq!(store.bucket(&name("nothing")).await.unwrap(), None);
}

/// `NotFound`, and nothing is made.
pub async fn a_bucket_needs_its_tenant(trial: Trial) {
    let store = trial.open().await;
    let made = store.create_bucket(trial.bucket("reports", "nobody")).await;
    assert!(matches!(made, Err(MetadataError::NotFound { .. })), "{made:?}");
    assert_eq!(store.bucket(&name("reports")).await.unwrap(), None);
}

/// Names are unique in the installation; the others are told `AlreadyExists`.
pub async fn of_64_makers_of_a_bucket_one_wins(trial: Trial) {
    let store = trial.open().await;
    let mut makers = tokio::task::JoinSet::new();
    for maker in 0..64 {
        let tenant = format!("tenant-{maker}");
        store.create_tenant(trial.tenant(&tenant)).await.unwrap();
        let (store, bucket) = (Arc::clone(&store), trial.bucket("wanted", &tenant));
        makers.spawn(async move { (bucket.clone(), store.create_bucket(bucket).await) });
    }
    let mut winners = Vec::new();
    for (bucket, made) in makers.join_all().await {
        match made {
            Ok(()) => winners.push(bucket),
            Err(MetadataError::AlreadyExists { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.bucket(&name("wanted")).await.unwrap(), winners.pop());
}

/// A tenant's, by name, without those of others.
pub async fn buckets_come_in_pages(trial: Trial) {
    let store = trial.open().await;
    for tenant in ["acme", "other"] {
        store.create_tenant(trial.tenant(tenant)).await.unwrap();
    }
    for number in (0..25).rev() {
        let tenant = if number % 5 == 4 { "other" } else { "acme" };
        store.create_bucket(trial.bucket(&format!("bucket-{number:02}"), tenant)).await.unwrap();
    }
    let expected: Vec<String> = (0..25).filter(|number| number % 5 != 4).map(|number| format!("bucket-{number:02}")).collect();
    for limit in [1, 7, 10, 20, 21] {
        assert_eq!(names(&*store, None, limit).await, expected, "by {limit}");
    }
    let page = store.buckets(&name("acme"), None, Some(&name("bucket-21")), 2).await.unwrap();
    assert_eq!(page.buckets.len(), 2);
    assert_eq!(page.next, None, "the last page, though it is full");
    let page = store.buckets(&name("acme"), None, Some(&name("bucket-0z")), 1).await.unwrap();
    assert_eq!(page.next, Some(name("bucket-10")), "after a name that is not there");
}

/// Only those of the region asked for.
pub async fn buckets_come_by_region(trial: Trial) {
    let store = trial.open_furnished().await;
    for number in 0..9 {
        let region = name(if number % 3 == 0 { "EMEA" } else { "APAC" });
        let bucket = BucketRow { region, ..trial.bucket(&format!("bucket-{number}"), "acme") };
        store.create_bucket(bucket).await.unwrap();
    }
    for limit in [1, 2, 3, 100] {
        assert_eq!(names(&*store, Some("EMEA"), limit).await, ["bucket-0", "bucket-3", "bucket-6"], "by {limit}");
        assert_eq!(names(&*store, Some("nowhere"), limit).await, [""; 0]);
    }
}

/// While the object's retention lasts.
pub async fn a_bucket_that_holds_an_object_stays(trial: Trial) {
    let store = trial.open_furnished().await;
    let publication = Publication { expires_at: Some(trial.tomorrow()), ..trial.publication("a") };
    let object = store.publish(publication).await.unwrap().object;
    let deleted = store.delete_bucket(&name("acme"), &object.bucket, trial.now()).await;
    assert!(matches!(deleted, Err(MetadataError::NotEmpty { .. })), "{deleted:?}");
    assert_eq!(store.object(&object.bucket, &object.key).await.unwrap(), Some(object.clone()));
    trial.clock.advance(DAY);
    store.delete_bucket(&name("acme"), &object.bucket, trial.now()).await.unwrap();
    assert_eq!(store.object(&object.bucket, &object.key).await.unwrap(), None);
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), [object.blob]);
    store.create_bucket(trial.bucket("reports", "acme")).await.unwrap();
}

/// With their parts' blobs doomed and their secrets gone.
pub async fn a_deleted_bucket_takes_its_uploads_along(trial: Trial) {
    let store = trial.open_furnished().await;
    let (upload, secret) = (trial.upload("a"), trial.digest());
    let part = trial.part(&upload, 1);
    store.create_upload(upload.clone()).await.unwrap();
    store.put_part(part.clone(), trial.now()).await.unwrap();
    store.create_upload_secret(&upload.id, secret, trial.tomorrow()).await.unwrap();
    store.delete_bucket(&name("acme"), &name("reports"), trial.now()).await.unwrap();
    assert_eq!(store.upload(&upload.id).await.unwrap(), None);
    assert_eq!(store.upload_by_secret(&secret).await.unwrap(), None);
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), [part.blob]);
}

/// `NotFound`.
pub async fn a_bucket_that_is_not_there_is_not_deleted(trial: Trial) {
    let store = trial.open_furnished().await;
    let deleted = store.delete_bucket(&name("acme"), &name("nothing"), trial.now()).await;
    assert!(matches!(deleted, Err(MetadataError::NotFound { .. })), "{deleted:?}");
    store.delete_bucket(&name("acme"), &name("reports"), trial.now()).await.unwrap();
    let again = store.delete_bucket(&name("acme"), &name("reports"), trial.now()).await;
    assert!(matches!(again, Err(MetadataError::NotFound { .. })), "{again:?}");
}

/// `NotFound` for everybody else: it may have changed hands since it was last looked at.
pub async fn a_bucket_is_deleted_by_its_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let deleted = store.delete_bucket(&name("other"), &name("reports"), trial.now()).await;
    assert!(matches!(deleted, Err(MetadataError::NotFound { .. })), "{deleted:?}");
    assert!(store.bucket(&name("reports")).await.unwrap().is_some());
}

/// And private again; `NotFound` for everybody else.
pub async fn a_bucket_is_made_public_by_its_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let bucket = store.bucket(&name("reports")).await.unwrap().unwrap();
    for public in [true, true, false] {
        let changed = store.set_bucket_public(&bucket.tenant, &bucket.name, public).await.unwrap();
        assert_eq!(changed, BucketRow { public, ..bucket.clone() });
        assert_eq!(store.bucket(&bucket.name).await.unwrap(), Some(changed));
        for (tenant, bucket) in [("other", "reports"), ("acme", "nothing")] {
            let changed = store.set_bucket_public(&name(tenant), &name(bucket), !public).await;
            assert!(matches!(changed, Err(MetadataError::NotFound { .. })), "{tenant} {bucket}: {changed:?}");
        }
        assert_eq!(store.bucket(&bucket.name).await.unwrap().map(|bucket| bucket.public), Some(public));
    }
}

/// The names on all pages of the tenant `acme`; every page but the last is full.
async fn names(store: &dyn MetadataStore, region: Option<&str>, limit: u32) -> Vec<String> {
    let region: Option<Region> = region.map(name);
    let (mut names, mut after): (Vec<String>, Option<BucketName>) = (Vec::new(), None);
    loop {
        let page = store.buckets(&name("acme"), region.as_ref(), after.as_ref(), limit).await.unwrap();
        assert!(page.buckets.len() <= limit as usize);
        names.extend(page.buckets.iter().map(|bucket| bucket.name.to_string()));
        match page.next {
            Some(next) => {
                assert_eq!((page.buckets.len(), page.buckets.last().map(|bucket| &bucket.name)), (limit as usize, Some(&next)));
                after = Some(next);
            }
            None => return names,
        }
    }
}
