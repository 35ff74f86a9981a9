//! The cases of `vectors/tokens.json`. Each departs from the plain one in a single way, which its name says.

use crate::forge::{Forge, Item, array, bytes, double, int, map, raw, tag, text, to_text};
use crate::vectors::{Case, Object, Request, ToSign, VectorKey, Vectors, to_hex};
use std::num::NonZeroU32;
use valetkey_model::{
    BlobId, Counting, Dialect, DigestRule, Disposition, FileId, LinkId, MediaTypeRule, Permission, PutMode, Terms, Timestamp,
    UploadRules,
};
use valetkey_signing::{Claims, KeyState, PRIVATE_CLAIM, PathRule, SigningKey, canonical_file_path, raw_file_id, sign};

const ISSUED: i64 = 1_800_000_000;
const EXPIRES: i64 = ISSUED + 3600;
const NOW: i64 = ISSUED + 60;
const KEY: &str = "2026/q3.pdf";
const PATH: &str = "/o/reports/2026/q3.pdf";
const FILE: FileId = FileId::from_bytes(*b"file id of ours!");

const ISS: i64 = 1;
const EXP: i64 = 4;
const NBF: i64 = 5;
const IAT: i64 = 6;
const CTI: i64 = 7;
const CATREPLAY: i64 = 308;
const CATV: i64 = 310;
const CATNIP: i64 = 311;
const CATU: i64 = 312;
const CATM: i64 = 313;

/// All of the file.
pub(crate) fn vectors() -> Vectors {
    let mut table = Table { keys: keys(), cases: Vec::new() };
    what_a_token_can_carry(&mut table);
    what_others_write(&mut table);
    text_and_structure(&mut table);
    header(&mut table);
    keys_and_macs(&mut table);
    times(&mut table);
    claims_refused(&mut table);
    paths(&mut table);
    files(&mut table);
    methods(&mut table);
    addresses(&mut table);
    order(&mut table);
    let about = "Tokens of valetkey: see README.md beside this file. Generated; not to be edited by hand.".to_owned();
    Vectors { about, keys: table.keys, cases: table.cases }
}

struct Table {
    keys: Vec<VectorKey>,
    cases: Vec<Case>,
}

fn keys() -> Vec<VectorKey> {
    let key = |kid: &str, tenant: &str, first_byte: u8| VectorKey {
        kid: kid.parse().unwrap(),
        tenant: tenant.parse().unwrap(),
        algorithm: "HS256".to_owned(),
        secret_hex: to_hex(&(first_byte..first_byte + 32).collect::<Vec<_>>()),
        state: "active".to_owned(),
        owner: None,
        max_lifetime_seconds: 7 * 24 * 3600,
        buckets: None,
        prefixes: None,
        permission: Permission::ReadWrite,
        shared: false,
    };
    let limited = VectorKey {
        max_lifetime_seconds: 3600,
        buckets: Some(vec!["reports".parse().unwrap(), "scans".parse().unwrap()]),
        prefixes: Some(vec!["2026/".to_owned(), "naïve dir/".to_owned()]),
        permission: Permission::Read,
        ..key("limited-1", "acme", 0x40)
    };
    vec![
        key("app-1", "acme", 0),
        key("globex-1", "globex", 0x20),
        VectorKey { owner: Some("cid".parse().unwrap()), ..key("user-1", "acme", 0x30) },
        limited,
        VectorKey { shared: true, ..key("edge-1", "acme", 0x50) },
        VectorKey { state: "verify-only".to_owned(), ..key("old-1", "acme", 0x60) },
        VectorKey { state: "revoked".to_owned(), ..key("gone-1", "acme", 0x70) },
    ]
}

impl Table {
    fn secret(&self, kid: &str) -> Vec<u8> {
        let key = self.keys.iter().find(|key| key.kid.as_str() == kid).unwrap();
        crate::vectors::from_hex(&key.secret_hex)
    }

    fn push(&mut self, name: &str, token: String, request: Request, ends: Ends, sign: Option<ToSign>) {
        let (expected, object, file) = match ends {
            Ends::Accepted(key) => ("accepted", Some(Object { bucket: "reports".to_owned(), key: key.to_owned() }), None),
            Ends::File => ("accepted", None, Some(FILE)),
            Ends::Refused(code) => (code, None, None),
        };
        self.cases.push(Case { name: name.to_owned(), token, request, expected: expected.to_owned(), object, file, sign });
    }

    /// A token that `sign` makes.
    fn signed(&mut self, name: &str, kid: &str, claims: &Claims, request: Request, ends: Ends) {
        let key = self.keys.iter().find(|key| key.kid.as_str() == kid).unwrap();
        let to_sign = ToSign::of(&key.kid, claims);
        let key: SigningKey = key.signing_key().with_state(KeyState::Active);
        let token = sign(claims, &key).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.push(name, token.expose().to_owned(), request, ends, Some(to_sign));
    }

    /// A token of key `app-1` whose right MAC is over this payload.
    fn payload(&mut self, name: &str, payload: &Plain, ends: Ends) {
        self.forged(name, payload, |_| {}, ends);
    }

    /// The same, for this request.
    fn push_payload(&mut self, name: &str, payload: &Plain, request: Request, ends: Ends) {
        let token = Forge::new("app-1", &self.secret("app-1"), payload.item()).token();
        self.push(name, token, request, ends, None);
    }

    /// The same, with another envelope.
    fn forged(&mut self, name: &str, payload: &Plain, edit: impl FnOnce(&mut Forge), ends: Ends) {
        let mut forge = Forge::new("app-1", &self.secret("app-1"), payload.item());
        edit(&mut forge);
        self.push(name, forge.token(), request(), ends, None);
    }
}

