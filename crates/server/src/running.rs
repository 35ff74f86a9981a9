//! A server that runs: configuration → stores → service → routers → listeners, and all of it back again.

use crate::auditing;
use crate::bootstrap::{self, Bootstrap};
use crate::clock::{Floor, SteadyClock, judge_floor};
use crate::config::{ConfigError, ServeConfig, ServerSettings, Settings};
use crate::data_directory::DataDirectory;
use crate::dispatch::{Dispatch, Targets};
use crate::documents::Documents;
use crate::entropy::SystemEntropy;
use crate::error::ServeError;
use crate::housekeeping;
use crate::master_key::{self, MASTER_KEY_VARIABLE};
use crate::request_count::RequestCount;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use valetkey_dataplane::listener::{Options, Server};
use valetkey_dataplane::{ClientAddressPolicy, SignedUrls};
use valetkey_dialect_autodesk::{self as autodesk, Autodesk, AutodeskContext};
use valetkey_dialect_datalab::{self as datalab, Datalab, DatalabContext};
use valetkey_dialect_flexportal::{self as flexportal, FlexPortal, FlexPortalContext};
use valetkey_dialect_native::{Native, NativeContext};
use valetkey_dialect_redivis::{self as redivis, Redivis, RedivisContext};
use valetkey_http_common::public_url::{PublicUrl, PublicUrls};
use valetkey_metadata::MetadataStore;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::{Clock as _, Dialect, Entropy, SecretText};
use valetkey_objects::{FsOptions, FsStore, ObjectStore as _};
use valetkey_service::{Service, ServiceConfig, ServiceError};

/// How long stores may take to come to rest once no request is left.
const SETTLE_GRACE: Duration = Duration::from_secs(10);

/// A server in this process. Dropped, it stops without grace for transfers. Must be started, stopped and dropped outside of
/// asynchronous code: each of these waits.
pub struct RunningServer {
    address: SocketAddr,
    public_urls: Arc<PublicUrls>,
    first_key: Option<SecretText>,
    stop_grace: Duration,
    /// `None` once it is stopped.
    works: Option<Works>,
}

/// What has to be ended, in this order.
struct Works {
    listener: Server,
    /// Where everything runs that belongs to no connection.
    control: Runtime,
    service: Service,
    objects: FsStore,
    metadata: Arc<SqliteStore>,
    directory: DataDirectory,
}

impl RunningServer {
    /// Starts a server; it answers when this returns. The log is the caller's affair.
    ///
    /// # Errors
    ///
    /// As [`ServeError`] says; nothing runs then.
    pub fn start(config: ServeConfig) -> Result<Self, ServeError> {
        Self::of(Settings::try_from(config)?.server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the URLs that it gives out begin with, but for those of buckets in regions that have their own.
    pub fn public_url(&self) -> &PublicUrl {
        self.public_urls.default_url()
    }

    /// The administrator's key, if this was the first start, and without a bootstrap file: it is stored nowhere.
    pub fn first_administrator_key(&self) -> Option<&SecretText> {
        self.first_key.as_ref()
    }

    /// Connections that are open now.
    pub fn n_connections(&self) -> usize {
        self.works.as_ref().map_or(0, |works| works.listener.n_connections())
    }

    /// Stops: accepts nothing more, lets running transfers finish for as long as the configuration says, records what they
    /// used, and closes the stores.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unsettled`] if a store does not take the record in time. The server is stopped all the same.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.end(self.stop_grace)
    }

    pub(crate) fn of(settings: ServerSettings) -> Result<Self, ServeError> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::open()?);
        let is_loopback = settings.listen.ip().to_canonical().is_loopback();
        let bootstrap = settings.bootstrap.as_deref().map(|path| bootstrap::read(path, is_loopback)).transpose()?;
        let directory = DataDirectory::open(&settings.data)?;
        let variable = std::env::var_os(MASTER_KEY_VARIABLE);
        let master_key = master_key::obtain(settings.master_key_file.as_deref(), variable.as_deref(), &directory, &*entropy)?;

