//! How a message is declared, and what a declaration gives.
//!
//! ```text
//! message! {
//!     /// What it asks for.
//!     request FetchRequest: Fetch -> FetchResponse {
//!         /// A field of every version.
//!         max_wait_ms: i32,
//!         /// A field of some, with a value that stands where a version has none.
//!         max_bytes: i32 [3..] = 0x7fff_ffff,
//!         /// Null is allowed from version 1 on; before it, null cannot be written and is refused when read.
//!         topics: Option<Vec<FetchTopic>> [0.., nullable 1..],
//!         /// A tagged field (KIP-482): written only where it is not the default.
//!         cluster_id: Option<Str> [12.., tag 0],
//!         /// Changes what is asked: setting it for a version without it is an error instead of silence.
//!         require_stable: bool [7..; strict],
//!     }
//!     /// A part of it.
//!     struct FetchTopic { … }
//! }
//! ```
//!
//! Fields stand in the order of the wire; names are Kafka's, in snake case. Which versions a message has, and from which on it is
//! flexible, is said once for request and response, in [`crate::ApiKey`].

use std::ops::RangeInclusive;

use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder};

/// A request or a response.
pub trait Message: Sized + Default {
    /// The API it belongs to.
    const API: ApiKey;
    /// Name of the type.
    const NAME: &'static str;

