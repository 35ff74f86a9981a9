//! Taking URLs back: by link id, effective on the next request.

use crate::{LinkSecret, Principal, Service, ServiceError};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use valetkey_metadata::{AuditEntry, MetadataError, RevocationRow};
use valetkey_model::{Action, LinkId, Scope, TenantName, Timestamp, sabotaged};

/// No URL lives longer than this.
const LONGEST_LIFETIME: Duration = Duration::from_secs(400 * 24 * 3600);

/// The URLs taken back and not yet dead by themselves.
pub(crate) struct Revocations(RwLock<HashMap<LinkId, Vec<TenantName>>>);

impl Revocations {
    pub(crate) fn load(rows: Vec<RevocationRow>) -> Self {
        let revocations = Self(RwLock::default());
        for row in rows {
            revocations.add(row.tenant, row.link_id);
        }
        revocations
    }

    /// A link id is random, but a tenant chooses it when it signs offline: one tenant's revocation never hits another's URL.
    pub(crate) fn has(&self, tenant: &TenantName, link_id: &LinkId) -> bool {
        let revoked = self.0.read().unwrap_or_else(PoisonError::into_inner);
        revoked.get(link_id).is_some_and(|tenants| tenants.contains(tenant))
    }

    /// How many there are.
    pub(crate) fn n_live(&self) -> u64 {
        let revoked = self.0.read().unwrap_or_else(PoisonError::into_inner);
        revoked.values().map(|tenants| tenants.len() as u64).sum()
    }

    fn add(&self, tenant: TenantName, link_id: LinkId) {
        let mut revoked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let tenants = revoked.entry(link_id).or_default();
        if !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    }
}

impl Service {
    /// Takes URLs of the principal's tenant back by their link ids; also ones that were signed offline and are not known here.
    /// Durable, and effective on the next request, when it returns. Scope `link:revoke`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`].
    pub async fn revoke(&self, principal: &Principal, link_ids: &[LinkId]) -> Result<(), ServiceError> {
        principal.require(Scope::LinkRevoke)?;
        let now = self.now();
        let mut rows = Vec::with_capacity(link_ids.len());
        for link_id in link_ids {
            let link = self.metadata().link(principal.tenant(), link_id).await?;
            let forget_at =
                link.map_or_else(|| now.plus(LONGEST_LIFETIME), |link| link.expires_at).plus(self.config().resume_past_expiry);
            let row = RevocationRow { tenant: principal.tenant().clone(), link_id: *link_id, revoked_at: now, forget_at };
            rows.push(row);
        }
        let of_link = |link_id: &LinkId| AuditEntry { link_id: Some(*link_id), ..self.act(principal, Action::UrlRevoke) };
        let record = link_ids.iter().map(of_link).collect();
        let service = self.clone();
        let revoked = self.to_the_end(async move {
            service.recording(record).revoke(rows.clone()).await?;
            service.inner().audit.n_revoked.fetch_add(rows.len() as u64, Ordering::Relaxed);
            for row in rows {
                service.inner().revocations.add(row.tenant, row.link_id);
            }
            Ok::<_, MetadataError>(())
        });
        revoked.await?;
        tracing::info!(n_urls = link_ids.len(), "URLs were taken back");
        Ok(())
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
        if self.is_revoked(&link.tenant, &link.link_id) {
            return Err(ServiceError::NotFound { what: "link" });
        }
        Ok(link.link_id)
    }

    pub(crate) fn is_revoked(&self, tenant: &TenantName, link_id: &LinkId) -> bool {
        self.inner().revocations.has(tenant, link_id) && !sabotaged("revocation-ignored")
    }

    /// The instant from which a grant that expires at `expires_at` leaves nothing worth keeping.
    pub(crate) fn forget_at(&self, expires_at: Timestamp) -> Timestamp {
        expires_at.plus(self.config().resume_past_expiry).plus(self.config().session_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_revocation_is_not_anothers() {
        let (a, b): (TenantName, TenantName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let link_id = LinkId::from_bytes([1; 16]);
        let revocations = Revocations::load(Vec::new());
        revocations.add(a.clone(), link_id);
        assert!(revocations.has(&a, &link_id) && !revocations.has(&b, &link_id));
        revocations.add(b.clone(), link_id);
        assert!(revocations.has(&b, &link_id));
    }
}
