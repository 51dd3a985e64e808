//! What rolls pods, and what does not.

use crds::{
    Cluster, Version,
    cluster::{Listener, ListenerTls},
    pod::{Amount, Resources, Toleration},
};
use operator::build::{ClusterInputs, cluster, cluster_roll_hash, pipeline_roll_hash};

use super::kit;

const CLUSTER: &str = "
metadata: {name: main, namespace: streaming, uid: u}
spec:
  listeners: [{name: internal, port: 9092}, {name: outside, type: LoadBalancer, port: 9094, tls: {}}]
  storage: {size: 20Gi}
  objectStore: {s3: {bucket: acme-streams, credentialsSecretRef: {name: s3}}}
  pod: {labels: {team: streams}}
status: {version: 0.3.0}
";

type Edit = fn(&mut Cluster, &mut ClusterInputs);

fn hash_after(edit: Edit) -> String {
    let (mut cluster, mut inputs) = (kit::cluster(CLUSTER), kit::cluster_inputs());
    edit(&mut cluster, &mut inputs);
    cluster_roll_hash(&cluster, &inputs)
}

fn listener(cluster: &mut Cluster, number: usize) -> &mut Listener {
    &mut cluster.spec.listeners.as_mut().unwrap()[number]
}

#[test]
fn a_change_of_pod_or_version_or_of_what_is_read_at_the_start_rolls_brokers() {
    let edits: [(&str, Edit); 14] = [
        ("version", |cluster, _| cluster.spec.version = Some(Version("0.3.1".into()))),
        ("recorded version", |cluster, _| cluster.status.as_mut().unwrap().version = Some("0.2.0".into())),
        ("restart-at", |cluster, _| {
            cluster.metadata.annotations.get_or_insert_default().insert("streamwright.dev/restart-at".into(), "now".into());
        }),
        ("pod.labels", |cluster, _| drop(cluster.spec.pod.get_or_insert_default().labels.insert("a".into(), "b".into()))),
        ("pod.annotations", |cluster, _| drop(cluster.spec.pod.get_or_insert_default().annotations.insert("a".into(), "b".into()))),
        ("pod.resources", |cluster, _| {
            let limits = [("memory".to_owned(), Amount("2Gi".into()))].into();
            cluster.spec.pod.get_or_insert_default().resources = Some(Resources { requests: [].into(), limits });
        }),
        ("pod.nodeSelector", |cluster, _| drop(cluster.spec.pod.get_or_insert_default().node_selector.insert("a".into(), "b".into()))),
        ("pod.tolerations", |cluster, _| cluster.spec.pod.get_or_insert_default().tolerations.push(Toleration::default())),
        ("pod.priorityClassName", |cluster, _| cluster.spec.pod.get_or_insert_default().priority_class_name = Some("high".into())),
        ("pod.serviceAccountName", |cluster, _| cluster.spec.pod.get_or_insert_default().service_account_name = Some("me".into())),
        ("a certificate to mount", |cluster, _| listener(cluster, 0).tls = Some(ListenerTls::default())),
        ("no certificate any more", |cluster, _| listener(cluster, 1).tls = None),
        ("another bucket's address", |cluster, _| cluster.spec.object_store.as_mut().unwrap().s3.endpoint = Some("http://a".into())),
        ("a port of ours that a listener takes", |cluster, _| listener(cluster, 0).port = 9095),
    ];
    let before = hash_after(|_, _| {});
    let mut seen = std::collections::BTreeSet::from([before]);
    for (what, edit) in edits {
        assert!(seen.insert(hash_after(edit)), "{what} does not change the hash");
    }
}

#[test]
fn nothing_else_rolls_brokers_least_of_all_a_newer_operator() {
    let edits: [(&str, Edit); 11] = [
        ("the operator's version", |_, inputs| inputs.operator.version = "9.9.9".into()),
        ("the operator's registry", |_, inputs| inputs.operator.image = "mirror.example.com/streamwright".into()),
        ("the operator's namespace", |_, inputs| inputs.operator.namespace = "elsewhere".into()),
        ("a version that is the recorded one", |cluster, _| cluster.spec.version = Some(Version("0.3.0".into()))),
        ("more brokers", |cluster, _| cluster.spec.replicas = 3),
        ("a listener's port", |cluster, _| listener(cluster, 0).port = 9192),
        ("a listener's host", |cluster, _| listener(cluster, 1).advertised_host = Some("a.example.com".into())),
        ("source ranges", |cluster, _| listener(cluster, 1).allowed_source_ranges = Some(vec!["10.0.0.0/8".into()])),
        ("a larger volume", |cluster, _| cluster.spec.storage.as_mut().unwrap().size = crds::Quantity::new("40Gi")),
        ("who may refer to it", |cluster, _| cluster.spec.allowed_namespaces.from = crds::cluster::NamespacesFrom::All),
        ("autoCreateTopics", |cluster, _| cluster.spec.auto_create_topics = true),
    ];
    let before = hash_after(|_, _| {});
    for (what, edit) in edits {
        assert_eq!(hash_after(edit), before, "{what} rolls pods");
    }
}

#[test]
fn the_numbers_of_this_release_stay_what_they_are() {
    // If one of these changes, an upgrade of the operator restarts every broker or pipeline of every user.
    let pipeline = kit::pipeline("{metadata: {name: totals, namespace: streaming}, spec: {query: x, pod: {nodeSelector: {disk: nvme}}}}");
    let cluster = kit::cluster(CLUSTER);
    assert_eq!(hash_after(|_, _| {}), "7c2c3d0edca5e06b");
    assert_eq!(pipeline_roll_hash(&pipeline, &kit::pipeline_inputs(&pipeline, &cluster)), "3c591eceec435222");
}

#[test]
fn pods_carry_the_hash_and_a_new_query_does_not_change_it() {
    let built = cluster(&kit::cluster(CLUSTER), &kit::cluster_inputs());
    let template = built.stateful_set().unwrap().spec.clone().unwrap().template.metadata.unwrap();
    assert_eq!(template.annotations.unwrap()[operator::build::ROLL_HASH], hash_after(|_, _| {}));

    let of = |query: &str| {
        let pipeline = kit::pipeline(&format!("{{metadata: {{name: p, namespace: n}}, spec: {{query: {query}}}}}"));
        pipeline_roll_hash(&pipeline, &kit::pipeline_inputs(&pipeline, &kit::cluster(CLUSTER)))
    };
    assert_eq!(of("one"), of("two"));
}
