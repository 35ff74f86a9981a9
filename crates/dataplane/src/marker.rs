//! Markers: `Bytes` that stand for a range of a file.
//!
//! hyper's HTTP/1 writer queues body buffers and hands their pointers to the connection unchanged. A marker is a slice of
//! one mapping that is reserved and never read; the connection recognises it by address and sends the file range in
//! its place. The slice's length is the range's, so that hyper's framing is right; where it starts names the queued
//! segment ([`Slot`]), so that a marker can never be taken for another one's.

use std::io;
use std::sync::OnceLock;

use bytes::Bytes;

/// The longest file range one marker can stand for.
pub(crate) const MAX_MARKER_BYTES: usize = 1 << 30;

/// Segments of one connection take the slots in turn; a queue is always much shorter than this.
const N_SLOTS: usize = 1 << 12;

/// Far enough apart for two slots never to begin alike, near enough to cost little address space.
const SLOT_STRIDE_BYTES: usize = 64;

const REGION_BYTES: usize = MAX_MARKER_BYTES + N_SLOTS * SLOT_STRIDE_BYTES;

/// Where a segment's marker starts within the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slot(usize);

impl Slot {
    /// The slot after this one.
    pub(crate) fn next(self) -> Slot {
        Slot((self.0 + 1) % N_SLOTS)
    }

    /// The marker for `len` bytes (at most [`MAX_MARKER_BYTES`]).
    pub(crate) fn marker(self, len: usize) -> Bytes {
        let start = self.0 * SLOT_STRIDE_BYTES;
        let bytes = region().unwrap_or_default();
        // An unreserved region gives an empty marker: the response is then shorter than promised, and hyper cuts it.
        Bytes::from_static(bytes.get(start..start + len.min(MAX_MARKER_BYTES)).unwrap_or_default())
    }

    /// Whether `bytes` is what is left of this slot's marker of `len` bytes after its first `sent`.
    pub(crate) fn is_rest(self, bytes: &[u8], len: usize, sent: usize) -> bool {
        let Ok(region) = region() else { return false };
        let start = region.as_ptr() as usize + self.0 * SLOT_STRIDE_BYTES;
        bytes.as_ptr() as usize == start + sent && bytes.len() == len - sent
    }
}

/// Whether `bytes` is a marker or the rest of one.
pub(crate) fn is_marker(bytes: &[u8]) -> bool {
    match region() {
        Ok(region) => !bytes.is_empty() && region.as_ptr_range().contains(&bytes.as_ptr()),
        Err(_) => false,
    }
}

/// Reserves the mapping: once in a process, before the first connection.
///
/// # Errors
///
/// The system's, if it gives no address space.
pub(crate) fn reserve() -> io::Result<()> {
    region().map(drop)
}

fn region() -> io::Result<&'static [u8]> {
    static REGION: OnceLock<Result<&'static [u8], i32>> = OnceLock::new();
    REGION.get_or_init(map_region).map_err(io::Error::from_raw_os_error)
}

#[allow(unsafe_code)]
fn map_region() -> Result<&'static [u8], i32> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that is in use.
    let start =
        unsafe { mmap_anonymous(std::ptr::null_mut(), REGION_BYTES, ProtFlags::READ, MapFlags::PRIVATE | MapFlags::NORESERVE) }
            .map_err(rustix::io::Errno::raw_os_error)?;
    // SAFETY: the mapping is `REGION_BYTES` long, readable (as zeros, each page on its first touch), is never unmapped
    // and never written, because it has no write permission and its address is given out only as `&[u8]`.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), REGION_BYTES) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_known_by_its_address_alone() {
        let marker = Slot::default().next().marker(1000);
        assert!(is_marker(&marker));
        assert!(is_marker(&marker[999..]));
        assert!(!is_marker(&marker[1000..]), "nothing left is no marker");
        assert!(!is_marker(&vec![0; 1000]), "zeros elsewhere are literal bytes");
        assert!(is_marker(&Slot(N_SLOTS - 1).marker(MAX_MARKER_BYTES)));
    }

    #[test]
    fn a_marker_fits_only_its_own_slot() {
        let slot = Slot::default();
        let marker = slot.marker(1000);
        assert!(slot.is_rest(&marker, 1000, 0));
        assert!(slot.is_rest(&marker[64..], 1000, 64));
        assert!(!slot.is_rest(&marker[64..], 1000, 0));
        assert!(!slot.is_rest(&marker[..999], 1000, 0), "cut by hyper");
        assert!(!slot.next().is_rest(&marker, 1000, 0));
    }

    #[test]
    fn slots_come_round() {
        let mut slot = Slot::default();
        for _ in 0..N_SLOTS {
            slot = slot.next();
        }
        assert_eq!(slot, Slot::default());
    }
}