#[derive(Clone, Copy)]
enum Ends {
    /// With this object key, in bucket `reports`.
    Accepted(&'static str),
    /// For the file [`FILE`].
    File,
    Refused(&'static str),
}
use Ends::{Accepted, Refused};

const MALFORMED: Ends = Refused("malformed");
const BAD_SIGNATURE: Ends = Refused("bad_signature");
const WRONG_PATH: Ends = Refused("wrong_path");

fn request() -> Request {
    Request {
        method: "GET".to_owned(),
        path: PATH.to_owned(),
        base_path: String::new(),
        address: "192.0.2.7".parse().unwrap(),
        now: NOW,
        expiry_leniency_seconds: 0,
    }
}

fn get(path: &str) -> Request {
    Request { path: path.to_owned(), ..request() }
}

fn by(method: &str) -> Request {
    Request { method: method.to_owned(), ..request() }
}

fn from(address: &str) -> Request {
    Request { address: address.parse().unwrap(), ..request() }
}

fn at(now: i64) -> Request {
    Request { now, ..request() }
}

fn claims() -> Claims {
    Claims {
        tenant: "acme".parse().unwrap(),
        link_id: LinkId::from_bytes(*b"0123456789abcdef"),
        issued_at: Timestamp::from_seconds(ISSUED),
        not_before: None,
        expires_at: Timestamp::from_seconds(EXPIRES),
        path: PathRule::Exact(PATH.to_owned()),
        terms: Terms::new(Permission::Read),
    }
}

fn exact(path: &str) -> Claims {
    Claims { path: PathRule::Exact(path.to_owned()), ..claims() }
}

fn prefix(path: &str) -> Claims {
    Claims { path: PathRule::Prefix(path.to_owned()), ..claims() }
}

fn of_terms(edit: impl FnOnce(&mut Terms)) -> Claims {
    let mut claims = claims();
    edit(&mut claims.terms);
    claims
}

fn read_addresses(networks: &[&str]) -> Claims {
    of_terms(|terms| terms.addresses = networks.iter().map(|network| network.parse().unwrap()).collect())
}

/// The payload of the plain claims, to be changed; then entries whose labels are out of the ordinary.
#[derive(Clone)]
struct Plain(Vec<(i64, Item)>, Vec<(Item, Item)>);

fn plain() -> Plain {
    Plain(
        vec![
            (ISS, text("acme")),
            (EXP, int(EXPIRES)),
            (IAT, int(ISSUED)),
            (CTI, bytes(b"0123456789abcdef")),
            (CATU, catu(0, PATH)),
            (CATM, array([text("GET"), text("HEAD")])),
        ],
        Vec::new(),
    )
}

fn catu(match_type: i64, path: &str) -> Item {
    map([(3, map([(match_type, text(path))]))])
}

impl Plain {
    fn without(mut self, label: i64) -> Self {
        self.0.retain(|(found, _)| *found != label);
        self
    }

    fn with(mut self, label: i64, value: Item) -> Self {
        match self.0.iter_mut().find(|(found, _)| *found == label) {
            Some(entry) => entry.1 = value,
            None => self.0.push((label, value)),
        }
        self
    }

    fn and(mut self, label: Item, value: Item) -> Self {
        self.1.push((label, value));
        self
    }

    fn twice(mut self, label: i64, value: Item) -> Self {
        self.0.push((label, value));
        self
    }

    fn private<const N: usize>(self, entries: [(i64, Item); N]) -> Self {
        self.with(PRIVATE_CLAIM, map(entries))
    }

    fn item(&self) -> Item {
        let entries = self.0.iter().map(|(label, value)| (int(*label), value.clone()));
        Item::Map(entries.chain(self.1.iter().cloned()).collect())
    }
}

fn what_a_token_can_carry(table: &mut Table) {
    let ok = Accepted(KEY);
    table.signed("the plain one", "app-1", &claims(), request(), ok);
    table.signed("HEAD of a read token", "app-1", &claims(), by("HEAD"), ok);
    let write = of_terms(|terms| terms.permission = Permission::Write);
    for method in ["PUT", "POST", "PATCH", "DELETE", "HEAD"] {
        table.signed(&format!("{method} of a write token"), "app-1", &write, by(method), ok);
    }
    let both = of_terms(|terms| terms.permission = Permission::ReadWrite);
    table.signed("GET of a readwrite token", "app-1", &both, request(), ok);
    table.signed("PUT of a readwrite token", "app-1", &both, by("PUT"), ok);
    let terms = Terms {
        dialect: Dialect::Autodesk,
        permission: Permission::ReadWrite,
        uses: NonZeroU32::new(3),
        counting: Counting::Started,
        disposition: Some(Disposition::Inline),
        file_name: Some("Bericht „Q3“ 😀.pdf".to_owned()),
        content_type: Some("application/pdf".to_owned()),
        addresses: ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap()).into(),
        pin: Some(BlobId::from_bytes([9; 16])),
        incarnation: Some(FILE),
        upload: UploadRules {
            min_bytes: 1,
            max_bytes: Some(5 * 1024 * 1024 * 1024),
            types: ["image/*", "application/pdf"].map(|rule| MediaTypeRule::parse(rule).unwrap()).into(),
            digest: Some(DigestRule::Sha256([0xab; 32])),
            mode: PutMode::Replace,
        },
        label: Some("quarter 3".to_owned()),
        issuer: Some("cid".parse().unwrap()),
    };
    table.signed("every private key", "app-1", &Claims { terms, ..claims() }, request(), ok);
    for (name, dialect) in [("Redivis", Dialect::Redivis), ("Datalab", Dialect::Datalab), ("FlexPortal", Dialect::FlexPortal)] {
        table.signed(&format!("dialect {name}"), "app-1", &of_terms(|terms| terms.dialect = dialect), request(), ok);
    }
    for (name, digest) in [("MD5", DigestRule::Md5([1; 16])), ("CRC-32C", DigestRule::Crc32c([2; 4]))] {
        let with_digest = of_terms(|terms| terms.upload.digest = Some(digest));
        table.signed(&format!("upload digest {name}"), "app-1", &with_digest, request(), ok);
    }
    let once = of_terms(|terms| terms.uses = NonZeroU32::new(1));
    table.signed("one use, with catreplay beside it", "app-1", &once, request(), ok);
    for (name, n_uses) in [("the start of the one use", 1), ("the starts of seven uses", 7)] {
        let started = of_terms(|terms| (terms.uses, terms.counting) = (NonZeroU32::new(n_uses), Counting::Started));
        table.signed(&format!("counting {name}"), "app-1", &started, request(), ok);
    }
    let attached = of_terms(|terms| terms.disposition = Some(Disposition::Attachment));
    table.signed("disposition attachment", "app-1", &attached, request(), ok);
    let later = Claims { not_before: Some(Timestamp::from_seconds(NOW)), ..claims() };
    table.signed("nbf now", "app-1", &later, request(), ok);
    table.signed("a key that verifies only", "old-1", &claims(), request(), ok);
    table.signed("a key of an API key, no issuing principal", "user-1", &claims(), request(), ok);
    let issued_by = |id: &str| of_terms(|terms| terms.issuer = Some(id.parse().unwrap()));
    table.signed("a key of an API key, the same issuing principal", "user-1", &issued_by("cid"), request(), ok);
    table.signed("a limited key within its limits", "limited-1", &claims(), request(), ok);
    let encoded = exact("/o/reports/na%C3%AFve%20dir/x");
    let asked = get("/o/reports/na%C3%AFve%20dir/x");
    table.signed("a limited key, a prefix that is percent-encoded", "limited-1", &encoded, asked, Accepted("naïve dir/x"));
    table.signed("a shared key, standard claims", "edge-1", &claims(), request(), ok);
    let reserved = of_terms(|terms| (terms.permission, terms.upload.mode) = (Permission::Write, PutMode::Reserved));
    table.signed("upload mode reserved", "app-1", &reserved, by("PUT"), ok);
    table.signed("an incarnation", "app-1", &of_terms(|terms| terms.incarnation = Some(FILE)), request(), ok);
}

fn what_others_write(table: &mut Table) {
    let ok = Accepted(KEY);
    let protected = map([(1, int(5))]);
    table.forged(
        "kid in the unprotected header",
        &plain(),
        |forge| {
            forge.protected = protected;
            forge.unprotected = map([(4, bytes(b"app-1"))]);
        },
        ok,
    );
    table.forged("tag 17 without 61", &plain(), |forge| forge.tags = vec![17], ok);
    table.payload("exp, nbf and iat as doubles", &plain().with(EXP, double(EXPIRES as f64)).with(NBF, double(NOW as f64)), ok);
    let single = [&[0xfa][..], &(ISSUED as f32).to_be_bytes()].concat();
    table.payload("iat as a single-precision float", &plain().with(IAT, raw(&single)), ok);
    table.payload("catv 1", &plain().with(CATV, int(1)), ok);
    table.payload("catreplay 0", &plain().with(CATREPLAY, int(0)), ok);
    table.payload("catreplay 1 alone is one use", &plain().with(CATREPLAY, int(1)), ok);
    table.payload("claims in another order", &Plain(plain().0.into_iter().rev().collect(), Vec::new()), ok);
    table.payload("catm with GET alone", &plain().with(CATM, array([text("GET")])), ok);
    let methods = array([text("GET"), text("OPTIONS"), text("HEAD"), text("GET")]);
    table.payload("catm with a method that is not ours, and one twice", &plain().with(CATM, methods), ok);
    let nip = array([tag(52, array([int(24), bytes(&[192, 0, 2, 0])]))]);
    table.payload("catnip prefix with all its bytes", &plain().with(CATNIP, nip), ok);
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 0]].concat();
    let nip = array([tag(54, array([int(120), bytes(&mapped)]))]);
    table.payload("catnip of a mapped address", &plain().with(CATNIP, nip), ok);
    table.payload("integers that are not shortest", &plain().with(EXP, raw(&wide(EXPIRES as u64))), ok);
    let mut indefinite = vec![0xbf];
    for (label, value) in plain().0 {
        indefinite.extend(int(label).encode());
        indefinite.extend(value.encode());
    }
    indefinite.push(0xff);
    let secret = table.secret("app-1");
    let token = Forge::new("app-1", &secret, raw(&indefinite)).token();
    table.push("a payload of indefinite length", token, request(), ok, None);
    let chunks = [&[0x7f][..], &text("ac").encode(), &text("").encode(), &text("me").encode(), &[0xff]].concat();
    table.payload("text of indefinite length", &plain().with(ISS, raw(&chunks)), ok);
    let cti = [&[0x5f][..], &bytes(b"01234567").encode(), &bytes(b"89abcdef").encode(), &[0xff]].concat();
    table.payload("bytes of indefinite length", &plain().with(CTI, raw(&cti)), ok);
    let methods = [&[0x9f][..], &text("GET").encode(), &[0xff]].concat();
    table.payload("an array of indefinite length", &plain().with(CATM, raw(&methods)), ok);
}

