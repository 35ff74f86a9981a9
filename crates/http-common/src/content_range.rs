//! `Content-Range` of a request: which bytes of an upload its body is
//! ([RFC 9110 §14.4](https://www.rfc-editor.org/rfc/rfc9110.html#section-14.4)).

use crate::range::ByteRange;
use http::HeaderMap;
use http::header::CONTENT_RANGE;

/// What a request says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes it is; `None` for `*`: it is none, and asks what is there.
    pub range: Option<ByteRange>,
    /// How many bytes the whole has; `None` for `*`: that is not known yet.
    pub total_bytes: Option<u64>,
}

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`, once, with LAST below TOTAL")]
pub struct NotAContentRange;

/// The field of these headers; `None` without it.
///
/// # Errors
///
/// [`NotAContentRange`] if it is not one of bytes, stands more than once, or ends after the whole does.
pub fn of_request(headers: &HeaderMap) -> Result<Option<ContentRange>, NotAContentRange> {
    let mut values = headers.get_all(CONTENT_RANGE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(NotAContentRange);
    }
    let text = value.to_str().map_err(|_| NotAContentRange)?;
    parse(text).map(Some).ok_or(NotAContentRange)
}

fn parse(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.trim().split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, total) = rest.trim_start().split_once('/')?;
    let total_bytes = if total == "*" { None } else { Some(number(total)?) };
    let range = match range {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            Some(ByteRange::new(number(first)?, number(last)?.checked_add(1)?)?)
        }
    };
    let fits = range.zip(total_bytes).is_none_or(|(range, total)| range.end() <= total);
    fits.then_some(ContentRange { range, total_bytes })
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn content_ranges() {
        let check = |lines: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_RANGE, HeaderValue::from_str(line).unwrap());
            }
            let told = |found: ContentRange| {
                let range = found.range.map_or("nothing".to_owned(), |range| format!("{}..{}", range.start(), range.end()));
                let total = found.total_bytes.map_or("unknown".to_owned(), |total| total.to_string());
                format!("{range} of {total}")
            };
            let found = of_request(&headers).map(|found| found.map_or("absent".to_owned(), told));
            assert_eq!(found.unwrap_or_else(|_| "unreadable".to_owned()), expected, "{lines:?}");
        };
        check(&[], "absent");
        check(&["bytes 0-0/1"], "0..1 of 1");
        check(&["Bytes  5-9/10 "], "5..10 of 10");
        check(&["bytes 5-9/*"], "5..10 of unknown");
        check(&["bytes */10"], "nothing of 10");
        check(&["bytes */0"], "nothing of 0");
        check(&["bytes */*"], "nothing of unknown");
        let most = "bytes 0-18446744073709551614/18446744073709551615";
        check(&[most], "0..18446744073709551615 of 18446744073709551615");
        for line in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes=0-9/10",
            "bytes 0-10/10",
            "bytes 9-8/10",
            "bytes -9/10",
            "bytes 0-/10",
            "bytes +0-9/10",
            "bytes 0 - 9/10",
            "bytes 0-9/ten",
            "bytes 0-9/-10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-99999999999999999999/*",
            "items 0-9/10",
            "bytes 0-9/10, 10-19/20",
        ] {
            check(&[line], "unreadable");
        }
        check(&["bytes 0-0/1", "bytes 0-0/1"], "unreadable");
    }
}
