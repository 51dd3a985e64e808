//! A Pipeline: the objects that carry its pods.

use control::Life;
use crds::{
    Cluster, Pipeline,
    cluster::{Listener, ListenerType},
};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use std::collections::BTreeMap;

use super::{
    ClusterNames, Objects, PipelineInputs, PipelineNames,
    cluster::{Ports, everywhere, listeners, object_ref, owned},
    config::{Endpoint, HealthEndpoint, KafkaSection, PipelineConfig, paths, yaml},
    labels::Labelled,
    network, pod,
    pod::PodShape,
    roll_hash::pipeline_roll_hash,
    services,
    stateful_set::{self, SetShape},
    store::StoreAccess,
    version,
};
use crate::certificates;

/// A last commit takes seconds; a pod that takes longer is killed, and the log fences what it left open.
const GRACE_SECONDS: i64 = 30;
/// What Kubernetes takes as a ConfigMap is 1 MiB; the other files and the metadata need less than 16 KiB of it.
const DESIRED_BYTES_MAX: usize = (1 << 20) - (16 << 10);

/// What the pods are told does not fit into a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the query and the schemas of its {tables} tables are {bytes} bytes, more than the {DESIRED_BYTES_MAX} that fit into a ConfigMap: use fewer or narrower tables"
)]
pub struct TooLarge {
    /// Size of the desired state as JSON.
    pub bytes: usize,
    /// Number of tables in it.
    pub tables: usize,
}

/// How many pods a Pipeline has now: none while it shall not run or has finished. Taking the pods away is a request to each for a last
/// commit; what becomes of the state is decided before (`life`), not here.
#[must_use]
pub fn pods_wanted(life: Life, replicas: u32, is_finished: bool) -> i32 {
    if life == Life::Run && !is_finished { i32::try_from(replicas).unwrap_or(i32::MAX) } else { 0 }
}

/// The objects of a Pipeline.
///
/// # Errors
/// [`TooLarge`] where the query and its schemas do not fit into a ConfigMap.
pub fn pipeline(pipeline: &Pipeline, inputs: &PipelineInputs) -> Result<Objects, TooLarge> {
    let built = Built::new(pipeline, inputs);
    let config_map = built.config_map()?;
    let mut objects = Objects::default();
    if pipeline.spec.pod.as_ref().and_then(|pod| pod.service_account_name.as_ref()).is_none() {
        objects.push(ServiceAccount {
            metadata: built.metadata(),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        });
    }
    objects.push(config_map);
    let selector = built.labelled.selector.clone();
    objects.push(network::of_pipeline(built.metadata(), selector, &inputs.operator.namespace, &inputs.cluster, built.store()));
    objects.push(stateful_set::disruption_budget(built.metadata(), &built.labelled));
    let ports = built.ports().into_iter().map(|(name, port)| services::port(name, port)).collect();
    objects.push(services::headless(built.metadata(), &built.labelled.selector, ports));
    objects.push(built.stateful_set());
    Ok(objects)
}

struct Built<'a> {
    pipeline: &'a Pipeline,
    inputs: &'a PipelineInputs,
    names: PipelineNames,
    labelled: Labelled,
    kafka: KafkaSection,
}

impl<'a> Built<'a> {
    fn new(pipeline: &'a Pipeline, inputs: &'a PipelineInputs) -> Self {
        let object = object_ref(&pipeline.metadata);
        Self {
            pipeline,
            inputs,
            names: PipelineNames::new(&object.namespace, &object.name),
            labelled: Labelled::of_pipeline(&object.name),
            kafka: kafka(&inputs.cluster),
        }
    }

    fn metadata(&self) -> crds::ObjectMeta {
        owned(self.names.stateful_set(), &self.pipeline.metadata, "Pipeline", self.labelled.labels.clone())
    }

