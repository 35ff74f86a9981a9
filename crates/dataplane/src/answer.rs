//! An object as an HTTP answer: preconditions, ranges, headers, and the body that sends it.

use crate::MeterError;
use crate::body::{Cut, FileBody, FilePlan, Meter, Observer, Part, ResponseBody};
use crate::face::{Face, status};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::{Response, StatusCode};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use valetkey_http_common::content_type::OCTET_STREAM;
use valetkey_http_common::disposition::content_disposition;
use valetkey_http_common::precondition::{self, Access, Outcome, Validators};
use valetkey_http_common::range::{
    Boundary, ByteRange, Multipart, Requested, content_range, content_range_unsatisfied, requested,
};
use valetkey_http_common::security::Caching;
use valetkey_http_common::view::view;
use valetkey_model::{Disposition, Refusal, Timestamp};
use valetkey_service::redeem::{Counting, Delivery, Usage};
use valetkey_service::{ObjectRow, OpenBlob, Transfer};

/// Up to this size an unlimited answer is read into memory and written in one call with its head. Measured: from 4 KiB on, over
/// many files, `sendfile` after the head costs less than copying.
const INLINE_BYTES: u64 = 2 << 10;

static BYTES: HeaderValue = HeaderValue::from_static("bytes");
static REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
static WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// An object as it is to be shown to this client.
#[derive(Debug)]
pub struct Representation<'a> {
    /// The object.
    pub object: &'a ObjectRow,
    /// The opaque part of its entity tag.
    pub etag: String,
    /// Save or show.
    pub disposition: Disposition,
    /// The name to save it under; `None` is the object's own.
    pub file_name: Option<&'a str>,
    /// The media type to answer with; `None` is the object's own.
    pub content_type: Option<&'a str>,
    /// How long the answer may be kept.
    pub caching: Caching,
    /// The present instant.
    pub now: Timestamp,
}

/// What a request selects of a representation.
#[derive(Debug)]
pub enum Selected {
    /// Nothing is sent of it: 304, 412, 416. The answer is complete.
    Answer(Box<Response<ResponseBody>>),
    /// These ranges are to be sent, under this head.
    Send {
        /// Status and headers, `Content-Length` included.
        head: Box<Response<()>>,
        /// What of the object, in the order of sending.
        ranges: Vec<Range<u64>>,
        /// What stands around the ranges.
        framing: Option<Multipart>,
    },
}

/// Evaluates preconditions and ranges (RFC 9110 §13.2.2 and §14) and makes the head of the answer.
#[allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
pub fn select(face: &dyn Face, request: &HeaderMap, shown: &Representation<'_>, boundary: [u8; 16]) -> Selected {
    let size = shown.object.size_bytes;
    let validators = Validators { etag: &shown.etag, last_modified: shown.object.modified_at };
    let mut head = Response::new(());
    describe(head.headers_mut(), request, shown);
    match precondition::evaluate(request, Access::Read, Some(&validators)) {
        Outcome::Proceed => {}
        Outcome::NotModified => return Selected::Answer(Box::new(not_modified(head))),
        Outcome::Failed => return Selected::Answer(Box::new(face.precondition_failed())),
    }
    let asked = if precondition::range_applies(request, &validators) { requested(request, size) } else { Requested::Whole };
    let (ranges, framing) = match asked {
        Requested::Whole => (vec![0..size], None),
        Requested::One(range) => {
            partial(&mut head, content_range(range, size));
            (vec![range.start()..range.end()], None)
        }
        Requested::Several(ranges) => {
            let framing = several(&mut head, &ranges, size, boundary);
            (ranges.iter().map(|range| range.start()..range.end()).collect(), Some(framing))
        }
        Requested::Unsatisfiable => {
            let mut answer = face.unsatisfiable();
            answer.headers_mut().insert(CONTENT_RANGE, content_range_unsatisfied(size));
            return Selected::Answer(Box::new(answer));
        }
    };
    let in_ranges = || ranges.iter().map(|range| range.end - range.start).sum();
    let length = framing.as_ref().map_or_else(in_ranges, |framing| framing.total_bytes);
    head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    face.describe(shown, &mut head);
    Selected::Send { head: Box::new(head), ranges, framing }
}

