//! The bootstrap file: what is to exist, as TOML.
//!
//! A file describes all that it refers to: the tenant of a key, the owner of a signing key. Every fault is reported with its
//! line, and none quotes a secret. What exists already is left as it is.

mod entry;
mod faults;

pub use self::faults::BootstrapFault;

use self::entry::Entry;
use self::faults::Faults;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use valetkey_model::{ApiKeyId, BucketName, Permission, Region, Retention, Scopes, Secret, SecretText, SigningKeyId, TenantName};
use valetkey_service::{GivenApiKey, GivenBucket, GivenSigningKey, NewBucket, Provisioning, SigningKeyLimits};

/// A bearer secret shorter than this can be guessed.
const SHORT_SECRET: usize = 16;

/// HS256 takes no shorter key.
const SHORTEST_SIGNING_KEY: usize = 32;

/// Larger files are not what they are taken for.
const MAX_FILE_BYTES: u64 = 1 << 20;

const LONGEST_TOKEN_LIFETIME: u64 = 400 * 24 * 3600;

/// A bootstrap file that was understood.
#[derive(Debug)]
pub struct Bootstrap {
    /// What is to exist.
    pub provisioning: Provisioning,
    /// What the operator should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Why a bootstrap file is of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum BootstrapError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says what cannot be.
    Faulty {
        /// The file.
        path: PathBuf,
        /// Every fault, by line; at least one.
        faults: Vec<BootstrapFault>,
    },
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "the bootstrap file `{}` cannot be read", path.display()),
            Self::Faulty { path, faults } => {
                write!(f, "the bootstrap file `{}` cannot be used", path.display())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for BootstrapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Faulty { .. } => None,
        }
    }
}

/// Reads a bootstrap file, and the files of secrets that it names (relative to its own directory). `is_loopback`: the server can
/// be reached from this machine alone, so that short secrets are tolerated.
///
/// # Errors
///
/// As [`BootstrapError`] says.
pub fn read(path: &Path, is_loopback: bool) -> Result<Bootstrap, BootstrapError> {
    let unreadable = |source| BootstrapError::Unreadable { path: path.to_owned(), source };
    let bytes = read_bounded(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(io::Error::other("it is not UTF-8")))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    parse(&text, directory, is_loopback).map_err(|faults| BootstrapError::Faulty { path: path.to_owned(), faults })
}

fn parse(text: &str, directory: &Path, is_loopback: bool) -> Result<Bootstrap, Vec<BootstrapFault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults = Faults::new(text);
    for error in errors {
        // Its `Display` would quote the line, and with it perhaps a secret.
        faults.add(error.span().unwrap_or_default().start, error.message().to_owned());
    }
    faults.none_so_far()?;
    let mut reader = Reader {
        directory,
        is_loopback,
        faults,
        warnings: Vec::new(),
        tenants: BTreeMap::new(),
        owners: BTreeMap::new(),
        credentials: BTreeMap::new(),
    };
    let provisioning = reader.document(document.into_inner());
    reader.faults.none_so_far()?;
    Ok(Bootstrap { provisioning, warnings: reader.warnings })
}

struct Reader<'a> {
    directory: &'a Path,
    is_loopback: bool,
    faults: Faults<'a>,
    warnings: Vec<String>,
    /// The tenants declared, and on which line.
    tenants: BTreeMap<TenantName, usize>,
    /// The tenant of each API key declared, and on which line.
    owners: BTreeMap<ApiKeyId, (Option<TenantName>, usize)>,
    /// What may be presented as a credential, and on which line.
    credentials: BTreeMap<String, usize>,
}

