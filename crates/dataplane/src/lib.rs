//! The data plane: from a listening socket to the bytes of a file on a connection, and back.
//!
//! [`listener`] accepts and runs connections, [`body`] says what a response is made of, `io` hands file ranges to the
//! kernel beneath hyper. None of them knows of grants, storage or dialects.

pub mod listener;

pub mod body;

pub mod error;

pub mod framing;

mod io;

mod kept;

mod link;

mod marker;

mod residency;

pub use error::{Error, MeterError};
pub use io::SendMode;

mod answer;

mod face;

mod receive;

mod signed;

pub use answer::{Representation, Selected, select, send};
pub use face::Face;
pub use receive::{ReceiveError, Taker, WriteHeaders, receive, receive_whole};
pub use signed::{ClientAddressPolicy, SignedUrls};
