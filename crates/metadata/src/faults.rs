//! Faults on demand, in a test-only build (feature `faults`): crashes at named points, guarantees broken by name.
//!
//! * `VALETKEY_CRASH_AT=point` or `point:n` kills the process by SIGKILL when it comes to that point (for the `n`-th time).
//! * `VALETKEY_SABOTAGE=name,name` breaks these guarantees: `no-wal-sync`, `no-reservation`, `revocation-ignored`,
//!   `confirmation-ignored`, `audit-skipped`, `chain-unlinked`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every point at which the store can be killed.
pub const POINTS: [&str; 2] = [
    "before_commit", // the batch is done, not committed
    "after_commit",  // committed, nobody was told
];

/// Kills the process if this is the point it is to be killed at.
pub(crate) fn point(name: &str) {
    static CRASH_AT: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static N_PASSED: AtomicU64 = AtomicU64::new(0);
    let crash_at = CRASH_AT.get_or_init(|| {
        let text = std::env::var("VALETKEY_CRASH_AT").ok()?;
        let (point, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((point.to_owned(), count.parse().ok()?))
    });
    if let Some((point, count)) = crash_at
        && point == name
        && N_PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal may take effect on another thread first; this one must do nothing more.
        loop {
            std::thread::park();
        }
    }
}

/// Whether this guarantee is to be broken.
pub(crate) fn sabotaged(guarantee: &str) -> bool {
    static SABOTAGE: OnceLock<String> = OnceLock::new();
    SABOTAGE
        .get_or_init(|| std::env::var("VALETKEY_SABOTAGE").unwrap_or_default())
        .split(',')
        .any(|name| name.trim() == guarantee)
}
