//! Uploads in ranges of bytes.

use crate::world::*;
use bytes::Bytes;
use std::ops::Range;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn asked(session: &str, range: Option<Range<u64>>, total_bytes: u64, order: RangeOrder) -> RangeRequest<'_> {
    RangeRequest { session, range, total_bytes, declared_bytes: None, expected_sha1: None, order }
}

async fn sent(upload: Result<RangeUpload, RangeError>, content: &[u8]) -> Result<RangeOutcome, RangeError> {
    let mut upload = upload?;
    for piece in content.chunks(3) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}

/// By a principal, in any order.
async fn put(world: &World, session: &str, range: Range<u64>, total: u64, content: &[u8]) -> Result<RangeOutcome, RangeError> {
    let (app, options) = (world.principal("app"), UploadOptions { digests: DigestSet::SHA1, ..UploadOptions::default() });
    let request = asked(session, Some(range), total, RangeOrder::Any);
    sent(world.service.write_range(&app, (&bucket(), &key("big")), request, options).await, content).await
}

/// By a write URL, one after the other; no range asks whether all is there.
async fn go_on(
    world: &World,
    url: &Issued,
    range: Option<Range<u64>>,
    total: u64,
    content: &[u8],
) -> Result<RangeOutcome, RangeError> {
    let admission = world.admitted(url, Method::Put, SOMEBODY).await?;
    let request = asked("s", range, total, RangeOrder::Sequential);
    sent(world.service.write_range_granted(admission, request, UploadOptions::default()).await, content).await
}

async fn begin(world: &World, url: &Issued, options: UploadOptions) -> Result<(), ServiceError> {
    let admission = world.admitted(url, Method::Put, SOMEBODY).await?;
    world.service.begin_ranges_granted(&admission, "s", options).await
}

fn waiting(outcome: Result<RangeOutcome, RangeError>) -> u64 {
    match outcome {
        Ok(RangeOutcome::Waiting { received_bytes, .. }) => received_bytes,
        other => panic!("{other:?}"),
    }
}

fn published(outcome: Result<RangeOutcome, RangeError>) -> Published {
    match outcome {
        Ok(RangeOutcome::Published { published, .. }) => *published,
        other => panic!("{other:?}"),
    }
}

async fn content_of(world: &World, name: &str) -> Vec<u8> {
    world.read(&world.issue(request(name, Form::Token, Terms::new(Permission::Read))).await).await.unwrap()
}

async fn write_url(world: &World, name: &str) -> Issued {
    world.issue(request(name, Form::Link, once(Terms::new(Permission::Write)))).await
}

#[tokio::test]
async fn ranges_in_any_order_make_one_object() {
    let world = world().await;
    assert_eq!(waiting(put(&world, "s", 6..11, 11, b"world").await), 5);
    let received = world.service.received(&world.principal("app"), (&bucket(), &key("big")), "s").await.unwrap();
    assert_eq!(received, Received { ranges: std::iter::once(6..11).collect(), total_bytes: Some(11) });
    assert_eq!(waiting(put(&world, "s", 0..2, 11, b"he").await), 7);
    let app = world.principal("app");
    assert!(matches!(world.service.object(&app, &bucket(), &key("big")).await, Err(ServiceError::NotFound { .. })), "invisible");
    // The same session of another object, and another session of this one, are others.
    assert_eq!(waiting(put(&world, "t", 0..2, 11, b"xx").await), 2);
    let done = published(put(&world, "s", 2..6, 11, b"llo ").await);
    assert_eq!((done.object.size_bytes, done.object.sha1.is_some(), done.replaced), (11, true, false));
    assert_eq!(content_of(&world, "big").await, b"hello world");
    let over = world.service.received(&app, (&bucket(), &key("big")), "s").await;
    assert!(matches!(over, Err(ServiceError::NotFound { what: "upload" })), "{over:?}");
}

