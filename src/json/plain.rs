//! How far a text of JSON stands for itself, without escapes (RFC 8259, section 7), found for many bytes at once. Pure.

/// Whether `text` needs no escapes to stand between the quotes of a JSON string.
pub(crate) fn is_plain(text: &str) -> bool {
    is_plain_block(text.as_bytes())
}

/// How many bytes of a text stand for themselves (RFC 8259, section 7) before one that does not.
pub(super) fn plain(bytes: &[u8]) -> usize {
    /// Most texts, of names and roles, end before here: longer ones are looked at by the block.
    const SHORT: usize = 32;
    let mut at = 0;
    while let Some((word, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk()) {
        if let Some(found) = first_special(*word) {
            return at + found;
        }
        at += word.len();
        if at == SHORT {
            at += plain_blocks::<256>(rest);
            at += plain_blocks::<64>(bytes.get(at..).unwrap_or_default());
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// How many bytes stand in those blocks at the beginning that have none but such as stand for themselves.
fn plain_blocks<const BLOCK: usize>(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    BLOCK * blocks.iter().take_while(|block| is_plain_block(*block)).count()
}

/// Whether all bytes of a block stand for themselves: found by their least, with no branch and no comparison for
/// each, so that many are looked at in one instruction.
fn is_plain_block(block: &[u8]) -> bool {
    // Puts the quote among those below the space, with the space itself above, and the backslash on their highest.
    const HIGHEST: u8 = b' ';
    let folded = |byte: u8| (byte ^ 2).min((byte ^ b'\\').saturating_add(HIGHEST));
    block.iter().fold(u8::MAX, |least, byte| least.min(folded(*byte))) > HIGHEST
}

/// Whether a byte does not stand for itself.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Where the first byte stands that does not stand for itself, found without a branch for each: what is subtracted
/// from a byte borrows from its highest bit where the byte was smaller, and from those of later ones at most.
fn first_special(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let is_below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| is_below(word ^ (ONES * u64::from(byte)), 1);
    let found = (is_below(word, b' ') | is(b'"') | is(b'\\')) & HIGHEST;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_special_in_a_block_or_alone() {
        for byte in 0..=u8::MAX {
            for place in [0, 31, 63] {
                let mut block = [b'x'; 64];
                block[place] = byte;
                assert_eq!(is_plain_block(&block), !is_special(byte), "{byte}");
            }
        }
    }

    #[test]
    fn the_place_is_found_at_any_length() {
        for length in (0..200).chain([255, 256, 300, 351, 352, 700]) {
            let text = "x".repeat(length);
            assert_eq!(plain(text.as_bytes()), length);
            for special in ["\"", "\\", "\n"] {
                assert_eq!(plain((text.clone() + special + &text).as_bytes()), length, "{special:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(word in prop::array::uniform8(any::<u8>())) {
            let is_special = |byte: &u8| *byte < b' ' || b"\"\\".contains(byte);
            prop_assert_eq!(first_special(word), word.iter().position(is_special));
        }
    }
}
