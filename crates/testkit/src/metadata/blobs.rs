//! Blobs: which ones rows name, which ones may be deleted.

use super::sample::DAY;
use super::{Trial, name};
use std::collections::HashSet;

/// Objects, parts, and blobs that are doomed.
pub async fn known_blobs_are_those_that_rows_name(trial: Trial) {
    let store = trial.open_furnished().await;
    let replaced = trial.published(&*store, "a").await.object.blob;
    let current = trial.published(&*store, "a").await.object.blob;
    let upload = trial.upload("b");
    let part = trial.part(&upload, 1);
    store.create_upload(upload).await.unwrap();
    store.put_part(part.clone(), trial.now()).await.unwrap();
    let asked = [trial.blob(), replaced, current, part.blob, trial.blob()];
    assert_eq!(store.known_blobs(&asked).await.unwrap(), HashSet::from([replaced, current, part.blob]));
    assert!(store.known_blobs(&[]).await.unwrap().is_empty());
}

/// Those doomed at the instant asked for or before, as many as asked for.
pub async fn doomed_blobs_come_oldest_first(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut doomed = Vec::new();
    for _ in 0..5 {
        let object = trial.published(&*store, "a").await.object;
        trial.clock.advance(DAY);
        store.delete_object(&name("acme"), &name("reports"), &name("a"), None, trial.now()).await.unwrap();
        doomed.push(object.blob);
    }
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), doomed);
    assert_eq!(store.doomed_blobs(trial.now(), 2).await.unwrap(), doomed[..2]);
    assert_eq!(store.doomed_blobs(trial.now().minus(DAY * 2), 10).await.unwrap(), doomed[..3]);
    assert_eq!(store.doomed_blobs(trial.now().minus(DAY * 5), 10).await.unwrap(), []);
}

/// Again, and together with blobs that are not doomed: those stay known.
pub async fn forgotten_blobs_are_unknown(trial: Trial) {
    let store = trial.open_furnished().await;
    let replaced = trial.published(&*store, "a").await.object.blob;
    let current = trial.published(&*store, "a").await.object.blob;
    for _ in 0..2 {
        store.forget_blobs(&[replaced, current, trial.blob()]).await.unwrap();
        assert_eq!(store.known_blobs(&[replaced, current]).await.unwrap(), HashSet::from([current]));
        assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), []);
    }
}
