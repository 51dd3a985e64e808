//! Frames: four bytes of length, then a header and a message.

use bytes::{Buf, Bytes};

/// Bytes of the length in front of every frame.
pub const PREFIX_BYTES: usize = 4;

/// What a buffer that starts with a frame holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not even the length is there.
    NeedLength,
    /// The length is there, the frame is not: budget `frame_bytes` and read on.
    NeedBody {
        /// Bytes of the frame, without the length in front.
        frame_bytes: usize,
    },
    /// The whole frame is there.
    Whole {
        /// Bytes of the frame, without the length in front.
        frame_bytes: usize,
    },
}

/// The length in front of a frame is below zero, or larger than the one who reads it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is not between 0 and {bytes_max}")]
pub struct FrameError {
    /// The length that was claimed.
    pub length: i32,
    /// The limit that it was held against.
    pub bytes_max: usize,
}

/// Looks at what has been read so far. Takes nothing and allocates nothing.
///
/// # Errors
/// [`FrameError`]: close the connection; what follows cannot be found.
pub fn status(buffer: &[u8], bytes_max: usize) -> Result<Status, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(Status::NeedLength) };
    let length = i32::from_be_bytes(*prefix);
    let Some(frame_bytes) = usize::try_from(length).ok().filter(|bytes| *bytes <= bytes_max) else {
        return Err(FrameError { length, bytes_max });
    };
    let is_whole = buffer.len() - PREFIX_BYTES >= frame_bytes;
    Ok(if is_whole { Status::Whole { frame_bytes } } else { Status::NeedBody { frame_bytes } })
}

/// A frame to write, its length in front, as slices: record sets stand in it uncopied. Meant for vectored writes.
#[derive(Clone, Debug)]
pub struct Encoded {
    slices: Vec<Bytes>,
    bytes: usize,
}

impl Encoded {
    pub(crate) fn new(slices: Vec<Bytes>) -> Self {
        let bytes = slices.iter().map(Bytes::len).sum();
        Self { slices, bytes }
    }

    /// Bytes in all slices, the length in front included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to write; never, for a frame that was just made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The slices in order, none of them empty.
    #[must_use]
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// The slices in order, none of them empty.
    #[must_use]
    pub fn into_slices(self) -> Vec<Bytes> {
        self.slices
    }

    /// Everything in one piece; copies unless there is one slice.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match self.slices.as_mut_slice() {
            [one] => std::mem::take(one),
            many => many
                .iter_mut()
                .fold(bytes::BytesMut::with_capacity(self.bytes), |mut all, slice| {
                    all.extend_from_slice(slice.chunk());
                    all
                })
                .freeze(),
        }
    }
}
