//! A growable column of canonical values: what decoders fill, group keys are kept in, and MIN and MAX compare.
//!
//! Every SQL type maps to one of three shapes, so that hashing, equality, order and growth are written three times and not twenty:
//!
//! | shape | SQL types | value |
//! |---|---|---|
//! | word | BOOLEAN, TINYINT … BIGINT, DATE, TIME, TIMESTAMP | the number itself, sign-extended to 64 bits |
//! | word | FLOAT, DOUBLE | bits of the f64, those below the sign inverted where negative: integer order is numeric order, NaN the greatest |
//! | wide | DECIMAL | the unscaled 128-bit number |
//! | bytes | STRING, BYTES | the bytes |
//!
//! `-0.0` is `0.0` and there is one NaN, so that SQL equality is equality of values here.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray, StringArray,
        new_null_array,
    },
    buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
        Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
};

/// A type that no operator here can hold as a key, a decoded column or a MIN or MAX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("type {0} is not supported here; cast it to STRING, BIGINT, DOUBLE, DECIMAL, DATE or TIMESTAMP")]
pub struct UnsupportedType(pub DataType);

/// The values of a column, by shape; a null has the shape's zero.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Word(Vec<i64>),
    Wide(Vec<i128>),
    /// Value `i` is `data[offsets[i]..offsets[i + 1]]`.
    Bytes {
        offsets: Vec<usize>,
        data: Vec<u8>,
    },
}

/// A growable column; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    values: Values,
    /// Absent while every value is present.
    valid: Option<Vec<bool>>,
}