/// An unsigned integer in nine bytes.
fn wide(value: u64) -> Vec<u8> {
    [&[0x1b][..], &value.to_be_bytes()].concat()
}

fn text_and_structure(table: &mut Table) {
    let secret = table.secret("app-1");
    let forge = Forge::new("app-1", &secret, plain().item());
    let token = forge.token();
    let message = forge.message().encode();
    let mut push = |name: &str, token: String| table.push(name, token, request(), MALFORMED, None);
    push("no token", String::new());
    push("one character", "A".to_owned());
    push("a JSON Web Token", "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo".to_owned());
    let standard = token.replace('-', "+").replace('_', "/");
    assert_ne!(token, standard);
    push("the standard alphabet instead of the URL-safe one", standard);
    push("a space after it", format!("{token} "));
    push("a line feed within it", format!("{}\n{}", &token[..40], &token[40..]));
    push("a character that is not ASCII", format!("{token}é"));
    push("the first half", token[..token.len() / 2].to_owned());
    push("the last byte missing", to_text(&message[..message.len() - 1]));
    push("a byte after the message", to_text(&[&message[..], &[0]].concat()));
    push("the message twice", to_text(&[&message[..], &message].concat()));
    // After two bytes of three, the last character has two spare bits: here one of them is set.
    let label = |n: usize| Forge { payload: plain().private([(12, text(&"x".repeat(n)))]).item(), ..forge.clone() }.token();
    let unpadded = (1..4).map(label).find(|token| token.len() % 4 == 2).unwrap();
    push("padding", format!("{unpadded}=="));
    let spare = (1..4).map(label).find(|token| token.len() % 4 == 3).unwrap();
    let last = spare.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    push("a spare bit of the last character set", format!("{}{next}", &spare[..spare.len() - 1]));

    // Lengths are found, not computed, so that the limit itself is one of them.
    let longest = (1300..1536).rev().map(label).find(|token| token.len() <= 2048).unwrap();
    let too_long = (1300..1536).map(label).find(|token| token.len() > 2048).unwrap();
    assert!(longest.len() >= 2047, "{}", longest.len());
    push("more than 2048 characters", too_long);
    table.push("2048 characters", longest, request(), Accepted(KEY), None);

    let mut edited = |name: &str, edit: &dyn Fn(&mut Forge)| table.forged(name, &plain(), |forge| edit(forge), MALFORMED);
    edited("a bare array", &|forge| forge.tags = vec![]);
    edited("tag 61 around a bare array", &|forge| forge.tags = vec![61]);
    edited("tag 16 (encrypted)", &|forge| forge.tags = vec![61, 16]);
    edited("tag 97 (several recipients)", &|forge| forge.tags = vec![61, 97]);
    edited("tag 61 twice", &|forge| forge.tags = vec![61, 61, 17]);
    edited("tag 17 twice", &|forge| forge.tags = vec![17, 17]);
    edited("the tag for self-described CBOR around it", &|forge| forge.tags = vec![55799, 61, 17]);
    edited("a byte after the message, under tag 17 alone", &|forge| {
        forge.tags = vec![17];
        forge.after = vec![0xf6];
    });
    edited("a byte after the payload's map", &|forge| {
        forge.payload = raw(&[plain().item().encode(), vec![0]].concat());
    });
    edited("a byte after the protected header's map", &|forge| {
        forge.protected = raw(&[forge.protected.encode(), vec![0]].concat());
    });
    edited("an empty payload", &|forge| forge.payload = raw(b""));
    edited("a payload that is an array", &|forge| forge.payload = array([int(1)]));
    edited("a payload under tag 61", &|forge| forge.payload = tag(61, plain().item()));
    edited("a payload without its break", &|forge| {
        let entries = plain().item().encode();
        forge.payload = raw(&[&[0xbf], &entries[1..]].concat());
    });
    edited("a payload of more entries than there are", &|forge| {
        let mut encoded = plain().item().encode();
        encoded[0] += 1;
        forge.payload = raw(&encoded);
    });
    edited("a payload said to have 2^64 - 1 entries", &|forge| {
        let entries = plain().item().encode();
        forge.payload = raw(&[&[0xbb, 255, 255, 255, 255, 255, 255, 255, 255], &entries[1..]].concat());
    });
    let three = array([bytes(b""), map([]), bytes(b"")]);
    table.push("an array of three", to_text(&tag(61, tag(17, three)).encode()), request(), MALFORMED, None);
}

fn header(table: &mut Table) {
    let mut edited = |name: &str, ends: Ends, edit: &dyn Fn(&mut Forge)| table.forged(name, &plain(), |forge| edit(forge), ends);
    let kid = || (4, bytes(b"app-1"));
    edited("kid in both headers", MALFORMED, &|forge| forge.unprotected = map([kid()]));
    edited("kid in neither header", MALFORMED, &|forge| forge.protected = map([(1, int(5))]));
    edited("kid as text", MALFORMED, &|forge| forge.protected = map([(1, int(5)), (4, text("app-1"))]));
    edited("kid twice in the protected header", MALFORMED, &|forge| forge.protected = map([(1, int(5)), kid(), kid()]));
    edited("alg in the unprotected header only", MALFORMED, &|forge| {
        forge.protected = map([kid()]);
        forge.unprotected = map([(1, int(5))]);
    });
    edited("alg in both headers", MALFORMED, &|forge| forge.unprotected = map([(1, int(5))]));
    edited("alg as text", MALFORMED, &|forge| forge.protected = map([(1, text("HS256")), kid()]));
    edited("alg missing", MALFORMED, &|forge| forge.protected = map([kid()]));
    edited("an empty protected header", MALFORMED, &|forge| {
        forge.protected = raw(b"");
        forge.unprotected = map([kid()]);
    });
    edited("crit", MALFORMED, &|forge| forge.protected = map([(1, int(5)), (2, array([int(4)])), kid()]));
    edited("a content type in the protected header", MALFORMED, &|forge| {
        forge.protected = map([(1, int(5)), (3, int(61)), kid()]);
    });
    edited("another unprotected parameter", MALFORMED, &|forge| forge.unprotected = map([(5, bytes(b"iv"))]));
    edited("a parameter with a text label", MALFORMED, &|forge| {
        forge.unprotected = Item::Map(vec![(text("kid"), bytes(b"app-1"))]);
    });
    edited("alg HS256/64", BAD_SIGNATURE, &|forge| {
        forge.protected = map([(1, int(4)), kid()]);
        forge.mac_bytes = 8;
    });
    edited("alg HS512", BAD_SIGNATURE, &|forge| forge.protected = map([(1, int(7)), kid()]));
    edited("alg ES256 under tag 17", BAD_SIGNATURE, &|forge| forge.protected = map([(1, int(-7)), kid()]));
    edited("alg EdDSA under tag 18", BAD_SIGNATURE, &|forge| {
        forge.protected = map([(1, int(-8)), kid()]);
        forge.tags = vec![61, 18];
    });
    edited("alg HS256 under tag 18", BAD_SIGNATURE, &|forge| forge.tags = vec![61, 18]);
    edited("a protected header that is not shortest", Accepted(KEY), &|forge| {
        forge.protected = raw(&[&[0xb8, 2, 0x18, 1, 0x18, 5, 0x18, 4][..], &bytes(b"app-1").encode()].concat());
    });
}

