//! `StartRule`: what makes a response start an operation.

use std::fmt;

use http::{HeaderMap, HeaderName, Method, StatusCode, header::LOCATION};

use crate::{
    json::{
        scanner::Selectors,
        selector::{Match, Pointer, Selector},
    },
    protocol::{
        error::{Mistake, ProtocolError, status_codes},
        status_rule::StatusRule,
        template::{Template, Variable},
    },
};

/// A rule by which a response to a start request announces an operation, and names its monitor.
///
/// Applies to `202` unless [`statuses`](Self::statuses) says otherwise, and to any method. Responses with other statuses than 202
/// often announce nothing: see [`unless_terminal`](Self::unless_terminal).
///
/// # What reading bodies costs
///
/// Some rules need the body of the start response: [`by_link`](Self::by_link), [`by_relation`](Self::by_relation),
/// [`by_body`](Self::by_body) and the `unless_…` ones. Bodies of `application/json` and `+json` are read for them, for at most 10 seconds and up to
/// [`LroLayer::max_status_bytes`](crate::LroLayer::max_status_bytes), before a response that announces nothing is passed on,
/// untouched. Bodies of other types (event streams, NDJSON) are never read.
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, StatusRule, Protocol, ProtocolBuilder};
///
/// let monitor = || StatusRule::new().status_at("/status");
/// let rules = [
///     // A `PUT` is answered 201 with `Operation-Location`, and a body that says that it is not ready.
///     StartRule::by_header("operation-location").statuses([201]).methods(["PUT"]).unless_terminal_or_missing("/state"),
///     // 202 with both headers; or with `Location` alone, which is assumed where only the monitor's address is known.
///     StartRule::by_header("operation-location").requires_header("location"),
///     StartRule::by_header("location").default_for_resume(),
///     // 202 with `X-Job-Id: 1`: the monitor is at `/v2/jobs/1` if the request went to `/v2/jobs`.
///     StartRule::by_name_header("x-job-id", "{path}/{name}"),
///     // `{"links": {"self": "/jobs/1"}}`
///     StartRule::by_link("/links/self"),
///     // `{"links": [{"rel": "monitor", "href": "/jobs/1"}]}`, or a header `Link: </jobs/1>; rel=monitor`.
///     StartRule::by_relation("monitor"),
///     // 200 and `{"job": "jobs/1", "done": false}`: the monitor is at `/v2/jobs/1`.
///     StartRule::by_body("/job", "/v2/{+name}").name_contains("jobs/").unless_true("/done").unless_present("/error"),
///     // 202, and nothing else: the monitor is at the address of the request, or at the one above it.
///     StartRule::at_request_uri(),
///     StartRule::at("{parent}").methods(["POST"]),
/// ];
/// let announced = |protocol: ProtocolBuilder, rule: StartRule| protocol.announced(rule.monitor(monitor()));
/// let protocol = rules.into_iter().fold(Protocol::builder("jobs"), announced).build()?;
/// # let _ = protocol;
/// # Ok::<_, tower_lro::ProtocolError>(())
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct StartRule {
    pub(crate) statuses: Vec<StatusCode>,
    pub(crate) methods: Vec<Method>,
    pub(crate) by: By,
    pub(crate) requires_header: Option<HeaderName>,
    pub(crate) condition: Option<Condition>,
    pub(crate) is_default_for_resume: bool,
    pub(crate) monitor: StatusRule,
    pub(crate) mistake: Mistake,
}

/// The place of the monitor's address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum By {
    /// A header has the address.
    Header(HeaderName),
    /// A header has a name, from which the template makes an address.
    NameHeader { header: HeaderName, template: Template },
    /// A member of the body has the address.
    Link(Pointer),
    /// A link with this relation has the address: in the `Link` header, or in the body's `links` or `_links`.
    Relation(String),
    /// A member of the body has a name, from which the template makes an address.
    Name { pointer: Pointer, contains: String, template: Template },
    /// The address is that of the start request.
    RequestUri,
    /// The template makes the address from that of the start request.
    Template(Template),
}

impl By {
    /// The header that the response must have.
    pub(crate) fn required_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(header) | Self::NameHeader { header, .. } => Some(header),
            _ => None,
        }
    }

    /// The header that has the address.
    pub(crate) fn address_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(header) => Some(header),
            _ => None,
        }
    }

    pub(crate) fn is_location(&self) -> bool {
        self.address_header() == Some(&LOCATION)
    }

    /// Whether the body of the start response is needed.
    pub(crate) fn reads_body(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Relation(_) | Self::Name { .. })
    }
}

