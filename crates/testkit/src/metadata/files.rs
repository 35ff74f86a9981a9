//! Files: reserved, uploaded, confirmed, deleted.

use super::sample::DAY;
use super::{Trial, name};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{
    Confirmation, FileRef, FileRow, Guard, MetadataError, MetadataStore, ObjectRow, Publication, PublishCondition, PublishError,
    ReservationRow, Swept, UrlMarks,
};
use valetkey_model::{FileNumber, PutMode, Refusal};

/// With every field and with none; by its id, its number and its place.
pub async fn a_reservation_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    let full = ReservationRow {
        name: "Bericht/\u{202e}😀\n.pdf".to_owned(),
        content_type: Some("application/pdf".to_owned()),
        needs_confirmation: true,
        file_number: FileNumber::MAX,
        ..trial.reservation("تقرير")
    };
    let plain = trial.reservation("a");
    for reservation in [full, plain] {
        assert_eq!(store.reserve_file(reservation.clone()).await.unwrap(), reservation);
        let there = FileRow { reservation: Some(reservation.clone()), object: None };
        assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), there);
        assert_eq!(store.file(FileRef::Number(reservation.file_number)).await.unwrap(), there);
        assert_eq!(store.reservation(&reservation.bucket, &reservation.key).await.unwrap(), Some(reservation));
    }
    assert_eq!(store.file(FileRef::Id(trial.file_id())).await.unwrap(), FileRow::default());
    assert_eq!(store.file(FileRef::Number(FileNumber::new(1).unwrap())).await.unwrap(), FileRow::default());
    assert_eq!(store.reservation(&name("reports"), &name("b")).await.unwrap(), None);
}

/// `NotFound` without it, and in another tenant's.
pub async fn a_reservation_needs_its_bucket(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let nowhere = ReservationRow { bucket: name("nothing"), ..trial.reservation("a") };
    let foreign = ReservationRow { tenant: name("other"), ..trial.reservation("a") };
    for reservation in [nowhere, foreign] {
        let answer = store.reserve_file(reservation).await;
        assert!(matches!(answer, Err(MetadataError::NotFound { what: "bucket" })), "{answer:?}");
    }
}

/// By a reservation as by an object.
pub async fn a_file_id_and_a_place_are_taken_once(trial: Trial) {
    let store = trial.open_furnished().await;
    let reserved = store.reserve_file(trial.reservation("a")).await.unwrap();
    let object = trial.published(&*store, "b").await.object;
    let taken = [
        ReservationRow { file_id: reserved.file_id, ..trial.reservation("c") },
        ReservationRow { file_id: object.file_id, ..trial.reservation("c") },
        trial.reservation("a"),
        trial.reservation("b"),
    ];
    for reservation in taken {
        let answer = store.reserve_file(reservation).await;
        assert!(matches!(answer, Err(MetadataError::AlreadyExists { what: "file" })), "{answer:?}");
    }
    store.reserve_file(trial.reservation("c")).await.unwrap();
}

/// Whether a reservation has it or an object; after the last one comes the first.
pub async fn a_number_that_is_taken_becomes_the_next(trial: Trial) {
    let store = trial.open_furnished().await;
    let reserve = async |key: &str| {
        let reservation = ReservationRow { file_number: FileNumber::MAX, ..trial.reservation(key) };
        store.reserve_file(reservation).await.unwrap().file_number.get()
    };
    let publish = async |key: &str| {
        let publication = Publication { new_file_number: FileNumber::MAX, ..trial.publication(key) };
        store.publish(publication).await.unwrap().object.file_number.get()
    };
    let numbers = [reserve("a").await, publish("b").await, publish("c").await, reserve("d").await, publish("c").await];
    assert_eq!(numbers, [FileNumber::MAX.get(), 1, 2, 3, 2], "an overwrite keeps it");
}

