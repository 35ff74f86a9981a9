//! The schemas of the words that dialects share: stand-ins for types of `model`, which knows nothing of OpenAPI.
//!
//! Each says what its type's parser takes, as far as a schema can. Tests prove that the parsers take what the patterns allow; the
//! opposite is what `conformance/openapi` is for.

use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, SchemaFormat};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A type that stands for a schema of text, whole numbers or the like: its documentation is the description, and what follows its
/// name are calls of utoipa's `ObjectBuilder`, each with its argument.
///
/// ```
/// valetkey_http_common::schema!(
///     /// How many parts.
///     pub Parts = Integer { minimum: Some(1), maximum: Some(10_000) }
/// );
/// ```
#[macro_export]
macro_rules! schema {
    ($(#[doc = $doc:literal])+ $vis:vis $name:ident = $type:ident { $($rule:ident: $value:expr),* $(,)? }) => {
        $(#[doc = $doc])+
        $vis enum $name {}

        impl $crate::openapi::utoipa::PartialSchema for $name {
            fn schema() -> $crate::openapi::utoipa::openapi::RefOr<$crate::openapi::utoipa::openapi::Schema> {
                use $crate::openapi::utoipa::openapi::{ObjectBuilder, Type};
                let schema = ObjectBuilder::new().schema_type(Type::$type);
                let schema = schema.description(Some($crate::openapi::prose(concat!($($doc, "\n"),+))));
                schema$(.$rule($value))*.into()
            }
        }

        impl $crate::openapi::utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
}

schema!(
    /// A bucket's name, unique in the installation: 3 to 128 lower-case letters, digits, `-`, `_` or `.`; not `...`, not `....`.
    pub BucketName = String { examples: ["reports"], pattern: Some("^[-_.a-z0-9]{3,128}$") }
);
schema!(
    /// An object's key: 1 to 1024 bytes of UTF-8 without NUL.
    pub ObjectKey = String { examples: ["2026/q3.pdf"], min_length: Some(1), max_length: Some(1024), pattern: Some(r"^[^\u0000]+$") }
);
schema!(
    /// An object's key: 1 to 1024 bytes of UTF-8, without empty, `.` or `..` segments and control characters.
    pub PlainObjectKey = String { examples: ["2026/q3.pdf"], min_length: Some(1), max_length: Some(1024), pattern: Some(PLAIN_KEY) }
);
schema!(
    /// The beginning of object keys: whole segments, ending in `/`; no empty, `.` or `..` ones and no control characters.
    pub PlainPrefix = String { examples: ["2026/"], max_length: Some(1024), pattern: Some(PLAIN_PREFIX) }
);
schema!(
    /// The public handle of an issued URL.
    pub LinkId = String { examples: ["lnk_BwcHBwcHBwcHBwcHBwcHBw"], pattern: Some("^lnk_[-_A-Za-z0-9]{21}[AQgw]$") }
);
schema!(
    /// The id of an object from its creation to its deletion: who deletes it and creates it again gets another.
    pub FileId = String { examples: ["BwcHBwcHBwcHBwcHBwcHBw"], pattern: Some("^[-_A-Za-z0-9]{21}[AQgw]$") }
);
schema!(
    /// The same as a number that JavaScript keeps: random, unique in the installation.
    pub FileNumber = Integer { minimum: Some(1), maximum: Some((1_usize << 53) - 1) }
);
schema!(
    /// The same with a checksum in front, as it stands in the paths of raw files.
    pub RawFileId = String {
        examples: ["hrgu-hgj2nk2bf.AAAAAAAAAAAAAAAAAAAAAA"],
        pattern: Some(r"^[0-9a-z]{4}-[0-9a-z]{9}\.[-_A-Za-z0-9]{21}[AQgw]$"),
    }
);
schema!(
    /// Where a bucket is said to be: 1 to 32 letters, digits, `-` or `_`. Chooses the public URL, where the operator has set
    /// one for it.
    pub Region = String { examples: ["EMEA"], pattern: Some("^[-_A-Za-z0-9]{1,32}$") }
);
schema!(
    /// An instant as RFC 3339 has it, in UTC.
    pub Instant = String { examples: ["2026-11-21T12:00:00Z"], format: Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) }
);
schema!(
    /// An entity tag in quotes (RFC 9110 §8.8.3).
    pub ETag = String { examples: ["\"u4pUTsxJP6NfjVpXhVZ2Yg\""], pattern: Some(r#"^"[\u0021\u0023-\u007e]*"$"#) }
);
schema!(
    /// An MD5 in base64.
    pub Md5Base64 = String { examples: ["XUFAKrxLKna5cZ2REBfFkg=="], pattern: Some("^[A-Za-z0-9+/]{21}[AQgw]==$") }
);
schema!(
    /// 64 hexadecimal digits.
    pub Sha256Hex = String { examples: ["2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"], pattern: Some("^[0-9a-f]{64}$") }
);
schema!(
    /// Any text: it plays no part.
    pub Ignored = String { examples: ["any"] }
);
schema!(
    /// Any text: what is of no use is ignored.
    pub AnyText = String { examples: ["text"] }
);
schema!(
    /// Any text without NUL.
    pub Text = String { examples: ["text"], pattern: Some(r"^[^\u0000]*$") }
);
schema!(
    /// A URL.
    pub Url = String { examples: ["https://files.example.org/l/3q2-7wAAQACAAAAAAAAAAA"], format: Some(SchemaFormat::Custom("uri".to_owned())) }
);
schema!(
    /// How long a bucket keeps its objects: until they are deleted, 24 hours from the upload, or 30 days.
    pub Retention = String { enum_values: Some(["persistent", "transient", "temporary"]) }
);
schema!(
    /// Save (`attachment`) or show (`inline`). What could run scripts is shown without running them; unknown types are saved.
    pub Disposition = String { enum_values: Some(["attachment", "inline"]) }
);
schema!(
    /// When every byte was delivered (`completed`), or as soon as the first one is about to be (`started`).
    pub Counting = String { enum_values: Some(["completed", "started"]) }
);
schema!(
    /// Only where there is no object yet (`create`), or either way (`replace`).
    pub PutMode = String { enum_values: Some(["create", "replace"]) }
);
schema!(
    /// Seconds.
    pub Seconds = Integer { minimum: Some(0) }
);
schema!(
    /// Milliseconds since the epoch.
    pub EpochMillis = Integer { minimum: Some(0) }
);
schema!(
    /// Bytes.
    pub Bytes = Integer { minimum: Some(0), maximum: Some(u64::MAX as usize) }
);

/// Segments that are neither empty nor `.` nor `..`, without control characters.
const PLAIN_KEY: &str = concat!(
    r"^([^/\u0000-\u001f\u007f-\u009f]*[^./\u0000-\u001f\u007f-\u009f][^/\u0000-\u001f\u007f-\u009f]*|\.{3,})",
    r"(/([^/\u0000-\u001f\u007f-\u009f]*[^./\u0000-\u001f\u007f-\u009f][^/\u0000-\u001f\u007f-\u009f]*|\.{3,}))*$"
);
const PLAIN_PREFIX: &str =
    r"^(([^/\u0000-\u001f\u007f-\u009f]*[^./\u0000-\u001f\u007f-\u009f][^/\u0000-\u001f\u007f-\u009f]*|\.{3,})/)+$";
/// An IPv4 address, or a block of them.
const IPV4: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"(/(3[0-2]|[12]?[0-9]))?$"
);
/// An IPv6 address, or a block of them, in some spellings; others are of the format `ipv6`.
const IPV6_BLOCK: &str =
    concat!(r"^(([0-9A-Fa-f]{1,4}:){1,6}:|([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4})", r"(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$");

/// An address or a CIDR block.
pub enum Network {}

impl PartialSchema for Network {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let one_of = AnyOfBuilder::new()
            .item(text().pattern(Some(IPV4)))
            .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Ipv6))))
            .item(text().pattern(Some(IPV6_BLOCK)));
        let description = "An address, or a CIDR block. IPv4 mapped into IPv6 is IPv4.";
        one_of.description(Some(description)).examples(["192.0.2.0/24", "2001:db8::/32"]).into()
    }
}

