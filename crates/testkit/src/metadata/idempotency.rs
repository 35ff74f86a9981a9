//! Calls that are to be done once.

use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::{IdempotentCallKey, IdempotentCallRow, IdempotentCalls};

/// Whatever else the second one says.
pub async fn a_call_is_begun_once(trial: Trial) {
    let store = trial.open_furnished().await;
    let call = trial.idempotent_call("acme", "cid");
    assert_eq!(store.begin_idempotent(call.clone()).await.unwrap(), None);
    assert_eq!(store.begin_idempotent(call.clone()).await.unwrap(), Some(call.clone()));
    let other = IdempotentCallRow { request: trial.digest(), answer: Some(vec![1]), ..call.clone() };
    assert_eq!(store.begin_idempotent(other).await.unwrap(), Some(call.clone()));
    drop(store);
    let store = trial.open().await;
    assert_eq!(store.begin_idempotent(call.clone()).await.unwrap(), Some(call));
}

/// Tenant, API key and name: all three make it.
pub async fn a_call_belongs_to_its_principal(trial: Trial) {
    let store = trial.open_furnished().await;
    let call = trial.idempotent_call("acme", "cid");
    let keys = [
        call.key.clone(),
        IdempotentCallKey { tenant: name("other"), ..call.key.clone() },
        IdempotentCallKey { api_key: name("dic"), ..call.key.clone() },
        IdempotentCallKey { digest: trial.digest(), ..call.key.clone() },
    ];
    for key in &keys {
        let begun = store.begin_idempotent(IdempotentCallRow { key: key.clone(), ..call.clone() }).await.unwrap();
        assert_eq!(begun, None, "{key:?}");
    }
    store.answer_idempotent(&call.key, vec![7]).await.unwrap();
    for key in &keys {
        let found = store.begin_idempotent(IdempotentCallRow { key: key.clone(), ..call.clone() }).await.unwrap().unwrap();
        assert_eq!(found.answer.is_some(), *key == call.key, "{key:?}");
    }
}

/// The later answer counts; one to a call that nobody began is nobody's.
pub async fn a_call_is_answered(trial: Trial) {
    let store = trial.open_furnished().await;
    let (call, unknown) = (trial.idempotent_call("acme", "cid"), trial.idempotent_call("acme", "cid"));
    store.begin_idempotent(call.clone()).await.unwrap();
    for answer in [vec![], vec![0; 2_000_000]] {
        store.answer_idempotent(&call.key, answer.clone()).await.unwrap();
        let found = store.begin_idempotent(call.clone()).await.unwrap();
        assert!(found == Some(IdempotentCallRow { answer: Some(answer), ..call.clone() }));
    }
    store.answer_idempotent(&unknown.key, vec![1]).await.unwrap();
    assert_eq!(store.begin_idempotent(unknown).await.unwrap(), None);
}

/// From the very instant on, swept or not.
pub async fn a_call_is_forgotten_in_time(trial: Trial) {
    let store = trial.open_furnished().await;
    let call = trial.idempotent_call("acme", "cid");
    store.begin_idempotent(call.clone()).await.unwrap();
    let just_before = valetkey_model::Timestamp::from_micros(call.forget_at.as_micros() - 1);
    let later = |began_at| IdempotentCallRow { began_at, forget_at: call.forget_at.plus(super::sample::DAY), ..call.clone() };
    assert_eq!(store.begin_idempotent(later(just_before)).await.unwrap(), Some(call.clone()));
    assert_eq!(store.sweep(just_before, 100).await.unwrap().n_rows, 0);
    assert_eq!(store.begin_idempotent(later(call.forget_at)).await.unwrap(), None);
    assert_eq!(store.sweep(call.forget_at, 100).await.unwrap().n_rows, 0, "another one began");
    assert_eq!(store.sweep(later(call.forget_at).forget_at, 100).await.unwrap().n_rows, 1);
    assert_eq!(store.idempotent_calls().await.unwrap(), []);
}

/// With what their answers weigh.
pub async fn calls_are_counted_by_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    assert_eq!(store.idempotent_calls().await.unwrap(), []);
    let calls = ["acme", "acme", "other"].map(|tenant| trial.idempotent_call(tenant, "cid"));
    for call in &calls {
        store.begin_idempotent(call.clone()).await.unwrap();
        store.answer_idempotent(&call.key, vec![0; 100]).await.unwrap();
    }
    let of = |tenant: &str, n_calls| IdempotentCalls { tenant: name(tenant), n_calls, n_bytes: n_calls * 100 };
    let mut counted = store.idempotent_calls().await.unwrap();
    counted.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    assert_eq!(counted, [of("acme", 2), of("other", 1)]);
}

/// At once.
pub async fn of_many_callers_one_begins(trial: Trial) {
    let store = trial.open_furnished().await;
    let call = trial.idempotent_call("acme", "cid");
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (store, call) = (Arc::clone(&store), call.clone());
        callers.spawn(async move { store.begin_idempotent(call).await.unwrap().is_none() });
    }
    assert_eq!(callers.join_all().await.into_iter().filter(|began| *began).count(), 1);
}
