//! The phases of an operation, as types that own their data, and the machine's instructions to its driver.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, Method, Uri, uri::Authority};

use crate::{
    address::{
        error::AddressError,
        policy::{Address, Credentials},
        resolver::Resolver,
        uri::{propagate_api_version, propagate_query, without_secrets},
    },
    config::Config,
    event::{Event, Outcome, tracing::Spans},
    operation::Operation,
    poller::{
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
        result,
        schedule::Schedule,
        status_search::StatusSearch,
        verdict::Target,
    },
    protocol::{
        Rules,
        final_response::{FinalResponse, ResourceRule},
        status_rule::StatusRule,
        template::Template,
    },
    request::template::{Accept, PollRequest, RequestTemplate},
};

/// An operation under way, whatever its phase. State that lasts for one call is here; state that outlives it is in `operation`
/// and its `progress`. Made in `starting.rs` and `resuming.rs`.
#[derive(Debug)]
pub(crate) struct Poller {
    pub(crate) context: Context,
    pub(crate) operation: Operation,
    pub(crate) schedule: Schedule,
    // In boxes, because few operations have any of it.
    pub(crate) whole: Option<Box<Whole>>,
    pub(crate) unrecognized: Option<Box<Unrecognized>>,
}

/// Addresses that have secrets of the caller's request, which the operation does not hold.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) asked: Option<Uri>,
    /// A place where the result may be.
    pub(crate) location: Option<Uri>,
}

impl Whole {
    pub(crate) fn of(asked: Option<Uri>, location: Option<Uri>) -> Option<Box<Self>> {
        (asked.is_some() || location.is_some()).then(|| Box::new(Self { asked, location }))
    }
}

/// The parts that never change.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) method: Method,
    pub(crate) template: RequestTemplate,
    pub(crate) spans: Spans,
    pub(crate) caller: Caller,
    /// How old the operation was when time began.
    pub(crate) age: Duration,
}

/// The purpose of the caller's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Starts,
    Resumes,
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
pub(crate) struct Waiting(pub(crate) Box<Poller>);

/// Sends a request, or is about to.
#[derive(Debug)]
pub(crate) struct Sending(pub(crate) Box<Poller>);

/// Reads the body of a response.
pub(crate) struct Reading<T: Io> {
    pub(crate) poller: Box<Poller>,
    pub(crate) response: Box<PartialResponse<T::Body>>,
    pub(crate) search: StatusSearch,
    pub(crate) purpose: Purpose,
    /// When it has been read for long enough.
    pub(crate) until: Duration,
    /// How many frames without data came in a row.
    pub(crate) empty_frames: u32,
    /// Whether the frame that was read last is the last of the body.
    pub(crate) is_over: bool,
}

/// Is over, as far as this layer is concerned.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Box<Poller>);

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
}

impl Sending {
    pub(crate) fn poller(&self) -> &Poller {
        &self.0
    }

    pub(crate) fn into_poller(self) -> Box<Poller> {
        self.0
    }

    /// When [`on_late`](Self::on_late) is to be reported, if nothing else happens before.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.0.schedule.deadline
    }

    /// The request, to be sent at once: it counts as a poll.
    pub(crate) fn request(&mut self) -> PollRequest {
        let poller = &mut *self.0;
        let accept = match poller.asked() {
            Target::Monitor => {
                poller.operation.polls = poller.operation.polls.saturating_add(1);
                let reads_json = !poller.rule().status.is_empty();
                if reads_json { Accept::JsonFirst } else { Accept::AsCaller }
            }
            Target::Result => Accept::AsCaller,
        };
        let address = poller.target();
        poller.context.spans.send(&address.uri);
        poller.context.template.request(address, accept)
    }
}

impl Ended {
    pub(crate) fn into_operation(self) -> Operation {
        let Poller { operation, .. } = *self.0;
        operation
    }
}

impl<T: Io> Action<T> {
    /// The operation's, if it has not ended.
    pub(crate) fn poller(&self) -> Option<&Poller> {
        match self {
            Self::Wait(waiting) => Some(waiting.poller()),
            Self::Send(sending) => Some(sending.poller()),
            Self::Read(reading) => Some(&reading.poller),
            Self::Done(..) | Self::Failed(..) | Self::Pending(..) => None,
        }
    }
}

impl<T: Io> Reading<T> {
    /// When [`on_due`](Self::on_due) is to be reported, if the body gives nothing before.
    pub(crate) fn wake_at(&self) -> Duration {
        self.until
    }
}

impl Poller {
    /// How the monitor answers.
    pub(crate) fn rule(&self) -> &StatusRule {
        &self.operation.rule().monitor
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.operation.protocol.rules()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.context.config
    }

