//! The files of a table as an Arrow IPC stream
//! ([format](https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format)): the schema, a record batch for each batch of
//! files, and the end. A batch is read when the one before it was taken, so that a response holds one at a time.

use crate::errors::{ApiError, invalid};
use crate::translate::{file_name_of, md5_of};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use std::borrow::Cow;
use std::sync::Arc;
use valetkey_dataplane::body::{BoxError, ResponseBody};
use valetkey_http_common::precondition::{Access, Outcome, Validators, evaluate};
use valetkey_http_common::query::{Query, QueryError};
use valetkey_model::Timestamp;
use valetkey_service::{CollectionFiles, ObjectRow, ServiceError, raw_file_id};

/// The registered media type of such a stream.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.apache.arrow.stream";

const FILE_ID: &str = "file_id";
const FILE_NAME: &str = "file_name";
/// The time zone of instants: clients take them for local time otherwise.
const UTC: &str = "UTC";

/// Proves that a raw query asks for what there is: `format=arrow` and, if any, the names that the columns have.
///
/// # Errors
///
/// 400.
pub(crate) fn asked(query: Option<&str>) -> Result<(), ApiError> {
    let value = |name: &'static str| {
        Query::new(query).single(name).map_err(|error| match error {
            QueryError::Duplicate => invalid(format!("Invalid parameter '{name}': it stands more than once")),
            QueryError::Value(error) => invalid(format!("Invalid parameter '{name}': it is not URL-encoded: {error}")),
        })
    };
    let is_wrong = |found: &Option<Cow<'_, str>>, expected: &str| found.as_deref().is_some_and(|found| found != expected);
    let format = value("format")?;
    if format.is_none() || is_wrong(&format, "arrow") {
        return Err(invalid(format!("Invalid parameter 'format': {}, expected arrow", found(format.as_deref()))));
    }
    for (parameter, column) in [("fileIdVariable", FILE_ID), ("fileNameVariable", FILE_NAME)] {
        let variable = value(parameter)?;
        if is_wrong(&variable, column) {
            let found = found(variable.as_deref());
            return Err(invalid(format!("Invalid parameter '{parameter}': {found}, and the table has only {column}")));
        }
    }
    Ok(())
}

fn found(value: Option<&str>) -> String {
    value.map_or("it is missing".to_owned(), |value| {
        format!("found '{}'", value.chars().take(40).collect::<String>().escape_debug())
    })
}

/// When the listing had surely changed for the last time: the first second in which it had not any more. `None` while that is not over.
pub(crate) fn last_modified(changed_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    // What happens later in the second of a change must not pass for it.
    let since = Timestamp::from_seconds(changed_at?.as_seconds().saturating_add(1));
    Some(since).filter(|since| *since <= now)
}

/// Whether nothing has changed since the instant that the client names, which lies in the past.
pub(crate) fn is_unchanged(headers: &HeaderMap, changed_at: Option<Timestamp>, now: Timestamp) -> bool {
    let modified = |second: i64| {
        let current = Validators { etag: "", last_modified: Timestamp::from_seconds(second) };
        evaluate(headers, Access::Read, Some(&current)) != Outcome::NotModified
    };
    let is_past = || modified(now.as_seconds().saturating_add(1));
    last_modified(changed_at, now).is_some_and(|since| !modified(since.as_seconds())) && is_past()
}

/// The stream of a listing. The first batch is read at once: what can fail at first is told in the vendor's shape.
///
/// # Errors
///
/// 503.
pub(crate) async fn body(files: CollectionFiles) -> Result<ResponseBody, ApiError> {
    let schema = schema();
    let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(unwritable)?;
    let mut listing = Listing { files, writer, schema, is_over: false };
    let first = listing.next().await.map_err(|error| match error {
        Failure::Service(error) => error.into(),
        Failure::Arrow(error) => unwritable(error),
    })?;
    let stream = stream::try_unfold((Some(first), listing), |(ready, mut listing)| async move {
        let bytes = match ready {
            Some(bytes) => Some(bytes),
            None if listing.is_over => None,
            None => Some(listing.next().await.map_err(BoxError::from)?),
        };
        Ok::<_, BoxError>(bytes.map(|bytes| (Frame::data(bytes), (None, listing))))
    });
    Ok(ResponseBody::other(StreamBody::new(stream)))
}

/// What never happens: columns of one length that are no batch.
fn unwritable(error: ArrowError) -> ApiError {
    tracing::error!(error = &error as &dyn std::error::Error, "a listing cannot be written");
    crate::errors::refused(valetkey_model::Refusal::Unavailable)
}

