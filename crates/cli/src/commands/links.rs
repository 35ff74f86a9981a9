//! `valetkey links`: which signed URLs there are, and what became of them.

use super::revoke::link_id;
use crate::client::{Connection, ListedUrl, described};
use crate::object_path::ObjectPath;
use crate::output::{self, Lines};
use clap::Args;
use std::io::IsTerminal as _;
use valetkey_http_common::path::encode_segment;
use valetkey_model::BucketName;

/// List signed URLs, of either form
///
/// Those issued here, and those signed offline from their first use on, until a month after their end; the newest first. Never the URLs
/// themselves: those were shown once.
#[derive(Args)]
#[command(
    after_help = "Columns: link id, state, permission, uses left of all, requests, last use, end, what it is for, label.\n\n\
    Examples:\n  valetkey links --state active\n  valetkey links --object reports/q3.pdf\n  \
    valetkey links --label q3-mailing --json | jq -r .link_id"
)]
pub(crate) struct Links {
    /// Only this one: `lnk_` and 22 characters
    #[arg(value_name = "LINK_ID", conflicts_with_all = ["bucket", "object", "label", "state"])]
    link_id: Option<String>,

    /// Only those for this bucket
    #[arg(long, value_name = "NAME", conflicts_with = "object")]
    bucket: Option<BucketName>,

    /// Only those for this object
    #[arg(long, value_name = "BUCKET/OBJECT KEY")]
    object: Option<ObjectPath>,

    /// Only those with this label
    #[arg(long)]
    label: Option<String>,

    /// Only those in this state
    #[arg(long, value_parser = ["active", "not_yet_valid", "expired", "revoked", "used_up"])]
    state: Option<String>,

    /// One JSON object to a line, as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Links {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        if let Some(text) = &self.link_id {
            let found = client.signed_url(&link_id(text)?)?;
            return output::line(&if self.json { found.to_string() } else { row(&described(&found)?) });
        }
        let mut lines = Lines::new();
        let mut has_heading = self.json || !std::io::stdout().is_terminal();
        client.each_signed_url(&self.query(), |value| {
            if self.json {
                return lines.line(&value.to_string());
            }
            if !std::mem::replace(&mut has_heading, true) {
                lines.line(&HEADING.map(|(name, width)| format!("{name:<width$}")).join("  "))?;
            }
            lines.line(&row(&described(&value)?))
        })?;
        lines.flush()
    }

    /// What is asked for: parameters, each followed by `&`.
    fn query(&self) -> String {
        let (bucket, key) = match &self.object {
            Some(ObjectPath { bucket, key }) => (Some(bucket.as_str()), Some(key.as_str())),
            None => (self.bucket.as_ref().map(BucketName::as_str), None),
        };
        let asked = [("bucket", bucket), ("key", key), ("label", self.label.as_deref()), ("state", self.state.as_deref())];
        let said = asked.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", encode_segment(value?))));
        said.collect()
    }
}

/// The columns and their widths.
const HEADING: [(&str, usize); 9] = [
    ("LINK ID", 26),
    ("STATE", 13),
    ("FOR", 9),
    ("USES", 7),
    ("REQUESTS", 8),
    ("LAST USE", 20),
    ("ENDS", 20),
    ("OBJECT", 24),
    ("LABEL", 5),
];

fn row(url: &ListedUrl) -> String {
    let uses = match (url.uses_left, url.uses) {
        (Some(left), Some(all)) => format!("{left}/{all}"),
        _ => "-".to_owned(),
    };
    let last_use = url.last_used_at.as_deref().map_or_else(|| "never".to_owned(), whole_seconds);
    let place = match (&url.key, &url.prefix) {
        (Some(key), _) => format!("{}/{key}", url.bucket),
        (None, prefix) => format!("{}/{}*", url.bucket, prefix.as_deref().unwrap_or_default()),
    };
    let cells = [
        url.link_id.as_str(),
        &url.state,
        &url.permission,
        &uses,
        &url.n_requests.to_string(),
        &last_use,
        &whole_seconds(&url.expires_at),
        &place,
        url.label.as_deref().unwrap_or_default(),
    ];
    let cells = cells.into_iter().zip(HEADING).map(|(cell, (_, width))| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// An instant without its fraction: `2026-01-31T08:00:00Z`.
fn whole_seconds(instant: &str) -> String {
    instant.split_once('.').map_or_else(|| instant.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}
