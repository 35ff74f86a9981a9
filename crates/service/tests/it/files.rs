//! Files: their ids told before their bytes are there, and URLs that name them.

use crate::world::*;
use std::sync::Arc;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::{Presented, PresentedCredential, Sessions};
use valetkey_service::*;

const HOUR: Duration = Duration::from_secs(3600);

fn new_file(needs_confirmation: bool) -> NewFile {
    NewFile { name: "scan ü.png".to_owned(), content_type: Some("image/png".to_owned()), needs_confirmation, keep_for: HOUR }
}

async fn reserved(world: &World, needs_confirmation: bool) -> File {
    world.service.reserve_file(&world.principal("app"), new_file(needs_confirmation)).await.unwrap()
}

/// A URL for uploading the file.
async fn write_url(world: &World, file: &File) -> Issued {
    let mut terms = Terms::new(Permission::Write);
    terms.upload.mode = PutMode::Reserved;
    let request = IssueRequest { bucket: file.bucket.name.clone(), ..request(file.key.as_str(), Form::Token, terms) };
    world.issue(request).await
}

async fn put(world: &World, issued: &Issued, content: &[u8]) -> Result<Published, Refusal> {
    let admission = world.admitted(issued, Method::Put, SOMEBODY).await?;
    let options = UploadOptions { content_type: Some("text/html".to_owned()), ..UploadOptions::default() };
    let upload = world.service.upload_granted(admission, options).await.map_err(|error| error.as_refusal())?;
    filled(upload, content).await.map_err(|error| error.as_refusal())
}

fn by_id(file: &File) -> IssueRequest {
    IssueRequest {
        bucket: file.bucket.name.clone(),
        target: Target::File(file.id),
        must_exist: false,
        ..request("unused", Form::Token, Terms::new(Permission::Read))
    }
}

async fn read_by_id(world: &World, file: &File) -> Vec<u8> {
    world.read(&world.issue(by_id(file)).await).await.unwrap()
}

fn is_not_found<T: std::fmt::Debug>(answer: &Result<T, ServiceError>) -> bool {
    matches!(answer, Err(ServiceError::NotFound { what: "file" }))
}

#[tokio::test]
async fn a_file_is_reserved_uploaded_and_confirmed() {
    let world = world().await;
    let app = world.principal("app");
    let file = reserved(&world, true).await;
    assert_eq!((file.name.as_str(), file.content_type.as_deref()), ("scan ü.png", Some("image/png")));
    assert_eq!(file.bucket.name.as_str(), "files-acme");
    assert_eq!(file.key.as_str(), format!("{}/scan ü.png", file.id));
    assert!(file.object.is_none() && !file.is_confirmed && file.ready().is_none());
    let too_early = world.service.confirm_file(&app, FileRef::Id(file.id), None).await;
    assert!(matches!(too_early, Err(ServiceError::NotUploaded)), "{too_early:?}");

    let url = write_url(&world, &file).await;
    put(&world, &url, b"first").await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    put(&world, &url, b"second").await.unwrap();
    for reference in [FileRef::Id(file.id), FileRef::Number(file.number)] {
        let uploaded = world.service.file(&app, reference).await.unwrap();
        assert_eq!((uploaded.id, uploaded.number, &uploaded.key), (file.id, file.number, &file.key));
        assert_eq!((uploaded.created_at, uploaded.name), (file.created_at, file.name.clone()));
        assert_eq!(uploaded.content_type.as_deref(), Some("image/png"), "what was reserved counts, not who holds the URL");
        assert!(uploaded.object.is_some() && !uploaded.is_confirmed);
    }
    let refused = world.issue_as("app", by_id(&file)).await;
    assert!(matches!(refused, Err(ServiceError::NotUploaded)), "{refused:?}");

    let named =
        |name: &str, content_type: Option<&str>| NewName { name: name.to_owned(), content_type: content_type.map(str::to_owned) };
    let ill_typed = named("final.png", Some("ü"));
    let refused = world.service.confirm_file(&app, FileRef::Id(file.id), Some(ill_typed)).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { field: "content_type", .. })), "{refused:?}");
    let final_name = named("final.gif", Some("image/gif"));
    let confirmed = world.service.confirm_file(&app, FileRef::Number(file.number), Some(final_name.clone())).await.unwrap();
    assert_eq!((confirmed.id, confirmed.name.as_str()), (file.id, "final.gif"));
    assert_eq!(confirmed.content_type.as_deref(), Some("image/gif"));
    assert_eq!(confirmed.ready().unwrap().sha256, confirmed.object.as_ref().unwrap().sha256);
    assert_eq!(put(&world, &url, b"third").await.unwrap_err(), Refusal::Exists);
    for same in [Some(final_name), Some(named("final.gif", Some("image/png"))), None] {
        let again = world.service.confirm_file(&app, FileRef::Id(file.id), same).await.unwrap();
        assert_eq!((again.name.as_str(), again.content_type.as_deref()), ("final.gif", Some("image/gif")));
    }
    let refused = world.service.confirm_file(&app, FileRef::Id(file.id), Some(named("other.gif", None))).await;
    assert!(matches!(refused, Err(ServiceError::Conflict { .. })), "{refused:?}");
    assert_eq!(read_by_id(&world, &file).await, b"second");
    world.clock.advance(48 * HOUR);
    world.service.housekeeping().await.unwrap();
    assert_eq!(read_by_id(&world, &file).await, b"second", "it outlives its reservation");
}

