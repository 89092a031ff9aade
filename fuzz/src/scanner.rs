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
    /// How much of the body had been read when the word was known.
    read: Option<usize>,
    percent: Option<f64>,
}

/// The bytes are the body.
pub fn check(body: &[u8]) {
    let whole = scan([body]);
    if let Some(expected) = reference(body) {
        let Seen { word, percent, .. } = &whole;
        assert_eq!((word, percent), (&expected.word, &expected.percent), "not what serde_json finds in {}", text(body));
    }
    if let Some(read) = whole.read {
        assert_eq!(body[read - 1], b'"', "the word of {} does not end at {read}", text(body));
        assert_eq!(scan([&body[..read - 1]]).word, None, "a word before the end of it, in {}", text(body));
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
    let mut seen = Seen::default();
    let mut before = 0;
    for piece in pieces {
        let found = scanner.scan(piece).map(|(word, read)| (word.to_owned(), read));
        if let Some((word, read)) = found {
            assert_eq!(seen.word, None, "a second word");
            seen = Seen { word: Some(word), read: Some(before + read), percent: None };
            assert_eq!(scanner.scan(&piece[read..]), None, "a second word");
        }
        before += piece.len();
    }
    Seen { percent: scanner.percent(), ..seen }
}

/// What a parser of JSON says of a body that is a JSON object: the first string called `status`, and the first number
/// called one of the names of a percentage.
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
                while let Some((Key(key), value)) = map.next_entry::<Key, &RawValue>()? {
                    let value = value.get();
                    if key == b"status" && seen.word.is_none() {
                        // One with half a character is none.
                        seen.word = serde_json::from_str::<String>(value).ok().map(|word| cut(&word));
                    } else if PERCENT.contains(&key.as_slice()) && seen.percent.is_none() && value.len() <= MAX_WORD {
                        let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
                        let number = value.parse().ok().filter(|percent: &f64| is_number && percent.is_finite());
                        seen.percent = number;
                    }
                }
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
