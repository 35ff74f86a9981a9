//! The clock: never back, never hurried, and in the end where the wall clock is.

use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use valetkey_model::{Clock as _, Timestamp};
use valetkey_server::clock::{Floor, SteadyClock, TimeSource, judge_floor};

const SECOND: i64 = 1_000_000;

/// Clocks that show what they are set to.
#[derive(Clone)]
struct Scripted(Arc<(AtomicI64, AtomicI64)>);

impl Scripted {
    fn new() -> Self {
        Self(Arc::new((AtomicI64::new(1_900_000_000 * SECOND), AtomicI64::new(77))))
    }

    /// Time passes, on the wall too.
    fn pass(&self, micros: i64) {
        self.0.0.fetch_add(micros, Ordering::SeqCst);
        self.0.1.fetch_add(micros, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock.
    fn jump(&self, micros: i64) {
        self.0.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl TimeSource for Scripted {
    fn wall(&self) -> i64 {
        self.0.0.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> i64 {
        self.0.1.load(Ordering::SeqCst)
    }
}

fn jumps() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let jump = prop_oneof![Just(0), -10 * SECOND..10 * SECOND, -400_000_000 * SECOND..400_000_000 * SECOND];
    prop::collection::vec((0..5 * SECOND, jump), 1..200)
}

proptest! {
    #[test]
    fn never_back_and_never_more_than_a_tenth_off(steps in jumps()) {
        let source = Scripted::new();
        let clock = SteadyClock::of(source.clone());
        let mut before = clock.now().as_micros();
        for (passed, jump) in steps {
            source.jump(jump);
            source.pass(passed);
            let now = clock.now().as_micros();
            // Each segment rounds once.
            prop_assert!(now - before >= passed - passed / 10 - 1, "{} in {passed}", now - before);
            prop_assert!(now - before <= passed + passed / 10 + 1, "{} in {passed}", now - before);
            before = now;
        }
    }

    #[test]
    fn reaches_the_wall_clock_and_stays_with_it(steps in jumps(), last in -100 * SECOND..100 * SECOND) {
        let source = Scripted::new();
        let clock = SteadyClock::of(source.clone());
        for (passed, _) in steps {
            source.pass(passed);
            clock.now();
        }
        source.jump(last);
        for _ in 0..1_010 {
            source.pass(SECOND);
            clock.now();
        }
        prop_assert_eq!(clock.now().as_micros(), source.wall());
        source.pass(3_600 * SECOND);
        prop_assert_eq!(clock.now().as_micros(), source.wall());
    }
}

#[test]
fn extreme_sources_do_no_harm() {
    for wall in [i64::MIN, -1, 0, i64::MAX] {
        let source = Scripted::new();
        let clock = SteadyClock::of(source.clone());
        let mut before = clock.now();
        source.0.0.store(wall, Ordering::SeqCst);
        for _ in 0..10 {
            source.0.1.fetch_add(2 * SECOND, Ordering::SeqCst);
            assert!(clock.now() >= before);
            before = clock.now();
        }
        clock.wall_ahead_seconds();
    }
}

/// Real time, a thousand times as fast, on a wall clock that is set every few readings: the clock turns every millisecond.
struct Hurried(std::time::Instant, AtomicI64);

impl TimeSource for Hurried {
    fn wall(&self) -> i64 {
        let jump = [0, 50, -70, 900, -900][usize::try_from(self.1.fetch_add(1, Ordering::Relaxed) % 5).unwrap()];
        self.elapsed() + jump * SECOND
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_nanos()).unwrap()
    }
}

#[test]
fn no_thread_sees_an_instant_before_one_that_another_saw() {
    const N_READINGS: usize = 200_000;
    let clock = SteadyClock::of(Hurried(std::time::Instant::now(), AtomicI64::new(0)));
    let latest = AtomicI64::new(i64::MIN);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..N_READINGS {
                    let seen = latest.load(Ordering::SeqCst);
                    let now = clock.now().as_micros();
                    assert!(now >= seen, "{now} after {seen}");
                    latest.fetch_max(now, Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn the_system_clock_is_near_the_wall() {
    let clock = SteadyClock::start();
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(clock.now().as_seconds().abs_diff(i64::try_from(wall.as_secs()).unwrap()) <= 1);
    assert_eq!(clock.wall_ahead_seconds(), 0);
}

#[test]
fn floors() {
    let now = Timestamp::from_seconds(1_900_000_000);
    let ahead = |seconds| Some(now.plus(Duration::from_secs(seconds)));
    assert_eq!(judge_floor(now, None), Ok(Floor::Passed));
    assert_eq!(judge_floor(now, Some(now)), Ok(Floor::Passed));
    assert_eq!(judge_floor(now, Some(now.minus(Duration::from_secs(1)))), Ok(Floor::Passed));
    assert_eq!(judge_floor(now, ahead(300)), Ok(Floor::Wait(Duration::from_secs(300))));
    let message = judge_floor(now, ahead(301)).unwrap_err().to_string();
    for part in ["`2030-03-17T17:46:40Z`", "`2030-03-17T17:51:41Z`", "301 s later", "`date -u`", "clock"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(judge_floor(Timestamp::MIN, Some(Timestamp::MAX)).unwrap_err().to_string().contains("after 1970"));
}