impl<'a> Reader<'a> {
    fn document(&mut self, document: DeTable<'a>) -> Provisioning {
        let mut tables = BTreeMap::new();
        for (name, value) in document {
            match name.get_ref().as_ref() {
                "tenant" | "api_key" | "bucket" | "signing_key" => {
                    tables.insert(name.get_ref().to_string(), self.entries(name.get_ref(), value));
                }
                other => self.faults.add(
                    name.span().start,
                    format!("`{other}` is unknown: expected `[[tenant]]`, `[[api_key]]`, `[[bucket]]` or `[[signing_key]]`"),
                ),
            }
        }
        let mut entries = |name| tables.remove(name).unwrap_or_default();
        let (tenants, api_keys) = (entries("tenant"), entries("api_key"));
        let (buckets, signing_keys) = (entries("bucket"), entries("signing_key"));
        let tenants: Vec<_> = tenants.into_iter().filter_map(|entry| self.tenant(entry)).collect();
        let api_keys: Vec<_> = api_keys.into_iter().filter_map(|entry| self.api_key(entry)).collect();
        let mut known_buckets = BTreeMap::new();
        let buckets = buckets.into_iter().filter_map(|entry| self.bucket(entry, &mut known_buckets)).collect();
        let mut known_keys = BTreeMap::new();
        let signing_keys = signing_keys.into_iter().filter_map(|entry| self.signing_key(entry, &mut known_keys)).collect();
        Provisioning { tenants, api_keys, buckets, signing_keys }
    }

