//! The vendor's API over a real server and the real stores of one machine, spoken to in raw HTTP/1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod credentials;
mod download;
mod faults;
mod list;
mod upload;
mod urls;
mod world;
