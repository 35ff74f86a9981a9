//! Schemas for readers: fields, what they must be like, and what stands in them.

use super::Page;
use super::prose::inline;
use serde_json::Value;
use utoipa::Number;
use utoipa::openapi::schema::{ArrayItems, Object, SchemaFormat, SchemaType};
use utoipa::openapi::{Ref, RefOr, Schema, Type};
use valetkey_http_common::page::escaped;

/// The longest pattern that is shown.
const MAX_PATTERN: usize = 48;

impl Page<'_> {
    /// All fields of a schema, and of what stands in them.
    pub(super) fn fields(&mut self, schema: &RefOr<Schema>) {
        self.nested(schema, &mut Vec::new());
    }

    /// What a value must be like; its description too, unless the reader has one already.
    pub(super) fn rules(&mut self, schema: &RefOr<Schema>, is_described: bool) {
        let (resolved, reference) = self.resolve(schema);
        if !is_described && let Some(text) = described(reference, resolved.as_ref()) {
            self.prose(Some(&text));
        }
        let rules = resolved.map(|schema| self.sentence(&schema, reference)).unwrap_or_default();
        if !rules.is_empty() {
            self.push(format_args!("<p class=\"note\">{}</p>\n", inline(&rules)));
        }
    }

    fn nested(&mut self, schema: &RefOr<Schema>, within: &mut Vec<String>) {
        let (resolved, reference) = self.resolve(schema);
        let name = reference.map(|reference| reference.ref_location.clone());
        // A schema may hold itself.
        if name.as_ref().is_some_and(|name| within.contains(name)) {
            return;
        }
        within.extend(name.clone());
        match resolved {
            Some(Schema::Object(object)) => self.object(&object, within),
            Some(Schema::Array(array)) => {
                if let ArrayItems::RefOrSchema(items) = &array.items {
                    self.nested(items, within);
                }
            }
            Some(Schema::OneOf(one)) => self.alternatives(&one.items, within),
            Some(Schema::AnyOf(any)) => self.alternatives(&any.items, within),
            Some(Schema::AllOf(all)) => all.items.iter().for_each(|item| self.nested(item, within)),
            _ => {}
        }
        if name.is_some() {
            within.pop();
        }
    }

    fn object(&mut self, object: &Object, within: &mut Vec<String>) {
        if object.properties.is_empty() {
            return;
        }
        self.push(format_args!("<dl>\n"));
        for (name, schema) in &object.properties {
            let required = if object.required.contains(name) { "" } else { " <span class=\"note\">may be absent</span>" };
            self.push(format_args!("<dt><code>{}</code>{required}</dt>\n<dd>", escaped(name)));
            self.rules(schema, false);
            self.nested(schema, within);
            self.push(format_args!("</dd>\n"));
        }
        self.push(format_args!("</dl>\n"));
    }

    fn alternatives(&mut self, items: &[RefOr<Schema>], within: &mut Vec<String>) {
        let mut is_first = true;
        for item in items {
            let before = self.html.len();
            self.nested(item, within);
            if self.html.len() > before {
                if !is_first {
                    self.html.insert_str(before, "<p class=\"note\">or</p>\n");
                }
                is_first = false;
            }
        }
    }

    fn resolve<'s>(&self, schema: &'s RefOr<Schema>) -> (Option<Schema>, Option<&'s Ref>) {
        match schema {
            RefOr::T(schema) => (Some(schema.clone()), None),
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
                let found = match self.components.schemas.get(name) {
                    Some(RefOr::T(schema)) => Some(schema.clone()),
                    _ => None,
                };
                (found, Some(reference))
            }
        }
    }

    /// The rules of a schema in words.
    fn sentence(&self, schema: &Schema, reference: Option<&Ref>) -> String {
        let mut words = Vec::new();
        let default = reference.and_then(|reference| reference.default.clone());
        match schema {
            Schema::Object(object) => object_rules(object, &mut words),
            Schema::Array(array) => {
                words.push("array".to_owned());
                words.extend(array.min_items.map(|least| format!("at least {least}")));
                words.extend(array.max_items.map(|most| format!("at most {most}")));
                if let ArrayItems::RefOrSchema(items) = &array.items
                    && let (Some(Schema::Object(items)), _) = self.resolve(items)
                    && items.properties.is_empty()
                {
                    let mut of = Vec::new();
                    object_rules(&items, &mut of);
                    words.push(format!("of {}", of.join(", ")));
                }
            }
            Schema::OneOf(one) if one.items.iter().any(is_null) => {
                let others: Vec<_> = one.items.iter().filter(|item| !is_null(item)).collect();
                if let [only] = others.as_slice()
                    && let (Some(only), reference) = self.resolve(only)
                {
                    words.extend(Some(self.sentence(&only, reference)).filter(|text| !text.is_empty()));
                }
                words.push("or null".to_owned());
            }
            _ => {}
        }
        words.extend(default.map(|default| format!("default `{}`", plain(&default))));
        words.join(", ")
    }
}

