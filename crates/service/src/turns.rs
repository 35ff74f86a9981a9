//! Whose turn it is to send to an upload whose ranges follow each other: always the latest request's. A line that breaks leaves a request
//! behind that waits for its peer; whoever goes on must not wait for it, nor send beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard, oneshot};
use tokio::time::timeout;
use valetkey_model::UploadId;

/// How long the one before may take to keep what it has.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// The uploads that requests of this process are sending to.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<UploadId, Sending>>>);

#[derive(Default)]
struct Sending {
    lock: Arc<Lock<()>>,
    /// How many requests have come so far.
    n_requests: u64,
    /// Tells the one whose turn it is that it is over.
    end: Option<oneshot::Sender<()>>,
}

/// A request's turn, until it is dropped.
pub(crate) struct Turn {
    turns: Turns,
    upload: UploadId,
    /// Dropped before the upload is forgotten.
    held: Option<OwnedMutexGuard<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Turns {
    /// The turn, when the one whose it was has kept what it has. `None` if a later request came meanwhile, or that one does not end
    /// within `wait`.
    pub(crate) async fn take(&self, upload: UploadId, wait: Duration) -> Option<Turn> {
        let (lock, number) = {
            let mut uploads = self.lock();
            let sending = uploads.entry(upload).or_default();
            sending.n_requests += 1;
            if let Some(end) = sending.end.take() {
                // One that has ended by itself meanwhile need not be told.
                let _ = end.send(());
            }
            (sending.lock.clone(), sending.n_requests)
        };
        let mut turn = Turn { turns: self.clone(), upload, held: None, ended: None };
        turn.held = Some(timeout(wait, lock.lock_owned()).await.ok()?);
        let (end, ended) = oneshot::channel();
        let is_latest = self.lock().get_mut(&upload).is_some_and(|sending| {
            sending.end = Some(end);
            sending.n_requests == number
        });
        turn.ended = Some(ended);
        is_latest.then_some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Sending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Takes out what tells that it is over; `None` the second time.
    pub(crate) fn ended(&mut self) -> Option<oneshot::Receiver<()>> {
        self.ended.take()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut uploads = self.turns.lock();
        self.held = None;
        // Whoever waits has the lock, too.
        if uploads.get(&self.upload).is_some_and(|sending| Arc::strong_count(&sending.lock) == 1) {
            uploads.remove(&self.upload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> UploadId {
        UploadId::from_bytes([byte; 16])
    }

    #[tokio::test]
    async fn the_latest_request_has_the_turn() {
        let turns = Turns::default();
        let mut first = turns.take(id(1), WAIT).await.unwrap();
        let ended = first.ended().unwrap();
        let other = turns.take(id(2), WAIT).await.unwrap();
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(id(1), WAIT).await.is_some() }
        });
        // It is told before it has to go.
        ended.await.unwrap();
        let third = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(id(1), WAIT).await.is_some() }
        });
        while turns.lock()[&id(1)].n_requests < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert_eq!((second.await.unwrap(), third.await.unwrap()), (false, true));
        drop(other);
        assert!(turns.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn nobody_waits_for_one_that_does_not_end() {
        let turns = Turns::default();
        let stuck = turns.take(id(1), WAIT).await.unwrap();
        assert!(turns.take(id(1), Duration::from_millis(10)).await.is_none());
        drop(stuck);
        assert!(turns.take(id(1), WAIT).await.is_some());
        assert!(turns.lock().is_empty());
    }
}
