//! Taking URLs back, one by one or by what they have in common: durable, and effective on the next request.

use crate::audit::About as _;
use crate::revocations::{Place, UrlFacts};
use crate::urls::of_url;
use crate::{LinkSecret, Principal, Service, ServiceError};
use std::sync::atomic::Ordering;
use std::time::Duration;
use valetkey_metadata::{AuditEntry, LinkRow, MetadataError, RevocationRow, Taken, UrlRow};
use valetkey_model::{Action, BucketName, LinkId, Refusal, Scope, TenantName, Timestamp, sabotaged};

/// No URL lives longer than this.
const LONGEST_LIFETIME: Duration = Duration::from_secs(400 * 24 * 3600);
/// How far ahead of the clock an instant of issue may be.
const SKEW: Duration = Duration::from_secs(60);
/// How far ahead of the clock URLs are issued here at most, where revocations push them: less than the skew that is forgiven.
const MAX_AHEAD: Duration = Duration::from_secs(30);
/// How many revocations are read at once.
const PAGE: u32 = 1_000;

/// What is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What URLs have in common, or single ones. All or none.
    pub taken: Vec<Taken>,
    /// Only those issued until this instant, in whole seconds, itself included; `None` is now. Not for single ones.
    pub issued_until: Option<Timestamp>,
    /// Whether transfers under way end, too.
    pub cut: bool,
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// In the order of the request. What had been taken back before is as it was, or wider.
    pub revocations: Vec<RevocationRow>,
    /// How many transfers under way were ended.
    pub n_cut: usize,
}

impl Service {
    /// Takes URLs of the principal's tenant back: single ones, also ones that were signed offline and are not known here, or all
    /// that have something in common. Durable, and effective on the next request, when it returns. Scope `link:revoke`; for all
    /// of an API key, of a signing key or of the tenant `admin`, and a principal that is not limited to some buckets. One that is
    /// reaches what is for its buckets, or was issued by itself, and is known here.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`] for bucket, API key or signing
    /// key, [`ServiceError::NotOwner`] for the bucket; [`ServiceError::Invalid`] for an instant that is yet to come or is not for
    /// this, or a prefix that is none.
    pub async fn take_back(&self, principal: &Principal, new: NewRevocation) -> Result<Revoked, ServiceError> {
        for taken in &new.taken {
            self.require_for_taking(principal, taken).await?;
        }
        let now = self.now();
        let is_single = |taken: &Taken| matches!(taken, Taken::Link(_));
        let issued_until = match new.issued_until {
            Some(_) if new.taken.iter().any(is_single) => {
                let expected = "an instant only beside what several URLs have in common";
                return Err(ServiceError::invalid("issued_before", "beside single URLs", expected));
            }
            Some(at) if at > now => {
                return Err(ServiceError::invalid(
                    "issued_before",
                    format!("{at} (Unix time)"),
                    "an instant that is not to come",
                ));
            }
            Some(at) => at,
            // What was issued a moment ago may carry the second after this one.
            None => self.metadata().latest_issue(principal.tenant(), now.plus(MAX_AHEAD)).await?.map_or(now, |at| at.max(now)),
        };
        let mut rows = Vec::with_capacity(new.taken.len());
        let mut record = Vec::with_capacity(new.taken.len());
        for taken in new.taken {
            let url = match &taken {
                Taken::Link(link_id) => self.metadata().url(principal.tenant(), link_id).await?.map(|entry| entry.url),
                _ => None,
            };
            let issued_until = if is_single(&taken) { Timestamp::MAX } else { issued_until };
            let forget_at = self.forget_revocation_at(principal.tenant(), &taken, url.as_ref(), issued_until.min(now));
            let row = RevocationRow { tenant: principal.tenant().clone(), taken, issued_until, revoked_at: now, forget_at };
            let entry = self.revoke_entry(principal, &row, new.cut);
            record.push(match &url {
                Some(url) => of_url(entry, url),
                None => entry,
            });
            rows.push(row);
        }
        let (service, cut) = (self.clone(), new.cut);
        let revoked = self.to_the_end(async move {
            let revocations = service.recording(record).revoke(rows).await?;
            service.inner().audit.n_revoked.fetch_add(revocations.len() as u64, Ordering::Relaxed);
            for row in &revocations {
                service.inner().revocations.add(row);
            }
            let n_cut = if cut { service.inner().transfers.cut(&revocations) } else { 0 };
            Ok::<_, MetadataError>(Revoked { revocations, n_cut })
        });
        let revoked = revoked.await?;
        tracing::info!(n_revocations = revoked.revocations.len(), n_cut = revoked.n_cut, "URLs were taken back");
        Ok(revoked)
    }

