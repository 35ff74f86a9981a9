//! A call by curl for each operation.

use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Components, Content, RefOr, Required};
use valetkey_http_common::openapi::{API_KEY, BASIC, BEARER, JSON};
use valetkey_http_common::path::{encode_key, encode_segment};

/// The command, in lines of a shell.
pub(super) fn curl(components: &Components, base: &str, path: &str, method: &str, operation: &Operation) -> String {
    let parameters: Vec<&Parameter> = operation.parameters.iter().flatten().filter_map(inline).collect();
    let mut words = vec!["curl".to_owned()];
    if !matches!(method, "GET" | "POST") || (method == "POST" && operation.request_body.is_none()) {
        words.push(format!("-X {method}"));
    }
    words.extend(credential(operation));
    for parameter in parameters.iter().filter(|parameter| parameter.parameter_in == ParameterIn::Header && is_shown(parameter)) {
        words.push(format!("-H {}", quoted(&format!("{}: {}", parameter.name, example_of(parameter)))));
    }
    words.extend(body(operation));
    if is_download(components, operation) {
        words.push("-o file".to_owned());
    }
    words.push(quoted(&url(base, path, &parameters)));
    words.join(" \\\n  ")
}

fn credential(operation: &Operation) -> Option<String> {
    let first = operation.security.as_deref()?.first().map(super::schemes_of)?;
    let (scheme, _) = first.into_iter().next()?;
    match scheme.as_str() {
        BEARER => Some("-H \"Authorization: Bearer $VALETKEY_API_KEY\"".to_owned()),
        API_KEY => Some("-H \"X-API-Key: $VALETKEY_API_KEY\"".to_owned()),
        BASIC => Some("-u \"$CLIENT_ID:$CLIENT_SECRET\"".to_owned()),
        _ => None,
    }
}

fn body(operation: &Operation) -> Option<String> {
    let RefOr::T(body) = operation.request_body.as_ref()? else { return None };
    let (media_type, content) = body.content.iter().next()?;
    let RefOr::T(Content { example, .. }) = content else { return None };
    match (media_type.as_str(), example) {
        (JSON, Some(example)) => Some(format!("--json {}", quoted(&example.to_string()))),
        (_, Some(Value::Object(fields))) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}={}", encode_segment(&text_of(value)))).collect();
            Some(format!("-d {}", quoted(&fields.join("&"))))
        }
        _ => Some("--data-binary @file".to_owned()),
    }
}

fn url(base: &str, path: &str, parameters: &[&Parameter]) -> String {
    let mut url = format!("{base}{path}");
    let mut query = Vec::new();
    for parameter in parameters {
        let example = example_of(parameter);
        match parameter.parameter_in {
            ParameterIn::Path => url = url.replace(&format!("{{{}}}", parameter.name), &encode_key(&example)),
            ParameterIn::Query if is_shown(parameter) => query.push(format!("{}={}", parameter.name, encode_segment(&example))),
            _ => {}
        }
    }
    if query.is_empty() { url } else { format!("{url}?{}", query.join("&")) }
}

/// Whether a parameter belongs into an example: where it must be there, or the document says so.
fn is_shown(parameter: &Parameter) -> bool {
    let marked = || parameter.extensions.as_ref().is_some_and(|extensions| extensions.contains_key("x-in-example"));
    parameter.required == Required::True || marked()
}

fn example_of(parameter: &Parameter) -> String {
    let Some(RefOr::T(Schema::Object(object))) = &parameter.schema else { return String::new() };
    let listed = object.examples.first().or(object.default.as_ref()).or_else(|| object.enum_values.as_ref()?.first());
    listed.map_or_else(|| "1".to_owned(), text_of)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_download(components: &Components, operation: &Operation) -> bool {
    let found = match operation.responses.responses.get("200") {
        Some(RefOr::T(response)) => Some(response),
        Some(RefOr::Ref(reference)) => {
            match reference.ref_location.rsplit('/').next().and_then(|name| components.responses.get(name)) {
                Some(RefOr::T(response)) => Some(response),
                _ => None,
            }
        }
        None => None,
    };
    found.is_some_and(|response| response.content.contains_key(valetkey_http_common::openapi::ANY))
}

fn inline<T>(item: &RefOr<T>) -> Option<&T> {
    match item {
        RefOr::T(item) => Some(item),
        RefOr::Ref(_) => None,
    }
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    fn check(path: &str, method: &str, expected: &str) {
        let document = openapi::document();
        let item = &document.paths.paths[path];
        let operation = match method {
            "GET" => &item.get,
            "PUT" => &item.put,
            "POST" => &item.post,
            "DELETE" => &item.delete,
            _ => &item.options,
        };
        let components = document.components.clone().unwrap();
        assert_eq!(curl(&components, "https://f.example", path, method, operation.as_ref().unwrap()), expected);
    }

    #[test]
    fn commands() {
        check("/healthz", "GET", "curl \\\n  'https://f.example/healthz'");
        check(
            "/vk/v1/buckets",
            "POST",
            "curl \\\n  -H \"Authorization: Bearer $VALETKEY_API_KEY\" \\\n  --json '{\"name\":\"reports\",\"retention\":\"persistent\"}' \\\n  \
             'https://f.example/vk/v1/buckets'",
        );
        check(
            "/vk/v1/buckets/{bucket}/objects/{key}",
            "DELETE",
            "curl \\\n  -X DELETE \\\n  -H \"Authorization: Bearer $VALETKEY_API_KEY\" \\\n  \
             'https://f.example/vk/v1/buckets/reports/objects/2026/q3.pdf'",
        );
        check(
            "/authentication/v2/token",
            "POST",
            "curl \\\n  -u \"$CLIENT_ID:$CLIENT_SECRET\" \\\n  -d 'grant_type=client_credentials&scope=data%3Aread%20data%3Awrite' \\\n  \
             'https://f.example/authentication/v2/token'",
        );
        check(
            "/o/{bucket}/{key}",
            "GET",
            "curl \\\n  -o file \\\n  'https://f.example/o/reports/2026/q3.pdf?cat=2D3RhEOhAQWhBEVhcHAtMV'",
        );
    }

    #[test]
    fn a_quote_ends_no_word() {
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
