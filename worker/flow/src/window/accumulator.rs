//! The values of one aggregate for all groups: typed, in place, a column at a time.
//!
//! Each kind keeps what makes its result independent of the order of rows and of how they were cut into batches: sums of integers and
//! decimals are 192 bits wide and checked when read, sums of floats are exact (see [`super::exact`]).

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryBuilder, Decimal128Array, Float32Array, Float64Array, Int64Array, UInt32Array},
    datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, i256},
    error::ArrowError,
};
use sql::AggregateFunction;

use super::{
    exact::FloatSums,
    state::{StateError, numbers},
};
use crate::{
    column::{Column, UnsupportedType, Values, float_of_word},
    format::text::POWERS_OF_TEN,
};

/// What an aggregate computes, without how its argument is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AggregateKind {
    pub function: AggregateFunction,
    /// Type of the argument; absent for COUNT(*).
    pub argument: Option<DataType>,
    pub output: DataType,
}

/// The values of one aggregate, one per group.
#[derive(Clone, Debug)]
pub(crate) enum Accumulator {
    /// COUNT: rows, or values that are not NULL.
    Count(Vec<i64>),
    /// SUM and AVG of integers and decimals: `carries * 2^128 + sums`, exact.
    Exact { counts: Vec<i64>, sums: Vec<i128>, carries: Vec<i64> },
    /// SUM and AVG of floats.
    Float { counts: Vec<i64>, sums: FloatSums },
    /// MIN and MAX.
    Extreme { greatest: bool, best: Best },
}

