//! `Skip`: values that the scanner reads over.

use crate::json::swar;

/// A value that is skipped: how deep its brackets are, and whether a string is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Skip {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Skip {
    /// Before the first byte of a number or a literal.
    pub(crate) const fn scalar() -> Self {
        Self { depth: 0, in_string: false, is_escaped: false }
    }

    /// After the bracket that begins an object or an array.
    pub(crate) const fn nested() -> Self {
        Self { depth: 1, ..Self::scalar() }
    }

    /// After the quote that begins a string.
    pub(crate) const fn string() -> Self {
        Self { in_string: true, ..Self::scalar() }
    }

    /// Reads on to the end of the value; returns how many bytes were read, and whether the value has ended.
    // Compiled separately: inlined into the scanner, its cost would depend on unrelated code.
    #[inline(never)]
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut position = 0;
        while position < bytes.len() {
            if !self.is_escaped {
                let rest = &bytes[position..];
                position += match (self.depth, self.in_string) {
                    (1.., _) => swar::skip_nested(rest, &mut self.depth, &mut self.in_string),
                    (0, true) => swar::before_quote_or_backslash(rest),
                    (0, false) => 0,
                };
            }
            // The end of the buffer, or bytes that need a closer look.
            let until = bytes.len().min(position + 8);
            while position < until {
                let byte = bytes[position];
                if self.ends_before(byte) {
                    return (position, true);
                }
                position += 1;
                if self.ends_with(byte) {
                    return (position, true);
                }
            }
        }
        (position, false)
    }

    /// A number or a literal ends before the byte that follows it.
    fn ends_before(&self, byte: u8) -> bool {
        self.depth == 0 && !self.in_string && (is_space(byte) || matches!(byte, b',' | b'}' | b']'))
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        if self.is_escaped {
            self.is_escaped = false;
            return false;
        }
        match byte {
            b'"' => {
                self.in_string = !self.in_string;
                !self.in_string && self.depth == 0
            }
            b'\\' => {
                self.is_escaped = self.in_string;
                false
            }
            b'{' | b'[' if !self.in_string => {
                self.depth = self.depth.saturating_add(1);
                false
            }
            b'}' | b']' if !self.in_string => {
                self.depth -= 1;
                self.depth == 0
            }
            _ => false,
        }
    }
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
