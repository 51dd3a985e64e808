//! Every rule in CEL, with an object that it lets pass and one that it does not.

use serde_json::Value;
use std::collections::BTreeSet;
use streamwright_crds::{Kind, definition};

use crate::{
    cases::{Change, cases},
    object, object_of, violations,
};

fn outcome(kind: Kind, change: &Change) -> Vec<String> {
    let old = change.before.clone().map(|before| object_of(kind, "x", before));
    violations(kind, &object_of(kind, "x", change.after.clone()), old.as_ref())
}

#[test]
fn every_rule_accepts_what_it_should_and_rejects_what_it_should() {
    for case in cases() {
        let is_gate = |found: &String| case.gated_by.as_ref().is_some_and(|gate| found.contains(gate));
        let rest: Vec<_> = outcome(case.kind, &case.accept).into_iter().filter(|found| !is_gate(found)).collect();
        assert!(rest.is_empty(), "{} {:?} {}: {rest:?}", case.kind, case.message, case.accept.after);
        let expected = format!("{}: {}", case.path, case.message);
        let found = outcome(case.kind, &case.reject);
        assert!(found.contains(&expected), "{} {}: wanted {expected:?}, found {found:?}", case.kind, case.reject.after);
    }
}

#[test]
fn names_of_clusters_and_pipelines_leave_room_for_those_of_their_parts() {
    for (kind, spec) in [(Kind::Cluster, "{}"), (Kind::Pipeline, "{query: x}")] {
        assert_eq!(violations(kind, &object(kind, &"a".repeat(40), spec), None), [""; 0]);
        let found = violations(kind, &object(kind, &"a".repeat(41), spec), None);
        assert_eq!(found, [": the name is longer than 40 characters"]);
    }
    assert_eq!(violations(Kind::Topic, &object(Kind::Topic, &"a".repeat(41), "{partitions: 1}"), None), [""; 0]);
}

fn collect(schema: &Value, messages: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                messages.insert(rule["message"].as_str().expect("every rule has a sentence").to_owned());
            }
            fields.values().for_each(|inner| collect(inner, messages));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, messages)),
        _ => {}
    }
}

#[test]
fn no_rule_is_without_a_case() {
    for kind in Kind::ALL {
        let mut messages = BTreeSet::new();
        collect(&definition::schema(*kind), &mut messages);
        messages.remove("the name is longer than 40 characters");
        let covered: BTreeSet<_> = cases().into_iter().filter(|case| case.kind == *kind).map(|case| case.message).collect();
        assert_eq!(messages, covered, "{kind}");
    }
}
