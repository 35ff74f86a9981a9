//! `valetkey signing-key`: the keys that sign tokens come and go.

use crate::client::{Connection, IssuedSigningKey, SigningKey, described};
use crate::duration;
use crate::error::each;
use crate::output::{self, Lines};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use valetkey_model::{BucketName, Secret, SecretText, SigningKeyId};

/// Create, list, retire and revoke signing keys
///
/// To rotate: create a second key, retire the first, and revoke it once what it signed has expired. For administrators:
/// VALETKEY_API_KEY must have the scope `admin`.
#[derive(Subcommand)]
pub(crate) enum SigningKeyCommand {
    Create(Create),
    #[command(visible_alias = "ls")]
    List(List),
    Retire(Retire),
    Activate(Activate),
    Revoke(Revoke),
}

impl SigningKeyCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Retire(command) => command.of.put_into("verify-only"),
            Self::Activate(command) => command.of.put_into("active"),
            Self::Revoke(command) => command.of.put_into("revoked"),
        }
    }
}

/// Create a signing key, which signs from now on
///
/// Prints its secret, in base64url, and nothing else to standard output, if it was made here for an API key: it is never shown
/// again. A key of the server keeps its secret to itself, and its id is printed.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey signing-key create\n  \
    valetkey signing-key create app-1 --owner backend --bucket reports --max-lifetime 1h > app-1.key")]
pub(crate) struct Create {
    /// Its id, the `kid` of its tokens, unique in the installation; a random one if left out
    kid: Option<SigningKeyId>,

    /// In whose name it signs: `server`, or the id of an API key
    #[arg(long, value_name = "OWNER", default_value = "server")]
    owner: String,

    /// The bytes of FILE are its secret, 32 or more; random ones if left out
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// The longest life of its tokens, up to 400 days; 7 days if left out
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    max_lifetime: Option<Duration>,

    /// The only buckets that its tokens may be for; may be repeated, or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    bucket: Vec<BucketName>,

    /// The only beginnings of object keys that its tokens may be for, such as `2026/`; may be repeated
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,

    /// The most that its tokens may permit
    #[arg(long, value_parser = ["read", "write", "readwrite"])]
    permission: Option<String>,

    /// Print the server's whole answer instead
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct NewSigningKey<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a SigningKeyId>,
    algorithm: &'static str,
    owner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_lifetime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    buckets: &'a [BucketName],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    prefixes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a str>,
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let secret = match &self.secret_file {
            Some(file) => {
                let bytes = std::fs::read(file).with_context(|| format!("cannot read the secret file `{}`", file.display()))?;
                Some(SecretText::new(URL_SAFE_NO_PAD.encode(Secret::new(bytes).expose())))
            }
            None => None,
        };
        let new = NewSigningKey {
            kid: self.kid.as_ref(),
            algorithm: "HS256",
            owner: &self.owner,
            secret: secret.as_ref().map(SecretText::expose),
            max_lifetime_seconds: self.max_lifetime.map(|lifetime| lifetime.as_secs()),
            buckets: &self.bucket,
            prefixes: &self.prefix,
            permission: self.permission.as_deref(),
        };
        let issued = self.connection.client()?.create_signing_key(&new, self.kid.as_ref())?;
        if self.json {
            return output::line(&issued.to_string());
        }
        let key: IssuedSigningKey = described(&issued)?;
        let Some(secret) = key.secret else { return output::line(&key.kid) };
        output::note(&format!("signing key `{}` was made; this is its secret, which is not shown again:", key.kid));
        output::line(&secret)
    }
}

/// List the signing keys
#[derive(Args)]
pub(crate) struct List {
    /// Also time of creation, state, owner and longest life
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
        self.connection.client()?.each_signing_key(|value| {
            if self.json {
                return lines.line(&value.to_string());
            }
            let key: SigningKey = described(&value)?;
            if !self.long {
                return lines.line(&key.kid);
            }
            let SigningKey { kid, owner, state, max_lifetime_seconds, created_at } = key;
            lines.line(&format!("{created_at}  {state:<11}  {max_lifetime_seconds:>8} s  {owner:<20}  {kid}"))
        })?;
        lines.flush()
    }
}

/// Let signing keys verify, and sign nothing new
///
/// What they signed works on.
#[derive(Args)]
pub(crate) struct Retire {
    #[command(flatten)]
    of: Keys,
}

/// Let retired signing keys sign again
#[derive(Args)]
pub(crate) struct Activate {
    #[command(flatten)]
    of: Keys,
}

/// Take back everything that signing keys have signed
///
/// At once and for good: there is no way back.
#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    of: Keys,
}

#[derive(Args)]
struct Keys {
    /// Their ids
    #[arg(required = true, value_name = "KID")]
    kids: Vec<SigningKeyId>,

    #[command(flatten)]
    connection: Connection,
}

impl Keys {
    fn put_into(self, state: &str) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        each(&self.kids, |kid| client.set_signing_key_state(kid, state))
    }
}
