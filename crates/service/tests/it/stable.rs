//! URLs that stay the same for a while.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const FORMS: [Form; 2] = [Form::Token, Form::Link];

fn stable(name: &str, form: Form) -> IssueRequest {
    let lifetime = Lifetime::Stable { lifetime: Some(10 * MINUTE), window: HOUR };
    IssueRequest { lifetime, ..request(name, form, Terms::new(Permission::Read)) }
}

fn text(issued: &Issued) -> String {
    match &issued.credential {
        Credential::Token { token, path } => format!("{path}?{}", token.expose()),
        Credential::Link(secret) => secret.text().expose().to_owned(),
    }
}

#[tokio::test]
async fn the_same_bytes_throughout_a_window() {
    let world = world().await;
    world.put("a", b"x").await;
    for (form, number) in FORMS.into_iter().zip([0, 10]) {
        let window = 1_800_000_000 + number * 3600;
        world.clock.set(Timestamp::from_seconds(window));
        let first = world.issue(stable("a", form)).await;
        assert_eq!(first.expires_at.as_seconds(), window + 3600 + 600);
        for second in [1, 1800, 3599] {
            world.clock.set(Timestamp::from_seconds(window + second));
            let again = world.issue(stable("a", form)).await;
            assert_eq!(
                (text(&again), again.link_id, again.expires_at),
                (text(&first), first.link_id, first.expires_at),
                "{form:?}"
            );
        }
        world.clock.set(Timestamp::from_seconds(window + 3600));
        let next = world.issue(stable("a", form)).await;
        assert!(text(&next) != text(&first) && next.link_id != first.link_id);
        assert!(world.read(&first).await.is_ok(), "it lives on for as long as was asked for");
        world.clock.set(first.expires_at);
        assert_eq!(world.read(&first).await.unwrap_err(), Refusal::Expired);
        assert!(world.read(&next).await.is_ok());
    }
}

#[tokio::test]
async fn who_asks_and_for_what_makes_the_url() {
    let world = world().await;
    world.put("a", b"x").await;
    world.put("b", b"y").await;
    for form in FORMS {
        let mut named = stable("a", form);
        named.terms.file_name = Some("q3.pdf".to_owned());
        let mut others = vec![world.issue(stable("b", form)).await, world.issue(named).await];
        others.push(world.issue_as("reader", stable("a", form)).await.unwrap());
        others.push(world.issue(IssueRequest { pin: true, ..stable("a", form) }).await);
        let longer = Lifetime::Stable { lifetime: Some(HOUR), window: HOUR };
        others.push(world.issue(IssueRequest { lifetime: longer, ..stable("a", form) }).await);
        others.push(world.issue(request("a", form, Terms::new(Permission::Read))).await);
        let first = world.issue(stable("a", form)).await;
        assert!(others.iter().all(|other| text(other) != text(&first) && other.link_id != first.link_id), "{form:?}");
        for url in others.iter().chain([&first]) {
            assert!(world.read(url).await.is_ok(), "{form:?}");
        }
    }
    let [token, link] = [world.issue(stable("a", Form::Token)).await, world.issue(stable("a", Form::Link)).await];
    assert_ne!(token.link_id, link.link_id);
}

