//! Who may issue what.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

#[tokio::test]
async fn nobody_issues_more_than_they_may_do() {
    let world = world().await;
    world.put("a", b"x").await;
    let read = || request("a", Form::Token, Terms::new(Permission::Read));
    let write = || request("b", Form::Token, Terms::new(Permission::Write));
    assert!(world.issue_as("reader", read()).await.is_ok());
    let refused = world.issue_as("reader", write()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::MissingScope { scope: Scope::ObjectWrite }), "{refused}");
    let refused = world.issue_as("creator", read()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::MissingScope { scope: Scope::ObjectRead }), "{refused}");
    let mut replacing = write();
    replacing.terms.upload.mode = PutMode::Replace;
    let issued = world.issue_as("creator", replacing).await.unwrap();
    assert_eq!(issued.terms.upload.mode, PutMode::Create, "who may only create gives no more away");
}

#[tokio::test]
async fn another_tenants_bucket_is_out_of_reach() {
    let world = world().await;
    world.put("a", b"x").await;
    for form in [Form::Token, Form::Link] {
        let refused = world.issue_as("stranger", request("a", form, Terms::new(Permission::Read))).await.unwrap_err();
        assert!(matches!(refused, ServiceError::NotOwner), "{refused}");
    }
    let stranger = world.principal("stranger");
    assert!(matches!(world.service.object(&stranger, &bucket(), &key("a")).await, Err(ServiceError::NotOwner)));
    assert!(matches!(world.service.delete_object(&stranger, &bucket(), &key("a")).await, Err(ServiceError::NotOwner)));
    assert!(matches!(world.service.delete_bucket(&stranger, &bucket()).await, Err(ServiceError::NotOwner)));
}

#[tokio::test]
async fn lifetimes_are_never_cut_silently() {
    let world = world().await;
    world.put("a", b"x").await;
    let check = async |form, days: u64, fine: bool| {
        let mut asked = request("a", form, Terms::new(Permission::Read));
        asked.lifetime = Lifetime::For(Duration::from_secs(days * 24 * 3600));
        let issued = world.issue_as("app", asked).await;
        assert_eq!(issued.is_ok(), fine, "{form:?} {days} days");
    };
    check(Form::Token, 7, true).await;
    check(Form::Token, 8, false).await;
    check(Form::Link, 400, true).await;
    check(Form::Link, 401, false).await;
    check(Form::Token, 0, false).await;
}

/// A lifetime, with instants from some second on.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Default,
    For(Duration),
    Until(Duration),
}

#[tokio::test]
async fn a_lifetime_is_rounded_up_and_an_instant_down() {
    let world = world().await;
    world.put("a", b"x").await;
    let second = Duration::from_secs(1);
    // So many microseconds past a whole second; instants are told from that second on.
    let check = async |form, micros: u64, lifetime: Asked, lives_until: Option<u64>| {
        let start = world.service.now().next_whole_second().plus(second);
        world.clock.set(start.plus(Duration::from_micros(micros)));
        let lifetime = match lifetime {
            Asked::Default => Lifetime::Default,
            Asked::For(lifetime) => Lifetime::For(lifetime),
            Asked::Until(later) => Lifetime::Until(start.plus(later)),
        };
        let asked = IssueRequest { lifetime, ..request("a", form, Terms::new(Permission::Read)) };
        let issued = world.issue_as("app", asked).await.ok();
        let expires_at = issued.as_ref().map(|issued| issued.expires_at);
        assert_eq!(
            expires_at,
            lives_until.map(|seconds| start.plus(Duration::from_secs(seconds))),
            "{form:?} {lifetime:?} at {micros}"
        );
        let Some(issued) = issued else { return };
        world.clock.set(issued.expires_at.minus(Duration::from_micros(1)));
        world.read(&issued).await.unwrap();
        world.clock.set(issued.expires_at);
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::Expired);
    };
    for form in [Form::Token, Form::Link, Form::TokenOrLink] {
        let seconds = |seconds: f64| Asked::For(Duration::from_secs_f64(seconds));
        check(form, 0, seconds(1.0), Some(1)).await;
        check(form, 1, seconds(1.0), Some(2)).await;
        check(form, 999_999, seconds(1.0), Some(2)).await;
        check(form, 400_000, seconds(0.5), Some(1)).await;
        check(form, 600_000, seconds(0.5), Some(2)).await;
        check(form, 400_000, seconds(60.6), Some(61)).await;
        check(form, 400_000, Asked::Default, Some(3601)).await;
        check(form, 400_000, seconds(0.0), None).await;
        let until = |millis| Asked::Until(Duration::from_millis(millis));
        check(form, 400_000, until(1_000), Some(1)).await;
        check(form, 400_000, until(1_999), Some(1)).await;
        check(form, 400_000, until(999), None).await;
    }
    // The limits are those of what was asked for.
    let day = Duration::from_secs(24 * 3600);
    for (form, longest) in [(Form::Token, 7 * day), (Form::Link, 400 * day)] {
        check(form, 400_000, Asked::For(longest), Some(longest.as_secs() + 1)).await;
        check(form, 400_000, Asked::For(longest + second), None).await;
        check(form, 400_000, Asked::Until(longest), Some(longest.as_secs())).await;
        check(form, 400_000, Asked::Until(longest + second), None).await;
    }
}

