//! A service over a fresh directory, and the calls that tests make of it.

use bytes::Bytes;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::sqlite::{SqliteOptions, SqliteStore};
use valetkey_model::*;
use valetkey_objects::{FsOptions, FsStore};
use valetkey_service::redeem::{Delivery, Presented, PresentedCredential, Sessions};
use valetkey_service::*;
use valetkey_testkit::{FixedClock, SeededEntropy};

/// The service under test, and what it stands on.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: FixedClock,
    pub(crate) directory: tempfile::TempDir,
    entropy: Arc<SeededEntropy>,
}

/// Two tenants, each with a key that may do all but administer, and one that may do everything.
pub(crate) async fn world() -> World {
    world_with(ServiceConfig::default()).await
}

/// The same with other limits.
pub(crate) async fn world_with(config: ServiceConfig) -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(Timestamp::from_seconds(1_800_000_000));
    let entropy = Arc::new(SeededEntropy::from_environment());
    let service = start(directory.path().into(), &clock, &entropy, config).await;
    let world = World { service, clock, directory, entropy };
    let key = |tenant: &str, id: &str, scopes: &str| GivenApiKey {
        tenant: tenant.parse().unwrap(),
        id: id.parse().unwrap(),
        secret: SecretText::new(format!("secret of {id}")),
        bearer: None,
        scopes: scopes.parse().unwrap(),
        buckets: Vec::new(),
        expires_at: None,
    };
    let provisioning = Provisioning {
        tenants: vec!["acme".parse().unwrap(), "other".parse().unwrap()],
        api_keys: vec![
            key("acme", "app", "*"),
            key("acme", "reader", "object:read link:issue"),
            key("acme", "creator", "object:create link:issue"),
            key("acme", "chief", "* admin"),
            key("other", "stranger", "*"),
            key("other", "boss", "* admin"),
        ],
        ..Provisioning::default()
    };
    world.service.provision(provisioning).await.unwrap();
    world.service.create_bucket(&world.principal("app"), NewBucket::new(bucket())).await.unwrap();
    world
}

async fn start(directory: PathBuf, clock: &FixedClock, entropy: &Arc<SeededEntropy>, config: ServiceConfig) -> Service {
    let metadata =
        SqliteStore::open(&directory.join("metadata.sqlite3"), Arc::new(clock.clone()), SqliteOptions::default()).unwrap();
    let objects = FsStore::open(directory.join("objects"), &FsOptions::default()).unwrap();
    let config = ServiceConfig { settle_wait: Duration::from_millis(200), ..config };
    let key = MasterKey::new([7; 32]);
    Service::start(Arc::new(metadata), Arc::new(objects), Arc::new(clock.clone()), entropy.clone(), key, config).await.unwrap()
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn bucket() -> BucketName {
    "reports".parse().unwrap()
}

pub(crate) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// Once.
pub(crate) fn once(mut terms: Terms) -> Terms {
    terms.uses = Some(NonZeroU32::MIN);
    terms
}

pub(crate) fn request(name: &str, form: Form, terms: Terms) -> IssueRequest {
    IssueRequest {
        bucket: bucket(),
        target: Target::Object(key(name)),
        form,
        must_exist: terms.permission.reads(),
        terms,
        lifetime: Lifetime::For(Duration::from_secs(3600)),
        not_before: None,
        pin: false,
    }
}

/// Who redeems: from where, with which session secret.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) address: &'a str,
    pub(crate) session: Option<&'a str>,
    pub(crate) prefetch: bool,
}

pub(crate) const SOMEBODY: Holder<'static> = Holder { address: "192.0.2.1", session: None, prefetch: false };
pub(crate) const ANOTHER: Holder<'static> = Holder { address: "192.0.2.2", session: None, prefetch: false };

