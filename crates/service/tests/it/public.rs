//! Public buckets: read by everybody, and by everybody's signed URLs; all else stays their tenant's.

use crate::world::*;
use valetkey_model::*;
use valetkey_service::redeem::{PresentedCredential, PublicPlace};
use valetkey_service::*;

const FORMS: [Form; 2] = [Form::Token, Form::Link];

fn is_not_owner<T>(result: &Result<T, ServiceError>) -> bool {
    matches!(result, Err(ServiceError::NotOwner))
}

impl World {
    async fn set_public(&self, public: bool) {
        self.service.set_bucket_public(&self.principal("chief"), &bucket(), public).await.unwrap();
    }

    /// A request without a credential.
    async fn ask(&self, place: PublicPlace<'_>, method: Method) -> Result<Vec<u8>, Refusal> {
        let admission = self.redeem(PresentedCredential::Public(place), method, SOMEBODY).await?;
        assert!(admission.grant().is_public() && admission.grant().link_id().is_none());
        let found = self.service.find(admission).await?;
        self.service.has_uses_left(&found).await?;
        let whole = 0..u64::MAX;
        let mut delivery = self.service.open(self.service.reserve(found.select(vec![whole])).await?).await?;
        assert!(delivery.usage.is_none() && delivery.session_secret.take().is_none());
        let mut content = vec![0; usize::try_from(delivery.blob.size_bytes()).unwrap()];
        delivery.blob.read_at(0, &mut content).unwrap();
        Ok(content)
    }

    /// A principal of `acme` whose key is limited to other buckets and may do next to nothing.
    async fn fenced(&self) -> Principal {
        let new = NewApiKey {
            id: Some("fenced".parse().unwrap()),
            scopes: Scopes::NONE.with(Scope::AuditRead),
            buckets: vec!["elsewhere".parse().unwrap()],
            expires_at: None,
            bearer: None,
        };
        let made = self.service.create_api_key(&self.principal("chief"), new, address("::1")).await.unwrap();
        self.service.authenticate(&made.secret, address("::1")).unwrap()
    }
}

#[tokio::test]
async fn any_principal_reads_and_nothing_more() {
    let world = world().await;
    world.put("a", b"x").await;
    let (service, key_a, name) = (&world.service, key("a"), bucket());
    let (fenced, stranger, boss) = (world.fenced().await, world.principal("stranger"), world.principal("boss"));
    for public in [false, true, false] {
        world.set_public(public).await;
        assert_eq!(service.object(&stranger, &name, &key_a).await.is_ok(), public, "{public}");
        assert_eq!(service.object(&fenced, &name, &key_a).await.is_ok(), public, "{public}");
        assert_eq!(service.object(&world.principal("creator"), &name, &key_a).await.is_ok(), public, "{public}");
        let missing = service.object(&stranger, &name, &key("missing")).await;
        assert_eq!(matches!(missing, Err(ServiceError::NotFound { what: "object" })), public, "{missing:?}");
        // All else is as with a private one.
        let by =
            |principal: Principal| UploadOptions { file_name: Some(principal.tenant().to_string()), ..UploadOptions::default() };
        assert!(is_not_owner(&service.bucket(&boss, &name).await));
        assert!(is_not_owner(&service.objects(&boss, &name, "", None, 10).await));
        assert!(is_not_owner(&service.upload(&boss, &name, &key_a, by(boss.clone())).await));
        assert!(is_not_owner(&service.object_to_replace(&boss, &name, &key_a).await));
        assert!(is_not_owner(&service.delete_object(&boss, &name, &key_a).await));
        assert!(is_not_owner(&service.delete_bucket(&boss, &name).await));
        assert!(is_not_owner(&service.set_bucket_public(&boss, &name, true).await));
        assert!(is_not_owner(&service.begin_parts(&boss, &name, &key_a).await));
        assert!(service.buckets(&boss, None, None, 10).await.unwrap().buckets.is_empty());
        let listed = service.objects(&fenced, &name, "", None, 10).await;
        assert!(matches!(listed, Err(ServiceError::MissingScope { .. })), "{listed:?}");
    }
}

