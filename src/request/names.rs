//! `NameList` and `NameLists`: the names of repeated headers, which the operations of one layer share.

use std::{
    fmt, iter,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{MAX_NAME_LISTS, MAX_SHARED_NAME_BYTES};

/// The lists that a layer used last. Clients send the same headers again and again with other values, so most operations find
/// their names here: each holds 100 bytes less, and its polls need not parse the names.
#[derive(Default)]
pub(crate) struct NameLists(Mutex<Vec<NameList>>);

/// Names in the order of their values.
#[derive(Clone)]
pub(crate) struct NameList(Arc<Names>);

struct Names {
    packed: Box<[u8]>,
    /// The map that the headers of each poll begin as: cloning it and filling in the values takes a third of the time of inserting
    /// them. Made only for shared names, because it is large.
    headers: OnceLock<HeaderMap>,
}

/// Before each name: its length.
pub(crate) const NAME_WORD: usize = size_of::<u16>();

impl NameLists {
    /// The list of these names, each behind its length.
    pub(crate) fn share(&self, packed: &[u8]) -> NameList {
        let new = || NameList(Arc::new(Names { packed: packed.into(), headers: OnceLock::new() }));
        if packed.len() > MAX_SHARED_NAME_BYTES {
            return new();
        }
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = lists.iter().position(|list| *list.0.packed == *packed) {
            let list = lists[index].clone();
            // The least recently used is the last.
            lists[..=index].rotate_right(1);
            drop(lists);
            list.0.headers.get_or_init(|| list.with_appended(iter::repeat(HeaderValue::from_static(""))));
            return list;
        }
        let list = new();
        lists.truncate(MAX_NAME_LISTS - 1);
        lists.insert(0, list.clone());
        list
    }
}

impl NameList {
    /// All were names of headers before, so none is left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = HeaderName> {
        self.texts().filter_map(|name| HeaderName::from_bytes(name).ok())
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut packed = &*self.0.packed;
        iter::from_fn(move || {
            let (length, rest) = packed.split_first_chunk()?;
            let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            packed = rest;
            Some(name)
        })
    }

    pub(crate) fn with_values(&self, values: impl Iterator<Item = HeaderValue>) -> HeaderMap {
        let Some(shared) = self.0.headers.get() else { return self.with_appended(values) };
        let mut headers = shared.clone();
        headers.values_mut().zip(values).for_each(|(free, value)| *free = value);
        headers
    }

    fn with_appended(&self, values: impl Iterator<Item = HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.iter().zip(values).for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }
}

impl fmt::Debug for NameLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameLists").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| [&(name.len() as u16).to_le_bytes(), name.as_bytes()].concat()).collect()
    }

    fn held(lists: &NameLists) -> usize {
        lists.0.lock().unwrap().len()
    }

    fn filled(list: &NameList) -> Vec<String> {
        let values = (0..).map(HeaderValue::from);
        let headers = list.with_values(values);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn lists_are_shared_by_the_same_names_in_the_same_order() {
        let lists = NameLists::default();
        let kinds: [(&[&str], &[&str]); 5] = [
            (&["x-aa", "x-b"], &["x-aa: 0", "x-b: 1"]),
            (&["x-ab", "x-b"], &["x-ab: 0", "x-b: 1"]),
            (&["x-b", "x-aa"], &["x-b: 0", "x-aa: 1"]),
            (&["x-a", "x-a", "b"], &["x-a: 0", "x-a: 1", "b: 2"]),
            (&[], &[]),
        ];
        for round in 0..3 {
            for (names, expected) in kinds {
                let list = lists.share(&packed(names));
                assert_eq!(filled(&list), expected, "{round}");
                assert_eq!(list.0.headers.get().is_some(), round > 0);
            }
        }
        assert_eq!(held(&lists), kinds.len());
    }

    #[test]
    fn the_lists_that_were_used_last_are_held() {
        let lists = NameLists::default();
        let share = |n: usize| lists.share(&packed(&[&format!("x-{n}")]));
        for n in 0..100 {
            share(n);
            share(0);
            assert!(held(&lists) <= MAX_NAME_LISTS);
        }
        assert!(share(0).0.headers.get().is_some() && share(99).0.headers.get().is_some());
        assert!(share(50).0.headers.get().is_none());
    }

    #[test]
    fn long_lists_are_not_held() {
        let lists = NameLists::default();
        let longest = "x".repeat(MAX_SHARED_NAME_BYTES - NAME_WORD);
        let longer = longest.clone() + "x";
        for _ in 0..2 {
            assert_eq!(filled(&lists.share(&packed(&[&longer]))), [format!("{longer}: 0")]);
        }
        assert_eq!(held(&lists), 0);
        lists.share(&packed(&[&longest]));
        assert_eq!(held(&lists), 1);
    }
}