impl Column {
    /// An empty column for values of `data_type`.
    pub fn new(data_type: &DataType) -> Result<Self, UnsupportedType> {
        let values = match data_type {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..) => Values::Word(Vec::new()),
            DataType::Decimal128(..) => Values::Wide(Vec::new()),
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::Utf8View | DataType::LargeBinary | DataType::BinaryView => {
                Values::Bytes { offsets: vec![0], data: Vec::new() }
            }
            other => return Err(UnsupportedType(other.clone())),
        };
        Ok(Self { values, valid: None })
    }

    /// The values of `array`.
    pub fn from_array(array: &ArrayRef) -> Result<Self, UnsupportedType> {
        let mut column = Self::new(array.data_type())?;
        match (&mut column.values, array.data_type()) {
            (Values::Word(words), data_type) => *words = words_of(array, data_type),
            (Values::Wide(wides), _) => wides.extend_from_slice(array.as_primitive::<Decimal128Type>().values()),
            (Values::Bytes { offsets, data }, _) => bytes_of(array, offsets, data),
        }
        if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
            let valid: Vec<bool> = nulls.iter().collect();
            column.zero_nulls(&valid);
            column.valid = Some(valid);
        }
        Ok(column)
    }

    fn zero_nulls(&mut self, valid: &[bool]) {
        match &mut self.values {
            Values::Word(words) => words.iter_mut().zip(valid).filter(|(_, valid)| !**valid).for_each(|(word, _)| *word = 0),
            Values::Wide(wides) => wides.iter_mut().zip(valid).filter(|(_, valid)| !**valid).for_each(|(wide, _)| *wide = 0),
            // Taken over value by value, and a null as no bytes.
            Values::Bytes { .. } => {}
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Word(words) => words.len(),
            Values::Wide(wides) => wides.len(),
            Values::Bytes { offsets, .. } => offsets.len() - 1,
        }
    }

    /// Bytes of memory that the values take.
    pub fn size_bytes(&self) -> usize {
        self.valid.as_ref().map_or(0, Vec::capacity)
            + match &self.values {
                Values::Word(words) => words.capacity() * 8,
                Values::Wide(wides) => wides.capacity() * 16,
                Values::Bytes { offsets, data } => offsets.capacity() * 8 + data.capacity(),
            }
    }

    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Word `index`; 0 for a column of another shape, which its maker excludes.
    pub fn word(&self, index: usize) -> i64 {
        match &self.values {
            Values::Word(words) => words[index],
            _ => 0,
        }
    }

    #[inline]
    pub fn is_valid(&self, index: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid[index])
    }

    /// Makes room for `values` more, but for the bytes of STRING and BYTES.
    pub fn reserve(&mut self, values: usize) {
        match &mut self.values {
            Values::Word(words) => words.reserve(values),
            Values::Wide(wides) => wides.reserve(values),
            Values::Bytes { offsets, .. } => offsets.reserve(values),
        }
    }

    /// Forgets every value from `len` on.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Word(words) => words.truncate(len),
            Values::Wide(wides) => wides.truncate(len),
            Values::Bytes { offsets, data } => {
                if len + 1 < offsets.len() {
                    offsets.truncate(len + 1);
                    data.truncate(offsets[len]);
                }
            }
        }
        if let Some(valid) = &mut self.valid {
            valid.truncate(len);
        }
    }

    pub fn push_null(&mut self) {
        let len = self.len();
        self.valid.get_or_insert_with(|| vec![true; len]).push(false);
        match &mut self.values {
            Values::Word(words) => words.push(0),
            Values::Wide(wides) => wides.push(0),
            Values::Bytes { offsets, data } => offsets.push(data.len()),
        }
    }

    fn push_valid(&mut self) {
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    #[inline]
    pub fn push_word(&mut self, value: i64) {
        match &mut self.values {
            Values::Word(words) => words.push(value),
            _ => unreachable!("a word is pushed into columns of that shape only"),
        }
        self.push_valid();
    }

    #[inline]
    pub fn push_float(&mut self, value: f64) {
        self.push_word(word_of_float(value));
    }

    #[inline]
    pub fn push_wide(&mut self, value: i128) {
        match &mut self.values {
            Values::Wide(wides) => wides.push(value),
            _ => unreachable!("a wide number is pushed into columns of that shape only"),
        }
        self.push_valid();
    }

    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        match &mut self.values {
            Values::Bytes { offsets, data } => {
                data.extend_from_slice(value);
                offsets.push(data.len());
            }
            _ => unreachable!("bytes are pushed into columns of that shape only"),
        }
        self.push_valid();
    }

    /// Lets `write` append one value's bytes to the end of the column; nothing is added where it fails.
    #[inline]
    pub fn push_written<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        match &mut self.values {
            Values::Bytes { offsets, data } => {
                let start = data.len();
                if let Err(error) = write(data) {
                    data.truncate(start);
                    return Err(error);
                }
                offsets.push(data.len());
            }
            _ => unreachable!("bytes are written into columns of that shape only"),
        }
        self.push_valid();
        Ok(())
    }

    /// Appends value `index` of `other`, which has the same shape.
    #[inline]
    pub fn push_from(&mut self, other: &Self, index: usize) {
        if !other.is_valid(index) {
            return self.push_null();
        }
        match &other.values {
            Values::Word(words) => self.push_word(words[index]),
            Values::Wide(wides) => self.push_wide(wides[index]),
            Values::Bytes { offsets, data } => self.push_bytes(&data[offsets[index]..offsets[index + 1]]),
        }
    }

    /// SQL's `IS NOT DISTINCT FROM` between one value here and one of `other`, which has the same shape.
    #[inline]
    pub fn equals(&self, index: usize, other: &Self, other_index: usize) -> bool {
        self.is_valid(index) == other.is_valid(other_index) && self.compare_values(index, other, other_index) == Ordering::Equal
    }

    /// Order of two values of one shape, nulls first.
    pub fn compare(&self, index: usize, other: &Self, other_index: usize) -> Ordering {
        let by_presence = self.is_valid(index).cmp(&other.is_valid(other_index));
        by_presence.then_with(|| self.compare_values(index, other, other_index))
    }

    /// As [`Column::compare`], where neither is null.
    #[inline]
    pub fn compare_values(&self, index: usize, other: &Self, other_index: usize) -> Ordering {
        match (&self.values, &other.values) {
            (Values::Word(left), Values::Word(right)) => left[index].cmp(&right[other_index]),
            (Values::Wide(left), Values::Wide(right)) => left[index].cmp(&right[other_index]),
            (Values::Bytes { offsets, data }, Values::Bytes { offsets: other_offsets, data: other_data }) => {
                data[offsets[index]..offsets[index + 1]].cmp(&other_data[other_offsets[other_index]..other_offsets[other_index + 1]])
            }
            _ => unreachable!("columns compared have the same shape"),
        }
    }

    /// The values at `indices`, in that order, as an array of `data_type`.
    ///
    /// # Errors
    /// Where the bytes of a STRING are not UTF-8 or 2 GiB are passed.
    pub fn gather(&self, indices: &[u32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let nulls = self.valid.as_ref().map(|valid| indices.iter().map(|index| valid[*index as usize]).collect());
        let values = match &self.values {
            Values::Word(words) => Values::Word(indices.iter().map(|index| words[*index as usize]).collect()),
            Values::Wide(wides) => Values::Wide(indices.iter().map(|index| wides[*index as usize]).collect()),
            Values::Bytes { offsets, data } => {
                let mut gathered = (Vec::with_capacity(indices.len() + 1), Vec::new());
                gathered.0.push(0);
                for index in indices {
                    gathered.1.extend_from_slice(&data[offsets[*index as usize]..offsets[*index as usize + 1]]);
                    gathered.0.push(gathered.1.len());
                }
                Values::Bytes { offsets: gathered.0, data: gathered.1 }
            }
        };
        Self { values, valid: nulls }.finish(data_type)
    }

    /// All values as an array of `data_type`.
    ///
    /// # Errors
    /// Where the bytes of a STRING are not UTF-8 or 2 GiB are passed.
    pub fn finish(self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let nulls = self.valid.filter(|valid| valid.contains(&false)).map(|valid| NullBuffer::new(BooleanBuffer::from(valid)));
        match self.values {
            Values::Word(words) => array_of_words(words, nulls, data_type),
            Values::Wide(wides) => {
                let array = Decimal128Array::try_new(ScalarBuffer::from(wides), nulls)?;
                Ok(Arc::new(array.with_data_type(data_type.clone())))
            }
            Values::Bytes { offsets, data } => array_of_bytes(&offsets, data, nulls, data_type),
        }
    }
}

