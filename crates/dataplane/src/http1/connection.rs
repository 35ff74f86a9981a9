//! A connection: its requests, one after the other.

use super::head::{self, Framing, Head, HeadLimits, Refused, Scanner};
use super::outbox::{self, Parcel, Unposted};
use super::request_body::{Reader, RequestBody};
use super::response_head::{self, After, Ending};
use super::socket::Socket;
use super::writer::{Writer, lines_of};
use crate::SendMode;
use crate::body::{BoxError, Content, Cut, ResponseBody};
use crate::listener::{ConnectionInfo, Handler, closing};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// What of a request's body is read and dropped behind the answer of a handler that did not want it, so that the connection can go
/// on; where more is announced, it ends.
const MAX_DROPPED_BYTES: u64 = 64 << 10;

/// Room for heads of responses that a thread keeps: so many, of so many bytes at most.
const MAX_SPARE: usize = 64;
const MAX_SPARE_BYTES: usize = 2 << 10;

/// What connections of a listener have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) head: HeadLimits,
    pub(crate) read_buffer_bytes: usize,
    pub(crate) send: SendMode,
}

/// Serves a connection to its end. Where it `is_stopping`, it answers what was begun and ends; whoever makes that so wakes the
/// task.
pub(crate) async fn serve<H: Handler>(
    handler: H,
    info: ConnectionInfo,
    mut socket: Socket,
    rules: Rules,
    is_stopping: impl Fn() -> bool,
) {
    let mut mode = rules.send;
    let mut heads = Heads::new(rules.head);
    loop {
        let next = poll_fn(|cx| match socket.is_stuck() {
            true => Poll::Ready(None),
            false => heads.poll_next(cx, &mut socket, &is_stopping).map(Some),
        })
        .await;
        if let Err(error) = send_rest(&mut socket, &mut mode).await {
            return tracing::debug!(%error, "connection ended");
        }
        let Some(next) = next else { continue };
        let bytes = match next {
            Ok(Next::Head(bytes)) => bytes,
            Ok(Next::Nothing) => return,
            Ok(Next::Refused(refused)) => {
                let bytes = heads.buffer.split().freeze();
                return refuse(&handler, socket, refused, &bytes, &mut mode).await;
            }
            Err(error) => return tracing::debug!(%error, "connection ended"),
        };
        let head = match head::parse(&bytes) {
            Ok(head) => head,
            Err(refused) => return refuse(&handler, socket, refused, &bytes, &mut mode).await,
        };
        drop(bytes);
        let asked = Asked::of(&head);
        let (body, lent, kept) = if head.framing == Framing::Length(0) {
            (RequestBody::empty(), None, Some(socket))
        } else {
            let reader = Reader::new(socket, std::mem::take(&mut heads.buffer), &head, rules.read_buffer_bytes);
            let (body, lent) = RequestBody::lend(reader);
            (body, Some(lent), None)
        };
        let response = answer(&handler, request(head, body), &info).await;
        // How much of the request's body is still to come: nobody knows, or so many bytes.
        let mut unread = Some(0);
        socket = match (kept, lent.and_then(super::request_body::Lent::back)) {
            (Some(socket), _) => socket,
            (None, Some(reader)) => {
                unread = reader.left();
                heads.take_back(reader.buffer);
                reader.socket
            }
            // Only this task takes the reader back.
            (None, None) => return,
        };
        let may_go_on = asked.keep_alive && !is_stopping() && unread.is_some_and(|n| n <= MAX_DROPPED_BYTES);
        match send(&mut socket, &mut mode, response, asked, may_go_on).await {
            Ok(true) => heads.drop_first(unread.unwrap_or(0)),
            Ok(false) => return socket.close(unread != Some(0) || !heads.buffer.is_empty()).await,
            Err(error) => return tracing::debug!(%error, "connection ended"),
        }
    }
}

/// What of a request the answer's shape depends on.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    is_1_1: bool,
    keep_alive: bool,
}

impl Asked {
    fn of(head: &Head) -> Asked {
        Asked {
            is_head: head.method == Method::HEAD,
            is_1_1: head.version == Version::HTTP_11,
            // A proxy before us may see another end of the chunks than we do: whatever follows them is not listened to.
            keep_alive: head.keep_alive && head.framing != Framing::Chunked,
        }
    }
}

fn request(head: Head, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.version_mut() = head.version;
    *request.headers_mut() = head.fields;
    request
}

/// The answer to one request, whatever the handler does.
async fn answer<H: Handler>(handler: &H, request: Request<RequestBody>, info: &ConnectionInfo) -> Response<ResponseBody> {
    // Pinned where it is made: a request's future is large, and moving it would cost more than polling it.
    let mut called = pin!(async { handler.call(request, info).await });
    let outcome = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| called.as_mut().poll(cx))) {
        Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    });
    outcome.await.unwrap_or_else(|| {
        tracing::error!("a handler panicked");
        closing(plain(StatusCode::INTERNAL_SERVER_ERROR))
    })
}

