//! Between the wire and the use cases.
//!
//! The vendor's server is made with FastAPI, whose validation is that of pydantic in its lax mode: numbers in paths and queries are
//! read as it reads them, and faults are told in its words.

use crate::errors::{ApiError, unreadable_body};
use crate::wire::{ConfirmBody, Ctx, DeletedBody, DownloadBody, FaultBody, FileBody, ListBody, Loc, UploadBody, UploadStatus};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, HeaderMap};
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Value, json};
use std::time::Duration;
use valetkey_http_common::content_type::OCTET_STREAM;
use valetkey_http_common::path::decode;
use valetkey_http_common::public_url::PublicUrl;
use valetkey_http_common::query::Query;
use valetkey_model::{Dialect, Disposition, FileNumber, Permission, PutMode, Terms, Timestamp};
use valetkey_service::{
    Credential, File, FilePage, FileRef, FilesQuery, Form, IssueRequest, Issued, Lifetime, NewFile, ObjectRow, Target,
};

/// For how many seconds a URL lives.
const EXPIRES_IN: Parameter = Parameter { name: "expires_in", default: 3600, least: 1, most: 86_400 };
/// How many files a page has at most.
const LIMIT: Parameter = Parameter { name: "limit", default: 50, least: 1, most: 100 };
/// How many files come before a page: as many as JSON's numbers are exact for.
const OFFSET: Parameter = Parameter { name: "offset", default: 0, least: 0, most: (1 << 53) - 1 };
/// How long an upload URL lives.
const UPLOAD_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a file waits for its bytes and for being confirmed.
const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);
/// Where a file's id stands.
const FILE_ID: [Loc; 2] = [Loc::Name("path"), Loc::Name("file_id")];
/// Where a body stands.
const BODY: [Loc; 1] = [Loc::Name("body")];
/// The longest number that is read, in characters.
const MAX_NUMBER_CHARS: usize = 4300;

/// Which file a path segment asks for: its number, or the hash id that was given out with it. `None` is a number that no file has.
pub(crate) fn file_ref(raw: &str) -> Result<Option<FileRef>, FaultBody> {
    let decoded = decode(raw).ok();
    let text = decoded.as_deref().unwrap_or(raw);
    if let Ok(id) = text.parse() {
        return Ok(Some(FileRef::Id(id)));
    }
    let number = integer(text).map_err(|fault| fault.at(&FILE_ID).found(text))?;
    Ok(u64::try_from(number).ok().and_then(FileNumber::new).map(FileRef::Number))
}

/// For how long a URL is to live.
pub(crate) fn lifetime(query: Query<'_>) -> Result<Duration, FaultBody> {
    Ok(Duration::from_secs(EXPIRES_IN.of(query)?))
}

/// The page that is asked for.
pub(crate) fn files_query(query: Query<'_>) -> Result<FilesQuery, ApiError> {
    match (LIMIT.of(query), OFFSET.of(query)) {
        (Ok(limit), Ok(skip)) => Ok(FilesQuery {
            with_pending: true,
            oldest_first: false,
            after: None,
            skip,
            // Whatever is within the limits is small.
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        }),
        (limit, offset) => Err(ApiError::Faults([limit.err(), offset.err()].into_iter().flatten().collect())),
    }
}

/// A whole number in a query, of which the last one counts.
struct Parameter {
    name: &'static str,
    default: u64,
    least: i64,
    most: i64,
}

