//! The pure core of valetkey: claims to tokens and back.
//!
//! A token is a Common Access Token (CTA-5007): a CBOR Web Token ([RFC 8392]) inside COSE ([RFC 9052]), written in base64url
//! without padding. [`sign`] makes one; [`verify`] is the only way to a [`Verified`], and what opens an object asks for one.
//! There is no I/O here, no clock and no randomness: the instant, the keys and a token's id are passed in.
//!
//! ```
//! use std::time::Duration;
//! use valetkey_model::{LinkId, Method, Permission, Refusal, Secret, Terms, Timestamp};
//! use valetkey_signing::{Algorithm, Claims, KeyOwner, KeyRing, PathRule, Presented, Resource, SigningKey, sign, verify};
//!
//! let key = SigningKey::new("app-1".parse()?, "acme".parse()?, Algorithm::Hs256, KeyOwner::Server, &Secret::new([7; 32]))?;
//! let now = Timestamp::from_seconds(1_800_000_000);
//! let path = valetkey_signing::canonical_object_path("", &"reports".parse()?, &"q3 final.pdf".parse()?);
//! let claims = Claims {
//!     tenant: "acme".parse()?,
//!     link_id: LinkId::from_bytes([1; 16]), // 16 random bytes
//!     issued_at: now,
//!     not_before: None,
//!     expires_at: now.plus(Duration::from_secs(3600)),
//!     path: PathRule::Exact(path),
//!     terms: Terms::new(Permission::Read),
//! };
//! let token = sign(&claims, &key)?;
//!
//! let ring = KeyRing::new([key])?;
//! let mut presented = Presented {
//!     token: token.expose(),
//!     raw_path: "/o/reports/q3%20final.pdf",
//!     base_path: "",
//!     method: Method::Get,
//!     client: "192.0.2.7".parse()?,
//!     now,
//!     expiry_leniency: Duration::ZERO,
//! };
//! let named = Resource::Object { bucket: "reports".parse()?, key: "q3 final.pdf".parse()? };
//! assert_eq!(verify(&presented, &ring)?.resource(), &named);
//! presented.method = Method::Put;
//! assert_eq!(verify(&presented, &ring).unwrap_err(), Refusal::WrongMethod);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is on the wire
//!
//! `61(17([protected, {}, payload, mac]))`, deterministic CBOR ([RFC 8949 §4.2.1]). The protected header holds `alg` and `kid`
//! and nothing else. The payload is a map:
//!
//! | label | claim | value |
//! | --- | --- | --- |
//! | 1 | `iss` | text: the tenant |
//! | 4, 5, 6 | `exp`, `nbf`, `iat` | seconds since the epoch; `nbf` may be absent |
//! | 7 | `cti` | 16 bytes: the link id |
//! | 308 | `catreplay` | 1 beside `uses` = 1, else absent |
//! | 311 | `catnip` | array of [RFC 9164] addresses and prefixes: tag 52 or 54 |
//! | 312 | `catu` | `{3: {0: path}}` exact, `{3: {1: prefix}}` prefix |
//! | 313 | `catm` | array of method names |
//! | [`PRIVATE_CLAIM`] | | map of the other terms, below; absent if empty |
//!
//! | key | term | value |
//! | --- | --- | --- |
//! | 0 | dialect | 1 Autodesk, 2 Redivis, 3 Datalab, 4 FlexPortal; native is left out |
//! | 1 | uses | 1 to 2³²−1 |
//! | 2 | counting | 1 started; completed is left out |
//! | 3 | disposition | 0 attachment, 1 inline |
//! | 4 | file name | text without control characters |
//! | 5 | content type | printable ASCII |
//! | 6 | generation pin | 16 bytes |
//! | 7, 8 | smallest, largest upload in bytes | unsigned; 0 is left out of 7 |
//! | 9 | media types of an upload | array of `type/subtype` or `type/*` |
//! | 10 | digest of an upload | `[0, SHA-256]`, `[1, MD5]`, `[2, CRC-32C big-endian]` |
//! | 11 | upload mode | 1 replace, 2 reserved; create is left out |
//! | 12 | label | text |
//! | 13 | issuing principal | text: an API key's id |
//! | 14 | incarnation | 16 bytes: a file id |
//!
//! # What is read
//!
//! Tokens of other implementations too: any well-formed CBOR, tag 17 without 61, `kid` in the unprotected header instead,
//! integral floats as times, methods in any order, `catv` = 1, `catreplay` of 0, `catreplay` of 1 alone (one use). Everything
//! else that could restrict and is not in the tables is a refusal: it cannot be enforced, so it is not ignored.
//!
//! # Order of the checks
//!
//! That of [`Refusal`](valetkey_model::Refusal), each as the first that applies:
//!
//! 1. `malformed`: size, base64url, CBOR, COSE header, claims, contradictions among them.
//! 2. `unknown_key`: no key has this `kid`.
//! 3. `bad_signature`: algorithm, then MAC; then what the key may sign: its tenant, owner, lifetime, buckets, prefixes,
//!    permission, reach.
//! 4. `not_yet_valid`: `nbf` or `iat` more than [`CLOCK_SKEW`] ahead.
//! 5. `expired`: from the second `exp` on, without skew.
//! 6. `wrong_path`, `wrong_method`, `wrong_address`.
//! 7. `revoked`: the key was revoked. Whoever revokes a key takes back every URL signed with it, and that is what the holder
//!    is told; without the right MAC the same key gives `bad_signature`.
//!
//! # Rejected alternatives
//!
//! JWT is longer and lets a header choose the algorithm. Signing a canonical *request* (as S3 does) needs every proxy to leave
//! it alone. A CBOR crate brings a generic tree or derive macros; the claims have one fixed shape, and the reader for it never
//! recurses on foreign data.
//!
//! [RFC 8392]: https://www.rfc-editor.org/rfc/rfc8392
//! [RFC 8949 §4.2.1]: https://www.rfc-editor.org/rfc/rfc8949#section-4.2.1
//! [RFC 9052]: https://www.rfc-editor.org/rfc/rfc9052
//! [RFC 9164]: https://www.rfc-editor.org/rfc/rfc9164

mod cbor;
mod claims;
mod cose;
mod error;
mod key;
mod path;
mod peek;
mod sign;
mod verify;

pub use claims::{Claims, PRIVATE_CLAIM, PathRule};
pub use error::SignError;
pub use key::{Algorithm, KeyLimits, KeyOwner, KeyReach, KeyRing, KeyState, SigningKey};
pub use path::{
    Resource, canonical_file_path, canonical_object_path, decode_object_path, decode_path, granted_bucket, granted_prefix,
    parse_raw_file_id, raw_file_id,
};
pub use peek::dialect_of_damaged;
pub use sign::sign;
pub use verify::{Claimed, Presented, Verified, claimed, claimed_dialect, claimed_methods, verify};

/// The longest token that is made or read, in characters.
pub const MAX_TOKEN_CHARS: usize = 2048;

/// How far a signer's clock may be ahead of ours: forgiven on `nbf` and `iat`, never on `exp`.
pub const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(60);
