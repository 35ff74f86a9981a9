//! `valetkey reset`: every use of a URL is there again.

use crate::client::Connection;
use crate::commands::revoke;
use clap::Args;

/// Make all uses of a signed URL available again
///
/// For somebody whose one download went wrong for good. Downloads under way go on, and take none of the new uses.
#[derive(Args)]
#[command(after_help = "A link id is printed by `valetkey sign --json`:\n  valetkey reset lnk_BwcHBwcHBwcHBwcHBwcHBw")]
pub(crate) struct Reset {
    /// The link id: `lnk_` and 22 characters
    #[arg(value_name = "LINK_ID")]
    link_id: String,

    #[command(flatten)]
    connection: Connection,
}

impl Reset {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let link_id = revoke::link_id(&self.link_id)?;
        self.connection.client()?.reset_uses(&link_id)
    }
}
