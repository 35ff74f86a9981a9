//! Keeping the write-ahead log short.
//!
//! Its frames (a page of 4 KiB each) are copied into the database file now and then; once all are, and no reader needs them any
//! more, it begins anew. A reader that stays, such as a backup, holds up both: the log grows, and the writer does not wait for it.

use super::connection::BUSY_TIMEOUT;
use super::fault::Fault;
use rusqlite::Connection;
use std::time::Duration;

/// From so many frames that are not in the database file, they are copied there.
const COPIED_FROM: i64 = 4_000;

/// From so many frames in all, the writer waits for readers, so that the log can begin anew.
const BEGUN_ANEW_FROM: i64 = 16_000;

/// How long it waits for them. Reads of our own are over sooner.
const PATIENCE: Duration = Duration::from_millis(100);

/// The log, and from which length on the next try is worth it.
#[derive(Debug)]
pub(super) struct Log {
    n_frames: i64,
    copy_from: i64,
    begin_anew_from: i64,
}

impl Default for Log {
    fn default() -> Self {
        Self { n_frames: 0, copy_from: COPIED_FROM, begin_anew_from: BEGUN_ANEW_FROM }
    }
}

impl Log {
    /// Copies what has gathered, if it is much. Called after each batch.
    pub(super) fn keep_short(&mut self, connection: &Connection) -> Result<(), Fault> {
        let (n_frames, n_copied) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if n_frames < self.n_frames {
            // It has begun anew.
            *self = Self::default();
        }
        self.n_frames = n_frames;
        if n_frames - n_copied >= COPIED_FROM && n_frames >= self.copy_from {
            checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            self.copy_from = n_frames + COPIED_FROM;
        }
        if n_frames >= self.begin_anew_from {
            connection.busy_timeout(PATIENCE)?;
            let answer = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)");
            connection.busy_timeout(BUSY_TIMEOUT)?;
            answer?;
            // A log that did begin anew shows as shorter after the next write.
            self.begin_anew_from = n_frames + BEGUN_ANEW_FROM;
        }
        Ok(())
    }
}

/// How many frames the log has, and how many of them are in the database file.
fn checkpoint(connection: &Connection, pragma: &str) -> Result<(i64, i64), Fault> {
    Ok(connection.prepare_cached(pragma)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?)
}
