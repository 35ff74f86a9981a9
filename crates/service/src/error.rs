//! How a use case fails.

use valetkey_metadata::MetadataError;
use valetkey_model::{Refusal, Scope};
use valetkey_objects::ObjectError;

/// How a use case fails, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The credential is unknown, disabled or expired; who fails too often gets [`Refusal::TooManyRequests`].
    #[error("the credential is not valid")]
    Unauthenticated,
    /// The principal may not do this: it lacks a scope.
    #[error("the credential lacks the scope `{scope}`")]
    MissingScope {
        /// The scope that would permit it.
        scope: Scope,
    },
    /// The bucket is another tenant's. Whether that may be told apart from [`ServiceError::NotFound`] is the dialect's vendor's say.
    #[error("the bucket belongs to somebody else")]
    NotOwner,
    /// The bucket is the tenant's own and not among those that the API key is limited to; or what is asked for is about all of
    /// the tenant, and the key is limited.
    #[error("the credential is limited to certain buckets, which this goes beyond")]
    OutsideBuckets,
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The file's bytes are not there yet, or not for good.
    #[error("the file was not uploaded yet")]
    NotUploaded,
    /// The name is taken.
    #[error("this {what} exists already")]
    AlreadyExists {
        /// What was to be made.
        what: &'static str,
    },
    /// It still holds something.
    #[error("this {what} is not empty")]
    NotEmpty {
        /// What was to be deleted.
        what: &'static str,
    },
    /// What is there does not permit it.
    #[error("{reason}")]
    Conflict {
        /// What stands against it.
        reason: &'static str,
    },
    /// What was asked for makes no sense.
    #[error("`{field}` is {found}: expected {expected}")]
    Invalid {
        /// The field, in the words of the native API.
        field: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The URL, or the upload, is refused.
    #[error("{0}")]
    Refused(Refusal),
    /// A store does not answer; trying again can help.
    #[error("a store is unavailable")]
    Unavailable {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ServiceError {
    pub(crate) fn invalid(field: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Invalid { field, found: found.into(), expected: expected.into() }
    }

    /// The refusal that a holder of a URL is told.
    pub fn as_refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::NotFound { .. } | Self::NotUploaded => Refusal::ObjectGone,
            Self::Unauthenticated | Self::MissingScope { .. } | Self::NotOwner | Self::OutsideBuckets => Refusal::IssuerDisabled,
            Self::AlreadyExists { .. } | Self::NotEmpty { .. } | Self::Conflict { .. } => Refusal::Exists,
            Self::Invalid { .. } => Refusal::Malformed,
            Self::Unavailable { .. } => Refusal::Unavailable,
        }
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<MetadataError> for ServiceError {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::NotFound { what } => Self::NotFound { what },
            MetadataError::AlreadyExists { what } => Self::AlreadyExists { what },
            MetadataError::NotEmpty { what } => Self::NotEmpty { what },
            MetadataError::Conflict { reason } => Self::Conflict { reason },
            MetadataError::NoSpace => Self::Refused(Refusal::NoSpace),
            other => Self::Unavailable { source: Box::new(other) },
        }
    }
}

impl From<ObjectError> for ServiceError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoSpace { .. } => Self::Refused(Refusal::NoSpace),
            other => Self::Unavailable { source: Box::new(other) },
        }
    }
}
