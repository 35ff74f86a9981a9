//! Issued URLs, listed and searched by whoever may issue or take back.

use crate::audit::About as _;
use crate::revocations::UrlFacts;
use crate::{Principal, Service, ServiceError};
use valetkey_metadata::{AuditEntry, SigningKeyState, UrlCursor, UrlEntry, UrlRow, UrlTarget, UrlsOf};
use valetkey_model::{BucketName, LinkId, ObjectKey, Scope, Timestamp};

/// How many URLs a page passes over before it ends early: its time stays bounded, however seldom what is asked for is.
const MAX_PASSED_OVER: usize = 10_000;
/// How many are read at once, at least.
const MIN_READ: u32 = 100;

/// What becomes of a request with a URL, as far as the URL itself goes: what its issuer may do, and whether its object is there,
/// is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlState {
    /// It works.
    Active,
    /// Its time is yet to come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// It was taken back, by whatever it has in common with others; or its signing key was revoked.
    Revoked,
    /// Its uses are spent.
    UsedUp,
}

/// A URL as it is listed: never the URL itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUrl {
    /// What is known of it.
    pub url: UrlRow,
    /// What becomes of it.
    pub state: UrlState,
    /// How many of its uses are not spent; `None` is without limit.
    pub uses_left: Option<u32>,
}

/// Which URLs are asked for: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlQuery {
    /// For this bucket.
    pub bucket: Option<BucketName>,
    /// For this object, and no prefix; only with `bucket`.
    pub key: Option<ObjectKey>,
    /// With this label.
    pub label: Option<String>,
    /// In this state.
    pub state: Option<UrlState>,
}

/// A page of URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlPage {
    /// The URLs: the newest first; of a bucket, without key or label, by object key.
    pub urls: Vec<ListedUrl>,
    /// After what the next page begins; `None` on the last one. A page may be shorter than asked for and still have one.
    pub next: Option<UrlCursor>,
}

impl Service {
    /// A page of the tenant's URLs, those for other buckets than the principal's left out, but for its own. Scope `link:issue` or
    /// `link:revoke`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::OutsideBuckets`] for a bucket that is not the principal's;
    /// [`ServiceError::Invalid`] for a key without its bucket.
    pub async fn urls(
        &self,
        principal: &Principal,
        query: &UrlQuery,
        after: Option<UrlCursor>,
        limit: u32,
    ) -> Result<UrlPage, ServiceError> {
        require_listing(principal)?;
        if query.bucket.as_ref().is_some_and(|bucket| !principal.is_within(bucket)) {
            return Err(ServiceError::OutsideBuckets);
        }
        let of = match (&query.bucket, &query.key, &query.label) {
            (None, Some(_), _) => return Err(ServiceError::invalid("key", "without `bucket`", "both, or neither")),
            (Some(bucket), Some(key), _) => UrlsOf::Object(bucket.clone(), key.clone()),
            (_, None, Some(label)) => UrlsOf::Label(label.clone()),
            (Some(bucket), None, None) => UrlsOf::Bucket(bucket.clone()),
            (None, None, None) => UrlsOf::Tenant,
        };
        let (limit, n_read) = (limit as usize, limit.saturating_add(1).max(MIN_READ));
        let (mut page, mut after, mut n_passed_over) = (UrlPage::default(), after, 0);
        loop {
            let entries = self.metadata().urls(principal.tenant(), &of, after.as_ref(), n_read).await?;
            let is_last = entries.len() < n_read as usize;
            for entry in entries {
                let (listed, cursor) = self.listed(entry);
                if !is_asked_for(principal, query, &listed) {
                    n_passed_over += 1;
                } else if page.urls.len() == limit {
                    page.next = after;
                    return Ok(page);
                } else {
                    page.urls.push(listed);
                }
                after = Some(cursor);
            }
            if is_last {
                return Ok(page);
            }
            if n_passed_over >= MAX_PASSED_OVER {
                page.next = after;
                return Ok(page);
            }
        }
    }

    /// The URL with this handle. Scope `link:issue` or `link:revoke`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::NotFound`] also for another tenant's; [`ServiceError::OutsideBuckets`].
    pub async fn url(&self, principal: &Principal, link_id: &LinkId) -> Result<ListedUrl, ServiceError> {
        require_listing(principal)?;
        let entry = self.metadata().url(principal.tenant(), link_id).await?;
        let (listed, _) = self.listed(entry.ok_or(ServiceError::NotFound { what: "link" })?);
        if may_see(principal, &listed.url) { Ok(listed) } else { Err(ServiceError::OutsideBuckets) }
    }

    fn listed(&self, entry: UrlEntry) -> (ListedUrl, UrlCursor) {
        let UrlEntry { url, ledger, cursor } = entry;
        let n_spent = ledger.map_or(0, |ledger| ledger.n_spent());
        let uses_left = url.uses.map(|uses| uses.get().saturating_sub(n_spent));
        let state = self.state_of(&url, uses_left, self.now());
        (ListedUrl { url, state, uses_left }, cursor)
    }

    fn state_of(&self, url: &UrlRow, uses_left: Option<u32>, now: Timestamp) -> UrlState {
        let key = url.signing_key.as_ref().and_then(|id| self.inner().keys.find(&url.tenant, id));
        if now >= url.expires_at {
            UrlState::Expired
        } else if self.is_revoked(&facts_of_url(url)) || key.is_some_and(|key| key.state == SigningKeyState::Revoked) {
            UrlState::Revoked
        } else if uses_left == Some(0) {
            UrlState::UsedUp
        } else if url.not_before.is_some_and(|at| now < at) {
            UrlState::NotYetValid
        } else {
            UrlState::Active
        }
    }
}

fn require_listing(principal: &Principal) -> Result<(), ServiceError> {
    if principal.scopes().has(Scope::LinkRevoke) { Ok(()) } else { principal.require(Scope::LinkIssue) }
}

fn may_see(principal: &Principal, url: &UrlRow) -> bool {
    principal.is_within(&url.bucket) || url.issuer.as_ref() == Some(principal.api_key())
}

fn is_asked_for(principal: &Principal, query: &UrlQuery, listed: &ListedUrl) -> bool {
    may_see(principal, &listed.url)
        && query.bucket.as_ref().is_none_or(|bucket| listed.url.bucket == *bucket)
        && query.label.as_ref().is_none_or(|label| listed.url.label.as_ref() == Some(label))
        && query.state.is_none_or(|state| listed.state == state)
}

/// An act upon a URL, as the audit tells of it.
pub(crate) fn of_url(entry: AuditEntry, url: &UrlRow) -> AuditEntry {
    let entry = match &url.target {
        UrlTarget::Object(key) => entry.of_object(&url.bucket, key),
        UrlTarget::Prefix(prefix) => entry.of_bucket(&url.bucket).of(format!("{prefix}*")),
    };
    AuditEntry { link_id: Some(url.link_id), ..entry }
}

/// What a revocation can name of a listed URL.
pub(crate) fn facts_of_url(url: &UrlRow) -> UrlFacts<'_> {
    UrlFacts {
        tenant: &url.tenant,
        link_id: Some(&url.link_id),
        label: url.label.as_deref(),
        place: Some((&url.bucket, (&url.target).into())),
        issuer: url.issuer.as_ref(),
        signing_key: url.signing_key.as_ref(),
        issued_at: url.issued_at,
    }
}
