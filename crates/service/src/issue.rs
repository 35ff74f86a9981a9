//! Issuing: a signed URL in token form, which carries its claims, or in link form, whose secret finds them.

use crate::audit::About as _;
use crate::principal::digest_of;
use crate::{Principal, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use valetkey_metadata::{AuditEntry, BucketRow, FileRef, LinkRow, ObjectRow};
use valetkey_model::{
    Action, BucketName, Entropy, FileId, LinkId, ObjectKey, Permission, PutMode, Scope, SecretDigest, SecretText, Terms,
    Timestamp,
};
use valetkey_signing::{Claims, PathRule, canonical_file_path, canonical_object_path};

/// The random part of a link-form URL: a bearer secret of 122 bits, laid out as a UUID of version 4 so that either spelling
/// of it can stand in a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkSecret([u8; 16]);

impl LinkSecret {
    /// A new random one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
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
    /// It carries its claims; nothing is stored.
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
    /// Issues URLs, all or none. Links are durable when it returns. Scope `link:issue`, and what the URLs themselves permit:
    /// `object:read` for reading; `object:write`, or `object:create` for creating only. For reading what is public, whoever's,
    /// no scope.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::NotOwner`], [`ServiceError::OutsideBuckets`], [`ServiceError::NotFound`]
    /// for bucket, object or file, [`ServiceError::NotUploaded`] for a file that is not there for good, [`ServiceError::Invalid`]
    /// for terms that cannot be.
    pub async fn issue(&self, principal: &Principal, requests: Vec<IssueRequest>) -> Result<Vec<Issued>, ServiceError> {
        let mut issued = Vec::with_capacity(requests.len());
        let mut links = Vec::new();
        for request in requests {
            let target = request.target.clone();
            let (url, link) = self.prepare(principal, request).await?;
            issued.push((url, target));
            links.extend(link);
        }
        let record = issued.iter().map(|(url, target)| self.issue_entry(principal, url, target)).collect();
        self.recording(record).create_links(links).await?;
        self.inner().audit.n_issued.fetch_add(issued.len() as u64, Ordering::Relaxed);
        Ok(issued.into_iter().map(|(url, _)| url).collect())
    }

    /// What the audit says of an issued URL: everything but what makes it a credential.
    fn issue_entry(&self, principal: &Principal, issued: &Issued, target: &Target) -> AuditEntry {
        let (terms, entry) = (&issued.terms, self.act(principal, Action::UrlIssue));
        let entry = match target {
            Target::Object(key) => entry.of_object(&issued.bucket.name, key),
            Target::Prefix(prefix) => entry.of_bucket(&issued.bucket.name).of(format!("{prefix}*")),
            Target::File(file_id) => entry.of_bucket(&issued.bucket.name).of(file_id),
        };
        let form = match issued.credential {
            Credential::Token { .. } => "token",
            Credential::Link(_) => "link",
        };
        let uses = terms.uses.map(|uses| format!(", {uses} uses")).unwrap_or_default();
        let detail = format!("{}, {form}{uses}, until {}", terms.permission.as_str(), issued.expires_at.rfc3339());
        AuditEntry {
            link_id: Some(issued.link_id),
            label: terms.label.clone().map(|label| self.personal(label)),
            ..entry.saying(detail)
        }
    }

    async fn prepare(&self, principal: &Principal, mut request: IssueRequest) -> Result<(Issued, Option<LinkRow>), ServiceError> {
        let bucket = match self.public_bucket(&request.bucket).await? {
            Some(bucket) if !request.terms.permission.writes() => bucket,
            _ => {
                principal.require(Scope::LinkIssue)?;
                require_for(principal, &mut request.terms)?;
                self.own_bucket(principal, &request.bucket).await?
            }
        };
        request.terms.issuer = Some(principal.api_key().clone());
        let (issued_at, expires_at) = self.validity(&request)?;
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
        let link_id = LinkId::random(self.entropy());
        let (credential, link) = match self.token(principal, &request, link_id, issued_at, expires_at)? {
            Some(token) => (token, None),
            None => {
                // A link's row says itself which incarnation it is for.
                request.terms.incarnation = None;
                let secret = LinkSecret::random(self.entropy());
                let link = self.link_row(principal, &request, link_id, secret, issued_at, expires_at, object.as_deref())?;
                (Credential::Link(secret), Some(link))
            }
        };
        Ok((Issued { credential, link_id, expires_at, terms: request.terms, bucket, object }, link))
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
    fn validity(&self, request: &IssueRequest) -> Result<(Timestamp, Timestamp), ServiceError> {
        let now = self.now();
        let (issued_at, expires_at, lifetime) = match request.lifetime {
            Lifetime::Until(at) => (now.whole_seconds(), at.whole_seconds(), at.whole_seconds().since(now)),
            Lifetime::For(lifetime) => (now.next_whole_second(), now.plus(lifetime).next_whole_second(), lifetime),
            Lifetime::Default => {
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
    ) -> Result<Option<Credential>, ServiceError> {
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
    ) -> Result<Credential, Unsigned> {
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
        let token = self.inner().keys.sign(&claims)?;
        let path = match path {
            PathRule::Exact(path) | PathRule::Prefix(path) => path,
        };
        Ok(Credential::Token { token, path })
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
