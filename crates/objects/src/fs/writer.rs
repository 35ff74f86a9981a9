//! Takes a blob's bytes: buffers on the caller's thread, hashes and writes on threads that may wait.

use super::Shared;
use super::buffers::{BUFFER_BYTES, Buffer};
use super::incoming::Incoming;
use crate::digest::Hasher;
use crate::{BlobWriter, DigestSet, ObjectError, PendingBlob, faults};
use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use rustix::fs::Advice;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};
use valetkey_model::BlobId;

/// How many bytes are written before the kernel is told to begin with them.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// Writes one blob. At most two buffers: one is filled while the other is written. What fits into one is written and finished
/// in one go.
pub(super) struct FsWriter {
    shared: Arc<Shared>,
    blob: BlobId,
    digests: DigestSet,
    n_taken: u64,
    held: Held,
    stage: Stage,
}

/// What was taken and not yet passed on.
enum Held {
    Nothing,
    /// A whole small body, most likely: not copied.
    Piece(Bytes),
    Buffer(Buffer),
}

enum Stage {
    /// Nothing is on the disk.
    Before,
    /// Nothing is being written. Boxed: the hashers are large.
    Idle(Box<Stream>),
    /// A buffer is.
    Busy(JoinHandle<Result<Box<Stream>, ObjectError>>),
    Failed,
}

impl FsWriter {
    pub(super) fn new(shared: Arc<Shared>, blob: BlobId, digests: DigestSet) -> Self {
        Self { shared, blob, digests, n_taken: 0, held: Held::Nothing, stage: Stage::Before }
    }

    /// Copies as much of `bytes` as fits, and advances it.
    fn hold(&mut self, bytes: &mut Bytes) {
        let mut buffer = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing if matches!(self.stage, Stage::Before) && bytes.len() <= BUFFER_BYTES => {
                self.held = Held::Piece(std::mem::take(bytes));
                return;
            }
            Held::Nothing => self.shared.buffers.take(),
            Held::Piece(piece) => {
                let mut buffer = self.shared.buffers.take();
                buffer.fill_from(&piece);
                buffer
            }
            Held::Buffer(buffer) => buffer,
        };
        let n_held = buffer.fill_from(bytes);
        bytes.advance(n_held);
        self.held = Held::Buffer(buffer);
    }

    /// Has the held buffer written, after the one before it.
    async fn pass_on(&mut self) -> Result<(), ObjectError> {
        self.idle().await?;
        let Held::Buffer(buffer) = std::mem::replace(&mut self.held, Held::Nothing) else {
            return Ok(());
        };
        let stream = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Idle(stream) => Some(stream),
            _ => None,
        };
        let (shared, blob, digests) = (self.shared.clone(), self.blob, self.digests);
        self.stage = Stage::Busy(spawn_blocking(move || {
            let mut stream = match stream {
                Some(stream) => stream,
                None => Box::new(Stream::begin(shared, blob, digests)?),
            };
            stream.append(buffer.bytes())?;
            Ok(stream)
        }));
        Ok(())
    }

    /// Waits for the write under way. Afterwards the stage is `Before` or `Idle`.
    async fn idle(&mut self) -> Result<(), ObjectError> {
        match &mut self.stage {
            Stage::Before | Stage::Idle(_) => Ok(()),
            Stage::Failed => Err(failed_before()),
            Stage::Busy(task) => {
                // Dropped here, the future leaves the task where it is: the next call waits for it again.
                let written = joined(task.await);
                self.stage = Stage::Failed;
                self.stage = Stage::Idle(written?);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl BlobWriter for FsWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), ObjectError> {
        if matches!(self.stage, Stage::Failed) {
            return Err(failed_before());
        }
        while !bytes.is_empty() {
            if let Held::Buffer(buffer) = &self.held
                && buffer.is_full()
            {
                self.pass_on().await?;
            }
            let n_before = bytes.len();
            self.hold(&mut bytes);
            self.n_taken += (n_before - bytes.len()) as u64;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.n_taken
    }

    async fn finish(mut self: Box<Self>) -> Result<PendingBlob, ObjectError> {
        self.idle().await?;
        let Self { shared, blob, digests, held, stage, .. } = *self;
        joined(
            spawn_blocking(move || {
                let mut stream = match stage {
                    Stage::Idle(stream) => stream,
                    _ => Box::new(Stream::begin(shared, blob, digests)?),
                };
                match &held {
                    Held::Nothing => {}
                    Held::Piece(piece) => stream.append(piece)?,
                    Held::Buffer(buffer) => stream.append(buffer.bytes())?,
                }
                drop(held);
                stream.finish()
            })
            .await,
        )
    }
}

/// A file being written, and the digests so far.
pub(super) struct Stream {
    incoming: Incoming,
    file: File,
    hasher: Hasher,
    n_written: u64,
    n_flushing: u64,
}

impl Stream {
    pub(super) fn begin(shared: Arc<Shared>, blob: BlobId, digests: DigestSet) -> Result<Self, ObjectError> {
        let (incoming, file) = Incoming::create(shared, blob)?;
        Ok(Self { incoming, file, hasher: Hasher::new(digests), n_written: 0, n_flushing: 0 })
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), ObjectError> {
        self.file.write_all_at(piece, self.n_written).map_err(|error| ObjectError::system("write a file", error))?;
        self.took(piece);
        Ok(())
    }

    /// Takes note of a piece that is in the file.
    pub(super) fn took(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.n_written += piece.len() as u64;
        faults::point("written");
        if let Some(due) = NonZeroU64::new(self.n_written - self.n_flushing).filter(|due| due.get() >= WRITEBACK_BYTES) {
            // Of pages not yet written this only begins the writing, so that the sync at the end finds little left. It cannot fail in a
            // way that matters: an error in writing comes back from that sync.
            let _ = rustix::fs::fadvise(&self.file, self.n_flushing, Some(due), Advice::DontNeed);
            self.n_flushing = self.n_written;
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn n_written(&self) -> u64 {
        self.n_written
    }

    pub(super) fn finish(self) -> Result<PendingBlob, ObjectError> {
        self.incoming.finish(Some(&self.file), self.n_written, self.hasher.finish())
    }
}

/// What a task on a waiting thread gave.
pub(super) fn joined<T>(task: Result<Result<T, ObjectError>, tokio::task::JoinError>) -> Result<T, ObjectError> {
    task.unwrap_or_else(|error| Err(ObjectError::system("run a task to its end", io::Error::other(error))))
}

fn failed_before() -> ObjectError {
    ObjectError::system("go on writing after an error", io::Error::other("the writer failed before"))
}
