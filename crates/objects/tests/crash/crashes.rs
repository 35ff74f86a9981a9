//! Killed at every point of an upload, and again at every point of clearing up.

use super::Ground;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use valetkey_objects::faults::POINTS;

/// Of several pieces.
const SIZE: usize = 300_000;

fn put(ground: &Ground, crash_at: &str) -> ExitStatus {
    let mut command = ground.put(ground.blob(), SIZE);
    command.env("VALETKEY_CRASH_AT", crash_at).stdout(Stdio::null()).status().unwrap()
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

#[test]
fn at_every_point_of_an_upload() {
    for point in [
        "created",
        "written",
        "written:2",
        "written:3",
        "blob_synced",
        "incoming_dir_synced",
        "hour_made",
        "linked",
        "blobs_dir_synced",
        "committing",
        "committed",
        "released",
    ] {
        let ground = Ground::new();
        assert!(was_killed(put(&ground, point)), "not killed at {point}");
        let expected = usize::from(matches!(point, "committed" | "released"));
        assert_eq!(ground.rows().len(), expected, "rows after {point}");
        ground.assert_recovers(SIZE, point);
    }
}

#[test]
fn again_while_the_next_start_clears_up() {
    let mut n_killed_twice = 0;
    for first in ["written:2", "incoming_dir_synced", "linked", "blobs_dir_synced", "committed"] {
        for second in POINTS {
            let ground = Ground::new();
            // One that is kept, so that not only the first hour ever is looked at.
            assert!(put(&ground, "none").success());
            assert!(was_killed(put(&ground, first)), "not killed at {first}");
            // Some of these points lie in the upload that follows, some are never come to.
            n_killed_twice += usize::from(was_killed(put(&ground, second)));
            ground.assert_recovers(SIZE, &format!("{first}, then {second}"));
        }
    }
    // Every point but the one of a new hour, and those of removing only where there is something to remove.
    assert!(n_killed_twice >= 5 * 7, "killed only {n_killed_twice} times");
}

#[test]
fn without_a_crash() {
    let ground = Ground::new();
    assert!(put(&ground, "none").success());
    assert_eq!(ground.rows().len(), 1);
    assert_eq!(ground.names("incoming").len(), 0);
    ground.assert_recovers(SIZE, "nothing");
}
