//! The native API: `/o/…` and `/l/…` are signed URLs, `/vk/v1/…` is how they, buckets and objects are made.
//!
//! `routes` says what is where, `wire` what JSON looks like, `translate` turns it into use cases and back, `errors` says how
//! each failure is told, `openapi` describes it all. Nothing is decided here.

mod errors;
mod face;
mod openapi;
mod routes;
mod translate;
mod wire;

pub use errors::unreadable;
pub use openapi::{StatusOf, openapi};
pub use routes::{CredentialOf, Native, NativeContext};
