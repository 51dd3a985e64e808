//! A typed scalar expression: what a query says about one row, after names and types are resolved and before it is compiled.
//!
//! Our own tree rather than the library's, so that ids and texts made from it are the same in every version of the library, and so that
//! types follow Flink's rules.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;

use crate::hash::{StableHash, StableHasher};
use crate::kernel::Kernel;
use crate::types;

mod coerce;
mod compile;
mod fold;
mod lazy;
mod literal;
mod text;

pub(crate) use coerce::{adjusted, cast, common_type, decimal, decimal_type, implicit, unify, widen};
pub(crate) use compile::compile;
pub(crate) use fold::fold;

/// An expression with its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) kind: Kind,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
}

/// What an expression is. Operands of one operator have the types it needs; casts are explicit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Column(usize),
    Literal(ScalarValue),
    Arithmetic {
        operator: Arithmetic,
        left: Box<Scalar>,
        right: Box<Scalar>,
    },
    Compare {
        operator: Comparison,
        left: Box<Scalar>,
        right: Box<Scalar>,
    },
    /// AND (`all`) or OR of two or more.
    Logic {
        all: bool,
        operands: Vec<Scalar>,
    },
    Not(Box<Scalar>),
    Negate(Box<Scalar>),
    IsNull {
        operand: Box<Scalar>,
        negated: bool,
    },
    Concat(Box<Scalar>, Box<Scalar>),
    Case {
        operand: Option<Box<Scalar>>,
        branches: Vec<(Scalar, Scalar)>,
        otherwise: Option<Box<Scalar>>,
    },
    InList {
        operand: Box<Scalar>,
        values: Vec<ScalarValue>,
        negated: bool,
    },
    /// The pattern escapes with a backslash.
    Like {
        operand: Box<Scalar>,
        pattern: String,
        negated: bool,
    },
    /// To the expression's type; `safe` gives NULL instead of an error; `implicit` ones are not written by the user.
    Cast {
        operand: Box<Scalar>,
        safe: bool,
        implicit: bool,
    },
    Call {
        kernel: Kernel,
        arguments: Vec<Scalar>,
    },
}

/// `+ - * / %`; integers overflow with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Plus,
    Minus,
    Multiply,
    Divide,
    Modulo,
}

/// `= <> < <= > >=` and IS [NOT] DISTINCT FROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Distinct,
    NotDistinct,
}

impl Arithmetic {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Comparison {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

impl Scalar {
    pub(crate) fn column(index: usize, data_type: DataType, nullable: bool) -> Self {
        Self { kind: Kind::Column(index), data_type, nullable }
    }

    pub(crate) fn literal(value: ScalarValue) -> Self {
        Self { data_type: value.data_type(), nullable: value.is_null(), kind: Kind::Literal(value) }
    }

    pub(crate) fn null(data_type: &DataType) -> Self {
        Self::literal(ScalarValue::try_from(data_type).unwrap_or(ScalarValue::Null))
    }

    pub(crate) fn boolean(kind: Kind, nullable: bool) -> Self {
        Self { kind, data_type: DataType::Boolean, nullable }
    }

    pub(crate) fn compare(operator: Comparison, left: Self, right: Self) -> Self {
        let two_valued = matches!(operator, Comparison::Distinct | Comparison::NotDistinct);
        let nullable = !two_valued && (left.nullable || right.nullable);
        Self::boolean(Kind::Compare { operator, left: Box::new(left), right: Box::new(right) }, nullable)
    }

    /// AND or OR; chains of the same become one.
    pub(crate) fn logic(all: bool, parts: impl IntoIterator<Item = Self>) -> Self {
        let mut operands = Vec::new();
        for part in parts {
            match part.kind {
                Kind::Logic { all: inner, operands: more } if inner == all => operands.extend(more),
                _ => operands.push(part),
            }
        }
        let nullable = operands.iter().any(|operand| operand.nullable);
        Self::boolean(Kind::Logic { all, operands }, nullable)
    }

    pub(crate) fn call(kernel: Kernel, arguments: Vec<Self>, data_type: DataType) -> Self {
        let nullable = match kernel {
            Kernel::NullIf | Kernel::SplitIndex { .. } => true,
            Kernel::ConcatWithSeparator => arguments[0].nullable,
            Kernel::Coalesce => arguments.iter().all(|argument| argument.nullable),
            _ => arguments.iter().any(|argument| argument.nullable),
        };
        Self { kind: Kind::Call { kernel, arguments }, data_type, nullable }
    }

    pub(crate) fn as_column(&self) -> Option<usize> {
        match self.kind {
            Kind::Column(index) => Some(index),
            _ => None,
        }
    }

