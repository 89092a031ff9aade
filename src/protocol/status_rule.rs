//! `StatusRule`: how a monitor answers.

use std::fmt;

use http::{HeaderName, StatusCode};

use crate::{
    json::scanner::{Kind, Watch},
    protocol::builder::{ProtocolError, header, keys, statuses},
};

/// How a monitor answers: where its status is, and what counts where there is none.
///
/// [`StatusRule::new`] has no place for a status yet; most have it `status_at("/status")`.
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, StatusRule, Protocol, MissingStatus};
///
/// let monitors = [
///     // `{"job": {"phase": "Running"}}`. Without a phase it is still running; a 410 is the operation's own failure.
///     StatusRule::new().status_at("/job/phase").when_status_missing(MissingStatus::Running).final_error_statuses([410]),
///     // `{"progress": 30}`: `100` is then among the protocol's words for success.
///     StatusRule::new().status_scalar_at("/progress"),
///     // `{"finished": true}`, or an `{"error": …}`: `finished` and `error` are the words.
///     StatusRule::new().status_true("/finished").status_present("/error").when_status_missing(MissingStatus::Running),
///     // `X-Job-Status: Running`. A 409 passes, and the poll is repeated.
///     StatusRule::new().status_header("x-job-status").retryable_statuses([409, 429, 503]),
///     // 202 until it is done, at an address that may change each time; a deletion takes its monitor with it.
///     StatusRule::new().http_status_only().relocated_by("location", [202]).success_statuses([404]),
///     // The result is where a 302 or 303 says; one that says nothing is handed over itself.
///     StatusRule::new().http_status_only().fixed_uri().result_redirects([302, 303]).result_may_be_missing(),
///     // The outcome is an HTTP message, or has its HTTP status in a header.
///     StatusRule::new().http_status_only().unwrap_application_http().outcome_header("asyncresult"),
/// ];
/// for monitor in monitors {
///     Protocol::builder("jobs").announced(StartRule::by_header("x-job").monitor(monitor)).build()?;
/// }
/// # Ok::<_, tower_lro::ProtocolError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct StatusRule {
    pub(crate) status: Vec<Watch>,
    pub(crate) status_header: Option<HeaderName>,
    pub(crate) is_by_http: bool,
    pub(crate) when_status_missing: MissingStatus,
    pub(crate) outcomes: Vec<StatusCode>,
    pub(crate) successes: Vec<StatusCode>,
    pub(crate) retryable_statuses: Vec<StatusCode>,
    pub(crate) result_redirects: Vec<StatusCode>,
    pub(crate) result_may_be_missing: bool,
    pub(crate) moves: Option<Moves>,
    pub(crate) outcome_header: Option<HeaderName>,
    pub(crate) unwrap_application_http: bool,
    pub(crate) mistake: Option<ProtocolError>,
}

/// A status response may move its monitor by this header.
#[derive(Clone)]
pub(crate) struct Moves {
    /// The header that announces the monitor, if it is none of its own.
    pub(crate) header: Option<HeaderName>,
    /// On these HTTP statuses; on all, if there are none.
    pub(crate) statuses: Vec<StatusCode>,
}

/// What a good response of the monitor means that has no status. (A 202 always means that the operation is running.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingStatus {
    /// An error, [`Cause::Status`](crate::Cause::Status).
    #[default]
    Error,
    /// That the operation has succeeded.
    Succeeded,
    /// That it is running.
    Running,
}

impl StatusRule {
    /// One of which 408, 429, 500, 502, 503 and 504 are failed polls, which is moved by the header that announced it, and
    /// of which a 303 names the result.
    pub fn new() -> Self {
        let known = |codes: &[u16]| codes.iter().filter_map(|&code| StatusCode::from_u16(code).ok()).collect();
        Self {
            status: Vec::new(),
            status_header: None,
            is_by_http: false,
            when_status_missing: MissingStatus::Error,
            outcomes: Vec::new(),
            successes: Vec::new(),
            retryable_statuses: known(&[408, 429, 500, 502, 503, 504]),
            result_redirects: known(&[303]),
            result_may_be_missing: false,
            moves: Some(Moves { header: None, statuses: Vec::new() }),
            outcome_header: None,
            unwrap_application_http: false,
            mistake: None,
        }
    }