/// A condition on the body: the response announces no operation if the body has a terminal status, or a certain member at all, or
/// a member that is `true`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) selectors: Selectors,
    pub(crate) when_missing: WhenMissing,
}

/// The meaning of a body without any of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenMissing {
    Starts,
    PassesThrough,
}

impl StartRule {
    /// Takes the address of the monitor from a header.
    pub fn by_header(name: &str) -> Self {
        let mut mistake = Mistake::default();
        let by = mistake.header(name).map_or(By::RequestUri, By::Header);
        Self::new(by, [202], mistake)
    }

    /// Takes the name of the operation from a header, and makes the address of its monitor with `template`, as [`by_body`](Self::by_body)
    /// does: `{path}/{name}`.
    pub fn by_name_header(name: &str, template: &str) -> Self {
        let mut mistake = Mistake::default();
        let header = mistake.header(name);
        let by = match (header, name_template(template, &mut mistake)) {
            (Some(header), Some(template)) => By::NameHeader { header, template },
            _ => By::RequestUri,
        };
        Self::new(by, [202], mistake)
    }

    /// Takes the address of the monitor, absolute or relative, from this JSON pointer of the response's body.
    ///
    /// Applies to `200`, `201` and `202`. [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn by_link(pointer: &str) -> Self {
        let mut mistake = Mistake::default();
        let by = mistake.pointer(pointer).map_or(By::RequestUri, By::Link);
        Self::new(by, [200, 201, 202], mistake)
    }

    /// Takes the address of the monitor, absolute or relative, from the link with this relation: in the `Link` header ([RFC 8288]),
    /// or in the body's `links`, an array of `rel` and `href` or an object of relations (JSON:API), or `_links` (HAL). In a header the
    /// case of the relation does not matter.
    ///
    /// Applies to `200`, `201` and `202`. [The body is read](Self#what-reading-bodies-costs) for it if no header has it. Many services
    /// give every resource a link to itself: then add a condition, or every resource that is created is taken for an operation.
    ///
    /// [RFC 8288]: https://www.rfc-editor.org/rfc/rfc8288
    pub fn by_relation(relation: &str) -> Self {
        let mut mistake = Mistake::default();
        mistake.relation(relation);
        Self::new(By::Relation(relation.to_owned()), [200, 201, 202], mistake)
    }

    /// Takes the name of the operation, a string or an integer, from this JSON pointer of the response's body, and makes the address
    /// of its monitor with `template`: `{name}` stands for the name, percent-encoded, `{+name}` for a name that is a path, `{first}` for
    /// the first segment of the start request's path, and `{path}` and `{parent}` for that path and its parent.
    ///
    /// Applies to `200`. [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn by_body(pointer: &str, template: &str) -> Self {
        let mut mistake = Mistake::default();
        let pointer = mistake.pointer(pointer);
        let template = name_template(template, &mut mistake);
        let by = match (pointer, template) {
            (Some(pointer), Some(template)) => By::Name { pointer, contains: String::new(), template },
            _ => By::RequestUri,
        };
        Self::new(by, [200], mistake)
    }

    /// Takes the address of the start request itself for the monitor's.
    pub fn at_request_uri() -> Self {
        Self::new(By::RequestUri, [202], Mistake::default())
    }

    /// Makes the address of the monitor from that of the start request: `{path}` stands for its path, `{parent}` for the path above
    /// it, and `{first}` for its first segment.
    pub fn at(template: &str) -> Self {
        let mut mistake = Mistake::default();
        let template = mistake.ok(Template::parse(template, &[Variable::Path, Variable::Parent, Variable::First]));
        Self::new(template.map_or(By::RequestUri, By::Template), [202], mistake)
    }

    fn new<const N: usize>(by: By, statuses: [u16; N], mut mistake: Mistake) -> Self {
        Self {
            statuses: status_codes(statuses, 200..=299, &mut mistake),
            methods: Vec::new(),
            by,
            requires_header: None,
            condition: None,
            is_default_for_resume: false,
            monitor: StatusRule::new(),
            mistake,
        }
    }

    /// Sets the HTTP statuses, from 200 to 299, that announce an operation.
    pub fn statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.statuses = status_codes(codes, 200..=299, &mut self.mistake);
        if self.statuses.is_empty() {
            // Elsewhere an empty list means all.
            self.mistake.contradiction("a start rule without an HTTP status announces nothing");
        }
        self
    }

    /// Adds methods of start requests. Without any, all methods match.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in methods {
            self.methods.extend(self.mistake.method(name.as_ref()));
        }
        self
    }

    /// Requires this header, too.
    pub fn requires_header(mut self, name: &str) -> Self {
        self.requires_header = self.mistake.header(name);
        self
    }

    /// Excludes responses whose JSON has a terminal status at this JSON pointer. A response without a status there is included.
    ///
    /// [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn unless_terminal(self, pointer: &str) -> Self {
        self.with_condition(pointer, Match::String, WhenMissing::Starts)
    }

    /// Includes only responses whose JSON has a status at this JSON pointer that is not terminal.
    ///
    /// [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn unless_terminal_or_missing(self, pointer: &str) -> Self {
        self.with_condition(pointer, Match::String, WhenMissing::PassesThrough)
    }

    /// Excludes responses whose JSON has a member at this JSON pointer that is not null.
    ///
    /// [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn unless_present(self, pointer: &str) -> Self {
        self.with_condition(pointer, Match::Present, WhenMissing::Starts)
    }

    /// Excludes responses whose JSON has `true` at this JSON pointer.
    ///
    /// [The body is read](Self#what-reading-bodies-costs) for it.
    pub fn unless_true(self, pointer: &str) -> Self {
        self.with_condition(pointer, Match::True, WhenMissing::Starts)
    }

    fn with_condition(mut self, pointer: &str, matches: Match, when_missing: WhenMissing) -> Self {
        if let Some(pointer) = self.mistake.pointer(pointer) {
            let before = self.condition.take();
            let others = before.iter().flat_map(|condition| condition.selectors.iter().cloned());
            let mut selectors: Vec<_> = others.chain([Selector::new(pointer, matches)]).collect();
            // Their order means nothing, and equivalent rules should be equal.
            selectors.sort_by_key(|selector| selector.matches as u8);
            let selectors = selectors.into();
            let passes = before.as_ref().is_some_and(|before| before.when_missing == WhenMissing::PassesThrough);
            let when_missing = if passes { WhenMissing::PassesThrough } else { when_missing };
            self.condition = Some(Condition { selectors, when_missing });
        }
        self
    }

    /// Marks the rule to assume if only a monitor's address is known ([`Resume::new`](crate::Resume::new)): by default, the first.
    pub fn default_for_resume(mut self) -> Self {
        self.is_default_for_resume = true;
        self
    }

    /// Requires the name of [`by_body`](Self::by_body) to contain this text.
    pub fn name_contains(mut self, text: &str) -> Self {
        match &mut self.by {
            By::Name { contains, .. } => text.clone_into(contains),
            _ => self.mistake.contradiction("name_contains is for rules by a name in the body"),
        }
        self
    }

    /// Sets how the monitor answers.
    pub fn monitor(mut self, monitor: StatusRule) -> Self {
        self.monitor = monitor;
        self
    }

    /// Whether the head of a response alone decides.
    pub(crate) fn is_decided_by_head(&self) -> bool {
        self.condition.is_none() && !self.by.reads_body()
    }

    /// Whether the head of a response may announce an operation by this rule.
    #[inline]
    pub(crate) fn matches(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
        self.statuses.contains(&status)
            && self.by.required_header().is_none_or(|header| headers.contains_key(header))
            && self.requires_header.as_ref().is_none_or(|header| headers.contains_key(header))
            && (self.methods.is_empty() || self.methods.contains(method))
    }

    /// The first mistake in it, if any.
    pub(crate) fn mistake(&self) -> Option<ProtocolError> {
        self.mistake.get().or_else(|| self.monitor.mistake())
    }
}

/// A template that makes an address from an operation's name.
fn name_template(template: &str, mistake: &mut Mistake) -> Option<Template> {
    const ALLOWED: [Variable; 5] =
        [Variable::Name, Variable::PathName, Variable::First, Variable::Path, Variable::Parent];
    let parsed = mistake.ok(Template::parse(template, &ALLOWED))?;
    if parsed.has(Variable::Name) || parsed.has(Variable::PathName) {
        return Some(parsed);
    }
    let problem = "has no placeholder {name} or {+name}".to_owned();
    mistake.note(ProtocolError::Template { template: template.to_owned(), problem });
    None
}

impl fmt::Debug for StartRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRule")
            .field("statuses", &self.statuses)
            .field("methods", &self.methods)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}
