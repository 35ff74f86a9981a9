//! What the operator may set.

use crate::{dispatch, telemetry};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use valetkey_dialect_flexportal::ExpiresAtForm;
use valetkey_http_common::client_address::ClientAddressFrom;
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_model::{Network, Region};

/// More threads than any machine has cores.
const MOST_WORKERS: usize = 1024;

/// How a server runs, as it was asked for. Its faults are told all at once.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The data directory. Made if there is none.
    pub data: PathBuf,
    /// Where to listen; port 0 is one of the system's choice.
    pub listen: SocketAddr,
    /// The URL under which clients reach the server; by default `http://` and the address it listens on.
    pub public_url: Option<String>,
    /// `REGION=URL`: the URLs under which clients reach the buckets of some regions; all others have `public_url`.
    pub region_url: Vec<String>,
    /// The bootstrap file: what is to exist.
    pub bootstrap: Option<PathBuf>,
    /// The file of the master key; by default `master.key` in the data directory.
    pub master_key_file: Option<PathBuf>,
    /// How many threads serve connections; by default as many as there are cores.
    pub workers: Option<usize>,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module. By default `info`.
    pub log: Option<String>,
    /// The URL of a CDN before this server, for URLs that are asked for with one.
    pub cdn_base_url: Option<String>,
    /// Proxies that are believed what they say of the client's address.
    pub trusted_proxies: Vec<Network>,
    /// Which field they say it in. Needed exactly if there are any.
    pub client_address_from: Option<ClientAddressFrom>,
    /// How long a session of a limited grant may be idle before it lapses.
    pub session_idle: Option<Duration>,
    /// How many credentials a client address may get wrong in a minute; 0 is no limit.
    pub max_failed_authentications: Option<u32>,
    /// How FlexPortal's answers spell `expiresAt`.
    pub flexportal_expires_at: ExpiresAtForm,
    /// How long rows of the audit are kept at least; they are dropped a day at a time.
    pub audit_retention: Option<Duration>,
    /// How long running transfers may go on once the server is told to stop.
    pub stop_grace: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            public_url: None,
            region_url: Vec::new(),
            bootstrap: None,
            master_key_file: None,
            workers: None,
            log_format: LogFormat::default(),
            log: None,
            cdn_base_url: None,
            trusted_proxies: Vec::new(),
            client_address_from: None,
            session_idle: None,
            max_failed_authentications: None,
            flexportal_expires_at: ExpiresAtForm::default(),
            audit_retention: None,
            stop_grace: Duration::from_secs(30),
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// A text that is not a log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a log format: expected `text` or `json`")]
pub struct LogFormatError(String);

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, LogFormatError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError(text.chars().take(64).collect())),
        }
    }
}

/// A configuration that cannot be: every fault of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
}

/// One thing that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The field of [`ServeConfig`].
    pub setting: &'static str,
    /// What was found and what was expected.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn of(setting: &'static str, message: impl Into<String>) -> Self {
        Self { faults: vec![ConfigFault { setting, message: message.into() }] }
    }

    /// The faults, at least one.
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, ConfigFault { setting, message }) in self.faults.iter().enumerate() {
            write!(f, "{}`{setting}`: {message}", if position > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A configuration that was understood.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) log: LogSettings,
    pub(crate) server: ServerSettings,
}

#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    pub(crate) filter: EnvFilter,
}

#[derive(Debug)]
pub(crate) struct ServerSettings {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) region_urls: Vec<(Region, PublicUrl)>,
    pub(crate) bootstrap: Option<PathBuf>,
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) workers: Option<usize>,
    pub(crate) cdn_base_url: Option<PublicUrl>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) client_address_from: ClientAddressFrom,
    pub(crate) session_idle: Option<Duration>,
    pub(crate) max_failed_authentications: Option<u32>,
    pub(crate) flexportal_expires_at: ExpiresAtForm,
    pub(crate) audit_retention: Option<Duration>,
    pub(crate) stop_grace: Duration,
}

impl TryFrom<ServeConfig> for Settings {
    type Error = ConfigError;

