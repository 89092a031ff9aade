//! Eight bytes at a time, in safe Rust: the inner loops of the status scanner.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The top bit of every byte of `word` that equals `byte`, exactly.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW * byte as u64);
    !(((difference & !HIGH) + !HIGH) | difference) & HIGH
}

/// Cheaper than [`equal`], but exact only up to the first match: higher bits may be wrong.
#[inline(always)]
const fn first_equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW * byte as u64);
    difference.wrapping_sub(LOW) & !difference & HIGH
}

/// Counts the bytes whose top bit is set in `mask`.
#[inline(always)]
const fn count(mask: u64) -> usize {
    ((mask >> 7).wrapping_mul(LOW) >> 56) as usize
}

/// The top bit of every byte from an odd-numbered set bit of `mask` on, up to the byte before the next.
#[inline(always)]
const fn from_odd_to_even(mut mask: u64) -> u64 {
    mask ^= mask << 8;
    mask ^= mask << 16;
    mask ^ (mask << 32)
}

/// How many bytes come before the first quote or backslash.
#[inline]
pub(crate) fn before_quote_or_backslash(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let found = first_equal(word, b'"') | first_equal(word, b'\\');
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let tail = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    bytes.len() - rest.len() + tail.unwrap_or(rest.len())
}

/// The text of a string without escapes, after its opening quote, if the string ends in these bytes.
#[inline]
pub(crate) fn string(bytes: &[u8]) -> Option<&[u8]> {
    let (text, rest) = bytes.split_at(before_quote_or_backslash(bytes));
    (rest.first() == Some(&b'"')).then_some(text)
}

/// Reads whole words of a bracketed value, up to one that may end it or that has a backslash. Brackets in strings do not
/// count, and the kind of bracket does not matter.
///
/// Before the bytes, `depth` brackets are open, and a string if `in_string`; both are updated. Returns how many bytes were read.
pub(crate) fn skip_nested(bytes: &[u8], depth: &mut usize, in_string: &mut bool) -> usize {
    let mut open = *depth;
    let mut carry = if *in_string { HIGH } else { 0 };
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        if first_equal(word, b'\\') != 0 {
            break;
        }
        let quotes = equal(word, b'"');
        // A word in the middle of a long string.
        if carry != 0 && quotes == 0 {
            rest = after;
            continue;
        }
        let inside = from_odd_to_even(quotes) ^ carry;
        // `[` and `]` are `{` and `}` without this bit, and nothing else is.
        let brackets = word | (LOW * 0x20);
        let (opening, closing) = (equal(brackets, b'{') & !inside, equal(brackets, b'}') & !inside);
        if opening | closing != 0 {
            let closing = count(closing);
            if closing >= open {
                break;
            }
            open = open + count(opening) - closing;
        }
        carry = if inside >> 63 == 0 { 0 } else { HIGH };
        rest = after;
    }
    *depth = open;
    *in_string = carry != 0;
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_exact_for_every_byte() {
        for byte in 0..=u8::MAX {
            for other in 0..=u8::MAX {
                let word = u64::from_le_bytes([byte, other, byte, byte, other, other, byte, other]);
                let expected = if byte == other { HIGH } else { 0x0080_0000_8080_0080 };
                assert_eq!(equal(word, byte), expected, "{byte} {other}");
            }
        }
    }

    #[test]
    fn brackets_differ_from_their_other_kind_by_one_bit_and_from_nothing_else() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte | 0x20 == b'{', matches!(byte, b'{' | b'['), "{byte}");
            assert_eq!(byte | 0x20 == b'}', matches!(byte, b'}' | b']'), "{byte}");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_found_wherever_they_are() {
        for length in 0..40 {
            let plain = vec![b'x'; length];
            assert_eq!(before_quote_or_backslash(&plain), length);
            for position in 0..length {
                for byte in [b'"', b'\\'] {
                    let mut bytes = plain.clone();
                    bytes[position] = byte;
                    assert_eq!(before_quote_or_backslash(&bytes), position, "{length}");
                }
            }
        }
    }
}
