//! Listing files: the newest first, those that are only reserved among them; and files that end while their bytes stay.

use super::sample::DAY;
use super::{Trial, name};
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{
    Confirmation, FileCursor, FileRef, FileRow, FilesQuery, MetadataStore, Publication, PublishCondition, PublishError,
    ReservationRow,
};
use valetkey_model::{FileId, FileNumber, PutMode, Refusal};

/// Everything, the newest first, on one page.
const ALL: FilesQuery = FilesQuery { with_pending: true, oldest_first: false, after: None, skip: 0, limit: 1_000 };

/// In either order, whatever the size of the pages; objects and reservations among each other.
pub async fn files_come_in_the_order_in_which_they_began(trial: Trial) {
    let (store, began) = furnished(&trial, 12).await;
    let newest: Vec<FileId> = began.iter().rev().map(|(file, _)| *file).collect();
    let ready: Vec<FileId> = began.iter().rev().filter(|(_, ready)| *ready).map(|(file, _)| *file).collect();
    for (with_pending, expected) in [(true, newest), (false, ready)] {
        assert_eq!(store.n_files(&name("reports"), with_pending, trial.now()).await.unwrap(), expected.len() as u64);
        for limit in [1, 2, 5, 12, 100] {
            let query = FilesQuery { with_pending, limit, ..ALL };
            assert_eq!(pages(&trial, &*store, query).await, expected, "by {limit}");
            let mut oldest = pages(&trial, &*store, FilesQuery { oldest_first: true, ..query }).await;
            oldest.reverse();
            assert_eq!(oldest, expected, "by {limit}");
        }
    }
}

/// However many began at the same instant, and however far there is to step.
pub async fn files_are_stepped_over(trial: Trial) {
    let store = trial.open_furnished().await;
    for number in 0..10 {
        trial.published(&*store, &number.to_string()).await;
    }
    let all = page(&trial, &*store, ALL).await.0;
    assert_eq!(all.len(), 10);
    for skip in [0, 1, 9, 10, 11, u64::MAX] {
        let (found, next) = page(&trial, &*store, FilesQuery { skip, limit: 3, ..ALL }).await;
        let rest = &all[all.len().min(usize::try_from(skip).unwrap_or(usize::MAX))..];
        assert_eq!((&found[..], next.is_some()), (&rest[..rest.len().min(3)], rest.len() > 3), "over {skip}");
    }
    // From a place on.
    let (_, after) = page(&trial, &*store, FilesQuery { limit: 4, ..ALL }).await;
    let (found, next) = page(&trial, &*store, FilesQuery { after, skip: 2, limit: 3, ..ALL }).await;
    assert_eq!((&found[..], next.is_some()), (&all[6..9], true));
    assert_eq!(page(&trial, &*store, FilesQuery { limit: 0, ..ALL }).await, (Vec::new(), None));
}

/// Which need not be there any more.
pub async fn a_page_begins_after_a_file_that_is_gone(trial: Trial) {
    let (store, began) = furnished(&trial, 9).await;
    let newest: Vec<FileId> = began.iter().rev().map(|(file, _)| *file).collect();
    let (found, after) = page(&trial, &*store, FilesQuery { limit: 4, ..ALL }).await;
    assert_eq!(found, newest[..4]);
    store.delete_file(newest[3], trial.now()).await.unwrap();
    store.delete_file(newest[5], trial.now()).await.unwrap();
    trial.clock.advance(Duration::from_secs(1));
    trial.published(&*store, "newer").await;
    let (found, next) = page(&trial, &*store, FilesQuery { after, ..ALL }).await;
    assert_eq!((found, next), (vec![newest[4], newest[6], newest[7], newest[8]], None));
}

/// From its reservation to its bytes, their replacement and its confirmation.
pub async fn a_file_keeps_its_place(trial: Trial) {
    let store = trial.open_furnished().await;
    let reservation = ReservationRow { needs_confirmation: true, ..trial.reservation("a") };
    store.reserve_file(reservation.clone()).await.unwrap();
    trial.clock.advance(Duration::from_secs(1));
    let later = trial.published(&*store, "b").await.object.file_id;
    let both = [later, reservation.file_id];
    for step in ["reserved", "uploaded", "uploaded again", "confirmed", "overwritten"] {
        trial.clock.advance(Duration::from_secs(1));
        match step {
            "reserved" => {}
            "confirmed" => {
                let file_id = reservation.file_id;
                let confirmation = Confirmation { file_id, name: None, content_type: None, retention: None, now: trial.now() };
                assert!(store.confirm_file(confirmation).await.unwrap().reservation.is_none());
            }
            _ => drop(trial.published(&*store, "a").await),
        }
        assert_eq!(page(&trial, &*store, ALL).await, (both.to_vec(), None), "{step}");
        let ready = page(&trial, &*store, FilesQuery { with_pending: false, ..ALL }).await.0;
        let is_ready = ["confirmed", "overwritten"].contains(&step);
        assert_eq!(ready, if is_ready { both.to_vec() } else { vec![later] }, "{step}");
        assert_eq!(store.n_files(&name("reports"), true, trial.now()).await.unwrap(), 2, "{step}");
        assert_eq!(store.n_files(&name("reports"), false, trial.now()).await.unwrap(), 1 + u64::from(is_ready), "{step}");
    }
}