    fn try_from(config: ServeConfig) -> Result<Self, ConfigError> {
        let mut faults = Faults(Vec::new());
        if config.data.as_os_str().is_empty() {
            faults.add("data", "it is empty: expected the path of a directory");
        }
        if let Some(n_workers) = config.workers.filter(|n_workers| !(1..=MOST_WORKERS).contains(n_workers)) {
            faults.add("workers", format!("`{n_workers}`: expected 1 to {MOST_WORKERS}"));
        }
        if config.session_idle.is_some_and(|idle| idle.is_zero()) {
            faults.add("session_idle", "`0`: expected a duration");
        }
        let public_url = config.public_url.as_deref().and_then(|text| faults.parse("public_url", text));
        let base_path = public_url.as_ref().map_or("", PublicUrl::base_path);
        if let Some(own) = dispatch::taken_for(base_path) {
            let why = format!("the path `{base_path}` cannot be told from the server's own `{own}`: expected another, or none");
            faults.add("public_url", why);
        }
        let region_urls: Vec<_> = config.region_url.iter().filter_map(|text| faults.region_url(text)).collect();
        // The address it listens on, which is the default, has no path either.
        let default = if config.public_url.is_some() { public_url.clone() } else { "http://localhost".parse().ok() };
        if let Some(Err(error)) = default.map(|default| PublicUrls::new(default, region_urls.iter().cloned())) {
            faults.add("region_url", error.to_string());
        }
        let cdn_base_url = config.cdn_base_url.as_deref().and_then(|text| faults.parse("cdn_base_url", text));
        match (config.trusted_proxies.is_empty(), config.client_address_from) {
            (false, None) => faults.add(
                "client_address_from",
                "it is not set, but there are trusted proxies: expected the one field that they write (any other is the client's)",
            ),
            (true, Some(_)) => faults.add(
                "trusted_proxies",
                "there are none, but `client_address_from` is set: expected the proxies that write this field",
            ),
            _ => {}
        }
        let filter = telemetry::filter(config.log.as_deref());
        let filter =
            filter.map_err(|error| faults.add("log", format!("{error}: expected a level, or `module=level` with commas")));
        match (filter, faults.0) {
            (Ok(filter), faults) if faults.is_empty() => {
                let log = LogSettings { format: config.log_format, filter };
                let server = ServerSettings {
                    data: config.data,
                    listen: config.listen,
                    public_url,
                    region_urls,
                    bootstrap: config.bootstrap,
                    master_key_file: config.master_key_file,
                    workers: config.workers,
                    cdn_base_url,
                    trusted_proxies: config.trusted_proxies,
                    // Without trusted proxies nothing is read.
                    client_address_from: config.client_address_from.unwrap_or(ClientAddressFrom::XForwardedFor),
                    session_idle: config.session_idle,
                    max_failed_authentications: config.max_failed_authentications,
                    flexportal_expires_at: config.flexportal_expires_at,
                    audit_retention: config.audit_retention,
                    stop_grace: config.stop_grace,
                };
                Ok(Self { log, server })
            }
            (_, faults) => Err(ConfigError { faults }),
        }
    }
}

struct Faults(Vec<ConfigFault>);

impl Faults {
    fn add(&mut self, setting: &'static str, message: impl Into<String>) {
        self.0.push(ConfigFault { setting, message: message.into() });
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, setting: &'static str, text: &str) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.add(setting, error.to_string())).ok()
    }

    /// `REGION=URL`.
    fn region_url(&mut self, text: &str) -> Option<(Region, PublicUrl)> {
        let Some((region, url)) = text.split_once('=') else {
            let found: String = text.chars().take(256).collect();
            self.add("region_url", format!("`{found}`: expected a region, `=`, and the URL of its buckets"));
            return None;
        };
        let (region, url) = (self.parse("region_url", region), self.parse("region_url", url));
        Some((region?, url?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(config: ServeConfig) -> Vec<&'static str> {
        Settings::try_from(config).map(drop).unwrap_err().faults().iter().map(|fault| fault.setting).collect()
    }

    #[test]
    fn the_default_can_be() {
        Settings::try_from(ServeConfig::default()).unwrap();
    }

    #[test]
    fn every_fault_is_told() {
        let config = ServeConfig {
            data: PathBuf::new(),
            workers: Some(0),
            session_idle: Some(Duration::ZERO),
            public_url: Some("files.example.org".to_owned()),
            region_url: ["EMEA", "E A=https://eu.example.org", "EMEA=eu.example.org", "EMEA=https://eu.example.org"]
                .map(str::to_owned)
                .to_vec(),
            cdn_base_url: Some("ftp://cdn.example.org".to_owned()),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            log: Some("loud=very".to_owned()),
            ..ServeConfig::default()
        };
        let mut settings = vec!["data", "workers", "session_idle", "public_url"];
        settings.extend(["region_url"; 3]);
        settings.extend(["cdn_base_url", "client_address_from", "log"]);
        assert_eq!(faulty(config), settings);
    }

    #[test]
    fn urls_of_regions() {
        let with = |public_url: Option<&str>, region_url: &[&str]| ServeConfig {
            public_url: public_url.map(str::to_owned),
            region_url: region_url.iter().map(|text| (*text).to_owned()).collect(),
            ..ServeConfig::default()
        };
        let settings = Settings::try_from(with(None, &["EMEA=https://eu.example.org/", "q_1=http://q"])).unwrap();
        let found: Vec<_> = settings.server.region_urls.iter().map(|(region, url)| (region.as_str(), url.as_str())).collect();
        assert_eq!(found, [("EMEA", "https://eu.example.org"), ("q_1", "http://q")]);
        let deep = Some("https://example.org/x");
        Settings::try_from(with(deep, &["EMEA=https://eu.example.org/x"])).unwrap();
        assert_eq!(faulty(with(deep, &["EMEA=https://eu.example.org"])), ["region_url"]);
        assert_eq!(faulty(with(None, &["EMEA=https://eu.example.org/x"])), ["region_url"]);
        assert_eq!(faulty(with(None, &["EMEA=https://a.example.org", "EMEA=https://b.example.org"])), ["region_url"]);
    }

    #[test]
    fn a_base_path_is_no_path_of_the_servers_own() {
        let with = |path: &str| ServeConfig { public_url: Some(format!("https://example.org{path}")), ..ServeConfig::default() };
        for path in ["", "/", "/files", "/files/vk/v1"] {
            Settings::try_from(with(path)).unwrap();
        }
        for path in ["/vk", "/vk/", "/%76k", "/o", "/api"] {
            assert_eq!(faulty(with(path)), ["public_url"], "{path}");
        }
    }

    #[test]
    fn a_field_without_proxies_is_refused() {
        let config = ServeConfig { client_address_from: Some(ClientAddressFrom::Forwarded), ..ServeConfig::default() };
        assert_eq!(faulty(config), ["trusted_proxies"]);
    }

    #[test]
    fn log_formats() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("yaml".parse::<LogFormat>().is_err());
    }
}
