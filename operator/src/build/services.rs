//! The Services of a Cluster: one that gives pods their names, one to start from inside, and for each listener outside one to start from and
//! one for each broker.

use crds::cluster::{Listener, ListenerType};
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    cluster::{Built, kafka_port},
    labels::{Labels, pairs},
};

pub(crate) fn of_cluster(built: &Built<'_>) -> Vec<Service> {
    let mut services = vec![headless_of(built), bootstrap(built)];
    for listener in built.listeners.iter().filter(|listener| listener.listener_type != ListenerType::Internal) {
        services.push(outside(built, listener, built.names.outside_bootstrap(&listener.name), built.labelled.selector.clone()));
        for broker in 0..built.cluster.spec.replicas {
            let one = pairs(&[("statefulset.kubernetes.io/pod-name", &built.names.pod(broker))]);
            services.push(outside(built, listener, built.names.outside_broker(broker, &listener.name), one));
        }
    }
    services
}

fn headless_of(built: &Built<'_>) -> Service {
    let kafka = built.listeners.iter().map(|listener| port(kafka_port(listener), listener.port));
    let fixed = [port("control".into(), built.ports.control), port("health".into(), built.ports.health)];
    headless(built.metadata(built.names.headless()), &built.labelled.selector, kafka.chain(fixed).collect())
}

/// A Service that gives each pod a name, ready or not: the operator speaks to brokers that are not, and they to each other.
pub(crate) fn headless(metadata: crds::ObjectMeta, selector: &Labels, ports: Vec<ServicePort>) -> Service {
    Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            ports: Some(ports),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector.clone()),
            type_: Some("ClusterIP".into()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn bootstrap(built: &Built<'_>) -> Service {
    let ports = built.listeners.iter().map(|listener| port(listener.name.clone(), listener.port)).collect();
    Service {
        metadata: built.metadata(built.names.bootstrap()),
        spec: Some(ServiceSpec {
            ports: Some(ports),
            selector: Some(built.labelled.selector.clone()),
            type_: Some("ClusterIP".into()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn outside(built: &Built<'_>, listener: &Listener, name: String, selector: Labels) -> Service {
    let is_balanced = listener.listener_type == ListenerType::LoadBalancer;
    Service {
        metadata: built.metadata(name),
        spec: Some(ServiceSpec {
            external_traffic_policy: Some(traffic_policy(listener).into()),
            load_balancer_source_ranges: listener.allowed_source_ranges.clone().filter(|_| is_balanced),
            ports: Some(vec![port(listener.name.clone(), listener.port)]),
            selector: Some(selector),
            type_: Some(if is_balanced { "LoadBalancer" } else { "NodePort" }.into()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Local: without a second hop, and the NetworkPolicy sees the client's address. Only where clients are told a host of the user's that may
/// lead to any node, and no source ranges are to be checked, any node must do.
fn traffic_policy(listener: &Listener) -> &'static str {
    let any_node = listener.listener_type == ListenerType::NodePort && listener.advertised_host.is_some();
    if any_node && listener.allowed_source_ranges.is_none() { "Cluster" } else { "Local" }
}

pub(crate) fn port(name: String, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name),
        port,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::Int(port)),
        ..ServicePort::default()
    }
}
