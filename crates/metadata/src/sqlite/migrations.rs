//! Bringing the schema forward.
//!
//! Each migration is one SQL text, named by the UTC time it was written at and never edited once landed; the database keeps
//! the SHA-256 of each it ran. They only go forward. Two versions can run side by side as long as every migration that the
//! older one does not know says that it may.

use super::fault::Fault;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use valetkey_model::Timestamp;

/// One step of the schema.
pub(super) struct Migration {
    /// `YYYYMMDDTHHMM_what`; also its file's name.
    name: &'static str,
    text: &'static str,
    /// The oldest binary that may use a database after it.
    oldest_binary: &'static str,
}

/// Every migration, oldest first.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "20261121T0900_initial",
        text: include_str!("../migrations/sqlite/20261121T0900_initial.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1300_files",
        text: include_str!("../migrations/sqlite/20261121T1300_files.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1310_signing_key_limits",
        text: include_str!("../migrations/sqlite/20261121T1310_signing_key_limits.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1600_urls",
        text: include_str!("../migrations/sqlite/20261121T1600_urls.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1630_idempotency",
        text: include_str!("../migrations/sqlite/20261121T1630_idempotency.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1640_audit",
        text: include_str!("../migrations/sqlite/20261121T1640_audit.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T1650_ledgers_in_order",
        text: include_str!("../migrations/sqlite/20261121T1650_ledgers_in_order.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T2220_upload_sessions",
        text: include_str!("../migrations/sqlite/20261121T2220_upload_sessions.sql"),
        oldest_binary: "0.1.0",
    },
    Migration {
        name: "20261121T2230_files_listed",
        text: include_str!("../migrations/sqlite/20261121T2230_files_listed.sql"),
        oldest_binary: "0.1.0",
    },
];

/// `vKEY`: what makes a SQLite file ours.
const APPLICATION_ID: i32 = 0x764B_4559;

const CREATE_MIGRATIONS: &str = "CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    oldest_binary TEXT NOT NULL,
    applied_by TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

/// Runs what is missing of `migrations`, all or none, for the binary of version `binary`.
///
/// Refuses a file that is not ours, a migration whose text was changed since it ran, and a schema that this binary is too old
/// for.
pub(super) fn migrate(connection: &mut Connection, migrations: &[Migration], binary: &str, now: Timestamp) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    claim(&transaction)?;
    let applied = applied(&transaction)?;
    check(&applied, migrations, binary)?;
    for migration in migrations.iter().filter(|migration| !applied.contains_key(migration.name)) {
        transaction.execute_batch(migration.text)?;
        transaction.execute(
            "INSERT INTO migrations (name, sha256, oldest_binary, applied_by, applied_at) VALUES ($1, $2, $3, $4, $5)",
            params![migration.name, digest(migration.text), migration.oldest_binary, binary, now.as_micros()],
        )?;
        tracing::info!(migration = migration.name, "the metadata schema was brought forward");
    }
    let n_applied: i64 = transaction.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0))?;
    let known: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if known != n_applied {
        transaction.pragma_update(None, "user_version", n_applied)?;
    }
    transaction.commit()?;
    Ok(())
}

/// What the database says of one migration that ran.
struct Applied {
    sha256: [u8; 32],
    oldest_binary: String,
    applied_by: String,
}

fn claim(connection: &Connection) -> Result<(), Fault> {
    if is_new(connection)? {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(CREATE_MIGRATIONS)?;
    }
    Ok(())
}

/// Refuses a database that another program made, before anything of it is changed.
pub(super) fn refuse_foreign(connection: &Connection) -> Result<(), Fault> {
    // One state of the file for both questions: another process may be making it ours at this moment.
    let snapshot = connection.unchecked_transaction()?;
    is_new(&snapshot).map(drop)
}

fn is_new(connection: &Connection) -> Result<bool, Fault> {
    let found: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if found == APPLICATION_ID {
        return Ok(false);
    }
    let table = connection.query_row("SELECT name FROM sqlite_schema LIMIT 1", [], |row| row.get::<_, String>(0)).optional()?;
    if found != 0 || table.is_some() {
        return Err(Fault::corrupt(format!(
            "the file belongs to another program: application id `{found:#010x}`, expected `{APPLICATION_ID:#010x}`"
        )));
    }
    Ok(true)
}

fn applied(connection: &Connection) -> Result<BTreeMap<String, Applied>, Fault> {
    let mut statement = connection.prepare("SELECT name, sha256, oldest_binary, applied_by FROM migrations ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        let applied = Applied { sha256: row.get(1)?, oldest_binary: row.get(2)?, applied_by: row.get(3)? };
        Ok((row.get(0)?, applied))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn check(applied: &BTreeMap<String, Applied>, migrations: &[Migration], binary: &str) -> Result<(), Fault> {
    let newest = migrations.last().map_or("none", |migration| migration.name);
    for (name, row) in applied {
        match migrations.iter().find(|migration| migration.name == name) {
            Some(migration) if digest(migration.text) != row.sha256 => {
                return Err(Fault::corrupt(format!(
                    "migration `{name}` was run by version `{}` with another text than version `{binary}` has",
                    row.applied_by
                )));
            }
            Some(_) => {}
            None if version(binary) < version(&row.oldest_binary) => {
                return Err(Fault::corrupt(format!(
                    "the schema is `{name}`, made by version `{}`, and needs version `{}` or newer; this is version `{binary}`, \
                     which knows schemas up to `{newest}`",
                    row.applied_by, row.oldest_binary
                )));
            }
            None => tracing::warn!(migration = %name, "the metadata schema is newer than this binary, which may still use it"),
        }
    }
    Ok(())
}

/// `1.2.3`, comparable; what is not a number counts as above all, so that it is refused.
fn version(text: &str) -> Vec<u64> {
    text.split('.').map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration =
        Migration { name: "20260101T0000_a", text: "CREATE TABLE a (x INTEGER) STRICT", oldest_binary: "0.1.0" };

    fn run(connection: &mut Connection, migrations: &[Migration], binary: &str) -> Result<(), String> {
        migrate(connection, migrations, binary, Timestamp::MIN).map_err(|fault| crate::MetadataError::from(fault).to_string())
    }

    fn later(oldest_binary: &'static str) -> Migration {
        Migration { name: "20260202T0000_b", text: "CREATE TABLE b (x INTEGER) STRICT", oldest_binary }
    }

    #[test]
    fn each_runs_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &[FIRST], "0.1.0").unwrap();
        run(&mut connection, &[FIRST, later("0.1.0")], "0.2.0").unwrap();
        run(&mut connection, &[FIRST, later("0.1.0")], "0.2.0").unwrap();
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 2);
    }

    #[test]
    fn an_older_binary_may_use_what_says_so() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &[FIRST, later("0.1.0")], "0.2.0").unwrap();
        run(&mut connection, &[FIRST], "0.1.9").unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &[FIRST, later("0.10.0")], "0.10.0").unwrap();
        let error = run(&mut connection, &[FIRST], "0.9.0").unwrap_err();
        for part in ["20260202T0000_b", "`0.10.0` or newer", "version `0.9.0`", "20260101T0000_a"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_changed_text_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &[FIRST], "0.1.0").unwrap();
        let changed = Migration { text: "CREATE TABLE a (x TEXT) STRICT", ..FIRST };
        let error = run(&mut connection, &[changed], "0.1.0").unwrap_err();
        assert!(error.contains("20260101T0000_a") && error.contains("another text"), "{error}");
    }

    #[test]
    fn a_failing_migration_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = Migration { text: "CREATE TABLE b (x INTEGER) STRICT; CREATE TABLE b (x INTEGER)", ..later("0.1.0") };
        run(&mut connection, &[FIRST, broken], "0.1.0").unwrap_err();
        run(&mut connection, &[FIRST, later("0.1.0")], "0.1.0").unwrap();
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = run(&mut connection, &[FIRST], "0.1.0").unwrap_err();
        assert!(error.contains("another program"), "{error}");
    }

    #[test]
    fn names_ascend() {
        assert!(MIGRATIONS.is_sorted_by(|a, b| a.name < b.name));
    }
}
