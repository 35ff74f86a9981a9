//! One download: taken up again after a broken connection, and complete or an error.
//!
//! A broken connection is followed by a request for the rest: `Range` with `If-Range`, so that bytes of two generations are
//! never mixed, and the session secret that a limited URL gave, so that it counts as the same use.

use crate::client::{Client, io_reason};
use crate::error::CliError;
use crate::problem::{About, Problem};
use crate::progress::Progress;
use anyhow::Context as _;
use std::io::{Read as _, Write};
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderValue, Method, Response, header};
use ureq::{Body, ResponseExt as _};

const SESSION: &str = "valetkey-session";
const BUFFER_BYTES: usize = 256 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where the bytes go.
pub(crate) trait Sink: Write {
    /// Forgets every byte so far; `false` if they are out of reach already.
    fn restart(&mut self) -> std::io::Result<bool>;

    /// A write that failed, as the failure it is.
    fn failed(&self, error: std::io::Error) -> anyhow::Error;
}

/// A download to be made.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a Client,
    /// A path beneath the server's URL, or a whole signed URL.
    pub(crate) target: String,
    pub(crate) about: About<'a>,
    /// How often in a row it is tried again without a new byte.
    pub(crate) n_retries: u32,
}

/// What the first answer said of the object.
#[derive(Debug, Default)]
struct State {
    n_received: u64,
    n_total: Option<u64>,
    etag: Option<HeaderValue>,
    session: Option<HeaderValue>,
    /// Where redirections ended.
    url: Option<String>,
}

impl Download<'_> {
    /// The headers that a GET would be answered with; `None` where the server does not say.
    pub(crate) fn describe(&self) -> anyhow::Result<Option<HeaderMap>> {
        let response = self.client.try_send(self.client.request(Method::HEAD, &self.target, ())?, self.about, true)?;
        Ok(response.status().is_success().then(|| response.headers().clone()))
    }

    /// Fetches all of it into `sink`.
    ///
    /// # Errors
    ///
    /// A refusal, a server that stays away, an object that changed where the bytes cannot be taken back, a failed write.
    pub(crate) fn run(&self, sink: &mut dyn Sink, progress: &Progress) -> anyhow::Result<()> {
        let mut state = State::default();
        let mut n_failures = 0;
        loop {
            let n_before = state.n_received;
            let broken = match self.step(&mut state, sink, progress) {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Broken(broken)) => broken,
            };
            n_failures = if state.n_received > n_before { 1 } else { n_failures + 1 };
            if n_failures > self.n_retries {
                return Err(broken.error.into());
            }
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(n_failures - 1));
            let pause = broken.retry_after.unwrap_or(pause).min(LONGEST_PAUSE);
            progress.say(&format!("{}; resuming at byte {}", broken.error, state.n_received));
            std::thread::sleep(pause);
        }
    }

    /// One request, and as much of the body as comes.
    fn step(&self, state: &mut State, sink: &mut dyn Sink, progress: &Progress) -> Result<(), Stop> {
        let response = self.ask(state)?;
        self.place(state, &response, sink)?;
        progress.set_total(state.n_total);

        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n_read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n_read) => n_read,
                Err(error) => return Err(self.broken(state, &io_reason(&error))),
            };
            let bytes = buffer.get(..n_read).unwrap_or_default();
            sink.write_all(bytes).map_err(|error| sink.failed(error))?;
            state.n_received = state.n_received.saturating_add(n_read as u64);
            progress.set(state.n_received);
        }
        match state.n_total {
            Some(n_total) if state.n_received < n_total => Err(self.broken(state, "it was closed too early")),
            Some(n_total) if state.n_received > n_total => {
                let found = state.n_received;
                Err(failed(format!("expected {n_total} bytes, found {found}: the server sends more than it announced")))
            }
            _ => sink.flush().map_err(|error| sink.failed(error).into()),
        }
    }

    /// Sends the request that `state` needs; gives a success.
    fn ask(&self, state: &mut State) -> Result<Response<Body>, Stop> {
        let target = state.url.as_deref().unwrap_or(&self.target);
        let mut request = self.client.request(Method::GET, target, ())?;
        let headers = request.headers_mut();
        if let Some(session) = &state.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(etag) = state.etag.as_ref().filter(|_| state.n_received > 0) {
            let range = HeaderValue::try_from(format!("bytes={}-", state.n_received)).context("cannot ask for the rest")?;
            headers.insert(header::RANGE, range);
            headers.insert(header::IF_RANGE, etag.clone());
        }
        let is_first = state.url.is_none();
        let response = match self.client.try_send(request, self.about, is_first) {
            Ok(response) => response,
            Err(error) if is_first => return Err(Stop::Failed(error.into())),
            Err(error) => return Err(Stop::Broken(Broken { error, retry_after: None })),
        };
        if response.status().is_success() {
            state.url = Some(response.get_uri().to_string());
            return Ok(response);
        }
        let problem = Problem::read(response);
        let retry_after = problem.retry_after_seconds().map(Duration::from_secs);
        let error = self.client.refused(problem, self.about);
        match retry_after {
            Some(_) if !is_first => Err(Stop::Broken(Broken { error, retry_after })),
            _ => Err(Stop::Failed(error.into())),
        }
    }

    /// Decides where in the sink the answer's body belongs.
    fn place(&self, state: &mut State, response: &Response<Body>, sink: &mut dyn Sink) -> Result<(), Stop> {
        let headers = response.headers();
        if let Some(session) = headers.get(SESSION) {
            state.session = Some(session.clone());
        }
        let etag = headers.get(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned();
        match response.status().as_u16() {
            206 if state.n_received > 0 => {
                let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
                let expected = (state.n_received, state.n_total);
                match range.and_then(content_range) {
                    Some((start, total)) if start == expected.0 && expected.1.is_none_or(|n_total| n_total == total) => {
                        state.n_total = Some(total);
                        Ok(())
                    }
                    _ => Err(failed(format!(
                        "expected the bytes from {} on, found `Content-Range: {}`",
                        expected.0,
                        range.unwrap_or_default()
                    ))),
                }
            }
            200 => {
                if state.n_received > 0 && !sink.restart().map_err(|error| sink.failed(error))? {
                    return Err(Stop::Failed(
                        CliError::failed("the connection broke, the server begins anew, and the first part is out already")
                            .with_hint("download it to a file instead of `-`")
                            .into(),
                    ));
                }
                state.n_received = 0;
                state.n_total = response.body().content_length();
                state.etag = etag;
                Ok(())
            }
            other => Err(failed(format!("expected 200 with the whole object, found {other}"))),
        }
    }

    fn broken(&self, state: &State, reason: &str) -> Stop {
        let total = state.n_total.map(|n_total| format!(" of {n_total}")).unwrap_or_default();
        let error = CliError::failed(format!("the connection broke after {}{total} bytes: {reason}", state.n_received));
        Stop::Broken(Broken { error: error.with_hint("try again, or raise `--retries`"), retry_after: None })
    }
}

/// Why a step ended.
enum Stop {
    /// A further try can help.
    Broken(Broken),
    Failed(anyhow::Error),
}

struct Broken {
    error: CliError,
    retry_after: Option<Duration>,
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn failed(message: String) -> Stop {
    Stop::Failed(CliError::failed(message).into())
}

/// First byte and total of `bytes 5-9/10`.
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse::<u64>().ok()?, total.parse::<u64>().ok()?);
    (last.checked_add(1) == Some(total)).then_some((first, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_up_to_the_end() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for text in ["bytes 5-8/10", "bytes */10", "bytes 5-9/*", "5-9/10", "bytes 5-18446744073709551615/1"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
