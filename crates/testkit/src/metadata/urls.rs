//! Issued URLs as their owner sees them, and revocations of more than one.

use super::sample::DAY;
use super::{Trial, name};
use std::num::NonZeroU32;
use std::time::Duration;
use valetkey_metadata::{
    LinkRow, MetadataError, MetadataStore, RevocationRow, Taken, UploadRow, UrlCursor, UrlEntry, UrlRow, UrlTarget, UrlTouch,
    UrlsOf,
};
use valetkey_model::{LinkId, Permission, Timestamp};

/// A URL for this object, issued now.
fn url(trial: &Trial, key: &str) -> UrlRow {
    UrlRow { signing_key: Some(name("app-1")), ..UrlRow::of_link(&trial.link(key)) }
}

fn link_ids(entries: &[UrlEntry]) -> Vec<LinkId> {
    entries.iter().map(|entry| entry.url.link_id).collect()
}

/// With every field and with none; a link's as its link says.
pub async fn a_url_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    let full = UrlRow {
        target: UrlTarget::Prefix("تقرير/".to_owned()),
        permission: Permission::ReadWrite,
        uses: NonZeroU32::new(u32::MAX),
        label: Some("Q3 '😀'".to_owned()),
        issuer: Some(name("cid")),
        not_before: Some(trial.tomorrow()),
        n_requests: 3,
        last_used_at: Some(trial.now()),
        ..url(&trial, "a")
    };
    let (plain, link) = (url(&trial, "a"), trial.link("a"));
    store.create_urls(vec![full.clone(), plain.clone()], Vec::new()).await.unwrap();
    store.create_links(vec![link.clone()]).await.unwrap();
    for expected in [full, plain, UrlRow::of_link(&link)] {
        let found = store.url(&expected.tenant, &expected.link_id).await.unwrap().unwrap();
        assert_eq!((found.url, found.ledger), (expected, None));
    }
    assert_eq!(store.url(&name("acme"), &trial.link_id()).await.unwrap(), None);
    assert_eq!(store.url(&name("other"), &link.link_id).await.unwrap(), None);
}

/// One id that is taken keeps all the others out, links too.
pub async fn urls_are_recorded_all_or_none(trial: Trial) {
    let store = trial.open_furnished().await;
    let (taken, link) = (url(&trial, "a"), trial.link("b"));
    store.create_urls(vec![taken.clone()], Vec::new()).await.unwrap();
    // A URL that is there stays as it is, and is no reason against the others.
    let again = UrlRow { link_id: taken.link_id, ..url(&trial, "c") };
    store.create_urls(vec![UrlRow::of_link(&link), again], vec![link.clone()]).await.unwrap();
    let found = store.url(&taken.tenant, &taken.link_id).await.unwrap();
    assert_eq!(found.map(|entry| entry.url), Some(taken));
    // A link is one.
    let other = url(&trial, "d");
    let made = store.create_urls(vec![other.clone()], vec![link.clone()]).await;
    assert!(matches!(made, Err(MetadataError::AlreadyExists { .. })), "{made:?}");
    assert_eq!(store.url(&other.tenant, &other.link_id).await.unwrap(), None);
    assert!(store.link_by_secret(&link.secret).await.unwrap().is_some());
    store.create_urls(Vec::new(), Vec::new()).await.unwrap();
}

/// Whatever is asked for, page by page all of it comes, in its order, and nothing twice.
pub async fn urls_come_in_pages(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut rows = Vec::new();
    for number in 0..12_u32 {
        let key = ["a", "a/b", "b"][number as usize % 3];
        let target = if number == 4 { UrlTarget::Prefix("a/".to_owned()) } else { UrlTarget::Object(name(key)) };
        let label = (number % 2 == 0).then(|| "even".to_owned());
        let bucket = if number == 5 { name("others") } else { name("reports") };
        rows.push(UrlRow { target, label, bucket, ..url(&trial, key) });
        // Two of each instant.
        if number % 2 == 1 {
            trial.clock.advance(Duration::from_secs(1));
        }
    }
    store.create_urls(rows.clone(), Vec::new()).await.unwrap();
    let newest: Vec<&UrlRow> = rows.iter().rev().collect();
    let of =
        |wanted: &dyn Fn(&UrlRow) -> bool| newest.iter().filter(|row| wanted(row)).map(|row| row.link_id).collect::<Vec<_>>();
    let reports = name("reports");
    let mut by_place: Vec<&UrlRow> = rows.iter().filter(|row| row.bucket == reports).collect();
    by_place.sort_by(|a, b| a.target.as_str().cmp(b.target.as_str()));
    let by_place: Vec<LinkId> = by_place.iter().map(|row| row.link_id).collect();
    let object = UrlTarget::Object(name("a/b"));
    for (asked, expected) in [
        (UrlsOf::Tenant, of(&|_| true)),
        (UrlsOf::Label("even".to_owned()), of(&|row| row.label.is_some())),
        (UrlsOf::Label("odd".to_owned()), Vec::new()),
        (UrlsOf::Bucket(reports.clone()), by_place),
        (UrlsOf::Object(reports.clone(), name("a/b")), of(&|row| row.target == object && row.bucket == reports)),
        (UrlsOf::Object(reports.clone(), name("a/")), Vec::new()),
    ] {
        for limit in [1, 2, 5, 12, 100] {
            assert_eq!(all(&*store, &asked, limit).await, expected, "{asked:?} {limit}");
        }
    }
}

