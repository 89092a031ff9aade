//! Details: what a small final body says of its operation beside the status.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Failure;

/// Bodies up to this size are read for details.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Details {
    pub(crate) id: Option<String>,
    pub(crate) created: Option<String>,
    pub(crate) resource_location: Option<String>,
    pub(crate) percent: Option<f64>,
    pub(crate) failure: Option<Failure>,
}

impl Details {
    /// Reads what can be read, up to where the text stops being JSON. Of members that are there twice the first counts.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut details = Self::default();
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        _ = Members(&mut details).deserialize(&mut serde_json::Deserializer::from_slice(body));
        details
    }
}

struct Members<'a>(&'a mut Details);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let details = self.0;
        let mut id_is_certain = false;
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "operationId" if !id_is_certain => {
                    let id = text(map.next_value()?);
                    id_is_certain = id.is_some();
                    details.id = id.or(details.id.take());
                }
                "id" | "jobId" if details.id.is_none() => details.id = text(map.next_value()?),
                "created" | "createdDateTime" | "createdDateTimeUtc" | "createdTime" | "createdTimeUtc"
                | "createTime"
                    if details.created.is_none() =>
                {
                    details.created = text(map.next_value()?);
                }
                "resourceLocation" if details.resource_location.is_none() => {
                    details.resource_location = text(map.next_value()?);
                }
                "percentComplete" | "percentCompleted" | "percentageComplete" if details.percent.is_none() => {
                    details.percent = map.next_value::<&RawValue>()?.get().parse().ok();
                }
                "error" if details.failure.is_none() => details.failure = Failure::parse(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// A string, or a number as its digits.
fn text(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).ok(),
        Some(b'0'..=b'9' | b'-') => Some(json.to_owned()),
        _ => None,
    }
}

/// A key, borrowed from the body unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Details {
        Details::parse(body.as_bytes())
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
            r#"{"createdDateTime": "2021-05-06T07:55:19.5256829+00:00", "status": "Succeeded",
                "resourceLocation": "https://atlas.microsoft.com/tileset/{tileset-id}", "percentComplete": 100}"#,
        );
        assert_eq!(details.created.as_deref(), Some("2021-05-06T07:55:19.5256829+00:00"));
        assert_eq!(details.resource_location.as_deref(), Some("https://atlas.microsoft.com/tileset/{tileset-id}"));
        assert_eq!((details.percent, details.failure), (Some(100.0), None));
    }

    #[test]
    fn the_operation_id_beats_other_ids_and_the_first_of_each_counts() {
        let id = |body| parse(body).id;
        assert_eq!(id(r#"{"id": "a", "operationId": "b", "operationId": "c"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": "b", "id": "a"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": null, "id": 7, "id": 8}"#).as_deref(), Some("7"));
        assert_eq!(id(r#"{"jobId": "\u0061"}"#).as_deref(), Some("a"));
        assert_eq!(id(r#"{"\u0069d": "a"}"#).as_deref(), Some("a"));
    }

    #[test]
    fn what_comes_before_broken_json_is_kept() {
        let details = parse("\u{feff}{\"id\": \"a\", \"error\": {\"code\": 1}, \"created\": oops");
        assert_eq!(details.id.as_deref(), Some("a"));
        assert_eq!(details.failure.unwrap().code(), Some("1"));
        let deep = format!("{{\"id\": \"a\", \"error\": {}{}}}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(parse(&deep).id.as_deref(), Some("a"));
        for other in ["", "[]", "7", "null", "{", "\"id\"", "\u{0}"] {
            assert_eq!(parse(other), Details::default(), "{other:?}");
        }
    }
}
