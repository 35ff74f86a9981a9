//! What a token costs: `cargo bench -p valetkey-signing --bench tokens`. Prints nanoseconds per call, the best of 20 rounds.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

use std::hint::black_box;
use std::time::{Duration, Instant};
use valetkey_model::{LinkId, Method, Permission, Secret, Terms, Timestamp};
use valetkey_signing::{Algorithm, Claims, KeyOwner, KeyRing, PathRule, Presented, SigningKey, sign, verify};

fn main() {
    let secret = Secret::new([7; 32]);
    let key = |id: usize| {
        let id = format!("app-{id}").parse().unwrap();
        SigningKey::new(id, "acme".parse().unwrap(), Algorithm::Hs256, KeyOwner::Server, &secret).unwrap()
    };
    let now = Timestamp::from_seconds(1_800_000_000);
    let short = Claims {
        tenant: "acme".parse().unwrap(),
        link_id: LinkId::from_bytes([1; 16]),
        issued_at: now,
        not_before: None,
        expires_at: now.plus(Duration::from_secs(3600)),
        path: PathRule::Exact("/o/reports/2026/q3.pdf".to_owned()),
        terms: Terms::new(Permission::Read),
    };
    let mut long = short.clone();
    long.terms.file_name = Some("x".repeat(200));
    long.terms.content_type = Some("application/pdf".to_owned());
    long.terms.addresses = (0..8).map(|n| format!("192.0.{n}.0/24").parse().unwrap()).rev().collect();
    let ring = KeyRing::new((0..100).map(key)).unwrap();
    let signer = key(1);

    for (name, claims) in [("short", &short), ("long", &long)] {
        let token = sign(claims, &signer).unwrap();
        let presented = Presented {
            token: token.expose(),
            raw_path: "/o/reports/2026/q3.pdf",
            base_path: "",
            method: Method::Get,
            client: "192.0.0.7".parse().unwrap(),
            now,
            expiry_leniency: Duration::ZERO,
        };
        let mut forged = token.expose().to_owned();
        forged.replace_range(
            forged.len() - 3..forged.len() - 2,
            if forged.as_bytes()[forged.len() - 3] == b'A' { "B" } else { "A" },
        );
        let refused = Presented { token: &forged, ..presented };
        assert!(verify(&presented, &ring).is_ok() && verify(&refused, &ring).is_err());
        println!("{name}: a token of {} characters", token.expose().len());
        println!("{name}: sign            {:6.0} ns", nanoseconds(|| sign(black_box(claims), &signer)));
        println!("{name}: verify          {:6.0} ns", nanoseconds(|| verify(black_box(&presented), &ring)));
        println!("{name}: refuse a forged {:6.0} ns", nanoseconds(|| verify(black_box(&refused), &ring)));
    }
}

fn nanoseconds<T>(mut call: impl FnMut() -> T) -> f64 {
    const CALLS: u32 = 20_000;
    let round = |_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..20).map(round).fold(f64::INFINITY, f64::min)
}
