//! The rules on events.

use std::time::Duration;

use tower_lro::{DelayReason, Event, Operation, Outcome};

use super::{
    scene::{Ended, Purpose, Scene, TICK},
    settings::SECRET,
};

const MINUTE: Duration = Duration::from_secs(60);
const CENTURIES: Duration = Duration::from_secs(500 * 365 * 86_400);

/// The protocol whose final response is not that of the server as it is.
const UNWRAPPING: &str = "odata";

impl Scene {
    pub fn on_event(&mut self, event: &Event<'_>) {
        let now = self.now();
        let text = format!("{event:?}");
        self.record(&text);
        self.rule(!text.contains(SECRET) || !self.secret_is_safe(), || format!("an event has a secret: {text}"));
        let Some(operation) = event.operation() else { return self.on_unmatched(event) };
        self.rule(self.reported.ended.is_none(), || format!("an event after the last: {text}"));
        let is_first = self.reported.began_at.is_none();
        let begins = matches!((event, self.purpose), (Event::Accepted { .. }, Purpose::Starts))
            || matches!(event, Event::Resumed { .. }) && self.resumes();
        self.rule(is_first == begins, || format!("not the first event: {text}"));
        self.rule(operation.elapsed() >= self.reported.elapsed, || format!("time goes backwards: {text}"));
        self.reported.elapsed = operation.elapsed();
        match event {
            Event::Accepted { .. } | Event::Resumed { .. } => self.on_begin(operation, now),
            Event::Waiting { delay, reason, .. } => self.on_waiting(*delay, *reason, now),
            Event::Polled { is_unrecognized, .. } => {
                self.fetches = operation.state().is_terminal();
                if operation.state().is_terminal() {
                    self.reported.ended_by = Some(self.exchanges.len());
                }
                if !self.is_redirect() {
                    self.moves = 0;
                }
                let word = operation.status().unwrap_or_default().to_ascii_lowercase();
                let is_new = !self.reported.unrecognized.contains(&word);
                self.rule(is_new || !is_unrecognized, || format!("a status is reported twice: {text}"));
                if *is_unrecognized {
                    self.rule(!operation.state().is_terminal(), || format!("a terminal status is known: {text}"));
                    self.reported.unrecognized.push(word);
                }
            }
            Event::PollFailed { failures, retry_in, .. } => {
                let most = self.settings.max_consecutive_failures;
                let counted = self.purpose != Purpose::ResumesForged;
                self.rule(!counted || *failures <= most.saturating_add(1), || {
                    format!("more than {most} failures: {text}")
                });
                // As many as can be counted are enough, too.
                let is_last = *failures > most || *failures == u32::MAX;
                self.rule(retry_in.is_none() == is_last, || format!("repeated or not: {text}"));
            }
            Event::Moved { from, .. } => {
                self.rule(*from != operation.monitor(), || format!("it did not move: {text}"));
            }
            Event::Pending { delay, .. } => {
                let is_longer = self.settings.max_wait.is_some_and(|most| *delay > most);
                self.rule(is_longer, || format!("{delay:?} could have been waited for"));
                self.reported.ended = Some(Ended { outcome: None, operation: stored(operation), at: now });
                self.pending = Some(*delay);
                self.count_polls(operation);
            }
            Event::Finished { outcome, .. } => self.on_finished(operation, *outcome, now),
            _ => self.broken(format!("an event that is not known: {text}")),
        }
    }

    fn on_unmatched(&mut self, event: &Event<'_>) {
        let is_unmatched = matches!(event, Event::Unmatched { .. });
        let is_accepted = self.last_response().is_some_and(|response| response.status == 202);
        self.rule(is_unmatched && is_accepted && self.exchanges.len() == 1, || format!("{event:?}"));
    }

    fn on_begin(&mut self, operation: &Operation, now: Duration) {
        self.reported.began_at = Some(now);
        let name = operation.protocol().name();
        self.reported.unwraps = name == UNWRAPPING;
        if self.settings.speaks(name) {
            name.clone_into(&mut self.settings.origins.protocol);
        }
        self.deadline = match self.purpose {
            // It may be anything.
            Purpose::ResumesForged => None,
            // A deadline goes with the operation. One that has passed ends a later request at once.
            Purpose::Resumes if operation.deadline().is_some() && self.deadline.is_some() => {
                self.deadline.map(|deadline| deadline.max(now))
            }
            _ => self.settings.timeout.map(|timeout| now.saturating_add(timeout)),
        };
    }

