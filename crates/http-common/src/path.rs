//! Request paths: split first, then percent-decoded once, segment by segment, so that `%2F` stays within its segment.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// Everything but the unreserved characters of [RFC 3986 §2.3](https://www.rfc-editor.org/rfc/rfc3986.html#section-2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const KEY: &AsciiSet = &SEGMENT.remove(b'/');

/// Percent-encoded text that does not stand for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// `%` without two hexadecimal digits.
    #[error("`%` is not followed by two hexadecimal digits")]
    BadEscape,
    /// A NUL, escaped or not.
    #[error("the text holds a NUL")]
    Nul,
    /// The bytes are not UTF-8.
    #[error("the decoded bytes are not UTF-8")]
    NotUtf8,
}

/// The path with its leading slashes made one; all others stay. A published client sends `//oss/…`.
pub fn collapse_leading_slashes(raw_path: &str) -> &str {
    let n_extra = raw_path.bytes().take_while(|byte| *byte == b'/').count().saturating_sub(1);
    raw_path.get(n_extra..).unwrap_or(raw_path)
}

/// The raw segments of a path, its leading slashes collapsed: `/a//b%2Fc/` has `a`, ``, `b%2Fc` and ``.
pub fn segments(raw_path: &str) -> std::str::Split<'_, char> {
    let path = collapse_leading_slashes(raw_path);
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Decodes each escape once; `+` stays.
///
/// # Errors
///
/// As [`DecodeError`] says.
pub fn decode(raw: &str) -> Result<Cow<'_, str>, DecodeError> {
    // Nearly always: nothing is encoded, and nothing needs to be looked at byte by byte.
    if !raw.as_bytes().contains(&b'%') && !raw.as_bytes().contains(&0) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = (bytes.next(), bytes.next());
                if !matches!(digits, (Some(first), Some(second)) if first.is_ascii_hexdigit() && second.is_ascii_hexdigit()) {
                    return Err(DecodeError::BadEscape);
                }
                if digits == (Some(b'0'), Some(b'0')) {
                    return Err(DecodeError::Nul);
                }
            }
            0 => return Err(DecodeError::Nul),
            _ => {}
        }
    }
    percent_decode_str(raw).decode_utf8().map_err(|_| DecodeError::NotUtf8)
}

/// One path segment, or one query name or value: all but unreserved characters escaped, in upper-case hexadecimal.
pub fn encode_segment(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, SEGMENT).into()
}

/// An object key as a path: as [`encode_segment`], but `/` stays. This is the canonical path that tokens are signed for.
pub fn encode_key(key: &str) -> Cow<'_, str> {
    utf8_percent_encode(key, KEY).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leading_slashes() {
        let check = |path: &str, expected: &str| assert_eq!(collapse_leading_slashes(path), expected);
        check("//oss/v2//x/", "/oss/v2//x/");
        check("/////", "/");
        check("/", "/");
        check("a//b", "a//b");
        check("", "");
    }

    #[test]
    fn splits_before_decoding() {
        let check = |path: &str, expected: &[&str]| assert_eq!(segments(path).collect::<Vec<_>>(), expected, "{path}");
        check("//a//b%2Fc/", &["a", "", "b%2Fc", ""]);
        check("/", &[""]);
        check("", &[""]);
        check("/o/b/../c", &["o", "b", "..", "c"]);
    }

    #[test]
    fn decodes_once() {
        let check = |raw: &str, expected: Result<&str, DecodeError>| {
            assert_eq!(decode(raw), expected.map(Cow::Borrowed), "{raw:?}");
        };
        check("a%20b+c", Ok("a b+c"));
        check("%252F", Ok("%2F"));
        check("%d8%AA", Ok("ت"));
        check("ت", Ok("ت"));
        for raw in ["%", "%2", "a%zz", "%+1", "%%20", "%2\u{661}"] {
            check(raw, Err(DecodeError::BadEscape));
        }
        check("a%00", Err(DecodeError::Nul));
        check("a\0", Err(DecodeError::Nul));
        check("%ff", Err(DecodeError::NotUtf8));
        check("%c0%af", Err(DecodeError::NotUtf8));
        check("%ed%a0%80", Err(DecodeError::NotUtf8));
    }

    #[test]
    fn encodes_canonically() {
        assert_eq!(encode_segment("a b/c+é~-._%"), "a%20b%2Fc%2B%C3%A9~-._%25");
        assert_eq!(encode_key("a b/c+é"), "a%20b/c%2B%C3%A9");
        assert!(matches!(encode_key("reports/q3.pdf"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text in "[^\0]*") {
            let (segment, key) = (encode_segment(&text), encode_key(&text));
            prop_assert_eq!(decode(&segment).unwrap(), text.as_str());
            prop_assert_eq!(decode(&key).unwrap(), text.as_str());
            prop_assert!(!segment.contains('/') && segment.is_ascii());
            prop_assert_eq!(segments(&segment).count(), 1);
        }

        #[test]
        fn any_text_is_read(raw in ".*|[%0-9a-fA-F/+]{0,20}") {
            if let Ok(decoded) = decode(&raw) {
                prop_assert!(!decoded.contains('\0'));
            }
            prop_assert!(!collapse_leading_slashes(&raw).starts_with("//"));
        }
    }
}
