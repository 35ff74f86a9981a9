//! One table of a bootstrap file: fields are taken out of it, and what is left is unknown.

use super::faults::Faults;
use super::shortened;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use valetkey_model::Timestamp;

/// A text and where it is.
pub(super) type Found = (String, usize);

pub(super) struct Entry<'a> {
    /// Where it begins.
    pub(super) at: usize,
    fields: BTreeMap<String, (usize, Spanned<DeValue<'a>>)>,
    faulty: BTreeSet<&'static str>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(at: usize, table: DeTable<'a>) -> Self {
        let field = |(name, value): (Spanned<_>, _)| {
            let at = name.span().start;
            let name: std::borrow::Cow<'_, str> = name.into_inner();
            (name.into_owned(), (at, value))
        };
        Self { at, fields: table.into_iter().map(field).collect(), faulty: BTreeSet::new() }
    }

    /// The text of a field that must be there.
    pub(super) fn required(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<Found> {
        let found = self.text(faults, name);
        if found.is_none() && !self.has_fault(name) {
            faults.add(self.at, format!("`{name}` is missing"));
        }
        found
    }

    /// The text of a field, if it is there.
    pub(super) fn text(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<Found> {
        self.taken(faults, name, "a string", |value| match value {
            DeValue::String(text) => Some(text.into_owned()),
            _ => None,
        })
    }

    pub(super) fn boolean(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<bool> {
        self.taken(faults, name, "`true` or `false`", |value| value.as_bool()).map(|(value, _)| value)
    }

    pub(super) fn integer(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<(u64, usize)> {
        self.taken(faults, name, "a whole number, not negative", |value| {
            let integer = value.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok()
        })
    }

    /// An instant, if it is there: a date and time of TOML's own with an offset, or the same as text (RFC 3339).
    pub(super) fn instant(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<Timestamp> {
        let found = self.taken(faults, name, "an instant such as `2027-01-31T00:00:00Z`", |value| {
            let text = match value {
                DeValue::Datetime(instant) => instant.to_string(),
                DeValue::String(text) => text.into_owned(),
                _ => return None,
            };
            text.parse::<jiff::Timestamp>().ok()
        });
        found.map(|(instant, _)| Timestamp::from_micros(instant.as_microsecond()))
    }

    /// The texts of a list, if it is there.
    pub(super) fn texts(&mut self, faults: &mut Faults<'_>, name: &'static str) -> Option<Vec<Found>> {
        let (items, _) = self.taken(faults, name, "a list of strings", |value| match value {
            DeValue::Array(items) => Some(items),
            _ => None,
        })?;
        let mut texts = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.into_inner() {
                DeValue::String(text) => texts.push((text.into_owned(), at)),
                other => {
                    self.faulty.insert(name);
                    faults.add(at, format!("`{name}` holds a value of type {}: expected strings", other.type_str()));
                }
            }
        }
        (!self.has_fault(name)).then_some(texts)
    }

    /// What the text of a field stands for. Not for secrets: a fault quotes it.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        faults: &mut Faults<'_>,
        name: &'static str,
        found: Option<Found>,
    ) -> Option<T> {
        let (text, at) = found?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.faulty.insert(name);
                faults.add(at, format!("`{name}`: {error}"));
                None
            }
        }
    }

    /// Whether a fault of this field was reported.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        self.faulty.contains(name)
    }

    /// Reports whatever was not taken.
    pub(super) fn finish(&mut self, faults: &mut Faults<'_>, expected: &[&str]) {
        for (name, (at, _)) in std::mem::take(&mut self.fields) {
            let expected: Vec<_> = expected.iter().map(|field| format!("`{field}`")).collect();
            faults.add(at, format!("`{}` is unknown: expected {}", shortened(&name), expected.join(", ")));
        }
    }

    fn taken<T>(
        &mut self,
        faults: &mut Faults<'_>,
        name: &'static str,
        expected: &str,
        convert: impl FnOnce(DeValue<'a>) -> Option<T>,
    ) -> Option<(T, usize)> {
        let (_, value) = self.fields.remove(name)?;
        let (at, kind) = (value.span().start, value.get_ref().type_str());
        let converted = convert(value.into_inner());
        if converted.is_none() {
            self.faulty.insert(name);
            // The value itself may be a secret.
            faults.add(at, format!("`{name}` is a value of type {kind}: expected {expected}"));
        }
        converted.map(|value| (value, at))
    }
}
