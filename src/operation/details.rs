//! `Details`: the facts besides the status that a final response gives about its operation.

use http::{HeaderMap, header::LINK};

use crate::{
    json::{
        members::{Member, elements, json_string, members, string_or_number},
        selector::Pointer,
    },
    limits::MAX_ID_BYTES,
    operation::error_object::ErrorObject,
};

/// The details in a small final body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Details {
    pub(crate) id: Option<String>,
    pub(crate) created: Option<String>,
    pub(crate) error: Option<ErrorObject>,
}

impl Details {
    /// Reads the details from a document's members. If a member is there twice, the first counts.
    ///
    /// `failure` has the places of the error object, which take precedence over `/error`.
    pub(crate) fn of(document: &[Member<'_>], failure: &[Pointer]) -> Self {
        let mut details = Self::default();
        let mut id_is_certain = false;
        for &(ref key, value) in document {
            match &**key {
                "operationId" if !id_is_certain => {
                    let id = string_or_number(value);
                    id_is_certain = id.is_some();
                    details.id = id.or(details.id.take());
                }
                "id" | "jobId" if details.id.is_none() => details.id = string_or_number(value),
                "created" | "createdDateTime" | "createdDateTimeUtc" | "createdTime" | "createdTimeUtc"
                | "createTime"
                    if details.created.is_none() =>
                {
                    details.created = string_or_number(value);
                }
                "error" if details.error.is_none() => details.error = ErrorObject::parse(value),
                _ => {}
            }
        }
        let own = failure.iter().find_map(|pointer| ErrorObject::parse(pointer.find(document)?));
        details.error = own.or(details.error);
        details.id = details.id.filter(|id| id.len() <= MAX_ID_BYTES);
        details
    }
}

/// Whether a text can be an address, or a name in one: it is not empty, and nothing of it had to be replaced.
fn is_usable(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER)
}

