//! `Selector`: a member of a JSON document that the scanner looks for.

use std::fmt;

use crate::{
    json::members::{Member, elements, members},
    limits::{MAX_POINTER_DEPTH, MAX_POINTER_KEY_BYTES},
};

/// A JSON pointer ([RFC 6901]) to a member of an object or an element of an array.
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pointer(Vec<Segment>);

/// One step of a pointer: the key of a member, or, if it is a number, also the index of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) key: Box<str>,
    pub(crate) index: Option<u32>,
}

impl Pointer {
    /// Returns `None` if the text is not a pointer, names the whole document, or is longer than the scanner can follow.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments: Vec<_> = text.strip_prefix('/')?.split('/').map(Segment::parse).collect::<Option<_>>()?;
        (segments.len() <= MAX_POINTER_DEPTH).then_some(Self(segments))
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(crate) fn last_key(&self) -> &str {
        self.0.last().map_or("", |segment| &segment.key)
    }

    /// Finds the value in a document with these members.
    pub(crate) fn find<'a>(&self, document: &[Member<'a>]) -> Option<&'a str> {
        let (first, rest) = self.0.split_first()?;
        let (_, value) = document.iter().find(|(key, _)| *key == *first.key)?;
        rest.iter().try_fold(*value, |value, segment| segment.find(value))
    }
}

impl Segment {
    fn parse(escaped: &str) -> Option<Self> {
        let is_escape = |rest: &str| rest.starts_with(['0', '1']);
        if !escaped.split('~').skip(1).all(is_escape) {
            return None;
        }
        let key = escaped.replace("~1", "/").replace("~0", "~");
        // RFC 6901 allows no leading zeros.
        let is_index = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
        let index = key.parse().ok().filter(|_| is_index);
        (key.len() <= MAX_POINTER_KEY_BYTES).then(|| Self { key: key.into(), index })
    }

    fn find<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self.index {
            Some(index) if value.starts_with('[') => elements(value).get(index as usize).copied(),
            _ => {
                let members = members(value);
                members.into_iter().find(|(key, _)| *key == *self.key).map(|(_, value)| value)
            }
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| {
            let escaped = segment.key.replace('~', "~0").replace('/', "~1");
            write!(f, "/{escaped}")
        })
    }
}

/// A member to look for, and the values that match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    pub(crate) pointer: Pointer,
    pub(crate) matches: Match,
}

/// The values of a member that match, and the word that they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// A string; the word is its text.
    String,
    /// A string, a number or a boolean; the word is its text.
    Scalar,
    /// Any value but null; the word is the member's key.
    Present,
    /// `true`; the word is the member's key.
    True,
    /// Null, or a missing member; the word is `null`.
    Absent,
}

impl Selector {
    pub(crate) fn new(pointer: Pointer, matches: Match) -> Self {
        Self { pointer, matches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_those_of_rfc_6901() {
        for text in ["/a", "/a/b", "/a~1b/~0", "/links/0/href", "/", "/a//b"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
        let too_deep = "/a".repeat(MAX_POINTER_DEPTH + 1);
        let too_long = format!("/{}", "a".repeat(MAX_POINTER_KEY_BYTES + 1));
        for text in ["", "a", "a/b", "#/a", "/a~", "/~2", &too_deep, &too_long] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_found_by_key_and_by_index() {
        let document = r#"{"a": {"b": "c", "": 1, "0": "key"}, "f/g": "h", "l": [{"x": 1}, [2, 3]], "n": null}"#;
        for (pointer, expected) in [
            ("/a/b", Some(r#""c""#)),
            ("/a/", Some("1")),
            ("/a/0", Some(r#""key""#)),
            ("/f~1g", Some(r#""h""#)),
            ("/l/0/x", Some("1")),
            ("/l/1/1", Some("3")),
            ("/n", Some("null")),
            ("/l/01", None),
            ("/l/2", None),
            ("/l/x", None),
            ("/a/c", None),
            ("/b", None),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(&members(document));
            assert_eq!(found, expected, "{pointer}");
        }
        assert!(Pointer::parse("/a").unwrap().find(&members("[")).is_none());
    }
}
