//! The page that a person sees who opens a URL with a number of uses, and the button on it. Programs never see either.

use crate::body::ResponseBody;
use crate::face::status;
use crate::http1::request_body::RequestBody;
use crate::receive::{ReceiveError, receive_whole};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE, REFERRER_POLICY, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use valetkey_http_common::content_type::OCTET_STREAM;
use valetkey_http_common::disposition::safe_file_name;
use valetkey_http_common::page::{self, Page, is_navigation};
use valetkey_http_common::precondition::http_date;
use valetkey_http_common::query::Query;
use valetkey_http_common::view::view;
use valetkey_model::{Counting, Disposition, Refusal, Timestamp};
use valetkey_service::redeem::{Found, Offer};

/// More than any form of ours.
const MAX_FORM_BYTES: usize = 4 << 10;
/// The field of the form that proves that it is from the page.
const NONCE: &str = "nonce";

static FORM: &str = "application/x-www-form-urlencoded";

/// Whether this is a navigation, and not a program or a player that asks for a part.
pub(crate) fn is_wanted(parts: &Parts) -> bool {
    parts.method == Method::GET && is_navigation(&parts.headers) && !parts.headers.contains_key(RANGE)
}

/// Whether this is a form as the page sends it.
pub(crate) fn is_pressed(parts: &Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    parts.method == Method::POST && essence.eq_ignore_ascii_case(FORM)
}

/// The nonce in a form, empty if there is none; `None` if the form broke off.
///
/// # Errors
///
/// [`Refusal::TooLarge`], [`Refusal::TooSlow`].
pub(crate) async fn nonce_in(body: RequestBody) -> Result<Option<String>, Refusal> {
    let form = match receive_whole(body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(ReceiveError::Service(error)) => return Err(error.as_refusal()),
        Err(ReceiveError::BrokenOff) => return Ok(None),
    };
    // What cannot be read is no nonce of ours.
    let text = std::str::from_utf8(&form).unwrap_or_default();
    let nonce = Query::new(Some(text)).form_value(NONCE).unwrap_or_default();
    Ok(Some(nonce.unwrap_or_default().into_owned()))
}

/// The page; `again` after a button of another page, or of one that was left open for too long.
pub(crate) fn page(found: &Found, offer: &Offer, again: bool) -> Response<ResponseBody> {
    let (grant, object) = (found.grant(), found.object());
    let terms = grant.terms();
    let name = terms.file_name.as_deref().or(object.file_name.as_deref()).unwrap_or_else(|| object.key.file_name());
    let content_type = terms.content_type.as_deref().or(object.content_type.as_deref()).unwrap_or(OCTET_STREAM);
    let (label, uses, whole) = match view(terms.disposition.unwrap_or_default(), content_type).disposition {
        Disposition::Attachment => {
            ("Download", "Downloads left", "Only a complete download counts. If it breaks off, it can go on.")
        }
        Disposition::Inline => ("Open", "Views left", "It counts once the whole file has been sent."),
    };
    let left = match terms.uses {
        Some(all) if all.get() > 1 => format!("{} of {all}", offer.n_left),
        _ => offer.n_left.to_string(),
    };
    let (size, until) = (size_of(object.size_bytes), instant(grant.expires_at()));
    let mut page = Page::of_file(&safe_file_name(name));
    if again {
        page = page.alert("That button was too old, or not of this page. Nothing has been used: please press it once more.");
    }
    let page = page
        .facts(&[("Size", &size), (uses, &left), ("Works until", &until)])
        .button(label, &[(NONCE, offer.nonce.expose())])
        .note(match terms.counting {
            Counting::Completed => whole,
            Counting::Started => "It counts as soon as you press the button.",
        })
        .note("Looking at this page uses nothing.");
    let mut answer = Response::new(ResponseBody::bytes(page.body()));
    *answer.status_mut() = if again { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, page::CONTENT_TYPE.clone());
    headers.insert(CONTENT_SECURITY_POLICY, page.content_security_policy());
    for_people(headers);
    answer
}

/// The answer to a button that worked: the same URL, as the client sees it, now by GET.
pub(crate) fn see_other(path: &str, query: Option<&str>) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::SEE_OTHER);
    let url = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // It came as the target of a request, which has no character that a field cannot have.
    if let Ok(location) = HeaderValue::try_from(url) {
        answer.headers_mut().insert(LOCATION, location);
    }
    for_people(answer.headers_mut());
    answer
}

/// Only a page that may send a referrer to itself says where its form comes from.
fn for_people(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Cookie, Sec-Fetch-Mode"));
}

/// A size as people say it.
fn size_of(n_bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| n_bytes >= *unit) {
        Some((unit, name)) if n_bytes / unit < 10 => format!("{}.{} {name}", n_bytes / unit, n_bytes % unit * 10 / unit),
        Some((unit, name)) => format!("{} {name}", n_bytes / unit),
        None if n_bytes == 1 => "1 byte".to_owned(),
        None => format!("{n_bytes} bytes"),
    }
}

/// An instant to the minute: `21 Nov 2026, 15:30 UTC`. Whose clock is where is not known.
fn instant(at: Timestamp) -> String {
    let date = http_date(at);
    let words: Vec<&str> = date.to_str().unwrap_or_default().split(' ').collect();
    match words.as_slice() {
        [_, day, month, year, time, _] => {
            let minute = time.get(..5).unwrap_or(time);
            format!("{} {month} {year}, {minute} UTC", day.trim_start_matches('0'))
        }
        _ => date.to_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |n_bytes: u64, expected: &str| assert_eq!(size_of(n_bytes), expected);
        check(0, "0 bytes");
        check(1, "1 byte");
        check(999, "999 bytes");
        check(1000, "1.0 kB");
        check(9_999, "9.9 kB");
        check(10_000, "10 kB");
        check(999_999, "999 kB");
        check(4_200_000, "4.2 MB");
        check(5 << 40, "5.4 TB");
        check(u64::MAX, "18446744 TB");
    }

    #[test]
    fn instants() {
        assert_eq!(instant(Timestamp::from_seconds(0)), "1 Jan 1970, 00:00 UTC");
        assert_eq!(instant(Timestamp::from_seconds(1_800_000_000)), "15 Jan 2027, 08:00 UTC");
    }

    #[test]
    fn buttons_and_navigations() {
        let parts = |method: &str, fields: &[(&'static str, &'static str)]| {
            let mut request = http::Request::new(());
            *request.method_mut() = method.parse().unwrap();
            for (name, value) in fields {
                request.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            request.into_parts().0
        };
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        assert!(is_pressed(&parts("POST", &[form])));
        for (method, fields) in [("PUT", vec![form]), ("POST", vec![]), ("POST", vec![("content-type", "multipart/form-data")])] {
            assert!(!is_pressed(&parts(method, &fields)), "{method} {fields:?}");
        }
        let browser = ("sec-fetch-mode", "navigate");
        assert!(is_wanted(&parts("GET", &[browser])));
        for (method, fields) in [("HEAD", vec![browser]), ("GET", vec![]), ("GET", vec![browser, ("range", "bytes=0-")])] {
            assert!(!is_wanted(&parts(method, &fields)), "{method} {fields:?}");
        }
    }
}
