//! Headers: those of the start request that polls repeat, in little room.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONNECTION};

/// The headers that polls repeat, one after the other: a copy of their bytes, with no allocation while they fit in. A clone
/// of the `HeaderMap` would cost at least one for each value that is not static.
pub(crate) struct PackedHeaders {
    inline: [u8; INLINE],
    inline_len: usize,
    /// All of them, where they do not fit in.
    spilled: Vec<u8>,
}

/// Most requests' headers fit in here, but for long tokens.
const INLINE: usize = 320;

/// An entry is this word (the length of the value, whether that is sensitive, and the length of the name, from the top), the name,
/// and the value.
const WORD: usize = size_of::<u64>();
const NAME: u64 = 0xFFFF;
const IS_SENSITIVE: u64 = 1 << 16;

impl PackedHeaders {
    pub(crate) const fn new() -> Self {
        Self { inline: [0; INLINE], inline_len: 0, spilled: Vec::new() }
    }

    #[inline]
    pub(crate) fn pack(&mut self, headers: &HeaderMap, keep_host: bool) {
        let rest = headers.iter().try_fold(&mut self.inline[..], |room, (name, value)| {
            let name = name.as_str();
            if is_repeated(name, keep_host) {
                pack_entry(room, name, value)
            } else if name != "connection" {
                Some(room)
            } else {
                // It may list others.
                None
            }
        });
        match rest.map(|rest| rest.len()) {
            Some(left) => self.inline_len = INLINE - left,
            None => self.spill(headers, keep_host),
        }
    }

    /// Packs them once more, where they do not fit in, and without those that `Connection` lists.
    #[cold]
    fn spill(&mut self, headers: &HeaderMap, keep_host: bool) {
        let is_listed = |name: &str| {
            headers
                .get_all(CONNECTION)
                .into_iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|listed| listed.trim().eq_ignore_ascii_case(name))
        };
        let size = |(name, value): (&HeaderName, &HeaderValue)| WORD + name.as_str().len() + value.len();
        self.spilled = Vec::with_capacity(headers.iter().map(size).sum());
        self.inline_len = 0;
        for (name, value) in headers {
            let name = name.as_str();
            // Longer than any transport would send. Names have no more than 64 KiB, less one byte.
            let is_too_long = u32::try_from(value.len()).is_err();
            if is_repeated(name, keep_host) && !is_listed(name) && !is_too_long {
                self.spilled.extend_from_slice(&entry_word(name, value).to_le_bytes());
                self.spilled.extend_from_slice(name.as_bytes());
                self.spilled.extend_from_slice(value.as_bytes());
            }
        }
    }

    /// As they are kept for as long as the operation takes, with no more of common names than their number; and how many they are.
    pub(crate) fn seal(&mut self) -> (&[u8], usize) {
        let packed = if self.spilled.is_empty() { &mut self.inline[..self.inline_len] } else { &mut self.spilled[..] };
        let (mut from, mut to, mut len) = (0, 0, 0);
        while let Some(word) = packed[from..].first_chunk() {
            let word = u64::from_le_bytes(*word);
            let name_at = from + WORD;
            let value_at = name_at + (word & NAME) as usize;
            let name = &packed[name_at..value_at];
            let common = COMMON_TEXTS.iter().position(|common| common.as_bytes() == name);
            let (number, flag, kept_from) = match common {
                Some(number) => (number, COMMON, value_at),
                None => (name.len(), 0, name_at),
            };
            let sensitive = if word & IS_SENSITIVE == 0 { 0 } else { SENSITIVE };
            from = value_at + (word >> 32) as usize;
            // Both are no longer than the word that was there, so that nothing is written over that is still to be read.
            to = write_number(packed, to, (number as u64) << FLAGS | flag | sensitive);
            to = write_number(packed, to, word >> 32);
            packed.copy_within(kept_from..from, to);
            to += from - kept_from;
            len += 1;
        }
        (&packed[..to], len)
    }
}

/// In sealed headers there are two numbers before each: the length of its name, or the number of that, behind these flags; and
/// the length of its value.
const SENSITIVE: u64 = 1;
const COMMON: u64 = 2;
const FLAGS: u32 = 2;

