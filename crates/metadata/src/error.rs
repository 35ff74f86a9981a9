//! How a metadata store fails.

/// How a metadata store fails, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// There is no such row.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for, in the words of the API.
        what: &'static str,
    },
    /// A row with this name or id exists.
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
    /// What is there does not permit it; nothing was changed.
    #[error("{reason}")]
    Conflict {
        /// What stands against it, as a sentence without a full stop.
        reason: &'static str,
    },
    /// The store has no room; nothing was changed.
    #[error("the metadata store has no room left")]
    NoSpace,
    /// The store cannot be reached or is too busy; trying again can help. Whether a write took effect is unknown.
    #[error("the metadata store is unavailable")]
    Unavailable {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row cannot be understood, or the schema is not one this binary may use.
    #[error("the metadata store is damaged or of another version: {detail}")]
    Corrupt {
        /// What was found and what was expected.
        detail: String,
    },
}
