//! The use cases over the real stores of one machine, with a clock that the tests set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_keys;
mod audit;
mod authenticate;
mod files;
mod hang_up;
mod isolation;
mod issue;
mod parts;
mod provision;
mod public;
mod redeem;
mod signing_keys;
mod upload;
mod world;
