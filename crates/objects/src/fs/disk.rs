//! What is on the disk: the directories and the names in them, and the order in which these change.
//!
//! ```text
//! lock                     held by the one process that has the store open
//! incoming/<blob id>       being written, or pending
//! blobs/<hour>/<blob id>   finished; the same file as in `incoming/` while it is pending
//! ```
//!
//! `incoming/` is the store's journal: whatever is not settled has a name there, durable before the name in `blobs/` is made and
//! removed after that one's removal is durable. So a start reads this one short directory and no other.
//!
//! Blobs are written under their name in `incoming/`, not as nameless files (`O_TMPFILE`): those save one name for a blob that is
//! aborted, but need it all the same for one that is finished, are not to be had on every file system, and take every upload
//! through ext4's one list of orphans.

use super::hours::Hours;
use super::open_files::OpenFiles;
use super::root::{Resolver, Root};
use super::shared_sync::SyncedDirectory;
use crate::{ObjectError, OpenBlob, faults};
use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use valetkey_model::BlobId;

/// The store's directories. Every method may wait for the disk, but for those whose name ends in `_now`.
pub(super) struct Disk {
    root: Root,
    incoming: SyncedDirectory,
    hours: Hours,
    files: OpenFiles,
    /// What was in `incoming/` when the store was opened, as far as it is not settled.
    left_over: Mutex<BTreeSet<BlobId>>,
}

/// Not blocking, so that a FIFO put in a blob's place cannot stop a thread; a regular file does not care.
const READ_BLOB: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);
const NEW_BLOB: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

impl Disk {
    pub(super) fn open(path: &Path, max_open_files: Option<usize>, resolver: Option<Resolver>) -> Result<Self, ObjectError> {
        let failed = |attempt| move |errno: Errno| ObjectError::system(attempt, errno);
        let root = Root::open(path, resolver)?;
        let incoming = root.directory("incoming").map_err(failed("make `incoming/`"))?;
        let blobs = root.directory("blobs").map_err(failed("make `blobs/`"))?;
        rustix::fs::fsync(&root).map_err(failed("sync its directory"))?;
        let left_over = blobs_named_in(incoming.as_fd()).map_err(failed("read `incoming/`"))?;
        Ok(Self {
            root,
            incoming: SyncedDirectory::new(incoming),
            hours: Hours::new(blobs),
            files: OpenFiles::new(max_open_files),
            left_over: Mutex::new(left_over),
        })
    }

    /// Whether `wanted` more bytes would fit.
    pub(super) fn has_room_for(&self, wanted: u64) -> Result<(), ObjectError> {
        let free = rustix::fs::fstatvfs(&self.incoming).map_err(|errno| ObjectError::system("ask for free space", errno))?;
        // Some file systems do not know how much they have and say zero.
        let available = free.f_bavail.saturating_mul(free.f_frsize);
        if free.f_blocks == 0 || wanted <= available { Ok(()) } else { Err(ObjectError::system("find room", Errno::NOSPC)) }
    }

    /// An empty file in `incoming/`.
    pub(super) fn create(&self, blob: BlobId) -> Result<File, ObjectError> {
        match self.root.open_in(self.incoming.as_fd(), &blob.to_string(), NEW_BLOB) {
            Ok(fd) => {
                faults::point("created");
                Ok(File::from(fd))
            }
            Err(Errno::EXIST) => Err(ObjectError::AlreadyExists { blob }),
            Err(errno) => Err(ObjectError::system("create a file", errno)),
        }
    }

    /// The finished blob `from` once more in `incoming/`, under another name. `None`: this file system cannot.
    pub(super) fn create_from(&self, from: BlobId, to: BlobId) -> Result<Option<()>, ObjectError> {
        let Some(hour) = self.hours.existing(&self.root, from.hour())? else {
            return Err(ObjectError::NotFound { blob: from });
        };
        match link(&hour, from, &self.incoming, to) {
            Ok(()) => {
                faults::point("created");
                Ok(Some(()))
            }
            Err(Errno::EXIST) => Err(ObjectError::AlreadyExists { blob: to }),
            Err(Errno::NOENT) => Err(ObjectError::NotFound { blob: from }),
            Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(ObjectError::system("link a file", errno)),
        }
    }

