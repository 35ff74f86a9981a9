//! Explaining: what it says is what redeeming does, and only to whose URL it is.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::{CheckOutcome, Explanation, PresentedCredential, Question, UrlCredential};
use valetkey_service::*;

const FORMS: [Form; 2] = [Form::Token, Form::Link];

fn credential_of(issued: &Issued) -> UrlCredential {
    match &issued.credential {
        Credential::Token { token, path } => UrlCredential::Token { token: token.expose().to_owned(), raw_path: path.clone() },
        Credential::Link(secret) => UrlCredential::Link(*secret),
    }
}

fn question(credential: &UrlCredential) -> Question<'_> {
    Question { credential, method: None, client: address(SOMEBODY.address), user_agent: b"curl/8", at: None }
}

impl World {
    async fn explained_to(&self, id: &str, question: &Question<'_>) -> Option<Explanation> {
        self.service.explain(&self.principal(id), question).await.unwrap()
    }

    async fn explained(&self, issued: &Issued) -> Explanation {
        let credential = credential_of(issued);
        let explanation = self.explained_to("app", &question(&credential)).await.unwrap();
        assert_eq!(explanation.refusal.is_none(), explanation.checks.iter().all(|check| check.outcome == CheckOutcome::Passed));
        let failed: Vec<_> = explanation.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed).collect();
        assert_eq!(
            failed.iter().map(|check| check.refusal).collect::<Vec<_>>(),
            explanation.refusal.into_iter().collect::<Vec<_>>()
        );
        explanation
    }

    /// What explaining says, proved by redeeming.
    async fn refusal_of(&self, issued: &Issued) -> Option<Refusal> {
        let refusal = self.explained(issued).await.refusal;
        let redeemed = self.get(issued, SOMEBODY, 0..u64::MAX).await;
        assert_eq!(redeemed.as_ref().err().copied(), refusal);
        if let Ok(mut delivery) = redeemed {
            self.settle(&mut delivery, 0, false).await;
        }
        refusal
    }
}

fn reading() -> Terms {
    Terms::new(Permission::Read)
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let world = world().await;
    for form in FORMS {
        world.put("a", b"x").await;
        let issued = world.issue(request("a", form, reading())).await;
        assert_eq!(world.refusal_of(&issued).await, None, "{form:?}");

        let early =
            IssueRequest { not_before: Some(world.service.now().plus(Duration::from_secs(90))), ..request("a", form, reading()) };
        assert_eq!(world.refusal_of(&world.issue(early).await).await, Some(Refusal::NotYetValid));

        let elsewhere = Terms { addresses: vec!["198.51.100.0/24".parse().unwrap()], ..reading() };
        assert_eq!(world.refusal_of(&world.issue(request("a", form, elsewhere)).await).await, Some(Refusal::WrongAddress));

        let of_reader = world.issue_as("reader", request("a", form, reading())).await.unwrap();
        let update = ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() };
        let reader = "reader".parse().unwrap();
        world.service.update_api_key(&world.principal("chief"), &reader, update).await.unwrap();
        assert_eq!(world.refusal_of(&of_reader).await, Some(Refusal::IssuerDisabled));
        let update = ApiKeyUpdate { disabled: Some(false), ..ApiKeyUpdate::default() };
        world.service.update_api_key(&world.principal("chief"), &reader, update).await.unwrap();

        let revoked = world.issue(request("a", form, reading())).await;
        world.service.revoke(&world.principal("app"), &[revoked.link_id]).await.unwrap();
        assert_eq!(world.refusal_of(&revoked).await, Some(Refusal::Revoked));

        world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
        assert_eq!(world.refusal_of(&issued).await, Some(Refusal::ObjectGone));
        world.put("a", b"another").await;
        assert_eq!(world.refusal_of(&issued).await, Some(Refusal::ObjectGone));

        world.clock.advance(Duration::from_secs(3600));
        assert_eq!(world.refusal_of(&issued).await, Some(Refusal::Expired));
    }
}