fn keys_and_macs(table: &mut Table) {
    let kid = |kid: &'static [u8]| move |forge: &mut Forge| forge.protected = map([(1, int(5)), (4, bytes(kid))]);
    table.forged("an unknown kid", &plain(), kid(b"app-2"), Refused("unknown_key"));
    table.forged("an empty kid", &plain(), kid(b""), Refused("unknown_key"));
    table.forged("a kid that is not UTF-8", &plain(), kid(b"\xff"), Refused("unknown_key"));
    table.forged("a kid in another case", &plain(), kid(b"APP-1"), Refused("unknown_key"));
    table.forged("a kid with NUL after it", &plain(), kid(b"app-1\0"), Refused("unknown_key"));
    table.forged("another key's kid", &plain(), kid(b"old-1"), BAD_SIGNATURE);
    table.forged("another tenant's kid", &plain(), kid(b"globex-1"), BAD_SIGNATURE);
    let globex = table.secret("globex-1");
    let foreign = Forge::new("globex-1", &globex, plain().item());
    table.push("another tenant's key for this tenant's claims", foreign.token(), request(), BAD_SIGNATURE, None);
    let own = Claims { tenant: "globex".parse().unwrap(), ..claims() };
    // Whose bucket it is, is not for this check to know.
    table.signed("another tenant's key for its own claims", "globex-1", &own, request(), Accepted(KEY));
    table.forged("a MAC of 31 bytes", &plain(), |forge| forge.mac_bytes = 31, BAD_SIGNATURE);
    table.forged("a MAC of 8 bytes", &plain(), |forge| forge.mac_bytes = 8, BAD_SIGNATURE);
    table.forged("an empty MAC", &plain(), |forge| forge.mac_bytes = 0, BAD_SIGNATURE);
    table.forged("a MAC in the context MAC", &plain(), |forge| forge.context = "MAC", BAD_SIGNATURE);
    table.forged("a MAC in the context Signature1", &plain(), |forge| forge.context = "Signature1", BAD_SIGNATURE);
    table.forged("an empty secret", &plain(), |forge| forge.secret = Vec::new(), BAD_SIGNATURE);
    let flipped = plain().with(EXP, int(EXPIRES + 1));
    let secret = table.secret("app-1");
    let original = Forge::new("app-1", &secret, plain().item());
    let parts = |payload: &Plain| {
        let (protected, mac) = (original.protected.encode(), original.mac());
        array([Item::Bytes(protected), map([]), Item::Bytes(payload.item().encode()), Item::Bytes(mac)])
    };
    let token = to_text(&tag(61, tag(17, parts(&flipped))).encode());
    table.push("exp changed after signing", token, request(), BAD_SIGNATURE, None);
    let token = to_text(&tag(61, tag(17, parts(&plain().with(CATU, catu(0, "/o/reports/2026/q4.pdf"))))).encode());
    table.push("path changed after signing", token, get("/o/reports/2026/q4.pdf"), BAD_SIGNATURE, None);

    let limited = |table: &mut Table, name: &str, payload: &Plain, path: &str| {
        let forge = Forge::new("limited-1", &table.secret("limited-1"), payload.item());
        table.push(name, forge.token(), get(path), BAD_SIGNATURE, None);
    };
    limited(table, "longer than the key's longest lifetime", &plain().with(EXP, int(EXPIRES + 1)), PATH);
    let other = "/o/private/2026/q3.pdf";
    limited(table, "a bucket the key is not for", &plain().with(CATU, catu(0, other)), other);
    let other = "/o/reports/2025/q3.pdf";
    limited(table, "an object key outside the key's prefixes", &plain().with(CATU, catu(0, other)), other);
    let other = "/o/reports/20260/q3.pdf";
    limited(table, "an object key that the key's prefix only begins like", &plain().with(CATU, catu(0, other)), other);
    limited(table, "a prefix wider than the key's", &plain().with(CATU, catu(1, "/o/reports/")), PATH);
    limited(table, "a permission the key does not have", &plain().with(CATM, array([text("GET"), text("PUT")])), PATH);
    let seven_days = 7 * 24 * 3600;
    table.payload("a lifetime of exactly seven days", &plain().with(EXP, int(ISSUED + seven_days)), Accepted(KEY));
    table.payload("a lifetime of seven days and a second", &plain().with(EXP, int(ISSUED + seven_days + 1)), BAD_SIGNATURE);
    let user = table.secret("user-1");
    let forge = Forge::new("user-1", &user, plain().private([(13, text("somebody-else"))]).item());
    table.push("a key of an API key, another issuing principal", forge.token(), request(), BAD_SIGNATURE, None);
    let edge = table.secret("edge-1");
    let terms = [("uses", (1, int(2))), ("a pin", (6, bytes(&[9; 16]))), ("upload rules", (8, int(10)))];
    for (what, entry) in terms {
        let forge = Forge::new("edge-1", &edge, plain().private([entry]).item());
        table.push(&format!("a shared key, {what}"), forge.token(), request(), BAD_SIGNATURE, None);
    }
    let forge = Forge::new("edge-1", &edge, plain().with(CATREPLAY, int(1)).item());
    table.push("a shared key, catreplay 1", forge.token(), request(), BAD_SIGNATURE, None);
}