#[tokio::test]
async fn without_confirmation_the_first_upload_is_the_file() {
    let world = world().await;
    let file = reserved(&world, false).await;
    assert!(file.is_confirmed && file.ready().is_none());
    let url = write_url(&world, &file).await;
    let app = world.principal("app");
    let too_early = world.service.confirm_file(&app, FileRef::Id(file.id), None).await;
    assert!(matches!(too_early, Err(ServiceError::NotUploaded)), "{too_early:?}");
    put(&world, &url, b"first").await.unwrap();
    assert_eq!(put(&world, &url, b"second").await.unwrap_err(), Refusal::Exists);
    assert_eq!(read_by_id(&world, &file).await, b"first");
    let confirmed = world.service.confirm_file(&app, FileRef::Id(file.id), None).await.unwrap();
    assert_eq!(confirmed.ready().map(|object| object.file_id), Some(file.id));
}

#[tokio::test]
async fn a_reservation_that_ends_takes_its_bytes_along() {
    let world = world().await;
    let app = world.principal("app");
    let (waiting, uploaded) = (reserved(&world, true).await, reserved(&world, true).await);
    let urls = [write_url(&world, &waiting).await, write_url(&world, &uploaded).await];
    put(&world, &urls[1], b"lost").await.unwrap();
    world.service.object(&app, &uploaded.bucket.name, &uploaded.key).await.unwrap();
    // The URLs live longer than what they are for.
    let longer = IssueRequest { lifetime: Lifetime::For(2 * HOUR), ..by_key(&uploaded, PutMode::Reserved) };
    let late = world.issue(longer).await;
    world.clock.advance(HOUR);
    for file in [&waiting, &uploaded] {
        assert!(is_not_found(&world.service.file(&app, FileRef::Id(file.id)).await));
        assert!(is_not_found(&world.service.confirm_file(&app, FileRef::Number(file.number), None).await));
    }
    assert_eq!(put(&world, &late, b"late").await.unwrap_err(), Refusal::ObjectGone);
    assert!(world.service.object(&app, &uploaded.bucket.name, &uploaded.key).await.is_err());
    world.clock.advance(24 * HOUR);
    world.service.housekeeping().await.unwrap();
    world.clock.advance(HOUR);
    world.service.housekeeping().await.unwrap();
    assert_eq!(n_blobs(&world), 0, "nothing is left of it");
}

fn by_key(file: &File, mode: PutMode) -> IssueRequest {
    let mut terms = Terms::new(Permission::Write);
    terms.upload.mode = mode;
    IssueRequest { bucket: file.bucket.name.clone(), ..request(file.key.as_str(), Form::Token, terms) }
}

fn n_blobs(world: &World) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&world.directory.path().join("objects/blobs"))
}