fn plain(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

/// Answers what is no request, and ends: what follows may be anything.
async fn refuse<H: Handler>(handler: &H, mut socket: Socket, refused: Refused, bytes: &Bytes, mode: &mut SendMode) {
    tracing::info!(error = %refused, "request refused");
    let asked = Asked { is_head: false, is_1_1: true, keep_alive: false };
    let path = head::path_of(bytes);
    let response = handler.refused(refused.status(), &refused.to_string(), path.as_deref());
    if send(&mut socket, mode, response, asked, false).await.is_ok() {
        socket.close(true).await;
    }
}

/// Sends what is left of a response that was posted.
async fn send_rest(socket: &mut Socket, mode: &mut SendMode) -> io::Result<()> {
    if let Some(mut parcel) = socket.unsent() {
        Writer { socket, mode }.rest(parcel.pieces(), parcel.sent).await?;
        parcel.over();
        socket.flushed();
        give_spare(parcel.head);
    }
    Ok(())
}

/// Sends a response; whether another one may follow.
async fn send(
    socket: &mut Socket,
    mode: &mut SendMode,
    response: Response<ResponseBody>,
    asked: Asked,
    may_go_on: bool,
) -> Result<bool, BoxError> {
    let (parts, body) = response.into_parts();
    let said = response_head::said(&parts.headers);
    let ready_length = body.ready.as_ref().and_then(|ready| ready.written.content_length);
    let ending = ending(parts.status, &body, asked, said.content_length.or(ready_length));
    let goes_on = may_go_on && !said.close && ending != Ending::Close && !parts.status.is_informational();
    let after = match (goes_on, asked.is_1_1) {
        (true, true) => After::Open,
        (true, false) => After::SaidOpen,
        (false, _) => After::Close,
    };
    let mut head = spare();
    response_head::append(&mut head, &parts, body.ready.as_ref(), ending, after);
    let watched = body.watched;
    let bytes = match body.content {
        _ if matches!(ending, Ending::Head(_)) => Bytes::new(),
        Content::Empty => Bytes::new(),
        Content::Bytes(bytes) => bytes,
        Content::File(mut file) => {
            head.extend_from_slice(lines_of(body.ready.as_ref()));
            let cut = file.cut.take();
            if let Err(error) = unless_cut(cut, Writer { socket, mode }.file(&mut head, &mut file)).await {
                // Nothing that the kernel still holds is to follow a cut.
                if error.is::<CutShort>() {
                    socket.reset_on_close();
                }
                return Err(error);
            }
            socket.flushed();
            give_spare(head);
            return Ok(goes_on);
        }
        Content::Other(other) => {
            head.extend_from_slice(lines_of(body.ready.as_ref()));
            Writer { socket, mode }.other(&mut head, other, ending).await?;
            socket.flushed();
            give_spare(head);
            return Ok(goes_on);
        }
    };
    let is_long = bytes.len() > outbox::MAX_BYTES;
    let parcel = Parcel { head, ready: body.ready, body: bytes, sent: 0, watched };
    let mut own = Some(Unposted { parcel, began: None });
    if goes_on && !is_long {
        // Takes no time: asked for the task's waker alone.
        own = poll_fn(|cx| Poll::Ready(own.take().and_then(|own| socket.post(cx, own.parcel)))).await;
    }
    let Some(Unposted { mut parcel, began }) = own else { return Ok(true) };
    Writer { socket, mode }.all(parcel.pieces()).await?;
    parcel.over();
    if let Some(began) = began {
        socket.sent_in(began.elapsed());
    }
    socket.flushed();
    give_spare(parcel.head);
    Ok(goes_on)
}

/// A body was ended early on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the transfer was cut")]
struct CutShort;

/// Sends, unless it is cut: asked when it has to wait, so that what goes out at once is as fast as it can be.
async fn unless_cut(mut cut: Option<Box<dyn Cut>>, sending: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    let mut sending = pin!(sending);
    let mut has_waited = false;
    poll_fn(|cx| {
        if has_waited && is_cut(&mut cut, cx) {
            return Poll::Ready(Err(CutShort.into()));
        }
        let sent = sending.as_mut().poll(cx);
        if sent.is_pending() && !std::mem::replace(&mut has_waited, true) && is_cut(&mut cut, cx) {
            return Poll::Ready(Err(CutShort.into()));
        }
        sent
    })
    .await
}

fn is_cut(cut: &mut Option<Box<dyn Cut>>, cx: &mut Context<'_>) -> bool {
    cut.as_mut().is_some_and(|cut| cut.poll_cut(cx).is_ready())
}

/// Where a response ends, whose head or [`ReadyHead`](crate::body::ReadyHead) says this `Content-Length`.
fn ending(status: StatusCode, body: &ResponseBody, asked: Asked, said: Option<u64>) -> Ending {
    let exact = body.size_hint().exact();
    match status {
        StatusCode::NO_CONTENT => Ending::Head(None),
        StatusCode::NOT_MODIFIED => Ending::Head(said),
        _ if status.is_informational() => Ending::Head(None),
        // A handler may give the length without the content; an empty body then tells nothing.
        _ if asked.is_head => Ending::Head(said.or(exact.filter(|n| *n > 0))),
        _ => match exact.or(said) {
            Some(n) => Ending::Length(n),
            None if asked.is_1_1 => Ending::Chunked,
            None => Ending::Close,
        },
    }
}

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Memory for a head: this thread's, if no other response that waits has it.
fn spare() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

pub(super) fn give_spare(mut memory: Vec<u8>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE && memory.capacity() <= MAX_SPARE_BYTES {
            memory.clear();
            spare.push(memory);
        }
    });
}

