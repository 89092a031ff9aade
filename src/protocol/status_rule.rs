//! `StatusRule`: how a status monitor answers.

use std::{fmt, sync::Arc};

use http::{HeaderName, StatusCode};

use crate::{
    json::{
        scanner::Selectors,
        selector::{Match, Pointer, Selector},
    },
    protocol::error::{Mistake, ProtocolError, status_codes},
};

/// Describes how a status monitor answers: where its status is, and what a response without one means.
///
/// [`StatusRule::new`] knows no place of a status yet; for most services, add `status_at("/status")`.
///
/// # Where the status is
///
/// 1. In the [header](Self::status_header), if there is one and the response has it.
/// 2. In the body, at the first of the pointers, in the order in which they were given, whose member matches. (The first decides
///    as soon as it is read; the others decide once those before them were read, or the document has ended.)
/// 3. In the HTTP status: a 202 means running, and for the rest [`MissingStatus`] says what a response without a status means.
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, StatusRule, Protocol, MissingStatus};
///
/// let rules = [
///     // `{"job": {"phase": "Running"}}`. Without a phase it is still running; a 410 is the operation's own failure.
///     StatusRule::new().status_at("/job/phase").when_status_missing(MissingStatus::Running).final_error_statuses([410]),
///     // `{"progress": 30}`: `100` is then among the protocol's words for success.
///     StatusRule::new().status_scalar_at("/progress").percent_at("/progress"),
///     // `{"finished": true}`, or an `{"error": …}`: `finished` and `error` are the words.
///     StatusRule::new().status_present("/error").status_true("/finished").when_status_missing(MissingStatus::Running),
///     // `X-Job-Status: Running`. A 409 is transient, and the poll is repeated.
///     StatusRule::new().status_header("x-job-status").retryable_statuses([409, 429, 503]),
///     // 202 until it is done, at an address that may change each time; a deletion takes its monitor with it.
///     StatusRule::new().http_status_only().relocated_by("location", [202]).success_statuses([404]),
///     // The result is where a 302 or 303 says; one that says nothing is the final response itself.
///     StatusRule::new().http_status_only().fixed_uri().result_redirects([302, 303]).result_may_be_missing(),
///     // The outcome is an HTTP message, or has its HTTP status in a header.
///     StatusRule::new().http_status_only().unwrap_application_http().outcome_header("asyncresult"),
/// ];
/// for rule in rules {
///     let protocol = Protocol::builder("jobs").announced(StartRule::by_header("x-job").monitor(rule));
///     protocol.succeeded(["100", "finished"]).failed(["error"]).build()?;
/// }
/// # Ok::<_, tower_lro::ProtocolError>(())
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct StatusRule {
    pub(crate) status: Vec<Selector>,
    pub(crate) status_header: Option<HeaderName>,
    pub(crate) http_status_only: bool,
    pub(crate) when_status_missing: MissingStatus,
    pub(crate) final_errors: Vec<StatusCode>,
    pub(crate) successes: Vec<StatusCode>,
    pub(crate) retryable: Vec<StatusCode>,
    /// Whether the retryable statuses are the description's own.
    pub(crate) has_own_retryable: bool,
    pub(crate) result_redirects: Vec<StatusCode>,
    pub(crate) result_may_be_missing: bool,
    pub(crate) relocation: Option<Relocation>,
    pub(crate) outcome_header: Option<HeaderName>,
    pub(crate) unwraps_messages: bool,
    pub(crate) percent: Vec<PercentAt>,
    pub(crate) failure: Vec<Pointer>,
    /// The members with a status, then those with a percentage.
    interest: Selectors,
    /// Whether a status is a percentage, too, which most are not.
    has_percent_as_status: bool,
    pub(crate) mistake: Mistake,
}

/// A member with a percentage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PercentAt {
    pub(crate) pointer: Pointer,
    pub(crate) unit: PercentUnit,
}

/// The number that means that everything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PercentUnit {
    Hundred,
    One,
}

