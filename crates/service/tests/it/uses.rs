//! Uses: counted from their start, offered to people, reset by their owner.

use crate::world::*;
use std::num::NonZeroU32;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::{Found, Offer, Pressed};
use valetkey_service::*;

const FORMS: [Form; 2] = [Form::Token, Form::Link];

fn started(mut terms: Terms) -> Terms {
    terms.counting = Counting::Started;
    once(terms)
}

impl World {
    async fn found(&self, issued: &Issued, holder: Holder<'_>) -> Result<Found, Refusal> {
        self.service.find(self.admitted(issued, Method::Get, holder).await?).await
    }

    async fn offer(&self, issued: &Issued, holder: Holder<'_>) -> Result<Option<Offer>, Refusal> {
        self.service.offer(&self.found(issued, holder).await?).await
    }

    async fn press(&self, issued: &Issued, holder: Holder<'_>, nonce: &str) -> Result<Pressed, Refusal> {
        self.service.press(&self.found(issued, holder).await?, nonce).await
    }
}

#[tokio::test]
async fn a_start_counts_where_starts_do() {
    let world = world().await;
    world.put("a", &[7; 1000]).await;
    for form in FORMS {
        let issued = world.issue(request("a", form, started(Terms::new(Permission::Read)))).await;
        let mut first = world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap();
        let secret = first.session_secret.take().unwrap();
        assert_eq!(world.get(&issued, ANOTHER, 0..u64::MAX).await.unwrap_err(), Refusal::UsedUp, "{form:?}");
        world.settle(&mut first, 400, false).await;
        world.clock.advance(Duration::from_secs(599));
        let holder = Holder { session: Some(secret.expose()), ..ANOTHER };
        let mut rest = world.get(&issued, holder, 400..1000).await.unwrap();
        world.settle(&mut rest, 100, false).await;
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap_err(), Refusal::UsedUp, "a lapse returns nothing");
    }
}

#[tokio::test]
async fn an_offer_uses_nothing_and_its_button_opens_a_session() {
    let world = world().await;
    world.put("a", &[7; 1000]).await;
    for form in FORMS {
        let mut terms = Terms::new(Permission::Read);
        terms.uses = NonZeroU32::new(2);
        let issued = world.issue(request("a", form, terms)).await;
        for holder in [SOMEBODY, ANOTHER, SOMEBODY] {
            assert_eq!(world.offer(&issued, holder).await.unwrap().unwrap().n_left, 2, "{form:?}");
        }
        let offer = world.offer(&issued, SOMEBODY).await.unwrap().unwrap();
        let Pressed::Opened(secret) = world.press(&issued, SOMEBODY, offer.nonce.expose()).await.unwrap() else { panic!() };
        assert_eq!(world.offer(&issued, ANOTHER).await.unwrap().unwrap().n_left, 1);
        let holder = Holder { session: Some(secret.expose()), ..SOMEBODY };
        assert!(world.offer(&issued, holder).await.unwrap().is_none(), "the holder goes straight on");
        assert!(matches!(world.press(&issued, holder, offer.nonce.expose()).await.unwrap(), Pressed::Held));
        let mut whole = world.get(&issued, holder, 0..u64::MAX).await.unwrap();
        assert!(whole.session_secret.is_none(), "there is a session already");
        world.settle(&mut whole, 1000, true).await;
        let mut second = world.get(&issued, ANOTHER, 0..u64::MAX).await.unwrap();
        assert_eq!(world.offer(&issued, SOMEBODY).await.unwrap_err(), Refusal::InUse);
        assert_eq!(world.press(&issued, SOMEBODY, offer.nonce.expose()).await.unwrap_err(), Refusal::InUse);
        world.settle(&mut second, 1000, true).await;
        assert_eq!(world.offer(&issued, SOMEBODY).await.unwrap_err(), Refusal::UsedUp);
        assert_eq!(world.press(&issued, SOMEBODY, offer.nonce.expose()).await.unwrap_err(), Refusal::UsedUp);
    }
}

#[tokio::test]
async fn an_unlimited_url_offers_nothing() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
    assert!(world.offer(&issued, SOMEBODY).await.unwrap().is_none());
    assert!(matches!(world.press(&issued, SOMEBODY, "1.x").await.unwrap(), Pressed::NotOffered));
}

#[tokio::test]
async fn a_prefetch_is_offered_nothing() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    let nonce = world.offer(&issued, SOMEBODY).await.unwrap().unwrap().nonce;
    let prefetch = Holder { prefetch: true, ..SOMEBODY };
    assert_eq!(world.offer(&issued, prefetch).await.unwrap_err(), Refusal::Prefetch);
    assert_eq!(world.press(&issued, prefetch, nonce.expose()).await.unwrap_err(), Refusal::Prefetch);
}

