//! Redeeming: the phases of a signed request, each taking the proof made by the one before it.
//!
//! ```text
//! Presented -> verify -> Grant -> admit -> Admission -> select -> Selection -> reserve -> Reservation -> open -> Delivery
//! ```
//!
//! Only [`Service::verify`] makes a [`Grant`], only [`Service::admit`] an [`Admission`], and nothing opens an object without
//! its proof. For an unlimited grant whose rows are in memory no phase waits for anything.

mod counting;
mod explain;
mod offer;
mod usage;

pub use counting::{Attempt, Counting};
pub use explain::{Asked, Check, CheckOutcome, Explanation, Facts, Question, UrlCredential, UrlForm, remedy};
pub use offer::{Offer, Pressed};
pub(crate) use usage::Flights;
pub use usage::Usage;

use crate::attempts::network_of;
use crate::issue::LinkSecret;
use crate::principal::digest_of;
use crate::revocations::{self, UrlFacts};
use crate::revoke::facts_of_link;
use crate::service::Place;
use crate::transfers::Transfer;
use crate::{Service, ServiceError};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::ledger::{Ask, Rules};
use valetkey_metadata::{AuditEntry, BucketRow, GrantKey, LinkRow, ObjectRow, UrlMarks, UrlRow, UrlTarget};
use valetkey_model::{
    Action, ApiKeyId, BucketName, Dialect, FileId, LinkId, Method, ObjectKey, Permission, PutMode, Refusal, Scope, SecretDigest,
    SecretText, SessionId, SigningKeyId, TenantName, Terms, Timestamp, sabotaged,
};
use valetkey_objects::OpenBlob;
use valetkey_signing::{Claims, KeyOwner, PathRule, Resource, Verified, granted_prefix};

/// How far clocks may differ without a URL being not yet valid.
const SKEW: Duration = Duration::from_secs(60);

/// What a request presents, unverified.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The credential in the URL.
    pub credential: PresentedCredential<'a>,
    /// The method.
    pub method: Method,
    /// The client's address, as the operator's trust in proxies makes it out.
    pub client: IpAddr,
    /// The `User-Agent`, empty if there is none.
    pub user_agent: &'a [u8],
    /// The session secrets that came with it.
    pub sessions: &'a Sessions<'a>,
    /// Whether the request says that it is a prefetch.
    pub prefetch: bool,
    /// Whose path it is: what a request counts as whose URL says nothing else that is proved.
    pub dialect: Dialect,
}

/// The session secrets that come with a request: one said to be for this URL, and others by the beginning of a link id.
#[derive(Clone, Debug, Default)]
pub struct Sessions<'a> {
    /// Sent for this request alone.
    pub explicit: Option<&'a str>,
    /// Kept by the client per URL: [`session_name`] and secret.
    pub kept: Vec<(&'a str, &'a str)>,
}

impl<'a> Sessions<'a> {
    fn of(&self, link_id: &LinkId) -> Option<&'a str> {
        let name = session_name(link_id);
        let kept = || self.kept.iter().find(|(kept, _)| *kept == name).map(|(_, secret)| *secret);
        self.explicit.or_else(kept)
    }

    fn is_empty(&self) -> bool {
        self.explicit.is_none() && self.kept.is_empty()
    }
}

/// Under which name a client keeps the session secret of a URL: the first eight characters of its link id.
pub fn session_name(link_id: &LinkId) -> String {
    link_id.to_string().chars().skip("lnk_".len()).take(8).collect()
}

/// The credential in a signed URL.
#[derive(Clone, Copy)]
pub enum PresentedCredential<'a> {
    /// A token, and the raw path it came with.
    Token {
        /// The token.
        token: &'a str,
        /// The path of the request, still percent-encoded.
        raw_path: &'a str,
    },
    /// A link secret.
    Link(LinkSecret),
    /// A link secret in a URL that also names the bucket: for a link of another one it is unknown.
    LinkInBucket {
        /// The secret.
        secret: LinkSecret,
        /// The bucket.
        bucket: &'a BucketName,
    },
    /// None: the request only names what it wants. Good for reading from a public bucket.
    Public(PublicPlace<'a>),
}

/// What a request without any credential names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicPlace<'a> {
    /// An object by its place.
    Object {
        /// The bucket.
        bucket: &'a BucketName,
        /// The object key.
        key: &'a ObjectKey,
    },
    /// A file by its id.
    File(FileId),
}

