//! A media type from a file name, where nobody said one.

/// The media type of a name that tells nothing.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// The media type that a file name's extension is registered for; [`OCTET_STREAM`] if it has none that is known.
pub fn guess(file_name: &str) -> &'static str {
    mime_guess::from_path(file_name).first_raw().unwrap_or(OCTET_STREAM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn guesses() {
        let check = |name: &str, expected: &str| assert_eq!(guess(name), expected, "{name}");
        check("q3.pdf", "application/pdf");
        check("Q3.PDF", "application/pdf");
        check("dir/a.b.png", "image/png");
        check("تقرير.csv", "text/csv");
        check("page.html", "text/html");
        check("scan.tif", "image/tiff");
        check("archive.tar.gz", "application/gzip");
        check("README", OCTET_STREAM);
        check(".png", OCTET_STREAM);
        check("a.", OCTET_STREAM);
        check("a.no-such-extension", OCTET_STREAM);
        check("", OCTET_STREAM);
    }

    proptest! {
        #[test]
        fn every_guess_is_a_legal_field_value(name: String) {
            prop_assert!(http::HeaderValue::from_str(guess(&name)).is_ok());
        }
    }
}
