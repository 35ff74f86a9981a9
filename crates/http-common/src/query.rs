//! The raw query of a request target: pairs in order, decoded once, and never two answers to one name.
//!
//! Names are compared decoded, so that `c%61t` is `cat`. A pair whose name cannot be decoded has no name that anybody asks for.

use crate::path::{self, DecodeError};
use std::borrow::Cow;

/// Why a query has no usable value of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The name is there more than once.
    #[error("the query has the parameter more than once")]
    Duplicate,
    /// The value cannot be decoded.
    #[error("the query has the parameter with a value that cannot be read: {0}")]
    Value(#[from] DecodeError),
}

/// A raw query, without its `?`.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    raw: &'a str,
}

impl<'a> Query<'a> {
    /// Reads nothing yet; `None` is an empty query.
    pub fn new(raw: Option<&'a str>) -> Self {
        Self { raw: raw.unwrap_or_default() }
    }

    /// The raw names and values in order; a name without `=` has an empty value.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.raw.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The value of a parameter that may stand once; `+` is itself.
    ///
    /// # Errors
    ///
    /// `Duplicate` if it stands more than once, whatever the values; `Value` if it cannot be decoded.
    pub fn single(self, name: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        Ok(self.single_raw(name)?.map(path::decode).transpose()?)
    }

    /// As [`Self::single`], but `+` is a space, as in HTML forms.
    ///
    /// # Errors
    ///
    /// As [`Self::single`].
    pub fn form_value(self, name: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        Ok(self.single_raw(name)?.map(form_decode).transpose()?)
    }

    /// The value of a parameter of which the last one counts; `+` is a space.
    ///
    /// # Errors
    ///
    /// `Value` if the last one cannot be decoded.
    pub fn last_form_value(self, name: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        Ok(self.raw_values(name).last().map(form_decode).transpose()?)
    }

    /// Every value of a parameter that may stand several times, in order; `+` is a space.
    pub fn form_values(self, name: &str) -> impl Iterator<Item = Result<Cow<'a, str>, QueryError>> {
        self.raw_values(name).map(|raw| Ok(form_decode(raw)?))
    }

    fn single_raw(self, name: &str) -> Result<Option<&'a str>, QueryError> {
        let mut values = self.raw_values(name);
        let first = values.next();
        if values.next().is_some() { Err(QueryError::Duplicate) } else { Ok(first) }
    }

    /// Every value of a parameter as it was sent, in order: for what is to be told of a request that is refused.
    pub fn raw_values(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(found, _)| is_name(found, name)).map(|(_, value)| value)
    }
}

/// Whether a raw name stands for `name`.
fn is_name(raw: &str, name: &str) -> bool {
    raw == name || (raw.contains('%') && path::decode(raw).is_ok_and(|decoded| decoded == name))
}

/// Decodes as HTML forms are encoded: `+` is a space.
///
/// # Errors
///
/// As [`path::decode`].
pub fn form_decode(raw: &str) -> Result<Cow<'_, str>, DecodeError> {
    if !raw.contains('+') {
        return path::decode(raw);
    }
    let spaced = raw.replace('+', " ");
    Ok(Cow::Owned(path::decode(&spaced)?.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str, name: &str, single: Result<Option<&str>, QueryError>, form: Result<Option<&str>, QueryError>) {
        let query = Query::new(Some(raw));
        assert_eq!(query.single(name), single.map(|value| value.map(Cow::Borrowed)), "{name} of {raw}");
        assert_eq!(query.form_value(name), form.map(|value| value.map(Cow::Borrowed)), "{name} of {raw} as a form");
    }

    #[test]
    fn values() {
        let same = |raw, value| check(raw, "cat", value, value);
        same("", Ok(None));
        same("cat=x", Ok(Some("x")));
        same("a=1&&cat=x&", Ok(Some("x")));
        same("cat", Ok(Some("")));
        same("cat=", Ok(Some("")));
        same("cat=x=y", Ok(Some("x=y")));
        same("cat=a%20b%2526", Ok(Some("a b%26")));
        same("c%61t=x", Ok(Some("x")));
        same("Cat=x&cats=y", Ok(None));
        same("cat=x;cat=y", Ok(Some("x;cat=y")));
        check("cat=a+b%2Bc", "cat", Ok(Some("a+b+c")), Ok(Some("a b+c")));
    }

    #[test]
    fn refused() {
        let same = |raw, fault| check(raw, "cat", Err(fault), Err(fault));
        same("cat=x&cat=x", QueryError::Duplicate);
        same("cat=x&b&c%61t", QueryError::Duplicate);
        same("cat=%&cat=%", QueryError::Duplicate);
        same("cat=%", QueryError::Value(DecodeError::BadEscape));
        same("cat=%00", QueryError::Value(DecodeError::Nul));
        same("cat=%ff", QueryError::Value(DecodeError::NotUtf8));
        // Others' faults are theirs.
        check("utm=100%&c%zt=1&cat=x", "cat", Ok(Some("x")), Ok(Some("x")));
    }

    #[test]
    fn repeated_parameters() {
        let query = Query::new(Some("n=%&a=1&n=a+b"));
        assert_eq!(query.last_form_value("n"), Ok(Some(Cow::Borrowed("a b"))));
        assert_eq!(query.last_form_value("m"), Ok(None));
        let values: Vec<_> = query.form_values("n").collect();
        assert_eq!(values, [Err(QueryError::Value(DecodeError::BadEscape)), Ok(Cow::Borrowed("a b"))]);
        assert_eq!(query.pairs().collect::<Vec<_>>(), [("n", "%"), ("a", "1"), ("n", "a+b")]);
    }

    #[test]
    fn absent() {
        assert_eq!(Query::new(None).single("cat"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_text_is_read(raw in ".*|[cat=&%61+]{0,30}") {
            let query = Query::new(Some(&raw));
            let n = query.raw_values("cat").count();
            prop_assert_eq!(query.single("cat") == Err(QueryError::Duplicate), n > 1);
            let _ = (query.form_value("cat"), query.last_form_value("cat"));
        }

        #[test]
        fn what_was_encoded_is_read_back(value in "[^\0]*") {
            let raw = format!("a=1&cat={}", path::encode_segment(&value));
            let query = Query::new(Some(&raw));
            prop_assert_eq!(query.single("cat").unwrap().unwrap(), value.as_str());
            prop_assert_eq!(query.form_value("cat").unwrap().unwrap(), value.as_str());
        }
    }
}
