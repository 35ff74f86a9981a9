//! Signing keys, as administrators make and retire them.

use crate::world::*;
use base64::Engine as _;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::PresentedCredential;
use valetkey_service::*;
use valetkey_signing::{Algorithm, Claims, KeyOwner, PathRule, SigningKey, canonical_object_path};

fn kid(text: &str) -> SigningKeyId {
    text.parse().unwrap()
}

fn new(id: &str, owner: Option<&str>) -> NewSigningKey {
    NewSigningKey {
        id: Some(kid(id)),
        algorithm: "HS256".to_owned(),
        owner: owner.map(|owner| owner.parse().unwrap()),
        secret: None,
        max_lifetime: None,
        limits: SigningKeyLimits::default(),
    }
}

impl World {
    async fn make_signing_key(&self, new: NewSigningKey) -> Result<IssuedSigningKey, ServiceError> {
        self.service.create_signing_key(&self.principal("chief"), new).await
    }

    async fn put_into(&self, id: &str, state: SigningKeyState) -> Result<std::sync::Arc<SigningKeyRow>, ServiceError> {
        self.service.set_signing_key_state(&self.principal("chief"), &kid(id), state).await
    }

    /// Presents a token that was signed elsewhere.
    async fn present(&self, token: &SecretText, name: &str) -> Result<(), Refusal> {
        let path = canonical_object_path("", &bucket(), &key(name));
        let credential = PresentedCredential::Token { token: token.expose(), raw_path: &path };
        self.redeem(credential, Method::Get, SOMEBODY).await.map(drop)
    }
}

/// Signs as whoever holds the secret does, anywhere.
fn sign_offline(made: &IssuedSigningKey, secret: &Secret, name: &str, lifetime: Duration, now: Timestamp) -> SecretText {
    let row = &made.signing_key;
    let owner = row.owner.clone().map_or(KeyOwner::Server, KeyOwner::ApiKey);
    let signing_key = SigningKey::new(row.id.clone(), row.tenant.clone(), Algorithm::Hs256, owner, secret).unwrap();
    let signing_key = signing_key
        .with_limits(valetkey_signing::KeyLimits::default().with_max_lifetime(Duration::from_secs(400 * 86400)).unwrap());
    let claims = Claims {
        tenant: row.tenant.clone(),
        link_id: LinkId::from_bytes([9; 16]),
        issued_at: now.whole_seconds(),
        not_before: None,
        expires_at: now.whole_seconds().plus(lifetime),
        path: PathRule::Exact(canonical_object_path("", &bucket(), &key(name))),
        terms: Terms::new(Permission::Read),
    };
    valetkey_signing::sign(&claims, &signing_key).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_secret_is_shown_to_whom_it_is_for_and_nobody_else() {
    let world = world().await;
    let check = async |id: &str, owner: Option<&str>, given: bool, shown: bool| {
        let secret = given.then(|| Secret::new([7; 32].as_slice()));
        let made = world.make_signing_key(NewSigningKey { secret, ..new(id, owner) }).await.unwrap();
        assert_eq!(made.secret.is_some(), shown, "{id}");
        assert_eq!(made.secret.map_or(32, |secret| secret.expose().len()), 32, "{id}");
        assert!(!format!("{:?}", made.signing_key).contains("[7, 7, 7"), "sealed");
    };
    check("made-for-app", Some("app"), false, true).await;
    check("given-for-app", Some("app"), true, false).await;
    check("made-for-server", None, false, false).await;
    check("given-for-server", None, true, false).await;
    let random = world.make_signing_key(NewSigningKey { id: None, ..new("x", None) }).await.unwrap();
    assert!(random.signing_key.id.as_str().starts_with("key-"), "{}", random.signing_key.id);
}

#[tokio::test]
async fn what_is_signed_offline_is_worth_what_the_owner_and_the_key_are() {
    let world = world().await;
    world.put("a", b"x").await;
    let made = world.make_signing_key(new("app-1", Some("reader"))).await.unwrap();
    let secret = made.secret.clone().unwrap();
    let token = sign_offline(&made, &secret, "a", HOUR, world.service.now());
    assert_eq!(world.present(&token, "a").await, Ok(()));
    world.put_into("app-1", SigningKeyState::VerifyOnly).await.unwrap();
    assert_eq!(world.present(&token, "a").await, Ok(()), "retired keys still verify");
    world.put_into("app-1", SigningKeyState::Active).await.unwrap();
    let chief = world.principal("chief");
    let off = |disabled| ApiKeyUpdate { disabled: Some(disabled), ..ApiKeyUpdate::default() };
    world.service.update_api_key(&chief, &"reader".parse().unwrap(), off(true)).await.unwrap();
    assert_eq!(world.present(&token, "a").await, Err(Refusal::IssuerDisabled));
    world.service.update_api_key(&chief, &"reader".parse().unwrap(), off(false)).await.unwrap();
    assert_eq!(world.present(&token, "a").await, Ok(()));
    world.put_into("app-1", SigningKeyState::Revoked).await.unwrap();
    assert_eq!(world.present(&token, "a").await, Err(Refusal::Revoked), "at once");
    for state in [SigningKeyState::Active, SigningKeyState::VerifyOnly] {
        let refused = world.put_into("app-1", state).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Conflict { .. }), "{refused}");
    }
    world.put_into("app-1", SigningKeyState::Revoked).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.present(&token, "a").await, Err(Refusal::Revoked), "after a restart");
}

