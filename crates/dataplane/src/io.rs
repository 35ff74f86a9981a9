//! The socket side of a connection: sends file ranges where hyper writes markers.

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::link::{Link, Segment};
use crate::marker;
use crate::residency;

/// File bytes handed to the kernel in one call: measured better than 1 MiB and more, for nginx too.
const SLICE_BYTES: usize = 256 << 10;

/// Slices after which other connections of the same core get their turn.
const SLICES_PER_TURN: u32 = 8;

/// What is read in one visit to the blocking pool, and what the kernel is asked to go on with meanwhile.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// How a peer is kept that still sends what will not be read, so that it gets its answer before the reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// How file ranges reach the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendMode {
    /// `sendfile(2)`: the pages are not copied through the process.
    #[default]
    Sendfile,
    /// Read into a buffer and write.
    Copy,
}

/// A connection's `AsyncRead` and `AsyncWrite`.
pub(crate) struct ConnectionIo {
    stream: TcpStream,
    link: Arc<Link>,
    mode: SendMode,
    /// The segment whose marker is being written.
    current: Option<Segment>,
    /// Slices sent since the last time that other connections had their turn.
    burst: u32,
    /// Whether the link was told that a write waits.
    is_blocked: bool,
    /// The range of the current segment's file that was just read ahead.
    warm: Range<u64>,
    ahead: Option<Box<Ahead>>,
    linger: Option<Box<Linger>>,
}

struct Ahead {
    range: Range<u64>,
    task: JoinHandle<io::Result<()>>,
}

struct Linger {
    left: usize,
    until: Pin<Box<tokio::time::Sleep>>,
}

