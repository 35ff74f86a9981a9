//! The JSON of API keys and signing keys.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::{json, schema};
use valetkey_model::{ApiKeyId, BucketName, Permission, Scopes, SecretText, SigningKeyId};
use valetkey_service::SigningKeyState;

schema!(
    /// The id of an API key, which is its `client_id` in token exchanges: 1 to 128 letters, digits, `-`, `_` or `.`.
    pub(crate) ApiKeyIdText = String { examples: ["backend"], pattern: Some("^[-_.A-Za-z0-9]{1,128}$") }
);
schema!(
    /// The id of an API key to be made. `server` is nobody's.
    pub(crate) NewApiKeyId = String { examples: ["backend"], pattern: Some("^(?!server$)[-_.A-Za-z0-9]{1,128}$") }
);
schema!(
    /// The id of a signing key, which is the `kid` of its tokens: 1 to 64 letters, digits, `-`, `_` or `.`.
    pub(crate) Kid = String { examples: ["app-1"], pattern: Some("^[-_.A-Za-z0-9]{1,64}$") }
);
schema!(
    /// In whose name a signing key signs: `server`, or the id of an API key.
    pub(crate) Owner = String { examples: ["backend"], pattern: Some("^[-_.A-Za-z0-9]{1,128}$") }
);
schema!(
    /// One thing an API key may do.
    pub(crate) ScopeWord = String {
        enum_values: Some([
            "bucket:create", "bucket:read", "bucket:delete", "object:read", "object:write", "object:create", "link:issue",
            "link:revoke", "audit:read", "admin",
        ])
    }
);
schema!(
    /// One thing an API key may do; `*` is all but `admin`.
    pub(crate) ScopeOrStar = String {
        enum_values: Some([
            "*", "bucket:create", "bucket:read", "bucket:delete", "object:read", "object:write", "object:create", "link:issue",
            "link:revoke", "audit:read", "admin",
        ])
    }
);
schema!(
    /// A fixed bearer value: 16 to 512 visible ASCII characters without spaces.
    pub(crate) BearerValue = String { examples: ["a-value-that-clients-have"], pattern: Some(r"^[\u0021-\u007e]{16,512}$") }
);
schema!(
    /// The secret of a signing key: 32 to 1024 bytes in base64url without padding.
    pub(crate) SigningSecret = String { min_length: Some(43), max_length: Some(1366), pattern: Some("^[-_A-Za-z0-9]+$") }
);
schema!(
    /// Up to 400 days, in seconds.
    pub(crate) TokenLifetime = Integer { minimum: Some(1), maximum: Some(34_560_000) }
);
schema!(
    /// Signs and verifies; verifies what it has signed; neither, for good.
    pub(crate) State = String { enum_values: Some(["active", "verify-only", "revoked"]) }
);
schema!(
    /// To download, to upload, or both.
    pub(crate) AnyWay = String { enum_values: Some(["read", "write", "readwrite"]) }
);

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::NewApiKey)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKeyBody {
    /// Its id, which nobody in the installation has or ever had. Without it: a random one.
    #[schema(value_type = Option<NewApiKeyId>)]
    pub(crate) id: Option<ApiKeyId>,
    /// What it may do.
    #[schema(value_type = Vec<ScopeOrStar>, min_items = 1)]
    pub(crate) scopes: Scopes,
    /// The only buckets it may use; none is every bucket of the tenant.
    #[schema(value_type = Vec<schemas::BucketName>, max_items = 1000)]
    #[serde(default)]
    pub(crate) buckets: Vec<BucketName>,
    /// When it stops working by itself; in the future.
    #[schema(value_type = Option<schemas::Instant>)]
    pub(crate) expires_at: Option<jiff::Timestamp>,
    /// A fixed bearer value beside the secret, for clients that have one already.
    #[schema(value_type = Option<BearerValue>)]
    pub(crate) bearer: Option<SecretText>,
}

/// What is to become of an API key; what is not there stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = native::ApiKeyUpdate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyUpdateBody {
    /// What it may do.
    #[schema(value_type = Option<Vec<ScopeOrStar>>, min_items = 1)]
    pub(crate) scopes: Option<Scopes>,
    /// The only buckets it may use; none is every bucket of the tenant.
    #[schema(value_type = Option<Vec<schemas::BucketName>>, max_items = 1000)]
    pub(crate) buckets: Option<Vec<BucketName>>,
    /// When it stops working by itself, in the future; `null` is never.
    #[schema(value_type = Option<schemas::Instant>)]
    #[serde(default, deserialize_with = "given")]
    pub(crate) expires_at: Option<Option<jiff::Timestamp>>,
    /// Whether it is switched off. It can be switched on again.
    pub(crate) disabled: Option<bool>,
}