    /// What the audit says of it.
    fn revoke_entry(&self, principal: &Principal, row: &RevocationRow, cut: bool) -> AuditEntry {
        let entry = self.act(principal, Action::UrlRevoke);
        let (kind, entry) = match &row.taken {
            Taken::Link(link_id) => ("link", AuditEntry { link_id: Some(*link_id), ..entry }),
            Taken::Label(label) => ("label", AuditEntry { label: Some(self.personal(label.clone())), ..entry }),
            Taken::Object { bucket, key } => ("object", entry.of_object(bucket, key)),
            Taken::Prefix { bucket, prefix } => ("prefix", entry.of_bucket(bucket).of(format!("{prefix}*"))),
            Taken::ApiKey(id) => ("API key", entry.of(id)),
            Taken::SigningKey(id) => ("signing key", entry.of(id)),
            Taken::Tenant => ("all", entry),
        };
        let until = Some(row.issued_until).filter(|at| *at != Timestamp::MAX);
        let until = until.map(|at| format!(", issued until {}", at.rfc3339())).unwrap_or_default();
        entry.saying(format!("{kind}{until}{}", if cut { ", and transfers under way" } else { "" }))
    }

    /// Takes single URLs back: [`Service::take_back`] by link ids, which leaves transfers under way alone.
    ///
    /// # Errors
    ///
    /// As [`Service::take_back`].
    pub async fn revoke(&self, principal: &Principal, link_ids: &[LinkId]) -> Result<(), ServiceError> {
        let taken = link_ids.iter().map(|link_id| Taken::Link(*link_id)).collect();
        self.take_back(principal, NewRevocation { taken, issued_until: None, cut: false }).await.map(drop)
    }

    async fn require_for_taking(&self, principal: &Principal, taken: &Taken) -> Result<(), ServiceError> {
        match taken {
            Taken::ApiKey(_) | Taken::SigningKey(_) | Taken::Tenant => principal.require_administrator()?,
            _ => principal.require(Scope::LinkRevoke)?,
        }
        match taken {
            Taken::Link(link_id) if principal.is_limited() => {
                let url = self.metadata().url(principal.tenant(), link_id).await?.map(|entry| entry.url);
                let own = |bucket: &BucketName| principal.is_within(bucket);
                // What is not known here may be for any bucket.
                match url {
                    Some(url) if own(&url.bucket) || url.issuer.as_ref() == Some(principal.api_key()) => Ok(()),
                    _ => Err(ServiceError::OutsideBuckets),
                }
            }
            // A label is worn by URLs for any bucket.
            Taken::Label(_) if principal.is_limited() => Err(ServiceError::OutsideBuckets),
            Taken::Link(_) | Taken::Label(_) | Taken::Tenant => Ok(()),
            Taken::Object { bucket, .. } => self.own_bucket(principal, bucket).await.map(drop),
            Taken::Prefix { bucket, prefix } => {
                if !(prefix.is_empty() || prefix.ends_with('/')) {
                    let expected = "a folder, which ends in `/`, or nothing for the whole bucket";
                    return Err(ServiceError::invalid("prefix", format!("`{}`", prefix.escape_debug()), expected));
                }
                self.own_bucket(principal, bucket).await.map(drop)
            }
            Taken::ApiKey(id) => {
                let found = self.inner().api_keys.find(principal.tenant(), id);
                found.map(drop).ok_or(ServiceError::NotFound { what: "API key" })
            }
            Taken::SigningKey(id) => {
                let found = self.inner().keys.find(principal.tenant(), id);
                found.map(drop).ok_or(ServiceError::NotFound { what: "signing key" })
            }
        }
    }