#[tokio::test]
async fn uses_are_told_and_not_spent() {
    let world = world().await;
    world.put("a", b"0123456789").await;
    for form in FORMS {
        let issued = world.issue(request("a", form, once(reading()))).await;
        let told = async || {
            let Explanation { facts, refusal, .. } = world.explained(&issued).await;
            (refusal, facts.n_spent, facts.n_held, facts.n_left())
        };
        for _ in 0..5 {
            assert_eq!(told().await, (None, Some(0), Some(0), Some(1)), "{form:?}");
        }
        let mut delivery = world.get(&issued, ANOTHER, 0..u64::MAX).await.unwrap();
        for _ in 0..5 {
            assert_eq!(told().await, (Some(Refusal::InUse), Some(0), Some(1), Some(0)));
        }
        world.settle(&mut delivery, 10, true).await;
        assert_eq!(told().await, (Some(Refusal::UsedUp), Some(1), Some(0), Some(0)));
        assert_eq!(world.refusal_of(&issued).await, Some(Refusal::UsedUp));
    }
}

/// The one who downloads can start afresh; explained with that client's address and agent, the URL works.
#[tokio::test]
async fn the_client_counts() {
    let world = world().await;
    world.put("a", b"0123456789").await;
    let issued = world.issue(request("a", Form::Link, once(reading()))).await;
    let mut delivery = world.get(&issued, ANOTHER, 0..u64::MAX).await.unwrap();
    world.settle(&mut delivery, 3, false).await;
    let credential = credential_of(&issued);
    let from = |text: &str| Question { client: address(text), ..question(&credential) };
    assert_eq!(world.explained_to("app", &from(SOMEBODY.address)).await.unwrap().refusal, Some(Refusal::InUse));
    assert_eq!(world.explained_to("app", &from(ANOTHER.address)).await.unwrap().refusal, None);
    let other_agent = Question { user_agent: b"wget", ..from(ANOTHER.address) };
    assert_eq!(world.explained_to("app", &other_agent).await.unwrap().refusal, Some(Refusal::InUse));
}

#[tokio::test]
async fn uploads_are_explained_too() {
    let world = world().await;
    for form in FORMS {
        let name = format!("{form:?}");
        let issued = world.issue(request(&name, form, once(Terms::new(Permission::Write)))).await;
        let explanation = world.explained(&issued).await;
        assert_eq!((explanation.asked.method, explanation.refusal), (Method::Put, None));
        let admission = world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap();
        let upload = world.service.upload_granted(admission, UploadOptions::default()).await.unwrap();
        filled(upload, b"x").await.unwrap();
        assert_eq!(world.explained(&issued).await.refusal, Some(Refusal::UsedUp));
        let again = world.issue(request(&name, form, once(Terms::new(Permission::Write)))).await;
        assert_eq!(world.explained(&again).await.refusal, Some(Refusal::Exists));
        let credential = credential_of(&issued);
        let get = Question { method: Some(Method::Get), ..question(&credential) };
        assert_eq!(world.explained_to("app", &get).await.unwrap().refusal, Some(Refusal::WrongMethod));
    }
}

#[tokio::test]
async fn another_instant() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Token, reading())).await;
    let credential = credential_of(&issued);
    for (at, refusal) in [
        (issued.expires_at, Some(Refusal::Expired)),
        (Timestamp::from_micros(issued.expires_at.as_micros() - 1), None),
        (world.service.now().minus(Duration::from_secs(61)), Some(Refusal::NotYetValid)),
    ] {
        let asked = Question { at: Some(at), ..question(&credential) };
        let explanation = world.explained_to("app", &asked).await.unwrap();
        assert_eq!((explanation.refusal, explanation.asked.at), (refusal, at));
    }
    assert!(world.read(&issued).await.is_ok());
}

/// Malformed, unknown, changed, another tenant's, for another tenant's bucket, outside of a key's buckets: the same nothing.
#[tokio::test]
async fn a_stranger_is_told_nothing() {
    let world = world().await;
    world.put("a", b"x").await;
    let mut credentials = vec![
        UrlCredential::Token { token: "x".to_owned(), raw_path: "/o/reports/a".to_owned() },
        UrlCredential::Token { token: String::new(), raw_path: String::new() },
        UrlCredential::Link(LinkSecret::parse("3q2-7wAAQACAAAAAAAAAAA").unwrap()),
        UrlCredential::Object { bucket: bucket(), key: key("a") },
        UrlCredential::Object { bucket: "nowhere".parse().unwrap(), key: key("a") },
        UrlCredential::File(FileId::from_bytes([1; 16])),
    ];
    for form in FORMS {
        let issued = world.issue(request("a", form, reading())).await;
        credentials.push(credential_of(&issued));
        if let Credential::Token { token, .. } = &issued.credential {
            let (front, last) = token.expose().split_at(token.expose().len() - 4);
            let changed = if last == "AAAA" { "BBBB" } else { "AAAA" };
            credentials.push(UrlCredential::Token { token: format!("{front}{changed}"), raw_path: "/o/reports/a".to_owned() });
            credentials.push(UrlCredential::Token { token: token.expose().to_owned(), raw_path: "/o/strange/a".to_owned() });
        }
    }
    for credential in &credentials {
        let told = world.explained_to("stranger", &question(credential)).await;
        assert!(told.is_none(), "{credential:?}: {told:?}");
    }
    let own: Vec<_> = credentials.iter().skip(6).collect();
    for credential in own {
        assert!(world.explained_to("app", &question(credential)).await.is_some(), "{credential:?}");
    }
}

