//! Calls that are to be done once, however often they are sent: the client names a call by a key of its own, and sends it again
//! until it has an answer.
//!
//! A call is recorded before it is done, and its answer after that; both are durable. The answer is not in the transaction of what
//! was done, so that an end of the process between the two leaves a call that was done and not answered. It is then done a second
//! time, but not a second thing is made: what is random in it (ids, link secrets, secrets of keys) comes from the record by HMAC,
//! so that the second try names the same things, finds those that the first one made, and answers with them. Two things
//! are different then: tokens that are signed again have later times under the same link id; and what changes a thing that was
//! there, changes it again.

use crate::principal::digest_of;
use crate::sealing::hmac_sha256;
use crate::{Principal, Service, ServiceError};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use valetkey_metadata::{IdempotentCallKey, IdempotentCallRow};
use valetkey_model::{Entropy, Refusal, Secret, SecretDigest, TenantName, Timestamp, sabotaged};

/// For how long a call is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// The longest key.
const MAX_KEY_BYTES: usize = 255;
/// How many calls are remembered of a tenant, and how many bytes of sealed answers.
const MAX_CALLS: u64 = 200_000;
const MAX_ANSWER_BYTES: u64 = 1 << 30;

/// A call, as its client names it.
#[derive(Clone, Copy)]
pub struct IdempotentCall<'a> {
    /// The client's key for it: 1 to 255 characters of printable ASCII.
    pub key: &'a str,
    /// What is asked: method, path and whatever else makes it another call.
    pub target: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for IdempotentCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotentCall").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What is to become of a call.
#[derive(Debug)]
pub enum Idempotent {
    /// It is to be done now.
    Do(Attempt),
    /// It was done: this was the answer.
    Done(Vec<u8>),
    /// It is being done at this moment.
    UnderWay,
    /// The key was used for another call.
    Another,
}

/// A call that is being done. Dropped without an answer, it can be tried again.
pub struct Attempt {
    service: Service,
    key: IdempotentCallKey,
    of_all: Service,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

/// The calls that are being done in this process, and how much is remembered, as far as is known.
#[derive(Default)]
pub(crate) struct IdempotentCalls {
    under_way: Mutex<HashSet<IdempotentCallKey>>,
    remembered: Mutex<HashMap<TenantName, (u64, u64)>>,
}

/// What is random in a call that is to be done once: the same each time it is done.
pub(crate) struct Once {
    seed: Secret,
    n_blocks: AtomicU64,
    repeated_since: Option<Timestamp>,
}

impl Once {
    pub(crate) fn repeated_since(&self) -> Option<Timestamp> {
        self.repeated_since
    }
}

impl Entropy for Once {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let number = self.n_blocks.fetch_add(1, Ordering::Relaxed);
            let block = hmac_sha256(&self.seed, &number.to_be_bytes());
            chunk.iter_mut().zip(block).for_each(|(byte, value)| *byte = value);
        }
    }
}

impl Service {
    /// Begins a call that is to be done once within 24 hours for this principal: a tenant's API key, with these scopes.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Invalid`] for a key that cannot be; [`Refusal::TooManyRequests`] if too much is remembered of the tenant's
    /// calls; [`ServiceError::Unavailable`].
    pub async fn idempotent(&self, principal: &Principal, call: IdempotentCall<'_>) -> Result<Idempotent, ServiceError> {
        let fits = (1..=MAX_KEY_BYTES).contains(&call.key.len()) && call.key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !fits {
            let expected = format!("1 to {MAX_KEY_BYTES} characters of printable ASCII");
            return Err(ServiceError::invalid("Idempotency-Key", format!("{} bytes, or others", call.key.len()), expected));
        }
        let now = self.now();
        let row = IdempotentCallRow {
            key: IdempotentCallKey {
                tenant: principal.tenant().clone(),
                api_key: principal.api_key().clone(),
                // Who has fewer scopes is not shown what was answered to who has more.
                digest: digest_of(format!("{}\n{}", principal.scopes(), call.key).as_bytes()),
            },
            request: digest_of(&[call.target.as_bytes(), b"\n", call.body].concat()),
            began_at: now,
            forget_at: now.plus(REMEMBERED),
            answer: None,
        };
        let calls = &self.inner().idempotent_calls;
        if !calls.has_room(&row.key.tenant) {
            return Err(Refusal::TooManyRequests.into());
        }
        if !calls.depart(&row.key) && !sabotaged("idempotency-ignored") {
            return Ok(Idempotent::UnderWay);
        }
        // From here on dropped by whatever ends it.
        let attempt = Attempt { service: self.clone(), key: row.key.clone(), of_all: self.clone() };
        let (key, request) = (row.key.clone(), row.request);
        match self.metadata().begin_idempotent(row).await? {
            None => {
                calls.add(&key.tenant, 1, 0);
                Ok(Idempotent::Do(attempt.with_ids(request, now, None)))
            }
            Some(found) if found.request != request => Ok(Idempotent::Another),
            Some(IdempotentCallRow { answer: Some(sealed), .. }) if !sabotaged("idempotency-ignored") => {
                let answer = self.inner().master_key.open_for(&associated(&key), &sealed);
                let damaged = || ServiceError::Unavailable { source: "a kept answer does not open with the master key".into() };
                answer.map(Idempotent::Done).ok_or_else(damaged)
            }
            Some(found) => Ok(Idempotent::Do(attempt.with_ids(request, found.began_at, Some(found.began_at)))),
        }
    }

