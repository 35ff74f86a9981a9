//! `valetkey ls`: what is in a bucket, or which buckets there are.

use crate::client::{Connection, Object, described};
use crate::commands::bucket::list_buckets;
use crate::object_path::PrefixPath;
use crate::output::Lines;
use clap::Args;

/// List objects, or buckets
///
/// One to a line, as `BUCKET/KEY`, ready for the other commands; without a path, the buckets. Every page is fetched.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey ls\n  valetkey ls reports/2024/\n  valetkey ls --json reports | jq .size_bytes")]
pub(crate) struct Ls {
    /// A bucket, or what the keys begin with
    #[arg(value_name = "BUCKET/[PREFIX]")]
    path: Option<PrefixPath>,

    /// Also size in bytes, time of the last change, media type
    #[arg(long, short, conflicts_with = "json")]
    long: bool,

    /// One JSON object to a line, as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Ls {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let Some(path) = &self.path else {
            return list_buckets(&client, self.long, self.json, "/");
        };
        let mut lines = Lines::new();
        client.each_object(path, |value| {
            if self.json {
                return lines.line(&value.to_string());
            }
            let object: Object = described(&value)?;
            let name = format!("{}/{}", path.bucket, object.key);
            match self.long {
                true => lines.line(&format!(
                    "{:>14}  {}  {:<28}  {name}",
                    object.size_bytes,
                    object.modified_at,
                    object.content_type.as_deref().unwrap_or("-")
                )),
                false => lines.line(&name),
            }
        })?;
        lines.flush()
    }
}
