//! Redeeming, phase by phase.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::{Presented, PresentedCredential, Sessions};
use valetkey_service::*;

const FORMS: [Form; 2] = [Form::Token, Form::Link];

#[tokio::test]
async fn what_was_put_in_comes_out() {
    let world = world().await;
    world.put("q3.pdf", b"the report").await;
    for form in FORMS {
        let issued = world.issue(request("q3.pdf", form, Terms::new(Permission::Read))).await;
        for _ in 0..3 {
            assert_eq!(world.read(&issued).await.unwrap(), b"the report", "{form:?}");
        }
    }
}

#[tokio::test]
async fn expires_to_the_second() {
    let world = world().await;
    world.put("a", b"x").await;
    for form in FORMS {
        let issued = world.issue(request("a", form, Terms::new(Permission::Read))).await;
        world.clock.set(Timestamp::from_micros(issued.expires_at.as_micros() - 1));
        assert!(world.read(&issued).await.is_ok(), "{form:?}");
        world.clock.set(issued.expires_at);
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::Expired, "{form:?}");
    }
}

#[tokio::test]
async fn not_before_is_forgiven_a_minute() {
    let world = world().await;
    world.put("a", b"x").await;
    for form in FORMS {
        let mut asked = request("a", form, Terms::new(Permission::Read));
        asked.not_before = Some(world.service.now().plus(Duration::from_secs(90)));
        let issued = world.issue(asked).await;
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::NotYetValid, "{form:?}");
        world.clock.advance(Duration::from_secs(30));
        assert!(world.read(&issued).await.is_ok(), "{form:?}");
    }
}

#[tokio::test]
async fn only_the_granted_method_and_address() {
    let world = world().await;
    world.put("a", b"x").await;
    for form in FORMS {
        let mut terms = Terms::new(Permission::Read);
        terms.addresses = vec!["192.0.2.0/31".parse().unwrap()];
        let issued = world.issue(request("a", form, terms)).await;
        assert!(world.admitted(&issued, Method::Head, SOMEBODY).await.is_ok(), "{form:?}");
        assert_eq!(world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap_err(), Refusal::WrongMethod);
        assert_eq!(world.admitted(&issued, Method::Get, ANOTHER).await.unwrap_err(), Refusal::WrongAddress);
    }
}

#[tokio::test]
async fn a_token_is_for_its_path_alone() {
    let world = world().await;
    world.put("a", b"x").await;
    world.put("b", b"y").await;
    let issued = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let Credential::Token { token, .. } = &issued.credential else { panic!("a token") };
    let sessions = Sessions::default();
    for path in ["/o/reports/b", "/o/reports/a/", "/o/other/a", "/o/reports/%61/../b", "/o/reports"] {
        let presented = Presented {
            credential: PresentedCredential::Token { token: token.expose(), raw_path: path },
            method: Method::Get,
            client: "192.0.2.1".parse().unwrap(),
            user_agent: b"",
            sessions: &sessions,
            prefetch: false,
            dialect: Dialect::Native,
        };
        assert!(world.service.verify(&presented).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_revoked_url_stops_at_once_and_stays_stopped() {
    let world = world().await;
    world.put("a", b"x").await;
    let mut issued = Vec::new();
    for form in FORMS {
        issued.push(world.issue(request("a", form, Terms::new(Permission::Read))).await);
    }
    let stranger = world.principal("stranger");
    for url in &issued {
        world.service.revoke(&stranger, &[url.link_id]).await.unwrap();
        assert!(world.read(url).await.is_ok(), "another tenant revokes only its own");
        world.service.revoke(&world.principal("app"), &[url.link_id]).await.unwrap();
        assert_eq!(world.read(url).await.unwrap_err(), Refusal::Revoked);
    }
    let world = world.restarted().await;
    for url in &issued {
        assert_eq!(world.read(url).await.unwrap_err(), Refusal::Revoked, "after a restart");
    }
}

#[tokio::test]
async fn deletion_kills_a_link_for_good_and_overwriting_does_not() {
    let world = world().await;
    world.put("a", b"one").await;
    let issued = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
    world.put("a", b"two").await;
    assert_eq!(world.read(&issued).await.unwrap(), b"two");
    world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone);
    world.put("a", b"three").await;
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone, "another incarnation");
}

#[tokio::test]
async fn a_pinned_url_is_for_one_generation() {
    let world = world().await;
    world.put("a", b"one").await;
    for form in FORMS {
        let mut asked = request("a", form, Terms::new(Permission::Read));
        asked.pin = true;
        let issued = world.issue(asked).await;
        assert!(world.read(&issued).await.is_ok());
        world.put("a", b"two").await;
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone, "{form:?}");
    }
}

#[tokio::test]
async fn a_single_use_is_used_once() {
    let world = world().await;
    world.put("a", b"secret").await;
    for form in FORMS {
        let issued = world.issue(request("a", form, once(Terms::new(Permission::Read)))).await;
        assert!(world.get(&issued, SOMEBODY, 0..u64::MAX).await.is_ok(), "dropped unsent: nothing is spent");
        world.service.uses_settled().await;
        assert_eq!(world.read(&issued).await.unwrap(), b"secret", "{form:?}");
        for holder in [SOMEBODY, ANOTHER] {
            assert_eq!(world.get(&issued, holder, 0..u64::MAX).await.unwrap_err(), Refusal::UsedUp, "{form:?}");
        }
    }
    let issued = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    world.read(&issued).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::UsedUp, "after a restart");
}

