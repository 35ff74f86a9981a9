//! What can go wrong, by what the caller can do about it.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

/// A listener that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process listens there: choose another address or stop it.
    #[error("address `{address}` is in use")]
    AddressInUse {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The process may not listen there (a port below 1024, a policy).
    #[error("listening on `{address}` is not permitted")]
    Denied {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The system refused a resource: a socket, a thread, an event queue, address space.
    #[error("{what} is not available")]
    Unavailable {
        /// Which resource.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// An option has a value that cannot work.
    #[error("option `{option}` is {found}, expected {expected}")]
    Option {
        /// Its name in [`Options`](crate::listener::Options).
        option: &'static str,
        /// What was given.
        found: String,
        /// What would do.
        expected: &'static str,
    },
}

/// Why a [`Meter`](crate::body::Meter) lets a body go no further. The connection is cut: the response was promised whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// What was allowed is used up, or the grant was withdrawn.
    #[error("the transfer may not go on")]
    Denied,
    /// It cannot be known whether it may go on.
    #[error("the transfer's meter is unavailable")]
    Unavailable {
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}
