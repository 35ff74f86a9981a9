//! Ranges of an upload under a write URL: the phases are those of a PUT, and what is received is collected.

use crate::body::ResponseBody;
use crate::face::Face;
use crate::http1::request_body::RequestBody;
use crate::listener::{ConnectionInfo, closing};
use crate::receive::{ReceiveError, receive};
use crate::signed::{SignedUrls, presented, sessions};
use http::Response;
use http::request::Parts;
use valetkey_model::{Dialect, Method, Outcome, Refusal};
use valetkey_service::redeem::{Admission, Presented, PresentedCredential};
use valetkey_service::{RangeError, RangeOrder, RangeOutcome, RangeRequest};

/// What becomes of a request with a range.
#[derive(Debug)]
pub enum RangeAnswer {
    /// It is answered: refused, or broken off.
    Answer(Response<ResponseBody>),
    /// It was the last one, and this is the answer.
    Published {
        /// In the shape of the dialect.
        answer: Response<ResponseBody>,
        /// SHA-1 of the range, in an upload of any order.
        sha1: Option<[u8; 20]>,
    },
    /// More ranges are missing; the rest is the protocol's to tell.
    Waiting {
        /// How many bytes are there.
        received_bytes: u64,
        /// SHA-1 of the range, in an upload of any order.
        sha1: Option<[u8; 20]>,
    },
    /// The range is not kept; how that is told is the protocol's.
    NotKept(RangeError, Dialect),
}

impl SignedUrls {
    /// Receives one range of an upload, whose credential the dialect has found in its URL.
    pub async fn put_range(
        &self,
        face: &dyn Face,
        credential: PresentedCredential<'_>,
        parts: &Parts,
        body: RequestBody,
        connection: &ConnectionInfo,
        request: RangeRequest<'_>,
    ) -> RangeAnswer {
        let client = self.client_of(parts, connection);
        let sessions = sessions(&parts.headers);
        let presented = presented(credential, Method::Put, client, parts, &sessions, face.dialect());
        match Box::pin(self.ranged(face, &presented, parts, body, request)).await {
            Ok(RangeAnswer::Answer(answer)) => RangeAnswer::Answer(self.finished(answer)),
            Ok(RangeAnswer::Published { answer, sha1 }) => RangeAnswer::Published { answer: self.finished(answer), sha1 },
            Ok(answer) => answer,
            Err(refusal) => {
                let answer = self.refused(face, refusal, credential, &parts.headers, client).await;
                RangeAnswer::Answer(closing(answer))
            }
        }
    }

    async fn ranged(
        &self,
        face: &dyn Face,
        presented: &Presented<'_>,
        parts: &Parts,
        body: RequestBody,
        request: RangeRequest<'_>,
    ) -> Result<RangeAnswer, Refusal> {
        let grant = self.service.verify(presented).await?;
        let dialect = grant.terms().dialect;
        let face = self.face_for(face, dialect);
        let admission = self.service.admit(grant).await?;
        let attempt = self.service.attempt_of(&admission);
        match self.collected(face, admission, parts, body, request).await {
            Ok(Some(RangeOutcome::Published { published, sha1 })) => {
                Ok(RangeAnswer::Published { answer: face.published(&published), sha1 })
            }
            Ok(Some(RangeOutcome::Waiting { received_bytes, sha1 })) => {
                attempt.ended(&self.service, Outcome::Done);
                Ok(RangeAnswer::Waiting { received_bytes, sha1 })
            }
            Ok(None) => {
                attempt.ended(&self.service, Outcome::BrokenOff);
                Ok(RangeAnswer::Answer(closing(face.broken_off())))
            }
            Err(RangeError::Service(error)) => {
                let refusal = error.as_refusal();
                attempt.ended(&self.service, Outcome::Refused(refusal));
                Err(refusal)
            }
            Err(error) => {
                attempt.ended(&self.service, Outcome::RangeNotSatisfiable);
                Ok(RangeAnswer::NotKept(error, dialect))
            }
        }
    }

    /// What becomes of the range; `None` if its body ended early.
    async fn collected(
        &self,
        face: &dyn Face,
        admission: Admission,
        parts: &Parts,
        body: RequestBody,
        request: RangeRequest<'_>,
    ) -> Result<Option<RangeOutcome>, RangeError> {
        if request.order == RangeOrder::Sequential
            && let Some(published) = self.service.completed_granted(&admission, &request).await?
        {
            return Ok(Some(RangeOutcome::Published { published: Box::new(published), sha1: None }));
        }
        let mut options = self.options_of(face, &admission, parts).await?;
        // What the headers say of the content they say of this range, and not of the whole.
        options.expected.clear();
        if request.order == RangeOrder::Sequential {
            (options.content_type, options.file_name) = (None, None);
        }
        let mut upload = self.service.write_range_granted(admission, request, options).await?;
        let superseded = upload.superseded();
        let ended = async {
            match superseded {
                Some(superseded) => superseded.await,
                None => std::future::pending().await,
            }
        };
        let received = tokio::select! {
            biased;
            received = receive(body, &mut upload) => received,
            () = ended => Err(ReceiveError::BrokenOff),
        };
        match received {
            Ok(()) => upload.finish().await.map(Some),
            Err(ReceiveError::Service(error)) => Err(upload.failed(error)),
            Err(ReceiveError::BrokenOff) => {
                upload.keep().await?;
                Ok(None)
            }
        }
    }
}
