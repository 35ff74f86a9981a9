//! Calls that are done once.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

fn call<'a>(key: &'a str, body: &'a str) -> IdempotentCall<'a> {
    IdempotentCall { key, target: "/signed-urls", body: body.as_bytes() }
}

impl World {
    async fn begin(&self, id: &str, key: &str, body: &str) -> Idempotent {
        self.service.idempotent(&self.principal(id), call(key, body)).await.unwrap()
    }

    async fn attempt(&self, key: &str) -> Attempt {
        match self.begin("app", key, "body").await {
            Idempotent::Do(attempt) => attempt,
            other => panic!("{other:?}"),
        }
    }
}

fn answer(idempotent: &Idempotent) -> Option<&[u8]> {
    if let Idempotent::Done(answer) = idempotent { Some(answer) } else { None }
}

#[tokio::test]
async fn an_answer_is_given_again_for_a_day() {
    let world = world().await;
    world.attempt("k").await.answered(b"the answer, with a secret").await;
    for _ in 0..3 {
        assert_eq!(answer(&world.begin("app", "k", "body").await), Some(&b"the answer, with a secret"[..]));
    }
    let world = world.restarted().await;
    world.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(answer(&world.begin("app", "k", "body").await).is_some());
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(world.begin("app", "k", "body").await, Idempotent::Do(_)), "forgotten");
}

#[tokio::test]
async fn another_call_is_another() {
    let world = world().await;
    world.attempt("k").await.answered(b"x").await;
    assert!(matches!(world.begin("app", "k", "other body").await, Idempotent::Another));
    let elsewhere = IdempotentCall { target: "/buckets", ..call("k", "body") };
    let begun = world.service.idempotent(&world.principal("app"), elsewhere).await.unwrap();
    assert!(matches!(begun, Idempotent::Another));
    assert!(matches!(world.begin("app", "l", "body").await, Idempotent::Do(_)));
    for id in ["chief", "reader", "stranger"] {
        assert!(matches!(world.begin(id, "k", "body").await, Idempotent::Do(_)), "{id}");
    }
}

/// Who has a token with fewer scopes is not shown what the whole key was.
#[tokio::test]
async fn scopes_count() {
    let world = world().await;
    world.attempt("k").await.answered(b"x").await;
    let token = world.service.issue_access_token(&world.principal("app"), Some("object:read".parse().unwrap())).unwrap();
    let narrow = world.service.authenticate(&token.token, address(SOMEBODY.address)).unwrap();
    assert!(matches!(world.service.idempotent(&narrow, call("k", "body")).await.unwrap(), Idempotent::Do(_)));
}

#[tokio::test]
async fn only_one_does_it_at_a_time() {
    let world = world().await;
    let attempt = world.attempt("k").await;
    for body in ["body", "other body"] {
        assert!(matches!(world.begin("app", "k", body).await, Idempotent::UnderWay));
    }
    drop(attempt);
    let attempt = world.attempt("k").await;
    attempt.answered(b"x").await;
    assert!(answer(&world.begin("app", "k", "body").await).is_some());
}

