//! CBOR ([RFC 8949](https://www.rfc-editor.org/rfc/rfc8949)), as much of it as tokens need.
//!
//! The [`Reader`] takes any well-formed encoding of what it is asked for: lengths and integers need not be shortest, strings,
//! arrays and maps may be of indefinite length. It has no way to skip an item of unknown shape, hence no recursion: how deep an
//! item nests is bounded by the deepest shape a caller asks for. The [`Writer`] is deterministic (§4.2.1).

use std::borrow::Cow;

/// The bytes are not the item that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

pub(crate) type Read<T> = Result<T, Unreadable>;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE_OR_FLOAT: u8 = 7;

const BREAK: u8 = 0xff;

/// The most entries a map may have: more than any that tokens have.
const MAX_ENTRIES: usize = 24;

/// Reads items from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// The head of an item (§3). `value` is the argument, or `None` for an indefinite length.
struct Head {
    major: u8,
    info: u8,
    value: Option<u64>,
}

impl<'a> Reader<'a> {
    /// The whole of `bytes` is one item, read by `item`: nothing may follow it.
    pub(crate) fn whole<T>(bytes: &'a [u8], item: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let mut reader = Self { rest: bytes };
        let value = item(&mut reader)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(Unreadable) }
    }

    /// The major type of the next item, which is not taken.
    fn peek(&self) -> Read<u8> {
        self.rest.first().map(|initial| initial >> 5).ok_or(Unreadable)
    }

    fn take(&mut self, n_bytes: u64) -> Read<&'a [u8]> {
        let n_bytes = usize::try_from(n_bytes).map_err(|_| Unreadable)?;
        let (taken, rest) = self.rest.split_at_checked(n_bytes).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn head(&mut self) -> Read<Head> {
        let [initial] = self.take_array()?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let value = match info {
            0..24 => Some(u64::from(info)),
            24 => Some(u64::from(u8::from_be_bytes(self.take_array()?))),
            25 => Some(u64::from(u16::from_be_bytes(self.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.take_array()?))),
            27 => Some(u64::from_be_bytes(self.take_array()?)),
            31 if matches!(major, BYTES | TEXT | ARRAY | MAP) => None,
            _ => return Err(Unreadable),
        };
        Ok(Head { major, info, value })
    }

    fn head_of(&mut self, major: u8) -> Read<Option<u64>> {
        let head = self.head()?;
        if head.major == major { Ok(head.value) } else { Err(Unreadable) }
    }

    /// Takes the `break` that ends an item of indefinite length, if it is next.
    fn at_break(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&BREAK, rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// An integer of either sign.
    pub(crate) fn integer(&mut self) -> Read<i64> {
        let head = self.head()?;
        let value = i64::try_from(head.value.ok_or(Unreadable)?).map_err(|_| Unreadable)?;
        match head.major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(Unreadable),
        }
    }

    /// An unsigned integer.
    pub(crate) fn unsigned(&mut self) -> Read<u64> {
        self.head_of(UNSIGNED)?.ok_or(Unreadable)
    }

    /// An unsigned integer, or a float of exactly such a value, up to `maximum`.
    pub(crate) fn whole_number(&mut self, maximum: u64) -> Read<u64> {
        let head = self.head()?;
        let bits = head.value.ok_or(Unreadable)?;
        let value = match (head.major, head.info) {
            (UNSIGNED, _) => bits,
            (SIMPLE_OR_FLOAT, 25) => whole(half_to_double(bits))?,
            (SIMPLE_OR_FLOAT, 26) => whole(f64::from(f32::from_bits(u32::try_from(bits).map_err(|_| Unreadable)?)))?,
            (SIMPLE_OR_FLOAT, 27) => whole(f64::from_bits(bits))?,
            _ => return Err(Unreadable),
        };
        if value <= maximum { Ok(value) } else { Err(Unreadable) }
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self) -> Read<Cow<'a, [u8]>> {
        self.string(BYTES, |_| Ok(()))
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Read<Cow<'a, str>> {
        // Each chunk of a text must be UTF-8 by itself (§3.2.3), so the whole is as well; the second check is for the type.
        let valid = |chunk: &[u8]| std::str::from_utf8(chunk).map(|_| ()).map_err(|_| Unreadable);
        match self.string(TEXT, valid)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Unreadable),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Unreadable),
        }
    }

    fn string(&mut self, major: u8, valid_chunk: impl Fn(&[u8]) -> Read<()>) -> Read<Cow<'a, [u8]>> {
        if let Some(n_bytes) = self.head_of(major)? {
            return self.take(n_bytes).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while !self.at_break() {
            // A chunk of indefinite length inside one is not well-formed.
            let n_bytes = self.head_of(major)?.ok_or(Unreadable)?;
            let chunk = self.take(n_bytes)?;
            valid_chunk(chunk)?;
            whole.extend_from_slice(chunk);
        }
        Ok(Cow::Owned(whole))
    }

    /// A tag, if one is next.
    pub(crate) fn optional_tag(&mut self) -> Read<Option<u64>> {
        if self.peek()? == TAG { self.head_of(TAG) } else { Ok(None) }
    }

    /// Whether an array is next.
    pub(crate) fn is_array(&self) -> bool {
        self.peek() == Ok(ARRAY)
    }

    /// An array of exactly `n_items`, read by `items`.
    pub(crate) fn tuple<T>(&mut self, n_items: u64, items: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let length = self.head_of(ARRAY)?;
        if length.is_some_and(|length| length != n_items) {
            return Err(Unreadable);
        }
        let value = items(self)?;
        if length.is_none() && !self.at_break() {
            return Err(Unreadable);
        }
        Ok(value)
    }

    /// An array, each of its items read by `item`.
    pub(crate) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        let mut remaining = self.head_of(ARRAY)?;
        while self.more(&mut remaining) {
            item(self)?;
        }
        Ok(())
    }

    /// A map with integer keys, each of its values read by `value`. The same key twice is refused.
    pub(crate) fn map(&mut self, mut value: impl FnMut(i64, &mut Self) -> Read<()>) -> Read<()> {
        let mut remaining = self.head_of(MAP)?;
        let mut seen = [0; MAX_ENTRIES];
        let mut n_seen = 0;
        while self.more(&mut remaining) {
            let key = self.integer()?;
            if seen.iter().take(n_seen).any(|earlier| *earlier == key) {
                return Err(Unreadable);
            }
            *seen.get_mut(n_seen).ok_or(Unreadable)? = key;
            n_seen += 1;
            value(key, self)?;
        }
        Ok(())
    }

    fn more(&mut self, remaining: &mut Option<u64>) -> bool {
        match remaining {
            Some(0) => false,
            Some(n) => {
                *n -= 1;
                true
            }
            None => !self.at_break(),
        }
    }
}

