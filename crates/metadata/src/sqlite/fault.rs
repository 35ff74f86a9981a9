//! What goes wrong inside, and what a caller is told of it.

use crate::{MetadataError, PublishError};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// A failure inside this store. Outside, the engine's errors are only a source.
#[derive(Debug)]
pub(super) enum Fault {
    /// The engine refused or failed.
    Engine(rusqlite::Error),
    /// Already in the caller's terms.
    Told(MetadataError),
}

impl Fault {
    /// A row or file that is not as this version writes it.
    pub(super) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Told(MetadataError::Corrupt { detail: detail.into() })
    }

    /// The store cannot answer now.
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Told(MetadataError::Unavailable { source: reason.into().into() })
    }

    /// The store's threads have ended.
    pub(super) fn stopped() -> Self {
        Self::unavailable("the store is shutting down")
    }

    /// With this error in place of a violated `PRIMARY KEY` or `UNIQUE`.
    pub(super) fn if_taken(self, what: &'static str) -> Self {
        match self.extended_code() {
            Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE) => {
                Self::Told(MetadataError::AlreadyExists { what })
            }
            _ => self,
        }
    }

    /// With this error in place of a violated `REFERENCES`.
    pub(super) fn if_orphan(self, what: &'static str) -> Self {
        match self.extended_code() {
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Told(MetadataError::NotFound { what }),
            _ => self,
        }
    }

    /// Whether another try of the same statement may find the database free.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Engine(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    fn extended_code(&self) -> Option<i32> {
        match self {
            Self::Engine(error) => error.sqlite_error().map(|error| error.extended_code),
            Self::Told(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<MetadataError> for Fault {
    fn from(error: MetadataError) -> Self {
        Self::Told(error)
    }
}

impl From<Fault> for MetadataError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Told(error) => return error,
            Fault::Engine(error) => error,
        };
        if let Some(code) = error.sqlite_error() {
            return match (code.code, code.extended_code) {
                // A full disk shows as the second one where the WAL's index cannot grow.
                (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::NoSpace,
                (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation, _) => {
                    Self::Corrupt { detail: error.to_string() }
                }
                _ => Self::Unavailable { source: Box::new(error) },
            };
        }
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::ToSqlConversionFailure(_) => Self::Corrupt { detail: error.to_string() },
            other => Self::Unavailable { source: Box::new(other) },
        }
    }
}

impl From<Fault> for PublishError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

/// Why a whole batch was lost: what each of its callers is told.
#[derive(Clone, Debug)]
pub(super) enum BatchFailure {
    NoSpace,
    Corrupt(String),
    Unavailable(String),
}

impl From<MetadataError> for BatchFailure {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::NoSpace => Self::NoSpace,
            MetadataError::Corrupt { detail } => Self::Corrupt(detail),
            MetadataError::Unavailable { source } => Self::Unavailable(source.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<&BatchFailure> for Fault {
    fn from(failure: &BatchFailure) -> Self {
        match failure {
            BatchFailure::NoSpace => Self::Told(MetadataError::NoSpace),
            BatchFailure::Corrupt(detail) => Self::corrupt(detail.clone()),
            BatchFailure::Unavailable(reason) => Self::unavailable(reason.clone()),
        }
    }
}

/// How a write's own error shows, where it took the whole transaction with it.
pub(super) trait WriteError: From<Fault> + Send + 'static {
    /// The failure to tell the rest of the batch.
    fn as_batch_failure(&self) -> BatchFailure;
}

impl WriteError for MetadataError {
    fn as_batch_failure(&self) -> BatchFailure {
        match self {
            Self::NoSpace => BatchFailure::NoSpace,
            Self::Corrupt { detail } => BatchFailure::Corrupt(detail.clone()),
            other => BatchFailure::Unavailable(other.to_string()),
        }
    }
}

impl WriteError for PublishError {
    fn as_batch_failure(&self) -> BatchFailure {
        match self {
            Self::Store(error) => error.as_batch_failure(),
            Self::Refused(refusal) => BatchFailure::Unavailable(refusal.to_string()),
        }
    }
}