/// A field that is there, be it `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::ApiKey)]
pub(crate) struct ApiKeyBody {
    /// Its id.
    #[schema(value_type = ApiKeyIdText)]
    pub(crate) id: ApiKeyId,
    /// What it may do.
    #[schema(value_type = Vec<ScopeWord>)]
    pub(crate) scopes: Scopes,
    /// The only buckets it may use; none is every bucket of the tenant.
    #[schema(value_type = Vec<schemas::BucketName>)]
    pub(crate) buckets: Vec<BucketName>,
    /// When it was made.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
    /// When it stops working by itself; `null` is never.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) expires_at: Option<String>,
    /// Since when it is switched off; `null` is not.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) disabled_at: Option<String>,
    /// Whether it has a fixed bearer value beside its secret.
    pub(crate) has_bearer: bool,
}

/// An API key and the secret that was made for it: shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = native::IssuedApiKey)]
pub(crate) struct IssuedApiKeyBody {
    #[serde(flatten)]
    pub(crate) api_key: ApiKeyBody,
    /// The secret, for `Authorization: Bearer` or `X-API-Key`, and for token exchanges beside the id.
    #[schema(pattern = "^vk_[-_A-Za-z0-9]{48}$")]
    pub(crate) secret: String,
}

/// A page of API keys, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::ApiKeys)]
pub(crate) struct ApiKeysBody {
    /// At most `limit` of them.
    pub(crate) api_keys: Vec<ApiKeyBody>,
    /// The `next` of the request for the page after this one; `null` on the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// Nothing: no body, or an empty object.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = native::Nothing)]
#[serde(deny_unknown_fields)]
pub(crate) struct NothingBody {}

/// A signing key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::NewSigningKey)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSigningKeyBody {
    /// Its id, which nobody in the installation has or ever had. Without it: a random one.
    #[schema(value_type = Option<Kid>)]
    pub(crate) kid: Option<SigningKeyId>,
    /// How it signs.
    #[schema(value_type = AlgorithmName)]
    pub(crate) algorithm: String,
    /// In whose name it signs. With `server`, whoever a token names as its issuer is believed to be it: the secret stays here.
    #[schema(value_type = Owner)]
    pub(crate) owner: String,
    /// Its secret. Without it: a random one, which is shown once unless the owner is `server`.
    #[schema(value_type = Option<SigningSecret>)]
    pub(crate) secret: Option<SecretText>,
    /// The longest life of its tokens. Without it: seven days.
    #[schema(value_type = Option<TokenLifetime>)]
    #[serde(default, deserialize_with = "json::integer_if_any")]
    pub(crate) max_lifetime_seconds: Option<u64>,
    /// The only buckets that its tokens may be for. Without it: any of the tenant's.
    #[schema(value_type = Option<Vec<schemas::BucketName>>, min_items = 1, max_items = 1000)]
    pub(crate) buckets: Option<Vec<BucketName>>,
    /// The only beginnings of object keys that its tokens may be for. Without it: any.
    #[schema(value_type = Option<Vec<schemas::PlainPrefix>>, min_items = 1, max_items = 1000)]
    pub(crate) prefixes: Option<Vec<String>>,
    /// The most that its tokens may permit. Without it: everything.
    #[schema(value_type = Option<AnyWay>)]
    pub(crate) permission: Option<Permission>,
}

schema!(
    /// HMAC with SHA-256.
    pub(crate) AlgorithmName = String { enum_values: Some(["HS256"]) }
);

/// The state that a signing key is to be in.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = native::SigningKeyUpdate)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKeyUpdateBody {
    /// From `revoked` there is no way back.
    #[schema(value_type = State)]
    pub(crate) state: SigningKeyState,
}

/// A signing key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::SigningKey)]
pub(crate) struct SigningKeyBody {
    /// Its id.
    #[schema(value_type = Kid)]
    pub(crate) kid: SigningKeyId,
    /// How it signs.
    #[schema(value_type = AlgorithmName)]
    pub(crate) algorithm: String,
    /// In whose name it signs.
    #[schema(value_type = Owner)]
    pub(crate) owner: String,
    /// What it is still good for.
    #[schema(value_type = State)]
    pub(crate) state: SigningKeyState,
    /// The longest life of its tokens.
    #[schema(value_type = TokenLifetime)]
    pub(crate) max_lifetime_seconds: u64,
    /// The only buckets that its tokens may be for; `null` is any of the tenant's.
    #[schema(value_type = Option<Vec<schemas::BucketName>>, required)]
    pub(crate) buckets: Option<Vec<BucketName>>,
    /// The only beginnings of object keys that its tokens may be for; `null` is any.
    #[schema(required)]
    pub(crate) prefixes: Option<Vec<String>>,
    /// The most that its tokens may permit; `null` is everything.
    #[schema(value_type = Option<AnyWay>, required)]
    pub(crate) permission: Option<Permission>,
    /// When it was made.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created_at: String,
}

/// A signing key that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = native::IssuedSigningKey)]
pub(crate) struct IssuedSigningKeyBody {
    #[serde(flatten)]
    pub(crate) signing_key: SigningKeyBody,
    /// Its secret in base64url, if it was made here for an API key: shown once.
    #[schema(required)]
    pub(crate) secret: Option<String>,
}

/// A page of signing keys, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = native::SigningKeys)]
pub(crate) struct SigningKeysBody {
    /// At most `limit` of them.
    pub(crate) signing_keys: Vec<SigningKeyBody>,
    /// The `next` of the request for the page after this one; `null` on the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
}
