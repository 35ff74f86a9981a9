//! Listening sockets, workers and connections.
//!
//! Each worker is a thread with a runtime of its own; a connection stays on the worker that got it. Caps and the end of a server
//! are here; what goes on on a connection is in [`http1`](crate::http1).

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::SendMode;
use crate::body::ResponseBody;
use crate::error::Error;
use crate::http1::connection::{Rules, serve};
use crate::http1::head::HeadLimits;
use crate::http1::outbox::Outbox;
use crate::http1::request_body::RequestBody;
use crate::http1::socket::{Limits, Socket as PacedSocket};

/// Answers requests. A clone is made for each worker and each connection.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The answer to one request. A panic is answered with 500 and closes the connection.
    fn call(
        &self,
        request: Request<RequestBody>,
        connection: &ConnectionInfo,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;

    /// The answer to what is no request that can be handled: with `status`, because of `why`. `path` is the one asked for, if as
    /// much could be read. The connection ends with it.
    fn refused(&self, status: StatusCode, _why: &str, _path: Option<&str>) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = status;
        response
    }
}

/// What is known of a connection.
pub struct ConnectionInfo {
    peer: SocketAddr,
    local: SocketAddr,
}

impl ConnectionInfo {
    /// The socket's other end; behind a proxy, the proxy's.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address that the peer connected to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

/// How connections reach the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceptMode {
    /// Each worker listens on a socket of its own (`SO_REUSEPORT`); the kernel spreads connections by their addresses.
    #[default]
    ReusePort,
    /// The first worker accepts for all and gives each connection to the worker with the fewest.
    OneAcceptor,
}

/// Limits and sizes of a listener.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Threads with a runtime each.
    pub workers: usize,
    /// How connections reach the workers.
    pub accept: AcceptMode,
    /// How file ranges reach the socket.
    pub send: SendMode,
    /// From a request's first byte, or the connection's start, to the end of its head.
    pub header_read_timeout: Duration,
    /// From the end of a response to the next request's first byte.
    pub keep_alive_timeout: Duration,
    /// Fields in a request's head; more is answered with 431. `None` is 100.
    pub max_headers: Option<usize>,
    /// Bytes of a request's head; more is answered with 431.
    pub max_header_bytes: usize,
    /// The most that is read of a request body at once.
    pub read_buffer_bytes: usize,
    /// Connections at a time, in all.
    pub max_connections: usize,
    /// Connections at a time from one address.
    pub max_connections_per_address: usize,
    /// Bytes per second that a peer must take while a write waits for it; 0 is no bound.
    pub min_send_rate: u64,
    /// Over which time that rate is measured.
    pub send_rate_window: Duration,
    /// The longest a transfer may take once it has to wait for its peer.
    pub max_transfer: Duration,
    /// Threads per worker for reads that wait for the disk.
    pub blocking_threads: usize,
    /// The queue of connections that the kernel has not yet handed over.
    pub backlog: i32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            accept: AcceptMode::default(),
            send: SendMode::default(),
            header_read_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            max_headers: None,
            max_header_bytes: 16 << 10,
            read_buffer_bytes: 64 << 10,
            max_connections: 20_000,
            max_connections_per_address: 20_000,
            min_send_rate: 1 << 10,
            send_rate_window: Duration::from_secs(60),
            max_transfer: Duration::from_secs(24 * 60 * 60),
            blocking_threads: 16,
            backlog: 1024,
        }
    }
}

/// A listener that runs. Dropping it stops it without grace.
pub struct Server {
    local: SocketAddr,
    n_connections: Arc<AtomicUsize>,
    stop: watch::Sender<Stop>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Running,
    /// No new connection, no new request; what runs may finish until then.
    Until(Instant),
}