    fn entries(&mut self, name: &str, value: Spanned<DeValue<'a>>) -> Vec<Entry<'a>> {
        let at = value.span().start;
        let wrong = |found| format!("`{name}` is {found}: expected tables, each headed `[[{name}]]`");
        let DeValue::Array(items) = value.into_inner() else {
            self.faults.add(at, wrong("not a list"));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.into_inner() {
                DeValue::Table(table) => entries.push(Entry::new(at, table)),
                other => self.faults.add(at, wrong(other.type_str())),
            }
        }
        entries
    }

    fn tenant(&mut self, mut entry: Entry<'a>) -> Option<TenantName> {
        let name = entry.required(&mut self.faults, "name");
        let at = name.as_ref().map_or(entry.at, |(_, at)| *at);
        let name = entry.parsed(&mut self.faults, "name", name);
        entry.finish(&mut self.faults, &["name"]);
        let name: TenantName = name?;
        let line = self.faults.line(at);
        if let Some(first) = self.tenants.insert(name.clone(), line) {
            self.faults.add(at, format!("tenant `{name}` is on line {first} already"));
            return None;
        }
        Some(name)
    }

    fn api_key(&mut self, mut entry: Entry<'a>) -> Option<GivenApiKey> {
        let tenant = self.tenant_of(&mut entry);
        let id = entry.required(&mut self.faults, "id");
        let at = id.as_ref().map_or(entry.at, |(_, at)| *at);
        let id: Option<ApiKeyId> = entry.parsed(&mut self.faults, "id", id);
        let whose = id.as_ref().map_or_else(|| "an API key".to_owned(), |id| format!("API key `{id}`"));
        let secret = self.api_secret(&mut entry, &whose);
        let bearer = entry.text(&mut self.faults, "bearer");
        let bearer = bearer.map(|(text, at)| self.credential("bearer", SecretText::new(text), at, &whose));
        let scopes = self.scopes(&mut entry);
        let buckets = entry.texts(&mut self.faults, "buckets");
        let buckets = buckets.unwrap_or_default().into_iter().map(|found| entry.parsed(&mut self.faults, "buckets", Some(found)));
        let buckets: Vec<Option<BucketName>> = buckets.collect();
        let expires_at = entry.instant(&mut self.faults, "expires_at");
        entry.finish(&mut self.faults, &["tenant", "id", "secret", "secret_file", "bearer", "scopes", "buckets", "expires_at"]);
        if let Some(id) = &id {
            let line = self.faults.line(at);
            if let Some((_, first)) = self.owners.insert(id.clone(), (tenant.clone(), line)) {
                self.faults.add(at, format!("API key `{id}` is on line {first} already"));
            }
        }
        Some(GivenApiKey {
            tenant: tenant?,
            id: id?,
            secret: secret?,
            bearer: bearer.map_or(Some(None), |bearer| bearer.map(Some))?,
            scopes: scopes?,
            buckets: buckets.into_iter().collect::<Option<_>>()?,
            expires_at,
        })
    }

    fn bucket(&mut self, mut entry: Entry<'a>, known: &mut BTreeMap<BucketName, usize>) -> Option<GivenBucket> {
        let tenant = self.tenant_of(&mut entry);
        let name = entry.required(&mut self.faults, "name");
        let at = name.as_ref().map_or(entry.at, |(_, at)| *at);
        let name: Option<BucketName> = entry.parsed(&mut self.faults, "name", name);
        let region = entry.text(&mut self.faults, "region");
        let region = region.map(|found| entry.parsed::<Region>(&mut self.faults, "region", Some(found)));
        let retention = entry.text(&mut self.faults, "retention").map(|(text, at)| self.retention(&text, at));
        let public = entry.boolean(&mut self.faults, "public").unwrap_or(false);
        entry.finish(&mut self.faults, &["tenant", "name", "region", "retention", "public"]);
        if let Some(name) = &name {
            let line = self.faults.line(at);
            if let Some(first) = known.insert(name.clone(), line) {
                self.faults.add(at, format!("bucket `{name}` is on line {first} already"));
            }
        }
        let region = region.unwrap_or_else(|| Some(Region::default()))?;
        let retention = retention.unwrap_or(Some(Retention::default()))?;
        Some(GivenBucket { tenant: tenant?, bucket: NewBucket { name: name?, region, retention, public } })
    }

    fn signing_key(&mut self, mut entry: Entry<'a>, known: &mut BTreeMap<SigningKeyId, usize>) -> Option<GivenSigningKey> {
        let tenant = self.tenant_of(&mut entry);
        let id = entry.required(&mut self.faults, "kid");
        let at = id.as_ref().map_or(entry.at, |(_, at)| *at);
        let id: Option<SigningKeyId> = entry.parsed(&mut self.faults, "kid", id);
        if let Some((algorithm, at)) = entry.required(&mut self.faults, "algorithm")
            && algorithm != "HS256"
        {
            self.faults.add(at, format!("`algorithm` is `{}`: expected `HS256`", shortened(&algorithm)));
        }
        let secret = entry.required(&mut self.faults, "secret_file");
        let secret = secret.and_then(|(name, at)| self.signing_secret(&name, at));
        let owner = entry.required(&mut self.faults, "owner");
        let owner = owner.map(|(name, at)| self.owner(&name, at, tenant.as_ref()));
        let max_lifetime = self.max_lifetime(&mut entry);
        let limits = self.limits(&mut entry);
        let expected =
            ["tenant", "kid", "algorithm", "secret_file", "owner", "max_lifetime_seconds", "buckets", "prefixes", "permission"];
        entry.finish(&mut self.faults, &expected);
        if let Some(id) = &id {
            let line = self.faults.line(at);
            if let Some(first) = known.insert(id.clone(), line) {
                self.faults.add(at, format!("signing key `{id}` is on line {first} already"));
            }
        }
        Some(GivenSigningKey { tenant: tenant?, id: id?, secret: secret?, owner: owner?, max_lifetime, limits: limits? })
    }

    /// The declared tenant that an entry names.
    fn tenant_of(&mut self, entry: &mut Entry<'a>) -> Option<TenantName> {
        let found = entry.required(&mut self.faults, "tenant");
        let at = found.as_ref().map_or(entry.at, |(_, at)| *at);
        let tenant: TenantName = entry.parsed(&mut self.faults, "tenant", found)?;
        if !self.tenants.contains_key(&tenant) {
            self.faults.add(at, format!("`tenant` is `{tenant}`: expected one that this file declares as `[[tenant]]`"));
            return None;
        }
        Some(tenant)
    }

    fn api_secret(&mut self, entry: &mut Entry<'a>, whose: &str) -> Option<SecretText> {
        let secret = entry.text(&mut self.faults, "secret");
        let file = entry.text(&mut self.faults, "secret_file");
        match (secret, file) {
            (Some((text, at)), None) => self.credential("secret", SecretText::new(text), at, whose),
            (None, Some((name, at))) => {
                let bytes = self.file("secret_file", &name, at)?;
                let Ok(text) = std::str::from_utf8(bytes.expose()) else {
                    self.faults.add(at, format!("`secret_file` `{name}` does not hold text: expected a secret on one line"));
                    return None;
                };
                let line = text.strip_suffix('\n').unwrap_or(text);
                let line = line.strip_suffix('\r').unwrap_or(line);
                self.credential("secret_file", SecretText::new(line), at, whose)
            }
            (Some((_, at)), Some(_)) => {
                self.faults.add(at, "both `secret` and `secret_file` are there: expected one of them".to_owned());
                None
            }
            (None, None) => {
                if !entry.has_fault("secret") && !entry.has_fault("secret_file") {
                    self.faults.add(entry.at, "`secret` is missing: expected it, or `secret_file`".to_owned());
                }
                None
            }
        }
    }

    /// What is to be presented in an HTTP field: visible ASCII, of nobody else, and not too short.
    fn credential(&mut self, field: &str, secret: SecretText, at: usize, whose: &str) -> Option<SecretText> {
        let text = secret.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let found = if text.is_empty() { "empty" } else { "not fit for an HTTP field" };
            self.faults.add(at, format!("`{field}` is {found}: expected visible ASCII characters without spaces"));
            return None;
        }
        let line = self.faults.line(at);
        if let Some(first) = self.credentials.insert(text.to_owned(), line) {
            self.faults.add(at, format!("`{field}` is the same as the secret on line {first}: expected each to be different"));
            return None;
        }
        if text.len() < SHORT_SECRET {
            let n_bytes = text.len();
            let expected = format!("expected at least {SHORT_SECRET}");
            if !self.is_loopback {
                let why = "since the server does not listen on a loopback address";
                self.faults.add(at, format!("`{field}` has {n_bytes} bytes: {expected}, {why}"));
                return None;
            }
            self.warnings.push(format!("`{field}` of {whose} has {n_bytes} bytes: {expected}; it is let pass on loopback only"));
        }
        Some(secret)
    }

