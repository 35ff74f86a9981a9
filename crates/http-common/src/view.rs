//! What may be shown in a browser, and how: content comes from strangers and must not act in the name of its origin.

use crate::content_type::OCTET_STREAM;
use http::HeaderValue;
use valetkey_model::Disposition;

/// A stored media type longer than this many bytes is not sent.
const MAX_CONTENT_TYPE_BYTES: usize = 255;

static SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
static UNKNOWN: HeaderValue = HeaderValue::from_static(OCTET_STREAM);
static PDF: HeaderValue = HeaderValue::from_static("application/pdf");

/// How an object is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What is said of it: `Attachment` wherever showing it would not be safe.
    pub disposition: Disposition,
    /// The `Content-Type` field.
    pub content_type: HeaderValue,
    /// The `Content-Security-Policy` field, where there must be one.
    pub content_security_policy: Option<HeaderValue>,
}

/// How an object of a media type is presented to somebody who was promised `wanted`.
///
/// Saved, it keeps its type as stored. Shown: pictures, sound, films and plain text as they are; what can carry script or style in a
/// sandbox without any origin; PDF with exactly its type and no sandbox, which browsers would refuse to show; all else is saved.
/// Shown text without a charset is sent as UTF-8: a browser would guess an older one.
pub fn view(wanted: Disposition, content_type: &str) -> View {
    let saved = |content_type| View { disposition: Disposition::Attachment, content_type, content_security_policy: None };
    let sanitised = sanitised(content_type);
    if wanted == Disposition::Attachment || sanitised == UNKNOWN {
        return saved(sanitised);
    }
    let essence = essence(content_type);
    let (content_type, content_security_policy) = match kind(&essence) {
        Kind::Pdf => (PDF.clone(), None),
        Kind::Passive => (with_charset(&essence, sanitised), None),
        Kind::Active => (with_charset(&essence, sanitised), Some(SANDBOX.clone())),
        Kind::Unknown => return saved(sanitised),
    };
    View { disposition: Disposition::Inline, content_type, content_security_policy }
}

/// The media type as a legal field value: as stored if it is `type/subtype` with well-formed parameters, otherwise
/// `application/octet-stream`.
pub fn sanitised(content_type: &str) -> HeaderValue {
    if content_type == OCTET_STREAM {
        return UNKNOWN.clone();
    }
    let trimmed = content_type.trim_matches([' ', '\t']);
    if trimmed.len() > MAX_CONTENT_TYPE_BYTES || !is_media_type(trimmed) {
        return UNKNOWN.clone();
    }
    HeaderValue::from_str(trimmed).unwrap_or_else(|_| UNKNOWN.clone())
}

enum Kind {
    Passive,
    Active,
    Pdf,
    Unknown,
}

fn kind(essence: &str) -> Kind {
    match essence {
        "application/pdf" => Kind::Pdf,
        "image/apng"
        | "image/avif"
        | "image/bmp"
        | "image/gif"
        | "image/heic"
        | "image/heif"
        | "image/jpeg"
        | "image/jxl"
        | "image/png"
        | "image/tiff"
        | "image/vnd.microsoft.icon"
        | "image/webp"
        | "image/x-icon" => Kind::Passive,
        "audio/aac" | "audio/flac" | "audio/midi" | "audio/mp4" | "audio/mpeg" | "audio/ogg" | "audio/opus" | "audio/wav"
        | "audio/webm" | "audio/x-flac" | "audio/x-m4a" | "audio/x-wav" => Kind::Passive,
        "video/mp4" | "video/mpeg" | "video/ogg" | "video/quicktime" | "video/webm" | "video/x-m4v" | "video/x-matroska" => {
            Kind::Passive
        }
        "text/plain"
        | "text/csv"
        | "text/tab-separated-values"
        | "text/markdown"
        | "text/calendar"
        | "text/vcard"
        | "text/vtt"
        | "application/json"
        | "application/ld+json"
        | "application/geo+json" => Kind::Passive,
        "text/html"
        | "text/xml"
        | "application/xml"
        | "text/css"
        | "text/javascript"
        | "text/ecmascript"
        | "application/javascript"
        | "application/ecmascript"
        | "application/x-javascript" => Kind::Active,
        // XHTML, SVG, MathML, Atom and all that browsers run as XML.
        other if other.ends_with("+xml") => Kind::Active,
        _ => Kind::Unknown,
    }
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn with_charset(essence: &str, content_type: HeaderValue) -> HeaderValue {
    let text = content_type.to_str().unwrap_or_default();
    let has_charset = || parameters(text).any(|(name, _)| name.eq_ignore_ascii_case("charset"));
    if !essence.starts_with("text/") || has_charset() {
        return content_type;
    }
    HeaderValue::try_from(format!("{}; charset=utf-8", text.trim_end_matches([';', ' ', '\t']))).unwrap_or(content_type)
}

fn is_media_type(text: &str) -> bool {
    let (essence, _) = text.split_once(';').unwrap_or((text, ""));
    let Some((top, sub)) = essence.trim_end_matches([' ', '\t']).split_once('/') else { return false };
    is_token(top) && is_token(sub) && parameters(text).all(|(name, value)| is_token(name) && is_parameter_value(value))
}

/// The parameters, as written; one without `=` has an empty value, which is none.
fn parameters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text.split_once(';').map(|(_, rest)| rest);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut escaped = false;
        let mut quoted = false;
        let end = text.find(|c| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ';' if !quoted => return true,
                _ => {}
            }
            false
        });
        let (parameter, after) = end
            .and_then(|end| text.split_at_checked(end))
            .map_or((text, None), |(parameter, after)| (parameter, after.strip_prefix(';')));
        rest = after;
        Some(parameter.trim_matches([' ', '\t']))
    })
    .filter(|parameter| !parameter.is_empty())
    .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
}