/// What an end between the act and its answer leaves: done a second time, the same things are named, and found.
#[tokio::test]
async fn a_second_try_makes_no_second_thing() {
    let world = world().await;
    world.put("a", b"x").await;
    let (app, chief) = (world.principal("app"), world.principal("chief"));
    let link = || vec![request("a", Form::Link, Terms::new(Permission::Read))];
    let token = || vec![request("a", Form::Token, Terms::new(Permission::Read))];
    let new_key = || NewApiKey {
        id: Some("made".parse().unwrap()),
        scopes: "object:read".parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
        bearer: None,
    };
    let new_signing_key = || NewSigningKey {
        id: None,
        algorithm: "HS256".to_owned(),
        owner: Some("app".parse().unwrap()),
        secret: None,
        max_lifetime: None,
        limits: SigningKeyLimits::default(),
    };
    let scans = || NewBucket::new("scans".parse().unwrap());
    let from = address(SOMEBODY.address);
    let done = async |service: &Service| {
        let link = service.issue(&app, link()).await.unwrap().remove(0);
        let token = service.issue(&app, token()).await.unwrap().remove(0);
        let Credential::Link(secret) = link.credential else { panic!("a link") };
        let api_key = service.create_api_key(&chief, new_key(), from).await.unwrap();
        let rotated = service.rotate_api_key(&chief, &"creator".parse().unwrap()).await.unwrap();
        let signing_key = service.create_signing_key(&chief, new_signing_key()).await.unwrap();
        (
            (secret.text().expose().to_owned(), link.link_id, link.expires_at, token.link_id),
            (api_key.secret.expose().to_owned(), rotated.secret.expose().to_owned()),
            (signing_key.signing_key.id.clone(), signing_key.secret.unwrap().expose().to_vec()),
            service.create_bucket(&app, scans()).await.unwrap(),
        )
    };
    let first = done(world.attempt("k").await.service()).await;
    world.clock.advance(Duration::from_secs(7));
    let second = done(world.attempt("k").await.service()).await;
    assert_eq!(first, second);
    assert!(world.service.authenticate(&SecretText::new(first.1.0.clone()), from).is_ok());
    assert!(world.service.authenticate(&SecretText::new(first.1.1.clone()), from).is_ok());

    // Of a call that was not begun before, nothing is taken for its own.
    let attempt = world.attempt("l").await;
    let taken = attempt.service().create_bucket(&app, scans()).await.unwrap_err();
    assert!(matches!(taken, ServiceError::AlreadyExists { .. }), "{taken}");
    let taken = attempt.service().create_api_key(&chief, new_key(), from).await.unwrap_err();
    assert!(matches!(taken, ServiceError::AlreadyExists { .. }), "{taken}");
    let other = attempt.service().issue(&app, link()).await.unwrap().remove(0);
    assert_ne!(other.link_id, first.0.1);
}

/// Nor what somebody else made, or what was there before.
#[tokio::test]
async fn a_second_try_takes_nothing_that_is_not_its_own() {
    let world = world().await;
    let (app, chief) = (world.principal("app"), world.principal("chief"));
    world.service.create_bucket(&app, NewBucket::new("before".parse().unwrap())).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    drop(world.attempt("k").await);
    world.service.create_bucket(&chief, NewBucket::new("theirs".parse().unwrap())).await.unwrap();
    let public = NewBucket { public: true, ..NewBucket::new("public".parse().unwrap()) };
    world.service.create_bucket(&app, public).await.unwrap();
    let again = world.attempt("k").await;
    for name in ["before", "theirs", "public"] {
        let taken = again.service().create_bucket(&app, NewBucket::new(name.parse().unwrap())).await.unwrap_err();
        assert!(matches!(taken, ServiceError::AlreadyExists { .. }), "{name}: {taken}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be() {
    let world = world().await;
    let long = "x".repeat(256);
    for key in ["", "ü", "a\nb", "a\u{7f}", &long] {
        let refused = world.service.idempotent(&world.principal("app"), call(key, "")).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Invalid { field: "Idempotency-Key", .. }), "{key:?}");
    }
    assert!(matches!(world.begin("app", &long[..255], "").await, Idempotent::Do(_)));
}

/// Not even as a part: answers hold secrets.
#[tokio::test]
async fn answers_are_sealed() {
    let world = world().await;
    let secret = "vk_this-is-the-secret-of-an-API-key";
    world.attempt("k").await.answered(secret.as_bytes()).await;
    let directory = world.directory.path().to_owned();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            #[allow(clippy::disallowed_methods, reason = "what is on the disk is looked at")]
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(20).any(|window| window == &secret.as_bytes()[..20]), "{}", path.display());
        }
    }
}
