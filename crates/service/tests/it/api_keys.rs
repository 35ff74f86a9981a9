//! API keys, as administrators make, change and end them.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

fn id(text: &str) -> ApiKeyId {
    text.parse().unwrap()
}

fn scopes(words: &str) -> Scopes {
    words.parse().unwrap()
}

fn new(name: &str, words: &str) -> NewApiKey {
    NewApiKey { id: Some(id(name)), scopes: scopes(words), buckets: Vec::new(), expires_at: None, bearer: None }
}

fn nothing() -> ApiKeyUpdate {
    ApiKeyUpdate::default()
}

impl World {
    async fn make(&self, new: NewApiKey) -> Result<IssuedApiKey, ServiceError> {
        self.service.create_api_key(&self.principal("chief"), new, address(SOMEBODY.address)).await
    }

    async fn update(&self, name: &str, update: ApiKeyUpdate) -> Result<std::sync::Arc<ApiKeyRow>, ServiceError> {
        self.service.update_api_key(&self.principal("chief"), &id(name), update).await
    }

    fn who(&self, secret: &SecretText) -> Result<Principal, ServiceError> {
        self.service.authenticate(secret, address(SOMEBODY.address))
    }
}

#[tokio::test]
async fn a_made_key_works_at_once_and_after_a_restart() {
    let world = world().await;
    let bearer = SecretText::new("a-bearer-of-16-b");
    let asked = NewApiKey { buckets: vec![bucket()], bearer: Some(bearer.clone()), ..new("made", "object:read link:issue") };
    let made = world.make(asked).await.unwrap();
    assert!(made.secret.expose().starts_with("vk_") && made.secret.expose().len() == 51);
    let random = world.make(NewApiKey { id: None, ..new("x", "*") }).await.unwrap();
    let random = random.api_key.id.to_string();
    assert!(random.len() == 20 && random.starts_with("key-"), "{random}");
    let world = {
        for secret in [&made.secret, &bearer] {
            let principal = world.who(secret).unwrap();
            assert_eq!((principal.api_key(), principal.tenant().as_str()), (&id("made"), "acme"));
            assert_eq!(principal.scopes(), scopes("object:read link:issue"));
        }
        assert_eq!(world.service.authenticate_client("made", &made.secret, address("::1")).unwrap().api_key(), &id("made"));
        world.restarted().await
    };
    assert!(world.who(&made.secret).is_ok() && world.who(&bearer).is_ok());
    let found = world.service.api_key(&world.principal("chief"), &id("made")).unwrap();
    assert_eq!(found, made.api_key);
}

