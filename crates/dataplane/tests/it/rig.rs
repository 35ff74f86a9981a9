//! A server over one file of random bytes, a raw client, and a recorder of what bodies are told.

use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use valetkey_dataplane::MeterError;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::{FileBody, FilePlan, Meter, Observer, Part, ResponseBody, SharedFile};
use valetkey_dataplane::listener::{ConnectionInfo, Handler, Options, Server, closing};

/// Long enough for the slowest machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pseudo-random bytes: no page of them is zeros, no two files are alike.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What a meter or observer was told, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Finishing { sent_before: u64 },
    Ended { sent: u64, whole: bool },
}

#[derive(Default)]
pub(crate) struct Record {
    events: Mutex<Vec<Event>>,
    changed: Condvar,
}

impl Record {
    fn push(&self, event: Event) {
        self.events.lock().unwrap().push(event);
        self.changed.notify_all();
    }

    /// All events, once the first `Ended` is there.
    pub(crate) fn at_end(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        let is_open = |events: &mut Vec<Event>| !events.iter().any(|event| matches!(event, Event::Ended { .. }));
        let (events, timeout) = self.changed.wait_timeout_while(events, PATIENCE, is_open).unwrap();
        assert!(!timeout.timed_out(), "no end was told: {events:?}");
        events.clone()
    }

    pub(crate) fn now(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

/// Permits `step` bytes more each time, up to `limit`; with a `gate`, each step after the first waits for a grant.
pub(crate) struct StepMeter {
    pub(crate) record: Arc<Record>,
    pub(crate) step: u64,
    pub(crate) limit: u64,
    pub(crate) gate: Option<Arc<Gate>>,
    permitted: u64,
    last_sent: u64,
}

#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(u32, Option<Waker>, u64)>,
    asked: Condvar,
}

impl Gate {
    /// Waits until the meter was asked with at least this much sent.
    pub(crate) fn wait_asked(&self, sent: u64) {
        let state = self.state.lock().unwrap();
        let (_state, timeout) =
            self.asked.wait_timeout_while(state, PATIENCE, |state| state.1.is_none() || state.2 < sent).unwrap();
        assert!(!timeout.timed_out(), "the meter was not asked");
    }

