//! A clock that stands still and randomness from a seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use valetkey_model::{Clock, Entropy, Timestamp};

/// A clock that shows what it was set to. Clones show the same.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Sets it. An instant earlier than the one it shows is ignored: a [`Clock`] never goes back.
    pub fn set(&self, now: Timestamp) {
        self.0.fetch_max(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Default for FixedClock {
    /// 2030-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_seconds(1_893_456_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Randomness that is the same for the same seed: for tests only. Prints its seed, which the output of a failed test then shows.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    state: AtomicU64,
}

impl SeededEntropy {
    /// Randomness from this seed.
    #[allow(clippy::print_stderr, reason = "a failed test must show the seed it failed with")]
    pub fn new(seed: u64) -> Self {
        eprintln!("seed: VALETKEY_SEED={seed}");
        Self { seed, state: AtomicU64::new(seed) }
    }

    /// Randomness from the seed in `VALETKEY_SEED`, or from a new one if it is not set to a number. Each call in a process gives
    /// another stream, so that two sources of one test do not give the same ids.
    pub fn from_environment() -> Self {
        static N_CALLS: AtomicU64 = AtomicU64::new(0);
        let given = std::env::var("VALETKEY_SEED").ok().and_then(|text| text.parse().ok());
        let source = Self::new(given.unwrap_or_else(|| RandomState::new().build_hasher().finish()));
        let stream = mixed(N_CALLS.fetch_add(1, Ordering::SeqCst));
        source.state.fetch_xor(stream, Ordering::SeqCst);
        source
    }

    /// The seed it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = mixed(self.state.fetch_add(GOLDEN_GAMMA, Ordering::SeqCst)).to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(byte, random)| *byte = random);
        }
    }
}

/// `length` bytes that follow from `seed`: a body to upload and to compare with, without storing it.
pub fn seeded_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = mixed(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&mixed(state).to_le_bytes());
        state = state.wrapping_add(GOLDEN_GAMMA);
    }
    bytes.truncate(length);
    bytes
}

// SplitMix64: <https://doi.org/10.1145/2660193.2660195>, figure 16.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(GOLDEN_GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_clock_move_together_and_never_back() {
        let clock = FixedClock::default();
        let other = clock.clone();
        clock.advance(Duration::from_secs(5));
        other.set(Timestamp::from_seconds(7));
        assert_eq!(other.now(), Timestamp::from_seconds(1_893_456_005));
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let (entropy, mut bytes) = (SeededEntropy::new(seed), [0; 20]);
            entropy.fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(seeded_bytes(7, 13), seeded_bytes(7, 14)[..13]);
    }

    #[test]
    fn is_splitmix64() {
        // The first output of the reference implementation for the seed 1234567.
        assert_eq!(mixed(1_234_567), 6_457_827_717_110_365_317);
    }
}
