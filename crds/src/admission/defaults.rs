//! Nulls go, defaults come: `null` for a field that is not nullable means absent, and an absent field gets its default.

use serde_json::{Map, Value};

/// Takes away every `null` of a declared field. None of our fields is nullable.
pub(super) fn drop_nulls(schema: &Value, object: &mut Value) {
    each_child(schema, object, drop_nulls);
    if let (Some(properties), Value::Object(fields)) = (schema.get("properties").and_then(Value::as_object), object) {
        fields.retain(|name, value| !(value.is_null() && properties.contains_key(name)));
    }
}

/// Fills in defaults, from the outside in: a default is filled in further by the defaults of its own fields.
pub(super) fn fill(schema: &Value, object: &mut Value) {
    if let (Some(properties), Value::Object(fields)) = (schema.get("properties").and_then(Value::as_object), &mut *object) {
        let missing = |fields: &Map<String, Value>, name: &String| !fields.contains_key(name);
        for (name, property) in properties {
            if let Some(default) = property.get("default").filter(|_| missing(fields, name)) {
                fields.insert(name.clone(), default.clone());
            }
        }
    }
    each_child(schema, object, fill);
}

/// Applies `change` to each field, item and map value that the schema describes.
fn each_child(schema: &Value, object: &mut Value, change: fn(&Value, &mut Value)) {
    match object {
        Value::Object(fields) => {
            for (name, value) in fields {
                let described = schema.get("properties").and_then(|properties| properties.get(name));
                if let Some(described) = described.or_else(|| schema.get("additionalProperties")) {
                    change(described, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(described) = schema.get("items") {
                items.iter_mut().for_each(|item| change(described, item));
            }
        }
        _ => {}
    }
}