fn is_parameter_value(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"') else { return is_token(text) };
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return bytes.next().is_none(),
            b'\\' if !bytes.next().is_some_and(|escaped| matches!(escaped, b'\t' | b' '..=b'~')) => return false,
            b'\\' | b'\t' | b' '..=b'~' => {}
            _ => return false,
        }
    }
    false
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shown() {
        let check = |stored: &str, sent: &str, sandboxed: bool| {
            let view = view(Disposition::Inline, stored);
            assert_eq!(view.disposition, Disposition::Inline, "{stored}");
            assert_eq!(view.content_type, sent, "{stored}");
            assert_eq!(view.content_security_policy.is_some(), sandboxed, "{stored}");
        };
        check("image/png", "image/png", false);
        check("IMAGE/PNG", "IMAGE/PNG", false);
        check("video/mp4; codecs=\"avc1\"", "video/mp4; codecs=\"avc1\"", false);
        check("application/json", "application/json", false);
        check("text/plain", "text/plain; charset=utf-8", false);
        check("text/plain;", "text/plain; charset=utf-8", false);
        check("text/plain; Charset=\"koi8-r\"", "text/plain; Charset=\"koi8-r\"", false);
        check("text/plain; x=\"; charset=a\"", "text/plain; x=\"; charset=a\"; charset=utf-8", false);
        check("application/pdf", "application/pdf", false);
        check("Application/PDF; x=y", "application/pdf", false);
        check("text/html", "text/html; charset=utf-8", true);
        check("text/html;charset=utf-7", "text/html;charset=utf-7", true);
        check("image/svg+xml", "image/svg+xml", true);
        check("Image/SVG+XML;charset=utf-8", "Image/SVG+XML;charset=utf-8", true);
        check("application/xhtml+xml", "application/xhtml+xml", true);
        check("application/xml", "application/xml", true);
        check("application/atom+xml", "application/atom+xml", true);
        check("application/javascript", "application/javascript", true);
        check("text/javascript", "text/javascript; charset=utf-8", true);
    }

    #[test]
    fn saved() {
        let check = |wanted, stored: &str, sent: &str| {
            let expected = View {
                disposition: Disposition::Attachment,
                content_type: HeaderValue::from_str(sent).unwrap(),
                content_security_policy: None,
            };
            assert_eq!(view(wanted, stored), expected, "{stored}");
        };
        for stored in ["application/zip", "application/octet-stream", "application/wasm", "text/x-unknown", "multipart/mixed"] {
            check(Disposition::Inline, stored, stored);
        }
        for stored in ["application/x-shockwave-flash", "application/xml-dtd", "message/rfc822", "image/unknown", "x/y"] {
            check(Disposition::Inline, stored, stored);
        }
        for stored in ["text/html", "text/plain", "application/pdf; x=y", "image/svg+xml"] {
            check(Disposition::Attachment, stored, stored);
        }
        // A type that cannot be sent as stored is not shown as what it resembles.
        for stored in ["text/html, text/plain", "text/plain; charset", "text/plain\r\nx: y", "image/png\0", ""] {
            check(Disposition::Inline, stored, OCTET_STREAM);
        }
    }

    #[test]
    fn policy() {
        let policy = view(Disposition::Inline, "text/html").content_security_policy.unwrap();
        assert_eq!(policy, "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    }

    #[test]
    fn sanitiser() {
        let check = |stored: &str, legal: bool| {
            let expected = if legal { stored.trim() } else { OCTET_STREAM };
            assert_eq!(sanitised(stored), expected, "{stored:?}");
        };
        check("text/plain;charset=UTF-8", true);
        check(" text/plain ; a=b;; c=\"d;\\\"e\" ", true);
        check("application/vnd.api+json; v=1", true);
        check("application/x-www-form-urlencoded", true);
        for stored in
            ["text", "text/", "/plain", "a/b/c", "text/plain x", "text/plän", "a/b; c", "a/b; c=", "a/b; =d", "a/b; c=d e"]
        {
            check(stored, false);
        }
        for stored in ["a/b; c=\"d", "a/b; c=\"d\"e", "a/b; c=\"d\\", "a/b; c=\"\u{e9}\"", "a/b\n", "a /b", "*"] {
            check(stored, false);
        }
        check(&format!("a/{}", "b".repeat(253)), true);
        check(&format!("a/{}", "b".repeat(254)), false);
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_legal_field(stored in ".*|(text|image)/(plain|png|html)[;=\"\\\\ a-c]{0,12}") {
            let once = sanitised(&stored);
            prop_assert!(is_media_type(once.to_str().unwrap()));
            let shown = view(Disposition::Inline, &stored);
            prop_assert!(is_media_type(shown.content_type.to_str().unwrap()));
        }
    }
}
