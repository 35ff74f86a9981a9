//! What a response is made of: nothing, bytes, ranges of a file, or any other body.
//!
//! A [`FileBody`] yields *markers* instead of file bytes; only a connection of [`listener`](crate::listener) can send them.
//! Anything between that looks into the data (compression, HTTP/2 framing) would see zeros: give it another body.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::MeterError;
use crate::link::{Link, Transfer};
use crate::listener::ConnectionInfo;
use crate::marker::MAX_MARKER_BYTES;

/// An open file, shared by all responses that send it.
pub type SharedFile = Arc<dyn AsFd + Send + Sync>;

/// Whatever a body may fail with.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a response.
pub struct ResponseBody {
    inner: Inner,
    /// Told when the body is gone, so that the connection's deadlines know the phase.
    link: Option<Arc<Link>>,
}

enum Inner {
    Empty,
    Bytes(Bytes),
    File(Box<FileBody>),
    Other(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

/// File ranges to send, with literal bytes around them.
pub struct FilePlan {
    /// Where all ranges are from.
    pub file: SharedFile,
    /// In the order of sending.
    pub parts: Vec<Part>,
    /// Literal bytes after the last part.
    pub trailer: Bytes,
}

/// One range of a file, after literal bytes (the head of a multipart part).
pub struct Part {
    /// Literal bytes before the range; may be empty.
    pub preface: Bytes,
    /// Bytes of the file; may be empty, must lie within the file.
    pub range: Range<u64>,
}

/// Decides how far a metered body may go and learns how far it went.
pub trait Meter: Send {
    /// How many file bytes, counted from the start of this response over all parts, may be handed to the socket. Called when
    /// everything permitted so far was queued, and again whenever the connection makes progress while this is pending;
    /// `sent` file bytes were accepted by the kernel by then. Must permit more than before. Not called for an empty file.
    ///
    /// # Errors
    ///
    /// The connection is cut.
    fn poll_permit(&mut self, sent: u64, cx: &mut Context<'_>) -> Poll<Result<u64, MeterError>>;

    /// The last piece is about to be handed to the kernel: called once, before that; for an empty file before its head.
    fn finishing(&mut self);

    /// The response is over, however it ended; called exactly once. `sent` file bytes were accepted by the kernel, `whole`
    /// tells whether the entire response was.
    fn ended(&mut self, sent: u64, whole: bool);
}

/// Learns how far an unmetered body went.
pub trait Observer: Send {
    /// As [`Meter::ended`].
    fn ended(&mut self, sent: u64, whole: bool);
}

pub(crate) enum Watch {
    Nobody,
    Observer(Box<dyn Observer>),
    Meter(Box<dyn Meter>),
}

/// Ranges of a file as a body. Its length is exact; the handler need not set `Content-Length`.
pub struct FileBody {
    transfer: Arc<Transfer>,
    link: Option<Arc<Link>>,
    started: bool,
    parts: std::vec::IntoIter<Part>,
    trailer: Bytes,
    /// What of the current part is not yet yielded.
    current: Range<u64>,
    /// File bytes yielded as markers.
    queued: u64,
    permitted: u64,
    /// Bytes of all kinds not yet yielded.
    left: u64,
}

impl ResponseBody {
    /// No body.
    #[must_use]
    pub fn empty() -> ResponseBody {
        Inner::Empty.into()
    }

    /// A body that is in memory: written in one call with its head.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> ResponseBody {
        Inner::Bytes(bytes.into()).into()
    }

    /// Any other body.
    pub fn other<B>(body: B) -> ResponseBody
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Inner::Other(Box::pin(Mapped(Box::pin(body)))).into()
    }

    /// The response is given to hyper: its file begins to count.
    pub(crate) fn start(&mut self, link: &Arc<Link>) {
        self.link = Some(Arc::clone(link));
        if let Inner::File(body) = &mut self.inner {
            body.link.get_or_insert_with(|| Arc::clone(link));
            body.start();
        }
    }
}

impl From<Inner> for ResponseBody {
    fn from(inner: Inner) -> ResponseBody {
        ResponseBody { inner, link: None }
    }
}

impl From<FileBody> for ResponseBody {
    fn from(body: FileBody) -> ResponseBody {
        Inner::File(Box::new(body)).into()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A file's end must be queued before the connection may count the response as handed over.
        self.inner = Inner::Empty;
        if let Some(link) = &self.link {
            link.response_done();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.inner {
            Inner::Empty => Poll::Ready(None),
            Inner::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::File(body) => Pin::new(&mut **body).poll_frame(cx),
            Inner::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Bytes(bytes) => bytes.is_empty(),
            Inner::File(body) => body.is_end_stream(),
            Inner::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::File(body) => body.size_hint(),
            Inner::Other(body) => body.size_hint(),
        }
    }
}

impl FileBody {
    /// A body that nobody watches.
    #[must_use]
    pub fn new(plan: FilePlan) -> FileBody {
        FileBody::with_watch(plan, Watch::Nobody)
    }

