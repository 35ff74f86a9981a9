//! Who calls, and what becomes of those who guess.

use crate::world::*;
use std::net::IpAddr;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

fn secret(text: &str) -> SecretText {
    SecretText::new(text)
}

/// Whether the answer is that the client failed too often.
fn is_limited(result: &Result<Principal, ServiceError>) -> bool {
    matches!(result, Err(ServiceError::Refused(Refusal::TooManyRequests)))
}

#[tokio::test]
async fn whoever_guesses_is_made_to_wait_whatever_they_present() {
    let world = world().await;
    let (good, guess, client) = (secret("secret of app"), secret("guess"), address("192.0.2.9"));
    for number in 0..100 {
        // Either way of asking counts.
        let failed = match number % 2 {
            0 => world.service.authenticate(&guess, client),
            _ => world.service.authenticate_client("app", &guess, client),
        };
        assert!(matches!(failed, Err(ServiceError::Unauthenticated)), "{number}");
    }
    assert!(is_limited(&world.service.authenticate(&guess, client)));
    assert!(is_limited(&world.service.authenticate(&good, client)), "the right one, too");
    assert!(is_limited(&world.service.authenticate_client("app", &good, client)));
    assert!(world.service.authenticate(&good, address("192.0.2.10")).is_ok(), "elsewhere it is welcome");
    world.clock.advance(Duration::from_millis(599));
    assert!(is_limited(&world.service.authenticate(&good, client)));
    world.clock.advance(Duration::from_millis(1));
    for _ in 0..1000 {
        assert!(world.service.authenticate(&good, client).is_ok(), "what succeeds costs nothing");
    }
    assert!(world.service.authenticate(&guess, client).is_err());
    assert!(is_limited(&world.service.authenticate(&good, client)), "one came back, and one was spent");
}

#[tokio::test]
async fn one_short_of_the_limit_is_no_limit() {
    let world = world().await;
    let client = address("2001:db8::1");
    for _ in 0..99 {
        assert!(world.service.authenticate(&secret("guess"), client).is_err());
    }
    assert!(world.service.authenticate(&secret("secret of app"), address("2001:db8::2")).is_ok());
    assert!(world.service.authenticate(&secret("guess"), address("2001:db8::3")).is_err());
    assert!(is_limited(&world.service.authenticate(&secret("secret of app"), address("2001:db8::4"))), "of one /64");
    assert!(world.service.authenticate(&secret("secret of app"), address("2001:db8:0:1::1")).is_ok());
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let world = world_with(ServiceConfig { max_failed_authentications: 0, ..ServiceConfig::default() }).await;
    for _ in 0..1000 {
        let failed = world.service.authenticate(&secret("guess"), address("192.0.2.9"));
        assert!(matches!(failed, Err(ServiceError::Unauthenticated)));
    }
}

#[tokio::test]
async fn an_id_goes_with_its_own_secret_alone() {
    let world = world().await;
    let check = |id: &str, text: &str, fine: bool| {
        let found = world.service.authenticate_client(id, &secret(text), IpAddr::from([192, 0, 2, 1]));
        assert_eq!(found.is_ok(), fine, "{id} {text}");
    };
    check("app", "secret of app", true);
    check("app", "secret of reader", false);
    check("reader", "secret of app", false);
    check("stranger", "secret of app", false);
    check("nobody", "secret of nobody", false);
    check("app", "", false);
}