        // The database keeps the clock's time with every write, and the clock may be wrong: nothing is written before the
        // floor that is there has been compared.
        let clock = Arc::new(SteadyClock::start());
        let control = control_runtime()?;
        let metadata = Arc::new(SqliteStore::open(&directory.metadata(), clock.clone(), SqliteOptions::default())?);
        control.block_on(wait_for_floor(&metadata, &clock))?;
        let objects = FsStore::open(directory.objects(), &FsOptions::default())?;
        let stores = (metadata.clone(), Arc::new(objects.clone()));
        let config = service_config(&settings);
        let service = control.block_on(Service::start(stores.0, stores.1, clock.clone(), entropy.clone(), master_key, config))?;
        let has_bootstrap = bootstrap.is_some();
        if let Some(bootstrap) = bootstrap {
            control.block_on(provision(&service, bootstrap))?;
        }

        let dispatch = Dispatch::default();
        let listener = Server::start(settings.listen, options(&settings), dispatch.clone())?;
        let address = listener.local_addr();
        let public_urls = Arc::new(public_urls(&settings, address)?);
        // Only now: a first start that cannot listen must not use up the one time at which the key is shown.
        let first_key = if has_bootstrap { None } else { control.block_on(first_administrator(&service))? };
        dispatch.begin(targets(&settings, &service, &entropy, &public_urls, listener.connections()));
        control.spawn(auditing::run(service.clone()));
        control.spawn(housekeeping::run(service.clone(), clock));

        let works = Works { listener, control, service, objects, metadata, directory };
        Ok(Self { address, public_urls, first_key, stop_grace: settings.stop_grace, works: Some(works) })
    }

    /// The runtime beside those of the connections; `None` once it is stopped.
    pub(crate) fn control(&self) -> Option<&Runtime> {
        self.works.as_ref().map(|works| &works.control)
    }

    fn end(&mut self, grace: Duration) -> Result<(), ServeError> {
        let Some(works) = self.works.take() else { return Ok(()) };
        let Works { listener, control, service, objects, metadata, directory } = works;
        listener.shutdown(grace);
        let settled = async {
            service.uses_settled().await;
            service.redemptions_recorded().await;
            objects.settled().await;
            auditing::finish(&service).await;
        };
        let settled = control.block_on(async { tokio::time::timeout(SETTLE_GRACE, settled).await });
        drop((service, objects));
        control.shutdown_timeout(SETTLE_GRACE);
        match Arc::into_inner(metadata) {
            // Waits until the database is closed.
            Some(metadata) => drop(metadata),
            None => tracing::warn!("the database is still in use and was not closed; nothing that was confirmed is lost"),
        }
        drop(directory);
        settled.map_err(|_| ServeError::Unsettled)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if let Err(error) = self.end(Duration::ZERO) {
            tracing::error!(%error, "stopped");
        }
    }
}

/// One thread, and few more that may wait for the disk: this runtime serves no connection.
fn control_runtime() -> Result<Runtime, ServeError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_name("valetkey-control")
        .enable_all()
        .build()
        .map_err(ServeError::system("start a thread"))
}

async fn wait_for_floor(metadata: &SqliteStore, clock: &SteadyClock) -> Result<(), ServeError> {
    let floor = metadata.time_floor().await?;
    while let Floor::Wait(time) = judge_floor(clock.now(), floor)? {
        tracing::warn!(
            wait_ms = time.as_millis(),
            "the machine's clock is behind the data's latest instant, which is waited for"
        );
        tokio::time::sleep(time).await;
    }
    Ok(())
}

async fn provision(service: &Service, bootstrap: Bootstrap) -> Result<(), ServiceError> {
    for warning in bootstrap.warnings {
        tracing::warn!("bootstrap: {warning}");
    }
    let provisioned = service.provision(bootstrap.provisioning).await?;
    for created in provisioned.created {
        tracing::info!("bootstrap: {created} was created");
    }
    for difference in provisioned.differences {
        tracing::warn!("bootstrap: {difference} exists and is not as the file says; it was left as it is");
    }
    Ok(())
}

