//! Byte ranges: what a `Range` field asks of a representation, and how the parts are answered
//! ([RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110.html#section-14)).

use crate::value;
use bytes::Bytes;
use http::header::RANGE;
use http::{HeaderMap, HeaderValue};
use std::fmt::Write as _;

/// At most this many ranges are answered in one response; more are refused as unsatisfiable.
pub const MAX_RANGES: usize = 16;

/// Consecutive bytes of a representation; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// The bytes from `start` to before `end`; `None` if there are none.
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// The offset of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The offset after the last byte.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many bytes; at least one.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// What a request asks of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// All of it: 200.
    Whole,
    /// One range: 206 with `Content-Range`.
    One(ByteRange),
    /// Two to [`MAX_RANGES`] ranges that do not overlap, in the client's order: 206 as `multipart/byteranges`.
    Several(Vec<ByteRange>),
    /// Nothing it has, or more ranges than are answered: 416.
    Unsatisfiable,
}

/// Reads the `Range` field against a representation of `size` bytes.
///
/// A field with another unit or invalid syntax is ignored, and so is a repeated one, since `Range` is not a list field. Ends
/// beyond the representation are clamped; numbers too large to count are beyond it. Ranges that overlap are sent as one, in
/// the place of the first; of several ranges those that hold nothing are left out. More than [`MAX_RANGES`] are unsatisfiable
/// and not `Whole`: under a limited grant a whole answer would count.
///
/// A suffix of an empty representation is satisfiable, but no `Content-Range` can say so: `Whole`.
pub fn requested(headers: &HeaderMap, size: u64) -> Requested {
    let mut lines = headers.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => parse(line.as_bytes(), size).unwrap_or(Requested::Whole),
        _ => Requested::Whole,
    }
}

/// `None`: not a valid specifier of byte ranges.
fn parse(line: &[u8], size: u64) -> Option<Requested> {
    let line = std::str::from_utf8(line).ok()?;
    let (unit, set) = line.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    let (mut n_specs, mut empty_suffix) = (0_usize, false);
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        n_specs += 1;
        match resolve(spec, size)? {
            Resolved::Range(range) if n_specs <= MAX_RANGES => add(&mut ranges, range),
            Resolved::Range(_) | Resolved::Nothing => {}
            Resolved::AllOfNothing => empty_suffix = true,
        }
    }
    Some(match (n_specs, ranges.as_slice()) {
        (0, _) => return None,
        (n_specs, _) if n_specs > MAX_RANGES => Requested::Unsatisfiable,
        (_, []) if empty_suffix => Requested::Whole,
        (_, []) => Requested::Unsatisfiable,
        (_, [one]) => Requested::One(*one),
        _ => Requested::Several(ranges),
    })
}

enum Resolved {
    Range(ByteRange),
    Nothing,
    AllOfNothing,
}

/// `None`: not a valid range.
fn resolve(spec: &str, size: u64) -> Option<Resolved> {
    let (first, last) = spec.split_once('-')?;
    let (start, end) = if first.is_empty() {
        let length = digits(last)?;
        if length > 0 && size == 0 {
            return Some(Resolved::AllOfNothing);
        }
        (size.saturating_sub(length), size)
    } else {
        let first = digits(first)?;
        let last = if last.is_empty() { u64::MAX } else { digits(last)? };
        if last < first {
            return None;
        }
        (first, last.saturating_add(1).min(size))
    };
    Some(ByteRange::new(start, end).map_or(Resolved::Nothing, Resolved::Range))
}

/// A number of decimal digits; one too large is `u64::MAX`.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Adds a range to ranges that do not overlap: those it overlaps become one with it, in the place of the first.
fn add(ranges: &mut Vec<ByteRange>, range: ByteRange) {
    let (mut merged, mut place, mut index) = (range, None, 0);
    ranges.retain(|earlier| {
        let apart = !earlier.overlaps(range);
        if !apart {
            merged = merged.union(*earlier);
            place.get_or_insert(index);
        }
        index += 1;
        apart
    });
    let place = place.unwrap_or(ranges.len()).min(ranges.len());
    ranges.insert(place, merged);
}

/// The `Content-Range` of a 206 with one range of a representation of `size` bytes.
pub fn content_range(range: ByteRange, size: u64) -> HeaderValue {
    value(format!("bytes {}-{}/{size}", range.start, range.end - 1))
}

/// The `Content-Range` of a 416.
pub fn content_range_unsatisfied(size: u64) -> HeaderValue {
    value(format!("bytes */{size}"))
}

