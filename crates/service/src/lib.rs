//! The use cases of valetkey, each in a file of its own: authenticate, issue, redeem, revoke, upload.
//!
//! HTTP, SQL and vendors are unknown here. Everything passes through [`Service`], which holds the stores, the keys and the
//! caches; permissions, expiry, uses and storage are decided here once for all dialects.
//!
//! A signed GET goes through the phases of [`redeem`], each of which takes the proof made by the one before it.

mod access_token;
mod api_keys;
mod attempts;
pub mod audit;
mod bucket;
mod cache;
mod changes;
mod collection;
mod config;
mod copy;
mod error;
mod file;
mod housekeeping;
mod idempotency;
mod issue;
mod keys;
mod object;
mod parts;
mod pieces;
mod principal;
mod provision;
mod ranges;
pub mod redeem;
mod redemptions;
mod revocations;
mod revoke;
mod sealing;
mod service;
mod signing_keys;
mod stable;
mod transfers;
mod turns;
mod upload;
mod uploads;
mod urls;
mod uses;

pub use access_token::AccessToken;
pub use api_keys::{ApiKeyPage, ApiKeyUpdate, IssuedApiKey, NewApiKey};
pub use audit::{AuditKey, Measurements};
pub use bucket::NewBucket;
pub use collection::{Collection, CollectionFiles};
pub use config::ServiceConfig;
pub use error::ServiceError;
pub use file::{File, FilePage, NewFile, NewName};
pub use idempotency::{Attempt, Idempotent, IdempotentCall};
pub use issue::{Credential, Form, IssueRequest, Issued, Lifetime, LinkSecret, Target};
pub use parts::{CompletedPart, PartUpload, PartsMismatch, UploadTicket, WrittenPart};
pub use principal::Principal;
pub use provision::{GivenApiKey, GivenBucket, GivenSigningKey, Provisioned, Provisioning};
pub use ranges::{RangeError, RangeOrder, RangeOutcome, RangeRequest, RangeUpload, Received};
pub use revoke::{NewRevocation, Revoked};
pub use sealing::MasterKey;
pub use service::Service;
pub use signing_keys::{IssuedSigningKey, NewSigningKey, SigningKeyPage, is_key_prefix};
pub use transfers::Transfer;
pub use upload::{Condition, Upload, UploadOptions};
pub use uploads::UploadPage;
pub use urls::{ListedUrl, UrlPage, UrlQuery, UrlState};
pub use valetkey_metadata::{
    ApiKeyRow, AuditChain, AuditCheckpoint, AuditFilter, AuditPage, AuditRow, AuditStretch, BucketPage, BucketRow, Erasure,
    FileCursor, FileRef, FilesQuery, LinkRow, ObjectPage, ObjectRow, Published, RevocationRow, SigningKeyLimits, SigningKeyRow,
    SigningKeyState, Taken, UploadCursor, UploadEntry, UploadLayout, UploadRanges, UploadRow, UrlCursor, UrlRow, UrlTarget,
};
pub use valetkey_objects::{DigestSet, OpenBlob};
pub use valetkey_signing::{PathRule, parse_raw_file_id, raw_file_id};
