//! Buffers between the network and the disk, used again and again.

use std::sync::{Arc, Mutex, PoisonError};

/// Two of them are what one upload holds at most.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// How many are kept for reuse: what an idle server still holds.
const MAX_KEPT: usize = 16;

/// The buffers not in use.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use; goes back when it is dropped.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    pub(super) fn take(&self) -> Buffer {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { bytes: kept.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES)), home: self.clone() }
    }
}

impl Buffer {
    /// Copies as much as fits, and says how much.
    pub(super) fn fill_from(&mut self, source: &[u8]) -> usize {
        let (fits, _) = source.split_at(source.len().min(BUFFER_BYTES.saturating_sub(self.bytes.len())));
        self.bytes.extend_from_slice(fits);
        fits.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BUFFER_BYTES
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it, to be read into.
    pub(super) fn whole(&mut self) -> &mut [u8] {
        self.bytes.resize(BUFFER_BYTES, 0);
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(bytes);
        }
    }
}