fn object_rules(object: &Object, words: &mut Vec<String>) {
    words.push(type_of(&object.schema_type));
    if let Some(format) = &object.format
        && let Some(format) = format_of(format)
    {
        words.push(format);
    }
    if let Some(values) = &object.enum_values {
        words.push(values.iter().map(|value| format!("`{}`", plain(value))).collect::<Vec<_>>().join(" or "));
    }
    words.extend(object.minimum.as_ref().map(|least| format!("at least {}", number(least))));
    words.extend(object.maximum.as_ref().map(|most| format!("at most {}", number(most))));
    words.extend(match (object.min_length, object.max_length) {
        (Some(least), Some(most)) => Some(format!("{least} to {most} characters")),
        (Some(1), None) => Some("not empty".to_owned()),
        (Some(least), None) => Some(format!("at least {least} characters")),
        (None, Some(most)) => Some(format!("at most {most} characters")),
        (None, None) => None,
    });
    words.extend(object.pattern.as_ref().filter(|pattern| is_readable(pattern)).map(|pattern| format!("`{pattern}`")));
    words.extend(object.default.as_ref().map(|default| format!("default `{}`", plain(default))));
}

/// Whether a pattern says more than the description beside it.
fn is_readable(pattern: &str) -> bool {
    pattern.len() <= MAX_PATTERN && !pattern.contains("\\u") && !pattern.contains('`')
}

fn described(reference: Option<&Ref>, schema: Option<&Schema>) -> Option<String> {
    let own = reference.map(|reference| reference.description.clone()).filter(|text| !text.is_empty());
    own.or_else(|| match schema? {
        Schema::Object(object) => object.description.clone(),
        Schema::Array(array) => array.description.clone(),
        // What may be null is described where it is not.
        Schema::OneOf(one) => one.description.clone().or_else(|| one.items.iter().find_map(of_reference)),
        Schema::AnyOf(any) => any.description.clone(),
        Schema::AllOf(all) => all.description.clone(),
        _ => None,
    })
}

fn of_reference(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::Ref(reference) => Some(reference.description.clone()).filter(|text| !text.is_empty()),
        RefOr::T(_) => None,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

fn type_of(schema_type: &SchemaType) -> String {
    match schema_type {
        SchemaType::Type(one) => word_of(one).to_owned(),
        SchemaType::Array(several) => several.iter().map(word_of).collect::<Vec<_>>().join(" or "),
        SchemaType::AnyValue => "anything".to_owned(),
    }
}

fn word_of(of: &Type) -> &'static str {
    match of {
        Type::Object => "object",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::Array => "array",
        Type::Null => "null",
    }
}

/// Formats that say something: those of numbers say how a program keeps them.
fn format_of(format: &SchemaFormat) -> Option<String> {
    let text = serde_json::to_value(format).ok()?.as_str()?.to_owned();
    (!text.starts_with("int") && !text.starts_with("uint")).then_some(text)
}

fn number(number: &Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::UInt(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::openapi::{ArrayBuilder, Components, ObjectBuilder, OneOfBuilder};

    fn page() -> Page<'static> {
        let word = ObjectBuilder::new().schema_type(Type::String).description(Some("A word")).min_length(Some(1));
        let node = ObjectBuilder::new().property("next", Ref::from_schema_name("Node"));
        let components = Components::builder().schema("Word", word).schema("Node", node).build();
        Page { html: String::new(), components, base: "" }
    }

    fn check(schema: impl Into<RefOr<Schema>>, expected: &str) {
        let mut page = page();
        page.rules(&schema.into(), false);
        assert_eq!(page.html, expected);
    }

    #[test]
    fn rules() {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        check(text().max_length(Some(3)), "<p class=\"note\">string, at most 3 characters</p>\n");
        check(text().pattern(Some("^[a-z]$")), "<p class=\"note\">string, <code>^[a-z]$</code></p>\n");
        check(text().pattern(Some(r"^[^\u0000]$")), "<p class=\"note\">string</p>\n");
        check(text().enum_values(Some(["a", "b"])), "<p class=\"note\">string, <code>a</code> or <code>b</code></p>\n");
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).default(Some(2.into()));
        check(number, "<p class=\"note\">integer, at least 1, default <code>2</code></p>\n");
        check(ArrayBuilder::new().items(text()).max_items(Some(9)), "<p class=\"note\">array, at most 9, of string</p>\n");
    }

    #[test]
    fn references() {
        check(Ref::from_schema_name("Word"), "<p>A word</p>\n<p class=\"note\">string, not empty</p>\n");
        let mut own = Ref::from_schema_name("Word");
        own.description = "Yours".to_owned();
        check(own.clone(), "<p>Yours</p>\n<p class=\"note\">string, not empty</p>\n");
        let nullable = OneOfBuilder::new().item(own).item(ObjectBuilder::new().schema_type(Type::Null));
        check(Schema::OneOf(nullable.build()), "<p>Yours</p>\n<p class=\"note\">string, not empty, or null</p>\n");
        check(Ref::from_schema_name("None"), "");
    }

    #[test]
    fn what_holds_itself_ends() {
        let mut page = page();
        page.fields(&Ref::from_schema_name("Node").into());
        assert_eq!(page.html.matches("<code>next</code>").count(), 1);
    }
}
