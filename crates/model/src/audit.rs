//! The words of the audit: what was done, and what came of it. One table of each.

use crate::Refusal;
use std::fmt;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// A signed URL was issued.
    UrlIssue,
    /// Signed URLs were taken back.
    UrlRevoke,
    /// A signed URL was presented: once where its uses are counted, else as often as the row says.
    UrlRedeem,
    /// All uses of a URL were made available again.
    UrlReset,
    /// What was sent under a limited grant was recorded.
    UrlSettle,
    /// Bytes became an object.
    ObjectPublish,
    /// An object was deleted.
    ObjectDelete,
    /// An upload under way was thrown away.
    UploadAbort,
    /// The bytes of a file were made its own.
    FileConfirm,
    /// A file ended, and its bytes stayed.
    FileDetach,
    /// A bucket was made.
    BucketCreate,
    /// A bucket was changed.
    BucketUpdate,
    /// A bucket was deleted.
    BucketDelete,
    /// An API key was made.
    ApiKeyCreate,
    /// An API key was changed.
    ApiKeyUpdate,
    /// An API key got another secret.
    ApiKeyRotate,
    /// An API key was ended for good.
    ApiKeyDelete,
    /// A signing key was made.
    SigningKeyCreate,
    /// A signing key was put into another state.
    SigningKeyUpdate,
    /// A tenant was made.
    TenantCreate,
    /// The key that seals the audit was made.
    AuditKeyCreate,
    /// What the audit holds of a person was erased.
    AuditErase,
    /// Rows were dropped, because they had been kept as long as the operator keeps them.
    AuditDrop,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::UrlIssue,
        Self::UrlRevoke,
        Self::UrlRedeem,
        Self::UrlReset,
        Self::UrlSettle,
        Self::ObjectPublish,
        Self::ObjectDelete,
        Self::UploadAbort,
        Self::FileConfirm,
        Self::FileDetach,
        Self::BucketCreate,
        Self::BucketUpdate,
        Self::BucketDelete,
        Self::ApiKeyCreate,
        Self::ApiKeyUpdate,
        Self::ApiKeyRotate,
        Self::ApiKeyDelete,
        Self::SigningKeyCreate,
        Self::SigningKeyUpdate,
        Self::TenantCreate,
        Self::AuditKeyCreate,
        Self::AuditErase,
        Self::AuditDrop,
    ];

    /// Its stable name: what it was done to, and what was done.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UrlIssue => "url.issue",
            Self::UrlRevoke => "url.revoke",
            Self::UrlRedeem => "url.redeem",
            Self::UrlReset => "url.reset",
            Self::UrlSettle => "url.settle",
            Self::ObjectPublish => "object.publish",
            Self::ObjectDelete => "object.delete",
            Self::UploadAbort => "upload.abort",
            Self::FileConfirm => "file.confirm",
            Self::FileDetach => "file.detach",
            Self::BucketCreate => "bucket.create",
            Self::BucketUpdate => "bucket.update",
            Self::BucketDelete => "bucket.delete",
            Self::ApiKeyCreate => "api_key.create",
            Self::ApiKeyUpdate => "api_key.update",
            Self::ApiKeyRotate => "api_key.rotate",
            Self::ApiKeyDelete => "api_key.delete",
            Self::SigningKeyCreate => "signing_key.create",
            Self::SigningKeyUpdate => "signing_key.update",
            Self::TenantCreate => "tenant.create",
            Self::AuditKeyCreate => "audit_key.create",
            Self::AuditErase => "audit.erase",
            Self::AuditDrop => "audit.drop",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A session of a limited grant was opened.
    Opened,
    /// A session of a limited grant was gone on with.
    Resumed,
    /// With what was sent, the session has delivered the whole object.
    Completed,
    /// The session has not delivered the whole object, so far.
    Incomplete,
    /// All that was selected was sent.
    Delivered,
    /// The connection ended before all was sent.
    Cut,
    /// A HEAD was answered.
    Described,
    /// A page was shown whose button opens a session.
    Offered,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeNotSatisfiable,
    /// An upload ended before all of it was there.
    BrokenOff,
    /// It was refused.
    Refused(Refusal),
}

impl Outcome {
    /// Those that are no refusals.
    pub const ACCEPTED: [Self; 13] = [
        Self::Done,
        Self::Opened,
        Self::Resumed,
        Self::Completed,
        Self::Incomplete,
        Self::Delivered,
        Self::Cut,
        Self::Described,
        Self::Offered,
        Self::NotModified,
        Self::PreconditionFailed,
        Self::RangeNotSatisfiable,
        Self::BrokenOff,
    ];
    /// How many there are.
    pub const N: usize = Self::ACCEPTED.len() + Refusal::ALL.len();

    /// All of them, each at its [`Outcome::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ACCEPTED.into_iter().chain(Refusal::ALL.into_iter().map(Self::Refused))
    }

    /// Its place among all of them: below [`Outcome::N`].
    pub const fn index(self) -> usize {
        match self {
            // As refusals do, the others stand in the order of their list.
            Self::Refused(refusal) => Self::ACCEPTED.len() + refusal as usize,
            Self::Done => 0,
            Self::Opened => 1,
            Self::Resumed => 2,
            Self::Completed => 3,
            Self::Incomplete => 4,
            Self::Delivered => 5,
            Self::Cut => 6,
            Self::Described => 7,
            Self::Offered => 8,
            Self::NotModified => 9,
            Self::PreconditionFailed => 10,
            Self::RangeNotSatisfiable => 11,
            Self::BrokenOff => 12,
        }
    }

    /// Its stable code; that of a refusal is the refusal's.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Opened => "opened",
            Self::Resumed => "resumed",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Delivered => "delivered",
            Self::Cut => "cut",
            Self::Described => "described",
            Self::Offered => "offered",
            Self::NotModified => "not_modified",
            Self::PreconditionFailed => "precondition_failed",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::BrokenOff => "broken_off",
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// The outcome with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::all().find(|outcome| outcome.code() == code)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn outcomes_have_one_code_and_one_place_each() {
        let all: Vec<_> = Outcome::all().collect();
        assert_eq!(all.len(), Outcome::N);
        for (index, outcome) in all.into_iter().enumerate() {
            assert_eq!((outcome.index(), Outcome::parse(outcome.code())), (index, Some(outcome)));
        }
    }

    #[test]
    fn actions_have_one_name_each() {
        let names: HashSet<_> = Action::ALL.map(Action::as_str).into();
        assert_eq!(names.len(), Action::ALL.len());
    }
}
