//! Defaults, nulls, unknown fields, types, bounds and metadata: all but the rules in CEL.

use serde_json::{Value, json};
use streamwright_crds::{Kind, admission};

use crate::{document, object, of_spec, violations};

fn admitted(kind: Kind, spec: &str) -> Value {
    admission::admit(kind, object(kind, "x", spec), None).unwrap_or_else(|found| panic!("{found:?}"))
}

#[test]
fn first_manifests_of_one_or_two_fields_are_enough() {
    let cluster = admitted(Kind::Cluster, "{}");
    assert_eq!(cluster["spec"], json!({"replicas": 1, "allowedNamespaces": {"from": "Same"}, "autoCreateTopics": false}));
    let topic = admitted(Kind::Topic, "{partitions: 6}");
    assert_eq!(
        topic["spec"],
        json!({"clusterRef": {"name": "default"}, "partitions": 6, "durability": "Volume", "managementPolicy": "Full", "deletionPolicy": "Retain"})
    );
    let pipeline = admitted(Kind::Pipeline, "{query: x}");
    assert_eq!(
        pipeline["spec"],
        json!({"clusterRef": {"name": "default"}, "query": "x", "replicas": 1, "suspend": false, "maxParallelism": 64, "startFrom": "Earliest",
            "commitInterval": "200ms", "upgrade": {"allowStateLoss": false}, "deletionPolicy": "Drain"})
    );
    assert_eq!(admitted(Kind::RetentionPolicy, "{}")["spec"], json!({"cleanup": "Delete", "allowShrink": false}));
}

#[test]
fn defaults_reach_into_lists_and_into_given_objects() {
    let topic = admitted(Kind::Topic, "{partitions: 1, schema: {columns: [{name: a, type: 'TIMESTAMP(3)'}], eventTime: {column: a}}}");
    assert_eq!(topic["spec"]["schema"]["columns"][0]["from"], "Value");
    assert_eq!(topic["spec"]["schema"]["eventTime"], json!({"column": "a", "watermarkDelay": "5s", "idleTimeout": "30s"}));
}

#[test]
fn null_means_absent() {
    let topic = admitted(Kind::Topic, "{partitions: 1, retention: null, durability: null}");
    assert!(topic["spec"].get("retention").is_none());
    assert_eq!(topic["spec"]["durability"], "Volume");
}

#[test]
fn status_is_not_the_users() {
    let mut mine = object(Kind::Topic, "x", "{partitions: 1}");
    mine["status"] = json!({"observedGeneration": 7, "nonsense": true});
    let born = admission::admit(Kind::Topic, mine.clone(), None).unwrap();
    assert_eq!(born["status"]["observedGeneration"], -1);
    let mut old = born;
    old["status"] = json!({"observedGeneration": 3, "conditions": []});
    assert_eq!(admission::admit(Kind::Topic, mine, Some(&old)).unwrap()["status"], old["status"]);
}

#[test]
fn unknown_fields_are_named_with_the_nearest_known_one() {
    assert_eq!(
        of_spec(Kind::Topic, "{partitions: 1, retentionPolcyRef: {name: a}}"),
        ["spec.retentionPolcyRef: unknown field; did you mean retentionPolicyRef?"]
    );
    assert_eq!(
        of_spec(Kind::Topic, "{partitions: 1, schema: {columns: [{name: a, typ: INT, type: INT}]}}"),
        ["spec.schema.columns[0].typ: unknown field; did you mean type?"]
    );
    assert_eq!(of_spec(Kind::RetentionPolicy, "{tiers: 1}"), ["spec.tiers: unknown field; there are allowShrink, cleanup, local, total"]);
    let mut top = object(Kind::Topic, "x", "{partitions: 1}");
    top["sepc"] = json!({});
    assert_eq!(violations(Kind::Topic, &top, None), ["sepc: unknown field; did you mean spec?"]);
    let mut labelled = object(Kind::Topic, "x", "{partitions: 1}");
    labelled["metadata"]["label"] = json!({});
    assert_eq!(violations(Kind::Topic, &labelled, None), ["metadata.label: unknown field; did you mean labels?"]);
}

