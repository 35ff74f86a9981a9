//! `valetkey serve`: what the operator may say about the server. What it means is the server's matter.

use crate::duration;
use crate::error::CliError;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use valetkey_model::Network;
use valetkey_server::{ClientAddressFrom, ExpiresAtForm, LogFormat, ServeConfig, ServeError};

/// Run the server
///
/// The first line on standard output is `listening on http://ADDRESS:PORT`. The first start without a bootstrap file makes a
/// tenant and an administrator's API key, and prints the key once. A flag is stronger than its environment variable.
#[derive(Args)]
#[command(after_help = "Examples:\n  valetkey serve\n  \
    valetkey serve --data /var/lib/valetkey --listen 0.0.0.0:8080 --public-url https://files.example.com")]
pub(crate) struct Serve {
    /// Where objects, metadata and the master key are kept; made if it is not there
    #[arg(long, value_name = "DIR", env = "VALETKEY_DATA", default_value = "./valetkey-data")]
    data: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "VALETKEY_LISTEN", default_value = "127.0.0.1:8080", value_parser = listen)]
    listen: SocketAddr,

    /// The URL that signed URLs begin with; by default http and the address it listens on
    #[arg(long, value_name = "URL", env = "VALETKEY_PUBLIC_URL")]
    public_url: Option<String>,

    /// The URL that signed URLs of one region's buckets begin with instead; may be repeated, or separated by commas
    #[arg(long, value_name = "REGION=URL", env = "VALETKEY_REGION_URLS", value_delimiter = ',')]
    region_url: Vec<String>,

    /// Tenants, API keys, buckets and signing keys to make where they are missing
    #[arg(long, value_name = "FILE", env = "VALETKEY_BOOTSTRAP")]
    bootstrap: Option<PathBuf>,

    /// The key that seals secrets at rest; by default a file in the data directory, made at the first start
    #[arg(long, value_name = "FILE", env = "VALETKEY_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,

    /// How many threads serve connections; by default one for each core
    #[arg(long, value_name = "N", env = "VALETKEY_WORKERS")]
    workers: Option<usize>,

    /// How the log is written, to standard error: `text` or `json`
    #[arg(long, value_name = "FORMAT", env = "VALETKEY_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    /// What is logged: `info`, `debug`, or levels by module
    #[arg(long, value_name = "LEVELS", env = valetkey_server::LOG_VARIABLE)]
    log: Option<String>,

    /// The URL of a CDN before this server
    #[arg(long, value_name = "URL", env = "VALETKEY_CDN_BASE_URL")]
    cdn_base_url: Option<String>,

    /// Proxies that are believed about the client's address; may be repeated, or separated by commas
    #[arg(long, value_name = "CIDR", env = "VALETKEY_TRUSTED_PROXIES", value_delimiter = ',', requires = "client_address_from")]
    trusted_proxies: Vec<Network>,

    /// Which field these proxies write: `x-forwarded-for` or `forwarded`
    #[arg(long, value_name = "FIELD", env = "VALETKEY_CLIENT_ADDRESS_FROM", value_parser = client_address_from)]
    client_address_from: Option<ClientAddressFrom>,

    /// How long a holder's session under a limited URL may be idle before it lapses, such as `10m`
    #[arg(long, value_name = "DURATION", env = "VALETKEY_SESSION_IDLE", value_parser = duration::parse)]
    session_idle: Option<Duration>,

    /// How many credentials a client address (in IPv6: a /64) may get wrong in a minute; 0 is no limit
    #[arg(long, value_name = "N", env = "VALETKEY_MAX_FAILED_AUTHENTICATIONS", default_value_t = 100)]
    max_failed_authentications: u32,

    /// How FlexPortal's answers spell `expiresAt`: `by-action`, `number` or `text`
    #[arg(long, value_name = "FORM", env = "VALETKEY_FLEXPORTAL_EXPIRES_AT", default_value_t = ExpiresAtForm::ByAction)]
    flexportal_expires_at: ExpiresAtForm,

    /// How long rows of the audit are kept at least, such as `400d`; they are dropped a day at a time
    #[arg(long, value_name = "DURATION", env = "VALETKEY_AUDIT_RETENTION", default_value = "400d", value_parser = duration::parse)]
    audit_retention: Duration,

    /// How long running transfers may go on after SIGTERM
    #[arg(long, value_name = "DURATION", env = "VALETKEY_STOP_GRACE", default_value = "30s", value_parser = duration::parse)]
    stop_grace: Duration,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        valetkey_server::serve(self.config()).map_err(failed)
    }

    fn config(self) -> ServeConfig {
        ServeConfig {
            data: self.data,
            listen: self.listen,
            public_url: self.public_url,
            region_url: self.region_url,
            bootstrap: self.bootstrap,
            master_key_file: self.master_key_file,
            workers: self.workers,
            log_format: self.log_format,
            log: self.log,
            cdn_base_url: self.cdn_base_url,
            trusted_proxies: self.trusted_proxies,
            client_address_from: self.client_address_from,
            session_idle: self.session_idle,
            max_failed_authentications: Some(self.max_failed_authentications),
            flexportal_expires_at: self.flexportal_expires_at,
            audit_retention: Some(self.audit_retention),
            stop_grace: self.stop_grace,
        }
    }
}

