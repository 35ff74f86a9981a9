//! Issuing: a signed URL in token form, which carries its claims, or in link form, whose secret finds them.

use crate::audit::About as _;
use crate::principal::digest_of;
use crate::stable::Window;
use crate::urls::{facts_of_url, of_url};
use crate::{Principal, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use valetkey_metadata::{AuditEntry, BucketRow, FileRef, LinkRow, MetadataError, ObjectRow, UrlRow, UrlTarget};
use valetkey_model::{
    Action, BucketName, Entropy, FileId, LinkId, ObjectKey, Permission, PutMode, Scope, SecretDigest, SecretText, SigningKeyId,
    Terms, Timestamp,
};
use valetkey_signing::{Claims, PathRule, canonical_file_path, canonical_object_path};

/// How often links are tried to be recorded that others may be recording, too.
const N_TRIES: usize = 4;

/// The random part of a link-form URL: a bearer secret of 122 bits, laid out as a UUID of version 4 so that either spelling
/// of it can stand in a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkSecret([u8; 16]);

impl LinkSecret {
    /// A new random one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self::of(bytes)
    }

    /// Of these bytes, but for the six bits that make it a UUID of version 4.
    pub(crate) fn of(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// From its 22 characters of base64url, which must be canonical.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// From its spelling as a UUID: 36 characters, either case.
    pub fn parse_uuid(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        if !text.is_ascii() || !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
            return None;
        }
        let hex = groups.concat();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Its 22 characters of base64url.
    pub fn text(&self) -> SecretText {
        SecretText::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Its spelling as a UUID.
    pub fn uuid(&self) -> SecretText {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| hex.get(group).unwrap_or_default());
        SecretText::new(groups.join("-"))
    }

    /// What stores keep instead of it.
    pub fn digest(&self) -> SecretDigest {
        digest_of(&self.0)
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a URL is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One object.
    Object(ObjectKey),
    /// Every object whose key begins with this, which ends in `/` or is empty. Token form, unlimited reading only.
    Prefix(String),
    /// One file by its id, in whatever place of the bucket. Token form, reading only.
    File(FileId),
}

/// Which form the URL is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// It carries its claims; stored is only what its owner is to see of it.
    #[default]
    Token,
    /// As a token; where the object key cannot stand in a token's path, or would make it too long, as a link.
    TokenOrLink,
    /// A random secret finds them; short.
    Link,
}

/// How long it is to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the configuration says.
    #[default]
    Default,
    /// This long from now, and then to the end of the second: never less than is asked for.
    For(Duration),
    /// Until this instant, rounded down to the second: never longer than is asked for.
    Until(Timestamp),
    /// At least this long (`None`: as the configuration says), so that the same request of the same principal is given the same
    /// URL throughout a window of this many whole seconds, from 60 to 86400: it lives from the beginning of the window until so
    /// long after its end. For unlimited reading only.
    Stable {
        /// How long at least.
        lifetime: Option<Duration>,
        /// How long the window is.
        window: Duration,
    },
}

/// A URL to be issued.
#[derive(Clone, Debug)]
pub struct IssueRequest {
    /// The bucket.
    pub bucket: BucketName,
    /// The object, or objects.
    pub target: Target,
    /// Token or link.
    pub form: Form,
    /// What it permits; the issuer is filled in.
    pub terms: Terms,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// From when on it works.
    pub not_before: Option<Timestamp>,
    /// Whether the object must exist now.
    pub must_exist: bool,
    /// Whether it is for the generation that is there now and no other.
    pub pin: bool,
}

/// What makes an issued URL a credential.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The token, and the canonical path it is bound to, base path included.
    Token {
        /// The token.
        token: SecretText,
        /// The path.
        path: String,
    },
    /// The link secret.
    Link(LinkSecret),
}

/// An issued URL, but for the spelling that its dialect gives it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// What makes it a credential: shown once.
    pub credential: Credential,
    /// Its public handle.
    pub link_id: LinkId,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// The terms it was issued under.
    pub terms: Terms,
    /// The bucket it is for.
    pub bucket: Arc<BucketRow>,
    /// The object it is for, where it exists.
    pub object: Option<Arc<ObjectRow>>,
}