#[tokio::test]
async fn what_is_no_range_of_it_is_told_and_not_kept() {
    let world = world().await;
    assert_eq!(waiting(put(&world, "s", 2..6, 10, b"2345").await), 4);
    let check = async |range: Range<u64>, total, content: &[u8], expected: &str| {
        let refused = put(&world, "s", range.clone(), total, content).await.unwrap_err();
        assert_eq!(refused.to_string(), expected, "{range:?} of {total}");
    };
    check(0..3, 10, b"012", "the range overlaps one that was received").await;
    check(5..6, 10, b"5", "the range overlaps one that was received").await;
    check(0..2, 11, b"01", "the upload has 10 bytes, not 11").await;
    check(6..11, 10, b"6789a", "the range has no byte of the whole, or one beyond it").await;
    check(6..6, 10, b"", "the range has no byte of the whole, or one beyond it").await;
    check(6..9, 10, b"67", "the body has 2 bytes, the range 3").await;
    let (app, place) = (world.principal("app"), (bucket(), key("big")));
    let place = (&place.0, &place.1);
    let mut upload = world
        .service
        .write_range(&app, place, asked("s", Some(6..8), 10, RangeOrder::Any), UploadOptions::default())
        .await
        .unwrap();
    let refused = upload.write(Bytes::from_static(b"678")).await.unwrap_err();
    assert_eq!(refused.as_refusal(), Refusal::TooLarge);
    drop(upload);
    for request in [
        RangeRequest { declared_bytes: Some(3), ..asked("s", Some(6..8), 10, RangeOrder::Any) },
        RangeRequest { expected_sha1: Some([1; 20]), ..asked("s", Some(6..8), 10, RangeOrder::Any) },
    ] {
        let outcome = sent(world.service.write_range(&app, place, request, UploadOptions::default()).await, b"67").await;
        assert!(matches!(outcome, Err(RangeError::Length { found: 3, expected: 2 } | RangeError::Mismatch { found: Some(_) })));
    }
    assert_eq!(waiting(put(&world, "s", 0..2, 10, b"01").await), 6);
    published(put(&world, "s", 6..10, 10, b"6789").await);
    assert_eq!(content_of(&world, "big").await, b"0123456789");
}