/// Whatever bucket it is in, through overwrites, until it is deleted.
pub async fn an_object_is_found_by_its_ids(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.published(&*store, "a").await.object;
    trial.published(&*store, "b").await;
    let second = trial.published(&*store, "a").await.object;
    let there = FileRow { reservation: None, object: Some(second.clone()) };
    for file in [FileRef::Id(first.file_id), FileRef::Number(first.file_number)] {
        assert_eq!(store.file(file).await.unwrap(), there);
    }
    store.delete_object(&name("acme"), &name("reports"), &name("a"), None, trial.now()).await.unwrap();
    let again = trial.published(&*store, "a").await.object;
    assert!(again.file_id != first.file_id && again.file_number != first.file_number);
    for file in [FileRef::Id(first.file_id), FileRef::Number(first.file_number)] {
        assert_eq!(store.file(file).await.unwrap(), FileRow::default());
    }
}

/// Its ids, its beginning, its name, its media type; where no confirmation is needed, that ends it.
pub async fn a_publication_fills_the_reservation(trial: Trial) {
    let store = trial.open_furnished().await;
    let typed = ReservationRow { content_type: Some("image/png".to_owned()), ..trial.reservation("a") };
    let untyped = trial.reservation("b");
    for reservation in [typed, untyped] {
        let reservation = store.reserve_file(reservation).await.unwrap();
        trial.clock.advance(Duration::from_secs(60));
        let publication = Publication { file_name: Some("other".to_owned()), ..trial.reserved(&reservation) };
        let expected = ObjectRow {
            bucket: reservation.bucket.clone(),
            key: reservation.key.clone(),
            file_id: reservation.file_id,
            file_number: reservation.file_number,
            blob: publication.blob,
            size_bytes: publication.size_bytes,
            content_type: reservation.content_type.clone().or(publication.content_type.clone()),
            file_name: Some(reservation.name.clone()),
            user_metadata: None,
            sha256: publication.sha256,
            sha1: publication.sha1,
            md5: publication.md5,
            created_at: reservation.created_at,
            modified_at: publication.now,
            expires_at: None,
        };
        let published = store.publish(publication).await.unwrap();
        assert_eq!((published.object, published.replaced), (expected.clone(), false));
        let there = FileRow { reservation: None, object: Some(expected) };
        assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), there);
        assert_eq!(refusal(&*store, trial.reserved(&reservation)).await, Refusal::Exists);
    }
}

/// Until then it is one incarnation, and ends with its reservation.
pub async fn provisional_bytes_may_be_replaced(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = store.reserve_file(trial.provisional("a")).await.unwrap();
    let first = store.publish(trial.reserved(&reservation)).await.unwrap();
    trial.clock.advance(Duration::from_secs(60));
    let second = store.publish(trial.reserved(&reservation)).await.unwrap();
    assert_eq!((first.replaced, second.replaced), (false, true));
    for object in [&first.object, &second.object] {
        assert_eq!((object.file_id, object.file_number), (reservation.file_id, reservation.file_number));
        assert_eq!((object.created_at, object.expires_at), (reservation.created_at, Some(reservation.expires_at)));
    }
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), [first.object.blob]);
    let retained = Publication { expires_at: Some(trial.now().plus(DAY / 2)), ..trial.reserved(&reservation) };
    let third = store.publish(retained.clone()).await.unwrap().object;
    assert_eq!(third.expires_at, retained.expires_at, "retention may end it sooner");
    let condition = PublishCondition { absent: true, ..trial.reserved(&reservation).condition };
    let absent = Publication { condition, ..trial.reserved(&reservation) };
    assert_eq!(refusal(&*store, absent).await, Refusal::Exists);
    let there = FileRow { reservation: Some(reservation.clone()), object: Some(third) };
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), there);
}

/// Without it nothing is made, and nothing replaced; from the very instant of its end on.
pub async fn the_reserved_mode_needs_a_reservation(trial: Trial) {
    let store = trial.open_furnished().await;
    let there = trial.published(&*store, "b").await.object;
    let at = |key: &str| Publication { key: name(key), ..trial.reserved(&trial.reservation(key)) };
    assert_eq!(refusal(&*store, at("a")).await, Refusal::ObjectGone);
    assert_eq!(refusal(&*store, at("b")).await, Refusal::Exists);
    assert_eq!(store.object(&name("reports"), &name("b")).await.unwrap(), Some(there));
    store.reserve_file(trial.reservation("c")).await.unwrap();
    let provisional = store.reserve_file(trial.provisional("d")).await.unwrap();
    store.publish(at("d")).await.unwrap();
    trial.clock.advance(DAY);
    assert_eq!(refusal(&*store, at("c")).await, Refusal::ObjectGone);
    assert_eq!(refusal(&*store, at("d")).await, Refusal::ObjectGone);
    let other = store.publish(trial.publication("d")).await.unwrap();
    assert!(!other.replaced && other.object.file_id != provisional.file_id, "it is another file");
}