/// The canonical word of a float; see the module.
#[inline]
pub(crate) fn word_of_float(value: f64) -> i64 {
    let canonical = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = canonical.to_bits().cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The float of a canonical word.
#[inline]
pub(crate) fn float_of_word(word: i64) -> f64 {
    f64::from_bits((word ^ ((word >> 63) & i64::MAX)).cast_unsigned())
}

fn words_of(array: &ArrayRef, data_type: &DataType) -> Vec<i64> {
    fn cast<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<i64>
    where
        i64: From<T::Native>,
    {
        array.as_primitive::<T>().values().iter().map(|value| i64::from(*value)).collect()
    }
    match data_type {
        DataType::Boolean => array.as_boolean().values().iter().map(i64::from).collect(),
        DataType::Int8 => cast::<Int8Type>(array),
        DataType::Int16 => cast::<Int16Type>(array),
        DataType::Int32 => cast::<Int32Type>(array),
        DataType::Int64 => cast::<Int64Type>(array),
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().map(|value| word_of_float(f64::from(*value))).collect(),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().map(|value| word_of_float(*value)).collect(),
        DataType::Date32 => cast::<Date32Type>(array),
        DataType::Time32(TimeUnit::Second) => cast::<Time32SecondType>(array),
        DataType::Time32(_) => cast::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => cast::<Time64MicrosecondType>(array),
        DataType::Time64(_) => cast::<Time64NanosecondType>(array),
        DataType::Timestamp(TimeUnit::Second, _) => cast::<TimestampSecondType>(array),
        DataType::Timestamp(TimeUnit::Millisecond, _) => cast::<TimestampMillisecondType>(array),
        DataType::Timestamp(TimeUnit::Microsecond, _) => cast::<TimestampMicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => cast::<TimestampNanosecondType>(array),
        other => unreachable!("{other} has no words"),
    }
}

fn bytes_of(array: &ArrayRef, offsets: &mut Vec<usize>, data: &mut Vec<u8>) {
    fn copy<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, offsets: &mut Vec<usize>, data: &mut Vec<u8>) {
        for value in values {
            data.extend_from_slice(value.unwrap_or_default());
            offsets.push(data.len());
        }
    }
    match array.data_type() {
        DataType::Utf8 => copy(array.as_string::<i32>().iter().map(|value| value.map(str::as_bytes)), offsets, data),
        DataType::LargeUtf8 => copy(array.as_string::<i64>().iter().map(|value| value.map(str::as_bytes)), offsets, data),
        DataType::Utf8View => copy(array.as_string_view().iter().map(|value| value.map(str::as_bytes)), offsets, data),
        DataType::Binary => copy(array.as_binary::<i32>().iter(), offsets, data),
        DataType::LargeBinary => copy(array.as_binary::<i64>().iter(), offsets, data),
        _ => copy(array.as_binary_view().iter(), offsets, data),
    }
}

