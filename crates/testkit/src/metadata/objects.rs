//! Objects: publishing and deleting.

use super::sample::DAY;
use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{
    ApiKeyChange, ApiKeyRow, GrantKey, Guard, MetadataError, MetadataStore, ObjectRow, Publication, PublishCondition,
    PublishError, Published, RevocationRow, Spend, Taken, UrlMarks,
};
use valetkey_model::{BlobId, FileId, ObjectKey, PutMode, Refusal, Scopes, Timestamp};

/// With every field and with none; keys are kept as given.
pub async fn an_object_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    let full = Publication {
        file_name: Some("Bericht \u{202e}😀.pdf".to_owned()),
        user_metadata: Some("{\"ü\": \"\\u0000'\"}".to_owned()),
        size_bytes: u64::from(u32::MAX) * 1_000,
        sha1: Some(trial.random()),
        md5: Some(trial.random()),
        expires_at: Some(trial.tomorrow()),
        ..trial.creation("تقرير/😀 a+b%2F'\";--.pdf")
    };
    let plain = Publication { content_type: None, size_bytes: 0, ..trial.creation("e\u{301}") };
    for publication in [full, plain] {
        let expected = ObjectRow {
            bucket: publication.bucket.clone(),
            key: publication.key.clone(),
            file_id: publication.new_file_id,
            file_number: publication.new_file_number,
            blob: publication.blob,
            size_bytes: publication.size_bytes,
            content_type: publication.content_type.clone(),
            file_name: publication.file_name.clone(),
            user_metadata: publication.user_metadata.clone(),
            sha256: publication.sha256,
            sha1: publication.sha1,
            md5: publication.md5,
            created_at: publication.now,
            modified_at: publication.now,
            expires_at: publication.expires_at,
        };
        let published = store.publish(publication).await.unwrap();
        assert_eq!(published, Published { object: expected.clone(), replaced: false });
        assert_eq!(object(&*store, expected.key.as_str()).await, Some(expected));
    }
    assert_eq!(object(&*store, "\u{e9}").await, None, "keys are not normalised");
}

/// The incarnation stays, its beginning too; the bytes replaced are doomed.
pub async fn an_overwrite_makes_a_generation(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    trial.clock.advance(DAY);
    let second = trial.published(&*store, "a").await;
    assert!(second.replaced);
    assert_eq!((second.object.file_id, second.object.created_at), (first.file_id, first.created_at));
    assert_eq!(second.object.modified_at, trial.now());
    assert_ne!(second.object.blob, first.blob);
    assert_eq!(object(&*store, "a").await, Some(second.object));
    assert_eq!(doomed(&trial, &*store).await, [first.blob]);
}

/// What is created again is another incarnation.
pub async fn a_deletion_ends_the_incarnation(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    assert_eq!(delete(&trial, &*store, "a", None).await, Some(first.clone()));
    assert_eq!(object(&*store, "a").await, None);
    assert_eq!(doomed(&trial, &*store).await, [first.blob]);
    assert_eq!(delete(&trial, &*store, "a", None).await, None);
    let second = store.publish(trial.creation("a")).await.unwrap();
    assert!(!second.replaced);
    assert_ne!(second.object.file_id, first.file_id);
}

/// Another incarnation than the one named stays.
pub async fn a_deletion_minds_the_incarnation(trial: Trial) {
    let store = trial.open_furnished().await;
    let there = trial.published(&*store, "a").await.object;
    assert_eq!(delete(&trial, &*store, "a", Some(trial.file_id())).await, None);
    assert_eq!(object(&*store, "a").await, Some(there.clone()));
    assert_eq!(delete(&trial, &*store, "a", Some(there.file_id)).await, Some(there));
}

/// From the very instant at which its retention ends.
pub async fn an_ended_object_counts_as_absent(trial: Trial) {
    let store = trial.open_furnished().await;
    let ends = Publication { expires_at: Some(trial.tomorrow()), ..trial.creation("a") };
    let first = store.publish(ends).await.unwrap().object;
    assert_eq!(refusal(&*store, trial.creation("a")).await, Refusal::Exists);
    trial.clock.advance(DAY);
    assert_eq!(object(&*store, "a").await, Some(first.clone()), "the caller compares");
    assert_eq!(refusal(&*store, bound(&trial, None, Some(first.file_id))).await, Refusal::ObjectGone);
    assert_eq!(refusal(&*store, bound(&trial, Some(first.blob), None)).await, Refusal::Exists);
    let second = store.publish(trial.creation("a")).await.unwrap();
    assert!(!second.replaced);
    assert_ne!(second.object.file_id, first.file_id);
    assert_eq!(second.object.created_at, trial.now());
    assert_eq!(doomed(&trial, &*store).await, [first.blob]);
}

