//! Datalab's files: `/api/v1/files/…`.
//!
//! `routes` says what is where, `wire` what JSON looks like, `translate` turns it into use cases and back, `errors` says how each
//! failure is told, `face` how signed URLs answer, which are of the native token form, `openapi` describes it all.
//! Nothing is decided here.

mod errors;
mod face;
mod openapi;
mod routes;
mod translate;
mod wire;

pub use errors::unreadable;
pub use face::issuer_face;
pub use openapi::{openapi, status_of};
pub use routes::{Datalab, DatalabContext};
