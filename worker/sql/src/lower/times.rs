//! Expressions of dates and times: intervals, fields, rounding, casts.

use arrow::datatypes::{DataType, TimeUnit};
use sqlparser::ast::{BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Interval};

use super::{Lowerer, literals};
use crate::error::PlanError;
use crate::kernel::{Kernel, Part};
use crate::scalar::{Scalar, cast, fold, widen};
use crate::types;

impl Lowerer<'_> {
    /// `ts + INTERVAL …` and `ts - INTERVAL …`.
    pub(super) fn add_interval(
        &self,
        left: Scalar,
        left_at: &Expr,
        operator: &BinaryOperator,
        interval: &Interval,
    ) -> Result<Scalar, PlanError> {
        let sign = match operator {
            BinaryOperator::Plus => 1,
            BinaryOperator::Minus => -1,
            _ => return Err(self.error(left_at, format!("{operator} INTERVAL is not defined")).hint("write ts + INTERVAL '1' HOUR")),
        };
        let span = literals::interval(interval, self.at)?;
        match &left.data_type {
            DataType::Timestamp(..) => {}
            DataType::Date32 if span.milliseconds % 86_400_000 == 0 => {}
            DataType::Date32 => {
                return Err(self.error(left_at, "a DATE moves by whole days").hint("write CAST(d AS TIMESTAMP(3)) + INTERVAL …"));
            }
            other => {
                return Err(self.error(left_at, format!("an INTERVAL is added to a date or timestamp, this is {}", types::name(other))));
            }
        }
        let data_type = left.data_type.clone();
        let kernel = Kernel::AddInterval { months: span.months * sign, milliseconds: span.milliseconds * i64::from(sign) };
        fold(Scalar::call(kernel, vec![left], data_type), self.at(left_at))
    }

    pub(super) fn extract(&self, field: &DateTimeField, operand: &Expr) -> Result<Scalar, PlanError> {
        let Some(part) = part(field) else {
            return Err(self
                .error(operand, format!("EXTRACT({field} FROM …) is not supported"))
                .hint("there are YEAR, QUARTER, MONTH, WEEK, DAY, DOW, DOY, HOUR, MINUTE, SECOND"));
        };
        self.field(part, operand)
    }

    pub(super) fn field(&self, part: Part, operand: &Expr) -> Result<Scalar, PlanError> {
        let scalar = self.moment(operand, "a field is taken from")?;
        let needs_time = matches!(part, Part::Hour | Part::Minute | Part::Second);
        if needs_time && scalar.data_type == DataType::Date32 {
            return Err(self.error(operand, "a DATE has no hours, minutes and seconds"));
        }
        fold(Scalar::call(Kernel::Extract(part), vec![scalar], DataType::Int64), self.at(operand))
    }

    /// A date or timestamp.
    pub(super) fn moment(&self, operand: &Expr, what: &str) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        match &scalar.data_type {
            DataType::Timestamp(..) | DataType::Date32 => Ok(scalar),
            other => Err(self
                .error(operand, format!("{what} a date or timestamp, this is {}", types::name(other)))
                .hint("write CAST(… AS TIMESTAMP(3))")),
        }
    }

    /// FLOOR and CEIL of a number, or of a moment TO a unit.
    pub(super) fn round_to(&self, operand: &Expr, field: &CeilFloorKind, up: bool) -> Result<Scalar, PlanError> {
        let unit = match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => return self.round_number(operand, up),
            CeilFloorKind::DateTimeField(unit) => unit,
            CeilFloorKind::Scale(_) => {
                return Err(self.error(operand, "FLOOR and CEIL take no number of digits").hint("write ROUND(x, n)"));
            }
        };
        let part = match part(unit) {
            Some(part @ (Part::Year | Part::Quarter | Part::Month | Part::Day | Part::Hour | Part::Minute | Part::Second)) => part,
            _ => {
                return Err(self
                    .error(operand, format!("rounding TO {unit} is not supported"))
                    .hint("there are YEAR, QUARTER, MONTH, DAY, HOUR, MINUTE, SECOND"));
            }
        };
        let scalar = self.moment(operand, "FLOOR and CEIL TO a unit take")?;
        let data_type = scalar.data_type.clone();
        let kernel = if up { Kernel::CeilTo(part) } else { Kernel::FloorTo(part) };
        fold(Scalar::call(kernel, vec![scalar], data_type), self.at(operand))
    }

    /// CAST and TRY_CAST.
    pub(super) fn cast(&self, whole: &Expr, kind: &CastKind, operand: &Expr, to: &sqlparser::ast::DataType) -> Result<Scalar, PlanError> {
        let safe = match kind {
            CastKind::Cast | CastKind::DoubleColon => false,
            CastKind::TryCast => true,
            CastKind::SafeCast => return Err(self.error(whole, "SAFE_CAST is not part of Flink SQL").hint("write TRY_CAST")),
        };
        let text = to.to_string();
        let target = types::parse(&text).map_err(|error| self.error(operand, error.to_string()))?.data_type;
        if let Some((does, instead)) = cuts(&text, &target) {
            return Err(self.error(operand, format!("CAST to {text} would {does}")).hint(format!("write {instead}")));
        }
        let scalar = self.lower(operand)?;
        let from = scalar.data_type.clone();
        match cast(scalar, &target, safe) {
            Some(scalar) => fold(scalar, self.at(operand)),
            None => {
                let error = self.error(operand, format!("{} cannot be cast to {}", types::name(&from), types::name(&target)));
                Err(match (&from, &target) {
                    (number, DataType::Timestamp(..)) if number.is_numeric() => {
                        error.hint("write TO_TIMESTAMP_LTZ(x, 3) for milliseconds, 0 for seconds")
                    }
                    _ => error,
                })
            }
        }
    }

    /// TIMESTAMPDIFF(unit, from, to).
    pub(super) fn timestamp_difference(&self, unit: &Expr, from: &Expr, to: &Expr) -> Result<Scalar, PlanError> {
        let unit_milliseconds = self.unit(unit)?;
        let milliseconds = |operand: &Expr| {
            let scalar = self.moment(operand, "TIMESTAMPDIFF takes")?;
            let at = self.at(operand);
            let cast = cast(scalar, &DataType::Timestamp(TimeUnit::Millisecond, None), false).expect("moments are cast to timestamps");
            fold(cast, at)
        };
        let arguments = vec![milliseconds(from)?, milliseconds(to)?];
        fold(Scalar::call(Kernel::Difference { unit_milliseconds }, arguments, DataType::Int32), self.at(unit))
    }

    /// TIMESTAMPADD(unit, n, ts) with a constant n.
    pub(super) fn timestamp_add(&self, unit: &Expr, count: &Expr, operand: &Expr) -> Result<Scalar, PlanError> {
        let unit_milliseconds = self.unit(unit)?;
        let count = self.constant_integer(count, "TIMESTAMPADD takes a constant number of units")?;
        let scalar = self.moment(operand, "TIMESTAMPADD takes")?;
        let milliseconds = unit_milliseconds.checked_mul(count).ok_or_else(|| self.error(operand, "the interval is too long"))?;
        if scalar.data_type == DataType::Date32 && milliseconds % 86_400_000 != 0 {
            return Err(self.error(operand, "a DATE moves by whole days"));
        }
        let data_type = scalar.data_type.clone();
        fold(Scalar::call(Kernel::AddInterval { months: 0, milliseconds }, vec![scalar], data_type), self.at(operand))
    }

    /// TO_TIMESTAMP_LTZ(number, 0 for seconds or 3 for milliseconds).
    pub(super) fn epoch_timestamp(&self, operand: &Expr, precision: &Expr) -> Result<Scalar, PlanError> {
        let unit_milliseconds = match self.constant_integer(precision, "the precision is 0 (seconds) or 3 (milliseconds)")? {
            0 => 1_000,
            3 => 1,
            _ => return Err(self.error(precision, "the precision is 0 (seconds) or 3 (milliseconds)")),
        };
        let scalar = self.lower(operand)?;
        if !scalar.data_type.is_integer() {
            return Err(self.error(operand, format!("TO_TIMESTAMP_LTZ takes whole numbers, this is {}", types::name(&scalar.data_type))));
        }
        let number = fold(widen(scalar, &DataType::Int64), self.at(operand))?;
        let output = DataType::Timestamp(TimeUnit::Millisecond, Some(types::UTC.into()));
        Ok(Scalar::call(Kernel::FromEpoch { unit_milliseconds }, vec![number], output))
    }

    fn unit(&self, unit: &Expr) -> Result<i64, PlanError> {
        let name = if let Expr::Identifier(name) = unit { name.value.to_ascii_uppercase() } else { String::new() };
        match name.as_str() {
            "SECOND" => Ok(1_000),
            "MINUTE" => Ok(60_000),
            "HOUR" => Ok(3_600_000),
            "DAY" => Ok(86_400_000),
            "WEEK" => Ok(7 * 86_400_000),
            _ => Err(self.error(unit, "the unit is one of SECOND, MINUTE, HOUR, DAY, WEEK")),
        }
    }
}