/// A publication that is refused, or fails at its end, leaves the reservation as it was.
pub async fn a_refusal_leaves_the_reservation(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = store.reserve_file(trial.reservation("a")).await.unwrap();
    let link_id = trial.link_id();
    store.revoke(vec![trial.revocation(link_id)]).await.unwrap();
    let guard = Guard { tenant: name("acme"), url: Some(UrlMarks::of_link(link_id, trial.now())), api_key: None };
    assert_eq!(refusal(&*store, Publication { guard, ..trial.reserved(&reservation) }).await, Refusal::Revoked);
    let without_upload = Publication { completes: Some(trial.upload("a").id), ..trial.reserved(&reservation) };
    let blob = without_upload.blob;
    let answer = store.publish(without_upload).await;
    assert!(matches!(answer, Err(PublishError::Store(MetadataError::NotFound { what: "upload" }))), "{answer:?}");
    let there = FileRow { reservation: Some(reservation.clone()), object: None };
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), there);
    assert!(store.known_blobs(&[blob]).await.unwrap().is_empty());
    store.publish(trial.reserved(&reservation)).await.unwrap();
}

/// What is there then stays, under the name and the media type given; to confirm it again changes nothing.
pub async fn a_confirmation_ends_the_reservation(trial: Trial) {
    let store = trial.open_furnished().await;
    for (key, new_name, new_type, retention) in
        [("a", None, None, None), ("b", Some("final.pdf"), None, Some(DAY * 30)), ("c", Some("final"), Some("text/new"), None)]
    {
        let reservation = store.reserve_file(trial.provisional(key)).await.unwrap();
        let object = store.publish(trial.reserved(&reservation)).await.unwrap().object;
        trial.clock.advance(Duration::from_secs(60));
        let (name, content_type) = (new_name.map(str::to_owned), new_type.map(str::to_owned));
        let confirmation = Confirmation { name, content_type, retention, ..trial.confirmation(&reservation) };
        let expected = ObjectRow {
            file_name: Some(new_name.map_or(reservation.name.clone(), str::to_owned)),
            content_type: new_type.map(str::to_owned).or(object.content_type.clone()),
            expires_at: retention.map(|retention| object.modified_at.plus(retention)),
            ..object
        };
        let confirmed = FileRow { reservation: None, object: Some(expected.clone()) };
        assert_eq!(store.confirm_file(confirmation.clone()).await.unwrap(), confirmed);
        assert_eq!(store.object(&expected.bucket, &expected.key).await.unwrap(), Some(expected));
        let again = |text: &str| Some(text.to_owned());
        let again = Confirmation { name: again("again"), content_type: again("text/again"), retention: None, ..confirmation };
        assert_eq!(store.confirm_file(again).await.unwrap(), confirmed);
        assert_eq!(refusal(&*store, trial.reserved(&reservation)).await, Refusal::Exists);
        let overwritten = store.publish(trial.publication(key)).await.unwrap().object;
        assert_eq!(overwritten.file_id, reservation.file_id, "who may replace objects may replace this one");
    }
    assert_eq!(store.sweep(trial.tomorrow(), 100).await.unwrap(), Swept::default());
}

