//! The commands, one file each: what can be said, then what it does.

mod serve;

mod put;

mod get;

mod ls;

mod rm;

mod sign;

mod revoke;

mod audit;
mod explain;
mod links;
mod reset;

mod bucket;

mod api_key;

mod signing_key;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Put(put::Put),
    Get(get::Get),
    Ls(ls::Ls),
    Rm(rm::Rm),
    Sign(sign::Sign),
    Revoke(revoke::Revoke),
    Explain(explain::Explain),
    Links(links::Links),
    Reset(reset::Reset),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    Bucket(bucket::Bucket),
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    #[command(subcommand)]
    SigningKey(signing_key::SigningKeyCommand),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Serve(command) => command.run(),
            Self::Put(command) => command.run(),
            Self::Get(command) => command.run(),
            Self::Ls(command) => command.run(),
            Self::Rm(command) => command.run(),
            Self::Sign(command) => command.run(),
            Self::Revoke(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Links(command) => command.run(),
            Self::Reset(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Bucket(command) => command.run(),
            Self::ApiKey(command) => command.run(),
            Self::SigningKey(command) => command.run(),
        }
    }
}