    fn scopes(&mut self, entry: &mut Entry<'a>) -> Option<Scopes> {
        let Some(words) = entry.texts(&mut self.faults, "scopes") else {
            if !entry.has_fault("scopes") {
                self.faults.add(entry.at, "`scopes` is missing: expected a list such as `[\"*\"]`".to_owned());
            }
            return None;
        };
        let one = |found| entry.parsed::<Scopes>(&mut self.faults, "scopes", Some(found));
        let each: Vec<_> = words.into_iter().map(one).collect();
        let each: Option<Vec<Scopes>> = each.into_iter().collect();
        Some(each?.into_iter().flat_map(Scopes::iter).collect())
    }

    fn retention(&mut self, text: &str, at: usize) -> Option<Retention> {
        let kinds = [Retention::Persistent, Retention::Transient, Retention::Temporary];
        let found = kinds.into_iter().find(|kind| kind.as_str() == text);
        if found.is_none() {
            let found = shortened(text);
            self.faults.add(at, format!("`retention` is `{found}`: expected `persistent`, `transient` or `temporary`"));
        }
        found
    }

    /// The raw bytes of a file, a line feed at the end included: whoever signs with it reads it so too.
    fn signing_secret(&mut self, name: &str, at: usize) -> Option<Secret> {
        let secret = self.file("secret_file", name, at)?;
        let n_bytes = secret.expose().len();
        if n_bytes < SHORTEST_SIGNING_KEY {
            let expected = format!("expected at least {SHORTEST_SIGNING_KEY} random ones");
            self.faults.add(at, format!("`secret_file` `{name}` holds {n_bytes} bytes: {expected}"));
            return None;
        }
        Some(secret)
    }