async fn first_administrator(service: &Service) -> Result<Option<SecretText>, ServiceError> {
    if service.is_new().await? { service.provision_first_administrator().await.map(Some) } else { Ok(None) }
}

fn service_config(settings: &ServerSettings) -> ServiceConfig {
    let default = ServiceConfig::default();
    ServiceConfig {
        base_path: settings.public_url.as_ref().map(|url| url.base_path().to_owned()).unwrap_or_default(),
        session_idle: settings.session_idle.unwrap_or(default.session_idle),
        audit_retention: settings.audit_retention.unwrap_or(default.audit_retention),
        max_failed_authentications: settings.max_failed_authentications.unwrap_or(default.max_failed_authentications),
        ..default
    }
}

fn options(settings: &ServerSettings) -> Options {
    let mut options = Options::default();
    options.workers = settings.workers.unwrap_or(options.workers);
    options
}

fn public_urls(settings: &ServerSettings, address: SocketAddr) -> Result<PublicUrls, ConfigError> {
    let urls = PublicUrls::new(public_url(settings, address)?, settings.region_urls.iter().cloned());
    urls.map_err(|error| ConfigError::of("region_url", error.to_string()))
}

fn public_url(settings: &ServerSettings, address: SocketAddr) -> Result<PublicUrl, ConfigError> {
    if let Some(url) = &settings.public_url {
        return Ok(url.clone());
    }
    let url = format!("http://{address}");
    if address.ip().is_unspecified() {
        tracing::warn!(%url, "`public_url` is not set: URLs will begin with an address that no other machine can reach");
    }
    url.parse().map_err(|error| ConfigError::of("public_url", format!("it is not set, and {error}")))
}

/// The dialects.
fn targets(
    settings: &ServerSettings,
    service: &Service,
    entropy: &Arc<dyn Entropy>,
    public_urls: &Arc<PublicUrls>,
    n_connections: Arc<AtomicUsize>,
) -> Targets {
    let clients =
        ClientAddressPolicy { trusted_proxies: settings.trusted_proxies.as_slice().into(), from: settings.client_address_from };
    // The signed resources of Autodesk's API and the files of Redivis' are its own, whoever issued what stands in their URLs.
    let without_faces = SignedUrls::new(service.clone(), clients.clone(), entropy.clone(), public_urls.are_https());
    let signed_urls = without_faces
        .clone()
        .with_issuer_face(Dialect::Autodesk, autodesk::issuer_face(public_urls.default_url().clone()))
        .with_issuer_face(Dialect::Redivis, redivis::issuer_face())
        .with_issuer_face(Dialect::Datalab, datalab::issuer_face())
        .with_issuer_face(Dialect::FlexPortal, flexportal::issuer_face());
    Targets {
        clients,
        native: Native::new(NativeContext {
            service: service.clone(),
            signed_urls: signed_urls.clone(),
            public_urls: public_urls.clone(),
            entropy: entropy.clone(),
        })
        .explaining(&[autodesk::credential_of, redivis::credential_of], settings.cdn_base_url.clone().map(Arc::new)),
        autodesk: Autodesk::new(AutodeskContext {
            service: service.clone(),
            signed_urls: without_faces.clone(),
            public_urls: public_urls.clone(),
            cdn_url: settings.cdn_base_url.clone().map(Arc::new),
            entropy: entropy.clone(),
        }),
        redivis: Redivis::new(RedivisContext {
            service: service.clone(),
            signed_urls: without_faces,
            public_urls: public_urls.clone(),
            entropy: entropy.clone(),
        }),
        datalab: Datalab::new(DatalabContext {
            service: service.clone(),
            signed_urls: signed_urls.clone(),
            public_urls: public_urls.clone(),
        }),
        flexportal: FlexPortal::new(FlexPortalContext {
            service: service.clone(),
            signed_urls,
            public_urls: public_urls.clone(),
            expires_at: settings.flexportal_expires_at,
        }),
        service: service.clone(),
        public_urls: public_urls.clone(),
        documents: Arc::new(Documents::of(public_urls)),
        n_connections,
        n_requests: RequestCount::new(),
    }
}
