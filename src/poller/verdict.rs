//! The meaning of a response: pure rules, each a row of a table in the tests.

use http::StatusCode;

use crate::protocol::{
    state::{Meaning, OperationState},
    status_rule::{MissingStatus, StatusRule},
};

/// The meaning of the head of a response to a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The monitor is elsewhere, or the result, which means that the operation has succeeded.
    Redirect(Target),
    /// The operation has succeeded, whatever is in the body.
    Succeeded,
    /// The poll failed, and may be repeated.
    Retry,
    /// A good response without a status, after others that had one.
    NoStatus,
    /// The status is in the body, in a header, or nowhere.
    ReadStatus,
    /// It is the result.
    Return,
    /// An error that says nothing of the operation.
    Unexpected,
}

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Monitor,
    Result,
}

/// The known facts when the head of a response arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadFacts {
    pub(crate) target: Target,
    /// Whether a redirect has led to the response. Nothing but a status is believed of it: neither an error nor a success by HTTP
    /// says anything about the operation.
    pub(crate) is_elsewhere: bool,
    /// Whether the transport itself followed that redirect.
    pub(crate) is_redirected: bool,
    /// Whether the monitor has shown before that it is one.
    pub(crate) has_status: bool,
    /// Whether another failed poll is one too many.
    pub(crate) is_last_failure: bool,
    pub(crate) has_retry_after: bool,
}

pub(crate) fn of_head(status: StatusCode, rule: &StatusRule, facts: HeadFacts) -> Head {
    let is_result = facts.target == Target::Result;
    let is_monitor = !is_result && !facts.is_elsewhere;
    let is_among = |statuses: &[StatusCode]| statuses.contains(&status) && is_monitor;
    let is_final_error = || is_among(&rule.final_errors);
    // At a plain monitor, a 404 is an outcome like any other.
    let is_plain = || is_final_error() && rule.when_status_missing != MissingStatus::Error;
    let is_early = status == StatusCode::NOT_FOUND && !facts.has_status && is_monitor && !is_plain();
    let asks_to_wait = || status.is_server_error() && facts.has_retry_after && is_final_error();
    // The transport does not say which redirect it followed. All of them name the result if 302 does, except those that keep the
    // method.
    let names_result =
        || facts.is_redirected && status != StatusCode::ACCEPTED && rule.result_redirects.contains(&StatusCode::FOUND);
    match status.as_u16() {
        _ if rule.result_redirects.contains(&status) => Head::Redirect(Target::Result),
        301 | 302 | 303 | 307 | 308 => Head::Redirect(facts.target),
        _ if is_among(&rule.successes) && (!is_early || facts.is_last_failure) => Head::Succeeded,
        _ if rule.retryable.contains(&status) || is_early || asks_to_wait() => Head::Retry,
        200..=299 if is_result => Head::Return,
        200..=299 if names_result() => Head::Succeeded,
        204 if is_monitor => Head::Succeeded,
        200..=299 => Head::ReadStatus,
        304 if facts.has_status && !is_result => Head::NoStatus,
        _ if is_final_error() => Head::ReadStatus,
        _ => Head::Unexpected,
    }
}

/// The meaning of a status response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running(OperationState),
    Ended(OperationState),
    /// The operation has succeeded, as far as the HTTP status says.
    SucceededByHttp,
    /// None, after responses that had one: the poll may be repeated.
    Lost,
    /// None, and none can come.
    Missing,
}

/// The known facts once the status of a response was looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusFacts {
    /// The meaning of the status, if there is one.
    pub(crate) meaning: Option<Meaning>,
    /// Whether the monitor has shown before that it is one.
    pub(crate) has_status: bool,
    /// Whether the response is the monitor's own, and could be read. No success is inferred from the target of a redirect, or from an
    /// unreadable body.
    pub(crate) is_trustworthy: bool,
}