    /// Makes the content of a file in `incoming/` durable.
    pub(super) fn sync_file(&self, file: &File) -> Result<(), ObjectError> {
        if !faults::sabotaged("no-fsync") {
            rustix::fs::fdatasync(file).map_err(|errno| ObjectError::system("sync a file", errno))?;
        }
        faults::point("blob_synced");
        Ok(())
    }

    /// Makes the blob's name in `incoming/` durable.
    pub(super) fn sync_incoming(&self) -> Result<(), ObjectError> {
        self.incoming.sync("sync `incoming/`")?;
        faults::point("incoming_dir_synced");
        Ok(())
    }

    /// Gives the blob its name in `blobs/`, not yet durable. `Ok`: there was none before.
    pub(super) fn link_finished(&self, blob: BlobId) -> Result<Arc<SyncedDirectory>, ObjectError> {
        // Twice gone between two calls, the hour's directory is not the reason.
        for _ in 0..3 {
            let hour = self.hours.to_write(&self.root, blob.hour())?;
            match link(&self.incoming, blob, &hour, blob) {
                Ok(()) => {
                    faults::point("linked");
                    return Ok(hour);
                }
                Err(Errno::NOENT) => {}
                Err(Errno::EXIST) => return Err(ObjectError::AlreadyExists { blob }),
                Err(errno) => return Err(ObjectError::system("link a file", errno)),
            }
        }
        Err(ObjectError::system("link a file", Errno::NOENT))
    }

    /// Makes the names in an hour's directory durable.
    pub(super) fn sync_hour(&self, hour: &SyncedDirectory) -> Result<(), ObjectError> {
        hour.sync("sync the directory of an hour")?;
        faults::point("blobs_dir_synced");
        Ok(())
    }

    /// Opens a finished blob if no name on the way has to be read from the disk.
    pub(super) fn open_now(&self, blob: BlobId) -> Result<Option<OpenBlob>, ObjectError> {
        if let Some(open) = self.files.get(blob) {
            return Ok(Some(open));
        }
        let before = self.files.before();
        match self.root.open_cached(&path_of(blob), READ_BLOB) {
            Ok(None) => Ok(None),
            Ok(Some(fd)) => {
                let open = opened(blob, fd)?;
                self.files.keep(&before, blob, open.clone());
                Ok(Some(open))
            }
            Err(errno) => Err(not_opened(blob, errno)),
        }
    }

    /// Opens a finished blob.
    pub(super) fn open_blob(&self, blob: BlobId) -> Result<OpenBlob, ObjectError> {
        if let Some(open) = self.files.get(blob) {
            return Ok(open);
        }
        let before = self.files.before();
        let fd = self.root.open_beneath(&path_of(blob), READ_BLOB).map_err(|errno| not_opened(blob, errno))?;
        let open = opened(blob, fd)?;
        self.files.keep(&before, blob, open.clone());
        Ok(open)
    }

    /// Removes the blob's name in `incoming/`. Not synced: a name that comes back is settled at the next start.
    pub(super) fn remove_incoming(&self, blob: BlobId) -> Result<(), ObjectError> {
        unlink(self.incoming.as_fd(), blob)
    }

    /// Removes a finished blob: durably its name in `blobs/`, then the one in `incoming/`, if there is one.
    pub(super) fn remove(&self, blob: BlobId) -> Result<(), ObjectError> {
        if let Some(hour) = self.hours.existing(&self.root, blob.hour())? {
            let unlinked = unlink(hour.as_fd(), blob);
            self.files.forget(blob);
            unlinked?;
            faults::point("unlinked");
            hour.sync("sync the directory of an hour")?;
            faults::point("unlink_synced");
        }
        self.remove_incoming(blob)?;
        faults::point("removed");
        self.hours.prune(blob.hour());
        Ok(())
    }