fn times(table: &mut Table) {
    let ok = Accepted(KEY);
    table.signed("the second before exp", "app-1", &claims(), at(EXPIRES - 1), ok);
    table.signed("exp itself", "app-1", &claims(), at(EXPIRES), Refused("expired"));
    table.signed("the second after exp", "app-1", &claims(), at(EXPIRES + 1), Refused("expired"));
    let lenient = |now| Request { expiry_leniency_seconds: 900, ..at(now) };
    let limited = of_terms(|terms| terms.uses = NonZeroU32::new(2));
    table.signed("past exp, within leniency, limited", "app-1", &limited, lenient(EXPIRES + 899), ok);
    table.signed("past exp, leniency over, limited", "app-1", &limited, lenient(EXPIRES + 900), Refused("expired"));
    table.signed("past exp, within leniency, unlimited", "app-1", &claims(), lenient(EXPIRES), Refused("expired"));
    table.signed("iat 60 s ahead", "app-1", &claims(), at(ISSUED - 60), ok);
    table.signed("iat 61 s ahead", "app-1", &claims(), at(ISSUED - 61), Refused("not_yet_valid"));
    let later = Claims { not_before: Some(Timestamp::from_seconds(ISSUED + 600)), ..claims() };
    table.signed("nbf 60 s ahead", "app-1", &later, at(ISSUED + 540), ok);
    table.signed("nbf 61 s ahead", "app-1", &later, at(ISSUED + 539), Refused("not_yet_valid"));

    let times = [("exp", EXP), ("nbf", NBF), ("iat", IAT)];
    let nan_half = [0xf9, 0x7e, 0x00];
    let values: [(&str, Item); 15] = [
        ("not a number", double(f64::NAN)),
        ("not a number, in half precision", raw(&nan_half)),
        ("infinite", double(f64::INFINITY)),
        ("negative infinite", double(f64::NEG_INFINITY)),
        ("negative", int(-1)),
        ("a negative float", double(-1.0)),
        ("fractional", double(EXPIRES as f64 + 0.5)),
        ("past the year 9999", int(253_402_300_800)),
        ("2^63", raw(&wide(1 << 63))),
        ("2^64 - 1", raw(&wide(u64::MAX))),
        ("a float of 10^300", double(1e300)),
        ("text", text("1800003600")),
        ("a bignum", tag(2, bytes(&[0x6b, 0x49, 0xe0, 0x10]))),
        ("a date under tag 1", tag(1, int(EXPIRES))),
        ("null", raw(&[0xf6])),
    ];
    for (what, value) in &values {
        table.payload(&format!("exp {what}"), &plain().with(EXP, value.clone()), MALFORMED);
    }
    for (claim, label) in &times[1..] {
        for at in [0, 4, 6, 9] {
            let (what, value) = &values[at];
            table.payload(&format!("{claim} {what}"), &plain().with(*label, value.clone()), MALFORMED);
        }
    }
    for (claim, label) in times {
        let twice = plain().with(label, int(NOW + 600)).twice(label, int(NOW + 600));
        table.payload(&format!("{claim} twice"), &twice, MALFORMED);
    }
    table.payload("exp twice, once not shortest", &plain().and(raw(&[0x18, 4]), int(EXPIRES)), MALFORMED);
    table.payload("exp missing", &plain().without(EXP), MALFORMED);
    table.payload("exp equal to iat", &plain().with(EXP, int(ISSUED)), MALFORMED);
    table.payload("exp before iat", &plain().with(EXP, int(ISSUED - 1)), MALFORMED);
    table.payload("nbf equal to exp", &plain().with(NBF, int(EXPIRES)), MALFORMED);
    table.payload("exp 0", &plain().with(EXP, int(0)).with(IAT, int(0)), MALFORMED);
}

fn claims_refused(table: &mut Table) {
    for (claim, label) in [("iss", ISS), ("iat", IAT), ("cti", CTI), ("catu", CATU), ("catm", CATM)] {
        table.payload(&format!("{claim} missing"), &plain().without(label), MALFORMED);
    }
    let mut refused = |name: &str, payload: Plain| table.payload(name, &payload, MALFORMED);
    refused("iss as bytes", plain().with(ISS, bytes(b"acme")));
    refused("iss that is no tenant name", plain().with(ISS, text("acme/evil")));
    refused("iss not UTF-8", plain().with(ISS, raw(&[0x62, 0xc3, 0x28])));
    let split = [0x7f, 0x61, 0xc3, 0x61, 0xa9, 0xff];
    refused("text whose chunk is not UTF-8 by itself", plain().private([(12, raw(&split))]));
    refused("cti of 15 bytes", plain().with(CTI, bytes(b"0123456789abcde")));
    refused("cti of 17 bytes", plain().with(CTI, bytes(b"0123456789abcdefg")));
    refused("cti as text", plain().with(CTI, text("0123456789abcdef")));
    refused("sub", plain().with(2, text("somebody")));
    refused("aud", plain().with(3, text("another service")));
    refused("cnf", plain().with(8, map([(1, map([]))])));
    refused("catpor", plain().with(309, array([int(1)])));
    refused("catv 2", plain().with(CATV, int(2)));
    refused("catalpn", plain().with(314, array([bytes(b"h2")])));
    refused("cath", plain().with(315, map([])));
    refused("catgeoiso3166", plain().with(316, array([text("NO")])));
    refused("catif", plain().with(322, map([])));
    refused("catr", plain().with(323, map([(0, int(0))])));
    refused("another private claim", plain().with(-65537, int(1)));
    refused("a claim with a text label", plain().and(text("exp"), int(EXPIRES)));
    refused("catreplay 2", plain().with(CATREPLAY, int(2)));
    refused("catreplay 1 beside two uses", plain().with(CATREPLAY, int(1)).private([(1, int(2))]));
    refused("the private claim as an array", plain().with(PRIVATE_CLAIM, array([])));
    refused("an unknown key of the private map", plain().private([(15, int(1))]));
    refused("a key of the private map twice", plain().private([(12, text("a")), (12, text("a"))]));
    refused("an unknown dialect", plain().private([(0, int(5))]));
    refused("no uses", plain().private([(1, int(0))]));
    refused("2^32 uses", plain().private([(1, int(1 << 32))]));
    refused("negative uses", plain().private([(1, int(-1))]));
    refused("an unknown way of counting", plain().private([(2, int(2))]));
    refused("a way of counting that nobody writes", plain().private([(1, int(1)), (2, int(0))]));
    refused("a way of counting below zero", plain().private([(1, int(1)), (2, int(-1))]));
    refused("a way of counting as text", plain().private([(1, int(1)), (2, text("started"))]));
    refused("a way of counting twice", plain().private([(1, int(1)), (2, int(1)), (2, int(1))]));
    refused("an unknown disposition", plain().private([(3, int(2))]));
    refused("a file name with a line feed", plain().private([(4, text("a\r\nSet-Cookie: b=c"))]));
    refused("an empty file name", plain().private([(4, text(""))]));
    refused("a content type with a line feed", plain().private([(5, text("text/plain\r\nx: y"))]));
    refused("a pin of 15 bytes", plain().private([(6, bytes(&[9; 15]))]));
    refused("a largest upload below zero", plain().private([(8, int(-1))]));
    refused("no media type permitted", plain().private([(9, array([]))]));
    refused("a media type that is none", plain().private([(9, array([text("*/*")]))]));
    refused("an unknown digest", plain().private([(10, array([int(3), bytes(&[0; 32])]))]));
    refused("a SHA-256 of 20 bytes", plain().private([(10, array([int(0), bytes(&[0; 20])]))]));
    refused("an unknown upload mode", plain().private([(11, int(0))]));
    refused("an upload mode after the last one", plain().private([(11, int(3))]));
    refused("an incarnation of 15 bytes", plain().private([(14, bytes(&[9; 15]))]));
    refused("an incarnation of 17 bytes", plain().private([(14, bytes(&[9; 17]))]));
    refused("an incarnation that is no bytes", plain().private([(14, text("CQkJCQkJCQkJCQkJCQkJCQ"))]));
    let below = plain().with(CATU, catu(1, "/o/reports/")).private([(14, bytes(FILE.as_bytes()))]);
    refused("an incarnation beside a prefix", below);
    refused("an issuing principal that is no id", plain().private([(13, text("a b"))]));
    let mut nested = int(0);
    for _ in 0..9 {
        nested = array([nested]);
    }
    refused("a claim nine arrays deep", plain().with(400, nested.clone()));
    refused("iss nine arrays deep", plain().with(ISS, nested));
    let deep = raw(&[vec![0x81; 900], vec![0]].concat());
    refused("a claim nine hundred arrays deep", plain().with(400, deep));
}