/// The best value so far, where there was one.
#[derive(Clone, Debug)]
pub(crate) enum Best {
    Word(Vec<Option<i64>>),
    Wide(Vec<Option<i128>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl AggregateKind {
    /// Whether state holds values of the argument as they are.
    pub fn keeps_argument(&self) -> bool {
        matches!(self.function, AggregateFunction::Min | AggregateFunction::Max)
    }

    /// An accumulator without groups.
    pub fn accumulator(&self) -> Result<Accumulator, UnsupportedType> {
        let argument = self.argument.as_ref().unwrap_or(&DataType::Int64);
        Ok(match self.function {
            AggregateFunction::CountStar | AggregateFunction::Count => Accumulator::Count(Vec::new()),
            AggregateFunction::Sum | AggregateFunction::Avg => match argument {
                DataType::Float32 | DataType::Float64 => Accumulator::Float { counts: Vec::new(), sums: FloatSums::default() },
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(..) => {
                    Accumulator::Exact { counts: Vec::new(), sums: Vec::new(), carries: Vec::new() }
                }
                other => return Err(UnsupportedType(other.clone())),
            },
            AggregateFunction::Min | AggregateFunction::Max => {
                let best = match Column::new(argument)?.values() {
                    Values::Word(_) => Best::Word(Vec::new()),
                    Values::Wide(_) => Best::Wide(Vec::new()),
                    Values::Bytes { .. } => Best::Bytes(Vec::new()),
                };
                Accumulator::Extreme { greatest: self.function == AggregateFunction::Max, best }
            }
        })
    }

    /// The columns that hold the state of aggregate `index`.
    pub fn state_fields(&self, index: usize) -> Result<Vec<Field>, UnsupportedType> {
        let field = |name: &str, data_type| Field::new(format!("aggregate{index}.{name}"), data_type, true);
        Ok(match self.accumulator()? {
            Accumulator::Count(_) => vec![field("count", DataType::Int64)],
            Accumulator::Exact { .. } => {
                vec![field("count", DataType::Int64), field("sum", DataType::Decimal128(38, 0)), field("carry", DataType::Int64)]
            }
            Accumulator::Float { .. } => vec![
                field("count", DataType::Int64),
                field("high", DataType::Float64),
                field("low", DataType::Float64),
                field("wide", DataType::Binary),
            ],
            Accumulator::Extreme { .. } => vec![field("best", self.argument.clone().unwrap_or(DataType::Int64))],
        })
    }

    /// As [`AggregateKind::restore`], with an empty group for every row that `has_state` says has none, whose columns may be null.
    pub fn restore_where(&self, columns: &[ArrayRef], has_state: &impl Fn(usize) -> bool) -> Result<Accumulator, StateError> {
        let rows = columns[0].len();
        if (0..rows).all(has_state) {
            return self.restore(columns);
        }
        let with_state: Vec<u32> = (0_u32..).take(rows).filter(|row| has_state(*row as usize)).collect();
        let indices = UInt32Array::from(with_state.clone());
        let taken = columns.iter().map(|column| arrow::compute::take(column, &indices, None)).collect::<Result<Vec<_>, _>>()?;
        let some = self.restore(&taken)?;
        let mut all = self.accumulator()?;
        all.resize(rows);
        let every: Vec<u32> = (0_u32..).take(with_state.len()).collect();
        all.absorb(&with_state, &every, &some);
        Ok(all)
    }

    /// The accumulator whose groups are the rows of `columns`, which [`AggregateKind::state_fields`] describes.
    pub fn restore(&self, columns: &[ArrayRef]) -> Result<Accumulator, StateError> {
        let words = |index: usize| numbers::<Int64Type>(&columns[index]).map(|array| array.values().to_vec());
        Ok(match self.accumulator()? {
            Accumulator::Count(_) => Accumulator::Count(words(0)?),
            Accumulator::Exact { .. } => {
                let sums = numbers::<Decimal128Type>(&columns[1])?.values().to_vec();
                Accumulator::Exact { counts: words(0)?, sums, carries: words(2)? }
            }
            Accumulator::Float { .. } => {
                let parts = |index: usize| numbers::<Float64Type>(&columns[index]).map(|array| array.values().to_vec());
                let (high, low) = (parts(1)?, parts(2)?);
                let wide = columns[3].as_binary_opt::<i32>().ok_or(StateError::Value("an exact sum has another type"))?;
                if (0..high.len()).any(|row| wide.is_null(row) && !(high[row].is_finite() && low[row].is_finite())) {
                    return Err(StateError::Value("half of a sum is not a number"));
                }
                let mut sums = FloatSums::from_parts(high, low);
                for (row, bytes) in (0..).zip(wide.iter()) {
                    if let Some(bytes) = bytes {
                        sums.set_wide(row, bytes)?;
                    }
                }
                Accumulator::Float { counts: words(0)?, sums }
            }
            Accumulator::Extreme { greatest, .. } => Accumulator::Extreme { greatest, best: Best::of(&Column::from_array(&columns[0])?) },
        })
    }
}

impl Best {
    fn of(column: &Column) -> Self {
        let present = |index: usize| column.is_valid(index);
        match column.values() {
            Values::Word(words) => Self::Word(words.iter().enumerate().map(|(index, word)| present(index).then_some(*word)).collect()),
            Values::Wide(wides) => Self::Wide(wides.iter().enumerate().map(|(index, wide)| present(index).then_some(*wide)).collect()),
            Values::Bytes { offsets, data } => {
                let bytes = offsets.windows(2).map(|bounds| &data[bounds[0]..bounds[1]]);
                Self::Bytes(bytes.enumerate().map(|(index, bytes)| present(index).then(|| bytes.to_vec())).collect())
            }
        }
    }

    fn resize(&mut self, groups: usize) {
        match self {
            Self::Word(best) => best.resize(groups, None),
            Self::Wide(best) => best.resize(groups, None),
            Self::Bytes(best) => best.resize(groups, None),
        }
    }

    fn clear(&mut self, group: usize) {
        match self {
            Self::Word(best) => best[group] = None,
            Self::Wide(best) => best[group] = None,
            Self::Bytes(best) => best[group] = None,
        }
    }
}

#[inline]
fn improve<T: Ord + Copy>(best: &mut Option<T>, value: T, greatest: bool) {
    if best.is_none_or(|best| if greatest { value > best } else { value < best }) {
        *best = Some(value);
    }
}

fn improve_bytes(best: &mut Option<Vec<u8>>, value: &[u8], greatest: bool) {
    match best {
        None => *best = Some(value.to_vec()),
        Some(best) if if greatest { value > best.as_slice() } else { value < best.as_slice() } => {
            best.clear();
            best.extend_from_slice(value);
        }
        Some(_) => {}
    }
}

#[inline]
fn add_wide(sum: &mut i128, carry: &mut i64, value: i128) {
    let (wrapped, overflowed) = sum.overflowing_add(value);
    *sum = wrapped;
    if overflowed {
        *carry += if value < 0 { -1 } else { 1 };
    }
}

impl Accumulator {
    /// Makes room for `groups` groups; new ones are empty.
    pub fn resize(&mut self, groups: usize) {
        match self {
            Self::Count(counts) => counts.resize(groups, 0),
            Self::Exact { counts, sums, carries } => {
                counts.resize(groups, 0);
                sums.resize(groups, 0);
                carries.resize(groups, 0);
            }
            Self::Float { counts, sums } => {
                counts.resize(groups, 0);
                sums.resize(groups);
            }
            Self::Extreme { best, .. } => best.resize(groups),
        }
    }

    /// Makes one group empty again.
    pub fn clear(&mut self, group: u32) {
        let index = group as usize;
        match self {
            Self::Count(counts) => counts[index] = 0,
            Self::Exact { counts, sums, carries } => {
                counts[index] = 0;
                sums[index] = 0;
                carries[index] = 0;
            }
            Self::Float { counts, sums } => {
                counts[index] = 0;
                sums.clear(group);
            }
            Self::Extreme { best, .. } => best.clear(index),
        }
    }

    /// Takes row `rows[i]` into group `groups[i]`; without an argument every row counts, with one those where it is not NULL.
    pub fn update(&mut self, groups: &[u32], rows: &[u32], argument: Option<&Column>) {
        let pairs = groups.iter().zip(rows);
        let Some(column) = argument else {
            if let Self::Count(counts) = self {
                groups.iter().for_each(|group| counts[*group as usize] += 1);
            }
            return;
        };
        let present = pairs.filter(|(_, row)| column.is_valid(**row as usize)).map(|(group, row)| (*group, *row as usize));
        match (self, column.values()) {
            (Self::Count(counts), _) => present.for_each(|(group, _)| counts[group as usize] += 1),
            (Self::Exact { counts, sums, .. }, Values::Word(words)) => present.for_each(|(group, row)| {
                counts[group as usize] += 1;
                // 2^63 rows of 64 bits do not pass 127 bits, so that nothing is carried.
                sums[group as usize] += i128::from(words[row]);
            }),
            (Self::Exact { counts, sums, carries }, Values::Wide(wides)) => present.for_each(|(group, row)| {
                counts[group as usize] += 1;
                add_wide(&mut sums[group as usize], &mut carries[group as usize], wides[row]);
            }),
            (Self::Float { counts, sums }, Values::Word(words)) => present.for_each(|(group, row)| {
                counts[group as usize] += 1;
                sums.add(group, float_of_word(words[row]));
            }),
            (Self::Extreme { greatest, best: Best::Word(best) }, Values::Word(words)) => {
                present.for_each(|(group, row)| improve(&mut best[group as usize], words[row], *greatest));
            }
            (Self::Extreme { greatest, best: Best::Wide(best) }, Values::Wide(wides)) => {
                present.for_each(|(group, row)| improve(&mut best[group as usize], wides[row], *greatest));
            }
            (Self::Extreme { greatest, best: Best::Bytes(best) }, Values::Bytes { offsets, data }) => {
                present.for_each(|(group, row)| improve_bytes(&mut best[group as usize], &data[offsets[row]..offsets[row + 1]], *greatest));
            }
            _ => unreachable!("an argument has the shape that its aggregate was planned with"),
        }
    }

    /// Takes group `rows[i]` of `other`, of the same kind, into group `groups[i]`.
    pub fn absorb(&mut self, groups: &[u32], rows: &[u32], other: &Self) {
        let pairs = groups.iter().zip(rows).map(|(group, row)| (*group as usize, *row as usize));
        match (self, other) {
            (Self::Count(counts), Self::Count(others)) => pairs.for_each(|(group, row)| counts[group] += others[row]),
            (Self::Exact { counts, sums, carries }, Self::Exact { counts: other_counts, sums: other_sums, carries: other_carries }) => {
                pairs.for_each(|(group, row)| {
                    counts[group] += other_counts[row];
                    carries[group] += other_carries[row];
                    add_wide(&mut sums[group], &mut carries[group], other_sums[row]);
                })
            }
            (Self::Float { counts, sums }, Self::Float { counts: other_counts, sums: other_sums }) => {
                for (group, row) in groups.iter().zip(rows) {
                    counts[*group as usize] += other_counts[*row as usize];
                    sums.absorb(*group, other_sums, *row);
                }
            }
            (Self::Extreme { greatest, best }, Self::Extreme { best: others, .. }) => match (best, others) {
                (Best::Word(best), Best::Word(others)) => pairs
                    .filter_map(|(group, row)| Some((group, others[row]?)))
                    .for_each(|(group, value)| improve(&mut best[group], value, *greatest)),
                (Best::Wide(best), Best::Wide(others)) => pairs
                    .filter_map(|(group, row)| Some((group, others[row]?)))
                    .for_each(|(group, value)| improve(&mut best[group], value, *greatest)),
                (Best::Bytes(best), Best::Bytes(others)) => pairs
                    .filter_map(|(group, row)| Some((group, others[row].as_ref()?)))
                    .for_each(|(group, value)| improve_bytes(&mut best[group], value, *greatest)),
                _ => unreachable!("accumulators of one aggregate have one shape"),
            },
            _ => unreachable!("accumulators of one aggregate are of one kind"),
        }
    }

    /// The state of the groups at `rows`, in the columns of [`AggregateKind::state_fields`].
    pub fn state(&self, rows: &[u32], kind: &AggregateKind) -> Result<Vec<ArrayRef>, ArrowError> {
        let words = |values: &[i64]| -> ArrayRef { Arc::new(rows.iter().map(|row| values[*row as usize]).collect::<Int64Array>()) };
        Ok(match self {
            Self::Count(counts) => vec![words(counts)],
            Self::Exact { counts, sums, carries } => {
                let sums = Decimal128Array::from_iter_values(rows.iter().map(|row| sums[*row as usize]));
                vec![words(counts), Arc::new(sums.with_data_type(DataType::Decimal128(38, 0))), words(carries)]
            }
            Self::Float { counts, sums } => {
                // A group whose sum is wide has no parts.
                let part = |value: f64| if value.is_nan() { 0.0 } else { value };
                let high = Float64Array::from_iter_values(rows.iter().map(|row| part(sums.high(*row))));
                let low = Float64Array::from_iter_values(rows.iter().map(|row| part(sums.low(*row))));
                let mut wide = BinaryBuilder::new();
                rows.iter().for_each(|row| wide.append_option(sums.wide(*row).map(super::exact::Wide::to_bytes)));
                vec![words(counts), Arc::new(high), Arc::new(low), Arc::new(wide.finish())]
            }
            Self::Extreme { best, .. } => vec![best_array(best, rows, kind.argument.as_ref().unwrap_or(&DataType::Int64))?],
        })
    }

    /// The results of the groups at `rows` as an array of the output's type; positions in `rows` of results that it cannot hold are
    /// appended to `failed`.
    pub fn evaluate(&self, rows: &[u32], kind: &AggregateKind, failed: &mut Vec<usize>) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Count(counts) => Ok(Arc::new(rows.iter().map(|row| counts[*row as usize]).collect::<Int64Array>())),
            Self::Extreme { best, .. } => best_array(best, rows, &kind.output),
            Self::Float { counts, sums } => {
                let is_mean = kind.function == AggregateFunction::Avg;
                #[expect(clippy::cast_precision_loss, reason = "a mean of more than 2^53 values is as near as a double can be")]
                let value = |row: u32| match (counts[row as usize], is_mean) {
                    (0, _) => None,
                    (count, true) => Some(sums.value(row) / count as f64),
                    (_, false) => Some(sums.value(row)),
                };
                let values = rows.iter().map(|row| value(*row));
                #[expect(clippy::cast_possible_truncation, reason = "FLOAT is the nearest f32")]
                Ok(match kind.output {
                    DataType::Float32 => Arc::new(values.map(|value| value.map(|value| value as f32)).collect::<Float32Array>()),
                    _ => Arc::new(values.collect::<Float64Array>()),
                })
            }
            Self::Exact { counts, sums, carries } => {
                let mut column = Column::new(&kind.output).map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
                for (position, row) in rows.iter().map(|row| *row as usize).enumerate() {
                    if counts[row] == 0 {
                        column.push_null();
                    } else if push_exact(&mut column, kind, sums[row], carries[row], counts[row]).is_none() {
                        failed.push(position);
                        column.push_null();
                    }
                }
                column.finish(&kind.output)
            }
        }
    }

