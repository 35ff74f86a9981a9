//! Transfers under way, which a revocation may end.
//!
//! A transfer is known here only from the first time on that it has to wait: what goes out at once costs nothing.

use crate::redeem::Grant;
use crate::revocations::{Place, Revocations, UrlFacts};
use crate::service::Service;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use valetkey_metadata::{RevocationRow, UploadRow};
use valetkey_model::{ApiKeyId, BucketName, LinkId, ObjectKey, Refusal, SigningKeyId, TenantName, Timestamp, sabotaged};

const N_SHARDS: usize = 16;

/// The transfers that wait for their peers, in this process.
#[derive(Default)]
pub(crate) struct Transfers {
    /// How often transfers were ended.
    n_cuts: AtomicU64,
    n_known: AtomicU64,
    shards: [Mutex<HashMap<u64, UnderWay>>; N_SHARDS],
}

struct UnderWay {
    url: OwnedFacts,
    /// Tells the transfer that it ends.
    end: oneshot::Sender<()>,
}

/// [`UrlFacts`] that live as long as they are needed.
struct OwnedFacts {
    tenant: TenantName,
    link_id: Option<LinkId>,
    label: Option<String>,
    place: Option<(BucketName, ObjectKey)>,
    issuer: Option<ApiKeyId>,
    signing_key: Option<SigningKeyId>,
    issued_at: Timestamp,
}

impl Transfers {
    /// How often transfers were ended so far: read before a URL is looked up among the revocations.
    pub(crate) fn n_cuts(&self) -> u64 {
        self.n_cuts.load(Ordering::SeqCst)
    }

    /// Ends the transfers whose URLs these revocations hit, which are in memory already; how many.
    pub(crate) fn cut(&self, rows: &[RevocationRow]) -> usize {
        if sabotaged("cut-ignored") {
            return 0;
        }
        // Whoever begins to wait from here on sees that it has to look again.
        self.n_cuts.fetch_add(1, Ordering::SeqCst);
        let these = Revocations::default();
        rows.iter().for_each(|row| these.add(row));
        let mut n_cut = 0;
        for shard in &self.shards {
            for (_, transfer) in lock(shard).extract_if(|_, transfer| these.hit(&transfer.url.facts())) {
                // One that has ended by itself meanwhile was not cut.
                n_cut += usize::from(transfer.end.send(()).is_ok());
            }
        }
        n_cut
    }

    fn begin(&self, url: OwnedFacts) -> (u64, oneshot::Receiver<()>) {
        let number = self.n_known.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        lock(self.shard(number)).insert(number, UnderWay { url, end });
        (number, ended)
    }

    fn over(&self, number: u64) {
        lock(self.shard(number)).remove(&number);
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, UnderWay>> {
        // A remainder of the number of shards is below it.
        &self.shards[usize::try_from(number % N_SHARDS as u64).unwrap_or(0) % N_SHARDS]
    }
}

impl OwnedFacts {
    fn of(facts: UrlFacts<'_>) -> Self {
        let place = facts.place.and_then(|(bucket, place)| match place {
            Place::Object(key) => Some((bucket.clone(), key.clone())),
            Place::Prefix(_) => None,
        });
        Self {
            tenant: facts.tenant.clone(),
            link_id: facts.link_id.copied(),
            label: facts.label.map(str::to_owned),
            place,
            issuer: facts.issuer.cloned(),
            signing_key: facts.signing_key.cloned(),
            issued_at: facts.issued_at,
        }
    }

