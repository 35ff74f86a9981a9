//! URLs taken back: by what they have in common, since when, for whom, and in mid-transfer.

use crate::world::*;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

fn folder(prefix: &str) -> Taken {
    Taken::Prefix { bucket: bucket(), prefix: prefix.to_owned() }
}

fn object(name: &str) -> Taken {
    Taken::Object { bucket: bucket(), key: key(name) }
}

fn labelled(permission: Permission) -> Terms {
    Terms { label: Some("x".to_owned()), ..Terms::new(permission) }
}

fn all_of(taken: Taken) -> NewRevocation {
    NewRevocation { taken: vec![taken], issued_until: None, cut: false }
}

impl World {
    async fn take_back(&self, id: &str, new: NewRevocation) -> Result<Revoked, ServiceError> {
        self.service.take_back(&self.principal(id), new).await
    }

    async fn chief_takes(&self, taken: Taken) -> Revoked {
        self.take_back("chief", all_of(taken)).await.unwrap()
    }

    /// The id of the server's key that signs for the tenant.
    fn server_key(&self) -> SigningKeyId {
        let page = self.service.signing_keys(&self.principal("chief"), None, 10).unwrap();
        page.signing_keys[0].id.clone()
    }

    /// A principal with these scopes, limited to the bucket.
    async fn limited_to(&self, bucket: &str, scopes: &str) -> Principal {
        let new = NewApiKey {
            id: None,
            scopes: scopes.parse().unwrap(),
            buckets: vec![bucket.parse().unwrap()],
            expires_at: None,
            bearer: None,
        };
        let made = self.service.create_api_key(&self.principal("chief"), new, address("192.0.2.9")).await.unwrap();
        self.service.authenticate(&made.secret, address("192.0.2.9")).unwrap()
    }
}

/// In either form, at once, over restarts; what is issued afterwards works, be it in the same second.
#[tokio::test]
async fn each_kind_takes_back_what_was_issued_until_now() {
    let mut world = world().await;
    world.put("dir/a", b"content").await;
    let kinds = [
        Taken::Label("x".to_owned()),
        object("dir/a"),
        folder("dir/"),
        folder(""),
        Taken::ApiKey("app".parse().unwrap()),
        Taken::SigningKey(world.server_key()),
        Taken::Tenant,
    ];
    let mut dead = Vec::new();
    for taken in kinds {
        for _ in 0..2 {
            let mut issued = Vec::new();
            for form in [Form::Token, Form::Link] {
                let url = world.issue(request("dir/a", form, labelled(Permission::Read))).await;
                assert_eq!(world.read(&url).await.unwrap(), b"content", "{taken:?} {form:?}");
                issued.push((form, url));
            }
            let revoked = world.chief_takes(taken.clone()).await;
            assert_eq!((revoked.revocations[0].taken.clone(), revoked.n_cut), (taken.clone(), 0));
            for (form, url) in issued {
                // A link has no signing key.
                let hit = form == Form::Token || !matches!(taken, Taken::SigningKey(_));
                assert_eq!(world.read(&url).await.err(), hit.then_some(Refusal::Revoked), "{taken:?} {form:?}");
                dead.extend(Some(url).filter(|_| hit));
            }
        }
    }
    let alive = world.issue(request("dir/a", Form::Token, labelled(Permission::Read))).await;
    world = world.restarted().await;
    for url in &dead {
        assert_eq!(world.read(url).await.unwrap_err(), Refusal::Revoked);
    }
    assert_eq!(world.read(&alive).await.unwrap(), b"content");
}

