//! The threads that read, each with a connection of its own, so that no core waits for a page.

use super::fault::Fault;
use crate::MetadataError;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, oneshot};

/// A queued read. It does nothing if its caller is gone.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads. Dropping them waits for the reads that are queued.
pub(super) struct Readers {
    queue: Arc<Queue>,
    /// One permit for each read that may be queued or under way.
    room: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Readers {
    /// Starts one thread per connection; at most `queue_depth` reads wait, further callers are held back.
    pub(super) fn start(connections: Vec<Connection>, queue_depth: usize) -> Result<Self, Fault> {
        let room = Arc::new(Semaphore::new(queue_depth.clamp(1, Semaphore::MAX_PERMITS)));
        let mut readers = Self { queue: Arc::default(), room, threads: Vec::new() };
        for connection in connections {
            let queue = Arc::clone(&readers.queue);
            let thread = std::thread::Builder::new()
                .name("metadata-reader".to_owned())
                .spawn(move || {
                    while let Some(job) = queue.take() {
                        job(&connection);
                    }
                })
                .map_err(|error| Fault::unavailable(format!("a reader thread cannot be started: {error}")))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Does `work` on a reader. What it reads is one state of the database as long as it runs one statement, or opens a
    /// transaction for several.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, MetadataError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Fault::stopped())?;
        let (reply, answer) = oneshot::channel();
        self.queue.put(Box::new(move |connection| {
            if !reply.is_closed() {
                let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
                    .unwrap_or_else(|_| Err(Fault::unavailable("a read panicked")));
                let _ = reply.send(result.map_err(MetadataError::from));
            }
            drop(permit);
        }));
        answer.await.map_err(|_| Fault::stopped())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn put(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.ready.notify_one();
    }

    /// The next job; `None` once the queue is closed and empty.
    fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// No job runs under the lock, so that it is never left half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
