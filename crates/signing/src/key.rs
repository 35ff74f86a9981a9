//! Signing keys, what each may sign, and the ring that finds them.

use crate::{Claims, PathRule, SignError, path};
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use valetkey_model::{ApiKeyId, BucketName, Permission, Secret, SigningKeyId, TenantName, UploadRules};

/// How a key signs. It belongs to the key; a token's header must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256, in `COSE_Mac0`.
    Hs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Hs256];

    /// Its name in configuration and key sets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Its number in the [COSE registry](https://www.iana.org/assignments/cose/cose.xhtml#algorithms).
    pub(crate) const fn cose_id(self) -> i64 {
        match self {
            Self::Hs256 => 5,
        }
    }

    /// The tag of the COSE message it makes.
    pub(crate) const fn cose_tag(self) -> u64 {
        match self {
            Self::Hs256 => 17,
        }
    }

    /// The fewest bytes of a secret.
    pub const fn minimum_secret_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
        }
    }
}

/// What a key is still good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// It signs and verifies.
    #[default]
    Active,
    /// It verifies what it signed before; rotation goes through this state.
    VerifyOnly,
    /// What it signed is taken back.
    Revoked,
}

impl KeyState {
    /// `active`, `verify-only` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::VerifyOnly, Self::Revoked].into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In whose name a key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The server: the principal that a token names is trusted. Such a key never leaves the server.
    Server,
    /// One API key: what is signed counts as issued by it.
    ApiKey(ApiKeyId),
}

/// Who verifies what a key signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyReach {
    /// This server alone. Only such keys sign what an edge would not enforce: uses, a generation pin, upload rules.
    #[default]
    OriginOnly,
    /// Edges too: they enforce standard claims and ignore private ones.
    Shared,
}

/// What a key may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    max_lifetime: Duration,
    buckets: Option<Vec<BucketName>>,
    prefixes: Option<Vec<String>>,
    permission: Permission,
    reach: KeyReach,
}

impl KeyLimits {
    /// The longest lifetime of a URL unless a key says otherwise: 7 days.
    pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
    /// The longest lifetime of a URL that any key can permit: 400 days.
    pub const LIFETIME_CAP: Duration = Duration::from_secs(400 * 24 * 3600);

    /// From `iat` to `exp` at most this long.
    ///
    /// # Errors
    ///
    /// [`SignError::InvalidLimit`] if it is zero or longer than [`LIFETIME_CAP`](Self::LIFETIME_CAP).
    pub fn with_max_lifetime(mut self, max_lifetime: Duration) -> Result<Self, SignError> {
        if max_lifetime.is_zero() || max_lifetime > Self::LIFETIME_CAP {
            let (found, cap) = (max_lifetime.as_secs(), Self::LIFETIME_CAP.as_secs());
            let reason = format!("a longest lifetime of {found} s, expected 1 to {cap} s");
            return Err(SignError::InvalidLimit { reason });
        }
        self.max_lifetime = max_lifetime;
        Ok(self)
    }

    /// Only these buckets; none if empty.
    #[must_use]
    pub fn with_buckets(mut self, buckets: impl IntoIterator<Item = BucketName>) -> Self {
        self.buckets = Some(buckets.into_iter().collect());
        self
    }

