//! Redivis' files: `/api/v1/rawFiles/…`, and as much of `/api/v1/tables/…` as it takes to have them and to list them.
//!
//! `routes` says what is where, `wire` what JSON looks like, `translate` turns it into use cases and back, `errors` says how each
//! failure is told, `face` how the URLs of files answer, `listing` how tables list them, `openapi` describes it all. Nothing is decided here.

mod errors;
mod face;
mod listing;
mod openapi;
mod routes;
mod translate;
mod wire;

pub use errors::unreadable;
pub use face::issuer_face;
pub use openapi::{openapi, status_of};
pub use routes::{Redivis, RedivisContext, credential_of};
