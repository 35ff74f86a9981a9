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
        let principal = world.service.authenticate(&SecretText::new(credential)).unwrap();
        assert_eq!(principal.scopes().to_string(), "object:read", "{credential}");
    }
    assert!(world.service.authenticate(&SecretText::new("other")).is_err());
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
    assert!(world.service.authenticate(&secret).unwrap().scopes().has(Scope::Admin));
    assert!(world.service.provision_first_administrator().await.is_err());
}
