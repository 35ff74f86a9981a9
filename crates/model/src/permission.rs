//! What a signed URL is for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a grant permits to do with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// GET and HEAD.
    Read,
    /// PUT, POST, PATCH, HEAD and DELETE of its own upload session.
    Write,
    /// Both.
    ReadWrite,
}

impl Permission {
    /// Whether it includes reading.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether it includes writing.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }

    /// Whether a request by `method` is what this permission is for.
    pub const fn allows(self, method: Method) -> bool {
        match method {
            Method::Get | Method::Head => self.reads() || matches!((self, method), (Self::Write, Method::Head)),
            Method::Put | Method::Post | Method::Patch | Method::Delete => self.writes(),
        }
    }

    /// `read`, `write` or `readwrite`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
        }
    }
}

/// A request method that a grant can permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of RFC 9110 section 9 say it")]
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Patch,
    Delete,
}

impl Method {
    /// All of them, in the order they are listed in preflight answers.
    pub const ALL: [Self; 6] = [Self::Get, Self::Head, Self::Put, Self::Post, Self::Patch, Self::Delete];

    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name, which is case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a browser is told to treat the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Save it.
    #[default]
    Attachment,
    /// Show it.
    Inline,
}

/// Which protocol a URL was issued by: chooses the shape of refusals and headers, never what is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Dialect {
    #[default]
    Native,
    Autodesk,
    Redivis,
    Datalab,
    FlexPortal,
}

impl Dialect {
    /// All of them, in the order in which they are written above.
    pub const ALL: [Self; 5] = [Self::Native, Self::Autodesk, Self::Redivis, Self::Datalab, Self::FlexPortal];

    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Autodesk => "autodesk",
            Self::Redivis => "redivis",
            Self::Datalab => "datalab",
            Self::FlexPortal => "flexportal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_permission_allows() {
        let allowed = |permission: Permission| Method::ALL.map(|method| permission.allows(method));
        assert_eq!(allowed(Permission::Read), [true, true, false, false, false, false]);
        assert_eq!(allowed(Permission::Write), [false, true, true, true, true, true]);
        assert_eq!(allowed(Permission::ReadWrite), [true; 6]);
    }

    #[test]
    fn method_names_are_case_sensitive() {
        assert_eq!(Method::parse("GET"), Some(Method::Get));
        assert_eq!(Method::parse("get"), None);
    }
}
