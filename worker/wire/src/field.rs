//! [`Field`]: how each type of a field is written and read.

use bytes::Bytes;
use units::{BrokerId, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId};

use crate::{DecodeError, Decoder, EncodeError, Encoder, ErrorCode, RecordSet, Str};

/// What decides how a value is written: the version, whether lengths are compact (KIP-482), and whether null is allowed here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) version: i16,
    pub(crate) flexible: bool,
    pub(crate) nullable: bool,
}

impl Shape {
    pub(crate) fn nullable(self, nullable: bool) -> Self {
        Self { nullable, ..self }
    }
}

/// A value on the wire.
pub(crate) trait Field: Sized {
    /// Bytes that any value takes at least: what an array's length is checked against.
    fn bytes_min(shape: Shape) -> usize;
    fn encode(&self, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError>;
    fn decode(decoder: &mut Decoder, shape: Shape) -> Result<Self, DecodeError>;
    /// A random value that this version can carry.
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, shape: Shape) -> Self;
}

/// A value whose length may say that there is none.
pub(crate) trait Nullable: Field {
    fn encode_or_null(value: Option<&Self>, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError>;
    fn decode_or_null(decoder: &mut Decoder, shape: Shape) -> Result<Option<Self>, DecodeError>;
}

macro_rules! fixed {
    ($($type:ty as $plain:ty: |$value:ident| $to:expr, $from:expr;)*) => {$(
        impl Field for $type {
            fn bytes_min(_: Shape) -> usize {
                size_of::<$plain>()
            }
            fn encode(&self, encoder: &mut Encoder, _: Shape) -> Result<(), EncodeError> {
                let $value = *self;
                let plain: $plain = $to;
                encoder.put(&plain.to_be_bytes());
                Ok(())
            }
            fn decode(decoder: &mut Decoder, _: Shape) -> Result<Self, DecodeError> {
                Ok($from(<$plain>::from_be_bytes(decoder.array()?)))
            }
            #[cfg(test)]
            fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
                $from(dice.next() as $plain)
            }
        }
    )*};
}

fixed! {
    i8 as i8: |value| value, std::convert::identity;
    i16 as i16: |value| value, std::convert::identity;
    i32 as i32: |value| value, std::convert::identity;
    i64 as i64: |value| value, std::convert::identity;
    ErrorCode as i16: |value| value.code(), ErrorCode::from_code;
    Offset as i64: |value| value.0, Offset;
    TimestampMs as i64: |value| value.0, TimestampMs;
    ProducerId as i64: |value| value.0, ProducerId;
    ProducerEpoch as i16: |value| value.0, ProducerEpoch;
    PartitionId as i32: |value| value.0, PartitionId;
    LeaderEpoch as i32: |value| value.0, LeaderEpoch;
    Sequence as i32: |value| value.0, Sequence;
    BrokerId as i32: |value| value.0, BrokerId;
}

impl Field for bool {
    fn bytes_min(_: Shape) -> usize {
        1
    }
    fn encode(&self, encoder: &mut Encoder, _: Shape) -> Result<(), EncodeError> {
        encoder.put(&[u8::from(*self)]);
        Ok(())
    }
    fn decode(decoder: &mut Decoder, _: Shape) -> Result<Self, DecodeError> {
        decoder.array().map(|[byte]| byte != 0)
    }
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
        dice.one_in(2)
    }
}

impl Field for [u8; 16] {
    fn bytes_min(_: Shape) -> usize {
        16
    }
    fn encode(&self, encoder: &mut Encoder, _: Shape) -> Result<(), EncodeError> {
        encoder.put(self);
        Ok(())
    }
    fn decode(decoder: &mut Decoder, _: Shape) -> Result<Self, DecodeError> {
        decoder.array()
    }
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
        std::array::from_fn(|_| dice.next() as u8)
    }
}

impl Field for TopicId {
    fn bytes_min(_: Shape) -> usize {
        16
    }
    fn encode(&self, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        self.0.encode(encoder, shape)
    }
    fn decode(decoder: &mut Decoder, _: Shape) -> Result<Self, DecodeError> {
        decoder.array().map(Self)
    }
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, shape: Shape) -> Self {
        Self(Field::sample(dice, shape))
    }
}

/// A type that is never null on its own: null in its place is refused, in both directions.
macro_rules! never_null {
    () => {
        fn encode(&self, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
            Self::encode_or_null(Some(self), encoder, shape)
        }
        fn decode(decoder: &mut Decoder, shape: Shape) -> Result<Self, DecodeError> {
            Self::decode_or_null(decoder, shape)?.ok_or(DecodeError::Length(-1))
        }
    };
}