    fn on_waiting(&mut self, delay: Duration, reason: DelayReason, now: Duration) {
        let asked = self.last_retry_after();
        // The time of day, which a date is read against, goes on meanwhile.
        let goes_by_the_clock = self.last_retry_after_at(Self::wall() + MINUTE) != asked;
        match (reason, asked) {
            (DelayReason::RetryAfter, Some(asked)) => {
                let expected = self.bounded(asked);
                let leeway = if goes_by_the_clock { MINUTE } else { Duration::ZERO };
                // Longer words need not be reported in full.
                let is_for_ever = delay.min(expected) > CENTURIES;
                self.rule(is_for_ever || delay.abs_diff(expected) <= leeway, || {
                    format!("a `Retry-After` of {asked:?} is a delay of {delay:?}")
                });
            }
            (DelayReason::Backoff, None) => {
                let (first, _, max) = self.settings.backoff;
                let floor = self.settings.min_delay;
                let range = first.min(max).max(floor)..=max.max(floor);
                self.rule(range.contains(&delay), || format!("a delay of {delay:?} by a backoff of {range:?}"));
            }
            (reason, asked) => self.broken(format!("a delay by {reason:?}, where the service asks for {asked:?}")),
        }
        // It began when the response was there, and lasts no longer than until the deadline.
        let answered_at = self.last().and_then(|last| last.answered_at).unwrap_or(now);
        let due = answered_at.saturating_add(delay);
        let wait = self.deadline.map_or(due, |deadline| due.min(deadline)).saturating_sub(now);
        let is_too_long = self.settings.max_wait.is_some_and(|most| wait > most);
        // A forged deadline may be nearer.
        let is_forged = self.purpose == Purpose::ResumesForged;
        self.rule(is_forged || !is_too_long, || format!("a delay of {delay:?} is waited for"));
        self.reported.waiting = Some((now, delay));
    }

    fn on_finished(&mut self, operation: &Operation, outcome: Outcome, now: Duration) {
        if let Some(deadline) = self.deadline {
            let is_dropped = outcome == Outcome::Dropped;
            // Refused before there was anything to wait for.
            let is_refused = matches!(outcome, Outcome::Address | Outcome::Protocol) && self.exchanges.is_empty();
            self.rule(!self.is_punctual || is_dropped || is_refused || now <= deadline.saturating_add(TICK), || {
                format!("it ends {:?} after its timeout, with {outcome:?}", now - deadline)
            });
            // Deadlines are stored in milliseconds.
            let is_forged = self.purpose == Purpose::ResumesForged;
            self.rule(outcome != Outcome::Timeout || is_forged || now + 2 * TICK >= deadline, || {
                format!("it is given up {:?} before its timeout", deadline - now)
            });
        }
        let is_bounded = self.deadline.is_some() || self.purpose == Purpose::ResumesForged;
        self.rule(outcome != Outcome::Timeout || is_bounded, || "a timeout that nobody set".to_owned());
        if outcome == Outcome::Timeout {
            self.deadline = None;
        }
        self.count_polls(operation);
        self.reported.ended = Some(Ended { outcome: Some(outcome), operation: stored(operation), at: now });
    }

    fn count_polls(&mut self, operation: &Operation) {
        let (polls, counted) = (operation.polls(), self.polls);
        self.rule(polls == counted, || format!("{counted} polls count as {polls}"));
    }

    /// That the operation in the response or in the error is the one that was reported last; without an outcome where it is handed
    /// back.
    pub fn is_as_reported(&mut self, operation: &Operation, outcome: Option<Outcome>) {
        let now = self.now();
        match self.reported.ended.clone() {
            None => self.broken(format!("no event says that it has ended, in {outcome:?}")),
            Some(ended) => {
                self.rule(ended.outcome == outcome, || format!("{outcome:?} is reported as {:?}", ended.outcome));
                self.rule(ended.at == now, || "its end was reported before".to_owned());
                let operation = stored(operation);
                self.rule(operation == ended.operation, || {
                    format!("the operation is not that of the last event:\n{operation}\n{}", ended.operation)
                });
            }
        }
    }
}

fn stored(operation: &Operation) -> String {
    serde_json::to_string(operation).expect("operations can be stored")
}
