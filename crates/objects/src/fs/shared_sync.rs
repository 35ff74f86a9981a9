//! One sync of a directory serves everyone who asked before it began.

use crate::{ObjectError, faults};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A directory whose changes can be made durable.
///
/// There is no thread for it: whoever asks while no sync runs performs one itself, on its own thread; whoever asks while one runs
/// waits, and one of those that wait then performs the next, for all of them.
pub(super) struct SyncedDirectory {
    fd: OwnedFd,
    turns: Mutex<Turns>,
    turn_ended: Condvar,
}

/// Syncs are numbered from 1.
#[derive(Default)]
struct Turns {
    n_begun: u64,
    n_ended: u64,
    /// The last sync that failed, and why. Those before it count as failed too for whoever still waits for them.
    failure: Option<(u64, Errno)>,
}

impl SyncedDirectory {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd, turns: Mutex::default(), turn_ended: Condvar::new() }
    }

    /// Returns when every change made to the directory before the call is durable. Blocks the thread.
    ///
    /// # Errors
    /// After an I/O error every later sync fails too, until the store is opened anew: the kernel may have dropped the changes that it
    /// could not write, and reports that only once (<https://wiki.postgresql.org/wiki/Fsync_Errors>).
    pub(super) fn sync(&self, attempt: &'static str) -> Result<(), ObjectError> {
        self.take_turn(|| if faults::sabotaged("no-directory-sync") { Ok(()) } else { rustix::fs::fsync(&self.fd) })
            .map_err(|errno| ObjectError::system(attempt, errno))
    }

    fn take_turn(&self, sync: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
        let mut turns = self.turns();
        // One that has begun may have missed the caller's change.
        let mine = turns.n_begun + 1;
        loop {
            if turns.n_ended >= mine {
                return match turns.failure {
                    Some((turn, errno)) if turn >= mine => Err(errno),
                    _ => Ok(()),
                };
            }
            if turns.n_begun == turns.n_ended {
                break;
            }
            turns = self.turn_ended.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        turns.n_begun += 1;
        let turn = turns.n_begun;
        drop(turns);

        let result = sync();

        let mut turns = self.turns();
        turns.n_ended = turn;
        if let Err(errno) = result {
            turns.failure = Some((if errno == Errno::IO { u64::MAX } else { turn }, errno));
        }
        let result = match turns.failure {
            Some((failed, errno)) if failed >= turn => Err(errno),
            _ => Ok(()),
        };
        drop(turns);
        self.turn_ended.notify_all();
        result
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        // Nothing that can panic happens under the lock.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for SyncedDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    fn directory() -> SyncedDirectory {
        let fd = rustix::fs::open(".", super::super::root::READ_DIRECTORY, rustix::fs::Mode::empty());
        SyncedDirectory::new(fd.unwrap())
    }

    /// Runs a first sync that ends when told to; meanwhile `n_waiting` callers ask for theirs. Gives what each was told, and how
    /// many syncs there were after the first.
    fn behind_a_running_sync(
        first: rustix::io::Result<()>,
        second: rustix::io::Result<()>,
    ) -> (Vec<rustix::io::Result<()>>, u64) {
        const N_WAITING: usize = 8;
        let (directory, n_syncs) = (directory(), AtomicU64::new(0));
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let results = thread::scope(|scope| {
            let directory = &directory;
            let n_syncs = &n_syncs;
            let leader = scope.spawn(move || {
                directory.take_turn(move || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    first
                })
            });
            has_begun.recv().unwrap();
            let waiting: Vec<_> = (0..N_WAITING)
                .map(|_| {
                    scope.spawn(move || {
                        directory.take_turn(move || {
                            n_syncs.fetch_add(1, Ordering::SeqCst);
                            second
                        })
                    })
                })
                .collect();
            end.send(()).unwrap();
            let first = leader.join().unwrap();
            std::iter::once(first).chain(waiting.into_iter().map(|thread| thread.join().unwrap())).collect()
        });
        (results, n_syncs.into_inner())
    }

    #[test]
    fn a_running_sync_serves_nobody_who_asks_meanwhile() {
        let (results, n_syncs) = behind_a_running_sync(Ok(()), Ok(()));
        assert!(results.iter().all(Result::is_ok));
        assert!((1..=8).contains(&n_syncs), "{n_syncs} syncs");
    }

    #[test]
    fn everyone_served_by_a_failed_sync_is_told() {
        let (results, _) = behind_a_running_sync(Ok(()), Err(Errno::NOSPC));
        assert_eq!(results.first(), Some(&Ok(())));
        assert!(results.iter().skip(1).all(|result| *result == Err(Errno::NOSPC)));
    }

    #[test]
    fn no_sync_succeeds_after_an_io_error() {
        let (results, _) = behind_a_running_sync(Err(Errno::IO), Ok(()));
        assert!(results.iter().all(|result| *result == Err(Errno::IO)));
    }

    #[test]
    fn one_without_space_is_forgiven() {
        let directory = directory();
        assert_eq!(directory.take_turn(|| Err(Errno::NOSPC)), Err(Errno::NOSPC));
        assert_eq!(directory.take_turn(|| Ok(())), Ok(()));
    }
}
