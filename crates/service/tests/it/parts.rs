//! Uploads in parts.

use crate::world::*;
use bytes::Bytes;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

const LIFETIME: Duration = Duration::from_secs(120);

async fn write(world: &World, secret: LinkSecret, number: u32, content: &[u8]) -> Result<WrittenPart, ServiceError> {
    let mut part = world.service.write_part(secret, number, None).await?;
    part.write(Bytes::copy_from_slice(content)).await?;
    part.finish().await
}

async fn complete(world: &World, id: &UploadId, bytes: Option<u64>, md5s: &[[u8; 16]]) -> Result<Published, PartsMismatch> {
    let (bucket, key) = (bucket(), key("big"));
    let options = UploadOptions { digests: DigestSet::SHA1, ..UploadOptions::default() };
    world.service.complete_parts(&world.principal("app"), (&bucket, &key), id, bytes, md5s, options).await
}

#[tokio::test]
async fn parts_in_any_order_make_one_object() {
    let world = world().await;
    let app = world.principal("app");
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let ticket = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    let second = write(&world, ticket.secret, 2, b"world").await.unwrap();
    write(&world, ticket.secret, 1, b"nope").await.unwrap();
    let first = write(&world, ticket.secret, 1, b"hello ").await.unwrap();
    assert!(matches!(world.service.object(&app, &bucket(), &key("big")).await, Err(ServiceError::NotFound { .. })));
    for (bytes, md5s) in [(Some(10), vec![]), (None, vec![second.md5, first.md5]), (None, vec![first.md5])] {
        let refused = complete(&world, &id, bytes, &md5s).await.unwrap_err();
        assert!(matches!(refused, PartsMismatch::Parts { received_bytes: 11, .. }), "{refused}");
    }
    let published = complete(&world, &id, Some(11), &[first.md5, second.md5]).await.unwrap();
    assert_eq!((published.object.size_bytes, published.object.sha1.is_some()), (11, true));
    let url = world.issue(request("big", Form::Token, Terms::new(Permission::Read))).await;
    assert_eq!(world.read(&url).await.unwrap(), b"hello world");
    assert!(complete(&world, &id, None, &[]).await.is_err(), "it is over");
    let refused = write(&world, ticket.secret, 3, b"late").await.unwrap_err();
    assert!(matches!(refused.as_refusal(), Refusal::UnknownLink | Refusal::ObjectGone), "{refused}");
}

#[tokio::test]
async fn one_part_is_the_object() {
    let world = world().await;
    let app = world.principal("app");
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let ticket = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    write(&world, ticket.secret, 1, b"").await.unwrap();
    assert_eq!(complete(&world, &id, Some(0), &[]).await.unwrap().object.size_bytes, 0);
    // The part's blob is the object's now, and no housekeeping takes it away.
    world.clock.advance(Duration::from_secs(100_000));
    world.service.housekeeping().await.unwrap();
    let url = world.issue(request("big", Form::Token, Terms::new(Permission::Read))).await;
    assert_eq!(world.read(&url).await.unwrap(), b"");
}

#[tokio::test]
async fn a_part_secret_ends_and_another_goes_on() {
    let world = world().await;
    let app = world.principal("app");
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let first = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    world.clock.advance(LIFETIME);
    assert_eq!(write(&world, first.secret, 1, b"x").await.unwrap_err().as_refusal(), Refusal::Expired);
    let second = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    write(&world, second.secret, 1, b"x").await.unwrap();
    complete(&world, &id, None, &[]).await.unwrap();
}

#[tokio::test]
async fn an_upload_is_its_owners_and_its_objects() {
    let world = world().await;
    let app = world.principal("app");
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let refused = world.service.part_secret(&app, &bucket(), &key("small"), &id, LIFETIME).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotFound { what: "upload" }), "{refused}");
    let stranger = world.principal("stranger");
    let refused = world.service.part_secret(&stranger, &bucket(), &key("big"), &id, LIFETIME).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotOwner), "{refused}");
    world.clock.advance(Duration::from_secs(24 * 3600));
    let refused = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotFound { what: "upload" }), "{refused}");
}

/// How many blobs lie on the disk.
fn n_blobs(world: &World) -> usize {
    let hours = std::fs::read_dir(world.directory.path().join("objects/blobs")).unwrap();
    hours.map(|hour| std::fs::read_dir(hour.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn an_abandoned_upload_is_cleared_away() {
    let world = world().await;
    let app = world.principal("app");
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let ticket = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    for number in 1..=3 {
        write(&world, ticket.secret, number, b"part").await.unwrap();
    }
    assert_eq!(n_blobs(&world), 3);
    let lifetime = world.service.config().upload_lifetime;
    world.clock.advance(lifetime - Duration::from_secs(1));
    world.service.housekeeping().await.unwrap();
    assert!(world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.is_ok(), "it can still go on");
    world.clock.advance(Duration::from_secs(1));
    let ended = complete(&world, &id, None, &[]).await.unwrap_err();
    assert!(matches!(ended, PartsMismatch::Service(ServiceError::NotFound { what: "upload" })), "{ended}");
    assert!(matches!(world.service.object(&app, &bucket(), &key("big")).await, Err(ServiceError::NotFound { .. })));
    // Its rows go a day later, so that whoever comes late is told why; its bytes when nobody can be reading them.
    for wait in [Duration::from_secs(24 * 3600), Duration::from_secs(601)] {
        world.clock.advance(wait);
        world.service.housekeeping().await.unwrap();
    }
    assert_eq!(n_blobs(&world), 0);
}

#[tokio::test]
async fn a_part_secret_is_worth_no_more_than_its_key() {
    let world = world().await;
    let (app, chief) = (world.principal("app"), world.principal("chief"));
    let id = world.service.begin_parts(&app, &bucket(), &key("big")).await.unwrap();
    let ticket = world.service.part_secret(&app, &bucket(), &key("big"), &id, LIFETIME).await.unwrap();
    write(&world, ticket.secret, 1, b"x").await.unwrap();
    let update = |scopes: &str, buckets: &[&str]| ApiKeyUpdate {
        scopes: Some(scopes.parse().unwrap()),
        buckets: Some(buckets.iter().map(|bucket| bucket.parse().unwrap()).collect()),
        ..ApiKeyUpdate::default()
    };
    let mut begun = world.service.write_part(ticket.secret, 2, None).await.unwrap();
    begun.write(Bytes::from_static(b"x")).await.unwrap();
    for (scopes, buckets) in [("object:read", vec![]), ("*", vec!["another"])] {
        world.service.update_api_key(&chief, app.api_key(), update(scopes, &buckets)).await.unwrap();
        let refused = write(&world, ticket.secret, 2, b"x").await.unwrap_err();
        assert_eq!(refused.as_refusal(), Refusal::IssuerDisabled, "{scopes} {buckets:?}");
    }
    assert_eq!(begun.finish().await.unwrap_err().as_refusal(), Refusal::IssuerDisabled, "nor one that was begun before");
    world.service.update_api_key(&chief, app.api_key(), update("object:create", &["reports"])).await.unwrap();
    write(&world, ticket.secret, 2, b"x").await.unwrap();
}
