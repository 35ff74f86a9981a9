//! Any bytes as `Range`, against any size: what is sent lies within the object, overlaps nowhere, and its length is counted exactly.
#![no_main]

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use valetkey_http_common::range::{Boundary, MAX_RANGES, Multipart, Requested, content_range, requested};

fuzz_target!(|input: (u64, &[u8])| {
    let (size, line) = input;
    let Ok(value) = HeaderValue::from_bytes(line) else { return };
    let headers: HeaderMap = [(RANGE, value)].into_iter().collect();
    let ranges = match requested(&headers, size) {
        Requested::Whole | Requested::Unsatisfiable => return,
        Requested::One(range) => vec![range],
        Requested::Several(ranges) => ranges,
    };
    assert!((1..=MAX_RANGES).contains(&ranges.len()));
    for (position, range) in ranges.iter().enumerate() {
        assert!(range.start() < range.end() && range.end() <= size);
        assert!(ranges[..position].iter().all(|earlier| earlier.end() <= range.start() || range.end() <= earlier.start()));
        content_range(*range, size);
    }
    let multipart = Multipart::new(&HeaderValue::from_static("a/b"), &ranges, size, Boundary::from_random([0; 16]));
    let n_bytes: u128 = multipart.parts.iter().map(|part| part.preface.len() as u128 + u128::from(part.range.len())).sum();
    let n_bytes = n_bytes + multipart.trailer.len() as u128;
    assert_eq!(u128::from(multipart.total_bytes), n_bytes.min(u128::from(u64::MAX)));
});
