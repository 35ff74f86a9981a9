//! The words of valetkey as types: names, ids, instants, permissions, terms, refusals.
//!
//! Nothing here performs I/O, reads a clock or makes random numbers; every other crate speaks in these types. A value that
//! exists is valid: constructors parse, nothing is checked later.

mod audit;
mod clock;
mod fault;
mod file_name;
mod id;
mod name;
mod permission;
mod refusal;
mod scope;
mod secret;
mod terms;

pub use audit::{Action, Outcome};
pub use clock::{Clock, Timestamp};
pub use fault::sabotaged;
pub use file_name::shortened;
pub use id::{BlobId, Entropy, FileId, FileNumber, IdError, LinkId, SessionId, UploadId};
pub use name::{ApiKeyId, BucketName, NameError, ObjectKey, Region, Retention, SigningKeyId, TenantName};
pub use permission::{Dialect, Disposition, Method, Permission};
pub use refusal::Refusal;
pub use scope::{Scope, ScopeError, Scopes};
pub use secret::{Secret, SecretDigest, SecretText};
pub use terms::{Counting, DigestRule, MediaTypeRule, Network, NetworkError, PutMode, Terms, UploadRules};
