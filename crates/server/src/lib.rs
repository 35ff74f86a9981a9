//! One process: configuration → stores → service → routers → listeners, the log, the clock, and an orderly end.

#![allow(clippy::disallowed_methods, reason = "this crate is where the process meets the file system and the clock")]

mod config;
mod error;
mod serve;

mod running;

pub mod bootstrap;
pub mod clock;
pub mod data_directory;
pub mod entropy;
pub mod master_key;

mod auditing;
mod dispatch;
mod docs;
mod documents;
mod housekeeping;
mod metrics;
pub mod openapi;
mod request_count;

mod announce;
mod huge_pages;
mod open_files;
mod telemetry;

pub use config::{ConfigError, ConfigFault, LogFormat, LogFormatError, ServeConfig};
pub use error::ServeError;
pub use running::RunningServer;
pub use serve::serve;
pub use telemetry::LOG_VARIABLE;
pub use valetkey_dialect_flexportal::ExpiresAtForm;
pub use valetkey_http_common::client_address::ClientAddressFrom;
pub use valetkey_service::audit::verify as audit;
