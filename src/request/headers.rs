//! `CapturedHeaders` and `RepeatedHeaders`: the headers of the caller's request that polls repeat, as bytes.
//!
//! Every request's headers are kept, because any request may start an operation. Cloning the `HeaderMap` would cost an allocation
//! for each value that is not static; a list of names and values would be twice as long while the operation waits. This is one
//! buffer; an operation keeps its values, and shares its names with other operations.

use std::{fmt, iter, ops::Range};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONNECTION};

use crate::{
    limits::MAX_VALUE_BYTES,
    request::names::{NAME_WORD, NameList, NameLists},
};

/// The names fill a buffer from the front, the values from the back, so that all names can be taken or compared at once.
pub(crate) struct CapturedHeaders {
    buffer: Buffer,
    names_len: usize,
    /// How much is free between the names and the values.
    free: usize,
}

#[allow(clippy::large_enum_variant, reason = "it saves every request an allocation")]
enum Buffer {
    None,
    /// In place if they fit, so that most requests need no allocation; filled where it stays, because moving it is expensive.
    Few([u8; TYPICAL_BYTES]),
    Many(Vec<u8>),
}

/// Most requests' headers fit, except for long tokens.
const TYPICAL_BYTES: usize = 320;

/// After each value: its length, and in the lowest bit whether it is sensitive.
const VALUE_WORD: usize = size_of::<u32>();

/// Whether polls repeat the `Host` header: only where nothing else names the host.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Host {
    Keep,
    Drop,
}

impl CapturedHeaders {
    pub(crate) const fn new() -> Self {
        Self { buffer: Buffer::None, names_len: 0, free: 0 }
    }

    #[inline]
    pub(crate) fn capture(&mut self, headers: &HeaderMap, host: Host) {
        self.buffer = Buffer::Few([0; TYPICAL_BYTES]);
        let Buffer::Few(few) = &mut self.buffer else { return };
        let mut free = &mut few[..];
        let mut names_len = 0;
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
            names_len += NAME_WORD + name.len();
        }
        (self.names_len, self.free) = (names_len, free.len());
    }

    /// For a request with more headers, or with a `Connection` header, which lists others that concern only the connection.
    #[cold]
    fn capture_many(&mut self, headers: &HeaderMap, host: Host) {
        let kept = || unlisted(headers, host).map(|(name, value)| (name.as_str(), value));
        let names_len: usize = kept().map(|(name, _)| NAME_WORD + name.len()).sum();
        let values_len: usize = kept().map(|(_, value)| value.len() + VALUE_WORD).sum();
        let mut buffer = vec![0; names_len + values_len];
        _ = kept().try_fold(&mut buffer[..], |free, (name, value)| push(free, name, value));
        self.buffer = Buffer::Many(buffer);
        (self.names_len, self.free) = (names_len, 0);
    }

    /// Makes the form that polls need.
    pub(crate) fn repeated(&self, lists: &NameLists) -> RepeatedHeaders {
        let buffer = match &self.buffer {
            Buffer::None => &[][..],
            Buffer::Few(few) => few,
            Buffer::Many(many) => many,
        };
        let (names, rest) = buffer.split_at(self.names_len);
        RepeatedHeaders { names: lists.share(names), values: Bytes::copy_from_slice(&rest[self.free..]) }
    }
}

/// Writes a name and a value; returns the free bytes between them, or `None` if they do not fit.
#[inline(always)]
fn push<'a>(free: &'a mut [u8], name: &str, value: &HeaderValue) -> Option<&'a mut [u8]> {
    let (name_room, free) = free.split_at_mut_checked(NAME_WORD + name.len())?;
    let (free, value_room) = free.split_at_mut_checked(free.len().checked_sub(value.len() + VALUE_WORD)?)?;
    let (length, text) = name_room.split_first_chunk_mut()?;
    // `http` limits names to less than 64 KiB.
    *length = (name.len() as u16).to_le_bytes();
    text.copy_from_slice(name.as_bytes());
    let (text, word) = value_room.split_last_chunk_mut()?;
    *word = ((value.len() as u32) << 1 | u32::from(value.is_sensitive())).to_le_bytes();
    text.copy_from_slice(value.as_bytes());
    Some(free)
}

/// The headers of an accepted operation: the values as bytes, too, because many operations wait at once.
pub(crate) struct RepeatedHeaders {
    names: NameList,
    values: Bytes,
}

impl RepeatedHeaders {
    /// Captures the headers of a request that will certainly be polled for.
    pub(crate) fn of(headers: &HeaderMap, host: Host, lists: &NameLists) -> Self {
        let mut captured = CapturedHeaders::new();
        captured.capture(headers, host);
        captured.repeated(lists)
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        let name = name.as_str().as_bytes();
        let index = self.names.texts().position(|it| it == name)?;
        self.places().nth(index).map(|(place, _)| &self.values[place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.names.iter().zip(self.values())
    }

    pub(crate) fn to_map(&self) -> HeaderMap {
        self.names.with_values(self.values())
    }

    /// The values, which share their bytes.
    fn values(&self) -> impl Iterator<Item = HeaderValue> {
        self.places().map_while(|(place, is_sensitive)| {
            let mut value = HeaderValue::from_maybe_shared(self.values.slice(place)).ok()?;
            value.set_sensitive(is_sensitive);
            Some(value)
        })
    }

    /// The place of each value, in the order of the names, which is from the back, and whether it is sensitive.
    fn places(&self) -> impl Iterator<Item = (Range<usize>, bool)> {
        let mut begin = self.values.len();
        iter::from_fn(move || {
            let (rest, word) = self.values[..begin].split_last_chunk()?;
            let (end, word) = (rest.len(), u32::from_le_bytes(*word));
            begin = end.checked_sub((word >> 1) as usize)?;
            Some((begin..end, word & 1 == 1))
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
    /// No, nor are those that it lists.
    NoneListed,
}

/// Polls repeat all headers except those about the request's own body, preconditions and connection, those that make it a single
/// request, and those that would make a server take a `GET` for another method.
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
        Some(b'i') => name.starts_with("if-") || matches!(name, "if" | "idempotency-key"),
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
