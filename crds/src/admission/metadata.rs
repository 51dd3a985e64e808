//! What the API server asks of every object's metadata (apimachinery `ValidateObjectMeta`).

use serde_json::{Map, Value};

use super::{Violation, nearest::nearest};
use crate::FieldPath;

const FIELDS: &[&str] = &[
    "name",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "generateName",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// All annotations of an object together, keys and values.
const ANNOTATION_BYTES_MAX: usize = 256 << 10;

pub(super) fn check(object: &Value, violations: &mut Vec<Violation>) {
    let path = FieldPath::root().field("metadata");
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
        violations.push(Violation::value(&path, "metadata is required, with a name"));
        return;
    };
    for name in metadata.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        violations.push(Violation::name(&path.field(name), unknown(name)));
    }
    check_name(metadata, &path.field("name"), violations);
    check_namespace(metadata, &path.field("namespace"), violations);
    check_texts(metadata, "labels", &path, violations);
    check_texts(metadata, "annotations", &path, violations);
}

fn unknown(name: &str) -> String {
    match nearest(name, FIELDS.iter().copied()) {
        Some(near) => format!("unknown field; did you mean {near}?"),
        None => "unknown field".into(),
    }
}

fn check_name(metadata: &Map<String, Value>, path: &FieldPath, violations: &mut Vec<Violation>) {
    match metadata.get("name") {
        None | Some(Value::Null) => violations.push(Violation::value(path, "a name is required")),
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(_) => violations.push(Violation::value(
            path,
            "a name is 1 to 253 of a-z 0-9 - . and starts and ends with a letter or digit (quote it if YAML reads it as something else than text)",
        )),
    }
}

fn check_namespace(metadata: &Map<String, Value>, path: &FieldPath, violations: &mut Vec<Violation>) {
    match metadata.get("namespace") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if is_label(name) => {}
        Some(_) => {
            violations.push(Violation::value(path, "a namespace is 1 to 63 of a-z 0-9 - and starts and ends with a letter or digit"))
        }
    }
}

fn check_texts(metadata: &Map<String, Value>, field: &str, path: &FieldPath, violations: &mut Vec<Violation>) {
    let path = path.field(field);
    let texts = match metadata.get(field) {
        None | Some(Value::Null) => return,
        Some(Value::Object(texts)) => texts,
        Some(_) => return violations.push(Violation::value(&path, "a mapping of text to text")),
    };
    for (key, value) in texts {
        let at = path.field(key);
        if !is_qualified(key) {
            violations.push(Violation::name(&at, "a key is a name of 1 to 63 of a-z A-Z 0-9 - _ ., perhaps after a domain and a slash"));
        }
        match value.as_str() {
            None => violations.push(Violation::value(&at, "the value is not text: quote it")),
            Some(text) if field == "labels" && !(text.is_empty() || is_word(text)) => {
                let message = "a label is at most 63 of a-z A-Z 0-9 - _ . and starts and ends with a letter or digit";
                violations.push(Violation::value(&at, message));
            }
            Some(_) => {}
        }
    }
    let bytes: usize = texts.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if field == "annotations" && bytes > ANNOTATION_BYTES_MAX {
        violations.push(Violation::value(&path, format!("{bytes} bytes; at most {ANNOTATION_BYTES_MAX} are allowed")));
    }
}

/// The name of a label or annotation: `team`, `example.com/team`.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_word(name),
        None => is_word(key),
    }
}

/// 1 to 63 letters, digits and `-_.`, none of these at an end.
fn is_word(text: &str) -> bool {
    let edge = |letter: Option<u8>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.'))
}

/// RFC 1123: labels, joined by points, 253 characters at most.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label_of_any_length)
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_label_of_any_length(name)
}

fn is_label_of_any_length(name: &str) -> bool {
    let edge = |letter: Option<u8>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    edge(name.bytes().next())
        && edge(name.bytes().last())
        && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-')
}
