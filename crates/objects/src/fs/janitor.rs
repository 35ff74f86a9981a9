//! Clears away what uploads leave behind, on a thread of its own, so that nobody waits for it.

use super::disk::Disk;
use crate::{ObjectError, faults};
use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use valetkey_model::BlobId;

/// Something to clear away.
#[derive(Clone, Copy)]
pub(super) enum Chore {
    /// A blob's name in `incoming/`: of one that has its row, or that was never finished.
    RemoveIncoming(BlobId),
    /// A finished blob that no row names.
    Remove(BlobId),
}

/// The thread. Dropped, it finishes what it was given.
pub(super) struct Janitor {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Do(Chore),
    /// To be answered when what came before is done.
    Report(oneshot::Sender<()>),
}

impl Janitor {
    pub(super) fn start(disk: Arc<Disk>) -> std::io::Result<Self> {
        let (orders, given) = mpsc::channel();
        let thread = std::thread::Builder::new().name("objects-janitor".to_owned()).spawn(move || work(&disk, &given))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Never waits. What is not done before the process ends is done by the next one.
    pub(super) fn give(&self, chore: Chore) {
        self.send(Order::Do(chore));
    }

    /// Waits until what was given before has been tried.
    pub(super) async fn settled(&self) {
        let (told, done) = oneshot::channel();
        self.send(Order::Report(told));
        // An error means that there is no thread any more, hence nothing to wait for.
        let _ = done.await;
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Fails only if the thread has died; the names in `incoming/` outlive it.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(disk: &Disk, given: &mpsc::Receiver<Order>) {
    // A full disk may have room for the changes of a directory a moment later: what failed is tried again after each success.
    let mut failed = VecDeque::new();
    for order in given {
        match order {
            Order::Report(told) => {
                let _ = told.send(());
            }
            Order::Do(chore) => match perform(disk, chore) {
                Err(error) => {
                    report(chore, &error, "tried again later");
                    failed.push_back(chore);
                }
                Ok(()) => {
                    if let Some(chore) = failed.pop_front()
                        && perform(disk, chore).is_err()
                    {
                        failed.push_back(chore);
                    }
                }
            },
        }
    }
    for chore in failed {
        if let Err(error) = perform(disk, chore) {
            report(chore, &error, "left to the next start");
        }
    }
}

fn perform(disk: &Disk, chore: Chore) -> Result<(), ObjectError> {
    match chore {
        Chore::RemoveIncoming(blob) => {
            disk.remove_incoming(blob)?;
            faults::point("released");
            Ok(())
        }
        Chore::Remove(blob) => disk.remove(blob),
    }
}

fn report(chore: Chore, error: &ObjectError, consequence: &str) {
    let (Chore::RemoveIncoming(blob) | Chore::Remove(blob)) = chore;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(%blob, %error, cause, "a blob could not be cleared away: {consequence}");
}