impl Server {
    /// Listens on `address` (port 0 is one of the system's choice) and starts the workers.
    ///
    /// # Errors
    ///
    /// [`Error::AddressInUse`] and [`Error::Denied`] by the address, [`Error::Unavailable`] where a socket, thread or runtime
    /// cannot be had, [`Error::Option`] for an option that cannot work.
    pub fn start<H: Handler>(address: SocketAddr, options: Options, handler: H) -> Result<Server, Error> {
        check(&options)?;
        let shares_port = options.accept == AcceptMode::ReusePort && options.workers > 1;
        if shares_port && address.port() != 0 {
            // A port that is shared between workers could be shared with another server too: one socket that does not share it
            // finds out.
            drop(listen(address, &options, false)?);
        }
        let mut listeners = vec![listen(address, &options, shares_port)?];
        let local = listeners[0]
            .local_addr()
            .and_then(|local| local.as_socket().ok_or(io::ErrorKind::Unsupported.into()))
            .map_err(unavailable("the listening address"))?;
        while shares_port && listeners.len() < options.workers {
            listeners.push(listen(local, &options, true)?);
        }

        let (stop, stopped) = watch::channel(Stop::Running);
        let census = Arc::new(Census { n_total: Arc::default(), by_address: Mutex::default() });
        let workers: Vec<Arc<Worker>> = (0..options.workers).map(|_| Arc::default()).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..options.workers).map(|_| mpsc::unbounded_channel()).unzip();
        let options = Arc::new(options);
        let mut server =
            Server { local, n_connections: Arc::clone(&census.n_total), stop, threads: Vec::with_capacity(workers.len()) };
        let mut listeners = listeners.into_iter();
        for (index, handed) in receivers.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .max_blocking_threads(options.blocking_threads)
                .build()
                .map_err(unavailable("an event queue"))?;
            let shop = Arc::new(Shop {
                options: Arc::clone(&options),
                census: Arc::clone(&census),
                worker: Arc::clone(&workers[index]),
                rules: rules(&options),
                limits: limits(&options),
                handler: handler.clone(),
                outbox: Arc::default(),
            });
            let accepting = listeners.next();
            let crew: Vec<_> = match (&accepting, options.accept) {
                (Some(_), AcceptMode::OneAcceptor) => workers.iter().cloned().zip(senders.iter().cloned()).collect(),
                _ => Vec::new(),
            };
            let stopped = stopped.clone();
            let thread = std::thread::Builder::new()
                .name(format!("valetkey-{index}"))
                .spawn(move || {
                    runtime.block_on(shop.run(accepting, crew, handed, stopped));
                    // A read that hangs on a dead disk must not hold the process.
                    runtime.shutdown_background();
                })
                .map_err(unavailable("a thread"))?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Connections that are open now.
    #[must_use]
    pub fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::Relaxed)
    }

    /// The same count, for whoever outlives this.
    #[must_use]
    pub fn connections(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.n_connections)
    }

    /// Stops: no new connections, idle ones are closed, running transfers may finish within `grace`, then all is cut. Waits
    /// for that; every body has been told of its end when this returns.
    pub fn shutdown(mut self, grace: Duration) {
        self.stop_within(grace);
    }

    fn stop_within(&mut self, grace: Duration) {
        self.stop.send_replace(Stop::Until(Instant::now() + grace));
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_within(Duration::ZERO);
    }
}

