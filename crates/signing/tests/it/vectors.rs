//! `vectors/tokens.json`: what it holds is what the cases here generate, and `verify` does what it says.

use crate::cases;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use valetkey_model::{
    ApiKeyId, BucketName, FileId, LinkId, Method, Permission, Refusal, Secret, SigningKeyId, TenantName, Terms, Timestamp,
};
use valetkey_signing::{
    Algorithm, Claims, KeyLimits, KeyOwner, KeyReach, KeyRing, KeyState, PathRule, Presented, Resource, SigningKey, sign, verify,
};

const COMMITTED: &str = include_str!("../../../../vectors/tokens.json");

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    pub(crate) about: String,
    pub(crate) keys: Vec<VectorKey>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorKey {
    pub(crate) kid: SigningKeyId,
    pub(crate) tenant: TenantName,
    pub(crate) algorithm: String,
    pub(crate) secret_hex: String,
    pub(crate) state: String,
    /// The API key that owns it; `None` is the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<ApiKeyId>,
    pub(crate) max_lifetime_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) buckets: Option<Vec<BucketName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefixes: Option<Vec<String>>,
    pub(crate) permission: Permission,
    pub(crate) shared: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) request: Request,
    /// `accepted` or the code of the refusal.
    pub(crate) expected: String,
    /// Of an accepted case: the object that the path names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Object>,
    /// Of an accepted case: the file that the path names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileId>,
    /// What to sign, and with which key, to get exactly this token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sign: Option<ToSign>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) base_path: String,
    pub(crate) address: std::net::IpAddr,
    pub(crate) now: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) expiry_leniency_seconds: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Object {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToSign {
    pub(crate) kid: SigningKeyId,
    pub(crate) iss: TenantName,
    pub(crate) cti_hex: String,
    pub(crate) iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
    pub(crate) exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_prefix: Option<String>,
    pub(crate) terms: Terms,
}

impl VectorKey {
    pub(crate) fn signing_key(&self) -> SigningKey {
        let mut limits = KeyLimits::default()
            .with_max_lifetime(Duration::from_secs(self.max_lifetime_seconds))
            .unwrap()
            .with_permission(self.permission)
            .with_reach(if self.shared { KeyReach::Shared } else { KeyReach::OriginOnly });
        if let Some(buckets) = &self.buckets {
            limits = limits.with_buckets(buckets.iter().cloned());
        }
        if let Some(prefixes) = &self.prefixes {
            limits = limits.with_prefixes(prefixes.iter().map(String::as_str)).unwrap();
        }
        let owner = self.owner.clone().map_or(KeyOwner::Server, KeyOwner::ApiKey);
        let algorithm = Algorithm::parse(&self.algorithm).unwrap();
        let secret = Secret::new(from_hex(&self.secret_hex));
        SigningKey::new(self.kid.clone(), self.tenant.clone(), algorithm, owner, &secret)
            .unwrap()
            .with_state(KeyState::parse(&self.state).unwrap())
            .with_limits(limits)
    }
}

impl ToSign {
    pub(crate) fn of(kid: &SigningKeyId, claims: &Claims) -> Self {
        let (path, path_prefix) = match claims.path.clone() {
            PathRule::Exact(path) => (Some(path), None),
            PathRule::Prefix(prefix) => (None, Some(prefix)),
        };
        Self {
            kid: kid.clone(),
            iss: claims.tenant.clone(),
            cti_hex: to_hex(claims.link_id.as_bytes()),
            iat: claims.issued_at.as_seconds(),
            nbf: claims.not_before.map(Timestamp::as_seconds),
            exp: claims.expires_at.as_seconds(),
            path,
            path_prefix,
            terms: claims.terms.clone(),
        }
    }

    pub(crate) fn claims(&self) -> Claims {
        Claims {
            tenant: self.iss.clone(),
            link_id: LinkId::from_bytes(from_hex(&self.cti_hex).try_into().unwrap()),
            issued_at: Timestamp::from_seconds(self.iat),
            not_before: self.nbf.map(Timestamp::from_seconds),
            expires_at: Timestamp::from_seconds(self.exp),
            path: match (&self.path, &self.path_prefix) {
                (Some(path), None) => PathRule::Exact(path.clone()),
                (None, Some(prefix)) => PathRule::Prefix(prefix.clone()),
                _ => panic!("expected either `path` or `path_prefix`"),
            },
            terms: self.terms.clone(),
        }
    }
}

impl Case {
    pub(crate) fn presented(&self) -> Presented<'_> {
        Presented {
            token: &self.token,
            raw_path: &self.request.path,
            base_path: &self.request.base_path,
            method: Method::parse(&self.request.method).unwrap(),
            client: self.request.address,
            now: Timestamp::from_seconds(self.request.now),
            expiry_leniency: Duration::from_secs(self.request.expiry_leniency_seconds),
        }
    }
}

