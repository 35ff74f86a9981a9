//! Answers that are refusals: what the server said, and what the user can do about it.

use crate::error::CliError;
use crate::object_path::{ObjectPath, PrefixPath};
use crate::output::visible;
use serde::Deserialize;
use std::io::Read as _;
use ureq::Body;
use ureq::http::{Response, header};
use valetkey_model::{ApiKeyId, BucketName, SigningKeyId};

/// What a request was about: it stands in front of the refusal, and decides what helps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// Making a bucket.
    NewBucket(&'a str),
    /// A bucket that should be there.
    Bucket(&'a BucketName),
    /// What is in a bucket.
    Listing(&'a PrefixPath),
    /// Storing an object; whether only where there is none.
    Upload(&'a ObjectPath, bool),
    /// An object that should be there.
    Object(&'a ObjectPath),
    /// Making an API key, of this id if one was asked for.
    NewApiKey(Option<&'a ApiKeyId>),
    /// An API key that should be there.
    ApiKey(&'a ApiKeyId),
    /// Making a signing key, of this id if one was asked for.
    NewSigningKey(Option<&'a SigningKeyId>),
    /// A signing key that should be there.
    SigningKey(&'a SigningKeyId),
    /// A signed URL that somebody was given: never shown.
    SignedUrl,
    /// Everything else.
    Server,
}

/// A refusal ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), or what is known of an answer that is none.
#[derive(Debug, Default)]
pub(crate) struct Problem {
    status: u16,
    reason: &'static str,
    said: Said,
    is_problem: bool,
    location: Option<String>,
    retry_after_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

impl Problem {
    /// More of a refusal than this is not read, in bytes.
    const MAX_BODY_BYTES: u64 = 64 * 1024;

    /// Reads the answer to its end, as far as it helps.
    pub(crate) fn read(response: Response<Body>) -> Self {
        let status = response.status();
        let text = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(|value| value.trim().to_owned())
        };
        let is_json = text(header::CONTENT_TYPE).is_some_and(|value| value.contains("json"));
        let (location, retry_after) = (text(header::LOCATION), text(header::RETRY_AFTER));
        let mut body = Vec::new();
        // A refusal whose words were lost on the way is still a refusal: its status says the most.
        let _ = response.into_body().into_reader().take(Self::MAX_BODY_BYTES).read_to_end(&mut body);
        let said = is_json.then(|| serde_json::from_slice::<Said>(&body).ok()).flatten();
        Self {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
            is_problem: said.as_ref().is_some_and(|said| said.code.is_some() || said.title.is_some()),
            said: said.unwrap_or_default(),
            location,
            retry_after_seconds: retry_after.and_then(|value| value.parse().ok()),
        }
    }

    /// After how many seconds to try again, where that can help.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self.status {
            408 | 409 | 429 | 503 => self.retry_after_seconds,
            _ => None,
        }
    }

    /// The refusal as a failure. `base` is the server's URL; `with_api_key` is whether a key was sent.
    pub(crate) fn into_error(self, about: About<'_>, base: &str, with_api_key: bool) -> CliError {
        let mut message = match about {
            About::NewBucket(name) => format!("`{name}`: "),
            About::Bucket(name) => format!("`{name}`: "),
            About::Listing(path) => format!("`{path}`: "),
            About::Upload(path, _) | About::Object(path) => format!("`{path}`: "),
            About::NewApiKey(Some(id)) | About::ApiKey(id) => format!("`{id}`: "),
            About::NewSigningKey(Some(kid)) | About::SigningKey(kid) => format!("`{kid}`: "),
            About::SignedUrl => "the signed URL was refused: ".to_owned(),
            About::NewApiKey(None) | About::NewSigningKey(None) | About::Server => String::new(),
        };
        match self.said.detail.as_ref().or(self.said.title.as_ref()).filter(|_| self.is_problem) {
            Some(sentence) => message.push_str(&visible(sentence.trim_end_matches('.'))),
            None => message.push_str(&format!("the server answered {} {}", self.status, self.reason)),
        }
        match self.said.code.as_ref().filter(|_| self.is_problem) {
            Some(code) => message.push_str(&format!(" ({} `{}`)", self.status, visible(code))),
            None if self.is_problem => message.push_str(&format!(" ({})", self.status)),
            None => {}
        }
        let hint = self.hint(about, base, with_api_key);
        CliError::failed(message).with_hint_if_any(hint)
    }

    fn hint(&self, about: About<'_>, base: &str, with_api_key: bool) -> Option<String> {
        if let Some(location) = self.location.as_ref().filter(|_| (300..400).contains(&self.status)) {
            return Some(format!("the server points elsewhere: set VALETKEY_URL to the address of `{location}`"));
        }
        if let About::SignedUrl = about {
            return self.hint_for_holder();
        }
        let hint = match (self.status, about) {
            (401, _) if with_api_key => {
                "the server does not know this key; set VALETKEY_API_KEY to the key that the first start \
                 printed, or name another file with `--api-key-file`"
                    .to_owned()
            }
            (401, _) => "set VALETKEY_API_KEY to the key that the first start printed, or use `--api-key-file FILE`".to_owned(),
            (403, _) => "set VALETKEY_API_KEY to a key that may do this, or use `--api-key-file FILE`".to_owned(),
            _ if !self.is_problem => format!("`{base}` does not answer as a valetkey server; set VALETKEY_URL to one that does"),
            (404, About::Upload(path, _)) => create_bucket(&path.bucket),
            (404, About::Listing(path)) => create_bucket(&path.bucket),
            (404, About::Object(path)) if self.is_about_a_bucket() => create_bucket(&path.bucket),
            (404, About::Object(path)) => format!("`valetkey ls {}/` lists what there is", path.bucket),
            (404, About::Bucket(_)) => "`valetkey bucket ls` lists what there is".to_owned(),
            (409, About::NewBucket(_)) => "choose another name: bucket names are unique in the installation".to_owned(),
            (409, About::Bucket(name)) => {
                format!("delete its objects first: `valetkey ls {name}/` lists them, `valetkey rm` deletes them")
            }
            (404, About::ApiKey(_)) => "`valetkey api-key list` lists what there is".to_owned(),
            (404, About::SigningKey(_)) => "`valetkey signing-key list` lists what there is".to_owned(),
            (409, About::NewApiKey(Some(_)) | About::NewSigningKey(Some(_))) => {
                "choose another id: ids are unique in the installation, and never given again".to_owned()
            }
            (409, About::NewApiKey(None)) => "choose another bearer value: this one is in use".to_owned(),
            (409, About::ApiKey(_)) => "make another administrator first: `valetkey api-key create --scope admin`".to_owned(),
            (409, About::SigningKey(_)) => "make another one: `valetkey signing-key create`".to_owned(),
            (412, About::Upload(_, true)) => "leave out `--create` to replace the object".to_owned(),
            _ => return self.retry_after_seconds().map(again_in),
        };
        Some(hint)
    }

    fn hint_for_holder(&self) -> Option<String> {
        let hint = match self.said.code.as_deref() {
            Some("invalid_signature" | "unknown_link" | "wrong_path") => {
                "copy the whole URL, and put it in single quotes: `valetkey get 'URL'`"
            }
            Some("expired" | "revoked" | "used_up" | "issuer_disabled") => "ask whoever gave it to you for a new one",
            Some("wrong_method") => "it is for uploading: `curl --upload-file FILE 'URL'`",
            _ => return self.retry_after_seconds().map(again_in),
        };
        Some(hint.to_owned())
    }

    fn is_about_a_bucket(&self) -> bool {
        [&self.said.code, &self.said.title, &self.said.detail].into_iter().flatten().any(|text| text.contains("bucket"))
    }
}

fn create_bucket(name: &BucketName) -> String {
    format!("`valetkey bucket create {name}` makes the bucket")
}

fn again_in(seconds: u64) -> String {
    format!("try again in {seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str, detail: &str) -> Problem {
        Problem {
            status,
            said: Said { title: None, detail: Some(detail.to_owned()), code: Some(code.to_owned()) },
            is_problem: true,
            retry_after_seconds: Some(2),
            ..Problem::default()
        }
    }

    #[test]
    fn messages_say_what_and_why() {
        let path: ObjectPath = "reports/q3.pdf".parse().unwrap();
        let error = problem(404, "not_found", "there is no such object.").into_error(About::Object(&path), "", true);
        assert_eq!(error.to_string(), "`reports/q3.pdf`: there is no such object (404 `not_found`)");
        let plain = Problem { status: 502, reason: "Bad Gateway", ..Problem::default() };
        let error = plain.into_error(About::Server, "http://host", true);
        assert_eq!(error.to_string(), "the server answered 502 Bad Gateway");
    }

    #[test]
    fn hints_name_the_command_or_variable_to_use() {
        let path: ObjectPath = "reports/q3.pdf".parse().unwrap();
        let listing: PrefixPath = "reports/".parse().unwrap();
        let check = |status: u16, code: &str, detail: &str, about: About<'_>, expected: &str| {
            let hint = problem(status, code, detail).hint(about, "http://host", true).unwrap_or_default();
            assert!(hint.contains(expected), "{status} {about:?}: {hint}");
        };
        check(401, "unauthenticated", "", About::Server, "VALETKEY_API_KEY");
        check(403, "missing_scope", "", About::Object(&path), "VALETKEY_API_KEY");
        check(404, "not_found", "there is no such bucket", About::Object(&path), "valetkey bucket create reports");
        check(404, "not_found", "there is no such object", About::Object(&path), "valetkey ls reports/");
        check(404, "not_found", "", About::Upload(&path, false), "valetkey bucket create reports");
        check(404, "not_found", "", About::Listing(&listing), "valetkey bucket create reports");
        check(404, "not_found", "", About::Bucket(&path.bucket), "valetkey bucket ls");
        check(409, "exists", "", About::NewBucket("reports"), "another name");
        check(409, "not_empty", "", About::Bucket(&path.bucket), "valetkey rm");
        let (id, kid): (ApiKeyId, SigningKeyId) = ("backend".parse().unwrap(), "app-1".parse().unwrap());
        check(403, "missing_scope", "", About::ApiKey(&id), "VALETKEY_API_KEY");
        check(404, "not_found", "", About::ApiKey(&id), "valetkey api-key list");
        check(404, "not_found", "", About::SigningKey(&kid), "valetkey signing-key list");
        check(409, "already_exists", "", About::NewApiKey(Some(&id)), "another id");
        check(409, "already_exists", "", About::NewApiKey(None), "another bearer value");
        check(409, "already_exists", "", About::NewSigningKey(Some(&kid)), "another id");
        check(409, "conflict", "", About::ApiKey(&id), "another administrator");
        check(409, "conflict", "", About::SigningKey(&kid), "signing-key create");
        check(429, "too_many_requests", "", About::Server, "try again in 2 s");
        check(412, "exists", "", About::Upload(&path, true), "--create");
        check(503, "unavailable", "", About::Upload(&path, true), "try again in 2 s");
        check(403, "invalid_signature", "", About::SignedUrl, "single quotes");
        check(410, "used_up", "", About::SignedUrl, "a new one");
        check(409, "in_use", "", About::SignedUrl, "try again in 2 s");
        check(403, "wrong_method", "", About::SignedUrl, "--upload-file");
    }
}
