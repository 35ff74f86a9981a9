//! Between the wire and the use cases.

pub(crate) mod files;

use crate::errors::ApiError;
use crate::wire::{Detail, ExpiresAt, UrlAnswer, UrlBody};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use valetkey_http_common::content_type::OCTET_STREAM;
use valetkey_http_common::public_url::PublicUrls;
use valetkey_http_common::view;
use valetkey_model::{Dialect, Disposition, FileId, Permission, PutMode, Terms, Timestamp};
use valetkey_service::{Credential, File, Form, IssueRequest, Issued, Lifetime, NewFile, ObjectRow, ServiceError, Target};

/// What file ids begin with on the wire.
const FILE_ID_PREFIX: &str = "file_";
/// For how many minutes a URL lives if nothing is said, at least and at most.
const MINUTES: (f64, f64, f64) = (60.0, 1.0, 1440.0);
/// The longest file name, in characters.
const MAX_FILE_NAME_LENGTH: usize = 255;
/// How long a reservation outlives its URL: an upload that begins at the last moment may take as long as any transfer.
const LONGEST_TRANSFER: Duration = Duration::from_secs(24 * 3600);

/// How answers spell `expiresAt`: the vendor's schema has a number, its prose a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiresAtForm {
    /// A number to view and download, as in the schema; a text to upload, which only the prose knows.
    #[default]
    ByAction,
    /// Milliseconds since the epoch, always.
    Number,
    /// As ISO 8601 has it, always.
    Text,
}

impl fmt::Display for ExpiresAtForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByAction => "by-action",
            Self::Number => "number",
            Self::Text => "text",
        })
    }
}

/// A text that is none of the forms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no form of `expiresAt`: expected `by-action`, `number` or `text`")]
pub struct ExpiresAtFormError(String);

impl FromStr for ExpiresAtForm {
    type Err = ExpiresAtFormError;

    fn from_str(text: &str) -> Result<Self, ExpiresAtFormError> {
        let known = [Self::ByAction, Self::Number, Self::Text].into_iter().find(|form| form.to_string() == text);
        known.ok_or_else(|| ExpiresAtFormError(text.chars().take(64).collect()))
    }
}

/// A URL that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlRequest {
    pub(crate) action: Action,
    pub(crate) lifetime: Duration,
}

/// What the URL is to be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To show or to save a file that is there.
    Read { file_id: String, disposition: Disposition },
    /// To upload a file that is not there yet.
    Upload { file_name: String, content_type: Option<String> },
}

/// The JSON object of a body.
pub(crate) fn json_body<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::body("invalid_content_type", "the header `Content-Type` must be `application/json`"));
    }
    // An array would do for a struct, too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::body("invalid_type", "the body must be a JSON object"));
    }
    // All of it must be JSON: what is ignored is skipped without being looked at.
    serde_json::from_slice::<Value>(bytes)
        .and_then(|_| serde_json::from_slice(bytes))
        .map_err(|error| ApiError::body("invalid_json", format!("the body cannot be read: {error}")))
}

/// Whether `Content-Type` is there once and JSON, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// What a body asks for; everything that is wrong with it is told at once. Fields that are for the other action are ignored.
pub(crate) fn url_request(body: UrlBody) -> Result<UrlRequest, ApiError> {
    let mut faults = Faults(Vec::new());
    let kind = faults.kind(body.action);
    let lifetime = faults.lifetime(body.expires_in_minutes);
    let action = match kind {
        None => None,
        Some(Kind::Upload) => {
            let (file_name, content_type) = (faults.file_name(body.file_name), faults.content_type(body.content_type));
            file_name.zip(content_type).map(|(file_name, content_type)| Action::Upload { file_name, content_type })
        }
        Some(Kind::Read(disposition)) => {
            faults.filled("fileId", body.file_id).map(|file_id| Action::Read { file_id, disposition })
        }
    };
    match (action, lifetime) {
        (Some(action), Some(lifetime)) => Ok(UrlRequest { action, lifetime }),
        _ => Err(ApiError::Invalid(faults.0)),
    }
}