/// A status response may name the monitor's next address in a header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relocation {
    /// The header, if it is not the one that announced the monitor.
    pub(crate) header: Option<HeaderName>,
    /// With these HTTP statuses; with all if there are none.
    pub(crate) statuses: Vec<StatusCode>,
}

/// The meaning of a good response of the monitor without a status. (A 202 always means that the operation is running.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MissingStatus {
    /// An error, [`Cause::Status`](crate::Cause::Status). Once a status was seen, a failed poll, which is repeated.
    #[default]
    Error,
    /// That the operation has succeeded. Where the monitor has never answered 202 nor given a status, that is an assumption:
    /// [`Operation::is_success_assumed`](crate::Operation::is_success_assumed) says so. An error, where a redirect of the monitor has led
    /// to the response, or its body could not be read.
    Succeeded,
    /// That the operation has succeeded, if the monitor has answered 202 or given a status before; else it is an error.
    SucceededAfterAccepted,
    /// That it is running.
    Running,
}

/// The HTTP statuses that say nothing about the operation: throttling, and errors of servers, gateways and CDNs in front of the
/// service.
pub(crate) const fn is_transient(code: u16) -> bool {
    matches!(code, 408 | 425 | 429 | 500 | 502..=504 | 509 | 520..=527 | 529 | 530 | 598 | 599)
}

/// The members that have a percentage by default, at the top level of a status response.
const PERCENT: [&str; 3] = ["/percentComplete", "/percentCompleted", "/percentageComplete"];

impl StatusRule {
    /// Returns a rule with these defaults: 408, 425, 429, 500, 502, 503, 504, 509, 520 to 527, 529, 530, 598 and 599 are transient,
    /// the header that announced the monitor relocates it, and a 303 names the result.
    pub fn new() -> Self {
        let mut rule = Self {
            status: Vec::new(),
            status_header: None,
            http_status_only: false,
            when_status_missing: MissingStatus::Error,
            final_errors: Vec::new(),
            successes: Vec::new(),
            retryable: (400..600)
                .filter(|&code| is_transient(code))
                .filter_map(|code| StatusCode::from_u16(code).ok())
                .collect(),
            has_own_retryable: false,
            result_redirects: vec![StatusCode::SEE_OTHER],
            result_may_be_missing: false,
            relocation: Some(Relocation { header: None, statuses: Vec::new() }),
            outcome_header: None,
            unwraps_messages: false,
            percent: Vec::new(),
            failure: Vec::new(),
            interest: Arc::new([]),
            has_percent_as_status: false,
            mistake: Mistake::default(),
        };
        rule.percent = PERCENT
            .iter()
            .filter_map(|pointer| Some(PercentAt { pointer: Pointer::parse(pointer)?, unit: PercentUnit::Hundred }))
            .collect();
        rule.compiled()
    }

    /// The description's own places of a percentage, besides those that every rule knows.
    #[cfg(feature = "serde")]
    pub(crate) fn own_percent(&self) -> &[PercentAt] {
        &self.percent[..self.percent.len() - PERCENT.len()]
    }

    /// The members that may have the status, as pointers.
    pub(crate) fn status_places(&self) -> impl Iterator<Item = String> {
        self.status.iter().map(|selector| selector.pointer.to_string())
    }

    /// The members that the scanner looks for: those with a status, then those with a percentage.
    pub(crate) fn interest(&self) -> &Selectors {
        &self.interest
    }

    fn compiled(mut self) -> Self {
        let percent = self.percent.iter().map(|at| Selector::new(at.pointer.clone(), Match::Scalar));
        self.interest = self.status.iter().cloned().chain(percent).collect();
        self.has_percent_as_status =
            self.status.iter().any(|status| self.percent.iter().any(|at| at.pointer == status.pointer));
        self
    }

    /// The index of the percentage that is the same member as this status: the scanner finds each member once.
    #[inline]
    pub(crate) fn percent_of_status(&self, index: usize) -> Option<usize> {
        if self.has_percent_as_status { self.percent_at_status(index) } else { None }
    }

    #[cold]
    fn percent_at_status(&self, index: usize) -> Option<usize> {
        let status = self.status.get(index)?;
        self.percent.iter().position(|at| at.pointer == status.pointer)
    }

