//! Zig-zag variable-length integers, as records have them.

/// Takes one integer of up to 64 bits off the front of `bytes`; `None` where it does not end there.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            // The tenth byte has room for one bit.
            if index == 9 && *byte > 1 {
                return None;
            }
            *bytes = &bytes[index + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Takes one integer that must fit into 32 bits.
pub(crate) fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    take(bytes).and_then(|value| i32::try_from(value).ok())
}

/// Appends `value`.
pub(crate) fn put(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Bytes that `value` takes.
pub(crate) fn size(value: i64) -> usize {
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_and_know_their_size() {
        let edges =
            (0..64).flat_map(|bit| [1i64.wrapping_shl(bit), 1i64.wrapping_shl(bit).wrapping_neg(), 1i64.wrapping_shl(bit).wrapping_sub(1)]);
        for value in edges.filter(|value| *value != i64::MIN).chain([i64::MIN, i64::MAX, 0]) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), size(value), "{value}");
            let mut left = &bytes[..];
            assert_eq!((take(&mut left), left.len()), (Some(value), 0));
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None, "{value} cut short");
        }
    }

    #[test]
    fn overlong_integers_are_refused() {
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        assert_eq!(take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]), None);
        assert_eq!(take_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x10][..]), None);
    }
}