/// The integer that a float is; not a number, infinite, negative and fractional ones are none.
fn whole(value: f64) -> Read<u64> {
    // 2^53: up to here every integer is a float.
    if (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0 { Ok(value as u64) } else { Err(Unreadable) }
}

/// RFC 8949, appendix D.
fn half_to_double(bits: u64) -> f64 {
    let exponent = i32::try_from(bits >> 10 & 0x1f).unwrap_or(0);
    let mantissa = f64::from(u16::try_from(bits & 0x3ff).unwrap_or(0));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// Writes deterministic CBOR.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, major: u8, value: u64) {
        let (head, n) = head_bytes(major, value);
        self.bytes.extend(head.iter().take(n));
    }

    pub(crate) fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(UNSIGNED, value),
            Err(_) => self.head(NEGATIVE, value.unsigned_abs() - 1),
        }
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn tag(&mut self, tag: u64) {
        self.head(TAG, tag);
    }

    /// The head of an array; its items follow.
    pub(crate) fn array(&mut self, n_items: usize) {
        self.head(ARRAY, n_items as u64);
    }

    /// A map, its entries written by `entries`.
    pub(crate) fn map(&mut self, entries: impl FnOnce(&mut MapWriter)) {
        let mut map = MapWriter::default();
        entries(&mut map);
        self.finished_map(map);
    }

    /// A map whose entries are written already.
    pub(crate) fn finished_map(&mut self, mut map: MapWriter) {
        self.head(MAP, map.n_entries);
        self.bytes.append(&mut map.entries.bytes);
    }
}

