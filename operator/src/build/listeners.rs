//! What clients are told about listeners: from what Services and nodes say now to the addresses that brokers advertise, and to status.

use crds::{
    Cluster,
    cluster::{Listener, ListenerStatus, ListenerType},
};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    ClusterNames,
    cluster::{listeners, names},
};

/// Most addresses of one listener in status: enough to start from.
const STATUS_ADDRESSES_MAX: usize = 3;

/// What was observed.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The Cluster's Services, by name.
    pub services: BTreeMap<String, Service>,
    /// For each broker that has a node, how that node is reached, best first ([`hosts_of_node`], else [`hosts_of_pod`]).
    pub hosts: BTreeMap<i32, Vec<String>>,
}

/// A listener as one broker serves it: `control::DesiredListener`, field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerAddress {
    /// `spec.listeners[].name`.
    pub name: String,
    /// Port on which the broker listens.
    pub port: u16,
    /// Host that clients are told.
    pub advertised_host: String,
    /// Port that clients are told.
    pub advertised_port: u16,
    /// Folder of its certificate below the broker's `tlsDir`; `None`: without TLS.
    pub tls: Option<String>,
}

/// What follows for brokers, status and certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// For each broker the listeners whose address is known, in the order of the spec.
    pub brokers: BTreeMap<i32, Vec<ListenerAddress>>,
    /// `status.listeners`: listeners that clients can start from, in the order of the spec.
    pub status: Vec<ListenerStatus>,
    /// `status.bootstrapServers`: where clients inside start.
    pub bootstrap_servers: String,
    /// Hosts and addresses of each listener outside, for its certificate.
    pub hosts: BTreeMap<String, BTreeSet<String>>,
    /// A sentence for each address that is not known yet.
    pub waiting: Vec<String>,
    /// A sentence for each listener that whoever reaches it can read along: for the condition Degraded.
    pub insecure: Vec<String>,
}

/// Resolves the listeners of a Cluster. One whose address is not known yet is left out for that broker, not guessed.
#[must_use]
pub fn resolve(cluster: &Cluster, observed: &Observed) -> Resolved {
    let mut resolved = Resolved::default();
    if let Some(external) = &cluster.spec.external {
        resolved.bootstrap_servers = external.bootstrap_servers.join(",");
        return resolved;
    }
    resolved.bootstrap_servers = super::pipeline::kafka(cluster).bootstrap_servers;
    let names = names(cluster);
    for listener in listeners(&cluster.spec) {
        let place = Place { names: &names, listener: &listener, observed };
        let mut starts = BTreeSet::new();
        for broker in 0..cluster.spec.replicas {
            match place.of_broker(broker) {
                Ok((host, port)) => {
                    let list = resolved.brokers.entry(broker).or_default();
                    list.push(place.advertised(host.clone(), port));
                    if listener.listener_type != ListenerType::Internal {
                        resolved.hosts.entry(listener.name.clone()).or_default().insert(host);
                    }
                }
                Err(message) => resolved.waiting.push(message),
            }
        }
        match place.bootstrap(cluster.spec.replicas) {
            Ok(addresses) => starts.extend(addresses),
            Err(message) => resolved.waiting.push(message),
        }
        if listener.listener_type != ListenerType::Internal {
            let hosts = resolved.hosts.entry(listener.name.clone()).or_default();
            hosts.extend(starts.iter().map(|(host, _)| host.clone()));
            if listener.tls.is_none() {
                resolved.insecure.push(format!("listener {} is reached from outside without TLS: set tls: {{}}", listener.name));
            }
        }
        if !starts.is_empty() {
            let text: Vec<_> = starts.iter().take(STATUS_ADDRESSES_MAX).map(|(host, port)| address(host, *port)).collect();
            resolved.status.push(ListenerStatus { name: listener.name.clone(), bootstrap_servers: text.join(",") });
        }
    }
    resolved
}

