//! Pages of a tenant's files; and files that end while their bytes stay.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

const HOUR: Duration = Duration::from_secs(3600);
/// Everything, the newest first, on one page.
const ALL: FilesQuery = FilesQuery { with_pending: true, oldest_first: false, after: None, skip: 0, limit: 100 };
/// The same, but for what is pending.
const READY: FilesQuery = FilesQuery { with_pending: false, ..ALL };

async fn reserved(world: &World, by: &str, name: &str, needs_confirmation: bool) -> File {
    world.clock.advance(Duration::from_secs(1));
    let new = NewFile { name: name.to_owned(), content_type: None, needs_confirmation, keep_for: HOUR };
    world.service.reserve_file(&world.principal(by), new).await.unwrap()
}

/// Bytes for a reserved file, by its tenant's own hand.
async fn fill(world: &World, by: &str, file: &File) {
    let principal = world.principal(by);
    let upload = world.service.upload(&principal, &file.bucket.name, &file.key, UploadOptions::default()).await.unwrap();
    filled(upload, b"content").await.unwrap();
}

async fn names(world: &World, by: &str, query: FilesQuery) -> Vec<String> {
    let page = world.service.files(&world.principal(by), query).await.unwrap();
    page.files.into_iter().map(|file| file.name).collect()
}

#[tokio::test]
async fn the_newest_come_first_and_pending_ones_where_asked_for() {
    let world = world().await;
    let app = world.principal("app");
    assert_eq!(names(&world, "app", ALL).await, [""; 0], "before the bucket is there");
    assert_eq!(world.service.n_files(&app, true).await.unwrap(), 0);
    let waiting = reserved(&world, "app", "waiting", false).await;
    let provisional = reserved(&world, "app", "provisional", true).await;
    let (uploaded, confirmed) =
        (reserved(&world, "app", "uploaded", false).await, reserved(&world, "app", "confirmed", true).await);
    for file in [&provisional, &uploaded, &confirmed] {
        fill(&world, "app", file).await;
    }
    world.service.confirm_file(&app, FileRef::Id(confirmed.id), None).await.unwrap();
    // What other protocols put there is a file, too; what they put elsewhere is not among them.
    world.clock.advance(Duration::from_secs(1));
    let key = "by hand".parse().unwrap();
    let upload = world.service.upload(&app, &uploaded.bucket.name, &key, UploadOptions::default()).await.unwrap();
    filled(upload, b"x").await.unwrap();
    world.put("elsewhere", b"x").await;

    let all = ["by hand", "confirmed", "uploaded", "provisional", "waiting"];
    assert_eq!(names(&world, "app", ALL).await, all);
    assert_eq!(names(&world, "app", READY).await, all[..3]);
    assert_eq!(names(&world, "app", FilesQuery { oldest_first: true, ..READY }).await, ["uploaded", "confirmed", "by hand"]);
    let n_files = [world.service.n_files(&app, true).await.unwrap(), world.service.n_files(&app, false).await.unwrap()];
    assert_eq!(n_files, [5, 3]);
    // Each as it is by itself.
    for file in world.service.files(&app, ALL).await.unwrap().files {
        let alone = world.service.file(&app, FileRef::Id(file.id)).await.unwrap();
        assert_eq!(format!("{alone:?}"), format!("{file:?}"));
    }
    // Page by page, over a file that goes meanwhile.
    let first = world.service.files(&app, FilesQuery { limit: 2, ..ALL }).await.unwrap();
    let cursor = first.files[1].cursor();
    assert_eq!(first.next, Some(cursor));
    world.service.delete_file(&app, FileRef::Id(confirmed.id)).await.unwrap();
    assert_eq!(names(&world, "app", FilesQuery { after: Some(cursor), ..ALL }).await, all[2..]);
    assert_eq!(names(&world, "app", FilesQuery { skip: 1, limit: 2, ..ALL }).await, all[2..4]);
    world.clock.advance(HOUR);
    assert_eq!(names(&world, "app", ALL).await, ["by hand", "uploaded"], "reservations end");
    assert_eq!(names(&world, "app", waiting_for(&waiting)).await, [""; 0]);
}

/// After the oldest.
fn waiting_for(file: &File) -> FilesQuery {
    FilesQuery { after: Some(file.cursor()), ..ALL }
}