#[tokio::test]
async fn another_tenants_file_is_not_there() {
    let world = world().await;
    let stranger = world.principal("stranger");
    let (uploaded, waiting) = (reserved(&world, false).await, reserved(&world, true).await);
    put(&world, &write_url(&world, &uploaded).await, b"mine").await.unwrap();
    let in_bucket = world.put("a", b"also mine").await.object;
    let files = [(uploaded.id, uploaded.number), (waiting.id, waiting.number), (in_bucket.file_id, in_bucket.file_number)];
    for (id, number) in files {
        for file in [FileRef::Id(id), FileRef::Number(number)] {
            assert!(is_not_found(&world.service.file(&stranger, file).await));
            assert!(is_not_found(&world.service.confirm_file(&stranger, file, None).await));
            assert!(is_not_found(&world.service.delete_file(&stranger, file).await));
            assert!(world.service.file(&world.principal("app"), file).await.is_ok());
        }
        for bucket in ["files-acme", "files-other", "reports"] {
            let request = IssueRequest { bucket: bucket.parse().unwrap(), target: Target::File(id), ..by_id(&uploaded) };
            let refused = world.issue_as("stranger", request).await;
            assert!(matches!(refused, Err(ServiceError::NotFound { .. } | ServiceError::NotOwner)), "{refused:?}");
        }
    }
    let theirs = world.service.reserve_file(&stranger, new_file(true)).await.unwrap();
    assert_eq!(theirs.bucket.name.as_str(), "files-other");
}

#[tokio::test]
async fn scopes_are_minded() {
    let world = world().await;
    let (reader, creator) = (world.principal("reader"), world.principal("creator"));
    let refused = world.service.reserve_file(&reader, new_file(true)).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectWrite })), "{refused:?}");
    let file = world.service.reserve_file(&creator, new_file(true)).await.unwrap();
    let reference = FileRef::Id(file.id);
    let refused = world.service.file(&creator, reference).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectRead })), "{refused:?}");
    assert!(world.service.file(&reader, reference).await.is_ok());
    // Until it is confirmed, however often it is tried, the upload is one creation.
    let issued = world.issue_as("creator", by_key(&file, PutMode::Reserved)).await.unwrap();
    put(&world, &issued, b"first").await.unwrap();
    put(&world, &issued, b"second").await.unwrap();
    let refused = world.service.confirm_file(&reader, reference, None).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectWrite })), "{refused:?}");
    world.service.confirm_file(&creator, reference, None).await.unwrap();
    for principal in [&reader, &creator] {
        let refused = world.service.delete_file(principal, reference).await;
        assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectWrite })), "{refused:?}");
    }
    let refused = world.issue_as("creator", by_id(&file)).await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectRead })), "{refused:?}");
    assert!(world.issue_as("reader", by_id(&file)).await.is_ok());
}

#[tokio::test]
async fn a_file_of_a_public_bucket_is_anybodys_to_read() {
    let world = world().await;
    let public = NewBucket { public: true, ..NewBucket::new("files-acme".parse().unwrap()) };
    world.service.create_bucket(&world.principal("app"), public).await.unwrap();
    let (uploaded, provisional) = (reserved(&world, false).await, reserved(&world, true).await);
    put(&world, &write_url(&world, &uploaded).await, b"public").await.unwrap();
    put(&world, &write_url(&world, &provisional).await, b"not yet").await.unwrap();
    let stranger = world.principal("stranger");
    assert!(world.service.file(&stranger, FileRef::Id(uploaded.id)).await.is_ok());
    assert!(world.service.file(&world.principal("creator"), FileRef::Id(uploaded.id)).await.is_ok());
    assert!(is_not_found(&world.service.file(&stranger, FileRef::Id(provisional.id)).await));
    assert!(is_not_found(&world.service.delete_file(&stranger, FileRef::Id(uploaded.id)).await));
    let issued = world.issue_as("stranger", by_id(&uploaded)).await.unwrap();
    assert_eq!(world.read(&issued).await.unwrap(), b"public");
}

