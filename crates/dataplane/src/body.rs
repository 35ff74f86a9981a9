//! What a response is made of: nothing, bytes, ranges of a file, or any other body.
//!
//! A [`FileBody`] is sent by the kernel; only a connection of [`listener`](crate::listener) can send it, and only where it is a
//! response's whole body.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use crate::error::MeterError;
use crate::http1::response_head;

/// An open file, shared by all responses that send it.
pub type SharedFile = Arc<dyn AsFd + Send + Sync>;

/// Whatever a body may fail with.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a response, and what of its head was made before.
pub struct ResponseBody {
    pub(crate) content: Content,
    pub(crate) ready: Option<ReadyHead>,
    /// Who is told of the end of what is in memory.
    pub(crate) watched: Option<Watched>,
}

/// An observer that is told once, however it ends.
pub(crate) struct Watched(Option<Box<dyn Observer>>);

impl Watched {
    /// The response is over; only the first call counts.
    pub(crate) fn over(&mut self, sent: u64, is_whole: bool) {
        if let Some(mut observer) = self.0.take() {
            observer.ended(sent, is_whole);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.over(0, false);
    }
}

pub(crate) enum Content {
    Empty,
    Bytes(Bytes),
    File(Box<FileBody>),
    Other(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

/// Fields of a head, written out once for many responses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadyHead {
    pub(crate) written: Arc<WrittenFields>,
    /// A field that is this response's own.
    pub(crate) besides: Option<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
pub(crate) struct WrittenFields {
    /// Lines, each with its CR LF, and the empty line.
    pub(crate) lines: Vec<u8>,
    names: Vec<HeaderName>,
    /// What `Content-Length` said: a response to HEAD says it too.
    pub(crate) content_length: Option<u64>,
}

impl ReadyHead {
    /// Writes out these fields, but for those that are the connection's own affair (`Connection`, `Transfer-Encoding`, `Date`).
    #[must_use]
    pub fn new(fields: &HeaderMap) -> ReadyHead {
        let mut lines = Vec::new();
        response_head::append_fields(&mut lines, fields, |_| false);
        lines.extend_from_slice(b"\r\n");
        let content_length = response_head::said(fields).content_length;
        let names = fields.keys().cloned().collect();
        ReadyHead { written: Arc::new(WrittenFields { lines, names, content_length }), besides: None }
    }

    /// The same with one field more, which is cheaper here than in the response's own.
    #[must_use]
    pub fn with(self, name: HeaderName, value: HeaderValue) -> ReadyHead {
        ReadyHead { besides: Some((name, value)), ..self }
    }

    /// Whether it says something under this name.
    pub(crate) fn has(&self, name: &HeaderName) -> bool {
        self.besides.as_ref().is_some_and(|(besides, _)| besides == name) || self.written.names.contains(name)
    }
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
    /// everything permitted so far was accepted by the kernel, `sent` file bytes, and again when it is woken while this is
    /// pending. Must permit more than before. Not called for an empty file.
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

/// Tells when a body must end early, as if its connection had broken.
pub trait Cut: Send {
    /// Ready when the body is to end now. Asked whenever it has to wait, from the first time on; the task is then woken.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

enum Watch {
    Nobody,
    Observer(Box<dyn Observer>),
    Meter(Box<dyn Meter>),
}

/// Ranges of a file as a body. Its length is exact; the handler need not set `Content-Length`.
pub struct FileBody {
    pub(crate) plan: FilePlan,
    /// File bytes of all parts together.
    file_bytes: u64,
    /// Bytes of all kinds.
    total_bytes: u64,
    permitted: u64,
    /// File bytes that the kernel accepted.
    sent: u64,
    is_finishing: bool,
    is_over: bool,
    watch: Watch,
    pub(crate) cut: Option<Box<dyn Cut>>,
}

impl ResponseBody {
    /// No body.
    #[must_use]
    pub fn empty() -> ResponseBody {
        Content::Empty.into()
    }

    /// A body that is in memory: written in one call with its head.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> ResponseBody {
        Content::Bytes(bytes.into()).into()
    }

    /// Any other body.
    pub fn other<B>(body: B) -> ResponseBody
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Content::Other(Box::pin(Mapped(Box::pin(body)))).into()
    }

    /// The bytes of a body that is in memory; `None` of any other.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Empty => Some(&[]),
            Content::Bytes(bytes) => Some(bytes),
            Content::File(_) | Content::Other(_) => None,
        }
    }

