//! Copies of objects within a bucket.

use crate::world::*;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

async fn copy(world: &World, principal: &str, from: &str, to: &str, condition: Condition) -> Result<Published, ServiceError> {
    world.service.copy_object(&world.principal(principal), &bucket(), &key(from), &key(to), condition).await
}

async fn read(world: &World, name: &str) -> Vec<u8> {
    let url = world.issue(request(name, Form::Token, Terms::new(Permission::Read))).await;
    world.read(&url).await.unwrap()
}

/// Puts `content` at `name`, as a text that is saved as `a.txt`.
async fn put(world: &World, name: &str, content: &'static [u8]) -> ObjectRow {
    let options = UploadOptions {
        content_type: Some("text/plain".to_owned()),
        file_name: Some("a.txt".to_owned()),
        digests: DigestSet::SHA1 | DigestSet::MD5,
        ..UploadOptions::default()
    };
    let mut upload = world.service.upload(&world.principal("app"), &bucket(), &key(name), options).await.unwrap();
    upload.write(bytes::Bytes::from_static(content)).await.unwrap();
    upload.finish().await.unwrap().object
}

#[tokio::test]
async fn a_copy_is_an_object_of_its_own() {
    let world = world().await;
    let original = put(&world, "a", b"content").await;
    world.clock.advance(Duration::from_secs(10));
    let copied = copy(&world, "app", "a", "b", Condition::None).await.unwrap();
    assert!(!copied.replaced);
    let expected = ObjectRow {
        key: key("b"),
        file_id: copied.object.file_id,
        file_number: copied.object.file_number,
        blob: copied.object.blob,
        created_at: world.clock.now(),
        modified_at: world.clock.now(),
        ..original.clone()
    };
    assert_eq!(copied.object, expected);
    assert!(copied.object.file_id != original.file_id && copied.object.blob != original.blob);
    // Each lives without the other.
    world.service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    world.clock.advance(Duration::from_secs(100_000));
    world.service.housekeeping().await.unwrap();
    assert_eq!(read(&world, "b").await, b"content");
}

#[tokio::test]
async fn a_copy_replaces_and_keeps_urls_alive() {
    let world = world().await;
    put(&world, "a", b"new").await;
    let replaced = put(&world, "b", b"old").await;
    let url = world.issue(request("b", Form::Link, Terms::new(Permission::Read))).await;
    let copied = copy(&world, "app", "a", "b", Condition::Replaces(replaced.blob)).await.unwrap();
    assert_eq!((copied.replaced, copied.object.file_id), (true, replaced.file_id));
    assert_eq!(world.read(&url).await.unwrap(), b"new");
    // Onto itself: the same bytes, stored anew.
    let again = copy(&world, "app", "b", "b", Condition::None).await.unwrap();
    assert!(again.replaced && again.object.blob != copied.object.blob);
    world.clock.advance(Duration::from_secs(1000));
    world.service.housekeeping().await.unwrap();
    assert_eq!(read(&world, "b").await, b"new");
}

#[tokio::test]
async fn what_is_refused() {
    let world = world().await;
    let a = put(&world, "a", b"content").await;
    put(&world, "b", b"other").await;
    let told = |result: Result<Published, ServiceError>| result.unwrap_err().to_string();
    let missing = ServiceError::MissingScope { scope: Scope::ObjectRead }.to_string();
    for (principal, from, to, condition, expected) in [
        ("app", "nothing", "c", Condition::None, ServiceError::NotFound { what: "object" }.to_string()),
        ("app", "a", "b", Condition::Absent, Refusal::Exists.to_string()),
        ("app", "a", "b", Condition::Replaces(a.blob), Refusal::Exists.to_string()),
        ("app", "a", "c", Condition::Replaces(a.blob), Refusal::Exists.to_string()),
        ("reader", "a", "c", Condition::None, ServiceError::MissingScope { scope: Scope::ObjectWrite }.to_string()),
        ("creator", "a", "c", Condition::None, missing),
        ("stranger", "a", "c", Condition::None, ServiceError::NotOwner.to_string()),
    ] {
        assert_eq!(told(copy(&world, principal, from, to, condition).await), expected, "{principal}: {from} to {to}");
    }
    assert_eq!(read(&world, "b").await, b"other");
    let objects = world.service.objects(&world.principal("app"), &bucket(), "", None, 10).await.unwrap().objects;
    assert_eq!(objects.len(), 2);
}

#[tokio::test]
async fn retention_begins_anew() {
    let world = world().await;
    let app = world.principal("app");
    let short: BucketName = "short".parse().unwrap();
    let new = NewBucket { retention: Retention::Transient, ..NewBucket::new(short.clone()) };
    world.service.create_bucket(&app, new).await.unwrap();
    let upload = world.service.upload(&app, &short, &key("a"), UploadOptions::default()).await.unwrap();
    upload.finish().await.unwrap();
    world.clock.advance(Duration::from_secs(20 * 3600));
    world.service.copy_object(&app, &short, &key("a"), &key("b"), Condition::None).await.unwrap();
    world.clock.advance(Duration::from_secs(5 * 3600));
    assert!(matches!(world.service.object(&app, &short, &key("a")).await, Err(ServiceError::NotFound { .. })));
    assert!(world.service.object(&app, &short, &key("b")).await.is_ok());
    let ended = world.service.copy_object(&app, &short, &key("a"), &key("c"), Condition::None).await;
    assert!(matches!(ended, Err(ServiceError::NotFound { what: "object" })));
}

#[tokio::test]
async fn what_is_damaged_is_not_copied() {
    let world = world().await;
    put(&world, "a", b"content").await;
    let hours = std::fs::read_dir(world.directory.path().join("objects/blobs")).unwrap();
    let blobs = hours.flat_map(|hour| std::fs::read_dir(hour.unwrap().path()).unwrap());
    for blob in blobs.map(|blob| blob.unwrap().path()) {
        #[allow(clippy::disallowed_methods, reason = "the disk is damaged")]
        std::fs::remove_file(&blob).and_then(|()| std::fs::write(&blob, b"CONTENT")).unwrap();
    }
    let copied = copy(&world, "app", "a", "b", Condition::None).await;
    assert!(matches!(copied, Err(ServiceError::Unavailable { .. })), "{copied:?}");
    let found = world.service.object(&world.principal("app"), &bucket(), &key("b")).await;
    assert!(matches!(found, Err(ServiceError::NotFound { .. })));
}
