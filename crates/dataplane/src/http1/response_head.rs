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
    append_fields(out, &head.headers);
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

/// Appends the lines of those fields that are not the connection's affair, and tells what the others say.
pub(crate) fn append_fields(out: &mut Vec<u8>, fields: &HeaderMap) -> Said {
    let mut said = Said::default();
    for (name, value) in fields {
        if name == CONTENT_LENGTH {
            said.content_length = value.to_str().ok().and_then(|value| value.parse().ok());
        } else if name == CONNECTION {
            said.close |= value.as_bytes().eq_ignore_ascii_case(b"close");
        } else if name != TRANSFER_ENCODING && name != DATE {
            append_field(out, name, value);
        }
    }
    said
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