#[tokio::test]
async fn a_token_where_there_can_be_one() {
    let world = world().await;
    let read = |name: &str, form| request(name, form, Terms::new(Permission::Read));
    let long = "é".repeat(300);
    for (name, is_token) in [("a", true), ("a//b", false), ("../a", false), (&long, false)] {
        world.put(name, b"x").await;
        let issued = world.issue(read(name, Form::TokenOrLink)).await;
        assert_eq!(matches!(issued.credential, Credential::Token { .. }), is_token, "{name}");
        assert_eq!(world.issue_as("app", read(name, Form::Token)).await.is_ok(), is_token, "{name}");
        world.read(&issued).await.unwrap();
        // It dies with its object, either way.
        let (app, bucket, key) = (world.principal("app"), bucket(), key(name));
        world.service.delete_object(&app, &bucket, &key).await.unwrap();
        world.put(name, b"another").await;
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone, "{name}");
    }
    // What a token may not permit, a link is not made for.
    let mut asked = read("a", Form::TokenOrLink);
    asked.lifetime = Lifetime::For(Duration::from_secs(8 * 24 * 3600));
    assert!(world.issue_as("app", asked).await.is_err());
}

#[tokio::test]
async fn a_prefix_is_for_reading_without_limit() {
    let world = world().await;
    world.put("a/1", b"x").await;
    let check = async |id: &str, prefix: &str, terms: Terms, form: Form, fine: bool| {
        let mut asked = request("a/1", form, terms);
        asked.target = Target::Prefix(prefix.into());
        asked.must_exist = false;
        assert_eq!(world.issue_as(id, asked).await.is_ok(), fine, "{id} {prefix:?} {form:?}");
    };
    let read = || Terms::new(Permission::Read);
    check("app", "a/", read(), Form::Token, true).await;
    check("app", "a", read(), Form::Token, false).await;
    check("app", "../", read(), Form::Token, false).await;
    check("app", "a/", once(read()), Form::Token, false).await;
    check("app", "a/", Terms::new(Permission::Write), Form::Token, false).await;
    check("app", "a/", read(), Form::Link, false).await;
    check("app", "", read(), Form::Token, false).await;
    check("chief", "", read(), Form::Token, true).await;
}

#[tokio::test]
async fn all_or_none() {
    let world = world().await;
    world.put("a", b"x").await;
    let requests = vec![
        request("a", Form::Link, Terms::new(Permission::Read)),
        request("missing", Form::Link, Terms::new(Permission::Read)),
    ];
    let refused = world.service.issue(&world.principal("app"), requests).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotFound { what: "object" }), "{refused}");
}

#[tokio::test]
async fn access_tokens_carry_no_more_than_asked_and_end() {
    let world = world().await;
    let app = world.principal("app");
    let asked = "object:read admin".parse().unwrap();
    let token = world.service.issue_access_token(&app, Some(asked)).unwrap();
    assert_eq!(token.scopes.to_string(), "object:read");
    let bearer = world.service.authenticate(&token.token, address(SOMEBODY.address)).unwrap();
    assert_eq!((bearer.api_key(), bearer.scopes()), (app.api_key(), token.scopes));
    for position in 0..token.token.expose().len() {
        let mut changed = token.token.expose().to_owned().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = SecretText::new(String::from_utf8(changed).unwrap());
        // From an address each: who fails as often as this from one is not even asked.
        let client = std::net::Ipv4Addr::from_bits(u32::try_from(position).unwrap()).into();
        let refused = world.service.authenticate(&changed, client);
        assert!(matches!(refused, Err(ServiceError::Unauthenticated)), "byte {position}");
    }
    let hour = token.lifetime;
    world.clock.advance(hour / 2);
    let bearer = world.service.authenticate(&token.token, address(SOMEBODY.address)).unwrap();
    let second = world.service.issue_access_token(&bearer, None).unwrap();
    assert_eq!(second.lifetime, hour / 2, "a token prolonged itself");
    world.clock.advance(hour / 2);
    for token in [token, second] {
        assert!(matches!(
            world.service.authenticate(&token.token, address(SOMEBODY.address)),
            Err(ServiceError::Unauthenticated)
        ));
    }
}