#[tokio::test]
async fn a_deleted_file_is_gone_and_its_urls_with_it() {
    let world = world().await;
    let app = world.principal("app");
    for needs_confirmation in [false, true] {
        let file = reserved(&world, needs_confirmation).await;
        let write = write_url(&world, &file).await;
        put(&world, &write, b"x").await.unwrap();
        world.service.confirm_file(&app, FileRef::Id(file.id), None).await.unwrap();
        let (read, other) = (world.issue(by_id(&file)).await, world.issue(by_id(&file)).await);
        world.read(&read).await.unwrap();
        let deleted = world.service.delete_file(&app, FileRef::Number(file.number)).await.unwrap();
        assert!(deleted.id == file.id && deleted.object.is_some());
        assert!(is_not_found(&world.service.file(&app, FileRef::Id(file.id)).await));
        assert!(is_not_found(&world.service.delete_file(&app, FileRef::Id(file.id)).await));
        for url in [&read, &other] {
            assert_eq!(world.read(url).await.unwrap_err(), Refusal::ObjectGone);
        }
        assert_eq!(put(&world, &write, b"again").await.unwrap_err(), Refusal::ObjectGone);
        // Somebody else's bytes at the same place are not this file.
        let upload = world.service.upload(&app, &file.bucket.name, &file.key, UploadOptions::default()).await.unwrap();
        filled(upload, b"another").await.unwrap();
        for url in [&read, &other] {
            assert_eq!(world.read(url).await.unwrap_err(), Refusal::ObjectGone);
        }
    }
    let waiting = reserved(&world, true).await;
    let deleted = world.service.delete_file(&app, FileRef::Id(waiting.id)).await.unwrap();
    assert!(deleted.id == waiting.id && deleted.object.is_none());
    let refused = put(&world, &write_url(&world, &waiting).await, b"x").await;
    assert_eq!(refused.unwrap_err(), Refusal::ObjectGone);
}

#[tokio::test]
async fn deleting_the_object_deletes_the_file() {
    let world = world().await;
    let app = world.principal("app");
    let file = reserved(&world, true).await;
    let url = write_url(&world, &file).await;
    put(&world, &url, b"x").await.unwrap();
    world.service.delete_object(&app, &file.bucket.name, &file.key).await.unwrap();
    assert!(is_not_found(&world.service.file(&app, FileRef::Id(file.id)).await));
    assert_eq!(put(&world, &url, b"again").await.unwrap_err(), Refusal::ObjectGone);
}

#[tokio::test]
async fn a_token_dies_with_the_incarnation_it_was_issued_for() {
    let world = world().await;
    let app = world.principal("app");
    for permission in [Permission::Read, Permission::ReadWrite] {
        let first = world.put("a", b"first").await.object;
        let issued = world.issue(request("a", Form::Token, Terms::new(permission))).await;
        assert_eq!(issued.terms.incarnation, Some(first.file_id));
        world.put("a", b"second").await;
        assert_eq!(world.read(&issued).await.unwrap(), b"second", "an overwrite does not end it");
        world.service.delete_object(&app, &bucket(), &key("a")).await.unwrap();
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone);
        world.put("a", b"third").await;
        assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::ObjectGone, "{permission:?}");
        if permission.writes() {
            assert_eq!(put(&world, &issued, b"fourth").await.unwrap_err(), Refusal::ObjectGone);
        }
    }
    let creating = world.issue(request("a", Form::Token, Terms::new(Permission::Write))).await;
    assert_eq!(creating.terms.incarnation, None, "what is to create is bound to nothing");
    let mut below = request("a", Form::Token, Terms::new(Permission::Read));
    (below.target, below.must_exist) = (Target::Prefix("a/".to_owned()), false);
    assert_eq!(world.issue(below).await.terms.incarnation, None);
}

#[tokio::test]
async fn a_file_url_is_for_its_own_path() {
    let world = world().await;
    let (one, other) = (world.put("a", b"one").await.object, world.put("b", b"other").await.object);
    let [of_one, of_other] = [&one, &other].map(|object| IssueRequest {
        target: Target::File(object.file_id),
        ..request("unused", Form::Token, Terms::new(Permission::Read))
    });
    let (of_one, of_other) = (world.issue(of_one).await, world.issue(of_other).await);
    assert_eq!(world.read(&of_one).await.unwrap(), b"one");
    let Credential::Token { token, path } = &of_one.credential else { panic!("expected a token") };
    assert_eq!(*path, format!("/api/v1/rawFiles/{}", raw_file_id(one.file_id)));
    let Credential::Token { path: other_path, .. } = &of_other.credential else { panic!("expected a token") };
    let sessions = Sessions::default();
    let present = async |raw_path: &str, method| {
        let presented = Presented {
            credential: PresentedCredential::Token { token: token.expose(), raw_path },
            method,
            client: address(SOMEBODY.address),
            user_agent: b"",
            sessions: &sessions,
            prefetch: false,
            dialect: Dialect::Native,
        };
        world.service.verify(&presented).await.map(|_| ())
    };
    assert_eq!(present(path, Method::Head).await, Ok(()));
    assert_eq!(present(path, Method::Put).await, Err(Refusal::WrongMethod));
    for path in [other_path, "/o/reports/a", "/api/v1/rawFiles/", &path.replace("rawFiles/", "rawFiles/%2e%2e/rawFiles/")] {
        assert_eq!(present(path, Method::Get).await, Err(Refusal::WrongPath), "{path}");
    }
}

