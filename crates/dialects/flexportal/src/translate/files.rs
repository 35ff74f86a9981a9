//! Files: listed, shown, deleted.

use super::{Faults, content_type_of, file_id, file_id_text, json_body};
use crate::errors::ApiError;
use crate::wire::{DeleteBody, DeletedAnswer, Detail, FileBody, Filters, ListAnswer, NoMetadata};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderMap;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::Value;
use valetkey_http_common::query::Query;
use valetkey_model::{FileId, FileNumber, Timestamp};
use valetkey_service::{File, FileCursor, FilePage, FilesQuery};

/// How many files a page has if nothing is said, at least and at most.
const LIMIT: (u64, u64, u64) = (50, 1, 100);
/// How many files are left out: as many as JSON's numbers are exact for.
const OFFSET: (u64, u64, u64) = (0, 0, (1 << 53) - 1);
/// The vendor's word for what was uploaded, and is neither a contract nor an invoice nor attached to an order.
const DOCUMENT: &str = "document";

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAfter {
    /// After the last file of an earlier page.
    Cursor(FileCursor),
    /// After a file that is there.
    File(FileId),
}

/// A page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListRequest {
    pub(crate) start_after: Option<StartAfter>,
    limit: u32,
    offset: u64,
    oldest_first: bool,
    filters: Filters,
}

impl ListRequest {
    /// It begins after a file that is not there.
    pub(crate) fn no_such_start(&self) -> ApiError {
        let message = "expected the `nextCursor` of an earlier page, or the id of a file that is there".into();
        ApiError::Invalid(vec![Detail { path: "startAfter", message, code: "invalid_string" }])
    }

