//! Small HTML pages for people: plain, without script, readable on a phone, light and dark. And whether a request comes from
//! somebody who would read one.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;
use valetkey_model::Refusal;

/// The `Content-Type` of a page.
pub static CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f2f4f7;--card:#fff;--ink:#1a1d21;--soft:#555e6a;--line:#dde2e8;--act:#1257c8;--on:#fff;\
--warn:#fff4d6}\
@media(prefers-color-scheme:dark){:root{--ground:#0f1216;--card:#191d23;--ink:#e8ebef;--soft:#a6b0bb;--line:#2d343d;--act:#84b6ff;\
--on:#0a1424;--warn:#3a2f10}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;min-height:100svh;display:grid;padding:1rem;background:var(--ground);color:var(--ink);\
font:1.0625rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
main{width:100%;max-width:28rem;margin:auto;padding:2rem 1.75rem;background:var(--card);border:1px solid var(--line);border-radius:1rem}\
svg{display:block;width:2.75rem;height:2.75rem;margin:0 0 1rem -.25rem;fill:none;stroke:var(--act);stroke-width:1.5;\
stroke-linejoin:round;stroke-linecap:round}\
h1{font-size:1.375rem;line-height:1.3;margin:0 0 1.25rem}\
p,form{margin:0 0 1rem}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.5rem 1.5rem;margin:0 0 1.5rem;padding:1rem 0;border:solid var(--line);\
border-width:1px 0}\
dt,.note{color:var(--soft)}dd{margin:0}.note{font-size:.9375rem}\
button{width:100%;min-height:3.25rem;padding:.75rem 1.5rem;border:2px solid transparent;border-radius:.625rem;background:var(--act);\
color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
button:hover{filter:brightness(1.1)}\
:focus-visible{outline:3px solid var(--act);outline-offset:3px}\
[role=alert]{padding:.75rem 1rem;border-radius:.625rem;background:var(--warn)}\
main>:last-child{margin-bottom:0}";

/// A sheet of paper and an arrow, for the eye alone.
const FILE_GLYPH: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\">\
<path d=\"M14 2.75H6.5a1.75 1.75 0 0 0-1.75 1.75v15a1.75 1.75 0 0 0 1.75 1.75h11a1.75 1.75 0 0 0 1.75-1.75V8zM14 2.75V8h5.25\"/>\
<path d=\"M12 11v6m-2.5-2.5L12 17l2.5-2.5\"/></svg>\n";

/// The SHA-256 of [`STYLE`], which the policies allow and nothing else; a test compares them.
macro_rules! policy {
    ($form_action:literal) => {
        HeaderValue::from_static(concat!(
            "default-src 'none'; style-src 'sha256-Dl+0VlJ+WCsVAX46TDvqQJ6HokWd4lWUdnzTGn8SZZk='; form-action ",
            $form_action,
            "; frame-ancestors 'none'; base-uri 'none'"
        ))
    };
}
static POLICY: HeaderValue = policy!("'none'");
static POLICY_WITH_FORM: HeaderValue = policy!("'self'");

/// A page under construction. Every text given to it is escaped.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    main: String,
    has_form: bool,
}

impl Page {
    /// A page with a title, which is also its heading.
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        let main = format!("<h1>{title}</h1>\n");
        Self { title, main, has_form: false }
    }

    /// A page about a file, whose name is the title. The name is to be [safe](crate::disposition::safe_file_name): escaping leaves
    /// characters that turn text around.
    pub fn of_file(name: &str) -> Self {
        let name = escaped(name);
        // Arabic and Hebrew names are read from the right.
        let main = format!("{FILE_GLYPH}<h1 dir=\"auto\">{name}</h1>\n");
        Self { title: name, main, has_form: false }
    }

    /// The page for a refused navigation.
    pub fn refusal(refusal: Refusal) -> Self {
        let sentence = refusal.sentence();
        let mut characters = sentence.chars();
        let title: String = characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect();
        let advice = if refusal.retry_after_seconds().is_some() {
            "Wait a little, then load this page again."
        } else {
            "Ask whoever sent you the link for a new one."
        };
        Self::new(&title).paragraph(advice)
    }

    /// With a paragraph.
    #[must_use]
    pub fn paragraph(mut self, text: &str) -> Self {
        self.push(format_args!("<p>{}</p>\n", escaped(text)));
        self
    }

    /// With a paragraph that is read out at once.
    #[must_use]
    pub fn alert(mut self, text: &str) -> Self {
        self.push(format_args!("<p role=\"alert\">{}</p>\n", escaped(text)));
        self
    }

    /// With a paragraph of less weight.
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.push(format_args!("<p class=\"note\">{}</p>\n", escaped(text)));
        self
    }

    /// With a list of names and values.
    #[must_use]
    pub fn facts(mut self, facts: &[(&str, &str)]) -> Self {
        self.main.push_str("<dl>\n");
        for (name, text) in facts {
            self.push(format_args!("<dt>{}</dt>\n<dd>{}</dd>\n", escaped(name), escaped(text)));
        }
        self.main.push_str("</dl>\n");
        self
    }

    /// With a button that sends these fields by POST to the page's own URL.
    #[must_use]
    pub fn button(mut self, label: &str, fields: &[(&str, &str)]) -> Self {
        self.has_form = true;
        self.main.push_str("<form method=\"post\">\n");
        for (name, text) in fields {
            self.push(format_args!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escaped(name), escaped(text)));
        }
        self.push(format_args!("<button>{}</button>\n</form>\n", escaped(label)));
        self
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        let Self { title, main, .. } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n"
        )
        .into()
    }

    /// The `Content-Security-Policy`, which the answer must carry.
    pub fn content_security_policy(&self) -> HeaderValue {
        if self.has_form { POLICY_WITH_FORM.clone() } else { POLICY.clone() }
    }

    fn push(&mut self, html: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.main.write_fmt(html);
    }
}

