//! What of a status is to be written: what was decided at once, figures by their own manager and seldom.

use crds::Kind;
use desired::{Report, Status};
use serde_json::{Map, Value, json};

use crate::{
    note,
    resource::Key,
    write::{Lane, Work, Write, manager},
};

/// Fields of status that are figures. Everything else is decided.
fn telemetry_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Cluster => &["storage", "objectStore", "topics"],
        Kind::Topic => &["storage"],
        Kind::RetentionPolicy => &[],
        Kind::Pipeline => {
            &["lag", "lagSeconds", "watermark", "lastCommitTime", "lastCheckpointTime", "stateBytes", "lateRows", "deadLetters"]
        }
    }
}

fn fields(status: &Status) -> Map<String, Value> {
    let value = match status {
        Status::Cluster(status) => serde_json::to_value(status),
        Status::Topic(status) => serde_json::to_value(status),
        Status::RetentionPolicy(status) => serde_json::to_value(status),
        Status::Pipeline(status) => serde_json::to_value(status),
    };
    match value {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Decided fields, and figures.
fn split(kind: Kind, status: &Status) -> (Map<String, Value>, Map<String, Value>) {
    let figures = telemetry_fields(kind);
    fields(status).into_iter().partition(|(name, _)| !figures.contains(&name.as_str()))
}

/// What is to be written so that the object says what its report says.
pub(crate) fn works(about: &Key, uid: &str, present: &Status, report: &Report, may_write_figures: bool) -> Vec<Work> {
    if *present == report.status {
        return Vec::new();
    }
    let (decided_before, figures_before) = split(report.kind, present);
    let (decided, figures) = split(report.kind, &report.status);
    let mut works = Vec::new();
    if decided != decided_before {
        let mut writes = vec![apply(about, uid, manager::OBJECTS, decided)];
        writes.extend(note::news(about, uid, present, &report.status).into_iter().map(Write::Tell));
        works.push(Work { about: about.clone(), lane: Lane::Status, writes });
    }
    if figures != figures_before && may_write_figures {
        works.push(Work { about: about.clone(), lane: Lane::Telemetry, writes: vec![apply(about, uid, manager::TELEMETRY, figures)] });
    }
    works
}

fn apply(about: &Key, uid: &str, manager: &'static str, status: Map<String, Value>) -> Write {
    let body = json!({
        "apiVersion": about.resource.api_version(),
        "kind": about.resource.kind(),
        "metadata": {"name": about.name, "namespace": about.namespace, "uid": uid},
        "status": status,
    });
    Write::Apply { key: about.clone(), subresource: Some("status"), manager, body }
}
