//! `/docs`: the OpenAPI document as one page without script, for phones and desktops, light and dark, keyboard and reader.

mod example;
mod fields;
mod prose;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, Content, OpenApi, RefOr, Required, Response};
use valetkey_http_common::page::escaped;
use valetkey_http_common::public_url::PublicUrl;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 25%,transparent);\
--soft:color-mix(in srgb,currentColor 7%,transparent)}\
*{box-sizing:border-box}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
header,nav,main{max-width:60rem;margin:0 auto;padding:0 1.25rem}\
header{padding-top:2.5rem}main{padding-bottom:5rem}\
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .75rem}\
h2{font-size:1.4rem;line-height:1.25;margin:3rem 0 .75rem}\
h3{display:inline;font-size:1rem;margin:0}\
h4{font-size:1rem;margin:1.5rem 0 .5rem}\
code,pre{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
pre{margin:.5rem 0;padding:.75rem 1rem;background:var(--soft);border-radius:.5rem;white-space:pre-wrap}\
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;list-style:none}\
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}\
summary{cursor:pointer;padding:.6rem .9rem;border-radius:.5rem}\
summary:hover{background:var(--soft)}\
:focus-visible{outline:3px solid Highlight;outline-offset:2px}\
.body{padding:0 1rem 1rem;border-top:1px solid var(--line);scroll-margin-top:6rem}\
.method{font-weight:700;margin-right:.35rem}\
.what{display:block;font-weight:400}\
dl{margin:.5rem 0}dt{margin-top:.75rem;font-weight:600}dd{margin:.1rem 0 0 1.25rem}\
dd p,dd ul{margin:.1rem 0}\
.note{font-weight:400;opacity:.8}\
dd details{margin:.4rem 0}";

/// The `Content-Security-Policy` of the page: its own style, and nothing else.
pub(crate) fn content_security_policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
}

/// The page of a document. Examples call the server at `base`.
pub(crate) fn page(document: &OpenApi, base: &PublicUrl) -> String {
    let mut page = Page { html: String::new(), components: document.components.clone().unwrap_or_default(), base: base.as_str() };
    page.whole(document);
    page.html
}

/// A page that is being written.
struct Page<'a> {
    html: String,
    components: Components,
    base: &'a str,
}