#[tokio::test]
async fn only_a_fresh_nonce_of_this_url_opens_anything() {
    let world = world().await;
    world.put("a", b"x").await;
    let terms = || once(Terms::new(Permission::Read));
    for form in FORMS {
        let (issued, other) = (world.issue(request("a", form, terms())).await, world.issue(request("a", form, terms())).await);
        let nonce = world.offer(&issued, SOMEBODY).await.unwrap().unwrap().nonce;
        let nonce = nonce.expose();
        let foreign = world.offer(&other, SOMEBODY).await.unwrap().unwrap().nonce;
        let (until, tag) = nonce.split_once('.').unwrap();
        let later = format!("{}.{tag}", until.parse::<i64>().unwrap() + 1);
        let (sign, zero) = (format!("+{nonce}"), format!("0{nonce}"));
        let cut = &nonce[..nonce.len() - 1];
        for wrong in ["", ".", "x", until, tag, cut, &later, &sign, &zero, foreign.expose(), "99999999999999999999.x"] {
            let pressed = world.press(&issued, SOMEBODY, wrong).await.unwrap();
            assert!(matches!(pressed, Pressed::NotOffered), "{form:?} {wrong}");
        }
        assert_eq!(world.offer(&issued, ANOTHER).await.unwrap().unwrap().n_left, 1, "nothing was used");
        world.clock.advance(Duration::from_secs(600));
        assert!(matches!(world.press(&issued, SOMEBODY, nonce).await.unwrap(), Pressed::NotOffered), "ten minutes are over");
        let nonce = world.offer(&issued, SOMEBODY).await.unwrap().unwrap().nonce;
        world.clock.advance(Duration::from_secs(599));
        assert!(matches!(world.press(&issued, ANOTHER, nonce.expose()).await.unwrap(), Pressed::Opened(_)), "from anywhere");
    }
}

#[tokio::test]
async fn a_nonce_outlives_the_process() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    let nonce = world.offer(&issued, SOMEBODY).await.unwrap().unwrap().nonce;
    let world = world.restarted().await;
    assert!(matches!(world.press(&issued, SOMEBODY, nonce.expose()).await.unwrap(), Pressed::Opened(_)));
}

#[tokio::test]
async fn a_reset_makes_every_use_available_again() {
    let world = world().await;
    world.put("a", &[7; 1000]).await;
    for form in FORMS {
        let issued = world.issue(request("a", form, once(Terms::new(Permission::Read)))).await;
        world.read(&issued).await.unwrap();
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::UsedUp, "{form:?}");
        world.service.reset_uses(&world.principal("app"), &issued.link_id).await.unwrap();
        world.read(&issued).await.unwrap();
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::UsedUp, "{form:?}: once");
    }
}

#[tokio::test]
async fn who_is_under_way_at_a_reset_goes_on() {
    let world = world().await;
    world.put("a", &[7; 1000]).await;
    let issued = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    let mut first = world.get(&issued, SOMEBODY, 0..u64::MAX).await.unwrap();
    world.service.reset_uses(&world.principal("app"), &issued.link_id).await.unwrap();
    let mut second = world.get(&issued, ANOTHER, 0..u64::MAX).await.unwrap();
    for delivery in [&mut first, &mut second] {
        delivery.usage.take().unwrap().settle(1000, true);
    }
    world.service.uses_settled().await;
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::UsedUp);
}

#[tokio::test]
async fn only_its_owner_resets() {
    let world = world().await;
    world.put("a", b"x").await;
    let link = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    let token = world.issue(request("a", Form::Token, once(Terms::new(Permission::Read)))).await;
    let unlimited = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
    let reset = async |id: &str, issued: &Issued| world.service.reset_uses(&world.principal(id), &issued.link_id).await;
    assert!(matches!(reset("stranger", &link).await, Err(ServiceError::NotFound { what: "link" })));
    assert!(matches!(reset("creator", &link).await, Err(ServiceError::MissingScope { scope: Scope::ObjectRead })));
    assert!(matches!(reset("app", &unlimited).await, Err(ServiceError::Conflict { .. })));
    reset("app", &token).await.unwrap();
    world.read(&token).await.unwrap();
    assert!(matches!(reset("stranger", &token).await, Err(ServiceError::NotFound { .. })));
    reset("reader", &token).await.unwrap();
    reset("reader", &link).await.unwrap();

    let fenced = |id: &str, name: &str| GivenApiKey {
        tenant: "acme".parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret of {id}")),
        bearer: None,
        scopes: "*".parse().unwrap(),
        buckets: vec![name.parse().unwrap()],
        expires_at: None,
    };
    let api_keys = vec![fenced("inside", "reports"), fenced("outside", "elsewhere")];
    world.service.provision(Provisioning { api_keys, ..Provisioning::default() }).await.unwrap();
    reset("inside", &link).await.unwrap();
    assert!(matches!(reset("outside", &link).await, Err(ServiceError::OutsideBuckets)));
    reset("inside", &token).await.unwrap();
    assert!(matches!(reset("outside", &token).await, Err(ServiceError::OutsideBuckets)));

    for dead in [&link, &token] {
        world.service.revoke(&world.principal("app"), &[dead.link_id]).await.unwrap();
        assert!(matches!(reset("app", dead).await, Err(ServiceError::Refused(Refusal::Revoked))));
    }
    let expired = world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    world.clock.set(expired.expires_at);
    assert!(matches!(reset("app", &expired).await, Err(ServiceError::Refused(Refusal::Expired))));
}
