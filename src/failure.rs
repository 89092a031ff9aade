//! `Failure`: the error object of a failed operation, and `OperationFailed`, the error made of it.

use std::fmt;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, value::RawValue};

use crate::{Operation, redact::Headless};

/// The error of a failed operation: an OData error object ([OData JSON 4.01, section 21.1]), read with lenience.
///
/// `details` may be an object instead of an array, and codes may be numbers, as services really send them. What cannot be
/// read is left out; [`json`](Self::json) has the whole.
///
/// `Display` gives the code, the message, and those of the details and inner errors:
/// `[InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature.`
///
/// [OData JSON 4.01, section 21.1]: https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_ErrorResponse
#[derive(Clone, PartialEq)]
pub struct Failure {
    code: Option<String>,
    message: Option<String>,
    target: Option<String>,
    details: Vec<Failure>,
    inner: Option<Box<Failure>>,
    json: String,
}

impl Failure {
    pub(crate) fn parse(raw: &RawValue) -> Option<Self> {
        let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let json = raw.get().to_owned();
        match value {
            Value::Object(members) => Some(Self { json, ..Self::read(&members) }),
            Value::String(message) => Some(Self { message: Some(message), json, ..Self::empty() }),
            // Services write `"error": null` into good status responses.
            Value::Null if json == "null" => None,
            _ => Some(Self { json, ..Self::empty() }),
        }
    }

    fn empty() -> Self {
        Self { code: None, message: None, target: None, details: Vec::new(), inner: None, json: String::new() }
    }

    fn read(members: &serde_json::Map<String, Value>) -> Self {
        let nested = |value: &Value| match value {
            Value::Object(members) => Some(Self::read(members)),
            _ => None,
        };
        let text = |name| match members.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(number @ Value::Number(_)) => Some(number.to_string()),
            _ => None,
        };
        Self {
            code: text("code"),
            message: text("message"),
            target: text("target"),
            details: match members.get("details") {
                Some(Value::Array(details)) => details.iter().filter_map(nested).collect(),
                Some(detail) => nested(detail).into_iter().collect(),
                None => Vec::new(),
            },
            inner: members.get("innererror").or_else(|| members.get("innerError")).and_then(nested).map(Box::new),
            json: String::new(),
        }
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
    pub fn details(&self) -> &[Failure] {
        &self.details
    }

    /// The more specific error inside this one (`innererror`).
    #[must_use]
    pub fn inner(&self) -> Option<&Failure> {
        self.inner.as_deref()
    }

    /// The error as the service wrote it; empty for the errors inside of another.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl fmt::Display for Failure {
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

impl Failure {
    fn fmt_as_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " — {code}: {message}")?,
            (Some(text), None) | (None, Some(text)) => write!(f, " — {text}")?,
            (None, None) => {}
        }
        self.details.iter().chain(self.inner.as_deref()).try_for_each(|cause| cause.fmt_as_cause(f))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("target", &self.target)
            .field("details", &self.details)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// An operation that ended, but not in success: `Failed` or `Canceled`.
///
/// Made by [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation), and, with
/// [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure), the cause of the error that comes instead of the
/// final response.
pub struct OperationFailed {
    // Boxed, so that a `Result` of it stays small.
    inner: Box<(Operation, Option<Response<Bytes>>)>,
}

impl OperationFailed {
    pub(crate) fn new(operation: Operation, response: Option<Response<Bytes>>) -> Self {
        Self { inner: Box::new((operation, response)) }
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.inner.0
    }

    /// The service's error object, if the final response had one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.operation().failure()
    }

    /// The final response, where the layer kept it: with
    /// [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure).
    #[must_use]
    pub fn response(&self) -> Option<&Response<Bytes>> {
        self.inner.1.as_ref()
    }
}

impl fmt::Display for OperationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation().status().unwrap_or("Failed"))?;
        match self.failure() {
            Some(failure) => write!(f, " {failure}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for OperationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationFailed")
            .field("operation", self.operation())
            .field("response", &self.response().map(Headless))
            .finish()
    }
}

impl std::error::Error for OperationFailed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(json: &str) -> Option<Failure> {
        Failure::parse(&RawValue::from_string(json.to_owned()).unwrap())
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
        assert_eq!(failure.inner().and_then(Failure::inner).and_then(Failure::code), Some("1.5"));
        assert_eq!(failure.to_string(), "[42] — a — b — c — 1.5");
    }

    #[test]
    fn odd_errors_are_kept_as_they_are() {
        assert_eq!(failure("null"), None);
        assert_eq!(failure(r#""out of paper""#).unwrap().message(), Some("out of paper"));
        for odd in ["7", "[]", "true", "{}", r#"{"code": [], "message": {}, "details": null, "innererror": 3}"#] {
            let failure = failure(odd).unwrap();
            assert_eq!((failure.json(), failure.to_string().as_str()), (odd, "no code or message"));
        }
    }
}