impl PresentedCredential<'_> {
    /// The dialect that a token says it was issued by, before anything is proved: good for the shape of a refusal and no more.
    pub fn claimed_dialect(&self) -> Option<Dialect> {
        match self {
            Self::Token { token, .. } => claimed_dialect([token.as_bytes()]),
            _ => None,
        }
    }

    /// The methods that a token says it permits, before anything is proved: good for telling them and no more. `None` where nothing
    /// is said: what a link is for is known to the store alone.
    pub fn claimed_methods(&self) -> Option<Vec<Method>> {
        match self {
            Self::Token { token, .. } => valetkey_signing::claimed_methods(token),
            _ => None,
        }
    }
}

/// The dialect that tokens say they were issued by, also damaged ones, if they do not contradict each other; one that says nothing does
/// not. As [`PresentedCredential::claimed_dialect`], it is good for the shape of a refusal and no more.
pub fn claimed_dialect<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Option<Dialect> {
    let of_whole = |token| valetkey_signing::claimed_dialect(std::str::from_utf8(token).ok()?);
    let of = |token| of_whole(token).or_else(|| valetkey_signing::dialect_of_damaged(token));
    let mut claimed = tokens.into_iter().filter_map(of);
    let first = claimed.next()?;
    claimed.all(|other| other == first).then_some(first)
}

impl std::fmt::Debug for PresentedCredential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token { .. } => "Token([redacted])",
            Self::Link(_) | Self::LinkInBucket { .. } => "Link([redacted])",
            Self::Public(_) => "Public",
        })
    }
}

/// What a presented URL proved to allow.
#[derive(Debug)]
pub struct Grant {
    source: Source,
    place: Place,
    incarnation: Option<FileId>,
    signing_key: Option<SigningKeyId>,
    issuer: Option<ApiKeyId>,
    method: Method,
    /// From where it was presented.
    address: IpAddr,
    /// When it was proved: the instant of the request.
    at: Timestamp,
    past_expiry: bool,
    for_whole_bucket: bool,
    prefetch: bool,
    /// By a key of an API key's owner: there may be no row of the URL.
    signed_elsewhere: bool,
    /// For limited grants: who asks.
    client: Option<SecretDigest>,
    session: Option<SecretDigest>,
    user_agent: Option<Box<[u8]>>,
}

/// Where a grant's terms are from.
#[derive(Debug)]
enum Source {
    Token {
        tenant: TenantName,
        link_id: LinkId,
        issued_at: Timestamp,
        not_before: Option<Timestamp>,
        expires_at: Timestamp,
        path: PathRule,
        terms: Box<Terms>,
    },
    Link(Arc<LinkRow>),
    /// No URL: the bucket is public.
    Public {
        tenant: TenantName,
        terms: Box<Terms>,
    },
}

impl Grant {
    /// The terms it was issued under.
    pub fn terms(&self) -> &Terms {
        match &self.source {
            Source::Token { terms, .. } | Source::Public { terms, .. } => terms,
            Source::Link(link) => &link.terms,
        }
    }

    /// The URL's public handle; `None` if the grant is not by a URL, but by the bucket's being public.
    pub fn link_id(&self) -> Option<LinkId> {
        match &self.source {
            Source::Token { link_id, .. } => Some(*link_id),
            Source::Link(link) => Some(link.link_id),
            Source::Public { .. } => None,
        }
    }

    /// Until when the URL works; what is public works until the end of time.
    pub fn expires_at(&self) -> Timestamp {
        match &self.source {
            Source::Token { expires_at, .. } => *expires_at,
            Source::Link(link) => link.expires_at,
            Source::Public { .. } => Timestamp::MAX,
        }
    }

    /// The instant of the request: when it was proved.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The bucket it is for.
    pub fn bucket(&self) -> &BucketName {
        &self.place.bucket
    }

    /// The object key it is for.
    pub fn key(&self) -> &ObjectKey {
        &self.place.key
    }

    /// Whether its uses are counted.
    pub fn is_limited(&self) -> bool {
        self.terms().uses.is_some()
    }

    /// Whether it is by the bucket's being public alone: no credential was presented.
    pub fn is_public(&self) -> bool {
        matches!(self.source, Source::Public { .. })
    }

    pub(crate) fn tenant(&self) -> &TenantName {
        match &self.source {
            Source::Token { tenant, .. } | Source::Public { tenant, .. } => tenant,
            Source::Link(link) => &link.tenant,
        }
    }

