//! Faults of a bootstrap file, gathered.

/// One fault of a bootstrap file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct BootstrapFault {
    /// The line it is on, from 1.
    pub line: usize,
    /// What was found and what was expected. Never a secret.
    pub message: String,
}

pub(super) struct Faults<'a> {
    text: &'a str,
    found: Vec<BootstrapFault>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// A fault at this byte of the text.
    pub(super) fn add(&mut self, at: usize, message: String) {
        let line = self.line(at);
        self.found.push(BootstrapFault { line, message });
    }

    /// The line of this byte.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// Gives up if there are any.
    pub(super) fn none_so_far(&mut self) -> Result<(), Vec<BootstrapFault>> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort();
        Err(std::mem::take(&mut self.found))
    }
}
