//! The rules in CEL (`x-kubernetes-validations`), evaluated as the API server does.

use kube_cel::{CompiledSchema, ErrorKind, compile_schema, validate_compiled};
use serde_json::Value;

use super::Violation;
use crate::FieldPath;

/// A schema's rules, compiled.
pub(super) struct Rules(CompiledSchema);

impl Rules {
    /// Compiles every rule of a schema.
    pub(super) fn compile(schema: &Value) -> Self {
        let compiled = compile_schema(schema);
        assert!(!compiled.has_errors(), "our own rules compile: {:?}", compiled.compilation_errors());
        Self(compiled)
    }

    /// Asks every rule; those that speak of `oldSelf` only where there is an old object.
    pub(super) fn check(&self, object: &Value, old: Option<&Value>, violations: &mut Vec<Violation>) {
        let failures = validate_compiled(&self.0, object, old).err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
        violations.extend(failures.into_iter().map(|failure| Violation {
            path: FieldPath::parse(&failure.field_path),
            message: if failure.kind == ErrorKind::ValidationFailure {
                failure.message
            } else {
                format!("the rule {:?} cannot be asked of this value: {}", failure.rule, failure.message)
            },
            is_about_name: false,
        }));
    }
}
