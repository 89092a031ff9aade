//! Progress: a line on standard error for each event.

use std::time::Instant;

use http::HeaderName;
use tower_lro::{DelayReason, Event, Operation, Outcome};

use crate::{
    lines::{one_line, tell},
    redact::redacted,
};

pub fn lines() -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let began = Instant::now();
    move |event| {
        let line = line(event);
        tell(format_args!("{:7.1} s  {line}", began.elapsed().as_secs_f64()));
    }
}

/// The event in words; some are the service's.
pub fn line(event: &Event<'_>) -> String {
    one_line(&words(event))
}

fn words(event: &Event<'_>) -> String {
    match event {
        Event::Accepted { operation, .. } => {
            format!("accepted: {} ({})", redacted(operation.monitor()), operation.protocol().name())
        }
        Event::Resumed { operation, .. } => {
            format!("resuming: {} ({})", redacted(operation.monitor()), operation.protocol().name())
        }
        Event::Waiting { delay, reason, .. } => {
            let why = match reason {
                DelayReason::RetryAfter => "as the service asks",
                _ => "since the service does not say how long",
            };
            format!("waiting {delay:.1?}, {why}")
        }
        Event::Polled { operation, .. } => format!("poll {}: {}", operation.polls(), status(operation)),
        Event::PollFailed { operation, failure, failures, retry_in, .. } => {
            let then = match retry_in {
                Some(delay) => format!("retrying in {delay:.1?}"),
                None => "giving up".to_owned(),
            };
            format!("poll {} failed: {failure}, {then} (failure {failures} in a row)", operation.polls())
        }
        Event::Moved { operation, .. } => format!("moved to {}", redacted(operation.monitor())),
        Event::Finished { operation, outcome, .. } => {
            let what = match outcome {
                Outcome::Response => ended(operation),
                Outcome::Dropped => "left running".to_owned(),
                other => format!("did not complete: {other}"),
            };
            let failure = operation.error().map(|failure| format!(", {failure}")).unwrap_or_default();
            let polls = operation.polls();
            let polls = if polls == 1 { "1 poll".to_owned() } else { format!("{polls} polls") };
            format!("{what} after {polls} and {:.1?}{failure}", operation.elapsed())
        }
        Event::Unmatched { headers, .. } => {
            let names: Vec<_> = headers.iter().map(HeaderName::as_str).collect();
            let names = if names.is_empty() { "no headers".to_owned() } else { names.join(", ") };
            format!("a 202 that is of no chosen protocol; it has {names}")
        }
        other => format!("{other:?}"),
    }
}

/// How it ended, and whether the service has said so.
fn ended(operation: &Operation) -> String {
    match operation.is_success_assumed() {
        true => "no status in the answer; taken for the result because it is no 202".to_owned(),
        false => format!("{:?}", operation.state()),
    }
}

/// Not all protocols have words, and not all services say how far they are.
fn status(operation: &Operation) -> String {
    let word = operation.status().map_or_else(|| format!("{:?}", operation.state()), str::to_owned);
    match operation.percent_complete() {
        Some(percent) => format!("{word}, {percent} %"),
        None => word,
    }
}