/// Everything that is asked for, in pages of `limit`.
async fn all(store: &dyn MetadataStore, asked: &UrlsOf, limit: u32) -> Vec<LinkId> {
    let (mut found, mut after): (Vec<LinkId>, Option<UrlCursor>) = (Vec::new(), None);
    loop {
        let page = store.urls(&name("acme"), asked, after.as_ref(), limit).await.unwrap();
        found.extend(link_ids(&page));
        if page.len() < limit as usize {
            return found;
        }
        after = page.last().map(|entry| entry.cursor.clone());
    }
}

/// Another tenant's never come, be everything else the same.
pub async fn a_listing_is_of_one_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    let ours = UrlRow { label: Some("x".to_owned()), ..url(&trial, "a") };
    let theirs = UrlRow { tenant: name("other"), ..ours.clone() };
    store.create_urls(vec![ours.clone(), theirs], Vec::new()).await.unwrap();
    for asked in [
        UrlsOf::Tenant,
        UrlsOf::Label("x".to_owned()),
        UrlsOf::Bucket(name("reports")),
        UrlsOf::Object(name("reports"), name("a")),
    ] {
        let found = store.urls(&name("acme"), &asked, None, 10).await.unwrap();
        assert_eq!(found.into_iter().map(|entry| entry.url).collect::<Vec<_>>(), std::slice::from_ref(&ours), "{asked:?}");
        assert_eq!(store.urls(&name("nobody"), &asked, None, 10).await.unwrap(), []);
    }
}

/// Pages of a long listing hold what they should, from the first to the last.
pub async fn ten_thousand_urls_come_in_order(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut expected = Vec::new();
    for number in 0..20_i64 {
        let at = Timestamp::from_seconds(trial.now().as_seconds() + number);
        let urls: Vec<_> = (0..500).map(|_| UrlRow { issued_at: at, ..url(&trial, "a") }).collect();
        expected.extend(urls.iter().map(|row| row.link_id));
        store.create_urls(urls, Vec::new()).await.unwrap();
    }
    expected.reverse();
    assert_eq!(all(&*store, &UrlsOf::Tenant, 1_000).await, expected);
    assert_eq!(all(&*store, &UrlsOf::Object(name("reports"), name("a")), 999).await, expected);
}

/// The later instant stays; a row that is given is made where there is none, and only there.
pub async fn uses_are_added_up(trial: Trial) {
    let store = trial.open_furnished().await;
    let (known, signed, lost) = (url(&trial, "a"), url(&trial, "b"), trial.link_id());
    store.create_urls(vec![known.clone()], Vec::new()).await.unwrap();
    let touch = |link_id: LinkId, used_at: Timestamp, n_requests: u64, row: Option<UrlRow>| UrlTouch {
        tenant: name("acme"),
        link_id,
        used_at,
        n_requests,
        row,
    };
    let (earlier, later) = (trial.now(), trial.tomorrow());
    let other = UrlRow { link_id: known.link_id, ..signed.clone() };
    let touches = vec![
        touch(known.link_id, later, 2, Some(other)),
        touch(signed.link_id, earlier, 3, Some(signed.clone())),
        touch(lost, earlier, 1, None),
    ];
    store.touch_urls(touches).await.unwrap();
    store
        .touch_urls(vec![touch(known.link_id, earlier, 5, None), touch(signed.link_id, later, 1, Some(signed.clone()))])
        .await
        .unwrap();
    let found = async |link_id: LinkId| store.url(&name("acme"), &link_id).await.unwrap().map(|entry| entry.url);
    assert_eq!(found(known.link_id).await, Some(UrlRow { n_requests: 7, last_used_at: Some(later), ..known }));
    assert_eq!(found(signed.link_id).await, Some(UrlRow { n_requests: 4, last_used_at: Some(later), ..signed }));
    assert_eq!(found(lost).await, None);
}

/// Of its own form and signing key.
pub async fn a_url_shows_its_ledger(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let link = LinkRow { link_id: grant.link_id, ..trial.link("a") };
    let limited = UrlRow { uses: NonZeroU32::new(1), ..UrlRow::of_link(&link) };
    let token = UrlRow { link_id: trial.link_id(), signing_key: Some(name("app-1")), ..limited.clone() };
    store.create_urls(vec![limited.clone(), token.clone()], Vec::new()).await.unwrap();
    store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    let open = async |link_id: LinkId| {
        let entry = store.url(&name("acme"), &link_id).await.unwrap().unwrap();
        entry.ledger.map(|ledger| ledger.n_open())
    };
    assert_eq!((open(limited.link_id).await, open(token.link_id).await), (Some(1), None));
}

