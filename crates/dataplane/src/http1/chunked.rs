//! A chunked body (RFC 9112 §7.1), strictly: sizes of hexadecimal digits alone, each line ended by CR LF. Extensions and trailers
//! are passed over, and bounded: they are bytes that somebody pays for and nobody reads.

/// Digits of a chunk's size.
const MAX_DIGITS: u8 = 16;

/// Bytes of extensions and of trailers, over a whole body.
const MAX_PASSED_OVER: usize = 16 << 10;

/// Why a chunked body is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunks: {0}")]
pub struct Malformed(&'static str);

/// What is next in a chunked body, after bytes that only frame it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not known without more bytes.
    More,
    /// So many bytes of content, at least one.
    Content(usize),
    /// The body is over.
    Over,
}

/// The state of a body that comes in pieces.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of content to come in this chunk; while its size is read, the size so far.
    left: u64,
    n_passed_over: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size {
        n_digits: u8,
    },
    Extension,
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    /// At the start of a line after the last chunk.
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    Over,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { state: State::Size { n_digits: 0 }, left: 0, n_passed_over: 0 }
    }
}

impl Decoder {
    /// Reads the framing at the start of `bytes`: how many bytes of it there are, and what follows them. The content that is
    /// announced counts as taken; the next call gets the bytes behind it.
    ///
    /// # Errors
    ///
    /// [`Malformed`], after which the decoder must not be used.
    pub fn next(&mut self, bytes: &[u8]) -> Result<(usize, Next), Malformed> {
        for (at, byte) in bytes.iter().enumerate() {
            match self.state {
                State::Over => return Ok((at, Next::Over)),
                State::Content => return Ok((at, self.content(bytes.len() - at))),
                _ => self.state = self.after(*byte)?,
            }
        }
        Ok((bytes.len(), if matches!(self.state, State::Over) { Next::Over } else { Next::More }))
    }

    fn content(&mut self, available: usize) -> Next {
        let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(available);
        self.left -= n as u64;
        if self.left == 0 {
            self.state = State::ContentCr;
        }
        Next::Content(n)
    }

