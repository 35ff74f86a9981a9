//! Collections: which files are listed together, for whom, and how.

use crate::world::*;
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn collection(name: &str) -> Collection {
    Collection::new(name, name.parse().ok())
}

impl World {
    /// A file of a collection, uploaded and confirmed.
    async fn collected(&self, name: &str, file_name: &str, content: &[u8]) -> File {
        let file = self.provisional(name, file_name, content).await;
        self.service.confirm_file(&self.principal("app"), FileRef::Id(file.id), None).await.unwrap()
    }

    /// The same before it is confirmed.
    async fn provisional(&self, name: &str, file_name: &str, content: &[u8]) -> File {
        let app = self.principal("app");
        let new = NewFile { name: file_name.to_owned(), content_type: None, needs_confirmation: true, keep_for: DAY };
        let file = self.service.reserve_file_in(&app, new, &collection(name)).await.unwrap();
        let upload = self.service.upload(&app, &file.bucket.name, &file.key, UploadOptions::default()).await.unwrap();
        filled(upload, content).await.unwrap();
        file
    }

    async fn files(&self, who: Option<&str>, name: &str) -> Result<CollectionFiles, ServiceError> {
        let principal = who.map(|id| self.principal(id));
        self.service.collection_files(principal.as_ref(), &collection(name)).await
    }

    /// The names of a collection's files.
    async fn names(&self, who: Option<&str>, name: &str) -> Vec<String> {
        let mut files = self.files(who, name).await.unwrap();
        let mut names = Vec::new();
        while let Some(batch) = files.next_batch().await.unwrap() {
            assert!(!batch.is_empty());
            for object in batch {
                assert!(object.md5.is_some() && object.sha1.is_some());
                names.push(object.file_name.clone().unwrap_or_else(|| object.key.to_string()));
            }
        }
        assert!(files.next_batch().await.unwrap().is_none());
        names
    }

    async fn bucket_named(&self, who: &str, name: &str, public: bool) {
        let new = NewBucket { public, ..NewBucket::new(name.parse().unwrap()) };
        self.service.create_bucket(&self.principal(who), new).await.unwrap();
    }

    async fn put_in(&self, who: &str, bucket: &str, name: &str, content: &[u8]) {
        let (principal, bucket) = (self.principal(who), bucket.parse().unwrap());
        let upload = self.service.upload(&principal, &bucket, &key(name), UploadOptions::default()).await;
        filled(upload.unwrap(), content).await.unwrap();
    }
}

#[tokio::test]
async fn each_has_its_own_files_in_the_order_they_came() {
    let world = world().await;
    assert_eq!(world.names(Some("app"), "demo.files.docs").await, [""; 0]);
    for name in ["z.txt", "dir/a.txt", "z.txt"] {
        world.collected("demo.files.docs", name, b"x").await;
        world.clock.advance(Duration::from_secs(1));
    }
    world.collected("demo.files.doc", "elsewhere.txt", b"y").await;
    world.provisional("demo.files.docs", "unconfirmed.txt", b"y").await;
    // A file of another API's is in no collection.
    let new = NewFile { name: "none".to_owned(), content_type: None, needs_confirmation: false, keep_for: DAY };
    world.service.reserve_file(&world.principal("app"), new).await.unwrap();
    assert_eq!(world.names(Some("app"), "demo.files.docs").await, ["z.txt", "dir/a.txt", "z.txt"]);
    assert_eq!(world.names(Some("reader"), "demo.files.doc").await, ["elsewhere.txt"]);
    for other in ["demo.files", "demo", "demo.files.docs.x"] {
        assert_eq!(world.names(Some("app"), other).await, [""; 0], "{other}");
    }
    assert_eq!(world.names(Some("stranger"), "demo.files.docs").await, [""; 0]);
    // All of a tenant's, under the name of its bucket.
    assert_eq!(world.names(Some("app"), "files-acme").await.len(), 4);
    assert!(matches!(world.files(Some("creator"), "demo.files.docs").await, Err(ServiceError::MissingScope { .. })));
    for name in ["demo.files.docs", "files-acme", "reports"] {
        assert!(matches!(world.files(None, name).await, Err(ServiceError::Unauthenticated)), "{name}");
    }
}

