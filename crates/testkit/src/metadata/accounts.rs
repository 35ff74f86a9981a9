//! Tenants, API keys, signing keys.

use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{
    ApiKeyChange, ApiKeyRow, MetadataError, MetadataStore, SigningKeyLimits, SigningKeyRow, SigningKeyState,
};
use valetkey_model::{Permission, Scope, Scopes};

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
        deleted_at: Some(trial.tomorrow()),
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

/// What becomes of a row.
type Expected<'trial> = &'trial dyn Fn(&mut ApiKeyRow);

/// What is told changes, all else stays.
pub async fn an_api_key_changes_as_it_is_told(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let mut row = ApiKeyRow { bearer: Some(trial.digest()), ..trial.api_key("cid", "acme") };
    store.create_api_key(row.clone()).await.unwrap();
    let (secret, scopes) = (trial.digest(), Scopes::NONE.with(Scope::ObjectRead));
    let nothing = ApiKeyChange::default();
    let changes: [(ApiKeyChange, Expected<'_>); 9] = [
        (nothing.clone(), &|_| {}),
        (ApiKeyChange { scopes: Some(scopes), ..nothing.clone() }, &|row| row.scopes = scopes),
        (ApiKeyChange { buckets: Some(vec![name("reports")]), ..nothing.clone() }, &|row| row.buckets = vec![name("reports")]),
        (ApiKeyChange { expires_at: Some(Some(trial.tomorrow())), ..nothing.clone() }, &|row| {
            row.expires_at = Some(trial.tomorrow());
        }),
        (ApiKeyChange { expires_at: Some(None), ..nothing.clone() }, &|row| row.expires_at = None),
        (ApiKeyChange { secret: Some(secret), ..nothing.clone() }, &|row| row.secret = secret),
        (ApiKeyChange { disabled: Some(true), ..nothing.clone() }, &|row| row.disabled_at = Some(trial.now())),
        (ApiKeyChange { buckets: Some(Vec::new()), ..nothing.clone() }, &|row| row.buckets = Vec::new()),
        (ApiKeyChange { disabled: Some(false), ..nothing }, &|row| row.disabled_at = None),
    ];
    for (position, (change, expect)) in changes.into_iter().enumerate() {
        expect(&mut row);
        let changed = store.update_api_key(&row.tenant, &row.id, change, trial.now()).await.unwrap();
        assert_eq!(changed, row, "change {position}");
        assert_eq!(store.api_keys().await.unwrap(), [row.clone()], "change {position}");
    }
    // Switched off twice, it is off since the first time.
    let off = ApiKeyChange { disabled: Some(true), ..ApiKeyChange::default() };
    let first = store.update_api_key(&row.tenant, &row.id, off.clone(), trial.now()).await.unwrap();
    let again = store.update_api_key(&row.tenant, &row.id, off, trial.tomorrow()).await.unwrap();
    assert_eq!(again, first);
}

/// `NotFound` for everybody else, and nothing changes.
pub async fn an_api_key_is_changed_by_its_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let before = store.api_keys().await.unwrap();
    for (tenant, id) in [("other", "cid"), ("acme", "nobody"), ("nobody", "cid")] {
        let change = ApiKeyChange { disabled: Some(true), ..ApiKeyChange::default() };
        let changed = store.update_api_key(&name(tenant), &name(id), change, trial.now()).await;
        assert!(matches!(changed, Err(MetadataError::NotFound { .. })), "{tenant} {id}: {changed:?}");
    }
    assert_eq!(store.api_keys().await.unwrap(), before);
}

/// There is no way back, and no other key of this id.
pub async fn a_deleted_api_key_keeps_its_id(trial: Trial) {
    let store = trial.open_furnished().await;
    let delete = || ApiKeyChange { deleted: true, ..ApiKeyChange::default() };
    let deleted = store.update_api_key(&name("acme"), &name("cid"), delete(), trial.now()).await.unwrap();
    assert_eq!((deleted.deleted_at, deleted.disabled_at), (Some(trial.now()), Some(trial.now())));
    for change in [delete(), ApiKeyChange { disabled: Some(false), ..ApiKeyChange::default() }] {
        let changed = store.update_api_key(&name("acme"), &name("cid"), change, trial.now()).await;
        assert!(matches!(changed, Err(MetadataError::NotFound { .. })), "{changed:?}");
    }
    let made = store.create_api_key(trial.api_key("cid", "acme")).await;
    assert!(matches!(made, Err(MetadataError::AlreadyExists { .. })), "{made:?}");
    assert_eq!(store.api_keys().await.unwrap(), [deleted]);
}

