//! `valetkey bucket`: buckets come, change and go.

use crate::client::{self, Client, Connection, NewBucket, described};
use crate::error::each;
use crate::output::{self, Lines};
use clap::{ArgGroup, Args, Subcommand};
use valetkey_model::{BucketName, Region};

/// Create, list, change and delete buckets
#[derive(Subcommand)]
pub(crate) enum Bucket {
    Create(Create),
    #[command(visible_alias = "list")]
    Ls(Ls),
    Update(Update),
    #[command(visible_alias = "delete")]
    Rm(Rm),
}

impl Bucket {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(),
            Self::Ls(command) => command.run(),
            Self::Update(command) => command.run(),
            Self::Rm(command) => command.run(),
        }
    }
}

/// Create a bucket
///
/// Prints its name.
#[derive(Args)]
pub(crate) struct Create {
    /// 3 to 128 lower-case letters, digits, `-`, `_` or `.`
    name: BucketName,

    /// Where the bucket is said to be; chooses the public URL
    #[arg(long)]
    region: Option<Region>,

    /// How long objects are kept: `transient` is 24 hours, `temporary` 30 days
    #[arg(long, value_parser = ["persistent", "transient", "temporary"])]
    retention: Option<String>,

    /// Objects can be read without a credential
    #[arg(long)]
    public: bool,

    /// Print the bucket as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let created = self.connection.client()?.create_bucket(&NewBucket {
            name: &self.name,
            region: self.region.as_ref().map(Region::as_str),
            retention: self.retention.as_deref(),
            public: self.public,
        })?;
        output::line(&if self.json { created.to_string() } else { self.name.to_string() })
    }
}

/// List the buckets
#[derive(Args)]
pub(crate) struct Ls {
    /// Also time of creation, retention, region, whether it is public
    #[arg(long, short, conflicts_with = "json")]
    long: bool,

    /// One JSON object to a line, as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Ls {
    fn run(self) -> anyhow::Result<()> {
        list_buckets(&self.connection.client()?, self.long, self.json, "")
    }
}

/// Every bucket on a line of its own, its name followed by `suffix`.
pub(crate) fn list_buckets(client: &Client, long: bool, json: bool, suffix: &str) -> anyhow::Result<()> {
    let mut lines = Lines::new();
    client.each_bucket(|value| {
        if json {
            return lines.line(&value.to_string());
        }
        let bucket: client::Bucket = described(&value)?;
        let name = format!("{}{suffix}", bucket.name);
        if !long {
            return lines.line(&name);
        }
        let access = if bucket.public { "public" } else { "private" };
        lines.line(&format!("{}  {:<10}  {access:<7}  {:<6}  {name}", bucket.created_at, bucket.retention, bucket.region))
    })?;
    lines.flush()
}

/// Make a bucket public, or private again
///
/// The key in VALETKEY_API_KEY must have the scope `admin`.
#[derive(Args)]
#[command(group(ArgGroup::new("access").required(true).args(["public", "private"])))]
pub(crate) struct Update {
    /// The bucket's name
    name: BucketName,

    /// Objects can be read without a credential
    #[arg(long)]
    public: bool,

    /// Objects can be read by the tenant's API keys and signed URLs alone
    #[arg(long)]
    private: bool,

    /// Print the bucket as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Update {
    fn run(self) -> anyhow::Result<()> {
        let changed = self.connection.client()?.update_bucket(&self.name, self.public)?;
        if self.json { output::line(&changed.to_string()) } else { Ok(()) }
    }
}

/// Delete empty buckets
#[derive(Args)]
pub(crate) struct Rm {
    /// The buckets' names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<BucketName>,

    #[command(flatten)]
    connection: Connection,
}

impl Rm {
    fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        each(&self.names, |name| client.delete_bucket(name))
    }
}
