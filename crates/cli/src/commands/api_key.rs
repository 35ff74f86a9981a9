//! `valetkey api-key`: credentials come, change and go.

use crate::client::{ApiKey, Connection, IssuedApiKey, described};
use crate::error::{CliError, each};
use crate::output::{self, Lines};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use valetkey_model::{ApiKeyId, BucketName, Scopes, SecretText};

/// Create, list, change and end API keys
///
/// For administrators: VALETKEY_API_KEY must have the scope `admin`.
#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    Create(Create),
    #[command(visible_alias = "ls")]
    List(List),
    Update(Update),
    Rotate(Rotate),
    Disable(Disable),
    Enable(Enable),
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

impl ApiKeyCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Update(command) => command.run(),
            Self::Rotate(command) => command.run(),
            Self::Disable(command) => command.of.set_disabled(true),
            Self::Enable(command) => command.of.set_disabled(false),
            Self::Delete(command) => command.run(),
        }
    }
}

/// Create an API key
///
/// Prints its secret and nothing else to standard output: it is stored nowhere, and never shown again.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey api-key create backend --scope object:read,link:issue\n  \
    valetkey api-key create --scope '*' --bucket reports > backend.key")]
pub(crate) struct Create {
    /// Its id, unique in the installation; a random one if left out
    id: Option<ApiKeyId>,

    /// What it may do; may be repeated, or separated by commas. `*` is all but `admin`
    #[arg(long, value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = scope)]
    scope: Vec<Scopes>,

    /// The only buckets it may use; may be repeated, or separated by commas. All of them if left out
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    bucket: Vec<BucketName>,

    /// When it stops working by itself, such as `2027-01-31T00:00:00Z`
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<String>,

    /// Let it be used by the fixed value in FILE, too: 16 characters or more on one line
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,

    /// Print the server's whole answer instead, the secret in it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct NewApiKey<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a ApiKeyId>,
    scopes: Scopes,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    buckets: &'a [BucketName],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer: Option<&'a str>,
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let bearer = self.bearer_file.as_deref().map(first_line).transpose()?;
        let new = NewApiKey {
            id: self.id.as_ref(),
            scopes: all_of(&self.scope),
            buckets: &self.bucket,
            expires_at: self.expires_at.as_deref(),
            bearer: bearer.as_ref().map(SecretText::expose),
        };
        let issued = self.connection.client()?.create_api_key(&new, self.id.as_ref())?;
        show(&issued, self.json, "made")
    }
}

/// List the API keys
#[derive(Args)]
pub(crate) struct List {
    /// Also time of creation, whether it works, its end, scopes and buckets
    #[arg(long, short, conflicts_with = "json")]
    long: bool,

    /// One JSON object to a line, as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let mut lines = Lines::new();
        self.connection.client()?.each_api_key(|value| {
            if self.json {
                return lines.line(&value.to_string());
            }
            let key: ApiKey = described(&value)?;
            if !self.long {
                return lines.line(&key.id);
            }
            let state = if key.disabled_at.is_some() { "disabled" } else { "enabled" };
            let ends = key.expires_at.as_deref().unwrap_or("never");
            let buckets = if key.buckets.is_empty() { "*".to_owned() } else { key.buckets.join(",") };
            let (scopes, id) = (key.scopes.join(","), key.id);
            lines.line(&format!("{}  {state:<8}  {ends:<20}  {id:<20}  {scopes}  {buckets}", key.created_at))
        })?;
        lines.flush()
    }
}

/// Change what an API key may do
///
/// What is left out stays. Its URLs are worth from now on what it is worth.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey api-key update backend --scope object:read\n  \
    valetkey api-key update backend --bucket reports --expires-at 2027-01-31T00:00:00Z")]
pub(crate) struct Update {
    /// Its id
    id: ApiKeyId,

    /// What it may do, and nothing else; may be repeated, or separated by commas
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', value_parser = scope)]
    scope: Vec<Scopes>,

    /// The only buckets it may use; may be repeated, or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    bucket: Vec<BucketName>,

