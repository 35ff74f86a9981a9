//! One blob on its way: from its name in `incoming/` to the row that names it.

use super::Shared;
use super::janitor::Chore;
use crate::{Digests, ObjectError, Outcome, PendingBlob, PendingLinks};
use std::fs::File;
use std::sync::Arc;
use valetkey_model::BlobId;

/// A name in `incoming/`. Dropped, it goes, and with it what else there is of the blob.
pub(super) struct Incoming {
    shared: Arc<Shared>,
    blob: BlobId,
    linked: bool,
    settled: bool,
}

impl Incoming {
    /// An empty file.
    pub(super) fn create(shared: Arc<Shared>, blob: BlobId) -> Result<(Self, File), ObjectError> {
        let file = shared.disk.create(blob)?;
        Ok((Self { shared, blob, linked: false, settled: false }, file))
    }

    /// The file of a finished blob. `None`: it has to be copied.
    pub(super) fn create_from(shared: Arc<Shared>, from: BlobId, blob: BlobId) -> Result<Option<Self>, ObjectError> {
        let created = shared.disk.create_from(from, blob)?;
        Ok(created.map(|()| Self { shared, blob, linked: false, settled: false }))
    }

    /// Makes the blob durable and visible. The content of `file` is synced first; `None`: it is durable already.
    pub(super) fn finish(mut self, file: Option<&File>, size_bytes: u64, digests: Digests) -> Result<PendingBlob, ObjectError> {
        let disk = &self.shared.disk;
        if let Some(file) = file {
            disk.sync_file(file)?;
        }
        disk.sync_incoming()?;
        let hour = disk.link_finished(self.blob)?;
        self.linked = true;
        self.shared.disk.sync_hour(&hour)?;
        Ok(PendingBlob::new(self.blob, size_bytes, digests, Box::new(self)))
    }
}

impl PendingLinks for Incoming {
    fn settle(mut self: Box<Self>, outcome: Outcome) {
        match outcome {
            Outcome::Released => self.shared.janitor.give(Chore::RemoveIncoming(self.blob)),
            Outcome::Refused => return,
            Outcome::Unresolved => {
                tracing::warn!(blob = %self.blob, "whether a blob has a row is not known: left to the next start");
            }
        }
        self.settled = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.settled {
            let chore = if self.linked { Chore::Remove(self.blob) } else { Chore::RemoveIncoming(self.blob) };
            self.shared.janitor.give(chore);
        }
    }
}
