//! The native API over a real server and the real stores of one machine, spoken to in raw HTTP/1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_keys;
mod audit;
mod buckets;
mod credentials;
mod explain;
mod idempotency;
mod isolation;
mod listed_urls;
mod objects;
mod offer;
mod public;
mod redeem;
mod resumable;
mod revocations;
mod signed_urls;
mod signing_keys;
mod stable;
mod upload;
mod uses;
mod world;
