//! Uploads of several pieces.

use super::{Trial, name};
use std::collections::HashSet;
use std::sync::Arc;
use valetkey_metadata::{
    MAX_PIECES, MetadataError, MetadataStore, PieceRow, Publication, PublishError, RangePut, UploadCursor, UploadEntry,
    UploadLayout, UploadRanges, UploadRow,
};
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
    let mut parts: Vec<PieceRow> = [10_000, 2, 300, 1].iter().map(|number| trial.part(&upload, *number)).collect();
    for part in &parts {
        store.put_part(part.clone(), trial.now()).await.unwrap();
    }
    store.put_part(trial.part(&other, 4), trial.now()).await.unwrap();
    parts.sort_by_key(|part| part.position);
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
    assert!(store.delete_upload(&upload.id).await.unwrap());
    assert!(!store.delete_upload(&upload.id).await.unwrap());
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

/// With everything its client told; its name is its own.
pub async fn an_upload_in_ranges_is_found_by_its_name(trial: Trial) {
    let store = trial.open_furnished().await;
    let ranges = UploadRanges {
        name: trial.digest(),
        holder: Some(trial.digest()),
        total_bytes: Some(u64::from(u32::MAX) * 1_000),
        content_type: Some("image/png".to_owned()),
        file_name: Some("\u{202e}😀.png".to_owned()),
        completed_as: None,
    };
    let upload = UploadRow { created_by: None, layout: UploadLayout::Ranges(ranges.clone()), ..trial.upload("a") };
    store.create_upload(upload.clone()).await.unwrap();
    let found = store.upload_by_name(&ranges.name).await.unwrap();
    assert_eq!(found, Some(UploadEntry { upload: upload.clone(), n_pieces: 0, received_bytes: 0 }));
    assert_eq!(store.upload(&upload.id).await.unwrap(), Some((upload, Vec::new())));
    assert_eq!(store.upload_by_name(&trial.digest()).await.unwrap(), None);
    let again = store.create_upload(UploadRow { layout: UploadLayout::Ranges(ranges), ..trial.upload("b") }).await;
    assert!(matches!(again, Err(MetadataError::AlreadyExists { .. })), "{again:?}");
}

/// In any order, up to the last byte; they come back by position.
pub async fn ranges_are_kept_where_they_belong(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload_in_ranges("a");
    store.create_upload(upload.clone()).await.unwrap();
    let later = trial.tomorrow().plus(std::time::Duration::from_secs(60));
    let mut pieces = Vec::new();
    for (range, received_bytes) in [(60..100, 40), (0..10, 50), (20..60, 90), (10..20, 100)] {
        let piece = trial.range(&upload, range);
        let put = store.put_range(piece.clone(), 100, later).await.unwrap();
        assert_eq!(put, RangePut::Kept { received_bytes });
        pieces.push(piece);
    }
    pieces.sort_by_key(|piece| piece.position);
    let (kept, found) = store.upload(&upload.id).await.unwrap().unwrap();
    assert_eq!(found, pieces);
    assert_eq!((kept.expires_at, total_of(&kept)), (later, Some(100)));
    assert_eq!(store.put_range(trial.range(&upload, 0..1), 99, later).await.unwrap(), RangePut::OtherTotal { total_bytes: 100 });
    assert!(store.delete_upload(&upload.id).await.unwrap());
    assert_eq!(doomed(&trial, &*store).await, pieces.iter().map(|piece| piece.blob).collect());
}

/// Wherever they do, and leave no trace.
pub async fn ranges_that_overlap_are_not_kept(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload_in_ranges("a");
    store.create_upload(upload.clone()).await.unwrap();
    for range in [10..20, 30..40] {
        store.put_range(trial.range(&upload, range), 50, trial.tomorrow()).await.unwrap();
    }
    for range in [10..20, 9..11, 19..21, 12..13, 0..50, 5..30, 20..31, 39..50, 20..50] {
        let piece = trial.range(&upload, range.clone());
        let put = store.put_range(piece.clone(), 50, trial.tomorrow()).await.unwrap();
        assert_eq!(put, RangePut::Overlaps, "{range:?}");
        assert!(store.known_blobs(&[piece.blob]).await.unwrap().is_empty(), "{range:?}");
    }
    for range in [20..30, 0..10, 40..50] {
        let put = store.put_range(trial.range(&upload, range.clone()), 50, trial.tomorrow()).await.unwrap();
        assert!(matches!(put, RangePut::Kept { .. }), "{range:?}");
    }
}

/// Parts of the one are no ranges of the other, and neither is there without its upload.
pub async fn ranges_and_parts_do_not_mix(trial: Trial) {
    let store = trial.open_furnished().await;
    let (ranges, parts) = (trial.upload_in_ranges("a"), trial.upload("a"));
    store.create_upload(ranges.clone()).await.unwrap();
    store.create_upload(parts.clone()).await.unwrap();
    let put = store.put_part(trial.part(&ranges, 1), trial.now()).await;
    assert!(matches!(put, Err(MetadataError::NotFound { .. })), "{put:?}");
    for upload in [&parts, &trial.upload_in_ranges("b")] {
        let put = store.put_range(trial.range(upload, 0..1), 1, trial.tomorrow()).await;
        assert!(matches!(put, Err(MetadataError::NotFound { .. })), "{put:?}");
    }
}

