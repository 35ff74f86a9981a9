//! Clients that hang up: whatever await their request ends at, what is durable and what is in memory stay one.

use crate::world::*;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use valetkey_model::*;
use valetkey_service::*;

/// More awaits than any use case has.
const MANY: usize = 1000;

/// Drops the work when it waits for the `n_awaits`-th time; `None` if it did.
async fn hung_up<T>(n_awaits: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), n_awaits);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// What was queued before has been written, and whoever waited for it was told.
async fn all_written(world: &World) {
    world.put("last in the queue", b"").await;
    world.service.uses_settled().await;
}

/// The object's digest as the database has it, and as those are told who ask for the object.
async fn seen(world: &World, name: &str) -> [Option<[u8; 32]>; 2] {
    let app = world.principal("app");
    let listed = world.service.objects(&app, &bucket(), name, None, 1).await.unwrap().objects;
    let found = world.service.object(&app, &bucket(), &key(name)).await;
    [listed.first().map(|object| object.sha256), found.ok().map(|object| object.sha256)]
}

#[tokio::test]
async fn a_publication_is_seen_though_its_client_is_gone() {
    let world = world().await;
    for n_awaits in 1..MANY {
        world.put("a", b"old").await;
        let [_, old] = seen(&world, "a").await;
        let upload = world.service.upload(&world.principal("app"), &bucket(), &key("a"), UploadOptions::default()).await;
        let done = Box::pin(hung_up(n_awaits, filled(upload.unwrap(), b"new"))).await;
        all_written(&world).await;
        let [durable, told] = seen(&world, "a").await;
        assert_eq!(durable, told, "hung up at await {n_awaits}");
        if done.is_some() {
            assert_ne!(told, old);
            return;
        }
    }
    panic!("an upload never ends");
}

#[tokio::test]
async fn a_deletion_is_seen_though_its_client_is_gone() {
    let world = world().await;
    for n_awaits in 1..MANY {
        world.put("a", b"old").await;
        seen(&world, "a").await;
        let done = hung_up(n_awaits, world.service.delete_object(&world.principal("app"), &bucket(), &key("a"))).await;
        all_written(&world).await;
        let [durable, told] = seen(&world, "a").await;
        assert_eq!(durable, told, "hung up at await {n_awaits}");
        if done.is_some() {
            assert_eq!(told, None);
            return;
        }
    }
    panic!("a deletion never ends");
}

#[tokio::test]
async fn a_revocation_holds_though_its_client_is_gone() {
    let mut world = world().await;
    world.put("a", b"content").await;
    for n_awaits in 1..MANY {
        let issued = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
        let done = hung_up(n_awaits, world.service.revoke(&world.principal("app"), &[issued.link_id])).await;
        all_written(&world).await;
        let told = world.admitted(&issued, Method::Get, SOMEBODY).await.err();
        world = world.restarted().await;
        let durable = world.admitted(&issued, Method::Get, SOMEBODY).await.err();
        assert_eq!(durable, told, "hung up at await {n_awaits}");
        if done.is_some() {
            assert_eq!(told, Some(Refusal::Revoked));
            return;
        }
    }
    panic!("a revocation never ends");
}

#[tokio::test]
async fn a_use_is_free_again_though_its_client_is_gone() {
    let world = world().await;
    world.put("a", b"content").await;
    for n_awaits in 1..MANY {
        let issued = world.issue(request("a", Form::Token, once(Terms::new(Permission::Read)))).await;
        let done = hung_up(n_awaits, world.get(&issued, SOMEBODY, 0..7)).await;
        let ended = done.is_some();
        drop(done);
        all_written(&world).await;
        let other = world.get(&issued, ANOTHER, 0..7).await;
        assert!(other.is_ok(), "hung up at await {n_awaits}: {:?}", other.err());
        if ended {
            return;
        }
    }
    panic!("a download never begins");
}

#[tokio::test]
async fn a_file_is_as_it_is_told_though_its_client_is_gone() {
    let world = world().await;
    let app = world.principal("app");
    let mut n_ended = 0;
    for n_awaits in 1..MANY {
        let new = NewFile {
            name: "scan".to_owned(),
            content_type: None,
            needs_confirmation: true,
            keep_for: std::time::Duration::from_secs(3600),
        };
        let file = world.service.reserve_file(&app, new).await.unwrap();
        let upload = world.service.upload(&app, &file.bucket.name, &file.key, UploadOptions::default()).await.unwrap();
        filled(upload, b"x").await.unwrap();
        world.service.object(&app, &file.bucket.name, &file.key).await.unwrap();
        let confirmed = hung_up(n_awaits, world.service.confirm_file(&app, FileRef::Id(file.id), None)).await;
        all_written(&world).await;
        let durable = world.service.file(&app, FileRef::Id(file.id)).await.unwrap().object.unwrap();
        let told = world.service.object(&app, &file.bucket.name, &file.key).await.unwrap();
        assert_eq!(durable.expires_at, told.expires_at, "hung up at await {n_awaits}");
        let deleted = hung_up(n_awaits, world.service.delete_file(&app, FileRef::Id(file.id))).await;
        all_written(&world).await;
        let durable = world.service.file(&app, FileRef::Id(file.id)).await.is_ok();
        let told = world.service.object(&app, &file.bucket.name, &file.key).await.is_ok();
        assert_eq!(durable, told, "hung up at await {n_awaits}");
        n_ended += usize::from(confirmed.is_some() && deleted.is_some());
        if n_ended == 1 {
            return;
        }
    }
    panic!("a confirmation never ends");
}
