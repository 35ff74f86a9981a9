//! The data plane: from a listening socket to the bytes of a file on a connection, and back.
//!
//! [`listener`] accepts and runs connections, [`http1`] is the protocol, [`body`] says what a response is made of. None of them
//! knows of grants, storage or dialects.

pub mod listener;

pub mod body;

pub mod error;

pub mod http1;

mod kept;

mod residency;

pub use error::{Error, MeterError};
pub use http1::request_body::{BodyError, RequestBody};
pub use http1::writer::SendMode;

mod answer;

mod face;

mod receive;

mod offer;

mod ranges;

mod resumable;

mod signed;

pub use answer::{Representation, Selected, select, send};
pub use face::Face;
pub use ranges::RangeAnswer;
pub use receive::{ReceiveError, Taker, WriteHeaders, receive, receive_whole, write_condition};
pub use resumable::{SignedRequest, Step};
pub use signed::{ClientAddressPolicy, SignedUrls};