/// `Exists`.
pub async fn create_refuses_what_is_there(trial: Trial) {
    let store = trial.open_furnished().await;
    let there = store.publish(trial.creation("a")).await.unwrap().object;
    assert_eq!(refusal(&*store, trial.creation("a")).await, Refusal::Exists);
    assert_eq!(object(&*store, "a").await, Some(there));
}

/// `Exists` if it is another one, or none.
pub async fn a_named_generation_must_be_current(trial: Trial) {
    let store = trial.open_furnished().await;
    assert_eq!(refusal(&*store, bound(&trial, Some(trial.blob()), None)).await, Refusal::Exists);
    let first = trial.published(&*store, "a").await.object;
    let second = store.publish(bound(&trial, Some(first.blob), None)).await.unwrap().object;
    assert_eq!(refusal(&*store, bound(&trial, Some(first.blob), None)).await, Refusal::Exists);
    assert_eq!(object(&*store, "a").await, Some(second));
}

/// `ObjectGone` if it is another one, or none; that comes before a generation that is not current.
pub async fn a_named_incarnation_must_be_there(trial: Trial) {
    let store = trial.open_furnished().await;
    assert_eq!(refusal(&*store, bound(&trial, None, Some(trial.file_id()))).await, Refusal::ObjectGone);
    let first = trial.published(&*store, "a").await.object;
    let second = store.publish(bound(&trial, None, Some(first.file_id))).await.unwrap().object;
    assert_eq!(second.file_id, first.file_id, "an overwrite does not end it");
    delete(&trial, &*store, "a", None).await;
    trial.published(&*store, "a").await;
    assert_eq!(refusal(&*store, bound(&trial, Some(first.blob), Some(first.file_id))).await, Refusal::ObjectGone);
}

/// `NotFound`.
pub async fn a_bucket_must_be_there(trial: Trial) {
    let store = trial.open_furnished().await;
    let publication = Publication { bucket: name("nothing"), ..trial.publication("a") };
    let blob = publication.blob;
    let answer = store.publish(publication).await;
    assert!(matches!(answer, Err(PublishError::Store(MetadataError::NotFound { .. }))), "{answer:?}");
    assert!(store.known_blobs(&[blob]).await.unwrap().is_empty());
}

/// `Revoked`, whether or not the revocation need be remembered; only its own tenant's counts.
pub async fn a_revoked_link_publishes_nothing(trial: Trial) {
    let store = trial.open_furnished().await;
    let link_id = trial.link_id();
    let by_link = |key: &str| {
        let guard =
            Guard { tenant: name("acme"), url: Some(UrlMarks::of_link(link_id, trial.now())), api_key: Some(name("cid")) };
        Publication { guard, ..trial.publication(key) }
    };
    store.revoke(vec![RevocationRow { tenant: name("other"), ..trial.revocation(link_id) }]).await.unwrap();
    store.publish(by_link("a")).await.unwrap();
    store.revoke(vec![RevocationRow { forget_at: trial.now(), ..trial.revocation(link_id) }]).await.unwrap();
    assert_eq!(refusal(&*store, by_link("b")).await, Refusal::Revoked);
    assert_eq!(object(&*store, "b").await, None);
}

