//! Whether a range of a file is in the page cache, so that sending it does not make the core's thread wait for the disk.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ReadWriteFlags};

use crate::body::SharedFile;

const PAGE_BYTES: u64 = 4096;

/// How far apart the probes are where the kernel cannot be asked about the whole range: its usual read-ahead is larger.
const PROBE_STRIDE_BYTES: u64 = 32 << 10;

/// For how long a range that was in the page cache is taken to be there still. Pages do not leave it faster, unless somebody
/// makes them; then the core's thread waits for the disk once.
const TRUSTED_FOR: Duration = Duration::from_millis(100);

/// Ranges remembered by each core's thread.
const N_REMEMBERED: usize = 1024;

/// A range of a file that is open, and since when it is known to be resident.
#[derive(Clone, Copy)]
struct Known {
    file: RawFd,
    offset: u64,
    end: u64,
    since: Instant,
}

thread_local! {
    static KNOWN: RefCell<Vec<Option<Known>>> = RefCell::new(vec![None; N_REMEMBERED]);
}

/// [`is_resident`], where the kernel is not asked again for a while: for the core's own thread. Another file that was given the
/// same number meanwhile may be taken for the first one, which costs a wait and no more.
pub(crate) fn was_resident(file: impl AsFd, offset: u64, len: u64) -> bool {
    let (now, number) = (Instant::now(), file.as_fd().as_raw_fd());
    let place = (number as usize).wrapping_mul(31).wrapping_add((offset >> 18) as usize) % N_REMEMBERED;
    KNOWN.with_borrow_mut(|known| {
        let Some(slot) = known.get_mut(place) else { return is_resident(file, offset, len) };
        let is_known = |known: &Known| {
            known.file == number && known.offset <= offset && offset + len <= known.end && now < known.since + TRUSTED_FOR
        };
        if slot.as_ref().is_some_and(is_known) {
            return true;
        }
        let resident = is_resident(file, offset, len);
        if resident {
            *slot = Some(Known { file: number, offset, end: offset + len, since: now });
        }
        resident
    })
}

/// Whether all of `offset..offset + len` can be read without waiting. A file that ends earlier is not resident.
pub(crate) fn is_resident(file: impl AsFd, offset: u64, len: u64) -> bool {
    static HAS_CACHESTAT: AtomicBool = AtomicBool::new(true);
    if HAS_CACHESTAT.load(Ordering::Relaxed) {
        match cachestat(&file, offset, len) {
            Ok(n_pages) => {
                let first = offset / PAGE_BYTES;
                let last = (offset + len.max(1) - 1) / PAGE_BYTES;
                return n_pages > last - first;
            }
            // Before Linux 6.5, or behind a filter of system calls.
            Err(Errno::NOSYS) => HAS_CACHESTAT.store(false, Ordering::Relaxed),
            // Newer kernels want a file one may write; some file systems have no page cache.
            Err(_) => {}
        }
    }
    probe(&file, offset, len)
}

/// Reads one byte of every [`PROBE_STRIDE_BYTES`] and the last one, unless that would wait.
fn probe(file: impl AsFd, offset: u64, len: u64) -> bool {
    let end = offset + len;
    let mut at = offset;
    while at < end {
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(&file, &mut into, at, ReadWriteFlags::NOWAIT) {
            Ok(1) => {}
            // No such flag here: nothing can be known, and nothing would be gained by asking the pool each time.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return true,
            _ => return false,
        }
        at = match at + PROBE_STRIDE_BYTES {
            next if next < end => next,
            _ if at < end - 1 => end - 1,
            _ => end,
        };
    }
    true
}

/// Brings `offset..offset + len` into the page cache and waits until it is there; what follows up to `ahead` is only begun.
/// For a thread that may wait.
///
/// # Errors
///
/// The device's.
pub(crate) fn read_ahead(file: &SharedFile, offset: u64, len: u64, ahead: u64) -> io::Result<()> {
    // Advice may be refused; the reads below do not depend on it.
    let _ = rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(len + ahead), rustix::fs::Advice::WillNeed);
    let mut scratch = vec![0; 64 << 10];
    let end = offset + len;
    let mut at = offset;
    while at < end {
        let want = scratch.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        match rustix::io::pread(file, &mut scratch[..want], at) {
            Ok(0) => break,
            Ok(n) => at += n as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How many pages of the range are in the page cache (`cachestat(2)`).
#[allow(unsafe_code)]
fn cachestat(file: impl AsFd, offset: u64, len: u64) -> Result<u64, Errno> {
    /// The same number on every architecture but Alpha; `libc` does not name it everywhere.
    const SYS_CACHESTAT: libc::c_long = 451;

    #[repr(C)]
    struct Range {
        offset: u64,
        len: u64,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Counts {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    let range = Range { offset, len };
    let mut counts = Counts::default();
    // SAFETY: both pointers are to live values laid out as the kernel's `struct cachestat_range` (two u64) and
    // `struct cachestat` (five u64); the kernel reads the first and writes only the second; the descriptor is borrowed
    // for the call.
    let outcome = unsafe { libc::syscall(SYS_CACHESTAT, file.as_fd().as_raw_fd(), &raw const range, &raw mut counts, 0_u32) };
    if outcome == 0 { Ok(counts.cached) } else { Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_was_just_written_is_resident_and_what_is_beyond_the_end_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        let checks: [fn(&std::fs::File, u64, u64) -> bool; 2] = [|f, o, n| is_resident(f, o, n), |f, o, n| probe(f, o, n)];
        for check in checks {
            assert!(check(&file, 0, 100_000));
            assert!(check(&file, 99_999, 1));
            assert!(check(&file, 5000, 70_000));
            assert!(!check(&file, 50_000, 100_000));
        }
    }

    #[test]
    fn read_ahead_makes_resident_and_stops_at_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        let file: SharedFile = Arc::new(file);
        read_ahead(&file, 0, 1 << 20, 1 << 20).unwrap();
        assert!(is_resident(&*file, 0, 100_000));
    }
}
