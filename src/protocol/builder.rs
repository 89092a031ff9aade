//! `ProtocolBuilder`: builds a protocol from its parts.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    address::{origin::Origin, policy::TrustRule},
    limits::{MAX_SELECTORS, MAX_STATUS_WORD_BYTES},
    protocol::{
        Protocol, Rules,
        cancel_rule::CancelRule,
        error::{Mistake, ProtocolError},
        final_response::{FinalResponse, ResourceRule},
        start_rule::StartRule,
        template::{Template, Variable},
    },
};

/// Builds a [`Protocol`]; see [`Protocol::builder`].
///
/// [`build`](Self::build) reports what is wrong, such as an invalid header name.
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, FinalResponse, StatusRule, Protocol, ProtocolError};
///
/// let jobs = Protocol::builder("jobs")
///     .announced(StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/phase")))
///     .succeeded(["Shipped"])
///     .failed(["Lost"])
///     .canceled(["Recalled"])
///     .running(["Completed"]) // the first step only
///     .resource_at("/parcel/href")
///     .final_response(FinalResponse::Resource)
///     .trusts(["https://api.example.com"], ["https://*.jobs.example.com"])
///     .allows(["https://status.example.com"])
///     .build()?;
/// assert_eq!(jobs.name(), "jobs");
///
/// let mistaken = Protocol::builder("parcels")
///     .announced(StartRule::by_header("x job").monitor(StatusRule::new().status_at("/phase")))
///     .build();
/// assert_eq!(mistaken.unwrap_err(), ProtocolError::Header("x job".to_owned()));
/// # Ok::<_, ProtocolError>(())
/// ```
#[must_use]
pub struct ProtocolBuilder {
    rules: Rules,
    pub(crate) mistake: Mistake,
}

impl Protocol {
    /// Builds a protocol of your own, which goes by `name`.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{FinalResponse, LroLayer, Protocol, StartRule, StatusRule};
    ///
    /// // 201 with `X-Job`, whose JSON has `{"job": {"phase": "…"}}` and, when done, `{"job": {"href": "…"}}`.
    /// let jobs = Protocol::builder("jobs")
    ///     .announced(StartRule::by_header("x-job").statuses([201]).monitor(StatusRule::new().status_at("/job/phase")))
    ///     .succeeded(["Shipped"])
    ///     .failed(["Lost"])
    ///     .resource_at("/job/href")
    ///     .final_response(FinalResponse::Resource)
    ///     .build()?;
    /// let layer = LroLayer::new().protocol(jobs);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::ProtocolError>(())
    /// ```
    pub fn builder(name: impl Into<Cow<'static, str>>) -> ProtocolBuilder {
        ProtocolBuilder::new(name.into())
    }
}