#[tokio::test]
async fn a_file_url_is_for_reading_in_token_form() {
    let world = world().await;
    let object = world.put("a", b"x").await.object;
    let of = |form, permission| IssueRequest {
        target: Target::File(object.file_id),
        ..request("unused", form, Terms::new(permission))
    };
    let wrong = [of(Form::Link, Permission::Read), of(Form::Token, Permission::Write), of(Form::Token, Permission::ReadWrite)];
    for request in wrong {
        let refused = world.issue_as("app", request).await;
        assert!(matches!(refused, Err(ServiceError::Invalid { field: "file", .. })), "{refused:?}");
    }
    world.service.create_bucket(&world.principal("app"), NewBucket::new("elsewhere".parse().unwrap())).await.unwrap();
    let elsewhere = IssueRequest { bucket: "elsewhere".parse().unwrap(), ..of(Form::Token, Permission::Read) };
    let refused = world.issue_as("app", elsewhere).await;
    assert!(matches!(refused, Err(ServiceError::NotFound { what: "file" })), "{refused:?}");
}

#[tokio::test]
async fn a_url_of_a_file_that_is_gone_is_refused_in_the_order_of_the_table() {
    let world = world().await;
    let app = world.principal("app");
    let object = world.put("a", b"x").await.object;
    let of_file =
        IssueRequest { target: Target::File(object.file_id), ..request("unused", Form::Token, Terms::new(Permission::Read)) };
    let (gone, revoked) = (world.issue(of_file.clone()).await, world.issue(of_file).await);
    world.service.revoke(&app, &[revoked.link_id]).await.unwrap();
    let world = world.restarted().await;
    world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    assert_eq!(world.read(&gone).await.unwrap_err(), Refusal::ObjectGone);
    assert_eq!(world.read(&revoked).await.unwrap_err(), Refusal::Revoked);
    world.clock.set(gone.expires_at);
    assert_eq!(world.read(&gone).await.unwrap_err(), Refusal::Expired);
}

#[tokio::test]
async fn a_condition_does_not_go_round_the_reservation() {
    let world = world().await;
    let file = reserved(&world, true).await;
    let url = write_url(&world, &file).await;
    let upload = async |condition| {
        let admission = world.admitted(&url, Method::Put, SOMEBODY).await?;
        let options = UploadOptions { condition, ..UploadOptions::default() };
        let upload = world.service.upload_granted(admission, options).await.map_err(|error| error.as_refusal())?;
        filled(upload, b"x").await.map_err(|error| error.as_refusal())
    };
    let first = upload(Condition::Absent).await.unwrap().object;
    assert_eq!(first.file_id, file.id);
    assert_eq!(upload(Condition::Absent).await.unwrap_err(), Refusal::Exists);
    upload(Condition::Replaces(first.blob)).await.unwrap();
    assert_eq!(upload(Condition::Replaces(first.blob)).await.unwrap_err(), Refusal::Exists);
    world.service.delete_file(&world.principal("app"), FileRef::Id(file.id)).await.unwrap();
    for condition in [Condition::None, Condition::Absent] {
        assert_eq!(upload(condition).await.unwrap_err(), Refusal::ObjectGone, "{condition:?}");
    }
}

#[tokio::test]
async fn names_are_kept_whole_and_checked() {
    let world = world().await;
    let app = world.principal("app");
    let reserve = async |name: &str, content_type: Option<&str>| {
        let content_type = content_type.map(str::to_owned);
        world.service.reserve_file(&app, NewFile { name: name.to_owned(), content_type, ..new_file(true) }).await
    };
    let hard = "../\u{202e}a\nb/\u{0}😀.pdf";
    let file = reserve(hard, None).await.unwrap();
    assert_eq!(file.name, hard);
    assert!(file.key.is_plain_path(), "{:?}", file.key);
    put(&world, &write_url(&world, &file).await, b"x").await.unwrap();
    assert_eq!(world.service.confirm_file(&app, FileRef::Id(file.id), None).await.unwrap().name, hard);
    assert!(reserve(&"x".repeat(1024), None).await.is_ok());
    let invalid = [("", None), (&*"x".repeat(1025), None), ("a", Some("")), ("a", Some("text/plain\r\nX: y")), ("a", Some("ü"))];
    for (name, content_type) in invalid {
        let refused = reserve(name, content_type).await;
        assert!(matches!(refused, Err(ServiceError::Invalid { .. })), "{name:?} {content_type:?}: {refused:?}");
    }
    let unnamed = NewName { name: String::new(), content_type: None };
    let refused = world.service.confirm_file(&app, FileRef::Id(file.id), Some(unnamed)).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { field: "name", .. })), "{refused:?}");
    let unnamed = world.put("folder/q3.pdf", b"x").await.object;
    let found = world.service.file(&app, FileRef::Number(unnamed.file_number)).await.unwrap();
    assert_eq!((found.name.as_str(), found.is_confirmed), ("q3.pdf", true));
}

