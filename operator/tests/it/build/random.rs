//! Whatever a user may declare gives objects that Kubernetes takes: random Clusters and Pipelines within the bounds of admission.

use crds::{
    Cluster, Pipeline,
    cluster::{Listener, ListenerTls, ListenerType},
};
use operator::build::{self, Objects};
use proptest::{collection::btree_map, prelude::*};
use std::collections::BTreeSet;

use super::{checks, kit};

/// A name as `metadata.name` may be: a DNS subdomain of at most 40 letters.
fn name() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,4}([-.][a-z0-9]{1,8}){0,4}".prop_filter("at most 40 letters", |name| name.len() <= 40)
}

fn listener_type() -> impl Strategy<Value = ListenerType> {
    prop_oneof![Just(ListenerType::Internal), Just(ListenerType::NodePort), Just(ListenerType::LoadBalancer)]
}

/// Up to eight listeners with different names and ports; ports near ours are likely.
fn listeners() -> impl Strategy<Value = Vec<Listener>> {
    let port = prop_oneof![1..65_536_i32, 9_088..9_100_i32, 1..1_024_i32];
    let one = (port, listener_type(), any::<bool>(), any::<bool>(), any::<bool>());
    btree_map("[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", one, 1..9).prop_map(|named| {
        let mut ports = BTreeSet::new();
        let fresh = named.into_iter().filter(|(_, (port, ..))| ports.insert(*port)).collect::<Vec<_>>();
        let listener = |(name, (port, listener_type, tls, host, ranges)): (String, (i32, ListenerType, bool, bool, bool))| Listener {
            name,
            listener_type,
            port,
            tls: tls.then(ListenerTls::default),
            advertised_host: host.then(|| "kafka.example.com".into()),
            allowed_source_ranges: ranges.then(|| vec!["10.0.0.0/8".into()]),
        };
        fresh.into_iter().map(listener).collect()
    })
}

fn cluster(name: String, listeners: Vec<Listener>, replicas: i32) -> Cluster {
    let mut cluster = kit::cluster("{metadata: {namespace: streaming, uid: u}, spec: {}}");
    cluster.metadata.name = Some(name);
    cluster.spec.listeners = Some(listeners);
    cluster.spec.replicas = replicas;
    cluster
}

fn pipeline(name: String) -> Pipeline {
    let mut pipeline = kit::pipeline("{metadata: {namespace: tenant, uid: u}, spec: {query: x}}");
    pipeline.metadata.name = Some(name);
    pipeline
}

fn check(objects: &Objects) -> Result<(), TestCaseError> {
    let found: Vec<_> = objects.0.iter().flat_map(checks::violations).collect();
    prop_assert!(found.is_empty(), "{found:#?}");
    let ids: BTreeSet<_> = objects.0.iter().map(|object| (object.kind(), object.name())).collect();
    prop_assert_eq!(ids.len(), objects.0.len(), "two objects of one name");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn any_cluster_gives_objects_that_kubernetes_takes(name in name(), listeners in listeners(), replicas in 1..4_i32) {
        let cluster = cluster(name, listeners, replicas);
        let objects = build::cluster(&cluster, &kit::cluster_inputs());
        check(&objects)?;
        prop_assert_eq!(&objects, &build::cluster(&cluster, &kit::cluster_inputs()));
    }

    #[test]
    fn any_pipeline_gives_objects_that_kubernetes_takes(name in name(), of in name(), listeners in listeners()) {
        let (cluster, pipeline) = (cluster(of, listeners, 1), pipeline(name));
        let inputs = kit::pipeline_inputs(&pipeline, &cluster);
        let objects = build::pipeline(&pipeline, &inputs).expect("it fits");
        check(&objects)?;
        prop_assert_eq!(objects, build::pipeline(&pipeline, &inputs).expect("it fits"));
    }

    #[test]
    fn clusters_of_two_names_never_share_an_object(one in name(), other in name(), listeners in listeners()) {
        prop_assume!(one != other);
        let ids = |name: &str| -> BTreeSet<(&'static str, String)> {
            let objects = build::cluster(&cluster(name.into(), listeners.clone(), 2), &kit::cluster_inputs());
            objects.0.iter().map(|object| (object.kind(), object.name().to_owned())).collect()
        };
        prop_assert!(ids(&one).is_disjoint(&ids(&other)));
    }
}

#[test]
fn a_query_whose_schemas_do_not_fit_is_refused_with_its_size() {
    let pipeline = pipeline("wide".into());
    let mut inputs = kit::pipeline_inputs(&pipeline, &kit::cluster("{metadata: {name: main, namespace: streaming}, spec: {}}"));
    inputs.desired.query = "x".repeat(1 << 20);
    let error = build::pipeline(&pipeline, &inputs).unwrap_err();
    assert!(error.to_string().contains("fit into a ConfigMap") && error.bytes > 1 << 20, "{error}");
}
