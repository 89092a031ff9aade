//! `ErrorObject`: the reason for a failure, in the service's words.

use std::{borrow::Cow, fmt};

use serde::de::IgnoredAny;

use crate::{
    json::members::{elements, json_string, members, string_or_number},
    limits::MAX_ERROR_DEPTH,
    redact::Escaped,
};

/// The reason why an operation failed: an OData error object ([OData JSON 4.01, section 21.1]), read leniently.
///
/// `details` may be an object instead of an array, and codes may be numbers, as some services send them; Fabric's
/// `errorCode` and `moreDetails` are read like `code` and `details`; without a `message`, the `detail` or `title` of problem
/// details ([RFC 9457]) counts. Unreadable parts are left out; [`json`](Self::json) has the whole.
///
/// `Display` gives the code and the message, and those of the details and inner errors:
/// `[InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature.`
///
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
/// [OData JSON 4.01, section 21.1]: https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_ErrorResponse
///
/// # Example
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{ErrorObject, LroLayer, ResponseExt, simulator::{Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// fn is_about_geometry(failure: &ErrorObject) -> bool {
///     failure.code() == Some("NoGeometry") || failure.details().iter().any(is_about_geometry)
/// }
///
/// let client = LroLayer::new().layer(Simulator::new().script(Script::azure_maps_failed()));
/// let response = client.oneshot(request).await?;
/// let failure = response.operation().and_then(|operation| operation.error()).expect("it says why");
/// assert!(is_about_geometry(failure));
/// assert_eq!(failure.message(), Some("The provided feature is invalid."));
/// assert!(failure.target().is_none() && failure.inner().is_none());
/// assert!(failure.json().contains(r#""code": "InvalidFeature""#)); // as the service wrote it
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ErrorObject {
    code: Option<String>,
    message: Option<String>,
    target: Option<String>,
    details: Vec<ErrorObject>,
    inner: Option<Box<ErrorObject>>,
    json: String,
}

impl ErrorObject {
    /// Returns `None` for the values that services write if there is no error: null, `false`, 0, and empty values.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let _: IgnoredAny = serde_json::from_str(json).ok()?;
        let json = json.trim_ascii();
        let error = || Self { json: json.to_owned(), ..Self::read(json, MAX_ERROR_DEPTH) };
        (!is_empty(json, MAX_ERROR_DEPTH)).then(error)
    }

    fn read(json: &str, depth: usize) -> Self {
        let mut error = Self {
            code: None,
            message: json_string(json).map(Cow::into_owned),
            target: None,
            details: Vec::new(),
            inner: None,
            json: String::new(),
        };
        let Some(depth) = depth.checked_sub(1) else { return error };
        let (mut detail, mut title) = (None, None);
        let is_object = |json: &&str| json.starts_with('{');
        for (key, value) in members(json) {
            match &*key {
                "code" | "errorCode" if error.code.is_none() => error.code = string_or_number(value),
                "message" if error.message.is_none() => error.message = string_or_number(value),
                // Problem details (RFC 9457); OGC's exceptions have the same form.
                "detail" => detail = string_or_number(value),
                "title" => title = string_or_number(value),
                "target" if error.target.is_none() => error.target = string_or_number(value),
                "details" | "moreDetails" if error.details.is_empty() => {
                    let details = if is_object(&value) { vec![value] } else { elements(value) };
                    error.details =
                        details.into_iter().filter(is_object).map(|detail| Self::read(detail, depth)).collect();
                }
                "innererror" | "innerError" if error.inner.is_none() && is_object(&value) => {
                    error.inner = Some(Box::new(Self::read(value, depth)));
                }
                _ => {}
            }
        }
        error.message = error.message.or(detail).or(title);
        error
    }

    /// Returns the service's code for the error; a number is given as its digits.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the human-readable message.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the target of the error, such as the name of a property.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Returns the errors that led to this one.
    #[must_use]
    pub fn details(&self) -> &[ErrorObject] {
        &self.details
    }

    /// Returns the more specific error inside this one (`innererror`).
    #[must_use]
    pub fn inner(&self) -> Option<&ErrorObject> {
        self.inner.as_deref()
    }

    /// Returns the error as the service wrote it; empty for the errors inside of another.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Whether the value is empty, or has only empty values in it.
fn is_empty(json: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match json.as_bytes().first() {
        Some(b'{') => members(json).iter().all(|(_, value)| is_empty(value, depth)),
        Some(b'[') => elements(json).iter().all(|element| is_empty(element, depth)),
        _ => matches!(json, "null" | "false" | "0" | "\"\""),
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_deref().map(Escaped), self.message.as_deref().map(Escaped)) {
            (Some(code), Some(message)) => write!(f, "[{code}] {message}")?,
            (Some(code), None) => write!(f, "[{code}]")?,
            (None, Some(message)) => write!(f, "{message}")?,
            (None, None) => f.write_str("no code or message")?,
        }
        self.causes().try_for_each(|cause| cause.fmt_as_cause(f))
    }
}

impl ErrorObject {
    fn causes(&self) -> impl Iterator<Item = &Self> {
        self.details.iter().chain(self.inner.as_deref())
    }

    fn fmt_as_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_deref().map(Escaped), self.message.as_deref().map(Escaped)) {
            (Some(code), Some(message)) => write!(f, " — {code}: {message}")?,
            (Some(text), None) | (None, Some(text)) => write!(f, " — {text}")?,
            (None, None) => {}
        }
        self.causes().try_for_each(|cause| cause.fmt_as_cause(f))
    }
}