#[tokio::test]
async fn a_bucket_of_its_name_is_it() {
    let world = world().await;
    world.bucket_named("app", "demo.files.docs", false).await;
    world.put_in("app", "demo.files.docs", "put/by another.txt", b"other").await;
    let file = world.collected("demo.files.docs", "a.txt", b"x").await;
    assert_eq!(file.bucket.name.as_str(), "demo.files.docs");
    // Keys of files begin with an instant, in digits.
    assert_eq!(world.names(Some("app"), "demo.files.docs").await, ["a.txt", "put/by another.txt"]);
    // To somebody else it is a folder of their own.
    assert_eq!(world.names(Some("stranger"), "demo.files.docs").await, [""; 0]);
    let chief = world.principal("chief");
    world.service.set_bucket_public(&chief, &"demo.files.docs".parse().unwrap(), true).await.unwrap();
    for who in [None, Some("app"), Some("creator"), Some("stranger")] {
        assert_eq!(world.names(who, "demo.files.docs").await.len(), 2, "{who:?}");
    }
    // What they have there themselves comes first.
    let stranger = world.principal("stranger");
    let new = NewFile { name: "own".to_owned(), content_type: None, needs_confirmation: false, keep_for: DAY };
    let file = world.service.reserve_file_in(&stranger, new, &collection("demo.files.docs")).await.unwrap();
    assert_eq!(file.bucket.name.as_str(), "files-other");
    assert_eq!(world.names(Some("stranger"), "demo.files.docs").await.len(), 2);
    let upload = world.service.upload(&stranger, &file.bucket.name, &file.key, UploadOptions::default()).await.unwrap();
    filled(upload, b"x").await.unwrap();
    assert_eq!(world.names(Some("stranger"), "demo.files.docs").await, ["own"]);
}

#[tokio::test]
async fn a_key_that_is_limited_to_buckets_sees_theirs() {
    let world = world().await;
    world.bucket_named("app", "demo.files.docs", false).await;
    world.collected("demo.files.docs", "a.txt", b"x").await;
    let new = NewApiKey {
        id: Some("fenced".parse().unwrap()),
        scopes: "*".parse().unwrap(),
        buckets: vec!["demo.files.docs".parse().unwrap()],
        expires_at: None,
        bearer: None,
    };
    let made = world.service.create_api_key(&world.principal("chief"), new, address("::1")).await.unwrap();
    let fenced = world.service.authenticate(&made.secret, address("::1")).unwrap();
    let files = async |name: &str| world.service.collection_files(Some(&fenced), &collection(name)).await;
    assert_eq!(files("demo.files.docs").await.unwrap().next_batch().await.unwrap().unwrap().len(), 1);
    for other in ["demo.files.other", "reports", "files-acme"] {
        assert!(matches!(files(other).await, Err(ServiceError::OutsideBuckets)), "{other}");
    }
    let new = || NewFile { name: "b".to_owned(), content_type: None, needs_confirmation: true, keep_for: DAY };
    world.service.reserve_file_in(&fenced, new(), &collection("demo.files.docs")).await.unwrap();
    let outside = world.service.reserve_file_in(&fenced, new(), &collection("demo.files.other")).await;
    assert!(matches!(outside, Err(ServiceError::OutsideBuckets)), "{outside:?}");
}

