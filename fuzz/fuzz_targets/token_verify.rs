//! Any text as a token, any text as a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;
use valetkey_model::{Method, Secret, Timestamp};
use valetkey_signing::{Algorithm, KeyOwner, KeyRing, Presented, SigningKey, claimed_dialect, decode_object_path, dialect_of_damaged, parse_raw_file_id, raw_file_id, verify};

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let (kid, tenant) = ("app-1".parse().unwrap(), "acme".parse().unwrap());
    // Not the secret of the seeds: with it, the seeds themselves would be accepted.
    let key = SigningKey::new(kid, tenant, Algorithm::Hs256, KeyOwner::Server, &Secret::new([0x5a; 32]));
    KeyRing::new([key.unwrap()]).unwrap()
});

fuzz_target!(|input: &str| {
    let (token, raw_path) = input.split_once('\n').unwrap_or((input, "/o/reports/2026/q3.pdf"));
    let presented = Presented {
        token,
        raw_path,
        base_path: "",
        method: Method::Get,
        client: IpAddr::from([192, 0, 2, 7]),
        now: Timestamp::from_seconds(1_800_000_060),
        expiry_leniency: Duration::ZERO,
    };
    assert!(verify(&presented, &RING).is_err());
    // Whatever it says, it is read or not.
    let _ = valetkey_signing::claimed_methods(token);
    let _ = (claimed_dialect(token), dialect_of_damaged(token.as_bytes()));
    if let Ok((bucket, key)) = decode_object_path("", raw_path) {
        assert!(key.is_plain_path());
        let canonical = valetkey_signing::canonical_object_path("", &bucket, &key);
        assert_eq!(decode_object_path("", &canonical), Ok((bucket, key)));
    }
    if let Some(file) = parse_raw_file_id(raw_path) {
        assert_eq!(raw_file_id(file), raw_path);
    }
});
