//! Tenants, API keys, signing keys.

use super::{Trial, name};
use valetkey_metadata::{ApiKeyRow, MetadataError, SigningKeyRow, SigningKeyState};
use valetkey_model::Scope;

/// By name, whatever the order in which they were made.
pub async fn tenants_are_listed_by_name(trial: Trial) {
    let store = trial.open().await;
    for tenant in ["b", "a", "A"] {
        store.create_tenant(trial.tenant(tenant)).await.unwrap();
    }
    let names: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name.to_string()).collect();
    assert_eq!(names, ["A", "a", "b"]);
}

/// The name is unique.
pub async fn a_tenant_is_made_once(trial: Trial) {
    let store = trial.open().await;
    let tenant = trial.tenant("acme");
    store.create_tenant(tenant.clone()).await.unwrap();
    let again = store.create_tenant(trial.tenant("acme")).await;
    assert!(matches!(again, Err(MetadataError::AlreadyExists { .. })), "{again:?}");
    assert_eq!(store.tenants().await.unwrap(), [tenant]);
}

/// With every field and with none.
pub async fn an_api_key_comes_back_whole(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let full = ApiKeyRow {
        bearer: Some(trial.digest()),
        scopes: [Scope::Admin, Scope::ObjectRead].into_iter().collect(),
        buckets: vec![name("reports"), name("archive-2")],
        expires_at: Some(trial.tomorrow()),
        disabled_at: Some(trial.now()),
        ..trial.api_key("a", "acme")
    };
    let plain = trial.api_key("b", "acme");
    store.create_api_key(plain.clone()).await.unwrap();
    store.create_api_key(full.clone()).await.unwrap();
    assert_eq!(store.api_keys().await.unwrap(), [full, plain]);
}

/// `NotFound`, and nothing is made.
pub async fn an_api_key_needs_its_tenant(trial: Trial) {
    let store = trial.open().await;
    let made = store.create_api_key(trial.api_key("a", "nobody")).await;
    assert!(matches!(made, Err(MetadataError::NotFound { .. })), "{made:?}");
    assert!(store.api_keys().await.unwrap().is_empty());
}

/// Id, secret and bearer value are unique, the latter two together: a credential is found by its digest alone.
pub async fn a_credential_is_taken_once(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let both = trial.digest();
    let first = ApiKeyRow { bearer: Some(trial.digest()), ..trial.api_key("first", "acme") };
    let same_twice = ApiKeyRow { secret: both, bearer: Some(both), ..trial.api_key("same", "acme") };
    store.create_api_key(first.clone()).await.unwrap();
    store.create_api_key(same_twice).await.unwrap();
    let bearer = first.bearer.unwrap();
    let refused = [
        trial.api_key("first", "acme"),
        ApiKeyRow { secret: first.secret, ..trial.api_key("c", "acme") },
        ApiKeyRow { secret: bearer, ..trial.api_key("d", "acme") },
        ApiKeyRow { bearer: Some(bearer), ..trial.api_key("e", "acme") },
        ApiKeyRow { bearer: Some(first.secret), ..trial.api_key("f", "acme") },
    ];
    for key in refused {
        let id = key.id.clone();
        let made = store.create_api_key(key).await;
        assert!(matches!(made, Err(MetadataError::AlreadyExists { .. })), "{id}: {made:?}");
    }
    assert_eq!(store.api_keys().await.unwrap().len(), 2);
}

/// In each of its states.
pub async fn a_signing_key_comes_back_whole(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let keys = [
        trial.signing_key("a", "acme"),
        SigningKeyRow { state: SigningKeyState::VerifyOnly, owner: Some(name("cid")), ..trial.signing_key("b", "acme") },
        SigningKeyRow { state: SigningKeyState::Revoked, max_lifetime_seconds: 0, ..trial.signing_key("c", "acme") },
    ];
    for key in &keys {
        store.create_signing_key(key.clone()).await.unwrap();
    }
    assert_eq!(store.signing_keys().await.unwrap(), keys);
}

/// In the whole installation; and it needs its tenant.
pub async fn a_signing_key_id_is_taken_once(trial: Trial) {
    let store = trial.open().await;
    for tenant in ["acme", "other"] {
        store.create_tenant(trial.tenant(tenant)).await.unwrap();
    }
    store.create_signing_key(trial.signing_key("k", "acme")).await.unwrap();
    let again = store.create_signing_key(trial.signing_key("k", "other")).await;
    assert!(matches!(again, Err(MetadataError::AlreadyExists { .. })), "{again:?}");
    let orphan = store.create_signing_key(trial.signing_key("l", "nobody")).await;
    assert!(matches!(orphan, Err(MetadataError::NotFound { .. })), "{orphan:?}");
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}
