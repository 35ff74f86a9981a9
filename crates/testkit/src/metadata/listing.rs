//! Listing objects: order, prefix, pages.

use super::sample::{DAY, number_of};
use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{Confirmation, MetadataStore, ObjectPage, Publication, PublishCondition, ReservationRow};
use valetkey_model::PutMode;

/// Keys that sort differently by letters, by UTF-16, by pattern or after normalising.
const ODD: &[&str] = &[
    "\u{1}",
    " ",
    "%",
    "A",
    "A/",
    "A/\u{7f}",
    "A0",
    "Z",
    "_",
    "a",
    "a%",
    "a%b",
    "a/",
    "a/b",
    "a/b/c",
    "a0",
    "a_b",
    "ab",
    "b\u{10ffff}",
    "b\u{10ffff}\u{10ffff}",
    "e\u{301}",
    "\u{e9}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{ffff}",
    "\u{10000}",
    "😀",
    "\u{10ffff}",
    "\u{10ffff}a",
];

/// As `memcmp` does, whatever the locale.
pub async fn keys_sort_bytewise(trial: Trial) {
    let store = furnished_with(&trial, ODD).await;
    assert!(ODD.is_sorted(), "{ODD:?}");
    for limit in [1, 2, 5, 100] {
        assert_eq!(keys(&trial, &*store, "", limit).await, ODD, "by {limit}");
    }
}

/// `%`, `_` and case mean nothing; a neighbouring bucket's objects are not seen.
pub async fn a_prefix_is_no_pattern(trial: Trial) {
    let store = furnished_with(&trial, ODD).await;
    store.create_bucket(trial.bucket("reports2", "acme")).await.unwrap();
    store.publish(Publication { bucket: name("reports2"), ..trial.publication("a/elsewhere") }).await.unwrap();
    for prefix in ["a", "a%", "_", "A", "a/", "a/b", "a_", "e", "nothing", "\u{1}"] {
        let expected: Vec<_> = ODD.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        for limit in [1, 3, 100] {
            assert_eq!(keys(&trial, &*store, prefix, limit).await, expected, "{prefix:?} by {limit}");
        }
    }
}

/// Where the text after it is one character shorter, or there is none.
pub async fn a_prefix_may_end_in_the_last_character(trial: Trial) {
    let store = furnished_with(&trial, ODD).await;
    for prefix in ["\u{10ffff}", "b\u{10ffff}", "\u{d7ff}", "\u{ffff}"] {
        let expected: Vec<_> = ODD.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert!(!expected.is_empty());
        assert_eq!(keys(&trial, &*store, prefix, 100).await, expected, "{prefix:?}");
    }
}

/// Which need not be a key, nor have the prefix.
pub async fn a_page_begins_after_any_text(trial: Trial) {
    let store = furnished_with(&trial, ODD).await;
    for after in ["", "A", "A/a", "a/", "a/b", "zzz", "\u{10ffff}", "\u{10ffff}a", "a\0"] {
        for prefix in ["", "a", "a/b", "\u{10ffff}"] {
            let expected: Vec<_> = ODD.iter().copied().filter(|key| key.starts_with(prefix) && *key > after).collect();
            let page = store.objects(&name("reports"), prefix, Some(after), 100, trial.now()).await.unwrap();
            let found: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
            assert_eq!((found, page.next), (expected, None), "{prefix:?} after {after:?}");
        }
    }
}

/// From the very instant at which their retention ends; the page is filled with others.
pub async fn ended_objects_are_left_out(trial: Trial) {
    let store = trial.open_furnished().await;
    for number in 0..10 {
        let expires_at = (number % 2 == 0).then(|| trial.tomorrow());
        store.publish(Publication { expires_at, ..trial.publication(&number.to_string()) }).await.unwrap();
    }
    assert_eq!(keys(&trial, &*store, "", 3).await.len(), 10);
    trial.clock.advance(DAY);
    for limit in [1, 2, 4, 5, 100] {
        assert_eq!(keys(&trial, &*store, "", limit).await, ["1", "3", "5", "7", "9"], "by {limit}");
    }
}

