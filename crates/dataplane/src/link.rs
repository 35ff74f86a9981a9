//! What a connection's parts share: the queue from response bodies to the socket, and the clock of its phases.
//!
//! A body queues a segment when it yields the segment's marker; the socket side takes segments in that order. A body's end
//! is queued too, and counts as reached when everything before it was accepted by the kernel.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::body::{SharedFile, Watch};
use crate::framing::HeadTap;
use crate::marker::{MAX_MARKER_BYTES, Slot};

/// One response's file bytes, from its first marker to its end.
pub(crate) struct Transfer {
    pub(crate) file: SharedFile,
    /// File bytes of all parts together.
    pub(crate) total: u64,
    progress: Mutex<Progress>,
}

struct Progress {
    sent: u64,
    finishing: bool,
    over: bool,
    watch: Watch,
}

impl Transfer {
    pub(crate) fn new(file: SharedFile, total: u64, watch: Watch) -> Arc<Transfer> {
        Arc::new(Transfer { file, total, progress: Mutex::new(Progress { sent: 0, finishing: false, over: false, watch }) })
    }

    /// `n` file bytes are about to be handed to the kernel.
    pub(crate) fn before(&self, n: u64) {
        let mut progress = lock(&self.progress);
        if progress.sent + n >= self.total && !progress.finishing {
            progress.finishing = true;
            if let Watch::Meter(meter) = &mut progress.watch {
                meter.finishing();
            }
        }
    }

    /// The kernel accepted `n` file bytes.
    pub(crate) fn accepted(&self, n: u64) {
        lock(&self.progress).sent += n;
    }

    /// Runs `f` with the watch and the bytes sent so far.
    pub(crate) fn with_watch<T>(&self, f: impl FnOnce(&mut Watch, u64) -> T) -> T {
        let progress = &mut *lock(&self.progress);
        f(&mut progress.watch, progress.sent)
    }

    /// The response is over; only the first call counts.
    pub(crate) fn over(&self, yielded_all: bool) {
        let progress = &mut *lock(&self.progress);
        if progress.over {
            return;
        }
        progress.over = true;
        let whole = yielded_all && progress.sent == self.total;
        match &mut progress.watch {
            Watch::Nobody => {}
            Watch::Observer(observer) => observer.ended(progress.sent, whole),
            Watch::Meter(meter) => meter.ended(progress.sent, whole),
        }
    }
}

/// A file range that a marker stands for.
pub(crate) struct Segment {
    pub(crate) transfer: Arc<Transfer>,
    pub(crate) slot: Slot,
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) sent: usize,
}

enum Item {
    Segment(Segment),
    End { transfer: Arc<Transfer>, yielded_all: bool },
}

/// The phase of a connection, as far as its deadlines care.
#[derive(Clone, Copy)]
enum Phase {
    /// Waiting for a request's head.
    Head { since: Instant, begun: bool },
    /// A request is being answered.
    Busy,
    /// The response's body was handed over and not all of it is flushed.
    Flushing,
}

/// A write that the peer does not take.
struct Blocked {
    since: Instant,
    /// Bytes that the kernel took since then.
    n_bytes: u64,
    /// Bytes that the kernel held then.
    held: u64,
}

/// How long a connection may stay in each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header_read_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) min_send_rate: u64,
    pub(crate) send_rate_window: Duration,
    pub(crate) max_transfer: Duration,
}

/// What [`Link::expired`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing is due before this instant; `None`: nothing at all.
    Later(Option<Instant>),
    /// No request came, or not all of its head.
    Head,
    /// The peer reads too slowly, or for too long.
    Send,
}

/// One per connection, shared by its socket side, its bodies and its task.
pub(crate) struct Link(Mutex<State>);

struct State {
    socket: RawFd,
    items: VecDeque<Item>,
    slot: Slot,
    closed: bool,
    /// Bodies that are registered and not over.
    n_open: u32,
    phase: Phase,
    blocked: Option<Blocked>,
    /// When the running transfer first had to wait for the peer.
    waiting_since: Option<Instant>,
    reset: bool,
    linger: bool,
    tap: HeadTap,
}

