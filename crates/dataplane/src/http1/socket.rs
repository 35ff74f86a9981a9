//! A connection's socket, and how long its peer may keep it waiting.

use super::outbox::{Outbox, Parcel, Posting, Unposted};
use bytes::{BufMut, BytesMut};
use rustix::io::Errno;
use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

/// What is read at once while a head is awaited.
const CHUNK_BYTES: usize = 16 << 10;
/// With less room than this left, another chunk is taken.
const MIN_ROOM_BYTES: usize = 4 << 10;

/// How a peer is kept that still sends what will not be read, so that it gets its answer before the reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// Under a meter, what the kernel takes ahead of what it can send: what it took counts as delivered, and is lost if the line is cut.
const METERED_UNSENT_BYTES: u32 = 256 << 10;

/// How long a connection may stay in each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header_read_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) min_send_rate: u64,
    pub(crate) send_rate_window: Duration,
    pub(crate) max_transfer: Duration,
}

/// The socket with its deadlines. One task uses it at a time.
pub(crate) struct Socket {
    /// Before the stream: nothing is sent to a socket that is closed.
    posting: Posting,
    stream: TcpStream,
    pub(crate) limits: Limits,
    /// Armed lazily: an earlier deadline moves it, a later one lets it fire and arm again.
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    /// The write that the peer does not take, if it was waited for.
    blocked: Option<Blocked>,
    /// When the running response first had to wait for the peer.
    waiting_since: Option<Instant>,
    /// Whether the kernel takes little ahead.
    is_metered: bool,
}