    /// It may use every bucket
    #[arg(long, conflicts_with = "bucket")]
    all_buckets: bool,

    /// When it stops working by itself, such as `2027-01-31T00:00:00Z`
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<String>,

    /// It does not stop working by itself
    #[arg(long, conflicts_with = "expires_at")]
    never_expires: bool,

    /// Print the key as the server describes it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Update {
    fn run(self) -> anyhow::Result<()> {
        let mut change = Map::new();
        if !self.scope.is_empty() {
            change.insert("scopes".to_owned(), json!(all_of(&self.scope)));
        }
        if self.all_buckets || !self.bucket.is_empty() {
            change.insert("buckets".to_owned(), json!(self.bucket));
        }
        if self.never_expires || self.expires_at.is_some() {
            change.insert("expires_at".to_owned(), json!(self.expires_at));
        }
        if change.is_empty() {
            return Err(CliError::usage("expected something to change, found nothing")
                .with_hint("`valetkey api-key update --help` tells what can be changed")
                .into());
        }
        let changed = self.connection.client()?.update_api_key(&self.id, &Value::Object(change))?;
        if self.json { output::line(&changed.to_string()) } else { Ok(()) }
    }
}

/// Give an API key another secret
///
/// Prints the secret and nothing else to standard output. The old one stops at once, and with it the access tokens that were
/// given for the key. Signed URLs stay as they are.
#[derive(Args)]
pub(crate) struct Rotate {
    /// Its id
    id: ApiKeyId,

    /// Print the server's whole answer instead, the secret in it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Rotate {
    fn run(self) -> anyhow::Result<()> {
        let issued = self.connection.client()?.rotate_api_key(&self.id)?;
        show(&issued, self.json, "changed")
    }
}

/// Switch API keys off, and their signed URLs with them
///
/// `valetkey api-key enable` switches them on again.
#[derive(Args)]
pub(crate) struct Disable {
    #[command(flatten)]
    of: Switched,
}

/// Switch API keys on again
#[derive(Args)]
pub(crate) struct Enable {
    #[command(flatten)]
    of: Switched,
}

#[derive(Args)]
struct Switched {
    /// Their ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<ApiKeyId>,

    #[command(flatten)]
    connection: Connection,
}

impl Switched {
    fn set_disabled(self, disabled: bool) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        each(&self.ids, |id| client.update_api_key(id, &json!({ "disabled": disabled })).map(drop))
    }
}

/// End API keys for good, and their signed URLs with them
///
/// Nobody gets their ids again, so that what is dead stays dead.
#[derive(Args)]
pub(crate) struct Delete {
    /// Their ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<ApiKeyId>,

    #[command(flatten)]
    connection: Connection,
}

impl Delete {
    fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        each(&self.ids, |id| client.delete_api_key(id))
    }
}

/// The secret alone, or the whole answer.
fn show(issued: &Value, json: bool, done: &str) -> anyhow::Result<()> {
    if json {
        return output::line(&issued.to_string());
    }
    let key: IssuedApiKey = described(issued)?;
    output::note(&format!("API key `{}` was {done}; this is its secret, which is not shown again:", key.id));
    output::line(&key.secret)
}

fn scope(text: &str) -> Result<Scopes, String> {
    let scopes = text.parse::<Scopes>().map_err(|error| error.to_string())?;
    if scopes == Scopes::NONE { Err("expected a scope".to_owned()) } else { Ok(scopes) }
}

fn all_of(scopes: &[Scopes]) -> Scopes {
    scopes.iter().copied().flat_map(Scopes::iter).collect()
}

fn first_line(file: &Path) -> anyhow::Result<SecretText> {
    let text = std::fs::read_to_string(file).map(SecretText::new);
    let text = text.with_context(|| format!("cannot read the bearer file `{}`", file.display()))?;
    let line = text.expose().lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(CliError::usage(format!("the bearer file `{}` is empty: expected a value", file.display())).into());
    }
    Ok(SecretText::new(line))
}
