//! Lenient JSON: the members of an object up to where it stops being JSON, and strings that are almost Unicode.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A key of an object, and what it is the key of.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object, in their order, up to where the text stops being JSON; none, if it is no object.
pub(crate) fn members(json: &[u8]) -> Vec<Member<'_>> {
    struct Members<'a, 'de> {
        members: &'a mut Vec<Member<'de>>,
        end: *const u8,
    }

    impl<'de> Visitor<'de> for Members<'_, 'de> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            // Raw keys, because one that is not Unicode must not be the end of it.
            while let Some(key) = map.next_key::<&RawValue>()? {
                let value: &RawValue = map.next_value()?;
                // At the end of what there is, a number may be but the beginning of one.
                let is_number = value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
                if is_number && value.get().as_bytes().as_ptr_range().end == self.end {
                    break;
                }
                self.members.extend(json_string(key).map(|key| (key, value)));
            }
            Ok(())
        }
    }

    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let mut members = Vec::with_capacity(8);
    let visitor = Members { members: &mut members, end: json.as_ptr_range().end };
    // Of what is UTF-8 as a whole, no part is looked at for that once more.
    _ = match std::str::from_utf8(json) {
        Ok(json) => serde_json::Deserializer::from_str(json).deserialize_map(visitor),
        Err(_) => serde_json::Deserializer::from_slice(json).deserialize_map(visitor),
    };
    members
}

/// The elements of an array; none, if it is no array.
pub(crate) fn elements(json: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(json.get()).unwrap_or_default()
}

/// The text of a string, with what is no Unicode in it replaced.
pub(crate) fn json_string(json: &RawValue) -> Option<Cow<'_, str>> {
    // Few have an escape.
    let plain =
        json.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
    if let Some(plain) = plain {
        return Some(Cow::Borrowed(plain));
    }
    struct Text(Vec<u8>);

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // As bytes, serde_json gives a lone surrogate as it is, where a string would be an error.
            deserializer.deserialize_byte_buf(Bytes).map(Self)
        }
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    let json = json.get();
    let text: Text = json.starts_with('"').then(|| serde_json::from_str(json).ok())??;
    Some(Cow::Owned(String::from_utf8_lossy(&text.0).into_owned()))
}

/// A string, or a number as its digits.
pub(crate) fn string_or_number(json: &RawValue) -> Option<String> {
    match json.get().as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => Some(json.get().to_owned()),
        _ => json_string(json).map(Cow::into_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<(String, String)> {
        members(json.as_bytes()).into_iter().map(|(key, value)| (key.into_owned(), value.get().to_owned())).collect()
    }

    #[test]
    fn members_are_read_up_to_where_it_stops_being_json() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            read(r#" {"a": 1, "\u0062": [2, "}"], "a": null} x"#),
            [pair("a", "1"), pair("b", "[2, \"}\"]"), pair("a", "null")]
        );
        assert_eq!(read(r#"{"a": 1, "b": oops, "c": 3}"#), [pair("a", "1")]);
        assert_eq!(read(r#"{"\ud800": 1, "x": 1e999}"#), [pair("\u{fffd}\u{fffd}\u{fffd}", "1"), pair("x", "1e999")]);
        let deep = format!("{{\"a\": {}{}, \"b\": 2}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep).len(), 2);
        assert_eq!(read("\u{feff}{\"a\": 1 "), [pair("a", "1")]);
        // What may go on.
        for number in ["1", "-1", "1.5"] {
            assert_eq!(read(&format!("{{\"a\": 1, \"b\": {number}")), [pair("a", "1")]);
        }
        assert_eq!(read(r#"{"a": 1, "b": "1""#), [pair("a", "1"), pair("b", "\"1\"")]);
        for other in ["", "[]", "7", "null", "{", "\"a\"", "\0"] {
            assert_eq!(read(other), [], "{other:?}");
        }
    }

    #[test]
    fn texts_are_read_even_if_they_are_no_unicode() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(json_string(&raw(r#""a\u00e9\"""#)).as_deref(), Some("aé\""));
        assert!(json_string(&raw(r#""bad \ud83d""#)).unwrap().starts_with("bad "));
        assert_eq!(string_or_number(&raw("-1.5")).as_deref(), Some("-1.5"));
        for other in ["null", "true", "{}", "[\"a\"]"] {
            assert_eq!(string_or_number(&raw(other)), None, "{other}");
        }
    }
}