fn paths(table: &mut Table) {
    let names = [
        ("in Arabic", "تقرير.pdf", "%D8%AA%D9%82%D8%B1%D9%8A%D8%B1.pdf"),
        ("of emoji", "😀.png", "%F0%9F%98%80.png"),
        ("with a plus", "a+b", "a%2Bb"),
        ("with spaces", "a b  c", "a%20b%20%20c"),
        ("with quotes", "it's \"quoted\"", "it%27s%20%22quoted%22"),
        ("with a percent sign", "100%", "100%25"),
        ("with what looks encoded", "a%20b", "a%2520b"),
        ("with a question mark and a hash", "a?b#c", "a%3Fb%23c"),
        ("with a backslash", "a\\..\\b", "a%5C..%5Cb"),
        ("with unreserved characters", "a-b._~c", "a-b._~c"),
        ("with sub-delimiters", "!$&'()*,;=:@", "%21%24%26%27%28%29%2A%2C%3B%3D%3A%40"),
        ("of three dots", "...", "..."),
        ("in NFD", "e\u{301}", "e%CC%81"),
    ];
    for (name, key, encoded) in names {
        let path = format!("/o/reports/{encoded}");
        table.signed(&format!("a key {name}"), "app-1", &exact(&path), get(&path), Accepted(key));
    }
    let arabic = exact("/o/reports/%D8%AA");
    table.signed("a raw path in lower-case escapes", "app-1", &arabic, get("/o/reports/%d8%aa"), Accepted("ت"));
    table.signed("a raw path without escapes", "app-1", &arabic, get("/o/reports/ت"), Accepted("ت"));
    let plus = exact("/o/reports/a%2Bb");
    table.signed("a raw path with a bare plus", "app-1", &plus, get("/o/reports/a+b"), Accepted("a+b"));
    table.signed("a plus is not a space", "app-1", &exact("/o/reports/a%20b"), get("/o/reports/a+b"), WRONG_PATH);
    table.signed("a raw path with needless escapes", "app-1", &claims(), get("/o/reports/2026/%71%33.pdf"), Accepted(KEY));
    table.signed("%2F in a key is a slash", "app-1", &claims(), get("/o/reports/2026%2Fq3.pdf"), Accepted(KEY));
    table.signed("%2f in a key is a slash", "app-1", &claims(), get("/o/reports/2026%2fq3.pdf"), Accepted(KEY));
    let composed = exact("/o/reports/%C3%A9");
    table.signed("NFD is another key than NFC", "app-1", &composed, get("/o/reports/e%CC%81"), WRONG_PATH);
    table.signed("a decoded path is not decoded again", "app-1", &claims(), get("/o/reports/2026%252Fq3.pdf"), WRONG_PATH);

    let based = exact("/files/o/reports/x");
    let below = |path: &str, base: &str| Request { base_path: base.to_owned(), ..get(path) };
    table.signed("a base path", "app-1", &based, below("/files/o/reports/x", "/files"), Accepted("x"));
    table.signed("a base path with a slash at its end", "app-1", &based, below("/files/o/reports/x", "/files/"), Accepted("x"));
    table.signed("another base path", "app-1", &based, below("/other/o/reports/x", "/other"), WRONG_PATH);
    table.signed("no base path where one was signed", "app-1", &based, get("/o/reports/x"), WRONG_PATH);

    let wrong = [
        ("another key", "/o/reports/2026/q4.pdf"),
        ("another case", "/o/reports/2026/Q3.pdf"),
        ("another bucket", "/o/report/2026/q3.pdf"),
        ("a longer key", "/o/reports/2026/q3.pdf2"),
        ("a shorter key", "/o/reports/2026/q3.pd"),
        ("a slash at the end", "/o/reports/2026/q3.pdf/"),
        ("a slash at the beginning of the key", "/o/reports//2026/q3.pdf"),
        ("a slash before it all", "//o/reports/2026/q3.pdf"),
        ("no leading slash", "o/reports/2026/q3.pdf"),
        ("an absolute URL", "http://localhost/o/reports/2026/q3.pdf"),
        ("not an object's path", "/vk/v1/buckets"),
        ("the bucket alone", "/o/reports"),
        ("the bucket with a slash", "/o/reports/"),
        ("nothing", ""),
        ("dot dot", "/o/reports/2026/../2026/q3.pdf"),
        ("dot dot, encoded", "/o/reports/2026/%2e%2e/2026/q3.pdf"),
        ("dot dot, encoded in upper case", "/o/reports/2026/%2E%2E/2026/q3.pdf"),
        ("dot dot, half encoded", "/o/reports/2026/.%2e/2026/q3.pdf"),
        ("dot dot, encoded twice", "/o/reports/2026/%252e%252e/2026/q3.pdf"),
        ("dot dot with an encoded slash", "/o/reports/2026/..%2F2026/q3.pdf"),
        ("dot dot with backslashes", "/o/reports/2026/..\\2026/q3.pdf"),
        ("dot dot with encoded backslashes", "/o/reports/2026/..%5C2026/q3.pdf"),
        ("dot dot out of the bucket", "/o/other/../reports/2026/q3.pdf"),
        ("dot", "/o/reports/./2026/q3.pdf"),
        ("dot, encoded", "/o/reports/%2e/2026/q3.pdf"),
        ("a slash of the route encoded", "/o%2Freports/2026/q3.pdf"),
        ("a bucket with an encoded slash", "/o/reports%2F2026/q3.pdf"),
        ("NUL after the key", "/o/reports/2026/q3.pdf%00"),
        ("NUL and an extension", "/o/reports/2026/q3.pdf%00.png"),
        ("overlong UTF-8", "/o/reports/2026%C0%AFq3.pdf"),
        ("invalid UTF-8", "/o/reports/2026/q3.pdf%FF"),
        ("a surrogate", "/o/reports/2026/q3.pdf%ED%A0%80"),
        ("an escape without digits", "/o/reports/2026/q3.pdf%"),
        ("an escape of one digit", "/o/reports/2026/q3.pdf%4"),
        ("an escape of other characters", "/o/reports/2026/q3.pdf%zz"),
        ("an escape with a sign", "/o/reports/2026/q3.pdf%+4"),
        ("a line feed", "/o/reports/2026/q3.pdf%0A"),
        ("a query", "/o/reports/2026/q3.pdf?x=y"),
        ("a fragment", "/o/reports/2026/q3.pdf#x"),
        ("a parameter", "/o/reports/2026/q3.pdf;x"),
        ("a space", "/o/reports/2026/q3.pdf "),
    ];
    for (name, path) in wrong {
        table.signed(&format!("path: {name}"), "app-1", &claims(), get(path), WRONG_PATH);
    }
    let mut uncanonical = |name: &str, path: &str| {
        let forge = Forge::new("app-1", &table.secret("app-1"), plain().with(CATU, catu(0, path)).item());
        table.push(name, forge.token(), get(path), WRONG_PATH, None);
    };
    uncanonical("catu with lower-case escapes", "/o/reports/%d8%aa");
    uncanonical("catu with a needless escape", "/o/reports/2026/%713.pdf");
    uncanonical("catu without escapes", "/o/reports/ت");
    uncanonical("catu with dot dot", "/o/reports/../reports/x");

    let within = prefix("/o/reports/a/1/");
    table.signed("prefix: a key below it", "app-1", &within, get("/o/reports/a/1/x"), Accepted("a/1/x"));
    table.signed("prefix: a key far below it", "app-1", &within, get("/o/reports/a/1/2/3"), Accepted("a/1/2/3"));
    let prefixes = [
        ("a sibling that begins alike", "/o/reports/a/12"),
        ("below a sibling that begins alike", "/o/reports/a/12/x"),
        ("itself without its slash", "/o/reports/a/1"),
        ("itself", "/o/reports/a/1/"),
        ("above it", "/o/reports/a/x"),
        ("out of it by dot dot", "/o/reports/a/1/../2/x"),
        ("out of it by encoded dot dot", "/o/reports/a/1/%2e%2e/2/x"),
        ("out of it by an encoded slash", "/o/reports/a/1%2F..%2F2/x"),
        ("another bucket", "/o/reports2/a/1/x"),
    ];
    for (name, path) in prefixes {
        table.signed(&format!("prefix: {name}"), "app-1", &within, get(path), WRONG_PATH);
    }
    let head = Request { method: "HEAD".to_owned(), ..get("/o/reports/a/1/x") };
    table.signed("prefix: HEAD", "app-1", &within, head, Accepted("a/1/x"));
    let put = Request { method: "PUT".to_owned(), ..get("/o/reports/a/1/x") };
    table.signed("prefix: PUT", "app-1", &within, put, Refused("wrong_method"));
    table.signed("prefix: a whole bucket", "app-1", &prefix("/o/reports/"), request(), Accepted(KEY));
    table.payload("prefix: every bucket", &plain().with(CATU, catu(1, "/o/")), WRONG_PATH);
    table.payload("prefix: everything", &plain().with(CATU, catu(1, "/")), WRONG_PATH);
    let mut refused = |name: &str, payload: Plain| table.payload(name, &payload, MALFORMED);
    refused("prefix: empty", plain().with(CATU, catu(1, "")));
    refused("prefix: without a slash at its end", plain().with(CATU, catu(1, "/o/reports/2026")));
    let of_prefix = || plain().with(CATU, catu(1, "/o/reports/2026/"));
    refused("prefix: for writing", of_prefix().with(CATM, array([text("PUT")])));
    refused("prefix: for reading and writing", of_prefix().with(CATM, array([text("GET"), text("PUT")])));
    refused("prefix: with uses", of_prefix().private([(1, int(2))]));
    refused("prefix: with catreplay 1", of_prefix().with(CATREPLAY, int(1)));
    refused("prefix: with a pin", of_prefix().private([(6, bytes(&[9; 16]))]));
    refused("catu: empty", plain().with(CATU, map([])));
    refused("catu: no match", plain().with(CATU, map([(3, map([]))])));
    refused("catu: text", plain().with(CATU, text(PATH)));
    let both = map([(3, map([(0, text(PATH)), (1, text("/o/reports/"))]))]);
    refused("catu: two matches", plain().with(CATU, both));
    for (name, match_type) in [("suffix", 2), ("contains", 3), ("sha256", -1), ("sha512-256", -2)] {
        refused(&format!("catu: {name} match"), plain().with(CATU, catu(match_type, "pdf")));
    }
    let regex = map([(3, map([(4, array([text(".*")]))]))]);
    refused("catu: regex match", plain().with(CATU, regex));
    for (name, component) in [("scheme", 0), ("host", 1), ("port", 2), ("query", 4), ("extension", 8), ("unknown", 9)] {
        let both = map([(3, map([(0, text(PATH))])), (component, map([(0, text("https"))]))]);
        refused(&format!("catu: {name}"), plain().with(CATU, both));
    }
}

