//! `valetkey serve`: the server.
use clap::Args;
/// Run the server
#[derive(Args)]
pub(crate) struct Serve {}
impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
