//! Two tenants do whatever they like; then each tries everything of the other's by every use case. What is not public is told
//! as what is not there, and nothing of it changes.

use crate::world::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;
use valetkey_model::*;
use valetkey_service::redeem::{PresentedCredential, PublicPlace};
use valetkey_service::*;
use valetkey_signing::{Algorithm, Claims, KeyOwner, PathRule, SigningKey, canonical_file_path, canonical_object_path};

/// What a tenant may do.
#[derive(Clone, Debug)]
enum Act {
    MakeBucket { bucket: u8, public: bool },
    DeleteBucket { bucket: u8 },
    SetPublic { bucket: u8, public: bool },
    Put { bucket: u8, key: u8 },
    DeleteObject { bucket: u8, key: u8 },
    Sign { bucket: u8, key: u8, form: bool, permission: u8 },
    Revoke { number: u8 },
    Reserve { needs_confirmation: bool },
    Fill { number: u8 },
    Confirm { number: u8 },
    DeleteFile { number: u8 },
    BeginParts { bucket: u8, key: u8 },
    WritePart { number: u8 },
    CompleteParts { number: u8 },
    MakeApiKey { id: u8 },
    ChangeApiKey { number: u8, disabled: bool },
    DeleteApiKey { number: u8 },
    MakeSigningKey { id: u8 },
    ChangeSigningKey { number: u8, state: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    // Few names, so that the tenants get in each other's way.
    let (bucket, key, number) = (0..4_u8, 0..3_u8, any::<u8>());
    let place = (bucket.clone(), key.clone());
    prop_oneof![
        4 => (bucket.clone(), any::<bool>()).prop_map(|(bucket, public)| Act::MakeBucket { bucket, public }),
        1 => bucket.clone().prop_map(|bucket| Act::DeleteBucket { bucket }),
        2 => (bucket.clone(), any::<bool>()).prop_map(|(bucket, public)| Act::SetPublic { bucket, public }),
        6 => place.clone().prop_map(|(bucket, key)| Act::Put { bucket, key }),
        1 => place.clone().prop_map(|(bucket, key)| Act::DeleteObject { bucket, key }),
        4 => (place.clone(), any::<bool>(), 0..3_u8)
            .prop_map(|((bucket, key), form, permission)| Act::Sign { bucket, key, form, permission }),
        1 => number.prop_map(|number| Act::Revoke { number }),
        3 => any::<bool>().prop_map(|needs_confirmation| Act::Reserve { needs_confirmation }),
        3 => number.prop_map(|number| Act::Fill { number }),
        1 => number.prop_map(|number| Act::Confirm { number }),
        1 => number.prop_map(|number| Act::DeleteFile { number }),
        2 => place.prop_map(|(bucket, key)| Act::BeginParts { bucket, key }),
        1 => number.prop_map(|number| Act::WritePart { number }),
        1 => number.prop_map(|number| Act::CompleteParts { number }),
        2 => (0..4_u8).prop_map(|id| Act::MakeApiKey { id }),
        1 => (number, any::<bool>()).prop_map(|(number, disabled)| Act::ChangeApiKey { number, disabled }),
        1 => number.prop_map(|number| Act::DeleteApiKey { number }),
        2 => (0..4_u8).prop_map(|id| Act::MakeSigningKey { id }),
        1 => (number, 0..3_u8).prop_map(|(number, state)| Act::ChangeSigningKey { number, state }),
    ]
}

/// Every identifier that a tenant was ever told.
#[derive(Default)]
struct Learnt {
    buckets: BTreeSet<BucketName>,
    places: BTreeSet<(BucketName, ObjectKey)>,
    files: BTreeSet<(FileId, FileNumber)>,
    uploads: Vec<(BucketName, ObjectKey, UploadId)>,
    part_secrets: Vec<LinkSecret>,
    urls: Vec<Issued>,
    api_keys: BTreeSet<ApiKeyId>,
    signing_keys: BTreeSet<SigningKeyId>,
}

/// A tenant: its administrator, a signing key whose secret that one knows, and what was learnt.
struct Tenant {
    principal: Principal,
    signing_key: SigningKey,
    learnt: Learnt,
}

fn bucket_named(number: u8) -> BucketName {
    format!("bucket-{number}").parse().unwrap()
}

fn key_named(number: u8) -> ObjectKey {
    format!("folder/{number}").parse().unwrap()
}

/// One of a list, whatever the number.
fn pick<T: Clone>(list: &[T], number: u8) -> Option<T> {
    list.get(usize::from(number) % list.len().max(1)).cloned()
}

fn picked<T: Clone>(set: &BTreeSet<T>, number: u8) -> Option<T> {
    pick(&set.iter().cloned().collect::<Vec<_>>(), number)
}

impl Tenant {
    async fn new(world: &World, id: &str) -> Self {
        let principal = world.principal(id);
        let asked = NewSigningKey {
            id: Some(format!("offline-{id}").parse().unwrap()),
            algorithm: "HS256".to_owned(),
            owner: Some(principal.api_key().clone()),
            secret: None,
            max_lifetime: None,
            limits: SigningKeyLimits::default(),
        };
        let made = world.service.create_signing_key(&principal, asked).await.unwrap();
        let owner = KeyOwner::ApiKey(principal.api_key().clone());
        let (kid, tenant) = (made.signing_key.id.clone(), principal.tenant().clone());
        let signing_key = SigningKey::new(kid, tenant, Algorithm::Hs256, owner, &made.secret.unwrap()).unwrap();
        let mut learnt = Learnt::default();
        learnt.api_keys.insert(principal.api_key().clone());
        learnt.signing_keys.insert(made.signing_key.id.clone());
        Self { principal, signing_key, learnt }
    }

