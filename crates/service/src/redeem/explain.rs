//! Explaining: what redeeming a URL would come to, check by check, for whose URL it is.
//!
//! Nothing is checked here: what redeeming runs is run, as far as it goes, and what it says is told. The ledger is asked by way of a
//! copy. So nothing is spent, no session is opened, and explaining cannot differ from redeeming.

use super::{Admission, Found, Presented, PresentedCredential, PublicPlace, Sessions};
use crate::issue::LinkSecret;
use crate::{Principal, Service, ServiceError};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use valetkey_metadata::ledger::Denied;
use valetkey_metadata::{GrantKey, LinkRow};
use valetkey_model::{
    BucketName, FileId, LinkId, Method, ObjectKey, Permission, Refusal, Scope, SecretText, SigningKeyId, TenantName, Terms,
    Timestamp, sabotaged,
};
use valetkey_signing::{Claimed, PathRule, Resource};

/// The credential in a URL that nobody requests at the moment, as its dialect finds it.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlCredential {
    /// A token.
    Token {
        /// The token.
        token: String,
        /// The path it stands with, base path included, still percent-encoded.
        raw_path: String,
    },
    /// A link secret.
    Link(LinkSecret),
    /// A link secret beside the name of a bucket.
    LinkInBucket {
        /// The secret.
        secret: LinkSecret,
        /// The bucket.
        bucket: BucketName,
    },
    /// None: an object's place.
    Object {
        /// The bucket.
        bucket: BucketName,
        /// The object key.
        key: ObjectKey,
    },
    /// None: a file's id.
    File(FileId),
}

impl UrlCredential {
    /// As a request presents it.
    pub fn presented(&self) -> PresentedCredential<'_> {
        match self {
            Self::Token { token, raw_path } => PresentedCredential::Token { token, raw_path },
            Self::Link(secret) => PresentedCredential::Link(*secret),
            Self::LinkInBucket { secret, bucket } => PresentedCredential::LinkInBucket { secret: *secret, bucket },
            Self::Object { bucket, key } => PresentedCredential::Public(PublicPlace::Object { bucket, key }),
            Self::File(file_id) => PresentedCredential::Public(PublicPlace::File(*file_id)),
        }
    }
}

impl fmt::Debug for UrlCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.presented().fmt(f)
    }
}

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The credential in the URL.
    pub credential: &'a UrlCredential,
    /// The method: GET, HEAD or PUT. `None` is what the URL is for.
    pub method: Option<Method>,
    /// The client's address.
    pub client: IpAddr,
    /// The `User-Agent`; empty if there is none.
    pub user_agent: &'a [u8],
    /// The instant; `None` is now. What is stored, taken back and used is always as it is now.
    pub at: Option<Timestamp>,
}

/// As what request the URL was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The client's address.
    pub client: IpAddr,
    /// The instant.
    pub at: Timestamp,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It was made, and nothing is wrong.
    Passed,
    /// It was made, and the URL is refused for it.
    Failed,
    /// It was not made: another one failed before it.
    NotReached,
}

/// A check, by the refusal that it can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The refusal.
    pub refusal: Refusal,
    /// What became of it.
    pub outcome: CheckOutcome,
}

/// How a URL carries its permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlForm {
    /// In a token.
    Token,
    /// By a link secret.
    Link,
    /// Not at all: it is good for what is public.
    Public,
}

/// What a URL is for. Of a token whose signature is wrong, what it says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How it carries its permission.
    pub form: UrlForm,
    /// Its public handle.
    pub link_id: Option<LinkId>,
    /// The bucket that its path or its link names.
    pub bucket: Option<BucketName>,
    /// The object key that its path or its link names.
    pub key: Option<ObjectKey>,
    /// The paths that its token is for.
    pub path: Option<PathRule>,
    /// The terms.
    pub terms: Terms,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// From when on it works.
    pub not_before: Option<Timestamp>,
    /// Until when it works.
    pub expires_at: Option<Timestamp>,
    /// The key that its token names.
    pub signing_key: Option<SigningKeyId>,
    /// Uses that are spent, where they are counted.
    pub n_spent: Option<u32>,
    /// Uses that are held by downloads under way, where they are counted.
    pub n_held: Option<u32>,
}

