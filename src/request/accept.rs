//! `Accept` of polls whose status is read from JSON.

use http::{HeaderMap, HeaderValue, header::ACCEPT};

/// Whether JSON is the first of the media ranges, and has no less weight than the others.
pub(super) fn is_json(accept: &[u8]) -> bool {
    let mut first = accept.split(|byte| *byte == b',').next().unwrap_or_default().split(|byte| *byte == b';');
    let media_type = first.next().unwrap_or_default().trim_ascii();
    let suffix = media_type.last_chunk::<5>();
    let is_json = media_type == b"*/*"
        || media_type.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"));
    // Less than the 1 that others have without one.
    let has_less_weight =
        |parameter: &[u8]| std::str::from_utf8(parameter).ok().and_then(weight).is_some_and(|it| it.starts_with('0'));
    is_json && !first.any(has_less_weight)
}

/// Puts JSON before the caller's media types: a service that can also answer HTML would do so, and the status would be lost.
pub(super) fn put_json_first(headers: &mut HeaderMap) {
    // Equal weights leave the choice to the service, so that the others get less.
    let values: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges = values.iter().flat_map(|value| parts(value, ',')).map(str::trim).filter(|range| !range.is_empty());
    let accept = ranges.fold("application/json".to_owned(), |accept, range| {
        let weight = if parts(range, ';').skip(1).any(|parameter| weight(parameter).is_some()) { "" } else { ";q=0.9" };
        accept + ", " + range + weight
    });
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(ACCEPT, accept);
    }
}

/// The weight of a media range, if a parameter is that.
fn weight(parameter: &str) -> Option<&str> {
    let (name, weight) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| weight.trim())
}

/// What a separator separates, unless it stands in quotes.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    text.split(move |character| {
        in_quotes ^= character == '"';
        character == separator && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_first_where_the_status_is_read_from_it() {
        for (accept, expected) in [
            (&[][..], &[][..]),
            (&["application/json"], &["application/json"]),
            (&["*/*"], &["*/*"]),
            (&["application/vnd.api+json; q=1, text/html"], &["application/vnd.api+json; q=1, text/html"]),
            (&["text/html"], &["application/json, text/html;q=0.9"]),
            (&["application/json;q=0.5, text/html"], &["application/json, application/json;q=0.5, text/html;q=0.9"]),
            (&["*/*; Q=0.1, text/csv"], &["application/json, */*; Q=0.1, text/csv;q=0.9"]),
            (
                &["text/html, application/json;q=0.5,*/*; q=0.1"],
                &["application/json, text/html;q=0.9, application/json;q=0.5, */*; q=0.1"],
            ),
            (&["text/csv", "text/html"], &["application/json, text/csv;q=0.9, text/html;q=0.9"]),
            (&["text/html;Q=0.5, a/b ;  q =0.1"], &["application/json, text/html;Q=0.5, a/b ;  q =0.1"]),
            // What stands in quotes separates nothing.
            (
                &[r#"text/turtle;profile="a, b", text/csv;x=";q=1""#],
                &[r#"application/json, text/turtle;profile="a, b";q=0.9, text/csv;x=";q=1";q=0.9"#],
            ),
        ] {
            let mut headers = HeaderMap::new();
            accept.iter().for_each(|&value| _ = headers.append(ACCEPT, HeaderValue::from_static(value)));
            if headers.get(ACCEPT).is_some_and(|accept| !is_json(accept.as_bytes())) {
                put_json_first(&mut headers);
            }
            let values: Vec<_> = headers.get_all(ACCEPT).iter().collect();
            assert_eq!(values, expected, "{accept:?}");
        }
    }
}