fn describe(headers: &mut HeaderMap, request: &HeaderMap, shown: &Representation<'_>) {
    headers.reserve(24);
    let object = shown.object;
    let content_type = shown.content_type.or(object.content_type.as_deref()).unwrap_or(OCTET_STREAM);
    let view = view(shown.disposition, content_type);
    let file_name = shown.file_name.or(object.file_name.as_deref()).unwrap_or_else(|| object.key.file_name());
    headers.insert(CONTENT_TYPE, view.content_type);
    headers.insert(CONTENT_DISPOSITION, content_disposition(view.disposition, file_name));
    if let Some(policy) = view.content_security_policy {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(etag) = precondition::etag(&shown.etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(LAST_MODIFIED, precondition::http_date(object.modified_at));
    headers.insert(ACCEPT_RANGES, BYTES.clone());
    headers.insert(CACHE_CONTROL, shown.caching.cache_control(shown.now));
    if request.contains_key(&WANT_REPR_DIGEST)
        && let Ok(digest) = HeaderValue::from_str(&format!("sha-256=:{}:", base64(&object.sha256)))
    {
        headers.insert(REPR_DIGEST.clone(), digest);
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A 304 carries what a 200 would say of caching and validators (RFC 9110 §15.4.5), and nothing of the content.
fn not_modified(head: Response<()>) -> Response<ResponseBody> {
    let mut answer = status(StatusCode::NOT_MODIFIED);
    for name in [ETAG, LAST_MODIFIED, CACHE_CONTROL, CONTENT_DISPOSITION] {
        if let Some(value) = head.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn partial(head: &mut Response<()>, range: HeaderValue) {
    *head.status_mut() = StatusCode::PARTIAL_CONTENT;
    head.headers_mut().insert(CONTENT_RANGE, range);
}

fn several(head: &mut Response<()>, ranges: &[ByteRange], size: u64, boundary: [u8; 16]) -> Multipart {
    let own_type = head.headers().get(CONTENT_TYPE).cloned().unwrap_or_else(|| HeaderValue::from_static(OCTET_STREAM));
    let framing = Multipart::new(&own_type, ranges, size, Boundary::from_random(boundary));
    *head.status_mut() = StatusCode::PARTIAL_CONTENT;
    head.headers_mut().insert(CONTENT_TYPE, framing.content_type.clone());
    framing
}

/// The body of an answer: metered under a limited grant, counted under an unlimited one, in one piece if it is small.
pub fn send(delivery: Delivery, framing: Option<Multipart>) -> ResponseBody {
    let Delivery { blob, ranges, usage, transfer, counting, .. } = delivery;
    let meter = usage.map(|usage| Box::new(LedgerMeter { usage, next: Next::First }));
    if let (None, None, [range]) = (&meter, &framing, ranges.as_slice())
        && let Some(bytes) = read_inline(&blob, range)
    {
        return counted(ResponseBody::bytes(bytes), counting);
    }
    let file: Arc<std::fs::File> = blob.file().clone();
    let (parts, trailer) = match framing {
        Some(Multipart { parts, trailer, .. }) => (
            parts.into_iter().map(|part| Part { preface: part.preface, range: part.range.start()..part.range.end() }).collect(),
            trailer,
        ),
        None => (ranges.into_iter().map(|range| Part { preface: Bytes::new(), range }).collect(), Bytes::new()),
    };
    let plan = FilePlan { file, parts, trailer };
    let body = match (meter, counting) {
        (Some(meter), _) => FileBody::metered(plan, meter),
        (None, Some(counting)) => FileBody::observed(plan, Box::new(Counted(counting))),
        (None, None) => FileBody::new(plan),
    };
    match transfer {
        Some(transfer) => body.until(Box::new(transfer)).into(),
        None => body.into(),
    }
}

impl Cut for Transfer {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Transfer::poll_cut(self, cx)
    }
}

/// A body in memory whose request is counted when it is over.
pub(crate) fn counted(body: ResponseBody, counting: Option<Counting>) -> ResponseBody {
    match counting {
        Some(counting) => body.observed(Box::new(Counted(counting))),
        None => body,
    }
}

/// A request under an unlimited grant, as the body's observer.
struct Counted(Counting);

impl Observer for Counted {
    fn ended(&mut self, sent: u64, whole: bool) {
        self.0.over(sent, whole);
    }
}

/// The bytes of a small range, if they can be had without waiting for the disk.
fn read_inline(blob: &OpenBlob, range: &Range<u64>) -> Option<Bytes> {
    let length = range.end - range.start;
    if length > INLINE_BYTES {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let n_read = if length == 0 { 0 } else { blob.read_now(range.start, &mut bytes).ok()?? };
    (n_read == bytes.len()).then(|| bytes.into())
}

/// A use of a limited grant, as the body's meter.
struct LedgerMeter {
    usage: Usage,
    next: Next,
}

/// What the next call for a permit does.
enum Next {
    /// Gives what was reserved at first.
    First,
    /// Asks the ledger.
    Ask,
    /// Waits for the ledger's answer.
    Answer(Pin<Box<dyn Future<Output = Result<u64, Refusal>> + Send>>),
}

impl Meter for LedgerMeter {
    fn poll_permit(&mut self, sent: u64, cx: &mut Context<'_>) -> Poll<Result<u64, MeterError>> {
        loop {
            match &mut self.next {
                Next::First => {
                    self.next = Next::Ask;
                    return Poll::Ready(Ok(self.usage.permitted_bytes()));
                }
                Next::Ask => self.next = Next::Answer(Box::pin(self.usage.advance(sent))),
                Next::Answer(answer) => {
                    let answer = ready!(answer.as_mut().poll(cx));
                    self.next = Next::Ask;
                    return Poll::Ready(answer.map_err(|refusal| match refusal {
                        Refusal::Unavailable => MeterError::Unavailable { source: Box::new(refusal) },
                        _ => MeterError::Denied,
                    }));
                }
            }
        }
    }

    fn finishing(&mut self) {
        self.usage.finishing();
    }

    fn ended(&mut self, sent: u64, whole: bool) {
        self.usage.settle(sent, whole);
    }
}
