//! `Content-Disposition`: the file name a browser saves under
//! ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266.html), [RFC 8187](https://www.rfc-editor.org/rfc/rfc8187.html)).

use crate::value;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use valetkey_model::{Disposition, shortened};

/// A file name is at most this many bytes of UTF-8, as file systems have it.
pub const MAX_FILE_NAME_BYTES: usize = 255;

const NAMELESS: &str = "file";

/// Everything but `attr-char` of RFC 8187.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The field for a file name, which is made safe first. `filename*` is there only where `filename` cannot say the name.
pub fn content_disposition(disposition: Disposition, file_name: &str) -> HeaderValue {
    let kind = match disposition {
        Disposition::Attachment => "attachment",
        Disposition::Inline => "inline",
    };
    if is_plain(file_name) {
        return value([kind, "; filename=\"", file_name, "\""].concat());
    }
    let name = safe_file_name(file_name);
    // Quotes and backslashes are escaped by some clients and not unescaped by others; some decode `%41`: RFC 6266, appendix D.
    let fallback: String = name.chars().map(|c| if matches!(c, ' '..='~') && !"\"\\%".contains(c) { c } else { '_' }).collect();
    if fallback == name {
        value(format!("{kind}; filename=\"{fallback}\""))
    } else {
        let extended = utf8_percent_encode(&name, EXTENDED);
        value(format!("{kind}; filename=\"{fallback}\"; filename*=UTF-8''{extended}"))
    }
}

/// The file name as it can be shown and saved: without control, bidirectional and invisible characters, path separators
/// replaced by `_`, no white space around it, at most [`MAX_FILE_NAME_BYTES`] bytes with the extension kept. A name of which
/// nothing is left, or only dots, is `file`.
///
/// The joiners U+200C and U+200D stay: Persian words and emoji need them.
pub fn safe_file_name(file_name: &str) -> String {
    let cleaned: String = file_name
        .chars()
        .filter(|c| !is_deceptive(*c))
        .map(|c| match c {
            '/' | '\\' => '_',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    let name = shortened(cleaned.trim(), MAX_FILE_NAME_BYTES);
    if name.chars().all(|c| c == '.' || c == ' ') { NAMELESS.to_owned() } else { name }
}

/// Whether a character controls or hides others instead of being seen: categories Cc, Zl, Zp and Cf but for the joiners, the
/// fillers, and non-characters.
/// Whether a name needs nothing of what follows here: most are so, and every answer has one.
fn is_plain(file_name: &str) -> bool {
    let starts_well = file_name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    starts_well && file_name.len() <= MAX_FILE_NAME_BYTES && file_name.bytes().all(is_plain)
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890 | 0x891 | 0x8e2 | 0x115f | 0x1160 | 0x17b4 | 0x17b5
            | 0x180b..=0x180f | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfdd0..=0xfdef | 0xfeff
            | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff)
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The file name that a client's field says; `None` if it says none that can be read.
///
/// `filename*` counts before `filename`, the first of either before later ones. What stands before the last slash or backslash
/// is a path of the sender's and dropped; the rest is made safe as by [`safe_file_name`]. `filename` in bytes that are not UTF-8
/// is read as ISO 8859-1.
pub fn file_name(field: &[u8]) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for parameter in Parameters(field) {
        if parameter.name.eq_ignore_ascii_case(b"filename*") {
            extended = extended.or_else(|| extended_value(&parameter.value));
        } else if parameter.name.eq_ignore_ascii_case(b"filename") {
            plain.get_or_insert_with(|| text(parameter.value));
        }
    }
    let name = extended.or(plain)?;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = last.chars().any(|c| !is_deceptive(c) && !c.is_whitespace() && c != '.');
    visible.then(|| safe_file_name(last))
}

/// `charset'language'percent-encoded` in UTF-8 or ISO 8859-1.
fn extended_value(raw: &[u8]) -> Option<String> {
    let mut fields = raw.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, encoded) = (fields.next()?, fields.next()?, fields.next()?);
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    if charset.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(bytes).ok()
    } else {
        charset.eq_ignore_ascii_case(b"iso-8859-1").then(|| latin(&bytes))
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|not_utf8| latin(not_utf8.as_bytes()))
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

