//! HTTP/1.1 and 1.0 on a connection: one strict parser, one writer, one task.
//!
//! [`head`] and [`chunked`] turn bytes into requests and refuse whatever two parsers could read in two ways; `connection` runs the
//! requests of a socket one after the other; `request_body` reads what a handler asks for; `response_head` and `writer` send the
//! answer, `outbox` those of many connections together; `socket` knows how long the peer may keep us waiting.

pub mod head;

pub mod chunked;

pub(crate) mod connection;

pub(crate) mod request_body;

pub(crate) mod response_head;

pub(crate) mod date;

pub(crate) mod writer;

pub(crate) mod outbox;

pub(crate) mod socket;
