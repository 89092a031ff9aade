//! `ErrorObject`: the error object of a failed operation, and `OperationFailed`, the error made of it.

use std::{borrow::Cow, fmt};

use serde_json::value::RawValue;

use crate::json::members::{elements, members, text, text_or_number};

/// The error of a failed operation: an OData error object ([OData JSON 4.01, section 21.1]), read with lenience.
///
/// `details` may be an object instead of an array, and codes may be numbers, as services really send them; Fabric's
/// `errorCode` and `moreDetails` are read like `code` and `details`. What cannot be read is left out; [`json`](Self::json) has the whole.
///
/// `Display` gives the code, the message, and those of the details and inner errors:
/// `[InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature.`
///
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

/// How deep errors may be in each other.
const MAX_DEPTH: usize = 16;

impl ErrorObject {
    /// Nothing, of what services write into good status responses.
    pub(crate) fn parse(raw: &RawValue) -> Option<Self> {
        let failure = Self { json: raw.get().to_owned(), ..Self::read(raw, MAX_DEPTH) };
        let is_nothing = raw.get() == "null" || (raw.get().starts_with('[') && elements(raw).is_empty());
        (!is_nothing).then_some(failure)
    }

    #[cfg(feature = "serde")]
    pub(crate) fn from_json(json: &str) -> Option<Self> {
        Self::parse(serde_json::from_str(json).ok()?)
    }

    fn read(raw: &RawValue, depth: usize) -> Self {
        let mut failure = Self {
            code: None,
            message: text(raw).map(Cow::into_owned),
            target: None,
            details: Vec::new(),
            inner: None,
            json: String::new(),
        };
        let Some(depth) = depth.checked_sub(1) else { return failure };
        let is_object = |raw: &&RawValue| raw.get().starts_with('{');
        for (key, value) in members(raw.get().as_bytes()) {
            match &*key {
                "code" | "errorCode" if failure.code.is_none() => failure.code = text_or_number(value),
                "message" if failure.message.is_none() => failure.message = text_or_number(value),
                "target" if failure.target.is_none() => failure.target = text_or_number(value),
                "details" | "moreDetails" if failure.details.is_empty() => {
                    let details = if is_object(&value) { vec![value] } else { elements(value) };
                    failure.details =
                        details.into_iter().filter(is_object).map(|detail| Self::read(detail, depth)).collect();
                }
                "innererror" | "innerError" if failure.inner.is_none() && is_object(&value) => {
                    failure.inner = Some(Box::new(Self::read(value, depth)));
                }
                _ => {}
            }
        }
        failure
    }

    /// The service's code for the error; a number is given as its digits.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What the error is about, such as the name of a property.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The errors that led to this one.
    #[must_use]
    pub fn details(&self) -> &[ErrorObject] {
        &self.details
    }

    /// The more specific error inside this one (`innererror`).
    #[must_use]
    pub fn inner(&self) -> Option<&ErrorObject> {
        self.inner.as_deref()
    }

    /// The error as the service wrote it; empty for the errors inside of another.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "[{code}] {message}")?,
            (Some(code), None) => write!(f, "[{code}]")?,
            (None, Some(message)) => f.write_str(message)?,
            (None, None) => f.write_str("no code or message")?,
        }
        for cause in self.details.iter().chain(self.inner.as_deref()) {
            cause.fmt_as_cause(f)?;
        }
        Ok(())
    }
}

impl ErrorObject {
    fn fmt_as_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " — {code}: {message}")?,
            (Some(text), None) | (None, Some(text)) => write!(f, " — {text}")?,
            (None, None) => {}
        }
        self.details.iter().chain(self.inner.as_deref()).try_for_each(|cause| cause.fmt_as_cause(f))
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

    fn failure(json: &str) -> Option<ErrorObject> {
        ErrorObject::parse(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn azure_maps_error_with_details_as_an_object() {
        let json = r#"{"code": "InvalidFeature", "message": "The provided feature is invalid.",
            "details": {"code": "NoGeometry", "message": "No geometry was provided with the feature."}}"#;
        let failure = failure(json).unwrap();
        assert_eq!(failure.details()[0].code(), Some("NoGeometry"));
        assert_eq!(failure.json(), json);
        assert_eq!(
            failure.to_string(),
            "[InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature."
        );
    }

    #[test]
    fn details_inner_errors_and_numbers_are_read_at_any_depth() {
        let failure = failure(
            r#"{"code": 42, "target": "body", "details": [{"code": "a", "details": [{"message": "b"}]}, 7, {}],
                "innererror": {"code": "c", "innerError": {"code": 1.5}}, "more": true}"#,
        )
        .unwrap();
        assert_eq!((failure.code(), failure.message(), failure.target()), (Some("42"), None, Some("body")));
        assert_eq!(failure.inner().and_then(ErrorObject::inner).and_then(ErrorObject::code), Some("1.5"));
        assert_eq!(failure.to_string(), "[42] — a — b — c — 1.5");
    }

    #[test]
    fn odd_errors_are_kept_as_they_are() {
        assert_eq!((failure("null"), failure("[]")), (None, None));
        assert_eq!(failure(r#""out of paper""#).unwrap().message(), Some("out of paper"));
        for odd in ["7", "[7]", "true", "{}", r#"{"code": [], "message": {}, "details": null, "innererror": 3}"#] {
            let failure = failure(odd).unwrap();
            assert_eq!((failure.json(), failure.to_string().as_str()), (odd, "no code or message"));
        }
    }
}
