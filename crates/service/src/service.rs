//! What the use cases share: the stores, the keys, the caches, the clock.

use crate::attempts::FailedAttempts;
use crate::audit::{self, Audit};
use crate::cache::RowCache;
use crate::changes::Changes;
use crate::idempotency::{IdempotentCalls, Once};
use crate::keys::Keys;
use crate::principal::ApiKeys;
use crate::redeem::Flights;
use crate::redemptions::{self, Redemptions};
use crate::revocations::Revocations;
use crate::sealing::MasterKey;
use crate::transfers::Transfers;
use crate::turns::Turns;
use crate::{ServiceConfig, ServiceError};
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;
use valetkey_metadata::ledger::NodeRun;
use valetkey_metadata::{BucketRow, LinkRow, MetadataStore, ObjectRow};
use valetkey_model::{BucketName, Clock, Entropy, FileId, ObjectKey, Secret, SecretDigest, Timestamp};
use valetkey_objects::ObjectStore;

/// The use cases. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
    /// For a call that is to be done once: where its ids come from, so that they are the same if it is done again.
    once: Option<Arc<Once>>,
}

/// An object's place, as caches know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
}

pub(crate) struct Inner {
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) config: ServiceConfig,
    pub(crate) master_key: MasterKey,
    pub(crate) access_token_key: Secret,
    pub(crate) stable_url_key: Secret,
    pub(crate) api_keys: ApiKeys,
    pub(crate) failed_attempts: FailedAttempts,
    pub(crate) keys: Keys,
    /// Held while API keys and signing keys are changed, in the store and then in memory.
    pub(crate) administration: tokio::sync::Mutex<()>,
    pub(crate) revocations: Revocations,
    pub(crate) audit: Audit,
    pub(crate) bucket_rows: RowCache<BucketName, Arc<BucketRow>>,
    pub(crate) object_rows: RowCache<Place, Arc<ObjectRow>>,
    pub(crate) changes: Changes,
    pub(crate) link_rows: RowCache<SecretDigest, Arc<LinkRow>>,
    pub(crate) file_places: RowCache<FileId, Place>,
    pub(crate) node_run: NodeRun,
    pub(crate) flights: Arc<Flights>,
    pub(crate) idempotent_calls: IdempotentCalls,
    pub(crate) transfers: Transfers,
    pub(crate) turns: Turns,
    pub(crate) joins: Turns,
    pub(crate) redemptions: Redemptions,
    /// Where what outlives its request is done: a connection's own runtime may end first.
    pub(crate) runtime: Handle,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Loads keys and revocations, makes the key that seals the audit if there is none, removes what a crash left behind in the object store, and is ready. The runtime it is called
    /// on must outlive every request: uses are settled there.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`] if a store cannot be read, or a signing key or the audit key does not open with the master key.
    pub async fn start(
        metadata: Arc<dyn MetadataStore>,
        objects: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        master_key: MasterKey,
        config: ServiceConfig,
    ) -> Result<Self, ServiceError> {
        let api_keys = ApiKeys::default();
        for row in metadata.api_keys().await? {
            api_keys.put(row);
        }
        audit::start_sealing(&*metadata, &master_key, &*entropy, clock.now()).await?;
        let keys = Keys::load(metadata.signing_keys().await?, &master_key)?;
        let mut run = [0; 8];
        entropy.fill(&mut run);
        let (n_rows, changes) = (config.n_cached_rows, Changes::since(clock.now()));
        let inner = Arc::new(Inner {
            failed_attempts: FailedAttempts::new(config.max_failed_authentications),
            access_token_key: master_key.derive("access token"),
            stable_url_key: master_key.derive("stable URLs"),
            metadata,
            objects,
            clock,
            entropy,
            config,
            master_key,
            api_keys,
            keys,
            administration: tokio::sync::Mutex::default(),
            revocations: Revocations::default(),
            audit: Audit::new(),
            bucket_rows: RowCache::new(1024),
            object_rows: RowCache::new(n_rows),
            changes,
            link_rows: RowCache::new(n_rows),
            file_places: RowCache::new(n_rows),
            // JSON readers elsewhere keep 53 bits of an integer.
            node_run: NodeRun(u64::from_be_bytes(run) >> 11),
            flights: Arc::default(),
            idempotent_calls: IdempotentCalls::default(),
            transfers: Transfers::default(),
            turns: Turns::default(),
            joins: Turns::default(),
            redemptions: Redemptions::default(),
            runtime: Handle::current(),
        });
        let service = Self { inner, once: None };
        service.count_idempotent_calls().await?;
        service.load_revocations().await?;
        service.remove_orphans().await?;
        service.inner.runtime.spawn(redemptions::record(Arc::downgrade(&service.inner)));
        Ok(service)
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The limits and times in force.
    pub fn config(&self) -> &ServiceConfig {
        &self.inner.config
    }

    /// Whether the metadata store answers.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), ServiceError> {
        Ok(self.inner.metadata.ping().await?)
    }

    /// Does work that must not be left half-done when its caller is gone: a client that hangs up ends its request at any await,
    /// and a commit does not stop for that. What has to follow a commit goes in here with it.
    pub(crate) async fn to_the_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.inner.runtime.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down, and every request with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner, once: None }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        &*self.inner.metadata
    }

    pub(crate) fn object_store(&self) -> &dyn ObjectStore {
        &*self.inner.objects
    }

    /// The same service for a call that is to be done once.
    pub(crate) fn for_once(&self, once: Once) -> Self {
        Self { once: Some(Arc::new(once)), ..self.clone() }
    }

    /// Since when this very call may have been done by a try that ended before it was answered.
    pub(crate) fn may_be_done_since(&self) -> Option<Timestamp> {
        self.once.as_ref().and_then(|once| once.repeated_since())
    }

    /// Where ids and secrets come from.
    pub(crate) fn entropy(&self) -> &dyn Entropy {
        match &self.once {
            Some(once) => &**once,
            None => &*self.inner.entropy,
        }
    }
}
