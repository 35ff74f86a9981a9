//! Any bytes as conditional fields: a write is never answered as a read, and a tag that differs never permits one.
#![no_main]

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use valetkey_http_common::precondition::{Access, Outcome, Validators, evaluate, range_applies};
use valetkey_model::Timestamp;

fuzz_target!(|lines: Vec<(u8, &[u8])>| {
    let names = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE];
    let mut headers = HeaderMap::new();
    for (name, line) in lines.into_iter().take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(&names[usize::from(name) % names.len()], value);
        }
    }
    let current = Validators { etag: "abc", last_modified: Timestamp::from_seconds(784_111_777) };
    evaluate(&headers, Access::Read, Some(&current));
    range_applies(&headers, &current);
    assert_ne!(evaluate(&headers, Access::Write, Some(&current)), Outcome::NotModified);
    if headers.contains_key(IF_MATCH) {
        assert_eq!(evaluate(&headers, Access::Write, None), Outcome::Failed);
        let names_it =
            |value: &HeaderValue| value.as_bytes().windows(3).any(|part| part == b"abc") || value.as_bytes().contains(&b'*');
        if !headers.get_all(IF_MATCH).iter().any(names_it) {
            assert_eq!(evaluate(&headers, Access::Write, Some(&current)), Outcome::Failed);
        }
    }
});
