//! The `Date` field, made once a second on each thread.

use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

struct Made {
    at_seconds: i64,
    line: Vec<u8>,
}

thread_local! {
    static MADE: RefCell<Made> = const { RefCell::new(Made { at_seconds: i64::MIN, line: Vec::new() }) };
}

/// Appends the line of the present second. The clock is the kernel's coarse one, some milliseconds late and cheap to read.
pub(crate) fn append(out: &mut Vec<u8>) {
    let now_seconds = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
    MADE.with_borrow_mut(|made| {
        if made.at_seconds != now_seconds {
            let now = UNIX_EPOCH + Duration::from_secs(u64::try_from(now_seconds).unwrap_or(0));
            made.at_seconds = now_seconds;
            made.line.clear();
            // Writing to memory does not fail.
            let _ = write!(made.line, "date: {}\r\n", httpdate::fmt_http_date(now));
        }
        out.extend_from_slice(&made.line);
    });
}
