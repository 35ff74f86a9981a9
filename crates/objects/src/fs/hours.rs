//! `blobs/<hour>/`: finished blobs, by the hour they were begun in.

use super::root::{READ_DIRECTORY, Root, make_directory};
use super::shared_sync::SyncedDirectory;
use crate::{ObjectError, faults};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many hours are kept open; uploads and deletions are mostly in few of them.
const MAX_OPEN: usize = 64;

/// The directories beneath `blobs/`.
pub(super) struct Hours {
    blobs: SyncedDirectory,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    hours: BTreeMap<u32, Hour>,
    /// The last hour something was written to: the one directory it would be a waste to remove when it is empty.
    newest: u32,
}

#[derive(Clone)]
struct Hour {
    directory: Arc<SyncedDirectory>,
    /// Whether it is known that its own name in `blobs/` is durable.
    durable: bool,
}

impl Hours {
    pub(super) fn new(blobs: OwnedFd) -> Self {
        Self { blobs: SyncedDirectory::new(blobs), open: Mutex::default() }
    }

    /// The hour's directory, made and durable.
    pub(super) fn to_write(&self, root: &Root, hour: u32) -> Result<Arc<SyncedDirectory>, ObjectError> {
        // Held while the directory is made: those who need the same one must wait for it anyway, once an hour.
        let mut open = self.open();
        if let Some(Hour { directory, durable: true }) = open.hours.get(&hour) {
            return Ok(directory.clone());
        }
        make_directory(self.blobs.as_fd(), &hour.to_string())
            .map_err(|errno| ObjectError::system("make the directory of an hour", errno))?;
        // Also where it was there already: whoever made it may have been killed before this.
        self.blobs.sync("sync the directory of all hours")?;
        faults::point("hour_made");
        let directory =
            self.open_hour(root, hour).map_err(|errno| ObjectError::system("open the directory of an hour", errno))?;
        open.keep(hour, Hour { directory: directory.clone(), durable: true });
        open.newest = open.newest.max(hour);
        Ok(directory)
    }

    /// The hour's directory, if there is one.
    pub(super) fn existing(&self, root: &Root, hour: u32) -> Result<Option<Arc<SyncedDirectory>>, ObjectError> {
        let mut open = self.open();
        if let Some(Hour { directory, .. }) = open.hours.get(&hour) {
            return Ok(Some(directory.clone()));
        }
        match self.open_hour(root, hour) {
            Ok(directory) => {
                open.keep(hour, Hour { directory: directory.clone(), durable: false });
                Ok(Some(directory))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(ObjectError::system("open the directory of an hour", errno)),
        }
    }

    /// Removes the hour's directory if it is empty and past. Who is about to link into it finds that it is gone, and asks
    /// [`Hours::to_write`] again. Not synced: an empty directory that comes back does no harm.
    pub(super) fn prune(&self, hour: u32) {
        let mut open = self.open();
        if hour < open.newest && rustix::fs::unlinkat(&self.blobs, hour.to_string(), AtFlags::REMOVEDIR).is_ok() {
            open.hours.remove(&hour);
        }
    }

    fn open_hour(&self, root: &Root, hour: u32) -> rustix::io::Result<Arc<SyncedDirectory>> {
        let fd = root.open_in(self.blobs.as_fd(), &hour.to_string(), READ_DIRECTORY)?;
        Ok(Arc::new(SyncedDirectory::new(fd)))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Whatever panicked under the lock, each change to the table is complete in itself.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn keep(&mut self, hour: u32, entry: Hour) {
        self.hours.insert(hour, entry);
        if self.hours.len() > MAX_OPEN
            && let Some(oldest) = self.hours.keys().copied().find(|other| *other != hour)
        {
            self.hours.remove(&oldest);
        }
    }
}
