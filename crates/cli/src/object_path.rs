//! Objects as the user writes them: `BUCKET/OBJECT KEY`. Nothing typed is ever decoded; everything is encoded for the URL.

use std::fmt;
use std::str::FromStr;
use valetkey_http_common::path::{encode_key, encode_segment};
use valetkey_model::{BucketName, ObjectKey};

/// One object: the bucket is what stands before the first `/`, the object key everything after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
}

impl ObjectPath {
    /// Where the native API has the object, beneath the server's URL.
    pub(crate) fn api_path(&self) -> String {
        format!("/vk/v1/buckets/{}/objects/{}", encode_segment(self.bucket.as_str()), encode_key(self.key.as_str()))
    }
}

impl FromStr for ObjectPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bucket, key) = text.split_once('/').ok_or("expected `BUCKET/OBJECT KEY`, found no `/`")?;
        let bucket = bucket.parse::<BucketName>().map_err(|error| error.to_string())?;
        if key.is_empty() {
            return Err("expected `BUCKET/OBJECT KEY`, found no object key after the `/`".to_owned());
        }
        Ok(Self { bucket, key: key.parse::<ObjectKey>().map_err(|error| error.to_string())? })
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// Objects of one bucket whose keys begin alike: `BUCKET`, `BUCKET/` or `BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrefixPath {
    pub(crate) bucket: BucketName,
    pub(crate) prefix: String,
}

impl PrefixPath {
    /// The object that a file of this name becomes here.
    ///
    /// # Errors
    ///
    /// What was expected, if the prefix and the name make no object key.
    pub(crate) fn join(&self, name: &str) -> Result<ObjectPath, String> {
        let key = format!("{}{name}", self.prefix).parse::<ObjectKey>().map_err(|error| error.to_string())?;
        Ok(ObjectPath { bucket: self.bucket.clone(), key })
    }
}

impl FromStr for PrefixPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let bucket = bucket.parse::<BucketName>().map_err(|error| error.to_string())?;
        Ok(Self { bucket, prefix: prefix.to_owned() })
    }
}

impl fmt::Display for PrefixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_is_decoded_and_everything_is_encoded() {
        let check = |text: &str, key: &str, encoded: &str| {
            let path: ObjectPath = text.parse().unwrap();
            assert_eq!((path.bucket.as_str(), path.key.as_str()), ("reports", key));
            assert_eq!(path.api_path(), format!("/vk/v1/buckets/reports/objects/{encoded}"));
            assert_eq!(path.to_string(), text);
        };
        check("reports/q3.pdf", "q3.pdf", "q3.pdf");
        check("reports/2024/q3 final.pdf", "2024/q3 final.pdf", "2024/q3%20final.pdf");
        check("reports/100%25", "100%25", "100%2525");
        check("reports/a+b?c#d&e", "a+b?c#d&e", "a%2Bb%3Fc%23d%26e");
        check("reports/\"it's\"", "\"it's\"", "%22it%27s%22");
        check("reports/تقرير 😀", "تقرير 😀", "%D8%AA%D9%82%D8%B1%D9%8A%D8%B1%20%F0%9F%98%80");
        check("reports/../x", "../x", "../x");
    }

    #[test]
    fn paths_refused() {
        for text in ["", "reports", "reports/", "/q3.pdf", "Reports/q3.pdf", "ab/c", "https://host/o", "reports/a\0b"] {
            assert!(text.parse::<ObjectPath>().is_err(), "{text:?}");
        }
        assert!(format!("reports/{}", "x".repeat(1025)).parse::<ObjectPath>().is_err());
    }

    #[test]
    fn prefixes() {
        let check = |text: &str, prefix: &str| {
            let path: PrefixPath = text.parse().unwrap();
            assert_eq!((path.bucket.as_str(), path.prefix.as_str()), ("reports", prefix), "{text}");
        };
        check("reports", "");
        check("reports/", "");
        check("reports/2024/", "2024/");
        check("reports/q", "q");
        assert_eq!("reports/2024/".parse::<PrefixPath>().unwrap().join("a.pdf").unwrap().to_string(), "reports/2024/a.pdf");
    }
}