    /// What a revocation can name; `None` if it is by no URL.
    pub(crate) fn facts(&self) -> Option<UrlFacts<'_>> {
        let place = Some((&self.place.bucket, revocations::Place::Object(&self.place.key)));
        Some(match &self.source {
            Source::Token { tenant, link_id, issued_at, terms, .. } => UrlFacts {
                tenant,
                link_id: Some(link_id),
                label: terms.label.as_deref(),
                place,
                issuer: self.issuer.as_ref(),
                signing_key: self.signing_key.as_ref(),
                issued_at: *issued_at,
            },
            Source::Link(link) => UrlFacts { place, ..facts_of_link(link) },
            Source::Public { .. } => return None,
        })
    }

    /// The same for the publishing transaction, beside tenant, place and issuer.
    pub(crate) fn marks(&self) -> Option<UrlMarks> {
        let UrlFacts { link_id, label, signing_key, issued_at, .. } = self.facts()?;
        Some(UrlMarks { link_id: *link_id?, signing_key: signing_key.cloned(), label: label.map(str::to_owned), issued_at })
    }

    /// What its owner is to see of a token, which may have been signed elsewhere. `None` for a link, which is known.
    pub(crate) fn url_row(&self, base_path: &str) -> Option<UrlRow> {
        let Source::Token { tenant, link_id, issued_at, not_before, expires_at, path, terms } = &self.source else { return None };
        let target = match path {
            PathRule::Exact(_) => UrlTarget::Object(self.place.key.clone()),
            PathRule::Prefix(path) => UrlTarget::Prefix(granted_prefix(base_path, path)?),
        };
        Some(UrlRow {
            tenant: tenant.clone(),
            link_id: *link_id,
            signing_key: self.signing_key.clone(),
            bucket: self.place.bucket.clone(),
            target,
            permission: terms.permission,
            uses: terms.uses,
            label: terms.label.clone(),
            issuer: self.issuer.clone(),
            issued_at: *issued_at,
            not_before: *not_before,
            expires_at: *expires_at,
            n_requests: 0,
            last_used_at: None,
        })
    }

    /// Under which key its uses are counted, if they are.
    fn ledger_key(&self) -> Option<GrantKey> {
        let link_id = self.link_id().filter(|_| self.is_limited())?;
        Some(GrantKey { tenant: self.tenant().clone(), signing_key: self.signing_key.clone(), link_id })
    }

    fn reads(&self) -> bool {
        matches!(self.method, Method::Get | Method::Head)
    }
}

/// A grant that may be used now: its issuer may still do this, and it was not taken back.
#[derive(Debug)]
pub struct Admission {
    /// Shared with what tells its end: it is handed on from phase to phase.
    grant: Arc<Grant>,
    bucket: Arc<BucketRow>,
    /// The issuer may only create.
    create_only: bool,
    /// How often transfers had been ended before it was looked up among the revocations.
    n_cuts: u64,
}

/// The object of an admitted grant for reading.
#[derive(Debug)]
pub struct Found {
    admission: Admission,
    object: Arc<ObjectRow>,
}

/// What is to be sent: ranges of one generation, in the order of sending.
#[derive(Debug)]
pub struct Selection {
    found: Found,
    ranges: Vec<Range<u64>>,
}

/// A selection that may be sent: for a limited grant it is recorded.
#[derive(Debug)]
pub struct Reservation {
    selection: Selection,
    usage: Option<Usage>,
    session_secret: Option<SecretText>,
}

/// An open object and what of it may be sent.
#[derive(Debug)]
pub struct Delivery {
    /// The bytes.
    pub blob: OpenBlob,
    /// Which of them, in this order.
    pub ranges: Vec<Range<u64>>,
    /// For a limited grant: to be told what was sent.
    pub usage: Option<Usage>,
    /// For a session opened by this request: the secret that proves its holder.
    pub session_secret: Option<SecretText>,
    /// For one by a URL: tells when it is to end early.
    pub transfer: Option<Transfer>,
    /// For an unlimited grant: to be told what was sent.
    pub counting: Option<Counting>,
}

impl Service {
    /// The dialect that a URL was issued by, as a token says or a link's row has it, whether it works or not: good for the shape of a
    /// refusal and no more. `None` for what cannot be read or found.
    pub async fn claimed_dialect(&self, credential: PresentedCredential<'_>) -> Option<Dialect> {
        match credential {
            PresentedCredential::Token { .. } => credential.claimed_dialect(),
            PresentedCredential::Link(secret) | PresentedCredential::LinkInBucket { secret, .. } => {
                Some(self.presented_link(secret).await.ok()??.terms.dialect)
            }
            PresentedCredential::Public(_) => None,
        }
    }

