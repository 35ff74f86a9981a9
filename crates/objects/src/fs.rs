//! The local disk: blobs as files, durable when they are said to be.

mod buffers;
mod disk;
mod hours;
mod incoming;
mod janitor;
mod open_files;
mod root;
mod shared_sync;
mod writer;

use self::buffers::Buffers;
use self::disk::Disk;
use self::incoming::Incoming;
use self::janitor::Janitor;
use self::root::Resolver;
use self::writer::{FsWriter, Stream, joined};
use crate::digest::Hasher;
use crate::{BlobWriter, DigestSet, Digests, KnownBlobs, ObjectError, ObjectStore, OpenBlob, PendingBlob, Recovered};
use async_trait::async_trait;
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::spawn_blocking;
use valetkey_model::BlobId;

/// A store in a directory of the local disk. Its methods need a tokio runtime, any: whatever waits for the disk runs on its blocking
/// threads. A clone is the same store; the directory is free for another process when the last clone, writer and pending
/// blob is gone.
#[derive(Clone)]
pub struct FsStore(Arc<Shared>);

/// How to open an [`FsStore`].
#[derive(Clone, Debug, Default)]
pub struct FsOptions {
    max_open_files: Option<usize>,
    resolver: Option<Resolver>,
}

/// What the store, its writers and its pending blobs share.
struct Shared {
    disk: Arc<Disk>,
    janitor: Janitor,
    buffers: Buffers,
}

impl FsOptions {
    /// How many blobs are kept open for the next reader. The default is 10,000, or half of the files that the process may have
    /// open if that is less.
    #[must_use]
    pub fn max_open_files(mut self, n_files: usize) -> Self {
        self.max_open_files = Some(n_files);
        self
    }

    /// Opens paths name by name even where the kernel has `openat2`: what an old kernel or a strict sandbox leads to.
    #[must_use]
    pub fn without_openat2(mut self) -> Self {
        self.resolver = Some(Resolver::Walk);
        self
    }
}

impl FsStore {
    /// Opens the store at `root`, making the directory (not its parents) if there is none. Waits for the disk. Call
    /// [`ObjectStore::recover`] before serving.
    ///
    /// # Errors
    /// [`InUse`](ObjectError::InUse) if another process, or another `FsStore` of this one, has it open;
    /// [`NoSpace`](ObjectError::NoSpace), [`Unavailable`](ObjectError::Unavailable).
    pub fn open(root: impl AsRef<Path>, options: &FsOptions) -> Result<Self, ObjectError> {
        let disk = Arc::new(Disk::open(root.as_ref(), options.max_open_files, options.resolver)?);
        let janitor = Janitor::start(disk.clone()).map_err(|error| ObjectError::system("start a thread", error))?;
        Ok(Self(Arc::new(Shared { disk, janitor, buffers: Buffers::default() })))
    }

    /// Runs `work` where it may wait for the disk. If the caller stops waiting, `work` learns it from its second argument.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Shared>, &Wanted) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (shared, wanted) = (self.0.clone(), Wanted::default());
        let _unwanted_when_dropped = wanted.clone().until_dropped();
        joined(spawn_blocking(move || work(&shared, &wanted)).await)
    }
}

#[async_trait]
impl ObjectStore for FsStore {
    async fn create(
        &self,
        blob: BlobId,
        digests: DigestSet,
        expected_bytes: Option<u64>,
    ) -> Result<Box<dyn BlobWriter>, ObjectError> {
        if let Some(expected) = expected_bytes.filter(|expected| *expected > buffers::BUFFER_BYTES as u64) {
            // Asked, not reserved: a sender that announces much and sends nothing must take no room from others.
            self.on_disk(move |shared, _| shared.disk.has_room_for(expected)).await?;
        }
        Ok(Box::new(FsWriter::new(self.0.clone(), blob, digests)))
    }

    fn open_now(&self, blob: BlobId) -> Result<Option<OpenBlob>, ObjectError> {
        self.0.disk.open_now(blob)
    }

    async fn open(&self, blob: BlobId) -> Result<OpenBlob, ObjectError> {
        self.on_disk(move |shared, _| shared.disk.open_blob(blob)).await
    }

    async fn delete(&self, blob: BlobId) -> Result<(), ObjectError> {
        self.on_disk(move |shared, _| shared.disk.remove(blob)).await
    }

    async fn copy(&self, from: BlobId, to: BlobId) -> Result<PendingBlob, ObjectError> {
        self.on_disk(move |shared, wanted| match Incoming::create_from(shared.clone(), from, to)? {
            Some(incoming) => {
                let source = shared.disk.open_blob(from)?;
                let digests = digest_of(shared, from, &source, DigestSet::NONE, wanted)?;
                incoming.finish(None, source.size_bytes(), digests)
            }
            None => concatenated(shared, &[from], to, DigestSet::NONE, wanted),
        })
        .await
    }

    async fn concatenate(&self, parts: &[BlobId], to: BlobId, digests: DigestSet) -> Result<PendingBlob, ObjectError> {
        let parts = parts.to_vec();
        self.on_disk(move |shared, wanted| concatenated(shared, &parts, to, digests, wanted)).await
    }