/// Paths that name a file by its id.
fn files(table: &mut Table) {
    const OTHER: FileId = FileId::from_bytes(*b"another file id.");
    let path = canonical_file_path("", FILE);
    let by_id = exact(&path);
    let of = |path: &str| get(&format!("/api/v1/rawFiles/{path}"));
    let asked = |method: &str| Request { method: method.to_owned(), ..get(&path) };
    table.signed("a file", "app-1", &by_id, get(&path), Ends::File);
    table.signed("HEAD of a file", "app-1", &by_id, asked("HEAD"), Ends::File);
    table.signed("a file with a number of uses", "app-1", &once(&path), get(&path), Ends::File);
    table.signed("a file, a shared key", "edge-1", &by_id, get(&path), Ends::File);
    let raw = raw_file_id(FILE);
    let (digits, id) = raw.split_once('.').unwrap();
    table.signed(
        "a file's raw path with needless escapes",
        "app-1",
        &by_id,
        of(&format!("%{:02x}{}", raw.as_bytes()[0], &raw[1..])),
        Ends::File,
    );
    let based = exact(&canonical_file_path("/files", FILE));
    let below = |path: &str, base: &str| Request { base_path: base.to_owned(), ..get(path) };
    table.signed("a file below a base path", "app-1", &based, below(&format!("/files{path}"), "/files"), Ends::File);
    table.signed("a file without the base path that was signed", "app-1", &based, get(&path), WRONG_PATH);
    table.signed(
        "a file below a base path that was not signed",
        "app-1",
        &by_id,
        below(&format!("/files{path}"), "/files"),
        WRONG_PATH,
    );
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        table.signed(&format!("{method} of a file"), "app-1", &by_id, asked(method), Refused("wrong_method"));
    }
    let wrong = [
        ("another file", raw_file_id(OTHER)),
        ("wrong digits before the id", format!("0000-000000000.{id}")),
        ("the digits of another file", format!("{}.{id}", raw_file_id(OTHER).split_once('.').unwrap().0)),
        ("the digits in upper case", format!("{}.{id}", digits.to_uppercase())),
        ("the digits without their hyphen", format!("{}.{id}", digits.replace('-', ""))),
        ("no digits", id.to_owned()),
        ("a padded id", format!("{raw}==")),
        ("a longer id", format!("{raw}A")),
        ("a shorter id", raw[..raw.len() - 1].to_owned()),
        ("something after the id", format!("{raw}/")),
        ("a folder after the id", format!("{raw}/x")),
        ("dot dot before the id", format!("../rawFiles/{raw}")),
        ("dot dot before the id, encoded", format!("%2e%2e%2FrawFiles%2F{raw}")),
        ("an encoded slash before the id", format!("%2F{raw}")),
        ("an id encoded twice", raw.replace('.', "%252E")),
        ("NUL after the id", format!("{raw}%00")),
        ("no id", String::new()),
    ];
    for (name, path) in wrong {
        table.signed(&format!("a file: {name}"), "app-1", &by_id, of(&path), WRONG_PATH);
    }
    table.signed("a file where an object was signed", "app-1", &claims(), get(&path), WRONG_PATH);
    table.signed("an object where a file was signed", "app-1", &by_id, request(), WRONG_PATH);
    table.signed("an object whose key is like a file's path", "app-1", &by_id, get(&format!("/o/reports{path}")), WRONG_PATH);
    let wide =
        [("the prefix of all paths", "/"), ("a prefix of files' paths", "/api/"), ("another prefix of files' paths", "/api/v1/")];
    for (name, prefix) in wide {
        table.push_payload(name, &plain().with(CATU, catu(1, prefix)), get(&path), WRONG_PATH);
    }

    let own = [("GET", "HEAD"), ("GET", "PUT"), ("PUT", "DELETE")].map(|(one, other)| array([text(one), text(other)]));
    let [read, both, write] = own.map(|methods| plain().with(CATU, catu(0, &path)).with(CATM, methods));
    table.push_payload("a file, signed with standard claims alone", &read, get(&path), Ends::File);
    table.push_payload("a file for reading and writing", &both, get(&path), BAD_SIGNATURE);
    table.push_payload("a file for writing", &write, asked("PUT"), BAD_SIGNATURE);
    let prefix = plain().with(CATU, catu(1, "/api/v1/rawFiles/"));
    table.push_payload("every file", &prefix, get(&path), BAD_SIGNATURE);
    let limited = Forge::new("limited-1", &table.secret("limited-1"), read.item()).token();
    table.push("a file, a key limited to buckets and prefixes", limited, get(&path), BAD_SIGNATURE, None);
}

