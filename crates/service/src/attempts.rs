//! Failed authentication, limited by client address: who guesses credentials is made to wait.
//!
//! A bucket of tokens for each client. A failure takes one, and they come back evenly over a minute; a client without a token
//! left is refused, whatever it presents. Pure: the instant is passed in.

use quick_cache::sync::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use valetkey_model::{Timestamp, sabotaged};

/// How many clients are remembered: some MiB at most. Beyond it, some are forgotten, and begin anew.
const N_CLIENTS: usize = 16_384;
/// The time in which an empty bucket is full again.
const WINDOW_MICROS: i64 = 60_000_000;

/// How often each client has failed of late.
pub(crate) struct FailedAttempts {
    /// What one failure costs; `None` is no limit.
    cost_micros: Option<i64>,
    /// When each client's bucket is full again.
    full_at: Cache<IpAddr, Arc<AtomicI64>>,
}

impl FailedAttempts {
    /// At most this many failures in a minute; 0 is no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self::remembering(per_minute, N_CLIENTS)
    }

    fn remembering(per_minute: u32, n_clients: usize) -> Self {
        let cost_micros = NonZeroU32::new(per_minute).map(|per_minute| (WINDOW_MICROS / i64::from(per_minute.get())).max(1));
        Self { cost_micros, full_at: Cache::new(n_clients) }
    }

    /// Whether the client may try a credential now.
    pub(crate) fn may_try(&self, client: IpAddr, now: Timestamp) -> bool {
        let (Some(cost), Some(full_at)) = (self.cost_micros, self.full_at.get(&network_of(client))) else { return true };
        owed(full_at.load(Ordering::Relaxed), now).saturating_add(cost) <= WINDOW_MICROS
    }

    /// The client has failed.
    pub(crate) fn failed(&self, client: IpAddr, now: Timestamp) {
        let Some(cost) = self.cost_micros.filter(|_| !sabotaged("guesses-uncounted")) else { return };
        let full = || Ok::<_, std::convert::Infallible>(Arc::new(AtomicI64::new(i64::MIN)));
        let Ok(full_at) = self.full_at.get_or_insert_with(&network_of(client), full);
        let one_less = |full_at: i64| Some(full_at.max(now.as_micros()).saturating_add(cost));
        // The closure always gives a value, so that this never fails.
        let _ = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }
}

/// How much of the window is used up.
fn owed(full_at: i64, now: Timestamp) -> i64 {
    full_at.saturating_sub(now.as_micros()).max(0)
}

/// A client by its address: whoever has an IPv6 address has the /64 it is in.
pub(crate) fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000)
    }

    #[test]
    fn a_client_is_refused_after_its_failures_and_let_in_again_one_by_one() {
        for limit in [1, 3, 100] {
            let (attempts, client) = (FailedAttempts::new(limit), address("192.0.2.1"));
            for number in 0..limit {
                assert!(attempts.may_try(client, at(0)), "{number} of {limit}");
                attempts.failed(client, at(0));
            }
            assert!(!attempts.may_try(client, at(0)), "{limit}");
            let back = 60_000 / i64::from(limit);
            assert!(!attempts.may_try(client, at(back - 1)), "{limit}");
            assert!(attempts.may_try(client, at(back)), "{limit}");
            attempts.failed(client, at(back));
            assert!(!attempts.may_try(client, at(back)), "{limit}");
            // After a minute of silence everything is as at first, and no more than that.
            let later = at(back + 60_000);
            (0..limit).for_each(|_| attempts.failed(client, later));
            assert!(!attempts.may_try(client, later), "{limit}");
        }
    }

    #[test]
    fn clients_do_not_share_but_a_network_does() {
        let attempts = FailedAttempts::new(1);
        attempts.failed(address("2001:db8:0:1::1"), at(0));
        attempts.failed(address("192.0.2.1"), at(0));
        for (client, may) in [
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", false),
            ("2001:db8:0:2::1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("::ffff:192.0.2.2", true),
        ] {
            assert_eq!(attempts.may_try(address(client), at(0)), may, "{client}");
        }
    }

    #[test]
    fn nothing_is_limited_by_zero() {
        let attempts = FailedAttempts::new(0);
        (0..10_000).for_each(|_| attempts.failed(address("192.0.2.1"), at(0)));
        assert!(attempts.may_try(address("192.0.2.1"), at(0)) && attempts.full_at.is_empty());
    }

    #[test]
    fn a_clock_that_goes_back_and_a_far_limit_do_no_harm() {
        let (attempts, client) = (FailedAttempts::new(2), address("192.0.2.1"));
        attempts.failed(client, at(0));
        attempts.failed(client, at(-10_000));
        assert!(!attempts.may_try(client, at(-10_000)) && attempts.may_try(client, at(30_000)));
        attempts.failed(client, Timestamp::MAX);
        assert!(!attempts.may_try(client, at(30_000)) && attempts.may_try(client, Timestamp::MAX));
        let attempts = FailedAttempts::new(u32::MAX);
        attempts.failed(client, at(0));
        assert!(attempts.may_try(client, at(0)));
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = FailedAttempts::remembering(1, 100);
        for number in 0..10_000_u32 {
            attempts.failed(IpAddr::from(number.to_be_bytes()), at(0));
        }
        assert!(attempts.full_at.len() <= 200, "{}", attempts.full_at.len());
    }

    #[test]
    fn whoever_races_leaves_no_failure_uncounted() {
        let (attempts, client) = (FailedAttempts::new(1000), address("192.0.2.1"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..250).for_each(|_| attempts.failed(client, at(0))));
            }
        });
        assert!(!attempts.may_try(client, at(0)) && attempts.may_try(client, at(60)));
        assert!(attempts.may_try(client, at(0).plus(Duration::from_millis(60))));
    }
}
