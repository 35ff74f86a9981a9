//! The body of a request: read from the socket as the handler asks for it.
//!
//! While a handler runs, the socket is lent to its request's body, which reads in the handler's own time; when the handler has
//! answered, the connection takes it back. A body that outlives that says so.

use super::chunked::{self, Decoder, Next};
use super::head::{Framing, Head};
use super::socket::Socket;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// With less room than this left, another buffer is taken.
const MIN_ROOM_BYTES: usize = 4 << 10;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why a request's body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client broke the protocol.
    #[error(transparent)]
    Malformed(#[from] chunked::Malformed),
    /// The client ended before the body did.
    #[error("the body ended early")]
    Incomplete,
    /// The request was answered already, or the connection is gone.
    #[error("the request is over")]
    Over,
    /// The connection broke.
    #[error("the connection broke")]
    Socket {
        /// The system's error.
        source: io::Error,
    },
}

/// The body of a request. Data frames alone: trailers are dropped.
pub struct RequestBody(Source);

enum Source {
    Empty,
    /// Read already.
    Whole(Bytes),
    Lent(Arc<Mutex<Slot>>),
}

/// The socket while it is lent; empty before and after.
type Slot = Option<Reader>;

/// A body under way.
pub(crate) struct Reader {
    pub(crate) socket: Socket,
    /// What was read and not yet given out: of the body, or of what follows it.
    pub(crate) buffer: BytesMut,
    rest: Rest,
    /// What is left of `100 Continue`, which is due when the client waits for it.
    interim: &'static [u8],
    read_buffer_bytes: usize,
}

enum Rest {
    /// So many bytes.
    Length(u64),
    Chunks(Decoder),
    Over,
    /// Where the body ends is not known any more.
    Lost,
}

/// A reader that a request's body has borrowed. Dropped, it leaves that without.
pub(crate) struct Lent(Arc<Mutex<Slot>>);

impl RequestBody {
    /// A request without a body.
    #[must_use]
    pub(crate) fn empty() -> RequestBody {
        RequestBody(Source::Empty)
    }

    /// A body that was read already: for a handler that hands a request on.
    #[must_use]
    pub fn whole(bytes: Bytes) -> RequestBody {
        RequestBody(if bytes.is_empty() { Source::Empty } else { Source::Whole(bytes) })
    }

    /// A body that borrows `reader`.
    pub(crate) fn lend(reader: Reader) -> (RequestBody, Lent) {
        let slot = Arc::new(Mutex::new(Some(reader)));
        (RequestBody(Source::Lent(Arc::clone(&slot))), Lent(slot))
    }
}

impl Lent {
    /// Takes the reader back.
    pub(crate) fn back(self) -> Option<Reader> {
        lock(&self.0).take()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let reader = lock(&self.0).take();
        drop(reader);
    }
}

impl Reader {
    pub(crate) fn new(socket: Socket, buffer: BytesMut, head: &Head, read_buffer_bytes: usize) -> Reader {
        let rest = match head.framing {
            Framing::Length(n) => Rest::Length(n),
            Framing::Chunked => Rest::Chunks(Decoder::default()),
        };
        let interim = if head.expects_continue { CONTINUE } else { b"" };
        Reader { socket, buffer, rest, interim, read_buffer_bytes }
    }

    /// How many bytes of the body are still to be read from a client that sends them unasked; `None` where nobody knows.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.rest {
            Rest::Over | Rest::Length(0) => Some(0),
            // Whether the client will send them or not is open.
            Rest::Length(_) if !self.interim.is_empty() => None,
            Rest::Length(n) => Some(n),
            Rest::Chunks(_) | Rest::Lost => None,
        }
    }

    /// The next bytes of the body; `None` is its end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match self.buffered() {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Ok(None) if matches!(self.rest, Rest::Over) => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) => return self.fail(BodyError::Incomplete),
                Ok(_) => {}
                Err(source) => return self.fail(BodyError::Socket { source }),
            }
        }
    }

    fn fail<T>(&mut self, error: BodyError) -> Poll<Option<Result<T, BodyError>>> {
        self.rest = Rest::Lost;
        Poll::Ready(Some(Err(error)))
    }

    /// What of the body is in the buffer.
    fn buffered(&mut self) -> Result<Option<Bytes>, BodyError> {
        let n = match &mut self.rest {
            Rest::Over => return Ok(None),
            Rest::Lost => return Err(BodyError::Incomplete),
            Rest::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= n as u64;
                if *left == 0 {
                    self.rest = Rest::Over;
                }
                n
            }
            Rest::Chunks(decoder) => {
                let (n_framing, next) = decoder.next(&self.buffer)?;
                self.buffer.advance(n_framing);
                match next {
                    Next::Content(n) => n,
                    Next::More => 0,
                    Next::Over => {
                        self.rest = Rest::Over;
                        0
                    }
                }
            }
        };
        Ok((n > 0).then(|| self.buffer.split_to(n).freeze()))
    }

    /// Reads more, never past a body whose length is known.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while !self.interim.is_empty() {
            let n = ready!(self.socket.poll_write_interim(cx, self.interim))?;
            self.interim = self.interim.get(n..).unwrap_or_default();
        }
        let most = match self.rest {
            Rest::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(self.read_buffer_bytes),
            _ => self.read_buffer_bytes,
        };
        if self.buffer.capacity() - self.buffer.len() < most.min(MIN_ROOM_BYTES) {
            self.buffer.reserve(most);
        }
        self.socket.poll_read(cx, &mut (&mut self.buffer).limit(most))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let slot = match &mut self.0 {
            Source::Empty => return Poll::Ready(None),
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Source::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Source::Lent(slot) => slot,
        };
        match lock(slot).as_mut() {
            Some(reader) => reader.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data))),
            None => Poll::Ready(Some(Err(BodyError::Over))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Lent(slot) => lock(slot).as_ref().is_some_and(|reader| matches!(reader.rest, Rest::Over)),
            Source::Whole(_) => false,
            Source::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let slot = match &self.0 {
            Source::Empty => return SizeHint::with_exact(0),
            Source::Whole(bytes) => return SizeHint::with_exact(bytes.len() as u64),
            Source::Lent(slot) => slot,
        };
        match lock(slot).as_ref().map(|reader| &reader.rest) {
            Some(Rest::Length(n)) => SizeHint::with_exact(*n),
            Some(Rest::Over) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

/// Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
