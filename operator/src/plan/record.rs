//! What was decided for a Pipeline, kept in a ConfigMap of its own.
//!
//! The record is the commit point of a decision: it is written first, held to the version that the decision rests on, and only what it says
//! is done. One object a Pipeline, since all in one would outgrow 1 MiB; a ConfigMap rather than an annotation, since a query alone may have
//! 128 KiB; apart from the pods' ConfigMap, since that one is derived from it. It goes with its Pipeline by owner reference.
//!
//! Brokers need no record: the number of their desired state goes on from the one they report, and applying the same state again is nothing.

use control::ObjectRef;
use crds::{ObjectMeta, Pipeline};
use desired::AppliedPipeline;
use serde_json::{Value, json};

use crate::{
    cache::Cache,
    object::{MANAGED_BY, Object},
    resource::{Key, Resource},
    write::{Write, manager},
};

const SUFFIX: &str = "-pipeline-record";
const LABEL: &str = "streamwright.dev/record";
const FILE: &str = "record.json";

/// The ConfigMap of a Pipeline's record.
pub(crate) fn key(pipeline: &ObjectRef) -> Key {
    Key::new(Resource::ConfigMap, pipeline.namespace.clone(), format!("{}{SUFFIX}", pipeline.name))
}

/// Whether an object is a record.
pub(crate) fn is_record(object: &Object) -> bool {
    object.key.resource == Resource::ConfigMap && object.labels.contains_key(LABEL)
}

/// What an object records; `None` where it is no record, or one that this program cannot read.
pub(crate) fn read(object: &Object) -> Option<AppliedPipeline> {
    let body = object.body();
    let text = body.pointer(&format!("/data/{FILE}")).and_then(Value::as_str)?;
    match serde_json::from_str(text) {
        Ok(applied) => Some(applied),
        Err(error) => {
            tracing::error!("{}: the record cannot be read: {error}", object.key);
            None
        }
    }
}

/// Records a decision: made anew where there is no record, else held to the version that was seen.
pub(crate) fn write(pipeline: &Pipeline, applied: &AppliedPipeline, cache: &Cache) -> Write {
    let key = key(&applied.desired.pipeline);
    let found = cache.get(&key);
    let text = serde_json::to_string(applied).unwrap_or_default();
    let mut body = json!({
        "apiVersion": key.resource.api_version(),
        "kind": key.resource.kind(),
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY.0: MANAGED_BY.1, LABEL: "pipeline", "streamwright.dev/pipeline": applied.desired.pipeline.name},
            "ownerReferences": [owner(&pipeline.metadata)],
        },
        "data": {FILE: text},
    });
    match found {
        None => Write::Create { key, manager: manager::OBJECTS, body },
        Some(found) => {
            body["metadata"]["uid"] = json!(found.uid);
            body["metadata"]["resourceVersion"] = json!(found.version.to_string());
            Write::Patch { key, manager: manager::OBJECTS, body }
        }
    }
}

fn owner(pipeline: &ObjectMeta) -> Value {
    json!({
        "apiVersion": Resource::Pipeline.api_version(),
        "kind": Resource::Pipeline.kind(),
        "name": pipeline.name,
        "uid": pipeline.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}
