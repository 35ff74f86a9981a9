//! Progress of a transfer, on standard error, for people only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// A bar where somebody watches; nothing at all elsewhere.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// For `name`, of `total` bytes where that is known. Hidden unless `wanted` and standard error is a terminal.
    pub(crate) fn new(name: &str, total: Option<u64>, wanted: bool) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let progress = Self(bar.with_message(crate::output::visible(name).into_owned()));
        progress.style(total);
        progress
    }

    /// The total, once it is known.
    pub(crate) fn set_total(&self, total: Option<u64>) {
        self.style(total);
        if let Some(total) = total {
            self.0.set_length(total);
        }
    }

    /// How many bytes there are by now.
    pub(crate) fn set(&self, n_bytes: u64) {
        self.0.set_position(n_bytes);
    }

    /// A word about what is going on, above the bar.
    pub(crate) fn say(&self, text: &str) {
        // `suspend` holds the bar's lock: nothing within may ask the bar.
        if !self.0.is_hidden() {
            self.0.suspend(|| eprintln!("{text}"));
        }
    }

    fn style(&self, total: Option<u64>) {
        let template = match total {
            Some(_) => "{wide_msg} {bytes}/{total_bytes} [{bar:20}] {bytes_per_sec} {eta}",
            None => "{wide_msg} {bytes} {bytes_per_sec}",
        };
        // The templates are constants: where one were wrong, the bar would keep its plain look.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
