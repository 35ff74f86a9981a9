//! Claims, and the payload that carries them.

use crate::cbor::{MapWriter, Read, Reader, Unreadable, Writer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use valetkey_model::{
    BlobId, Counting, Dialect, DigestRule, Disposition, FileId, LinkId, MediaTypeRule, Method, Network, Permission, PutMode,
    TenantName, Terms, Timestamp, UploadRules,
};

/// The label of the private claim, a map of the terms that no standard claim carries. Private labels are those below −65536
/// ([RFC 8392 §9.1](https://www.rfc-editor.org/rfc/rfc8392#section-9.1)); the encoded bytes of this one spell `vkey`.
pub const PRIVATE_CLAIM: i64 = -0x766b_657a;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: whose bucket it speaks for.
    pub tenant: TenantName,
    /// `cti`: 16 random bytes.
    pub link_id: LinkId,
    /// `iat`, in whole seconds.
    pub issued_at: Timestamp,
    /// `nbf`, in whole seconds: not before this.
    pub not_before: Option<Timestamp>,
    /// `exp`, in whole seconds: only before this.
    pub expires_at: Timestamp,
    /// `catu`: for which paths.
    pub path: PathRule,
    /// All the rest. `permission` is `catm`, `addresses` are `catnip`.
    pub terms: Terms,
}

/// Which paths a token is for, in canonical form with the base path in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// This one: see [`canonical_object_path`](crate::canonical_object_path) and, for reading only,
    /// [`canonical_file_path`](crate::canonical_file_path).
    Exact(String),
    /// All that begin with this; it ends in `/`, and the bucket is part of it. Reading only, and without a number of uses.
    Prefix(String),
}

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

/// The component `path` of a URI in `catu`.
const CATU_PATH: i64 = 3;
const MATCH_EXACT: i64 = 0;
const MATCH_PREFIX: i64 = 1;

const TAG_IPV4: u64 = 52;
const TAG_IPV6: u64 = 54;

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// The dialects by the numbers that the private map has for them; the native one is left out.
pub(crate) const DIALECTS: [(u64, Dialect); 4] =
    [(1, Dialect::Autodesk), (2, Dialect::Redivis), (3, Dialect::Datalab), (4, Dialect::FlexPortal)];

/// Keys of the private map.
pub(crate) mod private {
    pub(crate) const DIALECT: i64 = 0;
    pub(super) const USES: i64 = 1;
    pub(super) const COUNTING: i64 = 2;
    pub(super) const DISPOSITION: i64 = 3;
    pub(super) const FILE_NAME: i64 = 4;
    pub(super) const CONTENT_TYPE: i64 = 5;
    pub(super) const PIN: i64 = 6;
    pub(super) const MIN_BYTES: i64 = 7;
    pub(super) const MAX_BYTES: i64 = 8;
    pub(super) const TYPES: i64 = 9;
    pub(super) const DIGEST: i64 = 10;
    pub(super) const MODE: i64 = 11;
    pub(super) const LABEL: i64 = 12;
    pub(super) const ISSUER: i64 = 13;
    pub(super) const INCARNATION: i64 = 14;
}

/// What the payload of a token says: the claims, and the methods as they are listed, which may be fewer than the permission's.
pub(crate) struct Payload {
    pub(crate) claims: Claims,
    pub(crate) methods: Methods,
}

/// A set of methods.
#[derive(Clone, Copy, Default)]
pub(crate) struct Methods(u8);

impl Methods {
    fn insert(&mut self, method: Method) {
        self.0 |= 1 << method as u8;
    }

    fn has(self, method: Method) -> bool {
        self.0 & 1 << method as u8 != 0
    }

    /// Whether a request by `method` is permitted: HEAD wherever GET is.
    pub(crate) fn allow(self, method: Method) -> bool {
        self.has(method) || method == Method::Head && self.has(Method::Get)
    }

    /// The smallest permission that includes them; none at all are no permission.
    fn permission(self) -> Option<Permission> {
        let writes = [Method::Put, Method::Post, Method::Patch, Method::Delete].into_iter().any(|method| self.has(method));
        match (self.has(Method::Get), writes) {
            (true, true) => Some(Permission::ReadWrite),
            (false, true) => Some(Permission::Write),
            (true, false) => Some(Permission::Read),
            (false, false) => self.has(Method::Head).then_some(Permission::Read),
        }
    }
}