/// What is not meant goes on.
#[tokio::test]
async fn only_what_is_meant_is_taken_back() {
    let world = world().await;
    for name in ["dir/a", "dir/b", "dirx"] {
        world.put(name, b"content").await;
    }
    let issue = async |name: &str, terms: Terms| world.issue(request(name, Form::Link, terms)).await;
    let (a, b, x) = (
        issue("dir/a", labelled(Permission::Read)).await,
        issue("dir/b", Terms::new(Permission::Read)).await,
        issue("dirx", Terms::new(Permission::Read)).await,
    );
    let dir = IssueRequest {
        target: Target::Prefix("dir/".to_owned()),
        must_exist: false,
        ..request("a", Form::Token, Terms::new(Permission::Read))
    };
    let dir = world.issue(dir).await;
    let works = async |issued: &Issued| world.read(issued).await.is_ok();
    let in_dir = async |name: &str| {
        let Credential::Token { token, .. } = &dir.credential else { panic!("a prefix in link form") };
        let path = format!("/o/reports/{name}");
        let credential = redeem::PresentedCredential::Token { token: token.expose(), raw_path: &path };
        world.redeem(credential, Method::Get, SOMEBODY).await.is_ok()
    };
    let until = |at| NewRevocation { issued_until: Some(at), ..all_of(Taken::Tenant) };
    world.take_back("chief", until(world.service.now().minus(Duration::from_secs(1)))).await.unwrap();
    assert!(works(&a).await && works(&b).await && works(&x).await && in_dir("dir/a").await, "issued later");
    world.chief_takes(Taken::Label("X".to_owned())).await;
    world.chief_takes(object("dir/a")).await;
    assert_eq!((works(&a).await, works(&b).await, works(&x).await), (false, true, true));
    assert_eq!((in_dir("dir/a").await, in_dir("dir/b").await), (false, true));
    world.chief_takes(folder("dir/")).await;
    assert_eq!((works(&b).await, works(&x).await, in_dir("dir/b").await), (false, true, false));
}

/// Be label, keys, buckets and ids called the same: another tenant's are not hit.
#[tokio::test]
async fn another_tenants_are_never_hit() {
    let world = world().await;
    let stranger = world.principal("stranger");
    let strange: BucketName = "strange".parse().unwrap();
    world.service.create_bucket(&stranger, NewBucket::new(strange.clone())).await.unwrap();
    let upload = world.service.upload(&stranger, &strange, &key("a"), UploadOptions::default()).await.unwrap();
    filled(upload, b"theirs").await.unwrap();
    let mut theirs = Vec::new();
    for form in [Form::Token, Form::Link] {
        let asked = IssueRequest { bucket: strange.clone(), ..request("a", form, labelled(Permission::Read)) };
        theirs.push(world.issue_as("stranger", asked).await.unwrap());
    }
    for taken in [Taken::Link(theirs[0].link_id), Taken::Link(theirs[1].link_id), Taken::Label("x".to_owned()), Taken::Tenant] {
        world.chief_takes(taken).await;
    }
    let their_key = world.service.signing_keys(&world.principal("boss"), None, 10).unwrap().signing_keys[0].id.clone();
    for (taken, what) in [(Taken::ApiKey("stranger".parse().unwrap()), "API key"), (Taken::SigningKey(their_key), "signing key")]
    {
        let refused = world.take_back("chief", all_of(taken)).await.unwrap_err();
        assert!(matches!(refused, ServiceError::NotFound { what: found } if found == what), "{refused:?}");
    }
    for prefix in ["", "a/"] {
        let taken = Taken::Prefix { bucket: strange.clone(), prefix: prefix.to_owned() };
        assert!(matches!(world.take_back("chief", all_of(taken)).await, Err(ServiceError::NotOwner)));
    }
    for url in &theirs {
        assert_eq!(world.read(url).await.unwrap(), b"theirs");
    }
}