/// From the very instant at which they end; pages are filled with others.
pub async fn ended_files_are_left_out(trial: Trial) {
    let store = trial.open_furnished().await;
    for number in 0..6 {
        let expires_at = (number % 2 == 0).then(|| trial.tomorrow());
        store.publish(Publication { expires_at, ..trial.publication(&number.to_string()) }).await.unwrap();
        let expires_at = if number % 2 == 0 { trial.tomorrow() } else { trial.tomorrow().plus(DAY) };
        let reservation = trial.reservation(&format!("reserved/{number}"));
        store.reserve_file(ReservationRow { expires_at, ..reservation }).await.unwrap();
    }
    for (expected, wait) in [(12, DAY), (6, DAY), (3, DAY)] {
        for limit in [1, 4, 100] {
            assert_eq!(pages(&trial, &*store, FilesQuery { limit, ..ALL }).await.len(), expected);
        }
        assert_eq!(store.n_files(&name("reports"), true, trial.now()).await.unwrap(), expected as u64);
        trial.clock.advance(wait);
    }
}

/// Whoever's it is.
pub async fn another_buckets_files_are_not_seen(trial: Trial) {
    let store = trial.open_furnished().await;
    for (tenant, bucket) in [("acme", "report"), ("acme", "reports2"), ("other", "theirs")] {
        if tenant == "other" {
            store.create_tenant(trial.tenant(tenant)).await.unwrap();
        }
        store.create_bucket(trial.bucket(bucket, tenant)).await.unwrap();
        let row = ReservationRow { tenant: name(tenant), bucket: name(bucket), ..trial.reservation("a") };
        store.reserve_file(row).await.unwrap();
    }
    store.publish(Publication { bucket: name("reports2"), ..trial.publication("b") }).await.unwrap();
    assert_eq!(page(&trial, &*store, ALL).await, (Vec::new(), None));
    assert_eq!(store.n_files(&name("reports"), true, trial.now()).await.unwrap(), 0);
    let own = trial.published(&*store, "a").await.object.file_id;
    assert_eq!(page(&trial, &*store, ALL).await, (vec![own], None));
    assert_eq!(store.n_files(&name("no-such-bucket"), true, trial.now()).await.unwrap(), 0);
}

/// Each once, in constant time per page.
pub async fn ten_thousand_files_come_in_order(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        // Some begin at the same instant.
        if number % 3 == 0 {
            trial.clock.advance(Duration::from_millis(1));
        }
        let store = Arc::clone(&store);
        if number % 10 == 0 {
            let reservation = trial.reservation(&number.to_string());
            writers.spawn(async move { store.reserve_file(reservation).await.map(|row| (row.created_at, row.file_number)) });
        } else {
            let publication = trial.publication(&number.to_string());
            writers.spawn(async move {
                let object = store.publish(publication).await.unwrap().object;
                Ok((object.created_at, object.file_number))
            });
        }
    }
    let mut expected: Vec<_> = writers.join_all().await.into_iter().map(Result::unwrap).collect();
    expected.sort_unstable();
    expected.reverse();
    let (mut found, mut query) = (Vec::new(), FilesQuery { limit: 100, ..ALL });
    loop {
        let page = store.files(&name("reports"), query, trial.now()).await.unwrap();
        found.extend(page.files.iter().map(place_of).map(|place| (place.created_at, place.number)));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert!(found == expected, "{} of {}", found.len(), expected.len());
    let page = store.files(&name("reports"), FilesQuery { skip: 9_990, limit: 20, ..ALL }, trial.now()).await.unwrap();
    let last: Vec<_> = page.files.iter().map(place_of).map(|place| (place.created_at, place.number)).collect();
    assert_eq!((&last[..], page.next), (&expected[9_990..], None));
    assert_eq!(store.n_files(&name("reports"), true, trial.now()).await.unwrap(), 10_000);
}