#[test]
fn values_out_of_shape_are_named_with_their_path() {
    for (kind, spec, expected) in [
        (Kind::Topic, "{partitions: 0}", "spec.partitions: 0 is out of range: 1 to 10000"),
        (Kind::Topic, "{partitions: 10001}", "spec.partitions: 10001 is out of range: 1 to 10000"),
        (Kind::Topic, "{partitions: '6'}", "spec.partitions: an integer is expected, this is text"),
        (Kind::Topic, "{partitions: 1.5}", "spec.partitions: an integer is expected, this is a number"),
        (Kind::Topic, "{partitions: 1, topicName: 7}", "spec.topicName: a string is expected, this is a number: quote it"),
        (Kind::Topic, "{partitions: 1, topicName: a b}", r#"spec.topicName: "a b" does not look like ^[a-zA-Z0-9._-]{1,249}$"#),
        (
            Kind::Topic,
            "{partitions: 1, durability: volume}",
            r#"spec.durability: "volume" is not one of Volume, Object; did you mean Volume?"#,
        ),
        (Kind::Topic, "{partitions: 1, schema: {columns: []}}", "spec.schema.columns: 0 items; at least 1 are needed"),
        (Kind::Topic, "{partitions: 1, schema: {columns: [{name: a}]}}", "spec.schema.columns[0].type: required, and not there"),
        (
            Kind::Topic,
            "{partitions: 1, schema: {columns: [{name: a, type: INT}, {name: a, type: INT}]}}",
            "spec.schema.columns[1]: \"a\" is there twice",
        ),
        (
            Kind::Topic,
            "{partitions: 1, schema: {columns: [{name: a, type: INT}], key: []}}",
            "spec.schema.key: 0 items; at least 1 are needed",
        ),
        (Kind::Topic, "[]", "spec: an object is expected, this is a list"),
        (
            Kind::RetentionPolicy,
            "{total: {time: 30d}}",
            r#"spec.total.time: "30d" is not a duration as 200ms, 30s, 1h30m or 720h (there are no days)"#,
        ),
        (
            Kind::RetentionPolicy,
            "{total: {sizePerPartition: 1.5Gi}}",
            r#"spec.total.sizePerPartition: "1.5Gi" is not a size as 50Gi, 2Ti or 1000000"#,
        ),
        (
            Kind::RetentionPolicy,
            "{total: {sizePerPartition: 100}}",
            "spec.total.sizePerPartition: a string is expected, this is a number: quote it",
        ),
        (Kind::Pipeline, "{query: ''}", "spec.query: at least 1 characters are needed"),
        (Kind::Pipeline, "{query: x, suspend: 'yes'}", "spec.suspend: a boolean is expected, this is text"),
        (Kind::Pipeline, "{query: x, replicas: -1}", "spec.replicas: -1 is out of range: 0 to 1024"),
        (Kind::Pipeline, "{query: x, replicas: 99999999999}", "spec.replicas: 99999999999 is out of range: 0 to 1024"),
        (
            Kind::Pipeline,
            "{query: x, pod: {resources: {limits: {memory: lots}}}}",
            "spec.pod.resources.limits.memory: \"lots\" does not look like",
        ),
        (Kind::Pipeline, "{query: x, pod: {labels: {a: 1}}}", "spec.pod.labels.a: a string is expected, this is a number: quote it"),
        (Kind::Cluster, "{version: v1}", "spec.version: \"v1\" does not look like"),
        (Kind::Cluster, "{listeners: [{name: a, port: 70000}]}", "spec.listeners[0].port: 70000 is out of range: 1 to 65535"),
    ] {
        let found = of_spec(kind, spec);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{spec}: {found:?}");
    }
}

#[test]
fn a_query_of_128_kib_passes_and_a_longer_one_does_not() {
    let of_length = |length: usize| object(Kind::Pipeline, "x", &format!("{{query: '{}'}}", "x".repeat(length)));
    assert_eq!(violations(Kind::Pipeline, &of_length(131_072), None), [""; 0]);
    assert_eq!(violations(Kind::Pipeline, &of_length(131_073), None), ["spec.query: 131073 characters; at most 131072 are allowed"]);
}

#[test]
fn metadata_is_checked_as_the_server_checks_it() {
    for (metadata, expected) in [
        (json!({}), "metadata.name: a name is required"),
        (json!({"name": "Orders"}), "metadata.name: a name is 1 to 253"),
        (json!({"name": true}), "metadata.name: a name is 1 to 253"),
        (json!({"name": "a..b"}), "metadata.name: a name is 1 to 253"),
        (json!({"name": "a", "namespace": "a.b"}), "metadata.namespace: a namespace is 1 to 63"),
        (json!({"name": "a", "labels": {"x/y": 1}}), "metadata.labels[\"x/y\"]: the value is not text: quote it"),
        (json!({"name": "a", "labels": {"team": "a b"}}), "metadata.labels.team: a label is at most 63"),
        (json!({"name": "a", "labels": {"x/y/z": "1"}}), "metadata.labels[\"x/y/z\"]: a key is a name"),
        (json!({"name": "a", "annotations": {"-": "anything at all"}}), "metadata.annotations[\"-\"]: a key is a name"),
        (json!({"name": "a", "annotations": {"a": "x".repeat(262_144)}}), "metadata.annotations: 262145 bytes; at most 262144"),
        (json!("a"), "metadata: metadata is required"),
    ] {
        let mut topic = object(Kind::Topic, "x", "{partitions: 1}");
        topic["metadata"] = metadata.clone();
        let found = violations(Kind::Topic, &topic, None);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{metadata}: {found:?}");
    }
}

#[test]
fn labels_and_annotations_as_people_write_them_pass() {
    let mut topic = object(Kind::Topic, "x", "{partitions: 1}");
    topic["metadata"] = json!({
        "name": "a.b-1", "namespace": "team-1",
        "labels": {"app.kubernetes.io/name": "orders_1", "empty": ""},
        "annotations": {"example.com/note": "any text: \"ä\"\n", "plain": ""}
    });
    assert_eq!(violations(Kind::Topic, &topic, None), [""; 0]);
}

#[test]
fn every_violation_is_told_at_once_with_its_place_in_the_file() {
    let document = document(
        "apiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata:\n  name: Bad\nspec:\n  partitions: 0\n  schema:\n    colums: []\n",
    );
    let found = admission::admit(Kind::Topic, document.object.clone(), None).unwrap_err();
    let mut places: Vec<_> = found
        .iter()
        .map(|violation| {
            let at = if violation.is_about_name { document.locate_key(&violation.path) } else { document.locate(&violation.path) };
            format!("{at} {}", violation.path)
        })
        .collect();
    places.sort();
    assert_eq!(places, ["4:9 metadata.name", "6:15 spec.partitions", "8:5 spec.schema.columns", "8:5 spec.schema.colums"]);
}

#[test]
fn the_error_of_a_rule_waits_until_types_are_right() {
    let found = of_spec(Kind::Topic, "{partitions: 0, durability: Object}");
    assert_eq!(found, ["spec.partitions: 0 is out of range: 1 to 10000"]);
}
