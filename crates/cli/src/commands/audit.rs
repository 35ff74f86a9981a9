//! `valetkey audit`: what was done, by whom, and the proof that nothing of it was removed or changed.

use crate::client::{Connection, io_reason};
use crate::error::CliError;
use crate::output::{self, Lines};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::time::Duration;
use valetkey_server::audit::{Broken, Verified, Verifier};

/// How often the server is asked for more.
const POLL: Duration = Duration::from_secs(1);
/// The longest line of an export: a row has an object key, a label and a user agent at most.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Read, export, verify the audit, and erase a person from it
///
/// Each tenant has its own. VALETKEY_API_KEY must have the scope `audit:read`; to erase, `admin`.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    Tail(Tail),
    Export(Export),
    Verify(Verify),
    Erase(Erase),
    Key(Key),
}

impl AuditCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Tail(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Erase(command) => command.run(),
            Self::Key(command) => command.run(),
        }
    }
}

/// Print the newest rows, the newest last
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey audit tail\n  valetkey audit tail -f --json | jq .row.outcome")]
pub(crate) struct Tail {
    /// How many, 1 to 1000
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    n_rows: u32,

    /// Go on with what comes
    #[arg(long, short)]
    follow: bool,

    /// One JSON object to a line, as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Tail {
    fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let mut lines = Lines::new();
        let mut last = 0;
        for row in client.audit_rows(self.n_rows)?.iter().rev() {
            last = self.tell(&mut lines, row)?;
        }
        lines.flush()?;
        if !self.follow {
            return Ok(());
        }
        loop {
            std::thread::sleep(POLL);
            let mut reader = BufReader::new(client.audit_export(last)?);
            while let Some(line) = next_line(&mut reader)? {
                let row: Value = serde_json::from_str(&line).context("an unexpected line in the server's answer")?;
                if row.get("type").and_then(Value::as_str) == Some("row") {
                    last = self.tell(&mut lines, &row)?;
                }
            }
            lines.flush()?;
        }
    }

    /// Prints a row, and gives its number.
    fn tell(&self, lines: &mut Lines, row: &Value) -> anyhow::Result<u64> {
        lines.line(&if self.json { row.to_string() } else { in_short(row) })?;
        Ok(row.get("seq").and_then(Value::as_u64).unwrap_or(0))
    }
}

/// When, what, what came of it, how often, how much, to what, by whom, with which URL, from where.
fn in_short(row: &Value) -> String {
    let text = |name: &str| row.pointer(&format!("/row/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| row.pointer(&format!("/row/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let place = [text("bucket"), text("key"), text("subject")].into_iter().filter(|part| !part.is_empty());
    let mut line = format!("{}  {:<18} {:<12}", text("at"), text("action"), text("outcome"));
    let address = row.pointer("/personal/address/value").and_then(Value::as_str).unwrap_or_default();
    let count = match number("n_requests") {
        0 | 1 => String::new(),
        n_requests => format!("{n_requests}x"),
    };
    let bytes = if number("bytes") > 0 { format!("{} B", number("bytes")) } else { String::new() };
    for part in [count, bytes, place.collect::<Vec<_>>().join("/"), text("detail"), text("principal"), text("link_id")] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(&part);
        }
    }
    if address.is_empty() { line } else { format!("{line}  {address}") }
}

/// Print the whole chain as JSON lines, with all that is needed to verify it
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey audit export > audit.jsonl\n  valetkey audit verify audit.jsonl")]
pub(crate) struct Export {
    /// Begin after this row: such a part cannot be verified alone
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,

    #[command(flatten)]
    connection: Connection,
}

impl Export {
    fn run(self) -> anyhow::Result<()> {
        let mut reader = self.connection.client()?.audit_export(self.after)?;
        let mut buffer = vec![0; 64 << 10];
        let mut stdout = io::stdout().lock();
        loop {
            let n = reader.read(&mut buffer).map_err(|error| broke_off(&error))?;
            if n == 0 {
                return output::written(stdout.flush());
            }
            // No more was read than the buffer holds.
            output::written(stdout.write_all(&buffer[..n]))?;
        }
    }
}

/// Prove that no row was removed, changed or moved
///
/// Reads FILE, or asks the server. Fails with the number of the first row that is wrong. What comes after the last checkpoint is
/// not proved yet: a checkpoint is made every ten seconds.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey audit verify\n  valetkey audit verify --key 3f\u{2026}9a audit.jsonl")]
pub(crate) struct Verify {
    /// An export; `-` is standard input
    file: Option<PathBuf>,