fn once(path: &str) -> Claims {
    let mut claims = exact(path);
    claims.terms.uses = NonZeroU32::new(1);
    claims
}

fn methods(table: &mut Table) {
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        table.signed(&format!("{method} of a read token"), "app-1", &claims(), by(method), Refused("wrong_method"));
    }
    let write = of_terms(|terms| terms.permission = Permission::Write);
    table.signed("GET of a write token", "app-1", &write, request(), Refused("wrong_method"));
    let mut listed = |name: &str, methods: Item, method: &str, ends: Ends| {
        let forge = Forge::new("app-1", &table.secret("app-1"), plain().with(CATM, methods).item());
        table.push(name, forge.token(), by(method), ends, None);
    };
    listed("HEAD where catm has GET alone", array([text("GET")]), "HEAD", Accepted(KEY));
    listed("GET where catm has HEAD alone", array([text("HEAD")]), "GET", Refused("wrong_method"));
    listed("HEAD where catm has HEAD alone", array([text("HEAD")]), "HEAD", Accepted(KEY));
    listed("DELETE where catm has PUT alone", array([text("PUT")]), "DELETE", Refused("wrong_method"));
    listed("HEAD where catm has PUT alone", array([text("PUT")]), "HEAD", Refused("wrong_method"));
    listed("PUT where catm has PUT alone", array([text("PUT")]), "PUT", Accepted(KEY));
    listed("catm empty", array([]), "GET", MALFORMED);
    listed("catm with OPTIONS alone", array([text("OPTIONS")]), "GET", MALFORMED);
    listed("catm in lower case", array([text("get")]), "GET", MALFORMED);
    listed("catm as text", text("GET"), "GET", MALFORMED);
    listed("catm with a number", array([text("GET"), int(1)]), "GET", MALFORMED);
}

fn addresses(table: &mut Table) {
    let (ok, wrong) = (Accepted(KEY), Refused("wrong_address"));
    let one = read_addresses(&["192.0.2.7"]);
    table.signed("address: the one", "app-1", &one, request(), ok);
    table.signed("address: the one, mapped into IPv6", "app-1", &one, from("::ffff:192.0.2.7"), ok);
    table.signed("address: the one, IPv4-compatible", "app-1", &one, from("::192.0.2.7"), wrong);
    table.signed("address: another", "app-1", &one, from("192.0.2.8"), wrong);
    let block = read_addresses(&["192.0.2.0/24"]);
    table.signed("address: the last of a block", "app-1", &block, from("192.0.2.255"), ok);
    table.signed("address: the first after a block", "app-1", &block, from("192.0.3.0"), wrong);
    let block = read_addresses(&["192.0.2.128/25"]);
    table.signed("address: the first of half a block", "app-1", &block, from("192.0.2.128"), ok);
    table.signed("address: the last before half a block", "app-1", &block, from("192.0.2.127"), wrong);
    let v6 = read_addresses(&["2001:db8::/32"]);
    table.signed("address: in a block of IPv6", "app-1", &v6, from("2001:db8:ffff::1"), ok);
    table.signed("address: outside a block of IPv6", "app-1", &v6, from("2001:db9::1"), wrong);
    table.signed("address: IPv4 where IPv6 is granted", "app-1", &v6, request(), wrong);
    let two = read_addresses(&["198.51.100.1", "2001:db8::1", "192.0.2.0/24"]);
    table.signed("address: the last of several", "app-1", &two, request(), ok);
    let every = read_addresses(&["0.0.0.0/0"]);
    table.signed("address: every IPv4", "app-1", &every, request(), ok);
    table.signed("address: IPv6 where every IPv4 is granted", "app-1", &every, from("2001:db8::1"), wrong);
    let mut refused = |name: &str, networks: Item| {
        table.payload(&format!("catnip: {name}"), &plain().with(CATNIP, networks), MALFORMED);
    };
    refused("empty", array([]));
    refused("an autonomous system", array([int(64500)]));
    refused("an address as text", array([text("192.0.2.7")]));
    refused("an address without a tag", array([bytes(&[192, 0, 2, 7])]));
    refused("an address under tag 260", array([tag(260, bytes(&[192, 0, 2, 7]))]));
    refused("IPv4 of 3 bytes", array([tag(52, bytes(&[192, 0, 2]))]));
    refused("IPv4 of 5 bytes", array([tag(52, bytes(&[192, 0, 2, 7, 0]))]));
    refused("IPv6 of 4 bytes", array([tag(54, bytes(&[192, 0, 2, 7]))]));
    refused("a prefix of 33 bits", array([tag(52, array([int(33), bytes(&[192, 0, 2, 7])]))]));
    refused("a prefix of 129 bits", array([tag(54, array([int(129), bytes(&[0x20])]))]));
    refused("a prefix of -1 bits", array([tag(52, array([int(-1), bytes(&[192])]))]));
    refused("bits after the prefix", array([tag(52, array([int(24), bytes(&[192, 0, 2, 7])]))]));
    refused("an interface", array([tag(52, array([bytes(&[192, 0, 2, 7]), int(24)]))]));
    refused("a zone", array([tag(54, array([int(64), bytes(&[0x20]), text("eth0")]))]));
    let mapped = [&[0; 10][..], &[0xff, 0xff]].concat();
    refused("a prefix across the mapped addresses", array([tag(54, array([int(64), bytes(&mapped)]))]));
}

/// Of several reasons, the first of the table of refusals counts.
fn order(table: &mut Table) {
    let everything_wrong = || Request {
        method: "PUT".to_owned(),
        path: "/o/reports/other".to_owned(),
        base_path: String::new(),
        address: "203.0.113.9".parse().unwrap(),
        now: EXPIRES + 1,
        expiry_leniency_seconds: 0,
    };
    let mut push = |name: &str, payload: &Plain, kid: &str, secret: &str, request: Request, code: &'static str| {
        let forge = Forge::new(kid, &table.secret(secret), payload.item());
        table.push(&format!("order: {name}"), forge.token(), request, Refused(code), None);
    };
    let nip = || plain().with(CATNIP, array([tag(52, bytes(&[192, 0, 2, 7]))]));
    push("malformed before unknown_key", &nip().with(2, text("x")), "none", "app-1", everything_wrong(), "malformed");
    push("malformed before bad_signature", &nip().with(2, text("x")), "app-1", "old-1", everything_wrong(), "malformed");
    push("unknown_key before all that follows", &nip(), "none", "app-1", everything_wrong(), "unknown_key");
    push("bad_signature before expired", &nip(), "app-1", "old-1", everything_wrong(), "bad_signature");
    push("bad_signature before revoked", &nip(), "gone-1", "app-1", everything_wrong(), "bad_signature");
    push("expired before wrong_path", &nip(), "gone-1", "gone-1", everything_wrong(), "expired");
    let in_time = || Request { now: NOW, ..everything_wrong() };
    push("wrong_path before wrong_method", &nip(), "gone-1", "gone-1", in_time(), "wrong_path");
    let on_path = || Request { path: PATH.to_owned(), ..in_time() };
    push("wrong_method before wrong_address", &nip(), "gone-1", "gone-1", on_path(), "wrong_method");
    let by_get = || Request { method: "GET".to_owned(), ..on_path() };
    push("wrong_address before revoked", &nip(), "gone-1", "gone-1", by_get(), "wrong_address");
    let early = Request { now: ISSUED - 3600, ..everything_wrong() };
    push("not_yet_valid before wrong_path", &nip(), "gone-1", "gone-1", early, "not_yet_valid");
    table.signed("a revoked key", "gone-1", &claims(), request(), Refused("revoked"));
}