    /// Does it, if it can be done.
    async fn act(&mut self, world: &World, act: &Act) {
        let (service, principal, learnt) = (&world.service, &self.principal, &mut self.learnt);
        match *act {
            Act::MakeBucket { bucket, public } => {
                let new = NewBucket { public, ..NewBucket::new(bucket_named(bucket)) };
                learnt.buckets.extend(service.create_bucket(principal, new).await.ok().map(|row| row.name));
            }
            Act::DeleteBucket { bucket } => drop(service.delete_bucket(principal, &bucket_named(bucket)).await),
            Act::SetPublic { bucket, public } => {
                drop(service.set_bucket_public(principal, &bucket_named(bucket), public).await);
            }
            Act::Put { bucket, key } => {
                let (bucket, key) = (bucket_named(bucket), key_named(key));
                let Ok(upload) = service.upload(principal, &bucket, &key, UploadOptions::default()).await else { return };
                let object = filled(upload, principal.tenant().as_str().as_bytes()).await.unwrap().object;
                learnt.files.insert((object.file_id, object.file_number));
                learnt.places.insert((bucket, key));
            }
            Act::DeleteObject { bucket, key } => {
                drop(service.delete_object(principal, &bucket_named(bucket), &key_named(key)).await);
            }
            Act::Sign { bucket, key, form, permission } => {
                let asked = asking(&bucket_named(bucket), Target::Object(key_named(key)), form, permission);
                learnt.urls.extend(service.issue(principal, vec![asked]).await.unwrap_or_default());
            }
            Act::Revoke { number } => {
                let Some(url) = pick(&learnt.urls, number) else { return };
                service.revoke(principal, &[url.link_id]).await.unwrap();
            }
            Act::Reserve { needs_confirmation } => {
                let keep_for = Duration::from_secs(3600);
                let new = NewFile { name: "a file".to_owned(), content_type: None, needs_confirmation, keep_for };
                let file = service.reserve_file(principal, new).await.unwrap();
                learnt.buckets.insert(file.bucket.name.clone());
                learnt.places.insert((file.bucket.name.clone(), file.key.clone()));
                learnt.files.insert((file.id, file.number));
            }
            Act::Fill { number } => {
                let Some((bucket, key)) = picked(&learnt.places, number) else { return };
                let Ok(upload) = service.upload(principal, &bucket, &key, UploadOptions::default()).await else { return };
                let Ok(published) = filled(upload, b"a file's").await else { return };
                learnt.files.insert((published.object.file_id, published.object.file_number));
            }
            Act::Confirm { number } => {
                let Some((id, _)) = picked(&learnt.files, number) else { return };
                drop(service.confirm_file(principal, FileRef::Id(id), None).await);
            }
            Act::DeleteFile { number } => {
                let Some((_, number)) = picked(&learnt.files, number) else { return };
                drop(service.delete_file(principal, FileRef::Number(number)).await);
            }
            Act::BeginParts { bucket, key } => {
                let (bucket, key) = (bucket_named(bucket), key_named(key));
                let Ok(id) = service.begin_parts(principal, &bucket, &key).await else { return };
                let ticket = service.part_secret(principal, &bucket, &key, &id, Duration::from_secs(600)).await.unwrap();
                learnt.part_secrets.push(ticket.secret);
                learnt.uploads.push((bucket, key, id));
            }
            Act::WritePart { number } => {
                let Some(secret) = pick(&learnt.part_secrets, number) else { return };
                let Ok(mut part) = service.write_part(secret, 1, Some(4)).await else { return };
                part.write(bytes::Bytes::from_static(b"part")).await.unwrap();
                drop(part.finish().await);
            }
            Act::CompleteParts { number } => {
                let Some((bucket, key, id)) = pick(&learnt.uploads, number) else { return };
                let options = UploadOptions::default();
                let Ok(done) = service.complete_parts(principal, (&bucket, &key), &id, None, &[], options).await else { return };
                learnt.files.insert((done.object.file_id, done.object.file_number));
                learnt.places.insert((bucket, key));
            }
            Act::MakeApiKey { id } => {
                let made = service.create_api_key(principal, new_api_key(&format!("key-{id}")), address("::1")).await;
                learnt.api_keys.extend(made.ok().map(|made| made.api_key.id.clone()));
            }
            Act::ChangeApiKey { number, disabled } => {
                let Some(id) = picked(&learnt.api_keys, number) else { return };
                let update = ApiKeyUpdate { disabled: Some(disabled), ..ApiKeyUpdate::default() };
                drop(service.update_api_key(principal, &id, update).await);
            }
            Act::DeleteApiKey { number } => {
                let Some(id) = picked(&learnt.api_keys, number) else { return };
                drop(service.delete_api_key(principal, &id).await);
            }
            Act::MakeSigningKey { id } => {
                let made = service.create_signing_key(principal, new_signing_key(&format!("kid-{id}"), None)).await;
                learnt.signing_keys.extend(made.ok().map(|made| made.signing_key.id.clone()));
            }
            Act::ChangeSigningKey { number, state } => {
                // Its own stays, so that it can forge to the end.
                let Some(id) = picked(&learnt.signing_keys, number).filter(|id| id.as_str().starts_with("kid-")) else { return };
                drop(service.set_signing_key_state(principal, &id, state_of(state)).await);
            }
        }
    }