    /// Whether the files here are among those asked for: nothing is known of them that would tell them apart.
    fn is_for_files_here(&self) -> bool {
        let Filters { order_id, r#type, customer_id } = &self.filters;
        order_id.is_none() && customer_id.is_none() && r#type.as_deref().is_none_or(|of| of == DOCUMENT)
    }
}

/// What a query asks for; everything that is wrong with it is told at once. Of several values the last counts, and an empty filter is
/// none.
pub(crate) fn list_request(query: Query<'_>) -> Result<ListRequest, ApiError> {
    let mut faults = Faults(Vec::new());
    let limit = faults.whole_number(query, "limit", LIMIT).and_then(|limit| u32::try_from(limit).ok());
    let offset = faults.whole_number(query, "offset", OFFSET);
    let start_after = faults.start_after(query);
    faults.one_of(query, "sortBy", &["createdAt"]);
    let direction = faults.one_of(query, "sortDir", &["desc", "asc"]);
    let mut filter = |name| faults.value(query, name).filter(|value| !value.is_empty());
    let filters = Filters { order_id: filter("orderId"), r#type: filter("type"), customer_id: filter("customerId") };
    match (limit, offset) {
        (Some(limit), Some(offset)) if faults.0.is_empty() => {
            Ok(ListRequest { start_after, limit, offset, oldest_first: direction == Some("asc"), filters })
        }
        _ => Err(ApiError::Invalid(faults.0)),
    }
}

impl Faults {
    fn value(&mut self, query: Query<'_>, name: &'static str) -> Option<String> {
        match query.last_form_value(name) {
            Ok(value) => value.map(std::borrow::Cow::into_owned),
            Err(error) => self.add(name, "invalid_string", error.to_string()),
        }
    }

    fn whole_number(&mut self, query: Query<'_>, name: &'static str, (default, least, most): (u64, u64, u64)) -> Option<u64> {
        let n_faults = self.0.len();
        let Some(text) = self.value(query, name) else { return (self.0.len() == n_faults).then_some(default) };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return self.add(name, "invalid_type", "expected a whole number");
        }
        // What is less than nothing is too small, what has too many digits too large.
        let is_negative = digits.len() < text.len() && digits.bytes().any(|digit| digit != b'0');
        match digits.parse().unwrap_or(u64::MAX) {
            number if is_negative || number < least => self.add(name, "too_small", format!("expected at least {least}")),
            number if number > most => self.add(name, "too_big", format!("expected at most {most}")),
            number => Some(number),
        }
    }

    fn one_of(&mut self, query: Query<'_>, name: &'static str, known: &[&'static str]) -> Option<&'static str> {
        let text = self.value(query, name)?;
        match known.iter().find(|word| **word == text) {
            Some(word) => Some(word),
            None => self.add(name, "invalid_enum_value", format!("expected `{}`", known.join("` or `"))),
        }
    }

    fn start_after(&mut self, query: Query<'_>) -> Option<StartAfter> {
        let text = self.value(query, "startAfter")?;
        let cursor = cursor(&text).map(StartAfter::Cursor);
        match cursor.or_else(|| file_id(&text).ok().map(StartAfter::File)) {
            None => self.add("startAfter", "invalid_string", "expected the `nextCursor` of an earlier page, or the id of a file"),
            found => found,
        }
    }
}

/// The files of a page; none where nothing here can be what is asked for.
pub(crate) fn files_query(asked: &ListRequest, after: Option<FileCursor>) -> FilesQuery {
    FilesQuery {
        with_pending: false,
        oldest_first: asked.oldest_first,
        after,
        skip: asked.offset,
        limit: if asked.is_for_files_here() { asked.limit } else { 0 },
    }
}

pub(crate) fn list_answer(page: &FilePage, asked: ListRequest) -> ListAnswer {
    let files: Vec<FileBody> = page.files.iter().filter_map(file_body).collect();
    ListAnswer {
        count: files.len(),
        files,
        limit: asked.limit,
        offset: asked.offset,
        filters: asked.filters,
        has_more: page.next.is_some(),
        next_cursor: page.next.map(cursor_text),
    }
}

/// A file whose bytes are there for good.
pub(crate) fn file_body(file: &File) -> Option<FileBody> {
    let object = file.ready()?;
    let content_type = content_type_of(file.content_type.as_deref());
    Some(FileBody {
        file_id: file_id_text(&file.id),
        tenant_id: file.bucket.tenant.to_string(),
        order_id: "",
        customer_id: "",
        r#type: DOCUMENT,
        file_type: DOCUMENT,
        category: "uploaded",
        filename: file.name.clone(),
        file_name: file.name.clone(),
        original_filename: file.name.clone(),
        content_type: content_type.clone(),
        mime_type: content_type,
        file_size: object.size_bytes,
        size: object.size_bytes,
        storage_path: storage_path(file),
        uploaded_by: "",
        created_at: iso_in_millis(file.created_at),
        updated_at: iso_in_millis(object.modified_at),
        metadata: NoMetadata {},
    })
}

/// Whether a deletion is to leave the bytes. It may have no body at all.
pub(crate) fn keeps_bytes(headers: &HeaderMap, bytes: &[u8]) -> Result<bool, ApiError> {
    if bytes.is_empty() {
        return Ok(false);
    }
    match json_body::<DeleteBody>(headers, bytes)?.delete_from_storage {
        None => Ok(false),
        Some(Value::Bool(deletes)) => Ok(!deletes),
        Some(other) => {
            let message = format!("expected a boolean, found {}", super::kind_of(&other)).into();
            Err(ApiError::Invalid(vec![Detail { path: "deleteFromStorage", message, code: "invalid_type" }]))
        }
    }
}

pub(crate) fn deleted_answer(file: &File, keeps_bytes: bool) -> DeletedAnswer {
    let message = match keeps_bytes && file.object.is_some() {
        true => format!("The file was deleted; its bytes stay in storage at {}", storage_path(file)),
        false => "The file was deleted".to_owned(),
    };
    DeletedAnswer { success: true, message, file_id: file_id_text(&file.id) }
}

fn storage_path(file: &File) -> String {
    format!("{}/{}", file.bucket.name, file.key)
}

/// A place in the list, as `nextCursor` spells it.
fn cursor_text(cursor: FileCursor) -> String {
    let (created_at, number) = (cursor.created_at.as_micros().to_be_bytes(), cursor.number.get().to_be_bytes());
    URL_SAFE_NO_PAD.encode([created_at, number].concat())
}

fn cursor(text: &str) -> Option<FileCursor> {
    let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (created_at, number) = bytes.split_first_chunk::<8>()?;
    let number = FileNumber::new(u64::from_be_bytes(number.try_into().ok()?))?;
    Some(FileCursor { created_at: Timestamp::from_micros(i64::from_be_bytes(*created_at)), number })
}

/// An instant as JavaScript writes it.
fn iso_in_millis(at: Timestamp) -> String {
    let printer = DateTimePrinter::new().precision(Some(3));
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map(|at| printer.timestamp_to_string(&at))
        .unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    fn asked(query: &str) -> Result<ListRequest, Vec<(&'static str, &'static str)>> {
        list_request(Query::new(Some(query))).map_err(|error| match error {
            ApiError::Invalid(details) => details.into_iter().map(|detail| (detail.path, detail.code)).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn pages() {
        let plain = || ListRequest { start_after: None, limit: 50, offset: 0, oldest_first: false, filters: Filters::default() };
        let check = |query: &str, expected: ListRequest| assert_eq!(asked(query), Ok(expected), "{query}");
        check("", plain());
        check("limit=1&offset=9007199254740991", ListRequest { limit: 1, offset: (1 << 53) - 1, ..plain() });
        check("limit=x&limit=0100&offset=-0", ListRequest { limit: 100, ..plain() });
        check("sortBy=createdAt&sortDir=desc&cursor=x&page=2", plain());
        check("sortDir=asc", ListRequest { oldest_first: true, ..plain() });
        let cursor = FileCursor { created_at: Timestamp::from_micros(-5), number: FileNumber::MAX };
        check(
            &format!("startAfter={}", cursor_text(cursor)),
            ListRequest { start_after: Some(StartAfter::Cursor(cursor)), ..plain() },
        );
        let id = FileId::from_bytes([7; 16]);
        check(&format!("startAfter=file_{id}"), ListRequest { start_after: Some(StartAfter::File(id)), ..plain() });
        let of = |order_id: Option<&str>, r#type: Option<&str>, customer_id: Option<&str>| {
            let [order_id, r#type, customer_id] = [order_id, r#type, customer_id].map(|text| text.map(str::to_owned));
            ListRequest { filters: Filters { order_id, r#type, customer_id }, ..plain() }
        };
        check("orderId=ord_abc+1&type=contract&customerId=%C3%BC", of(Some("ord_abc 1"), Some("contract"), Some("ü")));
        check("orderId=&type=&customerId", plain());
        for (filters, expected) in [
            (of(None, None, None), 50),
            (of(None, Some("document"), None), 50),
            (of(None, Some("contract"), None), 0),
            (of(None, Some("Document"), None), 0),
            (of(Some("x"), None, None), 0),
            (of(None, Some("document"), Some("x")), 0),
        ] {
            assert_eq!(files_query(&filters, None).limit, expected, "{filters:?}");
        }
    }

    #[test]
    fn faults() {
        let check = |query: &str, expected: &[(&str, &str)]| assert_eq!(asked(query).unwrap_err(), expected, "{query}");
        for wrong in ["", "ten", "1.0", "1e1", "+1", " 1", "0x1", "-", "%ff", "٣"] {
            let code = if wrong == "%ff" { "invalid_string" } else { "invalid_type" };
            check(&format!("limit={wrong}"), &[("limit", code)]);
            check(&format!("offset={wrong}"), &[("offset", code)]);
        }
        for (limit, code) in [("0", "too_small"), ("-1", "too_small"), ("101", "too_big"), ("99999999999999999999", "too_big")] {
            check(&format!("limit={limit}"), &[("limit", code)]);
        }
        check("offset=-1", &[("offset", "too_small")]);
        check("offset=-99999999999999999999", &[("offset", "too_small")]);
        check("offset=9007199254740992", &[("offset", "too_big")]);
        for wrong in ["", "x", "ord_abc123xyz", "file_abc123", "AAAAAAAAAAAAAAAAAAAAAA", "%ff"] {
            check(&format!("startAfter={wrong}"), &[("startAfter", "invalid_string")]);
        }
        check("sortBy=fileSize&sortDir=up", &[("sortBy", "invalid_enum_value"), ("sortDir", "invalid_enum_value")]);
        check("type=%ff&limit=0", &[("limit", "too_small"), ("type", "invalid_string")]);
    }

    #[test]
    fn bodies_of_deletions() {
        let check = |content_type: Option<&'static str>, body: &str, expected: Result<bool, (&str, &str)>| {
            let mut headers = HeaderMap::new();
            if let Some(content_type) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            let found = keeps_bytes(&headers, body.as_bytes()).map_err(|error| match error {
                ApiError::Invalid(details) => (details[0].path, details[0].code),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected, "{content_type:?} {body}");
        };
        let json = Some("application/json; charset=utf-8");
        for content_type in [None, json, Some("text/plain")] {
            check(content_type, "", Ok(false));
        }
        check(json, "{}", Ok(false));
        check(json, r#"{"deleteFromStorage": true, "x": 1}"#, Ok(false));
        check(json, "\n{\"deleteFromStorage\": false}", Ok(true));
        for wrong in ["null", "0", r#""false""#, "[]", "{}"] {
            let body = format!(r#"{{"deleteFromStorage": {wrong}}}"#);
            check(json, &body, Err(("deleteFromStorage", "invalid_type")));
        }
        for wrong in [" ", "null", "[]", "false"] {
            check(json, wrong, Err(("", "invalid_type")));
        }
        check(json, "{", Err(("", "invalid_json")));
        check(json, r#"{"deleteFromStorage": false, "deleteFromStorage": true}"#, Err(("", "invalid_json")));
        for content_type in [None, Some("text/plain")] {
            check(content_type, r#"{"deleteFromStorage": false}"#, Err(("", "invalid_content_type")));
        }
    }

    #[test]
    fn instants() {
        for (micros, expected) in [(0, "1970-01-01T00:00:00.000Z"), (1_800_000_000_400_999, "2027-01-15T08:00:00.400Z")] {
            assert_eq!(iso_in_millis(Timestamp::from_micros(micros)), expected);
        }
    }
}
