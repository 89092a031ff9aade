//! `CapturedHeaders` and `RepeatedHeaders`: the headers of the caller's request that polls repeat, as bytes.
//!
//! They are kept for every request, because any may start an operation. Cloning the `HeaderMap` would cost an allocation for
//! each value that is not static; a list of names and values would be twice as long while the operation waits. This is one
//! buffer, of which an operation keeps the values, beside names that it shares with others.

use std::{fmt, iter};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST},
};

use crate::request::names::{NameList, NameLists};

/// Entries, one after the other: the lengths of name and value, whether the value is sensitive, the name, the value.
pub(crate) struct CapturedHeaders {
    /// Here if they fit, so that most requests cost no allocation for them; made where it stays, because it is long to move.
    few: Option<[u8; TYPICAL_BYTES]>,
    few_len: usize,
    many: Vec<u8>,
}

/// Most requests' headers fit in, but for long tokens.
const TYPICAL_BYTES: usize = 320;

/// The lengths, from the low end on: 16 bits for that of the name, one for whether the value is sensitive, 32 for that of the value.
const WORD: usize = size_of::<u64>();
const SENSITIVE_BIT: u32 = 16;
const VALUE_SHIFT: u32 = 32;

/// No transport sends longer values.
const MAX_VALUE_BYTES: usize = u32::MAX as usize >> 1;

/// Whether polls repeat the `Host` header: only where nothing else names the host.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Host {
    Keep,
    Drop,
}

impl CapturedHeaders {
    pub(crate) const fn new() -> Self {
        Self { few: None, few_len: 0, many: Vec::new() }
    }

    #[inline]
    pub(crate) fn capture(&mut self, headers: &HeaderMap, host: Host) {
        let mut free = &mut self.few.insert([0; TYPICAL_BYTES])[..];
        for (name, value) in headers {
            let name = name.as_str();
            match kept(name, host) {
                Kept::Yes => {}
                Kept::No => continue,
                Kept::NoneListed => return self.capture_many(headers, host),
            }
            free = match push(free, name, value) {
                Some(rest) => rest,
                None => return self.capture_many(headers, host),
            };
        }
        self.few_len = TYPICAL_BYTES - free.len();
    }

    /// Of a request with more of them, or with a `Connection` header, which lists others that are about the connection alone.
    #[cold]
    fn capture_many(&mut self, headers: &HeaderMap, host: Host) {
        let kept = || unlisted(headers, host).map(|(name, value)| (name.as_str(), value));
        self.many.reserve_exact(kept().map(|(name, value)| WORD + name.len() + value.len()).sum());
        for (name, value) in kept() {
            let parts = [&lengths(name, value), name.as_bytes(), value.as_bytes()];
            parts.into_iter().for_each(|part| self.many.extend_from_slice(part));
        }
    }

    /// As polls need them.
    pub(crate) fn into_repeated(self, lists: &NameLists) -> RepeatedHeaders {
        let few = self.few.as_ref().map_or(&[][..], |few| &few[..self.few_len]);
        RepeatedHeaders::new(if self.many.is_empty() { few } else { &self.many }, lists)
    }
}

/// Writes an entry, and returns what is free behind it; `None` if it does not fit.
#[inline(always)]
fn push<'a>(free: &'a mut [u8], name: &str, value: &HeaderValue) -> Option<&'a mut [u8]> {
    let (word, rest) = free.split_first_chunk_mut()?;
    let (name_room, rest) = rest.split_at_mut_checked(name.len())?;
    let (value_room, rest) = rest.split_at_mut_checked(value.len())?;
    *word = lengths(name, value);
    name_room.copy_from_slice(name.as_bytes());
    value_room.copy_from_slice(value.as_bytes());
    Some(rest)
}

/// Names have less than 64 KiB (as `http` has it), values less than [`MAX_VALUE_BYTES`].
#[inline]
fn lengths(name: &str, value: &HeaderValue) -> [u8; WORD] {
    let sensitive = u64::from(value.is_sensitive()) << SENSITIVE_BIT;
    (name.len() as u64 | sensitive | (value.len() as u64) << VALUE_SHIFT).to_le_bytes()
}

