//! Conditional requests, in the order of [RFC 9110 §13.2.2](https://www.rfc-editor.org/rfc/rfc9110.html#section-13.2.2).
//!
//! A field that cannot be parsed counts as not sent: published clients put request ids into `If-None-Match`. Not so for a write,
//! where ignoring a condition could destroy something: there an unquoted tag is the one tag it says, and any other field of tags
//! that cannot be parsed lets no object be replaced.

use crate::value;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};
use valetkey_model::Timestamp;

/// What tells one generation of an object from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validators<'a> {
    /// The opaque part of the strong entity tag, without quotes, as the dialect presents it.
    pub etag: &'a str,
    /// When the generation was made; compared in whole seconds.
    pub last_modified: Timestamp,
}

/// What the request is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// GET or HEAD.
    Read,
    /// Any method that changes the object.
    Write,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Perform the method.
    Proceed,
    /// 304: the client has it already. Only for [`Access::Read`].
    NotModified,
    /// 412: the object is not as the client expects.
    Failed,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` against the present generation; `None` is
/// no object. A read of no object always proceeds, to its 404 (§13.2.1).
pub fn evaluate(headers: &HeaderMap, access: Access, current: Option<&Validators<'_>>) -> Outcome {
    if access == Access::Read && current.is_none() {
        return Outcome::Proceed;
    }
    let etag = current.map(|validators| validators.etag);
    let second = current.map(|validators| validators.last_modified.as_seconds());

    match tags(headers, IF_MATCH, access, etag, Comparison::Strong) {
        Some(true) => {}
        Some(false) => return Outcome::Failed,
        None => {
            if let (Some(second), Some(date)) = (second, date(headers, IF_UNMODIFIED_SINCE))
                && second > date
            {
                return Outcome::Failed;
            }
        }
    }
    match (tags(headers, IF_NONE_MATCH, access, etag, Comparison::Weak), access) {
        (Some(true), Access::Read) => Outcome::NotModified,
        (Some(true), Access::Write) => Outcome::Failed,
        (Some(false), _) | (None, Access::Write) => Outcome::Proceed,
        (None, Access::Read) => match (second, date(headers, IF_MODIFIED_SINCE)) {
            (Some(second), Some(date)) if second <= date => Outcome::NotModified,
            _ => Outcome::Proceed,
        },
    }
}

/// Whether the `Range` field is to be followed: true without `If-Range`, or if it holds the present strong tag.
///
/// A date never suffices: it is strong only where the object is known not to have changed twice within its second
/// ([§8.8.2.2](https://www.rfc-editor.org/rfc/rfc9110.html#section-8.8.2.2)), and a client that was given a tag must not send one.
pub fn range_applies(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(line), None) => match tag(line.as_bytes()) {
            Some((Tag { weak: false, opaque }, [])) => opaque == current.etag.as_bytes(),
            _ => false,
        },
        _ => false,
    }
}

/// The `ETag` field for an opaque tag; `None` if it holds what a tag cannot.
pub fn etag(opaque: &str) -> Option<HeaderValue> {
    opaque.bytes().all(is_tag_byte).then(|| HeaderValue::try_from(["\"", opaque, "\""].concat()).ok()).flatten()
}

/// An instant as an HTTP date: `Last-Modified`, `Expires`. Years outside 1970 to 9999 are moved into them.
pub fn http_date(at: Timestamp) -> HeaderValue {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(at.as_seconds()).unwrap_or(0).min(LAST);
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    value(text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// Whether the field names the present tag; `None` if it is absent or cannot be parsed.
fn tags(headers: &HeaderMap, name: HeaderName, access: Access, etag: Option<&str>, comparison: Comparison) -> Option<bool> {
    if !headers.contains_key(&name) {
        return None;
    }
    let lines = || headers.get_all(&name).iter().map(HeaderValue::as_bytes);
    let etag = etag.map(str::as_bytes);
    let unreadable = || {
        (access == Access::Write).then(|| match unquoted(lines()) {
            Some(tag) => etag == Some(tag),
            None => comparison == Comparison::Weak && etag.is_some(),
        })
    };
    let (mut n_tags, mut any, mut matched) = (0_usize, false, false);
    for line in lines() {
        let mut rest = line;
        loop {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                break;
            }
            if let Some(after) = rest.strip_prefix(b"*") {
                (any, rest, n_tags) = (true, after, n_tags + 1);
            } else if let Some((tag, after)) = tag(rest) {
                matched |= !(tag.weak && comparison == Comparison::Strong) && etag == Some(tag.opaque);
                (rest, n_tags) = (after, n_tags + 1);
            } else {
                return unreadable();
            }
            if !matches!(rest.trim_ascii_start().first(), None | Some(b',')) {
                return unreadable();
            }
        }
    }
    match (any, n_tags) {
        (true, 1) => Some(etag.is_some()),
        (true, _) | (_, 0) => unreadable(),
        (false, _) => Some(matched),
    }
}

/// What a field says that was sent once and holds nothing but a tag without quotes.
fn unquoted<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let tag = line.trim_ascii();
    (!tag.is_empty() && tag.iter().all(|byte| is_tag_byte(*byte) && !b",*".contains(byte))).then_some(tag)
}

/// The entity tag at the start of `text`, and what follows it.
fn tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let inner = quoted.strip_prefix(b"\"")?;
    let length = inner.iter().position(|byte| *byte == b'"')?;
    let (opaque, rest) = inner.split_at_checked(length)?;
    let rest = rest.strip_prefix(b"\"")?;
    opaque.iter().copied().all(is_tag_byte).then_some((Tag { weak, opaque }, rest))
}

const fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// The date of a field in seconds since the epoch; `None` if it is absent, repeated or not a date.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let date = httpdate::parse_http_date(line.to_str().ok()?.trim()).ok()?;
    i64::try_from(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn fields(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, text)| (name.clone(), HeaderValue::from_str(text).unwrap())).collect::<HeaderMap>()
    }

    fn repeated(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in fields {
            headers.append(name, HeaderValue::from_str(text).unwrap());
        }
        headers
    }

    /// The object has the tag `abc` and was made within the second of `AT`.
    fn object() -> Validators<'static> {
        Validators { etag: "abc", last_modified: Timestamp::from_micros(784_111_777_900_000) }
    }

    /// The outcome of a read, of a write, and of a write where no object is.
    fn check(headers: &[(HeaderName, &str)], read: Outcome, write: Outcome, create: Outcome) {
        let sent = repeated(headers);
        assert_eq!(evaluate(&sent, Access::Read, Some(&object())), read, "read {headers:?}");
        assert_eq!(evaluate(&sent, Access::Write, Some(&object())), write, "write {headers:?}");
        assert_eq!(evaluate(&sent, Access::Write, None), create, "create {headers:?}");
        assert_eq!(evaluate(&sent, Access::Read, None), Outcome::Proceed, "read nothing {headers:?}");
    }

    use Outcome::{Failed, NotModified, Proceed};

    #[test]
    fn none() {
        check(&[], Proceed, Proceed, Proceed);
    }

    #[test]
    fn if_match() {
        let check = |text, read, write, create| check(&[(IF_MATCH, text)], read, write, create);
        check("\"abc\"", Proceed, Proceed, Failed);
        check("\"x\", \"abc\"", Proceed, Proceed, Failed);
        check(" , \"x\" ,, \"abc\" ,", Proceed, Proceed, Failed);
        check("*", Proceed, Proceed, Failed);
        check("\"x\"", Failed, Failed, Failed);
        check("W/\"abc\"", Failed, Failed, Failed);
        check("\"ABC\"", Failed, Failed, Failed);
        check("\"\"", Failed, Failed, Failed);
        // Not parsed: ignored by a read; by a write taken as the tag it says.
        check("abc", Proceed, Proceed, Failed);
        check("x", Proceed, Failed, Failed);
        check("w/\"abc\"", Proceed, Failed, Failed);
        check("\"abc", Proceed, Failed, Failed);
        check("\"abc\" \"x\"", Proceed, Failed, Failed);
        check("*, \"abc\"", Proceed, Failed, Failed);
        check("**", Proceed, Failed, Failed);
        check("", Proceed, Failed, Failed);
    }

    #[test]
    fn if_none_match() {
        let check = |text, read, write, create| check(&[(IF_NONE_MATCH, text)], read, write, create);
        check("\"abc\"", NotModified, Failed, Proceed);
        check("W/\"abc\"", NotModified, Failed, Proceed);
        check("\"x\",W/\"abc\"", NotModified, Failed, Proceed);
        check("*", NotModified, Failed, Proceed);
        check("\"x\"", Proceed, Proceed, Proceed);
        check("\"*\"", Proceed, Proceed, Proceed);
        check("\"a,b\", \"abc\"", NotModified, Failed, Proceed);
        check("0.83:bucket%2Fkey", Proceed, Proceed, Proceed);
        check("abc", Proceed, Failed, Proceed);
        // Not parsed: ignored by a read; a write replaces nothing.
        check("\"abc\", x", Proceed, Failed, Proceed);
        check("*, \"x\"", Proceed, Failed, Proceed);
        check("x*", Proceed, Failed, Proceed);
        check("", Proceed, Failed, Proceed);
    }

    #[test]
    fn dates() {
        let unmodified = |text, outcome, create| check(&[(IF_UNMODIFIED_SINCE, text)], outcome, outcome, create);
        unmodified(AT, Proceed, Proceed);
        unmodified(AFTER, Proceed, Proceed);
        unmodified(BEFORE, Failed, Proceed);
        unmodified("yesterday", Proceed, Proceed);
        let modified = |text, read| check(&[(IF_MODIFIED_SINCE, text)], read, Proceed, Proceed);
        modified(AT, NotModified);
        modified(AFTER, NotModified);
        modified(BEFORE, Proceed);
        modified("Sunday, 06-Nov-94 08:49:37 GMT", NotModified);
        modified("Sun Nov  6 08:49:37 1994", NotModified);
        modified("784111777", Proceed);
        modified("", Proceed);
        check(&[(IF_MODIFIED_SINCE, AT), (IF_MODIFIED_SINCE, AT)], Proceed, Proceed, Proceed);
    }

    #[test]
    fn in_the_order_of_the_rfc() {
        // Tags before dates.
        check(&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)], Proceed, Proceed, Failed);
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AT)], Proceed, Proceed, Proceed);
        check(&[(IF_NONE_MATCH, "\"abc\""), (IF_MODIFIED_SINCE, BEFORE)], NotModified, Failed, Proceed);
        // Both kinds.
        check(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], Failed, Failed, Failed);
        check(&[(IF_MATCH, "\"abc\""), (IF_NONE_MATCH, "\"abc\"")], NotModified, Failed, Failed);
        check(&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_NONE_MATCH, "\"abc\"")], Failed, Failed, Proceed);
        // What cannot be parsed counts as not sent.
        check(&[(IF_NONE_MATCH, "0.83:b"), (IF_MODIFIED_SINCE, AT)], NotModified, Proceed, Proceed);
        // Lines of a list are one list.
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], NotModified, Failed, Proceed);
        check(&[(IF_MATCH, "\"abc\""), (IF_MATCH, "x")], Proceed, Failed, Failed);
    }

    #[test]
    fn if_range() {
        let check = |text: &str, expected: bool| {
            assert_eq!(range_applies(&fields(&[(IF_RANGE, text)]), &object()), expected, "{text}");
        };
        check("\"abc\"", true);
        check("\"x\"", false);
        check("W/\"abc\"", false);
        check("\"abc\", \"x\"", false);
        check("abc", false);
        check("*", false);
        check("", false);
        check(AT, false);
        assert!(range_applies(&HeaderMap::new(), &object()));
        assert!(!range_applies(&repeated(&[(IF_RANGE, "\"abc\""), (IF_RANGE, "\"abc\"")]), &object()));
    }

    #[test]
    fn written_fields() {
        assert_eq!(etag("abc").unwrap(), "\"abc\"");
        assert_eq!(etag("a\"c"), None);
        assert_eq!(etag("a c"), None);
        assert_eq!(http_date(object().last_modified), AT);
        assert_eq!(http_date(Timestamp::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(Timestamp::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(lines in prop::collection::vec((0_usize..5, crate::values("([\"WT*/, ]|abc){0,12}")), 0..4)) {
            let names = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE];
            let mut headers = HeaderMap::new();
            for (name, field) in lines {
                headers.append(&names[name], field);
            }
            for access in [Access::Read, Access::Write] {
                let outcome = evaluate(&headers, access, Some(&object()));
                prop_assert!(access == Access::Read || outcome != NotModified);
                evaluate(&headers, access, None);
            }
            range_applies(&headers, &object());
        }

        #[test]
        fn a_date_written_is_read_back(micros: i64) {
            let at = Timestamp::from_micros(micros);
            let headers: HeaderMap = [(IF_MODIFIED_SINCE, http_date(at))].into_iter().collect();
            prop_assert_eq!(date(&headers, IF_MODIFIED_SINCE), Some(at.as_seconds().clamp(0, 253_402_300_799)));
        }

        #[test]
        fn a_tag_written_matches_itself(opaque in "[!#-~]{0,40}") {
            let headers: HeaderMap = [(IF_MATCH, etag(&opaque).unwrap())].into_iter().collect();
            let object = Validators { etag: &opaque, last_modified: Timestamp::default() };
            prop_assert_eq!(evaluate(&headers, Access::Write, Some(&object)), Proceed);
        }
    }
}