impl World {
    /// The same directory after the end of the process.
    pub(crate) async fn restarted(self) -> Self {
        let Self { service, clock, directory, entropy } = self;
        let config = service.config().clone();
        drop(service);
        // The writer thread and the lock go with the last clone, which a task may hold for a moment.
        let service = loop {
            match FsStore::open(directory.path().join("objects"), &FsOptions::default()) {
                Ok(probe) => {
                    drop(probe);
                    break start(directory.path().into(), &clock, &entropy, config).await;
                }
                Err(_) => tokio::task::yield_now().await,
            }
        };
        Self { service, clock, directory, entropy }
    }

    pub(crate) fn principal(&self, id: &str) -> Principal {
        self.service.authenticate(&SecretText::new(format!("secret of {id}")), address(SOMEBODY.address)).unwrap()
    }

    pub(crate) async fn put(&self, name: &str, content: &[u8]) -> Published {
        let upload = self.service.upload(&self.principal("app"), &bucket(), &key(name), UploadOptions::default()).await;
        filled(upload.unwrap(), content).await.unwrap()
    }

    pub(crate) async fn issue(&self, request: IssueRequest) -> Issued {
        self.issue_as("app", request).await.unwrap()
    }

    pub(crate) async fn issue_as(&self, id: &str, request: IssueRequest) -> Result<Issued, ServiceError> {
        let issued = self.service.issue(&self.principal(id), vec![request]).await?;
        Ok(issued.into_iter().next().unwrap())
    }

    /// Presents an issued URL and gives the admission.
    pub(crate) async fn admitted(
        &self,
        issued: &Issued,
        method: Method,
        holder: Holder<'_>,
    ) -> Result<valetkey_service::redeem::Admission, Refusal> {
        let credential = match &issued.credential {
            Credential::Token { token, path } => PresentedCredential::Token { token: token.expose(), raw_path: path },
            Credential::Link(secret) => PresentedCredential::Link(*secret),
        };
        self.redeem(credential, method, holder).await
    }

    /// Presents a credential and gives the admission.
    pub(crate) async fn redeem(
        &self,
        credential: PresentedCredential<'_>,
        method: Method,
        holder: Holder<'_>,
    ) -> Result<valetkey_service::redeem::Admission, Refusal> {
        let sessions = Sessions { explicit: holder.session, kept: Vec::new() };
        let presented = Presented {
            credential,
            method,
            client: holder.address.parse::<IpAddr>().unwrap(),
            user_agent: b"curl/8",
            sessions: &sessions,
            prefetch: holder.prefetch,
            dialect: Dialect::Native,
        };
        let grant = self.service.verify(&presented).await?;
        self.service.admit(grant).await
    }

    /// A GET up to the open object.
    pub(crate) async fn get(
        &self,
        issued: &Issued,
        holder: Holder<'_>,
        range: std::ops::Range<u64>,
    ) -> Result<Delivery, Refusal> {
        let admission = self.admitted(issued, Method::Get, holder).await?;
        let found = self.service.find(admission).await?;
        let reservation = self.service.reserve(found.select(vec![range])).await?;
        self.service.open(reservation).await
    }

    /// A GET of the whole object, all of it delivered.
    pub(crate) async fn read(&self, issued: &Issued) -> Result<Vec<u8>, Refusal> {
        let mut delivery = self.get(issued, SOMEBODY, 0..u64::MAX).await?;
        let mut content = vec![0; usize::try_from(delivery.blob.size_bytes()).unwrap()];
        let n_read = delivery.blob.read_at(0, &mut content).unwrap();
        assert_eq!(n_read, content.len());
        self.settle(&mut delivery, n_read as u64, true).await;
        Ok(content)
    }

    pub(crate) async fn settle(&self, delivery: &mut Delivery, sent_bytes: u64, whole: bool) {
        if let Some(mut usage) = delivery.usage.take() {
            usage.finishing();
            usage.settle(sent_bytes, whole);
        }
        self.service.uses_settled().await;
    }
}

pub(crate) async fn filled(mut upload: Upload, content: &[u8]) -> Result<Published, ServiceError> {
    for piece in content.chunks(1000) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}