#[tokio::test]
async fn who_makes_a_bucket_public_administers_it() {
    let world = world().await;
    let set = async |id: &str, name: &str| {
        world.service.set_bucket_public(&world.principal(id), &name.parse().unwrap(), true).await.map(|bucket| bucket.public)
    };
    let refused = set("app", "reports").await;
    assert!(matches!(refused, Err(ServiceError::MissingScope { scope: Scope::Admin })), "{refused:?}");
    assert!(matches!(set("chief", "missing").await, Err(ServiceError::NotFound { what: "bucket" })));
    assert!(is_not_owner(&set("boss", "reports").await));
    assert!(set("chief", "reports").await.unwrap());
    let world = world.restarted().await;
    assert!(world.service.bucket(&world.principal("app"), &bucket()).await.unwrap().public, "after a restart");
}

#[tokio::test]
async fn any_principal_signs_for_reading_as_long_as_it_is_public() {
    let world = world().await;
    world.put("a", b"x").await;
    world.set_public(true).await;
    let (fenced, stranger) = (world.fenced().await, world.principal("stranger"));
    for principal in [&stranger, &fenced] {
        for form in FORMS {
            let issue = async |permission| {
                let requests = vec![request("a", form, Terms::new(permission))];
                world.service.issue(principal, requests).await.map(|issued| issued.into_iter().next().unwrap())
            };
            let issued = issue(Permission::Read).await.unwrap();
            assert_eq!(world.read(&issued).await.unwrap(), b"x");
            assert!(world.admitted(&issued, Method::Head, SOMEBODY).await.is_ok());
            assert_eq!(world.admitted(&issued, Method::Put, SOMEBODY).await.unwrap_err(), Refusal::WrongMethod);
            for permission in [Permission::Write, Permission::ReadWrite] {
                let refused = issue(permission).await.unwrap_err();
                let told = matches!(refused, ServiceError::NotOwner | ServiceError::MissingScope { .. });
                assert!(told, "{form:?} {permission:?}: {refused}");
            }
            world.set_public(false).await;
            let told = if principal.tenant().as_str() == "acme" { Refusal::IssuerDisabled } else { Refusal::BadSignature };
            assert_eq!(world.read(&issued).await.unwrap_err(), told);
            assert!(issue(Permission::Read).await.is_err());
            world.set_public(true).await;
            assert_eq!(world.read(&issued).await.unwrap(), b"x");
            // It is its issuer's to take back, and nobody else's.
            world.service.revoke(&world.principal("app"), &[issued.link_id]).await.unwrap();
            assert_eq!(world.read(&issued).await.is_ok(), principal.tenant().as_str() != "acme");
        }
    }
    let issued = world.issue_as("stranger", request("a", Form::Token, once(Terms::new(Permission::Read)))).await.unwrap();
    assert_eq!(world.read(&issued).await.unwrap(), b"x");
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::UsedUp, "uses are counted here, too");
}

#[tokio::test]
async fn the_issuer_must_still_be_somebody() {
    let world = world().await;
    world.put("a", b"x").await;
    world.set_public(true).await;
    let mut urls = Vec::new();
    for form in FORMS {
        urls.push(world.issue_as("stranger", request("a", form, Terms::new(Permission::Read))).await.unwrap());
    }
    let update = async |update| {
        world.service.update_api_key(&world.principal("boss"), &"stranger".parse().unwrap(), update).await.unwrap();
    };
    update(ApiKeyUpdate { scopes: Some(Scopes::NONE.with(Scope::AuditRead)), ..ApiKeyUpdate::default() }).await;
    for url in &urls {
        assert!(world.read(url).await.is_ok(), "no scope is needed");
    }
    update(ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() }).await;
    for url in &urls {
        assert_eq!(world.read(url).await.unwrap_err(), Refusal::IssuerDisabled);
    }
}