struct Listing {
    files: CollectionFiles,
    /// Writes to memory that is taken away after each batch.
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    is_over: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Listing {
    /// The next bytes: of a batch, or of the end.
    async fn next(&mut self) -> Result<Bytes, Failure> {
        match self.files.next_batch().await? {
            Some(objects) => self.writer.write(&batch(&self.schema, &objects)?)?,
            None => {
                self.writer.finish()?;
                self.is_over = true;
            }
        }
        Ok(std::mem::take(self.writer.get_mut()).into())
    }
}

fn schema() -> SchemaRef {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    Arc::new(Schema::new(vec![
        Field::new(FILE_ID, DataType::Utf8, false),
        Field::new(FILE_NAME, DataType::Utf8, false),
        Field::new("size", DataType::Int64, false),
        Field::new("md5_hash", DataType::Utf8, true),
        Field::new("added_at", instant, false),
    ]))
}

fn batch(schema: &SchemaRef, objects: &[Arc<ObjectRow>]) -> Result<RecordBatch, ArrowError> {
    let ids = objects.iter().map(|object| raw_file_id(object.file_id));
    let names = objects.iter().map(|object| relative_path(file_name_of(object)));
    let sizes = objects.iter().map(|object| i64::try_from(object.size_bytes).unwrap_or(i64::MAX));
    let digests = objects.iter().map(|object| md5_of(object));
    let instants = objects.iter().map(|object| object.created_at.as_micros());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids)),
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(Int64Array::from_iter_values(sizes)),
        Arc::new(digests.collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(instants).with_timezone(UTC)),
    ];
    RecordBatch::try_new(schema.clone(), columns)
}

/// A file's name as clients lay it beneath a directory of theirs: no segment of it leads out of there, and something is left.
fn relative_path(name: &str) -> Cow<'_, str> {
    let is_separator = |c: char| matches!(c, '/' | '\\');
    let leads_on = |segment: &&str| !matches!(*segment, "" | "." | "..");
    if name.split(is_separator).all(|segment| leads_on(&segment)) {
        return name.into();
    }
    let kept: Vec<_> = name.split(is_separator).filter(leads_on).collect();
    if kept.is_empty() { "file".into() } else { kept.join("/").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
    use valetkey_http_common::precondition::http_date;

    #[test]
    fn queries() {
        let check = |query: &str, expected: Option<&str>| {
            let error = asked(Some(query)).err().map(|error| format!("{error:?}"));
            match (&error, expected) {
                (None, None) => {}
                (Some(error), Some(expected)) => assert!(error.contains(expected), "{query}: {error}"),
                _ => panic!("{query}: {error:?}"),
            }
        };
        check("format=arrow", None);
        check("format=arrow&fileIdVariable=file_id&fileNameVariable=file_name&maxResults=1", None);
        check("format=%61rrow&&x", None);
        check("", Some("'format': it is missing, expected arrow"));
        check("format=", Some("found ''"));
        check("format=json", Some("found 'json'"));
        check("format=Arrow", Some("found 'Arrow'"));
        check("format=arrow&format=arrow", Some("more than once"));
        check("format=%zz", Some("not URL-encoded"));
        check("format=arrow&fileNameVariable=path", Some("'fileNameVariable': found 'path'"));
        check("format=arrow&fileIdVariable=", Some("'fileIdVariable': found ''"));
        assert!(asked(None).is_err());
    }

    #[test]
    fn unchanged_since() {
        let at = |seconds: i64, micros: i64| Timestamp::from_micros(seconds * 1_000_000 + micros);
        let asked = |second: i64| [(IF_MODIFIED_SINCE, http_date(at(second, 0)))].into_iter().collect::<HeaderMap>();
        let check = |changed_at, second: i64, expected: bool| {
            assert_eq!(is_unchanged(&asked(second), changed_at, at(200, 5)), expected, "{changed_at:?} {second}");
        };
        let changed = Some(at(100, 400_000));
        for (second, expected) in [(99, false), (100, false), (101, true), (102, true), (200, true), (201, false), (9999, false)]
        {
            check(changed, second, expected);
            check(None, second, false);
        }
        // Right now.
        check(Some(at(200, 1)), 200, false);
        check(Some(at(199, 999_999)), 200, true);
        assert!(!is_unchanged(&HeaderMap::new(), changed, at(200, 0)));
        let mut tagged = asked(150);
        tagged.insert(IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
        assert!(!is_unchanged(&tagged, changed, at(200, 0)));
        assert_eq!(last_modified(changed, at(100, 999_999)), None);
        assert_eq!(last_modified(changed, at(101, 0)), Some(at(101, 0)));
    }

    #[test]
    fn names_lead_nowhere_else() {
        let check = |name: &str, expected: &str| assert_eq!(relative_path(name), expected, "{name:?}");
        for plain in ["a", "a/b.txt", "a\\b", "...", "..a/b..", " ", "C:x", "é/ü"] {
            check(plain, plain);
        }
        for (name, expected) in [
            ("..", "file"),
            (".", "file"),
            ("/", "file"),
            ("//", "file"),
            ("\\", "file"),
            ("/etc/passwd", "etc/passwd"),
            ("../../a", "a"),
            ("a/../../b", "a/b"),
            ("..\\..\\a", "a"),
            ("a/./b/", "a/b"),
            ("a//b", "a/b"),
        ] {
            check(name, expected);
        }
    }
}
