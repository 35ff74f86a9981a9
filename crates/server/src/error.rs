//! Why a server does not run.

use crate::bootstrap::BootstrapError;
use crate::clock::ClockBehind;
use crate::config::ConfigError;
use crate::data_directory::DataDirectoryError;
use crate::entropy::NoEntropy;
use crate::master_key::MasterKeyError;
use std::io;
use valetkey_metadata::MetadataError;
use valetkey_objects::ObjectError;
use valetkey_service::ServiceError;

/// Why a server does not run, by what the operator can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration says what cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bootstrap file says what cannot be.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The data directory is another's, or cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The master key is not there, or not a key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The machine's clock is wrong.
    #[error(transparent)]
    Clock(#[from] ClockBehind),
    /// The machine has no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The metadata store cannot be opened.
    #[error("the metadata store cannot be opened")]
    Metadata(#[from] MetadataError),
    /// The object store cannot be opened.
    #[error("the object store cannot be opened")]
    Objects(#[from] ObjectError),
    /// What the stores hold cannot be used, or what is to exist cannot be made.
    #[error("the server cannot start on this data")]
    Service(#[from] ServiceError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listener(#[from] valetkey_dataplane::Error),
    /// The server has ended, but could not record all that it sent under limited grants before that. What is not recorded
    /// counts as sent.
    #[error("not all that was sent could be recorded at the end; it counts as sent")]
    Unsettled,
    /// The system refuses something that every server needs.
    #[error("failed to {attempt}")]
    System {
        /// What failed.
        attempt: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ServeError {
    pub(crate) fn system(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { attempt, source }
    }
}