    /// Up to `limit` of the blobs that were in `incoming/` when the store was opened and are not settled.
    pub(super) fn left_over(&self, limit: usize) -> Vec<BlobId> {
        self.still_left().iter().take(limit).copied().collect()
    }

    /// Settles these: those in `known` keep only their name in `blobs/`, the others lose both.
    pub(super) fn settle(&self, blobs: &[BlobId], known: &HashSet<BlobId>) -> Result<(), ObjectError> {
        let (kept, removed): (Vec<BlobId>, Vec<BlobId>) = blobs.iter().partition(|blob| known.contains(blob));
        for blob in &kept {
            // A row is committed only after this name was durable. Should it be missing all the same, the other is the last.
            match self.link_finished(*blob) {
                Ok(hour) => {
                    tracing::warn!(%blob, "a blob with a row was found only in `incoming/`: put back in its place");
                    hour.sync("sync the directory of an hour")?;
                }
                Err(ObjectError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
            self.remove_incoming(*blob)?;
            faults::point("released");
        }
        // As `remove`, but one sync for each hour.
        let mut by_hour: BTreeMap<u32, Vec<BlobId>> = BTreeMap::new();
        for blob in &removed {
            by_hour.entry(blob.hour()).or_default().push(*blob);
        }
        for (hour, blobs) in by_hour {
            if let Some(directory) = self.hours.existing(&self.root, hour)? {
                for blob in &blobs {
                    unlink(directory.as_fd(), *blob)?;
                    self.files.forget(*blob);
                    faults::point("unlinked");
                }
                directory.sync("sync the directory of an hour")?;
                faults::point("unlink_synced");
            }
            for blob in &blobs {
                self.remove_incoming(*blob)?;
                faults::point("removed");
            }
            self.hours.prune(hour);
        }
        self.incoming.sync("sync `incoming/`")?;
        let mut left_over = self.still_left();
        blobs.iter().for_each(|blob| {
            left_over.remove(blob);
        });
        Ok(())
    }

    fn still_left(&self) -> MutexGuard<'_, BTreeSet<BlobId>> {
        // Nothing that can panic happens under the lock.
        self.left_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(blob: BlobId) -> String {
    format!("blobs/{}/{blob}", blob.hour())
}

fn link(from: &SyncedDirectory, old: BlobId, to: &SyncedDirectory, new: BlobId) -> rustix::io::Result<()> {
    rustix::fs::linkat(from, old.to_string(), to, new.to_string(), AtFlags::empty())
}

fn unlink(directory: BorrowedFd<'_>, blob: BlobId) -> Result<(), ObjectError> {
    match rustix::fs::unlinkat(directory, blob.to_string(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(ObjectError::system("remove a file", errno)),
    }
}

fn opened(blob: BlobId, fd: OwnedFd) -> Result<OpenBlob, ObjectError> {
    let stat = rustix::fs::fstat(&fd).map_err(|errno| ObjectError::system("ask for a file's size", errno))?;
    match (FileType::from_raw_mode(stat.st_mode), u64::try_from(stat.st_size)) {
        (FileType::RegularFile, Ok(size_bytes)) => Ok(OpenBlob::new(Arc::new(File::from(fd)), size_bytes)),
        _ => Err(ObjectError::Corrupt { blob, found: "something that is not a file" }),
    }
}

fn not_opened(blob: BlobId, errno: Errno) -> ObjectError {
    match errno {
        Errno::NOENT => ObjectError::NotFound { blob },
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::NXIO | Errno::ISDIR => {
            ObjectError::Corrupt { blob, found: "something that is not a file, or a symbolic link on the way to it" }
        }
        errno => ObjectError::system("open a blob", errno),
    }
}

fn blobs_named_in(directory: BorrowedFd<'_>) -> rustix::io::Result<BTreeSet<BlobId>> {
    let mut blobs = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if matches!(&*name, "." | "..") {
            continue;
        }
        match name.parse() {
            Ok(blob) => {
                blobs.insert(blob);
            }
            Err(_) => tracing::warn!(%name, "`incoming/` has a name that is no blob id: left alone"),
        }
    }
    Ok(blobs)
}