    /// The methods that a URL is for, as a token says or a link's row has it, whether it works or not: good for telling who was
    /// refused and no more. `None` for what cannot be read or found.
    pub async fn claimed_methods(&self, credential: PresentedCredential<'_>) -> Option<Vec<Method>> {
        let (PresentedCredential::Link(secret) | PresentedCredential::LinkInBucket { secret, .. }) = credential else {
            return credential.claimed_methods();
        };
        let permission = self.presented_link(secret).await.ok()??.terms.permission;
        Some(Method::ALL.into_iter().filter(|method| permission.allows(*method)).collect())
    }

    /// Proves what a presented URL allows: signature or secret, times, path, method, address.
    ///
    /// # Errors
    ///
    /// The first refusal in the order of the table.
    pub async fn verify(&self, presented: &Presented<'_>) -> Result<Grant, Refusal> {
        let verified = self.verify_at(presented, self.now()).await;
        match &verified {
            Ok(grant) => tracing::trace!(bucket = %grant.place.bucket, method = %grant.method, "a signed URL was verified"),
            Err(refusal) => Box::pin(self.count_refused(presented, *refusal)).await,
        }
        verified
    }

    /// The same as if it were this instant, and nothing is counted.
    async fn verify_at(&self, presented: &Presented<'_>, at: Timestamp) -> Result<Grant, Refusal> {
        let grant = match presented.credential {
            PresentedCredential::Token { token, raw_path } => self.verify_token(presented, token, raw_path, at).await?,
            PresentedCredential::Link(secret) => self.verify_link(presented, secret, None, at).await?,
            PresentedCredential::LinkInBucket { secret, bucket } => self.verify_link(presented, secret, Some(bucket), at).await?,
            PresentedCredential::Public(place) => Box::pin(self.verify_public(presented, place, at)).await?,
        };
        if grant.past_expiry && !sabotaged("expiry-ignored") && !Box::pin(self.resumes(&grant)).await? {
            return Err(Refusal::Expired);
        }
        Ok(grant)
    }

    /// Whether the request goes on with a download session that there is: all that an expired URL is still good for.
    async fn resumes(&self, grant: &Grant) -> Result<bool, Refusal> {
        let (Some(session), Some(key), true) = (&grant.session, grant.ledger_key(), grant.reads()) else { return Ok(false) };
        let ledger = self.metadata().ledger(&key).await;
        let ledger = ledger.map_err(|error| ServiceError::from(error).as_refusal())?;
        Ok(ledger.is_some_and(|ledger| ledger.is_held_by(session)))
    }

    async fn verify_token(
        &self,
        presented: &Presented<'_>,
        token: &str,
        raw_path: &str,
        at: Timestamp,
    ) -> Result<Grant, Refusal> {
        let leniency = if presented.sessions.is_empty() { Duration::ZERO } else { self.config().resume_past_expiry };
        let verified = valetkey_signing::verify(
            &valetkey_signing::Presented {
                token,
                raw_path,
                base_path: &self.config().base_path,
                method: presented.method,
                client: presented.client,
                now: at,
                expiry_leniency: leniency,
            },
            &self.inner().keys.ring(),
        )?;
        match verified.resource() {
            Resource::Object { bucket, key } => {
                let place = Place { bucket: bucket.clone(), key: key.clone() };
                Ok(token_grant(presented, verified, at, place, None))
            }
            Resource::File(file_id) => {
                let file_id = *file_id;
                let place =
                    Box::pin(self.place_of_granted(verified.claims().clone(), verified.key_id().clone(), file_id)).await?;
                Ok(token_grant(presented, verified, at, place, Some(file_id)))
            }
        }
    }