impl Facts {
    /// Uses that are neither spent nor held, where they are counted.
    pub fn n_left(&self) -> Option<u32> {
        let taken = self.n_spent?.saturating_add(self.n_held?);
        self.terms.uses.map(|uses| uses.get().saturating_sub(taken))
    }
}

/// What redeeming a URL would come to.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// As what request it was tried.
    pub asked: Asked,
    /// Why it would be refused: the first check that fails.
    pub refusal: Option<Refusal>,
    /// Every check that the URL goes through, in the order of the table.
    pub checks: Vec<Check>,
    /// What the URL is for.
    pub facts: Facts,
}

/// The phases of redeeming, as far as they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Verify,
    Admit,
    Find,
    Uses,
}

/// Whose URL it is, what it is for, and the bucket by which it is decided who is told.
struct Subject {
    tenant: TenantName,
    facts: Facts,
    /// The bucket that a token says it is for: another one, if its path is not the token's.
    said: Option<BucketName>,
}

impl Service {
    /// Says what redeeming a URL would come to, and changes nothing. Any of the scopes `link:issue`, `link:revoke` and
    /// `audit:read`: who hands URLs out, takes them back, or answers for them.
    ///
    /// `None` for every URL that is not the principal's to know of: that cannot be read, that no key or link of its tenant made, or
    /// that is for a bucket which its tenant does not own or the principal may not use. These are not told apart.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::Unavailable`].
    pub async fn explain(&self, principal: &Principal, question: &Question<'_>) -> Result<Option<Explanation>, ServiceError> {
        let scopes = [Scope::AuditRead, Scope::LinkIssue, Scope::LinkRevoke];
        if !scopes.iter().any(|scope| principal.scopes().has(*scope)) {
            return Err(ServiceError::MissingScope { scope: Scope::AuditRead });
        }
        let subject = self.subject(question.credential).await?;
        let Some(Subject { facts, .. }) = self.told_of(principal, subject).await? else { return Ok(None) };
        let writes = facts.terms.permission == Permission::Write;
        let asked = Asked {
            method: question.method.unwrap_or(if writes { Method::Put } else { Method::Get }),
            client: question.client,
            at: question.at.unwrap_or_else(|| self.now()),
        };
        let sessions = Sessions::default();
        let presented = Presented {
            credential: question.credential.presented(),
            method: asked.method,
            client: asked.client,
            user_agent: question.user_agent,
            sessions: &sessions,
            prefetch: false,
            dialect: facts.terms.dialect,
        };
        let failed = self.tried(&presented, asked.at).await.err();
        if let Some((_, refusal @ Refusal::Unavailable)) = failed {
            return Err(refusal.into());
        }
        let checks = checks(&facts, asked.method, failed);
        let refusal = failed.map(|(_, refusal)| refusal);
        // What is made up is told nothing that does not stand in it.
        let facts = match refusal {
            Some(refusal) if refusal < Refusal::NotYetValid => Facts { n_spent: None, n_held: None, ..facts },
            _ => facts,
        };
        Ok(Some(Explanation { asked, refusal, checks, facts }))
    }

    /// Goes through the phases of redeeming as far as they change nothing.
    async fn tried(&self, presented: &Presented<'_>, at: Timestamp) -> Result<(), (Phase, Refusal)> {
        let grant = self.verify_at(presented, at).await.map_err(|refusal| (Phase::Verify, refusal))?;
        let admission = self.admission(grant).await.map_err(|(_, refusal)| (Phase::Admit, refusal))?;
        if presented.method == Method::Put {
            return self.tried_to_write(&admission).await;
        }
        let object = self.found(&admission).await.map_err(|refusal| (Phase::Find, refusal))?;
        let found = Found { admission, object };
        let left = self.uses_left(found.grant()).await;
        left.map_err(|refusal| (Phase::Uses, refusal))?;
        self.would_reserve(found).await.map_err(|refusal| (Phase::Uses, refusal))
    }

