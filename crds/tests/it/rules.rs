//! Every rule in CEL, with an object that it lets pass and one that it does not.

use serde_json::Value;
use std::collections::BTreeSet;
use streamwright_crds::{Kind, definition};

use crate::{object, violations};

/// A rule by its message, and two changes: `(spec before, spec after)`. An empty `before` is a new object.
struct Case {
    kind: Kind,
    message: &'static str,
    accept: (&'static str, &'static str),
    reject: (&'static str, &'static str),
    /// The field that the rejection names.
    path: &'static str,
    /// A gate that also stands in the accepted one's way, until its feature lands.
    gated_by: Option<&'static str>,
}

const fn case(
    kind: Kind,
    message: &'static str,
    path: &'static str,
    accept: (&'static str, &'static str),
    reject: (&'static str, &'static str),
) -> Case {
    Case { kind, message, accept, reject, path, gated_by: None }
}

const fn gated(gate: &'static str, mut case: Case) -> Case {
    case.gated_by = Some(gate);
    case
}

const EXTERNAL: &str = "external is not served";
const COMPACT: &str = "Compact and CompactAndDelete are not served";
const RESTORE: &str = "restoreFrom is not served";
const REPLICAS: &str = "one pod a Pipeline";

fn cases() -> Vec<Case> {
    use Kind::{Cluster, Pipeline, RetentionPolicy, Topic};
    let schema = "partitions: 1, schema: {columns: [{name: a, type: STRING}]";
    let leak = |text: String| -> &'static str { text.leak() };
    let schema = |more: &str| leak(format!("{{{schema}, {more}}}}}"));
    let mut cases = vec![
        case(
            Topic,
            "clusterRef is immutable",
            "spec.clusterRef",
            ("{partitions: 1}", "{partitions: 1, clusterRef: {name: default}}"),
            ("{partitions: 1}", "{partitions: 1, clusterRef: {name: other}}"),
        ),
        case(
            Pipeline,
            "clusterRef is immutable",
            "spec.clusterRef",
            ("{query: x}", "{query: y}"),
            ("{query: x}", "{query: x, clusterRef: {name: default, namespace: a}}"),
        ),
        gated(
            EXTERNAL,
            case(
                Cluster,
                "a Cluster cannot change between managed and external",
                "spec",
                ("{external: {bootstrapServers: ['a:1']}}", "{external: {bootstrapServers: ['b:1']}}"),
                ("{}", "{external: {bootstrapServers: ['a:1']}}"),
            ),
        ),
        gated(
            EXTERNAL,
            case(
                Cluster,
                "listeners and storage belong to managed brokers, not to an external Kafka",
                "spec",
                ("", "{external: {bootstrapServers: ['a:1']}}"),
                ("", "{external: {bootstrapServers: ['a:1']}, storage: {size: 1Gi}}"),
            ),
        ),
        case(Cluster, "storage cannot be removed", "spec", ("{}", "{storage: {size: 1Gi}}"), ("{storage: {size: 1Gi}}", "{}")),
        case(
            Cluster,
            "objectStore cannot be removed: shipped data is there",
            "spec",
            ("{}", "{objectStore: {s3: {bucket: abc}}}"),
            ("{objectStore: {s3: {bucket: abc}}}", "{}"),
        ),
        case(
            Cluster,
            "two listeners share a port",
            "spec",
            ("", "{listeners: [{name: a, port: 1}, {name: b, port: 2}]}"),
            ("", "{listeners: [{name: a, port: 1}, {name: b, port: 1}]}"),
        ),
        case(Cluster, "this version runs one broker a Cluster", "spec", ("", "{replicas: 1}"), ("", "{replicas: 2}")),
        case(
            Cluster,
            "external is not served by this version: declare brokers of ours",
            "spec",
            ("", "{}"),
            ("", "{external: {bootstrapServers: ['a:1']}}"),
        ),
        case(
            Cluster,
            "this version serves listeners of type Internal",
            "spec.listeners[0]",
            ("", "{listeners: [{name: a, type: Internal, port: 1}]}"),
            ("", "{listeners: [{name: a, type: NodePort, port: 1}]}"),
        ),
        case(
            Cluster,
            "tls on listeners is not served by this version",
            "spec.listeners[0]",
            ("", "{listeners: [{name: a, port: 1}]}"),
            ("", "{listeners: [{name: a, port: 1, tls: {}}]}"),
        ),
        case(
            Cluster,
            "advertisedHost and allowedSourceRanges are not served by this version",
            "spec.listeners[1]",
            ("", "{listeners: [{name: a, port: 1}]}"),
            ("", "{listeners: [{name: a, port: 1}, {name: b, port: 2, advertisedHost: h}]}"),
        ),
        case(
            Cluster,
            "storage only grows",
            "spec.storage",
            ("{storage: {size: 1Gi}}", "{storage: {size: 1025Mi}}"),
            ("{storage: {size: 1Gi}}", "{storage: {size: 1G}}"),
        ),
        case(
            Cluster,
            "storageClassName is immutable",
            "spec.storage",
            ("{storage: {storageClassName: a}}", "{storage: {storageClassName: a, size: 30Gi}}"),
            ("{storage: {}}", "{storage: {storageClassName: a}}"),
        ),
        case(
            Cluster,
            "bucket is immutable: the data is there",
            "spec.objectStore.s3.bucket",
            ("{objectStore: {s3: {bucket: abc}}}", "{objectStore: {s3: {bucket: abc, region: r}}}"),
            ("{objectStore: {s3: {bucket: abc}}}", "{objectStore: {s3: {bucket: abd}}}"),
        ),
        case(
            Cluster,
            "prefix is immutable: the data is there",
            "spec.objectStore.s3",
            ("{objectStore: {s3: {bucket: abc, prefix: p}}}", "{objectStore: {s3: {bucket: abc, prefix: p}}}"),
            ("{objectStore: {s3: {bucket: abc}}}", "{objectStore: {s3: {bucket: abc, prefix: p}}}"),
        ),
        case(
            Cluster,
            "selector goes with from: Selector",
            "spec.allowedNamespaces",
            ("", "{allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b}}}}"),
            ("", "{allowedNamespaces: {selector: {matchLabels: {a: b}}}}"),
        ),
        case(Topic, "partitions is required", "spec", ("", "{managementPolicy: Observe}"), ("", "{}")),
        case(Topic, "partitions only grow", "spec", ("{partitions: 2}", "{partitions: 3}"), ("{partitions: 2}", "{partitions: 1}")),
        case(
            Topic,
            "topicName is immutable",
            "spec",
            ("{partitions: 1, topicName: a}", "{partitions: 2, topicName: a}"),
            ("{partitions: 1}", "{partitions: 1, topicName: a}"),
        ),
        case(
            Topic,
            "retention and retentionPolicyRef exclude each other",
            "spec",
            ("", "{partitions: 1, retention: {}}"),
            ("", "{partitions: 1, retention: {}, retentionPolicyRef: {name: a}}"),
        ),
        case(
            Topic,
            "durability Object is not served by this version",
            "spec",
            ("", "{partitions: 1, durability: Volume}"),
            ("", "{partitions: 1, durability: Object}"),
        ),
        case(
            Topic,
            "not a usable topic name",
            "spec.topicName",
            ("", "{partitions: 1, topicName: _sw}"),
            ("", "{partitions: 1, topicName: _sw.a}"),
        ),
        case(
            Topic,
            "set this by retention or retentionPolicyRef",
            "spec.config[1].name",
            ("", "{partitions: 1, config: [{name: max.message.bytes, value: '1'}]}"),
            ("", "{partitions: 1, config: [{name: a, value: ''}, {name: retention.ms, value: '1'}]}"),
        ),
        case(
            Topic,
            "format is immutable: written records keep theirs",
            "spec.schema.format",
            (schema("format: Json"), schema("key: [a]")),
            (schema("key: [a]"), schema("format: Csv")),
        ),
        case(Topic, "key names a column that is not declared", "spec.schema", ("", schema("key: [a]")), ("", schema("key: [a, b]"))),
        case(
            Topic,
            "eventTime.column is not declared",
            "spec.schema",
            ("", schema("eventTime: {column: a}")),
            ("", schema("eventTime: {column: b}")),
        ),
        case(
            Pipeline,
            "give query or queryFrom, one of them",
            "spec",
            ("", "{queryFrom: {configMapKeyRef: {name: a, key: b}}}"),
            ("", "{query: x, queryFrom: {configMapKeyRef: {name: a, key: b}}}"),
        ),
        gated(
            REPLICAS,
            case(
                Pipeline,
                "more replicas than maxParallelism",
                "spec",
                ("", "{query: x, replicas: 4, maxParallelism: 4}"),
                ("", "{query: x, replicas: 5, maxParallelism: 4}"),
            ),
        ),
        gated(
            RESTORE,
            case(
                Pipeline,
                "a new restoreFrom needs a higher generation",
                "spec",
                ("{query: x, restoreFrom: {snapshot: a, generation: 1}}", "{query: x, restoreFrom: {snapshot: b, generation: 2}}"),
                ("{query: x, restoreFrom: {snapshot: a, generation: 1}}", "{query: x, restoreFrom: {snapshot: b, generation: 1}}"),
            ),
        ),
        case(Pipeline, "this version runs one pod a Pipeline", "spec", ("", "{query: x, replicas: 0}"), ("", "{query: x, replicas: 2}")),
        case(
            Pipeline,
            "restoreFrom is not served by this version: there are no snapshots yet",
            "spec",
            ("", "{query: x}"),
            ("", "{query: x, restoreFrom: {snapshot: a, generation: 1}}"),
        ),
        case(
            Pipeline,
            "deletionPolicy Snapshot is not served by this version",
            "spec",
            ("", "{query: x, deletionPolicy: Immediate}"),
            ("", "{query: x, deletionPolicy: Snapshot}"),
        ),
        case(
            Pipeline,
            "storeCredentialsSecretRef is not served by this version",
            "spec",
            ("", "{query: x}"),
            ("", "{query: x, storeCredentialsSecretRef: {name: a}}"),
        ),
        case(
            Pipeline,
            "maxParallelism is immutable in this version",
            "spec.maxParallelism",
            ("{query: x}", "{query: x, maxParallelism: 64}"),
            ("{query: x}", "{query: x, maxParallelism: 128}"),
        ),
        case(
            Pipeline,
            "commitInterval is 10ms to 60s",
            "spec.commitInterval",
            ("", "{query: x, commitInterval: 1m}"),
            ("", "{query: x, commitInterval: 61s}"),
        ),
        case(
            Pipeline,
            "commitInterval is 10ms to 60s",
            "spec.commitInterval",
            ("", "{query: x, commitInterval: 10ms}"),
            ("", "{query: x, commitInterval: 9.9ms}"),
        ),
    ];
    for (kind, path) in [(RetentionPolicy, "spec"), (Topic, "spec.retention")] {
        let wrap = |spec: &'static str| {
            if kind == Topic && !spec.is_empty() { leak(format!("{{partitions: 1, retention: {spec}}}")) } else { spec }
        };
        let mut add = |gate: Option<&'static str>, message, accept: (&'static str, &'static str), reject: (&'static str, &'static str)| {
            let one = case(kind, message, path, (wrap(accept.0), wrap(accept.1)), (wrap(reject.0), wrap(reject.1)));
            cases.push(Case { gated_by: gate, ..one });
        };
        add(
            None,
            "local.time is longer than total.time",
            ("", "{local: {time: 1h}, total: {time: 60m}}"),
            ("", "{local: {time: 1h}, total: {time: 59m59s}}"),
        );
        add(
            None,
            "local.sizePerPartition is larger than total.sizePerPartition",
            ("", "{local: {sizePerPartition: 1Gi}, total: {sizePerPartition: 1024Mi}}"),
            ("", "{local: {sizePerPartition: 1Gi}, total: {sizePerPartition: 1G}}"),
        );
        add(
            None,
            "a shorter total.time deletes data: set allowShrink: true",
            ("{total: {time: 2h}}", "{total: {time: 1h}, allowShrink: true}"),
            ("{total: {time: 2h}}", "{total: {time: 119m}}"),
        );
        add(
            None,
            "a shorter total.time deletes data: set allowShrink: true",
            ("{total: {time: 2h}}", "{}"),
            ("{}", "{total: {time: 9999h}}"),
        );
        add(
            None,
            "a smaller total.sizePerPartition deletes data: set allowShrink: true",
            ("{total: {sizePerPartition: 1G}}", "{total: {sizePerPartition: 1Gi}}"),
            ("{total: {sizePerPartition: 1Gi}}", "{total: {sizePerPartition: 1G}}"),
        );
        add(
            Some(COMPACT),
            "this change of cleanup deletes data: set allowShrink: true",
            ("{cleanup: CompactAndDelete}", "{cleanup: Compact}"),
            ("{cleanup: Compact}", "{cleanup: Delete}"),
        );
        add(
            Some(COMPACT),
            "total deletes by age or size: use CompactAndDelete",
            ("", "{cleanup: CompactAndDelete, total: {time: 1h}}"),
            ("", "{cleanup: Compact, total: {time: 1h}}"),
        );
        add(
            None,
            "cleanup Compact and CompactAndDelete are not served by this version",
            ("", "{cleanup: Delete}"),
            ("", "{cleanup: Compact}"),
        );
    }
    cases
}

fn outcome(kind: Kind, (before, after): (&str, &str)) -> Vec<String> {
    let old = (!before.is_empty()).then(|| object(kind, "x", before));
    violations(kind, &object(kind, "x", after), old.as_ref())
}

#[test]
fn every_rule_accepts_what_it_should_and_rejects_what_it_should() {
    for case in cases() {
        let rest: Vec<_> =
            outcome(case.kind, case.accept).into_iter().filter(|found| case.gated_by.is_none_or(|gate| !found.contains(gate))).collect();
        assert!(rest.is_empty(), "{} {:?} {:?}: {rest:?}", case.kind, case.message, case.accept);
        let expected = format!("{}: {}", case.path, case.message);
        let found = outcome(case.kind, case.reject);
        assert!(found.contains(&expected), "{} {:?}: wanted {expected:?}, found {found:?}", case.kind, case.reject);
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
        let covered: BTreeSet<_> = cases().iter().filter(|case| case.kind == *kind).map(|case| case.message.to_owned()).collect();
        assert_eq!(messages, covered, "{kind}");
    }
}
