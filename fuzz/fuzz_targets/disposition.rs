//! Any bytes as `Content-Disposition`, any text as a file name: names are safe, and what is written is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use valetkey_http_common::disposition::{MAX_FILE_NAME_BYTES, content_disposition, file_name, safe_file_name};
use valetkey_model::Disposition;

fuzz_target!(|field: &[u8]| {
    if let Some(name) = file_name(field) {
        check(&name);
    }
    if let Ok(text) = std::str::from_utf8(field) {
        let name = safe_file_name(text);
        check(&name);
        assert_eq!(file_name(content_disposition(Disposition::Inline, text).as_bytes()), Some(name));
    }
});

fn check(name: &str) {
    assert!(!name.is_empty() && name.len() <= MAX_FILE_NAME_BYTES);
    assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control) && name != "." && name != "..");
    assert_eq!(safe_file_name(name), name);
}
