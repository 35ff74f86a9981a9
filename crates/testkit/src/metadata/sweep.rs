//! The sweep: what time has ended goes.

use super::sample::DAY;
use super::{Trial, name};
use std::collections::HashSet;
use valetkey_metadata::{EXPIRED_LINKS_KEPT, LinkRow, MetadataStore, Publication, Swept, UploadRow};
use valetkey_model::Timestamp;

/// From the very instant on, and nothing else.
pub async fn a_sweep_takes_what_time_has_ended(trial: Trial) {
    let store = trial.open_furnished().await;
    let ends = Publication { expires_at: Some(trial.tomorrow()), ..trial.publication("ends") };
    let ended = store.publish(ends).await.unwrap().object;
    let stays = trial.published(&*store, "stays").await.object;
    let (grant, revocation) = (trial.grant(), trial.revocation(trial.link_id()));
    store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    store.revoke(vec![revocation.clone()]).await.unwrap();

    let just_before = Timestamp::from_micros(trial.tomorrow().as_micros() - 1);
    assert_eq!(store.sweep(just_before, 100).await.unwrap(), Swept::default());
    let swept = store.sweep(trial.tomorrow(), 100).await.unwrap();
    assert_eq!(swept, Swept { expired_objects: vec![(name("reports"), name("ends"))], n_rows: 2 });
    assert_eq!(store.object(&name("reports"), &name("ends")).await.unwrap(), None);
    assert_eq!(store.object(&name("reports"), &name("stays")).await.unwrap(), Some(stays));
    assert_eq!(store.ledger(&grant).await.unwrap(), None);
    assert_eq!(store.revocations(trial.now(), None, 1_000).await.unwrap(), []);
    let doomed: HashSet<_> = store.doomed_blobs(trial.tomorrow(), 100).await.unwrap().into_iter().collect();
    assert_eq!(doomed, HashSet::from([ended.blob]));
    assert_eq!(store.doomed_blobs(just_before, 100).await.unwrap(), [], "doomed by the sweep's instant");
    assert_eq!(store.sweep(trial.tomorrow(), 100).await.unwrap(), Swept::default());
}

/// Of each kind; the oldest first.
pub async fn a_sweep_minds_its_limit(trial: Trial) {
    let store = trial.open_furnished().await;
    for number in 0..5_u32 {
        let expires_at = Some(trial.tomorrow().plus(DAY * (5 - number)));
        store.publish(Publication { expires_at, ..trial.publication(&number.to_string()) }).await.unwrap();
        store.revoke(vec![trial.revocation(trial.link_id())]).await.unwrap();
        store.reserve(&trial.grant(), trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    }
    let now = trial.tomorrow().plus(DAY * 10);
    let mut n_rows = Vec::new();
    let mut keys = Vec::new();
    for _ in 0..4 {
        let swept = store.sweep(now, 2).await.unwrap();
        n_rows.push(swept.n_rows);
        keys.push(swept.expired_objects.iter().map(|(_, key)| key.to_string()).collect::<HashSet<_>>());
    }
    assert_eq!(n_rows, [4, 4, 2, 0]);
    let expected: [&[&str]; 4] = [&["4", "3"], &["2", "1"], &["0"], &[]];
    for (found, expected) in keys.iter().zip(expected) {
        assert_eq!(*found, expected.iter().map(|key| (*key).to_owned()).collect::<HashSet<_>>());
    }
}

/// From the very instant on, the oldest first; their pieces are doomed.
pub async fn uploads_end_by_themselves(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut expected = HashSet::new();
    for number in 0..5_u32 {
        let upload = UploadRow { expires_at: trial.tomorrow().plus(DAY * number), ..trial.upload("a") };
        store.create_upload(upload.clone()).await.unwrap();
        let part = trial.part(&upload, 1);
        store.put_part(part.clone(), trial.now()).await.unwrap();
        expected.extend((number < 4).then_some(part.blob));
    }
    assert_eq!(store.sweep(trial.tomorrow().plus(DAY * 9), 100).await.unwrap(), Swept::default(), "not with the rest");
    let just_before = Timestamp::from_micros(trial.tomorrow().as_micros() - 1);
    assert_eq!(store.sweep_uploads(just_before, 2).await.unwrap(), 0);
    let now = trial.tomorrow().plus(DAY * 3);
    let mut n_ended = Vec::new();
    for _ in 0..3 {
        n_ended.push(store.sweep_uploads(now, 2).await.unwrap());
    }
    assert_eq!(n_ended, [2, 2, 0]);
    assert_eq!(store.uploads(&name("acme"), None, 10).await.unwrap().len(), 1);
    let doomed: HashSet<_> = store.doomed_blobs(now, 100).await.unwrap().into_iter().collect();
    assert_eq!(doomed, expected);
}

/// So that its holder is told that it has expired, and not that there never was one.
pub async fn an_expired_link_is_kept_a_while(trial: Trial) {
    let store = trial.open_furnished().await;
    let (old, young) = (trial.link("a"), LinkRow { expires_at: trial.now().plus(DAY * 400), ..trial.link("a") });
    store.create_links(vec![old.clone(), young.clone()]).await.unwrap();
    let end = old.expires_at.plus(EXPIRED_LINKS_KEPT);
    assert_eq!(store.sweep(Timestamp::from_micros(end.as_micros() - 1), 100).await.unwrap(), Swept::default());
    assert_eq!(store.link_by_secret(&old.secret).await.unwrap(), Some(old.clone()));
    assert_eq!(store.sweep(end, 100).await.unwrap().n_rows, 2, "the link and its URL");
    assert_eq!(store.url(&old.tenant, &old.link_id).await.unwrap(), None);
    assert_eq!(store.link_by_secret(&old.secret).await.unwrap(), None);
    assert_eq!(store.link_by_secret(&young.secret).await.unwrap(), Some(young));
}

/// The latest of the instants counts.
pub async fn a_ledger_is_kept_as_long_as_anyone_asked(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let reserve = async |forget_at: Timestamp| {
        let ask = valetkey_metadata::ledger::Ask { rules: twice(), ..trial.ask() };
        MetadataStore::reserve(&*store, &grant, forget_at, ask).await.unwrap().unwrap();
    };
    reserve(trial.tomorrow().plus(DAY)).await;
    reserve(trial.tomorrow()).await;
    assert_eq!(store.sweep(trial.tomorrow(), 100).await.unwrap().n_rows, 0);
    assert_eq!(store.sweep(trial.tomorrow().plus(DAY), 100).await.unwrap().n_rows, 1);
}

fn twice() -> valetkey_metadata::ledger::Rules {
    valetkey_metadata::ledger::Rules::new(std::num::NonZeroU32::MIN.saturating_add(1))
}