#[tokio::test]
async fn an_object_that_came_back_has_another_url() {
    let world = world().await;
    for form in FORMS {
        world.put("a", b"x").await;
        let first = world.issue(stable("a", form)).await;
        world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
        world.put("a", b"y").await;
        let second = world.issue(stable("a", form)).await;
        assert_ne!(text(&first), text(&second), "{form:?}");
        assert_eq!(world.read(&first).await.unwrap_err(), Refusal::ObjectGone);
        assert_eq!(world.read(&second).await.unwrap(), b"y");
        world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_taken_back_is_not_given_out_again() {
    let world = world().await;
    world.put("a", b"x").await;
    let app = world.principal("app");
    for form in FORMS {
        let first = world.issue(stable("a", form)).await;
        world.service.revoke(&app, &[first.link_id]).await.unwrap();
        let second = world.issue(stable("a", form)).await;
        assert_ne!(text(&first), text(&second), "{form:?}");
        assert_eq!(text(&world.issue(stable("a", form)).await), text(&second), "the one that replaces it is stable, too");
        assert_eq!(world.read(&first).await.unwrap_err(), Refusal::Revoked);
        assert!(world.read(&second).await.is_ok());
        let mut last = second;
        let refused = loop {
            world.service.revoke(&app, &[last.link_id]).await.unwrap();
            match world.issue_as("app", stable("a", form)).await {
                Ok(next) => last = next,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, ServiceError::Conflict { .. }), "{refused}");
        assert_eq!(world.read(&first).await.unwrap_err(), Refusal::Revoked);
    }
}

#[tokio::test]
async fn a_link_is_found_again_by_all_who_ask_at_once() {
    let world = world().await;
    world.put("a", b"x").await;
    world.put("b", b"y").await;
    let app = world.principal("app");
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..16_usize {
        let (service, app) = (world.service.clone(), app.clone());
        callers.spawn(async move {
            let mut requests = vec![stable("a", Form::Link), stable("b", Form::Link), stable("a", Form::Link)];
            requests.push(request("a", Form::Link, Terms::new(Permission::Read)));
            requests.rotate_left(number % 4);
            let mut issued = service.issue(&app, requests).await.unwrap();
            issued.rotate_right(number % 4);
            issued
        });
    }
    let all = callers.join_all().await;
    for issued in &all {
        assert_eq!((text(&issued[0]), text(&issued[1])), (text(&all[0][0]), text(&all[0][1])));
        assert_eq!(text(&issued[2]), text(&issued[0]));
        for url in issued {
            assert!(world.read(url).await.is_ok());
        }
    }
}

#[tokio::test]
async fn it_survives_the_process() {
    let world = world().await;
    world.put("a", b"x").await;
    let before = [world.issue(stable("a", Form::Token)).await, world.issue(stable("a", Form::Link)).await];
    let world = world.restarted().await;
    for (form, before) in FORMS.into_iter().zip(&before) {
        assert_eq!(text(&world.issue(stable("a", form)).await), text(before), "{form:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused() {
    let world = world().await;
    world.put("a", b"x").await;
    let check = async |edit: fn(&mut IssueRequest), field: &str| {
        for form in FORMS {
            let mut asked = stable("a", form);
            edit(&mut asked);
            match world.issue_as("app", asked).await {
                Err(ServiceError::Invalid { field: found, .. }) => assert_eq!(found, field, "{form:?}"),
                other => panic!("{other:?}"),
            }
        }
    };
    check(|asked| asked.terms = once(Terms::new(Permission::Read)), "stable_window_seconds").await;
    check(|asked| (asked.terms, asked.must_exist) = (Terms::new(Permission::Write), false), "stable_window_seconds").await;
    for seconds in [0, 59, 86_401] {
        let lifetime = Lifetime::Stable { lifetime: None, window: Duration::from_secs(seconds) };
        let refused = world.issue_as("app", IssueRequest { lifetime, ..stable("a", Form::Token) }).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Invalid { field: "stable_window_seconds", .. }), "{refused}");
    }
    // The window counts into the life of a token.
    let week = Lifetime::Stable { lifetime: Some(7 * 24 * HOUR), window: HOUR };
    let refused = world.issue_as("app", IssueRequest { lifetime: week, ..stable("a", Form::Token) }).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid { field: "expires_at", .. }), "{refused}");
}

#[tokio::test]
async fn a_folder_has_a_stable_url_too() {
    let world = world().await;
    world.put("2026/a", b"x").await;
    let folder =
        || IssueRequest { target: Target::Prefix("2026/".to_owned()), must_exist: false, ..stable("unused", Form::Token) };
    assert_eq!(text(&world.issue(folder()).await), text(&world.issue(folder()).await));
}
