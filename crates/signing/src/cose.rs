//! The envelope: COSE ([RFC 9052](https://www.rfc-editor.org/rfc/rfc9052)) in base64url.

use crate::cbor::{Read, Reader, Unreadable, Writer, byte_string_head};
use crate::key::Material;
use crate::{MAX_TOKEN_CHARS, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use std::borrow::Cow;
use valetkey_model::sabotaged;

const TAG_CWT: u64 = 61;
const TAG_MAC0: u64 = 17;
const TAG_SIGN1: u64 = 18;

const ALG: i64 = 1;
const KID: i64 = 4;

/// The bytes of the longest token.
pub(crate) const MAX_TOKEN_BYTES: usize = MAX_TOKEN_CHARS / 4 * 3;

/// A COSE message of one recipient or signer, read and not yet proved.
pub(crate) struct Envelope<'a> {
    tag: u64,
    algorithm: i64,
    key_id: Cow<'a, [u8]>,
    protected: Cow<'a, [u8]>,
    pub(crate) payload: Cow<'a, [u8]>,
    proof: Cow<'a, [u8]>,
}

/// Decodes base64url without padding, spare bits zero, into `buffer`.
pub(crate) fn decode_text<'b>(token: &str, buffer: &'b mut [u8; MAX_TOKEN_BYTES]) -> Read<&'b [u8]> {
    if token.len() > MAX_TOKEN_CHARS {
        return Err(Unreadable);
    }
    let n_bytes = URL_SAFE_NO_PAD.decode_slice(token, buffer).map_err(|_| Unreadable)?;
    buffer.get(..n_bytes).ok_or(Unreadable)
}

impl<'a> Envelope<'a> {
    /// Reads `61(17([protected, unprotected, payload, proof]))`, with or without the 61. 18 stands for a signature instead of a
    /// MAC; whether the key makes such is for [`is_proved_by`](Self::is_proved_by) to say.
    pub(crate) fn read(bytes: &'a [u8]) -> Read<Self> {
        Reader::whole(bytes, |message| {
            let mut tag = message.optional_tag()?;
            if tag == Some(TAG_CWT) {
                tag = message.optional_tag()?;
            }
            let tag = tag.filter(|tag| matches!(*tag, TAG_MAC0 | TAG_SIGN1)).ok_or(Unreadable)?;
            message.tuple(4, |parts| {
                let protected = parts.bytes()?;
                let (algorithm, protected_key_id) = match &protected {
                    Cow::Borrowed(bytes) => read_protected(bytes)?,
                    Cow::Owned(bytes) => {
                        let (algorithm, key_id) = read_protected(bytes)?;
                        (algorithm, key_id.map(|key_id| Cow::Owned(key_id.into_owned())))
                    }
                };
                let mut unprotected_key_id = None;
                parts.map(|label, value| {
                    if label != KID {
                        return Err(Unreadable);
                    }
                    unprotected_key_id = Some(value.bytes()?);
                    Ok(())
                })?;
                let key_id = match (protected_key_id, unprotected_key_id) {
                    (Some(key_id), None) | (None, Some(key_id)) => key_id,
                    _ => return Err(Unreadable),
                };
                Ok(Self { tag, algorithm, key_id, protected, payload: parts.bytes()?, proof: parts.bytes()? })
            })
        })
    }

    /// The `kid`; one that is not UTF-8 is nobody's.
    pub(crate) fn key_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.key_id).ok()
    }

    /// Whether the header names the key's algorithm and the proof is the key's over this message. Constant time.
    pub(crate) fn is_proved_by(&self, key: &SigningKey) -> bool {
        let algorithm = key.algorithm();
        if (self.algorithm, self.tag) != (algorithm.cose_id(), algorithm.cose_tag()) {
            return false;
        }
        match key.material() {
            Material::Hs256(keyed) => {
                let mut mac = keyed.clone();
                feed_mac_structure(&self.protected, &self.payload, |part| mac.update(part));
                mac.verify_slice(&self.proof).is_ok() || sabotaged("signature-ignored")
            }
        }
    }
}

fn read_protected(protected: &[u8]) -> Read<(i64, Option<Cow<'_, [u8]>>)> {
    let (mut algorithm, mut key_id) = (None, None);
    Reader::whole(protected, |header| {
        header.map(|label, value| {
            match label {
                ALG => algorithm = Some(value.integer()?),
                KID => key_id = Some(value.bytes()?),
                _ => return Err(Unreadable),
            }
            Ok(())
        })
    })?;
    Ok((algorithm.ok_or(Unreadable)?, key_id))
}

/// The bytes that a MAC covers: `["MAC0", protected, h'', payload]` (RFC 9052 §6.3).
fn feed_mac_structure(protected: &[u8], payload: &[u8], mut feed: impl FnMut(&[u8])) {
    const ARRAY_OF_4_AND_CONTEXT: &[u8] = b"\x84\x64MAC0";
    const NO_EXTERNAL_DATA: &[u8] = b"\x40";
    feed(ARRAY_OF_4_AND_CONTEXT);
    for (before, bytes) in [(&[][..], protected), (NO_EXTERNAL_DATA, payload)] {
        let (head, n) = byte_string_head(bytes.len());
        feed(before);
        feed(head.get(..n).unwrap_or_default());
        feed(bytes);
    }
}

/// The token of this payload under this key.
pub(crate) fn seal(payload: &[u8], key: &SigningKey) -> String {
    let algorithm = key.algorithm();
    let mut header = Writer::default();
    header.map(|map| {
        map.entry(ALG).integer(algorithm.cose_id());
        map.entry(KID).bytes(key.id().as_str().as_bytes());
    });
    let protected = header.into_bytes();
    let mut message = Writer::default();
    message.tag(TAG_CWT);
    message.tag(algorithm.cose_tag());
    message.array(4);
    message.bytes(&protected);
    message.map(|_| {});
    message.bytes(payload);
    match key.material() {
        Material::Hs256(keyed) => {
            let mut mac = keyed.clone();
            feed_mac_structure(&protected, payload, |part| mac.update(part));
            message.bytes(&mac.finalize().into_bytes());
        }
    }
    URL_SAFE_NO_PAD.encode(message.into_bytes())
}
