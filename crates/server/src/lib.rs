//! One process: configuration → stores → service → routers → listeners, the log, the clock, and an orderly end.

#![allow(clippy::disallowed_methods, reason = "this crate is where the process meets the file system and the clock")]

mod config;

pub mod clock;
pub mod entropy;

pub mod bootstrap;
pub mod data_directory;
pub mod master_key;

mod telemetry;

pub use config::{ConfigError, ConfigFault, LogFormat, ServeConfig};
pub use telemetry::LOG_VARIABLE;
pub use valetkey_http_common::client_address::ClientAddressFrom;
