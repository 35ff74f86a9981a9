//! The vendor's API over a real server and the real stores of one machine, spoken to in raw HTTP/1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod bodies;
mod cors;
mod files;
mod reading;
mod refusals;
mod regions;
mod uploading;
mod world;
