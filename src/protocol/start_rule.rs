//! `StartRule`: what makes a response announce an operation.

use std::fmt;

use http::{HeaderName, Method, StatusCode};

use crate::{
    json::scanner::{Kind, Watch},
    protocol::{
        builder::{ProtocolError, header, keys, statuses},
        status_rule::StatusRule,
    },
};

/// What makes a response to a start request announce an operation, and where its monitor is.
///
/// On `202` unless [`on`](Self::statuses) says otherwise, and for any method. Every status other than 202 may also be that of a
/// response that announces nothing: see [`unless_terminal`](Self::unless_terminal).
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, StatusRule, Protocol, ProtocolBuilder};
///
/// let announcements = [
///     // A `PUT` is answered 201 with `Operation-Location`, and a body that says that it is not ready.
///     StartRule::by_header("operation-location")
///         .statuses([201])
///         .methods(["PUT"])
///         .unless_terminal_or_missing("/state")
///         .monitor(StatusRule::new().status_at("/status")),
///     // 202 with both headers; or with `Location` alone, which is assumed where only the monitor's address is known.
///     StartRule::by_header("operation-location").requires_header("location"),
///     StartRule::by_header("location").default_for_resume(),
///     // 200 and `{"job": "jobs/1", "done": false}`: the monitor is at `/v2/jobs/1`.
///     StartRule::by_body("/job", "/v2/{name}")
///         .name_contains("jobs/")
///         .unless_true("/done")
///         .unless_present("/error"),
///     // 202, and nothing else: the monitor is at the address of the request.
///     StartRule::at_request_uri(),
/// ];
/// let protocol = announcements.into_iter().fold(Protocol::builder("jobs"), ProtocolBuilder::announced).build()?;
/// # let _ = protocol;
/// # Ok::<_, tower_lro::ProtocolError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct StartRule {
    pub(crate) statuses: Vec<StatusCode>,
    pub(crate) methods: Vec<Method>,
    pub(crate) by: By,
    /// A header that has to be there, too.
    pub(crate) also: Option<HeaderName>,
    pub(crate) condition: Option<Condition>,
    pub(crate) is_assumed: bool,
    pub(crate) monitor: StatusRule,
    pub(crate) mistake: Option<ProtocolError>,
}

#[derive(Clone)]
pub(crate) enum By {
    /// A header has the address.
    Header(HeaderName),
    /// A member of the body has a name, which `template` makes an address of.
    Body { member: Vec<String>, contains: String, template: String },
    /// The address is that of the start request.
    Own,
}

impl By {
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(header) => Some(header),
            Self::Body { .. } | Self::Own => None,
        }
    }
}

/// What the body of a response must not say for it to announce an operation: a status that is terminal, a member that is
/// there, or that is `true`.
#[derive(Clone)]
pub(crate) struct Condition {
    pub(crate) status: Vec<Watch>,
    /// Whether a body without one does, too.
    pub(crate) or_absent: bool,
}

impl StartRule {
    /// Whether the head of a response decides it.
    pub(crate) fn is_by_head(&self) -> bool {
        self.condition.is_none() && !matches!(self.by, By::Body { .. })
    }

    /// A header has the address of the monitor.
    pub fn by_header(name: &str) -> Self {
        let mut mistake = None;
        let header = header(name, &mut mistake);
        Self::by(header.map_or(By::Own, By::Header), mistake)
    }

    /// A member of the response's JSON has the name of the operation, at this JSON pointer, and `template` makes the address
    /// of its monitor: `{name}` in it stands for the name, and `{first}` for the first segment of the start request's path.
    ///
    /// On `200`. The response is read for it, and passes through untouched if there is no such name.
    pub fn by_body(pointer: &str, template: &str) -> Self {
        let mut mistake = None;
        let member = keys(pointer, &mut mistake).unwrap_or_default();
        let by = By::Body { member, contains: String::new(), template: template.to_owned() };
        Self { statuses: vec![StatusCode::OK], ..Self::by(by, mistake) }
    }

    /// The monitor is at the address of the start request itself.
    pub fn at_request_uri() -> Self {
        Self::by(By::Own, None)
    }

    fn by(by: By, mistake: Option<ProtocolError>) -> Self {
        Self {
            statuses: vec![StatusCode::ACCEPTED],
            methods: Vec::new(),
            by,
            also: None,
            condition: None,
            is_assumed: false,
            monitor: StatusRule::new(),
            mistake,
        }
    }

    /// The HTTP statuses that it may be on, from 200 to 263.
    pub fn statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.statuses = statuses(codes, 200..=263, &mut self.mistake);
        self
    }

    /// The methods that it may answer. All, unless it is said.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in methods {
            match Method::from_bytes(name.as_ref().as_bytes()) {
                Ok(method) => self.methods.push(method),
                Err(_) => _ = self.mistake.get_or_insert_with(|| ProtocolError::Method(name.as_ref().to_owned())),
            }
        }
        self
    }

    /// It announces an operation only if this header is there, too.
    pub fn requires_header(mut self, name: &str) -> Self {
        self.also = header(name, &mut self.mistake);
        self
    }

    /// It announces no operation if the response's own JSON has a terminal status at this JSON pointer. It does if there is no
    /// status at all.
    ///
    /// The response is read for it, for 10 seconds at the most, and passes through untouched if it announces nothing.
    pub fn unless_terminal(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::Text, true)
    }

    /// It announces an operation only if the response's own JSON has a status at this JSON pointer that is not terminal.
    ///
    /// The response is read for it, for 10 seconds at the most, and passes through untouched if it announces nothing.
    pub fn unless_terminal_or_missing(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::Text, false)
    }

    /// It announces no operation if the response's own JSON has a member at this JSON pointer that is not null.
    ///
    /// The response is read for it, and passes through untouched if it announces nothing.
    pub fn unless_present(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::Presence, true)
    }

    /// It announces no operation if the response's own JSON has `true` at this JSON pointer.
    ///
    /// The response is read for it, and passes through untouched if it announces nothing.
    pub fn unless_true(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::True, true)
    }

    fn with_condition(mut self, pointer: &str, kind: Kind, or_absent: bool) -> Self {
        if let Some(path) = keys(pointer, &mut self.mistake) {
            let condition = self.condition.get_or_insert(Condition { status: Vec::new(), or_absent: true });
            condition.status.push(Watch { path, kind });
            condition.or_absent &= or_absent;
        }
        self
    }

    /// What is assumed where nothing but a monitor's address is known ([`Resume::new`](crate::Resume::new)). The first
    /// announcement, unless it is said.
    pub fn default_for_resume(mut self) -> Self {
        self.is_assumed = true;
        self
    }

    /// Of [`by_body`](Self::by_body): the name must have this text in it.
    pub fn name_contains(mut self, text: &str) -> Self {
        if let By::Body { contains, .. } = &mut self.by {
            *contains = text.to_owned();
        }
        self
    }

    /// How its monitor answers.
    pub fn monitor(mut self, monitor: StatusRule) -> Self {
        self.monitor = monitor;
        self
    }
}

impl fmt::Debug for StartRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRule").field("on", &self.statuses).field("to", &self.methods).finish_non_exhaustive()
    }
}
