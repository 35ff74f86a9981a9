//! The present instant: the wall clock as it was at the start, plus the time that has passed since.
//!
//! The wall clock may be set while the server runs, and a URL that has expired must not come back to life. So the wall clock
//! is read once a second and followed at a bounded rate, forwards and backwards; the clock itself never goes back. What passed
//! before the start is guarded by a floor in the metadata store: see [`judge_floor`].

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::time::Duration;
use valetkey_model::{Clock, Timestamp};

/// How often the wall clock is looked at, in microseconds.
const TURN_EVERY: i64 = 1_000_000;

/// The clock runs at most one part in so many faster or slower than time: an hour's error is gone in ten.
const SLEW: i64 = 10;

/// How far ahead a time floor may be to be waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What a clock is made of. Both are in microseconds and cost some tens of nanoseconds.
pub trait TimeSource: Send + Sync + 'static {
    /// The machine's idea of the time since 1970-01-01T00:00:00Z. May jump.
    fn wall(&self) -> i64;
    /// Time that passed since some fixed instant, time spent suspended included. Never goes back.
    fn elapsed(&self) -> i64;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTime;

impl TimeSource for SystemTime {
    fn wall(&self) -> i64 {
        micros(clock_gettime(ClockId::Realtime))
    }

    fn elapsed(&self) -> i64 {
        // Not the monotonic clock: it stands still while the machine sleeps, and URLs would live on by as much.
        micros(clock_gettime(ClockId::Boottime))
    }
}

/// A clock that follows the wall clock without ever going back. Reading it takes no lock: two threads that read at once do not
/// wait for each other, and once a second one of them turns it, for which the others wait some tens of nanoseconds.
#[derive(Debug)]
pub struct SteadyClock<S = SystemTime> {
    source: S,
    /// Odd while the next three are being replaced.
    n_turns: AtomicU64,
    from: AtomicI64,
    shown: AtomicI64,
    correction: AtomicI64,
}

/// What the clock shows from one turn to the next: at `from` on the time source it was `shown`, since when it runs with time,
/// but for `correction`, which is made up for as fast as [`SLEW`] permits.
#[derive(Clone, Copy)]
struct Segment {
    from: i64,
    shown: i64,
    correction: i64,
}

impl Segment {
    /// Never decreasing in `elapsed`.
    fn at(self, elapsed: i64) -> i64 {
        let passed = elapsed.saturating_sub(self.from).max(0);
        let most = passed / SLEW;
        self.shown.saturating_add(passed).saturating_add(self.correction.clamp(-most, most))
    }
}

impl SteadyClock {
    /// A clock that shows the machine's time.
    pub fn start() -> Self {
        Self::of(SystemTime)
    }
}

impl<S: TimeSource> SteadyClock<S> {
    /// A clock that begins with the wall clock of `source`.
    pub fn of(source: S) -> Self {
        let (from, shown) = (source.elapsed(), source.wall());
        Self {
            source,
            n_turns: AtomicU64::new(0),
            from: AtomicI64::new(from),
            shown: AtomicI64::new(shown),
            correction: AtomicI64::new(0),
        }
    }

    /// How many seconds the wall clock is ahead of this one, rounded towards zero; negative if it is behind.
    pub fn wall_ahead_seconds(&self) -> i64 {
        self.source.wall().saturating_sub(self.now().as_micros()) / 1_000_000
    }

    /// A segment, and a reading of the time source made while it was in force.
    fn read(&self) -> (u64, Segment, i64) {
        loop {
            let n_turns = self.n_turns.load(Ordering::Acquire);
            if n_turns.is_multiple_of(2) {
                let segment = Segment {
                    from: self.from.load(Ordering::Relaxed),
                    shown: self.shown.load(Ordering::Relaxed),
                    correction: self.correction.load(Ordering::Relaxed),
                };
                let elapsed = self.source.elapsed();
                fence(Ordering::Acquire);
                if self.n_turns.load(Ordering::Relaxed) == n_turns {
                    return (n_turns, segment, elapsed);
                }
            } else {
                // Whoever turns it may have lost its core.
                std::thread::yield_now();
            }
        }
    }

    /// Begins the next segment where the present one, the `n_turns`th, has come to, unless another thread does.
    fn turn(&self, n_turns: u64, segment: Segment) {
        let wall = self.source.wall();
        if self.n_turns.compare_exchange(n_turns, n_turns + 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return;
        }
        fence(Ordering::Release);
        // Read only now, that no reading of the old segment is later than this one: else time could go back between threads.
        let from = self.source.elapsed();
        let shown = segment.at(from);
        self.from.store(from, Ordering::Relaxed);
        self.shown.store(shown, Ordering::Relaxed);
        self.correction.store(wall.saturating_sub(shown), Ordering::Relaxed);
        self.n_turns.store(n_turns + 2, Ordering::Release);
    }
}

impl<S: TimeSource> Clock for SteadyClock<S> {
    fn now(&self) -> Timestamp {
        let (n_turns, segment, elapsed) = self.read();
        if elapsed.saturating_sub(segment.from) >= TURN_EVERY {
            self.turn(n_turns, segment);
        }
        Timestamp::from_micros(segment.at(elapsed))
    }
}

/// What a time floor means for a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The clock is past it.
    Passed,
    /// It is so little ahead that waiting brings the clock past it.
    Wait(Duration),
}

/// The machine's clock is far behind what this data has seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the machine's clock shows `{}`, but the data was last written at `{}`, {} s later: expired URLs would work again; compare \
     `date -u` with the true time, see whether the machine's time synchronisation works, set the clock right and start again",
    rfc3339(*.now), rfc3339(*.floor), .floor.since(*.now).as_secs()
)]
pub struct ClockBehind {
    now: Timestamp,
    floor: Timestamp,
}

/// Compares the clock at the start with the latest instant that the data has seen.
///
/// # Errors
///
/// [`ClockBehind`] if the floor is more than five minutes ahead.
pub fn judge_floor(now: Timestamp, floor: Option<Timestamp>) -> Result<Floor, ClockBehind> {
    match floor {
        Some(floor) if floor.since(now) > LONGEST_WAIT => Err(ClockBehind { now, floor }),
        Some(floor) if floor > now => Ok(Floor::Wait(floor.since(now))),
        _ => Ok(Floor::Passed),
    }
}

fn rfc3339(instant: Timestamp) -> String {
    match jiff::Timestamp::from_second(instant.as_seconds()) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{} s after 1970", instant.as_seconds()),
    }
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}
