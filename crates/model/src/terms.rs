//! What a signed URL was issued for: the same terms whether a token carries them or a link finds them.

use crate::{ApiKeyId, BlobId, Dialect, Disposition, FileId, Permission};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;

/// What a signed URL permits, and how. Where and until when are beside it: a token carries them as standard claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Chooses the shape of refusals and headers.
    #[serde(default)]
    pub dialect: Dialect,
    /// Read, write or both.
    pub permission: Permission,
    /// How often it may be used; `None` is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<NonZeroU32>,
    /// When a use is spent.
    #[serde(default)]
    pub counting: Counting,
    /// Save or show; `None` is the object's or the default, to save.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// The name a browser saves under; `None` is the object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The media type to answer with; `None` is the object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The only client addresses it works from; empty is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Network>,
    /// Only this generation of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<BlobId>,
    /// Only this incarnation of the object: who deletes it ends the URL, whatever is created there afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<FileId>,
    /// What an upload must be like.
    #[serde(default)]
    pub upload: UploadRules,
    /// The owner's word for a set of URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The API key that issued it; its scopes at redemption limit what the URL can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<ApiKeyId>,
}

impl Terms {
    /// The plainest terms: this permission, without limits.
    pub fn new(permission: Permission) -> Self {
        Self {
            dialect: Dialect::Native,
            permission,
            uses: None,
            counting: Counting::Completed,
            disposition: None,
            file_name: None,
            content_type: None,
            addresses: Vec::new(),
            pin: None,
            incarnation: None,
            upload: UploadRules::default(),
            label: None,
            issuer: None,
        }
    }
}

/// When a use is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counting {
    /// When every byte was delivered.
    #[default]
    Completed,
    /// When the first byte is reserved.
    Started,
}

/// What an upload made with a URL must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRules {
    /// At least this many bytes.
    #[serde(default)]
    pub min_bytes: u64,
    /// At most this many bytes; `None` leaves it to the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Only these media types; empty is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<MediaTypeRule>,
    /// Only bytes with this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestRule>,
    /// Whether it may replace an object.
    #[serde(default)]
    pub mode: PutMode,
}

/// Whether an upload may replace an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PutMode {
    /// Only where there is none.
    #[default]
    Create,
    /// Either way.
    Replace,
    /// Only into a place that is reserved for a file: it is refused once the file is confirmed, and may replace until then.
    Reserved,
}

/// A media type, or a whole top-level type: `image/png` or `image/*`. Parameters play no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTypeRule(String);

impl MediaTypeRule {
    /// Parses `type/subtype` or `type/*`; `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
        };
        let (top, sub) = text.split_once('/')?;
        (token(top) && (sub == "*" || token(sub))).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Whether a `Content-Type` value is of this type.
    pub fn matches(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some(prefix) => essence.starts_with(prefix),
            None => essence == self.0,
        }
    }

    /// The rule as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest that an upload's bytes must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestRule {
    /// SHA-256, 32 bytes.
    Sha256([u8; 32]),
    /// MD5, 16 bytes; interoperability, not security.
    Md5([u8; 16]),
    /// CRC-32C, big-endian.
    Crc32c([u8; 4]),
}

/// A set of addresses: one, or a CIDR block. IPv4 mapped into IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is not an address or CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an address or CIDR block such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`")]
pub struct NetworkError {
    found: String,
}

impl Network {
    /// The block of the first `prefix` bits of `address`; `None` if it has fewer bits. Bits after the prefix are cleared.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V6(v6) if prefix < 96 && v6.to_ipv4_mapped().is_some() => return None,
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => return Self::new(IpAddr::V4(v4), prefix - 96),
                None => IpAddr::V6(v6),
            },
            v4 => v4,
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= width).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits are fixed.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError { found: text.chars().take(64).collect() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => {
                let digits = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
                (address, digits.then(|| prefix.parse().ok()).flatten().ok_or_else(wrong).map(Some)?)
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix.unwrap_or(width)).ok_or_else(wrong)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let check = |network: &str, address: &str, inside: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address} in {network}");
        };
        check("192.0.2.0/24", "192.0.2.255", true);
        check("192.0.2.0/24", "192.0.3.0", false);
        check("192.0.2.7", "::ffff:192.0.2.7", true);
        check("::ffff:192.0.2.0/120", "192.0.2.9", true);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("::/0", "::1", true);
    }

    #[test]
    fn networks_refused() {
        for text in ["", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+1", "::/129", "a.b", "192.0.2.0/", "::ffff:1.2.3.4/64"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn media_types() {
        let check = |rule: &str, value: &str| MediaTypeRule::parse(rule).unwrap().matches(value);
        assert!(check("image/*", "Image/PNG") && check("text/plain", "text/plain; charset=utf-8"));
        assert!(!check("image/png", "image/jpeg") && !check("image/*", "imagex/png"));
        assert!(MediaTypeRule::parse("*/*").is_none() && MediaTypeRule::parse("png").is_none());
    }
}
