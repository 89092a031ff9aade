//! `Codes`: HTTP statuses in a file: numbers, and ranges such as `"400-499"`.

use std::fmt;

use http::StatusCode;
use serde::{
    de::{Deserialize, Deserializer, Error, IntoDeserializer, SeqAccess, Unexpected, Visitor},
    ser::{Serialize, SerializeSeq, Serializer},
};

/// Sorted, each once.
#[derive(Debug, PartialEq)]
pub(super) struct Codes(pub(super) Vec<u16>);

/// Shorter runs are written as numbers.
const SHORTEST_RANGE: u16 = 3;

impl Codes {
    pub(super) fn of(statuses: &[StatusCode]) -> Self {
        Self(statuses.iter().map(StatusCode::as_u16).collect())
    }

    /// The runs of consecutive codes, first and last.
    fn runs(&self) -> Vec<(u16, u16)> {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for &code in &self.0 {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(code) => *last = code,
                _ => runs.push((code, code)),
            }
        }
        runs
    }
}

impl Serialize for Codes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (first, last) in self.runs() {
            if last - first + 1 >= SHORTEST_RANGE {
                list.serialize_element(&format_args!("{first}-{last}"))?;
            } else {
                (first..=last).try_for_each(|code| list.serialize_element(&code))?;
            }
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Codes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of HTTP statuses and ranges, as in [202, \"400-499\"], or one of them")
            }

            fn visit_u64<E: Error>(self, code: u64) -> Result<Codes, E> {
                Range::deserialize(code.into_deserializer()).map(Codes::from)
            }

            fn visit_i64<E: Error>(self, code: i64) -> Result<Codes, E> {
                Range::deserialize(code.into_deserializer()).map(Codes::from)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Codes, E> {
                Range::deserialize(text.into_deserializer()).map(Codes::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Codes, A::Error> {
                let mut codes = Vec::new();
                while let Some(Range { first, last }) = list.next_element()? {
                    codes.extend(first..=last);
                }
                codes.sort_unstable();
                codes.dedup();
                Ok(Codes(codes))
            }
        }

        deserializer.deserialize_any(List)
    }
}

/// One element of the list.
struct Range {
    first: u16,
    last: u16,
}

impl From<Range> for Codes {
    fn from(Range { first, last }: Range) -> Self {
        Self((first..=last).collect())
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;

        impl Visitor<'_> for One {
            type Value = Range;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an HTTP status from 100 to 599, or a range of them, as in \"400-499\"")
            }

            fn visit_u64<E: Error>(self, code: u64) -> Result<Range, E> {
                let status = u16::try_from(code).ok().filter(|code| (100..600).contains(code));
                let code = status.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(code), &self))?;
                Ok(Range { first: code, last: code })
            }

            fn visit_i64<E: Error>(self, code: i64) -> Result<Range, E> {
                let unsigned = code.try_into().map_err(|_| E::invalid_value(Unexpected::Signed(code), &self))?;
                self.visit_u64(unsigned)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Range, E> {
                let code = |text: &str| text.trim().parse().ok().filter(|code| (100..600).contains(code));
                let range = text.split_once('-').and_then(|(first, last)| Some((code(first)?, code(last)?)));
                match range.filter(|(first, last)| first <= last) {
                    Some((first, last)) => Ok(Range { first, last }),
                    None => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(One)
    }
}