impl Page<'_> {
    fn push(&mut self, html: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.html.write_fmt(html);
    }

    fn whole(&mut self, document: &OpenApi) {
        let (title, version) = (escaped(&document.info.title), escaped(&document.info.version));
        self.push(format_args!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} API</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title} API <span class=\"note\">{version}</span></h1>\n"
        ));
        self.prose(document.info.description.as_deref());
        self.push(format_args!("<p>The same for programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n<dl>\n"));
        for server in document.servers.iter().flatten() {
            self.push(format_args!("<dt>Base URL</dt>\n<dd><code>{}</code>", escaped(&server.url)));
            self.prose(server.description.as_deref());
            self.push(format_args!("</dd>\n"));
        }
        self.push(format_args!("</dl>\n</header>\n<nav aria-label=\"Parts\">\n<ul>\n"));
        let tags = document.tags.as_deref().unwrap_or_default();
        for tag in tags {
            let name = escaped(&tag.name);
            self.push(format_args!("<li><a href=\"#{name}\">{name}</a></li>\n"));
        }
        self.push(format_args!("</ul>\n</nav>\n<main>\n"));
        for tag in tags {
            let name = escaped(&tag.name);
            self.push(format_args!("<section aria-labelledby=\"{name}\">\n<h2 id=\"{name}\">{name}</h2>\n"));
            self.prose(tag.description.as_deref());
            for (path, item) in &document.paths.paths {
                for (method, operation) in operations(item) {
                    if operation.tags.iter().flatten().any(|of| *of == tag.name) {
                        let is_head_too = method == "GET" && item.head.is_some();
                        self.operation(path, if is_head_too { "GET, HEAD" } else { method }, operation);
                    }
                }
            }
            self.push(format_args!("</section>\n"));
        }
        self.push(format_args!("</main>\n</body>\n</html>\n"));
    }

    fn operation(&mut self, path: &str, methods: &str, operation: &Operation) {
        let id = escaped(operation.operation_id.as_deref().unwrap_or_default());
        let summary = escaped(operation.summary.as_deref().unwrap_or_default());
        let path_html = escaped(path);
        // The id stands within what is folded, so that a link to it unfolds it.
        self.push(format_args!(
            "<details>\n<summary><h3><span class=\"method\">{methods}</span> <code>{path_html}</code> \
             <span class=\"what\">{summary}</span></h3></summary>\n<div class=\"body\" id=\"{id}\">\n"
        ));
        self.prose(operation.description.as_deref());
        self.credentials(operation);
        self.parameters(operation.parameters.as_deref().unwrap_or_default());
        if let Some(RefOr::T(body)) = &operation.request_body {
            self.body(body);
        }
        self.answers(operation);
        let method = methods.split(',').next().unwrap_or_default();
        let command = example::curl(&self.components, self.base, path, method, operation);
        self.push(format_args!("<h4>Example</h4>\n<pre><code>{}</code></pre>\n", lines(&command)));
        self.push(format_args!("<p><a href=\"#{id}\">Link to <code>{id}</code></a></p>\n</div>\n</details>\n"));
    }

    fn credentials(&mut self, operation: &Operation) {
        let requirements = operation.security.as_deref().unwrap_or_default();
        let mut ways: Vec<String> = Vec::new();
        let mut scopes: Vec<String> = Vec::new();
        for requirement in requirements {
            let said = schemes_of(requirement);
            if said.is_empty() {
                ways.push("none".to_owned());
            }
            for (scheme, of) in said {
                ways.push(name_of(&scheme));
                scopes = of;
            }
        }
        let mut text = match ways.as_slice() {
            [] => "Credential: none.".to_owned(),
            ways => format!("Credential: {}.", ways.join(" or ")),
        };
        if !scopes.is_empty() {
            let scopes: Vec<_> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
            text.push_str(&format!(" Scope: {}.", scopes.join(", ")));
        }
        self.prose(Some(&text));
    }

    fn parameters(&mut self, parameters: &[RefOr<Parameter>]) {
        if parameters.is_empty() {
            return;
        }
        self.push(format_args!("<h4>Parameters</h4>\n<dl>\n"));
        for parameter in parameters {
            let RefOr::T(parameter) = parameter else { continue };
            let place = match parameter.parameter_in {
                ParameterIn::Path => "path",
                ParameterIn::Query => "query",
                ParameterIn::Header => "header",
                ParameterIn::Cookie => "cookie",
                _ => "elsewhere",
            };
            let required = if parameter.required == Required::True { ", required" } else { "" };
            let name = escaped(&parameter.name);
            self.push(format_args!("<dt><code>{name}</code> <span class=\"note\">{place}{required}</span></dt>\n<dd>"));
            self.prose(parameter.description.as_deref());
            if let Some(schema) = &parameter.schema {
                self.rules(schema, true);
            }
            self.push(format_args!("</dd>\n"));
        }
        self.push(format_args!("</dl>\n"));
    }

    fn body(&mut self, body: &RequestBody) {
        let required = if body.required == Some(Required::True) { ", required" } else { "" };
        self.push(format_args!("<h4>Body <span class=\"note\">{}{required}</span></h4>\n", media_types(body.content.keys())));
        self.prose(body.description.as_deref());
        for content in body.content.values() {
            self.content(content);
        }
    }

    fn answers(&mut self, operation: &Operation) {
        self.push(format_args!("<h4>Answers</h4>\n<dl>\n"));
        for (status, response) in &operation.responses.responses {
            let Some(response) = self.resolved(response) else { continue };
            let reason = status.parse().ok().and_then(|status| http::StatusCode::from_u16(status).ok()?.canonical_reason());
            let types = media_types(response.content.keys());
            self.push(format_args!(
                "<dt>{} {} <span class=\"note\">{types}</span></dt>\n<dd>",
                escaped(status),
                escaped(reason.unwrap_or_default())
            ));
            self.prose(Some(&response.description));
            if !response.headers.is_empty() {
                self.push(format_args!("<details>\n<summary>Fields of the head</summary>\n<div class=\"body\">\n<dl>\n"));
                for (name, header) in &response.headers {
                    self.push(format_args!("<dt><code>{}</code></dt>\n<dd>", escaped(name)));
                    if let RefOr::T(header) = header {
                        self.prose(header.description.as_deref());
                    }
                    self.push(format_args!("</dd>\n"));
                }
                self.push(format_args!("</dl>\n</div>\n</details>\n"));
            }
            if status.starts_with('2') && response.content.values().any(has_schema) {
                self.push(format_args!("<details>\n<summary>Body</summary>\n<div class=\"body\">\n"));
                for content in response.content.values() {
                    self.content(content);
                }
                self.push(format_args!("</div>\n</details>\n"));
            }
            self.push(format_args!("</dd>\n"));
        }
        self.push(format_args!("</dl>\n"));
    }

    fn content(&mut self, content: &RefOr<Content>) {
        if let RefOr::T(Content { schema: Some(schema), .. }) = content {
            self.fields(schema);
        }
    }

    fn resolved(&self, response: &RefOr<Response>) -> Option<Response> {
        match response {
            RefOr::T(response) => Some(response.clone()),
            RefOr::Ref(reference) => match self.components.responses.get(reference.ref_location.rsplit('/').next()?)? {
                RefOr::T(response) => Some(response.clone()),
                RefOr::Ref(_) => None,
            },
        }
    }
}

