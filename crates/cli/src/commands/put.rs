//! `valetkey put`: files, or standard input, become objects.

use crate::client::{Client, Connection, Upload};
use crate::error::{CliError, each};
use crate::object_path::{ObjectPath, PrefixPath};
use crate::output;
use crate::progress::Progress;
use anyhow::Context as _;
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use valetkey_http_common::content_type::{OCTET_STREAM, guess};

/// Store files as objects
///
/// One file becomes BUCKET/KEY. Several files, or a destination that ends in `/`, keep their names. Prints BUCKET/KEY of each.
/// An object that is there already is replaced, unless `--create` is given.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey put q3.pdf reports/2024/q3.pdf\n  valetkey put *.pdf reports/2024/\n  \
    pg_dump shop | valetkey put - backups/shop.sql")]
pub(crate) struct Put {
    /// Files to store; `-` is standard input
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The object's path, or a prefix that ends in `/`
    #[arg(value_name = "BUCKET/[KEY]")]
    destination: String,

    /// Store only where there is no object yet
    #[arg(long)]
    create: bool,

    /// The media type, instead of guessing it from the extension
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// Print each object as the server describes it, one JSON object to a line
    #[arg(long)]
    json: bool,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Put {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let pairs = pairs(&self.files, &self.destination)?;
        let client = self.connection.client()?;
        each(&pairs, |(file, path)| self.store(&client, file, path))
    }

    fn store(&self, client: &Client, file: &Path, path: &ObjectPath) -> anyhow::Result<()> {
        let (reader, size_bytes) = open(file)?;
        let content_type = match &self.content_type {
            Some(content_type) => content_type,
            None => match guess(path.key.file_name()) {
                OCTET_STREAM => guess(&file.to_string_lossy()),
                known => known,
            },
        };
        let progress = Progress::new(&path.to_string(), size_bytes, !self.json && !self.quiet);
        let mut body = FileBody { reader, n_left: size_bytes, n_read: 0, progress: &progress, failure: None };
        let upload = Upload { path, content_type, size_bytes, create: self.create };
        let stored = client.put_object(&upload, &mut body);
        if let Some(failure) = body.failure {
            return Err(failure).with_context(|| format!("cannot read `{}`", file.display()));
        }
        let object = stored?;
        drop(progress);
        output::line(&if self.json { object.to_string() } else { path.to_string() })
    }
}

/// Which file becomes which object.
fn pairs(files: &[PathBuf], destination: &str) -> Result<Vec<(PathBuf, ObjectPath)>, CliError> {
    if !destination.contains('/') {
        return Err(CliError::usage(format!(
            "`{destination}` is no destination: expected `BUCKET/` or `BUCKET/KEY`, found no `/`"
        ))
        .with_hint(format!("write `{destination}/` to keep the files' names in the bucket `{destination}`")));
    }
    if !destination.ends_with('/') {
        let [file] = files else {
            let message = format!("`{destination}` is one object: expected one file, found {}", files.len());
            return Err(CliError::usage(message).with_hint(format!("write `{destination}/` to keep the files' names")));
        };
        return Ok(vec![(
            file.clone(),
            destination.parse().map_err(|error| CliError::usage(format!("`{destination}`: {error}")))?,
        )]);
    }
    let prefix: PrefixPath = destination.parse().map_err(|error| CliError::usage(format!("`{destination}`: {error}")))?;
    let pair = |file: &PathBuf| {
        let hint = format!("write out the object key: `valetkey put {} {destination}KEY`", file.display());
        let name = file.file_name().and_then(|name| name.to_str()).filter(|name| *name != "-").ok_or_else(|| {
            CliError::usage(format!("`{}` gives no name to keep: expected a file name in UTF-8", file.display())).with_hint(&hint)
        })?;
        let path = prefix.join(name).map_err(|error| CliError::usage(error).with_hint(&hint))?;
        Ok((file.clone(), path))
    };
    files.iter().map(pair).collect()
}

/// The bytes, and their number where it is known.
fn open(file: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?, opened)));
    let (metadata, opened) = opened.with_context(|| format!("cannot read `{}`", file.display()))?;
    if metadata.is_dir() {
        let message = format!("`{}` is a directory: expected a file", file.display());
        return Err(CliError::failed(message).with_hint(format!("name its files: `{}/*`", file.display())).into());
    }
    let size_bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(opened), size_bytes))
}

/// A file on its way out: exactly as many bytes as were announced.
struct FileBody<'a> {
    reader: Box<dyn Read>,
    n_left: Option<u64>,
    n_read: u64,
    progress: &'a Progress,
    /// Why reading failed: on the wire it would look like a broken connection.
    failure: Option<io::Error>,
}

impl FileBody<'_> {
    fn fail(&mut self, error: io::Error) -> io::Error {
        let told = io::Error::new(error.kind(), "the file cannot be read");
        self.failure = Some(error);
        told
    }
}

impl Read for FileBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_wanted = self.n_left.map_or(buffer.len(), |n_left| usize::try_from(n_left).unwrap_or(usize::MAX).min(buffer.len()));
        let buffer = buffer.get_mut(..n_wanted).unwrap_or_default();
        let n_read = match self.reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fail(error)),
            Ok(n_read) => n_read,
        };
        if n_read == 0 && !buffer.is_empty() && self.n_left.is_some_and(|n_left| n_left > 0) {
            return Err(self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was being stored")));
        }
        self.n_left = self.n_left.map(|n_left| n_left.saturating_sub(n_read as u64));
        self.n_read = self.n_read.saturating_add(n_read as u64);
        self.progress.set(self.n_read);
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_file_becomes_which_object() {
        let check = |files: &[&str], destination: &str, expected: &[&str]| {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            let found: Vec<String> = pairs(&files, destination).unwrap().into_iter().map(|(_, path)| path.to_string()).collect();
            assert_eq!(found, expected);
        };
        check(&["dir/a.pdf"], "reports/b.pdf", &["reports/b.pdf"]);
        check(&["dir/a.pdf"], "reports/", &["reports/a.pdf"]);
        check(&["a.pdf", "dir/تقرير.pdf"], "reports/2024/", &["reports/2024/a.pdf", "reports/2024/تقرير.pdf"]);
        check(&["-"], "reports/in", &["reports/in"]);
    }

    #[test]
    fn destinations_refused() {
        for (files, destination) in [
            (&["a", "b"] as &[&str], "reports/c"),
            (&["a"], "reports"),
            (&["-"], "reports/"),
            (&[".."], "reports/"),
            (&["a"], "R/x"),
        ] {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            assert!(pairs(&files, destination).is_err(), "{files:?} {destination}");
        }
    }
}
