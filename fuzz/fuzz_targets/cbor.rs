//! Any bytes as the payload of a token whose header and MAC are right: all that is behind the MAC.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;
use valetkey_model::{Method, Secret, Timestamp};
use valetkey_signing::{Algorithm, KeyOwner, KeyRing, PathRule, Presented, SigningKey, sign, verify};

const SECRET: [u8; 32] = [0x5a; 32];
const PROTECTED: &[u8] = b"\xa2\x01\x05\x04\x45app-1";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let (kid, tenant) = ("app-1".parse().unwrap(), "acme".parse().unwrap());
    SigningKey::new(kid, tenant, Algorithm::Hs256, KeyOwner::Server, &Secret::new(SECRET)).unwrap()
});
static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::new([KEY.clone()]).unwrap());

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0x59, high, low], bytes].concat()
}

fn token(payload: &[u8]) -> String {
    let payload = byte_string(payload);
    // The MAC covers lengths in their shortest form.
    let shortest = match payload.len() - 3 {
        n @ 0..24 => [&[0x40 | n as u8], &payload[3..]].concat(),
        n @ 24..256 => [&[0x58, n as u8], &payload[3..]].concat(),
        _ => payload.clone(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(b"\x84\x64MAC0");
    mac.update(&[0x40 | PROTECTED.len() as u8]);
    mac.update(PROTECTED);
    mac.update(b"\x40");
    mac.update(&shortest);
    let mac = mac.finalize().into_bytes();
    let message = [b"\xd8\x3d\xd1\x84", &byte_string(PROTECTED)[..], b"\xa0", &payload, b"\x58\x20", &mac].concat();
    URL_SAFE_NO_PAD.encode(message)
}

fuzz_target!(|payload: &[u8]| {
    if payload.len() > 1400 {
        return;
    }
    let forged = token(payload);
    let presented = |token| Presented {
        token,
        raw_path: "/o/reports/2026/q3.pdf",
        base_path: "",
        method: Method::Get,
        client: IpAddr::from([192, 0, 2, 7]),
        now: Timestamp::from_seconds(1_800_000_060),
        expiry_leniency: Duration::ZERO,
    };
    let Ok(verified) = verify(&presented(&forged), &RING) else { return };
    match &verified.claims().path {
        PathRule::Exact(path) => assert_eq!(path, "/o/reports/2026/q3.pdf"),
        PathRule::Prefix(prefix) => assert!("/o/reports/2026/".starts_with(prefix.as_str()) && prefix.len() >= "/o/reports/".len()),
    }
    let mut claims = verified.claims().clone();
    // A list of methods may be shorter than the permission it amounts to; GET is in it here, or HEAD would be.
    let again = sign(&claims, &KEY).unwrap_or_else(|error| panic!("{error}: {claims:?}"));
    let reread = verify(&presented(again.expose()), &RING).unwrap_or_else(|refusal| panic!("{refusal:?}: {claims:?}"));
    claims.terms.issuer = reread.claims().terms.issuer.clone();
    assert_eq!(reread.claims(), &claims);
});