#[tokio::test]
async fn another_tenants_files_are_not_listed() {
    let world = world().await;
    let (own, theirs) = (reserved(&world, "app", "ours", false).await, reserved(&world, "stranger", "theirs", false).await);
    fill(&world, "app", &own).await;
    fill(&world, "stranger", &theirs).await;
    let stranger = world.principal("stranger");
    for query in [ALL, READY, waiting_for(&theirs), FilesQuery { oldest_first: true, after: Some(own.cursor()), ..ALL }] {
        let seen = names(&world, "stranger", query).await;
        assert!(seen.iter().all(|name| name == "theirs"), "{seen:?}");
        assert!(names(&world, "app", query).await.iter().all(|name| name == "ours"));
    }
    assert_eq!(world.service.n_files(&stranger, true).await.unwrap(), 1);
    let refused = world.service.detach_file(&stranger, FileRef::Id(own.id)).await;
    assert!(matches!(refused, Err(ServiceError::NotFound { what: "file" })), "{refused:?}");
    // A public bucket of files is read file by file; it is listed to its tenant alone.
    let public = world.service.set_bucket_public(&world.principal("chief"), &own.bucket.name, true).await;
    public.unwrap();
    assert_eq!(names(&world, "stranger", ALL).await, ["theirs"]);
    assert_eq!(names(&world, "creator", ALL).await, ["ours"], "without the scope, too");
}

#[tokio::test]
async fn listing_and_detaching_take_their_scopes() {
    let world = world().await;
    // Before there is a bucket as after.
    for _ in 0..2 {
        let creator = world.principal("creator");
        for refused in [world.service.files(&creator, ALL).await.map(drop), world.service.n_files(&creator, true).await.map(drop)]
        {
            assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectRead })), "{refused:?}");
        }
        assert!(world.service.files(&world.principal("reader"), ALL).await.is_ok());
        let file = reserved(&world, "app", "a", false).await;
        for by in ["reader", "creator"] {
            let refused = world.service.detach_file(&world.principal(by), FileRef::Id(file.id)).await;
            assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::ObjectWrite })), "{refused:?}");
        }
    }
    let limited = NewApiKey {
        id: Some("limited".parse().unwrap()),
        scopes: "*".parse().unwrap(),
        buckets: vec![bucket()],
        expires_at: None,
        bearer: None,
    };
    let client = [192, 0, 2, 1].into();
    let limited = world.service.create_api_key(&world.principal("chief"), limited, client).await.unwrap();
    let limited = world.service.authenticate(&limited.secret, client).unwrap();
    for refused in [world.service.files(&limited, ALL).await.map(drop), world.service.n_files(&limited, true).await.map(drop)] {
        assert!(matches!(refused, Err(ServiceError::OutsideBuckets)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_detached_file_is_gone_and_its_bytes_are_not() {
    let world = world().await;
    let app = world.principal("app");
    let file = reserved(&world, "app", "contract.pdf", false).await;
    fill(&world, "app", &file).await;
    let (bucket, key) = (file.bucket.name.clone(), file.key.clone());
    let by_key = IssueRequest { bucket: bucket.clone(), ..request(key.as_str(), Form::Token, Terms::new(Permission::Read)) };
    let before = world.issue(by_key.clone()).await;
    assert_eq!(world.read(&before).await.unwrap(), b"content");

    let detached = world.service.detach_file(&app, FileRef::Number(file.number)).await.unwrap();
    assert_eq!((detached.id, detached.name.as_str()), (file.id, "contract.pdf"));
    for reference in [FileRef::Id(file.id), FileRef::Number(file.number)] {
        for gone in [world.service.file(&app, reference).await, world.service.detach_file(&app, reference).await] {
            assert!(matches!(gone, Err(ServiceError::NotFound { what: "file" })), "{gone:?}");
        }
    }
    assert_eq!(names(&world, "app", ALL).await, [""; 0]);
    assert_eq!(world.read(&before).await.unwrap_err(), Refusal::ObjectGone, "URLs die with the file");
    // Now and after a long time, with a cache and without.
    world.clock.advance(100 * 24 * HOUR);
    world.service.housekeeping().await.unwrap();
    let object = world.service.object(&app, &bucket, &key).await.unwrap();
    assert_ne!((object.file_id, object.file_number), (file.id, file.number));
    assert_eq!(world.read(&world.issue(by_key).await).await.unwrap(), b"content");

    let waiting = reserved(&world, "app", "waiting", false).await;
    assert!(world.service.detach_file(&app, FileRef::Id(waiting.id)).await.unwrap().object.is_none());
    assert!(world.service.file(&app, FileRef::Id(waiting.id)).await.is_err());
}