/// Whichever way it would go; `Conflict`.
pub async fn the_last_administrator_stays(trial: Trial) {
    let store = trial.open().await;
    for tenant in ["acme", "other"] {
        store.create_tenant(trial.tenant(tenant)).await.unwrap();
    }
    let administrator = |id: &str, tenant: &str| ApiKeyRow { scopes: Scopes::EVERYTHING, ..trial.api_key(id, tenant) };
    let chief = administrator("chief", "acme");
    // None of these administers the tenant.
    for key in [
        chief.clone(),
        trial.api_key("plain", "acme"),
        ApiKeyRow { disabled_at: Some(trial.now()), ..administrator("off", "acme") },
        ApiKeyRow { expires_at: Some(trial.now()), ..administrator("expired", "acme") },
        ApiKeyRow { buckets: vec![name("reports")], ..administrator("limited", "acme") },
        administrator("foreign", "other"),
    ] {
        store.create_api_key(key).await.unwrap();
    }
    let nothing = ApiKeyChange::default();
    let ways = [
        ApiKeyChange { disabled: Some(true), ..nothing.clone() },
        ApiKeyChange { deleted: true, ..nothing.clone() },
        ApiKeyChange { scopes: Some(Scopes::ALL_BUT_ADMIN), ..nothing.clone() },
        ApiKeyChange { buckets: Some(vec![name("reports")]), ..nothing.clone() },
        ApiKeyChange { expires_at: Some(Some(trial.now())), ..nothing.clone() },
    ];
    for way in ways.clone() {
        let changed = store.update_api_key(&chief.tenant, &chief.id, way.clone(), trial.now()).await;
        assert!(matches!(changed, Err(MetadataError::Conflict { .. })), "{way:?}: {changed:?}");
    }
    assert!(store.api_keys().await.unwrap().contains(&chief));
    // What leaves it an administrator may be, and so may everything once there is another.
    let rotated = ApiKeyChange { secret: Some(trial.digest()), scopes: Some(Scopes::NONE.with(Scope::Admin)), ..nothing };
    store.update_api_key(&chief.tenant, &chief.id, rotated, trial.now()).await.unwrap();
    store.create_api_key(administrator("second", "acme")).await.unwrap();
    for way in ways {
        store.update_api_key(&chief.tenant, &chief.id, ApiKeyChange { deleted: false, ..way }, trial.now()).await.unwrap();
    }
}

/// Also if both go at once.
pub async fn of_two_administrators_one_stays(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    for id in ["a", "b"] {
        let key = ApiKeyRow { scopes: Scopes::EVERYTHING, ..trial.api_key(id, "acme") };
        store.create_api_key(key).await.unwrap();
    }
    let now = trial.now();
    let delete = |id: &'static str| {
        let store: Arc<dyn MetadataStore> = Arc::clone(&store);
        async move {
            let change = ApiKeyChange { deleted: true, ..ApiKeyChange::default() };
            store.update_api_key(&name("acme"), &name(id), change, now).await
        }
    };
    let (a, b) = tokio::join!(delete("a"), delete("b"));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
}

/// `AlreadyExists`, and the key keeps its own.
pub async fn another_secret_is_nobody_elses(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    let theirs = ApiKeyRow { bearer: Some(trial.digest()), ..trial.api_key("theirs", "other") };
    store.create_api_key(theirs.clone()).await.unwrap();
    let before = store.api_keys().await.unwrap();
    for taken in [theirs.secret, theirs.bearer.unwrap()] {
        let change = ApiKeyChange { secret: Some(taken), ..ApiKeyChange::default() };
        let changed = store.update_api_key(&name("acme"), &name("cid"), change, trial.now()).await;
        assert!(matches!(changed, Err(MetadataError::AlreadyExists { .. })), "{changed:?}");
    }
    assert_eq!(store.api_keys().await.unwrap(), before);
}

/// To and fro until then, and by its own tenant.
pub async fn a_signing_key_is_revoked_for_good(trial: Trial) {
    let store = trial.open().await;
    for tenant in ["acme", "other"] {
        store.create_tenant(trial.tenant(tenant)).await.unwrap();
    }
    let key = trial.signing_key("k", "acme");
    store.create_signing_key(key.clone()).await.unwrap();
    for (tenant, id) in [("other", "k"), ("acme", "l")] {
        let changed = store.set_signing_key_state(&name(tenant), &name(id), SigningKeyState::Revoked).await;
        assert!(matches!(changed, Err(MetadataError::NotFound { .. })), "{tenant} {id}: {changed:?}");
    }
    use SigningKeyState::{Active, Revoked, VerifyOnly};
    for state in [VerifyOnly, VerifyOnly, Active, Revoked, Revoked] {
        let changed = store.set_signing_key_state(&key.tenant, &key.id, state).await.unwrap();
        assert_eq!(changed, SigningKeyRow { state, ..key.clone() });
        assert_eq!(store.signing_keys().await.unwrap(), [changed]);
    }
    for state in [Active, VerifyOnly] {
        let changed = store.set_signing_key_state(&key.tenant, &key.id, state).await;
        assert!(matches!(changed, Err(MetadataError::Conflict { .. })), "{changed:?}");
    }
}

/// In each of its states.
pub async fn a_signing_key_comes_back_whole(trial: Trial) {
    let store = trial.open().await;
    store.create_tenant(trial.tenant("acme")).await.unwrap();
    let limits = SigningKeyLimits {
        buckets: Some(vec![name("reports")]),
        prefixes: Some(vec!["2026/".to_owned(), "ä b/".to_owned()]),
        permission: Some(Permission::Read),
    };
    let keys = [
        trial.signing_key("a", "acme"),
        SigningKeyRow { state: SigningKeyState::VerifyOnly, owner: Some(name("cid")), ..trial.signing_key("b", "acme") },
        SigningKeyRow { limits: limits.clone(), ..trial.signing_key("bb", "acme") },
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
