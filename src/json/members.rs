//! Lenient JSON: the members of an object as far as they are whole, and strings that are almost Unicode.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

use crate::json::{skip::Skip, swar};

/// A key of an object, and the JSON text of its value: a valid scalar, or a string or nested value that was searched only for its
/// end.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a str);

/// The members of an object in order, up to the first that is incomplete; none if it is not an object.
///
/// It skips values as the scanner does, at half the cost of a full parser. Like the scanner it does not see errors within strings
/// and brackets, and reads on behind a scalar that is not JSON, such as Python's `NaN`: that one member does not count.
pub(crate) fn members(text: &str) -> Vec<Member<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut members = Vec::with_capacity(8);
    let Some(mut rest) = trimmed(text).strip_prefix('{') else { return members };
    while let Some((key, value, behind)) = member(rest) {
        if is_json(value) {
            members.push((key, value));
        }
        let Some(next) = trimmed(behind).strip_prefix(',') else { break };
        rest = next;
    }
    members
}

/// The text of a body. Some services write Latin-1; the rest of it is of use without those characters.
pub(crate) fn text_of(body: &[u8]) -> Cow<'_, str> {
    // Nearly all are UTF-8, which this sees seven times as fast as the lossy conversion.
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// A key, its value, and the text after them, if they are complete.
fn member(text: &str) -> Option<(Cow<'_, str>, &str, &str)> {
    let (key, rest) = key(trimmed(text))?;
    let (value, rest) = value(trimmed(trimmed(rest).strip_prefix(':')?))?;
    Some((key, value, rest))
}

fn key(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let behind = text.strip_prefix('"')?;
    if let Some(plain) = swar::string(behind.as_bytes()) {
        let (key, rest) = behind.split_at_checked(plain.len())?;
        return Some((Cow::Borrowed(key), rest.strip_prefix('"')?));
    }
    let (key, rest) = value(text)?;
    Some((json_string(key)?, rest))
}

/// A value and the text after it, if it is complete: a number or literal at the very end may be only the beginning of one.
fn value(text: &str) -> Option<(&str, &str)> {
    let (first, behind) = text.as_bytes().split_first()?;
    let (mut skip, begun) = match first {
        b'"' => match swar::string(behind) {
            Some(plain) => return text.split_at_checked(plain.len() + 2),
            None => (Skip::string(), 1),
        },
        b'{' | b'[' => (Skip::nested(), 1),
        _ => (Skip::scalar(), 0),
    };
    let (length, is_whole) = skip.advance(&text.as_bytes()[begun..]);
    text.split_at_checked(begun + length).filter(|(value, _)| is_whole && !value.is_empty())
}

/// Whether a value is JSON, as far as that is checked: scalars are.
fn is_json(value: &str) -> bool {
    value.starts_with(['"', '{', '[']) || serde_json::from_str::<IgnoredAny>(value).is_ok()
}

fn trimmed(text: &str) -> &str {
    // Most services send documents without any space.
    let is_space_next = text.as_bytes().first().is_some_and(|byte| *byte <= b' ');
    if is_space_next { text.trim_start_matches([' ', '\t', '\n', '\r']) } else { text }
}

/// The elements of an array in order, up to the first that is incomplete; none if it is not an array. Scalars need not be JSON.
pub(crate) fn elements(json: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut rest = json.strip_prefix('[');
    while let Some((element, behind)) = rest.and_then(|rest| value(trimmed(rest))) {
        elements.push(element);
        rest = trimmed(behind).strip_prefix(',');
    }
    elements
}

/// The text of a string, with invalid Unicode replaced.
pub(crate) fn json_string(json: &str) -> Option<Cow<'_, str>> {
    // Few have an escape.
    let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
    if let Some(plain) = plain {
        return Some(Cow::Borrowed(plain));
    }
    struct Text(Vec<u8>);

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // As bytes, serde_json returns a lone surrogate; as a string, it would be an error.
            deserializer.deserialize_byte_buf(Bytes).map(Self)
        }
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    let text: Text = json.starts_with('"').then(|| serde_json::from_str(json).ok())??;
    Some(Cow::Owned(String::from_utf8_lossy(&text.0).into_owned()))
}

