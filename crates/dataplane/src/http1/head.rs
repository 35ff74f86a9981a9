//! A request's head: where it ends, what it says, and how the body after it is framed.
//!
//! Two steps. A [`Scanner`] finds the end in bytes that come in pieces; [`parse`] reads the whole. What they accept is the grammar of
//! [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112) without its leniencies: each line ends with CR LF, no line is folded, a length
//! is said once. Characters are judged by the types of the `http` crate, which refuse every control character but HTAB in a value.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{Method, StatusCode, Uri, Version};
use memchr::{memchr, memrchr};

/// How much a head may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes in all, the empty line included.
    pub max_bytes: usize,
    /// Fields.
    pub max_fields: usize,
}

/// Why a request is refused before any handler sees it. The connection is closed after the answer: where the next request would
/// begin is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It breaks the grammar.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// Two parsers could find different ends of its body.
    #[error("ambiguous framing: {0}")]
    Ambiguous(&'static str),
    /// More bytes or fields than [`HeadLimits`] allow.
    #[error("request head too large")]
    TooLarge,
    /// A version other than HTTP/1.1 and HTTP/1.0.
    #[error("version of HTTP not spoken here")]
    Version,
    /// An `Expect` other than `100-continue`.
    #[error("an expectation other than `100-continue`")]
    Expectation,
}

impl Refused {
    /// The answer's status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Refused::Malformed(_) | Refused::Ambiguous(_) => StatusCode::BAD_REQUEST,
            Refused::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refused::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Refused::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }
}

/// Finds the end of a head. Looks at each byte once, however small the pieces are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scanner {
    /// Where the line begins that is not yet whole.
    line: usize,
    /// Up to where there is no further end of a line.
    scanned: usize,
    /// Lines before that, without the empty one that may come first.
    n_lines: usize,
}