    /// When nothing is left that the revocation could hit: the URL's own end where it is known, else that of the longest life
    /// that begins at `issued_until`.
    fn forget_revocation_at(
        &self,
        tenant: &TenantName,
        taken: &Taken,
        url: Option<&UrlRow>,
        issued_until: Timestamp,
    ) -> Timestamp {
        let keys = &self.inner().keys;
        let of_key = |seconds| Duration::from_secs(seconds);
        let longest = match taken {
            Taken::SigningKey(id) => keys.find(tenant, id).map_or(LONGEST_LIFETIME, |row| of_key(row.max_lifetime_seconds)),
            _ => {
                let signed = keys.of_tenant(tenant, None).iter().map(|row| of_key(row.max_lifetime_seconds)).max();
                signed.unwrap_or_default().max(self.config().max_link_lifetime).max(self.config().upload_lifetime)
            }
        };
        let end = url.map_or_else(|| issued_until.plus(SKEW).plus(longest.min(LONGEST_LIFETIME)), |url| url.expires_at);
        end.plus(self.config().resume_past_expiry)
    }

    /// The link id of a URL in link form that still works, for whoever issued it or may use its bucket: what [`Service::revoke`]
    /// takes. Scope `link:revoke`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::NotFound`] if there is no such link, or it has expired or was taken
    /// back; [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`].
    pub async fn link_of(&self, principal: &Principal, secret: LinkSecret) -> Result<LinkId, ServiceError> {
        principal.require(Scope::LinkRevoke)?;
        let link = self.presented_link(secret).await?.filter(|link| self.now() < link.expires_at);
        let link = link.ok_or(ServiceError::NotFound { what: "link" })?;
        if link.tenant != *principal.tenant() {
            return Err(ServiceError::NotOwner);
        }
        // The bucket may be another's, where it is public.
        if !principal.is_within(&link.bucket) && link.terms.issuer.as_ref() != Some(principal.api_key()) {
            return Err(ServiceError::OutsideBuckets);
        }
        if self.is_revoked(&facts_of_link(&link)) {
            return Err(ServiceError::NotFound { what: "link" });
        }
        Ok(link.link_id)
    }

    pub(crate) fn is_revoked(&self, url: &UrlFacts<'_>) -> bool {
        self.inner().revocations.hit(url) && !sabotaged("revocation-ignored")
    }

    /// The earliest instant that URLs of this tenant issued now may carry: the present second, or the one after what was taken back a
    /// moment ago, that they are not hit by it.
    pub(crate) fn earliest_issue(&self, tenant: &TenantName) -> Result<Timestamp, ServiceError> {
        let now = self.now();
        let at = self.inner().revocations.earliest_issue(tenant, now);
        if at > now.plus(MAX_AHEAD) { Err(Refusal::TooManyRequests.into()) } else { Ok(at) }
    }

    /// Reads the revocations that there are.
    pub(crate) async fn load_revocations(&self) -> Result<(), ServiceError> {
        let now = self.now();
        self.inner().revocations.reserve(self.metadata().n_revocations().await?);
        let mut page = self.metadata().revocations(now, None, PAGE).await?;
        loop {
            page.iter().for_each(|row| self.inner().revocations.add(row));
            let Some(last) = page.last().filter(|_| page.len() >= PAGE as usize) else { return Ok(()) };
            page = self.metadata().revocations(now, Some((&last.tenant, &last.taken)), PAGE).await?;
        }
    }

    /// The instant from which a grant that expires at `expires_at` leaves nothing worth keeping.
    pub(crate) fn forget_at(&self, expires_at: Timestamp) -> Timestamp {
        expires_at.plus(self.config().resume_past_expiry).plus(self.config().session_idle)
    }
}

/// What a revocation can name of a link.
pub(crate) fn facts_of_link(link: &LinkRow) -> UrlFacts<'_> {
    UrlFacts {
        tenant: &link.tenant,
        link_id: Some(&link.link_id),
        label: link.terms.label.as_deref(),
        place: Some((&link.bucket, Place::Object(&link.key))),
        issuer: link.terms.issuer.as_ref(),
        signing_key: None,
        issued_at: link.issued_at,
    }
}