impl ProtocolBuilder {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
        Self { rules: Rules::new(name), mistake: Mistake::default() }
    }

    #[cfg(test)]
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.rules.name = name.into();
        self
    }

    /// Adds a way to announce an operation. The first that matches wins.
    pub fn announced(mut self, rule: StartRule) -> Self {
        rule.mistake().into_iter().for_each(|mistake| self.mistake.note(mistake));
        self.rules.start_rules.push(rule);
        self
    }

    /// Adds words for success, besides `Succeeded`, `Completed`, `Success`, `PartiallySucceeded` and `PartiallyCompleted`.
    pub fn succeeded(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.words.succeeded.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds words for failure, besides `Failed`, `ValidationFailed` and `Rejected`.
    pub fn failed(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.words.failed.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds words for cancellation, besides `Canceled` and `Cancelled`.
    pub fn canceled(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.words.canceled.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds words for an operation that is still running: words that mean something else by default, and words that would be
    /// reported as unrecognized.
    pub fn running(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.words.running.extend(words.into_iter().map(Into::into));
        self
    }

    /// Finds the address of the resource, absolute or relative, at this JSON pointer of the final status response. If several
    /// places of the resource are given, the first that has an address counts.
    pub fn resource_at(mut self, pointer: &str) -> Self {
        let pointer = self.mistake.pointer(pointer);
        self.rules.resource.extend(pointer.map(ResourceRule::Member));
        self
    }

    /// Finds the resource by the link with this relation: in the `Link` header ([RFC 8288]) of the final status response, or in
    /// its body's `links`, an array of `rel` and `href` or an object (JSON:API), or `_links` (HAL).
    ///
    /// [RFC 8288]: https://www.rfc-editor.org/rfc/rfc8288
    pub fn resource_link(mut self, relation: &str) -> Self {
        self.mistake.relation(relation);
        self.rules.resource.push(ResourceRule::Link(relation.to_owned()));
        self
    }

    /// Makes the address of the resource from a template: `{monitor}/results`, `/jobs/{name}/archive`. Placeholders are
    /// `{monitor}`, `{name}`, `{+name}`, and, for the start request, `{path}`, `{parent}` and `{first}`.
    pub fn resource_template(mut self, template: &str) -> Self {
        let template = self.mistake.ok(Template::parse(template, &Variable::OF_OPERATION));
        self.rules.resource.extend(template.map(ResourceRule::Template));
        self
    }

    /// Sets the response that the caller gets on success; [`LroLayer::final_response`](crate::LroLayer::final_response) overrides it.
    pub fn final_response(mut self, final_response: FinalResponse) -> Self {
        self.rules.final_response = final_response;
        self
    }

    /// Sets how an operation is canceled, for [`Operation::cancel`](crate::Operation::cancel).
    pub fn cancel(mut self, rule: CancelRule) -> Self {
        rule.mistake.get().into_iter().for_each(|mistake| self.mistake.note(mistake));
        self.rules.cancel = Some(rule);
        self
    }

    /// Says that the service works asynchronously only if the start request has `Prefer: respond-async` ([RFC 7240]);
    /// [`LroLayer::ask_for_async`](crate::LroLayer::ask_for_async) adds it.
    ///
    /// [RFC 7240]: https://www.rfc-editor.org/rfc/rfc7240#section-4.1
    pub fn needs_respond_async(mut self) -> Self {
        self.rules.needs_respond_async = true;
        self
    }

    /// Lets start requests to the origins `from` be polled with their credentials at the origins `to`.
    pub fn trusts<'a>(
        mut self,
        from: impl IntoIterator<Item = &'a str>,
        to: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let rule = TrustRule { from: self.origins(from), to: self.origins(to) };
        self.rules.trust.push(rule);
        self
    }

    /// Lets these origins be polled without credentials.
    pub fn allows<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = self.origins(origins);
        self.rules.anonymous.extend(origins);
        self
    }

    fn origins<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Vec<Origin> {
        let mut origins = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(origin) => origins.push(origin),
                Err(_) => self.mistake.note(ProtocolError::Origin(text.to_owned())),
            }
        }
        origins
    }

    /// Skips validation; tests cover the known protocols.
    pub(crate) fn finish(self) -> Protocol {
        Protocol(Arc::new(self.rules))
    }

    /// Builds the protocol.
    ///
    /// # Errors
    ///
    /// The first mistake in its description.
    pub fn build(mut self) -> Result<Protocol, ProtocolError> {
        if Protocol::known().any(|known| known.name() == self.rules.name) {
            self.mistake.note(ProtocolError::Name(self.rules.name.clone().into_owned()));
        }
        self.validated()
    }

    /// Builds the protocol, whatever its name.
    pub(crate) fn validated(mut self) -> Result<Protocol, ProtocolError> {
        let has_too_many = |rule: &StartRule| {
            let condition = rule.condition.as_ref().map_or(0, |condition| condition.selectors.len());
            rule.monitor.interest().len().max(condition) > MAX_SELECTORS
        };
        let rules = &self.rules.start_rules;
        if rules.is_empty() {
            self.mistake.note(ProtocolError::NoStartRule);
        } else if rules.len() > usize::from(u8::MAX) || rules.iter().any(has_too_many) {
            self.mistake.note(ProtocolError::TooMany);
        }
        if let Some(word) = self.rules.words.contradiction() {
            self.mistake.contradiction(&format!("the status {word:?} has two meanings"));
        }
        if let Some(word) = self.rules.words.too_long() {
            let problem =
                format!("the status {word:?} is longer than the {MAX_STATUS_WORD_BYTES} bytes that are read of one");
            self.mistake.contradiction(&problem);
        }
        match self.mistake.get() {
            Some(mistake) => Err(mistake),
            None => Ok(self.finish()),
        }
    }
}

impl fmt::Debug for ProtocolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolBuilder")
            .field("name", &self.rules.name)
            .field("mistake", &self.mistake.get())
            .finish_non_exhaustive()
    }
}
