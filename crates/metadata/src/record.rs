//! The rows.

use serde::{Deserialize, Serialize};
use valetkey_model::{
    ApiKeyId, BlobId, BucketName, FileId, FileNumber, LinkId, ObjectKey, Permission, Region, Retention, Scope, Scopes,
    SecretDigest, SigningKeyId, TenantName, Terms, Timestamp, UploadId,
};

/// Who owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// Unique in the installation.
    pub name: TenantName,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Unique in the installation.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: TenantName,
    /// SHA-256 of its secret.
    pub secret: SecretDigest,
    /// SHA-256 of a fixed bearer value, where one is configured.
    pub bearer: Option<SecretDigest>,
    /// What it may do.
    pub scopes: Scopes,
    /// The only buckets it may use; empty is every bucket of its tenant.
    pub buckets: Vec<BucketName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
    /// Since when it is switched off for good. The row stays, so that nobody else gets its id.
    pub deleted_at: Option<Timestamp>,
}

impl ApiKeyRow {
    /// Whether it works at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.disabled_at.is_none_or(|at| now < at) && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether it administers its tenant at `now`: it has the scope and is not limited to some buckets.
    pub fn is_administrator(&self, now: Timestamp) -> bool {
        self.is_live(now) && self.scopes.has(Scope::Admin) && self.buckets.is_empty()
    }
}

/// What is to become of an API key; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// What it may do.
    pub scopes: Option<Scopes>,
    /// The only buckets it may use.
    pub buckets: Option<Vec<BucketName>>,
    /// When it stops working by itself, or that it does not.
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
    /// SHA-256 of another secret.
    pub secret: Option<SecretDigest>,
    /// Whether it is switched off for good.
    pub deleted: bool,
}

impl ApiKeyChange {
    /// The row as it is after the change.
    pub(crate) fn applied(self, row: ApiKeyRow, now: Timestamp) -> ApiKeyRow {
        let disabled = self.deleted || self.disabled.unwrap_or(row.disabled_at.is_some());
        ApiKeyRow {
            scopes: self.scopes.unwrap_or(row.scopes),
            buckets: self.buckets.unwrap_or(row.buckets),
            expires_at: self.expires_at.unwrap_or(row.expires_at),
            disabled_at: disabled.then(|| row.disabled_at.unwrap_or(now)),
            secret: self.secret.unwrap_or(row.secret),
            deleted_at: self.deleted.then_some(now),
            ..row
        }
    }
}

/// Whether a signing key signs, verifies, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningKeyState {
    /// Signs and verifies.
    Active,
    /// Verifies what it has signed.
    VerifyOnly,
    /// Neither, for good.
    Revoked,
}

impl SigningKeyState {
    /// `active`, `verify-only` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::VerifyOnly, Self::Revoked].into_iter().find(|state| state.as_str() == name)
    }
}

/// A signing key, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// `kid`, unique in the installation.
    pub id: SigningKeyId,
    /// Whose it is.
    pub tenant: TenantName,
    /// `HS256`.
    pub algorithm: String,
    /// The secret, sealed under the master key.
    pub sealed_secret: Vec<u8>,
    /// Whether it signs, verifies, or neither.
    pub state: SigningKeyState,
    /// The API key that owns it; `None` is the server.
    pub owner: Option<ApiKeyId>,
    /// The longest lifetime of a token, in seconds.
    pub max_lifetime_seconds: u64,
    /// What else it may not sign.
    pub limits: SigningKeyLimits,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a signing key is limited to. A limit that is not known here makes the row unreadable: to ignore it would widen the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningKeyLimits {
    /// The only buckets; `None` is any of the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<BucketName>>,
    /// The only beginnings of object keys, each of whole segments and ending in `/`; `None` is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
    /// The most that a URL may permit; `None` is everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRow {
    /// Unique in the installation.
    pub name: BucketName,
    /// Whose it is.
    pub tenant: TenantName,
    /// Where it is said to be.
    pub region: Region,
    /// How long it keeps its objects.
    pub retention: Retention,
    /// Whether any authenticated principal may read it.
    pub public: bool,
    /// The API key that made it.
    pub created_by: Option<ApiKeyId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An object: the present generation of an incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// The bucket it is in.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its incarnation.
    pub file_id: FileId,
    /// The incarnation's number.
    pub file_number: FileNumber,
    /// Its generation.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its media type; `None` where the uploader named none.
    pub content_type: Option<String>,
    /// The name to save it under, where the uploader named one.
    pub file_name: Option<String>,
    /// What the uploader wrote down with it: text that nothing here reads.
    pub user_metadata: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// SHA-1 of its bytes, once it was needed.
    pub sha1: Option<[u8; 20]>,
    /// MD5 of its bytes, once it was needed.
    pub md5: Option<[u8; 16]>,
    /// When the incarnation began.
    pub created_at: Timestamp,
    /// When the generation was published.
    pub modified_at: Timestamp,
    /// When the bucket's retention ends it.
    pub expires_at: Option<Timestamp>,
}

