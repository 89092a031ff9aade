//! The phases of an operation, as types that own their data, and the machine's instructions to its driver.

use std::{sync::Arc, time::Duration};

use http::{Method, Uri};

use crate::{
    address::{error::AddressError, policy::Address},
    config::Config,
    event::{Event, Outcome, tracing::Spans},
    operation::Operation,
    poller::{
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
        schedule::Schedule,
        status_search::StatusSearch,
        verdict::Target,
    },
    protocol::{Rules, status_rule::StatusRule},
    request::{captured::Call, template::RequestTemplate},
};

/// An operation under way, whatever its phase. State that lasts for one call is here; state that outlives it is in `operation`
/// and its `progress`. Made in `starting.rs` and `resuming.rs`.
#[derive(Debug)]
pub(crate) struct Poller {
    pub(crate) context: Context,
    pub(crate) spans: Spans,
    pub(crate) operation: Operation,
    pub(crate) schedule: Schedule,
    // In boxes, because few operations have any of it.
    pub(crate) full: Option<Box<FullAddresses>>,
    pub(crate) unrecognized: Option<Box<Unrecognized>>,
}

/// The full addresses, where they have secrets of the caller's request, which the operation does not hold.
#[derive(Debug, Default)]
pub(crate) struct FullAddresses {
    /// That of the next request, or of the last one.
    pub(crate) target: Option<Uri>,
    /// A place where the result may be.
    pub(crate) location: Option<Uri>,
}

/// The parts that never change.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) method: Method,
    pub(crate) template: RequestTemplate,
    pub(crate) call: Call,
    /// How old the operation was when time began.
    pub(crate) age: Duration,
}

/// The statuses whose meaning is unknown.
#[derive(Debug, Default)]
pub(crate) struct Unrecognized {
    pub(crate) reported: Vec<Box<str>>,
    /// Whether the last one is still to be reported, together with its poll.
    pub(crate) is_new: bool,
}

impl Unrecognized {
    /// The status of a stored operation has been reported.
    pub(crate) fn of_resumed(operation: &Operation) -> Option<Box<Self>> {
        let status = operation.status.as_ref()?;
        let is_recognized = operation.protocol.rules().words.meaning(status).is_recognized;
        (!is_recognized).then(|| Box::new(Self { reported: vec![status.clone()], is_new: false }))
    }
}

/// Waits until the next request is due.
#[derive(Debug)]
pub(crate) struct Waiting(pub(super) Box<Poller>);

/// Sends a request, or is about to.
#[derive(Debug)]
pub(crate) struct Sending(pub(super) Box<Poller>);

/// Reads the body of a response.
pub(crate) struct Reading<T: Io> {
    pub(crate) poller: Box<Poller>,
    pub(crate) response: Box<PartialResponse<T::Body>>,
    pub(super) search: StatusSearch,
    pub(super) purpose: Purpose,
    /// When it has been read for long enough.
    pub(super) until: Duration,
    /// Whether the frame that was read last is the last of the body.
    pub(super) is_over: bool,
}

/// Is over, as far as this layer is concerned.
#[derive(Debug)]
pub(crate) struct Ended(Box<Poller>);

/// The purpose of reading a body.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// For its status.
    Status,
    /// So that its connection can be reused; up to `left` more bytes.
    Drain { left: usize },
    /// Like `Drain`, for a status response whose percentage may still come.
    DrainStatus { left: usize },
    /// For the end of the head of the HTTP message in it; `seen` counts the line ends in a row.
    MessageHead { seen: usize },
    /// For details of an operation that has ended, as far as they arrive at once, until this time.
    Details { ready_until: Duration },
    /// For an error, which keeps up to `left` more bytes of it.
    Error { left: usize, why: Unusable },
}

/// The driver's next step. The driver holds the phase, and hands it back with what happened.
#[must_use]
pub(crate) enum Action<T: Io> {
    /// Drop the response, and report when the time has come.
    Wait(Waiting),
    /// Ready the service, send [`Sending::request`], and report the response's head or the service's error.
    Send(Sending),
    /// Read on in the body of the response, and report the next frame, its end or its failure.
    Read(Box<Reading<T>>),
    /// Give the caller this response, and the rest of its body.
    Done(Box<PartialResponse<T::Body>>, Ended),
    /// Give the caller an error.
    Failed(Reason<T>, Ended),
    /// Give the caller the operation back, for it to be resumed after a delay.
    Pending(Duration, Ended),
}

impl Ended {
    pub(super) fn new(poller: Box<Poller>) -> Self {
        Self(poller)
    }

    pub(crate) fn poller(&self) -> &Poller {
        &self.0
    }

    pub(crate) fn into_operation(self) -> Operation {
        let Poller { operation, .. } = *self.0;
        operation
    }
}

impl<T: Io> Action<T> {
    /// The poller, if the operation has not ended.
    pub(crate) fn poller(&self) -> Option<&Poller> {
        match self {
            Self::Wait(waiting) => Some(waiting.poller()),
            Self::Send(sending) => Some(sending.poller()),
            Self::Read(reading) => Some(&reading.poller),
            Self::Done(..) | Self::Failed(..) | Self::Pending(..) => None,
        }
    }
}

impl Poller {
    /// How the monitor answers.
    pub(crate) fn status_rule(&self) -> &StatusRule {
        &self.operation.start_rule().monitor
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.operation.protocol.rules()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.context.config
    }

    /// The target of the next request, or of the last one.
    pub(crate) fn target(&self) -> Target {
        if self.result().is_some() { Target::Result } else { Target::Monitor }
    }

    /// The address of the result that is being fetched.
    pub(crate) fn result(&self) -> Option<&Address> {
        self.operation.result()
    }

    pub(crate) fn emit<'a>(&'a self, event: impl FnOnce(&'a Operation) -> Event<'a>) {
        let event = event(&self.operation);
        self.spans.emit(&event);
        self.spans.run(|| self.config().emit(&event));
    }

    pub(crate) fn record_elapsed(&mut self, now: Duration) {
        self.operation.elapsed = self.context.age.saturating_add(now);
    }

    /// Whether another failed poll is the last.
    pub(crate) fn is_last_failure(&self) -> bool {
        self.operation.progress.consecutive_failures >= self.config().max_consecutive_failures
    }

    /// The future was dropped before the operation ended.
    pub(crate) fn on_dropped(&self) {
        self.emit(|operation| Event::Finished { operation, outcome: Outcome::Dropped });
    }

    pub(crate) fn end(self: Box<Self>, outcome: Outcome) -> Ended {
        self.emit(|operation| Event::Finished { operation, outcome });
        Ended::new(self)
    }

    pub(crate) fn fail<T: Io>(mut self: Box<Self>, reason: Reason<T>) -> Action<T> {
        self.move_back();
        let outcome = reason.outcome();
        // A request that resumes the operation counts failures and moves anew.
        (self.operation.progress.consecutive_failures, self.operation.progress.moves) = (0, 0);
        Action::Failed(reason, self.end(outcome))
    }

    /// The deadline has come.
    pub(crate) fn time_out<T: Io>(mut self: Box<Self>) -> Action<T> {
        // It is over: a request that resumes the operation has another one.
        self.operation.progress.deadline = None;
        let failures = self.operation.progress.consecutive_failures;
        self.fail(Reason::Timeout { failures })
    }

    pub(crate) fn fail_address<T: Io>(self: Box<Self>, error: AddressError) -> Action<T> {
        self.fail(Reason::Address(Box::new(error)))
    }
}