    pub(crate) fn grant(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl StepMeter {
    pub(crate) fn new(record: &Arc<Record>, step: u64, limit: u64) -> StepMeter {
        StepMeter { record: Arc::clone(record), step, limit, gate: None, permitted: 0, last_sent: 0 }
    }
}

impl Meter for StepMeter {
    fn poll_permit(&mut self, sent: u64, cx: &mut Context<'_>) -> Poll<Result<u64, MeterError>> {
        assert!(sent <= self.permitted, "more was sent than permitted");
        assert!(sent >= self.last_sent, "what was sent went back");
        self.last_sent = sent;
        if let (Some(gate), true) = (&self.gate, self.permitted > 0) {
            let mut state = gate.state.lock().unwrap();
            state.2 = sent;
            if state.0 == 0 {
                state.1 = Some(cx.waker().clone());
                gate.asked.notify_all();
                return Poll::Pending;
            }
            state.0 -= 1;
        }
        if self.permitted >= self.limit {
            return Poll::Ready(Err(MeterError::Denied));
        }
        self.permitted = (self.permitted + self.step).min(self.limit);
        Poll::Ready(Ok(self.permitted))
    }

    fn finishing(&mut self) {
        self.record.push(Event::Finishing { sent_before: self.last_sent });
    }

    fn ended(&mut self, sent: u64, whole: bool) {
        self.record.push(Event::Ended { sent, whole });
    }
}

pub(crate) struct Watcher(pub(crate) Arc<Record>);

impl Observer for Watcher {
    fn ended(&mut self, sent: u64, whole: bool) {
        self.0.push(Event::Ended { sent, whole });
    }
}

type Answer = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;
type Route = dyn Fn(Request<RequestBody>) -> Answer + Send + Sync;

/// A handler from a closure.
#[derive(Clone)]
pub(crate) struct Routes(Arc<Route>);

impl Handler for Routes {
    async fn call(&self, request: Request<RequestBody>, connection: &ConnectionInfo) -> Response<ResponseBody> {
        assert_ne!(connection.peer(), connection.local());
        (self.0)(request).await
    }
}

pub(crate) fn ok(body: impl Into<ResponseBody>) -> Response<ResponseBody> {
    Response::new(body.into())
}

/// Starts a server whose handler is `route`.
pub(crate) fn start<A>(options: Options, route: impl Fn(Request<RequestBody>) -> A + Send + Sync + 'static) -> Server
where
    A: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let routes = Routes(Arc::new(move |request| Box::pin(route(request))));
    Server::start(address, options, routes).unwrap()
}

pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.workers = 1;
    options
}

/// A file of noise and its bytes.
pub(crate) struct Noise {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) file: Arc<File>,
}

impl Noise {
    pub(crate) fn new(seed: u64, len: usize) -> Noise {
        let bytes = noise(seed, len);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Noise { bytes: Arc::new(bytes), file: Arc::new(file) }
    }
}

pub(crate) fn plan(file: &Arc<File>, parts: &[(&'static [u8], u64, u64)], trailer: &'static [u8]) -> FilePlan {
    FilePlan {
        file: Arc::clone(file) as SharedFile,
        parts: parts
            .iter()
            .map(|(preface, start, end)| Part { preface: Bytes::from_static(preface), range: *start..*end })
            .collect(),
        trailer: Bytes::from_static(trailer),
    }
}

/// The site that most tests use: a file in every form, small answers, uploads.
pub(crate) fn site(noise: &Noise, options: Options) -> Server {
    let bytes = Arc::clone(&noise.bytes);
    let file = Arc::clone(&noise.file);
    start(options, move |request| {
        let bytes = Arc::clone(&bytes);
        let file = Arc::clone(&file);
        async move {
            let all = bytes.len() as u64;
            let whole = || FileBody::new(plan(&file, &[(b"", 0, all)], b""));
            match (request.method().as_str(), request.uri().path()) {
                ("HEAD", "/file") => {
                    let mut response = ok(ResponseBody::empty());
                    response.headers_mut().insert("content-length", all.into());
                    response
                }
                ("HEAD", "/file-with-body") => ok(whole()),
                (_, "/file") => ok(whole()),
                (_, "/file-as-other-body") => ok(ResponseBody::other(FileBody::new(plan(&file, &[(b"", 0, all)], b"")))),
                (_, "/range") => {
                    let (start, end) = request.uri().query().unwrap().split_once('-').unwrap();
                    let part = (b"".as_slice(), start.parse().unwrap(), end.parse().unwrap());
                    ok(FileBody::new(plan(&file, &[part], b"")))
                }
                (_, "/parts") => ok(FileBody::new(plan(
                    &file,
                    &[(b"first:", 100, 70_000), (b"second:", 0, 1), (b"none:", 5, 5), (b"", all - 400_000, all)],
                    b":end",
                ))),
                (_, "/small") => ok(ResponseBody::bytes(bytes[..4096].to_vec())),
                (_, "/chunked") => {
                    let body = http_body_util::StreamBody::new(futures_util::stream::iter(
                        [b"some", b"thin", b"g..."]
                            .map(|piece| Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(piece)))),
                    ));
                    ok(ResponseBody::other(body))
                }
                (_, "/empty") => ok(FileBody::new(plan(&file, &[], b""))),
                (_, "/panic") => panic!("as the test wants"),
                (_, "/count") => match request.into_body().collect().await {
                    Ok(body) => ok(ResponseBody::bytes(body.to_bytes().len().to_string())),
                    Err(_) => closing(status(400)),
                },
                (_, "/refuse") => {
                    let mut response = status(413);
                    *response.body_mut() = ResponseBody::bytes("too large");
                    closing(response)
                }
                _ => status(404),
            }
        }
    })
}

pub(crate) fn status(status: u16) -> Response<ResponseBody> {
    let mut response = ok(ResponseBody::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A connection that writes and reads as it is told.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(server: &Server) -> Client {
        let stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, raw: impl AsRef<[u8]>) {
        self.stream.write_all(raw.as_ref()).unwrap();
    }

    pub(crate) fn ask(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }

    pub(crate) fn get(&mut self, path: &str) -> Got {
        self.ask(path);
        self.read(false)
    }

    /// Reads one response with a `Content-Length`, or chunked.
    pub(crate) fn read(&mut self, of_head: bool) -> Got {
        let (status, head) = self.read_head();
        let lower = head.to_ascii_lowercase();
        let mut body = Vec::new();
        if of_head {
        } else if lower.contains("transfer-encoding: chunked") {
            loop {
                let line = self.until(b"\r\n");
                let n = usize::from_str_radix(line.trim_end(), 16).unwrap();
                body.extend(self.take(n));
                self.take(2);
                if n == 0 {
                    break;
                }
            }
        } else {
            body = self.take(content_length(&lower));
        }
        Got { status, head, body }
    }

    pub(crate) fn read_head(&mut self) -> (u16, String) {
        let head = self.until(b"\r\n\r\n");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head)
    }

    fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|w| w == end) {
                let rest = self.buffer.split_off(at + end.len());
                let head = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8(head).unwrap();
            }
            let before = self.buffer.len();
            self.fill();
            assert!(self.buffer.len() > before, "ended in a head: {:?}", self.buffer);
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n {
            let before = self.buffer.len();
            self.fill();
            assert!(self.buffer.len() > before, "ended after {before} of {n} bytes");
        }
        let rest = self.buffer.split_off(n);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn fill(&mut self) {
        let mut piece = vec![0; 64 << 10];
        let n = self.stream.read(&mut piece).unwrap();
        self.buffer.extend_from_slice(&piece[..n]);
    }

    /// Reads to the end of the connection, also where that is a reset; returns what came.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.buffer);
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        rest
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn ends(mut self) -> bool {
        self.buffer.is_empty() && matches!(self.stream.read(&mut [0]), Ok(0))
    }
}

pub(crate) fn content_length(head: &str) -> usize {
    head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap()
}
