//! The pod of a broker or a Pipeline: `restricted` pod security, no token, a read-only root, spread over zones and nodes.

use crds::pod::{Pod, Resources, TaintEffect, TolerationOperator};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
        KeyToPath, LocalObjectReference, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
        SeccompProfile, SecretVolumeSource, SecurityContext, Sysctl, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use std::collections::BTreeMap;

use super::{
    config::paths,
    labels::{Labelled, ROLL_HASH, matching},
};
use crate::certificates::Place;

/// The user and group that every process of ours runs as; distroless images call it `nonroot`.
const NOBODY: i64 = 65_532;
/// Mode of mounted Secrets: read by the pod's group, which is ours alone.
const SECRET_MODE: i32 = 0o440;

/// What differs between the pods of a broker and of a Pipeline.
pub(crate) struct PodShape<'a> {
    /// Name of the container, and the program's subcommand.
    pub(crate) role: &'static str,
    pub(crate) image: String,
    /// Files of the ConfigMap that are mounted; the program reads the first.
    pub(crate) config_files: &'static [&'static str],
    pub(crate) config_map: String,
    pub(crate) service_account: String,
    pub(crate) labelled: &'a Labelled,
    pub(crate) roll_hash: String,
    pub(crate) users: Option<&'a Pod>,
    /// Requests and limits where the user gives none.
    pub(crate) resources: ResourceRequirements,
    pub(crate) ports: Vec<(String, i32)>,
    pub(crate) health_port: i32,
    pub(crate) grace_seconds: i64,
    pub(crate) control_certificate: Place,
    pub(crate) store_credentials: Option<String>,
    /// Volumes beside those of every pod.
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    /// Mounts of volumes that the StatefulSet makes.
    pub(crate) claims: Vec<VolumeMount>,
    /// Whether ports below 1024 are listened on.
    pub(crate) low_ports: bool,
}

impl PodShape<'_> {
    pub(crate) fn template(self) -> PodTemplateSpec {
        let mut annotations = self.users.map(|pod| pod.annotations.clone()).unwrap_or_default();
        annotations.insert(ROLL_HASH.into(), self.roll_hash.clone());
        let metadata = ObjectMeta {
            labels: Some(self.labelled.of_pods(self.users.map(|pod| &pod.labels))),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        };
        PodTemplateSpec { metadata: Some(metadata), spec: Some(self.spec()) }
    }

    fn spec(self) -> PodSpec {
        let users = self.users.cloned().unwrap_or_default();
        let mut mounted = vec![
            config_map("config", &self.config_map, self.config_files, paths::CONFIG),
            secret("control-tls", &self.control_certificate.secret, self.control_certificate.items(), paths::CONTROL_TLS),
            empty_dir("tmp", paths::SCRATCH, Some("64Mi")),
        ];
        if let Some(name) = &self.store_credentials {
            mounted.push(secret("store-credentials", name, Vec::new(), paths::CREDENTIALS));
        }
        mounted.extend(self.volumes);
        let (volumes, mut mounts): (Vec<_>, Vec<_>) = mounted.into_iter().unzip();
        mounts.extend(self.claims);
        let container = Container {
            name: self.role.into(),
            image: Some(self.image),
            image_pull_policy: Some("IfNotPresent".into()),
            // By name: the image holds the operator as well, and its entry point is nothing to rely on.
            command: Some(vec!["streamwright".into()]),
            args: Some(vec![self.role.into(), "--config".into(), format!("{}/{}", paths::CONFIG, self.config_files[0])]),
            env: Some(vec![field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")]),
            ports: Some(self.ports.into_iter().map(|(name, port)| container_port(name, port)).collect()),
            resources: Some(users.resources.as_ref().map_or(self.resources, requirements)),
            liveness_probe: Some(probe("/livez", self.health_port, 20, 6)),
            readiness_probe: Some(probe("/readyz", self.health_port, 5, 2)),
            security_context: Some(container_security()),
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            volume_mounts: Some(mounts),
            ..Container::default()
        };
        PodSpec {
            automount_service_account_token: Some(false),
            containers: vec![container],
            enable_service_links: Some(false),
            image_pull_secrets: some(
                users.image_pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() }).collect(),
            ),
            node_selector: (!users.node_selector.is_empty()).then_some(users.node_selector),
            priority_class_name: users.priority_class_name,
            security_context: Some(pod_security(self.low_ports)),
            service_account_name: Some(users.service_account_name.unwrap_or(self.service_account)),
            termination_grace_period_seconds: Some(self.grace_seconds),
            tolerations: some(users.tolerations.iter().map(toleration).collect()),
            topology_spread_constraints: Some(
                ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(|key| spread(key, self.labelled)).into(),
            ),
            volumes: Some(volumes),
            ..PodSpec::default()
        }
    }
}

