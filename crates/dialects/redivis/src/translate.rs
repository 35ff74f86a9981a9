//! Between the wire and the use cases.

use crate::errors::{ApiError, invalid, no_such_file, no_such_path};
use crate::wire::{
    DatasetItem, ListBody, NewRawFileBody, NewRawFilesBody, NewTableBody, NewTempUploadBody, NewTempUploadsBody, RawFileItem,
    SignBody, TableItem, TempUploadItem, UserItem,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::time::Duration;
use valetkey_http_common::content_type::guess;
use valetkey_http_common::path::{decode, encode_segment};
use valetkey_http_common::public_url::PublicUrl;
use valetkey_model::{Dialect, FileId, Permission, PutMode, TenantName, Terms};
use valetkey_service::{
    Collection, Credential, File, Form, IssueRequest, Issued, Lifetime, NewFile, NewName, ObjectRow, Target, parse_raw_file_id,
    raw_file_id,
};

/// The longest life of a signed URL, in seconds.
const MAX_DURATION_SECONDS: f64 = 86_400.0;
/// How many files one call names at most.
const MAX_FILES: usize = 1000;
/// How long an upload may take until it is a file; its URL lives as long. Published clients ask for the URLs of 1000 files at once
/// and use them one after the other.
const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);
/// The longest reference of a table, dataset or user.
const MAX_REFERENCE_BYTES: usize = 512;
/// The longest name of a file.
const MAX_NAME_BYTES: usize = 1024;
/// The longest part of a parser's message that is passed on: it may repeat what was sent.
const MAX_MESSAGE_CHARS: usize = 200;

/// The file of a raw path segment.
pub(crate) fn file_id(raw: &str) -> Result<FileId, ApiError> {
    decode(raw).ok().and_then(|id| parse_raw_file_id(&id)).ok_or_else(no_such_file)
}

/// What a raw path segment refers to: [`{owner}.{dataset}.{table}`](https://docs.redivis.com/api/referencing-resources), where
/// dataset and table may have an id and the dataset a version behind colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    text: String,
}

impl Reference {
    /// # Errors
    ///
    /// 404 for nothing, 400 for what is too long or not URL-encoded.
    pub(crate) fn parse(raw: &str) -> Result<Self, ApiError> {
        match decode(raw) {
            Ok(text) if text.is_empty() => Err(no_such_path()),
            Ok(text) if text.len() <= MAX_REFERENCE_BYTES => Ok(Self { text: text.into_owned() }),
            Ok(_) => Err(invalid(format!("The reference is longer than {MAX_REFERENCE_BYTES} bytes"))),
            Err(error) => Err(invalid(format!("The reference is not URL-encoded: {error}"))),
        }
    }

    /// One deeper: of a table in this dataset.
    pub(crate) fn of_table(&self, name: &str) -> Self {
        Self { text: format!("{}.{name}", self.text) }
    }

    /// Its files. Version and ids play no part; of names neither case does, nor which character stands where one is neither letter
    /// nor digit.
    pub(crate) fn collection(&self) -> Collection {
        let names: Vec<_> = self.parts().iter().map(|part| name_in(part).to_lowercase()).collect();
        let escaped: Vec<_> = names.iter().map(|name| escaped(name)).collect();
        Collection::new(&escaped.join("."), names.join(".").parse().ok())
    }

    /// A part for each level. The dot in a version is within its part.
    fn parts(&self) -> Vec<&str> {
        let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            // Dots and colons are single bytes; any other character is passed over whole.
            at += rest.chars().next().map_or(1, char::len_utf8);
            if let Some(tag) = rest.strip_prefix(':') {
                at += version_len(tag);
            } else if rest.starts_with('.') {
                parts.extend(self.text.get(start..at - 1));
                start = at;
            }
        }
        parts.extend(self.text.get(start..));
        parts
    }

    /// The last part's name, without version and id.
    fn name(&self) -> &str {
        self.parts().last().map_or(&self.text, |part| name_in(part))
    }

    /// The last part.
    fn scoped(&self) -> &str {
        self.parts().last().map_or(&self.text, |part| part)
    }

    /// What the last part belongs to, if there is anything before it.
    fn parent(&self) -> Option<Self> {
        let text = self.text.strip_suffix(self.scoped())?.strip_suffix('.')?;
        (!text.is_empty()).then(|| Self { text: text.to_owned() })
    }

    fn uri(&self, kind: &str) -> String {
        format!("/{kind}/{}", encode_segment(&self.text))
    }
}

