//! `RepeatedHeaders`: the headers of the caller's request that polls repeat, as bytes.
//!
//! They are kept for every request, because any may start an operation. Cloning the `HeaderMap` would cost an allocation for
//! each value that is not static; this costs one in all.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST},
};

/// Entries, one after the other: the lengths of name and value, whether the value is sensitive, the name, the value.
#[derive(Debug)]
pub(crate) struct RepeatedHeaders {
    bytes: Vec<u8>,
    count: usize,
}

/// Most requests' headers fit in, but for long tokens.
const TYPICAL_BYTES: usize = 384;

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

impl RepeatedHeaders {
    #[inline]
    pub(crate) fn of(headers: &HeaderMap, host: Host) -> Self {
        let mut kept = Self { bytes: Vec::with_capacity(TYPICAL_BYTES), count: 0 };
        let mut has_room = true;
        let has_connection = headers.contains_key(CONNECTION);
        for (name, value) in headers {
            let name = name.as_str();
            if is_repeated(name, host) && !(has_connection && is_listed(headers, name)) {
                if has_room && kept.bytes.len() + WORD + name.len() + value.len() > TYPICAL_BYTES {
                    kept.reserve(headers);
                    has_room = false;
                }
                kept.push(name, value);
            }
        }
        kept
    }

    /// Makes room for all headers at once.
    #[cold]
    fn reserve(&mut self, headers: &HeaderMap) {
        let bytes = headers.iter().map(|(name, value)| WORD + name.as_str().len() + value.len()).sum();
        self.bytes.reserve(bytes);
    }

    #[inline]
    fn push(&mut self, name: &str, value: &HeaderValue) {
        // Longer values no transport would send. Names have less than 64 KiB.
        let Ok(value_len) = u32::try_from(value.len()) else { return };
        let sensitive = u64::from(value.is_sensitive()) << SENSITIVE_BIT;
        let word = name.len() as u64 | sensitive | u64::from(value_len) << VALUE_SHIFT;
        self.bytes.extend_from_slice(&word.to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.count += 1;
    }

    /// Gives back the room that was reserved.
    pub(crate) fn shrink(mut self) -> Self {
        self.bytes.shrink_to_fit();
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The `Host` header, where it is kept.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let mut host = None;
        self.for_each(|name, value| {
            if name == HOST {
                host.get_or_insert(value);
            }
        });
        host
    }

    pub(crate) fn for_each(&self, mut each: impl FnMut(HeaderName, HeaderValue)) {
        // One copy, which all values share.
        let bytes = Bytes::copy_from_slice(&self.bytes);
        let mut from = 0;
        while let Some(word) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*word);
            let name_at = from + WORD;
            let value_at = name_at + usize::from(word as u16);
            from = value_at + (word >> VALUE_SHIFT) as usize;
            let name = HeaderName::from_bytes(&bytes[name_at..value_at]);
            let value = HeaderValue::from_maybe_shared(bytes.slice(value_at..from));
            if let (Ok(name), Ok(mut value)) = (name, value) {
                value.set_sensitive(word >> SENSITIVE_BIT & 1 == 1);
                each(name, value);
            }
        }
    }
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

/// Whether polls repeat a header: all but those about the request's own body, preconditions and connection, those that make it
/// a single request, and those by which a server would take a `GET` for another method.
#[inline(always)]
fn is_repeated(name: &str, host: Host) -> bool {
    // By the first letter, because this runs for every header of every request.
    !match name.as_bytes().first() {
        Some(b'a') => name == "accept-encoding",
        Some(b'c') => name.starts_with("content-") || name == "connection",
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
    }
}
