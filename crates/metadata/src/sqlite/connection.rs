//! Opening the database file: its mode, and what every connection to it is told.

use super::fault::Fault;
use super::migrations;
use crate::{MetadataError, faults};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Before this version, a write and a checkpoint on two connections could lose committed pages:
/// <https://sqlite.org/wal.html#walresetbug>.
const OLDEST_ENGINE: (i32, &str) = (3_051_003, "3.51.3");

/// How long to wait for another process (a backup, the `sqlite3` tool) that holds a lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// To this size the WAL file is cut when it begins anew.
const WAL_KEPT_BYTES: i64 = 32 << 20;

/// The mode of every file.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Enough for every statement of this store.
const STATEMENT_CACHE: usize = 128;

/// The connection that writes. Makes the file if it is not there; its mode becomes 0600, whatever the umask is, and the
/// engine gives the same to the files beside it.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Fault> {
    let found = rusqlite::version_number();
    if found < OLDEST_ENGINE.0 {
        let (found, expected) = (rusqlite::version(), OLDEST_ENGINE.1);
        return Err(Fault::corrupt(format!("SQLite `{found}` can lose commits; expected `{expected}` or newer")));
    }
    create(path)?;
    let connection = open(path)?;
    migrations::refuse_foreign(&connection)?;
    make_private(path)?;
    let journal: String = retry_busy(|| Ok(connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?))?;
    if journal != "wal" {
        return Err(Fault::unavailable(format!("the journal mode is `{journal}`; expected `wal`: is this a network drive?")));
    }
    let synchronous = if faults::sabotaged("no-wal-sync") { "OFF" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The writer checkpoints by itself, after its callers have their answers.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    Ok(connection)
}

/// A connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, Fault> {
    // An absolute path cannot be taken for a `file:` URI.
    let path = std::path::absolute(path).map_err(|error| Fault::unavailable(format!("`{}`: {error}", path.display())))?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Makes the empty file, without opening it: closing a descriptor would drop every lock this process has on the file.
fn create(path: &Path) -> Result<(), Fault> {
    match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::RegularFile, PRIVATE, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(failed(path, errno)),
    }
}

fn make_private(path: &Path) -> Result<(), Fault> {
    rustix::fs::chmod(path, PRIVATE).map_err(|errno| failed(path, errno))?;
    for beside in ["-wal", "-shm"].map(|suffix| beside(path, suffix)) {
        match rustix::fs::chmod(&beside, PRIVATE) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(&beside, errno)),
        }
    }
    Ok(())
}

fn failed(path: &Path, errno: Errno) -> Fault {
    match errno {
        Errno::NOSPC | Errno::DQUOT => Fault::Told(MetadataError::NoSpace),
        errno => Fault::unavailable(format!("`{}`: {errno}", path.display())),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Tries again for as long as a lock is waited for: the engine itself does not wait where it could deadlock, as when two
/// processes turn a new file to WAL at once.
fn retry_busy<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match attempt() {
            Err(fault) if fault.is_busy() && waited < BUSY_TIMEOUT => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            answer => return answer,
        }
    }
}
