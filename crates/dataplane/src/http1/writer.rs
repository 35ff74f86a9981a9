//! Sends a response: what is in memory by one call with its head, files by the kernel.

use super::response_head::Ending;
use super::socket::{Socket, cannot_splice};
use crate::body::{BoxError, FileBody, Part, ReadyHead, SharedFile};
use crate::residency;
use bytes::{Buf as _, Bytes};
use http_body::Body;
use rustix::net::SendFlags;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::net::TcpStream;

/// File bytes handed to the kernel in one call: measured better than 1 MiB and more, for nginx too.
const SLICE_BYTES: u64 = 256 << 10;

/// Slices after which other connections of the same core get their turn.
const SLICES_PER_TURN: u32 = 8;

/// What is read in one visit to the blocking pool, and what the kernel is asked to go on with meanwhile.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// How file ranges reach the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendMode {
    /// `sendfile(2)`: the pages are not copied through the process.
    #[default]
    Sendfile,
    /// Read into a buffer and write.
    Copy,
}

/// The sending side of a connection while it answers.
pub(crate) struct Writer<'a> {
    pub(crate) socket: &'a mut Socket,
    pub(crate) mode: &'a mut SendMode,
}

/// What follows some bytes.
#[derive(Clone, Copy)]
enum Then {
    /// More, at once: the kernel need not send a short segment.
    More,
    Nothing,
}

/// Lines and empty line, ready-made: of what is in memory they are a piece of their own, which nobody copies before the kernel.
pub(super) fn lines_of(ready: Option<&ReadyHead>) -> &[u8] {
    ready.map_or(&b"\r\n"[..], |ready| &ready.written.lines)
}