    /// Where the bytes of the file are that a token is for. One whose file is gone is refused in the order of the table, as far
    /// as that goes without a bucket.
    async fn place_of_granted(&self, claims: Claims, key_id: SigningKeyId, file_id: FileId) -> Result<Place, Refusal> {
        let place = self.place_of_file(file_id).await.map_err(|error| error.as_refusal())?;
        let terms = &claims.terms;
        if let Some(place) = place.filter(|_| terms.incarnation.is_none_or(|named| named == file_id)) {
            return Ok(place);
        }
        let api_keys = &self.inner().api_keys;
        if terms.issuer.as_ref().is_some_and(|issuer| api_keys.live(issuer, self.now()).is_none()) {
            return Err(Refusal::IssuerDisabled);
        }
        let url = UrlFacts {
            tenant: &claims.tenant,
            link_id: Some(&claims.link_id),
            label: terms.label.as_deref(),
            place: None,
            issuer: terms.issuer.as_ref(),
            signing_key: Some(&key_id),
            issued_at: claims.issued_at,
        };
        Err(if self.is_revoked(&url) { Refusal::Revoked } else { Refusal::ObjectGone })
    }

    async fn verify_link(
        &self,
        presented: &Presented<'_>,
        secret: LinkSecret,
        bucket: Option<&BucketName>,
        now: Timestamp,
    ) -> Result<Grant, Refusal> {
        let link = self.presented_link(secret).await.map_err(|error| error.as_refusal())?;
        let link = link.filter(|link| bucket.is_none_or(|bucket| link.bucket == *bucket)).ok_or(Refusal::UnknownLink)?;
        if link.not_before.is_some_and(|at| now.plus(SKEW) < at) {
            return Err(Refusal::NotYetValid);
        }
        let limited = link.terms.uses.is_some();
        let past_expiry = now >= link.expires_at;
        let session = if limited { presented.sessions.of(&link.link_id) } else { None };
        let resumable = session.is_some() && now.since(link.expires_at) < self.config().resume_past_expiry;
        if past_expiry && !resumable && !sabotaged("expiry-ignored") {
            return Err(Refusal::Expired);
        }
        if !link.terms.permission.allows(presented.method) {
            return Err(Refusal::WrongMethod);
        }
        if !link.terms.addresses.is_empty() && !link.terms.addresses.iter().any(|network| network.contains(presented.client)) {
            return Err(Refusal::WrongAddress);
        }
        Ok(Grant {
            place: Place { bucket: link.bucket.clone(), key: link.key.clone() },
            incarnation: link.file_id.or(link.terms.incarnation),
            signing_key: None,
            issuer: link.terms.issuer.clone(),
            method: presented.method,
            address: presented.client,
            at: now,
            past_expiry,
            for_whole_bucket: false,
            prefetch: presented.prefetch,
            signed_elsewhere: false,
            client: limited.then(|| client_digest(presented)),
            user_agent: limited.then(|| presented.user_agent.into()),
            session: session.map(|secret| digest_of(secret.as_bytes())),
            source: Source::Link(link),
        })
    }

    /// A request without a credential is for what is public, and everything else is told it as one whose credential is made up:
    /// which buckets there are is not its concern.
    async fn verify_public(&self, presented: &Presented<'_>, place: PublicPlace<'_>, at: Timestamp) -> Result<Grant, Refusal> {
        if !matches!(presented.method, Method::Get | Method::Head) {
            return Err(Refusal::Malformed);
        }
        let (place, incarnation) = match place {
            PublicPlace::Object { bucket, key } => (Place { bucket: bucket.clone(), key: key.clone() }, None),
            PublicPlace::File(file_id) => {
                let place = self.place_of_file(file_id).await.map_err(|error| error.as_refusal())?;
                (place.ok_or(Refusal::Malformed)?, Some(file_id))
            }
        };
        let bucket = self.public_bucket(&place.bucket).await.map_err(|error| error.as_refusal())?.ok_or(Refusal::Malformed)?;
        Ok(Grant {
            source: Source::Public { tenant: bucket.tenant.clone(), terms: Box::new(Terms::new(Permission::Read)) },
            place,
            incarnation,
            signing_key: None,
            issuer: None,
            method: presented.method,
            address: presented.client,
            at,
            past_expiry: false,
            for_whole_bucket: false,
            prefetch: presented.prefetch,
            signed_elsewhere: false,
            client: None,
            session: None,
            user_agent: None,
        })
    }

    pub(crate) async fn presented_link(&self, secret: LinkSecret) -> Result<Option<Arc<LinkRow>>, ServiceError> {
        let (rows, digest) = (&self.inner().link_rows, secret.digest());
        if let Some(link) = rows.find(&digest) {
            return Ok(Some(link));
        }
        let before = rows.before_read(&digest);
        let Some(link) = self.metadata().link_by_secret(&digest).await? else { return Ok(None) };
        let link = Arc::new(link);
        rows.keep(digest, link.clone(), before);
        Ok(Some(link))
    }

