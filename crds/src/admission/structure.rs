//! Types, bounds, patterns, enums, required and unknown fields, keys of list maps: what an OpenAPI schema says of a value.

use regex::Regex;
use serde_json::{Map, Value};
use std::{
    collections::{HashMap, HashSet},
    sync::{LazyLock, Mutex},
};

use super::{Violation, nearest::nearest};
use crate::FieldPath;

/// Checks all of the object but its metadata, which [`super::metadata`] knows better.
pub(super) fn check_root(schema: &Value, object: &Value, violations: &mut Vec<Violation>) {
    let Some(fields) = object.as_object() else { return };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata")) {
        let path = FieldPath::root().field(name);
        match properties.and_then(|properties| properties.get(name)) {
            Some(property) => check(property, value, &path, violations),
            None => violations.push(Violation::name(&path, unknown(name, properties, &["apiVersion", "kind", "metadata"]))),
        }
    }
    check_required(schema, fields, &FieldPath::root(), violations);
}

fn check(schema: &Value, value: &Value, path: &FieldPath, violations: &mut Vec<Violation>) {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return check_int_or_string(schema, value, path, violations);
    }
    let expected = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (expected, value) {
        ("object", Value::Object(fields)) => check_fields(schema, fields, path, violations),
        ("array", Value::Array(items)) => check_items(schema, items, path, violations),
        ("string", Value::String(text)) => check_text(schema, text, path, violations),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => check_number(schema, value, path, violations),
        ("number", Value::Number(_)) => check_number(schema, value, path, violations),
        ("boolean", Value::Bool(_)) => {}
        (expected, value) => violations.push(Violation::value(path, wrong_type(expected, value))),
    }
}

fn wrong_type(expected: &str, value: &Value) -> String {
    let article = if expected.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let hint = if expected == "string" && !matches!(value, Value::Array(_) | Value::Object(_)) { ": quote it" } else { "" };
    format!("{article} {expected} is expected, this is {found}{hint}")
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &FieldPath, violations: &mut Vec<Violation>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties");
    for (name, value) in fields {
        let path = path.field(name);
        match properties.and_then(|properties| properties.get(name)).or(additional) {
            Some(property) => check(property, value, &path, violations),
            None => violations.push(Violation::name(&path, unknown(name, properties, &[]))),
        }
    }
    check_required(schema, fields, path, violations);
    if let Some(most) = bound(schema, "maxProperties").filter(|most| fields.len() > *most) {
        violations.push(Violation::value(path, format!("{} entries; at most {most} are allowed", fields.len())));
    }
}

fn check_required(schema: &Value, fields: &Map<String, Value>, path: &FieldPath, violations: &mut Vec<Violation>) {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        violations.push(Violation::value(&path.field(name), "required, and not there"));
    }
}

fn unknown(name: &str, properties: Option<&Map<String, Value>>, others: &[&str]) -> String {
    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).chain(others.iter().copied()).collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown field; did you mean {near}?"),
        None if known.len() <= 12 => format!("unknown field; there are {}", known.join(", ")),
        None => "unknown field".into(),
    }
}

fn check_items(schema: &Value, items: &[Value], path: &FieldPath, violations: &mut Vec<Violation>) {
    if let Some(least) = bound(schema, "minItems").filter(|least| items.len() < *least) {
        violations.push(Violation::value(path, format!("{} items; at least {least} are needed", items.len())));
    }
    if let Some(most) = bound(schema, "maxItems").filter(|most| items.len() > *most) {
        violations.push(Violation::value(path, format!("{} items; at most {most} are allowed", items.len())));
        return;
    }
    if let Some(described) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            check(described, item, &path.index(index), violations);
        }
    }
    check_keys(schema, items, path, violations);
}

/// Items of a list map differ in their keys.
fn check_keys(schema: &Value, items: &[Value], path: &FieldPath, violations: &mut Vec<Violation>) {
    let Some(keys) = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array) else { return };
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let key: Vec<String> = keys.iter().filter_map(Value::as_str).filter_map(|key| item.get(key)).map(Value::to_string).collect();
        if !key.is_empty() && !seen.insert(key.clone()) {
            violations.push(Violation::value(&path.index(index), format!("{} is there twice", key.join(", "))));
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &FieldPath, violations: &mut Vec<Violation>) {
    let length = text.chars().count();
    if let Some(least) = bound(schema, "minLength").filter(|least| length < *least) {
        violations.push(Violation::value(path, format!("at least {least} characters are needed")));
    }
    if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
        violations.push(Violation::value(path, format!("{length} characters; at most {most} are allowed")));
        return;
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array).filter(|choices| !choices.iter().any(|choice| choice == text)) {
        let known: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        let near = nearest(text, known.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        violations.push(Violation::value(path, format!("{:?} is not one of {}{near}", clipped(text), known.join(", "))));
    }
    check_pattern(schema, text, path, violations);
}

fn check_pattern(schema: &Value, text: &str, path: &FieldPath, violations: &mut Vec<Violation>) {
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str).filter(|pattern| !matches(pattern, text)) {
        let shape = match pattern {
            crate::quantity::DURATION_PATTERN => "is not a duration as 200ms, 30s, 1h30m or 720h (there are no days)".into(),
            crate::quantity::QUANTITY_PATTERN => "is not a size as 50Gi, 2Ti or 1000000".into(),
            pattern => format!("does not look like {pattern}"),
        };
        violations.push(Violation::value(path, format!("{:?} {shape}", clipped(text))));
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(60).collect()
}

fn matches(pattern: &str, text: &str) -> bool {
    static PATTERNS: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().expect("nothing panics while it holds the patterns");
    patterns.entry(pattern.into()).or_insert_with(|| Regex::new(pattern).expect("our own patterns are valid")).is_match(text)
}

fn check_int_or_string(schema: &Value, value: &Value, path: &FieldPath, violations: &mut Vec<Violation>) {
    match value {
        Value::String(text) => check_pattern(schema, text, path, violations),
        Value::Number(number) if number.is_i64() || number.is_u64() => {}
        value => violations.push(Violation::value(path, wrong_type("integer or string", value))),
    }
}

fn check_number(schema: &Value, value: &Value, path: &FieldPath, violations: &mut Vec<Violation>) {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (least, most) = (limit("minimum"), limit("maximum"));
    let is_outside = least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most);
    if is_outside {
        let range = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => String::new(),
        };
        violations.push(Violation::value(path, format!("{value} is out of range: {range}")));
    } else if schema.get("format").is_some_and(|format| format == "int32")
        && value.as_i64().is_none_or(|number| i32::try_from(number).is_err())
    {
        violations.push(Violation::value(path, format!("{value} does not fit into 32 bits")));
    } else if schema.get("format").is_some_and(|format| format == "int64") && value.as_i64().is_none() {
        violations.push(Violation::value(path, format!("{value} does not fit into 64 bits")));
    }
}

fn bound(schema: &Value, name: &str) -> Option<usize> {
    schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok())
}
