//! The Rust crate `common-access-token`, which is not ours: it verifies our tokens, and we verify its.

use crate::cases;
use crate::vectors::{from_hex, ring};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common_access_token::{
    Algorithm, CborValue, KeyId, RegisteredClaims, Token, TokenBuilder, VerificationOptions, cat_keys, uri_components,
};
use std::collections::BTreeMap;
use valetkey_model::Refusal;
use valetkey_signing::{PRIVATE_CLAIM, verify};

const ISSUED: u64 = 1_800_000_000;
const PATH: &str = "/o/reports/2026/q3.pdf";

fn secret() -> Vec<u8> {
    from_hex(&cases::vectors().keys.first().unwrap().secret_hex)
}

/// Each of our tokens that it can read, it proves, and it agrees on path, method and claims.
#[test]
fn it_verifies_what_we_sign() {
    let vectors = cases::vectors();
    let (mut n_verified, mut unreadable) = (0, Vec::new());
    for case in vectors.cases.iter().filter(|case| case.expected == "accepted") {
        let Some(to_sign) = &case.sign else { continue };
        let key = vectors.keys.iter().find(|key| key.kid == to_sign.kid).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&case.token).unwrap();
        let token = match Token::from_bytes(&bytes) {
            Ok(token) => token,
            Err(_) => {
                unreadable.push(case);
                continue;
            }
        };
        token.verify(&from_hex(&key.secret_hex)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert!(token.verify(&[0x55; 32]).is_err(), "{}", case.name);
        assert_eq!(token.issuer(), Some(to_sign.iss.as_str()), "{}", case.name);
        assert_eq!(token.expiration(), u64::try_from(to_sign.exp).ok(), "{}", case.name);
        let options = |method: &str, path: &str| {
            VerificationOptions::new()
                .verify_exp(false)
                .verify_nbf(false)
                .verify_catu(true)
                .uri(format!("https://files.example{path}"))
                .verify_catm(true)
                .http_method(method)
        };
        let granted = to_sign.path.clone().unwrap_or_else(|| format!("{}x", to_sign.path_prefix.clone().unwrap()));
        // It takes `catm` literally, as do we but for HEAD, which every token of ours lists.
        token.verify_claims(&options(&case.request.method, &granted)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert!(token.verify_claims(&options("TRACE", &granted)).is_err(), "{}", case.name);
        assert!(token.verify_claims(&options(&case.request.method, "/o/other/x")).is_err(), "{}", case.name);
        n_verified += 1;
    }
    assert!(n_verified > 40, "{n_verified}");
    // What it cannot read: `catnip` as RFC 9164 writes it, since it reads no tags within claims.
    assert!(!unreadable.is_empty());
    for case in unreadable {
        assert!(!case.sign.as_ref().unwrap().terms.addresses.is_empty(), "{}", case.name);
    }
}

fn theirs(edit: impl FnOnce(TokenBuilder) -> TokenBuilder) -> String {
    theirs_without_kid(|builder| edit(builder.protected_key_id(KeyId::binary(*b"app-1"))))
}

fn theirs_without_kid(edit: impl FnOnce(TokenBuilder) -> TokenBuilder) -> String {
    let claims = RegisteredClaims::new()
        .with_issuer("acme")
        .with_expiration(ISSUED + 3600)
        .with_issued_at(ISSUED)
        .with_cti(*b"0123456789abcdef");
    let path = BTreeMap::from([(0, CborValue::Text(PATH.to_owned()))]);
    let builder = TokenBuilder::new()
        .algorithm(Algorithm::HmacSha256)
        .registered_claims(claims)
        .custom_map(cat_keys::CATU, BTreeMap::from([(uri_components::PATH, CborValue::Map(path))]))
        .custom_array(cat_keys::CATM, vec![CborValue::Text("GET".to_owned())]);
    URL_SAFE_NO_PAD.encode(edit(builder).sign(&secret()).unwrap().to_bytes().unwrap())
}

#[test]
fn we_verify_what_it_signs() {
    let vectors = cases::vectors();
    let ring = ring(&vectors.keys);
    let check = |name: &str, token: String, expected: Result<(), Refusal>| {
        let mut case = vectors.cases.first().unwrap().clone();
        case.token = token;
        assert_eq!(verify(&case.presented(), &ring).map(|_| ()), expected, "{name}");
    };
    check("plain", theirs(|builder| builder), Ok(()));
    check("kid unprotected", theirs_without_kid(|builder| builder.unprotected_key_id(KeyId::binary(*b"app-1"))), Ok(()));
    check("kid in both", theirs(|builder| builder.unprotected_key_id(KeyId::binary(*b"app-1"))), Err(Refusal::Malformed));
    // It can write `kid` as text, which RFC 9052 §3.1 does not have.
    check("kid as text", theirs_without_kid(|builder| builder.protected_key_id(KeyId::string("app-1"))), Err(Refusal::Malformed));
    check("catreplay", theirs(|builder| builder.custom_int(cat_keys::CATREPLAY, 1)), Ok(()));
    check("catv", theirs(|builder| builder.custom_int(cat_keys::CATV, 1)), Ok(()));
    check("a claim of its own", theirs(|builder| builder.custom_int(-70_000, 1)), Err(Refusal::Malformed));
    // Its `catnip` holds text, not the tagged bytes of RFC 9164.
    let networks = vec![CborValue::Text("192.0.2.0/24".to_owned())];
    check("catnip", theirs(|builder| builder.custom_array(cat_keys::CATNIP, networks)), Err(Refusal::Malformed));
    let private = BTreeMap::from([(1, CborValue::Integer(2)), (4, CborValue::Text("q3.pdf".to_owned()))]);
    let label = i32::try_from(PRIVATE_CLAIM).unwrap();
    check("private claim", theirs(|builder| builder.custom_map(label, private)), Ok(()));
}
