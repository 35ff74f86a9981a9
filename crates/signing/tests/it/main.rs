//! The crate from outside: the committed vectors, tampering, properties, another implementation.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod cases;
mod forge;
mod other_implementation;
mod properties;
mod tampering;
mod vectors;