impl Service {
    /// Issues URLs, all or none. What is stored of them is durable when it returns. What was issued before and is the same URL, by
    /// [`Lifetime::Stable`] or because an [idempotent call](Service::idempotent) is made again, is found again. Scope `link:issue`,
    /// and what the URLs themselves permit: `object:read` for reading; `object:write`, or `object:create` for creating only. For
    /// reading what is public, whoever's, no scope.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`], [`ServiceError::NotFound`]
    /// for bucket, object or file, [`ServiceError::NotUploaded`] for a file that is not there for good, [`ServiceError::Invalid`]
    /// for terms that cannot be, [`ServiceError::Conflict`] if a stable URL was taken back too often, or all such were in this
    /// window; [`Refusal::TooManyRequests`](valetkey_model::Refusal) to who takes back all of something and issues anew many times
    /// in a second.
    pub async fn issue(&self, principal: &Principal, requests: Vec<IssueRequest>) -> Result<Vec<Issued>, ServiceError> {
        let earliest = self.earliest_issue(principal.tenant())?;
        let mut issued = Vec::with_capacity(requests.len());
        let (mut rows, mut links) = (Vec::with_capacity(requests.len()), Vec::new());
        let stable = requests.iter().any(|request| matches!(request.lifetime, Lifetime::Stable { .. }));
        for request in requests {
            let (url, row, link) = self.prepare(principal, request, earliest).await?;
            issued.push(url);
            rows.push(row);
            links.extend(link);
        }
        let record: Vec<_> = rows.iter().map(|row| self.issue_entry(principal, row)).collect();
        // Only what is not random can be there already.
        if stable || self.may_be_done_since().is_some() {
            for found in self.record_or_find(rows, links, &record).await? {
                let same = |url: &&mut Issued| url.link_id == found.link_id;
                issued.iter_mut().filter(same).for_each(|url| url.expires_at = found.expires_at);
            }
        } else {
            self.recording(record).create_urls(rows, links).await?;
        }
        self.inner().audit.n_issued.fetch_add(issued.len() as u64, Ordering::Relaxed);
        Ok(issued)
    }

    /// What the audit says of an issued URL: everything but what makes it a credential.
    fn issue_entry(&self, principal: &Principal, url: &UrlRow) -> AuditEntry {
        let form = if url.signing_key.is_some() { "token" } else { "link" };
        let uses = url.uses.map(|uses| format!(", {uses} uses")).unwrap_or_default();
        let detail = format!("{}, {form}{uses}, until {}", url.permission.as_str(), url.expires_at.rfc3339());
        let label = url.label.clone().map(|label| self.personal(label));
        AuditEntry { label, ..of_url(self.act(principal, Action::UrlIssue), url).saying(detail) }
    }

    /// Records URLs and links, all or none, but for those that are there already, which must be the very same: gives these links as
    /// they are.
    async fn record_or_find(
        &self,
        rows: Vec<UrlRow>,
        links: Vec<LinkRow>,
        record: &[AuditEntry],
    ) -> Result<Vec<LinkRow>, ServiceError> {
        let mut distinct: Vec<LinkRow> = Vec::with_capacity(links.len());
        for link in links {
            if !distinct.iter().any(|other| other.secret == link.secret) {
                distinct.push(link);
            }
        }
        let mut all_found = Vec::new();
        // Others may issue the same URLs at the same time: each try after the first has seen some of theirs.
        for _ in 0..N_TRIES {
            match self.recording(record.to_vec()).create_urls(rows.clone(), distinct.clone()).await {
                Err(MetadataError::AlreadyExists { .. }) => {}
                recorded => return Ok(recorded.map(|()| all_found)?),
            }
            let mut missing = Vec::with_capacity(distinct.len());
            for link in distinct {
                match self.metadata().link_by_secret(&link.secret).await? {
                    Some(found) if is_same(&found, &link) => all_found.push(found),
                    Some(_) => return Err(ServiceError::AlreadyExists { what: "link" }),
                    None => missing.push(link),
                }
            }
            distinct = missing;
        }
        Err(ServiceError::AlreadyExists { what: "link" })
    }

