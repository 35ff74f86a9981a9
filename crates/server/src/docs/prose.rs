//! The little of CommonMark that descriptions use: paragraphs, lists with `* `, and code between backticks.

use super::Page;
use valetkey_http_common::page::escaped;

impl Page<'_> {
    /// A description.
    pub(super) fn prose(&mut self, text: Option<&str>) {
        for block in text.unwrap_or_default().split("\n\n").filter(|block| !block.trim().is_empty()) {
            self.block(block);
        }
    }

    fn block(&mut self, block: &str) {
        let (mut paragraph, mut items): (Vec<&str>, Vec<String>) = Default::default();
        for line in block.lines() {
            match (line.strip_prefix("* "), items.last_mut()) {
                (Some(item), _) => items.push(item.to_owned()),
                (None, Some(item)) => {
                    item.push(' ');
                    item.push_str(line);
                }
                (None, None) => paragraph.push(line),
            }
        }
        if !paragraph.is_empty() {
            self.push(format_args!("<p>{}</p>\n", inline(&paragraph.join(" "))));
        }
        if !items.is_empty() {
            self.push(format_args!("<ul>\n"));
            for item in items {
                self.push(format_args!("<li>{}</li>\n", inline(&item)));
            }
            self.push(format_args!("</ul>\n"));
        }
    }
}

/// Escaped text, with what stands between backticks as code.
pub(super) fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, code, after)) = next_code(rest) {
        html.push_str(&escaped(before));
        html.push_str("<code>");
        html.push_str(&escaped(code));
        html.push_str("</code>");
        rest = after;
    }
    html.push_str(&escaped(rest));
    html
}

fn next_code(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    Some((before, code, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut page = Page { html: String::new(), components: Default::default(), base: "" };
        page.prose(Some(text));
        assert_eq!(page.html, expected, "{text}");
    }

    #[test]
    fn blocks() {
        check("", "");
        check("a\nb\n\nc", "<p>a b</p>\n<p>c</p>\n");
        check("a\n* b\n* c\nd", "<p>a</p>\n<ul>\n<li>b</li>\n<li>c d</li>\n</ul>\n");
    }

    #[test]
    fn code() {
        check("`<a>` & `b`", "<p><code>&lt;a&gt;</code> &amp; <code>b</code></p>\n");
        check("one ` alone", "<p>one ` alone</p>\n");
        check("``", "<p><code></code></p>\n");
    }
}