    fn facts(&self) -> UrlFacts<'_> {
        UrlFacts {
            tenant: &self.tenant,
            link_id: self.link_id.as_ref(),
            label: self.label.as_deref(),
            place: self.place.as_ref().map(|(bucket, key)| (bucket, Place::Object(key))),
            issuer: self.issuer.as_ref(),
            signing_key: self.signing_key.as_ref(),
            issued_at: self.issued_at,
        }
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transfer by a URL, as revocations see it.
#[derive(Debug)]
pub struct Transfer {
    service: Service,
    by: By,
    /// How often transfers had been ended when it was admitted.
    n_cuts: u64,
    watch: Watch,
}

/// By what it is made.
#[derive(Debug)]
enum By {
    Grant(Arc<Grant>),
    PartSecret(Box<UploadRow>),
}

#[derive(Debug)]
enum Watch {
    /// It did not have to wait yet.
    No,
    Waits {
        number: u64,
        ended: oneshot::Receiver<()>,
    },
    Cut,
}

impl Transfer {
    /// Of a grant that is by a URL.
    pub(crate) fn of_grant(service: &Service, grant: Arc<Grant>, n_cuts: u64) -> Option<Self> {
        grant.link_id()?;
        Some(Self { service: service.clone(), by: By::Grant(grant), n_cuts, watch: Watch::No })
    }

    /// Of a part of an upload.
    pub(crate) fn of_part(service: &Service, upload: UploadRow, n_cuts: u64) -> Self {
        Self { service: service.clone(), by: By::PartSecret(Box::new(upload)), n_cuts, watch: Watch::No }
    }

    /// Ready when the transfer is to end now, because its URL was taken back. To be asked whenever it has to wait; the task is
    /// then woken.
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Watch::No = self.watch {
            let facts = self.facts();
            let Some(url) = facts.map(OwnedFacts::of) else { return Poll::Pending };
            let transfers = &self.service.inner().transfers;
            let (number, ended) = transfers.begin(url);
            self.watch = Watch::Waits { number, ended };
            // What was cut before it was known: whether this was meant, the revocations tell.
            let transfers = &self.service.inner().transfers;
            if transfers.n_cuts() != self.n_cuts && self.facts().is_some_and(|facts| self.service.is_revoked(&facts)) {
                self.end_watch(Watch::Cut);
            }
        }
        match &mut self.watch {
            Watch::Waits { ended, .. } => {
                // Whoever forgets the sender does so for a reason: it ends in either case.
                let _ = ready!(Pin::new(ended).poll(cx));
                self.watch = Watch::Cut;
                Poll::Ready(())
            }
            Watch::Cut => Poll::Ready(()),
            Watch::No => Poll::Pending,
        }
    }

    /// Whether it is known to be cut, or waits to be.
    pub fn is_watched(&self) -> bool {
        !matches!(self.watch, Watch::No)
    }

    /// What `work` gives, if the transfer is not ended before.
    ///
    /// # Errors
    ///
    /// [`Refusal::Revoked`] if it is.
    pub async fn unless_cut<T>(mut self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if self.is_watched() && self.poll_cut(cx).is_ready() {
                return Poll::Ready(Err(Refusal::Revoked));
            }
            match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending => self.poll_cut(cx).map(|()| Err(Refusal::Revoked)),
            }
        })
        .await
    }

    fn facts(&self) -> Option<UrlFacts<'_>> {
        match &self.by {
            By::Grant(grant) => grant.facts(),
            By::PartSecret(upload) => Some(facts_of_upload(upload)),
        }
    }

    fn end_watch(&mut self, watch: Watch) {
        if let Watch::Waits { number, .. } = std::mem::replace(&mut self.watch, watch) {
            self.service.inner().transfers.over(number);
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.end_watch(Watch::No);
    }
}

/// What a revocation can name of the URLs of an upload's parts: they count as issued when the upload was begun.
pub(crate) fn facts_of_upload(upload: &UploadRow) -> UrlFacts<'_> {
    UrlFacts {
        tenant: &upload.tenant,
        link_id: None,
        label: None,
        place: Some((&upload.bucket, Place::Object(&upload.key))),
        issuer: upload.created_by.as_ref(),
        signing_key: None,
        issued_at: upload.created_at,
    }
}
