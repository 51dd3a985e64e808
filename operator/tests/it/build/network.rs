//! Who reaches whom, by a small evaluator of policies. Source of its semantics: Kubernetes documentation, "Network Policies".

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use operator::build::Object;
use std::{collections::BTreeMap, net::Ipv4Addr};

use super::kit;

/// The other side of a connection.
#[derive(Clone, Copy)]
enum Peer<'a> {
    /// A pod: its namespace, that namespace's further labels, and its own labels (`a=b,c=d`).
    Pod(&'a str, &'a str, &'a str),
    /// Anything else, by its address.
    Address(&'a str),
}

fn labels(text: &str) -> BTreeMap<String, String> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    assert!(selector.match_expressions.is_none(), "the evaluator knows labels only");
    selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
}

fn contains(cidr: &str, address: &str) -> bool {
    let (network, bits) = cidr.split_once('/').unwrap();
    let Ok(network) = network.parse::<Ipv4Addr>() else { return false };
    let shift = 32 - bits.parse::<u32>().unwrap();
    u32::from(network) >> shift == u32::from(address.parse::<Ipv4Addr>().unwrap()) >> shift
}

fn is_named(one: &NetworkPolicyPeer, peer: Peer<'_>, home: &str) -> bool {
    match (peer, &one.ip_block) {
        (Peer::Address(address), Some(block)) => contains(&block.cidr, address),
        (Peer::Pod(namespace, namespaces_labels, own), None) => {
            let mut of_namespace = labels(namespaces_labels);
            of_namespace.insert("kubernetes.io/metadata.name".into(), namespace.into());
            let in_namespace = one.namespace_selector.as_ref().map_or(namespace == home, |selector| selects(selector, &of_namespace));
            in_namespace && one.pod_selector.as_ref().is_none_or(|selector| selects(selector, &labels(own)))
        }
        _ => false,
    }
}

fn is_allowed(
    peers: Option<&Vec<NetworkPolicyPeer>>,
    ports: Option<&Vec<NetworkPolicyPort>>,
    peer: Peer<'_>,
    port: i32,
    home: &str,
) -> bool {
    let names_port = |one: &NetworkPolicyPort| one.port == Some(IntOrString::Int(port)) && one.protocol.as_deref() == Some("TCP");
    ports.is_none_or(|ports| ports.iter().any(names_port)) && peers.is_none_or(|peers| peers.iter().any(|one| is_named(one, peer, home)))
}

/// The policy of this name among the objects of a case.
struct Policy(NetworkPolicy);

impl Policy {
    fn of(case: &str, name: &str) -> Self {
        let objects = kit::build_all(case).0;
        let policies = objects.into_iter().filter_map(|object| match object {
            Object::NetworkPolicy(policy) => Some(*policy),
            _ => None,
        });
        Self(policies.into_iter().find(|policy| policy.metadata.name.as_deref() == Some(name)).expect(name))
    }

    fn home(&self) -> &str {
        self.0.metadata.namespace.as_deref().unwrap()
    }

    fn lets_in(&self, peer: Peer<'_>, port: i32) -> bool {
        let rules = self.0.spec.as_ref().unwrap().ingress.iter().flatten();
        rules.into_iter().any(|rule| is_allowed(rule.from.as_ref(), rule.ports.as_ref(), peer, port, self.home()))
    }

    fn lets_out(&self, peer: Peer<'_>, port: i32) -> bool {
        let rules = self.0.spec.as_ref().unwrap().egress.iter().flatten();
        rules.into_iter().any(|rule| is_allowed(rule.to.as_ref(), rule.ports.as_ref(), peer, port, self.home()))
    }
}

const APP: &str = "app=shop";
const OPERATOR: &str = "app.kubernetes.io/name=streamwright,app.kubernetes.io/component=operator";
const PIPELINE: &str = "app.kubernetes.io/name=streamwright,app.kubernetes.io/component=pipeline,streamwright.dev/pipeline=totals";

