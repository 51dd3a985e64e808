//! The cases of `rules.yaml`. The workspace's tests of a real API server read them by this file too.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Kind;

/// A rule by its message, and two changes.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    pub kind: Kind,
    pub message: String,
    /// The field that the rejection names.
    pub path: String,
    /// A gate that also stands in the accepted one's way, until its feature lands.
    pub gated_by: Option<String>,
    pub accept: Change,
    pub reject: Change,
}

/// A spec, and the one before it; a new object has none.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub before: Option<Value>,
    pub after: Value,
}

/// A case of retention, wherever it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Retention {
    message: String,
    gated_by: Option<String>,
    accept: Change,
    reject: Change,
}

impl Retention {
    fn of_policy(&self) -> Case {
        let (message, gated_by) = (self.message.clone(), self.gated_by.clone());
        let (accept, reject) = (self.accept.clone(), self.reject.clone());
        Case { kind: Kind::RetentionPolicy, message, path: "spec".into(), gated_by, accept, reject }
    }

    fn of_topic(&self) -> Case {
        let spec = |retention: &Value| json!({"partitions": 1, "retention": retention});
        let change = |change: &Change| Change { before: change.before.as_ref().map(spec), after: spec(&change.after) };
        let (accept, reject) = (change(&self.accept), change(&self.reject));
        Case { kind: Kind::Topic, path: "spec.retention".into(), accept, reject, ..self.of_policy() }
    }
}

/// Every case.
pub fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        rules: Vec<Case>,
        retention: Vec<Retention>,
    }
    let File { mut rules, retention } = serde_yaml::from_str(include_str!("rules.yaml")).expect("rules.yaml holds cases");
    rules.extend(retention.iter().flat_map(|case| [case.of_policy(), case.of_topic()]));
    rules
}