/// Under another id, which is not listed; what bound the file finds it no more. A file without bytes only goes.
pub async fn a_detached_file_leaves_its_object(trial: Trial) {
    let store = trial.open_furnished().await;
    let object = trial.published(&*store, "a").await.object;
    let provisional = ReservationRow { needs_confirmation: true, ..trial.reservation("b") };
    let waiting = trial.reservation("c");
    for reservation in [&provisional, &waiting] {
        store.reserve_file(reservation.clone()).await.unwrap();
    }
    let unconfirmed = trial.published(&*store, "b").await.object;
    let stays = trial.published(&*store, "d").await.object;
    for (file, bytes) in [(object.file_id, Some(&object)), (provisional.file_id, Some(&unconfirmed)), (waiting.file_id, None)] {
        let before = store.file(FileRef::Id(file)).await.unwrap();
        let left = trial.file_id();
        // A number that is taken becomes the next.
        assert_eq!(store.detach_file(file, (left, stays.file_number)).await.unwrap(), before);
        assert_eq!(store.file(FileRef::Id(file)).await.unwrap(), FileRow::default());
        let Some(bytes) = bytes else { continue };
        let found = store.object(&bytes.bucket, &bytes.key).await.unwrap().unwrap();
        assert_ne!(found.file_number, stays.file_number);
        assert_eq!((found.file_id, found.blob, found.expires_at), (left, bytes.blob, bytes.expires_at));
        assert_eq!(store.file(FileRef::Number(found.file_number)).await.unwrap().object, Some(found));
    }
    assert_eq!(page(&trial, &*store, ALL).await, (vec![stays.file_id], None));
    assert_eq!(store.n_files(&name("reports"), true, trial.now()).await.unwrap(), 1);
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), []);
    assert_eq!(store.detach_file(object.file_id, (trial.file_id(), FileNumber::MAX)).await.unwrap(), FileRow::default());
    // A URL for uploading it finds nothing reserved.
    let condition = PublishCondition { mode: PutMode::Reserved, absent: false, replaces: None, incarnation: None };
    for (key, expected) in [("b", Refusal::Exists), ("c", Refusal::ObjectGone)] {
        let answer = store.publish(Publication { condition: condition.clone(), ..trial.publication(key) }).await;
        assert!(matches!(answer, Err(PublishError::Refused(found)) if found == expected), "{answer:?}");
    }
}

/// An overwrite is not one: the object stays what it is.
pub async fn a_new_incarnation_is_listed_again(trial: Trial) {
    let store = trial.open_furnished().await;
    let object = store.publish(Publication { expires_at: Some(trial.tomorrow()), ..trial.publication("a") }).await.unwrap();
    store.detach_file(object.object.file_id, (trial.file_id(), FileNumber::MAX)).await.unwrap();
    store.publish(Publication { expires_at: Some(trial.tomorrow()), ..trial.publication("a") }).await.unwrap();
    assert_eq!(page(&trial, &*store, ALL).await, (Vec::new(), None));
    // After its end, by another one or by a deletion.
    trial.clock.advance(DAY);
    let ended = trial.published(&*store, "a").await.object;
    assert_eq!(page(&trial, &*store, ALL).await, (vec![ended.file_id], None));
    store.detach_file(ended.file_id, (trial.file_id(), FileNumber::MAX)).await.unwrap();
    store.delete_object(&name("acme"), &name("reports"), &name("a"), None, trial.now()).await.unwrap();
    let again = trial.published(&*store, "a").await.object;
    assert_eq!(page(&trial, &*store, ALL).await, (vec![again.file_id], None));
}

/// So many files, each beginning after the one before, in turn: reserved, an object, provisional, an object that was reserved. Gives
/// their ids, and whether each is there for good.
async fn furnished(trial: &Trial, n_files: u32) -> (Arc<dyn MetadataStore>, Vec<(FileId, bool)>) {
    let (store, mut began) = (trial.open_furnished().await, Vec::new());
    for number in 0..n_files {
        trial.clock.advance(Duration::from_micros(1));
        let key = format!("{}/{number}", number * 7 % n_files);
        let reservation = ReservationRow { needs_confirmation: number % 4 == 2, ..trial.reservation(&key) };
        if number % 4 != 1 {
            store.reserve_file(reservation.clone()).await.unwrap();
        }
        let file = match number % 4 {
            0 => reservation.file_id,
            _ => trial.published(&*store, &key).await.object.file_id,
        };
        began.push((file, number % 2 == 1));
    }
    (store, began)
}

fn place_of(file: &FileRow) -> FileCursor {
    let of_object = file.object.as_ref().map(|object| (object.created_at, object.file_number));
    let of_reservation = file.reservation.as_ref().map(|reservation| (reservation.created_at, reservation.file_number));
    let (created_at, number) = of_object.or(of_reservation).unwrap();
    FileCursor { created_at, number }
}

fn id_of(file: &FileRow) -> FileId {
    let of_object = file.object.as_ref().map(|object| object.file_id);
    of_object.or(file.reservation.as_ref().map(|reservation| reservation.file_id)).unwrap()
}

/// The ids on one page, and after what the next begins.
async fn page(trial: &Trial, store: &dyn MetadataStore, query: FilesQuery) -> (Vec<FileId>, Option<FileCursor>) {
    let page = store.files(&name("reports"), query, trial.now()).await.unwrap();
    assert!(page.files.len() <= query.limit as usize);
    assert!(page.next.is_none_or(|next| page.files.last().is_some_and(|last| place_of(last) == next)));
    (page.files.iter().map(id_of).collect(), page.next)
}

/// The ids on all pages.
async fn pages(trial: &Trial, store: &dyn MetadataStore, mut query: FilesQuery) -> Vec<FileId> {
    let mut found = Vec::new();
    loop {
        let (ids, next) = page(trial, store, query).await;
        found.extend(ids);
        match next {
            Some(_) => query.after = next,
            None => return found,
        }
    }
}
