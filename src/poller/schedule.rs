//! `Schedule`: when the next request is due, when the deadline is, and which delay is still to be reported.

use std::time::Duration;

use crate::timing::backoff::{DelayReason, DelayRules, Random};

/// Times are since the operation was accepted, or resumed.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) deadline: Option<Duration>,
    /// When the next request is due.
    due: Duration,
    /// The delay to report once the response that decided it has been read.
    announced: Option<(Duration, DelayReason)>,
    random: Random,
}

impl Schedule {
    pub(crate) fn new(deadline: Option<Duration>, seed: u64) -> Self {
        Self { deadline, due: Duration::ZERO, announced: None, random: Random::new(seed) }
    }

    /// Schedules the next request after a delay, and returns that. It advances the `backoff` if the service has asked for none.
    pub(crate) fn delay(
        &mut self,
        rules: &DelayRules,
        retry_after: Option<Duration>,
        backoff: &mut Option<Duration>,
        now: Duration,
    ) -> Duration {
        let (delay, reason) = rules.delay(retry_after, backoff, &mut self.random);
        self.due = now.saturating_add(delay);
        self.announced = Some((delay, reason));
        delay
    }

    /// Schedules the next request at once.
    pub(crate) fn no_delay(&mut self, now: Duration) {
        self.due = now;
        self.announced = None;
    }

    pub(crate) fn announced(&self) -> Option<(Duration, DelayReason)> {
        self.announced
    }

    pub(crate) fn take_announced(&mut self) -> Option<(Duration, DelayReason)> {
        self.announced.take()
    }

    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    pub(crate) fn is_late(&self, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// The earlier of a time and the deadline.
    pub(crate) fn or_deadline(&self, time: Duration) -> Duration {
        self.deadline.map_or(time, |deadline| time.min(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_delay_is_due_after_it_and_reported_once() {
        let mut schedule = Schedule::new(Some(SECOND * 10), 0);
        let rules = DelayRules { jitter: 0.0, ..DelayRules::default() };
        let mut backoff = None;
        schedule.delay(&rules, None, &mut backoff, SECOND * 5);
        assert_eq!((schedule.due(), backoff), (SECOND * 6, Some(SECOND)));
        assert_eq!(schedule.take_announced(), Some((SECOND, DelayReason::Backoff)));
        assert_eq!(schedule.take_announced(), None);
        schedule.delay(&rules, Some(SECOND * 30), &mut backoff, SECOND * 6);
        assert_eq!((schedule.due(), backoff), (SECOND * 36, Some(SECOND)));
        assert_eq!(schedule.or_deadline(schedule.due()), SECOND * 10);
        assert!(!schedule.is_late(SECOND * 9) && schedule.is_late(SECOND * 10));
        schedule.no_delay(SECOND * 7);
        assert_eq!((schedule.due(), schedule.announced()), (SECOND * 7, None));
    }

    #[test]
    fn the_longest_delay_there_is_does_not_overflow() {
        let mut schedule = Schedule::new(None, 0);
        let rules = DelayRules { max_delay: Duration::MAX, ..DelayRules::default() };
        schedule.delay(&rules, Some(Duration::MAX), &mut None, SECOND);
        assert_eq!((schedule.due(), schedule.or_deadline(schedule.due())), (Duration::MAX, Duration::MAX));
        assert!(!schedule.is_late(Duration::MAX));
    }
}
