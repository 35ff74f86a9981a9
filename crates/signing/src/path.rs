//! The canonical path of an object, and the object of a path.
//!
//! A raw path is decoded once. The decoded key is the only thing that names the object, and the canonical path made from it is
//! the only thing compared with what was granted: no second parser can see another path.

use valetkey_model::{BucketName, ObjectKey, Refusal, sabotaged};

/// What stands between the base path and the bucket.
const OBJECTS: &str = "/o/";

/// The path that names an object: `{base_path}/o/{bucket}/{key}`. Of the key's UTF-8, unreserved characters ([RFC 3986 §2.3])
/// and `/` are kept; every other byte is `%XX` in upper case.
///
/// `base_path` is the path of the public URL, in canonical form itself; a `/` at its end plays no part.
///
/// [RFC 3986 §2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-2.3
pub fn canonical_object_path(base_path: &str, bucket: &BucketName, key: &ObjectKey) -> String {
    canonical_path_and_key_start(base_path, bucket, key).0
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
    parse(base_path, raw_path).ok_or(Refusal::WrongPath)
}

fn parse(base_path: &str, raw_path: &str) -> Option<(BucketName, ObjectKey)> {
    let below = raw_path.strip_prefix(base_path.trim_end_matches('/'))?.strip_prefix(OBJECTS)?;
    let (bucket, key) = below.split_once('/')?;
    let bucket = decode(bucket)?.parse().ok()?;
    let key = decode(key)?;
    let key: ObjectKey = if sabotaged("path-decoded-twice") { decode(&key)? } else { key }.parse().ok()?;
    key.is_plain_path().then_some((bucket, key))
}

fn decode(raw: &str) -> Option<String> {
    // Nearly always: every byte stands for itself.
    if raw.bytes().all(is_kept) {
        return Some(raw.to_owned());
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
    String::from_utf8(decoded).ok()
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
