//! `Scanner`: finds members of a JSON object as its bytes arrive.
//!
//! It looks at every byte once, keeps only the key or value that it is reading, and finds the same however the body is split.
//! It is not a validator: in valid JSON it finds the right members, in other texts it may find none.
//!
//! It is written for speed, because results of many megabytes pass through it: it skips unwanted values eight bytes at a time
//! (`skip.rs`, `swar.rs`).

use std::sync::Arc;

use crate::{
    json::{
        selector::{Match, Segment, Selector},
        skip::{Skip, is_space},
        string::StringDecoder,
        swar,
    },
    limits::{MAX_POINTER_DEPTH, MAX_STATUS_WORD_BYTES},
};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The members that a scanner looks for, up to [`MAX_SELECTORS`](crate::limits::MAX_SELECTORS).
pub(crate) type Selectors = Arc<[Selector]>;

/// Finds what its selectors match, in the order of the document.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    selectors: Selectors,
    at: At,
    /// How much of a byte order mark has been read.
    mark: usize,
    skip: Skip,
    string: StringDecoder,
    /// How many objects and arrays are open inside the document, along the pointers.
    level: usize,
    open: [Level; MAX_POINTER_DEPTH],
    interest: Interest,
    /// The selectors whose member was found, as bits.
    met: u32,
}

/// An object or an array that is being read.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// The selectors that lead here, as bits.
    selectors: u32,
    /// The lengths of the keys that they look for here, as bits: most other keys have another length.
    lengths: u64,
    /// In an array, the index of the element that comes next.
    index: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Before the document.
    Start,
    /// Before a key, or the end of an object without one.
    Key,
    /// In a key that does not end in the piece that it began in, or has escapes.
    InKey,
    Colon,
    /// Before the value of a member, or the element of an array.
    Value,
    /// Before a value whose presence has been reported.
    Reported,
    /// Before the first element of an array, or its end.
    FirstElement,
    /// In a wanted string, like `InKey`.
    InString,
    /// In a wanted number, boolean or null.
    InScalar,
    /// In a value that is not wanted, or before it.
    Skipping,
    /// After a value.
    Comma,
    /// After the whole object.
    Closed,
    /// In a text that is not a JSON object.
    NotJson,
}

/// The selectors that want the next value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Interest {
    /// The selectors that end here, as bits.
    ends: u32,
    /// The selectors that lead on from here, as bits.
    leads_on: u32,
}

/// A match.
#[derive(Debug, PartialEq)]
pub(crate) struct Found<'a> {
    /// The index of the selector.
    pub(crate) selector: usize,
    /// In UTF-8; `None` if it is not valid text.
    pub(crate) word: Option<&'a [u8]>,
    /// How many of the bytes were read to find it.
    pub(crate) read: usize,
}

impl<'a> Found<'a> {
    pub(crate) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.word?).ok()
    }
}

/// Where the word of a match is.
enum Word {
    /// In the bytes, after the quote that they begin with, with this length.
    InBytes(usize),
    InDecoder,
    Key,
}

/// The result of a state: how many bytes it read, and perhaps a match by a selector.
type Step = (usize, Option<(usize, Word)>);

impl Scanner {
    pub(crate) fn new(selectors: &Selectors) -> Self {
        let closed = Level { selectors: 0, lengths: 0, index: None };
        let mut scanner = Self {
            selectors: selectors.clone(),
            at: At::Start,
            mark: 0,
            skip: Skip::scalar(),
            string: StringDecoder::new(),
            level: 0,
            open: [closed; MAX_POINTER_DEPTH],
            interest: Interest::default(),
            met: 0,
        };
        scanner.open(u32::MAX, None);
        scanner
    }

