//! The vendor's API over a real server and the real stores of one machine, spoken to in raw HTTP/1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod listing;
mod raw_files;
mod resumable;
mod signed_url;
mod tables;
mod world;
