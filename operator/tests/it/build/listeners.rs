//! What clients are told about listeners.

use k8s_openapi::api::core::v1::{Node, Service};
use operator::build::listeners::{Observed, Resolved, hosts_of_node, resolve};

use super::kit;

fn service(yaml: &str) -> Service {
    serde_yaml::from_str(yaml).unwrap()
}

fn resolved(listener: &str, services: &[(&str, &str)], hosts: &[(i32, &str)]) -> Resolved {
    let cluster = kit::cluster(&format!("{{metadata: {{name: main, namespace: streaming}}, spec: {{listeners: [{listener}]}}}}"));
    let observed = Observed {
        services: services.iter().map(|(name, yaml)| ((*name).to_owned(), service(yaml))).collect(),
        hosts: hosts.iter().map(|(broker, host)| (*broker, vec![(*host).to_owned()])).collect(),
    };
    resolve(&cluster, &observed)
}

fn told(resolved: &Resolved) -> Vec<String> {
    let of = |address: &operator::build::listeners::ListenerAddress| {
        format!("{} {} -> {}:{}", address.name, address.port, address.advertised_host, address.advertised_port)
    };
    resolved.brokers.values().flatten().map(of).collect()
}

fn status(resolved: &Resolved) -> Vec<String> {
    resolved.status.iter().map(|listener| format!("{} {}", listener.name, listener.bootstrap_servers)).collect()
}

const PORT: &str = "{spec: {ports: [{port: 9094, nodePort: 31094}]}}";

#[test]
fn inside_clients_are_told_the_names_of_pods() {
    let inside = resolved("{name: internal, port: 9092}", &[], &[]);
    assert_eq!(told(&inside), ["internal 9092 -> main-broker-0.main-brokers.streaming.svc:9092"]);
    assert_eq!(status(&inside), ["internal main-bootstrap.streaming.svc:9092"]);
    assert_eq!(inside.bootstrap_servers, "main-bootstrap.streaming.svc:9092");
    assert!(inside.insecure.is_empty() && inside.waiting.is_empty() && inside.hosts.is_empty());
}

#[test]
fn by_node_ports_clients_are_told_the_node_of_the_broker() {
    let services = [("main-broker-0-nodes", PORT), ("main-bootstrap-nodes", "{spec: {ports: [{port: 9094, nodePort: 31000}]}}")];
    let nodes = resolved("{name: nodes, type: NodePort, port: 9094, tls: {}}", &services, &[(0, "192.0.2.7")]);
    assert_eq!(told(&nodes), ["nodes 9094 -> 192.0.2.7:31094"]);
    assert_eq!(status(&nodes), ["nodes 192.0.2.7:31000"]);
    assert_eq!(nodes.hosts["nodes"].iter().collect::<Vec<_>>(), ["192.0.2.7"]);
    assert!(nodes.insecure.is_empty() && nodes.waiting.is_empty());

    let elsewhere = resolved("{name: nodes, type: NodePort, port: 9094, tls: {}}", &services, &[(0, "2001:db8::7")]);
    assert_eq!(status(&elsewhere), ["nodes [2001:db8::7]:31000"]);

    let named = resolved("{name: nodes, type: NodePort, port: 9094, advertisedHost: k.example.com}", &services, &[]);
    assert_eq!(told(&named), ["nodes 9094 -> k.example.com:31094"]);
}

#[test]
fn by_load_balancers_clients_are_told_their_addresses() {
    let services = [
        ("main-broker-0-outside", "{status: {loadBalancer: {ingress: [{ip: 203.0.113.9}]}}}"),
        ("main-bootstrap-outside", "{status: {loadBalancer: {ingress: [{hostname: lb.example.com, ip: 203.0.113.8}]}}}"),
    ];
    let balanced = resolved("{name: outside, type: LoadBalancer, port: 9094}", &services, &[]);
    assert_eq!(told(&balanced), ["outside 9094 -> 203.0.113.9:9094"]);
    assert_eq!(status(&balanced), ["outside lb.example.com:9094"]);
    assert_eq!(balanced.insecure, ["listener outside is reached from outside without TLS: set tls: {}"]);
}

#[test]
fn what_is_not_known_yet_is_left_out_and_named_not_guessed() {
    let balanced = resolved("{name: outside, type: LoadBalancer, port: 9094, tls: {}}", &[], &[]);
    assert!(told(&balanced).is_empty() && status(&balanced).is_empty());
    assert_eq!(
        balanced.waiting,
        [
            "listener outside: Service main-broker-0-outside has no load balancer yet",
            "listener outside: Service main-bootstrap-outside has no load balancer yet"
        ]
    );
    let nodes = resolved("{name: nodes, type: NodePort, port: 9094, tls: {}}", &[("main-broker-0-nodes", PORT)], &[]);
    assert_eq!(nodes.waiting[0], "listener nodes: pod main-broker-0 is on no node yet");
}

#[test]
fn a_node_is_reached_from_outside_before_from_inside() {
    let node: Node = serde_yaml::from_str(
        "{status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 10.0.0.1}, {type: ExternalIP, address: 192.0.2.1}]}}",
    )
    .unwrap();
    assert_eq!(hosts_of_node(&node), ["192.0.2.1", "10.0.0.1", "n1"]);
}