impl Scanner {
    /// The length of the head at the start of `bytes`, its empty line included; `None` while it is not all there. `bytes` is what
    /// earlier calls saw, with more behind.
    ///
    /// # Errors
    ///
    /// [`Refused::Malformed`] for a line that does not end with CR LF, for more than one empty line before the request, and for
    /// what cannot become a request line; [`Refused::TooLarge`].
    pub fn end(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refused> {
        let within = &bytes[..bytes.len().min(limits.max_bytes)];
        self.check_beginning(within)?;
        while let Some(at) = memchr(b'\n', &within[self.scanned..]) {
            let end = self.scanned + at + 1;
            let line_len = match &within[self.line..end] {
                [line @ .., b'\r', b'\n'] => line.len(),
                _ => return Err(Refused::Malformed("a line that ends with a bare LF")),
            };
            let was_first = self.line == 0;
            (self.line, self.scanned) = (end, end);
            match (line_len, self.n_lines) {
                // Some clients send one CR LF too much after a body (RFC 9112 §2.2).
                (0, 0) if was_first => self.check_beginning(within)?,
                (0, 0) => return Err(Refused::Malformed("empty lines before the request")),
                (0, _) => return Ok(Some(end)),
                (_, n_lines) if n_lines > limits.max_fields => return Err(Refused::TooLarge),
                _ => self.n_lines += 1,
            }
        }
        self.scanned = within.len();
        if bytes.len() >= limits.max_bytes { Err(Refused::TooLarge) } else { Ok(None) }
    }

    /// Other protocols are told at once, not when a line of theirs happens to end.
    fn check_beginning(&self, within: &[u8]) -> Result<(), Refused> {
        match within.get(self.line) {
            Some(first) if self.n_lines == 0 && !(first.is_ascii_graphic() || matches!(first, b'\r' | b'\n')) => {
                Err(Refused::Malformed("no method"))
            }
            _ => Ok(()),
        }
    }
}

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its length, which is 0 where the head says nothing.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// A request's head.
#[derive(Debug)]
pub struct Head {
    /// Any token.
    pub method: Method,
    /// In origin form or absolute form, or `*`.
    pub uri: Uri,
    /// 1.1 or 1.0.
    pub version: Version,
    /// All fields.
    pub fields: HeaderMap,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the client wants the connection to go on.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// Reads a head, of which [`Scanner::end`] has found the end.
///
/// # Errors
///
/// [`Refused`], but for [`Refused::TooLarge`].
pub fn parse(bytes: &Bytes) -> Result<Head, Refused> {
    let mut at = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let end = line_end(bytes, at)?;
    let (method, uri, version) = request_line(bytes, at, end)?;
    at = end + 2;
    let mut fields = HeaderMap::with_capacity(N_FIELDS_USUAL);
    let mut meant = Meant::default();
    loop {
        let end = line_end(bytes, at)?;
        if end == at {
            break;
        }
        let (name, value) = field(bytes, at, end)?;
        meant.note(&name, &value)?;
        fields.try_append(name, value).map_err(|_| Refused::TooLarge)?;
        at = end + 2;
    }
    let framing = meant.framing(version)?;
    let is_1_1 = version == Version::HTTP_11;
    if meant.other_expectation && is_1_1 {
        return Err(Refused::Expectation);
    }
    Ok(Head {
        method,
        uri,
        version,
        fields,
        framing,
        keep_alive: !meant.close && (is_1_1 || meant.keep_alive),
        // RFC 9110 §10.1.1: from HTTP/1.0 it is ignored.
        expects_continue: meant.expects_continue && is_1_1,
    })
}

/// Fields for which there is room at first: as many as `HeaderMap` makes room for anyhow.
const N_FIELDS_USUAL: usize = 6;

/// Where the line from `at` on ends: the place of its CR.
fn line_end(bytes: &[u8], at: usize) -> Result<usize, Refused> {
    let line = bytes.get(at..).unwrap_or_default();
    match memchr(b'\n', line) {
        Some(lf) if lf > 0 && line[lf - 1] == b'\r' => Ok(at + lf - 1),
        _ => Err(Refused::Malformed("a line that does not end with CR LF")),
    }
}

fn request_line(bytes: &Bytes, start: usize, end: usize) -> Result<(Method, Uri, Version), Refused> {
    let line = &bytes[start..end];
    let (Some(first), Some(last)) = (memchr(b' ', line), memrchr(b' ', line)) else {
        return Err(Refused::Malformed("no request line"));
    };
    if first == last {
        return Err(Refused::Malformed("no version, or no target"));
    }
    let version = match &line[last + 1..] {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Refused::Version),
        _ => return Err(Refused::Malformed("no version")),
    };
    let method = Method::from_bytes(&line[..first]).map_err(|_| Refused::Malformed("no method"))?;
    let uri = target(&method, bytes.slice(start + first + 1..start + last))?;
    Ok((method, uri, version))
}

/// The path of a request that is refused. Where its first line cannot be read either, as much of a path as begins the second word of
/// it: only the shape of the refusal depends on it.
pub(crate) fn path_of(bytes: &Bytes) -> Option<String> {
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let line = line_end(bytes, start).and_then(|end| request_line(bytes, start, end));
    line.ok().map(|(_, target, _)| target.path().to_owned()).or_else(|| path_like(bytes))
}

fn path_like(bytes: &[u8]) -> Option<String> {
    let first_line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    let word = first_line.split(|byte| *byte == b' ').nth(1)?;
    let path = word.split(|byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#')).next()?;
    std::str::from_utf8(path).ok().filter(|path| path.starts_with('/')).map(str::to_owned)
}

/// The target (RFC 9112 §3.2), in origin form, absolute form or as an asterisk. A fragment is no part of it.
fn target(method: &Method, bytes: Bytes) -> Result<Uri, Refused> {
    let is_asterisk = &bytes[..] == b"*";
    let is_origin = bytes.starts_with(b"/");
    if memchr(b'#', &bytes).is_some() {
        return Err(Refused::Malformed("a fragment in the target"));
    }
    let uri = Uri::from_maybe_shared(bytes).map_err(|_| Refused::Malformed("no URI"))?;
    let is_absolute = || uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    match () {
        () if is_origin || (is_asterisk && method == Method::OPTIONS) || is_absolute() => Ok(uri),
        () => Err(Refused::Malformed("a target in no form that is served")),
    }
}

fn field(bytes: &Bytes, start: usize, end: usize) -> Result<(HeaderName, HeaderValue), Refused> {
    let line = &bytes[start..end];
    let colon = memchr(b':', line).ok_or(Refused::Malformed("a field without a colon"))?;
    // No token has white space: neither a folded line nor a space before the colon passes here.
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| Refused::Malformed("a field name that is no token"))?;
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = &line[colon + 1..];
    let n_before = value.iter().take_while(|byte| is_ows(byte)).count();
    let n_after = value[n_before..].iter().rev().take_while(|byte| is_ows(byte)).count();
    let value = bytes.slice(start + colon + 1 + n_before..end - n_after);
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| Refused::Malformed("a control character in a field"))?;
    Ok((name, value))
}

