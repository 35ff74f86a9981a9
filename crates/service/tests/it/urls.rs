//! Issued URLs, as those see them who may issue or take back.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

impl World {
    async fn listed(&self, id: &str, query: UrlQuery) -> Vec<ListedUrl> {
        let page = self.service.urls(&self.principal(id), &query, None, 1000).await.unwrap();
        assert_eq!(page.next, None);
        page.urls
    }

    async fn state_of(&self, issued: &Issued) -> (UrlState, Option<u32>) {
        let listed = self.service.url(&self.principal("app"), &issued.link_id).await.unwrap();
        (listed.state, listed.uses_left)
    }
}

/// What the listing says is what a request is told.
#[tokio::test]
async fn a_state_is_what_a_request_is_told() {
    let world = world().await;
    world.put("dir/a", b"content").await;
    for form in [Form::Token, Form::Link] {
        let plain = world.issue(request("dir/a", form, Terms::new(Permission::Read))).await;
        assert_eq!(world.state_of(&plain).await, (UrlState::Active, None));
        let once = world.issue(request("dir/a", form, once(Terms::new(Permission::Read)))).await;
        assert_eq!(world.state_of(&once).await, (UrlState::Active, Some(1)));
        world.read(&once).await.unwrap();
        assert_eq!(world.state_of(&once).await, (UrlState::UsedUp, Some(0)));
        let not_before = Some(world.service.now().plus(Duration::from_secs(600)));
        let later = world.issue(IssueRequest { not_before, ..request("dir/a", form, Terms::new(Permission::Read)) }).await;
        assert_eq!(world.state_of(&later).await, (UrlState::NotYetValid, None));
        let taken = Taken::Prefix { bucket: bucket(), prefix: "dir/".to_owned() };
        let new = NewRevocation { taken: vec![taken], issued_until: None, cut: false };
        world.service.take_back(&world.principal("app"), new).await.unwrap();
        for issued in [&plain, &once, &later] {
            assert_eq!(world.state_of(issued).await.0, UrlState::Revoked);
        }
        let fresh = world.issue(request("dir/a", form, Terms::new(Permission::Read))).await;
        assert_eq!(world.state_of(&fresh).await.0, UrlState::Active);
        world.clock.advance(Duration::from_secs(7200));
        for issued in [&plain, &fresh] {
            assert_eq!(world.state_of(issued).await.0, UrlState::Expired);
        }
    }
    for (state, expected) in [(UrlState::Expired, 8), (UrlState::Active, 0), (UrlState::UsedUp, 0)] {
        assert_eq!(
            world.listed("app", UrlQuery { state: Some(state), ..UrlQuery::default() }).await.len(),
            expected,
            "{state:?}"
        );
    }
}

/// Uses are counted by requests that got, or gave, bytes; HEAD and refusals are none.
#[tokio::test]
async fn uses_are_counted() {
    let world = world().await;
    world.put("a", b"content").await;
    for form in [Form::Token, Form::Link] {
        let issued = world.issue(request("a", form, Terms::new(Permission::Read))).await;
        let used = async || {
            world.service.redemptions_recorded().await;
            let url = world.service.url(&world.principal("app"), &issued.link_id).await.unwrap().url;
            (url.n_requests, url.last_used_at)
        };
        assert_eq!(used().await, (0, None));
        for _ in 0..3 {
            world.read(&issued).await.unwrap();
        }
        let head = world.admitted(&issued, Method::Head, SOMEBODY).await.unwrap();
        world.service.find(head).await.unwrap();
        assert_eq!(world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap_err(), Refusal::WrongMethod);
        let first = world.service.now();
        assert_eq!(used().await, (3, Some(first)));
        world.clock.advance(Duration::from_secs(60));
        world.read(&issued).await.unwrap();
        assert_eq!(used().await, (4, Some(world.service.now())));
        let upload = world.issue(request(&format!("{form:?}"), form, once(Terms::new(Permission::Write)))).await;
        let admission = world.admitted(&upload, Method::Put, SOMEBODY).await.unwrap();
        filled(world.service.upload_granted(admission, UploadOptions::default()).await.unwrap(), b"x").await.unwrap();
        world.service.redemptions_recorded().await;
        let listed = world.service.url(&world.principal("app"), &upload.link_id).await.unwrap();
        assert_eq!((listed.url.n_requests, listed.state, listed.uses_left), (1, UrlState::UsedUp, Some(0)));
    }
}

