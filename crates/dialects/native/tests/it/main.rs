//! The native API over a real server and the real stores of one machine, spoken to in raw HTTP/1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buckets;
mod credentials;
mod objects;
mod redeem;
mod revocations;
mod signed_urls;
mod upload;
mod world;