    /// Signs offline, for any path, as whoever holds a signing key can; `None` for what no key signs.
    fn forge(&self, world: &World, path: String, permission: Permission) -> Option<SecretText> {
        let now = world.service.now().whole_seconds();
        let claims = Claims {
            tenant: self.principal.tenant().clone(),
            link_id: LinkId::from_bytes([5; 16]),
            issued_at: now,
            not_before: None,
            expires_at: now.plus(Duration::from_secs(60)),
            path: PathRule::Exact(path),
            terms: Terms::new(permission),
        };
        valetkey_signing::sign(&claims, &self.signing_key).ok()
    }

    /// All that it sees of its own.
    async fn sight(&self, world: &World) -> String {
        let (service, principal) = (&world.service, &self.principal);
        let mut seen = Vec::new();
        for bucket in service.buckets(principal, None, None, 1000).await.unwrap().buckets {
            let objects = service.objects(principal, &bucket.name, "", None, 1000).await.unwrap();
            seen.push(format!("{bucket:?} {objects:?}"));
        }
        for (id, number) in &self.learnt.files {
            let (by_id, by_number) =
                (service.file(principal, FileRef::Id(*id)).await, service.file(principal, FileRef::Number(*number)).await);
            assert_eq!(told(&by_id.as_ref().map(|file| file.number)), told(&by_number.map(|file| file.number)));
            seen.push(format!("{by_id:?}"));
        }
        for (bucket, key, id) in &self.learnt.uploads {
            let done = service.part_secret(principal, bucket, key, id, Duration::from_secs(1)).await.is_ok();
            seen.push(format!("{id:?} {done}"));
        }
        seen.push(format!("{:?}", service.api_keys(principal, None, 1000).unwrap().api_keys));
        seen.push(format!("{:?}", service.signing_keys(principal, None, 1000).unwrap().signing_keys));
        seen.join("\n")
    }
}

fn new_api_key(id: &str) -> NewApiKey {
    NewApiKey {
        id: Some(id.parse().unwrap()),
        scopes: Scopes::ALL_BUT_ADMIN,
        buckets: Vec::new(),
        expires_at: None,
        bearer: None,
    }
}

fn new_signing_key(kid: &str, owner: Option<ApiKeyId>) -> NewSigningKey {
    NewSigningKey {
        id: Some(kid.parse().unwrap()),
        algorithm: "HS256".to_owned(),
        owner,
        secret: None,
        max_lifetime: None,
        limits: SigningKeyLimits::default(),
    }
}

fn state_of(number: u8) -> SigningKeyState {
    [SigningKeyState::Active, SigningKeyState::VerifyOnly, SigningKeyState::Revoked][usize::from(number)]
}

fn asking(bucket: &BucketName, target: Target, link: bool, permission: u8) -> IssueRequest {
    let permission = [Permission::Read, Permission::Write, Permission::ReadWrite][usize::from(permission)];
    IssueRequest {
        bucket: bucket.clone(),
        must_exist: permission.reads() && matches!(target, Target::Object(_)),
        target,
        form: if link { Form::Link } else { Form::Token },
        terms: Terms::new(permission),
        lifetime: Lifetime::For(Duration::from_secs(60)),
        not_before: None,
        pin: false,
    }
}

/// What the native API says of a result: a stranger's bucket is none.
fn told<T, E: Debug>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{error:?}").replace("NotOwner", "NotFound { what: \"bucket\" }"),
    }
}

