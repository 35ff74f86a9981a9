//! HTTP as every dialect needs it: what requests say and what answers must say, as pure functions over the types of the crate
//! `http`. Nothing here knows stores, use cases, a server or a clock.
//!
//! Every parser of foreign bytes is total: it never panics, its work is bounded by the input's length, and what it cannot read
//! it either names in an error or ignores, as its documentation says.

pub mod json;
pub mod path;
pub mod query;

pub mod client_address;
pub mod credential;

pub mod precondition;
pub mod range;

pub mod content_range;
pub mod content_type;
pub mod disposition;
pub mod view;

pub mod cors;
pub mod security;

pub mod page;
pub mod problem;

pub mod public_url;

pub mod openapi;

/// The field value of a text that is made of visible ASCII and spaces by construction.
pub(crate) fn value(text: String) -> http::HeaderValue {
    http::HeaderValue::try_from(text).unwrap_or_else(|_| http::HeaderValue::from_static(""))
}

/// Field values for property tests: any legal bytes, and what a regular expression of visible characters makes.
#[cfg(test)]
pub(crate) fn values(like: &'static str) -> impl proptest::strategy::Strategy<Value = http::HeaderValue> {
    use proptest::prelude::*;
    let legal = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    let bytes = prop_oneof![prop::collection::vec(legal, 0..60), like.prop_map(String::into_bytes)];
    bytes.prop_filter_map("not a field value", |bytes| http::HeaderValue::from_bytes(&bytes).ok())
}