    /// Writes the message as `version` has it. Fields that the version does not know are left out.
    ///
    /// # Errors
    /// [`EncodeError`]; nothing is lost without saying so where a request would change its meaning (`strict` fields).
    fn encode(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError>;

    /// Reads the message as `version` has it. Fields that the version does not know have their defaults; tagged fields that we do not
    /// know are skipped.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are not that message.
    fn decode(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError>;

    /// The versions that can be written and read.
    #[must_use]
    fn versions() -> RangeInclusive<i16> {
        Self::API.versions()
    }
}

/// A message that is answered by another.
pub trait Request: Message {
    /// What answers it.
    type Response: Message;
}

macro_rules! message {
    () => {};
    ($(#[$doc:meta])* request $name:ident: $api:ident -> $response:ident { $($fields:tt)* } $($rest:tt)*) => {
        message! { $(#[$doc])* response $name: $api { $($fields)* } $($rest)* }
        impl $crate::Request for $name {
            type Response = $response;
        }
    };
    ($(#[$doc:meta])* response $name:ident: $api:ident { $($fields:tt)* } $($rest:tt)*) => {
        message! { $(#[$doc])* struct $name { $($fields)* } $($rest)* }
        impl $crate::Message for $name {
            const API: $crate::ApiKey = $crate::ApiKey::$api;
            const NAME: &'static str = stringify!($name);

            fn encode(&self, encoder: &mut $crate::Encoder, version: i16) -> Result<(), $crate::EncodeError> {
                let unknown = $crate::EncodeError::Version { message: Self::NAME, version };
                $crate::field::Field::encode(self, encoder, Self::API.shape(version).ok_or(unknown)?)
            }
            fn decode(decoder: &mut $crate::Decoder, version: i16) -> Result<Self, $crate::DecodeError> {
                let unknown = $crate::DecodeError::Version { message: Self::NAME, version };
                $crate::field::Field::decode(decoder, Self::API.shape(version).ok_or(unknown)?)
            }
        }
    };
    (
        $(#[$doc:meta])*
        struct $name:ident {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty $([$($spec:tt)*])? $(= $default:expr)?, )*
        }
        $($rest:tt)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: field!(default $($default)?), )* }
            }
        }

        impl $crate::field::Field for $name {
            #[allow(unused_mut, unused_variables)]
            fn bytes_min(shape: $crate::field::Shape) -> usize {
                let mut bytes = usize::from(shape.flexible);
                $(
                    if field!(plain shape.version; $($($spec)*)?) {
                        bytes += <$type as $crate::field::Field>::bytes_min(shape);
                    }
                )*
                bytes
            }

            #[allow(unused_mut, unused_variables)]
            fn encode(&self, encoder: &mut $crate::Encoder, shape: $crate::field::Shape) -> Result<(), $crate::EncodeError> {
                $(
                    if field!(plain shape.version; $($($spec)*)?) {
                        let shape = shape.nullable(field!(nullable shape.version; $($($spec)*)?));
                        $crate::field::Field::encode(&self.$field, encoder, shape)?;
                    }
                    field!(strict self.$field, $field, shape.version, field!(default $($default)?); $($($spec)*)?);
                )*
                if shape.flexible {
                    let mut tagged = $crate::encoder::TaggedFields::default();
                    $( field!(write_tagged tagged, self.$field, shape, field!(default $($default)?); $($($spec)*)?); )*
                    tagged.write(encoder);
                }
                Ok(())
            }

            #[allow(unused_mut, unused_variables)]
            fn decode(decoder: &mut $crate::Decoder, shape: $crate::field::Shape) -> Result<Self, $crate::DecodeError> {
                let mut message = Self::default();
                $(
                    if field!(plain shape.version; $($($spec)*)?) {
                        let shape = shape.nullable(field!(nullable shape.version; $($($spec)*)?));
                        message.$field = $crate::field::Field::decode(decoder, shape)?;
                    }
                )*
                if shape.flexible {
                    decoder.tagged_fields(|decoder, tag| {
                        $( field!(read_tagged decoder, tag, message.$field, shape; $($($spec)*)?); )*
                        Ok(false)
                    })?;
                }
                Ok(message)
            }

            #[cfg(test)]
            #[allow(unused_mut, unused_variables)]
            fn sample(dice: &mut $crate::tests::Dice, shape: $crate::field::Shape) -> Self {
                let mut message = Self::default();
                $(
                    if field!(present shape.version; $($($spec)*)?) {
                        let shape = shape.nullable(field!(nullable shape.version; $($($spec)*)?));
                        message.$field = $crate::field::Field::sample(dice, shape);
                    }
                )*
                message
            }
        }

        message! { $($rest)* }
    };
}

/// What the brackets behind a field's type mean, question by question.
macro_rules! field {
    (default) => { Default::default() };
    (default $default:expr) => { $default };

    // Is it in this version at all?
    (present $version:expr;) => { true };
    (present $version:expr; $versions:expr $(, nullable $nullable:expr)? $(, tag $tag:literal)? $(; strict)?) => {
        std::ops::RangeBounds::contains(&($versions), &$version)
    };

    // Is it in this version, and not a tagged field?
    (plain $version:expr;) => { true };
    (plain $version:expr; $versions:expr $(, nullable $nullable:expr)?, tag $tag:literal) => { false };
    (plain $version:expr; $($spec:tt)*) => { field!(present $version; $($spec)*) };

    // Is null allowed in this version?
    (nullable $version:expr; $versions:expr, nullable $nullable:expr $(, tag $tag:literal)? $(; strict)?) => {
        std::ops::RangeBounds::contains(&($nullable), &$version)
    };
    (nullable $version:expr; $($spec:tt)*) => { true };

    // Refuse silence about what changes a request's meaning.
    (strict $value:expr, $field:ident, $version:expr, $default:expr; $versions:expr; strict) => {
        if !std::ops::RangeBounds::contains(&($versions), &$version) && $crate::field::differs(&$value, &$default) {
            return Err($crate::EncodeError::FieldNotInVersion { field: stringify!($field), version: $version });
        }
    };
    (strict $value:expr, $field:ident, $version:expr, $default:expr; $($spec:tt)*) => {};

    (write_tagged $tagged:ident, $value:expr, $shape:expr, $default:expr; $versions:expr, tag $tag:literal) => {
        if std::ops::RangeBounds::contains(&($versions), &$shape.version) && $crate::field::differs(&$value, &$default) {
            $tagged.add($tag, |encoder| $crate::field::Field::encode(&$value, encoder, $shape.nullable(true)))?;
        }
    };
    (write_tagged $tagged:ident, $value:expr, $shape:expr, $default:expr; $($spec:tt)*) => {};

    (read_tagged $decoder:ident, $tag:expr, $value:expr, $shape:expr; $versions:expr, tag $number:literal) => {
        if $tag == $number && std::ops::RangeBounds::contains(&($versions), &$shape.version) {
            $value = $crate::field::Field::decode($decoder, $shape.nullable(true))?;
            return Ok(true);
        }
    };
    (read_tagged $decoder:ident, $tag:expr, $value:expr, $shape:expr; $($spec:tt)*) => {};
}