impl Claims {
    /// What is wrong with claims that contradict themselves, whoever made them.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let terms = &self.terms;
        if self.expires_at <= self.issued_at {
            return Some("`exp` is not after `iat`");
        }
        if self.not_before.is_some_and(|not_before| not_before >= self.expires_at) {
            return Some("`nbf` is not before `exp`");
        }
        if let PathRule::Prefix(prefix) = &self.path {
            if !prefix.ends_with('/') {
                return Some("a path prefix that does not end in `/`");
            }
            let one_object = terms.pin.is_some() || terms.incarnation.is_some();
            if terms.permission != Permission::Read || terms.uses.is_some() || one_object {
                return Some("a path prefix is for reading only, without a number of uses, a pin or an incarnation");
            }
        }
        if terms.file_name.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
            return Some("a file name that is empty or has control characters");
        }
        let printable = |value: &String| !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if terms.content_type.as_ref().is_some_and(|value| !printable(value)) {
            return Some("a content type that is not printable ASCII");
        }
        None
    }

    /// Whether every instant is one that a token can carry.
    pub(crate) fn has_whole_seconds(&self) -> bool {
        [Some(self.issued_at), self.not_before, Some(self.expires_at)].into_iter().flatten().all(|instant| {
            instant == instant.whole_seconds() && u64::try_from(instant.as_seconds()).is_ok_and(|second| second <= LAST_SECOND)
        })
    }

    /// The payload that carries these claims. Distinct claims have distinct payloads.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        let mut payload = Writer::default();
        payload.map(|map| {
            map.entry(ISS).text(self.tenant.as_str());
            map.entry(EXP).integer(self.expires_at.as_seconds());
            if let Some(not_before) = self.not_before {
                map.entry(NBF).integer(not_before.as_seconds());
            }
            map.entry(IAT).integer(self.issued_at.as_seconds());
            map.entry(CTI).bytes(self.link_id.as_bytes());
            if self.terms.uses == Some(NonZeroU32::MIN) {
                map.entry(CATREPLAY).unsigned(1);
            }
            if !self.terms.addresses.is_empty() {
                let catnip = map.entry(CATNIP);
                catnip.array(self.terms.addresses.len());
                self.terms.addresses.iter().for_each(|network| write_network(*network, catnip));
            }
            let (match_type, path) = match &self.path {
                PathRule::Exact(path) => (MATCH_EXACT, path),
                PathRule::Prefix(prefix) => (MATCH_PREFIX, prefix),
            };
            map.entry(CATU).map(|catu| catu.entry(CATU_PATH).map(|rule| rule.entry(match_type).text(path)));
            let methods = || Method::ALL.into_iter().filter(|method| self.terms.permission.allows(*method));
            let catm = map.entry(CATM);
            catm.array(methods().count());
            methods().for_each(|method| catm.text(method.as_str()));
            let mut private = MapWriter::default();
            write_private(&self.terms, &mut private);
            if !private.is_empty() {
                map.entry(PRIVATE_CLAIM).finished_map(private);
            }
        });
        payload.into_bytes()
    }
}

fn write_network(network: Network, catnip: &mut Writer) {
    let (tag, octets, width) = match network.address() {
        IpAddr::V4(address) => (TAG_IPV4, address.octets().to_vec(), 32),
        IpAddr::V6(address) => (TAG_IPV6, address.octets().to_vec(), 128),
    };
    catnip.tag(tag);
    if network.prefix() == width {
        return catnip.bytes(&octets);
    }
    // RFC 9164: bytes of zero at the end of a prefix are left out.
    let kept = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    catnip.array(2);
    catnip.unsigned(network.prefix().into());
    catnip.bytes(octets.get(..kept).unwrap_or_default());
}

fn write_private(terms: &Terms, map: &mut MapWriter) {
    let dialect = match terms.dialect {
        Dialect::Native => None,
        Dialect::Autodesk => Some(1),
        Dialect::Redivis => Some(2),
        Dialect::Datalab => Some(3),
        Dialect::FlexPortal => Some(4),
    };
    if let Some(dialect) = dialect {
        map.entry(private::DIALECT).unsigned(dialect);
    }
    if let Some(uses) = terms.uses {
        map.entry(private::USES).unsigned(uses.get().into());
    }
    match terms.counting {
        Counting::Completed => {}
        Counting::Started => map.entry(private::COUNTING).unsigned(1),
    }
    match terms.disposition {
        None => {}
        Some(Disposition::Attachment) => map.entry(private::DISPOSITION).unsigned(0),
        Some(Disposition::Inline) => map.entry(private::DISPOSITION).unsigned(1),
    }
    if let Some(name) = &terms.file_name {
        map.entry(private::FILE_NAME).text(name);
    }
    if let Some(content_type) = &terms.content_type {
        map.entry(private::CONTENT_TYPE).text(content_type);
    }
    if let Some(pin) = &terms.pin {
        map.entry(private::PIN).bytes(pin.as_bytes());
    }
    let UploadRules { min_bytes, max_bytes, types, digest, mode } = &terms.upload;
    if *min_bytes > 0 {
        map.entry(private::MIN_BYTES).unsigned(*min_bytes);
    }
    if let Some(max_bytes) = max_bytes {
        map.entry(private::MAX_BYTES).unsigned(*max_bytes);
    }
    if !types.is_empty() {
        let array = map.entry(private::TYPES);
        array.array(types.len());
        types.iter().for_each(|rule| array.text(rule.as_str()));
    }
    if let Some(digest) = digest {
        let (kind, value): (u64, &[u8]) = match digest {
            DigestRule::Sha256(value) => (0, value),
            DigestRule::Md5(value) => (1, value),
            DigestRule::Crc32c(value) => (2, value),
        };
        let array = map.entry(private::DIGEST);
        array.array(2);
        array.unsigned(kind);
        array.bytes(value);
    }
    match mode {
        PutMode::Create => {}
        PutMode::Replace => map.entry(private::MODE).unsigned(1),
        PutMode::Reserved => map.entry(private::MODE).unsigned(2),
    }
    if let Some(label) = &terms.label {
        map.entry(private::LABEL).text(label);
    }
    if let Some(issuer) = &terms.issuer {
        map.entry(private::ISSUER).text(issuer.as_str());
    }
    if let Some(file_id) = &terms.incarnation {
        map.entry(private::INCARNATION).bytes(file_id.as_bytes());
    }
}