    /// A body whose outcome `observer` is told.
    #[must_use]
    pub fn observed(plan: FilePlan, observer: Box<dyn Observer>) -> FileBody {
        FileBody::with_watch(plan, Watch::Observer(observer))
    }

    /// A body that goes as far as `meter` lets it.
    #[must_use]
    pub fn metered(plan: FilePlan, meter: Box<dyn Meter>) -> FileBody {
        FileBody::with_watch(plan, Watch::Meter(meter))
    }

    /// Registers with a connection. Needed only where this body is wrapped in another one: a [`ResponseBody`] is registered
    /// when the handler returns it.
    #[must_use]
    pub fn attached(mut self, connection: &ConnectionInfo) -> FileBody {
        self.link = Some(Arc::clone(connection.link()));
        self
    }

    fn with_watch(plan: FilePlan, watch: Watch) -> FileBody {
        let size = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let file_bytes = plan.parts.iter().map(|part| size(&part.range)).sum();
        let literal_bytes = plan.parts.iter().map(|part| part.preface.len()).sum::<usize>();
        FileBody {
            permitted: match watch {
                Watch::Meter(_) => 0,
                _ => file_bytes,
            },
            transfer: Transfer::new(plan.file, file_bytes, watch),
            link: None,
            started: false,
            parts: plan.parts.into_iter(),
            left: file_bytes + (literal_bytes + plan.trailer.len()) as u64,
            trailer: plan.trailer,
            current: 0..0,
            queued: 0,
        }
    }

    fn start(&mut self) {
        if let (false, Some(link)) = (self.started, &self.link) {
            self.started = true;
            link.open();
            if self.transfer.total == 0 {
                self.transfer.before(0);
            }
        }
    }

    /// Asks the meter for more, once everything permitted was queued.
    fn poll_permitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MeterError>> {
        if self.queued < self.permitted {
            return Poll::Ready(Ok(()));
        }
        let permitted = ready!(self.transfer.with_watch(|watch, sent| match watch {
            Watch::Meter(meter) => meter.poll_permit(sent, cx),
            _ => Poll::Ready(Err(MeterError::Denied)),
        }))?;
        if permitted <= self.queued {
            return Poll::Ready(Err(MeterError::Denied));
        }
        self.permitted = permitted;
        Poll::Ready(Ok(()))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let me = &mut *self;
        me.start();
        loop {
            if !me.current.is_empty() {
                let Some(link) = me.link.clone() else {
                    return Poll::Ready(Some(Err("a file body outside a connection".into())));
                };
                ready!(me.poll_permitted(cx))?;
                let len = (me.current.end - me.current.start).min(me.permitted - me.queued).min(MAX_MARKER_BYTES as u64);
                let marker = link.push_segment(&me.transfer, me.current.start, len as usize);
                me.current.start += len;
                me.queued += len;
                me.left -= len;
                return Poll::Ready(Some(Ok(Frame::data(marker))));
            }
            let literal = match me.parts.next() {
                Some(part) => {
                    me.current = part.range;
                    part.preface
                }
                None if me.trailer.is_empty() => return Poll::Ready(None),
                None => std::mem::take(&mut me.trailer),
            };
            if !literal.is_empty() {
                me.left -= literal.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(literal))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        match &self.link {
            Some(link) if self.started => link.push_end(&self.transfer, self.left == 0),
            _ => self.transfer.over(false),
        }
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody")
            .field("file_bytes", &self.transfer.total)
            .field("left_bytes", &self.left)
            .finish_non_exhaustive()
    }
}

/// A body whose error is boxed.
struct Mapped<B>(Pin<Box<B>>);

impl<B> Body for Mapped<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
