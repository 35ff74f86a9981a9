//! The one thread that writes.
//!
//! It takes everything that is queued and commits it as one transaction, hence with one sync of the disk; each write stands in a
//! savepoint of its own, so that one that fails takes back none but itself. Nobody is answered before the commit. What the audit
//! records of the writes that happened is appended at the end of the same transaction: this thread is the only one that does.

use super::audit;
use super::fault::{BatchFailure, Fault, WriteError};
use super::log::Log;
use crate::audit::hex;
use crate::{AuditCheckpoint, AuditEntry, AuditSealer, MetadataError, faults, statements};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use valetkey_model::Clock;

/// The writing thread. Dropping it waits until what was queued is committed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    sealer: Arc<OnceLock<Arc<dyn AuditSealer>>>,
}

/// The writing thread, as a caller sees it whose writes the audit is to record.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) writer: Arc<Writer>,
    /// Appended with each write.
    pub(super) record: Vec<AuditEntry>,
}

impl Recorder {
    /// Does `work` in a transaction, and gives its answer once it is durable. An `Err` of `work` takes its own changes back.
    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.write_and_record(move |connection, _| work(connection)).await
    }

    /// The same, where `work` has its say in what is recorded.
    pub(super) async fn write_and_record<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError,
        F: FnOnce(&Connection, &mut Vec<AuditEntry>) -> Result<T, E> + Send + 'static,
    {
        self.writer.write(self.record.clone(), work).await
    }
}

