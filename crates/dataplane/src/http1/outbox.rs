//! Responses that are ready at once go out together, where that costs less.
//!
//! A client on the same machine that sleeps until it is answered has to be woken, which can cost the server more than all the rest of
//! a small answer. Of the connections that have something to say at the same time, each is then answered before the first answer is
//! handed to the kernel, and all are, one right after the other: the client is woken once for many. A client that is awake, or
//! far away, costs nothing to wake, and less if each answer goes out while what it is copied to is still in the processor's cache.
//! Which it is nobody tells, so it is measured, again and again.

use super::writer::lines_of;
use crate::body::{ReadyHead, Watched};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// So many responses wait at most.
const MAX_PARCELS: usize = 32;

/// After so many responses it is measured again which way costs less,
const ROUND: u32 = 4096;
/// by so many responses each way.
const SAMPLE: u32 = 128;
/// What takes longer did not take the processor so long.
const LONGEST: Duration = Duration::from_micros(50);

/// A longer response does not wait: it is no small part of what it costs.
pub(super) const MAX_BYTES: usize = 32 << 10;

/// A worker's responses that wait to be sent.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    pace: Pace,
    slots: VecDeque<Arc<Slot>>,
    /// Of the task that sends.
    sender: Option<Waker>,
}

/// What a response in memory is made of.
pub(super) struct Parcel {
    pub(super) head: Vec<u8>,
    pub(super) ready: Option<ReadyHead>,
    pub(super) body: Bytes,
    /// How much of it the kernel has.
    pub(super) sent: usize,
    /// Who is told of its end.
    pub(super) watched: Option<Watched>,
}

impl Parcel {
    /// The kernel has all of it.
    pub(super) fn over(&mut self) {
        if let Some(watched) = &mut self.watched {
            watched.over(self.body.len() as u64, true);
        }
    }

    /// In the order of sending.
    pub(super) fn pieces(&self) -> [&[u8]; 3] {
        [&self.head, lines_of(self.ready.as_ref()), &self.body]
    }
}

/// A connection's place in the outbox: at most one response.
struct Slot {
    socket: RawFd,
    /// Of the connection's task.
    connection: Waker,
    parcel: Mutex<Option<Parcel>>,
    /// The socket did not take all of it: the connection has to see to the rest.
    is_stuck: AtomicBool,
}

/// A response that is to be sent at once.
pub(super) struct Unposted {
    pub(super) parcel: Parcel,
    /// Where it is to be told what that [took](Posting::took).
    pub(super) began: Option<Instant>,
}

/// A connection's hold on its slot. What is in it when it is dropped is never sent: the socket may then be another's.
pub(crate) struct Posting {
    outbox: Arc<Outbox>,
    slot: Option<Arc<Slot>>,
    is_posted: bool,
}

impl Outbox {
    /// Sends what is posted, for ever: a task of the worker's, which runs after those that were ready before it.
    pub(crate) async fn send(self: Arc<Self>) {
        let mut due = VecDeque::new();
        poll_fn(|cx| {
            let mut waiting = lock(&self.waiting);
            if !waiting.sender.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                waiting.sender = Some(cx.waker().clone());
            }
            std::mem::swap(&mut waiting.slots, &mut due);
            self.send_all(waiting, &mut due);
            Poll::<()>::Pending
        })
        .await;
    }

    /// Sends these, which wait no more, and notes what that took.
    fn send_all(&self, waiting: MutexGuard<'_, Waiting>, due: &mut VecDeque<Arc<Slot>>) {
        let began = waiting.pace.together.is_sampled().then(Instant::now);
        drop(waiting);
        let n = u32::try_from(due.len()).unwrap_or(u32::MAX);
        due.drain(..).for_each(|slot| slot.send());
        if let Some(each) = began.and_then(|began| began.elapsed().checked_div(n)) {
            lock(&self.waiting).pace.together.took(each, n);
        }
    }

    /// How the next response goes out.
    fn next(&self) -> Next {
        let mut waiting = lock(&self.waiting);
        if waiting.sender.is_none() {
            return Next::AtOnce { began: None };
        }
        waiting.pace.next()
    }

    fn post(&self, slot: &Arc<Slot>) {
        let mut waiting = lock(&self.waiting);
        waiting.slots.push_back(Arc::clone(slot));
        match waiting.slots.len() {
            1 => {
                if let Some(sender) = &waiting.sender {
                    sender.wake_by_ref();
                }
            }
            MAX_PARCELS => {
                let mut due = std::mem::take(&mut waiting.slots);
                self.send_all(waiting, &mut due);
            }
            _ => {}
        }
    }
}

