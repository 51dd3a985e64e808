//! Server-side apply, as far as the operator rests on it: what a manager no longer says goes, unless another one says it.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What each manager applied last, by manager and subresource.
pub(crate) type Managers = BTreeMap<String, Value>;

/// The key by which items of a list are told apart; `None`: the list is one value.
fn list_key(name: &str) -> Option<&'static str> {
    match name {
        "conditions" => Some("type"),
        "listeners" | "containers" | "snapshots" => Some("name"),
        "brokers" => Some("id"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

/// The object after `manager` applied `config`.
pub(crate) fn apply(live: &Value, managers: &mut Managers, manager: &str, config: &Value) -> Value {
    let mut result = live.clone();
    if let Some(previous) = managers.remove(manager) {
        let others: Vec<&Value> = managers.values().collect();
        prune(&mut result, &previous, Some(config), &others, "");
    }
    merge(&mut result, config, "");
    managers.insert(manager.into(), config.clone());
    result
}

fn merge(result: &mut Value, config: &Value, name: &str) {
    match (result, config) {
        (Value::Object(result), Value::Object(config)) => {
            for (name, value) in config {
                match result.get_mut(name) {
                    Some(found) => merge(found, value, name),
                    None => drop(result.insert(name.clone(), value.clone())),
                }
            }
        }
        (Value::Array(result), Value::Array(config)) if name == "finalizers" => {
            for item in config {
                if !result.contains(item) {
                    result.push(item.clone());
                }
            }
        }
        (Value::Array(result), Value::Array(config)) if list_key(name).is_some() => {
            let key = list_key(name).unwrap();
            for item in config {
                match result.iter_mut().find(|found| found[key] == item[key]) {
                    Some(found) => merge(found, item, ""),
                    None => result.push(item.clone()),
                }
            }
        }
        (result, config) => *result = config.clone(),
    }
}

fn prune(result: &mut Value, previous: &Value, config: Option<&Value>, others: &[&Value], name: &str) {
    match (result, previous) {
        (Value::Object(result), Value::Object(previous)) => {
            for (name, previous) in previous {
                let config = config.and_then(|config| config.get(name));
                let others: Vec<&Value> = others.iter().filter_map(|other| other.get(name)).collect();
                let Some(found) = result.get_mut(name) else { continue };
                let is_inner = previous.is_object() || name == "finalizers" || (previous.is_array() && list_key(name).is_some());
                if is_inner {
                    prune(found, previous, config, &others, name);
                }
                let is_unsaid = config.is_none() && others.is_empty();
                if is_unsaid && (!is_inner || is_empty(found)) {
                    result.remove(name);
                }
            }
        }
        (Value::Array(result), Value::Array(previous)) if name == "finalizers" => {
            let says = |value: &Value, item: &Value| value.as_array().is_some_and(|items| items.contains(item));
            result.retain(|item| {
                !previous.contains(item) || config.is_some_and(|config| says(config, item)) || others.iter().any(|other| says(other, item))
            });
        }
        (Value::Array(result), Value::Array(previous)) => {
            let Some(key) = list_key(name) else { return };
            let find = |list: &Value, item: &Value| list.as_array().and_then(|all| all.iter().find(|one| one[key] == item[key]).cloned());
            for item in previous {
                let said = config.and_then(|config| find(config, item));
                let by_others: Vec<Value> = others.iter().filter_map(|other| find(other, item)).collect();
                if said.is_none() && by_others.is_empty() {
                    result.retain(|found| found[key] != item[key]);
                } else if let Some(found) = result.iter_mut().find(|found| found[key] == item[key]) {
                    prune(found, item, said.as_ref(), &by_others.iter().collect::<Vec<_>>(), "");
                }
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// A merge patch (RFC 7386).
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge_patch(&mut target[name.as_str()], value);
        }
    }
}
