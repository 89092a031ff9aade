//! Progress: a line on standard error for each event.

use std::time::Instant;

use tower_lro::{DelayReason, Event, Operation, Outcome, PollFailure};

use crate::redact::redacted;

pub fn lines(is_resumed: bool) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let began = Instant::now();
    move |event| {
        let line = printable(&line(event, is_resumed));
        eprintln!("{:7.1} s  {line}", began.elapsed().as_secs_f64());
    }
}

/// Words and messages are the service's, and the terminal obeys control characters.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn line(event: &Event<'_>, is_resumed: bool) -> String {
    match event {
        Event::Accepted { operation, .. } => {
            let what = if is_resumed { "carrying on with" } else { "accepted:" };
            format!("{what} {} ({})", redacted(operation.monitor()), operation.protocol().name())
        }
        Event::Waiting { delay, reason, .. } => {
            let why = match reason {
                DelayReason::RetryAfter => "as the service asks",
                _ => "no hint from the service",
            };
            format!("waiting {delay:.1?}, {why}")
        }
        Event::Polled { operation, .. } => format!("poll {}: {}", operation.polls(), status(operation)),
        Event::PollFailed { operation, failure, failures, retry_in, .. } => {
            let what = match failure {
                PollFailure::Http(status) => status.to_string(),
                PollFailure::Service => "no answer".to_owned(),
                PollFailure::Body => "the answer broke off".to_owned(),
                other => format!("{other:?}"),
            };
            let then = match retry_in {
                Some(delay) => format!("again in {delay:.1?}"),
                None => "that was the last".to_owned(),
            };
            format!("poll {} failed: {what}, {failures} in a row, {then}", operation.polls())
        }
        Event::Moved { operation, .. } => format!("moved to {}", redacted(operation.monitor())),
        Event::Finished { operation, outcome, .. } => {
            let what = match outcome {
                Outcome::Response => format!("finished: {:?}", operation.state()),
                Outcome::Dropped => "left".to_owned(),
                other => format!("given up: {other:?}"),
            };
            let failure = operation.error().map(|failure| format!(", {failure}")).unwrap_or_default();
            format!("{what} after {} polls and {:.1?}{failure}", operation.polls(), operation.elapsed())
        }
        other => format!("{other:?}"),
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
