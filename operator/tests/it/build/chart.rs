//! The chart as it renders (`charts/streamwright/test` holds the golden files against the templates): rights, pod security, definitions.

use crds::definition;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodSpec, rbac::v1::PolicyRule};
use operator::certificates::{SECRETS, authority};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fs, path::PathBuf};

use super::{kit, restricted::restricted};

fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/streamwright")
}

/// All renderings: the name of the values, and the objects.
fn renderings() -> Vec<(String, Vec<Value>)> {
    let one = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).expect("a rendering is text");
        let objects = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).expect("YAML"));
        (entry.file_name().to_string_lossy().into_owned(), objects.filter(|object| !object.is_null()).collect())
    };
    let list: Vec<_> = fs::read_dir(chart().join("tests/golden")).expect("renderings").map(|entry| one(entry.expect("a file"))).collect();
    assert!(list.len() >= 3, "renderings are missing");
    list
}

fn of_kind<T: DeserializeOwned>(objects: &[Value], kind: &str, field: &str) -> Vec<T> {
    let found = objects.iter().filter(|object| object["kind"] == kind);
    found.map(|object| serde_json::from_value(object.pointer(field).expect(field).clone()).expect(kind)).collect()
}

fn rules(objects: &[Value]) -> Vec<PolicyRule> {
    ["ClusterRole", "Role"].iter().flat_map(|kind| of_kind::<Vec<PolicyRule>>(objects, kind, "/rules")).flatten().collect()
}

#[test]
fn the_operator_may_not_read_secrets_but_those_that_it_makes() {
    for (name, objects) in renderings() {
        let mut seen = Vec::new();
        for rule in
            rules(&objects).into_iter().filter(|rule| rule.resources.iter().flatten().any(|resource| resource.starts_with("secrets")))
        {
            // With names, a list or watch is allowed for one of them at a time (`fieldSelector: metadata.name=…`).
            let names = rule.resource_names.expect("by name only");
            assert!(!names.is_empty(), "{name}: no name means every name");
            seen.extend(names);
        }
        seen.sort();
        seen.dedup();
        let mut wanted: Vec<_> = SECRETS.iter().map(|name| (*name).to_owned()).chain([authority::SECRET.to_owned()]).collect();
        wanted.sort();
        assert_eq!(seen, wanted, "{name}: the Secrets that the code uses");
    }
}

#[test]
fn rights_hold_no_wildcards_and_none_that_give_other_rights() {
    for (name, objects) in renderings() {
        for rule in rules(&objects) {
            let words: Vec<_> = rule.api_groups.iter().chain(&rule.resources).flatten().chain(&rule.verbs).collect();
            let forbidden = |word: &&&String| {
                word.contains('*')
                    || ["escalate", "bind", "impersonate", "pods/exec", "pods/attach", "serviceaccounts/token"].contains(&word.as_str())
            };
            assert_eq!(words.iter().find(forbidden), None, "{name}: {rule:?}");
        }
    }
}

#[test]
fn every_kind_that_is_built_may_be_applied_and_deleted() {
    let built = kit::build_all(include_str!("cases/pipeline.yaml"));
    for (name, objects) in renderings() {
        let rules = rules(&objects);
        for object in &built.0 {
            let value = object.to_value();
            let (group, _) = value["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
            let resource = match object.kind() {
                "NetworkPolicy" => "networkpolicies".to_owned(),
                kind => format!("{}s", kind.to_lowercase()),
            };
            for verb in ["get", "list", "watch", "create", "patch", "delete"] {
                let has = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|one| one == word);
                let is_allowed = rules.iter().any(|rule| {
                    has(&rule.api_groups, group) && has(&rule.resources, &resource) && rule.verbs.iter().any(|one| one == verb)
                });
                assert!(is_allowed, "{name}: the operator may not {verb} {resource}");
            }
        }
    }
}

#[test]
fn in_a_few_namespaces_there_is_no_right_beyond_them() {
    let (_, objects) = renderings().into_iter().find(|(name, _)| name == "namespaced.yaml").expect("namespaced.yaml");
    let clusterwide: Vec<_> =
        objects.iter().filter(|object| object["metadata"]["namespace"].is_null()).map(|object| &object["kind"]).collect();
    assert!(clusterwide.is_empty(), "{clusterwide:?}");
    for namespace in ["tenant-a", "tenant-b"] {
        assert!(objects.iter().any(|object| object["kind"] == "Role" && object["metadata"]["namespace"] == namespace), "{namespace}");
    }
}

#[test]
fn pods_of_the_chart_meet_the_standard_and_are_those_that_policies_let_in() {
    for (name, objects) in renderings() {
        let deployments: Vec<Deployment> = of_kind(&objects, "Deployment", "");
        let template = deployments[0].spec.clone().unwrap().template;
        assert_eq!(restricted(template.spec.as_ref().unwrap()), Vec::<String>::new(), "{name}");
        let tests: Vec<PodSpec> = of_kind(&objects, "Pod", "/spec");
        assert_eq!(tests.len(), 1, "{name}: there is one pod for `helm test`");
        assert_eq!(restricted(&tests[0]), Vec::<String>::new(), "{name}: helm test");
        let labels = template.metadata.unwrap().labels.unwrap();
        let policy =
            kit::build_all(include_str!("cases/first.yaml")).0.iter().find(|object| object.kind() == "NetworkPolicy").unwrap().to_value();
        let peers: Vec<_> =
            policy["spec"]["ingress"].as_array().unwrap().iter().map(|rule| &rule["from"][0]["podSelector"]["matchLabels"]).collect();
        let lets_in = |peer: &&&Value| {
            peer.as_object().is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str()))
        };
        assert_eq!(peers.iter().filter(lets_in).count(), 1, "{name}: one rule, that of control, names the operator's pods: {peers:?}");
    }
}

#[test]
fn the_definitions_of_the_chart_are_those_of_the_types_and_stay_for_ever() {
    for (name, text) in definition::files() {
        let kept = text.replacen("metadata:\n", "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n", 1);
        assert_ne!(kept, text);
        let path = chart().join("files/crds").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &kept).expect("the chart can be written");
        }
        assert!(fs::read_to_string(&path).unwrap_or_default() == kept, "{} is stale: run with UPDATE_GOLDEN=1", path.display());
    }
}