#[tokio::test]
async fn who_may_take_back_what() {
    let world = world().await;
    world.put("a", b"content").await;
    let issued = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let one = || Taken::Link(issued.link_id);
    let app_key = || Taken::ApiKey("app".parse().unwrap());
    let missing =
        |scope| move |error: &ServiceError| matches!(error, ServiceError::MissingScope { scope: found } if *found == scope);
    let check = async |id: &str, taken: Taken, refused: Option<&dyn Fn(&ServiceError) -> bool>| {
        let outcome = world.take_back(id, all_of(taken.clone())).await;
        match (outcome, refused) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) if expected(&error) => {}
            (outcome, _) => panic!("{id} {taken:?}: {outcome:?}"),
        }
    };
    for taken in [one(), Taken::Label("x".to_owned()), object("a"), folder("")] {
        check("reader", taken.clone(), Some(&missing(Scope::LinkRevoke))).await;
        check("app", taken, None).await;
    }
    for taken in [app_key(), Taken::SigningKey(world.server_key()), Taken::Tenant] {
        check("app", taken.clone(), Some(&missing(Scope::Admin))).await;
        check("chief", taken, None).await;
    }
    let invalid = |error: &ServiceError| matches!(error, ServiceError::Invalid { .. });
    check("app", folder("a"), Some(&invalid)).await;
    let later = NewRevocation { issued_until: Some(world.service.now().plus(Duration::from_secs(1))), ..all_of(object("a")) };
    assert!(matches!(world.take_back("app", later).await, Err(ServiceError::Invalid { field: "issued_before", .. })));
    let of_one = NewRevocation { issued_until: Some(world.service.now()), ..all_of(one()) };
    assert!(matches!(world.take_back("app", of_one).await, Err(ServiceError::Invalid { field: "issued_before", .. })));
}

/// A key that is limited to buckets takes back what is for them, or what it issued, and nothing else.
#[tokio::test]
async fn a_limited_principal_stays_within_its_buckets() {
    let world = world().await;
    let others: BucketName = "others".parse().unwrap();
    world.service.create_bucket(&world.principal("app"), NewBucket::new(others.clone())).await.unwrap();
    world.put("a", b"content").await;
    let theirs = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let upload = IssueRequest { bucket: others.clone(), ..request("a", Form::Token, Terms::new(Permission::Write)) };
    let within = world.issue(upload).await;
    let limited = world.limited_to("others", "* admin").await;
    let takes = async |taken: Taken| world.service.take_back(&limited, all_of(taken)).await.map(drop);
    let outside =
        |outcome: Result<(), ServiceError>| assert!(matches!(outcome, Err(ServiceError::OutsideBuckets)), "{outcome:?}");
    for taken in [
        Taken::Link(theirs.link_id),
        Taken::Link(LinkId::from_bytes([3; 16])),
        Taken::Label("x".to_owned()),
        object("a"),
        folder(""),
        Taken::ApiKey("app".parse().unwrap()),
        Taken::SigningKey(world.server_key()),
        Taken::Tenant,
    ] {
        outside(takes(taken).await);
    }
    takes(Taken::Link(within.link_id)).await.unwrap();
    takes(Taken::Prefix { bucket: others, prefix: String::new() }).await.unwrap();
    assert_eq!(world.read(&theirs).await.unwrap(), b"content");
}

/// It is asked again in the transaction that makes an upload visible.
#[tokio::test]
async fn an_upload_under_way_is_not_published() {
    let world = world().await;
    for (number, taken) in
        [Taken::Label("x".to_owned()), object("1/a"), folder("2/"), Taken::ApiKey("app".parse().unwrap())].into_iter().enumerate()
    {
        let name = format!("{number}/a");
        for form in [Form::Token, Form::Link] {
            let issued = world.issue(request(&name, form, labelled(Permission::Write))).await;
            let admission = world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap();
            let upload = world.service.upload_granted(admission, UploadOptions::default()).await.unwrap();
            world.chief_takes(taken.clone()).await;
            let refused = filled(upload, b"content").await.unwrap_err();
            assert_eq!(refused.as_refusal(), Refusal::Revoked, "{taken:?} {form:?}");
            assert_eq!(world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap_err(), Refusal::Revoked);
        }
        assert!(world.service.object(&world.principal("app"), &bucket(), &key(&name)).await.is_err());
    }
}