#[tokio::test]
async fn who_may_write_is_asked_with_each_range() {
    let world = world().await;
    for (id, expected) in [("reader", "object:write"), ("stranger", "")] {
        let request = asked("s", Some(0..1), 2, RangeOrder::Any);
        let begun =
            world.service.write_range(&world.principal(id), (&bucket(), &key("big")), request, UploadOptions::default()).await;
        let refused = begun.err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    // A key that only creates may not end an upload over what another has put there meanwhile.
    let creator = world.principal("creator");
    let by_creator = async |range: Range<u64>| {
        let request = asked("s", Some(range), 2, RangeOrder::Any);
        sent(world.service.write_range(&creator, (&bucket(), &key("big")), request, UploadOptions::default()).await, b"x").await
    };
    assert_eq!(waiting(by_creator(0..1).await), 1);
    world.put("big", b"there").await;
    let refused = by_creator(1..2).await.unwrap_err();
    assert!(matches!(&refused, RangeError::Service(error) if error.as_refusal() == Refusal::Exists), "{refused}");
    assert_eq!(content_of(&world, "big").await, b"there");
}

#[tokio::test]
async fn sequential_ranges_go_on_where_they_broke_off() {
    let world = world().await;
    let url = write_url(&world, "a").await;
    let unknown = go_on(&world, &url, Some(0..3), 9, b"abc").await;
    assert!(matches!(unknown, Err(RangeError::Unknown)));
    begin(&world, &url, UploadOptions { content_type: Some("text/x-a".into()), ..UploadOptions::default() }).await.unwrap();
    assert_eq!(waiting(go_on(&world, &url, None, 9, b"").await), 0);
    assert_eq!(waiting(go_on(&world, &url, Some(0..3), 9, b"abc").await), 3);
    // It breaks off: what came stays.
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    let request = asked("s", Some(3..9), 9, RangeOrder::Sequential);
    let mut broken = world.service.write_range_granted(admission, request, UploadOptions::default()).await.unwrap();
    broken.write(Bytes::from_static(b"de")).await.unwrap();
    broken.keep().await.unwrap();
    assert_eq!(waiting(go_on(&world, &url, None, 9, b"").await), 5);
    let gap = go_on(&world, &url, Some(6..9), 9, b"ghi").await;
    assert!(matches!(gap, Err(RangeError::Gap { received_bytes: 5 })), "{gap:?}");
    // What was received already is passed over, whatever it is.
    let done = published(go_on(&world, &url, Some(1..9), 9, b"XXXXfghi").await);
    // Who has not heard of it asks, and whoever sends more is not told that it was taken.
    let again = async |range: Option<Range<u64>>, total| {
        let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
        world.service.completed_granted(&admission, &asked("s", range, total, RangeOrder::Sequential)).await
    };
    assert_eq!(again(None, 9).await.unwrap().unwrap().object.blob, done.object.blob);
    assert!(matches!(again(Some(8..9), 9).await, Err(RangeError::Overlaps)));
    assert!(matches!(again(None, 8).await, Err(RangeError::OtherTotal { found: 8, expected: 9 })));
    assert_eq!(done.object.content_type.as_deref(), Some("text/x-a"));
    assert_eq!(content_of(&world, "a").await, b"abcdefghi");
    let refused = go_on(&world, &url, None, 9, b"").await;
    assert!(matches!(&refused, Err(RangeError::Service(error)) if error.as_refusal() == Refusal::UsedUp), "{refused:?}");
}

#[tokio::test]
async fn an_empty_object_has_no_ranges() {
    let world = world().await;
    let url = write_url(&world, "a").await;
    begin(&world, &url, UploadOptions { declared_bytes: Some(0), ..UploadOptions::default() }).await.unwrap();
    let other = go_on(&world, &url, None, 1, b"").await;
    assert!(matches!(other, Err(RangeError::OtherTotal { found: 1, expected: 0 })));
    assert_eq!(published(go_on(&world, &url, None, 0, b"").await).object.size_bytes, 0);
}

#[tokio::test]
async fn a_long_range_is_kept_on_the_way() {
    let world = world().await;
    let url = write_url(&world, "a").await;
    let total = 150 << 20;
    begin(&world, &url, UploadOptions::default()).await.unwrap();
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    let request = asked("s", Some(0..total), total, RangeOrder::Sequential);
    let mut lost = world.service.write_range_granted(admission, request, UploadOptions::default()).await.unwrap();
    let piece = Bytes::from((0..5_u32 << 20).map(|byte| (byte % 251) as u8).collect::<Vec<_>>());
    for _ in 0..28 {
        lost.write(piece.clone()).await.unwrap();
    }
    // As by the end of the process: nobody has kept what came last.
    drop(lost);
    assert_eq!(waiting(go_on(&world, &url, None, total, b"").await), 128 << 20);
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    let rest = asked("s", Some(125 << 20..total), total, RangeOrder::Sequential);
    let mut rest = world.service.write_range_granted(admission, rest, UploadOptions::default()).await.unwrap();
    for _ in 25..30 {
        rest.write(piece.clone()).await.unwrap();
    }
    published(rest.finish().await);
    let content = content_of(&world, "a").await;
    assert!(content.chunks(piece.len()).all(|part| part == piece), "and it is the same");
    assert_eq!(content.len() as u64, total);
}

#[tokio::test]
async fn what_a_write_url_demands_holds_for_ranges() {
    let world = world().await;
    let mut terms = once(Terms::new(Permission::Write));
    terms.upload.max_bytes = Some(5);
    terms.upload.types = vec![MediaTypeRule::parse("text/*").unwrap()];
    terms.upload.digest = Some(DigestRule::Sha256([1; 32]));
    let url = world.issue(request("a", Form::Token, terms)).await;
    let text =
        |declared_bytes| UploadOptions { content_type: Some("text/plain".into()), declared_bytes, ..UploadOptions::default() };
    for (options, expected) in [(text(Some(6)), Refusal::TooLarge), (UploadOptions::default(), Refusal::TypeNotAllowed)] {
        assert_eq!(begin(&world, &url, options).await.unwrap_err().as_refusal(), expected);
    }
    begin(&world, &url, text(None)).await.unwrap();
    for (range, total, content, expected) in
        [(Some(0..2), 6, b"ab".as_slice(), Refusal::TooLarge), (Some(0..2), 2, b"ab", Refusal::DigestMismatch)]
    {
        let refused = go_on(&world, &url, range, total, content).await.unwrap_err();
        assert!(matches!(&refused, RangeError::Service(error) if error.as_refusal() == expected), "{refused} {expected:?}");
    }
    let app = world.principal("app");
    assert!(matches!(world.service.object(&app, &bucket(), &key("a")).await, Err(ServiceError::NotFound { .. })));
    // It can never be what the URL demands: its client begins again.
    assert!(matches!(go_on(&world, &url, None, 2, b"").await, Err(RangeError::Unknown)));
    assert_eq!(world.service.uploads(&app, None, 10).await.unwrap().uploads, []);
}

#[tokio::test]
async fn a_complete_upload_takes_nothing_more() {
    let world = world().await;
    waiting(put(&world, "s", 5..10, 10, b"BBBBB").await);
    let first = published(put(&world, "s", 0..5, 10, b"AAAAA").await);
    for (range, content) in [(0..5, b"AAAAA"), (5..10, b"ZZZZZ")] {
        let refused = put(&world, "s", range, 10, content).await;
        assert!(matches!(refused, Err(RangeError::Overlaps)), "{refused:?}");
    }
    assert_eq!(content_of(&world, "big").await, b"AAAAABBBBB");
    let app = world.principal("app");
    assert_eq!(world.service.uploads(&app, None, 10).await.unwrap().uploads, []);
    // After an hour the name is free.
    world.clock.advance(Duration::from_secs(3600));
    waiting(put(&world, "s", 5..10, 10, b"ZZZZZ").await);
    let second = published(put(&world, "s", 0..5, 10, b"YYYYY").await);
    assert_eq!((second.replaced, second.object.file_id), (true, first.object.file_id));
    assert_eq!(content_of(&world, "big").await, b"YYYYYZZZZZ");
}

#[tokio::test]
async fn a_range_that_is_there_is_compared_with_what_is_sent() {
    let world = world().await;
    let (creator, place) = (world.principal("creator"), (bucket(), key("big")));
    let send = async |range: Range<u64>, content: &[u8]| {
        let request = asked("s", Some(range), 10, RangeOrder::Any);
        let upload = world.service.write_range(&creator, (&place.0, &place.1), request, UploadOptions::default()).await;
        let mut upload = upload?;
        upload.write(Bytes::copy_from_slice(content)).await?;
        if content == b"QQQQQ" {
            // Meanwhile somebody else has put something there.
            world.put("big", b"in the way").await;
        }
        upload.finish().await
    };
    waiting(send(0..5, b"AAAAA").await);
    assert!(matches!(send(5..10, b"QQQQQ").await, Err(RangeError::Service(_))), "all is there, and cannot be published");
    let app = world.principal("app");
    world.service.delete_object(&app, &place.0, &place.1).await.unwrap();
    for (range, content) in [(5..10, b"RRRRR".as_slice()), (5..9, b"QQQQ"), (0..5, b"BBBBB")] {
        let refused = send(range.clone(), content).await;
        assert!(matches!(refused, Err(RangeError::Overlaps)), "{range:?} {refused:?}");
    }
    published(send(0..5, b"AAAAA").await);
    assert_eq!(content_of(&world, "big").await, b"AAAAAQQQQQ");
}

#[tokio::test]
async fn a_session_is_its_urls_alone() {
    let world = world().await;
    let (url, another) = (write_url(&world, "a").await, write_url(&world, "a").await);
    begin(&world, &url, UploadOptions::default()).await.unwrap();
    assert!(matches!(go_on(&world, &another, None, 9, b"").await, Err(RangeError::Unknown)));
    let admission = world.admitted(&another, Method::Put, SOMEBODY).await.unwrap();
    assert!(!world.service.abort_ranges_granted(&admission, "s").await.unwrap());
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    assert!(world.service.abort_ranges_granted(&admission, "s").await.unwrap());
    assert!(matches!(go_on(&world, &url, None, 9, b"").await, Err(RangeError::Unknown)));
}

#[tokio::test]
async fn an_idle_upload_ends_and_a_busy_one_does_not() {
    let world = world().await;
    waiting(put(&world, "busy", 0..1, 5, b"0").await);
    waiting(put(&world, "idle", 0..1, 5, b"0").await);
    for byte in 1..4_u64 {
        world.clock.advance(DAY / 2);
        waiting(put(&world, "busy", byte..byte + 1, 5, b"x").await);
    }
    world.service.housekeeping().await.unwrap();
    let app = world.principal("app");
    let uploads = world.service.uploads(&app, None, 10).await.unwrap().uploads;
    assert_eq!(uploads.iter().map(|entry| (entry.n_pieces, entry.received_bytes)).collect::<Vec<_>>(), [(4, 4)]);
    // Under its name another may begin, with another length.
    assert_eq!(waiting(put(&world, "idle", 0..1, 2, b"0").await), 1);
}

#[tokio::test]
async fn uploads_are_listed_and_thrown_away_by_their_owner() {
    let world = world().await;
    let (app, stranger) = (world.principal("app"), world.principal("stranger"));
    waiting(put(&world, "s", 0..1, 5, b"0").await);
    let parts = world.service.begin_parts(&app, &bucket(), &key("other")).await.unwrap();
    let page = world.service.uploads(&app, None, 1).await.unwrap();
    let rest = world.service.uploads(&app, page.next, 10).await.unwrap();
    assert_eq!((page.uploads.len(), rest.uploads.len(), rest.next), (1, 1, None));
    assert_eq!(world.service.uploads(&stranger, None, 10).await.unwrap(), UploadPage::default());
    for id in [page.uploads[0].upload.id, rest.uploads[0].upload.id] {
        assert!(matches!(world.service.abort_upload(&stranger, &id).await, Err(ServiceError::NotFound { .. })));
        assert_eq!(world.service.upload_of(&app, &id).await.unwrap().upload.id, id);
        world.service.abort_upload(&app, &id).await.unwrap();
        assert!(matches!(world.service.abort_upload(&app, &id).await, Err(ServiceError::NotFound { .. })));
    }
    let refused = world.service.part_secret(&app, &bucket(), &key("other"), &parts, DAY).await;
    assert!(matches!(refused, Err(ServiceError::NotFound { what: "upload" })));
    assert_eq!(waiting(put(&world, "s", 1..2, 5, b"1").await), 1, "it begins anew");
    let refused = world.service.uploads(&world.principal("reader"), None, 10).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { .. })));
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let world = world().await;
    waiting(put(&world, "s", 3..6, 6, b"def").await);
    let world = world.restarted().await;
    published(put(&world, "s", 0..3, 6, b"abc").await);
    assert_eq!(content_of(&world, "big").await, b"abcdef");
}