    async fn tried_to_write(&self, admission: &Admission) -> Result<(), (Phase, Refusal)> {
        self.spend(admission).await.map_err(|error| (Phase::Find, error.as_refusal()))?;
        self.has_place(admission).await.map_err(|error| (Phase::Uses, error.as_refusal()))
    }

    /// What the ledger would say to a GET of all of it, by way of a copy.
    async fn would_reserve(&self, found: Found) -> Result<(), Refusal> {
        let (Some(rules), Some(key)) = (self.rules(found.grant()), found.grant().ledger_key()) else { return Ok(()) };
        let ledger = self.metadata().ledger(&key).await;
        let mut copy = ledger.map_err(|error| ServiceError::from(error).as_refusal())?.unwrap_or_default();
        let wanted = Some(0..found.object().size_bytes).filter(|whole| !whole.is_empty()).into_iter().collect();
        let mut ask = self.ask(&found, rules, wanted, &SecretText::new(String::new()));
        ask.may_wait = false;
        copy.reserve(&ask).map(drop).map_err(Denied::refusal)
    }

    async fn subject(&self, credential: &UrlCredential) -> Result<Option<Subject>, ServiceError> {
        match credential {
            UrlCredential::Token { token, raw_path } => self.subject_of_token(token, raw_path).await,
            UrlCredential::Link(secret) | UrlCredential::LinkInBucket { secret, .. } => {
                match self.presented_link(*secret).await? {
                    Some(link) => self.subject_of_link(link).await.map(Some),
                    None => Ok(None),
                }
            }
            UrlCredential::Object { bucket, key } => self.subject_of_place(bucket, key).await,
            UrlCredential::File(file_id) => match self.place_of_file(*file_id).await? {
                Some(place) => self.subject_of_place(&place.bucket, &place.key).await,
                None => Ok(None),
            },
        }
    }

    /// A token is its signing key's tenant's, whatever else it says and whether it was really signed with it.
    async fn subject_of_token(&self, token: &str, raw_path: &str) -> Result<Option<Subject>, ServiceError> {
        let Some(Claimed { key_id: Some(key_id), claims }) = valetkey_signing::claimed(token) else { return Ok(None) };
        let Some(signing_key) = self.inner().keys.ring().find(&key_id).cloned() else { return Ok(None) };
        let named = match valetkey_signing::decode_path(&self.config().base_path, raw_path) {
            Ok(Resource::Object { bucket, key }) => Some((bucket, key)),
            Ok(Resource::File(file_id)) => self.place_of_file(file_id).await?.map(|place| (place.bucket, place.key)),
            Err(_) => None,
        };
        let said = self.bucket_of_path(&claims.path).await?;
        let (bucket, key) = named.unzip();
        let tenant = signing_key.tenant().clone();
        let grant = GrantKey { tenant: tenant.clone(), signing_key: Some(signing_key.id().clone()), link_id: claims.link_id };
        let (n_spent, n_held) = self.uses_of(&grant, &claims.terms).await?;
        let facts = Facts {
            form: UrlForm::Token,
            link_id: Some(claims.link_id),
            bucket,
            key,
            path: Some(claims.path),
            terms: claims.terms,
            issued_at: Some(claims.issued_at),
            not_before: claims.not_before,
            expires_at: Some(claims.expires_at),
            signing_key: Some(signing_key.id().clone()),
            n_spent,
            n_held,
        };
        Ok(Some(Subject { tenant, facts, said }))
    }

    /// The bucket that a token is for, as far as it says so or its file is there.
    async fn bucket_of_path(&self, rule: &PathRule) -> Result<Option<BucketName>, ServiceError> {
        let base_path = &self.config().base_path;
        let (PathRule::Exact(path) | PathRule::Prefix(path)) = rule;
        if let Some(bucket) = valetkey_signing::granted_bucket(base_path, path) {
            return Ok(bucket.parse().ok());
        }
        match valetkey_signing::decode_path(base_path, path) {
            Ok(Resource::File(file_id)) => Ok(self.place_of_file(file_id).await?.map(|place| place.bucket)),
            _ => Ok(None),
        }
    }