/// By whatever the URL has in common with others, as far as it was issued by then; only its own tenant's counts.
pub async fn a_broadly_revoked_url_publishes_nothing(trial: Trial) {
    let store = trial.open_furnished().await;
    let of = |bucket: &str, prefix: &str| Taken::Prefix { bucket: name(bucket), prefix: prefix.to_owned() };
    let at = |bucket: &str, key: &str| Taken::Object { bucket: name(bucket), key: name(key) };
    let by = |issued_at: Timestamp, label: &str, key: &str| {
        let signing_key = Some(name("app-1"));
        let url = Some(UrlMarks { link_id: trial.link_id(), signing_key, label: Some(label.to_owned()), issued_at });
        let guard = Guard { tenant: name("acme"), url, api_key: Some(name("cid")) };
        Publication { guard, ..trial.publication(key) }
    };
    let now = trial.now();
    for (number, (taken, misses)) in [
        (Taken::Label("0".to_owned()), Taken::Label("1".to_owned())),
        (at("reports", "1/a"), at("reports", "1/b")),
        (of("reports", "2/"), of("others", "2/")),
        (Taken::SigningKey(name("app-1")), Taken::SigningKey(name("cid"))),
        (Taken::ApiKey(name("cid")), Taken::ApiKey(name("app-1"))),
        (Taken::Tenant, Taken::Label(String::new())),
    ]
    .into_iter()
    .enumerate()
    {
        let (label, key) = (number.to_string(), format!("{number}/a"));
        let missed = trial.broad_revocation(misses);
        let theirs = RevocationRow { tenant: name("other"), ..trial.broad_revocation(taken.clone()) };
        // Those of one before would hit this one, too, were they not over.
        let earlier = now.minus(DAY * (100 - u32::try_from(number).unwrap()));
        let revoked = RevocationRow { issued_until: earlier, ..trial.broad_revocation(taken.clone()) };
        store.revoke(vec![RevocationRow { issued_until: earlier, ..missed }, theirs, revoked]).await.unwrap();
        let late = Timestamp::from_micros(earlier.as_micros() + 1);
        store.publish(by(late, &label, &key)).await.unwrap_or_else(|error| panic!("{taken:?}: {error}"));
        assert_eq!(refusal(&*store, by(earlier, &label, &key)).await, Refusal::Revoked, "{taken:?}");
    }
}

/// `IssuerDisabled` for a key that is missing, another tenant's, switched off, or at its expiry.
pub async fn a_disabled_issuer_publishes_nothing(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let keys = [
        ApiKeyRow { disabled_at: Some(trial.now()), ..trial.api_key("off", "acme") },
        ApiKeyRow { expires_at: Some(trial.now()), ..trial.api_key("expired", "acme") },
        ApiKeyRow { expires_at: Some(trial.tomorrow()), ..trial.api_key("live", "acme") },
        trial.api_key("foreign", "other"),
    ];
    for key in keys {
        store.create_api_key(key).await.unwrap();
    }
    let by = |api_key: &str| {
        let guard = Guard { tenant: name("acme"), url: None, api_key: Some(name(api_key)) };
        Publication { guard, ..trial.publication(api_key) }
    };
    for api_key in ["missing", "off", "expired", "foreign"] {
        assert_eq!(refusal(&*store, by(api_key)).await, Refusal::IssuerDisabled, "{api_key}");
    }
    store.publish(by("live")).await.unwrap();
    let by_server = Guard { tenant: name("acme"), url: None, api_key: None };
    store.publish(Publication { guard: by_server, ..trial.publication("a") }).await.unwrap();
}

/// For everybody else there is nothing to delete.
pub async fn an_object_is_deleted_by_its_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let published = store.publish(trial.publication("a")).await.unwrap();
    for incarnation in [None, Some(published.object.file_id)] {
        let deleted = store.delete_object(&name("other"), &name("reports"), &name("a"), incarnation, trial.now()).await;
        assert_eq!(deleted.unwrap(), None);
    }
    assert_eq!(object(&*store, "a").await, Some(published.object));
}

/// `IssuerDisabled` for a key whose scopes or buckets do not permit it (any more): they are what they are at this instant.
pub async fn a_narrowed_issuer_publishes_nothing(trial: Trial) {
    let store = trial.open_furnished().await;
    let scopes = |words: &str| words.parse::<Scopes>().unwrap();
    let keys = [
        ApiKeyRow { scopes: scopes("object:read link:issue admin"), ..trial.api_key("reads", "acme") },
        ApiKeyRow { scopes: scopes("object:create"), ..trial.api_key("creates", "acme") },
        ApiKeyRow { scopes: scopes("object:write"), ..trial.api_key("writes", "acme") },
        ApiKeyRow { buckets: vec![name("archive")], ..trial.api_key("elsewhere", "acme") },
        ApiKeyRow { buckets: vec![name("archive"), name("reports")], ..trial.api_key("here", "acme") },
    ];
    for key in keys {
        store.create_api_key(key).await.unwrap();
    }
    let by = |api_key: &str, publication: Publication| {
        let guard = Guard { tenant: name("acme"), url: None, api_key: Some(name(api_key)) };
        Publication { guard, ..publication }
    };
    for api_key in ["reads", "creates", "elsewhere"] {
        assert_eq!(refusal(&*store, by(api_key, trial.publication("a"))).await, Refusal::IssuerDisabled, "{api_key}");
    }
    for api_key in ["writes", "here"] {
        store.publish(by(api_key, trial.publication("a"))).await.unwrap();
    }
    store.publish(by("creates", trial.creation("b"))).await.unwrap();
    let change = ApiKeyChange { scopes: Some(scopes("object:read")), ..ApiKeyChange::default() };
    store.update_api_key(&name("acme"), &name("creates"), change, trial.now()).await.unwrap();
    assert_eq!(refusal(&*store, by("creates", trial.creation("c"))).await, Refusal::IssuerDisabled);
}

