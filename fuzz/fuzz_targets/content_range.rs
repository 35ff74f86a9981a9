//! Any bytes as `Content-Range` of a request: what is read lies within the whole, and says the same when it is written out and read again.
#![no_main]

use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use valetkey_http_common::content_range::{ContentRange, of_request};

fn read(value: HeaderValue) -> Option<ContentRange> {
    of_request(&[(CONTENT_RANGE, value)].into_iter().collect::<HeaderMap>()).ok().flatten()
}

fuzz_target!(|line: &[u8]| {
    let Some(found) = HeaderValue::from_bytes(line).ok().and_then(read) else { return };
    if let (Some(range), Some(total)) = (found.range, found.total_bytes) {
        assert!(range.start() < range.end() && range.end() <= total);
    }
    let range = found.range.map_or("*".to_owned(), |range| format!("{}-{}", range.start(), range.end() - 1));
    let total = found.total_bytes.map_or("*".to_owned(), |total| total.to_string());
    let again = HeaderValue::from_str(&format!("bytes {range}/{total}")).expect("digits and signs are a value");
    assert_eq!(read(again), Some(found));
});