#[tokio::test]
async fn a_second_get_right_after_the_last_byte_waits_for_the_settlement() {
    let world = world().await;
    world.put("a", b"secret").await;
    let issued = world.issue(request("a", Form::Token, once(Terms::new(Permission::Read)))).await;
    let delivery = world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap();
    let mut usage = delivery.usage.unwrap();
    usage.finishing();
    // The bytes are out, their settlement is not written yet: this one must not be told `in_use`.
    let second = tokio::join!(world.get(&issued, ANOTHER, 0..u64::MAX), async { usage.settle(6, true) }).0;
    assert_eq!(second.unwrap_err(), Refusal::UsedUp);
}

#[tokio::test]
async fn only_the_session_secret_goes_on_after_expiry() {
    let world = world().await;
    world.put("a", &[7; 1000]).await;
    for form in FORMS {
        let issued = world.issue(request("a", form, once(Terms::new(Permission::Read)))).await;
        world.clock.set(Timestamp::from_micros(issued.expires_at.as_micros() - 1));
        let mut delivery = world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap();
        let secret = delivery.session_secret.take().unwrap();
        world.settle(&mut delivery, 400, false).await;
        world.clock.set(issued.expires_at);
        let with = |session| Holder { session, ..SOMEBODY };
        assert_eq!(world.get(&issued, SOMEBODY, 400..1000).await.unwrap_err(), Refusal::Expired);
        let lie = world.get(&issued, with(Some("not the secret")), 400..1000).await;
        assert_eq!(lie.unwrap_err(), Refusal::Expired);
        // Nor does it learn anything that is not counted.
        let lie = world.admitted(&issued, Method::Head, with(Some("not the secret"))).await;
        assert_eq!(lie.unwrap_err(), Refusal::Expired);
        assert!(world.get(&issued, with(Some(secret.expose())), 400..1000).await.is_ok(), "{form:?}");
        world.clock.advance(Duration::from_secs(15 * 60));
        assert_eq!(world.get(&issued, with(Some(secret.expose())), 400..1000).await.unwrap_err(), Refusal::Expired);
    }
}

#[tokio::test]
async fn a_prefetch_of_a_limited_url_is_refused_and_counts_nothing() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Token, once(Terms::new(Permission::Read)))).await;
    let prefetch = Holder { prefetch: true, ..ANOTHER };
    assert_eq!(world.get(&issued, prefetch, 0..1).await.unwrap_err(), Refusal::Prefetch);
    assert!(world.read(&issued).await.is_ok());
    let unlimited = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    assert!(world.get(&unlimited, prefetch, 0..1).await.is_ok());
}

#[tokio::test]
async fn a_url_is_worth_what_its_issuer_is_worth_now() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue_as("reader", request("a", Form::Token, Terms::new(Permission::Read))).await.unwrap();
    assert!(world.read(&issued).await.is_ok());
    // Somebody takes the key away behind the process's back, as a restore of an older database would.
    let database = rusqlite::Connection::open(world.directory.path().join("metadata.sqlite3")).unwrap();
    let n_rows = database.execute("UPDATE api_keys SET disabled_at = 1 WHERE id = 'reader'", []).unwrap();
    assert_eq!(n_rows, 1);
    drop(database);
    let world = world.restarted().await;
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::IssuerDisabled);
}

#[tokio::test]
async fn retention_ends_an_object_and_its_urls() {
    let world = world().await;
    let name: BucketName = "short".parse().unwrap();
    let new = NewBucket { retention: Retention::Transient, ..NewBucket::new(name.clone()) };
    world.service.create_bucket(&world.principal("app"), new).await.unwrap();
    let upload = world.service.upload(&world.principal("app"), &name, &key("a"), UploadOptions::default()).await.unwrap();
    filled(upload, b"x").await.unwrap();
    let mut asked = request("a", Form::Link, Terms::new(Permission::Read));
    asked.bucket = name.clone();
    asked.lifetime = Lifetime::For(Duration::from_secs(48 * 3600));
    let issued = world.issue(asked).await;
    world.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(world.read(&issued).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone);
    let details = world.service.object(&world.principal("app"), &name, &key("a")).await;
    assert!(matches!(details, Err(ServiceError::NotFound { .. })));
}

#[tokio::test]
async fn what_counts_nothing_is_refused_too_once_all_uses_are_spent() {
    let world = world().await;
    world.put("a", b"secret").await;
    let issued = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    let head = async |session| {
        let holder = Holder { session, ..ANOTHER };
        let found = world.service.find(world.admitted(&issued, Method::Head, holder).await?).await?;
        world.service.has_uses_left(&found).await
    };
    assert_eq!(head(None).await, Ok(()));
    world.read(&issued).await.unwrap();
    for session in [None, Some("made up")] {
        assert_eq!(head(session).await, Err(Refusal::UsedUp), "{session:?}");
    }
}