    async fn digest(&self, blob: BlobId, digests: DigestSet) -> Result<Digests, ObjectError> {
        self.on_disk(move |shared, wanted| digest_of(shared, blob, &shared.disk.open_blob(blob)?, digests, wanted)).await
    }

    async fn recover(&self, known: &dyn KnownBlobs) -> Result<Recovered, ObjectError> {
        const BATCH: usize = 1_000;
        let mut recovered = Recovered::default();
        loop {
            let blobs = self.0.disk.left_over(BATCH);
            if blobs.is_empty() {
                return Ok(recovered);
            }
            let known = known
                .known(&blobs)
                .await
                .map_err(|error| ObjectError::system("learn which pending blobs have a row", io::Error::other(error)))?;
            let n_kept = blobs.iter().filter(|blob| known.contains(blob)).count();
            recovered.n_kept += n_kept as u64;
            recovered.n_removed += (blobs.len() - n_kept) as u64;
            self.on_disk(move |shared, _| shared.disk.settle(&blobs, &known)).await?;
        }
    }

    async fn settled(&self) {
        self.0.janitor.settled().await;
    }
}

/// Whether someone still waits for the result.
#[derive(Clone, Default)]
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn until_dropped(self) -> impl Drop {
        struct UntilDropped(Wanted);
        impl Drop for UntilDropped {
            fn drop(&mut self) {
                self.0.0.store(true, Ordering::Relaxed);
            }
        }
        UntilDropped(self)
    }

    /// Fails once nobody waits: for work that takes long.
    fn check(&self) -> Result<(), ObjectError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(ObjectError::system("finish what nobody waits for", io::Error::other("cancelled")));
        }
        Ok(())
    }
}

fn digest_of(
    shared: &Shared,
    blob: BlobId,
    open: &OpenBlob,
    digests: DigestSet,
    wanted: &Wanted,
) -> Result<Digests, ObjectError> {
    let mut hasher = Hasher::new(digests);
    let mut buffer = shared.buffers.take();
    let mut offset = 0;
    while offset < open.size_bytes() {
        wanted.check()?;
        let out = buffer.whole();
        let n_read = open.read_at(offset, out).map_err(|error| ObjectError::system("read a blob", error))?;
        match out.get(..n_read) {
            Some(piece) if !piece.is_empty() => hasher.update(piece),
            _ => return Err(ObjectError::Corrupt { blob, found: "less than its length" }),
        }
        offset += n_read as u64;
    }
    Ok(hasher.finish())
}

/// How much is copied before it is hashed: still in the processor's or the page cache then.
const COPY_BYTES: u64 = 1 << 20;

fn concatenated(
    shared: &Arc<Shared>,
    parts: &[BlobId],
    to: BlobId,
    digests: DigestSet,
    wanted: &Wanted,
) -> Result<PendingBlob, ObjectError> {
    // One after the other: there may be more of them than files may be open.
    let mut n_bytes = 0_u64;
    for part in parts {
        n_bytes = n_bytes.saturating_add(shared.disk.open_blob(*part)?.size_bytes());
    }
    shared.disk.has_room_for(n_bytes)?;
    let mut stream = Stream::begin(shared.clone(), to, digests)?;
    let mut buffer = shared.buffers.take();
    for part in parts {
        let open = shared.disk.open_blob(*part)?;
        let mut offset = 0;
        while offset < open.size_bytes() {
            wanted.check()?;
            let window = COPY_BYTES.min(open.size_bytes() - offset);
            let copied = copy_range(open.file(), offset, stream.file(), stream.n_written(), window)?;
            let end = offset + copied.unwrap_or(window);
            while offset < end {
                let out = buffer.whole();
                let n_wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(out.len());
                let out = out.get_mut(..n_wanted).unwrap_or_default();
                let n_read = open.read_at(offset, out).map_err(|error| ObjectError::system("read a blob", error))?;
                let piece = out.get(..n_read).filter(|piece| !piece.is_empty());
                let piece = piece.ok_or(ObjectError::Corrupt { blob: *part, found: "less than its length" })?;
                match copied {
                    Some(_) => stream.took(piece),
                    None => stream.append(piece)?,
                }
                offset += n_read as u64;
            }
        }
    }
    stream.finish()
}

/// Has the kernel copy from one file to the other, or share the blocks where the file system can; says how much. `None`: it cannot,
/// copy by hand.
fn copy_range(from: &File, offset: u64, to: &File, end: u64, window: u64) -> Result<Option<u64>, ObjectError> {
    let window = usize::try_from(window).unwrap_or(usize::MAX);
    let copied = retry_on_intr(|| rustix::fs::copy_file_range(from, Some(&mut { offset }), to, Some(&mut { end }), window));
    match copied {
        // By hand it shows whether the file is shorter than it was, or of a kind that only pretends.
        Ok(0) => Ok(None),
        Ok(n_copied) => Ok(Some(n_copied as u64)),
        Err(Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
        Err(errno) => Err(ObjectError::system("copy a blob", errno)),
    }
}