    fn store(&self) -> Option<StoreAccess<'a>> {
        store_access(self.pipeline, &self.inputs.cluster)
    }

    fn ports(&self) -> Vec<(String, i32)> {
        vec![("control".into(), Ports::USUAL.control), ("health".into(), Ports::USUAL.health)]
    }

    fn config_map(&self) -> Result<ConfigMap, TooLarge> {
        let config = PipelineConfig {
            pipeline: object_ref(&self.pipeline.metadata),
            kafka: self.kafka.clone(),
            control: Endpoint { bind: everywhere(Ports::USUAL.control), tls_dir: paths::CONTROL_TLS.into() },
            health: HealthEndpoint { bind: everywhere(Ports::USUAL.health) },
            desired: format!("{}/desired.json", paths::CONFIG),
            scratch_dir: paths::DATA.into(),
            object_store: self.store().map(|store| store.section()),
        };
        let desired = serde_json::to_string(&self.inputs.desired).expect("plain data with text as keys");
        if desired.len() > DESIRED_BYTES_MAX {
            return Err(TooLarge { bytes: desired.len(), tables: self.inputs.desired.tables.len() });
        }
        let mut data = BTreeMap::from([("pipeline.yaml".to_owned(), yaml(&config)), ("desired.json".to_owned(), desired)]);
        if self.kafka.ca_dir.is_some() {
            data.insert("ca.crt".into(), self.inputs.authorities.clone());
        }
        Ok(ConfigMap { metadata: self.metadata(), data: Some(data), ..ConfigMap::default() })
    }

    fn stateful_set(&self) -> k8s_openapi::api::apps::v1::StatefulSet {
        let spec = &self.pipeline.spec;
        let recorded = self.pipeline.status.as_ref().and_then(|status| status.version.as_deref());
        let operator = &self.inputs.operator;
        let config_map = self.names.stateful_set();
        let mut volumes = vec![pod::empty_dir("scratch", paths::DATA, None)];
        if self.kafka.ca_dir.is_some() {
            volumes.push(pod::config_map("authorities", &config_map, &["ca.crt"], paths::AUTHORITIES));
        }
        let shape = PodShape {
            role: "pipeline",
            image: pod::image(&operator.image, version(spec.version.as_ref(), recorded, operator)),
            config_files: &["pipeline.yaml", "desired.json"],
            config_map,
            service_account: self.names.stateful_set(),
            labelled: &self.labelled,
            roll_hash: pipeline_roll_hash(self.pipeline, self.inputs),
            users: spec.pod.as_ref(),
            resources: pod::resources("250m", "512Mi", "1Gi"),
            ports: self.ports(),
            health_port: Ports::USUAL.health,
            grace_seconds: GRACE_SECONDS,
            control_certificate: certificates::pipeline_control(&self.names),
            store_credentials: self.store().and_then(|store| store.credentials).map(|secret| secret.name.clone()),
            volumes,
            claims: Vec::new(),
            low_ports: false,
        };
        let desired = &self.inputs.desired;
        stateful_set::stateful_set(SetShape {
            metadata: self.metadata(),
            labelled: &self.labelled,
            service: self.names.stateful_set(),
            replicas: pods_wanted(desired.life, desired.replicas, self.inputs.is_finished),
            template: shape.template(),
            claims: Vec::new(),
        })
    }
}

/// The Cluster's object store as a Pipeline may use it: by its own Secret; else by the Cluster's, in the Cluster's namespace alone; else by
/// its own identity.
pub(crate) fn store_access<'a>(pipeline: &'a Pipeline, cluster: &'a Cluster) -> Option<StoreAccess<'a>> {
    let s3 = &cluster.spec.object_store.as_ref()?.s3;
    let is_at_home = object_ref(&pipeline.metadata).namespace == object_ref(&cluster.metadata).namespace;
    let clusters = s3.credentials_secret_ref.as_ref().filter(|_| is_at_home);
    Some(StoreAccess { s3, credentials: pipeline.spec.store_credentials_secret_ref.as_ref().or(clusters) })
}

/// How pods inside reach the brokers: by a listener of type Internal where there is one; without TLS, else with a certificate of the
/// operator's own, which is vouched for by what the pods are given, else with the user's.
pub(crate) fn kafka(cluster: &Cluster) -> KafkaSection {
    if let Some(external) = &cluster.spec.external {
        return KafkaSection { bootstrap_servers: external.bootstrap_servers.join(","), ca_dir: None };
    }
    let object = object_ref(&cluster.metadata);
    let mut listeners = listeners(&cluster.spec);
    let is_users = |listener: &Listener| listener.tls.as_ref().is_some_and(|tls| tls.certificate_secret_ref.is_some());
    listeners.sort_by_key(|one| (one.listener_type != ListenerType::Internal, is_users(one), one.tls.is_some()));
    let listener = listeners.first().expect("a Cluster has a listener");
    let host = ClusterNames::new(&object.namespace, &object.name).bootstrap_host();
    KafkaSection {
        bootstrap_servers: format!("{host}:{}", listener.port),
        ca_dir: listener.tls.as_ref().map(|_| paths::AUTHORITIES.into()),
    }
}
