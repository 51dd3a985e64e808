//! Functions of texts that have a syntax or constants of their own.

use arrow::datatypes::DataType;
use sqlparser::ast::{Expr, TrimWhereField};

use super::Lowerer;
use super::functions::LENGTH_MAX;
use crate::error::PlanError;
use crate::kernel::{Kernel, Side};
use crate::scalar::{Scalar, fold};

impl Lowerer<'_> {
    pub(super) fn position_of(&self, part: &Expr, whole: &Expr) -> Result<Scalar, PlanError> {
        let text = |argument: &Expr| self.lower(argument).and_then(|scalar| self.text_operand(scalar, argument, "POSITION"));
        fold(Scalar::call(Kernel::Position, vec![text(part)?, text(whole)?], DataType::Int32), self.at(part))
    }

    pub(super) fn substring(&self, whole: &Expr, operand: &Expr, from: Option<&Expr>, length: Option<&Expr>) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let scalar = self.text_operand(scalar, operand, "SUBSTRING")?;
        let start = match from {
            None => 1,
            Some(from) => match self.constant_integer(from, "the position in SUBSTRING is a constant whole number")? {
                start @ 1..=LENGTH_MAX => usize::try_from(start).expect("a small number"),
                _ => {
                    let message = format!("SUBSTRING counts characters from 1, and to {LENGTH_MAX} at most");
                    return Err(self.error(from, message).hint("write RIGHT(s, n) for the last characters"));
                }
            },
        };
        let length = length.map(|length| self.length(length, "SUBSTRING")).transpose()?;
        fold(Scalar::call(Kernel::Substring { start, length }, vec![scalar], DataType::Utf8), self.at(whole))
    }

    pub(super) fn trim(&self, side: Option<&TrimWhereField>, what: Option<&Expr>, operand: &Expr) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let scalar = self.text_operand(scalar, operand, "TRIM")?;
        let side = match side {
            None | Some(TrimWhereField::Both) => Side::Both,
            Some(TrimWhereField::Leading) => Side::Leading,
            Some(TrimWhereField::Trailing) => Side::Trailing,
        };
        let what_text = what.map_or(Ok(" ".to_owned()), |what| self.constant_text(what, "TRIM"))?;
        let mut characters = what_text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => fold(Scalar::call(Kernel::Trim { side, character }, vec![scalar], DataType::Utf8), self.at(operand)),
            _ => Err(self.error(what.unwrap_or(operand), "TRIM takes away one character").hint("write TRIM(BOTH 'x' FROM s)")),
        }
    }
}
