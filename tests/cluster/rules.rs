//! Every rule in CEL on the real server, by the cases that our own admission passes too (`crds/tests/it/rules.yaml`); and both agree on defaults.

use crds::{Kind, admission, definition};
use serde_json::{Value, json};
use streamwright_tests::cluster::{Answer, Cluster};

use crate::{
    cases::{Case, Change, cases},
    definition_name, established, object, path, until, with_definitions_to_change,
};

/// Whether a rule is a gate: there only until what it stands before is served.
fn is_gate(message: &str) -> bool {
    message.contains("this version")
}

/// Takes the gates out of a schema.
fn open_gates(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(rules) = fields.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut) {
                rules.retain(|rule| !is_gate(rule["message"].as_str().expect("every rule has a sentence")));
            }
            if fields.get("x-kubernetes-validations").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                fields.remove("x-kubernetes-validations");
            }
            fields.values_mut().for_each(open_gates);
        }
        Value::Array(items) => items.iter_mut().for_each(open_gates),
        _ => {}
    }
}

/// Puts this definition in place of the stored one.
fn replace(cluster: &Cluster, kind: Kind, definition: &Value) {
    let at = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", definition_name(kind));
    until(|| {
        let mut stored = cluster.request("GET", &at, None).body;
        stored["spec"]["versions"] = definition["spec"]["versions"].clone();
        let answer = cluster.request("PUT", &at, Some(&stored));
        assert!(matches!(answer.code, 200 | 409), "{}", answer.body);
        (answer.code == 200).then_some(())
    });
}

/// An object that only a gate refuses.
fn gated(kind: Kind) -> Value {
    let spec = match kind {
        Kind::Cluster => json!({"replicas": 2}),
        Kind::Topic => json!({"partitions": 1, "durability": "Object"}),
        Kind::RetentionPolicy => json!({"cleanup": "Compact"}),
        Kind::Pipeline => json!({"query": "x", "replicas": 2}),
    };
    object(kind, "gated", &spec)
}

/// Installs every definition, with or without gates, and returns once the server asks by them.
fn install(cluster: &Cluster, namespace: &str, with_gates: bool) {
    for kind in Kind::ALL {
        let mut definition = definition::definition(*kind);
        if !with_gates {
            open_gates(&mut definition);
        }
        replace(cluster, *kind, &definition);
    }
    let expected = if with_gates { 422 } else { 201 };
    for kind in Kind::ALL {
        let at = format!("{}?dryRun=All", path(*kind, namespace));
        until(|| (cluster.request("POST", &at, Some(&gated(*kind))).code == expected).then_some(()));
    }
}

/// The stored objects that a case starts from: of the accepted change, and of the refused one.
struct Started {
    case: Case,
    accept: Option<Value>,
    reject: Option<Value>,
}

fn store(cluster: &Cluster, namespace: &str, kind: Kind, name: &str, change: &Change) -> Option<Value> {
    let before = change.before.as_ref()?;
    let answer = cluster.request("POST", &path(kind, namespace), Some(&object(kind, name, before)));
    assert_eq!(answer.code, 201, "{kind} {before}: {}", answer.body);
    Some(answer.body)
}

/// Asks the server about a change, and changes nothing.
fn ask(cluster: &Cluster, namespace: &str, kind: Kind, new: &Value, old: Option<&Value>) -> Answer {
    let at = path(kind, namespace);
    match old {
        None => cluster.request("POST", &format!("{at}?dryRun=All&fieldValidation=Strict"), Some(new)),
        Some(old) => {
            let mut new = new.clone();
            new["metadata"] = old["metadata"].clone();
            let name = old["metadata"]["name"].as_str().expect("a stored object has a name");
            cluster.request("PUT", &format!("{at}/{name}?dryRun=All&fieldValidation=Strict"), Some(&new))
        }
    }
}

/// What is wrong with how the server answers to a case; nothing where it answers as it should.
fn check(cluster: &Cluster, namespace: &str, Started { case, accept, reject }: &Started) -> Vec<String> {
    let mut wrong = Vec::new();
    let kind = case.kind;
    let named = |spec: &Value| object(kind, "new", spec);

    let new = named(&case.accept.after);
    let answer = ask(cluster, namespace, kind, &new, accept.as_ref());
    let is_its_gate = |message: &str| case.gated_by.as_ref().is_some_and(|gate| message.contains(gate));
    let others: Vec<_> = answer.causes().into_iter().filter(|(_, message)| !is_its_gate(message)).collect();
    let is_accepted = matches!(answer.code, 200 | 201) || (case.gated_by.is_some() && answer.code == 422 && others.is_empty());
    if !is_accepted {
        wrong.push(format!("{kind} {:?}: not accepted: {new}: {}", case.message, answer.body));
    }
    if matches!(answer.code, 200 | 201) {
        match admission::admit(kind, new, accept.as_ref()) {
            Ok(ours) if ours["spec"] == answer.body["spec"] => {}
            ours => wrong.push(format!("{kind} {:?}: ours {ours:?}, the server's {}", case.message, answer.body["spec"])),
        }
    }

    let new = named(&case.reject.after);
    let answer = ask(cluster, namespace, kind, &new, reject.as_ref());
    let is_named = |(field, message): (String, String)| field == case.path && message.ends_with(&case.message);
    if answer.code != 422 || !answer.causes().into_iter().any(is_named) {
        wrong.push(format!("{kind} {:?}: not rejected at {}: {new}: {} {}", case.message, case.path, answer.code, answer.body));
    }
    wrong
}

#[test]
fn the_server_accepts_and_rejects_every_case_and_agrees_with_our_own_admission() {
    let (cluster, _alone) = with_definitions_to_change();
    let _ = cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &format!("{}/../crds", env!("CARGO_MANIFEST_DIR"))]);
    established(&cluster);
    let namespace = cluster.namespace("rules");
    let name = namespace.name.as_str();

    // Some cases start from what a gate refuses: those objects are older than the gates here.
    install(&cluster, name, false);
    let start = |(index, case): (usize, Case)| {
        let accept = store(&cluster, name, case.kind, &format!("accept-{index}"), &case.accept);
        let reject = store(&cluster, name, case.kind, &format!("reject-{index}"), &case.reject);
        Started { case, accept, reject }
    };
    let started: Vec<_> = cases().into_iter().enumerate().map(start).collect();
    install(&cluster, name, true);

    let wrong: Vec<_> = started.iter().flat_map(|case| check(&cluster, name, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_clusters_and_pipelines_leave_room_for_those_of_their_parts() {
    let (cluster, _shared) = crate::with_definitions();
    for (kind, spec) in [(Kind::Cluster, json!({})), (Kind::Pipeline, json!({"query": "x"}))] {
        let ask = |length: usize| {
            let at = format!("{}?dryRun=All", path(kind, "default"));
            cluster.request("POST", &at, Some(&object(kind, &"a".repeat(length), &spec)))
        };
        assert_eq!(ask(40).code, 201, "{kind}");
        let refused = ask(41);
        assert!(
            refused.causes().iter().any(|(_, message)| message.ends_with("the name is longer than 40 characters")),
            "{kind}: {}",
            refused.body
        );
    }
}