    async fn prepare(
        &self,
        principal: &Principal,
        mut request: IssueRequest,
        earliest: Timestamp,
    ) -> Result<(Issued, UrlRow, Option<LinkRow>), ServiceError> {
        let bucket = match self.public_bucket(&request.bucket).await? {
            Some(bucket) if !request.terms.permission.writes() => bucket,
            _ => {
                principal.require(Scope::LinkIssue)?;
                require_for(principal, &mut request.terms)?;
                self.own_bucket(principal, &request.bucket).await?
            }
        };
        request.terms.issuer = Some(principal.api_key().clone());
        let window = match request.lifetime {
            Lifetime::Stable { window, .. } => Some(Window::of(self.now(), window)?),
            _ => None,
        };
        let (issued_at, expires_at) = self.validity(&request, window, earliest)?;
        if request.not_before.is_some_and(|at| at >= expires_at) {
            return Err(ServiceError::invalid("not_before_at", "at or after the end", "an instant before `expires_at`"));
        }
        let object = match &request.target {
            Target::Object(key) => self.live_object(&request.bucket, key).await?,
            Target::Prefix(_) => None,
            Target::File(file_id) => Some(self.file_to_read(principal, &request, *file_id).await?),
        };
        if request.must_exist && object.is_none() {
            return Err(ServiceError::NotFound { what: "object" });
        }
        if request.pin {
            request.terms.pin = Some(object.as_ref().ok_or(ServiceError::NotFound { what: "object" })?.blob);
        }
        if let (Form::Token | Form::TokenOrLink, Target::Object(_), Some(object)) = (request.form, &request.target, &object)
            && is_bound(&request)
        {
            request.terms.incarnation = Some(object.file_id);
        }
        let (link_id, secret) = match window {
            Some(window) => {
                let file_id = object.as_ref().map(|object| object.file_id);
                let (link_id, secret) =
                    self.stable_ids(principal, &request, (window, expires_at.since(window.ends_at())), file_id)?;
                (link_id, Some(secret))
            }
            None => (LinkId::random(self.entropy()), None),
        };
        let (credential, row, link) = match self.token(principal, &request, link_id, issued_at, expires_at)? {
            Some((credential, signing_key)) => {
                let row = token_row(principal, &request, link_id, signing_key, issued_at, expires_at, object.as_deref());
                (credential, row, None)
            }
            None => {
                // A link's row says itself which incarnation it is for.
                request.terms.incarnation = None;
                let secret = secret.unwrap_or_else(|| LinkSecret::random(self.entropy()));
                let link = self.link_row(principal, &request, link_id, secret, issued_at, expires_at, object.as_deref())?;
                (Credential::Link(secret), UrlRow::of_link(&link), Some(link))
            }
        };
        // It counts as issued when its window began: what was taken back since then hits it.
        if window.is_some() && self.is_revoked(&facts_of_url(&row)) {
            return Err(ServiceError::Conflict { reason: "such URLs were taken back; one can be issued in the next window" });
        }
        Ok((Issued { credential, link_id, expires_at, terms: request.terms, bucket, object }, row, link))
    }

    /// The object of a file that is there for good.
    async fn file_to_read(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        file_id: FileId,
    ) -> Result<Arc<ObjectRow>, ServiceError> {
        if request.form != Form::Token || request.terms.permission != Permission::Read {
            return Err(ServiceError::invalid("file", "with `form` `link` or for writing", "`form` `token` and reading"));
        }
        let file = self.file(principal, FileRef::Id(file_id)).await?;
        if file.bucket.name != request.bucket {
            return Err(ServiceError::NotFound { what: "file" });
        }
        file.ready().cloned().ok_or(ServiceError::NotUploaded)
    }

    /// From when on the URL counts as issued, and until when it works, in whole seconds: a token can carry no others. A lifetime is
    /// rounded up at both ends, so that whoever asks for a second has one; an instant is kept, so that nobody goes beyond it.
    /// Neither begins before `earliest`. A stable URL counts as issued at the beginning of its window.
    fn validity(
        &self,
        request: &IssueRequest,
        window: Option<Window>,
        earliest: Timestamp,
    ) -> Result<(Timestamp, Timestamp), ServiceError> {
        let now = self.now().max(earliest);
        let (issued_at, expires_at, lifetime) = match (request.lifetime, window) {
            (Lifetime::Until(at), _) => (now.whole_seconds(), at.whole_seconds(), at.whole_seconds().since(now)),
            (Lifetime::Stable { lifetime, .. }, Some(window)) => {
                let lifetime = lifetime.unwrap_or(self.config().default_lifetime);
                (window.starts_at(), window.ends_at().plus(lifetime).next_whole_second(), lifetime)
            }
            (Lifetime::For(lifetime), _) => (now.next_whole_second(), now.plus(lifetime).next_whole_second(), lifetime),
            (Lifetime::Default | Lifetime::Stable { .. }, _) => {
                let lifetime = self.config().default_lifetime;
                (now.next_whole_second(), now.plus(lifetime).next_whole_second(), lifetime)
            }
        };
        if lifetime.is_zero() {
            return Err(ServiceError::invalid("expires_at", format!("{expires_at} (Unix time)"), "an instant in the future"));
        }
        // A lifetime of less than a second may end where it would begin.
        Ok((issued_at.min(expires_at.minus(Duration::from_secs(1))), expires_at))
    }

