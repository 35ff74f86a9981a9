//! Autodesk's Object Storage Service, v2: `/oss/v2/…`, and its token endpoint.
//!
//! `routes` says what is where, `transfers` how objects go up and down directly, `urls` what the holders of URLs are answered, `wire` what JSON looks like, `translate` turns it
//! into use cases and back, `errors` says how each failure is told, `face` how signed URLs answer, `openapi` describes
//! it all. Nothing is decided here.

mod errors;
mod face;
mod openapi;
mod resumable;
mod routes;
mod transfers;
mod translate;
mod urls;
mod wire;

pub use errors::unreadable;
pub use face::issuer_face;
pub use openapi::{openapi, status_of};
pub use routes::{Autodesk, AutodeskContext, credential_of};
