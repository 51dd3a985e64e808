//! Who may talk to a pod, and whom it may talk to. What is not named here is denied, where the network enforces policies.

use crds::{
    Cluster,
    cluster::{AllowedNamespaces, Listener, ListenerType, NamespacesFrom},
};
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{
    cluster::{Built, Ports, listeners, object_ref},
    labels::{COMPONENT, Labels, NAME, PRODUCT, broker_selector, matching, pairs},
    store::{Destination, StoreAccess, destination},
};

/// Label that Kubernetes gives to every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Where a pod without credentials asks the machine for its identity: EC2's metadata, and EKS' agent over IPv4 and IPv6.
const IDENTITY_SERVICES: [&str; 3] = ["169.254.169.254/32", "169.254.170.23/32", "fd00:ec2::23/128"];

pub(crate) fn of_cluster(built: &Built<'_>) -> NetworkPolicy {
    let spec = &built.cluster.spec;
    let mut ingress: Vec<_> = built.listeners.iter().map(|listener| clients(listener, &spec.allowed_namespaces)).collect();
    ingress.extend(operations(built.ports, &built.inputs.operator.namespace));
    let ports = built.listeners.iter().map(|listener| tcp(listener.port)).collect();
    let mut egress = vec![names(), NetworkPolicyEgressRule { to: Some(vec![pods(built.labelled.selector.clone())]), ports: Some(ports) }];
    egress.extend(store(built.store()));
    policy(built.metadata(built.names.stateful_set()), built.labelled.selector.clone(), ingress, egress)
}

/// Of a Pipeline on `cluster`; `listener_port` is the one that it reaches the brokers by.
pub(crate) fn of_pipeline(
    metadata: crds::ObjectMeta,
    selector: Labels,
    operator_namespace: &str,
    cluster: &Cluster,
    store_access: Option<StoreAccess<'_>>,
) -> NetworkPolicy {
    let ports = listeners(&cluster.spec).iter().map(|listener| tcp(listener.port)).collect();
    let brokers = object_ref(&cluster.metadata);
    let to = NetworkPolicyPeer { namespace_selector: Some(named(&brokers.namespace)), ..pods(broker_selector(&brokers.name)) };
    let mut egress = vec![names(), NetworkPolicyEgressRule { to: Some(vec![to]), ports: Some(ports) }];
    egress.extend(store(store_access));
    policy(metadata, selector, operations(Ports::USUAL, operator_namespace), egress)
}

fn policy(
    metadata: crds::ObjectMeta,
    selector: Labels,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(selector)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

/// Who may connect to a listener. Inside: the namespaces that may name this Cluster. Outside: everybody, or the given networks.
fn clients(listener: &Listener, allowed: &AllowedNamespaces) -> NetworkPolicyIngressRule {
    let ranges = listener.allowed_source_ranges.iter().flatten().map(|range| block(range));
    let mut from: Vec<_> = ranges.collect();
    if listener.listener_type == ListenerType::Internal {
        // Pipelines always reach their brokers; other pods only where no networks are given.
        let peers = if from.is_empty() { Labels::new() } else { pairs(&[(NAME, PRODUCT), (COMPONENT, "pipeline")]) };
        from.extend(allowed_peers(allowed, &matching_all_or(peers)));
    }
    NetworkPolicyIngressRule { from: (!from.is_empty()).then_some(from), ports: Some(vec![tcp(listener.port)]) }
}

fn allowed_peers(allowed: &AllowedNamespaces, pods: &LabelSelector) -> Vec<NetworkPolicyPeer> {
    let own = NetworkPolicyPeer { pod_selector: Some(pods.clone()), ..NetworkPolicyPeer::default() };
    let of = |namespaces: LabelSelector| NetworkPolicyPeer { namespace_selector: Some(namespaces), ..own.clone() };
    match (allowed.from, &allowed.selector) {
        (NamespacesFrom::All, _) => vec![of(LabelSelector::default())],
        (NamespacesFrom::Selector, Some(selector)) => vec![own.clone(), of(matching(selector.match_labels.clone()))],
        (NamespacesFrom::Same | NamespacesFrom::Selector, _) => vec![own],
    }
}

/// The operator may control; everybody in the Kubernetes cluster may look at health and metrics, in which there is no data.
fn operations(ports: Ports, operator_namespace: &str) -> Vec<NetworkPolicyIngressRule> {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(named(operator_namespace)),
        ..pods(pairs(&[(NAME, PRODUCT), (COMPONENT, "operator")]))
    };
    let anybody = NetworkPolicyPeer { namespace_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    vec![
        NetworkPolicyIngressRule { from: Some(vec![operator]), ports: Some(vec![tcp(ports.control)]) },
        NetworkPolicyIngressRule { from: Some(vec![anybody]), ports: Some(vec![tcp(ports.health)]) },
    ]
}

/// DNS, wherever it is; 5353 is where OpenShift's pods answer it.
fn names() -> NetworkPolicyEgressRule {
    let ports = [53, 5353].into_iter().flat_map(|number| ["UDP", "TCP"].map(|protocol| port(number, protocol))).collect();
    NetworkPolicyEgressRule { ports: Some(ports), to: None }
}

/// The object store, and where a pod without credentials gets them.
fn store(access: Option<StoreAccess<'_>>) -> Vec<NetworkPolicyEgressRule> {
    let Some(access) = access else { return Vec::new() };
    let to = |peer: NetworkPolicyPeer| NetworkPolicyEgressRule { to: Some(vec![peer]), ports: None };
    let mut rules = vec![match destination(access.s3.endpoint.as_deref()) {
        Destination::Namespace(name) => to(NetworkPolicyPeer { namespace_selector: Some(named(&name)), ..NetworkPolicyPeer::default() }),
        Destination::Address(cidr) => to(block(&cidr)),
        Destination::Port(port) => NetworkPolicyEgressRule { ports: Some(vec![tcp(port)]), to: None },
    }];
    if access.credentials.is_none() {
        let agents = IDENTITY_SERVICES.iter().map(|cidr| block(cidr)).collect();
        rules.push(NetworkPolicyEgressRule { to: Some(agents), ports: Some(vec![tcp(80)]) });
        rules.push(NetworkPolicyEgressRule { to: None, ports: Some(vec![tcp(443)]) });
    }
    rules
}

fn named(namespace: &str) -> LabelSelector {
    matching(pairs(&[(NAMESPACE_NAME, namespace)]))
}

fn matching_all_or(labels: Labels) -> LabelSelector {
    if labels.is_empty() { LabelSelector::default() } else { matching(labels) }
}

fn pods(labels: Labels) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(matching(labels)), ..NetworkPolicyPeer::default() }
}

fn block(cidr: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: cidr.into(), except: None }), ..NetworkPolicyPeer::default() }
}

fn tcp(number: i32) -> NetworkPolicyPort {
    port(number, "TCP")
}

fn port(number: i32, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(IntOrString::Int(number)), protocol: Some(protocol.into()), end_port: None }
}
