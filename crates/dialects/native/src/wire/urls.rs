//! The JSON of URLs that were issued, and of taking them back.

use super::keys::{ApiKeyIdText, Kid};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;
use valetkey_http_common::schema;
use valetkey_model::{ApiKeyId, BucketName, LinkId, ObjectKey, Permission, SigningKeyId};

schema!(
    /// The id of a token, its `cti`: 16 bytes in base64url without padding, or in hexadecimal digits.
    pub(crate) TokenId = String {
        examples: ["BwcHBwcHBwcHBwcHBwcHBw"], pattern: Some("^([-_A-Za-z0-9]{21}[AQgw]|[0-9A-Fa-f]{32})$")
    }
);
schema!(
    /// A label: 1 to 255 bytes without control characters.
    pub(crate) Label = String {
        examples: ["q3-mailing"], min_length: Some(1), max_length: Some(255),
        pattern: Some("^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    }
);
schema!(
    /// A folder, which ends in `/`; or nothing, which is the whole bucket.
    pub(crate) Folder = String { examples: ["2026/"], max_length: Some(1024), pattern: Some("^([^\\u0000]*/)?$") }
);
schema!(
    /// What becomes of a request with a URL: it works; its time is to come; it is over; it was taken back; its uses are spent. Whether
    /// its object is there, and what its issuer may do now, is another matter.
    pub(crate) SignedUrlState = String { enum_values: Some(["active", "not_yet_valid", "expired", "revoked", "used_up"]) }
);
schema!(
    /// Token or link.
    pub(crate) FormWord = String { enum_values: Some(["token", "link"]) }
);

/// URLs to be taken back, as it is read: of what it names, exactly one thing may be there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationsBody {
    #[serde(default)]
    pub(crate) link_ids: Option<Vec<LinkId>>,
    #[serde(default)]
    pub(crate) token_ids: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) label: Option<String>,
    #[serde(default)]
    pub(crate) bucket: Option<BucketName>,
    #[serde(default)]
    pub(crate) key: Option<ObjectKey>,
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) api_key: Option<ApiKeyId>,
    #[serde(default)]
    pub(crate) signing_key: Option<SigningKeyId>,
    #[serde(default)]
    pub(crate) all: Option<bool>,
    #[serde(default)]
    pub(crate) issued_before: Option<jiff::Timestamp>,
    #[serde(default)]
    pub(crate) cut: bool,
}

/// URLs to be taken back: single ones, or all that have something in common.
#[derive(ToSchema)]
#[schema(as = native::NewRevocations)]
#[serde(untagged)]
#[allow(dead_code, reason = "the schema of a body that is read as all of them")]
pub(crate) enum NewRevocationsBody {
    Links(RevokedLinksBody),
    Tokens(RevokedTokensBody),
    Label(RevokedLabelBody),
    Object(RevokedObjectBody),
    Prefix(RevokedPrefixBody),
    ApiKey(RevokedApiKeyBody),
    SigningKey(RevokedSigningKeyBody),
    All(RevokedAllBody),
}