enum Kind {
    Read(Disposition),
    Upload,
}

/// What is wrong with a body. Whatever reads a field gives `None` if it has added a fault.
struct Faults(Vec<Detail>);

impl Faults {
    fn add<T>(&mut self, path: &'static str, code: &'static str, message: impl Into<Cow<'static, str>>) -> Option<T> {
        self.0.push(Detail { path, message: message.into(), code });
        None
    }

    fn kind(&mut self, action: Option<Value>) -> Option<Kind> {
        let Some(action) = action else { return Some(Kind::Read(Disposition::Inline)) };
        match action.as_str() {
            Some("view") => Some(Kind::Read(Disposition::Inline)),
            Some("download") => Some(Kind::Read(Disposition::Attachment)),
            Some("upload") => Some(Kind::Upload),
            Some(_) => self.add("action", "invalid_enum_value", "expected `view`, `download` or `upload`"),
            None => self.add("action", "invalid_type", format!("expected a string, found {}", kind_of(&action))),
        }
    }

    /// Exact to the nanosecond; a URL lives for whole seconds, as many as it takes.
    fn lifetime(&mut self, minutes: Option<Value>) -> Option<Duration> {
        let (default, least, most) = MINUTES;
        let minutes = match minutes {
            None => default,
            Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::INFINITY),
            Some(other) => {
                return self.add("expiresInMinutes", "invalid_type", format!("expected a number, found {}", kind_of(&other)));
            }
        };
        if minutes < least {
            return self.add("expiresInMinutes", "too_small", format!("expected at least {least}"));
        }
        if minutes > most {
            return self.add("expiresInMinutes", "too_big", format!("expected at most {most}"));
        }
        // Rounded to nanoseconds, so that 2.05 minutes, which no binary fraction is, are not a second too few.
        Some(Duration::from_secs_f64(minutes * 60.0))
    }

    fn text(&mut self, path: &'static str, value: Option<Value>) -> Option<String> {
        match value {
            None => self.add(path, "required", "required, and missing"),
            Some(Value::String(text)) => Some(text),
            Some(other) => self.add(path, "invalid_type", format!("expected a string, found {}", kind_of(&other))),
        }
    }

    fn filled(&mut self, path: &'static str, value: Option<Value>) -> Option<String> {
        match self.text(path, value)? {
            text if text.is_empty() => self.add(path, "too_small", "expected at least 1 character"),
            text => Some(text),
        }
    }

    fn file_name(&mut self, value: Option<Value>) -> Option<String> {
        match self.filled("fileName", value)? {
            text if text.chars().count() > MAX_FILE_NAME_LENGTH => {
                self.add("fileName", "too_big", format!("expected at most {MAX_FILE_NAME_LENGTH} characters"))
            }
            text => Some(text),
        }
    }

    /// A media type; a browser has an empty one for a file whose type it does not know, which is none.
    fn content_type(&mut self, value: Option<Value>) -> Option<Option<String>> {
        let text = self.text("contentType", value)?;
        match text.as_str() {
            "" => Some(None),
            written if content_type_of(Some(written)) == written => Some(Some(text)),
            _ => self.add("contentType", "invalid_string", "expected a media type such as `application/pdf`"),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A file id as it stands on the wire.
pub(crate) fn file_id_text(id: &FileId) -> String {
    format!("{FILE_ID_PREFIX}{id}")
}

/// The file id that a text is. One that cannot be ours is nobody's.
pub(crate) fn file_id(text: &str) -> Result<FileId, ServiceError> {
    let id = text.strip_prefix(FILE_ID_PREFIX).and_then(|id| id.parse().ok());
    id.ok_or(ServiceError::NotFound { what: "file" })
}

/// A file to be, for whose bytes a URL of this lifetime is given out.
pub(crate) fn new_file(file_name: String, content_type: Option<String>, lifetime: Duration) -> NewFile {
    NewFile { name: file_name, content_type, needs_confirmation: false, keep_for: lifetime.saturating_add(LONGEST_TRANSFER) }
}

/// A URL to read a file that is there.
pub(crate) fn read_request(file: &File, disposition: Disposition, lifetime: Duration) -> IssueRequest {
    let mut terms = Terms::new(Permission::Read);
    terms.disposition = Some(disposition);
    request(file, terms, lifetime, true)
}

/// A URL to upload a file that is reserved.
pub(crate) fn write_request(file: &File, lifetime: Duration) -> IssueRequest {
    let mut terms = Terms::new(Permission::Write);
    terms.upload.mode = PutMode::Reserved;
    request(file, terms, lifetime, false)
}

fn request(file: &File, mut terms: Terms, lifetime: Duration, must_exist: bool) -> IssueRequest {
    terms.dialect = Dialect::FlexPortal;
    IssueRequest {
        bucket: file.bucket.name.clone(),
        form: Form::TokenOrLink,
        target: Target::Object(file.key.clone()),
        terms,
        lifetime: Lifetime::For(lifetime),
        not_before: None,
        must_exist,
        pin: false,
    }
}

/// An issued URL in the vendor's spelling.
pub(crate) fn url_answer(file: &File, issued: &Issued, urls: &PublicUrls, expires_at: ExpiresAtForm) -> UrlAnswer {
    let iso = iso(issued.expires_at);
    UrlAnswer {
        success: true,
        url: url_of(issued, urls),
        file_id: file_id_text(&file.id),
        filename: file.name.clone(),
        content_type: content_type_of(file.content_type.as_deref()),
        file_size: file.object.as_ref().map_or(0, |object| object.size_bytes),
        expires_at: match (expires_at, issued.terms.permission.writes()) {
            (ExpiresAtForm::Number, _) | (ExpiresAtForm::ByAction, false) => ExpiresAt::Millis(issued.expires_at.as_millis()),
            (ExpiresAtForm::Text, _) | (ExpiresAtForm::ByAction, true) => ExpiresAt::Iso(iso.clone()),
        },
        expires_at_iso: iso,
    }
}

fn url_of(issued: &Issued, urls: &PublicUrls) -> String {
    let base = urls.of(&issued.bucket.region);
    match &issued.credential {
        Credential::Token { token, path } => format!("{}{path}?cat={}", base.origin(), token.expose()),
        Credential::Link(secret) => base.join(&format!("/l/{}", secret.text().expose())),
    }
}

/// The media type that a file is answered with: never empty.
pub(crate) fn content_type_of(stored: Option<&str>) -> String {
    stored.map_or(OCTET_STREAM.to_owned(), |stored| view::sanitised(stored).to_str().unwrap_or(OCTET_STREAM).to_owned())
}

/// The opaque part of an object's entity tag: its SHA-256.
pub(crate) fn etag_of(object: &ObjectRow) -> String {
    URL_SAFE_NO_PAD.encode(object.sha256)
}

/// An instant as ISO 8601 has it, in whole seconds.
fn iso(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_seconds()).map(|at| at.to_string()).unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn asked(text: &str) -> Result<UrlRequest, Vec<(&'static str, &'static str)>> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        json_body(&headers, text.as_bytes()).and_then(url_request).map_err(|error| match error {
            ApiError::Invalid(details) => details.into_iter().map(|detail| (detail.path, detail.code)).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_forms_of_the_page() {
        let check = |text: &str, action: Action, seconds: u64| {
            assert_eq!(asked(text), Ok(UrlRequest { action, lifetime: Duration::from_secs(seconds) }), "{text}");
        };
        let read = |disposition| Action::Read { file_id: "file_abc123".to_owned(), disposition };
        let upload = |content_type: Option<&str>| Action::Upload {
            file_name: "contract-order-123.pdf".to_owned(),
            content_type: content_type.map(str::to_owned),
        };
        check(r#"{"fileId": "file_abc123"}"#, read(Disposition::Inline), 3600);
        check(r#"{"fileId": "file_abc123", "action": "view", "expiresInMinutes": 60}"#, read(Disposition::Inline), 3600);
        check("\r\n{\"action\": \"download\", \"fileId\": \"file_abc123\"} ", read(Disposition::Attachment), 3600);
        let body = r#"{"action": "upload", "fileName": "contract-order-123.pdf", "contentType": "application/pdf"}"#;
        check(body, upload(Some("application/pdf")), 3600);
        // A browser's `file.type`, where it knows none.
        check(&body.replace("application/pdf", ""), upload(None), 3600);
        check(&body.replace("application/pdf", "text/csv; charset=utf-8"), upload(Some("text/csv; charset=utf-8")), 3600);
        // Fields of the other action, and fields that nobody knows.
        check(r#"{"fileId": "file_abc123", "fileName": 5, "contentType": null, "x": 1}"#, read(Disposition::Inline), 3600);
        let with_id = body.replacen('{', r#"{"fileId": 0, "expiresInMinutes": 1.5, "#, 1);
        check(&with_id, upload(Some("application/pdf")), 90);
    }

    #[test]
    fn faults() {
        let check = |text: &str, expected: &[(&str, &str)]| assert_eq!(asked(text).unwrap_err(), expected, "{text}");
        for text in ["", "[]", "null", r#""x""#, " "] {
            check(text, &[("", "invalid_type")]);
        }
        for text in [
            "{",
            "{,}",
            r#"{"fileId": "a" "action": "view"}"#,
            r#"{"fileId": "a", "fileId": "b"}"#,
            "{} {}",
            "{\"a\": \"\u{1}\"}",
        ] {
            check(text, &[("", "invalid_json")]);
        }
        check("{}", &[("fileId", "required")]);
        check(r#"{"fileId": ""}"#, &[("fileId", "too_small")]);
        for wrong in ["null", "5", "[]", "{}", "true"] {
            check(&format!(r#"{{"fileId": {wrong}}}"#), &[("fileId", "invalid_type")]);
            check(&format!(r#"{{"fileId": "a", "action": {wrong}}}"#), &[("action", "invalid_type")]);
        }
        for wrong in ["", "View", "delete", "view "] {
            check(&format!(r#"{{"fileId": "a", "action": "{wrong}"}}"#), &[("action", "invalid_enum_value")]);
        }
        check(r#"{"action": "upload"}"#, &[("fileName", "required"), ("contentType", "required")]);
        check(
            r#"{"action": "upload", "fileName": "", "contentType": "pdf"}"#,
            &[("fileName", "too_small"), ("contentType", "invalid_string")],
        );
        check(
            r#"{"action": "upload", "fileName": 1, "contentType": null, "expiresInMinutes": 0}"#,
            &[("expiresInMinutes", "too_small"), ("fileName", "invalid_type"), ("contentType", "invalid_type")],
        );
        check(
            r#"{"action": "nothing", "expiresInMinutes": "60"}"#,
            &[("action", "invalid_enum_value"), ("expiresInMinutes", "invalid_type")],
        );
        let long = format!(r#"{{"action": "upload", "contentType": "a/b", "fileName": "{}"}}"#, "é".repeat(256));
        check(&long, &[("fileName", "too_big")]);
        for wrong in ["text", "text/", "/plain", "a/b; c", "a/b\\r\\nx: y", "*", &format!("a/{}", "b".repeat(254))] {
            let text = format!(r#"{{"action": "upload", "fileName": "a", "contentType": "{wrong}"}}"#);
            check(&text, &[("contentType", "invalid_string")]);
        }
    }

    #[test]
    fn what_is_ignored_is_json_too() {
        let ask = |ignored: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            json_body::<UrlBody>(&headers, &[b"{\"fileId\": \"a\", \"x\": ", ignored, b"}"].concat())
        };
        for fine in [&br#""\ud83d\ude00""#[..], r#"{"😀": [null, 1e300, "\u0000"]}"#.as_bytes()] {
            assert!(ask(fine).is_ok(), "{fine:?}");
        }
        for wrong in [&b"\"\xff\""[..], b"{\"\xc3\": 1}", br#""\ud800""#, br#"["\udc00"]"#, br#"{"\ud800x": 1}"#] {
            assert!(matches!(ask(wrong), Err(ApiError::Invalid(details)) if details[0].code == "invalid_json"), "{wrong:?}");
        }
    }

    #[test]
    fn forms_of_an_instant() {
        for form in [ExpiresAtForm::ByAction, ExpiresAtForm::Number, ExpiresAtForm::Text] {
            assert_eq!(form.to_string().parse(), Ok(form));
        }
        let error = "iso".parse::<ExpiresAtForm>().unwrap_err().to_string();
        assert_eq!(error, "`iso` is no form of `expiresAt`: expected `by-action`, `number` or `text`");
    }

    #[test]
    fn minutes() {
        let check = |minutes: &str, expected: Result<u64, &'static str>| {
            let found = asked(&format!(r#"{{"fileId": "a", "expiresInMinutes": {minutes}}}"#));
            let found = found.map(|request| request.lifetime.as_secs()).map_err(|details| details[0].1);
            assert_eq!(found, expected, "{minutes}");
        };
        for (minutes, seconds) in [
            ("1", 60),
            ("1.0", 60),
            ("1e0", 60),
            ("1.5", 90),
            ("2.05", 123),
            ("1.0166666666666666", 61),
            ("1.01", 60),
            ("60", 3600),
            ("144e1", 86_400),
            ("1440", 86_400),
        ] {
            check(minutes, Ok(seconds));
        }
        for minutes in ["0.99", "0.9999999", "0", "-0", "-0.0", "-1", "-1e300", "5e-324", "-99999999999999999999"] {
            check(minutes, Err("too_small"));
        }
        for minutes in ["1440.0001", "1441", "1e300", "99999999999999999999", "18446744073709551615"] {
            check(minutes, Err("too_big"));
        }
        for minutes in [r#""60""#, "null", "true", "[60]", "{}"] {
            check(minutes, Err("invalid_type"));
        }
        for minutes in ["NaN", "Infinity", "1e400", "-1e400", "01", "+1", "1.", ".5", "0x3c", ""] {
            check(minutes, Err("invalid_json"));
        }
    }

    #[test]
    fn every_whole_second_can_be_asked_for() {
        for seconds in 60..=86_400_u32 {
            let minutes = Value::from(f64::from(seconds) / 60.0);
            let body = UrlBody { file_id: Some("a".into()), expires_in_minutes: Some(minutes), ..UrlBody::default() };
            let request = url_request(body).unwrap();
            assert_eq!(request.lifetime.as_secs(), u64::from(seconds));
        }
    }

    #[test]
    fn types_of_bodies() {
        let check = |values: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            assert_eq!(is_json(&headers), expected, "{values:?}");
        };
        check(&["application/json"], true);
        check(&["Application/JSON ; charset=utf-8"], true);
        for values in [&[][..], &[""], &["text/plain"], &["application/jsonp"], &["application/json", "application/json"]] {
            check(values, false);
        }
    }

    #[test]
    fn file_ids() {
        let id = FileId::from_bytes([0xff; 16]);
        let text = file_id_text(&id);
        assert_eq!((text.len(), file_id(&text).ok()), (27, Some(id)));
        for wrong in [
            "",
            "file_",
            "file_abc123",
            "File_AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "file_AAAAAAAAAAAAAAAAAAAAAB",
            "file_AAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert!(matches!(file_id(wrong), Err(ServiceError::NotFound { .. })), "{wrong}");
        }
    }
}