/// Names, values, and whether these are sensitive.
fn entries(mut packed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], bool)> + Clone {
    iter::from_fn(move || {
        let (word, rest) = packed.split_first_chunk()?;
        let word = u64::from_le_bytes(*word);
        let (name, rest) = rest.split_at_checked(usize::from(word as u16))?;
        let (value, rest) = rest.split_at_checked((word >> VALUE_SHIFT) as usize)?;
        packed = rest;
        Some((name, value, word >> SENSITIVE_BIT & 1 == 1))
    })
}

/// The same once an operation has been accepted: as bytes, too, because many operations wait at once.
pub(crate) struct RepeatedHeaders {
    names: NameList,
    /// The values, in the order of the names, each behind its length and whether it is sensitive (the lowest bit).
    values: Bytes,
}

impl RepeatedHeaders {
    fn new(packed: &[u8], lists: &NameLists) -> Self {
        let names = lists.share(entries(packed).map(|(name, ..)| name));
        let mut values = Vec::with_capacity(entries(packed).map(|(_, value, _)| size_of::<u32>() + value.len()).sum());
        for (_, value, is_sensitive) in entries(packed) {
            values.extend_from_slice(&((value.len() as u32) << 1 | u32::from(is_sensitive)).to_le_bytes());
            values.extend_from_slice(value);
        }
        Self { names, values: values.into() }
    }

    /// Of a request that is certain to be polled for.
    pub(crate) fn of(headers: &HeaderMap, host: Host, lists: &NameLists) -> Self {
        let mut captured = CapturedHeaders::new();
        captured.capture_many(headers, host);
        captured.into_repeated(lists)
    }

    /// The `Host` header, where it is kept.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        self.iter().find(|(name, _)| *name == HOST).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        self.names.iter().zip(self.values())
    }

    pub(crate) fn to_map(&self) -> HeaderMap {
        self.names.with_values(self.values())
    }

    /// They share their bytes.
    fn values(&self) -> impl Iterator<Item = HeaderValue> {
        let mut end = 0;
        iter::from_fn(move || {
            let (word, _) = self.values.get(end..)?.split_first_chunk()?;
            let word = u32::from_le_bytes(*word);
            let begin = end + size_of_val(&word);
            end = begin + (word >> 1) as usize;
            let value = (end <= self.values.len()).then(|| self.values.slice(begin..end))?;
            let mut value = HeaderValue::from_maybe_shared(value).ok()?;
            value.set_sensitive(word & 1 == 1);
            Some(value)
        })
    }
}

/// Prints the names only: the values are credentials.
impl fmt::Debug for RepeatedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names.iter()).finish()
    }
}

impl fmt::Debug for CapturedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedHeaders").finish_non_exhaustive()
    }
}

/// The headers that polls repeat, without those that a `Connection` header lists.
fn unlisted(headers: &HeaderMap, host: Host) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let has_list = headers.contains_key(CONNECTION);
    headers.iter().filter(move |(name, value)| {
        let name = name.as_str();
        kept(name, host) == Kept::Yes && !(has_list && is_listed(headers, name)) && value.len() <= MAX_VALUE_BYTES
    })
}

#[cold]
fn is_listed(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

/// Whether polls repeat a header.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Yes,
    No,
    /// Nor those that it lists.
    NoneListed,
}

/// All are repeated but those about the request's own body, preconditions and connection, those that make it a single request,
/// and those by which a server would take a `GET` for another method.
#[inline(always)]
fn kept(name: &str, host: Host) -> Kept {
    // By the first letter, because this runs for every header of every request.
    let is_dropped = match name.as_bytes().first() {
        Some(b'a') => name == "accept-encoding",
        Some(b'c') if name == "connection" => return Kept::NoneListed,
        Some(b'c') => name.starts_with("content-"),
        Some(b'd') => name == "digest",
        Some(b'e') => name == "expect",
        Some(b'h') => name == "http2-settings" || (name == "host" && host == Host::Drop),
        Some(b'i') => name.starts_with("if-") || name == "idempotency-key",
        Some(b'k') => name == "keep-alive",
        Some(b'o') => name == "operation-id",
        Some(b'p') => matches!(name, "prefer" | "proxy-connection"),
        Some(b'r') => matches!(name, "range" | "repr-digest") || name.starts_with("repeatability-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        Some(b'x') => name.starts_with("x-http-method") || matches!(name, "x-idempotency-key" | "x-method-override"),
        _ => false,
    };
    if is_dropped { Kept::No } else { Kept::Yes }
}