/// And not one more.
pub async fn an_upload_has_so_many_ranges_at_most(trial: Trial) {
    let store = trial.open_furnished().await;
    let upload = trial.upload_in_ranges("a");
    store.create_upload(upload.clone()).await.unwrap();
    let mut puts = tokio::task::JoinSet::new();
    for byte in 0..MAX_PIECES {
        let (store, piece, until) = (Arc::clone(&store), trial.range(&upload, byte..byte + 1), trial.tomorrow());
        puts.spawn(async move { store.put_range(piece, MAX_PIECES + 1, until).await.unwrap() });
    }
    let kept = puts.join_all().await;
    assert!(kept.iter().all(|put| matches!(put, RangePut::Kept { .. })));
    let put = store.put_range(trial.range(&upload, MAX_PIECES..MAX_PIECES + 1), MAX_PIECES + 1, trial.tomorrow()).await;
    assert_eq!(put.unwrap(), RangePut::TooMany);
}

/// Those that were last sent to are kept; the others go with their pieces. Uploads that no URL began, and other URLs', stay.
pub async fn a_url_has_so_many_uploads_at_most(trial: Trial) {
    let store = trial.open_furnished().await;
    let begin = async |holder: Option<SecretDigest>| {
        trial.clock.advance(std::time::Duration::from_secs(1));
        let ranges = UploadRanges {
            name: trial.digest(),
            holder,
            total_bytes: None,
            content_type: None,
            file_name: None,
            completed_as: None,
        };
        let upload = UploadRow { layout: UploadLayout::Ranges(ranges), ..trial.upload("a") };
        store.create_upload(upload.clone()).await.unwrap();
        upload
    };
    let (one, another) = (Some(trial.digest()), Some(trial.digest()));
    let mut begun = Vec::new();
    for holder in [one, another, None, one, one, one] {
        begun.push(begin(holder).await);
    }
    // The oldest of the one goes on, and is not the oldest any more.
    let range = trial.range(&begun[0], 0..1);
    let later = trial.tomorrow().plus(std::time::Duration::from_secs(60));
    store.put_range(range, 9, later).await.unwrap();
    let piece = trial.range(&begun[3], 0..1);
    store.put_range(piece.clone(), 9, begun[3].expires_at).await.unwrap();
    let last = begin(one).await;
    let kept: HashSet<_> =
        store.uploads(&name("acme"), None, 100).await.unwrap().into_iter().map(|entry| entry.upload.id).collect();
    let expected = [0, 1, 2, 4, 5].map(|number: usize| begun[number].id);
    assert_eq!(kept, expected.into_iter().chain([last.id]).collect());
    assert_eq!(doomed(&trial, &*store).await, HashSet::from([piece.blob]));
}

/// Of one tenant, of either kind, the oldest first.
pub async fn uploads_come_in_pages(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut expected = Vec::new();
    for number in 0..5_u64 {
        trial.clock.advance(std::time::Duration::from_secs(u64::from(number != 1)));
        let upload = if number % 2 == 0 { trial.upload("a") } else { trial.upload_in_ranges("a") };
        store.create_upload(upload.clone()).await.unwrap();
        for piece in 0..number {
            match upload.layout {
                UploadLayout::Parts => {
                    let part = trial.part(&upload, u32::try_from(piece).unwrap());
                    store.put_part(part, trial.now()).await.unwrap();
                }
                UploadLayout::Ranges(_) => {
                    let range = piece * (5 << 20)..(piece + 1) * (5 << 20);
                    store.put_range(trial.range(&upload, range), 50 << 20, trial.tomorrow()).await.unwrap();
                }
            }
        }
        expected.push((upload.created_at, upload.id, number, number * (5 << 20)));
    }
    expected.sort_by_key(|(created_at, id, ..)| (*created_at, *id.as_bytes()));
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.uploads(&name("acme"), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(UploadCursor { created_at: last.upload.created_at, id: last.upload.id });
        found.extend(page.iter().map(|entry| (entry.upload.created_at, entry.upload.id, entry.n_pieces, entry.received_bytes)));
    }
    assert_eq!(found, expected);
    assert_eq!(store.uploads(&name("other"), None, 10).await.unwrap(), []);
}

fn total_of(upload: &UploadRow) -> Option<u64> {
    match &upload.layout {
        UploadLayout::Parts => None,
        UploadLayout::Ranges(ranges) => ranges.total_bytes,
    }
}

async fn doomed(trial: &Trial, store: &dyn MetadataStore) -> HashSet<BlobId> {
    store.doomed_blobs(trial.now(), 100).await.unwrap().into_iter().collect()
}

/// An upload with parts and a secret.
async fn begun(trial: &Trial, store: &dyn MetadataStore, n_parts: u32) -> (UploadRow, Vec<PieceRow>, SecretDigest) {
    let (upload, secret) = (trial.upload("a"), trial.digest());
    store.create_upload(upload.clone()).await.unwrap();
    store.create_upload_secret(&upload.id, secret, trial.tomorrow()).await.unwrap();
    let parts: Vec<_> = (1..=n_parts).map(|number| trial.part(&upload, number)).collect();
    for part in &parts {
        store.put_part(part.clone(), trial.now()).await.unwrap();
    }
    (upload, parts, secret)
}
