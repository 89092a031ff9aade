//! Status: finding the status word in a JSON body as it arrives.
//!
//! The scanner looks at every byte once, keeps no more than the key or value at hand, and gives the same answer however the
//! body is split. It is no validator: what is not JSON may yield no word, but what is JSON yields the right one.

use crate::json::{
    skip::Skip,
    string::{MAX_WORD, Text},
    swar,
};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The members that carry a percentage, at the top level of a status response.
const PERCENT: [&[u8]; 3] = [b"percentComplete", b"percentCompleted", b"percentageComplete"];

/// How many members a path may have.
pub(crate) const MAX_DEPTH: usize = 8;

/// How many watches there may be.
pub(crate) const MAX_WATCHES: u8 = 32;

/// A member that is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watch {
    /// The keys that lead to it, from the top level down.
    pub(crate) path: Vec<String>,
    pub(crate) kind: Kind,
}

#[cfg(any(test, feature = "__internals"))]
impl Watch {
    pub(crate) fn text<const N: usize>(path: [&str; N]) -> Self {
        Self { path: path.map(str::to_owned).into(), kind: Kind::Text }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A string; the word is its text.
    Text,
    /// A string, a number or a literal; the word is its text.
    Scalar,
    /// Any value but null; the word is the last key of the path.
    Presence,
    /// `true`; the word is the last key of the path, where no other watch gives one.
    True,
}

/// Finds the status word in a JSON object: the first that one of the watches gives; else, at the end of the object, that of a
/// [`Kind::True`].
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    at: At,
    /// How much of a byte order mark has been read.
    mark: usize,
    skip: Skip,
    /// How deep the object that is being read is, along the paths.
    level: usize,
    /// The watches whose paths lead to the objects that are open, as bits.
    open: [u32; MAX_DEPTH],
    wanted: Wanted,
    text: Text,
    /// The keys at the top level, each as the bit of its sum.
    keys: u64,
    percent: Option<f64>,
    /// The watch that gave the word.
    found: Option<u8>,
    /// The watch of a [`Kind::True`] that has been met.
    fallback: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Before the object.
    Start,
    /// Before a key, or the end of an object without one.
    Key,
    /// In a key that does not end in the piece that it began in, or has escapes.
    InKey,
    Colon,
    Value,
    /// In a string that is wanted, like `InKey`.
    InText,
    /// In a percentage.
    InNumber,
    /// In a number or a literal that is wanted.
    InScalar,
    /// In a value that is not wanted, or before it.
    Skipping,
    /// After a value.
    Comma,
    /// After the object, or where there is none.
    End,
}

/// What the value after a key is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wanted {
    /// The watch that ends here.
    watch: Option<u8>,
    /// The watches that lead on from here.
    through: u32,
    is_percent: bool,
}

/// A status word, and how much of the bytes at hand was read to find it.
pub(crate) type Found<'a> = (&'a str, usize);

impl Scanner {
    pub(crate) fn new() -> Self {
        let mut open = [0; MAX_DEPTH];
        open[0] = u32::MAX;
        Self {
            at: At::Start,
            mark: 0,
            skip: Skip::before(),
            level: 0,
            open,
            wanted: Wanted::default(),
            text: Text::new(),
            keys: 0,
            percent: None,
            found: None,
            fallback: None,
        }
    }

    /// What the word was looked for by, if it was found.
    pub(crate) fn found(&self, watches: &[Watch]) -> Option<Kind> {
        Some(watches.get(usize::from(self.found?))?.kind)
    }