#[test]
fn only_the_operator_reaches_control() {
    for (case, name) in [(include_str!("cases/outside.yaml"), "main-broker"), (include_str!("cases/tenant.yaml"), "delays-pipeline")] {
        let policy = Policy::of(case, name);
        assert!(policy.lets_in(Peer::Pod("streamwright-system", "", OPERATOR), 9095));
        assert!(!policy.lets_in(Peer::Pod("streamwright-system", "", APP), 9095), "another pod beside the operator");
        assert!(!policy.lets_in(Peer::Pod(policy.home(), "", OPERATOR), 9095), "a pod that calls itself the operator elsewhere");
        assert!(!policy.lets_in(Peer::Pod(policy.home(), "", PIPELINE), 9095));
        assert!(!policy.lets_in(Peer::Address("10.0.0.1"), 9095));
        assert!(policy.lets_in(Peer::Pod("monitoring", "", APP), 9090), "metrics are for everybody in the cluster");
        assert!(!policy.lets_in(Peer::Address("192.0.2.1"), 9090), "and for nobody outside");
    }
}

#[test]
fn a_listener_inside_follows_the_namespaces_that_the_cluster_lets_in() {
    let selected = Policy::of(include_str!("cases/outside.yaml"), "main-broker");
    assert!(selected.lets_in(Peer::Pod("streaming", "", APP), 9092), "its own namespace");
    assert!(selected.lets_in(Peer::Pod("billing", "team=payments", APP), 9092));
    assert!(!selected.lets_in(Peer::Pod("billing", "team=other", APP), 9092));
    let same = Policy::of(include_str!("cases/first.yaml"), "default-broker");
    assert!(same.lets_in(Peer::Pod("default", "", APP), 9092));
    assert!(!same.lets_in(Peer::Pod("elsewhere", "", APP), 9092));
    let all = Policy::of(include_str!("cases/store.yaml"), "main-broker");
    assert!(all.lets_in(Peer::Pod("elsewhere", "", APP), 9092));
    assert!(!all.lets_in(Peer::Address("192.0.2.1"), 9092), "pods, not the world");
}

#[test]
fn source_ranges_bound_a_listener_and_never_cut_off_pipelines() {
    let policy = Policy::of(include_str!("cases/outside.yaml"), "main-broker");
    assert!(policy.lets_in(Peer::Address("10.20.3.4"), 9093));
    assert!(!policy.lets_in(Peer::Address("10.21.3.4"), 9093));
    assert!(!policy.lets_in(Peer::Pod("streaming", "", APP), 9093), "where networks are given, pods are not let in by name");
    assert!(policy.lets_in(Peer::Pod("billing", "team=payments", PIPELINE), 9093));
    assert!(policy.lets_in(Peer::Address("192.168.7.7"), 9094) && !policy.lets_in(Peer::Address("192.0.2.1"), 9094));
    assert!(policy.lets_in(Peer::Address("192.0.2.1"), 9096), "outside without ranges is outside for everybody");
}

#[test]
fn pods_reach_brokers_names_and_their_store_and_nothing_else() {
    let broker = "app.kubernetes.io/name=streamwright,app.kubernetes.io/component=broker,streamwright.dev/cluster=main";
    let tenant = Policy::of(include_str!("cases/tenant.yaml"), "delays-pipeline");
    assert!(tenant.lets_out(Peer::Pod("streaming", "", broker), 9092));
    assert!(!tenant.lets_out(Peer::Pod("streaming", "", broker), 9095), "not the brokers' control");
    assert!(!tenant.lets_out(Peer::Pod("elsewhere", "", broker), 9092), "not another Cluster of the same name");
    assert!(tenant.lets_out(Peer::Address("10.9.8.7"), 9000), "the store, by its address");
    assert!(!tenant.lets_out(Peer::Address("10.9.8.8"), 9000));
    assert!(!tenant.lets_out(Peer::Address("169.254.169.254"), 80), "with a Secret there is nothing to ask of the machine");
    assert!(tenant.lets_out(Peer::Pod("kube-system", "", "k8s-app=kube-dns"), 53));

    let by_identity = Policy::of(include_str!("cases/identity.yaml"), "main-broker");
    assert!(by_identity.lets_out(Peer::Address("169.254.169.254"), 80) && by_identity.lets_out(Peer::Address("192.0.2.1"), 443));
    assert!(!by_identity.lets_out(Peer::Address("192.0.2.1"), 80));

    let inside = Policy::of(include_str!("cases/store.yaml"), "main-broker");
    assert!(inside.lets_out(Peer::Pod("storage", "", "app=minio"), 9001), "a Service's pods, whatever port they listen on");
    assert!(!inside.lets_out(Peer::Pod("elsewhere", "", "app=minio"), 9000));
}
