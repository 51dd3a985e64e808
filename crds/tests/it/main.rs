//! The gate that manifests pass, and the definitions it comes from.

mod cases;
mod definitions;
mod gate;
mod rules;

use serde_json::{Value, json};
use streamwright_crds::{Kind, admission, manifest};

/// An object of this kind with this spec (YAML), named `name`.
fn object(kind: Kind, name: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    object_of(kind, name, spec)
}

fn object_of(kind: Kind, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "streamwright.dev/v1alpha1", "kind": kind.as_str(), "metadata": {"name": name}, "spec": spec})
}

/// What is wrong with it, each as `path: message`; nothing where it is admitted.
fn violations(kind: Kind, new: &Value, old: Option<&Value>) -> Vec<String> {
    admission::admit(kind, new.clone(), old).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The same, of a spec in YAML.
fn of_spec(kind: Kind, spec: &str) -> Vec<String> {
    violations(kind, &object(kind, "x", spec), None)
}

/// The only document of a manifest.
fn document(text: &str) -> manifest::Document {
    manifest::read(text).remove(0).unwrap()
}