    /// Whether it says how an operation ends.
    pub(crate) fn can_end(&self) -> bool {
        let has_status = !self.status.is_empty() || self.status_header.is_some();
        has_status || self.when_status_missing != MissingStatus::Error || !self.successes.is_empty()
    }

    /// Takes the string at this JSON pointer as the status. Numbers in a pointer are keys of objects and indices of arrays.
    pub fn status_at(self, pointer: &str) -> Self {
        self.selector(pointer, Match::String)
    }

    /// Takes the text of the string, number or boolean at this JSON pointer as the status: `30`, `true`.
    pub fn status_scalar_at(self, pointer: &str) -> Self {
        self.selector(pointer, Match::Scalar)
    }

    /// Takes the last key of this JSON pointer as the status, if `true` is there.
    pub fn status_true(self, pointer: &str) -> Self {
        self.selector(pointer, Match::True)
    }

    /// Takes the last key of this JSON pointer as the status, if a value other than null is there.
    pub fn status_present(self, pointer: &str) -> Self {
        self.selector(pointer, Match::Present)
    }

    /// Takes the word `null` as the status, if there is null or nothing at this JSON pointer.
    pub fn status_absent(self, pointer: &str) -> Self {
        self.selector(pointer, Match::Absent)
    }

    fn selector(mut self, pointer: &str, matches: Match) -> Self {
        if let Some(pointer) = self.mistake.pointer(pointer) {
            self.status.push(Selector::new(pointer, matches));
        }
        self.compiled()
    }

    /// Takes the value of this header as the status, if the response has one that is not empty.
    pub fn status_header(mut self, name: &str) -> Self {
        self.status_header = self.mistake.header(name);
        self
    }

    /// Lets the HTTP status decide: 202 means running, and every other success means that the operation has succeeded. Status words
    /// in the body count only if they mean failure or cancellation.
    pub fn http_status_only(mut self) -> Self {
        self.http_status_only = true;
        self.when_status_missing = MissingStatus::Succeeded;
        self
    }

    /// Sets the meaning of a good response without a status. By default it is an error.
    pub fn when_status_missing(mut self, meaning: MissingStatus) -> Self {
        self.when_status_missing = meaning;
        self
    }

