//! LIKE with a constant pattern. The standard has no escape character unless one is named; the kernel's is the backslash.

use sqlparser::ast::{Expr, Value, ValueWithSpan};

use super::Lowerer;
use crate::error::PlanError;
use crate::scalar::{Kind, Scalar, fold};
use datafusion_common::ScalarValue;

const PATTERN_CHARS_MAX: usize = 1_000;

impl Lowerer<'_> {
    pub(super) fn like(&self, negated: bool, operand: &Expr, pattern: &Expr, escape: Option<&ValueWithSpan>) -> Result<Scalar, PlanError> {
        let operand_scalar = self.lower(operand)?;
        let operand_scalar = self.text_operand(operand_scalar, operand, "LIKE")?;
        let constant = self.lower(pattern)?;
        let Some(ScalarValue::Utf8(Some(text))) = constant.as_literal() else {
            return Err(self
                .error(pattern, "the pattern of LIKE is a constant text")
                .hint("use POSITION, STARTSWITH or ENDSWITH for a column"));
        };
        let escape = match escape.map(|escape| &escape.value) {
            None => None,
            Some(Value::SingleQuotedString(text)) if text.chars().count() == 1 => text.chars().next(),
            Some(_) => return Err(self.error(pattern, "ESCAPE takes one character").hint("write LIKE '50!%' ESCAPE '!'")),
        };
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(self
                .error(pattern, format!("the pattern is longer than {PATTERN_CHARS_MAX} characters"))
                .hint("write several LIKE with AND or OR"));
        }
        let pattern_text = escaped(text, escape).ok_or_else(|| {
            self.error(pattern, "the escape character stands before something other than %, _ and itself")
                .hint("double it where it stands for itself")
        })?;
        let nullable = operand_scalar.nullable;
        let probe = Kind::Like { operand: Box::new(Scalar::literal(ScalarValue::from(""))), pattern: pattern_text.clone(), negated };
        fold(Scalar::boolean(probe, false), self.at(pattern))?;
        fold(Scalar::boolean(Kind::Like { operand: Box::new(operand_scalar), pattern: pattern_text, negated }, nullable), self.at(pattern))
    }
}

/// The same pattern with the backslash as its escape character.
fn escaped(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut made = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if Some(char) == escape {
            let next = chars.next().filter(|next| ['%', '_'].contains(next) || Some(*next) == escape)?;
            if ['%', '_', '\\'].contains(&next) {
                made.push('\\');
            }
            made.push(next);
        } else {
            if char == '\\' {
                made.push('\\');
            }
            made.push(char);
        }
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn only_the_named_character_escapes() {
        assert_eq!(escaped("100\\%", None).as_deref(), Some("100\\\\%"));
        assert_eq!(escaped("100!%%", Some('!')).as_deref(), Some("100\\%%"));
        assert_eq!(escaped("a!!b", Some('!')).as_deref(), Some("a!b"));
        assert_eq!(escaped("a\\_b", Some('\\')).as_deref(), Some("a\\_b"));
        assert_eq!(escaped("a!b", Some('!')), None);
    }
}
