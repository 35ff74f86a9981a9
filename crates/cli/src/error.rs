//! What a failure says: what was found, what was expected, and what to do about it.

use crate::output::{OutputClosed, visible};
use std::fmt;
use std::process::ExitCode;

/// A failure in the words of the person at the terminal.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    hint: Option<String>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Unreachable,
}

impl CliError {
    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: Kind::Failed }
    }

    /// What was asked for makes no sense; nothing was tried.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: Kind::Usage }
    }

    /// The server cannot be reached: there is no use in asking it for the next thing.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: Kind::Unreachable }
    }

    /// With the flag, variable or command to use instead.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As [`Self::with_hint`], where there may be none.
    #[must_use]
    pub(crate) fn with_hint_if_any(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

/// Tells the failure on standard error and gives the exit code that belongs to it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_output_closed(error) {
        return ExitCode::SUCCESS; // whoever read the output has had enough
    }
    // A failed write to standard error can be told to nobody.
    let message = format!("{error:#}");
    let lines: Vec<_> = message.lines().map(visible).collect();
    eprintln!("error: {}", lines.join("\n       "));
    let told = told(error);
    if let Some(hint) = told.and_then(|told| told.hint.as_deref()) {
        eprintln!("hint: {}", visible(hint));
    }
    ExitCode::from(if told.is_some_and(|told| told.kind == Kind::Usage) { 2 } else { 1 })
}

/// Whether nothing is wrong but that nobody reads standard output any more.
pub(crate) fn is_output_closed(error: &anyhow::Error) -> bool {
    error.is::<OutputClosed>()
}

fn told(error: &anyhow::Error) -> Option<&CliError> {
    error.downcast_ref::<CliError>() // looks through every context
}

/// Does `act` to each of `things`, going on past failures; each is reported at once.
///
/// # Errors
///
/// If there were failures, their number out of how many.
pub(crate) fn each<T>(things: &[T], mut act: impl FnMut(&T) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if let [only] = things {
        return act(only);
    }
    let mut n_failed = 0;
    for thing in things {
        match act(thing) {
            Ok(()) => {}
            Err(error) if is_output_closed(&error) => return Err(error),
            Err(error) if told(&error).is_some_and(|told| told.kind == Kind::Unreachable) => return Err(error),
            Err(error) => {
                let _ = report(&error);
                n_failed += 1;
            }
        }
    }
    if n_failed == 0 {
        return Ok(());
    }
    Err(CliError::failed(format!("{n_failed} of {} failed", things.len())).into())
}
