//! Tokens that `sign` would never make, with a right MAC: an independent, permissive writer of CBOR and COSE.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// An item of CBOR, written as it stands.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Item>),
    Map(Vec<(Item, Item)>),
    Tag(u64, Box<Item>),
    /// Bytes that are copied, well-formed or not.
    Raw(Vec<u8>),
}

pub(crate) fn int(value: i64) -> Item {
    Item::Int(value)
}

pub(crate) fn text(value: &str) -> Item {
    Item::Text(value.to_owned())
}

pub(crate) fn bytes(value: &[u8]) -> Item {
    Item::Bytes(value.to_owned())
}

pub(crate) fn raw(value: &[u8]) -> Item {
    Item::Raw(value.to_owned())
}

pub(crate) fn array<const N: usize>(items: [Item; N]) -> Item {
    Item::Array(items.into())
}

pub(crate) fn map<const N: usize>(entries: [(i64, Item); N]) -> Item {
    Item::Map(entries.into_iter().map(|(key, value)| (int(key), value)).collect())
}

pub(crate) fn tag(tag: u64, item: Item) -> Item {
    Item::Tag(tag, Box::new(item))
}

pub(crate) fn double(value: f64) -> Item {
    let mut bytes = vec![0xfb];
    bytes.extend(value.to_be_bytes());
    Item::Raw(bytes)
}

impl Item {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) if *value < 0 => head(1, (-1 - value) as u64, out),
            Self::Int(value) => head(0, *value as u64, out),
            Self::Bytes(value) => {
                head(2, value.len() as u64, out);
                out.extend(value);
            }
            Self::Text(value) => {
                head(3, value.len() as u64, out);
                out.extend(value.bytes());
            }
            Self::Array(items) => {
                head(4, items.len() as u64, out);
                items.iter().for_each(|item| item.encode_into(out));
            }
            Self::Map(entries) => {
                head(5, entries.len() as u64, out);
                for (key, value) in entries {
                    key.encode_into(out);
                    value.encode_into(out);
                }
            }
            Self::Tag(tag, item) => {
                head(6, *tag, out);
                item.encode_into(out);
            }
            Self::Raw(value) => out.extend(value),
        }
    }
}

fn head(major: u8, value: u64, out: &mut Vec<u8>) {
    let initial = major << 5;
    match value {
        0..24 => out.push(initial | value as u8),
        24..0x100 => out.extend([initial | 24, value as u8]),
        0x100..0x1_0000 => {
            out.push(initial | 25);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(initial | 26);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(initial | 27);
            out.extend(value.to_be_bytes());
        }
    }
}

/// A message to be; every part can be replaced before it is sealed.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) secret: Vec<u8>,
    pub(crate) tags: Vec<u64>,
    pub(crate) protected: Item,
    pub(crate) unprotected: Item,
    /// What the MAC says it is of; RFC 9052 §6.3 says `MAC0`.
    pub(crate) context: &'static str,
    pub(crate) payload: Item,
    pub(crate) mac_bytes: usize,
    pub(crate) after: Vec<u8>,
}

impl Forge {
    /// A message as `sign` makes it.
    pub(crate) fn new(kid: &str, secret: &[u8], payload: Item) -> Self {
        Self {
            secret: secret.to_owned(),
            tags: vec![61, 17],
            protected: map([(1, int(5)), (4, bytes(kid.as_bytes()))]),
            unprotected: map([]),
            context: "MAC0",
            payload,
            mac_bytes: 32,
            after: Vec::new(),
        }
    }

    pub(crate) fn mac(&self) -> Vec<u8> {
        let covered =
            array([text(self.context), Item::Bytes(self.protected.encode()), bytes(b""), Item::Bytes(self.payload.encode())]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap();
        mac.update(&covered.encode());
        mac.finalize().into_bytes()[..self.mac_bytes].to_vec()
    }

    pub(crate) fn message(&self) -> Item {
        let parts = [
            Item::Bytes(self.protected.encode()),
            self.unprotected.clone(),
            Item::Bytes(self.payload.encode()),
            Item::Bytes(self.mac()),
        ];
        self.tags.iter().rev().fold(array(parts), |inner, number| tag(*number, inner))
    }

    pub(crate) fn token(&self) -> String {
        let mut encoded = self.message().encode();
        encoded.extend(&self.after);
        to_text(&encoded)
    }
}

pub(crate) fn to_text(message: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(message)
}