pub(crate) fn ring(keys: &[VectorKey]) -> KeyRing {
    KeyRing::new(keys.iter().map(VectorKey::signing_key)).unwrap()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "writes the committed file, when asked to and not otherwise")]
fn the_committed_file_is_what_the_cases_generate() {
    let mut generated = serde_json::to_string_pretty(&cases::vectors()).unwrap();
    generated.push('\n');
    if std::env::var_os("VALETKEY_WRITE_VECTORS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/tokens.json"), &generated).unwrap();
        return;
    }
    assert!(
        generated == COMMITTED,
        "vectors/tokens.json differs; generate it with VALETKEY_WRITE_VECTORS=1 and look at the diff"
    );
}

#[test]
fn every_committed_case_ends_as_it_says() {
    let vectors: Vectors = serde_json::from_str(COMMITTED).unwrap();
    let ring = ring(&vectors.keys);
    let mut wrong = Vec::new();
    for case in &vectors.cases {
        let found = match verify(&case.presented(), &ring) {
            Ok(verified) => match verified.resource() {
                Resource::Object { bucket, key } => {
                    ("accepted", Some(Object { bucket: bucket.to_string(), key: key.to_string() }), None)
                }
                Resource::File(file) => ("accepted", None, Some(*file)),
            },
            Err(refusal) => (refusal.code(), None, None),
        };
        let expected = (case.expected.as_str(), case.object.clone(), case.file);
        if found != expected {
            wrong.push(format!("{}: {found:?}, expected {expected:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_says_how_it_was_signed_signs_to_the_same_token_and_reads_back() {
    let vectors: Vectors = serde_json::from_str(COMMITTED).unwrap();
    let ring = ring(&vectors.keys);
    let mut n_signed = 0;
    for case in vectors.cases.iter() {
        let Some(to_sign) = &case.sign else { continue };
        n_signed += 1;
        let key = ring.find(to_sign.kid.as_str()).unwrap();
        // A key that does not sign any more once did.
        let key = SigningKey::clone(key).with_state(KeyState::Active);
        assert_eq!(sign(&to_sign.claims(), &key).unwrap().expose(), case.token, "{}", case.name);
        if let Ok(verified) = verify(&case.presented(), &ring) {
            let mut claims = to_sign.claims();
            if let KeyOwner::ApiKey(owner) = key.owner() {
                claims.terms.issuer = Some(owner.clone());
            }
            assert_eq!(verified.claims(), &claims, "{}", case.name);
        }
    }
    assert!(n_signed > 20, "{n_signed}");
}

#[test]
fn names_are_unique_and_every_refusal_of_this_crate_is_among_them() {
    let vectors: Vectors = serde_json::from_str(COMMITTED).unwrap();
    let mut names: Vec<_> = vectors.cases.iter().map(|case| &case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), vectors.cases.len());
    let made_here = [
        Refusal::Malformed,
        Refusal::UnknownKey,
        Refusal::BadSignature,
        Refusal::NotYetValid,
        Refusal::Expired,
        Refusal::WrongPath,
        Refusal::WrongMethod,
        Refusal::WrongAddress,
        Refusal::Revoked,
    ];
    for refusal in made_here {
        assert!(vectors.cases.iter().any(|case| case.expected == refusal.code()), "{refusal:?}");
    }
}
