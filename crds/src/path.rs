//! Where in an object something is: `spec.schema.columns[2].type`.

use std::fmt;

/// One step down into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into a field of a mapping, or a key of a map.
    Field(String),
    /// Into an item of a list, from 0.
    Index(usize),
}

/// The way to a field from the object's root. Empty = the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

impl FieldPath {
    /// The object itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The field `name` in what this leads to.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.into()))
    }

    /// The item `index`, from 0, in what this leads to.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The steps from the root on.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Reads what [`FieldPath`] prints, for names of fields that are plain words: `spec.listeners[1].port`. Never fails; an odd name
    /// is taken as a field as it is.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (name, indexes) = part.find('[').map_or((part, ""), |at| part.split_at(at));
            if !name.is_empty() {
                steps.push(Step::Field(name.into()));
            }
            steps.extend(indexes.split(['[', ']']).filter_map(|index| index.parse().ok()).map(Step::Index));
        }
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Field(name) if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') => {
                    write!(f, "[{name:?}]")?
                }
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_people_write_them() {
        let path = FieldPath::root().field("spec").field("columns").index(2).field("type");
        assert_eq!(path.to_string(), "spec.columns[2].type");
        assert_eq!(FieldPath::parse("spec.columns[2].type"), path);
        assert_eq!(FieldPath::root().field("metadata").field("labels").field("a.b/c").to_string(), "metadata.labels[\"a.b/c\"]");
    }
}
