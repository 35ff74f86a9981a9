//! No changed token is accepted.

use crate::cases;
use crate::vectors::ring;
use valetkey_signing::verify;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every character of every accepted token that `sign` made, replaced by every other one: each change of up to six bits.
#[test]
fn any_changed_character_is_refused() {
    let vectors = cases::vectors();
    let ring = ring(&vectors.keys);
    let signed = vectors.cases.iter().filter(|case| case.expected == "accepted" && case.sign.is_some());
    let mut n_changed = 0;
    for case in signed.step_by(5) {
        for (at, original) in case.token.char_indices() {
            for other in ALPHABET.chars().chain(['=', ' ', '%', '+']).filter(|other| *other != original) {
                let mut changed = case.clone();
                changed.token.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                assert!(verify(&changed.presented(), &ring).is_err(), "{}: `{other}` at {at}", case.name);
                n_changed += 1;
            }
        }
    }
    assert!(n_changed > 10_000, "{n_changed}");
}

#[test]
fn any_missing_or_additional_character_is_refused() {
    let vectors = cases::vectors();
    let ring = ring(&vectors.keys);
    for case in vectors.cases.iter().filter(|case| case.expected == "accepted") {
        for at in 0..case.token.len() {
            let mut changed = case.clone();
            changed.token.remove(at);
            // Where two neighbours are the same, removing either is the same change.
            assert!(verify(&changed.presented(), &ring).is_err(), "{}: without {at}", case.name);
            let mut changed = case.clone();
            changed.token.insert(at, 'A');
            assert!(verify(&changed.presented(), &ring).is_err(), "{}: one more at {at}", case.name);
        }
    }
}
