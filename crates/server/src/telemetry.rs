//! The log: to standard error, one line each, as text or JSON.
//!
//! What is logged is the route of a request, never its URL: a query string, a token and a link secret are credentials.

use crate::config::LogFormat;
use std::io::{IsTerminal as _, stderr};
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The environment variable that says what is logged where the configuration does not.
pub const LOG_VARIABLE: &str = "VALETKEY_LOG";

const DEFAULT_FILTER: &str = "info";

/// What is logged: a level (`info`), or levels by module (`info,valetkey_service=debug`).
pub(crate) fn filter(directives: Option<&str>) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(directives.filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT_FILTER))
}

/// Begins to log, for the whole process. If something else does already, that stays.
pub(crate) fn start(format: LogFormat, filter: EnvFilter) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Where, but not what: the message of a panic may quote the text that was being read.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "a thread panicked");
}
