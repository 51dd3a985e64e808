//! The bytes of an object on their way to the store, in as many pieces as they were made.

use bytes::Bytes;

/// What a put writes: pieces that are stored one behind the other. Cheap to clone (a retry sends the same bytes).
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: Vec<Bytes>,
    len: u64,
}

impl Body {
    /// A body of no bytes: what a fence object has.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds `piece` at the end, without copying it.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len() as u64;
            self.pieces.push(piece);
        }
    }

    /// Bytes in all pieces together.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order; none of them is empty.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// All bytes in one piece; copies only where there are several.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        }
    }

    /// The bytes `range`, uncopied; it must lie within the body.
    #[cfg(feature = "s3")]
    pub(crate) fn slice(&self, range: std::ops::Range<u64>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} lies within {} bytes", self.len);
        let mut begin = 0;
        let mut inside = Self::empty();
        for piece in &self.pieces {
            let end = begin + piece.len() as u64;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                inside.push(piece.slice((from - begin) as usize..(to - begin) as usize));
            }
            begin = end;
        }
        inside
    }

    /// CRC-32C (Castagnoli) of all bytes.
    pub(crate) fn crc32c(&self) -> u32 {
        self.pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::empty();
        body.push(bytes);
        body
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(pieces: Vec<Bytes>) -> Self {
        pieces.into_iter().collect()
    }
}

impl FromIterator<Bytes> for Body {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut body = Self::empty();
        pieces.into_iter().for_each(|piece| body.push(piece));
        body
    }
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_the_bytes_of_its_range() {
        let body: Body = ["ab", "cde", "f"].into_iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        for start in 0..=6 {
            for end in start..=6 {
                assert_eq!(body.slice(start..end).to_bytes(), body.to_bytes()[start as usize..end as usize], "{start}..{end}");
            }
        }
    }
}
