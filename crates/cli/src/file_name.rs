//! Names for files that come from a server: taken from its answer, made harmless.

use crate::output::is_invisible;
use percent_encoding::percent_decode_str;

/// What common file systems take, in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;

/// The file name of a Content-Disposition ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266)), as sent and not yet harmless;
/// `filename*` is preferred.
pub(crate) fn from_content_disposition(value: &str) -> Option<String> {
    let parameters = parameters(value);
    let find = |wanted: &str| parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    find("filename*").and_then(|value| extended(value)).or_else(|| find("filename").cloned())
}

/// The last segment of a signed URL's path, decoded; `None` where that would be the secret of a link.
pub(crate) fn from_url_path(raw_path: &str) -> Option<String> {
    let mut segments = raw_path.rsplit('/');
    let last = segments.next()?;
    if segments.next() == Some("l") {
        return None;
    }
    Some(percent_decode_str(last).decode_utf8().ok()?.into_owned())
}

/// A name that can only be a file in the directory it is put in: without directories, without characters that act, not hidden,
/// not too long. `None` if nothing is left.
pub(crate) fn harmless(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|letter| !is_invisible(*letter)).collect();
    let trimmed = shown.trim();
    let named = match trimmed.strip_prefix('.') {
        Some(rest) if rest.chars().all(|letter| letter == '.') => return None,
        Some(rest) => format!("_{rest}"),
        None if trimmed.is_empty() => return None,
        None => trimmed.to_owned(),
    };
    Some(shortened(&named))
}

/// At most [`MAX_FILE_NAME_BYTES`], with its extension.
fn shortened(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME_BYTES {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.').map(|dot| name.split_at(dot)) {
        Some((stem, extension)) if extension.len() <= 32 => (stem, extension),
        _ => (name, ""),
    };
    let fits = |end: &usize| *end <= MAX_FILE_NAME_BYTES - extension.len();
    let end = stem.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(fits).last().unwrap_or(0);
    format!("{}{extension}", stem.get(..end).unwrap_or_default())
}

/// `name=value` pairs after the disposition type; quoted strings unquoted.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (token, after) = after.split_once(';').unwrap_or((after, ""));
                (token.trim().to_owned(), after)
            }
        };
        found.push((name.trim_matches([';', ' ', '\t']).to_owned(), value));
        rest = after;
    }
    found
}

/// The text up to the closing quote, and what follows it. `\` takes the next character as it is.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => text.extend(letters.next().map(|(_, next)| next)),
            _ => text.push(letter),
        }
    }
    (text, "")
}

/// `UTF-8''percent%20encoded` ([RFC 8187](https://www.rfc-editor.org/rfc/rfc8187)); no other character set.
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    Some(percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_content_disposition() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(from_content_disposition(value).as_deref(), expected, "{value}");
        };
        check("attachment", None);
        check("inline; filename=q3.pdf", Some("q3.pdf"));
        check("attachment; filename=\"q3; final.pdf\"", Some("q3; final.pdf"));
        check("attachment; filename=\"say \\\"hi\\\".txt\"", Some("say \"hi\".txt"));
        check("attachment; filename=\"_.pdf\"; filename*=UTF-8''%D8%AA%D9%82.pdf", Some("تق.pdf"));
        check("attachment; filename*=utf-8'ar'%F0%9F%98%80; filename=\"x\"", Some("😀"));
        check("attachment; filename*=ISO-8859-1''%E9; filename=\"plain\"", Some("plain"));
        check("attachment; filename*=UTF-8''%FF; filename=\"plain\"", Some("plain"));
        check("attachment; FileName=\"open", Some("open"));
        check("attachment; filename=", Some(""));
    }

    #[test]
    fn names_made_harmless() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(harmless(name).as_deref(), expected, "{name:?}");
        check("q3.pdf", Some("q3.pdf"));
        check("تقرير 😀 \"a\".pdf", Some("تقرير 😀 \"a\".pdf"));
        check("../../etc/passwd", Some("passwd"));
        check("C:\\Windows\\evil.exe", Some("evil.exe"));
        check(".bashrc", Some("_bashrc"));
        check("a\x1b[2J\u{202e}b\n.txt", Some("a[2Jb.txt"));
        check(" spaces ", Some("spaces"));
        for nothing in ["", ".", "..", "...", "a/", "/", "\\", "\n", "\u{202e}", " "] {
            check(nothing, None);
        }
    }

    #[test]
    fn names_made_short() {
        let exact = format!("{}.pdf", "é".repeat(125) + "x");
        assert_eq!((exact.len(), harmless(&exact)), (255, Some(exact.clone())));
        let long = harmless(&format!("{}.pdf", "😀".repeat(100))).unwrap();
        assert_eq!(long, format!("{}.pdf", "😀".repeat(62)));
        assert_eq!(harmless(&"x".repeat(300)).unwrap().len(), 255);
        assert_eq!(harmless(&format!("a.{}", "x".repeat(300))).unwrap().len(), 255);
    }

    #[test]
    fn names_from_urls() {
        assert_eq!(from_url_path("/o/reports/2024/q3%20a%2Fb.pdf").as_deref(), Some("q3 a/b.pdf"));
        assert_eq!(from_url_path("/base/l/c2VjcmV0").as_deref(), None);
        assert_eq!(from_url_path("/l/c2VjcmV0/photo.jpg").as_deref(), Some("photo.jpg"));
    }
}
