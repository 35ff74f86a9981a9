//! The use cases over the real stores of one machine, with a clock that the tests set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hang_up;
mod issue;
mod parts;
mod provision;
mod redeem;
mod upload;
mod world;