/// `host:port`, with brackets around an address of IPv6.
fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Admission and the API server let no other number through.
fn port_number(port: i32) -> u16 {
    u16::try_from(port).unwrap_or_default()
}

struct Place<'a> {
    names: &'a ClusterNames,
    listener: &'a Listener,
    observed: &'a Observed,
}

impl Place<'_> {
    fn advertised(&self, host: String, port: i32) -> ListenerAddress {
        ListenerAddress {
            name: self.listener.name.clone(),
            port: port_number(self.listener.port),
            advertised_host: host,
            advertised_port: port_number(port),
            tls: self.listener.tls.as_ref().map(|_| self.listener.name.clone()),
        }
    }

    /// Where clients are sent for this broker.
    fn of_broker(&self, broker: i32) -> Result<(String, i32), String> {
        let host = self.listener.advertised_host.clone();
        let service = self.names.outside_broker(broker, &self.listener.name);
        match self.listener.listener_type {
            ListenerType::Internal => Ok((host.unwrap_or_else(|| self.names.host(broker)), self.listener.port)),
            ListenerType::NodePort => {
                let port = self.node_port(&service)?;
                let node = || self.observed.hosts.get(&broker).and_then(|hosts| hosts.first().cloned());
                let host = host.or_else(node).ok_or_else(|| self.missing(&format!("pod {} is on no node yet", self.names.pod(broker))))?;
                Ok((host, port))
            }
            ListenerType::LoadBalancer => Ok((host.map_or_else(|| self.balancer(&service), Ok)?, self.listener.port)),
        }
    }

    /// Where clients start.
    fn bootstrap(&self, replicas: i32) -> Result<Vec<(String, i32)>, String> {
        let host = self.listener.advertised_host.clone();
        let service = self.names.outside_bootstrap(&self.listener.name);
        match self.listener.listener_type {
            ListenerType::Internal => Ok(vec![(self.names.bootstrap_host(), self.listener.port)]),
            ListenerType::NodePort => {
                let port = self.node_port(&service)?;
                let nodes = || (0..replicas).filter_map(|broker| self.observed.hosts.get(&broker)?.first().cloned()).collect::<Vec<_>>();
                let hosts = host.map_or_else(nodes, |host| vec![host]);
                Ok(hosts.into_iter().map(|host| (host, port)).collect())
            }
            ListenerType::LoadBalancer => Ok(vec![(host.map_or_else(|| self.balancer(&service), Ok)?, self.listener.port)]),
        }
    }

    fn node_port(&self, service: &str) -> Result<i32, String> {
        let port = || self.observed.services.get(service)?.spec.as_ref()?.ports.as_ref()?.first()?.node_port;
        port().ok_or_else(|| self.missing(&format!("Service {service} has no node port yet")))
    }

    fn balancer(&self, service: &str) -> Result<String, String> {
        let ingress = || self.observed.services.get(service)?.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first();
        let host = ingress().and_then(|ingress| ingress.hostname.clone().or_else(|| ingress.ip.clone()));
        host.ok_or_else(|| self.missing(&format!("Service {service} has no load balancer yet")))
    }

    fn missing(&self, what: &str) -> String {
        format!("listener {}: {what}", self.listener.name)
    }
}

/// How a node is reached, best first: from outside before from inside, by name before by address.
#[must_use]
pub fn hosts_of_node(node: &Node) -> Vec<String> {
    let addresses = node.status.as_ref().and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let of = |kind: &'static str| addresses.iter().filter(move |address| address.type_ == kind).map(|address| address.address.clone());
    ["ExternalDNS", "ExternalIP", "InternalIP", "Hostname"].into_iter().flat_map(of).collect()
}

/// The same as far as a pod knows it, for an operator that may not look at nodes.
#[must_use]
pub fn hosts_of_pod(pod: &Pod) -> Vec<String> {
    pod.status.as_ref().and_then(|status| status.host_ip.clone()).into_iter().collect()
}