#[tokio::test]
async fn who_goes_on_does_not_wait_for_a_line_that_is_dead() {
    let world = world().await;
    let url = write_url(&world, "a").await;
    begin(&world, &url, UploadOptions::default()).await.unwrap();
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    let request = asked("s", Some(0..6), 6, RangeOrder::Sequential);
    let mut dead = world.service.write_range_granted(admission, request, UploadOptions::default()).await.unwrap();
    let superseded = dead.superseded().unwrap();
    dead.write(Bytes::from_static(b"abc")).await.unwrap();
    // What its client does not know to be there is sent again, and passed over.
    let (done, ()) = tokio::join!(go_on(&world, &url, Some(0..6), 6, b"XXXdef"), async {
        superseded.await;
        dead.keep().await.unwrap();
    });
    published(done);
    assert_eq!(content_of(&world, "a").await, b"abcdef");
}

#[tokio::test]
async fn of_many_that_ask_for_it_one_joins_the_pieces() {
    let world = world().await;
    let url = write_url(&world, "a").await;
    begin(&world, &url, UploadOptions::default()).await.unwrap();
    waiting(go_on(&world, &url, Some(0..3), 6, b"abc").await);
    let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
    let request = asked("s", Some(3..6), 6, RangeOrder::Sequential);
    let mut last = world.service.write_range_granted(admission, request, UploadOptions::default()).await.unwrap();
    last.write(Bytes::from_static(b"def")).await.unwrap();
    // All is there, and cannot be published while something is in the way.
    world.put("a", b"in the way").await;
    assert!(last.finish().await.is_err());
    world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    let ask = || go_on(&world, &url, None, 6, b"");
    let answers = [tokio::join!(ask(), ask(), ask(), ask())].map(|(a, b, c, d)| [a, b, c, d]).into_iter().flatten();
    let (done, refused): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
    let blobs: std::collections::HashSet<_> = done.into_iter().map(|done| published(done).object.blob).collect();
    assert_eq!(blobs.len(), 1, "they are told of the same");
    for refused in refused {
        let refusal = refused.map_err(|error| match error {
            RangeError::Service(error) => error.as_refusal(),
            other => panic!("{other}"),
        });
        assert!(matches!(refusal, Err(Refusal::InUse | Refusal::UsedUp)), "{refusal:?}");
    }
    assert_eq!(content_of(&world, "a").await, b"abcdef");
}
