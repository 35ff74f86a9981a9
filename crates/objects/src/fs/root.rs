//! The store's directory: made durably, held by one process, and never left by a path.

use crate::{ObjectError, faults};
use rustix::fs::{FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Modes of what is made: nobody else's business.
const DIRECTORY_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The open root directory of a store.
pub(super) struct Root {
    fd: OwnedFd,
    resolver: Resolver,
    /// Holds the lock until it is closed.
    _lock: OwnedFd,
}

/// How a path is kept beneath the directory it starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolver {
    /// By the kernel: `openat2` (Linux 5.6).
    Kernel,
    /// Name by name, where there is no `openat2` or a sandbox denies it.
    Walk,
}

impl Root {
    /// Opens the store's directory and locks it, making it first if there is none.
    pub(super) fn open(path: &Path, resolver: Option<Resolver>) -> Result<Self, ObjectError> {
        let failed = |attempt| move |errno: Errno| ObjectError::system(attempt, errno);
        match rustix::fs::mkdir(path, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(ObjectError::system("make its directory", errno)),
        }
        let fd = rustix::fs::open(path, READ_DIRECTORY, Mode::empty()).map_err(failed("open its directory"))?;
        // Also where it was there already: whoever made it may have been killed before this.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = rustix::fs::open(parent, READ_DIRECTORY, Mode::empty()).map_err(failed("open its parent directory"))?;
        rustix::fs::fsync(&parent).map_err(failed("sync its parent directory"))?;

        let resolver = resolver.unwrap_or_else(|| Resolver::of_this_system(fd.as_fd()));
        let lock = resolver
            .open(fd.as_fd(), "lock", OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC)
            .map_err(failed("open its lock file"))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { fd, resolver, _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(ObjectError::InUse { root: path.to_owned() }),
            Err(errno) => Err(ObjectError::system("lock its directory", errno)),
        }
    }

    /// Opens a directory of the root, making it first if there is none; not yet durable.
    pub(super) fn directory(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        make_directory(self.fd.as_fd(), name)?;
        self.open_beneath(name, READ_DIRECTORY)
    }

    /// Opens what is at `path`, which may pass through no symbolic link.
    pub(super) fn open_beneath(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        self.resolver.open(self.fd.as_fd(), path, flags)
    }

    /// The same from another directory than the root.
    pub(super) fn open_in(&self, directory: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        self.resolver.open(directory, path, flags)
    }

    /// The same, if every name on the way is in the kernel's cache; `None` if that is not known.
    pub(super) fn open_cached(&self, path: &str, flags: OFlags) -> rustix::io::Result<Option<OwnedFd>> {
        if self.resolver == Resolver::Walk {
            return Ok(None);
        }
        match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), BENEATH | ResolveFlags::CACHED) {
            Ok(fd) => Ok(Some(fd)),
            // `INVAL`: before Linux 5.12, which brought the flag.
            Err(Errno::AGAIN | Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes a directory for the owner alone, if there is none; not yet durable.
pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::mkdirat(parent, name, DIRECTORY_MODE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// For a directory that is to be synced: `O_PATH` would not do.
pub(super) const READ_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

impl Resolver {
    fn of_this_system(root: BorrowedFd<'_>) -> Self {
        const HERE: &CStr = c".";
        let probe = rustix::fs::openat2(root, HERE, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH);
        match probe {
            Ok(_) if !faults::sabotaged("no-openat2") => Self::Kernel,
            _ => {
                tracing::info!("the system has no `openat2`: paths are opened name by name");
                Self::Walk
            }
        }
    }

    fn open(self, directory: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mode = if flags.contains(OFlags::CREATE) { FILE_MODE } else { Mode::empty() };
        if self == Self::Kernel {
            return rustix::fs::openat2(directory, path, flags, mode, BENEATH);
        }
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut reached: Option<OwnedFd> = None;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            // The paths are our own: digits, base64url and fixed words.
            debug_assert!(!matches!(name, "" | "." | ".."), "`{path}`");
            let from = reached.as_ref().map_or(directory, AsFd::as_fd);
            let last = names.peek().is_none();
            let (flags, mode) = if last { (flags | OFlags::NOFOLLOW, mode) } else { (step, Mode::empty()) };
            reached = Some(rustix::fs::openat(from, name, flags, mode)?);
        }
        reached.ok_or(Errno::NOENT)
    }
}
