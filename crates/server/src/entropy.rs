//! Randomness from the operating system.

use valetkey_model::Entropy;

/// The operating system's random numbers, unbuffered: a call costs less than a microsecond, and no unlimited request makes one.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy(());

/// The operating system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoEntropy(getrandom::Error);

impl SystemEntropy {
    /// Proves that there is randomness; waits for a machine that has just been started to have some.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the system call is missing or forbidden and there is no `/dev/urandom` either.
    pub fn open() -> Result<Self, NoEntropy> {
        getrandom::fill(&mut [0; 32]).map_err(NoEntropy)?;
        Ok(Self(()))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            // It worked at the start, and nothing known makes it stop. No secret may be made of other bytes, and no caller can
            // go on without: every promise about durable data holds across this.
            tracing::error!(%error, "the operating system gives no random numbers any more; the process ends");
            std::process::abort();
        }
    }
}
