//! `valetkey revoke`: signed URLs are taken back.

use crate::client::Connection;
use crate::error::CliError;
use clap::Args;
use valetkey_model::LinkId;

/// Take signed URLs back
///
/// From now on they are refused, in either form and whatever is left of them. There is no way back.
#[derive(Args)]
#[command(after_help = "A link id is printed by `valetkey sign --json`:\n  \
    valetkey sign reports/q3.pdf --json | jq -r .link_id")]
pub(crate) struct Revoke {
    /// The link ids: `lnk_` and 22 characters
    #[arg(required = true, value_name = "LINK_ID")]
    link_ids: Vec<String>,

    #[command(flatten)]
    connection: Connection,
}

impl Revoke {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let link_ids = self.link_ids.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
        self.connection.client()?.revoke(&link_ids)
    }
}

/// What is no link id is likely to be a signed URL: a secret, not to be repeated.
pub(super) fn parse(text: &str) -> Result<LinkId, CliError> {
    text.parse().map_err(|_| {
        let found = if text.contains("://") { "a URL" } else { "something else" };
        CliError::usage(format!("expected a link id, `lnk_` and 22 characters, found {found}"))
            .with_hint("a link id is printed with the URL by `valetkey sign --json`")
    })
}
