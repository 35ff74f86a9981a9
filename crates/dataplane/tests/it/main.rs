//! The data plane on real sockets with real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

mod cuts;
mod files;
mod framing;
mod lifecycle;
mod meters;