#[tokio::test]
async fn pages_are_read_as_they_are_asked_for() {
    let world = world().await;
    let put = async |number| world.put_in("app", "reports", &format!("{number:04}"), b"").await;
    stream::iter(0..2500).for_each_concurrent(100, put).await;
    let mut files = world.files(Some("app"), "reports").await.unwrap();
    let mut n_files = Vec::new();
    n_files.push(files.next_batch().await.unwrap().unwrap().len());
    // The first page is all that was read: what is gone now is not listed, and what came later is.
    let app = world.principal("app");
    for gone in ["0000", "1000", "1500"] {
        world.service.delete_object(&app, &bucket(), &key(gone)).await.unwrap();
    }
    world.put_in("app", "reports", "9999", b"").await;
    while let Some(batch) = files.next_batch().await.unwrap() {
        assert!(batch.iter().all(|object| !["1000", "1500"].contains(&object.key.as_str())));
        n_files.push(batch.len());
    }
    assert_eq!(n_files, [1000, 1000, 499]);
    // Digests were made for each, once.
    let again = world.service.object(&app, &bucket(), &key("0001")).await.unwrap();
    assert!(again.md5.is_some());
}

#[tokio::test]
async fn what_changed_since_is_known() {
    let world = world().await;
    let changed_at = async |name: &str| world.files(Some("app"), name).await.unwrap().changed_at().unwrap();
    let step = || world.clock.advance(Duration::from_secs(10));
    world.collected("a.b.c", "1", b"x").await;
    step();
    let before = world.service.now();
    step();
    assert!(changed_at("a.b.c").await < before);
    // Another collection's, of the same bucket.
    world.collected("a.b.d", "2", b"x").await;
    assert!(changed_at("a.b.c").await < before && changed_at("a.b.d").await > before);
    let file = world.provisional("a.b.c", "3", b"x").await;
    let app = world.principal("app");
    let mut last = before;
    let mut changes = 0;
    let mut has_changed = async || {
        let at = changed_at("a.b.c").await;
        assert!(at > last, "after {changes} changes");
        changes += 1;
        step();
        last = world.service.now();
        step();
        assert!(changed_at("a.b.c").await < last);
    };
    has_changed().await;
    world.service.confirm_file(&app, FileRef::Id(file.id), None).await.unwrap();
    has_changed().await;
    world.service.delete_file(&app, FileRef::Id(file.id)).await.unwrap();
    has_changed().await;
    // A bucket that takes the folder's place, here or elsewhere.
    world.bucket_named("stranger", "a.b.c", true).await;
    has_changed().await;
    world.service.set_bucket_public(&world.principal("boss"), &"a.b.c".parse().unwrap(), false).await.unwrap();
    has_changed().await;
    world.service.delete_bucket(&world.principal("stranger"), &"a.b.c".parse().unwrap()).await.unwrap();
    has_changed().await;
    // Of what ends by itself nothing can be told.
    let new = NewBucket { retention: Retention::Transient, ..NewBucket::new("d.e.f".parse().unwrap()) };
    world.service.create_bucket(&app, new).await.unwrap();
    assert!(world.files(Some("app"), "d.e.f").await.unwrap().changed_at().is_none());
}

#[tokio::test]
async fn to_know_of_a_file_is_less_than_to_read_it() {
    let world = world().await;
    let file = world.collected("a.b.c", "1", b"x").await;
    let new = |id: &str, scopes: &str| NewApiKey {
        id: Some(id.parse().unwrap()),
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
        bearer: None,
    };
    for (id, scopes, knows, reads) in [
        ("knower", "bucket:read", true, false),
        ("other-reader", "object:read", true, true),
        ("neither", "link:issue", false, false),
    ] {
        let made = world.service.create_api_key(&world.principal("chief"), new(id, scopes), address("::1")).await.unwrap();
        let principal = world.service.authenticate(&made.secret, address("::1")).unwrap();
        let described = world.service.file_to_describe(&principal, FileRef::Id(file.id)).await;
        assert_eq!(described.is_ok(), knows, "{id}");
        assert_eq!(world.service.file(&principal, FileRef::Id(file.id)).await.is_ok(), reads, "{id}");
    }
    let stranger = world.principal("stranger");
    let unknown = world.service.file_to_describe(&stranger, FileRef::Id(file.id)).await;
    assert!(matches!(unknown, Err(ServiceError::NotFound { .. })), "{unknown:?}");
}