/// What separates the parts of a multipart answer. Random, so that no content can hold it.
#[derive(Clone, Copy, Debug)]
pub struct Boundary([u8; 16]);

impl Boundary {
    /// From random bytes.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for Boundary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A `multipart/byteranges` answer but for the representation's own bytes: each part is its preface, then its range; after the
/// last part comes the trailer.
#[derive(Clone, Debug)]
pub struct Multipart {
    /// The answer's `Content-Type`.
    pub content_type: HeaderValue,
    /// In the order in which they are sent.
    pub parts: Vec<Part>,
    /// What ends the answer.
    pub trailer: Bytes,
    /// The answer's `Content-Length`: prefaces, ranges and trailer, in bytes.
    pub total_bytes: u64,
}

/// One part of a [`Multipart`].
#[derive(Clone, Debug)]
pub struct Part {
    /// What is sent before the range: delimiter and part header.
    pub preface: Bytes,
    /// The bytes that follow.
    pub range: ByteRange,
}

impl Multipart {
    /// The answer with these ranges of a representation of `size` bytes whose own type is `content_type`.
    pub fn new(content_type: &HeaderValue, ranges: &[ByteRange], size: u64, boundary: Boundary) -> Self {
        let mut total_bytes = 0_u64;
        let mut add = |n_bytes: u64| total_bytes = total_bytes.saturating_add(n_bytes);
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges.iter().copied() {
            let mut preface = Vec::with_capacity(160);
            let delimiter = if parts.is_empty() { "--" } else { "\r\n--" };
            preface.extend_from_slice(format!("{delimiter}{boundary}\r\nContent-Type: ").as_bytes());
            preface.extend_from_slice(content_type.as_bytes());
            preface.extend_from_slice(b"\r\nContent-Range: ");
            preface.extend_from_slice(content_range(range, size).as_bytes());
            preface.extend_from_slice(b"\r\n\r\n");
            add(preface.len() as u64);
            add(range.len());
            parts.push(Part { preface: preface.into(), range });
        }
        let mut trailer = String::with_capacity(40);
        // Writing to a `String` cannot fail.
        let _ = write!(trailer, "\r\n--{boundary}--\r\n");
        add(trailer.len() as u64);
        let content_type = value(format!("multipart/byteranges; boundary={boundary}"));
        Self { content_type, parts, trailer: trailer.into(), total_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(pairs: &[(u64, u64)]) -> Requested {
        let ranges: Vec<_> = pairs.iter().map(|(start, end)| ByteRange::new(*start, *end).unwrap()).collect();
        if let [one] = ranges.as_slice() { Requested::One(*one) } else { Requested::Several(ranges) }
    }

    #[test]
    fn requests() {
        let check = |line: &str, size: u64, expected: Requested| {
            let mut headers = HeaderMap::new();
            headers.append(RANGE, HeaderValue::from_str(line).unwrap());
            assert_eq!(requested(&headers, size), expected, "{line} of {size}");
        };
        use Requested::{Unsatisfiable, Whole};
        // One.
        check("bytes=0-0", 10, ranges(&[(0, 1)]));
        check("bytes=2-5", 10, ranges(&[(2, 6)]));
        check("Bytes=2-5", 10, ranges(&[(2, 6)]));
        check("bytes=9-", 10, ranges(&[(9, 10)]));
        check("bytes=0-", 10, ranges(&[(0, 10)]));
        check("bytes=0-5242880", 5_242_880, ranges(&[(0, 5_242_880)]));
        check("bytes=-3", 10, ranges(&[(7, 10)]));
        check("bytes=-300", 10, ranges(&[(0, 10)]));
        check("bytes= 1-2 ", 10, ranges(&[(1, 3)]));
        check("bytes=,1-2,", 10, ranges(&[(1, 3)]));
        // Nothing there.
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=10-20,30-", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=0-0", 0, Unsatisfiable);
        check("bytes=-1", 0, Whole);
        check("bytes=-0", 0, Unsatisfiable);
        // Numbers beyond counting.
        let huge = "9".repeat(400);
        check(&format!("bytes={huge}-"), 10, Unsatisfiable);
        check(&format!("bytes=1-{huge}"), 10, ranges(&[(1, 10)]));
        check(&format!("bytes=-{huge}"), 10, ranges(&[(0, 10)]));
        check("bytes=0-18446744073709551615", u64::MAX, ranges(&[(0, u64::MAX)]));
        check("bytes=18446744073709551615-", u64::MAX, Unsatisfiable);
        // Ignored.
        for line in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1;2-3",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes =1-2",
            " bytes=1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=0x1-2",
            "bytes=1-2,x",
            "bytes=1-2,5-4",
            "lines=1-2",
            "bytes=1-2, bytes=4-5",
            "bytes=\u{661}-\u{662}",
        ] {
            check(line, 10, Whole);
        }
        // Several.
        check("bytes=0-1,4-5", 10, ranges(&[(0, 2), (4, 6)]));
        check("bytes=4-5 , 0-1", 10, ranges(&[(4, 6), (0, 2)]));
        check("bytes=0-0,-1", 10, ranges(&[(0, 1), (9, 10)]));
        check("bytes=0-1,2-3", 10, ranges(&[(0, 2), (2, 4)]));
        check("bytes=0-1,50-60", 10, ranges(&[(0, 2)]));
        check("bytes=0-3,2-5", 10, ranges(&[(0, 6)]));
        check("bytes=8-9,0-1,4-5,1-4", 10, ranges(&[(8, 10), (0, 6)]));
        check("bytes=0-0,0-0,0-0", 10, ranges(&[(0, 1)]));
        // Floods.
        let spread = |n: usize| format!("bytes={}", (0..n).map(|i| format!("{0}-{0}", 2 * i)).collect::<Vec<_>>().join(","));
        check(&spread(16), 100, ranges(&(0..16).map(|i| (2 * i, 2 * i + 1)).collect::<Vec<_>>()));
        check(&spread(17), 100, Unsatisfiable);
        check(&format!("bytes=0-{}", ",0-".repeat(2000)), 10, Unsatisfiable);
        check(&format!("{},x", spread(17)), 100, Whole);
    }

