//! A presented token to what it proves.

use crate::claims::Payload;
use crate::cose::{self, Envelope};
use crate::{CLOCK_SKEW, Claims, KeyOwner, KeyRing, KeyState, PathRule, Resource, SigningKey, path};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use valetkey_model::{Dialect, Method, Refusal, SigningKeyId, Timestamp, sabotaged};

/// A token and the request it came with.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The token as text, from the query or the header. A bearer secret: not to be logged.
    pub token: &'a str,
    /// The path of the request's target as it was sent, without the query.
    pub raw_path: &'a str,
    /// The path of the public URL, in canonical form; empty if it has none.
    pub base_path: &'a str,
    /// The request's method.
    pub method: Method,
    /// The client's address.
    pub client: IpAddr,
    /// The present instant.
    pub now: Timestamp,
    /// How long past its expiry a limited token is let through, for sessions that may resume; zero for everybody else.
    pub expiry_leniency: Duration,
}

/// What a token proved: that these claims were signed by this key, and hold for this request. Only [`verify`] makes one.
///
/// Not yet known is whether the tenant owns the bucket, what the issuer may do now, and what was revoked.
#[derive(Clone, Debug)]
pub struct Verified {
    claims: Claims,
    key: Arc<SigningKey>,
    resource: Resource,
    whole_bucket: bool,
    past_expiry: bool,
}

impl Verified {
    /// What was signed. `terms.issuer` is the key's owner where that is an API key.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The same, taken out.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// The `kid` of the key that signed.
    pub fn key_id(&self) -> &SigningKeyId {
        self.key.id()
    }

    /// In whose name the key signs.
    pub fn key_owner(&self) -> &KeyOwner {
        self.key.owner()
    }

    /// What the request's path names.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Whether the token is for every object of the bucket: a prefix of nothing, which only an administrator may issue.
    pub fn is_for_whole_bucket(&self) -> bool {
        self.whole_bucket
    }

    /// Whether the token has expired and was let through by [`Presented::expiry_leniency`]: good for a session that there is
    /// already, not for a new one.
    pub fn past_expiry(&self) -> bool {
        self.past_expiry
    }
}

/// The dialect in a token's claims, whose signature plays no part; `None` for what cannot be read. Only the shape of a refusal may
/// depend on it.
pub fn claimed_dialect(token: &str) -> Option<Dialect> {
    Some(claimed(token)?.claims.terms.dialect)
}

/// The methods that a token says it is for, whose signature plays no part, in the order of [`Method::ALL`]; `None`
/// for what cannot be read. Good for telling which methods there are, never for allowing one.
pub fn claimed_methods(token: &str) -> Option<Vec<Method>> {
    let methods = claimed(token)?.methods;
    Some(Method::ALL.into_iter().filter(|method| methods.allow(*method)).collect())
}

fn claimed(token: &str) -> Option<Payload> {
    let mut buffer = [0; cose::MAX_TOKEN_BYTES];
    let bytes = cose::decode_text(token, &mut buffer).ok()?;
    Payload::read(&Envelope::read(bytes).ok()?.payload).ok()
}

/// What a token says, without proving any of it: for whoever knows by other means that its signature is right.
pub fn claimed_claims(token: &str) -> Option<Claims> {
    Some(claimed(token)?.claims)
}

/// Proves a token for a request, or says why not. The same input gives the same answer.
///
/// # Errors
///
/// The first of these that applies, in this order:
///
/// * [`Refusal::Malformed`]: it cannot be read, or it restricts in a way that is not known here.
/// * [`Refusal::UnknownKey`]
/// * [`Refusal::BadSignature`]: another algorithm than the key's, a wrong MAC, or claims that the key may not sign.
/// * [`Refusal::NotYetValid`], [`Refusal::Expired`]
/// * [`Refusal::WrongPath`], [`Refusal::WrongMethod`], [`Refusal::WrongAddress`]
/// * [`Refusal::Revoked`]: the key was revoked, and with it all that it signed.
pub fn verify(presented: &Presented<'_>, ring: &KeyRing) -> Result<Verified, Refusal> {
    let mut buffer = [0; cose::MAX_TOKEN_BYTES];
    let bytes = cose::decode_text(presented.token, &mut buffer).map_err(|_| Refusal::Malformed)?;
    let envelope = Envelope::read(bytes).map_err(|_| Refusal::Malformed)?;
    let Payload { mut claims, methods } = Payload::read(&envelope.payload).map_err(|_| Refusal::Malformed)?;

    let key = envelope.key_id().and_then(|key_id| ring.find(key_id)).ok_or(Refusal::UnknownKey)?;
    if !envelope.is_proved_by(key) || key.permits(&claims, Some(presented.base_path)).is_err() {
        return Err(Refusal::BadSignature);
    }
    if let KeyOwner::ApiKey(owner) = key.owner() {
        claims.terms.issuer = Some(owner.clone());
    }

    let latest_start = presented.now.plus(CLOCK_SKEW);
    if claims.issued_at > latest_start || claims.not_before.is_some_and(|not_before| not_before > latest_start) {
        return Err(Refusal::NotYetValid);
    }
    let past_expiry = presented.now >= claims.expires_at;
    let leniency = if claims.terms.uses.is_some() { presented.expiry_leniency } else { Duration::ZERO };
    if presented.now >= claims.expires_at.plus(leniency) && !sabotaged("expiry-ignored") {
        return Err(Refusal::Expired);
    }

    let resource = path::decode_path(presented.base_path, presented.raw_path)?;
    let (granted, whole_bucket) = match (&resource, &claims.path) {
        (Resource::Object { bucket, key }, PathRule::Exact(path)) => {
            (path::is_canonical_path_of(path, presented.base_path, bucket, key), false)
        }
        (Resource::Object { bucket, key }, PathRule::Prefix(prefix)) => {
            let (canonical, key_start) = path::canonical_path_and_key_start(presented.base_path, bucket, key);
            // Never wider than a bucket: a prefix reaches at least to where the key begins.
            (prefix.len() >= key_start && canonical.starts_with(prefix.as_str()), prefix.len() == key_start)
        }
        (Resource::File(file), PathRule::Exact(path)) => (path::canonical_file_path(presented.base_path, *file) == *path, false),
        (Resource::File(_), PathRule::Prefix(_)) => (false, false),
    };
    if !granted {
        return Err(Refusal::WrongPath);
    }
    if !methods.allow(presented.method) {
        return Err(Refusal::WrongMethod);
    }
    let addresses = &claims.terms.addresses;
    if !addresses.is_empty() && !addresses.iter().any(|network| network.contains(presented.client)) {
        return Err(Refusal::WrongAddress);
    }
    if key.state() == KeyState::Revoked {
        return Err(Refusal::Revoked);
    }
    Ok(Verified { claims, key: Arc::clone(key), resource, whole_bucket, past_expiry })
}