    /// Bytes of memory that the groups take.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Count(counts) => counts.capacity() * 8,
            Self::Exact { counts, .. } => counts.capacity() * 32,
            Self::Float { counts, sums } => counts.capacity() * 8 + sums.size_bytes(),
            Self::Extreme { best: Best::Word(best), .. } => best.capacity() * 16,
            Self::Extreme { best: Best::Wide(best), .. } => best.capacity() * 32,
            Self::Extreme { best: Best::Bytes(best), .. } => best.capacity() * 24 + best.iter().flatten().map(Vec::capacity).sum::<usize>(),
        }
    }
}

fn best_array(best: &Best, rows: &[u32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let mut column = Column::new(data_type).map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
    for row in rows.iter().map(|row| *row as usize) {
        let pushed = match best {
            Best::Word(best) => best[row].map(|value| column.push_word(value)),
            Best::Wide(best) => best[row].map(|value| column.push_wide(value)),
            Best::Bytes(best) => best[row].as_ref().map(|value| column.push_bytes(value)),
        };
        if pushed.is_none() {
            column.push_null();
        }
    }
    column.finish(data_type)
}

/// Appends a sum or mean; nothing where the output's type does not hold it.
fn push_exact(column: &mut Column, kind: &AggregateKind, sum: i128, carry: i64, count: i64) -> Option<()> {
    let scale_of = |data_type: &DataType| match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let shift = scale_of(&kind.output) - kind.argument.as_ref().map_or(0, scale_of);
    // Signed 256 bits hold the sum, 192 bits at most, and its 38 more digits.
    let exact = i256::from_i128(carry.into()).checked_mul(i256::from_parts(0, 1))?.checked_add(i256::from_i128(sum))?;
    let scaled = exact.checked_mul(i256::from_i128(*POWERS_OF_TEN.get(usize::try_from(shift).ok()?)?))?;
    let count = i256::from_i128(count.into());
    let is_mean = kind.function == AggregateFunction::Avg;
    match &kind.output {
        DataType::Decimal128(precision, _) => {
            let value = if is_mean { divide_half_up(scaled, count)? } else { scaled }.to_i128()?;
            (value.unsigned_abs() < POWERS_OF_TEN[usize::from(*precision)].unsigned_abs()).then(|| column.push_wide(value))
        }
        output => {
            // AVG of integers as an integer cuts towards zero, as Flink's does.
            let value = if is_mean { scaled.checked_div(count)? } else { scaled }.to_i128()?;
            let fits = match output {
                DataType::Int8 => i8::try_from(value).is_ok(),
                DataType::Int16 => i16::try_from(value).is_ok(),
                DataType::Int32 => i32::try_from(value).is_ok(),
                _ => true,
            };
            let value = i64::try_from(value).ok().filter(|_| fits)?;
            column.push_word(value);
            Some(())
        }
    }
}

/// Division rounded half away from zero.
fn divide_half_up(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_sub(quotient.checked_mul(divisor)?)?;
    let twice = rest.wrapping_abs().checked_add(rest.wrapping_abs())?;
    match twice >= divisor {
        true => quotient.checked_add(if value < i256::ZERO { i256::MINUS_ONE } else { i256::ONE }),
        false => Some(quotient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(function: AggregateFunction, argument: DataType, output: DataType, values: ArrayRef) -> Result<ArrayRef, usize> {
        let kind = AggregateKind { function, argument: Some(argument), output };
        let mut accumulator = kind.accumulator().unwrap();
        accumulator.resize(1);
        let rows: Vec<u32> = (0..u32::try_from(values.len()).unwrap()).collect();
        accumulator.update(&vec![0; rows.len()], &rows, Some(&Column::from_array(&values).unwrap()));
        let again = kind.restore(&accumulator.state(&[0], &kind).unwrap()).unwrap();
        let mut failed = Vec::new();
        let result = again.evaluate(&[0], &kind, &mut failed).unwrap();
        if failed.is_empty() { Ok(result) } else { Err(failed[0]) }
    }

    #[test]
    fn a_sum_may_leave_its_range_on_the_way_but_not_at_the_end() {
        let sum = |values: Vec<i64>| exact(AggregateFunction::Sum, DataType::Int64, DataType::Int64, Arc::new(Int64Array::from(values)));
        let fine = sum(vec![i64::MAX, i64::MAX, -i64::MAX, -1]).unwrap();
        assert_eq!(fine.as_primitive::<Int64Type>().value(0), i64::MAX - 1);
        assert_eq!(sum(vec![i64::MAX, 1]), Err(0));
    }

    #[test]
    fn decimals_carry_past_128_bits_and_means_round_half_away_from_zero() {
        let most = 10_i128.pow(38) - 1;
        let decimals =
            |values: Vec<i128>, scale| -> ArrayRef { Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap()) };
        let wide = DataType::Decimal128(38, 0);
        let sum = |values| exact(AggregateFunction::Sum, wide.clone(), wide.clone(), decimals(values, 0));
        assert_eq!(sum(vec![most, most, most, -most, -most]).unwrap().as_primitive::<Decimal128Type>().value(0), most);
        assert_eq!(sum(vec![-most, -most, -most, most, most]).unwrap().as_primitive::<Decimal128Type>().value(0), -most);
        assert_eq!(sum(vec![most, 1]), Err(0));
        let mean = |values| {
            let array = exact(AggregateFunction::Avg, DataType::Decimal128(38, 2), DataType::Decimal128(38, 6), decimals(values, 2));
            array.unwrap().as_primitive::<Decimal128Type>().value(0)
        };
        assert_eq!(mean(vec![100, 100, 1]), 670_000);
        assert_eq!(mean(vec![1, 1, 0]), 6_667);
        assert_eq!(mean(vec![-1, -1, 0]), -6_667);
    }

    #[test]
    fn the_least_and_the_greatest_hold_for_text_and_floats() {
        let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![Some("b"), None, Some("ba"), Some("a"), Some("b")]));
        let extreme = |function, values: &ArrayRef| {
            exact(function, values.data_type().clone(), values.data_type().clone(), Arc::clone(values)).unwrap()
        };
        assert_eq!(extreme(AggregateFunction::Min, &text).as_string::<i32>().value(0), "a");
        assert_eq!(extreme(AggregateFunction::Max, &text).as_string::<i32>().value(0), "ba");
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![-1.5, 2.0, f64::NEG_INFINITY]));
        assert_eq!(extreme(AggregateFunction::Max, &floats).as_primitive::<Float64Type>().value(0), 2.0);
        assert_eq!(extreme(AggregateFunction::Min, &floats).as_primitive::<Float64Type>().value(0), f64::NEG_INFINITY);
    }
}