impl Parameter {
    fn of(&self, query: Query<'_>) -> Result<u64, FaultBody> {
        let loc = [Loc::Name("query"), Loc::Name(self.name)];
        let text = match query.last_form_value(self.name) {
            Ok(None) => return Ok(self.default),
            Ok(Some(text)) => text,
            Err(_) => return Err(NotAnInteger::Text.at(&loc)),
        };
        let number = integer(&text).map_err(|fault| fault.at(&loc).found(text.as_ref()))?;
        let (r#type, word, limit, ctx) = if number < self.least {
            ("greater_than_equal", "greater", self.least, Ctx::Ge(self.least))
        } else if number > self.most {
            ("less_than_equal", "less", self.most, Ctx::Le(self.most))
        } else {
            // Whatever is within the limits is not negative.
            return Ok(number.unsigned_abs());
        };
        let msg = format!("Input should be {word} than or equal to {limit}");
        Err(FaultBody::new(r#type, &loc, msg).found(text.as_ref()).about(ctx))
    }
}

/// Why a text is not an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotAnInteger {
    /// It is something else.
    Text,
    /// It is too long to be read.
    Size,
}

impl NotAnInteger {
    fn at(self, loc: &[Loc]) -> FaultBody {
        let (r#type, msg) = match self {
            Self::Text => ("int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
            Self::Size => ("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"),
        };
        FaultBody::new(r#type, loc, msg)
    }
}

/// An integer as pydantic reads one from text: white space around it, a sign, zeros before it, single underscores between digits, and a
/// fraction of zeros. Any size is an integer; what is beyond 64 bits is the last one of them, which is beyond every limit here.
fn integer(text: &str) -> Result<i64, NotAnInteger> {
    let text = text.trim();
    if text.len() > MAX_NUMBER_CHARS {
        return Err(NotAnInteger::Size);
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = match unsigned.split_once('.') {
        None => unsigned,
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return Err(NotAnInteger::Text),
    };
    let is_group = |group: &str| !group.is_empty() && group.bytes().all(|digit| digit.is_ascii_digit());
    if !whole.split('_').all(is_group) {
        return Err(NotAnInteger::Text);
    }
    let digits = whole.bytes().filter(u8::is_ascii_digit).map(|digit| i64::from(digit - b'0'));
    Ok(digits.fold(0, |number: i64, digit| number.saturating_mul(10).saturating_add(sign * digit)))
}

/// The body of `POST /api/v1/files/upload`.
pub(crate) fn new_file(headers: &HeaderMap, bytes: &[u8]) -> Result<NewFile, ApiError> {
    if bytes.is_empty() {
        return Err(missing(&BODY, Value::Null).into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable_body())?;
    let value = if is_json(headers) { parse(text)? } else { Value::from(text) };
    let Value::Object(fields) = value else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        return Err(FaultBody::new("model_attributes_type", &BODY, msg).found(value).into());
    };
    match (field(&fields, "filename"), field(&fields, "content_type")) {
        (Ok(name), Ok(content_type)) => Ok(NewFile {
            name: name.to_owned(),
            content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
            needs_confirmation: true,
            keep_for: KEEP_FOR,
        }),
        (name, content_type) => Err(ApiError::Faults([name.err(), content_type.err()].into_iter().flatten().collect())),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn parse(text: &str) -> Result<Value, FaultBody> {
    serde_json::from_str(text).map_err(|error| {
        let loc = [Loc::Name("body"), Loc::Offset(offset_of(text, &error))];
        FaultBody::new("json_invalid", &loc, "JSON decode error").found(json!({})).about(Ctx::Error(error.to_string()))
    })
}

/// How many characters of a text come before the one at which it is no JSON.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // The column counts the bytes read, the wrong one among them; at the end of the text none is wrong.
    let n_bytes = (before + error.column()).saturating_sub(usize::from(!error.is_eof()));
    text.bytes().take(n_bytes).filter(|byte| byte & 0xc0 != 0x80).count()
}

fn field<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, FaultBody> {
    let loc = [Loc::Name("body"), Loc::Name(name)];
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(FaultBody::new("string_type", &loc, "Input should be a valid string").found(other.clone())),
        None => Err(missing(&loc, Value::Object(fields.clone()))),
    }
}

fn missing(loc: &[Loc], found: Value) -> FaultBody {
    FaultBody::new("missing", loc, "Field required").found(found)
}

/// A URL to save a file. Its name and type are the object's to say.
pub(crate) fn download_request(file: &File, lifetime: Duration) -> IssueRequest {
    let mut terms = Terms::new(Permission::Read);
    terms.disposition = Some(Disposition::Attachment);
    request(file, terms, lifetime, true)
}

/// A URL to upload a file's bytes, whatever type they are said to be, until they are confirmed.
pub(crate) fn upload_request(file: &File) -> IssueRequest {
    let mut terms = Terms::new(Permission::Write);
    terms.upload.mode = PutMode::Reserved;
    request(file, terms, UPLOAD_LIFETIME, false)
}

fn request(file: &File, mut terms: Terms, lifetime: Duration, must_exist: bool) -> IssueRequest {
    terms.dialect = Dialect::Datalab;
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

/// An issued URL, in native form.
fn url_of(issued: &Issued, base: &PublicUrl) -> String {
    match &issued.credential {
        Credential::Token { token, path } => format!("{}{path}?cat={}", base.origin(), token.expose()),
        Credential::Link(secret) => base.join(&format!("/l/{}", secret.text().expose())),
    }
}

pub(crate) fn download_body(file: &File, issued: &Issued, lifetime: Duration, base: &PublicUrl) -> DownloadBody {
    DownloadBody {
        download_url: url_of(issued, base),
        expires_in: lifetime.as_secs(),
        file_id: file.number.get(),
        original_filename: file.name.clone(),
    }
}

pub(crate) fn upload_body(file: &File, issued: &Issued, base: &PublicUrl) -> UploadBody {
    UploadBody {
        file_id: file.number.get(),
        upload_url: url_of(issued, base),
        reference: reference(file),
        expires_in: UPLOAD_LIFETIME.as_secs(),
    }
}

pub(crate) fn confirm_body(file: &File) -> ConfirmBody {
    ConfirmBody {
        success: true,
        file_id: file.number.get(),
        reference: reference(file),
        message: "File upload confirmed",
        created: iso(file.created_at),
    }
}

pub(crate) fn file_body(file: &File) -> FileBody {
    let ready = file.ready();
    FileBody {
        file_id: file.number.get(),
        original_filename: file.name.clone(),
        content_type: file.content_type.clone().unwrap_or_else(|| OCTET_STREAM.to_owned()),
        reference: reference(file),
        upload_status: if ready.is_some() { UploadStatus::Completed } else { UploadStatus::Pending },
        file_size: ready.map(|object| object.size_bytes),
        created: iso(file.created_at),
    }
}

pub(crate) fn list_body(page: &FilePage, query: FilesQuery, total: u64) -> ListBody {
    ListBody { files: page.files.iter().map(file_body).collect(), total, limit: query.limit, offset: query.skip }
}

pub(crate) fn deleted_body(file: &File) -> DeletedBody {
    DeletedBody { success: true, message: format!("File {} deleted successfully", file.number.get()) }
}

/// What other services of the vendor are given for the file; its last part is the hash id.
fn reference(file: &File) -> String {
    format!("datalab://file-{}", file.id)
}

/// An instant as ISO 8601 has it, in microseconds.
fn iso(at: Timestamp) -> String {
    let printer = DateTimePrinter::new().precision(Some(6));
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map(|at| printer.timestamp_to_string(&at))
        .unwrap_or_else(|_| at.to_string())
}

/// The opaque part of an object's entity tag: its SHA-256.
pub(crate) fn etag_of(object: &ObjectRow) -> String {
    URL_SAFE_NO_PAD.encode(object.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn integers_are_read_as_pydantic_reads_them() {
        for (text, number) in [
            ("5", 5),
            ("0", 0),
            ("-0", 0),
            ("+5", 5),
            ("-5", -5),
            ("05", 5),
            ("-05", -5),
            ("000", 0),
            (" 5", 5),
            ("5 ", 5),
            ("\t5\n", 5),
            ("5\u{b}", 5),
            ("\u{a0}5\u{3000}", 5),
            ("5.0", 5),
            ("-5.00", -5),
            ("005.0", 5),
            ("1_000", 1000),
            ("1_0_0.0", 100),
            ("+0_5", 5),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MAX),
            ("-9223372036854775809", i64::MIN),
            ("18446744073709551616.0", i64::MAX),
            (&"9".repeat(4300), i64::MAX),
            (&format!(" {} ", "0".repeat(4300)), 0),
        ] {
            assert_eq!(integer(text), Ok(number), "{text}");
        }
        for text in [
            "",
            " ",
            "+",
            "-",
            "--5",
            "+-5",
            "-+5",
            "+ 5",
            "5 0",
            "5.",
            ".0",
            "-.0",
            "5.5",
            "5..0",
            "5.0.0",
            "5.0_0",
            "_1",
            "1_",
            "1__0",
            "+_5",
            "1_.0",
            "1e3",
            "0x10",
            "5,0",
            "٥",
            "５",
            "\u{200b}5",
            "\u{feff}5",
            "5\u{1f}",
            "nan",
            "inf",
            "true",
            "None",
        ] {
            assert_eq!(integer(text), Err(NotAnInteger::Text), "{text}");
        }
        assert_eq!(integer(&"9".repeat(4301)), Err(NotAnInteger::Size));
    }

    #[test]
    fn files_are_asked_for_by_number_or_hash_id() {
        let check = |raw: &str, expected: Result<Option<&str>, &str>| {
            let found = file_ref(raw).map(|found| {
                found.map(|found| match found {
                    FileRef::Id(id) => id.to_string(),
                    FileRef::Number(number) => number.get().to_string(),
                })
            });
            let found = found.map_err(|fault| {
                assert_eq!(fault.loc, [Loc::Name("path"), Loc::Name("file_id")], "{raw}");
                format!("{}: {}", fault.r#type, fault.input.unwrap())
            });
            assert_eq!(found, expected.map(|id| id.map(str::to_owned)).map_err(str::to_owned), "{raw}");
        };
        check("5", Ok(Some("5")));
        check("%2B0_5.0%20", Ok(Some("5")));
        check("9007199254740991", Ok(Some("9007199254740991")));
        // Numbers that no file has.
        for raw in ["0", "-1", "9007199254740992", "18446744073709551616", "-18446744073709551616"] {
            check(raw, Ok(None));
        }
        check("5WpGkDlIcXiojRwXzfMLHQ", Ok(Some("5WpGkDlIcXiojRwXzfMLHQ")));
        check("%35WpGkDlIcXiojRwXzfMLHQ", Ok(Some("5WpGkDlIcXiojRwXzfMLHQ")));
        // Other spellings of the same bits, too short, too long.
        for raw in ["5WpGkDlIcXiojRwXzfMLHR", "5WpGkDlIcXiojRwXzfMLH", "5WpGkDlIcXiojRwXzfMLHQA", "file-5WpGkDlIcXiojRwXzfMLHQ"] {
            check(raw, Err(&format!("int_parsing: \"{raw}\"")));
        }
        check("abc%2Fd", Err("int_parsing: \"abc/d\""));
        check("%ff", Err("int_parsing: \"%ff\""));
        check("", Err("int_parsing: \"\""));
        check(&"1".repeat(4301), Err(&format!("int_parsing_size: \"{}\"", "1".repeat(4301))));
    }

    #[test]
    fn lifetimes() {
        let check = |query: &str, expected: Result<u64, (&str, Value)>| {
            let found = lifetime(Query::new(Some(query))).map(|lifetime| lifetime.as_secs());
            let expected = expected.map_err(|(r#type, rest)| (r#type.to_owned(), rest));
            let found = found.map_err(|fault| {
                assert_eq!(fault.loc, [Loc::Name("query"), Loc::Name("expires_in")], "{query}");
                (fault.r#type.to_owned(), json!([fault.input, fault.ctx]))
            });
            assert_eq!(found, expected, "{query}");
        };
        for (query, seconds) in [
            ("", 3600),
            ("expires=5&Expires_In=7", 3600),
            ("expires_in=1", 1),
            ("expires_in=59", 59),
            ("expires_in=86400", 86_400),
            ("expires_in=+60", 60),
            ("expires_in=%2B60.0", 60),
            ("expires_in=86_400", 86_400),
            ("expires_in=x&expires_in=%zz&expires_in=2", 2),
            ("expires_in=0&e%78pires_in=3", 3),
        ] {
            check(query, Ok(seconds));
        }
        for (query, found) in [("expires_in=0", "0"), ("expires_in=-1", "-1"), ("expires_in=5&expires_in=-9e", "-9e")] {
            let is_text = found.contains('e');
            let ctx = if is_text { Value::Null } else { json!({ "ge": 1 }) };
            check(query, Err((if is_text { "int_parsing" } else { "greater_than_equal" }, json!([found, ctx]))));
        }
        for found in ["86401", "86400.0000", "99999999999999999999"] {
            let query = format!("expires_in={found}");
            match found {
                "86400.0000" => check(&query, Ok(86_400)),
                _ => check(&query, Err(("less_than_equal", json!([found, { "le": 86400 }])))),
            }
        }
        for found in ["", "3600.5", "1h", "5;expires_in=7"] {
            check(&format!("expires_in={found}"), Err(("int_parsing", json!([found, null]))));
        }
        check("expires_in", Err(("int_parsing", json!(["", null]))));
        check("expires_in=%ff", Err(("int_parsing", json!([null, null]))));
    }

    #[test]
    fn pages() {
        let check = |query: &str, expected: Result<(u32, u64), Value>| {
            let found = files_query(Query::new(Some(query))).map(|query| {
                assert_eq!((query.with_pending, query.oldest_first, query.after), (true, false, None));
                (query.limit, query.skip)
            });
            let found = found.map_err(|error| match error {
                ApiError::Faults(faults) => json!(faults),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected, "{query}");
        };
        check("", Ok((50, 0)));
        check("limit=1&offset=9007199254740991&x=y", Ok((1, (1 << 53) - 1)));
        check("limit=100.0&offset=%2B05", Ok((100, 5)));
        check("limit=x&limit=7", Ok((7, 0)));
        let fault = |r#type: &str, name: &str, msg: &str, input: &str, ctx: Value| {
            let mut fault = json!({ "type": r#type, "loc": ["query", name], "msg": msg, "input": input });
            if !ctx.is_null() {
                fault["ctx"] = ctx;
            }
            fault
        };
        let (ge, le) = ("greater_than_equal", "less_than_equal");
        let least = |name: &str, input: &str, ge_: i64| {
            fault(ge, name, &format!("Input should be greater than or equal to {ge_}"), input, json!({ "ge": ge_ }))
        };
        let most = |name: &str, input: &str, le_: i64| {
            fault(le, name, &format!("Input should be less than or equal to {le_}"), input, json!({ "le": le_ }))
        };
        let text = |name: &str, input: &str| {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            fault("int_parsing", name, msg, input, Value::Null)
        };
        check("limit=0", Err(json!([least("limit", "0", 1)])));
        check("limit=101&offset=-1", Err(json!([most("limit", "101", 100), least("offset", "-1", 0)])));
        check("offset=99999999999999999999", Err(json!([most("offset", "99999999999999999999", (1 << 53) - 1)])));
        check("limit=ten&offset=", Err(json!([text("limit", "ten"), text("offset", "")])));
    }

    /// What is said of a body, as JSON.
    fn faults(content_type: Option<&str>, body: &[u8]) -> Value {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        match new_file(&headers, body) {
            Ok(new) => json!([new.name, new.content_type]),
            Err(ApiError::Faults(faults)) => json!(faults),
            Err(ApiError::Detail(status, detail)) => json!([status.as_u16(), detail]),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn upload_bodies() {
        let check =
            |body: &str, expected: Value| assert_eq!(faults(Some("application/json"), body.as_bytes()), expected, "{body}");
        check(r#"{"filename": "a.pdf", "content_type": "application/pdf"}"#, json!(["a.pdf", "application/pdf"]));
        // The last of several counts, others are ignored, and a type may be empty.
        check(r#" {"filename": 1, "x": [], "filename": "é", "content_type": ""} "#, json!(["é", null]));
        let missing = |name: &str, input: Value| json!({ "type": "missing", "loc": ["body", name], "msg": "Field required", "input": input });
        check("{}", json!([missing("filename", json!({})), missing("content_type", json!({}))]));
        check(r#"{"filename": "a"}"#, json!([missing("content_type", json!({ "filename": "a" }))]));
        let text = |name: &str, input: Value| json!({ "type": "string_type", "loc": ["body", name], "msg": "Input should be a valid string", "input": input });
        check(r#"{"filename": 1, "content_type": null}"#, json!([text("filename", json!(1)), text("content_type", Value::Null)]));
        check(
            r#"{"filename": true, "content_type": {"a": [1]}}"#,
            json!([text("filename", json!(true)), text("content_type", json!({ "a": [1] }))]),
        );
        let object = |input: Value| {
            let msg = "Input should be a valid dictionary or object to extract fields from";
            json!([{ "type": "model_attributes_type", "loc": ["body"], "msg": msg, "input": input }])
        };
        for body in ["[]", "null", "\"x\"", "5", "true"] {
            check(body, object(serde_json::from_str(body).unwrap()));
        }
        let whole = r#"{"filename":"a","content_type":"b"}"#;
        for content_type in ["Application/JSON", "application/json ; charset=utf-8", "application/vnd.api+json"] {
            assert_eq!(faults(Some(content_type), whole.as_bytes()), json!(["a", "b"]), "{content_type}");
        }
        for content_type in
            [None, Some("text/plain"), Some("json"), Some("application/jsonx"), Some("application/x-www-form-urlencoded")]
        {
            assert_eq!(faults(content_type, whole.as_bytes()), object(json!(whole)), "{content_type:?}");
            let nothing = json!([{ "type": "missing", "loc": ["body"], "msg": "Field required", "input": null }]);
            assert_eq!(faults(content_type, b""), nothing, "{content_type:?}");
        }
        assert_eq!(faults(Some("application/json"), b"\xff"), json!([400, "There was an error parsing the body"]));
    }

    #[test]
    fn where_a_body_is_no_json() {
        // The offsets are those of Python's decoder.
        for (body, offset) in [
            ("{", 1),
            (" ", 1),
            ("{\n", 2),
            ("{\"filename\":\"a\",\"content_type\":\"b\"} x", 36),
            ("{\"a\":}", 5),
            ("{a:1}", 1),
            ("{'a':1}", 1),
            ("{\"a\" 1}", 5),
            ("[1,]", 3),
            ("[[[", 3),
            ("\n\n{x", 3),
            ("{\"é\":x", 5),
            ("{\"filename\":\"a\" \"b\"}", 16),
            ("\\u0000", 0),
            ("01", 1),
        ] {
            let found = faults(Some("application/json"), body.as_bytes());
            let said = &found[0];
            assert_eq!((&said["type"], &said["loc"]), (&json!("json_invalid"), &json!(["body", offset])), "{body}: {found}");
            assert!(said["msg"] == "JSON decode error" && said["input"] == json!({}) && said["ctx"]["error"].is_string());
        }
        // What Python takes and nobody else does; and what would overflow the stack.
        for body in [
            "{\"filename\": NaN}",
            "{\"filename\": \"\\ud800\"}",
            "{\"a\": 1e999}",
            &"[".repeat(100_000),
            "{\"a\": \"\u{1}\"}",
            "tru",
        ] {
            assert_eq!(faults(Some("application/json"), body.as_bytes())[0]["type"], "json_invalid", "{body:.40}");
        }
    }

    #[test]
    fn instants() {
        for (micros, expected) in [(0, "1970-01-01T00:00:00.000000Z"), (1_800_000_000_400_000, "2027-01-15T08:00:00.400000Z")] {
            assert_eq!(iso(Timestamp::from_micros(micros)), expected);
        }
    }
}
