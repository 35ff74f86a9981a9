//! Uploads in parts.

use super::{Trial, name};
use std::collections::HashSet;
use std::sync::Arc;
use valetkey_metadata::{MetadataError, MetadataStore, PartRow, Publication, PublishError, UploadRow};
use valetkey_model::{BlobId, SecretDigest};

/// Without parts at first.
pub async fn an_upload_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload("تقرير/😀");
    store.create_upload(upload.clone()).await.unwrap();
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload.clone(), Vec::new())));
    let again = store.create_upload(upload).await;
    assert!(matches!(again, Err(MetadataError::AlreadyExists { .. })), "{again:?}");
    assert_eq!(store.upload(&trial.upload("b").id).await.unwrap(), None);
}

/// `NotFound`.
pub async fn an_upload_needs_its_bucket(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = UploadRow { bucket: name("nothing"), ..trial.upload("a") };
    let made = store.create_upload(upload).await;
    assert!(matches!(made, Err(MetadataError::NotFound { .. })), "{made:?}");
}

/// Whatever the order in which they came.
pub async fn parts_come_by_number(trial: Trial) {
    let store = trial.open_furnished().await;
    let (upload, other) = (trial.upload("a"), trial.upload("a"));
    store.create_upload(upload.clone()).await.unwrap();
    store.create_upload(other.clone()).await.unwrap();
    let mut parts: Vec<PartRow> = [10_000, 2, 300, 1].iter().map(|number| trial.part(&upload, *number)).collect();
    for part in &parts {
        store.put_part(part.clone(), trial.now()).await.unwrap();
    }
    store.put_part(trial.part(&other, 4), trial.now()).await.unwrap();
    parts.sort_by_key(|part| part.number);
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload, parts)));
}

/// But not by itself, told twice.
pub async fn a_replaced_part_is_doomed(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload("a");
    store.create_upload(upload.clone()).await.unwrap();
    let (first, second) = (trial.part(&upload, 1), trial.part(&upload, 1));
    store.put_part(first.clone(), trial.now()).await.unwrap();
    store.put_part(first.clone(), trial.now()).await.unwrap();
    assert_eq!(doomed(&trial, &*store).await, HashSet::new());
    store.put_part(second.clone(), trial.now()).await.unwrap();
    assert_eq!(doomed(&trial, &*store).await, HashSet::from([first.blob]));
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload, vec![second])));
}

/// `NotFound`, and its blob stays unknown: the caller discards it.
pub async fn a_part_needs_its_upload(trial: Trial) {
    let store = trial.open_furnished().await;
    let part = trial.part(&trial.upload("a"), 1);
    let put = store.put_part(part.clone(), trial.now()).await;
    assert!(matches!(put, Err(MetadataError::NotFound { .. })), "{put:?}");
    assert!(store.known_blobs(&[part.blob]).await.unwrap().is_empty());
}

/// And when it expires, or has: the caller compares.
pub async fn a_secret_finds_its_upload(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload("a");
    store.create_upload(upload.clone()).await.unwrap();
    let (first, second) = (trial.digest(), trial.digest());
    store.create_upload_secret(&upload.id, first, trial.now()).await.unwrap();
    store.create_upload_secret(&upload.id, second, trial.tomorrow()).await.unwrap();
    assert_eq!(store.upload_by_secret(&first).await.unwrap(), Some((upload.clone(), trial.now())));
    assert_eq!(store.upload_by_secret(&second).await.unwrap(), Some((upload, trial.tomorrow())));
    assert_eq!(store.upload_by_secret(&trial.digest()).await.unwrap(), None);
    let orphan = store.create_upload_secret(&trial.upload("b").id, trial.digest(), trial.tomorrow()).await;
    assert!(matches!(orphan, Err(MetadataError::NotFound { .. })), "{orphan:?}");
}

/// Its parts and secrets go with it.
pub async fn a_deleted_upload_leaves_only_doomed_blobs(trial: Trial) {
    let store = trial.open_furnished().await;
    let (upload, parts, secret) = begun(&trial, &*store, 3).await;
    assert!(store.delete_upload(&upload.id, trial.now()).await.unwrap());
    assert!(!store.delete_upload(&upload.id, trial.now()).await.unwrap());
    assert_eq!(store.upload(&upload.id).await.unwrap(), None);
    assert_eq!(store.upload_by_secret(&secret).await.unwrap(), None);
    assert_eq!(doomed(&trial, &*store).await, parts.iter().map(|part| part.blob).collect());
}

/// Its parts' blobs are doomed, but for one that became the object.
pub async fn a_completed_upload_is_gone(trial: Trial) {
    let store = trial.open_furnished().await;
    let (upload, parts, secret) = begun(&trial, &*store, 3).await;
    let joined = Publication { completes: Some(upload.id), ..trial.publication("a") };
    store.publish(joined).await.unwrap();
    assert_eq!(store.upload(&upload.id).await.unwrap(), None);
    assert_eq!(store.upload_by_secret(&secret).await.unwrap(), None);
    let mut expected: HashSet<BlobId> = parts.iter().map(|part| part.blob).collect();
    assert_eq!(doomed(&trial, &*store).await, expected);

    let (upload, parts, _) = begun(&trial, &*store, 1).await;
    let kept = Publication { blob: parts[0].blob, completes: Some(upload.id), ..trial.publication("b") };
    assert_eq!(store.publish(kept).await.unwrap().object.blob, parts[0].blob);
    assert_eq!(store.upload(&upload.id).await.unwrap(), None);
    assert_eq!(doomed(&trial, &*store).await, expected);
    store.delete_object(&name("acme"), &name("reports"), &name("b"), None, trial.now()).await.unwrap();
    expected.insert(parts[0].blob);
    assert_eq!(doomed(&trial, &*store).await, expected);
}

/// The second is told `NotFound`, and changes nothing; so is one whose upload was thrown away.
pub async fn an_upload_completes_once(trial: Trial) {
    let store = trial.open_furnished().await;
    let (upload, ..) = begun(&trial, &*store, 2).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let publication = Publication { completes: Some(upload.id), ..trial.publication("a") };
        let store = Arc::clone(&store);
        racers.spawn(async move { store.publish(publication).await });
    }
    let answers = racers.join_all().await;
    let winners: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    for answer in answers.iter().filter(|answer| answer.is_err()) {
        assert!(matches!(answer, Err(PublishError::Store(MetadataError::NotFound { .. }))), "{answer:?}");
    }
    let object = store.object(&name("reports"), &name("a")).await.unwrap().unwrap();
    assert_eq!(object, winners[0].object);
    assert_eq!(doomed(&trial, &*store).await.len(), 2);
}

async fn doomed(trial: &Trial, store: &dyn MetadataStore) -> HashSet<BlobId> {
    store.doomed_blobs(trial.now(), 100).await.unwrap().into_iter().collect()
}

/// An upload with parts and a secret.
async fn begun(trial: &Trial, store: &dyn MetadataStore, n_parts: u32) -> (UploadRow, Vec<PartRow>, SecretDigest) {
    let (upload, secret) = (trial.upload("a"), trial.digest());
    store.create_upload(upload.clone()).await.unwrap();
    store.create_upload_secret(&upload.id, secret, trial.tomorrow()).await.unwrap();
    let parts: Vec<_> = (1..=n_parts).map(|number| trial.part(&upload, number)).collect();
    for part in &parts {
        store.put_part(part.clone(), trial.now()).await.unwrap();
    }
    (upload, parts, secret)
}
