//! The rules on events.

use std::time::{Duration, SystemTime};

use tower_lro::{DelayReason, Event, Operation, OperationState, Outcome};

use super::{
    settings::SECRET,
    world::{Scene, TICK},
};

const MINUTE: Duration = Duration::from_secs(60);
const CENTURIES: Duration = Duration::from_secs(500 * 365 * 86_400);

/// What events have told so far.
#[derive(Debug)]
pub struct Told {
    pub accepted_at: Option<Duration>,
    pub finished: Option<Finished>,
    /// When it was said that the next poll comes, and after what delay.
    pub waiting: Option<(Duration, Duration)>,
    pub state: OperationState,
    /// How many requests there had been when it was told that it has ended.
    pub ended_by: Option<usize>,
    elapsed: Duration,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            accepted_at: None,
            finished: None,
            waiting: None,
            state: OperationState::NotStarted,
            ended_by: None,
            elapsed: Duration::ZERO,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Finished {
    pub outcome: Outcome,
    /// As it is stored.
    pub operation: String,
    at: Duration,
}

impl Scene {
    pub fn on_event(&mut self, event: &Event<'_>) {
        let now = self.now();
        let operation = event.operation();
        let text = format!("{event:?}");
        self.rule(!text.contains(SECRET) || !self.secret_is_safe(), || format!("an event has a secret: {text}"));
        self.rule(self.told.finished.is_none(), || format!("an event after the last: {text}"));
        let is_first = self.told.accepted_at.is_none();
        self.rule(is_first == matches!(event, Event::Accepted { .. }), || format!("not the first event: {text}"));
        self.rule(operation.elapsed() >= self.told.elapsed, || format!("time goes backwards: {text}"));
        self.told.elapsed = operation.elapsed();
        match event {
            Event::Accepted { .. } => {
                self.told.accepted_at = Some(now);
                operation.protocol().name().clone_into(&mut self.settings.origins.protocol);
            }
            Event::Waiting { delay, reason, .. } => self.on_waiting(*delay, *reason, now),
            Event::Polled { .. } => {
                self.told.state = operation.state();
                if operation.state().is_terminal() {
                    self.told.ended_by = Some(self.exchanges.len());
                } else {
                    self.moves = 0;
                }
            }
            Event::PollFailed { failures, retry_in, .. } => {
                let most = self.settings.max_consecutive_failures;
                self.rule(*failures <= most.saturating_add(1), || format!("more than {most} failures: {text}"));
                self.rule(retry_in.is_none() == (*failures > most), || format!("repeated or not: {text}"));
            }
            Event::Moved { from, .. } => {
                self.rule(*from != operation.monitor(), || format!("it did not move: {text}"));
            }
            Event::Finished { outcome, .. } => self.on_finished(operation, *outcome, now),
            _ => self.broken(format!("an event that is not known: {text}")),
        }
    }

    fn on_waiting(&mut self, delay: Duration, reason: DelayReason, now: Duration) {
        let hint = self.last_hint();
        // The time of day, which a date is read against, goes on meanwhile.
        let goes_by_the_clock = self.last_hint_at(SystemTime::now() + MINUTE) != hint;
        match (reason, hint) {
            (DelayReason::RetryAfter, Some(hint)) => {
                let expected = self.bounded(hint);
                let leeway = if goes_by_the_clock { MINUTE } else { Duration::ZERO };
                // What is longer need not be told as it is.
                let is_for_ever = delay.min(expected) > CENTURIES;
                self.rule(is_for_ever || delay.abs_diff(expected) <= leeway, || {
                    format!("a hint of {hint:?} is a delay of {delay:?}")
                });
            }
            (DelayReason::Backoff, None) => {
                let (first, _, max) = self.settings.backoff;
                let floor = self.settings.min_delay;
                let range = first.min(max).max(floor)..=max.max(floor);
                self.rule(range.contains(&delay), || format!("a delay of {delay:?} by a backoff of {range:?}"));
            }
            (reason, hint) => self.broken(format!("a delay by {reason:?}, where the hint is {hint:?}")),
        }
        self.told.waiting = Some((now, delay));
    }

    fn on_finished(&mut self, operation: &Operation, outcome: Outcome, now: Duration) {
        let began = self.told.accepted_at.unwrap_or_default();
        if let Some(timeout) = self.settings.timeout {
            let deadline = began.saturating_add(timeout);
            let is_dropped = outcome == Outcome::Dropped;
            self.rule(!self.is_punctual || is_dropped || now <= deadline.saturating_add(TICK), || {
                format!("it ends {:?} after its timeout, with {outcome:?}", now - deadline)
            });
            self.rule(outcome != Outcome::Timeout || now >= deadline, || {
                format!("it is given up {:?} before its timeout", deadline - now)
            });
        }
        self.rule(outcome != Outcome::Timeout || self.settings.timeout.is_some(), || "a timeout by no one".to_owned());
        let (polls, counted) = (operation.polls(), self.polls);
        self.rule(polls == counted, || format!("{counted} polls count as {polls}"));
        self.told.finished = Some(Finished { outcome, operation: told(operation), at: now });
    }

    /// That the operation in the answer is the one that was told of last.
    pub fn is_as_told(&mut self, operation: &Operation, outcome: Outcome) {
        let now = self.now();
        match self.told.finished.clone() {
            None => self.broken(format!("no event says that it has ended, in {outcome:?}")),
            Some(finished) => {
                self.rule(finished.outcome == outcome, || format!("{outcome:?} is told of as {:?}", finished.outcome));
                self.rule(finished.at == now, || "its end was told of before".to_owned());
                let operation = told(operation);
                self.rule(operation == finished.operation, || {
                    format!(
                        "the operation in the answer is not that of the last event:\n{operation}\n{}",
                        finished.operation
                    )
                });
            }
        }
    }
}

fn told(operation: &Operation) -> String {
    serde_json::to_string(operation).expect("operations are written")
}
