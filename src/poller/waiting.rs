//! Waiting for the next request.

use std::time::Duration;

use crate::{
    event::Event,
    poller::{
        phases::{Action, Ended, Poller, Sending, Waiting},
        reason::Io,
    },
};

impl Waiting {
    pub(crate) fn poller(&self) -> &Poller {
        &self.0
    }

    pub(crate) fn into_poller(self) -> Box<Poller> {
        self.0
    }

    /// When [`on_due`](Self::on_due) is to be reported.
    pub(crate) fn wake_at(&self) -> Duration {
        self.0.schedule.or_deadline(self.0.schedule.due())
    }

    /// The time has come.
    pub(crate) fn on_due<T: Io>(self, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        // The wait ends at the deadline if that is earlier. Then nothing is sent.
        let is_late = poller.schedule.is_late(now.max(poller.schedule.due()));
        if is_late { poller.time_out() } else { Action::Send(Sending(poller)) }
    }
}

impl Poller {
    /// Schedules the next request after a delay, and returns that.
    pub(crate) fn delay(&mut self, retry_after: Option<Duration>, now: Duration) -> Duration {
        let backoff = &mut self.operation.progress.backoff;
        self.schedule.delay(&self.context.config.delays, retry_after, backoff, now)
    }

    /// Waits for the next request; if that takes too long, hands the operation back.
    pub(crate) fn wait<T: Io>(mut self: Box<Self>, now: Duration) -> Action<T> {
        self.spans.wait();
        let announced = self.schedule.take_announced();
        if let Some(max_wait) = self.config().max_wait {
            let delay = self.schedule.or_deadline(self.schedule.due()).saturating_sub(now);
            if delay > max_wait {
                self.emit(|operation| Event::Pending { operation, delay });
                return Action::Pending(delay, Ended::new(self));
            }
        }
        if let Some((delay, reason)) = announced {
            self.emit(|operation| Event::Waiting { operation, delay, reason });
        }
        Action::Wait(Waiting(self))
    }
}
