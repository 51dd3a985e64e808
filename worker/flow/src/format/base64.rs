//! Base64 of RFC 4648 §4, with padding: how JSON and CSV carry BYTES, as Flink has it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` in base64.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| (group << 8) | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            out.push(if index <= chunk.len() { ALPHABET[(group >> (18 - 6 * index)) & 63] } else { b'=' });
        }
    }
}

/// Appends what `text` stands for; nothing where it is not base64.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    for (index, group) in text.chunks(4).enumerate() {
        let kept = if (index + 1) * 4 == text.len() { 4 - padding } else { 4 };
        let mut value = 0_u32;
        for (position, byte) in group.iter().enumerate() {
            value = (value << 6) | if position < kept { u32::from(sextet(*byte)?) } else { 0 };
        }
        out.extend_from_slice(&value.to_be_bytes()[1..kept]);
    }
    Some(())
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold_in_both_directions() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")] {
            let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
            encode(bytes.as_bytes(), &mut encoded);
            assert_eq!(encoded, text.as_bytes());
            assert_eq!(decode(&encoded, &mut decoded), Some(()));
            assert_eq!(decoded, bytes.as_bytes());
        }
        for bad in ["Zg=", "Z===", "====", "Zm=v", "Zm9\n"] {
            assert_eq!(decode(bad.as_bytes(), &mut Vec::new()), None, "{bad}");
        }
    }
}
