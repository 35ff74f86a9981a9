//! Issued URLs as their owner sees them, and what takes them back.

use crate::LinkRow;
use crate::ledger::Ledger;
use std::num::NonZeroU32;
use valetkey_model::{ApiKeyId, BucketName, LinkId, ObjectKey, Permission, SigningKeyId, TenantName, Timestamp};

/// A URL of either form, without what makes it a credential: one that was issued here, or that was signed elsewhere and used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlRow {
    /// Whose it is.
    pub tenant: TenantName,
    /// Its public handle; unique within the tenant.
    pub link_id: LinkId,
    /// The key that signed it; `None` for the link form.
    pub signing_key: Option<SigningKeyId>,
    /// The bucket it is for.
    pub bucket: BucketName,
    /// What of the bucket it is for.
    pub target: UrlTarget,
    /// What it permits.
    pub permission: Permission,
    /// How often it may be used; `None` is without limit.
    pub uses: Option<NonZeroU32>,
    /// Its owner's word for a set of URLs.
    pub label: Option<String>,
    /// The API key that issued it.
    pub issuer: Option<ApiKeyId>,
    /// When it was issued, in whole seconds.
    pub issued_at: Timestamp,
    /// From when on it works.
    pub not_before: Option<Timestamp>,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// How many requests with it were answered with, or took, bytes; some of the last two seconds' may be missing.
    pub n_requests: u64,
    /// When the last of them came.
    pub last_used_at: Option<Timestamp>,
}

impl UrlRow {
    /// What is known of a link beside its secret.
    pub fn of_link(link: &LinkRow) -> Self {
        Self {
            tenant: link.tenant.clone(),
            link_id: link.link_id,
            signing_key: None,
            bucket: link.bucket.clone(),
            target: UrlTarget::Object(link.key.clone()),
            permission: link.terms.permission,
            uses: link.terms.uses,
            label: link.terms.label.clone(),
            issuer: link.terms.issuer.clone(),
            issued_at: link.issued_at,
            not_before: link.not_before,
            expires_at: link.expires_at,
            n_requests: 0,
            last_used_at: None,
        }
    }
}

/// What of its bucket a URL is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlTarget {
    /// One object.
    Object(ObjectKey),
    /// Every object whose key begins with this, which ends in `/` or is empty.
    Prefix(String),
}

impl UrlTarget {
    /// The key or prefix as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Object(key) => key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A URL with the state of its uses.
#[derive(Clone, Debug, PartialEq)]
pub struct UrlEntry {
    /// The URL.
    pub url: UrlRow,
    /// The ledger of its uses; `None` before the first, and for one without limit.
    pub ledger: Option<Ledger>,
    /// Its place in listings.
    pub cursor: UrlCursor,
}

/// A place in a listing of URLs: good for the same question only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlCursor {
    /// When the URL was issued.
    pub issued_at: Timestamp,
    /// Its number: the later, the higher.
    pub number: i64,
    /// Its object key or prefix.
    pub target: String,
}

/// Which URLs are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlsOf {
    /// All of the tenant; the newest first.
    Tenant,
    /// Those with this label; the newest first.
    Label(String),
    /// Those for this bucket, by object key or prefix; then the oldest first.
    Bucket(BucketName),
    /// Those for this object, and no prefix; the newest first.
    Object(BucketName, ObjectKey),
}

/// The uses of one URL in a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTouch {
    /// Whose URL it is.
    pub tenant: TenantName,
    /// The URL.
    pub link_id: LinkId,
    /// When it was used last.
    pub used_at: Timestamp,
    /// How often it was used.
    pub n_requests: u64,
    /// The row to be made if there is none: for a URL that may have been signed elsewhere.
    pub row: Option<UrlRow>,
}

/// What a revocation hits: of its tenant's URLs, and of no other's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Taken {
    /// The URL with this handle, whenever it was issued.
    Link(LinkId),
    /// Those with this label.
    Label(String),
    /// Those used for this object.
    Object {
        /// The bucket.
        bucket: BucketName,
        /// The object key.
        key: ObjectKey,
    },
    /// Those used for an object whose key begins with this.
    Prefix {
        /// The bucket.
        bucket: BucketName,
        /// Whole segments, the last one's `/` included; empty is the whole bucket.
        prefix: String,
    },
    /// Those that this API key issued, signed or not.
    ApiKey(ApiKeyId),
    /// Those that this key signed.
    SigningKey(SigningKeyId),
    /// All.
    Tenant,
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRow {
    /// Whose URLs it hits.
    pub tenant: TenantName,
    /// Which of them.
    pub taken: Taken,
    /// Those issued until this instant, itself included; [`Timestamp::MAX`] for [`Taken::Link`].
    pub issued_until: Timestamp,
    /// When it was made first.
    pub revoked_at: Timestamp,
    /// From when on it need not be remembered: none of the URLs would have lived longer.
    pub forget_at: Timestamp,
}

/// What of a URL a revocation can name, beside its place, its tenant and its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlMarks {
    /// Its handle.
    pub link_id: LinkId,
    /// The key that signed it; `None` for the link form.
    pub signing_key: Option<SigningKeyId>,
    /// Its label.
    pub label: Option<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
}

impl UrlMarks {
    /// A URL in link form, without a label.
    pub fn of_link(link_id: LinkId, issued_at: Timestamp) -> Self {
        Self { link_id, signing_key: None, label: None, issued_at }
    }
}

/// The prefixes that an object key begins with, of whole segments: the longest last, the empty one first.
pub fn prefixes_of(key: &str) -> impl Iterator<Item = &str> {
    let slashes = key.match_indices('/').filter_map(|(at, _)| key.get(..=at));
    std::iter::once("").chain(slashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let check = |key: &str, expected: &[&str]| assert!(prefixes_of(key).eq(expected.iter().copied()), "{key}");
        check("a", &[""]);
        check("a/b/c", &["", "a/", "a/b/"]);
        check("a/", &["", "a/"]);
        check("//ü/x", &["", "/", "//", "//ü/"]);
    }
}
