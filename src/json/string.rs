//! `StringDecoder`: a JSON string that comes in pieces, or has escapes.

use crate::{json::swar, limits::MAX_STATUS_WORD_BYTES};

/// Ends a word that was cut off.
const ELLIPSIS: &str = "…";

/// The longest word that is returned, which may have been cut off.
pub(crate) const MAX_WORD_BYTES: usize = MAX_STATUS_WORD_BYTES + ELLIPSIS.len();

/// The beginning of a string, unescaped.
#[derive(Clone, Debug)]
pub(crate) struct StringDecoder {
    /// With room for an ellipsis.
    bytes: [u8; MAX_WORD_BYTES],
    len: usize,
    is_too_long: bool,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    is_malformed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Backslash,
    /// `\u`, and these digits.
    Unicode {
        digits: u8,
        unit: u16,
    },
}

impl StringDecoder {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; MAX_WORD_BYTES],
            len: 0,
            is_too_long: false,
            escape: Escape::None,
            high: None,
            is_malformed: false,
        }
    }

    pub(crate) fn clear(&mut self) {
        // The bytes may stay: nothing beyond the length is read.
        self.len = 0;
        self.is_too_long = false;
        self.escape = Escape::None;
        self.high = None;
        self.is_malformed = false;
    }

    /// Reads on to the closing quote; returns how many bytes were read, and whether the string has ended.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            match self.escape {
                Escape::None => {
                    let rest = &bytes[position..];
                    let plain = swar::before_quote_or_backslash(rest);
                    if plain > 0 {
                        self.push_unpaired();
                        self.push(&rest[..plain]);
                        position += plain;
                        continue;
                    }
                    position += 1;
                    if byte == b'"' {
                        self.push_unpaired();
                        return (position, true);
                    }
                    self.escape = Escape::Backslash;
                }
                Escape::Backslash => {
                    position += 1;
                    self.escape = Escape::None;
                    match byte {
                        b'u' => self.escape = Escape::Unicode { digits: 0, unit: 0 },
                        b'"' | b'\\' | b'/' => self.push_escaped(byte),
                        b'b' => self.push_escaped(8),
                        b'f' => self.push_escaped(12),
                        b'n' => self.push_escaped(b'\n'),
                        b'r' => self.push_escaped(b'\r'),
                        b't' => self.push_escaped(b'\t'),
                        _ => self.is_malformed = true,
                    }
                }
                Escape::Unicode { digits, unit } => {
                    let Some(digit) = char::from(byte).to_digit(16) else {
                        // The byte may be the closing quote.
                        self.is_malformed = true;
                        self.escape = Escape::None;
                        continue;
                    };
                    position += 1;
                    let unit = unit << 4 | digit as u16;
                    self.escape = Escape::Unicode { digits: digits + 1, unit };
                    if digits == 3 {
                        self.escape = Escape::None;
                        self.push_unit(unit);
                    }
                }
            }
        }
        (position, false)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = MAX_STATUS_WORD_BYTES - self.len;
        let taken = &bytes[..bytes.len().min(room)];
        self.bytes[self.len..self.len + taken.len()].copy_from_slice(taken);
        self.len += taken.len();
        self.is_too_long |= taken.len() < bytes.len();
    }

    fn push_escaped(&mut self, byte: u8) {
        self.push_unpaired();
        self.push(&[byte]);
    }

    /// A high surrogate must be followed by the escape of a low one.
    fn push_unpaired(&mut self) {
        self.is_malformed |= self.high.take().is_some();
    }

    fn push_unit(&mut self, unit: u16) {
        if matches!(unit, 0xD800..=0xDBFF) {
            self.push_unpaired();
            self.high = Some(unit);
            return;
        }
        match char::decode_utf16(self.high.take().into_iter().chain([unit])).next() {
            Some(Ok(decoded)) => self.push(decoded.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => self.is_malformed = true,
        }
    }

    /// The whole text, if it is valid and short enough to be kept.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_whole = !self.is_malformed && !self.is_too_long;
        std::str::from_utf8(&self.bytes[..self.len]).ok().filter(|_| is_whole)
    }

    /// Whether the part that is kept is valid text.
    pub(crate) fn is_text(&self) -> bool {
        !self.is_malformed && self.kept().is_some()
    }

    /// How many bytes of whole characters are kept.
    fn kept(&self) -> Option<usize> {
        match std::str::from_utf8(&self.bytes[..self.len]) {
            Ok(text) => Some(text.len()),
            // Cut off within a character.
            Err(error) if self.is_too_long && error.error_len().is_none() => Some(error.valid_up_to()),
            Err(_) => None,
        }
    }

    /// The text, with an ellipsis where it was cut off; `None` if it is malformed.
    pub(crate) fn end(&mut self) -> Option<&str> {
        let kept = self.kept().filter(|_| !self.is_malformed)?;
        self.len = kept;
        if self.is_too_long {
            self.len += ELLIPSIS.len();
            self.bytes[kept..self.len].copy_from_slice(ELLIPSIS.as_bytes());
            self.is_too_long = false;
        }
        std::str::from_utf8(&self.bytes[..self.len]).ok()
    }
}

/// Cuts a word to the length that is kept of one from a body.
pub(crate) fn shortened(word: &str) -> Box<str> {
    let mut decoder = StringDecoder::new();
    decoder.push(word.as_bytes());
    decoder.end().unwrap_or_default().into()
}
