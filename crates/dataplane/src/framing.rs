//! Requests whose framing is ambiguous are refused.
//!
//! hyper resolves what RFC 9112 §6.3 lets a server resolve: `Transfer-Encoding` wins over `Content-Length`, equal lengths
//! are merged; it closes the connection after the former. A proxy before us may have resolved it otherwise, so both are
//! refused here. hyper hides the losing field, therefore the tap looks at the head's raw bytes. It decides nothing else:
//! hyper is the one parser, the tap can only refuse.

use std::io::BufRead as _;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

/// Why a request is refused with 400 and its connection closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ambiguous {
    /// `Content-Length` more than once, equal or not.
    #[error("more than one `Content-Length`, expected at most one")]
    TwoLengths,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("`Content-Length` and `Transfer-Encoding`, expected one of them")]
    LengthAndEncoding,
    /// A `Transfer-Encoding` other than a single `chunked`.
    #[error("`Transfer-Encoding` other than `chunked`")]
    Encoding,
    /// The head that hyper parsed is not the one that the tap saw.
    #[error("request head out of step")]
    OutOfStep,
}

/// The raw bytes of the request heads that arrived and were not yet handled.
#[derive(Debug, Default)]
pub(crate) struct HeadTap {
    heads: Vec<u8>,
    /// Bytes of a request's body that come before the next head.
    skip: u64,
    /// Where the next head begins is not known; no request follows on this connection.
    lost: bool,
}

impl HeadTap {
    /// Bytes arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let body = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= body as u64;
        self.heads.extend_from_slice(&bytes[body..]);
    }

    /// hyper parsed a head into `request`: the next one of those that arrived.
    pub(crate) fn head<B>(&mut self, request: &http::Request<B>) -> Result<(), Ambiguous> {
        let outcome = self.check(request);
        if outcome.is_err() {
            self.lose();
        }
        outcome
    }

    fn check<B>(&mut self, request: &http::Request<B>) -> Result<(), Ambiguous> {
        if self.lost {
            return Err(Ambiguous::OutOfStep);
        }
        let head_len = head_len(&self.heads).ok_or(Ambiguous::OutOfStep)?;
        let head = &self.heads[..head_len];
        // hyper hides a framing field only when there is another.
        let is_framed = request.headers().contains_key(CONTENT_LENGTH) || request.headers().contains_key(TRANSFER_ENCODING);
        let (n_lengths, n_encodings) =
            if is_framed { (count(head, b"content-length"), count(head, b"transfer-encoding")) } else { (0, 0) };
        match (n_lengths, n_encodings) {
            (0, 0) => {
                if head_len == self.heads.len() {
                    self.heads.clear();
                } else {
                    self.heads.drain(..head_len);
                }
                Ok(())
            }
            (1, 0) => {
                // hyper refused what is no number; a length it does not show would put us out of step.
                self.skip = request
                    .headers()
                    .get(CONTENT_LENGTH)
                    .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                    .ok_or(Ambiguous::OutOfStep)?;
                let rest = self.heads.split_off(head_len);
                self.heads.clear();
                self.feed(&rest);
                Ok(())
            }
            (0, 1) => {
                let value = request.headers().get(TRANSFER_ENCODING);
                if !value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
                    return Err(Ambiguous::Encoding);
                }
                // Where a chunked body ends is the parser's to know: the connection is closed after it.
                self.lose();
                Ok(())
            }
            (0, _) => Err(Ambiguous::Encoding),
            (_, 0) => Err(Ambiguous::TwoLengths),
            (_, _) => Err(Ambiguous::LengthAndEncoding),
        }
    }

    /// Whether the connection must be closed after the request that is being handled.
    #[must_use]
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    fn lose(&mut self) {
        self.lost = true;
        self.heads = Vec::new();
    }
}

/// The length of the first head, its blank line included. Lines end as for httparse: LF, or CR LF; blank lines before the
/// request line are part of it.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let mut begun = false;
    loop {
        let line = rest;
        // Reading from a slice cannot fail.
        let n = rest.skip_until(b'\n').ok()?;
        match &line[..n] {
            [] => return None,
            b"\n" | b"\r\n" if begun => return Some(bytes.len() - rest.len()),
            b"\n" | b"\r\n" => {}
            [.., b'\n'] => begun = true,
            _ => return None,
        }
    }
}

/// How many of the head's fields have this name (given in lower case).
fn count(head: &[u8], name: &[u8]) -> usize {
    head.split(|byte| *byte == b'\n')
        .filter(|line| match line.iter().position(|byte| *byte == b':') {
            Some(colon) => line[..colon].trim_ascii().eq_ignore_ascii_case(name),
            None => false,
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of a tap that was fed `raw`, for a request in which hyper shows `shown`.
    fn check(raw: &str, shown: &[(&str, &str)]) -> (Result<(), Ambiguous>, HeadTap) {
        let mut tap = HeadTap::default();
        tap.feed(raw.as_bytes());
        let mut request = http::Request::new(());
        for (name, value) in shown {
            request.headers_mut().append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        (tap.head(&request), tap)
    }

    #[test]
    fn plain_heads_follow_each_other() {
        let raw = "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\n\nGET";
        let (outcome, mut tap) = check(raw, &[]);
        assert_eq!(outcome, Ok(()));
        assert_eq!(tap.heads, b"GET /2 HTTP/1.1\n\nGET");
        assert_eq!(tap.head(&http::Request::new(())), Ok(()));
        assert_eq!(tap.head(&http::Request::new(())), Err(Ambiguous::OutOfStep), "no whole head is there");
    }

    #[test]
    fn a_body_is_passed_over_also_in_pieces() {
        let raw = "PUT / HTTP/1.1\r\nContent-Length: 30\r\n\r\nContent-Length: 1\r\n";
        let (outcome, mut tap) = check(raw, &[("content-length", "30")]);
        assert_eq!(outcome, Ok(()));
        assert_eq!((tap.heads.len(), tap.skip), (0, 11));
        tap.feed(b"01234");
        tap.feed(b"567890GET / HTTP/1.1\r\n\r\n");
        assert_eq!(tap.head(&http::Request::new(())), Ok(()));
    }

    #[test]
    fn what_hyper_hides_is_seen() {
        let one = &[("content-length", "3")][..];
        let chunked = &[("transfer-encoding", "chunked")][..];
        for (raw, shown, expected) in [
            ("Content-Length: 3\r\ncontent-length: 3\r\n", one, Err(Ambiguous::TwoLengths)),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunked, Err(Ambiguous::LengthAndEncoding)),
            ("transfer-encoding: chunked\r\nCONTENT-LENGTH:3\r\n", chunked, Err(Ambiguous::LengthAndEncoding)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunked, Err(Ambiguous::Encoding)),
            ("transfer-encoding: gzip, chunked\r\n", &[("transfer-encoding", "gzip, chunked")], Err(Ambiguous::Encoding)),
            ("transfer-encoding: chunked\r\n", chunked, Ok(())),
            ("x: content-length: 3\r\ncontent-length: 3\r\n", one, Ok(())),
        ] {
            let (outcome, _) = check(&format!("PUT / HTTP/1.1\r\n{raw}\r\n"), shown);
            assert_eq!(outcome, expected, "{raw:?}");
        }
    }
}
