//! Checking an exported audit: whether any row was removed, changed or moved. Needs nothing but the export.
//!
//! An export is JSON, one object a line, each of a `type`: a `head` first, which names the chain and the keys; then `row`s and
//! `checkpoint`s in the order of their `seq`; and an `end`, without which the export was cut off.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use valetkey_metadata::audit::{AuditCheckpoint, GENESIS, Personal, hex, row_hash};

/// What was found to be wrong, first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", self.seq.map(|seq| format!("row {seq}: ")).unwrap_or_default())]
pub struct Broken {
    /// The row at which the chain is broken, where it is one.
    pub seq: Option<u64>,
    /// In which way, as a sentence without a full stop.
    pub why: String,
}

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The chain.
    pub chain: String,
    /// Its first row that is there: rows before it were dropped, as a row of the chain says.
    pub first: u64,
    /// The last row that a checkpoint seals. Up to here nothing can have been removed, changed or moved.
    pub sealed: u64,
    /// The last row.
    pub last: u64,
    /// The key that made the last checkpoint.
    pub key_id: String,
    /// Its public half, in hexadecimal digits.
    pub public: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Head(Head),
    Row(Row),
    Checkpoint(Checkpoint),
    End {},
}

#[derive(Deserialize)]
struct Head {
    format: String,
    chain: String,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    public: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    chain: String,
    seq: u64,
    prev: String,
    hash: String,
    row: Fields<Value>,
    #[serde(default)]
    personal: Fields<Plain>,
}

/// Fields, none of them twice: readers differ in which of two they take.
struct Fields<T>(BTreeMap<String, T>);

