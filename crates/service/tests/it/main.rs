//! The use cases over the real stores of one machine, with a clock that the tests set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_keys;
mod audit;
mod authenticate;
mod collections;
mod copy;
mod explain;
mod file_listing;
mod files;
mod hang_up;
mod idempotency;
mod isolation;
mod issue;
mod parts;
mod provision;
mod public;
mod ranges;
mod redeem;
mod revocations;
mod signing_keys;
mod stable;
mod upload;
mod urls;
mod uses;
mod world;
