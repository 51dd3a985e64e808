//! What a column expects of a value, and how text becomes it.

use arrow::datatypes::{DataType, TimeUnit};

use super::{base64, text, text::Number};
use crate::column::{Column, UnsupportedType};

/// Why a value is not one of its column's type; the sentence is completed with the column and the value.
pub(crate) type Misfit = &'static str;

/// The target of a decoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer { least: i64, greatest: i64 },
    Float { is_single: bool },
    Decimal { precision: u8, scale: i8 },
    Date,
    Time(TimeUnit),
    Timestamp { unit: TimeUnit, is_instant: bool },
    Text,
    Bytes,
}

impl Kind {
    pub fn of(data_type: &DataType) -> Result<Self, UnsupportedType> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Integer { least: i8::MIN.into(), greatest: i8::MAX.into() },
            DataType::Int16 => Self::Integer { least: i16::MIN.into(), greatest: i16::MAX.into() },
            DataType::Int32 => Self::Integer { least: i32::MIN.into(), greatest: i32::MAX.into() },
            DataType::Int64 => Self::Integer { least: i64::MIN, greatest: i64::MAX },
            DataType::Float32 => Self::Float { is_single: true },
            DataType::Float64 => Self::Float { is_single: false },
            DataType::Decimal128(precision, scale) => Self::Decimal { precision: *precision, scale: *scale },
            DataType::Date32 => Self::Date,
            DataType::Time32(unit) | DataType::Time64(unit) => Self::Time(*unit),
            DataType::Timestamp(unit, zone) => Self::Timestamp { unit: *unit, is_instant: zone.is_some() },
            DataType::Utf8 => Self::Text,
            DataType::Binary => Self::Bytes,
            other => return Err(UnsupportedType(other.clone())),
        })
    }

    /// Appends the number that `number` was scanned to from `text`.
    #[inline]
    pub fn push_number(self, column: &mut Column, number: Number, text: &[u8]) -> Result<(), Misfit> {
        match self {
            Self::Integer { least, greatest } => match number.to_i64(text) {
                Some(value) if (least..=greatest).contains(&value) => column.push_word(value),
                _ => return Err("is not a whole number in range"),
            },
            Self::Float { is_single } => {
                let value = number.to_f64(text).ok_or("is not a number")?;
                push_float(column, value, is_single)?;
            }
            Self::Decimal { precision, scale } => {
                column.push_wide(number.to_decimal(text, precision, scale).ok_or("has too many digits before the point")?);
            }
            Self::Text => column.push_bytes(text),
            Self::Boolean => return Err("is not true or false"),
            Self::Date => return Err("is not a date written yyyy-MM-dd"),
            Self::Time(_) => return Err("is not a time written HH:mm:ss"),
            Self::Timestamp { .. } => return Err("is a number, not a timestamp written yyyy-MM-dd HH:mm:ss[.SSS]"),
            Self::Bytes => return Err("is not base64"),
        }
        Ok(())
    }

    /// Appends what `text`, valid UTF-8, stands for; blanks around it do not matter but in STRING.
    #[inline]
    pub fn push_text(self, column: &mut Column, text: &[u8]) -> Result<(), Misfit> {
        if self == Self::Text {
            column.push_bytes(text);
            return Ok(());
        }
        let trimmed = text.trim_ascii();
        match self {
            Self::Boolean if trimmed.eq_ignore_ascii_case(b"true") => column.push_word(1),
            Self::Boolean if trimmed.eq_ignore_ascii_case(b"false") => column.push_word(0),
            Self::Date => column.push_word(text::date(trimmed).ok_or("is not a date written yyyy-MM-dd")?),
            Self::Time(unit) => column.push_word(text::time(trimmed, unit).ok_or("is not a time written HH:mm:ss")?),
            Self::Timestamp { unit, is_instant } => {
                let value = text::timestamp(trimmed, unit, is_instant);
                column.push_word(
                    value.ok_or("is not a timestamp written yyyy-MM-dd HH:mm:ss[.SSS], with T between and Z behind if you like")?,
                );
            }
            Self::Bytes => column.push_written(|out| base64::decode(trimmed, out).ok_or("is not base64"))?,
            Self::Float { is_single } if matches!(trimmed, b"NaN" | b"Infinity" | b"+Infinity" | b"-Infinity") => {
                let value = text::float(trimmed).ok_or("is not a number")?;
                column.push_float(if is_single { f64::from(single(value)) } else { value });
            }
            _ => self.push_number(column, Number::parse(trimmed).ok_or("is not a number")?, trimmed)?,
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "FLOAT is the nearest f32")]
fn single(value: f64) -> f32 {
    value as f32
}

fn push_float(column: &mut Column, value: f64, is_single: bool) -> Result<(), Misfit> {
    let value = if is_single { f64::from(single(value)) } else { value };
    if !value.is_finite() {
        return Err("is out of range");
    }
    column.push_float(value);
    Ok(())
}
