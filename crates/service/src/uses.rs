//! Uses as their owner sees them: all of them made available again.

use crate::urls::{facts_of_url, of_url};
use crate::{Principal, Service, ServiceError};
use valetkey_metadata::UrlRow;
use valetkey_model::{Action, LinkId, Refusal, Scope};

impl Service {
    /// Makes every use of a URL of the principal's tenant available again. Downloads under way go on, and take none of the new
    /// ones. Durable, and effective on the next request, when it returns. Scope `link:issue`, for it is as good as another URL, and
    /// what [`Service::issue`] would need for that one.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`]; [`ServiceError::NotFound`] if no such URL is known, as none is
    /// that was signed offline and has not been used yet; [`ServiceError::Conflict`] if its uses are not counted;
    /// [`ServiceError::Refused`] if the URL has expired or was taken back.
    pub async fn reset_uses(&self, principal: &Principal, link_id: &LinkId) -> Result<(), ServiceError> {
        principal.require(Scope::LinkIssue)?;
        self.redemptions_recorded().await;
        let entry = self.metadata().url(principal.tenant(), link_id).await?;
        let url = entry.ok_or(ServiceError::NotFound { what: "link" })?.url;
        self.may_reset(principal, &url)?;
        if self.is_revoked(&facts_of_url(&url)) {
            return Err(Refusal::Revoked.into());
        }
        let entry = of_url(self.act(principal, Action::UrlReset), &url);
        self.recording(vec![entry]).reset_uses(principal.tenant(), link_id).await?;
        tracing::info!("the uses of a URL were reset");
        Ok(())
    }

    fn may_reset(&self, principal: &Principal, url: &UrlRow) -> Result<(), ServiceError> {
        // The bucket may be another's, where it is public.
        if !principal.is_within(&url.bucket) && url.issuer.as_ref() != Some(principal.api_key()) {
            return Err(ServiceError::OutsideBuckets);
        }
        if url.permission.reads() {
            principal.require(Scope::ObjectRead)?;
        }
        if url.permission.writes() && !principal.scopes().has(Scope::ObjectCreate) {
            principal.require(Scope::ObjectWrite)?;
        }
        if url.uses.is_none() {
            return Err(ServiceError::Conflict { reason: "the uses of this URL are not counted" });
        }
        if self.now() >= url.expires_at {
            return Err(Refusal::Expired.into());
        }
        Ok(())
    }
}
