//! A Cluster: the objects that carry its brokers.

use control::ObjectRef;
use crds::{
    Cluster, ClusterSpec, ObjectMeta,
    cluster::{Listener, ListenerTls, ListenerType},
};
use k8s_openapi::{
    api::core::v1::{
        ConfigMap, PersistentVolumeClaim, PersistentVolumeClaimSpec, ServiceAccount, Volume, VolumeMount, VolumeResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::OwnerReference},
};
use std::collections::BTreeMap;

use super::{
    ClusterInputs, ClusterNames, Objects,
    config::{BrokerConfig, Endpoint, HealthEndpoint, paths, yaml},
    labels::{Labelled, Labels},
    network, pod,
    pod::PodShape,
    roll_hash::cluster_roll_hash,
    services,
    stateful_set::{self, SetShape},
    store::StoreAccess,
    version,
};
use crate::certificates::{self, Place};

/// A broker flushes and says goodbye to its groups in seconds; a minute leaves room for a slow volume.
const GRACE_SECONDS: i64 = 60;

/// The objects of a Cluster; none where it is a Kafka that exists already.
///
/// Claims outlive the Cluster: they are made by the StatefulSet and kept when it goes.
#[must_use]
pub fn cluster(cluster: &Cluster, inputs: &ClusterInputs) -> Objects {
    let mut objects = Objects::default();
    if cluster.spec.external.is_some() {
        return objects;
    }
    let built = Built::new(cluster, inputs);
    if built.users_service_account().is_none() {
        objects.push(built.service_account());
    }
    objects.push(built.config_map());
    if let Some(authorities) = built.authorities() {
        objects.push(authorities);
    }
    objects.push(network::of_cluster(&built));
    objects.push(stateful_set::disruption_budget(built.metadata(built.names.stateful_set()), &built.labelled));
    for service in services::of_cluster(&built) {
        objects.push(service);
    }
    objects.push(built.stateful_set());
    objects
}

/// A Cluster with what everything built from it shares.
pub(crate) struct Built<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) inputs: &'a ClusterInputs,
    pub(crate) names: ClusterNames,
    pub(crate) labelled: Labelled,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) ports: Ports,
}

impl<'a> Built<'a> {
    pub(crate) fn new(cluster: &'a Cluster, inputs: &'a ClusterInputs) -> Self {
        let listeners = listeners(&cluster.spec);
        let ports = ports(&listeners);
        let name = cluster.metadata.name.as_deref().unwrap_or_default();
        Self { cluster, inputs, names: names(cluster), labelled: Labelled::of_cluster(name), listeners, ports }
    }

    pub(crate) fn metadata(&self, name: String) -> ObjectMeta {
        owned(name, &self.cluster.metadata, "Cluster", self.labelled.labels.clone())
    }

