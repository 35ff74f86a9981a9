//! The JSON of explanations.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use utoipa::openapi::schema::{AnyOfBuilder, SchemaFormat};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::schema;
use valetkey_model::{ApiKeyId, BucketName, Dialect, LinkId, Network, ObjectKey, Permission, SigningKeyId};

/// What is to be explained.
#[derive(Deserialize, ToSchema)]
#[schema(as = native::Question)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionBody {
    /// A signed URL of any of the APIs, whole as it was handed out: at most 16 KiB. Without scheme and host: its path and query.
    #[schema(value_type = SignedUrlText)]
    pub(crate) url: String,
    /// The method it is tried with. Without it: GET, or PUT for a URL that is only for writing.
    #[schema(value_type = Option<TriedMethod>)]
    pub(crate) method: Option<String>,
    /// The address it is tried from. Without it: the caller's.
    #[schema(value_type = Option<Address>)]
    pub(crate) client_address: Option<IpAddr>,
    /// The `User-Agent` it is tried with: at most 1024 bytes. Where uses are counted, the same one from the same address goes on with
    /// a download under way.
    #[schema(max_length = 1024)]
    pub(crate) user_agent: Option<String>,
    /// As of when it is tried. What is stored, taken back and used up counts as it is now. Without it: now.
    #[schema(value_type = Option<schemas::Instant>)]
    pub(crate) at: Option<jiff::Timestamp>,
}

schema!(
    /// A signed URL.
    pub(crate) SignedUrlText = String {
        examples: ["https://files.example.org/o/reports/q3.pdf?cat=2D3RhEOhAQWhBEVhcHAtMV"], max_length: Some(16384),
        pattern: Some(r"^(https?://[a-z0-9.-]+)?/[^#]*$")
    }
);
schema!(
    /// A method of signed URLs.
    pub(crate) TriedMethod = String { enum_values: Some(["GET", "HEAD", "PUT"]) }
);
/// An address.
pub(crate) enum Address {}

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let one_of = AnyOfBuilder::new()
            .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Ipv4))))
            .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Ipv6))));
        one_of.description(Some("An address.")).examples(["192.0.2.7", "2001:db8::7"]).into()
    }
}

impl ToSchema for Address {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("native.Address")
    }
}

/// What redeeming a URL would come to.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Explanation)]
pub(crate) struct ExplanationBody {
    /// Whether it would work.
    pub(crate) works: bool,
    /// The code of the first check that fails; `null` if it would work. `invalid_signature` for all that is no URL of the caller's:
    /// that cannot be read, that was changed, that nobody knows, or that is another tenant's.
    #[schema(required)]
    pub(crate) refusal: Option<&'static str>,
    /// What that check found.
    #[schema(required)]
    pub(crate) detail: Option<String>,
    /// What would mend it.
    #[schema(required)]
    pub(crate) mend: Option<&'static str>,
    /// Whether the URL begins with one that this server gives out. What else it begins with plays no part in what it permits.
    pub(crate) own_host: bool,
    /// As what request it was tried.
    #[schema(required)]
    pub(crate) tried_as: Option<TriedBody>,
    /// Every check, in its order.
    pub(crate) checks: Vec<CheckBody>,
    /// What the URL is for; of a token with a wrong signature, what it says.
    #[schema(required)]
    pub(crate) facts: Option<FactsBody>,
}

/// A request that was only thought of.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Tried)]
pub(crate) struct TriedBody {
    /// Its method.
    pub(crate) method: &'static str,
    /// The client's address.
    #[schema(value_type = String)]
    pub(crate) client_address: IpAddr,
    /// Its instant.
    #[schema(value_type = schemas::Instant)]
    pub(crate) at: String,
}

/// A check.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Check)]
pub(crate) struct CheckBody {
    /// The code of the refusal that it can lead to.
    pub(crate) check: &'static str,
    /// What became of it.
    pub(crate) outcome: OutcomeBody,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = native::Outcome)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeBody {
    Passed,
    Failed,
    NotReached,
}

/// How a URL carries its permission: in a token, by a link secret, or not at all, where it is for what is public.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = native::UrlForm)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UrlFormBody {
    Token,
    Link,
    Public,
}

/// What a URL is for.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Facts)]
pub(crate) struct FactsBody {
    /// How it carries its permission.
    pub(crate) form: UrlFormBody,
    /// The API that it was issued by.
    #[schema(value_type = String)]
    pub(crate) dialect: Dialect,
    /// Its public handle.
    #[schema(value_type = Option<schemas::LinkId>, required)]
    pub(crate) link_id: Option<LinkId>,
    /// The bucket.
    #[schema(value_type = Option<schemas::BucketName>, required)]
    pub(crate) bucket: Option<BucketName>,
    /// The object.
    #[schema(value_type = Option<schemas::ObjectKey>, required)]
    pub(crate) key: Option<ObjectKey>,
    /// The path that a token is for; for a prefix it ends in `*`.
    #[schema(required)]
    pub(crate) path: Option<String>,
    /// To download, to upload, or both.
    #[schema(value_type = String)]
    pub(crate) permission: Permission,
    /// When it was issued.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) issued_at: Option<String>,
    /// From when on it works.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) not_before_at: Option<String>,
    /// Until when it works.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) expires_at: Option<String>,
    /// How often it works; `null` is without limit.
    #[schema(value_type = Option<u64>, required)]
    pub(crate) uses: Option<NonZeroU32>,
    /// How many uses are spent.
    #[schema(required)]
    pub(crate) uses_spent: Option<u32>,
    /// How many uses are held by downloads under way.
    #[schema(required)]
    pub(crate) uses_held: Option<u32>,
    /// How many uses are neither.
    #[schema(required)]
    pub(crate) uses_left: Option<u32>,
    /// The only client addresses it works from; none is any.
    #[schema(value_type = Vec<schemas::Network>)]
    pub(crate) addresses: Vec<Network>,
    /// The API key that issued it.
    #[schema(value_type = Option<String>, required)]
    pub(crate) issuer: Option<ApiKeyId>,
    /// The `kid` of the key that a token says it was signed with.
    #[schema(value_type = Option<String>, required)]
    pub(crate) signing_key: Option<SigningKeyId>,
    /// The label.
    #[schema(required)]
    pub(crate) label: Option<String>,
    /// Whether it is for the bytes that the object had then, and no others.
    pub(crate) pin: bool,
}