impl<T> Default for Fields<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Once<T> {
            type Value = Fields<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<T>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if let Some((name, _)) = fields.get_key_value(&name) {
                        return Err(A::Error::custom(format!("`{name}` is there twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Once(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    salt: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    chain: String,
    seq: u64,
    at: String,
    hash: String,
    key_id: String,
    signature: String,
}

/// The name of the format that is read.
pub const FORMAT: &str = "valetkey-audit-1";

/// Checks an export line by line, in constant memory but for the checkpoints of rows that were dropped.
#[derive(Default)]
pub struct Verifier {
    /// The only key that is believed, in hexadecimal digits; without one, those that the export names.
    trusted: Option<String>,
    chain: Option<String>,
    keys: HashMap<String, VerifyingKey>,
    /// The hashes of checkpoints before the first row.
    before: BTreeMap<u64, [u8; 32]>,
    first: Option<u64>,
    last: Option<(u64, [u8; 32])>,
    sealed: Option<(u64, String)>,
    /// Up to which row the chain says that rows were dropped.
    dropped: u64,
    is_over: bool,
}

impl Verifier {
    /// One that believes this public key alone, in hexadecimal digits; `None` believes what the export says.
    pub fn new(trusted: Option<String>) -> Self {
        Self { trusted: trusted.map(|key| key.to_ascii_lowercase()), ..Self::default() }
    }

    /// Checks the next line.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the first thing that is wrong.
    pub fn line(&mut self, text: &str) -> Result<(), Broken> {
        if self.is_over {
            return Err(broken(None, "something comes after the end"));
        }
        let line: Line =
            serde_json::from_str(text).map_err(|error| self.here(format!("a line is not one of an export: {error}")))?;
        match (line, self.chain.clone()) {
            (Line::Head(head), None) => self.head(head),
            (Line::Head(_), Some(_)) => Err(self.here("a second head")),
            (_, None) => Err(broken(None, "the head is missing")),
            (Line::Row(row), Some(chain)) => self.row(&chain, row),
            (Line::Checkpoint(checkpoint), Some(chain)) => self.checkpoint(&chain, checkpoint),
            (Line::End {}, Some(_)) => {
                self.is_over = true;
                Ok(())
            }
        }
    }

    /// What was proved, after the last line.
    ///
    /// # Errors
    ///
    /// [`Broken`], also if nothing is sealed.
    pub fn finish(self) -> Result<Verified, Broken> {
        if !self.is_over {
            return Err(self.here("the export is cut off: its end is missing"));
        }
        let (Some(chain), Some(first), Some((last, _))) = (&self.chain, self.first, self.last) else {
            return Err(broken(None, "there are no rows"));
        };
        if first > 1 && self.dropped < first - 1 {
            return Err(broken(Some(first - 1), "it is missing, and no row of the chain says that it was dropped"));
        }
        let Some((sealed, key_id)) = &self.sealed else {
            return Err(broken(None, "no checkpoint seals any row yet: the first comes within ten seconds"));
        };
        let public = self.keys.get(key_id).map(|key| hex(key.as_bytes())).unwrap_or_default();
        Ok(Verified { chain: chain.clone(), first, sealed: *sealed, last, key_id: key_id.clone(), public })
    }

    fn head(&mut self, head: Head) -> Result<(), Broken> {
        if head.format != FORMAT {
            return Err(broken(None, format!("the format is `{}`: expected `{FORMAT}`", head.format)));
        }
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if !is_plain(&head.chain) || !head.keys.iter().all(|key| is_plain(&key.id)) {
            return Err(broken(None, "a name in the head is none"));
        }
        for key in head.keys {
            let parsed = bytes::<32>(&key.public).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            let parsed = parsed.ok_or_else(|| broken(None, format!("the public half of `{}` is none", key.id)))?;
            if self.trusted.as_ref().is_none_or(|trusted| *trusted == key.public) {
                self.keys.insert(key.id, parsed);
            }
        }
        if self.keys.is_empty() {
            return Err(broken(None, "the key that is to be believed is not among those of the export"));
        }
        self.chain = Some(head.chain);
        Ok(())
    }

    fn row(&mut self, chain: &str, row: Row) -> Result<(), Broken> {
        let seq = row.seq;
        let wrong = |why: &str| broken(Some(seq), why);
        if row.chain != chain {
            return Err(wrong("it is of another chain"));
        }
        let (prev, hash) = (bytes(&row.prev), bytes(&row.hash));
        let (prev, hash): ([u8; 32], [u8; 32]) = prev.zip(hash).ok_or_else(|| wrong("`prev` or `hash` is no hash"))?;
        match self.last {
            Some((last, _)) if seq != last + 1 => {
                return Err(broken(Some(last + 1), format!("it is missing: row {seq} comes next")));
            }
            Some((_, last_hash)) if prev != last_hash => return Err(wrong("`prev` is not the hash of the row before it")),
            Some(_) => {}
            None if seq == 1 && prev != GENESIS => return Err(wrong("`prev` of the first row is not nought")),
            None if seq != 1 && self.before.get(&(seq.saturating_sub(1))) != Some(&prev) => {
                return Err(broken(Some(seq.saturating_sub(1)), "it is missing, and no checkpoint seals it"));
            }
            None => self.first = Some(seq),
        }
        let (fields, personal) = (row.row.0, row.personal.0);
        let text = serde_json::to_string(&fields).map_err(|_| wrong("it cannot be written as JSON"))?;
        if row_hash(chain, seq, &prev, &text) != hash {
            return Err(wrong("it was changed: its hash is another"));
        }
        for (field, plain) in personal {
            let salt = bytes(&plain.salt).ok_or_else(|| wrong("a salt is none"))?;
            let digest = Personal { salt, value: plain.value }.digest();
            if fields.get(&field).and_then(Value::as_str) != Some(&digest) {
                return Err(broken(Some(seq), format!("its plain `{field}` was changed: the digest in the row is another")));
            }
        }
        if fields.get("action").and_then(Value::as_str) == Some("audit.drop")
            && let Some(subject) = fields.get("subject").and_then(Value::as_str)
        {
            self.dropped = self.dropped.max(subject.parse().unwrap_or(0));
        }
        self.last = Some((seq, hash));
        Ok(())
    }

    fn checkpoint(&mut self, chain: &str, checkpoint: Checkpoint) -> Result<(), Broken> {
        let Checkpoint { chain: of, seq, at, hash, key_id, signature } = checkpoint;
        let wrong = |why: String| broken(Some(seq), why);
        if of != chain {
            return Err(wrong("its checkpoint is of another chain".to_owned()));
        }
        let key = self.keys.get(&key_id).ok_or_else(|| wrong(format!("its checkpoint is by the unknown key `{key_id}`")))?;
        let message = AuditCheckpoint::message(chain, seq, &at, &hash, &key_id);
        let signature = bytes(&signature).map(|bytes| Signature::from_bytes(&bytes));
        let is_right = signature.is_some_and(|signature| key.verify_strict(message.as_bytes(), &signature).is_ok());
        if !is_right {
            return Err(wrong("the signature of its checkpoint is wrong".to_owned()));
        }
        let hash = bytes(&hash).ok_or_else(|| wrong("the hash of its checkpoint is none".to_owned()))?;
        match self.last {
            None => {
                self.before.insert(seq, hash);
            }
            Some((last, last_hash)) if seq == last && hash == last_hash => self.sealed = Some((seq, key_id)),
            Some((last, _)) if seq == last => return Err(wrong("it is not the row that its checkpoint seals".to_owned())),
            Some((last, _)) => {
                return Err(broken(Some(last + 1), format!("it is missing: the checkpoint of row {seq} comes next")));
            }
        }
        Ok(())
    }

    /// Wrong in the line after the last row.
    fn here(&self, why: impl Into<String>) -> Broken {
        broken(self.last.map(|(last, _)| last + 1), why)
    }
}

fn broken(seq: Option<u64>, why: impl Into<String>) -> Broken {
    Broken { seq, why: why.into() }
}

/// So many bytes as lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
