//! Messages as JSON: the types are written and read as serde has them, and nothing else describes them.

use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Writes `E`, reads `D`.
pub(super) struct Json<E, D>(PhantomData<fn(E) -> D>);

impl<E, D> Default for Json<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Serialize + Send + 'static, D: DeserializeOwned + Send + 'static> Codec for Json<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = Writer<E>;
    type Decoder = Reader<D>;

    fn encoder(&mut self) -> Self::Encoder {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Buffers begin at 1 KiB rather than 8: an operator has a connection to each pipeline, and what pipelines say is short. They grow.
fn buffers() -> BufferSettings {
    const YIELD_THRESHOLD_BYTES: usize = 32 << 10;
    BufferSettings::new(1 << 10, YIELD_THRESHOLD_BYTES)
}

pub(super) struct Writer<E>(PhantomData<fn(E)>);

impl<E: Serialize> Encoder for Writer<E> {
    type Item = E;
    type Error = Status;

    fn encode(&mut self, item: E, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let text = serde_json::to_vec(&item).map_err(|reason| Status::internal(format!("write a message: {reason}")))?;
        into.put_slice(&text);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}

pub(super) struct Reader<D>(PhantomData<fn() -> D>);

impl<D: DeserializeOwned> Decoder for Reader<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let text = from.copy_to_bytes(from.remaining());
        serde_json::from_slice(&text).map(Some).map_err(|reason| Status::invalid_argument(format!("the message cannot be read: {reason}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