    /// The target of the next request, or of the last one.
    pub(crate) fn asked(&self) -> Target {
        if self.result().is_some() { Target::Result } else { Target::Monitor }
    }

    /// The address of the result that is being fetched.
    pub(crate) fn result(&self) -> Option<&Address> {
        self.operation.result()
    }

    /// The address of the next request, or of the last one.
    pub(crate) fn target(&self) -> Address {
        let (uri, credentials) = match self.result() {
            Some(result) => (&result.uri, result.credentials),
            None => (&self.operation.monitor, self.operation.credentials),
        };
        self.complete(Address { uri: self.whole_asked().unwrap_or(uri).clone(), credentials })
    }

    /// The whole address of the next request, if the operation may not hold all of it.
    pub(crate) fn whole_asked(&self) -> Option<&Uri> {
        self.whole.as_ref()?.asked.as_ref()
    }

    /// Completes an address with the query parameters that polls add.
    pub(crate) fn complete(&self, address: Address) -> Address {
        with_propagated(self.config(), self.context.template.caller.query(), &self.operation, address)
    }

    pub(crate) fn resolver(&self) -> Resolver<'_> {
        let Context { config, template, .. } = &self.context;
        let named = config.named_origins(&self.operation.protocol);
        Resolver::new(&template.caller, named)
    }

    /// Splits an address: the part that the operation may hold, and the whole if that is more.
    pub(crate) fn split(&self, uri: &Uri) -> (Uri, Option<Uri>) {
        split(&self.resolver(), self.config(), self.context.caller, uri)
    }

    /// The part of an address that the operation may hold.
    pub(crate) fn remembered(&self, uri: &Uri) -> Uri {
        self.split(uri).0
    }

    /// The whole address, before polls add query parameters.
    pub(crate) fn whole_of(&self, uri: &Uri) -> Uri {
        let (remembered, whole) = self.split(uri);
        whole.unwrap_or(remembered)
    }

    /// The address that a header names.
    pub(crate) fn header_address(&self, header: &HeaderName, headers: &HeaderMap, base: &Uri) -> Option<Uri> {
        // Most responses have no such header, and a resolver has to parse the request's address.
        headers.get(header)?;
        self.resolver().locate_header(header, headers, base).map(|uri| self.whole_of(&uri))
    }

    pub(crate) fn emit<'a>(&'a self, event: impl FnOnce(&'a Operation) -> Event<'a>) {
        let event = event(&self.operation);
        self.context.spans.emit(&event);
        self.context.spans.run(|| self.config().emit(&event));
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
        Ended(self)
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

/// Splits an address: the part that an operation may hold, and the whole if that is more.
pub(crate) fn split(resolver: &Resolver<'_>, config: &Config, caller: Caller, uri: &Uri) -> (Uri, Option<Uri>) {
    match caller {
        Caller::Starts => resolver.remembered(&config.propagate_query, uri),
        // Its own address may be the monitor's, whose query is the service's.
        Caller::Resumes => (resolver.without_propagated(&config.propagate_query, uri), None),
    }
}

/// Adds the propagated query parameters of the caller's request, and the `api-version` of the start request, to an address that
/// may get credentials.
pub(crate) fn with_propagated(
    config: &Config,
    query: Option<&str>,
    operation: &Operation,
    address: Address,
) -> Address {
    if address.credentials == Credentials::Withhold {
        return address;
    }
    let uri = propagate_query(&config.propagate_query, query, &address.uri).unwrap_or(address.uri);
    let version = || propagate_api_version(&config.propagate_query, operation.start()?.1.query(), &uri);
    Address { uri: version().unwrap_or(uri), ..address }
}

/// Remembers the start request if a later process needs it: to know the origin, to fetch the result, or to poll.
pub(crate) fn remember_start(config: &Config, operation: &mut Operation, method: &Method, request: &Uri) {
    fn origin(uri: &Uri) -> (Option<&str>, Option<&str>) {
        (uri.scheme_str(), uri.authority().map(Authority::as_str))
    }
    let rules = operation.protocol.rules();
    let choice = result::choice(config.final_response, rules.final_response);
    let has_template = || rules.resource.iter().any(|rule| matches!(rule, ResourceRule::Template(_)));
    let cancel_needs_it =
        || rules.cancel.as_ref().and_then(|rule| rule.template.as_ref()).is_some_and(Template::needs_start);
    let is_needed = choice != FinalResponse::Status
        || origin(request) != origin(&operation.monitor)
        || has_template()
        || cancel_needs_it()
        || propagate_api_version(&config.propagate_query, request.query(), &operation.monitor).is_some();
    if is_needed && operation.start().is_none() {
        operation.more_mut().start = Some((method.clone(), without_secrets(request)));
    }
}