impl Writer<'_> {
    /// Sends these, in one call if the socket takes them.
    pub(crate) async fn all(&mut self, pieces: [&[u8]; 3]) -> io::Result<()> {
        self.rest(pieces, 0).await
    }

    /// Sends what is left of these when so many bytes of them are `sent`.
    pub(super) async fn rest(&mut self, pieces: [&[u8]; 3], mut sent: usize) -> io::Result<()> {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        poll_fn(|cx| {
            while sent < total {
                let mut vectors = pieces.map(IoSlice::new);
                let mut left = &mut vectors[..];
                IoSlice::advance_slices(&mut left, sent);
                match ready!(self.socket.poll_write_with(cx, |stream| Ok(rustix::io::writev(stream, left)?)))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => sent += n,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends a head and a file's ranges with what stands between them. `literals` has the head, and is used up.
    pub(crate) async fn file(&mut self, literals: &mut Vec<u8>, body: &mut FileBody) -> Result<(), BoxError> {
        self.socket.set_metered(body.is_metered());
        // For an empty file there is nothing to come before.
        body.before(0);
        for Part { preface, range } in std::mem::take(&mut body.plan.parts) {
            literals.extend_from_slice(&preface);
            if !range.is_empty() {
                poll_fn(|cx| body.poll_permitted(cx)).await?;
                self.literal(literals, Then::More).await?;
                literals.clear();
                self.range(body, range).await?;
            }
        }
        literals.extend_from_slice(&body.plan.trailer);
        self.literal(literals, Then::Nothing).await?;
        body.over(true);
        Ok(())
    }

    /// Sends any other body.
    pub(crate) async fn other(
        &mut self,
        literals: &mut Vec<u8>,
        mut body: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
        ending: Ending,
    ) -> Result<(), BoxError> {
        let is_chunked = ending == Ending::Chunked;
        let mut left = if let Ending::Length(n) = ending { Some(n) } else { None };
        loop {
            let frame = match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.literal(literals, Then::Nothing).await?;
                    literals.clear();
                    self.socket.waits_for_us();
                    poll_fn(|cx| body.as_mut().poll_frame(cx)).await
                }
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame?.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            if let Some(left) = &mut left {
                *left = left.checked_sub(data.len() as u64).ok_or("a body longer than its length")?;
            }
            if is_chunked {
                // Writing to memory does not fail.
                let _ = write!(literals, "{:x}\r\n", data.len());
            }
            self.all([literals, &data, b""]).await?;
            literals.clear();
            if is_chunked {
                literals.extend_from_slice(b"\r\n");
            }
        }
        if left.is_some_and(|left| left > 0) {
            return Err("a body shorter than its length".into());
        }
        if is_chunked {
            literals.extend_from_slice(b"0\r\n\r\n");
        }
        Ok(self.literal(literals, Then::Nothing).await?)
    }

    async fn literal(&mut self, mut bytes: &[u8], then: Then) -> io::Result<()> {
        let flags = match then {
            Then::More => SendFlags::NOSIGNAL | SendFlags::MORE,
            Then::Nothing => SendFlags::NOSIGNAL,
        };
        poll_fn(|cx| {
            while !bytes.is_empty() {
                let n = ready!(self.socket.poll_write_with(cx, |stream| Ok(rustix::net::send(stream, bytes, flags)?)))?;
                bytes.advance(n);
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends a range of the file, as far and as fast as it is permitted.
    async fn range(&mut self, body: &mut FileBody, mut range: Range<u64>) -> Result<(), BoxError> {
        // What was just read counts as there: where there is no page cache, asking again would never end.
        let mut warm = 0..0;
        let mut n_slices = 0;
        while !range.is_empty() {
            let permitted = poll_fn(|cx| body.poll_permitted(cx)).await?;
            let want = (range.end - range.start).min(SLICE_BYTES).min(permitted);
            let is_warm = warm.start <= range.start && range.start + want <= warm.end;
            if !is_warm && !residency::was_resident(&*body.plan.file, range.start, want) {
                warm = self.read_ahead(Arc::clone(&body.plan.file), range.clone()).await?;
            }
            body.before(want);
            let n = self.slice(&*body.plan.file, range.start, want).await?;
            body.accepted(n);
            range.start += n;
            n_slices += 1;
            if n_slices % SLICES_PER_TURN == 0 && !range.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Waits until the start of the range is in memory; returns how much of it.
    async fn read_ahead(&mut self, file: SharedFile, range: Range<u64>) -> io::Result<Range<u64>> {
        self.socket.waits_for_us();
        let (offset, left) = (range.start, range.end - range.start);
        let now = left.min(READ_AHEAD_BYTES);
        let later = (left - now).min(2 * READ_AHEAD_BYTES);
        let task = tokio::task::spawn_blocking(move || residency::read_ahead(&file, offset, now, later));
        task.await.map_err(io::Error::other)??;
        Ok(offset..offset + now)
    }

    /// Sends some of what is at `offset`, at most `want` bytes.
    async fn slice(&mut self, file: &(dyn AsFd + Send + Sync), offset: u64, want: u64) -> io::Result<u64> {
        // At most a slice: it fits.
        let want = usize::try_from(want).unwrap_or(usize::MAX);
        let sent = poll_fn(|cx| {
            if *self.mode == SendMode::Sendfile {
                match ready!(self.socket.poll_write_with(cx, |stream| sendfile(stream, file, offset, want))) {
                    // A file system that cannot splice.
                    Err(error) if cannot_splice(&error) => *self.mode = SendMode::Copy,
                    outcome => return Poll::Ready(outcome),
                }
            }
            self.socket.poll_write_with(cx, |stream| copy(stream, file, offset, want))
        });
        match sent.await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ended before the range that was promised")),
            n => Ok(n as u64),
        }
    }
}

fn sendfile(stream: &TcpStream, file: &(dyn AsFd + Send + Sync), mut offset: u64, want: usize) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(stream, file, Some(&mut offset), want)?)
}

/// Reads up to `want` bytes and writes what the socket takes of them; the rest is read again later.
fn copy(stream: &TcpStream, file: &(dyn AsFd + Send + Sync), offset: u64, want: usize) -> io::Result<usize> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(usize::try_from(SLICE_BYTES).unwrap_or(usize::MAX), 0);
        let n = rustix::io::pread(file, &mut buffer[..want], offset)?;
        if n == 0 {
            return Ok(0);
        }
        Ok(rustix::net::send(stream, &buffer[..n], SendFlags::NOSIGNAL)?)
    })
}