/// The operations of a path, in the order in which a reader wants them. HEAD is told with GET.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
        ("OPTIONS", &item.options),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn has_schema(content: &RefOr<Content>) -> bool {
    matches!(content, RefOr::T(Content { schema: Some(_), .. }))
}

/// The schemes of a requirement and their scopes, which utoipa shows in JSON alone.
fn schemes_of(requirement: &SecurityRequirement) -> BTreeMap<String, Vec<String>> {
    serde_json::to_value(requirement).and_then(serde_json::from_value).unwrap_or_default()
}

/// How a credential of a scheme is sent.
fn name_of(scheme: &str) -> String {
    match scheme {
        valetkey_http_common::openapi::BEARER => "`Authorization: Bearer`".to_owned(),
        valetkey_http_common::openapi::BASIC => "`Authorization: Basic`".to_owned(),
        valetkey_http_common::openapi::API_KEY => "`X-API-Key`".to_owned(),
        other => format!("`{other}`"),
    }
}

fn media_types<'a>(types: impl Iterator<Item = &'a String>) -> String {
    types.map(|name| if name == "*/*" { "any media type".to_owned() } else { escaped(name) }).collect::<Vec<_>>().join(" or ")
}

/// Escaped text that keeps its lines.
fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;
    use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder};
    use utoipa::openapi::tag::TagBuilder;

    fn base() -> PublicUrl {
        "https://files.example.org/x".parse().unwrap()
    }

    #[test]
    fn every_operation_is_on_the_page() {
        let document = openapi::document();
        let page = page(&document, &base());
        let mut n_operations = 0;
        for (path, item) in &document.paths.paths {
            for (_, operation) in operations(item) {
                let id = operation.operation_id.as_deref().unwrap();
                assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
                assert!(page.contains(&format!("<code>{}</code>", escaped(path))), "{path}");
                n_operations += 1;
            }
        }
        assert_eq!(page.matches("<div class=\"body\" id=").count(), n_operations);
        assert!(page.contains("curl") && page.contains("https://files.example.org/x/vk/v1/buckets"));
    }

    #[test]
    fn tags_are_balanced() {
        let page = page(&openapi::document(), &base());
        for tag in
            ["details", "summary", "section", "dl", "dt", "dd", "div", "p", "ul", "li", "code", "pre", "span", "h2", "h3", "h4"]
        {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        for foreign in ["<script", "<link", "<img", "<iframe", "<object", " http-equiv", " style=", " onclick", " src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_policy_allows_the_style_alone() {
        let page = page(&openapi::document(), &base());
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let digest = STANDARD.encode(Sha256::digest(style));
        let expected = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(content_security_policy(), expected);
    }

    #[test]
    fn everything_is_escaped() {
        let with = |text: &str| {
            let mut document = openapi::document();
            let parameter = ParameterBuilder::new().name(text).description(Some(text));
            let operation = OperationBuilder::new().operation_id(Some(text)).summary(Some(text)).description(Some(text)).tag("t");
            let operation = operation.parameter(parameter.build()).response("200", Response::new(text)).build();
            document.paths.paths.clear();
            document.paths.add_path_operation(text, vec![HttpMethod::Get], operation);
            document.tags = Some(vec![TagBuilder::new().name("t").description(Some(text)).build()]);
            document.info.title = text.to_owned();
            document.info.description = Some(text.to_owned());
            page(&document, &base())
        };
        let (plain, hostile) = (with("a"), with("a<b>\"&'<script>\u{0}</style>"));
        for delimiter in ['<', '>', '"'] {
            assert_eq!(hostile.matches(delimiter).count(), plain.matches(delimiter).count(), "{delimiter}");
        }
        assert!(!hostile.contains('\u{0}'));
    }
}