    pub(crate) fn as_literal(&self) -> Option<&ScalarValue> {
        match &self.kind {
            Kind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it costs nothing to compute twice.
    pub(crate) fn is_trivial(&self) -> bool {
        matches!(self.kind, Kind::Column(_) | Kind::Literal(_))
    }

    /// The operands, in the order they are written.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Column(_) | Kind::Literal(_) => Vec::new(),
            Kind::Arithmetic { left, right, .. } | Kind::Compare { left, right, .. } | Kind::Concat(left, right) => vec![left, right],
            Kind::Logic { operands, .. } | Kind::Call { arguments: operands, .. } => operands.iter().collect(),
            Kind::Not(operand)
            | Kind::Negate(operand)
            | Kind::IsNull { operand, .. }
            | Kind::InList { operand, .. }
            | Kind::Like { operand, .. }
            | Kind::Cast { operand, .. } => vec![operand],
            Kind::Case { operand, branches, otherwise } => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                operand.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
            }
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.kind {
            Kind::Column(_) | Kind::Literal(_) => Vec::new(),
            Kind::Arithmetic { left, right, .. } | Kind::Compare { left, right, .. } | Kind::Concat(left, right) => vec![left, right],
            Kind::Logic { operands, .. } | Kind::Call { arguments: operands, .. } => operands.iter_mut().collect(),
            Kind::Not(operand)
            | Kind::Negate(operand)
            | Kind::IsNull { operand, .. }
            | Kind::InList { operand, .. }
            | Kind::Like { operand, .. }
            | Kind::Cast { operand, .. } => vec![operand],
            Kind::Case { operand, branches, otherwise } => {
                let branches = branches.iter_mut().flat_map(|(when, then)| [when, then]);
                operand.as_deref_mut().into_iter().chain(branches).chain(otherwise.as_deref_mut()).collect()
            }
        }
    }

    /// Replaces subtrees, outermost first: where `change` gives something, its inside is not looked at.
    ///
    /// # Errors
    /// Those of `change`; the expression is then half changed.
    pub(crate) fn replace<E>(&mut self, change: &mut impl FnMut(&Self) -> Result<Option<Self>, E>) -> Result<(), E> {
        if let Some(other) = change(self)? {
            *self = other;
            return Ok(());
        }
        self.children_mut().into_iter().try_for_each(|child| child.replace(change))
    }

    /// The same over other positions of the columns; `None` when one of them is not there.
    pub(crate) fn remap(&self, column: &impl Fn(usize) -> Option<usize>) -> Option<Self> {
        self.substitute(&|index| column(index).map(Kind::Column))
    }

    /// The same with columns replaced by columns or literals of the same type.
    pub(crate) fn substitute(&self, column: &impl Fn(usize) -> Option<Kind>) -> Option<Self> {
        let mut other = self.clone();
        let replaced = other.replace(&mut |part| match part.kind {
            Kind::Column(index) => column(index).map(|kind| Some(Self { kind, ..part.clone() })).ok_or(()),
            _ => Ok(None),
        });
        replaced.ok().map(|()| other)
    }

    /// Adds the positions of the columns it reads.
    pub(crate) fn columns_into(&self, columns: &mut std::collections::BTreeSet<usize>) {
        if let Kind::Column(index) = self.kind {
            columns.insert(index);
        }
        self.children().into_iter().for_each(|child| child.columns_into(columns));
    }

    /// Whether evaluation can fail for some row.
    pub(crate) fn is_fallible(&self) -> bool {
        let itself = match &self.kind {
            Kind::Arithmetic { .. } | Kind::Negate(_) => !self.data_type.is_floating(),
            Kind::Cast { operand, safe, .. } => !safe && !coerce::always_fits(&operand.data_type, &self.data_type),
            Kind::Call { kernel, .. } => kernel.is_fallible(),
            Kind::Concat(..) => true,
            _ => false,
        };
        itself || self.children().into_iter().any(Self::is_fallible)
    }

    /// A hash of the meaning, given those of the columns.
    pub(crate) fn hash(&self, column: &impl Fn(usize) -> StableHash) -> StableHash {
        let hasher = StableHasher::new("scalar").text(&types::name(&self.data_type));
        let hasher = match &self.kind {
            Kind::Column(index) => return column(*index),
            Kind::Literal(value) => hasher.text("literal").text(&literal::text(value)),
            Kind::Arithmetic { operator, .. } => hasher.text(operator.sign()),
            Kind::Compare { operator, .. } => hasher.text(operator.sign()),
            Kind::Logic { all, .. } => hasher.text(if *all { "AND" } else { "OR" }),
            Kind::Not(_) => hasher.text("NOT"),
            Kind::Negate(_) => hasher.text("negate"),
            Kind::IsNull { negated, .. } => hasher.text("IS NULL").number(i64::from(*negated)),
            Kind::Concat(..) => hasher.text("||"),
            Kind::Case { operand, otherwise, .. } => {
                hasher.text("CASE").number(i64::from(operand.is_some())).number(i64::from(otherwise.is_some()))
            }
            Kind::InList { values, negated, .. } => {
                values.iter().fold(hasher.text("IN").number(i64::from(*negated)), |hasher, value| hasher.text(&literal::text(value)))
            }
            Kind::Like { pattern, negated, .. } => hasher.text("LIKE").text(pattern).number(i64::from(*negated)),
            Kind::Cast { safe, .. } => hasher.text("CAST").number(i64::from(*safe)),
            Kind::Call { kernel, .. } => hasher.text(&kernel.name()),
        };
        hasher.hashes(self.children().into_iter().map(|child| child.hash(column))).finish()
    }
}