/// Those of the tenant, and of them those for the principal's buckets, and its own.
#[tokio::test]
async fn who_sees_what() {
    let world = world().await;
    let others: BucketName = "others".parse().unwrap();
    world.service.create_bucket(&world.principal("app"), NewBucket::new(others.clone())).await.unwrap();
    world.put("a", b"content").await;
    let for_reports = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let upload = IssueRequest { bucket: others.clone(), ..request("b", Form::Link, Terms::new(Permission::Write)) };
    let for_others = world.issue(upload).await;
    let ids = |listed: Vec<ListedUrl>| listed.iter().map(|listed| listed.url.link_id).collect::<Vec<_>>();
    assert_eq!(ids(world.listed("app", UrlQuery::default()).await), [for_others.link_id, for_reports.link_id]);
    assert_eq!(ids(world.listed("reader", UrlQuery::default()).await).len(), 2, "`link:issue` will do");
    assert_eq!(world.listed("stranger", UrlQuery::default()).await, []);
    let stranger = world.principal("stranger");
    let theirs = world.service.url(&stranger, &for_reports.link_id).await;
    assert!(matches!(theirs, Err(ServiceError::NotFound { what: "link" })), "{theirs:?}");

    let new = NewApiKey { id: None, scopes: "*".parse().unwrap(), buckets: vec![others.clone()], expires_at: None, bearer: None };
    let made = world.service.create_api_key(&world.principal("chief"), new, address("192.0.2.9")).await.unwrap();
    let limited = world.service.authenticate(&made.secret, address("192.0.2.9")).unwrap();
    let page = world.service.urls(&limited, &UrlQuery::default(), None, 10).await.unwrap();
    assert_eq!(ids(page.urls), [for_others.link_id]);
    let in_reports = UrlQuery { bucket: Some(bucket()), ..UrlQuery::default() };
    assert!(matches!(world.service.urls(&limited, &in_reports, None, 10).await, Err(ServiceError::OutsideBuckets)));
    assert!(matches!(world.service.url(&limited, &for_reports.link_id).await, Err(ServiceError::OutsideBuckets)));
    let narrow = NewApiKey {
        id: None,
        scopes: "object:read audit:read".parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
        bearer: None,
    };
    let made = world.service.create_api_key(&world.principal("chief"), narrow, address("192.0.2.9")).await.unwrap();
    let narrow = world.service.authenticate(&made.secret, address("192.0.2.9")).unwrap();
    let refused = world.service.urls(&narrow, &UrlQuery::default(), None, 10).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::LinkIssue })), "{refused:?}");
}

/// All that is given must hold, page by page.
#[tokio::test]
async fn searched() {
    let world = world().await;
    for name in ["a", "b"] {
        world.put(name, b"content").await;
    }
    let mut issued = Vec::new();
    for number in 0..20 {
        let label = (number % 4 == 0).then(|| "x".to_owned());
        let terms = Terms { label, ..Terms::new(Permission::Read) };
        issued.push(world.issue(request(if number % 2 == 0 { "a" } else { "b" }, Form::Token, terms)).await);
        world.clock.advance(Duration::from_secs(1));
    }
    let new = NewRevocation { taken: vec![Taken::Link(issued[4].link_id)], issued_until: None, cut: false };
    world.service.take_back(&world.principal("app"), new).await.unwrap();
    let all = UrlQuery::default;
    let label = || Some("x".to_owned());
    for (query, expected) in [
        (all(), 20),
        (UrlQuery { bucket: Some(bucket()), ..all() }, 20),
        (UrlQuery { bucket: Some(bucket()), key: Some(key("b")), ..all() }, 10),
        (UrlQuery { label: label(), ..all() }, 5),
        (UrlQuery { label: label(), bucket: Some(bucket()), key: Some(key("b")), ..all() }, 0),
        (UrlQuery { label: label(), state: Some(UrlState::Active), ..all() }, 4),
        (UrlQuery { state: Some(UrlState::Revoked), ..all() }, 1),
    ] {
        for limit in [1, 3, 4, 5, 20] {
            let (mut found, mut after, mut n_pages) = (Vec::new(), None, 0);
            loop {
                let page = world.service.urls(&world.principal("app"), &query, after, limit).await.unwrap();
                assert!(page.urls.len() <= limit as usize);
                found.extend(page.urls.into_iter().map(|listed| listed.url.link_id));
                n_pages += 1;
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let n_found = found.len();
            found.sort();
            found.dedup();
            assert_eq!((found.len(), n_found), (expected, expected), "{query:?} {limit}");
            assert!(n_pages <= expected.div_ceil(limit as usize).max(1), "{query:?} {limit}: {n_pages} pages");
        }
    }
    let keyed = UrlQuery { key: Some(key("a")), ..all() };
    let refused = world.service.urls(&world.principal("app"), &keyed, None, 10).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { field: "key", .. })));
}
