//! JSON objects. For a struct `serde` takes an array too, of the fields in their order: so the array `[]` would be a body whose
//! fields may all be left out.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
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
}
