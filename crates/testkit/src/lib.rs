//! What tests of several crates share: behaviour suites that every store must pass, a clock and randomness that tests choose.

mod fixed;
#[cfg(feature = "metadata")]
pub mod metadata;
#[cfg(feature = "objects")]
pub mod objects;

pub use fixed::{FixedClock, SeededEntropy, seeded_bytes};