impl Nullable for Str {
    fn encode_or_null(value: Option<&Self>, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        let length = value.map(|text| text.len());
        if shape.flexible {
            length.map_or(Ok(()), |length| i16::try_from(length).map(|_| ()).map_err(|_| EncodeError::Length(length)))?;
            encoder.put_compact_length(length)?;
        } else {
            encoder.put_length_i16(length)?;
        }
        encoder.put(value.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }
    fn decode_or_null(decoder: &mut Decoder, shape: Shape) -> Result<Option<Self>, DecodeError> {
        let length = if shape.flexible { decoder.compact_length()? } else { decoder.length_i16()? };
        length.map(|length| Self::from_utf8(decoder.bytes(length)?).ok_or(DecodeError::Text)).transpose()
    }
}

impl Field for Str {
    fn bytes_min(shape: Shape) -> usize {
        if shape.flexible { 1 } else { 2 }
    }
    never_null!();
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
        dice.text().into()
    }
}

impl Nullable for Bytes {
    fn encode_or_null(value: Option<&Self>, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        put_length(encoder, shape, value.map(Bytes::len))?;
        value.into_iter().for_each(|bytes| encoder.put_shared(bytes));
        Ok(())
    }
    fn decode_or_null(decoder: &mut Decoder, shape: Shape) -> Result<Option<Self>, DecodeError> {
        take_length(decoder, shape)?.map(|length| decoder.bytes(length)).transpose()
    }
}

impl Field for Bytes {
    fn bytes_min(shape: Shape) -> usize {
        length_bytes_min(shape)
    }
    never_null!();
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
        dice.bytes().into()
    }
}

impl Field for RecordSet {
    fn bytes_min(shape: Shape) -> usize {
        length_bytes_min(shape)
    }
    fn encode(&self, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        put_length(encoder, shape, Some(self.len()))?;
        self.slices().for_each(|slice| encoder.put_shared(slice));
        Ok(())
    }
    fn decode(decoder: &mut Decoder, shape: Shape) -> Result<Self, DecodeError> {
        Ok(Bytes::decode_or_null(decoder, shape)?.unwrap_or_default().into())
    }
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, _: Shape) -> Self {
        (0..dice.below(4)).map(|_| Bytes::from(dice.bytes())).collect()
    }
}

impl<T: Field> Nullable for Vec<T> {
    fn encode_or_null(value: Option<&Self>, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        put_length(encoder, shape, value.map(Vec::len))?;
        value.into_iter().flatten().try_for_each(|element| element.encode(encoder, shape))
    }
    fn decode_or_null(decoder: &mut Decoder, shape: Shape) -> Result<Option<Self>, DecodeError> {
        let Some(count) = take_length(decoder, shape)? else { return Ok(None) };
        let mut elements = decoder.room(count, T::bytes_min(shape))?;
        for _ in 0..count {
            elements.push(T::decode(decoder, shape)?);
        }
        Ok(Some(elements))
    }
}

impl<T: Field> Field for Vec<T> {
    fn bytes_min(shape: Shape) -> usize {
        length_bytes_min(shape)
    }
    never_null!();
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, shape: Shape) -> Self {
        (0..dice.below(4)).map(|_| T::sample(dice, shape)).collect()
    }
}

impl<T: Nullable> Field for Option<T> {
    fn bytes_min(shape: Shape) -> usize {
        T::bytes_min(shape)
    }
    fn encode(&self, encoder: &mut Encoder, shape: Shape) -> Result<(), EncodeError> {
        if self.is_none() && !shape.nullable {
            return Err(EncodeError::Null { version: shape.version });
        }
        T::encode_or_null(self.as_ref(), encoder, shape)
    }
    fn decode(decoder: &mut Decoder, shape: Shape) -> Result<Self, DecodeError> {
        let value = T::decode_or_null(decoder, shape)?;
        if value.is_none() && !shape.nullable {
            return Err(DecodeError::Length(-1));
        }
        Ok(value)
    }
    #[cfg(test)]
    fn sample(dice: &mut crate::tests::Dice, shape: Shape) -> Self {
        (!(shape.nullable && dice.one_in(3))).then(|| T::sample(dice, shape))
    }
}

/// `!=` between values of one type, so that a default may be written as `Default::default()`.
pub(crate) fn differs<T: PartialEq>(value: &T, default: &T) -> bool {
    value != default
}

fn length_bytes_min(shape: Shape) -> usize {
    if shape.flexible { 1 } else { 4 }
}

fn put_length(encoder: &mut Encoder, shape: Shape, length: Option<usize>) -> Result<(), EncodeError> {
    if shape.flexible { encoder.put_compact_length(length) } else { encoder.put_length_i32(length) }
}

fn take_length(decoder: &mut Decoder, shape: Shape) -> Result<Option<usize>, DecodeError> {
    if shape.flexible { decoder.compact_length() } else { decoder.length_i32() }
}
