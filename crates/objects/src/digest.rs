//! Digests of contents, taken while they pass by.

use crc_fast::CrcAlgorithm;
use sha2::Digest as _;
use std::ops::BitOr;

/// Which digests are wanted besides SHA-256, which is always taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DigestSet(u8);

impl DigestSet {
    /// Only SHA-256.
    pub const NONE: Self = Self(0);
    /// SHA-1.
    pub const SHA1: Self = Self(1);
    /// MD5.
    pub const MD5: Self = Self(2);
    /// CRC-32C (Castagnoli).
    pub const CRC32C: Self = Self(4);
    /// Every one.
    pub const ALL: Self = Self(7);

    /// Whether all of `other` are in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for DigestSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The digests of one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-1, if it was wanted; interoperability, not security.
    pub sha1: Option<[u8; 20]>,
    /// MD5, if it was wanted; interoperability, not security.
    pub md5: Option<[u8; 16]>,
    /// CRC-32C, big-endian, if it was wanted.
    pub crc32c: Option<[u8; 4]>,
}

impl Digests {
    /// The digests of `content`. Above 64 KiB it takes long enough to be no work for a core's own thread.
    pub fn of(content: &[u8], wanted: DigestSet) -> Self {
        let mut hasher = Hasher::new(wanted);
        hasher.update(content);
        hasher.finish()
    }
}

/// Takes digests of what it is given piece by piece.
pub(crate) struct Hasher {
    sha256: sha2::Sha256,
    sha1: Option<sha1::Sha1>,
    md5: Option<md5::Md5>,
    crc32c: Option<crc_fast::Digest>,
}

impl Hasher {
    pub(crate) fn new(wanted: DigestSet) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha1: wanted.has(DigestSet::SHA1).then(sha1::Sha1::new),
            md5: wanted.has(DigestSet::MD5).then(md5::Md5::new),
            crc32c: wanted.has(DigestSet::CRC32C).then(|| crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
        }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(piece);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        if let Some(crc32c) = &mut self.crc32c {
            crc32c.update(piece);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            sha256: self.sha256.finalize().into(),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
            md5: self.md5.map(|md5| md5.finalize().into()),
            // The algorithm has 32 bits: the upper half is zero.
            crc32c: self.crc32c.map(|crc32c| (crc32c.finalize() as u32).to_be_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_wanted() {
        let digests = Digests::of(b"", DigestSet::MD5 | DigestSet::CRC32C);
        assert!(digests.sha1.is_none() && digests.md5.is_some() && digests.crc32c == Some([0; 4]));
        assert!(DigestSet::ALL.has(DigestSet::SHA1) && !DigestSet::MD5.has(DigestSet::ALL));
    }
}