    /// The word that counts where no other was found.
    pub(crate) fn fallback<'a>(&self, watches: &'a [Watch]) -> Option<&'a str> {
        let watch = self.fallback.filter(|_| self.found.is_none())?;
        watches.get(usize::from(watch))?.path.last().map(String::as_str)
    }

    /// Whether nothing more can be found.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == At::End
    }

    /// The percentage that the service reported, if it has been seen.
    pub(crate) fn percent(&self) -> Option<f64> {
        self.percent
    }

    /// Whether the object may have this key at its top level, as far as it was read here.
    pub(crate) fn may_have(&self, key: &str) -> bool {
        self.keys & bit_of(key.as_bytes()) != 0
    }

    /// Reads on, up to the status word if it is found. Reading may go on after it, for [`percent`](Self::percent); no
    /// second word is found.
    pub(crate) fn scan<'a>(&'a mut self, bytes: &'a [u8], watches: &'a [Watch]) -> Option<Found<'a>> {
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            let rest = &bytes[position..];
            match self.at {
                At::End => break,
                At::Key if byte == b'"' => match swar::string(&rest[1..]) {
                    Some(key) => {
                        self.wanted = self.at_key(key, watches);
                        position += key.len() + 2;
                        // Most often there is no space in between; this and its like below save a fifth.
                        let is_next = bytes.get(position) == Some(&b':');
                        self.at = if is_next { At::Value } else { At::Colon };
                        position += usize::from(is_next);
                    }
                    None => {
                        self.text.clear();
                        self.at = At::InKey;
                        position += 1;
                    }
                },
                At::Value if !is_space(byte) => {
                    if let Some(place) = self.wanted.watch.filter(|_| byte != b'n') {
                        let watch = &watches[usize::from(place)];
                        if watch.kind == Kind::Presence {
                            self.found = Some(place);
                            self.begin_to_skip();
                            return watch.path.last().map(|key| (key.as_str(), position));
                        }
                        if byte == b'"' && watch.kind != Kind::True {
                            let Some(word) = swar::string(&rest[1..]).filter(|word| word.len() <= MAX_WORD) else {
                                self.text.clear();
                                self.at = At::InText;
                                position += 1;
                                continue;
                            };
                            self.at = At::Comma;
                            position += word.len() + 2;
                            if let Ok(word) = std::str::from_utf8(word) {
                                self.found = Some(place);
                                return Some((word, position));
                            }
                            continue;
                        }
                        if watch.kind != Kind::Text && !matches!(byte, b'"' | b'{' | b'[') {
                            self.text.clear();
                            self.at = At::InScalar;
                            continue;
                        }
                    }
                    position += self.value(byte, rest);
                    if self.at == At::Comma && bytes.get(position) == Some(&b',') {
                        position += 1;
                        self.at = At::Key;
                    }
                }
                At::Skipping => {
                    let (read, is_over) = self.skip.advance(rest);
                    position += read;
                    if is_over {
                        self.at = At::Comma;
                    }
                }
                At::InKey => {
                    let (read, is_over) = self.text.advance(rest);
                    position += read;
                    if is_over {
                        let key = self.text.clone().end().map(str::to_owned);
                        let bytes = key.as_deref().map(str::as_bytes);
                        self.wanted = bytes.map_or_else(Wanted::default, |key| self.at_key(key, watches));
                        if bytes.is_none_or(|key| key.len() > MAX_WORD) {
                            // It may be any.
                            self.keys = u64::MAX;
                        }
                        self.at = At::Colon;
                    }
                }
                At::InText => {
                    let (read, is_over) = self.text.advance(rest);
                    position += read;
                    if is_over {
                        self.at = At::Comma;
                        if self.text.clone().end().is_some() {
                            self.found = self.wanted.watch;
                            return self.text.end().map(|word| (word, position));
                        }
                    }
                }
                At::InNumber => {
                    if matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
                        self.text.push(&[byte]);
                        position += 1;
                    } else {
                        self.percent = self.percent.or(self.text.end().and_then(percentage));
                        self.at = At::Comma;
                    }
                }
                At::InScalar => {
                    if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
                        self.text.push(&[byte]);
                        position += 1;
                        continue;
                    }
                    let is_true = self.text.end() == Some("true");
                    let is_missing = self.text.end() == Some("");
                    self.at = if is_missing { At::End } else { At::Comma };
                    if is_missing {
                        continue;
                    }
                    match self.wanted.watch.filter(|&watch| watches[usize::from(watch)].kind == Kind::True) {
                        Some(watch) if is_true => self.fallback = self.fallback.or(Some(watch)),
                        Some(_) => {}
                        None => {
                            self.found = self.wanted.watch;
                            return self.text.end().map(|word| (word, position));
                        }
                    }
                }
                at => {
                    self.at = self.between(at, byte);
                    position += 1;
                }
            }
        }
        None
    }

    /// Handles one byte between keys and values.
    fn between(&mut self, at: At, byte: u8) -> At {
        match (at, byte) {
            (At::Colon, b':') => At::Value,
            (At::Comma, b',') => At::Key,
            (At::Start, _) if BYTE_ORDER_MARK.get(self.mark) == Some(&byte) => {
                self.mark += 1;
                At::Start
            }
            (At::Start, _) if (1..BYTE_ORDER_MARK.len()).contains(&self.mark) => At::End,
            (At::Start, _) if is_space(byte) => {
                self.mark = BYTE_ORDER_MARK.len();
                At::Start
            }
            (at, byte) if is_space(byte) => at,
            (At::Start, b'{') => At::Key,
            (At::Key | At::Comma, b'}') if self.level > 0 => {
                self.level -= 1;
                At::Comma
            }
            _ => At::End,
        }
    }

    /// Begins with a value that gives no word, and returns how much of it was read.
    #[inline]
    fn value(&mut self, byte: u8, rest: &[u8]) -> usize {
        match byte {
            b'"' => {
                if let Some(skipped) = swar::string(&rest[1..]) {
                    self.at = At::Comma;
                    return skipped.len() + 2;
                }
            }
            b'{' if self.wanted.through != 0 && self.level + 1 < MAX_DEPTH => {
                self.level += 1;
                self.open[self.level] = self.wanted.through;
                self.at = At::Key;
                return 1;
            }
            b'0'..=b'9' | b'-' if self.wanted.is_percent => {
                self.text.clear();
                self.text.push(&[byte]);
                self.at = At::InNumber;
                return 1;
            }
            _ => {}
        }
        self.begin_to_skip();
        0
    }

    fn begin_to_skip(&mut self) {
        self.skip = Skip::before();
        self.at = At::Skipping;
    }

    #[inline]
    /// Notes it; returns what its value is wanted for.
    fn at_key(&mut self, key: &[u8], watches: &[Watch]) -> Wanted {
        let mut wanted = Wanted::default();
        if self.found.is_none() {
            let open = self.open[self.level];
            for (index, watch) in (0..MAX_WATCHES).zip(watches) {
                let is_open = open >> index & 1 == 1;
                match watch.path.get(self.level..) {
                    Some([name]) if is_open && name.as_bytes() == key => wanted.watch = wanted.watch.or(Some(index)),
                    Some([name, _, ..]) if is_open && name.as_bytes() == key => wanted.through |= 1 << index,
                    _ => {}
                }
            }
        }
        if self.level == 0 {
            self.keys |= bit_of(key);
            wanted.is_percent = key.first() == Some(&b'p') && self.percent.is_none() && PERCENT.contains(&key);
        }
        wanted
    }
}

/// By the sum of the first letter and the length: few keys of a document have the same.
#[inline]
fn bit_of(key: &[u8]) -> u64 {
    let first = key.first().map_or(0, |&first| first.into());
    1 << ((first + key.len()) % 64)
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn percentage(number: &str) -> Option<f64> {
    number.parse().ok().filter(|percent: &f64| percent.is_finite())
}

#[cfg(test)]
#[path = "scanner_tests.rs"]
mod tests;