impl ConnectionIo {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, mode: SendMode) -> ConnectionIo {
        ConnectionIo { stream, link, mode, current: None, burst: 0, is_blocked: false, warm: 0..0, ahead: None, linger: None }
    }

    /// Writes the literal bytes before the first marker, then as much of that marker's range as the socket takes.
    fn poll_send(&mut self, cx: &mut Context<'_>, literals: &[IoSlice<'_>], marker: &[u8]) -> Poll<io::Result<usize>> {
        let want: usize = literals.iter().map(|literal| literal.len()).sum();
        if want > 0 {
            // The file's bytes follow at once: the kernel need not send a short segment.
            let n = ready!(self.poll_socket(cx, |stream| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                let mut control = SendAncillaryBuffer::default();
                Ok(rustix::net::sendmsg(stream, literals, &mut control, flags)?)
            }))?;
            if n < want {
                return Poll::Ready(Ok(n));
            }
        }
        match self.poll_marker(cx, marker) {
            Poll::Pending if want > 0 => Poll::Ready(Ok(want)),
            outcome => outcome.map_ok(|n| want + n),
        }
    }

    fn poll_marker(&mut self, cx: &mut Context<'_>, marker: &[u8]) -> Poll<io::Result<usize>> {
        let mut sent = 0;
        while sent < marker.len() {
            match self.poll_slice(cx, &marker[sent..]) {
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Pending if sent > 0 => break,
                outcome => return outcome,
            }
        }
        Poll::Ready(Ok(sent))
    }

    /// Sends up to one slice of the range that `marker` stands for.
    fn poll_slice(&mut self, cx: &mut Context<'_>, marker: &[u8]) -> Poll<io::Result<usize>> {
        if self.burst >= SLICES_PER_TURN {
            self.burst = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.current.is_none() {
            self.current = self.link.next_segment();
            self.warm = 0..0;
        }
        let Some(segment) = &self.current else {
            return Poll::Ready(Err(invalid("a marker without a queued segment")));
        };
        if !segment.slot.is_rest(marker, segment.len, segment.sent) {
            return Poll::Ready(Err(invalid("a marker of another segment")));
        }
        let transfer = Arc::clone(&segment.transfer);
        let offset = segment.offset + segment.sent as u64;
        let want = marker.len().min(SLICE_BYTES);
        ready!(self.poll_resident(cx, offset, want as u64, marker.len() as u64))?;
        transfer.before(want as u64);

        let mode = self.mode;
        let file = &*transfer.file;
        let n = match ready!(self.poll_socket(cx, |stream| match mode {
            SendMode::Sendfile => {
                let mut offset = offset;
                Ok(rustix::fs::sendfile(stream, file, Some(&mut offset), want)?)
            }
            SendMode::Copy => copy(stream, file, offset, want),
        })) {
            Ok(0) => {
                let message = "the file ended before the range that was promised";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            Ok(n) => n,
            // A file system that cannot splice.
            Err(error)
                if mode == SendMode::Sendfile && matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOSYS)) =>
            {
                self.mode = SendMode::Copy;
                return self.poll_slice(cx, marker);
            }
            Err(error) => return Poll::Ready(Err(error)),
        };
        transfer.accepted(n as u64);
        self.burst += 1;
        if let Some(segment) = &mut self.current {
            segment.sent += n;
            if segment.sent == segment.len {
                self.current = None;
            }
        }
        Poll::Ready(Ok(n))
    }

    /// Waits until `offset..offset + len` of the current segment is in memory; up to `left` bytes will be wanted.
    fn poll_resident(&mut self, cx: &mut Context<'_>, offset: u64, len: u64, left: u64) -> Poll<io::Result<()>> {
        if let Some(ahead) = &mut self.ahead {
            let outcome = ready!(Pin::new(&mut ahead.task).poll(cx));
            self.warm = ahead.range.clone();
            self.ahead = None;
            outcome.map_err(io::Error::other)??;
        }
        // What was just read counts as there: where there is no page cache, asking again would never end.
        if self.warm.start <= offset && offset + len <= self.warm.end {
            return Poll::Ready(Ok(()));
        }
        let Some(segment) = &self.current else {
            return Poll::Ready(Ok(()));
        };
        if residency::was_resident(&*segment.transfer.file, offset, len) {
            return Poll::Ready(Ok(()));
        }
        let now = left.min(READ_AHEAD_BYTES);
        let later = (left - now).min(2 * READ_AHEAD_BYTES);
        let file = Arc::clone(&segment.transfer.file);
        let task = tokio::task::spawn_blocking(move || residency::read_ahead(&file, offset, now, later));
        self.link.unblocked();
        self.is_blocked = false;
        self.ahead = Some(Box::new(Ahead { range: offset..offset + now, task }));
        self.poll_resident(cx, offset, len, left)
    }

    /// Calls `write` when the socket takes more.
    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => {
                    self.waits();
                    return Poll::Pending;
                }
            }
            let stream = &self.stream;
            match stream.try_io(Interest::WRITABLE, || write(stream)) {
                Ok(n) => {
                    self.took(n);
                    return Poll::Ready(Ok(n));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn waits(&mut self) {
        self.burst = 0;
        self.is_blocked = true;
        self.link.blocked();
    }

    fn took(&self, n: usize) {
        if self.is_blocked {
            self.link.progressed(n);
        }
    }

    /// Reads and drops what the peer still sends, until it ends or has had its share.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .linger
            .get_or_insert_with(|| Box::new(Linger { left: LINGER_BYTES, until: Box::pin(tokio::time::sleep(LINGER)) }));
        let mut scratch = [std::mem::MaybeUninit::uninit(); 8 << 10];
        while linger.left > 0 {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        linger.until.as_mut().poll(cx)
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let n_before = buf.filled().len();
        ready!(Pin::new(&mut me.stream).poll_read(cx, buf))?;
        let received = &buf.filled()[n_before..];
        if !received.is_empty() {
            me.link.received(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        match bufs.iter().position(|buf| marker::is_marker(buf)) {
            Some(first) => me.poll_send(cx, &bufs[..first], &bufs[first]),
            None => match Pin::new(&mut me.stream).poll_write_vectored(cx, bufs) {
                Poll::Ready(Ok(n)) => {
                    me.took(n);
                    Poll::Ready(Ok(n))
                }
                Poll::Pending => {
                    me.waits();
                    Poll::Pending
                }
                failed @ Poll::Ready(Err(_)) => failed,
            },
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when nothing is left in its write buffer.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.is_blocked = false;
        if me.current.is_some() || !me.link.flushed() {
            return Poll::Ready(Err(invalid("a queued segment without its marker")));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.linger.is_none() {
            ready!(Pin::new(&mut me.stream).poll_shutdown(cx))?;
            if !me.link.wants_linger() {
                return Poll::Ready(Ok(()));
            }
        }
        me.poll_linger(cx).map(Ok)
    }
}

impl Drop for ConnectionIo {
    fn drop(&mut self) {
        if self.link.close(self.current.take()) {
            // Fails only on a socket that is gone already.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Reads up to `want` bytes and writes what the socket takes of them; the rest is read again later.
fn copy(stream: &TcpStream, file: &dyn std::os::fd::AsFd, offset: u64, want: usize) -> io::Result<usize> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(SLICE_BYTES, 0);
        let n = rustix::io::pread(file, &mut buffer[..want], offset)?;
        if n == 0 {
            return Ok(0);
        }
        Ok(rustix::net::send(stream, &buffer[..n], SendFlags::NOSIGNAL)?)
    })
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
