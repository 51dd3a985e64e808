//! The custom resource definitions, as users meet them.

use crds::{Kind, definition};
use serde_json::{Value, json};

use crate::{definition_name, established, object, path, until, with_definitions, with_definitions_to_change};

/// The first manifest of each kind.
fn newborns() -> [(Kind, Value); 4] {
    [
        (Kind::Cluster, json!({})),
        (Kind::RetentionPolicy, json!({"total": {"time": "720h"}})),
        (Kind::Topic, json!({"partitions": 6})),
        (Kind::Pipeline, json!({"query": "INSERT INTO a SELECT * FROM b"})),
    ]
}

#[test]
fn every_definition_passes_plain_apply_and_server_side_apply() {
    let (cluster, _alone) = with_definitions_to_change();
    let folder = format!("{}/../crds", env!("CARGO_MANIFEST_DIR"));
    for kind in Kind::ALL {
        let (name, text) = definition::file(*kind);
        assert!(text.len() < definition::BYTES_MAX, "{name}: {} bytes", text.len());
        let file = format!("{folder}/{name}");
        let _ = cluster.kubectl(&["apply", "-f", &file]);
        let _ = cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]);
    }
    established(&cluster);
    for kind in Kind::ALL {
        let stored = cluster.get(&["crd", &definition_name(*kind)]);
        let conditions = stored["status"]["conditions"].as_array().expect("a definition has conditions");
        assert!(conditions.iter().all(|condition| condition["type"] != "NonStructuralSchema"), "{kind}: {conditions:?}");
        // What the server keeps is what we wrote: it dropped nothing that it does not know.
        assert!(same(&stored["spec"]["versions"][0]["schema"], &definition::definition(*kind)["spec"]["versions"][0]["schema"]), "{kind}");
    }
}

/// Whether two schemas are the same; 1 and 1.0 are.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

#[test]
fn newborn_objects_say_that_nobody_has_seen_them() {
    let (cluster, _shared) = with_definitions();
    let namespace = cluster.namespace("newborn");
    for (kind, spec) in newborns() {
        let born = cluster.request("POST", &path(kind, &namespace.name), Some(&object(kind, "x", &spec)));
        assert_eq!((born.code, born.warnings), (201, vec![]), "{kind}: {}", born.body);
        let read = cluster.request("GET", &format!("{}/x", path(kind, &namespace.name)), None).body;
        for seen in [&born.body, &read] {
            assert_eq!(seen["status"]["observedGeneration"], -1, "{kind}");
            let ready = &seen["status"]["conditions"][0];
            assert_eq!(
                (&ready["type"], &ready["status"], &ready["reason"]),
                (&json!("Ready"), &json!("Unknown"), &json!("NotReconciled")),
                "{kind}"
            );
        }
    }
}

#[test]
fn kubectl_lists_explains_and_scales() {
    let (cluster, _shared) = with_definitions();
    let namespace = cluster.namespace("kubectl");
    let name = namespace.name.as_str();
    for (kind, spec) in newborns() {
        assert_eq!(cluster.request("POST", &path(kind, name), Some(&object(kind, "x", &spec))).code, 201);
    }

    // A server tells of a new category a moment after it serves the kinds.
    let all = until(|| cluster.try_kubectl(&["-n", name, "get", "streamwright", "-o", "name"], "").ok());
    let mut all: Vec<_> = all.lines().collect();
    all.sort_unstable();
    let expected = ["cluster", "pipeline", "retentionpolicy", "topic"].map(|kind| format!("{kind}.streamwright.dev/x"));
    assert_eq!(all, expected);
    let row = |kind: &str| {
        let table = cluster.kubectl(&["-n", name, "get", kind]);
        let mut lines = table.lines().map(|line| line.split_whitespace().map(String::from).collect::<Vec<_>>());
        (lines.next().expect("a header"), lines.next().expect("a row"))
    };
    let (header, topic) = row("swt");
    assert_eq!(header, ["NAME", "READY", "REASON", "CLUSTER", "PARTITIONS", "RETENTION", "AGE"]);
    // Partitions and retention are those in force: empty until there are some, so that the age follows.
    assert_eq!((&topic[..4], topic.len()), (&["x", "Unknown", "NotReconciled", "default"].map(String::from)[..], 5));
    assert_eq!(row("swc").0, ["NAME", "READY", "REASON", "BROKERS", "BOOTSTRAP", "BUCKET", "AGE"]);
    assert_eq!(row("swr").0, ["NAME", "READY", "CLEANUP", "TOTAL", "LOCAL", "TOPICS", "REASON", "AGE"]);
    assert_eq!(row("swp").0, ["NAME", "READY", "REASON", "REPLICAS", "LAG", "CHECKPOINT", "AGE"]);

    for field in
        ["clusters.spec.storage.size", "topics.spec.partitions", "retentionpolicies.spec.total.time", "pipelines.spec.commitInterval"]
    {
        let text = cluster.kubectl(&["explain", "--api-version=streamwright.dev/v1alpha1", field]);
        let description = text.split("DESCRIPTION:").nth(1).unwrap_or_default();
        assert!(description.trim().len() > 10 && !description.contains("<empty>"), "{field}: {text}");
    }

    let _ = cluster.kubectl(&["-n", name, "scale", "swp/x", "--replicas=0"]);
    assert_eq!(cluster.get(&["-n", name, "swp", "x"])["spec"]["replicas"], 0);
    let scale = cluster.request("GET", &format!("{}/x/scale", path(Kind::Cluster, name)), None);
    assert_eq!((scale.code, &scale.body["spec"]["replicas"]), (200, &json!(1)), "{}", scale.body);
    let refused = cluster.try_kubectl(&["-n", name, "scale", "swc/x", "--replicas=2"], "").expect_err("a gate stands");
    assert!(refused.contains("this version runs one broker a Cluster"), "{refused}");
}

#[test]
fn unknown_fields_are_refused_unless_asked_otherwise() {
    let (cluster, _shared) = with_definitions();
    let namespace = cluster.namespace("strict");
    let misspelt = object(Kind::Topic, "x", &json!({"partitions": 1, "retentionPolcyRef": {"name": "a"}})).to_string();
    for verb in [&["create"][..], &["apply"], &["apply", "--server-side"]] {
        let arguments = [verb, &["-n", &namespace.name, "-f", "-"]].concat();
        let refused = cluster.try_kubectl(&arguments, &misspelt).expect_err("kubectl validates strictly by itself");
        assert!(refused.contains("spec.retentionPolcyRef"), "{verb:?}: {refused}");
    }
    let answer = cluster.request(
        "POST",
        &format!("{}?fieldValidation=Warn", path(Kind::Topic, &namespace.name)),
        Some(&serde_json::from_str(&misspelt).expect("JSON")),
    );
    assert_eq!((answer.code, answer.warnings), (201, vec![r#"unknown field "spec.retentionPolcyRef""#.to_owned()]));
}