    /// `None`: the server.
    fn owner(&mut self, name: &str, at: usize, tenant: Option<&TenantName>) -> Option<ApiKeyId> {
        if name == "server" {
            return None;
        }
        let id = name.parse::<ApiKeyId>().ok();
        let known = id.as_ref().and_then(|id| self.owners.get(id));
        let theirs = |(owner, _): &(Option<TenantName>, usize)| tenant.is_none() || owner.is_none() || owner.as_ref() == tenant;
        if !known.is_some_and(theirs) {
            let expected = "expected `server`, or the id of an API key of the same tenant in this file";
            self.faults.add(at, format!("`owner` is `{}`: {expected}", shortened(name)));
        }
        id
    }

    fn max_lifetime(&mut self, entry: &mut Entry<'a>) -> Option<Duration> {
        let (seconds, at) = entry.integer(&mut self.faults, "max_lifetime_seconds")?;
        if !(1..=LONGEST_TOKEN_LIFETIME).contains(&seconds) {
            let message = format!("`max_lifetime_seconds` is `{seconds}`: expected 1 to {LONGEST_TOKEN_LIFETIME}");
            self.faults.add(at, message);
        }
        Some(Duration::from_secs(seconds))
    }

    /// What else a signing key is limited to. A list that is there and empty would limit it to nothing, and is no limit that
    /// anybody wants.
    fn limits(&mut self, entry: &mut Entry<'a>) -> Option<SigningKeyLimits> {
        let buckets = self.filled(entry, "buckets").map(|found| {
            let each = found.into_iter().map(|found| entry.parsed::<BucketName>(&mut self.faults, "buckets", Some(found)));
            each.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()
        });
        let prefixes = self.filled(entry, "prefixes").map(|found| {
            let each = found.into_iter().map(|(text, at)| {
                if !valetkey_service::is_key_prefix(&text) {
                    let found = shortened(&text).escape_debug().to_string();
                    self.faults
                        .add(at, format!("`prefixes` holds `{found}`: expected beginnings of object keys that end in `/`"));
                }
                text
            });
            each.collect()
        });
        let permission = entry.text(&mut self.faults, "permission").map(|(text, at)| self.permission(&text, at));
        Some(SigningKeyLimits {
            buckets: buckets.map_or(Some(None), |buckets| buckets.map(Some))?,
            prefixes,
            permission: permission.map_or(Some(None), |permission| permission.map(Some))?,
        })
    }

    fn filled(&mut self, entry: &mut Entry<'a>, name: &'static str) -> Option<Vec<entry::Found>> {
        let found = entry.texts(&mut self.faults, name)?;
        if found.is_empty() {
            self.faults.add(entry.at, format!("`{name}` is empty: expected at least one, or no `{name}` at all"));
        }
        Some(found)
    }

    fn permission(&mut self, text: &str, at: usize) -> Option<Permission> {
        let kinds = [Permission::Read, Permission::Write, Permission::ReadWrite];
        let found = kinds.into_iter().find(|kind| kind.as_str() == text);
        if found.is_none() {
            self.faults.add(at, format!("`permission` is `{}`: expected `read`, `write` or `readwrite`", shortened(text)));
        }
        found
    }

    fn file(&mut self, field: &str, name: &str, at: usize) -> Option<Secret> {
        match read_bounded(&self.directory.join(name)) {
            Ok(bytes) => Some(Secret::new(bytes)),
            Err(error) => {
                self.faults.add(at, format!("`{field}` `{name}` cannot be read: {error}"));
                None
            }
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