/// Text for HTML content and quoted attributes. Control characters, which HTML forbids, become U+FFFD, and line breaks spaces.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(' '),
            c if c.is_control() => html.push(char::REPLACEMENT_CHARACTER),
            c => html.push(c),
        }
    }
    html
}

/// Whether a browser asks for a page to show: `Sec-Fetch-Mode` says so, or, where it is not sent (plain HTTP, old browsers),
/// `Accept` prefers HTML.
///
/// Programs must pass: HTML has to be named and preferred to everything else that is named. Only pictures may stand level, and only
/// beside `application/xhtml+xml`, as every browser sends them; Java's own client puts `text/html, image/gif` first too.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    if let Some(mode) = headers.get(&SEC_FETCH_MODE) {
        return mode.as_bytes() == b"navigate";
    }
    let (mut html, mut xhtml, mut pictures, mut others) = (0, 0, 0, 0);
    for line in headers.get_all(ACCEPT) {
        let Ok(line) = line.to_str() else { return false };
        for range in line.split(',') {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let name = name.trim().to_ascii_lowercase();
            let best = match name.as_str() {
                "" => continue,
                "text/html" => &mut html,
                "application/xhtml+xml" => &mut xhtml,
                name if name.starts_with("image/") => &mut pictures,
                _ => &mut others,
            };
            *best = (*best).max(thousandths(parameters));
        }
    }
    html > others && (html > pictures || (html == pictures && xhtml > 0))
}

/// The weight among a range's parameters, in thousandths; 1 if there is none or it cannot be read.
fn thousandths(parameters: &str) -> u16 {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, text) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(text.trim())
    });
    weight.and_then(parse_weight).unwrap_or(1000)
}