#[tokio::test]
async fn a_key_signs_nothing_beyond_its_limits() {
    let world = world().await;
    for name in ["a", "2026/a", "2027/a"] {
        world.put(name, b"x").await;
    }
    let limits = SigningKeyLimits { prefixes: Some(vec!["2026/".to_owned()]), ..SigningKeyLimits::default() };
    let asked = NewSigningKey { limits, max_lifetime: Some(HOUR), ..new("limited", Some("app")) };
    let made = world.make_signing_key(asked).await.unwrap();
    let secret = made.secret.clone().unwrap();
    let world = world.restarted().await;
    let now = world.service.now();
    let check = async |name: &str, lifetime, expected| {
        assert_eq!(
            world.present(&sign_offline(&made, &secret, name, lifetime, now), name).await,
            expected,
            "{name} {lifetime:?}"
        );
    };
    check("2026/a", HOUR, Ok(())).await;
    check("2026/a", HOUR + Duration::from_secs(1), Err(Refusal::BadSignature)).await;
    check("2027/a", HOUR, Err(Refusal::BadSignature)).await;
    check("a", HOUR, Err(Refusal::BadSignature)).await;
    let elsewhere = SigningKeyLimits { buckets: Some(vec!["elsewhere".parse().unwrap()]), ..SigningKeyLimits::default() };
    let writing = SigningKeyLimits { permission: Some(Permission::Write), ..SigningKeyLimits::default() };
    for (id, limits) in [("elsewhere", elsewhere), ("writing", writing)] {
        let made = world.make_signing_key(NewSigningKey { limits, ..new(id, Some("app")) }).await.unwrap();
        let token = sign_offline(&made, made.secret.as_ref().unwrap(), "a", HOUR, now);
        assert_eq!(world.present(&token, "a").await, Err(Refusal::BadSignature), "{id}");
    }
}

