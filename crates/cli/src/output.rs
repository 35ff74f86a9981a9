//! Standard output, and text that is safe to show.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

/// Standard output was closed by whoever read it, as `head` does: the end of the work and no failure.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output is closed")
    }
}

impl std::error::Error for OutputClosed {}

/// Buffered lines on standard output.
pub(crate) struct Lines {
    stdout: BufWriter<StdoutLock<'static>>,
    to_terminal: bool,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout().lock();
        Self { to_terminal: stdout.is_terminal(), stdout: BufWriter::new(stdout) }
    }

    /// One line: exact into a pipe or file, with controls made visible on a terminal.
    pub(crate) fn line(&mut self, text: &str) -> anyhow::Result<()> {
        let text = if self.to_terminal { visible(text) } else { text.into() };
        written(writeln!(self.stdout, "{text}"))
    }

    /// Everything so far, now.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        written(self.stdout.flush())
    }
}

/// One line on standard error: what goes with the data and is none.
pub(crate) fn note(text: &str) {
    eprintln!("{}", visible(text));
}

/// One line on standard output, now.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut lines = Lines::new();
    lines.line(text)?;
    lines.flush()
}

/// What became of a write to standard output.
pub(crate) fn written(result: io::Result<()>) -> anyhow::Result<()> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// Text of a stranger's for a terminal: what could move the cursor or turn the direction of writing is escaped.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return text.into();
    }
    let escaped = |letter: char| if is_invisible(letter) { letter.escape_default().to_string() } else { letter.to_string() };
    text.chars().map(escaped).collect::<String>().into()
}

/// Whether a character acts instead of showing: controls, and marks of writing direction.
pub(crate) fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
        check("تقرير 😀 \"a\".pdf", "تقرير 😀 \"a\".pdf");
        check("a\x1b[2Jb\n", "a\\u{1b}[2Jb\\n");
        check("gpj\u{202e}.exe", "gpj\\u{202e}.exe");
    }
}