#[tokio::test]
async fn a_link_to_a_strangers_public_bucket_is_taken_back_by_its_own() {
    let world = world().await;
    world.put("a", b"x").await;
    world.set_public(true).await;
    let stranger = world.principal("stranger");
    let issued = world.issue_as("stranger", request("a", Form::Link, Terms::new(Permission::Read))).await.unwrap();
    let Credential::Link(secret) = issued.credential else { panic!("a link") };
    assert!(is_not_owner(&world.service.link_of(&world.principal("app"), secret).await));
    world.set_public(false).await;
    assert_eq!(world.service.link_of(&stranger, secret).await.unwrap(), issued.link_id);
    world.service.revoke(&stranger, &[issued.link_id]).await.unwrap();
    world.set_public(true).await;
    assert_eq!(world.read(&issued).await.unwrap_err(), Refusal::Revoked);
}

#[tokio::test]
async fn nobody_at_all_reads_what_is_public() {
    let world = world().await;
    let file_id = world.put("a", b"x").await.object.file_id;
    let (name, private, missing_bucket): (_, BucketName, BucketName) =
        (bucket(), "private".parse().unwrap(), "missing".parse().unwrap());
    world.service.create_bucket(&world.principal("app"), NewBucket::new(private.clone())).await.unwrap();
    let upload = world.service.upload(&world.principal("app"), &private, &key("a"), UploadOptions::default()).await.unwrap();
    let private_file = filled(upload, b"secret").await.unwrap().object.file_id;
    let (key_a, missing) = (key("a"), key("missing"));
    let at = |bucket, key| PublicPlace::Object { bucket, key };
    for public in [false, true, false, true] {
        world.set_public(public).await;
        let expected = if public { Ok(b"x".to_vec()) } else { Err(Refusal::Malformed) };
        for method in [Method::Get, Method::Head] {
            assert_eq!(world.ask(at(&name, &key_a), method).await, expected, "{public}");
            assert_eq!(world.ask(PublicPlace::File(file_id), method).await, expected, "{public}");
            // One refusal for all that is not public, be it there or not.
            for place in [
                at(&private, &key_a),
                at(&private, &missing),
                at(&missing_bucket, &key_a),
                PublicPlace::File(private_file),
                PublicPlace::File(FileId::from_bytes([7; 16])),
            ] {
                assert_eq!(world.ask(place, method).await, Err(Refusal::Malformed), "{place:?}");
            }
        }
        for method in [Method::Put, Method::Post, Method::Patch, Method::Delete] {
            for place in [at(&name, &key_a), at(&name, &missing), PublicPlace::File(file_id)] {
                assert_eq!(world.ask(place, method).await, Err(Refusal::Malformed), "{method} {place:?}");
            }
        }
        let gone = if public { Refusal::ObjectGone } else { Refusal::Malformed };
        assert_eq!(world.ask(at(&name, &missing), Method::Get).await, Err(gone), "{public}");
        let read = world.service.public_object(&name, &key_a).await;
        assert_eq!(read.is_ok(), public, "{read:?}");
        assert!(public || matches!(read, Err(ServiceError::Unauthenticated)));
        let read = world.service.public_object(&missing_bucket, &key_a).await;
        assert!(matches!(read, Err(ServiceError::Unauthenticated)), "{read:?}");
    }
    // What is deleted is gone, by either name.
    world.service.delete_object(&world.principal("app"), &name, &key_a).await.unwrap();
    assert_eq!(world.ask(at(&name, &key_a), Method::Get).await, Err(Refusal::ObjectGone));
    assert!(world.ask(PublicPlace::File(file_id), Method::Get).await.is_err());
    world.put("a", b"another").await;
    assert!(world.ask(PublicPlace::File(file_id), Method::Get).await.is_err(), "another incarnation");
    assert_eq!(world.ask(at(&name, &key_a), Method::Get).await, Ok(b"another".to_vec()));
}