impl Payload {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is not one item of CBOR, if a required claim is missing, if there is one that is not in the tables
    /// of this crate's documentation, or if claims contradict each other.
    pub(crate) fn read(bytes: &[u8]) -> Read<Self> {
        let (mut tenant, mut link_id, mut path) = (None, None, None);
        let (mut expires_at, mut not_before, mut issued_at) = (None, None, None);
        let (mut methods, mut replay) = (Methods::default(), 0);
        let mut terms = Terms::new(Permission::Read);
        Reader::whole(bytes, |payload| {
            payload.map(|label, value| {
                match label {
                    ISS => tenant = Some(value.text()?.parse().map_err(|_| Unreadable)?),
                    EXP => expires_at = Some(read_instant(value)?),
                    NBF => not_before = Some(read_instant(value)?),
                    IAT => issued_at = Some(read_instant(value)?),
                    CTI => link_id = Some(LinkId::from_bytes(read_exactly(value)?)),
                    CATREPLAY => replay = value.unsigned()?,
                    CATV => read_one_of(value, [(1, ())])?,
                    CATNIP => read_networks(value, &mut terms.addresses)?,
                    CATU => path = Some(read_path_rule(value)?),
                    CATM => read_methods(value, &mut methods)?,
                    PRIVATE_CLAIM => read_private(value, &mut terms)?,
                    _ => return Err(Unreadable),
                }
                Ok(())
            })
        })?;
        terms.permission = methods.permission().ok_or(Unreadable)?;
        match (replay, terms.uses) {
            (0, _) | (1, Some(NonZeroU32::MIN)) => {}
            // "Not to be replayed", said by whoever knows only the standard claims: one use.
            (1, None) => terms.uses = Some(NonZeroU32::MIN),
            _ => return Err(Unreadable),
        }
        let claims = Claims {
            tenant: tenant.ok_or(Unreadable)?,
            link_id: link_id.ok_or(Unreadable)?,
            issued_at: issued_at.ok_or(Unreadable)?,
            not_before,
            expires_at: expires_at.ok_or(Unreadable)?,
            path: path.ok_or(Unreadable)?,
            terms,
        };
        if claims.contradiction().is_some() { Err(Unreadable) } else { Ok(Self { claims, methods }) }
    }
}

fn read_instant(value: &mut Reader<'_>) -> Read<Timestamp> {
    let seconds = value.whole_number(LAST_SECOND)?;
    i64::try_from(seconds).map(Timestamp::from_seconds).map_err(|_| Unreadable)
}

fn read_exactly<const N: usize>(value: &mut Reader<'_>) -> Read<[u8; N]> {
    <[u8; N]>::try_from(&*value.bytes()?).map_err(|_| Unreadable)
}

fn read_one_of<T: Copy, const N: usize>(value: &mut Reader<'_>, choices: [(u64, T); N]) -> Read<T> {
    let found = value.unsigned()?;
    choices.into_iter().find_map(|(number, choice)| (number == found).then_some(choice)).ok_or(Unreadable)
}

fn read_path_rule(value: &mut Reader<'_>) -> Read<PathRule> {
    let mut rule = None;
    value.map(|component, matches| {
        if component != CATU_PATH {
            return Err(Unreadable);
        }
        matches.map(|match_type, path| {
            // A second match would have to hold too.
            if rule.is_some() {
                return Err(Unreadable);
            }
            rule = Some(match match_type {
                MATCH_EXACT => PathRule::Exact(path.text()?.into_owned()),
                MATCH_PREFIX => PathRule::Prefix(path.text()?.into_owned()),
                _ => return Err(Unreadable),
            });
            Ok(())
        })
    })?;
    rule.ok_or(Unreadable)
}

