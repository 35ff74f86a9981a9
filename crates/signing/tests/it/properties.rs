//! What holds for all claims and for all input.

use crate::cases;
use crate::forge::{Forge, raw};
use crate::vectors::{Case, VectorKey, from_hex, ring};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;
use valetkey_model::{
    BlobId, Counting, Dialect, DigestRule, Disposition, FileId, LinkId, MediaTypeRule, Method, Network, ObjectKey, Permission,
    PutMode, Refusal, Terms, Timestamp, UploadRules,
};
use valetkey_signing::{
    Claims, KeyLimits, KeyRing, PathRule, Presented, Resource, SignError, SigningKey, canonical_object_path, claimed_methods,
    decode_object_path, sign, verify,
};

const ISSUED: i64 = 1_800_000_000;

/// The keys of the vectors, and their plain case.
static PLAIN: LazyLock<(Vec<VectorKey>, Case)> = LazyLock::new(|| {
    let mut vectors = cases::vectors();
    (vectors.keys, vectors.cases.remove(0))
});

fn secret() -> Vec<u8> {
    from_hex(&PLAIN.0[0].secret_hex)
}

fn key() -> SigningKey {
    let limits = KeyLimits::default().with_max_lifetime(KeyLimits::LIFETIME_CAP).unwrap();
    PLAIN.0[0].signing_key().with_limits(limits)
}

fn object_key() -> impl Strategy<Value = ObjectKey> {
    let segment = "[^/\\p{Cc}]{1,12}";
    vec(segment, 1..4)
        .prop_map(|segments| segments.join("/"))
        .prop_filter_map("not a plain path", |key| key.parse::<ObjectKey>().ok().filter(ObjectKey::is_plain_path))
}

fn network() -> impl Strategy<Value = Network> {
    let v4 = (any::<[u8; 4]>(), 0..=32u8).prop_map(|(octets, prefix)| (IpAddr::from(octets), prefix));
    let v6 = (any::<[u8; 16]>(), 0..=128u8).prop_map(|(octets, prefix)| (IpAddr::from(octets), prefix));
    prop_oneof![v4, v6].prop_filter_map("not a network", |(address, prefix)| Network::new(address, prefix))
}

