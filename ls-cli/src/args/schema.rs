//! The keys of a configuration, read from its JSON schema.

use schemars::Schema;
use serde_json::Value as Json;

/// A key of a configuration.
pub(super) struct Key {
    pub(super) name: String,
    /// Doc comment of the field, with its default value.
    pub(super) help: String,
    pub(super) kind: Kind,
}

/// The values that a key takes.
pub(super) enum Kind {
    Boolean,
    /// Whole numbers from this one.
    Integer(i64),
    Number,
    /// Names, each with its help.
    Choice(Vec<(String, Option<String>)>),
    /// Any TOML value; a text that is not TOML is a string.
    Any,
}

impl Kind {
    /// Adds the values that the key takes in another method.
    pub(super) fn widen(&mut self, other: Self) {
        match (self, other) {
            (Self::Choice(own), Self::Choice(others)) => {
                for (name, help) in others {
                    if own.iter().all(|(known, _)| *known != name) {
                        own.push((name, help));
                    }
                }
            }
            (Self::Integer(own), Self::Integer(other)) => *own = other.min(*own),
            (Self::Boolean, Self::Boolean) | (Self::Number, Self::Number) => {}
            (own, _) => *own = Self::Any,
        }
    }
}

/// Lists the keys of a structure.
pub(super) fn keys(schema: &Schema) -> Vec<Key> {
    let root = schema.as_value();
    let properties = root.get("properties").and_then(Json::as_object);
    let properties = properties.into_iter().flatten();
    let key = |(name, node): (&String, &Json)| Key {
        name: name.clone(),
        help: help(node),
        kind: kind(root, node),
    };
    properties.map(key).collect()
}

fn help(node: &Json) -> String {
    let text = description(node).unwrap_or_default();
    if text.contains("[default") {
        return text;
    }
    match node.get("default") {
        Some(Json::String(name)) => format!("{text} [default: {name}]"),
        Some(value) if !value.is_null() => format!("{text} [default: {value}]"),
        _ => text,
    }
}

/// Returns the doc comment on one line, without its last period, as clap's derive does.
fn description(node: &Json) -> Option<String> {
    let text = node.get("description")?.as_str()?;
    Some(text.replace('\n', " ").trim_end_matches('.').to_owned())
}

fn kind(root: &Json, node: &Json) -> Kind {
    let alternatives = alternatives(root, node);
    let names: Vec<_> = alternatives.iter().flat_map(|node| names(node)).collect();
    if !names.is_empty() {
        return Kind::Choice(names);
    }
    let mut types: Vec<&str> = alternatives.iter().flat_map(|node| types(node)).collect();
    types.retain(|name| *name != "null");
    match types[..] {
        ["boolean"] => Kind::Boolean,
        ["number"] => Kind::Number,
        ["integer"] => {
            let mut least = alternatives.iter().map(|node| node.get("minimum"));
            let least = least.find_map(|least| least?.as_i64());
            Kind::Integer(least.unwrap_or(i64::MIN))
        }
        _ => Kind::Any,
    }
}

/// Follows references, and lists the alternatives of a node.
fn alternatives<'a>(root: &'a Json, node: &'a Json) -> Vec<&'a Json> {
    if let Some(path) = node.get("$ref").and_then(Json::as_str) {
        let target = root.pointer(path.trim_start_matches('#'));
        return target.map_or_else(Vec::new, |target| alternatives(root, target));
    }
    let lists = ["oneOf", "anyOf", "allOf"].map(|word| node.get(word).and_then(Json::as_array));
    match lists.into_iter().flatten().next() {
        Some(list) => list
            .iter()
            .flat_map(|node| alternatives(root, node))
            .collect(),
        None => vec![node],
    }
}

/// Lists the names that a node allows.
fn names(node: &Json) -> Vec<(String, Option<String>)> {
    if let Some(name) = node.get("const").and_then(Json::as_str) {
        return vec![(name.to_owned(), description(node))];
    }
    let names = node.get("enum").and_then(Json::as_array);
    let names = names.into_iter().flatten().filter_map(Json::as_str);
    names.map(|name| (name.to_owned(), None)).collect()
}

fn types(node: &Json) -> Vec<&str> {
    match node.get("type") {
        Some(Json::Array(types)) => types.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(name)) => vec![name],
        _ => Vec::new(),
    }
}
