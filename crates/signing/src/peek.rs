//! What a damaged token still says of itself: good for the shape of its refusal, and for nothing else.

use crate::MAX_TOKEN_CHARS;
use crate::claims::DIALECTS;
use valetkey_model::Dialect;

/// The private claim's label as we write it, one byte and `vkey`. Its map follows, and the dialect is first in it.
const LABEL: [u8; 5] = *b"\x3avkey";

/// The dialect that is claimed by a token which [`claimed_dialect`](crate::claimed_dialect) cannot read, because it was damaged on its
/// way: cut, mistyped, sent along with a full stop. It still says so if the few characters are there that carry the claim, wherever they
/// stand. `None` if nothing is said. Only the shape of a refusal may depend on it.
///
/// Any bytes will do; it looks at no more than [`MAX_TOKEN_CHARS`] of them, and takes time in proportion.
pub fn dialect_of_damaged(token: &[u8]) -> Option<Dialect> {
    let token = token.get(..MAX_TOKEN_CHARS).unwrap_or(token);
    // Four characters are three bytes: where some were lost before it, the claim begins elsewhere among the four.
    (0..4).filter_map(|n_skipped| token.get(n_skipped..)).find_map(|rest| labelled(&decoded(rest)))
}

fn labelled(bytes: &[u8]) -> Option<Dialect> {
    bytes.windows(LABEL.len() + 3).find_map(|window| match window.strip_prefix(&LABEL)? {
        // The head of a map, the key of the dialect, its number.
        [0xa1..=0xb7, 0, number] => {
            DIALECTS.into_iter().find_map(|(known, dialect)| (known == u64::from(*number)).then_some(dialect))
        }
        _ => None,
    })
}

/// The bytes of a text in base64; characters that are none count as zeros.
fn decoded(text: &[u8]) -> Vec<u8> {
    let quads = text.chunks(4).flat_map(|quad| {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | quad.get(at).map_or(0, |character| sextet(*character)));
        let [_, bytes @ ..] = u32::to_be_bytes(bits);
        bytes
    });
    quads.collect()
}

fn sextet(character: u8) -> u32 {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => 0,
    };
    u32::from(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::private;
    use crate::{Algorithm, Claims, KeyOwner, PRIVATE_CLAIM, PathRule, SigningKey, claimed_dialect, sign};
    use proptest::prelude::*;
    use valetkey_model::{LinkId, Permission, Secret, Terms, Timestamp};

    fn token(dialect: Dialect) -> String {
        let (kid, tenant) = ("app-1".parse().unwrap(), "acme".parse().unwrap());
        let key = SigningKey::new(kid, tenant, Algorithm::Hs256, KeyOwner::Server, &Secret::new([1; 32])).unwrap();
        let mut terms = Terms::new(Permission::Read);
        terms.dialect = dialect;
        let claims = Claims {
            tenant: "acme".parse().unwrap(),
            link_id: LinkId::from_bytes([1; 16]),
            issued_at: Timestamp::from_seconds(1_000),
            not_before: None,
            expires_at: Timestamp::from_seconds(2_000),
            path: PathRule::Exact("/o/reports/x".to_owned()),
            terms,
        };
        sign(&claims, &key).unwrap().expose().to_owned()
    }

    /// The characters that carry the label and the dialect.
    fn essential(token: &str) -> std::ops::Range<usize> {
        let bytes = decoded(token.as_bytes());
        let at = bytes.windows(LABEL.len()).position(|window| window == LABEL).unwrap();
        at / 3 * 4..(at + LABEL.len() + 3).div_ceil(3) * 4
    }

    #[test]
    fn the_label_is_the_claims() {
        assert_eq!(-1 - i64::from_be_bytes([0, 0, 0, 0, b'v', b'k', b'e', b'y']), PRIVATE_CLAIM);
        assert_eq!(private::DIALECT, 0);
    }

    #[test]
    fn whole_tokens() {
        for (_, dialect) in DIALECTS {
            let token = token(dialect);
            assert_eq!((claimed_dialect(&token), dialect_of_damaged(token.as_bytes())), (Some(dialect), Some(dialect)));
        }
        // A native token does not say that it is one.
        let native = token(Dialect::Native);
        assert_eq!((claimed_dialect(&native), dialect_of_damaged(native.as_bytes())), (Some(Dialect::Native), None));
    }

    #[test]
    fn damaged_tokens() {
        let whole = token(Dialect::Datalab);
        let essential = essential(&whole);
        let check = |damaged: &[u8], what: &str, at: usize| {
            assert_eq!(dialect_of_damaged(damaged), Some(Dialect::Datalab), "{what} at {at} of {whole}");
        };
        for at in (0..whole.len()).filter(|at| !essential.contains(at)) {
            for wrong in [&b"!"[..], b"%zz", b"\xff", b"\0\0", b"", b"="] {
                let damaged = [&whole.as_bytes()[..at], wrong, &whole.as_bytes()[at + 1..]].concat();
                check(&damaged, "another character", at);
            }
        }
        for at in 0..whole.len() {
            let (before, rest) = whole.as_bytes().split_at(at);
            if at <= essential.start {
                check(rest, "the rest", at);
                check(&[before, b".", rest].concat(), "one more", at);
            }
            if at >= essential.end {
                check(before, "the beginning", at);
            }
        }
        check(format!("{whole}.").as_bytes(), "a full stop", whole.len());
        check(format!("{whole}{}", "A".repeat(5000)).as_bytes(), "too long", whole.len());
        check(whole.replace('-', "+").replace('_', "/").as_bytes(), "the other alphabet", 0);
    }

    #[test]
    fn what_says_nothing() {
        let whole = token(Dialect::FlexPortal);
        let essential = essential(&whole);
        for nothing in ["", "A", "vkey", &"A".repeat(10_000), &whole[..essential.start], &whole[essential.end..]] {
            assert_eq!(dialect_of_damaged(nothing.as_bytes()), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let _ = dialect_of_damaged(&bytes);
        }
    }
}
