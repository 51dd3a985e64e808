//! The scalar functions there are.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::aggregates::aggregate_named;
use super::names::NOT_DETERMINISTIC;
use super::{Lowerer, concat};
use crate::error::PlanError;
use crate::kernel::{Kernel, Part, Side, Unary, date_format};
use crate::scalar::{Arithmetic, Kind, Scalar, cast, fold};
use crate::text::{position, single};

/// Padding, repetition and positions are at most so many characters.
pub(super) const LENGTH_MAX: i64 = 10_000;

impl Lowerer<'_> {
    pub(super) fn function(&self, call: &Function) -> Result<Scalar, PlanError> {
        let at = position(call, self.at);
        let name = single(&call.name, at)?.value.to_ascii_uppercase();
        if call.over.is_some() {
            return Err(PlanError::new(at, "OVER windows are not supported yet").hint("group by a TUMBLE or HOP window"));
        }
        if let Some(function) = aggregate_named(&name) {
            return self.aggregate(call, &name, function);
        }
        if call.filter.is_some() || call.null_treatment.is_some() || !call.within_group.is_empty() {
            return Err(PlanError::new(at, format!("{name} is not an aggregate"))
                .hint("FILTER, IGNORE NULLS and WITHIN GROUP belong to COUNT, SUM, AVG, MIN and MAX at most"));
        }
        if NOT_DETERMINISTIC.contains(&name.as_str()) {
            return Err(PlanError::new(at, format!("{name} gives another answer when rows are read again after a crash"))
                .hint("use a column of the event, such as its event time or the record's timestamp"));
        }
        let arguments = self.arguments(call, &name)?;
        self.call(call, &name, &arguments)
    }

    fn arguments<'e>(&self, call: &'e Function, name: &str) -> Result<Vec<&'e Expr>, PlanError> {
        let list = match &call.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => list,
            _ => return Err(self.error(call, format!("these arguments of {name} are not supported"))),
        };
        let argument = |argument: &'e FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Ok(argument),
            _ => Err(self.error(call, format!("{name} takes its arguments by position"))),
        };
        list.args.iter().map(argument).collect()
    }

    fn call(&self, call: &Function, name: &str, arguments: &[&Expr]) -> Result<Scalar, PlanError> {
        use DataType::{Boolean, Float64, Int32, Utf8};
        let text = |argument: &Expr| self.lower(argument).and_then(|scalar| self.text_operand(scalar, argument, name));
        let texts = |kernel: Kernel, output: DataType| {
            Ok(Scalar::call(kernel, arguments.iter().map(|argument| text(argument)).collect::<Result<_, _>>()?, output))
        };
        let float = |argument: &Expr| self.double(argument, name);
        let unary = |unary: Unary, argument: &Expr| Ok(Scalar::call(Kernel::Unary(unary), vec![float(argument)?], Float64));
        let side = |side: Side| Kernel::Trim { side, character: ' ' };
        let scalar: Result<Scalar, PlanError> = match (name, arguments) {
            ("UPPER", [_]) => texts(Kernel::Upper, Utf8),
            ("LOWER", [_]) => texts(Kernel::Lower, Utf8),
            ("REVERSE", [_]) => texts(Kernel::Reverse, Utf8),
            ("CHAR_LENGTH" | "CHARACTER_LENGTH", [_]) => texts(Kernel::CharLength, Int32),
            ("BTRIM" | "TRIM", [_]) => texts(side(Side::Both), Utf8),
            ("LTRIM", [_]) => texts(side(Side::Leading), Utf8),
            ("RTRIM", [_]) => texts(side(Side::Trailing), Utf8),
            ("REPLACE", [_, _, _]) => texts(Kernel::Replace, Utf8),
            ("STARTSWITH", [_, _]) => texts(Kernel::StartsWith, Boolean),
            ("ENDSWITH", [_, _]) => texts(Kernel::EndsWith, Boolean),
            ("INSTR", [whole, part]) => return self.position_of(part, whole),
            ("CONCAT_WS", [_, _, ..]) => texts(Kernel::ConcatWithSeparator, Utf8),
            ("CONCAT", [first, rest @ ..]) => {
                let mut all = text(first)?;
                for argument in rest.iter().take(self.budget.limits.operators + 1) {
                    all = fold(concat(all, text(argument)?), self.at(*argument))?;
                }
                return if rest.len() > self.budget.limits.operators {
                    Err(self.error(call, "CONCAT has too many arguments").hint("move parts of it into views"))
                } else {
                    Ok(all)
                };
            }
            ("SUBSTRING" | "SUBSTR", [operand, from]) => return self.substring(operand, operand, Some(from), None),
            ("SUBSTRING" | "SUBSTR", [operand, from, length]) => return self.substring(operand, operand, Some(from), Some(length)),
            ("LEFT", [operand, count]) => Ok(Scalar::call(Kernel::Left(self.length(count, name)?), vec![text(operand)?], Utf8)),
            ("RIGHT", [operand, count]) => Ok(Scalar::call(Kernel::Right(self.length(count, name)?), vec![text(operand)?], Utf8)),
            ("REPEAT", [operand, count]) => Ok(Scalar::call(Kernel::Repeat(self.length(count, name)?), vec![text(operand)?], Utf8)),
            ("LPAD" | "RPAD", [operand, length, with]) => {
                let side = if name == "LPAD" { Side::Leading } else { Side::Trailing };
                let with = self.constant_text(with, name)?;
                let kernel = Kernel::Pad { side, length: self.length(length, name)?, with };
                Ok(Scalar::call(kernel, vec![text(operand)?], Utf8))
            }
            ("SPLIT_INDEX", [operand, delimiter, index]) => {
                let kernel = Kernel::SplitIndex { delimiter: self.constant_text(delimiter, name)?, index: self.length(index, name)? };
                Ok(Scalar::call(kernel, vec![text(operand)?], Utf8))
            }

            ("ABS" | "SIGN", [operand]) => self.number_function(name, operand),
            ("ROUND", [operand]) => self.round(operand, 0),
            ("ROUND", [operand, digits]) => match self.constant_integer(digits, "the digits of ROUND are a constant whole number")? {
                count @ 0..=38 => self.round(operand, i16::try_from(count).expect("at most 38")),
                _ => {
                    Err(self.error(*digits, "ROUND takes 0 to 38 digits").hint("write ROUND(x / 100, 0) * 100 for digits before the point"))
                }
            },
            ("MOD", [left, right]) => {
                let (left_scalar, right_scalar) = (self.lower(left)?, self.lower(right)?);
                super::arithmetic::combine(Arithmetic::Modulo, left_scalar, right_scalar)
                    .map_err(|message| self.error(*left, message).hint("make both sides numbers with CAST"))
            }
            ("POWER", [base, exponent]) => Ok(Scalar::call(Kernel::Power, vec![float(base)?, float(exponent)?], Float64)),
            ("ATAN2", [y, x]) => Ok(Scalar::call(Kernel::Atan2, vec![float(y)?, float(x)?], Float64)),
            ("PI", []) => Ok(Scalar::literal(ScalarValue::from(std::f64::consts::PI))),
            ("SQRT", [operand]) => unary(Unary::Sqrt, operand),
            ("EXP", [operand]) => unary(Unary::Exp, operand),
            ("LN", [operand]) => unary(Unary::Ln, operand),
            ("LOG10", [operand]) => unary(Unary::Log10, operand),
            ("LOG2", [operand]) => unary(Unary::Log2, operand),
            ("SIN", [operand]) => unary(Unary::Sin, operand),
            ("COS", [operand]) => unary(Unary::Cos, operand),
            ("TAN", [operand]) => unary(Unary::Tan, operand),
            ("ASIN", [operand]) => unary(Unary::Asin, operand),
            ("ACOS", [operand]) => unary(Unary::Acos, operand),
            ("ATAN", [operand]) => unary(Unary::Atan, operand),
            ("DEGREES", [operand]) => unary(Unary::Degrees, operand),
            ("RADIANS", [operand]) => unary(Unary::Radians, operand),

            ("COALESCE" | "IFNULL", [_, _, ..]) if name == "COALESCE" || arguments.len() == 2 => {
                let scalars = arguments.iter().map(|argument| self.lower(argument)).collect::<Result<Vec<_>, _>>()?;
                let scalars = self.same_type(scalars, arguments, &format!("arguments of {name}"))?;
                let data_type = scalars[0].data_type.clone();
                Ok(Scalar::call(Kernel::Coalesce, scalars, data_type))
            }
            ("COALESCE", [only]) => return self.lower(only),
            ("NULLIF", [left, right]) => self.null_if(left, right),
            ("IF", [condition, then, otherwise]) => self.choose(condition, then, otherwise),

            ("YEAR", [operand]) => return self.field(Part::Year, operand),
            ("QUARTER", [operand]) => return self.field(Part::Quarter, operand),
            ("MONTH", [operand]) => return self.field(Part::Month, operand),
            ("WEEK", [operand]) => return self.field(Part::Week, operand),
            ("DAYOFMONTH", [operand]) => return self.field(Part::Day, operand),
            ("DAYOFWEEK", [operand]) => return self.field(Part::DayOfWeek, operand),
            ("DAYOFYEAR", [operand]) => return self.field(Part::DayOfYear, operand),
            ("HOUR", [operand]) => return self.field(Part::Hour, operand),
            ("MINUTE", [operand]) => return self.field(Part::Minute, operand),
            ("SECOND", [operand]) => return self.field(Part::Second, operand),
            ("TIMESTAMPDIFF", [unit, from, to]) => return self.timestamp_difference(unit, from, to),
            ("TIMESTAMPADD", [unit, count, operand]) => return self.timestamp_add(unit, count, operand),
            ("DATE_FORMAT", [operand, pattern]) => {
                let pieces = date_format(&self.constant_text(pattern, name)?).map_err(|reason| self.error(*pattern, reason))?;
                Ok(Scalar::call(Kernel::DateFormat(pieces), vec![self.moment(operand, "DATE_FORMAT takes")?], Utf8))
            }
            ("TO_TIMESTAMP", [operand]) => self.try_cast(text(operand)?, &DataType::Timestamp(TimeUnit::Millisecond, None)),
            ("TO_DATE", [operand]) => self.try_cast(text(operand)?, &DataType::Date32),
            ("TO_TIMESTAMP_LTZ", [operand, precision]) => self.epoch_timestamp(operand, precision),
            _ => return Err(self.no_such_function(call, name, arguments.len())),
        };
        fold(scalar?, position(call, self.at))
    }

    fn null_if(&self, left: &Expr, right: &Expr) -> Result<Scalar, PlanError> {
        let (left_scalar, right_scalar) = (self.lower(left)?, self.lower(right)?);
        let (left_scalar, right_scalar) = self.unified(left_scalar, left, right_scalar, right, "compared")?;
        let data_type = left_scalar.data_type.clone();
        if data_type == DataType::Null {
            return Err(self.error(left, "NULLIF needs a value with a type"));
        }
        Ok(Scalar::call(Kernel::NullIf, vec![left_scalar, right_scalar], data_type))
    }

    fn choose(&self, condition: &Expr, then: &Expr, otherwise: &Expr) -> Result<Scalar, PlanError> {
        let condition = self.condition(condition)?;
        let results = self.same_type(vec![self.lower(then)?, self.lower(otherwise)?], &[then, otherwise], "results of IF")?;
        let [then, otherwise] = <[Scalar; 2]>::try_from(results).expect("two went in");
        let (data_type, nullable) = (then.data_type.clone(), then.nullable || otherwise.nullable);
        let kind = Kind::Case { operand: None, branches: vec![(condition, then)], otherwise: Some(Box::new(otherwise)) };
        Ok(Scalar { kind, data_type, nullable })
    }

    fn try_cast(&self, scalar: Scalar, to: &DataType) -> Result<Scalar, PlanError> {
        Ok(cast(scalar, to, true).expect("texts are cast to dates and times"))
    }

    /// A constant count of characters.
    pub(super) fn length(&self, argument: &Expr, name: &str) -> Result<usize, PlanError> {
        let number = self.constant_integer(argument, &format!("this argument of {name} is a constant whole number"))?;
        match usize::try_from(number) {
            Ok(length) if number <= LENGTH_MAX => Ok(length),
            _ => Err(self.error(argument, format!("this argument of {name} is 0 to {LENGTH_MAX}"))),
        }
    }

    pub(super) fn constant_integer(&self, argument: &Expr, message: &str) -> Result<i64, PlanError> {
        match self.lower(argument)?.as_literal() {
            Some(ScalarValue::Int32(Some(number))) => Ok(i64::from(*number)),
            Some(ScalarValue::Int64(Some(number))) => Ok(*number),
            _ => Err(self.error(argument, message)),
        }
    }

    pub(super) fn constant_text(&self, argument: &Expr, name: &str) -> Result<String, PlanError> {
        match self.lower(argument)?.as_literal() {
            Some(ScalarValue::Utf8(Some(text))) if (1..=100).contains(&text.len()) => Ok(text.clone()),
            _ => Err(self.error(argument, format!("this argument of {name} is a constant text of 1 to 100 bytes"))),
        }
    }
}