/// What a thief gets who tries to use these names in every way; `None` where reading is anybody's.
struct Loot<'a> {
    bucket: &'a BucketName,
    key: &'a ObjectKey,
    file: (FileId, FileNumber),
    upload: UploadId,
    api_key: &'a ApiKeyId,
    signing_key: &'a SigningKeyId,
}

/// Every use case by a principal, with what it was told: those that change come last.
async fn tried(world: &World, thief: &Principal, loot: &Loot<'_>) -> Vec<(&'static str, String)> {
    let service = &world.service;
    let Loot { bucket, key, file: (file_id, file_number), upload, api_key, signing_key } = loot;
    let mut tried = Vec::new();
    let mut note = |what, told| tried.push((what, told));
    let (by_id, by_number) = (FileRef::Id(*file_id), FileRef::Number(*file_number));

    note("bucket", told(&service.bucket(thief, bucket).await));
    note("objects", told(&service.objects(thief, bucket, "", None, 10).await));
    note("object to replace", told(&service.object_to_replace(thief, bucket, key).await));
    note("part secret", told(&service.part_secret(thief, bucket, key, upload, Duration::from_secs(60)).await));
    let complete = service.complete_parts(thief, (bucket, key), upload, None, &[], UploadOptions::default()).await;
    note("complete parts", told(&complete));
    note("API key", told(&service.api_key(thief, api_key)));
    note("signing key", told(&service.signing_key(thief, signing_key)));
    for (link, permission) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let asked = asking(bucket, Target::Object((*key).clone()), link, permission);
        note("sign for writing", told(&service.issue(thief, vec![asked]).await));
    }
    // Of which `Read` is public where the bucket is.
    note("READ object", told(&service.object(thief, bucket, key).await));
    note("READ file by id", told(&service.file(thief, by_id).await));
    note("READ file by number", told(&service.file(thief, by_number).await));
    note("READ what there is to know of a file", told(&service.file_to_describe(thief, by_id).await));
    note("READ files of a collection", listed(service, Some(thief), bucket, *file_id).await);
    note("READ files of a collection without a credential", listed(service, None, bucket, *file_id).await);
    for link in [false, true] {
        let asked = asking(bucket, Target::Object((*key).clone()), link, 0);
        note("READ sign object", told(&service.issue(thief, vec![asked]).await));
    }
    for prefix in ["", "folder/"] {
        let asked = asking(bucket, Target::Prefix(prefix.to_owned()), false, 0);
        note("READ sign prefix", told(&service.issue(thief, vec![asked]).await));
    }
    let asked = asking(bucket, Target::File(*file_id), false, 0);
    note("READ sign file", told(&service.issue(thief, vec![asked]).await));
    let public = PublicPlace::Object { bucket, key };
    for place in [public, PublicPlace::File(*file_id)] {
        for method in [Method::Get, Method::Head] {
            note("READ without a credential", told(&world.redeem(PresentedCredential::Public(place), method, SOMEBODY).await));
        }
        note("write without a credential", told(&world.redeem(PresentedCredential::Public(place), Method::Put, SOMEBODY).await));
    }

    note("upload", told(&service.upload(thief, bucket, key, UploadOptions::default()).await));
    for to in [key, &key_named(9)] {
        note("copy object", told(&service.copy_object(thief, bucket, key, to, Condition::None).await));
    }
    note("begin parts", told(&service.begin_parts(thief, bucket, key).await));
    let stolen = NewName { name: "stolen".to_owned(), content_type: None };
    note("confirm by id", told(&service.confirm_file(thief, by_id, Some(stolen)).await));
    note("confirm by number", told(&service.confirm_file(thief, by_number, None).await));
    note("detach file by id", told(&service.detach_file(thief, by_id).await));
    note("detach file by number", told(&service.detach_file(thief, by_number).await));
    note("delete file by id", told(&service.delete_file(thief, by_id).await));
    note("delete file by number", told(&service.delete_file(thief, by_number).await));
    note("delete object", told(&service.delete_object(thief, bucket, key).await));
    for public in [true, false] {
        note("set public", told(&service.set_bucket_public(thief, bucket, public).await));
    }
    note("delete bucket", told(&service.delete_bucket(thief, bucket).await));
    let update = ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() };
    note("change API key", told(&service.update_api_key(thief, api_key, update).await));
    note("rotate API key", told(&service.rotate_api_key(thief, api_key).await));
    note("delete API key", told(&service.delete_api_key(thief, api_key).await));
    for state in [SigningKeyState::VerifyOnly, SigningKeyState::Revoked] {
        note("change signing key", told(&service.set_signing_key_state(thief, signing_key, state).await));
    }
    let owned = service.create_signing_key(thief, new_signing_key("never-made", Some((*api_key).clone()))).await;
    note("signing key for an API key", told(&owned).replace(api_key.as_str(), "ID"));
    tried
}