/// How a response goes out.
enum Next {
    Together,
    /// By the connection itself; from when on, if it is to be told what that took.
    AtOnce {
        began: Option<Instant>,
    },
}

/// Which way costs less.
#[derive(Default)]
struct Pace {
    /// Responses of this round so far.
    n: u32,
    together: Cost,
    at_once: Cost,
}

/// What handing a response to the kernel took of late.
#[derive(Default)]
struct Cost {
    /// Of the rounds before.
    mean: Duration,
    /// Of this round.
    sum: Duration,
    n: u32,
}

impl Pace {
    fn next(&mut self) -> Next {
        self.n += 1;
        if self.n == ROUND {
            self.n = 0;
            self.together.end_round();
            self.at_once.end_round();
        }
        let together = self.n < SAMPLE || (self.n >= 2 * SAMPLE && self.together.mean() < self.at_once.mean());
        if together { Next::Together } else { Next::AtOnce { began: self.at_once.is_sampled().then(Instant::now) } }
    }
}

impl Cost {
    /// Whether it is still of interest what it is in this round.
    fn is_sampled(&self) -> bool {
        self.n < SAMPLE
    }

    fn took(&mut self, each: Duration, n: u32) {
        self.sum += each.min(LONGEST) * n;
        self.n += n;
    }

    /// Half of it is what was measured in this round.
    fn mean(&self) -> Duration {
        match self.sum.checked_div(self.n) {
            Some(now) if self.mean.is_zero() => now,
            Some(now) => (self.mean + now) / 2,
            None => self.mean,
        }
    }

    fn end_round(&mut self) {
        *self = Cost { mean: self.mean(), ..Cost::default() };
    }
}

impl Slot {
    #[allow(unsafe_code)]
    fn send(&self) {
        let mut held = lock(&self.parcel);
        let Some(parcel) = &mut *held else { return };
        // SAFETY: there is a parcel only as long as there is the connection's `Posting`, which takes it out, under this lock, before
        // the socket is closed.
        let socket = unsafe { BorrowedFd::borrow_raw(self.socket) };
        let pieces = parcel.pieces().map(IoSlice::new);
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let n = rustix::io::writev(socket, &pieces).unwrap_or(0);
        if n == total {
            let parcel = held.take();
            drop(held);
            if let Some(mut parcel) = parcel {
                parcel.over();
                super::connection::give_spare(parcel.head);
            }
            return;
        }
        parcel.sent = n;
        self.is_stuck.store(true, Ordering::Release);
        self.connection.wake_by_ref();
    }
}

impl Posting {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Posting {
        Posting { outbox, slot: None, is_posted: false }
    }

    /// Leaves a response to be sent, on behalf of the connection's task. Gives it back where it is to be sent at once.
    pub(super) fn post(&mut self, cx: &Context<'_>, stream: &TcpStream, parcel: Parcel) -> Option<Unposted> {
        if let Next::AtOnce { began } = self.outbox.next() {
            return Some(Unposted { parcel, began });
        }
        let slot = self.slot.get_or_insert_with(|| {
            Arc::new(Slot {
                socket: stream.as_raw_fd(),
                connection: cx.waker().clone(),
                parcel: Mutex::new(None),
                is_stuck: AtomicBool::new(false),
            })
        });
        *lock(&slot.parcel) = Some(parcel);
        self.is_posted = true;
        self.outbox.post(slot);
        None
    }

    /// An [`Unposted`] response was sent.
    pub(super) fn took(&self, time: Duration) {
        lock(&self.outbox.waiting).pace.at_once.took(time, 1);
    }

    /// Whether there is a response that only the connection can send on.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_posted && self.slot.as_ref().is_some_and(|slot| slot.is_stuck.load(Ordering::Acquire))
    }

    /// Takes back what was not sent, or not all of it.
    pub(super) fn take_back(&mut self) -> Option<Parcel> {
        if !std::mem::take(&mut self.is_posted) {
            return None;
        }
        let slot = self.slot.as_ref()?;
        slot.is_stuck.store(false, Ordering::Release);
        lock(&slot.parcel).take()
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.take_back();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
