//! Random 16-byte identifiers, one type for each thing identified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where randomness comes from: passed in, so that tests choose it.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with bytes an adversary cannot predict.
    fn fill(&self, out: &mut [u8]);
}

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct IdError {
    found: String,
    expected: &'static str,
}

impl IdError {
    fn new(found: &str, expected: &'static str) -> Self {
        Self { found: found.chars().take(64).collect(), expected }
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A new random one.
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes);
                Self(bytes)
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::new(text, $expected);
                let encoded = text.strip_prefix($prefix).ok_or_else(wrong)?;
                let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| wrong())?;
                Ok(Self(bytes.try_into().map_err(|_| wrong())?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

random_id!(
    /// The public handle of an issued URL of either form (a token's `cti`): `lnk_` and 22 characters.
    LinkId,
    "lnk_",
    "a link id: `lnk_` and 22 characters of base64url"
);
random_id!(
    /// One incarnation: an object key from its creation to its deletion.
    FileId,
    "",
    "a file id: 22 characters of base64url"
);
random_id!(
    /// One holder's download or upload under a limited grant.
    SessionId,
    "ses_",
    "a session id: `ses_` and 22 characters of base64url"
);
random_id!(
    /// One upload session.
    UploadId,
    "upl_",
    "an upload id: `upl_` and 22 characters of base64url"
);
random_id!(
    /// One immutable content, hence also one generation of an incarnation. Its first four bytes are the hour it was begun in
    /// (hours since the epoch, big-endian), so that its place on disk follows from it; the other twelve are random.
    BlobId,
    "",
    "a blob id: 22 characters of base64url"
);

impl BlobId {
    /// A new blob id for a blob begun at `now`.
    pub fn new(now: crate::Timestamp, entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let hour = u32::try_from(now.as_seconds().max(0) / 3600).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&hour.to_be_bytes());
        Self(bytes)
    }

    /// The hour it was begun in: hours since the epoch.
    pub fn hour(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The number of an incarnation, for protocols whose ids are integers: 53 random bits, which JSON readers keep, and never 0.
/// Unique in the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileNumber(u64);

impl FileNumber {
    /// The largest one: 2⁵³ − 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// This number, if it is from 1 to [`FileNumber::MAX`].
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// A new random one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        Self((u64::from_be_bytes(bytes) >> 11).max(1))
    }

    /// As an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it, where it is taken; after the largest comes 1.
    #[must_use]
    pub const fn following(self) -> Self {
        if self.0 == Self::MAX.0 { Self(1) } else { Self(self.0 + 1) }
    }
}

impl fmt::Display for FileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn text_and_back() {
        let id = LinkId::random(&Sevens);
        assert_eq!(id.to_string(), "lnk_BwcHBwcHBwcHBwcHBwcHBw");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        for text in ["", "lnk_", "lnk_BwcHBwcHBwcHBwcHBwcHBx", "BwcHBwcHBwcHBwcHBwcHBw", "lnk_BwcHBwcHBwcHBwcHBwcHBw="] {
            assert!(text.parse::<LinkId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_number_has_53_bits_and_is_never_0() {
        let largest = (1 << 53) - 1;
        for (number, valid) in [(0, false), (1, true), (largest, true), (largest + 1, false), (u64::MAX, false)] {
            assert_eq!(FileNumber::new(number).map(FileNumber::get), valid.then_some(number), "{number}");
        }
        assert_eq!(FileNumber::random(&Sevens).get(), 0x0707_0707_0707_0707 >> 11);
        assert_eq!((FileNumber::MAX.following().get(), FileNumber(1).following().get()), (1, 2));
    }

    #[test]
    fn a_blob_id_knows_its_hour() {
        let blob = BlobId::new(crate::Timestamp::from_seconds(7_200), &Sevens);
        assert_eq!(blob.hour(), 2);
    }
}