#[tokio::test]
async fn only_administrators_administer() {
    let world = world().await;
    world.make(NewApiKey { buckets: vec![bucket()], ..new("fenced", "* admin") }).await.map(drop).unwrap();
    let fenced = world.make(NewApiKey { buckets: vec![bucket()], ..new("fenced-2", "* admin") }).await.unwrap();
    let app = world.principal("app");
    let fenced = world.who(&fenced.secret).unwrap();
    for (principal, is_refused) in [
        (&app, (|error: &ServiceError| matches!(error, ServiceError::MissingScope { scope: Scope::Admin })) as fn(&_) -> bool),
        (&fenced, |error| matches!(error, ServiceError::OutsideBuckets)),
    ] {
        let service = &world.service;
        let made = service.create_api_key(principal, new("x", "object:read"), address("::1")).await.map(drop);
        let updated = service.update_api_key(principal, &id("app"), nothing()).await.map(drop);
        let rotated = service.rotate_api_key(principal, &id("app")).await.map(drop);
        let deleted = service.delete_api_key(principal, &id("app")).await;
        let shown = service.api_key(principal, &id("app")).map(drop);
        let listed = service.api_keys(principal, None, 10).map(drop);
        for (what, done) in [made, updated, rotated, deleted, shown, listed].into_iter().enumerate() {
            let error = done.unwrap_err();
            assert!(is_refused(&error), "{} {what}: {error}", principal.api_key());
        }
    }
    // A token with the scope will do, and one without will not, whoever it is for.
    let chief = world.principal("chief");
    let admin = world.service.issue_access_token(&chief, Some(scopes("admin"))).unwrap();
    let admin = world.who(&admin.token).unwrap();
    let made = world.service.create_api_key(&admin, new("by-token", "* admin"), address("::1")).await.unwrap();
    assert_eq!(made.api_key.scopes, Scopes::EVERYTHING, "any scope, whatever the administrator's own");
    let plain = world.service.issue_access_token(&chief, Some(Scopes::ALL_BUT_ADMIN)).unwrap();
    let refused = world.service.api_keys(&world.who(&plain.token).unwrap(), None, 10).unwrap_err();
    assert!(matches!(refused, ServiceError::MissingScope { scope: Scope::Admin }), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let world = world().await;
    let check = async |name: &str, change: &dyn Fn(&mut NewApiKey), field: Option<&str>| {
        let mut asked = new(name, "object:read");
        change(&mut asked);
        let found = match world.make(asked).await {
            Ok(_) => None,
            Err(ServiceError::Invalid { field, .. }) => Some(field),
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(found, field, "{name}");
    };
    let bearer = |text: String| move |key: &mut NewApiKey| key.bearer = Some(SecretText::new(text.clone()));
    let buckets = |n: usize| move |key: &mut NewApiKey| key.buckets = vec![bucket(); n];
    let now = world.service.now();
    check("server", &|_| {}, Some("id")).await;
    check("no-scopes", &|key| key.scopes = Scopes::NONE, Some("scopes")).await;
    check("bearer-15", &bearer("b".repeat(15)), Some("bearer")).await;
    check("bearer-16", &bearer("b".repeat(16)), None).await;
    check("bearer-512", &bearer("c".repeat(512)), None).await;
    check("bearer-513", &bearer("d".repeat(513)), Some("bearer")).await;
    check("bearer-space", &bearer("e ".repeat(10)), Some("bearer")).await;
    check("bearer-umlaut", &bearer("ü".repeat(10)), Some("bearer")).await;
    check("buckets-1000", &buckets(1000), None).await;
    check("buckets-1001", &buckets(1001), Some("buckets")).await;
    check("expires-now", &|key| key.expires_at = Some(now), Some("expires_at")).await;
    check("expires-soon", &|key| key.expires_at = Some(Timestamp::from_micros(now.as_micros() + 1)), None).await;
    let update = async |update: ApiKeyUpdate| match world.update("app", update).await {
        Err(ServiceError::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(update(ApiKeyUpdate { scopes: Some(Scopes::NONE), ..nothing() }).await, "scopes");
    assert_eq!(update(ApiKeyUpdate { buckets: Some(vec![bucket(); 1001]), ..nothing() }).await, "buckets");
    assert_eq!(update(ApiKeyUpdate { expires_at: Some(Some(world.service.now())), ..nothing() }).await, "expires_at");
}

#[tokio::test]
async fn an_id_and_a_bearer_value_are_taken_once_in_the_installation() {
    let world = world().await;
    let bearer = || Some(SecretText::new("bearer-of-somebody"));
    let boss = world.principal("boss");
    world.service.create_api_key(&boss, NewApiKey { bearer: bearer(), ..new("theirs", "*") }, address("::1")).await.unwrap();
    for taken in [new("app", "*"), new("theirs", "*"), NewApiKey { bearer: bearer(), ..new("mine", "*") }] {
        let refused = world.make(taken).await.unwrap_err();
        assert!(matches!(refused, ServiceError::AlreadyExists { .. }), "{refused}");
    }
    // That a value is taken says that it is somebody's: it is a guess like any other.
    let guess = async |client: &str| {
        let asked = NewApiKey { id: None, bearer: bearer(), ..new("x", "*") };
        world.service.create_api_key(&world.principal("chief"), asked, address(client)).await.unwrap_err()
    };
    for _ in 0..100 {
        assert!(matches!(guess("192.0.2.77").await, ServiceError::AlreadyExists { .. }));
    }
    assert!(matches!(guess("192.0.2.77").await, ServiceError::Refused(Refusal::TooManyRequests)));
    assert!(matches!(guess("192.0.2.78").await, ServiceError::AlreadyExists { .. }));
}

#[tokio::test]
async fn a_url_is_worth_at_once_what_its_issuer_is() {
    let world = world().await;
    world.put("a", b"x").await;
    let mut urls = Vec::new();
    for form in [Form::Token, Form::Link] {
        urls.push(world.issue_as("reader", request("a", form, Terms::new(Permission::Read))).await.unwrap());
    }
    let worth = async |what: &str, expected: Result<(), Refusal>| {
        for url in &urls {
            assert_eq!(world.read(url).await.map(drop), expected, "{what}");
        }
    };
    let elsewhere: BucketName = "elsewhere".parse().unwrap();
    let soon = world.service.now().plus(Duration::from_secs(60));
    worth("at first", Ok(())).await;
    for (what, ends, mends) in [
        ("disabled", ApiKeyUpdate { disabled: Some(true), ..nothing() }, ApiKeyUpdate { disabled: Some(false), ..nothing() }),
        (
            "without the scope",
            ApiKeyUpdate { scopes: Some(scopes("link:issue object:write")), ..nothing() },
            ApiKeyUpdate { scopes: Some(scopes("object:read")), ..nothing() },
        ),
        (
            "limited to another bucket",
            ApiKeyUpdate { buckets: Some(vec![elsewhere]), ..nothing() },
            ApiKeyUpdate { buckets: Some(vec![bucket()]), ..nothing() },
        ),
    ] {
        world.update("reader", ends).await.unwrap();
        worth(what, Err(Refusal::IssuerDisabled)).await;
        world.update("reader", mends).await.unwrap();
        worth("mended", Ok(())).await;
    }
    world.update("reader", ApiKeyUpdate { expires_at: Some(Some(soon)), ..nothing() }).await.unwrap();
    worth("until it expires", Ok(())).await;
    world.clock.set(soon);
    worth("expired", Err(Refusal::IssuerDisabled)).await;
    world.update("reader", ApiKeyUpdate { expires_at: Some(None), ..nothing() }).await.unwrap();
    worth("for ever", Ok(())).await;
    world.service.rotate_api_key(&world.principal("chief"), &id("reader")).await.unwrap();
    worth("its secret plays no part", Ok(())).await;
    world.service.delete_api_key(&world.principal("chief"), &id("reader")).await.unwrap();
    worth("deleted", Err(Refusal::IssuerDisabled)).await;
    assert!(matches!(world.make(new("reader", "*")).await, Err(ServiceError::AlreadyExists { .. })), "no other gets its id");
    assert!(matches!(world.update("reader", nothing()).await, Err(ServiceError::NotFound { .. })));
    let world = world.restarted().await;
    for url in &urls {
        assert_eq!(world.read(url).await.unwrap_err(), Refusal::IssuerDisabled, "after a restart");
    }
}

#[tokio::test]
async fn an_upload_begun_before_its_key_was_narrowed_is_not_published() {
    let world = world().await;
    let begin = async || world.service.upload(&world.principal("creator"), &bucket(), &key("a"), UploadOptions::default()).await;
    let late = begin().await.unwrap();
    world.update("creator", ApiKeyUpdate { scopes: Some(scopes("object:read")), ..nothing() }).await.unwrap();
    let refused = filled(late, b"x").await.unwrap_err();
    assert!(matches!(refused, ServiceError::Refused(Refusal::IssuerDisabled)), "{refused}");
    world.update("creator", ApiKeyUpdate { scopes: Some(scopes("object:create")), ..nothing() }).await.unwrap();
    filled(begin().await.unwrap(), b"x").await.unwrap();
}

#[tokio::test]
async fn a_second_secret_ends_the_first_and_its_tokens() {
    let world = world().await;
    let bearer = SecretText::new("a-bearer-of-16-b");
    let first = world.make(NewApiKey { bearer: Some(bearer.clone()), ..new("made", "*") }).await.unwrap();
    let token = world.service.issue_access_token(&world.who(&first.secret).unwrap(), None).unwrap().token;
    assert!(world.who(&token).is_ok());
    let second = world.service.rotate_api_key(&world.principal("chief"), &id("made")).await.unwrap();
    for ended in [&first.secret, &token] {
        assert!(matches!(world.who(ended), Err(ServiceError::Unauthenticated)));
    }
    let token = world.service.issue_access_token(&world.who(&second.secret).unwrap(), None).unwrap().token;
    let world = world.restarted().await;
    for works in [&second.secret, &token, &bearer] {
        assert_eq!(world.who(works).unwrap().api_key(), &id("made"));
    }
    assert!(world.who(&first.secret).is_err(), "after a restart");
}

#[tokio::test]
async fn a_tenant_keeps_an_administrator() {
    let world = world().await;
    let chief = world.principal("chief");
    let ways = [
        ApiKeyUpdate { disabled: Some(true), ..nothing() },
        ApiKeyUpdate { scopes: Some(scopes("*")), ..nothing() },
        ApiKeyUpdate { buckets: Some(vec![bucket()]), ..nothing() },
    ];
    for way in ways {
        let refused = world.update("chief", way).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Conflict { .. }), "{refused}");
    }
    let refused = world.service.delete_api_key(&chief, &id("chief")).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Conflict { .. }), "{refused}");
    world.make(new("second", "admin")).await.unwrap();
    world.service.delete_api_key(&chief, &id("chief")).await.unwrap();
    let gone = world.service.authenticate(&SecretText::new("secret of chief"), address(SOMEBODY.address));
    assert!(matches!(gone, Err(ServiceError::Unauthenticated)));
}

#[tokio::test]
async fn keys_come_in_pages_without_those_of_others_and_the_deleted() {
    let world = world().await;
    for name in ["k1", "k2", "k3", "k4"] {
        world.make(new(name, "*")).await.unwrap();
    }
    let chief = world.principal("chief");
    world.service.delete_api_key(&chief, &id("k2")).await.unwrap();
    let expected = ["app", "chief", "creator", "k1", "k3", "k4", "reader"];
    for limit in 1..=8 {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = world.service.api_keys(&chief, after.as_ref(), limit).unwrap();
            assert!(page.next.is_none() || page.api_keys.len() == limit as usize);
            names.extend(page.api_keys.iter().map(|row| row.id.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(names, expected, "by {limit}");
    }
    for name in ["k2", "stranger", "nobody"] {
        assert!(matches!(world.service.api_key(&chief, &id(name)), Err(ServiceError::NotFound { what: "API key" })), "{name}");
    }
}