/// `NotFound`, as if it were not there: it may have changed hands since the upload began.
pub async fn a_bucket_takes_nothing_from_another_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    store.create_api_key(trial.api_key("foreign", "other")).await.unwrap();
    let spend = Spend { grant: GrantKey { tenant: name("other"), ..trial.grant() }, ..trial.spend(1) };
    for api_key in [None, Some(name("foreign"))] {
        let guard = Guard { tenant: name("other"), url: None, api_key };
        let answer = store.publish(Publication { guard, spend: Some(spend.clone()), ..trial.publication("a") }).await;
        assert!(matches!(answer, Err(PublishError::Store(MetadataError::NotFound { what: "bucket" }))), "{answer:?}");
    }
    assert_eq!(object(&*store, "a").await, None);
    assert_eq!(store.ledger(&spend.grant).await.unwrap(), None, "nothing was spent");
}

/// As many as the grant has; then `UsedUp`.
pub async fn a_publication_spends_a_use(trial: Trial) {
    let store = trial.open_furnished().await;
    let spend = trial.spend(3);
    for n_spent in 1..=3 {
        store.publish(Publication { spend: Some(spend.clone()), ..trial.publication("a") }).await.unwrap();
        assert_eq!(store.ledger(&spend.grant).await.unwrap().unwrap().n_spent(), n_spent);
    }
    let fourth = Publication { spend: Some(spend.clone()), ..trial.publication("a") };
    assert_eq!(refusal(&*store, fourth).await, Refusal::UsedUp);
    let another = Publication { spend: Some(trial.spend(1)), ..trial.publication("a") };
    store.publish(another).await.unwrap();
}

/// Revoked, issuer, uses, condition.
pub async fn refusals_come_in_order(trial: Trial) {
    let store = trial.open_furnished().await;
    let (link_id, spend) = (trial.link_id(), trial.spend(1));
    store.publish(Publication { spend: Some(spend.clone()), ..trial.publication("a") }).await.unwrap();
    store.revoke(vec![trial.revocation(link_id)]).await.unwrap();
    let everything_wrong = || Publication {
        guard: Guard { tenant: name("acme"), url: Some(UrlMarks::of_link(link_id, trial.now())), api_key: Some(name("missing")) },
        spend: Some(spend.clone()),
        ..trial.creation("a")
    };
    let mut publication = everything_wrong();
    assert_eq!(refusal(&*store, publication).await, Refusal::Revoked);
    publication = everything_wrong();
    publication.guard.url = None;
    assert_eq!(refusal(&*store, publication).await, Refusal::IssuerDisabled);
    publication = everything_wrong();
    publication.guard = Guard { tenant: name("acme"), url: None, api_key: None };
    assert_eq!(refusal(&*store, publication).await, Refusal::UsedUp);
    publication = everything_wrong();
    publication.guard = Guard { tenant: name("acme"), url: None, api_key: None };
    publication.spend = None;
    assert_eq!(refusal(&*store, publication).await, Refusal::Exists);
}

/// Not the object, not the use, not the blob, not the upload.
pub async fn a_refusal_changes_nothing(trial: Trial) {
    let store = trial.open_furnished().await;
    let there = trial.published(&*store, "a").await.object;
    let (upload, spend) = (trial.upload("a"), trial.spend(1));
    let part = trial.part(&upload, 1);
    store.create_upload(upload.clone()).await.unwrap();
    store.put_part(part.clone(), trial.now()).await.unwrap();
    let publication = Publication { spend: Some(spend.clone()), completes: Some(upload.id), ..trial.creation("a") };
    let blob = publication.blob;
    assert_eq!(refusal(&*store, publication).await, Refusal::Exists);
    assert_eq!(object(&*store, "a").await, Some(there));
    assert_eq!(store.ledger(&spend.grant).await.unwrap(), None);
    assert!(store.known_blobs(&[blob]).await.unwrap().is_empty());
    assert!(doomed(&trial, &*store).await.is_empty());
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload, vec![part])));
}