pub(crate) fn of_status(http: StatusCode, rule: &StatusRule, facts: StatusFacts) -> Status {
    let state = facts.meaning.map(|meaning| meaning.state);
    if !http.is_success() {
        // Error bodies call many things a status.
        let is_canceled = state == Some(OperationState::Canceled);
        return Status::Ended(if is_canceled { OperationState::Canceled } else { OperationState::Failed });
    }
    let is_failure = matches!(state, Some(OperationState::Failed | OperationState::Canceled));
    match state.filter(|_| !rule.http_status_only || is_failure) {
        Some(state) if state.is_terminal() => return Status::Ended(state),
        Some(state) => return Status::Running(state),
        None if http == StatusCode::ACCEPTED => return Status::Running(OperationState::Running),
        None => {}
    }
    match rule.when_status_missing {
        MissingStatus::Running => Status::Running(OperationState::Running),
        MissingStatus::Error if facts.has_status => Status::Lost,
        _ if !facts.is_trustworthy => Status::Missing,
        MissingStatus::Succeeded => Status::SucceededByHttp,
        MissingStatus::SucceededAfterAccepted if facts.has_status => Status::SucceededByHttp,
        MissingStatus::SucceededAfterAccepted | MissingStatus::Error => Status::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16) -> StatusCode {
        StatusCode::from_u16(status).unwrap()
    }

    /// The rule of the default protocol.
    fn by_status() -> StatusRule {
        StatusRule::new().status_at("/status")
    }

    /// The rule of `location`.
    fn plain() -> StatusRule {
        by_status().when_status_missing(MissingStatus::Succeeded).final_error_statuses([400, 404, 410, 500])
    }

    const FIRST_POLL: HeadFacts = HeadFacts {
        target: Target::Monitor,
        is_elsewhere: false,
        is_redirected: false,
        has_status: false,
        is_last_failure: false,
        has_retry_after: false,
    };
    const LATER_POLL: HeadFacts = HeadFacts { has_status: true, ..FIRST_POLL };
    const RESULT: HeadFacts = HeadFacts { target: Target::Result, ..LATER_POLL };
    const RESULT_AT_ONCE: HeadFacts = HeadFacts { target: Target::Result, ..FIRST_POLL };
    const LAST_CHANCE: HeadFacts = HeadFacts { is_last_failure: true, ..FIRST_POLL };
    const LED_AWAY: HeadFacts = HeadFacts { is_elsewhere: true, ..LATER_POLL };
    const LED_AWAY_AT_ONCE: HeadFacts = HeadFacts { is_elsewhere: true, ..FIRST_POLL };
    const FOLLOWED: HeadFacts = HeadFacts { is_redirected: true, ..LED_AWAY };
    const FOLLOWED_FROM_RESULT: HeadFacts = HeadFacts { target: Target::Result, ..FOLLOWED };
    const ASKS_TO_WAIT: HeadFacts = HeadFacts { has_retry_after: true, ..LATER_POLL };

    #[test]
    fn heads() {
        let deletion = by_status().success_statuses([404]);
        let redirects = by_status().result_redirects([302, 303]);
        for (name, rule, facts, status, expected) in [
            ("a good response is read for its status", by_status(), FIRST_POLL, 200, Head::ReadStatus),
            ("a 202, too, for a terminal status", by_status(), FIRST_POLL, 202, Head::ReadStatus),
            ("204 means success", by_status(), FIRST_POLL, 204, Head::Succeeded),
            ("a redirect moves the monitor", by_status(), FIRST_POLL, 301, Head::Redirect(Target::Monitor)),
            ("a redirect moves the monitor", by_status(), LATER_POLL, 302, Head::Redirect(Target::Monitor)),
            ("a redirect moves the monitor", by_status(), LATER_POLL, 307, Head::Redirect(Target::Monitor)),
            ("a redirect moves the result", by_status(), RESULT, 308, Head::Redirect(Target::Result)),
            ("303 names the result", by_status(), LATER_POLL, 303, Head::Redirect(Target::Result)),
            ("the protocol may say that 302 does", redirects, LATER_POLL, 302, Head::Redirect(Target::Result)),
            (
                "or that 303 does not",
                by_status().result_redirects([302]),
                LATER_POLL,
                303,
                Head::Redirect(Target::Monitor),
            ),
            ("or that none does", by_status().result_redirects([]), RESULT, 303, Head::Redirect(Target::Result)),
            ("304 has no status", by_status(), LATER_POLL, 304, Head::NoStatus),
            ("304 at first is the wrong service", by_status(), FIRST_POLL, 304, Head::Unexpected),
            ("throttling is transient", by_status(), FIRST_POLL, 429, Head::Retry),
            ("a broken gateway is transient", by_status(), FIRST_POLL, 502, Head::Retry),
            ("a CDN's error is transient", by_status(), FIRST_POLL, 520, Head::Retry),
            ("too early is transient", by_status(), FIRST_POLL, 425, Head::Retry),
            ("a result may be late, too", by_status(), RESULT, 503, Head::Retry),
            ("a monitor may be late", by_status(), FIRST_POLL, 404, Head::Retry),
            ("one that was there may not be gone", by_status(), LATER_POLL, 404, Head::Unexpected),
            ("a result may not be missing", by_status(), RESULT, 404, Head::Unexpected),
            ("even if the first status was terminal", by_status(), RESULT_AT_ONCE, 404, Head::Unexpected),
            ("a result has no status for 304 to lack", by_status(), RESULT, 304, Head::Unexpected),
            ("401 says nothing of the operation", by_status(), FIRST_POLL, 401, Head::Unexpected),
            ("nor does 501", by_status(), LATER_POLL, 501, Head::Unexpected),
            ("nor does 505", by_status(), LATER_POLL, 505, Head::Unexpected),
            ("a result is returned", by_status(), RESULT, 200, Head::Return),
            ("a result is returned", by_status(), RESULT, 204, Head::Return),
            ("for a plain monitor an error is the outcome", plain(), FIRST_POLL, 404, Head::ReadStatus),
            ("for a plain monitor an error is the outcome", plain(), LATER_POLL, 410, Head::ReadStatus),
            ("but not that of the result", plain(), RESULT, 410, Head::Unexpected),
            ("and not one that asks to wait", plain().retryable_statuses([]), ASKS_TO_WAIT, 500, Head::Retry),
            ("unless that is a client error", plain(), ASKS_TO_WAIT, 410, Head::ReadStatus),
            ("what was deleted may be gone", deletion.clone(), LATER_POLL, 404, Head::Succeeded),
            ("or late", deletion.clone(), FIRST_POLL, 404, Head::Retry),
            ("but not for ever", deletion, LAST_CHANCE, 404, Head::Succeeded),
        ] {
            assert_eq!(of_head(code(status), &rule, facts), expected, "{name}: {status}");
        }
    }

    /// No success is inferred from a page that a redirect has led to.
    #[test]
    fn heads_elsewhere() {
        let deletion = by_status().success_statuses([404]);
        let redirects = by_status().result_redirects([302, 303]);
        for (name, rule, facts, status, expected) in [
            ("a page to sign in at may have a status", by_status(), LED_AWAY, 200, Head::ReadStatus),
            ("its 204 is no success", by_status(), LED_AWAY, 204, Head::ReadStatus),
            ("nor is its 404", deletion, LED_AWAY, 404, Head::Unexpected),
            ("nor a success by its protocol", by_status().success_statuses([200]), LED_AWAY, 200, Head::ReadStatus),
            ("its error is not the outcome", plain(), LED_AWAY, 410, Head::Unexpected),
            ("it is not late", by_status(), LED_AWAY_AT_ONCE, 404, Head::Unexpected),
            ("its 304 has no status, too", by_status(), LED_AWAY, 304, Head::NoStatus),
            ("it may be throttled", by_status(), LED_AWAY, 429, Head::Retry),
            ("it may lead on", by_status(), LED_AWAY, 302, Head::Redirect(Target::Monitor)),
            ("it may name the result", by_status(), LED_AWAY, 303, Head::Redirect(Target::Result)),
            ("a page to which the client went may be one to sign in at", by_status(), FOLLOWED, 200, Head::ReadStatus),
            ("or the result, if 302 names that", redirects.clone(), FOLLOWED, 200, Head::Succeeded),
            ("or the monitor, if it answers 202", redirects.clone(), FOLLOWED, 202, Head::ReadStatus),
            ("but not if the layer went there", redirects.clone(), LED_AWAY, 200, Head::ReadStatus),
            ("the result is returned from wherever it is", redirects, FOLLOWED_FROM_RESULT, 200, Head::Return),
        ] {
            assert_eq!(of_head(code(status), &rule, facts), expected, "{name}: {status}");
        }
    }

    #[test]
    fn statuses() {
        use OperationState::{Canceled, Failed, NotStarted, Running, Succeeded};
        let strict = || plain().when_status_missing(MissingStatus::SucceededAfterAccepted);
        let by_http = || plain().http_status_only();
        let patient = || by_status().when_status_missing(MissingStatus::Running);
        let first = StatusFacts { meaning: None, has_status: false, is_trustworthy: true };
        let later = StatusFacts { has_status: true, ..first };
        let unreadable = StatusFacts { is_trustworthy: false, ..later };
        let meaning = |state| StatusFacts { meaning: Some(Meaning { state, is_recognized: true }), ..first };
        for (name, rule, facts, http, expected) in [
            ("a terminal status ends it", by_status(), meaning(Succeeded), 200, Status::Ended(Succeeded)),
            ("also on 202", by_status(), meaning(Failed), 202, Status::Ended(Failed)),
            ("any other does not", by_status(), meaning(NotStarted), 200, Status::Running(NotStarted)),
            ("202 without a status is running", by_status(), first, 202, Status::Running(Running)),
            ("200 without a status has no status", by_status(), first, 200, Status::Missing),
            ("which may be a mistake after others", by_status(), later, 200, Status::Lost),
            ("also where nobody could read it", by_status(), unreadable, 200, Status::Lost),
            ("for plain monitors it is the end", plain(), first, 200, Status::SucceededByHttp),
            ("but not of a page that nobody asked for", plain(), unreadable, 200, Status::Missing),
            ("and with a status that decides", plain(), meaning(Running), 200, Status::Running(Running)),
            ("strictly it is not the end at first", strict(), first, 200, Status::Missing),
            ("strictly it is the end after a 202", strict(), later, 200, Status::SucceededByHttp),
            ("it may mean running", patient(), first, 200, Status::Running(Running)),
            ("also where nobody could read it", patient(), unreadable, 200, Status::Running(Running)),
            ("HTTP may decide alone", by_http(), meaning(Running), 200, Status::SucceededByHttp),
            ("but for failures", by_http(), meaning(Failed), 200, Status::Ended(Failed)),
            ("HTTP may decide alone", by_http(), meaning(Succeeded), 202, Status::Running(Running)),
            ("an error response is a failure", plain(), first, 404, Status::Ended(Failed)),
            ("whatever it says", plain(), meaning(Succeeded), 404, Status::Ended(Failed)),
            ("but that it was canceled", plain(), meaning(Canceled), 410, Status::Ended(Canceled)),
        ] {
            assert_eq!(of_status(code(http), &rule, facts), expected, "{name}: {http}");
        }
    }
}