    /// Counts anew how much is remembered.
    pub(crate) async fn count_idempotent_calls(&self) -> Result<(), ServiceError> {
        let counted = self.metadata().idempotent_calls().await?;
        let counted = counted.into_iter().map(|of| (of.tenant, (of.n_calls, of.n_bytes)));
        *lock(&self.inner().idempotent_calls.remembered) = counted.collect();
        Ok(())
    }
}

impl Attempt {
    /// The service to do the call with: what is random in it will be the same if it has to be done again.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Keeps the answer, sealed; durable when it returns. A failure is logged and does no more harm than an end of the process at
    /// this point would.
    pub async fn answered(self, answer: &[u8]) {
        let sealed = self.of_all.inner().master_key.seal_for(&associated(&self.key), answer, &*self.of_all.inner().entropy);
        let Some(sealed) = sealed else {
            tracing::error!("an answer cannot be sealed; if the call is made again, it is done again");
            return;
        };
        let n_bytes = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        match self.of_all.metadata().answer_idempotent(&self.key, sealed).await {
            Ok(()) => self.of_all.inner().idempotent_calls.add(&self.key.tenant, 0, n_bytes),
            Err(error) => tracing::error!(%error, "an answer cannot be kept; if the call is made again, it is done again"),
        }
    }

    fn with_ids(mut self, request: SecretDigest, began_at: Timestamp, repeated_since: Option<Timestamp>) -> Self {
        let key = self.of_all.inner().master_key.derive("idempotent call");
        let of_call = [&associated(&self.key), request.as_bytes().as_slice(), &began_at.as_micros().to_be_bytes()].concat();
        let seed = Secret::new(hmac_sha256(&key, &of_call).as_slice());
        self.service = self.of_all.for_once(Once { seed, n_blocks: AtomicU64::new(0), repeated_since });
        self
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        lock(&self.of_all.inner().idempotent_calls.under_way).remove(&self.key);
    }
}

impl IdempotentCalls {
    /// Whether nobody else does this call at the moment; then somebody does.
    fn depart(&self, key: &IdempotentCallKey) -> bool {
        lock(&self.under_way).insert(key.clone())
    }

    fn has_room(&self, tenant: &TenantName) -> bool {
        let remembered = lock(&self.remembered);
        remembered.get(tenant).is_none_or(|(n_calls, n_bytes)| *n_calls < MAX_CALLS && *n_bytes < MAX_ANSWER_BYTES)
    }

    fn add(&self, tenant: &TenantName, n_calls: u64, n_bytes: u64) {
        let mut remembered = lock(&self.remembered);
        let of_tenant = remembered.entry(tenant.clone()).or_default();
        *of_tenant = (of_tenant.0.saturating_add(n_calls), of_tenant.1.saturating_add(n_bytes));
    }
}

/// What is authenticated with a sealed answer: it cannot be passed off as the answer to another call.
fn associated(key: &IdempotentCallKey) -> Vec<u8> {
    // Neither name can hold a line feed.
    let names = format!("valetkey idempotent call\n{}\n{}\n", key.tenant, key.api_key);
    [names.as_bytes(), key.digest.as_bytes()].concat()
}

/// Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_random_is_the_same_each_time() {
        let filled = |seed: u8, sizes: &[usize]| {
            let once = Once { seed: Secret::new([seed; 32]), n_blocks: AtomicU64::new(0), repeated_since: None };
            let fill = |size: &usize| {
                let mut bytes = vec![0; *size];
                once.fill(&mut bytes);
                bytes
            };
            sizes.iter().map(fill).collect::<Vec<_>>()
        };
        assert_eq!(filled(1, &[16, 32, 70]), filled(1, &[16, 32, 70]));
        assert_ne!(filled(1, &[16]), filled(2, &[16]));
        let several = filled(1, &[16, 16]);
        assert_ne!(several[0], several[1]);
        let long = filled(1, &[64]).concat();
        assert_ne!(long[..32], long[32..]);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (a, b): (TenantName, TenantName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let calls = IdempotentCalls::default();
        calls.add(&a, MAX_CALLS - 1, 0);
        assert!(calls.has_room(&a));
        calls.add(&a, 1, 0);
        calls.add(&b, 1, MAX_ANSWER_BYTES - 1);
        assert!(!calls.has_room(&a) && calls.has_room(&b));
        calls.add(&b, 0, 1);
        assert!(!calls.has_room(&b));
    }
}
