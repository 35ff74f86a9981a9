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
