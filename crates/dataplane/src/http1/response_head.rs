//! A response's head, from a response to bytes: in lower case, as HTTP/1.1, to whomever.
//!
//! `Connection`, `Transfer-Encoding`, `Date` and, where the body says it, `Content-Length` are written here and nowhere else, so
//! that framing cannot contradict what is sent.

use super::date;
use crate::body::ReadyHead;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{StatusCode, response};

/// How the client learns where a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With its head, which says no length, or that of what is not sent.
    Head(Option<u64>),
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// What the client is told of the connection after this response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It goes on, as in HTTP/1.1 it does unsaid.
    Open,
    /// It goes on, for a client that would not think so.
    SaidOpen,
    Close,
}

/// What fields say to the connection.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) content_length: Option<u64>,
    pub(crate) close: bool,
}

/// Appends a head up to where its ready lines begin, or else its empty line.
pub(crate) fn append(out: &mut Vec<u8>, head: &response::Parts, ready: Option<&ReadyHead>, ending: Ending, after: After) {
    status_line(out, head.status);
    append_fields(out, &head.headers, |name| ready.is_some_and(|ready| ready.has(name)));
    if let Some((name, value)) = ready.and_then(|ready| ready.besides.as_ref()) {
        append_field(out, name, value);
    }
    match ending {
        Ending::Length(n) | Ending::Head(Some(n)) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, n);
            out.extend_from_slice(b"\r\n");
        }
        Ending::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Ending::Head(None) | Ending::Close => {}
    }
    match after {
        After::Open => {}
        After::SaidOpen => out.extend_from_slice(b"connection: keep-alive\r\n"),
        After::Close => out.extend_from_slice(b"connection: close\r\n"),
    }
    date::append(out);
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends the lines of those fields that are not the connection's affair, nor said elsewhere.
pub(crate) fn append_fields(out: &mut Vec<u8>, fields: &HeaderMap, is_said: impl Fn(&HeaderName) -> bool) {
    for (name, value) in fields {
        let is_ours = name == CONTENT_LENGTH || name == CONNECTION || name == TRANSFER_ENCODING || name == DATE;
        if !is_ours && !is_said(name) {
            append_field(out, name, value);
        }
    }
}

fn append_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What fields say to the connection.
pub(crate) fn said(fields: &HeaderMap) -> Said {
    Said {
        content_length: fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()),
        close: fields.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close")),
    }
}

/// Appends a number in decimal.
fn decimal(out: &mut Vec<u8>, mut n: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (n % 10) as u8);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out[start..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use http::header::{CACHE_CONTROL, ETAG, SET_COOKIE};

    fn value(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    /// The head without its date.
    fn check(
        status: u16,
        fields: &[(HeaderName, &'static str)],
        ready: Option<&ReadyHead>,
        ending: Ending,
        after: After,
        expected: &str,
    ) {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap();
        for (name, text) in fields {
            head.headers.append(name, value(text));
        }
        let mut out = Vec::new();
        append(&mut out, &head, ready, ending, after);
        let text = String::from_utf8(out).unwrap();
        let (before, date) = text.split_once("date: ").unwrap();
        assert_eq!(before, expected.replace('\n', "\r\n"));
        assert!(httpdate::parse_http_date(date.trim_end()).is_ok(), "{date}");
    }

    #[test]
    fn framing_is_said_by_nobody_else() {
        let contradiction = [(CONTENT_LENGTH, "7"), (TRANSFER_ENCODING, "gzip"), (CONNECTION, "x"), (DATE, "never"), (ETAG, "e")];
        check(
            200,
            &contradiction,
            None,
            Ending::Length(1_234_567_890),
            After::Open,
            "HTTP/1.1 200 OK\netag: e\ncontent-length: 1234567890\n",
        );
        check(
            206,
            &contradiction,
            None,
            Ending::Chunked,
            After::Close,
            "HTTP/1.1 206 Partial Content\netag: e\ntransfer-encoding: chunked\nconnection: close\n",
        );
        check(
            204,
            &contradiction,
            None,
            Ending::Head(None),
            After::SaidOpen,
            "HTTP/1.1 204 No Content\netag: e\nconnection: keep-alive\n",
        );
        check(
            200,
            &[(SET_COOKIE, "a"), (SET_COOKIE, "b")],
            None,
            Ending::Length(0),
            After::Open,
            "HTTP/1.1 200 OK\nset-cookie: a\nset-cookie: b\ncontent-length: 0\n",
        );
        check(599, &[], None, Ending::Close, After::Close, "HTTP/1.1 599 \nconnection: close\n");
    }

    #[test]
    fn what_is_ready_stands_once() {
        let fields: HeaderMap =
            [(ETAG, value("e")), (CONTENT_LENGTH, value("5")), (CONNECTION, value("close"))].into_iter().collect();
        let ready = ReadyHead::new(&fields).with(CACHE_CONTROL, value("private"));
        assert_eq!((&ready.written.lines[..], ready.written.content_length), (&b"etag: e\r\n\r\n"[..], Some(5)));
        let more = [(ETAG, "f"), (CACHE_CONTROL, "no-store"), (SET_COOKIE, "a")];
        check(
            200,
            &more,
            Some(&ready),
            Ending::Length(5),
            After::Open,
            "HTTP/1.1 200 OK\nset-cookie: a\ncache-control: private\ncontent-length: 5\n",
        );
    }
}