/// `response`, after which the connection is closed: for a request refused before its body is read. The peer is kept long
/// enough to read the answer while it is still sending.
#[must_use]
pub fn closing(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Everything a worker needs to serve a connection.
struct Shop<H> {
    options: Arc<Options>,
    census: Arc<Census>,
    worker: Arc<Worker>,
    rules: Rules,
    limits: Limits,
    handler: H,
    outbox: Arc<Outbox>,
}

impl<H: Handler> Shop<H> {
    async fn run(
        self: Arc<Self>,
        listener: Option<Socket>,
        crew: Vec<(Arc<Worker>, mpsc::UnboundedSender<std::net::TcpStream>)>,
        mut handed: mpsc::UnboundedReceiver<std::net::TcpStream>,
        mut stopped: watch::Receiver<Stop>,
    ) {
        tokio::spawn(Arc::clone(&self.outbox).send());
        let accepting = self.accept(listener, crew);
        let taking = async {
            while let Some(stream) = handed.recv().await {
                self.worker.n_waiting.fetch_sub(1, Ordering::Relaxed);
                match TcpStream::from_std(stream) {
                    Ok(stream) => self.serve(stream),
                    Err(error) => tracing::warn!(%error, "a connection was lost on its way"),
                }
            }
            // No other worker accepts; this one goes on.
            std::future::pending::<()>().await;
        };
        let until = tokio::select! {
            () = accepting => None,
            () = taking => None,
            stop = stopped.wait_for(|stop| *stop != Stop::Running) => match stop {
                Ok(stop) => match *stop { Stop::Until(at) => Some(at), Stop::Running => None },
                Err(_) => None,
            },
        };
        // The listening socket is closed by now.
        self.worker.stop(GRACEFUL);
        if let Some(until) = until {
            let _ = tokio::time::timeout_at(until.into(), self.worker.emptied()).await;
        }
        self.worker.stop(AT_ONCE);
        self.worker.emptied().await;
    }

    /// Accepts for ever.
    async fn accept(&self, listener: Option<Socket>, crew: Vec<(Arc<Worker>, mpsc::UnboundedSender<std::net::TcpStream>)>) {
        let listener = match listener.map(|socket| TcpListener::from_std(socket.into())) {
            Some(Ok(listener)) => listener,
            Some(Err(error)) => {
                tracing::error!(%error, "the listening socket cannot be watched");
                return std::future::pending().await;
            }
            None => return std::future::pending().await,
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let least = crew.iter().min_by_key(|(worker, _)| worker.n_assigned());
                    match least {
                        None => self.serve(stream),
                        Some((worker, _)) if Arc::ptr_eq(worker, &self.worker) => {
                            self.serve(stream);
                        }
                        Some((worker, sender)) => {
                            // Fails only while the worker stops: the connection is then closed, as all others.
                            if let Ok(stream) = stream.into_std() {
                                worker.n_waiting.fetch_add(1, Ordering::Relaxed);
                                let _ = sender.send(stream);
                            }
                        }
                    }
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted for the moment");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection in a task of its own, unless there are too many.
    fn serve(&self, stream: TcpStream) {
        let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
            return;
        };
        let Some(seat) = self.census.enter(peer.ip(), &self.options) else {
            tracing::debug!(%peer, "too many connections");
            return;
        };
        let mut place = self.worker.enter();
        let (handler, rules, socket) =
            (self.handler.clone(), self.rules, PacedSocket::new(stream, self.limits, Arc::clone(&self.outbox)));
        tokio::spawn(async move {
            let _seat = seat;
            let worker = Arc::clone(&place.worker);
            let info = ConnectionInfo { peer, local };
            let mut served = pin!(serve(handler, info, socket, rules, || worker.is_stopping()));
            std::future::poll_fn(|cx| match place.stage(cx.waker()) {
                AT_ONCE => Poll::Ready(()),
                _ => served.as_mut().poll(cx),
            })
            .await;
        });
    }
}

/// The stages of a worker, after 0: running.
const GRACEFUL: u8 = 1;
const AT_ONCE: u8 = 2;

/// A worker's connections, as far as stopping them goes.
#[derive(Default)]
struct Worker {
    stage: AtomicU8,
    /// Connections handed over and not yet taken.
    n_waiting: AtomicUsize,
    n_here: AtomicUsize,
    tasks: Mutex<Tasks>,
    emptied: tokio::sync::Notify,
}

#[derive(Default)]
struct Tasks {
    next: u64,
    wakers: HashMap<u64, Option<Waker>>,
}

impl Worker {
    fn n_assigned(&self) -> usize {
        self.n_waiting.load(Ordering::Relaxed) + self.n_here.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.stage.load(Ordering::Acquire) >= GRACEFUL
    }

    fn enter(self: &Arc<Self>) -> Place {
        let mut tasks = lock(&self.tasks);
        tasks.next += 1;
        let id = tasks.next;
        tasks.wakers.insert(id, None);
        self.n_here.store(tasks.wakers.len(), Ordering::Relaxed);
        Place { worker: Arc::clone(self), id, is_known: false }
    }

    /// Moves on to `stage` and wakes every connection to see it.
    fn stop(&self, stage: u8) {
        self.stage.store(stage, Ordering::Release);
        for waker in lock(&self.tasks).wakers.values().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Waits until no connection is left.
    async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if lock(&self.tasks).wakers.is_empty() {
                return;
            }
            notified.await;
        }
    }
}

/// A connection's place among its worker's.
struct Place {
    worker: Arc<Worker>,
    id: u64,
    is_known: bool,
}

impl Place {
    /// The worker's stage; whoever asks is woken when it changes. A task's waker stays the same.
    fn stage(&mut self, waker: &Waker) -> u8 {
        if !self.is_known {
            self.is_known = true;
            lock(&self.worker.tasks).wakers.insert(self.id, Some(waker.clone()));
        }
        self.worker.stage.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tasks = lock(&self.worker.tasks);
        tasks.wakers.remove(&self.id);
        self.worker.n_here.store(tasks.wakers.len(), Ordering::Relaxed);
        if tasks.wakers.is_empty() {
            drop(tasks);
            self.worker.emptied.notify_waiters();
        }
    }
}

/// How many connections there are, in all and by address.
struct Census {
    n_total: Arc<AtomicUsize>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Census {
    fn enter(self: &Arc<Self>, address: IpAddr, options: &Options) -> Option<Seat> {
        let address = address.to_canonical();
        let mut by_address = lock(&self.by_address);
        let n_here = by_address.get(&address).copied().unwrap_or_default();
        if self.n_total.load(Ordering::Relaxed) >= options.max_connections || n_here >= options.max_connections_per_address {
            return None;
        }
        by_address.insert(address, n_here + 1);
        self.n_total.fetch_add(1, Ordering::Relaxed);
        Some(Seat { census: Arc::clone(self), address })
    }
}

/// One connection in the census.
struct Seat {
    census: Arc<Census>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by_address = lock(&self.census.by_address);
        if let Some(n_here) = by_address.get_mut(&self.address) {
            *n_here -= 1;
            if *n_here == 0 {
                by_address.remove(&self.address);
            }
        }
        self.census.n_total.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long accepting rests when the process or the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether an error of `accept` tells of the connection that was to be accepted, and nothing of the next.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn check(options: &Options) -> Result<(), Error> {
    /// Smaller reads cost more than their memory is worth.
    const MIN_BUFFER_BYTES: usize = 8 << 10;
    let fault = |option, found: usize, expected| Err(Error::Option { option, found: found.to_string(), expected });
    if options.workers == 0 {
        return fault("workers", 0, "at least 1");
    }
    if options.read_buffer_bytes < MIN_BUFFER_BYTES {
        return fault("read_buffer_bytes", options.read_buffer_bytes, "at least 8192");
    }
    if options.blocking_threads == 0 {
        return fault("blocking_threads", 0, "at least 1");
    }
    Ok(())
}

fn listen(address: SocketAddr, options: &Options, shares_port: bool) -> Result<Socket, Error> {
    let attempt = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if shares_port {
            socket.set_reuse_port(true)?;
        }
        // Accepted sockets inherit it.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(options.backlog)?;
        Ok(socket)
    };
    attempt().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { address, source },
        io::ErrorKind::PermissionDenied => Error::Denied { address, source },
        _ => Error::Unavailable { what: "the listening socket", source },
    })
}

fn rules(options: &Options) -> Rules {
    Rules {
        head: HeadLimits { max_bytes: options.max_header_bytes, max_fields: options.max_headers.unwrap_or(100) },
        read_buffer_bytes: options.read_buffer_bytes,
        send: options.send,
    }
}

fn limits(options: &Options) -> Limits {
    Limits {
        header_read_timeout: options.header_read_timeout,
        keep_alive_timeout: options.keep_alive_timeout,
        min_send_rate: options.min_send_rate,
        send_rate_window: options.send_rate_window,
        max_transfer: options.max_transfer,
    }
}

fn unavailable(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Unavailable { what, source }
}

/// Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
