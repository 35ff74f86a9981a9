//! What an API key may do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One thing an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[allow(missing_docs, reason = "the spelling on the wire says it")]
pub enum Scope {
    BucketCreate = 1 << 0,
    BucketRead = 1 << 1,
    BucketDelete = 1 << 2,
    ObjectRead = 1 << 3,
    ObjectWrite = 1 << 4,
    ObjectCreate = 1 << 5,
    LinkIssue = 1 << 6,
    LinkRevoke = 1 << 7,
    AuditRead = 1 << 8,
    Admin = 1 << 9,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BucketCreate,
        Self::BucketRead,
        Self::BucketDelete,
        Self::ObjectRead,
        Self::ObjectWrite,
        Self::ObjectCreate,
        Self::LinkIssue,
        Self::LinkRevoke,
        Self::AuditRead,
        Self::Admin,
    ];

    /// Its spelling in configuration, API and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BucketCreate => "bucket:create",
            Self::BucketRead => "bucket:read",
            Self::BucketDelete => "bucket:delete",
            Self::ObjectRead => "object:read",
            Self::ObjectWrite => "object:write",
            Self::ObjectCreate => "object:create",
            Self::LinkIssue => "link:issue",
            Self::LinkRevoke => "link:revoke",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a scope: expected one of `*`, `bucket:create`, `bucket:read`, `bucket:delete`, `object:read`, `object:write`, `object:create`, `link:issue`, `link:revoke`, `audit:read`, `admin`"
)]
pub struct ScopeError {
    found: String,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);
    /// `*`: every scope but `admin`.
    pub const ALL_BUT_ADMIN: Self = Self((Scope::Admin as u16) - 1);
    /// Every scope.
    pub const EVERYTHING: Self = Self(((Scope::Admin as u16) << 1) - 1);

    /// With this scope too.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope as u16)
    }

    /// The scopes in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has this scope.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope as u16 != 0
    }

    /// Whether it has every scope of `other`.
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its scopes, in their fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Space-separated scopes; `*` is all but `admin`.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().try_fold(Self::NONE, |set, word| {
            if word == "*" {
                return Ok(Self(set.0 | Self::ALL_BUT_ADMIN.0));
            }
            let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
            found.map(|scope| set.with(scope)).ok_or_else(|| ScopeError { found: word.chars().take(64).collect() })
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        let scopes = words.iter().try_fold(Self::NONE, |set, word| match word.parse::<Self>() {
            Ok(scopes) if !word.is_empty() && !word.contains(|letter: char| letter.is_ascii_whitespace()) => {
                Ok(Self(set.0 | scopes.0))
            }
            _ => Err(ScopeError { found: word.chars().take(64).collect() }),
        });
        scopes.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_all_but_admin() {
        let star: Scopes = "*".parse().unwrap();
        assert!(!star.has(Scope::Admin) && star.iter().count() == 9);
        assert_eq!("* admin".parse(), Ok(Scopes::EVERYTHING));
    }

    #[test]
    fn a_list_has_one_scope_to_an_element() {
        let read = |json| serde_json::from_str::<Scopes>(json).map(|scopes| scopes.to_string()).map_err(drop);
        assert_eq!(read(r#"["admin", "object:read", "admin"]"#), Ok("object:read admin".to_owned()));
        assert_eq!(read(r#"["*"]"#), Ok(Scopes::ALL_BUT_ADMIN.to_string()));
        assert_eq!(read("[]"), Ok(String::new()));
        for json in [r#"[""]"#, r#"["object:read admin"]"#, r#"[" admin"]"#, r#"["read"]"#, r#""admin""#] {
            assert_eq!(read(json), Err(()), "{json}");
        }
    }

    #[test]
    fn text_and_back() {
        let scopes: Scopes = "object:read link:issue".parse().unwrap();
        assert_eq!(scopes.to_string(), "object:read link:issue");
        assert!("object:reed".parse::<Scopes>().is_err());
    }
}