fn array_of_words(words: Vec<i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    fn narrow<T: ArrowPrimitiveType>(words: &[i64], nulls: Option<NullBuffer>) -> Result<PrimitiveArray<T>, ArrowError>
    where
        T::Native: TryFrom<i64>,
    {
        let fits = |word: &i64| T::Native::try_from(*word).unwrap_or_default();
        PrimitiveArray::<T>::try_new(words.iter().map(fits).collect::<Vec<_>>().into(), nulls)
    }
    fn whole<T: ArrowPrimitiveType<Native = i64>>(
        words: Vec<i64>,
        nulls: Option<NullBuffer>,
        data_type: &DataType,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(PrimitiveArray::<T>::try_new(words.into(), nulls)?.with_data_type(data_type.clone())))
    }
    Ok(match data_type {
        DataType::Boolean => {
            Arc::new(BooleanArray::new(BooleanBuffer::from(words.iter().map(|word| *word != 0).collect::<Vec<_>>()), nulls))
        }
        DataType::Int8 => Arc::new(narrow::<Int8Type>(&words, nulls)?),
        DataType::Int16 => Arc::new(narrow::<Int16Type>(&words, nulls)?),
        DataType::Int32 => Arc::new(narrow::<Int32Type>(&words, nulls)?),
        DataType::Int64 => whole::<Int64Type>(words, nulls, data_type)?,
        #[expect(clippy::cast_possible_truncation, reason = "the word came from an f32")]
        DataType::Float32 => {
            let floats: Vec<f32> = words.iter().map(|word| float_of_word(*word) as f32).collect();
            Arc::new(PrimitiveArray::<Float32Type>::try_new(floats.into(), nulls)?)
        }
        DataType::Float64 => {
            let floats: Vec<f64> = words.iter().map(|word| float_of_word(*word)).collect();
            Arc::new(PrimitiveArray::<Float64Type>::try_new(floats.into(), nulls)?)
        }
        DataType::Date32 => Arc::new(narrow::<Date32Type>(&words, nulls)?),
        DataType::Time32(TimeUnit::Second) => Arc::new(narrow::<Time32SecondType>(&words, nulls)?),
        DataType::Time32(_) => Arc::new(narrow::<Time32MillisecondType>(&words, nulls)?),
        DataType::Time64(TimeUnit::Microsecond) => whole::<Time64MicrosecondType>(words, nulls, data_type)?,
        DataType::Time64(_) => whole::<Time64NanosecondType>(words, nulls, data_type)?,
        DataType::Timestamp(TimeUnit::Second, _) => whole::<TimestampSecondType>(words, nulls, data_type)?,
        DataType::Timestamp(TimeUnit::Millisecond, _) => whole::<TimestampMillisecondType>(words, nulls, data_type)?,
        DataType::Timestamp(TimeUnit::Microsecond, _) => whole::<TimestampMicrosecondType>(words, nulls, data_type)?,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => whole::<TimestampNanosecondType>(words, nulls, data_type)?,
        other => return Err(ArrowError::InvalidArgumentError(format!("{other} is not made of words"))),
    })
}