struct Parameter<'a> {
    name: &'a [u8],
    value: Vec<u8>,
}

/// The `name=value` parameters of a field, in order; what is none is skipped up to the next semicolon outside quotes.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        while !self.0.is_empty() {
            let name_length = self.0.iter().position(|byte| b"=;\"".contains(byte)).unwrap_or(self.0.len());
            let (name, rest) = self.0.split_at_checked(name_length)?;
            let after = rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start);
            let (value, rest) = match after {
                Some(after) => match after.strip_prefix(b"\"") {
                    Some(quoted) => unquote(quoted),
                    None => until_semicolon(after),
                },
                None => match rest.strip_prefix(b"\"") {
                    Some(quoted) => unquote(quoted),
                    None => (Vec::new(), rest),
                },
            };
            let (_, rest) = until_semicolon(rest);
            self.0 = rest.strip_prefix(b";").unwrap_or(rest);
            if after.is_some() {
                return Some(Parameter { name: name.trim_ascii(), value });
            }
        }
        None
    }
}

fn until_semicolon(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let length = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
    let (value, rest) = bytes.split_at_checked(length).unwrap_or((bytes, b""));
    (value.trim_ascii().to_vec(), rest)
}

/// A quoted string behind its opening quote, and what follows it. Only `\"` and `\\` are escapes: senders of `C:\dir\name` exist.
fn unquote(quoted: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        rest = match rest {
            [] => return (value, rest),
            [b'"', after @ ..] => return (value, after),
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                value.push(*escaped);
                after
            }
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written() {
        let check = |name: &str, expected: &str| {
            assert_eq!(content_disposition(Disposition::Attachment, name), format!("attachment; {expected}"), "{name:?}");
        };
        check("q3.pdf", "filename=\"q3.pdf\"");
        check("a b; c,d='e'.pdf", "filename=\"a b; c,d='e'.pdf\"");
        check("naïve.txt", "filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt");
        check("تقرير 😀.pdf", "filename=\"_____ _.pdf\"; filename*=UTF-8''%D8%AA%D9%82%D8%B1%D9%8A%D8%B1%20%F0%9F%98%80.pdf");
        check("a\"b.txt", "filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt");
        check("100%41.txt", "filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt");
        check("../../etc/passwd", "filename=\".._.._etc_passwd\"");
        check("C:\\x\\y.txt", "filename=\"C:_x_y.txt\"");
        check("a\r\nSet-Cookie: x=1\0.txt", "filename=\"aSet-Cookie: x=1.txt\"");
        check("invoice\u{202e}fdp.exe", "filename=\"invoicefdp.exe\"");
        check("", "filename=\"file\"");
        check(" .. ", "filename=\"file\"");
        check("\u{200b}\u{feff}", "filename=\"file\"");
        assert_eq!(content_disposition(Disposition::Inline, "a.png"), "inline; filename=\"a.png\"");
    }

    #[test]
    fn safe_names() {
        let check = |name: &str, expected: &str| assert_eq!(safe_file_name(name), expected, "{name:?}");
        check("  a\u{a0}b\tc  ", "a bc");
        check(".bashrc", ".bashrc");
        check("می\u{200c}خواهم.txt", "می\u{200c}خواهم.txt");
        check("👩\u{200d}🔬.png", "👩\u{200d}🔬.png");
        check("a\u{2066}b\u{2069}\u{61c}\u{85}\u{2028}\u{e0041}\u{fffe}\u{10ffff}c", "abc");
        check(&"x".repeat(255), &"x".repeat(255));
        check(&format!("{}.pdf", "x".repeat(300)), &format!("{}.pdf", "x".repeat(251)));
        check(&format!("{}.pdf", "é".repeat(300)), &format!("{}.pdf", "é".repeat(125)));
        check(&format!("a.{}", "x".repeat(300)), &format!("a.{}", "x".repeat(253)));
    }

    #[test]
    fn names_as_long_as_file_systems_take() {
        let check = |name: &str, expected: &str| {
            let field = content_disposition(Disposition::Attachment, name);
            assert_eq!(file_name(field.as_bytes()).as_deref(), Some(expected), "{name}");
            assert_eq!(expected.len(), MAX_FILE_NAME_BYTES, "{name}");
        };
        let (arabic, emoji) = ("ت".repeat(125) + ".json", "😀".repeat(62) + "xy.json");
        check(&arabic, &arabic);
        check(&emoji, &emoji);
        check(&format!("ت{arabic}"), &arabic);
        check(&emoji.replace("xy", "xy😀"), &emoji);
    }

    #[test]
    fn read() {
        let check = |field: &str, expected: Option<&str>| assert_eq!(file_name(field.as_bytes()).as_deref(), expected, "{field}");
        check("attachment; filename=\"q3.pdf\"", Some("q3.pdf"));
        check("attachment; filename=q3.pdf", Some("q3.pdf"));
        check("attachment;FileName = \"a b;c.pdf\" ; x=y", Some("a b;c.pdf"));
        check("filename=q3.pdf", Some("q3.pdf"));
        check("attachment; filename=\"a\\\"b\\\\c\"", Some("c"));
        check("attachment; filename=\"a\\\"b\"", Some("a\"b"));
        check("attachment; filename=\"C:\\dir\\n.txt\"", Some("n.txt"));
        check("attachment; filename=\"../../n.txt\"", Some("n.txt"));
        check("attachment; filename=\"n_.txt\"; filename*=UTF-8''n%c3%A9.txt", Some("né.txt"));
        check("attachment; filename*=utf-8'en'n%2Fx.txt; filename=a", Some("x.txt"));
        check("attachment; filename*=ISO-8859-1''n%e9.txt", Some("né.txt"));
        check("attachment; filename=\"né.txt\"", Some("né.txt"));
        check("attachment; filename=a; filename=b", Some("a"));
        check("form-data; name=\"filename=x\"; filename=\"y\"", Some("y"));
        // What cannot be read is left to the plain name.
        check("attachment; filename=a; filename*=UTF-8''%ff", Some("a"));
        check("attachment; filename=a; filename*=koi8-r''b", Some("a"));
        check("attachment; filename=a; filename*=b", Some("a"));
        check("attachment; \"filename=x\"; filename=y", Some("y"));
        for nothing in [
            "",
            "attachment",
            "attachment; filename=",
            "attachment; filename=\"\"",
            "attachment; filename=\"..\"",
            "inline; name=x",
            "attachment; filename=\"a/\"",
        ] {
            check(nothing, None);
        }
        assert_eq!(file_name(b"attachment; filename=\"n\xe9.txt\"").as_deref(), Some("né.txt"));
    }

    fn assert_safe(name: &str) {
        assert!(!name.is_empty() && name.len() <= MAX_FILE_NAME_BYTES && name.trim() == name, "{name:?}");
        assert!(!name.contains(['/', '\\']) && !name.chars().any(is_deceptive) && name != "." && name != "..", "{name:?}");
        assert_eq!(safe_file_name(name), name);
    }

    proptest! {
        #[test]
        fn any_name_is_made_safe_and_read_back(name in ".*|\\PC{0,400}|[\"\\\\/%;'. é😀\u{202e}]{0,300}") {
            let safe = safe_file_name(&name);
            assert_safe(&safe);
            let field = content_disposition(Disposition::Attachment, &name);
            prop_assert_eq!(file_name(field.as_bytes()), Some(safe));
        }

        #[test]
        fn any_bytes_are_read(field: Vec<u8>) {
            if let Some(name) = file_name(&field) {
                assert_safe(&name);
            }
        }

        #[test]
        fn anything_like_a_field_is_read(field in "attachment(; ?filename\\*?=([\"\\\\;'% a/é]|utf-8''){0,12}){0,3}") {
            if let Some(name) = file_name(field.as_bytes()) {
                assert_safe(&name);
            }
        }
    }
}
