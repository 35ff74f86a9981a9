//! The data directory: made for its owner alone, held by one process, and what lies where in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A data directory that is this process's until the value is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Why a directory cannot be the data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirectoryError {
    /// Another process has it. Stop that one, or choose another directory.
    #[error("the data directory `{}` is in use by another process{}", path.display(), process(*pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, if it says so.
        pid: Option<u32>,
    },
    /// The directory it would be made in does not exist.
    #[error("the data directory `{}` cannot be made: the directory `{}` does not exist", path.display(), parent.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
        /// Where it would be made.
        parent: PathBuf,
    },
    /// Something else has its name.
    #[error("`{}` is not a directory: expected a data directory or a name that is free", path.display())]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("the data directory `{}` cannot be used: failed to {attempt}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What failed.
        attempt: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl DataDirectory {
    /// Makes the directory (mode 0700, not its parents) if there is none, and takes it for this process.
    ///
    /// # Errors
    ///
    /// As [`DataDirectoryError`] says.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        make(path)?;
        if !path.is_dir() {
            return Err(DataDirectoryError::NotADirectory { path: path.to_owned() });
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable(path, "open the file `lock` in it"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirectoryError::InUse { path: path.to_owned(), pid: holder(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(path, "lock the file `lock` in it")(source)),
        }
        // For the message above; nothing depends on it.
        let told = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
        told.map_err(unusable(path, "write the file `lock` in it"))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata database.
    pub fn metadata(&self) -> PathBuf {
        self.path.join("metadata.sqlite3")
    }

    /// The object store.
    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The master key made at the first start.
    pub fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// Makes durable which names the directory holds.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

fn make(path: &Path) -> Result<(), DataDirectoryError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(unusable(path, "sync the directory it is in"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DataDirectoryError::NoParent { path: path.to_owned(), parent: parent.to_owned() })
        }
        Err(source) => Err(unusable(path, "make it")(source)),
    }
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (`{pid}`)")).unwrap_or_default()
}

fn unusable(path: &Path, attempt: &'static str) -> impl Fn(io::Error) -> DataDirectoryError {
    move |source| DataDirectoryError::Unusable { path: path.to_owned(), attempt, source }
}