    /// Only object keys that begin with one of these; none if empty.
    ///
    /// # Errors
    ///
    /// [`SignError::InvalidLimit`] for a prefix that does not end in `/`, or has an empty, `.` or `..` segment.
    pub fn with_prefixes<'a>(mut self, prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, SignError> {
        let encoded = |prefix: &str| {
            let mut path = "/".to_owned();
            path::encode_into(prefix, &mut path);
            let canonical = path.strip_suffix('/').is_some_and(path::is_canonical);
            let reason = || format!("the prefix `{}`, expected whole segments that end in `/`", prefix.escape_debug());
            if canonical { Ok(path.split_off(1)) } else { Err(SignError::InvalidLimit { reason: reason() }) }
        };
        self.prefixes = Some(prefixes.into_iter().map(encoded).collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// At most this permission.
    #[must_use]
    pub fn with_permission(mut self, permission: Permission) -> Self {
        self.permission = permission;
        self
    }

    /// Verified here alone, or by edges too.
    #[must_use]
    pub fn with_reach(mut self, reach: KeyReach) -> Self {
        self.reach = reach;
        self
    }

    /// The longest time from `iat` to `exp`.
    pub fn max_lifetime(&self) -> Duration {
        self.max_lifetime
    }

    /// The only buckets; `None` is any of the tenant's.
    pub fn buckets(&self) -> Option<&[BucketName]> {
        self.buckets.as_deref()
    }

    /// The only beginnings of object keys, in canonical (percent-encoded) form; `None` is any.
    pub fn prefixes(&self) -> Option<&[String]> {
        self.prefixes.as_deref()
    }

    /// The most that a URL may permit.
    pub fn permission(&self) -> Permission {
        self.permission
    }

    /// Who verifies what the key signed.
    pub fn reach(&self) -> KeyReach {
        self.reach
    }

    /// Whether the limits leave room for these claims. `base_path` is where object paths begin; where it is not known (when
    /// signing), it is taken to end at the first `/o/`, or at the first `/api/v1/rawFiles/` where there is none.
    fn permit(&self, claims: &Claims, base_path: Option<&str>) -> Result<(), SignError> {
        let denied = |reason| Err(SignError::NotPermitted { reason });
        let permission = claims.terms.permission;
        if permission.reads() && !self.permission.reads() || permission.writes() && !self.permission.writes() {
            return denied("it is not for this permission");
        }
        let terms = &claims.terms;
        let one_object = terms.pin.is_some() || terms.incarnation.is_some();
        let private_limit = terms.uses.is_some() || one_object || terms.upload != UploadRules::default();
        if self.reach == KeyReach::Shared && private_limit {
            return denied("it is shared with edges, which enforce neither uses, pins, incarnations nor upload rules");
        }
        let lifetime = claims.expires_at.since(claims.issued_at);
        if lifetime > self.max_lifetime {
            return Err(SignError::LifetimeTooLong { found: lifetime, permitted: self.max_lifetime });
        }
        let (PathRule::Exact(granted) | PathRule::Prefix(granted)) = &claims.path;
        let base_path = match base_path {
            Some(base_path) => base_path,
            None => {
                let at = granted.find("/o/").or_else(|| granted.find(path::RAW_FILES));
                at.and_then(|at| granted.get(..at)).unwrap_or_default()
            }
        };
        let exact = matches!(claims.path, PathRule::Exact(_));
        if path::names_files(base_path, granted) && (permission.writes() || !exact) {
            return denied("a file by its id is for reading, one by one");
        }
        if self.buckets.is_none() && self.prefixes.is_none() {
            return Ok(());
        }
        let Some((bucket, key)) = path::granted_bucket_and_key(base_path, granted) else {
            return denied("it is limited to buckets or prefixes, and this is not an object's path");
        };
        if self.buckets.as_ref().is_some_and(|buckets| buckets.iter().all(|permitted| permitted.as_str() != bucket)) {
            return denied("it is not for this bucket");
        }
        if self.prefixes.as_ref().is_some_and(|prefixes| prefixes.iter().all(|prefix| !key.starts_with(prefix.as_str()))) {
            return denied("it is not for this object key or prefix");
        }
        Ok(())
    }
}

impl Default for KeyLimits {
    /// Seven days, every bucket, every key, every permission, this server alone.
    fn default() -> Self {
        Self {
            max_lifetime: Self::DEFAULT_MAX_LIFETIME,
            buckets: None,
            prefixes: None,
            permission: Permission::ReadWrite,
            reach: KeyReach::OriginOnly,
        }
    }
}

/// A key that signs and verifies tokens of one tenant.
#[derive(Clone)]
pub struct SigningKey {
    id: SigningKeyId,
    tenant: TenantName,
    owner: KeyOwner,
    state: KeyState,
    limits: KeyLimits,
    material: Material,
}

/// What an algorithm computes with; prepared once, cloned for each message.
#[derive(Clone)]
pub(crate) enum Material {
    Hs256(Hmac<Sha256>),
}

impl SigningKey {
    /// An active key without other limits than the default ones. The secret itself is not kept.
    ///
    /// # Errors
    ///
    /// [`SignError::WeakSecret`] for a secret of fewer than [`Algorithm::minimum_secret_bytes`].
    pub fn new(
        id: SigningKeyId,
        tenant: TenantName,
        algorithm: Algorithm,
        owner: KeyOwner,
        secret: &Secret,
    ) -> Result<Self, SignError> {
        let (found_bytes, minimum_bytes) = (secret.expose().len(), algorithm.minimum_secret_bytes());
        let weak = SignError::WeakSecret { found_bytes, minimum_bytes };
        if found_bytes < minimum_bytes {
            return Err(weak);
        }
        let material = match algorithm {
            Algorithm::Hs256 => Material::Hs256(Hmac::new_from_slice(secret.expose()).map_err(|_| weak)?),
        };
        Ok(Self { id, tenant, owner, state: KeyState::default(), limits: KeyLimits::default(), material })
    }

