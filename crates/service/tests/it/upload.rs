//! Uploads, by principals and under write URLs.

use crate::world::*;
use valetkey_model::*;
use valetkey_service::*;

fn write_terms(change: impl FnOnce(&mut UploadRules)) -> Terms {
    let mut terms = Terms::new(Permission::Write);
    change(&mut terms.upload);
    terms
}

async fn upload(world: &World, issued: &Issued, content: &[u8], options: UploadOptions) -> Result<Published, Refusal> {
    let admission = world.admitted(issued, Method::Put, SOMEBODY).await?;
    let upload = world.service.upload_granted(admission, options).await.map_err(|error| error.as_refusal())?;
    filled(upload, content).await.map_err(|error| error.as_refusal())
}

async fn content_of(world: &World, name: &str) -> Vec<u8> {
    world.read(&world.issue(request(name, Form::Token, Terms::new(Permission::Read))).await).await.unwrap()
}

#[tokio::test]
async fn a_write_url_creates_once() {
    let world = world().await;
    for (form, name) in [(Form::Token, "a"), (Form::Link, "b")] {
        let issued = world.issue(request(name, form, once(write_terms(|_| ())))).await;
        assert_eq!(world.get(&issued, SOMEBODY, 0..1).await.unwrap_err(), Refusal::WrongMethod);
        upload(&world, &issued, b"one", UploadOptions::default()).await.unwrap();
        assert_eq!(content_of(&world, name).await, b"one");
        world.service.delete_object(&world.principal("app"), &bucket(), &key(name)).await.unwrap();
        let again = upload(&world, &issued, b"two", UploadOptions::default()).await;
        assert_eq!(again.unwrap_err(), Refusal::UsedUp, "{form:?}");
    }
}

