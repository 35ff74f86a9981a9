//! Any bytes as a request and its chunks: no panic, and the same outcome in one piece and in many.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use valetkey_dataplane::http1::chunked::{Decoder, Next};
use valetkey_dataplane::http1::head::{HeadLimits, Scanner, parse};

const LIMITS: HeadLimits = HeadLimits { max_bytes: 16 << 10, max_fields: 100 };

fn head(bytes: &[u8], step: usize) -> String {
    let mut scanner = Scanner::default();
    for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
        match scanner.end(&bytes[..end], &LIMITS) {
            Ok(None) => {}
            Ok(Some(n)) => return format!("{n} {:?}", parse(&Bytes::copy_from_slice(&bytes[..n]))),
            Err(refused) => return format!("{refused:?}"),
        }
    }
    String::new()
}

fn chunks(bytes: &[u8], step: usize) -> Option<(Vec<u8>, bool, usize)> {
    let (mut decoder, mut content, mut at) = (Decoder::default(), Vec::new(), 0);
    for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
        loop {
            let (n_framing, next) = decoder.next(&bytes[at..end]).ok()?;
            at += n_framing;
            match next {
                Next::More => break,
                Next::Over => return Some((content, true, at)),
                Next::Content(n) => {
                    content.extend_from_slice(&bytes[at..at + n]);
                    at += n;
                }
            }
        }
    }
    Some((content, false, at))
}

fuzz_target!(|bytes: &[u8]| {
    let step = bytes.first().map_or(1, |first| usize::from(*first) % 7 + 1);
    assert_eq!(head(bytes, step), head(bytes, usize::MAX));
    assert_eq!(chunks(bytes, step), chunks(bytes, usize::MAX));
});