    /// Proves that the grant may be used now.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadSignature`] if its tenant neither owns the bucket nor only reads what is public;
    /// [`Refusal::IssuerDisabled`], [`Refusal::Revoked`], [`Refusal::ObjectGone`] without the bucket, [`Refusal::Unavailable`].
    pub async fn admit(&self, grant: Grant) -> Result<Admission, Refusal> {
        self.admission(grant).await.map_err(|(grant, refusal)| self.refused(&grant, refusal))
    }

    /// The same, and nothing is counted.
    async fn admission(&self, grant: Grant) -> Result<Admission, (Box<Grant>, Refusal)> {
        let n_cuts = self.inner().transfers.n_cuts();
        match self.admitted(&grant).await {
            Ok((bucket, create_only)) => Ok(Admission { grant: Arc::new(grant), bucket, create_only, n_cuts }),
            Err(refusal) => Err((Box::new(grant), refusal)),
        }
    }

    /// The bucket, and whether the issuer may only create.
    async fn admitted(&self, grant: &Grant) -> Result<(Arc<BucketRow>, bool), Refusal> {
        let bucket = self.bucket_row(&grant.place.bucket).await.map_err(|error| error.as_refusal())?;
        let reads_public = grant.reads() && bucket.as_ref().is_some_and(|bucket| bucket.public);
        if bucket.as_ref().is_some_and(|bucket| bucket.tenant != *grant.tenant()) && !reads_public {
            return Err(Refusal::BadSignature);
        }
        let create_only = match &grant.issuer {
            Some(issuer) => self.issuer_may(grant, issuer, reads_public)?,
            None if grant.is_public() && !reads_public => return Err(Refusal::Malformed),
            None => false,
        };
        if grant.facts().is_some_and(|url| self.is_revoked(&url)) {
            return Err(Refusal::Revoked);
        }
        Ok((bucket.ok_or(Refusal::ObjectGone)?, create_only))
    }

    /// Whether the issuing API key may now do what the method does; the answer says whether it may only create. What is public any
    /// key may read, as long as it works.
    fn issuer_may(&self, grant: &Grant, issuer: &ApiKeyId, reads_public: bool) -> Result<bool, Refusal> {
        let row = self.inner().api_keys.live(issuer, grant.at).ok_or(Refusal::IssuerDisabled)?;
        let within = row.buckets.is_empty() || row.buckets.contains(&grant.place.bucket);
        let has = |scope| row.scopes.has(scope);
        let permitted = match grant.reads() {
            true => (has(Scope::ObjectRead) || reads_public) && (!grant.for_whole_bucket || has(Scope::Admin)),
            false => has(Scope::ObjectWrite) || has(Scope::ObjectCreate),
        };
        if row.tenant != *grant.tenant() || !(within || reads_public) || !permitted {
            return Err(Refusal::IssuerDisabled);
        }
        Ok(!grant.reads() && !has(Scope::ObjectWrite))
    }

    /// Finds the object that an admitted grant reads.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongMethod`] for a grant that does not read; [`Refusal::ObjectGone`], [`Refusal::Unavailable`].
    pub async fn find(&self, admission: Admission) -> Result<Found, Refusal> {
        match self.found(&admission).await {
            Ok(object) => Ok(Found { admission, object }),
            Err(refusal) => Err(self.refused(&admission.grant, refusal)),
        }
    }

    /// The object, and nothing is counted.
    async fn found(&self, admission: &Admission) -> Result<Arc<ObjectRow>, Refusal> {
        if !admission.grant.terms().permission.reads() {
            return Err(Refusal::WrongMethod);
        }
        let object = self.granted_object(admission).await?.ok_or(Refusal::ObjectGone)?;
        let is_other = admission.grant.terms().pin.is_some_and(|pin| pin != object.blob);
        if is_other { Err(Refusal::ObjectGone) } else { Ok(object) }
    }

