//! What the operator may set.

use std::time::Duration;

/// The limits and times of the use cases.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The path part of the public URL, without a trailing slash: tokens are bound to it.
    pub base_path: String,
    /// The largest object that can be put in.
    pub max_object_bytes: u64,
    /// How long an issued URL lives if nothing is said.
    pub default_lifetime: Duration,
    /// The longest life of a URL in link form.
    pub max_link_lifetime: Duration,
    /// How long a session of a limited grant may be idle before it lapses.
    pub session_idle: Duration,
    /// How long after completion the session secret may fetch again what the network lost.
    pub completion_grace: Duration,
    /// How long past expiry a session may be resumed with its secret.
    pub resume_past_expiry: Duration,
    /// How long a request waits for a response under way to settle.
    pub settle_wait: Duration,
    /// How long an upload in parts may take from beginning to completion.
    pub upload_lifetime: Duration,
    /// How many object rows, and how many links, are kept in memory.
    pub n_cached_rows: usize,
    /// How many credentials a client address (a /64 in IPv6) may get wrong in a minute; 0 is no limit.
    pub max_failed_authentications: u32,
    /// How long rows of the audit are kept at least; they go a day at a time.
    pub audit_retention: Duration,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            base_path: String::new(),
            max_object_bytes: 5 << 40,
            default_lifetime: Duration::from_secs(3600),
            max_link_lifetime: Duration::from_secs(400 * 24 * 3600),
            session_idle: Duration::from_secs(600),
            completion_grace: Duration::from_secs(60),
            resume_past_expiry: Duration::from_secs(15 * 60),
            settle_wait: Duration::from_secs(2),
            upload_lifetime: Duration::from_secs(24 * 3600),
            n_cached_rows: 32_768,
            max_failed_authentications: 100,
            audit_retention: Duration::from_secs(400 * 24 * 3600),
        }
    }
}