    pub(crate) fn store(&self) -> Option<StoreAccess<'_>> {
        let s3 = &self.cluster.spec.object_store.as_ref()?.s3;
        Some(StoreAccess { s3, credentials: s3.credentials_secret_ref.as_ref() })
    }

    fn users_service_account(&self) -> Option<&str> {
        self.cluster.spec.pod.as_ref()?.service_account_name.as_deref()
    }

    fn service_account(&self) -> ServiceAccount {
        ServiceAccount {
            metadata: self.metadata(self.names.stateful_set()),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        }
    }

    fn config_map(&self) -> ConfigMap {
        let config = BrokerConfig {
            cluster: object_ref(&self.cluster.metadata),
            data_dir: paths::DATA.into(),
            control: Endpoint { bind: everywhere(self.ports.control), tls_dir: paths::CONTROL_TLS.into() },
            tls_dir: paths::LISTENER_TLS.into(),
            health: HealthEndpoint { bind: everywhere(self.ports.health) },
            object_store: self.store().map(|store| store.section()),
        };
        let data = BTreeMap::from([("broker.yaml".to_owned(), yaml(&config))]);
        ConfigMap { metadata: self.metadata(self.names.stateful_set()), data: Some(data), ..ConfigMap::default() }
    }

    /// What clients trust who come in by a listener with a certificate of the operator's own: for everybody who may read ConfigMaps here,
    /// since the Secret beside it has keys.
    fn authorities(&self) -> Option<ConfigMap> {
        let is_ours = |tls: &ListenerTls| tls.certificate_secret_ref.is_none();
        let is_needed = self.listeners.iter().filter_map(|listener| listener.tls.as_ref()).any(is_ours);
        let authorities = Some(&self.inputs.authorities).filter(|authorities| is_needed && !authorities.is_empty())?;
        let data = BTreeMap::from([("ca.crt".to_owned(), authorities.clone())]);
        Some(ConfigMap { metadata: self.metadata(self.names.authorities()), data: Some(data), ..ConfigMap::default() })
    }

    fn stateful_set(&self) -> k8s_openapi::api::apps::v1::StatefulSet {
        let spec = &self.cluster.spec;
        let recorded = self.cluster.status.as_ref().and_then(|status| status.version.as_deref());
        let operator = &self.inputs.operator;
        let shape = PodShape {
            role: "broker",
            image: pod::image(&operator.image, version(spec.version.as_ref(), recorded, operator)),
            config_files: &["broker.yaml"],
            config_map: self.names.stateful_set(),
            service_account: self.names.stateful_set(),
            labelled: &self.labelled,
            roll_hash: cluster_roll_hash(self.cluster, self.inputs),
            users: spec.pod.as_ref(),
            resources: pod::resources("500m", "1Gi", "1Gi"),
            ports: self.container_ports(),
            health_port: self.ports.health,
            grace_seconds: GRACE_SECONDS,
            control_certificate: certificates::broker_control(&self.names),
            store_credentials: self.store().and_then(|store| store.credentials).map(|secret| secret.name.clone()),
            volumes: self.listener_certificates(),
            claims: vec![pod::mount("data", paths::DATA, false)],
            low_ports: has_low_port(&self.listeners),
        };
        stateful_set::stateful_set(SetShape {
            metadata: self.metadata(self.names.stateful_set()),
            labelled: &self.labelled,
            service: self.names.headless(),
            replicas: spec.replicas,
            template: shape.template(),
            claims: vec![self.claim()],
        })
    }

    fn container_ports(&self) -> Vec<(String, i32)> {
        let fixed = [("control".to_owned(), self.ports.control), ("health".to_owned(), self.ports.health)];
        self.listeners.iter().map(|listener| (kafka_port(listener), listener.port)).chain(fixed).collect()
    }

    /// For each listener with TLS its certificate, in a folder of the listener's name.
    fn listener_certificates(&self) -> Vec<(Volume, VolumeMount)> {
        let one = |(listener, tls): (&Listener, &ListenerTls)| {
            let path = format!("{}/{}", paths::LISTENER_TLS, listener.name);
            let place = tls
                .certificate_secret_ref
                .as_ref()
                .map_or_else(|| certificates::listener(&self.names, &listener.name), |secret| Place::whole(&secret.name));
            pod::secret(&format!("tls-{}", listener.name), &place.secret, place.pair(), &path)
        };
        self.listeners.iter().filter_map(|listener| Some((listener, listener.tls.as_ref()?))).map(one).collect()
    }

    /// The volume of one broker. Its template can never change, its labels included: what every operator of ours has put on it stays on it.
    fn claim(&self) -> PersistentVolumeClaim {
        let storage = self.cluster.spec.storage.as_ref();
        let size = storage.map_or_else(|| "20Gi".into(), |storage| storage.size.to_string());
        PersistentVolumeClaim {
            metadata: ObjectMeta { name: Some("data".into()), labels: Some(self.labelled.labels.clone()), ..ObjectMeta::default() },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec!["ReadWriteOncePod".into()]),
                storage_class_name: storage.and_then(|storage| storage.storage_class_name.clone()),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size))])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        }
    }
}

/// Ports that are not a listener's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) control: i32,
    pub(crate) health: i32,
}

impl Ports {
    pub(crate) const USUAL: Self = Self { control: 9095, health: 9090 };
}

/// The usual ports, or the next ones that no listener has taken.
pub(crate) fn ports(listeners: &[Listener]) -> Ports {
    let is_free = |port: i32| listeners.iter().all(|listener| listener.port != port);
    let control = (Ports::USUAL.control..).find(|port| is_free(*port)).expect("there are more ports than listeners");
    let health = (Ports::USUAL.health..).find(|port| is_free(*port) && *port != control).expect("there are more ports than listeners");
    Ports { control, health }
}

/// The listeners, or the one that a Cluster has without any.
pub(crate) fn listeners(spec: &ClusterSpec) -> Vec<Listener> {
    spec.listeners.clone().unwrap_or_else(|| {
        vec![Listener {
            name: "internal".into(),
            listener_type: ListenerType::Internal,
            port: 9092,
            tls: None,
            advertised_host: None,
            allowed_source_ranges: None,
        }]
    })
}

pub(crate) fn has_low_port(listeners: &[Listener]) -> bool {
    listeners.iter().any(|listener| listener.port < 1024)
}

/// Name of a listener's port in a pod: a port's name has at most 15 letters, a listener's 20.
pub(crate) fn kafka_port(listener: &Listener) -> String {
    format!("kafka-{}", listener.port)
}

pub(crate) fn names(cluster: &Cluster) -> ClusterNames {
    let metadata = object_ref(&cluster.metadata);
    ClusterNames::new(&metadata.namespace, &metadata.name)
}

pub(crate) fn everywhere(port: i32) -> String {
    format!("0.0.0.0:{port}")
}

pub(crate) fn object_ref(metadata: &ObjectMeta) -> ObjectRef {
    ObjectRef { namespace: metadata.namespace.clone().unwrap_or_else(|| "default".into()), name: metadata.name.clone().unwrap_or_default() }
}

/// Metadata of an object that goes when its owner goes.
pub(crate) fn owned(name: String, owner: &ObjectMeta, kind: &str, labels: Labels) -> ObjectMeta {
    let reference = |uid: &String| OwnerReference {
        api_version: format!("{}/{}", crds::GROUP, crds::VERSION),
        kind: kind.into(),
        name: owner.name.clone().unwrap_or_default(),
        uid: uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    ObjectMeta {
        name: Some(name),
        namespace: Some(object_ref(owner).namespace),
        labels: Some(labels),
        owner_references: owner.uid.as_ref().map(|uid| vec![reference(uid)]),
        ..ObjectMeta::default()
    }
}
