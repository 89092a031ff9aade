//! `NameList` and `NameLists`: the names of repeated headers, which the operations of one layer share.

use std::{
    fmt, iter,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{MAX_NAME_LISTS, MAX_SHARED_NAME_BYTES};

/// The latest lists of a layer. Clients send the same headers again and again, with other values, so that most operations find
/// their names here: each holds 100 bytes less, and its polls name their headers without parsing them.
#[derive(Default)]
pub(crate) struct NameLists(Mutex<Vec<NameList>>);

/// Names in the order of their values.
#[derive(Clone)]
pub(crate) struct NameList(Arc<Names>);

struct Names {
    packed: Box<[u8]>,
    /// What a poll's headers begin as: to clone it and to put the values in takes a third of what it takes to insert them.
    headers: HeaderMap,
}

/// Before each name: its length.
pub(crate) const NAME_WORD: usize = size_of::<u16>();

impl NameLists {
    /// The list of these names, each behind its length.
    pub(crate) fn share(&self, packed: &[u8]) -> NameList {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = lists.iter().find(|list| *list.0.packed == *packed) {
            return list.clone();
        }
        let list = NameList::new(packed);
        if packed.len() <= MAX_SHARED_NAME_BYTES {
            lists.truncate(MAX_NAME_LISTS - 1);
            lists.insert(0, list.clone());
        }
        list
    }
}

impl NameList {
    fn new(packed: &[u8]) -> Self {
        let mut headers = HeaderMap::new();
        for name in names(packed) {
            headers.append(name, HeaderValue::from_static(""));
        }
        Self(Arc::new(Names { packed: packed.into(), headers }))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.headers.iter().map(|(name, _)| name)
    }

    pub(crate) fn with_values(&self, values: impl Iterator<Item = HeaderValue>) -> HeaderMap {
        let mut headers = self.0.headers.clone();
        headers.values_mut().zip(values).for_each(|(free, value)| *free = value);
        headers
    }
}

fn names(mut packed: &[u8]) -> impl Iterator<Item = HeaderName> {
    iter::from_fn(move || {
        let (length, rest) = packed.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        packed = rest;
        HeaderName::from_bytes(name).ok()
    })
}

impl fmt::Debug for NameLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameLists").finish_non_exhaustive()
    }
}