    /// The status is the string at this JSON pointer. If several are given, the first in the body counts.
    pub fn status_at(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Text)
    }

    /// The status is the string, number or literal at this JSON pointer, as its text: `30`, `true`.
    pub fn status_scalar_at(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Scalar)
    }

    /// The status is the last key of this JSON pointer, where there is `true`, and no other place has a status.
    pub fn status_true(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::True)
    }

    /// The status is the last key of this JSON pointer, where there is a value that is not null.
    pub fn status_present(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Presence)
    }

    fn watch(mut self, pointer: &str, kind: Kind) -> Self {
        let path = keys(pointer, &mut self.mistake);
        self.status.extend(path.map(|path| Watch { path, kind }));
        self
    }

    /// The status is the value of this header, where it is there.
    pub fn status_header(mut self, name: &str) -> Self {
        self.status_header = header(name, &mut self.mistake);
        self
    }

    /// The HTTP status decides: 202 means running, and every other success the end. Of status words in the body those of
    /// failure and cancelling count nevertheless.
    pub fn http_status_only(mut self) -> Self {
        self.is_by_http = true;
        self.when_status_missing = MissingStatus::Succeeded;
        self
    }

    /// What a good response without a status means. By default it is an error.
    pub fn when_status_missing(mut self, meaning: MissingStatus) -> Self {
        self.when_status_missing = meaning;
        self
    }

    /// An error response with one of these HTTP statuses is the outcome of the operation, which has failed, and is handed
    /// over, unless it is that of a failed poll. By default it is an error, [`Cause::StatusRule`](crate::Cause::StatusRule).
    ///
    /// A 5xx that says when to come again is a failed poll nevertheless; so is a 404 before the first status where a good
    /// response must have a status. Mind that layers outside see an outcome as the response to the start request: a retry layer
    /// that sends it again for a 500 starts the work anew.
    pub fn final_error_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.outcomes = statuses(codes, 400..=599, &mut self.mistake);
        self
    }

    /// A response with one of these HTTP statuses means that the operation has succeeded, whatever is in it: as a 404 where a
    /// thing was to be deleted. (A 404 before the first status is a failed poll first, because monitors may be late.) The
    /// response keeps its HTTP status.
    pub fn success_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.successes = statuses(codes, 200..=599, &mut self.mistake);
        self
    }

    /// The HTTP statuses of polls that failed in passing and are repeated.
    pub fn retryable_statuses(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.retryable_statuses = statuses(codes, 400..=599, &mut self.mistake);
        self
    }

    /// The redirects that name the result, instead of 303 alone; all others move the monitor. A 302 among them means that an
    /// answer to which the client has come by a redirect of its own is the result, too.
    pub fn result_redirects(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.result_redirects = statuses(codes, 300..=399, &mut self.mistake);
        self
    }

    /// A redirect that names the result, but with an address that is missing, or that must not be asked, is handed over
    /// itself. By default it is an error.
    pub fn result_may_be_missing(mut self) -> Self {
        self.result_may_be_missing = true;
        self
    }

    /// A status response that is not the last may move the monitor by this header, if its HTTP status is one of these (any,
    /// if there are none).
    pub fn relocated_by(mut self, name: &str, codes: impl IntoIterator<Item = u16>) -> Self {
        let header = header(name, &mut self.mistake);
        let statuses = statuses(codes, 200..=299, &mut self.mistake);
        self.moves = Some(Moves { header, statuses });
        self
    }

    /// The monitor stays where it is, but for redirects.
    pub fn fixed_uri(mut self) -> Self {
        self.moves = None;
        self
    }

    /// This header of the final response has the HTTP status of the outcome; it becomes that of what is handed over.
    pub fn outcome_header(mut self, name: &str) -> Self {
        self.outcome_header = header(name, &mut self.mistake);
        self
    }

    /// A final response of `application/http` is the outcome as an HTTP message, and is handed over as a response.
    pub fn unwrap_application_http(mut self) -> Self {
        self.unwrap_application_http = true;
        self
    }
}

impl Default for StatusRule {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StatusRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusRule").field("is_by_http", &self.is_by_http).finish_non_exhaustive()
    }
}
