//! Uses as their owner sees them: all of them made available again.

use crate::{Principal, Service, ServiceError};
use valetkey_metadata::LinkRow;
use valetkey_model::{LinkId, Refusal, Scope};

impl Service {
    /// Makes every use of a URL of the principal's tenant available again. Downloads under way go on, and take none of the new
    /// ones. Durable, and effective on the next request, when it returns. Scope `link:issue`, for it is as good as another URL, and
    /// what [`Service::issue`] would need for that one; of a token, whose object is known only to its holders, whoever is limited to
    /// certain buckets resets none.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`] if there is no such link, and
    /// no token of this id has been used yet; [`ServiceError::Conflict`] if its uses are not counted;
    /// [`ServiceError::Refused`] if the URL has expired or was taken back.
    pub async fn reset_uses(&self, principal: &Principal, link_id: &LinkId) -> Result<(), ServiceError> {
        principal.require(Scope::LinkIssue)?;
        let link = self.metadata().link(principal.tenant(), link_id).await?;
        match &link {
            Some(link) => self.may_reset(principal, link)?,
            None if principal.is_limited_to_buckets() => return Err(ServiceError::OutsideBuckets),
            None => {}
        }
        if self.is_revoked(principal.tenant(), link_id) {
            return Err(Refusal::Revoked.into());
        }
        let was_used = self.metadata().reset_uses(principal.tenant(), link_id).await?;
        if link.is_none() && !was_used {
            return Err(ServiceError::NotFound { what: "link" });
        }
        tracing::info!("the uses of a URL were reset");
        Ok(())
    }

    fn may_reset(&self, principal: &Principal, link: &LinkRow) -> Result<(), ServiceError> {
        let terms = &link.terms;
        // The bucket may be another's, where it is public.
        if !principal.is_within(&link.bucket) && terms.issuer.as_ref() != Some(principal.api_key()) {
            return Err(ServiceError::OutsideBuckets);
        }
        if terms.permission.reads() {
            principal.require(Scope::ObjectRead)?;
        }
        if terms.permission.writes() && !principal.scopes().has(Scope::ObjectCreate) {
            principal.require(Scope::ObjectWrite)?;
        }
        if terms.uses.is_none() {
            return Err(ServiceError::Conflict { reason: "the uses of this URL are not counted" });
        }
        if self.now() >= link.expires_at {
            return Err(Refusal::Expired.into());
        }
        Ok(())
    }
}
