//! Writes: each by itself though they are committed together, and there for good.

use super::sample::DAY;
use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{MetadataError, Publication, PublishError};
use valetkey_model::Refusal;

/// Those before it in the queue and those behind it stay.
pub async fn one_failure_among_a_hundred_writes_fails_alone(trial: Trial) {
    let store = trial.open_furnished().await;
    trial.published(&*store, "taken").await;
    let (spend, mut writes) = (trial.spend(1), tokio::task::JoinSet::new());
    for number in 0..101 {
        let publication = match number {
            // Refused only after it has spent its use: that must be taken back too.
            50 => Publication { spend: Some(spend.clone()), ..trial.creation("taken") },
            _ => trial.creation(&format!("{number:03}")),
        };
        let store = Arc::clone(&store);
        writes.spawn(async move { (number, store.publish(publication).await) });
    }
    for (number, answer) in writes.join_all().await {
        match (number, answer) {
            (50, Err(PublishError::Refused(Refusal::Exists))) => {}
            (50, answer) => panic!("{answer:?}"),
            (_, answer) => assert_eq!(answer.unwrap().object.key.to_string(), format!("{number:03}")),
        }
    }
    assert_eq!(store.ledger(&spend.grant).await.unwrap(), None);
    let page = store.objects(&name("reports"), "", None, 1_000, trial.now()).await.unwrap();
    assert_eq!(page.objects.len(), 101);
}

/// A row of every kind.
pub async fn everything_is_there_after_reopening(trial: Trial) {
    let store = trial.open_furnished().await;
    let signing_key = trial.signing_key("k", "acme");
    store.create_signing_key(signing_key.clone()).await.unwrap();
    let replaced = trial.published(&*store, "a").await.object;
    let object = trial.published(&*store, "a").await.object;
    let (link, revocation) = (trial.link("a"), trial.revocation(trial.link_id()));
    store.create_links(vec![link.clone()]).await.unwrap();
    store.revoke(vec![revocation.clone()]).await.unwrap();
    let reservation = store.reserve_file(trial.reservation("c")).await.unwrap();
    let (upload, secret) = (trial.upload("b"), trial.digest());
    let part = trial.part(&upload, 1);
    store.create_upload(upload.clone()).await.unwrap();
    store.put_part(part.clone(), trial.now()).await.unwrap();
    store.create_upload_secret(&upload.id, secret, trial.tomorrow()).await.unwrap();
    let grant = trial.grant();
    store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    let before = (
        store.tenants().await.unwrap(),
        store.api_keys().await.unwrap(),
        store.bucket(&name("reports")).await.unwrap(),
        store.ledger(&grant).await.unwrap(),
    );
    drop(store);

    let store = trial.open().await;
    let after = (
        store.tenants().await.unwrap(),
        store.api_keys().await.unwrap(),
        store.bucket(&name("reports")).await.unwrap(),
        store.ledger(&grant).await.unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!((after.0.len(), after.1.len(), after.2.is_some(), after.3.is_some()), (1, 1, true, true));
    assert_eq!(store.signing_keys().await.unwrap(), [signing_key]);
    assert_eq!(store.object(&object.bucket, &object.key).await.unwrap(), Some(object));
    assert_eq!(store.reservation(&reservation.bucket, &reservation.key).await.unwrap(), Some(reservation));
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), [replaced.blob]);
    assert_eq!(store.link_by_secret(&link.secret).await.unwrap(), Some(link));
    assert_eq!(store.revocations(trial.now(), None, 1_000).await.unwrap(), [revocation]);
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload.clone(), vec![part])));
    assert_eq!(store.upload_by_secret(&secret).await.unwrap(), Some((upload, trial.tomorrow())));
}

/// By the store's clock; reads and refused writes do not move it, and it survives the store.
pub async fn the_time_floor_is_the_latest_write(trial: Trial) {
    let store = trial.open().await;
    assert_eq!(store.time_floor().await.unwrap(), None);
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let first = trial.now();
    assert_eq!(store.time_floor().await.unwrap(), Some(first));
    trial.clock.advance(DAY);
    let again = store.create_tenant(trial.tenant("acme")).await;
    assert!(matches!(again, Err(MetadataError::AlreadyExists { .. })), "{again:?}");
    store.tenants().await.unwrap();
    assert_eq!(store.time_floor().await.unwrap(), Some(first));
    store.create_tenant(trial.tenant("other")).await.unwrap();
    drop(store);
    assert_eq!(trial.open().await.time_floor().await.unwrap(), Some(trial.now()));
}

/// Empty or not.
pub async fn a_store_that_is_there_answers(trial: Trial) {
    let store = trial.open().await;
    store.ping().await.unwrap();
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    store.ping().await.unwrap();
}