/// The URLs of an upload's parts are of its place and its maker.
#[tokio::test]
async fn part_urls_are_taken_back_with_their_upload() {
    let world = world().await;
    let app = world.principal("app");
    let (place, name) = (bucket(), key("dir/a"));
    let id = world.service.begin_parts(&app, &place, &name).await.unwrap();
    let ticket = world.service.part_secret(&app, &place, &name, &id, Duration::from_secs(600)).await.unwrap();
    let mut begun = world.service.write_part(ticket.secret, 1, None).await.unwrap();
    begun.write("x".into()).await.unwrap();
    world.chief_takes(folder("dir/")).await;
    assert_eq!(begun.finish().await.unwrap_err().as_refusal(), Refusal::Revoked);
    assert_eq!(world.service.write_part(ticket.secret, 1, None).await.err().unwrap().as_refusal(), Refusal::Revoked);
}

/// With `cut`, whether it waits already or is about to; without, or of others, not.
#[tokio::test]
async fn a_transfer_under_way_ends_where_it_is_to() {
    let world = world().await;
    for name in ["a", "b"] {
        world.put(name, b"content").await;
    }
    let transfer = async |name: &str| {
        let issued = world.issue(request(name, Form::Token, Terms::new(Permission::Read))).await;
        world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap().transfer.unwrap()
    };
    let is_cut = async |transfer: &mut Transfer| poll_fn(|cx| Poll::Ready(transfer.poll_cut(cx).is_ready())).await;
    let (mut waits, mut is_about_to, mut other) = (transfer("a").await, transfer("a").await, transfer("b").await);
    assert!(!is_cut(&mut waits).await && !is_cut(&mut other).await);
    let waiting = tokio::spawn(transfer("a").await.unless_cut(pending::<()>()));
    tokio::task::yield_now().await;

    world.chief_takes(object("a")).await;
    assert!(!is_cut(&mut waits).await && !waiting.is_finished(), "without `cut` they may finish");
    let cut = NewRevocation { cut: true, ..all_of(object("a")) };
    let revoked = world.take_back("chief", cut.clone()).await.unwrap();
    assert_eq!(revoked.n_cut, 2);
    assert!(is_cut(&mut waits).await && is_cut(&mut is_about_to).await && !is_cut(&mut other).await);
    assert_eq!(waiting.await.unwrap(), Err(Refusal::Revoked));
    drop((waits, is_about_to));
    assert_eq!(world.take_back("chief", cut).await.unwrap().n_cut, 0, "what is over is not cut");
    assert!(!is_cut(&mut transfer("b").await).await, "nor is what was admitted since");
}