fn read_methods(value: &mut Reader<'_>, methods: &mut Methods) -> Read<()> {
    value.array(|item| {
        // A method we do not know is one more that is permitted, not a restriction.
        if let Some(method) = Method::parse(&item.text()?) {
            methods.insert(method);
        }
        Ok(())
    })
}

/// Addresses and prefixes per RFC 9164. Prefixes with all their bytes are taken too, since other implementations write them so;
/// numbers of autonomous systems are not.
fn read_networks(value: &mut Reader<'_>, networks: &mut Vec<Network>) -> Read<()> {
    value.array(|item| {
        let tag = item.optional_tag()?;
        let (prefix, octets) = if item.is_array() {
            item.tuple(2, |pair| Ok((Some(pair.unsigned()?), pair.bytes()?)))?
        } else {
            (None, item.bytes()?)
        };
        let (address, width) = match tag {
            Some(TAG_IPV4) => (IpAddr::V4(Ipv4Addr::from(padded(&octets, prefix.is_some())?)), 32),
            Some(TAG_IPV6) => (IpAddr::V6(Ipv6Addr::from(padded(&octets, prefix.is_some())?)), 128),
            _ => return Err(Unreadable),
        };
        let prefix = u8::try_from(prefix.unwrap_or(width)).map_err(|_| Unreadable)?;
        let network = Network::new(address, prefix).ok_or(Unreadable)?;
        // Bits after the prefix are zero.
        if network.address() != address.to_canonical() {
            return Err(Unreadable);
        }
        networks.push(network);
        Ok(())
    })?;
    // No address at all is not "any address".
    if networks.is_empty() { Err(Unreadable) } else { Ok(()) }
}

/// The octets of an address; those that a prefix leaves out are zero.
fn padded<const N: usize>(octets: &[u8], is_prefix: bool) -> Read<[u8; N]> {
    let mut address = [0; N];
    let kept = address.get_mut(..octets.len()).ok_or(Unreadable)?;
    kept.copy_from_slice(octets);
    if is_prefix || octets.len() == N { Ok(address) } else { Err(Unreadable) }
}

fn read_private(value: &mut Reader<'_>, terms: &mut Terms) -> Read<()> {
    value.map(|key, value| {
        match key {
            private::DIALECT => terms.dialect = read_one_of(value, DIALECTS)?,
            private::USES => {
                let uses = u32::try_from(value.unsigned()?).ok().and_then(NonZeroU32::new);
                terms.uses = Some(uses.ok_or(Unreadable)?);
            }
            private::COUNTING => terms.counting = read_one_of(value, [(1, Counting::Started)])?,
            private::DISPOSITION => {
                let choices = [(0, Disposition::Attachment), (1, Disposition::Inline)];
                terms.disposition = Some(read_one_of(value, choices)?);
            }
            private::FILE_NAME => terms.file_name = Some(value.text()?.into_owned()),
            private::CONTENT_TYPE => terms.content_type = Some(value.text()?.into_owned()),
            private::PIN => terms.pin = Some(BlobId::from_bytes(read_exactly(value)?)),
            private::MIN_BYTES => terms.upload.min_bytes = value.unsigned()?,
            private::MAX_BYTES => terms.upload.max_bytes = Some(value.unsigned()?),
            private::TYPES => {
                value.array(|item| {
                    terms.upload.types.push(MediaTypeRule::parse(&item.text()?).ok_or(Unreadable)?);
                    Ok(())
                })?;
                // No type at all is not "any type".
                if terms.upload.types.is_empty() {
                    return Err(Unreadable);
                }
            }
            private::DIGEST => {
                let digest = value.tuple(2, |pair| match pair.unsigned()? {
                    0 => Ok(DigestRule::Sha256(read_exactly(pair)?)),
                    1 => Ok(DigestRule::Md5(read_exactly(pair)?)),
                    2 => Ok(DigestRule::Crc32c(read_exactly(pair)?)),
                    _ => Err(Unreadable),
                })?;
                terms.upload.digest = Some(digest);
            }
            private::MODE => {
                terms.upload.mode = read_one_of(value, [(1, PutMode::Replace), (2, PutMode::Reserved)])?;
            }
            private::LABEL => terms.label = Some(value.text()?.into_owned()),
            private::ISSUER => terms.issuer = Some(value.text()?.parse().map_err(|_| Unreadable)?),
            private::INCARNATION => terms.incarnation = Some(FileId::from_bytes(read_exactly(value)?)),
            _ => return Err(Unreadable),
        }
        Ok(())
    })
}