macro_rules! revoked {
    ($(#[$doc:meta])* $name:ident as $title:ident { $($fields:tt)* }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(as = native::$title)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only its schema is used")]
        pub(crate) struct $name {
            $($fields)*
            /// Whether transfers under way end, too. Otherwise they may finish.
            #[schema(default = false)]
            #[serde(default)]
            cut: bool,
        }
    };
}

macro_rules! revoked_broadly {
    ($(#[$doc:meta])* $name:ident as $title:ident { $($fields:tt)* }) => {
        revoked!(
            $(#[$doc])* $name as $title {
                $($fields)*
                /// Only URLs that were issued until this instant, its second included; not in the future. Without it: until now.
                #[schema(value_type = Option<schemas::Instant>)]
                issued_before: Option<String>,
            }
        );
    };
}

revoked!(
    /// Single URLs, all or none.
    RevokedLinksBody as RevokedLinks {
        /// 1 to 1000 handles of URLs. That of a token that the server never saw is taken, too.
        #[schema(value_type = Vec<schemas::LinkId>, min_items = 1, max_items = 1000)]
        link_ids: Vec<LinkId>,
    }
);
revoked!(
    /// Single tokens, all or none.
    RevokedTokensBody as RevokedTokens {
        /// 1 to 1000 ids as they stand in tokens, whether the server ever saw them or not.
        #[schema(value_type = Vec<TokenId>, min_items = 1, max_items = 1000)]
        token_ids: Vec<String>,
    }
);
revoked_broadly!(
    /// All URLs with a label.
    RevokedLabelBody as RevokedLabel {
        /// The label.
        #[schema(value_type = Label)]
        label: String,
    }
);
revoked_broadly!(
    /// All URLs as far as they are used for an object; one for a folder goes on to work for the others.
    RevokedObjectBody as RevokedObject {
        /// The bucket.
        #[schema(value_type = schemas::BucketName)]
        bucket: BucketName,
        /// The object, whether it is there or not.
        #[schema(value_type = schemas::ObjectKey)]
        key: ObjectKey,
    }
);
revoked_broadly!(
    /// All URLs as far as they are used for what is in a folder, or a bucket.
    RevokedPrefixBody as RevokedPrefix {
        /// The bucket.
        #[schema(value_type = schemas::BucketName)]
        bucket: BucketName,
        /// The folder, which ends in `/`; empty for the whole bucket.
        #[schema(value_type = Folder)]
        prefix: String,
    }
);
revoked_broadly!(
    /// All URLs that an API key issued, here or offline. Scope `admin`.
    RevokedApiKeyBody as RevokedApiKey {
        /// The API key.
        #[schema(value_type = ApiKeyIdText)]
        api_key: ApiKeyId,
    }
);
revoked_broadly!(
    /// All URLs that a signing key signed. Scope `admin`.
    RevokedSigningKeyBody as RevokedSigningKey {
        /// The signing key.
        #[schema(value_type = Kid)]
        signing_key: SigningKeyId,
    }
);
revoked_broadly!(
    /// All URLs of the tenant. Scope `admin`.
    RevokedAllBody as RevokedAll {
        /// Always `true`.
        #[schema(value_type = True)]
        all: bool,
    }
);
schema!(
    /// `true`.
    pub(crate) True = Boolean { enum_values: Some([true]) }
);

/// What was taken back.
#[derive(Serialize, ToSchema)]
#[schema(as = native::Revocations)]
pub(crate) struct RevokedBody {
    /// How many revocations.
    pub(crate) revoked: usize,
    /// Each of them, in the order of the request.
    pub(crate) revocations: Vec<RevocationBody>,
    /// How many transfers under way were ended.
    pub(crate) n_cut: usize,
}

/// A revocation: of one thing.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = native::Revocation)]
pub(crate) struct RevocationBody {
    /// Of the URL with this handle.
    #[schema(value_type = Option<schemas::LinkId>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_id: Option<LinkId>,
    /// Of URLs with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Of URLs for this bucket, and what of it follows.
    #[schema(value_type = Option<schemas::BucketName>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<BucketName>,
    /// The object.
    #[schema(value_type = Option<schemas::ObjectKey>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<ObjectKey>,
    /// The folder; empty is the whole bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    /// Of URLs that this API key issued.
    #[schema(value_type = Option<ApiKeyIdText>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<ApiKeyId>,
    /// Of URLs that this signing key signed.
    #[schema(value_type = Option<Kid>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_key: Option<SigningKeyId>,
    /// Of all URLs.
    #[schema(value_type = Option<True>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) all: Option<bool>,
    /// Up to which instant URLs that were issued are dead, its second included; missing for a single one.
    #[schema(value_type = Option<schemas::Instant>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issued_before: Option<String>,
    /// Since when.
    #[schema(value_type = schemas::Instant)]
    pub(crate) revoked_at: String,
}

/// A URL that was issued, as it is listed: never the URL itself.
#[derive(Serialize, ToSchema)]
#[schema(as = native::ListedSignedUrl)]
pub(crate) struct ListedUrlBody {
    /// Its public handle.
    #[schema(value_type = schemas::LinkId)]
    pub(crate) link_id: LinkId,
    /// What becomes of a request with it.
    #[schema(value_type = SignedUrlState)]
    pub(crate) state: &'static str,
    /// Token or link.
    #[schema(value_type = FormWord)]
    pub(crate) form: &'static str,
    /// To download, or to upload; `readwrite` is both.
    #[schema(value_type = super::keys::AnyWay)]
    pub(crate) permission: Permission,
    /// The bucket it is for.
    #[schema(value_type = schemas::BucketName)]
    pub(crate) bucket: BucketName,
    /// The object it is for; `null` for a folder.
    #[schema(value_type = Option<schemas::ObjectKey>, required)]
    pub(crate) key: Option<ObjectKey>,
    /// The folder it is for; `null` for an object.
    #[schema(required)]
    pub(crate) prefix: Option<String>,
    /// Its label.
    #[schema(required)]
    pub(crate) label: Option<String>,
    /// The API key that issued it.
    #[schema(value_type = Option<ApiKeyIdText>, required)]
    pub(crate) issuer: Option<ApiKeyId>,
    /// The key that signed its token; `null` for a link.
    #[schema(value_type = Option<Kid>, required)]
    pub(crate) signing_key: Option<SigningKeyId>,
    /// How often it works in all; `null` is without limit.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u32, required)]
    pub(crate) uses: Option<NonZeroU32>,
    /// How many uses are not spent; `null` is without limit.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 4_294_967_295_u32, required)]
    pub(crate) uses_left: Option<u32>,
    /// How many requests were answered with bytes, or began to upload, those of the last two seconds perhaps left out.
    #[schema(value_type = schemas::Bytes)]
    pub(crate) n_requests: u64,
    /// When the last of them came; `null` if none did.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) last_used_at: Option<String>,
    /// When it was issued.
    #[schema(value_type = schemas::Instant)]
    pub(crate) issued_at: String,
    /// From when on it works; `null` is at once.
    #[schema(value_type = Option<schemas::Instant>, required)]
    pub(crate) not_before_at: Option<String>,
    /// Until when it works.
    #[schema(value_type = schemas::Instant)]
    pub(crate) expires_at: String,
}

/// A page of URLs: the newest first; those for a bucket, where neither key nor label is asked for, by object key.
#[derive(Serialize, ToSchema)]
#[schema(as = native::ListedSignedUrls)]
pub(crate) struct ListedUrlsBody {
    /// At most `limit` of them.
    pub(crate) signed_urls: Vec<ListedUrlBody>,
    /// The `next` of the request for the page after this one; `null` on the last. A page may be short, even empty, and have one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}