    /// The same key in this state.
    #[must_use]
    pub fn with_state(mut self, state: KeyState) -> Self {
        self.state = state;
        self
    }

    /// The same key with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: KeyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Its `kid`.
    pub fn id(&self) -> &SigningKeyId {
        &self.id
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// In whose name it signs.
    pub fn owner(&self) -> &KeyOwner {
        &self.owner
    }

    /// What it is still good for.
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// What it may sign.
    pub fn limits(&self) -> &KeyLimits {
        &self.limits
    }

    pub(crate) fn material(&self) -> &Material {
        &self.material
    }

    /// Whether the key may have signed these claims, by tenant, owner and limits; its state plays no part.
    pub(crate) fn permits(&self, claims: &Claims, base_path: Option<&str>) -> Result<(), SignError> {
        if claims.tenant != self.tenant {
            return Err(SignError::WrongTenant { claimed: claims.tenant.clone(), owner: self.tenant.clone() });
        }
        if let (KeyOwner::ApiKey(owner), Some(issuer)) = (&self.owner, &claims.terms.issuer)
            && owner != issuer
        {
            return Err(SignError::NotPermitted { reason: "it belongs to another API key than the issuing principal" });
        }
        self.limits.permit(claims, base_path)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("algorithm", &self.algorithm())
            .field("owner", &self.owner)
            .field("state", &self.state)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Every signing key of the installation, found by `kid`. Immutable: a change is a new ring.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: HashMap<SigningKeyId, Arc<SigningKey>>,
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    ///
    /// [`SignError::DuplicateKeyId`] if two have the same `kid`, be they of one tenant or of two.
    pub fn new(keys: impl IntoIterator<Item = SigningKey>) -> Result<Self, SignError> {
        let mut ring = Self::default();
        for key in keys {
            if let Some(key) = ring.keys.insert(key.id.clone(), Arc::new(key)) {
                return Err(SignError::DuplicateKeyId { key_id: key.id.clone() });
            }
        }
        Ok(ring)
    }

    /// The key with this `kid`.
    pub fn find(&self, key_id: &str) -> Option<&Arc<SigningKey>> {
        self.keys.get(key_id)
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.values()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, secret: &[u8]) -> Result<SigningKey, SignError> {
        let (kid, tenant) = (kid.parse().unwrap(), "acme".parse().unwrap());
        SigningKey::new(kid, tenant, Algorithm::Hs256, KeyOwner::Server, &Secret::new(secret))
    }

    #[test]
    fn a_short_secret_is_no_key() {
        let weak = SignError::WeakSecret { found_bytes: 31, minimum_bytes: 32 };
        assert_eq!(key("a", &[1; 31]).unwrap_err(), weak);
        assert!(key("a", &[1; 32]).is_ok());
    }

    #[test]
    fn a_ring_has_each_kid_once() {
        let ring = KeyRing::new([key("a", &[1; 32]).unwrap(), key("b", &[1; 32]).unwrap()]).unwrap();
        assert_eq!((ring.len(), ring.find("b").map(|key| key.id().as_str())), (2, Some("b")));
        assert!(ring.find("c").is_none());
        let error = KeyRing::new([key("a", &[1; 32]).unwrap(), key("a", &[2; 32]).unwrap()]).unwrap_err();
        assert_eq!(error, SignError::DuplicateKeyId { key_id: "a".parse().unwrap() });
    }

    #[test]
    fn limits_are_checked_when_given() {
        let lifetime = |seconds| KeyLimits::default().with_max_lifetime(Duration::from_secs(seconds)).is_ok();
        assert_eq!([0, 1, 400 * 86400, 400 * 86400 + 1].map(lifetime), [false, true, true, false]);
        for (prefix, valid) in
            [("a/", true), ("ä b/c/", true), ("", false), ("/", false), ("a", false), ("a//", false), ("../", false)]
        {
            assert_eq!(KeyLimits::default().with_prefixes([prefix]).is_ok(), valid, "{prefix}");
        }
        let limits = KeyLimits::default().with_prefixes(["ä b/"]).unwrap();
        assert_eq!(limits.prefixes(), Some(&["%C3%A4%20b/".to_owned()][..]));
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let printed = format!("{:?}", key("a", &[0xab; 32]).unwrap());
        assert_eq!(
            printed.split(", limits").next(),
            Some("SigningKey { id: \"a\", tenant: \"acme\", algorithm: Hs256, owner: Server, state: Active")
        );
        assert!(printed.ends_with("reach: OriginOnly }, .. }"), "{printed}");
    }
}