/// Of all [sealed](PackedHeaders::seal) headers.
#[inline]
pub(crate) fn for_each(sealed: &Bytes, mut each: impl FnMut(HeaderName, HeaderValue)) {
    let mut from = 0;
    while let Some((name, after)) = read_number(sealed, from) {
        let Some((value_len, name_at)) = read_number(sealed, after) else { return };
        let number = (name >> FLAGS) as usize;
        let (value_at, name_text) = match name & COMMON {
            0 => (name_at + number, Some(&sealed[name_at..name_at + number])),
            _ => (name_at, None),
        };
        from = value_at + value_len as usize;
        let header_name = match name_text {
            Some(text) => HeaderName::from_bytes(text).ok(),
            None => COMMON_NAMES.get(number).cloned(),
        };
        let value = HeaderValue::from_maybe_shared(sealed.slice(value_at..from));
        if let (Some(header_name), Ok(mut value)) = (header_name, value) {
            value.set_sensitive(name & SENSITIVE != 0);
            each(header_name, value);
        }
    }
}

/// Seven bits a byte, the lowest first, and the top bit of all but the last is set (LEB128). Returns where it ends.
fn write_number(bytes: &mut [u8], mut at: usize, mut number: u64) -> usize {
    while number >= 0x80 {
        bytes[at] = number as u8 | 0x80;
        number >>= 7;
        at += 1;
    }
    bytes[at] = number as u8;
    at + 1
}

/// The number there, and where it ends.
#[inline]
fn read_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let &first = bytes.get(at)?;
    // Nearly all are one byte: the loop alone takes 500 instructions an operation more.
    if first < 0x80 {
        return Some((first.into(), at + 1));
    }
    let mut number = 0;
    for (index, &byte) in bytes[at..].iter().enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Some((number, at + index + 1));
        }
    }
    None
}

macro_rules! common_names {
    ($($name:literal)*) => {
        const COMMON_TEXTS: &[&str] = &[$($name),*];

        /// What clients of such services send. To make one of these of its text costs 300 instructions, and some an allocation.
        static COMMON_NAMES: [HeaderName; COMMON_TEXTS.len()] = [$(HeaderName::from_static($name)),*];
    };
}

common_names! {
    "accept"
    "accept-language"
    "authorization"
    "cache-control"
    "cookie"
    "date"
    "host"
    "origin"
    "referer"
    "user-agent"
    "api-key"
    "baggage"
    "ocp-apim-subscription-key"
    "subscription-key"
    "traceparent"
    "tracestate"
    "x-api-key"
    "x-correlation-id"
    "x-ms-client-id"
    "x-ms-client-request-id"
    "x-ms-return-client-request-id"
    "x-request-id"
}

/// What is left of the room behind the entry, if that fits in.
#[inline(always)]
fn pack_entry<'a>(room: &'a mut [u8], name: &str, value: &HeaderValue) -> Option<&'a mut [u8]> {
    let word = entry_word(name, value);
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let (word_room, room) = room.split_first_chunk_mut()?;
    let (name_room, room) = room.split_at_mut_checked(name.len())?;
    let (value_room, room) = room.split_at_mut_checked(value.len())?;
    *word_room = word.to_le_bytes();
    name_room.copy_from_slice(name);
    value_room.copy_from_slice(value);
    Some(room)
}

fn entry_word(name: &str, value: &HeaderValue) -> u64 {
    let sensitive = if value.is_sensitive() { IS_SENSITIVE } else { 0 };
    name.len() as u64 | sensitive | (value.len() as u64) << 32
}

/// Whether polls repeat a header of the start request: all but those about its body, its preconditions and its connection, of
/// which `Host` is kept where nothing else names the host.
#[inline(always)]
fn is_repeated(name: &str, keep_host: bool) -> bool {
    // By the first letter, because this runs for every header of every request.
    !match name.as_bytes().first() {
        Some(b'a') => name == "accept-encoding",
        Some(b'c') => name.starts_with("content-") || name == "connection",
        Some(b'e') => name == "expect",
        Some(b'h') => name == "http2-settings" || (name == "host" && !keep_host),
        Some(b'i') => name.starts_with("if-") || name == "idempotency-key",
        Some(b'k') => name == "keep-alive",
        Some(b'o') => name == "operation-id",
        Some(b'p') => matches!(name, "prefer" | "proxy-connection"),
        Some(b'r') => name == "range" || name.starts_with("repeatability-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}