impl Link {
    /// The link of a connection over `socket`, which must stay open until [`Link::close`].
    pub(crate) fn new(socket: BorrowedFd<'_>, now: Instant) -> Arc<Link> {
        Arc::new(Link(Mutex::new(State {
            socket: socket.as_raw_fd(),
            items: VecDeque::new(),
            slot: Slot::default(),
            closed: false,
            n_open: 0,
            phase: Phase::Head { since: now, begun: true },
            blocked: None,
            waiting_since: None,
            reset: false,
            linger: false,
            tap: HeadTap::default(),
        })))
    }

    // The side of the bodies.

    /// A body's transfer begins: its end will be queued, or it is told of the connection's.
    pub(crate) fn open(&self) {
        lock(&self.0).n_open += 1;
    }

    /// Queues a file range of at most [`MAX_MARKER_BYTES`] and returns its marker.
    pub(crate) fn push_segment(&self, transfer: &Arc<Transfer>, offset: u64, len: usize) -> Bytes {
        debug_assert!((1..=MAX_MARKER_BYTES).contains(&len));
        let mut state = lock(&self.0);
        state.slot = state.slot.next();
        let slot = state.slot;
        state.items.push_back(Item::Segment(Segment { transfer: Arc::clone(transfer), slot, offset, len, sent: 0 }));
        slot.marker(len)
    }

    /// Queues the end of an opened body.
    pub(crate) fn push_end(&self, transfer: &Arc<Transfer>, yielded_all: bool) {
        let mut state = lock(&self.0);
        if state.closed {
            drop(state);
            transfer.over(false);
        } else {
            state.items.push_back(Item::End { transfer: Arc::clone(transfer), yielded_all });
        }
    }

    /// The body of the response was handed over whole, or dropped.
    pub(crate) fn response_done(&self) {
        let mut state = lock(&self.0);
        if matches!(state.phase, Phase::Busy) {
            state.phase = Phase::Flushing;
        }
    }

    // The side of the socket.

    /// The next segment, if it comes before any end.
    pub(crate) fn next_segment(&self) -> Option<Segment> {
        let mut state = lock(&self.0);
        match state.items.pop_front() {
            Some(Item::Segment(segment)) => Some(segment),
            Some(end) => {
                state.items.push_front(end);
                None
            }
            None => None,
        }
    }

    /// Everything written so far was accepted by the kernel. False if a segment was queued whose marker never came.
    #[must_use]
    pub(crate) fn flushed(&self) -> bool {
        let mut state = lock(&self.0);
        while let Some(item) = state.items.pop_front() {
            match item {
                Item::End { transfer, yielded_all } => {
                    state.n_open = state.n_open.saturating_sub(1);
                    drop(state);
                    transfer.over(yielded_all);
                    state = lock(&self.0);
                }
                Item::Segment(_) => {
                    state.items.push_front(item);
                    return false;
                }
            }
        }
        state.blocked = None;
        if state.n_open == 0 {
            state.waiting_since = None;
        }
        if matches!(state.phase, Phase::Flushing) {
            state.phase = Phase::Head { since: Instant::now(), begun: false };
        }
        true
    }

    /// The peer's bytes arrived.
    pub(crate) fn received(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        state.tap.feed(bytes);
        if let Phase::Head { begun: false, .. } = state.phase {
            state.phase = Phase::Head { since: Instant::now(), begun: true };
        }
    }

    /// A write has to wait for the peer.
    pub(crate) fn blocked(&self) {
        let mut state = lock(&self.0);
        if state.blocked.is_none() {
            let since = Instant::now();
            let held = state.held();
            state.blocked = Some(Blocked { since, n_bytes: 0, held });
            state.waiting_since.get_or_insert(since);
        }
    }

    /// A write that had waited went on by `n` bytes.
    pub(crate) fn progressed(&self, n: usize) {
        if let Some(blocked) = &mut lock(&self.0).blocked {
            blocked.n_bytes += n as u64;
        }
    }