#[tokio::test]
async fn no_session_secret_prolongs_a_write_url() {
    let world = world().await;
    let made_up = Holder { session: Some("AAAAAAAAAAAAAAAAAAAAAA"), ..SOMEBODY };
    for form in [Form::Token, Form::Link] {
        let issued = world.issue(request("a", form, once(write_terms(|_| ())))).await;
        world.clock.set(issued.expires_at);
        for holder in [SOMEBODY, made_up] {
            let refused = world.admitted(&issued, Method::Put, holder).await.unwrap_err();
            assert_eq!(refused, Refusal::Expired, "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_or_broken_upload_spends_nothing_and_leaves_nothing() {
    let world = world().await;
    let rules = |rules: &mut UploadRules| {
        (rules.min_bytes, rules.max_bytes) = (3, Some(5));
        rules.types = vec![MediaTypeRule::parse("text/*").unwrap()];
    };
    let issued = world.issue(request("a", Form::Token, once(write_terms(rules)))).await;
    let options = |content_type: &str, declared_bytes| UploadOptions {
        content_type: Some(content_type.into()),
        declared_bytes,
        ..UploadOptions::default()
    };
    let check = async |content: &[u8], options: UploadOptions, expected: Refusal| {
        assert_eq!(upload(&world, &issued, content, options).await.unwrap_err(), expected);
    };
    check(b"123456", options("text/plain", Some(6)), Refusal::TooLarge).await;
    check(b"123456", options("text/plain", None), Refusal::TooLarge).await;
    check(b"12", options("text/plain", Some(2)), Refusal::TooSmall).await;
    check(b"12", options("text/plain", None), Refusal::TooSmall).await;
    check(b"1234", options("image/png", None), Refusal::TypeNotAllowed).await;
    let wrong = UploadOptions { expected: vec![DigestRule::Sha256([0; 32])], ..options("text/plain", None) };
    check(b"1234", wrong, Refusal::DigestMismatch).await;
    let admission = world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap();
    drop(world.service.upload_granted(admission, options("text/plain", None)).await.unwrap());
    assert!(matches!(
        world.service.object(&world.principal("app"), &bucket(), &key("a")).await,
        Err(ServiceError::NotFound { .. })
    ));
    upload(&world, &issued, b"12345", options("text/plain", Some(5))).await.unwrap();
}

#[tokio::test]
async fn of_many_uploads_that_create_one_wins() {
    let world = world().await;
    let issued = world.issue(request("a", Form::Link, once(write_terms(|_| ())))).await;
    let mut begun = Vec::new();
    for _ in 0..8 {
        let admission = world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap();
        begun.push(world.service.upload_granted(admission, UploadOptions::default()).await.unwrap());
    }
    let mut n_won = 0;
    for upload in begun {
        match filled(upload, b"content").await {
            Ok(_) => n_won += 1,
            Err(error) => assert!(matches!(error.as_refusal(), Refusal::UsedUp | Refusal::Exists), "{error}"),
        }
    }
    assert_eq!(n_won, 1);
}

#[tokio::test]
async fn publication_looks_again() {
    let world = world().await;
    let issued = world.issue(request("a", Form::Link, once(write_terms(|_| ())))).await;
    let admission = world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap();
    let late = world.service.upload_granted(admission, UploadOptions::default()).await.unwrap();
    world.service.revoke(&world.principal("app"), &[issued.link_id]).await.unwrap();
    assert_eq!(filled(late, b"content").await.unwrap_err().as_refusal(), Refusal::Revoked);
}

#[tokio::test]
async fn a_conditional_write_replaces_only_what_it_expects() {
    let world = world().await;
    let first = world.put("a", b"one").await.object;
    let options = |condition| UploadOptions { condition, ..UploadOptions::default() };
    let put = async |condition, content: &[u8]| {
        let upload = world.service.upload(&world.principal("app"), &bucket(), &key("a"), options(condition)).await?;
        filled(upload, content).await
    };
    let refused = put(Condition::Absent, b"two").await.unwrap_err();
    assert_eq!(refused.as_refusal(), Refusal::Exists);
    let second = put(Condition::Replaces(first.blob), b"two").await.unwrap();
    assert!(second.replaced && second.object.file_id == first.file_id && second.object.created_at == first.created_at);
    assert_eq!(put(Condition::Replaces(first.blob), b"three").await.unwrap_err().as_refusal(), Refusal::Exists);
    assert_eq!(content_of(&world, "a").await, b"two");
}

#[tokio::test]
async fn who_may_only_create_never_replaces() {
    let world = world().await;
    world.put("a", b"one").await;
    let creator = world.principal("creator");
    let refused = world.service.upload(&creator, &bucket(), &key("a"), UploadOptions::default()).await.err().unwrap();
    assert_eq!(refused.as_refusal(), Refusal::Exists);
    let upload = world.service.upload(&creator, &bucket(), &key("b"), UploadOptions::default()).await.unwrap();
    filled(upload, b"x").await.unwrap();
}

#[tokio::test]
async fn a_write_link_dies_with_its_object_and_survives_an_overwrite() {
    let world = world().await;
    world.put("a", b"one").await;
    let mut asked = request("a", Form::Link, write_terms(|rules| rules.mode = PutMode::Replace));
    asked.must_exist = true;
    let issued = world.issue(asked).await;
    upload(&world, &issued, b"two", UploadOptions::default()).await.unwrap();
    upload(&world, &issued, b"three", UploadOptions::default()).await.unwrap();
    world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    assert_eq!(upload(&world, &issued, b"four", UploadOptions::default()).await.unwrap_err(), Refusal::ObjectGone);
    world.put("a", b"five").await;
    assert_eq!(upload(&world, &issued, b"six", UploadOptions::default()).await.unwrap_err(), Refusal::ObjectGone);
}

#[tokio::test]
async fn digests_are_made_at_first_need() {
    let world = world().await;
    world.put("a", b"abc").await;
    let object = world.service.object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    assert_eq!((object.sha1, object.md5), (None, None));
    let object = world.service.with_digests(object).await.unwrap();
    let sha1 = object.sha1.unwrap();
    assert_eq!(sha1[..4], [0xa9, 0x99, 0x3e, 0x36]);
    let kept = world.service.object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    assert_eq!(kept.sha1, Some(sha1), "stored once");
}