/// Before the bytes are there, and after its end, nothing is confirmed.
pub async fn a_confirmation_needs_bytes(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = store.reserve_file(trial.provisional("a")).await.unwrap();
    let waits = FileRow { reservation: Some(reservation.clone()), object: None };
    assert_eq!(store.confirm_file(trial.confirmation(&reservation)).await.unwrap(), waits);
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), waits);
    let unknown = trial.confirmation(&trial.provisional("a"));
    assert_eq!(store.confirm_file(unknown).await.unwrap(), FileRow::default());
    let object = store.publish(trial.reserved(&reservation)).await.unwrap().object;
    trial.clock.advance(DAY);
    let ended = FileRow { reservation: Some(reservation.clone()), object: Some(object) };
    assert_eq!(store.confirm_file(trial.confirmation(&reservation)).await.unwrap(), ended);
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), ended);
}

/// Reserved, provisional or there for good: its place is free again for another file, and for its own upload no more.
pub async fn a_deleted_file_leaves_only_a_doomed_blob(trial: Trial) {
    let store = trial.open_furnished().await;
    let reserved = store.reserve_file(trial.reservation("a")).await.unwrap();
    let provisional = store.reserve_file(trial.provisional("b")).await.unwrap();
    let object = store.publish(trial.reserved(&provisional)).await.unwrap().object;
    let plain = trial.published(&*store, "c").await.object;
    let files = [
        (reserved.file_id, FileRow { reservation: Some(reserved.clone()), object: None }),
        (provisional.file_id, FileRow { reservation: Some(provisional.clone()), object: Some(object.clone()) }),
        (plain.file_id, FileRow { reservation: None, object: Some(plain.clone()) }),
    ];
    for (file, row) in files {
        assert_eq!(store.delete_file(file, trial.now()).await.unwrap(), row);
        assert_eq!(store.file(FileRef::Id(file)).await.unwrap(), FileRow::default());
        assert_eq!(store.delete_file(file, trial.now()).await.unwrap(), FileRow::default());
    }
    let doomed: HashSet<_> = store.doomed_blobs(trial.now(), 10).await.unwrap().into_iter().collect();
    assert_eq!(doomed, HashSet::from([object.blob, plain.blob]));
    for reservation in [reserved, provisional] {
        assert_eq!(refusal(&*store, trial.reserved(&reservation)).await, Refusal::ObjectGone);
        let another = trial.published(&*store, reservation.key.as_str()).await.object;
        assert_ne!(another.file_id, reservation.file_id);
    }
}

/// Otherwise the next upload would bring a deleted incarnation back. Of one that was refused for its incarnation it stays.
pub async fn a_deleted_object_takes_its_reservation_along(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = store.reserve_file(trial.provisional("a")).await.unwrap();
    let delete = async |incarnation| {
        store.delete_object(&name("acme"), &reservation.bucket, &reservation.key, incarnation, trial.now()).await.unwrap()
    };
    assert_eq!(delete(None).await, None);
    let object = store.publish(trial.reserved(&reservation)).await.unwrap().object;
    assert_eq!(delete(Some(trial.file_id())).await, None);
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap().reservation, Some(reservation.clone()));
    assert_eq!(delete(Some(reservation.file_id)).await, Some(object));
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), FileRow::default());
    assert_eq!(refusal(&*store, trial.reserved(&reservation)).await, Refusal::ObjectGone);
}

/// A place that is only reserved does not keep the bucket.
pub async fn a_deleted_bucket_takes_its_reservations_along(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = store.reserve_file(trial.reservation("a")).await.unwrap();
    store.delete_bucket(&name("acme"), &name("reports"), trial.now()).await.unwrap();
    assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), FileRow::default());
    store.create_bucket(trial.bucket("reports", "acme")).await.unwrap();
    assert_eq!(refusal(&*store, trial.reserved(&reservation)).await, Refusal::ObjectGone);
}

