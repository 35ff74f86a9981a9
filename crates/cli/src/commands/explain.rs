//! `valetkey explain`: why a signed URL works, or does not.

use crate::client::{Connection, described};
use crate::error::CliError;
use crate::output::{self, Lines};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::net::IpAddr;

/// The longest URL that is read from standard input.
const MAX_URL_BYTES: u64 = 64 * 1024;

/// Say why a signed URL works, or does not
///
/// Every check is listed in its order, with the first that fails and what would mend it. Nothing is used up by asking. The URL must
/// be of your own tenant. The exit code is 0 if it would work and 1 if not.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey explain 'http://127.0.0.1:8080/l/…'\n  \
    valetkey explain --method PUT --from 192.0.2.7 - < url.txt")]
pub(crate) struct Explain {
    /// The URL, whole as it was handed out; `-` reads it from standard input, where no other process can see it
    #[arg(value_name = "URL")]
    signed_url: String,

    /// Try it with this method; what the URL is for if left out
    #[arg(long, value_name = "METHOD", ignore_case = true, value_parser = ["GET", "HEAD", "PUT"])]
    method: Option<String>,

    /// Try it from this address; from the one that the server sees if left out
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,

    /// Try it as of this instant, such as `2027-01-15T08:00:00Z`
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// Print the server's whole answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// The body of `POST /vk/v1/explain`.
#[derive(Serialize)]
struct Question<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
}

#[derive(Deserialize)]
struct Explanation {
    works: bool,
    refusal: Option<String>,
    detail: Option<String>,
    mend: Option<String>,
    own_host: bool,
    tried_as: Option<Map<String, Value>>,
    checks: Vec<Check>,
    facts: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Check {
    check: String,
    outcome: String,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let url = if self.signed_url == "-" { from_standard_input()? } else { self.signed_url.clone() };
        let question = Question {
            url: url.trim(),
            method: self.method.as_ref().map(|method| method.to_ascii_uppercase()),
            client_address: self.from,
            at: self.at.as_deref(),
        };
        let answer = self.connection.client()?.explain(&question)?;
        let explanation: Explanation = described(&answer)?;
        if self.json {
            output::line(&answer.to_string())?;
        } else {
            explanation.print()?;
        }
        if explanation.works {
            return Ok(());
        }
        let refusal = explanation.refusal.unwrap_or_default();
        Err(CliError::failed(format!("the URL would be refused: {refusal}")).with_hint_if_any(explanation.mend).into())
    }
}

fn from_standard_input() -> anyhow::Result<String> {
    let mut url = String::new();
    let read = std::io::stdin().take(MAX_URL_BYTES).read_to_string(&mut url);
    read.map_err(|error| CliError::failed(format!("cannot read the URL from standard input: {error}")))?;
    Ok(url)
}

impl Explanation {
    fn print(&self) -> anyhow::Result<()> {
        let mut lines = Lines::new();
        for Check { check, outcome } in &self.checks {
            let mark = mark(outcome);
            let found = self.detail.as_deref().filter(|_| outcome == "failed");
            match found {
                Some(found) => lines.line(&format!("{mark} {check:<18} {found}"))?,
                None => lines.line(&format!("{mark} {check}"))?,
            }
        }
        for group in [&self.tried_as, &self.facts].into_iter().flatten() {
            lines.line("")?;
            for (name, value) in group {
                if let Some(shown) = shown(value) {
                    lines.line(&format!("{name:<18} {shown}"))?;
                }
            }
        }
        if !self.own_host {
            lines.line("")?;
            lines.line("The URL begins with the name of another server; what is said here is of this one's.")?;
        }
        lines.flush()
    }
}

fn mark(outcome: &str) -> char {
    match outcome {
        "passed" => '✓',
        "failed" => '✗',
        _ => '·',
    }
}

/// A fact for people; `None` for what is not there.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_for_people() {
        for (value, expected) in [
            (json!(null), None),
            (json!([]), None),
            (json!("x"), Some("x")),
            (json!(3), Some("3")),
            (json!(false), Some("false")),
            (json!(["192.0.2.0/24", "::1/128"]), Some("192.0.2.0/24, ::1/128")),
        ] {
            assert_eq!(shown(&value).as_deref(), expected);
        }
    }

    #[test]
    fn marks_differ() {
        let marks = ["passed", "failed", "not_reached"].map(mark);
        assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2]);
    }
}