#[tokio::test]
async fn the_newest_active_key_of_the_server_signs() {
    let world = world().await;
    world.put("a", b"x").await;
    let signer = async |world: &World| {
        let issued = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
        let Credential::Token { token, .. } = &issued.credential else { panic!("a token") };
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        let page = world.service.signing_keys(&world.principal("chief"), None, 100).unwrap();
        let is_named = |kid: &str| bytes.windows(kid.len()).any(|window| window == kid.as_bytes());
        let named = page.signing_keys.iter().map(|row| row.id.to_string()).filter(|kid| is_named(kid));
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), 1, "{named:?}");
        named.into_iter().next().unwrap()
    };
    let first = signer(&world).await;
    assert!(first.starts_with("server-"), "{first}");
    // By age, not by name: the later ones come earlier in the alphabet.
    for id in ["key-c", "key-b", "key-a"] {
        world.clock.advance(Duration::from_secs(1));
        world.make_signing_key(new(id, None)).await.unwrap();
        assert_eq!(signer(&world).await, id);
    }
    world.make_signing_key(new("zz", Some("app"))).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(signer(&world).await, "key-a", "after a restart, and whatever others own");
    world.put_into("key-a", SigningKeyState::VerifyOnly).await.unwrap();
    assert_eq!(signer(&world).await, "key-b");
    world.put_into("key-b", SigningKeyState::Revoked).await.unwrap();
    assert_eq!(signer(&world).await, "key-c");
    world.put_into("key-a", SigningKeyState::Active).await.unwrap();
    assert_eq!(signer(&world).await, "key-a");
    // One whose limits leave no room for it is passed over.
    world.clock.advance(Duration::from_secs(1));
    let limits = SigningKeyLimits { permission: Some(Permission::Write), ..SigningKeyLimits::default() };
    world.make_signing_key(NewSigningKey { limits, ..new("writes", None) }).await.unwrap();
    assert_eq!(signer(&world).await, "key-a");
    for id in [first.as_str(), "key-a", "key-c", "writes"] {
        world.put_into(id, SigningKeyState::VerifyOnly).await.unwrap();
    }
    let refused = world.issue_as("app", request("a", Form::Token, Terms::new(Permission::Read))).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid { field: "form", .. }), "{refused}");
    assert!(world.issue_as("app", request("a", Form::Link, Terms::new(Permission::Read))).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let world = world().await;
    let check = async |id: &str, change: &dyn Fn(&mut NewSigningKey), field: Option<&str>| {
        let mut asked = new(id, Some("app"));
        change(&mut asked);
        let found = match world.make_signing_key(asked).await {
            Ok(_) => None,
            Err(ServiceError::Invalid { field, .. }) => Some(field),
            Err(error) => panic!("{id}: {error}"),
        };
        assert_eq!(found, field, "{id}");
    };
    let secret = |n: usize| move |key: &mut NewSigningKey| key.secret = Some(Secret::new(vec![1; n]));
    let seconds = |n: u64| move |key: &mut NewSigningKey| key.max_lifetime = Some(Duration::from_secs(n));
    let prefixes = |texts: &'static [&'static str]| {
        move |key: &mut NewSigningKey| key.limits.prefixes = Some(texts.iter().map(|text| (*text).to_owned()).collect())
    };
    let buckets = |n: usize| move |key: &mut NewSigningKey| key.limits.buckets = Some(vec![bucket(); n]);
    check("algorithm", &|key| key.algorithm = "ES256".to_owned(), Some("algorithm")).await;
    check("owner-nobody", &|key| key.owner = Some("nobody".parse().unwrap()), Some("owner")).await;
    check("owner-foreign", &|key| key.owner = Some("stranger".parse().unwrap()), Some("owner")).await;
    check("secret-31", &secret(31), Some("secret")).await;
    check("secret-32", &secret(32), None).await;
    check("secret-1024", &secret(1024), None).await;
    check("secret-1025", &secret(1025), Some("secret")).await;
    check("lifetime-0", &seconds(0), Some("max_lifetime_seconds")).await;
    check("lifetime-1", &seconds(1), None).await;
    check("lifetime-400d", &seconds(400 * 86400), None).await;
    check("lifetime-401d", &seconds(400 * 86400 + 1), Some("max_lifetime_seconds")).await;
    check("prefix-fine", &prefixes(&["a/", "b/c/"]), None).await;
    check("prefix-none", &prefixes(&[]), Some("prefixes")).await;
    check("prefix-empty", &prefixes(&[""]), Some("prefixes")).await;
    check("prefix-half", &prefixes(&["a/", "b"]), Some("prefixes")).await;
    check("prefix-up", &prefixes(&["../"]), Some("prefixes")).await;
    check("buckets-0", &buckets(0), Some("buckets")).await;
    check("buckets-1000", &buckets(1000), None).await;
    check("buckets-1001", &buckets(1001), Some("buckets")).await;
}

#[tokio::test]
async fn a_kid_is_taken_once_in_the_installation_and_seen_by_its_tenant() {
    let world = world().await;
    let (chief, boss) = (world.principal("chief"), world.principal("boss"));
    world.service.create_signing_key(&boss, new("theirs", None)).await.unwrap();
    world.make_signing_key(new("mine", None)).await.unwrap();
    for id in ["theirs", "mine"] {
        let refused = world.make_signing_key(new(id, None)).await.unwrap_err();
        assert!(matches!(refused, ServiceError::AlreadyExists { what: "signing key" }), "{refused}");
    }
    for state in [SigningKeyState::VerifyOnly, SigningKeyState::Revoked] {
        let refused = world.put_into("theirs", state).await.unwrap_err();
        assert!(matches!(refused, ServiceError::NotFound { .. }), "{refused}");
    }
    assert!(matches!(world.service.signing_key(&chief, &kid("theirs")), Err(ServiceError::NotFound { .. })));
    let seen = |principal: &Principal| {
        let page = world.service.signing_keys(principal, None, 100).unwrap();
        page.signing_keys.iter().map(|row| row.id.to_string()).filter(|id| !id.starts_with("server-")).collect::<Vec<_>>()
    };
    assert_eq!((seen(&chief), seen(&boss)), (vec!["mine".to_owned()], vec!["theirs".to_owned()]));
    assert_eq!(world.service.signing_key(&boss, &kid("theirs")).unwrap().state, SigningKeyState::Active);
    let app = world.principal("app");
    let refused = world.service.signing_keys(&app, None, 1).unwrap_err();
    assert!(matches!(refused, ServiceError::MissingScope { scope: Scope::Admin }), "{refused}");
}

#[tokio::test]
async fn keys_come_in_pages() {
    let world = world().await;
    for id in ["k1", "k2", "k3", "k4"] {
        world.make_signing_key(new(id, None)).await.unwrap();
    }
    let chief = world.principal("chief");
    for limit in 1..=6 {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = world.service.signing_keys(&chief, after.as_ref(), limit).unwrap();
            assert!(page.next.is_none() || page.signing_keys.len() == limit as usize);
            ids.extend(page.signing_keys.iter().map(|row| row.id.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(ids.len(), 5, "by {limit}");
        assert!(ids.is_sorted() && ids[..4] == ["k1", "k2", "k3", "k4"], "by {limit}: {ids:?}");
    }
}