fn array_of_bytes(offsets: &[usize], data: Vec<u8>, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    i32::try_from(data.len()).map_err(|_| ArrowError::OffsetOverflowError(data.len()))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the last and largest was just checked")]
    let narrow: Vec<i32> = offsets.iter().map(|offset| *offset as i32).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(narrow));
    let data = Buffer::from_vec(data);
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::try_new(offsets, data, nulls)?),
        DataType::Binary => Arc::new(BinaryArray::try_new(offsets, data, nulls)?),
        DataType::LargeUtf8 | DataType::Utf8View => {
            let strings: ArrayRef = Arc::new(StringArray::try_new(offsets, data, nulls)?);
            arrow::compute::cast(&strings, data_type)?
        }
        _ => {
            let bytes: ArrayRef = Arc::new(BinaryArray::try_new(offsets, data, nulls)?);
            arrow::compute::cast(&bytes, data_type)?
        }
    })
}

/// `len` nulls of `data_type`.
pub(crate) fn nulls_of(data_type: &DataType, len: usize) -> ArrayRef {
    new_null_array(data_type, len)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int16Array, TimestampMillisecondArray};

    use super::*;

    fn every_type() -> Vec<ArrayRef> {
        vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int16Array::from(vec![Some(-7), None, Some(i16::MAX)])),
            Arc::new(Float32Array::from(vec![Some(-1.5), None, Some(f32::INFINITY)])),
            Arc::new(Float64Array::from(vec![Some(-1e-300), None, Some(2.5)])),
            Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(1 << 40)]).with_timezone("UTC")),
            Arc::new(Decimal128Array::from(vec![Some(-12345), None, Some(10_i128.pow(37))]).with_precision_and_scale(38, 2).unwrap()),
            Arc::new(StringArray::from(vec![Some("ä"), None, Some("")])),
            Arc::new(BinaryArray::from(vec![Some(&b"\xff"[..]), None, Some(&b""[..])])),
        ]
    }

    #[test]
    fn an_array_comes_back_as_it_went_in() {
        for array in every_type() {
            let column = Column::from_array(&array).unwrap();
            assert_eq!(&column.gather(&[0, 1, 2], array.data_type()).unwrap(), &array);
            assert_eq!(&column.clone().finish(array.data_type()).unwrap(), &array);
            let mut copied = Column::new(array.data_type()).unwrap();
            (0..3).for_each(|index| copied.push_from(&column, index));
            assert!((0..3).all(|index| copied.equals(index, &column, index)));
            assert!(!copied.equals(1, &column, 2), "a null equals no value, not even zero");
            copied.truncate(1);
            assert_eq!(&copied.finish(array.data_type()).unwrap(), &array.slice(0, 1));
        }
    }

    #[test]
    fn words_of_floats_order_as_the_floats_do() {
        let rising = [f64::NEG_INFINITY, -1e300, -1.0, -1e-310, 0.0, 1e-310, 1.0, 1e300, f64::INFINITY, f64::NAN];
        assert!(rising.windows(2).all(|pair| word_of_float(pair[0]) < word_of_float(pair[1])));
        assert!(rising[..9].iter().all(|value| float_of_word(word_of_float(*value)) == *value));
        assert_eq!(word_of_float(-0.0), word_of_float(0.0));
        assert_eq!(word_of_float(-f64::NAN), word_of_float(f64::NAN));
    }
}