    async fn subject_of_link(&self, link: Arc<LinkRow>) -> Result<Subject, ServiceError> {
        let grant = GrantKey { tenant: link.tenant.clone(), signing_key: None, link_id: link.link_id };
        let (n_spent, n_held) = self.uses_of(&grant, &link.terms).await?;
        let facts = Facts {
            form: UrlForm::Link,
            link_id: Some(link.link_id),
            bucket: Some(link.bucket.clone()),
            key: Some(link.key.clone()),
            path: None,
            terms: link.terms.clone(),
            issued_at: Some(link.issued_at),
            not_before: link.not_before,
            expires_at: Some(link.expires_at),
            signing_key: None,
            n_spent,
            n_held,
        };
        Ok(Subject { tenant: link.tenant.clone(), facts, said: Some(link.bucket.clone()) })
    }

    async fn subject_of_place(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Option<Subject>, ServiceError> {
        let Some(row) = self.bucket_row(bucket).await? else { return Ok(None) };
        let facts = Facts {
            form: UrlForm::Public,
            link_id: None,
            bucket: Some(bucket.clone()),
            key: Some(key.clone()),
            path: None,
            terms: Terms::new(Permission::Read),
            issued_at: None,
            not_before: None,
            expires_at: None,
            signing_key: None,
            n_spent: None,
            n_held: None,
        };
        Ok(Some(Subject { tenant: row.tenant.clone(), facts, said: Some(bucket.clone()) }))
    }

    async fn uses_of(&self, grant: &GrantKey, terms: &Terms) -> Result<(Option<u32>, Option<u32>), ServiceError> {
        if terms.uses.is_none() {
            return Ok((None, None));
        }
        self.until_settled(grant).await;
        let ledger = self.metadata().ledger(grant).await?.unwrap_or_default();
        Ok((Some(ledger.n_spent()), Some(ledger.n_open())))
    }

    /// The subject, if the principal is to be told of it: it is its tenant's, and so is the bucket, or it is gone, or public.
    async fn told_of(&self, principal: &Principal, subject: Option<Subject>) -> Result<Option<Subject>, ServiceError> {
        let Some(subject) = subject else { return Ok(None) };
        if sabotaged("explained-to-strangers") {
            return Ok(Some(subject));
        }
        let told = match &subject.facts.bucket {
            None => !principal.is_limited(),
            Some(name) => match self.bucket_row(name).await? {
                Some(row) if row.tenant != *principal.tenant() => row.public,
                _ => principal.is_within(name),
            },
        };
        // A token under the path of a bucket that the principal may use is still another bucket's.
        let moved = subject.said != subject.facts.bucket;
        let told = told && (!moved || subject.said.as_ref().map_or(!principal.is_limited(), |said| principal.is_within(said)));
        Ok(Some(subject).filter(|subject| subject.tenant == *principal.tenant() && told))
    }
}

/// Every check that the URL goes through, in the order of the table, and what became of it if `failed` was the first to fail, in
/// this phase.
fn checks(facts: &Facts, method: Method, failed: Option<(Phase, Refusal)>) -> Vec<Check> {
    let mut made: Vec<Refusal> = Refusal::ALL.into_iter().filter(|refusal| applies(*refusal, facts, method)).collect();
    if let Some((_, refusal)) = failed.filter(|(_, refusal)| !made.contains(refusal)) {
        made.push(refusal);
        made.sort();
    }
    let outcome = |refusal: Refusal| match failed {
        Some((_, failed)) if failed == refusal => CheckOutcome::Failed,
        // Within a phase, the order of the table is the order of the checks.
        Some((phase, failed)) if (phase_of(refusal, method), refusal) > (phase, failed) => CheckOutcome::NotReached,
        _ => CheckOutcome::Passed,
    };
    made.into_iter().map(|refusal| Check { refusal, outcome: outcome(refusal) }).collect()
}

/// Whether a URL like this can be refused so.
fn applies(refusal: Refusal, facts: &Facts, method: Method) -> bool {
    let (form, counted, writes) = (facts.form, facts.terms.uses.is_some(), method == Method::Put);
    match refusal {
        Refusal::Malformed => form != UrlForm::Link,
        Refusal::Ambiguous | Refusal::UnknownKey | Refusal::BadSignature | Refusal::WrongPath => form == UrlForm::Token,
        Refusal::UnknownLink => form == UrlForm::Link,
        Refusal::NotYetValid
        | Refusal::Expired
        | Refusal::WrongMethod
        | Refusal::WrongAddress
        | Refusal::IssuerDisabled
        | Refusal::Revoked => form != UrlForm::Public,
        Refusal::ObjectGone => true,
        Refusal::UsedUp => counted,
        Refusal::InUse => counted && !writes,
        Refusal::Exists => writes,
        _ => false,
    }
}

/// The phase in which a refusal is usually found; the ledger is asked before the place of an upload is looked at.
fn phase_of(refusal: Refusal, method: Method) -> Phase {
    match refusal {
        refusal if refusal <= Refusal::WrongAddress => Phase::Verify,
        Refusal::IssuerDisabled | Refusal::Revoked => Phase::Admit,
        Refusal::ObjectGone if method != Method::Put => Phase::Find,
        Refusal::UsedUp if method == Method::Put => Phase::Find,
        _ => Phase::Uses,
    }
}

/// What would mend a URL that is refused so, or the upload with it: a sentence without a full stop, for its owner.
pub const fn remedy(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed => "issue a new URL and hand it on unchanged, with everything that follows `?`",
        Refusal::Ambiguous => "leave one credential in the URL: the token once in the query, and none in a header",
        Refusal::UnknownKey => "sign with a key that is registered here, and name it in `kid`",
        Refusal::BadSignature => {
            "issue a new URL, or sign with the right secret and algorithm of the key, within what the key may sign"
        }
        Refusal::UnknownLink => "issue a new link, and hand it on unchanged",
        Refusal::NotYetValid => "wait until it is valid, or set the clock of the signer right",
        Refusal::Expired => "issue a new URL, with a longer lifetime if this one was too short",
        Refusal::WrongPath => "use the path that the URL was issued for, or issue one for this path",
        Refusal::WrongMethod => "use the method that the URL permits, or issue one with the other permission",
        Refusal::WrongAddress => "ask from an address that the URL permits, or issue one that permits this address",
        Refusal::IssuerDisabled => {
            "enable the issuing API key, or give it back its scopes and buckets; or issue a new URL with another key"
        }
        Refusal::Revoked => "issue a new URL: what was taken back stays so",
        Refusal::ObjectGone => {
            "store the object and issue a new URL; one that was for what is gone, or for its former bytes, stays dead"
        }
        Refusal::UsedUp => "issue a new URL, or one with more uses",
        Refusal::InUse => "wait until the download under way has ended or lapsed, or issue a URL with more uses",
        Refusal::Prefetch => "open the URL instead of having it fetched beforehand",
        Refusal::TooManyRequests => "wait a second and ask less often",
        Refusal::Unavailable => "wait for the store to answer again; the server's log says what is wrong with it",
        Refusal::TooLarge => "send less, or issue a URL with a larger `max_bytes`",
        Refusal::TooSmall => "send more, or issue a URL with a smaller `min_bytes`",
        Refusal::TypeNotAllowed => "send a `Content-Type` that the URL permits, or issue one that permits this type",
        Refusal::DigestMismatch => "send the bytes that the digest is of",
        Refusal::Exists => "delete what is there, or issue a URL whose upload may replace it",
        Refusal::TooSlow => "send faster, or over a better line",
        Refusal::QuotaExceeded => "delete something, or have the quota raised",
        Refusal::NoSpace => "make room on the server's disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn facts(form: UrlForm, uses: u32) -> Facts {
        let mut terms = Terms::new(Permission::Read);
        terms.uses = NonZeroU32::new(uses);
        Facts {
            form,
            link_id: None,
            bucket: None,
            key: None,
            path: None,
            terms,
            issued_at: None,
            not_before: None,
            expires_at: None,
            signing_key: None,
            n_spent: Some(1),
            n_held: Some(1),
        }
    }

