//! The status scanner, against `serde_json`, and against itself with the body split elsewhere.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tower_lro::internals::Scanner;

/// The longest word that is kept whole.
const MAX_WORD: usize = 64;

const PERCENT: [&[u8]; 3] = [b"percentComplete", b"percentCompleted", b"percentageComplete"];

/// How many places a long body is split at.
const SPLITS: usize = 64;

/// Bodies up to this length are split in three, everywhere.
const SHORT: usize = 24;

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    word: Option<String>,
    percent: Option<f64>,
}

/// The bytes are the body.
pub fn check(body: &[u8]) {
    let whole = scan([body]);
    if let Some(expected) = reference(body) {
        assert_eq!(whole, expected, "not what serde_json finds in {}", text(body));
    }
    for size in [1, 3, 8] {
        assert_eq!(scan(body.chunks(size)), whole, "in pieces of {size}: {}", text(body));
    }
    for first in (0..=body.len()).step_by(body.len() / SPLITS + 1) {
        let (head, rest) = body.split_at(first);
        assert_eq!(scan([head, rest]), whole, "split at {first}: {}", text(body));
        for second in 0..=rest.len() {
            if body.len() > SHORT {
                break;
            }
            let (middle, tail) = rest.split_at(second);
            assert_eq!(scan([head, middle, tail]), whole, "split at {first} and {}: {}", first + second, text(body));
        }
    }
}

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut scanner = Scanner::new();
    let mut word: Option<String> = None;
    for piece in pieces {
        let found = scanner.scan_all(piece).map(str::to_owned);
        assert!(word.is_none() || found == word, "the status {word:?} has become {found:?}");
        word = found;
    }
    Seen { word, percent: scanner.percent() }
}

/// The findings of a JSON parser in a body that is a JSON object: the first string called `status`; and the first number, or string
/// that begins with a number, whose name comes first among those of a percentage.
fn reference(body: &[u8]) -> Option<Seen> {
    let body = std::str::from_utf8(body).ok()?;
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    // Once more, because what is skipped by raw keys is not looked at as closely.
    serde_json::from_str::<IgnoredAny>(body).ok()?;
    serde_json::from_str(body).ok()
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Seen;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
                let mut seen = Seen::default();
                let mut percent = [None; PERCENT.len()];
                while let Some((Key(key), value)) = map.next_entry::<Key, &RawValue>()? {
                    let value = value.get();
                    if key == b"status" && seen.word.is_none() {
                        // Text with half a character is no string.
                        seen.word = serde_json::from_str::<String>(value).ok().map(|word| cut(&word));
                    } else if let Some(index) = PERCENT.iter().position(|name| key == *name) {
                        percent[index] = percent[index].or_else(|| number(value));
                    }
                }
                seen.percent = percent.into_iter().flatten().next();
                Ok(seen)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A key as bytes, because one with half a character in it is no string, and yet does no harm.
struct Key(Vec<u8>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Key;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Key, E> {
                Ok(Key(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// A number, or a string with one that may have a percent sign.
fn number(value: &str) -> Option<f64> {
    let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let text = if is_number { value.to_owned() } else { serde_json::from_str::<String>(value).ok()? };
    if text.len() > MAX_WORD {
        return None;
    }
    let text = text.trim().trim_end_matches('%').trim_end();
    text.parse().ok().filter(|percent: &f64| percent.is_finite())
}

fn cut(word: &str) -> String {
    if word.len() <= MAX_WORD {
        return word.to_owned();
    }
    let end = (0..=MAX_WORD).rev().find(|&end| word.is_char_boundary(end)).unwrap_or_default();
    format!("{}…", &word[..end])
}

fn text(body: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&body[..body.len().min(2000)]))
}
