//! Listed URLs, and their revocation, between the wire and the use cases.

use super::{after_cursor, cursor, invalid, rfc3339};
use crate::wire::from_hex;
use crate::wire::urls::{ListedUrlBody, ListedUrlsBody, RevocationBody, RevocationsBody, RevokedBody};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use valetkey_model::{LinkId, Timestamp};
use valetkey_service::{
    ListedUrl, NewRevocation, RevocationRow, Revoked, ServiceError, Taken, UrlCursor, UrlPage, UrlState, UrlTarget,
};

/// How many URLs one call takes back at most.
const MAX_URLS: usize = 1000;
const MAX_LABEL_BYTES: usize = 255;
const MAX_PREFIX_BYTES: usize = 1024;
const STATES: [(&str, UrlState); 5] = [
    ("active", UrlState::Active),
    ("not_yet_valid", UrlState::NotYetValid),
    ("expired", UrlState::Expired),
    ("revoked", UrlState::Revoked),
    ("used_up", UrlState::UsedUp),
];

/// What is to be taken back: of all that could be named, one thing.
pub(crate) fn new_revocation(body: RevocationsBody) -> Result<NewRevocation, ServiceError> {
    let place = match (body.bucket, body.key, body.prefix) {
        (None, None, None) => None,
        (Some(bucket), Some(key), None) => Some(Taken::Object { bucket, key }),
        (Some(bucket), None, Some(prefix)) => Some(Taken::Prefix { bucket, prefix: checked_prefix(prefix)? }),
        _ => {
            return Err(invalid(
                "bucket",
                "alone, missing, or with `key` and `prefix`",
                "`bucket` with either `key` or `prefix`",
            ));
        }
    };
    if body.all == Some(false) {
        return Err(invalid("all", "false", "`true`, or nothing"));
    }
    let several = [
        body.label.map(checked_label).transpose()?.map(Taken::Label),
        place,
        body.api_key.map(Taken::ApiKey),
        body.signing_key.map(Taken::SigningKey),
        body.all.map(|_| Taken::Tenant),
    ];
    let link_ids = body.link_ids.map(|ids| checked_number("link_ids", ids)).transpose()?;
    let token_ids = body.token_ids.map(|ids| checked_number("token_ids", ids)).transpose()?;
    let token_ids = token_ids.map(|ids| ids.iter().map(|id| token_id(id)).collect::<Result<Vec<_>, _>>()).transpose()?;
    let single = [link_ids, token_ids].into_iter().flatten().map(|ids| ids.into_iter().map(Taken::Link).collect());
    let mut named: Vec<Vec<Taken>> = single.chain(several.into_iter().flatten().map(|taken| vec![taken])).collect();
    let (Some(taken), true) = (named.pop(), named.is_empty()) else {
        let expected =
            "one of `link_ids`, `token_ids`, `label`, `bucket` with `key` or `prefix`, `api_key`, `signing_key`, `all`";
        return Err(invalid("body", "nothing, or more than one thing", expected));
    };
    let issued_until = body.issued_before.map(|at| Timestamp::from_micros(at.as_microsecond()));
    Ok(NewRevocation { taken, issued_until, cut: body.cut })
}

fn checked_number<T>(field: &'static str, ids: Vec<T>) -> Result<Vec<T>, ServiceError> {
    let found = format!("{} ids", ids.len());
    if (1..=MAX_URLS).contains(&ids.len()) { Ok(ids) } else { Err(invalid(field, found, format!("1 to {MAX_URLS} ids"))) }
}

/// A token's id is a link id without what it begins with; other libraries show its bytes in hexadecimal digits.
fn token_id(text: &str) -> Result<LinkId, ServiceError> {
    let bytes = from_hex(text).or_else(|| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok());
    let expected = "a `cti`: 16 bytes, as 22 characters of base64url or 32 hexadecimal digits";
    bytes.map(LinkId::from_bytes).ok_or_else(|| invalid("token_ids", format!("`{}`", text.escape_debug()), expected))
}

/// What a label can be.
pub(crate) fn checked_label(label: String) -> Result<String, ServiceError> {
    if (1..=MAX_LABEL_BYTES).contains(&label.len()) && !label.contains(char::is_control) {
        return Ok(label);
    }
    let found = format!("{} bytes, or with control characters", label.len());
    Err(invalid("label", found, format!("1 to {MAX_LABEL_BYTES} bytes without control characters")))
}

fn checked_prefix(prefix: String) -> Result<String, ServiceError> {
    if prefix.len() <= MAX_PREFIX_BYTES && !prefix.contains('\0') {
        return Ok(prefix);
    }
    let found = format!("{} bytes, or with NUL", prefix.len());
    Err(invalid("prefix", found, format!("at most {MAX_PREFIX_BYTES} bytes without NUL")))
}

pub(crate) fn revoked_body(revoked: &Revoked) -> RevokedBody {
    let revocations: Vec<_> = revoked.revocations.iter().map(revocation_body).collect();
    RevokedBody { revoked: revocations.len(), revocations, n_cut: revoked.n_cut }
}

fn revocation_body(row: &RevocationRow) -> RevocationBody {
    let mut body = RevocationBody { revoked_at: rfc3339(row.revoked_at), ..RevocationBody::default() };
    body.issued_before = Some(row.issued_until).filter(|at| *at != Timestamp::MAX).map(rfc3339);
    match &row.taken {
        Taken::Link(link_id) => body.link_id = Some(*link_id),
        Taken::Label(label) => body.label = Some(label.clone()),
        Taken::Object { bucket, key } => (body.bucket, body.key) = (Some(bucket.clone()), Some(key.clone())),
        Taken::Prefix { bucket, prefix } => (body.bucket, body.prefix) = (Some(bucket.clone()), Some(prefix.clone())),
        Taken::ApiKey(id) => body.api_key = Some(id.clone()),
        Taken::SigningKey(id) => body.signing_key = Some(id.clone()),
        Taken::Tenant => body.all = Some(true),
    }
    body
}

