//! What becomes of requests, for the audit and for metrics: each is counted once, when it is over.

use super::{Admission, Found, Grant, Presented, PresentedCredential};
use crate::Service;
use crate::audit::About as _;
use crate::audit::tally::{Over, Proved, Shard};
use std::sync::Arc;
use valetkey_metadata::AuditEntry;
use valetkey_model::{Action, Outcome, Refusal};
use valetkey_signing::{Claimed, KeyOwner};

/// A response under an unlimited grant, to be counted once when it is over. Dropped before, it counts as cut.
pub struct Counting {
    shard: Arc<Shard>,
    grant: Arc<Grant>,
    is_over: bool,
}

impl Counting {
    /// The response is over: so many bytes of the object were accepted by the kernel; `whole` if the whole response was.
    pub fn over(&mut self, sent_bytes: u64, whole: bool) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let outcome = if whole { Outcome::Delivered } else { Outcome::Cut };
        self.shard.count(&self.grant.over(outcome, sent_bytes), Some(&self.grant.proved()));
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.over(0, false);
    }
}

impl std::fmt::Debug for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").finish_non_exhaustive()
    }
}

/// An upload under a grant, to be counted if nothing comes of it.
#[derive(Debug)]
pub struct Attempt(Arc<Grant>);

impl Attempt {
    /// It ended like this, without having been published.
    pub fn ended(&self, service: &Service, outcome: Outcome) {
        service.count(&self.0.over(outcome, 0), &self.0.proved());
    }
}

impl Grant {
    /// What rows of the audit say of it.
    fn proved(&self) -> Proved<'_> {
        let terms = self.terms();
        Proved {
            tenant: self.tenant(),
            link_id: self.link_id(),
            place: Some((&self.place.bucket, &self.place.key)),
            issuer: self.issuer.as_ref(),
            label: terms.label.as_deref(),
        }
    }

    /// Its request, when it is over.
    pub(crate) fn over(&self, outcome: Outcome, bytes: u64) -> Over {
        let (dialect, method) = (self.terms().dialect, self.method);
        Over { dialect, method, outcome, bytes, client: self.address, at: self.at }
    }
}

impl Service {
    /// Counts a request whose URL was refused by itself: as the URL's, where its signature or secret was right, else as nobody's.
    pub(super) async fn count_refused(&self, presented: &Presented<'_>, refusal: Refusal) {
        let (client, method) = (presented.client, presented.method);
        let over = |dialect| Over { dialect, method, outcome: Outcome::Refused(refusal), bytes: 0, client, at: self.now() };
        // Those that come before it in the table are refused before a signature or a secret is known to be right.
        let is_known = refusal >= Refusal::NotYetValid;
        match presented.credential {
            PresentedCredential::Token { token, raw_path } if is_known => {
                if let Some(Claimed { claims, key_id }) = valetkey_signing::claimed(token) {
                    let ring = self.inner().keys.ring();
                    let issuer = match key_id.and_then(|id| ring.find(&id)).map(|key| key.owner()) {
                        Some(KeyOwner::ApiKey(owner)) => Some(owner),
                        _ => claims.terms.issuer.as_ref(),
                    };
                    let place = valetkey_signing::decode_object_path(&self.config().base_path, raw_path).ok();
                    // A path that the token is not for is the stranger's word alone.
                    let place = place.as_ref().filter(|_| refusal != Refusal::WrongPath);
                    let proved = Proved {
                        tenant: &claims.tenant,
                        link_id: Some(claims.link_id),
                        place: place.map(|(bucket, key)| (bucket, key)),
                        issuer,
                        label: claims.terms.label.as_deref(),
                    };
                    return self.count(&over(claims.terms.dialect), &proved);
                }
            }
            PresentedCredential::Link(secret) | PresentedCredential::LinkInBucket { secret, .. } if is_known => {
                if let Ok(Some(link)) = self.presented_link(secret).await {
                    let proved = Proved {
                        tenant: &link.tenant,
                        link_id: Some(link.link_id),
                        place: Some((&link.bucket, &link.key)),
                        issuer: link.terms.issuer.as_ref(),
                        label: link.terms.label.as_deref(),
                    };
                    return self.count(&over(link.terms.dialect), &proved);
                }
            }
            _ => {}
        }
        let dialect = presented.credential.claimed_dialect().unwrap_or(presented.dialect);
        self.count_unproved(dialect, method, client, refusal);
    }

    /// Counts a request that is refused after its URL was proved, and gives the refusal.
    pub fn refused(&self, grant: &Grant, refusal: Refusal) -> Refusal {
        self.count(&grant.over(Outcome::Refused(refusal), 0), &grant.proved());
        refusal
    }

    /// Counts an answer that sends nothing of the object: to HEAD, 304, 412, 416.
    pub fn count_answer(&self, found: &Found, outcome: Outcome) {
        let grant = found.grant();
        self.count(&grant.over(outcome, 0), &grant.proved());
    }

    /// Counts a request that is refused after its object was found, and gives the refusal.
    pub fn count_refusal(&self, found: &Found, refusal: Refusal) -> Refusal {
        self.refused(found.grant(), refusal)
    }

    /// Counts a response when it is over: one that needs nothing but what is in memory.
    pub fn counting(&self, found: &Found) -> Counting {
        if found.grant().signed_elsewhere {
            // So that there is a row of its URL: the request itself is counted with the audit.
            self.inner().redemptions.count(found.grant(), 0, &self.config().base_path);
        }
        Counting { shard: self.inner().audit.tallies.own().clone(), grant: found.admission.grant.clone(), is_over: false }
    }

    /// An upload under this grant, which is not over yet.
    pub fn attempt_of(&self, admission: &Admission) -> Attempt {
        Attempt(admission.grant.clone())
    }

    /// Counts what came of asking the ledger, of which the audit has a row: whether a session was opened, or one is gone on with.
    pub(super) fn count_asked(&self, grant: &Grant, opened: Result<bool, Refusal>) {
        let outcome = match opened {
            Ok(true) => Outcome::Opened,
            Ok(false) => Outcome::Resumed,
            // Of a store that does not answer nobody knows what it has recorded: counted twice is better than not at all.
            Err(refusal @ Refusal::Unavailable) => {
                self.refused(grant, refusal);
                return;
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        self.inner().audit.tallies.own().count_recorded(&grant.over(outcome, 0));
    }

    /// What the audit says of an act under a grant.
    pub(crate) fn entry_of_grant(&self, grant: &Grant, action: Action) -> AuditEntry {
        let proved = grant.proved();
        let user_agent = grant.user_agent.as_deref().filter(|text| !text.is_empty());
        AuditEntry {
            principal: proved.issuer.cloned(),
            link_id: proved.link_id,
            address: Some(self.personal(grant.address.to_string())),
            user_agent: user_agent.map(|text| self.personal(String::from_utf8_lossy(text).into_owned())),
            label: proved.label.map(|label| self.personal(label.to_owned())),
            ..AuditEntry::new(Some(proved.tenant.clone()), action).of_object(grant.bucket(), grant.key())
        }
    }
}