/// The heads that come in on a connection.
struct Heads {
    limits: HeadLimits,
    /// What was read and belongs to no request yet.
    buffer: BytesMut,
    /// Whether the buffer is this connection's own memory, which alone may grow.
    is_own: bool,
    scanner: Scanner,
    /// Bytes that come before the next head and are dropped.
    n_dropped: u64,
    /// Since when a head is waited for, and whether it had begun to come.
    waits: Option<(Instant, bool)>,
    /// Until the first request, a connection counts as one whose head comes slowly.
    is_first: bool,
}

/// What came in.
enum Next {
    Head(Bytes),
    Refused(Refused),
    /// Nothing, in time; or nothing more is to come.
    Nothing,
}

impl Heads {
    fn new(limits: HeadLimits) -> Heads {
        Heads {
            limits,
            buffer: BytesMut::new(),
            is_own: false,
            scanner: Scanner::default(),
            n_dropped: 0,
            waits: None,
            is_first: true,
        }
    }

    /// The next head.
    fn poll_next(&mut self, cx: &mut Context<'_>, socket: &mut Socket, is_stopping: impl Fn() -> bool) -> Poll<io::Result<Next>> {
        loop {
            self.drop_buffered();
            if !self.buffer.is_empty() {
                match self.scanner.end(&self.buffer, &self.limits) {
                    Ok(Some(n)) => return Poll::Ready(Ok(Next::Head(self.take(n)))),
                    Ok(None) => {}
                    Err(refused) => return Poll::Ready(Ok(Next::Refused(refused))),
                }
            } else if self.n_dropped == 0 && is_stopping() {
                return Poll::Ready(Ok(Next::Nothing));
            }
            match self.poll_fill(cx, socket) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Next::Nothing)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.poll_patience(cx, socket));
                    return Poll::Ready(Ok(Next::Nothing));
                }
            }
        }
    }

    fn take(&mut self, n: usize) -> Bytes {
        (self.scanner, self.waits, self.is_first) = (Scanner::default(), None, false);
        // An empty rest would hold memory that others could use.
        if n == self.buffer.len() { std::mem::take(&mut self.buffer).freeze() } else { self.buffer.split_to(n).freeze() }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, socket: &mut Socket) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            self.buffer = ready!(socket.poll_read_shared(cx))?;
            self.is_own = false;
            return Poll::Ready(Ok(self.buffer.len()));
        }
        let len = self.buffer.len();
        if !self.is_own {
            let mut own = BytesMut::with_capacity(2 * len.max(512));
            own.extend_from_slice(&self.buffer);
            (self.buffer, self.is_own) = (own, true);
        }
        if self.buffer.capacity() == len {
            self.buffer.reserve(len);
        }
        socket.poll_read(cx, &mut self.buffer)
    }

    /// Ready when the head was waited for long enough.
    fn poll_patience(&mut self, cx: &mut Context<'_>, socket: &mut Socket) -> Poll<()> {
        let now = Instant::now();
        let has_begun = self.is_first || self.n_dropped > 0 || !self.buffer.is_empty();
        let since = match self.waits {
            Some((since, had_begun)) if had_begun == has_begun => since,
            _ => now,
        };
        self.waits = Some((since, has_begun));
        let patience = if has_begun { socket.limits.header_read_timeout } else { socket.limits.keep_alive_timeout };
        socket.poll_deadline(cx, since + patience, now)
    }

    /// What a body's reader read too far.
    fn take_back(&mut self, buffer: BytesMut) {
        self.buffer = if buffer.is_empty() { BytesMut::new() } else { buffer };
        self.is_own = false;
    }

    /// So many bytes from here on belong to no head.
    fn drop_first(&mut self, n: u64) {
        self.n_dropped = n;
    }

    fn drop_buffered(&mut self) {
        if self.n_dropped > 0 {
            let n = usize::try_from(self.n_dropped).unwrap_or(usize::MAX).min(self.buffer.len());
            self.buffer.advance(n);
            self.n_dropped -= n as u64;
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
        }
    }
}