impl fmt::Debug for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorObject")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("target", &self.target)
            .field("details", &self.details)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_no_error() {
        for json in ["", "{", r#"{"code": oops}"#, "oops", r#"{"code": "a"} b"#] {
            assert_eq!(failure(json), None, "{json}");
        }
        assert_eq!(failure(r#"  {"code": "a"} "#).unwrap().json(), r#"{"code": "a"}"#);
    }

    fn failure(json: &str) -> Option<ErrorObject> {
        ErrorObject::parse(json)
    }

    #[test]
    fn azure_maps_error_with_details_as_an_object() {
        let json = r#"{"code": "InvalidFeature", "message": "The provided feature is invalid.",
            "details": {"code": "NoGeometry", "message": "No geometry was provided with the feature."}}"#;
        let error = failure(json).unwrap();
        assert_eq!(error.details()[0].code(), Some("NoGeometry"));
        assert_eq!(error.json(), json);
        assert_eq!(
            error.to_string(),
            "[InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature."
        );
    }

    #[test]
    fn details_inner_errors_and_numbers_are_read_at_any_depth() {
        let error = failure(
            r#"{"code": 42, "target": "body", "details": [{"code": "a", "details": [{"message": "b"}]}, 7, {}],
                "innererror": {"code": "c", "innerError": {"code": 1.5}}, "more": true}"#,
        )
        .unwrap();
        assert_eq!((error.code(), error.message(), error.target()), (Some("42"), None, Some("body")));
        assert_eq!(error.inner().and_then(ErrorObject::inner).and_then(ErrorObject::code), Some("1.5"));
        assert_eq!(error.to_string(), "[42] — a — b — c — 1.5");
    }

    #[test]
    fn odd_errors_are_kept_and_empty_ones_are_not() {
        for nothing in
            ["null", "false", "0", r#""""#, "[]", "{}", r#"{"code": "", "message": ""}"#, r#"[{"code": null}]"#]
        {
            assert_eq!(failure(nothing), None, "{nothing}");
        }
        assert_eq!(failure(r#""out of paper""#).unwrap().message(), Some("out of paper"));
        for odd in ["7", "[7]", "true", r#"{"code": [], "message": {}, "details": null, "innererror": 3}"#] {
            let error = failure(odd).unwrap();
            assert_eq!((error.json(), error.to_string().as_str()), (odd, "no code or message"));
        }
    }
}
