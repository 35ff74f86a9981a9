//! `Idempotency-Key`: a POST that may be sent again and again is done once.

use super::{Call, Native, whole};
use crate::errors::{self, ApiError};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_service::{Idempotent, IdempotentCall};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// POSTs that change nothing: the key plays no part there.
const HARMLESS: [&str; 2] = ["/token", "/explain"];

/// An answer as it is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    body: String,
}

/// The client's key for a call that is to be done once: as it is, or as a string of RFC 8941.
pub(super) fn key_of(call: Call<'_>, path: &str) -> Result<Option<String>, ApiError> {
    if call.parts.method != Method::POST || HARMLESS.contains(&path) {
        return Ok(None);
    }
    let mut values = call.parts.headers.get_all(&IDEMPOTENCY_KEY).iter();
    let (Some(value), rest) = (values.next(), values.next()) else { return Ok(None) };
    if rest.is_some() {
        return Err(errors::invalid("ambiguous", "more than one `Idempotency-Key`: expected one").into());
    }
    let not_text = || errors::invalid("invalid", "an `Idempotency-Key` that is not ASCII").with("field", "Idempotency-Key");
    Ok(Some(unquoted(value.to_str().map_err(|_| not_text())?)))
}

/// `"a\"b"` is `a"b`; what is not wholly quoted stays as it is.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut unescaped = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ ('"' | '\\')) => unescaped.push(escaped),
                _ => return text.to_owned(),
            },
            '"' => return text.to_owned(),
            plain => unescaped.push(plain),
        }
    }
    unescaped
}

impl Native {
    /// Does a call, or answers it as it was answered before.
    pub(super) async fn once(
        &self,
        call: Call<'_>,
        body: RequestBody,
        path: &str,
        key: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let bytes = whole(body).await?;
        let target = [path, call.parts.uri.query().unwrap_or_default()].join("?");
        let attempt = match self.service().idempotent(&principal, IdempotentCall { key, target: &target, body: &bytes }).await? {
            Idempotent::Do(attempt) => attempt,
            Idempotent::Done(answer) => return replayed(&answer),
            Idempotent::UnderWay => return Err(errors::idempotency_key_in_use().into()),
            Idempotent::Another => return Err(errors::idempotency_key_reused().into()),
        };
        let mut native = self.clone();
        native.context.service = attempt.service().clone();
        let answer = native.routed(call, RequestBody::whole(bytes), path).await.unwrap_or_else(ApiError::answer);
        if is_final(answer.status())
            && let Some(kept) = kept(&answer)
        {
            attempt.answered(&kept).await;
        }
        Ok(answer)
    }
}

/// Whether the same call would always be answered so: not what is the server's fault, or the moment's.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error() && !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED)
}

fn kept(answer: &Response<ResponseBody>) -> Option<Vec<u8>> {
    let field = |name| text(answer.headers(), name);
    let body = std::str::from_utf8(answer.body().in_memory()?).ok()?.to_owned();
    let kept = Kept { status: answer.status().as_u16(), content_type: field(CONTENT_TYPE), location: field(LOCATION), body };
    serde_json::to_vec(&kept).ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn replayed(kept: &[u8]) -> Result<Response<ResponseBody>, ApiError> {
    let unreadable = || ApiError::Problem(errors::unkept());
    let Kept { status, content_type, location, body } = serde_json::from_slice(kept).map_err(|_| unreadable())?;
    let mut answer = Response::new(ResponseBody::bytes(body));
    *answer.status_mut() = StatusCode::from_u16(status).map_err(|_| unreadable())?;
    for (name, value) in [(CONTENT_TYPE, content_type), (LOCATION, location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (text, expected) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (r#""8e03978e""#, "8e03978e"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#""a"#, r#""a"#),
            (r#""a"b""#, r#""a"b""#),
            (r#""a\b""#, r#""a\b""#),
            (r#""a\""#, r#""a\""#),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), expected, "{text}");
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let mut answer = Response::new(ResponseBody::bytes("{\"a\":\"ü\"}"));
        *answer.status_mut() = StatusCode::CREATED;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.headers_mut().insert(LOCATION, HeaderValue::from_static("https://h/x"));
        let again = replayed(&kept(&answer).unwrap()).unwrap();
        assert_eq!((again.status(), again.body().in_memory()), (answer.status(), answer.body().in_memory()));
        for name in [CONTENT_TYPE, LOCATION] {
            assert_eq!(again.headers().get(&name), answer.headers().get(&name));
        }
        assert_eq!(again.headers().get(&REPLAYED).unwrap(), "true");
        assert!(replayed(b"{}").is_err());
    }

    #[test]
    fn what_is_kept() {
        for (status, expected) in [(200, true), (201, true), (204, true), (400, true), (409, true), (401, false), (429, false)] {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
        assert!(!is_final(StatusCode::SERVICE_UNAVAILABLE) && !is_final(StatusCode::INSUFFICIENT_STORAGE));
    }
}
