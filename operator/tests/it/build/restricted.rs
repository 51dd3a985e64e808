//! The pod security standard `restricted`, control by control, as a function over a pod.
//! Source: Kubernetes documentation, "Pod Security Standards".

use k8s_openapi::api::core::v1::{Capabilities, Container, PodSpec, SeccompProfile, SecurityContext, Sysctl, Volume};

use super::kit;

/// Sysctls that the standard lets anybody set.
const SAFE_SYSCTLS: [&str; 9] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
];

/// Controls that a pod violates; and a read-only root, which we want beside them.
pub(crate) fn restricted(pod: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    check(![pod.host_network, pod.host_pid, pod.host_ipc].contains(&Some(true)), "host namespaces");
    for volume in pod.volumes.iter().flatten() {
        let allowed = volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.empty_dir.is_some()
            || volume.projected.is_some()
            || volume.persistent_volume_claim.is_some()
            || volume.downward_api.is_some()
            || volume.csi.is_some()
            || volume.ephemeral.is_some();
        check(allowed, "volume types");
    }
    let security = pod.security_context.clone().unwrap_or_default();
    check(security.sysctls.iter().flatten().all(|sysctl| SAFE_SYSCTLS.contains(&sysctl.name.as_str())), "sysctls");
    let seccomp = |profile: &Option<SeccompProfile>| {
        profile.as_ref().is_some_and(|profile| ["RuntimeDefault", "Localhost"].contains(&profile.type_.as_str()))
    };
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        let own = container.security_context.clone().unwrap_or_default();
        let capabilities = own.capabilities.clone().unwrap_or_default();
        check(own.privileged != Some(true), "privileged");
        check(own.allow_privilege_escalation == Some(false), "privilege escalation");
        check(capabilities.drop.iter().flatten().any(|name| name == "ALL"), "capabilities not dropped");
        check(capabilities.add.iter().flatten().all(|name| name == "NET_BIND_SERVICE"), "capabilities added");
        check(own.run_as_non_root.or(security.run_as_non_root) == Some(true), "runAsNonRoot");
        check(own.run_as_user.or(security.run_as_user) != Some(0), "runAsUser");
        check(seccomp(&own.seccomp_profile) || own.seccomp_profile.is_none() && seccomp(&security.seccomp_profile), "seccomp");
        check(container.ports.iter().flatten().all(|port| port.host_port.unwrap_or(0) == 0), "host ports");
        check(own.read_only_root_filesystem == Some(true), "read-only root");
    }
    found
}

fn pod() -> PodSpec {
    let objects = operator::build::cluster(&kit::cluster("{metadata: {name: main, namespace: n}, spec: {}}"), &kit::cluster_inputs());
    objects.stateful_set().unwrap().spec.clone().unwrap().template.spec.unwrap()
}

fn security(container: &mut Container) -> &mut SecurityContext {
    container.security_context.get_or_insert_default()
}

#[test]
fn a_broker_pod_meets_it_and_each_step_away_is_found() {
    assert_eq!(restricted(&pod()), Vec::<String>::new());
    type Step = fn(&mut PodSpec);
    let steps: [(&str, Step); 13] = [
        ("host namespaces", |pod| pod.host_network = Some(true)),
        ("volume types", |pod| pod.volumes.get_or_insert_default().push(Volume { name: "x".into(), ..Volume::default() })),
        ("sysctls", |pod| {
            let wide = Sysctl { name: "kernel.msgmax".into(), value: "1".into() };
            pod.security_context.get_or_insert_default().sysctls = Some(vec![wide]);
        }),
        ("privileged", |pod| security(&mut pod.containers[0]).privileged = Some(true)),
        ("privilege escalation", |pod| security(&mut pod.containers[0]).allow_privilege_escalation = None),
        ("capabilities not dropped", |pod| security(&mut pod.containers[0]).capabilities = None),
        ("capabilities added", |pod| {
            let all = Some(vec!["ALL".to_owned()]);
            security(&mut pod.containers[0]).capabilities = Some(Capabilities { add: Some(vec!["SYS_ADMIN".into()]), drop: all });
        }),
        ("runAsNonRoot", |pod| {
            pod.security_context.get_or_insert_default().run_as_non_root = None;
            security(&mut pod.containers[0]).run_as_non_root = None;
        }),
        ("runAsUser", |pod| security(&mut pod.containers[0]).run_as_user = Some(0)),
        ("seccomp", |pod| pod.security_context.get_or_insert_default().seccomp_profile = None),
        ("seccomp", |pod| {
            security(&mut pod.containers[0]).seccomp_profile = Some(SeccompProfile { type_: "Unconfined".into(), localhost_profile: None });
        }),
        ("host ports", |pod| pod.containers[0].ports.get_or_insert_default()[0].host_port = Some(9092)),
        ("read-only root", |pod| security(&mut pod.containers[0]).read_only_root_filesystem = None),
    ];
    for (what, step) in steps {
        let mut worse = pod();
        step(&mut worse);
        assert_eq!(restricted(&worse), [what], "{what}");
    }
}