#[tokio::test]
async fn a_bucket_of_files_is_its_tenants_own() {
    let world = world().await;
    let (app, stranger) = (world.principal("app"), world.principal("stranger"));
    for name in ["files-acme", "files-somebody", "files-0123456789abcdef"] {
        let refused = world.service.create_bucket(&stranger, NewBucket::new(name.parse().unwrap())).await.unwrap_err();
        assert!(matches!(&refused, ServiceError::Invalid { field: "name", .. }), "{refused}");
        assert!(refused.to_string().contains("`files-other`"), "{refused}");
    }
    let given = GivenBucket { tenant: "other".parse().unwrap(), bucket: NewBucket::new("files-acme".parse().unwrap()) };
    let refused = world.service.provision(Provisioning { buckets: vec![given], ..Provisioning::default() }).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { field: "name", .. })), "{refused:?}");
    let own = NewBucket { region: "EMEA".parse().unwrap(), ..NewBucket::new("files-acme".parse().unwrap()) };
    world.service.create_bucket(&app, own).await.unwrap();
    assert_eq!(reserved(&world, true).await.bucket.region.as_str(), "EMEA", "the one that is there is taken");
    let name = |tenant: &str| world.service.files_bucket_name(&tenant.parse().unwrap()).to_string();
    assert_eq!(name("acme"), "files-acme");
    // The beginning of SHA-256 of `Acme`.
    assert_eq!(name("Acme"), "files-37036cd8f9746d33");
}

#[tokio::test]
async fn of_many_uploads_of_a_file_one_incarnation_is_made() {
    let world = Arc::new(world().await);
    for (needs_confirmation, n_expected) in [(false, 1), (true, 8)] {
        let file = reserved(&world, needs_confirmation).await;
        let url = Arc::new(write_url(&world, &file).await);
        // All of them are past the early checks before the first is published.
        let mut uploads = Vec::new();
        for _ in 0..8 {
            let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
            uploads.push(world.service.upload_granted(admission, UploadOptions::default()).await.unwrap());
        }
        let mut racers = tokio::task::JoinSet::new();
        for (number, upload) in uploads.into_iter().enumerate() {
            racers.spawn(async move { filled(upload, &[u8::try_from(number).unwrap()]).await });
        }
        let answers = racers.join_all().await;
        let winners: Vec<_> = answers.iter().flatten().map(|published| &published.object).collect();
        assert_eq!(winners.len(), n_expected);
        assert!(winners.iter().all(|object| (object.file_id, object.file_number) == (file.id, file.number)));
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(refused.map(ServiceError::as_refusal).all(|refusal| refusal == Refusal::Exists));
    }
}

#[tokio::test]
async fn a_confirmation_races_an_upload() {
    let world = Arc::new(world().await);
    let app = world.principal("app");
    for _ in 0..10 {
        let file = reserved(&world, true).await;
        let url = write_url(&world, &file).await;
        put(&world, &url, b"old").await.unwrap();
        let admission = world.admitted(&url, Method::Put, SOMEBODY).await.unwrap();
        let upload = world.service.upload_granted(admission, UploadOptions::default()).await.unwrap();
        let racer = tokio::spawn(filled(upload, b"new"));
        let confirmed = world.service.confirm_file(&app, FileRef::Id(file.id), None).await.unwrap();
        let expected: &[u8] = match racer.await.unwrap() {
            Ok(published) => {
                assert_eq!(confirmed.ready().unwrap().blob, published.object.blob);
                b"new"
            }
            Err(error) => {
                assert_eq!(error.as_refusal(), Refusal::Exists);
                b"old"
            }
        };
        assert_eq!(read_by_id(&world, &file).await, expected);
    }
}
