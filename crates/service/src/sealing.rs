//! Secrets at rest: AES-256-GCM under the master key, bound to what they belong to.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use valetkey_model::{Entropy, Secret, SigningKeyId, TenantName};

const NONCE_BYTES: usize = 12;

/// The key that seals signing keys at rest: 32 bytes, never stored with what it seals.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret);

/// A sealed secret that the master key does not open: another key sealed it, or it was changed.
#[derive(Debug, thiserror::Error)]
#[error("the sealed key `{kid}` does not open with this master key")]
pub(crate) struct SealError {
    kid: SigningKeyId,
}

impl MasterKey {
    /// From its 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes.as_slice()))
    }

    /// Seals a signing key's secret; tenant and kid are authenticated with it.
    pub(crate) fn seal(&self, tenant: &TenantName, kid: &SigningKeyId, secret: &[u8], entropy: &dyn Entropy) -> Option<Vec<u8>> {
        self.seal_for(&associated(tenant, kid), secret, entropy)
    }

    /// Seals what is authenticated with `associated`: nonce, then ciphertext and tag. The nonce must never come twice.
    pub(crate) fn seal_for(&self, associated: &[u8], secret: &[u8], entropy: &dyn Entropy) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let sealed = self.cipher()?.encrypt(Nonce::from_slice(&nonce), Payload { msg: secret, aad: associated }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`MasterKey::seal`] made.
    pub(crate) fn open(&self, tenant: &TenantName, kid: &SigningKeyId, sealed: &[u8]) -> Result<Secret, SealError> {
        let secret = self.open_for(&associated(tenant, kid), sealed).ok_or_else(|| SealError { kid: kid.clone() })?;
        Ok(Secret::new(secret))
    }

    /// Seals the private half of an audit key, bound to its id.
    pub(crate) fn seal_audit_key(&self, id: &str, secret: &[u8], entropy: &dyn Entropy) -> Option<Vec<u8>> {
        self.seal_for(&associated_with_audit_key(id), secret, entropy)
    }

    /// Opens what [`MasterKey::seal_audit_key`] made.
    pub(crate) fn open_audit_key(&self, id: &str, sealed: &[u8]) -> Option<Secret> {
        self.open_for(&associated_with_audit_key(id), sealed).map(Secret::new)
    }

    /// Opens what [`MasterKey::seal_for`] made; `None` for anything else.
    pub(crate) fn open_for(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.cipher()?.decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: associated }).ok()
    }

    /// A key for another purpose, by HMAC-SHA256 of the purpose's name.
    pub(crate) fn derive(&self, purpose: &str) -> Secret {
        let tag = hmac_sha256(&self.0, purpose.as_bytes());
        Secret::new(tag.as_slice())
    }

    fn cipher(&self) -> Option<Aes256Gcm> {
        Aes256Gcm::new_from_slice(self.0.expose()).ok()
    }
}

fn associated(tenant: &TenantName, kid: &SigningKeyId) -> Vec<u8> {
    // Neither name can hold a line feed.
    format!("valetkey signing key\n{tenant}\n{kid}").into_bytes()
}

fn associated_with_audit_key(id: &str) -> Vec<u8> {
    format!("valetkey audit key\n{id}").into_bytes()
}

/// HMAC-SHA256.
pub(crate) fn hmac_sha256(key: &Secret, message: &[u8]) -> [u8; 32] {
    match <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.expose()) {
        Ok(mac) => mac.chain_update(message).finalize().into_bytes().into(),
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, out: &mut [u8]) {
            out.fill(1);
        }
    }

    #[test]
    fn opens_only_with_its_key_tenant_and_kid() {
        let (tenant, kid): (TenantName, SigningKeyId) = ("acme".parse().unwrap(), "k1".parse().unwrap());
        let key = MasterKey::new([7; 32]);
        let mut sealed = key.seal(&tenant, &kid, b"secret", &Ones).unwrap();
        assert_eq!(key.open(&tenant, &kid, &sealed).unwrap().expose(), b"secret");
        assert!(MasterKey::new([8; 32]).open(&tenant, &kid, &sealed).is_err());
        assert!(key.open(&"other".parse().unwrap(), &kid, &sealed).is_err());
        assert!(key.open(&tenant, &"k2".parse().unwrap(), &sealed).is_err());
        assert!(key.open_audit_key("k1", &sealed).is_none());
        let of_audit = key.seal_audit_key("k1", b"secret", &Ones).unwrap();
        assert_eq!(key.open_audit_key("k1", &of_audit).unwrap().expose(), b"secret");
        assert!(key.open_audit_key("k2", &of_audit).is_none());
        sealed[20] ^= 1;
        assert!(key.open(&tenant, &kid, &sealed).is_err());
        assert!(key.open(&tenant, &kid, &[]).is_err());
    }
}
