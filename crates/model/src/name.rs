//! Names chosen by people: validated text, one type for each thing named.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A text that is not a name of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct NameError {
    found: String,
    expected: &'static str,
}

impl NameError {
    /// What a name of this kind looks like.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { found: text.chars().take(80).collect(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
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

fn of(text: &str, lengths: std::ops::RangeInclusive<usize>, extra: &[u8]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}

name!(
    /// Who owns: a tenant's name, also the value of a `Tenant-ID` header and of a token's `iss`.
    TenantName,
    |text| of(text, 1..=128, b"-_."),
    "a tenant name: 1 to 128 letters, digits, `-`, `_` or `.`"
);
name!(
    /// A bucket's name, unique in the installation.
    BucketName,
    |text| of(text, 3..=128, b"-_.") && !text.bytes().any(|byte| byte.is_ascii_uppercase()) && text != "..." && text != "....",
    "a bucket name: 3 to 128 lower-case letters, digits, `-`, `_` or `.`"
);
name!(
    /// An object's key: 1 to 1024 bytes of UTF-8, kept as given, never normalised. Keys with NUL do not exist.
    ObjectKey,
    |text| (1..=1024).contains(&text.len()) && !text.contains('\0'),
    "an object key: 1 to 1024 bytes of UTF-8 without NUL"
);
name!(
    /// The public id of an API key (`client_id` in token exchanges).
    ApiKeyId,
    |text| of(text, 1..=128, b"-_."),
    "an API key id: 1 to 128 letters, digits, `-`, `_` or `.`"
);
name!(
    /// A signing key's id (`kid`), unique in the installation.
    SigningKeyId,
    |text| of(text, 1..=64, b"-_."),
    "a signing key id: 1 to 64 letters, digits, `-`, `_` or `.`"
);
name!(
    /// A region: where a bucket is said to be; chooses the public URL.
    Region,
    |text| of(text, 1..=32, b"-_"),
    "a region: 1 to 32 letters, digits, `-` or `_`"
);

impl BucketName {
    /// The bucket of files of a tenant: `files-` and its name, or where that is no bucket's name, the sixteen hexadecimal digits
    /// of `otherwise`.
    pub fn of_files(tenant: &TenantName, otherwise: u64) -> Self {
        // Hexadecimal digits are lower-case letters and digits.
        format!("files-{tenant}").parse().unwrap_or_else(|_| Self(format!("files-{otherwise:016x}").into()))
    }

    /// Whether the name is set apart for some tenant's bucket of files.
    pub fn is_of_files(&self) -> bool {
        self.0.starts_with("files-")
    }
}

impl ObjectKey {
    /// Whether the key can be written as a URL path that every client leaves alone: no empty, `.` or `..` segment, no control
    /// character. The native API takes only such keys.
    pub fn is_plain_path(&self) -> bool {
        self.0.split('/').all(|segment| !matches!(segment, "" | "." | "..")) && !self.0.contains(char::is_control)
    }

    /// The last segment: the file name a person would give it.
    pub fn file_name(&self) -> &str {
        let trimmed = self.0.trim_end_matches('/');
        let name = trimmed.rfind('/').map_or(trimmed, |slash| trimmed.get(slash + 1..).unwrap_or_default());
        if name.is_empty() { "file" } else { name }
    }
}

/// How long a bucket keeps its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// Until they are deleted.
    #[default]
    Persistent,
    /// 24 hours from the upload.
    Transient,
    /// 30 days from the upload.
    Temporary,
}

impl Retention {
    /// For how long; `None` is for ever.
    pub const fn lifetime(self) -> Option<std::time::Duration> {
        match self {
            Self::Persistent => None,
            Self::Transient => Some(std::time::Duration::from_secs(24 * 3600)),
            Self::Temporary => Some(std::time::Duration::from_secs(30 * 24 * 3600)),
        }
    }

    /// `persistent`, `transient` or `temporary`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        }
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("US".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names() {
        for (text, valid) in [("abc", true), ("a-b_c.9", true), ("ab", false), ("Abc", false), ("a/b", false), ("...", false)] {
            assert_eq!(text.parse::<BucketName>().is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn a_bucket_of_files_is_named_after_its_tenant() {
        let long = "x".repeat(123);
        for (tenant, name) in [("acme", "files-acme"), ("Acme", "files-0000000000000abc"), (&long, "files-0000000000000abc")] {
            let bucket = BucketName::of_files(&tenant.parse().unwrap(), 0xabc);
            assert_eq!(bucket.as_str(), name);
            assert!(bucket.is_of_files() && bucket.as_str().parse::<BucketName>().is_ok());
        }
        assert!(!"files".parse::<BucketName>().unwrap().is_of_files());
    }

    #[test]
    fn object_keys_are_kept_as_given() {
        let key: ObjectKey = "تقرير/😀 a+b%2F.pdf".parse().unwrap();
        assert_eq!(key.as_str(), "تقرير/😀 a+b%2F.pdf");
        assert_eq!(key.file_name(), "😀 a+b%2F.pdf");
        assert!("a\0b".parse::<ObjectKey>().is_err());
        assert!("x".repeat(1025).parse::<ObjectKey>().is_err());
    }

    #[test]
    fn plain_paths() {
        for (text, plain) in
            [("a/b", true), ("a//b", false), ("/a", false), ("a/", false), ("a/../b", false), ("...", true), ("a\nb", false)]
        {
            assert_eq!(text.parse::<ObjectKey>().unwrap().is_plain_path(), plain, "{text:?}");
        }
    }
}