/// How much of a text is a version such as `v1.0`.
fn version_len(text: &str) -> usize {
    let n_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let Some(major) = text.strip_prefix('v') else { return 0 };
    let n_major = n_digits(major);
    let minor = major.get(n_major..).and_then(|rest| rest.strip_prefix('.')).filter(|_| n_major > 0);
    match minor.map(n_digits) {
        Some(n_minor) if n_minor > 0 => 1 + n_major + 1 + n_minor,
        _ => 0,
    }
}

fn name_in(part: &str) -> &str {
    part.split(':').next().unwrap_or_default()
}

/// A name as the vendor escapes it: one underscore for whatever stands between letters and digits.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            c if c.is_alphanumeric() => escaped.push(c),
            _ if escaped.ends_with('_') => {}
            _ => escaped.push('_'),
        }
    }
    escaped
}

/// A table, which is there as soon as it is named.
pub(crate) fn table_item(reference: &Reference, base: &PublicUrl) -> TableItem {
    let uri = reference.uri("tables");
    TableItem {
        kind: "table",
        url: base.join(&format!("/api/v1{uri}")),
        uri,
        name: reference.name().to_owned(),
        qualified_reference: reference.text.clone(),
        scoped_reference: reference.scoped().to_owned(),
        container: reference.parent().map(|parent| dataset_item(&parent, base)),
    }
}

/// A dataset, likewise.
pub(crate) fn dataset_item(reference: &Reference, base: &PublicUrl) -> DatasetItem {
    let uri = reference.uri("datasets");
    DatasetItem {
        kind: "dataset",
        url: base.join(&format!("/api/v1{uri}")),
        uri,
        name: reference.name().to_owned(),
        qualified_reference: reference.text.clone(),
        scoped_reference: reference.scoped().to_owned(),
        owner: reference.parent().map(|owner| user_item(&owner.text, base)),
    }
}

/// A user, or what owns datasets otherwise.
pub(crate) fn user_item(name: &str, base: &PublicUrl) -> UserItem {
    let uri = format!("/users/{}", encode_segment(name));
    let url = base.join(&format!("/api/v1{uri}"));
    UserItem { kind: "user", name: name.to_owned(), user_name: name.to_owned(), uri, url }
}

/// The user of a raw path segment: whose key it is, where that is `me`.
pub(crate) fn user_name(raw: &str, tenant: &TenantName) -> Result<String, ApiError> {
    let reference = Reference::parse(raw)?;
    Ok(if reference.text == "me" { tenant.to_string() } else { reference.text })
}

/// The name of a table to be.
pub(crate) fn new_table(headers: &HeaderMap, bytes: &[u8]) -> Result<String, ApiError> {
    let NewTableBody { name } = parse(headers, bytes)?;
    match name.len() {
        1..=MAX_REFERENCE_BYTES => Ok(name),
        _ => Err(invalid(format!("Invalid field 'name': expected 1 to {MAX_REFERENCE_BYTES} bytes"))),
    }
}

/// How long a signed URL is to live, from the body of the call: in whole seconds, a fraction rounded up.
pub(crate) fn lifetime(headers: &HeaderMap, bytes: &[u8]) -> Result<Duration, ApiError> {
    let SignBody { duration } = parse(headers, bytes)?;
    if duration > 0.0 && duration <= MAX_DURATION_SECONDS {
        return Ok(Duration::from_secs_f64(duration.ceil()));
    }
    Err(invalid(format!("Invalid field 'duration': expected a number of seconds above 0 and up to {MAX_DURATION_SECONDS}")))
}

