//! JSON as its schema means it, where `serde` takes more or less. For a struct it takes an array too, of the fields in their order: so
//! the array `[]` would be a body whose fields may all be left out. And of an integer it takes one spelling alone, where clients whose
//! numbers are doubles write `30.0` and `1e+05`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use std::fmt;
use std::marker::PhantomData;

/// A struct that is read from an object, and from nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// For `deserialize_with`: a struct in a field.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(one)| one)
}

/// For `deserialize_with`: an array of structs in a field.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|Object(one)| one).collect())
}

/// The largest integer up to which every one is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// For `deserialize_with`: an integer in a field, in whichever way JSON may spell it.
pub fn integer<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Integer::deserialize(deserializer).map(|Integer(one)| one)
}

/// For `default` and `deserialize_with`: the same, where the field may be left out or `null`.
pub fn integer_if_any<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Integer<T>>::deserialize(deserializer)?.map(|Integer(one)| one))
}

struct Integer<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Integer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        let is_exact = |number: &f64| number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(number);
        // Within the range of `is_exact` the conversion loses nothing.
        let spelt_otherwise = || number.as_f64().filter(is_exact).map(|number| number as u64);
        // What is none is for `T` to refuse: it knows what it expects.
        match (number.as_u64().or_else(spelt_otherwise), number.as_i64(), number.as_f64()) {
            (Some(whole), _, _) => T::deserialize(whole.into_deserializer()),
            (None, Some(negative), _) => T::deserialize(negative.into_deserializer()),
            (None, None, Some(fraction)) => T::deserialize(fraction.into_deserializer()),
            (None, None, None) => Err(D::Error::custom("a number that is too large")),
        }
        .map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default, deserialize_with = "object")]
        one: Inner,
        #[serde(default, deserialize_with = "objects")]
        several: Vec<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Inner {
        #[serde(default)]
        name: String,
    }

    #[test]
    fn an_object_and_nothing_else() {
        let read = |text: &str| serde_json::from_str(text).map(|Object::<Outer>(body)| body);
        let inner = |name: &str| Inner { name: name.to_owned() };
        assert_eq!(read("{}").unwrap(), Outer::default());
        let text = r#" {"one": {"name": "a"}, "several": [{}, {"name": "b"}]} "#;
        assert_eq!(read(text).unwrap(), Outer { one: inner("a"), several: vec![inner(""), inner("b")] });
        for text in [
            "",
            "null",
            "0",
            "\"one\"",
            "[]",
            r#"[{"name": "a"}]"#,
            r#"{"one": []}"#,
            r#"{"one": ["a"]}"#,
            r#"{"one": null}"#,
            r#"{"several": {}}"#,
            r#"{"several": [[]]}"#,
            r#"{"several": [["a"]]}"#,
            r#"{"one": {}, "one": {}}"#,
            r#"{"one": {"name": "a", "name": "a"}}"#,
            r#"{"two": {}}"#,
            "{} {}",
            "{",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(told("[]"), "invalid type: sequence, expected an object at line 1 column 0");
        assert_eq!(told("{\n\"two\": 1}"), "unknown field `two`, expected `one` or `several` at line 2 column 5");
    }

    #[test]
    fn integers_in_every_spelling() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Numbers {
            #[serde(deserialize_with = "integer")]
            bytes: u64,
            #[serde(default, deserialize_with = "integer_if_any")]
            uses: Option<NonZeroU32>,
        }
        let check = |text: &str, expected: Result<(u64, Option<u32>), &str>| {
            let found = serde_json::from_str::<Numbers>(text).map(|found| (found.bytes, found.uses.map(NonZeroU32::get)));
            let found = found.map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{text}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
                _ => panic!("{text}: {found:?}"),
            }
        };
        let bytes = |bytes: &str| format!("{{\"bytes\": {bytes}}}");
        for (text, expected) in
            [("0", 0), ("-0.0", 0), ("30.0", 30), ("3e1", 30), ("1e+05", 100_000), ("18446744073709551615", u64::MAX)]
        {
            check(&bytes(text), Ok((expected, None)));
        }
        for (text, expected) in [
            ("-1", "integer `-1`, expected u64"),
            ("-1.0", "floating point `-1.0`, expected u64"),
            ("0.5", "floating point `0.5`, expected u64"),
            ("1e16", "floating point `1e+16`, expected u64"),
            ("18446744073709551616", "floating point"),
            ("1e400", "out of range"),
            ("\"7\"", "string \"7\""),
            ("null", "null"),
            ("true", "boolean"),
        ] {
            check(&bytes(text), Err(expected));
        }
        let uses = |uses: &str| format!("{{\"bytes\": 0, \"uses\": {uses}}}");
        check(&uses("null"), Ok((0, None)));
        check(&uses("2.0"), Ok((0, Some(2))));
        check(&uses("4294967295"), Ok((0, Some(u32::MAX))));
        for text in ["0", "0.0", "-1", "1.5", "4294967296", "4294967296.0"] {
            check(&uses(text), Err("expected a nonzero u32"));
        }
    }
}
