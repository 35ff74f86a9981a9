//! `/vk/v1/audit`: rows in pages, the chain for whoever checks it, the keys that seal it, erasures.

use super::{Call, Native, json, limit, method_not_allowed, name, parse, text, whole};
use crate::errors::{self, ApiError};
use crate::translate::audit::{END_LINE, erasure, head_line, key_body, lines, row_body};
use crate::translate::{after_cursor, cursor, invalid};
use crate::wire::audit::{AuditKeysBody, AuditRowsBody, ErasedBody, ErasureBody};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::query::Query;
use valetkey_model::{Outcome, Timestamp};
use valetkey_service::{AuditChain, AuditFilter, Principal, Service, ServiceError};

/// How many rows of an export are in memory at a time.
const ROWS_AT_ONCE: u32 = 500;

impl Native {
    /// What is beneath `/vk/v1/audit`.
    pub(super) async fn audit(
        &self,
        call: Call<'_>,
        body: RequestBody,
        rest: &[&str],
    ) -> Result<Response<ResponseBody>, ApiError> {
        match (call.method(), rest) {
            (&Method::GET, []) => self.list_audit(call).await,
            (&Method::GET, ["export"]) => self.export_audit(call).await,
            (&Method::GET, ["keys"]) => self.list_audit_keys(call).await,
            (&Method::POST, ["erasures"]) => self.erase_from_audit(call, body).await,
            (_, [] | ["export" | "keys"]) => Ok(method_not_allowed("GET, HEAD")),
            (_, ["erasures"]) => Ok(method_not_allowed("POST")),
            _ => Err(errors::no_such_path().into()),
        }
    }

    async fn list_audit(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let query = Query::new(call.parts.uri.query());
        let before = text(query, "next")?.map(|next| after_cursor(&next)).transpose()?;
        let before = before.map(|next| next.parse().map_err(|_| invalid("next", "no number", "the `next` of an earlier page")));
        let page = self.service().audit_page(&principal, filter(query)?, before.transpose()?, limit(query)?).await?;
        let rows = page.rows.iter().map(row_body).collect::<Result<_, _>>()?;
        let chain = self.service().audit_chain(&principal)?.as_str().to_owned();
        Ok(json(StatusCode::OK, &AuditRowsBody { chain, rows, next: page.next.map(|seq| cursor(&seq.to_string())) }))
    }

    async fn export_audit(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let after = number(Query::new(call.parts.uri.query()), "after")?;
        let chain = self.service().audit_chain(&principal)?;
        let head = head_line(&chain, &self.service().audit_keys().await?);
        let export = Export { service: self.service().clone(), principal, chain, next: Next::Head(head, after.unwrap_or(0)) };
        let mut answer = Response::new(match call.parts.method == Method::HEAD {
            true => ResponseBody::empty(),
            false => ResponseBody::other(export),
        });
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
        answer.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.jsonl\""));
        Ok(answer)
    }

    async fn list_audit_keys(&self, call: Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        self.principal(call)?;
        let keys = self.service().audit_keys().await?.into_iter().map(key_body).collect();
        Ok(json(StatusCode::OK, &AuditKeysBody { keys }))
    }

    async fn erase_from_audit(&self, call: Call<'_>, body: RequestBody) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let body: ErasureBody = parse(&whole(body).await?)?;
        let erased = self.service().erase_from_audit(&principal, erasure(body)).await?;
        Ok(json(StatusCode::OK, &ErasedBody { erased }))
    }
}

fn filter(query: Query<'_>) -> Result<AuditFilter, ApiError> {
    let instant = |field: &'static str| {
        let Some(value) = text(query, field)? else { return Ok(None) };
        let at: Result<jiff::Timestamp, _> = value.parse();
        let at = at.map_err(|_| invalid(field, format!("`{value}`"), "an instant as RFC 3339 has it"))?;
        Ok::<_, ServiceError>(Some(Timestamp::from_micros(at.as_microsecond())))
    };
    let named = |field: &'static str| text(query, field);
    let wrong = |field: &'static str, found: &str, expected: &'static str| invalid(field, format!("`{found}`"), expected);
    Ok(AuditFilter {
        bucket: named("bucket")?.map(|value| name("bucket", &value)).transpose()?,
        key: named("key")?.map(|value| value.parse().map_err(|_| wrong("key", &value, "an object key"))).transpose()?,
        link_id: named("link_id")?.map(|value| value.parse().map_err(|_| wrong("link_id", &value, "a link id"))).transpose()?,
        principal: named("principal")?.map(|value| name("principal", &value)).transpose()?,
        outcome: named("outcome")?
            .map(|value| Outcome::parse(&value).ok_or_else(|| wrong("outcome", &value, "an outcome, or the code of a refusal")))
            .transpose()?,
        since: instant("since")?,
        until: instant("until")?,
    })
}

fn number(query: Query<'_>, field: &'static str) -> Result<Option<u64>, ServiceError> {
    let Some(value) = text(query, field)? else { return Ok(None) };
    // What every reader of JSON counts to.
    let number = value.parse().ok().filter(|number| *number < 1 << 53);
    number.map(Some).ok_or_else(|| invalid(field, format!("`{}`", value.escape_debug()), "a whole number below 2^53"))
}

/// An export on its way: a stretch at a time.
struct Export {
    service: Service,
    principal: Principal,
    chain: AuditChain,
    next: Next,
}

enum Next {
    Head(String, u64),
    Stretch(Stretching),
    End,
    Nothing,
}

/// The lines of a stretch, and after which row the next one begins.
type Stretching = Pin<Box<dyn Future<Output = Result<(String, Option<u64>), ServiceError>> + Send>>;

impl Export {
    fn stretch(&self, after: u64) -> Next {
        let (service, principal, chain) = (self.service.clone(), self.principal.clone(), self.chain.clone());
        Next::Stretch(Box::pin(async move {
            let stretch = service.audit_stretch(&principal, after, ROWS_AT_ONCE).await?;
            let ends = [stretch.rows.last().map(|row| row.seq), stretch.checkpoints.last().map(|sealed| sealed.seq)];
            let last = ends.into_iter().flatten().max().unwrap_or(after);
            Ok((lines(&chain, &stretch), stretch.more.then_some(last)))
        }))
    }
}

impl Body for Export {
    type Data = Bytes;
    type Error = ServiceError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ServiceError>>> {
        let text = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => return Poll::Ready(None),
            Next::End => END_LINE.to_owned(),
            Next::Head(head, after) => {
                self.next = self.stretch(after);
                head
            }
            Next::Stretch(mut stretching) => {
                let Poll::Ready(done) = stretching.as_mut().poll(cx) else {
                    self.next = Next::Stretch(stretching);
                    return Poll::Pending;
                };
                let (text, more) = match done {
                    Ok(done) => done,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                self.next = match more {
                    Some(after) => self.stretch(after),
                    None => Next::End,
                };
                text
            }
        };
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}