    /// The token; `None` if the URL is to be a link.
    fn token(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        link_id: LinkId,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Option<(Credential, SigningKeyId)>, ServiceError> {
        if request.form == Form::Link {
            return Ok(None);
        }
        match self.sign(principal, request, link_id, issued_at, expires_at) {
            Ok(token) => Ok(Some(token)),
            Err(Unsigned::NoToken(_)) if request.form == Form::TokenOrLink => Ok(None),
            Err(Unsigned::NoToken(error) | Unsigned::Refused(error)) => Err(error),
        }
    }

    fn sign(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        link_id: LinkId,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(Credential, SigningKeyId), Unsigned> {
        let base = &self.config().base_path;
        let path = match &request.target {
            Target::Object(key) if !key.is_plain_path() => {
                let expected = "a key without empty, `.` or `..` segments and control characters; issue it with `form` `link`";
                return Err(Unsigned::NoToken(ServiceError::invalid("key", format!("`{key}`"), expected)));
            }
            Target::Object(key) => PathRule::Exact(canonical_object_path(base, &request.bucket, key)),
            Target::Prefix(prefix) => {
                if prefix.is_empty() {
                    principal.require(Scope::Admin)?;
                }
                if request.terms.uses.is_some() || request.terms.permission.writes() {
                    let expected = "an unlimited `read` permission";
                    return Err(ServiceError::invalid("prefix", "limited or for writing", expected).into());
                }
                let path = canonical_prefix_path(base, &request.bucket, prefix);
                let expected = "a prefix that ends in `/`, without empty, `.` or `..` segments";
                PathRule::Prefix(path.ok_or_else(|| ServiceError::invalid("prefix", format!("`{prefix}`"), expected))?)
            }
            Target::File(file_id) => PathRule::Exact(canonical_file_path(base, *file_id)),
        };
        let claims = Claims {
            tenant: principal.tenant().clone(),
            link_id,
            issued_at,
            not_before: request.not_before.map(Timestamp::whole_seconds),
            expires_at,
            path: path.clone(),
            terms: request.terms.clone(),
        };
        let (token, signing_key) = self.inner().keys.sign(&claims)?;
        let path = match path {
            PathRule::Exact(path) | PathRule::Prefix(path) => path,
        };
        Ok((Credential::Token { token, path }, signing_key))
    }

    #[allow(clippy::too_many_arguments, reason = "one row's fields")]
    fn link_row(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        link_id: LinkId,
        secret: LinkSecret,
        issued_at: Timestamp,
        expires_at: Timestamp,
        object: Option<&ObjectRow>,
    ) -> Result<LinkRow, ServiceError> {
        let Target::Object(key) = &request.target else {
            return Err(ServiceError::invalid("prefix", "with `form` `link`", "`form` `token`"));
        };
        let bound = is_bound(request);
        if bound && object.is_none() {
            return Err(ServiceError::NotFound { what: "object" });
        }
        let (lifetime, longest) = (expires_at.since(issued_at), self.config().max_link_lifetime);
        if lifetime > longest {
            let found = format!("{} s from now", lifetime.as_secs());
            return Err(ServiceError::invalid("expires_at", found, format!("at most {} s from now", longest.as_secs())));
        }
        Ok(LinkRow {
            link_id,
            tenant: principal.tenant().clone(),
            secret: secret.digest(),
            bucket: request.bucket.clone(),
            key: key.clone(),
            file_id: object.filter(|_| bound).map(|object| object.file_id),
            terms: request.terms.clone(),
            issued_at,
            not_before: request.not_before,
            expires_at,
        })
    }
}

/// Why there is no token.
pub(crate) enum Unsigned {
    /// No token can say this, or nobody signs it; a link can.
    NoToken(ServiceError),
    /// Neither may a link.
    Refused(ServiceError),
}

impl From<ServiceError> for Unsigned {
    fn from(error: ServiceError) -> Self {
        Self::Refused(error)
    }
}

/// Whether two rows are one URL. When they were issued, and until when they work, can differ: the first one counts.
fn is_same(found: &LinkRow, link: &LinkRow) -> bool {
    let of_now = LinkRow { issued_at: link.issued_at, expires_at: link.expires_at, ..found.clone() };
    of_now == *link
}

/// What its owner is to see of a URL in token form.
fn token_row(
    principal: &Principal,
    request: &IssueRequest,
    link_id: LinkId,
    signing_key: SigningKeyId,
    issued_at: Timestamp,
    expires_at: Timestamp,
    object: Option<&ObjectRow>,
) -> UrlRow {
    let target = match (&request.target, object) {
        (Target::Object(key), _) => UrlTarget::Object(key.clone()),
        (Target::Prefix(prefix), _) => UrlTarget::Prefix(prefix.clone()),
        (Target::File(_), Some(object)) => UrlTarget::Object(object.key.clone()),
        // A file is looked up before its URL is made.
        (Target::File(_), None) => UrlTarget::Prefix(String::new()),
    };
    UrlRow {
        tenant: principal.tenant().clone(),
        link_id,
        signing_key: Some(signing_key),
        bucket: request.bucket.clone(),
        target,
        permission: request.terms.permission,
        uses: request.terms.uses,
        label: request.terms.label.clone(),
        issuer: request.terms.issuer.clone(),
        issued_at,
        not_before: request.not_before.map(Timestamp::whole_seconds),
        expires_at,
        n_requests: 0,
        last_used_at: None,
    }
}

/// Whether the URL is for an incarnation that is there, and dies with it, and not to create one.
fn is_bound(request: &IssueRequest) -> bool {
    request.terms.permission.reads() || request.must_exist
}

/// Proves that the principal may itself do what the terms permit; with `object:create` alone, writing becomes creating.
fn require_for(principal: &Principal, terms: &mut Terms) -> Result<(), ServiceError> {
    if terms.permission.reads() {
        principal.require(Scope::ObjectRead)?;
    }
    if terms.permission.writes() && !principal.scopes().has(Scope::ObjectWrite) {
        principal.require(Scope::ObjectCreate).map_err(|_| ServiceError::MissingScope { scope: Scope::ObjectWrite })?;
        // Until a file is confirmed, its upload is one creation, however often it is tried.
        if terms.upload.mode != PutMode::Reserved {
            terms.upload.mode = PutMode::Create;
        }
    }
    Ok(())
}

/// The path of every object below a prefix; `None` for what is not a prefix of whole segments.
fn canonical_prefix_path(base_path: &str, bucket: &BucketName, prefix: &str) -> Option<String> {
    if prefix.is_empty() {
        return Some(format!("{base_path}/o/{bucket}/"));
    }
    let folder: ObjectKey = prefix.strip_suffix('/')?.parse().ok()?;
    folder.is_plain_path().then(|| canonical_object_path(base_path, bucket, &folder) + "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            for (byte, value) in out.iter_mut().zip(0xf0..=0xff) {
                *byte = value;
            }
        }
    }

    #[test]
    fn a_link_secret_has_two_spellings() {
        let secret = LinkSecret::random(&Counting);
        assert_eq!(secret.uuid().expose(), "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff");
        assert_eq!(LinkSecret::parse_uuid(&secret.uuid().expose().to_uppercase()), Some(secret));
        assert_eq!(LinkSecret::parse(secret.text().expose()), Some(secret));
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }

    #[test]
    fn other_spellings_are_none() {
        for text in [
            "",
            "f0f1f2f3f4f546f7b8f9fafbfcfdfeff",
            "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfef",
            "+0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff",
            "é0f1f2f-f4f5-46f7-b8f9-fafbfcfdfeff",
        ] {
            assert!(LinkSecret::parse_uuid(text).is_none(), "{text}");
        }
        for text in ["8PHy8_T1Rve4-fr7_P3-_x", "8PHy8_T1Rve4-fr7_P3-_w==", "short"] {
            assert!(LinkSecret::parse(text).is_none(), "{text}");
        }
    }
}
