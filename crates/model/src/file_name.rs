//! File names that are longer than there is room for.

/// The longest ending of a name that is kept as its extension, in bytes.
const MAX_EXTENSION_BYTES: usize = 32;

/// The name in at most this many bytes of UTF-8: whole if it fits; otherwise with its extension, as long as that leaves room for
/// more, and without white space or a joiner where the rest was cut off, if there is anything else.
pub fn shortened(name: &str, at_most_bytes: usize) -> String {
    if name.len() <= at_most_bytes {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.').and_then(|dot| name.split_at_checked(dot)) {
        Some((stem, extension)) if extension.len() <= MAX_EXTENSION_BYTES.min(at_most_bytes / 2) => (stem, extension),
        _ => (name, ""),
    };
    let mut end = at_most_bytes - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let is_loose = |c: char| c.is_whitespace() || matches!(c, '\u{200c}' | '\u{200d}');
    let cut = stem.get(..end).unwrap_or_default();
    let trimmed = cut.trim_end_matches(is_loose);
    [if trimmed.is_empty() { cut } else { trimmed }, extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_extension() {
        let check = |name: &str, at_most_bytes, expected: &str| {
            assert_eq!(shortened(name, at_most_bytes), expected, "{name}");
            assert!(expected.len() <= at_most_bytes);
        };
        check("report.pdf", 10, "report.pdf");
        check("reports.pdf", 10, "report.pdf");
        check("re   orts.pdf", 9, "re.pdf");
        check("ééé.pdf", 9, "éé.pdf");
        check("👩\u{200d}🔬🔬.pdf", 15, "👩\u{200d}🔬.pdf");
        check("👩\u{200d}🔬🔬.pdf", 14, "👩.pdf");
        check("a.extension", 10, "a.extensio");
        check("a.bc.de", 6, "a.b.de");
        check(".bashrc", 4, ".bas");
        check("ééé", 5, "éé");
        check("     .pdf", 8, "    .pdf");
        check("    ", 3, "   ");
        check("é", 1, "");
        check("a", 0, "");
    }
}