    /// Believe this public key alone, which `valetkey audit key` has printed before
    #[arg(long, value_name = "HEX")]
    key: Option<String>,

    #[command(flatten)]
    connection: Connection,
}

impl Verify {
    fn run(self) -> anyhow::Result<()> {
        let proved = match &self.file {
            Some(file) if file.as_os_str() == "-" => self.check(io::stdin().lock()),
            Some(file) => {
                let opened = File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
                self.check(BufReader::new(opened))
            }
            None => self.check(BufReader::new(self.connection.client()?.audit_export(0)?)),
        }?;
        let Verified { chain, first, sealed, last, key_id, public } = proved;
        output::line(&format!("{chain}: rows {first} to {sealed} are whole, sealed by {key_id} ({public})"))?;
        if last > sealed {
            output::note(&format!("rows {} to {last} are whole, but no checkpoint seals them yet", sealed + 1));
        }
        if self.key.is_none() {
            output::note("the key is the one that the export names: compare it with what `valetkey audit key` printed before");
        }
        Ok(())
    }

    fn check(&self, mut reader: impl BufRead) -> anyhow::Result<Verified> {
        let told = |broken: Broken| CliError::failed(format!("the audit is not whole: {broken}"));
        let mut verifier = Verifier::new(self.key.clone());
        while let Some(line) = next_line(&mut reader)? {
            verifier.line(&line).map_err(told)?;
        }
        Ok(verifier.finish().map_err(told)?)
    }
}

/// The next line, without its end.
fn next_line(reader: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let n = reader.take(MAX_LINE_BYTES).read_line(&mut line).map_err(|error| broke_off(&error))?;
    Ok((n > 0).then(|| line.trim_end_matches('\n').to_owned()))
}

fn broke_off(error: &io::Error) -> CliError {
    CliError::failed(format!("the export broke off: {}", io_reason(error)))
}

/// Erase an address, a user agent or a label from all rows
///
/// For good. The rows stay, and can be verified as before. Prints from how many it was erased.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey audit erase --address 192.0.2.1\n  valetkey audit erase --label 'Jane Doe'")]
#[group(id = "erasure", required = true, multiple = false, args = ["address", "user_agent", "label"])]
pub(crate) struct Erase {
    /// A client address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,

    /// A user agent, whole
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,

    /// A label, whole
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    #[command(flatten)]
    connection: Connection,
}

impl Erase {
    fn run(self) -> anyhow::Result<()> {
        let erasure = match (self.address, self.user_agent, self.label) {
            (Some(address), ..) => json!({ "address": address }),
            (_, Some(user_agent), _) => json!({ "user_agent": user_agent }),
            (_, _, label) => json!({ "label": label }),
        };
        let erased = self.connection.client()?.erase_from_audit(&erasure)?;
        output::line(&erased.to_string())
    }
}

/// Print the public keys that seal the audit, the newest last
///
/// Keep them where whoever could rewrite the audit does not reach them.
#[derive(Args)]
pub(crate) struct Key {
    #[command(flatten)]
    connection: Connection,
}

impl Key {
    fn run(self) -> anyhow::Result<()> {
        let mut lines = Lines::new();
        for key in self.connection.client()?.audit_keys()? {
            let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            lines.line(&format!("{}  {}  {}", text("id"), text("public"), text("created_at")))?;
        }
        lines.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_short() {
        let check = |row: Value, expected: &str| assert_eq!(in_short(&row), expected);
        check(
            json!({
                "seq": 7,
                "row": {
                    "at": "2026-11-21T15:26:12.000042Z", "action": "url.redeem", "outcome": "delivered", "n_requests": 3,
                    "bytes": 30, "bucket": "reports", "key": "q3.pdf", "principal": "app", "link_id": "lnk_x",
                },
                "personal": {"address": {"salt": "00", "value": "192.0.2.1"}},
            }),
            "2026-11-21T15:26:12.000042Z  url.redeem         delivered     3x  30 B  reports/q3.pdf  app  lnk_x  192.0.2.1",
        );
        check(
            json!({"row": {"at": "2026-11-21T15:26:12.000042Z", "action": "tenant.create", "outcome": "done", "subject": "acme"}}),
            "2026-11-21T15:26:12.000042Z  tenant.create      done          acme",
        );
    }
}
