//! An expression as SQL a person can read, with the names of its columns; implicit casts are left out.

use super::{Kind, Scalar, literal};
use crate::kernel::Kernel;
use crate::types;

impl Scalar {
    pub(crate) fn text(&self, name: &impl Fn(usize) -> String) -> String {
        let all = |operands: &[Self], between: &str| operands.iter().map(|operand| operand.operand(name)).collect::<Vec<_>>().join(between);
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match &self.kind {
            Kind::Column(index) => name(*index),
            Kind::Literal(value) => literal::text(value),
            Kind::Arithmetic { operator, left, right } => {
                format!("{} {} {}", left.operand(name), operator.sign(), right.operand(name))
            }
            Kind::Compare { operator, left, right } => format!("{} {} {}", left.operand(name), operator.sign(), right.operand(name)),
            Kind::Logic { all: true, operands } => all(operands, " AND "),
            Kind::Logic { all: false, operands } => all(operands, " OR "),
            Kind::Not(operand) => format!("NOT {}", operand.operand(name)),
            Kind::Negate(operand) => format!("-{}", operand.operand(name)),
            Kind::IsNull { operand, negated } => format!("{} IS {}NULL", operand.operand(name), not(*negated)),
            Kind::Concat(left, right) => format!("{} || {}", left.operand(name), right.operand(name)),
            Kind::Case { operand, branches, otherwise } => {
                let mut text = "CASE".to_owned();
                if let Some(operand) = operand {
                    text += &format!(" {}", operand.text(name));
                }
                for (when, then) in branches {
                    text += &format!(" WHEN {} THEN {}", when.text(name), then.text(name));
                }
                if let Some(otherwise) = otherwise {
                    text += &format!(" ELSE {}", otherwise.text(name));
                }
                text + " END"
            }
            Kind::InList { operand, values, negated } => {
                let values = values.iter().map(literal::text).collect::<Vec<_>>().join(", ");
                format!("{} {}IN ({values})", operand.operand(name), not(*negated))
            }
            Kind::Like { operand, pattern, negated } => {
                let pattern = pattern.replace('\'', "''");
                format!("{} {}LIKE '{pattern}' ESCAPE '\\'", operand.operand(name), not(*negated))
            }
            Kind::Cast { operand, implicit: true, .. } => operand.text(name),
            Kind::Cast { operand, safe, .. } => {
                let function = if *safe { "TRY_CAST" } else { "CAST" };
                format!("{function}({} AS {})", operand.text(name), types::name(&self.data_type))
            }
            Kind::Call { kernel: Kernel::ToText, arguments } => format!("CAST({} AS STRING)", arguments[0].text(name)),
            Kind::Call { kernel: Kernel::Coarsen, arguments } => {
                format!("CAST({} AS {})", arguments[0].text(name), types::name(&self.data_type))
            }
            Kind::Call { kernel: Kernel::Divide, arguments } => all(arguments, " / "),
            Kind::Call { kernel, arguments } => {
                format!("{}({})", kernel.name(), arguments.iter().map(|argument| argument.text(name)).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// In parentheses where it is an operator of its own.
    fn operand(&self, name: &impl Fn(usize) -> String) -> String {
        let text = self.text(name);
        let mut inner = self;
        while let Kind::Cast { operand, implicit: true, .. } = &inner.kind {
            inner = operand;
        }
        match &inner.kind {
            Kind::Column(_) | Kind::Literal(_) | Kind::Cast { .. } | Kind::Case { .. } => text,
            Kind::Call { kernel, .. } if *kernel != Kernel::Divide => text,
            _ => format!("({text})"),
        }
    }
}
