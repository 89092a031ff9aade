//! `CapturedHeaders` and `RepeatedHeaders`: the headers of the caller's request that polls repeat, first as bytes.
//!
//! They are kept for every request, because any may start an operation. Cloning the `HeaderMap` would cost an allocation for
//! each value that is not static; this costs one in all.

use std::iter;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST},
};

/// Entries, one after the other: the lengths of name and value, whether the value is sensitive, the name, the value.
#[derive(Debug)]
pub(crate) struct CapturedHeaders {
    /// As many as fit, so that most requests cost no allocation for them.
    first: [u8; TYPICAL_BYTES],
    first_len: usize,
    rest: Vec<u8>,
    count: usize,
}

/// Most requests' headers fit in, but for long tokens.
const TYPICAL_BYTES: usize = 320;

/// The lengths, from the low end on: 16 bits for that of the name, one for whether the value is sensitive, 32 for that of the value.
const WORD: usize = size_of::<u64>();
const SENSITIVE_BIT: u32 = 16;
const VALUE_SHIFT: u32 = 32;

/// Whether polls repeat the `Host` header: only where nothing else names the host.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Host {
    Keep,
    Drop,
}

impl CapturedHeaders {
    pub(crate) const fn new() -> Self {
        Self { first: [0; TYPICAL_BYTES], first_len: 0, rest: Vec::new(), count: 0 }
    }

    #[inline]
    pub(crate) fn capture(&mut self, headers: &HeaderMap, host: Host) {
        for (name, value) in headers {
            let name = name.as_str();
            match kept(name, host) {
                Kept::Yes => self.push(name, value, headers),
                Kept::No => {}
                Kept::NoneListed => return self.capture_unlisted(headers, host),
            }
        }
    }

    /// Of a request with a `Connection` header, which lists others that are about the connection alone.
    #[cold]
    fn capture_unlisted(&mut self, headers: &HeaderMap, host: Host) {
        *self = Self::new();
        unlisted(headers, host).for_each(|(name, value)| self.push(name.as_str(), value, headers));
    }

    #[inline]
    fn push(&mut self, name: &str, value: &HeaderValue, headers: &HeaderMap) {
        self.count += 1;
        let len = WORD + name.len() + value.len();
        let free = self.first.get_mut(self.first_len..).unwrap_or_default();
        let (Some(room), true) = (free.get_mut(..len), self.rest.is_empty()) else {
            return self.push_rest(name, value, headers);
        };
        let (word, room) = room.split_at_mut(WORD);
        let (name_room, value_room) = room.split_at_mut(name.len());
        word.copy_from_slice(&lengths(name, value));
        name_room.copy_from_slice(name.as_bytes());
        value_room.copy_from_slice(value.as_bytes());
        self.first_len += len;
    }

    #[cold]
    fn push_rest(&mut self, name: &str, value: &HeaderValue, headers: &HeaderMap) {
        if self.rest.is_empty() {
            let lens = headers.iter().map(|(name, value)| WORD + name.as_str().len() + value.len());
            self.rest.reserve(lens.sum());
        }
        [&lengths(name, value), name.as_bytes(), value.as_bytes()]
            .into_iter()
            .for_each(|part| self.rest.extend_from_slice(part));
    }

    /// As polls need them.
    pub(crate) fn unpack(&self) -> RepeatedHeaders {
        let packed = [&self.first[..self.first_len], &self.rest];
        let mut values = Vec::with_capacity(self.first_len.saturating_add(self.rest.len()));
        packed.into_iter().flat_map(entries).for_each(|(_, value, _)| values.extend_from_slice(value));
        values.shrink_to_fit();
        let mut values = Bytes::from(values);
        let mut headers = Vec::with_capacity(self.count);
        headers.extend(packed.into_iter().flat_map(entries).filter_map(|(name, value, is_sensitive)| {
            let value = values.split_to(value.len());
            let mut value = HeaderValue::from_maybe_shared(value).ok()?;
            value.set_sensitive(is_sensitive);
            Some((HeaderName::from_bytes(name).ok()?, value))
        }));
        RepeatedHeaders(headers.into())
    }
}

/// Names have less than 64 KiB (as `http` has it), and no transport sends values of 4 GiB.
#[inline]
fn lengths(name: &str, value: &HeaderValue) -> [u8; WORD] {
    let sensitive = u64::from(value.is_sensitive()) << SENSITIVE_BIT;
    (name.len() as u64 | sensitive | (value.len() as u64) << VALUE_SHIFT).to_le_bytes()
}

/// Names, values, and whether these are sensitive.
fn entries(mut packed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
    iter::from_fn(move || {
        let (word, rest) = packed.split_first_chunk()?;
        let word = u64::from_le_bytes(*word);
        let (name, rest) = rest.split_at_checked(usize::from(word as u16))?;
        let (value, rest) = rest.split_at_checked((word >> VALUE_SHIFT) as usize)?;
        packed = rest;
        Some((name, value, word >> SENSITIVE_BIT & 1 == 1))
    })
}

/// The same once an operation has been accepted. The values share their bytes.
#[derive(Debug)]
pub(crate) struct RepeatedHeaders(Box<[(HeaderName, HeaderValue)]>);

impl RepeatedHeaders {
    /// Of a request that is certain to be polled for.
    pub(crate) fn of(headers: &HeaderMap, host: Host) -> Self {
        Self(unlisted(headers, host).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The `Host` header, where it is kept.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        self.iter().find(|(name, _)| *name == HOST).map(|(_, value)| value.clone())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

/// The headers that polls repeat, without those that a `Connection` header lists.
fn unlisted(headers: &HeaderMap, host: Host) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let has_list = headers.contains_key(CONNECTION);
    headers.iter().filter(move |(name, _)| {
        let name = name.as_str();
        kept(name, host) == Kept::Yes && !(has_list && is_listed(headers, name))
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