    /// The object of the grant's incarnation, if it is there: what a conditional write is compared with.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn granted_object(&self, admission: &Admission) -> Result<Option<Arc<ObjectRow>>, Refusal> {
        let Grant { place, incarnation, .. } = &*admission.grant;
        let object = self.live_object_at(place).await.map_err(|error| error.as_refusal())?;
        let is_granted = |object: &Arc<ObjectRow>| incarnation.is_none_or(|file_id| file_id == object.file_id);
        Ok(object.filter(|object| is_granted(object) || sabotaged("incarnation-ignored")))
    }

    /// Proves that a GET would be answered: what an answer that counts nothing (HEAD, 304, 412, 416) may not give away. The
    /// holder of a session is not asked.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::UsedUp`], [`Refusal::Unavailable`].
    pub async fn has_uses_left(&self, found: &Found) -> Result<(), Refusal> {
        let grant = &found.admission.grant;
        self.uses_left(grant).await.map_err(|refusal| self.refused(grant, refusal))
    }

    async fn uses_left(&self, grant: &Grant) -> Result<(), Refusal> {
        let (Some(uses), Some(key)) = (grant.terms().uses, grant.ledger_key()) else { return Ok(()) };
        let ledger = self.metadata().ledger(&key).await;
        let ledger = ledger.map_err(|error| ServiceError::from(error).as_refusal())?.unwrap_or_default();
        if grant.session.as_ref().is_some_and(|session| ledger.is_held_by(session)) {
            return Ok(());
        }
        match (grant.past_expiry, ledger.n_spent() >= uses.get()) {
            (true, _) => Err(Refusal::Expired),
            (false, true) => Err(Refusal::UsedUp),
            (false, false) => Ok(()),
        }
    }

    /// Records what is about to be sent under a limited grant; nothing to do for an unlimited one. May wait, for a response
    /// under way to settle.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::UsedUp`], [`Refusal::InUse`], [`Refusal::Prefetch`], [`Refusal::Unavailable`].
    pub async fn reserve(&self, selection: Selection) -> Result<Reservation, Refusal> {
        let grant = &selection.found.admission.grant;
        match (self.rules(grant), grant.ledger_key()) {
            (Some(rules), Some(key)) => Box::pin(self.reserve_use(selection, rules, key)).await,
            _ => Ok(Reservation { selection, usage: None, session_secret: None }),
        }
    }

    async fn reserve_use(&self, selection: Selection, rules: Rules, key: GrantKey) -> Result<Reservation, Refusal> {
        let grant = &selection.found.admission.grant;
        if grant.prefetch {
            return Err(self.refused(grant, Refusal::Prefetch));
        }
        if !self.audit_is_written() {
            return Err(self.refused(grant, Refusal::Unavailable));
        }
        let secret = LinkSecret::random(self.entropy()).text();
        let wanted = selection.ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
        let ask = self.ask(&selection.found, rules, wanted, &secret);
        let record = AuditEntry { n_requests: 1, ..self.entry_of_grant(grant, Action::UrlRedeem) };
        let reserved = Usage::reserve(self, key, self.forget_at(grant.expires_at()), ask, record, grant.terms().dialect).await;
        self.count_asked(grant, reserved.as_ref().map(|(_, opened)| *opened).map_err(|refusal| *refusal));
        let (usage, opened) = reserved?;
        self.inner().redemptions.count(grant, 1, &self.config().base_path);
        Ok(Reservation { session_secret: opened.then_some(secret), usage: Some(usage), selection })
    }

    /// What the ledger is asked by whoever redeems; `secret` is that of the session, should one be opened.
    fn ask(&self, found: &Found, rules: Rules, wanted: Vec<Range<u64>>, secret: &SecretText) -> Ask {
        let (grant, object) = (&found.admission.grant, &found.object);
        Ask {
            now: self.now(),
            node: self.inner().node_run,
            other_nodes: Vec::new(),
            rules,
            secret: grant.session,
            client: grant.client.unwrap_or(SecretDigest::from_bytes([0; 32])),
            past_expiry: grant.past_expiry,
            may_wait: true,
            generation: object.blob,
            size_bytes: object.size_bytes,
            wanted,
            new_session: SessionId::random(self.entropy()),
            new_secret: digest_of(secret.expose().as_bytes()),
        }
    }

    /// Opens the object. If that fails, what was reserved is free again.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn open(&self, reservation: Reservation) -> Result<Delivery, Refusal> {
        let Reservation { selection, usage, session_secret } = reservation;
        let Selection { found, ranges } = selection;
        let blob = match self.open_object(&found.object).await {
            Ok(blob) => blob,
            Err(error) => {
                tracing::error!(%error, "an object cannot be opened");
                let refusal = error.as_refusal();
                // A use that was reserved has a row already.
                return Err(if usage.is_none() { self.refused(found.grant(), refusal) } else { refusal });
            }
        };
        let counting = usage.is_none().then(|| self.counting(&found));
        let Admission { grant, n_cuts, .. } = found.admission;
        let transfer = Transfer::of_grant(self, grant, n_cuts);
        Ok(Delivery { blob, ranges, usage, session_secret, transfer, counting })
    }

    fn rules(&self, grant: &Grant) -> Option<Rules> {
        let terms = grant.terms();
        let mut rules = Rules::new(terms.uses?);
        rules.counting = if sabotaged("start-uncounted") { valetkey_model::Counting::Completed } else { terms.counting };
        rules.session_idle = self.config().session_idle;
        rules.grace = if terms.dialect == Dialect::Native { self.config().completion_grace } else { Duration::ZERO };
        Some(rules)
    }
}

