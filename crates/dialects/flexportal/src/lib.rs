//! FlexPortal: `POST /v1/files/url` gives out signed URLs, to view, download or upload a file.
//!
//! `routes` says what is where, `wire` what JSON looks like, `translate` turns it into use cases and back, `errors` says how
//! each failure is told, `face` how its signed URLs answer, `openapi` describes it all. Nothing is decided here.

mod errors;
mod face;
mod openapi;
mod routes;
mod translate;
mod wire;

pub use errors::unreadable;
pub use face::issuer_face;
pub use openapi::{openapi, status_of};
pub use routes::{FlexPortal, FlexPortalContext};
pub use translate::{ExpiresAtForm, ExpiresAtFormError};
