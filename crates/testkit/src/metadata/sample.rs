//! Rows for trials: plain ones, to be changed where a behaviour is about it.

use super::{Trial, name};
use std::num::NonZeroU32;
use std::time::Duration;
use valetkey_metadata::ledger::{Ask, NodeRun, Rules};
use valetkey_metadata::{
    ApiKeyRow, BucketRow, GrantKey, Guard, IdempotentCallKey, IdempotentCallRow, LinkRow, MetadataStore, PieceRow, Publication,
    PublishCondition, Published, ReservationRow, RevocationRow, SigningKeyLimits, SigningKeyRow, SigningKeyState, Spend, Taken,
    TenantRow, UploadLayout, UploadRanges, UploadRow,
};
use valetkey_model::{
    BlobId, Clock as _, Entropy as _, FileId, FileNumber, LinkId, Permission, PutMode, Region, Retention, Scopes, SecretDigest,
    SessionId, Terms, Timestamp, UploadId,
};

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Trial {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// In a day.
    pub(super) fn tomorrow(&self) -> Timestamp {
        self.now().plus(DAY)
    }

    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    pub(super) fn digest(&self) -> SecretDigest {
        SecretDigest::from_bytes(self.random())
    }

    pub(super) fn blob(&self) -> BlobId {
        BlobId::new(self.now(), &self.entropy)
    }

    pub(super) fn file_id(&self) -> FileId {
        FileId::random(&self.entropy)
    }

    pub(super) fn link_id(&self) -> LinkId {
        LinkId::random(&self.entropy)
    }

    pub(super) fn tenant(&self, tenant: &str) -> TenantRow {
        TenantRow { name: name(tenant), created_at: self.now() }
    }

    pub(super) fn api_key(&self, id: &str, tenant: &str) -> ApiKeyRow {
        ApiKeyRow {
            id: name(id),
            tenant: name(tenant),
            secret: self.digest(),
            bearer: None,
            scopes: Scopes::ALL_BUT_ADMIN,
            buckets: Vec::new(),
            created_at: self.now(),
            expires_at: None,
            disabled_at: None,
            deleted_at: None,
        }
    }

    pub(super) fn signing_key(&self, id: &str, tenant: &str) -> SigningKeyRow {
        SigningKeyRow {
            id: name(id),
            tenant: name(tenant),
            algorithm: "HS256".to_owned(),
            sealed_secret: self.random::<60>().to_vec(),
            state: SigningKeyState::Active,
            owner: None,
            max_lifetime_seconds: 604_800,
            limits: SigningKeyLimits::default(),
            created_at: self.now(),
        }
    }

    pub(super) fn bucket(&self, bucket: &str, tenant: &str) -> BucketRow {
        BucketRow {
            name: name(bucket),
            tenant: name(tenant),
            region: Region::default(),
            retention: Retention::Persistent,
            public: false,
            created_by: None,
            created_at: self.now(),
        }
    }

    /// Bytes for `key` in the bucket `reports`, by the API key `cid`, replacing what is there.
    pub(super) fn publication(&self, key: &str) -> Publication {
        let new_file_id = self.file_id();
        Publication {
            bucket: name("reports"),
            key: name(key),
            new_file_id,
            new_file_number: number_of(new_file_id),
            blob: self.blob(),
            size_bytes: 1_000,
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            file_name: None,
            user_metadata: None,
            sha256: self.random(),
            sha1: None,
            md5: None,
            now: self.now(),
            expires_at: None,
            condition: PublishCondition { mode: PutMode::Replace, absent: false, replaces: None, incarnation: None },
            guard: Guard { tenant: name("acme"), url: None, api_key: Some(name("cid")) },
            spend: None,
            completes: None,
        }
    }

    pub(super) fn creation(&self, key: &str) -> Publication {
        let condition = PublishCondition { mode: PutMode::Create, absent: false, replaces: None, incarnation: None };
        Publication { condition, ..self.publication(key) }
    }

    pub(super) fn spend(&self, uses: u32) -> Spend {
        Spend { grant: self.grant(), uses: NonZeroU32::new(uses).unwrap(), forget_at: self.tomorrow() }
    }

    pub(super) fn link(&self, key: &str) -> LinkRow {
        LinkRow {
            link_id: self.link_id(),
            tenant: name("acme"),
            secret: self.digest(),
            bucket: name("reports"),
            key: name(key),
            file_id: None,
            terms: Terms::new(Permission::Read),
            issued_at: self.now(),
            not_before: None,
            expires_at: self.tomorrow(),
        }
    }

    pub(super) fn idempotent_call(&self, tenant: &str, api_key: &str) -> IdempotentCallRow {
        IdempotentCallRow {
            key: IdempotentCallKey { tenant: name(tenant), api_key: name(api_key), digest: self.digest() },
            request: self.digest(),
            began_at: self.now(),
            forget_at: self.tomorrow(),
            answer: None,
        }
    }

    pub(super) fn revocation(&self, link_id: LinkId) -> RevocationRow {
        RevocationRow { issued_until: Timestamp::MAX, ..self.broad_revocation(Taken::Link(link_id)) }
    }

    /// Of what was issued until now.
    pub(super) fn broad_revocation(&self, taken: Taken) -> RevocationRow {
        let (revoked_at, forget_at) = (self.now(), self.tomorrow());
        RevocationRow { tenant: name("acme"), taken, issued_until: self.now(), revoked_at, forget_at }
    }

    pub(super) fn grant(&self) -> GrantKey {
        GrantKey { tenant: name("acme"), signing_key: None, link_id: self.link_id() }
    }

    /// A stranger's whole GET of 1,000 bytes under a grant of one use.
    pub(super) fn ask(&self) -> Ask {
        Ask {
            now: self.now(),
            node: NodeRun(1),
            other_nodes: Vec::new(),
            rules: Rules::new(NonZeroU32::MIN),
            secret: None,
            client: self.digest(),
            past_expiry: false,
            may_wait: false,
            generation: BlobId::from_bytes([1; 16]),
            size_bytes: 1_000,
            wanted: std::iter::once(0..1_000).collect(),
            new_session: SessionId::random(&self.entropy),
            new_secret: self.digest(),
        }
    }

    /// A place for a file in the bucket `reports`, by the API key `cid`, until tomorrow.
    pub(super) fn reservation(&self, key: &str) -> ReservationRow {
        let file_id = self.file_id();
        ReservationRow {
            file_id,
            file_number: number_of(file_id),
            tenant: name("acme"),
            bucket: name("reports"),
            key: name(key),
            name: format!("{key}.bin"),
            content_type: None,
            needs_confirmation: false,
            created_by: name("cid"),
            created_at: self.now(),
            expires_at: self.tomorrow(),
        }
    }

    pub(super) fn upload(&self, key: &str) -> UploadRow {
        UploadRow {
            id: UploadId::random(&self.entropy),
            tenant: name("acme"),
            bucket: name("reports"),
            key: name(key),
            created_by: Some(name("cid")),
            created_at: self.now(),
            expires_at: self.tomorrow(),
            layout: UploadLayout::Parts,
        }
    }

    pub(super) fn part(&self, upload: &UploadRow, number: u32) -> PieceRow {
        let (blob, md5) = (self.blob(), Some(self.random()));
        PieceRow { upload: upload.id, position: number.into(), blob, size_bytes: 5 << 20, md5 }
    }

    /// An upload in ranges whose length is not known.
    pub(super) fn upload_in_ranges(&self, key: &str) -> UploadRow {
        let ranges = UploadRanges {
            name: self.digest(),
            holder: None,
            total_bytes: None,
            content_type: None,
            file_name: None,
            completed_as: None,
        };
        UploadRow { layout: UploadLayout::Ranges(ranges), ..self.upload(key) }
    }

    pub(super) fn range(&self, upload: &UploadRow, range: std::ops::Range<u64>) -> PieceRow {
        let size_bytes = range.end - range.start;
        PieceRow { upload: upload.id, position: range.start, blob: self.blob(), size_bytes, md5: None }
    }

    /// Publishes bytes under `key`.
    pub(super) async fn published(&self, store: &dyn MetadataStore, key: &str) -> Published {
        store.publish(self.publication(key)).await.unwrap()
    }
}

/// A number that goes with an id: trials that draw nothing for it stay what they were before files had numbers.
pub(super) fn number_of(file: FileId) -> FileNumber {
    let number = file.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    FileNumber::new(number >> 11).unwrap_or(FileNumber::MAX)
}