    /// A write waits for us (the disk), not for the peer.
    pub(crate) fn unblocked(&self) {
        lock(&self.0).blocked = None;
    }

    /// The socket is gone; every open body is told. `current` is the segment that was being sent. Returns whether the
    /// connection is to be reset, so that the kernel drops what it still holds.
    pub(crate) fn close(&self, current: Option<Segment>) -> bool {
        let (items, reset) = {
            let mut state = lock(&self.0);
            state.closed = true;
            state.n_open = 0;
            (std::mem::take(&mut state.items), state.reset)
        };
        if let Some(segment) = current {
            segment.transfer.over(false);
        }
        for item in items {
            match item {
                Item::Segment(Segment { transfer, .. }) | Item::End { transfer, .. } => {
                    transfer.over(false);
                }
            }
        }
        reset
    }

    /// Whether the peer may still be sending a request body that nobody reads.
    pub(crate) fn wants_linger(&self) -> bool {
        let state = lock(&self.0);
        // A head that hyper refused by itself counts too.
        state.linger || matches!(state.phase, Phase::Head { begun: true, .. })
    }

    // The side of the task.

    /// A request's head was read. Says whether it must be the connection's last.
    ///
    /// # Errors
    ///
    /// What the tap says of it.
    pub(crate) fn request<B>(&self, request: &http::Request<B>, has_body: bool) -> Result<bool, crate::framing::Ambiguous> {
        let mut state = lock(&self.0);
        state.phase = Phase::Busy;
        state.linger = has_body;
        state.tap.head(request)?;
        Ok(state.tap.is_lost())
    }

    /// A head was refused: what follows it may be anything, and is drained.
    pub(crate) fn must_linger(&self) {
        lock(&self.0).linger = true;
    }

    /// What is due at `now`. After [`Expiry::Send`] the connection will be reset when it is dropped.
    pub(crate) fn expired(&self, limits: &Limits, now: Instant) -> Expiry {
        let state = &mut *lock(&self.0);
        let mut next: Option<Instant> = None;
        let mut soonest = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        if let Phase::Head { since, begun } = state.phase {
            let at = since + if begun { limits.header_read_timeout } else { limits.keep_alive_timeout };
            if at <= now {
                return Expiry::Head;
            }
            soonest(at);
        }
        let held = state.blocked.as_ref().map(|_| state.held());
        if let (Some(blocked), Some(held)) = (&mut state.blocked, held) {
            if limits.min_send_rate > 0 {
                if blocked.since + limits.send_rate_window <= now {
                    let window_ms = u64::try_from(limits.send_rate_window.as_millis()).unwrap_or(u64::MAX);
                    // What the peer took: the kernel asks for more only when a good part of its buffer is free.
                    let taken = (blocked.n_bytes + blocked.held).saturating_sub(held);
                    if taken < limits.min_send_rate.saturating_mul(window_ms) / 1000 {
                        state.reset = true;
                        return Expiry::Send;
                    }
                    *blocked = Blocked { since: now, n_bytes: 0, held };
                }
                soonest(blocked.since + limits.send_rate_window);
            }
            if let Some(since) = state.waiting_since {
                let at = since + limits.max_transfer;
                if at <= now {
                    state.reset = true;
                    return Expiry::Send;
                }
                soonest(at);
            }
        }
        Expiry::Later(next)
    }
}

impl State {
    /// Bytes that the kernel holds for the peer: not sent, or not acknowledged.
    fn held(&self) -> u64 {
        if self.closed { 0 } else { outstanding(self.socket) }
    }
}

/// `ioctl(SIOCOUTQ)` of an open socket.
#[allow(unsafe_code)]
fn outstanding(socket: RawFd) -> u64 {
    let mut n_bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one `int` to a live one. `socket` is open, because the caller holds the link's lock, the
    // link is not closed, and `ConnectionIo` closes the link before it drops the socket.
    let outcome = unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &raw mut n_bytes) };
    if outcome == 0 { u64::try_from(n_bytes).unwrap_or(0) } else { 0 }
}

/// No state here is left half-changed by a panic in a meter: a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