#[tokio::test]
async fn a_changed_token_is_explained_to_whose_key_it_names() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Token, reading())).await;
    let Credential::Token { token, path } = &issued.credential else { panic!("a token") };
    let mut changed = token.expose().to_owned();
    changed.replace_range(changed.len() - 4.., if token.expose().ends_with("AAAA") { "BBBB" } else { "AAAA" });
    for (token, raw_path, refusal) in [
        (changed.as_str(), path.as_str(), Refusal::BadSignature),
        (token.expose(), "/o/reports/b", Refusal::WrongPath),
        (token.expose(), "/o/reports/%zz", Refusal::WrongPath),
    ] {
        let credential = UrlCredential::Token { token: token.to_owned(), raw_path: raw_path.to_owned() };
        let explanation = world.explained_to("app", &question(&credential)).await.unwrap();
        assert_eq!(explanation.refusal, Some(refusal));
        assert_eq!(explanation.facts.link_id, Some(issued.link_id));
    }
}

/// Who issues, takes back or answers for URLs, and for buckets that the key may use.
#[tokio::test]
async fn who_may_ask() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued = world.issue(request("a", Form::Link, reading())).await;
    let credential = credential_of(&issued);
    for (number, (scopes, buckets, told)) in [
        ("link:issue", vec![], Some(true)),
        ("link:revoke", vec![], Some(true)),
        ("audit:read", vec![bucket()], Some(true)),
        ("audit:read", vec!["scans".parse().unwrap()], Some(false)),
        ("object:read object:write", vec![], None),
    ]
    .into_iter()
    .enumerate()
    {
        let id: ApiKeyId = format!("asker-{number}").parse().unwrap();
        let new = NewApiKey { id: Some(id), scopes: scopes.parse().unwrap(), buckets, expires_at: None, bearer: None };
        let made = world.service.create_api_key(&world.principal("chief"), new, address(SOMEBODY.address)).await.unwrap();
        let principal = world.service.authenticate(&made.secret, address(SOMEBODY.address)).unwrap();
        let answer = world.service.explain(&principal, &question(&credential)).await;
        match told {
            Some(told) => assert_eq!(answer.unwrap().is_some(), told, "{scopes}"),
            None => assert!(matches!(answer, Err(ServiceError::MissingScope { .. })), "{scopes}"),
        }
    }
}

#[tokio::test]
async fn what_is_public_is_explained_to_its_owner() {
    let world = world().await;
    world.put("a", b"x").await;
    let credential = UrlCredential::Object { bucket: bucket(), key: key("a") };
    assert_eq!(world.explained_to("app", &question(&credential)).await.unwrap().refusal, Some(Refusal::Malformed));
    world.service.set_bucket_public(&world.principal("chief"), &bucket(), true).await.unwrap();
    assert_eq!(world.explained_to("app", &question(&credential)).await.unwrap().refusal, None);
    let redeemed = world.redeem(credential.presented(), Method::Get, SOMEBODY).await;
    assert!(redeemed.is_ok() && matches!(credential.presented(), PresentedCredential::Public(_)));
    // A stranger's own URL for what is public is theirs to ask about.
    let theirs = IssueRequest { bucket: bucket(), ..request("a", Form::Token, reading()) };
    let theirs = credential_of(&world.issue_as("stranger", theirs).await.unwrap());
    assert_eq!(world.explained_to("stranger", &question(&theirs)).await.unwrap().refusal, None);
    assert!(world.explained_to("app", &question(&theirs)).await.is_none());
}