/// The address, or a part of one, at `pointer`.
pub(crate) fn string_at(document: &[Member<'_>], pointer: &Pointer) -> Option<String> {
    json_string(pointer.find(document)?).filter(|text| is_usable(text)).map(Into::into)
}

/// The name of an operation at `pointer`: a non-empty string, or an integer.
pub(crate) fn name_at(document: &[Member<'_>], pointer: &Pointer) -> Option<String> {
    let value = pointer.find(document)?;
    let is_integer = value.bytes().all(|byte| byte.is_ascii_digit());
    let name = if is_integer { Some(value.to_owned()) } else { json_string(value).map(Into::into) };
    name.filter(|name| is_usable(name) && name.len() <= MAX_ID_BYTES)
}

/// The target of the link with this relation: in the `Link` header, or in the body's `links`, an array of `rel` and `href` or an
/// object of relations (JSON:API), or `_links` (HAL).
pub(crate) fn link(headers: &HeaderMap, document: &[Member<'_>], relation: &str) -> Option<String> {
    let mut header = headers.get_all(LINK).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    let is_target = |target: &String| is_usable(target);
    header.find_map(|value| link_in_header(value, relation).filter(is_target)).or_else(|| {
        let mut links = document.iter().filter(|(key, _)| matches!(&**key, "links" | "_links"));
        links.find_map(|(_, links)| link_in(links, relation).filter(is_target))
    })
}

fn link_in(links: &str, relation: &str) -> Option<String> {
    let has_relation = |link: &&str| {
        let members = members(link);
        let rel = members.iter().find(|(key, _)| key == "rel").and_then(|(_, rel)| json_string(rel));
        rel.is_some_and(|rel| rel == relation)
    };
    let of_array = elements(links).into_iter().find(has_relation).and_then(href);
    of_array.or_else(|| {
        let members = members(links);
        members.iter().find(|(key, _)| key == relation).and_then(|(_, link)| href(link))
    })
}

/// The address of a link: a string, an object with `href`, or an array of those.
fn href(link: &str) -> Option<String> {
    plain_href(link).or_else(|| elements(link).into_iter().find_map(plain_href))
}

fn plain_href(link: &str) -> Option<String> {
    let members = members(link);
    let href = members.iter().find(|(key, _)| key == "href").and_then(|(_, href)| json_string(href));
    href.or_else(|| json_string(link)).map(Into::into)
}

/// The position of the first such character outside of quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut in_quotes = false;
    text.find(|character| {
        in_quotes ^= character == '"';
        character == wanted && !in_quotes
    })
}

/// `<https://…>; rel="results next"` ([RFC 8288, section 3]).
///
/// [RFC 8288, section 3]: https://www.rfc-editor.org/rfc/rfc8288#section-3
fn link_in_header(value: &str, relation: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, parameters) = link.split_once('>')?;
        // The next link begins behind a comma.
        let (parameters, behind) = parameters.split_at(unquoted(parameters, ',').unwrap_or(parameters.len()));
        let mut left = parameters;
        let parameters = std::iter::from_fn(|| {
            let (parameter, rest) = left.split_at(unquoted(left, ';').unwrap_or(left.len()));
            left = rest.strip_prefix(';').unwrap_or_default();
            (!parameter.is_empty() || !left.is_empty()).then_some(parameter)
        });
        let (mut has_relation, mut is_of_another) = (false, false);
        for (name, value) in parameters.filter_map(|parameter| parameter.split_once('=')) {
            let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
            match name.trim() {
                name if name.eq_ignore_ascii_case("rel") => {
                    has_relation |= words.any(|it| it.eq_ignore_ascii_case(relation))
                }
                // A link of something other than this response (section 3.2).
                name => is_of_another |= name.eq_ignore_ascii_case("anchor"),
            }
        }
        if has_relation && !is_of_another {
            return Some(target.to_owned());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(body: &str) -> Details {
        Details::of(&members(body), &[])
    }

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
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
        assert_eq!(details.error.unwrap().code(), Some("InvalidFeature"));
        let details = parse(
            r#"{"createdDateTime": "2021-05-06T07:55:19.5256829+00:00", "status": "Succeeded", "percentComplete": 100}"#,
        );
        assert_eq!(details.created.as_deref(), Some("2021-05-06T07:55:19.5256829+00:00"));
        assert_eq!(details.error, None);
    }

    #[test]
    fn the_operation_id_beats_other_ids_and_the_first_of_each_counts() {
        let id = |body| parse(body).id;
        assert_eq!(id(r#"{"id": "a", "operationId": "b", "operationId": "c"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": "b", "id": "a"}"#).as_deref(), Some("b"));
        assert_eq!(id(r#"{"operationId": null, "id": 7, "id": 8}"#).as_deref(), Some("7"));
        assert_eq!(id(r#"{"jobId": "\u0061"}"#).as_deref(), Some("a"));
        assert_eq!(id(r#"{"\u0069d": "a"}"#).as_deref(), Some("a"));
        assert_eq!(id(&format!(r#"{{"id": "{}"}}"#, "a".repeat(MAX_ID_BYTES + 1))), None);
        let twice = parse(
            r#"{
                "created": "a", "createdTime": "b",
                "error": {"code": "A"}, "error": {"code": "B"}
            }"#,
        );
        assert_eq!(twice.created.as_deref(), Some("a"));
        assert_eq!(twice.error.unwrap().code(), Some("A"));
    }

    #[test]
    fn one_unreadable_part_costs_nothing_but_itself() {
        let details = parse("{\"id\": \"a\", \"error\": {\"code\": 1}, \"created\": oops");
        assert_eq!((details.id.as_deref(), details.created), (Some("a"), None));
        assert_eq!(details.error.unwrap().code(), Some("1"));
        let deep = format!("[{}{}]", "[".repeat(1000), "]".repeat(1000));
        for odd in [r#""bad \ud83d""#, "1e999", &deep] {
            let body =
                format!(r#"{{"x": {odd}, "error": {{"code": "C", "x": {odd}, "message": "m", "target": {odd}}}}}"#);
            let error = parse(&body).error.unwrap();
            assert_eq!((error.code(), error.message()), (Some("C"), Some("m")), "{odd}");
        }
        let surrogate = parse(r#"{"\ud800": 1, "error": {"message": "bad \ud83d"}}"#);
        assert!(surrogate.error.unwrap().message().unwrap().starts_with("bad "));
    }

    #[test]
    fn the_error_is_where_the_protocol_says() {
        let failure = [pointer("/metadata/err"), pointer("/errors/0")];
        for (body, message) in [
            (r#"{"metadata": {"err": "out of disk"}, "error": {"message": "no"}}"#, Some("out of disk")),
            (r#"{"metadata": {"err": ""}, "errors": [{"message": "first"}, {"message": "no"}]}"#, Some("first")),
            (r#"{"metadata": {}, "error": "plain"}"#, Some("plain")),
            (r#"{"metadata": null, "error": ""}"#, None),
        ] {
            let error = Details::of(&members(body), &failure).error;
            assert_eq!(error.as_ref().and_then(ErrorObject::message), message, "{body}");
        }
    }

    #[test]
    fn names_are_strings_and_integers() {
        for (body, name) in [
            (r#"{"n": "jobs/1"}"#, Some("jobs/1")),
            (r#"{"n": 0}"#, Some("0")),
            (r#"{"n": 12345678901234567890123}"#, Some("12345678901234567890123")),
            (r#"{"n": -1}"#, None),
            (r#"{"n": 1.5}"#, None),
            (r#"{"n": ""}"#, None),
            (r#"{"n": null}"#, None),
            (r#"{"n": ["a"]}"#, None),
            // A part of it could not be read.
            (r#"{"n": "a\ud800"}"#, None),
            ("{\"n\": \"a\u{fffd}\"}", None),
            (r#"{"m": "a"}"#, None),
        ] {
            assert_eq!(name_at(&members(body), &pointer("/n")).as_deref(), name, "{body}");
        }
    }

    #[test]
    fn links_are_found_by_their_relation() {
        for (body, expected) in [
            (r#"{"links": [{"rel": "self", "href": "/a"}, {"href": "/r", "rel": "results"}]}"#, Some("/r")),
            (r#"{"links": {"self": "/a", "results": "/r"}}"#, Some("/r")),
            (r#"{"links": {"results": {"href": "/r", "meta": {}}}}"#, Some("/r")),
            (r#"{"_links": {"results": {"href": "/r"}}}"#, Some("/r")),
            (r#"{"_links": {"results": [{"href": "/r"}, {"href": "/s"}]}}"#, Some("/r")),
            (r#"{"links": [], "_links": {"results": {"href": "/r"}}}"#, Some("/r")),
            (r#"{"links": [{"rel": "results"}]}"#, None),
            (r#"{"links": [{"rel": "results", "href": "/\ud800"}]}"#, None),
            (r#"{"links": [{"rel": "result", "href": "/r"}], "results": "/r"}"#, None),
            (r#"{"links": null, "_links": 7}"#, None),
            ("[]", None),
        ] {
            assert_eq!(link(&HeaderMap::new(), &members(body), "results").as_deref(), expected, "{body}");
        }
        for (header, expected) in [
            (r#"<https://h.test/r>; rel="results""#, Some("https://h.test/r")),
            (r#"</a>; rel=self, </r>; title="x, </no>; rel=results"; rel="next Results""#, Some("/r")),
            (r#"</no>; rel=next; title="a; rel=results""#, None),
            (r#"</no>; rel=results; anchor="/other", </r>;; rel=results"#, Some("/r")),
            ("</r>; title=\"Prüfung\"; rel=results", Some("/r")),
            ("<>; rel=results", None),
            ("</r>;rel=results", Some("/r")),
            ("</a>; rel=result", None),
            ("</a; rel=results", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, HeaderValue::from_bytes(header.as_bytes()).unwrap());
            assert_eq!(link(&headers, &[], "results").as_deref(), expected, "{header}");
        }
    }
}