    #[test]
    fn absent_and_repeated_fields_ask_for_the_whole() {
        let mut headers = HeaderMap::new();
        assert_eq!(requested(&headers, 10), Requested::Whole);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(requested(&headers, 10), Requested::Whole);
    }

    #[test]
    fn content_ranges() {
        assert_eq!(content_range(ByteRange::new(2, 6).unwrap(), 10), "bytes 2-5/10");
        assert_eq!(content_range(ByteRange::new(0, u64::MAX).unwrap(), u64::MAX).len(), 49);
        assert_eq!(content_range_unsatisfied(0), "bytes */0");
    }

    #[test]
    fn multipart_is_as_rfc_9110_section_14_6_shows() {
        let content = b"0123456789";
        let ranges = [ByteRange::new(4, 6).unwrap(), ByteRange::new(0, 1).unwrap()];
        let multipart = Multipart::new(&HeaderValue::from_static("text/plain"), &ranges, 10, Boundary::from_random([0xab; 16]));
        let mut body = Vec::new();
        for part in &multipart.parts {
            body.extend_from_slice(&part.preface);
            body.extend_from_slice(&content[part.range.start() as usize..part.range.end() as usize]);
        }
        body.extend_from_slice(&multipart.trailer);
        let boundary = "ab".repeat(16);
        let expected = format!(
            "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/10\r\n\r\n45\r\n\
             --{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(multipart.total_bytes, expected.len() as u64);
        assert_eq!(multipart.content_type, format!("multipart/byteranges; boundary={boundary}"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(line: Vec<u8>, size: u64) {
            let _ = parse(&line, size);
        }

        #[test]
        fn ranges_are_within_disjoint_and_cover_what_was_asked(
            specs in prop::collection::vec((0_u64..40, 0_u64..40), 1..=MAX_RANGES),
            size in 0_u64..40,
        ) {
            let texts: Vec<_> = specs.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            let answer = parse(format!("bytes={}", texts.join(",")).as_bytes(), size).unwrap();
            let ranges = match answer {
                Requested::One(one) => vec![one],
                Requested::Several(ranges) => {
                    prop_assert!(ranges.len() > 1);
                    ranges
                }
                Requested::Unsatisfiable => Vec::new(),
                Requested::Whole => return Err(TestCaseError::fail("valid, but ignored")),
            };
            for offset in 0..size + 40 {
                let asked = offset < size && specs.iter().any(|(first, more)| (*first..=first + more).contains(&offset));
                let n_sent = ranges.iter().filter(|range| (range.start()..range.end()).contains(&offset)).count();
                prop_assert_eq!(n_sent, usize::from(asked), "{}", offset);
            }
        }
    }
}
