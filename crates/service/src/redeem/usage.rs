//! A limited grant's use while it is being sent: reservations under way in this process, advanced and settled.

use crate::Service;
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use valetkey_metadata::ledger::{Advance, Ask, Denied, ReservationId, Reserved, Rules, Settlement};
use valetkey_metadata::{AuditEntry, GrantKey, MetadataError};
use valetkey_model::{Action, Dialect, Refusal, SessionId, Timestamp};

/// How often a ledger that is busy elsewhere is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// The responses under way under limited grants, in this process.
#[derive(Default)]
pub(crate) struct Flights {
    grants: Mutex<HashMap<GrantKey, Flight>>,
    landed: Notify,
}

#[derive(Default)]
struct Flight {
    n_under_way: usize,
    /// How many have handed, or are handing, their last piece to the kernel and are not settled yet.
    n_finishing: usize,
    changed: Arc<Notify>,
}

impl Flights {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<GrantKey, Flight>) -> T) -> T {
        act(&mut self.grants.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn depart(&self, grant: &GrantKey) {
        self.with(|grants| grants.entry(grant.clone()).or_default().n_under_way += 1);
    }

    fn finishing(&self, grant: &GrantKey) {
        self.with(|grants| grants.entry(grant.clone()).or_default().n_finishing += 1);
    }

    fn land(&self, grant: &GrantKey, was_finishing: bool) {
        self.with(|grants| {
            let Some(flight) = grants.get_mut(grant) else { return };
            flight.n_under_way = flight.n_under_way.saturating_sub(1);
            flight.n_finishing = flight.n_finishing.saturating_sub(usize::from(was_finishing));
            flight.changed.notify_waiters();
            if flight.n_under_way == 0 {
                grants.remove(grant);
            }
        });
        self.landed.notify_waiters();
    }

    /// What tells of a change, and whether a response is about to settle.
    fn watch(&self, grant: &GrantKey) -> Option<(Arc<Notify>, bool)> {
        self.with(|grants| grants.get(grant).map(|flight| (flight.changed.clone(), flight.n_finishing > 0)))
    }

    fn is_empty(&self) -> bool {
        self.with(|grants| grants.is_empty())
    }
}

/// One response's use of a limited grant. Dropped unsettled, it settles as if nothing more had been sent than was told.
#[derive(Debug)]
pub struct Usage {
    service: Service,
    grant: GrantKey,
    rules: Rules,
    reservation: ReservationId,
    permitted_bytes: u64,
    /// What the audit is to record of the settlement.
    record: AuditEntry,
    dialect: Dialect,
    finishing: bool,
    settled: bool,
}

impl Usage {
    /// Asks the ledger, and waits for responses that are about to settle.
    pub(super) async fn reserve(
        service: &Service,
        grant: GrantKey,
        forget_at: Timestamp,
        mut ask: Ask,
        record: AuditEntry,
        dialect: Dialect,
    ) -> Result<(Self, bool), Refusal> {
        ask_patiently(service, &grant, forget_at, &mut ask, (record, dialect)).await
    }

    /// Asks the ledger once; the answer says whether a session was opened. Goes on when the caller is gone: what was reserved is
    /// then settled, and does not stay reserved for as long as the process lives.
    async fn reserve_now(
        service: &Service,
        grant: &GrantKey,
        forget_at: Timestamp,
        ask: Ask,
        (record, dialect): (AuditEntry, Dialect),
    ) -> Result<Result<(Self, bool), Denied>, MetadataError> {
        let (its_service, grant) = (service.clone(), grant.clone());
        let reserving = service.to_the_end(async move {
            let (service, rules) = (its_service, ask.rules);
            let store = service.recording(vec![record.clone()]);
            let answer = store.reserve(&grant, forget_at, ask).await?;
            Ok(answer.map(|Reserved { session, reservation, permitted_bytes, opened }| {
                service.inner().flights.depart(&grant);
                let record = settlement_record(record, session);
                let (finishing, settled) = (false, false);
                let usage = Self { service, grant, rules, reservation, permitted_bytes, record, dialect, finishing, settled };
                (usage, opened)
            }))
        });
        reserving.await
    }

    /// How many bytes, counted from the beginning of the response, may be sent before [`Usage::advance`].
    pub fn permitted_bytes(&self) -> u64 {
        self.permitted_bytes
    }