/// What a type does to values in Flink that ours does not, and what to write instead: lengths, and digits of a second that no unit counts.
fn cuts(text: &str, target: &DataType) -> Option<(&'static str, &'static str)> {
    let (name, parameter) = text.split_once('(').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let fixed = ["CHAR", "CHARACTER", "BINARY"].iter().any(|fixed| name.trim().eq_ignore_ascii_case(fixed));
    match target {
        DataType::Utf8 if fixed || parameter.is_some() => Some(("cut or fill the text", "LEFT(CAST(… AS STRING), n)")),
        DataType::Binary if fixed || parameter.is_some() => Some(("cut or fill the bytes", "BYTES")),
        DataType::Timestamp(unit, _) => {
            let digits: u8 = parameter?.split(')').next()?.trim().parse().ok()?;
            (digits != types::digits(*unit)).then_some(("cut digits of the second that we keep", "TIMESTAMP(0), (3), (6) or (9)"))
        }
        _ => None,
    }
}

fn part(field: &DateTimeField) -> Option<Part> {
    Some(match field {
        DateTimeField::Year => Part::Year,
        DateTimeField::Quarter => Part::Quarter,
        DateTimeField::Month => Part::Month,
        DateTimeField::Week(None) => Part::Week,
        DateTimeField::Day => Part::Day,
        DateTimeField::Dow | DateTimeField::DayOfWeek => Part::DayOfWeek,
        DateTimeField::Doy | DateTimeField::DayOfYear => Part::DayOfYear,
        DateTimeField::Hour => Part::Hour,
        DateTimeField::Minute => Part::Minute,
        DateTimeField::Second => Part::Second,
        _ => return None,
    })
}
