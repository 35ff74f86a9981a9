//! The ledger in the store: loaded, asked and saved in one transaction. What it answers is tested where it is.

use super::Trial;
use super::sample::DAY;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::GrantKey;
use valetkey_metadata::ledger::{Advance, Ask, Denied, Reserved, Rules, Settled, Settlement};

/// Neither read nor settled into being.
pub async fn a_grant_without_use_has_no_ledger(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    assert_eq!(store.ledger(&grant).await.unwrap(), None);
    let unknown = Reserved { reservation: valetkey_metadata::ledger::ReservationId(9), ..reserved_nothing(&trial) };
    assert_eq!(store.settle(&grant, settlement(&trial, &unknown, 10)).await.unwrap(), Settled::default());
    assert_eq!(store.ledger(&grant).await.unwrap(), None);
}

/// And survives the store.
pub async fn a_reservation_is_recorded(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let ask = trial.ask();
    let reserved = store.reserve(&grant, trial.tomorrow(), ask.clone()).await.unwrap().unwrap();
    assert_eq!((reserved.session, reserved.opened, reserved.permitted_bytes), (ask.new_session, true, 1_000));
    let ledger = store.ledger(&grant).await.unwrap().unwrap();
    assert_eq!((ledger.n_open(), ledger.n_spent()), (1, 0));
    drop(store);
    let store = trial.open().await;
    assert_eq!(store.ledger(&grant).await.unwrap(), Some(ledger));
    assert_eq!(store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap(), Err(Denied::InUse));
}

/// The others are told `InUse`.
pub async fn of_many_holders_one_gets_the_use(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let mut holders = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (store, grant, ask, forget_at) = (Arc::clone(&store), grant.clone(), trial.ask(), trial.tomorrow());
        holders.spawn(async move { store.reserve(&grant, forget_at, ask).await.unwrap() });
    }
    let answers = holders.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Denied::InUse))), "{answers:?}");
}

/// For everybody, after the session's grace for its holder too.
pub async fn a_completed_use_is_spent(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let reserved = store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    assert_eq!(store.settle(&grant, settlement(&trial, &reserved, 1_000)).await.unwrap(), Settled { completed: true });
    assert_eq!(store.settle(&grant, settlement(&trial, &reserved, 1_000)).await.unwrap(), Settled::default());
    assert_eq!(store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap(), Err(Denied::UsedUp));
    assert_eq!(store.ledger(&grant).await.unwrap().unwrap().n_spent(), 1);
}

/// Each settles the one before.
pub async fn a_reservation_goes_on_window_by_window(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let rules = Rules { window_bytes: 400, ..trial.ask().rules };
    let reserved = store.reserve(&grant, trial.tomorrow(), Ask { rules, ..trial.ask() }).await.unwrap().unwrap();
    assert_eq!(reserved.permitted_bytes, 400);
    let advance = |sent_bytes| Advance { now: trial.now(), rules, reservation: reserved.reservation, sent_bytes };
    assert_eq!(store.advance(&grant, advance(400)).await.unwrap(), Ok(800));
    assert_eq!(store.advance(&grant, advance(800)).await.unwrap(), Ok(1_000));
    assert!(store.settle(&grant, settlement(&trial, &reserved, 1_000)).await.unwrap().completed);
    assert_eq!(store.advance(&grant, advance(1_000)).await.unwrap(), Err(Denied::UsedUp));
}

/// The same id under another tenant or signing key is another grant.
pub async fn grants_do_not_share_a_ledger(trial: Trial) {
    let store = trial.open_furnished().await;
    let link = trial.grant();
    let token = GrantKey { signing_key: Some(super::name("k")), ..link.clone() };
    let other = GrantKey { tenant: super::name("other"), ..link.clone() };
    for grant in [&link, &token, &other] {
        store.reserve(grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    }
    for grant in [&link, &token, &other] {
        assert_eq!(store.reserve(grant, trial.tomorrow(), trial.ask()).await.unwrap(), Err(Denied::InUse));
    }
}

/// A session that lapsed stays so, though nothing was reserved.
pub async fn a_denial_may_change_the_ledger(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let reserved = store.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    store.settle(&grant, settlement(&trial, &reserved, 100)).await.unwrap();
    assert_eq!(store.ledger(&grant).await.unwrap().unwrap().n_open(), 1);
    trial.clock.advance(trial.ask().rules.session_idle + Duration::from_secs(1));
    let too_late = Ask { past_expiry: true, ..trial.ask() };
    assert_eq!(store.reserve(&grant, trial.now().plus(DAY), too_late).await.unwrap(), Err(Denied::Expired));
    assert_eq!(store.ledger(&grant).await.unwrap().unwrap().n_open(), 0);
}

/// Without a byte reserved, and durably.
pub async fn a_session_is_opened_first(trial: Trial) {
    let store = trial.open_furnished().await;
    let grant = trial.grant();
    let ask = trial.ask();
    assert_eq!(store.open_session(&grant, trial.tomorrow(), ask.clone()).await.unwrap(), Ok(true));
    drop(store);
    let store = trial.open().await;
    let ledger = store.ledger(&grant).await.unwrap().unwrap();
    assert_eq!((ledger.n_open(), ledger.n_spent()), (1, 0));
    assert_eq!(store.open_session(&grant, trial.tomorrow(), trial.ask()).await.unwrap(), Err(Denied::InUse));
    let holder = Ask { secret: Some(ask.new_secret), ..trial.ask() };
    assert_eq!(store.open_session(&grant, trial.tomorrow(), holder.clone()).await.unwrap(), Ok(false));
    let reserved = store.reserve(&grant, trial.tomorrow(), holder).await.unwrap().unwrap();
    assert_eq!((reserved.session, reserved.opened), (ask.new_session, false));
}

/// Under whichever key the tenant's URL is counted, and no other tenant's, and durably.
pub async fn a_reset_makes_uses_available_again(trial: Trial) {
    let store = trial.open_furnished().await;
    store.create_tenant(trial.tenant("other")).await.unwrap();
    store.create_signing_key(trial.signing_key("k", "acme")).await.unwrap();
    let link = trial.grant();
    let token = GrantKey { signing_key: Some(super::name("k")), ..link.clone() };
    let other = GrantKey { tenant: super::name("other"), ..link.clone() };
    assert!(!store.reset_uses(&link.tenant, &link.link_id).await.unwrap());
    for grant in [&link, &token, &other] {
        let reserved = store.reserve(grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
        assert!(store.settle(grant, settlement(&trial, &reserved, 1_000)).await.unwrap().completed);
    }
    assert!(store.reset_uses(&link.tenant, &link.link_id).await.unwrap());
    drop(store);
    let store = trial.open().await;
    for (grant, n_spent) in [(&link, 0), (&token, 0), (&other, 1)] {
        assert_eq!(store.ledger(grant).await.unwrap().unwrap().n_spent(), n_spent);
    }
    assert!(store.reserve(&token, trial.tomorrow(), trial.ask()).await.unwrap().is_ok());
}

fn settlement(trial: &Trial, reserved: &Reserved, sent_bytes: u64) -> Settlement {
    Settlement {
        now: trial.now(),
        rules: trial.ask().rules,
        reservation: reserved.reservation,
        sent_bytes,
        whole: sent_bytes == 1_000,
    }
}

fn reserved_nothing(trial: &Trial) -> Reserved {
    valetkey_metadata::ledger::Ledger::default().reserve(&trial.ask()).unwrap()
}