/// Whoever takes all back and issues anew, again and again, is not let ahead of the clock.
#[tokio::test]
async fn the_instant_of_issue_stays_near_the_clock() {
    let world = world().await;
    world.put("a", b"content").await;
    let mut n_issued = 0;
    let refused = loop {
        match world.issue_as("app", request("a", Form::Token, Terms::new(Permission::Read))).await {
            Ok(issued) => {
                assert_eq!(world.read(&issued).await.unwrap(), b"content");
                world.chief_takes(Taken::Tenant).await;
                assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::Revoked);
                n_issued += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((n_issued, refused.as_refusal()), (31, Refusal::TooManyRequests));
    world.clock.advance(Duration::from_secs(2));
    world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
}

/// A revocation is remembered as long as what it hits could have lived.
#[tokio::test]
async fn revocations_are_forgotten_with_the_last_url() {
    let world = world().await;
    world.put("a", b"content").await;
    let chief = world.principal("chief");
    let new = NewSigningKey {
        id: Some("short".parse().unwrap()),
        algorithm: "HS256".to_owned(),
        owner: Some("app".parse().unwrap()),
        secret: None,
        max_lifetime: Some(Duration::from_secs(600)),
        limits: SigningKeyLimits::default(),
    };
    world.service.create_signing_key(&chief, new).await.unwrap();
    let issued = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
    let (hour, days) = (Duration::from_secs(3600), |n: u64| Duration::from_secs(n * 24 * 3600));
    for (taken, least, most) in [
        (Taken::Link(issued.link_id), hour, hour * 2),
        (Taken::SigningKey("short".parse().unwrap()), Duration::from_secs(600), hour),
        (Taken::Link(LinkId::from_bytes([1; 16])), days(400), days(401)),
        (Taken::Label("x".to_owned()), days(400), days(401)),
    ] {
        let row = world.chief_takes(taken.clone()).await.revocations.remove(0);
        let kept = row.forget_at.since(world.service.now());
        assert!(kept >= least && kept <= most, "{taken:?}: {kept:?}");
    }
}

/// URLs of every form, all for the object `dir/a`: with the path to ask for where it is not in the credential.
async fn every_form(world: &World) -> Vec<(&'static str, Issued, Option<&'static str>)> {
    let object = world.put("dir/a", b"content").await.object;
    let asked = |target: Target, form: Form| IssueRequest {
        target,
        must_exist: false,
        ..request("dir/a", form, labelled(Permission::Read))
    };
    let folder = asked(Target::Prefix("dir/".to_owned()), Form::Token);
    vec![
        ("token", world.issue(request("dir/a", Form::Token, labelled(Permission::Read))).await, None),
        ("link", world.issue(request("dir/a", Form::Link, labelled(Permission::Read))).await, None),
        ("folder", world.issue(folder).await, Some("/o/reports/dir/a")),
        ("file", world.issue(asked(Target::File(object.file_id), Form::Token)).await, None),
    ]
}

async fn told(world: &World, issued: &Issued, path: Option<&str>) -> Option<Refusal> {
    let credential = match (&issued.credential, path) {
        (Credential::Token { token, .. }, Some(raw_path)) => {
            redeem::PresentedCredential::Token { token: token.expose(), raw_path }
        }
        (Credential::Token { token, path }, None) => redeem::PresentedCredential::Token { token: token.expose(), raw_path: path },
        (Credential::Link(secret), _) => redeem::PresentedCredential::Link(*secret),
    };
    world.redeem(credential, Method::Get, SOMEBODY).await.err()
}

#[tokio::test]
async fn every_form_is_hit_alike() {
    let world = world().await;
    let kinds = [
        Taken::Label("x".to_owned()),
        object("dir/a"),
        folder("dir/"),
        folder(""),
        Taken::ApiKey("app".parse().unwrap()),
        Taken::Tenant,
    ];
    for taken in kinds {
        let forms = every_form(&world).await;
        for (form, issued, path) in &forms {
            assert_eq!(told(&world, issued, *path).await, None, "{form}");
        }
        world.chief_takes(taken.clone()).await;
        for (form, issued, path) in &forms {
            assert_eq!(told(&world, issued, *path).await, Some(Refusal::Revoked), "{taken:?} {form}");
        }
    }
}

/// Switched off, or without the scope: at once, and only as long as that lasts.
#[tokio::test]
async fn every_form_is_worth_what_its_issuer_is() {
    let world = world().await;
    let forms = every_form(&world).await;
    let (chief, app) = (world.principal("chief"), "app".parse::<ApiKeyId>().unwrap());
    let change = async |scopes: Option<&str>, disabled: bool| {
        let scopes = scopes.map(|scopes| scopes.parse().unwrap());
        let update = ApiKeyUpdate { scopes, disabled: Some(disabled), ..ApiKeyUpdate::default() };
        world.service.update_api_key(&chief, &app, update).await.unwrap();
    };
    for (scopes, disabled, expected) in [
        (None, false, None),
        (None, true, Some(Refusal::IssuerDisabled)),
        (None, false, None),
        (Some("link:issue object:write"), false, Some(Refusal::IssuerDisabled)),
        (Some("object:read"), false, None),
    ] {
        change(scopes, disabled).await;
        for (form, issued, path) in &forms {
            assert_eq!(told(&world, issued, *path).await, expected, "{form} {scopes:?} {disabled}");
        }
    }
}