/// The image of a version.
pub(crate) fn image(repository: &str, version: &str) -> String {
    format!("{repository}:{version}")
}

/// Requests of `cpu` and `memory`, and a limit on memory.
pub(crate) fn resources(cpu: &str, memory: &str, memory_limit: &str) -> ResourceRequirements {
    let of =
        |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect());
    ResourceRequirements {
        requests: of(&[("cpu", cpu), ("memory", memory)]),
        limits: of(&[("memory", memory_limit)]),
        ..ResourceRequirements::default()
    }
}

fn requirements(users: &Resources) -> ResourceRequirements {
    let of = |amounts: &BTreeMap<String, crds::pod::Amount>| {
        (!amounts.is_empty()).then(|| amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.0.clone()))).collect())
    };
    ResourceRequirements { requests: of(&users.requests), limits: of(&users.limits), ..ResourceRequirements::default() }
}

fn pod_security(low_ports: bool) -> PodSecurityContext {
    // One of the few sysctls that `restricted` allows: without it only root may listen below 1024.
    let unprivileged = Sysctl { name: "net.ipv4.ip_unprivileged_port_start".into(), value: "0".into() };
    PodSecurityContext {
        fs_group: Some(NOBODY),
        fs_group_change_policy: Some("OnRootMismatch".into()),
        run_as_group: Some(NOBODY),
        run_as_non_root: Some(true),
        run_as_user: Some(NOBODY),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        sysctls: low_ports.then(|| vec![unprivileged]),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        ..SecurityContext::default()
    }
}

fn probe(path: &str, port: i32, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction { path: Some(path.into()), port: IntOrString::Int(port), ..HTTPGetAction::default() }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

fn spread(key: &str, labelled: &Labelled) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        label_selector: Some(matching(labelled.selector.clone())),
        max_skew: 1,
        topology_key: key.into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        ..TopologySpreadConstraint::default()
    }
}

fn toleration(users: &crds::pod::Toleration) -> Toleration {
    Toleration {
        key: users.key.clone(),
        operator: users.operator.map(|operator| match operator {
            TolerationOperator::Exists => "Exists".into(),
            TolerationOperator::Equal => "Equal".into(),
        }),
        value: users.value.clone(),
        effect: users.effect.map(|effect| match effect {
            TaintEffect::NoSchedule => "NoSchedule".into(),
            TaintEffect::PreferNoSchedule => "PreferNoSchedule".into(),
            TaintEffect::NoExecute => "NoExecute".into(),
        }),
        toleration_seconds: users.toleration_seconds,
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = ObjectFieldSelector { api_version: Some("v1".into()), field_path: path.into() };
    EnvVar { name: name.into(), value_from: Some(EnvVarSource { field_ref: Some(source), ..EnvVarSource::default() }), ..EnvVar::default() }
}

fn container_port(name: String, port: i32) -> ContainerPort {
    ContainerPort { name: Some(name), container_port: port, protocol: Some("TCP".into()), ..ContainerPort::default() }
}

/// The keys of a ConfigMap, mounted as files that change with it.
pub(crate) fn config_map(volume: &str, name: &str, keys: &[&str], path: &str) -> (Volume, VolumeMount) {
    let source = ConfigMapVolumeSource {
        name: name.into(),
        default_mode: Some(0o444),
        items: Some(keys.iter().map(|key| item(key, key)).collect()),
        ..ConfigMapVolumeSource::default()
    };
    (Volume { name: volume.into(), config_map: Some(source), ..Volume::default() }, mount(volume, path, true))
}

/// A Secret, mounted as files that change with it: all its keys where `items` is empty.
pub(crate) fn secret(volume: &str, name: &str, items: Vec<KeyToPath>, path: &str) -> (Volume, VolumeMount) {
    let source = SecretVolumeSource {
        secret_name: Some(name.into()),
        default_mode: Some(SECRET_MODE),
        items: some(items),
        ..SecretVolumeSource::default()
    };
    (Volume { name: volume.into(), secret: Some(source), ..Volume::default() }, mount(volume, path, true))
}

/// A folder that lives as long as the pod.
pub(crate) fn empty_dir(volume: &str, path: &str, size_limit: Option<&str>) -> (Volume, VolumeMount) {
    let source = EmptyDirVolumeSource { size_limit: size_limit.map(|size| Quantity(size.into())), ..EmptyDirVolumeSource::default() };
    (Volume { name: volume.into(), empty_dir: Some(source), ..Volume::default() }, mount(volume, path, false))
}

pub(crate) fn mount(volume: &str, path: &str, is_read_only: bool) -> VolumeMount {
    VolumeMount { name: volume.into(), mount_path: path.into(), read_only: is_read_only.then_some(true), ..VolumeMount::default() }
}

pub(crate) fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath { key: key.into(), path: path.into(), mode: None }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