/// The state of this name.
pub(crate) fn url_state(name: &str) -> Result<UrlState, ServiceError> {
    let found = STATES.into_iter().find(|(known, _)| *known == name).map(|(_, state)| state);
    let expected = "`active`, `not_yet_valid`, `expired`, `revoked` or `used_up`";
    found.ok_or_else(|| invalid("state", format!("`{}`", name.escape_debug()), expected))
}

pub(crate) fn listed_url_body(listed: &ListedUrl) -> ListedUrlBody {
    let url = &listed.url;
    let (key, prefix) = match &url.target {
        UrlTarget::Object(key) => (Some(key.clone()), None),
        UrlTarget::Prefix(prefix) => (None, Some(prefix.clone())),
    };
    ListedUrlBody {
        link_id: url.link_id,
        state: STATES.into_iter().find(|(_, state)| *state == listed.state).map_or("active", |(name, _)| name),
        form: if url.signing_key.is_some() { "token" } else { "link" },
        permission: url.permission,
        bucket: url.bucket.clone(),
        key,
        prefix,
        label: url.label.clone(),
        issuer: url.issuer.clone(),
        signing_key: url.signing_key.clone(),
        uses: url.uses,
        uses_left: listed.uses_left,
        n_requests: url.n_requests,
        last_used_at: url.last_used_at.map(rfc3339),
        issued_at: rfc3339(url.issued_at),
        not_before_at: url.not_before.map(rfc3339),
        expires_at: rfc3339(url.expires_at),
    }
}

pub(crate) fn listed_urls_body(page: &UrlPage) -> ListedUrlsBody {
    let next = page.next.as_ref().map(|next| cursor(&format!("{} {} {}", next.number, next.issued_at.as_micros(), next.target)));
    ListedUrlsBody { signed_urls: page.urls.iter().map(listed_url_body).collect(), next }
}

/// The place in a listing that [`listed_urls_body`] gave.
pub(crate) fn url_cursor(next: &str) -> Result<UrlCursor, ServiceError> {
    let text = after_cursor(next)?;
    let mut parts = text.splitn(3, ' ');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (number, issued_at) = (number(), number());
    match (number, issued_at, parts.next()) {
        (Some(number), Some(issued_at), Some(target)) => {
            Ok(UrlCursor { issued_at: Timestamp::from_micros(issued_at), number, target: target.to_owned() })
        }
        _ => Err(invalid("next", format!("`{next}`"), "the `next` of an earlier page")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_ids_have_two_spellings() {
        let check = |text: &str, expected: Option<[u8; 16]>| {
            assert_eq!(token_id(text).ok(), expected.map(LinkId::from_bytes), "{text}");
        };
        check("BwcHBwcHBwcHBwcHBwcHBw", Some([7; 16]));
        check("07070707070707070707070707070707", Some([7; 16]));
        check("ABABABABABABABABABABABABABABABAB", Some([0xab; 16]));
        for text in ["", "BwcHBwcHBwcHBwcHBwcHBx", "lnk_BwcHBwcHBwcHBwcHBwcHBw", "0707070707070707070707070707070", "zz"] {
            check(text, None);
        }
    }

    #[test]
    fn one_thing_is_taken_back() {
        let check = |json: &str, expected: Option<usize>| {
            let body: RevocationsBody = serde_json::from_str(json).unwrap();
            assert_eq!(new_revocation(body).ok().map(|new| new.taken.len()), expected, "{json}");
        };
        check(r#"{"link_ids": ["lnk_BwcHBwcHBwcHBwcHBwcHBw", "lnk_AAAAAAAAAAAAAAAAAAAAAA"]}"#, Some(2));
        check(r#"{"label": "x"}"#, Some(1));
        check(r#"{"bucket": "abc", "prefix": ""}"#, Some(1));
        check(r#"{"all": true, "issued_before": "2026-01-01T00:00:00Z", "cut": true}"#, Some(1));
        check("{}", None);
        check(r#"{"all": false}"#, None);
        check(r#"{"label": ""}"#, None);
        check(r#"{"bucket": "abc"}"#, None);
        check(r#"{"prefix": "a/"}"#, None);
        check(r#"{"bucket": "abc", "key": "a", "prefix": "a/"}"#, None);
        check(r#"{"label": "x", "all": true}"#, None);
        check(r#"{"link_ids": ["lnk_BwcHBwcHBwcHBwcHBwcHBw"], "token_ids": ["BwcHBwcHBwcHBwcHBwcHBw"]}"#, None);
        check(r#"{"cut": true}"#, None);
    }

    #[test]
    fn a_cursor_and_back() {
        let cursor_of = |target: &str| {
            let next = UrlCursor { issued_at: Timestamp::from_micros(-5), number: 7, target: target.to_owned() };
            let page = UrlPage { urls: Vec::new(), next: Some(next.clone()) };
            assert_eq!(url_cursor(&listed_urls_body(&page).next.unwrap()).unwrap(), next);
        };
        cursor_of("a b/ü");
        cursor_of("");
        for text in ["", "x", "NyA", "NyB4IHk"] {
            assert!(url_cursor(text).is_err(), "{text}");
        }
    }
}