/// Also where the uploads were complete at the same instant; the others are told `Exists`.
pub async fn of_many_creators_one_wins(trial: Trial) {
    let store = trial.open_furnished().await;
    let publications = (0..64).map(|_| trial.creation("wanted")).collect();
    let winners = race(&store, publications, Refusal::Exists).await;
    assert_eq!(winners.len(), 1);
    assert_eq!(object(&*store, "wanted").await, winners.into_iter().next());
}

/// Also where each wants to write another object; the others are told `UsedUp`.
pub async fn of_many_with_one_use_one_wins(trial: Trial) {
    let store = trial.open_furnished().await;
    let spend = trial.spend(1);
    let publications =
        (0..64).map(|number| Publication { spend: Some(spend.clone()), ..trial.publication(&number.to_string()) }).collect();
    let winners = race(&store, publications, Refusal::UsedUp).await;
    assert_eq!(winners.len(), 1);
    let page = store.objects(&name("reports"), "", None, 100, trial.now()).await.unwrap();
    assert_eq!(page.objects, winners);
}

/// A caller that lost the answer may ask again: the blob is not doomed by its own second try, and no second use is spent.
pub async fn a_publication_told_twice_is_one(trial: Trial) {
    let store = trial.open_furnished().await;
    let publication = Publication { spend: Some(trial.spend(1)), ..trial.creation("a") };
    let first = store.publish(publication.clone()).await.unwrap();
    let second = store.publish(publication).await.unwrap();
    assert_eq!(first, second);
    assert!(doomed(&trial, &*store).await.is_empty());
}

/// Two rows would be two owners: the first to be deleted would take the other's bytes along.
pub async fn a_blob_belongs_to_one_object(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    let answer = store.publish(Publication { blob: first.blob, ..trial.publication("b") }).await;
    assert!(matches!(answer, Err(PublishError::Store(MetadataError::AlreadyExists { .. }))), "{answer:?}");
}

/// It may be deleted at any moment.
pub async fn a_doomed_blob_is_not_published(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    delete(&trial, &*store, "a", None).await;
    let answer = store.publish(Publication { blob: first.blob, ..trial.publication("b") }).await;
    assert!(matches!(answer, Err(PublishError::Store(MetadataError::NotFound { .. }))), "{answer:?}");
    assert_eq!(object(&*store, "b").await, None);
}

/// Those of bytes that are gone have no effect.
pub async fn digests_are_recorded_later(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    store.record_digests(first.blob, [1; 20], [2; 16]).await.unwrap();
    let recorded = ObjectRow { sha1: Some([1; 20]), md5: Some([2; 16]), ..first.clone() };
    assert_eq!(object(&*store, "a").await, Some(recorded));
    let second = trial.published(&*store, "a").await.object;
    store.record_digests(first.blob, [3; 20], [4; 16]).await.unwrap();
    assert_eq!(object(&*store, "a").await, Some(second));
}

async fn object(store: &dyn MetadataStore, key: &str) -> Option<ObjectRow> {
    store.object(&name("reports"), &name::<ObjectKey>(key)).await.unwrap()
}

async fn delete(trial: &Trial, store: &dyn MetadataStore, key: &str, incarnation: Option<FileId>) -> Option<ObjectRow> {
    store.delete_object(&name("acme"), &name("reports"), &name::<ObjectKey>(key), incarnation, trial.now()).await.unwrap()
}

async fn doomed(trial: &Trial, store: &dyn MetadataStore) -> Vec<BlobId> {
    store.doomed_blobs(trial.now(), 100).await.unwrap()
}

/// A publication of `a` that names what must be there.
fn bound(trial: &Trial, replaces: Option<BlobId>, incarnation: Option<FileId>) -> Publication {
    let condition = PublishCondition { mode: PutMode::Replace, absent: false, replaces, incarnation };
    Publication { condition, ..trial.publication("a") }
}

/// The refusal that this publication meets.
async fn refusal(store: &dyn MetadataStore, publication: Publication) -> Refusal {
    match store.publish(publication).await {
        Err(PublishError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What those published that were not refused for the reason expected.
async fn race(store: &Arc<dyn MetadataStore>, publications: Vec<Publication>, expected: Refusal) -> Vec<ObjectRow> {
    let mut racers = tokio::task::JoinSet::new();
    for publication in publications {
        let store = Arc::clone(store);
        racers.spawn(async move { store.publish(publication).await });
    }
    let mut winners = Vec::new();
    for answer in racers.join_all().await {
        match answer {
            Ok(published) => winners.push(published.object),
            Err(PublishError::Refused(refusal)) => assert_eq!(refusal, expected),
            Err(error) => panic!("{error:?}"),
        }
    }
    winners
}
