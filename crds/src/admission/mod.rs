//! Does to a manifest what the API server does when it is applied, in the same order: unknown fields, nulls, defaults, types and bounds,
//! and at last the rules in CEL, against the object before where there is one. From the same schemas, so that a manifest that passes here
//! passes there.
//!
//! Two differences, both towards saying more: unknown fields are always refused (as `kubectl apply --validate=strict` does), and each
//! message says what to write instead. One limit: `oldSelf` in rules below a list pairs items by position; no rule of ours needs more.

mod defaults;
mod metadata;
mod nearest;
mod rules;
mod structure;

use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

use crate::{FieldPath, Kind, definition};

/// One reason why an object is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field; for an unknown one, its own path.
    pub path: FieldPath,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Whether it is the field's name that is wrong, rather than its value.
    pub is_about_name: bool,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Violation {
    fn value(path: &FieldPath, message: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into(), is_about_name: false }
    }

    fn name(path: &FieldPath, message: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into(), is_about_name: true }
    }
}

/// A kind's schema, ready for use: as data for structure, compiled for rules.
struct Gate {
    schema: Value,
    rules: rules::Rules,
}

static GATES: LazyLock<BTreeMap<Kind, Gate>> = LazyLock::new(|| {
    let gate = |kind: Kind| {
        let schema = definition::schema(kind);
        let rules = rules::Rules::compile(&schema);
        (kind, Gate { schema, rules })
    };
    Kind::ALL.iter().map(|kind| gate(*kind)).collect()
});

/// The object as the API server would store it: nulls gone, defaults filled in. `old` is the stored object of the same name, if any.
///
/// `status` is not the user's: what the manifest says there is dropped, and the old object's, or a newborn's, takes its place.
///
/// # Errors
/// Every violation found. Rules in CEL are only asked where types and bounds hold, as on the server.
pub fn admit(kind: Kind, mut object: Value, old: Option<&Value>) -> Result<Value, Vec<Violation>> {
    let gate = &GATES[&kind];
    let mut violations = Vec::new();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        fields.extend(old.and_then(|old| old.get("status")).map(|status| ("status".to_owned(), status.clone())));
    }
    metadata::check(&object, &mut violations);
    defaults::drop_nulls(&gate.schema, &mut object);
    defaults::fill(&gate.schema, &mut object);
    structure::check_root(&gate.schema, &object, &mut violations);
    if violations.is_empty() {
        gate.rules.check(&object, old, &mut violations);
    }
    if violations.is_empty() { Ok(object) } else { Err(violations) }
}
