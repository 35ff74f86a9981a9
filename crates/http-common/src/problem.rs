//! Problem bodies ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457.html)): what went wrong, for programs and their authors.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use valetkey_model::Refusal;

/// The `Content-Type` of a problem.
pub static CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What an answer other than a success says. Nothing internal belongs here.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: Option<String>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind: its stable code, and a title that is the same for all of the kind.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), title: title.into(), detail: None, extensions: Map::new() }
    }

    /// What the holder of a refused URL is told.
    pub fn refusal(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.native_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, refusal.told_as(), refusal.sentence())
    }

    /// With a sentence about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With an extension member. One named like a member that every problem has is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !matches!(name, "type" | "title" | "status" | "detail" | "instance" | "code") {
            self.extensions.insert(name.to_owned(), value.into());
        }
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The body of the answer.
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            code: &'a str,
            #[serde(flatten)]
            extensions: &'a Map<String, Value>,
        }
        let body = Body {
            r#type: format!("urn:valetkey:problem:{}", self.code),
            title: &self.title,
            status: self.status.as_u16(),
            detail: self.detail.as_deref(),
            code: &self.code,
            extensions: &self.extensions,
        };
        // Only maps with keys that are no text and failing writers make this fail.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |problem: Problem, expected: &str| assert_eq!(problem.body(), expected);
        check(
            Problem::refusal(Refusal::Expired),
            r#"{"type":"urn:valetkey:problem:expired","title":"the URL has expired","status":410,"code":"expired"}"#,
        );
        check(
            Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "the request is not valid")
                .detail("`uses` is \"0\"")
                .with("parameter", "uses")
                .with("status", 200)
                .with("allowed", vec![1, 2]),
            "{\"type\":\"urn:valetkey:problem:invalid_request\",\"title\":\"the request is not valid\",\"status\":400,\
             \"detail\":\"`uses` is \\\"0\\\"\",\"code\":\"invalid_request\",\"allowed\":[1,2],\"parameter\":\"uses\"}",
        );
    }

    #[test]
    fn every_refusal_has_its_status_and_tells_no_more_than_it_may() {
        for refusal in Refusal::ALL {
            let problem = Problem::refusal(refusal);
            assert_eq!(problem.status().as_u16(), refusal.native_status());
            let body: Value = serde_json::from_slice(&problem.body()).unwrap();
            assert_eq!(body["code"], refusal.told_as());
        }
    }
}