/// A file whose ids are told before its bytes are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationRow {
    /// The incarnation that will be; unique among objects and reservations.
    pub file_id: FileId,
    /// Its number; unique among objects and reservations.
    pub file_number: FileNumber,
    /// Whose it is.
    pub tenant: TenantName,
    /// The bucket its bytes go to.
    pub bucket: BucketName,
    /// The object key its bytes go to.
    pub key: ObjectKey,
    /// The name to save it under, as it was given.
    pub name: String,
    /// Its media type, where one was given.
    pub content_type: Option<String>,
    /// Whether its bytes are provisional until they are confirmed.
    pub needs_confirmation: bool,
    /// The API key that made it.
    pub created_by: ApiKeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, and provisional bytes with it.
    pub expires_at: Timestamp,
}

/// An issued URL in link form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// Its public handle.
    pub link_id: LinkId,
    /// Whose it is.
    pub tenant: TenantName,
    /// SHA-256 of its secret; unique.
    pub secret: SecretDigest,
    /// The bucket it is for.
    pub bucket: BucketName,
    /// The object key it is for.
    pub key: ObjectKey,
    /// The incarnation it is bound to; `None` for a URL that is to create one.
    pub file_id: Option<FileId>,
    /// What it permits.
    pub terms: Terms,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it works.
    pub not_before: Option<Timestamp>,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// A limited grant, as the ledger names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantKey {
    /// Whose URL it is.
    pub tenant: TenantName,
    /// The signing key of a token; `None` for the link form.
    pub signing_key: Option<SigningKeyId>,
    /// The URL's handle.
    pub link_id: LinkId,
}

/// Under which a call is known that is to be done once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotentCallKey {
    /// Whose call it is.
    pub tenant: TenantName,
    /// The API key that made it.
    pub api_key: ApiKeyId,
    /// SHA-256 of what the caller named it by.
    pub digest: SecretDigest,
}

/// A call that is to be done once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentCallRow {
    /// Under which it is known.
    pub key: IdempotentCallKey,
    /// SHA-256 of what was asked.
    pub request: SecretDigest,
    /// When it was first begun.
    pub began_at: Timestamp,
    /// Until when it is remembered.
    pub forget_at: Timestamp,
    /// The answer, sealed under the master key; `None` until there is one.
    pub answer: Option<Vec<u8>>,
}

/// How much is remembered of a tenant's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentCalls {
    /// Whose they are.
    pub tenant: TenantName,
    /// How many calls.
    pub n_calls: u64,
    /// How many bytes their answers have, sealed.
    pub n_bytes: u64,
}

/// An upload of several pieces that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub tenant: TenantName,
    /// The bucket it is for.
    pub bucket: BucketName,
    /// The object key it is for.
    pub key: ObjectKey,
    /// The API key that began it, or that issued the URL by which it was begun; `None` if no API key stands behind that.
    pub created_by: Option<ApiKeyId>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it is thrown away.
    pub expires_at: Timestamp,
    /// How its pieces lie in it.
    pub layout: UploadLayout,
}

/// How the pieces of an upload lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadLayout {
    /// By their numbers, from 1; nobody says how long each is.
    Parts,
    /// By the bytes they are of a whole.
    Ranges(UploadRanges),
}

/// An upload in ranges of bytes, as its client began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRanges {
    /// SHA-256 of what the client calls it and of who that is; unique.
    pub name: SecretDigest,
    /// SHA-256 of what the URL is known by that it was begun with; `None` without one. Of uploads with the same, the
    /// [`MAX_UPLOADS_OF_URL`](crate::MAX_UPLOADS_OF_URL) that were last sent to are kept.
    pub holder: Option<SecretDigest>,
    /// The length of the whole; `None` until the client has told it.
    pub total_bytes: Option<u64>,
    /// Its media type, where the client told it at the beginning.
    pub content_type: Option<String>,
    /// The name to save it under, likewise.
    pub file_name: Option<String>,
    /// The generation that it has become, once it is complete. It is remembered for [`COMPLETED_KEPT`](crate::COMPLETED_KEPT), without
    /// its pieces.
    pub completed_as: Option<BlobId>,
}

/// One piece of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceRow {
    /// The upload it belongs to.
    pub upload: UploadId,
    /// The number of a part, from 1; the first byte of a range, from 0.
    pub position: u64,
    /// Its bytes.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// MD5 of its bytes, of parts.
    pub md5: Option<[u8; 16]>,
}

/// An upload, and how much of it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadEntry {
    /// The upload.
    pub upload: UploadRow,
    /// How many pieces were received.
    pub n_pieces: u64,
    /// How many bytes they have.
    pub received_bytes: u64,
}

/// A place in a listing of uploads: the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadCursor {
    /// When that one was begun.
    pub created_at: Timestamp,
    /// Its id.
    pub id: UploadId,
}

/// What became of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangePut {
    /// It is recorded.
    Kept {
        /// How many bytes of the upload are there now.
        received_bytes: u64,
    },
    /// It is not: some of its bytes are there already.
    Overlaps,
    /// It is not: the upload was said to have another length.
    OtherTotal {
        /// Which.
        total_bytes: u64,
    },
    /// It is not: the upload has [`MAX_PIECES`](crate::MAX_PIECES) already.
    TooMany,
}
