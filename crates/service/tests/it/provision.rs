//! Provisioning creates what is missing, and never widens or resets.

use crate::world::*;
use valetkey_model::*;
use valetkey_service::*;

fn given(scopes: &str, secret: &str) -> Provisioning {
    let key = GivenApiKey {
        tenant: "acme".parse().unwrap(),
        id: "given".parse().unwrap(),
        secret: SecretText::new(secret),
        bearer: Some(SecretText::new("tok-1")),
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
    };
    Provisioning { tenants: vec!["acme".parse().unwrap()], api_keys: vec![key], ..Provisioning::default() }
}

#[tokio::test]
async fn a_second_time_changes_nothing() {
    let world = world().await;
    let first = world.service.provision(given("object:read", "sec")).await.unwrap();
    assert_eq!(first.created, ["API key `given`"]);
    let second = world.service.provision(given("object:read", "sec")).await.unwrap();
    assert_eq!(second, Provisioned::default());
    for different in [given("* admin", "sec"), given("object:read", "other")] {
        let done = world.service.provision(different).await.unwrap();
        assert_eq!(done.differences, ["API key `given`"]);
    }
    let world = world.restarted().await;
    for credential in ["sec", "tok-1"] {
        let principal = world.service.authenticate(&SecretText::new(credential), address(SOMEBODY.address)).unwrap();
        assert_eq!(principal.scopes().to_string(), "object:read", "{credential}");
    }
    assert!(world.service.authenticate(&SecretText::new("other"), address(SOMEBODY.address)).is_err());
}

#[tokio::test]
async fn what_administrators_changed_stays_changed() {
    let world = world().await;
    let chief = world.principal("chief");
    let id: ApiKeyId = "given".parse().unwrap();
    let end = world.service.now().plus(std::time::Duration::from_secs(60));
    let until = |expires_at| {
        let mut given = given("object:read", "sec");
        given.api_keys[0].expires_at = expires_at;
        given
    };
    world.service.provision(until(Some(end))).await.unwrap();
    let again = async |given, differs: bool| {
        let done = world.service.provision(given).await.unwrap();
        let expected: &[String] = if differs { &["API key `given`".to_owned()] } else { &[] };
        assert_eq!((done.differences.as_slice(), done.created.len()), (expected, 0));
        world.service.authenticate(&SecretText::new("sec"), address(SOMEBODY.address)).is_ok()
    };
    assert!(again(until(Some(end)), false).await);
    assert!(again(until(None), true).await);
    let update = async |update| drop(world.service.update_api_key(&chief, &id, update).await.unwrap());
    update(ApiKeyUpdate { scopes: Some("link:issue".parse().unwrap()), ..ApiKeyUpdate::default() }).await;
    assert!(again(until(Some(end)), true).await);
    update(ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() }).await;
    assert!(!again(until(Some(end)), true).await, "it was switched on again");
    world.service.delete_api_key(&chief, &id).await.unwrap();
    assert!(!again(until(Some(end)), true).await, "it was made again");
    // And a key whose time is over does not get another by a file.
    world.clock.set(end);
    assert!(!again(until(None), true).await);
}

#[tokio::test]
async fn a_signing_key_keeps_its_limits_and_its_state() {
    let world = world().await;
    let with = |limits: SigningKeyLimits| Provisioning {
        signing_keys: vec![GivenSigningKey {
            tenant: "acme".parse().unwrap(),
            id: "app-1".parse().unwrap(),
            secret: Secret::new([1; 32].as_slice()),
            owner: None,
            max_lifetime: None,
            limits,
        }],
        ..Provisioning::default()
    };
    let read = SigningKeyLimits { permission: Some(Permission::Read), ..SigningKeyLimits::default() };
    let nonsense = SigningKeyLimits { prefixes: Some(vec!["half".to_owned()]), ..SigningKeyLimits::default() };
    let refused = world.service.provision(with(nonsense)).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid { field: "prefixes", .. }), "{refused}");
    assert_eq!(world.service.provision(with(read.clone())).await.unwrap().created, ["signing key `app-1`"]);
    assert_eq!(world.service.provision(with(read.clone())).await.unwrap(), Provisioned::default());
    let wider = world.service.provision(with(SigningKeyLimits::default())).await.unwrap();
    assert_eq!(wider.differences, ["signing key `app-1`"]);
    let (chief, kid) = (world.principal("chief"), "app-1".parse().unwrap());
    world.service.set_signing_key_state(&chief, &kid, SigningKeyState::Revoked).await.unwrap();
    world.service.provision(with(read.clone())).await.unwrap();
    let world = world.restarted().await;
    let row = world.service.signing_key(&world.principal("chief"), &kid).unwrap();
    assert_eq!((row.state, &row.limits), (SigningKeyState::Revoked, &read));
}

#[tokio::test]
async fn a_signing_key_is_long_and_its_kid_nobody_elses() {
    let world = world().await;
    let with = |tenant: &str, secret: &[u8]| Provisioning {
        signing_keys: vec![GivenSigningKey {
            tenant: tenant.parse().unwrap(),
            id: "app-1".parse().unwrap(),
            secret: Secret::new(secret),
            owner: None,
            max_lifetime: None,
            limits: SigningKeyLimits::default(),
        }],
        ..Provisioning::default()
    };
    assert!(matches!(world.service.provision(with("acme", &[1; 31])).await, Err(ServiceError::Invalid { .. })));
    assert_eq!(world.service.provision(with("acme", &[1; 32])).await.unwrap().created, ["signing key `app-1`"]);
    assert_eq!(world.service.provision(with("acme", &[1; 32])).await.unwrap(), Provisioned::default());
    for taken in [with("other", &[1; 32]), with("acme", &[2; 32])] {
        assert_eq!(world.service.provision(taken).await.unwrap().differences, ["signing key `app-1`"]);
    }
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let world = world().await;
    assert!(!world.service.is_new().await.unwrap());
    let secret = world.service.provision_first_administrator().await.unwrap();
    assert!(secret.expose().starts_with("vk_") && secret.expose().len() == 51, "{}", secret.expose().len());
    assert!(world.service.authenticate(&secret, address(SOMEBODY.address)).unwrap().scopes().has(Scope::Admin));
    assert!(world.service.provision_first_administrator().await.is_err());
}
