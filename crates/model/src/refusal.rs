//! Why a presented URL does not work: one table, one order.

use std::fmt;

/// Why a presented URL, or the upload made with it, is refused.
///
/// The variants stand in the order in which they are checked. A dialect maps each to its vendor's status and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// The token cannot be read.
    Malformed,
    /// More than one credential was presented.
    Ambiguous,
    /// No signing key has the token's `kid`.
    UnknownKey,
    /// The signature does not match, or the signer may not speak for this bucket.
    BadSignature,
    /// No live link has this secret.
    UnknownLink,
    /// Not valid yet.
    NotYetValid,
    /// Not valid any more.
    Expired,
    /// The grant is for another path.
    WrongPath,
    /// The grant is not for this method.
    WrongMethod,
    /// The grant is not for this client address.
    WrongAddress,
    /// The issuing key may not do this now.
    IssuerDisabled,
    /// Taken back.
    Revoked,
    /// The object does not exist (any more).
    ObjectGone,
    /// Every use is spent.
    UsedUp,
    /// Every use that is left is held by somebody else at present.
    InUse,
    /// A prefetch of a limited URL.
    Prefetch,
    /// The client asks too often.
    TooManyRequests,
    /// A store, or the knowledge of revocations, cannot be had at present.
    Unavailable,
    /// The upload is larger than the grant permits.
    TooLarge,
    /// The upload is smaller than the grant demands.
    TooSmall,
    /// The upload's media type is not one the grant permits.
    TypeNotAllowed,
    /// The upload's bytes do not have the digest demanded.
    DigestMismatch,
    /// There is an object already, or it is not the one expected.
    Exists,
    /// The upload came too slowly.
    TooSlow,
    /// The tenant's quota is used up.
    QuotaExceeded,
    /// The disk is full.
    NoSpace,
}

impl Refusal {
    /// All of them, in the order in which they are checked.
    pub const ALL: [Self; 26] = [
        Self::Malformed,
        Self::Ambiguous,
        Self::UnknownKey,
        Self::BadSignature,
        Self::UnknownLink,
        Self::NotYetValid,
        Self::Expired,
        Self::WrongPath,
        Self::WrongMethod,
        Self::WrongAddress,
        Self::IssuerDisabled,
        Self::Revoked,
        Self::ObjectGone,
        Self::UsedUp,
        Self::InUse,
        Self::Prefetch,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::TooLarge,
        Self::TooSmall,
        Self::TypeNotAllowed,
        Self::DigestMismatch,
        Self::Exists,
        Self::TooSlow,
        Self::QuotaExceeded,
        Self::NoSpace,
    ];

    /// The stable code, for logs, audit and owners.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Ambiguous => "ambiguous",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::UnknownLink => "unknown_link",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::WrongPath => "wrong_path",
            Self::WrongMethod => "wrong_method",
            Self::WrongAddress => "wrong_address",
            Self::IssuerDisabled => "issuer_disabled",
            Self::Revoked => "revoked",
            Self::ObjectGone => "object_gone",
            Self::UsedUp => "used_up",
            Self::InUse => "in_use",
            Self::Prefetch => "prefetch",
            Self::TooManyRequests => "too_many_requests",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::TooSmall => "too_small",
            Self::TypeNotAllowed => "type_not_allowed",
            Self::DigestMismatch => "digest_mismatch",
            Self::Exists => "exists",
            Self::TooSlow => "too_slow",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NoSpace => "no_space",
        }
    }

    /// The code the holder is told: forged tokens are told apart only to their owner.
    pub const fn told_as(self) -> &'static str {
        match self {
            Self::Malformed | Self::UnknownKey | Self::BadSignature => "invalid_signature",
            other => other.code(),
        }
    }

    /// The refusal with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    /// What the holder is told, as a sentence without a full stop.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed | Self::UnknownKey | Self::BadSignature => {
                "the URL is not one that was issued here, or it was changed"
            }
            Self::Ambiguous => "more than one credential was presented; send exactly one",
            Self::UnknownLink => "there is no such link",
            Self::NotYetValid => "the URL is not valid yet",
            Self::Expired => "the URL has expired",
            Self::WrongPath => "the URL is for another path",
            Self::WrongMethod => "the URL is not for this method",
            Self::WrongAddress => "the URL is not for this client address",
            Self::IssuerDisabled => "whoever issued the URL may not do this any more",
            Self::Revoked => "the URL was taken back",
            Self::ObjectGone => "the object does not exist any more",
            Self::UsedUp => "the URL has been used as often as it may be",
            Self::InUse => "the URL is being used by somebody else; try again later",
            Self::Prefetch => "the URL can be used a limited number of times and is not for prefetching",
            Self::TooManyRequests => "too many requests; try again later",
            Self::Unavailable => "the server cannot answer at present; try again later",
            Self::TooLarge => "the upload is larger than the URL permits",
            Self::TooSmall => "the upload is smaller than the URL demands",
            Self::TypeNotAllowed => "the URL does not permit uploads of this media type",
            Self::DigestMismatch => "the bytes received do not have the digest demanded",
            Self::Exists => "there is an object already, or it is not the one expected",
            Self::TooSlow => "the upload came too slowly",
            Self::QuotaExceeded => "there is no room left for this upload",
            Self::NoSpace => "the server's disk is full",
        }
    }

    /// The native API's status.
    pub const fn native_status(self) -> u16 {
        match self {
            Self::Ambiguous | Self::TooSmall | Self::DigestMismatch => 400,
            Self::Malformed
            | Self::UnknownKey
            | Self::BadSignature
            | Self::NotYetValid
            | Self::WrongPath
            | Self::WrongMethod
            | Self::WrongAddress
            | Self::IssuerDisabled
            | Self::Prefetch => 403,
            Self::UnknownLink | Self::ObjectGone => 404,
            Self::TooSlow => 408,
            Self::InUse => 409,
            Self::Expired | Self::Revoked | Self::UsedUp => 410,
            Self::Exists => 412,
            Self::TooLarge | Self::QuotaExceeded => 413,
            Self::TypeNotAllowed => 415,
            Self::TooManyRequests => 429,
            Self::Unavailable => 503,
            Self::NoSpace => 507,
        }
    }

    /// After how many seconds a further try can help, where one can.
    pub const fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Self::InUse | Self::Unavailable => Some(2),
            Self::TooManyRequests => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_parse_back() {
        for (position, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(Refusal::parse(refusal.code()), Some(refusal));
            assert!(Refusal::ALL[..position].iter().all(|earlier| earlier < &refusal && earlier.code() != refusal.code()));
        }
    }
}