/// Writes the entries of a map. They must come in the order of their encoded keys: 0, 1, …, then −1, −2, ….
#[derive(Default)]
pub(crate) struct MapWriter {
    n_entries: u64,
    entries: Writer,
}

impl MapWriter {
    pub(crate) fn is_empty(&self) -> bool {
        self.n_entries == 0
    }

    /// Writes a key; exactly one item must be written to what is returned.
    pub(crate) fn entry(&mut self, key: i64) -> &mut Writer {
        self.n_entries += 1;
        self.entries.integer(key);
        &mut self.entries
    }
}

/// The head of a byte string of `n_bytes`, as it is hashed: the bytes and how many of them count.
pub(crate) fn byte_string_head(n_bytes: usize) -> ([u8; 9], usize) {
    head_bytes(BYTES, n_bytes as u64)
}

fn head_bytes(major: u8, value: u64) -> ([u8; 9], usize) {
    let initial = major << 5;
    let mut head = [0; 9];
    let n = match value {
        0..24 => {
            head[0] = initial | value as u8;
            1
        }
        24..0x100 => {
            head[..2].copy_from_slice(&[initial | 24, value as u8]);
            2
        }
        0x100..0x1_0000 => {
            head[0] = initial | 25;
            head[1..3].copy_from_slice(&(value as u16).to_be_bytes());
            3
        }
        0x1_0000..0x1_0000_0000 => {
            head[0] = initial | 26;
            head[1..5].copy_from_slice(&(value as u32).to_be_bytes());
            5
        }
        _ => {
            head[0] = initial | 27;
            head[1..].copy_from_slice(&value.to_be_bytes());
            9
        }
    };
    (head, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a, T>(bytes: &'a [u8], item: impl FnOnce(&mut Reader<'a>) -> Read<T>) -> Read<T> {
        Reader::whole(bytes, item)
    }

    /// RFC 8949, appendix A; then the same values, not shortest.
    #[test]
    fn integers() {
        let check = |bytes: &[u8], value: i64| {
            assert_eq!(read(bytes, Reader::integer), Ok(value), "{bytes:02x?}");
            let mut writer = Writer::default();
            writer.integer(value);
            assert!(writer.bytes.len() <= bytes.len(), "{value}");
            assert_eq!(read(&writer.bytes, Reader::integer), Ok(value));
        };
        check(&[0x17], 23);
        check(&[0x18, 0x18], 24);
        check(&[0x19, 0x03, 0xe8], 1000);
        check(&[0x1a, 0x00, 0x0f, 0x42, 0x40], 1_000_000);
        check(&[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00], 1_000_000_000_000);
        check(&[0x20], -1);
        check(&[0x38, 0x63], -100);
        check(&[0x39, 0x03, 0xe7], -1000);
        check(&[0x3b, 0x7f, 255, 255, 255, 255, 255, 255, 255], i64::MIN);
        check(&[0x18, 0x00], 0);
        check(&[0x3b, 0, 0, 0, 0, 0, 0, 0, 0], -1);
    }

    #[test]
    fn integers_refused() {
        let cases: [&[u8]; 9] = [
            &[],
            &[0x18],
            &[0x1c],
            &[0x1f],
            &[0x3f],
            &[0x40],
            &[0xf6],
            &[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0],
            &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
        ];
        for bytes in cases {
            assert_eq!(read(bytes, Reader::integer), Err(Unreadable), "{bytes:02x?}");
        }
        assert_eq!(read(&[0x00, 0x00], Reader::integer), Err(Unreadable));
    }

    #[test]
    fn floats_are_whole_numbers_or_nothing() {
        let check = |bytes: &[u8], expected: Read<u64>| {
            assert_eq!(read(bytes, |reader| reader.whole_number(1 << 53)), expected, "{bytes:02x?}");
        };
        check(&[0xf9, 0x00, 0x00], Ok(0));
        check(&[0xf9, 0x3c, 0x00], Ok(1));
        check(&[0xf9, 0x7b, 0xff], Ok(65504));
        check(&[0xfa, 0x47, 0xc3, 0x50, 0x00], Ok(100_000));
        check(&[0xfb, 0x43, 0x40, 0, 0, 0, 0, 0, 0], Ok(1 << 53));
        check(&[0xfb, 0x43, 0x40, 0, 0, 0, 0, 0, 1], Err(Unreadable));
        check(&[0xf9, 0x3e, 0x00], Err(Unreadable)); // 1.5
        check(&[0xf9, 0x00, 0x01], Err(Unreadable)); // 2^-24
        check(&[0xf9, 0x7c, 0x00], Err(Unreadable)); // infinity
        check(&[0xf9, 0x7e, 0x00], Err(Unreadable)); // not a number
        check(&[0xf9, 0xbc, 0x00], Err(Unreadable)); // -1
        check(&[0xfb, 0x7e, 0x37, 0xe4, 0x3c, 0x88, 0x00, 0x75, 0x9c], Err(Unreadable)); // 1.0e+300
        check(&[0xf4], Err(Unreadable)); // false
        check(&[0xf8, 0x20], Err(Unreadable)); // a simple value
    }

    #[test]
    fn strings_of_either_length() {
        assert_eq!(read(&[0x62, 0xc3, 0xbc], Reader::text).as_deref(), Ok("ü"));
        assert_eq!(read(&[0x7f, 0x61, b'a', 0x60, 0x61, b'b', 0xff], Reader::text).as_deref(), Ok("ab"));
        assert_eq!(read(&[0x5f, 0x42, 1, 2, 0x41, 3, 0xff], Reader::bytes).as_deref(), Ok(&[1, 2, 3][..]));
        let refused: [&[u8]; 6] = [
            &[0x61],                               // ends early
            &[0x61, 0xff],                         // not UTF-8
            &[0x7f, 0x61, b'a'],                   // no break
            &[0x7f, 0x41, b'a', 0xff],             // a chunk of another type
            &[0x7f, 0x7f, 0x61, b'a', 0xff, 0xff], // chunks within chunks
            &[0x7b, 255, 255, 255, 255, 255, 255, 255, 255],
        ];
        for bytes in refused {
            assert_eq!(read(bytes, Reader::text), Err(Unreadable), "{bytes:02x?}");
        }
    }

    #[test]
    fn maps_have_each_key_once() {
        let entries = |bytes: &[u8]| {
            let mut found = Vec::new();
            read(bytes, |reader| {
                reader.map(|key, value| {
                    found.push((key, value.integer()?));
                    Ok(())
                })
            })?;
            Ok(found)
        };
        assert_eq!(entries(&[0xa2, 1, 2, 3, 4]), Ok(vec![(1, 2), (3, 4)]));
        assert_eq!(entries(&[0xbf, 1, 2, 0x20, 4, 0xff]), Ok(vec![(1, 2), (-1, 4)]));
        assert_eq!(entries(&[0xa2, 1, 2, 1, 2]), Err(Unreadable));
        assert_eq!(entries(&[0xa2, 1, 2, 0x18, 1, 2]), Err(Unreadable));
        assert_eq!(entries(&[0xbf, 1, 0xff]), Err(Unreadable));
        let many: Vec<u8> = (0..25).flat_map(|key| [0x18, key, 0]).collect();
        assert_eq!(entries(&[&[0xb8, 25], &many[..]].concat()), Err(Unreadable));
    }

    #[test]
    fn tuples_have_their_length() {
        let pair = |bytes: &[u8]| read(bytes, |reader| reader.tuple(2, |pair| Ok((pair.integer()?, pair.integer()?))));
        assert_eq!(pair(&[0x82, 1, 2]), Ok((1, 2)));
        assert_eq!(pair(&[0x9f, 1, 2, 0xff]), Ok((1, 2)));
        for bytes in [&[0x81, 1][..], &[0x83, 1, 2, 3], &[0x9f, 1, 2, 3, 0xff], &[0x9f, 1, 0xff], &[0x9f, 1, 2]] {
            assert_eq!(pair(bytes), Err(Unreadable), "{bytes:02x?}");
        }
    }
}
