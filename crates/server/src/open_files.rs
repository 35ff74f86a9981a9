//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for every connection and every cached file.
const WANTED: u64 = 65_536;

/// Raises the soft limit towards what is wanted, as far as the hard limit lets it: where nobody has set it, it is 1024.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => tracing::debug!(from = current, to = wanted, "the limit of open files was raised"),
        Err(error) => tracing::warn!(%error, n_files = current, "the limit of open files could not be raised"),
    }
}