    /// Takes an error response with one of these HTTP statuses as the final response of an operation that has failed, unless the
    /// status is retryable. By default it is an error, [`Cause::Monitor`](crate::Cause::Monitor).
    ///
    /// A 5xx with a `Retry-After` is a failed poll all the same; so is a 404 before the first status if a good response must
    /// have a status. Note that layers outside see a final response as the response to the start request: a retry layer that
    /// repeats the request after a 500 starts the work again.
    pub fn final_error_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.final_errors = status_codes(codes, 400..=599, &mut self.mistake);
        self
    }

    /// Takes a response with one of these HTTP statuses as success, whatever its body: for example a 404 after a deletion. (A 404
    /// before the first status counts as a failed poll at first, because monitors may be late.) The response keeps its HTTP status.
    pub fn success_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.successes = status_codes(codes, 200..=599, &mut self.mistake);
        self
    }

    /// Sets the HTTP statuses of failed polls that are repeated, instead of those of [`StatusRule::new`].
    pub fn retryable_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.retryable = status_codes(codes, 400..=599, &mut self.mistake);
        self.has_own_retryable = true;
        self
    }

    /// Sets the redirects that name the result, instead of 303 alone; all others relocate the monitor. If 302 is among them, a
    /// response that the client reached by following a redirect itself is the result, too.
    pub fn result_redirects(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.result_redirects = status_codes(codes, 300..=399, &mut self.mistake);
        self
    }

    /// Takes a redirect that names the result as the final response itself if its address is missing or must not be asked. By
    /// default it is an error.
    pub fn result_may_be_missing(mut self) -> Self {
        self.result_may_be_missing = true;
        self
    }

    /// Lets a status response of a running operation relocate the monitor by this header, if its HTTP status is one of these (any
    /// if there are none).
    pub fn relocated_by(mut self, name: &str, codes: impl IntoIterator<Item = u16>) -> Self {
        let header = self.mistake.header(name);
        let statuses = status_codes(codes, 200..=299, &mut self.mistake);
        if self.relocation.is_none() {
            self.mistake.contradiction("a monitor with a fixed URI cannot be relocated by a header");
        }
        self.relocation = Some(Relocation { header, statuses });
        self
    }

    /// Keeps the monitor where it is, except for redirects.
    pub fn fixed_uri(mut self) -> Self {
        if self.relocation.as_ref().is_some_and(|relocation| relocation.header.is_some()) {
            self.mistake.contradiction("a monitor that is relocated by a header has no fixed URI");
        }
        self.relocation = None;
        self
    }

    /// Takes the HTTP status of the final response from this header, which has that of the outcome.
    pub fn outcome_header(mut self, name: &str) -> Self {
        self.outcome_header = self.mistake.header(name);
        self
    }

    /// Unwraps a final response of `application/http`, whose body is the outcome as an HTTP message. If the body is not a message, or
    /// its head is cut off, the response is returned as it is; unless something else gives the outcome, success is
    /// [assumed](crate::Operation::is_success_assumed).
    pub fn unwrap_application_http(mut self) -> Self {
        self.unwraps_messages = true;
        self
    }

    /// Takes the number at this JSON pointer, or the string with a number and perhaps a `%`, as the percentage. It takes precedence
    /// over `percentComplete`, `percentCompleted` and `percentageComplete`, which every rule knows.
    pub fn percent_at(self, pointer: &str) -> Self {
        self.percent(pointer, PercentUnit::Hundred)
    }

    /// Takes a fraction from 0 to 1 as the percentage; otherwise like [`percent_at`](Self::percent_at).
    pub fn fraction_at(self, pointer: &str) -> Self {
        self.percent(pointer, PercentUnit::One)
    }

    fn percent(mut self, pointer: &str, unit: PercentUnit) -> Self {
        if let Some(pointer) = self.mistake.pointer(pointer) {
            let own = self.percent.len() - PERCENT.len();
            self.percent.insert(own, PercentAt { pointer, unit });
        }
        self.compiled()
    }

    /// Takes the reason for a failure, an object or a string, from this JSON pointer of the final response. It takes precedence over
    /// `/error`, which every rule knows. If several are given, the first that is there counts.
    pub fn failure_at(mut self, pointer: &str) -> Self {
        let pointer = self.mistake.pointer(pointer);
        self.failure.extend(pointer);
        self
    }

    /// An HTTP status with two meanings.
    pub(crate) fn contradiction(&self) -> Option<String> {
        const NONE: &Vec<StatusCode> = &Vec::new();
        // The default retryable statuses silently take precedence over the others, so they need not be left out.
        let retryable = if self.has_own_retryable { &self.retryable } else { NONE };
        let classes = [("final error", &self.final_errors), ("success", &self.successes), ("retryable", retryable)];
        classes.iter().enumerate().find_map(|(index, (name, codes))| {
            classes[..index].iter().find_map(|(other, others)| {
                let twice = codes.iter().find(|code| others.contains(code))?;
                Some(format!("HTTP status {twice} is among the {other} statuses and among the {name} statuses"))
            })
        })
    }
}

impl Default for StatusRule {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StatusRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status: Vec<_> = self.status.iter().map(|selector| selector.pointer.to_string()).collect();
        f.debug_struct("StatusRule")
            .field("status", &status)
            .field("http_status_only", &self.http_status_only)
            .field("when_status_missing", &self.when_status_missing)
            .finish_non_exhaustive()
    }
}

impl StatusRule {
    /// The first mistake in it, if any.
    pub(crate) fn mistake(&self) -> Option<ProtocolError> {
        let contradiction = || self.contradiction().map(ProtocolError::Contradiction);
        self.mistake.get().or_else(contradiction).or_else(|| (!self.can_end()).then_some(ProtocolError::NoStatus))
    }
}
