//! `NameList` and `NameLists`: the names of repeated headers, which the operations of one layer share.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{MAX_NAME_LISTS, MAX_SHARED_NAME_BYTES};

/// The latest lists of a layer. Clients send the same headers again and again, with other values, so that most operations find
/// their names here: each holds 100 bytes less, and its polls name their headers without parsing them.
#[derive(Default)]
pub(crate) struct NameLists(Mutex<Vec<NameList>>);

/// Names in the order of their values, as the map of headers that a poll begins with: to clone it and to put the values in
/// takes a third of what it takes to insert them.
#[derive(Clone)]
pub(crate) struct NameList(Arc<HeaderMap>);

impl NameLists {
    pub(crate) fn share<'a>(&self, names: impl Iterator<Item = &'a [u8]> + Clone) -> NameList {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = lists.iter().find(|list| list.has(names.clone())) {
            return list.clone();
        }
        let bytes: usize = names.clone().map(<[u8]>::len).sum();
        let list = NameList::new(names);
        if bytes <= MAX_SHARED_NAME_BYTES {
            lists.truncate(MAX_NAME_LISTS - 1);
            lists.insert(0, list.clone());
        }
        list
    }
}

impl NameList {
    /// Of names that were names of headers before.
    fn new<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut headers = HeaderMap::new();
        for name in names.filter_map(|name| HeaderName::from_bytes(name).ok()) {
            headers.append(name, HeaderValue::from_static(""));
        }
        Self(headers.into())
    }

    fn has<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> bool {
        self.iter().map(|name| name.as_str().as_bytes()).eq(names)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(crate) fn with_values(&self, values: impl Iterator<Item = HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::clone(&self.0);
        headers.values_mut().zip(values).for_each(|(free, value)| *free = value);
        headers
    }
}

impl fmt::Debug for NameLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameLists").finish_non_exhaustive()
    }
}
