//! `valetkey get`: an object, or what a signed URL is for, becomes a file.

use crate::client::{Client, Connection, Url};
use crate::download::{Download, Sink};
use crate::error::CliError;
use crate::file_name;
use crate::object_path::ObjectPath;
use crate::output;
use crate::problem::About;
use crate::progress::Progress;
use anyhow::Context as _;
use clap::Args;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Seek as _, Stdout, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Fetch an object, or what a signed URL is for
///
/// Writes a file named like the object, or FILE, and prints its path. The file appears when it is complete; a broken connection
/// is resumed. An existing file is left alone, unless `--force` is given.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey get reports/q3.pdf\n  valetkey get reports/q3.pdf - | wc -c\n  \
    valetkey get 'http://host/o/reports/q3.pdf?cat=…'")]
pub(crate) struct Get {
    /// The object's path, or a signed URL (in single quotes: it holds `?` and `&`)
    #[arg(value_name = "BUCKET/KEY|URL")]
    source: String,

    /// The file to write, or a directory to write it in; `-` is standard output
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long, short)]
    force: bool,

    /// How often in a row to resume without receiving anything
    #[arg(long, value_name = "N", default_value_t = 6)]
    retries: u32,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Get {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.source.starts_with("http://") || self.source.starts_with("https://") {
            let url = Url::parse(&self.source, "only http URLs can be fetched")?;
            let client = Client::for_holder_of(&url);
            return self.fetch(&self.download(&client, self.source.clone(), About::SignedUrl), &NameFrom::SignedUrl(url));
        }
        let path: ObjectPath = self.source.parse().map_err(|error| {
            CliError::usage(format!("`{}`: {error}", self.source)).with_hint("`valetkey ls BUCKET/` lists what there is")
        })?;
        let client = self.connection.client()?;
        self.fetch(&self.download(&client, path.api_path(), About::Object(&path)), &NameFrom::Object(&path))
    }

    fn download<'a>(&self, client: &'a Client, target: String, about: About<'a>) -> Download<'a> {
        Download { client, target, about, n_retries: self.retries }
    }

    fn fetch(&self, download: &Download<'_>, name: &NameFrom<'_>) -> anyhow::Result<()> {
        if self.file.as_deref() == Some(Path::new("-")) {
            let mut stdout = io::stdout();
            let progress = Progress::new("standard output", None, !self.quiet && !stdout.is_terminal());
            return download.run(&mut stdout, &progress);
        }
        let target = self.target(download, name)?;
        let shown = target.display().to_string();
        let progress = Progress::new(&shown, None, !self.quiet);
        if is_special(&target) {
            let file = OpenOptions::new().write(true).open(&target).with_context(|| format!("cannot write `{shown}`"))?;
            return download.run(&mut SpecialFile { file, shown }, &progress);
        }
        self.refuse_to_clobber(&target)?;
        let mut incoming = Incoming::create(&target)?;
        download.run(&mut incoming, &progress)?;
        drop(progress);
        incoming.publish(self.force)?;
        output::line(&shown)
    }

    /// The file to write: what was said, or what the object is called.
    fn target(&self, download: &Download<'_>, name: &NameFrom<'_>) -> anyhow::Result<PathBuf> {
        let directory = match &self.file {
            Some(file) if file.is_dir() => file.as_path(),
            Some(file) if file.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(CliError::failed(format!("the directory `{}` does not exist", file.display())).into());
            }
            Some(file) => return Ok(file.clone()),
            None => Path::new(""),
        };
        Ok(directory.join(name.find(download)?))
    }

    fn refuse_to_clobber(&self, target: &Path) -> anyhow::Result<()> {
        if !self.force && target.symlink_metadata().is_ok() {
            return Err(exists(target).into());
        }
        Ok(())
    }
}

fn exists(target: &Path) -> CliError {
    CliError::failed(format!("`{}` exists already", target.display())).with_hint("`--force` replaces it; or name another FILE")
}

/// A device, a pipe: it is written to, never replaced.
fn is_special(target: &Path) -> bool {
    target.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Where a file's name comes from if the user gives none.
enum NameFrom<'a> {
    Object(&'a ObjectPath),
    SignedUrl(Url),
}

impl NameFrom<'_> {
    fn find(&self, download: &Download<'_>) -> anyhow::Result<String> {
        match self {
            // The user named the object, so its name is used as it is or not at all.
            Self::Object(path) => {
                let name = path.key.as_str().rsplit('/').next().unwrap_or_default();
                if matches!(name, "" | "." | "..") || name.len() > 255 {
                    let message = format!("`{path}` gives no file name: expected one of 1 to 255 bytes, found `{name}`");
                    return Err(CliError::usage(message).with_hint(format!("name the file: `valetkey get {path} FILE`")).into());
                }
                Ok(name.to_owned())
            }
            // HEAD spends no use. Where it is refused, so is GET, and its answer says why.
            Self::SignedUrl(url) => {
                let headers = download.describe()?;
                let disposition = headers.as_ref().and_then(|headers| headers.get("content-disposition"));
                let said = disposition
                    .and_then(|value| file_name::from_content_disposition(&String::from_utf8_lossy(value.as_bytes())))
                    .and_then(|name| file_name::harmless(&name));
                let from_path = || file_name::from_url_path(url.path()).and_then(|name| file_name::harmless(&name));
                Ok(said.or_else(from_path).unwrap_or_else(|| "download".to_owned()))
            }
        }
    }
}

/// A file that appears when it is complete: written beside its place, renamed at the end, removed if there is none.
struct Incoming {
    file: NamedTempFile,
    target: PathBuf,
}

impl Incoming {
    fn create(target: &Path) -> anyhow::Result<Self> {
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".valetkey-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // as every new file: less the umask
        let file = builder.tempfile_in(directory).with_context(|| format!("cannot write in `{}`", directory.display()))?;
        Ok(Self { file, target: target.to_owned() })
    }

    fn publish(self, force: bool) -> anyhow::Result<()> {
        let Self { file, target } = self;
        let published = if force { file.persist(&target) } else { file.persist_noclobber(&target) };
        match published {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&target).into()),
            Err(error) => Err(error.error).with_context(|| format!("cannot write `{}`", target.display())),
        }
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Incoming {
    fn restart(&mut self) -> io::Result<bool> {
        self.file.as_file().set_len(0)?;
        self.file.rewind()?;
        Ok(true)
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("cannot write `{}`", self.target.display()))
    }
}

struct SpecialFile {
    file: File,
    shown: String,
}

impl Write for SpecialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for SpecialFile {
    fn restart(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("cannot write `{}`", self.shown))
    }
}

impl Sink for Stdout {
    fn restart(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        match output::written(Err(error)) {
            Err(error) => error,
            Ok(()) => anyhow::anyhow!("cannot write to standard output"),
        }
    }
}