/// The latest that is not later than is asked for, be it a URL or an upload in parts.
pub async fn the_latest_issue_is_known(trial: Trial) {
    let store = trial.open_furnished().await;
    let at = |second: i64| Timestamp::from_seconds(trial.now().as_seconds() + second);
    let urls = [3, 1, 9].map(|second| UrlRow { issued_at: at(second), ..url(&trial, "a") });
    store.create_urls(urls.to_vec(), Vec::new()).await.unwrap();
    for (tenant, until, expected) in [("acme", 9, Some(9)), ("acme", 8, Some(3)), ("acme", 0, None), ("other", 9, None)] {
        let found = store.latest_issue(&name(tenant), at(until)).await.unwrap();
        assert_eq!(found, expected.map(at), "{tenant} {until}");
    }
    for second in [5, 2] {
        store.create_upload(UploadRow { created_at: at(second), ..trial.upload("a") }).await.unwrap();
    }
    for (tenant, until, expected) in [("acme", 9, Some(9)), ("acme", 8, Some(5)), ("acme", 4, Some(3)), ("other", 9, None)] {
        let found = store.latest_issue(&name(tenant), at(until)).await.unwrap();
        assert_eq!(found, expected.map(at), "with uploads, {tenant} {until}");
    }
}

/// Since when it is stays; how far it reaches, and how long it is remembered, only grows.
pub async fn a_broad_revocation_only_widens(trial: Trial) {
    let store = trial.open_furnished().await;
    let first = trial.broad_revocation(Taken::Label("x".to_owned()));
    let given = store.revoke(vec![first.clone()]).await.unwrap();
    assert_eq!(given, std::slice::from_ref(&first));
    trial.clock.advance(DAY / 2);
    let narrower = RevocationRow {
        issued_until: first.issued_until.minus(DAY),
        revoked_at: trial.now(),
        forget_at: first.forget_at.plus(DAY),
        ..first.clone()
    };
    let widened = RevocationRow { forget_at: narrower.forget_at, ..first.clone() };
    assert_eq!(store.revoke(vec![narrower]).await.unwrap(), std::slice::from_ref(&widened));
    let wider = RevocationRow { revoked_at: trial.now(), issued_until: trial.now(), ..first };
    let widened = RevocationRow { issued_until: trial.now(), ..widened };
    assert_eq!(store.revoke(vec![wider]).await.unwrap(), std::slice::from_ref(&widened));
    assert_eq!(store.revocations(trial.now(), None, 10).await.unwrap(), std::slice::from_ref(&widened));
    assert_eq!(store.revocations(widened.forget_at, None, 10).await.unwrap(), []);
    assert_eq!(store.sweep(widened.forget_at, 10).await.unwrap().n_rows, 1);
}

/// All of them, each once, of every kind and tenant.
pub async fn revocations_come_in_pages(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut rows = Vec::new();
    for tenant in ["acme", "other"] {
        for taken in [
            Taken::Link(LinkId::from_bytes([0; 16])),
            Taken::Link(LinkId::from_bytes([255; 16])),
            Taken::Label("x".to_owned()),
            Taken::Object { bucket: name("reports"), key: name("ü") },
            Taken::Prefix { bucket: name("reports"), prefix: String::new() },
            Taken::Prefix { bucket: name("reports"), prefix: "ü/".to_owned() },
            Taken::ApiKey(name("cid")),
            Taken::SigningKey(name("app-1")),
            Taken::Tenant,
        ] {
            let issued_until = if matches!(taken, Taken::Link(_)) { Timestamp::MAX } else { trial.now() };
            rows.push(RevocationRow { tenant: name(tenant), issued_until, ..trial.broad_revocation(taken) });
        }
    }
    let forgotten = RevocationRow { forget_at: trial.now(), ..trial.broad_revocation(Taken::Label("y".to_owned())) };
    store.revoke([rows.clone(), vec![forgotten]].concat()).await.unwrap();
    let sorted = |mut rows: Vec<RevocationRow>| {
        rows.sort_by(|a, b| (&a.tenant, &a.taken).cmp(&(&b.tenant, &b.taken)));
        rows
    };
    let rows = sorted(rows);
    for limit in [1, 2, 3, 4, 7, 18, 19] {
        let mut found: Vec<RevocationRow> = Vec::new();
        loop {
            let after = found.last().map(|row| (row.tenant.clone(), row.taken.clone()));
            let after = after.as_ref().map(|(tenant, taken)| (tenant, taken));
            let page = store.revocations(trial.now(), after, limit).await.unwrap();
            let is_last = page.len() < limit as usize;
            found.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(sorted(found), rows, "{limit}");
    }
}