fn upload_rules() -> impl Strategy<Value = UploadRules> {
    let types = vec("[a-z]{1,8}/([a-z0-9.+-]{1,8}|\\*)", 0..3);
    let digest = prop_oneof![
        any::<[u8; 32]>().prop_map(DigestRule::Sha256),
        any::<[u8; 16]>().prop_map(DigestRule::Md5),
        any::<[u8; 4]>().prop_map(DigestRule::Crc32c),
    ];
    let mode = prop_oneof![Just(PutMode::Create), Just(PutMode::Replace), Just(PutMode::Reserved)];
    (any::<u64>(), any::<Option<u64>>(), types, option::of(digest), mode).prop_map(
        |(min_bytes, max_bytes, types, digest, mode)| UploadRules {
            min_bytes,
            max_bytes,
            types: types.iter().map(|rule| MediaTypeRule::parse(rule).unwrap()).collect(),
            digest,
            mode,
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    let dialect = prop_oneof![
        Just(Dialect::Native),
        Just(Dialect::Autodesk),
        Just(Dialect::Redivis),
        Just(Dialect::Datalab),
        Just(Dialect::FlexPortal)
    ];
    let permission = prop_oneof![Just(Permission::Read), Just(Permission::Write), Just(Permission::ReadWrite)];
    let disposition = option::of(prop_oneof![Just(Disposition::Attachment), Just(Disposition::Inline)]);
    let shown = (disposition, option::of("\\PC{1,20}"), option::of("[ -~]{1,20}"));
    let counted = (option::of(1..u32::MAX), any::<bool>());
    let issued = (option::of(".{0,20}"), option::of("[A-Za-z0-9._-]{1,20}"));
    let bound = any::<(Option<[u8; 16]>, Option<[u8; 16]>)>();
    (dialect, permission, counted, shown, vec(network(), 0..4), bound, upload_rules(), issued).prop_map(
        |(dialect, permission, (uses, started), (disposition, file_name, content_type), addresses, bound, upload, issued)| {
            Terms {
                dialect,
                permission,
                uses: uses.and_then(NonZeroU32::new),
                counting: if started { Counting::Started } else { Counting::Completed },
                disposition,
                file_name,
                content_type,
                addresses,
                pin: bound.0.map(BlobId::from_bytes),
                incarnation: bound.1.map(FileId::from_bytes),
                upload,
                label: issued.0,
                issuer: issued.1.map(|id| id.parse().unwrap()),
            }
        },
    )
}

/// Claims that can be signed, and the key of the object that they are for.
fn claims() -> impl Strategy<Value = (Claims, ObjectKey)> {
    let times = (0..1000i64, 1..400 * 24 * 3600i64, option::of(0.0..1.0f64));
    (any::<[u8; 16]>(), times, object_key(), any::<bool>(), terms()).prop_map(
        |(link_id, (ago, lifetime, begins), object_key, is_prefix, mut terms)| {
            let path = canonical_object_path("/base", &"reports".parse().unwrap(), &object_key);
            let path = if is_prefix {
                terms = Terms { permission: Permission::Read, uses: None, pin: None, incarnation: None, ..terms };
                PathRule::Prefix(path[..=path.rfind('/').unwrap()].to_owned())
            } else {
                PathRule::Exact(path)
            };
            let issued_at = ISSUED - ago;
            let not_before = begins.map(|fraction| issued_at + (fraction * lifetime as f64) as i64);
            let claims = Claims {
                tenant: "acme".parse().unwrap(),
                link_id: LinkId::from_bytes(link_id),
                issued_at: Timestamp::from_seconds(issued_at),
                not_before: not_before.map(Timestamp::from_seconds),
                expires_at: Timestamp::from_seconds(issued_at + lifetime),
                path,
                terms,
            };
            (claims, object_key)
        },
    )
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_verified((claims, object_key) in claims()) {
        let key = key();
        let token = match sign(&claims, &key) {
            Err(SignError::TooLong { .. }) => return Err(TestCaseError::reject("too long")),
            token => token.unwrap(),
        };
        let path = canonical_object_path("/base", &"reports".parse().unwrap(), &object_key);
        let mut methods = Method::ALL.into_iter().filter(|method| claims.terms.permission.allows(*method));
        let presented = Presented {
            token: token.expose(),
            raw_path: &path,
            base_path: "/base",
            method: methods.next_back().unwrap(),
            client: claims.terms.addresses.first().map_or(IpAddr::from([192, 0, 2, 7]), Network::address),
            now: claims.not_before.unwrap_or(claims.issued_at),
            expiry_leniency: Duration::ZERO,
        };
        let verified = verify(&presented, &KeyRing::new([key]).unwrap()).unwrap();
        prop_assert_eq!(verified.claims(), &claims);
        let named = Resource::Object { bucket: "reports".parse().unwrap(), key: object_key };
        prop_assert_eq!(verified.resource(), &named);
        prop_assert!(!verified.past_expiry());
    }

    #[test]
    fn distinct_claims_have_distinct_tokens((one, _) in claims(), (other, _) in claims(), take in 0..7usize) {
        // Two sets of claims that differ in as little as one of them.
        let mut mixed = one.clone();
        match take {
            0 => mixed.link_id = other.link_id,
            1 => mixed.expires_at = other.expires_at,
            2 => mixed.not_before = other.not_before,
            3 => mixed.path = other.path,
            4 => mixed.terms.file_name = other.terms.file_name,
            5 => mixed.terms.upload = other.terms.upload,
            _ => mixed.terms.addresses = other.terms.addresses,
        }
        let key = key();
        if let (Ok(one_token), Ok(mixed_token)) = (sign(&one, &key), sign(&mixed, &key)) {
            prop_assert_eq!(one_token.expose() == mixed_token.expose(), one == mixed);
        }
    }

    #[test]
    fn a_path_names_one_object_and_an_object_one_path(key in object_key()) {
        let bucket = "reports".parse().unwrap();
        let path = canonical_object_path("/base", &bucket, &key);
        prop_assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)));
        prop_assert_eq!(decode_object_path("/base", &path), Ok((bucket, key)));
    }

    #[test]
    fn what_a_raw_path_names_is_a_plain_path(path in "/o/reports/([a-z./\\\\%]|%[0-9a-fA-F]{2}){0,20}") {
        match decode_object_path("", &path) {
            Ok((_, key)) => prop_assert!(key.is_plain_path()),
            Err(refusal) => prop_assert_eq!(refusal, Refusal::WrongPath),
        }
    }

    #[test]
    fn any_text_is_refused(token in ".{0,200}", path in ".{0,40}") {
        let mut case = PLAIN.1.clone();
        case.token = token;
        case.request.path = path;
        prop_assert!(verify(&case.presented(), &ring(&PLAIN.0)).is_err());
        prop_assert_eq!(claimed_methods(&case.token), None);
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in vec(any::<u8>(), 0..300)) {
        let mut case = PLAIN.1.clone();
        case.token = Forge::new("app-1", &secret(), raw(&payload)).token();
        prop_assert_eq!(verify(&case.presented(), &ring(&PLAIN.0)).unwrap_err(), Refusal::Malformed);
    }

    /// A payload changed before it is signed is refused, or says something that signs again.
    #[test]
    fn any_changed_payload_is_read_or_refused(
        (claims, _) in claims(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let key = key();
        let Ok(token) = sign(&claims, &key) else { return Ok(()) };
        let mut payload = payload_of(token.expose());
        let at = at.index(payload.len());
        payload[at] = with;
        let token = Forge::new("app-1", &secret(), raw(&payload)).token();
        let presented = Presented {
            token: &token,
            raw_path: "/base/o/reports/x",
            base_path: "/base",
            method: Method::Get,
            client: IpAddr::from([192, 0, 2, 7]),
            now: claims.issued_at,
            expiry_leniency: Duration::ZERO,
        };
        let claimed = claimed_methods(&token);
        if let Ok(verified) = verify(&presented, &KeyRing::new([key.clone()]).unwrap()) {
            prop_assert!(claimed.is_some_and(|methods| methods.contains(&Method::Get)));
            prop_assert!(sign(verified.claims(), &key).is_ok());
        }
    }
}

/// The payload within a token that `sign` made: the byte string before the MAC's 34 bytes.
fn payload_of(token: &str) -> Vec<u8> {
    use base64::Engine as _;
    let message = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap();
    // d8 3d d1 84, the protected header and its head, an empty map.
    let protected_bytes = usize::from(message[4] & 0x1f);
    let rest = &message[5 + protected_bytes + 1..message.len() - 34];
    match rest[0] {
        0x58 => rest[2..].to_vec(),
        0x59 => rest[3..].to_vec(),
        head => panic!("a payload of fewer bytes than any has: {head:#x}"),
    }
}
