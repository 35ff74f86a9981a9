//! Any text as a query and as a path: one name never has two answers, and what is decoded is encoded again to the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use valetkey_http_common::path::{collapse_leading_slashes, decode, encode_key, encode_segment, segments};
use valetkey_http_common::query::{Query, QueryError};

fuzz_target!(|raw: &str| {
    let query = Query::new(Some(raw));
    for (raw_name, _) in query.pairs() {
        let Ok(name) = decode(raw_name) else { continue };
        let n_values = query.form_values(&name).count();
        assert!(n_values >= 1);
        assert_eq!(query.single(&name) == Err(QueryError::Duplicate), n_values > 1);
        assert_eq!(query.form_value(&name) == Err(QueryError::Duplicate), n_values > 1);
        let _ = query.last_form_value(&name);
    }
    assert!(!collapse_leading_slashes(raw).starts_with("//"));
    for segment in segments(raw) {
        if let Ok(text) = decode(segment) {
            assert_eq!(decode(&encode_segment(&text)).as_deref(), Ok(text.as_ref()));
            assert_eq!(decode(&encode_key(&text)).as_deref(), Ok(text.as_ref()));
        }
    }
});
