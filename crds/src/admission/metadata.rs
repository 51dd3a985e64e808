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
    check_texts(metadata, "labels", &path, 63, violations);
    check_texts(metadata, "annotations", &path, ANNOTATION_BYTES_MAX, violations);
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

fn check_texts(metadata: &Map<String, Value>, field: &str, path: &FieldPath, bytes_max: usize, violations: &mut Vec<Violation>) {
    let path = path.field(field);
    match metadata.get(field) {
        None | Some(Value::Null) => {}
        Some(Value::Object(texts)) => {
            for (key, value) in texts {
                match value.as_str() {
                    None => violations.push(Violation::value(&path.field(key), "the value is not text: quote it")),
                    Some(text) if text.len() > bytes_max => {
                        violations.push(Violation::value(&path.field(key), format!("longer than {bytes_max} bytes")))
                    }
                    Some(_) => {}
                }
            }
        }
        Some(_) => violations.push(Violation::value(&path, "a mapping of text to text")),
    }
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