impl ToSchema for Network {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Network")
    }
}

/// What went wrong (RFC 9457).
pub enum Problem {}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
        let fields = ["type", "title", "status", "code"];
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("What went wrong (RFC 9457). Some codes have members of their own besides."))
            .property("type", text("`urn:valetkey:problem:` and the code.").pattern(Some("^urn:valetkey:problem:[a-z_]+$")))
            .property("title", text("What it is, the same for all with this code."))
            .property("status", status.description(Some("The status of the answer.")))
            .property("detail", text("What happened in this case."))
            .property("code", text("The stable code, for programs.").pattern(Some("^[a-z_]+$")))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        fields.into_iter().fold(object, ObjectBuilder::required).into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use valetkey_model as model;

    fn pattern_of<T: PartialSchema>() -> String {
        match T::schema() {
            RefOr::T(Schema::Object(object)) => object.pattern.unwrap(),
            _ => panic!("not text"),
        }
    }

    /// Texts that a pattern allows.
    fn like(pattern: &str) -> impl Strategy<Value = String> {
        let inner = pattern.strip_prefix('^').and_then(|pattern| pattern.strip_suffix('$')).unwrap();
        string_regex(inner).unwrap()
    }

    #[test]
    fn examples_are_like_their_patterns() {
        fn check<T: PartialSchema>(parses: impl Fn(&str) -> bool) {
            let RefOr::T(Schema::Object(object)) = T::schema() else { panic!("not text") };
            let example = object.examples[0].as_str().unwrap();
            assert!(parses(example), "{example}");
        }
        check::<BucketName>(|text| text.parse::<model::BucketName>().is_ok());
        check::<ObjectKey>(|text| text.parse::<model::ObjectKey>().is_ok());
        check::<PlainObjectKey>(|text| text.parse::<model::ObjectKey>().is_ok_and(|key| key.is_plain_path()));
        check::<LinkId>(|text| text.parse::<model::LinkId>().is_ok());
        check::<FileId>(|text| text.parse::<model::FileId>().is_ok());
        check::<Region>(|text| text.parse::<model::Region>().is_ok());
    }

    #[test]
    fn words_are_those_of_the_types() {
        fn check<T: PartialSchema, U: serde::de::DeserializeOwned>() {
            let RefOr::T(Schema::Object(object)) = T::schema() else { panic!("not text") };
            for word in object.enum_values.unwrap() {
                assert!(serde_json::from_value::<U>(word.clone()).is_ok(), "{word}");
            }
        }
        check::<Retention, model::Retention>();
        check::<Disposition, model::Disposition>();
        check::<PutMode, model::PutMode>();
        check::<Counting, model::Counting>();
    }

    proptest! {
        #[test]
        fn what_the_patterns_allow_is_taken(
            bucket in like(&pattern_of::<BucketName>()),
            key in like(&pattern_of::<ObjectKey>()),
            plain in like(&pattern_of::<PlainObjectKey>()),
            prefix in like(&pattern_of::<PlainPrefix>()),
            link_id in like(&pattern_of::<LinkId>()),
            file_id in like(&pattern_of::<FileId>()),
            region in like(&pattern_of::<Region>()),
            v4 in like(IPV4),
            v6 in like(IPV6_BLOCK),
        ) {
            // Which no pattern without looking ahead can leave out.
            prop_assert!(bucket == "..." || bucket == "...." || bucket.parse::<model::BucketName>().is_ok(), "{bucket}");
            let fits = |text: &str| text.len() <= 1024;
            prop_assert!(!fits(&key) || key.parse::<model::ObjectKey>().is_ok(), "{key:?}");
            prop_assert!(!fits(&plain) || plain.parse::<model::ObjectKey>().is_ok_and(|key| key.is_plain_path()), "{plain:?}");
            let folder = prefix.strip_suffix('/').unwrap();
            prop_assert!(!fits(folder) || folder.parse::<model::ObjectKey>().is_ok_and(|key| key.is_plain_path()), "{prefix:?}");
            prop_assert!(link_id.parse::<model::LinkId>().is_ok(), "{link_id}");
            prop_assert!(file_id.parse::<model::FileId>().is_ok(), "{file_id}");
            prop_assert!(region.parse::<model::Region>().is_ok(), "{region}");
            prop_assert!(v4.parse::<model::Network>().is_ok(), "{v4}");
            prop_assert!(v6.parse::<model::Network>().is_ok(), "{v6}");
        }
    }
}