/// The uploads of a call, none of which has begun.
pub(crate) fn temp_uploads(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<NewTempUploadBody>, ApiError> {
    let NewTempUploadsBody { temp_uploads } = parse(headers, bytes)?;
    within_limit("tempUploads", temp_uploads.len())?;
    temp_uploads.iter().try_for_each(|upload| is_name(&upload.name))?;
    Ok(temp_uploads)
}

/// The uploads of a call that are to be files: which, and under what name.
pub(crate) fn raw_files(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<(FileId, Option<String>)>, ApiError> {
    let NewRawFilesBody { files } = parse(headers, bytes)?;
    within_limit("files", files.len())?;
    let mut named = HashSet::with_capacity(files.len());
    let known = |NewRawFileBody { name, temp_upload_id }| {
        let id = parse_raw_file_id(&temp_upload_id).ok_or_else(no_such_file)?;
        name.as_deref().map_or(Ok(()), is_name)?;
        if named.insert(id) { Ok((id, name)) } else { Err(invalid("Invalid field 'tempUploadId': it stands more than once")) }
    };
    files.into_iter().map(known).collect()
}

fn is_name(name: &str) -> Result<(), ApiError> {
    match name.len() {
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err(invalid(format!("Invalid field 'name': expected 1 to {MAX_NAME_BYTES} bytes"))),
    }
}

fn within_limit(field: &'static str, n_found: usize) -> Result<(), ApiError> {
    match n_found {
        1..=MAX_FILES => Ok(()),
        _ => Err(invalid(format!("Invalid field '{field}': expected 1 to {MAX_FILES} of them"))),
    }
}

/// A JSON object. `Content-Type` may be left out, and must be JSON's otherwise.
fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, ApiError> {
    if !headers.get_all(CONTENT_TYPE).iter().all(|value| is_json(value.as_bytes())) {
        return Err(invalid("The Content-Type must be application/json"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("The body is not UTF-8"))?;
    // An array would do for a struct, too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(invalid("The body is not a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let message: String = error.to_string().chars().take(MAX_MESSAGE_CHARS).collect();
        invalid(format!("The body is not the JSON expected: {message}"))
    })
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The place for an upload: its ids are told now, and it is a file once that is said. Its media type is by its name, as the vendor
/// has it: clients send whatever their HTTP library puts in.
pub(crate) fn new_file(upload: &NewTempUploadBody) -> NewFile {
    let name = upload.name.clone();
    NewFile { content_type: Some(guess(&name).to_owned()), name, needs_confirmation: true, keep_for: KEEP_FOR }
}

/// What a file is called in the end; its media type follows.
pub(crate) fn new_name(name: String) -> NewName {
    NewName { content_type: Some(guess(&name).to_owned()), name }
}

/// A URL to read a file by its id.
pub(crate) fn download_request(file: &File, lifetime: Duration) -> IssueRequest {
    request(file, Target::File(file.id), Terms::new(Permission::Read), lifetime)
}

/// A URL to upload exactly so many bytes, again and again until they are a file.
pub(crate) fn upload_request(file: &File, size: u64) -> IssueRequest {
    let mut terms = Terms::new(Permission::Write);
    terms.upload.mode = PutMode::Reserved;
    terms.upload.min_bytes = size;
    terms.upload.max_bytes = Some(size);
    request(file, Target::Object(file.key.clone()), terms, KEEP_FOR)
}

fn request(file: &File, target: Target, mut terms: Terms, lifetime: Duration) -> IssueRequest {
    terms.dialect = Dialect::Redivis;
    IssueRequest {
        bucket: file.bucket.name.clone(),
        must_exist: terms.permission.reads(),
        target,
        form: Form::Token,
        terms,
        lifetime: Lifetime::For(lifetime),
        not_before: None,
        pin: false,
    }
}

/// An issued URL, with its token in this parameter; `None` for a link, which is never asked for.
fn url(issued: &Issued, base: &PublicUrl, parameter: &str) -> Option<String> {
    match &issued.credential {
        Credential::Token { token, path } => Some(format!("{}{path}?{parameter}={}", base.origin(), token.expose())),
        Credential::Link(_) => None,
    }
}

/// A signed URL in the vendor's spelling.
pub(crate) fn signed_url(issued: &Issued, base: &PublicUrl) -> Option<String> {
    url(issued, base, "token")
}

/// The places of uploads, in the order in which they were asked for.
pub(crate) fn temp_uploads_body<'a>(
    uploads: impl Iterator<Item = (&'a NewTempUploadBody, &'a File, &'a Issued)>,
    base_of: impl Fn(&File) -> &'a PublicUrl,
) -> Option<ListBody<TempUploadItem>> {
    let item = |(upload, file, issued): (&NewTempUploadBody, &File, &Issued)| {
        Some(TempUploadItem {
            kind: "tempUpload",
            id: raw_file_id(file.id),
            url: url(issued, base_of(file), "cat")?,
            name: upload.name.clone(),
            size: upload.size,
            resumable: upload.resumable,
        })
    };
    Some(ListBody { kind: "tempUploadList", results: uploads.map(item).collect::<Option<_>>()? })
}

/// A file and its bytes.
pub(crate) fn raw_file_item(file: &File, object: &ObjectRow, base: &PublicUrl) -> RawFileItem {
    let id = raw_file_id(file.id);
    let uri = format!("/rawFiles/{id}");
    RawFileItem {
        kind: "rawFile",
        url: base.join(&format!("/api/v1{uri}")),
        id,
        uri,
        name: file.name.clone(),
        md5_hash: md5_of(object),
        size: object.size_bytes,
    }
}

/// The opaque part of an object's entity tag: its MD5. Whoever shows one has it made before.
pub(crate) fn etag_of(object: &ObjectRow) -> String {
    object.md5.map_or_else(|| hex(&object.sha256), |md5| hex(&md5))
}

/// An object's MD5 in base64.
pub(crate) fn md5_of(object: &ObjectRow) -> Option<String> {
    object.md5.map(|md5| STANDARD.encode(md5))
}

/// The name of an object, as its uploader said it or as its key has it.
pub(crate) fn file_name_of(object: &ObjectRow) -> &str {
    object.file_name.as_deref().unwrap_or_else(|| object.key.file_name())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(content_type: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
        }
        headers
    }

    #[test]
    fn lifetimes() {
        let check = |duration: &str, expected: Option<u64>| {
            let body = format!("{{\"duration\": {duration}}}");
            let found = lifetime(&headers(Some("application/json")), body.as_bytes()).ok();
            assert_eq!(found, expected.map(Duration::from_secs), "{duration}");
        };
        for (duration, seconds) in [
            ("1", 1),
            ("3600", 3600),
            ("86400", 86_400),
            ("86400.0", 86_400),
            ("8.64e4", 86_400),
            ("86399.5", 86_400),
            ("0.5", 1),
            ("1.5", 2),
            ("1e-300", 1),
        ] {
            check(duration, Some(seconds));
        }
        for duration in
            ["0", "0.0", "-0", "-1", "-0.5", "1e-400", "86401", "86400.0001", "8.64e5", "1e308", "99999999999999999999"]
        {
            check(duration, None);
        }
    }

    #[test]
    fn bodies_and_their_types() {
        let check = |content_type: Option<&str>, body: &[u8], fine: bool| {
            let found = lifetime(&headers(content_type), body);
            assert_eq!(found.is_ok(), fine, "{content_type:?} {}", String::from_utf8_lossy(body));
        };
        let body = br#" {"duration" : 60} "#;
        for text in ["application/json", "application/json;charset=UTF-8", "Application/JSON ; charset=\"utf-8\""] {
            check(Some(text), body, true);
        }
        check(None, body, true);
        for text in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/problem+json", ""] {
            check(Some(text), body, false);
        }
        for wrong in [&b""[..], b" ", b"[60]", b"null", b"60", b"{\"duration\": 60", b"{\"duration\": 60, \"x\": \"\xff\"}"] {
            check(None, wrong, false);
        }
        let mut twice = headers(Some("application/json"));
        twice.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(lifetime(&twice, body).is_err());
    }

    #[test]
    fn what_was_sent_is_not_repeated_at_length() {
        let body = format!("{{\"duration\": \"{}\"}}", "x".repeat(100_000));
        let error = lifetime(&HeaderMap::new(), body.as_bytes()).unwrap_err();
        assert!(format!("{error:?}").len() < 1000);
    }

    #[test]
    fn uploads_asked_for() {
        let check = |body: &str, n_expected: Option<usize>| {
            let found = temp_uploads(&HeaderMap::new(), body.as_bytes()).map(|uploads| uploads.len()).ok();
            assert_eq!(found, n_expected, "{body:.80}");
        };
        let many = |n| format!("{{\"tempUploads\": [{}]}}", vec![r#"{"size": 1, "name": "a"}"#; n].join(","));
        check(r#"{"tempUploads": [{"size": 0, "name": "a", "resumable": false, "other": 1}]}"#, Some(1));
        check(&many(1000), Some(1000));
        check(r#"{"tempUploads": [[0, "a"]]}"#, None);
        check(&many(1001), None);
        check(&many(0), None);
        let named = |n_bytes| format!("{{\"tempUploads\": [{{\"size\": 1, \"name\": \"{}\"}}]}}", "a".repeat(n_bytes));
        check(&named(1024), Some(1));
        check(&named(1025), None);
        for body in [
            "{}",
            r#"{"tempUploads": {}}"#,
            r#"{"tempUploads": [{"size": 1}]}"#,
            r#"{"tempUploads": [{"name": "a"}]}"#,
            r#"{"tempUploads": [{"size": 1, "name": null}]}"#,
            r#"{"tempUploads": [{"size": 1, "name": ""}]}"#,
            r#"{"tempUploads": [{"size": 1, "name": "a", "resumable": null}]}"#,
            r#"{"tempUploads": [], "tempUploads": [{"size": 1, "name": "a"}]}"#,
        ] {
            check(body, None);
        }
    }

    #[test]
    fn uploads_that_are_to_be_files() {
        let id = raw_file_id(FileId::from_bytes([7; 16]));
        let check = |files: &str, expected: Result<Option<&str>, &str>| {
            let body = format!("{{\"files\": [{}]}}", files.replace("ID", &id));
            let found = raw_files(&HeaderMap::new(), body.as_bytes()).map(|mut files| files.remove(0).1);
            let found = found.map_err(|error| format!("{error:?}"));
            match (&found, expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name.as_deref(), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                _ => panic!("{files}: {found:?}"),
            }
        };
        check(r#"{"name": "a", "tempUploadId": "ID"}"#, Ok(Some("a")));
        check(r#"{"tempUploadId": "ID"}"#, Ok(None));
        check(r#"{"name": "a"}"#, Err("invalid_request"));
        check(r#"{"name": "", "tempUploadId": "ID"}"#, Err("'name'"));
        check(r#"{"tempUploadId": "0000"}"#, Err("not_found"));
        check(r#"{"tempUploadId": "ID"}, {"tempUploadId": "ID"}"#, Err("more than once"));
        check("", Err("invalid_request"));
    }

    #[test]
    fn references() {
        let reference = |text: &str| Reference { text: text.to_owned() };
        let check = |text: &str, parts: &[&str], folder: &str, bucket: Option<&str>| {
            let reference = reference(text);
            assert_eq!(reference.parts(), parts, "{text}");
            let expected = Collection::new(folder, bucket.map(|bucket| bucket.parse().unwrap()));
            assert_eq!(reference.collection(), expected, "{text}");
        };
        check("demo.files.docs", &["demo", "files", "docs"], "demo.files.docs", Some("demo.files.docs"));
        check("Demo.FILES:current.docs", &["Demo", "FILES:current", "docs"], "demo.files.docs", Some("demo.files.docs"));
        for version in ["next", "v1_0", "v1.0", "v12.34", "ab12:v1.0", "sample:next", ""] {
            let text = format!("demo.files:{version}.docs:cd34");
            let dataset = format!("files:{version}");
            check(&text, &["demo", &dataset, "docs:cd34"], "demo.files.docs", Some("demo.files.docs"));
        }
        check("demo.files:v1.docs", &["demo", "files:v1", "docs"], "demo.files.docs", Some("demo.files.docs"));
        check("demo.files:v.1.docs", &["demo", "files:v", "1", "docs"], "demo.files.1.docs", Some("demo.files.1.docs"));
        check("demo.my files!.q3-é", &["demo", "my files!", "q3-é"], "demo.my_files_.q3_é", None);
        check("tenant-1.a__b.c", &["tenant-1", "a__b", "c"], "tenant_1.a_b.c", Some("tenant-1.a__b.c"));
        check("files-acme", &["files-acme"], "files_acme", Some("files-acme"));
        check("..", &["", "", ""], "..", None);
        check(":x", &[":x"], "", None);
        check("é:v1.0ü.x", &["é:v1.0ü", "x"], "é.x", None);

        let base: PublicUrl = "https://h/p".parse().unwrap();
        let table = table_item(&reference("demo.files:v1.0.docs:cd34"), &base);
        assert_eq!((table.name.as_str(), table.scoped_reference.as_str()), ("docs", "docs:cd34"));
        assert_eq!(table.uri, "/tables/demo.files%3Av1.0.docs%3Acd34");
        assert_eq!(table.url, "https://h/p/api/v1/tables/demo.files%3Av1.0.docs%3Acd34");
        let dataset = table.container.unwrap();
        assert_eq!((dataset.name.as_str(), dataset.qualified_reference.as_str()), ("files", "demo.files:v1.0"));
        assert_eq!(dataset.owner.unwrap().uri, "/users/demo");
        assert!(table_item(&reference("docs"), &base).container.is_none());
        assert!(dataset_item(&reference("docs"), &base).owner.is_none());
        assert_eq!(reference("demo.files").of_table("My Docs").collection(), Collection::new("demo.files.my_docs", None));
    }

    #[test]
    fn path_segments() {
        let id = FileId::from_bytes([7; 16]);
        let raw = raw_file_id(id);
        assert_eq!(file_id(&raw).ok(), Some(id));
        assert_eq!(file_id(&raw.replace('.', "%2E").replace('-', "%2d")).ok(), Some(id));
        for wrong in ["", "%", "%00", &id.to_string(), &raw.to_uppercase(), &format!("{raw}x")] {
            assert!(file_id(wrong).is_err(), "{wrong}");
        }
        let is_table = |raw: &str| Reference::parse(raw).is_ok();
        assert!(is_table("demo.files%3Acurrent.docs") && is_table("%2F") && is_table(&"a".repeat(512)));
        assert!(!is_table("") && !is_table("%zz") && !is_table("%00") && !is_table("%ff") && !is_table(&"a".repeat(513)));
    }
}