/// The failure in the words of flags.
fn failed(error: ServeError) -> anyhow::Error {
    match &error {
        ServeError::Config(config) => {
            let flag = |setting: &str| format!("--{}", setting.replace('_', "-"));
            let faults = config.faults().iter().map(|fault| format!("`{}`: {}", flag(fault.setting), fault.message));
            let message = faults.collect::<Vec<_>>().join("\n");
            CliError::usage(message).with_hint("`valetkey serve --help` tells each flag and its environment variable").into()
        }
        ServeError::Listener(_) => {
            let hint = CliError::failed("the server does not start").with_hint("choose another address with `--listen`");
            anyhow::Error::new(error).context(hint)
        }
        _ => error.into(),
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as `127.0.0.1:8080` or `[::]:8080`".to_owned())
}

fn client_address_from(text: &str) -> Result<ClientAddressFrom, &'static str> {
    match text {
        "x-forwarded-for" => Ok(ClientAddressFrom::XForwardedFor),
        "forwarded" => Ok(ClientAddressFrom::Forwarded),
        _ => Err("expected `x-forwarded-for` or `forwarded`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    #[test]
    fn every_flag_reaches_the_server() {
        let line = [
            "serve",
            "--data=d",
            "--listen=[::1]:0",
            "--public-url=https://p",
            "--region-url=EMEA=https://e,qatar=https://q",
            "--region-url=US=https://u",
            "--bootstrap=b",
            "--master-key-file=m",
            "--workers=3",
            "--log-format=json",
            "--log=debug",
            "--cdn-base-url=https://c",
            "--trusted-proxies=10.0.0.0/8,::1",
            "--client-address-from=forwarded",
            "--session-idle=10m",
            "--max-failed-authentications=7",
            "--flexportal-expires-at=text",
            "--audit-retention=30d",
            "--stop-grace=5s",
        ];
        let config = Line::try_parse_from(line).map(|line| line.serve.config()).unwrap_or_default();
        assert_eq!((config.data, config.listen), ("d".into(), "[::1]:0".parse().unwrap()));
        assert_eq!((config.public_url.as_deref(), config.cdn_base_url.as_deref()), (Some("https://p"), Some("https://c")));
        assert_eq!(config.region_url, ["EMEA=https://e", "qatar=https://q", "US=https://u"]);
        assert_eq!((config.bootstrap, config.master_key_file), (Some("b".into()), Some("m".into())));
        assert_eq!((config.workers, config.log_format, config.log.as_deref()), (Some(3), LogFormat::Json, Some("debug")));
        assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1".parse::<Network>().unwrap()]);
        assert_eq!(config.client_address_from, Some(ClientAddressFrom::Forwarded));
        assert_eq!((config.session_idle, config.stop_grace), (Some(Duration::from_secs(600)), Duration::from_secs(5)));
        assert_eq!((config.max_failed_authentications, config.flexportal_expires_at), (Some(7), ExpiresAtForm::Text));
        assert_eq!(config.audit_retention, Some(Duration::from_secs(30 * 24 * 3600)));
    }

    #[test]
    fn defaults() {
        let config = Line::try_parse_from(["serve"]).map(|line| line.serve.config()).unwrap_or_default();
        assert_eq!((config.data, config.listen), ("./valetkey-data".into(), "127.0.0.1:8080".parse().unwrap()));
        assert_eq!((config.workers, config.log_format), (None, LogFormat::Text));
        assert_eq!((config.max_failed_authentications, config.flexportal_expires_at), (Some(100), ExpiresAtForm::ByAction));
    }

    #[test]
    fn flags_refused() {
        for flag in [
            "--listen=localhost",
            "--log-format=xml",
            "--workers=many",
            "--client-address-from=via",
            "--trusted-proxies=::1",
            "--flexportal-expires-at=iso",
        ] {
            assert!(Line::try_parse_from(["serve", flag]).is_err(), "{flag}");
        }
    }
}