/// Until it is confirmed, and from then on; the pages are filled with others.
pub async fn provisional_objects_are_not_ready(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut reserved = Vec::new();
    for number in 0..10 {
        let key = format!("a/{number}");
        if number % 2 == 0 {
            let reservation = ReservationRow { needs_confirmation: true, ..trial.reservation(&key) };
            let reservation = store.reserve_file(reservation).await.unwrap();
            let condition = PublishCondition { mode: PutMode::Reserved, ..trial.publication(&key).condition };
            store.publish(Publication { condition, ..trial.publication(&key) }).await.unwrap();
            reserved.push(reservation.file_id);
        } else {
            store.publish(trial.publication(&key)).await.unwrap();
        }
    }
    // Reserved, and no bytes there.
    store.reserve_file(trial.reservation("a/x")).await.unwrap();
    trial.published(&*store, "b").await;
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(ready_keys(&trial, &*store, "a/", limit).await, ["a/1", "a/3", "a/5", "a/7", "a/9"], "by {limit}");
        assert_eq!(ready_keys(&trial, &*store, "", limit).await.len(), 6, "by {limit}");
        assert_eq!(keys(&trial, &*store, "", limit).await.len(), 11, "by {limit}");
    }
    let confirmation = |file_id| Confirmation { file_id, name: None, content_type: None, retention: None, now: trial.now() };
    store.confirm_file(confirmation(reserved[1])).await.unwrap();
    assert_eq!(ready_keys(&trial, &*store, "a/", 2).await, ["a/1", "a/2", "a/3", "a/5", "a/7", "a/9"]);
    // Bytes whose file was ended.
    let left = trial.file_id();
    store.detach_file(reserved[1], (left, number_of(left))).await.unwrap();
    assert_eq!(ready_keys(&trial, &*store, "a/", 2).await, ["a/1", "a/3", "a/5", "a/7", "a/9"]);
    assert_eq!(keys(&trial, &*store, "a/", 2).await.len(), 10);
    store.confirm_file(confirmation(reserved[2])).await.unwrap();
    trial.clock.advance(DAY);
    assert_eq!(ready_keys(&trial, &*store, "a/", 2).await.len(), 6, "what is confirmed stays");
}

/// Each once.
pub async fn ten_thousand_objects_come_in_order(trial: Trial) {
    let store = trial.open_furnished().await;
    let expected: Vec<String> =
        (0..10_000).map(|number| format!("{}/{number:05}", ["even", "odd"][usize::from(number >= 5_000)])).collect();
    let mut writers = tokio::task::JoinSet::new();
    // In an order that is not theirs: 7919 is prime.
    for number in 0..expected.len() {
        let publication = trial.publication(&expected[number * 7_919 % expected.len()]);
        let store = Arc::clone(&store);
        writers.spawn(async move { store.publish(publication).await.map(drop) });
    }
    for written in writers.join_all().await {
        written.unwrap();
    }
    assert_eq!(keys(&trial, &*store, "", 1_000).await, expected);
    assert_eq!(keys(&trial, &*store, "odd/", 999).await, expected[5_000..]);
    assert_eq!(keys(&trial, &*store, "even/001", 7).await, expected[100..200]);
}

async fn furnished_with(trial: &Trial, keys: &[&str]) -> Arc<dyn MetadataStore> {
    let store = trial.open_furnished().await;
    for key in keys.iter().rev() {
        store.publish(trial.creation(key)).await.unwrap();
    }
    store
}

/// The keys on all pages; no page is too long, and only the last has no next.
async fn keys(trial: &Trial, store: &dyn MetadataStore, prefix: &str, limit: u32) -> Vec<String> {
    let page = async |after: Option<&str>| store.objects(&name("reports"), prefix, after, limit, trial.now()).await.unwrap();
    keys_of(limit, page).await
}

/// The same of what is there for good.
async fn ready_keys(trial: &Trial, store: &dyn MetadataStore, prefix: &str, limit: u32) -> Vec<String> {
    let page =
        async |after: Option<&str>| store.ready_objects(&name("reports"), prefix, after, limit, trial.now()).await.unwrap();
    keys_of(limit, page).await
}

async fn keys_of(limit: u32, page: impl AsyncFn(Option<&str>) -> ObjectPage) -> Vec<String> {
    let (mut keys, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let page = page(after.as_deref()).await;
        assert!(page.objects.len() <= limit as usize);
        keys.extend(page.objects.iter().map(|object| object.key.to_string()));
        match page.next {
            Some(next) => {
                assert!(after.is_none_or(|after| next.as_str() > after.as_str()), "a listing must go on");
                after = Some(next.to_string());
            }
            None => return keys,
        }
    }
}