    /// The same, with `observer` told of its end, if it is in memory: what is a file has its own. Its bytes are accepted by the
    /// kernel all together, or count as not accepted.
    #[must_use]
    pub fn observed(self, observer: Box<dyn Observer>) -> ResponseBody {
        ResponseBody { watched: Some(Watched(Some(observer))), ..self }
    }

    /// The same, with these fields in its head. What the response's own fields say under the same names is left out.
    #[must_use]
    pub fn with_head(self, head: ReadyHead) -> ResponseBody {
        ResponseBody { ready: Some(head), ..self }
    }
}

impl From<Content> for ResponseBody {
    fn from(content: Content) -> ResponseBody {
        ResponseBody { content, ready: None, watched: None }
    }
}

impl From<FileBody> for ResponseBody {
    fn from(body: FileBody) -> ResponseBody {
        Content::File(Box::new(body)).into()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

/// For tests of handlers, and for who wraps a body in another one. A connection does not go this way.
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::File(body) => Pin::new(&mut **body).poll_frame(cx),
            Content::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::File(body) => body.size_hint(),
            Content::Other(body) => body.size_hint(),
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

    pub(crate) fn is_metered(&self) -> bool {
        matches!(self.watch, Watch::Meter(_))
    }

    fn with_watch(plan: FilePlan, watch: Watch) -> FileBody {
        let size = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let file_bytes = plan.parts.iter().map(|part| size(&part.range)).sum();
        let literal_bytes = plan.parts.iter().map(|part| part.preface.len()).sum::<usize>() + plan.trailer.len();
        FileBody {
            permitted: if matches!(watch, Watch::Meter(_)) { 0 } else { file_bytes },
            plan,
            file_bytes,
            total_bytes: file_bytes + literal_bytes as u64,
            sent: 0,
            is_finishing: false,
            is_over: false,
            watch,
            cut: None,
        }
    }

    /// The same, which goes on only until `cut` says so.
    #[must_use]
    pub fn until(mut self, cut: Box<dyn Cut>) -> FileBody {
        self.cut = Some(cut);
        self
    }

    /// How many file bytes may go now, at least one: asks the meter when everything permitted was sent.
    pub(crate) fn poll_permitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, MeterError>> {
        if self.sent == self.permitted {
            let permitted = match &mut self.watch {
                Watch::Meter(meter) => ready!(meter.poll_permit(self.sent, cx))?,
                _ => self.permitted,
            };
            if permitted <= self.sent {
                return Poll::Ready(Err(MeterError::Denied));
            }
            self.permitted = permitted;
        }
        Poll::Ready(Ok(self.permitted - self.sent))
    }

    /// `n` file bytes are about to be handed to the kernel.
    pub(crate) fn before(&mut self, n: u64) {
        if self.sent + n >= self.file_bytes && !self.is_finishing {
            self.is_finishing = true;
            if let Watch::Meter(meter) = &mut self.watch {
                meter.finishing();
            }
        }
    }

    /// The kernel accepted `n` file bytes.
    pub(crate) fn accepted(&mut self, n: u64) {
        self.sent += n;
    }

    /// The response is over; only the first call counts.
    pub(crate) fn over(&mut self, is_whole: bool) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let whole = is_whole && self.sent == self.file_bytes;
        match &mut self.watch {
            Watch::Nobody => {}
            Watch::Observer(observer) => observer.ended(self.sent, whole),
            Watch::Meter(meter) => meter.ended(self.sent, whole),
        }
    }
}

/// A file body as a part of another body: it cannot be read.
impl Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Err("a file body outside a connection".into())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.total_bytes)
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        self.over(false);
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("file_bytes", &self.file_bytes).field("sent_bytes", &self.sent).finish_non_exhaustive()
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
