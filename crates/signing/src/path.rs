//! The canonical path of an object or file, and what a path names.
//!
//! A raw path is decoded once. The decoded key is the only thing that names the object, and the canonical path made from it is
//! the only thing compared with what was granted: no second parser can see another path.

use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use valetkey_model::{BucketName, FileId, ObjectKey, Refusal, sabotaged};

/// What stands between the base path and the bucket.
const OBJECTS: &str = "/o/";
/// What stands between the base path and a raw file id.
pub(crate) const RAW_FILES: &str = "/api/v1/rawFiles/";

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `{base_path}/o/{bucket}/{key}`
    Object {
        /// The bucket.
        bucket: BucketName,
        /// The object's key, decoded once.
        key: ObjectKey,
    },
    /// `{base_path}/api/v1/rawFiles/{raw file id}`
    File(FileId),
}

/// The path that names an object: `{base_path}/o/{bucket}/{key}`. Of the key's UTF-8, unreserved characters ([RFC 3986 §2.3])
/// and `/` are kept; every other byte is `%XX` in upper case.
///
/// `base_path` is the path of the public URL, in canonical form itself; a `/` at its end plays no part.
///
/// [RFC 3986 §2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-2.3
pub fn canonical_object_path(base_path: &str, bucket: &BucketName, key: &ObjectKey) -> String {
    canonical_path_and_key_start(base_path, bucket, key).0
}

/// Whether `path` is the [`canonical_object_path`] of this object.
pub(crate) fn is_canonical_path_of(path: &str, base_path: &str, bucket: &BucketName, key: &ObjectKey) -> bool {
    let below = path.strip_prefix(base_path.trim_end_matches('/')).and_then(|path| path.strip_prefix(OBJECTS));
    let Some(encoded) = below.and_then(|path| path.strip_prefix(bucket.as_str())?.strip_prefix('/')) else { return false };
    // Nearly always: the key is its own encoding.
    if key.as_str().bytes().all(is_kept) {
        return encoded == key.as_str();
    }
    let mut canonical = String::with_capacity(encoded.len());
    encode_into(key.as_str(), &mut canonical);
    encoded == canonical
}

/// The canonical path, and where in it the object key begins.
pub(crate) fn canonical_path_and_key_start(base_path: &str, bucket: &BucketName, key: &ObjectKey) -> (String, usize) {
    let base_path = base_path.trim_end_matches('/');
    let (bucket, key) = (bucket.as_str(), key.as_str());
    let mut path = String::with_capacity(base_path.len() + OBJECTS.len() + bucket.len() + 1 + key.len() + 32);
    path.push_str(base_path);
    path.push_str(OBJECTS);
    path.push_str(bucket);
    path.push('/');
    let key_start = path.len();
    encode_into(key, &mut path);
    (path, key_start)
}

/// The path that names a file by its id: `{base_path}/api/v1/rawFiles/{raw file id}`. Every character of the id is unreserved.
pub fn canonical_file_path(base_path: &str, file: FileId) -> String {
    [base_path.trim_end_matches('/'), RAW_FILES, &raw_file_id(file)].concat()
}

/// A file id as it stands in paths: 4 `-` 9 lower-case base-36 digits of its SHA-256 (as a big-endian number, modulo 36¹³), `.`,
/// and the id in base64url. The digits tell a mistyped id from one that is not there.
pub fn raw_file_id(file: FileId) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const MODULUS: u128 = 36_u128.pow(13);
    let digest = Sha256::digest(file.as_bytes());
    let mut rest = digest.iter().fold(0, |rest, byte| (rest << 8 | u128::from(*byte)) % MODULUS);
    let mut digits = ['0'; 13];
    for digit in digits.iter_mut().rev() {
        // A remainder of 36 is below 36.
        *digit = char::from(DIGITS[usize::try_from(rest % 36).unwrap_or_default()]);
        rest /= 36;
    }
    let (front, back) = digits.split_at(4);
    format!("{}-{}.{file}", front.iter().collect::<String>(), back.iter().collect::<String>())
}

/// The file of this raw file id, if it is one: its digits must be those of its id.
pub fn parse_raw_file_id(text: &str) -> Option<FileId> {
    let file: FileId = text.split_once('.')?.1.parse().ok()?;
    (raw_file_id(file) == text).then_some(file)
}

/// Percent-encodes everything but unreserved characters and `/`.
pub(crate) fn encode_into(key: &str, path: &mut String) {
    const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in key.bytes() {
        if is_kept(byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            // Four bits are always below sixteen.
            path.push(char::from(UPPER_HEX[usize::from(byte >> 4)]));
            path.push(char::from(UPPER_HEX[usize::from(byte & 15)]));
        }
    }
}

fn is_kept(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/')
}

/// The bucket and object key that a request's raw path (without its query) names. The path is decoded exactly once: `%2F` in a
/// key is `/`, `%252e` is the three characters `%2e`, `+` is `+`.
///
/// # Errors
///
/// [`Refusal::WrongPath`] if the path is not below `{base_path}/o/{bucket}/`, has a broken `%` escape, is not UTF-8 once
/// decoded, holds a character that no path holds unencoded (`\`, `?`, `#`, a space or a control character), or names a key
/// with an empty, `.` or `..` segment, NUL or another control character.
pub fn decode_object_path(base_path: &str, raw_path: &str) -> Result<(BucketName, ObjectKey), Refusal> {
    match decode_path(base_path, raw_path)? {
        Resource::Object { bucket, key } => Ok((bucket, key)),
        Resource::File(_) => Err(Refusal::WrongPath),
    }
}

