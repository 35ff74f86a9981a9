//! Faults on demand, in a test-only build (feature `faults`): crashes at named points, guarantees broken by name.
//!
//! * `VALETKEY_CRASH_AT=point` or `point:n` kills the process by SIGKILL when it comes to that point (for the `n`-th time).
//! * `VALETKEY_SABOTAGE=name,name` breaks these guarantees: `no-fsync`, `no-directory-sync`. `no-openat2` breaks none: it
//!   takes the kernel to be one without that call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every point at which the file-system store can be killed, in the order of an upload; the last four are of clearing up.
pub const POINTS: [&str; 11] = [
    "created",             // the name is in `incoming/`
    "written",             // a piece has been written; comes once per piece
    "blob_synced",         // the file is synced
    "incoming_dir_synced", // its name in `incoming/` is durable
    "hour_made",           // the hour's directory is there and durable
    "linked",              // the name is in `blobs/<hour>/`
    "blobs_dir_synced",    // and durable
    "released",            // the name in `incoming/` is gone
    "unlinked",            // of a blob to be removed: the name in `blobs/<hour>/` is gone
    "unlink_synced",       // and durably so
    "removed",             // the name in `incoming/` is gone too
];

/// Kills the process if this is the point it is to be killed at.
pub fn point(name: &str) {
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
pub fn sabotaged(guarantee: &str) -> bool {
    static SABOTAGE: OnceLock<String> = OnceLock::new();
    SABOTAGE
        .get_or_init(|| std::env::var("VALETKEY_SABOTAGE").unwrap_or_default())
        .split(',')
        .any(|name| name.trim() == guarantee)
}
