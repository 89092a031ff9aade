//! `CancelRule`: how an operation is canceled at the service.

use http::{HeaderValue, Method};

use crate::protocol::{
    error::Mistake,
    template::{Template, Variable},
};

/// How an operation is canceled at the service: a method, an address, and perhaps a body.
///
/// # Example
///
/// ```
/// use tower_lro::{CancelRule, Protocol, StartRule, StatusRule};
///
/// let rules = [
///     CancelRule::new("DELETE", "{monitor}"),
///     CancelRule::new("POST", "{monitor}:cancel"),
///     CancelRule::new("PUT", "{parent}/cancel?task={name}"),
///     CancelRule::new("PATCH", "{monitor}").body("application/json", r#"{"cancellation_requested": true}"#),
/// ];
/// for cancel in rules {
///     let monitor = StatusRule::new().status_at("/status");
///     Protocol::builder("jobs").announced(StartRule::by_header("x-job").monitor(monitor)).cancel(cancel).build()?;
/// }
/// # Ok::<_, tower_lro::ProtocolError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct CancelRule {
    pub(crate) method: Method,
    pub(crate) template: Option<Template>,
    pub(crate) body: Option<(HeaderValue, String)>,
    pub(crate) mistake: Mistake,
}

impl CancelRule {
    /// Cancels by a request with this method to the address that `template` makes: `{monitor}` stands for the monitor's address,
    /// `{name}` and `{+name}` for the operation's name, and `{path}`, `{parent}` and `{first}` for the path of the start request, its
    /// parent path, and its first segment.
    pub fn new(method: &str, template: &str) -> Self {
        let mut mistake = Mistake::default();
        let template = mistake.ok(Template::parse(template, &Variable::OF_OPERATION));
        let method = mistake.method(method).unwrap_or(Method::DELETE);
        Self { method, template, body: None, mistake }
    }

    /// Sets the body of the request. It has no placeholders.
    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        match HeaderValue::from_str(content_type) {
            Ok(content_type) => self.body = Some((content_type, body.to_owned())),
            Err(_) => self.mistake.contradiction("the content type of a cancel request is not a header value"),
        }
        self
    }
}
