//! What a process asked of the kernel and in which order: the judge of "it was synced before it was said to be".

use std::path::Path;
use std::process::{Command, Output};

/// The system calls of a process and its threads, in the order in which they began.
pub struct Trace(Vec<Call>);

/// One system call that came back.
#[derive(Debug)]
pub struct Call {
    /// `fsync`, `linkat` …
    pub name: String,
    /// As strace prints them; a file descriptor is followed by its path: `9</tmp/x/incoming>, "name"`.
    pub arguments: String,
    /// As strace prints it: `0`, `-1 ENOSPC (No space left on device)` …
    pub result: String,
    /// When it began: a place in the order of everything that began or ended.
    pub began: usize,
    /// When it ended, in the same order.
    pub ended: usize,
}

impl Trace {
    /// Runs `program` with `strace`, which must be there, and waits for its end. `options` are further ones of strace, such as
    /// `--inject=fdatasync:error=ENOSPC`. The trace is written to `file`.
    ///
    /// # Errors
    /// Says that strace cannot be run.
    pub fn of(program: &Path, arguments: &[&str], options: &[&str], file: &Path) -> Result<(Self, Output), String> {
        let output = Command::new("strace")
            .args(["--follow-forks", "--decode-fds=path", "--string-limit=200", "--signal=none", "--output"])
            .arg(file)
            .arg("--trace=write,pwrite64,fsync,fdatasync,linkat,mkdir,mkdirat,unlinkat,openat,openat2")
            .args(options)
            .arg("--")
            .arg(program)
            .args(arguments)
            .output()
            .map_err(|error| format!("`strace` cannot be run (Debian has it in the package `strace`): {error}"))?;
        #[allow(clippy::disallowed_methods, reason = "it is the trace, no store")]
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("`strace` left no trace: {error}; it said: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok((Self::parse(&text), output))
    }

    /// Parses what `strace --follow-forks --output` writes.
    pub fn parse(text: &str) -> Self {
        let (mut calls, mut unfinished) = (Vec::new(), Vec::<(&str, usize, &str)>::new());
        for (line_number, line) in text.lines().enumerate() {
            let Some((process, event)) = line.split_once(' ') else { continue };
            let event = event.trim_start();
            if let Some(begun) = event.strip_suffix(" <unfinished ...>") {
                unfinished.push((process, line_number, begun));
            } else if let Some(rest) = event.strip_prefix("<... ") {
                let Some((_, rest)) = rest.split_once(" resumed>") else { continue };
                if let Some(at) = unfinished.iter().position(|(of, ..)| *of == process) {
                    let (_, began, begun) = unfinished.remove(at);
                    calls.extend(Call::parse(&format!("{begun}{rest}"), began, line_number));
                }
            } else {
                calls.extend(Call::parse(event, line_number, line_number));
            }
        }
        calls.sort_by_key(|call| call.began);
        Self(calls)
    }

    /// Every call of this name that succeeded and whose arguments contain this text.
    pub fn calls(&self, name: &str, argument: &str) -> Vec<&Call> {
        let wanted = |call: &&Call| call.name == name && call.arguments.contains(argument) && !call.result.starts_with('-');
        self.0.iter().filter(wanted).collect()
    }

    /// Whether, after everything in `first` had ended, some call in `then` began and ended before any in `last` began. False if
    /// one of them is empty: what never happened is in no order.
    pub fn in_order<'a>(
        &self,
        first: impl IntoIterator<Item = &'a Call>,
        then: impl IntoIterator<Item = &'a Call>,
        last: impl IntoIterator<Item = &'a Call>,
    ) -> bool {
        let first = first.into_iter().map(|call| call.ended).max();
        let last = last.into_iter().map(|call| call.began).min();
        let (Some(first), Some(last)) = (first, last) else { return false };
        then.into_iter().any(|call| first < call.began && call.ended < last)
    }
}

impl Call {
    fn parse(text: &str, began: usize, ended: usize) -> Option<Self> {
        let (call, result) = text.rsplit_once(" = ")?;
        let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
        Some(Self { name: name.to_owned(), arguments: arguments.to_owned(), result: result.to_owned(), began, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"17    mkdirat(5</s>, "incoming", 0700) = 0
17    pwrite64(9</s/incoming/A>, "x", 1, 0) = 1
17    fsync(7</s/incoming> <unfinished ...>
18    write(1</dev/pts/0>, "a = b\n", 6) = 6
17    <... fsync resumed>)             = 0
18    linkat(7</s/incoming>, "A", 8</s/blobs/1>, "A", 0) = -1 EEXIST (File exists)
17    +++ exited with 0 +++
"#;

    #[test]
    fn reads_calls_that_another_interrupts() {
        let trace = Trace::parse(TEXT);
        let calls: Vec<_> = trace.0.iter().map(|call| (call.name.as_str(), call.began, call.ended)).collect();
        assert_eq!(calls, [("mkdirat", 0, 0), ("pwrite64", 1, 1), ("fsync", 2, 4), ("write", 3, 3), ("linkat", 5, 5)]);
        assert_eq!(trace.calls("fsync", "</s/incoming>").len(), 1);
        assert_eq!(trace.calls("linkat", "").len(), 0);
    }

    #[test]
    fn what_overlaps_is_in_no_order() {
        let trace = Trace::parse(TEXT);
        let calls = |name| trace.calls(name, "");
        assert!(trace.in_order(calls("mkdirat"), calls("pwrite64"), calls("fsync")));
        assert!(!trace.in_order(calls("pwrite64"), calls("fsync"), calls("write")));
        assert!(!trace.in_order(calls("mkdirat"), calls("pwrite64"), calls("linkat")));
    }
}
