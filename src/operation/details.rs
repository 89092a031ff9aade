//! Details: what a small final body says of its operation beside the status.

use std::{
    borrow::Cow,
    mem,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    json::members::{Member, members, text, text_or_number},
    operation::error_object::ErrorObject,
};

/// Bodies up to this size are read for details.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// No name of an operation is longer.
pub(crate) const MAX_ID: usize = 1024;

/// What a final body says, read when somebody asks for it: that is most of what an operation costs, and most callers look at the
/// body only.
#[derive(Debug)]
pub(crate) struct Unread {
    /// Until it is read.
    body: Mutex<Vec<u8>>,
    details: OnceLock<Details>,
}

impl Unread {
    /// Of a copy, because what the transport has read into may be a lot more.
    pub(crate) fn new(body: &[u8]) -> Self {
        Self { body: Mutex::new(body.to_vec()), details: OnceLock::new() }
    }

    pub(crate) fn details(&self) -> &Details {
        self.details.get_or_init(|| {
            let body = mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
            Details::of(&members(&body))
        })
    }
}

/// The keys that details are under.
pub(crate) const KEYS: [&str; 10] = [
    "operationId",
    "id",
    "jobId",
    "created",
    "createdDateTime",
    "createdDateTimeUtc",
    "createdTime",
    "createdTimeUtc",
    "createTime",
    "error",
];

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Details {
    pub(crate) id: Option<String>,
    pub(crate) created: Option<String>,
    pub(crate) failure: Option<ErrorObject>,
}

impl Details {
    /// Takes from a document what can be read. Of members that are there twice the first counts.
    fn of(document: &[Member<'_>]) -> Self {
        let mut details = Self::default();
        let mut id_is_certain = false;
        for &(ref key, value) in document {
            match &**key {
                "operationId" if !id_is_certain => {
                    let id = text_or_number(value);
                    id_is_certain = id.is_some();
                    details.id = id.or(details.id.take());
                }
                "id" | "jobId" if details.id.is_none() => details.id = text_or_number(value),
                "created" | "createdDateTime" | "createdDateTimeUtc" | "createdTime" | "createdTimeUtc"
                | "createTime"
                    if details.created.is_none() =>
                {
                    details.created = text_or_number(value);
                }
                "error" if details.failure.is_none() => details.failure = ErrorObject::parse(value),
                _ => {}
            }
        }
        details.id = details.id.filter(|id| id.len() <= MAX_ID);
        details
    }
}

/// The string at a path of keys, if the document has one there that is not empty.
pub(crate) fn at_path(document: &[Member<'_>], path: &[String]) -> Option<String> {
    let (key, rest) = path.split_first()?;
    let &(_, value) = document.iter().find(|(name, _)| name == key)?;
    match rest {
        [] => text(value).filter(|text| !text.is_empty()).map(Cow::into_owned),
        rest => at_path(&members(value.get().as_bytes()), rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Details {
        Details::of(&members(body.as_bytes()))
    }

    #[test]
    fn both_azure_maps_documents() {
        let details = parse(
            r#" {
                "operationId": "c587574e-add9-4ef7-9788-1635bed9a87e",
                "created": "3/11/2020 8:45:13 PM +00:00",
                "status": "Failed",
                "error": {"code": "InvalidFeature", "message": "The provided feature is invalid."}
            }"#,
        );
        assert_eq!(details.id.as_deref(), Some("c587574e-add9-4ef7-9788-1635bed9a87e"));
        assert_eq!(details.created.as_deref(), Some("3/11/2020 8:45:13 PM +00:00"));
        assert_eq!(details.failure.unwrap().code(), Some("InvalidFeature"));
        let details = parse(
            r#"{"createdDateTime": "2021-05-06T07:55:19.5256829+00:00", "status": "Succeeded", "percentComplete": 100}"#,
        );
        assert_eq!(details.created.as_deref(), Some("2021-05-06T07:55:19.5256829+00:00"));
        assert_eq!(details.failure, None);
    }

    #[test]
    fn details_are_under_their_keys_and_no_others() {
        for key in KEYS {
            assert_ne!(parse(&format!(r#"{{"{key}": "x"}}"#)), Details::default(), "{key}");
        }
        for key in ["status", "name", "Id", "createdBy", "errors"] {
            assert_eq!(parse(&format!(r#"{{"{key}": "x"}}"#)), Details::default(), "{key}");
        }
    }

    #[test]
    fn members_are_found_by_their_path() {
        let body = br#"{"a": {"b": "c", "d": 7, "e": ""}, "f/g": "h"}"#;
        let at = |path: &[&str]| at_path(&members(body), &path.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!((at(&["a", "b"]).as_deref(), at(&["f/g"]).as_deref()), (Some("c"), Some("h")));
        for absent in [&["a"][..], &["a", "d"], &["a", "e"], &["b"], &["f/g", "x"], &[]] {
            assert_eq!(at(absent), None, "{absent:?}");
        }
        assert_eq!(at_path(&members(b"["), &["a".to_owned()]), None);
    }

    #[test]
    fn the_operation_id_beats_other_ids_and_the_first_of_each_counts() {
        let id = |body| parse(body).id;
        assert_eq!(id(r#"{"id": "a", "operationId": "b", "operationId": "c"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": "b", "id": "a"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": null, "id": 7, "id": 8}"#).as_deref(), Some("7"));
        assert_eq!(id(r#"{"jobId": "\u0061"}"#).as_deref(), Some("a"));
        assert_eq!(id(r#"{"\u0069d": "a"}"#).as_deref(), Some("a"));
        let twice = parse(
            r#"{
                "created": "a", "createdTime": "b",
                "error": {"code": "A"}, "error": {"code": "B"}
            }"#,
        );
        assert_eq!(twice.created.as_deref(), Some("a"));
        assert_eq!(twice.failure.unwrap().code(), Some("A"));
    }

    #[test]
    fn one_unreadable_part_costs_nothing_but_itself() {
        let details = parse("{\"id\": \"a\", \"error\": {\"code\": 1}, \"created\": oops");
        assert_eq!((details.id.as_deref(), details.created), (Some("a"), None));
        assert_eq!(details.failure.unwrap().code(), Some("1"));
        let deep = format!("[{}{}]", "[".repeat(1000), "]".repeat(1000));
        for odd in [r#""bad \ud83d""#, "1e999", &deep] {
            let body =
                format!(r#"{{"x": {odd}, "error": {{"code": "C", "x": {odd}, "message": "m", "target": {odd}}}}}"#);
            let failure = parse(&body).failure.unwrap();
            assert_eq!((failure.code(), failure.message()), (Some("C"), Some("m")), "{odd}");
        }
        let surrogate = parse(r#"{"\ud800": 1, "error": {"message": "bad \ud83d"}}"#);
        assert!(surrogate.failure.unwrap().message().unwrap().starts_with("bad "));
    }
}