/// A string, or a number as its digits.
pub(crate) fn string_or_number(json: &str) -> Option<String> {
    match json.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => Some(json.to_owned()),
        _ => json_string(json).map(Cow::into_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<(String, String)> {
        members(json).into_iter().map(|(key, value)| (key.into_owned(), value.to_owned())).collect()
    }

    #[test]
    fn members_are_read_up_to_where_one_is_incomplete() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            read(r#" {"a": 1, "\u0062": [2, "}"], "a": null} x"#),
            [pair("a", "1"), pair("b", "[2, \"}\"]"), pair("a", "null")]
        );
        for scalar in ["oops", "NaN", "-Infinity", "007", "1.", "TRUE"] {
            assert_eq!(read(&format!("{{\"a\": 1, \"b\": {scalar}, \"c\": 3}}")), [pair("a", "1"), pair("c", "3")]);
        }
        assert_eq!(read(r#"{"a": 1, "b": , "c": 3}"#), [pair("a", "1")]);
        assert_eq!(read(r#"{"\ud800": 1, "x": 1e999}"#), [pair("\u{fffd}\u{fffd}\u{fffd}", "1"), pair("x", "1e999")]);
        let deep = format!("{{\"a\": {}{}, \"b\": 2}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep).len(), 2);
        assert_eq!(read("\u{feff}{\"a\": 1 "), [pair("a", "1")]);
        // These may go on.
        for number in ["1", "-1", "1.5"] {
            assert_eq!(read(&format!("{{\"a\": 1, \"b\": {number}")), [pair("a", "1")]);
        }
        assert_eq!(read(r#"{"a": 1, "b": "1""#), [pair("a", "1"), pair("b", "\"1\"")]);
        assert_eq!(read(r#"{"a": 1, "b": n"#), [pair("a", "1")]);
        assert_eq!(read(r#"{"a": 1, "b\q": 2, "c": 3}"#), [pair("a", "1")]);
        assert_eq!(
            read(r#"{"a":1,"b" : [ 2 ] ,"c":{"d":"}"}"#),
            [pair("a", "1"), pair("b", "[ 2 ]"), pair("c", "{\"d\":\"}\"}")]
        );
        // What is not UTF-8 harms nothing else.
        for (json, expected) in
            [(&b"{\"a\": 1, \"b\": \"\xff\", \"c\": 3}"[..], 3), (b"\xff{\"a\": 1}", 0), (b"{\"a\": 1 \xc3", 1)]
        {
            assert_eq!(members(&text_of(json)).len(), expected);
        }
        for other in ["", "[]", "7", "null", "{", "\"a\"", "\0"] {
            assert_eq!(read(other), [], "{other:?}");
        }
    }

    #[test]
    fn elements_are_read_up_to_where_one_is_incomplete() {
        for (json, expected) in [
            (r#"[1,"]",[2, 3] , {"a": "}"},null]"#, &["1", r#""]""#, "[2, 3]", r#"{"a": "}"}"#, "null"][..]),
            ("[ 1 , NaN , 2 ]", &["1", "NaN", "2"]),
            ("[1, [2", &["1"]),
            ("[1, 2", &["1"]),
            ("[1 2]", &["1"]),
            ("[,1]", &[]),
            ("[]", &[]),
            ("[ ]", &[]),
            ("[", &[]),
            ("{}", &[]),
            ("", &[]),
        ] {
            assert_eq!(elements(json), expected, "{json}");
        }
    }

    #[test]
    fn texts_are_read_even_if_they_are_no_unicode() {
        assert_eq!(json_string(r#""a\u00e9\"""#).as_deref(), Some("aé\""));
        assert!(json_string(r#""bad \ud83d""#).unwrap().starts_with("bad "));
        assert_eq!(string_or_number("-1.5").as_deref(), Some("-1.5"));
        for other in ["null", "true", "{}", "[\"a\"]"] {
            assert_eq!(string_or_number(other), None, "{other}");
        }
    }
}
