//! `valetkey revoke`: signed URLs are taken back.

use crate::client::Connection;
use crate::error::CliError;
use crate::object_path::{ObjectPath, PrefixPath};
use crate::output;
use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};
use valetkey_model::{ApiKeyId, LinkId, SigningKeyId};

/// Take signed URLs back
///
/// From now on they are refused, in either form and whatever is left of them. There is no way back. By their link ids, or all that
/// have something in common and were issued until now; what is issued afterwards works.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["link_ids", "label", "object", "prefix", "api_key", "signing_key", "all"])),
    after_help = "A link id is printed by `valetkey sign --json` and `valetkey links`:\n  \
        valetkey sign reports/q3.pdf --json | jq -r .link_id\n\n\
        Examples:\n  valetkey revoke lnk_BwcHBwcHBwcHBwcHBwcHBw\n  valetkey revoke --label q3-mailing --cut\n  \
        valetkey revoke --prefix reports/2026/ --issued-before 2026-07-01T00:00:00Z"
)]
pub(crate) struct Revoke {
    /// The link ids: `lnk_` and 22 characters
    #[arg(value_name = "LINK_ID")]
    link_ids: Vec<String>,

    /// All URLs with this label
    #[arg(long)]
    label: Option<String>,

    /// All URLs as far as they are used for this object
    #[arg(long, value_name = "BUCKET/OBJECT KEY")]
    object: Option<ObjectPath>,

    /// All URLs as far as they are used for what is in this folder; without a folder, in the bucket
    #[arg(long, value_name = "BUCKET/FOLDER/")]
    prefix: Option<PrefixPath>,

    /// All URLs that this API key issued, here or offline. Takes the scope `admin`
    #[arg(long, value_name = "ID")]
    api_key: Option<ApiKeyId>,

    /// All URLs that this signing key signed. Takes the scope `admin`
    #[arg(long, value_name = "KID")]
    signing_key: Option<SigningKeyId>,

    /// All URLs of the tenant. Takes the scope `admin`
    #[arg(long)]
    all: bool,

    /// Only those issued until then, such as `2026-07-01T00:00:00Z`
    #[arg(long, value_name = "INSTANT", conflicts_with = "link_ids")]
    issued_before: Option<String>,

    /// End transfers under way, too; otherwise they may finish
    #[arg(long)]
    cut: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Revoke {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut body = Map::new();
        let mut say = |field: &str, value: Value| body.insert(field.to_owned(), value);
        if !self.link_ids.is_empty() {
            let link_ids = self.link_ids.iter().map(|text| link_id(text)).collect::<Result<Vec<_>, _>>()?;
            say("link_ids", json!(link_ids));
        }
        if let Some(label) = &self.label {
            say("label", json!(label));
        }
        if let Some(ObjectPath { bucket, key }) = &self.object {
            say("bucket", json!(bucket));
            say("key", json!(key));
        }
        if let Some(PrefixPath { bucket, prefix }) = &self.prefix {
            say("bucket", json!(bucket));
            say("prefix", json!(prefix));
        }
        if let Some(id) = &self.api_key {
            say("api_key", json!(id));
        }
        if let Some(kid) = &self.signing_key {
            say("signing_key", json!(kid));
        }
        if self.all {
            say("all", json!(true));
        }
        if let Some(instant) = &self.issued_before {
            say("issued_before", json!(instant));
        }
        if self.cut {
            say("cut", json!(true));
        }
        let revoked = self.connection.client()?.revoke(&Value::Object(body))?;
        if self.cut {
            output::note(&format!("transfers under way that were ended: {}", revoked["n_cut"]));
        }
        Ok(())
    }
}

/// What is no link id is likely to be a signed URL: a secret, not to be repeated.
pub(crate) fn link_id(text: &str) -> Result<LinkId, CliError> {
    text.parse().map_err(|_| {
        let found = if text.contains("://") { "a URL" } else { "something else" };
        CliError::usage(format!("expected a link id, `lnk_` and 22 characters, found {found}"))
            .with_hint("a link id is printed with the URL by `valetkey sign --json`")
    })
}