impl Writer {
    /// Starts the thread; at most `queue_depth` writes wait, further callers are held back.
    pub(super) fn start(connection: Connection, clock: Arc<dyn Clock>, queue_depth: usize) -> Result<Self, Fault> {
        let (queue, jobs) = mpsc::channel(queue_depth.max(1));
        let sealer: Arc<OnceLock<Arc<dyn AuditSealer>>> = Arc::default();
        let its_sealer = Arc::clone(&sealer);
        let thread = std::thread::Builder::new()
            .name("metadata-writer".to_owned())
            .spawn(move || write(&connection, &*clock, jobs, queue_depth.max(1), &its_sealer))
            .map_err(|error| Fault::unavailable(format!("the writer thread cannot be started: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), sealer })
    }

    /// With what checkpoints are signed; until it is known, none are made.
    pub(super) fn sealer(&self) -> &OnceLock<Arc<dyn AuditSealer>> {
        &self.sealer
    }

    async fn write<T, E, F>(&self, record: Vec<AuditEntry>, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError,
        F: FnOnce(&Connection, &mut Vec<AuditEntry>) -> Result<T, E> + Send + 'static,
    {
        let queue = self.queue.as_ref().ok_or_else(Fault::stopped)?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { work: Some(work), record, result: None, reply });
        queue.send(job).await.map_err(|_| Fault::stopped())?;
        answer.await.map_err(|_| Fault::stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A queued write, whatever its types are.
trait Job: Send {
    /// Does the work and keeps the answer; whether its changes may stay.
    fn perform(&mut self, connection: &Connection) -> bool;
    /// What the audit is to record of it. Asked for once, if the changes stay.
    fn record(&mut self) -> Vec<AuditEntry>;
    /// What to tell the others, if this write took the whole transaction with it.
    fn failure(&self) -> Option<BatchFailure>;
    /// Tells the caller: what the work answered, or that the batch was lost.
    fn answer(self: Box<Self>, lost: Option<&BatchFailure>);
}

struct Write<T, E, F> {
    work: Option<F>,
    record: Vec<AuditEntry>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Write<T, E, F>
where
    T: Send + 'static,
    E: WriteError,
    F: FnOnce(&Connection, &mut Vec<AuditEntry>) -> Result<T, E> + Send + 'static,
{
    fn perform(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(connection, &mut self.record)))
            .unwrap_or_else(|_| Err(Fault::unavailable("a write panicked and was taken back").into()));
        self.result.insert(result).is_ok()
    }

    fn record(&mut self) -> Vec<AuditEntry> {
        std::mem::take(&mut self.record)
    }

    fn failure(&self) -> Option<BatchFailure> {
        self.result.as_ref()?.as_ref().err().map(WriteError::as_batch_failure)
    }

    fn answer(self: Box<Self>, lost: Option<&BatchFailure>) {
        let result = match (lost, self.result) {
            (Some(failure), _) => Err(Fault::from(failure).into()),
            (None, Some(result)) => result,
            (None, None) => Err(Fault::stopped().into()),
        };
        // A caller that is gone does not need its answer.
        let _ = self.reply.send(result);
    }
}

fn write(
    connection: &Connection,
    clock: &dyn Clock,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    queue_depth: usize,
    sealer: &OnceLock<Arc<dyn AuditSealer>>,
) {
    let (mut batch, mut log) = (Vec::new(), Log::default());
    while jobs.blocking_recv_many(&mut batch, queue_depth) > 0 {
        let sealer = sealer.get().map(|sealer| &**sealer);
        let committed = commit(connection, clock, &mut batch, sealer);
        committed.iter().flatten().for_each(tell);
        let lost = committed.err();
        if let Some(failure) = &lost {
            tracing::error!(n_writes = batch.len(), ?failure, "a batch of metadata writes was lost");
        }
        for job in batch.drain(..) {
            job.answer(lost.as_ref());
        }
        // Its callers have their answers: they do not wait for this, the next ones may.
        if let Err(fault) = log.keep_short(connection) {
            tracing::warn!(error = %MetadataError::from(fault), "the write-ahead log was not copied into the database; it grows");
        }
    }
}

/// Does the batch in one transaction. On `Err` nothing of it is there.
fn commit(
    connection: &Connection,
    clock: &dyn Clock,
    batch: &mut [Box<dyn Job>],
    sealer: Option<&dyn AuditSealer>,
) -> Result<Vec<AuditCheckpoint>, BatchFailure> {
    let result = perform(connection, clock, batch, sealer);
    if result.is_err() && !connection.is_autocommit() {
        // Where even this fails, the next BEGIN does, and says so.
        let _ = run(connection, "ROLLBACK");
    }
    result
}

fn perform(
    connection: &Connection,
    clock: &dyn Clock,
    batch: &mut [Box<dyn Job>],
    sealer: Option<&dyn AuditSealer>,
) -> Result<Vec<AuditCheckpoint>, BatchFailure> {
    let told = |fault: Fault| BatchFailure::from(MetadataError::from(fault));
    run(connection, "BEGIN IMMEDIATE").map_err(told)?;
    let (mut changed, mut record) = (false, Vec::new());
    for job in batch {
        run(connection, "SAVEPOINT one_write").map_err(told)?;
        let changes_before = connection.total_changes();
        let keep = job.perform(connection);
        if connection.is_autocommit() {
            // Some failures (no space, no memory, a broken disk) end the transaction by themselves.
            return Err(job.failure().unwrap_or_else(|| BatchFailure::Unavailable("the transaction ended early".to_owned())));
        }
        if keep {
            changed |= connection.total_changes() != changes_before;
            record.append(&mut job.record());
        } else {
            run(connection, "ROLLBACK TO one_write").map_err(told)?;
        }
        run(connection, "RELEASE one_write").map_err(told)?;
    }
    changed |= !record.is_empty();
    let checkpoints = match record.as_slice() {
        [] => Vec::new(),
        record => audit::append(connection, sealer, record, clock.now()).map_err(told)?,
    };
    // A batch that changed nothing is free of disk writes.
    if changed {
        let mut raise = connection.prepare_cached(statements::RAISE_TIME_FLOOR).map_err(|error| told(error.into()))?;
        raise.execute([clock.now().as_micros()]).map_err(|error| told(error.into()))?;
        faults::point("before_commit");
    }
    run(connection, "COMMIT").map_err(told)?;
    if changed {
        faults::point("after_commit");
    }
    Ok(checkpoints)
}

/// A checkpoint also stands in the log, where whoever rewrites the database does not reach it.
pub(super) fn tell(checkpoint: &AuditCheckpoint) {
    let AuditCheckpoint { chain, seq, at, hash, key_id, signature } = checkpoint;
    let (chain, at, hash, seal) = (chain.as_str(), at.rfc3339(), hex(hash), hex(signature));
    tracing::info!(chain, seq, at, hash, key_id, seal, "the audit was sealed");
}

fn run(connection: &Connection, text: &str) -> Result<(), Fault> {
    connection.prepare_cached(text)?.execute([])?;
    Ok(())
}
