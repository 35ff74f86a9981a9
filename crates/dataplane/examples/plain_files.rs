//! Serves a folder's files over the data plane, with no signatures: what `benches/get-vs-nginx.py` measures and tunes.
//!
//! `plain_files ROOT PORT [sendfile|copy] [WORKERS] [reuse-port|one-acceptor] [inline=16k]`. Each worker keeps the files it opened, for
//! ever.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "an example stands outside the architecture")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use rustix::io::ReadWriteFlags;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::SendMode;
use valetkey_dataplane::body::{FileBody, FilePlan, Part, ResponseBody, SharedFile};
use valetkey_dataplane::listener::{AcceptMode, ConnectionInfo, Handler, Options, Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Files up to this size are sent from memory, in one write with their head. Above, `sendfile` was measured cheaper, most of
/// all where many files take turns: their bytes need not pass this core's cache.
const INLINE_BYTES: u64 = 2 << 10;

#[derive(Clone)]
struct Folder {
    root: Arc<PathBuf>,
    inline_bytes: u64,
}

struct Open {
    file: Arc<File>,
    len: u64,
    etag: HeaderValue,
}

impl Folder {
    fn open(&self, path: &str) -> io::Result<Arc<Open>> {
        thread_local! {
            static OPEN: RefCell<HashMap<String, Arc<Open>>> = RefCell::default();
        }
        OPEN.with_borrow_mut(|open| {
            if let Some(known) = open.get(path) {
                return Ok(Arc::clone(known));
            }
            let relative = path.trim_start_matches('/');
            if relative.split('/').any(|segment| segment == "..") {
                return Err(io::ErrorKind::NotFound.into());
            }
            let file = File::open(self.root.join(relative))?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            let etag = format!("\"{:x}-{:x}\"", metadata.mtime(), metadata.len());
            let new = Arc::new(Open {
                len: metadata.len(),
                etag: HeaderValue::try_from(etag).map_err(io::Error::other)?,
                file: Arc::new(file),
            });
            open.insert(path.to_owned(), Arc::clone(&new));
            Ok(new)
        })
    }
}

impl Open {
    /// All of a small file: at once if it is in memory, else by way of the blocking pool.
    async fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.len as usize];
        let mut into = [IoSliceMut::new(&mut bytes)];
        match rustix::io::preadv2(&self.file, &mut into, 0, ReadWriteFlags::NOWAIT) {
            Ok(n) if n as u64 == self.len => Ok(bytes.into()),
            _ => {
                let file = Arc::clone(&self.file);
                let read = move || {
                    use std::os::unix::fs::FileExt as _;
                    file.read_exact_at(&mut bytes, 0)?;
                    Ok(bytes.into())
                };
                tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
            }
        }
    }
}

impl Handler for Folder {
    async fn call(&self, request: Request<RequestBody>, _: &ConnectionInfo) -> Response<ResponseBody> {
        let Ok(open) = self.open(request.uri().path()) else {
            return status(StatusCode::NOT_FOUND);
        };
        let body = if request.method() == Method::HEAD {
            ResponseBody::empty()
        } else if open.len <= self.inline_bytes {
            match open.read().await {
                Ok(bytes) => ResponseBody::bytes(bytes),
                Err(_) => return status(StatusCode::INTERNAL_SERVER_ERROR),
            }
        } else {
            FileBody::new(FilePlan {
                file: Arc::clone(&open.file) as SharedFile,
                parts: vec![Part { preface: Bytes::new(), range: 0..open.len }],
                trailer: Bytes::new(),
            })
            .into()
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, open.len.into());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::ETAG, open.etag.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }
}

fn status(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, port, rest @ ..] = &arguments[..] else {
        return Err("usage: plain_files ROOT PORT [sendfile|copy] [WORKERS] [reuse-port|one-acceptor] [inline=16k]".into());
    };
    let mut options = Options::default();
    options.workers = 1;
    let mut inline_bytes = INLINE_BYTES;
    for argument in rest {
        match &argument[..] {
            "sendfile" => options.send = SendMode::Sendfile,
            "copy" => options.send = SendMode::Copy,
            "reuse-port" => options.accept = AcceptMode::ReusePort,
            "one-acceptor" => options.accept = AcceptMode::OneAcceptor,
            "inline=16k" => inline_bytes = 16 << 10,
            workers => options.workers = workers.parse()?,
        }
    }
    let address = ([127, 0, 0, 1], port.parse()?).into();
    let server = Server::start(address, options, Folder { root: Arc::new(root.into()), inline_bytes })?;
    println!("listening on {}", server.local_addr());
    loop {
        std::thread::park();
    }
}
