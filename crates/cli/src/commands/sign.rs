//! `valetkey sign`: a URL that carries its own limited permission.

use crate::client::{Connection, SignedUrl, described};
use crate::duration;
use crate::object_path::ObjectPath;
use crate::output;
use clap::Args;
use serde::Serialize;
use std::num::NonZeroU32;
use std::time::Duration;
use valetkey_model::{Counting, Disposition, Network, Permission, PutMode};

/// Issue a signed URL for an object
///
/// Prints the URL and nothing else. Whoever has it needs no account; it can be taken back with `valetkey revoke` and the link id
/// that `--json` prints.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  valetkey sign reports/q3.pdf --expires 1h\n  valetkey sign reports/q3.pdf --uses 1 --link\n  \
    valetkey sign inbox/scan.pdf --write --max-bytes 10000000"
)]
pub(crate) struct Sign {
    /// The object's path
    #[arg(value_name = "BUCKET/KEY")]
    path: ObjectPath,

    /// How long it works: `90s`, `15m`, `1h`, `7d`, `1h30m`; the server's default if left out
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expires: Option<Duration>,

    /// How many complete downloads or uploads it is good for; downloads are unlimited if left out
    #[arg(long, value_name = "N")]
    uses: Option<NonZeroU32>,

    /// When a use counts: `completed`, once the whole file was sent, or `started`, with the first byte
    #[arg(long, value_name = "WHEN", value_parser = counting, requires = "uses", conflicts_with = "write")]
    count: Option<Counting>,

    /// For uploading instead of downloading; creates only, unless `--replace` is given
    #[arg(long)]
    write: bool,

    /// The short form, for a message or a QR code: a random secret instead of a token
    #[arg(long)]
    link: bool,

    /// Show it in the browser instead of saving it
    #[arg(long, conflicts_with = "write")]
    view: bool,

    /// The name it is saved under, instead of the object's
    #[arg(long, value_name = "NAME", conflicts_with = "write")]
    filename: Option<String>,

    /// The media type to answer with; with `--write`, the only one that is taken, such as `image/png` or `image/*`
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// Work only from this address or block; may be repeated, or separated by commas
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    address: Vec<Network>,

    /// The largest upload that is taken, in bytes
    #[arg(long, value_name = "BYTES", requires = "write")]
    max_bytes: Option<u64>,

    /// The upload may replace an object that is there already
    #[arg(long, requires = "write")]
    replace: bool,

    /// Print the same URL again throughout a window of this length, from `1m` to `1d`, so that browsers and caches know it; it then
    /// lives from the beginning of the window until `--expires` after its end
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with_all = ["uses", "write"])]
    stable_window: Option<Duration>,

    /// A word of yours, to find the URL again
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    /// Print the server's whole answer: URL, link id, expiry and headers to send
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// The body of `POST /vk/v1/signed-urls`; what is left out is the server's default.
#[derive(Serialize)]
struct Terms<'a> {
    bucket: &'a str,
    key: &'a str,
    permission: Permission,
    form: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Counting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<Disposition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    addresses: &'a [Network],
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Rules<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stable_window_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Rules<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<PutMode>,
}

impl Sign {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let issued = self.connection.client()?.sign(&self.terms(), &self.path)?;
        if self.json {
            return output::line(&issued.to_string());
        }
        let signed: SignedUrl = described(&issued)?;
        output::line(&signed.url)
    }

    fn terms(&self) -> Terms<'_> {
        let content_type = self.content_type.as_deref();
        let rules = Rules {
            max_bytes: self.max_bytes,
            types: content_type.map(|content_type| [content_type]),
            mode: self.replace.then_some(PutMode::Replace),
        };
        let has_rules = rules.max_bytes.is_some() || rules.types.is_some() || rules.mode.is_some();
        Terms {
            bucket: self.path.bucket.as_str(),
            key: self.path.key.as_str(),
            permission: if self.write { Permission::Write } else { Permission::Read },
            form: if self.link { "link" } else { "token" },
            expires_in_seconds: self.expires.map(|expires| expires.as_secs()),
            uses: self.uses,
            count: self.count,
            disposition: self.view.then_some(Disposition::Inline),
            filename: self.filename.as_deref(),
            content_type: content_type.filter(|_| !self.write),
            addresses: &self.address,
            upload: (self.write && has_rules).then_some(rules),
            label: self.label.as_deref(),
            stable_window_seconds: self.stable_window.map(|window| window.as_secs()),
        }
    }
}

fn counting(text: &str) -> Result<Counting, String> {
    match text {
        "completed" => Ok(Counting::Completed),
        "started" => Ok(Counting::Started),
        other => Err(format!("expected `completed` or `started`, found `{other}`")),
    }
}
