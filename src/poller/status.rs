//! Status: finding the status word in a JSON body as it arrives.
//!
//! The scanner looks at every byte once, keeps nothing but the key or value at hand, and gives the same answer however the
//! body is split. It is no validator: what is not JSON may yield no word, but what is JSON yields the right one.

use super::swar;

/// The longest word that is kept. What a service writes beyond it is cut off, and no longer a known word.
const MAX_WORD: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The members that carry a percentage, at the top level of a status response.
const PERCENT: [&str; 3] = ["percentComplete", "percentCompleted", "percentageComplete"];

/// Finds the status word in a JSON object: the first string at the place that `path` leads to.
#[derive(Debug)]
pub(crate) struct Scanner {
    at: At,
    /// How many members of the path lead to the object that is being read.
    level: usize,
    /// What the value at hand is wanted for.
    wanted: Wanted,
    text: Text,
    percent: Option<f64>,
    is_found: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Before the object, with this many bytes of a byte order mark read.
    Start(usize),
    /// Before a key, or the end of an object without one.
    Key,
    InKey,
    Colon,
    Value,
    /// In a string that is wanted.
    InString,
    /// In a number that is wanted.
    InNumber,
    /// In a value that is not wanted.
    Skipping(Skip),
    /// After a value.
    Comma,
    /// After the object, or where there is none.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Nothing,
    Status,
    /// The object that the path leads through.
    Object,
    Percent,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { at: At::Start(0), level: 0, wanted: Wanted::Nothing, text: Text::new(), percent: None, is_found: false }
    }

    /// Whether nothing more can be found.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == At::End
    }

    /// The percentage that the service reported, if it has been seen.
    pub(crate) fn percent(&self) -> Option<f64> {
        self.percent
    }

    /// Reads on, and returns the status word and what was read to find it if it is found. Reading may go on after it, for
    /// [`percent`](Self::percent); no second word is found.
    pub(crate) fn scan(&mut self, bytes: &[u8], path: &[&str]) -> Option<(&str, usize)> {
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            let rest = &bytes[position..];
            match self.at {
                At::End => break,
                At::Skipping(mut skip) => {
                    let (read, is_over) = skip.advance(rest);
                    position += read;
                    self.at = if is_over { At::Comma } else { At::Skipping(skip) };
                }
                At::InKey => {
                    let (read, is_over) = self.text.advance(rest);
                    position += read;
                    if is_over {
                        self.wanted = self.wants(path);
                        self.at = At::Colon;
                    }
                }
                At::InString => {
                    let (read, is_over) = self.text.advance(rest);
                    position += read;
                    if is_over {
                        self.at = At::Comma;
                        if self.text.as_str().is_some() {
                            self.is_found = true;
                            return self.text.as_str().map(|word| (word, position));
                        }
                    }
                }
                At::InNumber => {
                    if matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
                        self.text.push(&[byte]);
                        position += 1;
                    } else {
                        self.percent = self.percent.or(self.text.as_str().and_then(percentage));
                        self.at = At::Comma;
                    }
                }
                _ => {
                    position += 1;
                    self.at = self.structural(byte);
                }
            }
        }
        None
    }

    /// Handles one byte between keys and values.
    fn structural(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Start(0), b'\xef') => At::Start(1),
            (At::Start(read @ (1 | 2)), _) if byte == BYTE_ORDER_MARK[read] => At::Start(read + 1),
            (At::Start(1 | 2), _) => At::End,
            (at, b' ' | b'\t' | b'\n' | b'\r') => at,
            (At::Start(_), b'{') => At::Key,
            (At::Key, b'"') => {
                self.text = Text::new();
                At::InKey
            }
            (At::Key | At::Comma, b'}') if self.level > 0 => {
                self.level -= 1;
                At::Comma
            }
            (At::Colon, b':') => At::Value,
            (At::Value, _) => self.value(byte),
            (At::Comma, b',') => At::Key,
            _ => At::End,
        }
    }

    fn value(&mut self, byte: u8) -> At {
        match (self.wanted, byte) {
            (Wanted::Status, b'"') => {
                self.text = Text::new();
                At::InString
            }
            (Wanted::Object, b'{') => {
                self.level += 1;
                At::Key
            }
            (Wanted::Percent, b'0'..=b'9' | b'-') => {
                self.text = Text::new();
                self.text.push(&[byte]);
                At::InNumber
            }
            _ => At::Skipping(Skip::new(byte)),
        }
    }

    fn wants(&self, path: &[&str]) -> Wanted {
        let Some(key) = self.text.as_str() else { return Wanted::Nothing };
        if !self.is_found && path.get(self.level) == Some(&key) {
            if self.level + 1 == path.len() { Wanted::Status } else { Wanted::Object }
        } else if self.level == 0 && self.percent.is_none() && PERCENT.contains(&key) {
            Wanted::Percent
        } else {
            Wanted::Nothing
        }
    }
}

fn percentage(number: &str) -> Option<f64> {
    number.parse().ok().filter(|percent: &f64| percent.is_finite())
}

/// A string at hand, unescaped.
#[derive(Debug)]
struct Text {
    bytes: [u8; MAX_WORD],
    len: usize,
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

impl Text {
    fn new() -> Self {
        Self { bytes: [0; MAX_WORD], len: 0, escape: Escape::None, high: None, is_malformed: false }
    }

    /// Reads a string on to its closing quote; returns how much was read, and whether it is over.
    fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
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

    fn push(&mut self, bytes: &[u8]) {
        let room = MAX_WORD - self.len;
        let taken = &bytes[..bytes.len().min(room)];
        self.bytes[self.len..self.len + taken.len()].copy_from_slice(taken);
        self.len += taken.len();
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

    /// The text, cut off where it is too long; nothing if it is malformed.
    fn as_str(&self) -> Option<&str> {
        if self.is_malformed {
            return None;
        }
        let bytes = &self.bytes[..self.len];
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            // Cut off within a character.
            Err(error) if self.len == MAX_WORD && error.error_len().is_none() => {
                std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }
}

/// A value that is skipped: how deep its brackets are, and whether a string is open.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Skip {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Skip {
    fn new(first: u8) -> Self {
        let depth = usize::from(matches!(first, b'{' | b'['));
        Self { depth, in_string: first == b'"', is_escaped: false }
    }

    /// Reads on to the end of the value; returns how much was read, and whether it is over.
    fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
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
            // What comes now is the end of the buffer, or has to be looked at byte by byte.
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
        self.depth == 0 && !self.in_string && matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')
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

#[cfg(test)]
mod tests;
