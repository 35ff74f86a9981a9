//! Instants, and where they come from.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// An instant: microseconds since 1970-01-01T00:00:00Z. Stores keep this integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant there is; older than every other.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant there is.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the epoch; far values saturate.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The instant rounded down to the whole second, which is all a token can carry.
    pub const fn whole_seconds(self) -> Self {
        Self::from_seconds(self.as_seconds())
    }

    /// The instant rounded up to the whole second; saturates.
    #[must_use]
    pub const fn next_whole_second(self) -> Self {
        if self.0.rem_euclid(1_000_000) == 0 { self } else { Self::from_seconds(self.as_seconds().saturating_add(1)) }
    }

    /// This much later; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier; saturates.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// As RFC 3339 has it, in UTC and with six decimals: `2026-11-21T15:26:12.000042Z`. Years outside of 0 to 9999 have as many
    /// digits as they need.
    pub fn rfc3339(self) -> String {
        let (days, second) = (self.as_seconds().div_euclid(86_400), self.as_seconds().rem_euclid(86_400));
        // <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>: eras of 400 years that begin in March.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_based = (5 * day_of_year + 2) / 153;
        let (day, month) = (day_of_year - (153 * march_based + 2) / 5 + 1, (march_based + 2) % 12 + 1);
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let micros = self.0.rem_euclid(1_000_000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.as_seconds(), self.0.rem_euclid(1_000_000))
    }
}

/// Where the present instant comes from: passed in, so that tests choose it.
pub trait Clock: Send + Sync + 'static {
    /// The present instant; never earlier than one given before.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_down_before_the_epoch_too() {
        let before = Timestamp::from_micros(-1);
        assert_eq!((before.as_millis(), before.as_seconds()), (-1, -1));
        assert_eq!(before.to_string(), "-1.999999");
    }

    #[test]
    fn rounds_up_to_a_second_and_no_further() {
        for (micros, seconds) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-1_000_000, -1)] {
            assert_eq!(Timestamp::from_micros(micros).next_whole_second(), Timestamp::from_seconds(seconds), "{micros}");
        }
        assert_eq!(Timestamp::MAX.next_whole_second(), Timestamp::MAX);
    }

    #[test]
    fn is_written_as_rfc_3339_has_it() {
        let check = |micros: i64, text: &str| assert_eq!(Timestamp::from_micros(micros).rfc3339(), text);
        check(0, "1970-01-01T00:00:00.000000Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000000Z");
        check(4_107_542_399_000_001, "2100-02-28T23:59:59.000001Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z");
        check(1_795_274_772_000_042, "2026-11-21T15:26:12.000042Z");
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
    }
}
