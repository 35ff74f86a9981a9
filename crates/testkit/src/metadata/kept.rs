//! What databases of every schema version hold, so that a test can tell whether all of it is still read.

use super::sample::DAY;
use super::{MetadataBackend, Trial, name};
use crate::{FixedClock, SeededEntropy};
use std::num::NonZeroU32;
use valetkey_metadata::{
    ApiKeyRow, AuditChain, AuditEntry, BucketRow, FileRef, FilesQuery, GrantKey, IdempotentCallKey, IdempotentCallRow, LinkRow,
    Personal, PieceRow, Publication, ReservationRow, RevocationRow, SigningKeyRow, Taken, TenantRow, UploadRow, UrlRow,
    UrlTarget,
};
use valetkey_model::{Action, FileId, FileNumber, LinkId, Permission, Retention, SecretDigest, Terms};

/// The version since which there is an audit.
const AUDIT: &str = "20261121T1640_audit";

/// The version since which there are reservations.
const FILES: &str = "20261121T1300_files";
/// The version since which there are idempotent calls.
const IDEMPOTENCY: &str = "20261121T1630_idempotency";
/// The version since which URLs in token form are recorded, and revocations of more than one URL.
const URLS: &str = "20261121T1600_urls";

/// The version since which objects have what their uploaders wrote down.
const USER_METADATA: &str = "20261121T2230_files_listed";

/// The same rows each time.
struct Kept {
    tenant: TenantRow,
    api_key: ApiKeyRow,
    signing_key: SigningKeyRow,
    bucket: BucketRow,
    replaced: Publication,
    current: Publication,
    link: LinkRow,
    url: UrlRow,
    broad_revocation: RevocationRow,
    revocation: RevocationRow,
    grant: GrantKey,
    upload: UploadRow,
    upload_secret: SecretDigest,
    part: PieceRow,
    reservation: ReservationRow,
    call: IdempotentCallRow,
}

impl Kept {
    fn new(trial: &Trial) -> Self {
        let upload = trial.upload("begun/ü");
        let terms = Terms {
            uses: NonZeroU32::new(3),
            label: Some("Q3".to_owned()),
            addresses: vec!["192.0.2.0/24".parse().unwrap()],
            issuer: Some(name("cid")),
            ..Terms::new(Permission::Read)
        };
        Self {
            tenant: trial.tenant("acme"),
            api_key: ApiKeyRow {
                bearer: Some(trial.digest()),
                buckets: vec![name("reports")],
                expires_at: Some(trial.tomorrow()),
                ..trial.api_key("cid", "acme")
            },
            signing_key: SigningKeyRow { owner: Some(name("cid")), ..trial.signing_key("app-1", "acme") },
            bucket: BucketRow {
                retention: Retention::Temporary,
                created_by: Some(name("cid")),
                ..trial.bucket("reports", "acme")
            },
            replaced: trial.publication("q3/ü.pdf"),
            current: Publication {
                file_name: Some("Bericht.pdf".to_owned()),
                user_metadata: Some("{}".to_owned()),
                sha1: Some(trial.random()),
                md5: Some(trial.random()),
                expires_at: Some(trial.tomorrow()),
                ..trial.publication("q3/ü.pdf")
            },
            link: LinkRow { file_id: Some(trial.file_id()), terms, not_before: Some(trial.now()), ..trial.link("q3/ü.pdf") },
            url: UrlRow {
                tenant: name("acme"),
                link_id: LinkId::from_bytes([16; 16]),
                signing_key: Some(name("app-1")),
                bucket: name("reports"),
                target: UrlTarget::Prefix("q3/ü/".to_owned()),
                permission: Permission::Read,
                uses: None,
                label: Some("Q3".to_owned()),
                issuer: Some(name("cid")),
                issued_at: trial.now(),
                not_before: Some(trial.now()),
                expires_at: trial.tomorrow(),
                n_requests: 7,
                last_used_at: Some(trial.tomorrow()),
            },
            broad_revocation: RevocationRow {
                forget_at: trial.tomorrow().plus(DAY),
                ..trial.broad_revocation(Taken::Prefix { bucket: name("reports"), prefix: "q3/ü/".to_owned() })
            },
            revocation: trial.revocation(trial.link_id()),
            grant: GrantKey { signing_key: Some(name("app-1")), ..trial.grant() },
            upload_secret: trial.digest(),
            part: trial.part(&upload, 7),
            upload,
            reservation: ReservationRow {
                file_id: FileId::from_bytes([14; 16]),
                file_number: FileNumber::MAX,
                name: "Scan ü.png".to_owned(),
                content_type: Some("image/png".to_owned()),
                needs_confirmation: true,
                expires_at: trial.tomorrow().plus(DAY),
                ..trial.reservation("reserved/ü")
            },
            call: IdempotentCallRow {
                key: IdempotentCallKey { tenant: name("acme"), api_key: name("cid"), digest: SecretDigest::from_bytes([15; 32]) },
                request: SecretDigest::from_bytes([16; 32]),
                began_at: trial.now(),
                forget_at: trial.tomorrow().plus(DAY),
                answer: Some(vec![17, 0, 18]),
            },
        }
    }
}

fn trial(backend: impl MetadataBackend + 'static) -> Trial {
    Trial { backend: Box::new(backend), clock: FixedClock::default(), entropy: SeededEntropy::new(20_261_121) }
}

fn entry() -> AuditEntry {
    AuditEntry::new(Some(name("acme")), Action::UrlRevoke)
}

fn address() -> Personal {
    Personal { salt: [9; 16], value: "192.0.2.1".to_owned() }
}