/// The grant of a token that was proved `at` this instant, for what is at this place.
fn token_grant(presented: &Presented<'_>, verified: Verified, at: Timestamp, place: Place, file_id: Option<FileId>) -> Grant {
    let (signing_key, owner) = (verified.key_id().clone(), verified.key_owner().clone());
    let (past_expiry, for_whole_bucket) = (verified.past_expiry(), verified.is_for_whole_bucket());
    let claims = verified.into_claims();
    let (issuer, signed_elsewhere) = match owner {
        KeyOwner::ApiKey(owner) => (Some(owner), true),
        KeyOwner::Server => (claims.terms.issuer.clone(), false),
    };
    let limited = claims.terms.uses.is_some();
    let session = if limited { presented.sessions.of(&claims.link_id) } else { None };
    Grant {
        place,
        incarnation: file_id.or(claims.terms.incarnation),
        signing_key: Some(signing_key),
        issuer,
        method: presented.method,
        address: presented.client,
        at,
        past_expiry,
        for_whole_bucket,
        prefetch: presented.prefetch,
        signed_elsewhere,
        client: limited.then(|| client_digest(presented)),
        user_agent: limited.then(|| presented.user_agent.into()),
        session: session.map(|secret| digest_of(secret.as_bytes())),
        source: Source::Token {
            tenant: claims.tenant,
            link_id: claims.link_id,
            issued_at: claims.issued_at,
            not_before: claims.not_before,
            expires_at: claims.expires_at,
            path: claims.path,
            terms: Box::new(claims.terms),
        },
    }
}

impl Admission {
    /// What the URL proved to allow.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The bucket.
    pub fn bucket(&self) -> &Arc<BucketRow> {
        &self.bucket
    }

    /// Whether an upload may replace an object. Until a file is confirmed, its upload is one creation.
    pub(crate) fn put_mode(&self) -> PutMode {
        match self.grant.terms().upload.mode {
            PutMode::Reserved => PutMode::Reserved,
            _ if self.create_only => PutMode::Create,
            mode => mode,
        }
    }

    pub(crate) fn permission(&self) -> Permission {
        self.grant.terms().permission
    }

    pub(crate) fn incarnation(&self) -> Option<FileId> {
        self.grant.incarnation
    }

    pub(crate) fn ledger_key(&self) -> Option<GrantKey> {
        self.grant.ledger_key()
    }

    pub(crate) fn tenant(&self) -> &TenantName {
        self.grant.tenant()
    }

    pub(crate) fn issuer(&self) -> Option<&ApiKeyId> {
        self.grant.issuer.as_ref()
    }

    /// The transfer that it is for.
    pub(crate) fn into_transfer(self, service: &Service) -> Option<Transfer> {
        Transfer::of_grant(service, self.grant, self.n_cuts)
    }
}

impl Found {
    /// What the URL proved to allow.
    pub fn grant(&self) -> &Grant {
        &self.admission.grant
    }

    /// The object.
    pub fn object(&self) -> &Arc<ObjectRow> {
        &self.object
    }

    /// The same with the object as it is with its digests.
    pub fn with_object(self, object: Arc<ObjectRow>) -> Self {
        if object.blob == self.object.blob { Self { object, ..self } } else { self }
    }

    /// Chooses what to send; ranges outside of the object are cut to it.
    pub fn select(self, ranges: Vec<Range<u64>>) -> Selection {
        let size = self.object.size_bytes;
        let ranges = ranges.into_iter().map(|range| range.start.min(size)..range.end.min(size)).collect();
        Selection { found: self, ranges }
    }
}

/// Who asks, as far as the ledger's exceptions for the same client go: address (/64 in IPv6) and user agent.
fn client_digest(presented: &Presented<'_>) -> SecretDigest {
    digest_of(&[network_of(presented.client).to_string().as_bytes(), b"\n", presented.user_agent].concat())
}
