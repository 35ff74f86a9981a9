//! The rows.

use serde::{Deserialize, Serialize};
use valetkey_model::{
    ApiKeyId, BlobId, BucketName, FileId, LinkId, ObjectKey, Region, Retention, Scopes, SecretDigest, SigningKeyId, TenantName,
    Terms, Timestamp, UploadId,
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
    /// When it was made.
    pub created_at: Timestamp,
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
    /// Its generation.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its media type; `None` where the uploader named none.
    pub content_type: Option<String>,
    /// The name to save it under, where the uploader named one.
    pub file_name: Option<String>,
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

/// A URL taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRow {
    /// Whose URL it was.
    pub tenant: TenantName,
    /// The URL's handle.
    pub link_id: LinkId,
    /// When it was taken back.
    pub revoked_at: Timestamp,
    /// From when on it need not be remembered: the URL would not have lived longer.
    pub forget_at: Timestamp,
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

/// An upload in parts that is under way.
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
    /// The API key that began it.
    pub created_by: ApiKeyId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it is thrown away.
    pub expires_at: Timestamp,
}

/// One part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// The upload it belongs to.
    pub upload: UploadId,
    /// Its number, from 1.
    pub number: u32,
    /// Its bytes.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// MD5 of its bytes.
    pub md5: [u8; 16],
}