    fn told(form: UrlForm, uses: u32, method: Method, failed: Option<(Phase, Refusal)>) -> String {
        let mark = |check: &Check| match check.outcome {
            CheckOutcome::Passed => '+',
            CheckOutcome::Failed => '!',
            CheckOutcome::NotReached => '?',
        };
        let checks = checks(&facts(form, uses), method, failed);
        checks.iter().map(|check| format!("{}{}", mark(check), check.refusal.code())).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn checks_in_their_order() {
        let check = |form, uses, method, failed, expected: &str| assert_eq!(told(form, uses, method, failed), expected);
        let (token, link, public) = (UrlForm::Token, UrlForm::Link, UrlForm::Public);
        check(
            token,
            0,
            Method::Get,
            None,
            "+malformed +ambiguous +unknown_key +bad_signature +not_yet_valid +expired +wrong_path +wrong_method +wrong_address \
             +issuer_disabled +revoked +object_gone",
        );
        check(
            token,
            1,
            Method::Get,
            Some((Phase::Verify, Refusal::WrongPath)),
            "+malformed +ambiguous +unknown_key +bad_signature +not_yet_valid +expired !wrong_path ?wrong_method ?wrong_address \
             ?issuer_disabled ?revoked ?object_gone ?used_up ?in_use",
        );
        check(
            link,
            1,
            Method::Head,
            Some((Phase::Uses, Refusal::InUse)),
            "+unknown_link +not_yet_valid +expired +wrong_method +wrong_address +issuer_disabled +revoked +object_gone +used_up \
             !in_use",
        );
        // The ledger is asked first, so that the place was not looked at.
        check(
            link,
            1,
            Method::Put,
            Some((Phase::Find, Refusal::UsedUp)),
            "+unknown_link +not_yet_valid +expired +wrong_method +wrong_address +issuer_disabled +revoked ?object_gone !used_up \
             ?exists",
        );
        check(link, 0, Method::Put, Some((Phase::Uses, Refusal::Exists)), &format!("{LINK_ADMITTED} +object_gone !exists"));
        check(public, 0, Method::Get, Some((Phase::Verify, Refusal::Malformed)), "!malformed ?object_gone");
    }

    const LINK_ADMITTED: &str = "+unknown_link +not_yet_valid +expired +wrong_method +wrong_address +issuer_disabled +revoked";

    /// A revoked signing key is found while its token is verified, before the issuer is looked at; another's bucket after that.
    #[test]
    fn what_is_found_out_of_turn() {
        let revoked = told(UrlForm::Token, 0, Method::Get, Some((Phase::Verify, Refusal::Revoked)));
        assert!(revoked.contains("+wrong_address ?issuer_disabled !revoked ?object_gone"), "{revoked}");
        let not_owned = told(UrlForm::Token, 0, Method::Get, Some((Phase::Admit, Refusal::BadSignature)));
        assert!(not_owned.contains("!bad_signature +not_yet_valid") && not_owned.contains("+wrong_address ?issuer_disabled"));
    }

    #[test]
    fn what_is_left() {
        for (uses, left) in [(0, None), (1, Some(0)), (3, Some(1))] {
            assert_eq!(facts(UrlForm::Token, uses).n_left(), left);
        }
    }

    #[test]
    fn every_refusal_has_its_remedy() {
        for (position, refusal) in Refusal::ALL.into_iter().enumerate() {
            let text = remedy(refusal);
            assert!(!text.is_empty() && !text.ends_with('.') && text.len() <= 130, "{text}");
            assert!(Refusal::ALL[..position].iter().all(|earlier| remedy(*earlier) != text), "{text}");
        }
    }
}