/// What the fields say to the connection itself.
#[derive(Default)]
struct Meant {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    other_expectation: bool,
}

impl Meant {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Refused> {
        let value = value.as_bytes();
        if name == CONTENT_LENGTH {
            if self.length.is_some() {
                return Err(Refused::Ambiguous("`Content-Length` more than once"));
            }
            self.length = Some(decimal(value).ok_or(Refused::Malformed("`Content-Length` that is no length"))?);
        } else if name == TRANSFER_ENCODING {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refused::Ambiguous("`Transfer-Encoding` other than one `chunked`"));
            }
            self.chunked = true;
        } else if name == CONNECTION {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name == EXPECT {
            let is_continue = value.eq_ignore_ascii_case(b"100-continue");
            self.expects_continue |= is_continue;
            self.other_expectation |= !is_continue;
        }
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Refused> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refused::Ambiguous("`Content-Length` and `Transfer-Encoding`")),
            (true, None) if version == Version::HTTP_10 => Err(Refused::Ambiguous("`Transfer-Encoding` in HTTP/1.0")),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Digits, and nothing else, that fit.
fn decimal(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    match text {
        [] => None,
        _ => text.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { max_bytes: 1000, max_fields: 5 };

    /// What comes of bytes that arrive in pieces cut at `cuts`: how long the head is and what it says, `None` if it is not whole.
    fn outcome(bytes: &[u8], cuts: &[usize]) -> Result<Option<(usize, Head)>, Refused> {
        let mut scanner = Scanner::default();
        for end in cuts.iter().copied().chain([bytes.len()]) {
            if let Some(n) = scanner.end(&bytes[..end], &LIMITS)? {
                return parse(&Bytes::copy_from_slice(&bytes[..n])).map(|head| Some((n, head)));
            }
        }
        Ok(None)
    }

    /// The outcome, which must be the same however the bytes are cut.
    fn check(bytes: &[u8]) -> Result<Option<(usize, Head)>, Refused> {
        let whole = outcome(bytes, &[]);
        let all: Vec<usize> = (0..bytes.len()).collect();
        for cuts in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
            assert_eq!(format!("{:?}", outcome(bytes, cuts)), format!("{whole:?}"), "{cuts:?} {}", bytes.escape_ascii());
        }
        whole
    }

    #[test]
    fn accepted() {
        for (raw, target, framing, keep_alive, expects_continue) in [
            ("GET / HTTP/1.1\r\n\r\n", "/", Framing::Length(0), true, false),
            ("\r\nGET / HTTP/1.1\r\n\r\n", "/", Framing::Length(0), true, false),
            ("GET /a%2Fb?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", "/a%2Fb?c=d&e", Framing::Length(0), true, false),
            ("GET //a/b HTTP/1.1\r\nHost: a\r\n\r\n", "//a/b", Framing::Length(0), true, false),
            ("GET http://h:1/a?b HTTP/1.1\r\n\r\n", "http://h:1/a?b", Framing::Length(0), true, false),
            ("OPTIONS * HTTP/1.1\r\n\r\n", "*", Framing::Length(0), true, false),
            ("M-SEARCH / HTTP/1.1\r\n\r\n", "/", Framing::Length(0), true, false),
            ("GET / HTTP/1.0\r\n\r\n", "/", Framing::Length(0), false, false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", Framing::Length(0), true, false),
            ("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", "/", Framing::Length(0), false, false),
            ("GET / HTTP/1.1\r\nConnection: keep-alive, close\r\n\r\n", "/", Framing::Length(0), false, false),
            ("PUT / HTTP/1.1\r\nContent-Length:5\r\n\r\n", "/", Framing::Length(5), true, false),
            ("PUT / HTTP/1.1\r\ncontent-length: \t 18446744073709551615 \t\r\n\r\n", "/", Framing::Length(u64::MAX), true, false),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", "/", Framing::Chunked, true, false),
            ("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", "/", Framing::Length(1), true, true),
            ("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "/", Framing::Length(1), false, false),
            ("PUT / HTTP/1.0\r\nExpect: the-unexpected\r\n\r\n", "/", Framing::Length(0), false, false),
            ("GET / HTTP/1.1\r\nX:\r\nY: \t\r\nX: a\tb c\r\n\r\n", "/", Framing::Length(0), true, false),
        ] {
            let (n, head) = check(raw.as_bytes()).unwrap().unwrap_or_else(|| panic!("{raw:?}"));
            assert_eq!(n, raw.len(), "{raw:?}");
            let got = (head.uri.to_string(), head.framing, head.keep_alive, head.expects_continue);
            assert_eq!(got, (target.to_owned(), framing, keep_alive, expects_continue), "{raw:?}");
            let behind = format!("{raw}GET");
            assert_eq!(outcome(behind.as_bytes(), &[]).unwrap().unwrap().0, raw.len(), "{behind:?}");
        }
        let (_, head) = check(b"GET / HTTP/1.1\r\nX: \xfe\xff\r\nx:  a b \r\n\r\n").unwrap().unwrap();
        let values: Vec<_> = head.fields.get_all("x").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [&b"\xfe\xff"[..], b"a b"]);
    }

    #[test]
    fn paths_of_what_is_refused() {
        for (head, path) in [
            (&b"GET /a/b?c HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"[..], Some("/a/b")),
            (b"\r\nGET http://h/a HTTP/1.1\r\n\r\n", Some("/a")),
            (b"GET /a#b HTTP/1.1\r\n\r\n", Some("/a")),
            (b"GET /a b HTTP/1.1\r\n\r\n", Some("/a")),
            (b"GET /a/\x01 HTTP/1.1\r\n\r\n", Some("/a/")),
            (b"GET /a\xff HTTP/1.1\r\n\r\n", Some("/a")),
            (b"GET /a HTTP/2.0\r\n\r\n", Some("/a")),
            (b"GET /a HTTP/1.1\nHost: h\n\n", Some("/a")),
            // The head is larger than is read.
            (b"GET /a?bbbbbbbb", Some("/a")),
            (b"GET a HTTP/1.1\r\n\r\n", None),
            (b"GET\r\nReferer: /a\r\n\r\n", None),
            (b"\x16\x03\x01 \x00", None),
            (b"", None),
        ] {
            assert_eq!(path_of(&Bytes::copy_from_slice(head)).as_deref(), path, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn refused() {
        let field = |field: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n").into_bytes();
        let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
        for line_of_request in [
            "GET /",
            "GET",
            "",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET\t/\tHTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET /\r HTTP/1.1",
            "GET / HTTP/1.1\r",
            "G:T / HTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET a/b HTTP/1.1",
            "GET a HTTP/1.1",
            "GET * HTTP/1.1",
            "OPTIONS ** HTTP/1.1",
            "OPTIONS h:80 HTTP/1.1",
            "CONNECT h:80 HTTP/1.1",
            "GET ftp://h/ HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET /<> HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET / http/1.1",
            "GET / HTP/1.1",
            "GET / HTTP/1.1x",
            "GET / HTTP/01.1",
            "GET / HTTP/",
            "\u{16}\u{3}\u{1}",
            "\0\0\0",
            "\n",
        ] {
            let refused = check(&line(line_of_request)).expect_err(line_of_request);
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{line_of_request:?}");
        }
        for version in ["PRI * HTTP/2.0", "GET / HTTP/9.9", "GET / HTTP/1.2"] {
            assert_eq!(check(&line(version)).expect_err(version), Refused::Version);
        }
        for bad in [
            "nonsense",
            ": y",
            "X : y",
            "X\t: y",
            " X: y",
            "X: y\r\n z",
            "X: y\r\n\tz",
            "X: \0",
            "X: a\rb",
            "X: y\r",
            "X: \u{b}y",
            "X: \u{7f}",
            "X\u{e9}: y",
            "X(: y",
            "X: y\n",
            "X: y\nY: z",
            "\n",
            "X: y\r\r\n",
            "Content-Length:",
            "Content-Length: ",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 5 5",
            "Content-Length: 5, 5",
            "Content-Length: 0x5",
            "Content-Length: 5.0",
            "Content-Length: five",
            "Content-Length: \u{663}",
            "Content-Length: 18446744073709551616",
            "Content-Length: 5\u{b}",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\ncontent-length: 6",
            "Content-Length: 0\r\nContent-Length: 0",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Transfer-Encoding: chunked\r\nContent-Length: 0",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked,",
            "Transfer-Encoding: ,chunked",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chunked;a=b",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding:",
            "Transfer-Encoding: \u{b}chunked",
            "Transfer-Encoding : chunked",
            "Content-Length : 5",
        ] {
            let refused = check(&field(bad)).expect_err(bad);
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{bad:?}");
        }
        assert_eq!(check(&field("Expect: 200-ok")).unwrap_err(), Refused::Expectation);
        assert_eq!(check(&field("Expect: 100-continue\r\nExpect: more")).unwrap_err(), Refused::Expectation);
        assert!(check(b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        for lines in [
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\n\n",
            "GET / HTTP/1.1\n\r\n",
        ] {
            assert!(matches!(check(lines.as_bytes()), Err(Refused::Malformed(_))), "{lines:?}");
        }
    }

    #[test]
    fn limits() {
        let of_len = |n: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(n - 23)).into_bytes();
        assert_eq!(check(&of_len(1000)).unwrap().unwrap().0, 1000);
        assert_eq!(check(&of_len(1001)).unwrap_err(), Refused::TooLarge);
        assert_eq!(check(&[b'G'; 1500]).unwrap_err(), Refused::TooLarge);
        let of_fields = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(n)).into_bytes();
        assert_eq!(check(&of_fields(5)).unwrap().unwrap().1.fields.len(), 5);
        assert_eq!(check(&of_fields(6)).unwrap_err(), Refused::TooLarge);
    }

    #[test]
    fn nothing_is_decided_too_early() {
        for raw in ["", "\r", "\r\n", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: y\r\n\r", "GET / HTTP/1.1\r\nX"] {
            assert!(check(raw.as_bytes()).unwrap().is_none(), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_one_outcome(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = check(&bytes);
        }

        #[test]
        fn any_text_of_heads_has_one_outcome(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "GET ", "/", " HTTP/1.1", "HTTP/1.0", "\r\n", "\r\n\r\n", "\r", "\n", " ", "\t", ":", "X: y", "Content-Length: 5",
                    "Content-Length: 6", "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue", "Host: a", "\0", "*",
                ]),
                0..16,
            )
        ) {
            let _ = check(pieces.concat().as_bytes());
        }
    }
}
