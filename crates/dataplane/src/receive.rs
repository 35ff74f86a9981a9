//! The body of an upload: read, watched for its pace, handed on.

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::BodyExt as _;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use valetkey_http_common::disposition;
use valetkey_http_common::precondition::{self, Access, Outcome, Validators};
use valetkey_model::{DigestRule, Refusal};
use valetkey_service::{Condition, DigestSet, ObjectRow, PartUpload, RangeUpload, ServiceError, Transfer, Upload, UploadOptions};

/// Below this many bytes in [`PACE_OVER`] an upload is too slow.
const PACE_BYTES: u64 = 60 << 10;
/// The time over which the pace of an upload is measured.
const PACE_OVER: Duration = Duration::from_secs(60);

static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
static CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
static REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Why the body of an upload was not received whole.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The client went away, or broke the protocol: nobody is there to be told.
    #[error("the upload broke off")]
    BrokenOff,
    /// The upload is refused, or a store failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Takes the bytes of a body.
pub trait Taker: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// Whatever ends the upload.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Takes out what tells when the upload is to end early, if anything does.
    fn transfer(&mut self) -> Option<Transfer> {
        None
    }
}

impl Taker for Upload {
    async fn take(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        self.write(bytes).await
    }

    fn transfer(&mut self) -> Option<Transfer> {
        Upload::transfer(self)
    }
}

impl Taker for PartUpload {
    async fn take(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        self.write(bytes).await
    }

    fn transfer(&mut self) -> Option<Transfer> {
        PartUpload::transfer(self)
    }
}

impl Taker for RangeUpload {
    async fn take(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        self.write(bytes).await
    }

    fn transfer(&mut self) -> Option<Transfer> {
        RangeUpload::transfer(self)
    }
}

/// Hands the body to `taker`, piece by piece, as long as it comes fast enough and the URL it comes by is not taken back with a cut.
///
/// # Errors
///
/// [`ReceiveError::BrokenOff`]; [`Refusal::TooSlow`], [`Refusal::Revoked`]; whatever `taker` fails with.
pub async fn receive<B>(body: B, taker: &mut impl Taker) -> Result<(), ReceiveError>
where
    B: Body<Data = Bytes> + Send,
{
    match taker.transfer() {
        Some(transfer) => transfer.unless_cut(take_all(body, taker)).await.map_err(ServiceError::from)?,
        None => take_all(body, taker).await,
    }
}

async fn take_all<B>(body: B, taker: &mut impl Taker) -> Result<(), ReceiveError>
where
    B: Body<Data = Bytes> + Send,
{
    let mut body = pin!(body);
    let (mut deadline, mut n_bytes) = (Instant::now() + PACE_OVER, 0);
    loop {
        let frame = timeout_at(deadline, body.frame()).await;
        if Instant::now() >= deadline {
            if n_bytes < PACE_BYTES {
                return Err(ServiceError::Refused(Refusal::TooSlow).into());
            }
            (deadline, n_bytes) = (Instant::now() + PACE_OVER, 0);
        }
        match frame {
            Err(_) => {}
            Ok(None) => return Ok(()),
            Ok(Some(Err(_))) => return Err(ReceiveError::BrokenOff),
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    n_bytes += bytes.len() as u64;
                    // Writing may take long, and that is not the client's fault.
                    let before = Instant::now();
                    taker.take(bytes).await?;
                    deadline += before.elapsed();
                }
            }
        }
    }
}

/// A whole body of at most this many bytes, which must come as fast as an upload.
///
/// # Errors
///
/// [`ReceiveError::BrokenOff`]; [`Refusal::TooSlow`]; [`Refusal::TooLarge`].
pub async fn receive_whole<B>(body: B, at_most_bytes: usize) -> Result<Bytes, ReceiveError>
where
    B: Body<Data = Bytes> + Send,
{
    if body.size_hint().lower() > at_most_bytes as u64 {
        return Err(ServiceError::Refused(Refusal::TooLarge).into());
    }
    let mut collected = Collected { bytes: Vec::new(), at_most_bytes };
    receive(body, &mut collected).await?;
    Ok(collected.bytes.into())
}

struct Collected {
    bytes: Vec<u8>,
    at_most_bytes: usize,
}

impl Taker for Collected {
    async fn take(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        if bytes.len() > self.at_most_bytes - self.bytes.len() {
            return Err(Refusal::TooLarge.into());
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

/// What the headers of an upload say.
#[derive(Debug, Default)]
pub struct WriteHeaders {
    options: UploadOptions,
}

impl WriteHeaders {
    /// Reads `Content-Length`, `Content-Type`, `Content-Disposition` (its file name), `Content-MD5`, and SHA-256 from
    /// `Content-Digest` or `Repr-Digest` (RFC 9530).
    ///
    /// # Errors
    ///
    /// The name of the digest header that cannot be read.
    pub fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let mut expected = Vec::new();
        if let Some(value) = headers.get(&CONTENT_MD5) {
            expected.push(DigestRule::Md5(decoded(value.as_bytes()).ok_or("content-md5")?));
        }
        for (name, spelt) in [(&CONTENT_DIGEST, "content-digest"), (&REPR_DIGEST, "repr-digest")] {
            for item in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
                if let Some(value) = item.trim().strip_prefix("sha-256=") {
                    let digest = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
                    let digest = digest.and_then(|digest| decoded(digest.as_bytes()));
                    expected.push(DigestRule::Sha256(digest.ok_or(spelt)?));
                }
            }
        }
        let options = UploadOptions {
            declared_bytes: text(&CONTENT_LENGTH).and_then(|value| value.parse().ok()),
            content_type: text(&CONTENT_TYPE).map(str::to_owned),
            file_name: headers.get(CONTENT_DISPOSITION).and_then(|value| disposition::file_name(value.as_bytes())),
            user_metadata: None,
            condition: Condition::None,
            digests: DigestSet::default(),
            expected,
            expected_sha1: None,
        };
        Ok(Self { options })
    }

    /// The same, where the bytes are said to have this SHA-1, too.
    #[must_use]
    pub fn with_sha1(mut self, expected: Option<[u8; 20]>) -> Self {
        self.options.expected_sha1 = expected;
        self
    }

    /// The options, with the preconditions of the headers compared with what is there now under this entity tag.
    ///
    /// # Errors
    ///
    /// [`Refusal::Exists`] if a precondition fails already.
    pub fn options(
        self,
        headers: &HeaderMap,
        present: Option<(&ObjectRow, String)>,
        digests: DigestSet,
    ) -> Result<UploadOptions, Refusal> {
        Ok(UploadOptions { condition: write_condition(headers, present)?, digests, ..self.options })
    }
}

/// What the preconditions of a write demand of its place, where this object is now under this entity tag.
///
/// # Errors
///
/// [`Refusal::Exists`] if a precondition fails already.
pub fn write_condition(headers: &HeaderMap, present: Option<(&ObjectRow, String)>) -> Result<Condition, Refusal> {
    let validators = present.as_ref().map(|(object, etag)| Validators { etag, last_modified: object.modified_at });
    if precondition::evaluate(headers, Access::Write, validators.as_ref()) != Outcome::Proceed {
        return Err(Refusal::Exists);
    }
    let conditional = [http::header::IF_MATCH, http::header::IF_NONE_MATCH, http::header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name));
    Ok(match (conditional, &present) {
        (false, _) => Condition::None,
        (true, Some((object, _))) => Condition::Replaces(object.blob),
        (true, None) => Condition::Absent,
    })
}

fn decoded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}