    /// Records what was sent so far and reserves more. Gives how many bytes, counted from the beginning of the response, may be
    /// sent in all.
    ///
    /// # Errors
    ///
    /// The refusal for which the response must be cut.
    pub fn advance(&self, sent_bytes: u64) -> impl Future<Output = Result<u64, Refusal>> + Send + 'static {
        let (service, grant, rules, reservation) = (self.service.clone(), self.grant.clone(), self.rules, self.reservation);
        async move {
            let advance = Advance { now: service.now(), rules, reservation, sent_bytes };
            let answer = service.metadata().advance(&grant, advance).await.map_err(|error| {
                tracing::error!(%error, "a use cannot be recorded");
                Refusal::Unavailable
            })?;
            answer.map_err(Denied::refusal)
        }
    }

    /// The last piece is about to be handed to the kernel: from here on, others wait for the settlement.
    pub fn finishing(&mut self) {
        if !self.finishing {
            self.finishing = true;
            self.service.inner().flights.finishing(&self.grant);
        }
    }

    /// The response is over: `sent_bytes` of what was selected were accepted by the kernel; `whole` if all of the response was.
    pub fn settle(&mut self, sent_bytes: u64, whole: bool) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let (service, grant, was_finishing) = (self.service.clone(), self.grant.clone(), self.finishing);
        let (rules, reservation) = (self.rules, self.reservation);
        let record = AuditEntry { bytes: sent_bytes, ..self.record.clone() };
        service.inner().audit.tallies.own().count_bytes(self.dialect, sent_bytes);
        let runtime = service.inner().runtime.clone();
        runtime.spawn(async move {
            let settlement = Settlement { now: service.now(), rules, reservation, sent_bytes, whole };
            match service.recording(vec![record]).settle(&grant, settlement).await {
                Ok(settled) => {
                    service.inner().audit.n_completed.fetch_add(u64::from(settled.completed), Ordering::Relaxed);
                    tracing::debug!(completed = settled.completed, sent_bytes, "a use was settled");
                }
                // It stays reserved, which withholds the bytes and gives them to nobody else.
                Err(error) => tracing::error!(%error, sent_bytes, "a use cannot be settled"),
            }
            service.inner().flights.land(&grant, was_finishing);
        });
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.settle(0, false);
    }
}

/// What the audit is to say of a settlement: who it was is said where the session was opened or resumed.
fn settlement_record(record: AuditEntry, session: SessionId) -> AuditEntry {
    let (session, n_requests) = (Some(session), 0);
    let (address, user_agent, label) = (None, None, None);
    AuditEntry { action: Action::UrlSettle, session, n_requests, address, user_agent, label, ..record }
}

async fn ask_patiently(
    service: &Service,
    grant: &GrantKey,
    forget_at: Timestamp,
    ask: &mut Ask,
    record: (AuditEntry, Dialect),
) -> Result<(Usage, bool), Refusal> {
    let flights = &service.inner().flights;
    let deadline = Instant::now() + service.config().settle_wait;
    loop {
        let watched = flights.watch(grant);
        let mut changed = pin!(watched.as_ref().map(|(changed, _)| changed.notified()));
        if let Some(changed) = changed.as_mut().as_pin_mut() {
            changed.enable();
        }
        ask.now = service.now();
        let about_to_settle = watched.as_ref().is_some_and(|(_, finishing)| *finishing);
        if !about_to_settle || !ask.may_wait {
            let answer = Usage::reserve_now(service, grant, forget_at, ask.clone(), record.clone()).await.map_err(|error| {
                tracing::error!(%error, "a use cannot be recorded");
                Refusal::Unavailable
            })?;
            match answer {
                Ok(reserved) => return Ok(reserved),
                Err(Denied::Busy) if ask.may_wait => {}
                Err(denied) => return Err(denied.refusal()),
            }
        }
        match changed.as_pin_mut() {
            Some(changed) => tokio::select! {
                () = changed => {}
                () = sleep_until(deadline) => {}
            },
            None => sleep(ASK_AGAIN).await,
        }
        ask.may_wait = Instant::now() < deadline;
    }
}

impl Service {
    /// Waits for responses under a grant whose last piece is with the kernel, and which are about to settle.
    pub(super) async fn until_settled(&self, grant: &GrantKey) {
        let flights = &self.inner().flights;
        let deadline = Instant::now() + self.config().settle_wait;
        while Instant::now() < deadline {
            let Some((changed, _)) = flights.watch(grant) else { return };
            let mut changed = pin!(changed.notified());
            changed.as_mut().enable();
            if !flights.watch(grant).is_some_and(|(_, finishing)| finishing) {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Waits until every use of a response that is over has been recorded: for an orderly end.
    pub async fn uses_settled(&self) {
        let flights = &self.inner().flights;
        loop {
            let mut landed = pin!(flights.landed.notified());
            landed.as_mut().enable();
            if flights.is_empty() {
                return;
            }
            landed.await;
        }
    }
}