/// A weight of [RFC 9110 §12.4.2](https://www.rfc-editor.org/rfc/rfc9110.html#section-12.4.2).
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    fn headers(mode: Option<&str>, accept: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(mode) = mode {
            headers.insert(&SEC_FETCH_MODE, HeaderValue::from_str(mode).unwrap());
        }
        for line in accept {
            headers.append(ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn navigations() {
        let check = |mode: Option<&str>, accept: &[&str], expected: bool| {
            assert_eq!(is_navigation(&headers(mode, accept)), expected, "{mode:?} {accept:?}");
        };
        check(Some("navigate"), &[], true);
        check(Some("navigate"), &["*/*"], true);
        check(Some("cors"), &["text/html"], false);
        check(Some("Navigate"), &["text/html"], false);
        check(None, &[], false);
        check(None, &["*/*"], false);
        check(None, &["text/html"], true);
        check(None, &["Text/HTML;q=0.5"], true);
        check(None, &["text/html;q=0"], false);
        check(None, &["text/html;q=0.000, */*;q=0"], false);
        check(None, &["text/html;level=1;Q=0.9, application/json;q=0.8"], true);
        check(None, &["text/html;q=0.8, application/json;q=0.81"], false);
        check(None, &["text/html", "application/json"], false);
        check(None, &["text/html, */*"], false);
        check(None, &["application/xhtml+xml"], false);
        check(None, &["application/json, text/plain, */*"], false);
        // Firefox, Safari; Chrome; Java's own client; a weight that cannot be read counts as none.
        check(None, &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true);
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                      application/signed-exchange;v=b3;q=0.7";
        check(None, &[chrome], true);
        check(None, &["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], false);
        check(None, &["text/html;q=0.9, */*;q=1.1"], false);
        check(None, &["text/html;q=0.9, */*;q=0.8888"], false);
    }

    #[test]
    fn the_policy_allows_the_style_and_no_script() {
        use base64::Engine as _;
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
        for page in [Page::new("a"), Page::new("a").button("b", &[])] {
            let policy = page.content_security_policy();
            let policy = policy.to_str().unwrap();
            assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{digest}'; ")), "{policy}, {digest}");
            assert!(!policy.contains("script"));
        }
        assert!(Page::new("a").content_security_policy().to_str().unwrap().contains("form-action 'none'"));
        assert!(Page::new("a").button("b", &[]).content_security_policy().to_str().unwrap().contains("form-action 'self'"));
    }

    #[test]
    fn every_refusal_has_a_page() {
        for refusal in Refusal::ALL {
            let body = String::from_utf8(Page::refusal(refusal).body().to_vec()).unwrap();
            assert!(body.contains("<html lang=\"en\">") && body.contains("<main>\n<h1>"), "{body}");
        }
        let body = String::from_utf8(Page::refusal(Refusal::Expired).body().to_vec()).unwrap();
        assert!(body.contains("<h1>The URL has expired</h1>\n<p>Ask whoever sent you the link for a new one.</p>"), "{body}");
    }

    proptest! {
        #[test]
        fn any_text_is_escaped(text in ".*|[<>&\"'\u{0}-\u{1f}]{0,20}") {
            let hostile = Page::of_file(&text).paragraph(&text).alert(&text).note(&text).facts(&[(&text, &text)]).button(&text, &[(&text, &text)]).body();
            let plain = Page::of_file("").paragraph("").alert("").note("").facts(&[("", "")]).button("", &[("", "")]).body();
            for delimiter in [b'<', b'>', b'"'] {
                let count = |body: &[u8]| body.iter().filter(|byte| **byte == delimiter).count();
                prop_assert_eq!(count(&hostile), count(&plain));
            }
            prop_assert!(!hostile.iter().any(|byte| *byte < 0x20 && *byte != b'\n'));
        }

        #[test]
        fn any_accept_is_read(field in crate::values("(text/html|image/png|[;,q=01.]){0,12}")) {
            is_navigation(&[(ACCEPT, field)].into_iter().collect());
        }
    }
}
