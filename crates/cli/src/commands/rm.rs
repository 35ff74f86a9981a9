//! `valetkey rm`: objects go, and their signed URLs with them.

use crate::client::Connection;
use crate::error::each;
use crate::object_path::ObjectPath;
use clap::Args;

/// Delete objects
///
/// The signed URLs of a deleted object stop working for good, even if an object of the same key is stored again.
#[derive(Args)]
pub(crate) struct Rm {
    /// The objects' paths
    #[arg(required = true, value_name = "BUCKET/KEY")]
    paths: Vec<ObjectPath>,

    #[command(flatten)]
    connection: Connection,
}

impl Rm {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        each(&self.paths, |path| client.delete_object(path))
    }
}