    /// Whether nothing more can be found.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self.at, At::Closed | At::NotJson)
    }

    /// Whether the bytes so far begin a JSON object.
    pub(crate) fn is_object(&self) -> bool {
        !matches!(self.at, At::Start | At::NotJson)
    }

    /// Whether all of a JSON object has been read.
    pub(crate) fn is_closed(&self) -> bool {
        self.at == At::Closed
    }

    /// Whether the member of a selector has been read, whatever its value.
    pub(crate) fn has_passed(&self, selector: usize) -> bool {
        let is_before_value = matches!(self.at, At::Colon | At::Value | At::InString | At::InScalar);
        let is_being_read = is_before_value && self.interest.ends & bit(selector) != 0;
        self.met & bit(selector) != 0 && !is_being_read
    }

    /// Reads on to the next match. `bytes` continue after the last ones, or after the last match.
    pub(crate) fn scan<'a>(&'a mut self, bytes: &'a [u8]) -> Option<Found<'a>> {
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            let rest = &bytes[position..];
            let (read, found) = match self.at {
                At::Closed | At::NotJson => return None,
                At::Key if byte == b'"' => (self.key(rest), None),
                At::Value | At::FirstElement if !is_space(byte) => self.value(byte, rest),
                At::Reported => (self.unwanted_value(byte, rest), None),
                At::Skipping => (self.skip(rest), None),
                At::InKey => (self.in_key(rest), None),
                At::InString => self.in_string(rest),
                At::InScalar => self.in_scalar(byte),
                at => {
                    self.at = self.between(at, byte);
                    (1, None)
                }
            };
            if let Some((selector, word)) = found {
                let word = match word {
                    Word::InBytes(length) => Some(&rest[1..=length]).filter(|word| is_text(word)),
                    Word::InDecoder => self.string.end().map(str::as_bytes),
                    Word::Key => Some(self.selectors[selector].pointer.last_key().as_bytes()),
                };
                return Some(Found { selector, word, read: position + read });
            }
            position += read;
        }
        None
    }

    /// A key, from its quote on.
    #[inline]
    fn key(&mut self, rest: &[u8]) -> usize {
        let Some(key) = swar::string(&rest[1..]) else {
            self.string.clear();
            self.at = At::InKey;
            return 1;
        };
        let may_be_wanted = self.open[self.level].lengths & length_bit(key) != 0;
        self.interest = if may_be_wanted { self.interest_in_key(key) } else { Interest::default() };
        let end = key.len() + 2;
        // Most often the colon follows at once; this and the similar checks below save a fifth.
        let is_next = rest.get(end) == Some(&b':');
        self.at = if is_next { At::Value } else { At::Colon };
        end + usize::from(is_next)
    }

    fn in_key(&mut self, rest: &[u8]) -> usize {
        let (read, is_over) = self.string.advance(rest);
        if is_over {
            let key = self.string.clone();
            self.interest = key.text().map_or_else(Interest::default, |key| self.interest_in_key(key.as_bytes()));
            self.at = At::Colon;
        }
        read
    }

    /// A value, from its first byte on.
    #[inline]
    fn value(&mut self, byte: u8, rest: &[u8]) -> Step {
        if self.at == At::FirstElement {
            if byte == b']' {
                self.close();
                return (1, None);
            }
            self.at = At::Value;
        }
        if let Level { selectors, index: Some(index), .. } = self.open[self.level] {
            self.interest = self.interest_in(selectors, |segment| segment.index == Some(index));
            self.open[self.level].index = Some(index.saturating_add(1));
        }
        if self.interest.ends != 0 {
            return self.wanted_value(byte, rest);
        }
        (self.unwanted_value(byte, rest), None)
    }

    #[inline]
    fn wanted_value(&mut self, byte: u8, rest: &[u8]) -> Step {
        match byte {
            b'"' => {
                let Some(selector) = self.first_that(|it| !matches!(it, Match::True | Match::Absent)) else {
                    return (self.unwanted_value(byte, rest), None);
                };
                if self.selectors[selector].matches == Match::Present {
                    self.at = At::Reported;
                    return (0, Some((selector, Word::Key)));
                }
                match swar::string(&rest[1..]).filter(|text| text.len() <= MAX_STATUS_WORD_BYTES) {
                    Some(text) => {
                        self.at = At::Comma;
                        (text.len() + 2, Some((selector, Word::InBytes(text.len()))))
                    }
                    None => {
                        self.string.clear();
                        self.at = At::InString;
                        (1, None)
                    }
                }
            }
            b'{' | b'[' => match self.first_that(|it| it == Match::Present) {
                Some(selector) => {
                    self.at = At::Reported;
                    (0, Some((selector, Word::Key)))
                }
                None => (self.unwanted_value(byte, rest), None),
            },
            _ => {
                self.string.clear();
                self.at = At::InScalar;
                (0, None)
            }
        }
    }

    /// The first selector that ends here and whose match `accepts` accepts.
    fn first_that(&self, accepts: impl Fn(Match) -> bool) -> Option<usize> {
        bits(self.interest.ends).find(|&selector| accepts(self.selectors[selector].matches))
    }

    fn in_string(&mut self, rest: &[u8]) -> Step {
        let (read, is_over) = self.string.advance(rest);
        if !is_over {
            return (read, None);
        }
        self.at = At::Comma;
        let selector = self.first_that(|it| matches!(it, Match::String | Match::Scalar));
        (read, selector.filter(|_| self.string.is_text()).map(|selector| (selector, Word::InDecoder)))
    }

    /// Reads one byte of a number, a boolean or null, or the byte after it.
    fn in_scalar(&mut self, byte: u8) -> Step {
        if is_of_scalar(byte) {
            self.string.push(&[byte]);
            return (1, None);
        }
        let text = self.string.text();
        if text == Some("") {
            self.at = At::NotJson;
            return (0, None);
        }
        let (is_true, is_null) = (text == Some("true"), text == Some("null"));
        let found = self.first_that(|it| match it {
            Match::String => false,
            Match::Scalar | Match::Present => !is_null,
            Match::True => is_true,
            Match::Absent => is_null,
        });
        self.at = At::Comma;
        let word = |selector: usize| match self.selectors[selector].matches {
            Match::Present | Match::True => Word::Key,
            Match::String | Match::Scalar | Match::Absent => Word::InDecoder,
        };
        (0, found.map(|selector| (selector, word(selector))))
    }

    fn skip(&mut self, rest: &[u8]) -> usize {
        match self.skip.advance(rest) {
            (end, true) => self.end_value(end, rest),
            (read, false) => read,
        }
    }

    /// Ends a value. Most often a comma and the next key follow at once.
    #[inline]
    fn end_value(&mut self, end: usize, rest: &[u8]) -> usize {
        let is_key_next = rest.get(end) == Some(&b',') && self.open[self.level].index.is_none();
        self.at = if is_key_next { At::Key } else { At::Comma };
        end + usize::from(is_key_next)
    }

    /// Handles one byte between keys and values.
    fn between(&mut self, at: At, byte: u8) -> At {
        let level = self.open[self.level];
        match (at, byte) {
            (At::Colon, b':') => At::Value,
            (At::Comma, b',') if level.index.is_some() => At::Value,
            (At::Comma, b',') => At::Key,
            (At::Comma, b']') if level.index.is_some() => self.close(),
            (At::Key | At::Comma, b'}') if level.index.is_none() => self.close(),
            (At::Start, _) if BYTE_ORDER_MARK.get(self.mark) == Some(&byte) => {
                self.mark += 1;
                At::Start
            }
            (At::Start, _) if (1..BYTE_ORDER_MARK.len()).contains(&self.mark) => At::NotJson,
            (At::Start, _) if is_space(byte) => {
                self.mark = BYTE_ORDER_MARK.len();
                At::Start
            }
            (at, byte) if is_space(byte) => at,
            (At::Start, b'{') => At::Key,
            _ => At::NotJson,
        }
    }

    /// Ends the object or array that is being read.
    fn close(&mut self) -> At {
        self.at = if self.level == 0 { At::Closed } else { At::Comma };
        self.level = self.level.saturating_sub(1);
        self.at
    }

    /// Begins a value that gives no word; returns how many bytes of it were read.
    #[inline]
    fn unwanted_value(&mut self, byte: u8, rest: &[u8]) -> usize {
        match byte {
            b'"' => {
                if let Some(skipped) = swar::string(&rest[1..]) {
                    return self.end_value(skipped.len() + 2, rest);
                }
                self.skip = Skip::string();
            }
            b'{' | b'[' if self.interest.leads_on != 0 && self.level + 1 < MAX_POINTER_DEPTH => {
                self.level += 1;
                let index = (byte == b'[').then_some(0);
                self.open(self.interest.leads_on, index);
                self.at = if index.is_some() { At::FirstElement } else { At::Key };
                return 1;
            }
            b'{' | b'[' => self.skip = Skip::nested(),
            // Most numbers and literals end in the same piece.
            _ => {
                let length = rest.iter().position(|&byte| !is_of_scalar(byte)).unwrap_or(rest.len());
                if let Some(b',' | b'}' | b']') = rest.get(length) {
                    return self.end_value(length, rest);
                }
                self.skip = Skip::scalar();
                self.at = At::Skipping;
                return 0;
            }
        }
        self.at = At::Skipping;
        1
    }

    /// Begins an object or array to which these selectors lead.
    fn open(&mut self, selectors: u32, index: Option<u32>) {
        let keys = bits(selectors).map_while(|index| self.selectors.get(index));
        let keys = keys.filter_map(|selector| selector.pointer.segments().get(self.level));
        let lengths = keys.fold(0, |lengths, segment| lengths | length_bit(segment.key.as_bytes()));
        self.open[self.level] = Level { selectors, lengths, index };
    }

    fn interest_in_key(&mut self, key: &[u8]) -> Interest {
        let selectors = self.open[self.level].selectors;
        self.interest_in(selectors, |segment| segment.key.as_bytes() == key)
    }

    /// The selectors, of those that lead to the open object or array, whose next segment matches.
    #[inline]
    fn interest_in(&mut self, open: u32, is_next: impl Fn(&Segment) -> bool) -> Interest {
        let mut interest = Interest::default();
        for (index, selector) in self.selectors.iter().enumerate() {
            if open & bit(index) == 0 {
                continue;
            }
            match selector.pointer.segments().get(self.level..) {
                Some([segment]) if is_next(segment) => interest.ends |= bit(index),
                Some([segment, _, ..]) if is_next(segment) => interest.leads_on |= bit(index),
                _ => {}
            }
        }
        self.met |= interest.ends;
        interest
    }
}

/// Most words are ASCII, which is quicker to check.
fn is_text(word: &[u8]) -> bool {
    word.is_ascii() || std::str::from_utf8(word).is_ok()
}

/// Whether a number or a literal may have this byte.
const fn is_of_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Longer keys share one bit.
#[inline]
fn length_bit(key: &[u8]) -> u64 {
    1 << key.len().min(63)
}

#[inline]
const fn bit(selector: usize) -> u32 {
    1_u32.wrapping_shl(selector as u32)
}

/// The indices of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (index < u32::BITS).then_some(index as usize)
    })
}

#[cfg(test)]
#[path = "scanner_tests.rs"]
mod tests;
