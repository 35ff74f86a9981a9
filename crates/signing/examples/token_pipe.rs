//! Signs and verifies tokens for programs in other languages: a line of JSON in, a line of JSON out.
//!
//! A line holds a `key` (`kid`, `tenant`, `secret_hex`) and either `sign`, the claims to sign, or `verify`, a token and its
//! request. The answer is `{"token": …}`, `{"accepted": {"bucket", "key", "terms"}}` or `{"refused": code}`; `{"error": …}` is
//! what cannot be asked or signed.
#![expect(clippy::print_stdout, reason = "standard output is what it is for")]

use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::BufRead as _;
use std::net::IpAddr;
use std::time::Duration;
use valetkey_model::{LinkId, Method, Secret, SigningKeyId, TenantName, Terms, Timestamp};
use valetkey_signing::{Algorithm, Claims, KeyOwner, KeyRing, PathRule, Presented, Resource, SigningKey, sign, verify};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Key,
    sign: Option<ToSign>,
    verify: Option<ToVerify>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kid: SigningKeyId,
    tenant: TenantName,
    secret_hex: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToSign {
    iss: TenantName,
    cti_hex: String,
    iat: i64,
    nbf: Option<i64>,
    exp: i64,
    path: Option<String>,
    path_prefix: Option<String>,
    terms: Terms,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToVerify {
    token: String,
    method: String,
    path: String,
    address: IpAddr,
    now: i64,
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() })));
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value, Box<dyn Error>> {
    let line: Line = serde_json::from_str(line)?;
    let secret = Secret::new(from_hex(&line.key.secret_hex)?);
    let key = SigningKey::new(line.key.kid, line.key.tenant, Algorithm::Hs256, KeyOwner::Server, &secret)?;
    match (line.sign, line.verify) {
        (Some(to_sign), None) => Ok(json!({ "token": sign(&claims(to_sign)?, &key)?.expose() })),
        (None, Some(to_verify)) => {
            let presented = Presented {
                token: &to_verify.token,
                raw_path: &to_verify.path,
                base_path: "",
                method: Method::parse(&to_verify.method).ok_or("not a method")?,
                client: to_verify.address,
                now: Timestamp::from_seconds(to_verify.now),
                expiry_leniency: Duration::ZERO,
            };
            Ok(match verify(&presented, &KeyRing::new([key])?) {
                Ok(verified) => {
                    let terms = &verified.claims().terms;
                    match verified.resource() {
                        Resource::Object { bucket, key } => {
                            json!({ "accepted": { "bucket": bucket, "key": key, "terms": terms } })
                        }
                        Resource::File(file) => json!({ "accepted": { "file": file, "terms": terms } }),
                    }
                }
                Err(refusal) => json!({ "refused": refusal.code() }),
            })
        }
        _ => Err("expected either `sign` or `verify`".into()),
    }
}

fn claims(to_sign: ToSign) -> Result<Claims, Box<dyn Error>> {
    let cti = from_hex(&to_sign.cti_hex)?.try_into().map_err(|_| "`cti_hex` is not 16 bytes")?;
    Ok(Claims {
        tenant: to_sign.iss,
        link_id: LinkId::from_bytes(cti),
        issued_at: Timestamp::from_seconds(to_sign.iat),
        not_before: to_sign.nbf.map(Timestamp::from_seconds),
        expires_at: Timestamp::from_seconds(to_sign.exp),
        path: match (to_sign.path, to_sign.path_prefix) {
            (Some(path), None) => PathRule::Exact(path),
            (None, Some(prefix)) => PathRule::Prefix(prefix),
            _ => return Err("expected either `path` or `path_prefix`".into()),
        },
        terms: to_sign.terms,
    })
}

fn from_hex(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>().ok_or("not hexadecimal")?;
    let bytes = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    if digits.len() % 2 == 1 { Err("half a byte".into()) } else { Ok(bytes.map(|byte| byte as u8).collect()) }
}