/// With what was uploaded and not confirmed; what was confirmed stays.
pub async fn a_reservation_ends_in_time(trial: Trial) {
    let store = trial.open_furnished().await;
    let [waiting, provisional, confirmed, longer] = ["a", "b", "c", "d"].map(|key| trial.provisional(key));
    let longer = ReservationRow { expires_at: trial.tomorrow().plus(DAY), ..longer };
    for reservation in [&waiting, &provisional, &confirmed, &longer] {
        store.reserve_file(reservation.clone()).await.unwrap();
    }
    let lost = store.publish(trial.reserved(&provisional)).await.unwrap().object;
    store.publish(trial.reserved(&confirmed)).await.unwrap();
    store.confirm_file(trial.confirmation(&confirmed)).await.unwrap();
    let just_before = valetkey_model::Timestamp::from_micros(trial.tomorrow().as_micros() - 1);
    assert_eq!(store.sweep(just_before, 100).await.unwrap(), Swept::default());
    let swept = store.sweep(trial.tomorrow(), 100).await.unwrap();
    assert_eq!(swept, Swept { expired_objects: vec![(name("reports"), name("b"))], n_rows: 2 });
    assert_eq!(store.doomed_blobs(trial.tomorrow(), 10).await.unwrap(), [lost.blob]);
    for (file, there) in [(waiting, false), (provisional, false), (confirmed, true), (longer, true)] {
        assert_eq!(store.file(FileRef::Id(file.file_id)).await.unwrap() != FileRow::default(), there, "{}", file.key);
    }
}

/// All of them where it is provisional, one where it is not; of the ids there is one pair.
pub async fn of_many_publications_of_a_file_one_incarnation_is_made(trial: Trial) {
    let store = trial.open_furnished().await;
    for (reservation, n_winners) in [(trial.reservation("a"), 1), (trial.provisional("b"), 32)] {
        let reservation = store.reserve_file(reservation).await.unwrap();
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let (store, publication) = (Arc::clone(&store), trial.reserved(&reservation));
            racers.spawn(async move { store.publish(publication).await });
        }
        let (mut winners, mut n_first) = (Vec::new(), 0);
        for answer in racers.join_all().await {
            match answer {
                Ok(published) => {
                    n_first += usize::from(!published.replaced);
                    winners.push(published.object);
                }
                Err(PublishError::Refused(refusal)) => assert_eq!(refusal, Refusal::Exists),
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!((winners.len(), n_first), (n_winners, 1));
        let ids: HashSet<_> = winners.iter().map(|object| (object.file_id, object.file_number)).collect();
        assert_eq!(ids, HashSet::from([(reservation.file_id, reservation.file_number)]));
        let there = store.object(&reservation.bucket, &reservation.key).await.unwrap().unwrap();
        assert!(winners.contains(&there));
    }
}

/// What it confirms is what stays: every publication comes wholly before it or is refused.
pub async fn a_confirmation_races_publications(trial: Trial) {
    let store = trial.open_furnished().await;
    for round in 0..20 {
        let reservation = store.reserve_file(trial.provisional(&round.to_string())).await.unwrap();
        store.publish(trial.reserved(&reservation)).await.unwrap();
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (store, publication) = (Arc::clone(&store), trial.reserved(&reservation));
            racers.spawn(async move { store.publish(publication).await });
        }
        let confirmed = store.confirm_file(trial.confirmation(&reservation)).await.unwrap();
        for answer in racers.join_all().await {
            assert!(matches!(answer, Ok(_) | Err(PublishError::Refused(Refusal::Exists))), "{answer:?}");
        }
        assert!(confirmed.reservation.is_none() && confirmed.object.is_some());
        assert_eq!(store.file(FileRef::Id(reservation.file_id)).await.unwrap(), confirmed);
    }
}

impl Trial {
    fn provisional(&self, key: &str) -> ReservationRow {
        ReservationRow { needs_confirmation: true, ..self.reservation(key) }
    }

    /// Bytes for a reserved place, under [`PutMode::Reserved`].
    fn reserved(&self, reservation: &ReservationRow) -> Publication {
        let condition = PublishCondition { mode: PutMode::Reserved, absent: false, replaces: None, incarnation: None };
        Publication { condition, ..self.publication(reservation.key.as_str()) }
    }

    fn confirmation(&self, reservation: &ReservationRow) -> Confirmation {
        Confirmation { file_id: reservation.file_id, name: None, content_type: None, retention: None, now: self.now() }
    }
}

/// The refusal that this publication meets.
async fn refusal(store: &dyn MetadataStore, publication: Publication) -> Refusal {
    match store.publish(publication).await {
        Err(PublishError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}
