//! Finalizers: only where something must be done before an object may go, and gone as soon as it is done.

use serde_json::json;

use crate::{
    object::Object,
    resource::{Key, Resource},
    write::{Write, manager},
};

/// The finalizer of our kinds that have one.
pub const FINALIZER: &str = "streamwright.dev/finalizer";

/// Whether the object has it.
pub(crate) fn is_set(object: &Object) -> bool {
    object.finalizers.iter().any(|name| name == FINALIZER)
}

/// Sets it, or takes it away; held to this object, so that one that is gone is not made anew.
pub(crate) fn write(key: &Key, uid: &str, is_wanted: bool) -> Write {
    let mut body = json!({
        "apiVersion": key.resource.api_version(),
        "kind": key.resource.kind(),
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
    });
    if is_wanted {
        body["metadata"]["finalizers"] = json!([FINALIZER]);
    }
    Write::Apply { key: key.clone(), subresource: None, manager: manager::FINALIZERS, body }
}

/// Whether an object that is not on its way out shall have it: a Topic whose data goes with it, and every Pipeline.
pub(crate) fn is_wanted(resource: Resource, deletes_data: bool) -> bool {
    match resource {
        Resource::Pipeline => true,
        Resource::Topic => deletes_data,
        _ => false,
    }
}