struct Blocked {
    since: Instant,
    /// Bytes that the kernel took since then.
    n_bytes: u64,
    /// Bytes that the kernel held then.
    held: u64,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, limits: Limits, outbox: Arc<Outbox>) -> Socket {
        let posting = Posting::new(outbox);
        Socket { posting, stream, limits, sleep: None, blocked: None, waiting_since: None, is_metered: false }
    }

    /// Reads into what room `buffer` has. 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut impl BufMut) -> Poll<io::Result<usize>> {
        pin!(self.stream.read_buf(buffer)).poll(cx)
    }

    /// Reads into memory that all connections of this thread share, and gives the part of it that was filled. An idle connection
    /// thus keeps no buffer, and a busy thread reads into the same few pages again and again.
    pub(crate) fn poll_read_shared(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        thread_local! {
            static CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
        }
        CHUNK.with_borrow_mut(|chunk| {
            if chunk.capacity() < MIN_ROOM_BYTES {
                // Takes the same memory again if nobody holds a part of it any more.
                chunk.reserve(CHUNK_BYTES);
            }
            ready!(self.poll_read(cx, chunk))?;
            Poll::Ready(Ok(chunk.split()))
        })
    }

    /// Ready when it is `at`; `now` is now. The task that waits is the connection's, whose waker stays the same.
    pub(crate) fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant, now: Instant) -> Poll<()> {
        if at <= now {
            return Poll::Ready(());
        }
        let at = tokio::time::Instant::from_std(at);
        let sleep = match &mut self.sleep {
            // It will wake the task by then: it was polled when it was set.
            Some(sleep) if sleep.deadline() <= at && sleep.deadline() > tokio::time::Instant::from_std(now) => {
                return Poll::Pending;
            }
            Some(sleep) => {
                sleep.as_mut().reset(at);
                sleep
            }
            None => self.sleep.insert(Box::pin(tokio::time::sleep_until(at))),
        };
        sleep.as_mut().poll(cx)
    }

    /// Leaves a response to be sent together with others'. Gives it back where it is to be sent at once. Until [`Socket::unsent`] gave
    /// it back, or `None`, nothing else may be written.
    pub(super) fn post(&mut self, cx: &Context<'_>, parcel: Parcel) -> Option<Unposted> {
        self.posting.post(cx, &self.stream, parcel)
    }

    /// An [`Unposted`] response was sent.
    pub(super) fn sent_in(&self, time: Duration) {
        self.posting.took(time);
    }

    /// Whether a response that was posted did not go out whole.
    pub(super) fn is_stuck(&self) -> bool {
        self.posting.is_stuck()
    }

    /// The response that was posted, if not all of it has been sent.
    pub(super) fn unsent(&mut self) -> Option<Parcel> {
        self.posting.take_back()
    }

    /// Calls `write` when the socket takes more; 0 where that says 0.
    pub(crate) fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => return self.poll_too_slow(cx).map(Err),
            }
            let stream = &self.stream;
            match stream.try_io(Interest::WRITABLE, || write(stream)) {
                Ok(n) => return Poll::Ready(Ok(self.took(n))),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes some of this, on behalf of a handler: under no deadline but the handler's.
    pub(crate) fn poll_write_interim(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn took(&mut self, n: usize) -> usize {
        if let Some(blocked) = &mut self.blocked {
            blocked.n_bytes += n as u64;
        }
        n
    }

    /// A write waits for the peer: ready when that took too long.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let now = Instant::now();
        let at = match self.send_deadline(now) {
            Some(at) => at,
            None => now,
        };
        ready!(self.poll_deadline(cx, at, now));
        // What the kernel still holds would keep the socket for as long as the peer likes.
        self.reset_on_close();
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly, or for too long"))
    }

    /// When to look again at a write that waits; `None` if it has waited too long already.
    fn send_deadline(&mut self, now: Instant) -> Option<Instant> {
        let until = *self.waiting_since.get_or_insert(now) + self.limits.max_transfer;
        if until <= now {
            return None;
        }
        if self.limits.min_send_rate == 0 {
            return Some(until);
        }
        let window = self.limits.send_rate_window;
        let since = match &self.blocked {
            Some(blocked) if now < blocked.since + window => blocked.since,
            blocked => {
                let held = outstanding(&self.stream);
                if let Some(blocked) = blocked {
                    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
                    // What the peer took: the kernel asks for more only when a good part of its buffer is free.
                    let taken = (blocked.n_bytes + blocked.held).saturating_sub(held);
                    if taken < self.limits.min_send_rate.saturating_mul(window_ms) / 1000 {
                        return None;
                    }
                }
                self.blocked = Some(Blocked { since: now, n_bytes: 0, held });
                now
            }
        };
        Some(until.min(since + window))
    }

    /// Whether what is written from here on is metered: the kernel then takes little ahead of what it can send.
    pub(crate) fn set_metered(&mut self, is_metered: bool) {
        if std::mem::replace(&mut self.is_metered, is_metered) != is_metered {
            // 0 is what the system has it.
            let most = if is_metered { METERED_UNSENT_BYTES } else { 0 };
            // Where it fails, a cut line costs more.
            let _ = socket2::SockRef::from(&self.stream).set_tcp_notsent_lowat(most);
        }
    }

    /// What is waited for is ours (the disk, a permit), not the peer.
    pub(crate) fn waits_for_us(&mut self) {
        self.blocked = None;
    }

    /// A response was taken by the kernel whole.
    pub(crate) fn flushed(&mut self) {
        self.blocked = None;
        self.waiting_since = None;
    }

    /// The socket will be closed with a reset, and the kernel drops what it still holds.
    pub(crate) fn reset_on_close(&self) {
        // Fails only on a socket that is gone already.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Tells the peer that nothing more will come, and, if it may still be sending, reads and drops that until it ends or has had
    /// its share.
    pub(crate) async fn close(mut self, is_peer_sending: bool) {
        if self.stream.shutdown().await.is_ok() && is_peer_sending {
            // The time is bounded on purpose, whatever came.
            let _ = tokio::time::timeout(LINGER, self.drop_input()).await;
        }
    }

    async fn drop_input(&mut self) {
        let mut left = LINGER_BYTES;
        while left > 0 {
            match std::future::poll_fn(|cx| self.poll_read_shared(cx)).await {
                Ok(bytes) if !bytes.is_empty() => left = left.saturating_sub(bytes.len()),
                _ => return,
            }
        }
        // It had its share: no more is read, but it has its time to read the answer.
        std::future::pending::<()>().await;
    }
}

/// `ioctl(SIOCOUTQ)`: bytes that the kernel holds for the peer, not sent or not acknowledged.
#[allow(unsafe_code)]
fn outstanding(stream: &TcpStream) -> u64 {
    let mut n_bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one `int` to a live one; the socket is open as long as it is borrowed.
    let outcome = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut n_bytes) };
    if outcome == 0 { u64::try_from(n_bytes).unwrap_or(0) } else { 0 }
}

/// Whether an error of `sendfile` tells that this file cannot be sent so.
pub(crate) fn cannot_splice(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS))
}