    /// The state after one byte of framing.
    fn after(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size { n_digits }, _) if byte.is_ascii_hexdigit() => {
                if n_digits == MAX_DIGITS {
                    return Err(Malformed("a size of more than 16 digits"));
                }
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                self.left = self.left << 4 | digit;
                State::Size { n_digits: n_digits + 1 }
            }
            (State::Size { n_digits: 1.. }, b'\r') | (State::Extension, b'\r') => State::SizeLf,
            (State::Size { n_digits: 1.. }, b';') => State::Extension,
            (State::Size { .. }, _) => return Err(Malformed("a size that is no number")),
            (State::Extension, _) => {
                self.pass_over(byte)?;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Content,
            (State::ContentCr, b'\r') => State::ContentLf,
            (State::ContentLf, b'\n') => State::Size { n_digits: 0 },
            (State::TrailerStart, b'\r') => State::LastLf,
            // A folded line, or one without a name.
            (State::TrailerStart, b' ' | b'\t' | b':') => return Err(Malformed("a trailer without a name")),
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, _) => {
                self.pass_over(byte)?;
                State::Trailer
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::LastLf, b'\n') => State::Over,
            _ => return Err(Malformed("a line that does not end with CR LF, or content without its end")),
        })
    }

    fn pass_over(&mut self, byte: u8) -> Result<(), Malformed> {
        if byte.is_ascii_control() && byte != b'\t' {
            return Err(Malformed("a control character"));
        }
        self.n_passed_over += 1;
        if self.n_passed_over > MAX_PASSED_OVER { Err(Malformed("too much besides the content")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The content of a body that arrives in pieces cut at `cuts`, whether it is over, and how many bytes of it there are.
    fn outcome(bytes: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, bool, usize), Malformed> {
        let (mut decoder, mut content, mut at) = (Decoder::default(), Vec::new(), 0);
        for end in cuts.iter().copied().chain([bytes.len()]) {
            loop {
                let (n_framing, next) = decoder.next(&bytes[at..end])?;
                at += n_framing;
                match next {
                    Next::More => break,
                    Next::Over => return Ok((content, true, at)),
                    Next::Content(n) => {
                        assert!(n > 0);
                        content.extend_from_slice(&bytes[at..at + n]);
                        at += n;
                    }
                }
            }
            assert_eq!(at, end, "all was taken");
        }
        Ok((content, false, at))
    }

    fn check(bytes: &[u8]) -> Result<(Vec<u8>, bool, usize), Malformed> {
        let whole = outcome(bytes, &[]);
        let all: Vec<usize> = (0..bytes.len()).collect();
        for cuts in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
            // What was content before a fault is out already; that there is one, and which, must not depend on the pieces.
            assert_eq!(outcome(bytes, cuts), whole, "{cuts:?} {}", bytes.escape_ascii());
        }
        whole
    }

    #[test]
    fn accepted() {
        for (raw, content) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("00005\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", "hello!"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("a;x=y;z=\"\t\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789"),
            ("2\r\n\r\n\r\n0\r\nX: y\r\nZ:\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(check(raw.as_bytes()), Ok((content.as_bytes().to_vec(), true, raw.len())), "{raw:?}");
            let behind = format!("{raw}GET / HTTP/1.1\r\n");
            assert_eq!(outcome(behind.as_bytes(), &[]).unwrap().2, raw.len(), "{behind:?}");
        }
    }

    #[test]
    fn refused() {
        for raw in [
            "\r\n",
            ";x\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\t;x\r\n",
            "1 ;x\r\n",
            "1\n",
            "1\r1",
            "1\r\r\n",
            "1;x\n",
            "1;\0\r\n",
            "1;\u{7f}\r\n",
            "11111111111111111\r\n",
            "00000000000000001\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
            "3\r\nabc\r0\r\n\r\n",
            "1\r\na\r\n\r\n",
            "0\n\r\n",
            "0\r\n\n",
            "0\r\n\rX",
            "0\r\nX: y\n\r\n",
            "0\r\nX: a\rb\r\n\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX: y\r\n z\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
        ] {
            assert!(check(raw.as_bytes()).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn what_is_passed_over_is_bounded() {
        let extension = |n| outcome(format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(n)).as_bytes(), &[]);
        assert!(extension(MAX_PASSED_OVER).is_ok());
        assert!(extension(MAX_PASSED_OVER + 1).is_err());
        let extensions = |n| outcome(format!("{}0\r\n\r\n", "1;xxx\r\na\r\n".repeat(n)).as_bytes(), &[]);
        assert!(extensions(MAX_PASSED_OVER / 3).is_ok());
        assert!(extensions(MAX_PASSED_OVER / 3 + 1).is_err());
        let trailers = |n| outcome(format!("0\r\n{}\r\n", "X: y\r\n".repeat(n)).as_bytes(), &[]);
        assert!(trailers(MAX_PASSED_OVER / 4).is_ok());
        assert!(trailers(MAX_PASSED_OVER / 4 + 1).is_err());
    }

    #[test]
    fn a_size_may_fill_64_bits() {
        let (content, is_over, _) = outcome(b"ffffffffffffffff\r\nabc", &[]).unwrap();
        assert_eq!((&content[..], is_over), (&b"abc"[..], false));
    }

    proptest! {
        #[test]
        fn any_bytes_have_one_outcome(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = check(&bytes);
        }

        #[test]
        fn any_framing_has_one_outcome(
            pieces in proptest::collection::vec(prop::sample::select(vec!["0", "1", "3", "a", ";x", "\r\n", "\r", "\n", "abc", "X: y", " "]), 0..16)
        ) {
            let _ = check(pieces.concat().as_bytes());
        }
    }
}