/// What a request's raw path names, by either form: as [`decode_object_path`], or a file whose raw id is right.
///
/// # Errors
///
/// [`Refusal::WrongPath`] as there.
pub fn decode_path(base_path: &str, raw_path: &str) -> Result<Resource, Refusal> {
    let parse = || {
        let below = raw_path.strip_prefix(base_path.trim_end_matches('/'))?;
        match below.strip_prefix(OBJECTS) {
            Some(object) => parse_object(object).map(|(bucket, key)| Resource::Object { bucket, key }),
            None => parse_raw_file_id(&decode(below.strip_prefix(RAW_FILES)?)?).map(Resource::File),
        }
    };
    parse().ok_or(Refusal::WrongPath)
}

fn parse_object(below: &str) -> Option<(BucketName, ObjectKey)> {
    let (bucket, key) = below.split_once('/')?;
    let bucket = decode(bucket)?.parse().ok()?;
    let key = decode(key)?;
    let key: ObjectKey = if sabotaged("path-decoded-twice") { decode(&key)?.parse() } else { key.parse() }.ok()?;
    key.is_plain_path().then_some((bucket, key))
}

fn decode(raw: &str) -> Option<Cow<'_, str>> {
    // Nearly always: every byte stands for itself.
    if raw.bytes().all(is_kept) {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk()?;
                rest = after;
                hex_digit(high)? << 4 | hex_digit(low)?
            }
            b'\\' | b'?' | b'#' | b' ' => return None,
            byte if byte.is_ascii_control() => return None,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether `path` could be a canonical path: what [`encode_into`] would write for what it decodes to, without empty, `.` or
/// `..` segments.
pub(crate) fn is_canonical(path: &str) -> bool {
    let Some(plain) = path.strip_prefix('/').and_then(decode) else { return false };
    let mut encoded = String::with_capacity(path.len());
    encoded.push('/');
    encode_into(&plain, &mut encoded);
    encoded == path && plain.split('/').all(|segment| !matches!(segment, "" | "." | "..")) && !plain.contains(char::is_control)
}

/// What follows `{base_path}/o/` in a granted path: the bucket, and the canonical form of the key or its prefix.
pub(crate) fn granted_bucket_and_key<'a>(base_path: &str, granted: &'a str) -> Option<(&'a str, &'a str)> {
    granted.strip_prefix(base_path.trim_end_matches('/'))?.strip_prefix(OBJECTS)?.split_once('/')
}

/// The beginning of object keys that a granted [prefix](crate::PathRule::Prefix) stands for, decoded; empty for a whole bucket,
/// `None` for what is not below `{base_path}/o/`.
pub fn granted_prefix(base_path: &str, granted: &str) -> Option<String> {
    granted_bucket_and_key(base_path, granted).and_then(|(_, prefix)| decode(prefix)).map(Cow::into_owned)
}

/// The bucket that a granted path is in, whether or not there can be one of this name; `None` for what is not below `{base_path}/o/`.
pub fn granted_bucket<'a>(base_path: &str, granted: &'a str) -> Option<&'a str> {
    granted_bucket_and_key(base_path, granted).map(|(bucket, _)| bucket)
}

/// Whether a granted path is, or begins, that of files.
pub(crate) fn names_files(base_path: &str, granted: &str) -> bool {
    granted.strip_prefix(base_path.trim_end_matches('/')).is_some_and(|below| below.starts_with(RAW_FILES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_granted_prefix_stands_for() {
        let check = |granted: &str, expected: Option<&str>| {
            assert_eq!(granted_prefix("/base", granted).as_deref(), expected, "{granted}");
        };
        check("/base/o/reports/", Some(""));
        check("/base/o/reports/a%20b/%C3%BC/", Some("a b/ü/"));
        check("/base/o/reports", None);
        check("/o/reports/a/", None);
        check("/base/api/v1/rawFiles/", None);
    }

    #[test]
    fn a_raw_file_id_and_back() {
        let file = FileId::from_bytes([0; 16]);
        let raw = raw_file_id(file);
        assert_eq!(raw, "hrgu-hgj2nk2bf.AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(raw_file_id(FileId::from_bytes(*b"0123456789abcdef")), "hkvn-alu474w4f.MDEyMzQ1Njc4OWFiY2RlZg");
        let digits: String = raw.chars().take(14).collect();
        assert_eq!(parse_raw_file_id(&raw), Some(file));
        let wrong = [
            String::new(),
            ".".to_owned(),
            file.to_string(),
            format!(".{file}"),
            raw.to_uppercase(),
            format!("{raw}="),
            format!("{raw} "),
            format!("{raw}/"),
            raw.replace('-', ""),
            format!("0000-000000000.{file}"),
            format!("{digits}.AAAAAAAAAAAAAAAAAAAAAB"),
            format!("{digits}.{}", FileId::from_bytes([1; 16])),
        ];
        for text in wrong {
            assert_eq!(parse_raw_file_id(&text), None, "{text}");
        }
    }
}