/// Writes rows of every kind to an empty store.
pub async fn write(backend: impl MetadataBackend + 'static) {
    let trial = trial(backend);
    let (kept, store) = (Kept::new(&trial), trial.open().await);
    store.create_tenant(kept.tenant).await.unwrap();
    store.create_api_key(kept.api_key).await.unwrap();
    store.create_signing_key(kept.signing_key).await.unwrap();
    store.create_bucket(kept.bucket).await.unwrap();
    store.publish(kept.replaced).await.unwrap();
    store.publish(kept.current).await.unwrap();
    store.create_links(vec![kept.link]).await.unwrap();
    store.create_urls(vec![kept.url], Vec::new()).await.unwrap();
    let Taken::Link(link_id) = kept.revocation.taken else { unreachable!("a single URL is taken back") };
    let revoked = AuditEntry { link_id: Some(link_id), address: Some(address()), ..entry() };
    store.recording(vec![revoked]).revoke(vec![kept.revocation, kept.broad_revocation]).await.unwrap();
    store.reserve(&kept.grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap();
    store.create_upload(kept.upload.clone()).await.unwrap();
    store.create_upload_secret(&kept.upload.id, kept.upload_secret, trial.tomorrow()).await.unwrap();
    store.put_part(kept.part, trial.now()).await.unwrap();
    store.reserve_file(kept.reservation).await.unwrap();
    assert_eq!(store.begin_idempotent(kept.call).await.unwrap(), None);
}

/// Asserts that all are there that a database of this schema version has room for, and that the store goes on with them.
pub async fn assert_there(backend: impl MetadataBackend + 'static, version: &str) {
    let trial = trial(backend);
    let (kept, store) = (Kept::new(&trial), trial.open().await);
    assert_eq!(store.tenants().await.unwrap(), [kept.tenant]);
    assert_eq!(store.api_keys().await.unwrap(), [kept.api_key]);
    assert_eq!(store.signing_keys().await.unwrap(), [kept.signing_key]);
    assert_eq!(store.bucket(&kept.bucket.name).await.unwrap(), Some(kept.bucket));
    let object = store.object(&kept.current.bucket, &kept.current.key).await.unwrap().unwrap();
    assert_eq!((object.file_id, object.blob), (kept.replaced.new_file_id, kept.current.blob));
    assert_eq!((object.sha256, object.sha1, object.md5), (kept.current.sha256, kept.current.sha1, kept.current.md5));
    assert_eq!((object.file_name, object.expires_at), (kept.current.file_name, kept.current.expires_at));
    assert_eq!(object.user_metadata, kept.current.user_metadata.filter(|_| version >= USER_METADATA));
    let by_number = store.file(FileRef::Number(object.file_number)).await.unwrap();
    assert_eq!(by_number.object.map(|object| object.file_id), Some(object.file_id));
    let reservation = Some(kept.reservation.clone()).filter(|_| version >= FILES);
    assert_eq!(store.reservation(&kept.reservation.bucket, &kept.reservation.key).await.unwrap(), reservation);
    let query = FilesQuery { with_pending: true, oldest_first: false, after: None, skip: 0, limit: 10 };
    let listed = store.files(&kept.reservation.bucket, query, trial.now()).await.unwrap().files;
    assert_eq!(listed.len(), 1 + usize::from(version >= FILES));
    assert_eq!(store.doomed_blobs(trial.now(), 10).await.unwrap(), [kept.replaced.blob]);
    let url = store.url(&kept.link.tenant, &kept.link.link_id).await.unwrap().map(|entry| entry.url);
    assert_eq!(url, Some(UrlRow::of_link(&kept.link)), "an older schema's, too");
    let url = store.url(&kept.url.tenant, &kept.url.link_id).await.unwrap().map(|entry| entry.url);
    assert_eq!(url, Some(kept.url).filter(|_| version >= URLS));
    assert_eq!(store.link_by_secret(&kept.link.secret).await.unwrap(), Some(kept.link));
    let mut revocations = vec![kept.revocation];
    revocations.extend(Some(kept.broad_revocation).filter(|_| version >= URLS));
    assert_eq!(store.revocations(trial.now(), None, 1_000).await.unwrap(), revocations);
    assert_eq!(store.ledger(&kept.grant).await.unwrap().unwrap().n_open(), 1);
    let chain = AuditChain::of(Some(&name("acme")));
    store.recording(vec![entry()]).revoke(Vec::new()).await.unwrap();
    let rows = store.audit_stretch(&chain, 0, 10).await.unwrap().rows;
    assert_eq!(rows.len(), if version >= AUDIT { 2 } else { 1 });
    assert_eq!(rows[0].personal.get("address"), Some(address()).filter(|_| version >= AUDIT).as_ref());
    let upload = Some((kept.upload.clone(), trial.tomorrow()));
    assert_eq!(store.upload_by_secret(&kept.upload_secret).await.unwrap(), upload);
    assert_eq!(store.upload(&kept.upload.id).await.unwrap(), Some((kept.upload, vec![kept.part])));
    let call = Some(kept.call.clone()).filter(|_| version >= IDEMPOTENCY);
    assert_eq!(store.begin_idempotent(kept.call).await.unwrap(), call);
    assert_eq!(store.time_floor().await.unwrap(), Some(trial.now()));
    assert_eq!(store.sweep_uploads(trial.tomorrow(), 100).await.unwrap(), 1);
    assert_eq!(store.sweep(trial.tomorrow(), 100).await.unwrap().n_rows, 2);
    trial.published(&*store, "q4").await;
}
