//! Why a key is not one, or why it does not sign these claims.

use crate::KeyState;
use std::time::Duration;
use valetkey_model::{SigningKeyId, TenantName};

/// Why a signing key cannot be made or does not sign. A retry never helps; other claims or another key may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The secret is too short to be a key.
    #[error("the secret of a signing key has {found_bytes} bytes, expected at least {minimum_bytes}")]
    WeakSecret {
        /// How long it is.
        found_bytes: usize,
        /// How long it must be.
        minimum_bytes: usize,
    },
    /// The limits given for a key are none.
    #[error("not a limit of a signing key: {reason}")]
    InvalidLimit {
        /// What was found and what was expected.
        reason: String,
    },
    /// Two keys of one ring have this `kid`.
    #[error("there is more than one signing key `{key_id}`")]
    DuplicateKeyId {
        /// The `kid`.
        key_id: SigningKeyId,
    },
    /// The key is not active.
    #[error("signing key `{key_id}` is {state}, and only an active one signs")]
    KeyNotActive {
        /// The `kid`.
        key_id: SigningKeyId,
        /// What it is instead.
        state: KeyState,
    },
    /// The key belongs to another tenant.
    #[error("the claims are of tenant `{claimed}`, the signing key is of tenant `{owner}`")]
    WrongTenant {
        /// Whose claims.
        claimed: TenantName,
        /// Whose key.
        owner: TenantName,
    },
    /// The URL would live longer than the key's URLs may.
    #[error("a lifetime of {} s is more than the {} s that the signing key permits", found.as_secs(), permitted.as_secs())]
    LifetimeTooLong {
        /// The lifetime asked for.
        found: Duration,
        /// The longest there is with this key.
        permitted: Duration,
    },
    /// The key may not sign this.
    #[error("the signing key may not sign this: {reason}")]
    NotPermitted {
        /// Which of its limits.
        reason: &'static str,
    },
    /// The claims contradict themselves, or a token cannot carry them.
    #[error("claims that no token can carry: {reason}")]
    InvalidClaims {
        /// Which, and what was expected.
        reason: &'static str,
    },
    /// The token would be too long for a URL. A link-form URL has no such limit.
    #[error("the token would have {found_chars} characters, expected at most {maximum_chars}")]
    TooLong {
        /// How long it would be.
        found_chars: usize,
        /// How long it may be.
        maximum_chars: usize,
    },
}