/// What a collection that is called like the bucket shows of a file.
async fn listed(service: &Service, who: Option<&Principal>, bucket: &BucketName, file_id: FileId) -> String {
    let collection = Collection::new(bucket.as_str(), Some(bucket.clone()));
    let mut files = match service.collection_files(who, &collection).await {
        Ok(files) => files,
        Err(error) => return told::<(), _>(&Err(error)),
    };
    if service.collection_files(None, &collection).await.is_ok() {
        // Anybody's. To list it makes digests, which shows in its rows.
        return "public".to_owned();
    }
    let mut is_there = false;
    while let Some(batch) = files.next_batch().await.unwrap() {
        is_there |= batch.iter().any(|object| object.file_id == file_id || object.bucket == *bucket);
    }
    format!("listed: {is_there}")
}

/// Each identifier of the victim's in the hands of the thief.
async fn rob(world: &World, victim: &Tenant, thief: &Tenant) {
    let service = &world.service;
    let (nothing, no_key) = ("never-made".parse::<BucketName>().unwrap(), "never/put".parse::<ObjectKey>().unwrap());
    let (no_api_key, no_kid) = ("nobody".parse::<ApiKeyId>().unwrap(), "no-kid".parse::<SigningKeyId>().unwrap());
    let no_file = (FileId::from_bytes([3; 16]), FileNumber::new(3).unwrap());
    let no_upload = UploadId::from_bytes([3; 16]);
    let control =
        Loot { bucket: &nothing, key: &no_key, file: no_file, upload: no_upload, api_key: &no_api_key, signing_key: &no_kid };
    let expected = tried(world, &thief.principal, &control).await;
    assert!(expected.iter().all(|(_, told)| told != "done"), "{expected:?}");

    // A bucket that was deleted may be anybody's by now, and a file goes with its own bucket.
    let owned: BTreeSet<_> =
        service.buckets(&victim.principal, None, None, 1000).await.unwrap().buckets.into_iter().map(|row| row.name).collect();
    let mut places: Vec<_> = victim.learnt.places.iter().filter(|(bucket, _)| owned.contains(bucket)).cloned().collect();
    places.extend(owned.iter().map(|bucket| (bucket.clone(), no_key.clone())));
    let mut api_keys = victim.learnt.api_keys.iter().cycle();
    let mut signing_keys = victim.learnt.signing_keys.iter().cycle();
    let mut uploads =
        victim.learnt.uploads.iter().map(|(_, _, id)| *id).chain([no_upload]).collect::<Vec<_>>().into_iter().cycle();
    let mut files = victim.learnt.files.iter().copied().chain([no_file]).collect::<Vec<_>>();
    let n_tries = places.len().max(files.len()).max(victim.learnt.api_keys.len()).max(victim.learnt.signing_keys.len());
    places.resize(n_tries, places.first().cloned().unwrap_or((nothing.clone(), no_key.clone())));
    files.resize(n_tries, no_file);
    for ((bucket, key), file) in places.iter().zip(files) {
        let file_is_public = match service.file(&victim.principal, FileRef::Id(file.0)).await {
            Ok(file) => file.bucket.public && file.ready().is_some(),
            Err(_) => false,
        };
        let is_public = match service.bucket(&victim.principal, bucket).await {
            Ok(bucket) => bucket.public,
            Err(_) => false,
        };
        let loot = Loot {
            bucket,
            key,
            file,
            upload: uploads.next().unwrap(),
            api_key: api_keys.next().unwrap(),
            signing_key: signing_keys.next().unwrap(),
        };
        let got = tried(world, &thief.principal, &loot).await;
        for ((what, told), (_, expected)) in got.iter().zip(&expected) {
            let anybodys = what.starts_with("READ") && (is_public || file_is_public);
            assert!(told == expected || anybodys, "{what} of {bucket}/{key}: {told}, and of nothing: {expected}");
        }
        // With the victim's upload in a bucket of its own, it gets no further.
        for own in &thief.learnt.buckets {
            let secret = service.part_secret(&thief.principal, own, key, &loot.upload, Duration::from_secs(60)).await;
            assert!(secret.is_err(), "{own}");
        }
        // A token of its own making opens what is public, for reading.
        let object_path = canonical_object_path("", bucket, key);
        let file_path = canonical_file_path("", file.0);
        for (path, is_public) in [(object_path, is_public), (file_path, file_is_public)] {
            for (permission, method) in
                [(Permission::Read, Method::Get), (Permission::Read, Method::Head), (Permission::ReadWrite, Method::Put)]
            {
                let Some(token) = thief.forge(world, path.clone(), permission) else { continue };
                let credential = PresentedCredential::Token { token: token.expose(), raw_path: &path };
                let opened = world.redeem(credential, method, SOMEBODY).await;
                assert!(opened.is_err() || is_public && method != Method::Put, "{method} {path}: {opened:?}");
            }
        }
    }
    // Its URLs can be taken back by nobody else.
    for url in &victim.learnt.urls {
        let works = world.admitted(url, Method::Get, SOMEBODY).await.map(drop);
        service.revoke(&thief.principal, &[url.link_id]).await.unwrap();
        if let Credential::Link(secret) = url.credential {
            assert!(service.link_of(&thief.principal, secret).await.is_err());
        }
        assert_eq!(world.admitted(url, Method::Get, SOMEBODY).await.map(drop), works);
        assert!(service.url(&thief.principal, &url.link_id).await.is_err());
    }
    let keys = victim.learnt.api_keys.iter().cloned().map(Taken::ApiKey);
    for taken in keys.chain(victim.learnt.signing_keys.iter().cloned().map(Taken::SigningKey)) {
        let new = NewRevocation { taken: vec![taken], issued_until: None, cut: true };
        assert!(matches!(service.take_back(&thief.principal, new).await, Err(ServiceError::NotFound { .. })));
    }
    for listed in service.urls(&thief.principal, &UrlQuery::default(), None, 1000).await.unwrap().urls {
        assert!(listed.url.tenant == *thief.principal.tenant());
        assert!(victim.learnt.urls.iter().all(|url| url.link_id != listed.url.link_id));
    }
    // What is listed to it is its own.
    for bucket in service.buckets(&thief.principal, None, None, 1000).await.unwrap().buckets {
        assert!(bucket.tenant == *thief.principal.tenant() && !owned.contains(&bucket.name));
        for object in service.objects(&thief.principal, &bucket.name, "", None, 1000).await.unwrap().objects {
            let is_victims = victim.learnt.files.iter().any(|(id, _)| *id == object.file_id);
            assert!(object.bucket == bucket.name && !is_victims, "{object:?}");
        }
    }
    for row in service.api_keys(&thief.principal, None, 1000).unwrap().api_keys {
        assert!(row.tenant == *thief.principal.tenant() && !victim.learnt.api_keys.contains(&row.id));
    }
    for row in service.signing_keys(&thief.principal, None, 1000).unwrap().signing_keys {
        assert!(row.tenant == *thief.principal.tenant() && !victim.learnt.signing_keys.contains(&row.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_another_tenant_is_seen_or_changed(acts in proptest::collection::vec((any::<bool>(), act()), 1..80)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let (mut a, mut b) = (Tenant::new(&world, "chief").await, Tenant::new(&world, "boss").await);
            a.learnt.buckets.insert(bucket());
            for (is_a, act) in &acts {
                if *is_a { a.act(&world, act).await } else { b.act(&world, act).await }
            }
            let before = (a.sight(&world).await, b.sight(&world).await);
            rob(&world, &a, &b).await;
            rob(&world, &b, &a).await;
            assert_eq!((a.sight(&world).await, b.sight(&world).await), before);
        });
    }
}
